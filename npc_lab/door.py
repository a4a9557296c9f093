"""One door: what a class of one's own says is heard everywhere.

A learner changes what a character says by overriding one method, `chat`. A guard, in five lines:

    class Guard(SimpleChatNPC):
        def chat(self, user_message, user_id):
            answer = super().chat(user_message, user_id)
            return answer if "swordfish" not in answer else "I will not say."

    guard = factory.register_npc("A harbour.", "You keep a password.", npc_class=Guard)

Chat box and desk ask for the pieces of a reply, not for the whole. So such a class is given a `stream` that
returns the value of its `chat` in one piece. A class that overrides `stream`, and not `chat`, is given a
`chat` that reads its `stream` to the end. The more derived of the two is heard. A factory has the same door,
with `chat_with_npc` and `stream_with_npc`.

What the model remembers is what `super().chat` remembered. What was said to the character, and what it said,
is kept beside that as a `Call`. A call is a transaction like any turn: if it raises, or returns no text,
the model remembers nothing of it, and nothing is recorded.
"""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from npc_lab.errors import NPCLabError, ReplyError, no_text
from npc_lab.memory import Call, ChatMessage
from npc_lab.one_at_a_time import HeldStream, interruptible, uninterrupted
from npc_lab.reply import READ_IT_ALL, Reply, ReplyStream
from npc_lab.text import well_formed


class Speaker(Protocol):
    """The NPC that speaks, as a call sees it. `here.call` is the call that this thread is in, if any."""

    here: threading.local

    def begin_call(self, user_id: str, call: CallStream) -> bool:
        """Wait for other calls of this user. Return False if the call was closed meanwhile."""

    def end_call(self, user_id: str, call: CallStream, answer: str) -> Call:
        """Remember the call."""

    def record_call(self, user_id: str, call: CallStream) -> None:
        """Write the call into the store."""

    def undo_call(self, call: CallStream) -> None:
        """Forget what the model remembered during the call."""


class Stranger:
    """Stands for an NPC that is no `SimpleChatNPC`: it has its own memory, and its calls are kept nowhere."""

    def __init__(self) -> None:
        self.here = threading.local()

    def begin_call(self, user_id: str, call: CallStream) -> bool:
        """Nobody else wants this user."""
        return call.hold()

    def end_call(self, user_id: str, call: CallStream, answer: str) -> Call:
        """Return the call."""
        return Call([], call.question, answer, 0)

    def record_call(self, user_id: str, call: CallStream) -> None:
        """There is no store that knows it."""

    def undo_call(self, call: CallStream) -> None:
        """There is nothing to forget."""


