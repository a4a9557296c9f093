"""Lesson 09: who meets whom, how strong each is, and who cannot be told apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.experiments.voting.strengths import Standing
from npc_lab.experiments.voting.strengths import strengths as ours
from npc_lab.experiments.voting.tiers import tiers as our_tiers
from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, NotAttempted, Trial, Wrong
from npc_lab.lessons.checking.learners_code import show, why_none
from npc_lab.lessons.exercises.made_up import dice

schedule = Exercise("schedule", lesson="09", declares="schedule", kind="your function")

Pairs = list[tuple[Any, Any]]
_NAMES = ["Ada", "Bo", "Cy", "Dee", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo", "Kit", "Lou", "Max", "Ned"]
_NAMES += ["Ola", "Pip", "Quin", "Ray", "Sue", "Ted", "Una", "Vic"]
_SIZES = ((5, 2), (6, 4), (9, 4), (12, 6), (13, 8))  # names, rounds


@schedule.step("It gives pairs of two different names")
def gives_pairs(trial: FunctionTrial) -> str:
    """Finds a missing return, and who meets themself."""
    for count, rounds in _SIZES:
        names = dice.sample(_NAMES, count)
        for first, second in _scheduled(trial, names, rounds):
            if first == second:
                advice = "The other one stands 1, 2, ... places further on in the ring, never 0."
                _wrong(
                    trial, "two different names", show((first, second)), advice, f"{first} meets {second}."
                )
    return "Nobody meets themself."


@schedule.step("Each name is in as many pairs as there are rounds", needs=["gives_pairs"])
def each_as_often(trial: FunctionTrial) -> str:
    """Finds rings that are left open, and rounds that are counted otherwise."""
    for count, rounds in _SIZES:
        names = dice.sample(_NAMES, count)
        met = Counter(name for pair in _scheduled(trial, names, rounds) for name in pair)
        for name in names:
            if met[name] != rounds:
                advice = "Each step gives a name two pairs, one with each neighbour at that distance."
                if met[name] < rounds and met[names[0]] != met[names[count // 2]]:
                    advice = "Behind the last name the ring goes on with the first: (place + step) % n."
                fault = f"{name} is in {met[name]} pairs, and should be in {rounds}."
                _wrong(trial, f"{rounds} pairs with {name}", str(met[name]), advice, fault)
    return "Everybody is asked about equally often."


@schedule.step("Nobody meets again before all have met", needs=["each_as_often"])
def nobody_twice(trial: FunctionTrial) -> str:
    """Finds the same round again and again."""
    for count, rounds in _SIZES:
        names = dice.sample(_NAMES, count)
        pairs = Counter(map(frozenset, _scheduled(trial, names, rounds)))
        pair, often = pairs.most_common(1)[0]
        if often > 1:
            both = " and ".join(sorted(map(str, pair)))
            advice = "In each round take a larger step: 1, then 2, then 3."
            _wrong(trial, "each pair once", f"{both} {often} times", advice, f"{both} meet {often} times.")
    return "Each pair tells something new."


@schedule.step("Everybody is connected with everybody", needs=["nobody_twice"])
def connected(trial: FunctionTrial) -> str:
    """Finds groups that never meet: their strengths could not be compared."""
    for count, rounds in (*_SIZES, (8, 2), (12, 2)):
        names = dice.sample(_NAMES, count)
        group = _reached(_scheduled(trial, names, rounds), names[0])
        if len(group) < count:
            left_out = next(name for name in names if name not in group)
            fault = f"From {names[0]} no way leads to {left_out}, not even through others."
            advice = "Begin with the step of 1: everybody meets the neighbour."
            _wrong(trial, "one group", "two groups or more", advice, fault)
    return "Whoever never met is compared through others."


@schedule.step("Both seats equally often", needs=["each_as_often"])
def both_seats(trial: FunctionTrial) -> str:
    """Finds names that are always first. Who reads two talks may like the first one better."""
    for count, rounds in _SIZES:
        names = dice.sample(_NAMES, count)
        pairs = _scheduled(trial, names, rounds)
        first = Counter(one for one, _ in pairs)
        for name in names:
            if abs(2 * first[name] - rounds) > 1:
                advice = "In a ring each is first with the next one, and second with the one before."
                fault = f"{name} is first in {first[name]} of {rounds} pairs."
                _wrong(trial, f"about {rounds // 2} times first", str(first[name]), advice, fault)
    return "No place is an advantage."


@schedule.step("An odd number of rounds works, too", needs=["both_seats"], required=False)
def odd_rounds(trial: FunctionTrial) -> str:
    """In the last round each name is in one pair; where their number is odd, one name has none."""
    for count, rounds in ((6, 3), (7, 3), (10, 5)):
        names = dice.sample(_NAMES, count)
        pairs = _scheduled(trial, names, rounds)
        met, twice = Counter(name for pair in pairs for name in pair), Counter(map(frozenset, pairs))
        unlike = next((name for name in names if not rounds - 1 <= met[name] <= rounds), None)
        are_too_few = 2 * sum(met[name] == rounds for name in names) <= count
        if unlike is not None or max(twice.values()) > 1 or are_too_few:
            fault = f"With {rounds} rounds not all are in {rounds} pairs, or some meet twice."
            advice = "For the last round take every second pair of a ring that is not used yet."
            _wrong(trial, f"{rounds} pairs each, or one less", show(dict(met)), advice, fault)
    return "With three rounds there are fewer pairs to read."


def _scheduled(trial: FunctionTrial, names: Sequence[str], rounds: int) -> Pairs:
    got = trial(list(names), rounds)
    wanted = "a list of pairs"
    if got is None:
        fault = "It gives None, and no list."
        raise Wrong(trial.called, wanted, "None", why_none(trial.learners_object), fault=fault)
    if not isinstance(got, list | tuple) or not all(
        isinstance(each, list | tuple) and len(each) == 2 for each in got
    ):
        advice = "Collect pairs in a list: pairs.append((one, other))."
        raise Wrong(trial.called, wanted, show(got), advice, fault="It gives no list of pairs.")
    for name in (name for pair in got for name in pair):
        if name not in names:
            fault = f"It gives {show(name, 40)}, which is none of the names."
            advice = "Put names into the pairs, names[place], not their places."
            raise Wrong(trial.called, "the names", show(name), advice, fault=fault)
    return [(first, second) for first, second in got]


def _reached(pairs: Pairs, start: str) -> set[Any]:
    group, before = {start}, 0
    while len(group) > before:
        before = len(group)
        group |= {name for pair in pairs if group & set(pair) for name in pair}
    return group


def _wrong(trial: FunctionTrial, wanted: str, got: str, advice: str, fault: str) -> None:
    raise Wrong(trial.called, wanted, got, advice, fault=fault)


strengths = Exercise("strengths", lesson="09", declares="strengths", kind="your function")

Wins = dict[tuple[str, str], int]  # (winner, loser) -> how often
_NEAR = 0.01


@strengths.step("It gives a number for each name")
def number_for_each(trial: FunctionTrial) -> str:
    """Finds a missing return, and names that never won and were forgotten."""
    for wins in (_ladder(), _random_wins()):
        _strong(trial, wins, 1.0)
    return "Who never won has a strength, too."


@strengths.step("A ladder of 3 to 1 has steps of ln 3", needs=["number_for_each"])
def ladder(trial: FunctionTrial) -> str:
    """Three of four against the next one: log-odds of 1.0986, as the ghost goes to nothing."""
    wins = _ladder()
    (top, middle), _, (_, bottom), _ = wins
    got = _strong(trial, wins, 1e-6)
    for one, other in ((top, middle), (middle, bottom)):
        if abs(got[one] - got[other] - math.log(3)) > _NEAR:
            advice = "Repeat until nothing changes, 1000 times for instance. Take math.log at the end."
            if abs(got[one] / (got[other] or 1) - 3) < _NEAR:
                advice = "These are odds. Take math.log of them at the end."
            fault = f"{one} is {got[one] - got[other]:.3f} above {other}, and should be 1.099."
            _wrong(trial, f"{one} 1.099 above {other}", f"{got[one] - got[other]:.3f}", advice, fault)
    return "Odds of 3 to 1 are a step of 1.0986, wherever on the ladder."


@strengths.step("Their mean is 0", needs=["ladder"])
def mean_is_zero(trial: FunctionTrial) -> str:
    """Only differences mean something: so 0 is put in the middle.

    The ghosts alone put it near there, unless one has won all: then the mean of the others' logs is far off.
    """
    for wins in (_ladder(), _won_by_one(), _random_wins()):
        got = _strong(trial, wins, 1.0)
        middle = math.fsum(got.values()) / len(got)
        if abs(middle) > _NEAR:
            advice = "Subtract the mean of all from each, after math.log."
            _wrong(trial, "a mean of 0", f"{middle:.3f}", advice, f"Their mean is {middle:.3f}.")
    return "0 is an average one."


@strengths.step("The ghost keeps finite who won or lost everything", needs=["ladder"])
def finite(trial: FunctionTrial) -> str:
    """One drawn game against a stranger of strength 1: half a win, in a game more."""
    names = dice.sample(_NAMES, 3)
    wins = {(names[0], names[1]): 9, (names[1], names[2]): 9}
    _like_ours(trial, wins, 1.0)
    return "Nobody is infinitely good after nine votes."


@strengths.step("Any ballots give the likeliest strengths", needs=["finite"])
def likeliest(trial: FunctionTrial) -> str:
    """Compared with the kit's own, which Newton's method finds; in any order of names."""
    for ghost in (1.0, 0.5, 3.0):
        _like_ours(trial, _random_wins(), ghost)
    return "Each would be expected to win just as often as it has won."


def _ladder() -> Wins:
    top, middle, bottom = dice.sample(_NAMES, 3)
    return {(top, middle): 3, (middle, top): 1, (middle, bottom): 3, (bottom, middle): 1}


def _won_by_one() -> Wins:
    best, *others = dice.sample(_NAMES, 5)
    return {(best, other): 6 for other in others}


def _random_wins() -> Wins:
    names = dice.sample(_NAMES, 5)
    ring = list(zip(names, [*names[1:], names[0]], strict=True))
    wins = {pair: dice.randint(1, 6) for pair in ring} | {pair[::-1]: dice.randint(0, 4) for pair in ring}
    kept = [(pair, count) for pair, count in wins.items() if count]
    return dict(dice.sample(kept, len(kept)))


def _strong(trial: FunctionTrial, wins: Wins, ghost: float) -> dict[str, float]:
    got = trial(wins, ghost)
    names = {name for pair in wins for name in pair}
    wanted = "a dict: name -> strength"
    if got is None:
        fault = "It gives None, and no strengths."
        raise Wrong(trial.called, wanted, "None", why_none(trial.learners_object), fault=fault)
    if not isinstance(got, Mapping):
        advice = "Give back a dictionary with a number for each name."
        raise Wrong(trial.called, wanted, show(got), advice, fault="It gives no dictionary.")
    if missing := sorted(names - set(got)):
        advice = "Collect the names of both, of who won and of who lost."
        fault = f"{missing[0]} has no strength."
        raise Wrong(trial.called, f"a strength for {missing[0]}", show(got), advice, fault=fault)
    for name, value in got.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            advice = "Half a win against the ghost keeps everybody above 0, so that math.log works."
            fault = f"The strength of {name} is {show(value, 40)}, and no number."
            raise Wrong(trial.called, "numbers", show(value), advice, fault=fault)
    return {name: float(got[name]) for name in names}


def _like_ours(trial: FunctionTrial, wins: Wins, ghost: float) -> None:
    got = _strong(trial, wins, ghost)
    ballots = (Ballot(pair, pair, pair[0], "") for pair, count in wins.items() for _ in range(count))
    for standing in ours(ballots, ghost):
        if abs(got[standing.name] - standing.value) > _NEAR:
            advice = (
                "Against the ghost each has won ghost / 2 of ghost games, and the ghost's p is 1. Is each "
                "new p made of the old ones alone?"
            )
            fault = f"{standing.name} is at {got[standing.name]:.3f}, and should be at {standing.value:.3f}."
            _wrong(trial, f"{standing.value:.3f}", f"{got[standing.name]:.3f}", advice, fault)


class TiersTrial(Trial):
    """A learner's tiers. It is given a list of its own of the same standings, which cannot be changed."""

    def __call__(self, standings: list[Standing]) -> Any:
        """Return the names in the tiers."""
        self.called = f"tiers({show(standings, 120)})"
        given = list(standings)
        value = self.learners_object(given)
        self.refuse_what_runs_nothing(value)
        if value is ...:
            raise NotAttempted
        if given != standings:
            fault, advice = "It changes the list that it is given.", "sorted(standings) makes a new list."
            raise Wrong(self.called, "the list stays as it is", "another order", advice, fault=fault)
        if value is None:
            fault = "It gives None, and no tiers."
            raise Wrong(self.called, _LISTS, "None", why_none(self.learners_object), fault=fault)
        if not isinstance(value, list | tuple) or not all(isinstance(tier, list | tuple) for tier in value):
            advice = "A tier is a list, also where only one stands in it."
            raise Wrong(self.called, _LISTS, show(value), advice, fault="It gives no list of lists.")
        return [[each.name if isinstance(each, Standing) else show(each) for each in tier] for tier in value]


