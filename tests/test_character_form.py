"""The form: every field goes in and comes out whole, and whatever a card holds, the form stays alive."""

import base64
import json
import re
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets as widgets
import pytest
from panels import button, open_fold, text_of, walk
from test_cards import PICTURE, V2, V3, as_bytes, chunk, png, with_data, with_ours

from npc_lab import CardError, CharacterError, FakeClient, NPCConfig, NPCFactory
from npc_lab.cards import Card, read_card, write_card
from npc_lab.character import FIELDS
from npc_lab.memory import MEMORIES
from npc_lab.widgets import CharacterForm, character_form
from npc_lab.worlds import WORLDS, load_world

pytestmark = pytest.mark.packages

SHIPPED = [
    (f"{sheet.name} ({world.title})", sheet)
    for world in map(load_world, WORLDS)
    for sheet in world.characters
]
# No field as it is on an empty sheet.
FULL = NPCConfig(
    "A tavern.\nIt is late.",
    "You are Mira, the innkeeper.",
    history_size=4,
    has_scratchpad=True,
    name="Mira",
    goal="Close early.",
    secrets=["The beer is old.", "So is\nthe bread."],
    taboo=["Water.", "  Rats. "],
    temperature=None,
    max_reply_tokens=80,
    memory="sliding",
    send_thoughts="last",
    examples=[("Good evening!", "#SCRATCHPAD\nA guest.\n#ANSWER\nSit down."), ("Beer?", "Old beer.")],
    greeting="What will it be?",
    request_options={"top_p": 0.9, "stop": ["###"]},
)


@pytest.fixture(autouse=True)
def _clicks_are_heard_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", "blocking")


@pytest.fixture
def factory() -> NPCFactory:
    return NPCFactory(FakeClient(["Hail."]), "fake")


@pytest.fixture
def form(factory: NPCFactory) -> CharacterForm:
    return character_form(factory)


def as_card(config: NPCConfig) -> bytes:
    return Card(config).to_json().encode()


def control(form: CharacterForm, label: str) -> Any:
    """The one control of this name."""
    found = [each for each in walk(form.widget) if getattr(each, "description", None) == label]
    assert len(found) == 1, f"{len(found)} controls are named {label!r}"
    return found[0]


def label_of(name: str) -> str:
    return name.replace("_", " ").capitalize()


def fill_in(form: CharacterForm, **values: Any) -> None:
    """What a page sends when somebody fills in these fields."""
    for name, value in values.items():
        field = control(form, label_of(name))
        if isinstance(field, widgets.Dropdown):
            field.set_state({"index": field.options.index(value)})
        else:
            field.set_state({"value": value})


def start_from(form: CharacterForm, label: str) -> None:
    menu = control(form, "Start from:")
    menu.set_state({"index": [name for name, _ in menu.options].index(label)})


def press(form: CharacterForm, name: str) -> None:
    button(form.widget, name).click()


def upload(form: CharacterForm, content: bytes) -> None:
    """What a page sends when somebody chooses a file: ipywidgets 7 and 8 have different words for it."""
    if not button(form.widget, "Load a character").value:
        open_fold(form.widget, "Load a character")
    place = next(each for each in walk(form.widget) if isinstance(each, widgets.FileUpload))
    about = {"name": "card", "type": "", "size": len(content), "lastModified": 0, "last_modified": 0}
    if isinstance(place.value, dict):
        place.set_state(
            {"metadata": [about], "data": [memoryview(content)], "_counter": place._counter + 1, "error": ""}
        )
    else:
        place.set_state({"value": [about | {"content": memoryview(content)}], "error": ""})
    assert not place.value, "the same file, chosen again, would be no change"


def previewed(form: CharacterForm) -> str:
    """The system message as the form shows it."""
    shown = next(each for each in walk(form.widget) if "System message" in str(getattr(each, "value", "")))
    return text_of(shown).removeprefix("System message")


# The fields


def test_every_field_goes_in_and_comes_out(form: CharacterForm, factory: NPCFactory) -> None:
    empty = NPCConfig("", "")
    assert [name for name in FIELDS if getattr(FULL, name) == getattr(empty, name)] == [], "extend FULL"
    form.load(as_card(FULL))
    press(form, "Create")
    assert factory.npcs[str(form.npc_id)].config == FULL


def test_every_field_has_a_control_and_a_sentence_of_help(form: CharacterForm) -> None:
    fields = [each for each in walk(form.widget) if "npc-lab-field" in getattr(each, "_dom_classes", ())]
    assert len(fields) == len(FIELDS)
    for name in FIELDS:
        (field,) = [each for each in fields if control(form, label_of(name)) in list(walk(each))]
        assert text_of(field).endswith((".", '"'))


