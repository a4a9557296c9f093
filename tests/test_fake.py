"""The fake behaves like the real client, so that what works with it works with a model."""

import pickle
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from npc_lab import (
    FakeClient,
    FakeReply,
    NPCConfig,
    NPCLabError,
    ReplyError,
    SimpleChatNPC,
    connect,
    fake_error,
)
from npc_lab.errors import REPLY_FAULTS

QUESTION = [{"role": "user", "content": "Hello!"}]


def create(client: Any, **more: Any) -> Any:
    return client.chat.completions.create(model="m", messages=QUESTION, **more)


def npc(client: Any, **more: Any) -> SimpleChatNPC:
    return SimpleChatNPC(client, "m", NPCConfig("w", "c", **more))


def test_a_whole_reply_has_the_real_types() -> None:
    response = create(FakeClient(["Good day."]))
    assert isinstance(response, ChatCompletion)
    assert response.choices[0].message.content == "Good day."
    assert response.choices[0].finish_reason == "stop"
    assert response.usage.total_tokens > 0
    assert ChatCompletion.model_validate(response.model_dump()) == response


def test_a_streamed_reply_has_the_real_types_and_the_same_words() -> None:
    chunks = list(create(FakeClient(["Good  day,\nsir. "]), stream=True))
    assert all(isinstance(chunk, ChatCompletionChunk) for chunk in chunks)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == "Good  day,\nsir. "
    )
    assert len(chunks) > 4
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    for chunk in chunks:
        assert ChatCompletionChunk.model_validate(chunk.model_dump()) == chunk


def test_scripted_replies_come_in_order_and_then_end_in_plain_words() -> None:
    client = FakeClient(["one", "two"])
    assert [create(client).choices[0].message.content for _ in range(2)] == ["one", "two"]
    with pytest.raises(ReplyError, match="had 2 replies"):
        create(client)


def test_computed_replies_see_the_messages_and_cannot_change_what_was_recorded() -> None:
    def reply(messages: list[dict[str, str]]) -> str:
        answer = messages[-1]["content"].upper()
        messages.clear()
        return answer

    client = FakeClient(reply)
    assert create(client, temperature=0.5).choices[0].message.content == "HELLO!"
    assert client.calls == [{"model": "m", "messages": QUESTION, "stream": False, "temperature": 0.5}]


def test_what_was_noted_of_a_call_stays_when_the_sent_list_changes() -> None:
    client, messages = FakeClient(["Hail."]), [{"role": "user", "content": "Hello!"}]
    client.chat.completions.create(model="m", messages=messages)
    messages[0]["content"] = "Farewell!"
    messages.append({"role": "assistant", "content": "Hail."})
    assert client.calls[0]["messages"] == QUESTION


@pytest.mark.parametrize("replies", ["hello", None, 3])
def test_replies_that_are_none_are_refused(replies: Any) -> None:
    with pytest.raises(NPCLabError, match="list of replies"):
        FakeClient(replies)


def test_a_mistake_in_a_function_of_your_own_is_named() -> None:
    with pytest.raises(ReplyError, match="ZeroDivisionError") as caught:
        npc(FakeClient(lambda messages: 1 / 0)).chat("Hello!", "u")  # type: ignore[arg-type, return-value]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_reply_error_survives_pickling() -> None:
    error = ReplyError("quota", "Wait.", "It says no.")
    again = pickle.loads(pickle.dumps(error))
    assert (again.kind, again.hint, str(again)) == ("quota", "Wait.", str(error))


def test_a_call_budget_ends_an_endless_loop() -> None:
    client = FakeClient(lambda messages: "on and on", budget=10)
    with pytest.raises(ReplyError) as caught:
        list(iter(lambda: create(client), None))
    assert caught.value.kind == "quota"
    assert len(client.calls) == 11


KINDS = sorted(REPLY_FAULTS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["chat", "stream"])
def test_every_kind_of_failure_can_be_planned(kind: str, how: str) -> None:
    client = FakeClient([fake_error(kind), "fine again"])
    character = npc(client)
    with pytest.raises(ReplyError) as caught:
        list(getattr(character, how)("Hello!", "u"))
    assert caught.value.kind == kind
    assert character.chat("Hello!", "u") == "fine again"


def test_planned_failures_are_the_real_exceptions() -> None:
    assert isinstance(fake_error("rate_limit"), openai.RateLimitError)
    assert isinstance(fake_error("auth"), openai.AuthenticationError)
    assert isinstance(fake_error("timeout"), openai.APITimeoutError)


def test_failures_can_be_ordered_while_it_runs() -> None:
    client = FakeClient(["one", "two"])
    create(client)
    client.fail_next("server", "auth")
    with pytest.raises(openai.InternalServerError):
        create(client)
    with pytest.raises(openai.AuthenticationError):
        create(client)
    assert create(client).choices[0].message.content == "two"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (FakeReply("half a", None), "interrupted_stream"),
        (FakeReply("", "length"), "cut_off"),
        (FakeReply(""), "empty"),
        (FakeReply("", refusal="I will not."), "refused"),
        (FakeReply("", "content_filter"), "filtered"),
        (FakeReply("", reasoning="hm"), "no_answer"),
    ],
)
def test_odd_endings_are_what_the_real_ones_are(reply: FakeReply, kind: str) -> None:
    with pytest.raises(ReplyError) as caught:
        list(npc(FakeClient([reply])).stream("Hello!", "u"))
    assert caught.value.kind == kind


def test_pieces_can_be_cut_anywhere() -> None:
    client = FakeClient([FakeReply("Good day", pieces=["Go", "od d", "ay"])])
    assert list(npc(client).stream("Hello!", "u")) == ["Go", "od d", "ay"]


def test_a_closed_stream_gives_no_more() -> None:
    stream = create(FakeClient(["one two three"]), stream=True)
    next(stream)
    stream.close()
    assert list(stream) == []


def test_small_talk_is_in_the_characters_name_and_varies(capsys: pytest.CaptureFixture[str]) -> None:
    client, model = connect("fake")
    character = SimpleChatNPC(client, model, NPCConfig("w", "You are a knight.", name="Sir Guy"))
    answers = [character.chat("Tell me more.", "u") for _ in range(6)]
    assert all("Sir Guy" in answer for answer in answers)
    assert len(set(answers)) >= 3
    assert all(first != second for first, second in pairwise(answers))
    assert "fake" in capsys.readouterr().out


def test_small_talk_never_says_the_line_that_it_said_just_before() -> None:
    client, model = connect("fake")
    character = SimpleChatNPC(client, model, NPCConfig("w", "You are Sir Guy."))
    answers = [character.chat(f"Question {number}?", "u") for number in range(50)]
    assert all(first != second for first, second in pairwise(answers))


def test_small_talk_thinks_where_the_system_message_asks_for_it() -> None:
    character = npc(connect("fake").client, has_scratchpad=True, name="Ada")
    stream = character.stream("Hello!", "u")
    assert "Ada" in "".join(stream)
    assert stream.reply.thought
    assert "#SCRATCHPAD" in stream.reply.raw
    assert "#ANSWER" in stream.reply.raw
