"""How fast, and how often, clients may ask: a meter's brake for a key that many share.

A provider counts calls a minute. Thirty learners who ask in bursts are refused although each asks little;
evenly spaced calls are not. With 30 calls a minute, those of two threads leave like this:

    seconds    0    2    4    6
    thread 1   call      call
    thread 2        call      call
"""

import os
import threading
import time
from collections.abc import Callable

from npc_lab.errors import ConnectError, ReplyError

MAX_CALLS = "NPC_LAB_MAX_CALLS"
_LOOK_AGAIN = 0.05  # seconds between two looks at whether anybody still waits


class Pace:
    """At most so many calls a minute, evenly spaced, whatever thread they come from.

    Raise `ConnectError` unless `per_minute` is a number above 0.
    """

    def __init__(self, per_minute: float):
        is_number = isinstance(per_minute, int | float) and not isinstance(per_minute, bool)
        if not is_number or not 0 < per_minute < float("inf"):
            raise ConnectError(f"per_minute must be a number of calls above 0, not {per_minute!r:.60}.")
        self._seconds = 60 / per_minute
        self._next = 0.0  # on the clock of time.monotonic
        self._lock = threading.Lock()

    def wait(self, is_wanted: Callable[[], bool]) -> None:
        """Wait until it is this call's time, or until nobody wants it any more."""
        with self._lock:
            at = max(self._next, time.monotonic())
            self._next = at + self._seconds
        while (left := at - time.monotonic()) > 0 and is_wanted():
            time.sleep(min(left, _LOOK_AGAIN))


class _Calls:
    """How many calls this process has sent, over all clients that cost something."""

    def __init__(self) -> None:
        self._sent = 0
        self._lock = threading.Lock()

    def count(self) -> None:
        """Count one call. Raise `ReplyError` if NPC_LAB_MAX_CALLS are sent already."""
        limit = max_calls()
        with self._lock:
            if limit is not None and self._sent >= limit:
                raise ReplyError(
                    "quota",
                    f"Set {MAX_CALLS} to a larger number to go on.",
                    what=f"{MAX_CALLS} is {limit}, and so many calls were sent.",
                )
            self._sent += 1

    def add(self, number: int) -> None:
        """Count calls that another process has sent for this one."""
        with self._lock:
            self._sent += number

    def left(self) -> int | None:
        """Return how many more calls may be sent, or None for any number."""
        limit = max_calls()
        with self._lock:
            return None if limit is None else max(limit - self._sent, 0)


CALLS = _Calls()


def max_calls() -> int | None:
    """Return the limit in the environment, or None. Raise `ConnectError` if it is no whole number."""
    words = os.environ.get(MAX_CALLS, "").strip()
    if not words:
        return None
    if not words.isascii() or not words.isdigit():
        raise ConnectError(f"{MAX_CALLS} must be a whole number of calls, not {words!r:.60}.")
    return int(words)
