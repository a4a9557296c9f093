"""The numbers of an experiment, and what is missing.

    results.numbers("echo")                   {"plain": [0.0, 0.1, ...], "hot": [0.0, None, ...]}
    results.compare("plain", "hot")           Estimate(value=0.2, low=0.1, high=0.3, n=19, missing=1)
    results.verdict("plain", "hot")           "more": the hot one echoes more

A talk that failed or was interrupted is missing, and is in no number. A measure that cannot be computed of a
talk is missing for that talk: it is None there, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npc_lab.errors import ExperimentError, in_words
from npc_lab.experiments.estimates import LARGEST, LEVEL, Estimate, difference, mean, plain, share
from npc_lab.experiments.judging.docket import Docket
from npc_lab.experiments.question import Question
from npc_lab.experiments.trials import Trial
from npc_lab.text import shorten
from npc_lab.transcript import Transcript

MORE, LESS, CANNOT_TELL = "more", "less", "cannot tell"
NOT_PLAYED = "not played"
Value = float | int | bool | None


class Numbers:
    """What came of an experiment.

    talks: for each scene its transcripts by number, None where one is missing. missing: for each scene why,
    by number: "failed:rate_limit", "interrupted", "not played". looks: at how many different numbers of talks
    it was looked at. unmeasured: for each measure where it failed, and why. notes: what else is to be said.
    """

    def __init__(
        self, question: Question, trials: Sequence[Trial], looks: int, notes: Sequence[str], docket: Docket
    ):
        self.question = question
        self._docket = docket
        self.looks = looks
        self.notes = list(notes)
        of_scene = {name: [each for each in trials if each.name == name] for name in question.scenes}
        self._trials = of_scene
        self.talks: dict[str, list[Transcript | None]] = {
            name: [each.talk if each.is_there else None for each in trials]
            for name, trials in of_scene.items()
        }
        self._ended = {name: [each.ended for each in trials] for name, trials in of_scene.items()}
        self.missing: dict[str, dict[int, str]] = {
            name: {each.number: each.ended or NOT_PLAYED for each in trials if not each.is_there}
            for name, trials in of_scene.items()
        }
        self.unmeasured: dict[str, dict[str, dict[int, str]]] = {}
        self._numbers = {name: self._measured(name) for name in question.measures}

    def numbers(self, measure: str | None = None) -> dict[str, list[Value]]:
        """Return for each scene what the measure (the main one) returned, by number; None where missing."""
        name = self._name(measure)
        return {scene: list(values) for scene, values in self._numbers[name].items()}

    def is_share(self, measure: str | None = None) -> bool:
        """Whether the measure says yes or no, so that a share of talks is estimated."""
        of_scenes = self._numbers[self._name(measure)].values()
        kept = [each for values in of_scenes for each in values if each is not None]
        return bool(kept) and all(isinstance(each, bool) for each in kept)

    def estimate(self, scene: str, measure: str | None = None, level: float = LEVEL) -> Estimate:
        """Return the share or the mean of a scene's talks."""
        self.question.scene(scene)
        values = self._numbers[self._name(measure)][scene]
        if not self.is_share(measure):
            return mean(values, level)
        kept = [each for each in values if each is not None]
        found = share(sum(map(bool, kept)), len(kept), level)
        return Estimate(found.value, found.low, found.high, found.n, len(values) - len(kept))

    def compare(self, first: str, second: str, measure: str | None = None) -> Estimate:
        """Return by how much the second scene exceeds the first, paired by number."""
        return difference(self.pairs(first, second, measure), self.question.level)

    def pairs(self, first: str, second: str, measure: str | None = None) -> list[tuple[Value, Value]]:
        """Return the measure's values in both scenes, number by number."""
        numbers = self._numbers[self._name(measure)]
        for scene in (first, second):
            self.question.scene(scene)
        return list(zip(numbers[first], numbers[second], strict=True))

    def verdict(self, first: str, second: str) -> str:
        """Return "more" if the second scene has more of the main measure, "less", or "cannot tell"."""
        found = self.compare(first, second)
        if found.low is None or found.high is None or found.low <= 0 <= found.high:
            return CANNOT_TELL
        return MORE if found.low > 0 else LESS

    def rows(self) -> list[dict[str, Any]]:
        """Return a dict for each talk: scene, number, ended, and a key for each measure."""
        return [
            {"scene": scene, "number": number, "ended": self._ended[scene][number] or NOT_PLAYED}
            | {name: self._numbers[name][scene][number] for name in self.question.measures}
            for scene in self.question.scenes
            for number in range(self.question.talks)
        ]

    def _name(self, measure: str | None) -> str:
        name = self.question.main if measure is None else measure
        self.question.measure(name)
        return name

    def _measured(self, name: str) -> dict[str, list[Value]]:
        """Return a measure's value of each talk. Where it fails it is None, and `unmeasured` says why."""
        measure, failed = self.question.measures[name], {scene: dict[int, str]() for scene in self.talks}
        numbers: dict[str, list[Value]] = {scene: [] for scene in self.talks}
        for scene, trials in self._trials.items():
            for trial in trials:
                value: Value = None
                if name in self._docket:
                    verdict = self._docket.verdict(name, trial)
                    value = verdict.answer if verdict is not None else None
                elif trial.is_there and trial.talk is not None:
                    try:
                        value = _value(measure(trial.talk))
                    except Exception as error:  # a learner's own function may raise anything
                        failed[scene][trial.number] = shorten(in_words(error), 200)
                numbers[scene].append(value)
        self.unmeasured[name] = failed
        kept = [each for values in numbers.values() for each in values if each is not None]
        if all(isinstance(each, bool) for each in kept):
            return numbers
        return {  # yes and no among numbers are 1 and 0
            scene: [float(each) if isinstance(each, bool) else each for each in values]
            for scene, values in numbers.items()
        }


def _value(value: Any) -> Value:
    """Return what a measure returned. Raise `ExperimentError` if it is no number, bool or None."""
    value = plain(value)
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        raise ExperimentError(f"it returned {value!r:.60}, which is no number, True, False or None")
    if not abs(value) < LARGEST:
        raise ExperimentError(f"it returned {value!r:.60}, which cannot be averaged")
    return value
