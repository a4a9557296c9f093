"""The loopback endpoint does what it says, seen through the real `openai` client: other tests stand on it."""

import asyncio
import itertools
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from conftest import nobodys_keys
from hypothesis import given
from hypothesis import strategies as st
from loopback import (
    CUT,
    DONE,
    KEY,
    RESET,
    CutBody,
    Held,
    Json,
    Loopback,
    Pause,
    Raw,
    Reset,
    Silence,
    Status,
    Stream,
    Text,
    chunk,
    web_page,
    words,
)
from pytest_socket import SocketBlockedError, SocketConnectBlockedError

pytestmark = pytest.mark.packages

HELLO = [{"role": "user", "content": "Hello, who are you?"}]


def ask(client, **options):
    return client.chat.completions.create(**({"model": "toy", "messages": HELLO} | options))


def ask_for_stream(client, **options):
    return list(ask(client, stream=True, **options))


def spoken(chunks):
    return "".join(piece.choices[0].delta.content or "" for piece in chunks if piece.choices)


def finish_reasons(chunks):
    return [piece.choices[0].finish_reason for piece in chunks if piece.choices]


# --- replies that are well ------------------------------------------------------------------------


def test_a_text_comes_whole_with_finish_reason_model_and_usage(loopback):
    reply = ask(loopback(["Hail, traveller!"]).client())
    assert reply.choices[0].message.content == "Hail, traveller!"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "toy"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (4, 2, 6)


def test_a_text_comes_in_pieces_when_a_stream_is_asked_for(loopback):
    chunks = ask_for_stream(loopback(["Hail, traveller!"]).client())
    assert [piece.choices[0].delta.content for piece in chunks] == ["", "Hail,", " traveller!", None]
    assert finish_reasons(chunks) == [None, None, None, "stop"]
    assert {piece.model for piece in chunks} == {"toy"}


def test_usage_is_streamed_only_on_request_in_a_chunk_without_choices(loopback):
    client = loopback(["Hail!", "Hail!"]).client()
    assert all(piece.usage is None for piece in ask_for_stream(client))
    last = ask_for_stream(client, stream_options={"include_usage": True})[-1]
    assert last.choices == []
    assert last.usage.total_tokens == 5


def test_pieces_and_finish_reason_are_as_planned(loopback):
    planned = Text(pieces=["Ha", "il, tra", "veller"], finish_reason="length")
    client = loopback([planned, planned]).client()
    chunks = ask_for_stream(client)
    assert [piece.choices[0].delta.content for piece in chunks[1:-1]] == ["Ha", "il, tra", "veller"]
    assert finish_reasons(chunks)[-1] == "length"
    whole = ask(client).choices[0]
    assert (whole.message.content, whole.finish_reason) == ("Hail, traveller", "length")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "refusal"])
def test_fields_beside_the_content_arrive_whole_and_streamed(loopback, name):
    planned = Text(None, **{name: "I must not say this."})
    client = loopback([planned, planned]).client()
    message = ask(client).choices[0].message
    assert message.content is None
    assert getattr(message, name) == "I must not say this."
    deltas = [piece.choices[0].delta for piece in ask_for_stream(client)]
    assert "".join(getattr(delta, name, None) or "" for delta in deltas) == "I must not say this."


def test_unused_fields_can_come_as_null(loopback):
    client = loopback([Text("Hail!", nulls=True)] * 2).client()
    message = ask(client).choices[0].message
    assert "tool_calls" in message.model_fields_set
    assert message.tool_calls is None
    chunks = ask_for_stream(client)
    assert chunks[0].choices[0].delta.content is None
    assert spoken(chunks) == "Hail!"


def test_half_an_emoji_travels_as_an_escape(loopback):
    halves = Text(pieces=["Ho ", "\ud83d", "\ude00"])
    client = loopback([halves, halves, Text("Ho \ud83d"), Text("Ho \ud83d")]).client()
    chunks = ask_for_stream(client)
    assert [piece.choices[0].delta.content for piece in chunks[1:-1]] == ["Ho ", "\ud83d", "\ude00"]
    # In one JSON text, the two halves are one emoji again.
    assert ask(client).choices[0].message.content == "Ho \N{GRINNING FACE}"
    assert ask(client).choices[0].message.content == "Ho \ud83d"
    assert spoken(ask_for_stream(client)) == "Ho \ud83d"


def test_the_models_are_listed(loopback):
    client = loopback([], models=["small", "large"]).client()
    assert [model.id for model in client.models.list()] == ["small", "large"]


# --- planning and recording -----------------------------------------------------------------------


