"""Looking at a learner's values, functions and errors.

    show(["a"] * 20)            "['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', ...]"
    apart(900 * "a", 901 * "a") the ends of both, where they differ
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
import os
import reprlib
import sysconfig
import textwrap
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FunctionType, TracebackType
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


def apart(wanted: Any, given: Any, limit: int = 100) -> tuple[str, str]:
    """Return two values as `quote` does, cut so that one sees where they differ."""
    shown = quote(wanted, limit), quote(given, limit)
    if shown[0] != shown[1]:
        return shown
    first, second = (each if isinstance(each, str) else _in_full(each) for each in (wanted, given))
    if first == second:
        return _typed(wanted, limit), _typed(given, limit)
    pairs = enumerate(zip_longest(first, second))
    start = max(0, next(place for place, (one, other) in pairs if one != other) - limit // 4)
    return _code_from(first, start, limit), _code_from(second, start, limit)


def _typed(value: Any, limit: int) -> str:
    return f"{quote(value, limit)}, of the type {type(value).__name__}"


def _in_full(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # a __repr__ of the learner's own
        return show(value)


def _code_from(text: str, start: int, limit: int) -> str:
    """Return a part of the text as it is written in code, where blanks and line feeds can be seen."""
    part = repr(well_formed(text[start : start + limit]))
    return f"…{part}, from character {start + 1} on" if start else part


def names_in(function: Any) -> set[str]:
    """Return all names in the code of a function, or of a class's `__init__`, and of functions inside."""
    made = getattr(function, "__init__", None)
    code: Any = getattr(function, "__code__", None) or getattr(made, "__code__", None)
    names, codes = set[str](), [code]
    for code in codes:
        if isinstance(code, CodeType):
            names |= {*code.co_names, *code.co_varnames, *code.co_cellvars}
            held = [
                item for each in code.co_consts for item in (each if isinstance(each, tuple) else (each,))
            ]
            names |= {item for item in held if isinstance(item, str)}
            codes += code.co_consts
    return names


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
    return _is_empty(code)


@lru_cache(1000)  # each step of a check asks for the same few methods
def _is_empty(code: CodeType) -> bool:
    return all(map(_does_nothing, dis.get_instructions(code)))  # most functions end this at their first line


def _does_nothing(instruction: dis.Instruction) -> bool:
    if instruction.opname in ("LOAD_CONST", "RETURN_CONST"):
        return instruction.argval is None or instruction.argval is ...
    return instruction.opname in _NOTHING_DONE


def is_the_kits(thing: Any) -> bool:
    """Return whether a function or a class is the kit's own, and not the learner's."""
    if isinstance(thing, type):
        return thing.__module__.partition(".")[0] == "npc_lab"
    return isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(_PACKAGE + os.sep)


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
    if shows := {"print", "display"} & names_in(function):
        return f"Did you forget a `return`? {shows.pop()}() only shows something, and gives nothing back."
    return "Did you forget a `return`?"


def where(error: BaseException) -> str:
    """Return the learner's own line that raised the error, or "" if it is not known."""
    place = last_own_frame(error.__traceback__)
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


def last_own_frame(traceback: TracebackType | None) -> TracebackType | None:
    """Return the innermost place that is a learner's own code, or None."""
    found = None
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_NOT_THEIRS):
            found = traceback
        traceback = traceback.tb_next
    return found
