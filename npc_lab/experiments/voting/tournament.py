"""A tournament: each card talks with three hosts, and pairs of cards are voted on.

    tournament = Tournament(entrants.cards)
    results = tournament.experiment.run(client, model, "tournament.db")      30 cards: 360 calls
    write_pairs(path, tournament.pairs(results))                             for the vote
    tournament_page(strengths(ballots), tournament.talks(results), "page.html")

All against all would be 435 pairs of 30 cards. So each meets the same three hosts, in the same scene, which
grows with the number of cards and not with its square; what is compared is how two cards talk with one host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from npc_lab.character import NPCConfig
from npc_lab.experiments.experiment import Experiment
from npc_lab.experiments.results import Results
from npc_lab.experiments.scene import Scene
from npc_lab.experiments.voting.hosts import ABOUT, OPENING, hosts
from npc_lab.experiments.voting.pairs import Entry, Pairs
from npc_lab.experiments.voting.schedule import schedule
from npc_lab.transcript import Transcript

TURNS = 4  # lines of a talk, both together
VOTES = 10  # of each voter: thirty voters then give twenty ballots on each of thirty cards
_ROUNDS = 10  # pairs in which a card stands: each is voted on about twice, so that agreement can be seen


def lines_said(talk: Transcript) -> int:
    """Return how many lines were spoken."""
    return len(talk.spoken)


class Tournament:
    """Cards by their ids. Raise `ExperimentError` for fewer than two, or for a host that nobody knows.

    meets: the names of the hosts whom each card meets; all three if there are none.
    """

    def __init__(self, cards: Mapping[str, NPCConfig], meets: Sequence[str] = ()):
        self._cards = dict(cards)
        self._hosts = hosts(meets)
        self._schedule = schedule(list(cards), min(_ROUNDS, len(cards) - 1)) if len(cards) > 1 else []
        scenes = {
            _scene(name, host): Scene(card, partner, OPENING, TURNS)
            for name, card in self._cards.items()
            for host, partner in self._hosts.items()
        }
        self.experiment = Experiment("tournament", scenes, [lines_said], talks=1)

    @property
    def ids(self) -> list[tuple[str, str]]:
        """All pairs of cards on which somebody may have voted: also before another card was handed in."""
        return list(combinations(self._cards, 2))

    @property
    def pairs_asked(self) -> int:
        """How many pairs are voted on, if no talk is missing."""
        return len(self._schedule)

    def talks(self, results: Results) -> dict[str, list[Transcript]]:
        """Return the talks of each card that are there."""
        found = {name: [results.talks[_scene(name, host)][0] for host in self._hosts] for name in self._cards}
        return {name: [talk for talk in talks if talk is not None] for name, talks in found.items()}

    def pairs(self, results: Results) -> Pairs:
        """Return the pairs for the vote: of each two cards, talks with the same host."""
        names = list(self._hosts)
        entries: list[tuple[Entry, Entry]] = []
        for place, (first, second) in enumerate(self._schedule):
            for turn in range(len(names)):  # another host if a talk with this one is missing
                host = names[(place + turn) % len(names)]
                one, other = results.talks[_scene(first, host)][0], results.talks[_scene(second, host)][0]
                if one is not None and other is not None:
                    entries.append(((first, one), (second, other)))
                    break
        return Pairs(entries, VOTES, ABOUT)


def _scene(name: str, host: str) -> str:
    return f"{name} meets {host}"
