"""Ballots: all that a folder of votes holds, and what in it is no ballot.

    votes/mia.jsonl     {"pair": ["Otto", "Wren"], "shown": ["Wren", "Otto"], "winner": "Wren", ...}
    votes/sam.jsonl     one line for each click, the last one on a pair counts

    ballots = read_ballots("votes")
    print(ballots)      20 ballots of 2 voters on 10 pairs.
    ballots.problems    ["sam.jsonl, line 3: this is not JSON."]

Files come from many hands. Whatever is wrong in one line costs that line, and nothing else.
"""

from __future__ import annotations

import json
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import asdict
from pathlib import Path
from typing import Any

from npc_lab.errors import ExperimentError
from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.text import printable, shorten, well_formed

ENDING = ".jsonl"
_ALWAYS = ("pair", "shown", "winner", "voter")  # fields of a line
_LARGEST_FILE = 5_000_000  # bytes: some 25,000 ballots
_LONGEST_NAME = 60  # characters
_NO_FILE_NAME = re.compile(r'[/\\<>:"|?*\x00-\x1f\x7f]|^[.\s]|[.\s]$')
_TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # by Windows
# What browsers and file managers add to a name that is there already: "mia (1)", "mia-1", "mia 2".
_COPY = re.compile(r"( ?\(\d+\)|[ _-]\d+|[ _-]+copy)+", re.IGNORECASE)


class Ballots(list[Ballot]):
    """Ballots that count: of each voter the last one on a pair. problems: what was left out, and why."""

    def __init__(self, ballots: Iterable[Ballot] = (), problems: Iterable[str] = ()):
        super().__init__(ballots)
        self.problems = list(problems)

    def __str__(self) -> str:
        voters, pairs = {each.voter for each in self}, {frozenset(each.pair) for each in self}
        ballots = f"{_counted(self, 'ballot')} of {_counted(voters, 'voter')} on {_counted(pairs, 'pair')}."
        return "\n".join([ballots, *self.problems])

    __repr__ = __str__


def read_ballots(folder: str | Path, pairs: Iterable[Sequence[str]] | None = None) -> Ballots:
    """Return the ballots in a folder's .jsonl files; the last one of a voter on a pair counts.

    pairs: the pairs of ids that were to be voted on, if they are known; others are then problems. Broken
    lines, votes on one's own card (its id is the voter's nickname) and other files are problems, too. Raise
    `ExperimentError` if there is no such folder.
    """
    known = None if pairs is None else {frozenset(pair) for pair in pairs}
    files, problems = _files(folder)
    last: dict[tuple[str, frozenset[str]], Ballot] = {}
    for path in files:
        ballots = ballots_in(path, known)
        problems += ballots.problems
        for ballot in ballots:
            key = _folded(ballot.voter), frozenset(ballot.pair)
            last.pop(key, None)  # so that the order is that of the last ones
            last[key] = ballot
    return Ballots(last.values(), problems)


def ballots_in(path: Path, known: set[frozenset[str]] | None = None) -> Ballots:
    """Return all ballots of a file in their order. A file that cannot be read is a problem.

    known: the pairs that were to be voted on, None for any.
    """
    found, name = Ballots(), _shown(path.name)
    try:
        for number, line in _lines(path):
            try:
                found.append(_ballot(line, path.stem, known))
            except ValueError as error:
                found.problems.append(f"{name}, line {number}: {error}.")
    except (OSError, ValueError) as error:
        found.problems.append(f"{name} was not read: {_reason(error)}.")
    return found


def pairs_voted_on(path: Path) -> set[frozenset[str]]:
    """Return the pairs on which a voter's file has a ballot; none if there is no file yet."""
    return {frozenset(ballot.pair) for ballot in ballots_in(path)} if path.exists() else set()


def append(path: Path, line: str) -> None:
    """Append a line, and have it on the disk. What a killed program left unfinished stays by itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
        is_unfinished = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * is_unfinished + line.encode())
        file.flush()
        os.fsync(file.fileno())


def as_line(ballot: Ballot, at: str) -> str:
    """Return a ballot as a line of a file. at: when, in ISO 8601."""
    fields = {name: value for name, value in asdict(ballot).items() if name in _ALWAYS or value}
    return well_formed(json.dumps(fields | {"at": at}, ensure_ascii=False)) + "\n"


def nickname(voter: Any) -> str:
    """Return a voter's nickname. Raise `ExperimentError` unless it can be the name of a file."""
    name = unicodedata.normalize("NFC", well_formed(voter)).strip() if isinstance(voter, str) else ""
    if not name or len(name) > _LONGEST_NAME or _NO_FILE_NAME.search(name) or _TAKEN.fullmatch(name):
        raise ExperimentError(
            f"A nickname is the name of a file: letters, digits and blanks, at most {_LONGEST_NAME}, not "
            f"{voter!r:.60}. Choose another one."
        )
    return name


