"""From the JSON of any version to a valid card of version 3. Nothing that fits into one is removed.

version_3({"name": "Ada", "first_mes": "Hello!", ...})         version 1: its fields stand at the root
version_3({"char_name": "Ada", "char_greeting": "Hello!"})     the same under Pygmalion's names
version_3({"spec": "chara_card_v2", "data": {...}, ...})       versions 2 and 3

Many programs write null, a text or a number where the format wants a list or a text. `valid` makes these
right, or leaves them out where there is nothing to make of them: `tags: "a, b"` becomes `["a", "b"]`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from npc_lab.errors import CardError

DEEPEST = 100  # levels of objects and lists; many more could be read, but not written again
TOO_DEEP = f"its parts are nested more than {DEEPEST} deep"

_V2, _V3 = "chara_card_v2", "chara_card_v3"
_V1_FIELDS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
_V2_FIELDS = ("creator_notes", "system_prompt", "post_history_instructions", "creator", "character_version")
_LISTS = ("alternate_greetings", "group_only_greetings", "tags")
_ON_THE_SHEET = (*_V1_FIELDS, "system_prompt", "post_history_instructions")

_PYGMALION = {
    "char_name": "name",
    "char_persona": "description",
    "world_scenario": "scenario",
    "char_greeting": "first_mes",
    "example_dialogue": "mes_example",
}
# Copies that a program may write beside `data`, or in it, for programs that know no other name.
_OTHER_NAMES = _PYGMALION | {"creatorcomment": "creator_notes"}  # the last one is SillyTavern's
_COPIES = {name: name for name in (*_V1_FIELDS, *_V2_FIELDS, *_LISTS)} | _OTHER_NAMES


def blank() -> dict[str, Any]:
    """Return an empty card with all fields that one must have."""
    texts = dict.fromkeys([*_V1_FIELDS, *_V2_FIELDS], "")
    lists: dict[str, list[str]] = {name: [] for name in _LISTS}
    return {"spec": _V3, "spec_version": "3.0", "data": {**texts, **lists, "extensions": {}}}


def version_3(parsed: Any) -> dict[str, Any]:
    """Return the card as version 3. Raise `CardError`, which names what is missing, if it is none."""
    if not isinstance(parsed, dict):
        raise CardError(no_card("its JSON is not an object"))
    _check_depth(parsed)
    if parsed.get("spec") is None:
        if isinstance(inner := parsed.get("data"), dict):
            parsed = parsed | {"spec": _V2, "data": _of_version_1(inner)}
        else:
            parsed = {"spec": _V2, "data": _of_version_1(parsed)}
    if (spec := parsed["spec"]) not in (_V2, _V3):
        raise CardError(no_card(f"its spec must be {_V2} or {_V3}, not {spec!r:.60}"))
    if not parsed.get("data"):
        raise CardError(no_card("it has no data"))
    return valid(parsed if spec == _V3 else parsed | blank() | {"data": parsed["data"]})


def valid(card: dict[str, Any]) -> dict[str, Any]:
    """Return this card of version 3 so that the format's validators accept it, with equal copies."""
    beside = {new: card[old] for old, new in _COPIES.items() if old in card}
    data = _with(blank()["data"] | beside | object_in(card, "data"), _MAY_BE_THERE)
    for name in (*_V1_FIELDS, *_V2_FIELDS):
        data[name] = (_text_on_the_sheet if name in _ON_THE_SHEET else _text)(data[name]) or ""
    for name in _LISTS:
        data[name] = _texts(data[name], "," if name == "tags" else None)
    data["extensions"] = data["extensions"] or {}
    for old, new in _COPIES.items():
        if old in data:
            data[old] = data[new]
    copies = {old: data[new] for old, new in _COPIES.items() if old in card}
    return card | copies | {"spec": _V3, "spec_version": "3.0", "data": data}


def object_in(owner: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under this key, {} for null: some programs write that for nothing."""
    value = owner.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CardError(wrong(f"{key} must be an object, not {value!r:.60}"))
    return value


def wrong(problem: str) -> str:
    """Return the message for a card in which something is not what it should be."""
    return f"In this card, {problem}. Correct it, or choose another card."


def no_card(problem: str) -> str:
    """Return the message for a file in which there is no card."""
    return f"This is no character card: {problem}. Save or download the card again as JSON or PNG."


def _of_version_1(parsed: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a card of version 1, also under Pygmalion's names. Few programs wrote all fields."""
    named = {new: parsed[old] for old, new in _OTHER_NAMES.items() if old in parsed} | parsed
    missing = [name for name in _V1_FIELDS if name not in named]
    if "name" in missing or len(missing) > 4 or missing == list(_V1_FIELDS[2:]):
        problem = f"its spec must be {_V2} or {_V3}, and it has none; for a card of version 1 it lacks "
        raise CardError(no_card(problem + ", ".join(missing)))
    return named


def _check_depth(parsed: Any) -> None:
    level = [parsed]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise CardError(no_card(TOO_DEEP))


# ---- What a value should be. Each function returns it so, or None if nothing can be made of it. ----


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, int | float) else None


