"""Reading a reply in such a way that whoever waits for it can stop at once.

A read from a connection cannot be interrupted: an endpoint that says nothing would keep a Stop button
waiting. So the pieces of a streamed reply are read in a thread of their own, which puts them into a queue.

    reading = Reading(client)
    for arrival in reading.pieces(request):   a Delta for each piece; or, last, the exception that ended it
        ...
    reading.stop(is_over=False)               from any thread: hang up; the loop ends now
"""

from __future__ import annotations

import _thread
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary

from npc_lab.errors import ReplyError
from npc_lab.wire.answers import Delta, answer, ask_only_while, hang_up

# Some endpoints write, or ping, for ever.
LONGEST_REPLY = 30 * 60.0  # seconds
LARGEST_REPLY = 4_000_000  # characters, thoughts included
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
        # Not an Event: Ctrl-C within its wait may leave its lock taken, and then `stop` would wait for ever.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_stopped = False

    def whole(self, request: dict[str, Any]) -> Iterator[Delta | Exception]:
        """Send the request and yield what arrives, in this thread: one delta, or why there is none."""
        for arrival in self._read(request):
            is_too_large = isinstance(arrival, Delta) and len(arrival.content) > LARGEST_REPLY
            yield too_large(was_shown=False) if is_too_large else arrival

    def pieces(self, request: dict[str, Any]) -> Iterator[Delta | Exception]:
        """Send the request and yield what arrives, read in a thread of its own."""
        _thread.start_new_thread(self._fill, (request,))  # threading.Thread would wait until it runs
        return self._as_they_arrive()

    def stop(self, is_over: bool) -> None:
        """End the iteration. Hang up unless the reply is over: its connection may carry another one then."""
        self._is_stopped = True
        if not is_over:
            hang_up(self._response)
        self._put(_END, wake=True)

    def _read(self, request: dict[str, Any]) -> Generator[Delta | Exception, None, None]:
        try:
            yield from answer(self._client, request, self._hold)
        except Exception as error:
            yield error

    def _hold(self, response: Any) -> None:
        """Note the stream that is being read, or None."""
        self._response = response

    def _fill(self, request: dict[str, Any]) -> None:
        """Put what arrives into the queue, until there is no more or nobody wants it."""
        ask_only_while(lambda: not self._is_stopped)
        arrivals = self._read(request)
        has_spoken = False
        for arrival in arrivals:
            if self._is_stopped:
                break
            speaks = not has_spoken and isinstance(arrival, Delta) and bool(arrival.content)
            self._put(arrival, wake=speaks)
            has_spoken = has_spoken or speaks
        self._put(_END, wake=True)
        arrivals.close()

    def _put(self, arrival: Any, wake: bool) -> None:
        self._arrivals.append(arrival)
        if wake:
            self._news.put(None)

    def _as_they_arrive(self) -> Iterator[Delta | Exception]:
        began, size, has_spoken = time.monotonic(), 0, False
        while True:
            while self._arrivals:
                arrival = self._arrivals.popleft()
                if arrival is _END:
                    return
                if isinstance(arrival, Delta):
                    size += len(arrival.content) + len(arrival.reasoning)
                    has_spoken = has_spoken or bool(arrival.content)
                yield too_large(has_spoken) if size > LARGEST_REPLY else arrival
            if time.monotonic() - began > LONGEST_REPLY:
                yield ReplyError("timeout", what=_TOO_LONG.format(LONGEST_REPLY / 60))
            with suppress(Empty):
                self._news.get(timeout=_LOOK_EVERY)


def too_large(was_shown: bool) -> ReplyError:
    """Return the error for a reply that is larger than any reply should be."""
    what = f"The reply was longer than {LARGEST_REPLY:,} characters."
    return ReplyError("interrupted_stream" if was_shown else "malformed", _SHORTER, what=what)


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
