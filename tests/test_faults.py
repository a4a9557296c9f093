"""Whatever goes wrong between a character and its model: a turn happens as a whole or not at all.

Every fault is met by `chat` and by `stream`, through the real `openai` client; those that only a stream
can have, by `stream` alone. Each time: the right kind, one sentence that says what to do, the provider's
exception as the cause, no key anywhere, nothing remembered, and the next call as if nothing had happened.
"""

import json
import queue
import re
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import openai
import pytest
from faults import EXCEPTIONS, NO_REPLIES, TELLTALES, Either, event_error
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import (
    CUT,
    DONE,
    KEY,
    PATIENCE,
    RESET,
    CutBody,
    Held,
    Json,
    Loopback,
    Reply,
    Reset,
    Status,
    Stream,
    Text,
    chunk,
)

from npc_lab import NPCConfig, ReplyError, SimpleChatNPC

pytestmark = pytest.mark.packages

USER = "learner"
QUESTION = "Who goes there?"
NEXT_QUESTION = "Are you still there?"
BRIEFLY = 0.3


def by_chat(npc: SimpleChatNPC, message: str) -> str:
    return npc.chat(message, USER)


def by_stream(npc: SimpleChatNPC, message: str) -> str:
    return "".join(npc.stream(message, USER))


@pytest.fixture(params=[by_chat, by_stream])
def ask(request) -> Callable[[SimpleChatNPC, str], str]:
    """Both ways to take a turn; what holds for one must hold for the other."""
    return request.param


def character(server: Loopback, **options: Any) -> SimpleChatNPC:
    return SimpleChatNPC(server.client(), "some-model", NPCConfig("a world", "a character", **options))


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def remembered(npc: SimpleChatNPC) -> dict[str, list[Any]]:
    return {user_id: list(history) for user_id, history in npc.chat_histories.items()}


def everything_said(error: BaseException) -> str:
    """All that a learner, a log or a notebook shows of an error, with what stands behind it."""
    parts = ["".join(traceback.format_exception(error)), repr(vars(error))]
    link: BaseException | None = error
    while link is not None:
        parts += [str(link), repr(link)]
        link = link.__cause__ or link.__context__
    return "\n".join(parts)


def is_one_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][^\n]*[.!?]", text)) and not re.search(r"[.!?]\s+[A-Z]", text)


def assert_it_explains_itself(error: ReplyError, kind: str) -> None:
    assert error.kind == kind, everything_said(error)
    assert is_one_sentence(error.hint), error.hint
    assert error.hint in str(error)
    assert KEY not in everything_said(error)


# --- every fault, one after the other -----------------------------------------------------------------------


def cases(table: dict[str, dict[str, Reply]]) -> list[Any]:
    """Each fault with each way to meet it: a scripted stream is for `stream` alone."""
    return [
        pytest.param(ask, kind, fault, id=f"{kind}: {name}, {ask.__name__}")
        for kind, faults in table.items()
        for name, fault in faults.items()
        for ask in ([by_stream] if isinstance(fault, Stream) else [by_chat, by_stream])
    ]


@pytest.mark.parametrize(("ask", "kind", "fault"), cases(EXCEPTIONS))
def test_a_fault_of_the_provider_becomes_a_reply_error_with_its_cause(loopback, ask, kind, fault):
    npc = character(loopback([fault]))
    with pytest.raises(ReplyError) as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, kind)
    assert isinstance(caught.value.__cause__, Exception)
    assert not isinstance(caught.value.__cause__, ReplyError)


@pytest.mark.parametrize(("ask", "kind", "fault"), cases(NO_REPLIES))
def test_what_is_not_a_reply_becomes_a_reply_error(loopback, ask, kind, fault):
    npc = character(loopback([fault]))
    with pytest.raises(ReplyError) as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, kind)


ALL_FAULTS = cases(EXCEPTIONS) + cases(NO_REPLIES)


@pytest.mark.parametrize(("ask", "kind", "fault"), ALL_FAULTS)
def test_after_a_fault_in_the_first_turn_nothing_is_remembered_and_the_next_call_works(
    loopback, ask, kind, fault
):
    server = loopback([fault, "Still here."])
    npc = character(server)
    with pytest.raises(ReplyError):
        ask(npc, QUESTION)
    assert remembered(npc) == {}
    assert ask(npc, NEXT_QUESTION) == "Still here."
    assert server.sent[-1] == [npc.get_system_message(), user(NEXT_QUESTION)]
    assert len(server.sent) == 2  # nothing was repeated behind the caller's back


