"""Right arenas in sixteen styles, and one slip each in sixty copies of them.

A slip is a change of a style's text, as a learner's hand makes it:

    Slip("Closures", "heard = lines[-1].content", "heard = lines[0].content", "turn", "last line")

`wrong_arena(slip)` runs this file's own text with that change, and returns the class or function so named.
"""

import linecache
import re
import uuid
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from itertools import count, cycle, pairwise
from pathlib import Path
from time import perf_counter
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

from npc_lab import Message
from npc_lab.errors import ConversationNotFoundError, NPCNotFoundInArenaError, ReplyError

OPENING = "Hello! Who are you?"


class Guests:
    """Registering, for the styles that are about something else."""

    def __init__(self, npc_factory):
        self.npc_factory = npc_factory
        self.guests = {}
        self.conversations = {}

    def register_npc_in_arena(self, npc_id):
        if npc_id not in self.npc_factory.npcs:
            raise NPCNotFoundInArenaError(npc_id)
        if npc_id not in self.guests:
            self.guests[npc_id] = self.npc_factory.register_user(f"guest {npc_id}")
        return self.guests[npc_id]


class Rest(Guests):
    """Running, reading and measuring, for the styles that are about something else."""

    def _talk(self, conversation_id):
        if conversation_id not in self.conversations:
            raise ConversationNotFoundError(conversation_id)
        return self.conversations[conversation_id]

    def run_conversation(self, conversation_id, max_turns=10, verbose=False):
        self._talk(conversation_id)
        for number in range(max_turns):
            succeeded, words = self.run_turn(conversation_id)
            if not succeeded:
                break
            if verbose:
                print(f"{number + 1}. {self._talk(conversation_id)['messages'][-1].sender}: {words}")
        return self.get_conversation_history(conversation_id)

    def get_conversation_history(self, conversation_id):
        return list(self._talk(conversation_id)["messages"])

    def evaluate_conversation(self, conversation_id):
        lines = [each for each in self.get_conversation_history(conversation_id) if each.sender != "system"]
        number = len(lines) or 1
        metrics = {
            "turn_count": len(lines),
            "avg_response_length": sum(len(line.content) for line in lines) / number,
            "avg_response_time": sum(line.seconds for line in lines) / number,
        }
        self._keep(conversation_id, metrics)
        return metrics

    def _keep(self, conversation_id, metrics):
        self._talk(conversation_id)["metrics"] = metrics


class Plain(Rest):
    """As the lesson writes it: a dict for each talk."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        npc1_user_id = self.register_npc_in_arena(npc1_id)
        npc2_user_id = self.register_npc_in_arena(npc2_id)
        conversation_id = str(uuid.uuid4())
        self.conversations[conversation_id] = {
            "npc1_id": npc1_id,
            "npc2_id": npc2_id,
            "npc1_user_id": npc1_user_id,
            "npc2_user_id": npc2_user_id,
            "messages": [],
            "current_turn": npc1_id,
            "metrics": {},
        }
        if initial_prompt:
            opening = Message("system", initial_prompt, datetime.now())
            self.conversations[conversation_id]["messages"].append(opening)
        return conversation_id

    def run_turn(self, conversation_id):
        talk = self._talk(conversation_id)
        messages = talk["messages"]
        if talk["current_turn"] == talk["npc1_id"]:
            speaker, partner, user_id = talk["npc1_id"], talk["npc2_id"], talk["npc2_user_id"]
        else:
            speaker, partner, user_id = talk["npc2_id"], talk["npc1_id"], talk["npc1_user_id"]
        heard = messages[-1].content if messages else OPENING
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(speaker, user_id, heard)
        except ReplyError as error:
            return False, str(error)
        messages.append(Message(speaker, line, datetime.now(), seconds=perf_counter() - begun))
        talk["current_turn"] = partner
        return True, line


@dataclass
class TalkData:
    """A talk as a dataclass, that answers keys."""

    npc1_id: str
    npc2_id: str
    npc1_user_id: str
    npc2_user_id: str
    current_turn: str
    messages: list = field(default_factory=list)
    metrics: dict = field(default_factory=dict)

    def __getitem__(self, key):
        return getattr(self, key)

    def __setitem__(self, key, value):
        setattr(self, key, value)


class Dataclasses(Rest):
    """A dataclass for each talk."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        users = [self.register_npc_in_arena(each) for each in (npc1_id, npc2_id)]
        talk = TalkData(npc1_id, npc2_id, *users, current_turn=npc1_id)
        if initial_prompt:
            talk.messages.append(Message("system", initial_prompt, datetime.now()))
        self.conversations[id(talk)] = talk
        return id(talk)

    def run_turn(self, conversation_id):
        talk = self._talk(conversation_id)
        is_first = talk.current_turn == talk.npc1_id
        user_id = talk.npc2_user_id if is_first else talk.npc1_user_id
        heard = talk.messages[-1].content if talk.messages else OPENING
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(talk.current_turn, user_id, heard)
        except ReplyError as error:
            return False, str(error)
        seconds = perf_counter() - begun
        talk.messages.append(Message(talk.current_turn, line, datetime.now(), seconds=seconds))
        talk.current_turn = talk.npc2_id if is_first else talk.npc1_id
        return True, line