def _text_on_the_sheet(value: Any) -> Any:
    """Return the text, or the value as it is: what a model is told is not guessed at, but refused."""
    return value if (text := _text(value)) is None else text


def _number(value: Any) -> int | float | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}", value.strip(), re.ASCII):
        return int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    words = {"true": True, "1": True, "false": False, "0": False}
    return words.get(str(value).lower()) if isinstance(value, bool | int | str) else None


def _texts(value: Any, separator: str | None = None) -> list[str]:
    """Return a list of texts. Of a single text it has one, or as many as separators part."""
    if isinstance(value, dict):  # a list of JavaScript, written as an object: {"0": ...}
        value = list(value.values())
    if isinstance(value, str):
        parts = value.split(separator) if separator else [value]
        return [part.strip() for part in parts if part.strip()]
    listed = value if isinstance(value, list) else []
    found = [_text(each) for each in listed if each is not None and not isinstance(each, bool)]
    return [each for each in found if each is not None]


def _keys(value: Any) -> list[str]:
    return _texts(value, ",")


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    value = list(value.values()) if isinstance(value, dict) else value
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _position(value: Any) -> str | None:
    names = ("before_char", "after_char")  # SillyTavern's world files have 0 and 1
    return value if value in names else dict(zip("01", names, strict=True)).get(str(value))


def _notes(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {language: text for language, text in value.items() if isinstance(text, str)}


def _assets(value: Any) -> list[dict[str, Any]] | None:
    needed = {"type": "x_other", "name": "", "ext": "unknown"}
    assets = [
        asset | {name: _text(asset.get(name)) or otherwise for name, otherwise in needed.items()}
        for asset in _objects(value)
        if isinstance(asset.get("uri"), str)
    ]
    return assets or None


def _book(value: Any) -> dict[str, Any] | None:
    """Return the lorebook. Its entries may be a list of their own, or SillyTavern's object with numbers."""
    if isinstance(value, list) and value:
        value = {"entries": value}
    if not isinstance(value, dict) or not value:
        return None
    book = _with({"extensions": {}} | value, _IN_A_BOOK)
    return book | {
        "extensions": _object(book["extensions"]) or {},
        "entries": [_entry(each) for each in _objects(value.get("entries"))],
    }


def _entry(value: dict[str, Any]) -> dict[str, Any]:
    def first(names: tuple[str, ...], convert: Callable[[Any], Any], otherwise: Any) -> Any:
        made = [convert(value[name]) for name in names if name in value]
        return next((each for each in made if each is not None), otherwise)

    entry = _with(value, _IN_AN_ENTRY)
    if "keysecondary" in value and "secondary_keys" not in value:
        entry["secondary_keys"] = _keys(value["keysecondary"])
    return entry | {
        "keys": first(("keys", "key"), _keys, []),
        "content": first(("content",), _text, ""),
        "extensions": first(("extensions",), _object, {}),
        "enabled": first(("enabled",), _flag, not _flag(value.get("disable"))),
        "insertion_order": first(("insertion_order", "order"), _number, 100),
        "use_regex": first(("use_regex",), _flag, False),
    }


def _with(owner: dict[str, Any], fields: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return the object with these optional fields as they should be, without those that cannot be so."""
    made = {
        name: value if name not in fields or value is None else fields[name](value)
        for name, value in owner.items()
    }
    return {name: value for name, value in made.items() if value is not None or name not in fields}


_MAY_BE_THERE = {
    "nickname": _text_on_the_sheet,
    "creator_notes_multilingual": _notes,
    "source": _texts,
    "creation_date": _number,
    "modification_date": _number,
    "assets": _assets,
    "character_book": _book,
}
_IN_A_BOOK = {
    "name": _text,
    "description": _text,
    "scan_depth": _number,
    "token_budget": _number,
    "recursive_scanning": _flag,
}
_IN_AN_ENTRY = {
    "case_sensitive": _flag,
    "constant": _flag,
    "selective": _flag,
    "name": _text,
    "comment": _text,
    "priority": _number,
    "id": _number,  # the format also allows texts, its validators do not
    "secondary_keys": _keys,
    "position": _position,
}
