"""The model of the arena's controls, without widgets: run, pause, stop, and what is said meanwhile.

`Stage.run` waits for the language model. It is called in a worker thread and raises nothing: `reason` says
why it ended.
The arena knows nothing of streams. So the stage lends it a factory whose NPCs can be heard while they speak
and stopped in mid-word. That works for any arena with its factory in an attribute, whatever its name; the
talk of another arena is shown line by line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from npc_lab.character import NPCConfig
from npc_lab.door import AnyStream
from npc_lab.errors import ChatArenaError, ReplyError, in_words
from npc_lab.factory import NPCFactory, find_npc
from npc_lab.plots import png, talk_figure
from npc_lab.scratchpad import parts_of
from npc_lab.stops import INTERRUPTED
from npc_lab.store import NoStore, store_of
from npc_lab.text import well_formed
from npc_lab.transcript import DIRECTOR, SYSTEM, Message, Transcript, spoken, told_apart

STOPPED, PAUSED = "you stopped it", "you paused it"
# A picture takes a tenth of a second to draw. A quick model must not wait for one at every turn.
SECONDS_BETWEEN_PICTURES = 2.0


class Scene(NamedTuple):
    """What there is to see at one moment.

    stream: the reply that is being spoken, or was broken off; it is not in the transcript. waiting: what the
    director said and nobody has heard yet, because somebody is speaking.
    """

    transcript: Transcript
    stream: AnyStream | None
    waiting: list[Message]


@dataclass(frozen=True)
class _Speech:
    """A reply, and how many lines had been spoken before it."""

    stream: AnyStream
    after: int


class Stage:
    """One conversation of an arena. Raise what the arena raises for an unknown id.

    goes_on_with: the id of a conversation that began before, if it is to go on.
    goes_on: whether it is such a one. asked: turns to be done in all. done: turns done. measures, picture:
    what was measured last, as numbers and as a PNG (empty without matplotlib). reason: why the last run
    ended. ended: the kind of that, as in a conversation. failed: whether because of an error. wants_pause,
    wants_stop: what was asked of this run, or of the last one.
    """

    def __init__(self, arena: Any, npc1_id: str, npc2_id: str, opening: str, goes_on_with: str | None = None):
        self._arena = _watched(arena, self)
        self._factory = factory_of(arena)
        self._npc_ids = {1: npc1_id, 2: npc2_id}
        self._conversation_id = goes_on_with or arena.start_conversation(npc1_id, npc2_id, opening)
        self.goes_on = goes_on_with is not None
        self.names = told_apart({seat: name_of(self._factory, self._npc_ids[seat]) for seat in (1, 2)})
        self.asked = self.done = 0
        self.measures: Mapping[str, Any] = {}
        self.picture = b""
        self.reason = self.ended = ""
        self.failed = False
        self.kind_of_failure = "unknown"  # a learner's own arena tells the reason only, in words
        self.wants_pause = self.wants_stop = False
        self._speech: _Speech | None = None
        self._spoken_before = 0  # lines, when the present turn began
        self._directions: list[str] = []
        self._seconds = 0.0
        self._turn_began: float | None = None
        self._seen: list[Message] = []  # the transcript of the last look
        self._lines_in_picture = 0
        self._picture_drawn = 0.0  # when, by time.monotonic()
        if self.goes_on:
            self._measure()

    @property
    def transcript(self) -> Transcript:
        """The talk so far."""
        history = list(self._arena.get_conversation_history(self._conversation_id))
        seen = self._seen  # read once: another thread may replace it
        transcript = Transcript(seen[: shared(seen, history)], self.names, self.reason)
        for message in history[len(transcript) :]:
            transcript.append(self._seated(message, next_seat(transcript)))
        self._seen = list(transcript)
        return transcript

    @property
    def problem(self) -> str:
        """Why the talk is not written to its store at present, or ""."""
        return store_of(self._factory).problem

    @property
    def usage(self) -> str:
        """What the talk has cost so far, in words; "" if a learner's own arena does not count."""
        try:
            usage = self._arena.usage(self._conversation_id)
        except Exception:  # it may have none, or another one by this name
            return ""
        return str(usage) if getattr(usage, "calls", 0) else ""

    @property
    def rest(self) -> int:
        """How many of the turns asked for are still to be done. After a stop, none."""
        return 0 if self.wants_stop else max(self.asked - self.done, 0)

    @property
    def seconds(self) -> float:
        """How long the turns have taken, the present one included."""
        began = self._turn_began
        return self._seconds + (time.perf_counter() - began if began is not None else 0.0)

    @property
    def heard(self) -> int:
        """How many characters the one who is speaking has said and thought so far."""
        if (speech := self._speech) is None:
            return 0
        reply = speech.stream.reply
        return len(reply.text + reply.thought)

    def scene(self) -> Scene:
        """Return what there is to see now."""
        speech = self._speech  # read first: a line that is recorded meanwhile is in the transcript then
        transcript = self.transcript
        is_unfinished = speech is not None and speech.after == len(transcript.spoken)
        waiting = [Message(DIRECTOR, line, datetime.now().astimezone()) for line in list(self._directions)]
        return Scene(transcript, speech.stream if speech and is_unfinished else None, waiting)

    def prepare(self, turns: int) -> None:
        """Before `run`: forget what the buttons asked for last time, and note how many turns are wanted."""
        self.asked = self.done + max(self.rest, turns)
        self.wants_pause = self.wants_stop = self.failed = False
        self.reason = self.ended = ""
        self._speech = None

    def run(self, turns: int) -> None:
        """Let the two speak so many more lines, until somebody stops them or one gets no reply."""
        try:
            for _ in range(turns):
                self.record_directions()
                if not self._turn():
                    break
            else:
                self.reason, self.ended = f"{turns} turn{'s' if turns != 1 else ''} done", "turns"
            self._draw_picture()
            conversation = self._arena.conversations[self._conversation_id]
            if isinstance(conversation, dict):
                conversation |= {"stop_reason": self.reason, "ended": self.ended}
            store_of(self._factory).note_end(self._conversation_id, self.ended, self.reason)
        except Exception as error:  # a learner's own arena may raise anything
            self._fail(in_words(error), type(error).__name__)

    def stop(self) -> None:
        """End the talk here: the line that is being spoken is not recorded."""
        self.wants_stop = True
        if self._speech is not None:
            self._speech.stream.close()

    def listen(self, stream: AnyStream) -> None:
        """Note that somebody begins to speak."""
        self._speech = _Speech(stream, self._spoken_before)
        if self.wants_stop:  # before there was a stream that could be closed
            stream.close()

    def direct(self, line: str) -> None:
        """Take a line of the director's for the next speaker. It is recorded once nobody is speaking."""
        self._directions.append(line)

    def record_directions(self) -> None:
        """Hand the director's lines to the arena. Only between two turns: a turn keeps them waiting."""
        while self._directions:
            try:
                self._arena.direct(self._conversation_id, self._directions[0])
            finally:
                del self._directions[0]

    def thoughts(self, seat: int) -> list[str]:
        """Return what the character in this seat thought, oldest first, and what it is thinking now."""
        npc_id, partner = self._npc_ids[seat], "npc2_user_id" if seat == 1 else "npc1_user_id"
        npc = find_npc(self._factory.npcs, npc_id)
        user_id = _part(self._arena.conversations[self._conversation_id], partner)
        if hasattr(npc, "chat_histories"):
            remembered = npc.chat_histories.get(user_id, [])
            history = [*getattr(remembered, "forgotten", []), *remembered]
        else:
            history = self._factory.get_npc_chat_history(npc_id, user_id)
        has_scratchpad = getattr(getattr(npc, "config", None), "has_scratchpad", False)
        answers = [message for message in history if message["role"] == "assistant"]
        thoughts = [parts_of(answer, has_scratchpad)[1] for answer in answers]
        transcript, stream, _ = self.scene()
        if stream is not None and next_seat(transcript) == seat:
            thoughts.append(stream.reply.thought)
        return list(filter(None, thoughts))

    def _seated(self, message: Any, seat: int) -> Message:
        """Return the message with its speaker's seat. A learner's arena need not note it: they alternate."""
        if isinstance(message, Message) and (message.seat or message.sender in (SYSTEM, DIRECTOR)):
            return message
        seats: dict[str, int | None] = {SYSTEM: None, DIRECTOR: None}
        if self._npc_ids[1] != self._npc_ids[2]:
            seats |= {npc_id: its_seat for its_seat, npc_id in self._npc_ids.items()}
        return Message(message.sender, message.content, message.timestamp, seats.get(message.sender, seat))

    def _turn(self) -> bool:
        """Run one turn. Return whether the talk goes on."""
        if self.wants_stop or self.wants_pause:
            self.reason, self.ended = STOPPED if self.wants_stop else PAUSED, INTERRUPTED
            return False
        self._speech, self._spoken_before = None, len(self.transcript.spoken)
        began = self._turn_began = time.perf_counter()
        try:
            outcome = self._arena.run_turn(self._conversation_id)
        finally:
            self._turn_began = None
            self._seconds += time.perf_counter() - began
        if not isinstance(outcome, tuple | list) or len(outcome) != 2:
            raise ChatArenaError(f"run_turn must give (True, line) or (False, reason), not {outcome!r:.60}.")
        succeeded, line_or_reason = outcome
        if not succeeded:
            self._fail(str(line_or_reason), self.kind_of_failure)
            return False
        self._speech = None
        self.done += 1
        self._measure()
        return True

    def _fail(self, reason: str, kind: str) -> None:
        self.failed, self.reason, self.ended = True, reason, f"failed:{kind}"
        if self.wants_stop:
            self.failed, self.reason, self.ended = False, STOPPED, INTERRUPTED

    def _measure(self) -> None:
        try:
            self.measures = dict(self._arena.evaluate_conversation(self._conversation_id))
        except Exception as error:  # a learner may not have written it yet: the talk goes on
            self.measures = {"evaluate_conversation": in_words(error)}
        if time.monotonic() - self._picture_drawn > SECONDS_BETWEEN_PICTURES:
            self._draw_picture()

    def _draw_picture(self) -> None:
        """Draw the picture, unless it shows all lines already."""
        transcript = self.transcript
        lines = len(transcript.spoken)
        if lines != self._lines_in_picture or not self.picture:
            with suppress(Exception):  # matplotlib is missing, or does not work: the numbers do without it
                self.picture = png(talk_figure(transcript))
            self._lines_in_picture = lines
        self._picture_drawn = time.monotonic()


