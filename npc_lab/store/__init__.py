"""The store: one SQLite file that keeps every NPC, user, turn and talk.

    factory = NPCFactory(client, model, store="lab.db")

Whatever is finished is written before it is shown as done, and what belongs together is written in one
transaction:

    with store.together():
        ...    an NPC remembers a turn, and the arena records the line: the file gets both, or neither

Open the file again, and the talk goes on where it stopped. A file that cannot be written any more does not
end a talk: it goes on in memory, `problem` says so, and all is written once that works again.

    schema.py      the tables, and how a file is opened, made or refused
    record.py      what one NPC does with a store
    returning.py   who comes back when a notebook is run again
"""

import atexit
import json
import os
import sqlite3
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from npc_lab.character import FIELDS, NPCConfig
from npc_lab.errors import NPCLabError
from npc_lab.keys import keys_of, without_these
from npc_lab.one_at_a_time import uninterrupted
from npc_lab.store.schema import (
    SECONDS_TO_WAIT,
    cannot_be_written,
    in_memory,
    now,
    number_in,
    open_to_write,
    plain,
    reading,
    rows_of,
    seat_in,
)
from npc_lab.text import well_formed

_SECONDS_TO_RETRY = 0.05  # where writing failed before, nobody waits long for the next try

# A line belongs to the newest turn of its speaker with its partner, or to the newest call if that is newer.
_ADD_LINE = """
WITH talk (npc_id, user_id) AS (VALUES (?, ?))
INSERT INTO messages (conversation_id, sender, seat, content, at, seconds, turn_id) SELECT ?, ?, ?, ?, ?, ?,
    (SELECT id FROM turns JOIN talk USING (npc_id, user_id) WHERE remembered >
        (SELECT coalesce(max(remembered), 0) FROM calls JOIN talk USING (npc_id, user_id))
    ORDER BY remembered DESC LIMIT 1)
"""
_BIND_LINE = """
WITH talk (npc_id, user_id) AS (VALUES (?, ?))
INSERT INTO lines_of_calls (message_id, call_id) SELECT (SELECT max(id) FROM messages), id
FROM calls JOIN talk USING (npc_id, user_id) WHERE remembered >
    (SELECT coalesce(max(remembered), 0) FROM turns JOIN talk USING (npc_id, user_id))
ORDER BY remembered DESC LIMIT 1
"""

Statement = tuple[str, tuple[Any, ...]]


