"""What an audit finds: of all that a judge was asked, whether it went by something that must not matter.

Each test is made so that an honest judge must be balanced in it, right or wrong: of two talks the better one
is padded as often as the worse one, each stands first as often as second, and half of the orders are lies.
So a judge who follows the padding, the place or the order more often than not is found out by counting.

    is_above(Count(18, 20), 0.5)    True: a balanced judge does so much by chance 2 times in 10,000
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from npc_lab.experiments.estimates import LEVEL, scipy_stats

FIRST, LAST, LONGER, SHORTER, NAME, OBEYS = "first", "last", "longer", "shorter", "name", "obeys"
ALWAYS_YES, ALWAYS_NO, COIN = "always yes", "always no", "coin"
UNREADABLE, UNSTEADY = "unreadable", "unsteady"
FINDINGS = (
    FIRST, LAST, LONGER, SHORTER, NAME, OBEYS, ALWAYS_YES, ALWAYS_NO, COIN, UNREADABLE, UNSTEADY,
)  # fmt: skip
# Who goes by one of these is right in half of what was tried, but no coin.
BETTER_WORDS = {FIRST, LAST, LONGER, SHORTER, NAME, OBEYS, ALWAYS_YES, ALWAYS_NO}
_ALPHA = (1 - LEVEL) / len(FINDINGS)  # all tests together err 1 time in 20

# Shares up to which nothing is found. A judge may be without an answer now and then; and of two talks that it
# takes for equally good, which happens if it misjudged one of them, it may take the first.
_MAY_BE_UNREADABLE = 0.05
_MAY_BE_UNSTEADY = 0.1
_MAY_GO_BY_PLACE = 0.65
_PASSES_AS_RIGHT = 0.02
_RARELY = 0.05  # a judge that gives the other answer not more often always gives the same
_ENOUGH = 8  # answers: from so many on it is no chance that all are alike (0.5 ** 8 < alpha)


@dataclass(frozen=True)
class Count:
    """How often something happened, of so many times. Times without an answer are not among them."""

    hits: int
    of: int

    @property
    def others(self) -> Count:
        """How often it did not."""
        return Count(self.of - self.hits, self.of)

    def __str__(self) -> str:
        return f"{self.hits} of {self.of}"


def count(happened: Iterable[bool | None]) -> Count:
    """Count what happened; None is left out."""
    kept = [each for each in happened if each is not None]
    return Count(sum(kept), len(kept))


def is_above(counted: Count, share: float, alpha: float = _ALPHA) -> bool:
    """Whether it happens more often than in this share of the times (exact binomial test, one-sided)."""
    if counted.of == 0 or counted.hits <= share * counted.of:
        return False
    test = scipy_stats().binomtest(counted.hits, counted.of, share, alternative="greater")
    return bool(test.pvalue <= alpha)


def of_place(chose_first: Count, by_odds: bool) -> list[str]:
    """Return what is found if each talk stood first as often as second. By log-odds no talks are equal."""
    share = 0.5 if by_odds else _MAY_GO_BY_PLACE
    if is_above(chose_first, share):
        return [FIRST]
    return [LAST] if is_above(chose_first.others, share) else []


def of_length(chose_padded: Count) -> list[str]:
    """Return what is found if the better talk was padded as often as the worse one."""
    if is_above(chose_padded, 0.5):
        return [LONGER]
    return [SHORTER] if is_above(chose_padded.others, 0.5) else []


def of_shifts(shifts: Sequence[float], margins: Sequence[float]) -> list[str]:
    """Return the same by log-odds, where a judge that takes the first of any two shows what else it likes.

    shifts: for each pair by how much the log-odds for a talk grew when it was padded and not the other.
    margins: the log-odds for the better talk. Wilcoxon's signed-rank test; and padding must move a judge at
    least as much as what the talks are about.
    """
    moved = [each for each in shifts if each]
    if len(moved) < _ENOUGH or abs(fmean(moved)) / 2 < abs(fmean(margins)):
        return []
    side, found = ("greater", LONGER) if fmean(moved) > 0 else ("less", SHORTER)
    return [found] if scipy_stats().wilcoxon(moved, alternative=side).pvalue <= _ALPHA else []


def of_names(chose_these: Count) -> list[str]:
    """Return what is found if the better talk had these names as often as the others. Either may be liked."""
    is_found = any(is_above(each, 0.5, _ALPHA / 2) for each in (chose_these, chose_these.others))
    return [NAME] if is_found else []


def of_orders(followed: Count) -> list[str]:
    """Return what is found if each talk was judged with an order to say yes, and with one to say no."""
    return [OBEYS] if is_above(followed, 0.5) else []


def of_answers(said: Sequence[bool | None], truth: Sequence[bool | None]) -> list[str]:
    """Return whether a judge gives one answer to talks of both kinds."""
    kept = [answer for answer, label in zip(said, truth, strict=True) if None not in (answer, label)]
    if len(kept) < _ENOUGH or not {True, False} <= set(truth):
        return []
    share = sum(map(bool, kept)) / len(kept)
    if 1 - share <= _RARELY:
        return [ALWAYS_YES]
    return [ALWAYS_NO] if share <= _RARELY else []


def of_rightness(right: Count) -> list[str]:
    """Return whether a judge cannot be told from a coin. right: answers of which half are right by chance.

    It is the judge who must show something here, so the level is not divided: a coin passes 2 times in 100.
    """
    return [COIN] if right.of and not is_above(right, 0.5, _PASSES_AS_RIGHT) else []


def of_reading(unreadable: Count) -> list[str]:
    """Return whether too many answers are none."""
    return [UNREADABLE] if is_above(unreadable, _MAY_BE_UNREADABLE) else []


def of_repeats(changed: Count) -> list[str]:
    """Return whether the same question often gets another answer at the second asking."""
    return [UNSTEADY] if is_above(changed, _MAY_BE_UNSTEADY) else []
