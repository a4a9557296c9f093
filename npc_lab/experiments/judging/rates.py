"""How far a judge can be trusted, in two numbers, and a share that is corrected by them.

    rates([True, True, False, None], [True, False, False, True])    (1.0, 0.5)
    corrected(0.6, tpr=0.8, tnr=0.9)                                0.714

tpr: of the talks with the failure, how many it calls so. tnr: of those without, how many it calls so. One
number would hide that a judge who always says no is right in nine of ten talks, if one in ten fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from npc_lab.errors import ExperimentError
from npc_lab.experiments.estimates import plain
from npc_lab.experiments.judging.verdict import Verdict


def rates(verdicts: Iterable[Any], truth: Iterable[Any]) -> tuple[float | None, float | None]:
    """Return (tpr, tnr): the shares of the talks with and without the failure that were judged right.

    verdicts: True, False, None or a `Verdict` for each talk; one without an answer counts nowhere. truth:
    True or False for each talk, as people labelled it. None stands where there is no talk of a kind. Raise
    `ExperimentError` if they are not as many, or something else stands there.
    """
    said, labels = [_answer(each) for each in verdicts], [_label(each) for each in truth]
    if len(said) != len(labels):
        raise ExperimentError(f"There are {len(said)} verdicts and {len(labels)} labels: one each is needed.")
    return _share_right(said, labels, True), _share_right(said, labels, False)


def corrected(seen: float | None, tpr: float | None, tnr: float | None) -> float | None:
    """Return the share of talks that fail, from the share that a judge saw (Rogan and Gladen, 1978).

    (seen + tnr - 1)/(tpr + tnr - 1), kept in 0 to 1. None if a number is None, or if tpr + tnr is 1 or less:
    such a judge says yes to good talks as often as to others, and its share means nothing.
    """
    seen, tpr, tnr = map(_share, (seen, tpr, tnr))
    if seen is None or tpr is None or tnr is None or tpr + tnr <= 1:
        return None
    return min(max((seen + tnr - 1) / (tpr + tnr - 1), 0.0), 1.0)


def _share(value: Any) -> float | None:
    value = plain(value)
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ExperimentError(f"A share is a number from 0 to 1, not {value!r:.60}.")
    return float(value)


def _share_right(said: list[bool | None], labels: list[bool], kind: bool) -> float | None:
    of_kind = [answer for answer, label in zip(said, labels, strict=True) if label is kind]
    kept = [answer for answer in of_kind if answer is not None]
    return sum(answer is kind for answer in kept) / len(kept) if kept else None


def _answer(value: Any) -> bool | None:
    value = plain(value.answer if isinstance(value, Verdict) else value)
    if value is None or isinstance(value, bool):
        return value
    raise ExperimentError(f"A verdict is True, False or None, not {value!r:.60}.")


def _label(value: Any) -> bool:
    value = plain(value)
    if isinstance(value, bool):
        return value
    raise ExperimentError(f"A label is True or False, not {value!r:.60}.")
