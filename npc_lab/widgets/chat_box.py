"""The chat box: talk with an NPC, watch the words arrive, stop, try again, look behind the curtain."""

from __future__ import annotations

import time
from collections.abc import Callable

import ipywidgets as widgets

from npc_lab.errors import NPCLabError, ReplyError, in_words
from npc_lab.factory import NPCFactory
from npc_lab.rendering import escaped
from npc_lab.transcript import Transcript
from npc_lab.widgets.chat_model import WENT_ON, Take, Talk, Turn
from npc_lab.widgets.lines import ONE, TWO, Line, Pile, Scroll, prompt_markup
from npc_lab.widgets.look import button, exactly, html_box, quiet, row
from npc_lab.widgets.panel import TalkPanel
from npc_lab.widgets.pump import SECONDS_FOR_A_LATE_MESSAGE, Task

_YOUR_NEXT = "(your next message)"


def chat_box(factory: NPCFactory, npc_id: str, user: str = "you") -> ChatBox:
    """Return a box to talk with an NPC in a notebook: put it at the end of a cell.

    user: a user's *name*, registered on first use. What the two said before is shown.
    Raise `NPCNotFoundError`.
    """
    return ChatBox(factory, npc_id, user)


class ChatBox(TalkPanel):
    """Shows one talk and takes the learner's lines. `widget` is its root."""

    def __init__(self, factory: NPCFactory, npc_id: str, user: str):
        self._talk = Talk(factory, npc_id, user)
        super().__init__()
        self._views: list[_TurnView] = []
        self._failed: tuple[Turn, str] | None = None  # what Retry asks again
        self._send_until = 0.0  # until when a text that arrives is sent; 0 if nobody asked for that
        self._edited: Turn | None = None
        self._draft = ""  # what stood in the input before the edited text
        self._build()
        self._talk.catch_up()
        self._draw()

    def __repr__(self) -> str:
        return f"ChatBox({self._title()!r}, {len(self._talk.turns)} turns)"

    def _ipython_display_(self) -> None:
        self._handle(self._show_news)
        super()._ipython_display_()

    def say(self, text: str) -> str:
        """Say something and wait for the answer; works without a browser. Raise `ReplyError`."""
        with self._lock_when_free():
            try:
                self._talk.catch_up()
                turn = self._talk.new_turn(text)
            except NPCLabError as error:
                self._notice.show(str(error))
                raise
            take = turn.takes[-1]
            task = self._ask(turn)
        self._see_through(task)
        if take.error is not None:
            raise take.error
        return take.reply.text

    @property
    def transcript(self) -> Transcript:
        """The talk as it is shown."""
        with self._lock:
            return self._talk.transcript

    def _title(self) -> str:
        return self._talk.title

    def _build(self) -> None:
        self._scroll = Scroll()
        self._status = html_box()
        self._status.layout.min_height = "1.6em"  # so that nothing moves when it falls silent
        self._greeting = Line(TWO, self._talk.name)
        self._usage = html_box()
        self._input = widgets.Text(
            description="You:",
            placeholder="Say something, then press Enter",
            continuous_update=False,
            style={"description_width": "initial"},
            layout=widgets.Layout(flex="1 1 14em", width="auto"),
        )
        self._input.on_msg(self._hear_key)
        self._input.observe(lambda _: self._hear_value(), "value")
        self._send = button("Send", self._hear_send, "Say it (or press Enter)", style="primary")
        self._stop = self._button("Stop", self._hear_stop, "End this reply")
        self._again = self._button("Regenerate", self._regenerate, "Ask for another answer")
        self._edit = self._button("Edit", self._toggle_editing, "Change your last message")
        self._before = self._button("◀", lambda: self._browse(-1), "The answer before this")
        self._after = self._button("▶", lambda: self._browse(1), "The answer after this")
        self._place = widgets.Label()
        self._takes = row(self._before, self._place, self._after)
        self._thoughts, self._prompts = Pile(), html_box()
        self._folds = [
            self._fold("Private thoughts", self._thoughts.widget, self._draw_thoughts),
            self._fold("What was sent", self._prompts, self._draw_prompts),
            self._fold("Copy and save", self._saving.widget, self._saving.refresh),
        ]
        self._arrange(
            html_box(f"<b>{escaped(self._title())}</b>"),
            self._scroll.widget,
            self._status,
            self._notice.widget,
            row(self._input, self._send),
            row(self._stop, self._again, self._edit, self._takes),
            self._usage,
        )

    # What the page sends

    def _hear_key(self, _: widgets.Widget, content: dict[str, object], __: list[bytes]) -> None:
        if content.get("event") == "submit":  # Enter
            self._hear_send()

    def _hear_send(self) -> None:
        """Send the text, which may arrive a moment after the key or the click that sends it."""
        self._send_until = until = time.monotonic() + SECONDS_FOR_A_LATE_MESSAGE
        self._pump.soon(lambda: self._handle(lambda: self._send_input(until)))

    def _hear_value(self) -> None:
        if time.monotonic() < self._send_until:
            self._handle(lambda: self._send_input(self._send_until))
        else:
            self._folds[1].refresh()

    def _hear_stop(self) -> None:
        if self._is_busy():
            self._talk.stop()
            self._stop.disabled = True
            self._status.value = quiet("Stopping …")

    def _send_input(self, until: float) -> Task | None:
        if self._send_until != until:
            return None  # it was sent already, or Enter was pressed once more
        text = self._input.value
        if self._is_busy():
            self._status.value = quiet(f"{self._talk.name} is still speaking. Wait, or press Stop.")
            return None
        if not text.strip():
            self._notice.show("There is nothing to send yet. Write something first.")
            return None
        self._send_until = 0.0
        turn = self._turn_for(text)
        self._input.value, self._draft = self._draft, ""
        return self._ask(turn)

    def _turn_for(self, text: str) -> Turn:
        """Return a new turn; if the learner edits the last one, that one with another take."""
        self._talk.catch_up()
        if self._edited is None:
            return self._talk.new_turn(text)
        if self._edited in self._talk.turns[-1:]:
            return self._talk.new_take(text)
        self._edited = None
        self._draw()
        raise NPCLabError(WENT_ON)

    def _regenerate(self) -> Task | None:
        if self._is_busy():
            return None
        self._talk.catch_up()
        if not self._talk.turns or self._talk.turns[-1].take.is_greeting:
            raise NPCLabError("There is nothing to answer again yet. Say something first.")
        return self._ask(self._talk.new_take(self._talk.turns[-1].take.question))

    def _retry(self) -> Task | None:
        if self._is_busy() or self._failed is None:
            return None
        failed, question = self._failed
        self._talk.catch_up()
        is_last = failed in self._talk.turns[-1:]
        return self._ask(self._talk.new_take(question) if is_last else self._talk.new_turn(question))

    def _toggle_editing(self) -> None:
        if self._edited is not None:
            self._edited = None
            self._input.value, self._draft = self._draft, ""
        elif self._talk.turns and not self._talk.turns[-1].take.is_greeting and not self._is_busy():
            self._edited, self._draft = self._talk.turns[-1], self._input.value
            self._input.value = self._edited.take.question
        self._draw_controls()
        self._folds[1].refresh()

    def _browse(self, step: int) -> Task | None:
        """Show another take of the last turn. If it is whole, the character remembers this one now."""
        if self._is_busy():
            return None
        self._show_news()
        if not self._talk.turns:
            return None
        turn = self._talk.turns[-1]
        place = turn.shown + step
        if not 0 <= place < len(turn.takes):
            return None
        take = turn.takes[place]
        if take.exchange:
            return self._begin(lambda: self._talk.choose(turn, take))
        turn.shown = place
        self._draw()
        return None

    def _show_news(self) -> None:
        """Show what was said elsewhere meanwhile."""
        if not self._is_busy():
            self._talk.catch_up()
            self._draw()

    # From the beginning of a reply to its end

    def _ask(self, turn: Turn) -> Task:
        return self._begin(lambda: self._talk.ask(turn))

    def _stop_work(self) -> None:
        self._talk.stop()

    def _begin(self, work: Callable[[], None]) -> Task:
        self._edited = self._failed = None
        self._talk.prepare()
        return super()._begin(work)

    def _note_end(self) -> None:
        turn, error = self._talk.turns[-1], self._talk.error
        newest = turn.takes[-1]
        if isinstance(error, ReplyError):
            self._failed = turn, newest.question
        if error is not None:
            self._notice.show(in_words(error), can_retry=self._failed is not None)
        elif self._talk.problem:
            self._notice.show(self._talk.problem)
        if newest.reply.text:
            self._announcer.say(self._talk.name, newest.reply.text)
        elif not newest.exchange:
            turn.drop(newest)

    # Drawing

    def _draw_live(self) -> None:
        stream = self._talk.stream
        if stream is None or self._talk.was_stopped:
            return
        reply = stream.reply
        self._views[-1].answer.grow(reply.text)
        doing = "is speaking" if reply.text else "is thinking" if reply.thought else "was asked"
        waiting = self._waiting.words(len(reply.text + reply.thought))
        self._status.value = quiet(f"{self._talk.name} {doing} … {waiting}".rstrip())
        self._folds[0].refresh()

    def _draw(self) -> None:
        self._draw_controls()  # first: whatever else may fail, the buttons come alive again
        turns = self._talk.turns
        del self._views[len(turns) :]
        lines: list[widgets.Widget] = []
        if greeting := self._talk.greeting:
            self._greeting.show(greeting)
            lines.append(self._greeting.widget)
        for turn, view in zip(turns, self._enough_views(len(turns)), strict=True):
            lines += view.show(turn.take, is_asked=self._is_busy() and turn is turns[-1])
        self._scroll.show(lines)
        self._status.value = ""
        usage = self._talk.usage
        self._usage.value = quiet(usage) if usage else ""
        self._refresh_folds()

    def _enough_views(self, count: int) -> list[_TurnView]:
        while len(self._views) < count:
            self._views.append(_TurnView(self._talk.user, self._talk.name))
        return self._views

    def _draw_controls(self) -> None:
        is_busy, last = self._is_busy(), self._talk.turns[-1] if self._talk.turns else None
        self._send.disabled = is_busy
        self._stop.disabled = not is_busy
        self._again.disabled = self._edit.disabled = is_busy or last is None
        self._edit.description = "Cancel edit" if self._edited is not None else "Edit"
        takes = len(last.takes) if last else 0
        self._takes.layout.display = None if takes > 1 and not is_busy else "none"
        if last is not None:
            self._place.value = f"answer {last.shown + 1} of {takes}"
            self._before.disabled, self._after.disabled = last.shown == 0, last.shown == takes - 1

    def _draw_thoughts(self) -> None:
        replies = [turn.take.reply for turn in self._talk.turns]
        if self._is_busy() and self._talk.stream is not None:
            replies[-1] = self._talk.stream.reply
        thoughts = [exactly(reply.thought) for reply in replies if reply.thought]
        self._thoughts.show(thoughts or [quiet(self._why_no_thoughts())])

    def _why_no_thoughts(self) -> str:
        if self._talk.has_scratchpad:
            return f"{self._talk.name} has not written a private thought yet."
        return f"{self._talk.name} does not think in private. To let it: has_scratchpad=True."

    def _draw_prompts(self) -> None:
        text = self._input.value
        talk = self._talk
        messages, forgotten = talk.next_prompt(text if text.strip() else _YOUR_NEXT, self._edited)
        upcoming = prompt_markup("The next prompt", messages, forgotten, talk.has_form)
        last = prompt_markup("The last prompt", talk.last_prompt, talk.last_forgotten, talk.last_had_form)
        self._prompts.value = f"{upcoming}<hr>{last}"


class _TurnView:
    """The two lines of a turn; only one if the character said nothing."""

    def __init__(self, user: str, name: str):
        self.question = Line(ONE, user)
        self.answer = Line(TWO, name)
        self._shown: Take | None = None  # which has ended, and so does not change any more
        self._lines: list[widgets.Widget] = []

    def show(self, take: Take, is_asked: bool) -> list[widgets.Widget]:
        """Show the take and return its lines."""
        if is_asked or take is not self._shown:
            self._lines = self._draw(take, is_asked)
            self._shown = None if is_asked else take
        return self._lines

    def _draw(self, take: Take, is_asked: bool) -> list[widgets.Widget]:
        mark = f"({take.mark})" if take.mark else ""
        if not take.reply.text and not is_asked:
            self.question.show(take.question, mark)
            return [self.question.widget]
        self.question.show(take.question)
        facts = " · ".join(filter(None, (mark, take.facts())))
        self.answer.show(take.reply.text, "" if is_asked or take.is_greeting else facts)
        return [self.answer.widget] if take.is_greeting else [self.question.widget, self.answer.widget]