def test_every_request_is_recorded_with_path_headers_body_and_time(loopback):
    server = loopback(["Hail!"])
    before = time.perf_counter()
    ask(server.client(), temperature=0.6)
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["temperature"] == 0.6
    assert before < request.arrived < time.perf_counter()
    assert server.sent == [HELLO]


def test_a_function_answers_from_the_body(loopback):
    client = loopback(lambda body: body["messages"][-1]["content"].upper()).client()
    assert ask(client).choices[0].message.content == "HELLO, WHO ARE YOU?"
    assert spoken(ask_for_stream(client)) == "HELLO, WHO ARE YOU?"


def test_one_reply_can_serve_every_request(loopback):
    client = loopback(Text("Hail!")).client()
    assert [ask(client).choices[0].message.content for _ in range(3)] == ["Hail!"] * 3


def test_more_requests_than_planned_fail_the_test():
    unplanned = pytest.raises(AssertionError, match="More requests than the 1 planned")
    with unplanned, Loopback([Status(500)]) as server, pytest.raises(openai.InternalServerError):
        ask(server.client(max_retries=1))


def test_a_plan_that_raises_fails_the_test():
    raised = pytest.raises(KeyError, match="nothing")
    with raised, Loopback(lambda body: body["nothing"]) as server, pytest.raises(openai.InternalServerError):
        ask(server.client())


def test_connections_are_kept_alive_between_requests(loopback):
    server = loopback(Text("Hail!"))
    client = server.client()
    ask(client)
    ask(client)
    # Only streams cost a connection each: openai hangs up at [DONE], before the end of the HTTP reply.
    ask_for_stream(client)
    assert (len(server.requests), server.connections) == (3, 1)


def test_replies_are_held_until_enough_requests_have_arrived(loopback):
    server = loopback(Text("Hail!"), hold_until=8)
    client = server.client()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: ask(client), range(8)))
    assert len(replies) == 8
    assert server.most_at_once == 8


def test_a_held_reply_is_in_progress_until_the_test_lets_it_go(loopback):
    release = threading.Event()
    server = loopback([Held("Hail!", release)])
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(ask, server.client())
        server.wait_for_requests(1)
        assert server.in_progress == 1
        assert not reply.done()
        release.set()
        assert reply.result().choices[0].message.content == "Hail!"
    server.wait_until_idle()
    assert server.in_progress == 0


def test_a_slow_reply_takes_its_seconds(loopback):
    client = loopback([Held("Hail!", seconds=0.05), Stream([chunk("Hail!"), Pause(0.05), DONE])]).client()
    for take_time in (ask, ask_for_stream):
        before = time.perf_counter()
        take_time(client)
        assert time.perf_counter() - before >= 0.05


def test_closing_the_server_releases_whoever_is_still_held():
    never = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        with Loopback([Held("Hail!", never), Held("Hail!")]) as server:
            replies = [pool.submit(ask, server.client()) for _ in range(2)]
            server.wait_for_requests(2)
        for reply in replies:
            reply.exception(timeout=5)  # answered or cut off, but over
    assert server.in_progress == 0
    assert not never.is_set()  # a plan can be used again


# --- replies that go wrong ------------------------------------------------------------------------


def test_a_status_carries_code_message_and_headers(loopback):
    planned = Status(429, "Slow down.", code="rate_limited", headers={"Retry-After": "300"})
    client = loopback([planned]).client()
    with pytest.raises(openai.RateLimitError, match="Slow down") as caught:
        ask(client)
    assert caught.value.code == "rate_limited"
    assert caught.value.response.headers["retry-after"] == "300"


def test_a_web_page_comes_with_the_status_planned(loopback):
    client = loopback([web_page(404), web_page()]).client()
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client)
    assert caught.value.code is None
    assert "<html>" in ask(client)  # what openai makes of it: a bare str


def test_an_address_that_is_no_api_answers_with_a_web_page(loopback):
    server = loopback([])
    with pytest.raises(openai.NotFoundError):
        ask(server.client(base_url=f"http://{server.address}/elsewhere/"))


@pytest.mark.parametrize("value", [{"choices": []}, {"choices": None}, {"id": "1"}, {"error": {"code": 1}}])
def test_odd_json_under_status_200_reaches_the_caller(loopback, value):
    assert not ask(loopback([Json(value)]).client()).choices


def test_malformed_json_reaches_the_caller(loopback):
    with pytest.raises(ValueError, match="Expecting"):
        ask(loopback([Raw(b'{"choices": [')]).client())


@pytest.mark.parametrize("mishap", [CutBody(), Reset(), Silence()], ids=["cut body", "reset", "silence"])
def test_a_broken_connection_is_a_connection_error(loopback, mishap):
    client = loopback([mishap, "Still here."]).client()
    with pytest.raises(openai.APIConnectionError):
        ask(client)
    assert ask(client).choices[0].message.content == "Still here."