class TalkSlots:
    __slots__ = ("current_turn", "messages", "metrics", "npc1_id", "npc1_user_id", "npc2_id", "npc2_user_id")

    def __getitem__(self, key):
        return getattr(self, key)

    __setitem__ = object.__setattr__


class Slots(Rest):
    """Slots in place of a dict."""

    __slots__ = ("conversations", "guests", "npc_factory")

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        talk = TalkSlots()
        talk.npc1_id, talk.npc2_id, talk.current_turn = npc1_id, npc2_id, npc1_id
        talk.npc1_user_id = self.register_npc_in_arena(npc1_id)
        talk.npc2_user_id = self.register_npc_in_arena(npc2_id)
        talk.messages, talk.metrics = [], {}
        if initial_prompt:
            talk.messages += [Message("system", initial_prompt, datetime.now())]
        name = f"talk {len(self.conversations) + 1}"
        self.conversations[name] = talk
        return name

    def run_turn(self, conversation_id):
        talk = self._talk(conversation_id)
        seats = [(talk.npc1_id, talk.npc2_user_id), (talk.npc2_id, talk.npc1_user_id)]
        if talk.current_turn != talk.npc1_id:
            seats.reverse()
        (speaker, user_id), (partner, _) = seats
        heard = talk.messages[-1].content if talk.messages else OPENING
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(npc_id=speaker, user_id=user_id, message=heard)
        except ReplyError as error:
            return False, f"No reply: {error}"
        talk.messages += [Message(speaker, line, datetime.now(), seconds=perf_counter() - begun)]
        talk.current_turn = partner
        return True, line


def Closures(npc_factory):  # noqa: N802 (called like a class)
    """No class at all: functions that share what stands around them."""
    guests, conversations = {}, {}

    def register_npc_in_arena(npc_id):
        if npc_id not in npc_factory.npcs:
            raise NPCNotFoundInArenaError(npc_id)
        return guests.get(npc_id) or guests.setdefault(npc_id, npc_factory.register_user("closure"))

    def start_conversation(npc1_id, npc2_id, initial_prompt=OPENING):
        users = [register_npc_in_arena(npc1_id), register_npc_in_arena(npc2_id)]
        keys = ("npc1_id", "npc2_id", "npc1_user_id", "npc2_user_id", "current_turn")
        talk = dict(zip(keys, (npc1_id, npc2_id, *users, npc1_id), strict=True))
        opening = [Message("system", initial_prompt, datetime.now())] if initial_prompt else []
        conversations[uuid.uuid4().hex] = talk | {"messages": opening, "metrics": {}}
        return list(conversations)[-1]

    def find(conversation_id):
        try:
            return conversations[conversation_id]
        except KeyError:
            raise ConversationNotFoundError(conversation_id) from None

    def run_turn(conversation_id):
        talk = find(conversation_id)
        lines, is_first = talk["messages"], talk["current_turn"] == talk["npc1_id"]
        user_id = talk["npc2_user_id"] if is_first else talk["npc1_user_id"]
        heard = OPENING
        if lines:
            heard = lines[-1].content
        begun = perf_counter()
        try:
            said = npc_factory.chat_with_npc(talk["current_turn"], user_id, heard)
        except ReplyError as problem:
            return False, str(problem)
        lines.append(Message(talk["current_turn"], said, datetime.now(), seconds=perf_counter() - begun))
        talk["current_turn"] = talk["npc2_id"] if is_first else talk["npc1_id"]
        return True, said

    def run_conversation(conversation_id, max_turns=10, verbose=False):
        find(conversation_id)
        for turn in range(1, max_turns + 1):
            speaker = find(conversation_id)["current_turn"]
            fine, words = run_turn(conversation_id)
            if not fine:
                break
            if verbose:
                print("Turn", turn, "-", speaker, "says", words)
        return get_conversation_history(conversation_id)

    def get_conversation_history(conversation_id):
        return tuple(find(conversation_id)["messages"])

    def evaluate_conversation(conversation_id):
        lines = [each for each in find(conversation_id)["messages"] if each.sender != "system"]
        mean = (lambda numbers: sum(numbers) / len(lines)) if lines else (lambda numbers: 0.0)
        find(conversation_id)["metrics"] = {
            "turn_count": len(lines),
            "avg_response_length": mean(len(each.content) for each in lines),
            "avg_response_time": mean(each.seconds for each in lines),
        }
        return find(conversation_id)["metrics"]

    return SimpleNamespace(
        conversations=conversations,
        register_npc_in_arena=register_npc_in_arena,
        start_conversation=start_conversation,
        run_turn=run_turn,
        run_conversation=run_conversation,
        get_conversation_history=get_conversation_history,
        evaluate_conversation=evaluate_conversation,
    )


