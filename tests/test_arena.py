"""Two characters talk: who speaks to whom, what each remembers, and what happens when one falls silent."""

import pickle
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Held, Status

from npc_lab import (
    ChatArena,
    ChatArenaError,
    ConversationNotFoundError,
    FakeClient,
    Message,
    NPCFactory,
    NPCNotFoundError,
    NPCNotFoundInArenaError,
    ReplyError,
    StopOnRepetition,
    StopOnText,
    StopWhen,
    fake_error,
)
from npc_lab.transcript import DEFAULT_OPENING

pytestmark = pytest.mark.python

THOUGHT = "#SCRATCHPAD\nI would rather sleep.\n#ANSWER\n"


def who_and_count(messages: list[dict[str, str]]) -> str:
    """The speaker's own number and how many lines it has said, so that every line is different."""
    who = "Two" if "Two" in messages[0]["content"] else "One"
    return f"{who} says line {sum(message['role'] == 'assistant' for message in messages) + 1}"


def make(replies: Any = who_and_count, **more: Any) -> tuple[ChatArena, str, str]:
    factory = NPCFactory(replies if hasattr(replies, "chat") else FakeClient(replies), "m")
    return (
        ChatArena(factory),
        factory.register_npc("London", "You are One", memory="all", **more),
        factory.register_npc("London", "You are Two", memory="all", **more),
    )


def spoken(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


def test_the_target_of_the_original_exercise(capsys: pytest.CaptureFixture[str]) -> None:
    factory = NPCFactory(FakeClient(lambda messages: THOUGHT + who_and_count(messages)), "m")
    arena = ChatArena(factory)
    knight = factory.register_npc(
        "XIII-century London", "You are Sir Guy, a knight called One", has_scratchpad=True
    )
    merchant = factory.register_npc(
        "XIII-century London", "You are Hans, a merchant called Two", has_scratchpad=True
    )
    talk = arena.start_conversation(knight, merchant)
    messages = arena.run_conversation(talk, max_turns=6, verbose=True)
    printed = capsys.readouterr().out
    assert "[1] Sir Guy: One says line 1" in printed
    assert "[6] Hans: Two says line 3" in printed
    assert "sleep" not in printed
    assert messages == arena.get_conversation_history(talk)
    assert not any("SCRATCHPAD" in message.content or "sleep" in message.content for message in messages)
    thoughts = factory.get_npc_chat_history(
        npc_id=arena.conversations[talk]["npc2_id"], user_id=arena.conversations[talk]["npc1_user_id"]
    )
    assert [message["content"] for message in thoughts if message["role"] == "assistant"] == [
        THOUGHT + f"Two says line {n}" for n in (1, 2, 3)
    ]
    assert arena.evaluate_conversation(talk)["turn_count"] == 6


def test_the_two_alternate_and_each_hears_the_others_last_line(loopback: Any) -> None:
    server = loopback(lambda body: who_and_count(body["messages"]))
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two, "Who goes there?")
    messages = arena.run_conversation(talk, 4)
    assert [(message.sender, message.seat) for message in messages] == [
        ("system", None), (one, 1), (two, 2), (one, 1), (two, 2)
    ]  # fmt: skip
    assert [sent[-1]["content"] for sent in server.sent] == spoken(messages)[:-1]
    assert [sent[0]["content"].endswith("One") for sent in server.sent] == [True, False, True, False]
    assert [len(sent) for sent in server.sent] == [2, 2, 4, 4]
    assert all(isinstance(message.timestamp, datetime) for message in messages)
    assert messages[0].timestamp <= messages[1].timestamp


def test_current_turn_names_the_next_speaker() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    conversation = arena.conversations[talk]
    assert conversation["current_turn"] == one
    arena.run_turn(talk)
    assert conversation["current_turn"] == two
    arena.run_turn(talk)
    assert conversation["current_turn"] == one


def test_a_conversation_answers_the_promised_keys() -> None:
    arena, one, two = make()
    conversation = arena.conversations[arena.start_conversation(one, two)]
    assert (conversation["npc1_id"], conversation["npc2_id"]) == (one, two)
    assert conversation["npc1_user_id"] != conversation["npc2_user_id"]
    assert {"messages", "metrics", "current_turn"} <= set(conversation)


