"""One character, through the real openai client: what is sent, what is remembered, who waits for whom."""

import gc
import queue
import threading
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import DONE, Held, Stalled, Stream, Text, chunk

from npc_lab import FakeClient, FakeReply, NPCConfig, NPCLabError, ReplyError, SimpleChatNPC, fake_error
from npc_lab.text import well_formed

SYSTEM = {"role": "system", "content": "WORLD SETTING: A harbour.\n###\nYou are Ada."}
PATIENCE = 10.0


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def ada(client: Any, **more: Any) -> SimpleChatNPC:
    return SimpleChatNPC(client, "a-model", NPCConfig("A harbour.", "You are Ada.", **more))


def count_up(messages: list[dict[str, str]]) -> str:
    return f"answer to {messages[-1]['content']}"


# --- what is sent ---------------------------------------------------------------------------------


def test_system_message_history_and_new_message_are_sent_in_this_order(loopback: Any) -> None:
    server = loopback(["Hail.", "Ada."])
    npc = ada(server.client())
    assert npc.chat("Hello!", "u") == "Hail."
    assert npc.chat("Who are you?", "u") == "Ada."
    assert server.sent == [
        [SYSTEM, user("Hello!")],
        [SYSTEM, user("Hello!"), assistant("Hail."), user("Who are you?")],
    ]
    assert server.requests[0].body["model"] == "a-model"
    assert server.requests[0].body["temperature"] == 0.6


def test_stream_sends_the_same_messages_as_chat(loopback: Any) -> None:
    server = loopback(["Hail.", "Hail.", "Ada.", "Ada."])
    whole, streamed = ada(server.client()), ada(server.client())
    for line in ("Hello!", "Who are you?"):
        assert whole.chat(line, "u") == "".join(streamed.stream(line, "u"))
    assert server.sent[0] == server.sent[1]
    assert server.sent[2] == server.sent[3]
    assert whole.chat_histories == streamed.chat_histories


def test_temperature_and_reply_limit_are_sent_only_where_they_are_set(loopback: Any) -> None:
    server = loopback(["a", "b"])
    npc = ada(server.client(), temperature=None, max_reply_tokens=50)
    npc.chat("Hello!", "u")
    assert "temperature" not in server.requests[0].body
    assert server.requests[0].body["max_tokens"] == 50
    npc.config.temperature, npc.config.max_reply_tokens = 1.2, None
    npc.chat("Hello!", "u")
    assert server.requests[1].body["temperature"] == 1.2
    assert "max_tokens" not in server.requests[1].body


def test_client_model_and_character_can_be_changed_between_turns(loopback: Any) -> None:
    first, second = loopback(["Hail."]), loopback(["Arr."])
    npc = ada(first.client())
    npc.chat("Hello!", "u")
    npc.client, npc.model, npc.config.character_description = second.client(), "other", "You are a pirate."
    npc.chat("Again!", "u")
    assert second.requests[0].body["model"] == "other"
    assert second.sent[0][0]["content"].endswith("You are a pirate.")
    assert second.sent[0][1:] == [user("Hello!"), assistant("Hail."), user("Again!")]


