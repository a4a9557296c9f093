"""A factory with which a learner's arena is tried out. It notes who was asked, what they heard and said.

    factory = PracticeFactory()
    first, second = factory.actor(), factory.actor()      two new characters
    ...                                                   the learner's arena lets them talk
    [call.actor for call in factory.trace]                [first, second, first, ...], if they took turns

Names, lines and thoughts are new in each trial. The NPCs and their memories are the real ones; only the
model is a fake.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from time import sleep  # by name: a learner may replace what stands in `time`
from typing import Any

from npc_lab.endpoints.fake import FakeClient, fake_error
from npc_lab.factory import NPCFactory
from npc_lab.lessons.checking.limits import TooManyCalls
from npc_lab.memory import ChatMessage

MOST_CALLS = 200  # of the model in one trial; the longest talk of a check has 10 turns

_NAMES = ["Adelheid", "Bertram", "Cunegund", "Dagomar", "Edwin", "Frideswide", "Godiva", "Hartwig", "Isolde"]
_NAMES += ["Jocelyn", "Kasimir", "Liutgard", "Mathilda", "Norbert", "Oswin", "Petronilla", "Radegund"]
_NAMES += ["Sigrid", "Theobald", "Ursula", "Volkmar", "Wiltrud", "Ysolde", "Zbigniew"]
_WORDS = ["the lantern", "an old sword", "salt herring", "my brother", "the harbour", "a grey cat", "snow"]
_WORDS += ["three barrels", "the bishop", "a broken wheel", "your letter", "the north wind", "bread", "gold"]
_VERBS = ["hides", "awaits", "remembers", "sells", "fears", "follows", "counts", "praises", "wakes"]


@dataclass
class Actor:
    """A character of the factory."""

    name: str
    npc_id: str


@dataclass
class Call:
    """One call of the model.

    actor: who was asked. heard: the line it answers. sent: what it remembers, as it was sent. said: its
    answer, "" if the reply failed. thought: what it wrote before its answer.
    """

    actor: Actor
    heard: str
    sent: list[ChatMessage]
    said: str = ""
    thought: str = ""


class PracticeFactory(NPCFactory):
    """A factory on a fake model, which notes every call.

    trace: the calls, in order. fails: while it is true, no reply comes. seconds: how long a reply takes.
    planned: the next lines to say; without any, lines are made up. pauses: how many seconds the next replies
    take instead. thinks: whether new characters have scratchpads.
    """

    def __init__(self) -> None:
        super().__init__(FakeClient(self._reply), "practice")
        self.random = random.SystemRandom()
        self.trace: list[Call] = []
        self.fails = False
        self.seconds = 0.0
        self.planned: list[str] = []
        self.pauses: list[float] = []
        self.thinks = False
        self._names = self.random.sample(_NAMES, len(_NAMES))
        self._actors: dict[str, Actor] = {}
        self._asked = 0

    def actor(self) -> Actor:
        """Make a new character."""
        name = self._names.pop()
        npc_id = self.register_npc(
            f"A town called {self.word()}.", f"You are {name}.", 20, self.thinks, name=name
        )
        self._actors[name] = Actor(name, npc_id)
        return self._actors[name]

    def word(self) -> str:
        """Make up a word that is in no other text."""
        return "".join(self.random.choices(string.ascii_lowercase, k=9)).capitalize()

    def line(self) -> str:
        """Make up a line. Its blanks, capitals and line feed must stay as they are."""
        subject, thing = self.random.sample(_WORDS, 2)
        return (
            f"{self.word()}!  So {subject} {self.random.choice(_VERBS)} {thing},\nsays the “{self.word()}”."
        )

    def text_of(self, length: int) -> str:
        """Make up a line of `length` characters, with blanks and line feeds in it."""
        text = (self.line() * (1 + length // 40))[: length - 1].rstrip()
        return text + "." * (length - len(text))

    def name_of(self, npc_id: Any) -> str:
        """Return the character's name, or an unknown id as it is."""
        return next((each.name for each in self._actors.values() if each.npc_id == npc_id), str(npc_id))

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """End an endless loop of calls: a refused reply would only be caught, and asked for again."""
        self._asked += 1
        if self._asked > MOST_CALLS:
            raise TooManyCalls
        return super().chat_with_npc(npc_id, user_id, message)

    def _reply(self, messages: list[ChatMessage]) -> str | Exception:
        system = messages[0]["content"]
        actor = next(each for each in self._actors.values() if f"Your name is {each.name}." in system)
        call = Call(actor, messages[-1]["content"], messages[1:-1])
        self.trace.append(call)
        sleep(self.pauses.pop(0) if self.pauses else self.seconds)
        if self.fails:
            return fake_error("server")
        call.said = self.planned.pop(0) if self.planned else self.line()
        if not self.npcs[actor.npc_id].config.has_scratchpad:
            return call.said
        call.thought = f"I keep {self.word()} to myself."
        return f"#SCRATCHPAD\n{call.thought}\n#ANSWER\n{call.said}"
