"""Hints and solutions. Hints are texts beside this file; solutions come from the solution notebooks."""

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
    """A text in Markdown. `print` shows it as it is, a notebook as a page."""

    def __init__(self, text: str):
        self.text = text

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        # A line ends in the file of a hint where the page was full, and nowhere else.
        return untypeset(to_html(self.text).replace("<br>\n", "\n"))


def hints(exercise: str) -> list[str]:
    """The hints of an exercise or part, easiest to miss first, code last."""
    text = (_HINTS / f"{exercise}.md").read_text(encoding="utf-8")
    return [each.strip() for each in re.split(r"^---$", text, flags=re.MULTILINE)]


def solution_code(exercise: str) -> str:
    """The cells that hold the exercise in the solution notebook: one part of it, or all."""
    cells = [
        "".join(cell["source"])
        for path in sorted((course_folder() / "solutions").glob("*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if any(_holds(tag, exercise) for tag in cell["metadata"].get("tags", []))
    ]
    return "\n\n\n".join(_MARKER.sub("", cell).strip() for cell in cells)


def _holds(tag: str, exercise: str) -> bool:
    return tag == TAG + exercise or tag.startswith(f"{TAG}{exercise}.")
