"""Every fault of an endpoint, met on every surface: arena, panels, command line, a notebook's cell.

Each time: the right kind, a hint to act on, no key, no trace in any memory, and the next turn works.
(`chat` and `stream` themselves: test_faults.py, with all faults at every run.)

Every run tries one fault of each kind on each surface. All others are marked `whole`: `pytest -m whole` runs
them, and `python tests/reliability.py --part faults` the whole product.
"""

import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from faults import EXCEPTIONS, NO_REPLIES, TELLTALES, Either
from loopback import DONE, KEY, PATIENCE, CutBody, Held, Loopback, Reply, Status, Stream, chunk
from panels import button, fill_in, text_field, text_of
from typer.testing import CliRunner

import npc_lab.cli
from npc_lab import ChatArena, Connection, NPCFactory, ReplyError
from npc_lab.errors import REPLY_FAULTS
from npc_lab.widgets import arena_controls, chat_box

pytestmark = pytest.mark.once

BREAK, STILL_HERE = "Break now.", "Still here."
BRIEFLY = 0.3  # seconds that a client waits where the endpoint falls silent

# Those that test_faults.py does not plan as one reply.
SILENT = {
    "no answer at all": Held("Too late."),
    "stalled in the middle": Either(Held("Too late."), Stream([chunk("Well "), threading.Event(), DONE])),
}
BROKEN = {"cut body": Either(CutBody(), Stream([chunk("Well "), chunk("met.")], close_delimited=True))}
# All faults, in groups of one kind. "key echoed" and "broken" may become any kind.
GROUPS: list[tuple[str, dict[str, Reply]]] = [
    *EXCEPTIONS.items(),
    *NO_REPLIES.items(),
    ("timeout", SILENT),
    ("key echoed", TELLTALES),
    ("broken", BROKEN),
]


def telling(fault: Reply) -> Reply:
    """The same fault; an error of the endpoint's own repeats the key."""
    if isinstance(fault, Status) and KEY not in fault.message:
        return replace(fault, message=f"{fault.message} Your key: {KEY}")
    return fault


KINDS = {
    f"{kind}: {name}": kind if kind in REPLY_FAULTS else "" for kind, faults in GROUPS for name in faults
}
FAULTS = {f"{kind}: {name}": telling(fault) for kind, faults in GROUPS for name, fault in faults.items()}


class Endpoint:
    """An endpoint that is well, or has a fault: while `is_broken`, and whenever it is told to break."""

    def __init__(self, fault: Reply):
        self.fault = fault
        self.server = Loopback(self._reply)
        self.is_hasty = False  # nobody waits long even while it is well
        self._is_broken = False
        self._clients: list[Any] = []

    @property
    def is_broken(self) -> bool:
        return self._is_broken

    @is_broken.setter
    def is_broken(self, is_broken: bool) -> None:
        """Where it falls silent, nobody waits long. Where it answers, a busy machine may take its time."""
        self._is_broken = is_broken
        for client in self._clients:
            client.timeout = self._patience()

    def client(self) -> Any:
        self._clients.append(self.server.client(timeout=self._patience()))
        return self._clients[-1]

    def _patience(self) -> float:
        is_silent = any(self.fault is each for each in SILENT.values())
        return BRIEFLY if is_silent and (self.is_broken or self.is_hasty) else PATIENCE

    def _reply(self, body: dict[str, Any]) -> Any:
        if self.is_broken or BREAK in body["messages"][-1]["content"]:
            return self.fault
        return STILL_HERE


@pytest.fixture
def endpoint(fault: str) -> Iterator[Endpoint]:
    made = Endpoint(FAULTS[fault])
    with made.server:
        yield made


def on(*surfaces: Callable[..., Any], streams: bool) -> Any:
    """Return each of these surfaces with each fault. Scripted streams are for those that stream.

    The first fault of each group is tried at every run, the others with `whole`.
    """
    parameters = []
    for surface in surfaces:
        for kind, faults in GROUPS:
            met = [name for name, fault in faults.items() if streams or not isinstance(fault, Stream)]
            for name in met:
                marks = [] if name == met[0] else [pytest.mark.whole]
                fault = f"{kind}: {name}"
                parameters.append(pytest.param(surface, fault, id=f"{surface.__name__} {fault}", marks=marks))
    return pytest.mark.parametrize(("surface", "fault"), parameters)


