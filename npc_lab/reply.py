"""A reply, and the stream of pieces in which it arrives.

`ReplyStream` is the one path from a user's line to an answer in the history:

    take the turn -> ask -> part thoughts from speech, piece by piece -> remember -> give the turn on

`chat` runs it to its end, `stream` hands it out. It is a transaction: the history changes only in
the last step, and a failure or a stop before that leaves no trace.
"""

from __future__ import annotations

import _thread
import html
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from npc_lab.errors import ReplyError
from npc_lab.keys import KeyGuard, without_key
from npc_lab.memory import ChatMessage
from npc_lab.scratchpad import ThoughtParser
from npc_lab.text import shorten, untypeset, well_formed
from npc_lab.wire.answers import Delta, answer, ask_only_while, hang_up
from npc_lab.wire.faults import reply_error

# A stream that nobody reads for so many seconds loses its turn as soon as somebody else wants it.
ABANDONED_AFTER = 3.0
_LOOK_EVERY = 0.02  # seconds; Windows hears Ctrl-C only between two waits

_END = object()
_BROKEN_OFF = ("error", "abort")  # how OpenRouter and vLLM say that a reply is not whole


@dataclass
class Reply:
    """A model's reply.

    text: what it says. thought: what it thought in private, if it did. raw: its words as it wrote
    them, marks included. reasoning: the part of `thought` that came in a field of its own.
    refusal: what it said where it refused. seconds: from the question to the end of the reply.
    finish_reason: "stop", or "length" where it ran into its token limit; None where it did not end.
    model: the endpoint's name for it. usage: the endpoint's own count (`.prompt_tokens`,
    `.completion_tokens`), or None where it sent none.
    """

    text: str = ""
    thought: str = ""
    raw: str = ""
    reasoning: str = ""
    refusal: str = ""
    seconds: float = 0.0
    finish_reason: str | None = None
    model: str = ""
    usage: Any = None

    def _repr_html_(self) -> str:
        text, thought = (html.escape(well_formed(each)) for each in (self.text, self.thought))
        fold = f"<details><summary>Private thoughts</summary><pre>{thought}</pre></details>"
        return untypeset(f"<p style='white-space: pre-wrap'>{text}</p>{fold if thought else ''}")


