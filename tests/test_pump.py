"""Live updates: who keeps the time, and that every task ends, whatever happens to page, drawing or kernel."""

import os
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import ipywidgets as widgets
import pytest
from panels import PATIENCE, wait_until, walk

from npc_lab import NPCLabError
from npc_lab.widgets import pump
from npc_lab.widgets.pump import BlockingPump, BrowserPump, Task, ThreadPump, choose_pump

pytestmark = pytest.mark.packages


class Work:
    """Work that lasts until it is told to end; counts what is drawn of it."""

    def __init__(self, draw: Any = lambda: None) -> None:
        self.may_end = threading.Event()
        self.drawings = self.ends = 0
        self._draw = draw
        self.task = Task(lambda: bool(self.may_end.wait(PATIENCE)), self.draw, self.end)

    def draw(self) -> None:
        self.drawings += 1
        self._draw()

    def end(self) -> None:
        self.ends += 1


@pytest.fixture(autouse=True)
def _pages_are_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "SECONDS_UNTIL_THE_PAGE_IS_GONE", 0.1)


def no_stop() -> None:
    raise AssertionError("nobody asked to stop")


class Page:
    """A page that shows a browser pump: it copies the first number to the second."""

    def __init__(self, part: Any) -> None:
        self.ping, self.pong = (each for each in walk(part) if isinstance(each, widgets.IntText))

    def answer(self) -> None:
        if self.pong.value != self.ping.value:
            self.pong.set_state({"value": self.ping.value})


# --- which pump -----------------------------------------------------------------------------------


def test_a_thread_draws_where_nothing_speaks_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "7.1.0")
    assert isinstance(choose_pump(no_stop), ThreadPump)


def test_a_thread_draws_where_there_is_no_kernel_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert isinstance(choose_pump(no_stop), ThreadPump)


def test_the_browser_keeps_the_time_on_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    assert isinstance(choose_pump(no_stop), BrowserPump)


@pytest.mark.parametrize("version", ["7.0.0", "7.0.1"])
def test_the_browser_keeps_the_time_where_the_kernel_loses_updates(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: version)
    assert isinstance(choose_pump(no_stop), BrowserPump)


@pytest.mark.parametrize(
    ("name", "kind"), [("thread", ThreadPump), (" Browser ", BrowserPump), ("BLOCKING", BlockingPump)]
)
def test_the_environment_overrules_it(monkeypatch: pytest.MonkeyPatch, name: str, kind: type) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setenv("NPC_LAB_PUMP", name)
    assert isinstance(choose_pump(no_stop), kind)


def test_an_unknown_pump_is_refused_with_the_names_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", "pingpong")
    with pytest.raises(NPCLabError, match=r"'pingpong'.*thread, browser or blocking"):
        choose_pump(no_stop)


# --- a task ---------------------------------------------------------------------------------------


def test_the_end_is_told_once_however_many_wait_for_it() -> None:
    work, gate = Work(), threading.Barrier(4)

    def wait() -> None:
        gate.wait(PATIENCE)
        work.task.finish()

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    work.task.begin()
    gate.wait(PATIENCE)
    work.may_end.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert work.ends == 1


def test_who_waits_for_a_task_that_is_about_to_begin_does_not_end_it() -> None:
    work = Work()
    waiting = threading.Thread(target=work.task.finish)
    waiting.start()
    waiting.join(0.15)
    assert work.ends == 0
    work.task.begin()
    work.may_end.set()
    waiting.join(PATIENCE)
    assert work.ends == 1


def test_a_task_ends_also_where_its_end_cannot_be_drawn() -> None:
    def fail() -> None:
        raise ValueError("cannot draw")

    task = Task(lambda: None, lambda: None, fail)
    with pytest.raises(ValueError, match="cannot draw"):
        BlockingPump(no_stop).start(task)
    assert task.has_ended.is_set()


# --- a thread -------------------------------------------------------------------------------------


def test_a_thread_draws_ten_times_a_second_until_the_end() -> None:
    work = Work()
    began = time.monotonic()
    ThreadPump().start(work.task)
    wait_until(lambda: work.drawings >= 3)
    assert work.drawings <= (time.monotonic() - began) * 12 + 1
    assert work.ends == 0
    work.may_end.set()
    assert work.task.has_ended.wait(PATIENCE)
    assert work.ends == 1