@pytest.mark.parametrize(("ask", "kind", "fault"), ALL_FAULTS)
def test_after_a_fault_in_a_later_turn_the_earlier_one_is_all_that_is_remembered(loopback, ask, kind, fault):
    server = loopback(["A traveller.", fault, "Still here."])
    npc = character(server)
    ask(npc, "Hello!")
    before = remembered(npc)
    with pytest.raises(ReplyError):
        ask(npc, QUESTION)
    assert remembered(npc) == before
    assert ask(npc, NEXT_QUESTION) == "Still here."
    first_exchange = [user("Hello!"), assistant("A traveller.")]
    assert server.sent[-1] == [npc.get_system_message(), *first_exchange, user(NEXT_QUESTION)]


# --- time and place -----------------------------------------------------------------------------------------


def answer_starting_with(*steps: Any) -> Stream:
    return Stream([*steps, threading.Event(), chunk(finish_reason="stop"), DONE])


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Held("Too late."), id="no answer at all"),
        pytest.param(Either(Held("Too late."), answer_starting_with()), id="stalled before a word"),
        pytest.param(
            Either(Held("Too late."), answer_starting_with(chunk("Well "))), id="stalled in the middle"
        ),
    ],
)
def test_an_endpoint_that_falls_silent_is_a_time_out(loopback, ask, fault):
    server = loopback([fault, "Still here."])
    npc = character(server)
    npc.client = server.client(timeout=BRIEFLY)
    with pytest.raises(ReplyError) as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, "timeout")
    assert isinstance(caught.value.__cause__, Exception)
    assert remembered(npc) == {}
    npc.client = server.client()  # patient again: the machine that runs the tests may be slow
    assert ask(npc, NEXT_QUESTION) == "Still here."
    assert server.sent[-1] == [npc.get_system_message(), user(NEXT_QUESTION)]


def test_where_nothing_listens_the_error_names_the_address(loopback, ask):
    server = loopback(["Still here."])
    npc = character(server)
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        address = f"127.0.0.1:{closed_soon.getsockname()[1]}"
    npc.client = server.client(base_url=f"http://{address}/v1/")
    with pytest.raises(ReplyError, match=re.escape(address)) as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, "connection")
    assert isinstance(caught.value.__cause__, openai.APIConnectionError)
    npc.client = server.client()
    assert ask(npc, NEXT_QUESTION) == "Still here."


def test_without_a_network_the_error_names_the_host(loopback, ask):
    npc = character(loopback([]))
    npc.client = loopback([]).client(base_url="http://nowhere.invalid/v1/")
    with pytest.raises(ReplyError, match=r"nowhere\.invalid") as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, "connection")


def test_a_reset_connection_names_the_address(loopback, ask):
    server = loopback([Reset()])
    with pytest.raises(ReplyError, match=re.escape(server.address)):
        ask(character(server), QUESTION)


def test_an_address_that_is_no_api_is_a_bad_address(loopback, ask):
    server = loopback([])
    npc = character(server)
    npc.client = server.client(base_url=f"http://{server.address}/elsewhere/")
    with pytest.raises(ReplyError) as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, "bad_address")


def test_a_stream_that_is_reset_in_the_middle_is_interrupted(loopback):
    heard = threading.Event()  # a reset discards what was sent and is not yet read
    npc = character(loopback([Stream([chunk("Well met, stranger. "), heard, RESET])]))
    stream = npc.stream(QUESTION, USER)
    assert next(stream).startswith("Well")
    heard.set()
    with pytest.raises(ReplyError) as caught:
        list(stream)
    assert_it_explains_itself(caught.value, "interrupted_stream")
    assert isinstance(caught.value.__cause__, Exception)
    assert remembered(npc) == {}


