"""The file of a store: its tables, and how it is opened, made or refused.

Any SQLite tool reads it. Times are ISO 8601, sheets, usage and metrics are JSON. Private thoughts stand in
the columns `thought`, `reasoning` and `raw` of `turns`, and nowhere else.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from npc_lab.errors import NPCLabError

APPLICATION = 0x4E50434C  # "NPCL", in the file's header
SCHEMA = 2
SECONDS_TO_WAIT = 5.0  # for another process that is writing

_NOT_WRITTEN = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")
_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes
_TABLES = """
CREATE TABLE npcs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,              -- what it is called
    at TEXT NOT NULL                 -- when it was made
);
CREATE TABLE sheets (                -- a changed sheet is a new row: the newest one counts
    id INTEGER PRIMARY KEY,
    npc_id TEXT NOT NULL REFERENCES npcs (id),
    sheet TEXT NOT NULL,             -- JSON
    at TEXT NOT NULL
);
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL
);
CREATE TABLE turns (                 -- what a user said to an NPC, and the answer
    id INTEGER PRIMARY KEY,
    npc_id TEXT NOT NULL REFERENCES npcs (id),
    user_id TEXT NOT NULL,
    remembered INTEGER,              -- its order in the NPC's memory; NULL: taken back
    forgot INTEGER NOT NULL,         -- how many older messages the NPC forgot to make room
    at TEXT NOT NULL,                -- when the answer was there
    seconds REAL NOT NULL,           -- how long it took
    question TEXT NOT NULL,
    answer TEXT NOT NULL,            -- what was said aloud
    thought TEXT,                    -- private
    reasoning TEXT,                  -- private: the part of the thought that came in a field of its own
    raw TEXT,                        -- private: the answer as it was written, where that is something else
    finish_reason TEXT,
    model TEXT NOT NULL,
    usage TEXT,                      -- JSON, as the endpoint counted
    sheet_id INTEGER NOT NULL REFERENCES sheets (id)
);
CREATE INDEX memory ON turns (npc_id, user_id, remembered);
CREATE TABLE calls (                 -- turns of a class that overrides chat: what such a class said
    id INTEGER PRIMARY KEY,
    npc_id TEXT NOT NULL REFERENCES npcs (id),
    user_id TEXT NOT NULL,
    remembered INTEGER,              -- its order among turns and calls; NULL: taken back
    at TEXT NOT NULL,
    seconds REAL NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL             -- what was said aloud, in place of the answers in its turns
);
CREATE INDEX calls_of ON calls (npc_id, user_id, remembered);
CREATE TABLE turns_of_calls (        -- what the model remembers of a call
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id),
    call_id INTEGER NOT NULL REFERENCES calls (id)
);
CREATE INDEX turns_of ON turns_of_calls (call_id);
CREATE TABLE classes (               -- NPCs of a class of a learner's own
    npc_id TEXT PRIMARY KEY REFERENCES npcs (id),
    class TEXT NOT NULL
);
CREATE VIEW said AS                  -- turns, and calls in place of the turns that they made
    SELECT id, npc_id, user_id, remembered, at, seconds, question, answer, thought,
        EXISTS (SELECT 1 FROM messages WHERE turn_id = turns.id) AS in_arena
    FROM turns WHERE id NOT IN (SELECT turn_id FROM turns_of_calls)
    UNION ALL
    SELECT id, npc_id, user_id, remembered, at, seconds, question, answer,
        (SELECT group_concat(thought, char(10)) FROM turns WHERE id IN
            (SELECT turn_id FROM turns_of_calls WHERE call_id = calls.id)),
        EXISTS (SELECT 1 FROM lines_of_calls WHERE call_id = calls.id)
    FROM calls;
