"""`npc-lab log`: what was said is listed, shown and saved from a store's file; thoughts only if asked for."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from test_cli import one_line, run

from npc_lab import ChatArena, FakeClient, NPCFactory, NPCLabError, SimpleChatNPC, fake_error
from npc_lab.cli.log import Log
from npc_lab.store import schema

pytestmark = pytest.mark.python

THOUGHT = "He lies."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with three talks: Ann and Guy, Guy and Hans in the arena, Bob and Hans."""
    path = tmp_path / "lab.db"
    replies = [
        *(
            "Hail, Ann.",
            f"#SCRATCHPAD\n{THOUGHT}\n#ANSWER\nTaken back.",
            "Once more, Ann.",
            fake_error("quota"),
        ),
        *(f"#SCRATCHPAD\n{THOUGHT}\n#ANSWER\nI am Guy.", "<b>I am Hans.</b>", "Bob!"),
    ]
    factory = NPCFactory(FakeClient(replies), "m", store=path)
    guy = factory.register_npc("London", "You are Guy.", has_scratchpad=True)
    hans = factory.register_npc("London", "You are Hans.")
    ann, bob = factory.register_user("ann"), factory.register_user("bob")
    factory.chat_with_npc(guy, ann, "Hello!")
    factory.chat_with_npc(guy, ann, "Who?")
    factory.npcs[guy].take_back(ann)
    factory.chat_with_npc(guy, ann, "Who are you?")
    with pytest.raises(NPCLabError):
        factory.chat_with_npc(guy, ann, "And?")
    arena = ChatArena(factory)
    talk = arena.start_conversation(guy, hans, "Good day!")
    arena.run_conversation(talk, 2)
    arena.direct(talk, "It rains.")
    factory.chat_with_npc(hans, bob, "Hm?")
    assert factory.store
    factory.store.close()
    return path


def test_talks_are_listed_the_newest_first_with_numbers_turns_and_times(path: Path) -> None:
    result = run("log", str(path))
    assert result.code == 0
    assert [line.split()[:5] for line in result.lines] == [
        ["talk", "who", "turns", "last"],
        ["3", "bob", "and", "Hans", "1"],
        ["2", "Guy", "and", "Hans", "2"],
        ["1", "ann", "and", "Guy", "2"],
    ]
    assert (
        result.lines[1].split()[5:7] == Log(path).talk(3).last.astimezone().strftime("%Y-%m-%d %H:%M").split()
    )


def test_older_talks_are_named_and_not_listed(path: Path) -> None:
    result = run("log", str(path), "--limit", "1")
    assert "bob" in result.output
    assert "ann" not in result.output
    assert "2 older: --limit 3 shows all." in result.output
    assert "older" not in run("log", str(path), "--limit", "3").output


def test_a_talk_of_the_arena_is_shown_with_names_and_ending(path: Path) -> None:
    output = one_line(run("log", str(path), "2").output)
    assert output == (
        "Guy and Hans (opening) Good day! Guy I am Guy. Hans <b>I am Hans.</b> (director) It rains. "
        "(Stopped: 2 turns done.)"
    )


def test_a_chat_is_shown_with_what_was_taken_back_and_what_failed_below(path: Path) -> None:
    output = run("log", str(path), "1").output
    talk, _, below = output.partition("Once more, Ann.")
    assert one_line(talk) == "ann and Guy ann Hello! Guy Hail, Ann. ann Who are you? Guy"
    assert "taken back: Taken back." in below
    assert "no answer (quota): No credit or budget is left." in one_line(below)


def test_thoughts_are_shown_only_where_they_are_asked_for(path: Path) -> None:
    assert THOUGHT not in run("log", str(path), "2").everything
    assert "Guy (thinks) He lies. Guy I am Guy." in one_line(run("log", str(path), "2", "--thoughts").output)


def test_the_thoughts_of_a_class_of_ones_own_stand_with_its_lines(tmp_path: Path) -> None:
    class Loud(SimpleChatNPC):
        def chat(self, user_message: str, user_id: str) -> str:
            return super().chat(user_message, user_id).upper()

    path = tmp_path / "lab.db"
    replies = [f"#SCRATCHPAD\n{thought}\n#ANSWER\nHail." for thought in ("He lies.", "So do I.")]
    factory = NPCFactory(FakeClient(replies), "m", store=path)
    guy = factory.register_npc("London", "You are Guy.", has_scratchpad=True, npc_class=Loud)
    arena = ChatArena(factory)
    arena.run_conversation(arena.start_conversation(guy, guy, "Good day!"), 2)
    shown = one_line(run("log", str(path), "1", "--thoughts").output)
    assert "(thinks) He lies. Guy (seat 1) HAIL." in shown
    assert "(thinks) So do I. Guy (seat 2) HAIL." in shown


