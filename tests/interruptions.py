"""Raises a real SIGINT at each step of our code in the main thread, and looks at what is left.

    interrupt_each(kind, with_store, every)    a `Count`: how many, and what went wrong

A trace function counts the steps of a `Scene`: the calls and lines of the package and of those parts of
Python that it waits in (or, with `opcodes`, each single operation). At one of them it raises SIGINT: at the
first, then at the second, until the scene ends before that step comes. After each, memory, talk and file are
compared, and the next calls are made in this thread and in another one.
"""

import gc
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import npc_lab
from npc_lab import ChatArena, FakeClient, Message, NPCFactory, ReplyError, SimpleChatNPC
from npc_lab.memory import Call
from npc_lab.one_at_a_time import _CtrlC
from npc_lab.stops import StopWhen

PACKAGE = str(Path(npc_lab.__file__).parent)
OF_PYTHON = ("threading.py", "contextlib.py", "queue.py", "signal.py", "_base.py", "thread.py")
# Python itself drops what is raised in these. What they leave undone, the next call makes good.
NOT_HEARD = ("__del__", "when_nobody_would_hear_it")
PATIENCE = 60.0  # seconds until a call counts as blocked, on a busy machine too
FILE_FOR = 40  # interrupts: then a new store is begun, because a long one is slow to compare


class Guard(SimpleChatNPC):
    """Overrides `chat`, asks its model once, and says something else."""

    def chat(self, user_message: str, user_id: str) -> str:
        return super().chat(user_message, user_id).upper()


class ForeignFactory:
    """Has just what an arena needs, and a store. Its NPCs are ours, its own lines are not."""

    def __init__(self, factory: NPCFactory):
        self.npcs, self.store = factory.npcs, factory.store
        self.register_user = factory.register_user
        self.get_npc_chat_history = factory.get_npc_chat_history

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        return self.npcs[npc_id].chat(message, user_id)


class Stage:
    """A factory and an arena, with two NPCs of ours and two of a class that overrides `chat`."""

    def __init__(self, file: Path | None, is_foreign: bool = False):
        self.file = file
        self.factory = NPCFactory(FakeClient(self._reply), "fake", store=file)
        self.arena = ChatArena(ForeignFactory(self.factory) if is_foreign else self.factory)
        self.npcs = self._cast(SimpleChatNPC)
        self.guards = self._cast(Guard)
        self._said = 0

    def _cast(self, npc_class: type) -> list[str]:
        names = [f"{npc_class.__name__} {number}" for number in (1, 2)]
        register = self.factory.register_npc
        return [register("A harbour.", f"You are {name}.", 6, npc_class=npc_class) for name in names]

    def _reply(self, messages: Any) -> str:
        self._said += 1
        return f"Line {self._said}."

    def again(self) -> "Stage":
        """The same, as the file has it."""
        return Stage(self.file)


def exchanges_of(stage: Stage, npc_id: str, user_id: str) -> list[tuple[str, str]]:
    """What the NPC and this user said to each other, as it is remembered."""
    turns = stage.factory.npcs[npc_id].turns(user_id)
    return [
        (turn.question, turn.answer) if isinstance(turn, Call) else (turn[0]["content"], turn[1]["content"])
        for turn in turns
    ]


def everything_in(stage: Stage) -> Any:
    """All that a stage remembers, in a form that can be compared."""
    users = sorted(stage.factory.user_ids)
    memories = {
        (npc_id, user_id): (npc.turns(user_id), stage.factory.get_npc_chat_history(npc_id, user_id))
        for npc_id, npc in stage.factory.npcs.items()
        for user_id in sorted(npc.chat_histories)
        if npc.turns(user_id)
    }
    talks = {talk_id: dict(talk) for talk_id, talk in stage.arena.conversations.items()}
    return users, memories, talks