CREATE TABLE errors (                -- why there was no answer
    id INTEGER PRIMARY KEY,
    npc_id TEXT NOT NULL REFERENCES npcs (id),
    user_id TEXT NOT NULL,
    at TEXT NOT NULL,
    question TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX errors_of ON errors (npc_id, user_id);
CREATE TABLE conversations (         -- talks of two NPCs in an arena
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    npc1_id TEXT NOT NULL,
    npc2_id TEXT NOT NULL,
    npc1_user_id TEXT NOT NULL,      -- the user as whom NPC 1 speaks to NPC 2
    npc2_user_id TEXT NOT NULL,
    at TEXT NOT NULL,
    metrics TEXT NOT NULL,           -- JSON, as measured last
    stop_reason TEXT NOT NULL,       -- why the last run ended, in words
    ended TEXT NOT NULL,             -- the kind of that: 'turns', 'stop', 'interrupted', 'failed:KIND', or ''
    seed TEXT                        -- a whole number; NULL: the talk has none
);
CREATE TABLE messages (              -- the lines of these talks
    id INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    sender TEXT NOT NULL,            -- an NPC's id, 'system' for the opening, or 'director'
    seat INTEGER CHECK (seat IN (1, 2)),   -- NULL where no NPC spoke
    content TEXT NOT NULL,
    at TEXT NOT NULL,
    seconds REAL,
    turn_id INTEGER REFERENCES turns (id)
);
CREATE TABLE lines_of_calls (        -- those that a class said that overrides chat
    message_id INTEGER PRIMARY KEY REFERENCES messages (id),
    call_id INTEGER NOT NULL REFERENCES calls (id)
);
CREATE INDEX said_in ON lines_of_calls (call_id);
CREATE TABLE experiments (           -- what was asked: with other scenes or models it is a new row
    design TEXT PRIMARY KEY,         -- its name, scenes and models, hashed
    name TEXT NOT NULL,
    question TEXT NOT NULL,          -- JSON: scenes, measures, number of talks
    prediction TEXT NOT NULL,        -- as it was before anybody looked
    at TEXT NOT NULL
);
CREATE TABLE trials (                -- its talks
    key TEXT PRIMARY KEY,            -- scene, number, model and provider, hashed
    experiment TEXT NOT NULL,
    scene TEXT NOT NULL,
    number INTEGER NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id)
);
CREATE INDEX trials_of ON trials (experiment);
CREATE TABLE looks (                 -- at how many talks somebody looked, and the card as it was shown then
    design TEXT NOT NULL REFERENCES experiments (design),
    talks INTEGER NOT NULL,
    at TEXT NOT NULL,
    card TEXT NOT NULL,
    PRIMARY KEY (design, talks)
);
CREATE TABLE verdicts (              -- what judges said of these talks; other judges are other rows
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    judge TEXT NOT NULL,             -- question, model, provider and words of the prompt, hashed
    question TEXT NOT NULL,
    model TEXT NOT NULL,
    answer INTEGER CHECK (answer IN (0, 1)),   -- NULL: unscored
    quote TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw TEXT NOT NULL,               -- all that it wrote
    unscored TEXT NOT NULL,          -- why there is no answer
    usage TEXT NOT NULL,             -- JSON
    seconds REAL NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (conversation_id, judge)
);
CREATE INDEX lines_of ON messages (conversation_id, seat);
CREATE INDEX spoken ON messages (turn_id) WHERE turn_id IS NOT NULL;
CREATE VIEW lines AS                 -- everything that was said aloud and is remembered, to be read
    SELECT messages.conversation_id AS talk, messages.id AS line, messages.at,
        coalesce(npcs.name, messages.sender) AS speaker, messages.content AS words
    FROM messages LEFT JOIN npcs ON npcs.id = messages.sender
    UNION ALL
    SELECT user_id || ' and ' || npcs.name, 2 * remembered, said.at, user_id, question
    FROM said JOIN npcs ON npcs.id = npc_id WHERE remembered IS NOT NULL AND NOT in_arena
    UNION ALL
    SELECT user_id || ' and ' || npcs.name, 2 * remembered + 1, said.at, npcs.name, answer
    FROM said JOIN npcs ON npcs.id = npc_id WHERE remembered IS NOT NULL AND NOT in_arena
    ORDER BY talk, line;
"""


# What was made otherwise in files of schema 1. They are raised when they are opened to be written.
_IN_SCHEMA_1 = {
    "conversations": """\
CREATE TABLE conversations (         -- talks of two NPCs in an arena
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    npc1_id TEXT NOT NULL,
    npc2_id TEXT NOT NULL,
    npc1_user_id TEXT NOT NULL,      -- the user as whom NPC 1 speaks to NPC 2
    npc2_user_id TEXT NOT NULL,
    at TEXT NOT NULL,
    metrics TEXT NOT NULL,           -- JSON, as measured last
    stop_reason TEXT NOT NULL        -- why the last run ended
)""",
    "lines": """\
