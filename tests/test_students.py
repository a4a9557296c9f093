"""One row a student: whose a notebook is, twins and strangers, and what Canvas and Moodle can read."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import npc_lab.cli as cli
from npc_lab.errors import NPCLabError
from npc_lab.grading import Grade
from npc_lab.grading.records import Records
from npc_lab.grading.roster import Roster, read_roster
from npc_lab.grading.students import ByStudent
from npc_lab.lessons.checking.reports import CORRECT, INCORRECT, Report, Step

pytestmark = pytest.mark.once

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Essay (12)
    Points Possible,,,,,10
"Lovelace, Ada",101,s101,ada,A,9
"Müller, Jan",102,s102,jan,A,
"Müller, Jan",103,s103,jan2,B,
"Ørsted, Åse",104,s104,ase,B,7
"""
MOODLE = """Identifier,Full name,Email address,Status,Grade
Participant 501,Ada Lovelace,ada@example.org,Submitted,
Participant 502,Jan Müller,jan@example.org,Submitted,
"""


def grade(name: str, *outcomes: str, exercise: str = "arena", graded: bool = True) -> Grade:
    steps = [Step(f"Step {number}", True, each, "") for number, each in enumerate(outcomes)]
    return Grade(name, [Report(exercise, steps)] if outcomes else [], was_graded=graded)


RIGHT = (CORRECT, CORRECT)
HALF = (CORRECT, INCORRECT)


class Written:
    """What was written for these grades, and what was said."""

    def __init__(
        self,
        folder: Path,
        grades: Sequence[Grade],
        roster: Roster | None = None,
        pattern: str = "",
        folders: Sequence[str] = ("in",),
    ):
        records = Records(folder)
        for each in grades:
            records.add(each)
        self.notes = ByStudent(roster, pattern, folders).write(folder, records.rows)
        self.canvas, self.moodle = (rows_of(folder / name) for name in ("canvas.csv", "moodle.csv"))

    def points(self, lesson: str = "05") -> dict[str, str]:
        """What each student has, by all that Canvas knows them by."""
        column = f"npc_lab lesson {lesson}"
        known_by = ("Student", "ID", "SIS Login ID")
        return {" ".join(row[each] for each in known_by if row[each]): row[column] for row in self.canvas[1:]}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def roster_of(folder: Path, text: str | bytes) -> Roster:
    path = folder / "roster.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_roster(path)


# --- whose a notebook is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("in/ada.ipynb", "ada ada"),
        ("in/ada/hw.ipynb", "ada ada"),
        ("in/05/ada/hw.IPYNB", "ada ada"),
        ("in/lovelaceada_101_9876_hw.ipynb", "lovelaceada 101"),
        ("in/lovelaceada_LATE_101_9876_hw-1.ipynb", "lovelaceada 101"),
        ("in/Ada Lovelace_501_assignsubmission_file_/hw.ipynb", "Ada Lovelace 501"),
        ("in/Ada Lovelace_501_assignsubmission_file_hw.ipynb", "Ada Lovelace 501"),
        ("in/=1+1.ipynb", "'=1+1 '=1+1"),
        ("in/🐉/hw.ipynb", "🐉 🐉"),
        ("/elsewhere/zoe/hw.ipynb", "zoe zoe"),
    ],
)
def test_the_name_of_a_file_or_folder_says_whose_it_is(tmp_path: Path, name: str, owner: str) -> None:
    written = Written(tmp_path, [grade(name, *RIGHT)])
    assert written.points() == {owner: "2"}
    assert written.notes == []


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("hw_{id}.ipynb", ["ada", "zoe x"]),
        ("in/*_{id}.ipynb", ["ada", "zoe x"]),
        ("{id}/hw_*.ipynb", ["in"]),
        ("hw_{id}", ["ada", "zoe x"]),
        ("(.*){id}", []),
    ],
)
def test_a_pattern_says_where_the_id_stands(tmp_path: Path, pattern: str, ids: list[str]) -> None:
    names = ("in/hw_ada.ipynb", "in/hw_zoe x.ipynb")
    written = Written(tmp_path, [grade(name, *RIGHT) for name in names], None, pattern)
    assert [row["SIS Login ID"] for row in written.canvas[1:]] == ids
    assert bool(written.notes) == (len(ids) < 2)


