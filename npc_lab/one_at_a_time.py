"""One reply at a time for each user of an NPC.

A reply to the second line must know the answer to the first. So each user has a lock: whoever wants a
reply acquires it, and others wait. In a notebook somebody may forget a half-read reply:

    stream = npc.stream("Tell me a story.", "rosamund")
    next(stream)                                   the first words are read, and then no more
    npc.chat("Are you still there?", "rosamund")   is answered all the same

The second call would wait for ever for the first. So it looks who holds the lock, sees that nobody reads
on, and takes the lock from it.
"""

from __future__ import annotations  # Python 3.11 cannot say `threading.Lock | None` otherwise

import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

# A stream that nobody reads for so many seconds loses its lock as soon as somebody else wants it.
ABANDONED_AFTER = 3.0
_LOOK_AGAIN = 0.05  # seconds between two looks at whether the holder has gone


class Holder(ABC):
    """What holds a lock: a stream that is read piece by piece. It notes who reads it, and when."""

    def __init__(self) -> None:
        self._is_closed = False
        self._closing = threading.Lock()
        self._overtaken = False
        self._reader = threading.current_thread()
        self._is_being_read = False
        self._last_read = time.monotonic()

    @abstractmethod
    def close(self) -> None:
        """Stop, and release the lock."""

    def is_closed(self) -> bool:
        """Whether it has ended, or was stopped, and needs the lock no more."""
        return self._is_closed

    def is_abandoned(self) -> bool:
        """Whether nobody reads on. Asked by a thread that wants the lock, so that one does not read."""
        if self._reader is threading.current_thread() or not self._reader.is_alive():
            return True
        return not self._is_being_read and time.monotonic() - self._last_read > ABANDONED_AFTER

    def overtake(self) -> None:
        """Stop because somebody else wants the lock. Whoever reads on after all is told so."""
        self._overtaken = not self._is_closed
        self.close()


class OneAtATime:
    """A lock for each user, and who holds it."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._holders: dict[str, weakref.ref[Holder]] = {}

    def acquire(self, user_id: str, holder: Holder | None = None) -> threading.Lock | None:
        """Wait for the user's lock and return it, acquired; None if `holder` was closed while it waited.

        A holder that was abandoned is overtaken rather than waited for.
        """
        lock = self._locks.setdefault(user_id, threading.Lock())
        while not lock.acquire(blocking=False):
            if holder is not None and holder.is_closed():
                return None
            holding = self._holders.get(user_id, lambda: None)()
            if holding is not None and holding.is_abandoned():
                holding.overtake()
            elif lock.acquire(timeout=_LOOK_AGAIN):
                break
        if holder is not None:
            self._holders[user_id] = weakref.ref(holder)
        return lock

    @contextmanager
    def held(self, user_id: str) -> Iterator[None]:
        """Hold the user's lock for a moment, without a reply."""
        lock = self.acquire(user_id)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()
