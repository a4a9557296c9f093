"""What one NPC does with a store: it writes its turns, and remembers those of the last time.

record = NPCRecord(store, "npc-3f2a", config)
record.histories()["rosamund"]    what it remembers of this user, read when it is first asked for
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from npc_lab.character import NPCConfig
from npc_lab.errors import ReplyError
from npc_lab.memory import Call, ChatMessage, History, exchange_of, exchanges
from npc_lab.one_at_a_time import uninterrupted
from npc_lab.store import Store, sheet_of
from npc_lab.store.schema import now, reading

Value = TypeVar("Value")

# Each statement is about one talk: its first two parameters are the NPC and the user.
_TALK = "WITH talk (npc_id, user_id) AS (VALUES (?, ?))"
_TURNS = "turns JOIN talk USING (npc_id, user_id)"
_CALLS = "calls JOIN talk USING (npc_id, user_id)"
# Turns and calls of a talk are counted together, so that their order is known.
_NEXT = (
    "(SELECT coalesce(max(remembered), 0) + 1 FROM"
    f" (SELECT remembered FROM {_TURNS} UNION ALL SELECT remembered FROM {_CALLS}))"
)
# The turn that an exchange stands for. Its user may have said the same twice, so the order decides.
_SAME_TURN = (
    f"SELECT turns.id FROM {_TURNS} WHERE question = ? AND coalesce(raw, answer) = ?"
    " AND coalesce(reasoning, '') = ?"
)
# What was visible of an answer, where the answer alone does not tell.
_SAID = "CASE WHEN finish_reason = 'length' AND raw IS NOT NULL THEN answer END"
_ADD = f"""
{_TALK} INSERT INTO turns (npc_id, user_id, remembered, sheet_id, forgot, at, seconds, question, answer,
    thought, reasoning, raw, finish_reason, model, usage)
SELECT npc_id, user_id, {_NEXT}, (SELECT max(id) FROM sheets WHERE sheets.npc_id = talk.npc_id),
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM talk
"""
_TAKE_BACK = f"""
{_TALK} UPDATE turns SET remembered = NULL
WHERE id = ({_SAME_TURN} AND remembered IS NOT NULL ORDER BY remembered DESC LIMIT 1)
"""
_GIVE_BACK = f"""
{_TALK} UPDATE turns SET remembered = {_NEXT}, forgot = ?
WHERE id = ({_SAME_TURN} AND remembered IS NULL ORDER BY id DESC LIMIT 1)
"""
_ADD_CALL = f"""
{_TALK} INSERT INTO calls (npc_id, user_id, remembered, at, seconds, question, answer)
SELECT npc_id, user_id, {_NEXT}, ?, ?, ?, ? FROM talk
"""
# The newest turns of this talk are those that the newest call has made.
_BIND_TURNS = f"""
{_TALK} INSERT INTO turns_of_calls (turn_id, call_id)
SELECT turns.id, (SELECT max(id) FROM calls) FROM {_TURNS} ORDER BY turns.id DESC LIMIT ?
"""
_NEWEST_CALL = f"SELECT calls.id FROM {_CALLS} WHERE remembered IS NOT NULL ORDER BY remembered DESC LIMIT 1"
_TAKE_BACK_TURNS_OF_CALL = f"""
{_TALK} UPDATE turns SET remembered = NULL
WHERE id IN (SELECT turn_id FROM turns_of_calls WHERE call_id = ({_NEWEST_CALL}))
"""
_TAKE_BACK_CALL = f"{_TALK} UPDATE calls SET remembered = NULL WHERE id = ({_NEWEST_CALL})"
# Two takes of a call may say the same. The turns that were given back just now tell which one it is.
_GIVE_BACK_CALL = f"""
{_TALK} UPDATE calls SET remembered = {_NEXT}
WHERE id = coalesce(
    (SELECT call_id FROM turns_of_calls WHERE ? AND turn_id =
        (SELECT turns.id FROM {_TURNS} ORDER BY remembered DESC LIMIT 1)),
    (SELECT max(calls.id) FROM {_CALLS} WHERE remembered IS NULL AND question = ? AND answer = ?)
)
"""
_BEGIN_ANEW = "UPDATE {} SET remembered = NULL WHERE npc_id = ? AND user_id = ? AND remembered IS NOT NULL"
_IF_THERE_WAS_NONE = "WHERE changes() = 0"  # the statement before it, in the same transaction, found no row


class LazyDict(MutableMapping[str, Value]):
    """Works like a dict that holds all these keys. `read` is called for a key's value, once."""

    def __init__(self, keys: Iterable[str], read: Callable[[str], Value]):
        self._values: dict[str, Value | None] = dict.fromkeys(keys)  # None: not read yet
        self._read = read
        self._reading = threading.RLock()

    def __getitem__(self, key: str) -> Value:
        value = self._values[key]
        if value is None:
            with self._reading:  # of two threads that ask at once, both get the same one
                value = self._values[key]
                if value is None:
                    value = self._values[key] = self._read(key)
        return value

    def __setitem__(self, key: str, value: Value) -> None:
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