def test_a_reply_cut_half_way_through_its_body_is_a_broken_connection(loopback, ask):
    server = loopback([CutBody()])
    with pytest.raises(ReplyError) as caught:
        ask(character(server), QUESTION)
    # Where a whole reply was asked for, openai itself cannot tell whether it had begun.
    kind = "interrupted_stream" if server.requests[0].wants_stream else "connection"
    assert_it_explains_itself(caught.value, kind)
    assert "Nothing answers" not in str(caught.value)


def test_what_an_endpoint_says_of_a_refused_key_is_not_repeated(loopback, ask):
    """It may hold a part of the key, with stars in its middle."""
    server = loopback([Status(401, "Incorrect API key provided: lo***KEY.")])
    with pytest.raises(ReplyError) as caught:
        ask(character(server), QUESTION)
    assert "***" not in str(caught.value)


def test_the_sdks_own_retries_are_the_only_ones(loopback, ask):
    again_soon = {"retry-after-ms": "1"}
    server = loopback([Status(500, headers=again_soon), "Still here."])
    npc = character(server)
    npc.client = server.client(max_retries=1)
    assert ask(npc, QUESTION) == "Still here."
    assert server.sent[0] == server.sent[1]


# --- keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", TELLTALES.values(), ids=TELLTALES)
def test_a_key_that_the_endpoint_echoes_is_shown_nowhere(loopback, ask, fault):
    npc = character(loopback([fault]))
    with pytest.raises(ReplyError) as caught:
        ask(npc, QUESTION)
    assert KEY not in everything_said(caught.value)


def test_a_password_inside_the_address_is_not_shown(loopback, ask):
    npc = character(loopback([]))
    npc.client = loopback([]).client(base_url="http://learner:another-secret@nowhere.invalid/v1/")
    with pytest.raises(ReplyError, match=r"nowhere\.invalid") as caught:
        ask(npc, QUESTION)
    assert "another-secret" not in everything_said(caught.value)


def test_the_reason_the_endpoint_gives_is_passed_on(loopback, ask):
    npc = character(loopback([Status(400, "temperature must be at most 2")]))
    with pytest.raises(ReplyError, match="temperature must be at most 2"):
        ask(npc, QUESTION)


BEYOND_SENDING = {
    "a line end": f"{KEY}\n",
    "a line end in the middle": f"{KEY[:20]}\n{KEY[20:]}",
    "an umlaut": f"{KEY}ü",
    "an invisible letter": f"\u200b{KEY}",
    "a blank alone": " ",
}


@pytest.mark.parametrize("key", BEYOND_SENDING.values(), ids=BEYOND_SENDING)
def test_a_key_that_cannot_be_sent_is_no_trouble_of_the_network(loopback, ask, key):
    """A learner's own client takes any text as a key; `connect()` would have said so (test_connect.py)."""
    server = loopback([])
    npc = character(server)
    npc.client = server.client(api_key=key)
    with pytest.raises(ReplyError, match="letters that cannot be sent") as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, "bad_request")
    for part in (KEY, KEY[:20], KEY[20:]):
        assert part not in everything_said(caught.value)
    assert remembered(npc) == {}


# --- what looks like a fault and is none --------------------------------------------------------------------

HARMLESS = {
    "limit reached with something visible": (Text("Well met, and", finish_reason="length"), "Well met, and"),
    "unused fields as null": (Text("Well met.", nulls=True), "Well met."),
    "reasoning before the answer": (Text("Well met.", reasoning_content="Be kind."), "Well met."),
    "think before the answer": (Text("<think>Be kind.</think>Well met."), "Well met."),
    "chunks without choices": (
        Either(
            Text("Well met."),
            Stream([{"id": "1"}, {"choices": []}, chunk("Well met."), chunk(finish_reason="stop"), {}, DONE]),
        ),
        "Well met.",
    ),
    "comments between events": (
        Either(
            Text("Well met."),
            Stream([b": processing\n\n", chunk("Well met."), b":\n\n", chunk(finish_reason="stop"), DONE]),
        ),
        "Well met.",
    ),
    "no end mark, but a finish reason": (
        Either(Text("Well met."), Stream([chunk("Well met.", "stop")])),
        "Well met.",
    ),
    "an emoji in two halves": (Text(pieces=["Well \ud83d", "\ude00", "!"]), "Well \N{GRINNING FACE}!"),
    "half an emoji": (Text("Well met \ud83d", finish_reason="length"), "Well met \N{REPLACEMENT CHARACTER}"),
}


