"""Entrants: the cards that were handed in, each known by the name of its file.

    cards/otto.json, cards/wren.png      entrants.cards == {"otto": NPCConfig(...), "wren": NPCConfig(...)}

The file's name is the learner's nickname, so that nobody is asked to judge a card of their own. Cards come
from strangers: they are read as any card is (npc_lab/cards), and decide neither what a request holds besides
its messages nor how long a reply may be.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npc_lab.cards import read_card
from npc_lab.character import NPCConfig
from npc_lab.errors import CardError, ExperimentError
from npc_lab.text import printable, shorten, well_formed

_ENDINGS = (".json", ".png")
_LONGEST_REPLY = 300  # tokens, private thoughts included
_LONGEST_NAME = 60  # characters


@dataclass(frozen=True)
class Entrants:
    """cards: by their ids, in the order of the alphabet. notes: what was left out, and why."""

    cards: dict[str, NPCConfig]
    notes: Sequence[str]


def read_cards(folder: str | Path) -> Entrants:
    """Return the cards in a folder. What is no card is named in the notes, and left out.

    Raise `ExperimentError` if there is no such folder, or if there are fewer than two cards in it.
    """
    try:
        files = sorted(path for path in Path(folder).expanduser().iterdir() if path.name[:1] != ".")
    except (OSError, TypeError, ValueError) as error:
        raise ExperimentError(
            f"There is no folder of cards {str(folder)!r:.80}. Put the cards that were handed in into one "
            "folder, each under its owner's nickname, such as otto.json."
        ) from error
    cards: dict[str, NPCConfig] = {}
    notes, with_options = [], []
    for path in files:
        name = _id(path)
        if path.suffix.lower() not in _ENDINGS or not path.is_file():
            notes.append(f"{_shown(path.name)} is no card, and was left out: cards end with .json or .png.")
        elif any(name.casefold() == other.casefold() for other in cards):
            notes.append(f"{_shown(path.name)} was left out: there is another card called {_shown(name)}.")
        else:
            try:
                config = read_card(path).config
            except CardError as error:
                notes.append(f"Left out: {printable(well_formed(str(error)))}")
                continue
            cards[name] = _tamed(config)
            with_options += [name] if config.request_options else []
    if with_options:
        names = ", ".join(map(_shown, with_options))
        notes.append(f"The request options of these cards were left out, for they are strangers': {names}.")
    if len(cards) < 2:
        why = " ".join(["A tournament needs two cards or more.", *notes])
        raise ExperimentError(f"In {str(folder)!r:.80} there are {len(cards)} cards. {why}")
    return Entrants(cards, notes)


def _tamed(config: NPCConfig) -> NPCConfig:
    """Return the sheet without request options, and with a limit for its replies."""
    most = min(config.max_reply_tokens or _LONGEST_REPLY, _LONGEST_REPLY)
    return replace(config, request_options={}, max_reply_tokens=most)


def _id(path: Path) -> str:
    return unicodedata.normalize("NFC", well_formed(path.stem)).strip()[:_LONGEST_NAME] or "card"


def _shown(name: str) -> str:
    return shorten(printable(well_formed(name)), _LONGEST_NAME)
