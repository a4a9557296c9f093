"""Endpoints that take less than others: asked once more without what they refuse, and remembered.

The loopback server refuses in the words of real servers (see MOODS there). Each time: the turn succeeds, the
second turn is sent right at once, what the endpoint makes of it is what the character remembers.
"""

import threading
from typing import Any

import pytest
from loopback import (
    DONE,
    MOODS,
    PATIENCE,
    Either,
    Held,
    Json,
    Loopback,
    Mood,
    Status,
    Stream,
    Text,
    chunk,
    has_system,
)
from typer.testing import CliRunner

from npc_lab import (
    ChatArena,
    FakeClient,
    History,
    NPCConfig,
    NPCFactory,
    ReplyError,
    SimpleChatNPC,
    connect,
    fake_error,
)
from npc_lab.cli import app
from npc_lab.widgets import arena_controls, chat_box
from npc_lab.wire import answers, dialects
from npc_lab.wire.answers import is_wanted

USER = "learner"
LIMIT = {"max_reply_tokens": 50}
SHEET = {"name": "Sir Guy", **LIMIT}
# One of each kind, as a model behind a strict gateway may have them all.
ALL_AT_ONCE = [
    MOODS[name]
    for name in (
        "temperature, Azure",
        "max_tokens, OpenAI",
        "stream_options, vLLM",
        "stream, OpenAI",
        "system, Gemma in vLLM",
        "turns, Mistral",
    )
]