def unfinished(arena: Any, npc1_id: str, npc2_id: str, opening: str) -> str | None:
    """Return the id of the last talk that these two began like this, if it is in a store and has a line."""
    if isinstance(store_of(factory_of(arena)), NoStore) or not hasattr(arena, "latest_conversation"):
        return None
    latest: str | None = arena.latest_conversation(npc1_id, npc2_id, opening)
    return latest if latest and spoken(arena.get_conversation_history(latest)) else None


def shared(earlier: Sequence[Message], later: Sequence[object]) -> int:
    """Return how many of the first messages are the very same objects. A `Message` never changes."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], zip(earlier, later, strict=False)))


def next_seat(transcript: Transcript) -> int:
    """Return the seat that speaks next, or is speaking: 1 or 2."""
    last = next((message.seat for message in reversed(transcript) if message.seat), 2)
    return 3 - last


def factory_of(arena: Any) -> Any:
    """Return the arena's factory, whatever the attribute is called; None if it has none."""
    candidates = [getattr(arena, "npc_factory", None), *getattr(arena, "__dict__", {}).values()]
    return next((each for each in candidates if hasattr(each, "chat_with_npc")), None)


def name_of(factory: Any, npc_id: str) -> str:
    """Return what the NPC is called, or its id."""
    config = getattr(getattr(factory, "npcs", {}).get(npc_id), "config", None)
    return well_formed((config.called() if isinstance(config, NPCConfig) else "") or str(npc_id))