_LISTS = "a list of lists of standings"
tiers = Exercise("tiers", lesson="09", declares="tiers", kind="your function", trial=TiersTrial)


@tiers.step("Everybody stands in one tier")
def everybody_once(trial: TiersTrial) -> str:
    """Finds a missing return, and the last tier that was never added."""
    for standings in (_apart(3), _apart(1), _overlapping(4)):
        _tiered(trial, standings)
    return "Nobody gets lost, and nobody stands twice."


@tiers.step("Who is clearly apart stands apart, the strongest first", needs=["everybody_once"])
def apart(trial: TiersTrial) -> str:
    """Finds one tier for all, and the order turned round."""
    for count in (2, 3, 5):
        _tiers_like_ours(trial, _apart(count), "A new tier begins where no interval reaches across.")
    return "A gap between intervals is a line between tiers."


@tiers.step("Overlapping intervals share a tier", needs=["apart"])
def overlap(trial: TiersTrial) -> str:
    """Finds tiers by the value alone, and comparisons with the first of a tier alone."""
    advice = "Compare the high end of the next one with the lowest low end of the tier so far."
    for standings in (_overlapping(2), _overlapping(5), [*_apart(2), *_overlapping(3, below=20.0)]):
        _tiers_like_ours(trial, standings, advice)
    return "Where intervals overlap, nobody can say who is better."


