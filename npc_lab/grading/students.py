"""One row a student, in the columns that Canvas and Moodle import.

    by_student = ByStudent(roster or None, "{id}_*.ipynb" or "", ["handed_in"])
    by_student.write(Path("grades"), rows of grades.csv by file)      canvas.csv and moodle.csv

Whose a notebook is, its path says: by the pattern; as Canvas and Moodle name what a teacher downloads; else
by the folder that it lies in, or by its own name if that folder is the one of the whole class.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npc_lab.errors import NPCLabError
from npc_lab.files import write_whole
from npc_lab.grading.records import COLUMNS, NOT_GRADED, as_it_was, harmless
from npc_lab.grading.roster import Roster, Student
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.text import shorten, some_of

CANVAS_NAME, MOODLE_NAME = "canvas.csv", "moodle.csv"
_CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
_MOODLE = ["Identifier", "First name", "Last name", "Surname", "Full name", "ID number", "Username"]
_MOODLE += ["Email address"]
_POINTS_POSSIBLE = "    Points Possible"  # Canvas knows the line by these words
# adalovelace_LATE_123_456_notebook.ipynb
_FROM_CANVAS = re.compile(r"([^_/]+)_(?:LATE_)?(\d+)_\d+_[^/]*")
# Ada Lovelace_123_assignsubmission_file_/notebook.ipynb, or all in one folder
_FROM_MOODLE = re.compile(r"([^/]+?)_(\d+)_assignsubmission_[^/]*")
_FEW = 10  # names in a sentence
ID = "{id}"


@dataclass
class _Marks:
    """What a student has: points of the notebook that counts and most points, by lesson; and what to say."""

    student: Student
    points: dict[str, tuple[int, int]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Notebook:
    """A notebook's rows in grades.csv. points: None if it was not graded."""

    name: str
    lesson: str
    points: int | None
    most: int
    said: str


class ByStudent:
    """Writes a row for each student.

    pattern: the end of a notebook's path, with {id} for the student's id and * for anything; "" for the usual
    places. folders: the names of those of whole classes. Raise `NPCLabError` if {id} is not in the pattern.
    """

    def __init__(self, roster: Roster | None, pattern: str = "", folders: Sequence[str] = ()):
        self._roster, self._pattern = roster, _compiled(pattern) if pattern else None
        self._folders = sorted(folders, key=len, reverse=True)  # the nearest one first

    def write(self, folder: Path, rows: Mapping[str, Sequence[Sequence[Any]]]) -> list[str]:
        """Write canvas.csv and moodle.csv from rows of grades.csv. Return what a teacher should know."""
        notebooks = [_notebook(name, found) for name, found in sorted(rows.items())]
        theirs: dict[Student, list[_Notebook]] = {each: [] for each in self._roster or ()}
        strangers = list[str]()
        for each in notebooks:
            found = self._owners(each.name)
            if len(found) == 1:
                theirs.setdefault(found[0], []).append(each)
            else:
                strangers.append(each.name + (f" (of {' or '.join(map(str, found))}?)" if found else ""))
        marks, notes = list[_Marks](), list[str]()
        for student, handed_in in theirs.items():
            marks.append(_Marks(student))
            notes += _count(marks[-1], handed_in)
        lessons = sorted({each.lesson: each.most for each in notebooks if each.lesson}.items())
        _write(folder / CANVAS_NAME, _canvas(marks, lessons))
        _write(folder / MOODLE_NAME, _moodle(marks, lessons))
        if strangers:
            notes.append(f"Of no student, so in no row: {some_of(strangers, _FEW)}.")
        if missing := [str(student) for student, handed_in in theirs.items() if not handed_in]:
            notes.append(f"Nothing was handed in by {some_of(missing, _FEW)}.")
        return notes

    def _owners(self, name: str) -> list[Student]:
        """Return whose the notebook may be."""
        if self._pattern:
            found = self._pattern.search(f"/{name}")
            words, who = ([found["id"]] if found else []), ""
        else:
            words, who = self._words(name)
        if self._roster is not None:
            return self._roster.find([*words, who] if who else words)
        return [Student(who, (words[0],))] if words else []

    def _words(self, name: str) -> tuple[list[str], str]:
        """Return what in the path may be the student's id, the surest first, and what is their name."""
        folder, _, file = name.rpartition("/")
        for part in (file, *reversed(folder.split("/"))):
            if found := _FROM_MOODLE.fullmatch(part) or (part == file and _FROM_CANVAS.fullmatch(part)):
                return [found[2]], found[1]
        common = next((each for each in self._folders if f"{folder}/".startswith(f"{each}/")), "")
        own = [each for each in folder[len(common) :].split("/") if each]
        stem = re.sub(r"\.ipynb$", "", file, flags=re.IGNORECASE)
        return [*reversed(own), stem], ""


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern.count(ID) != 1:
        raise NPCLabError(f"A pattern has {ID} where the student's id stands: --pattern '{ID}_*.ipynb'")
    before, after = (
        re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for part in pattern.split(ID)
    )
    return re.compile(rf"/{before.removeprefix('/')}(?P<id>[^/]+?){after}(?:\.ipynb)?$")


