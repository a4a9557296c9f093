"""An experiment: a question that can be planned and run.

    experiment = Experiment("penalty", {"on": Scene(guy, hans), "off": Scene(loose_guy, hans)}, [own_repeats])
    experiment.plan(client, model)    what it will cost and what it can see: no call is made
    experiment.run(client, model)     plays what is missing, and returns the results so far

Run again, it goes on: after Ctrl-C, after a crash, after a talk that failed, and with more talks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from npc_lab.endpoints.pace import CALLS, MAX_CALLS
from npc_lab.errors import ExperimentError
from npc_lab.experiments.elsewhere import check_executor, play_elsewhere
from npc_lab.experiments.estimates import is_whole
from npc_lab.experiments.judging.docket import Docket
from npc_lab.experiments.plan import Plan, plan_of
from npc_lab.experiments.playing import Stage, workers_for
from npc_lab.experiments.question import Question
from npc_lab.experiments.results import Results
from npc_lab.experiments.trials import Read, Trials, is_free
from npc_lab.factory import NPCFactory
from npc_lab.store import Store
from npc_lab.store.schema import open_to_read, rows_of

STORE = "lab.db"
_MOST_CALLS = 500  # without a limit of one's own: a mistake in `talks` costs no more


class Experiment(Question):
    """Scenes that differ in one thing x numbered talks x measures (npc_lab/experiments/question.py)."""

    def plan(
        self,
        client: Any,
        model: str,
        store: str | Path = STORE,
        prices: dict[str, float] | None = None,
    ) -> Plan:
        """Return what a run would still cost, and which difference it can see. No call is made.

        prices: of a million tokens, {"in": 1.0, "out": 4.0}. Raise `NPCLabError` if the store cannot be read.
        """
        trials, path = Trials(self, client, model), _path(store)
        with _looking_into(path) as read:
            trials.load(read, path)
            docket = Docket(trials)
            docket.load(read, path)
            return plan_of(trials, docket, read, path, prices, workers_for(trials))

    def run(
        self,
        client: Any,
        model: str,
        store: str | Path = STORE,
        *,
        workers: int | None = None,
        limit: float | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Play what is missing, with a bar that counts turns, and return the results so far.

        Judges among the measures are asked then, for the verdicts that are missing (`Docket`).

        workers: how many talks are played at once; 8, or one on the embedded model, whose replies repeat
        only one by one. limit: refuse a run of more calls; none for the embedded model and the fake, else
        what NPC_LAB_MAX_CALLS leaves, or 500; `math.inf` lifts it. Ctrl-C lets each talk end after its turn.
        executor: where talks are played, any of concurrent.futures: threads take any client, processes and
        clusters one that connect() made (npc_lab/experiments/elsewhere.py). It is not shut down.

        Raise `ExperimentError` if the plan is above the limit, `NPCLabError` if the store cannot be opened;
        then nothing was sent. A talk that failed is missing, and is asked again by the next run.
        """
        if workers is not None and (not is_whole(workers) or workers < 1):
            raise ExperimentError(f"workers must be a whole number, 1 or more, not {workers!r:.60}.")
        if workers is not None and executor is not None:
            raise ExperimentError("How many are played at once, the executor knows: leave workers out.")
        trials, path = Trials(self, client, model), _path(store)
        if executor is not None:
            check_executor(executor, trials)
        with _looking_into(path) as read:
            trials.load(read, path)
            docket = Docket(trials)
            docket.load(read, path)
        _check_limit(trials, docket, limit)
        factory = NPCFactory(client, model, store=path)
        kept: Store = factory.store  # type: ignore[assignment]
        with closing(kept):
            stage = Stage(trials, factory)
            trials.ask(kept)
            failures: list[str] = []
            if executor is None or isinstance(executor, ThreadPoolExecutor):
                stage.play(workers, executor)
            else:
                failures = play_elsewhere(stage, executor, kept)
            if not stage.was_interrupted:
                docket.ask(kept, workers)
            was_interrupted = stage.was_interrupted or docket.was_interrupted
            notes = [*self._notes(trials, was_interrupted, kept), *failures, *docket.notes()]
            results = Results(self, list(trials), trials.look(), notes, docket)
            trials.keep_card(kept, str(results))
            return results

    def _notes(self, trials: Trials, was_interrupted: bool, store: Store) -> list[str]:
        """Return what is to be said beside the numbers."""
        notes = [self.what_differs(), store.problem]
        if was_interrupted:
            notes.append("Interrupted. Run the same call again, and it goes on.")
        if trials.asked_before:
            scenes = ", ".join(map(repr, sorted(trials.asked_before)))
            notes.append(
                f"The name {self.name!r} was used in this file before, with other scenes or another model "
                f"(scenes {scenes}). Those talks stay in the file, and are not counted here."
            )
        if trials.first_prediction is not None and trials.first_prediction != self.prediction:
            before = f"“{trials.first_prediction}”" if trials.first_prediction else "none"
            notes.append(f"The prediction was changed after the first look. Before, it was: {before}.")
        return [note for note in notes if note]


def _path(store: Any) -> Path:
    if not isinstance(store, str | os.PathLike):
        raise ExperimentError(f"A store is named by a path, such as 'lab.db', not {store!r:.60}.")
    return Path(store).expanduser()


@contextmanager
def _looking_into(path: Path) -> Iterator[Read]:
    """Yield what reads the store without changing it; of a file that is not there yet it reads nothing."""
    if not path.exists() or not path.stat().st_size:
        yield lambda query, *parameters: []
        return
    with closing(open_to_read(path)) as connection:

        def read(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
            return rows_of(connection, query, parameters)

        is_raised = read("SELECT 1 FROM sqlite_schema WHERE name = 'trials'")
        yield read if is_raised else lambda query, *parameters: []  # a file of schema 1 has no trials


def _check_limit(trials: Trials, docket: Docket, limit: Any) -> None:
    """Raise `ExperimentError` if the plan has more calls than it may have."""
    if limit is not None and (not isinstance(limit, int | float) or math.isnan(limit) or limit < 0):
        raise ExperimentError(f"limit must be a number of calls, or math.inf, not {limit!r:.60}.")
    calls = sum(trial.calls_left for trial in trials) + docket.calls_left
    why = "the limit"
    if limit is None:
        calls = sum(trial.calls_left for trial in trials if not is_free(trial.client))
        calls += docket.paid_calls_left
        left = CALLS.left()
        limit, why = (_MOST_CALLS, "the limit") if left is None else (left, f"what {MAX_CALLS} leaves")
    if calls > limit:
        raise ExperimentError(
            f"This run may make {calls:,} calls, and {why} is {limit:,}. Nothing was sent. Ask for fewer "
            f"talks, or allow it: run(..., limit={calls})."
        )
