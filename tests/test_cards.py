"""Character files: what is read from them, what is kept of them, and what no file can do to us."""

import base64
import json
import os
import struct
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from card_validators import CARDS, ENTRY, PYGMALION, chunk, of_v2, png, text_chunk
from card_validators import V1 as PLAIN_V1
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npc_lab import CardError, NPCConfig
from npc_lab.cards import Card, read_card, write_card
from npc_lab.character import FIELDS
from npc_lab.memory import MEMORIES
from npc_lab.text import printable, well_formed

pytestmark = pytest.mark.once

V3: dict[str, Any] = {
    "spec": "chara_card_v3",
    "spec_version": "3.0",
    "made_by": "another program",
    "data": {
        "name": "Ada",
        "description": "{{char}} likes numbers and {{USER}}.",
        "personality": "shy, exact",
        "scenario": "London, where <BOT> meets <user>.",
        "first_mes": "Hello, {{user}}!",
        "mes_example": "",
        "creator_notes": "Be kind to her.",
        "system_prompt": "Play {{char}}. {{original}}",
        "post_history_instructions": "Stay brief.",
        "alternate_greetings": ["Good evening."],
        "group_only_greetings": [],
        "tags": ["history"],
        "creator": "someone",
        "character_version": "7",
        "extensions": {"other/depth": {"deep": [1, 2.5, None]}},
        "character_book": {"extensions": {}, "entries": [ENTRY | {"use_regex": False, "constant": True}]},
        "assets": [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}],
        "unheard_of": "<script>alert(1)</script>",
    },
}
V2: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "name": "Ada",
    "data": {
        key: value for key, value in V3["data"].items() if key not in ("assets", "group_only_greetings")
    },
}
V1 = {
    key: V3["data"][key]
    for key in ("name", "description", "personality", "scenario", "first_mes", "mes_example")
}


def as_bytes(card: Any) -> bytes:
    return json.dumps(card).encode()


def with_data(**data: Any) -> bytes:
    return as_bytes(V3 | {"data": V3["data"] | data})


def with_ours(**ours: Any) -> bytes:
    return with_data(extensions={"npc_lab": ours})


PICTURE = png(text_chunk(b"ccv3", V3))


# Reading


def test_a_foreign_card_becomes_a_character_sheet() -> None:
    config = read_card(as_bytes(V3)).config
    assert config.name == "Ada"
    assert config.world_description == "London, where Ada meets the other speaker."
    assert config.character_description == (
        "Ada likes numbers and the other speaker.\n\nPersonality: shy, exact\n\nPlay Ada.\n\nStay brief."
    )
    assert config.greeting == "Hello, the other speaker!"
    rest = {name: getattr(config, name) for name in FIELDS[2:] if name not in ("name", "greeting")}
    assert rest == {name: getattr(NPCConfig("", ""), name) for name in rest}


def test_a_nickname_is_what_others_call_the_character() -> None:
    config = read_card(with_data(nickname="Countess", description="{{char}} counts.")).config
    assert config.name == "Ada"
    assert config.character_description.startswith("Countess counts.")


