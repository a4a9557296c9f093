"""Lesson 08: reading a judge's words, asking it in both orders, and counting how often it is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, Wrong
from npc_lab.lessons.checking.learners_code import show, why_none
from npc_lab.lessons.exercises.made_up import dice, phrase

read_verdict = Exercise("read_verdict", lesson="08", declares="read_verdict", kind="your function")


@read_verdict.step("It reads true and false")
def reads_booleans(trial: FunctionTrial) -> str:
    """Finds a missing return, errors, and answers that are texts."""
    for answer in (True, False):
        advice = 'json.loads makes True of true. Look up "answer" in it.'
        _read(trial, _object(answer), answer, _or_no_return(trial, trial(_object(answer)), advice))
    return "A verdict as it was asked for is read."


@read_verdict.step("It reads yes and no, in any case and with a full stop", needs=["reads_booleans"])
def reads_words(trial: FunctionTrial) -> str:
    """Finds `bool("No.")`, which is True, and comparisons with one spelling."""
    for word, answer in (("yes", True), ("no", False), ("No.", False), ("YES!", True), (" Yes ", True)):
        _read(trial, _object(word), answer, "Strip blanks, full stops and exclamation marks; lower the rest.")
    return "A yes is a yes, however it is spelt."


@read_verdict.step(
    "What is around the object does not count", needs=["reads_words"], only_with=["reads_booleans"]
)
def reads_within(trial: FunctionTrial) -> str:
    """Finds json.loads of the whole text."""
    for around in ("Here it is: {}", "```json\n{}\n```", "{}\nI hope that this helps."):
        answer = dice.choice((True, False))
        words = around.replace("{}", _object(answer))
        _read(trial, words, answer, "Find where the object begins and ends. Models like to talk around it.")
    return "It finds the object."


@read_verdict.step("Of several JSON objects the last one counts", needs=["reads_within"])
def reads_last(trial: FunctionTrial) -> str:
    """Finds functions that take the first: the talk's own words may stand there."""
    for answer in (True, False):
        words = f"The talk says {json.dumps({'answer': not answer})}. So: {_object(answer)}"
        _read(trial, words, answer, "A judge may quote the talk first. What it says last is its verdict.")
    return "What it says last is its verdict."


@read_verdict.step(
    "Where there is no answer it gives None, and never False",
    needs=["reads_last"],
    only_with=["reads_booleans"],
)
def gives_none(trial: FunctionTrial) -> str:
    """Finds default values: a verdict without its key is no pass and no failure."""
    advice = "Nothing is None. A judge that said nothing has not said that all is well."
    for words in (
        "",
        f"I would say: {phrase()}.",
        json.dumps({"quote": phrase(), "reason": phrase()}),
        _object("yes and no"),
        _object(None),
        _object("11 of 10"),
        _object(True)[: -dice.randint(3, 6)],
        "Not [[A]], rather [[B]].",
        "I am sorry, but I cannot judge people.",
    ):
        _read(trial, words, None, advice)
    return "What is not there is None."


both_orders = Exercise("both_orders", lesson="08", declares="both_orders", kind="your function")


class Asked:
    """A judge of two texts that notes what it is asked. answer: a function of the two texts."""

    def __init__(self, answer: Callable[[str, str], Any], name: str):
        self.answer = answer
        self.name = name
        self.calls: list[tuple[str, str]] = []

    def __call__(self, first: str, second: str) -> Any:
        self.calls.append((first, second))
        if len(self.calls) > 20:
            raise RuntimeError("The judge was asked more than 20 times.")
        return self.answer(first, second)

    def __deepcopy__(self, _: Any) -> Asked:
        return self  # the calls of a copy would be seen by nobody

    def __repr__(self) -> str:
        return self.name


def _likes(liked: str) -> Callable[[str, str], str]:
    return lambda first, second: "first" if first == liked else "second"


@both_orders.step("It asks twice, the second time in the other order")
def asks_twice(trial: FunctionTrial) -> str:
    """Finds one call, more than two, and calls that are not swapped."""
    one, other = phrase(), phrase(4)
    judge = Asked(_likes(one), "judge")
    trial(judge, one, other)
    trial.called = "both_orders(judge, a, b)"
    if judge.calls != [(one, other), (other, one)]:
        calls = ", ".join("judge(a, b)" if call == (one, other) else "judge(b, a)" for call in judge.calls)
        advice = "Call it with a and b, then with b and a, once each."
        raise Wrong(trial.called, "judge(a, b), then judge(b, a)", calls or "no call", advice)
    return "Exactly two calls, in both orders."