class Properties(Rest):
    """`conversations` is a property: new dicts each time, out of tables for each thing."""

    def __init__(self, npc_factory):
        self.npc_factory, self.guests = npc_factory, {}
        self._pairs, self._lines, self._metrics = {}, {}, {}

    @property
    def conversations(self):
        return {
            key: {
                "npc1_id": pair[0],
                "npc2_id": pair[1],
                "npc1_user_id": self.guests[pair[0]],
                "npc2_user_id": self.guests[pair[1]],
                "messages": list(self._lines[key]),
                "current_turn": self._next(key),
                "metrics": self._metrics[key],
            }
            for key, pair in self._pairs.items()
        }

    def _next(self, key):
        return self._pairs[key][sum(line.sender != "system" for line in self._lines[key]) % 2]

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        self.register_npc_in_arena(npc1_id), self.register_npc_in_arena(npc2_id)
        key = str(uuid.uuid4())
        self._pairs[key], self._metrics[key] = (npc1_id, npc2_id), {}
        self._lines[key] = [Message("system", initial_prompt, datetime.now())] if initial_prompt else []
        return key

    def run_turn(self, conversation_id):
        self._talk(conversation_id)
        speaker, lines = self._next(conversation_id), self._lines[conversation_id]
        (partner,) = {*self._pairs[conversation_id]} - {speaker} or {speaker}
        heard = lines[-1].content if lines else OPENING
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(speaker, self.guests[partner], heard)
        except ReplyError as error:
            return False, str(error)
        lines.append(Message(speaker, line, datetime.now(), seconds=perf_counter() - begun))
        return True, line

    def _keep(self, conversation_id, metrics):
        self._metrics[conversation_id] = metrics


@dataclass(frozen=True)
class Record:
    """A talk that never changes: each turn makes a new one."""

    npc1_id: str
    npc2_id: str
    npc1_user_id: str
    npc2_user_id: str
    current_turn: str
    messages: tuple = ()
    metrics: Any = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, key):
        return getattr(self, key)


