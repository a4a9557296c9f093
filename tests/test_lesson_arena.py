"""The check of the arena exercise: it knows what was not begun, passes every right class, names each mistake.

The classes that it judges are in arenas.py. A mistake is looked for in its own part of the check at every
run, and in the whole check with `whole` (`pytest -m whole`).
"""

import builtins
import copy
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import arenas
import pytest
from arenas import METHODS, MISTAKES, RIGHT, Mistake, PlainArena, Right

import npc_lab
from npc_lab import FakeClient, NPCFactory, NPCNotFoundInArenaError
from npc_lab.errors import ConversationNotFoundError
from npc_lab.lessons import Report, Step, check
from npc_lab.lessons.checking import exercise as checking
from npc_lab.lessons.checking.exercise import StepCheck
from npc_lab.lessons.exercises import lesson05_arena
from npc_lab.lessons.exercises.arena_trial import numbers_in

pytestmark = pytest.mark.once

PACKAGE = str(Path(npc_lab.__file__).parent)
STEPS = lesson05_arena.exercise.steps
THOUGHT = "#SCRATCHPAD\nHe is lying.\n#ANSWER\n"

# A pattern that fits the name of the stretch step.
STRETCH_STEPS = {
    "memory": r"memory|remember",
    "itself": r"itself|oneself",
    "unknown": r"run_turn|unknown|no such|does not exist",
    "greeting": r"greet|default",
    "kept": r"metrics",
}


# By how much the check's pauses are changed, by the words of the mistake: as shipped where times are wrong by
# far, longer where a busy machine makes them look right, and shorter where no clock is looked at.
PAUSES = {arenas.SECONDS: 1.0, "mean time": 3.0}
# Those that only the limit of a step ends. As it is shipped, test_check_messages.py meets it.
ENDLESS = (
    arenas.TurnSleeps,
    arenas.TurnNeverEnds,
    arenas.TurnNeverEndsWhateverIsRaised,
    arenas.RunNeverEnds,
    arenas.PrintsAllTheTime,
)


@pytest.fixture(autouse=True)
def _short_waits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check's pauses and limits, shorter where no test is about them."""
    judged = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    wrong = judged.get("wrong")
    times = PAUSES.get(getattr(wrong, "words", ""), 0.2)
    monkeypatch.setattr(lesson05_arena, "PAUSES", tuple(times * pause for pause in lesson05_arena.PAUSES))
    if judged.get("arena", getattr(wrong, "arena", None)) in ENDLESS:
        monkeypatch.setattr(checking, "STEP_SECONDS", 1.0)
    elif judged:  # it ends by itself, on a busy machine too
        monkeypatch.setattr(checking, "STEP_SECONDS", 10 * checking.STEP_SECONDS)
        monkeypatch.setattr(checking, "ALL_SECONDS", 10 * checking.ALL_SECONDS)


def outcomes(report: Report) -> dict[str, str]:
    return {step.name: step.outcome for step in report.steps}


def first_line(report: Report) -> str:
    return str(report).splitlines()[0]


def stretch_step(report: Report, about: str) -> Step:
    found = [
        step
        for step in report.steps
        if not step.required and re.search(STRETCH_STEPS[about], step.name, re.I)
    ]
    assert len(found) == 1, f"{about}: {found}"
    return found[0]


def expect_fit_to_read(report: Report) -> None:
    """What each report owes its reader, whatever the learner wrote."""
    text, page = str(report), report._repr_html_()
    assert repr(report) == text
    assert not re.search(r"<(script|img|b onclick)", page)
    for step in report.steps:
        assert step.outcome in ("correct", "incorrect", "not attempted", "can't check")
        assert "Traceback" not in step.message
        assert PACKAGE not in step.message
        assert step.message.strip()
        assert len(step.message) < 3000
        if step.outcome == "incorrect":
            assert re.search(r"^Expected:", step.message, re.M), step.message
            assert re.search(r"^Got:", step.message, re.M), step.message
            assert re.search(r"^Next:", step.message, re.M), step.message


# ---- the collection itself ----


