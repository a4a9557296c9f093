"""What goes with a request: examples, options and seeds; and what an endpoint refuses of them."""

from typing import Any

import pytest
from loopback import Mood, Status

from npc_lab import (
    CharacterError,
    ChatArena,
    ChatArenaError,
    FakeClient,
    NPCConfig,
    NPCFactory,
    SimpleChatNPC,
)
from npc_lab.wire import dialects

pytestmark = pytest.mark.python

EXAMPLES = [("Who are you?", "#SCRATCHPAD\nA stranger.\n#ANSWER\nA knight."), ("Where to?", "Home.")]


def npc(client: Any, **fields: Any) -> SimpleChatNPC:
    return SimpleChatNPC(client, "some-model", NPCConfig("A harbour.", "You are Ada.", **fields))


def as_messages(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": role, "content": text} for pair in pairs for role, text in zip(roles, pair, strict=True)]


# --- examples -------------------------------------------------------------------------------------


def test_examples_are_sent_behind_the_system_message_and_never_forgotten(loopback: Any) -> None:
    server = loopback(["One.", "Two.", "Three."])
    ada = npc(server.client(), examples=EXAMPLES, history_size=2)
    for line in ("1", "2", "3"):
        assert ada.preview(line, "u") == [ada.get_system_message(), *server_sent(ada, line)]
        ada.chat(line, "u")
    assert [sent[1:5] for sent in server.sent] == [as_messages(EXAMPLES)] * 3
    assert server.sent[2][5:] == [*as_messages([("2", "Two.")]), {"role": "user", "content": "3"}]
    assert ada.remembered("u") == as_messages([("3", "Three.")])


def server_sent(ada: SimpleChatNPC, line: str) -> list[dict[str, str]]:
    return [*as_messages(EXAMPLES), *ada.remembered("u"), {"role": "user", "content": line}]


@pytest.mark.parametrize(
    "examples",
    ["Hello", [("Hello",)], [("a", "b", "c")], [("a", 1)], [("a", " ")], {"a": "b"}, [["a", None]]],
)
def test_examples_that_are_no_pairs_are_refused(examples: Any) -> None:
    with pytest.raises(CharacterError, match="examples must be a list of pairs"):
        NPCConfig("w", "c", examples=examples)


# --- options --------------------------------------------------------------------------------------


def test_options_go_with_each_request_known_or_not_to_the_openai_package(loopback: Any) -> None:
    server = loopback(["One.", "Two."])
    options = {"top_p": 0.9, "stop": ["###"], "repeat_penalty": 1.2, "nested": {"a": [1, None, True]}}
    ada = npc(server.client(), request_options=options)
    ada.chat("1", "u")
    list(ada.stream("2", "u"))
    for request in server.requests:
        assert {name: request.body[name] for name in options} == options


REFUSED = ["model", "messages", "stream", "stream_options", "n", "tools", "tool_choice", "functions"]
REFUSED += ["function_call", "modalities", "audio", "store", "service_tier", "web_search_options", "timeout"]
REFUSED += [
    "max_completion_tokens",
    "extra_headers",
    "extra_query",
    "extra_body",
    "temperature",
    "max_tokens",
]


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_kit_writes_itself_is_no_option(name: str) -> None:
    with pytest.raises(CharacterError, match=f"request_options cannot hold '{name}'. [A-Z]"):
        NPCConfig("w", "c", request_options={name: 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}, (1, 2), b"x", {"a": {1}}])
def test_an_option_that_is_no_json_is_refused_by_name(value: Any) -> None:
    with pytest.raises(CharacterError, match=r"request_options\['top_p'\] must be a JSON value"):
        NPCConfig("w", "c", request_options={"top_p": value})


@pytest.mark.parametrize("options", [None, "top_p", [1], {1: 2}, {"": 1}])
def test_options_that_are_no_names_and_values_are_refused(options: Any) -> None:
    with pytest.raises(CharacterError, match="request_options must be a dict"):
        NPCConfig("w", "c", request_options=options)


@pytest.mark.parametrize("name", ["seed", "top_p", "min_p", "logit_bias"])
@pytest.mark.parametrize("how", ["chat", "stream"])
def test_an_option_that_an_endpoint_refuses_is_left_out_and_that_is_said(
    loopback: Any, name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refuses = Mood(lambda body: name in body, Status(400, f"Unsupported parameter: '{name}'."))
    server = loopback(["One.", "Two."], moods=[refuses])
    ada = npc(server.client(), request_options={name: 1, "user": "me"})
    for line in ("1", "2"):
        "".join(getattr(ada, how)(line, "u"))
    assert [name in request.body for request in server.requests] == [True, False, False]
    assert all(request.body["user"] == "me" for request in server.requests)
    notes = [each.note for each in dialects.known(ada.client, ada.model)]
    left_out = f"This endpoint does not take {name}; it is left out."
    without_seeds = "This endpoint takes no seeds: the talk is played without, and cannot come again."
    assert notes == [without_seeds if name == "seed" else left_out]
    assert capsys.readouterr().out.splitlines() == notes


# --- seeds ----------------------------------------------------------------------------------------


def town(client: Any, **fields: Any) -> tuple[ChatArena, str, str]:
    factory = NPCFactory(client, "some-model")
    guy, hans = (factory.register_npc("London", f"You are {name}.", **fields) for name in ("Guy", "Hans"))
    return ChatArena(factory), guy, hans


def test_each_exchange_of_a_seeded_talk_has_a_seed_of_its_own() -> None:
    def seeds(seed: int | None) -> list[Any]:
        arena, guy, hans = town(FakeClient(lambda messages: messages[-1]["content"] + "."))
        arena.run_conversation(arena.start_conversation(guy, hans, seed=seed), 6)
        return [call.get("seed") for call in arena.npc_factory.client.calls]

    assert seeds(7) == seeds(7) != seeds(8)
    assert len(set(seeds(7))) == 3  # the two speak by turns: three exchanges each
    assert seeds(None) == [None] * 6


def test_a_seeded_talk_comes_again_and_another_seed_is_another_talk() -> None:
    from npc_lab import connect

    arena, guy, hans = town(connect("fake").client)
    talks = [arena.start_conversation(guy, hans, seed=seed) for seed in (1, 1, 2, None)]
    said = [[line.content for line in arena.run_conversation(talk, 8)] for talk in talks]
    assert said[0] == said[1] != said[2]
    assert arena.npc_factory.npcs[guy].seeds[arena.conversations[talks[2]]["npc2_user_id"]] == 2


@pytest.mark.parametrize("seed", ["7", 1.5, True, [1]])
def test_a_seed_that_is_no_whole_number_is_refused(seed: Any) -> None:
    arena, guy, hans = town(FakeClient(["Hail."]))
    with pytest.raises(ChatArenaError, match="A seed must be a whole number"):
        arena.start_conversation(guy, hans, seed=seed)
    assert not arena.conversations


def test_a_function_of_the_fake_with_a_second_parameter_is_given_the_other_fields() -> None:
    seen: list[dict[str, Any]] = []
    ada = npc(
        FakeClient(lambda messages, fields: seen.append(fields) or "Hm."), request_options={"top_p": 0.5}
    )
    ada.seeds["u"] = 3
    ada.chat("Hello", "u")
    assert seen[0].keys() >= {"model", "temperature", "top_p", "seed"}
    assert "messages" not in seen[0]
    word = "Aye."
    assert npc(FakeClient(lambda messages, word=word: word)).chat("Hello", "u") == "Aye."
