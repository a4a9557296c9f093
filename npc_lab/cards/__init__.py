"""Character files, in the card format that role-players share.

A card is a JSON object, in a file of its own or inside a PNG picture. Versions 1, 2 and 3 are read; version 3
is written, as JSON. It is described at https://github.com/kwaroran/character-card-spec-v3.

    card = read_card("knight.png")
    card.config.goal = "Sell the sword."
    write_card(card, "knight.json")

A card often holds more than a character sheet does: greetings, a lorebook, notes of other programs. All of
it is kept, and of the sheet's fields only those that changed are written anew. What the format has no field
for, such as a goal, is kept under `extensions.npc_lab`.

Cards come from strangers. Pixels are never decoded and nothing is decompressed, so a small file cannot grow
large in memory.
"""

import json
import math
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npc_lab.cards.macros import filled, has_macros
from npc_lab.cards.picture import PNG, cards_in, from_base64
from npc_lab.cards.versions import TOO_DEEP, blank, no_card, object_in, valid, version_3, wrong
from npc_lab.character import FIELDS, NPCConfig
from npc_lab.errors import CardError, CharacterError
from npc_lab.files import write_whole
from npc_lab.text import well_formed

_LARGEST_FILE = 20_000_000  # bytes
_LARGEST_JSON = 8_000_000  # bytes
_LONGEST_TEXT = 200_000  # characters; few models could read more
_LONGEST_NAME = 200  # characters: a name may be put in thousands of times

# Fields that a sheet does not have: they are added to the description, each after these words.
_MERGED = {"personality": "Personality: ", "system_prompt": "", "post_history_instructions": ""}

_OURS = "npc_lab"
_OUR_FIELDS = tuple(
    name
    for name in FIELDS
    if name not in ("name", "world_description", "character_description", "greeting", "examples")
)
# The key for a list of texts in which {{char}} and the like are not placeholders: the learner wrote them.
_AS_WRITTEN = "as_written"

# A talk in a card's `mes_example`: a mark before each, then the lines of two speakers.
_TALK = re.compile(r"<START>", re.IGNORECASE)
_LINE = re.compile(
    r"^[ \t]*(?:\{\{(char|user)\}\}|<(bot|char|user)>)[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE
)
_USER = "the other speaker"  # reads well before 's, too, and fits a character as well as a person

_NOT_READ = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"RIFF": "a WebP picture",
    b"GIF8": "a GIF picture",
    b"PK": "a zip or CHARX archive",
}


def _blank() -> dict[str, Any]:
    """Return an empty card. Its `npc_lab` says that we wrote it."""
    card = blank()
    card["data"]["extensions"][_OURS] = {}
    return card


@dataclass
class Card:
    """A character in its file. `Card(config)` makes a new one.

    config: the character; change it, or assign another one.
    original: the whole card as it was read, as version 3. Its `data` holds what a character sheet has no
    field for, for instance `alternate_greetings`.
    """

    config: NPCConfig
    original: dict[str, Any] = field(default_factory=_blank, repr=False)

    def to_json(self) -> str:
        """Return the card as version 3: the original with the fields that changed on the character sheet.

        Surrogate pairs are joined, lone surrogates replaced. Raise `CardError` for what no card can hold.
        """
        try:
            config = NPCConfig(**_well_formed({key: getattr(self.config, key) for key in FIELDS}))
            data = _changed(self.original["data"], config)
            card = valid(self.original | {"data": data})
            text = well_formed(json.dumps(card, ensure_ascii=False, indent=2))
        except CardError:
            raise
        except CharacterError as error:  # a list of the sheet was changed in place
            raise CardError(str(error)) from error
        except (TypeError, ValueError) as error:
            raise CardError(f"The character holds something that no file can hold: {error!s:.60}.") from error
        if len(text.encode()) > _LARGEST_JSON:
            raise CardError(f"The card is {_too_large(_LARGEST_JSON)} Make its texts shorter.")
        return text