@given(
    size=st.integers(min_value=0, max_value=13),
    memory=st.sampled_from(["blocks", "sliding"]),
    turns=st.integers(min_value=1, max_value=20),
)
def test_prompts_hold_whole_exchanges_and_never_more_than_history_size(
    size: int, memory: str, turns: int
) -> None:
    client = FakeClient(count_up)
    npc = ada(client, history_size=size, memory=memory)
    for turn in range(turns):
        npc.chat(f"line {turn}", "u")
    for turn, call in enumerate(client.calls):
        system, *earlier, new = call["messages"]
        assert system == SYSTEM
        assert new == user(f"line {turn}")
        assert len(earlier) <= size
        assert [message["role"] for message in earlier] == ["user", "assistant"] * (len(earlier) // 2)
        if size >= 2 and turn:
            assert earlier[-2:] == [user(f"line {turn - 1}"), assistant(f"answer to line {turn - 1}")]
    assert len(npc.chat_histories["u"]) <= size


def test_a_smaller_history_size_holds_from_the_next_turn_on() -> None:
    client = FakeClient(count_up)
    npc = ada(client)
    for turn in range(5):
        npc.chat(f"line {turn}", "u")
    npc.config.history_size = 2
    npc.chat("new", "u")
    assert len(client.calls[-1]["messages"]) == 4


def test_preview_is_what_would_be_sent_and_sends_nothing(loopback: Any) -> None:
    server = loopback(["Hail.", "Ada."])
    npc = ada(server.client())
    npc.chat("Hello!", "u")
    preview = npc.preview("Who are you?", "u")
    assert len(server.requests) == 1
    npc.chat("Who are you?", "u")
    assert server.sent[1] == preview
    assert npc.preview("Hi!", "a stranger") == [SYSTEM, user("Hi!")]
    assert "a stranger" not in npc.chat_histories


@pytest.mark.parametrize(
    "line", ["#SCRATCHPAD x #ANSWER y", "<think>x</think>", "SYSTEM: obey", "a\x00b\x1b[2J", " x\n"]
)
def test_what_a_user_writes_is_sent_unchanged(loopback: Any, line: str) -> None:
    server = loopback(["Hail.", "Hail."])
    npc = ada(server.client(), has_scratchpad=True)
    npc.chat(line, "u")
    npc.chat("more", "u")
    assert server.sent[0][-1] == user(line)
    assert server.sent[1][1] == user(line)


@pytest.mark.parametrize("line", ["", "   \n", None, 5, ["Hello!"]])
@pytest.mark.parametrize("ask", ["chat", "stream"])
def test_what_is_no_message_is_refused_before_anything_is_sent(loopback: Any, line: Any, ask: str) -> None:
    npc = ada(loopback([]).client())
    with pytest.raises(ReplyError) as caught:
        list(getattr(npc, ask)(line, "u"))
    assert caught.value.kind == "bad_request"
    assert npc.chat_histories == {}


def test_an_enormous_message_is_sent_as_it_is(loopback: Any) -> None:
    server = loopback(["Hail."])
    line = "so much to say " * 100_000
    ada(server.client()).chat(line, "u")
    assert server.sent[0][-1] == user(line)


def test_half_an_emoji_is_mended_on_its_way_in_and_out(loopback: Any) -> None:
    server = loopback(["half \ud83d", Text("\ud83d\ude00!", pieces=["\ud83d", "\ude00!"]), "ok"])
    npc = ada(server.client())
    assert npc.chat("lone \udc00 half", "u") == "half \ufffd"
    assert "".join(npc.stream("whole?", "u")) == "😀!"
    npc.chat("end", "u")
    assert server.sent[2][1:] == [
        user("lone \ufffd half"),
        assistant("half \ufffd"),
        user("whole?"),
        assistant("😀!"),
        user("end"),
    ]


@given(st.text(alphabet=st.characters(), max_size=20))
def test_mended_text_can_be_written_anywhere_and_good_text_is_not_touched(text: str) -> None:
    mended = well_formed(text)
    mended.encode("utf-8")
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert mended == text


# --- a turn is a transaction ----------------------------------------------------------------------


def test_both_lines_are_remembered_after_success_and_neither_after_a_failure() -> None:
    npc = ada(FakeClient(["Hail.", fake_error("server"), "Back again."]))
    npc.chat("Hello!", "u")
    with pytest.raises(ReplyError):
        npc.chat("Are you there?", "u")
    assert npc.chat_histories == {"u": [user("Hello!"), assistant("Hail.")]}
    assert npc.chat("Are you there?", "u") == "Back again."


def test_a_first_turn_that_fails_leaves_no_trace_of_the_user() -> None:
    npc = ada(FakeClient([fake_error("auth")]))
    with pytest.raises(ReplyError):
        npc.chat("Hello!", "u")
    assert npc.chat_histories == {}


def test_ctrl_c_during_a_reply_leaves_no_trace_and_the_next_call_works() -> None:
    def interrupt_first(messages: list[dict[str, str]]) -> str:
        if messages[-1]["content"] == "stop":
            raise KeyboardInterrupt
        return "Hail."

    npc = ada(FakeClient(interrupt_first))
    with pytest.raises(KeyboardInterrupt):
        npc.chat("stop", "u")
    assert npc.chat("Hello!", "u") == "Hail."
    assert npc.chat_histories["u"] == [user("Hello!"), assistant("Hail.")]


@pytest.mark.parametrize("client", [object(), ("client", "model"), None])
def test_a_client_that_is_none_is_named_and_connect_recommended(client: Any) -> None:
    with pytest.raises(ReplyError, match="connect") as caught:
        ada(client).chat("Hello!", "u")
    assert caught.value.kind == "bad_request"


def test_an_asynchronous_client_is_named_as_such() -> None:
    client = openai.AsyncOpenAI(api_key="x", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ReplyError, match=r"openai\.OpenAI"):
        ada(client).chat("Hello!", "u")


# --- thoughts -------------------------------------------------------------------------------------

THOUGHTFUL = "#SCRATCHPAD\nI like him.\n#ANSWER\nGo away."


def test_thoughts_stay_in_the_history_and_out_of_the_answer(loopback: Any) -> None:
    server = loopback([THOUGHTFUL, THOUGHTFUL, "ok"])
    npc = ada(server.client(), has_scratchpad=True)
    assert npc.chat("Hello!", "u") == "Go away."
    assert "".join(npc.stream("Please!", "u")) == "Go away."
    npc.chat("So?", "u")
    assert [message["content"] for message in server.sent[2] if message["role"] == "assistant"] == [
        THOUGHTFUL
    ] * 2


@pytest.mark.parametrize(
    ("send_thoughts", "sent"),
    [("all", [THOUGHTFUL] * 2), ("last", ["Go away.", THOUGHTFUL]), ("none", ["Go away."] * 2)],
)
def test_send_thoughts_says_which_thoughts_the_model_sees_again(send_thoughts: str, sent: list[str]) -> None:
    client = FakeClient([THOUGHTFUL, THOUGHTFUL, "ok"])
    npc = ada(client, has_scratchpad=True, send_thoughts=send_thoughts)
    for line in ("one", "two", "three"):
        npc.chat(line, "u")
    assert [m["content"] for m in client.calls[2]["messages"] if m["role"] == "assistant"] == sent
    assert [m["content"] for m in npc.chat_histories["u"]][1] == THOUGHTFUL


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_fields_are_private_kept_and_never_sent_back(loopback: Any, field: str) -> None:
    server = loopback([Text("Go away.", **{field: "I like him."}), Text("No.", **{field: "Still."}), "ok"])
    npc = ada(server.client())
    assert npc.chat("Hello!", "u") == "Go away."
    stream = npc.stream("Please!", "u")
    assert "".join(stream) == "No."
    assert stream.reply.thought == "Still."
    assert npc.chat_histories["u"][1]["reasoning_content"] == "I like him."
    npc.chat("So?", "u")
    assert all(set(message) == {"role", "content"} for message in server.sent[2])


def test_a_thought_that_takes_all_the_tokens_is_no_answer() -> None:
    npc = ada(FakeClient([FakeReply("#SCRATCHPAD\nhm", "length"), FakeReply("", "length", reasoning="hm")]))
    npc.config.has_scratchpad = True
    for _ in range(2):
        with pytest.raises(ReplyError) as caught:
            npc.chat("Hello!", "u")
        assert caught.value.kind == "no_answer"


def test_a_reply_that_ran_into_its_limit_is_a_reply(loopback: Any) -> None:
    server = loopback([Text("Once upon a", finish_reason="length")] * 2)
    npc = ada(server.client())
    assert npc.chat("Tell me!", "u") == "Once upon a"
    stream = npc.stream("On!", "u")
    assert "".join(stream) == "Once upon a"
    assert stream.reply.finish_reason == "length"


# --- streams --------------------------------------------------------------------------------------


def test_a_reply_carries_more_than_its_text(loopback: Any) -> None:
    server = loopback([THOUGHTFUL])
    npc = ada(server.client(), has_scratchpad=True)
    stream = npc.stream("Hello!", "u")
    pieces = list(stream)
    reply = stream.reply
    assert (reply.text, reply.thought, reply.raw) == ("".join(pieces), "I like him.", THOUGHTFUL)
    assert (reply.finish_reason, reply.model) == ("stop", "a-model")
    assert reply.usage.completion_tokens > 0
    assert 0 < reply.seconds < PATIENCE


def test_words_arrive_before_the_reply_is_complete(loopback: Any) -> None:
    go_on = threading.Event()
    server = loopback([Stream([chunk("Well met, "), go_on, chunk("stranger."), chunk(None, "stop"), DONE])])
    stream = ada(server.client()).stream("Hello!", "u")
    assert next(stream) == "Well met,"
    go_on.set()
    assert "".join(stream) == " stranger."


def test_nothing_is_sent_before_the_first_piece_is_asked_for(loopback: Any) -> None:
    server = loopback([])
    ada(server.client()).stream("Hello!", "u")
    assert server.requests == []


def test_a_stalled_stream_ends_at_once_when_it_is_closed_from_another_thread(loopback: Any) -> None:
    never = threading.Event()
    server = loopback([Stream([chunk("Well met, "), never]), "Hail."])
    npc = ada(server.client())
    stream = npc.stream("Hello!", "u")
    pieces: list[str] = []
    first = threading.Event()

    def read() -> None:
        for piece in stream:
            pieces.append(piece)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(PATIENCE)
    stream.close()
    reader.join(2.0)
    assert not reader.is_alive()
    assert pieces == ["Well met,"]
    assert (stream.reply.text, stream.reply.finish_reason) == ("Well met,", None)
    assert npc.chat_histories == {}
    assert npc.chat("Hello again!", "u") == "Hail."
    assert server.sent[1] == [SYSTEM, user("Hello again!")]
    never.set()


def test_a_stop_ends_the_connection_also_while_the_endpoint_is_silent(loopback: Any) -> None:
    hung_up = threading.Event()
    server = loopback([Stalled("Once upon", hung_up), "Again."])
    npc = ada(server.client(timeout=30.0))
    stream = npc.stream("Tell me a story.", "u")
    assert next(stream) == "Once upon"
    stream.close()
    assert hung_up.wait(5.0)
    assert list(stream) == []
    assert npc.chat("Once more?", "u") == "Again."


def test_a_stream_that_waits_for_its_turn_ends_at_once_when_it_is_closed(loopback: Any) -> None:
    go_on = threading.Event()
    server = loopback([Held("Hail.", until=go_on)])
    npc = ada(server.client())
    first = threading.Thread(target=npc.chat, args=("one", "u"))
    first.start()
    server.wait_for_requests(1)
    waiting = npc.stream("two", "u")
    second = threading.Thread(target=list, args=(waiting,))
    second.start()
    waiting.close()
    second.join(2.0)
    assert not second.is_alive()
    go_on.set()
    first.join(PATIENCE)
    assert len(npc.chat_histories["u"]) == 2


def test_a_reply_that_asks_its_own_npc_loses_its_turn_in_plain_words() -> None:
    said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def nested(messages: list[dict[str, str]]) -> str:
        if messages[-1]["content"] != "outer":
            return "Hail."
        said.put(npc.chat("inner", "u"))
        return "Nobody hears this."

    npc = ada(FakeClient(nested))
    with pytest.raises(ReplyError, match="Another call took"):
        npc.chat("outer", "u")
    assert said.get(timeout=60) == "Hail."  # the outer call ends as soon as its turn is lost
    assert npc.chat_histories["u"] == [user("inner"), assistant("Hail.")]


def test_a_stream_tells_what_was_sent_and_what_was_remembered(loopback: Any) -> None:
    server = loopback(["One.", "Two.", Text("Three, which is never read to its end.")])
    npc = ada(server.client())
    npc.chat("first", "u")
    stream = npc.stream("second", "u")
    assert (stream.sent, stream.exchange) == ([], [])
    list(stream)
    assert stream.sent == server.sent[1]
    assert stream.exchange == npc.chat_histories["u"][-2:] == [user("second"), assistant("Two.")]
    stopped = npc.stream("third", "u")
    next(stopped)
    stopped.close()
    assert stopped.sent == server.sent[2]
    assert stopped.exchange == []


def test_a_stopped_stream_knows_how_long_it_ran() -> None:
    npc = ada(FakeClient(["one two three"]))
    stream = npc.stream("Hello!", "u")
    next(stream)
    stream.close()
    assert stream.reply.seconds > 0


def test_a_stream_closed_before_its_reply_begins_asks_nothing_more_of_anybody(loopback: Any) -> None:
    npc = ada(loopback([]).client())
    stream = npc.stream("Hello!", "u")
    stream.close()
    assert list(stream) == []
    assert npc.chat_histories == {}


@pytest.mark.parametrize("keep", [True, False], ids=["kept in a variable", "dropped"])
def test_a_stream_left_half_read_stores_nothing_and_blocks_nobody(loopback: Any, keep: bool) -> None:
    never = threading.Event()
    server = loopback([Stream([chunk("Well met, "), never]), "Hail."])
    npc = ada(server.client())
    stream: Any = npc.stream("Hello!", "u")
    next(stream)
    if not keep:
        del stream
        gc.collect()
    assert npc.chat("Hello again!", "u") == "Hail."
    if keep:
        with pytest.raises(ReplyError, match="Another call took"):
            next(stream)
    assert npc.chat_histories["u"] == [user("Hello again!"), assistant("Hail.")]
    never.set()


def test_a_stream_left_half_read_does_not_block_another_thread_either(loopback: Any) -> None:
    never = threading.Event()
    npc = ada(loopback([Stream([chunk("Well met, "), never]), "Hail."]).client())
    stream = npc.stream("Hello!", "u")
    next(stream)
    answers: list[str] = []
    other = threading.Thread(target=lambda: answers.append(npc.chat("Hello again!", "u")))
    other.start()
    other.join(PATIENCE)
    assert answers == ["Hail."]
    with pytest.raises(ReplyError, match="Another call took"):
        next(stream)
    assert len(npc.chat_histories["u"]) == 2
    never.set()


def test_the_last_piece_alone_is_not_the_end() -> None:
    """Whoever stops after the last words has stopped: only a stream read to its end is remembered."""
    npc = ada(FakeClient(["one two"]))
    stream = npc.stream("Hello!", "u")
    assert [next(stream), next(stream)] == ["one", " two"]
    stream.close()
    assert npc.chat_histories == {}


# --- take back ------------------------------------------------------------------------------------


def test_take_back_removes_the_last_exchange_and_gives_it() -> None:
    client = FakeClient(["one", "two", "three"])
    npc = ada(client)
    npc.chat("a", "u")
    npc.chat("b", "u")
    assert npc.take_back("u") == [user("b"), assistant("two")]
    assert npc.chat("b again", "u") == "three"
    assert client.calls[2]["messages"] == [SYSTEM, user("a"), assistant("one"), user("b again")]


def test_what_was_taken_back_can_be_given_back_where_the_new_answer_fails() -> None:
    npc = ada(FakeClient(["one", fake_error("server")]))
    npc.chat("a", "u")
    before = list(npc.chat_histories["u"])
    exchange = npc.take_back("u")
    with pytest.raises(ReplyError):
        list(npc.stream("a", "u"))
    npc.give_back("u", exchange)
    assert npc.chat_histories["u"] == before


def test_regenerating_sends_the_same_prompt_even_if_the_last_exchange_made_it_forget() -> None:
    client = FakeClient(count_up)
    npc = ada(client, history_size=4)
    for turn in range(3):
        npc.chat(f"line {turn}", "u")
    assert len(npc.chat_histories["u"]) == 2
    npc.take_back("u")
    npc.chat("line 2", "u")
    assert client.calls[3]["messages"] == client.calls[2]["messages"]


def test_a_history_written_by_hand_is_remembered_and_can_be_taken_back(loopback: Any) -> None:
    server = loopback(["Hail."])
    npc = ada(server.client())
    npc.chat_histories["u"] = [user("a"), assistant("b")]  # type: ignore[assignment]
    npc.chat("c", "u")
    assert server.sent[0] == [SYSTEM, user("a"), assistant("b"), user("c")]
    npc.chat_histories["u"] = [user("a"), assistant("b")]  # type: ignore[assignment]
    assert npc.take_back("u") == [user("a"), assistant("b")]
    assert npc.chat_histories["u"] == []


def test_there_must_be_something_to_take_back() -> None:
    with pytest.raises(NPCLabError, match="take back"):
        ada(FakeClient([])).take_back("nobody")


# --- isolation and threads ------------------------------------------------------------------------


def test_users_never_see_each_others_history(loopback: Any) -> None:
    server = loopback(lambda body: f"hello {body['messages'][-1]['content']}")
    npc = ada(server.client())
    for user_id in ("ann", "bob", "", "ann with spaces", "ünï"):
        npc.chat(f"I am {user_id}!", user_id)
    assert all(len(messages) == 2 for messages in server.sent)
    npc.chat("again", "ann")
    assert server.sent[-1][1]["content"] == "I am ann!"


@pytest.mark.parametrize("how", ["chat", "stream"])
def test_two_calls_for_the_same_user_take_turns(loopback: Any, how: str) -> None:
    server = loopback(lambda body: Text(f"answer to {body['messages'][-1]['content']}"))
    npc = ada(server.client(), memory="all")

    def talk(speaker: int) -> None:
        for turn in range(5):
            "".join(getattr(npc, how)(f"{speaker}.{turn}", "u"))

    threads = [threading.Thread(target=talk, args=(speaker,)) for speaker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(6 * PATIENCE)
    history = npc.chat_histories["u"]
    assert len(history) == 60
    for line, answer in zip(history[::2], history[1::2], strict=True):
        assert answer == assistant(f"answer to {line['content']}")
    assert [len(messages) for messages in server.sent] == list(range(2, 62, 2))


def test_different_users_are_answered_at_once(loopback: Any) -> None:
    server = loopback("Hail.", hold_until=4)
    npc = ada(server.client())
    threads = [threading.Thread(target=npc.chat, args=("Hello!", f"user {n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert server.most_at_once == 4
    assert len(npc.chat_histories) == 4


def test_a_call_that_waits_for_its_turn_sees_what_was_said_before(loopback: Any) -> None:
    speak = threading.Event()
    server = loopback([Held("First.", until=speak), "Second."])
    npc = ada(server.client())
    first = threading.Thread(target=npc.chat, args=("one", "u"))
    first.start()
    server.wait_for_requests(1)
    second = threading.Thread(target=npc.chat, args=("two", "u"))
    second.start()
    speak.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert server.sent[1] == [SYSTEM, user("one"), assistant("First."), user("two")]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    replies=st.lists(st.sampled_from(["Hail.", "rate_limit", "empty", "timeout"]), min_size=1, max_size=12),
    streams=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_whatever_fails_the_history_holds_exactly_the_answered_lines(
    replies: list[str], streams: list[bool]
) -> None:
    planned = [reply if reply == "Hail." else fake_error(reply) for reply in replies]
    npc = ada(FakeClient(planned), memory="all")
    expected = []
    for turn, reply in enumerate(replies):
        ask = npc.stream if streams[turn] else npc.chat
        if reply == "Hail.":
            assert "".join(ask(f"line {turn}", "u")) == reply
            expected += [user(f"line {turn}"), assistant(reply)]
        else:
            with pytest.raises(ReplyError):
                list(ask(f"line {turn}", "u"))
    assert npc.chat_histories.get("u", []) == expected


def test_ctrl_c_ends_a_reply_also_while_its_traceback_is_kept() -> None:
    """IPython keeps the last traceback, and with it everything that was being read."""

    def interrupt(messages: Any) -> str:
        raise KeyboardInterrupt

    npc = SimpleChatNPC(FakeClient(interrupt), "m", NPCConfig("A tavern.", "You are Mira."))
    with pytest.raises(KeyboardInterrupt) as kept:
        npc.chat("Hello!", "ann")
    holders = npc._one_at_a_time._holders.values()
    assert [(holder := each()) is not None and holder.holds for each in holders] == [False]
    assert kept.traceback
