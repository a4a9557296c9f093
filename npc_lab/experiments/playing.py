"""Plays the trials that are missing, side by side, turn by turn.

Each trial is a conversation of an arena whose factory keeps all in the store. Its seat in the arena and its
row among the trials are written in one transaction, and so are each line and the memory of it: a program may
be killed at any moment, and the next one goes on with the turn that was not finished.

Ctrl-C, and a notebook's stop button, let each talk end after the turn that it is in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from npc_lab.arena import ChatArena
from npc_lab.character import NPCConfig
from npc_lab.experiments.bars import counting_bar
from npc_lab.experiments.question import hashed
from npc_lab.experiments.scene import Reader, Script
from npc_lab.experiments.trials import Trial, Trials, is_embedded, provider_of
from npc_lab.factory import NPCFactory
from npc_lab.memory import exchange_of
from npc_lab.npc import SimpleChatNPC
from npc_lab.stops import INTERRUPTED, StopWhen
from npc_lab.store import Store, store_of
from npc_lab.transcript import SCRIPT, Message

_WORKERS = 8


class Stage:
    """A factory and an arena in which trials are played. trials: None where one alone is played."""

    def __init__(self, trials: Trials | None, factory: NPCFactory):
        self.was_interrupted = False
        self._trials = trials
        self._factory = factory
        self._store: Store = store_of(factory)
        self._arena = ChatArena(factory)
        self._reader = factory.npcs[SCRIPT] = Reader()  # type: ignore[assignment]
        self._seating = threading.Lock()
        self._interrupted = threading.Event()
        self._made_here: set[str] = set()

    @property
    def trials(self) -> Trials:
        """All trials of the experiment."""
        assert self._trials is not None
        return self._trials

    def play(self, workers: int | None, threads: ThreadPoolExecutor | None = None) -> None:
        """Play what is missing, in these threads or in new ones. The trials know what was said."""
        missing = [trial for trial in self.trials if not trial.is_there]
        if missing:
            with self.bar(missing) as bar:
                pool = threads or ThreadPoolExecutor(workers or workers_for(self.trials))
                try:
                    self._play_all(missing, pool, bar)
                finally:
                    if threads is None:
                        pool.shutdown(wait=False, cancel_futures=True)

    def _play_all(self, missing: list[Trial], pool: ThreadPoolExecutor, bar: Any) -> None:
        running = {pool.submit(self._play, trial, bar) for trial in missing}
        try:
            while running:
                done, running = wait(running, timeout=1)
                for trial in done:
                    trial.result()
                silent = int(time.time() - bar.last_print_t)  # seconds
                bar.set_postfix_str(f"no new line for {silent} s" if silent > 1 else "")
        except KeyboardInterrupt:
            self.was_interrupted = True
            self._interrupted.set()
            bar.set_postfix_str("stopping after the turn; once more stops at once")
            wait(running)  # those that have not begun see that they need not
        finally:
            self._interrupted.set()

    def _play(self, trial: Trial, bar: Any) -> None:
        if not self._interrupted.is_set():
            self.seat(trial)
            self.play_one(trial, lambda _: bar.update())

    def seat(self, trial: Trial) -> None:
        """Begin a trial's conversation, unless it has begun."""
        first, second = self._npcs_of(trial)  # before the arena reads a conversation and hands out its seed
        if not trial.conversation_id:
            trial.conversation_id = self._seated(trial, first, second)

    def play_one(self, trial: Trial, on_turn: Callable[[Message], object] | None = None) -> None:
        """Play a seated trial to its end. Whatever goes wrong in it is how it ended, and ends no other."""
        if isinstance(trial.scene.second, Script):
            self._reader.take(trial.scene.second, self._arena.conversations[trial.conversation_id])
        stop = trial.scene.stops() | StopWhen(lambda _: self._interrupted.is_set(), INTERRUPTED)
        with suppress(Exception):
            self._arena.run_conversation(trial.conversation_id, trial.left, stop=stop, on_turn=on_turn)
        trial.talk = self._arena.get_conversation_history(trial.conversation_id)
        trial.noted = self._arena.conversations[trial.conversation_id]["ended"]

    def _seated(self, trial: Trial, first: str, second: str) -> str:
        """Begin a trial's conversation, with what `first` remembers already. Return its id."""
        with self._store.together():
            conversation_id = self._arena.start_conversation(
                first, second, trial.scene.opening, seed=trial.seed
            )
            conversation = self._arena.conversations[conversation_id]
            for said, answered in trial.scene.remembers:
                exchange = exchange_of(said, answered)
                self._factory.npcs[first].give_back(conversation["npc2_user_id"], exchange)
            self.trials.seat(self._store, trial, conversation_id)
        return conversation_id

    def _npcs_of(self, trial: Trial) -> tuple[str, str]:
        """Return the ids of both NPCs, which are made if this process has not made them yet.

        All talks of a scene share their NPCs: each has a memory of its own there. An object of a
        learner's own class may keep more than that, so each talk has its own.
        """
        scene = trial.scene
        own = trial.key if scene.npc_class is not SimpleChatNPC else ""
        first = self._made(trial, scene.first, scene.npc_class, own)
        if isinstance(scene.second, NPCConfig):
            return first, self._made(trial, scene.second, SimpleChatNPC, "")
        return first, SCRIPT

    def _made(self, trial: Trial, config: NPCConfig, npc_class: Any, own: str) -> str:
        """Return the id of the NPC with this sheet: the same in another process, which goes on with it."""
        sheet = trial.scene.content()["first" if config is trial.scene.first else "second"]
        apart = trial.name if trial.scene.connection else ""  # two endpoints may call their models alike
        known_by = hashed(sheet, own, apart, trial.model, provider_of(trial.client))
        npc_id = f"npc-{known_by[:12]}"
        with self._seating:
            if npc_id not in self._made_here:
                self._factory.npcs[npc_id] = _npc(trial.client, trial.model, config, npc_class)
                self._made_here.add(npc_id)
        return npc_id

    def bar(self, missing: list[Trial]) -> Any:
        """Return a bar that counts turns."""
        most = sum(trial.scene.most_turns - (trial.scene.turns - trial.left) for trial in missing)
        return counting_bar(most, "turn", self.trials.question.name)


def workers_for(trials: Trials) -> int:
    """Return how many talks are played at once: replies of the embedded model repeat only one by one."""
    return 1 if any(is_embedded(trial.client) for trial in trials) else _WORKERS


def _npc(client: Any, model: str, config: NPCConfig, npc_class: Any) -> Any:
    """Return an NPC that no factory keeps yet. Raise an error in words if the class makes none."""
    factory = NPCFactory(client, model)
    return factory.npcs[factory.register_npc(npc_class=npc_class, **vars(config))]
