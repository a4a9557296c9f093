"""What is kept of the grades: Gradescope's results.json for each notebook, and one CSV over all.

A required step is worth one point. A stretch step is listed with none, so that it never changes a mark.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from npc_lab.files import write_whole
from npc_lab.grading import Grade
from npc_lab.lessons.report import CORRECT, Report, Step
from npc_lab.text import printable, shorten, well_formed

CSV_NAME = "grades.csv"
JSON_NAME = "results.json"
COLUMNS = (
    "file",
    "exercise",
    "outcome",
    "passed",
    "required_correct",
    "required_total",
    "stretch_correct",
    "stretch_total",
    "seconds",
    "note",
)
NOT_GRADED = "not graded"
_BEGINS_A_FORMULA = tuple("=+-@＝＋－＠")


def write_results(folder: Path, grade: Grade) -> None:
    """Write the notebook's results.json into a folder of its name."""
    path = folder / PurePosixPath(grade.name) / JSON_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(gradescope(grade), indent=2, ensure_ascii=False).encode())


def write_csv(folder: Path, grades: Iterable[Grade]) -> None:
    """Write one row for each exercise of each notebook, and one for each file without any."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for grade in grades:
        rows.writerows(_rows(grade))
    write_whole(folder / CSV_NAME, text.getvalue().encode())


def gradescope(grade: Grade) -> dict[str, Any]:
    """The grade as https://gradescope-autograders.readthedocs.io/en/latest/specs/ wants it."""
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
            "exercises": {
                report.exercise: {"outcome": outcome(grade, report), "passed": report.passed}
                for report in grade.reports
            },
        },
    }


def outcome(grade: Grade, report: Report) -> str:
    """What to call the outcome of an exercise."""
    return report.outcome if grade.was_graded else NOT_GRADED


def share(report: Report, required: bool) -> tuple[int, int]:
    """How many of the required steps, or of the stretch steps, are correct; and how many there are."""
    steps = [step for step in report.steps if step.required == required]
    return sum(step.outcome == CORRECT for step in steps), len(steps)


def clean(text: str) -> str:
    """The text without what no file and no terminal should get."""
    return printable(well_formed(text))


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


def _rows(grade: Grade) -> Iterable[tuple[Any, ...]]:
    name, note = _cell(grade.name), _cell(" ".join(grade.notes))
    seconds = f"{grade.seconds:.1f}"
    if not grade.reports:
        yield name, "", NOT_GRADED, False, 0, 0, 0, 0, seconds, note
    for report in grade.reports:
        counts = (*share(report, True), *share(report, False))
        passed = grade.was_graded and report.passed
        yield name, report.exercise, outcome(grade, report), passed, *counts, seconds, note


def _cell(text: str) -> str:
    """One line that no program for tables takes for a formula."""
    line = shorten(clean(text), 500)
    return f"'{line}" if line.startswith(_BEGINS_A_FORMULA) else line