def disagreement_in_talks(stage: Stage) -> str:
    """Each seat remembers what it heard and said, once and in order; or what it does not."""
    for talk_id, talk in stage.arena.conversations.items():
        expected: dict[int, list[tuple[str, str]]] = {1: [], 2: []}
        heard: list[str] = []
        for message in talk["messages"]:
            if message.seat:
                expected[message.seat].append(("\n\n".join(heard) or npc_lab.transcript.DEFAULT_OPENING, ""))
                expected[message.seat][-1] = (expected[message.seat][-1][0], message.content)
                heard = [message.content]
            else:
                heard.append(message.content)
        for seat, partner in ((1, talk["npc2_user_id"]), (2, talk["npc1_user_id"])):
            found = exchanges_of(stage, talk[f"npc{seat}_id"], partner)  # type: ignore[literal-required]
            if found != expected[seat]:
                return f"{talk_id}, seat {seat} remembers {found}, and the talk has {expected[seat]}"
        spoken = [message for message in talk["messages"] if message.seat]
        if talk["current_turn"] != talk["npc1_id" if len(spoken) % 2 == 0 else "npc2_id"]:
            return f"{talk_id}: the wrong one is next"
    return ""


def _difference(memory: Any, file: Any) -> str:
    for ours, theirs in zip(memory, file, strict=True):
        if isinstance(ours, list):
            ours, theirs = dict.fromkeys(ours), dict.fromkeys(theirs)
        for key in [*ours, *theirs]:
            if ours.get(key, "nothing") != theirs.get(key, "nothing"):
                return f"{key}: {ours.get(key, 'nothing')} and {theirs.get(key, 'nothing')}"
    return "in their order"


@dataclass
class Scene:
    """Something that is interrupted.

    prepare: makes what it needs. act: what is interrupted. check: says what does not hold then, or "".
    afterwards: calls that must work then, in any thread.
    """

    prepare: Callable[[Stage], Any]
    act: Callable[[Stage, Any], object]
    afterwards: Callable[[Stage, Any], object]
    check: Callable[[Stage, Any, int], str] = lambda stage, prepared, before: ""
    is_foreign: bool = False
    is_dropped: bool = False  # a stream may be left half read, to be found by Python's garbage collector


def _user(stage: Stage) -> str:
    return stage.factory.register_user("ann")


def _chat(kind: str, streams: bool) -> Scene:
    """One turn of a user with an NPC."""

    def act(stage: Stage, user_id: str) -> None:
        npc_id = getattr(stage, kind)[0]
        if streams:
            "".join(stage.factory.stream_with_npc(npc_id, user_id, "Hello!"))
        else:
            stage.factory.chat_with_npc(npc_id, user_id, "Hello!")

    def afterwards(stage: Stage, user_id: str) -> None:
        stage.factory.chat_with_npc(getattr(stage, kind)[0], user_id, "Are you there?")

    def check(stage: Stage, user_id: str, _: int) -> str:
        found = [question for question, _ in exchanges_of(stage, getattr(stage, kind)[0], user_id)]
        return "" if found in ([], ["Hello!"]) else f"remembered: {found}"

    return Scene(_user, act, afterwards, check, is_dropped=streams and kind == "guards")


def _forget(stage: Stage, user_id: str) -> None:
    stream = stage.factory.stream_with_npc(stage.npcs[0], user_id, "Hello!")
    next(iter(stream))
    del stream


def _two_turns(kind: str) -> Callable[[Stage], str]:
    def prepare(stage: Stage) -> str:
        user_id = _user(stage)
        for question in ("One?", "Two?"):
            stage.factory.chat_with_npc(getattr(stage, kind)[0], user_id, question)
        return user_id

    return prepare


def _take(kind: str, gives: bool) -> Scene:
    """The last turn is taken back, or also given back. taken: what was taken back before the scene."""

    def prepare(stage: Stage) -> Any:
        user_id = _two_turns(kind)(stage)
        return user_id, stage.factory.npcs[getattr(stage, kind)[0]].take_back(user_id) if gives else None

    def act(stage: Stage, prepared: Any) -> None:
        user_id, taken = prepared
        npc = stage.factory.npcs[getattr(stage, kind)[0]]
        npc.give_back(user_id, taken) if gives else npc.take_back(user_id)

    def afterwards(stage: Stage, prepared: Any) -> None:
        stage.factory.chat_with_npc(getattr(stage, kind)[0], prepared[0], "Are you there?")

    def check(stage: Stage, prepared: Any, _: int) -> str:
        found = [question for question, _ in exchanges_of(stage, getattr(stage, kind)[0], prepared[0])]
        return "" if found in (["One?"], ["One?", "Two?"]) else f"remembered: {found}"

    return Scene(prepare, act, afterwards, check)