def assert_explained(shown: str, fault: str) -> None:
    """What a learner sees says what happened and what to do, and holds no key."""
    assert KEY not in shown
    shown = " ".join(shown.split())
    kinds = [KINDS[fault]] if KINDS[fault] else list(REPLY_FAULTS)
    hints = [hint for kind in kinds for hint in (REPLY_FAULTS[kind][1], "Try again in 5 minutes.")]
    assert any(hint in shown for hint in hints), shown


# --- from code ------------------------------------------------------------------------------------


class Town:
    """A factory with two characters, an arena, and a talk that has begun."""

    def __init__(self, endpoint: Endpoint):
        self.factory = NPCFactory(endpoint.client(), "some-model")
        self.npc_ids = [self.factory.register_npc("a world", f"a {who}", name=who) for who in ("Guy", "Hans")]
        self.user = self.factory.register_user("learner")
        self.arena = ChatArena(self.factory)
        self.talks = [self.arena.start_conversation(*self.npc_ids) for _ in range(2)]
        for talk in self.talks:
            assert self.arena.run_turn(talk) == (True, STILL_HERE)
        self.factory.chat_with_npc(self.npc_ids[0], self.user, "Hello!")

    def memory(self) -> Any:
        """All that anybody remembers or has recorded; not why the last run ended."""
        histories = [npc.chat_histories for npc in self.factory.npcs.values()]
        lines = {
            talk: (each["messages"], each["current_turn"]) for talk, each in self.arena.conversations.items()
        }
        return deepcopy((histories, lines))


def run_turn(town: Town) -> Iterator[str]:
    for talk in town.talks:
        succeeded, reason = town.arena.run_turn(talk)
        assert not succeeded
        yield reason
    yield ""
    for talk in town.talks:
        assert town.arena.run_turn(talk) == (True, STILL_HERE)


def run_conversation(town: Town) -> Iterator[str]:
    talk = town.talks[0]
    yield town.arena.run_conversation(talk, 3, verbose=True).stop_reason
    yield ""
    assert len(town.arena.run_conversation(talk, 3)) == 1 + 1 + 3


def run_conversations(town: Town) -> Iterator[str]:
    for transcript in town.arena.run_conversations(town.talks, 3).values():
        yield transcript.stop_reason
    yield ""
    for transcript in town.arena.run_conversations(town.talks, 3).values():
        assert len(transcript) == 1 + 1 + 3


@on(run_turn, run_conversation, run_conversations, streams=False)
def test_in_the_arena(endpoint: Endpoint, surface: Any, fault: str, capsys: Any) -> None:
    town = Town(endpoint)
    before = town.memory()
    endpoint.is_broken = True
    steps = surface(town)
    while reason := next(steps):
        assert_explained(reason, fault)
        assert town.memory() == before
    endpoint.is_broken = False
    assert list(steps) == []  # the next turns work
    assert KEY not in capsys.readouterr().out


# --- in the panels --------------------------------------------------------------------------------


def say(box: Any) -> None:
    with pytest.raises(ReplyError):
        box.say("Who goes there?")


def send(box: Any) -> None:
    fill_in(text_field(box.widget), "Who goes there?")
    button(box.widget, "Send").click()