@pytest.mark.parametrize("talk", [["2"], []])
@pytest.mark.parametrize("ending", ["jsonl", "md", "html"])
def test_one_talk_or_all_are_saved_without_thoughts_unless_asked_for(
    path: Path, tmp_path: Path, ending: str, talk: list[str]
) -> None:
    file = tmp_path / f"out.{ending}"
    for thoughts in ([], ["--thoughts"]):
        result = run("log", str(path), *talk, "--export", str(file), *thoughts)
        assert result.code == 0
        assert str(file) in result.output.replace("\n", "")
        text = file.read_text(encoding="utf-8")
        assert (THOUGHT in text) is bool(thoughts)
        assert "I am Guy." in text
        assert ("Hail, Ann." in text) is not bool(talk)
        assert "Taken back." not in text
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lab.db", file.name]


def test_saved_json_lines_name_their_talk_where_there_are_many(path: Path, tmp_path: Path) -> None:
    def saved(*talk: str) -> list[dict[str, Any]]:
        file = tmp_path / "out.jsonl"
        run("log", str(path), *talk, "--export", str(file))
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    everything = saved()
    assert [line["talk"] for line in everything] == (
        ["1. ann and Guy"] * 4 + ["2. Guy and Hans"] * 4 + ["3. bob and Hans"] * 2
    )
    assert [(line["speaker"], line["seat"]) for line in everything[4:8]] == [
        ("(opening)", None),
        ("Guy", 1),
        ("Hans", 2),
        ("(director)", None),
    ]
    one = saved("2")
    assert [line["content"] for line in one] == ["Good day!", "I am Guy.", "<b>I am Hans.</b>", "It rains."]
    assert "talk" not in one[0]


def test_what_was_said_makes_no_markup_of_a_saved_page(path: Path, tmp_path: Path) -> None:
    run("log", str(path), "--export", str(tmp_path / "out.html"))
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert page.count("<h1") == 3
    assert page.count("</html>") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.db"], "There is no file"),
        (["."], "is a folder"),
        (["lab.db", "9"], "There is no talk 9"),
        (["lab.db", "--export", "out.pdf"], ".md, .jsonl or .html"),
        (["lab.db", "--export", "missing/out.md"], "There is no folder"),
        (["notes.txt"], "something else than a store"),
    ],
)
def test_what_cannot_be_is_said_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(path.parent)
    Path("notes.txt").write_text("Bread.")
    result = run("log", *arguments)
    assert result.code == 1
    assert words in one_line(result.notices)


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    NPCFactory(FakeClient([]), "m", store=tmp_path / "lab.db")
    assert "There is no talk in it yet." in run("log", str(tmp_path / "lab.db")).output


def test_the_file_is_only_read_also_while_somebody_writes(path: Path) -> None:
    before = path.read_bytes()
    run("log", str(path))
    run("log", str(path), "1")
    assert path.read_bytes() == before
    factory = NPCFactory(FakeClient(["New!"]), "m", store=path)
    factory.chat_with_npc(next(iter(factory.npcs)), factory.register_user("eve"), "Hello!")
    assert "eve and Guy" in run("log", str(path)).output  # what is not yet in the main file is seen, too


def test_a_file_in_a_folder_that_may_only_be_read_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def read_only_folder(address: str, **options: Any) -> sqlite3.Connection:  # root may write everywhere
        if "immutable" not in address:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(address, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only_folder)
    assert "ann and Guy" in run("log", str(path)).output


def test_a_talk_keeps_its_number_when_others_begin(path: Path) -> None:
    factory = NPCFactory(FakeClient(lambda messages: "Hm."), "m", store=path)
    guy = next(iter(factory.npcs))
    factory.chat_with_npc(guy, factory.register_user("ann"), "I am back.")
    factory.chat_with_npc(guy, factory.register_user("eve"), "Hello!")
    with closing(Log(path)) as log:
        assert [(talk.number, talk.title) for talk in log.talks()] == [
            (4, "eve and Guy"),
            (3, "bob and Hans"),
            (2, "Guy and Hans"),
            (1, "ann and Guy"),
        ]
        assert log.talk(1).turns == 3


def test_signs_that_would_move_a_terminal_are_not_in_the_list(tmp_path: Path) -> None:
    factory = NPCFactory(FakeClient(["Hail."]), "m", store=tmp_path / "lab.db")
    guy = factory.register_npc("London", "You are Guy.", name="\x1b[2JGuy\x07")
    factory.chat_with_npc(guy, factory.register_user("\x1b]0;ann\x07"), "Hello!")
    result = run("log", str(tmp_path / "lab.db"))
    assert result.code == 0
    assert "Guy" in result.everything
    assert not {"\x1b", "\x07"} & set(result.everything)


def test_where_the_newest_turns_cannot_be_read_it_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder where nothing may be written; root may write everywhere."""
    looked_at = schema._looked_at

    def only_read(address: str, path: Path) -> sqlite3.Connection:
        if "mode=rw" in address:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return looked_at(address, path)

    monkeypatch.setattr(schema, "_looked_at", only_read)
    assert run("log", str(path)).code == 0
    path.with_name("lab.db-wal").write_bytes(b"the newest turns")
    result = run("log", str(path))
    assert result.code == 1
    assert "lab.db-wal" in one_line(result.everything)
