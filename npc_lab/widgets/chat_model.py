"""A chat box's talk with an NPC, without its widgets: ask, stop, ask again, choose among the takes.

A turn is something the learner said and the answer to it; a take, as in a film, is one try at a turn. To
regenerate, or to edit what was said, makes another take of the same turn. All takes are kept; the NPC
remembers one of them, or none.

`Talk.ask` and `Talk.choose` wait, for the model or for another box that is talking with the same NPC as the
same user. They are called in a worker thread, raise nothing, and leave their `error` behind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from npc_lab.character import NPCConfig
from npc_lab.door import AnyStream, say_whole
from npc_lab.errors import NPCLabError
from npc_lab.factory import find_npc
from npc_lab.memory import Call, ChatMessage, exchanges
from npc_lab.npc import SimpleChatNPC, check_message, is_greeting
from npc_lab.reply import Reply
from npc_lab.scratchpad import parts_of
from npc_lab.store import store_of
from npc_lab.transcript import Message, Transcript
from npc_lab.wire.usage import Usage, estimated_tokens

WENT_ON = "The talk went on elsewhere meanwhile. Nothing was changed; try again."
_LOOK_AGAIN = 0.05  # seconds between two looks at whether somebody pressed Stop
_ASKING: WeakKeyDictionary[Any, dict[str, threading.Lock]] = WeakKeyDictionary()
_NO_TAKING_BACK = (
    "This character's class has no take_back and give_back, so its last answer cannot be asked again. Say "
    "something new."
)


@dataclass(eq=False)  # two tries are two, however alike they are
class Take:
    """One try at a turn: what was said, and the answer as far as it came.

    exchange: the messages as the character remembers them; empty if it was stopped, or failed.
    mark: why an answer is not whole, in a few words. error: why it failed, if it did.
    """

    question: str
    reply: Reply = field(default_factory=Reply)
    exchange: list[ChatMessage] = field(default_factory=list)
    mark: str = ""
    error: Exception | None = None
    began: datetime = field(default_factory=lambda: datetime.now().astimezone())

    @classmethod
    def remembered(cls, exchange: list[ChatMessage], config: NPCConfig) -> Take:
        """Return a take of which only the character's memory is left."""
        answers = [message for message in exchange if message["role"] == "assistant"]
        parts = [parts_of(answer, config.has_scratchpad, config.called()) for answer in answers]
        reply = Reply(thought="\n".join(thought for _, thought in parts if thought))
        if isinstance(exchange, Call):
            reply.text = exchange.answer
            return cls(exchange.question, reply, exchange)
        reply.text = parts[-1][0] if parts else ""
        return cls(exchange[0]["content"], reply, exchange)

    @property
    def is_greeting(self) -> bool:
        """Whether it is what the character said first: nobody asked for it."""
        return not isinstance(self.exchange, Call) and is_greeting(self.exchange)

    def facts(self) -> str:
        """Return model, seconds and tokens of the reply, as far as known; an estimate is named as one."""
        reply = self.reply
        if not reply.raw and not reply.reasoning:
            return ""
        facts = [reply.model or "model unknown", f"{reply.seconds:.1f} s"]
        read, written = (getattr(reply.usage, f"{name}_tokens", None) for name in ("prompt", "completion"))
        if isinstance(read, int) and isinstance(written, int):
            facts.append(f"{read} tokens read, {written} written")
        else:  # an endpoint may send no count, or half of one
            facts.append(
                f"about {estimated_tokens(len(reply.raw + reply.reasoning))} tokens written (estimated)"
            )
        if reply.finish_reason == "length":
            facts.append("cut at its token limit")
        return " · ".join(facts)


@dataclass(eq=False)
class Turn:
    """One turn. shown: the place in `takes` of the one that is seen. chosen: the one that is remembered."""

    takes: list[Take]
    shown: int = 0
    chosen: Take | None = None

    @property
    def take(self) -> Take:
        """The take that is shown."""
        return self.takes[self.shown]

    @property
    def exchange(self) -> list[ChatMessage]:
        """What the character remembers of this turn; empty if nothing."""
        return [] if self.chosen is None else self.chosen.exchange

    def settle(self) -> None:
        """Show what the character remembers, because the talk goes on from there."""
        if self.chosen is not None:
            self.shown = self.takes.index(self.chosen)

    def choose(self, take: Take) -> None:
        """Show this take; the character remembers it."""
        self.chosen = take
        self.settle()

    def add(self, take: Take) -> None:
        """Add another try and show it. Earlier ones without an answer go."""
        self.takes = [each for each in self.takes if each.reply.text or each is self.chosen]
        self.takes.append(take)
        self.shown = len(self.takes) - 1

    def drop(self, take: Take) -> None:
        """Forget a take without an answer, unless its question would be lost with it."""
        others = [each for each in self.takes if each is not take]
        if any(each.question == take.question for each in others):
            self.takes, self.shown = others, len(others) - 1
            self.settle()