def read_card(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> Card:
    """Return the card in a file, or in the bytes of an upload. Raise `CardError` if there is none."""
    if isinstance(source, bytes | bytearray | memoryview):
        return _card(bytes(source))
    path = _path(source)
    try:
        return _card(_content(path))
    except CardError as error:
        raise _about(path, str(error)) from error


def write_card(card: Card, path: str | os.PathLike[str]) -> None:
    """Write the card as JSON. If `CardError` is raised, the file is as it was before."""
    target = _path(path)
    if target.suffix.lower() != ".json":  # otherwise the JSON could overwrite the picture that it came from
        raise _about(target, "A card is written as JSON. Choose a name that ends with .json.")
    content = card.to_json().encode()
    try:
        write_whole(target, content)
    except (OSError, ValueError) as error:
        raise _about(target, _why_not_written(error)) from error


def _path(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path)
    except TypeError as error:
        raise CardError(f"A card's file is named by a path, not by {path!r:.60}.") from error


def _about(path: Path, words: str) -> CardError:
    return CardError(f"{path.name or str(path)!r:.80}: {words}")


def _reason(error: OSError | ValueError) -> str:
    """Return the operating system's message, without the path in it."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _why_not_written(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "There is no such folder. Make it first, or choose another."
        case IsADirectoryError():
            return "This is a folder. Choose another name."
        case PermissionError():
            return "You may not write here. Choose another folder."
    return f"This file cannot be written: {_reason(error)}. Choose another name or folder."


# ---- From a file to its JSON ----


def _content(path: Path) -> bytes:
    """Return the file's bytes. Its type and size are checked first: a pipe would never end."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST_FILE:
            with path.open("rb") as file:
                return file.read(_LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise CardError("There is no such file. Check its name and its folder.") from error
    except PermissionError as error:
        raise CardError("You may not read this file. Choose another, or ask its owner.") from error
    except (OSError, ValueError) as error:  # ValueError: not a path at all
        raise CardError(f"This file cannot be read: {_reason(error)}. Check its name.") from error
    if stat.S_ISREG(status.st_mode):
        _check_size(status.st_size)
    raise CardError("This is not a file. Name a file, for instance one that ends with .json or .png.")


def _check_size(size: int) -> None:
    if size > _LARGEST_FILE:
        raise CardError(f"This file is {_too_large(_LARGEST_FILE)} Choose another, or a smaller picture.")


def _too_large(limit: int) -> str:
    return f"too large for a character card: more than {limit // 1_000_000} MB."


def _card(content: bytes) -> Card:
    _check_size(len(content))
    if not content:
        raise CardError("This file is empty. Download or save it again.")
    for beginning, kind in _NOT_READ.items():
        if content.startswith(beginning):
            raise CardError(f"This is {kind}, and those are not read. Save the card as JSON or PNG.")
    if not content.startswith(PNG):
        return _card_in(content)
    errors = []
    for packed in cards_in(content):  # a damaged one gives way to the next
        try:
            return _card_in(from_base64(packed))
        except CardError as error:
            errors.append(error)
    raise errors[0]


def _card_in(text: bytes) -> Card:
    original = version_3(_parsed(text))
    return Card(_config(original["data"]), original)


def _parsed(content: bytes) -> Any:
    if len(content) > _LARGEST_JSON:
        raise CardError(f"The text in this file is {_too_large(_LARGEST_JSON)} Choose another file.")
    try:
        return json.loads(content, parse_float=_finite, parse_constant=_finite)
    except json.JSONDecodeError as error:
        problem = f"it is not JSON: line {error.lineno}, column {error.colno} is not right"
    except UnicodeDecodeError:
        problem = "it is not text in UTF-8"
    except RecursionError:
        problem = TOO_DEEP
    except ValueError:
        problem = "one of its numbers is too large, or not a number"
    raise CardError(no_card(problem))


def _finite(written: str) -> float:
    """Return the number. Raise ValueError for NaN and infinity: JSON cannot hold them."""
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(written)
    return number


# ---- From a card's data to a character sheet, and back ----


def _config(data: dict[str, Any]) -> NPCConfig:
    """Return the character sheet for the card's data."""
    name = _text(data, "name", _LONGEST_NAME)
    called = _text(data, "nickname", _LONGEST_NAME) or name or "the character"
    parts = [_filled(data, "description", called)]
    for key, before in _MERGED.items():
        if text := _filled(data, key, called).strip():
            parts.append(before + text)
    known = (*_OUR_FIELDS, "examples")
    ours = _well_formed({key: value for key, value in _ours(data).items() if key in known})
    ours.setdefault("examples", _examples(_text(data, "mes_example"), called))
    try:
        config = NPCConfig(
            _filled(data, "scenario", called),
            "\n\n".join(filter(None, parts)),
            name=name,
            greeting=_filled(data, "first_mes", called),
            **ours,
        )
    except CharacterError as error:
        raise CardError(wrong(f"extensions.{_OURS}.{str(error).rstrip('.')}")) from error
    _check_length("whole sheet", config.system_message(), _LONGEST_TEXT)
    return config


def _changed(data: dict[str, Any], config: NPCConfig) -> dict[str, Any]:
    """Return the card's data with the sheet's changes in it. Reading it again returns this very sheet."""
    data = dict(data)
    if config.name != _text(data, "name"):
        data["name"] = config.name
    before = _config(data)  # with the new name, which may be filled into the texts
    as_written = _as_written(data)
    for key, old, new in (
        ("scenario", before.world_description, config.world_description),
        ("description", before.character_description, config.character_description),
        ("first_mes", before.greeting, config.greeting),
    ):
        if new != old:
            data[key] = new
            as_written = [each for each in as_written if each != key]
            as_written += [key] if has_macros(new) else []
    if config.character_description != before.character_description:
        data |= dict.fromkeys(_MERGED, "")  # they are part of the description now
    extensions = object_in(data, "extensions")
    fields = _our_fields(config)
    kept = list(_ours(data).get("examples", []))  # those that `mes_example` cannot hold
    if config.examples != before.examples:
        data["mes_example"] = _as_talks(config.examples)
        called = config.name or "the character"
        kept = config.examples if _examples(data["mes_example"], called) != config.examples else []
    if _OURS in extensions or as_written or kept or fields != _our_fields(before):
        ours = _ours(data) | fields | {_AS_WRITTEN: as_written, "examples": kept}
        for key in (_AS_WRITTEN, "examples"):
            if not ours[key]:
                del ours[key]
        data["extensions"] = extensions | {_OURS: ours}
    _config(data)  # raises for what could not be read again
    return data


def _examples(talks: str, called: str) -> list[tuple[str, str]]:
    """Return pairs of what a user says and what the character answers, without lines that have no partner."""
    pairs: list[tuple[str, str]] = []
    for talk in _TALK.split(talks):
        pieces = _LINE.split(talk)  # what stands before, then for each line its two groups and its words
        said = ""
        for one, other, words in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
            text = filled(words.strip(), called, _USER)
            if (one or other).lower() == "user":
                said = text
            elif said and text:
                pairs.append((said, text))
                said = ""
    return pairs


def _as_talks(examples: list[tuple[str, str]]) -> str:
    """Return these pairs as a card has them."""
    talks = (f"<START>\n{{{{user}}}}: {said}\n{{{{char}}}}: {answered}" for said, answered in examples)
    return "\n".join(talks)


def _our_fields(config: NPCConfig) -> dict[str, Any]:
    return {key: getattr(config, key) for key in _OUR_FIELDS}


def _ours(data: dict[str, Any]) -> dict[str, Any]:
    return object_in(object_in(data, "extensions"), _OURS)


def _as_written(data: dict[str, Any]) -> list[Any]:
    """Return the keys of the texts in which {{char}} and the like are not placeholders."""
    keys = _ours(data).get(_AS_WRITTEN, [])
    if not isinstance(keys, list):
        raise CardError(wrong(f"extensions.{_OURS}.{_AS_WRITTEN} must be a list, not {keys!r:.60}"))
    return keys


def _filled(data: dict[str, Any], key: str, called: str) -> str:
    """Return the text under this key, with names in place of {{char}} and the like."""
    text = _text(data, key)
    return text if key in _as_written(data) else filled(text, called, _USER)


def _text(data: dict[str, Any], key: str, longest: int = _LONGEST_TEXT) -> str:
    """Return the text under this key, "" if there is none."""
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CardError(wrong(f"{key} must be text, not {value!r:.60}"))
    _check_length(key, value, longest)
    return well_formed(value)


def _check_length(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        problem = f"the {what} has {len(text):,} characters, and a model is given {longest:,} at most"
        raise CardError(wrong(problem))


def _well_formed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the fields in which every text is well formed."""
    copy: dict[str, Any] = json.loads(well_formed(json.dumps(fields, ensure_ascii=False)))
    return copy
