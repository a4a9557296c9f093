"""The arena's controls, as a director uses them: pressed, filled in and read, without a page."""

import base64
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, cycle
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as widgets
import pytest
from loopback import Pause, Status, Stream, chunk
from panels import (
    PATIENCE,
    button,
    fill_in,
    foreign_markup,
    gated,
    is_shown,
    lines,
    open_fold,
    plain,
    text_of,
    wait_until,
    walk,
)

import npc_lab.widgets.arena_model
import npc_lab.widgets.lines
from npc_lab import (
    ChatArena,
    ChatArenaError,
    FakeClient,
    Message,
    NPCFactory,
    NPCNotFoundError,
    NPCNotFoundInArenaError,
    fake_error,
)
from npc_lab.widgets import arena_controls
from npc_lab.widgets.lines import Line

pytestmark = pytest.mark.packages

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
NO_THOUGHTS = "No private thoughts so far."
OPENING = "(opening)\nHello! Who are you?"


def who_and_count(messages: list[dict[str, str]]) -> str:
    """The speaker's own number and how many lines it has said, so that every line is different."""
    who = "Two" if "You are Two" in messages[0]["content"] else "One"
    return f"{who} says line {sum(message['role'] == 'assistant' for message in messages) + 1}"


class Desk:
    """A director at the controls."""

    def __init__(self, arena: Any, npc1_id: str, npc2_id: str, *args: Any, **options: Any):
        self.arena = arena
        self.panel = arena_controls(arena, npc1_id, npc2_id, *args, **options)
        self.widget = self.panel.widget

    def button(self, name: str) -> Any:
        return button(self.widget, name)

    def press(self, *names: str) -> None:
        for name in names:
            self.button(name).click()

    def press_and_wait(self, *names: str) -> None:
        for name in names:
            self.press(name)
            self.wait()

    def wait(self) -> None:
        """Until nobody speaks. `wait` of the panel has no deadline, a test has one."""
        waiting = threading.Thread(target=self.panel.wait, daemon=True)
        waiting.start()
        waiting.join(PATIENCE)
        assert not waiting.is_alive(), f"The talk does not end: {self.status}"
        assert not self.button("Start").disabled

    def field(self, description: str) -> Any:
        return next(each for each in walk(self.widget) if getattr(each, "description", "") == description)

    def drop_in(self, line: str) -> None:
        fill_in(self.field("Director:"), line)
        self.press("Drop in")

    def choose(self, description: str, npc_id: str) -> None:
        menu = self.field(description)
        menu.set_state({"index": [value for _, value in menu.options].index(npc_id)})

    def names(self) -> list[str]:
        return [label for label, _ in self.field("First:").options]

    def sheet(self, place: int) -> Any:
        """The description of the first or the second character, in the fold."""
        return [each for each in walk(self.widget) if isinstance(each, widgets.Textarea)][place]

    def describe(self, place: int, description: str) -> None:
        fill_in(self.sheet(place), description)

    @property
    def text(self) -> str:
        return text_of(self.widget)

    @property
    def lines(self) -> list[str]:
        """What is seen of each line, without the seconds it took."""
        return [re.sub(r"\n\d+\.\d s$", "", each) for each in lines(self.widget)]

    @property
    def line_widgets(self) -> list[Any]:
        return [each for each in walk(self.widget) if "npc-lab-line" in each._dom_classes]

    @property
    def status(self) -> str:
        return str(next(each for each in walk(self.widget) if isinstance(each, widgets.Label)).value)

    @property
    def progress(self) -> tuple[int, int]:
        bar = next(each for each in walk(self.widget) if isinstance(each, widgets.IntProgress))
        return bar.value, bar.max

    @property
    def notice(self) -> str:
        """What the visible notice says, or ""."""
        boxes = [each for each in walk(self.widget) if "role='alert'" in str(getattr(each, "value", ""))]
        return "\n".join(plain(each.value) for each in boxes if is_shown(self.widget, each))

    @property
    def offers_retry(self) -> bool:
        return is_shown(self.widget, self.button("Retry"))

    @property
    def picture(self) -> bytes:
        values = [each.value for each in walk(self.widget) if isinstance(each, widgets.HTML)]
        found = re.search("data:image/png;base64,([^']*)", "".join(values))
        return base64.b64decode(found[1]) if found else b""

    def wait_for_line(self, *words: str) -> None:
        wait_until(lambda: any(all(word in line for word in words) for line in self.lines), repr(words))

    def wait_for_status(self, words: str) -> None:
        wait_until(lambda: words in self.status, repr(words))

    @property
    def said(self) -> list[str]:
        return [message.content for message in self.panel.transcript]

    @property
    def conversation(self) -> Any:
        return list(self.arena.conversations.values())[-1]


def cast(replies: Any = who_and_count, **more: Any) -> tuple[ChatArena, str, str]:
    factory = NPCFactory(replies if hasattr(replies, "chat") else FakeClient(replies), "m")
    return (
        ChatArena(factory),
        factory.register_npc("London", "You are One", memory="all", **more),
        factory.register_npc("London", "You are Two", memory="all", **more),
    )


def desk(replies: Any = who_and_count, *args: Any, **options: Any) -> Desk:
    return Desk(*cast(replies), *args, **options)


def inside(fold: Any) -> list[str]:
    """What an open fold shows, below its heading if it has one."""
    shown = text_of(fold).split("\n")
    return shown[shown.index("One") :]


def gates(count: int) -> list[threading.Event]:
    return [threading.Event() for _ in range(count)]


@pytest.fixture(autouse=True)
def _by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", "thread")


@pytest.fixture
def with_pictures() -> None:
    """This test draws: that takes a tenth of a second each time."""


