"""The stage under the arena's controls, without its widgets: run, pause, stop, and what is said meanwhile.

`run` waits for the model. It is called in a worker thread and raises nothing: `reason` says why it ended.
The arena knows nothing of streams. So the stage lends it a factory whose NPCs are heard while they speak,
and can be stopped in mid-word. Any arena that keeps its factory as `npc_factory` can be watched like this;
another one is seen line by line.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from npc_lab.character import NPCConfig
from npc_lab.errors import ReplyError
from npc_lab.factory import NPCFactory
from npc_lab.plots import png, talk_figure
from npc_lab.reply import ReplyStream
from npc_lab.transcript import DIRECTOR, SYSTEM, Message, Transcript
from npc_lab.widgets.look import in_words
from npc_lab.widgets.takes import thought_in

STOPPED = "you stopped it"


class Stage:
    """One conversation of an arena. Raises what the arena raises where an id is unknown.

    asked: turns to be done in all. done: turns done. seconds: how long those took together. measures,
    picture: what was measured after the last turn, as numbers and as a PNG (empty without matplotlib).
    stream: the reply under way. reason: why the last run ended. failed: whether because of an error.
    """

    def __init__(self, arena: Any, npc1_id: str, npc2_id: str, opening: str):
        self._arena = arena
        self._watched = _watched(arena, self)
        self._factory: Any = getattr(arena, "npc_factory", None)
        self._npc_ids = {1: npc1_id, 2: npc2_id}
        self._conversation_id = arena.start_conversation(npc1_id, npc2_id, opening)
        self.names = {seat: name_of(self._factory, self._npc_ids[seat]) for seat in (1, 2)}
        if self.names[1] == self.names[2]:
            self.names = {seat: f"{name} (seat {seat})" for seat, name in self.names.items()}
        self.asked = self.done = 0
        self.seconds = 0.0
        self.measures: Mapping[str, float] = {}
        self.picture = b""
        self.stream: ReplyStream | None = None
        self.reason = ""
        self.failed = False
        self.wants_pause = self.wants_stop = False
        self._directions: list[str] = []
        self._spoken_from = 0  # how many messages there were when the present turn began

    @property
    def transcript(self) -> Transcript:
        """The talk so far."""
        messages = self._arena.get_conversation_history(self._conversation_id)
        return Transcript(map(self._seated, messages), self.names, self.reason)

    def unfinished(self) -> ReplyStream | None:
        """The reply that is being spoken, or was broken off: one that is not in the transcript."""
        stream = self.stream
        return stream if stream is not None and len(self.transcript) == self._spoken_from else None

    @property
    def next_seat(self) -> int:
        """Who speaks next, or is speaking: 1 or 2."""
        return 1 + sum(message.seat is not None for message in self.transcript) % 2

    def prepare(self, turns: int) -> None:
        """Before `run`: forget what the buttons asked for last time, and note how many turns are wanted."""
        self.wants_pause = self.wants_stop = self.failed = False
        self.reason, self.stream = "", None
        self.asked = max(self.asked, self.done + turns)

    def run(self, turns: int) -> None:
        """Let the two speak so many more lines, until somebody stops them or one gets no reply."""
        try:
            for _ in range(turns):
                self.record_directions()
                if not self._turn():
                    break
            self.record_directions()
            self.reason = self.reason or f"{turns} turn{'s' if turns != 1 else ''} done"
        except Exception as error:  # a learner's own arena may raise anything
            self._fail(in_words(error))
        conversation = self._arena.conversations[self._conversation_id]
        if isinstance(conversation, dict):
            conversation["stop_reason"] = self.reason

    def stop(self) -> None:
        """End the talk here: the line that is being spoken is not recorded."""
        self.wants_stop = True
        if self.stream is not None:
            self.stream.close()

    def direct(self, line: str) -> None:
        """A line of the director's, for the next speaker. It is recorded once nobody is speaking."""
        self._directions.append(line)

    def record_directions(self) -> None:
        """Hand the director's lines to the arena. Only between two turns: a turn keeps them waiting."""
        while self._directions:
            self._arena.direct(self._conversation_id, self._directions.pop(0))

    def thoughts(self, seat: int) -> list[str]:
        """What the character in this seat thought, oldest first."""
        conversation = self._arena.conversations[self._conversation_id]
        npc = self._factory.npcs[self._npc_ids[seat]]
        history = npc.chat_histories.get(conversation["npc2_user_id" if seat == 1 else "npc1_user_id"], [])
        messages = [*getattr(history, "forgotten", []), *history]
        thoughts = [
            thought_in(each, npc.config.has_scratchpad) for each in messages if each["role"] == "assistant"
        ]
        return list(filter(None, thoughts))

    def _seated(self, message: Any) -> Message:
        """The message with the seat of its speaker, which a learner's own arena need not note."""
        if isinstance(message, Message) and message.seat:
            return message
        seats = {SYSTEM: None, DIRECTOR: None, self._npc_ids[1]: 1}
        return Message(message.sender, message.content, message.timestamp, seats.get(message.sender, 2))

    def _turn(self) -> bool:
        """One turn. Gives whether the talk goes on."""
        if self.wants_stop or self.wants_pause:
            self.reason = STOPPED if self.wants_stop else "you paused it"
            return False
        began = time.perf_counter()
        self.stream, self._spoken_from = None, len(self.transcript)
        succeeded, line_or_reason = self._watched.run_turn(self._conversation_id)
        if not succeeded:
            self._fail(line_or_reason)
            return False
        self.stream = None
        self.seconds += time.perf_counter() - began
        self.done += 1
        self._measure()
        return True

    def _fail(self, reason: str) -> None:
        self.failed, self.reason = not self.wants_stop, STOPPED if self.wants_stop else reason

    def _measure(self) -> None:
        self.measures = self._arena.evaluate_conversation(self._conversation_id)
        with suppress(ImportError):  # numbers do without matplotlib
            self.picture = png(talk_figure(self.transcript))


def name_of(factory: Any, npc_id: str) -> str:
    """What the NPC is called, or its id."""
    config = getattr(getattr(factory, "npcs", {}).get(npc_id), "config", None)
    return (config.called() if isinstance(config, NPCConfig) else "") or npc_id


class _WatchedFactory:
    """A factory like the one it stands for. What its NPCs say can be watched, and stopped."""

    def __init__(self, factory: NPCFactory, stage: Stage):
        self._factory = factory
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """The same answer as the factory's. Raises `ReplyError` also where it was stopped."""
        stream = self._stage.stream = self._factory.stream_with_npc(npc_id, user_id, message)
        if self._stage.wants_stop:  # before there was a stream that could be closed
            stream.close()
        for _ in stream:
            pass
        if not stream.exchange:
            raise ReplyError("interrupted_stream", "Press Start to go on.", what="The reply was stopped.")
        return stream.reply.text


def _watched(arena: Any, stage: Stage) -> Any:
    """The same arena with a factory that can be watched, where it has one that streams."""
    factory: Any = getattr(arena, "npc_factory", None)
    if not hasattr(factory, "stream_with_npc"):
        return arena
    watched = copy.copy(arena)  # shares its conversations; the learner's own arena is left as it is
    watched.npc_factory = _WatchedFactory(factory, stage)
    return watched
