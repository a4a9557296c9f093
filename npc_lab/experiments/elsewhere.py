"""Talks that are played elsewhere: in other processes, or on other machines.

    with ProcessPoolExecutor(4) as pool:
        experiment.run(client, model, executor=pool)

The unit is one talk. What goes there is plain data: the scene, what has been said so far, and which
connection to make; never a key, for each machine has its own. What comes back is what was written there,
statement by statement, and only the one who asked writes the store:

    here                        elsewhere
    errand_of(trial)     ->     play_talk(errand)     a store of its own, in a folder that is gone afterwards
    written into the store  <-  {"writes": [...]}

A worker that dies, has no key, or has another version of this kit, leaves its talks missing: `failed:worker`.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import threading
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import closing
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from npc_lab.endpoints.connect import connect
from npc_lab.endpoints.origins import ORIGINS
from npc_lab.endpoints.pace import CALLS
from npc_lab.errors import ExperimentError, in_words
from npc_lab.experiments.playing import Stage
from npc_lab.experiments.trials import Trial, Trials, is_free
from npc_lab.factory import NPCFactory
from npc_lab.store import Store
from npc_lab.store.schema import SCHEMA
from npc_lab.text import shorten
from npc_lab.transcript import Message, Transcript

WORKER = "failed:worker"
_TALK = "(npc_id, user_id) IN (VALUES (?1, ?3), (?2, ?4))"
# What a talk consists of. Parameters: its two NPCs, the users whom they hear, and its conversation.
_ROWS = {
    "npcs": "id IN (?1, ?2)",
    "sheets": "npc_id IN (?1, ?2)",
    "classes": "npc_id IN (?1, ?2)",
    "users": "id IN (?3, ?4)",
    "conversations": "id = ?5",
    "turns": _TALK,
    "calls": _TALK,
    "turns_of_calls": f"turn_id IN (SELECT id FROM turns WHERE {_TALK})",
    "messages": "conversation_id = ?5",
    "lines_of_calls": "message_id IN (SELECT id FROM messages WHERE conversation_id = ?5)",
}
_clients: dict[str, Any] = {}  # of this worker, by what `connect` was asked for
_connecting = threading.Lock()


def check_executor(executor: Any, trials: Trials) -> None:
    """Raise `ExperimentError` unless this is an executor that can take these talks."""
    if not isinstance(executor, Executor):
        raise ExperimentError(
            "executor must be an executor of concurrent.futures, such as ProcessPoolExecutor(4), or Dask's "
            f"client.get_executor(), not {executor!r:.60}."
        )
    if isinstance(executor, ThreadPoolExecutor):
        return
    for trial in trials:
        if trial.number == 0:
            _check_connection(trial)
            if isinstance(executor, ProcessPoolExecutor):
                _check_that_it_travels(trial)


def play_elsewhere(stage: Stage, executor: Executor, store: Store) -> list[str]:
    """Play what is missing on the executor's workers. Return what is to be said about workers that failed."""
    missing = [trial for trial in stage.trials if not trial.is_there]
    failures: list[str] = []
    if not missing:
        return failures
    if store.problem:
        raise ExperimentError(store.problem)  # what comes back would be lost
    with stage.bar(missing) as bar:
        running: dict[Future[Any], Trial] = {}
        try:
            for trial in missing:
                stage.seat(trial)
                errand = errand_of(trial, store)
                try:
                    running[executor.submit(play_talk, errand)] = trial
                except Exception as error:  # the executor is broken, or shut down
                    failures.append(_failed(store, trial, error))
            while running:
                for future in wait(running, timeout=1).done:
                    _take(store, running.pop(future), future, bar, failures)
        except KeyboardInterrupt:
            stage.was_interrupted = True
            bar.set_postfix_str("waiting for the talks that have begun; once more stops at once")
            for future in running:
                future.cancel()
            wait(running)
            for future, trial in running.items():
                _take(store, trial, future, bar, failures)
    if not failures:
        return []
    many = f"{len(failures)} talk{'' if len(failures) == 1 else 's'}"
    return [f"Workers failed on {many}, for instance: {shorten(failures[0], 300)}"]


def _take(store: Store, trial: Trial, future: Future[Any], bar: Any, failures: list[str]) -> None:
    """Write down what came of a talk."""
    before = len(trial.talk.spoken) if trial.talk else 0
    try:
        outcome = future.result()
    except CancelledError:  # nobody has begun it
        return
    except BaseException as error:  # what a worker raised, or how it died
        failures.append(_failed(store, trial, error))
        return
    for statements in outcome["writes"]:
        with store.together():
            for statement, parameters in statements:
                store.write(statement, *parameters)
    _look_up(store, trial)
    said = len(trial.talk.spoken) - before if trial.talk else 0
    if not is_free(trial.client):
        CALLS.add(said)
    bar.update(said)


