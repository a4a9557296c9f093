"""The NPC factory: makes characters, knows users, and carries words between them.

factory = NPCFactory(client, model)
knight = factory.register_npc("London, 1250.", "You are Sir Guy, a knight.")    "npc-3f2a..."
me = factory.register_user("Rosamund")                                          "Rosamund"
factory.chat_with_npc(knight, me, "Good day!")                                  "Good day, my lady."
"""

import threading
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from npc_lab.character import FIELDS, NPCConfig
from npc_lab.door import AnyStream, Speaker, Stranger, open_door, say_whole
from npc_lab.errors import (
    CharacterError,
    NPCFactoryError,
    NPCLabError,
    NPCNotFoundError,
    UserNotFoundError,
    did_you_mean,
    in_words,
)
from npc_lab.memory import ChatMessage
from npc_lab.npc import SimpleChatNPC
from npc_lab.one_at_a_time import interruptible, uninterrupted
from npc_lab.store import Store, store_of
from npc_lab.store.record import NPCRecord
from npc_lab.store.returning import (
    WHO_IT_IS,
    changes_in_words,
    first_of_npcs,
    first_of_users,
    have_talked,
)
from npc_lab.transcript import DIRECTOR, SYSTEM
from npc_lab.wire.usage import Usage

NPC = TypeVar("NPC")


