"""`npc-lab gradescope`: the package, and what its run_autograder does in Gradescope's folders."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from killed_programs import RIGHT
from nbformat.v4 import new_code_cell, new_notebook, writes
from test_grade import grade_of, write
from typer.testing import CliRunner

import npc_lab.cli as cli
from npc_lab.cli.gradescope import _one_result
from npc_lab.grading.records import gradescope
from npc_lab.lessons.help import solution_code

pytestmark = pytest.mark.once


NO_HOMEWORK = writes(new_notebook(cells=[new_code_cell("print('Only to try something')")]))


def package(folder: Path, *more: str) -> str:
    result = CliRunner().invoke(cli.app, ["gradescope", str(folder), *more])
    assert result.exit_code == 0, result.output
    return result.stdout


class Autograder:
    """What Gradescope makes of a package: /autograder with submission and results, here in another folder."""

    def __init__(self, root: Path, *more: str):
        self.root, self.submission, self.result = root, root / "submission", root / "results" / "results.json"
        self.submission.mkdir(parents=True)
        self.result.parent.mkdir()
        package(root / "source", *more)
        (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
        (root / "run_autograder").chmod(0o755)
        installed = root / "npc_lab" / "bin" / "npc-lab"  # what setup.sh makes
        installed.parent.mkdir(parents=True)
        installed.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m npc_lab "$@"\n')
        installed.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        environment = {"AUTOGRADER": str(self.root), "PATH": "/usr/bin:/bin"}
        command = str(self.root / "run_autograder")
        return subprocess.run([command], cwd=self.root, env=environment, capture_output=True, text=True)


def test_the_package_is_complete_and_can_be_run(tmp_path: Path) -> None:
    said = package(tmp_path / "package")
    names = ["setup.sh", "run_autograder"]
    assert all(name in said for name in [*names, "autograder.zip"])
    with zipfile.ZipFile(tmp_path / "package" / "autograder.zip") as packed:
        assert packed.namelist() == names  # at its root, as Gradescope wants them
        for entry in packed.infolist():
            file = tmp_path / "package" / entry.filename
            assert packed.read(entry) == file.read_bytes()
            assert entry.external_attr >> 16 & 0o111
            assert file.stat().st_mode & 0o111
            assert b"\r" not in packed.read(entry)
            assert packed.read(entry).startswith(b"#!/usr/bin/env bash\n")
    for name in names:
        assert subprocess.run(["bash", "-n", tmp_path / "package" / name]).returncode == 0
    setup = (tmp_path / "package" / "setup.sh").read_text()
    assert '--python ">=3.11,<3.14"' in setup
    assert '"npc-lab[course]==' in setup


def test_npc_lab_may_come_from_a_file(tmp_path: Path) -> None:
    wheel = tmp_path / "npc_lab-9.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    package(tmp_path / "package", "--wheel", str(wheel))
    assert '"$autograder/source/"' in (tmp_path / "package" / "setup.sh").read_text()
    with zipfile.ZipFile(tmp_path / "package" / "autograder.zip") as packed:
        assert packed.read(wheel.name) == b"a wheel"


def test_an_unknown_exercise_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["gradescope", str(tmp_path / "package"), "--exercise", "arenna"])
    assert result.exit_code == 1
    assert "Did you mean 'arena'?" in result.stderr
    assert not (tmp_path / "package").exists()


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    result = CliRunner().invoke(cli.app, ["gradescope", str(tmp_path / "a file")])
    assert result.exit_code == 1
    assert "npc-lab gradescope FOLDER" in " ".join(result.stderr.split())


@pytest.mark.long
def test_the_notebooks_of_a_submission_give_one_result(tmp_path: Path) -> None:
    there = Autograder(tmp_path / "autograder")
    write(there.submission / "05 mine.ipynb", RIGHT)
    write(there.submission / "deeper" / "messages.ipynb", solution_code("messages"))
    write(there.submission / "Untitled.ipynb", "print('Only to try something')")
    write(there.submission / "__MACOSX" / "._05 mine.ipynb", "not mine")
    (there.submission / "notes.txt").touch()
    ran = there.run()
    assert ran.returncode == 0, ran.stderr
    result = json.loads(there.result.read_text("utf-8"))
    assert result["score"] == sum(test["score"] for test in result["tests"])
    names = {test["name"].partition(",")[0] for test in result["tests"]}
    assert names == {"05 mine.ipynb", "deeper/messages.ipynb"}
    for exercise in ("05 mine.ipynb, arena", "deeper/messages.ipynb, messages"):
        tests = [test for test in result["tests"] if test["name"].startswith(exercise)]
        assert sum(test["score"] for test in tests) == sum(test["max_score"] for test in tests) > 0
    assert list(there.result.parent.iterdir()) == [there.result]
    (there.submission / "damaged.ipynb").write_text("half of a noteb")
    for each in (there.submission / "05 mine.ipynb", there.submission / "deeper" / "messages.ipynb"):
        each.unlink()
    ran = there.run()
    assert ran.returncode == 1
    assert "damaged.ipynb" in ran.stderr
    assert not there.result.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("05.ipynb", "half of a noteb", "It is no Jupyter notebook"),
        ("05.ipynb", "", "The file is empty."),
        ("scratch.ipynb", NO_HOMEWORK, "No exercise of the course is in it."),
        ("05.py", "print()", "There is no notebook (.ipynb) in the submission. There is 05.py."),
        ("", "", "There is no notebook (.ipynb) in the submission."),
    ],
)
def test_what_cannot_be_graded_is_an_error_and_no_mark(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    there = Autograder(tmp_path / "autograder")
    if name:
        (there.submission / name).write_text(content)
    there.result.write_text('{"score": 6}')  # of an earlier run
    result = CliRunner().invoke(cli.app, ["gradescope", str(there.root), "--run"])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())
    assert list(there.result.parent.iterdir()) == []


def test_exercises_of_the_package_are_those_that_are_graded(tmp_path: Path) -> None:
    there = Autograder(tmp_path / "autograder", "--exercise", "arena", "--exercise", "trim")
    assert (there.root / "run_autograder").read_text().endswith(" --run --exercise arena --exercise trim\n")


def test_one_notebook_is_shown_as_it_is() -> None:
    grade = grade_of((True, "correct"), (True, "incorrect"), note="Cell 3 was stopped.")
    assert _one_result([grade]) == gradescope(grade)


def test_of_two_with_the_same_exercises_the_better_one_counts() -> None:
    """And no more than once."""
    steps = [(True, "correct"), (True, "incorrect"), (False, "correct")]
    worse, better = (
        grade_of(*steps, name="a.ipynb"),
        grade_of((True, "correct"), *steps[:1], name="b.ipynb"),
    )
    for grades in ([worse, better], [better, worse]):
        result = _one_result(grades)
        assert result["score"] == 2
        assert {test["name"].partition(",")[0] for test in result["tests"]} == {"b.ipynb"}
        assert "a.ipynb: not counted" in result["output"]


def test_points_and_notes_of_several_are_put_together() -> None:
    one = grade_of((True, "correct"), name="a.ipynb", note="Cell 3 was stopped.")
    other = grade_of((True, "correct"), (True, "incorrect"), name="b.ipynb")
    other.reports[0] = replace(other.reports[0], exercise="trim")
    result = _one_result([one, other])
    assert result["score"] == 2
    assert [test["score"] for test in result["tests"]] == [1, 1, 0]
    assert result["output"] == "a.ipynb: Cell 3 was stopped."
    assert result["extra_data"].keys() == {"a.ipynb", "b.ipynb"}
