"""Lesson 09: what a learner may write and passes, and what each mistake is told in the first line."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from npc_lab import experiments
from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.lessons import check
from npc_lab.lessons.checking.reports import CORRECT, NOT_ATTEMPTED

pytestmark = pytest.mark.python


# --- schedule -------------------------------------------------------------------------------------------


def schedule(names: list[str], rounds: int) -> Any:
    n = len(names)
    return [
        (names[place], names[(place + step) % n]) for step in range(1, rounds // 2 + 1) for place in range(n)
    ]


def one_step(names: list[str], rounds: int) -> Any:
    return [pair for _ in range(rounds // 2) for pair in schedule(names, 2)]


def every_other(names: list[str], rounds: int) -> Any:
    n = len(names)
    if rounds > 2:
        return schedule(names, rounds)
    return [(names[place], names[(place + 2) % n]) for place in range(n)]


def in_line(names: list[str], rounds: int) -> Any:
    n = len(names)
    steps = range(1, rounds // 2 + 1)
    return [(names[place], names[place + step]) for step in steps for place in range(n - step)]


WRONG_SCHEDULES: list[tuple[Any, str]] = [
    (lambda names, rounds: print(schedule(names, rounds)), "It gives None, and no list"),
    (lambda names, rounds: dict.fromkeys(names), "It gives no list of pairs"),
    (lambda names, rounds: [(0, 1)], "which is none of the names"),
    (lambda names, rounds: [(names[0], names[0])], "meets"),
    (lambda names, rounds: schedule(names, 2 * rounds), "pairs, and should be in"),
    (in_line, "pairs, and should be in"),
    (one_step, "meet"),
    (every_other, "no way leads to"),
    (lambda names, rounds: [tuple(sorted(pair)) for pair in schedule(sorted(names), rounds)], "is first in"),
]


@pytest.mark.parametrize("right", [schedule, experiments.schedule])
def test_a_right_schedule_passes(right: Any) -> None:
    found = check("schedule", lambda names, rounds: right(names, rounds))
    assert found.passed, str(found)
    assert (found.steps[-1].outcome == CORRECT) == (right is not schedule)


@pytest.mark.parametrize(("wrong", "words"), WRONG_SCHEDULES)
def test_a_wrong_schedule_is_told(wrong: Any, words: str) -> None:
    told("schedule", wrong, words)


# --- strengths ------------------------------------------------------------------------------------------

Loop = Callable[[dict[str, float], Any, float], dict[str, float]]


def turned(p: dict[str, float], wins: Any, ghost: float) -> dict[str, float]:
    new = {}
    for me in p:
        won, worth = ghost / 2, ghost / (p[me] + 1)
        for other in p:
            won += wins.get((me, other), 0)
            games = wins.get((me, other), 0) + wins.get((other, me), 0)
            worth += games / (p[me] + p[other])
        new[me] = won / worth
    return new


def strengths(
    wins: Any, ghost: float = 1.0, turns: int = 1000, names: Any = None, is_centred: bool = True
) -> dict[str, float]:
    p = dict.fromkeys(names or sorted({name for pair in wins for name in pair}), 1.0)
    for _ in range(turns):
        p = turned(p, wins, ghost)
    middle = sum(map(math.log, p.values())) / len(p) if is_centred else 0.0
    return {name: math.log(each) - middle for name, each in p.items()}


def by_the_kit(wins: Any, ghost: float = 1.0) -> dict[str, float]:
    ballots = [Ballot(pair, pair, pair[0], "") for pair, count in wins.items() for _ in range(count)]
    return {each.name: each.value for each in experiments.strengths(ballots, ghost)}


def odds(wins: Any, ghost: float = 1.0) -> dict[str, float]:
    return {name: math.exp(value) for name, value in strengths(wins, ghost).items()}


WRONG_STRENGTHS: list[tuple[Any, str]] = [
    (lambda wins, ghost: print(wins), "It gives None, and no strengths"),
    (lambda wins, ghost: list(strengths(wins, ghost)), "It gives no dictionary"),
    (lambda wins, ghost: {one: 0.0 for one, _ in list(wins)[:1]}, "has no strength"),
    (lambda wins, ghost: dict.fromkeys(strengths(wins), math.inf), "and no number"),
    (lambda wins, ghost: strengths(wins, ghost, turns=1), "and should be 1.099"),
    (odds, "above"),
    (lambda wins, ghost: {name: each + 1 for name, each in strengths(wins, ghost).items()}, "Their mean is"),
    (lambda wins, ghost: strengths(wins, ghost, is_centred=False), "Their mean is 0.305"),
    (lambda wins, ghost: strengths(wins, 2 * ghost), "and should be at"),
    (lambda wins, ghost: strengths(wins, min(ghost, 1.0)), "and should be at"),
]


@pytest.mark.parametrize("right", [strengths, by_the_kit])
def test_right_strengths_pass(right: Any) -> None:
    found = check("strengths", lambda wins, ghost=1.0: right(wins, ghost))
    assert found.passed, str(found)


@pytest.mark.parametrize(("wrong", "words"), WRONG_STRENGTHS)
def test_wrong_strengths_are_told(wrong: Any, words: str) -> None:
    told("strengths", wrong, words)


# --- tiers ----------------------------------------------------------------------------------------------


def tiers(standings: Any, key: str = "high", all_of_it: bool = True) -> Any:
    found: list[Any] = []
    lowest = 0.0
    for each in sorted(standings, key=lambda standing: getattr(standing, key), reverse=True):
        if not found or each.high < lowest:
            found.append([])
            lowest = each.low
        found[-1].append(each)
        lowest = min(lowest, each.low) if all_of_it else lowest
    return found


def sorts_in_place(standings: Any) -> Any:
    standings.sort(key=lambda each: each.value)
    return tiers(standings)


WRONG_TIERS: list[tuple[Any, str]] = [
    (lambda standings: print(tiers(standings)), "It gives None, and no tiers"),
    (lambda standings: list(standings), "It gives no list of lists"),
    (lambda standings: tiers(standings)[:-1], "stands in no tier"),
    (lambda standings: tiers(standings) * 2, "once too often"),
    (sorts_in_place, "It changes the list"),
    (lambda standings: [list(standings)], "It makes 1 tier, and there are 2"),
    (lambda standings: tiers(standings)[::-1], "The tiers are others, or in another order"),
    (lambda standings: [[each] for each in standings], "It makes 2 tiers, and there is 1"),
    (lambda standings: tiers(standings, all_of_it=False), "tiers, and there is 1"),
    (lambda standings: tiers(standings, key="value"), "tiers, and there is 1"),
]


def test_right_tiers_pass() -> None:
    for right in (tiers, experiments.tiers):
        found = check("tiers", lambda standings, right=right: right(standings))
        assert found.passed, str(found)


@pytest.mark.parametrize(("wrong", "words"), WRONG_TIERS)
def test_wrong_tiers_are_told(wrong: Any, words: str) -> None:
    told("tiers", wrong, words)


@pytest.mark.parametrize("name", ["schedule", "strengths", "tiers"])
def test_what_is_not_written_is_not_attempted(name: str) -> None:
    found = check(name, lambda *_: ...)
    assert not found.passed
    assert found.steps[0].outcome == NOT_ATTEMPTED


def told(name: str, wrong: Any, words: str) -> None:
    found = check(name, wrong)
    assert not found.passed
    assert words in str(found).splitlines()[0], str(found)