def test_what_is_typed_is_what_is_made(form: CharacterForm, factory: NPCFactory) -> None:
    fill_in(
        form, name="Odo", world_description="A forge.", character_description="You are Odo.", goal="Rest."
    )
    fill_in(form, secrets="I am tired.\n\n  I am old. ", taboo="Ice", history_size=2, has_scratchpad=True)
    fill_in(form, temperature=1.5, memory="all", send_thoughts="none")
    assert form.npc_id is None
    press(form, "Create")
    assert factory.npcs[str(form.npc_id)].config == NPCConfig(
        "A forge.",
        "You are Odo.",
        history_size=2,
        has_scratchpad=True,
        name="Odo",
        goal="Rest.",
        secrets=["I am tired.", "I am old."],
        taboo=["Ice"],
        temperature=1.5,
        memory="all",
        send_thoughts="none",
    )


@pytest.mark.parametrize("pump", ["thread", "browser", "blocking"])
def test_the_id_is_there_when_somebody_asks_after_the_click(
    factory: NPCFactory, monkeypatch: pytest.MonkeyPatch, pump: str
) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", pump)
    form = character_form(factory)
    fill_in(form, character_description="You are Odo.")
    press(form, "Create")
    assert form.npc_id in factory.npcs
    assert len(factory.npcs) == 1


def test_a_number_may_be_left_to_the_endpoint(form: CharacterForm) -> None:
    left = [each for each in walk(form.widget) if each_is_left(each)]
    temperature, tokens = control(form, "Temperature"), control(form, "Max reply tokens")
    assert form.config.temperature == 0.6
    assert form.config.max_reply_tokens is None
    assert (temperature.disabled, tokens.disabled) == (False, True)
    for each in left:
        each.set_state({"value": not each.value})
    assert form.config.temperature is None
    assert form.config.max_reply_tokens == tokens.value > 0
    assert (temperature.disabled, tokens.disabled) == (True, False)


def each_is_left(part: Any) -> bool:
    return isinstance(part, widgets.Checkbox) and part.description == "leave it to the endpoint"


def test_a_secret_of_two_lines_stays_one_until_it_is_edited(form: CharacterForm) -> None:
    form.load(as_card(FULL))
    fill_in(form, goal="Another.")
    assert form.config.secrets == FULL.secrets
    fill_in(form, secrets=control(form, "Secrets").value + "\nI know.")
    assert form.config.secrets == ["The beer is old.", "So is", "the bread.", "I know."]


def test_a_made_character_shares_nothing_with_the_form(form: CharacterForm, factory: NPCFactory) -> None:
    form.load(as_card(FULL))
    npc_id = form.create()
    factory.npcs[npc_id].config.secrets.append("new")
    assert form.config == FULL
    assert form.create() == npc_id


# To start from


def test_each_shipped_character_can_be_started_from(form: CharacterForm, factory: NPCFactory) -> None:
    assert len(SHIPPED) == 6
    for label, sheet in SHIPPED:
        start_from(form, label)
        assert form.config == sheet
        press(form, "Create")
        assert factory.npcs[str(form.npc_id)].config == sheet
    assert len(factory.npcs) == 6


def test_an_empty_sheet_empties_every_field(form: CharacterForm) -> None:
    start_from(form, SHIPPED[0][0])
    start_from(form, "an empty sheet")
    assert form.config == NPCConfig("", "")


def test_undo_brings_back_what_was_written_and_then_again_what_replaced_it(form: CharacterForm) -> None:
    assert button(form.widget, "Undo").disabled
    form.load(with_data(name="Ada", description="You are Ada."))
    fill_in(form, goal="Count.", temperature=7)
    start_from(form, SHIPPED[0][0])
    press(form, "Undo")
    assert control(form, "Temperature").value == 7
    fill_in(form, temperature=1)
    assert (form.config.name, form.config.goal) == ("Ada", "Count.")
    assert form._as_card().original["made_by"] == "another program"
    press(form, "Undo")
    assert form.config == SHIPPED[0][1]
    fill_in(form, goal="Rest.")
    start_from(form, SHIPPED[0][0])  # the menu does not claim that this is chosen already
    assert form.config == SHIPPED[0][1]


# The system message


def test_the_preview_is_what_is_sent(form: CharacterForm, factory: NPCFactory) -> None:
    for _, sheet in [*SHIPPED, ("", FULL)]:
        form.load(as_card(sheet))
        message = factory.npcs[form.create()].get_system_message()["content"]
        assert previewed(form) == f"{len(message):,} characters, sent with every message{message}"


