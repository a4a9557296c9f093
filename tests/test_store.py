"""The store: what is in the file is what was said, whatever breaks, and whoever opens it again goes on."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from loopback import KEY, Status, Text
from panels import button, lines, text_of

from npc_lab import (
    ChatArena,
    FakeClient,
    FakeReply,
    NPCConfig,
    NPCFactory,
    NPCFactoryError,
    NPCLabError,
    ReplyError,
    SimpleChatNPC,
    StopOnText,
    fake_error,
)
from npc_lab.store import schema
from npc_lab.store.record import LazyDict

pytestmark = pytest.mark.python

KNIGHT = ("London", "You are Guy, a knight.")
MERCHANT = ("London", "You are Hans, a merchant.")
THINKING = "#SCRATCHPAD\nHe lies.\n#ANSWER\nHail, {}."


def echo(messages: list[dict[str, str]]) -> str:
    """Every reply is another one, and says what it answers."""
    return f"answer {len(messages) // 2} to: {messages[-1]['content'][-40:]}"


def factory_at(path: Path, replies: Any = echo) -> NPCFactory:
    return NPCFactory(FakeClient(replies), "a-model", store=path)


def arena_at(path: Path, replies: Any = echo) -> tuple[ChatArena, str, str]:
    factory = factory_at(path, replies)
    return ChatArena(factory), factory.register_npc(*KNIGHT), factory.register_npc(*MERCHANT)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What any SQLite tool would read."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def everything_in(path: Path) -> str:
    """All that stands in the file and in the files beside it, as text."""
    files = path.parent.glob(f"{path.name}*")
    return b"".join(file.read_bytes() for file in files).decode("utf-8", "replace")


def contents(messages: Any) -> list[str]:
    return [message.content for message in messages]


def memory_of(factory: NPCFactory, npc_id: str, user_id: str) -> tuple[Any, ...]:
    """What the NPC remembers, what it has forgotten, and what it would remember again."""
    history = factory.npcs[npc_id].chat_histories[user_id]
    return list(history), history.forgotten, history._forgotten_at_turn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lab.db"


# --- what is there again ----------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["blocks", "sliding", "all"])
def test_histories_are_as_they_were(path: Path, memory: str) -> None:
    first = factory_at(path)
    guy = first.register_npc(*KNIGHT, 6, memory=memory)
    ann = first.register_user("ann")
    for number in range(9):
        first.chat_with_npc(guy, ann, f"line {number}")
    second = factory_at(path)
    assert second.get_npc_chat_history(guy, ann) == first.get_npc_chat_history(guy, ann)
    assert memory_of(second, guy, ann) == memory_of(first, guy, ann)
    for factory in (first, second):  # and they go on alike
        factory.npcs[guy].take_back(ann)
        factory.npcs[guy].take_back(ann)
    assert memory_of(second, guy, ann) == memory_of(first, guy, ann)


def test_a_history_restored_knows_thoughts_and_reasoning_as_they_were_written(path: Path) -> None:
    replies = [THINKING.format("Ann"), FakeReply("Well.", reasoning="Careful."), "  Hm.\n"]
    first = factory_at(path, replies)
    guy = first.register_npc(*KNIGHT, has_scratchpad=True)
    ann = first.register_user("ann")
    for _ in replies:
        first.chat_with_npc(guy, ann, "Hello!")
    assert factory_at(path).get_npc_chat_history(guy, ann) == first.get_npc_chat_history(guy, ann)
    assert first.get_npc_chat_history(guy, ann)[3]["reasoning_content"] == "Careful."


@pytest.mark.parametrize("is_new_day", [False, True])
def test_a_memory_that_was_cleared_stays_so_once_something_more_was_said(
    path: Path, is_new_day: bool
) -> None:
    factory = with_knight(path)
    (guy,) = factory.npcs
    say(factory, "secret")
    say(factory, "secret, too")
    if is_new_day:
        factory = factory_at(path)
    factory.npcs[guy].chat_histories["ann"].clear()
    say(factory, "Who are you?")
    assert memory_of(factory_at(path), guy, "ann") == memory_of(factory, guy, "ann")
    assert len(factory_at(path).get_npc_chat_history(guy, "ann")) == 2
    assert rows(path, "SELECT count(*) FROM turns") == [(3,)]


def test_npcs_and_users_have_their_ids_sheets_and_order_again(path: Path) -> None:
    first = factory_at(path)
    more = {"name": "Guy", "secrets": ["gold"], "temperature": None, "memory": "all"}
    ids = [first.register_npc(*KNIGHT, 4, True, **more), first.register_npc(*MERCHANT)]
    for name in ("ann", "bob", "ann"):
        first.register_user(name)
    second = factory_at(path)
    assert list(second.npcs) == ids
    assert [second.npcs[each].config for each in ids] == [first.npcs[each].config for each in ids]
    assert second.user_ids == first.user_ids
    assert second.npcs[ids[0]].client is second.client


def test_a_notebook_that_is_run_again_makes_no_second_knight(path: Path) -> None:
    def notebook() -> tuple[list[str], NPCFactory]:
        factory = factory_at(path)
        twins = [factory.register_npc(*KNIGHT), factory.register_npc(*KNIGHT)]
        users = [factory.register_user("ann"), factory.register_user("ann")]
        for npc_id, user_id in zip(twins, users, strict=True):
            factory.chat_with_npc(npc_id, user_id, "Hello!")
        return [*twins, *users], factory

    ids, _ = notebook()
    same, factory = notebook()
    assert same == ids
    assert ids[2:] == ["ann", "ann_1"]
    assert len(factory.get_npc_chat_history(ids[1], "ann_1")) == 4
    assert len(factory.get_npc_chat_history(ids[0], "ann")) == 4
    assert factory.register_npc(*KNIGHT) not in ids
    assert factory.register_user("ann") == "ann_2"


RUNS = {  # what is said after each run of the cell that registers: True, or nothing: False
    "the old ones talked, too": [True, True],
    "the cell was run twice before anything was said": [False, True],
    "the last run was of no use": [True, False],
    "four runs": [True, False, True, False],
}


@pytest.mark.parametrize("runs", RUNS.values(), ids=RUNS)
def test_who_talked_last_comes_back_where_a_cell_was_run_twice(path: Path, runs: list[bool]) -> None:
    factory = factory_at(path)
    for number, talks in enumerate(runs):
        ids = factory.register_npc(*KNIGHT), factory.register_user("ann")
        if talks:
            factory.chat_with_npc(*ids, f"talk {number}")
            talked = ids
    talk = factory.get_npc_chat_history(*talked)
    for _ in range(2):
        factory = factory_at(path)
        assert (factory.register_npc(*KNIGHT), factory.register_user("ann")) == talked
        assert factory.get_npc_chat_history(*talked) == talk


def test_twins_come_back_in_their_order_also_where_their_cell_was_run_twice(path: Path) -> None:
    arena = ChatArena(factory_at(path))
    for _ in range(2):
        twins = [arena.npc_factory.register_npc(*KNIGHT) for _ in range(2)]
        talk = arena.start_conversation(*twins)
        arena.run_conversation(talk, 2)
    again = factory_at(path)
    assert [again.register_npc(*KNIGHT) for _ in range(2)] == twins
    assert ChatArena(again).latest_conversation(*twins) == talk


def test_a_class_of_ones_own_comes_back_as_the_one_who_talked_last(path: Path) -> None:
    class Mine(SimpleChatNPC):
        pass

    factory = factory_at(path)
    for npc_class in (Mine, Mine, SimpleChatNPC):
        guy = factory.register_npc(*KNIGHT, npc_class=npc_class)
        factory.chat_with_npc(guy, factory.register_user("ann"), "Hello!")
    mine = list(factory.npcs)[1]
    assert factory_at(path).register_npc(*KNIGHT, npc_class=Mine) == mine


def test_what_was_changed_on_a_sheet_is_said_and_the_npc_goes_on(path: Path, capsys: Any) -> None:
    first = factory_at(path)
    guy, ann = first.register_npc(*KNIGHT), first.register_user("ann")
    first.chat_with_npc(guy, ann, "Hello!")
    assert capsys.readouterr().out == ""
    second = factory_at(path)
    assert second.register_npc(*KNIGHT, 4, temperature=0.9, request_options={"stop": ["x" * 500]}) == guy
    said = capsys.readouterr().out
    assert said.startswith(f"Guy ({guy}) goes on with a changed sheet: history_size is 4 now, and was 10; ")
    assert "temperature is 0.9 now, and was 0.6; request_options is " in said
    assert len(said) < 400
    assert len(second.get_npc_chat_history(guy, second.register_user("ann"))) == 2
    second.chat_with_npc(guy, ann, "Hello again!")
    third = factory_at(path)
    assert third.npcs[guy].config.temperature == 0.9
    assert third.register_npc(*KNIGHT) == guy  # the sheet that it once had
    assert capsys.readouterr().out == ""


def test_of_two_with_changed_sheets_the_one_who_talked_last_goes_on(path: Path, capsys: Any) -> None:
    factory = factory_at(path)
    for _ in range(2):
        guy = factory.register_npc(*KNIGHT)
        factory.chat_with_npc(guy, factory.register_user("ann"), "Hello!")
    factory = factory_at(path)
    assert factory.register_npc(*KNIGHT, temperature=0) == guy
    assert factory.register_npc(*KNIGHT, temperature=0) != guy
    assert capsys.readouterr().out.count("temperature is 0 now") == 2


def test_somebody_else_of_the_same_name_is_new_and_this_is_said(path: Path, capsys: Any) -> None:
    first = factory_at(path)
    guy, hans = first.register_npc(*KNIGHT), first.register_npc(*MERCHANT)
    first.chat_with_npc(guy, first.register_user("ann"), "Hello!")
    second = factory_at(path)
    new = second.register_npc(*KNIGHT, goal="bread", secrets=["gold"])
    assert new not in (guy, hans)
    said = capsys.readouterr().out
    assert f"Guy ({new}) is new and remembers nothing: its goal and secrets is not that of {guy}," in said
    assert second.register_npc(*MERCHANT, goal="bread") != hans  # nobody talked with the old one
    assert second.register_npc("London", "You are Wat, a page.") not in (guy, hans)
    assert second.register_npc(*KNIGHT) == guy
    assert second.register_npc(*KNIGHT, goal="gold") not in (guy, hans, new)  # nobody is left to be missed
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["half \ud83d", "\ud83d\ude00", f"my key is {KEY}"])
def test_a_name_that_is_written_otherwise_has_the_same_id_the_next_day(
    path: Path, loopback: Any, name: str
) -> None:
    from npc_lab.widgets import chat_box

    client = loopback([Text("Hail.")] * 4).client()
    ids = []
    for _ in range(2):
        factory = NPCFactory(client, "m", store=path)
        guy, ann = factory.register_npc(*KNIGHT), factory.register_user(name)
        ids.append(ann)
        factory.chat_with_npc(guy, ann, "Hello!")
        box = chat_box(factory, guy, user=name)
        box.say("Good day!")
        assert list(factory.user_ids) == [ann]
    assert ids[0] == ids[1]
    assert len(factory.get_npc_chat_history(guy, ann)) == 8


@pytest.mark.parametrize("name", ["system", "director", "System ", "DIRECTOR"])
def test_no_npc_may_have_the_name_of_another_sender(name: str) -> None:
    factory = NPCFactory(FakeClient(echo), "m")
    with pytest.raises(NPCFactoryError, match=r"cannot be called .* Choose another name"):
        factory.register_npc(*KNIGHT, name=name)
    with pytest.raises(NPCFactoryError, match="cannot be called"):
        factory.npcs[name] = SimpleChatNPC(factory.client, "m", NPCConfig(*KNIGHT))
    assert not factory.npcs
    assert factory.register_npc("a film", "You are Director Krennic, an officer.")


def test_another_sheet_is_another_npc(path: Path) -> None:
    guy = factory_at(path).register_npc(*KNIGHT)
    factory = factory_at(path)
    assert factory.register_npc(*KNIGHT, goal="bread") != guy
    assert factory.register_npc(*KNIGHT) == guy


def test_a_sheet_that_was_changed_is_kept_and_the_old_one_can_still_be_asked_for(path: Path) -> None:
    first = factory_at(path)
    guy, ann = first.register_npc(*KNIGHT), first.register_user("ann")
    first.npcs[guy].config.goal = "bread"
    first.chat_with_npc(guy, ann, "Hello!")
    second = factory_at(path)
    assert second.npcs[guy].config.goal == "bread"
    assert second.register_npc(*KNIGHT) == guy
    assert second.npcs[guy].config.goal == ""  # what the cell says is what it gets
    second.chat_with_npc(guy, ann, "Hello again!")
    third = factory_at(path)
    assert third.npcs[guy].config.goal == ""
    assert third.register_npc(*KNIGHT, goal="bread") == guy


def test_a_talk_in_the_arena_goes_on_with_the_same_next_speaker(path: Path) -> None:
    first, guy, hans = arena_at(path)
    talk = first.start_conversation(guy, hans, "Good day!")
    silent = first.start_conversation(hans, guy, "")
    first.run_conversation(talk, 3, stop=StopOnText("nothing"))
    first.direct(talk, "It begins to rain.")
    first.evaluate_conversation(talk)
    second, *ids = arena_at(path)
    assert ids == [guy, hans]
    assert dict(second.conversations) == dict(first.conversations)
    assert list(second.conversations) == [talk, silent]
    assert second.conversations[talk]["current_turn"] == hans
    assert second.conversations[talk]["metrics"]["turn_count"] == 3
    assert second.conversations[talk]["stop_reason"] == "3 turns done"
    assert second.conversations[silent]["messages"] == []
    assert second.register_npc_in_arena(guy) == first.register_npc_in_arena(guy)
    assert second.run_turn(talk) == first.run_turn(talk)  # the director's line is heard, all is remembered
    assert "rain" in second.get_conversation_history(talk)[-1].content


def test_a_failed_run_leaves_its_reason_and_the_same_speaker(path: Path) -> None:
    first, guy, hans = arena_at(path, ["Hail.", fake_error("rate_limit")])
    talk = first.start_conversation(guy, hans)
    first.run_conversation(talk, 4)
    second, *_ = arena_at(path)
    assert second.conversations[talk]["stop_reason"] == first.conversations[talk]["stop_reason"]
    assert "slow down" in second.conversations[talk]["stop_reason"]
    assert second.conversations[talk]["current_turn"] == hans
    assert second.run_turn(talk)[0]


def test_the_latest_conversation_of_a_pair_is_found(path: Path) -> None:
    first, guy, hans = arena_at(path)
    assert first.latest_conversation(guy, hans) is None
    one, two = (first.start_conversation(guy, hans, opening) for opening in ("Hello!", "Good day!"))
    for arena in (first, arena_at(path)[0]):
        assert arena.latest_conversation(guy, hans) == two
        assert arena.latest_conversation(guy, hans, "Hello!") == one
        assert arena.latest_conversation(guy, hans, "Hm.") is None
        assert arena.latest_conversation(hans, guy) is None


def test_someone_who_talks_with_themself_has_two_memories_again(path: Path) -> None:
    first, guy, _ = arena_at(path)
    talk = first.start_conversation(guy, guy)
    first.run_conversation(talk, 5)
    second, *_ = arena_at(path)
    for seat in ("npc1_user_id", "npc2_user_id"):
        user_id = second.conversations[talk][seat]
        history = second.npc_factory.get_npc_chat_history(guy, user_id)
        assert history == first.npc_factory.get_npc_chat_history(guy, user_id)
        assert history


def test_an_arena_of_a_learners_own_keeps_what_its_npcs_said(path: Path) -> None:
    class Mine:
        def __init__(self, factory: Any):
            self.factory = factory

        def run(self, npc_id: str) -> str:
            return str(self.factory.chat_with_npc(npc_id, self.factory.register_user("partner"), "Hello!"))

    factory = factory_at(path)
    guy = factory.register_npc(*KNIGHT)
    Mine(factory).run(guy)
    assert len(factory_at(path).get_npc_chat_history(guy, "partner")) == 2


def test_our_arena_works_with_a_factory_that_means_something_else_by_store() -> None:
    factory = NPCFactory(FakeClient(echo), "m")
    guy, hans = factory.register_npc(*KNIGHT), factory.register_npc(*MERCHANT)
    factory.store = {"bread": 3}  # type: ignore[assignment]
    arena = ChatArena(factory)
    factory.store = None
    talk = arena.start_conversation(guy, hans)
    assert len(arena.run_conversation(talk, 2)) == 3


def test_users_and_talks_stay_apart(path: Path) -> None:
    first, guy, hans = arena_at(path)
    ann, bob = first.npc_factory.register_user("ann"), first.npc_factory.register_user("bob")
    talks = [first.start_conversation(guy, hans) for _ in range(2)]
    first.npc_factory.chat_with_npc(guy, ann, "secret of ann")
    first.npc_factory.chat_with_npc(guy, bob, "secret of bob")
    first.run_conversation(talks[0], 2)
    second, *_ = arena_at(path)
    assert "ann" not in json.dumps(second.npc_factory.get_npc_chat_history(guy, bob))
    assert second.npc_factory.get_npc_chat_history(hans, ann) == []
    assert len(second.get_conversation_history(talks[1])) == 1
    other = second.conversations[talks[1]]["npc2_user_id"]
    assert second.npc_factory.get_npc_chat_history(guy, other) == []


# --- takes, errors, and what else is in the file ----------------------------------------------------


def test_an_answer_that_was_taken_back_is_marked_and_stays_in_the_file(path: Path) -> None:
    factory = factory_at(path, ["first", "second"])
    guy, ann = factory.register_npc(*KNIGHT), factory.register_user("ann")
    factory.chat_with_npc(guy, ann, "Hello!")
    taken = factory.npcs[guy].take_back(ann)
    assert factory_at(path).get_npc_chat_history(guy, ann) == []
    factory.chat_with_npc(guy, ann, "Hello!")
    answers = "SELECT answer, remembered IS NOT NULL FROM turns ORDER BY id"
    assert rows(path, answers) == [("first", 0), ("second", 1)]
    factory.npcs[guy].take_back(ann)
    factory.npcs[guy].give_back(ann, taken)
    assert rows(path, answers) == [("first", 1), ("second", 0)]
    assert factory_at(path).get_npc_chat_history(guy, ann) == taken


def test_of_two_turns_with_the_same_words_the_last_one_is_taken_back(path: Path) -> None:
    factory = factory_at(path, ["Yes.", "No.", "Yes."])
    guy, ann = factory.register_npc(*KNIGHT), factory.register_user("ann")
    for _ in range(3):
        factory.chat_with_npc(guy, ann, "Well?")
    factory.npcs[guy].take_back(ann)
    said = [message["content"] for message in factory_at(path).get_npc_chat_history(guy, ann)]
    assert said == ["Well?", "Yes.", "Well?", "No."]


def test_what_is_given_back_in_another_order_or_was_written_by_hand_is_remembered_so(path: Path) -> None:
    first = factory_at(path)
    guy, ann = first.register_npc(*KNIGHT, has_scratchpad=True), first.register_user("ann")
    for number in range(3):
        first.chat_with_npc(guy, ann, f"line {number}")
    npc = first.npcs[guy]
    last, middle = npc.take_back(ann), npc.take_back(ann)
    npc.give_back(ann, last)
    npc.give_back(ann, middle)
    by_hand = [
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": THINKING.format("king")},
    ]
    npc.give_back(ann, by_hand)
    assert factory_at(path).get_npc_chat_history(guy, ann) == first.get_npc_chat_history(guy, ann)
    assert rows(path, "SELECT answer, thought FROM turns ORDER BY id DESC LIMIT 1") == [
        ("Hail, king.", "He lies.")
    ]


def test_thoughts_stand_in_columns_of_their_own(path: Path) -> None:
    replies = [THINKING.format("Ann"), FakeReply("Well.", reasoning="He lies, too.")]
    arena, guy, _ = arena_at(path, replies)
    thinker = arena.npc_factory.register_npc(*KNIGHT, has_scratchpad=True)
    talk = arena.start_conversation(thinker, guy)
    arena.run_conversation(talk, 2)
    assert rows(path, "SELECT answer, thought, reasoning FROM turns ORDER BY id") == [
        ("Hail, Ann.", "He lies.", None),
        ("Well.", "He lies, too.", "He lies, too."),
    ]
    private = {"thought", "reasoning", "raw"}
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        ).fetchall()
        for (name,) in names:
            columns = [each[1] for each in connection.execute(f"PRAGMA table_info({name})")]
            public = ", ".join(column for column in columns if column not in private)
            assert "He lies" not in str(connection.execute(f"SELECT {public} FROM {name}").fetchall())


def test_the_view_lines_reads_well(path: Path) -> None:
    arena, guy, hans = arena_at(path, lambda messages: "Hail.")
    ann = arena.npc_factory.register_user("ann")
    talk = arena.start_conversation(guy, hans, "Hello!")
    arena.run_conversation(talk, 2)
    arena.direct(talk, "Rain.")
    arena.npc_factory.chat_with_npc(guy, ann, "Who are you?")
    arena.npc_factory.chat_with_npc(guy, ann, "Who?")
    arena.npc_factory.npcs[guy].take_back(ann)
    assert rows(path, "SELECT talk, speaker, words FROM lines") == [
        ("ann and Guy", "ann", "Who are you?"),
        ("ann and Guy", "Guy", "Hail."),
        (talk, "system", "Hello!"),
        (talk, "Guy", "Hail."),
        (talk, "Hans", "Hail."),
        (talk, "director", "Rain."),
    ]


def test_no_private_thought_is_in_the_view_lines(path: Path) -> None:
    arena, _, hans = arena_at(path, lambda _: THINKING.format("Ann"))
    factory = arena.npc_factory
    thinker, ann = factory.register_npc(*KNIGHT, has_scratchpad=True), factory.register_user("ann")
    factory.chat_with_npc(thinker, ann, "Hello!")
    arena.run_conversation(arena.start_conversation(thinker, hans), 1)
    assert [words for (words,) in rows(path, "SELECT words FROM lines WHERE speaker = 'Guy'")] == [
        "Hail, Ann."
    ] * 2
    assert "He lies" not in str(rows(path, "SELECT * FROM lines"))


def test_a_turn_has_its_model_usage_seconds_and_ending(path: Path, loopback: Any) -> None:
    server = loopback([Text("Hail.", finish_reason="length")])
    factory = NPCFactory(server.client(), "asked-for", store=path)
    factory.chat_with_npc(factory.register_npc(*KNIGHT), factory.register_user("ann"), "Hello!")
    ((model, usage, seconds, ending, sheet),) = rows(
        path,
        "SELECT model, usage, seconds, finish_reason, sheet FROM turns JOIN sheets ON sheets.id = sheet_id",
    )
    assert (model, ending) == ("asked-for", "length")
    assert json.loads(usage)["completion_tokens"] > 0
    assert 0 < seconds < 60
    assert json.loads(sheet)["character_description"] == KNIGHT[1]


def test_why_there_was_no_answer_is_kept(path: Path) -> None:
    factory = factory_at(path, [fake_error("quota"), FakeReply("cut", finish_reason=None)])
    guy, ann = factory.register_npc(*KNIGHT), factory.register_user("ann")
    with pytest.raises(ReplyError) as quota:
        factory.chat_with_npc(guy, ann, "Hello!")
    with pytest.raises(ReplyError, match="broke off"):
        list(factory.stream_with_npc(guy, ann, "Hello?"))
    assert rows(path, "SELECT question, kind, message FROM errors")[0] == (
        "Hello!",
        "quota",
        str(quota.value),
    )
    assert rows(path, "SELECT kind FROM errors") == [("quota",), ("interrupted_stream",)]
    assert rows(path, "SELECT count(*) FROM turns") == [(0,)]


def test_a_stopped_stream_leaves_nothing(path: Path) -> None:
    factory = factory_at(path)
    stream = factory.stream_with_npc(factory.register_npc(*KNIGHT), factory.register_user("ann"), "Hello!")
    next(stream)
    stream.close()
    assert rows(path, "SELECT (SELECT count(*) FROM turns) + (SELECT count(*) FROM errors)") == [(0,)]


def test_no_key_is_ever_in_the_file(path: Path, loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    echoed = Text(f"Your key is {KEY}.", reasoning=f"I saw {KEY}")
    server = loopback([echoed, Status(400, f"Bad key {KEY}"), Text("#SCRATCHPAD\n" + KEY + "\n#ANSWER\nHm.")])
    client = server.client()
    monkeypatch.setattr(type(client), "__repr__", lambda self: f"Client({KEY})")
    factory = NPCFactory(client, "m", store=path)
    arena = ChatArena(factory)
    guy = factory.register_npc("London", f"My key is {KEY}", has_scratchpad=False, goal=repr(client))
    other = factory.register_npc(*MERCHANT, has_scratchpad=True)
    user = factory.register_user(f"user {KEY}")
    factory.chat_with_npc(guy, user, f"My key is {KEY}!")
    with pytest.raises(ReplyError):
        factory.chat_with_npc(guy, user, f"Is {KEY} good?")
    talk = arena.start_conversation(other, guy, f"Take {KEY}")
    arena.run_turn(talk)
    arena.direct(talk, f"Say {KEY}")
    assert rows(path, "SELECT count(*) FROM turns") == [(2,)]
    assert KEY not in everything_in(path)
    assert KEY[3:20] not in everything_in(path)


def test_the_key_of_a_client_that_one_npc_has_alone_is_not_in_the_file_either(
    path: Path, loopback: Any
) -> None:
    server = loopback([f"Your key is {KEY}.", Status(400, "No.")])
    factory = factory_at(path)
    guy, ann = factory.register_npc(*KNIGHT), factory.register_user("ann")
    factory.npcs[guy].client = server.client()
    factory.chat_with_npc(guy, ann, f"My key is {KEY}!")
    other = factory.register_npc(*MERCHANT)
    factory.npcs[other].client = server.client(api_key=KEY[::-1])
    with pytest.raises(ReplyError):
        factory.chat_with_npc(other, ann, f"Mine is {KEY[::-1]}!")
    assert rows(path, "SELECT (SELECT count(*) FROM turns), (SELECT count(*) FROM errors)") == [(1, 1)]
    assert KEY not in everything_in(path)
    assert KEY[::-1] not in everything_in(path)


def test_the_beginning_of_a_key_may_be_talked_about(path: Path, loopback: Any) -> None:
    factory = NPCFactory(loopback(f"Keys begin with {KEY[:8]}.").client(), "m", store=path)
    guy, ann = factory.register_npc(*KNIGHT), factory.register_user("ann")
    factory.chat_with_npc(guy, ann, f"Is {KEY[:8]} a beginning?")
    said = [(f"Is {KEY[:8]} a beginning?", f"Keys begin with {KEY[:8]}.")]
    assert rows(path, "SELECT question, answer FROM turns") == said


def test_half_an_emoji_and_strange_letters_can_be_kept(path: Path) -> None:
    first = factory_at(path, ["\x00 nul, \ud83d half, \u2028 line, 🦀"])
    guy = first.register_npc("w\ud800", "c\x00")
    ann = first.register_user("ann'; DROP TABLE turns; --")
    first.chat_with_npc(guy, ann, "\udc00?")
    arena = ChatArena(first)
    arena.direct(arena.start_conversation(guy, guy, "\ud83d!"), "\udc00")
    second = factory_at(path)
    assert second.get_npc_chat_history(guy, ann) == first.get_npc_chat_history(guy, ann)
    assert second.register_npc("w\ud800", "c\x00") == guy


# --- killed -----------------------------------------------------------------------------------------


def check_after_a_kill(path: Path, done: list[str]) -> None:
    """The file opens, every line reported as done is there, none twice, and the talk goes on."""
    arena, guy, hans = arena_at(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    talk = arena.latest_conversation(guy, hans)
    if talk is None:
        assert done == []
        return
    lines = arena.get_conversation_history(talk)
    spoken = [message.content for message in lines if message.seat]
    assert spoken[: len(done)] == done
    assert len(spoken) <= len(done) + 1  # the one that was written and not yet reported
    assert [message.seat for message in lines if message.seat] == [1 + n % 2 for n in range(len(spoken))]
    conversation = arena.conversations[talk]
    said = 0
    for npc_id, user in ((guy, "npc2_user_id"), (hans, "npc1_user_id")):
        history = arena.npc_factory.npcs[npc_id].chat_histories.get(conversation[user], [])
        answers = [
            m["content"] for m in [*getattr(history, "forgotten", []), *history] if m["role"] == "assistant"
        ]
        assert (
            answers == spoken[(0 if npc_id == guy else 1) :: 2]
        )  # the line and the memory of it, or neither
        said += len(answers)
    assert said == len(spoken)
    assert conversation["current_turn"] == (hans if len(spoken) % 2 else guy)
    assert arena.run_turn(talk)[0]


def run_until(path: Path, statement: int) -> tuple[list[str], bool]:
    """Let a child talk, killed before this statement: the lines it reported, and whether it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        counted = 0

        def watch(_: str) -> None:
            nonlocal counted
            counted += 1
            if counted > statement:
                os.kill(os.getpid(), signal.SIGKILL)

        connect = sqlite3.connect

        def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(watch)
            return connection

        schema.sqlite3.connect = watched  # type: ignore[attr-defined]
        try:
            arena, guy, hans = arena_at(path)
            talk = arena.start_conversation(guy, hans)
            for _ in range(3):
                _, line = arena.run_turn(talk)
                os.write(writing, json.dumps(line).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        done = [json.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    return done, os.WIFSIGNALED(status)


def kill_before_each_statement(folder: Path) -> None:
    """Print for each statement, as a line of JSON, which lines were reported before that kill."""
    was_killed, statement = True, 0
    while was_killed:
        done, was_killed = run_until(folder / f"{statement}.db", statement)
        print(json.dumps(done), flush=True)
        statement += 1


@pytest.mark.long
@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_killed_before_any_statement_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from test_store import kill_before_each_statement; kill_before_each_statement(Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path)]
    # A process of its own, because only one that has one thread may fork.
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    reported = [json.loads(line) for line in result.stdout.splitlines()]
    for statement, done in enumerate(reported):
        check_after_a_kill(tmp_path / f"{statement}.db", done)
    assert len(reported[-1]) == 3
    assert len(reported) > 40  # the tables, the people, the talk, three turns


TALKER = """
import json, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_store import arena_at
arena, guy, hans = arena_at(Path(sys.argv[1]))
talk = arena.latest_conversation(guy, hans) or arena.start_conversation(guy, hans)
while True:
    print(json.dumps(arena.run_turn(talk)[1]), flush=True)
"""


@pytest.mark.long
@pytest.mark.once
def test_killed_at_random_moments_it_goes_on_each_time(path: Path) -> None:
    done: list[str] = []
    for _ in range(3):
        command = [sys.executable, "-c", TALKER, str(path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            heard = [child.stdout.readline() for _ in range(random.randint(1, 30))]
            child.kill()
            heard += child.stdout.readlines()
        done += [json.loads(line) for line in heard if line.endswith("\n")]
        check_after_a_kill(path, done)
        arena, guy, hans = arena_at(path)
        history = arena.get_conversation_history(arena.latest_conversation(guy, hans) or "")
        done = [message.content for message in history if message.seat]
    assert len(done) >= 3


def test_a_new_answer_takes_the_old_ones_place_in_one_step(path: Path) -> None:
    factory = factory_at(path, ["first", "second"])
    guy, ann = factory.register_npc(*KNIGHT), factory.register_user("ann")
    factory.chat_with_npc(guy, ann, "Hello!")
    assert factory.store
    with factory.store.together():
        factory.npcs[guy].take_back(ann)
        assert [m["content"] for m in factory_at(path).get_npc_chat_history(guy, ann)] == ["Hello!", "first"]
        factory.chat_with_npc(guy, ann, "Hello!")
    assert [m["content"] for m in factory_at(path).get_npc_chat_history(guy, ann)] == ["Hello!", "second"]


def test_what_was_written_together_is_there_as_a_whole_or_not_at_all_wherever_it_fails(path: Path) -> None:
    arena, guy, hans = arena_at(path)
    talk = arena.start_conversation(guy, hans)
    store = arena.npc_factory.store
    counts = "SELECT (SELECT count(*) FROM turns), (SELECT count(*) FROM messages WHERE seat IS NOT NULL)"
    steps = ["INSERT INTO turns", "INSERT INTO messages"]
    for number, step in enumerate(steps):

        def refuse(action: int, table: str | None, *_: Any, forbidden: str = step.split()[-1]) -> int:
            is_it = action == sqlite3.SQLITE_INSERT and table == forbidden
            return sqlite3.SQLITE_DENY if is_it else sqlite3.SQLITE_OK

        store._connection.set_authorizer(refuse)
        assert arena.run_turn(talk)[0]
        assert rows(path, counts) == [(2 * number, 2 * number)]
        assert store.problem
        store._connection.set_authorizer(None)
        assert arena.run_turn(talk)[0]
        assert not store.problem
        assert rows(path, counts) == [(2 * number + 2, 2 * number + 2)]
    check_after_a_kill(path, [message.content for message in arena.get_conversation_history(talk)[1:]])


class CtrlC:
    """A connection during which Ctrl-C is pressed: before or after the first statement with this word."""

    def __init__(self, connection: sqlite3.Connection, word: str, when: str):
        self._connection, self._word, self._when = connection, word, when
        self._is_pressed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        is_now = self._word in statement and not self._is_pressed
        self._is_pressed |= is_now
        if is_now and self._when == "before":
            raise KeyboardInterrupt
        result = self._connection.execute(statement, *parameters)
        if is_now:
            raise KeyboardInterrupt
        return result


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("word", ["BEGIN", "INSERT INTO turns", "COMMIT"])
def test_ctrl_c_while_it_is_written_loses_nothing_and_writes_nothing_twice(
    path: Path, word: str, when: str
) -> None:
    factory = with_knight(path)
    store: Any = factory.store
    connection = store._connection
    store._connection = CtrlC(connection, word, when)
    with pytest.raises(KeyboardInterrupt):
        say(factory, "interrupted")
    store._connection = connection
    say(factory, "after")
    assert rows(path, "SELECT question FROM turns ORDER BY id") == [("interrupted",), ("after",)]
    (guy,) = factory.npcs
    assert memory_of(factory_at(path), guy, "ann") == memory_of(factory, guy, "ann")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("word", ["BEGIN", "INSERT INTO messages", "COMMIT"])
def test_ctrl_c_while_an_arenas_line_is_written_leaves_memory_and_file_the_same(
    path: Path, word: str, when: str
) -> None:
    arena, guy, hans = arena_at(path)
    talk = arena.start_conversation(guy, hans)
    store = arena.npc_factory.store
    connection = store._connection
    store._connection = CtrlC(connection, word, when)
    with pytest.raises(KeyboardInterrupt):
        arena.run_turn(talk)
    store._connection = connection
    assert arena.run_turn(talk)[0]
    assert [message.seat for message in arena.get_conversation_history(talk)] == [None, 1, 2]
    assert dict(arena_at(path)[0].conversations) == dict(arena.conversations)


# --- files that cannot be opened --------------------------------------------------------------------


def refused(path: Path) -> str:
    """Opening raises; what the file says, unchanged, is read before and after."""
    before = path.read_bytes() if path.is_file() else None
    around = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(NPCLabError) as error:
        factory_at(path)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == around
    assert "Traceback" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("newer", [schema.SCHEMA + 1, 99])
def test_a_newer_file_is_refused_and_left_as_it_is(path: Path, newer: int) -> None:
    factory_at(path).store.close()  # type: ignore[union-attr]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    assert "newer npc_lab" in refused(path)


def test_files_of_other_programs_are_refused_and_left_as_they_are(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE moz_places (url)")
    assert "another program" in refused(path)
    notes = tmp_path / "notes.txt"
    notes.write_text("Bread, milk. " * 50)
    assert "something else" in refused(notes)
    notes.write_text("Bread")
    assert "something else" in refused(notes)


def test_a_damaged_file_is_an_error_in_words(path: Path) -> None:
    factory = factory_at(path)
    factory.register_npc(*KNIGHT)
    factory.store.close()  # type: ignore[union-attr]
    content = bytearray(path.read_bytes())
    content[100:] = os.urandom(len(content) - 100)
    path.write_bytes(content)
    with pytest.raises(NPCLabError, match=r"lab\.db.*damaged"):
        factory_at(path)


def test_a_character_in_it_that_is_none_is_an_error_in_words(path: Path) -> None:
    factory_at(path).register_npc(*KNIGHT)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('UPDATE sheets SET sheet = \'{"history_size": "many"}\'')
        connection.commit()
    with pytest.raises(NPCLabError, match=r"lab\.db.* holds something that npc_lab did not write"):
        factory_at(path)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("UPDATE sheets SET sheet = ?", DEEP),
        ("UPDATE sheets SET sheet = ?", '{"goal": ' * 100_000),
        ("UPDATE sheets SET sheet = ?", f'{{"request_options": {{"x": {DEEP}'),
        ("UPDATE sheets SET sheet = ?", "null"),
        ("UPDATE sheets SET sheet = ?", '["a world"]'),
        ("UPDATE sheets SET sheet = ?", '{"world_description": "a", "character_description": {}}'),
        ("UPDATE OR REPLACE sheets SET npc_id = ? WHERE id = 1", "system"),
        ("UPDATE conversations SET metrics = ?", DEEP),
        ("UPDATE npcs SET at = ?", "yesterday"),
        ("UPDATE turns SET at = ?", "soon"),
        ("UPDATE users SET at = ?", 3),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_that_nobody_wrote_so_is_one_error_in_words(path: Path, change: str, value: Any) -> None:
    arena, guy, hans = arena_at(path)
    arena.run_conversation(arena.start_conversation(guy, hans), 2)
    factory = arena.npc_factory
    assert factory.register_npc(*KNIGHT) != guy
    for _ in range(2):
        factory.chat_with_npc(guy, factory.register_user("ann"), "Hello!")
    factory.store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change, (value,))
        connection.commit()

    def open_again() -> None:
        arena, *_ = arena_at(path)
        arena.npc_factory.register_user("ann")
        list(arena.conversations.values())

    with pytest.raises(NPCLabError) as caught:
        open_again()
    assert len(str(caught.value)) < 400


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    assert "no folder" in refused(tmp_path / "missing" / "lab.db")
    assert "is a folder" in refused(tmp_path)
    with pytest.raises(NPCLabError, match="named by a path"):
        NPCFactory(FakeClient(echo), "m", store=3)  # type: ignore[arg-type]


def test_where_a_file_may_only_be_read_its_talks_go_on_in_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    first, guy, hans = arena_at(path)
    talk = first.start_conversation(guy, hans)
    first.run_conversation(talk, 3)
    first.npc_factory.store.close()
    before = path.read_bytes()
    connect = sqlite3.connect

    def read_only(place: Any, **options: Any) -> sqlite3.Connection:  # root may write everywhere
        if place == ":memory:":
            return connect(place, **options)
        address = str(place) if options.pop("uri", False) else Path(place).as_uri()
        return connect(f"{address.partition('?')[0]}?mode=ro", uri=True, **options)

    monkeypatch.setattr(schema.sqlite3, "connect", read_only)  # type: ignore[attr-defined]
    second, *_ = arena_at(path)
    assert contents(second.get_conversation_history(talk)) == contents(first.get_conversation_history(talk))
    assert second.conversations[talk]["current_turn"] == hans
    assert len(second.run_conversation(talk, 2)) == 6
    assert "may only be read" in second.npc_factory.store.problem
    assert capsys.readouterr().err.count("goes on in memory") == 1
    assert path.read_bytes() == before


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux")
def test_where_no_file_can_be_made_the_talk_goes_on_in_memory(capsys: Any) -> None:
    factory = factory_at(Path("/proc/lab.db"))
    factory.register_npc(*KNIGHT)
    factory.register_user("ann")
    assert say(factory, "Hello!")
    assert "cannot be opened or made" in factory.store.problem  # type: ignore[union-attr]
    assert capsys.readouterr().err.count("goes on in memory") == 1


@pytest.mark.parametrize("name", ["a\0b.db", "x" * 300])
def test_what_no_file_can_be_called_is_an_error_in_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(NPCLabError, match="cannot be read or made"):
        factory_at(tmp_path / name)


def test_it_is_kept_as_the_module_says(path: Path) -> None:
    """What was committed outlives a killed process, readers do not wait, rows point to what is there."""
    store = factory_at(path).store
    assert store
    assert [store.read(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")] == [
        [("wal",)],
        [(1,)],
        [(1,)],
    ]


def test_who_is_killed_while_tables_are_made_finds_a_store_all_the_same(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "making.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # so that it writes before it is asked to
        connection.execute("BEGIN IMMEDIATE")
        for statement in schema._statements():
            connection.execute(statement)
        shutil.copy(tmp_path / "making.db", path)
        shutil.copy(tmp_path / "making.db-journal", f"{path}-journal")
    assert path.stat().st_size > 0
    with_knight(path)
    assert len(factory_at(path).npcs) == 1


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    factory_at(path).register_user("ann")
    assert factory_at(path).user_ids == {"ann": "ann"}


def test_a_path_may_be_relative_and_the_folder_may_be_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    factory = NPCFactory(FakeClient(echo), "m", store="lab.db")
    monkeypatch.chdir("/")
    factory.register_user("ann")
    assert factory.store
    assert not factory.store.problem
    assert factory_at(tmp_path / "lab.db").user_ids == {"ann": "ann"}


# --- files that cannot be written any more ----------------------------------------------------------


def say(factory: NPCFactory, words: str) -> str:
    return factory.chat_with_npc(next(iter(factory.npcs)), "ann", words)


def with_knight(path: Path) -> NPCFactory:
    factory = factory_at(path)
    factory.register_npc(*KNIGHT)
    factory.register_user("ann")
    return factory


def test_on_a_full_disk_the_talk_goes_on_in_memory_and_says_so_once(path: Path, capsys: Any) -> None:
    factory = with_knight(path)
    store = factory.store
    assert store
    say(factory, "before")
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    long = "long " * 4000
    for number in range(3):
        assert say(factory, f"{long}{number}")
    assert "the disk is full" in store.problem
    said = capsys.readouterr().err
    assert said.count("Nothing is written") == 1
    assert "goes on in memory" in said
    assert "lab.db" in said
    assert len(factory.get_npc_chat_history(next(iter(factory.npcs)), "ann")) == 8
    assert rows(path, "SELECT question FROM turns") == [("before",)]
    store._connection.execute("PRAGMA max_page_count = 1000000")
    say(factory, "after")
    assert store.problem == ""
    questions = [question[-6:] for (question,) in rows(path, "SELECT question FROM turns ORDER BY id")]
    assert questions == ["before", "long 0", "long 1", "long 2", "after"]


@pytest.mark.long
def test_a_file_size_limit_of_the_system_is_no_end_either(path: Path) -> None:
    program = """
    import resource, signal, sys
    sys.path.insert(0, sys.argv[2])
    from pathlib import Path
    from test_store import with_knight, say
    factory = with_knight(Path(sys.argv[1]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    for number in range(30):
        say(factory, "x" * 20_000)
    assert factory.store.problem, "it was never full"
    print(len(factory.npcs[next(iter(factory.npcs))].chat_histories["ann"].forgotten))
    """
    if sys.platform == "win32":
        pytest.skip("no such limit")
    command = [sys.executable, "-c", textwrap.dedent(program), str(path), str(Path(__file__).parent)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("Nothing is written") == 1
    turns = rows(path, "SELECT count(*) FROM turns")[0][0]
    assert 0 < turns < 30
    assert len(factory_at(path).npcs) == 1


def test_a_deleted_folder_is_noticed(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    factory = with_knight(folder / "lab.db")
    shutil.rmtree(folder)
    assert say(factory, "Hello!")
    assert say(factory, "Still there?")
    assert "the file is gone" in factory.store.problem  # type: ignore[union-attr]
    assert capsys.readouterr().err.count("the file is gone") == 1
    assert not folder.exists()


def test_a_file_that_another_program_locks_is_written_when_it_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "SECONDS_TO_WAIT", 0.05)
    factory = with_knight(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert say(factory, "one")
        assert say(factory, "two")
        assert "locked" in factory.store.problem  # type: ignore[union-attr]
        other.execute("ROLLBACK")
    say(factory, "three")
    assert factory.store.problem == ""  # type: ignore[union-attr]
    assert rows(path, "SELECT question FROM turns ORDER BY id") == [("one",), ("two",), ("three",)]


def test_what_waits_is_written_when_it_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "SECONDS_TO_WAIT", 0.05)
    factory = with_knight(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        say(factory, "one")
        other.execute("ROLLBACK")
    factory.store.close()  # type: ignore[union-attr]
    assert rows(path, "SELECT question FROM turns") == [("one",)]


@pytest.mark.long
def test_what_waits_is_written_when_python_ends(path: Path) -> None:
    program = """
    import sys
    sys.path.insert(0, sys.argv[2])
    from pathlib import Path
    from test_store import say, schema, with_knight
    schema.SECONDS_TO_WAIT = 0.05
    factory = with_knight(Path(sys.argv[1]))
    print("made", flush=True), input()
    say(factory, "one")
    print("said", flush=True), input()
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path), str(Path(__file__).parent)]
    talking = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert talking.stdin
    assert talking.stdout
    assert talking.stdout.readline() == "made\n"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        talking.stdin.write("\n")
        talking.stdin.flush()
        assert talking.stdout.readline() == "said\n"
        other.execute("ROLLBACK")
    talking.communicate("\n", timeout=30)
    assert rows(path, "SELECT question FROM turns") == [("one",)]


def test_an_arena_goes_on_in_memory_too(path: Path, capsys: Any) -> None:
    arena, guy, hans = arena_at(path)
    arena.npc_factory.store.close()
    talk = arena.start_conversation(guy, hans)
    assert len(arena.run_conversation(talk, 3)) == 4
    arena.direct(talk, "Rain.")
    arena.evaluate_conversation(talk)
    assert "Nothing is written" in capsys.readouterr().err


# --- many at once -----------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[int], object]) -> None:
    problems: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=guarded, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_64_threads_lose_and_cross_nothing(path: Path) -> None:
    arena, guy, hans = arena_at(path)
    talks = [arena.start_conversation(guy, hans, f"opening {number}") for number in range(32)]
    users = [arena.npc_factory.register_user(f"user {number}") for number in range(32)]

    def work(number: int) -> None:
        for turn in range(8):
            if number < 32:
                assert arena.run_turn(talks[number])[0]
            else:
                arena.npc_factory.chat_with_npc(guy, users[number - 32], f"{number} {turn}")

    in_threads(64, work)
    again, *_ = arena_at(path)
    assert dict(again.conversations) == dict(arena.conversations)
    for user in users:
        assert memory_of(again.npc_factory, guy, user) == memory_of(arena.npc_factory, guy, user)
    assert rows(path, "SELECT count(*) FROM turns") == [(64 * 8,)]
    assert rows(path, "SELECT count(*), count(DISTINCT turn_id) FROM messages WHERE seat IS NOT NULL") == [
        (32 * 8, 32 * 8)
    ]


def test_threads_that_ask_for_a_stored_history_at_once_share_it() -> None:
    threads: list[threading.Thread] = []
    found: list[Any] = []

    def read(_: str) -> list[str]:
        if not threads:  # meanwhile, another one asks, and has to wait
            threads.append(threading.Thread(target=lambda: found.append(lazy["ann"])))
            threads[0].start()
            threads[0].join(0.2)
        return []

    lazy = LazyDict(["ann"], read)
    found.append(lazy["ann"])
    threads[0].join()
    assert found[0] is found[1]


SPEAKER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_store import factory_at, KNIGHT, MERCHANT
from npc_lab import ChatArena
print("ready", flush=True)
sys.stdin.readline()
factory = factory_at(Path(sys.argv[1]))
guy, hans = factory.register_npc("London", f"You are {sys.argv[3]}."), factory.register_npc(*MERCHANT)
arena = ChatArena(factory)
user = factory.register_user(f"user {sys.argv[3]}")
talk = arena.start_conversation(guy, hans)
for number in range(40):
    assert arena.run_turn(talk)[0]
    factory.chat_with_npc(guy, user, f"{sys.argv[3]} {number}")
assert not factory.store.problem, factory.store.problem
"""


@pytest.mark.long
def test_two_processes_may_write_one_file_also_where_both_make_it(path: Path) -> None:
    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SPEAKER, str(path), str(Path(__file__).parent), name]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    children = [start(name) for name in ("Ada", "Bea")]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert (child.returncode, errors) == (0, "")
    assert rows(path, "SELECT count(*), count(DISTINCT id) FROM turns") == [(160, 160)]
    assert rows(path, "SELECT count(*) FROM messages WHERE seat IS NOT NULL") == [(80,)]
    for name in ("Ada", "Bea"):
        questions = rows(
            path, f"SELECT question FROM turns WHERE user_id = 'user {name}' ORDER BY remembered"
        )
        assert questions == [(f"{name} {number}",) for number in range(40)]
    arena = ChatArena(factory_at(path))
    for talk in arena.conversations:
        assert len(arena.get_conversation_history(talk)) == 41
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_without_a_store_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    factory = NPCFactory(FakeClient(echo), "m")
    factory.register_npc(*KNIGHT)
    factory.register_user("ann")
    say(factory, "Hello!")
    assert factory.store is None
    assert list(tmp_path.iterdir()) == []


# --- the panels go on -------------------------------------------------------------------------------


def test_the_chat_box_shows_what_was_said_the_day_before_also_what_is_forgotten(path: Path) -> None:
    from npc_lab.widgets import chat_box

    def notebook() -> tuple[Any, NPCFactory, str]:
        factory = factory_at(path)
        guy = factory.register_npc(*KNIGHT, 4)
        return chat_box(factory, guy), factory, guy

    box, first, guy = notebook()
    for number in range(5):
        box.say(f"line {number}")
    again, second, _ = notebook()
    assert [message.content for message in again.transcript] == [
        message.content for message in box.transcript
    ]
    assert lines(again.widget)[0] == "you\nline 0"
    assert memory_of(second, guy, "you") == memory_of(first, guy, "you")
    again.say("line 5")
    assert len(again.transcript) == 12


def test_a_take_that_is_chosen_again_is_the_one_that_is_remembered_the_next_day(path: Path) -> None:
    from npc_lab.widgets import chat_box

    factory = factory_at(path, ["first", "second", fake_error("server")])
    guy = factory.register_npc(*KNIGHT)
    box = chat_box(factory, guy)
    box.say("Hello!")
    for name, remembered in (("Regenerate", "second"), ("◀", "first"), ("Regenerate", "first")):
        button(box.widget, name).click()
        box.wait()
        history = factory_at(path).get_npc_chat_history(guy, "you")
        assert [message["content"] for message in history] == ["Hello!", remembered]
    assert rows(path, "SELECT answer FROM turns ORDER BY id") == [("first",), ("second",)]
    assert rows(path, "SELECT kind FROM errors") == [("server",)]


def test_who_is_killed_while_another_answer_is_made_keeps_the_first(path: Path) -> None:
    from npc_lab.widgets import chat_box

    seen: list[list[str]] = []

    def reply(messages: list[dict[str, str]]) -> str:
        again = factory_at(path)  # what somebody finds who opens the file at this moment
        seen.append([m["content"] for m in again.get_npc_chat_history(next(iter(again.npcs)), "you")])
        return f"answer {len(seen)}"

    factory = factory_at(path, reply)
    box = chat_box(factory, factory.register_npc(*KNIGHT))
    box.say("Hello!")
    button(box.widget, "Regenerate").click()
    box.wait()
    assert seen == [[], ["Hello!", "answer 1"]]


def test_the_desk_goes_on_with_the_last_talk_and_says_so(path: Path) -> None:
    from npc_lab.widgets import arena_controls

    def notebook() -> Any:
        arena, guy, hans = arena_at(path)
        arena.start_conversation(guy, hans, "Something else.")
        return arena_controls(arena, guy, hans, "Good day!", 4)

    desk = notebook()
    assert "press Start" in text_of(desk.widget)
    talk = desk.run(3)
    again = notebook()
    assert "Your last talk goes on after 3 lines" in text_of(again.widget)
    assert [line.split("\n")[1] for line in lines(again.widget)] == contents(talk)
    assert contents(again.run(2))[:4] == contents(talk)
    assert len(again.transcript) == 6
    assert again.transcript[4].seat == 2
    button(again.widget, "New talk").click()
    assert len(again.run(1)) == 2
    assert "you stopped it" not in rows(path, "SELECT stop_reason FROM conversations")
    assert "1 turn done" in str(rows(path, "SELECT stop_reason FROM conversations"))


def test_the_desk_of_a_talk_that_was_never_spoken_or_of_no_store_begins_afresh(path: Path) -> None:
    from npc_lab.widgets import arena_controls

    for arena, guy, hans in (arena_at(path), arena_without_store()):
        talk = arena.start_conversation(guy, hans)
        if arena.npc_factory.store is None:
            arena.run_turn(talk)
        desk = arena_controls(arena, guy, hans)
        assert "goes on" not in text_of(desk.widget)
        assert len(desk.run(1)) == 2


def arena_without_store() -> tuple[ChatArena, str, str]:
    factory = NPCFactory(FakeClient(echo), "m")
    return ChatArena(factory), factory.register_npc(*KNIGHT), factory.register_npc(*MERCHANT)


def test_the_panels_say_when_nothing_is_written(path: Path) -> None:
    from npc_lab.widgets import arena_controls, chat_box

    arena, guy, hans = arena_at(path)
    box, desk = chat_box(arena.npc_factory, guy), arena_controls(arena, guy, hans)
    arena.npc_factory.store.close()
    assert box.say("Hello!")
    assert len(desk.run(2)) == 3
    for panel in (box, desk):
        assert "Nothing is written" in text_of(panel.widget)


# --- how a talk ended, its seed, and numbers of one's own ------------------------------------------


def test_how_a_talk_ended_and_its_seed_are_there_the_next_day(path: Path) -> None:
    def town() -> tuple[ChatArena, list[str]]:
        factory = NPCFactory(FakeClient(lambda messages: f"Aye, {len(messages)}."), "m", store=path)
        return ChatArena(factory), [
            factory.register_npc("London", f"You are {name}.") for name in ("Guy", "Hans")
        ]

    arena, npcs = town()
    talk = arena.start_conversation(*npcs, seed=2**70)
    arena.run_conversation(talk, 2)
    other = arena.start_conversation(*npcs)
    arena.npc_factory.client.fail_next("rate_limit")
    arena.run_conversation(other, 2)
    arena.npc_factory.store.close()
    arena, npcs = town()
    assert [arena.conversations[each]["ended"] for each in (talk, other)] == ["turns", "failed:rate_limit"]
    assert [arena.conversations[each]["seed"] for each in (talk, other)] == [2**70, None]
    arena.run_conversation(talk, 2)
    assert all("seed" in call for call in arena.npc_factory.client.calls)
    arena.npc_factory.store.close()


def test_numbers_of_ones_own_stay_with_the_talk(path: Path) -> None:
    class Measured(ChatArena):
        def evaluate_conversation(self, conversation_id: str) -> dict[str, Any]:
            return {**super().evaluate_conversation(conversation_id), "politeness": 0.5}

    def town() -> tuple[ChatArena, list[str]]:
        factory = NPCFactory(FakeClient(lambda messages: "Aye."), "m", store=path)
        return Measured(factory), [
            factory.register_npc("London", f"You are {name}.") for name in ("Guy", "Hans")
        ]

    arena, npcs = town()
    talk = arena.start_conversation(*npcs)
    arena.run_conversation(talk, 2)
    assert arena.evaluate_conversation(talk)["politeness"] == 0.5
    arena.conversations[talk]["metrics"]["laughs"] = 3
    arena.conversations[talk]["metrics"].update(object=object())
    arena.npc_factory.store.close()
    arena, _ = town()
    kept = arena.conversations[talk]["metrics"]
    assert {name: kept[name] for name in ("turn_count", "politeness", "laughs")} == {
        "turn_count": 2,
        "politeness": 0.5,
        "laughs": 3,
    }
    assert "object" not in kept
    arena.npc_factory.store.close()


def test_a_file_of_schema_1_is_raised_whole(path: Path) -> None:
    """The tables as 0.1.0 made them, with a talk in them."""
    arena, npcs = ChatArena(NPCFactory(FakeClient(lambda messages: "Aye."), "m", store=path)), []
    npcs = [arena.npc_factory.register_npc("London", f"You are {name}.") for name in ("Guy", "Hans")]
    talk = arena.start_conversation(*npcs)
    arena.run_conversation(talk, 3)
    arena.npc_factory.store.close()
    with closing(sqlite3.connect(path)) as file:
        file.executescript(
            "DROP VIEW lines; DROP VIEW said; DROP TABLE lines_of_calls; DROP TABLE turns_of_calls;"
            "DROP TABLE calls; DROP TABLE classes; DROP TABLE trials; DROP TABLE looks;"
            "DROP TABLE verdicts;"
            "DROP TABLE experiments;"
            "PRAGMA legacy_alter_table = ON; ALTER TABLE conversations RENAME TO today;"
            f"{schema._IN_SCHEMA_1['conversations']}; {schema._IN_SCHEMA_1['lines']};"
            "INSERT INTO conversations SELECT number, id, npc1_id, npc2_id, npc1_user_id, npc2_user_id, at,"
            " metrics, stop_reason FROM today; DROP TABLE today; PRAGMA user_version = 1;"
        )
    with closing(schema.open_to_read(path)) as looked_at:
        assert looked_at.execute("PRAGMA user_version").fetchone() == (1,)
    arena = ChatArena(NPCFactory(FakeClient(lambda messages: "Aye."), "m", store=path))
    assert len(arena.get_conversation_history(talk)) == 4
    assert arena.conversations[talk]["ended"] == ""
    assert len(arena.run_conversation(talk, 1)) == 5
    assert arena.conversations[talk]["ended"] == "turns"
    arena.npc_factory.store.close()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (2,)
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
        assert len(file.execute("SELECT * FROM lines").fetchall()) == 5


def test_a_file_of_schema_1_that_others_changed_is_refused_and_stays(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        for statement in schema._statements():
            file.execute(statement)
        file.executescript(
            "DROP TABLE conversations; CREATE TABLE conversations (id TEXT); PRAGMA user_version = 1;"
        )
    before = path.read_bytes()
    with pytest.raises(NPCLabError, match="were changed by another program"):
        NPCFactory(FakeClient(["Aye."]), "m", store=path)
    assert path.read_bytes() == before