def knight_and_merchant(replies: Any) -> tuple[NPCFactory, str, str]:
    factory = NPCFactory(FakeClient(replies), "m")
    world = "XIII-century London"
    knight = factory.register_npc(world, "You are Sir Guy, a knight.", has_scratchpad=True)
    merchant = factory.register_npc(world, "You are Hans, a Hanseatic merchant.", has_scratchpad=True)
    return factory, knight, merchant


def thinks_and_says(messages: list[dict[str, str]]) -> str:
    who = "Hans" if "Hans" in messages[0]["content"] else "Sir Guy"
    number = sum(message["role"] == "assistant" for message in messages) + 1
    return f"{THOUGHT}{who} says line {number}" + "." * number


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.name)
def test_each_right_arena_serves_the_original_exercise(
    right: Right, capsys: pytest.CaptureFixture[str]
) -> None:
    factory, knight, merchant = knight_and_merchant(thinks_and_says)
    arena = right.arena(factory)
    for npc_id in (knight, merchant):
        assert arena.register_npc_in_arena(npc_id) in factory.user_ids
    talk = arena.start_conversation(knight, merchant)
    arena.run_conversation(talk, max_turns=6, verbose=True)

    printed = " ".join(capsys.readouterr().out.split())
    history = list(arena.get_conversation_history(talk))
    assert [message.sender for message in history] == ["system", *[knight, merchant] * 3]
    lines = [f"{who} says line {n}{'.' * n}" for n in (1, 2, 3) for who in ("Sir Guy", "Hans")]
    assert [message.content for message in history] == ["Hello! Who are you?", *lines]
    assert all(isinstance(message.timestamp, datetime) for message in history)
    assert all(line in printed for line in lines)
    assert "He is lying" not in printed
    merchants_own = factory.get_npc_chat_history(
        npc_id=arena.conversations[talk]["npc2_id"], user_id=arena.conversations[talk]["npc1_user_id"]
    )
    assert [m["content"].startswith(THOUGHT) for m in merchants_own if m["role"] == "assistant"] == [True] * 3
    assert [m["content"] for m in merchants_own if m["role"] == "user"] == lines[::2]
    metrics = arena.evaluate_conversation(talk)
    assert metrics["turn_count"] == 6
    assert metrics["avg_response_length"] == pytest.approx(sum(map(len, lines)) / 6, abs=0.006)
    assert 0 <= metrics["avg_response_time"] < 1
    talk_keys = ("npc1_id", "npc2_user_id", "messages", "current_turn", "metrics")
    assert [arena.conversations[talk][key] for key in talk_keys][3] == knight


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.name)
def test_each_right_arena_survives_a_failure_and_refuses_unknown_ids(right: Right) -> None:
    factory, knight, merchant = knight_and_merchant(thinks_and_says)
    arena = right.arena(factory)
    arena.register_npc_in_arena(knight), arena.register_npc_in_arena(merchant)
    talk = arena.start_conversation(knight, merchant, "")
    assert list(arena.get_conversation_history(talk)) == []
    metrics = arena.evaluate_conversation(talk)
    assert metrics["turn_count"] == metrics["avg_response_length"] == metrics["avg_response_time"] == 0
    if "greeting" in right.not_yet:
        talk = arena.start_conversation(knight, merchant, "Hail")
    factory.client.fail_next("server")
    succeeded, reason = arena.run_turn(talk)
    assert (succeeded, bool(reason)) == (False, True)
    assert arena.conversations[talk]["current_turn"] == knight
    assert arena.run_turn(talk)[0] is True
    assert arena.conversations[talk]["current_turn"] == merchant
    with pytest.raises(Exception, match="nobody") as error:
        arena.start_conversation(knight, "nobody")
    assert error.type.__name__ == NPCNotFoundInArenaError.__name__
    with pytest.raises(Exception, match="nothing") as error:
        list(arena.get_conversation_history("nothing"))
    assert error.type.__name__ == ConversationNotFoundError.__name__