@both_orders.step("Where both answers mean the same text, that text has won", needs=["asks_twice"])
def has_winner(trial: FunctionTrial) -> str:
    """Finds functions that compare places and forget that the texts were swapped."""
    for place in (0, 1):
        texts = [phrase(), phrase(4)]
        judge = Asked(_likes(texts[place]), "judge")
        advice = 'In the other order "second" means a. Which text does each answer mean?'
        _chose(trial, judge, texts, "ab"[place], f"a judge that always likes {'ab'[place]}", advice)
    return "An honest judge has a winner."


@both_orders.step(
    "If the same place won both times, nobody has won", needs=["has_winner"], only_with=["has_winner"]
)
def has_tie(trial: FunctionTrial) -> str:
    """Finds functions that believe the first call."""
    for place in ("first", "second"):
        judge = Asked(lambda first, second, place=place: place, "judge")  # type: ignore[misc]
        advice = 'Both answers name one place, so they mean unlike texts: that is a "tie".'
        _chose(trial, judge, [phrase(), phrase(4)], "tie", f"a judge that always says {place!r}", advice)
    return "A judge that takes the first has judged nothing."


@both_orders.step(
    "If an answer cannot be read, or fails, it gives None and no tie",
    needs=["has_tie"],
    only_with=["has_winner"],
)
def has_none(trial: FunctionTrial) -> str:
    """Finds None that is counted as a vote, and exceptions that end everything."""

    def fails(first: str, second: str) -> str:
        raise RuntimeError("The endpoint is busy.")

    texts = [phrase(), phrase(4)]
    for answer, told in (
        (lambda first, second: None, "a judge that cannot be read"),
        (lambda first, second: "first" if first == texts[0] else None, "a judge that can be read once"),
        (fails, "a judge that fails"),
    ):
        advice = "No answer is no vote. try and except keep one failure from ending all."
        _chose(trial, Asked(answer, "judge"), texts, None, told, advice)
    return "A failure is no tie."


rates = Exercise("rates", lesson="08", declares="rates", kind="your function")


@rates.step("It gives two shares, tpr first")
def gives_shares(trial: FunctionTrial) -> str:
    """Finds one number for all, and the two in the wrong order."""
    verdicts, truth = [True, True, True, False, False, False], [True, True, True, True, False, True]
    advice = "tpr: of the talks that fail, how many were called so. tnr: of the others, how many were not."
    _rates(trial, verdicts, truth, (3 / 5, 1.0), advice)
    for _ in range(3):
        truth = [True, False, *(dice.choice((True, False)) for _ in range(8))]
        verdicts = [dice.choice((True, False)) for _ in truth]
        _rates(trial, verdicts, truth, _true_rates(verdicts, truth), advice)
    return "Two numbers tell what one would hide."


@rates.step("A judge that always says the same has 0 and 1", needs=["gives_shares"])
def is_constant(trial: FunctionTrial) -> str:
    """Finds accuracy, which is .9 for a judge that never finds anything."""
    truth = [True, *9 * [False]]
    advice = "Divide by the talks of the same class, not by all of them."
    _rates(trial, 10 * [False], truth, (0.0, 1.0), advice)
    _rates(trial, 10 * [True], truth, (1.0, 0.0), advice)
    return "Nine of ten right, and it found nothing."


@rates.step("A verdict that is None counts nowhere", needs=["gives_shares"])
def drops_none(trial: FunctionTrial) -> str:
    """Finds None that is taken for False."""
    advice = "Leave such a talk out, above and below the line: the judge said nothing about it."
    _rates(trial, [True, None, False, None], [True, True, False, False], (1.0, 1.0), advice)
    return "Silence is no answer."


@rates.step("Where no talk has this label, its share is None", needs=["drops_none"])
def empty_class(trial: FunctionTrial) -> str:
    """Finds divisions by zero, and 0 for what nobody knows."""
    advice = "0 of 0 is not 0. Nobody knows, and that is None."
    _rates(trial, [True, False], [True, True], (0.5, None), advice)
    _rates(trial, [None, True], [True, False], (None, 0.0), advice)
    _rates(trial, [], [], (None, None), advice)
    return "Of nothing there is no share."


