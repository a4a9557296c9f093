"""A ballot: which of two is the better one, said by a person or by a judge.

    Ballot(("Wren", "Otto"), ("Otto", "Wren"), "Wren", "mia")   mia saw Otto on the left, and chose Wren

People and judges vote alike, so both are counted by the same functions.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ballot:
    """One answer to "which of these two is better?".

    pair: the two ids. shown: the same two in the order in which they were shown, left first. winner: one of
    them, or None for no difference. voter: a nickname, or a judge's name. margin: the log-odds for the first
    of the pair, where log-probabilities were asked. unscored: why there is no answer (then winner is None,
    and it counts for nothing). flipped: the answer went with the place, not with the talk: no difference.
    """

    pair: tuple[str, str]
    shown: tuple[str, str]
    winner: str | None
    voter: str
    margin: float | None = None
    unscored: str = ""
    flipped: bool = False