def test_the_preview_follows_every_word(form: CharacterForm) -> None:
    fill_in(form, goal="Sell <b>it</b> & go.")
    assert "Your goal: Sell <b>it</b> & go." in previewed(form)
    fill_in(form, has_scratchpad=True)
    assert "#SCRATCHPAD" in previewed(form)


# Create


def test_create_tells_how_to_go_on(form: CharacterForm) -> None:
    start_from(form, SHIPPED[0][0])
    press(form, "Create")
    assert f"Sir Geoffrey was created. Its id is {form.npc_id}." in text_of(form.widget)
    assert "chat_box(factory, form.npc_id)" in text_of(form.widget)


def test_create_again_makes_no_second_one_without_a_change(form: CharacterForm, factory: NPCFactory) -> None:
    start_from(form, SHIPPED[0][0])
    press(form, "Create")
    first = form.npc_id
    press(form, "Create")
    assert "Sir Geoffrey exists already." in text_of(form.widget)
    fill_in(form, goal="Rest.")
    assert f"Create makes another character; {first} stays as it is." in text_of(form.widget)
    fill_in(form, temperature=9)
    assert "exists already" not in text_of(form.widget)
    fill_in(form, temperature=1)
    press(form, "Create")
    assert f"Its id is {form.npc_id}. {first} stays as it was." in text_of(form.widget)
    assert list(factory.npcs) == [first, form.npc_id]
    assert factory.npcs[str(first)].config == SHIPPED[0][1]


def test_two_threads_make_one_character(
    form: CharacterForm, factory: NPCFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_from(form, SHIPPED[0][0])
    both, register = threading.Barrier(2), factory.register_npc

    def slowly(**fields: Any) -> str:
        threading.Event().wait(0.05)  # the other click comes meanwhile
        return register(**fields)

    def together(make: Callable[[], object]) -> None:
        both.wait(5)
        make()

    monkeypatch.setattr(factory, "register_npc", slowly)
    ways = [lambda: press(form, "Create"), form.create]
    threads = [threading.Thread(target=together, args=[way]) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert list(factory.npcs) == [form.npc_id]


def test_whatever_a_factory_raises_is_told(form: CharacterForm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form._factory, "register_npc", lambda: None)
    start_from(form, SHIPPED[0][0])
    press(form, "Create")
    assert "TypeError" in text_of(form.widget)
    assert form.npc_id is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("history_size", -1, "history_size must be a whole number of messages, 0 or more, not -1."),
        ("temperature", 2.5, "temperature must be a number from 0 to 2, not 2.5."),
        ("temperature", float("nan"), "temperature must be a number from 0 to 2, not nan."),
        ("character_description", " \n", "The character description is empty."),
    ],
)
def test_a_wrong_value_is_told_and_nothing_is_made(
    form: CharacterForm, factory: NPCFactory, name: str, value: Any, words: str
) -> None:
    start_from(form, SHIPPED[0][0])
    before = control(form, label_of(name)).value
    fill_in(form, **{name: value})
    assert words in previewed(form) or name == "character_description"
    press(form, "Create")
    assert text_of(form.widget).count(words) >= 1
    assert (form.npc_id, factory.npcs) == (None, {})
    with pytest.raises(CharacterError, match=re.escape(words)):
        form.create()
    fill_in(form, **{name: before})
    assert words not in text_of(form.widget)
    press(form, "Create")
    assert list(factory.npcs) == [form.npc_id]


# Cards


@pytest.mark.parametrize("content", [as_bytes(V3), as_bytes(V2), PICTURE])
def test_a_card_that_is_uploaded_fills_every_field(form: CharacterForm, content: bytes) -> None:
    for _ in range(2):  # the same file a second time, too
        start_from(form, SHIPPED[0][0])
        assert form.config == SHIPPED[0][1]
        upload(form, content)
        assert form.config == read_card(content).config
        assert "Ada was loaded." in text_of(form.widget)


def test_what_the_form_has_no_field_for_survives(form: CharacterForm, tmp_path: Path) -> None:
    upload(form, as_bytes(V3))
    fill_in(form, goal="Count.")
    form.save(tmp_path / "card.json")
    saved = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    assert saved["data"].pop("extensions") == V3["data"]["extensions"] | {
        "npc_lab": {
            name: getattr(form.config, name)
            for name in FIELDS[2:]
            if name not in ("name", "greeting", "examples")
        }
    }
    assert saved == V3 | {"data": {key: value for key, value in V3["data"].items() if key != "extensions"}}
    start_from(form, SHIPPED[0][0])
    form.save(tmp_path / "card.json")
    assert "made_by" not in json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))


