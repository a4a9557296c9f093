"""The students of a course, as Canvas, Moodle or a teacher lists them in a CSV file.

    roster = read_roster(Path("roster.csv"))
    roster.find(["123"])                    [the student with this id]
    roster.find(["123", "Jan Müller"])      [who is both]; several, if id and name do not agree

A student is known by any id that the file has of them, and by name. Accents, case and the order of the names
do not matter. Nobody is guessed: a name that two students have finds both.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from npc_lab.errors import NPCLabError

# Headings as Canvas and Moodle write them, and as a teacher might.
_IDS = ["id", "sis user id", "sis login id", "integration id", "identifier", "id number", "username"]
_IDS += ["email address", "email", "student id", "login", "user id"]
_NAMES = ["student", "name", "full name", "student name"]
_FIRST, _LAST = ("first name", "firstname", "given name"), ("last name", "lastname", "surname", "family name")
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_ONE_LETTER = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i"})  # no accent can be taken from these
_PARTICIPANT = "Participant "  # Moodle: "Participant 123" in a worksheet, 123 in the name of a folder


@dataclass(frozen=True)
class Student:
    """A student. name, ids: may be empty. columns: the cells of the roster by their headings."""

    name: str
    ids: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        first = next(iter(self.ids), "")
        return f"{self.name} ({first})" if self.name and first else self.name or first


class Roster:
    """All students. Iterating yields them in the roster's order."""

    def __init__(self, students: Sequence[Student]):
        self.students = list(students)
        self._by_id = dict[str, int]()
        self._by_name = defaultdict[str, set[int]](set)
        for number, student in enumerate(self.students):
            self._by_id |= {_key(each): number for each in student.ids}
            for name in _names(student.name):
                self._by_name[name].add(number)

    def __iter__(self) -> Iterator[Student]:
        return iter(self.students)

    def find(self, words: Iterable[str]) -> list[Student]:
        """Return the students whom these ids and names may mean: one, if they agree on one."""
        found = [numbers for word in words if (numbers := self._meant(word))]
        surely = {number for numbers in found if len(numbers) == 1 for number in numbers}
        return [self.students[number] for number in sorted(surely or set().union(*found))]

    def _meant(self, word: str) -> set[int]:
        """Return the numbers of the student with this id, or else of those who are called so."""
        if (number := self._by_id.get(_key(word))) is not None:
            return {number}
        return {number for name in _names(word) for number in self._by_name.get(name, ())}


def read_roster(path: Path) -> Roster:
    """Read a roster: commas, semicolons or tabs between its columns, in UTF-8, UTF-16 or as Excel writes it.

    Raise `NPCLabError` if it cannot be read, has no column of ids or names, or if two students share an id.
    """
    try:
        text = _decoded(path.read_bytes())
        first = next((line for line in text.splitlines() if line.strip()), "")
        rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count), strict=True))
    except OSError as error:
        raise NPCLabError(f"The roster {path} cannot be opened: {error.strerror or error}.") from error
    except (csv.Error, ValueError) as error:
        raise NPCLabError(f"The roster {path} is no CSV file. Export it once more.") from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    head = [cell.strip() for cell in rows[0]] if rows else []
    if not {each.casefold() for each in head} & {*_IDS, *_NAMES, *_LAST}:
        raise NPCLabError(
            f"The roster {path} has no column that tells students apart. "
            "Its first line names the columns, such as ID, Username, Email address, Student or Full name."
        )
    students = [_student(head, row) for row in rows[1:]]
    return Roster(_each_once([each for each in students if _is_one(each)], path))


def _is_one(student: Student) -> bool:
    """Whether it is a student: Canvas has a line with the points possible, and one on hidden grades."""
    return bool(student.name or student.ids) and "points possible" not in student.name.casefold()


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # Excel in Western Europe


def _student(head: Sequence[str], row: Sequence[str]) -> Student:
    cells = dict(zip(head, (cell.strip() for cell in row), strict=False))
    lower = {heading.casefold(): cell for heading, cell in cells.items()}

    def first(headings: Iterable[str]) -> str:
        return next((lower[each] for each in headings if lower.get(each)), "")

    name = first(_NAMES) or f"{first(_FIRST)} {first(_LAST)}".strip()
    ids = dict.fromkeys(lower[each].removeprefix(_PARTICIPANT) for each in _IDS if lower.get(each))
    return Student(name, tuple(ids), cells)


def _each_once(students: Sequence[Student], path: Path) -> list[Student]:
    """Return the students without repeated lines. Raise `NPCLabError` if an id has two owners."""
    found, owners = list[Student](), dict[str, Student]()
    for student in students:
        others = {str(owners[key]) for each in student.ids if (key := _key(each)) in owners}
        if others - {str(student)}:
            raise NPCLabError(
                f"In the roster {path}, {student} and {', '.join(sorted(others))} have an id in common. "
                "Give each student an id of their own."
            )
        if not others:
            found.append(student)
        owners |= {_key(each): student for each in student.ids}
    return found


def _key(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().strip()


def _names(name: str) -> set[str]:
    """Return the forms in which a name may be written: its words in order, without accents, ü as u or ue."""
    forms = {_plain(_key(name).translate(letters)) for letters in (_ONE_LETTER, _TWO_LETTERS)}
    return forms - {""}


def _plain(key: str) -> str:
    letters = (each for each in unicodedata.normalize("NFKD", key) if not unicodedata.combining(each))
    return " ".join(sorted(re.findall(r"\w+", "".join(letters).replace("_", " "))))