@pytest.mark.parametrize(("reply", "visible"), HARMLESS.values(), ids=HARMLESS)
def test_an_odd_reply_is_still_a_reply(loopback, ask, reply, visible):
    server = loopback([reply, "Still here."])
    npc = character(server)
    assert ask(npc, QUESTION) == visible
    assert [message["role"] for message in npc.chat_histories[USER]] == ["user", "assistant"]
    assert ask(npc, NEXT_QUESTION) == "Still here."  # what is remembered can also be sent


def test_the_finish_reason_says_that_a_reply_ran_into_the_limit(loopback):
    stream = character(loopback([Text("Well met, and", finish_reason="length")])).stream(QUESTION, USER)
    assert "".join(stream) == "Well met, and"
    assert stream.reply.finish_reason == "length"
    assert stream.reply.text == "Well met, and"


def test_half_an_emoji_in_a_question_can_be_asked(loopback, ask):
    server = loopback(["Well met.", "Still here."])
    npc = character(server)
    assert ask(npc, "Hello \ud83d") == "Well met."
    assert ask(npc, NEXT_QUESTION) == "Still here."
    asked = server.sent[0][-1]["content"]
    assert asked.startswith("Hello ")
    asked.encode()


@pytest.mark.parametrize("odd", ["Hail\0there", "x" * 2_000_000, "\u202eback", "<|im_end|>"])
def test_whatever_a_learner_writes_arrives_as_it_is(loopback, ask, odd):
    server = loopback(["Well met.", "Still here."])
    npc = character(server)
    assert ask(npc, odd) == "Well met."
    assert ask(npc, NEXT_QUESTION) == "Still here."
    assert server.sent[-1][1] == user(odd)


# --- private thoughts, when things go wrong -----------------------------------------------------------------

SECRET = "I shall sell him a lame horse."
THINKING = chunk(f"#SCRATCHPAD\n{SECRET}")
HALF_THOUGHTS = {
    "no_answer": {
        "start and no end": Text(f"#SCRATCHPAD\n{SECRET}"),
        "start and no end, to the limit": Text(f"#SCRATCHPAD\n{SECRET}", finish_reason="length"),
        "both and no answer": Text(f"#SCRATCHPAD\n{SECRET}\n#ANSWER\n"),
        "lower case": Text(f"#scratchpad\n{SECRET}"),
    },
    "interrupted_stream": {
        "cut in the thought": Stream([THINKING, CUT]),
        "error event in the thought": Stream([THINKING, event_error("Out of memory.")]),
        "no finish reason": Stream([THINKING, DONE]),
    },
    "filtered": {"filtered in the thought": Text(f"#SCRATCHPAD\n{SECRET}", finish_reason="content_filter")},
}


@pytest.mark.parametrize(("ask", "kind", "fault"), cases(HALF_THOUGHTS))
def test_a_thought_stays_private_in_a_failed_turn(loopback, ask, kind, fault):
    npc = character(loopback([fault]), has_scratchpad=True)
    with pytest.raises(ReplyError) as caught:
        ask(npc, QUESTION)
    assert_it_explains_itself(caught.value, kind)
    assert "lame horse" not in everything_said(caught.value)
    assert remembered(npc) == {}


def test_what_was_shown_before_a_stream_broke_was_the_answer_only(loopback):
    text = f"#SCRATCHPAD\n{SECRET}\n#ANSWER\nA fine horse"
    npc = character(loopback([Stream([*map(chunk, text), CUT])]), has_scratchpad=True)
    shown: list[str] = []
    with pytest.raises(ReplyError):
        shown.extend(npc.stream(QUESTION, USER))  # keeps what came before the error
    assert "".join(shown).startswith("A fine")
    assert "A fine horse".startswith("".join(shown))
    assert remembered(npc) == {}