def test_the_collection_is_as_large_as_promised() -> None:
    assert len({right.name for right in RIGHT}) == len(RIGHT) >= 20
    assert len({each.name for each in MISTAKES}) == len(MISTAKES) >= 120


# ---- not attempted ----


def stubs() -> dict[str, Any]:
    """The class as the student notebook gives it out, and other ways to have written nothing."""

    def stub(body: Callable[..., Any]) -> Any:
        made = type("ChatArena", (), {"__init__": lambda self, npc_factory: None})
        for name in METHODS:
            setattr(made, name, copy.copy(body))
        return made

    def dots(self: Any, *_: Any) -> Any:
        """What is to be written."""
        ...

    def nothing(self: Any, *_: Any) -> Any:
        pass

    def refuses(self: Any, *_: Any) -> Any:
        raise NotImplementedError

    def refuses_in_words(self: Any, *_: Any) -> Any:
        """What is to be written."""
        raise NotImplementedError("write me")

    def gives_none(self: Any, *_: Any) -> Any:
        return None

    bodies = (dots, nothing, refuses, refuses_in_words, gives_none)
    classes = {body.__name__: stub(body) for body in bodies}
    return classes | {"None": None, "...": ..., "an empty class": type("ChatArena", (), {})}


@pytest.mark.parametrize("stub", stubs().values(), ids=stubs())
def test_what_was_not_begun_is_not_attempted(stub: Any) -> None:
    report = check("arena", stub)
    found = set(outcomes(report).values())
    # What raises NotImplementedError looks written until it is called: the steps after that wait.
    waits = (
        {"can't check"} if "refuses" in getattr(getattr(stub, "run_turn", None), "__name__", "") else set()
    )
    assert found - waits == {"not attempted"}, outcomes(report)
    assert not report.passed
    assert "not attempted" in first_line(report)
    expect_fit_to_read(report)


@pytest.mark.parametrize("written", range(len(METHODS)))
def test_a_class_that_is_written_method_by_method_is_never_wrong(written: int) -> None:
    """What is written is right, and what is not is not attempted, or waits: nothing is incorrect."""

    def stub(self: Any, *_: Any) -> Any:
        """To be written."""
        ...

    begun = type("ChatArena", (), {"__init__": arenas.WrittenOverManyCells.__init__})
    for number, (name, method) in enumerate(METHODS.items()):
        setattr(begun, name, method if number < written else stub)
    report = check("arena", begun)
    found = {step.outcome for step in report.steps if step.required}
    assert "incorrect" not in found, str(report)
    assert "not attempted" in found
    assert ("correct" in found) == (written > 0)
    assert not report.passed


# ---- right ----


@pytest.mark.parametrize(
    ("right", "part"),
    [pytest.param(right, right.part, id=right.name) for right in RIGHT]
    + [
        pytest.param(right, "", id=f"{right.name}-whole", marks=pytest.mark.whole)
        for right in RIGHT
        if right.part
    ],
)
def test_every_right_arena_passes(right: Right, part: str) -> None:
    """The part of the check that is about it; the whole check, if all of it is odd, and with `whole`."""
    report = check(f"arena.{part}" if part else "arena", right.arena)
    assert report.passed, str(report)
    assert {step.outcome for step in report.steps if step.required} == {"correct"}
    names = " ".join(step.name for step in report.steps if not step.required)
    about = {each for each in STRETCH_STEPS if re.search(STRETCH_STEPS[each], names, re.I)}
    assert part or about == set(STRETCH_STEPS)
    wrong = {each for each in about if stretch_step(report, each).outcome != "correct"}
    assert wrong == right.not_yet & about, str(report)
    assert "correct" in first_line(report)
    expect_fit_to_read(report)


# ---- wrong ----


def may_name(step: StepCheck, wrong: Mistake) -> bool:
    words = STRETCH_STEPS[wrong.words] if wrong.kind == "stretch" else wrong.words
    return bool((step.required or wrong.kind != "required") and re.search(words, step.name, re.I))


def parts_with(wrong: Mistake) -> list[str]:
    """Return the parts of the check in which a step may name this mistake, in order."""
    return list(dict.fromkeys(step.part for step in STEPS if may_name(step, wrong)))