def test_an_empty_opening_is_not_recorded_and_the_first_speaker_is_greeted_with_the_default(
    loopback: Any,
) -> None:
    server = loopback(["Hail."])
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two, "")
    assert arena.get_conversation_history(talk) == []
    arena.run_turn(talk)
    assert server.sent[0][-1]["content"] == DEFAULT_OPENING
    assert [message.sender for message in arena.get_conversation_history(talk)] == [one]


def test_registering_in_the_arena_twice_gives_the_same_user() -> None:
    arena, one, two = make()
    assert arena.register_npc_in_arena(one) == arena.register_npc_in_arena(one)
    assert arena.register_npc_in_arena(one) != arena.register_npc_in_arena(two)
    assert arena.register_npc_in_arena(one) in arena.npc_factory.user_ids.values()


def test_two_talks_of_the_same_pair_share_no_memory(loopback: Any) -> None:
    server = loopback(lambda body: who_and_count(body["messages"]))
    arena, one, two = make(server.client())
    first = arena.run_conversation(arena.start_conversation(one, two), 4)
    count = len(server.sent)
    second = arena.run_conversation(arena.start_conversation(one, two), 4)
    assert server.sent[count:] == server.sent[:count]
    assert spoken(second) == spoken(first)


def test_an_npc_can_talk_with_itself_on_two_seats_with_two_memories(loopback: Any) -> None:
    server = loopback(
        lambda body: f"line {len(body['messages'])} after {body['messages'][-1]['content'][:9]}"
    )
    arena, one, _ = make(server.client())
    talk = arena.start_conversation(one, one)
    messages = arena.run_conversation(talk, 4)
    assert [message.seat for message in messages] == [None, 1, 2, 1, 2]
    assert [sent[-1]["content"] for sent in server.sent] == spoken(messages)[:-1]
    assert [len(sent) for sent in server.sent] == [2, 2, 4, 4]


# --- failures -------------------------------------------------------------------------------------


def test_a_failed_turn_records_nothing_and_the_same_npc_is_next(loopback: Any) -> None:
    server = loopback(["Hail.", Status(429, "Slow down."), "Well met."])
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two)
    assert arena.run_turn(talk) == (True, "Hail.")
    before = arena.get_conversation_history(talk)
    succeeded, reason = arena.run_turn(talk)
    assert not succeeded
    assert "slow down" in reason
    assert arena.get_conversation_history(talk) == before
    assert arena.conversations[talk]["current_turn"] == two
    assert arena.run_turn(talk) == (True, "Well met.")
    assert server.sent[1] == server.sent[2]


def test_a_run_stops_at_a_failed_turn_says_why_and_goes_on_later(capsys: pytest.CaptureFixture[str]) -> None:
    arena, one, two = make(["a", "b", fake_error("rate_limit"), "c", "d"])
    talk = arena.start_conversation(one, two)
    assert spoken(arena.run_conversation(talk, 4, verbose=True))[1:] == ["a", "b"]
    assert "asks us to slow down" in arena.conversations[talk]["stop_reason"]
    assert "asks us to slow down" in capsys.readouterr().out
    assert spoken(arena.run_conversation(talk, 2))[1:] == ["a", "b", "c", "d"]


def test_an_error_is_never_a_line_of_dialogue(loopback: Any) -> None:
    server = loopback(lambda body: Status(500))
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two)
    assert len(arena.run_conversation(talk, 5)) == 1
    assert len(server.sent) == 1


def test_ctrl_c_in_a_turn_leaves_the_talk_as_it_was() -> None:
    def interrupting(messages: Any) -> str:
        raise KeyboardInterrupt

    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    arena.run_turn(talk)
    arena.npc_factory.client.replies = interrupting
    with pytest.raises(KeyboardInterrupt):
        arena.run_turn(talk)
    arena.npc_factory.client.replies = lambda messages: "b"
    assert arena.run_turn(talk) == (True, "b")
    assert [message.seat for message in arena.get_conversation_history(talk)] == [None, 1, 2]


UNKNOWN = ["run_turn", "run_conversation", "get_conversation_history", "evaluate_conversation"]


@pytest.mark.parametrize("method", UNKNOWN)
@pytest.mark.parametrize("nonsense", ["talk-0", "", None, 3, ["x"]])
def test_an_unknown_conversation_raises_and_creates_nothing(method: str, nonsense: Any) -> None:
    arena, _, _ = make()
    with pytest.raises(ConversationNotFoundError) as caught:
        getattr(arena, method)(nonsense)
    assert caught.value.conversation_id == nonsense
    assert repr(nonsense) in str(caught.value)
    assert arena.conversations == {}