@pytest.mark.parametrize("kind", [ThreadPump, BrowserPump])
def test_a_drawing_that_fails_does_not_keep_a_task_from_ending(
    monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    reported = list[Any]()
    monkeypatch.setattr(threading, "excepthook", reported.append)

    def fail() -> None:
        raise ValueError("cannot draw")

    work = Work(fail)
    kind().start(work.task)
    wait_until(lambda: work.drawings)
    work.may_end.set()
    assert work.task.has_ended.wait(PATIENCE)
    assert work.ends == 1
    wait_until(lambda: reported)
    assert str(reported[0].exc_value) == "cannot draw"


# --- the browser ----------------------------------------------------------------------------------


def test_the_page_keeps_the_time() -> None:
    work, browser = Work(), BrowserPump()
    page = Page(browser.widget)
    browser.start(work.task)
    for drawings in range(1, 4):
        page.answer()
        assert work.drawings >= drawings
    work.may_end.set()
    page.answer()
    assert work.task.has_ended.is_set()
    asked = page.ping.value
    page.answer()
    assert (page.ping.value, work.ends) == (asked, 1)  # nothing goes round any more


def test_without_a_page_a_task_ends_by_itself() -> None:
    work, browser = Work(), BrowserPump()
    browser.start(work.task)
    wait_until(lambda: work.drawings >= 2)
    work.may_end.set()
    assert work.task.has_ended.wait(PATIENCE)
    assert work.ends == 1


def test_a_page_that_was_loaded_anew_is_asked_again() -> None:
    work, browser = Work(), BrowserPump()
    browser.start(work.task)
    page = Page(browser.widget)
    page.answer()
    asked = page.ping.value
    wait_until(lambda: page.ping.value > asked)
    drawings = work.drawings
    page.answer()
    assert work.drawings > drawings
    work.may_end.set()
    assert work.task.has_ended.wait(PATIENCE)


def test_an_answer_that_was_overtaken_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else everything that is sent, and each silence, would start one more round of messages."""
    monkeypatch.setattr(pump, "SECONDS_UNTIL_THE_PAGE_IS_GONE", PATIENCE)
    work, browser = Work(), BrowserPump()
    page = Page(browser.widget)
    browser.start(work.task)
    late = page.ping.value
    browser.soon(lambda: None)  # asks once more
    asked = page.ping.value
    page.pong.set_state({"value": late})
    assert (work.drawings, page.ping.value) == (0, asked)
    page.answer()
    assert (work.drawings, page.ping.value) == (1, asked + 1)
    work.may_end.set()
    page.answer()
    assert work.task.has_ended.is_set()


def test_what_waits_for_the_page_is_done_with_a_later_answer_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first answer may have overtaken what it is waited for."""
    monkeypatch.setattr(pump, "SECONDS_FOR_A_LATE_MESSAGE", 1.0)
    browser, done = BrowserPump(), list[str]()
    page = Page(browser.widget)
    browser.soon(lambda: done.append("first"))
    browser.soon(lambda: done.append("second"))
    page.answer()
    assert done == []
    wait_until(lambda: page.answer() or done)
    assert done == ["first", "second"]
    page.answer()
    browser.soon(lambda: done.append("third"))
    wait_until(lambda: len(done) == 3)  # without an answer
    assert done[-1] == "third"


# --- blocking, and an interrupted kernel ------------------------------------------------------------


def test_a_blocking_pump_comes_back_when_it_is_over() -> None:
    work = Work()
    threading.Timer(0.25, work.may_end.set).start()
    BlockingPump(no_stop).start(work.task)
    assert work.ends == 1
    assert work.drawings >= 1


INTERRUPTED = """
import _thread, signal, threading, time
from npc_lab import FakeClient, NPCFactory
from npc_lab.widgets import chat_box
from panels import button, lines, press_enter, text_field

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background inherits deafness
never, asked = threading.Event(), []
def reply(messages):
    asked.append(messages)
    if len(asked) in (2, 4):
        _thread.interrupt_main()  # what pressing Interrupt comes to
        never.wait(60)
    return f"Reply {len(asked)}."

factory = NPCFactory(FakeClient(reply), "m")
npc_id = factory.register_npc("A tavern.", "You are Ada.")
box = chat_box(factory, npc_id)
box.say("one")
before = factory.get_npc_chat_history(npc_id, "you")
began = time.monotonic()
for ask in (lambda: box.say("two"), button(box.widget, "Regenerate").click):
    try:
        ask()
        raise SystemExit("was not interrupted")
    except KeyboardInterrupt:
        pass
    assert factory.get_npc_chat_history(npc_id, "you") == before, "something was remembered, or lost"
    assert not button(box.widget, "Send").disabled, "the box is dead"
    assert button(box.widget, "Stop").disabled, "the box believes it is busy"
    assert "stopped, not remembered" in lines(box.widget)[-1], lines(box.widget)
    assert box.say("again").startswith("Reply"), "no reply after that"
    box._talk._npc().take_back("you")
assert time.monotonic() - began < 20, "waited for a reply that nobody wants"
print("all is well")
"""


def test_interrupting_the_kernel_stops_the_reply_and_leaves_the_box_usable() -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{INTERRUPTED}"
    environment = {**os.environ, "NPC_LAB_PUMP": "blocking"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout.strip() == "all is well", ran.stderr