class ReplyStream:
    """The visible pieces of one reply, as they arrive. Nothing is sent before the first is asked for.

    Iterating raises `ReplyError` where the reply fails. `close()` stops it, from any thread and at
    once: the iteration ends and nothing is remembered. `reply` is what there is of the reply so far,
    `sent` the messages that were sent, `exchange` what was remembered; both are empty before that.

    request: makes what is to be sent, once the turn is taken. remember: puts the finished reply into
    the history, and gives what it put there. note: is told why there was no reply. take_turn: waits
    until no other reply to this user is under way. whole: the reply comes in one piece.
    """

    def __init__(
        self,
        client: Any,
        request: Callable[[], dict[str, Any]],
        remember: Callable[[Reply], list[ChatMessage]],
        note: Callable[[ReplyError], None],
        take_turn: Callable[[ReplyStream], threading.Lock | None],
        has_scratchpad: bool,
        whole: bool,
    ):
        self.sent: list[ChatMessage] = []
        self.exchange: list[ChatMessage] = []
        self._client = client
        self._request = request
        self._remember = remember
        self._note = note
        self._take_turn = take_turn
        self._whole = whole
        self._reply = Reply()
        self._parser = ThoughtParser(has_scratchpad)
        self._words, self._thoughts, self._refusal = (KeyGuard(client) for _ in range(3))
        self._arrivals: Iterator[Delta | Exception] | None = None
        self._inbox = _Inbox()
        self._started = 0.0
        self._began = False  # the endpoint has begun to answer
        self._all_arrived = False
        self._turn: threading.Lock | None = None
        self._closed = threading.Event()
        self._overtaken = False
        self._closing = threading.Lock()
        self._reader = threading.current_thread()
        self._is_reading = False
        self._last_read = time.monotonic()

    def __iter__(self) -> ReplyStream:
        return self

    def __next__(self) -> str:
        self._reader, self._is_reading = threading.current_thread(), True
        try:
            return self._next_piece()
        except BaseException as ending:  # the end and Ctrl-C included: however it ends, the turn is given on
            self.close()
            if isinstance(ending, ReplyError):
                self._note(ending)
            raise
        finally:
            self._is_reading, self._last_read = False, time.monotonic()

    def __del__(self) -> None:
        self.close()

    @property
    def reply(self) -> Reply:
        """What there is of the reply so far: all of it once the iteration has ended."""
        self._reply.text = self._parser.visible
        self._reply.thought = "\n".join(filter(None, (self._reply.reasoning, self._parser.thought)))
        return self._reply

    def close(self) -> None:
        """Stop here. What was shown stays shown, nothing is remembered, the next call need not wait."""
        with self._closing:
            if self._closed.is_set():
                return
            self._closed.set()
        if self._started and not self._reply.seconds:
            self._reply.seconds = time.perf_counter() - self._started
        if not self._all_arrived:
            hang_up(self._inbox.response)
        self._inbox.put(_END, announce=True)
        if self._turn is not None:
            self._turn.release()

    def is_closed(self) -> bool:
        """Whether it has ended, or was stopped."""
        return self._closed.is_set()

    def overtake(self) -> None:
        """Stop because somebody else wants the turn. Whoever reads on after all gets a `ReplyError`."""
        self._overtaken = not self._closed.is_set()
        self.close()

    def is_abandoned(self) -> bool:
        """Whether nobody reads on. Asked by a thread that wants the turn, so that one does not read."""
        if self._reader is threading.current_thread() or not self._reader.is_alive():
            return True
        return not self._is_reading and time.monotonic() - self._last_read > ABANDONED_AFTER

    def _next_piece(self) -> str:
        if self._arrivals is None:
            self._arrivals = self._begin()
        for arrival in self._arrivals:
            if self._closed.is_set():
                break
            if piece := self._take(arrival):
                return piece
        if not self._all_arrived and not self._closed.is_set():
            self._all_arrived = True
            if rest := self._end():
                return rest
        self._store()
        if self._overtaken:
            hint = "Read a stream to its end, or close it, before you ask the same character again."
            raise ReplyError("interrupted_stream", hint, what="Another call took this reply's turn.")
        raise StopIteration

    def _begin(self) -> Iterator[Delta | Exception]:
        """Take the turn and ask. Pieces are read in a thread of their own, so that a stop never waits."""
        turn = self._take_turn(self)
        if turn is None:
            return iter(())
        with self._closing:
            if self._closed.is_set():
                turn.release()
                return iter(())
            self._turn = turn
        self._started = time.perf_counter()
        request = self._request()
        self.sent = request["messages"]
        if self._whole:
            return _arrivals(self._client, request, self._inbox)
        reading = (self._client, request, self._inbox, self._closed)
        _thread.start_new_thread(_fill, reading)  # threading.Thread would wait until it runs
        return iter(self._inbox)

    def _take(self, arrival: Delta | Exception) -> str:
        """Note what arrived, and give what may be shown of it."""
        if isinstance(arrival, Exception):
            spoke = bool(self._reply.raw or self._reply.reasoning)
            raise reply_error(arrival, self._client, self._began, spoke) from _cause(arrival)
        self._began = True
        reply = self._reply
        reply.reasoning += self._thoughts.feed(arrival.reasoning)
        reply.refusal += self._refusal.feed(arrival.refusal)
        reply.finish_reason = arrival.finish_reason or reply.finish_reason
        reply.model = without_key(arrival.model, self._client) or reply.model
        reply.usage = arrival.usage or reply.usage
        return self._say(self._words.feed(arrival.content))

    def _say(self, words: str) -> str:
        """Note these words, and give what may be shown now."""
        self._reply.raw += words
        return self._parser.feed(words) if words else ""

    def _end(self) -> str:
        """All has arrived: give the rest, or say why this is no reply."""
        reply = self._reply
        reply.seconds = time.perf_counter() - self._started
        if reply.finish_reason in _BROKEN_OFF or (reply.finish_reason is None and not self._whole):
            raise ReplyError("interrupted_stream")
        cut = reply.finish_reason == "length"
        reply.reasoning += self._thoughts.finish()
        reply.refusal += self._refusal.finish()
        rest = self._say(self._words.finish()) + self._parser.finish(complete=not cut)
        if reply.finish_reason == "content_filter":
            raise ReplyError("filtered")
        if reply.refusal:
            raise ReplyError("refused", detail=f"It says: “{shorten(reply.refusal)}”")
        if not self._parser.visible:
            if reply.raw.strip() or reply.reasoning.strip():
                raise ReplyError("no_answer")
            raise ReplyError("cut_off" if cut else "empty")
        return rest

    def _store(self) -> None:
        with self._closing:
            if not self._closed.is_set():
                self.exchange = self._remember(self.reply)


def _arrivals(
    client: Any, request: dict[str, Any], inbox: _Inbox
) -> Generator[Delta | Exception, None, None]:
    """Send the request; give what arrives, and at its end the exception that ended it, if one did."""
    try:
        yield from answer(client, request, inbox.hold)
    except Exception as error:
        yield error


class _Inbox:
    """What the reading thread has for the one who iterates.

    Only the first words and the end are announced. For the rest the iteration looks every 20 ms: two
    threads that wake each other for every word cost more than the words.
    """

    def __init__(self) -> None:
        self.response: Any = None  # while it is being read: what can be hung up on
        self._arrivals: deque[Any] = deque()
        self._news = threading.Event()

    def hold(self, response: Any) -> None:
        """Note the stream that is being read, or None."""
        self.response = response

    def put(self, arrival: Any, announce: bool) -> None:
        self._arrivals.append(arrival)
        if announce:
            self._news.set()

    def __iter__(self) -> Iterator[Delta | Exception]:
        while True:
            while self._arrivals:
                arrival = self._arrivals.popleft()
                if arrival is _END:
                    return
                yield arrival
            self._news.wait(_LOOK_EVERY)
            self._news.clear()


def _fill(client: Any, request: dict[str, Any], inbox: _Inbox, closed: threading.Event) -> None:
    """Put what arrives into the inbox, until there is no more or nobody wants it."""
    ask_only_while(lambda: not closed.is_set())
    arrivals = _arrivals(client, request, inbox)
    has_spoken = False
    for arrival in arrivals:
        if closed.is_set():
            break
        speaks = not has_spoken and isinstance(arrival, Delta) and bool(arrival.content)
        inbox.put(arrival, announce=speaks)
        has_spoken = has_spoken or speaks
    inbox.put(_END, announce=True)
    arrivals.close()


def _cause(error: Exception) -> BaseException | None:
    """Our own errors explain themselves; the provider's stand behind ours."""
    return error.__cause__ if isinstance(error, ReplyError) else error