def test_an_error_says_the_same_in_another_process() -> None:
    arena, one, two = make()
    arena.start_conversation(one, two)
    for error in (
        ConversationNotFoundError("talk-0", arena.conversations),
        ReplyError("quota", detail="No."),
    ):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_a_factory_may_count_its_npcs() -> None:
    """The ids of a learner's own factory need not be text."""
    factory = NPCFactory(FakeClient(who_and_count), "m")
    for number, who in enumerate(["One", "Two"]):
        factory.npcs[number] = factory.npcs.pop(factory.register_npc("London", f"You are {who}"))  # type: ignore[index]
    arena = ChatArena(factory)
    talk = arena.start_conversation(0, 1)  # type: ignore[arg-type]
    assert spoken(arena.run_conversation(talk, 2))[1:] == ["One says line 1", "Two says line 1"]


def test_a_near_conversation_is_named() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    with pytest.raises(ConversationNotFoundError, match=f"Did you mean '{talk}'"):
        arena.run_turn(talk[:-1])


def test_an_unknown_npc_raises_and_creates_nothing() -> None:
    arena, one, _ = make()
    for pair in ((one, "npc-0"), ("npc-0", one), (None, one)):
        with pytest.raises(NPCNotFoundInArenaError):
            arena.start_conversation(*pair)  # type: ignore[arg-type]
    with pytest.raises(NPCNotFoundInArenaError) as caught:
        arena.register_npc_in_arena("npc-0")
    assert caught.value.npc_id == "npc-0"
    assert arena.conversations == {}
    assert arena.npc_factory.user_ids == {}


def test_an_npc_that_vanished_in_the_middle_of_a_talk_is_named() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    arena.run_turn(talk)
    del arena.npc_factory.npcs[two]
    with pytest.raises(NPCNotFoundError, match=two):
        arena.run_turn(talk)
    assert len(arena.get_conversation_history(talk)) == 2


def test_an_opening_or_a_number_of_turns_that_cannot_be_is_refused() -> None:
    arena, one, two = make()
    with pytest.raises(ChatArenaError, match="opening"):
        arena.start_conversation(one, two, None)  # type: ignore[arg-type]
    talk = arena.start_conversation(one, two)
    for turns in (-1, 2.5, "3"):
        with pytest.raises(ChatArenaError, match="max_turns"):
            arena.run_conversation(talk, turns)  # type: ignore[arg-type]
    assert len(arena.run_conversation(talk, 0)) == 1
    with pytest.raises(ChatArenaError, match="max_workers"):
        arena.run_conversations([talk], 1, max_workers=0)
    for line in ("", None):
        with pytest.raises(ChatArenaError, match="director"):
            arena.direct(talk, line)  # type: ignore[arg-type]


def test_one_conversation_may_be_run_like_many() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    assert len(arena.run_conversations(talk, 2)[talk]) == 3


def test_a_talk_shows_why_it_stopped(loopback: Any) -> None:
    arena, one, two = make(loopback([Status(401)]).client())
    transcript = arena.run_conversation(arena.start_conversation(one, two), 3)
    assert "did not accept the key" in str(transcript)
    assert "did not accept the key" in transcript._repr_html_()


def test_a_director_who_speaks_during_a_turn_is_not_taken_for_the_speaker(loopback: Any) -> None:
    go_on = threading.Event()
    server = loopback([Held("Hail.", until=go_on)])
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two)
    seen: list[Message] = []
    run = threading.Thread(target=arena.run_conversation, args=(talk, 1), kwargs={"on_turn": seen.append})
    run.start()
    server.wait_for_requests(1)
    director = threading.Thread(target=arena.direct, args=(talk, "It rains."))
    director.start()
    go_on.set()
    run.join(30)
    director.join(30)
    assert spoken(seen) == ["Hail."]
    assert [message.sender for message in arena.get_conversation_history(talk)] == ["system", one, "director"]


# --- runs -----------------------------------------------------------------------------------------


@given(st.lists(st.integers(min_value=0, max_value=7), max_size=4))
def test_each_run_adds_exactly_its_turns_and_goes_on_where_it_stood(runs: list[int]) -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    for turns in runs:
        arena.run_conversation(talk, turns)
    seats = [message.seat for message in arena.get_conversation_history(talk)[1:]]
    assert seats == [1 + turn % 2 for turn in range(sum(runs))]


