"""Looking at what learners wrote: their values, their code, and the line where it went wrong."""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
import reprlib
import sysconfig
import textwrap
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from npc_lab.text import printable, shorten, well_formed

LONGEST = 300  # characters of a value in a message

_PACKAGE = str(Path(__file__).resolve().parents[2])
_NOT_THEIRS = tuple({_PACKAGE, *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))})
# What a body of nothing but a docstring, `...` or `pass` is compiled to.
_NOTHING_DONE = {"RESUME", "NOP", "LOAD_CONST", "LOAD_COMMON_CONSTANT", "RETURN_CONST", "RETURN_VALUE"}
_NOTHING_DONE |= {"COPY_FREE_VARS", "MAKE_CELL", "CACHE"}

_GIVE_NONE = {"append", "extend", "insert", "remove", "clear", "sort", "reverse"}  # methods of a list

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 160
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = 8
_repr.maxlevel = 4


def show(value: Any, limit: int = LONGEST) -> str:
    """The value as it would be written in code, shortened. It raises for no value."""
    try:
        text = _repr.repr(value)
    except Exception:  # a __repr__ of the learner's own
        text = f"<{type(value).__name__}>"
    return shorten(printable(well_formed(text)), limit)


def quote(text: Any, limit: int = 100) -> str:
    """A line of talk in quotation marks, shortened; anything else as code."""
    return f"“{shorten(printable(well_formed(text)), limit)}”" if isinstance(text, str) else show(text, limit)


def is_stub(thing: Any) -> bool:
    """Whether a function is still as empty as it was given out. None and `...` are empty, too."""
    if thing is None or thing is ...:
        return True
    try:
        code = getattr(inspect.unwrap(thing), "__code__", None) if callable(thing) else None
    except ValueError:  # wrapped in itself, without end
        return False
    if not isinstance(code, CodeType):
        return False
    instructions = list(dis.get_instructions(code))
    returns = [each.argval for each in instructions if each.opname in ("LOAD_CONST", "RETURN_CONST")]
    done = {each.opname for each in instructions}
    return done <= _NOTHING_DONE and all(value is None or value is ... for value in returns)


def why_none(function: Any) -> str:
    """What to do about a function that gave None: one next step."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except Exception:  # its source is not known, or begins in mid-line, or the learner's object has its ways
        tree = ast.Module([], [])
    for line in ast.walk(tree):
        if isinstance(line, ast.Assign | ast.Return) and isinstance(line.value, ast.Call):
            called = line.value.func
            if isinstance(called, ast.Attribute) and called.attr in _GIVE_NONE:
                name = called.attr
                return (
                    f"`{name}` changes the list and gives None. Call it alone: no `=`, no `return` before it."
                )
    return "Did you forget a `return`?"


def where(error: BaseException) -> str:
    """The learner's own line in which this went wrong, in words, or "" if it is not known."""
    place = _last_own_frame(error.__traceback__)
    if place is None:
        return ""
    code, number = place.tb_frame.f_code, place.tb_lineno
    line = linecache.getline(code.co_filename, number).strip()
    function = f" of {code.co_name}" if code.co_name.isidentifier() else ""
    within = number - code.co_firstlineno + 1 if function else number
    return f"in line {within}{function}" + (f": {shorten(line, 100)}" if line else "")


def in_words(error: BaseException) -> str:
    """The error as Python names it, with its message, shortened."""
    try:
        text = str(error)
    except Exception:
        text = ""
    name = type(error).__name__
    return shorten(printable(well_formed(f"{name}: {text}" if text else name)), LONGEST)


def is_called(error: BaseException, name: str) -> bool:
    """Whether it is an error of this name: learners may bring a class of their own."""
    return any(each.__name__ == name for each in type(error).__mro__)


def _last_own_frame(traceback: TracebackType | None) -> TracebackType | None:
    found = None
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_NOT_THEIRS):
            found = traceback
        traceback = traceback.tb_next
    return found