class Talk:
    """The turns of one user with one NPC, as a box shows them.

    stream: the reply under way, or the last one. error: why it failed, or None. last_prompt: what was sent
    for it, and last_forgotten: what the NPC had forgotten by then. last_had_form: whether the reply was
    held to its form.
    """

    def __init__(self, factory: Any, npc_id: str, user: str):
        self._factory = factory
        self._store = store_of(factory)
        self._npc_id = npc_id
        self.name = self._config().called() or "the NPC"
        self.user = user
        known = getattr(factory, "user_ids", None)
        name = self._store.clean(user) if isinstance(user, str) else user  # as the factory writes it
        is_known = isinstance(known, dict) and name in known
        self._user_id = known[name] if isinstance(known, dict) and is_known else factory.register_user(user)
        self._asks = threading.Lock()
        self.turns: list[Turn] = []
        self.stream: AnyStream | None = None
        self.error: Exception | None = None
        self.was_stopped = False
        self.last_prompt: list[ChatMessage] = []
        self.last_forgotten: list[ChatMessage] = []
        self.last_had_form = False

    @property
    def title(self) -> str:
        """Who talks with whom."""
        return f"{self.user} and {self.name}"

    @property
    def transcript(self) -> Transcript:
        """The talk as it is shown: the learner in seat 1, the NPC in seat 2."""
        messages = []
        for take in (turn.take for turn in self.turns):
            if not take.is_greeting:
                messages.append(Message(self.user, take.question, take.began, seat=1))
            if reply := take.reply.text:
                words = f"{reply}\n\n({take.mark})" if take.mark else reply
                seconds = take.reply.seconds or None
                messages.append(Message(self._npc_id, words, take.began, seat=2, seconds=seconds))
        return Transcript(messages, {1: self.user, 2: self.name})

    @property
    def usage(self) -> str:
        """What the talk has cost so far, in words; "" if nothing, or if nobody knows."""
        npc = self._factory.npcs.get(self._npc_id)
        usage = npc.usage(self._user_id) if hasattr(npc, "usage") else Usage()
        return str(usage) if usage.calls else ""

    @property
    def greeting(self) -> str:
        """What the NPC says first, in a talk that is empty yet; or ""."""
        npc = self._factory.npcs.get(self._npc_id)  # it may have vanished
        is_new = isinstance(npc, SimpleChatNPC) and not self.turns and not npc.turns(self._user_id)
        return self._config().greeting if is_new else ""

    @property
    def has_scratchpad(self) -> bool:
        """Whether the NPC thinks in private."""
        return self._config().has_scratchpad

    def next_prompt(
        self, message: str, instead_of: Turn | None = None
    ) -> tuple[list[ChatMessage], list[ChatMessage]]:
        """Return what would be sent with this message now, and what the NPC has forgotten.

        instead_of: the last turn, if the message would take its place.
        """
        npc = self._npc()
        if not isinstance(npc, SimpleChatNPC):  # nobody knows what it would send
            return [], []
        if instead_of is not None and instead_of.exchange:
            npc = self._with_last_taken_back(npc)
        return npc.preview(message, self._user_id), self._forgotten(npc)

    @property
    def has_form(self) -> bool:
        """Whether the next reply will be held to its form."""
        npc = self._npc()
        return isinstance(npc, SimpleChatNPC) and npc.has_form(self._user_id)

    @property
    def problem(self) -> str:
        """Why the talk is not written to its store at present, or ""."""
        return self._store.problem

    def prepare(self) -> None:
        """Before `ask` and `choose`: forget how the last one ended."""
        self.stream = self.error = None
        self.was_stopped = False

    def catch_up(self, newest: Turn | None = None) -> None:
        """Take over what was said elsewhere: in another box, in a cell. Raise `NPCNotFoundError`.

        newest: a turn that is being asked and stays the last.
        """
        npc = self._npc()
        if newest is None and self._asking(npc).locked():
            return  # another box may have taken back what it asks again
        if isinstance(npc, SimpleChatNPC):
            memory = npc.turns(self._user_id)
        elif not self.turns:
            memory = exchanges(self._factory.get_npc_chat_history(self._npc_id, self._user_id))
        else:
            return  # such a memory may be kept in any way: what was said here is what we know
        turns = [turn for turn in self.turns if turn is not newest]
        shown = [turn for turn in turns if turn.exchange]
        common = 0
        while common < min(len(memory), len(shown)) and memory[common] == shown[common].exchange:
            common += 1
        if common < len(shown):  # taken back elsewhere
            del turns[turns.index(shown[common]) :]
        for exchange in memory[common:]:
            take = Take.remembered(exchange, self._config())
            turns.append(Turn([take], chosen=take))
        self.turns = turns if newest is None else [*turns, newest]

    def new_turn(self, question: str) -> Turn:
        """Return a turn in which the learner says this. Raise `ReplyError` if it is no valid message."""
        npc = self._npc()
        if isinstance(npc, SimpleChatNPC):
            npc.preview(question, self._user_id)
        else:
            check_message(question)
        if self.turns:
            self.turns[-1].settle()
        elif self.greeting:
            self._npc().greet(self._user_id)
        self.turns.append(Turn([Take(question)]))
        return self.turns[-1]

    def new_take(self, question: str) -> Turn:
        """Return the last turn, with another take."""
        self.turns[-1].add(Take(question))
        return self.turns[-1]

    def ask(self, turn: Turn) -> None:
        """Get the answer of the turn's newest take. If there is none, all is remembered as it was before."""
        take = turn.takes[-1]
        try:
            npc = self._npc()
            with self._alone(npc), self._together():
                if not self.was_stopped:
                    self._ask(npc, turn, take)
        except Exception as error:
            self.error = take.error = error
        if not take.exchange:
            take.mark = f"{_why_unfinished(take)}, not remembered"

    def choose(self, turn: Turn, take: Take) -> None:
        """Let the NPC remember another take of the last turn."""
        try:
            npc = self._npc()
            with self._alone(npc), self._together():
                if not self.was_stopped:
                    self._take_back(npc, turn)
                    npc.give_back(self._user_id, take.exchange)
                    turn.choose(take)
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        """End the reply that is under way. What there is of it is shown, marked, and not remembered."""
        self.was_stopped = True
        if self.stream is not None:
            self.stream.close()

    def _together(self) -> AbstractContextManager[None]:
        """Replace the old answer in the store in one step: a program killed meanwhile keeps the old one."""
        return self._store.together()

    @contextmanager
    def _alone(self, npc: Any) -> Iterator[None]:
        """Wait until no other box asks the NPC as this user, or until somebody presses Stop."""
        asking = self._asking(npc)
        has_turn = asking.acquire(blocking=False)
        while not has_turn and not self.was_stopped:
            has_turn = asking.acquire(timeout=_LOOK_AGAIN)
        try:
            yield
        finally:
            if has_turn:
                asking.release()

    def _ask(self, npc: Any, turn: Turn, take: Take) -> None:
        if turn.chosen is None:
            self.catch_up(turn)  # another box may have got its answer while this one waited
        taken = self._take_back(npc, turn)
        forgotten = self._forgotten(npc)
        try:
            self.stream = stream = self._said_by(take.question)
            if self.was_stopped:  # before there was a stream that could be closed
                stream.close()
            for _ in stream:
                pass
        finally:
            if self.stream is not None:
                take.reply, take.exchange = self.stream.reply, self.stream.exchange
                if self.stream.sent:
                    self.last_prompt, self.last_forgotten = self.stream.sent, forgotten
                    self.last_had_form = self.stream.has_form
            if take.exchange:
                turn.choose(take)
                self._show_greeting(npc, turn)
            elif taken:
                npc.give_back(self._user_id, taken)

    def _show_greeting(self, npc: Any, turn: Turn) -> None:
        """Put the greeting before the first turn, once it is remembered."""
        if turn is self.turns[0] and isinstance(npc, SimpleChatNPC):
            for first in npc.turns(self._user_id)[:1]:
                if first != turn.exchange and is_greeting(first):
                    take = Take.remembered(first, self._config())
                    self.turns.insert(0, Turn([take], chosen=take))

    def _said_by(self, question: str) -> AnyStream:
        """Return what the NPC says to this. A factory of one's own need not have streams."""
        ids = (self._npc_id, self._user_id)
        if hasattr(self._factory, "stream_with_npc"):
            stream: AnyStream = self._factory.stream_with_npc(*ids, question)
            return stream
        named = f"{type(self._factory).__name__}.chat_with_npc"
        return say_whole(
            self._npc(), self._user_id, question, lambda: self._factory.chat_with_npc(*ids, question), named
        )

    def _take_back(self, npc: Any, turn: Turn) -> list[ChatMessage]:
        """Take the turn's exchange out of the NPC's memory, if it is there."""
        if not turn.exchange:
            return []
        if not isinstance(npc, SimpleChatNPC):
            raise NPCLabError(_NO_TAKING_BACK)
        taken: list[ChatMessage] = npc.take_back(self._user_id)
        if taken != turn.exchange:
            npc.give_back(self._user_id, taken)
            raise NPCLabError(WENT_ON)
        return taken

    def _with_last_taken_back(self, npc: SimpleChatNPC) -> SimpleChatNPC:
        """Return another NPC that remembers the same, without the last exchange."""
        other = npc.with_memory_of(self._user_id)
        other.take_back(self._user_id)
        return other

    def _forgotten(self, npc: Any) -> list[ChatMessage]:
        histories = getattr(npc, "chat_histories", None)
        return list(getattr(histories.get(self._user_id), "forgotten", [])) if histories else []

    def _asking(self, npc: Any) -> threading.Lock:
        """Return the lock of the box that asks. The NPC's own lock is free between take back and ask."""
        if isinstance(npc, SimpleChatNPC):
            return _ASKING.setdefault(npc, {}).setdefault(self._user_id, threading.Lock())
        return self._asks

    def _config(self) -> NPCConfig:
        """Return the character's sheet; one that says nothing if its class has another kind."""
        config = getattr(self._npc(), "config", None)
        return config if isinstance(config, NPCConfig) else NPCConfig("", "")

    def _npc(self) -> Any:
        return find_npc(self._factory.npcs, self._npc_id)


def _why_unfinished(take: Take) -> str:
    if take.error is None:
        return "stopped"
    return "broken off" if take.reply.text else "no answer"
