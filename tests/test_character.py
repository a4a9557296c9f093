"""The character sheet: what it tells the model, and what it refuses to hold."""

from typing import Any

import pytest

from npc_lab import CharacterError, NPCConfig

pytestmark = pytest.mark.python


def test_the_system_message_is_world_then_character() -> None:
    config = NPCConfig("London, 1290.", "You are Sir Guy.")
    assert config.system_message() == "WORLD SETTING: London, 1290.\n###\nYou are Sir Guy."


def test_every_field_that_is_filled_in_is_told_to_the_model() -> None:
    config = NPCConfig(
        "London.",
        "You are a knight.",
        name="Guy",
        goal="Find bread.",
        secrets=["the oak"],
        taboo=["potatoes"],
    )
    message = config.system_message()
    assert message.startswith("WORLD SETTING: London.\n###\nYou are a knight.")
    for part in ("Guy", "Find bread.", "the oak", "potatoes"):
        assert part in message
    assert "#SCRATCHPAD" not in message


def test_every_secret_and_every_taboo_is_told_to_the_model() -> None:
    config = NPCConfig("w", "c", secrets=["the oak", "the well"], taboo=["potatoes", "paper money"])
    message = config.system_message()
    for part in ("- the oak", "- the well", "- potatoes", "- paper money"):
        assert part in message.splitlines()


def test_a_scratchpad_asks_for_both_marks() -> None:
    message = NPCConfig("w", "c", 10, True).system_message()
    assert message.startswith("WORLD SETTING: w\n###\nc")
    assert message.index("#SCRATCHPAD") < message.index("#ANSWER")


WRONG = [
    ("world_description", None),
    ("world_description", 42),
    ("character_description", ["a", "knight"]),
    ("history_size", -1),
    ("history_size", 2.5),
    ("history_size", "10"),
    ("history_size", True),
    ("has_scratchpad", "yes"),
    ("temperature", 3),
    ("temperature", "hot"),
    ("temperature", float("nan")),
    ("max_reply_tokens", 0),
    ("memory", "elephant"),
    ("memory", ["blocks"]),
    ("send_thoughts", "some"),
    ("secrets", [1]),
    ("name", b"Guy"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_value_that_cannot_be_is_refused_with_the_fields_name(field: str, value: Any) -> None:
    fields: dict[str, Any] = {"world_description": "w", "character_description": "c"}
    with pytest.raises(CharacterError, match=field):
        NPCConfig(**(fields | {field: value}))


def test_a_wrong_value_is_refused_later_too_and_the_old_one_stays() -> None:
    config = NPCConfig("w", "c")
    with pytest.raises(CharacterError, match="history_size must be a whole number"):
        config.history_size = -5
    assert config.history_size == 10


def test_an_absurdly_large_history_size_is_just_a_long_memory() -> None:
    assert NPCConfig("w", "c", 10**12).history_size == 10**12


def test_one_secret_may_be_written_as_a_plain_text() -> None:
    assert NPCConfig("w", "c", secrets="the oak").secrets == ["the oak"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("You are Sir Guy of Kent, a knight.", "Sir Guy of Kent"),
        ("You are Ada. You like numbers.", "Ada"),
        ("You are a merchant of the Hansa.", ""),
        ("A dragon.", ""),
        ("You are Dr. Watson. You write.", "Dr. Watson"),
        ("You are Élodie O'Hara-Smith!", "Élodie O'Hara-Smith"),
        ("You are The old troll.", ""),
        ("You are Ann's friend.", ""),
        ("Ada Lovelace is a mathematician.", "Ada Lovelace"),
        ("The dragon is old.", ""),
        ("Speak slowly.", ""),
    ],
)
def test_a_character_is_called_by_the_name_in_its_description(description: str, name: str) -> None:
    assert NPCConfig("w", description).called() == name
    assert NPCConfig("w", description, name="Zoe").called() == "Zoe"