@pytest.mark.parametrize("card", [V1, V2, V3], ids=["V1", "V2", "V3"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_all_versions_are_read_alike(card: Any, encoding: str) -> None:
    config = read_card(json.dumps(card).encode(encoding)).config
    assert config.world_description == "London, where Ada meets the other speaker."
    assert "Personality: shy, exact" in config.character_description


def test_what_a_card_leaves_out_or_null_is_empty() -> None:
    card = {"spec": "chara_card_v2", "data": {"name": "Ada", "scenario": None, "extensions": None}}
    assert read_card(as_bytes(card)).config == NPCConfig("", "", name="Ada")


@pytest.mark.parametrize("keyword", [b"ccv3", b"chara", b"Chara", b"CCV3"])
def test_a_card_is_found_in_a_picture(keyword: bytes) -> None:
    assert read_card(png(text_chunk(keyword, V3))).config == read_card(as_bytes(V3)).config


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_cards_in_a_picture_the_newer_version_is_read(order: int) -> None:
    old = V2 | {"data": V2["data"] | {"name": "Old"}}
    chunks = [text_chunk(b"chara", old), text_chunk(b"ccv3", V3)][::order]
    assert read_card(png(*chunks)).config.name == "Ada"


def test_a_card_in_a_picture_may_stand_on_many_lines() -> None:
    value = base64.encodebytes(as_bytes(V3))
    assert read_card(png(chunk(b"tEXt", b"ccv3\0" + value))).config.name == "Ada"


def one_more(card: Any, name: str) -> Any:
    return card | {"data": card["data"] | {"name": name}}


DAMAGED = {
    "not base64": chunk(b"tEXt", b"ccv3\0{'name': 'Ada'}"),
    "empty": chunk(b"tEXt", b"ccv3\0"),
    "cut": chunk(b"tEXt", b"ccv3\0" + base64.b64encode(as_bytes(V3)[:200])),
    "checksum": text_chunk(b"ccv3", V3, is_whole=False),
    "no card": text_chunk(b"ccv3", {"spec": "chara_card_v3"}),
    "name is a list": text_chunk(b"ccv3", V3 | {"data": {"name": ["Ada"]}}),
    "packed": chunk(b"zTXt", b"ccv3\0\0" + zlib.compress(as_bytes(V3))),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("keyword", [b"chara", b"ccv3"])
def test_a_damaged_card_in_a_picture_gives_way_to_a_good_one(damaged: bytes, keyword: bytes) -> None:
    good = text_chunk(keyword, one_more(V2, "Good"))
    for chunks in ((damaged, good), (good, damaged)):
        assert read_card(png(*chunks)).config.name == "Good"
    with pytest.raises(CardError):
        read_card(png(damaged))


def test_of_two_good_cards_of_one_version_the_first_is_read() -> None:
    """Some pictures hold two: OrbFrontend/Orb#129."""
    chunks = [text_chunk(b"chara", one_more(V2, name)) for name in ("First", "Second")]
    assert read_card(png(*chunks)).config.name == "First"


@pytest.mark.parametrize(
    "card", [PYGMALION, PYGMALION | PLAIN_V1 | {"description": "Counts."}], ids=["own", "both"]
)
def test_pygmalions_files_are_read_and_written_under_both_names(card: Any) -> None:
    character = read_card(as_bytes(card))
    assert (character.config.name, character.config.world_description) == ("Ada", "London.")
    assert character.config.character_description.startswith("Counts.")
    assert character.config.greeting.startswith("Hello")
    assert character.config.examples == [("Two and two?", "Four.")]
    character.config.name = "Zoe"
    data = json.loads(character.to_json())["data"]
    assert (data["name"], data["char_name"]) == ("Zoe", "Zoe")


@pytest.mark.parametrize(
    "card",
    [
        {"name": "Ada", "first_mes": "Hello!"},
        {"name": "Ada", "description": "", "personality": "exact", "first_mes": "Hello!"},
        V1 | {"mes_example": None, "scenario": None, "spec": None},
        {"data": V1},
        {"char_name": "Ada", "char_persona": "", "char_greeting": "Hello, {{user}}!"},
    ],
    ids=["two fields", "four", "null", "no spec", "Pygmalion"],
)
def test_old_files_with_less_in_them_are_read(card: Any) -> None:
    """ChatterUI#110: many characters are still of version 1."""
    config = read_card(as_bytes(card)).config
    assert config.name == "Ada"
    assert config.greeting.startswith("Hello")


# Macros

MACROS: dict[str, tuple[str, set[str]]] = {
    "char": ("{{char}} {{CHAR}} {{ char }}", {"Ada Ada Ada"}),
    "user": ("{{user}} {{User}}", {"the other speaker the other speaker"}),
    "old": ("<char> <BOT>", {"Ada Ada"}),
    "random": ("{{random:a,b,c}}", {"a", "b", "c"}),
    "random, other cases": ("{{RANDOM: a , b }}", {"a", "b"}),
    "random, SillyTavern": ("{{random::a, b::c}}", {"a, b", "c"}),
    "random, escaped": (r"{{random:a\,b,c\,d}}", {"a,b", "c,d"}),
    "random, one": ("{{random:a}}", {"a"}),
    "random, nothing": ("x{{random:}}", {"x"}),
    "pick": ("{{pick:a,b}}", {"a", "b"}),
    "pick, as the format writes it too": ("{{pick::Hello,Hi,Hey}}", {"Hello", "Hi", "Hey"}),
    "roll": ("{{roll:6}}", set("123456")),
    "roll, d": ("{{roll:d6}}", set("123456")),
    "roll, D": ("{{Roll:D2}}", set("12")),
    "roll, two dice": ("{{roll:2d2}}", set("234")),
    "roll, a blank": ("{{roll 1d2}}", set("12")),
    "roll, no die": ("x{{roll:often}}{{roll:0}}{{roll:}}", {"x"}),
    "note": ("x{{// a note}}{{//another: one}}", {"x"}),
    "comment": ("x{{comment: a note}}{{COMMENT:,}}", {"x"}),
    "hidden key": ("x{{hidden_key:castle}}", {"x"}),
    "note on many lines": ("x{{// a\nnote: {b} }}y", {"xy"}),
    "reverse": ("{{reverse:Hello}}", {"olleH"}),
    "inside another": ("{{random:{{char}},{{reverse:adA}}}}", {"Ada"}),
    "inside a note": ("x{{// {{char}} knows {{roll:6}}}}", {"x"}),
    "a third brace": ("{{{char}}}", {"{Ada}"}),
    "another program's": ("{{getvar::x}} {{time}} {{characters}}", {"{{getvar::x}} {{time}} {{characters}}"}),
    "none": ("{{}} {{ }} {char} }} {{char", {"{{}} {{ }} {char} }} {{char"}),
    "only names": ("{{char's}} {{user:x}}", {"{{char's}} {{user:x}}"}),
}


@pytest.mark.parametrize("name", MACROS)
def test_macros_are_replaced_in_what_a_model_is_told_and_kept_in_the_file(name: str) -> None:
    raw, right = MACROS[name]
    told = dict.fromkeys(("description", "scenario", "first_mes", "system_prompt", "personality"), raw)
    talk = f"<START>\n{{{{user}}}}: x{raw}\n{{{{char}}}}: x{raw}"
    card = read_card(with_data(**told, post_history_instructions="", mes_example=talk))
    config = card.config
    ((said, answered),) = config.examples
    parts = config.character_description.split("\n\n")
    texts = [
        config.world_description,
        config.greeting,
        parts[0],
        parts[1].removeprefix("Personality: "),
        parts[2],
    ]
    assert {*texts, said.removeprefix("x"), answered.removeprefix("x")} <= right
    card.config.goal = "Rest."
    written = json.loads(card.to_json())["data"]
    assert {key: written[key] for key in told} == told
    assert written["mes_example"] == talk
    assert read_card(card.to_json().encode()).config == config


def test_chance_is_the_same_for_one_card_and_not_for_all() -> None:
    drawn = [
        read_card(with_data(scenario=f"{number} {{{{random:a,b}}}} {{{{roll:9}}}} {{{{roll:9}}}}")).config
        for number in range(40)
    ]
    letters, first, second = zip(*(each.world_description.split()[1:] for each in drawn), strict=True)
    assert set(letters) == {"a", "b"}
    assert len(set(first)) > 4
    assert first != second


def test_a_name_is_put_in_once() -> None:
    config = read_card(with_data(name="{{char}}{{user}}", scenario="{{char}}")).config
    assert config.world_description == "{{char}}{{user}}"


def test_a_macro_that_the_learner_wrote_stands_until_the_text_is_changed() -> None:
    card = read_card(as_bytes(V3))
    card.config.character_description = "{{// no note}} {{roll:6}}"
    card.config.examples = [("{{random:a,b}}", "{{reverse:a}}")]
    assert read_card(card.to_json().encode()).config == card.config


def test_an_upload_may_come_as_any_kind_of_bytes(tmp_path: Path) -> None:
    file = tmp_path / "ada.png"
    file.write_bytes(PICTURE)
    cards = [read_card(source) for source in (file, str(file), bytearray(PICTURE), memoryview(PICTURE))]
    assert all(card == read_card(PICTURE) for card in cards)


def test_broken_emoji_are_mended_on_the_way_in() -> None:
    card = read_card(with_data(scenario="half \ud83d", extensions={"npc_lab": {"secrets": ["\ude00"]}}))
    assert card.config.world_description == "half \N{REPLACEMENT CHARACTER}"
    assert card.config.secrets == ["\N{REPLACEMENT CHARACTER}"]


# Writing


def test_a_new_card_has_all_that_version_3_asks_for() -> None:
    written = json.loads(Card(NPCConfig("London.", "You are Guy.", name="Guy", goal="Find bread.")).to_json())
    assert (written["spec"], written["spec_version"]) == ("chara_card_v3", "3.0")
    data = written["data"]
    assert data.keys() == V3["data"].keys() - {"character_book", "assets", "unheard_of"}
    assert (data["name"], data["scenario"], data["description"]) == ("Guy", "London.", "You are Guy.")
    assert data["extensions"]["npc_lab"]["goal"] == "Find bread."
    assert data["extensions"]["npc_lab"].keys() == set(FIELDS) - {
        "name",
        "world_description",
        "character_description",
        "greeting",
        "examples",
    }


def test_two_new_cards_share_nothing() -> None:
    Card(NPCConfig("w", "c")).original["data"]["tags"].append("changed")
    assert Card(NPCConfig("w", "c")).original["data"]["tags"] == []


def test_what_was_not_changed_is_written_as_it_was() -> None:
    assert json.loads(read_card(as_bytes(V3)).to_json()) == V3


def test_any_card_is_written_with_all_that_version_3_asks_for() -> None:
    """`card_validators.py` asks the public validators about these cards, by a command of its own."""
    needed = json.loads(Card(NPCConfig("", "")).to_json())["data"].keys()
    for name, content in CARDS.items():
        card = read_card(content)
        written = json.loads(card.to_json())
        assert (written["spec"], written["spec_version"]) == ("chara_card_v3", "3.0"), name
        assert written["data"].keys() >= needed, name
        assert read_card(card.to_json().encode()) == card, name


def test_an_old_lorebook_is_written_as_version_3_wants_it() -> None:
    book = {"extensions": {}, "entries": [ENTRY]}
    written = json.loads(read_card(of_v2(character_book=book)).to_json())
    assert written["data"]["character_book"] == {"extensions": {}, "entries": [ENTRY | {"use_regex": False}]}


# What stood in a field, and what is written: None where the field is left out.
WILD: dict[str, tuple[str, Any, Any]] = {
    "greetings are text, character-tools#17": ("alternate_greetings", "1687194031049", ["1687194031049"]),
    "no book, character-tools#25 and #36": ("character_book", None, None),
    "book is a name": ("character_book", "World", None),
    "book is a list": (
        "character_book",
        [{"keys": "inn, tavern", "content": "Full.", "enabled": 0}],
        {
            "extensions": {},
            "entries": [
                {
                    "keys": ["inn", "tavern"],
                    "content": "Full.",
                    "enabled": False,
                    "extensions": {},
                    "insertion_order": 100,
                    "use_regex": False,
                }
            ],
        },
    ),
    "positions, character-tools#34": (
        "character_book",
        {"extensions": {}, "entries": [ENTRY | {"position": each} for each in ("", 1, 4, "before_char")]},
        {
            "extensions": {},
            "entries": [
                ENTRY | {"use_regex": False} | more
                for more in ({}, {"position": "after_char"}, {}, {"position": "before_char"})
            ],
        },
    ),
    "book of Chub, null": (
        "character_book",
        {
            "name": None,
            "scan_depth": None,
            "extensions": None,
            "entries": [ENTRY | {"comment": None, "id": "a"}],
        },
        {"extensions": {}, "entries": [ENTRY | {"use_regex": False}]},
    ),
    "tags are text": ("tags", "history, numbers", ["history", "numbers"]),
    "tags are null": ("tags", None, []),
    "tags have holes": ("tags", [None, "", "b", True, 7, []], ["", "b", "7"]),
    "tags are a number": ("tags", 4, []),
    "tags of JavaScript": ("tags", {"0": "history", "1": None, "2": 7}, ["history", "7"]),
    "creator is null": ("creator", None, ""),
    "version is a number": ("character_version", 1.5, "1.5"),
    "notes are a list": ("creator_notes", ["Be kind."], ""),
    "scenario is a number": ("scenario", 4, "4"),
    "personality is false": ("personality", False, ""),
    "extensions are null": ("extensions", None, {}),
    "extensions of PHP": ("extensions", [], {}),
    "nickname is null": ("nickname", None, None),
    "source is text": ("source", "https://example.org", ["https://example.org"]),
    "date is text": ("creation_date", "1700000000", 1700000000),
    "date is a day": ("modification_date", "2024-01-01", None),
    "notes in no language": ("creator_notes_multilingual", {"en": None, "de": "Nett."}, {"de": "Nett."}),
    "assets without an address": ("assets", [{"name": "main"}, None], None),
}


@pytest.mark.parametrize("name", WILD)
def test_what_is_of_the_wrong_kind_is_made_right_or_left_out(name: str) -> None:
    field, wild, right = WILD[name]
    data = json.loads(read_card(with_data(**{field: wild})).to_json())["data"]
    assert data.get(field) == right
    assert (field in data) == (right is not None)
    rest = V3["data"].keys() - {field}
    assert {key: data[key] for key in rest} == {key: V3["data"][key] for key in rest}


ROOT = PLAIN_V1 | {"creatorcomment": "old", "tags": [], "avatar": "none", "fav": False}


@pytest.mark.parametrize("stale", [{}, {"name": "Old", "first_mes": None}], ids=["equal", "out of date"])
def test_copies_at_the_root_are_kept_equal(stale: Any) -> None:
    """As SillyTavern exports them; character-card-spec-v2#3 asks whether one may do without them."""
    card = read_card(as_bytes(V3 | ROOT | {"data": V3["data"] | PLAIN_V1} | stale))
    card.config.name = "Zoe"
    card.config.greeting = "Good day."
    card.config.character_description = "You count."
    written = json.loads(card.to_json())
    assert (written["name"], written["first_mes"], written["description"]) == (
        "Zoe",
        "Good day.",
        "You count.",
    )
    assert {key: written[key] for key in PLAIN_V1} == {key: written["data"][key] for key in PLAIN_V1}
    assert (written["personality"], written["creatorcomment"]) == ("", "Be kind to her.")
    assert (written["tags"], written["avatar"], written["fav"]) == (["history"], "none", False)


def test_what_stands_only_at_the_root_is_not_lost() -> None:
    data = {key: value for key, value in V2["data"].items() if key not in ("tags", "creator_notes")}
    written = json.loads(
        read_card(as_bytes(V2 | {"data": data, "tags": ["old"], "creatorcomment": "!"})).to_json()
    )
    assert (written["data"]["tags"], written["data"]["creator_notes"]) == (["old"], "!")


def test_a_card_that_was_spoilt_in_place_is_written_right() -> None:
    card = read_card(as_bytes(V3))
    card.original["data"] |= {"tags": None, "creator": 4}
    data = json.loads(card.to_json())["data"]
    assert (data["tags"], data["creator"]) == ([], "4")


@pytest.mark.parametrize("card", [V1, V2], ids=["V1", "V2"])
def test_an_older_card_is_written_as_version_3_with_all_it_had(card: Any) -> None:
    written = json.loads(read_card(as_bytes(card)).to_json())
    assert (written["spec"], written["spec_version"]) == ("chara_card_v3", "3.0")
    assert written["data"]["group_only_greetings"] == []
    assert "npc_lab" not in written["data"]["extensions"]
    old = card.get("data", card)
    assert {key: written["data"][key] for key in old} == old
    assert written.get("name") == card.get("name") or card is V1


def test_a_change_touches_its_own_field_only() -> None:
    card = read_card(as_bytes(V3))
    card.config.world_description = "Paris."
    assert json.loads(card.to_json()) == json.loads(with_data(scenario="Paris."))


def test_a_new_description_takes_the_place_of_all_that_was_put_into_it() -> None:
    card = read_card(as_bytes(V3))
    card.config.character_description += " You are tired."
    expected = with_data(
        description=card.config.character_description,
        personality="",
        system_prompt="",
        post_history_instructions="",
    )
    assert json.loads(card.to_json()) == json.loads(expected)


def test_our_own_fields_stand_beside_the_extensions_of_others() -> None:
    newer = {"npc_lab": {"goal": "Count.", "from_a_later_version": 1}}
    card = read_card(with_data(extensions=V3["data"]["extensions"] | newer))
    assert card.config.goal == "Count."
    card.config.goal = "Rest."
    extensions = json.loads(card.to_json())["data"]["extensions"]
    assert extensions["other/depth"] == V3["data"]["extensions"]["other/depth"]
    assert (extensions["npc_lab"]["goal"], extensions["npc_lab"]["from_a_later_version"]) == ("Rest.", 1)


def test_a_new_name_leaves_the_texts_as_the_sheet_shows_them() -> None:
    card = read_card(as_bytes(V3))
    card.config.name = "Zoe"
    again = read_card(card.to_json().encode())
    assert again.config == card.config
    assert "Ada likes numbers" in again.config.character_description


@pytest.mark.parametrize("card", [Card(NPCConfig("w", "c")), read_card(as_bytes(V3))], ids=["new", "foreign"])
def test_a_placeholder_that_the_learner_wrote_stands_until_the_text_is_changed(card: Card) -> None:
    card.config.character_description = "{{char}} is a word."
    card = read_card(card.to_json().encode())
    assert card.config.character_description == "{{char}} is a word."
    card.config.character_description = "No more."
    assert "as_written" not in card.to_json()


texts = st.text(st.characters(), max_size=8)
parts = st.sampled_from(
    ["{{char}}", "<USER>", "{{original}}", "\n", " ", "\ud83d", "\ude00", "\x00", "é", "</script>"]
)
words = st.lists(parts | texts, max_size=4).map("".join)
configs = st.builds(
    NPCConfig,
    words,
    words,
    history_size=st.integers(0, 10**12),
    has_scratchpad=st.booleans(),
    name=words,
    goal=words,
    secrets=st.lists(words, max_size=2),
    taboo=st.lists(words, max_size=2),
    temperature=st.none() | st.floats(0, 2),
    max_reply_tokens=st.none() | st.integers(1, 10**9),
    memory=st.sampled_from(sorted(MEMORIES)),
    send_thoughts=st.sampled_from(["all", "last", "none"]),
)


def mended(config: NPCConfig) -> dict[str, Any]:
    """What the sheet says, with half emoji made whole: a file cannot hold them."""
    fields: dict[str, Any] = json.loads(well_formed(json.dumps(vars(config), ensure_ascii=False)))
    return fields


@settings(max_examples=60, deadline=None)
@given(configs, configs, st.sampled_from([V1, V2, V3]), st.sets(st.sampled_from(FIELDS)))
def test_what_is_written_is_what_is_read(
    first: NPCConfig, second: NPCConfig, foreign: Any, fields: set[str]
) -> None:
    changed = read_card(as_bytes(foreign))
    for name in fields:
        setattr(changed.config, name, getattr(first, name))
    for card in (Card(first), changed):
        again = read_card(card.to_json().encode())
        assert vars(again.config) == mended(card.config)
        again.config = second
        assert vars(read_card(again.to_json().encode()).config) == mended(second)


def test_a_card_is_written_for_people_to_read(tmp_path: Path) -> None:
    file = tmp_path / "élodie.json"
    write_card(Card(NPCConfig("Café \ud83d", "Du bist Zoë.")), file)
    text = file.read_bytes().decode()
    assert "Zoë" in text
    assert '\n  "data": {\n' in text
    assert read_card(file).config.world_description == "Café \N{REPLACEMENT CHARACTER}"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ada.json"
    write_card(Card(NPCConfig("old", "c")), file)

    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(CardError, match="No space left on device"):
        write_card(Card(NPCConfig("new", "c")), file)
    assert read_card(file).config.world_description == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("nowhere/ada.json", "no such folder"),
        ("a_file/ada.json", "no such folder"),
        ("a_folder.json", "This is a folder"),
        ("ada.png", "ends with .json"),
        ("ada", "ends with .json"),
        ("a" * 300 + ".json", "cannot be written: File name too long"),
        ("nul\0.json", "cannot be written"),
    ],
)
def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / "a_file").write_text("")
    (tmp_path / "a_folder.json").mkdir()
    with pytest.raises(CardError, match=advice):
        write_card(Card(NPCConfig("w", "c")), tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"a_file", "a_folder.json"}


