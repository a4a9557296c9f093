"""What real endpoints sent, and what is right: each row names the public thread in which it was reported.

On both ends of the range of `openai`, 2.54 and the current one: an error's words are in other places.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest
from loopback import DONE, Either, Json, Loopback, Pause, Raw, Reply, Stream, Text, chunk, chunk_of, envelope

from npc_lab import ChatArena, NPCConfig, NPCFactory, ReplyError, SimpleChatNPC
from npc_lab.widgets import chat_box
from npc_lab.wire import reading

pytestmark = pytest.mark.packages

USER = "learner"
SECRET = "The gold lies under the oak."


def character(server: Loopback, **options: Any) -> SimpleChatNPC:
    client = server.client(max_retries=0)
    return SimpleChatNPC(client, "some-model", NPCConfig("a world", "a character", name="Guy", **options))


def by_chat(npc: SimpleChatNPC) -> str:
    return npc.chat("Hello!", USER)


def by_stream(npc: SimpleChatNPC) -> str:
    stream = npc.stream("Hello!", USER)
    for _ in stream:
        pass
    return stream.reply.text


@pytest.fixture(params=[by_chat, by_stream])
def ask(request: pytest.FixtureRequest) -> Any:
    return request.param


# --- errors: the kind, the status, the body, and the words that must be quoted -------------------------

LM_STUDIO = (
    "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 5000>= "
    "n_ctx: 4096)."
)
ANTHROPIC = "Your credit balance is too low to access the Anthropic API."
UPSTREAM = '{"error": {"message": "Prompt is too long: 9000 tokens", "code": 400}}'
REFUSALS: dict[str, tuple[str, int, Any, str]] = {
    "LM Studio, openclaude#353": ("context_length", 400, {"error": LM_STUDIO}, "greater than the context"),
    "LM Studio, in brackets": ("context_length", 400, {"error": {"error": LM_STUDIO}}, "greater than"),
    "Google's list, gemini-cli#12214": (
        "context_length",
        400,
        [{"error": {"code": 400, "message": "The input token count (9000) exceeds the maximum number"}}],
        "input token count",
    ),
    "Google's key": (
        "auth",
        400,
        [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}],
        "",
    ),
    "Ollama": ("model_not_found", 404, {"error": "model 'm' not found"}, "model 'm' not found"),
    "OpenRouter, no endpoint": (
        "model_not_found",
        404,
        {"error": {"message": "No endpoints found for some/model.", "code": 404}},
        "No endpoints found",
    ),
    "OpenRouter's moderation": (
        "filtered",
        403,
        {"error": {"message": "Input was flagged", "code": 403, "metadata": {"reasons": ["violence"]}}},
        "Input was flagged",
    ),
    "OpenRouter's upstream, in JSON as text": (
        "context_length",
        400,
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": UPSTREAM}}},
        "Prompt is too long",
    ),
    "groq, decommissioned": (
        "model_not_found",
        400,
        {"error": {"message": "It has been retired.", "code": "model_decommissioned"}},
        "It has been retired",
    ),
    "groq, tokens per minute": (
        "rate_limit",
        413,
        {"error": {"message": "Request too large on tokens per minute (TPM): Limit 6000", "type": "tokens"}},
        "Request too large",
    ),
    "together": (
        "model_not_found",
        400,
        {"error": {"message": "Unable to access it.", "code": "model_not_available"}},
        "Unable to access",
    ),
    "Hugging Face": (
        "model_not_found",
        400,
        {
            "error": {
                "message": "The requested model 'x' is not supported by any provider you have enabled.",
                "code": "model_not_supported",
            }
        },
        "not supported by any provider",
    ),
    "Anthropic, without credit": (
        "quota",
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": ANTHROPIC}},
        "credit balance is too low",
    ),
    "a balance as text, Psycheros#44": (
        "quota",
        402,
        {"error": "Insufficient balance", "requiredBalance": 0.0035, "status": 402},
        "Insufficient balance",
    ),
    "a message at the top": ("bad_request", 400, {"message": "No room.", "request_id": "1"}, "No room."),
    "FastAPI's list": (
        "bad_request",
        422,
        {"detail": [{"loc": ["body"], "msg": "Field required"}, {"loc": [], "msg": "Too many"}]},
        "Field required; Too many",
    ),
    "a list of errors": ("bad_request", 400, {"errors": [{"message": "No such field."}]}, "No such field."),
    "a title, RFC 9457": ("bad_request", 400, {"title": "Bad field.", "status": 400}, "Bad field."),
}


def refusal(status: int, body: Any) -> Reply:
    return Json(body, status)


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_kind_and_its_words_whatever_its_shape(loopback: Any, ask: Any, name: str) -> None:
    kind, status, body, words = REFUSALS[name]
    with pytest.raises(ReplyError) as caught:
        ask(character(loopback([refusal(status, body)])))
    assert caught.value.kind == kind, str(caught.value)
    assert words in caught.value.detail
    assert bool(words) == bool(caught.value.detail)


def test_plain_words_are_quoted(loopback: Any, ask: Any) -> None:
    with pytest.raises(ReplyError, match=r"It says: “Out of tea\.”"):
        ask(character(loopback([Raw(b"Out of tea.", "text/plain", 400)])))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"error": null}', b"<html><body>No.</body></html>", b"[[[]]]"]
)
def test_a_reason_that_is_not_there_is_not_spoken_of(loopback: Any, ask: Any, body: bytes) -> None:
    with pytest.raises(ReplyError, match="it gave no reason") as caught:
        ask(character(loopback([Raw(body, status=400)])))
    assert "Read the reason" not in str(caught.value)


# An error under status 200, whole, as a whole reply to a stream, and as an event: one kind.
UNDER_200: dict[str, tuple[str, Any]] = {
    "OmniRoute#8210": ("quota", {"message": "quota exceeded"}),
    "aider#3550": ("rate_limit", {"message": "Slow down.", "code": 429}),
    "a code in text": ("rate_limit", {"message": "Slow down.", "code": "429"}),
    "only words": ("context_length", "This model's maximum context length is 8192 tokens."),
    "a key": ("auth", {"message": "Invalid API key.", "code": 401}),
    "nothing known": ("server", {"message": "Something is wrong."}),
}


@pytest.mark.parametrize("name", UNDER_200)
def test_an_error_under_status_200_has_one_kind(loopback: Any, ask: Any, name: str) -> None:
    kind, error = UNDER_200[name]
    for reply in (Json({"error": error}), Either(Json({"error": error}), Stream([{"error": error}, DONE]))):
        with pytest.raises(ReplyError) as caught:
            ask(character(loopback([reply])))
        assert caught.value.kind == kind


# --- other legal shapes of a reply --------------------------------------------------------------------

THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]}
# agent-framework#6978, vercel/ai#8072, agentjido/req_llm#742; the last ones: Responses-like parts, a text.
CONTENTS: list[Any] = [
    [THINKING, {"type": "text", "text": "Good day."}],
    [{"type": "reasoning", "summary": [{"text": SECRET}]}, {"type": "output_text", "text": "Good day."}],
    [{"type": "thinking", "thinking": SECRET}, "Good ", {"type": "reference", "ids": [1]}, {"text": "day."}],
]


@pytest.mark.parametrize("content", CONTENTS)
def test_content_may_come_in_parts(loopback: Any, ask: Any, content: Any) -> None:
    streamed = [chunk_of({"content": [part]}) for part in content]
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = Json(envelope("chat.completion", choices=[choice]))
    npc = character(loopback([Either(whole, Stream([*streamed, chunk(finish_reason="stop"), DONE]))]))
    assert ask(npc) == "Good day."
    assert npc.chat_histories[USER][-1]["reasoning_content"] == SECRET


# langchain#18977, autogen#6465, openai-python#1677; a choice of another index is another reply.
FILTER_RESULTS = {"index": 0, "finish_reason": None, "content_filter_results": {}}
EMPTY_CHUNKS: dict[str, Any] = {
    "no delta": FILTER_RESULTS,
    "null": {**FILTER_RESULTS, "delta": None},
    "offsets": {**FILTER_RESULTS, "content_filter_offsets": {"check_offset": 1}},
    "another index": {"index": 1, "delta": {"content": "Begone!"}, "finish_reason": "stop"},
}


@pytest.mark.parametrize("name", EMPTY_CHUNKS)
def test_a_chunk_may_say_nothing_new(loopback: Any, name: str) -> None:
    empty = envelope("chat.completion.chunk", choices=[EMPTY_CHUNKS[name]])
    said = [empty, chunk("Good "), empty, chunk("day."), chunk(finish_reason="stop"), empty, DONE]
    assert by_stream(character(loopback([Stream(said)]))) == "Good day."


def test_a_finish_reason_without_a_delta_counts(loopback: Any) -> None:
    end = envelope("chat.completion.chunk", choices=[{"index": 0, "finish_reason": "stop"}])
    assert by_stream(character(loopback([Stream([chunk("Good day."), end, DONE])]))) == "Good day."


# Vibe-Trading#308, qwen-code#9884, dify#8550, spring-ai#4900, bedrock-access-gateway#11, metabase#80959.
ENDS = {
    "stop": ["STOP", "FinishReason.STOP", "eos_token", "end_turn", "endTurn", "FINISH_REASON_STOP"],
    "length": ["MAX_TOKENS", "FinishReason.MAX_TOKENS", "max_output_tokens", "maxTokens", "Length"],
    "filtered": ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "content-filter", "guardrail_intervened"],
    "interrupted_stream": ["flux_capacitor", "OTHER", "error", "insufficient_system_resource"],
}


@pytest.mark.parametrize("reason", ENDS["stop"] + ENDS["length"])
def test_a_reply_ends_in_any_spelling(loopback: Any, ask: Any, reason: str) -> None:
    npc = character(loopback([Text("Good day.", finish_reason=reason)]))
    assert ask(npc) == "Good day."


@pytest.mark.parametrize("reason", ENDS["length"])
def test_what_is_cut_shows_no_thought(loopback: Any, ask: Any, reason: str) -> None:
    cut = "#SCRATCHPAD\nHe lies. I could tell him. #ANSWER The gold is under"
    with pytest.raises(ReplyError) as caught:
        ask(character(loopback([Text(cut, finish_reason=reason)]), has_scratchpad=True))
    assert caught.value.kind == "no_answer"


@pytest.mark.parametrize("reason", ENDS["filtered"] + ENDS["interrupted_stream"])
def test_half_a_reply_is_not_taken_for_a_whole_one(loopback: Any, ask: Any, reason: str) -> None:
    npc = character(loopback([Text("Good", finish_reason=reason)]))
    with pytest.raises(ReplyError) as caught:
        ask(npc)
    assert caught.value.kind == ("filtered" if reason in ENDS["filtered"] else "interrupted_stream")
    assert npc.chat_histories == {}


def test_an_unknown_reason_is_named(loopback: Any, ask: Any) -> None:
    with pytest.raises(ReplyError, match="It says that it ended with “flux_capacitor”"):
        ask(character(loopback([Text("Good", finish_reason="flux_capacitor")])))


def test_null_as_text_in_every_chunk_is_no_end(loopback: Any) -> None:
    said = [chunk("Good ", "null"), chunk("day.", "null"), chunk(finish_reason="stop"), DONE]
    assert by_stream(character(loopback([Stream(said)]))) == "Good day."


TOOLS: list[dict[str, Any]] = [
    {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "look_up"}}]},
    {"function_call": {"name": "look_up", "arguments": "{}"}},
]


@pytest.mark.parametrize("call", TOOLS)
def test_a_call_of_a_tool_is_named_as_what_it_is(loopback: Any, ask: Any, call: dict[str, Any]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **call}}
    whole = Json(envelope("chat.completion", choices=[{**choice, "finish_reason": "tool_calls"}]))
    streamed = Stream([chunk_of(call), chunk(finish_reason="tool_calls"), DONE])
    with pytest.raises(ReplyError, match=r"asked for a tool \(look_up\).* has no tools") as caught:
        ask(character(loopback([Either(whole, streamed)])))
    assert caught.value.kind == "empty"


# --- one reply, one text ------------------------------------------------------------------------------

THOUGHTS_FIRST = f"The user greets me. {SECRET}\n</think>\n\nGood day, sir."


def test_what_is_said_is_one_text_everywhere(loopback: Any) -> None:
    server = loopback([THOUGHTS_FIRST, "And to you.", THOUGHTS_FIRST])
    factory = NPCFactory(server.client(), "some-model")
    one, two = (factory.register_npc("London", "a knight", name=name) for name in ("Guy", "Hans"))
    arena = ChatArena(factory)
    talk = arena.start_conversation(one, two)
    lines = arena.run_conversation(talk, 2)
    assert lines[1].content == "Good day, sir."
    assert server.sent[1][-1] == {"role": "user", "content": "Good day, sir."}
    box = chat_box(factory, one)
    assert box.say("Hello!") == "Good day, sir."
    assert SECRET not in " ".join(message.content for message in box.transcript)


def test_a_model_that_thinks_first_is_held_back_from_then_on(loopback: Any) -> None:
    npc = character(loopback([THOUGHTS_FIRST, THOUGHTS_FIRST, "Good day."]))
    first = npc.stream("Hello!", USER)
    assert SECRET in "".join(first)
    assert first.reply.text == "Good day, sir."
    second = npc.stream("Hello!", USER)
    assert "".join(second) == second.reply.text == "Good day, sir."
    assert "".join(npc.stream("Hello!", USER)) == "Good day."


def test_a_reopened_panel_shows_of_a_cut_reply_what_was_shown(loopback: Any, tmp_path: Any) -> None:
    cut = Text("Good day. I say <think> of the gold", finish_reason="length")
    for replies in ([cut], []):
        factory = NPCFactory(loopback(replies).client(), "some-model", store=tmp_path / "talks.db")
        box = chat_box(factory, factory.register_npc("London", "a knight", name="Guy"))
        if replies:
            assert box.say("Hello!") == "Good day. I say"
        assert [message.content for message in box.transcript] == ["Hello!", "Good day. I say"]
        factory.store.close()


# --- bounds -------------------------------------------------------------------------------------------


def for_ever(step: Any) -> Iterator[Any]:
    """One step after the other, until nobody reads on."""
    while True:
        yield step


MEGABYTE = "word " * 200_000


def test_an_endpoint_that_writes_for_ever_is_ended(loopback: Any) -> None:
    npc = character(loopback([Stream(for_ever(chunk(MEGABYTE))), "Still here."]))
    with pytest.raises(ReplyError, match="longer than 4,000,000 characters") as caught:
        by_stream(npc)
    assert caught.value.kind == "interrupted_stream"
    assert npc.chat_histories == {}
    assert by_stream(npc) == "Still here."


def test_thoughts_for_ever_are_ended_too(loopback: Any) -> None:
    npc = character(loopback([Stream(for_ever(chunk(reasoning_content=MEGABYTE)))]))
    with pytest.raises(ReplyError) as caught:
        by_stream(npc)
    assert caught.value.kind == "malformed"


def test_a_whole_reply_may_not_be_larger_either(loopback: Any) -> None:
    with pytest.raises(ReplyError) as caught:
        by_chat(character(loopback([Text(5 * MEGABYTE)])))
    assert caught.value.kind == "malformed"


def in_a_thread(npc: SimpleChatNPC) -> str:
    """As in a talk among many: there, a whole reply is read in the thread that asks."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(by_chat, npc).result()