def test_a_card_is_loaded_from_its_path(form: CharacterForm, tmp_path: Path) -> None:
    write_card(Card(FULL), tmp_path / "mira.json")
    form.load(tmp_path / "mira.json")
    assert form.config == FULL


def linked(form: CharacterForm) -> NPCConfig:
    """The card inside of the link."""
    markup = next(each.value for each in walk(form.widget) if "download=" in str(getattr(each, "value", "")))
    assert "download='Mira.json'" in markup
    found = re.search(r"base64,([^']*)'", markup)
    assert found
    return read_card(base64.b64decode(found[1])).config


def test_the_link_holds_the_card_as_the_fields_stand(form: CharacterForm) -> None:
    form.load(as_card(FULL))
    open_fold(form.widget, "Save this character")
    assert linked(form) == FULL
    fill_in(form, goal="Open early.")
    assert linked(form).goal == "Open early."
    fill_in(form, history_size=-3)
    assert "data:" not in "".join(str(getattr(each, "value", "")) for each in walk(form.widget))
    form.load(with_data(unheard_of="x" * 1_000_000))
    assert "too large for a link" in text_of(form.widget)


def test_on_colab_a_button_sends_the_card(factory: NPCFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[NPCConfig] = []
    files = SimpleNamespace(download=lambda path: sent.append(read_card(path).config))
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "google.colab.files", files)
    form = character_form(factory)
    form.load(as_card(FULL))
    open_fold(form.widget, "Save this character")
    press(form, "Download")
    assert sent == [FULL]
    fill_in(form, history_size=-3)
    press(form, "Download")
    assert "history_size must be" in text_of(form.widget)
    assert len(sent) == 1


def text_bomb() -> bytes:
    """A picture whose card would be huge when inflated."""
    return png(chunk(b"zTXt", b"chara\0\0" + zlib.compress(b"A" * 30_000_000)))


HOSTILE = {
    "too large": lambda: b"{" + b" " * 50_000_000,
    "not JSON": lambda: b"not JSON",
    "no card": lambda: b"[]",
    "bomb": text_bomb,
    "wrong field": lambda: with_ours(temperature=9),
    "wrong field and script": lambda: with_ours(memory="<script>alert(1)</script>"),
    "damaged picture": lambda: PICTURE[:-20],
    "empty": lambda: b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_card_that_cannot_be_read_changes_nothing(
    form: CharacterForm, factory: NPCFactory, kind: str
) -> None:
    form.load(as_card(FULL))
    fill_in(form, goal="Mine.")
    before, content = form.config, HOSTILE[kind]()
    upload(form, content)
    with pytest.raises(CardError) as raised:
        form.load(content)
    assert str(raised.value) in text_of(form.widget)
    assert form.config == before
    assert form._as_card().original == Card(FULL).original | {"data": form._as_card().original["data"]}
    assert unescaped_scripts(form) == []
    press(form, "Create")
    assert factory.npcs[str(form.npc_id)].config == before
    upload(form, as_bytes(V3))
    assert form.config.name == "Ada"
    assert str(raised.value) not in text_of(form.widget)


def unescaped_scripts(form: CharacterForm) -> list[Any]:
    """Widgets with a script in what a page takes for markup. In ipywidgets 7, that is descriptions too."""
    return [
        each
        for each in walk(form.widget)
        if "<script" in str(getattr(each, "description", "")).lower()
        or (isinstance(each, widgets.HTML) and "<script" in each.value.lower())
    ]


def test_a_script_in_every_field_stays_text(form: CharacterForm) -> None:
    script = "</pre></textarea><script>alert(1)</script>'\"><img src=x onerror=alert(1)>"
    texts = dict.fromkeys(["name", "goal", "world_description", "character_description"], script)
    config = NPCConfig(**texts, secrets=[script], taboo=[script], has_scratchpad=True)
    upload(form, as_card(config))
    open_fold(form.widget, "Save this character")
    assert form.config == config
    for _ in range(2):
        press(form, "Create")
        assert unescaped_scripts(form) == []
        html = [each.value for each in walk(form.widget) if isinstance(each, widgets.HTML)]
        assert not any("<img" in value for value in html)
    assert script in previewed(form)


def test_all_memories_can_be_chosen(form: CharacterForm) -> None:
    assert list(control(form, "Memory").options) == list(MEMORIES)
