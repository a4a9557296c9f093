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
from collections import deque
from dataclasses import dataclass
from time import perf_counter, sleep  # by name: a learner may replace what stands in `time`
from typing import Any, ClassVar

from npc_lab.endpoints.fake import FakeClient, fake_error
from npc_lab.factory import NPCFactory
from npc_lab.lessons.checking.learners_code import show
from npc_lab.lessons.checking.limits import TooManyCalls
from npc_lab.memory import ChatMessage
from npc_lab.npc import SimpleChatNPC

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

    actor: who was asked. heard: the line it answers. sent: what it remembers, as it was sent. user_id: as
    whom it was asked. said: its answer, "" if the reply failed. thought: what it wrote before its answer.
    begun, ended: when it was asked and when its reply came, in seconds of `perf_counter`.
    """

    actor: Actor
    heard: str
    sent: list[ChatMessage]
    user_id: str
    said: str = ""
    thought: str = ""
    begun: float = 0.0
    ended: float = 0.0


class Player(SimpleChatNPC):
    """A character that notes as whom it is asked: each request makes a preview of what is sent."""

    asked_as = ""

    def preview(self, user_message: str, user_id: str) -> list[ChatMessage]:
        """Return what is sent, and note the user."""
        self.asked_as = user_id
        return super().preview(user_message, user_id)


class Mumbler(Player):
    """A character whose lines begin and end with blanks."""

    def chat(self, user_message: str, user_id: str) -> str:
        """Return its answer between blanks."""
        return self.between_blanks(super().chat(user_message, user_id))

    @staticmethod
    def between_blanks(line: str) -> str:
        """Return the line as this character says it."""
        return f"  {line} \n"


class PracticeFactory(NPCFactory):
    """A factory on a fake model, which notes every call.

    trace: the calls, in order. fails: while it is true, no reply comes. seconds: how long a reply takes.
    planned: the next lines to say; without any, lines are made up. pauses: how many seconds the next replies
    take instead. thinks: whether new characters have scratchpads. kind: the class of new characters. made:
    all lines that the check's factories have made up lately, to tell a line of another talk.
    """

    made: ClassVar[deque[str]] = deque(maxlen=5_000)

    def __init__(self) -> None:
        super().__init__(FakeClient(self._reply), "practice")
        self.random = random.Random()  # its own: a notebook may seed the module's
        self.trace: list[Call] = []
        self.fails = False
        self.seconds = 0.0
        self.planned: list[str] = []
        self.pauses: list[float] = []
        self.thinks = False
        self.kind: type[Player] = Player
        self._names = self.random.sample(_NAMES, len(_NAMES))
        self._actors: dict[str, Actor] = {}
        self._asked = 0

    def actor(self) -> Actor:
        """Make a new character."""
        name = self._names.pop()
        npc_id = self.register_npc(
            f"A town called {self.word()}.",
            f"You are {name}.",
            20,
            self.thinks,
            npc_class=self.kind,
            name=name,
        )
        self._actors[name] = Actor(name, npc_id)
        return self._actors[name]

    def word(self) -> str:
        """Make up a word that is in no other text."""
        return "".join(self.random.choices(string.ascii_lowercase, k=9)).capitalize()

    def line(self) -> str:
        """Make up a line. Its blanks, capitals and line feed must stay as they are."""
        subject, thing = self.random.sample(_WORDS, 2)
        line = (
            f"{self.word()}!  So {subject} {self.random.choice(_VERBS)} {thing},\nsays the “{self.word()}”."
        )
        self.made.append(line)
        return line

    def text_of(self, length: int) -> str:
        """Make up a line of `length` characters, with blanks and line feeds in it."""
        text = (self.line() * (1 + length // 40))[: length - 1].rstrip()
        return text + "." * (length - len(text))

    def name_of(self, npc_id: Any) -> str:
        """Return the character's name, or an unknown id as code."""
        return next((each.name for each in self._actors.values() if each.npc_id == npc_id), show(npc_id, 80))

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        """End an endless loop of calls: a refused reply would only be caught, and asked for again."""
        self._asked += 1
        if self._asked > MOST_CALLS:
            raise TooManyCalls
        calls, begun = len(self.trace), perf_counter()
        try:
            return super().chat_with_npc(npc_id, user_id, message)
        finally:
            if len(self.trace) == calls + 1:  # more exact than within the reply
                self.trace[-1].begun, self.trace[-1].ended = begun, perf_counter()

    def _reply(self, messages: list[ChatMessage]) -> str | Exception:
        system = messages[0]["content"]
        actor = next(each for each in self._actors.values() if f"Your name is {each.name}." in system)
        asked_as = getattr(self.npcs[actor.npc_id], "asked_as", "")
        call = Call(actor, messages[-1]["content"], messages[1:-1], asked_as)
        self.trace.append(call)
        call.begun = perf_counter()
        sleep(self.pauses.pop(0) if self.pauses else self.seconds)
        call.ended = perf_counter()
        if self.fails:
            return fake_error("server")
        call.said = self.planned.pop(0) if self.planned else self.line()
        if not self.npcs[actor.npc_id].config.has_scratchpad:
            return call.said
        call.thought = f"I keep {self.word()} to myself."
        return f"#SCRATCHPAD\n{call.thought}\n#ANSWER\n{call.said}"