@pytest.fixture(autouse=True)
def _without_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were not installed."""
    if "with_pictures" not in request.fixturenames:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


# --- Start, Step, Pause, Stop ---------------------------------------------------------------------


def test_before_the_first_line() -> None:
    panel = desk(max_turns=4)
    assert panel.lines == []
    assert panel.status.startswith("0 of 4 turns done · press Start")
    assert panel.progress == (0, 4)
    names = ("Start", "Step", "Pause", "Stop", "New talk")
    assert [name for name in names if not panel.button(name).disabled] == ["Start", "Step"]
    assert panel.arena.conversations == {}
    for name in ("Pause", "Stop", "New talk"):
        panel.press(name)
    assert repr(panel.panel) == "ArenaControls('One and Two', 0 turns done)"


def test_step_adds_exactly_one_line() -> None:
    panel = desk(max_turns=4)
    for turn in (1, 2, 3):
        panel.press_and_wait("Step")
        assert len(panel.said) == 1 + turn
        assert len(panel.lines) == 1 + turn
        assert panel.progress == (turn, turn)
        assert re.fullmatch(rf"{turn} of {turn} turns done · \d+\.\d s", panel.status)
    assert panel.lines == [OPENING, "One\nOne says line 1", "Two\nTwo says line 1", "One\nOne says line 2"]


def test_start_runs_to_the_number_asked_for_and_then_on() -> None:
    panel = desk(who_and_count, "Who goes there?", max_turns=4)
    panel.press_and_wait("Start")
    assert panel.said == [
        "Who goes there?",
        *(f"{who} says line {n}" for n in (1, 2) for who in ("One", "Two")),
    ]
    assert panel.progress == (4, 4)
    assert re.fullmatch(r"4 of 4 turns done · \d+\.\d s", panel.status)
    fill_in(panel.field("Turns:"), 3)  # type: ignore[arg-type]
    panel.press_and_wait("Start")
    assert len(panel.said) == 8
    assert panel.progress == (7, 7)
    assert panel.panel.transcript.stop_reason == panel.conversation["stop_reason"] == "3 turns done"


def test_the_speakers_are_told_apart_by_name_and_side() -> None:
    panel = desk(max_turns=3)
    panel.press_and_wait("Start")
    kinds = [set(line._dom_classes) - {"npc-lab-line"} for line in panel.line_widgets]
    assert kinds == [{"npc-lab-aside"}, {"npc-lab-one"}, {"npc-lab-two"}, {"npc-lab-one"}]


def test_pause_holds_after_the_line_under_way_and_start_goes_on_to_the_same_total() -> None:
    gate = threading.Event()
    panel = desk(["a", gated("half", gate, " whole"), "c", "d", "e"], max_turns=4)
    panel.press("Start")
    panel.wait_for_line("half")
    panel.press("Pause", "Pause")
    assert panel.status.endswith("pausing after this line …")
    assert panel.button("Pause").disabled
    assert not panel.button("Stop").disabled
    gate.set()
    panel.wait()
    assert panel.said[1:] == ["a", "half whole"]
    assert panel.progress == (2, 4)
    assert panel.status.endswith("you paused it")
    assert panel.conversation["stop_reason"] == "you paused it"
    panel.press_and_wait("Start")
    assert panel.said[1:] == ["a", "half whole", "c", "d"]
    assert panel.progress == (4, 4)


def paused_at_two_of_four() -> Desk:
    gate = threading.Event()
    panel = desk(["a", gated("half", gate, " whole"), *"cdefghijklmnop"], max_turns=4)
    panel.press("Start")
    panel.wait_for_line("half")
    panel.press("Pause")
    gate.set()
    panel.wait()
    return panel


@pytest.mark.parametrize(("turns", "total"), [(4, 4), (7, 7), (3, 3), (2, 4), (1, 3)])
def test_turns_changed_in_a_pause_count_from_the_first_one(turns: int, total: int) -> None:
    panel = paused_at_two_of_four()
    fill_in(panel.field("Turns:"), turns)  # type: ignore[arg-type]
    panel.press_and_wait("Start")
    assert panel.progress == (total, total)
    assert len(panel.said) == 1 + total


def test_a_step_in_a_pause_counts_among_the_turns_asked_for() -> None:
    panel = paused_at_two_of_four()
    panel.press_and_wait("Step")
    assert panel.progress == (3, 4)
    panel.press_and_wait("Start")
    assert panel.progress == (4, 4)
    assert len(panel.panel.run(3)) == 8
    assert panel.progress == (7, 7)


def test_stop_ends_in_mid_line_and_closes_the_request(loopback: Any) -> None:
    half = Stream(chain([chunk("Once upon")], cycle([Pause(0.02), chunk(" a time")])))
    server = loopback(["Hail.", half, "Well met.", "So be it."])
    panel = desk(server.client(), max_turns=3)
    panel.press("Start")
    panel.wait_for_line("Once upon")
    assert server.in_progress == 1
    panel.press("Stop")
    panel.wait()
    server.wait_until_idle()
    name, words, mark = panel.lines[-1].split("\n")
    assert name == "Two"
    assert words.startswith("Once upon")
    assert mark == "(broken off, not recorded)"
    assert panel.status.endswith("you stopped it")
    assert panel.notice == ""
    assert panel.progress == (1, 3)
    assert panel.said[1:] == ["Hail."]
    assert panel.conversation["stop_reason"] == "you stopped it"
    two = panel.conversation["npc2_id"]
    assert panel.arena.npc_factory.get_npc_chat_history(two, panel.conversation["npc1_user_id"]) == []
    panel.press_and_wait("Step")
    assert server.sent[2] == server.sent[1]
    assert panel.lines[-1] == "Two\nWell met."
    assert panel.progress == (2, 2)


def test_stop_after_stop_and_start_asks_for_all_turns_anew() -> None:
    gate = threading.Event()
    panel = desk(["a", gated("half", gate), *"bcdefg"], max_turns=3)
    panel.press("Start")
    panel.wait_for_line("half")
    panel.press("Stop", "Stop")
    panel.wait()
    panel.press_and_wait("Start")
    assert panel.said[1:] == ["a", "b", "c", "d"]
    assert panel.progress == (4, 4)


class SlowArena(ChatArena):
    """Takes its time before each turn."""

    def __init__(self, npc_factory: Any):
        super().__init__(npc_factory)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        self.begun.set()
        self.go_on.wait(PATIENCE)
        return super().run_turn(conversation_id)


def test_stop_before_anybody_speaks() -> None:
    arena, one, two = cast()
    slow = SlowArena(arena.npc_factory)
    panel = Desk(slow, one, two)
    panel.press("Start")
    slow.begun.wait(PATIENCE)
    panel.press("Stop")
    assert panel.status.endswith("stopping …")
    slow.go_on.set()
    panel.wait()
    assert arena.npc_factory.client.calls == []
    assert panel.status.endswith("you stopped it")
    assert panel.lines == [OPENING]


def test_stop_leaves_another_talk_of_the_same_two_alone() -> None:
    here, there = gates(2)
    replies = [gated("left", here, " whole"), gated("right", there, " whole")]
    arena, one, two = cast(replies)
    left, right = Desk(arena, one, two, max_turns=1), Desk(arena, one, two, max_turns=1)
    left.press("Start")
    left.wait_for_line("left")
    right.press("Start")
    right.wait_for_line("right")
    left.press("Stop")
    left.wait()
    there.set()
    right.wait()
    assert left.said == ["Hello! Who are you?"]
    assert right.said == ["Hello! Who are you?", "right whole"]
    assert len(arena.conversations) == 2


def test_start_pressed_twice_at_once_is_one_run() -> None:
    panel = desk(max_turns=3)
    both = threading.Barrier(4)

    def press(name: str) -> None:
        both.wait(PATIENCE)
        panel.press(name)

    threads = [threading.Thread(target=press, args=[name]) for name in ("Start",) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    panel.wait()
    # A thread that came late enough finds the run over and begins another, as somebody would by hand.
    assert len(panel.arena.conversations) == 1
    assert (len(panel.said) - 1) % 3 == 0
    assert len(panel.said) - 1 == panel.progress[0]


def test_while_somebody_speaks_no_second_run_begins() -> None:
    gate = threading.Event()
    panel = desk([gated("half", gate, " whole"), "b"], max_turns=1)
    panel.press("Start")
    panel.wait_for_line("half")
    assert panel.button("Start").disabled
    assert panel.button("Step").disabled
    panel.press("Start", "Step", "New talk", "Start")
    gate.set()
    panel.wait()
    assert panel.said[1:] == ["half whole"]


@pytest.mark.parametrize("pump", ["thread", "browser", "blocking"])
def test_every_pump_steps_starts_and_runs(pump: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", pump)
    panel = desk(max_turns=2)
    answer_like_a_page(panel.widget)
    panel.press_and_wait("Step", "Start")
    assert len(panel.panel.run(3)) == len(panel.lines) == 7
    assert panel.status.startswith("6 of 6 turns done")


def answer_like_a_page(widget: Any) -> None:
    """A page copies the first of the two hidden numbers to the second."""
    numbers = [each for each in walk(widget) if type(each) is widgets.IntText]
    if len(numbers) == 2:
        ping, pong = numbers

        def answer(_: object) -> None:
            threading.Timer(0.005, lambda: setattr(pong, "value", ping.value)).start()

        ping.observe(answer, "value")


# --- without a browser ----------------------------------------------------------------------------


def test_run_gives_the_whole_talk_and_says_why_it_ended() -> None:
    panel = desk(["a", "b", fake_error("auth")]).panel
    assert [message.content for message in panel.run(0)] == ["Hello! Who are you?"]
    assert panel.run(0).stop_reason == "0 turns done"
    assert [message.seat for message in panel.run(1)] == [None, 1]
    transcript = panel.run(5)
    assert [message.content for message in transcript] == ["Hello! Who are you?", "a", "b"]
    assert transcript.stop_reason.startswith("The endpoint did not accept the key.")
    assert "One: a" in str(transcript)


@pytest.mark.parametrize("turns", [-1, 2.5, "3", None, True])
def test_a_wrong_number_of_turns_is_refused(turns: Any) -> None:
    panel = desk()
    with pytest.raises(ChatArenaError, match="whole number, 0 or more"):
        panel.panel.run(turns)
    assert panel.arena.conversations == {}
    with pytest.raises(ChatArenaError, match="whole number, 1 or more"):
        Desk(*cast(), max_turns=turns)


def test_wrong_ids_openings_and_limits_are_refused_at_once() -> None:
    arena, one, two = cast()
    for pair in ((one, "npc-0"), ("npc-0", two)):
        with pytest.raises(NPCNotFoundInArenaError):
            arena_controls(arena, *pair)
    with pytest.raises(ChatArenaError, match="opening line must be text"):
        arena_controls(arena, one, two, None)  # type: ignore[arg-type]
    with pytest.raises(ChatArenaError, match="1 or more"):
        arena_controls(arena, one, two, max_turns=0)
    assert Desk(arena, one, two, max_turns=5000).field("Turns:").value == 5000


def test_run_waits_for_a_run_that_is_under_way() -> None:
    gate = threading.Event()
    panel = desk([gated("half", gate, " whole"), "b", "c"], max_turns=1)
    panel.press("Start")
    panel.wait_for_line("half")
    threads = [threading.Thread(target=panel.panel.run, args=[1]) for _ in range(2)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(PATIENCE)
    panel.wait()
    assert panel.said[1:] == ["half whole", "b", "c"]
    assert panel.progress == (3, 3)


@pytest.mark.long
@pytest.mark.usefixtures("with_pictures")
def test_a_talk_of_two_hundred_lines_is_drawn_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    pictures: list[bytes] = []
    to_html, png = npc_lab.widgets.lines.to_html, npc_lab.widgets.arena_model.png
    monkeypatch.setattr(npc_lab.widgets.lines, "to_html", lambda text: drawn.append(text) or to_html(text))
    monkeypatch.setattr(
        npc_lab.widgets.arena_model, "png", lambda figure: pictures.append(png(figure)) or pictures[-1]
    )
    panel = desk()
    began = datetime.now(UTC)
    panel.panel.run(200)
    seconds = (datetime.now(UTC) - began).total_seconds()
    assert len(panel.lines) == 201
    assert len(drawn) < 3 * 201
    assert len(pictures) <= 2 + seconds / npc_lab.widgets.arena_model.SECONDS_BETWEEN_PICTURES
    assert panel.picture == pictures[-1]


@pytest.mark.usefixtures("with_pictures")
def test_a_step_draws_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    figure = npc_lab.widgets.arena_model.talk_figure
    monkeypatch.setattr(
        npc_lab.widgets.arena_model, "talk_figure", lambda talk: drawn.append(talk) or figure(talk)
    )
    panel = desk(max_turns=2)
    for steps in (1, 2):
        panel.press_and_wait("Step")
        assert len(drawn) == steps


def test_a_line_is_read_out_when_it_is_whole() -> None:
    panel = desk(["Good day.", "Well met."]).panel
    heard = [each for each in walk(panel.widget) if "aria-live='polite'" in str(getattr(each, "value", ""))]
    for line in ("One: Good day.", "Two: Well met."):
        panel.run(1)
        assert [f">{line}</div>" in each.value for each in heard] == [True]


def test_in_a_long_talk_recorded_lines_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = desk()
    panel.panel.run(100)
    shown: list[str] = []
    show = Line.show
    monkeypatch.setattr(Line, "show", lambda line, text, *more: shown.append(text) or show(line, text, *more))
    panel.panel.run(1)
    assert set(shown) <= {panel.panel.transcript[-1].content, ""}


# --- lines ----------------------------------------------------------------------------------------


def test_a_line_grows_in_one_widget_and_finished_lines_are_left_alone() -> None:
    first, second, third = gates(3)
    panel = desk(["Ready.", gated("It ", first, "was ", second, "dark."), gated("And ", third, "cold.")])
    panel.press_and_wait("Step")
    finished = panel.line_widgets
    changes: list[Any] = []
    for part in (each for line in finished for each in walk(line)):
        part.observe(changes.append)
    panel.press("Step")
    panel.wait_for_line("It")
    live = panel.line_widgets[-1]
    for gate, words in ((first, "It was"), (second, "It was dark.")):
        gate.set()
        panel.wait_for_line(words)
        assert panel.line_widgets == [*finished, live]
    panel.wait()
    assert panel.line_widgets == [*finished, live]
    live.children[1].observe(changes.append)
    panel.press("Step")
    panel.wait_for_line("And")
    third.set()
    panel.wait()
    assert panel.line_widgets[:3] == [*finished, live]
    assert changes == []


def test_a_line_that_has_not_begun_shows_who_is_thinking() -> None:
    gate = threading.Event()
    panel = desk([gated(gate, "Hail.")])
    panel.press("Step")
    panel.wait_for_line("One", "…")
    gate.set()
    panel.wait()
    assert panel.lines[-1] == "One\nHail."


class SlowToReturn(ChatArena):
    """After a line is recorded, its first turn waits before it returns."""

    def __init__(self, factory: NPCFactory):
        super().__init__(factory)
        self.recorded, self.go_on = gates(2)

    def run_turn(self, conversation_id: str) -> Any:
        outcome = super().run_turn(conversation_id)
        self.recorded.set()
        self.go_on.wait(PATIENCE)
        return outcome


def test_a_line_that_is_just_recorded_is_seen_once() -> None:
    arena, one, two = cast()
    panel = Desk(slow := SlowToReturn(arena.npc_factory), one, two, max_turns=1)
    panel.press("Start")
    assert slow.recorded.wait(PATIENCE)
    panel.drop_in("It rains.")  # draws everything
    assert panel.lines == [OPENING, "One\nOne says line 1", "(director)\nIt rains.\n(for the next speaker)"]
    slow.go_on.set()
    panel.wait()


def test_an_empty_opening_leaves_the_first_word_to_the_first() -> None:
    panel = desk(max_turns=1, opening="")
    panel.press_and_wait("Start")
    assert panel.lines == ["One\nOne says line 1"]


def test_an_npc_that_talks_with_itself_has_two_seats() -> None:
    arena, one, _ = cast(lambda messages: f"line after {len(messages)}", has_scratchpad=False)
    panel = Desk(arena, one, one, max_turns=3)
    panel.press_and_wait("Start")
    assert [line.split("\n")[0] for line in panel.lines] == [
        "(opening)",
        *("One (seat 1)", "One (seat 2)") * 2,
    ][:4]
    open_fold(panel.widget, "Change the characters")
    assert [is_shown(panel.widget, panel.sheet(place)) for place in (0, 1)] == [True, False]
    panel.describe(0, "You are Nobody")
    panel.press("Apply")
    assert arena.npc_factory.npcs[one].config.character_description == "You are Nobody"


# --- the director ---------------------------------------------------------------------------------


def test_a_directors_line_before_the_talk_and_between_two_turns() -> None:
    panel = desk(max_turns=2)
    panel.drop_in("It rains.")
    assert panel.lines == [OPENING, "(director)\nIt rains."]
    assert panel.field("Director:").value == ""
    panel.press_and_wait("Step")
    panel.drop_in("A bell rings.")
    panel.press_and_wait("Step")
    heard = [call["messages"][-1]["content"] for call in panel.arena.npc_factory.client.calls]
    assert heard == ["Hello! Who are you?\n\nIt rains.", "One says line 1\n\nA bell rings."]
    assert [message.sender for message in panel.panel.transcript if message.seat is None] == [
        "system", "director", "director"
    ]  # fmt: skip
    assert "lines spoken2characters a line15seconds" in panel.text.replace("\n", "")


def test_a_directors_line_while_somebody_speaks_is_seen_at_once_and_heard_by_the_next() -> None:
    gate = threading.Event()
    panel = desk([gated("Once", gate, " upon a time."), "Indeed.", "Oh."], max_turns=2)
    panel.press("Start")
    panel.wait_for_line("Once")
    panel.drop_in("A bell rings.")
    panel.drop_in("It rains.")
    mark = "(for the next speaker)"
    directed = ["(director)\nA bell rings.", "(director)\nIt rains."]
    assert panel.lines[1:] == ["One\nOnce", *(f"{line}\n{mark}" for line in directed)]
    shown = panel.line_widgets
    assert len(panel.said) == 1
    gate.set()
    panel.wait()
    assert panel.said[1:] == ["Once upon a time.", "A bell rings.", "It rains.", "Indeed."]
    assert panel.lines[1:] == ["One\nOnce upon a time.", *directed, "Two\nIndeed."]
    assert panel.line_widgets[:4] == shown
    heard = [call["messages"][-1]["content"] for call in panel.arena.npc_factory.client.calls]
    assert heard[1] == "Once upon a time.\n\nA bell rings.\n\nIt rains."
    assert panel.arena.evaluate_conversation(next(iter(panel.arena.conversations)))["turn_count"] == 2


@pytest.mark.parametrize("ending", ["done", "Stop", "failed"])
def test_a_directors_line_in_the_last_line_of_a_run_is_not_lost(ending: str) -> None:
    gate = threading.Event()
    broken = {"finish_reason": None} if ending == "failed" else {}
    panel = desk([gated("Once", gate, " more.", **broken), "Indeed."], max_turns=1)
    panel.press("Start")
    panel.wait_for_line("Once")
    panel.drop_in("A bell rings.")
    if ending == "Stop":
        panel.press("Stop")
    gate.set()
    panel.wait()
    recorded = ["Once more."] if ending == "done" else []
    assert panel.said[1:] == [*recorded, "A bell rings."]
    left_over = {"Stop": ["One\nOnce"], "failed": ["One\nOnce more."], "done": []}[ending]
    mark = "\n(broken off, not recorded)"
    assert panel.lines[-1 - len(left_over) :] == [
        "(director)\nA bell rings.",
        *(line + mark for line in left_over),
    ]
    panel.press_and_wait("Step")
    before = "Once more." if ending == "done" else "Hello! Who are you?"
    heard = panel.arena.npc_factory.client.calls[1]["messages"]
    assert heard[-1]["content"] == f"{before}\n\nA bell rings."
    assert heard[0]["content"].endswith("Two" if ending == "done" else "One")


def test_an_empty_directors_line_is_a_notice_and_records_nothing() -> None:
    panel = desk()
    panel.drop_in("  ")
    assert panel.notice == "The director's line is empty. Write at least one word."
    assert not panel.offers_retry
    assert panel.arena.conversations == {}
    panel.drop_in("It rains.")
    assert panel.notice == ""


def test_a_changed_description_is_what_the_next_prompt_holds() -> None:
    gate = threading.Event()
    panel = desk(["a", gated("half", gate, " whole"), "c", "d"], max_turns=4)
    panel.press_and_wait("Step")
    open_fold(panel.widget, "Change the characters")
    panel.describe(0, "You are One, and tired")
    panel.press("Apply")
    assert "It holds from the next line on." in panel.text
    panel.press("Start")
    panel.wait_for_line("half")
    panel.describe(1, "You are Two, and angry")
    panel.press("Apply")
    gate.set()
    panel.wait()
    systems = [call["messages"][0]["content"] for call in panel.arena.npc_factory.client.calls]
    assert [system.split("\n###\n")[1] for system in systems[:4]] == [
        "You are One", "You are Two", "You are One, and tired", "You are Two, and angry"
    ]  # fmt: skip
    assert [line.split("\n")[0] for line in panel.lines[1:5]] == ["One", "Two"] * 2


def test_what_is_being_written_about_a_character_stays_when_the_talk_goes_on() -> None:
    panel = desk(max_turns=1)
    open_fold(panel.widget, "Change the characters")
    panel.describe(0, "You are One, and I have not fini")
    panel.press_and_wait("Start")
    panel.drop_in("It rains.")
    panel.button("Change the characters").value = False
    panel.button("Change the characters").value = True
    panel.press("Apply")
    configs = [npc.config.character_description for npc in panel.arena.npc_factory.npcs.values()]
    assert configs == ["You are One, and I have not fini", "You are Two"]


def test_a_sheet_belongs_to_the_character_that_is_chosen() -> None:
    arena, one, two = cast()
    three = arena.npc_factory.register_npc("London", "You are Three")
    panel = Desk(arena, one, two)
    open_fold(panel.widget, "Change the characters")
    panel.choose("First:", three)
    assert panel.sheet(0).value == "You are Three"
    panel.describe(0, "You are Three, and new")
    panel.press("Apply")
    configs = [npc.config.character_description for npc in arena.npc_factory.npcs.values()]
    assert configs == ["You are One", "You are Two", "You are Three, and new"]
    assert arena.npc_factory.npcs[one].config.character_description == "You are One"


# --- another talk ---------------------------------------------------------------------------------


def test_a_new_talk_with_other_characters_and_another_opening(tmp_path: Path) -> None:
    arena, one, two = cast()
    panel = Desk(arena, one, two, max_turns=1)
    assert panel.names() == ["One", "Two"]
    panel.press_and_wait("Start")
    assert panel.field("First:").disabled
    assert panel.field("Opening:").disabled
    three = arena.npc_factory.register_npc("London", "You are Three")
    panel.press("New talk")
    assert panel.lines == []
    assert panel.progress == (0, 1)
    assert not panel.field("First:").disabled
    assert panel.names() == ["One", "Two", "Three"]
    assert panel.field("Second:").value == two
    panel.choose("First:", two)
    panel.choose("Second:", three)
    fill_in(panel.field("Opening:"), "Who goes there?")
    panel.press_and_wait("Start")
    assert panel.lines == ["(opening)\nWho goes there?", "Two\nTwo says line 1"]
    assert len(arena.conversations) == 2
    open_fold(panel.widget, "Copy and save")
    assert any("Two and Three" in str(getattr(each, "value", "")) for each in walk(panel.widget))
    assert "# Two and Three" in panel.panel.export(tmp_path / "talk.md").read_text(encoding="utf-8")


def test_the_menus_tell_two_of_the_same_name_apart() -> None:
    arena, one, two = cast()
    other = arena.npc_factory.register_npc("Paris", "You are One")
    panel = Desk(arena, one, two)
    assert panel.names() == [f"One ({one[-4:]})", "Two", f"One ({other[-4:]})"]


def test_an_npc_that_vanished_is_a_notice_and_another_talk_is_possible() -> None:
    gate = threading.Event()
    arena, one, two = cast([gated("half", gate, " whole"), "b", "c"])
    three = arena.npc_factory.register_npc("London", "You are Three")
    panel = Desk(arena, one, two, max_turns=3)
    panel.press("Start")
    panel.wait_for_line("half")
    del arena.npc_factory.npcs[two]
    gate.set()
    panel.wait()
    assert panel.notice == str(NPCNotFoundError(two, arena.npc_factory.npcs))
    assert panel.said[1:] == ["half whole"]
    assert panel.lines[1:] == ["One\nhalf whole"]
    for name in ("Private thoughts", "Change the characters", "Copy and save"):
        open_fold(panel.widget, name)
    panel.press("New talk")
    panel.choose("Second:", two)
    panel.press("Start")
    assert two in panel.notice
    panel.choose("Second:", three)
    panel.press_and_wait("Step")
    assert panel.notice == ""
    assert panel.lines[-1] == "One\nb"
    del arena.npc_factory.npcs[three]
    panel.press("New talk")
    assert panel.notice == ""
    panel.choose("Second:", one)
    panel.press_and_wait("Step")
    assert panel.lines[-1] == "One (seat 1)\nc"


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_failed_turn_is_a_notice_with_a_hint_and_retry_goes_on_with_the_same_speaker(loopback: Any) -> None:
    server = loopback(["Hail.", Status(401, "No."), "Well met.", "So be it."])
    panel = desk(server.client(), max_turns=3)
    panel.press_and_wait("Start")
    assert panel.notice.startswith("The endpoint did not accept the key.")
    assert "Check that the key is complete" in panel.notice
    assert panel.offers_retry
    assert panel.lines == [OPENING, "One\nHail."]
    assert panel.status.endswith("no reply")
    assert panel.progress == (1, 3)
    panel.press_and_wait("Retry")
    assert panel.notice == ""
    assert server.sent[2] == server.sent[1]
    assert panel.said[1:] == ["Hail.", "Well met.", "So be it."]
    assert panel.progress == (3, 3)


def test_a_reply_that_broke_off_stays_in_sight() -> None:
    panel = desk([gated("It was a", finish_reason=None)], max_turns=1)
    panel.press_and_wait("Start")
    assert panel.lines[-1] == "One\nIt was a\n(broken off, not recorded)"
    assert "broke off before its end" in panel.notice
    assert panel.said == ["Hello! Who are you?"]


def test_a_dead_endpoint_costs_nothing(loopback: Any) -> None:
    panel = desk(loopback([]).client(base_url="http://127.0.0.1:1/v1/"))
    panel.press_and_wait("Start", "Retry")
    assert "Nothing answers" in panel.notice
    assert panel.said == ["Hello! Who are you?"]


def test_a_conversation_that_vanished_is_a_notice_and_a_new_talk_is_possible() -> None:
    gate = threading.Event()
    panel = desk([gated("half", gate, " whole"), "b"], max_turns=2)
    panel.press("Start")
    panel.wait_for_line("half")
    panel.arena.conversations.clear()
    gate.set()
    panel.wait()
    assert "There is no conversation with the id" in panel.notice
    panel.press("New talk")
    panel.press_and_wait("Step")
    assert panel.notice == ""
    assert panel.lines[-1] == "One\nb"


def test_private_thoughts_are_shown_on_demand_and_nowhere_else(tmp_path: Path) -> None:
    gate, end = gates(2)
    replies = [
        "#SCRATCHPAD\nI fear Two.\n#ANSWER\nHail.",
        gated("#SCRATCHPAD\nA fool.", gate, "\n#ANSWER\nWell ", end, "met."),
    ]
    panel = Desk(*cast(replies, has_scratchpad=True), max_turns=2)
    fold = open_fold(panel.widget, "Private thoughts")
    assert inside(fold) == [
        "One",
        "No private thoughts so far.",
        "Two",
        "No private thoughts so far.",
    ]
    panel.press("Start")
    wait_until(lambda: "A fool." in text_of(fold))
    assert inside(fold) == ["One", "I fear Two.", "Two", "A fool."]
    gate.set()
    panel.wait_for_line("Well")
    end.set()
    panel.wait()
    assert inside(fold) == ["One", "I fear Two.", "Two", "A fool."]
    panel.button("Private thoughts").value = False
    assert "fear" not in panel.text
    open_fold(panel.widget, "Copy and save")
    files = [panel.panel.export(tmp_path / f"talk{ending}") for ending in (".md", ".jsonl", ".html")]
    written = [str(panel.panel.transcript), *(file.read_text(encoding="utf-8") for file in files)]
    downloads = re.findall(
        "base64,([^']*)", "".join(str(getattr(each, "value", "")) for each in walk(panel.widget))
    )
    assert len(downloads) >= 3
    written += [base64.b64decode(each).decode(errors="ignore") for each in downloads]
    assert not any(secret in text for text in written for secret in ("fear", "fool", "SCRATCHPAD"))


@pytest.mark.usefixtures("with_pictures")
def test_the_picture_and_the_numbers_appear_beside_the_talk() -> None:
    panel = desk(max_turns=2)
    assert panel.picture == b""
    assert "Measures appear after the first line." in panel.text
    panel.press_and_wait("Step")
    first = panel.picture
    assert first.startswith(PNG_SIGNATURE)
    panel.press_and_wait("Step")
    assert panel.picture.startswith(PNG_SIGNATURE)
    assert panel.picture != first
    for words in ("lines spoken", "characters a line", "seconds a line"):
        assert words in panel.text


def test_without_matplotlib_there_are_numbers() -> None:  # as in most of these tests
    panel = desk(max_turns=2)
    panel.press_and_wait("Start")
    assert panel.picture == b""
    assert "lines spoken" in panel.text
    assert panel.notice == ""
    assert panel.progress == (2, 2)


@pytest.mark.long
def test_pictures_need_no_pyplot_and_the_import_no_matplotlib() -> None:
    code = """
