"""Numbers about a talk: one for each line that a character spoke, and what its prompts cost.

Opening and director's lines are not measured: nobody spoke them.
"""

from collections.abc import Sequence
from itertools import takewhile

from npc_lab.memory import ChatMessage
from npc_lab.text import words_in
from npc_lab.transcript import SYSTEM, Message, spoken

# A line above it is an echo. The failure has its name from arXiv 2511.09710; measure and limit are ours.
ECHO_LIMIT = 0.2
_RUN = 4  # words in a row: fewer are shared by chance


def line_lengths(messages: Sequence[Message]) -> list[int]:
    """Return the length of each spoken line, in characters."""
    return [len(message.content) for message in spoken(messages)]


def echoes(messages: Sequence[Message]) -> list[float]:
    """Return how much of each spoken line repeats the partner's last one, from 0 (nothing) to 1 (all).

    It is the share of the line's runs of 4 words that the partner's line holds too, in upper or lower
    case. The first line answers the opening. A line of fewer than 4 words has no run and counts as 0: a
    mere "Yes, my lord." is no echo.
    """
    last_runs: dict[int, list[tuple[str, ...]]] = {1: [], 2: []}  # seat -> those of what it said last
    shares = []
    for message in messages:
        if message.sender == SYSTEM:
            last_runs = dict.fromkeys((1, 2), _runs(message.content))
        if message.seat is not None:
            runs, known = _runs(message.content), set(last_runs[3 - message.seat])
            shares.append(sum(run in known for run in runs) / max(len(runs), 1))
            last_runs[message.seat] = runs
    return shares


def new_to_cache(before: Sequence[ChatMessage], now: Sequence[ChatMessage]) -> int:
    """Return how many characters of the prompt `now` an endpoint reads anew after the prompt `before`.

    A prompt cache compares whole messages from the front: all from the first difference on is new.
    """
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False))
    return sum(len(message["content"]) for message in now[len(list(shared)) :])


def _runs(line: str) -> list[tuple[str, ...]]:
    words = words_in(line)
    return list(zip(*(words[start:] for start in range(_RUN)), strict=False))