def _notebook(name: str, rows: Sequence[Sequence[Any]]) -> _Notebook:
    cells = [dict(zip(COLUMNS, map(str, row), strict=True)) for row in rows]
    exercises = [EXERCISES[cell["exercise"]] for cell in cells if cell["exercise"] in EXERCISES]
    is_graded = bool(exercises) and all(cell["outcome"] != NOT_GRADED for cell in cells)
    said = [f"{cell['exercise']}: {as_it_was(cell['first_wrong'])}" for cell in cells if cell["first_wrong"]]
    return _Notebook(
        as_it_was(name),
        exercises[0].lesson if exercises else "",
        sum(int(cell["points"]) for cell in cells) if is_graded else None,
        sum(int(cell["max_points"]) for cell in cells),
        shorten(" ".join(said), 500) if is_graded else "It could not be graded.",
    )


def _count(marks: _Marks, notebooks: Sequence[_Notebook]) -> list[str]:
    """Note the points of the best notebook of each lesson. Return what is to be said."""
    notes = []
    for lesson in sorted({each.lesson for each in notebooks}):
        found = [each for each in notebooks if each.lesson == lesson]
        best = max(found, key=lambda each: -1 if each.points is None else each.points)
        if lesson and len(found) > 1:
            names = ", ".join(each.name for each in found)
            notes.append(
                f"{marks.student} has {len(found)} notebooks of lesson {lesson}: {names}. "
                f"The one with the most points counts: {best.name}."
            )
        if lesson and best.points is not None:
            marks.points[lesson] = best.points, best.most
        if lesson:
            marks.said[lesson] = best.said
    return notes


def _canvas(marks: Iterable[_Marks], lessons: Sequence[tuple[str, int]]) -> Iterable[list[str]]:
    """Yield the lines of a gradebook as Canvas imports it."""
    yield [*_CANVAS, *(_column(lesson) for lesson, _ in lessons)]
    yield [_POINTS_POSSIBLE, *[""] * (len(_CANVAS) - 1), *(str(most) for _, most in lessons)]
    for each in marks:
        columns = each.student.columns
        if not columns:
            number, other = _apart(each.student)
            columns = {"Student": _called(each.student), "ID": number, "SIS Login ID": other}
        known = [columns.get(heading, "") for heading in _CANVAS]
        known[0] = known[0] or _called(each.student)
        yield [*map(harmless, known), *(_points_of(each, lesson) for lesson, _ in lessons)]


def _moodle(marks: Sequence[_Marks], lessons: Sequence[tuple[str, int]]) -> Iterable[list[str]]:
    """Yield the lines of a table as Moodle imports it: who, then points and feedback of each lesson."""
    known = [each for each in _MOODLE if any(each in mark.student.columns for mark in marks)]
    head = known or ["Full name", "ID number"]
    yield [
        *head,
        *(name for lesson, _ in lessons for name in (_column(lesson), f"{_column(lesson)} feedback")),
    ]
    for each in marks:
        columns = each.student.columns
        if not known:
            columns = {"Full name": _called(each.student), "ID number": next(iter(each.student.ids), "")}
        said = (
            cell for lesson, _ in lessons for cell in (_points_of(each, lesson), each.said.get(lesson, ""))
        )
        yield [*(harmless(columns.get(heading, "")) for heading in head), *map(harmless, said)]


def _apart(student: Student) -> tuple[str, str]:
    """Return an id as Canvas's own number, or as the id of a login."""
    found = next(iter(student.ids), "")
    return (found, "") if found.isdigit() else ("", found)


def _called(student: Student) -> str:
    return student.name or next(iter(student.ids), "")


def _column(lesson: str) -> str:
    return f"npc_lab lesson {lesson}"


def _points_of(marks: _Marks, lesson: str) -> str:
    """Return the points, or "" if nothing was handed in or graded: an import leaves such a cell as it is."""
    return str(marks.points[lesson][0]) if lesson in marks.points else ""


def _write(path: Path, lines: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)  # without a byte order mark: Canvas takes it for a part of a name
    write_whole(path, text.getvalue().encode())