import sys
from npc_lab import ChatArena, FakeClient, NPCFactory
from npc_lab.widgets import arena_controls
from npc_lab.widgets.lines import Line
assert "matplotlib" not in sys.modules
factory = NPCFactory(FakeClient(["a", "b"]), "m")
npcs = [factory.register_npc("w", "You are A"), factory.register_npc("w", "You are B")]
panel = arena_controls(ChatArena(factory), *npcs)
assert "matplotlib" not in sys.modules
panel.run(2)
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


PAYLOAD = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_hostile_names_lines_and_thoughts_stay_text() -> None:
    client = FakeClient(lambda _: f"#SCRATCHPAD\n{PAYLOAD}\n#ANSWER\n{PAYLOAD} [x](javascript:alert(3))")
    factory = NPCFactory(client, "m")
    villains = [
        factory.register_npc(PAYLOAD, PAYLOAD, has_scratchpad=True, name=f"{PAYLOAD}{n}") for n in (1, 2)
    ]
    panel = Desk(ChatArena(factory), *villains, PAYLOAD, max_turns=2)
    for name in ("Private thoughts", "Change the characters", "Copy and save"):
        open_fold(panel.widget, name)
    panel.drop_in(PAYLOAD)
    panel.press_and_wait("Start")
    client.replies = [fake_error("server")]
    panel.press_and_wait("Start")
    panel.drop_in(" ")
    assert panel.text.count("<img src=x onerror=alert(1)>") > 8
    assert foreign_markup(panel.widget) == []
    for each in walk(panel.widget):
        if isinstance(each, widgets.HTML):
            assert "<img" not in each.value
            assert "<script" not in each.value
        assert "<" not in getattr(each, "description", "")
        assert "<" not in (getattr(each, "tooltip", "") or "")


