"""Hints and solutions.

Hints are texts in the folder `hints`, a file for each exercise or part. Solutions are the cells of the
solution notebooks that have the exercise's tag.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from npc_lab.lessons.course import course_folder
from npc_lab.rendering import to_html
from npc_lab.text import untypeset

_HINTS = Path(__file__).parent / "hints"
_MARKER = re.compile(r"^\s*# (BEGIN|END) SOLUTION\n?", re.MULTILINE)
TAG = "exercise:"  # a cell tagged `exercise:trim` holds the exercise `trim`


class Page:
    """A text in Markdown. `print` shows it as it is, a notebook shows it rendered."""

    def __init__(self, text: str):
        self.text = text

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        # The lines of a hint's file are wrapped by hand: such a line end is no line break.
        return untypeset(to_html(self.text).replace("<br>\n", "\n"))


def hints(exercise: str) -> list[str]:
    """Return the hints of an exercise or part. The first says least, the last is near the code."""
    text = (_HINTS / f"{exercise}.md").read_text(encoding="utf-8")
    return [each.strip() for each in re.split(r"^---$", text, flags=re.MULTILINE)]


def solution_code(exercise: str) -> str:
    """Return the code of the solution notebook for an exercise, or for one part of it."""
    cells = [
        "".join(cell["source"])
        for path in sorted((course_folder() / "solutions").glob("*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if any(_holds(tag, exercise) for tag in cell["metadata"].get("tags", []))
    ]
    return "\n\n\n".join(_MARKER.sub("", cell).strip() for cell in cells)


def _holds(tag: str, exercise: str) -> bool:
    return tag == TAG + exercise or tag.startswith(f"{TAG}{exercise}.")
