"""The files of the grades: results.json and feedback for each notebook, and one CSV over all.

A required step is worth one point. A stretch step is listed with no points, so it never changes a mark.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from npc_lab.errors import NPCLabError
from npc_lab.files import write_whole
from npc_lab.grading import Grade
from npc_lab.grading.feedback import as_markdown, as_page, feedback
from npc_lab.lessons.checking.reports import CORRECT, INCORRECT, Report, Step
from npc_lab.text import printable, shorten, well_formed

CSV_NAME = "grades.csv"
JSON_NAME, PAGE_NAME, MARKDOWN_NAME = "results.json", "feedback.html", "feedback.md"
ENCODING = "utf-8-sig"  # of the CSV: without the byte order mark, Excel garbles umlauts
COLUMNS = (
    "file",
    "exercise",
    "outcome",
    "passed",
    "points",
    "max_points",
    "stretch_correct",
    "stretch_total",
    "seconds",
    "note",
    "first_wrong",
    "unchecked",
    "to_look_at",
)
NOT_GRADED = "not graded"
_BEGINS_A_FORMULA = tuple("=+-@＝＋－＠")


class Records:
    """The folder of the grades. Rows of notebooks that are not graded this time stay in its CSV as they are.

    kept: the names of those notebooks. rows: those of each notebook, by its name. markdown: whether feedback
    is written as Markdown, too. Raise `NPCLabError` if the folder has a CSV that is not ours.
    """

    def __init__(self, folder: Path, markdown: bool = False):
        self.csv, self._folder, self._markdown = folder / CSV_NAME, folder, markdown
        self.rows = _read(self.csv)
        self.kept = set(self.rows)
        self._grades = dict[str, Grade]()
        places = [folder / _below(as_it_was(name)) for name in self.kept]
        found = {path: _content(path) for place in places for path in _paths(place)}
        self._earlier = {path: content for path, content in found.items() if content is not None}

    def add(self, grade: Grade) -> None:
        """Write the notebook's rows and its files in place of earlier ones."""
        self._grades[grade.name] = grade
        place = self._folder / _below(grade.name)
        place.mkdir(parents=True, exist_ok=True)
        for path in _paths(place):  # killed here, we leave none of them: better than an old one by a new row
            self._earlier.pop(path, None)
            path.unlink(missing_ok=True)
        files = self._put(grade)
        self.write_csv()
        _write_all(files)

    def write_again(self) -> None:
        """Write all files once more, from memory: a notebook may have changed those of others.

        Only now is it known which notebooks are equal.
        """
        files = {path: content for path, content in self._earlier.items() if _content(path) != content}
        for grade in self._grades.values():
            files |= self._put(grade)
        _write_all(files)
        self.write_csv()

    def _put(self, grade: Grade) -> dict[Path, bytes]:
        """Put the grade's rows into the table, and return its files."""
        rows = list(_rows(grade))
        name = rows[0][0]
        self.rows[name] = rows
        self.kept.discard(name)
        place = self._folder / _below(grade.name)
        return {place / file: content for file, content in _files_of(grade, self._markdown).items()}

    def write_csv(self) -> None:
        """Write a row for each exercise of each notebook, and one for each file without exercises."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        for _, rows in sorted(self.rows.items()):
            writer.writerows(rows)
        write_whole(self.csv, text.getvalue().encode(ENCODING))


def gradescope(grade: Grade) -> dict[str, Any]:
    """Return the grade as in https://gradescope-autograders.readthedocs.io/en/latest/specs/."""
    return {
        "score": grade.points,
        "execution_time": round(grade.seconds),
        "output": "\n".join(map(clean, grade.notes)),
        "output_format": "text",
        "visibility": "visible",
        "tests": [_test(report, step) for report in grade.reports for step in report.steps],
        "extra_data": {
            "file": clean(grade.name),
            "was_graded": grade.was_graded,
            "exercises": {report.exercise: _summary(grade, report) for report in grade.reports},
            "to_look_at": list(map(clean, grade.to_look_at)),
        },
    }


def outcome(grade: Grade, report: Report) -> str:
    """Return the exercise's outcome, or "not graded"."""
    return report.outcome if grade.was_graded else NOT_GRADED


def share(report: Report, required: bool) -> tuple[int, int]:
    """Return how many of the required steps, or of the stretch steps, are correct, and how many there are."""
    steps = [step for step in report.steps if step.required == required]
    return sum(step.outcome == CORRECT for step in steps), len(steps)