def test_each_new_line_can_be_watched() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    seen: list[Message] = []
    messages = arena.run_conversation(talk, 3, on_turn=seen.append)
    assert seen == messages[1:]


def test_the_opening_is_printed_once_and_turns_are_counted_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two, "Who goes there?")
    arena.run_conversation(talk, 2, verbose=True)
    arena.run_conversation(talk, 1, verbose=True)
    printed = capsys.readouterr().out
    assert printed.count("Who goes there?") == 1
    assert [f"[{n}]" in printed for n in (1, 2, 3, 4)] == [True, True, True, False]


def test_a_stop_condition_ends_the_run_and_says_why() -> None:
    arena, one, two = make(["hello", "well, Farewell then", "more"])
    talk = arena.start_conversation(one, two)
    messages = arena.run_conversation(talk, 9, stop=StopOnText("farewell") | StopOnRepetition())
    assert spoken(messages)[1:] == ["hello", "well, Farewell then"]
    assert arena.conversations[talk]["stop_reason"] == "somebody said 'farewell'"
    arena.run_conversation(talk, 1)
    assert arena.conversations[talk]["stop_reason"] == "1 turn done"


def test_a_history_is_a_copy() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    arena.run_turn(talk)
    arena.get_conversation_history(talk).clear()
    assert len(arena.get_conversation_history(talk)) == 2


# --- the director ---------------------------------------------------------------------------------


def test_a_directors_line_reaches_the_next_speaker_after_the_partners_line(loopback: Any) -> None:
    server = loopback(["Hail.", "Well met.", "So be it."])
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two)
    arena.run_turn(talk)
    arena.direct(talk, "A bell rings.")
    arena.direct(talk, "It rains.")
    arena.run_conversation(talk, 2)
    assert server.sent[1][-1]["content"] == "Hail.\n\nA bell rings.\n\nIt rains."
    assert server.sent[2][-1]["content"] == "Well met."
    senders = [message.sender for message in arena.get_conversation_history(talk)]
    assert senders == ["system", one, "director", "director", two, one]
    assert arena.evaluate_conversation(talk)["turn_count"] == 3


def test_a_directors_line_may_open_the_talk(loopback: Any) -> None:
    server = loopback(["Hail."])
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two, "")
    arena.direct(talk, "It rains.")
    arena.run_turn(talk)
    assert server.sent[0][-1]["content"] == f"{DEFAULT_OPENING}\n\nIt rains."


# --- metrics --------------------------------------------------------------------------------------


def test_metrics_count_the_speakers_lines_and_stay_with_the_conversation() -> None:
    arena, one, two = make(["1234", "123456"])
    talk = arena.start_conversation(one, two, "an opening that counts nowhere")
    assert arena.evaluate_conversation(talk) == {
        "turn_count": 0,
        "avg_response_length": 0.0,
        "avg_response_time": 0.0,
    }
    arena.run_conversation(talk, 2)
    metrics = arena.evaluate_conversation(talk)
    assert (metrics["turn_count"], metrics["avg_response_length"]) == (2, 5.0)
    assert arena.conversations[talk]["metrics"] == metrics


def test_response_time_is_measured_around_each_reply_the_first_included(loopback: Any) -> None:
    arena, one, two = make(loopback(["a", "b"]).client())
    talk = arena.start_conversation(one, two)
    messages = arena.run_conversation(talk, 2)
    seconds = [message.seconds for message in messages]
    assert seconds[0] is None
    assert all(second and second > 0 for second in seconds[1:])
    assert arena.evaluate_conversation(talk)["avg_response_time"] == pytest.approx(sum(seconds[1:]) / 2)


def test_lines_that_were_put_there_by_hand_count_like_others() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    opening = arena.conversations[talk]["messages"][0]
    times = [opening.timestamp + timedelta(seconds=seconds) for seconds in (1, 4)]
    arena.conversations[talk]["messages"] += [
        Message(one, "1234", times[0]),
        Message(two, "123456", times[1]),
    ]
    assert arena.evaluate_conversation(talk) == pytest.approx(
        {"turn_count": 2, "avg_response_length": 5, "avg_response_time": 2}
    )
    assert arena.run_turn(talk) == (True, "One says line 1")