@tiers.step("Who lost twice is not the last", needs=["overlap"])
def newcomer(trial: TiersTrial) -> str:
    """Two ballots make a wide interval: it reaches over all of the others."""
    standings = [*_apart(3), Standing("newcomer", -1.2, -9.0, 99.0, 2)]
    advice = "Sort by the high end, not by the value: a wide interval begins above the others."
    _tiers_like_ours(trial, standings, advice)
    return "Two ballots say almost nothing, and the tiers say so."


@tiers.step("The order in which they are given plays no part", needs=["overlap"])
def any_order(trial: TiersTrial) -> str:
    """Finds functions that rely on a sorted list."""
    for _ in range(4):
        standings = [*_apart(3), *_overlapping(3, below=30.0)]
        _tiers_like_ours(trial, dice.sample(standings, len(standings)), "Sort them first, by the high end.")
    return "It sorts by itself."


def _apart(count: int) -> list[Standing]:
    """Return standings whose intervals do not overlap, the strongest first."""
    names = dice.sample(_NAMES, count)
    return [_standing(name, 10.0 - 3 * place, dice.uniform(0.5, 1.2)) for place, name in enumerate(names)]


def _overlapping(count: int, below: float = 0.0) -> list[Standing]:
    """Return standings of which each overlaps with the next one, and the first not with the last."""
    names = [f"{name} {name[0]}." for name in dice.sample(_NAMES, count)]
    return [_standing(name, -2.0 * place - below, dice.uniform(1.1, 1.6)) for place, name in enumerate(names)]


