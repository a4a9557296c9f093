"""A character that speaks first: its greeting is shown, then remembered with the first answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from panels import button, open_fold, text_of

from npc_lab import ChatArena, FakeClient, NPCConfig, NPCFactory, SimpleChatNPC, fake_error
from npc_lab.cards import Card, read_card
from npc_lab.npc import NEUTRAL_OPENING
from npc_lab.widgets import arena_controls, character_form, chat_box

pytestmark = pytest.mark.packages

GREETING = "Halt! Who goes there?"


class Guard(SimpleChatNPC):
    def chat(self, user_message: str, user_id: str) -> str:
        return super().chat(user_message, user_id).replace("gold", "…")


def inn(*replies: Any, path: Path | None = None, npc_class: Any = SimpleChatNPC) -> tuple[NPCFactory, str]:
    factory = NPCFactory(FakeClient(list(replies)), "m", store=path)
    npc_id = factory.register_npc("W", "You are Mo.", name="Mo", greeting=GREETING, npc_class=npc_class)
    return factory, npc_id


@pytest.mark.parametrize("npc_class", [SimpleChatNPC, Guard])
def test_it_is_shown_above_an_empty_talk_and_remembered_with_the_first_answer(
    tmp_path: Path, npc_class: Any
) -> None:
    path = tmp_path / "lab.db"
    factory, npc_id = inn("Pass, with gold.", path=path, npc_class=npc_class)
    box = chat_box(factory, npc_id, "ann")
    assert GREETING in text_of(box.widget)
    assert factory.npcs[npc_id].chat_histories == {}
    said = box.say("A friend.")
    assert factory.npcs[npc_id].remembered("ann")[:2] == [
        {"role": "user", "content": NEUTRAL_OPENING},
        {"role": "assistant", "content": GREETING},
    ]
    assert factory.client.calls[0]["messages"][1:3] == factory.npcs[npc_id].remembered("ann")[:2]
    assert factory.store
    factory.store.close()
    factory, npc_id = inn(path=path, npc_class=npc_class)
    for shown in (box, chat_box(factory, npc_id, "ann")):
        assert [message.content for message in shown.transcript] == [GREETING, "A friend.", said]
        assert text_of(shown.widget).count(GREETING) == 1
        assert NEUTRAL_OPENING not in text_of(shown.widget)


def test_where_no_answer_comes_nothing_is_remembered_and_nothing_stored(tmp_path: Path) -> None:
    factory, npc_id = inn(fake_error("quota"), "Pass.", path=tmp_path / "lab.db")
    box = chat_box(factory, npc_id, "ann")
    with pytest.raises(Exception, match="credit"):
        box.say("A friend.")
    assert factory.npcs[npc_id].turns("ann") == []
    assert factory.store
    assert factory.store.read("SELECT count(*) FROM turns") == [(0,)]
    assert box.say("A friend!") == "Pass."


def test_regenerate_asks_for_the_first_answer_and_never_for_the_greeting() -> None:
    factory, npc_id = inn("One.", "Two.")
    box = chat_box(factory, npc_id, "ann")
    button(box.widget, "Regenerate").click()
    assert "Say something first" in text_of(box.widget)
    box.say("A friend.")
    button(box.widget, "Regenerate").click()
    box.wait()
    assert [message.content for message in box.transcript] == [GREETING, "A friend.", "Two."]
    assert len(factory.npcs[npc_id].remembered("ann")) == 4
    factory.npcs[npc_id].take_back("ann")
    again = chat_box(factory, npc_id, "ann")
    assert [message.content for message in again.transcript] == [GREETING]
    button(again.widget, "Regenerate").click()
    assert "Say something first" in text_of(again.widget)


def test_who_never_saw_it_does_not_remember_it() -> None:
    factory, npc_id = inn("Hail.", "Hail.")
    factory.chat_with_npc(npc_id, factory.register_user("bob"), "Hello?")
    assert len(factory.npcs[npc_id].remembered("bob")) == 2


def test_the_desk_offers_it_as_the_opening_where_it_is_npc_2s() -> None:
    factory, npc_id = inn("One.", "Two.")
    other = factory.register_npc("W", "You are Ada.", name="Ada")
    desk = arena_controls(ChatArena(factory), other, npc_id)
    assert desk.run(1)[0].content == GREETING
    desk = arena_controls(ChatArena(factory), npc_id, other)
    assert desk._opening.value != GREETING
    desk._second.value = npc_id
    assert desk._opening.value == GREETING
    desk._second.value = other
    assert desk._opening.value != GREETING
    desk._opening.value = "My own."
    desk._second.value = npc_id
    assert desk._opening.value == "My own."


def test_greeting_and_examples_stand_in_a_card_where_other_programs_look() -> None:
    examples = [("Who are you?", "Mo.\nJust Mo."), ("Where to?", "Home.")]
    config = NPCConfig("W", "You are Mo.", name="Mo", greeting=GREETING, examples=examples)
    text = Card(config).to_json()
    card = read_card(text.encode())
    assert card.original["data"]["first_mes"] == GREETING
    assert card.original["data"]["mes_example"].startswith("<START>\n{{user}}: Who are you?\n{{char}}: Mo.")
    assert "examples" not in card.original["data"]["extensions"]["npc_lab"]
    assert card.config == config


@pytest.mark.parametrize(
    "examples", [[("a", "b\n{{user}}: c")], [("<START>", "b")], [(" a", "b ")], [("{{char}}?", "b")]]
)
def test_examples_that_a_card_cannot_hold_come_back_all_the_same(examples: Any) -> None:
    config = NPCConfig("W", "You are Mo.", greeting="{{char}} says hi", examples=examples)
    assert read_card(Card(config).to_json().encode()).config == config


def test_a_foreign_cards_talks_are_examples() -> None:
    card = Card(NPCConfig("W", "You are Mo.", name="Mo"))
    card.original["data"] |= {
        "first_mes": "Hello, {{user}}. I am {{char}}.",
        "mes_example": "<START>\n{{user}}: Hi\n{{char}}: *waves*\nHello.\n{{char}}: Again.\n<start>\n"
        "<USER>: Who?\n<BOT>: {{char}}.\n{{user}}: unanswered",
    }
    card.original["data"]["name"] = "Mo"
    config = read_card(json.dumps(card.original).encode()).config
    assert config.greeting == "Hello, the other speaker. I am Mo."
    assert config.examples == [("Hi", "*waves*\nHello."), ("Who?", "Mo.")]


def test_the_form_says_that_examples_have_no_marks() -> None:
    form = character_form(NPCFactory(FakeClient([]), "m"))
    for marks, is_told in (("#SCRATCHPAD Hm. #ANSWER Hail.", False), ("Hail.", True)):
        config = NPCConfig("W", "You are Mo.", has_scratchpad=True, examples=[("Hello?", marks)])
        form.load(Card(config).to_json().encode())
        assert ("Write both marks into its answer" in text_of(form.widget)) == is_told


def test_a_panel_says_what_the_talk_has_cost() -> None:
    factory, npc_id = inn("One.", "Two.", "Three.")
    box = chat_box(factory, npc_id, "ann")
    assert "call" not in text_of(box.widget)
    box.say("A friend.")
    assert "1 call · " in text_of(box.widget)
    desk = arena_controls(ChatArena(factory), npc_id, npc_id)
    desk.run(2)
    assert "2 calls · " in text_of(desk.widget)
    open_fold(box.widget, "What was sent")