def _talk(kind: str, act: Callable[[Stage, str], object], most: int, is_foreign: bool = False) -> Scene:
    """A talk of two NPCs. most: how many lines are spoken at the most."""

    def prepare(stage: Stage) -> str:
        return stage.arena.start_conversation(*getattr(stage, kind))

    def afterwards(stage: Stage, talk_id: str) -> None:
        is_done, line = stage.arena.run_turn(talk_id)
        assert is_done, line

    def check(stage: Stage, talk_id: str, _: int) -> str:
        talk = stage.arena.conversations[talk_id]
        spoken = sum(1 for message in talk["messages"] if message.seat)
        ends = {("", "")} if most == 1 or not spoken else set()
        ends |= {("interrupted", f"interrupted, {spoken} turn{'s' * (spoken != 1)} done")}
        ends |= {("turns", f"{most} turns done")} if spoken == most else set()
        found = (talk["ended"], talk["stop_reason"])
        return "" if spoken <= most and found in ends else f"{spoken} lines of {most}, and it says {found}"

    return Scene(prepare, act, afterwards, check, is_foreign)


def _run(stage: Stage, talk_id: str) -> None:
    told: list[Message] = []
    never = StopWhen(lambda messages: False, "never")
    stage.arena.run_conversation(talk_id, 3, on_turn=told.append, stop=never)


def _start(stage: Stage, _: None) -> str:
    return stage.arena.start_conversation(*stage.npcs, "Good evening!", seed=3)


def _turn_in_the_newest(stage: Stage, _: None) -> None:
    for talk_id in list(stage.arena.conversations)[-1:]:
        assert stage.arena.run_turn(talk_id)[0]
    assert stage.arena.run_turn(_start(stage, None))[0]


SCENES: dict[str, Scene] = {
    "chat": _chat("npcs", streams=False),
    "stream": _chat("npcs", streams=True),
    "chat of a class of one's own": _chat("guards", streams=False),
    "stream of a class of one's own": _chat("guards", streams=True),
    "a stream that is dropped": Scene(
        _user, _forget, lambda stage, user_id: stage.factory.chat_with_npc(stage.npcs[0], user_id, "Hello!")
    ),
    "take_back": _take("npcs", gives=False),
    "give_back": _take("npcs", gives=True),
    "take_back of a call": _take("guards", gives=False),
    "give_back of a call": _take("guards", gives=True),
    "start_conversation": Scene(lambda stage: None, _start, _turn_in_the_newest),
    "run_turn": _talk("npcs", lambda stage, talk_id: stage.arena.run_turn(talk_id), most=1),
    "run_turn of classes of one's own": _talk(
        "guards", lambda stage, talk_id: stage.arena.run_turn(talk_id), most=1
    ),
    "run_turn of a factory of one's own": _talk(
        "npcs", lambda stage, talk_id: stage.arena.run_turn(talk_id), most=1, is_foreign=True
    ),
    "direct": _talk("npcs", lambda stage, talk_id: stage.arena.direct(talk_id, "It rains."), most=1),
    "run_conversation": _talk("npcs", _run, most=3),
}


class Interruption:
    """A trace function that raises SIGINT at one step. has_fallen: whether it came to that."""

    def __init__(self, at_step: int, opcodes: bool):
        self._left = at_step
        self._opcodes = opcodes
        self.has_fallen = False
        self.where = ""

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) and not code.co_filename.endswith(OF_PYTHON):
            return None
        if code.co_name in NOT_HEARD:
            return None
        frame.f_trace_opcodes = self._opcodes
        return self._step(frame, event, argument)

    def _step(self, frame: Any, event: str, argument: Any) -> Any:
        if event == "opcode" or (event in ("call", "line") and not self._opcodes):
            self._left -= 1
            if not self._left:
                sys.settrace(None)
                self.has_fallen = True
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                signal.raise_signal(signal.SIGINT)
        return self._step


