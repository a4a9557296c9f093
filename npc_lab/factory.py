"""The NPC factory: makes characters, knows users, and carries words between them."""

import threading
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

from npc_lab.character import FIELDS, NPCConfig
from npc_lab.errors import CharacterError, NPCFactoryError, NPCNotFoundError, UserNotFoundError, nearest
from npc_lab.memory import ChatMessage
from npc_lab.npc import SimpleChatNPC
from npc_lab.reply import ReplyStream

NPC = TypeVar("NPC")


class NPCFactory:
    """Makes and keeps NPCs that all talk through one client.

    `npcs` maps an NPC's id to the NPC, `user_ids` a user's name to the user's id.
    """

    def __init__(self, client: Any, model: str):
        self.client = client
        self.model = model
        self.npcs: dict[str, SimpleChatNPC] = {}
        self.user_ids: dict[str, str] = {}
        self._registering = threading.Lock()

    def register_user(self, username: str) -> str:
        """Make a user and give the user's id. A taken name gets _1, _2, ... added."""
        if not isinstance(username, str) or not username.strip():
            raise NPCFactoryError(f"A user's name must be text, not {username!r:.60}.")
        with self._registering:
            user_id, number = username, 0
            while user_id in self.user_ids:
                number += 1
                user_id = f"{username}_{number}"
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
        """Make an NPC and give its id. `more` are further fields of `NPCConfig`, such as name or goal."""
        for unknown in more.keys() - set(FIELDS):
            near = nearest(unknown, FIELDS)
            advice = f"Did you mean {near!r}?" if near else f"It has {', '.join(FIELDS)}."
            raise CharacterError(f"A character has no field {unknown!r}. {advice}")
        config = NPCConfig(world_description, character_description, history_size, has_scratchpad, **more)
        npc_id = f"npc-{uuid.uuid4().hex[:12]}"
        self.npcs[npc_id] = SimpleChatNPC(self.client, self.model, config)
        return npc_id

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """Say something to an NPC as a user, and get its visible answer.

        Raises `NPCNotFoundError`, `UserNotFoundError`, or `ReplyError` where the model gives no answer.
        """
        return self._npc(npc_id, user_id).chat(message, user_id)

    def stream_with_npc(self, npc_id: str, user_id: str, message: str) -> ReplyStream:
        """The same, piece by piece. Unknown ids raise here, other errors while iterating."""
        return self._npc(npc_id, user_id).stream(message, user_id)

    def get_npc_chat_history(self, npc_id: str, user_id: str) -> list[ChatMessage]:
        """What the NPC still remembers of this user, private thoughts included, as a copy."""
        return [dict(message) for message in self._npc(npc_id, user_id).remembered(user_id)]

    def _npc(self, npc_id: str, user_id: str) -> SimpleChatNPC:
        """The NPC, once both ids are known to exist."""
        npc = find_npc(self.npcs, npc_id)
        if not isinstance(user_id, str) or user_id not in self.user_ids:
            raise UserNotFoundError(user_id, self.user_ids)
        return npc


def find_npc(npcs: Mapping[str, NPC], npc_id: str) -> NPC:
    """The NPC of this id. Raises `NPCNotFoundError` if there is none."""
    try:
        return npcs[npc_id]
    except (KeyError, TypeError):  # TypeError: a list, for instance, is no key
        raise NPCNotFoundError(npc_id, npcs) from None
