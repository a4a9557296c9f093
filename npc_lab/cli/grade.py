"""`npc-lab grade`: check notebooks that were handed in, show their grades and write them into files."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from npc_lab.cli.screen import Screen
from npc_lab.cli.start import INSTALL_COURSE
from npc_lab.errors import NPCLabError, did_you_mean
from npc_lab.grading import Grade, grade_all
from npc_lab.grading.handed_in import HandedIn, find_notebooks, path_name
from npc_lab.grading.records import Records, outcome, share
from npc_lab.grading.roster import read_roster
from npc_lab.grading.students import CANVAS_NAME, MOODLE_NAME, ByStudent
from npc_lab.lessons.checking.reports import MARKS
from npc_lab.lessons.exercises.catalogue import EXERCISES

_NEEDED = ("nbclient", "nbformat", "ipykernel", "psutil")
_HEAD = ("file", "exercise", "outcome", "steps", "stretch", "points")


@dataclass(frozen=True)
class Students:
    """Whose the notebooks are: by a roster, by a pattern of their names, or as folders usually say it."""

    roster: Path | None = None
    pattern: str = ""


def grade_notebooks(
    screen: Screen,
    paths: list[Path],
    out: Path,
    cell_seconds: float,
    jobs: int | None,
    exercises: list[str],
    markdown: bool = False,
    students: Students | None = None,
) -> bool:
    """Grade notebooks, write and show the grades, and return whether all of them could be graded.

    markdown: write feedback as Markdown, too. students: if given, write a row for each of them.

    Raise `NPCLabError` if there is nothing to grade or the grades cannot be written. At Ctrl-C, the grades so
    far are written and shown.
    """
    look_for_packages()
    look_for_exercises(exercises)
    notebooks, others = find_notebooks(paths, out)
    passed_over = (
        f"Passed over, because their names do not end with .ipynb: {', '.join(others)}" if others else ""
    )
    if not notebooks:
        raise NPCLabError(f"There is no notebook in {', '.join(map(str, paths))}. {passed_over}")
    by_student = _by_student(students, paths) if students else None
    grades = list[Grade]()
    try:
        records = Records(out, markdown)
        try:
            _grade(notebooks, exercises, cell_seconds, jobs or os.cpu_count() or 1, records, grades)
        finally:
            records.write_again()
            _show(screen, _in_order(grades), records)
            if by_student:
                for note in by_student.write(out, records.rows):
                    screen.notice(note)
                screen.say(f"Written: {out / CANVAS_NAME} and {out / MOODLE_NAME}, a row for each student.")
            if others:
                screen.notice(passed_over)
    except OSError as error:
        raise NPCLabError(
            f"The grades cannot be written into {out}: {error.strerror or error}. "
            "Name another folder: npc-lab grade --out FOLDER"
        ) from error
    return all(grade.was_graded for grade in grades)


def _by_student(students: Students, paths: Iterable[Path]) -> ByStudent:
    roster = read_roster(students.roster) if students.roster else None
    folders = [path_name(path.resolve()) for path in paths if path.is_dir()]
    return ByStudent(roster, students.pattern, folders)


def _grade(
    notebooks: list[HandedIn],
    exercises: list[str],
    cell_seconds: float,
    jobs: int,
    records: Records,
    grades: list[Grade],
) -> None:
    records.write_csv()  # if that is not possible, we want to know before the work
    with tqdm(total=len(notebooks), desc="Grading", unit="notebook", disable=not sys.stderr.isatty()) as bar:

        def keep(grade: Grade) -> None:
            grades.append(grade)
            records.add(grade)
            bar.update()

        grade_all(notebooks, exercises, cell_seconds, jobs, keep)


def look_for_packages() -> None:
    """Raise `NPCLabError` if a package that grading needs is missing."""
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise NPCLabError(f"Grading needs {' and '.join(missing)}. To install it:\n  {INSTALL_COURSE}")


def look_for_exercises(names: Iterable[str]) -> None:
    """Raise `NPCLabError` if there is no exercise of such a name."""
    for name in names:
        if name not in EXERCISES:
            advice = did_you_mean(name, EXERCISES, f"There are {', '.join(EXERCISES)}.")
            raise NPCLabError(f"There is no exercise {name!r}. {advice}")


def _in_order(grades: list[Grade]) -> list[Grade]:
    return sorted(grades, key=lambda grade: grade.name)


def _show(screen: Screen, grades: list[Grade], records: Records) -> None:
    screen.table(_HEAD, [row for grade in grades for row in _rows(grade)])
    for grade in grades:
        for note in grade.notes:
            screen.say(f"{grade.name}: {note}")
        for sign in grade.to_look_at:
            screen.say(f"{grade.name}: look at it yourself, it {sign}.")
    failed = sum(not grade.was_graded for grade in grades)
    if failed:
        screen.notice(f"{failed} of {len(grades)} files could not be graded.")
    screen.say(f"Written: {records.csv}, and results.json and feedback.html for each file beside it.")
    if records.kept:
        screen.say(f"Kept from before: the rows of {len(records.kept)} other files.")


def _rows(grade: Grade) -> Iterable[tuple[str, ...]]:
    """Yield a row for each exercise; only the first one names the file and its points."""
    name = grade.name.removesuffix(".ipynb")
    points = _of(grade.points, grade.most_points)
    if not grade.reports:
        yield name, "", "not graded", "", "", ""
    for report in grade.reports:
        found = outcome(grade, report)
        mark = f"{MARKS[report.outcome]} " if grade.was_graded else ""
        steps, stretch = (_of(*share(report, required)) for required in (True, False))
        yield name, report.exercise, mark + found, steps, stretch, points
        name = points = ""


def _of(correct: int, total: int) -> str:
    return f"{correct} of {total}" if total else ""