@dataclass
class Count:
    """interrupts: how many fell. blocked: after which a call waited. wrong: after which things differed."""

    interrupts: int = 0
    blocked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.interrupts + other.interrupts, self.blocked + other.blocked, self.wrong + other.wrong
        )


class Blocked(BaseException):
    """A call in the main thread has waited too long."""


def _ring(number: int, frame: Any) -> None:
    raise Blocked


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    earlier = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


class Trial:
    """One interrupt of one scene."""

    def __init__(self, stage: Stage, scene: Scene, at_step: int, opcodes: bool):
        self.stage, self.scene = stage, scene
        self.interruption = Interruption(at_step, opcodes)
        self.ignored: list[Any] = []

    def run(self) -> str:
        """What went wrong, or "". Raise `Blocked` if something waits."""
        stage, scene = self.stage, self.scene
        with at_most(PATIENCE):
            prepared = scene.prepare(stage)
            before = sum(len(talk["messages"]) for talk in stage.arena.conversations.values())
            was_raised = self._act(prepared)
            if scene.is_dropped:
                gc.collect()
            if not self.interruption.has_fallen:
                return ""
            return self._look(prepared, before, was_raised)

    def _act(self, prepared: Any) -> bool:
        usual, sys.unraisablehook = sys.unraisablehook, self.ignored.append
        gc.disable()  # or what earlier trials have left is finalized in this one
        try:
            sys.settrace(self.interruption)
            self.scene.act(self.stage, prepared)
            sys.settrace(None)
            if self.interruption.has_fallen:
                threading.Event().wait(PATIENCE / 10)  # where nobody would have heard it, it comes now
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
            gc.enable()
            sys.unraisablehook = usual
        return False

    def _look(self, prepared: Any, before: int, was_raised: bool) -> str:
        stage, scene = self.stage, self.scene
        if self.ignored:
            return f"ignored: {self.ignored[0].object} {self.ignored[0].exc_value!r}"
        if not was_raised:
            return "Ctrl-C was lost"
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or _CtrlC.noted_by:
            return "Ctrl-C is still held back"
        wrong = self._compared() or scene.check(stage, prepared, before)
        if wrong:
            return wrong
        self._in_a_thread(lambda: scene.afterwards(stage, prepared))
        scene.afterwards(stage, prepared)
        return self._compared()

    def _compared(self) -> str:
        stage = self.stage
        if wrong := disagreement_in_talks(stage):
            return wrong
        if stage.file:
            again = stage.again()
            with at_most(PATIENCE):
                memory, file = everything_in(stage), everything_in(again)
            assert again.factory.store
            again.factory.store.close()
            if memory != file:
                return "memory and file differ: " + _difference(memory, file)
        return ""

    def _in_a_thread(self, call: Callable[[], object]) -> None:
        failed: list[BaseException] = []

        def run() -> None:
            try:
                call()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if thread.is_alive():
            raise Blocked
        if failed:
            raise failed[0]


def interrupt_each(
    kind: str, with_store: bool, every: int = 1, first: int = 1, opcodes: bool = False, most: int = 10**9
) -> Count:
    """Interrupt a scene at each step, or at each `every`th from the `first` one, at most so often."""
    count, scene = Count(), SCENES[kind]
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is deaf
    gc.freeze()  # what stands already is none of a scene's: looking through it would take the most time
    try:
        with tempfile.TemporaryDirectory() as folder:
            step = first
            while count.interrupts < most:
                if (step - first) // every % FILE_FOR == 0 or count.blocked:
                    file = Path(folder, f"{step}.db") if with_store else None
                    stage = Stage(file, scene.is_foreign)
                trial = Trial(stage, scene, step, opcodes)
                try:
                    wrong = trial.run()
                except Blocked:
                    count.blocked.append(f"{kind}, store {with_store}: {trial.interruption.where}")
                    wrong = ""
                except (AssertionError, ReplyError) as error:
                    wrong = repr(error)
                if wrong:
                    count.wrong.append(f"{kind}, store {with_store}: {trial.interruption.where}: {wrong}")
                if not trial.interruption.has_fallen:
                    break
                count.interrupts += 1
                step += every
    finally:
        gc.unfreeze()
        signal.signal(signal.SIGINT, usual)
    return count