class NotedDict(dict[str, Value]):
    """Works like a dict. `note` is called with all of it after each change."""

    def __init__(self, values: Mapping[str, Value], note: Callable[[dict[str, Value]], None]):
        super().__init__(values)
        self._note = note

    @uninterrupted
    def __setitem__(self, key: str, value: Value) -> None:
        super().__setitem__(key, value)
        self._note(self)

    @uninterrupted
    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._note(self)

    def __ior__(self, other: Any) -> "NotedDict[Value]":  # type: ignore[override,misc]
        self.update(other)
        return self

    # A dict's own methods would go past the two above.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear


class NPCRecord:
    """One NPC's part of a store. config: its sheet, as it was written last."""

    def __init__(self, store: Store, npc_id: str, config: NPCConfig):
        self._store = store
        self._npc_id = npc_id
        self._sheet = sheet_of(config)
        self._known: set[str] = set()  # users of whom something is remembered

    def histories(self) -> MutableMapping[str, History]:
        """Return what the NPC remembers of each user; read when it is asked for."""
        users = self._store.read(
            "SELECT DISTINCT user_id FROM turns WHERE npc_id = ? AND remembered IS NOT NULL", self._npc_id
        )
        return LazyDict((user_id for (user_id,) in users), self._history)

    def begin_anew(self, user_id: str) -> None:
        """End older turns: the memory of this user is empty, maybe because a learner has cleared it."""
        if user_id in self._known:
            with self._store.together():
                for table in ("turns", "calls"):
                    self._store.write(_BEGIN_ANEW.format(table), self._npc_id, user_id)
        self._known.add(user_id)

    def add_turn(
        self,
        user_id: str,
        exchange: list[ChatMessage],
        reply: Any,
        forgot: int,
        config: NPCConfig,
        client: Any,
    ) -> None:
        """Write an exchange. reply: what else is known of it. forgot: how many messages made room for it."""
        self._store.keep_out(client)
        with self._store.together():
            self._note_sheet(config)
            self._store.write(_ADD, *self._turn(user_id, exchange, reply, forgot))

    def take_back(self, user_id: str, exchange: list[ChatMessage]) -> None:
        """Mark an exchange as taken back. It stays in the file, and is remembered no more."""
        self._store.write(_TAKE_BACK, self._npc_id, user_id, *_said(exchange))

    def give_back(self, user_id: str, exchange: list[ChatMessage], reply: Any, forgot: int) -> None:
        """Remember an exchange again. If it is not in the file, a learner wrote it: it is a new turn."""
        with self._store.together():
            self._give_back(user_id, exchange, forgot)
            self._store.write(_ADD + _IF_THERE_WAS_NONE, *self._turn(user_id, exchange, reply, forgot))

    def calls(self) -> MutableMapping[str, list[Call]]:
        """Return the calls of each user; read when they are asked for."""
        users = self._store.read(
            "SELECT DISTINCT user_id FROM calls WHERE npc_id = ? AND remembered IS NOT NULL", self._npc_id
        )
        return LazyDict((user_id for (user_id,) in users), self._calls)

    def add_call(
        self, user_id: str, call: Call, seconds: float, turns: Iterable[tuple[Any, ...]], client: Any
    ) -> None:
        """Write a call. turns: what `add_turn` is to be told of each exchange, of other users' ones, too."""
        self._store.keep_out(client)
        said = (now(), seconds, call.question, call.answer)
        with self._store.together():
            for turn in turns:
                self.add_turn(*turn)
            self._store.write(_ADD_CALL, self._npc_id, user_id, *said)
            self._store.write(_BIND_TURNS, self._npc_id, user_id, len(exchanges(call)))

    def take_back_call(self, user_id: str, call: Call) -> None:
        """Mark the newest call as taken back, with its turns."""
        with self._store.together():
            self._store.write(_TAKE_BACK_TURNS_OF_CALL, self._npc_id, user_id)
            self._store.write(_TAKE_BACK_CALL, self._npc_id, user_id)

    def give_back_call(self, user_id: str, call: Call, forgot: list[int]) -> None:
        """Remember a call again. forgot: how many messages made room for each of its exchanges."""
        with self._store.together():
            for exchange, forgotten in zip(exchanges(call), forgot, strict=True):
                self._give_back(user_id, exchange, forgotten)
            has_turns = int(len(call) > 0)
            self._store.write(_GIVE_BACK_CALL, self._npc_id, user_id, has_turns, call.question, call.answer)

    def add_error(self, user_id: str, question: str, error: ReplyError, client: Any) -> None:
        """Write why there was no answer."""
        self._store.keep_out(client)
        self._store.write(
            "INSERT INTO errors (npc_id, user_id, at, question, kind, message) VALUES (?, ?, ?, ?, ?, ?)",
            *(self._npc_id, user_id, now(), str(question), error.kind, str(error)),
        )

    def _give_back(self, user_id: str, exchange: list[ChatMessage], forgot: int) -> None:
        self._store.write(_GIVE_BACK, self._npc_id, user_id, forgot, *_said(exchange))

    def _calls(self, user_id: str) -> list[Call]:
        """Return what was said to this user in calls when the file was closed."""
        self._known.add(user_id)
        whose = (self._npc_id, user_id)
        rows = self._store.read(
            f"SELECT remembered, NULL, question, coalesce(raw, answer), reasoning, {_SAID} FROM turns"
            " WHERE npc_id = ? AND user_id = ? AND remembered IS NOT NULL UNION ALL"
            " SELECT remembered, (SELECT count(*) FROM turns_of_calls WHERE call_id = calls.id), question,"
            " answer, NULL, NULL FROM calls WHERE npc_id = ? AND user_id = ? AND remembered IS NOT NULL"
            " ORDER BY remembered",
            *(*whose, *whose),
        )
        exchanged: list[list[ChatMessage]] = []
        calls: list[Call] = []
        with reading(self._store.path):
            for _, count, question, answer, reasoning, said in rows:
                if count is None:
                    exchanged.append(exchange_of(question, answer, reasoning, said))
                else:
                    after = len(exchanged) - int(count)
                    messages = [message for exchange in exchanged[after:] for message in exchange]
                    calls.append(Call(messages, question, answer, after))
        return calls

    def _history(self, user_id: str) -> History:
        """Return what was remembered of this user when the file was closed, and what was forgotten."""
        rows = self._store.read(
            f"SELECT question, coalesce(raw, answer), reasoning, {_SAID}, forgot FROM turns"
            " WHERE npc_id = ? AND user_id = ? AND remembered IS NOT NULL ORDER BY remembered, id",
            *(self._npc_id, user_id),
        )
        self._known.add(user_id)
        messages: list[ChatMessage] = []
        for *exchange, _ in rows:
            messages += exchange_of(*exchange)
        with reading(self._store.path):
            return History.restored(messages, [int(forgot) for *_, forgot in rows])

    def _note_sheet(self, config: NPCConfig) -> None:
        """Write the sheet, if it was changed since the last turn."""
        sheet = sheet_of(config)
        if sheet != self._sheet:
            self._store.add_sheet(self._npc_id, sheet)
            self._sheet = sheet

    def _turn(self, user_id: str, exchange: list[ChatMessage], reply: Any, forgot: int) -> tuple[Any, ...]:
        """Return the parameters of `_ADD`."""
        question, raw, reasoning = _said(exchange)
        return (
            *(self._npc_id, user_id, forgot, now(), reply.seconds, question, reply.text),
            *(reply.thought or None, reasoning or None, raw if raw != reply.text else None),
            *(reply.finish_reason, reply.model, _as_json(reply.usage)),
        )


