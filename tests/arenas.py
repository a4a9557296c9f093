"""Chat arenas as learners write them: right ones in many styles, and wrong ones with one mistake each.

    RIGHT       serve the original exercise; `not_yet` names the stretch behaviours that one lacks
    MISTAKES    are right but for one behaviour; `words` is a pattern that its name in a report fits

Nearly all mistakes, and the smaller variations, build on `PlainArena`: it is cut into small methods for that.
"""

import copy
import sys
import time
import uuid
from collections import UserDict, defaultdict, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count, pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import npc_lab
from npc_lab import ConversationNotFoundError, NPCLabError, NPCNotFoundInArenaError, ReplyError

OPENING = "Hello! Who are you?"
STRETCH = {"memory", "itself", "unknown", "greeting", "kept"}  # what the exercise's stretch steps are about


@dataclass(frozen=True)
class Right:
    """`part`: the part of the check about what is odd here; "" if all of it is in a style of its own."""

    arena: Any
    not_yet: frozenset[str]
    part: str

    @property
    def name(self) -> str:
        return self.arena.__name__


@dataclass(frozen=True)
class Mistake:
    """`kind`: "required", "stretch" (a stretch step finds it), or "either"."""

    arena: Any
    words: str
    kind: str

    @property
    def name(self) -> str:
        return self.arena.__name__


RIGHT: list[Right] = []
MISTAKES: list[Mistake] = []


def right(*not_yet: str, part: str = "") -> Any:
    assert set(not_yet) <= STRETCH

    def add(arena: Any) -> Any:
        RIGHT.append(Right(arena, frozenset(not_yet), part))
        return arena

    return add


def mistake(words: str, kind: str = "required") -> Any:
    def add(arena: Any) -> Any:
        MISTAKES.append(Mistake(arena, words, kind))
        return arena

    return add


@dataclass
class Said:
    """A learner's own message."""

    sender: str
    content: str
    timestamp: datetime


# ---- right, from scratch ----


@right()
class PlainArena:
    """The one that most others vary: a dict for each talk, users of its own for each talk."""

    def __init__(self, npc_factory: Any):
        self.factory = npc_factory
        self.conversations: dict[str, Any] = {}
        self.users: dict[str, str] = {}

    def register_npc_in_arena(self, npc_id: str) -> Any:
        if npc_id not in self.factory.npcs:
            raise NPCNotFoundInArenaError(npc_id)
        if npc_id not in self.users:
            self.users[npc_id] = self.factory.register_user(f"user of {npc_id}")
        return self.users[npc_id]

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        self.register_npc_in_arena(npc1_id)
        self.register_npc_in_arena(npc2_id)
        conversation_id = self.new_id(npc1_id, npc2_id)
        self.conversations[conversation_id] = self.new_talk(npc1_id, npc2_id, initial_prompt)
        return conversation_id

    def run_turn(self, conversation_id: str) -> Any:
        talk = self.find(conversation_id)
        speaker, user_id = self.next_speaker(talk)
        started = time.perf_counter()
        try:
            line = self.ask(speaker, user_id, self.cue(talk))
        except ReplyError as error:
            return self.failed(talk, error)
        talk["seconds"].append(time.perf_counter() - started)
        self.record(talk, speaker, line)
        self.pass_turn(talk)
        return True, line

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        talk = self.find(conversation_id)
        for number in range(1, max_turns + 1):
            succeeded, _ = self.run_turn(conversation_id)
            if not succeeded:
                break
            if verbose:
                self.show(number, talk["messages"][-1])
        return list(talk["messages"])

    def get_conversation_history(self, conversation_id: str) -> Any:
        return list(self.find(conversation_id)["messages"])

    def evaluate_conversation(self, conversation_id: str) -> Any:
        talk = self.find(conversation_id)
        spoken = self.spoken(talk)
        talk["metrics"] = {
            "turn_count": len(spoken),
            "avg_response_length": mean([len(message.content) for message in spoken]),
            "avg_response_time": mean(talk["seconds"]),
        }
        return talk["metrics"]

    def new_id(self, npc1_id: str, npc2_id: str) -> str:
        return str(uuid.uuid4())

    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        user1_id, user2_id = self.new_users(npc1_id, npc2_id)
        return {
            "npc1_id": npc1_id,
            "npc2_id": npc2_id,
            "npc1_user_id": user1_id,
            "npc2_user_id": user2_id,
            "messages": self.opening_messages(opening),
            "current_turn": npc1_id,
            "metrics": {},
            "seat": 1,
            "seconds": [],
        }

    def new_users(self, npc1_id: str, npc2_id: str) -> tuple[str, str]:
        one, two = (self.factory.register_user(f"{each} in a talk") for each in (npc1_id, npc2_id))
        return one, two

    def opening_messages(self, opening: str) -> list[Any]:
        return [self.message("system", opening)] if opening else []

    def message(self, sender: str, content: str) -> Any:
        return npc_lab.Message(sender, content, datetime.now())

    def find(self, conversation_id: str) -> Any:
        if conversation_id not in self.conversations:
            raise ConversationNotFoundError(conversation_id)
        return self.conversations[conversation_id]

    def next_speaker(self, talk: Any) -> tuple[str, str]:
        """Who speaks, and as which user the partner is known to it."""
        if talk["seat"] == 1:
            return talk["npc1_id"], talk["npc2_user_id"]
        return talk["npc2_id"], talk["npc1_user_id"]

    def cue(self, talk: Any) -> str:
        return talk["messages"][-1].content if talk["messages"] else OPENING

    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        return self.factory.chat_with_npc(speaker, user_id, cue)

    def failed(self, talk: Any, error: Exception) -> Any:
        return False, str(error)

    def record(self, talk: Any, speaker: str, line: str) -> None:
        talk["messages"].append(self.message(speaker, line))

    def pass_turn(self, talk: Any) -> None:
        talk["seat"] = 3 - talk["seat"]
        talk["current_turn"] = talk[f"npc{talk['seat']}_id"]

    def show(self, number: int, message: Any) -> None:
        print(f"[Turn {number}] {message.sender}: {message.content}")

    def spoken(self, talk: Any) -> list[Any]:
        return [message for message in talk["messages"] if message.sender != "system"]


def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


@right("memory", "itself", "unknown", "kept")
class LikeTheReference:
    """Each NPC is one user everywhere, time is measured between lines, metrics are given but not kept."""

    def __init__(self, npc_factory: Any):
        self.npc_factory = npc_factory
        self.conversations: dict[str, Any] = {}
        self.npc_user_ids: dict[str, str] = {}

    def register_npc_in_arena(self, npc_id: str) -> str:
        if npc_id not in self.npc_factory.npcs:
            raise NPCNotFoundInArenaError(npc_id)
        if npc_id not in self.npc_user_ids:
            self.npc_user_ids[npc_id] = self.npc_factory.register_user(f"npc_{npc_id}")
        return self.npc_user_ids[npc_id]

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> str:
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
            "metrics": {"turn_count": 0, "avg_response_length": 0, "avg_response_time": 0},
        }
        if initial_prompt:
            self._add(conversation_id, "system", initial_prompt)
        return conversation_id

    def _add(self, conversation_id: str, sender: str, content: str) -> None:
        said = Said(sender=sender, content=content, timestamp=datetime.now())
        self.conversations[conversation_id]["messages"].append(said)

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        try:
            conversation = self.conversations[conversation_id]
            current, other, other_user = conversation["npc1_id"], conversation["npc2_id"], "npc2_user_id"
            if conversation["current_turn"] != current:
                current, other, other_user = other, current, "npc1_user_id"
            heard = conversation["messages"][-1].content if conversation["messages"] else OPENING
            response = self.npc_factory.chat_with_npc(
                npc_id=current, user_id=conversation[other_user], message=heard
            )
            self._add(conversation_id, current, response)
            conversation["current_turn"] = other
            return True, response
        except Exception as error:
            return False, f"Error in turn: {error!s}"

    def run_conversation(
        self, conversation_id: str, max_turns: int = 10, verbose: bool = False
    ) -> list[Said]:
        if conversation_id not in self.conversations:
            raise ConversationNotFoundError(conversation_id)
        for turn in range(max_turns):
            speaker = self.conversations[conversation_id]["current_turn"]
            success, response = self.run_turn(conversation_id)
            if not success:
                print(f"Stopped: {response}")
                break
            if verbose:
                print(f"\nTurn {turn + 1}:\n{speaker}: {response}")
        return self.get_conversation_history(conversation_id)

    def get_conversation_history(self, conversation_id: str) -> list[Said]:
        if conversation_id not in self.conversations:
            raise ConversationNotFoundError(conversation_id)
        return self.conversations[conversation_id]["messages"]

    def evaluate_conversation(self, conversation_id: str) -> dict[str, float]:
        said = [each for each in self.get_conversation_history(conversation_id) if each.sender != "system"]
        gaps = [(later.timestamp - earlier.timestamp).total_seconds() for earlier, later in pairwise(said)]
        return {
            "turn_count": len(said),
            "avg_response_length": sum(len(each.content) for each in said) / len(said) if said else 0,
            "avg_response_time": sum(gaps) / len(gaps) if gaps else 0,
        }


