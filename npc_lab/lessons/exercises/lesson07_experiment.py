"""Lesson 07: pairs of talks, a verdict, how many talks are needed, and what looking again and again does."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Any

from npc_lab.experiments.estimates import difference, minimum_detectable
from npc_lab.experiments.numbers import CANNOT_TELL, LESS, MORE
from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, NotAttempted, Trial, Wrong
from npc_lab.lessons.checking.learners_code import error_line, quote, show, where, why_none
from npc_lab.lessons.checking.plain import plain
from npc_lab.lessons.exercises.made_up import dice

pairs = Exercise("pairs", lesson="07", declares="pairs", kind="your function")

Numbers = list[Any]  # of one scene, by the number of the talk; None where one is missing


@pairs.step("It gives a list of pairs, and how many are missing")
def gives_both(trial: FunctionTrial) -> str:
    """Finds a missing return, and the pairs alone."""
    _paired(trial, _numbers(4), _numbers(4))
    return "It gives two things: pairs, and a number."


@pairs.step("Talk 3 of the first stands beside talk 3 of the second", needs=["gives_both"])
def by_number(trial: FunctionTrial) -> str:
    """Finds sorted numbers, every one with every other, and the second scene first."""
    for length in (5, 2, 7):
        first, second = _numbers(length), _numbers(length)
        got, _ = _paired(trial, first, second)
        wanted = list(zip(first, second, strict=True))
        if got != wanted:
            advice, fault = "zip(first, second) takes one of each, in their order.", ""
            if len(got) == length * length:
                fault = "It pairs each talk with every other one."
            elif got == [(two, one) for one, two in wanted]:
                fault, advice = "The second scene comes first in its pairs.", "Each pair is (first, second)."
            elif sorted(map(str, got)) == sorted(map(str, wanted)):
                fault, advice = "The pairs stand in another order.", "Take out what sorts or turns them."
            _wrong_pairs(trial, wanted, got, advice, fault)
    return "What is compared has the same number."


@pairs.step("0 and False are no missing talks", needs=["by_number"])
def zero_is_there(trial: FunctionTrial) -> str:
    """Finds `if one and other`."""
    for first, second in (([0, 2, 0, 1], [3, 0, 0, 1]), ([False, True, False], [False, False, True])):
        got, _ = _paired(trial, first, second)
        wanted = list(zip(first, second, strict=True))
        if got != wanted:
            advice = "Ask `is not None`. For `if number`, 0 and False are as good as nothing."
            _wrong_pairs(trial, wanted, got, advice, "It drops a pair because of a 0 or a False.")
    return "A talk in which nothing happened is a talk."


@pairs.step("A pair with a missing talk is dropped, and no other", needs=["zero_is_there"])
def incomplete(trial: FunctionTrial) -> str:
    """Finds None in pairs, and lists that are thinned out before they are paired."""
    for _ in range(4):
        first, second = _with_gaps(_numbers(8), 2), _with_gaps(_numbers(8), 2)
        got, _ = _paired(trial, first, second)
        wanted = _complete(first, second)
        if got != wanted:
            advice = "Pair them first. Then keep those pairs in which both are there."
            fault = ""
            if any(None in pair for pair in got):
                fault = "It keeps a pair in which a talk is missing."
            elif got == list(zip(*(filter(_is_there, each) for each in (first, second)), strict=False)):
                fault = "It leaves out what is missing before it pairs, so the numbers move up."
            _wrong_pairs(trial, wanted, got, advice, fault)
    return "One talk that failed costs one pair, and moves nothing."


@pairs.step("What was dropped is counted", needs=["incomplete"])
def counted(trial: FunctionTrial) -> str:
    """Finds counts of talks in place of pairs, and counts of what is left."""
    first, second = _numbers(10), _numbers(10)
    first[1] = second[1] = first[4] = second[6] = second[8] = None
    _, missing = _paired(trial, first, second)
    if missing != 4:
        fault = f"It says that {missing} pairs are missing, and 4 are."
        advice = "Count the pairs that you drop: all of them, less those that are left."
        if missing == 5:
            fault = "It counts the talks that are missing, 5, and not the pairs."
        elif missing == 6:
            fault = "It counts the pairs that are left."
        raise Wrong("pairs(first, second)", "4 missing", f"{missing} missing", advice, fault=fault)
    for gaps in (0, 3):
        first, second = _with_gaps(_numbers(6), gaps), _numbers(6)
        _, missing = _paired(trial, first, second)
        if missing != gaps:
            raise Wrong(
                trial.called, f"{gaps} missing", f"{missing} missing", "Count the pairs that you drop."
            )
    return "Nothing gets lost in silence."


@pairs.step("Where one list is longer, the rest is missing, too", needs=["counted"], required=False)
def longer(trial: FunctionTrial) -> str:
    """zip() ends where the shorter one ends."""
    first, second = _numbers(6), _numbers(4)
    for one, other in ((first, second), (second, first)):
        got, missing = _paired(trial, one, other)
        wanted = _complete(one, other)
        if (got, missing) != (wanted, 2):
            advice = "itertools.zip_longest fills up the shorter one with None."
            raise Wrong(trial.called, f"{show(wanted)}, 2", f"{show(got)}, {missing}", advice)
    return "A scene that is still being played is compared as far as it got."


def _numbers(count: int) -> Numbers:
    return [round(dice.uniform(0.01, 0.99), 2) + place for place, _ in enumerate(range(count), start=1)]


def _with_gaps(numbers: Numbers, gaps: int) -> Numbers:
    places = dice.sample(range(len(numbers)), gaps)
    return [None if place in places else each for place, each in enumerate(numbers)]


def _is_there(value: Any) -> bool:
    return value is not None


def _complete(first: Numbers, second: Numbers) -> list[tuple[Any, Any]]:
    both = zip_longest(first, second)
    return [(one, other) for one, other in both if one is not None and other is not None]


def _paired(trial: FunctionTrial, first: Numbers, second: Numbers) -> tuple[list[Any], int]:
    got = trial(first, second)
    wanted = "a list of pairs, and a number"
    if got is None:
        advice = why_none(trial.learners_object)
        raise Wrong(trial.called, wanted, "None", advice, fault="It gives None, and no pairs.")
    is_both = isinstance(got, list | tuple) and len(got) == 2 and isinstance(got[0], list | tuple)
    if not is_both or not isinstance(got[1], int) or isinstance(got[1], bool):
        fault = f"It gives {show(got, 60)}, and no list with a number."
        if isinstance(got, list) and all(isinstance(each, list | tuple) and len(each) == 2 for each in got):
            fault = "It gives the pairs alone, without how many are missing."
        advice = "Give back two things: return complete, missing"
        raise Wrong(trial.called, wanted, show(got), advice, fault=fault)
    return [tuple(each) if isinstance(each, list) else each for each in got[0]], got[1]


def _wrong_pairs(trial: FunctionTrial, wanted: list[Any], got: list[Any], advice: str, fault: str) -> None:
    raise Wrong(trial.called, show(wanted), show(got), advice, fault=fault)


verdict = Exercise("verdict", lesson="07", declares="verdict", kind="your function")

WORDS = (MORE, LESS, CANNOT_TELL)
_RUNS, _TALKS = 200, 20
_ENOUGH = 0.9


@verdict.step('It gives "more", "less" or "cannot tell"')
def one_of_three(trial: FunctionTrial) -> str:
    """Finds a missing return, and other words."""
    for low, high in (_ends(1), _ends(-1), _ends(0)):
        _one_of_three(trial.called, trial(low, high), trial)
    return "Three words, and no others."


@verdict.step("An interval above 0 is more, one below 0 is less", needs=["one_of_three"])
def both_directions(trial: FunctionTrial) -> str:
    """Finds the two mixed up, and limits that are not 0."""
    for _ in range(4):
        for direction, word in ((1, MORE), (-1, LESS)):
            low, high = _ends(direction)
            _says(trial, low, high, word, "Above 0, both ends are larger than 0; below 0, both are smaller.")
    for low, high, word in ((0.001, 0.4, MORE), (-0.4, -0.001, LESS), (3.0, 8.0, MORE)):
        _says(trial, low, high, word, "Compare with 0, and with nothing else.")
    return "Both directions are told."


@verdict.step(
    "An interval with 0 in it cannot tell", needs=["both_directions"], only_with=["both_directions"]
)
def zero_inside(trial: FunctionTrial) -> str:
    """Finds verdicts from the middle of the interval. An end at 0 is in it."""
    ends = [_ends(0) for _ in range(6)]
    ends += [(-0.01, 0.6), (-0.6, 0.01), (0.0, 0.5), (-0.5, 0.0), (0.0, 0.0)]
    for low, high in ends:
        advice = "Where 0 is in it, the truth may be no difference at all: neither more nor less."
        if 0 in (low, high):
            advice = "An end at 0 is still in the interval. Write <= in the place of <, or < of <=."
        _says(trial, low, high, CANNOT_TELL, advice)
    return "No verdict without proof."


@verdict.step("Without an interval it cannot tell", needs=["zero_inside"], only_with=["both_directions"])
def no_interval(trial: FunctionTrial) -> str:
    """One pair of talks has none: its ends are None."""
    advice = "Look first whether low is None: then there is no interval."
    try:
        _says(trial, None, None, CANNOT_TELL, advice)
    except TypeError as error:  # None was compared with a number
        got = f"{error_line(error)}, {where(error)}"
        raise Wrong(trial.called, CANNOT_TELL, got, advice, fault=f"{got}.") from None
    return "One pair of talks tells nothing, and stops nothing."


@verdict.step(
    "Where nothing was changed, it cannot tell 9 times in 10",
    needs=["no_interval"],
    only_with=["both_directions"],
)
def keeps_quiet(trial: FunctionTrial) -> str:
    """200 experiments of A against A, 20 talks each."""
    quiet = _counted(trial, 0.5, 0.5, CANNOT_TELL)
    if quiet < _ENOUGH * _RUNS:
        raise Wrong("200 experiments, A against A", f"180 or more {CANNOT_TELL}", str(quiet), "Look at 0.")
    return f"In {quiet} of 200 experiments in which nothing differs it cannot tell. The others are chance."


@verdict.step("From 2 in 10 to 9 in 10 is seen 9 times in 10", needs=["no_interval"])
def sees(trial: FunctionTrial) -> str:
    """200 experiments in which there is a difference of 70 points."""
    seen = _counted(trial, 0.2, 0.9, MORE)
    if seen < _ENOUGH * _RUNS:
        raise Wrong("200 experiments, .2 against .9", f"180 or more {MORE}", str(seen), "Look at 0.")
    return f"In {seen} of 200 experiments with a large difference it says more."


def _ends(direction: int) -> tuple[float, float]:
    """Return an interval above 0, below it, or around it."""
    one, other = round(dice.uniform(0.02, 0.4), 2), round(dice.uniform(0.45, 0.9), 2)
    return {1: (one, other), -1: (-other, -one)}.get(direction, dice.choice([(-one, other), (-other, one)]))


def _one_of_three(called: str, got: Any, trial: Trial) -> None:
    wanted = '"more", "less" or "cannot tell"'
    if got is None:
        fault = "It gives None, and no verdict."
        raise Wrong(called, wanted, "None", why_none(trial.learners_object), fault=fault)
    if got not in WORDS:
        fault = f"It gives {show(got, 60)}, which is none of the three."
        raise Wrong(called, wanted, show(got), "Spell it as it stands here.", fault=fault)


def _says(trial: FunctionTrial, low: float | None, high: float | None, word: str, advice: str) -> None:
    got = trial(low, high)
    _one_of_three(trial.called, got, trial)
    if got != word:
        fault = f"Of an interval from {low} to {high} it says {quote(got)}."
        raise Wrong(trial.called, show(word), show(got), advice, fault=fault)


def _counted(trial: FunctionTrial, first: float, second: float, word: str) -> int:
    """Return in how many of 200 experiments with these true shares the verdict is the word."""
    found = 0
    for _ in range(_RUNS):
        estimate = difference([(dice.random() < first, dice.random() < second) for _ in range(_TALKS)])
        found += trial(estimate.low, estimate.high) == word
    return found


talks_needed = Exercise("talks_needed", lesson="07", declares="talks_needed", kind="your function")


@talks_needed.step("It gives a whole number")
def whole_number(trial: FunctionTrial) -> str:
    """Finds a missing return, and parts of talks."""
    for n in (5, 16, 90):
        _needed(trial, _between(n))
    return "Nobody plays half a talk."


@talks_needed.step("With so many talks the difference is seen", needs=["whole_number"])
def enough(trial: FunctionTrial) -> str:
    """Finds numbers that were rounded down, and points in place of shares."""
    for n in (*dice.sample(range(5, 30), 6), *dice.sample(range(30, 400), 6)):
        smallest = _between(n)
        got = _needed(trial, smallest)
        if got < n:
            seen = f"{got} talk{'' if got == 1 else 's'} of each see only differences from "
            seen += f"{minimum_detectable(max(got, 1)):.3f} on."
            advice = "Turn minimum_detectable = 2.8 * sqrt(0.5 / n) round, to n = ... Is the square there?"
            if got == n - 1:
                advice = "Round up, not to the nearest: math.ceil(3.2) is 4."
            if got == math.ceil(2.8 * 0.5**0.5 / smallest):
                advice = "Where n stands below a root, the other side is squared."
            raise Wrong(trial.called, str(n), str(got), advice, fault=seen)
    return "So many talks are enough."


@talks_needed.step("With one talk fewer it would be missed", needs=["enough"], only_with=["enough"])
def not_too_many(trial: FunctionTrial) -> str:
    """Finds numbers that are too large: talks cost time and money."""
    for n in (*dice.sample(range(5, 30), 6), *dice.sample(range(30, 400), 6)):
        smallest = _between(n)
        got = _needed(trial, smallest)
        if got > n:
            seen = f"{n} talks are enough, and it asks for {got}."
            advice = "math.ceil(...) is already up. Add nothing to it." if got == n + 1 else ""
            advice = advice or "Compare with minimum_detectable(n): the first n at which it is small enough."
            raise Wrong(trial.called, str(n), str(got), advice, fault=seen)
    return "No talk is played in vain."


@talks_needed.step(
    "It is never 0, and half the difference needs more talks", needs=["not_too_many"], only_with=["enough"]
)
def never_zero(trial: FunctionTrial) -> str:
    """The largest difference that there is, is 1: from never to always."""
    got = _needed(trial, 1)
    if not 1 <= got <= 4:
        advice = "Even from never to always wants a talk: 1 at the least, 4 by the formula."
        raise Wrong(trial.called, "1 to 4", str(got), advice, fault=f"For a difference of 1 it gives {got}.")
    few, many = _needed(trial, 0.2), _needed(trial, 0.1)
    return f"A difference of 20 points needs {few} talks of each scene, one of 10 points {many}."


@talks_needed.step(
    "A difference of 0 needs no number: None",
    needs=["never_zero"],
    only_with=["whole_number"],
    required=False,
)
def no_difference(trial: FunctionTrial) -> str:
    """Finds a division by zero, and a loop that never ends."""
    got = trial(0)
    if got is not None:
        raise Wrong(trial.called, "None", show(got), "No number of talks shows that there is no difference.")
    return "That there is no difference can never be shown."


def _between(n: int) -> float:
    """Return a difference that n talks show, and n - 1 do not."""
    return round((minimum_detectable(n) + minimum_detectable(n - 1)) / 2, 6)


def _needed(trial: FunctionTrial, smallest: float) -> int:
    got = trial(smallest)
    if got is None:
        fault = "It gives None, and no number."
        raise Wrong(trial.called, "a whole number", "None", why_none(trial.learners_object), fault=fault)
    if not isinstance(got, int) or isinstance(got, bool):
        advice = "math.ceil(...) rounds up, to a whole number that can be counted to."
        fault = f"It gives {show(got, 60)}, and no whole number."
        raise Wrong(trial.called, "a whole number", show(got), advice, fault=fault)
    return got


class PeekTrial(Trial):
    """A learner's peek, and a play that counts its calls."""

    def __init__(self, learners_object: Any):
        super().__init__(learners_object)
        self.played = 0

    def __call__(self, first: float, second: float, most: int) -> str:
        """Return the verdict on two scenes in which something happens in these shares of all talks."""
        self.called, self.played = f"peek(play, {most})", 0

        def play() -> tuple[bool, bool]:
            self.played += 1
            if self.played > most:
                raise Wrong(
                    self.called,
                    f"at most {most} pairs",
                    "one more",
                    "Leave the loop when so many pairs were played.",
                    fault=f"It plays more than {most} pairs.",
                )
            return dice.random() < first, dice.random() < second

        value = self.learners_object(play, most)
        self.refuse_what_runs_nothing(value)
        if value is ...:
            raise NotAttempted
        word = plain(value)
        if word is None:
            advice = f"{why_none(self.learners_object)} And does your verdict pass its own check?"
            fault = "It gives None, and no verdict."
            raise Wrong(self.called, " or ".join(WORDS), "None", advice, fault=fault)
        _one_of_three(self.called, word, self)
        return str(word)