CREATE VIEW lines AS                 -- everything that was said aloud and is remembered, to be read
    SELECT messages.conversation_id AS talk, messages.id AS line, messages.at,
        coalesce(npcs.name, messages.sender) AS speaker, messages.content AS words
    FROM messages LEFT JOIN npcs ON npcs.id = messages.sender
    UNION ALL
    SELECT user_id || ' and ' || npcs.name, 2 * turns.id, turns.at, user_id, question
    FROM turns JOIN npcs ON npcs.id = npc_id
    WHERE remembered IS NOT NULL AND NOT EXISTS (SELECT 1 FROM messages WHERE turn_id = turns.id)
    UNION ALL
    SELECT user_id || ' and ' || npcs.name, 2 * turns.id + 1, turns.at, npcs.name, answer
    FROM turns JOIN npcs ON npcs.id = npc_id
    WHERE remembered IS NOT NULL AND NOT EXISTS (SELECT 1 FROM messages WHERE turn_id = turns.id)
    ORDER BY talk, line""",
}
_NEW_IN_SCHEMA_2 = [
    "calls",
    "calls_of",
    "turns_of_calls",
    "turns_of",
    "classes",
    "said",
    "lines_of_calls",
    "said_in",
    "experiments",
    "trials",
    "trials_of",
    "looks",
    "verdicts",
]
_RAISE_TO_2 = """
DROP VIEW lines;
ALTER TABLE conversations RENAME TO conversations_1;
{conversations};
INSERT INTO conversations SELECT *, '', NULL FROM conversations_1;
DROP TABLE conversations_1;
"""


class Header(NamedTuple):
    """What a file says of itself before it is opened."""

    application: int
    schema: int


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open the store's file, or make it. Raise `NPCLabError` if it cannot be, and leave the file as it is.

    `cannot_be_written` says of this error whether the file is all right, and only the place is not.
    """
    _refuse_unless_ours(path)
    with reading(path):
        connection = sqlite3.connect(
            path, timeout=SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the store's file for reading only. Raise `NPCLabError` if it cannot be opened."""
    if not path.exists():
        raise NPCLabError(f"There is no file {str(path)!r}.")
    _refuse_unless_ours(path)
    address = path.absolute().as_uri()
    with reading(path):
        try:
            # With mode=ro SQLite could not remove again the files that it makes beside it.
            return _looked_at(f"{address}?mode=rw", path)
        except sqlite3.OperationalError:  # in a folder where nothing may be written
            newest = path.with_name(f"{path.name}-wal")
            if newest.exists() and newest.stat().st_size:
                raise NPCLabError(
                    f"{str(path)!r} can be read whole only where SQLite may write beside it. Copy it to a "
                    f"folder of your own, together with {newest.name!r}, which holds the newest turns."
                ) from None
            return _looked_at(f"{address}?immutable=1", path)


def in_memory(path: Path) -> sqlite3.Connection:
    """Return a database in memory, in place of a file that cannot be written, with all that it holds."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if path.exists() and path.stat().st_size:
        with closing(open_to_read(path)) as there:
            there.backup(memory)
        _raise(memory)
    else:
        for statement in _statements():
            memory.execute(statement)
    return memory


def cannot_be_written(error: NPCLabError) -> bool:
    """Whether a file could not be opened for lack of room or rights, and not because it is invalid."""
    return getattr(error.__cause__, "sqlite_errorname", "").startswith(_NOT_WRITTEN)


def _looked_at(address: str, path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, timeout=SECONDS_TO_WAIT)
    try:
        connection.execute("PRAGMA query_only = ON")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def now() -> str:
    """Return the time, as it is written (ISO 8601)."""
    return datetime.now().astimezone().isoformat()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read and convert rows inside this block. Raise `NPCLabError` if they are malformed."""
    try:
        yield
    except sqlite3.Error as error:
        raise cannot_open(path, error) from error
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        raise NPCLabError(
            f"{str(path)!r} holds something that npc_lab did not write, and cannot be read: {error}"
        ) from error


def rows_of(connection: sqlite3.Connection, query: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Return the rows that a query finds. Raise `ValueError` if one holds bytes, which we never write."""
    rows = connection.execute(query, parameters).fetchall()
    if any(isinstance(value, bytes) for row in rows for value in row):
        raise ValueError("bytes stand where a text should be")
    return rows


def number_in(value: Any) -> float | None:
    """Convert a value to a number. Raise `ValueError` if it is none: SQLite stores anything."""
    return None if value is None else float(value)


def seat_in(value: Any) -> int | None:
    """Return a value if it is a seat or None. Raise `ValueError` if it is something else."""
    if value not in (1, 2, None):
        raise ValueError(f"there is no seat {value!r:.20}")
    return value  # type: ignore[no-any-return]


def cannot_open(path: Path, error: sqlite3.Error) -> NPCLabError:
    """Return the error for somebody whose file cannot be opened or read."""
    return NPCLabError(
        f"{str(path)!r} cannot be used as a store: {plain(error)}. Choose another name, or another folder."
    )


def plain(error: sqlite3.Error) -> str:
    """Return SQLite's message in plain words."""
    words = str(error)
    for said, meant in _IN_PLAIN_WORDS.items():
        if said in words:
            return meant
    return words


_IN_PLAIN_WORDS = {
    "full": "the disk is full",
    "readonly": "it may only be read",
    "locked": "another program keeps it locked",
    "unable to open": "it cannot be opened or made there",
    "disk I/O": "the disk does not take it",
    "malformed": "the file is damaged",
    "not a database": "the file is no SQLite database, or is damaged",
}


def _refuse_unless_ours(path: Path) -> None:
    """Refuse a file that is not ours. It is read without SQLite, which might change it."""
    try:
        if path.is_dir():
            raise NPCLabError(f"{str(path)!r} is a folder. Name a file in it.")
        if not path.parent.is_dir():
            raise NPCLabError(f"There is no folder {str(path.parent)!r}. Make it first.")
        if path.with_name(f"{path.name}-journal").exists():
            return  # somebody was killed while making it: SQLite mends that, and then it is looked at again
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # ValueError: there is a character in it that no name can have
        reason = getattr(error, "strerror", None) or error
        raise NPCLabError(f"{str(path)!r:.200} cannot be read or made: {reason}.") from error
    if not header:
        return
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise NPCLabError(f"{str(path)!r} is something else than a store. Choose another name.")
    _refuse(path, Header(int.from_bytes(header[68:72]), int.from_bytes(header[60:64])))


def _refuse(path: Path, header: Header) -> None:
    """Raise `NPCLabError` for another program's database, and for one of a newer npc_lab."""
    if header.application != APPLICATION:
        raise NPCLabError(f"{str(path)!r} is another program's database. Choose another name.")
    if header.schema > SCHEMA:
        raise NPCLabError(
            f"{str(path)!r} was written by a newer npc_lab (its format is {header.schema}, this one reads "
            f"{SCHEMA}). Install the newer one, or choose another name."
        )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `NPCLabError` unless its tables are ours. Tables that others added may stay, triggers may not."""
    header = _header_in(connection)
    _refuse(path, header)
    there = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type <> 'trigger'"))
    acts = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    if acts or not _made_by_us(header.schema).items() <= there.items():
        raise NPCLabError(
            f"The tables in {str(path)!r} were changed by another program. Use a copy from before that, or "
            "choose another name."
        )


def _made_by_us(schema: int) -> dict[str, str]:
    """Return the names of our tables, indexes and views, each with the SQL that makes it."""
    made = [statement.rstrip(";") for statement in _statements()[1:]]
    by_name = {statement.split(maxsplit=3)[2]: statement for statement in made}
    if schema == 1:
        by_name = {
            name: made for name, made in by_name.items() if name not in _NEW_IN_SCHEMA_2
        } | _IN_SCHEMA_1
    return by_name


def _raise(connection: sqlite3.Connection) -> None:
    """Raise tables of schema 1 to those of today. They were checked before."""
    if _header_in(connection).schema != 1:
        return
    connection.execute("PRAGMA legacy_alter_table = ON")  # or the other tables would refer to the old name
    made = _made_by_us(SCHEMA)
    for statement in _split(_RAISE_TO_2.format(conversations=made["conversations"])):
        connection.execute(statement)
    for name in (*_NEW_IN_SCHEMA_2, "lines"):
        connection.execute(made[name])
    connection.execute("PRAGMA legacy_alter_table = OFF")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _header_in(connection: sqlite3.Connection) -> Header:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    return Header(application, schema)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")  # of two processes that begin at once, one makes the tables
    try:
        if _header_in(connection) == (0, 0) and not connection.execute("PRAGMA schema_version").fetchone()[0]:
            for statement in _statements():
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        _check(connection, path)
        _raise(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")  # it can be written to, or this fails
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    # Only now: a file that says WAL and has no tables yet could not be told from another program's.
    with suppress(sqlite3.OperationalError):  # another process is at it, or the folder is on a network
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # what was committed outlives a killed process
    connection.execute("PRAGMA foreign_keys = ON")


def _statements() -> list[str]:
    return [f"PRAGMA application_id = {APPLICATION}", *_split(_TABLES)]


def _split(statements: str) -> list[str]:
    """Split SQL into its statements."""
    found, text = [], ""
    for line in statements.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text.strip())
            text = ""
    return found