@pytest.mark.parametrize("ask_whole", [by_chat, in_a_thread])
def test_a_whole_reply_that_drips_is_ended(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, ask_whole: Any
) -> None:
    monkeypatch.setattr(reading, "LONGEST_REPLY", 0.3)
    drops = (each for _ in for_ever(None) for each in (b" ", Pause(0.05)))
    server = loopback([Stream(drops), "Still here."])
    npc = character(server)
    with pytest.raises(ReplyError, match="took more than") as caught:
        ask_whole(npc)
    assert caught.value.kind == "timeout"
    server.wait_until_idle()  # it was hung up on
    monkeypatch.undo()
    assert ask_whole(npc) == "Still here."


@pytest.mark.parametrize("ask_whole", [by_chat, in_a_thread])
@pytest.mark.parametrize("piece", [b" " * 50_000, b'{"choices": [' * 5_000], ids=["blanks", "JSON"])
def test_a_whole_reply_that_never_ends_is_ended_while_it_arrives(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, ask_whole: Any, piece: bytes
) -> None:
    monkeypatch.setattr(reading, "LARGEST_REPLY", 1000)
    server = loopback([Stream(for_ever(piece))])
    with pytest.raises(ReplyError, match="longer than 1,000 characters") as caught:
        ask_whole(character(server))
    assert caught.value.kind == "malformed"
    server.wait_until_idle()


def test_a_piece_of_a_stream_that_never_ends_is_ended_while_it_arrives(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_REPLY", 1000)
    endless_line = (each for _ in for_ever(None) for each in (b"a" * 50_000, Pause(0.001)))
    server = loopback([Stream(chain([chunk("Well "), b"data: "], endless_line))])
    with pytest.raises(ReplyError, match="longer than 1,000 characters") as caught:
        by_stream(character(server))
    assert caught.value.kind == "interrupted_stream"
    server.wait_until_idle()


@pytest.mark.parametrize("step", [b": ping\n\n", chunk("word ")], ids=["pings", "words"])
def test_an_endpoint_that_takes_for_ever_is_ended(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, step: Any
) -> None:
    monkeypatch.setattr(reading, "LONGEST_REPLY", 0.3)
    steps = (each for _ in for_ever(None) for each in (step, Pause(0.05)))
    with pytest.raises(ReplyError, match="took more than") as caught:
        by_stream(character(loopback([Stream(steps)])))
    assert caught.value.kind == "timeout"
