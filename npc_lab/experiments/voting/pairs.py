"""Pairs of talks to vote on, and the file in which a tournament hands them out.

    pairs = [(("otto", one_talk), ("wren", another))]
    write_pairs("pairs.json", pairs, each=10, about="London, 1270. ...")

Each talk stands in the file once. `each` is how many pairs one voter is asked about: a class needs many,
but nobody needs to judge all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from npc_lab.errors import ExperimentError
from npc_lab.experiments.estimates import is_whole
from npc_lab.export import write_text
from npc_lab.text import well_formed
from npc_lab.transcript import Message, Transcript

Entry = tuple[str, Transcript]  # an id and its talk
_VERSION = 1
_LARGEST_FILE = 50_000_000  # bytes


@dataclass(frozen=True)
class Pairs:
    """What is voted on. each: how many of them one voter is asked about, None for all. about: the scene."""

    entries: Sequence[tuple[Entry, Entry]]
    each: int | None = None
    about: str = ""


def pairs_of(pairs: Any) -> Pairs:
    """Return the pairs in a list, or in a file that a tournament wrote. Raise `ExperimentError`."""
    if isinstance(pairs, str | Path):
        return _read(Path(pairs).expanduser())
    if isinstance(pairs, Pairs):
        return pairs
    try:
        listed = list(pairs)
    except TypeError:
        listed = []
    if not listed:
        raise ExperimentError(
            "There is no pair to vote on. Pass a list of pairs of (id, talk), or the file that the "
            "tournament wrote: vote_box('pairs.json', 'your nickname')."
        )
    for pair in listed:
        _check(pair)
    return Pairs([((first[0], first[1]), (second[0], second[1])) for first, second in listed])


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Write the file. Raise `NPCLabError` if it cannot be written."""
    talks: list[Transcript] = []
    places: dict[int, int] = {}
    for _, talk in (entry for pair in pairs.entries for entry in pair):
        if id(talk) not in places:
            places[id(talk)] = len(talks)
            talks.append(talk)
    content = {
        "npc_lab_pairs": _VERSION,
        "about": pairs.about,
        "each": pairs.each,
        "talks": [_as_json(talk) for talk in talks],
        "pairs": [[[name, places[id(talk)]] for name, talk in pair] for pair in pairs.entries],
    }
    write_text(path, well_formed(json.dumps(content, ensure_ascii=False)))


def _read(path: Path) -> Pairs:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("it is too large")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if content["npc_lab_pairs"] != _VERSION:
            raise ValueError("another version of npc_lab wrote it")
        talks = [_from_json(each) for each in content["talks"]]
        entries = [
            ((first, talks[its]), (second, talks[other]))
            for (first, its), (second, other) in content["pairs"]
        ]
        for pair in entries:
            _check(pair)
        each = content["each"]
        if not entries or not (each is None or (is_whole(each) and each > 0)):
            raise ValueError("there is no pair in it")
        return Pairs(entries, each, str(content["about"]))
    except FileNotFoundError as error:
        raise ExperimentError(
            f"There is no file {str(path)!r:.80}. Put the file of pairs beside this notebook, or name its "
            "folder."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ExperimentError(
            f"{path.name!r:.80} is not a file of pairs that `npc-lab tournament` wrote, or it is damaged. "
            "Get it once more."
        ) from error


def _check(pair: Any) -> None:
    try:
        (first, one), (second, other) = pair
    except (TypeError, ValueError):
        first = second = one = other = None
    if not isinstance(one, Transcript) or not isinstance(other, Transcript):
        raise ExperimentError(f"A pair is ((id, talk), (id, talk)), not {pair!r:.60}.")
    if not all(isinstance(name, str) and name.strip() for name in (first, second)) or first == second:
        raise ExperimentError(f"A pair needs two different ids, not {first!r:.40} and {second!r:.40}.")


def _as_json(talk: Transcript) -> dict[str, Any]:
    lines = [[each.sender, each.content, each.timestamp.isoformat(), each.seat] for each in talk]
    return {"names": {str(seat): name for seat, name in talk.names.items()}, "lines": lines}


def _from_json(content: Any) -> Transcript:
    lines = []
    for sender, words, at, seat in content["lines"]:
        if not isinstance(sender, str) or not isinstance(words, str) or seat not in (None, 1, 2):
            raise ValueError("a line is damaged")
        lines.append(Message(sender, words, datetime.fromisoformat(at), seat))
    return Transcript(lines, {int(seat): str(name) for seat, name in content["names"].items()})