@pytest.mark.parametrize("pattern", ["hw.ipynb", "{id}/{id}.ipynb", "{ID}.ipynb"])
def test_a_pattern_without_an_id_is_refused_before_the_work(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    arguments = ["grade", str(tmp_path / "a.ipynb"), "--out", str(tmp_path / "out"), "--pattern", pattern]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 1
    assert "A pattern has {id} where the student's id stands" in result.stderr
    assert not (tmp_path / "out").exists()


# --- rosters --------------------------------------------------------------------------------------


def test_with_a_roster_each_student_has_a_row_and_nobody_is_guessed(tmp_path: Path) -> None:
    roster = roster_of(tmp_path, CANVAS)
    grades = [
        grade("in/ada.ipynb", *RIGHT),
        grade("in/mullerjan_103_7_hw.ipynb", *HALF),  # the one of the namesakes who has this id
        grade("in/Jan Mueller/hw.ipynb", *RIGHT),
        grade("in/zoe.ipynb", *RIGHT),
    ]
    written = Written(tmp_path, grades, roster)
    assert written.points() == {
        "Lovelace, Ada 101 ada": "2",
        "Müller, Jan 102 jan": "",
        "Müller, Jan 103 jan2": "1",
        "Ørsted, Åse 104 ase": "",
    }
    assert written.notes == [
        "Of no student, so in no row: in/Jan Mueller/hw.ipynb (of Müller, Jan (102) or Müller, Jan (103)?), "
        "in/zoe.ipynb.",
        "Nothing was handed in by Müller, Jan (102), Ørsted, Åse (104).",
    ]


def test_an_id_and_a_name_that_disagree_find_nobody(tmp_path: Path) -> None:
    """The number in the name of Moodle's folder may be that of somebody else in another list."""
    roster = roster_of(tmp_path, "Full name,ID number\nAda Lovelace,7\nJan Müller,8\n")
    name = "in/Ada Lovelace_8_assignsubmission_file_/hw.ipynb"
    written = Written(tmp_path, [grade(name, *RIGHT)], roster)
    assert set(written.points().values()) == {""}
    assert f"{name} (of Ada Lovelace (7) or Jan Müller (8)?)" in written.notes[0]


@pytest.mark.parametrize(
    "word", ["Åse Ørsted", "orsted ase", "ØRSTED, ÅSE", "A\u030ase Oersted", "104", " S104 ", "ASE"]
)
def test_a_student_is_found_however_name_or_id_is_written(tmp_path: Path, word: str) -> None:
    assert [str(each) for each in roster_of(tmp_path, CANVAS).find([word])] == ["Ørsted, Åse (104)"]


@pytest.mark.parametrize("word", ["Müller, Jan", "jan muller", "Jan_Mueller", "JAN MU\u0308LLER"])
def test_umlauts_may_be_written_in_every_way(tmp_path: Path, word: str) -> None:
    assert len(roster_of(tmp_path, CANVAS).find([word])) == 2


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffName;ID\r\nJürgen;7\r\n".encode(),
        "Name;ID\nJürgen;7\n".encode("cp1252"),
        "Name\tID\nJürgen\t7\n".encode("utf-16"),
        "\n\nName,ID\n,\nJürgen,7\nJürgen,7\n".encode(),
        "First name,Last name,ID\n,Jürgen,7".encode(),
    ],
)
def test_a_roster_is_read_as_programs_write_it(tmp_path: Path, content: bytes) -> None:
    assert [str(each) for each in roster_of(tmp_path, content)] == ["Jürgen (7)"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no column that tells students apart"),
        (b"a,b\n1,2\n", "has no column that tells students apart"),
        (b"PK\x03\x04\0\0", "has no column that tells students apart"),
        (b'ID,Name\n1,"Ada\n', "is no CSV file"),
        (b"ID,Name\n1,Ada\n1,Bob\n", "Bob (1) and Ada (1) have an id in common"),
    ],
)
def test_a_roster_that_cannot_be_used_is_said_so(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(NPCLabError, match=re.escape(words)):
        roster_of(tmp_path, content)


# --- what counts ----------------------------------------------------------------------------------


def test_of_two_notebooks_for_one_lesson_the_better_one_counts_and_it_is_said(tmp_path: Path) -> None:
    grades = [
        grade("in/ada/a.ipynb", *HALF),
        grade("in/ada/b.ipynb", *RIGHT),
        grade("in/ada/c.ipynb", *RIGHT, graded=False),
        grade("in/ada/trim.ipynb", *HALF, exercise="trim"),
    ]
    written = Written(tmp_path, grades)
    assert (written.points("05"), written.points("02")) == ({"ada ada": "2"}, {"ada ada": "1"})
    assert written.notes == [
        "ada has 3 notebooks of lesson 05: in/ada/a.ipynb, in/ada/b.ipynb, in/ada/c.ipynb. "
        "The one with the most points counts: in/ada/b.ipynb."
    ]


def test_what_could_not_be_graded_is_no_zero(tmp_path: Path) -> None:
    grades = [grade("in/ada.ipynb", *HALF, graded=False), grade("in/bob.ipynb", graded=False)]
    grades.append(grade("in/cy.ipynb", INCORRECT, INCORRECT))
    written = Written(tmp_path, grades)
    assert written.points() == {"ada ada": "", "bob bob": "", "cy cy": "0"}
    said = {row["ID number"]: row["npc_lab lesson 05 feedback"] for row in written.moodle}
    assert said == {"ada": "It could not be graded.", "bob": "", "cy": "arena: Step 0."}


def test_a_late_notebook_keeps_the_rows_of_all_others(tmp_path: Path) -> None:
    Written(tmp_path, [grade("in/ada.ipynb", *RIGHT)])
    assert Written(tmp_path, [grade("in/bob.ipynb", *HALF)]).points() == {"ada ada": "2", "bob bob": "1"}


# --- the files ------------------------------------------------------------------------------------


def test_canvas_can_read_it(tmp_path: Path) -> None:
    """What lib/gradebook_importer.rb of canvas-lms looks for: the headings, in order; the line of points; no
    byte order mark before a quotation mark.
    """
    written = Written(tmp_path, [grade("in/ada.ipynb", *HALF)], roster_of(tmp_path, CANVAS))
    lines = (tmp_path / "canvas.csv").read_bytes().splitlines()
    assert lines[:3] == [
        b"Student,ID,SIS User ID,SIS Login ID,Section,npc_lab lesson 05",
        b"    Points Possible,,,,,2",
        b'"Lovelace, Ada",101,s101,ada,A,1',
    ]
    assert len(written.canvas) == 1 + 4


def test_moodle_can_read_it(tmp_path: Path) -> None:
    name = "in/Ada Lovelace_501_assignsubmission_file_/hw.ipynb"
    Written(tmp_path, [grade(name, *HALF)], roster_of(tmp_path, MOODLE))
    assert (tmp_path / "moodle.csv").read_text(encoding="utf-8").splitlines() == [
        "Identifier,Full name,Email address,npc_lab lesson 05,npc_lab lesson 05 feedback",
        "Participant 501,Ada Lovelace,ada@example.org,1,arena: Step 1.",
        "Participant 502,Jan Müller,jan@example.org,,",
    ]


def test_nothing_in_the_files_is_a_formula(tmp_path: Path) -> None:
    roster = roster_of(tmp_path, 'ID,Name,Section\n=1,"=HYPERLINK(""x"")",@x\n+2,-y,\n')
    steps = [Step("=cmd|' /C calc'!A0", True, INCORRECT, "", "+1")]
    bad = Grade("in/=1.ipynb", [Report("arena", steps)], was_graded=True)
    written = Written(tmp_path, [bad], roster)
    cells = [cell for row in (*written.canvas, *written.moodle) for cell in row.values()]
    assert not [cell for cell in cells if cell.lstrip().startswith(tuple("=+-@"))]
    assert written.canvas[1]["npc_lab lesson 05"] == "0"


def test_three_hundred_students_and_twenty_broken_files(tmp_path: Path) -> None:
    lines = "".join(f"Student {number},{number}\n" for number in range(300))
    roster = roster_of(tmp_path, f"Name,ID\n{lines}")
    records = Records(tmp_path)
    for number in range(280):
        good = grade(f"in/{number}.ipynb", *RIGHT)
        records.rows[good.name] = rows_in(tmp_path / "one", good)
    for number in range(280, 299):
        broken = grade(f"in/{number}.ipynb", graded=False)
        records.rows[broken.name] = rows_in(tmp_path / "one", broken)
    records.rows["in/who.ipynb"] = rows_in(tmp_path / "one", grade("in/who.ipynb", graded=False))
    notes = ByStudent(roster, "", ["in"]).write(tmp_path, records.rows)
    written = rows_of(tmp_path / "canvas.csv")[1:]
    assert [row["npc_lab lesson 05"] for row in written] == ["2"] * 280 + [""] * 20
    assert notes == [
        "Of no student, so in no row: in/who.ipynb.",
        "Nothing was handed in by Student 299 (299).",
    ]


def rows_in(folder: Path, found: Grade) -> Any:
    """The rows of one grade, made without writing a table of all others each time."""
    for path in folder.glob("grades.csv"):
        path.unlink()
    records = Records(folder)
    records.add(found)
    return records.rows[found.name]


def test_the_command_writes_a_row_for_each_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without anything to grade need no kernel."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/ada/hw.ipynb", "in/101.ipynb", "in/../<b>.ipynb"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    Path("roster.csv").write_text(CANVAS, encoding="utf-8")
    result = CliRunner().invoke(
        cli.app, ["grade", "in", "<b>.ipynb", "--by-student", "--roster", "roster.csv"]
    )
    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    assert "Of no student, so in no row: <b>.ipynb." in said
    assert "Nothing was handed in by Müller, Jan (102), Müller, Jan (103), Ørsted, Åse (104)." in said
    assert len(rows_of(Path("grades/canvas.csv"))) == 5