class NPCFactory:
    """Makes and keeps NPCs that all talk through one client.

    `npcs` maps an NPC's id to the NPC, `user_ids` a user's name to the user's id. An NPC of your own may be
    put there, too. To change what all NPCs say, override `chat_with_npc` (npc_lab/door.py).
    store: a file that keeps them and all that is said (npc_lab/store). If the file is opened again,
    `register_npc` and `register_user` return those that it holds instead of new ones: so a notebook
    that is run again the next day goes on. Raise `NPCLabError` if it cannot be opened.
    """

    @uninterrupted
    def __init__(self, client: Any, model: str, store: str | Path | None = None):
        open_door(type(self), NPCFactory, "chat_with_npc", "stream_with_npc", _whose)
        self.client = client
        self.model = model
        self.npcs: dict[str, SimpleChatNPC] = _NPCs(self._keep)
        self.user_ids: dict[str, str] = {}
        self.store = None if store is None else Store(store)
        self._store = store_of(self)
        self._registering = threading.RLock()
        self._sheets: dict[str, list[NPCConfig]] = {}  # of stored NPCs that nobody has registered again
        self._written: dict[str, NPCConfig] = {}  # the sheets of stored NPCs, as they were written last
        self._classes: dict[str, str] = {}  # the names of stored NPCs' classes, where those are one's own
        self._returning: set[str] = set()  # stored users whom nobody has registered again
        self._restore()

    @uninterrupted
    def register_user(self, username: str) -> str:
        """Make a user and return the user's id. A taken name gets _1, _2, ... added.

        Raise `NPCFactoryError` if the name is empty or no text.
        """
        if not isinstance(username, str) or not username.strip():
            raise NPCFactoryError(f"A user's name must be text, not {username!r:.60}.")
        with self._registering:
            free = username = self._store.clean(username)  # as it is written, so that the id stays the same
            of_this_name = []
            while free in self.user_ids:
                of_this_name.append(free)
                free = f"{username}_{len(of_this_name)}"
            if returning := [each for each in of_this_name if each in self._returning]:
                user_id = first_of_users(self._store, returning)
                self._returning.discard(user_id)
            else:
                user_id = self.user_ids[free] = free
                self._store.add_user(user_id)
        return user_id

    @uninterrupted
    def register_npc(
        self,
        world_description: str,
        character_description: str,
        history_size: int = 10,
        has_scratchpad: bool = False,
        *,
        npc_class: Callable[[Any, str, NPCConfig], Any] = SimpleChatNPC,
        **more: Any,
    ) -> str:
        """Make an NPC and return its id. `more` are further fields of `NPCConfig`, such as name or goal.

        With a store, the NPC of the last time comes back instead. If its temperature or the like was changed
        since then, this says so. If it was made somebody else, it is a new NPC, and this says so, too.

        npc_class: a class of your own, or anything else that takes `(client, model, config)` and returns an
        NPC, such as `partial(Trader, stock=...)`. Raise `CharacterError` if a field is unknown or has an
        invalid value, `NPCFactoryError` if the class makes no NPC.
        """
        for unknown in more.keys() - set(FIELDS):
            advice = did_you_mean(unknown, FIELDS, f"It has {', '.join(FIELDS)}.")
            raise CharacterError(f"A character has no field {unknown!r}. {advice}")
        config = NPCConfig(world_description, character_description, history_size, has_scratchpad, **more)
        _refuse_senders(config.called())
        with self._registering:
            npc = self._make(npc_class, config)
            npc_id, note = self._returning_npc(config, _class_of(npc))
            self.npcs[npc_id] = npc
        if note:
            print(note)
        return npc_id

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """Say something to an NPC as a user. Return its answer, without private thoughts.

        Raise `NPCNotFoundError`, `UserNotFoundError`, or `ReplyError` if there is no usable reply.
        """
        return self._npc(npc_id, user_id).chat(message, user_id)

    def stream_with_npc(self, npc_id: str, user_id: str, message: str) -> AnyStream:
        """Say something to an NPC as a user. Return its answer piece by piece, as it arrives.

        Unknown ids raise here, other errors while iterating.
        """
        npc = self._npc(npc_id, user_id)
        if not hasattr(npc, "stream"):  # an NPC of your own need not have more than `chat`
            named = f"{type(npc).__name__}.chat"
            return say_whole(npc, user_id, message, lambda: npc.chat(message, user_id), named)
        return npc.stream(message, user_id)

    def usage(self) -> Usage:
        """Return what all replies of all NPCs have cost since the factory was made."""
        return sum((npc.usage() for npc in list(self.npcs.values()) if hasattr(npc, "usage")), Usage())

    def get_npc_chat_history(self, npc_id: str, user_id: str) -> list[ChatMessage]:
        """Return what the NPC still remembers of this user, private thoughts included, as a copy."""
        npc = self._npc(npc_id, user_id)
        if hasattr(npc, "remembered"):
            return [dict(message) for message in npc.remembered(user_id)]
        return [dict(message) for message in getattr(npc, "chat_histories", {}).get(user_id, [])]

    def _restore(self) -> None:
        """Take over the store's NPCs and users."""
        self._store.keep_out(self.client)
        self._sheets, self._classes = self._store.npcs(), self._store.classes()
        self._written |= {npc_id: sheets[-1] for npc_id, sheets in self._sheets.items()}
        for npc_id, sheets in self._sheets.items():
            make = partial(_Unknown, self._classes[npc_id]) if npc_id in self._classes else SimpleChatNPC
            self.npcs[npc_id] = make(self.client, self.model, sheets[-1])
        self.user_ids = {user_id: user_id for user_id in self._store.users()}
        self._returning = set(self.user_ids)

    def _returning_npc(self, config: NPCConfig, class_name: str) -> tuple[str, str]:
        """Return the id of the stored NPC that comes back with this sheet, or a new id, and what to say.

        It has or once had this sheet, or another one of the same character. None comes back twice.
        """
        name = config.called() or "This NPC"
        unlike = {
            npc_id: [self._store.differences(config, sheet) for sheet in sheets]
            for npc_id, sheets in self._sheets.items()
        }
        changed = {npc_id: of_sheets[-1] for npc_id, of_sheets in unlike.items()}
        same = [npc_id for npc_id, of_sheets in unlike.items() if not all(of_sheets)]
        found = same or [each for each in changed if not {*changed[each]} & {*WHO_IT_IS}]
        found = [each for each in found if self._classes.get(each, "") == class_name] or found
        if found:
            npc_id = first_of_npcs(self._store, found)
            old = self._sheets.pop(npc_id)[-1]
            changes = "" if same else changes_in_words(self._store, old, config)
            return npc_id, changes and f"{name} ({npc_id}) goes on with a changed sheet: {changes}."
        npc_id = f"npc-{uuid.uuid4().hex[:12]}"
        namesakes = [each for each in changed if config.called() == self._sheets[each][-1].called() != ""]
        for old_id in have_talked(self._store, namesakes)[-1:]:
            return npc_id, (
                f"{name} ({npc_id}) is new and remembers nothing: its {' and '.join(changed[old_id])} is not "
                f"that of {old_id}, which keeps its talks. To go on with that one, register its old sheet."
            )
        return npc_id, ""

    def _make(self, npc_class: Callable[[Any, str, NPCConfig], Any], config: NPCConfig) -> Any:
        """Return an NPC of this class. Raise `NPCFactoryError` if the class makes none."""
        name = getattr(npc_class, "__name__", None) or getattr(
            getattr(npc_class, "func", npc_class), "__name__", repr(npc_class)
        )
        how = f"{name} is called with (client, model, config), and must return an NPC"
        try:
            npc = interruptible(npc_class, self.client, self.model, config)
        except NPCLabError:
            raise
        except Exception as error:
            raise NPCFactoryError(f"{how}. It raised {in_words(error)}.") from error
        if not callable(getattr(npc, "chat", None)):
            raise NPCFactoryError(f"{how}, with a chat method. It returned {npc!r:.60}.")
        if isinstance(npc, SimpleChatNPC) and not hasattr(npc, "chat_histories"):
            raise NPCFactoryError(f"{name}.__init__ must call super().__init__(client, model, config).")
        return npc

    def _keep(self, npc_id: str, npc: Any) -> None:
        """Let the store keep an NPC that is put into `npcs`, and give it back what it remembered."""
        _refuse_senders(npc_id)
        if self.store is None or not isinstance(npc, SimpleChatNPC) or npc.is_kept:
            return
        with self._registering:
            if npc_id not in self._written:
                self._store.add_npc(npc_id, npc.config)
                self._written[npc_id] = npc.config
            npc.keep(NPCRecord(self._store, npc_id, self._written[npc_id]))
            self._note_class(npc_id, npc)

    def _note_class(self, npc_id: str, npc: SimpleChatNPC) -> None:
        if (name := _class_of(npc)) != self._classes.get(npc_id, ""):
            self._store.note_class(npc_id, name)
            self._classes[npc_id] = name

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


