"""The factory: ids that are never mistaken, and errors that name the right one."""

from typing import Any

import pytest

from npc_lab import (
    CharacterError,
    FakeClient,
    NPCFactory,
    NPCFactoryError,
    NPCLabError,
    NPCNotFoundError,
    SimpleChatNPC,
    UserNotFoundError,
)

pytestmark = pytest.mark.python


@pytest.fixture
def factory() -> NPCFactory:
    return NPCFactory(FakeClient(lambda messages: f"you said {messages[-1]['content']}"), "a-model")


def test_a_taken_name_gets_a_number(factory: NPCFactory) -> None:
    ids = [factory.register_user("ann") for _ in range(3)]
    assert len(set(ids)) == 3
    assert list(factory.user_ids) == ["ann", "ann_1", "ann_2"]
    assert [factory.user_ids[name] for name in ("ann", "ann_1", "ann_2")] == ids


def test_a_number_that_somebody_already_has_is_passed_over(factory: NPCFactory) -> None:
    factory.register_user("ann_1")
    factory.register_user("ann")
    factory.register_user("ann")
    assert list(factory.user_ids) == ["ann_1", "ann", "ann_2"]


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_a_user_needs_a_name(factory: NPCFactory, name: Any) -> None:
    with pytest.raises(NPCFactoryError, match="name"):
        factory.register_user(name)
    assert factory.user_ids == {}


def test_an_npc_gets_all_fields_of_its_sheet(factory: NPCFactory) -> None:
    npc_id = factory.register_npc("w", "c", 4, True, name="Guy", goal="bread", temperature=1.0)
    npc = factory.npcs[npc_id]
    assert isinstance(npc, SimpleChatNPC)
    assert (npc.config.history_size, npc.config.has_scratchpad, npc.config.name) == (4, True, "Guy")
    assert (npc.client, npc.model) == (factory.client, "a-model")


def test_a_field_that_does_not_exist_is_named_with_the_one_that_was_meant(factory: NPCFactory) -> None:
    with pytest.raises(CharacterError, match=r"no field 'goals'. Did you mean 'goal'"):
        factory.register_npc("w", "c", goals="bread")
    with pytest.raises(CharacterError, match="world_description must be text"):
        factory.register_npc(5, "c")  # type: ignore[arg-type]
    assert factory.npcs == {}


def test_chat_stream_and_history_go_through_the_factory(factory: NPCFactory) -> None:
    npc_id, user_id = factory.register_npc("w", "c"), factory.register_user("ann")
    assert factory.get_npc_chat_history(npc_id, user_id) == []
    assert factory.chat_with_npc(npc_id, user_id, "hello") == "you said hello"
    assert "".join(factory.stream_with_npc(npc_id, user_id, "again")) == "you said again"
    history = factory.get_npc_chat_history(npc_id=npc_id, user_id=user_id)
    assert [message["content"] for message in history] == [
        "hello",
        "you said hello",
        "again",
        "you said again",
    ]


def test_a_history_is_a_copy_with_private_thoughts_in_it() -> None:
    raw = "#SCRATCHPAD\nhm\n#ANSWER\nHail."
    factory = NPCFactory(FakeClient([raw]), "m")
    npc_id, user_id = factory.register_npc("w", "c", has_scratchpad=True), factory.register_user("ann")
    factory.chat_with_npc(npc_id, user_id, "hello")
    history = factory.get_npc_chat_history(npc_id, user_id)
    assert history[1]["content"] == raw
    history[1]["content"] = "changed"
    history.clear()
    assert factory.get_npc_chat_history(npc_id, user_id)[1]["content"] == raw


def test_a_history_is_what_is_still_remembered_after_the_memory_has_shrunk(factory: NPCFactory) -> None:
    npc_id, user_id = factory.register_npc("w", "c"), factory.register_user("ann")
    for line in ("a", "b", "c"):
        factory.chat_with_npc(npc_id, user_id, line)
    factory.npcs[npc_id].config.history_size = 2
    assert [message["content"] for message in factory.get_npc_chat_history(npc_id, user_id)] == [
        "c",
        "you said c",
    ]


CALLS = {
    "chat_with_npc": ("hello",),
    "stream_with_npc": ("hello",),
    "get_npc_chat_history": (),
}


@pytest.mark.parametrize("method", CALLS)
def test_unknown_ids_raise_at_the_call_name_the_near_one_and_create_nothing(
    factory: NPCFactory, method: str
) -> None:
    npc_id, user_id = factory.register_npc("w", "c"), factory.register_user("annabel")
    call = getattr(factory, method)
    with pytest.raises(NPCNotFoundError) as no_npc:
        call(npc_id[:-1], user_id, *CALLS[method])
    with pytest.raises(UserNotFoundError) as no_user:
        call(npc_id, "anabel", *CALLS[method])
    assert repr(npc_id[:-1]) in str(no_npc.value)
    assert f"Did you mean {npc_id!r}?" in str(no_npc.value)
    assert "'anabel'" in str(no_user.value)
    assert "Did you mean 'annabel'?" in str(no_user.value)
    assert (no_npc.value.npc_id, no_user.value.user_id) == (npc_id[:-1], "anabel")
    assert list(factory.user_ids) == ["annabel"]
    assert factory.npcs[npc_id].chat_histories == {}
    assert factory.client.calls == []


@pytest.mark.parametrize("nonsense", [None, 3, ["npc"], {}, ("npc", 1)])
def test_an_id_that_is_no_text_is_just_not_found(factory: NPCFactory, nonsense: Any) -> None:
    npc_id = factory.register_npc("w", "c")
    with pytest.raises(NPCNotFoundError):
        factory.chat_with_npc(nonsense, "ann", "hello")
    with pytest.raises(UserNotFoundError):
        factory.chat_with_npc(npc_id, nonsense, "hello")


def test_ids_in_errors_may_be_given_by_keyword_and_all_share_one_root() -> None:
    assert NPCNotFoundError(npc_id="x").npc_id == "x"
    assert UserNotFoundError(user_id="x").user_id == "x"
    assert issubclass(NPCNotFoundError, NPCFactoryError)
    assert issubclass(NPCFactoryError, NPCLabError)
