"""A talk without names: who votes on it should not know whose it is.

Sir Guy: I am Sir Guy, and who are you?      First: I am First, and who are you?
Hans: Hans, a merchant.                      Second: Second, a merchant.
"""

from __future__ import annotations

from npc_lab.experiments.speakers import any_of, forms_of
from npc_lab.transcript import Transcript

LABELS = {1: "First", 2: "Second"}


def blind(talk: Transcript) -> Transcript:
    """Return the talk with both speakers' names replaced, before their lines and in them."""
    stands_for = {name: LABELS[seat] for seat in LABELS for name in forms_of(talk.names.get(seat, ""))}
    lines = list(talk)
    if stands_for:
        names = any_of(stands_for)
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