def _refuse_senders(name: Any) -> None:
    """Raise `NPCFactoryError` for a name that means another sender than an NPC in each talk."""
    if isinstance(name, str) and name.strip().casefold() in (SYSTEM, DIRECTOR):
        raise NPCFactoryError(
            f"An NPC cannot be called {name!r:.60}: a talk names so who sent a line that no NPC spoke. "
            "Choose another name."
        )


class _NPCs(dict[str, Any]):
    """NPCs by their ids. `keep` is called with each that is put in."""

    def __init__(self, keep: Callable[[str, Any], None]):
        super().__init__()
        self._keep = keep

    @uninterrupted
    def __setitem__(self, npc_id: str, npc: Any) -> None:
        self._keep(npc_id, npc)
        super().__setitem__(npc_id, npc)

    # A dict's own methods would go past the one above.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault


class _Unknown(SimpleChatNPC):
    """A stored NPC of a class that this program has not named yet. It remembers, and does not speak."""

    def __init__(self, class_name: str, client: Any, model: str, config: NPCConfig):
        super().__init__(client, model, config)
        self.class_name = class_name

    def preview(self, user_message: str, user_id: str) -> list[ChatMessage]:
        raise NPCFactoryError(
            f"{self.config.called() or 'This NPC'} is of a class of your own, {self.class_name}. Register it "
            f"again, with npc_class={self.class_name}, before you talk with it."
        )


def _class_of(npc: Any) -> str:
    """Return the name of an NPC's class, if that is a learner's own, or ""."""
    if isinstance(npc, _Unknown):
        return npc.class_name
    return "" if type(npc) is SimpleChatNPC else type(npc).__name__


def _whose(factory: NPCFactory, npc_id: str, user_id: str, message: str, *_: Any, **__: Any) -> Any:
    """Return what the door wants to know of a call of `chat_with_npc` or `stream_with_npc`."""
    npc = factory.npcs.get(npc_id) if isinstance(npc_id, str) else None
    speaker: Speaker = npc if isinstance(npc, SimpleChatNPC) else Stranger()
    return speaker, user_id, message