class Talk:
    """A conversation with methods, that answers the keys as well."""

    def __init__(self, factory: Any, ids: tuple[str, str], opening: str):
        self.factory = factory
        self.npc1_id, self.npc2_id = ids
        self.npc1_user_id = factory.register_user("the first one")
        self.npc2_user_id = factory.register_user("the second one")
        self.opening = opening or OPENING
        self.lines: list[tuple[str, str, datetime]] = []
        if opening:
            self.lines.append(("system", opening, datetime.now(UTC)))
        self.durations: list[float] = []
        self.metrics: dict[str, float] = {}

    @property
    def turn(self) -> int:
        return len(self.durations)

    @property
    def current_turn(self) -> str:
        return self.npc1_id if self.turn % 2 == 0 else self.npc2_id

    @property
    def messages(self) -> list[Any]:
        return [SimpleNamespace(sender=s, content=c, timestamp=t) for s, c, t in self.lines]

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def next(self) -> str:
        user_id = self.npc2_user_id if self.turn % 2 == 0 else self.npc1_user_id
        heard = self.lines[-1][1] if self.turn else self.opening
        before = time.monotonic()
        said = self.factory.chat_with_npc(self.current_turn, user_id, heard)
        self.lines.append((self.current_turn, said, datetime.now(UTC)))
        self.durations.append(time.monotonic() - before)
        return said


@right()
class TalkObjects:
    """The talks are objects of a class; their messages are made anew when asked for, times with a zone."""

    def __init__(self, npc_factory: Any):
        self.f = npc_factory
        self.conversations: dict[str, Talk] = {}
        self._ids = (f"talk-{number}" for number in count(1))
        self._users: dict[str, str] = {}

    def __getitem__(self, conversation_id: str) -> Talk:
        try:
            return self.conversations[conversation_id]
        except (KeyError, TypeError):
            raise ConversationNotFoundError(conversation_id) from None

    def register_npc_in_arena(self, npc_id: str) -> str:
        try:
            self.f.npcs[npc_id]
        except KeyError as error:
            raise NPCNotFoundInArenaError(npc_id) from error
        if (user_id := self._users.get(npc_id)) is None:
            user_id = self._users[npc_id] = self.f.register_user(npc_id)
        return user_id

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> str:
        for each in (npc1_id, npc2_id):
            self.register_npc_in_arena(each)
        new = next(self._ids)
        self.conversations[new] = Talk(self.f, (npc1_id, npc2_id), initial_prompt)
        return new

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        talk = self[conversation_id]
        try:
            return True, talk.next()
        except NPCLabError as error:
            return False, f"No reply: {error}"

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        talk, left = self[conversation_id], max_turns
        while left > 0 and self.run_turn(conversation_id)[0]:
            left -= 1
            if verbose:
                sender, words, _ = talk.lines[-1]
                seat = "first" if sender == talk.npc1_id else "second"
                sys.stdout.write(f"{talk.turn:3d} | {seat:8s}| {words}\n")
        return talk.messages

    def get_conversation_history(self, conversation_id: str) -> Any:
        return tuple(self[conversation_id].messages)

    def evaluate_conversation(self, conversation_id: str) -> dict[str, float]:
        talk = self[conversation_id]
        lengths = [len(words) for sender, words, _ in talk.lines if sender != "system"]
        talk.metrics = {
            "turn_count": talk.turn,
            "avg_response_length": sum(lengths) / max(len(lengths), 1),
            "avg_response_time": sum(talk.durations) / max(talk.turn, 1),
        }
        return talk.metrics


class Words(NamedTuple):
    sender: str
    content: str
    timestamp: datetime
    seconds: float = 0.0


class _OwnError(Exception):
    def __init__(self, wanted: Any):
        super().__init__(f"{type(self).__name__}: {wanted}")


# The learner's own classes with the contract's names, as a notebook without imports has them.
OwnNPCNotFound = type("NPCNotFoundInArenaError", (_OwnError,), {})
OwnConversationNotFound = type("ConversationNotFoundError", (_OwnError, KeyError), {})


@right()
@dataclass
class DataclassArena:
    """A dataclass that changes nothing in place: each turn makes a new talk. Errors of its own."""

    npc_factory: Any
    conversations: dict[str, Any] = field(default_factory=dict)
    guests: dict[str, str] = field(default_factory=dict)

    def register_npc_in_arena(self, npc_id: str) -> str:
        if self.npc_factory.npcs.get(npc_id) is None:
            raise OwnNPCNotFound(npc_id)
        if npc_id in self.guests:
            return self.guests[npc_id]
        return self.guests.setdefault(npc_id, self.npc_factory.register_user(npc_id))

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> str:
        known = [self.register_npc_in_arena(npc1_id), self.register_npc_in_arena(npc2_id)]
        key = uuid.uuid4().hex
        seats = [self.npc_factory.register_user(f"{user}@{key}") for user in known]
        opening = (Words("system", initial_prompt, datetime.now()),) if initial_prompt.strip() else ()
        self.conversations[key] = {
            "npc1_id": npc1_id,
            "npc2_id": npc2_id,
            "npc1_user_id": seats[0],
            "npc2_user_id": seats[1],
            "messages": opening,
            "current_turn": npc1_id,
            "metrics": None,
        }
        return key

    def _talk(self, conversation_id: str) -> Any:
        match self.conversations.get(conversation_id):
            case None:
                raise OwnConversationNotFound(conversation_id)
            case talk:
                return talk

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        talk = self._talk(conversation_id)
        said = [each for each in talk["messages"] if each.sender != "system"]
        me, you = (1, 2) if len(said) % 2 == 0 else (2, 1)
        *_, heard = ["", OPENING, *(each.content for each in talk["messages"])]
        start = time.time()
        try:
            line = self.npc_factory.chat_with_npc(
                user_id=talk[f"npc{you}_user_id"], npc_id=talk[f"npc{me}_id"], message=heard
            )
        except Exception as problem:
            return (False, repr(problem))
        new = Words(talk[f"npc{me}_id"], line, datetime.now(), time.time() - start)
        self.conversations[conversation_id] = talk | {
            "messages": (*talk["messages"], new),
            "current_turn": talk[f"npc{you}_id"],
        }
        return (True, line)

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        if max_turns > 0:
            fine, line = self.run_turn(conversation_id)
            if fine:
                if verbose:
                    words = self._talk(conversation_id)["messages"]
                    number = sum(each.sender != "system" for each in words)
                    print(f"#{number} - {self._called(words[-1].sender)} says:\n    {line}")
                return self.run_conversation(conversation_id, max_turns - 1, verbose)
        return self.get_conversation_history(conversation_id)

    def _called(self, npc_id: str) -> str:
        return self.npc_factory.npcs[npc_id].config.character_description[:60]

    def get_conversation_history(self, conversation_id: str) -> Any:
        return copy.deepcopy(self._talk(conversation_id)["messages"])

    def evaluate_conversation(self, conversation_id: str) -> dict[str, float]:
        talk = self._talk(conversation_id)
        said = [each for each in talk["messages"] if each.sender != "system"]
        try:
            length = round(sum(len(each.content) for each in said) / len(said), 2)
            seconds = round(sum(each.seconds for each in said) / len(said), 2)
        except ZeroDivisionError:
            length = seconds = 0.0
        metrics = {"turn_count": len(said), "avg_response_length": length, "avg_response_time": seconds}
        self.conversations[conversation_id] = talk | {"metrics": metrics}
        return metrics