# The first mistake of each part of the check, and of each kind.
FIRST = {(wrong.kind, parts_with(wrong)[0]): wrong for wrong in reversed(MISTAKES)}.values()


@pytest.mark.parametrize(
    "wrong", [each for each in MISTAKES if each not in FIRST], ids=lambda wrong: wrong.name
)
def test_every_mistake_is_named(wrong: Mistake) -> None:
    """In its own part of the check, up to the last step that may name it: later ones do not change the first
    line. In the whole check below, those of FIRST at every run, and all with `whole`.
    """
    for part in parts_with(wrong):
        last = max(place for place, step in enumerate(STEPS) if step.part == part and may_name(step, wrong))
        report = replace(lesson05_arena.exercise, steps=STEPS[: last + 1]).check(wrong.arena, part)
        expect_fit_to_read(report)
        if "incorrect" in outcomes(report).values():
            break
    expect_named(wrong, report)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(wrong, id=wrong.name, marks=[] if wrong in FIRST else pytest.mark.whole)
        for wrong in MISTAKES
    ],
)
def test_the_whole_check_names_it_once(wrong: Mistake) -> None:
    """For the first mistake of each part at every run. For all of them with `whole`."""
    report = check("arena", wrong.arena)
    expect_fit_to_read(report)
    expect_named(wrong, report)
    # The steps that cannot hold because of this one wait for it: one mistake is not told ten times.
    told = [step.name for step in report.steps if step.required and step.outcome == "incorrect"]
    assert len(told) <= 4, told


def expect_named(wrong: Mistake, report: Report) -> None:
    if wrong.kind == "stretch":
        assert report.passed, str(report)
        optional = {step.name for step in report.steps if not step.required}
        about = {
            each
            for each in STRETCH_STEPS
            if any(re.search(STRETCH_STEPS[each], name, re.I) for name in optional)
        }
        not_correct = {each for each in about if stretch_step(report, each).outcome != "correct"}
        assert not_correct == {wrong.words}, str(report)
        return
    if wrong.kind == "either" and report.passed:
        assert "incorrect" in outcomes(report).values(), str(report)
        return
    assert not report.passed, str(report)
    named = [
        name
        for name, found in outcomes(report).items()
        if found == "incorrect" and name in first_line(report)
    ]
    assert len(named) == 1, first_line(report)
    assert re.search(wrong.words, named[0], re.I), first_line(report)


# ---- objects that are no class at all, or an odd one ----


def test_an_object_in_place_of_the_class_is_told_what_is_wanted() -> None:
    report = check("arena", PlainArena(knight_and_merchant(["Hail."])[0]))
    assert not report.passed
    assert "incorrect" not in outcomes(report).values()
    assert re.search(r"class", str(report))
    assert re.search(r"check\(.arena., ChatArena\)", str(report))
    expect_fit_to_read(report)


@pytest.mark.parametrize("thing", [42, "ChatArena", [], lambda: None, int, dict, object(), Exception])
def test_nothing_makes_the_check_raise(thing: Any) -> None:
    report = check("arena", thing)
    assert not report.passed
    expect_fit_to_read(report)


