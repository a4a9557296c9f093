"""Looking at a learner's values, functions and errors.

    show(["a"] * 20)            "['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', ...]"
    is_stub(function)           whether its body is still only `...`
    where(error)                "in line 2 of divide: return number / 0", the learner's own line
    error_line(error)           "ZeroDivisionError: division by zero"

A learner's objects may raise whenever they are looked at. `show` and `error_line` never do.
"""

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
# The only instructions of a function whose body is a docstring, `...` or `pass`.
_NOTHING_DONE = {"RESUME", "NOP", "LOAD_CONST", "LOAD_COMMON_CONSTANT", "RETURN_CONST", "RETURN_VALUE"}
_NOTHING_DONE |= {"COPY_FREE_VARS", "MAKE_CELL", "CACHE"}

_RETURN_NONE = {"append", "extend", "insert", "remove", "clear", "sort", "reverse"}  # methods of a list

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 160
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = 8
_repr.maxlevel = 4


def show(value: Any, limit: int = LONGEST) -> str:
    """Return the value as it would be written in code, shortened. No value makes this raise."""
    try:
        text = _repr.repr(value)
    except Exception:  # a __repr__ of the learner's own
        text = f"<{type(value).__name__}>"
    return shorten(printable(well_formed(text)), limit)


def quote(text: Any, limit: int = 100) -> str:
    """Return a line of talk in quotation marks, shortened; anything else as `show` does."""
    return f"“{shorten(printable(well_formed(text)), limit)}”" if isinstance(text, str) else show(text, limit)


def is_stub(thing: Any) -> bool:
    """Return whether a function is still as empty as in the exercise. None and `...` are empty, too."""
    if thing is None or thing is ...:
        return True
    try:
        code = getattr(inspect.unwrap(thing), "__code__", None) if callable(thing) else None
    except ValueError:  # wrapped in itself, without end
        return False
    if not isinstance(code, CodeType):
        return False
    return all(map(_does_nothing, dis.get_instructions(code)))  # most functions end this at their first line


def _does_nothing(instruction: dis.Instruction) -> bool:
    if instruction.opname in ("LOAD_CONST", "RETURN_CONST"):
        return instruction.argval is None or instruction.argval is ...
    return instruction.opname in _NOTHING_DONE


def why_none(function: Any) -> str:
    """Return one next step for a function that returned None."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except Exception:  # no source, one that begins in mid-line, or an object with odd attributes
        tree = ast.Module([], [])
    for line in ast.walk(tree):
        if isinstance(line, ast.Assign | ast.Return) and isinstance(line.value, ast.Call):
            called = line.value.func
            if isinstance(called, ast.Attribute) and called.attr in _RETURN_NONE:
                name = called.attr
                advice = "Call it alone: no `=`, no `return` before it."
                return f"`{name}` changes the list and returns None. {advice}"
    return "Did you forget a `return`?"


def where(error: BaseException) -> str:
    """Return the learner's own line that raised the error, or "" if it is not known."""
    place = _last_own_frame(error.__traceback__)
    if place is None:
        return ""
    code, number = place.tb_frame.f_code, place.tb_lineno
    line = linecache.getline(code.co_filename, number).strip()
    function = f" of {code.co_name}" if code.co_name.isidentifier() else ""
    within = number - code.co_firstlineno + 1 if function else number
    return f"in line {within}{function}" + (f": {shorten(line, 100)}" if line else "")


def error_line(error: BaseException) -> str:
    """Return the error as the last line of a traceback shows it, shortened."""
    try:
        text = str(error)
    except Exception:
        text = ""
    name = type(error).__name__
    return shorten(printable(well_formed(f"{name}: {text}" if text else name)), LONGEST)


def is_called(error: BaseException, name: str) -> bool:
    """Return whether the error's class has this name: learners may write a class of their own."""
    return any(each.__name__ == name for each in type(error).__mro__)


def _last_own_frame(traceback: TracebackType | None) -> TracebackType | None:
    found = None
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_NOT_THEIRS):
            found = traceback
        traceback = traceback.tb_next
    return found