@right()
class Coroutines:
    """Each talk is a generator that goes one turn further each time; the arena only turns the crank."""

    def __init__(self, npc_factory: Any):
        self.npc_factory, self.conversations, self._users, self._cranks = npc_factory, {}, {}, {}

    def register_npc_in_arena(self, npc_id: str) -> str:
        if npc_id not in list(self.npc_factory.npcs):
            raise NPCNotFoundInArenaError(npc_id=npc_id)
        if npc_id not in self._users:
            self._users[npc_id] = self.npc_factory.register_user(username="npc:" + npc_id)
        return self._users[npc_id]

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> str:
        self.register_npc_in_arena(npc1_id), self.register_npc_in_arena(npc2_id)
        talk = {"npc1_id": npc1_id, "npc2_id": npc2_id, "messages": [], "metrics": {}}
        talk["npc1_user_id"] = self.npc_factory.register_user(f"seat 1 of talk {len(self.conversations)}")
        talk["npc2_user_id"] = self.npc_factory.register_user(f"seat 2 of talk {len(self.conversations)}")
        talk["current_turn"] = npc1_id
        if initial_prompt != "":
            talk["messages"].append(npc_lab.Message("system", initial_prompt, datetime.now()))
        conversation_id = f"{npc1_id}/{npc2_id}/{len(self.conversations)}"
        self.conversations[conversation_id] = talk
        self._cranks[conversation_id] = self._turns(talk, initial_prompt or OPENING)
        return conversation_id

    def _turns(self, talk: Any, heard: str) -> Any:
        seats = deque([("npc1_id", "npc2_user_id"), ("npc2_id", "npc1_user_id")])
        while True:
            speaker, partner = seats[0]
            try:
                started = time.perf_counter()
                line = self.npc_factory.chat_with_npc(talk[speaker], talk[partner], heard)
            except ReplyError as error:
                yield False, error.hint
                continue
            seconds = time.perf_counter() - started
            talk["messages"].append(
                npc_lab.Message(talk[speaker], line, datetime.now().astimezone(), seconds=seconds)
            )
            seats.rotate()
            talk["current_turn"] = talk[seats[0][0]]
            heard = line
            yield True, line

    def _known(self, conversation_id: str) -> Any:
        if conversation_id in self.conversations:
            return self.conversations[conversation_id]
        raise ConversationNotFoundError(conversation_id=conversation_id)

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        self._known(conversation_id)
        return next(self._cranks[conversation_id])

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        talk = self._known(conversation_id)
        for turn, (fine, line) in zip(range(max_turns), self._cranks[conversation_id], strict=False):
            if not fine:
                break
            if verbose:
                print(turn + 1, talk["messages"][-1].sender, line, sep="\t")
        return iter(talk["messages"][:])

    def get_conversation_history(self, conversation_id: str) -> Any:
        return (message for message in self._known(conversation_id)["messages"])

    def evaluate_conversation(self, conversation_id: str) -> dict[str, float]:
        lines = [each for each in self._known(conversation_id)["messages"] if each.sender != "system"]
        turns = len(lines)
        metrics = {"turn_count": turns, "avg_response_length": 0.0, "avg_response_time": 0.0}
        for line in lines:
            metrics["avg_response_length"] += len(line.content) / turns
            metrics["avg_response_time"] += line.seconds / turns
        self.conversations[conversation_id]["metrics"].update(metrics)
        return metrics


@right("itself")
class WrittenOverManyCells:
    """Functions that are attached to the class afterwards, as in the lesson; a learner's first steps."""

    def __init__(self, npc_factory):
        self.npc_factory = npc_factory
        self.conversations = {}
        self.users = {}


def register_npc_in_arena(self, npc_id):
    if npc_id not in self.npc_factory.npcs:
        raise NPCNotFoundInArenaError(npc_id)
    if npc_id in self.users:
        return self.users[npc_id]
    user_id = self.npc_factory.register_user("arena_" + npc_id)
    self.users[npc_id] = user_id
    return user_id


def start_conversation(self, npc1_id, npc2_id, initial_prompt="Hello! Who are you?"):
    self.register_npc_in_arena(npc1_id)
    self.register_npc_in_arena(npc2_id)
    conversation_id = "conversation " + str(len(self.conversations) + 1)
    conversation = {}
    conversation["npc1_id"] = npc1_id
    conversation["npc2_id"] = npc2_id
    conversation["npc1_user_id"] = self.npc_factory.register_user(npc1_id + " of " + conversation_id)
    conversation["npc2_user_id"] = self.npc_factory.register_user(npc2_id + " of " + conversation_id)
    conversation["messages"] = []
    conversation["current_turn"] = npc1_id
    conversation["metrics"] = {}
    conversation["times"] = []
    if initial_prompt != "":
        conversation["messages"].append(npc_lab.Message("system", initial_prompt, datetime.now()))
    self.conversations[conversation_id] = conversation
    return conversation_id


def run_turn(self, conversation_id):
    if conversation_id not in self.conversations:
        raise ConversationNotFoundError(conversation_id)
    conversation = self.conversations[conversation_id]
    if len(conversation["messages"]) == 0:
        last_line = "Hello! Who are you?"
    else:
        last_line = conversation["messages"][-1].content
    if conversation["current_turn"] == conversation["npc1_id"]:
        speaker = conversation["npc1_id"]
        partner = conversation["npc2_id"]
        partner_user = conversation["npc2_user_id"]
    else:
        speaker = conversation["npc2_id"]
        partner = conversation["npc1_id"]
        partner_user = conversation["npc1_user_id"]
    before = datetime.now()
    try:
        answer = self.npc_factory.chat_with_npc(speaker, partner_user, last_line)
    except Exception as e:
        return False, "Something went wrong: " + str(e)
    after = datetime.now()
    conversation["times"].append((after - before).total_seconds())
    conversation["messages"].append(npc_lab.Message(speaker, answer, after))
    conversation["current_turn"] = partner
    return True, answer


def run_conversation(self, conversation_id, max_turns=10, verbose=False):
    if conversation_id not in self.conversations:
        raise ConversationNotFoundError(conversation_id)
    i = 0
    while i < max_turns:
        speaker = self.conversations[conversation_id]["current_turn"]
        ok, answer = self.run_turn(conversation_id)
        if ok == False:  # noqa: E712 (as learners write it)
            return self.conversations[conversation_id]["messages"]
        i = i + 1
        if verbose == True:  # noqa: E712
            print("Turn", i)
            print(speaker)
            print(answer)
            print()
    return self.conversations[conversation_id]["messages"]


def get_conversation_history(self, conversation_id):
    if conversation_id in self.conversations:
        return self.conversations[conversation_id]["messages"]
    raise ConversationNotFoundError(conversation_id)


def evaluate_conversation(self, conversation_id):
    if conversation_id not in self.conversations:
        raise ConversationNotFoundError(conversation_id)
    total_length = 0
    turns = 0
    for message in self.conversations[conversation_id]["messages"]:
        if message.sender == "system":
            continue
        turns += 1
        total_length += len(message.content)
    metrics = {"turn_count": turns, "avg_response_length": 0, "avg_response_time": 0}
    if turns > 0:
        metrics["avg_response_length"] = total_length / turns
        metrics["avg_response_time"] = sum(self.conversations[conversation_id]["times"]) / turns
    self.conversations[conversation_id]["metrics"] = metrics
    return metrics


METHODS = {  # in the order in which the lesson asks for them
    "register_npc_in_arena": register_npc_in_arena,
    "start_conversation": start_conversation,
    "run_turn": run_turn,
    "run_conversation": run_conversation,
    "get_conversation_history": get_conversation_history,
    "evaluate_conversation": evaluate_conversation,
}
for _name, _method in METHODS.items():
    setattr(WrittenOverManyCells, _name, _method)


# ---- right, variations ----