def test_two_panels_and_a_cell_use_one_arena() -> None:
    arena, one, two = cast()
    left, right = Desk(arena, one, two, max_turns=2), Desk(arena, two, one, max_turns=3)
    left.press("Start")
    right.press("Start")
    transcript = arena.run_conversation(arena.start_conversation(one, two), 2)
    left.wait()
    right.wait()
    assert [message.content for message in transcript] == left.said
    assert [len(left.said), len(right.said)] == [3, 4]
    assert [line.split("\n")[0] for line in right.lines] == ["(opening)", "Two", "One", "Two"]


def test_a_panel_can_be_shown_twice(capsys: pytest.CaptureFixture[str]) -> None:
    panel = desk(max_turns=1)
    panel.panel._ipython_display_()
    panel.press_and_wait("Start")
    panel.panel._ipython_display_()
    assert len(panel.lines) == 2


# --- arenas that learners wrote -------------------------------------------------------------------


class Draft:
    """As in the reference solution: one user for each NPC, all in dicts, the factory by another name."""

    __slots__ = ()

    def __init__(self, factory: Any):
        self.factory = factory
        self.users: dict[str, str] = {}
        self.conversations: dict[str, Any] = {}
        self.total_turns = 0

    def register_npc_in_arena(self, npc_id: str) -> str:
        if npc_id not in self.users:
            self.users[npc_id] = self.factory.register_user(f"npc {npc_id}")
        return self.users[npc_id]

    def start_conversation(self, npc1: str, npc2: str, prompt: str = "Hello!") -> str:
        key = f"c{len(self.conversations)}"
        self.conversations[key] = {
            "npc1_id": npc1,
            "npc2_id": npc2,
            "npc1_user_id": self.register_npc_in_arena(npc1),
            "npc2_user_id": self.register_npc_in_arena(npc2),
            "messages": [Message("system", prompt, datetime.now())],
            "current_turn": npc1,
            "metrics": {},
        }
        return key

    def run_turn(self, key: str) -> tuple[bool, str]:
        talk = self.conversations[key]
        speaker = talk["current_turn"]
        is_first = speaker == talk["npc1_id"]
        partner = talk["npc2_user_id"] if is_first else talk["npc1_user_id"]
        try:
            line = self.factory.chat_with_npc(speaker, partner, talk["messages"][-1].content)
        except Exception as error:
            return False, str(error)
        talk["messages"].append(Message(speaker, line, datetime.now()))
        talk["current_turn"] = talk["npc2_id"] if is_first else talk["npc1_id"]
        self.total_turns += 1
        return True, line

    def get_conversation_history(self, key: str) -> list[Message]:
        return list(self.conversations[key]["messages"])

    def evaluate_conversation(self, key: str) -> dict[str, Any]:
        messages = self.conversations[key]["messages"][1:]
        words = {word for message in messages for word in message.content.split()}
        return {"turn_count": len(messages), "different <words>": len(words), "total": 12345.6}