class Evil:
    """Cannot be printed, compared, or asked for anything."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __bool__(self) -> bool:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")

    def __iter__(self) -> Any:
        raise RuntimeError("no")


class EvilError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def gives(what: Any) -> Callable[..., Any]:
    def method(self: Any, *_: Any, **__: Any) -> Any:
        return what

    return method


def raises(error: BaseException) -> Callable[..., Any]:
    def method(self: Any, *_: Any, **__: Any) -> Any:
        raise error

    return method


ODD = {
    "evil object": gives(Evil()),
    "evil error": raises(EvilError()),
    "script": gives(SCRIPT),
    "error with a script": raises(ValueError(SCRIPT)),
    "a million characters": gives("x" * 1_000_000),
    "a list that holds itself": gives((lambda nest: nest.append(nest) or nest)([])),
    "a lone surrogate": gives("\ud800"),
    "control characters": gives("\x1b[31m\x00\r"),
    "a class": gives(dict),
    "StopIteration": raises(StopIteration()),
    "KeyboardInterrupt": raises(KeyboardInterrupt()),
    "SystemExit": raises(SystemExit(0)),
    "MemoryError": raises(MemoryError()),
    "BaseException": raises(BaseException("odd")),
}


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        # Each method twice at every run, each odd thing once; all of both with `whole`.
        pytest.param(
            name, odd, id=f"{what}-{name}", marks=[] if (place - number) % 7 == 0 else pytest.mark.whole
        )
        for number, name in enumerate([*METHODS, "__init__"])
        for place, (what, odd) in enumerate(ODD.items())
    ],
)
def test_whatever_a_method_gives_or_raises_there_is_a_report(name: str, odd: Callable[..., Any]) -> None:
    part = next(
        (step.part for step in STEPS if name in step.uses), "register"
    )  # __init__ comes before them all
    report = check(f"arena.{part}", type("ChatArena", (PlainArena,), {name: odd}))
    assert not report.passed
    expect_fit_to_read(report)
    str(report).encode("utf-8")
    assert "\x1b" not in str(report)


@pytest.mark.parametrize("odd", [Evil(), None, 7, [], {}, SCRIPT], ids=lambda odd: type(odd).__name__)
def test_odd_tables_of_talks_get_a_report(odd: Any) -> None:
    class ChatArena(PlainArena):
        @property
        def conversations(self) -> Any:
            return odd

        @conversations.setter
        def conversations(self, value: Any) -> None:
            self.__dict__["talks"] = value

        def start_conversation(self, *arguments: Any) -> Any:
            return "talk"

    report = check("arena", ChatArena)
    assert not report.passed
    expect_fit_to_read(report)


# ---- hard-coded answers ----


class _RemembersTheCheck(PlainArena):
    """Says what the model said in the check before."""

    heard: list[str] = []  # noqa: RUF012
    replay = False

    def ask(self, speaker: str, user_id: str, cue: str) -> str:
        line = super().ask(speaker, user_id, cue)
        if self.replay and self.heard:
            return self.heard.pop(0)
        self.heard.append(line)
        return line


def test_names_and_lines_are_new_at_each_check() -> None:
    assert check("arena.turn", _RemembersTheCheck).passed
    _RemembersTheCheck.replay = True
    assert not check("arena.turn", _RemembersTheCheck).passed


def test_metrics_of_the_check_before_do_not_pass() -> None:
    class ChatArena(PlainArena):
        noted: list[Any] = []  # noqa: RUF012
        replay = False

        def evaluate_conversation(self, conversation_id: str) -> Any:
            metrics = super().evaluate_conversation(conversation_id)
            if self.replay and self.noted:
                return self.noted.pop(0)
            self.noted.append(metrics)
            return metrics

    assert check("arena.measure", ChatArena).passed
    ChatArena.replay = True
    assert not check("arena.measure", ChatArena).passed


# ---- what a check leaves behind ----


def surroundings() -> dict[str, Any]:
    return {
        "stdout": sys.stdout,
        "stderr": sys.stderr,
        "stdin": sys.stdin,
        "input": builtins.input,
        "print": builtins.print,
        "alarm": signal.getsignal(signal.SIGALRM),
        "interrupt": signal.getsignal(signal.SIGINT),
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "trace": sys.gettrace(),
        "recursion": sys.getrecursionlimit(),
        "sleep": time.sleep,
        "perf_counter": time.perf_counter,
        "time": time.time,
        "arena": dict(vars(npc_lab.ChatArena)),
        "factory": dict(vars(NPCFactory)),
        "threads": threading.active_count(),
    }


BEHAVES_BADLY = [
    arenas.TurnNeverEnds,
    arenas.TurnNeverEndsWhateverIsRaised,
    arenas.TurnAsksForInput,
    arenas.FailureEndsPython,
    arenas.PrintsAllTheTime,
    arenas.TurnCallsItself,
    PlainArena,
]


@pytest.mark.parametrize("arena", BEHAVES_BADLY, ids=lambda arena: arena.__name__)
def test_a_check_leaves_everything_as_it_was(arena: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = surroundings()
    check("arena.run" if arena is arenas.PrintsAllTheTime else "arena.turn", arena)
    assert surroundings() == before
    assert capsys.readouterr() == ("", "")


OFF_THE_MAIN_THREAD = {
    PlainArena: r"correct",
    arenas.LikeTheReference: r"correct",
    arenas.SecondNPCBegins: r"NPC 1",
    arenas.TurnNeverEnds: r"run_turn",
    arenas.TurnAsksForInput: r"run_turn",
}


@pytest.mark.parametrize("arena", OFF_THE_MAIN_THREAD, ids=lambda arena: arena.__name__)
def test_off_the_main_thread_it_finds_the_same(arena: Any) -> None:
    found: list[Report] = []
    part = "arena" if arena is PlainArena else "arena.turn"
    thread = threading.Thread(target=lambda: found.append(check(part, arena)))
    thread.start()
    thread.join()
    assert re.search(OFF_THE_MAIN_THREAD[arena], first_line(found[0])), first_line(found[0])
    assert found[0].passed == ("correct" in first_line(found[0]))
    expect_fit_to_read(found[0])


def test_a_report_does_not_depend_on_earlier_checks() -> None:
    judged = [arenas.OneUserForAllNPCs, PlainArena, arenas.AllArenasShareTheirTalks]
    first = [outcomes(check("arena.start", arena)) for arena in judged]
    again = [outcomes(check("arena.start", arena)) for arena in reversed(judged)]
    assert first == again[::-1]


# ---- the drawing ----


@pytest.mark.parametrize("wrong", [arenas.SecondNPCBegins, arenas.EachSpeaksTwice])
def test_wrong_turns_are_drawn(wrong: Any) -> None:
    """Who speaks to whom, in the learner's talk beside the expected one."""
    told = [step.message for step in check("arena.turn", wrong).steps if step.outcome == "incorrect"]
    drawings = [message.partition("\n\n")[2].splitlines() for message in told]
    drawing = max(drawings, key=len)
    assert len(drawing) >= 2, told
    assert any(line.lstrip().startswith("✗") for line in drawing), drawing