@right("memory", "itself", part="turn")
class SharedUsers(PlainArena):
    """Each NPC is the same user in all of its talks."""

    def new_users(self, npc1_id: str, npc2_id: str) -> tuple[str, str]:
        return self.register_npc_in_arena(npc1_id), self.register_npc_in_arena(npc2_id)


@right("itself", part="turn")
class OneUserForATalk(PlainArena):
    """In one talk both NPCs know the other as the same user: they have memories of their own anyway."""

    def new_users(self, npc1_id: str, npc2_id: str) -> tuple[str, str]:
        user_id = self.factory.register_user("talk")
        return user_id, user_id


@right(part="start")
class MustRegisterFirst(PlainArena):
    """Only NPCs that were registered in the arena may talk in it."""

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        for npc_id in (npc1_id, npc2_id):
            if npc_id not in self.users:
                raise NPCNotFoundInArenaError(npc_id)
        return super().start_conversation(npc1_id, npc2_id, initial_prompt)


class BuildsOnOurs(npc_lab.ChatArena):
    """A subclass of the package's own arena, with its own turn-taking loop and one metric more."""

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        for _ in range(max_turns):
            if len(super().run_conversation(conversation_id, 1, verbose)) == 0:
                break
            if self.conversations[conversation_id]["stop_reason"] != "1 turn done":
                break
        return super().get_conversation_history(conversation_id)

    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        words = [len(each.content.split()) for each in self.conversations[conversation_id]["messages"]]
        return metrics | {"longest_line": max(words, default=0), "speakers": "two"}


@right(part="measure")
class MoreMetrics(PlainArena):
    """Further keys in the talk and in the metrics; rounded numbers."""

    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        return super().new_talk(npc1_id, npc2_id, opening) | {"topic": opening, "created": datetime.now()}

    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        return {
            **{name: round(number, 2) for name, number in metrics.items()},
            "questions": sum("?" in each.content for each in self.find(conversation_id)["messages"]),
            "by_speaker": {},
        }


@right(part="measure")
class TimeFromTheOpening(PlainArena):
    """Measures from one line to the next, beginning with the opening. A single line took as long as that."""

    def evaluate_conversation(self, conversation_id: str) -> Any:
        messages = self.find(conversation_id)["messages"]
        gaps = [(b.timestamp - a.timestamp).total_seconds() for a, b in pairwise(messages)]
        metrics = super().evaluate_conversation(conversation_id)
        metrics["avg_response_time"] = mean(gaps)
        return metrics


@right(part="run")
class PrintsTheWholeTalk(PlainArena):
    """Runs first and prints afterwards, in a layout of its own, the opening too."""

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        history = super().run_conversation(conversation_id, max_turns)
        if verbose:
            for number, message in enumerate(history):
                print("=" * 40, f"{number}. {self.called(message.sender)}", message.content, "", sep="\n")
            print(f"The talk {conversation_id} is over.")
        return history

    def called(self, sender: str) -> str:
        return f"{sender[:8]}..."


@right(part="run")
class PrintsNPC1AndNPC2(PlainArena):
    """Speakers are printed as NPC 1 and NPC 2; turns count on when the talk does."""

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        talk = self.find(conversation_id)
        for _ in range(max_turns):
            seat = talk["seat"]
            succeeded, line = self.run_turn(conversation_id)
            if not succeeded:
                print(f"Turn failed: {line}")
                break
            if verbose:
                print(f"NPC {seat} (turn {len(self.spoken(talk))}): {line}\n")
        return talk["messages"]


@right(part="turn")
class KeywordsAndDictLikes(PlainArena):
    """The talk is a UserDict, made-up user names repeat, everything is called by keyword."""

    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        return UserDict(super().new_talk(npc1_id, npc2_id, opening))

    def new_users(self, npc1_id: str, npc2_id: str) -> tuple[str, str]:
        return self.factory.register_user(username="npc"), self.factory.register_user(username="npc")

    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        return self.factory.chat_with_npc(message=cue, user_id=user_id, npc_id=speaker)


@right(part="turn")
class AsksTheNPCItself(PlainArena):
    """Goes to the NPC past the factory."""

    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        return self.factory.npcs[speaker].chat(cue, user_id)


@right(part="read")
class HistoryPieceByPiece(PlainArena):
    """The history is a generator function: it looks the talk up when it is first read."""

    def get_conversation_history(self, conversation_id: str) -> Any:
        yield from self.find(conversation_id)["messages"]


@right(part="run")
class TurnsFromAGenerator(PlainArena):
    """The run takes its turns from a generator, and gives the history as a generator."""

    def turns(self, conversation_id: str, max_turns: int) -> Any:
        while max_turns and self.run_turn(conversation_id)[0]:
            yield self.find(conversation_id)["messages"][-1]
            max_turns -= 1

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        self.find(conversation_id)
        for number, message in enumerate(self.turns(conversation_id, max_turns), start=1):
            if verbose:
                self.show(number, message)
        return (message for message in self.find(conversation_id)["messages"])


@right(part="read")
class DefaultdictNeverAsked(PlainArena):
    """Conversations live in a defaultdict that is never asked for a talk that is not there."""

    def __init__(self, npc_factory: Any):
        super().__init__(npc_factory)
        self.conversations = defaultdict(dict)

    def message(self, sender: str, content: str) -> Any:
        return Said(sender, content, datetime.now(UTC))


@right("unknown", "greeting")
class HidesAndSaysNothing(PlainArena):
    """Unknown talks give (False, reason); an empty opening is sent as it is, and so the first turn fails."""

    def run_turn(self, conversation_id: str) -> Any:
        try:
            return super().run_turn(conversation_id)
        except ConversationNotFoundError as error:
            return False, str(error)

    def cue(self, talk: Any) -> str:
        return talk["messages"][-1].content if talk["messages"] else ""


# ---- mistakes: registering ----


@mistake(r"regist.*user|user.*regist|user of (the|its|your) factory")
class UserIsMadeUp(SharedUsers):
    def register_npc_in_arena(self, npc_id: str) -> Any:
        if npc_id not in self.factory.npcs:
            raise NPCNotFoundInArenaError(npc_id)
        return f"user_{npc_id}"


@mistake(r"two users|user of its own", "either")
class OneUserForAllNPCs(SharedUsers):
    def register_npc_in_arena(self, npc_id: str) -> Any:
        if npc_id not in self.factory.npcs:
            raise NPCNotFoundInArenaError(npc_id)
        if "all" not in self.users:
            self.users["all"] = self.factory.register_user("arena")
        return self.users["all"]


UNKNOWN_NPC = r"unknown NPC|no such NPC|NPC that does not exist"


@mistake(UNKNOWN_NPC)
class RegistersAnUnknownNPC(PlainArena):
    def register_npc_in_arena(self, npc_id: str) -> Any:
        if npc_id not in self.users:
            self.users[npc_id] = self.factory.register_user(f"user of {npc_id}")
        return self.users[npc_id]

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        for npc_id in (npc1_id, npc2_id):
            if npc_id not in self.factory.npcs:
                raise NPCNotFoundInArenaError(npc_id)
        return super().start_conversation(npc1_id, npc2_id, initial_prompt)


# ---- mistakes: starting ----


class StartsWithoutLooking(PlainArena):
    def unchecked(self, npc1_id: str, npc2_id: str, initial_prompt: str) -> Any:
        conversation_id = self.new_id(npc1_id, npc2_id)
        self.conversations[conversation_id] = self.new_talk(npc1_id, npc2_id, initial_prompt)
        return conversation_id


@mistake(UNKNOWN_NPC)
class UnknownFirstNPCStarts(StartsWithoutLooking):
    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        self.register_npc_in_arena(npc2_id)
        return self.unchecked(npc1_id, npc2_id, initial_prompt)


@mistake(UNKNOWN_NPC)
class UnknownSecondNPCStarts(StartsWithoutLooking):
    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        self.register_npc_in_arena(npc1_id)
        return self.unchecked(npc1_id, npc2_id, initial_prompt)


@mistake(UNKNOWN_NPC)
class UnknownNPCAtStartRaisesAnotherError(PlainArena):
    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        try:
            return super().start_conversation(npc1_id, npc2_id, initial_prompt)
        except NPCNotFoundInArenaError as error:
            raise KeyError(npc2_id) from error


