"""What a learner has written, as a fingerprint: to find equal ones.

    fingerprint(codes_of(trim, "trim", []))    the same for a copy with other local names, comments, layout
    fingerprint_of_text(my_character)          the same for a sheet with the same words in it

Fingerprints are compared that one Python has made. What is short has none: it is equal by chance.
"""

from __future__ import annotations

import dis
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

from npc_lab.lessons.checking.learners_code import is_the_kits

SHORTEST = 40  # instructions, some five lines
FEWEST = 30  # words
# Python writes some calls in another way where the module is imported in the same cell. So jumps differ, too.
_BY_PLACE = {"PUSH_NULL", "EXTENDED_ARG"}
_JUMPS = {*dis.hasjrel, *dis.hasjabs}


def codes_of(thing: Any, name: str, methods: Sequence[str]) -> dict[str, CodeType]:
    """Return the learner's own code of a function, or of these methods of a class, by name."""
    parts = (
        {each: inspect.getattr_static(thing, each, None) for each in methods} if methods else {name: thing}
    )
    codes = {each: getattr(inspect.unwrap(part), "__code__", None) for each, part in parts.items() if part}
    return {
        each: code
        for each, code in codes.items()
        if isinstance(code, CodeType) and not is_the_kits(inspect.unwrap(parts[each]))
    }


def codes_in(source: str, names: Sequence[str]) -> dict[str, CodeType]:
    """Return the code of the functions and methods with these names in a text, by name."""
    found, left = dict[str, CodeType](), [compile(source, "<solution>", "exec", dont_inherit=True)]
    while left:
        inner = [each for each in left.pop().co_consts if isinstance(each, CodeType)]
        found |= {each.co_name: each for each in inner if each.co_name in names}
        left += inner
    return found


def fingerprint(codes: Mapping[str, CodeType]) -> str:
    """Return a short text that is the same for the same code, or "" if it is too short to tell."""
    if sum(map(_length, codes.values())) < SHORTEST:
        return ""
    steps = [(name, _instructions(code)) for name, code in sorted(codes.items())]
    return _digest(repr(steps))


def fingerprint_of_text(thing: Any) -> str:
    """Return a short text that is the same for what is written the same, or "" if that is few words."""
    text = repr(thing)
    return _digest(text) if len(text.split()) >= FEWEST else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _instructions(code: CodeType) -> list[Any]:
    """Return what the code does, without line numbers, docstrings and the names of its local variables."""
    return [
        (each.opname, _operand(each)) for each in dis.get_instructions(code) if each.opname not in _BY_PLACE
    ]


def _operand(instruction: dis.Instruction) -> Any:
    if instruction.opcode in _JUMPS:
        return None
    if instruction.opcode in dis.hasconst:
        return _constant(instruction.argval)
    return instruction.argval if instruction.opcode in dis.hasname else instruction.arg


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _instructions(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def _length(code: CodeType) -> int:
    inner = sum(_length(each) for each in code.co_consts if isinstance(each, CodeType))
    return inner + sum(1 for _ in dis.get_instructions(code))