peek = Exercise("peek", lesson="07", declares="peek", kind="your function", trial=PeekTrial)


@peek.step("Where nothing is seen, it plays to the end", required=False)
def to_the_end(trial: PeekTrial) -> str:
    """Finds loops that end early. Neither scene ever does it."""
    for most in (5, 20, 50):
        word = trial(0, 0, most)
        if trial.played != most:
            fault = f"It stops after {trial.played} pairs, and has seen nothing."
            advice = "Go on as long as the verdict is “cannot tell” and there are pairs left."
            raise Wrong(trial.called, f"{most} pairs", f"{trial.played} pairs", advice, fault=fault)
        if word != CANNOT_TELL:
            advice = "Take the verdict of difference(...), from .low to .high."
            raise Wrong(trial.called, CANNOT_TELL, word, advice, fault=f"It says {quote(word)} of nothing.")
    return "It gives up only at the end."


@peek.step("It stops as soon as it sees something", needs=["to_the_end"], required=False)
def stops(trial: PeekTrial) -> str:
    """The second scene always does it, the first one never, or the other way round."""
    for first, second, wanted in ((0, 1, MORE), (1, 0, LESS)):
        word = trial(first, second, 50)
        if trial.played != 5:
            fault = f"It stops after {trial.played} pairs of “never” and “always”, and not after 5."
            advice = "Look after every fifth pair, and return the verdict if it is not “cannot tell”."
            raise Wrong(trial.called, "5 pairs", f"{trial.played} pairs", advice, fault=fault)
        if word != wanted:
            fault = f"It says {quote(word)}, and the second scene does it {wanted} often."
            raise Wrong(trial.called, wanted, word, "Each pair is (first, second).", fault=fault)
    return "It stops at the first find."


@peek.step("Its false alarms are counted", needs=["stops"], only_with=["stops"], required=False)
def cries_wolf(trial: PeekTrial) -> str:
    """200 experiments in which nothing differs: with ten looks each, and with one at the end."""
    alarms = sum(trial(0.5, 0.5, 50) != CANNOT_TELL for _ in range(_RUNS))
    at_the_end = 0
    for _ in range(_RUNS):
        found = difference([(dice.random() < 0.5, dice.random() < 0.5) for _ in range(50)])
        at_the_end += not (found.low or 0) <= 0 <= (found.high or 0)
    return (
        f"200 experiments in which nothing differs: looked at every fifth pair, {alarms} of them “found” "
        f"something; looked at once, at the end, {at_the_end} did."
    )


exercises: tuple[Exercise, ...] = (pairs, verdict, talks_needed, peek)