def test_a_reply_that_never_comes_is_a_time_out(loopback):
    with pytest.raises(openai.APITimeoutError):
        ask(loopback([Held("Too late.")]).client(timeout=0.1))


@pytest.mark.parametrize("mishap", [CUT, RESET])
def test_a_stream_that_is_cut_raises_after_what_arrived(loopback, mishap):
    heard = threading.Event()  # a reset discards what was sent and is not yet read
    client = loopback([Stream([chunk("Well met"), heard, mishap])]).client()
    stream = iter(ask(client, stream=True))
    assert next(stream).choices[0].delta.content == "Well met"
    heard.set()
    # openai 2.54 lets the HTTP library's own error through, 3.x raises an APIConnectionError.
    with pytest.raises(Exception, match=r"onnection|reset|peer"):
        next(stream)


def test_a_stream_without_a_length_ends_normally_wherever_it_is_cut(loopback):
    chunks = ask_for_stream(loopback([Stream([chunk("Well "), CUT], close_delimited=True)]).client())
    assert spoken(chunks) == "Well "
    assert finish_reasons(chunks) == [None]


def test_a_stream_is_sent_step_by_step(loopback):
    odd = [b": a comment\n\n", {"id": "1"}, '{"choices": []}']
    steps = [*odd, chunk("Hail"), chunk(finish_reason="stop"), DONE]
    chunks = ask_for_stream(loopback([Stream(steps)]).client())
    assert len(chunks) == 4
    assert spoken(chunks) == "Hail"


def test_a_stream_can_carry_an_error(loopback):
    error = {"error": {"message": "Out of memory", "code": 500}}
    client = loopback([Stream([chunk("Well "), error])]).client()
    with pytest.raises(openai.APIError, match="Out of memory"):
        ask_for_stream(client)


def test_a_stream_can_carry_bad_json(loopback):
    with pytest.raises(ValueError, match="Expecting"):
        ask_for_stream(loopback([Stream([chunk("Well "), '{"choices": [', DONE])]).client())


def test_a_stream_stalls_until_the_test_lets_it_go(loopback):
    release = threading.Event()
    server = loopback([Stream([chunk("Well "), release, chunk("met"), chunk(finish_reason="stop"), DONE])])
    stream = iter(ask(server.client(), stream=True))
    assert next(stream).choices[0].delta.content == "Well "
    assert server.in_progress == 1
    release.set()
    assert spoken(stream) == "met"


def test_the_server_notices_a_client_that_hangs_up(loopback):
    endless = Stream(chunk("la ") for _ in itertools.count())
    server = loopback([endless])
    stream = ask(server.client(), stream=True)
    next(iter(stream))
    stream.close()
    server.wait_until_idle()


# --- what conftest.py promises --------------------------------------------------------------------


def test_the_network_is_forbidden():
    with (
        pytest.warns(UserWarning, match="connect"),
        pytest.raises(SocketConnectBlockedError, match=r"203\.0\.113\.7"),
    ):
        socket.socket().connect(("203.0.113.7", 443))


def test_names_are_not_looked_up():
    with pytest.warns(UserWarning, match="look up"), pytest.raises(SocketBlockedError, match=r"example\.com"):
        socket.create_connection(("example.com", 443))
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nowhere.invalid", 443))


def test_unix_sockets_and_this_machine_stay_open_for_asyncio_and_kernels(tmp_path):
    async def nothing():
        """The event loop's own plumbing is a pair of sockets."""

    asyncio.run(nothing())
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as connecting:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        connecting.connect(str(tmp_path / "socket"))
    with socket.create_server(("localhost", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()


def test_no_key_reaches_a_test(monkeypatch):
    monkeypatch.setenv("NEBIUS_API_KEY", KEY)
    with nobodys_keys():
        assert KEY not in os.environ.values()


@pytest.fixture(scope="module")
def _somebodys_choice():
    before = os.environ.get("NPC_LAB_PROVIDER")
    os.environ["NPC_LAB_PROVIDER"] = "nebius"
    yield
    del os.environ["NPC_LAB_PROVIDER"]
    if before is not None:
        os.environ["NPC_LAB_PROVIDER"] = before


@pytest.mark.usefixtures("_somebodys_choice")
def test_no_choice_of_provider_reaches_a_test():
    assert "NPC_LAB_PROVIDER" not in os.environ


@given(text=st.text(min_size=1))
def test_property_tests_run_under_these_rules_and_pieces_join_to_the_text(text):
    assert "".join(words(text)) == text