class CallStream(HeldStream):
    """What a class of one's own says, as pieces. It works like a `ReplyStream`.

    say: runs the learner's method and returns the pieces of what it says. named: the method, for messages.
    whole: whether the model is asked for whole replies. `reply` and `sent` tell of the last reply of the
    model, with what was said in place of the model's words. `replies` holds all of the model's replies during
    the call, and `remembered` what is to be written of each: first its user and its exchange.
    """

    def __init__(
        self,
        npc: Speaker,
        user_id: str,
        question: str,
        say: Callable[[], Iterable[Any]],
        named: str,
        whole: bool,
    ):
        self.question = question
        self.named = named
        self.whole = whole
        self.exchange: list[ChatMessage] = []
        self.replies: list[ReplyStream] = []
        self.remembered: list[tuple[Any, ...]] = []
        self.seconds = 0.0
        self._npc = npc
        self._user_id = user_id
        self._say = say
        self._pieces: Iterator[Any] | None = None
        self._said: list[str] = []
        super().__init__()

    @uninterrupted
    def _read_on(self) -> str:
        self._reader, self._is_being_read = threading.current_thread(), True
        try:
            return self._next_piece()
        except BaseException:  # the end and Ctrl-C included
            self._end()
            raise
        finally:
            self._is_being_read, self._last_read = False, time.monotonic()

    @property
    def reply(self) -> Reply:
        """What there is of it so far: what was said, and the thoughts and cost of the model's last reply."""
        model = self.replies[-1].reply if self.replies else Reply()
        thoughts = [stream.reply.thought for stream in self.replies]
        return Reply(
            "".join(self._said),
            "\n".join(filter(None, thoughts)),
            raw=model.raw,
            reasoning=model.reasoning,
            seconds=self.seconds,
            finish_reason=model.finish_reason,
            model=model.model,
            usage=model.usage,
        )

    @property
    def sent(self) -> list[ChatMessage]:
        """The messages that were sent for the model's last reply."""
        return self.replies[-1].sent if self.replies else []

    @property
    def has_form(self) -> bool:
        """Whether the model's last reply was held to its form."""
        return bool(self.replies) and self.replies[-1].has_form

    @uninterrupted
    def close(self) -> None:
        """Stop here. Nothing of the call is remembered, and the next one need not wait."""
        if self._is_closed and not self.holds:
            return
        self._is_closed = True
        if self.replies:
            self.replies[-1].close()
        if not self._is_being_read:  # or the thread that reads ends it
            self._end()

    def hear(self, reply: ReplyStream) -> None:
        """Note a reply that the learner's method asks for. Raise `ReplyError` if the call was stopped."""
        self.replies.append(reply)
        if self._is_closed:
            raise stopped()

    def _next_piece(self) -> str:
        began = time.perf_counter()
        if not self.holds and not self._is_closed:
            self._npc.begin_call(self._user_id, self)
        try:
            while not self._is_closed:
                piece = self._ask()
                if self._is_closed:
                    break
                if piece is None:
                    self._finish()
                    raise StopIteration
                if piece:
                    self._said.append(piece)
                    return piece
        except ReplyError:
            if not self._is_closed or self._overtaken:
                raise
        finally:
            self.seconds += time.perf_counter() - began
        if self._overtaken:
            raise ReplyError("interrupted_stream", READ_IT_ALL, what="Another call took this one's place.")
        raise StopIteration

    def _ask(self) -> str | None:
        """Return the next piece that the learner's method says, "" or more; None at its end."""
        self._npc.here.call = self
        try:
            return interruptible(self._hear_on)
        finally:
            self._npc.here.call = None

    def _hear_on(self) -> str | None:
        if self._pieces is None:
            said = self._say()
            if isinstance(said, str) or not isinstance(said, Iterable):
                raise no_text(self.named, said)
            self._pieces = iter(said)
        for piece in self._pieces:
            if not isinstance(piece, str):
                raise no_text(self.named, piece)
            return well_formed(piece)
        return None

    def _finish(self) -> None:
        """Record what was said. Raise `ReplyError` if that is nothing."""
        answer = "".join(self._said)
        if not answer.strip():
            raise ReplyError("empty", what=f"{self.named} returned an empty text.")
        with self._closing:
            if not self._is_closed:
                self.exchange = self._npc.end_call(self._user_id, self, answer)
                self._npc.record_call(self._user_id, self)

    def _end(self) -> None:
        """Whatever happened: what is not recorded is not remembered, and the lock is free."""
        with self._closing:
            self._is_closed = True
            if not self.holds:
                return
            try:
                if not self.exchange:
                    self._npc.undo_call(self)
            finally:
                self.release()


AnyStream = ReplyStream | CallStream


def stopped() -> ReplyError:
    """Return the error that ends a learner's method when its call was stopped."""
    return ReplyError("interrupted_stream", what="The reply was stopped.")


# Where a learner's class overrides a method, and which of the two is heard.

Place = tuple[Speaker, str, str]  # the NPC, the user's id, and what was said
Whose = Callable[..., Place]  # called with the method's arguments


