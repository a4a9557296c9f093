"""A plan: what a run will cost, and which difference it can see. To make one costs no call.

    print(experiment.plan(client, model, prices={"in": 0.13, "out": 0.4}))

        temperature: 2 scenes x 20 talks.
        40 calls are still to be made: about 3,000 tokens, 0.3 minutes, 0.00041 in money.
        A difference below 44 points would often be missed ...

Tokens, time and money are known from the talks that were played before: of a new experiment they are unknown.
Play two talks first (`talks=2`), and the plan for more of them knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from npc_lab.errors import ExperimentError
from npc_lab.experiments.estimates import minimum_detectable
from npc_lab.experiments.judging.docket import Docket
from npc_lab.experiments.judging.judge import Judge
from npc_lab.experiments.question import Question
from npc_lab.experiments.trials import Read, Trials
from npc_lab.rendering import escaped
from npc_lab.store.schema import reading
from npc_lab.text import untypeset
from npc_lab.transcript import SCRIPT

# What the endpoint counted for each reply of the trials. A reply without a count is no zero.
_USAGES = """
SELECT usage FROM turns WHERE usage IS NOT NULL AND EXISTS (
    SELECT 1 FROM conversations JOIN trials ON conversation_id = conversations.id WHERE experiment = ?
    AND ((npc1_id = npc_id AND npc2_user_id = user_id) OR (npc2_id = npc_id AND npc1_user_id = user_id)))
"""
_PER = 1_000_000  # tokens: prices are for so many


@dataclass(frozen=True)
class Plan:
    """What is still to be done.

    calls: at most; a talk may end early. verdicts: how many of them are to judges. tokens, seconds, money:
    None where unknown, never 0 for that.
    minimum_detectable: the smallest difference that is seen 4 times in 5, by kind: of a "share", and of a
    "mean", in standard deviations of the differences; only one of them once talks say which it is.
    """

    name: str
    scenes: tuple[str, ...]
    talks: int
    calls: int
    tokens: int | None
    seconds: float | None
    money: float | None
    minimum_detectable: dict[str, float]
    prediction: str = ""
    notes: tuple[str, ...] = ()
    verdicts: int = 0

    def __str__(self) -> str:
        return "\n".join(self._sentences())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rest = self._sentences()
        lines = "".join(f"<p style='margin:.2em 0'>{escaped(line)}</p>" for line in rest)
        return untypeset(f"<p style='margin:.2em 0'><b>{escaped(head)}</b></p>{lines}")

    def _sentences(self) -> list[str]:
        scenes = f"{len(self.scenes)} scene{'' if len(self.scenes) == 1 else 's'}"
        sentences = [f"{self.name}: {scenes} x {self.talks} talk{'' if self.talks == 1 else 's'}."]
        sentences.append(self.costs())
        if len(self.scenes) > 1:
            sentences.append(self._sees())
        if self.prediction:
            sentences.append(f"You predict: {self.prediction}")
        return [*sentences, *self.notes]

    def costs(self) -> str:
        """Return in words what is still to be done, and what it costs."""
        if not self.calls:
            return "All talks are there: a run makes no call."
        calls = f"{self.calls:,} call{' is' if self.calls == 1 else 's are'} still to be made"
        if self.verdicts:
            calls += f", {self.verdicts:,} of them for verdicts"
        costs = [f"about {self.tokens:,} tokens" if self.tokens is not None else "tokens unknown"]
        costs.append(f"about {_in_time(self.seconds)}" if self.seconds is not None else "time unknown")
        costs.append(f"about {self.money:.2g} in money" if self.money is not None else "money unknown")
        return f"{calls}: {', '.join(costs)}."

    def _sees(self) -> str:
        if self.talks < 2:
            return "One talk of each says nothing about others: no difference can be told from chance."
        seen = []
        if "share" in self.minimum_detectable:
            seen.append(f"{100 * self.minimum_detectable['share']:.0f} points, where the answer is yes or no")
        if "mean" in self.minimum_detectable:
            seen.append(
                f"{self.minimum_detectable['mean']:.2g} standard deviations of the differences, where it is "
                "a number"
            )
        return f"A difference is seen 4 times in 5 from this size on: {'; '.join(seen)}."


def plan_of(trials: Trials, docket: Docket, read: Read, path: Path, prices: Any, workers: int) -> Plan:
    """Return the plan. read: asks the store."""
    _check_prices(prices)
    question = trials.question
    lines, verdicts = sum(trial.calls_left for trial in trials), docket.calls_left
    usage, seconds = _means(trials, read, path) if lines else ((0.0, 0.0), 0.0)
    of_verdict = (docket.mean_usage, docket.mean_seconds) if verdicts else ((0.0, 0.0), 0.0)
    tokens = money = time = None
    if usage is not None and of_verdict[0] is not None:
        in_, out = (lines * each + verdicts * other for each, other in zip(usage, of_verdict[0], strict=True))
        tokens = round(in_ + out)
        money = None if prices is None else (in_ * prices["in"] + out * prices["out"]) / _PER
    if seconds is not None and of_verdict[1] is not None:
        time = lines * seconds / workers + verdicts * of_verdict[1] / docket.workers
    return Plan(
        name=question.name,
        scenes=tuple(question.scenes),
        talks=question.talks,
        calls=lines + verdicts,
        tokens=tokens,
        seconds=time,
        money=money,
        minimum_detectable=_smallest(question, trials),
        prediction=question.prediction,
        notes=tuple(filter(None, [question.what_differs()])),
        verdicts=verdicts,
    )


def _means(trials: Trials, read: Read, path: Path) -> tuple[tuple[float, float] | None, float | None]:
    """Return the tokens read and written, and the seconds, of a reply so far; None where unknown."""
    seconds = [
        message.seconds
        for trial in trials
        for message in (trial.talk.spoken if trial.talk is not None else [])
        if message.seconds is not None and message.sender != SCRIPT
    ]
    with reading(path):
        counted = [json.loads(usage) for (usage,) in read(_USAGES, trials.question.name)]
    counts = [
        (each["prompt_tokens"], each["completion_tokens"])
        for each in counted
        if {"prompt_tokens", "completion_tokens"} <= each.keys()
    ]
    usage = (fmean(read for read, _ in counts), fmean(written for _, written in counts)) if counts else None
    return usage, fmean(seconds) if seconds else None


def _smallest(question: Question, trials: Trials) -> dict[str, float]:
    if question.talks < 2:
        return {"share": minimum_detectable(question.talks, "share")}
    kinds = ["share", "mean"]
    first = next((trial.talk for trial in trials if trial.is_there), None)
    measure = question.measure(question.main)
    if isinstance(measure, Judge):  # to ask it would cost a call
        return {"share": minimum_detectable(question.talks, "share")}
    if first is not None:
        try:
            value = measure(first)
        except Exception:  # the card will name it
            value = None
        if value is not None:
            kinds = ["share"] if isinstance(value, bool) else ["mean"]
    return {kind: minimum_detectable(question.talks, kind) for kind in kinds}


def _check_prices(prices: Any) -> None:
    if prices is None:
        return
    is_right = isinstance(prices, Mapping) and prices.keys() == {"in", "out"}
    if not is_right or not all(
        isinstance(price, int | float) and not isinstance(price, bool) and 0 <= price < float("inf")
        for price in prices.values()
    ):
        raise ExperimentError(
            f"prices are what a million tokens cost, like {{'in': 0.13, 'out': 0.4}}, not {prices!r:.60}."
        )


def _in_time(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
