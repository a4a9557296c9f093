"""A theatre in which a learner's arena is tried out: two characters, what they say, and who heard what.

Names, lines and thoughts are made anew for each performance. Everything else is real: the factory, the
NPCs and their memories. Only the model is a fake, which writes down who was asked, and what was said.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from time import sleep  # by name: a learner may replace what stands in `time`
from typing import Any

from npc_lab.endpoints.fake import FakeClient, fake_error
from npc_lab.factory import NPCFactory
from npc_lab.lessons.checking.limits import TooManyCalls
from npc_lab.memory import ChatMessage

MOST_CALLS = 200  # in one performance; the longest talk of a check has 10 turns

_NAMES = ["Adelheid", "Bertram", "Cunegund", "Dagomar", "Edwin", "Frideswide", "Godiva", "Hartwig", "Isolde"]
_NAMES += ["Jocelyn", "Kasimir", "Liutgard", "Mathilda", "Norbert", "Oswin", "Petronilla", "Radegund"]
_NAMES += ["Sigrid", "Theobald", "Ursula", "Volkmar", "Wiltrud", "Ysolde", "Zbigniew"]
_WORDS = ["the lantern", "an old sword", "salt herring", "my brother", "the harbour", "a grey cat", "snow"]
_WORDS += ["three barrels", "the bishop", "a broken wheel", "your letter", "the north wind", "bread", "gold"]
_VERBS = ["hides", "awaits", "remembers", "sells", "fears", "follows", "counts", "praises", "wakes"]


@dataclass
class Actor:
    """A character on this stage."""

    name: str
    npc_id: str
    user_ids: set[str] = field(default_factory=set)


@dataclass
class Heard:
    """One call of the model: who was asked, what it heard, all that was sent, and what it said.

    said is "" where the reply failed. thought is what it wrote before its answer.
    """

    actor: Actor
    heard: str
    sent: list[ChatMessage]
    said: str = ""
    thought: str = ""


class Theatre:
    """A factory on a fake model, which notes every call.

    trace: the calls, in order. fails: while it is true, no reply comes. seconds: how long a reply takes.
    planned: lines to say first, before new ones are made up. pauses: how long the next replies take instead.
    thinks: whether new characters have scratchpads.
    """

    def __init__(self) -> None:
        self.random = random.SystemRandom()
        self.trace: list[Heard] = []
        self.fails = False
        self.seconds = 0.0
        self.planned: list[str] = []
        self.pauses: list[float] = []
        self.thinks = False
        self._names = self.random.sample(_NAMES, len(_NAMES))
        self._actors: dict[str, Actor] = {}
        self.factory = _CountingFactory(FakeClient(self._reply), "stage")

    def actor(self) -> Actor:
        """A new character."""
        name = self._names.pop()
        npc_id = self.factory.register_npc(
            f"A town called {self.word()}.", f"You are {name}.", 20, self.thinks, name=name
        )
        self._actors[name] = Actor(name, npc_id)
        return self._actors[name]

    def word(self) -> str:
        """A word that stands in no text but this one."""
        return "".join(self.random.choices(string.ascii_lowercase, k=9)).capitalize()

    def line(self) -> str:
        """A line that nobody has said, with blanks, capitals and a line feed that must stay as they are."""
        subject, thing = self.random.sample(_WORDS, 2)
        return (
            f"{self.word()}!  So {subject} {self.random.choice(_VERBS)} {thing},\nsays the “{self.word()}”."
        )

    def text_of(self, length: int) -> str:
        """A line of so many characters, with blanks and line feeds in it."""
        text = (self.line() * (1 + length // 40))[: length - 1].rstrip()
        return text + "." * (length - len(text))

    def name_of(self, npc_id: Any) -> str:
        """The character's name, or the id as it is."""
        return next((each.name for each in self._actors.values() if each.npc_id == npc_id), str(npc_id))

    def spoken(self) -> list[Heard]:
        """The calls that brought a reply."""
        return [call for call in self.trace if call.said]

    def _reply(self, messages: list[ChatMessage]) -> str | Exception:
        system = messages[0]["content"]
        actor = next(each for each in self._actors.values() if f"Your name is {each.name}." in system)
        call = Heard(actor, messages[-1]["content"], messages[1:-1])
        self.trace.append(call)
        sleep(self.pauses.pop(0) if self.pauses else self.seconds)
        if self.fails:
            return fake_error("server")
        call.said = self.planned.pop(0) if self.planned else self.line()
        if not self.factory.npcs[actor.npc_id].config.has_scratchpad:
            return call.said
        call.thought = f"I keep {self.word()} to myself."
        return f"#SCRATCHPAD\n{call.thought}\n#ANSWER\n{call.said}"


class _CountingFactory(NPCFactory):
    """Ends a loop that calls it again and again: a refused reply would only be caught and asked for anew."""

    calls = 0

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise TooManyCalls
        return super().chat_with_npc(npc_id, user_id, message)
