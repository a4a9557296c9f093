"""Turns: one reply at a time for each user of an NPC.

A reply to the second line must know the answer to the first. So whoever wants a reply takes the
turn, and others wait for it.
"""

from __future__ import annotations  # Python 3.11 cannot say `threading.Lock | None` otherwise

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_LOOK_AGAIN = 0.05  # seconds between two looks at whether the one who has the turn has gone


class Speaker(Protocol):
    """What takes a turn: a reply that is read piece by piece."""

    def is_closed(self) -> bool:
        """Whether it needs its turn no more."""

    def is_abandoned(self) -> bool:
        """Whether it was left half-read and nobody reads on."""

    def overtake(self) -> None:
        """Lose the turn to somebody else."""


class Turns:
    """Who is being answered, for each user."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._speakers: dict[str, weakref.ref[Speaker]] = {}

    def take(self, user_id: str, speaker: Speaker | None = None) -> threading.Lock | None:
        """Wait for the turn and take it; `release()` of what it gives ends it.

        A speaker that was abandoned is overtaken rather than waited for. None if `speaker` was closed
        while it waited.
        """
        lock = self._locks.setdefault(user_id, threading.Lock())
        while not lock.acquire(blocking=False):
            if speaker is not None and speaker.is_closed():
                return None
            speaking = self._speakers.get(user_id, lambda: None)()
            if speaking is not None and speaking.is_abandoned():
                speaking.overtake()
            elif lock.acquire(timeout=_LOOK_AGAIN):
                break
        if speaker is not None:
            self._speakers[user_id] = weakref.ref(speaker)
        return lock

    @contextmanager
    def taken(self, user_id: str) -> Iterator[None]:
        """Have the turn for a moment, without a reply."""
        turn = self.take(user_id)
        try:
            yield
        finally:
            if turn is not None:
                turn.release()
