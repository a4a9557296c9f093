"""A class of 150 is graded: each notebook as expected, and twice alike. Every run tries five of them."""

import contextlib
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from a_class import SIZE, HandedIn, everybody, sample, write
from typer.testing import CliRunner

import npc_lab.cli as cli
from npc_lab.grading.records import ENCODING, NOT_GRADED

pytestmark = pytest.mark.once


def graded(class_: Sequence[HandedIn], folder: Path) -> dict[str, list[dict[str, str]]]:
    """Grade the class, and return the rows of each notebook."""
    write(folder / "in", class_)
    with contextlib.chdir(folder / "in"):
        arguments = ["grade", ".", "--out", "../grades", "--timeout", "30", "--jobs", "2", "--markdown"]
        result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 1, result.output  # some could not be graded
    rows = dict[str, list[dict[str, str]]]()
    with (folder / "grades" / "grades.csv").open(newline="", encoding=ENCODING) as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["file"], []).append(row)
    return rows


def differences(each: HandedIn, rows: Sequence[dict[str, str]]) -> list[str]:
    """What is not as expected, in words."""
    found = {row["exercise"]: row["outcome"] for row in rows if row["outcome"] != NOT_GRADED}
    said = 2 * " ".join(row["first_wrong"] for row in rows)  # a pattern may name the fault before the step
    wrong = (
        []
        if found == each.expected
        else [f"{each.name}: {found}, and not {each.expected}. {said} {rows[0]['note']}"]
    )
    if each.first_wrong and not re.search(each.first_wrong, said):
        wrong.append(f"{each.name}: {each.first_wrong!r} is not in {said!r}")
    return wrong


def told(folder: Path, each: HandedIn) -> tuple[Any, ...]:
    """What is written for a notebook, without the seconds that it took."""
    place = folder / "grades" / each.name
    results = json.loads((place / "results.json").read_text(encoding="utf-8"))
    tests = [(test["name"], test["score"], test.get("status")) for test in results["tests"]]
    return results["score"], results["output"], tests, results["extra_data"]


@pytest.mark.long
def test_some_of_the_class_are_as_expected(tmp_path: Path) -> None:
    some = sample()
    assert len(some) == len({each.kind for each in some}) == 5
    rows = graded(some, tmp_path)
    assert [words for each in some for words in differences(each, rows[each.name])] == []
    for each in some:
        page = (tmp_path / "grades" / each.name / "feedback.html").read_text(encoding="utf-8")
        assert each.name.rpartition("/")[2] in page


@pytest.mark.whole
def test_the_whole_class_is_as_expected_and_twice_alike(tmp_path: Path) -> None:
    class_ = everybody()
    assert len({each.name for each in class_}) == len(class_) == SIZE
    runs = [tmp_path / "once", tmp_path / "again"]
    rows = [graded(class_, folder) for folder in runs]
    assert [words for run in rows for each in class_ for words in differences(each, run[each.name])] == []
    assert [each.name for each in class_ if told(runs[0], each) != told(runs[1], each)] == []
