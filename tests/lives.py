"""Processes that talk into one store, and tell of each thing once it is done; until they are killed.

Each reply names the fingerprint of the messages that it answers. So a turn that was lost, doubled or put
into another talk shows in every later reply, too.
"""

import contextlib
import hashlib
import io
import itertools
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

from tqdm import tqdm

from npc_lab import ChatArena, FakeClient, NPCFactory
from npc_lab.endpoints.fake import FakeReply
from npc_lab.memory import ChatMessage
from npc_lab.stops import StopWhen

HISTORY_SIZE = 10
Event = tuple[Any, ...]
WRITER = str(Path("npc_lab", "store", "__init__.py"))


def fingerprint(messages: list[ChatMessage]) -> str:
    return hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:16]


def reply(messages: list[ChatMessage]) -> FakeReply:
    """A reply like no other, that names what it answers; often short, sometimes of many pages."""
    length = random.choices([1, 30, 300, 5000], [8, 8, 3, 1])[0]
    words = f"{uuid4().hex} {fingerprint(messages)}{' word' * length}"
    thought = f"private {uuid4().hex}"
    kind = random.choice(["plain", "marks", "field"])
    if kind == "marks":
        words = f"#SCRATCHPAD\n{thought}\n#ANSWER\n{words}"
    cuts = sorted(random.randrange(len(words)) for _ in range(3))  # a stream comes in four pieces
    pieces = [words[start:end] for start, end in itertools.pairwise([0, *cuts, len(words)])]
    return FakeReply(words, reasoning=thought if kind == "field" else "", pieces=pieces)


class Life:
    """A process's factory and arena on a store. tell: gets each thing that was done, after it was done."""

    def __init__(self, file: Path, tell: Callable[[Event], object]):
        self._tell, self._telling = tell, threading.Lock()
        self.tell("opening")
        self.factory = NPCFactory(FakeClient(reply), "fake", store=file)
        self.arena = ChatArena(self.factory)
        self.tell("opened")

    def tell(self, *event: Any) -> None:
        with self._telling:
            self._tell(event)

    def npc(self, name: str) -> str:
        npc_id = self.factory.register_npc("A city", name, HISTORY_SIZE, has_scratchpad=True, name=name)
        self.tell("npc", npc_id, name, self.factory.npcs[npc_id].get_system_message())
        return npc_id

    def user(self, name: str) -> str:
        user_id = self.factory.register_user(name)
        self.tell("user", user_id)
        return user_id

    def talk(self, npc1_id: str, npc2_id: str) -> str:
        talk_id = self.arena.start_conversation(npc1_id, npc2_id, f"Hello! {uuid4().hex}")
        told = {name: self.arena.conversations[talk_id][name] for name in SEATS}  # type: ignore[literal-required]
        self.tell("talk", talk_id, told, self.arena.conversations[talk_id]["messages"][0].content)
        return talk_id

    def turn(self, talk_id: str) -> None:
        is_done, line = self.arena.run_turn(talk_id)
        assert is_done, line
        self.turn_is_done(talk_id)

    def turn_is_done(self, talk_id: str) -> None:
        talk = self.arena.conversations[talk_id]
        line = talk["messages"][-1]
        partner = talk["npc2_user_id" if line.seat == 1 else "npc1_user_id"]
        exchange = self.factory.get_npc_chat_history(line.sender, partner)[-2:]
        self.tell("turn", talk_id, line.sender, line.seat, line.content, exchange)

    def run(self, talk_id: str, turns: int) -> None:
        self.arena.run_conversation(talk_id, turns, on_turn=lambda _: self.turn_is_done(talk_id))

    def run_many(self, talk_ids: Iterable[str], turns: int) -> None:
        """As in `run_conversations`, several at once. What is asked after each turn tells of it."""
        opened_with = {self.arena.conversations[each]["messages"][0].content: each for each in talk_ids}

        def tell(messages: Any) -> bool:
            self.turn_is_done(opened_with[messages[0].content])
            return False

        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            self.arena.run_conversations(opened_with.values(), turns, stop=StopWhen(tell, "told"))

    def direct(self, talk_id: str) -> None:
        line = f"Direct {uuid4().hex}"
        self.tell("directing", talk_id, line)
        self.arena.direct(talk_id, line)
        self.tell("directed", talk_id)

    def say(self, npc_id: str, user_id: str) -> None:
        """Ask, half of the time with a stream that is read to its end."""
        question = f"Ask {uuid4().hex}"
        self.tell("asking", npc_id, user_id, question)
        if random.random() < 0.5:
            stream = self.factory.stream_with_npc(npc_id, user_id, question)
            answer, exchange = "".join(stream), stream.exchange
        else:
            answer = self.factory.chat_with_npc(npc_id, user_id, question)
            exchange = self.factory.get_npc_chat_history(npc_id, user_id)[-2:]
        self.tell("asked", npc_id, user_id, answer, exchange)

    def say_as_one_of_many(self, npc_id: str, user_id: str) -> None:
        """Others ask this NPC as this user at the same time. Only a stream knows its own exchange."""
        stream = self.factory.stream_with_npc(npc_id, user_id, f"Ask {uuid4().hex}")
        self.tell("shared", npc_id, user_id, "".join(stream), stream.exchange)

    def take_back(self, npc_id: str, user_id: str, keep: bool = False) -> None:
        """Take the last exchange back; keep: and give it back."""
        npc = self.factory.npcs[npc_id]
        if not npc.remembered(user_id):
            return
        self.tell("taking", npc_id, user_id)
        exchange = npc.take_back(user_id)
        self.tell("taken", npc_id, user_id, npc.remembered(user_id))
        if keep:
            self.tell("giving", npc_id, user_id, exchange)
            npc.give_back(user_id, exchange)
            self.tell("given", npc_id, user_id, npc.remembered(user_id))


