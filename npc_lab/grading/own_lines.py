"""The learner's own lines that a step of a check is about.

    own_lines(cells, EXERCISES["arena"], step)     code cell 7, from its line 1: def run_turn(...): ...

A step is about the method that its part asks for, or about the whole of what the exercise asks for. A method
of another class is not shown for it. If the check names another line ("in line 3 of helper"), that function
is shown, and the line is marked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npc_lab.grading.handed_in import CodeCell
from npc_lab.lessons.checking.exercise import Exercise
from npc_lab.lessons.checking.reports import Step

MOST_LINES = 40
LONGEST_LINE = 200  # characters
_PLACE = re.compile(r"\bin line (\d+) of (\w+)")
_CLOSES = (")", "]", "}", '"""', "'''")
Found = tuple[int, int, int, list[str]]  # a definition: code cell, first and last line, all lines of the cell


@dataclass(frozen=True)
class OwnLines:
    """Lines of a code cell. cell, first, marked: counted from 1. left_out: how many come after these."""

    cell: int
    first: int
    lines: tuple[str, ...]
    left_out: int = 0
    marked: int = 0

    def numbered(self) -> str:
        """Return the lines with their numbers in the cell; the marked one begins with an arrow."""
        width = len(str(self.first + len(self.lines)))
        return "\n".join(
            f"{'>' if number == self.marked else ' '} {number:>{width}}  {line}".rstrip()
            for number, line in enumerate(self.lines, self.first)
        )


def own_lines(cells: Sequence[CodeCell], exercise: Exercise, step: Step) -> OwnLines | None:
    """Return the newest lines that define what the step is about, or None if no cell defines it."""
    if place := _PLACE.search(step.message):
        number, name = int(place[1]), place[2]
        if found := _newest(cells, name):
            return _cut(*found, line=number)
    uses = next((each.uses for each in exercise.steps if each.part == step.part), ())
    declared = _other_name(cells, exercise.declares)
    for method in uses[-1:]:
        if found := _newest(cells, method, declared) or _only(cells, method):
            return _cut(*found)
    found = _newest(cells, declared)
    return _cut(*found) if found else None


def _other_name(cells: Sequence[CodeCell], name: str) -> str:
    """Return Mine if the newest definition of the name is `name = Mine`, else the name."""
    found = _newest(cells, name)
    given = found and re.fullmatch(rf"\s*{name}\s*=\s*(\w+)\s*", found[3][found[1] - 1])
    return given[1] if given and _newest(cells, given[1]) else name


def _newest(cells: Sequence[CodeCell], name: str, inside: str = "") -> Found | None:
    """Return the last definition of a name. inside: a method of another class than this is none."""
    return next(_definitions(cells, name, inside), None)


def _only(cells: Sequence[CodeCell], name: str) -> Found | None:
    """Return the definition of a name if there is just one: of several it is not known which one counts."""
    found = list(_definitions(cells, name))
    return found[0] if len(found) == 1 else None


def _definitions(cells: Sequence[CodeCell], name: str, inside: str = "") -> Iterator[Found]:
    """Yield the definitions of a name, the last one first."""
    for number in range(len(cells), 0, -1):
        source = cells[number - 1].source
        if name in source:
            for first, last in reversed(list(_places(source, name, inside))):
                yield number, first, last, source.splitlines()


def _places(source: str, name: str, inside: str = "") -> Iterator[tuple[int, int]]:
    """Yield the first and last line of each definition of the name, in order."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a magic of IPython is no Python either
        yield from _places_in_text(source.splitlines(), name)
        return
    found = [node for node in ast.walk(tree) if name in _defined_by(node)]
    if inside:
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name != inside]
        found = [node for node in found if not any(node in each.body for each in classes)]
    for node in sorted(found, key=lambda node: node.lineno):  # type: ignore[attr-defined]
        decorators = [each.lineno for each in getattr(node, "decorator_list", ())]
        yield min([node.lineno, *decorators]), node.end_lineno  # type: ignore[attr-defined]


def _defined_by(node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {each.id for each in targets if isinstance(each, ast.Name)}
    return set()


def _places_in_text(lines: list[str], name: str) -> Iterator[tuple[int, int]]:
    begins = re.compile(rf"(\s*)(?:(?:async )?def {name}\b|class {name}\b|{name}\s*(?::[^=]+)?=(?!=))")
    for start, line in enumerate(lines):
        if begun := begins.match(line):
            end = start + 1
            while end < len(lines) and _belongs(lines[end], len(begun[1])):
                end += 1
            while not lines[end - 1].strip():
                end -= 1
            yield start + 1, end


def _belongs(line: str, indent: int) -> bool:
    """Whether the line goes on with a definition that is indented so far."""
    words = line.lstrip()
    return not words or len(line) - len(words) > indent or words.startswith(_CLOSES)


def _cut(cell: int, first: int, last: int, lines: list[str], line: int = 0) -> OwnLines:
    """Return the lines from first to last, at most so many. line: the marked one, counted from first."""
    marked = first + line - 1 if 0 < line <= last - first + 1 else 0
    start = max(first, marked - MOST_LINES // 2) if marked - first >= MOST_LINES else first
    shown = lines[start - 1 : min(last, start - 1 + MOST_LINES)]
    short = tuple(text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…" for text in shown)
    return OwnLines(cell, start, short, last - (start + len(short) - 1), marked)