def by_part(report: Report) -> dict[str, tuple[int, int]]:
    """Return the points of each part of the exercise, and the most there are: {"turn": (16, 17)}.

    An exercise without parts has one, which is called "".
    """
    parts: dict[str, list[bool]] = {}
    for step in report.required:
        parts.setdefault(step.part, []).append(step.outcome == CORRECT)
    return {part: (sum(found), len(found)) for part, found in parts.items()}


def clean(text: str) -> str:
    """Return the text without control characters and lone surrogates."""
    return printable(well_formed(text))


def _summary(grade: Grade, report: Report) -> dict[str, Any]:
    points, most = share(report, True)
    parts = {part: list(found) for part, found in by_part(report).items() if part}
    summary = {
        "outcome": outcome(grade, report),
        "passed": report.passed,
        "points": points,
        "max_points": most,
    }
    return {**summary, "parts": parts} if parts else summary


def _test(report: Report, step: Step) -> dict[str, Any]:
    is_correct, points = step.outcome == CORRECT, int(step.required)
    test = {
        "name": f"{report.exercise}: {step.name}{'' if step.required else ' (stretch)'}",
        "score": points * is_correct,
        "max_score": points,
        "output": f"{step.outcome}\n{clean(step.message)}",
        "output_format": "text",
        "visibility": "visible",
    }
    if is_correct or step.required:  # an open stretch step is no failure
        test["status"] = "passed" if is_correct else "failed"
    return test


def _files_of(grade: Grade, markdown: bool) -> dict[str, bytes]:
    """Return what is written for a notebook, by the files' names."""
    blocks = feedback(grade)
    texts = {
        JSON_NAME: json.dumps(gradescope(grade), indent=2, ensure_ascii=False),
        PAGE_NAME: as_page(blocks),
    }
    if markdown:
        texts[MARKDOWN_NAME] = as_markdown(blocks)
    return {name: text.encode() for name, text in texts.items()}


def _paths(place: Path) -> list[Path]:
    return [place / name for name in (JSON_NAME, PAGE_NAME, MARKDOWN_NAME)]


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write_all(files: Mapping[Path, bytes]) -> None:
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def _read(path: Path) -> dict[str, list[list[Any]]]:
    """Return the rows of the CSV by their first cell; {} if there is no file."""
    rows = dict[str, list[list[Any]]]()
    try:
        with path.open(newline="", encoding=ENCODING) as file:
            head, *found = csv.reader(file, strict=True)
        if tuple(head) != COLUMNS or any(len(row) != len(COLUMNS) for row in found):
            raise ValueError
    except FileNotFoundError:
        return rows
    except (ValueError, csv.Error):
        raise NPCLabError(
            f"{path} is not as npc-lab wrote it, so its rows cannot be kept. "
            "Rename it, or name another folder: npc-lab grade --out FOLDER"
        ) from None
    for row in found:
        rows.setdefault(row[0], []).append(row)
    return rows


def _below(name: str) -> str:
    """Return the notebook's name as a relative path: an absolute one loses its beginning."""
    return name.lstrip("/").replace(":", "")


def _rows(grade: Grade) -> Iterable[list[Any]]:
    name, note = harmless(grade.name), harmless(shorten(" ".join(grade.notes), 500))
    seconds, look = f"{grade.seconds:.1f}", harmless("; ".join(grade.to_look_at))
    if not grade.reports:
        yield [name, "", NOT_GRADED, False, 0, 0, 0, 0, seconds, note, "", 0, look]
    for report in grade.reports:
        counts = (*share(report, True), *share(report, False))
        passed = grade.was_graded and report.passed
        found, wrong = outcome(grade, report), harmless(_first_wrong(grade, report))
        yield [
            name, report.exercise, found, passed, *counts, seconds, note, wrong, report.unchecked, look
        ]  # fmt: skip


def _first_wrong(grade: Grade, report: Report) -> str:
    """Return the first wrong step in the check's words, or "" if none is wrong."""
    step = report.first_wrong
    if not grade.was_graded or step is None or step.outcome != INCORRECT:
        return ""
    return shorten(f"{step.name}. {step.fault}".strip(), 300)


def harmless(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula: such a one begins with an apostrophe."""
    shown = clean(text)
    return f"'{shown}" if shown.lstrip().startswith(_BEGINS_A_FORMULA) else shown


def as_it_was(cell: str) -> str:
    """Return a cell without the apostrophe that `harmless` has put before it."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip().startswith(_BEGINS_A_FORMULA) else cell
