"""Cards of all versions, shapes and programs, read and written, and asked of two public validators.

    python tests/card_validators.py         installs both from npm into a temporary folder; needs node

`@risuai/ccardlib` knows version 3. `character-card-utils` knows versions 1 and 2, of which version 3 is a
superset: it is given the same data under version 2's name, and the copies at the root as version 1. The first
forgives null, the second does not. Each card is written as it was read, and once more after an edit.
"""

import base64
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from typing import Any

from npc_lab import NPCConfig
from npc_lab.cards import Card, read_card

Fields = dict[str, Any]

V1: Fields = {
    "name": "Ada",
    "description": "{{char}} counts.",
    "personality": "exact",
    "scenario": "London.",
    "first_mes": "Hello, {{user}}!",
    "mes_example": "<START>\n{{user}}: Two and two?\n{{char}}: Four.",
}
V2: Fields = V1 | {
    "creator_notes": "Be kind.",
    "system_prompt": "",
    "post_history_instructions": "",
    "alternate_greetings": ["Good evening."],
    "tags": ["history"],
    "creator": "someone",
    "character_version": "7",
    "extensions": {"talkativeness": "0.5"},
}
ENTRY: Fields = {
    "keys": ["inn"],
    "content": "It is full.",
    "extensions": {},
    "enabled": True,
    "insertion_order": 1,
}
V3: Fields = V2 | {
    "group_only_greetings": [],
    "nickname": "Countess",
    "creator_notes_multilingual": {"en": "Be kind.", "de": "Sei nett."},
    "source": ["https://example.org/ada"],
    "creation_date": 1700000000,
    "modification_date": 1700000001,
    "assets": [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}],
    "character_book": {"extensions": {}, "entries": [ENTRY | {"use_regex": False, "constant": True}]},
}
PYGMALION: Fields = {
    "char_name": "Ada",
    "char_persona": "Counts.",
    "world_scenario": "London.",
    "char_greeting": "Hello!",
    "example_dialogue": "{{user}}: Two and two?\n{{char}}: Four.",
}
NOTHING: Fields = dict.fromkeys(V3, None) | {"name": "Ada"}
NUMBERS: Fields = dict.fromkeys(V2, 4) | {"name": "Ada", "extensions": {}}
SILLY_WORLD: Fields = {
    "uid": 0,
    "key": ["inn"],
    "keysecondary": [],
    "comment": "",
    "content": "It is full.",
    "constant": False,
    "selective": True,
    "order": 100,
    "position": 4,
    "disable": False,
}


def of_v2(**data: Any) -> bytes:
    return json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": V2 | data}).encode()


def of_v3(**data: Any) -> bytes:
    return json.dumps({"spec": "chara_card_v3", "spec_version": "3.0", "data": V3 | data}).encode()


def at_root(data: Fields, **more: Any) -> bytes:
    """A card as SillyTavern exports it: version 1 at the root, and the newer version in `data`."""
    spec = {"spec": "chara_card_v3", "spec_version": "3.0"}
    return json.dumps(V1 | spec | {"data": data} | more).encode()


def with_book(**book: Any) -> bytes:
    return of_v2(character_book={"extensions": {}, "entries": [ENTRY]} | book)


def chunk(kind: bytes, data: bytes = b"", is_whole: bool = True) -> bytes:
    checksum = zlib.crc32(kind + data) ^ (not is_whole)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def text_chunk(keyword: bytes, card: Any, is_whole: bool = True) -> bytes:
    return chunk(b"tEXt", keyword + b"\0" + base64.b64encode(json.dumps(card).encode()), is_whole)


def png(*chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixel = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *chunks, pixel, chunk(b"IEND")])


