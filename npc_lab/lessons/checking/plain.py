"""A learner's values as plain ones, so that no method of the learner's decides how they are judged.

    class Sly(str):
        def __eq__(self, other): return True

    plain([Sly("no")]) == ["yes"]       False: it is compared as ["no"]

A list, dict, text or number is taken for what it holds. Anything else becomes an `Odd`, which equals only
itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import islice
from numbers import Integral, Real
from typing import Any

from npc_lab.lessons.checking.learners_code import show

_MOST = 10_001  # items: itertools.cycle() has no end, and no alarm stops it
_DEEPEST = 20


class Odd:
    """A value that is no text, number, list or dict. It shows itself as the value does."""

    def __init__(self, value: Any):
        self.value = value

    def __repr__(self) -> str:
        return show(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)


def plain(value: Any, depth: int = 0) -> Any:
    """Return a copy that is made of Python's own texts, numbers, lists, tuples and dicts.

    Other things to iterate become lists, and what is deeper than 20 levels an `Odd`.
    """
    if value is None or isinstance(value, bool) or value is ...:
        return value
    # Methods of str and int themselves, not those of a subclass.
    if isinstance(value, str):
        return str.__str__(value) if type(value) is str else str.__getitem__(value, slice(None))
    if isinstance(value, bytes):
        return bytes.__getitem__(value, slice(None))
    if isinstance(value, int):
        return int.__add__(value, 0)
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    return Odd(value) if depth > _DEEPEST else _container(value, depth + 1)


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [plain(each, depth) for each in list.__iter__(value)]
    if isinstance(value, tuple):
        return tuple(plain(each, depth) for each in tuple.__iter__(value))
    if isinstance(value, dict):
        return {plain(key, depth): plain(each, depth) for key, each in dict.items(value)}
    if isinstance(value, Mapping):
        return {plain(key, depth): plain(value[key], depth) for key in value}
    if isinstance(value, Iterable) and not isinstance(value, type):
        return [plain(each, depth) for each in islice(value, _MOST)]
    return Odd(value)