class FirstDraft(Draft):
    """The usual one."""


class Note(NamedTuple):
    sender: str
    content: str
    timestamp: datetime


@dataclass
class Room:
    """A conversation with keys, as the contract asks, and more."""

    npc1_id: str
    npc2_id: str
    npc1_user_id: str
    npc2_user_id: str
    messages: list[Note] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    @property
    def current_turn(self) -> str:
        return (self.npc1_id, self.npc2_id)[(len(self.messages) - 1) % 2]


class WithClasses:
    """Conversations and messages are classes of its own, times have a zone. Metrics are still to come."""

    def __init__(self, factory: Any):
        self._factory = factory
        self.conversations: dict[str, Room] = {}
        self.total_turns = 0

    @property
    def npc_factory(self) -> Any:
        return self._factory

    def register_npc_in_arena(self, npc_id: str) -> str:
        return str(self._factory.register_user(npc_id))

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str) -> str:
        users = [self.register_npc_in_arena(npc_id) for npc_id in (npc1_id, npc2_id)]
        room = Room(npc1_id, npc2_id, *users, messages=[Note("system", initial_prompt, datetime.now(UTC))])
        self.conversations[f"room {len(self.conversations)}"] = room
        return f"room {len(self.conversations) - 1}"

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        room = self.conversations[conversation_id]
        speaker = room.current_turn
        partner = room.npc2_user_id if len(room.messages) % 2 else room.npc1_user_id
        line = self.npc_factory.chat_with_npc(
            message=room.messages[-1].content, npc_id=speaker, user_id=partner
        )  # an error passes
        room.messages.append(Note(speaker, line, datetime.now(UTC)))
        self.total_turns += 1
        return True, line

    def get_conversation_history(self, conversation_id: str) -> list[Note]:
        return self.conversations[conversation_id].messages

    def evaluate_conversation(self, conversation_id: str) -> dict[str, float]:
        raise NotImplementedError("to do")


