"""Signs that a person should look at a notebook: what it replaced, where it wrote, whose code it called.

    replaced = Replaced(shell)      before the notebook's cells
    replaced.restore()              after them: ["exec"], and exec is Python's own again

A notebook that means to hide can hide from all of these: they are no protection.
"""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from types import FunctionType
from typing import Any

_RUNS_CELLS = ("run_cell", "run_cell_async", "run_code", "transform_cell")
_NOT_PYTHONS = {"_", "input", "get_ipython", "display"}  # IPython and ipykernel put these there, and away
_PARTS = (FunctionType, property, staticmethod, classmethod, type)
_MOST = 5  # that are named
_WRITES = {"os.rename": 1, "os.remove": 0, "os.truncate": 0, "os.rmdir": 0, "os.link": 1, "os.symlink": 1}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Replaced:
    """Python's built-in functions, what runs and shows cells, and npc_lab's own code, as they are now."""

    def __init__(self, shell: Any):
        self._shell, self._display = shell, shell.display_pub
        self._jupyters = [shell, self._display, *type(shell).__mro__, *type(self._display).__mro__]
        self._before = [
            (owner, wanted, called, _chosen(vars(owner), wanted)) for owner, wanted, called in _places(shell)
        ]

    def restore(self) -> list[str]:
        """Put back what was replaced since, and return what it was, in words."""
        found = list[str]()
        if self._shell.display_pub is not self._display:
            self._shell.display_pub = self._display
            found.append("display_pub")
        for owner, wanted, called, before in self._before:
            now = _chosen(vars(owner), wanted)
            changed = [name for name, thing in before.items() if now.get(name) is not thing]
            for name in changed:
                setattr(owner, name, before[name])
            hiding = [name for name in now if name not in before]  # a method that is defined further up
            for name in hiding if any(owner is each for each in self._jupyters) else []:
                delattr(owner, name)
                changed.append(name)
            found += [called(name) for name in changed]
        return list(dict.fromkeys(found))


Wanted = Callable[[str, Any], bool]


def _places(shell: Any) -> Iterator[tuple[Any, Wanted, Callable[[str], str]]]:
    """Yield each thing to watch: which of its names count, and what they are called in words."""
    yield builtins, lambda name, _: name not in _NOT_PYTHONS, _built_in
    for owner in (shell, *type(shell).__mro__[:-1]):
        yield owner, lambda name, _: name in _RUNS_CELLS, str
    for owner in (shell.display_pub, *type(shell.display_pub).__mro__[:-1]):
        yield owner, lambda name, _: name == "publish", lambda _: "display_pub"
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "npc_lab" and module is not None:
            yield module, lambda _, thing: isinstance(thing, _PARTS), lambda each: f"npc_lab's {each}"
            for owner in list(vars(module).values()):
                if isinstance(owner, type) and owner.__module__ == name:
                    yield owner, lambda _, thing: isinstance(thing, _PARTS), _of_class(owner.__name__)


def _built_in(name: str) -> str:
    return name if name in ("exec", "eval", "compile") else f"builtins.{name}"


def _of_class(owner: str) -> Callable[[str], str]:
    return lambda name: f"npc_lab's {owner}.{name}"


def _chosen(names: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    return {name: thing for name, thing in names.items() if wanted(name, thing)}


def note_calls(owner: type, called: list[str]) -> None:
    """From now on, put the name of each method of the class into the list when it is called."""

    def noting(name: str, method: FunctionType) -> Any:
        @wraps(method)
        def note_and_call(*args: Any, **options: Any) -> Any:
            if not called:
                called.append(name)
            return method(*args, **options)

        return note_and_call

    for name, method in list(vars(owner).items()):
        if isinstance(method, FunctionType):
            setattr(owner, name, noting(name, method))


def note_writes(folder: str, written: list[str]) -> None:
    """From now on, put the path of each file that is changed outside of the folder into the list.

    Python itself tells of it, and no code can stop it from that. A process that the notebook starts is not
    seen. Python's own compiled files do not count.
    """
    inside = {os.path.abspath(folder), os.path.realpath(folder)}

    def look(event: str, args: tuple[Any, ...]) -> None:
        if len(written) < _MOST and (event == "open" or event in _WRITES):
            try:
                path = _written(event, args)
            except Exception:  # whatever was given for a path: the call itself says what is wrong with it
                return
            if path and path not in written and not path.startswith((*inside, "/dev/", "/proc/")):
                written.append(path)

    sys.addaudithook(look)


def _written(event: str, args: tuple[Any, ...]) -> str:
    """Return the path that is changed, or "" if none is."""
    if event == "open":
        path, mode, flags = args
        if isinstance(path, int) or not (set(mode) & set("wax+") if mode else flags & _WRITING):
            return ""
    else:
        path = args[_WRITES[event]]
    full = os.path.abspath(os.fsdecode(path))
    return "" if "__pycache__" in full else full
