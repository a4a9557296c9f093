"""A schedule: who meets whom, so that few pairs say much about all.

    schedule(["A", "B", "C", "D", "E"], 2)      [("A", "B"), ("B", "C"), ("C", "D"), ("D", "E"), ("E", "A")]

All names stand in a ring, and each meets the one who stands some steps further on: first its neighbour, so
that all are connected, then others near and far. Each step gives a name two pairs, one in each seat.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any

from npc_lab.errors import ExperimentError
from npc_lab.experiments.estimates import is_whole

_GOLDEN = 0.6180339887498949  # its multiples, less their whole parts, lie evenly between 0 and 1


def schedule(names: Sequence[str], rounds: int) -> list[tuple[str, str]]:
    """Return pairs in which each name is `rounds` times (or once less), in both seats equally often (+-1).

    Nobody meets themself, nobody meets anybody again before all have met, and from two rounds on all names
    are connected. Raise `ExperimentError` for fewer than two names, or one that is there twice.
    """
    names = _checked(names)
    if not is_whole(rounds) or rounds < 1:
        raise ExperimentError(f"rounds must be a whole number, 1 or more, not {rounds!r:.60}.")
    everybody = len(names) - 1
    pairs = []
    for cycle in range(-(-rounds // everybody)):  # in a whole one, all meet once
        places = _met(len(names), min(rounds - cycle * everybody, everybody))
        if cycle % 2:  # who meets again changes seats
            places = [(second, first) for first, second in places]
        pairs += [(names[first], names[second]) for first, second in places]
    return pairs


def _met(n: int, times: int) -> list[tuple[int, int]]:
    """Return pairs of places in the ring in which each of n is so many times, n - 1 at most."""
    steps = sorted(range(1, (n + 1) // 2), key=lambda step: (step > 1, step * _GOLDEN % 1))
    pairs = [(place, (place + step) % n) for step in steps[: times // 2] for place in range(n)]
    if times % 2 and n % 2 == 0:
        pairs += [(place, place + n // 2) for place in range(n // 2)]
    elif times % 2:
        pairs += _every_other(n, steps[times // 2])
    return pairs


def _every_other(n: int, step: int) -> list[tuple[int, int]]:
    """Return every other pair of those so many steps apart; of a ring of odd length one is left out."""
    length = n // gcd(n, step)
    return [
        ((start + turn * step) % n, (start + (turn + 1) * step) % n)
        for start in range(gcd(n, step))
        for turn in range(0, length - 1, 2)
    ]


def _checked(names: Any) -> list[str]:
    if isinstance(names, str) or not isinstance(names, Sequence) or len(names) < 2:
        raise ExperimentError(f"A schedule needs a list of two names or more, not {names!r:.60}.")
    for name in names:
        if not isinstance(name, str):
            raise ExperimentError(f"A name must be text, not {name!r:.60}.")
        if names.count(name) > 1:
            raise ExperimentError(f"The name {name!r:.60} is there twice. Give each a name of its own.")
    return list(names)