class WithSlots(Draft):
    """Has no `__dict__`, so it cannot be watched. Its failures are exceptions where a reason should be."""

    __slots__ = ("conversations", "factory", "total_turns", "users")

    def run_turn(self, key: str) -> tuple[bool, Any]:
        succeeded, line = super().run_turn(key)
        return (True, line) if succeeded else (False, ValueError(line))

    def evaluate_conversation(self, key: str) -> Any:
        return None


class Secretive(FirstDraft):
    """Keeps its factory where nobody finds it."""

    def __init__(self, factory: Any):
        super().__init__(None)
        del self.factory
        self._get = lambda: factory

    def __getattr__(self, name: str) -> Any:
        if name == "factory":
            return Hidden(self._get())
        raise AttributeError(name)


class Hidden:
    def __init__(self, factory: Any):
        self.register_user, self.chat_with_npc = factory.register_user, factory.chat_with_npc


LEARNERS = [FirstDraft, WithClasses, WithSlots, Secretive]
WATCHED = [FirstDraft, WithClasses]


def with_arena(kind: Any, replies: Any = who_and_count, **options: Any) -> Desk:
    arena, one, two = cast(replies)
    return Desk(kind(arena.npc_factory), one, two, **options)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learners_arena_is_stepped_started_and_run(kind: Any) -> None:
    panel = with_arena(kind, max_turns=2)
    panel.press_and_wait("Step", "Start")
    assert [message.content for message in panel.panel.run(1)] == panel.said
    lines_said = ["One says line 1", "Two says line 1", "One says line 2", "Two says line 2"]
    assert panel.said == ["Hello! Who are you?", *lines_said]
    assert [message.seat for message in panel.panel.transcript] == [None, 1, 2, 1, 2]
    assert panel.arena.total_turns == 4
    assert panel.notice == ""
    assert panel.progress == (4, 4)
    assert not is_shown(panel.widget, panel.button("Drop in"))
    open_fold(panel.widget, "Copy and save")
    assert panel.notice == ""


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learners_arena_is_paused_and_stopped_between_two_lines(kind: Any) -> None:
    asked, first, second = gates(3)
    waiting = iter([first, second])

    def replies(messages: list[dict[str, str]]) -> str:
        asked.set()
        next(waiting, first).wait(PATIENCE)
        return who_and_count(messages)

    panel = with_arena(kind, replies, max_turns=3)
    panel.press("Start")
    assert asked.wait(PATIENCE)
    panel.press("Pause")
    first.set()
    panel.wait()
    assert panel.said[1:] == ["One says line 1"]
    asked.clear()
    panel.press("Start")
    assert asked.wait(PATIENCE)
    panel.press("Stop")
    second.set()
    panel.wait()
    assert panel.status.endswith("you stopped it")
    assert panel.notice == ""
    recorded = [] if kind in WATCHED else ["Two says line 1"]  # it was under way, and could not be stopped
    assert panel.said[2:] == recorded
    panel.press_and_wait("Step")
    assert panel.said[2:] == [*recorded, "One says line 2" if recorded else "Two says line 1"]