class FrozenRecords(Rest):
    """Frozen records, replaced at each turn."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        users = self.register_npc_in_arena(npc1_id), self.register_npc_in_arena(npc2_id)
        opening = (Message("system", initial_prompt, datetime.now()),) if initial_prompt else ()
        key = uuid.uuid4()
        self.conversations[key] = Record(npc1_id, npc2_id, *users, npc1_id, opening)
        return key

    def run_turn(self, conversation_id):
        old = self._talk(conversation_id)
        heard = old.messages[-1].content if old.messages else OPENING
        first = (old.npc1_id, old.npc2_user_id, old.npc2_id)
        second = (old.npc2_id, old.npc1_user_id, old.npc1_id)
        speaker, user_id, after = first if old.current_turn == old.npc1_id else second
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(speaker, user_id, heard)
        except ReplyError as error:
            return False, str(error)
        new = Message(speaker, line, datetime.now(), seconds=perf_counter() - begun)
        self.conversations[conversation_id] = replace(old, messages=(*old.messages, new), current_turn=after)
        return True, line

    def _keep(self, conversation_id, metrics, **more):
        self.conversations[conversation_id] = replace(self._talk(conversation_id), metrics=metrics, **more)


class Lazy(dict):
    """A talk whose users are made when they are asked for."""

    def __missing__(self, key):
        self[key] = self["make_user"](self[key.replace("_user", "")])
        return self[key]


class IdsWhenAskedFor(Plain):
    """Users exist from the moment that somebody asks for them, and not before."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        conversation_id = super().start_conversation(npc1_id, npc2_id, initial_prompt)
        talk = self.conversations[conversation_id]
        del talk["npc1_user_id"], talk["npc2_user_id"]
        self.conversations[conversation_id] = Lazy(talk, make_user=self.npc_factory.register_user)
        return conversation_id


class Seat(NamedTuple):
    npc_id: str
    user_id: str


class RotatingSeats(Rest):
    """A deque of seats: whoever stands in front speaks next."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        seats = [Seat(each, self.register_npc_in_arena(each)) for each in (npc1_id, npc2_id)]
        key = " & ".join([npc1_id, npc2_id, str(len(self.conversations))])
        talk = {f"npc{number}_id": seat.npc_id for number, seat in enumerate(seats, 1)}
        talk |= {f"npc{number}_user_id": seat.user_id for number, seat in enumerate(seats, 1)}
        talk |= {"messages": deque(), "current_turn": npc1_id, "metrics": {}, "seats": deque(seats)}
        if initial_prompt:
            talk["messages"].append(Message("system", initial_prompt, datetime.now()))
        self.conversations[key] = talk
        return key

    def run_turn(self, conversation_id):
        talk = self._talk(conversation_id)
        me, you = talk["seats"]
        heard = talk["messages"][-1].content if talk["messages"] else OPENING
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(me.npc_id, you.user_id, heard)
        except Exception as error:
            return False, repr(error)
        talk["messages"].append(Message(me.npc_id, line, datetime.now(), seconds=perf_counter() - begun))
        talk["seats"].rotate()
        talk["current_turn"] = talk["seats"][0].npc_id
        return True, line


class EventLog(Rest):
    """One log of all that has happened; everything else is read out of it."""

    def __init__(self, npc_factory):
        self.npc_factory, self.guests, self.log = npc_factory, {}, []

    @property
    def conversations(self):
        return {event["talk"]: Logged(self.log, event) for event in self.log if "pair" in event}

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        users = [self.register_npc_in_arena(each) for each in (npc1_id, npc2_id)]
        talk = len(self.log)
        self.log.append({"talk": talk, "pair": (npc1_id, npc2_id), "users": users, "metrics": {}})
        if initial_prompt:
            self.log.append({"talk": talk, "line": Message("system", initial_prompt, datetime.now())})
        return talk

    def run_turn(self, conversation_id):
        talk = self._talk(conversation_id)
        seat = talk.seat()
        heard = talk["messages"][-1].content if talk["messages"] else OPENING
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(talk["current_turn"], talk.start["users"][1 - seat], heard)
        except ReplyError as error:
            return False, str(error)
        message = Message(talk["current_turn"], line, datetime.now(), seconds=perf_counter() - begun)
        self.log.append({"talk": conversation_id, "line": message})
        return True, line

    def _keep(self, conversation_id, metrics):
        self._talk(conversation_id).start["metrics"] = metrics


class Logged(Mapping):
    """A talk, as the log tells it."""

    def __init__(self, log, start):
        self.log, self.start = log, start

    def seat(self):
        return sum(each.sender != "system" for each in self["messages"]) % 2

    def __getitem__(self, key):
        match key:
            case "npc1_id" | "npc2_id":
                return self.start["pair"][int(key[3]) - 1]
            case "npc1_user_id" | "npc2_user_id":
                return self.start["users"][int(key[3]) - 1]
            case "messages":
                talk = self.start["talk"]
                return [event["line"] for event in self.log if event["talk"] == talk and "line" in event]
            case "current_turn":
                return self.start["pair"][self.seat()]
        return self.start[key]

    def __iter__(self):
        return iter(("npc1_id", "npc2_id", "npc1_user_id", "npc2_user_id", "messages", "current_turn"))

    def __len__(self):
        return 6


class Delegates:
    """Hands everything on to another object."""

    def __init__(self, npc_factory):
        self.inner = Plain(npc_factory)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Cycles(Rest):
    """An endless cycle of seats for each talk, turned on when a line has come."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        one, two = map(self.register_npc_in_arena, (npc1_id, npc2_id))
        key = next(self.__dict__.setdefault("numbers", count(1)))
        turns = cycle([(npc1_id, two), (npc2_id, one)])
        self.conversations[key] = talk = {
            "npc1_id": npc1_id,
            "npc2_id": npc2_id,
            "npc1_user_id": one,
            "npc2_user_id": two,
            "messages": [Message("system", initial_prompt, datetime.now())] if initial_prompt else [],
            "metrics": {},
            "turns": turns,
            "now": next(turns),
        }
        talk["current_turn"] = talk["now"][0]
        return key

    def run_turn(self, conversation_id):
        talk = self._talk(conversation_id)
        speaker, user_id = talk["now"]
        heard = talk["messages"][-1].content if talk["messages"] else OPENING
        begun = perf_counter()
        try:
            line = self.npc_factory.chat_with_npc(speaker, user_id, heard)
        except ReplyError as error:
            return (False, str(error))
        talk["messages"].append(Message(speaker, line, datetime.now(), seconds=perf_counter() - begun))
        talk["now"] = next(talk["turns"])
        talk["current_turn"] = talk["now"][0]
        return (True, line)


