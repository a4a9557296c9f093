"""Twelve short talks for lesson 06, in which something goes wrong, or nothing. Each says where it is from.

    for talk in twelve_talks():
        print(talk)       Talk 3, written by hand. Tom keeps a gate ...

Eight were recorded on the embedded model by `python tests/record_talks.py`, each once and whatever came; four
we wrote by hand, because a small model does not fail in every way that a large one does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from npc_lab.rendering import escaped
from npc_lab.text import untypeset
from npc_lab.transcript import SYSTEM, Message, Transcript

RECORDED, BY_HAND = "recorded on the embedded model", "written by hand"
_FILES = {RECORDED: "by_the_model.jsonl", BY_HAND: "by_hand.jsonl"}  # a talk on each line
_FOLDER = Path(__file__).parent / "recorded"
_AT = datetime(2026, 1, 1, 20)  # nobody's clock stood beside these talks


@dataclass(frozen=True, repr=False)
class TalkToRead:
    """A talk to read.

    number: from 1 to 12. origin: "recorded on the embedded model" or "written by hand". wanted: what the
    characters were told to be.
    """

    number: int
    origin: str
    wanted: str
    transcript: Transcript

    def __str__(self) -> str:
        return f"Talk {self.number}, {self.origin}. {self.wanted}\n\n{self.transcript}\n"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = f"<b>Talk {self.number}</b>, {escaped(self.origin)}. <i>{escaped(self.wanted)}</i>"
        return untypeset(f"<p>{head}</p>{self.transcript._repr_html_()}<hr>")


def twelve_talks() -> list[TalkToRead]:
    """Return the twelve talks, in the order of their numbers."""
    found = [
        _talk(json.loads(line), origin)
        for origin, name in _FILES.items()
        for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    ]
    return sorted(found, key=lambda talk: talk.number)


def _talk(record: dict[str, Any], origin: str) -> TalkToRead:
    """Return the talk of a line of a file, in which "lines" are pairs of a seat and its words."""
    names = dict(enumerate(record["names"], start=1))
    messages = [Message(SYSTEM, record["opening"], _AT)]
    messages += [Message(names[seat], words, _AT, seat) for seat, words in record["lines"]]
    return TalkToRead(record["number"], origin, record["wanted"], Transcript(messages, names))