class Store:
    """A file that keeps what NPCs and users say. Opening raises `NPCLabError`; writing never does.

    If the place takes no file (read-only, full), what the file holds is there, and all goes on in memory.

    problem: why nothing is written at present, in words; empty if all is well. journal: what was written,
    transaction by transaction, where somebody put a list there: to write the same into another file.
    """

    def __init__(self, path: str | Path):
        try:
            self.path = Path(path).expanduser()
            self._place = self.path.absolute()  # also after somebody has changed the folder
        except (TypeError, RuntimeError) as error:
            raise NPCLabError(f"A store is named by a path, such as 'lab.db', not {path!r:.60}.") from error
        self.problem = ""
        self._writing = threading.RLock()
        self._unit = threading.local()  # what this thread will write together
        self._backlog: list[Statement] = []  # what could not be written yet
        self._has_warned = self._is_gone = self._is_in_memory = False
        self._clients: list[Any] = []
        self.journal: list[list[Statement]] | None = None
        self._connection = self._open()
        weakref.finalize(self, self._connection.close)
        atexit.register(_close, weakref.ref(self))

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}{', problem=' + repr(self.problem) if self.problem else ''})"

    @uninterrupted
    def close(self) -> None:
        """Close the file, after one more try to write what waits. What is said later stays in memory."""
        with self._writing:
            if self._backlog:
                self._wait(SECONDS_TO_WAIT)
                self._commit([])
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return open_to_write(self._place)
        except NPCLabError as error:
            if not cannot_be_written(error):
                raise
            connection = in_memory(self._place)
            self._is_in_memory = True
            self._warn(error.__cause__)  # type: ignore[arg-type]
            return connection

    def keep_out(self, client: Any) -> None:
        """From now on cut this client's key out of everything that is written."""
        if not any(each is client for each in self._clients):
            self._clients.append(client)

    def together(self) -> AbstractContextManager[None]:
        """Write all that this thread writes inside as one transaction, at the end: all of it or nothing.

        It is written even if an exception ends the block, for the memory has changed all the same.
        """
        return self._in_one_transaction()

    @contextmanager
    def _in_one_transaction(self) -> Iterator[None]:
        if getattr(self._unit, "statements", None) is not None:
            yield  # the outer block writes it
            return
        self._unit.statements = []
        try:
            yield
        finally:
            statements, self._unit.statements = self._unit.statements, None
            self._commit(statements)

    # NPCs and users

    def npcs(self) -> dict[str, list[NPCConfig]]:
        """Return the ids of all NPCs, oldest first, each with its sheets, the newest last."""
        sheets: dict[str, list[NPCConfig]] = {}
        with reading(self.path):
            for npc_id, sheet in self.read("SELECT npc_id, sheet FROM sheets ORDER BY id"):
                sheets.setdefault(npc_id, []).append(config_in(sheet))
        return sheets

    def add_npc(self, npc_id: str, config: NPCConfig) -> None:
        """Keep a new NPC."""
        with self.together():
            self.write("INSERT INTO npcs (id, name, at) VALUES (?, ?, ?)", npc_id, config.called(), now())
            self.add_sheet(npc_id, sheet_of(config))

    def add_sheet(self, npc_id: str, sheet: str) -> None:
        """Keep an NPC's sheet, which counts from now on."""
        self.write("INSERT INTO sheets (npc_id, sheet, at) VALUES (?, ?, ?)", npc_id, sheet, now())

    def differences(self, config: NPCConfig, other: NPCConfig) -> list[str]:
        """Return the names of the fields in which these sheets differ for the store."""
        one, other_one = (json.loads(self.clean(sheet_of(each))) for each in (config, other))
        return [name for name in FIELDS if one[name] != other_one[name]]

    def users(self) -> list[str]:
        """Return the ids of all users, oldest first."""
        return [user_id for (user_id,) in self.read("SELECT id FROM users ORDER BY rowid")]

    def classes(self) -> dict[str, str]:
        """Return the names of classes of a learner's own, by the ids of their NPCs."""
        return dict(self.read("SELECT npc_id, class FROM classes"))

    def note_class(self, npc_id: str, name: str) -> None:
        """Keep the name of an NPC's class, which is a learner's own; "" if it is not."""
        with self.together():
            self.write("DELETE FROM classes WHERE npc_id = ?", npc_id)
            if name:
                self.write("INSERT INTO classes (npc_id, class) VALUES (?, ?)", npc_id, name)

    def add_user(self, user_id: str) -> None:
        """Keep a new user. Another process may have made the same one."""
        self.write("INSERT OR IGNORE INTO users (id, at) VALUES (?, ?)", user_id, now())

    # Conversations

    def conversations(self) -> dict[str, tuple[str, str, str]]:
        """Return the ids of all conversations, oldest first, each with its two NPCs and opening line."""
        rows = self.read(
            "SELECT conversations.id, npc1_id, npc2_id, coalesce(content, '') FROM conversations "
            "LEFT JOIN messages ON messages.id = (SELECT min(id) FROM messages "
            "WHERE conversation_id = conversations.id) AND sender = 'system' ORDER BY number"
        )
        return {
            conversation_id: (npc1_id, npc2_id, opening)
            for conversation_id, npc1_id, npc2_id, opening in rows
        }

    def conversation(self, conversation_id: str) -> dict[str, Any]:
        """Return one conversation's fields by name; its messages as the fields that `add_message` took."""
        columns = "npc1_id, npc2_id, npc1_user_id, npc2_user_id, metrics, stop_reason, ended, seed"
        with reading(self.path):
            (row,) = self.read(f"SELECT {columns} FROM conversations WHERE id = ?", conversation_id)
            rows = self.read(
                "SELECT sender, content, at, seat, seconds FROM messages WHERE conversation_id = ?"
                " ORDER BY id",
                conversation_id,
            )
            fields = dict(zip(columns.split(", "), row, strict=True))
            return fields | {
                "metrics": _metrics_in(fields["metrics"]),
                "seed": None if fields["seed"] is None else int(fields["seed"]),
                "messages": [
                    {
                        "sender": sender,
                        "content": content,
                        "timestamp": datetime.fromisoformat(at),
                        "seat": seat_in(seat),
                        "seconds": number_in(seconds),
                    }
                    for sender, content, at, seat, seconds in rows
                ],
            }

    def add_conversation(self, conversation_id: str, conversation: Mapping[str, Any]) -> None:
        """Keep a new conversation, with its opening line if it has one."""
        names = ("npc1_id", "npc2_id", "npc1_user_id", "npc2_user_id")
        seed = conversation["seed"]
        with self.together():
            self.write(
                "INSERT INTO conversations (id, npc1_id, npc2_id, npc1_user_id, npc2_user_id, at, metrics,"
                " stop_reason, ended, seed) VALUES (?, ?, ?, ?, ?, ?, '{}', '', '', ?)",
                *(conversation_id, *(conversation[name] for name in names), now()),
                None if seed is None else str(seed),
            )
            for message in conversation["messages"]:
                self.add_message(conversation_id, **vars(message))

    def add_message(
        self,
        conversation_id: str,
        sender: str,
        content: str,
        timestamp: datetime,
        seat: int | None = None,
        seconds: float | None = None,
        heard_by: str = "",
    ) -> None:
        """Keep a line. heard_by: the user to whom the NPC said it; that turn is noted with it."""
        line = (conversation_id, sender, seat, content, timestamp.isoformat(), seconds)
        with self.together():
            self.write(_ADD_LINE, sender, heard_by, *line)
            if heard_by:
                self.write(_BIND_LINE, sender, heard_by)

    def note_metrics(self, conversation_id: str, metrics: Mapping[str, Any]) -> None:
        """Keep what was measured. What is no JSON stays in memory only."""
        kept = {name: value for name, value in metrics.items() if _is_json(value)}
        self.write("UPDATE conversations SET metrics = ? WHERE id = ?", json.dumps(kept), conversation_id)

    def note_end(self, conversation_id: str, ended: str, reason: str) -> None:
        """Keep how a run ended: its kind, and the reason in words."""
        self.write(
            "UPDATE conversations SET ended = ?, stop_reason = ? WHERE id = ?", ended, reason, conversation_id
        )

    # Reading and writing

    def read(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds. Raise `NPCLabError` if the file cannot be read."""
        with reading(self.path), self._writing:
            return rows_of(self._connection, query, parameters)

    def write(self, statement: str, *parameters: Any) -> None:
        """Execute the statement now, or together with what else this thread writes (`together`)."""
        keys = self._keys()
        cleaned = tuple(_clean(each, keys) if isinstance(each, str) else each for each in parameters)
        unit = getattr(self._unit, "statements", None)
        if unit is not None:
            unit.append((statement, cleaned))
        else:
            self._commit([(statement, cleaned)])

    def clean(self, text: str) -> str:
        """Return the text as it may be written: without keys and lone surrogates."""
        return _clean(text, self._keys())

    def _keys(self) -> list[str]:
        return [key for client in self._clients for key in keys_of(client)]

    def _commit(self, statements: list[Statement]) -> None:
        """Write these in one transaction, after what could not be written before."""
        if not statements and not self._backlog:
            return
        with self._writing:
            everything = self._backlog = [*self._backlog, *statements]
            try:
                self._check_that_it_is_there()
                self._connection.execute("BEGIN IMMEDIATE")
                for statement, parameters in everything:
                    self._connection.execute(statement, parameters)
                self._backlog = []
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back(everything)
                self._warn(error)
            except BaseException:  # Ctrl-C: before the commit, or just after it
                if self._is_in_transaction():
                    self._roll_back(everything)
                raise
            else:
                self._is_well()
                if self.journal is not None:
                    self.journal.append(everything)

    def _is_in_transaction(self) -> bool:
        try:
            return self._connection.in_transaction
        except sqlite3.Error:  # it is closed
            return False

    def _roll_back(self, everything: list[Statement]) -> None:
        self._backlog = everything
        if self._is_in_transaction():
            with suppress(sqlite3.Error):  # SQLite may have done it itself
                self._connection.execute("ROLLBACK")

    def _check_that_it_is_there(self) -> None:
        """A deleted file can still be written to, on Linux, and is gone all the same."""
        self._is_gone = self._is_gone or not os.path.exists(self._place)
        if self._is_gone and not self._is_in_memory:
            raise sqlite3.OperationalError("the file is gone")

    def _warn(self, error: sqlite3.Error) -> None:
        if not self.problem and not self._is_in_memory:
            self._wait(_SECONDS_TO_RETRY)
        self.problem = (
            f"Nothing is written to {str(self.path)!r} at present: {plain(error)}. The talk goes on in "
            "memory. To keep it, save it as a file, or make a factory with another store."
        )
        if not self._has_warned:
            self._has_warned = True
            print(self.problem, file=sys.stderr)

    def _is_well(self) -> None:
        if self.problem and not self._is_in_memory:
            self.problem = ""
            self._wait(SECONDS_TO_WAIT)

    def _wait(self, seconds: float) -> None:
        """How long to wait for another process that is writing."""
        with suppress(sqlite3.Error):  # it is closed
            self._connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


class NoStore(Store):
    """A store that keeps nothing, for a factory without a file: nobody need ask whether there is one."""

    def __init__(self) -> None:
        self.path, self.problem = Path(), ""
        self._clients = []

    def keep_out(self, client: Any) -> None:
        pass

    together = nullcontext

    def read(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return []

    def write(self, statement: str, *parameters: Any) -> None:
        pass


def _clean(text: str, keys: list[str]) -> str:
    return well_formed(without_these(text, keys))


def _metrics_in(words: str) -> dict[str, Any]:
    """Return the metrics in this JSON. Raise an error that `reading` understands if it is malformed."""
    metrics = json.loads(words)
    if not isinstance(metrics, dict):
        raise ValueError("metrics must be a JSON object")
    return metrics


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _close(store: "weakref.ref[Store]") -> None:
    if (still_there := store()) is not None:
        still_there.close()


def store_of(factory: Any) -> Store:
    """Return the factory's store, or one that keeps nothing.

    A learner's own factory need not have one, or means something else by the name.
    """
    store = getattr(factory, "store", None)
    return store if isinstance(store, Store) else NoStore()


def sheet_of(config: NPCConfig) -> str:
    """Return the character sheet as JSON."""
    return well_formed(json.dumps({name: getattr(config, name) for name in FIELDS}, ensure_ascii=False))


def config_in(sheet: str) -> NPCConfig:
    """Return the character sheet in this JSON. Raise `CharacterError` or `ValueError` if it is invalid."""
    fields = json.loads(sheet)
    return NPCConfig(**{name: fields[name] for name in FIELDS if name in fields})