# --- streams that are stopped -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stalled", "is_begun"),
    [(Held("Too late."), False), (answer_starting_with(chunk("Well met, stranger. ")), True)],
    ids=["not begun", "begun"],
)
def test_a_stream_stopped_from_another_thread_ends_at_once_and_is_forgotten(loopback, stalled, is_begun):
    server = loopback([stalled, "Still here."])
    npc = character(server)
    stream = npc.stream(QUESTION, USER)
    pieces: queue.SimpleQueue[str] = queue.SimpleQueue()
    reading = threading.Thread(target=lambda: [pieces.put(piece) for piece in stream], daemon=True)
    reading.start()
    server.wait_for_requests(1)
    if is_begun:
        assert pieces.get(timeout=PATIENCE).startswith("Well met")
    stream.close()  # while the other thread waits for words that never come
    reading.join(PATIENCE / 2)
    assert not reading.is_alive()
    assert remembered(npc) == {}
    # The endpoint still hangs on to the first request: the next call does not wait for that.
    assert npc.chat(NEXT_QUESTION, USER) == "Still here."
    assert server.sent[-1] == [npc.get_system_message(), user(NEXT_QUESTION)]


@pytest.mark.parametrize("pieces_read", [0, 1])
def test_an_abandoned_stream_stores_nothing_and_blocks_nobody(loopback, pieces_read):
    asks_next = user(NEXT_QUESTION)
    server = loopback(lambda body: "Still here." if body["messages"][-1] == asks_next else endless())
    npc = character(server)
    stream = npc.stream(QUESTION, USER)
    for _, _piece in zip(range(pieces_read), stream, strict=False):
        pass
    assert npc.chat(NEXT_QUESTION, USER) == "Still here."
    assert remembered(npc) == {USER: [user(NEXT_QUESTION), assistant("Still here.")]}
    stream.close()
    server.wait_until_idle()


def endless() -> Stream:
    return Stream(chunk("and then... ") for _ in iter(int, 1))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot interrupt one thread")
def test_an_interrupted_turn_is_forgotten(loopback, ask):
    def interrupt_first(body):
        if body["messages"][-1] == user(NEXT_QUESTION):
            return "Still here."
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return Held("Too late.")

    server = loopback(interrupt_first)
    npc = character(server)
    with pytest.raises(KeyboardInterrupt):
        ask(npc, QUESTION)
    assert remembered(npc) == {}
    assert ask(npc, NEXT_QUESTION) == "Still here."
    assert server.sent[-1] == [npc.get_system_message(), user(NEXT_QUESTION)]


# --- whatever an endpoint may send --------------------------------------------------------------------------

WORDS = ["choices", "message", "delta", "content", "finish_reason", "error", "refusal", "reasoning", "usage"]
FINISHES = st.sampled_from(["stop", "length", "content_filter", "tool_calls"])
LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | st.text(max_size=4) | FINISHES
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=8,
)
# Mostly right at the top, so that the oddities sit where they are looked at.
PARTS = dict.fromkeys(["content", "refusal", "reasoning", "role"], ANY_JSON)
DELTAS = st.fixed_dictionaries({}, optional=PARTS) | st.fixed_dictionaries({"content": st.text(max_size=9)})
MESSAGES = {"delta": DELTAS | ANY_JSON, "message": DELTAS | ANY_JSON, "finish_reason": FINISHES | ANY_JSON}
CHOICES = st.fixed_dictionaries({}, optional=MESSAGES) | st.fixed_dictionaries(MESSAGES)
EVENTS = st.fixed_dictionaries({"choices": st.lists(CHOICES | ANY_JSON, max_size=2)}) | ANY_JSON


@pytest.fixture(scope="module")
def whatever():
    """One endpoint for all examples, which sends what the example puts into the list."""
    replies: list[Reply] = []
    with Loopback(lambda body: replies[-1]) as server:
        yield server.client(), replies


@given(events=st.lists(EVENTS, max_size=4), body=EVENTS)
@settings(max_examples=150, deadline=None)
def test_whatever_an_endpoint_sends_a_turn_happens_as_a_whole_or_not_at_all(whatever, events, body):
    client, replies = whatever
    replies.append(Either(Json(body), Stream([*map(json.dumps, events), DONE])))
    for take_turn in (by_chat, by_stream):
        npc = SimpleChatNPC(client, "some-model", NPCConfig("a world", "a character"))
        try:
            text = take_turn(npc, QUESTION)
        except ReplyError:
            assert remembered(npc) == {}
        else:
            assert text.strip()
            assert remembered(npc)[USER][0] == user(QUESTION)
            assert len(remembered(npc)[USER]) == 2