def test_whoever_is_named_in_current_turn_speaks_next() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    arena.conversations[talk]["current_turn"] = two
    assert [message.sender for message in arena.run_conversation(talk, 3)[1:]] == [two, one, two]


# --- many at once ---------------------------------------------------------------------------------


def test_many_talks_run_at_once_over_one_client(loopback: Any) -> None:
    server = loopback(lambda body: who_and_count(body["messages"]), hold_until=6)
    arena, one, two = make(server.client())
    talks = [arena.start_conversation(one, two) for _ in range(6)]
    results = arena.run_conversations(talks, max_turns=4, max_workers=6)
    assert list(results) == talks
    assert server.most_at_once >= 6
    assert all(spoken(messages) == spoken(results[talks[0]]) for messages in results.values())
    assert all(len(messages) == 5 for messages in results.values())


def test_no_more_talks_run_at_once_than_workers() -> None:
    threads: set[int] = set()
    two_at_once = threading.Barrier(2)

    def reply(messages: Any) -> str:
        threads.add(threading.get_ident())
        two_at_once.wait(30)
        return "Hail."

    arena, one, two = make(reply)
    arena.run_conversations([arena.start_conversation(one, two) for _ in range(6)], 2, max_workers=2)
    assert len(threads) == 2


def test_one_failing_talk_harms_no_other(loopback: Any) -> None:
    def reply(body: dict[str, Any]) -> Any:
        return Status(401) if any("poison" in message["content"] for message in body["messages"]) else "Hail."

    arena, one, two = make(loopback(reply).client())
    good = [arena.start_conversation(one, two) for _ in range(3)]
    bad = arena.start_conversation(one, two, "poison")
    results = arena.run_conversations([good[0], bad, *good[1:]], 3)
    assert [len(results[talk]) for talk in (*good, bad)] == [4, 4, 4, 1]
    assert "did not accept the key" in arena.conversations[bad]["stop_reason"]


def test_a_talk_whose_factory_breaks_harms_no_other() -> None:
    arena, one, two = make(lambda messages: "Hail.")
    good, bad = arena.start_conversation(one, one), arena.start_conversation(one, two)
    del arena.npc_factory.npcs[two]
    results = arena.run_conversations([bad, good], 3)
    assert [len(results[talk]) for talk in (good, bad)] == [4, 2]
    assert two in arena.conversations[bad]["stop_reason"]


def test_an_unknown_talk_among_many_stops_before_any_begins() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    with pytest.raises(ConversationNotFoundError):
        arena.run_conversations([talk, "talk-0"], 2)
    assert arena.npc_factory.client.calls == []


def test_ctrl_c_ends_each_of_many_talks_after_the_turn_it_is_in() -> None:
    began, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def reply(messages: Any) -> str:
        if messages[-1]["content"] == "interrupt":
            began.wait(30)
            raise KeyboardInterrupt
        threads.append(threading.current_thread())
        began.set()
        go_on.wait(30)
        return "Hail."

    arena, one, two = make(reply)
    talk, interrupts = arena.start_conversation(one, one), arena.start_conversation(one, two, "interrupt")
    with pytest.raises(KeyboardInterrupt):
        arena.run_conversations([talk, interrupts], 9, max_workers=2)
    go_on.set()
    threads[0].join(30)
    assert spoken(arena.get_conversation_history(talk)) == [DEFAULT_OPENING, "Hail."]
    assert arena.conversations[talk]["stop_reason"] == "interrupted"


def test_a_talk_named_twice_runs_once() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    assert len(arena.run_conversations([talk, talk], 3)[talk]) == 4


def test_stop_conditions_hold_for_each_of_many_talks() -> None:
    arena, one, two = make()
    talks = [arena.start_conversation(one, two) for _ in range(3)]
    results = arena.run_conversations(talks, 9, stop=StopWhen(lambda messages: len(messages) > 3, "enough"))
    assert {len(messages) for messages in results.values()} == {4}
    assert {arena.conversations[talk]["stop_reason"] for talk in talks} == {"enough"}


