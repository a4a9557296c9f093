"""The arena's controls: a stage for two characters, and a director's desk beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets

from npc_lab.errors import ChatArenaError
from npc_lab.factory import find_npc
from npc_lab.rendering import escaped, html_table
from npc_lab.transcript import DEFAULT_OPENING, Message, Transcript
from npc_lab.widgets.arena_model import Scene, Stage, factory_of, name_of, next_seat, shared, unfinished
from npc_lab.widgets.lines import ASIDE, ONE, TWO, Line, Pile, Scroll
from npc_lab.widgets.look import exactly, html_box, quiet, row
from npc_lab.widgets.panel import TalkPanel
from npc_lab.widgets.pump import Task

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
    """Return controls that let two NPCs talk in a notebook: put them at the end of a cell.

    arena: a `ChatArena`, or a learner's own. max_turns: how many lines one press of Start asks for.
    If the factory has a store, the last talk that these two began with this opening goes on.
    Raise `NPCNotFoundInArenaError` for an unknown id.
    """
    return ArenaControls(arena, npc1_id, npc2_id, opening, max_turns)


class ArenaControls(TalkPanel):
    """Shows one conversation and takes the director's orders. `widget` is its root."""

    def __init__(self, arena: Any, npc1_id: str, npc2_id: str, opening: str, max_turns: int):
        self._arena = arena
        self._factory = factory_of(arena)
        for npc_id in (npc1_id, npc2_id):
            arena.register_npc_in_arena(npc_id)  # knows best which ids there are
        if not isinstance(opening, str):
            raise ChatArenaError(f"The opening line must be text, not {opening!r:.60}.")
        _check_turns(max_turns, least=1)
        if opening == DEFAULT_OPENING:
            opening = self._offered = self._opening_of(npc2_id)
        else:
            self._offered = ""  # the learner's own is never changed
        self._named = (npc1_id, npc2_id)
        super().__init__()
        self._stage = self._stage_that_goes_on(npc1_id, npc2_id, opening)
        self._lines: list[Line] = []
        self._recorded: list[Message] = []  # what the first of them show
        self._turns_before = max_turns  # what Turns said at the last Start
        self._build(npc1_id, npc2_id, opening, max_turns)
        self._draw()

    def __repr__(self) -> str:
        return f"ArenaControls({self._title()!r}, {self._stage.done if self._stage else 0} turns done)"

    def run(self, turns: int) -> Transcript:
        """Run so many turns and wait; works without a browser. Return the whole talk so far.

        It ends early if one of the two gets no reply: the transcript's `stop_reason` says why.
        """
        _check_turns(turns, least=0)
        with self._lock_when_free():
            task = self._run(turns)
        self._see_through(task)
        return self.transcript

    @property
    def transcript(self) -> Transcript:
        """The talk so far."""
        return self._stage.transcript if self._stage else Transcript()

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
            max=max(1000, max_turns),
            description="Turns:",
            style=_NARROW,
            layout=widgets.Layout(width="8em"),
        )
        self._start = self._button("Start", self._hear_start, "Let them talk", "primary")
        self._pause = self._button("Pause", self._hear_pause, "Hold after this line")
        self._step = self._button("Step", lambda: self._unless_busy(1), "One line")
        self._stop = self._button("Stop", self._hear_stop, "End now, in mid-line")
        self._new = self._button("New talk", self._hear_new, "Begin again, with new choices")
        self._progress = widgets.IntProgress(0, min=0, max=max_turns, layout=widgets.Layout(width="12em"))
        self._status = widgets.Label()
        self._scroll = Scroll()
        self._numbers, self._picture, self._usage = html_box(), html_box(), html_box()
        self._build_desk()
        talk = widgets.VBox([self._scroll.widget], layout=widgets.Layout(flex="3 1 20em", width="auto"))
        measures = widgets.VBox(
            [self._numbers, self._picture],
            layout=widgets.Layout(flex="2 1 14em", width="auto", padding="0 8px"),
        )
        self._arrange(
            row(self._first, self._second, self._turns),
            row(self._opening),
            row(self._start, self._pause, self._step, self._stop, self._new, self._progress, self._status),
            self._notice.widget,
            widgets.HBox(
                [talk, measures], layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start")
            ),
            self._desk,
            self._usage,
        )

    def _build_desk(self) -> None:
        """Make the director's parts: a line to drop in, thoughts, descriptions to change, files to keep."""
        self._line = widgets.Text(
            description="Director:",
            placeholder="A line for the next speaker",
            style=_NARROW,
            layout=widgets.Layout(flex="1 1 14em", width="auto"),
        )
        self._say = self._button("Drop in", self._hear_director, "The next speaker hears it")
        self._desk = row(self._line, self._say)
        self._thoughts = [Pile(), Pile()]
        thoughts = row(*(pile.widget for pile in self._thoughts))
        thoughts.layout.align_items = "flex-start"
        for pile in self._thoughts:
            pile.widget.layout = widgets.Layout(flex="1 1 14em", width="auto")
        self._sheets = [_Sheet(), _Sheet()]
        self._applied = html_box()
        apply = self._button("Apply", self._hear_apply, "From the next line on")
        sheets = [part for sheet in self._sheets for part in sheet.parts]
        changes = widgets.VBox([*sheets, row(apply, self._applied)])
        self._folds = [
            self._fold("Private thoughts", thoughts, self._draw_thoughts),
            self._fold("Change the characters", changes, self._draw_sheets),
            self._fold("Copy and save", self._saving.widget, self._saving.refresh),
        ]
        # What a learner's own arena cannot do is not offered.
        if not hasattr(self._arena, "direct"):
            self._desk.layout.display = "none"
        if self._factory is None:
            for fold in self._folds[:2]:
                fold.head.layout.display = "none"

    def _menu(self, name: str, chosen: str) -> widgets.Dropdown:
        layout = widgets.Layout(flex="1 1 12em", width="auto")
        options = self._options()
        menu = widgets.Dropdown(options=options, value=chosen, description=name, style=_NARROW, layout=layout)
        menu.observe(lambda _: self._handle(self._hear_choice), "value")
        return menu

    def _options(self) -> list[tuple[str, str]]:
        """Return all characters of the factory; if the arena hides it, the two that were named."""
        npc_ids = list(dict.fromkeys([*getattr(self._factory, "npcs", {}), *self._named]))
        names = [name_of(self._factory, npc_id) for npc_id in npc_ids]
        return [
            (name if names.count(name) == 1 else f"{name} ({str(npc_id)[-4:]})", npc_id)
            for name, npc_id in zip(names, npc_ids, strict=True)
        ]

    def _npc_ids(self) -> tuple[str, str]:
        return self._first.value, self._second.value

    def _title(self) -> str:
        return " and ".join(name_of(self._factory, npc_id) for npc_id in self._npc_ids())

    # What the page sends

    def _hear_start(self) -> Task | None:
        """Start, or go on to the turns asked for. A new number in Turns counts from the first of them."""
        if self._is_busy():
            return None
        stage, turns = self._open_stage(), self._turns.value
        changed_by, self._turns_before = turns - self._turns_before, turns
        if stage.rest and stage.rest + changed_by > 0:
            turns = stage.rest + changed_by
        stage.asked = stage.done + turns
        return self._run(turns)

    def _retry(self) -> Task | None:
        return self._hear_start()

    def _hear_pause(self) -> None:
        if self._stage and self._is_busy():
            self._stage.wants_pause = True
            self._draw_controls()

    def _hear_stop(self) -> None:
        if self._stage and self._is_busy():
            self._stage.stop()
            self._draw_controls()

    def _hear_new(self) -> None:
        """The old talk stays in the arena; the next Start begins another one."""
        if self._is_busy():
            return
        self._stage = None
        self._notice.clear()
        options = self._options()
        for menu in (self._first, self._second):
            if menu.options != tuple(options):
                chosen, menu.options = menu.value, options
                menu.value = chosen if chosen in [npc_id for _, npc_id in options] else menu.value
        self._draw()

    def _opening_of(self, npc_id: str) -> str:
        """Return how a talk begins by itself: with the greeting of NPC 2, whom NPC 1 will answer."""
        npc = getattr(self._factory, "npcs", {}).get(npc_id)
        return getattr(getattr(npc, "config", None), "greeting", "") or DEFAULT_OPENING

    def _hear_choice(self) -> None:
        if self._opening.value == self._offered:
            self._opening.value = self._offered = self._opening_of(self._second.value)
        for fold in self._folds[1:]:
            fold.refresh()

    def _hear_director(self) -> None:
        line = self._line.value
        if not line.strip():
            raise ChatArenaError("The director's line is empty. Write at least one word.")
        stage = self._open_stage()
        if not stage.failed:
            self._notice.clear()
        stage.direct(line)
        if not self._is_busy():
            stage.record_directions()
        self._line.value = ""
        self._draw()

    def _hear_apply(self) -> None:
        for npc_id, sheet in zip(self._cast(), self._sheets, strict=False):
            sheet.apply(find_npc(self._factory.npcs, npc_id).config)
        self._applied.value = quiet("Done. It holds from the next line on.")

    # From the first line to the last

    def _stage_that_goes_on(self, npc1_id: str, npc2_id: str, opening: str) -> Stage | None:
        """Return the talk that was not finished the last time, if there is one."""
        conversation_id = unfinished(self._arena, npc1_id, npc2_id, opening)
        return Stage(self._arena, npc1_id, npc2_id, opening, conversation_id) if conversation_id else None

    def _open_stage(self) -> Stage:
        if self._stage is None:
            self._stage = Stage(self._arena, *self._npc_ids(), self._opening.value)
        return self._stage

    def _unless_busy(self, turns: int) -> Task | None:
        return None if self._is_busy() else self._run(turns)

    def _run(self, turns: int) -> Task:
        stage = self._open_stage()
        stage.prepare(turns)
        return self._begin(lambda: stage.run(turns))

    def _stop_work(self) -> None:
        if self._stage:
            self._stage.stop()

    def _note_end(self) -> None:
        if self._stage:
            self._guarded(self._stage.record_directions)  # what was dropped in during the last line
            if self._stage.failed:
                self._notice.show(self._stage.reason, can_retry=True)
            elif self._stage.problem:
                self._notice.show(self._stage.problem)

    # Drawing

    def _draw_live(self) -> None:
        self._guarded(self._draw_talk)
        self._guarded(self._draw_progress)
        self._folds[0].refresh()

    def _draw(self) -> None:
        """Bring everything up to date. The buttons come first: they must be alive, whatever fails."""
        for draw in (self._draw_controls, self._draw_talk, self._draw_progress):
            self._guarded(draw)
        self._refresh_folds()

    def _draw_controls(self) -> None:
        stage, is_busy = self._stage, self._is_busy()
        self._start.disabled = self._step.disabled = is_busy
        self._pause.disabled = not is_busy or (stage is not None and (stage.wants_pause or stage.wants_stop))
        self._stop.disabled = not is_busy or (stage is not None and stage.wants_stop)
        for part in (self._first, self._second, self._opening):
            part.disabled = stage is not None
        self._new.disabled = is_busy or stage is None
        self._status.value = self._state()

    def _draw_progress(self) -> None:
        stage = self._stage
        done, asked = (stage.done, stage.asked) if stage else (0, self._turns.value)
        self._progress.max, self._progress.value = max(asked, 1), done
        self._status.value = self._state()
        self._numbers.value = _table(stage.measures if stage else {})
        self._picture.value = _image(stage.picture if stage else b"")
        usage = stage.usage if stage and not self._is_busy() else ""
        self._usage.value = quiet(usage) if usage else ""

    def _state(self) -> str:
        """Return how far the talk is, in one line."""
        stage = self._stage
        if stage is None:
            return f"0 of {self._turns.value} turns done · press Start, or Step for one line"
        if stage.goes_on and not stage.asked:
            lines = len(stage.transcript.spoken)
            return f"Your last talk goes on after {lines} lines · press Start, or New talk to begin another"
        ending, seconds = stage.reason, f"{stage.seconds:.1f}"
        if self._is_busy():
            seconds = f"{stage.seconds:.0f}"  # tenths would be sent ten times a second
            ending = self._waiting.words((stage.done, stage.heard))
            ending = "pausing after this line …" if stage.wants_pause else ending
            ending = "stopping …" if stage.wants_stop else ending
        elif stage.failed:
            ending = "no reply"
        elif stage.done == stage.asked and not stage.wants_stop:
            ending = ""  # the numbers say it
        state = f"{stage.done} of {stage.asked} turns done · {seconds} s"
        return f"{state} · {ending}" if ending else state

    def _draw_talk(self) -> None:
        """Draw what is new. A recorded line stays as it is, so in a long talk most lines are left alone."""
        scene = self._stage.scene() if self._stage else Scene(Transcript(), None, [])
        recorded = list(scene.transcript)
        done = min(shared(self._recorded, recorded), len(self._lines))
        place = done
        for place, (kind, name, words, below) in enumerate(self._rows(scene, done), start=done + 1):
            line = self._line_at(place - 1, kind, name)
            is_growing = self._is_busy() and place > len(recorded)
            (line.grow if is_growing else line.show)(words, below)
        if recorded[len(self._recorded) :]:
            self._announcer.say(scene.transcript.speaker(recorded[-1]), recorded[-1].content)
        self._recorded = recorded
        del self._lines[place:]
        self._scroll.show([line.widget for line in self._lines])

    def _rows(self, scene: Scene, begin: int) -> Iterator[tuple[str, str, str, str]]:
        """Yield each line from number `begin` on: its kind, the name, the words, and what stands below."""
        transcript, stream, waiting = scene
        for message in transcript[begin:]:
            seconds = f"{message.seconds:.1f} s" if message.seconds is not None else ""
            yield _KINDS[message.seat], transcript.speaker(message), message.content, seconds
        if stream is not None:
            seat, words = next_seat(transcript), stream.reply.text
            if self._is_busy():
                yield _KINDS[seat], transcript.names[seat], words, "" if words else "…"
            elif words:
                yield _KINDS[seat], transcript.names[seat], words, "(broken off, not recorded)"
        for message in waiting:
            yield ASIDE, transcript.speaker(message), message.content, "(for the next speaker)"

    def _line_at(self, place: int, kind: str, name: str) -> Line:
        if place < len(self._lines) and (self._lines[place].kind, self._lines[place].name) != (kind, name):
            del self._lines[place:]
        if place == len(self._lines):
            self._lines.append(Line(kind, name))
        return self._lines[place]

    def _draw_thoughts(self) -> None:
        for seat, npc_id, pile in zip((1, 2), self._npc_ids(), self._thoughts, strict=True):
            name = self._stage.names[seat] if self._stage else name_of(self._factory, npc_id)
            thoughts = self._stage.thoughts(seat) if self._stage else []
            written = [exactly(thought) for thought in thoughts] or [quiet("No private thoughts so far.")]
            pile.show([f"<b>{escaped(name)}</b>", *written])

    def _cast(self) -> list[str]:
        """Return both characters, or the one that talks with itself."""
        return list(dict.fromkeys(self._npc_ids()))

    def _draw_sheets(self) -> None:
        self._applied.value = ""
        for npc_id, sheet in zip(self._cast(), self._sheets, strict=False):
            sheet.show(npc_id, name_of(self._factory, npc_id), find_npc(self._factory.npcs, npc_id).config)
        self._sheets[1].set_visible(len(self._cast()) == 2)