@pytest.mark.parametrize("kind", WATCHED)
def test_a_learners_arena_is_watched_and_stopped_in_mid_line(kind: Any) -> None:
    panel = with_arena(kind, ["Hail.", gated("half", threading.Event()), "Well met."], max_turns=3)
    panel.press("Start")
    panel.wait_for_line("Two", "half")
    panel.press("Stop")
    panel.wait()
    assert panel.lines[-1] == "Two\nhalf\n(broken off, not recorded)"
    assert panel.notice == ""
    panel.press_and_wait("Step")
    assert panel.said[1:] == ["Hail.", "Well met."]


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learners_arena_that_fails_is_a_notice_and_goes_on(kind: Any) -> None:
    panel = with_arena(kind, ["a", fake_error("rate_limit"), "b", "c"], max_turns=3)
    panel.press_and_wait("Start")
    assert "The endpoint asks us to slow down." in panel.notice
    assert panel.said[1:] == ["a"]
    panel.press_and_wait("Retry")
    assert panel.said[1:] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [FirstDraft, WithClasses])
def test_a_learners_arena_shows_thoughts_and_sheets(kind: Any) -> None:
    panel = with_arena(kind, ["<think>Hm.</think>Hail.", "Well met."], max_turns=2)
    fold = open_fold(panel.widget, "Private thoughts")
    panel.press_and_wait("Start")
    assert inside(fold) == ["One", "Hm.", "Two", NO_THOUGHTS]
    open_fold(panel.widget, "Change the characters")
    panel.describe(1, "You are Three")
    panel.press("Apply")
    assert [npc.config.called() for npc in panel.panel._factory.npcs.values()] == ["One", "Three"]