def test_two_threads_in_one_talk_take_turns(loopback: Any) -> None:
    server = loopback(lambda body: who_and_count(body["messages"]))
    arena, one, two = make(server.client())
    talk = arena.start_conversation(one, two)
    threads = [threading.Thread(target=arena.run_conversation, args=(talk, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    seats = [message.seat for message in arena.get_conversation_history(talk)[1:]]
    assert seats == [1, 2] * 10
    heard = [sent[-1]["content"] for sent in server.sent]
    assert heard == spoken(arena.get_conversation_history(talk))[:-1]


# --- any factory ----------------------------------------------------------------------------------


class LearnersFactory:
    """The four things that an arena needs, and nothing else."""

    def __init__(self) -> None:
        self.npcs = {"a": object(), "b": object()}
        self.histories: dict[tuple[str, str], list[str]] = {}

    def register_user(self, name: str) -> str:
        return f"user of {name}"

    def chat_with_npc(self, which: str, who: str, words: str) -> str:
        if words == "fail":
            raise ReplyError("server")
        self.histories.setdefault((which, who), []).append(words)
        return f"{which} heard {len(self.histories[which, who])}"

    def get_npc_chat_history(self, which: str, who: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": words} for words in self.histories[which, who]]


def test_an_arena_needs_four_things_of_its_factory() -> None:
    arena = ChatArena(LearnersFactory())
    talk = arena.start_conversation("a", "b")
    messages = arena.run_conversation(talk, 4)
    assert spoken(messages)[1:] == ["a heard 1", "b heard 1", "a heard 2", "b heard 2"]
    assert "NPC 2: b heard 1" in str(messages)
    arena.npc_factory.chat_with_npc = lambda *_: None
    assert arena.run_turn(talk) == (
        False,
        "LearnersFactory.chat_with_npc must return text, not None. Did you forget a return?",
    )
    assert len(arena.get_conversation_history(talk)) == 5
    arena.npc_factory = LearnersFactory()
    assert arena.run_turn(arena.start_conversation("a", "b", "fail"))[0] is False


# --- how a run ended ------------------------------------------------------------------------------


def test_how_a_run_ended_is_a_kind_beside_the_words() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)
    assert arena.conversations[talk]["ended"] == ""
    arena.run_conversation(talk, 2)
    assert arena.conversations[talk]["ended"] == "turns"
    arena.run_conversation(talk, 2, stop=StopOnText("line"))
    assert arena.conversations[talk]["ended"] == "stop"
    arena.npc_factory.client.fail_next("rate_limit")
    arena.run_conversation(talk, 2)
    assert arena.conversations[talk]["ended"] == "failed:rate_limit"
    arena.npc_factory.client.replies = lambda _: {}["bWafRAyc"]
    arena.run_conversations([talk], 2)
    assert arena.conversations[talk]["ended"] == "failed:malformed"


def test_ctrl_c_says_how_far_it_came() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)

    def after_two(message: Message) -> None:
        if message.seat == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        arena.run_conversation(talk, 10, on_turn=after_two)
    assert arena.conversations[talk]["ended"] == "interrupted"
    assert arena.conversations[talk]["stop_reason"] == "interrupted, 2 turns done"


def test_what_a_factory_of_ones_own_raises_reaches_the_caller_and_is_the_reason_among_many() -> None:
    arena, one, two = make()
    talk = arena.start_conversation(one, two)

    def broken(*_: Any) -> str:
        raise KeyError("bWafRAyc")

    arena.npc_factory.chat_with_npc = broken
    with pytest.raises(KeyError):
        arena.run_conversation(talk, 2)
    (transcript,) = arena.run_conversations([talk], 2).values()
    assert transcript.stop_reason == "KeyError: 'bWafRAyc'"
    assert arena.conversations[talk]["ended"] == "failed:KeyError"


def test_each_of_many_talks_may_have_turns_of_its_own() -> None:
    arena, one, two = make()
    talks = [arena.start_conversation(one, two) for _ in range(3)]
    lengths = dict(zip(talks, (1, 4, 0), strict=True))
    transcripts = arena.run_conversations(talks, lengths)
    assert [len(transcripts[talk].spoken) for talk in talks] == [1, 4, 0]
    with pytest.raises(ChatArenaError, match="max_turns names no number of turns for"):
        arena.run_conversations(talks, {talks[0]: 1})
    with pytest.raises(ChatArenaError, match="max_turns must be a whole number"):
        arena.run_conversations(talks, {**lengths, talks[1]: "4"})


def test_the_id_of_a_third_npc_is_no_opening_line() -> None:
    arena, one, two = make()
    three = arena.npc_factory.register_npc("London", "You are Three")
    with pytest.raises(ChatArenaError, match="The opening line is the id of an NPC"):
        arena.start_conversation(one, two, three)
    assert not arena.conversations