@mistake(UNKNOWN_NPC, "either")
class UnknownNPCLeavesAGhostTalk(StartsWithoutLooking):
    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        conversation_id = self.unchecked(npc1_id, npc2_id, initial_prompt)
        self.register_npc_in_arena(npc1_id)
        self.register_npc_in_arena(npc2_id)
        return conversation_id


OWN_ID = r"two (talks|conversations)|id of its own"


@mistake(OWN_ID)
class AlwaysTheSameId(PlainArena):
    def new_id(self, npc1_id: str, npc2_id: str) -> str:
        return "conversation"


@mistake(r"opening.*record|record.*opening")
class OpeningIsNotRecorded(PlainArena):
    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        return super().new_talk(npc1_id, npc2_id, "") | {"opening": opening}

    def cue(self, talk: Any) -> str:
        return super().cue(talk) if talk["messages"] else talk["opening"] or OPENING


@mistake(r"opening.*record|record.*opening")
class OpeningIsSentByTheSecondNPC(PlainArena):
    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        talk = super().new_talk(npc1_id, npc2_id, "")
        if opening:
            talk["messages"].append(self.message(npc2_id, opening))
        return talk | {"skip": len(talk["messages"])}

    def spoken(self, talk: Any) -> list[Any]:
        return talk["messages"][talk["skip"] :]


@mistake(r"empty opening")
class EmptyOpeningRecordsTheDefault(PlainArena):
    def opening_messages(self, opening: str) -> list[Any]:
        return [self.message("system", opening or OPENING)]


@mistake(r"opening.*record|record.*opening")
class OpeningIsChanged(PlainArena):
    def opening_messages(self, opening: str) -> list[Any]:
        return super().opening_messages(opening.lower().strip())


@mistake(r"start|nobody has spoken|may speak|opening.*record")
class StartAlreadySpeaks(PlainArena):
    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        conversation_id = super().start_conversation(npc1_id, npc2_id, initial_prompt)
        self.run_turn(conversation_id)
        return conversation_id


KEYS = r"\bkeys?\b"


class WithoutAKey(PlainArena):
    """The table of talks lacks a key, which the arena keeps elsewhere."""

    missing = ""

    def __init__(self, npc_factory: Any):
        super().__init__(npc_factory)
        self.kept: dict[str, Any] = {}

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        conversation_id = super().start_conversation(npc1_id, npc2_id, initial_prompt)
        self.kept[conversation_id] = self.conversations[conversation_id]
        self.conversations[conversation_id] = {
            key: value for key, value in self.kept[conversation_id].items() if key != self.missing
        }
        return conversation_id

    def find(self, conversation_id: str) -> Any:
        super().find(conversation_id)
        return self.kept[conversation_id]


@mistake(KEYS)
class NoKeyForAUser(WithoutAKey):
    missing = "npc1_user_id"


@mistake(KEYS)
class NoKeyForAnNPC(WithoutAKey):
    missing = "npc2_id"


@mistake(KEYS + "|current_turn")
class NoKeyForTheNextSpeaker(PlainArena):
    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        talk = super().new_talk(npc1_id, npc2_id, opening)
        del talk["current_turn"]
        return talk

    def pass_turn(self, talk: Any) -> None:
        talk["seat"] = 3 - talk["seat"]


@mistake(KEYS + r"|id of a new conversation")
class TalksAreKeptElsewhere(PlainArena):
    def __init__(self, npc_factory: Any):
        super().__init__(npc_factory)
        self.conversations = None  # type: ignore[assignment]
        self.talks: dict[str, Any] = {}

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        self.conversations = self.talks
        try:
            return super().start_conversation(npc1_id, npc2_id, initial_prompt)
        finally:
            self.conversations = {}

    def find(self, conversation_id: str) -> Any:
        if conversation_id not in self.talks:
            raise ConversationNotFoundError(conversation_id)
        return self.talks[conversation_id]


APART = r"two (talks|arenas|conversations)|share"


@mistake(APART)
class AllArenasShareTheirTalks(PlainArena):
    """Class-level dicts: what was said in an arena of yesterday is still there."""

    all_talks: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, npc_factory: Any):
        super().__init__(npc_factory)
        self.conversations = self.all_talks


@mistake(APART)
class OneTurnForTheWholeArena(PlainArena):
    def __init__(self, npc_factory: Any):
        super().__init__(npc_factory)
        self.seat = 1

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = OPENING) -> Any:
        self.seat = 1
        return super().start_conversation(npc1_id, npc2_id, initial_prompt)

    def next_speaker(self, talk: Any) -> tuple[str, str]:
        return super().next_speaker({**talk, "seat": self.seat})

    def pass_turn(self, talk: Any) -> None:
        self.seat = talk["seat"] = 3 - self.seat
        talk["current_turn"] = talk[f"npc{self.seat}_id"]


# ---- mistakes: a turn ----

FIRST = r"NPC 1|begins"


@mistake(FIRST)
class SecondNPCBegins(PlainArena):
    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        return super().new_talk(npc1_id, npc2_id, opening) | {"seat": 2, "current_turn": npc2_id}


ALTERNATE = r"in turn|altern"


@mistake(ALTERNATE)
class EachSpeaksTwice(PlainArena):
    def pass_turn(self, talk: Any) -> None:
        if len(self.spoken(talk)) % 2 == 0:
            super().pass_turn(talk)


@mistake(ALTERNATE)
class AlternatesOnlyOnce(PlainArena):
    def pass_turn(self, talk: Any) -> None:
        if talk["seat"] == 1:
            super().pass_turn(talk)


HEARS = r"\bhears?\b"


@mistake(HEARS)
class OpeningIsNotHeard(PlainArena):
    def cue(self, talk: Any) -> str:
        spoken = self.spoken(talk)
        return spoken[-1].content if spoken else OPENING


@mistake(HEARS)
class HearsTheWholeTalk(PlainArena):
    def cue(self, talk: Any) -> str:
        return "\n".join(message.content for message in talk["messages"]) or OPENING


@mistake(HEARS)
class HearsTheSpeakersName(PlainArena):
    def cue(self, talk: Any) -> str:
        spoken = self.spoken(talk)
        return f"{spoken[-1].sender}: {spoken[-1].content}" if spoken else super().cue(talk)


@mistake(HEARS)
class HearsAnInstructionBeforeIt(PlainArena):
    def cue(self, talk: Any) -> str:
        return f"Please answer in character: {super().cue(talk)}"


@mistake(r"partner.s user")
class SpeaksAsANewUserEachTurn(PlainArena):
    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        return super().ask(speaker, self.factory.register_user("somebody"), cue)


@mistake(r"run_turn|speak")
class ArgumentsInTheWrongOrder(PlainArena):
    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        return self.factory.chat_with_npc(user_id, speaker, cue)


@mistake(r"once|one reply|run_turn gives")
class AsksTwiceForEachTurn(PlainArena):
    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        super().ask(speaker, user_id, cue)
        return super().ask(speaker, user_id, cue)


GIVES = r"run_turn gives"


