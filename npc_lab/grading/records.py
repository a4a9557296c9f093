"""The files of the grades: Gradescope's results.json for each notebook, and one CSV over all.

A required step is worth one point. A stretch step is listed with no points, so it never changes a mark.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from npc_lab.errors import NPCLabError
from npc_lab.files import write_whole
from npc_lab.grading import Grade
from npc_lab.lessons.checking.reports import CORRECT, Report, Step
from npc_lab.text import printable, shorten, well_formed

CSV_NAME = "grades.csv"
JSON_NAME = "results.json"
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
    "to_look_at",
)
NOT_GRADED = "not graded"
_BEGINS_A_FORMULA = tuple("=+-@＝＋－＠")


class Records:
    """The folder of the grades. Rows of notebooks that are not graded this time stay in its CSV as they are.

    kept: the names of those notebooks. Raise `NPCLabError` if the folder has a CSV that is not ours.
    """

    def __init__(self, folder: Path):
        self.csv, self._folder = folder / CSV_NAME, folder
        self._rows = _read(self.csv)  # first cell (the notebook's name) -> rows
        self.kept = set(self._rows)
        self._results = dict[Path, bytes]()

    def add(self, grade: Grade) -> None:
        """Write the notebook's rows and its results.json in place of earlier ones."""
        rows = list(_rows(grade))
        name = rows[0][0]
        self._rows[name] = rows
        self.kept.discard(name)
        path = self._folder / _below(grade.name) / JSON_NAME
        self._results[path] = json.dumps(gradescope(grade), indent=2, ensure_ascii=False).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # killed here, we leave no file: better than an old one beside a new row
        self.write_csv()
        write_whole(path, self._results[path])

    def write_again(self) -> None:
        """Write all results of this run once more: a notebook may have changed those of others."""
        for path, content in self._results.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        self.write_csv()

    def write_csv(self) -> None:
        """Write a row for each exercise of each notebook, and one for each file without exercises."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        for _, rows in sorted(self._rows.items()):
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
    name, note = _cell(grade.name), _cell(shorten(" ".join(grade.notes), 500))
    seconds, look = f"{grade.seconds:.1f}", _cell("; ".join(grade.to_look_at))
    if not grade.reports:
        yield [name, "", NOT_GRADED, False, 0, 0, 0, 0, seconds, note, look]
    for report in grade.reports:
        counts = (*share(report, True), *share(report, False))
        passed = grade.was_graded and report.passed
        yield [name, report.exercise, outcome(grade, report), passed, *counts, seconds, note, look]


def _cell(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula."""
    harmless = clean(text)
    return f"'{harmless}" if harmless.lstrip().startswith(_BEGINS_A_FORMULA) else harmless
