"""The NPC factory: makes characters, knows users, and carries words between them.

factory = NPCFactory(client, model)
knight = factory.register_npc("London, 1250.", "You are Sir Guy, a knight.")    "npc-3f2a..."
me = factory.register_user("Rosamund")                                          "Rosamund"
factory.chat_with_npc(knight, me, "Good day!")                                  "Good day, my lady."
"""

import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from npc_lab.character import FIELDS, NPCConfig
from npc_lab.errors import (
    CharacterError,
    NPCFactoryError,
    NPCNotFoundError,
    UserNotFoundError,
    did_you_mean,
)
from npc_lab.memory import ChatMessage
from npc_lab.npc import SimpleChatNPC
from npc_lab.reply import ReplyStream
from npc_lab.store import Store, store_of
from npc_lab.store.record import NoRecord, NPCRecord
from npc_lab.wire.usage import Usage

NPC = TypeVar("NPC")


class NPCFactory:
    """Makes and keeps NPCs that all talk through one client.

    `npcs` maps an NPC's id to the NPC, `user_ids` a user's name to the user's id.
    store: a file that keeps them and all that is said (npc_lab/store). If the file is opened again,
    `register_npc` and `register_user` return those that it holds instead of new ones: so a notebook
    that is run again the next day goes on. Raise `NPCLabError` if it cannot be opened.
    """

    def __init__(self, client: Any, model: str, store: str | Path | None = None):
        self.client = client
        self.model = model
        self.npcs: dict[str, SimpleChatNPC] = {}
        self.user_ids: dict[str, str] = {}
        self.store = None if store is None else Store(store)
        self._store = store_of(self)
        self._registering = threading.Lock()
        self._sheets: dict[str, list[NPCConfig]] = {}  # of stored NPCs that nobody has registered again
        self._returning: set[str] = set()  # stored users whom nobody has registered again
        self._restore()

    def register_user(self, username: str) -> str:
        """Make a user and return the user's id. A taken name gets _1, _2, ... added.

        Raise `NPCFactoryError` if the name is empty or no text.
        """
        if not isinstance(username, str) or not username.strip():
            raise NPCFactoryError(f"A user's name must be text, not {username!r:.60}.")
        with self._registering:
            user_id, number = username, 0
            while user_id in self.user_ids and user_id not in self._returning:
                number += 1
                user_id = f"{username}_{number}"
            self._returning.discard(user_id)
            if user_id not in self.user_ids:
                self._store.add_user(user_id)
            self.user_ids[user_id] = user_id
        return user_id

    def register_npc(
        self,
        world_description: str,
        character_description: str,
        history_size: int = 10,
        has_scratchpad: bool = False,
        **more: Any,
    ) -> str:
        """Make an NPC and return its id. `more` are further fields of `NPCConfig`, such as name or goal.

        Raise `CharacterError` if a field is unknown or has an invalid value.
        """
        for unknown in more.keys() - set(FIELDS):
            advice = did_you_mean(unknown, FIELDS, f"It has {', '.join(FIELDS)}.")
            raise CharacterError(f"A character has no field {unknown!r}. {advice}")
        config = NPCConfig(world_description, character_description, history_size, has_scratchpad, **more)
        with self._registering:
            npc_id = self._returning_npc(config) or self._new_npc(config)
            self.npcs[npc_id].config = config
        return npc_id

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """Say something to an NPC as a user. Return its answer, without private thoughts.

        Raise `NPCNotFoundError`, `UserNotFoundError`, or `ReplyError` if there is no usable reply.
        """
        return self._npc(npc_id, user_id).chat(message, user_id)

    def stream_with_npc(self, npc_id: str, user_id: str, message: str) -> ReplyStream:
        """Say something to an NPC as a user. Return its answer piece by piece, as it arrives.

        Unknown ids raise here, other errors while iterating.
        """
        return self._npc(npc_id, user_id).stream(message, user_id)

    def usage(self) -> Usage:
        """Return what all replies of all NPCs have cost since the factory was made."""
        return sum((npc.usage() for npc in list(self.npcs.values()) if hasattr(npc, "usage")), Usage())

    def get_npc_chat_history(self, npc_id: str, user_id: str) -> list[ChatMessage]:
        """Return what the NPC still remembers of this user, private thoughts included, as a copy."""
        return [dict(message) for message in self._npc(npc_id, user_id).remembered(user_id)]

    def _restore(self) -> None:
        """Take over the store's NPCs and users."""
        self._store.keep_out(self.client)
        self._sheets = self._store.npcs()
        for npc_id, sheets in self._sheets.items():
            self.npcs[npc_id] = self._make(npc_id, sheets[-1])
        self.user_ids = {user_id: user_id for user_id in self._store.users()}
        self._returning = set(self.user_ids)

    def _returning_npc(self, config: NPCConfig) -> str | None:
        """Return the stored NPC that has or once had this sheet, unless it was registered again already."""
        for npc_id, sheets in self._sheets.items():
            if any(self._store.is_same(config, sheet) for sheet in sheets):
                del self._sheets[npc_id]
                return npc_id
        return None

    def _new_npc(self, config: NPCConfig) -> str:
        npc_id = f"npc-{uuid.uuid4().hex[:12]}"
        self._store.add_npc(npc_id, config)
        self.npcs[npc_id] = self._make(npc_id, config)
        return npc_id

    def _make(self, npc_id: str, config: NPCConfig) -> SimpleChatNPC:
        record = NPCRecord(self._store, npc_id, config) if self.store else NoRecord()
        return SimpleChatNPC(self.client, self.model, config, record=record)

    def _npc(self, npc_id: str, user_id: str) -> SimpleChatNPC:
        """Return the NPC. Raise a not-found error if one of the two ids is unknown."""
        npc = find_npc(self.npcs, npc_id)
        if not isinstance(user_id, str) or user_id not in self.user_ids:
            raise UserNotFoundError(user_id, self.user_ids)
        return npc


def find_npc(npcs: Mapping[str, NPC], npc_id: str) -> NPC:
    """Return the NPC with this id. Raise `NPCNotFoundError` if there is none."""
    try:
        return npcs[npc_id]
    except (KeyError, TypeError):  # TypeError: a list, for instance, is no key
        raise NPCNotFoundError(npc_id, npcs) from None