def test_a_folder_of_somebody_else_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)  # the tests may run as root, whom no folder refuses
    with pytest.raises(CardError, match="may not write here"):
        write_card(Card(NPCConfig("w", "c")), tmp_path / "ada.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [("secrets", [5]), ("name", "a" * 201), ("goal", "a" * 200_001), ("history_size", 10**5000)],
    ids=["number among texts", "name", "goal", "digits"],
)
def test_what_no_card_can_hold_is_not_written(field: str, value: Any) -> None:
    card = Card(NPCConfig("w", "c"))
    vars(card.config)[field] = value  # past the sheet's own check, as a list that is changed in place
    with pytest.raises(CardError):
        card.to_json()


def test_a_broken_emoji_in_what_is_kept_does_not_stand_in_the_way_of_writing() -> None:
    card = read_card(with_data(creator_notes="half \ud83d"))
    assert "half \N{REPLACEMENT CHARACTER}" in card.to_json()


def test_a_card_that_could_not_be_read_again_is_not_written() -> None:
    inner: list[Any] = [1] * 60_000
    for _ in range(80):  # each number is written on a line of its own, far to the right
        inner = [inner]
    card = read_card(with_data(unheard_of=inner))
    with pytest.raises(CardError, match="more than 8 MB"):
        card.to_json()


