"""What an error of a learner's code says, and one next step.

    what_happened(error, seconds=2)    "NameError: name 'mesages' is not defined", "Did you mean messages?"

Python's own words come first; the advice is about this very error, and not about its kind only.
"""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import FunctionType, MethodType, TracebackType
from typing import Any

from npc_lab.errors import NPCLabError
from npc_lab.lessons.checking.learners_code import error_line, last_own_frame, where
from npc_lab.lessons.checking.limits import AskedForInput, TimeIsUp, TooManyCalls, run_limited

_TOO_MANY = re.compile(
    r"([\w<>]+)\(\) takes (?:from )?\d+.* positional arguments? but \d+ (?:was|were) given"
)
_TOO_FEW = re.compile(r"(\w+)\(\) missing \d+ required positional argument")


def what_happened(error: BaseException, seconds: float) -> tuple[str, str]:
    """Return what is wrong, without a full stop, and what to do next."""
    if isinstance(error, TimeIsUp):
        return f"no end within {seconds:.0f} seconds", "Look for a loop that never ends, or a long wait."
    if isinstance(error, TooManyCalls):
        return "far more calls of the model than turns", "Look for a loop that never ends."
    if isinstance(error, AskedForInput):
        return "it waits for somebody to type", "Take out input(): everything it needs is given to it."
    if isinstance(error, SystemExit | GeneratorExit):
        return "it ended Python", "Take out sys.exit(), exit() and quit()."
    if isinstance(error, RecursionError):
        return "it called itself without end", "Look for a function that calls itself."
    # Its message may come from a __str__ of the learner's own, and so may its parts.
    words = run_limited(lambda: error_line(error), 0.5).value or type(error).__name__
    words = re.sub(r"\S*<locals>\.", "", words)  # of a function inside of another one
    advice = run_limited(lambda: _advice(error), 0.5).value
    return words, advice or "Read that line again: what did it expect to find?"


def near(name: str, names: Iterable[str]) -> str:
    """Return the name that is most like this one, whatever its capitals and underscores, or ""."""
    known = {_bare(each): each for each in names if isinstance(each, str) and not each.startswith("__")}
    found = get_close_matches(_bare(name), known, n=1, cutoff=0.8)
    return known[found[0]] if found else ""


def _bare(name: str) -> str:
    return name.replace("_", "").casefold()


def _advice(error: BaseException) -> str:
    frame = last_own_frame(error.__traceback__)
    if isinstance(error, UnboundLocalError):
        return (
            "At that line the name has no value yet: the line that gives it one comes later, or did not run."
        )
    if isinstance(error, NameError):
        return _of_a_name(error.name or "", frame)
    if isinstance(error, AttributeError):
        return _of_an_attribute(error, frame)
    if isinstance(error, TypeError):
        return _of_a_call(error, frame)
    if isinstance(error, NPCLabError):
        return "Print what that call is given. A class uses its own arguments, not names of the notebook."
    if isinstance(error, ZeroDivisionError):
        return "There it divides by 0. Ask first whether there is anything to divide by."
    if isinstance(error, ValueError) and re.search("not found|not in list|is not in", str(error)):
        return "index() fails where it finds nothing. Ask first: `if ... in ...`."
    if isinstance(error, LookupError):
        return "What is in it? Print it just above that line."
    return ""


def _of_a_name(name: str, frame: TracebackType | None) -> str:
    seen = {**vars(builtins), **frame.tb_frame.f_globals, **frame.tb_frame.f_locals} if frame else {}
    if name == "self":
        return "Write self as the first parameter of the method: def name(self, ...)."
    if "self" in seen and hasattr(seen["self"], name):
        return f"Inside a class it is self.{name}."
    if found := near(name, seen):
        return f"Did you mean {found}?"
    return "Is the name spelled right, and was it made above that line?"


def _of_an_attribute(error: AttributeError, frame: TracebackType | None) -> str:
    name, thing = error.name, error.obj
    if "'NoneType' object" in str(error):
        return "It is None there. A function without `return` gives None, and so does append()."
    if name is None:
        return "What is it really? Print it just above that line."
    own = frame.tb_frame.f_locals.get("self") if frame else None
    if own is thing and not near(name, dir(thing)):
        return f"Nothing was stored under self.{name} yet. Does __init__ do it, and with `self.` before it?"
    if found := near(name, dir(thing)):
        return f"Did you mean .{found}?"
    if isinstance(thing, Mapping):
        return f"It is a dictionary: write [{name!r}], not .{name}."
    if isinstance(thing, list | tuple):
        return "It is a list. Take one thing out of it first: [0] is the first one, [-1] the last one."
    if isinstance(thing, FunctionType | MethodType):
        return "It is a function that was not called: write its brackets."
    if isinstance(thing, str):
        return f"It is a text, and a text has no .{name}. Which of your names holds the thing itself?"
    return f"It has no .{name}. What is it really? Print it just above that line."


def _of_a_call(error: TypeError, frame: TracebackType | None) -> str:
    words = str(error)
    if found := _TOO_MANY.search(words):
        return f"Does {found[1]} name all its parameters? In a class, self comes first."
    if (found := _TOO_FEW.search(words)) and frame and f"self.{found[1]}(" not in where(error):
        is_method = "self" in frame.tb_frame.f_locals
        return f"Call it as self.{found[1]}(...)." if is_method else "Give it all that it needs."
    if "'NoneType'" in words:
        return "Something is None there. A function without `return` gives None, and so does append()."
    if "coroutine" in words:
        return "An `async def` runs nothing when it is called. Write `def`."
    return "What kind of value is it, and does the call have all that it needs?"


def runs_nothing(value: Any) -> str:
    """Return what is wrong if a call has only made something that would still have to be run, or ""."""
    if inspect.iscoroutine(value):
        value.close()  # or Python would warn
        return "It is an `async def`: calling it runs nothing."
    return "It is an `async def`: calling it runs nothing." if inspect.isasyncgen(value) else ""
