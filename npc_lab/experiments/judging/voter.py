"""A judge votes on pairs of talks, into a file like a person's.

    vote(judge, [(("otto", one_talk), ("wren", another))], Path("votes/judge.jsonl"))      1 more ballot

Put it on trial first (audit.py). A file that is there already is gone on with: nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from npc_lab.experiments.judging.judge import PAIR, Judge
from npc_lab.experiments.judging.verdict import FAILED
from npc_lab.experiments.voting.ballots import append, as_line, pairs_voted_on
from npc_lab.experiments.voting.pairs import Entry
from npc_lab.store.schema import now

CALLS_A_PAIR = 2  # both orders


def pairs_left(entries: Iterable[tuple[Entry, Entry]], path: Path) -> list[tuple[Entry, Entry]]:
    """Return the pairs on which a file has no ballot yet."""
    there = pairs_voted_on(path)
    return [pair for pair in entries if frozenset(name for name, _ in pair) not in there]


def vote(judge: Judge, entries: Iterable[tuple[Entry, Entry]], path: Path) -> int:
    """Ask the judge about each pair that is left, write each answer at once, and return how many there are.

    The voter is the file's stem. Where the endpoint did not reply nothing is written: the next vote asks it.
    """
    written = 0
    for (first, one), (second, other) in pairs_left(entries, path):
        ballot = judge.choose(one, other)
        if ballot.unscored.startswith(FAILED):
            continue
        pair = (first, second)
        winner = dict(zip(PAIR, pair, strict=True)).get(ballot.winner or "")
        append(path, as_line(replace(ballot, pair=pair, shown=pair, winner=winner, voter=path.stem), now()))
        written += 1
    return written