# Hostile and broken files

DEEP = b'{"a":' * 100_000
BOMB = chunk(b"zTXt", b"chara\0\0" + zlib.compress(bytes(20_000_000), 9))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "21 MB": (bytes(21_000_000), "more than 20 MB"),
    "9 MB of JSON": (b'{"a": "' + b"x" * 9_000_000, "more than 8 MB"),
    "9 MB of JSON in a picture": (png(text_chunk(b"chara", "x" * 9_000_000)), "more than 8 MB"),
    "JPEG": (b"\xff\xd8\xff\xe0" + PICTURE, "a JPEG picture.*Save the card as JSON or PNG"),
    "zip": (b"PK\x03\x04card.json", "CHARX"),
    "WebP": (b"RIFF\0\0\0\0WEBP", "a WebP picture"),
    "no card": (png(chunk(b"tEXt", b"Author\0me")), "holds no character card"),
    "cut": (PICTURE[: len(PICTURE) // 2], "cut off or damaged"),
    "no end": (PICTURE[:-12], "cut off or damaged"),
    "only a signature": (PICTURE[:8], "cut off or damaged"),
    "flipped": (PICTURE.replace(b"IDAT", b"IDAU"), "cut off or damaged"),
    "longer than the file": (png(b"\xff\xff\xff\xfftEXtchara\0"), "cut off or damaged"),
    "shorter than it is": (png(struct.pack(">I", 5) + text_chunk(b"chara", V3)[4:]), "cut off or damaged"),
    "zTXt bomb": (png(BOMB), "zTXt or iTXt"),
    "iTXt": (png(chunk(b"iTXt", b"ccv3\0\1\0\0\0" + zlib.compress(b"{}"))), "zTXt or iTXt"),
    "not base64": (png(chunk(b"tEXt", b"chara\0{'name': 'Ada'}")), "not base64"),
    "noise in base64": (png(chunk(b"tEXt", b"chara\0!!!!")), "not base64"),
    "half a base64": (png(chunk(b"tEXt", b"chara\0abcde")), "not base64"),
    "no keyword's end": (png(chunk(b"tEXt", b"chara")), "not JSON"),
    "text": (b"Dear students, ...", "not JSON: line 1, column 1"),
    "not UTF-8": ('{"name": "Zoë"}'.encode("latin-1"), "UTF-8"),
    "noise": (bytes(range(256)), "."),
    "list": (b"[]", "not an object"),
    "number": (b"7", "not an object"),
    "NaN": (as_bytes(V3 | {"a": float("nan")}), "number"),
    "infinity": (as_bytes(V3).replace(b"2.5", b"1e999"), "number"),
    "10,000 digits": (as_bytes(V3).replace(b"2.5", b"1" * 10_000), "number"),
    "deep": (DEEP, "nested"),
    "deep and whole": (DEEP + b"1" + b"}" * 100_000, "nested"),
    "a little deep": (b'{"a":' * 200 + b"1" + b"}" * 200, "nested"),
    "no card's JSON": (
        b'{"name": "npm", "description": "x"}',
        "spec must be .* it lacks personality, scenario, first_mes, mes_example",
    ),
    "somebody else's data": (b'{"data": {"id": 1}}', "spec must be .* it lacks name"),
    "a card without a name": (as_bytes({"first_mes": "Hello!"}), "it lacks name, description"),
    "deep macros": (
        with_data(name="x" * 200, description="{{reverse:" * 9_000 + "{{char}}" * 9_000),
        "at most",
    ),
    "a later version": (as_bytes(V3 | {"spec": "chara_card_v9"}), "not 'chara_card_v9'"),
    "spec is a list": (as_bytes(V3 | {"spec": []}), "spec must be"),
    "no data": (as_bytes({"spec": "chara_card_v3"}), "no data"),
    "data is text": (as_bytes(V3 | {"data": "Ada"}), "data must be an object"),
    "name is a list": (with_data(name=["Ada"]), "name must be text, not"),
    "scenario is an object": (with_data(scenario={"a": 4}), "scenario must be text, not {'a': 4}"),
    "extensions is text": (with_data(extensions="none"), "extensions must be an object"),
    "ours is a list": (with_data(extensions={"npc_lab": []}), "npc_lab must be an object"),
    "history_size is text": (with_ours(history_size="10"), "extensions.npc_lab.history_size must be"),
    "goal is null": (with_ours(goal=None), "extensions.npc_lab.goal must be text"),
    "secrets hold a number": (with_ours(secrets=[1]), "extensions.npc_lab.secrets must be"),
    "memory is unknown": (with_ours(memory="elephant"), "extensions.npc_lab.memory must be"),
    "as_written is text": (with_ours(as_written="scenario"), "as_written must be a list"),
    "1 MB of description": (with_data(description="x" * 1_000_000), "description has 1,000,000 characters"),
    "1 MB of name": (with_data(name="x" * 1_000_000), "name has 1,000,000 characters"),
    "1 MB of goal": (with_ours(goal="x" * 1_000_000), "at most"),
    "names that multiply": (with_data(name="x" * 150, description="{{char}}" * 20_000), "at most"),
    "terminal codes": (with_data(name=["\x1b[2J\u202e" + "x" * 500]), "name must be text"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_card_is_refused_quickly_and_in_words(name: str) -> None:
    content, words_in_it = HOSTILE[name]
    start = time.thread_time()
    with pytest.raises(CardError, match=words_in_it) as caught:
        read_card(content)
    assert time.thread_time() - start < 1
    message = str(caught.value)
    assert message == printable(message)
    assert len(message) < 300
    assert message.endswith(".")


def test_nothing_is_ever_inflated() -> None:
    picture = png(BOMB)
    assert len(picture) < 60_000
    tracemalloc.start()
    with pytest.raises(CardError):
        read_card(picture)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_compressed_chunk_beside_a_card_is_passed_over() -> None:
    assert read_card(png(BOMB, text_chunk(b"chara", V2))).config.name == "Ada"


def test_many_chunks_are_walked_quickly() -> None:
    start = time.thread_time()
    assert read_card(png(chunk(b"aaAa") * 200_000, text_chunk(b"chara", V2))).config.name == "Ada"
    assert time.thread_time() - start < 1


def test_a_folder_is_named() -> None:
    with pytest.raises(CardError, match=r"'\.': This is not a file"):
        read_card(".")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"'ada\.json': There is no such file"):
        read_card(tmp_path / "ada.json")


@pytest.mark.parametrize(
    "place", ["a\0b", "\ud83d", "a" * 300, "file/ada.json", "/dev/zero", None, 0], ids=repr
)
def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(CardError):
        read_card(place)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names here")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(CardError, match="not a file"):
        read_card(tmp_path / "pipe.json")


def test_a_large_file_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large.json"
    with file.open("wb") as content:
        content.truncate(50_000_000)  # all holes: takes no room on the disk

    def opened(*_: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(CardError, match="more than 20 MB"):
        read_card(file)


def test_a_file_of_somebody_else_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "ada.json").write_text("{}")
    monkeypatch.setattr(Path, "open", refused)  # the tests may run as root, to whom all is open
    with pytest.raises(CardError, match="may not read"):
        read_card(tmp_path / "ada.json")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["json", "png", "in the png"]), st.data())
def test_a_damaged_card_is_read_or_refused(where: str, data: st.DataObject) -> None:
    content = bytearray(PICTURE if where == "png" else as_bytes(V3))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = min(start + data.draw(st.integers(0, 12)), len(content))
        content[start:end] = data.draw(
            st.binary(max_size=8) | st.sampled_from([b"null", b"[]", b"{}", b"1", b'""'])
        )
    if where == "in the png":  # damage that no checksum tells
        content = bytearray(png(chunk(b"tEXt", b"chara\0" + base64.b64encode(bytes(content)))))
    try:
        card = read_card(bytes(content))
    except CardError:
        return
    assert read_card(card.to_json().encode()).config == card.config