def _part(conversation: Any, name: str) -> Any:
    """Return this part of a conversation, which may be a dict or an object of a learner's own class."""
    return conversation[name] if hasattr(conversation, "__getitem__") else getattr(conversation, name)


class _WatchedFactory:
    """A factory like the one it wraps. What its NPCs say can be watched, and stopped."""

    def __init__(self, factory: NPCFactory, stage: Stage):
        self._factory = factory
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """Return the same answer as the factory. Raise `ReplyError` also if it was stopped."""
        try:
            stream = self._factory.stream_with_npc(npc_id, user_id, message)
            self._stage.listen(stream)
            for _ in stream:
                pass
        except ReplyError as error:
            self._stage.kind_of_failure = error.kind
            raise
        if not stream.exchange:
            raise ReplyError("interrupted_stream", "Press Start to go on.", what="The reply was stopped.")
        return stream.reply.text


def _watched(arena: Any, stage: Stage) -> Any:
    """Return the same arena, but with a factory that can be watched, if its factory can stream.

    It shares all other attributes with the learner's own arena, which is left as it is.
    """
    factories = {
        name: _always(_WatchedFactory(value, stage))
        for name, value in getattr(arena, "__dict__", {}).items()
        if hasattr(value, "stream_with_npc")
    }
    if not factories:
        return arena
    watched: Any = object.__new__(type(type(arena).__name__, (type(arena),), factories))
    object.__setattr__(watched, "__dict__", arena.__dict__)
    return watched


def _always(value: Any) -> property:
    return property(lambda _: value)
