"""The notebooks that were handed in: where they are, what is in them, to which lesson each belongs."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from npc_lab.lessons.checking.exercise import Exercise
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.lessons.help import TAG

LARGEST = 100_000_000  # bytes


class NotANotebookError(Exception):
    """There is nothing in the file that could be graded. The message says why."""


@dataclass(frozen=True)
class HandedIn:
    """A file that was handed in. name: its path from the current folder, or its whole path outside of it.

    So it has one name, whatever way it was asked for, and is known again when it is graded once more.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class CodeCell:
    """A cell with code, and its tags. It may be empty: cells are counted as in the notebook."""

    source: str
    tags: tuple[str, ...] = ()


def find_notebooks(paths: Iterable[Path], out: Path) -> tuple[list[HandedIn], list[str]]:
    """The files, and the notebooks below the folders, each once; and what else is below the folders.

    Hidden files are no student's, and what is below `out` we have written ourselves.
    """
    notebooks, others = dict[Path, HandedIn](), set[str]()
    for path in paths:
        for file in _below(path) if path.is_dir() else [path]:
            place = file.parent.resolve() / file.name
            if file == path or (file.suffix.lower() == ".ipynb" and file.is_file()):
                notebooks[place] = HandedIn(place, _name(place))
            elif not place.is_relative_to(out.resolve()):
                others.add(_name(place))
    return list(notebooks.values()), sorted(others - {each.name for each in notebooks.values()})


def _below(folder: Path) -> Iterator[Path]:
    """All files below the folder."""
    for file in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not is_hidden and not file.is_dir():
            yield file


def _name(file: Path) -> str:
    here = Path.cwd().resolve()
    return (file.relative_to(here) if file.is_relative_to(here) else file).as_posix()


def code_cells(path: Path) -> list[CodeCell]:
    """The notebook's cells with code. Raises `NotANotebookError` where there are none."""
    import nbformat

    try:
        if path.stat().st_size > LARGEST:
            raise NotANotebookError(f"It is larger than {LARGEST / 1e6:.0f} MB.")
        text = path.read_text(encoding="utf-8-sig")  # Windows likes to put a mark at the beginning
        if not text.strip():
            raise NotANotebookError("The file is empty.")
        with warnings.catch_warnings():  # about cells without an id
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call,unused-ignore]
        cells = [
            CodeCell(cell["source"], tuple(map(str, cell["metadata"].get("tags", ()))))
            for cell in notebook["cells"]
            if cell["cell_type"] == "code"
        ]
    except OSError as error:
        raise NotANotebookError(f"It cannot be opened: {error.strerror or error}.") from error
    except NotANotebookError:
        raise
    except Exception as error:  # whatever is not as it should be in the file
        raise NotANotebookError(
            "It is no Jupyter notebook, or it was damaged on its way. Ask for it once more."
        ) from error
    if not any(cell.source.strip() for cell in cells):
        raise NotANotebookError("There is no code in it.")
    return cells


def exercises_of(cells: Sequence[CodeCell]) -> list[Exercise]:
    """All exercises of the lesson that the notebook belongs to.

    That is the one to which most of its cells with an exercise's tag belong (`exercise:trim`): a learner may
    have tried something of another lesson, or copied a cell. Without tags the calls `check("trim", ...)`
    decide, and without those the names that are defined as an exercise declares them.
    """
    for names in (_tags(cells), _checks(cells), _definitions(cells)):
        lessons = Counter(EXERCISES[name].lesson for name in names if name in EXERCISES)
        if lessons:
            lesson = lessons.most_common(1)[0][0]  # of equals, the one that comes first in the notebook
            return [each for each in EXERCISES.values() if each.lesson == lesson]
    return []


def _tags(cells: Sequence[CodeCell]) -> list[str]:
    """The exercises that stand in the cells' tags, one for each tag."""
    tags = (tag for cell in cells for tag in cell.tags if tag.startswith(TAG))
    return [tag.removeprefix(TAG).partition(".")[0] for tag in tags]


def _checks(cells: Sequence[CodeCell]) -> list[str]:
    """The exercises that are checked, one for each call. Comments and other texts are not read."""
    call = re.compile(r"^[^#\n\"']*\bcheck\(\s*[\"']([\w.]+)[\"']", re.MULTILINE)
    return [name.partition(".")[0] for cell in cells for name in call.findall(cell.source)]


def _definitions(cells: Sequence[CodeCell]) -> list[str]:
    """The exercises whose declared name is defined, one for each cell that does it."""
    return [
        each.name for cell in cells for each in EXERCISES.values() if _defines(cell.source, each.declares)
    ]


def belongs_to(cell: CodeCell, exercise: Exercise) -> bool:
    """Whether the cell is the exercise's, by its tags, or defines what the exercise asks for."""
    methods = {name for step in exercise.steps for name in step.uses}
    return (
        exercise.name in _tags([cell])
        or _defines(cell.source, exercise.declares)
        or any(re.search(rf"^\s*(?:async )?def {name}\b", cell.source, re.MULTILINE) for name in methods)
    )


def _defines(source: str, name: str) -> bool:
    """Whether the code defines the name at its top level."""
    code = rf"(?:async )?def {name}\b|class {name}\b|{name}\s*(?::[^=\n]+)?=(?!=)"
    return bool(re.search(rf"^(?:{code})", source, re.MULTILINE))
