"""The arena's controls: a stage for two characters, and a director's desk beside it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from npc_lab.arena import DEFAULT_OPENING
from npc_lab.errors import ChatArenaError, NPCLabError
from npc_lab.export import export
from npc_lab.rendering import escaped
from npc_lab.transcript import Message, Transcript
from npc_lab.widgets.lines import ASIDE, ONE, TWO, Line, Scroll
from npc_lab.widgets.look import Fold, Notice, button, exactly, html_box, panel, quiet, row
from npc_lab.widgets.pump import BlockingPump, Task, choose_pump
from npc_lab.widgets.saving import Saving
from npc_lab.widgets.stage import Stage, name_of

_NARROW = {"description_width": "initial"}  # as wide as the words
_KINDS = {None: ASIDE, 1: ONE, 2: TWO}
_MEASURES = {
    "turn_count": "lines spoken",
    "avg_response_length": "characters a line",
    "avg_response_time": "seconds a line",
}


def arena_controls(
    arena: Any, npc1_id: str, npc2_id: str, opening: str = DEFAULT_OPENING, max_turns: int = 10
) -> ArenaControls:
    """Controls to let two NPCs talk in a notebook: put them at the end of a cell.

    arena: a `ChatArena`, or a learner's own. max_turns: how many lines one press of Start asks for.
    Raises `NPCNotFoundInArenaError` for an unknown id.
    """
    return ArenaControls(arena, npc1_id, npc2_id, opening, max_turns)


class ArenaControls:
    """Shows one conversation and takes the director's orders. `widget` is its root.

    As in the chat box, whatever changes the state holds the lock, and the worker touches no widget.
    """

    def __init__(self, arena: Any, npc1_id: str, npc2_id: str, opening: str, max_turns: int):
        self._arena = arena
        self._factory: Any = getattr(arena, "npc_factory", None)
        for npc_id in (npc1_id, npc2_id):
            arena.register_npc_in_arena(npc_id)  # knows best which ids there are
        _check_turns(max_turns)
        self._named = (npc1_id, npc2_id)
        self._lock = threading.RLock()
        self._pump = choose_pump(self._stop_talk)
        self._stage: Stage | None = None
        self._task: Task | None = None
        self._lines: list[Line] = []
        self._build(npc1_id, npc2_id, opening, max_turns)
        self._draw()

    def __repr__(self) -> str:
        return f"ArenaControls({self._title()!r}, {self._stage.done if self._stage else 0} turns done)"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)  # type: ignore[no-untyped-call]

    def run(self, turns: int) -> Transcript:
        """Run so many turns and wait; works without a browser. Gives the whole talk so far.

        It ends early where one of the two gets no reply: the transcript's `stop_reason` says why.
        """
        _check_turns(turns)
        self.wait()
        with self._lock:
            task = self._run(turns)
        BlockingPump(self._stop_talk).start(task)
        return self.transcript

    def wait(self) -> None:
        """Come back when no turn is under way."""
        if (task := self._task) is not None:
            task.has_ended.wait()

    @property
    def transcript(self) -> Transcript:
        """The talk so far."""
        return self._stage.transcript if self._stage else Transcript()

    def export(self, path: str | Path) -> Path:
        """Write the talk to a file; its ending says how: .md, .jsonl or .html."""
        return export(self.transcript, path, title=self._title())

    def _build(self, npc1_id: str, npc2_id: str, opening: str, max_turns: int) -> None:
        self._first = self._menu("First:", npc1_id)
        self._second = self._menu("Second:", npc2_id)
        self._opening = widgets.Text(
            opening,
            description="Opening:",
            style=_NARROW,
            layout=widgets.Layout(width="100%"),
        )
        self._turns = widgets.BoundedIntText(
            max_turns,
            min=1,
            max=1000,
            description="Turns:",
            style=_NARROW,
            layout=widgets.Layout(width="8em"),
        )
        self._start = button("Start", lambda: self._handle(self._hear_start), "Let them talk", "primary")
        self._pause = button("Pause", lambda: self._handle(self._hear_pause), "Hold after this line")
        self._step = button("Step", lambda: self._handle(lambda: self._unless_busy(1)), "One line")
        self._stop = button("Stop", lambda: self._handle(self._hear_stop), "End now, in mid-line")
        self._new = button("New talk", lambda: self._handle(self._hear_new), "Begin again, with new choices")
        self._progress = widgets.IntProgress(0, min=0, max=max_turns, layout=widgets.Layout(width="12em"))
        self._clock = widgets.Label()
        self._notice = Notice(lambda: self._handle(self._hear_start))
        self._scroll = Scroll()
        self._numbers, self._picture = html_box(), html_box()
        self._build_desk()
        self._folds = [
            Fold("Private thoughts", self._thoughts, lambda: self._handle(self._draw_thoughts)),
            Fold("Change the characters", self._sheets, lambda: self._handle(self._draw_sheets)),
            Fold("Copy and save", self._saving.widget, self._saving.refresh),
        ]
        talk = widgets.VBox([self._scroll.widget], layout=widgets.Layout(flex="3 1 20em", width="auto"))
        measures = widgets.VBox(
            [self._numbers, self._picture],
            layout=widgets.Layout(flex="2 1 14em", width="auto", padding="0 8px"),
        )
        self.widget = panel(
            row(self._first, self._second, self._turns),
            self._opening,
            row(self._start, self._pause, self._step, self._stop, self._new, self._progress, self._clock),
            self._notice.widget,
            widgets.HBox(
                [talk, measures], layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start")
            ),
            self._desk,
            row(*(fold.head for fold in self._folds)),
            *(fold.body for fold in self._folds),
            self._pump.widget,
        )

    def _build_desk(self) -> None:
        """What the director has: a line to drop in, thoughts, descriptions to change, files to keep."""
        self._line = widgets.Text(
            description="Director:",
            placeholder="A line for the next speaker",
            style=_NARROW,
            layout=widgets.Layout(flex="1 1 14em", width="auto"),
        )
        self._say = button("Drop in", lambda: self._handle(self._hear_director), "The next speaker hears it")
        self._desk = row(self._line, self._say)
        if not hasattr(self._arena, "direct"):
            self._desk.layout.display = "none"
        self._thoughts = html_box()
        self._sheet_names = [html_box(), html_box()]
        self._sheet_texts = [
            widgets.Textarea(rows=4, layout=widgets.Layout(width="100%")) for _ in self._sheet_names
        ]
        apply = button("Apply", lambda: self._handle(self._hear_apply), "From the next line on")
        pairs = zip(self._sheet_names, self._sheet_texts, strict=True)
        self._sheets = widgets.VBox([*(part for pair in pairs for part in pair), apply])
        self._saving = Saving(lambda: self.transcript, self._title())

    def _menu(self, name: str, chosen: str) -> widgets.Dropdown:
        layout = widgets.Layout(flex="1 1 12em", width="auto")
        options = self._options()
        return widgets.Dropdown(options=options, value=chosen, description=name, style=_NARROW, layout=layout)

    def _options(self) -> list[tuple[str, str]]:
        """All characters of the factory, or where the arena keeps it to itself, the two that were named."""
        npc_ids = list(dict.fromkeys([*getattr(self._factory, "npcs", {}), *self._named]))
        names = [name_of(self._factory, npc_id) for npc_id in npc_ids]
        return [
            (name if names.count(name) == 1 else f"{name} ({npc_id[-4:]})", npc_id)
            for name, npc_id in zip(names, npc_ids, strict=True)
        ]

    def _title(self) -> str:
        first, second = (name_of(self._factory, menu.value) for menu in (self._first, self._second))
        return f"{first} and {second}"

    # What the page sends

    def _handle(self, action: Callable[[], Task | None]) -> None:
        """Do what a button asks for. What goes wrong becomes a notice."""
        try:
            with self._lock:
                task = action()
        except NPCLabError as error:
            self._notice.show(str(error))
            return
        if task is not None:
            self._pump.start(task)

    def _hear_start(self) -> Task | None:
        stage = self._stage
        rest = stage.asked - stage.done if stage and not stage.wants_stop else 0
        return self._unless_busy(rest or self._turns.value)

    def _hear_pause(self) -> None:
        if self._stage and self._task:
            self._stage.wants_pause = True
            self._pause.disabled = True
            self._clock.value = "Pausing after this line …"

    def _hear_stop(self) -> None:
        if self._stage and self._task:
            self._stop_talk()
            self._stop.disabled = True
            self._clock.value = "Stopping …"

    def _hear_new(self) -> None:
        """The old talk stays in the arena; the next Start begins another one."""
        if not self._task:
            self._stage = None
            for menu in (self._first, self._second):
                menu.options, menu.value = self._options(), menu.value
            self._notice.clear()
            self._draw()

    def _hear_director(self) -> None:
        line = self._line.value
        if not line.strip():
            raise ChatArenaError("The director's line is empty. Write at least one word.")
        stage = self._open_stage()
        stage.direct(line)
        if not self._task:
            stage.record_directions()
        self._line.value = ""
        self._draw()

    def _hear_apply(self) -> None:
        for npc_id, text in zip(self._npc_ids(), self._sheet_texts, strict=True):
            self._factory.npcs[npc_id].config.character_description = text.value

    def _unless_busy(self, turns: int) -> Task | None:
        return None if self._task else self._run(turns)

    # From the first line to the last

    def _open_stage(self) -> Stage:
        if self._stage is None:
            self._stage = Stage(self._arena, self._first.value, self._second.value, self._opening.value)
        return self._stage

    def _run(self, turns: int) -> Task:
        stage = self._open_stage()
        stage.prepare(turns)
        self._notice.clear()
        self._task = Task(lambda: stage.run(turns), self._draw_live, self._finish)
        self._draw()
        return self._task

    def _stop_talk(self) -> None:
        if self._stage:
            self._stage.stop()

    def _finish(self) -> None:
        with self._lock:
            self._task = None
            if self._stage and self._stage.failed:
                self._notice.show(self._stage.reason, can_retry=True)
            self._draw()

    # Drawing

    def _draw_live(self) -> None:
        with self._lock:
            self._draw_talk()
            self._draw_progress()
            if self._folds[0].is_open:
                self._draw_thoughts()

    def _draw(self) -> None:
        """Bring everything up to date."""
        self._draw_talk()
        self._draw_progress()
        self._draw_controls()
        for fold in self._folds:
            fold.refresh()

    def _draw_controls(self) -> None:
        is_busy = self._task is not None
        self._start.disabled = self._step.disabled = is_busy
        self._pause.disabled = self._stop.disabled = not is_busy
        for part in (self._first, self._second, self._opening):
            part.disabled = self._stage is not None
        self._new.disabled = is_busy or self._stage is None

    def _draw_progress(self) -> None:
        stage = self._stage
        done, asked, seconds = (
            (stage.done, stage.asked, stage.seconds) if stage else (0, self._turns.value, 0.0)
        )
        self._progress.max, self._progress.value = max(asked, 1), done
        ending = f" · {stage.reason}" if stage and stage.reason and not stage.failed else ""
        if not (stage and (stage.wants_stop or stage.wants_pause)) or ending:
            self._clock.value = f"{done} of {asked} turns · {seconds:.1f} s{ending}"
        self._numbers.value = _table(stage.measures if stage else {})
        self._picture.value = _image(stage.picture if stage else b"")

    def _draw_talk(self) -> None:
        transcript = self._stage.transcript if self._stage else Transcript()
        for place, message in enumerate(transcript):
            line = self._line_at(place, _KINDS[message.seat], transcript.speaker(message))
            line.show(message.content, quiet(_facts(message)))
        del self._lines[len(transcript) + self._draw_unfinished(len(transcript)) :]
        self._scroll.show([line.widget for line in self._lines])

    def _draw_unfinished(self, place: int) -> int:
        """Draw the line that is being spoken, or was broken off. Gives how many lines that are: 1 or 0."""
        stage = self._stage
        if stage is None or (stream := stage.unfinished()) is None:
            return 0
        line = self._line_at(place, _KINDS[stage.next_seat], stage.names[stage.next_seat])
        text = stream.reply.text
        mark = "" if self._task else "(broken off, not recorded)"
        line.show(text, quiet(mark or ("" if text else "…")))
        return 1

    def _line_at(self, place: int, kind: str, name: str) -> Line:
        if place < len(self._lines) and (self._lines[place].kind, self._lines[place].name) != (kind, name):
            del self._lines[place:]
        if place == len(self._lines):
            self._lines.append(Line(kind, name))
        return self._lines[place]

    def _draw_thoughts(self) -> None:
        if self._stage is None:
            self._thoughts.value = quiet("Nobody has thought anything yet.")
            return
        columns = [self._thoughts_of(self._stage, seat) for seat in (1, 2)]
        self._thoughts.value = f"<div class='npc-lab-columns'>{''.join(columns)}</div>"

    def _thoughts_of(self, stage: Stage, seat: int) -> str:
        thoughts = stage.thoughts(seat)
        if stage.next_seat == seat and (stream := stage.unfinished()) is not None:
            thoughts.append(stream.reply.thought)
        written = "".join(map(exactly, filter(None, thoughts))) or f"<p>{quiet('No private thoughts.')}</p>"
        return f"<div><b>{escaped(stage.names[seat])}</b>{written}</div>"

    def _npc_ids(self) -> tuple[str, str]:
        return self._first.value, self._second.value

    def _draw_sheets(self) -> None:
        for npc_id, name, text in zip(self._npc_ids(), self._sheet_names, self._sheet_texts, strict=True):
            name.value = f"<b>{escaped(name_of(self._factory, npc_id))}</b>"
            text.value = self._factory.npcs[npc_id].config.character_description


def _facts(message: Message) -> str:
    return f"{message.seconds:.1f} s" if message.seconds is not None else ""


def _table(measures: Mapping[str, float]) -> str:
    rows = "".join(
        f"<tr><td>{escaped(_MEASURES.get(name, name))}</td><td>{value:.4g}</td></tr>"
        for name, value in measures.items()
    )
    return f"<table>{rows}</table>" if rows else quiet("Measures appear after the first line.")


def _image(picture: bytes) -> str:
    if not picture:
        return ""
    content = base64.b64encode(picture).decode()
    alternative = "Length and echo of each line, turn by turn"
    return f"<img alt='{alternative}' src='data:image/png;base64,{content}' style='max-width: 100%'>"


def _check_turns(turns: int) -> None:
    if not isinstance(turns, int) or isinstance(turns, bool) or turns < 0:
        raise ChatArenaError(f"The number of turns must be a whole number, 0 or more, not {turns!r:.60}.")