class _Sheet:
    """A character's description, to be changed."""

    def __init__(self) -> None:
        self._name = html_box()
        self._text = widgets.Textarea(rows=4, layout=widgets.Layout(width="100%"))
        self._shown: tuple[str, str] | None = None  # the NPC's id, and its description
        self.parts = (self._name, self._text)

    def set_visible(self, is_visible: bool) -> None:
        for part in self.parts:
            part.layout.display = None if is_visible else "none"

    def show(self, npc_id: str, name: str, config: Any) -> None:
        """Show this character. What somebody is writing about it stays."""
        self._name.value = f"<b>{escaped(name)}</b>"
        if self._shown is None or self._shown[0] != npc_id or not self._is_changed():
            self._text.value = config.character_description
            self._shown = npc_id, config.character_description

    def apply(self, config: Any) -> None:
        """Make what was written the character's description."""
        if self._shown is not None and self._is_changed():
            config.character_description = self._text.value
            self._shown = self._shown[0], self._text.value

    def _is_changed(self) -> bool:
        return self._shown is not None and self._text.value != self._shown[1]


def _table(measures: Mapping[str, Any]) -> str:
    rows = [
        (escaped(_MEASURES.get(name, str(name))), escaped(_number(value))) for name, value in measures.items()
    ]
    return html_table((), rows) if rows else quiet("Measures appear after the first line.")


def _number(value: Any) -> str:
    """A learner's own measures need not be numbers."""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _image(picture: bytes) -> str:
    if not picture:
        return ""
    content = base64.b64encode(picture).decode()
    alternative = "Length and echo of each line, turn by turn"
    return f"<img alt='{alternative}' src='data:image/png;base64,{content}' style='max-width: 100%'>"


def _check_turns(turns: int, least: int) -> None:
    if not isinstance(turns, int) or isinstance(turns, bool) or turns < least:
        raise ChatArenaError(
            f"The number of turns must be a whole number, {least} or more, not {turns!r:.60}."
        )
