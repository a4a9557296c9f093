"""A reply, and the stream of pieces in which it arrives.

`ReplyStream` is the one path from a user's line to an answer in the history:

    hold the user -> ask -> part thoughts from speech, piece by piece -> remember -> release the user

It is a transaction: the history changes in the last step only, and a failure or a stop before that leaves
no trace. `chat` reads a stream to its end, `stream` returns it:

    stream = npc.stream("Where is the gold?", "rosamund")
    for piece in stream:               "What ", "gold, ", "good sir?"
        print(piece, end="")
    stream.reply.thought               "He is lying. I will not tell him."
    npc.chat_histories["rosamund"]     now holds the question and the answer

How pieces are read while somebody may press Stop: npc_lab/wire/reading.py. Who waits for whom, and what
Ctrl-C does: npc_lab/one_at_a_time.py.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from npc_lab.errors import ReplyError
from npc_lab.keys import KeyGuard, without_key
from npc_lab.memory import ChatMessage
from npc_lab.one_at_a_time import HeldStream, hear_ctrl_c, interruptible, uninterrupted
from npc_lab.scratchpad import ThoughtParser
from npc_lab.text import shorten, untypeset, well_formed
from npc_lab.wire.answers import UNKNOWN, Delta
from npc_lab.wire.faults import reply_error
from npc_lab.wire.form import is_form, whole_part
from npc_lab.wire.reading import Reading, note_that_it_thinks_first, thinks_first

_NO_TOOLS = "Choose another model, or write in the character's description that it has no tools."
READ_IT_ALL = "Read a stream to its end, or close it, before you ask the same character again."


@dataclass
class Reply:
    """A model's reply.

    text: what it says. thought: what it thought in private, if it did. raw: its words as it wrote
    them, marks included. reasoning: the part of `thought` that came in a field of its own.
    refusal: what it said if it refused. seconds: from the question to the end of the reply.
    finish_reason: "stop", or "length" if it ran into its token limit; None if it did not end.
    model: the endpoint's name for it. usage: the endpoint's own count (`.prompt_tokens`,
    `.completion_tokens`), or None if it sent none.
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
        fold = f"<details><summary>Private thoughts</summary><pre dir='auto'>{thought}</pre></details>"
        return untypeset(f"<p dir='auto' style='white-space: pre-wrap'>{text}</p>{fold if thought else ''}")


