"""A talk without names: who votes on it should not know whose it is.

Sir Guy: I am Sir Guy, and who are you?      First: I am First, and who are you?
Hans: Hans, a merchant.                      Second: Second, a merchant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from npc_lab.transcript import Transcript

LABELS = {1: "First", 2: "Second"}
_SEAT = re.compile(r" \(seat [12]\)$")  # how two of one name are told apart
_SHORTEST = 3  # letters of a name that stands for the whole name
_TITLES = {"sir", "lady", "lord", "dame", "mister", "miss", "missus", "doctor", "king", "queen"}
_TITLES |= {"captain", "saint", "the", "von", "van", "del"}


def blind(talk: Transcript) -> Transcript:
    """Return the talk with both speakers' names replaced, before their lines and in them."""
    stands_for = {name: LABELS[seat] for seat in LABELS for name in _forms(talk.names.get(seat, ""))}
    lines = list(talk)
    if stands_for:
        either = "|".join(map(_pattern, sorted(stands_for, key=len, reverse=True)))
        names = re.compile(either)
        lines = [
            type(each)(
                each.sender,
                names.sub(lambda name: stands_for[name[0]], each.content),
                each.timestamp,
                each.seat,
                each.seconds,
            )
            for each in lines
        ]
    return Transcript(lines, LABELS, talk.stop_reason)


def _forms(name: str) -> Iterator[str]:
    """Yield what a speaker may be called: the whole name, and its words, also in capitals."""
    name = _SEAT.sub("", name).strip()
    words = [
        word
        for word in re.findall(r"[\w'’-]+", name)
        if len(word) >= _SHORTEST and word[0].isupper() and word.lower() not in _TITLES
    ]
    for form in (name, *words):
        yield from filter(None, (form, form.upper()))


def _pattern(form: str) -> str:
    """Return the pattern of a name that is not a part of a word. Chinese and Thai part no words."""
    before, after = (r"(?<!\w)" if form[0].isascii() else ""), (r"(?!\w)" if form[-1].isascii() else "")
    return before + re.escape(form) + after
