"""What all panels do alike: show themselves, hear their buttons, say what went wrong.

Panel       any panel: the character's form is one
TalkPanel   a panel in which somebody speaks: the chat box and the arena's controls
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets

from npc_lab.errors import in_words
from npc_lab.export import export
from npc_lab.transcript import Transcript
from npc_lab.widgets.cell_note import cell_note
from npc_lab.widgets.look import Announcer, Fold, Notice, Waiting, button, row, styled
from npc_lab.widgets.pump import BlockingPump, Task, choose_pump
from npc_lab.widgets.saving import Saving


class Panel:
    """A panel of a notebook. `widget` is its root.

    Buttons, and whatever else the page sends, may be heard in several threads at once. So whatever changes
    the state holds the lock.
    """

    widget: widgets.VBox

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pump = choose_pump(self._stop_work)
        self._notice = Notice(lambda: self._handle(self._retry))
        self._cell_note = cell_note()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)  # type: ignore[no-untyped-call]

    def _arrange(self, *parts: widgets.Widget) -> None:
        """Put the parts below each other."""
        self.widget = styled(*parts, self._cell_note, *filter(None, [self._pump.widget]))

    def _button(
        self, name: str, action: Callable[[], Task | None], tooltip: str, style: str = ""
    ) -> widgets.Button:
        return button(name, lambda: self._handle(action), tooltip, style)

    def _fold(self, name: str, content: widgets.Widget, make: Callable[[], None]) -> Fold:
        return Fold(name, content, lambda: self._handle(make))

    def _handle(self, action: Callable[[], Task | None], notice: Notice | None = None) -> None:
        """Do what a button asks for, and start the task that it returns, if any."""
        with self._lock:
            task = self._guarded(action, notice)
        if task is not None:
            self._pump.start(task)

    def _guarded(self, action: Callable[[], Task | None], notice: Notice | None = None) -> Task | None:
        """Do this. An exception becomes a notice: a learner's own NPC or arena may raise anything."""
        try:
            return action()
        except Exception as error:
            (notice or self._notice).show(in_words(error))
            return None

    def _stop_work(self) -> None:
        """Stop the task that is under way. A panel without tasks has nothing to stop."""

    def _retry(self) -> Task | None:
        """Return a task that tries again what failed, if there is one."""
        return None


class TalkPanel(Panel, ABC):
    """A panel that shows a talk and lets it go on, one task at a time.

    The task's worker thread waits for the model. It holds no lock and touches no widget.
    """

    def __init__(self) -> None:
        super().__init__()
        self._task: Task | None = None
        self._waiting = Waiting()
        self._announcer = Announcer()
        self._saving = Saving(lambda: self.transcript, self._title)
        self._folds: list[Fold] = []

    @property
    @abstractmethod
    def transcript(self) -> Transcript:
        """The talk so far, as it is shown."""

    def wait(self) -> None:
        """Return when no reply is under way. What waits to be sent is sent first."""
        self._pump.settle()
        with self._lock:  # it is held until the end of a task is drawn
            task = self._task
        if task is not None:
            task.finish()  # not the page, which is not heard while a cell runs

    def export(self, path: str | Path) -> Path:
        """Write the talk to a file and return its path; the suffix says how: .md, .jsonl or .html."""
        return export(self.transcript, path, title=self._title())

    @abstractmethod
    def _title(self) -> str:
        """Return who talks with whom."""

    @abstractmethod
    def _draw(self) -> None:
        """Bring everything up to date."""

    @abstractmethod
    def _draw_live(self) -> None:
        """Bring up to date what changes while a task is under way."""

    @abstractmethod
    def _note_end(self) -> None:
        """Take note of how the task ended, before everything is drawn."""

    def _arrange(self, *parts: widgets.Widget) -> None:
        """Put the parts below each other, and the folds below them."""
        heads = row(*(fold.head for fold in self._folds))
        bodies = (fold.body for fold in self._folds)
        super()._arrange(*parts, heads, *bodies, self._announcer.widget)

    def _is_busy(self) -> bool:
        return self._task is not None and not self._task.has_ended.is_set()

    @contextmanager
    def _lock_when_free(self) -> Iterator[None]:
        """Wait for the end of a task that is under way, then hold the lock."""
        while True:
            self.wait()
            with self._lock:
                if not self._is_busy():  # somebody may have pressed a button meanwhile
                    yield
                    return

    def _begin(self, work: Callable[[], None]) -> Task:
        """Return a task that does this work, for a pump to start."""
        self._notice.clear()
        self._waiting = Waiting()
        self._task = Task(work, self._look, self._finish)
        self._draw()
        return self._task

    def _see_through(self, task: Task) -> None:
        """Start the task and return at its end; works without a browser."""
        BlockingPump(self._stop_work).start(task)

    def _look(self) -> None:
        with self._lock:
            self._draw_live()

    def _finish(self) -> None:
        with self._lock:
            self._task = None
            self._note_end()
            self._draw()

    def _refresh_folds(self) -> None:
        for fold in self._folds:
            fold.refresh()
