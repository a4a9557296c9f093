"""The docket: which verdicts an experiment needs, which the store has, and which are still to be asked.

    docket = Docket(trials)
    docket.load(read, path)     those that the store has
    docket.calls_left           8: so many talks, played or not, have no verdict of some judge yet
    docket.ask(store, None)     asks for those of the talks that are there

Verdicts stand apart from talks, each written as soon as it is there. So whatever happens to a judge, the
talks stay, and the next run asks only what is missing. One that could not be read is not missing: it was
given, and is unscored. One for which the endpoint did not reply is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from npc_lab.errors import in_words
from npc_lab.experiments.bars import counting_bar
from npc_lab.experiments.judging import prompt
from npc_lab.experiments.judging.judge import Judge
from npc_lab.experiments.judging.verdict import FAILED, Verdict
from npc_lab.experiments.question import hashed
from npc_lab.experiments.trials import Read, Trial, Trials, is_embedded, is_free, provider_of
from npc_lab.store import Store
from npc_lab.store.schema import now, reading
from npc_lab.text import shorten
from npc_lab.wire.usage import Usage

_WORKERS = 8
_VERDICTS = """
SELECT conversation_id, judge, answer, quote, reason, raw, unscored, usage, seconds FROM verdicts
WHERE conversation_id IN (SELECT conversation_id FROM trials WHERE experiment = ?)
"""
_KEEP = """
INSERT OR IGNORE INTO verdicts
(conversation_id, judge, question, model, answer, quote, reason, raw, unscored, usage, seconds, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Docket:
    """All verdicts of an experiment's judges on its talks. It knows nothing of its other measures."""

    def __init__(self, trials: Trials):
        self.was_interrupted = False
        self._trials = trials
        self._judges = {
            name: measure for name, measure in trials.question.measures.items() if isinstance(measure, Judge)
        }
        self._keys = {name: _key(judge) for name, judge in self._judges.items()}
        self._verdicts: dict[tuple[str, str], Verdict] = {}  # by the judge's name and the trial's key
        self._seconds: list[float] = []
        self._interrupted = threading.Event()

    def __contains__(self, name: str) -> bool:
        return name in self._judges

    def load(self, read: Read, path: Path) -> None:
        """Take over what the store has. Raise `NPCLabError` if it cannot be read."""
        with reading(path):
            rows = read(_VERDICTS, self._trials.question.name) if self._judges else []
            kept = {(talk, key): row for talk, key, *row in rows}
            for trial in self._trials:
                for name, key in self._keys.items():
                    if row := kept.get((trial.conversation_id, key)):
                        self._verdicts[name, trial.key] = _verdict_in(row)
                        self._seconds.append(float(row[-1]))

    def verdict(self, name: str, trial: Trial) -> Verdict | None:
        """Return what a judge said of a talk; None if it was not asked."""
        return self._verdicts.get((name, trial.key)) if trial.is_there else None

    @property
    def calls_left(self) -> int:
        """How many calls all verdicts still cost, those on talks included that are not there yet."""
        return len(self._missing())

    @property
    def paid_calls_left(self) -> int:
        """How many of them are to an endpoint that may cost something."""
        return sum(not is_free(self._judges[name].client) for name, _ in self._missing())

    @property
    def mean_usage(self) -> tuple[float, float] | None:
        """Tokens read and written for a verdict so far; None if unknown."""
        counted = [each.usage for each in self._verdicts.values() if each.usage.calls]
        counted = [each for each in counted if not each.estimated]
        if not counted:
            return None
        return fmean(each.prompt_tokens for each in counted), fmean(
            each.completion_tokens for each in counted
        )

    @property
    def mean_seconds(self) -> float | None:
        """How long a verdict took so far; None if unknown."""
        return fmean(self._seconds) if self._seconds else None

    @property
    def workers(self) -> int:
        """How many verdicts are asked for at once."""
        return 1 if any(is_embedded(judge.client) for judge in self._judges.values()) else _WORKERS

    def ask(self, store: Store, workers: int | None) -> None:
        """Ask for what is missing of the talks that are there. Ctrl-C lets each verdict end."""
        missing = [(name, trial) for name, trial in self._missing() if trial.is_there]
        for judge in self._judges.values():
            store.keep_out(judge.client)
        if not missing:
            return
        pool = ThreadPoolExecutor(workers or self.workers)
        try:
            with counting_bar(len(missing), "verdict", self._trials.question.name) as bar:
                asked = {pool.submit(self._ask, store, name, trial, bar) for name, trial in missing}
                while asked:
                    _, asked = wait(asked, timeout=1)
        except KeyboardInterrupt:
            self.was_interrupted = True
        finally:
            self._interrupted.set()
            pool.shutdown(cancel_futures=True)

    def notes(self) -> list[str]:
        """Return what is to be said of the judges beside the numbers."""
        notes = []
        for name, judge in self._judges.items():
            players = {(trial.model, provider_of(trial.client)) for trial in self._trials}
            if (judge.model, provider_of(judge.client)) in players:
                notes.append(
                    f"{name}: the judge is {judge.model}, which also played. A model likes its own lines: "
                    "let another one judge, or people."
                )
            notes += self._failures(name)
        return notes

    def _failures(self, name: str) -> Iterator[str]:
        """Yield what to say of verdicts that are missing, and of those without an answer."""
        found = [self._verdicts.get((name, trial.key)) for trial in self._trials if trial.is_there]
        failed = [each for each in found if each is not None and each.has_failed]
        unasked = sum(each is None for each in found)
        if failed:
            why = shorten(failed[0].unscored.removeprefix(FAILED), 200)
            yield f"{name}: {_so_many(len(failed))} failed: {why}. The next run asks for them again."
        if unasked:
            yield f"{name}: {_so_many(unasked)} missing. The next run asks for them."
        unscored = [each for each in found if each is not None and each.unscored and not each.has_failed]
        if unscored:
            why = shorten(unscored[0].unscored, 120)
            yield f"{name}: {_so_many(len(unscored))} unscored, for instance: {why}."

    def _missing(self) -> list[tuple[str, Trial]]:
        return [
            (name, trial)
            for trial in self._trials
            for name in self._judges
            if (verdict := self._verdicts.get((name, trial.key))) is None or verdict.has_failed
        ]

    def _ask(self, store: Store, name: str, trial: Trial, bar: Any) -> None:
        """Ask for a verdict and keep it. Whatever goes wrong is the verdict's own failure."""
        if self._interrupted.is_set() or trial.talk is None:
            return
        judge, began = self._judges[name], time.perf_counter()
        try:
            verdict = judge.verdict(trial.talk)
        except Exception as error:  # a judge of a learner's own class may raise anything
            verdict = Verdict(None, unscored=f"{FAILED}error ({shorten(in_words(error), 200)})")
        self._verdicts[name, trial.key] = verdict
        if not verdict.has_failed:
            seconds = time.perf_counter() - began
            self._seconds.append(seconds)
            _keep(store, trial, self._keys[name], judge, verdict, seconds)
        with suppress(Exception):
            bar.update()


def _keep(store: Store, trial: Trial, key: str, judge: Judge, verdict: Verdict, seconds: float) -> None:
    answer = None if verdict.answer is None else int(verdict.answer)
    said = (verdict.quote, verdict.reason, verdict.raw, verdict.unscored, json.dumps(asdict(verdict.usage)))
    store.write(_KEEP, trial.conversation_id, key, judge.question, judge.model, answer, *said, seconds, now())


def _verdict_in(row: list[Any]) -> Verdict:
    answer, quote, reason, raw, unscored, usage, _ = row
    counts: Mapping[str, Any] = json.loads(usage)
    return Verdict(
        None if answer is None else bool(answer),
        str(quote),
        str(reason),
        str(raw),
        str(unscored),
        Usage(**{name: int(count) for name, count in counts.items()}),
    )


def _key(judge: Judge) -> str:
    """Return what a judge is known by. With another question, model or prompt it is another judge."""
    kind = type(judge).__qualname__
    return hashed(kind, judge.question, judge.by, judge.model, provider_of(judge.client), prompt.VERSION)


def _so_many(number: int) -> str:
    return f"{number} verdict{'' if number == 1 else 's'}"
