"""Strengths: one number for each name, from ballots on pairs (Bradley and Terry 1952).

    A beat B in 3 of 4, B beat C in 3 of 4

    strengths(ballots)      A 0.85, B 0.0, C -0.85: the log-odds to be chosen before an average one

The most likely strengths are those with which each would be expected to win just what it has won. Zermelo's
iteration (1929) finds them, too; Newton's method needs fewer steps. The stranger, with whom each has drawn,
keeps finite who won or lost everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from npc_lab.errors import ExperimentError
from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.experiments.voting.numpy_here import numpy_here
from npc_lab.text import some_of

_RESAMPLES = 1000
_ENDS = (0.025, 0.975)  # an interval of 95 %
_LEAST_GHOST = 1e-9  # games: with none at all, who never lost would be infinitely strong
_MOST_STEPS = 200
_PRECISION = 1e-9
_DIGITS = 9
_AT_ONCE = 4_000_000  # numbers in memory: 4,000 resamples of 30 names


@dataclass(frozen=True)
class Standing:
    """Where a name stands.

    value: its strength in natural log, 0 is the mean of all. low, high: its interval, None where none can be
    given. n: the ballots on it.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int


def strengths(ballots: Iterable[Ballot], ghost: float = 1.0) -> list[Standing]:
    """Return the names by strength, the strongest first. No difference is half a win for both.

    ghost: so many drawn games each has against an average stranger. Intervals are a bootstrap over pairs: the
    ballots on one pair stay together, for they judge the same talks. From one pair there is no interval.

    Raise `ExperimentError` if there is no ballot, or if they are not connected: who never met, not even
    through others, cannot be compared.
    """
    if isinstance(ghost, bool) or not isinstance(ghost, int | float) or not 0 <= ghost < float("inf"):
        raise ExperimentError(f"ghost must be a number of games, 0 or more, not {ghost!r:.60}.")
    won = _won(ballots)
    names = sorted({name for pair in won for name in pair})
    _check_connected(won, names)
    numpy = numpy_here()
    pairs = numpy.array([[names.index(name) for name in pair] for pair in won])
    wins = numpy.array(list(won.values()), dtype=float)
    ghost = max(float(ghost), _LEAST_GHOST)
    values = _fitted(pairs, wins, numpy.ones((1, len(won))), ghost)[0]
    low = high = [None] * len(names)
    if len(won) > 1:
        drawn = numpy.random.default_rng(0).multinomial(
            len(won), numpy.full(len(won), 1 / len(won)), size=_RESAMPLES
        )
        parts = numpy.array_split(drawn, 1 + _RESAMPLES * len(names) ** 2 // _AT_ONCE)
        resampled = numpy.concatenate([_fitted(pairs, wins, part, ghost) for part in parts])
        low, high = numpy.quantile(resampled, _ENDS, axis=0).tolist()
    n = Counter[str]()
    for pair, of_pair in won.items():
        n.update(dict.fromkeys(pair, round(sum(of_pair))))
    standings = map(Standing, names, values.tolist(), low, high, (n[name] for name in names))
    return sorted(standings, key=lambda each: (-each.value, each.name))


def _won(ballots: Iterable[Ballot]) -> dict[tuple[str, str], list[float]]:
    """Return for each pair, its ids in order, what each of the two has won."""
    won: dict[tuple[str, str], list[float]] = {}
    for ballot in ballots:
        if not isinstance(ballot, Ballot):
            raise ExperimentError(f"Strengths are computed from ballots, not from {ballot!r:.60}.")
        if ballot.unscored:
            continue
        first, second = sorted(ballot.pair)
        of_pair = won.setdefault((first, second), [0.0, 0.0])
        for place, name in enumerate((first, second)):
            of_pair[place] += 0.5 if ballot.winner is None else float(ballot.winner == name)
    if not won:
        raise ExperimentError("There is no ballot yet. Vote first: vote_box(pairs, voter).")
    return {pair: won[pair] for pair in sorted(won)}


def _check_connected(won: Iterable[tuple[str, str]], names: Sequence[str]) -> None:
    group = {name: {name} for name in names}
    for first, second in won:
        joined = group[first] | group[second]
        group |= dict.fromkeys(joined, joined)
    groups = sorted({id(each): sorted(each) for each in group.values()}.values())
    if len(groups) > 1:
        listed = "; ".join(f"({number}) {some_of(each, 8)}" for number, each in enumerate(groups, 1))
        raise ExperimentError(
            f"The ballots fall into {len(groups)} groups that were never compared with each other: {listed}. "
            "Vote on a pair with one of each, or count each group by itself."
        )


def _fitted(pairs: Any, wins: Any, drawn: Any, ghost: float) -> Any:
    """Return the strengths, one row for each row of `drawn`.

    pairs: of each pair the places of its two names. wins: what each of the two has won. drawn: how often each
    pair counts. Newton's steps, cut to 1 each: the likelihood has one maximum.
    """
    numpy = numpy_here()
    first, second = pairs.T
    n = 1 + pairs.max()
    everybody = numpy.arange(n)
    left, right = numpy.eye(n)[first], numpy.eye(n)[second]
    won, games = drawn * wins[:, 0], drawn * wins.sum(axis=1)
    logs = numpy.zeros((len(drawn), n))
    for _ in range(_MOST_STEPS):
        expected = 1 / (1 + numpy.exp(logs[:, second] - logs[:, first]))
        of_ghosts = 1 / (1 + numpy.exp(-logs))
        surplus = won - games * expected
        gradient = surplus @ left - surplus @ right + ghost * (0.5 - of_ghosts)
        spread = games * expected * (1 - expected)
        curvature = numpy.zeros((len(drawn), n, n))
        curvature[:, first, second] = curvature[:, second, first] = -spread
        curvature[:, everybody, everybody] = spread @ (left + right) + ghost * of_ghosts * (1 - of_ghosts)
        step = numpy.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        size = numpy.abs(step).max(axis=1, keepdims=True)
        logs += step / numpy.maximum(size, 1)
        if size.max() < _PRECISION:
            break
    return numpy.round(logs - logs.mean(axis=1, keepdims=True), _DIGITS) + 0.0  # no -0.0
