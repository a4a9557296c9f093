"""What some endpoints can do that the protocol does not know, and what they are sent for it.

An endpoint is known by its address. Whoever makes a client for it says what it can do:

    ABILITIES[str(client.base_url)] = Abilities(repeat={"cache_prompt": False})

Today there is one such ability: to give the same reply again. An endpoint that reads a part of the prompt
from a cache, or answers two requests at once, computes in another order, and its words differ. So a request
that has a seed is sent there without the cache and alone.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Room:
    """Many may be inside at once, or one who is alone."""

    _changed: threading.Condition = field(default_factory=threading.Condition)
    _inside: int = 0
    _is_alone: bool = False

    @contextmanager
    def entered(self, alone: bool) -> Iterator[None]:
        """Wait for room, and stay inside for the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone and not (alone and self._inside))
            self._inside += 1
            self._is_alone = alone
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._is_alone = False
                self._changed.notify_all()


@dataclass
class Abilities:
    """What an endpoint can do. repeat: fields that make a request with a seed give the same reply again."""

    repeat: dict[str, Any]
    _room: Room = field(default_factory=Room)

    @contextmanager
    def used_for(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the request as the endpoint is sent it. In the block it is alone there, if it must be."""
        is_repeated = "seed" in request
        with self._room.entered(alone=is_repeated):
            yield {**self.repeat, **request} if is_repeated else request


ABILITIES: dict[str, Abilities] = {}  # by the endpoint's address
