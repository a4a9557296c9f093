"""The notebooks that were handed in: where they are, what is in them, to which lesson each belongs.

    notebooks, others = find_notebooks([Path("handed_in")], out=Path("grades"))
    exercises_of(contents(notebooks[0].path).code)    all exercises of the notebook's lesson

A notebook is known by its path, and its lesson by the tags of its cells.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npc_lab.lessons.checking.exercise import Exercise
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.lessons.help import TAG

LARGEST = 100_000_000  # bytes
_KINDS = {"markdown": "Markdown", "raw": "raw text"}


class NotANotebookError(Exception):
    """The file has nothing to grade. The message says why."""


@dataclass(frozen=True)
class HandedIn:
    """A file that was handed in.

    name: its path from the current folder, or its absolute path outside of it. So a file has the same name
    whenever it is graded, however it was given on the command line.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class CodeCell:
    """A cell with code, and its tags. Empty cells are kept, so that numbers are those of the notebook."""

    source: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What a notebook holds. It is read once, before any notebook is run: one may change the file of another.

    code: its code cells. others: its Markdown and raw cells, by their numbers in the notebook, from 1.
    """

    code: list[CodeCell]
    others: dict[int, tuple[str, CodeCell]]


def find_notebooks(paths: Iterable[Path], out: Path) -> tuple[list[HandedIn], list[str]]:
    """Return the notebooks to grade, each once, and the names of other files below the folders.

    A path that is a file is always graded. Hidden files below a folder are left out, and so are other files
    below `out`: we have written them.
    """
    notebooks, others = dict[Path, HandedIn](), set[str]()
    for path in paths:
        for file in _below(path) if path.is_dir() else [path]:
            place = file.parent.resolve() / file.name
            if file == path or (file.suffix.lower() == ".ipynb" and file.is_file()):
                notebooks[place] = HandedIn(place, path_name(place))
            elif not place.is_relative_to(out.resolve()):
                others.add(path_name(place))
    return list(notebooks.values()), sorted(others - {each.name for each in notebooks.values()})


def _below(folder: Path) -> Iterator[Path]:
    """Yield all files below the folder that are not hidden."""
    for file in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not is_hidden and not file.is_dir():
            yield file


def path_name(file: Path) -> str:
    """Return the path from the current folder, or the absolute path outside of it."""
    here = Path.cwd().resolve()
    return (file.relative_to(here) if file.is_relative_to(here) else file).as_posix()


def contents(path: Path) -> Contents:
    """Return what the notebook holds. Raise `NotANotebookError` if it has no code or cannot be read."""
    cells = [(cell["cell_type"], _cell(cell)) for cell in _cells(path)]
    code = [cell for kind, cell in cells if kind == "code"]
    if not any(cell.source.strip() for cell in code):
        raise NotANotebookError("There is no code in it.")
    others = {number: (kind, cell) for number, (kind, cell) in enumerate(cells, start=1) if kind in _KINDS}
    return Contents(code, others)


def cells_not_run(held: Contents, exercise: Exercise) -> list[str]:
    """Return which cells of the exercise are no code cells any more, in words: "Cell 7 is Markdown"."""
    return [
        f"Cell {number} of the notebook, of the exercise {exercise.name}, is {_KINDS[kind]}"
        for number, (kind, cell) in held.others.items()
        if _was_code_of(cell, exercise)
    ]


def _was_code_of(cell: CodeCell, exercise: Exercise) -> bool:
    """Whether this cell, no code cell now, has the exercise's tag, or is Python that defines its name."""
    return exercise.name in _tags([cell]) or (
        _defines(cell.source, exercise.declares) and _is_python(cell.source)
    )


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _cell(cell: Any) -> CodeCell:
    return CodeCell(cell["source"], tuple(map(str, cell["metadata"].get("tags", ()))))


def _cells(path: Path) -> list[Any]:
    """Return all cells of the notebook. Raise `NotANotebookError` if it cannot be read."""
    import nbformat

    try:
        if path.stat().st_size > LARGEST:
            raise NotANotebookError(f"It is larger than {LARGEST / 1e6:.0f} MB.")
        text = path.read_text(encoding="utf-8-sig")  # programs on Windows may write a byte order mark
        if not text.strip():
            raise NotANotebookError("The file is empty.")
        with warnings.catch_warnings():  # about cells without an id
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call,unused-ignore]
        cells: list[Any] = notebook["cells"]
        for cell in cells:
            _cell(cell)  # raises for what is no cell
    except OSError as error:
        raise NotANotebookError(f"It cannot be opened: {error.strerror or error}.") from error
    except NotANotebookError:
        raise
    except Exception as error:  # whatever is wrong with the file
        raise NotANotebookError(
            "It is no Jupyter notebook, or it was damaged on its way. Ask for it once more."
        ) from error
    return cells


def exercises_of(cells: Sequence[CodeCell]) -> list[Exercise]:
    """Return all exercises of the lesson that the notebook belongs to.

    It belongs to the lesson that most of its tags (`exercise:trim`) name: a learner may have tried something
    of another lesson, or copied a cell. Without tags, the calls `check("trim", ...)` decide; without those,
    the names that the cells define.
    """
    for names in (_tags(cells), _checks(cells), _definitions(cells)):
        lessons = Counter(EXERCISES[name].lesson for name in names if name in EXERCISES)
        if lessons:
            lesson = lessons.most_common(1)[0][0]  # at a tie, the first one in the notebook
            return [each for each in EXERCISES.values() if each.lesson == lesson]
    return []


def _tags(cells: Sequence[CodeCell]) -> list[str]:
    """Return the exercise's name in each of the cells' tags."""
    tags = (tag for cell in cells for tag in cell.tags if tag.startswith(TAG))
    return [tag.removeprefix(TAG).partition(".")[0] for tag in tags]


def _checks(cells: Sequence[CodeCell]) -> list[str]:
    """Return the exercise's name in each call of `check`. Comments and strings do not count."""
    call = re.compile(r"^[^#\n\"']*\bcheck\(\s*[\"']([\w.]+)[\"']", re.MULTILINE)
    return [name.partition(".")[0] for cell in cells for name in call.findall(cell.source)]


def _definitions(cells: Sequence[CodeCell]) -> list[str]:
    """Return the name of each exercise that a cell defines, once for each such cell."""
    return [
        each.name for cell in cells for each in EXERCISES.values() if _defines(cell.source, each.declares)
    ]


def belongs_to(cell: CodeCell, exercise: Exercise) -> bool:
    """Return whether the cell has the exercise's tag or defines what the exercise asks for."""
    methods = {name for step in exercise.steps for name in step.uses}
    return (
        exercise.name in _tags([cell])
        or _defines(cell.source, exercise.declares)
        or any(re.search(rf"^\s*(?:async )?def {name}\b", cell.source, re.MULTILINE) for name in methods)
    )


def _defines(source: str, name: str) -> bool:
    """Return whether the code defines the name at its top level."""
    code = rf"(?:async )?def {name}\b|class {name}\b|{name}\s*(?::[^=\n]+)?=(?!=)"
    return bool(re.search(rf"^(?:{code})", source, re.MULTILINE))
