"""A meter and a brake: what replies have cost, how fast calls leave, and how many may."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from loopback import KEY, Loopback

from npc_lab import (
    ChatArena,
    ConnectError,
    FakeClient,
    FakeReply,
    NPCConfig,
    NPCFactory,
    ReplyError,
    SimpleChatNPC,
    Usage,
    connect,
)
from npc_lab.endpoints import pace
from npc_lab.endpoints.pace import Pace

pytestmark = pytest.mark.python


def town(client: Any) -> tuple[NPCFactory, str, str]:
    factory = NPCFactory(client, "some-model")
    guy, hans = (factory.register_npc("London", f"You are {name}.") for name in ("Guy", "Hans"))
    return factory, guy, hans


# --- the meter ------------------------------------------------------------------------------------


def test_usage_is_the_sum_over_all_replies_of_all_npcs() -> None:
    factory, guy, hans = town(FakeClient(lambda _: "Three words here."))
    user = factory.register_user("u")
    assert factory.usage() == Usage(0, 0, 0, 0)
    for npc_id in (guy, hans, hans):
        factory.chat_with_npc(npc_id, user, "Hello")
    counted = [call["messages"] for call in factory.client.calls]
    prompt = sum(len(message["content"].split()) for messages in counted for message in messages)
    assert factory.usage() == Usage(calls=3, prompt_tokens=prompt, completion_tokens=9, estimated=0)
    assert factory.npcs[hans].usage("u").calls == 2


def test_each_talk_of_an_arena_has_a_usage_of_its_own() -> None:
    factory, guy, hans = town(FakeClient(lambda _: "Three words here."))
    arena = ChatArena(factory)
    talks = [arena.start_conversation(guy, hans), arena.start_conversation(guy, guy)]
    arena.run_conversations(talks, {talks[0]: 3, talks[1]: 2})
    assert [arena.usage(talk).calls for talk in talks] == [3, 2]
    assert [arena.usage(talk).completion_tokens for talk in talks] == [9, 6]
    assert factory.usage().calls == 5


def test_what_an_endpoint_does_not_count_is_estimated(loopback: Any) -> None:
    server = loopback(["a" * 400], moods=[])
    ada = SimpleChatNPC(server.client(), "m", NPCConfig("w", "c"))
    stream = ada.stream("b" * 400, "u")
    next(stream)
    stream.close()  # no count has come yet
    usage = ada.usage("u")
    assert (usage.calls, usage.estimated) == (1, 1)
    assert usage.prompt_tokens >= 100
    assert ada.chat_histories.get("u", []) == []


def test_a_failed_reply_costs_too_and_a_refused_call_does_not() -> None:
    client = FakeClient([FakeReply("", "length"), "Hail."])
    ada = SimpleChatNPC(client, "m", NPCConfig("w", "c"))
    with pytest.raises(ReplyError):
        ada.chat("Hello", "u")
    assert ada.usage().calls == 1
    client.fail_next("rate_limit")
    with pytest.raises(ReplyError):
        ada.chat("Hello", "u")
    assert ada.usage().calls == 1


# --- the brake ------------------------------------------------------------------------------------


def test_calls_of_many_threads_leave_evenly_spaced(loopback: Any) -> None:
    server = loopback(lambda _: "Aye.")
    client, model = connect(base_url=server.base_url, model="m", api_key=KEY, per_minute=1200)
    ada = SimpleChatNPC(client, model, NPCConfig("w", "c"))
    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda user: ada.chat("Hello", f"user {user}"), range(9)))
    assert time.monotonic() - began >= 8 * 60 / 1200
    assert len(server.requests) == 9


@pytest.mark.parametrize("per_minute", [0, -1, "sixty", float("inf"), float("nan"), True, [60]])
def test_a_pace_that_is_no_number_above_zero_is_refused(per_minute: Any) -> None:
    with pytest.raises(ConnectError, match="per_minute must be a number of calls above 0"):
        connect("fake", per_minute=per_minute)


def test_who_is_stopped_does_not_wait_for_the_pace() -> None:
    slow = Pace(per_minute=1)
    slow.wait(lambda: True)
    stopped = threading.Event()
    waiting = threading.Thread(target=lambda: slow.wait(lambda: not stopped.is_set()))
    waiting.start()
    stopped.set()
    waiting.join(5)
    assert not waiting.is_alive()


@pytest.fixture
def no_calls_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace.CALLS, "_sent", 0)


def test_so_many_calls_and_no_more(
    loopback: Any, no_calls_yet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPC_LAB_MAX_CALLS", "3")
    servers: list[Loopback] = [loopback(["One.", "Two."]), loopback(["Three."])]
    npcs = []
    for server in servers:
        client, model = connect(base_url=server.base_url, model="m", api_key=KEY)
        npcs.append(SimpleChatNPC(client, model, NPCConfig("w", "c")))
    said = [npcs[0].chat("1", "u"), npcs[1].chat("2", "u"), npcs[0].chat("3", "u")]
    assert said == ["One.", "Three.", "Two."]
    for ask in (npcs[0].chat, lambda *words: list(npcs[1].stream(*words))):
        with pytest.raises(ReplyError, match="NPC_LAB_MAX_CALLS is 3, and so many calls were sent") as caught:
            ask("4", "u")
        assert caught.value.kind == "quota"
    assert [len(server.requests) for server in servers] == [2, 1]
    assert len(npcs[0].chat_histories["u"]) == 4
    monkeypatch.setenv("NPC_LAB_MAX_CALLS", "0")
    assert SimpleChatNPC(*connect("fake"), NPCConfig("w", "You are Ada.")).chat("Hello", "u")


def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_LAB_MAX_CALLS", "many")
    with pytest.raises(ConnectError, match="NPC_LAB_MAX_CALLS must be a whole number"):
        connect("fake")
