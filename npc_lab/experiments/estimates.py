"""An estimate: a value, and the interval in which the true one lies 19 times in 20.

    share(18, 40)                               Estimate(0.45, 0.307, 0.602, n=40)
    mean([3.0, 4.0, 6.0])                       Estimate(4.33, 0.54, 8.13, n=3)
    difference([(False, True), (True, True)])   what the second of each pair has more than the first

The unit is the talk, never the line: lines of one talk resemble each other, so ten talks of twelve lines tell
about as much as ten numbers, not as 120.

Where scipy has the method it is used, and loaded only then. The others are closed forms of a few lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from npc_lab.errors import ExperimentError

LEVEL = 0.95
LARGEST = 1e150  # of what is averaged: the square of a larger number may be infinite
_Z = 2.8  # z for 97.5 % and for 80 %, together: seen 4 times in 5


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    low, high: None where no interval can be given. n: how many talks it is made of. missing: how many more
    there should have been. value is None if n is 0.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int = 0


def share(hits: int, n: int, level: float = LEVEL) -> Estimate:
    """Return the share of n talks in which something happened (Wilson's interval, 1927).

    It covers what it says also for few talks and rare events (Brown, Cai and DasGupta 2001).
    """
    _check_counts(hits, n)
    _check_level(level)
    if n == 0:
        return Estimate(None, None, None, 0)
    interval = scipy_stats().binomtest(hits, n).proportion_ci(level, method="wilson")
    return Estimate(hits / n, float(interval.low), float(interval.high), n)


def mean(numbers: Iterable[float | None], level: float = LEVEL) -> Estimate:
    """Return the mean of one number for each talk (Student's t interval with n - 1 degrees of freedom).

    None is dropped and counted as missing. One number, or all of them equal, gives no interval.
    """
    _check_level(level)
    everything = list(numbers)
    kept = [_number(each) for each in everything if each is not None]
    n, missing = len(kept), len(everything) - len(kept)
    if n == 0:
        return Estimate(None, None, None, 0, missing)
    value = math.fsum(kept) / n
    if min(kept) == max(kept):
        return Estimate(kept[0], None, None, n, missing)
    reach = float(scipy_stats().t.ppf((1 + level) / 2, n - 1)) * deviation(kept) / math.sqrt(n)
    return Estimate(value, value - reach, value + reach, n, missing)


def difference(pairs: Iterable[tuple[Any, Any]], level: float = LEVEL) -> Estimate:
    """Return by how much the second of each pair exceeds the first.

    Numbers: the t interval of the differences. Yes and no (`True`, `False`): the difference of the two
    shares, with the interval of Bonett and Price (2012) for paired proportions. A pair with a None is dropped
    and counted as missing.
    """
    _check_level(level)
    everything = [_pair(each) for each in pairs]
    kept = [(first, second) for first, second in everything if first is not None and second is not None]
    missing = len(everything) - len(kept)
    if kept and all(isinstance(each, bool) for pair in kept for each in pair):
        return _difference_of_shares(kept, missing, level)
    found = mean([_number(second) - _number(first) for first, second in kept], level)
    return Estimate(found.value, found.low, found.high, found.n, missing)


def minimum_detectable(n: int, kind: str = "share") -> float:
    """Return the smallest difference that n pairs of talks show 4 times in 5, at a level of 95 %.

    kind: "share", where 0.36 are 36 points and shares near a half are assumed; "mean", in standard deviations
    of the pairs' differences.
    """
    if kind not in ("share", "mean"):
        raise ExperimentError(f"The kind of a difference is 'share' or 'mean', not {kind!r:.60}.")
    least = 1 if kind == "share" else 2
    if not is_whole(n) or n < least:
        raise ExperimentError(
            f"The smallest difference that can be seen needs {least} or more talks, not {n!r:.60}."
        )
    if kind == "share":
        return min(1.0, _Z * math.sqrt(0.5 / n))
    t = scipy_stats().t
    return float(t.ppf(0.975, n - 1) + t.ppf(0.8, n - 1)) / math.sqrt(n)


def deviation(numbers: Sequence[float]) -> float:
    """Return the standard deviation of two or more numbers, estimated with n - 1."""
    middle = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((each - middle) ** 2 for each in numbers) / (len(numbers) - 1))


def _difference_of_shares(pairs: list[tuple[bool, bool]], missing: int, level: float) -> Estimate:
    """b pairs changed to yes and c to no; each is counted one more, and n two more, than there were."""
    n = len(pairs)
    b, c = pairs.count((False, True)), pairs.count((True, False))
    x, y = (b + 1) / (n + 2), (c + 1) / (n + 2)
    z = NormalDist().inv_cdf((1 + level) / 2)
    reach = z * math.sqrt((x + y - (x - y) ** 2) / (n + 2))
    return Estimate((b - c) / n, x - y - reach, x - y + reach, n, missing)


def scipy_stats() -> Any:
    """Return `scipy.stats`. Raise `ExperimentError` if scipy is not installed."""
    try:
        import scipy.stats
    except ImportError as error:
        raise ExperimentError(
            "An interval is computed by scipy, which is not installed here. Install it with: "
            'pip install "npc-lab[course]", or pip install scipy'
        ) from error
    return scipy.stats


def _check_counts(hits: Any, n: Any) -> None:
    if not is_whole(hits) or not is_whole(n) or not 0 <= hits <= n:
        raise ExperimentError(
            f"A share is made of two whole numbers, such as 3 of 10, not of {hits!r:.40} of {n!r:.40}."
        )


def _check_level(level: Any) -> None:
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise ExperimentError(
            f"The level of an interval is between 0 and 1, such as 0.95, not {level!r:.40}."
        )


def is_whole(value: Any) -> bool:
    """Whether this is a whole number. True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _pair(pair: Any) -> tuple[Any, Any]:
    try:
        first, second = pair
    except (TypeError, ValueError) as error:
        raise ExperimentError(f"A pair is (first, second), not {pair!r:.60}.") from error
    return plain(first), plain(second)


def plain(value: Any) -> Any:
    """Return a number of numpy as one of Python."""
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, str) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) < LARGEST:
        raise ExperimentError(f"{value!r:.60} is no number that can be averaged.")
    return number
