"""Live updates: how a reply that is still being made reaches the browser.

A reply takes seconds, and while a handler runs no other button is heard. So a *worker* thread makes the
reply and never touches a widget, and a *pump* draws ten times a second what there is so far. Who keeps the
time differs, because not every front end shows what a thread changes:

    thread      a second thread draws. Works in JupyterLab 4, Notebook 7 and Notebook 6.
    browser     the browser keeps the time: two hidden numbers, linked in the page. We change the first, the
                page copies it to the second and tells us, we draw and change the first again. Each drawing is
                then part of an answer to the page, which Google Colab shows, while it drops a thread's.
    blocking    whoever asks draws, and is busy until the end. No button is heard meanwhile.

`choose_pump` knows which fits. The environment variable NPC_LAB_PUMP overrules it.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from importlib import metadata

import ipywidgets as widgets

from npc_lab.errors import NPCLabError

SECONDS_BETWEEN_DRAWINGS = 0.1
# How long a message from the page may be under way behind another one: a value that Enter has just sent.
SECONDS_FOR_A_LATE_MESSAGE = 0.3
# A page that was reloaded or closed answers no more.
SECONDS_UNTIL_THE_PAGE_IS_GONE = 2.0
_LOSES_UPDATES_FROM_THREADS = ("7.0.0", "7.0.1")  # versions of ipykernel; ipywidgets issue 4001


class Task:
    """Work in a thread; `draw` shows how far it is, `end` is called once, at its end."""

    def __init__(self, work: Callable[[], None], draw: Callable[[], None], end: Callable[[], None]):
        self._work = work
        self._draw = draw
        self._end = end
        self._is_done = threading.Event()
        self._ending = threading.Lock()
        self.has_ended = threading.Event()

    def begin(self) -> None:
        """Start the work."""
        threading.Thread(target=self._run, daemon=True).start()

    def step(self, seconds: float = SECONDS_BETWEEN_DRAWINGS) -> bool:
        """Wait so long, or until the work is done, and draw. Return whether this was the last drawing."""
        if not self._is_done.wait(seconds):
            self._draw()
            return False
        self.finish()
        return True

    def see_through(self) -> None:
        """Draw until the work is done."""
        try:
            while not self.step():
                pass
        except Exception:  # a drawing failed: the buttons must come alive again nevertheless
            self.finish()
            raise

    def finish(self) -> None:
        """Wait for the end of the work, and say once that it has come."""
        while not self._is_done.wait(SECONDS_BETWEEN_DRAWINGS):
            pass  # Windows hears Ctrl-C only between two waits
        with self._ending:
            if self.has_ended.is_set():
                return
            try:
                self._end()
            finally:
                self.has_ended.set()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._is_done.set()


class _Waiting:
    """Callbacks to run once the messages that are under way from the page have arrived."""

    def __init__(self) -> None:
        self._soon: deque[tuple[float, Callable[[], None]]] = deque()  # when, by time.monotonic(), and what

    def settle(self) -> None:
        """Do now what waits. A cell that calls this runs after all that the page had sent before."""
        self._do_what_waits(until=math.inf)

    def _do_what_waits(self, until: float) -> None:
        while self._soon:
            try:
                due, action = self._soon.popleft()
            except IndexError:  # another thread was quicker
                return
            if due > until:
                self._soon.appendleft((due, action))
                return
            action()


class ThreadPump(_Waiting):
    """A thread draws."""

    widget: widgets.Widget | None = None

    def start(self, task: Task) -> None:
        """Begin the task and return at once."""
        task.begin()
        threading.Thread(target=task.see_through, daemon=True).start()

    def soon(self, action: Callable[[], None]) -> None:
        """Do this once the messages that are under way from the page have arrived."""
        due = time.monotonic() + SECONDS_FOR_A_LATE_MESSAGE
        self._soon.append((due, action))
        _after(SECONDS_FOR_A_LATE_MESSAGE, lambda: self._do_what_waits(until=due))


class BrowserPump(_Waiting):
    """The page keeps the time. `widget` must be shown with what is drawn."""

    def __init__(self) -> None:
        super().__init__()
        out_of_sight = widgets.Layout(display="none")
        self._ping = widgets.IntText(layout=out_of_sight)
        self._pong = widgets.IntText(layout=out_of_sight)
        self._link = widgets.jslink((self._ping, "value"), (self._pong, "value"))
        self._pong.observe(self._answer, "value")
        self._task: Task | None = None
        self._last_heard = time.monotonic()
        self.widget: widgets.Widget | None = widgets.Box([self._ping, self._pong], layout=out_of_sight)

    def start(self, task: Task) -> None:
        """Begin the task and return at once."""
        self._task = task
        self._last_heard = time.monotonic()
        task.begin()
        self._ask()
        threading.Thread(target=self._watch, args=[task], daemon=True).start()

    def soon(self, action: Callable[[], None]) -> None:
        """Do this once the messages that are under way from the page have arrived.

        That is in an answer of the page's, but not in the first: JupyterLab hands messages of different
        widgets to different threads, so that an answer can overtake what was sent before it.
        """
        self._soon.append((time.monotonic() + SECONDS_FOR_A_LATE_MESSAGE, action))
        self._ask()
        _after(SECONDS_UNTIL_THE_PAGE_IS_GONE, self.settle)

    def _ask(self) -> None:
        self._ping.value += 1

    def _answer(self, _: object) -> None:
        self._last_heard = time.monotonic()
        self._do_what_waits(until=time.monotonic())
        task = self._task
        if self._pong.value != self._ping.value:  # the page was asked again: another answer will come
            return
        is_drawing = task is not None and not task.has_ended.is_set() and not task.step()
        if is_drawing or self._soon:
            self._ask()

    def _watch(self, task: Task) -> None:
        """Ask again if the page is silent: it may have been reloaded. The end needs no page."""
        try:
            while not task.has_ended.wait(SECONDS_UNTIL_THE_PAGE_IS_GONE):
                silence = time.monotonic() - self._last_heard
                if silence > SECONDS_UNTIL_THE_PAGE_IS_GONE and not task.step(0):
                    self._ask()
        finally:  # also if a drawing failed
            task.finish()


class BlockingPump:
    """The calling thread draws, and waits. `stop` is called when the kernel is interrupted meanwhile."""

    widget: widgets.Widget | None = None

    def __init__(self, stop: Callable[[], None]):
        self._stop = stop

    def start(self, task: Task) -> None:
        """Begin the task and return when it has ended. Pass `KeyboardInterrupt` on, after a stop."""
        try:
            task.begin()
            task.see_through()
        except KeyboardInterrupt:
            self._stop()
            task.finish()
            raise

    def soon(self, action: Callable[[], None]) -> None:
        """Do this now: while it waited, nothing could arrive."""
        action()

    def settle(self) -> None:
        """Nothing waits here."""


Pump = ThreadPump | BrowserPump | BlockingPump


def choose_pump(stop: Callable[[], None]) -> Pump:
    """Return the pump for this front end, or the one that NPC_LAB_PUMP names."""
    name = os.environ.get("NPC_LAB_PUMP", "").strip().lower() or _fitting()
    match name:
        case "thread":
            return ThreadPump()
        case "browser":
            return BrowserPump()
        case "blocking":
            return BlockingPump(stop)
    raise NPCLabError(f"NPC_LAB_PUMP is {name!r:.40}. Set it to thread, browser or blocking, or to nothing.")


def _fitting() -> str:
    return "browser" if "google.colab" in sys.modules or _kernel_loses_updates() else "thread"


def _kernel_loses_updates() -> bool:
    try:
        return metadata.version("ipykernel") in _LOSES_UPDATES_FROM_THREADS
    except metadata.PackageNotFoundError:
        return False


def _after(seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
