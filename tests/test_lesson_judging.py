"""Lesson 08: what a learner may write and passes, and which mistake fails at which step."""

import json
import re
from typing import Any

import pytest

from npc_lab.lessons import check, hint
from npc_lab.lessons.checking.reports import CORRECT, INCORRECT

pytestmark = pytest.mark.python

WORDS = {"true": True, "yes": True, "false": False, "no": False}


def first_wrong(name: str, learners: Any) -> str:
    """The step that is incorrect, and what is said of it."""
    report = check(name, learners)
    assert not report.passed, str(report)
    return next(step.name for step in report.steps if step.outcome == INCORRECT)


# --- read_verdict ---------------------------------------------------------------------------------------


def reads(text: str) -> bool | None:
    objects = re.findall(r"\{[^{}]*\}", text)
    try:
        answer = json.loads(objects[-1]).get("answer")
    except (IndexError, ValueError):
        return None
    return WORDS.get(str(answer).strip(" .!").lower())


def reads_with_rfind(text: str) -> bool | None:
    start = text.rfind("{")
    if start < 0 or "}" not in text[start:]:
        return None
    try:
        answer = json.loads(text[start : text.index("}", start) + 1])["answer"]
    except (KeyError, ValueError):
        return None
    if isinstance(answer, str):
        return WORDS.get(answer.strip().rstrip(".!").lower())
    return answer if isinstance(answer, bool) else None


def reads_all_as_json(text: str) -> bool | None:
    try:
        return WORDS.get(str(json.loads(text).get("answer")).strip(" .!").lower())
    except ValueError:
        return None


def reads_the_first(text: str) -> bool | None:
    return reads(text.partition("}")[0] + "}")


def passes_without_a_key(text: str) -> bool:
    found = reads(text)
    return found if found is not None else False


def reads_one_spelling(text: str) -> Any:
    answer = json.loads(re.findall(r"\{[^{}]*\}", text)[-1]).get("answer")
    return {"yes": True, "no": False}.get(answer, answer) if isinstance(answer, str) else answer


def forgets_return(text: str) -> None:
    reads(text)


def test_a_right_reading_passes() -> None:
    for right in (reads, reads_with_rfind):
        assert check("read_verdict", right).passed, str(check("read_verdict", right))


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        (forgets_return, "true and false"),
        (lambda text: bool(text), "true and false"),
        (reads_one_spelling, "yes and no"),
        (reads_all_as_json, "around the object"),
        (reads_the_first, "last one counts"),
        (passes_without_a_key, "never False"),
    ],
)
def test_a_wrong_reading_is_told(wrong: Any, step: str) -> None:
    assert step in first_wrong("read_verdict", wrong)


# --- both_orders ----------------------------------------------------------------------------------------


def asks_both(judge: Any, a: str, b: str) -> Any:
    def asked(first: str, second: str) -> Any:
        try:
            return {"first": first, "second": second}.get(judge(first, second))
        except Exception:
            return None

    one, other = asked(a, b), asked(b, a)
    if one is None or other is None:
        return None
    return one if one == other else "tie"


def asks_both_at_once(judge: Any, a: str, b: str) -> Any:
    try:
        answers = judge(a, b), judge(b, a)
    except Exception:
        return None
    won = {
        ("first", "second"): a,
        ("second", "first"): b,
        ("first", "first"): "tie",
        ("second", "second"): "tie",
    }
    return won.get(answers)


def asks_once(judge: Any, a: str, b: str) -> Any:
    return a if judge(a, b) == "first" else b


def does_not_swap(judge: Any, a: str, b: str) -> Any:
    return a if judge(a, b) == judge(a, b) == "first" else "tie"


def compares_places(judge: Any, a: str, b: str) -> Any:
    one, other = judge(a, b), judge(b, a)
    return {"first": a, "second": b}[one] if one == other else "tie"


def believes_the_first(judge: Any, a: str, b: str) -> Any:
    one, _ = judge(a, b), judge(b, a)
    return {"first": a, "second": b}.get(one)


def counts_none_as_tie(judge: Any, a: str, b: str) -> Any:
    found = asks_both(judge, a, b)
    return "tie" if found is None else found


def test_asking_in_both_orders_passes() -> None:
    for right in (asks_both, asks_both_at_once):
        assert check("both_orders", right).passed, str(check("both_orders", right))


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        (asks_once, "asks twice"),
        (does_not_swap, "asks twice"),
        (compares_places, "has won"),
        (believes_the_first, "nobody has won"),
        (counts_none_as_tie, "no tie"),
    ],
)
def test_a_wrong_order_is_told(wrong: Any, step: str) -> None:
    assert step in first_wrong("both_orders", wrong)


# --- rates, corrected -----------------------------------------------------------------------------------


def share_right(verdicts: Any, truth: Any, kind: bool) -> float | None:
    said = [v for v, label in zip(verdicts, truth, strict=True) if label == kind and v is not None]
    return said.count(kind) / len(said) if said else None


def both_rates(verdicts: Any, truth: Any) -> Any:
    return share_right(verdicts, truth, True), share_right(verdicts, truth, False)


def accuracy(verdicts: Any, truth: Any) -> Any:
    right = [v == label for v, label in zip(verdicts, truth, strict=True)]
    return sum(right) / len(right), sum(right) / len(right)


def none_is_no(verdicts: Any, truth: Any) -> Any:
    return both_rates([bool(each) for each in verdicts], truth)


def nothing_is_zero(verdicts: Any, truth: Any) -> Any:
    return tuple(each or 0.0 for each in both_rates(verdicts, truth))


def right_correction(seen: float, tpr: float, tnr: float) -> float | None:
    return None if tpr + tnr <= 1 else min(max((seen + tnr - 1) / (tpr + tnr - 1), 0), 1)


def test_right_numbers_pass() -> None:
    assert check("rates", both_rates).passed
    assert check("rates", lambda verdicts, truth: list(both_rates(verdicts, truth))).passed
    assert check("corrected", right_correction).passed


@pytest.mark.parametrize(
    ("name", "wrong", "step"),
    [
        ("rates", accuracy, "two shares"),
        ("rates", lambda verdicts, truth: both_rates(verdicts, truth)[::-1], "two shares"),
        ("rates", none_is_no, "counts nowhere"),
        ("rates", nothing_is_zero, "no talk has this label"),
        ("corrected", lambda seen, tpr, tnr: seen, "It corrects"),
        ("corrected", lambda seen, tpr, tnr: (seen + tnr - 1) / (tpr + tnr - 1), "between 0 and 1"),
        ("corrected", lambda s, p, n: min(max((s + n - 1) / (p + n - 1 or 1), 0), 1), "only guesses"),
    ],
)
def test_wrong_numbers_are_told(name: str, wrong: Any, step: str) -> None:
    assert step in first_wrong(name, wrong)


def test_every_exercise_has_three_hints_and_says_what_was_called() -> None:
    for name in ("read_verdict", "both_orders", "rates", "corrected"):
        assert all(str(hint(name, number)) for number in (1, 2, 3))
    report = check("read_verdict", passes_without_a_key)
    assert "read_verdict(" in str(report) or "passes_without_a_key(" in str(report)
    assert report.steps[0].outcome == CORRECT