def is_own(voter: str, ids: Iterable[str]) -> bool:
    """Whether one of these cards is the voter's own: its id is the nickname."""
    return _folded(voter) in map(_folded, ids)


def _files(folder: Any) -> tuple[list[Path], list[str]]:
    """Return the files of ballots in a folder, a copy "mia (1)" after "mia"; and what else is there."""
    try:
        there = sorted(Path(folder).expanduser().iterdir(), key=lambda path: [path.stem, path.name])
    except (OSError, TypeError, ValueError) as error:
        raise ExperimentError(
            f"There is no folder of votes {str(folder)!r:.80}. Put each voter's .jsonl file into one folder, "
            "and name it."
        ) from error
    shown = [path for path in there if not path.name.startswith(".")]
    files = [path for path in shown if path.suffix.lower() == ENDING and path.is_file()]
    others = [path for path in shown if path not in files]
    return files, [f"{_shown(path.name)} is no file of ballots, and was not read." for path in others]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError("it is too large for ballots")
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _ballot(line: str, stem: str, known: set[frozenset[str]] | None) -> Ballot:
    """Return the ballot in a line of a voter's file. Raise ValueError, in words, if it does not count."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("this is not JSON") from None
    if not isinstance(fields, dict) or "winner" not in fields:
        raise ValueError("this is no ballot: it needs a pair and a winner")
    pair, winner = _two(fields.get("pair")), fields["winner"]
    shown = _two(fields.get("shown", fields["pair"]))
    if pair is None:
        raise ValueError(f"{_shown(fields.get('pair'))} is not a pair of two ids")
    if shown is None or set(shown) != set(pair):
        raise ValueError(f"{_shown(fields.get('shown'))} are not the two of the pair")
    if winner is not None and winner not in pair:
        raise ValueError(f"the winner {_shown(winner)} is not one of the pair")
    voter = _voter(fields.get("voter", stem), stem)
    if is_own(voter, pair):
        raise ValueError(f"a vote of {_shown(voter)} on their own card")
    if known is not None and frozenset(pair) not in known:
        raise ValueError(f"nobody was asked about the pair {_shown(' and '.join(pair))}")
    margin, unscored = fields.get("margin"), fields.get("unscored", "")
    return Ballot(
        pair,
        shown,
        winner,
        voter,
        float(margin) if isinstance(margin, int | float) and abs(margin) < math.inf else None,
        unscored if isinstance(unscored, str) else "",
        fields.get("flipped") is True,
    )


def _voter(signed: Any, stem: str) -> str:
    """Return who voted: the file's stem, also of a copy such as "mia (1)".

    A file is one voter's, so that nobody can vote in the name of others.
    """
    stem = unicodedata.normalize("NFC", well_formed(stem)).strip()
    if not isinstance(signed, str):
        raise ValueError(f"it is signed by {_shown(signed)}, which is no nickname")
    signed = unicodedata.normalize("NFC", well_formed(signed)).strip()
    if _folded(signed) == _folded(stem):
        return stem
    if _folded(stem).startswith(_folded(signed)) and _COPY.fullmatch(stem[len(signed) :]):
        return str(signed)
    raise ValueError(
        f"it is signed by {_shown(signed)}: rename the file to {_shown(signed)}{ENDING} if it is theirs"
    )


def _two(value: Any) -> tuple[str, str] | None:
    """Return two different ids, or None."""
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)
    if not is_pair or value[0] == value[1] or not all(each.strip() for each in value):
        return None
    first, second = map(well_formed, value)
    return first, second


def _folded(name: str) -> str:
    """Return a name as it is compared: on some machines, Mia.json and mia.json are one file."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def _shown(value: Any) -> str:
    return shorten(printable(well_formed(value if isinstance(value, str) else repr(value))), 60)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    return getattr(error, "strerror", None) or str(error)


def _counted(things: Sized, what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
