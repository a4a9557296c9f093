"""The rooms around the core: each says truly what is in it, and the frame of the checks knows no exercise."""

import ast
import re
from pathlib import Path

import pytest

import npc_lab

pytestmark = pytest.mark.once

PACKAGE = Path(npc_lab.__file__).parent
ROOMS = [
    "endpoints",
    "experiments",
    "experiments/judging",
    "experiments/voting",
    "lessons",
    "lessons/checking",
    "lessons/exercises",
    "grading",
    "cli",
]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_its_files(room: str) -> None:
    folder = PACKAGE / room
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    listed = re.findall(r"^    ([a-z_0-9]+(?:\.py|/))  +\S", docstring or "", re.MULTILINE)
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    files |= {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    assert sorted(listed) == sorted(files)


def test_the_frame_of_the_checks_knows_no_exercise() -> None:
    for path in (PACKAGE / "lessons" / "checking").glob("*.py"):
        assert "npc_lab.lessons.exercises" not in path.read_text(encoding="utf-8"), path.name
