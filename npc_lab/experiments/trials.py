"""Trials: the talks of an experiment, one by one, and what the store has of them.

    trials = Trials(question, client, model)
    trials.load(read)         those that the store has, with their lines
    trials[7].left            how many lines are still to be spoken
    trials[7].ended           "turns", "stop", "failed:rate_limit", "interrupted", or "" if it never began

A trial is known by its experiment, scene, number, model and provider. So a changed sheet is another trial,
and the old one stays; an address on this machine, which is another one tomorrow, is no part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from npc_lab.character import NPCConfig
from npc_lab.endpoints.connect import FAKE
from npc_lab.endpoints.providers import PROVIDERS
from npc_lab.experiments.question import Question, hashed
from npc_lab.experiments.scene import Scene
from npc_lab.store import Store
from npc_lab.store.schema import now, number_in, reading, seat_in
from npc_lab.transcript import SCRIPT, Message, Transcript, told_apart
from npc_lab.wire.abilities import ABILITIES
from npc_lab.wire.faults import is_loopback

Read = Callable[..., list[tuple[Any, ...]]]  # a query and its parameters -> rows
ENOUGH = ("turns", "stop")  # kinds of ends after which a talk counts

_TALKS = """
SELECT key, conversation_id, ended, stop_reason FROM trials
JOIN conversations ON conversations.id = conversation_id WHERE experiment = ?
"""
_LINES = """
SELECT conversation_id, sender, content, messages.at, seat, seconds FROM messages
WHERE conversation_id IN (SELECT conversation_id FROM trials WHERE experiment = ?) ORDER BY messages.id
"""
_ASK = """
INSERT INTO experiments (design, name, question, prediction, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (design) DO UPDATE SET question = excluded.question, at = excluded.at, prediction = CASE
    WHEN EXISTS (SELECT 1 FROM looks WHERE looks.design = experiments.design) THEN experiments.prediction
    ELSE excluded.prediction END
"""
_LOOK = """
INSERT INTO looks (design, talks, at, card) VALUES (?, ?, ?, ?)
ON CONFLICT (design, talks) DO UPDATE SET at = excluded.at, card = excluded.card
"""


@dataclass
class Trial:
    """One talk of an experiment.

    name: the scene's. number: from 0. key: what it is known by. talk: its lines so far, None before it began.
    noted: how it ended, as the arena wrote it.
    """

    name: str
    number: int
    scene: Scene
    client: Any
    model: str
    seed: int
    key: str
    conversation_id: str = ""
    talk: Transcript | None = None
    noted: str = ""

    @property
    def ended(self) -> str:
        """How it ended, as a kind; "" if it never began, or a program was killed in the middle of it."""
        return "" if self.talk is None else self.scene.ended(self.talk, self.noted)

    @property
    def is_there(self) -> bool:
        """Whether it was played to its end."""
        return self.ended in ENOUGH

    @property
    def left(self) -> int:
        """How many lines are still to be spoken at most."""
        return 0 if self.is_there else self.scene.turns - self._spoken

    @property
    def calls_left(self) -> int:
        """How many calls it still costs at most."""
        return 0 if self.is_there else self.scene.calls_from(self._spoken)

    @property
    def names(self) -> dict[int, str]:
        """What the two speakers are called."""
        second = self.scene.second.called() if isinstance(self.scene.second, NPCConfig) else SCRIPT
        return told_apart({1: self.scene.first.called() or "NPC 1", 2: second or "NPC 2"})

    @property
    def _spoken(self) -> int:
        return len(self.talk.spoken) if self.talk is not None else 0


class Trials:
    """All trials of a question, number by number, so that pairs are complete early."""

    def __init__(self, question: Question, client: Any, model: str):
        self.question = question
        self.looks: set[int] = set()  # at how many talks somebody looked
        self.first_prediction: str | None = None  # as it was before anybody looked; None: nobody has
        self.asked_before: set[str] = set()  # scenes of another experiment of this name
        players = {
            name: tuple(scene.connection or (client, model)) for name, scene in question.scenes.items()
        }
        contents = {
            name: [scene.content(), players[name][1], provider_of(players[name][0])]
            for name, scene in question.scenes.items()
        }
        self.design = hashed(question.name, contents)
        self._all = [
            Trial(
                name,
                number,
                scene,
                client=players[name][0],
                model=players[name][1],
                seed=question.seed(name, number),
                key=hashed(question.name, name, contents[name], number),
            )
            for number in range(question.talks)
            for name, scene in question.scenes.items()
        ]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, place: int) -> Trial:
        return self._all[place]

    @property
    def done(self) -> int:
        """How many were played to their end."""
        return sum(trial.is_there for trial in self)

    def load(self, read: Read, path: Path) -> None:
        """Take over what the store has. Raise `NPCLabError` if it cannot be read."""
        name = self.question.name
        with reading(path):
            talks = {key: row for key, *row in read(_TALKS, name)}
            lines: dict[str, list[Message]] = {conversation_id: [] for conversation_id, *_ in talks.values()}
            for conversation_id, sender, content, at, seat, seconds in read(_LINES, name):
                time = datetime.fromisoformat(at)
                lines[conversation_id].append(
                    Message(sender, content, time, seat_in(seat), number_in(seconds))
                )
            for trial in self:
                if trial.key in talks:
                    trial.conversation_id, trial.noted, reason = talks[trial.key]
                    trial.talk = Transcript(lines[trial.conversation_id], trial.names, reason)
            looks = read("SELECT talks FROM looks WHERE design = ?", self.design)
            self.looks = {int(talks) for (talks,) in looks}
            for design, question, prediction in read(
                "SELECT design, question, prediction FROM experiments WHERE name = ? ORDER BY at", name
            ):
                if design != self.design:
                    self.asked_before = set(json.loads(question)["scenes"])
                elif self.looks:
                    self.first_prediction = prediction

    def ask(self, store: Store) -> None:
        """Write down what is asked, and the prediction if nobody has looked yet."""
        question = self.question
        content = {
            "scenes": {name: scene.content() for name, scene in question.scenes.items()},
            "measures": list(question.measures),
            "main": question.main,
            "talks": question.talks,
        }
        store.write(_ASK, self.design, question.name, json.dumps(content), question.prediction, now())

    def seat(self, store: Store, trial: Trial, conversation_id: str) -> None:
        """Write down which conversation a trial is."""
        store.write(
            "INSERT OR IGNORE INTO trials (key, experiment, scene, number, conversation_id)"
            " VALUES (?, ?, ?, ?, ?)",
            *(trial.key, self.question.name, trial.name, trial.number, conversation_id),
        )

    def look(self) -> int:
        """Note that somebody looks at the talks that are there. Return how many such numbers there were."""
        if self.done:
            self.looks.add(self.done)
        return len(self.looks)

    def keep_card(self, store: Store, card: str) -> None:
        """Write down what was seen. Without a talk there was nothing to see."""
        if self.done:
            store.write(_LOOK, self.design, self.done, now(), card)


def provider_of(client: Any) -> str:
    """Return where a client's replies come from: a provider's name, "loopback", "fake", or a host."""
    address = str(getattr(client, "base_url", ""))
    if address.startswith(f"{FAKE}:"):
        return FAKE
    if is_loopback(address):
        return "loopback"
    host = urlsplit(address).hostname or type(client).__name__
    known = (name for name, each in PROVIDERS.items() if urlsplit(each.base_url).hostname == host)
    return next(known, host)


def is_embedded(client: Any) -> bool:
    """Whether this is the embedded model, which repeats a talk only if it is asked one by one."""
    return str(getattr(client, "base_url", "")) in ABILITIES


def is_free(client: Any) -> bool:
    """Whether a call costs nothing: of the embedded model and of the fake."""
    return is_embedded(client) or provider_of(client) == FAKE
