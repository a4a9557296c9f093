"""Reading a reply in such a way that whoever waits for it can stop at once.

A read from a connection cannot be interrupted: an endpoint that says nothing would keep a Stop button
waiting. So a reply is read in a thread of its own, which puts what arrives into a queue.

    reading = Reading(client)
    for arrival in reading.pieces(request):   a Delta for each piece; or, last, the exception that ended it
        ...
    reading.stop(is_over=False)               from any thread: hang up; the loop ends now

Nor does a Ctrl-C fall into the midst of the openai package then: it could leave a lock there taken, for which
every later call would wait. A whole reply that another thread than the main one asks for needs none of this,
and is read where it is.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary

from npc_lab.errors import ReplyError
from npc_lab.one_at_a_time import hear_ctrl_c
from npc_lab.wire.answers import Delta, answer, ask_only_while, hang_up

# Some endpoints write, or ping, for ever.
LONGEST_REPLY = 30 * 60.0  # seconds
LARGEST_REPLY = 4_000_000  # characters, thoughts included
_BYTES_A_CHARACTER = 12  # at the most, in JSON: an emoji is \ud83d\ude00
_BESIDES = 100_000  # bytes of a body that are not of its text
_LOOK_EVERY = 0.02  # seconds; Windows hears Ctrl-C only between two waits
_TOO_LONG = "The reply took more than {:.0f} minutes."
_SHORTER = "Give the character a max_reply_tokens, or choose another model."
_END = object()


class Reading:
    """One reply, as it is read from the client's endpoint.

    Only the first words and the end wake whoever waits. For the rest the iteration looks every 20 ms: two
    threads that wake each other for every word cost more than the words.
    """

    def __init__(self, client: Any):
        self._client = client
        self._response: Any = None  # while it is being read: what can be hung up on
        self._arrivals: deque[Any] = deque()
        # Not an Event: its lock is not re-entrant, and `stop` may be called by what interrupts its wait.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_stopped = False
        self._thread = 0  # that reads it
        self._began = time.monotonic()
        self._size = 0  # characters so far
        self._was_shown = False  # whether any of them may be on somebody's screen

    def whole(self, request: dict[str, Any]) -> Iterator[Delta | BaseException]:
        """Send the request and yield what arrives: one delta, or why there is none."""
        if threading.current_thread() is threading.main_thread():
            return self.pieces(request)
        return map(self._within_bounds, self._read(request))

    def pieces(self, request: dict[str, Any]) -> Iterator[Delta | BaseException]:
        """Send the request and yield what arrives, read in a thread of its own."""
        _thread.start_new_thread(self._fill, (request,))  # threading.Thread would wait until it runs
        return self._as_they_arrive()

    def stop(self, is_over: bool) -> None:
        """End the iteration. Hang up unless the reply is over: its connection may carry another one then."""
        self._is_stopped = True
        if not is_over:
            hang_up(self._response)
        self._put(_END, wake=True)

    def is_read_here(self) -> bool:
        """Whether this is the thread that reads it: a client of one's own that asks for another reply."""
        return self._thread == threading.get_ident()

    def hold(self, response: Any) -> None:
        """Note the response that is being read, or None."""
        self._response = response

    def check(self, size: int) -> None:
        """Raise `ReplyError` if a body of so many bytes by now is too large, or takes too long."""
        if size > _most_bytes():
            raise self._too_large()
        if time.monotonic() - self._began > LONGEST_REPLY:
            raise _too_long()

    def _read(self, request: dict[str, Any]) -> Generator[Delta | BaseException, None, None]:
        try:
            yield from answer(self._client, request, self)
        except GeneratorExit:
            raise
        except BaseException as error:  # whoever waits is to be told, whatever it is
            yield error

    def _fill(self, request: dict[str, Any]) -> None:
        """Put what arrives into the queue, until there is no more or nobody wants it."""
        ask_only_while(lambda: not self._is_stopped)
        self._thread = threading.get_ident()
        arrivals = self._read(request)
        has_spoken = False
        for arrival in arrivals:
            if self._is_stopped:
                break
            speaks = not has_spoken and isinstance(arrival, Delta) and bool(arrival.content)
            self._put(arrival, wake=speaks)
            has_spoken = has_spoken or speaks
        self._thread = 0
        self._put(_END, wake=True)
        arrivals.close()

    def _put(self, arrival: Any, wake: bool) -> None:
        self._arrivals.append(arrival)
        if wake:
            self._news.put(None)

    def _as_they_arrive(self) -> Iterator[Delta | BaseException]:
        bytes_before = 0  # the last piece
        while True:
            while self._arrivals:
                arrival = self._arrivals.popleft()
                bytes_before = self._bytes()
                if arrival is _END:
                    return
                yield self._within_bounds(arrival)
            if time.monotonic() - self._began > LONGEST_REPLY:
                yield _too_long()
            if self._bytes() - bytes_before > _most_bytes():  # a piece that never ends
                yield self._too_large()
            with suppress(Empty):
                self._news.get(timeout=_LOOK_EVERY)
            hear_ctrl_c()

    def _bytes(self) -> int:
        """How many bytes of the response have come so far, if that is known."""
        return getattr(self._response, "num_bytes_downloaded", 0)

    def _within_bounds(self, arrival: Delta | BaseException) -> Delta | BaseException:
        """Return what arrived, or an error in its place if the reply is too large by now."""
        if isinstance(arrival, Delta):
            self._size += len(arrival.content) + len(arrival.reasoning)
            if self._size > LARGEST_REPLY:
                return self._too_large()
            self._was_shown = self._was_shown or bool(arrival.content)
        return arrival

    def _too_large(self) -> ReplyError:
        what = f"The reply was longer than {LARGEST_REPLY:,} characters."
        return ReplyError("interrupted_stream" if self._was_shown else "malformed", _SHORTER, what=what)


def _most_bytes() -> int:
    return _BYTES_A_CHARACTER * LARGEST_REPLY + _BESIDES


def _too_long() -> ReplyError:
    return ReplyError("timeout", what=_TOO_LONG.format(LONGEST_REPLY / 60))


# Clients, and their models that have sent an end of thoughts without its beginning.
_first_thinkers: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def thinks_first(client: Any, model: str) -> bool:
    """Whether this client's model has sent an end of thoughts without its beginning before."""
    with suppress(TypeError):  # a client of one's own may be of a type that cannot be noted
        return model in _first_thinkers.get(client, ())
    return False


def note_that_it_thinks_first(client: Any, model: str) -> None:
    """Hold this model's next replies back until their thoughts have ended."""
    with suppress(TypeError):
        _first_thinkers.setdefault(client, set()).add(model)