def test_where_the_factory_is_hidden_names_are_ids_and_its_folds_are_not_offered() -> None:
    arena, one, two = cast()
    panel = Desk(Secretive(arena.npc_factory), one, two)
    panel.press_and_wait("Step")
    assert panel.lines[-1] == f"{one}\nOne says line 1"
    assert not is_shown(panel.widget, panel.button("Private thoughts"))
    assert not is_shown(panel.widget, panel.button("Change the characters"))


def test_a_learners_own_measures_are_shown_and_what_is_wrong_with_them_too() -> None:
    panel = with_arena(FirstDraft, max_turns=1)
    panel.press_and_wait("Start")
    assert "different <words>4total12,346" in panel.text.replace("\n", "")
    panel = with_arena(WithClasses, max_turns=2)
    panel.press_and_wait("Start")
    assert "evaluate_conversationNotImplementedError: to do" in panel.text
    assert panel.progress == (2, 2)


def test_a_learners_own_measure_stays_text() -> None:
    class Measured(FirstDraft):
        def evaluate_conversation(self, key: str) -> dict[str, Any]:
            return {"mood": PAYLOAD}

    panel = with_arena(Measured, max_turns=1)
    panel.press_and_wait("Start")
    assert PAYLOAD in panel.text
    assert foreign_markup(panel.widget) == []


def test_an_npc_of_a_learners_arena_talks_with_itself() -> None:
    arena, one, _ = cast(["a", "b", "c"])
    panel = Desk(WithClasses(arena.npc_factory), one, one, max_turns=3)
    panel.press_and_wait("Start")
    assert [message.seat for message in panel.panel.transcript] == [None, 1, 2, 1]


@pytest.mark.parametrize(
    ("outcome", "notice"),
    [
        (None, "run_turn must give (True, line) or (False, reason), not None."),
        ((True, "a", "b"), "run_turn must give (True, line) or (False, reason), not (True, 'a', 'b')."),
        ((False, None), "None"),
        (KeyError("speaker"), "KeyError: 'speaker'"),
    ],
)
def test_a_run_turn_that_is_not_finished_yet_is_a_notice(outcome: Any, notice: str) -> None:
    class Unfinished(FirstDraft):
        def run_turn(self, key: str) -> Any:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    panel = with_arena(Unfinished)
    panel.press_and_wait("Start")
    assert panel.notice == notice
    assert panel.offers_retry
    assert not panel.panel.run(2)[1:]


def test_a_history_that_cannot_be_drawn_is_a_notice_and_the_buttons_live() -> None:
    class Odd(FirstDraft):
        def get_conversation_history(self, key: str) -> Any:
            return ["Hello!"]

    panel = with_arena(Odd)
    panel.press_and_wait("Start")
    assert panel.notice == "AttributeError: 'str' object has no attribute 'sender'"
    panel.press("New talk")
    assert panel.notice == ""
    assert not panel.button("Start").disabled


def test_an_arena_that_waits_for_nothing_is_left_as_it_was() -> None:
    arena, one, two = cast()
    before = dict(vars(arena))
    panel = Desk(arena, one, two, max_turns=2)
    panel.press_and_wait("Start")
    assert vars(arena) == before
    assert type(arena) is ChatArena
    assert type(arena.npc_factory) is NPCFactory