class ReplyStream(HeldStream):
    """The visible pieces of one reply, as they arrive. Nothing is sent before the first is asked for.

    The finished text decides: a piece may turn out to have been a thought when an end of thoughts arrives
    of which the beginning was never sent, or the beginning of a sentence that a small model did not finish
    (npc_lab/wire/form.py). Then `reply.text` holds it no longer.

    Iterating raises `ReplyError` if the reply fails. `close()` stops it, from any thread and at once:
    the iteration ends and nothing is remembered. `reply` is what there is of the reply so far, `sent`
    the messages that were sent, `exchange` what was remembered; both are empty before that. `has_form`:
    whether the endpoint holds the reply to its form.

    request: a callback that returns what is to be sent, called once the user is held. remember: puts
    the finished reply into the history and returns what it put there. note: is told why there was no
    reply. count: is told what the reply has cost, if the endpoint began to send it: the endpoint's own
    count, and the characters sent and written. acquire: holds the user, or returns False if it was closed.
    has_scratchpad, name: the character's. whole: the reply comes in one piece.
    """

    def __init__(
        self,
        client: Any,
        request: Callable[[], dict[str, Any]],
        remember: Callable[[Reply], list[ChatMessage]],
        note: Callable[[ReplyError], None],
        count: Callable[[Any, int, int], None],
        acquire: Callable[[ReplyStream], bool],
        has_scratchpad: bool,
        name: str,
        whole: bool,
    ):
        self.sent: list[ChatMessage] = []
        self._asked: dict[str, Any] = {}
        self.exchange: list[ChatMessage] = []
        self._client = client
        self._request = request
        self._remember = remember
        self._note = note
        self._count = count
        self._acquire = acquire
        self._whole = whole
        self._reply = Reply()
        self._raw: list[str] = []
        self._reasoning: list[str] = []
        self._parser_for = partial(ThoughtParser, has_scratchpad, name)
        self._parser = self._parser_for()
        self._words, self._thoughts, self._refusal = (KeyGuard(client) for _ in range(3))
        self._model = self._tool = ""
        self._reading = Reading(client)
        self._arrivals: Iterator[Delta | BaseException] | None = None
        self._started = 0.0
        self._began = False  # the endpoint has begun to answer
        self._all_arrived = False
        super().__init__()

    def _read_on(self) -> str:
        self._reader, self._is_being_read = threading.current_thread(), True
        try:
            return self._next_piece()
        except BaseException as ending:  # the end and Ctrl-C included: however it ends, others may go on
            self._give_up(ending)
            raise
        finally:
            self._is_being_read, self._last_read = False, time.monotonic()

    @uninterrupted
    def _give_up(self, ending: BaseException) -> None:
        self.close()
        if isinstance(ending, ReplyError):
            self._note(ending)

    @property
    def has_form(self) -> bool:
        """Whether the endpoint was sent a grammar of ours, and did not refuse it."""
        return "grammar" in self._asked and is_form(self._asked["grammar"])

    @property
    def reply(self) -> Reply:
        """What there is of the reply so far: all of it once the iteration has ended."""
        reply = self._reply
        reply.raw, reply.reasoning = "".join(self._raw)[: self._parser.length], "".join(self._reasoning)
        reply.text = self._parser.visible
        reply.thought = "\n".join(filter(None, (reply.reasoning, self._parser.thought)))
        return reply

    @uninterrupted
    def close(self) -> None:
        """Stop here. What was shown stays shown, nothing is remembered, the next call need not wait."""
        if self._is_closed:
            return
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        if self._started and not self._reply.seconds:
            self._reply.seconds = time.perf_counter() - self._started
        self._reading.stop(is_over=self._all_arrived)
        if self._began:
            reply, sent = self.reply, sum(len(message["content"]) for message in self.sent)
            self._count(reply.usage, sent, len(reply.raw) + len(reply.reasoning))
        self.release()

    def is_abandoned(self) -> bool:
        return self._reading.is_read_here() or super().is_abandoned()

    # The transaction, step by step

    def _next_piece(self) -> str:
        """Return the next visible piece; at the end remember the reply, and raise StopIteration."""
        if self._arrivals is None:
            self._arrivals = self._ask()
        for arrival in self._arrivals:
            if self._is_closed:
                break
            if piece := self._take(arrival):
                return piece
        if not self._all_arrived and not self._is_closed:
            self._all_arrived = True
            if rest := self._end():
                return rest
        self._store()
        if self._overtaken:
            raise ReplyError("interrupted_stream", READ_IT_ALL, what="Another call took this reply's place.")
        raise StopIteration

    @uninterrupted
    def _ask(self) -> Iterator[Delta | BaseException]:
        """Hold the user and send the request. Yield what arrives."""
        hear_ctrl_c()
        if not self._acquire(self):
            return iter(())
        self._started = time.perf_counter()
        request = interruptible(self._request)
        self.sent, self._model, self._asked = request["messages"], str(request["model"]), request
        self._parser = self._parser_for(thinks_first(self._client, self._model))
        return self._reading.whole(request) if self._whole else self._reading.pieces(request)

    def _take(self, arrival: Delta | BaseException) -> str:
        """Note what arrived, and return what of it may be shown. Raise `ReplyError` if it is an error."""
        if isinstance(arrival, Exception):
            has_spoken = any(self._raw) or any(self._reasoning)
            raise reply_error(arrival, self._client, self._began, has_spoken) from _cause(arrival)
        if isinstance(arrival, BaseException):  # a client of one's own may end the program
            raise arrival
        self._began = True
        reply = self._reply
        self._reasoning.append(self._thoughts.feed(arrival.reasoning))
        reply.refusal += self._refusal.feed(arrival.refusal)
        reply.finish_reason = arrival.finish_reason or reply.finish_reason
        if arrival.model != reply.model:  # most pieces name the same again
            reply.model = without_key(arrival.model, self._client) or reply.model
        reply.usage = arrival.usage or reply.usage
        if arrival.tool and not self._tool:
            self._tool = without_key(arrival.tool, self._client)
        return self._say(self._words.feed(arrival.content))

    def _say(self, words: str) -> str:
        """Note these words, and return what may be shown now."""
        self._raw.append(words)
        return self._parser.feed(words) if words else ""

    def _end(self) -> str:
        """Return the rest, for all has arrived. Raise `ReplyError` if this is no reply."""
        self._reply.seconds = time.perf_counter() - self._started
        finish_reason = self._reply.finish_reason
        if finish_reason == "error" or (finish_reason is None and not self._whole):
            raise ReplyError("interrupted_stream")
        if (finish_reason or "").startswith(UNKNOWN):
            said = (finish_reason or "").removeprefix(UNKNOWN)
            raise ReplyError("interrupted_stream", detail=f"It says that it ended with “{shorten(said)}”.")
        was_cut = finish_reason == "length"
        self._reasoning.append(self._thoughts.finish())
        self._reply.refusal += self._refusal.finish()
        rest = self._say(self._words.finish()) + self._parser.finish(complete=not was_cut)
        if was_cut and self.has_form:
            rest = self._leave_off(rest)
        if self._parser.has_lone_end:
            note_that_it_thinks_first(self._client, self._model)
        reply = self.reply
        if finish_reason == "content_filter":
            raise ReplyError("filtered")
        if reply.refusal:
            raise ReplyError("refused", detail=f"It says: “{shorten(reply.refusal)}”")
        if not reply.text:
            if reply.raw.strip() or reply.reasoning.strip():
                raise ReplyError("no_answer")
            if self._tool:
                what = f"The model asked for a tool ({shorten(self._tool, 60)}) in place of an answer."
                raise ReplyError("empty", _NO_TOOLS, what=what)
            raise ReplyError("cut_off" if was_cut else "empty")
        return rest

    def _leave_off(self, rest: str) -> str:
        """Leave off a sentence that was not finished. Return what of the rest may still be shown.

        If no sentence was finished, there is nothing else to show.
        """
        text, raw = self._parser.visible, self.reply.raw
        unfinished = text[len(whole_part(text) or text) :]
        self._parser.leave_off(unfinished)
        if raw.rstrip().endswith(unfinished):  # the memory and the next prompt end where the reply does
            self._parser.length = len(raw.rstrip()) - len(unfinished)
        return rest[: max(len(rest) - len(unfinished), 0)]

    @uninterrupted
    def _store(self) -> None:
        with self._closing:
            if not self._is_closed:
                self.exchange = self._remember(self.reply)


def _cause(error: Exception) -> BaseException | None:
    """Our own errors explain themselves; the provider's stand behind ours."""
    return error.__cause__ if isinstance(error, ReplyError) else error