class Threads(Plain):
    """Asks in another thread."""

    def run_turn(self, conversation_id):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(super().run_turn, conversation_id).result()


class OwnUsersForEachTalk(Plain):
    """Each talk has two users of its own: its memory begins afresh."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        conversation_id = super().start_conversation(npc1_id, npc2_id, initial_prompt)
        talk = self.conversations[conversation_id]
        for seat in (1, 2):
            guest = talk[f"npc{seat}_user_id"]
            talk[f"npc{seat}_user_id"] = self.npc_factory.register_user(f"{guest} in {conversation_id}")
        return conversation_id


class Streams(Plain):
    """Puts its lines together out of pieces, and prints in a layout of its own."""

    def __init__(self, npc_factory):
        super().__init__(npc_factory)
        self.npc_factory = SimpleNamespace(
            npcs=npc_factory.npcs,
            register_user=npc_factory.register_user,
            chat_with_npc=lambda *ids: "".join(npc_factory.stream_with_npc(*ids)),
        )


class WithAnOption(Plain):
    """Its `__init__` takes more than the factory."""

    def __init__(self, npc_factory, *, title):
        super().__init__(npc_factory)
        self.title = title


Partial = partial(WithAnOption, title="An arena")


class GapsBetweenLines(Plain):
    """Measures the time from line to line, as the original course does."""

    def evaluate_conversation(self, conversation_id):
        metrics = super().evaluate_conversation(conversation_id)
        times = [
            each.timestamp for each in self._talk(conversation_id)["messages"] if each.sender != "system"
        ]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
        metrics["avg_response_time"] = sum(gaps) / len(gaps) if gaps else 0
        return metrics


RIGHT = [
    "Plain", "Dataclasses", "Slots", "Closures", "Properties", "FrozenRecords", "IdsWhenAskedFor",
    "RotatingSeats", "EventLog", "Delegates", "Cycles", "Threads", "OwnUsersForEachTalk", "Streams",
    "Partial", "GapsBetweenLines",
]  # fmt: skip


class WithoutKeys(Plain):
    """Works, but its talks are objects without keys: one step is wrong, and every other one is judged."""

    def start_conversation(self, npc1_id, npc2_id, initial_prompt=OPENING):
        conversation_id = super().start_conversation(npc1_id, npc2_id, initial_prompt)
        self.hidden = self.__dict__.get("hidden", {})
        self.hidden[conversation_id] = self.conversations[conversation_id]
        self.conversations[conversation_id] = object()
        return conversation_id

    def _talk(self, conversation_id):
        super()._talk(conversation_id)
        return self.hidden[conversation_id]


class Slip(NamedTuple):
    """`part`: where the check should name it. `words`: a pattern of its first line."""

    style: str
    old: str
    new: str
    part: str
    words: str


SLIPS = [
    # registering
    Slip("Guests", "if npc_id not in self.guests:", "if True:", "register", "again gives the same user"),
    Slip("Guests", "return self.guests[npc_id]", "self.guests[npc_id]", "register", "gives None.*is a user"),
    Slip(
        "Guests",
        "return self.guests[npc_id]",
        "print(self.guests[npc_id])",
        "register",
        "gives None.*is a user",
    ),
    Slip("Guests", "return self.guests[npc_id]", "return npc_id", "register", "the NPC's own id.*is a user"),
    Slip("Guests", "raise NPCNotFoundInArenaError(npc_id)", "return None", "register", "unknown NPC is not"),
    Slip(
        "Guests",
        "raise NPCNotFoundInArenaError(npc_id)",
        "raise KeyError(npc_id)",
        "register",
        "unknown NPC is not",
    ),
    Slip(
        "Guests",
        "def register_npc_in_arena(self, npc_id):",
        "def register_npc_in_arena(npc_id):",
        "register",
        "takes 1 positional.*2 were given",
    ),
    Slip("Guests", "self.guests = {}", "guests = {}", "register", "AttributeError.*guests"),
    Slip(
        "Guests",
        "self.npc_factory.register_user(f",
        "self.npc_factory.registeruser(f",
        "register",
        "no attribute 'registeruser'",
    ),
    Slip(
        "Guests",
        "def register_npc_in_arena(self, npc_id):",
        "async def register_npc_in_arena(self, npc_id):",
        "register",
        "async def",
    ),
    # starting
    Slip("Plain", "return conversation_id", "conversation_id", "start", "gives None, and no id"),
    Slip(
        "Plain", "return conversation_id", "return self.conversations[conversation_id]", "start", "and no id"
    ),
    Slip("Plain", "return conversation_id", "return npc1_user_id", "start", "no key of arena.conversations"),
    Slip(
        "Plain",
        '"current_turn": npc1_id',
        '"current_turn": npc2_id',
        "start",
        "NPC 1 speaks first: at the start, current_turn",
    ),
    Slip("Plain", '"current_turn": npc1_id', '"current_turn": 1', "start", "current_turn is 1"),
    Slip(
        "Plain",
        '"npc1_user_id": npc1_user_id',
        '"npc1_user_id": npc2_user_id',
        "start",
        "not mixed up",
    ),
    Slip("Plain", '            "metrics": {},\n', "", "start", 'no key "metrics"'),
    Slip(
        "Plain",
        '"messages": [],',
        '"messages": self.__dict__.setdefault("lines", []),',
        "start",
        "Both talks have one list",
    ),
    Slip(
        "Plain",
        '"npc1_id": npc1_id,\n            "npc2_id": npc2_id',
        '"npc1_id": npc2_id,\n            "npc2_id": npc1_id',
        "start",
        'Under "npc1_id" stands',
    ),
    Slip(
        "Plain",
        'Message("system", initial_prompt',
        'Message("user", initial_prompt',
        "start",
        "sender 'user'.*opening line is recorded",
    ),
    Slip(
        "Plain",
        "        if initial_prompt:\n",
        "        if True:\n",
        "start",
        "empty opening line records nothing",
    ),
    Slip(
        "Plain",
        "initial_prompt=OPENING):",
        "initial_prompt):",
        "start",
        "missing 1 required.*Without an opening",
    ),
    Slip(
        "Plain",
        "initial_prompt=OPENING):",
        'initial_prompt="Hi"):',
        "start",
        "Without an opening line, it is",
    ),
    Slip("Plain", "str(uuid.uuid4())", 'f"{npc1_id}-{npc2_id}"', "start", "same id.*two conversations"),
    Slip(
        "Plain",
        "self.conversations[conversation_id] = {",
        "self.conversations.clear()\n        self.conversations[conversation_id] = {",
        "start",
        "first conversation is gone",
    ),
    Slip(
        "Plain", 'Message("system", initial_prompt, datetime.now())', "initial_prompt", "start", "recorded as"
    ),
    Slip(
        "Slots",
        "talk.npc1_user_id = self.register_npc_in_arena(npc1_id)",
        "talk.npc1_user_id = self.register_npc_in_arena(npc1_id).append(1)",
        "start",
        "no attribute 'append'",
    ),
    Slip(
        "Dataclasses",
        "TalkData(npc1_id, npc2_id, *users",
        "TalkData(npc1_id, npc2_id, *reversed(users)",
        "start",
        "not mixed up",
    ),
    Slip(
        "RotatingSeats",
        "seat.user_id for number, seat in enumerate(seats, 1)",
        "seat.user_id for number, seat in enumerate(reversed(seats), 1)",
        "start",
        "not mixed up",
    ),
    # a turn
    Slip(
        "Plain",
        "heard = messages[-1].content if",
        "heard = messages[-1].content.strip() if",
        "turn",
        "blanks around the line are cut off.*opening line",
    ),
    Slip(
        "Plain",
        "heard = messages[-1].content if",
        "heard = messages[0].content if",
        "turn",
        "hears the opening line once more",
    ),
    Slip(
        "Plain",
        "heard = messages[-1].content if",
        "heard = messages[-1].content.lower() if",
        "turn",
        "Capital letters are changed",
    ),
    Slip(
        "FrozenRecords",
        "heard = old.messages[-1].content if",
        'heard = " ".join(old.messages[-1].content.split()) if',
        "turn",
        "blanks and line breaks",
    ),
    Slip(
        "Dataclasses",
        "heard = talk.messages[-1].content if",
        'heard = f"{talk.messages[-1].sender}: {talk.messages[-1].content}" if',
        "turn",
        "More than the line itself",
    ),
    Slip(
        "Closures",
        "heard = lines[-1].content",
        "heard = lines[-1].content[:500]",
        "turn",
        "Only a part of the line",
    ),
    Slip(
        "Slots",
        "heard = talk.messages[-1].content if",
        "heard = talk.messages[-2 if len(talk.messages) > 1 else -1].content if",
        "turn",
        "last line, word for word",
    ),
    Slip("Plain", '        talk["current_turn"] = partner\n', "", "turn", "The two speak in turn"),
    Slip(
        "Plain",
        'talk["npc1_id"], talk["npc2_id"], talk["npc2_user_id"]',
        'talk["npc1_id"], talk["npc2_id"], talk["npc1_user_id"]',
        "turn",
        "user that .* itself.*partner's user",
    ),
    Slip(
        "Cycles",
        "[(npc1_id, two), (npc2_id, one)]",
        "[(npc1_id, one), (npc2_id, two)]",
        "turn",
        "partner's user",
    ),
    Slip(
        "RotatingSeats",
        "chat_with_npc(me.npc_id, you.user_id, heard)",
        "chat_with_npc(you.npc_id, me.user_id, heard)",
        "turn",
        "NPC 1 speaks first",
    ),
    Slip("Plain", "        return True, line", "        return line", "turn", "not two values"),
    Slip("Plain", "        return True, line", "        return line, True", "turn", "and not True"),
    Slip("Plain", "        return True, line", "        print(line)", "turn", "run_turn gives None"),
    Slip("Plain", "        return True, line", "        yield True, line", "turn", "yields"),
    Slip("Plain", "    def run_turn(self", "    async def run_turn(self", "turn", "async def"),
    Slip(
        "Plain",
        "        except ReplyError as error:\n            return False, str(error)",
        "        except KeyError as error:\n            return False, str(error)",
        "turn",
        "failed reply gives False",
    ),
    Slip(
        "Plain",
        "            return False, str(error)",
        "            return True, str(error)",
        "turn",
        "gives True, though no reply",
    ),
    Slip(
        "Plain",
        "            return False, str(error)",
        "            return False, None",
        "turn",
        "reason is missing",
    ),
    Slip(
        "FrozenRecords",
        "return False, str(error)",
        "self._keep(conversation_id, {}, current_turn=after)\n            return False, str(error)",
        "turn",
        "goes to the other one",
    ),
    Slip(
        "Plain",
        "Message(speaker, line, datetime.now()",
        "Message(user_id, line, datetime.now()",
        "turn",
        "has the sender.*recorded once",
    ),
    Slip(
        "EventLog",
        'self.log.append({"talk": conversation_id, "line": message})',
        'self.log.extend([{"talk": conversation_id, "line": message}] * 2)',
        "turn",
        "speak in turn|recorded once",
    ),
    Slip(
        "Plain",
        "Message(speaker, line, datetime.now()",
        "Message(speaker, line, str(datetime.now())",
        "turn",
        "no datetime.*time at which",
    ),
    Slip(
        "Plain",
        "        begun = perf_counter()\n",
        "        [npc.chat_histories.clear() for npc in self.npc_factory.npcs.values()]\n        begun = 0\n",
        "turn",
        "other people.*stay as they are",
    ),
    Slip(
        "Cycles",
        'talk["current_turn"] = talk["now"][0]\n        return (True, line)',
        "return (True, line)",
        "turn",
        "speaks. So.*current_turn names",
    ),
    # reading, running, measuring
    Slip(
        "Rest",
        'return list(self._talk(conversation_id)["messages"])',
        'return list(self._talk(conversation_id)["messages"])[1:]',
        "read",
        "There are 12 messages, and not 13|another text",
    ),
    Slip(
        "Rest",
        "raise ConversationNotFoundError(conversation_id)",
        'return {"messages": []}',
        "read",
        "unknown conversation",
    ),
    Slip("Rest", "range(max_turns)", "range(max_turns - 1)", "run", "exactly max_turns"),
    Slip(
        "Rest", "            if not succeeded:\n                break\n", "", "run", "first reply that fails"
    ),
    Slip(
        "Rest",
        "            if verbose:\n                print(f",
        "            if verbose:\n                display(f",
        "run",
        "display",
    ),
    Slip(
        "Rest",
        "return self.get_conversation_history(conversation_id)",
        "self.get_conversation_history(conversation_id)",
        "run",
        "gives None, and no list",
    ),
    Slip("Rest", '"turn_count": len(lines)', '"turn_count": len(lines) // 2', "measure", "turn_count counts"),
    Slip(
        "Rest",
        "sum(line.seconds for line in lines) / number",
        "sum(line.seconds for line in lines) / (number + 1)",
        "measure",
        "mean time",
    ),
    Slip(
        "GapsBetweenLines",
        "sum(gaps) / len(gaps) if gaps",
        "sum(gaps) / (len(gaps) + 1) if gaps",
        "measure",
        "mean time",
    ),
    Slip(
        "Rest",
        "number = len(lines) or 1",
        "number = len(lines)",
        "measure",
        "ZeroDivisionError.*without lines",
    ),
    Slip(
        "Rest",
        "sum(len(line.content) for line in lines) / number",
        "sum(len(line.content) for line in lines) // number",
        "measure",
        "mean number of characters",
    ),
]


TEXT = Path(__file__).read_text(encoding="utf-8").partition("\nRIGHT = [")[0]


@cache
def compiled(start: int, end: int) -> Any:
    """A part of the styles' text, which is the same for many slips."""
    return compile("\n" * TEXT.count("\n", 0, start) + TEXT[start:end], "<styles>", "exec")


def wrong_arena(slip: Slip) -> Any:
    """Return the style's arena with the slip in it."""
    tried = {"Guests": "Plain", "Rest": "Plain"}.get(slip.style, slip.style)
    begin = re.search(rf"(?m)^(?:class|def) {slip.style}\b", TEXT)
    assert begin, slip
    place = TEXT.find(slip.old, begin.start())
    assert place > 0, slip
    start, end = TEXT.rfind("\n\n\n", 0, place), TEXT.find("\n\n\n", place)
    changed = "\n" * TEXT.count("\n", 0, start) + TEXT[start:place] + slip.new
    changed += TEXT[place + len(slip.old) : end]
    names: dict[str, Any] = {"__name__": "a_notebook", "display": lambda *_: None}
    name = f"<{slip.style}, slip {SLIPS.index(slip)}>"
    linecache.cache[name] = (len(changed), None, changed.splitlines(keepends=True), name)  # as Jupyter does
    for code in (compiled(0, start), compile(changed, name, "exec"), compiled(end, len(TEXT))):
        exec(code, names)
    return names[tried]
