"""A store's file that somebody else has had in their hands: it is harmless, or it is refused in words.

Hypothesis puts values into rows and bytes into the file. For a long run: NPC_LAB_FUZZ, as in test_hostile.py.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from payloads import PAYLOADS
from test_hostile import HOSTILE, assert_files_harmless, fuzz
from typer.testing import CliRunner

from npc_lab import ChatArena, FakeClient, FakeReply, NPCFactory, NPCLabError
from npc_lab.cli import app

pytestmark = [pytest.mark.long, pytest.mark.once]

COLUMNS = [
    (table, column)
    for table, columns in {
        "npcs": "id name at",
        "sheets": "id npc_id sheet at",
        "users": "id at",
        "turns": "id npc_id user_id remembered forgot at seconds question answer thought reasoning raw "
        "finish_reason model usage sheet_id",
        "errors": "npc_id user_id at question kind message",
        "conversations": "id number npc1_id npc2_id npc1_user_id npc2_user_id at metrics stop_reason",
        "messages": "id conversation_id sender seat content at seconds turn_id",
    }.items()
    for column in columns.split()
]
JSON = [
    "[" * 100_000,
    "{}",
    "[]",
    "null",
    "3",
    '"text"',
    "{",
    '{"turn_count": "many"}',
    '{"history_size": []}',
    "NaN",
]
VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.binary(max_size=30)
    | st.sampled_from([*JSON, *PAYLOADS, "\x00", "2026-13-45", "a" * 100_000])
    | HOSTILE
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a bit of everything."""
    path = tmp_path_factory.mktemp("store") / "good.db"
    factory = NPCFactory(FakeClient(lambda _: FakeReply("Hail.", reasoning="Hm.")), "m", store=path)
    knight, merchant = (factory.register_npc("London", f"You are a {who}.") for who in ("knight", "merchant"))
    for number in range(3):
        factory.chat_with_npc(knight, factory.register_user(f"user {number}"), "Hello!")
    arena = ChatArena(factory)
    for _ in range(2):
        talk = arena.start_conversation(knight, merchant)
        arena.run_conversation(talk, 3)
        arena.evaluate_conversation(talk)
    assert factory.store
    factory.store.close()
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tampered")


def fresh_copy(good: Path, place: Path) -> Path:
    for old in place.iterdir():
        old.unlink()
    return Path(shutil.copy(good, place / "lab.db"))


def use(path: Path) -> None:
    """Everything that somebody does with a file that they were given."""
    factory = NPCFactory(FakeClient(lambda _: "Well met."), "m", store=path)
    assert factory.store
    with closing(factory.store):
        arena = ChatArena(factory)
        for npc_id in factory.npcs:
            for user_id in factory.user_ids:
                for message in factory.get_npc_chat_history(npc_id, user_id):
                    assert isinstance(message["content"], str)
                factory.chat_with_npc(npc_id, user_id, "Hello again!")
        for conversation_id in arena.conversations:
            arena.run_turn(conversation_id)
            arena.evaluate_conversation(conversation_id)
            assert_files_harmless(arena.get_conversation_history(conversation_id), path.name)


def logs(path: Path) -> Iterator[list[str]]:
    yield ["log", str(path)]
    yield ["log", str(path), "1", "--thoughts"]
    yield ["log", str(path), "4"]
    for ending in ("jsonl", "md", "html"):
        yield ["log", str(path), "--export", str(path.with_suffix(f".{ending}"))]


def check(path: Path) -> None:
    for arguments in logs(path):
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code in (0, 1), result.output
        assert "Traceback" not in result.output
    with suppress(NPCLabError):
        use(path)


@fuzz(40)
@example([(("messages", "seat"), 1, -2)])
@given(st.lists(st.tuples(st.sampled_from(COLUMNS), st.integers(1, 5), VALUES), min_size=1, max_size=3))
def test_any_value_in_any_row_is_read_or_refused(
    good: Path, place: Path, changes: list[tuple[tuple[str, str], int, Any]]
) -> None:
    path = fresh_copy(good, place)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for (table, column), first, value in changes:
            new = "?"
            if isinstance(value, str):  # halves of letters, too, which Python would not write
                new, value = "CAST(? AS TEXT)", value.encode("utf-8", "surrogatepass")
            with suppress(sqlite3.IntegrityError):  # SQLite itself refuses it
                connection.execute(f"UPDATE {table} SET {column} = {new} WHERE rowid >= ?", (value, first))
        connection.commit()
    check(path)


@fuzz(40)
@given(
    st.lists(st.tuples(st.integers(100, 200_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4)
)
def test_any_bytes_in_the_file_are_read_or_refused(
    good: Path, place: Path, changes: list[tuple[int, bytes]]
) -> None:
    path = fresh_copy(good, place)
    content = bytearray(path.read_bytes())
    for where, new in changes:
        where %= len(content)
        content[where : where + len(new)] = new
    path.write_bytes(content)
    check(path)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE turns DROP COLUMN usage",
        "ALTER TABLE messages RENAME TO lines_said",
        "DROP VIEW lines; CREATE VIEW lines AS SELECT thought AS words FROM turns",
        "DROP TABLE errors; CREATE TABLE errors (npc_id, user_id, at, question, kind, message)",
        "CREATE TRIGGER sly AFTER INSERT ON turns BEGIN DELETE FROM turns; END",
    ],
)
def test_a_file_whose_tables_were_changed_is_refused(good: Path, place: Path, change: str) -> None:
    path = fresh_copy(good, place)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(change)
    with pytest.raises(NPCLabError, match="changed by another program"):
        use(path)
    assert CliRunner().invoke(app, ["log", str(path)]).exit_code == 1


def test_what_others_add_beside_our_tables_is_no_trouble(good: Path, place: Path) -> None:
    path = fresh_copy(good, place)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE grades (user_id, grade); CREATE INDEX by_name ON npcs (name);"
            "CREATE VIEW talkers AS SELECT user_id FROM turns; ANALYZE; VACUUM"
        )
    use(path)