@mistake(GIVES)
class TurnGivesTrueOnly(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        return super().run_turn(conversation_id)[0]

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        talk = self.find(conversation_id)
        for number in range(1, max_turns + 1):
            succeeded, _ = PlainArena.run_turn(self, conversation_id)
            if not succeeded:
                break
            if verbose:
                self.show(number, talk["messages"][-1])
        return list(talk["messages"])


@mistake(GIVES)
class TurnGivesOne(PlainArena):
    """1 == True, but no True is what the caller is told to expect."""

    def run_turn(self, conversation_id: str) -> Any:
        succeeded, line = super().run_turn(conversation_id)
        return 1 if succeeded else succeeded, line


@mistake(GIVES)
class TurnGivesTheMessage(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        succeeded, line = super().run_turn(conversation_id)
        return succeeded, self.find(conversation_id)["messages"][-1] if succeeded else line


@mistake(GIVES)
class TurnGivesTheCue(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        cue = self.cue(self.find(conversation_id))
        succeeded, line = super().run_turn(conversation_id)
        return succeeded, cue if succeeded else line


# ---- mistakes: a turn that fails ----

FAILS = r"fail"


@mistake(FAILS)
class FailureIsALine(PlainArena):
    def failed(self, talk: Any, error: Exception) -> Any:
        self.record(talk, talk["current_turn"], f"Error: {error}")
        return False, str(error)


@mistake(FAILS)
class FailureIsASystemLine(PlainArena):
    def failed(self, talk: Any, error: Exception) -> Any:
        self.record(talk, "system", f"Error: {error}")
        return False, str(error)


@mistake(FAILS)
class FailureIsSuccess(PlainArena):
    def failed(self, talk: Any, error: Exception) -> Any:
        line = f"Error: {error}"
        self.record(talk, talk["current_turn"], line)
        self.pass_turn(talk)
        return True, line


@mistake(FAILS)
class FailureHasNoReason(PlainArena):
    def failed(self, talk: Any, error: Exception) -> Any:
        return False, ""


@mistake(FAILS)
class FailureGivesNone(PlainArena):
    def failed(self, talk: Any, error: Exception) -> Any:
        return None


@mistake(FAILS)
class FailureLeavesAnEmptyLine(PlainArena):
    """Notes the line before there is one."""

    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        talk = next(each for each in self.conversations.values() if user_id in each.values())
        talk["messages"].append(self.message(speaker, "..."))
        line = super().ask(speaker, user_id, cue)
        talk["messages"].pop()
        return line


@mistake(FAILS)
class NoAlternationAfterAFailure(PlainArena):
    def failed(self, talk: Any, error: Exception) -> Any:
        talk["failed"] = True
        return super().failed(talk, error)

    def pass_turn(self, talk: Any) -> None:
        if "failed" not in talk:
            super().pass_turn(talk)


@mistake(FAILS)
class NeverAgainAfterAFailure(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        if self.find(conversation_id).get("broken"):
            return False, "This talk is broken."
        return super().run_turn(conversation_id)

    def failed(self, talk: Any, error: Exception) -> Any:
        talk["broken"] = True
        return super().failed(talk, error)


@mistake(FAILS)
class RetriesWithoutEnd(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        while True:
            succeeded, line = super().run_turn(conversation_id)
            if succeeded:
                return True, line


# ---- mistakes: what is recorded ----

RECORD = r"record|history"
PRIVATE = r"private|thought"


@mistake(PRIVATE)
class ThoughtsAreRecorded(PlainArena):
    def record(self, talk: Any, speaker: str, line: str) -> None:
        _, user_id = self.next_speaker(talk)
        super().record(talk, speaker, self.factory.get_npc_chat_history(speaker, user_id)[-1]["content"])

    def cue(self, talk: Any) -> str:
        return talk["said"] if "said" in talk else super().cue(talk)

    def pass_turn(self, talk: Any) -> None:
        talk["said"] = talk["messages"][-1].content.rpartition("#ANSWER\n")[2]
        super().pass_turn(talk)


@mistake(PRIVATE)
class ThoughtsArePassedOn(PlainArena):
    """The partner hears what was thought; the record and the answer are clean."""

    def cue(self, talk: Any) -> str:
        return talk["said"] if "said" in talk else super().cue(talk)

    def pass_turn(self, talk: Any) -> None:
        speaker, user_id = self.next_speaker(talk)
        talk["said"] = self.factory.get_npc_chat_history(speaker, user_id)[-1]["content"]
        super().pass_turn(talk)


@mistake(PRIVATE)
class ThoughtsAreGivenOut(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        speaker, user_id = self.next_speaker(self.find(conversation_id))
        succeeded, line = super().run_turn(conversation_id)
        if not succeeded:
            return False, line
        return True, self.factory.get_npc_chat_history(speaker, user_id)[-1]["content"]


SENDER = r"sender|speaker"


@mistake(SENDER)
class SenderIsAName(PlainArena):
    def record(self, talk: Any, speaker: str, line: str) -> None:
        super().record(talk, self.factory.npcs[speaker].config.name or "the knight", line)


@mistake(SENDER)
class SenderIsThePartner(PlainArena):
    def record(self, talk: Any, speaker: str, line: str) -> None:
        super().record(talk, talk[f"npc{3 - talk['seat']}_id"], line)


@mistake(RECORD)
class LinesArePlainStrings(PlainArena):
    def message(self, sender: str, content: str) -> Any:
        return content

    def cue(self, talk: Any) -> str:
        return talk["messages"][-1] if talk["messages"] else OPENING

    def show(self, number: int, message: Any) -> None:
        print(f"[Turn {number}] NPC {2 - number % 2}: {message}")

    def evaluate_conversation(self, conversation_id: str) -> Any:
        talk = self.find(conversation_id)
        lines = talk["messages"][-len(talk["seconds"]) or len(talk["messages"]) :]
        return {
            "turn_count": len(lines),
            "avg_response_length": mean([len(line) for line in lines]),
            "avg_response_time": mean(talk["seconds"]),
        }


@mistake(RECORD)
class LinesAreDicts(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        super().run_conversation(conversation_id, max_turns, verbose)
        return self.get_conversation_history(conversation_id)

    def get_conversation_history(self, conversation_id: str) -> Any:
        return [asdict(message) for message in self.find(conversation_id)["messages"]]


@mistake(RECORD)
class NothingIsRecorded(PlainArena):
    def record(self, talk: Any, speaker: str, line: str) -> None:
        talk["said"] = line

    def cue(self, talk: Any) -> str:
        return talk.get("said") or super().cue(talk)

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        for _ in range(max_turns):
            if not self.run_turn(conversation_id)[0]:
                break
        return self.get_conversation_history(conversation_id)


@mistake(RECORD)
class LinesAreRecordedShortened(PlainArena):
    def record(self, talk: Any, speaker: str, line: str) -> None:
        super().record(talk, speaker, line[:20])
        talk["said"] = line

    def cue(self, talk: Any) -> str:
        return talk.get("said") or super().cue(talk)


@mistake(RECORD)
class TheCueIsRecorded(PlainArena):
    def record(self, talk: Any, speaker: str, line: str) -> None:
        super().record(talk, speaker, self.cue(talk))
        talk["said"] = line

    def cue(self, talk: Any) -> str:
        return talk.get("said") or super().cue(talk)


TIMESTAMP = r"time at which|timestamp"


@mistake(TIMESTAMP)
class TimestampIsANumber(PlainArena):
    def message(self, sender: str, content: str) -> Any:
        return npc_lab.Message(sender, content, time.time())  # type: ignore[arg-type]


@mistake(TIMESTAMP)
class TimestampIsNone(PlainArena):
    def message(self, sender: str, content: str) -> Any:
        return npc_lab.Message(sender, content, None)  # type: ignore[arg-type]


@mistake(TIMESTAMP)
class TimestampIsAlwaysTheSame(PlainArena):
    """A default that was computed once, when the function was defined."""

    def message(self, sender: str, content: str, now: datetime = datetime.now()) -> Any:  # noqa: B008
        return npc_lab.Message(sender, content, now)


# ---- mistakes: running a talk ----

COUNT = r"max_turns"


class RunsAnotherNumber(PlainArena):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        return max_turns

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        turns = self.number_of_turns(self.find(conversation_id), max_turns)
        return super().run_conversation(conversation_id, turns, verbose)


@mistake(COUNT)
class OneTurnTooMany(RunsAnotherNumber):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        return max_turns + 1


@mistake(COUNT)
class TheOpeningCountsAsATurn(RunsAnotherNumber):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        return max_turns - (len(talk["messages"]) == 1)


@mistake(COUNT)
class BothSpeakInATurn(RunsAnotherNumber):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        return 2 * max_turns


@mistake(COUNT)
class AlwaysTenTurns(RunsAnotherNumber):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        return 10


@mistake(r"max_turns=0")
class NoTurnsMeansTen(RunsAnotherNumber):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        return max_turns or 10


CONTINUES = r"second run|contin|go(es)? on"


@mistake(CONTINUES)
class CountsFromTheBeginning(RunsAnotherNumber):
    """Runs until there are `max_turns` lines in all, so a second run adds none."""

    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        return max_turns - len(self.spoken(talk))


@mistake(CONTINUES)
class RunsForgetWhatWasSaid(RunsAnotherNumber):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        if self.spoken(talk):
            talk["messages"] = talk["messages"][:1]
        return max_turns


@mistake(CONTINUES)
class RunsBeginWithTheFirstAgain(RunsAnotherNumber):
    def number_of_turns(self, talk: Any, max_turns: int) -> int:
        talk["seat"], talk["current_turn"] = 1, talk["npc1_id"]
        return max_turns


STOPS = r"run ends"


@mistake(STOPS)
class TriesForEverAfterAFailure(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        talk, done = self.find(conversation_id), 0
        while done < max_turns:
            succeeded, _ = self.run_turn(conversation_id)
            done += succeeded
            if succeeded and verbose:
                self.show(done, talk["messages"][-1])
        return list(talk["messages"])


@mistake(STOPS)
class RunRaisesAtAFailure(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        talk = self.find(conversation_id)
        for number in range(1, max_turns + 1):
            succeeded, line = self.run_turn(conversation_id)
            if not succeeded:
                raise RuntimeError(line)
            if verbose:
                self.show(number, talk["messages"][-1])
        return list(talk["messages"])


@mistake(STOPS)
class FailureGivesNothingBack(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        before = len(self.find(conversation_id)["messages"])
        history = super().run_conversation(conversation_id, max_turns, verbose)
        return history if len(history) == before + max_turns else []


WHOLE = r"whole"


@mistake(WHOLE)
class RunGivesTheId(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        super().run_conversation(conversation_id, max_turns, verbose)
        return conversation_id


@mistake(WHOLE)
class RunGivesOnlyNewLines(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        before = len(self.find(conversation_id)["messages"])
        return super().run_conversation(conversation_id, max_turns, verbose)[before:]


@mistake(r"without max_turns|default")
class AnotherDefaultNumberOfTurns(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 5, verbose: bool = False) -> Any:
        return super().run_conversation(conversation_id, max_turns, verbose)


@mistake(COUNT)
class TurnsHaveAnotherName(PlainArena):
    def run_conversation(self, conversation_id: str, turns: int = 10, verbose: bool = False) -> Any:
        return super().run_conversation(conversation_id, turns, verbose)


PRINTS = r"print"


@mistake(PRINTS)
class VerbosePrintsNothing(PlainArena):
    def show(self, number: int, message: Any) -> None:
        pass


@mistake(PRINTS)
class AlwaysPrints(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        return super().run_conversation(conversation_id, max_turns, True)


@mistake(PRINTS)
class PrintsWithoutASpeaker(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"[Turn {number}] {message.content}")


@mistake(PRINTS)
class PrintsWithoutATurnNumber(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"{message.sender}: {message.content}")


@mistake(PRINTS)
class PrintsWithoutTheLine(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"[Turn {number}] {message.sender}")


@mistake(PRINTS)
class PrintsOneNumberForAll(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"[Turn 1] {message.sender}: {message.content}")


@mistake(PRINTS)
class PrintsAllTheTime(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        print("debug " * 100_000)
        return super().run_turn(conversation_id)


# ---- mistakes: the history ----

HISTORY = r"history"


@mistake(HISTORY)
class HistoryIsReversed(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        return self.find(conversation_id)["messages"][::-1]


@mistake(HISTORY)
class HistoryOfTheLastTenLines(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        return self.find(conversation_id)["messages"][-10:]


@mistake(HISTORY)
class HistoryOfTheFirstNPC(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        talk = self.find(conversation_id)
        return self.factory.get_npc_chat_history(talk["npc1_id"], talk["npc2_user_id"])


@mistake(HISTORY)
class HistoryIsText(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        return "\n".join(f"{each.sender}: {each.content}" for each in self.find(conversation_id)["messages"])


UNKNOWN_TALK = r"unknown conversation|no such conversation"


@mistake(UNKNOWN_TALK)
class UnknownTalkIsCreated(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        return self.conversations.setdefault(conversation_id, {"messages": []})["messages"]


@mistake(UNKNOWN_TALK)
class UnknownTalkLeavesAGhost(PlainArena):
    """It raises as it should, after it has made an entry."""

    def __init__(self, npc_factory: Any):
        super().__init__(npc_factory)
        self.conversations = defaultdict(dict)

    def get_conversation_history(self, conversation_id: str) -> Any:
        if not self.conversations[conversation_id]:
            raise ConversationNotFoundError(conversation_id)
        return super().get_conversation_history(conversation_id)


@mistake(UNKNOWN_TALK)
class UnknownTalkRaisesKeyError(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        return list(self.conversations[conversation_id]["messages"])


@mistake("No run of an unknown")
class UnknownTalkRunsToNothing(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        known = conversation_id in self.conversations
        return super().run_conversation(conversation_id, max_turns, verbose) if known else []


@mistake("No metrics of an unknown")
class UnknownTalkIsMeasured(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        if conversation_id not in self.conversations:
            return {"turn_count": 0, "avg_response_length": 0.0, "avg_response_time": 0.0}
        return super().evaluate_conversation(conversation_id)


# ---- mistakes: metrics ----


class Measures(PlainArena):
    """Changes one of the three numbers."""

    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics

    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        talk = self.find(conversation_id)
        talk["metrics"] = self.change(talk, dict(metrics))
        return talk["metrics"]


TURN_COUNT = r"turn_count"
LENGTH = r"avg_response_length"
SECONDS = r"avg_response_time"
METRICS = r"turn_count|avg_response|three numbers"


@mistake(TURN_COUNT)
class OpeningIsCounted(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics | {"turn_count": len(talk["messages"])}


@mistake(LENGTH)
class WordsAreCounted(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        words = [len(message.content.split()) for message in self.spoken(talk)]
        return metrics | {"avg_response_length": mean(words)}


@mistake(LENGTH)
class LengthIsTheTotal(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        total = sum(len(message.content) for message in self.spoken(talk))
        return metrics | {"avg_response_length": total}


@mistake(LENGTH)
class LengthOfTheOpeningCounts(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics | {"avg_response_length": mean([len(message.content) for message in talk["messages"]])}


@mistake(LENGTH)
class LengthOfTheFirstNPCOnly(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        own = [len(each.content) for each in self.spoken(talk) if each.sender == talk["npc1_id"]]
        return metrics | {"avg_response_length": mean(own)}


@mistake(LENGTH)
class LengthWithItsThoughts(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        raw = self.factory.get_npc_chat_history(talk["npc1_id"], talk["npc2_user_id"])
        raw += self.factory.get_npc_chat_history(talk["npc2_id"], talk["npc1_user_id"])
        lengths = [len(each["content"]) for each in raw if each["role"] == "assistant"]
        return metrics | {"avg_response_length": mean(lengths)}


@mistake(SECONDS)
class TimeInMilliseconds(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics | {"avg_response_time": 1000 * metrics["avg_response_time"]}


@mistake(SECONDS)
class TimeIsAlwaysZero(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics | {"avg_response_time": 0.0}


@mistake(SECONDS)
class TimeIsTheTotal(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics | {"avg_response_time": sum(talk["seconds"])}


@mistake(METRICS)
class TimeIsText(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics | {"avg_response_time": f"{metrics['avg_response_time']:.2f}"}


@mistake(SECONDS)
class TimeIsNegative(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics | {"avg_response_time": -metrics["avg_response_time"]}


EMPTY = r"without lines|empty talk|zeros"


@mistake(EMPTY)
class EmptyTalkGivesNone(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return {name: number or None for name, number in metrics.items()}


@mistake(EMPTY)
class EmptyTalkGivesNoNumbers(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return metrics if self.spoken(talk) else {}


@mistake(METRICS)
class MetricsAreNotGiven(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        super().evaluate_conversation(conversation_id)


@mistake(METRICS)
class AMetricHasAnotherName(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return {("average_length" if "length" in key else key): metrics[key] for key in metrics}


@mistake(METRICS)
class AMetricIsMissing(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        del metrics["avg_response_time"]
        return metrics


@mistake(METRICS)
class MetricsAreATuple(Measures):
    def change(self, talk: Any, metrics: Any) -> Any:
        return tuple(metrics.values())


@mistake(METRICS)
class MeasuredTwiceIsCountedTwice(Measures):
    """Adds to the numbers of the time before."""

    def evaluate_conversation(self, conversation_id: str) -> Any:
        talk = self.find(conversation_id)
        earlier = dict(talk["metrics"])
        metrics = super().evaluate_conversation(conversation_id)
        metrics["turn_count"] += earlier.get("turn_count", 0)
        return metrics


@mistake(METRICS)
class MeasuredOnceIsNeverMeasuredAgain(Measures):
    """Gives the numbers of the first time, however long the talk has become."""

    def evaluate_conversation(self, conversation_id: str) -> Any:
        return self.find(conversation_id)["metrics"] or super().evaluate_conversation(conversation_id)


# ---- mistakes: code that runs away, or does what it should not ----

SPEAKS = r"run_turn|speak"


@mistake(SPEAKS)
class TurnNeverEnds(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        while True:
            pass


@mistake(SPEAKS)
class TurnNeverEndsWhateverIsRaised(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        while True:
            try:
                self.find(conversation_id)
            except BaseException:
                continue


@mistake(COUNT)
class RunNeverEnds(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        while True:
            self.run_turn(conversation_id)


@mistake(SPEAKS)
class TurnSleeps(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        time.sleep(60)


@mistake(SPEAKS)
class TurnCallsItself(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        return self.run_turn(conversation_id)


@mistake(SPEAKS)
class TurnAsksTenThousandTimes(PlainArena):
    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        for _ in range(10_000):
            line = super().ask(speaker, user_id, cue)
        return line


@mistake(SPEAKS)
class TurnAsksForInput(PlainArena):
    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        return input(f"What does {speaker} say? ")


@mistake(FAILS)
class FailureEndsPython(PlainArena):
    def failed(self, talk: Any, error: Exception) -> Any:
        sys.exit(str(error))


@mistake(UNKNOWN_TALK)
class UnknownTalkEndsPython(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        if conversation_id not in self.conversations:
            sys.exit(1)
        return super().get_conversation_history(conversation_id)


@mistake(r"factory")
class ArenaTakesNoFactory(PlainArena):
    def __init__(self) -> None:
        super().__init__(None)


@mistake(r"characters? (stay|are)")
class SwitchesOffTheScratchpads(PlainArena):
    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        for npc_id in (npc1_id, npc2_id):
            self.factory.npcs[npc_id].config.has_scratchpad = False
        return super().new_talk(npc1_id, npc2_id, opening)


@mistake(SPEAKS)
class SaysWhatTheLessonShows(PlainArena):
    """Hard-coded: no NPC is ever asked."""

    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        return "I am Sir Guy, a knight. And who are you?"


@mistake(METRICS)
class MeasuresWhatTheLessonShows(PlainArena):
    """Hard-coded: always the same numbers."""

    def evaluate_conversation(self, conversation_id: str) -> Any:
        self.find(conversation_id)
        return {"turn_count": 6, "avg_response_length": 215.5, "avg_response_time": 1.2}


# ---- mistakes that only a stretch step finds ----


@mistake("memory", "stretch")
class TalksOfAPairShareAMemory(SharedUsers):
    def next_speaker(self, talk: Any) -> tuple[str, str]:
        if talk["npc1_id"] == talk["npc2_id"]:
            return talk["npc1_id"], f"{talk['npc1_user_id']}" if talk["seat"] == 1 else self.other_seat(talk)
        return super().next_speaker(talk)

    def other_seat(self, talk: Any) -> str:
        return talk.setdefault("other", self.factory.register_user("the other seat"))


# ---- one talk for another ----


@mistake("runs the talk that it was asked for")
class RunsTheLatestTalk(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        self.find(conversation_id)
        return super().run_conversation(list(self.conversations)[-1], max_turns, verbose)


@mistake("own history")
class ReadsTheLatestTalk(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        self.find(conversation_id)
        return super().get_conversation_history(list(self.conversations)[-1])


@mistake("own history")
class ReadsAllTalksAtOnce(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        self.find(conversation_id)
        return [message for talk in self.conversations.values() for message in talk["messages"]]


@mistake("measured for itself")
class MeasuresTheLatestTalk(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        self.find(conversation_id)
        return super().evaluate_conversation(list(self.conversations)[-1])


@mistake("measured for itself")
class CountsTheTurnsOfAllTalks(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        metrics["turn_count"] = sum(len(self.spoken(talk)) for talk in self.conversations.values())
        return metrics


# ---- a little less than all ----


@mistake("three numbers")
class MeasuringDropsTheOpening(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        talk = self.find(conversation_id)
        talk["messages"] = self.spoken(talk)
        return super().evaluate_conversation(conversation_id)


@mistake("mean time")
class TimeOfTheLastReply(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        metrics["avg_response_time"] = (self.find(conversation_id)["seconds"] or [0])[-1]
        return metrics


@mistake("mean time")
class TimeOfTheLongestReply(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        metrics["avg_response_time"] = max(self.find(conversation_id)["seconds"], default=0)
        return metrics


@mistake("mean time")
class TimeSinceTheTalkBegan(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        talk = self.find(conversation_id)
        if spoken := self.spoken(talk):
            began = talk["messages"][0].timestamp
            metrics["avg_response_time"] = (datetime.now() - began).total_seconds() / len(spoken)
        return metrics


@mistake("word for word")
class StripsWhatThePartnerHears(PlainArena):
    def cue(self, talk: Any) -> str:
        return super().cue(talk).strip() if self.spoken(talk) else super().cue(talk)


@mistake("word for word")
class CutsWhatThePartnerHears(PlainArena):
    def cue(self, talk: Any) -> str:
        return super().cue(talk)[:100] if len(talk["messages"]) > 1 else super().cue(talk)


@mistake("adds exactly")
class NeverMoreThanTenAtOnce(PlainArena):
    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        return super().run_conversation(conversation_id, min(max_turns, 10), verbose)


@mistake("unknown")
class RegistersSomebodyForAnUnknownTalk(PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        if conversation_id not in self.conversations:
            self.factory.register_user(conversation_id)
        return super().get_conversation_history(conversation_id)


# ---- right: ways to print ----


@right(part="run")
class PrintsTurnAndSeat(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"Turn {number} - Speaker {1 + (number + 1) % 2}: {message.content}")


@right(part="run")
class PrintsSeatAndTurn(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"Speaker {1 + (number + 1) % 2}, turn {number}\n{message.content}\n")


@right(part="run")
class PrintsLetters(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"#{number} {'BA'[number % 2]}> {message.content}")


@right(part="run")
class PrintsTheTurnBehindTheLine(PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(f"{message.sender}: {message.content} (turn {number})")


@mistake("itself", "stretch")
class OneMemoryForBothSeats(PlainArena):
    """An NPC that talks with itself is one user to itself."""

    def new_users(self, npc1_id: str, npc2_id: str) -> tuple[str, str]:
        user1_id, user2_id = super().new_users(npc1_id, npc2_id)
        return user1_id, user1_id if npc1_id == npc2_id else user2_id


@mistake("itself", "stretch")
class SeatsAreKnownByTheirNPC(PlainArena):
    """Where both seats have the same NPC, the first one speaks always."""

    def next_speaker(self, talk: Any) -> tuple[str, str]:
        first = talk["current_turn"] == talk["npc1_id"]
        return super().next_speaker({**talk, "seat": 1 if first else 2})


@mistake("unknown", "stretch")
class TurnHidesAnUnknownTalk(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        if conversation_id not in self.conversations:
            return False, "There is no such talk."
        return super().run_turn(conversation_id)


@mistake("unknown", "stretch")
class TurnRaisesKeyErrorForAnUnknownTalk(PlainArena):
    def run_turn(self, conversation_id: str) -> Any:
        self.conversations[conversation_id]
        return super().run_turn(conversation_id)


@mistake("kept", "stretch")
class MetricsAreNotKept(PlainArena):
    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        self.find(conversation_id)["metrics"] = {}
        return metrics


@mistake("greeting", "stretch")
class EmptyOpeningIsSent(PlainArena):
    def cue(self, talk: Any) -> str:
        return talk["messages"][-1].content if talk["messages"] else ""


@mistake("greeting", "stretch")
class EmptyOpeningGreetsOtherwise(PlainArena):
    def cue(self, talk: Any) -> str:
        return talk["messages"][-1].content if talk["messages"] else "Hi."