OLD_CARD: Fields = {"spec": "chara_card_v2", "spec_version": "2.0", "data": V2}
CARDS: dict[str, bytes] = {
    "npc_lab, new": Card(NPCConfig("London.", "You are Ada.", name="Ada")).to_json().encode(),
    "npc_lab, all fields": Card(
        NPCConfig("London.", "{{char}} is a word.", name="Ada", goal="Count.", examples=[("Two?", "Two.")])
    )
    .to_json()
    .encode(),
    "version 1": json.dumps(V1).encode(),
    "version 1, some fields, ChatterUI#110": json.dumps({"name": "Ada", "first_mes": "Hello!"}).encode(),
    "version 1 of SillyTavern, null": json.dumps(
        V1 | {"scenario": None, "creatorcomment": "Be kind.", "fav": False, "create_date": "2023-5-1"}
    ).encode(),
    "Pygmalion": json.dumps(PYGMALION).encode(),
    "Pygmalion and version 1 in one": json.dumps(PYGMALION | V1 | {"metadata": {"version": 1}}).encode(),
    "version 2": of_v2(),
    "version 2 without a spec": json.dumps({"data": V2}).encode(),
    "version 2, a name alone": b'{"spec": "chara_card_v2", "data": {"name": "Ada"}}',
    "greetings are text, character-tools#17": of_v2(alternate_greetings="1687194031049"),
    "no lorebook, character-tools#36": of_v2(character_book=None),
    "lorebook, wild": with_book(),
    "lorebook's positions, character-tools#34": with_book(entries=[ENTRY | {"position": ""}]),
    "lorebook of Chub, null": with_book(
        name=None,
        scan_depth=None,
        recursive_scanning=None,
        entries=[ENTRY | {"comment": None, "priority": None, "secondary_keys": None, "position": None}],
    ),
    "lorebook, an object of SillyTavern's entries": of_v2(
        character_book={"name": "World", "entries": {"0": SILLY_WORLD}}
    ),
    "lorebook, a bare list": of_v2(character_book=[{"keys": "inn, tavern", "content": None}]),
    "lorebook, wrong kinds": with_book(
        token_budget="500",
        scan_depth="deep",
        entries=[
            ENTRY | {"enabled": 1, "constant": "true", "insertion_order": "5", "id": "a1b2", "keys": None},
            "no entry",
            ENTRY | {"content": 7, "extensions": None, "use_regex": None, "case_sensitive": "yes"},
        ],
    ),
    "null wherever it can be": of_v2(**NOTHING),
    "numbers wherever they can be": of_v2(**NUMBERS),
    "empty lists for objects, of PHP": of_v2(extensions=[], character_book=[], tags=""),
    "tags are text": of_v2(tags="history, numbers"),
    "lists with holes": of_v2(tags=["history", None, 7], alternate_greetings=[None, "Hello."]),
    "version 3": of_v3(),
    "version 3, null": of_v3(**NOTHING),
    "version 3, wrong kinds": of_v3(
        nickname=None,
        source="https://example.org/ada",
        creation_date="1700000000",
        modification_date="2024-01-01",
        creator_notes_multilingual={"en": None, "de": "Sei nett."},
        assets=[{"uri": "ccdefault:", "type": None}, {"name": "no address"}, None],
    ),
    "version 3.1, something new": json.dumps(
        {"spec": "chara_card_v3", "spec_version": "3.1", "data": V3 | {"unheard_of": None}}
    ).encode(),
    "SillyTavern's export": at_root(
        V3, creatorcomment="Be kind.", tags=["history"], avatar="none", fav=False, talkativeness="0.5"
    ),
    "a root that is out of date": at_root(V3 | {"name": "Ada Lovelace", "personality": None}),
    "PNG": png(text_chunk(b"chara", OLD_CARD)),
    "PNG with a damaged ccv3": png(text_chunk(b"ccv3", V3), text_chunk(b"chara", OLD_CARD)),
}

_JUDGE = """
const { CCardLib } = require('@risuai/ccardlib'), Cards = require('character-card-utils')
const copy = value => JSON.parse(JSON.stringify(value))
const wrong = (parser, value) => {
  const result = parser.safeParse(value)
  return result.success ? [] : result.error.issues.map(each => each.path.join('.') + ': ' + each.message)
}
const judged = {}
for (const [name, card] of Object.entries(JSON.parse(require('fs').readFileSync(0, 'utf8')))) {
  const version = CCardLib.character.check(copy(card))
  const problems = version === 'v3' ? [] : ['ccardlib takes it for ' + version]
  problems.push(...wrong(Cards.v2, { ...copy(card), spec: 'chara_card_v2' }))
  if ('first_mes' in card) {
    problems.push(...wrong(Cards.backfilledV2, { ...copy(card), spec: 'chara_card_v2' }))
    for (const key of Object.keys(Cards.v1.shape))
      if (card[key] !== card.data?.[key]) problems.push('two different ' + key)
  }
  judged[name] = problems
}
console.log(JSON.stringify(judged))
"""


def written() -> dict[str, Fields]:
    """All cards as npc_lab writes them, untouched and edited."""
    found = {}
    for name, content in CARDS.items():
        card = read_card(content)
        found[name] = json.loads(card.to_json())
        card.config.name, card.config.goal = "Zoe", "Rest."
        card.config.character_description += " {{char}} is tired."
        found[f"{name}, edited"] = json.loads(card.to_json())
    return found


def judged(cards: dict[str, Any], folder: str) -> dict[str, list[str]]:
    """What the validators, installed in this folder, find wrong with each card."""
    node = ["node", "-e", _JUDGE]
    result = subprocess.run(
        node, input=json.dumps(cards), cwd=folder, capture_output=True, text=True, check=True
    )
    problems: dict[str, list[str]] = json.loads(result.stdout)
    return problems


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        npm = ["npm", "install", "--no-audit", "--no-fund", "@risuai/ccardlib@0.4", "character-card-utils@2"]
        subprocess.run(npm, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        cards = written()
        before = {
            name: json.loads(content) for name, content in CARDS.items() if not content.startswith(b"\x89")
        }
        was_valid = sum(not problems for problems in judged(before, folder).values())
        problems = {name: each for name, each in judged(cards, folder).items() if each}
    for name, each in problems.items():
        print(f"{name}: {'; '.join(each)}")
    valid = len(cards) - len(problems)
    print(
        f"{len(CARDS)} cards, {was_valid} of {len(before)} JSON files valid version 3 as they came;", end=" "
    )
    print(f"written by npc_lab, untouched and edited: {valid} of {len(cards)} valid.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
