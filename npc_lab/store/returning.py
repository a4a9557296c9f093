"""Who of the last time comes back when a notebook is run again.

A cell that is run twice registers a second Guy, who looks like the first. The next day one Guy is registered:
then the one comes back who talked last.

    10:00  npc-1 is registered        10:01  npc-1 talks
    10:02  npc-2 is registered        10:03  npc-2 talks        the next day, npc-2 is the first to come back

If both are registered before one of them talks, they are twins: then both come back, in their order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from npc_lab.character import NPCConfig
from npc_lab.store import Store
from npc_lab.store.schema import reading
from npc_lab.text import printable, shorten

# In these a character is somebody else. The other fields are how it is played: a change is only said.
WHO_IT_IS = ("world_description", "character_description", "name", "goal", "secrets", "taboo")

_SEEN = """
SELECT {table}.id, {table}.at, min(said.at), max(said.at) FROM {table} LEFT JOIN
    (SELECT npc_id, user_id, at FROM turns UNION ALL SELECT npc_id, user_id, at FROM calls) AS said
    ON said.{column} = {table}.id
WHERE {table}.id IN ({ids}) GROUP BY {table}.id ORDER BY {table}.rowid
"""


class _Seen(NamedTuple):
    """An NPC or a user: when it was registered, and when it talked first and last."""

    id: str
    registered: datetime
    first: datetime | None
    last: datetime | None


def first_of_npcs(store: Store, ids: Sequence[str]) -> str:
    """Return which of these NPCs, all with one sheet, comes back first."""
    return ids[0] if len(ids) == 1 else _first_of(store, "npcs", "npc_id", ids)


def first_of_users(store: Store, ids: Sequence[str]) -> str:
    """Return which of these users, all of one name, comes back first."""
    return ids[0] if len(ids) == 1 else _first_of(store, "users", "user_id", ids)


def have_talked(store: Store, npc_ids: Sequence[str]) -> list[str]:
    """Return those of these NPCs who have said something."""
    return [each.id for each in _seen(store, "npcs", "npc_id", npc_ids) if each.last]


def changes_in_words(store: Store, old: NPCConfig, new: NPCConfig) -> str:
    """Return what was changed on a sheet, such as "temperature is 0.9 now, and was 0.6"."""
    changes = (
        f"{name} is {_value(getattr(new, name))} now, and was {_value(getattr(old, name))}"
        for name in store.differences(new, old)
    )
    return store.clean(printable("; ".join(changes)))


def _value(value: object) -> str:
    return shorten(repr(value), 60)


def _first_of(store: Store, table: str, column: str, ids: Sequence[str]) -> str:
    with reading(store.path):
        alike = _seen(store, table, column, ids)
        talked = [each for each in alike if each.last]
        if not talked:
            return ids[0]
        newest = max(talked, key=lambda each: each.last or each.registered)
        start = alike.index(newest)
        for before in reversed(alike[:start]):
            if before.first and before.first <= newest.registered:
                break  # it had talked already: the newest one is of a later run
            start = alike.index(before)
        return next(each.id for each in alike[start:] if each.last)


def _seen(store: Store, table: str, column: str, ids: Sequence[str]) -> list[_Seen]:
    query = _SEEN.format(table=table, column=column, ids=", ".join("?" * len(ids)))
    with reading(store.path):
        return [
            _Seen(each, datetime.fromisoformat(registered), _moment(first), _moment(last))
            for each, registered, first, last in store.read(query, *ids)
        ]


def _moment(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at)