@on(say, send, streams=True)
def test_in_the_chat_box(
    endpoint: Endpoint, surface: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", "blocking")  # a click comes back when all of it is done
    town = Town(endpoint)
    box = chat_box(town.factory, town.npc_ids[0], "learner")
    before = town.memory()
    endpoint.is_broken = True
    surface(box)
    assert_explained(text_of(box.widget), fault)
    assert town.memory() == before
    endpoint.is_broken = False
    button(box.widget, "Retry").click()
    assert town.memory() != before
    assert town.factory.get_npc_chat_history(town.npc_ids[0], town.user)[-1]["content"] == STILL_HERE
    assert not button(box.widget, "Send").disabled
    assert KEY not in str(box.transcript)


@on(arena_controls, streams=True)
def test_in_the_arenas_controls(
    endpoint: Endpoint, surface: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npc_lab.widgets.arena_model.talk_figure", None)  # pictures take longer than all else
    town = Town(endpoint)
    panel = surface(town.arena, *town.npc_ids)
    panel.run(1)
    before = town.memory()
    endpoint.is_broken = True
    transcript = panel.run(2)
    assert_explained(transcript.stop_reason, fault)
    assert_explained(text_of(panel.widget), fault)
    assert town.memory() == before
    endpoint.is_broken = False
    assert len(panel.run(2)) == 1 + 1 + 2
    assert KEY not in text_of(panel.widget)


# --- on the command line --------------------------------------------------------------------------


@pytest.fixture
def npc_lab_command(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs a command on the endpoint: gives its exit code and all that it printed."""
    monkeypatch.setattr(npc_lab.cli, "connect", lambda *_, **__: Connection(endpoint.client(), "some-model"))

    def run(command: str, *arguments: str, typed: str = "") -> tuple[int, str]:
        arguments = (command, "--base-url", endpoint.server.base_url, "--model", "some-model", *arguments)
        result = CliRunner().invoke(npc_lab.cli.app, list(arguments), input=typed, prog_name="npc-lab")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


def chat(endpoint: Endpoint, run: Any) -> tuple[str, str]:
    endpoint.is_hasty = True
    code, shown = run("chat", typed=f"Hello!\n{BREAK}\nStill there?\n/quit\n")
    assert code == 0
    assert [message["content"] for message in endpoint.server.sent[-1][-3:]] == [
        "Hello!",
        STILL_HERE,
        "Still there?",
    ]
    first, _, after = shown.partition(f"You: {BREAK}")
    assert STILL_HERE in first
    return after.partition("You: Still there?")[0], after.partition("You: Still there?")[2]


def demo(endpoint: Endpoint, run: Any) -> tuple[str, str]:
    endpoint.is_broken = True
    code, shown = run("demo", "--turns", "1")
    assert code == 1
    endpoint.is_broken = False
    code, shown_then = run("demo", "--turns", "1")
    assert code == 0
    return shown, shown_then


@on(chat, demo, streams=True)
def test_on_the_command_line(endpoint: Endpoint, surface: Any, fault: str, npc_lab_command: Any) -> None:
    shown, shown_then = surface(endpoint, npc_lab_command)
    assert_explained(shown, fault)
    assert "Traceback" not in shown
    assert STILL_HERE in shown_then


def doctor(run: Any) -> tuple[int, str]:
    return run("doctor")  # type: ignore[no-any-return]


@on(doctor, streams=True)
def test_the_doctor_says_what_is_wrong(
    endpoint: Endpoint, surface: Any, fault: str, npc_lab_command: Any
) -> None:
    endpoint.is_broken = True
    code, shown = surface(npc_lab_command)
    assert KEY not in shown
    # One token that is a thought or a blank is a reply all the same.
    if KINDS[fault] in ("no_answer", "cut_off"):
        assert code == 0 or "output limit" in shown
    else:
        assert code == 1
        assert_explained(shown, fault)
    endpoint.is_broken = False
    assert surface(npc_lab_command)[0] == 0


# --- in a notebook's cell -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    """What runs a notebook's cells, without its history on disk."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    made = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    yield made
    made.restore_sys_module_state()


def run_cell(shell: Any, capsys: Any, cell: str, **names: Any) -> tuple[Any, str]:
    capsys.readouterr()
    shell.push(names)
    result = shell.run_cell(cell)
    printed = capsys.readouterr()
    return result, printed.out + printed.err


CELLS = {
    "said": 'factory.chat_with_npc(npc_id, user, "Who goes there?")',
    "handled": (
        "try:\n"
        '    print(factory.chat_with_npc(npc_id, user, "Who goes there?"))\n'
        "except ReplyError as error:\n"
        "    print(error.kind, error.hint)"
    ),
}


@pytest.mark.long
@on(run_cell, streams=False)
def test_in_a_notebooks_cell(endpoint: Endpoint, surface: Any, fault: str, shell: Any, capsys: Any) -> None:
    town = Town(endpoint)
    before = town.memory()
    names = {
        "factory": town.factory,
        "npc_id": town.npc_ids[0],
        "user": town.user,
        "ReplyError": ReplyError,
    }
    endpoint.is_broken = True
    for cell in CELLS.values():
        _, shown = surface(shell, capsys, cell, **names)
        assert_explained(shown, fault)
        assert town.memory() == before
    endpoint.is_broken = False
    for cell in CELLS.values():
        result, shown = surface(shell, capsys, cell, **names)
        assert result.success, shown