def _failed(store: Store, trial: Trial, error: BaseException) -> str:
    """Note that no talk came back. Return why, in words."""
    words = in_words(error) if isinstance(error, Exception) else type(error).__name__
    store.note_end(trial.conversation_id, WORKER, words)
    _look_up(store, trial)
    return words


def _look_up(store: Store, trial: Trial) -> None:
    """Take over what the store has of a trial."""
    stored = store.conversation(trial.conversation_id)
    lines = [Message(**fields) for fields in stored["messages"]]
    trial.talk = Transcript(lines, trial.names, stored["stop_reason"])
    trial.noted = stored["ended"]


def errand_of(trial: Trial, store: Store) -> dict[str, Any]:
    """Return all that another process needs to play a talk: plain data, without a key."""
    stored = store.conversation(trial.conversation_id)
    whose = [stored[name] for name in ("npc1_id", "npc2_id", "npc2_user_id", "npc1_user_id")]
    whose.append(trial.conversation_id)
    return {
        "version": _version(),
        "connection": ORIGINS[trial.client].arguments(),
        "model": trial.model,
        "scene": replace(trial.scene, connection=None),
        "has_connection": trial.scene.connection is not None,
        "name": trial.name,
        "number": trial.number,
        "seed": trial.seed,
        "key": trial.key,
        "conversation_id": trial.conversation_id,
        "rows": {
            table: store.read(f"SELECT * FROM {table} WHERE {which} AND ?5 > ''", *whose)
            for table, which in _ROWS.items()
        },
    }


def play_talk(errand: dict[str, Any]) -> dict[str, Any]:
    """Play a talk to its end, in whatever process this is called. Return what was written: plain data."""
    if errand["version"] != _version():
        raise ExperimentError(
            f"This worker has npc_lab {_version()}, and the one who asks has {errand['version']}. Install "
            "the same version on both."
        )
    client, model = _connected(errand["connection"]), errand["model"]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "talk.db"
        with closing(Store(path)) as empty:
            for table, rows in errand["rows"].items():
                for row in rows:
                    empty.write(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", *row)
        factory = NPCFactory(client, model, store=path)
        store: Store = factory.store  # type: ignore[assignment]
        with closing(store):
            store.journal = []
            scene = errand["scene"]
            if errand["has_connection"]:
                scene = replace(scene, connection=(client, model))
            trial = Trial(
                errand["name"], errand["number"], scene, client, model, errand["seed"], errand["key"]
            )
            trial.conversation_id = errand["conversation_id"]
            _look_up(store, trial)
            with contextlib.suppress(KeyboardInterrupt):  # what was said until then counts
                stage = Stage(None, factory)
                stage.seat(trial)
                stage.play_one(trial)
            if store.problem:
                raise ExperimentError(store.problem)
            return {"writes": store.journal}


def _connected(arguments: dict[str, Any]) -> Any:
    """Return this worker's client, which is made once, with the key that is found here."""
    known_by = repr(sorted(arguments.items()))
    with _connecting:
        if known_by not in _clients:
            with contextlib.redirect_stdout(io.StringIO()):  # it was said where the run was begun
                _clients[known_by] = connect(**arguments).client
        return _clients[known_by]


def _check_connection(trial: Trial) -> None:
    origin = ORIGINS.get(trial.client)
    if origin is None:
        raise ExperimentError(
            f"The client of scene {trial.name!r:.60} cannot be sent to other processes. Take one that "
            "connect() made: each process makes its own, with the key that it finds there. Threads take any "
            "client."
        )
    if origin.is_paced:
        raise ExperimentError(
            "A pace (per_minute) is kept by one process. For several, leave it out, or use threads."
        )


def _check_that_it_travels(trial: Trial) -> None:
    try:
        pickle.dumps(replace(trial.scene, connection=None))
    except Exception as error:
        raise ExperimentError(
            f"The scene {trial.name!r:.60} cannot be sent to another process: {in_words(error)}. Put classes "
            "and functions of your own into a file, and import them; or use threads."
        ) from error


def _version() -> str:
    try:
        kit = metadata.version("npc-lab")
    except metadata.PackageNotFoundError:
        kit = "unknown"
    return f"{kit}, schema {SCHEMA}"