# ---- found by an examiner who had not read the check ----


class ExactNumbers(arenas.PlainArena):
    """Its metrics are of a type of Python that is no float."""

    def evaluate_conversation(self, conversation_id: str) -> Any:
        metrics = super().evaluate_conversation(conversation_id)
        self.find(conversation_id)["metrics"] = {key: Decimal(str(value)) for key, value in metrics.items()}
        return self.find(conversation_id)["metrics"]


class MethodsMadeInInit:
    """Its methods are functions that `__init__` makes, not functions of the class."""

    def __init__(self, npc_factory: Any):
        inner = arenas.PlainArena(npc_factory)
        self.conversations = inner.conversations
        self.register_npc_in_arena = inner.register_npc_in_arena
        self.start_conversation = inner.start_conversation
        self.run_turn = inner.run_turn
        self.run_conversation = inner.run_conversation
        self.get_conversation_history = inner.get_conversation_history
        self.evaluate_conversation = inner.evaluate_conversation


class PrintsTheMessage(arenas.PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(number, message)


class PrintsTheSpeakerLast(arenas.PlainArena):
    def show(self, number: int, message: Any) -> None:
        print(number, message.content, "--", message.sender)


class RunsPieceByPiece(arenas.PlainArena):
    """Its `run_conversation` is a generator, so that each line can be read while the talk goes on."""

    def run_conversation(self, conversation_id: str, max_turns: int = 10, verbose: bool = False) -> Any:
        yield from super().run_conversation(conversation_id, max_turns, verbose)


@pytest.mark.parametrize(
    ("arena", "part"),
    [
        (ExactNumbers, "arena.measure"),
        (MethodsMadeInInit, "arena"),
        (PrintsTheMessage, "arena.run"),
        (PrintsTheSpeakerLast, "arena.run"),
        (RunsPieceByPiece, "arena.run"),
    ],
)
def test_unusual_but_right_arenas_pass(arena: Any, part: str) -> None:
    report = check(part, arena)
    assert report.passed, str(report)


class PartnersAreSwapped(arenas.SharedUsers):
    """Keys and calls agree with each other, but each NPC is spoken to as its own user."""

    def new_users(self, npc1_id: str, npc2_id: str) -> tuple[str, str]:
        return self.register_npc_in_arena(npc2_id), self.register_npc_in_arena(npc1_id)


class PrintsTheNextSpeaker(arenas.PlainArena):
    def show(self, number: int, message: Any) -> None:
        talk = next(iter(self.conversations.values()))
        print(f"Turn {number}, {talk['current_turn']}: {message.content}")


class PrintsThoughts(arenas.PlainArena):
    def show(self, number: int, message: Any) -> None:
        talk = next(iter(self.conversations.values()))
        first = message.sender == talk["npc1_id"]
        user_id = talk["npc2_user_id" if first else "npc1_user_id"]
        raw = self.factory.get_npc_chat_history(message.sender, user_id)[-1]["content"]
        print(f"Turn {number}, {message.sender}: {raw}")


class ReadingEmptiesTheTalk(arenas.PlainArena):
    def get_conversation_history(self, conversation_id: str) -> Any:
        messages = self.find(conversation_id)["messages"]
        history = list(messages)
        messages.clear()
        return history


class TossesACoin(arenas.PlainArena):
    """Either may begin; afterwards they take turns."""

    def new_talk(self, npc1_id: str, npc2_id: str, opening: str) -> Any:
        talk = super().new_talk(npc1_id, npc2_id, opening)
        talk["seat"] = random.SystemRandom().choice((1, 2, 2, 2))
        talk["current_turn"] = talk[f"npc{talk['seat']}_id"]
        return talk


@pytest.mark.parametrize(
    ("arena", "part", "words"),
    [
        (PartnersAreSwapped, "start", "not mixed up"),
        (PrintsTheNextSpeaker, "run", "verbose=True"),
        (PrintsThoughts, "run", "verbose=True"),
        (ReadingEmptiesTheTalk, "read", "history holds every line"),
        (TossesACoin, "turn", "NPC 1 speaks first"),
    ],
)
def test_these_mistakes_are_named_too(arena: Any, part: str, words: str) -> None:
    report = check(f"arena.{part}", arena)
    assert not report.passed
    assert words in first_line(report)


def told(report: Report) -> str:
    """What the learner is told of the steps that are incorrect."""
    return "\n".join(step.message for step in report.steps if step.outcome == "incorrect")


@pytest.mark.parametrize("pair", ["no", {"line": "Hail.", "ok": True}], ids=lambda pair: type(pair).__name__)
def test_a_text_or_a_dict_of_two_is_no_pair(pair: Any) -> None:
    class GivesAnother(arenas.PlainArena):
        def run_turn(self, conversation_id: str) -> Any:
            super().run_turn(conversation_id)
            return pair

    message = told(check("arena.turn", GivesAnother))
    assert "Expected: two values: True and the line" in message
    assert f"Got:      {pair!r}" in message


@pytest.mark.parametrize(
    ("arena", "got"),
    [(arenas.VerbosePrintsNothing, "nothing was printed"), (arenas.PrintsWithoutTheLine, "“[Turn 1] npc-")],
    ids=["nothing", "not the line"],
)
def test_the_line_that_was_not_printed_is_named(arena: Any, got: str) -> None:
    message = told(check("arena.run", arena))
    assert re.search(r"^Expected: line 1, “.+”, is printed$", message, re.M), message
    assert re.search(f"^Got:      {re.escape(got)}", message, re.M), message


def test_a_number_inside_of_an_id_is_no_turns_number() -> None:
    assert numbers_in("npc-1d0e5f2a7c33: ") == set()
    assert numbers_in("0f8fad5b-d9cb-469f-a165-70867728950e: ") == set()
    assert numbers_in("[Turn 3] npc-1d0e5f2a7c33: ") == {3}