class NoRecord(NPCRecord):
    """The record of an NPC without a store: it writes nothing, and nothing was remembered."""

    def __init__(self) -> None:
        pass

    def histories(self) -> MutableMapping[str, History]:
        return {}

    def begin_anew(self, user_id: str) -> None:
        pass

    def add_turn(self, *turn: Any) -> None:
        pass

    def take_back(self, *turn: Any) -> None:
        pass

    def give_back(self, *turn: Any) -> None:
        pass

    def calls(self) -> MutableMapping[str, list[Call]]:
        return {}

    def add_call(self, *call: Any) -> None:
        pass

    def take_back_call(self, *call: Any) -> None:
        pass

    def give_back_call(self, *call: Any) -> None:
        pass

    def add_error(self, *error: Any) -> None:
        pass


def _said(exchange: list[ChatMessage]) -> tuple[str, str, str]:
    """Return the question, the answer as it was written, and the thoughts that came beside it."""
    answer = exchange[-1]
    return exchange[0]["content"], answer["content"], answer.get("reasoning_content", "")


def _as_json(usage: Any) -> str | None:
    """Return the endpoint's own token count as JSON. Drop values that are not integers."""
    counts = usage if isinstance(usage, dict) else getattr(usage, "__dict__", {})
    counted = {name: count for name, count in counts.items() if isinstance(count, int)}
    return json.dumps(counted) if counted else None