def open_door(own: type, base: type, whole: str, pieces: str, whose: Whose) -> None:
    """Let the more derived of the methods named `whole` and `pieces` be heard wherever one of them is called.

    own: `base`, or a subclass of it. whose: finds the NPC, the user's id and what was said among the
    arguments. Called again, it changes nothing.
    """
    whole_at, pieces_at = (_place(own, name) for name in (whole, pieces))
    if min(whole_at, pieces_at) == own.__mro__.index(base):
        return
    methods = {name: _Method(own, name, whose, name == whole) for name in (whole, pieces)}
    if whole_at <= pieces_at and not methods[whole].is_heard:
        setattr(own, whole, methods[whole].heard())
    if pieces_at <= whole_at and not methods[pieces].is_heard:
        setattr(own, pieces, methods[pieces].heard())
    if whole_at < pieces_at:
        setattr(own, pieces, methods[whole].in_place_of(getattr(base, pieces)))
    elif pieces_at < whole_at:
        setattr(own, whole, methods[pieces].in_place_of(getattr(base, whole)))


def say_whole(npc: Any, user_id: str, question: str, say: Callable[[], Any], named: str) -> CallStream:
    """Return what this function says for an NPC, as a stream of one piece.

    named: the function, for messages. The NPC keeps the call if it can.
    """
    speaker = npc if hasattr(npc, "begin_call") else Stranger()
    return CallStream(speaker, user_id, question, lambda: [say()], named, whole=False)


def _place(own: type, name: str) -> int:
    """Return the place of the class that this method comes from, in the line of ancestors."""
    return next(place for place, each in enumerate(own.__mro__) if name in vars(each))


class _Method:
    """A learner's method of this name, which says what a character says: as a text, or in pieces."""

    def __init__(self, own: type, name: str, whose: Whose, is_whole: bool):
        self._function = getattr(own, name)
        self._signature = inspect.signature(self._function)
        self._named = f"{own.__name__}.{name}"
        self._name = name
        self._whose = whose
        self._is_whole = is_whole
        self.is_heard = getattr(self._function, "is_heard", False)

    def heard(self) -> Callable[..., Any]:
        """Return the same method. What it says is recorded, unless it is a part of another call."""

        @functools.wraps(self._function)
        def method(this: Any, *args: Any, **options: Any) -> Any:
            place = self._place(this, args, options)
            if _is_under_way(place):
                return self._function(this, *args, **options)
            stream = self._stream(place, this, args, options, whole=self._is_whole)
            return _read(stream) if self._is_whole else stream

        method.is_heard = True  # type: ignore[attr-defined]
        return method

    def in_place_of(self, usual: Callable[..., Any]) -> Callable[..., Any]:
        """Return what takes the place of this method of ours: it says the same, in the other form."""
        other, signature = usual.__name__, inspect.signature(usual)

        @functools.wraps(usual)
        def method(this: Any, *args: Any, **options: Any) -> Any:
            words = signature.bind(this, *args, **options).args[1:]  # a learner may name them otherwise
            place = self._place(this, words, {})
            if not _is_under_way(place):
                stream = self._stream(place, this, words, {}, whole=not self._is_whole)
                return stream if self._is_whole else _read(stream)
            if getattr(type(this), other) is method:
                raise NPCLabError(
                    f"{self._named} reads self.{other}, which would call it again. "
                    f"Write super().{self._name} or super().{other} there."
                )
            said = self._function(this, *words)
            return iter([said]) if self._is_whole else "".join(said)

        method.is_heard = True  # type: ignore[attr-defined]
        return method

    def _stream(self, place: Place, this: Any, args: Any, options: Any, whole: bool) -> CallStream:
        def say() -> Any:
            said = self._function(this, *args, **options)
            return [said] if self._is_whole else said

        return CallStream(*place, say, self._named, whole)

    def _place(self, this: Any, args: Any, options: Any) -> Place:
        bound = self._signature.bind(this, *args, **options)
        return self._whose(*bound.args, **bound.kwargs)


def _is_under_way(place: Place) -> bool:
    """Whether this thread is in a call of the NPC already."""
    npc, _, _ = place
    return getattr(npc.here, "call", None) is not None


@uninterrupted
def _read(stream: CallStream) -> str:
    for _ in stream:
        pass
    if not stream.exchange:
        raise stopped()
    return stream.reply.text
