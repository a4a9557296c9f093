"""What some endpoints can do that the protocol does not know, and what they are sent for it.

An endpoint is known by its address. Whoever makes a client for it says what it can do:

    ABILITIES[str(client.base_url)] = Abilities(repeat={"cache_prompt": False}, takes_grammars=True)

Today there are two such abilities. One is to give the same reply again. An endpoint that reads a part of the
prompt from a cache, or answers two requests at once, computes in another order, and its words differ. So a
request that has a seed is sent there without the cache and alone.

The other is to hold a reply to a grammar. What a small model cannot do by itself, to write the scratchpad's
marks and to end with a whole sentence, its engine holds it to (npc_lab/wire/form.py). That is for the replies
of characters: other requests through the same client are sent as they are.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from npc_lab.wire.form import grammar

# With one of these a request has a form of its own already. The first may be empty: no form is wanted.
_OWN_FORMS = {"grammar", "json_schema", "response_format"}


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
    """What an endpoint can do.

    repeat: fields that make a request with a seed give the same reply again. takes_grammars: whether it holds
    replies to grammars, and its model is small enough to need that.
    """

    repeat: dict[str, Any]
    takes_grammars: bool = False
    _room: Room = field(default_factory=Room)

    @contextmanager
    def used_for(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the request as the endpoint is sent it. In the block it is alone there, if it must be."""
        is_repeated = "seed" in request
        with self._room.entered(alone=is_repeated):
            yield {**self.repeat, **request} if is_repeated else request

    def holding(self, request: dict[str, Any], has_scratchpad: bool) -> dict[str, Any]:
        """Return a character's request with the grammar that its reply is held to, if it is to be held."""
        if not self.takes_grammars or _OWN_FORMS & request.keys():
            return request
        return {**request, "grammar": grammar(has_scratchpad, request.get("max_tokens"))}


ABILITIES: dict[str, Abilities] = {}  # by the endpoint's address