SEATS = ("npc1_id", "npc2_id", "npc1_user_id", "npc2_user_id")


# What a life does until it is killed. Each gets the life, its two NPCs, its user and its talks.


def arena(life: Life, npcs: list[str], user_id: str, talks: list[str]) -> None:
    while True:
        life.run(random.choice(talks), random.randrange(1, 12))


def single_turns(life: Life, npcs: list[str], user_id: str, talks: list[str]) -> None:
    while True:
        talk_id = random.choice(talks)
        if random.random() < 0.2:
            life.direct(talk_id)
        life.turn(talk_id)
        if random.random() < 0.2:
            life.arena.evaluate_conversation(talk_id)


def threads(life: Life, npcs: list[str], user_id: str, talks: list[str]) -> None:
    while True:
        life.run_many(talks, random.randrange(5, 50))


def streams(life: Life, npcs: list[str], user_id: str, talks: list[str]) -> None:
    while True:
        life.say(random.choice(npcs), user_id)


def everything(life: Life, npcs: list[str], user_id: str, talks: list[str]) -> None:
    while True:
        life.turn(random.choice(talks))
        life.say(random.choice(npcs), user_id)
        if random.random() < 0.2:
            life.take_back(random.choice(npcs), user_id, keep=random.random() < 0.5)
        if random.random() < 0.02:
            life.turn(life.talk(npcs[0], npcs[1]))


def take_backs(life: Life, npcs: list[str], user_id: str, talks: list[str]) -> None:
    while True:
        npc_id = random.choice(npcs)
        for _ in range(random.randrange(1, 5)):
            life.say(npc_id, user_id)
        for _ in range(random.randrange(1, 4)):
            life.take_back(npc_id, user_id, keep=random.random() < 0.3)


def beginnings(life: Life, npcs: list[str], user_id: str, talks: list[str]) -> None:
    while True:
        someone = life.npc(f"Somebody {uuid4().hex}")
        life.user(f"Someone {uuid4().hex}")
        life.turn(life.talk(someone, random.choice([someone, *npcs])))


KINDS = {
    each.__name__: each
    for each in (arena, single_turns, threads, streams, take_backs, beginnings, everything)
}


def settle(life: Life, name: str = "") -> tuple[list[str], str, list[str]]:
    """The same two NPCs and the same user in every life, as in a notebook that is run again; and talks."""
    npcs = [life.npc(f"Knight {name}"), life.npc(f"Merchant {name}")]
    user_id = life.user(f"Visitor {name}")
    talks = [each for each in life.arena.conversations if life.arena.conversations[each]["npc1_id"] in npcs]
    for npc1_id, npc2_id in [npcs, npcs[::-1], npcs[:1] * 2][len(talks) :]:
        talks.append(life.talk(npc1_id, npc2_id))
    return npcs, user_id, talks[:3]


def live(
    file: Path,
    kind: str,
    seed: float,
    report: Connection,
    name: str = "",
    seconds: float = 0.0,
    lines: int = 0,
) -> None:
    """The whole of a child process. It ends by being killed, or when its seconds or its lines are over."""
    random.seed(seed)
    if lines:
        die_after(lines)
    tqdm.set_lock(threading.RLock())  # else it has one for many processes, which outlives a killed one
    complaints = io.StringIO()
    deadline = time.monotonic() + seconds

    def tell(event: Event) -> None:
        report.send(event)
        if seconds and time.monotonic() > deadline and event[0] in ("turn", "asked"):
            raise TimeoutError

    with contextlib.redirect_stderr(complaints):
        life = Life(file, tell)
        with contextlib.suppress(TimeoutError):
            KINDS[kind](life, *settle(life, name))
    store = life.factory.store
    assert store
    life.tell("ended", store.problem, complaints.getvalue())


def die_after(lines: int) -> None:
    """Die within a fraction of a millisecond after so many lines of the code that writes.

    No gap between two statements is too short for that. SIGALRM ends a process that does not expect it
    as SIGKILL does: nothing of it runs any more.
    """
    left = itertools.count(lines, -1)

    def look_at(frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(WRITER):
            return None
        if event == "line" and next(left) == 0:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + random.random() ** 2 * 3e-4)
            threading.settrace(None)  # type: ignore[arg-type]
            sys.settrace(None)
        return look_at

    threading.settrace(look_at)
    sys.settrace(look_at)