@pytest.fixture(autouse=True)
def _nothing_learned_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses on this machine are used again: what one test learned must not help another."""
    monkeypatch.setattr(dialects, "_helped", {})


def by_chat(npc: SimpleChatNPC, message: str) -> str:
    return npc.chat(message, USER)


def by_stream(npc: SimpleChatNPC, message: str) -> str:
    return "".join(npc.stream(message, USER))


@pytest.fixture(params=[by_chat, by_stream])
def ask(request: Any) -> Any:
    return request.param


def character(server: Loopback, **sheet: Any) -> SimpleChatNPC:
    return SimpleChatNPC(server.client(), "some-model", NPCConfig("a world", "a knight", **(SHEET | sheet)))


def words_of(body: dict[str, Any]) -> str:
    return "\n".join(message["content"] for message in body["messages"])


# --- each refusal ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mood", MOODS.values(), ids=MOODS)
def test_what_an_endpoint_refuses_is_changed_once_and_remembered(loopback: Any, ask: Any, mood: Mood) -> None:
    server = loopback(["A traveller.", "Farewell."], moods=[mood])
    npc = character(server)
    assert ask(npc, "Who goes there?") == "A traveller."
    refused = len(server.requests) - 1
    assert refused <= 1
    assert ask(npc, "Go in peace.") == "Farewell."
    assert len(server.requests) == refused + 2  # the second turn was right at once
    for said in ("a world", "a knight", "Who goes there?", "A traveller.", "Go in peace."):
        assert words_of(server.accepted[-1]).count(said) == 1
    assert [each["content"] for each in npc.chat_histories[USER]] == [
        "Who goes there?",
        "A traveller.",
        "Go in peace.",
        "Farewell.",
    ]


@pytest.mark.parametrize("mood", MOODS.values(), ids=MOODS)
def test_an_arena_talks_with_an_endpoint_of_any_mood(loopback: Any, mood: Mood) -> None:
    server = loopback(["Hail.", "Well met.", "Farewell."], moods=[mood])
    factory = NPCFactory(server.client(), "some-model")
    arena = ChatArena(factory)
    npc_ids = [factory.register_npc("a world", "a character", name=who, **LIMIT) for who in ("Guy", "Hans")]
    talk = arena.run_conversation(arena.start_conversation(*npc_ids, "Good day!"), 3)
    assert [line.content for line in talk] == ["Good day!", "Hail.", "Well met.", "Farewell."]
    assert len(server.requests) <= 3 + 1


def test_what_nobody_refuses_is_left_as_it_is(loopback: Any) -> None:
    mood = MOODS["temperature, OpenAI"]
    server = loopback(["A traveller."], moods=[mood])
    by_stream(character(server), "Who goes there?")
    asked_first, asked_then = (request.body for request in server.requests)
    assert asked_then == {name: value for name, value in asked_first.items() if name != "temperature"}


def test_the_token_limit_is_kept_under_its_newer_name(loopback: Any, ask: Any) -> None:
    server = loopback(["A traveller."], moods=[MOODS["max_tokens, OpenAI"]])
    ask(character(server, max_reply_tokens=77), "Who goes there?")
    assert server.accepted[0]["max_completion_tokens"] == 77
    assert "max_tokens" not in server.accepted[0]


def test_two_lines_of_one_role_are_joined(loopback: Any, ask: Any) -> None:
    """A learner may write a history by hand."""
    server = loopback(["A traveller."], moods=[MOODS["turns, llama.cpp"]])
    npc = character(server)
    roles = ["user", "user", "assistant", "system"]
    npc.chat_histories[USER] = History({"role": role, "content": f"said by {role}"} for role in roles)
    assert ask(npc, "Who goes there?") == "A traveller."
    sent = server.accepted[0]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[1]["content"] == "said by user\n\nsaid by user"
    assert sent[3]["content"] == "said by system\n\nWho goes there?"


# --- many refusals --------------------------------------------------------------------------------


def test_one_endpoint_may_refuse_all_of_it(loopback: Any, ask: Any) -> None:
    server = loopback(["A traveller.", "Farewell."], moods=ALL_AT_ONCE)
    npc = character(server)
    assert ask(npc, "Who goes there?") == "A traveller."
    asked_for_the_first = len(server.requests)
    assert asked_for_the_first <= 1 + len(ALL_AT_ONCE)
    assert ask(npc, "Go in peace.") == "Farewell."
    assert len(server.requests) == asked_for_the_first + 1
    assert set(server.accepted[-1]) == {"model", "messages", "max_completion_tokens"}


def test_an_arena_and_the_panels_talk_with_such_an_endpoint(loopback: Any) -> None:
    server = loopback(lambda body: f"Line {len(body['messages'])}.", moods=ALL_AT_ONCE)
    factory = NPCFactory(server.client(), "some-model")
    knight, merchant = (
        factory.register_npc("a world", f"a {who}", name=who) for who in ("knight", "merchant")
    )
    arena = ChatArena(factory)
    talks = [arena.start_conversation(knight, merchant) for _ in range(4)]
    for talk in arena.run_conversations(talks, max_turns=4, max_workers=4).values():
        assert len(talk) == 5
        assert talk.stop_reason == "4 turns done"
    assert len(arena_controls(arena, knight, merchant).run(2)) == 3
    assert chat_box(factory, knight).say("Hello!") == "Line 1."
    learning = 4 * (1 + len(ALL_AT_ONCE))  # at worst each of the four threads is refused everything once
    assert len(server.requests) <= 4 * 4 + 2 + 1 + learning


def test_many_threads_learn_at_once(loopback: Any) -> None:
    server = loopback("Hail.", moods=ALL_AT_ONCE, hold_until=16)
    npc = character(server)
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda user=f"user {number}": answers.append(npc.chat("Hello!", user)))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["Hail."] * 16
    assert len(server.accepted) == 16


def test_what_sounds_like_a_refusal_after_the_first_word_ends_the_reply(loopback: Any) -> None:
    """A part of it has been shown: it is not asked for again."""
    error = {"error": {"message": "Unsupported parameter: 'temperature' is not supported with this model."}}
    server = loopback([Stream([chunk("Who "), error])])
    npc = character(server)
    stream = npc.stream("Hello!", USER)
    with pytest.raises(ReplyError) as caught:
        list(stream)
    assert caught.value.kind == "interrupted_stream"
    assert len(server.requests) == 1
    assert npc.chat_histories == {}


def test_an_endpoint_that_never_streams_is_heard_all_the_same(loopback: Any) -> None:
    whole = {"choices": [{"message": {"role": "assistant", "content": "Hail."}, "finish_reason": "stop"}]}
    server = loopback([Json(whole), Json({"error": {"message": "Nobody is at home."}})])
    stream = character(server).stream("Hello!", USER)
    assert list(stream) == ["Hail."]
    assert stream.reply.finish_reason == "stop"
    with pytest.raises(ReplyError, match="Nobody is at home"):
        by_stream(character(server), "Hello!")


def test_a_reply_that_says_it_is_not_whole_is_none(loopback: Any, ask: Any) -> None:
    """OpenRouter puts the error of a provider behind it into the choice."""
    choice = {"finish_reason": "error", "error": {"message": "The provider is overloaded.", "code": 502}}
    with_error = Either(
        Json({"choices": [{"message": {"content": ""}, **choice}]}),
        Stream([{"choices": [{"delta": {"content": ""}, **choice}]}, DONE]),
    )
    server = loopback(
        [with_error, Text("Half a", finish_reason="error"), Text("Half a", finish_reason="abort")]
    )
    npc = character(server)
    with pytest.raises(ReplyError, match="provider is overloaded") as caught:
        ask(npc, "Hello!")
    assert caught.value.kind == "server"
    for _ in range(2):
        with pytest.raises(ReplyError) as caught:
            ask(npc, "Hello!")
        assert caught.value.kind == "interrupted_stream"
    assert npc.chat_histories == {}


def test_what_is_learned_in_two_steps_is_all_remembered(loopback: Any) -> None:
    moods = [MOODS["temperature, Azure"]]
    server = loopback(["One.", "Two.", "Three."], moods=moods)
    npc = character(server)
    npc.chat("Hello!", USER)
    moods.append(MOODS["max_tokens, OpenAI"])
    npc.chat("Hello!", USER)
    asked = len(server.requests)
    npc.chat("Hello!", USER)
    assert len(server.requests) == asked + 1
    assert not {"temperature", "max_tokens"} & set(server.accepted[-1])


# --- what is remembered, and for whom -------------------------------------------------------------


def test_what_was_learned_holds_for_this_model_at_this_address_alone(loopback: Any) -> None:
    strict = loopback("Hail.", moods=[MOODS["temperature, OpenAI"]])
    lenient = loopback("Hail.")
    for server, model, refused in ((strict, "a", 1), (strict, "a", 0), (strict, "b", 1), (lenient, "a", 0)):
        before = len(server.requests)
        SimpleChatNPC(server.client(), model, NPCConfig("w", "c")).chat("Hello!", USER)
        assert len(server.requests) - before == 1 + refused, (model, refused)
    assert lenient.accepted[0]["temperature"] == 0.6


def test_another_client_of_the_same_address_knows_it_too(loopback: Any) -> None:
    server = loopback("Hail.", moods=[MOODS["system, Google"]])
    for _ in range(3):
        character(server).chat("Hello!", USER)
    assert len(server.requests) == 3 + 1


def test_what_one_stand_in_refused_another_one_gets() -> None:
    refused = MOODS["temperature, Azure"].refusal.message  # type: ignore[attr-defined]
    error = fake_error("bad_request")
    error.args = (refused,)
    for client, asked in ((FakeClient([error, "Hail."]), 2), (FakeClient(["Hail."]), 1)):
        assert SimpleChatNPC(client, "m", NPCConfig("w", "c")).chat("Hello!", USER) == "Hail."
        assert len(client.calls) == asked
    assert client.calls[0]["temperature"] == 0.6


def test_what_did_not_help_is_not_remembered(loopback: Any, ask: Any) -> None:
    """It refuses temperature, and without it still does not answer."""
    deaf = [MOODS["temperature, Azure"], Mood(lambda body: True, Status(400, "I do not like your face."))]
    server = loopback([], moods=deaf)
    npc = character(server)
    with pytest.raises(ReplyError, match="I do not like your face") as caught:
        ask(npc, "Hello!")
    assert caught.value.kind == "bad_request"
    assert "temperature" not in str(caught.value)
    assert len(server.requests) == 2
    assert not dialects.known(npc.client, npc.model)
    assert npc.chat_histories == {}


@pytest.mark.parametrize("mood", MOODS.values(), ids=MOODS)
def test_an_endpoint_that_refuses_for_ever_is_asked_a_few_times_at_most(
    loopback: Any, ask: Any, mood: Mood
) -> None:
    server = loopback([], moods=[Mood(lambda body: True, mood.refusal)])
    npc = character(server)
    with pytest.raises(ReplyError) as caught:
        ask(npc, "Hello!")
    late = {"malformed"} if isinstance(mood.refusal, Either) else set()
    assert caught.value.kind in {"bad_request", "server"} | late
    assert len(server.requests) <= 3
    assert npc.chat_histories == {}


ORDERS = "A knight whose system message is not supported."
NO_REFUSALS = {
    "a value out of range": Status(400, "temperature must be at most 2"),
    "too large a limit": Status(400, "max_tokens is too large: 50. This model supports at most 40."),
    "a limit above the context": Status(
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is "
        "8192 tokens and your request has 100 input tokens.",
    ),
    "too small a limit": Status(
        400, "Could not finish the message because max_tokens or model output limit "
    ),
    "a rate limit": Status(429, "Unsupported: temperature."),
    "no such model": Status(404, "The model does not support system messages."),
    "a fault while it streams": Status(500, "Unexpected error while streaming."),
    "a fault of its own": Status(400, "Unknown error in stream: unexpected EOF, stream closed."),
    "a fault with the system prompt": Status(400, "Unexpected error: system prompt cache miss."),
    "an unsupported temperature under 500": Status(500, "temperature is not supported"),
    "our own words": Status(500, f"Failed at: {ORDERS} Hello!"),
}


@pytest.mark.parametrize("fault", NO_REFUSALS.values(), ids=NO_REFUSALS)
def test_an_error_that_refuses_nothing_is_raised_at_once(loopback: Any, ask: Any, fault: Status) -> None:
    server = loopback([fault])
    npc = character(server)
    npc.config.character_description = ORDERS
    with pytest.raises(ReplyError):
        ask(npc, f"{ORDERS} Hello!")
    assert len(server.requests) == 1


def test_what_is_not_sent_is_not_left_out(loopback: Any, ask: Any) -> None:
    """Nothing would change: to ask again would be a mere repetition."""
    server = loopback([MOODS["temperature, OpenAI"].refusal])
    with pytest.raises(ReplyError):
        ask(character(server, temperature=None), "Hello!")
    assert len(server.requests) == 1


# --- what the learner sees of it ------------------------------------------------------------------


def test_the_preview_shows_what_is_meant_and_the_stream_what_was_sent(loopback: Any) -> None:
    server = loopback("Hail.", moods=[MOODS["system, Gemma in vLLM"]])
    npc = character(server)
    for _ in range(2):
        meant = npc.preview("Hello!", USER)
        stream = npc.stream("Hello!", USER)
        list(stream)
        assert meant[0]["role"] == "system"
        assert stream.sent == server.accepted[-1]["messages"]
        assert has_system({"messages": meant})
        assert not has_system({"messages": stream.sent})


def test_an_endpoint_that_does_not_stream_gives_its_reply_in_one_piece(loopback: Any) -> None:
    server = loopback(["Hail, good stranger."], moods=[MOODS["stream, OpenAI"]])
    stream = character(server).stream("Hello!", USER)
    assert list(stream) == ["Hail, good stranger."]
    assert stream.reply.finish_reason == "stop"
    assert stream.reply.usage.completion_tokens == 3


def test_private_thoughts_stay_private_where_nothing_streams(loopback: Any) -> None:
    secret = "#SCRATCHPAD\nI shall lie.\n#ANSWER\nHail."
    server = loopback([Text(secret, reasoning_content="He is a spy.")], moods=ALL_AT_ONCE)
    npc = character(server, has_scratchpad=True)
    stream = npc.stream("Hello!", USER)
    assert "".join(stream) == "Hail."
    assert stream.reply.thought == "He is a spy.\nI shall lie."


def test_an_endpoint_without_a_token_count_is_no_trouble(loopback: Any) -> None:
    """It ignores stream_options, and sends no usage at all."""
    whole = Json({"choices": [{"message": {"content": "Hail."}, "finish_reason": "stop"}]})
    server = loopback([whole, Stream([chunk("Hail."), chunk(finish_reason="stop"), DONE])])
    npc = character(server)
    assert npc.chat("Hello!", USER) == "Hail."
    stream = npc.stream("Hello!", USER)
    assert "".join(stream) == "Hail."
    assert stream.reply.usage is None


def doctor(server: Loopback) -> str:
    arguments = ["doctor", "--base-url", server.base_url, "--model", "some-model"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_the_doctor_says_what_the_endpoint_does_not_take(loopback: Any) -> None:
    said = doctor(loopback("Hail.", moods=ALL_AT_ONCE))
    for adaptation in dialects.ADAPTATIONS:
        is_in_turns_anyhow = "take turns" in adaptation.note  # one exchange alone
        assert (adaptation.note in said) != is_in_turns_anyhow, adaptation.note


def test_the_doctor_has_nothing_to_say_of_an_endpoint_that_takes_everything(loopback: Any) -> None:
    assert "This endpoint" not in doctor(loopback("Hail."))


def test_the_doctor_says_that_no_token_count_comes_and_where_thoughts_come(loopback: Any) -> None:
    thinking = chunk(reasoning_content="He is a spy.")
    said = doctor(loopback([Stream([thinking, chunk("Hail."), chunk(finish_reason="stop"), DONE])]))
    assert "This endpoint sends no token counts" in said
    assert "This endpoint sends private thoughts in a field of their own" in said


def test_what_was_stopped_meanwhile_is_not_sent_once_more(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up, closed = threading.Event(), threading.Event()

    def watched() -> bool:
        if not is_wanted():
            given_up.set()
        return is_wanted()

    monkeypatch.setattr(answers, "is_wanted", watched)
    refusal = Held(MOODS["temperature, OpenAI"].refusal, until=closed)
    server = loopback([], moods=[Mood(lambda body: True, refusal)])
    stream = character(server).stream("Hello!", USER)
    reading = threading.Thread(target=lambda: list(stream))
    reading.start()
    server.wait_for_requests(1)
    stream.close()
    closed.set()
    reading.join(PATIENCE)
    assert given_up.wait(PATIENCE)
    assert len(server.requests) == 1


def test_a_fake_is_never_adapted_to() -> None:
    client = FakeClient(["Hail."])
    SimpleChatNPC(client, "fake", NPCConfig("w", "c")).chat("Hello!", USER)
    assert client.calls[0]["temperature"] == 0.6


# --- the embedded model ---------------------------------------------------------------------------


@pytest.mark.model
def test_the_embedded_model_takes_all_of_it_whole_and_streamed(ask: Any) -> None:
    npc = SimpleChatNPC(*connect("local"), NPCConfig("London", "You are a knight.", max_reply_tokens=8))
    assert ask(npc, "Who goes there?")
    assert ask(npc, "Go in peace.")
    assert not dialects.known(npc.client, npc.model)


@pytest.mark.model
def test_the_embedded_model_takes_what_is_left_after_all_adaptations(ask: Any) -> None:
    """What strict endpoints are sent is still something that an ordinary one understands."""
    client, model = connect("local")
    npc = SimpleChatNPC(client, model, NPCConfig("London", "You are a knight.", max_reply_tokens=8))
    dialects.remember(client, model, list(dialects.ADAPTATIONS))
    assert ask(npc, "Who goes there?")
    assert ask(npc, "Go in peace.")