corrected = Exercise("corrected", lesson="08", declares="corrected", kind="your function")


@corrected.step("It corrects the share that a judge saw")
def corrects(trial: FunctionTrial) -> str:
    """Finds wrong signs and swapped numbers."""
    advice = "(seen + tnr - 1) / (tpr + tnr - 1)"
    for _ in range(5):
        tpr, tnr, true = dice.uniform(0.6, 1), dice.uniform(0.6, 1), dice.uniform(0.1, 0.9)
        seen = true * tpr + (1 - true) * (1 - tnr)  # what such a judge sees
        _number(trial, (seen, tpr, tnr), true, advice)
    return "It finds back the share that is there."


@corrected.step("It stays between 0 and 1", needs=["corrects"])
def is_kept_in(trial: FunctionTrial) -> str:
    """Finds shares below 0, which a judge with some bad luck leads to."""
    advice = "A share below 0 or above 1 is chance: min and max keep it inside."
    _number(trial, (0.05, 0.9, 0.8), 0.0, advice)
    _number(trial, (0.98, 0.8, 0.9), 1.0, advice)
    return "A share is a share."


@corrected.step("For a judge that only guesses it gives None", needs=["corrects"], only_with=["corrects"])
def knows_nothing(trial: FunctionTrial) -> str:
    """Finds divisions by zero, and shares that mean nothing."""
    advice = "If tpr + tnr is 1 or less, it says yes to good talks as often as to others."
    for numbers in ((0.5, 0.0, 1.0), (0.5, 0.5, 0.5), (0.5, 0.3, 0.4)):
        _number(trial, numbers, None, advice)
    return "What knows nothing cannot be corrected."


def _object(answer: Any) -> str:
    return json.dumps({"quote": phrase(), "reason": phrase(), "answer": answer})


def _read(trial: FunctionTrial, words: str, expected: bool | None, advice: str) -> None:
    got = trial(words)
    if got is not expected:
        raise Wrong(trial.called, str(expected), show(got, 60), advice)


def _or_no_return(trial: FunctionTrial, got: Any, advice: str) -> str:
    return why_none(trial.learners_object) if got is None else advice


def _chose(
    trial: FunctionTrial, judge: Asked, texts: list[str], expected: str | None, told: str, advice: str
) -> None:
    got = trial(judge, *texts)
    trial.called = f"both_orders(judge, a, b), with {told}"
    if expected in ("a", "b"):
        wanted: Any = texts["ab".index(expected)]
        if got == wanted:
            return
        got = "ab"[texts.index(got)] if got in texts else got
    elif got == expected and type(got) is type(expected):
        return
    raise Wrong(trial.called, repr(expected) if expected == "tie" else str(expected), show(got, 60), advice)


def _true_rates(verdicts: list[bool], truth: list[bool]) -> tuple[float, float]:
    shares = [
        [said is kind for said, label in zip(verdicts, truth, strict=True) if label is kind]
        for kind in (True, False)
    ]
    return sum(shares[0]) / len(shares[0]), sum(shares[1]) / len(shares[1])


def _rates(trial: FunctionTrial, verdicts: Any, truth: Any, expected: tuple[Any, Any], advice: str) -> None:
    got = trial(verdicts, truth)
    if not isinstance(got, tuple | list) or len(got) != 2 or not all(map(_is_near, got, expected)):
        raise Wrong(trial.called, _pair(expected), _pair(got), _or_no_return(trial, got, advice))


def _pair(value: Any) -> str:
    if isinstance(value, tuple | list) and len(value) == 2:
        return f"({', '.join(_short(each) for each in value)})"
    return show(value, 60)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else show(value, 30)


def _is_near(got: Any, expected: Any) -> bool:
    if expected is None or got is None:
        return got is expected
    return isinstance(got, int | float) and not isinstance(got, bool) and abs(got - expected) < 1e-6


def _number(trial: FunctionTrial, numbers: tuple[float, ...], expected: float | None, advice: str) -> None:
    got = trial(*numbers)
    trial.called = f"corrected({', '.join(f'{each:.3g}' for each in numbers)})"
    if not _is_near(got, expected):
        raise Wrong(trial.called, _short(expected), _short(got), _or_no_return(trial, got, advice))


exercises: tuple[Exercise, ...] = (read_verdict, both_orders, rates, corrected)