def _standing(name: str, value: float, reach: float) -> Standing:
    return Standing(name, round(value, 2), round(value - reach, 2), round(value + reach, 2), 20)


def _tiered(trial: TiersTrial, standings: list[Standing]) -> list[list[str]]:
    names: list[list[str]] = trial(standings)
    given, found = Counter(each.name for each in standings), Counter(name for tier in names for name in tier)
    if found != given:
        lost, double = sorted(given - found), sorted(found - given)
        fault = f"{lost[0]} stands in no tier." if lost else f"{double[0]} stands there once too often."
        advice = "Each standing is put into one tier; and a tier is added as soon as it begins."
        raise Wrong(trial.called, "each of them once", show(names), advice, fault=fault)
    return names


def _tiers_like_ours(trial: TiersTrial, standings: list[Standing], advice: str) -> None:
    got = [sorted(tier) for tier in _tiered(trial, standings)]
    wanted = [sorted(each.name for each in tier) for tier in our_tiers(standings)]
    if got != wanted:
        fault = f"It makes {len(got)} tier{'' if len(got) == 1 else 's'}, and there {_are(len(wanted))}."
        if len(got) == len(wanted):
            fault = "The tiers are others, or in another order."
        raise Wrong(trial.called, show(wanted), show(got), advice, fault=fault)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"


exercises: tuple[Exercise, ...] = (schedule, strengths, tiers)
