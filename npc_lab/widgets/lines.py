"""What a talk looks like: its lines, each growing while it is made, and the prompts that were sent for it.

A line that is finished is not sent to the browser again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import ipywidgets as widgets

from npc_lab.memory import ChatMessage
from npc_lab.rendering import escaped, split_finished, to_html
from npc_lab.widgets.look import exactly, html_box, quiet
from npc_lab.wire.usage import estimated_tokens

ONE, TWO, ASIDE = "npc-lab-one", "npc-lab-two", "npc-lab-aside"  # the first speaker, the second, nobody
_GROUP = 20  # lines
MOST_FORGOTTEN = 20  # messages of those that are no longer sent: enough to see where memory ends
MOST_CHARACTERS_A_SECOND = 10_000  # of the last paragraph, which is sent again and again while it grows


class Line:
    """What one speaker says: the name, the words, and facts about them below.

    A line grows. Its finished paragraphs are sent to the browser once, only the last one is sent again.
    """

    def __init__(self, kind: str, name: str):
        self.kind, self.name = kind, name
        self._head = html_box(f"<div dir='auto'><b>{escaped(name)}</b></div>")
        self._below, self._words_below = html_box(), ""
        self._paragraphs: list[widgets.HTML] = []
        self._text = ""
        self._finished = 0  # characters of it that will not change any more
        self._written = 0.0  # when, by time.monotonic()
        self.widget = widgets.VBox([self._head, self._below])
        self.widget.add_class("npc-lab-line")
        self.widget.add_class(kind)

    def show(self, text: str, below: str = "") -> None:
        """Show this text, which usually is the one shown before and some more, and `below` it other words."""
        if below != self._words_below:  # a trait takes longer to compare
            self._below.value, self._words_below = quiet(below), below
        if text == self._text:
            return
        if not text.startswith(self._text):
            self._paragraphs, self._finished = [], 0
        self._text = text
        finished, rest = split_finished(text[self._finished :])
        if finished:
            self._write(finished)
            self._paragraphs.append(html_box())
            self._finished += len(finished)
        self._write(rest)
        self._show_paragraphs()

    def grow(self, text: str, below: str = "") -> None:
        """Show a text that is still being made. A long paragraph is sent less often, to save bytes.

        What turns out to be a private thought is taken away at once.
        """
        size = len(text) - self._finished
        is_due = time.monotonic() - self._written >= size / MOST_CHARACTERS_A_SECOND
        if is_due or not text.startswith(self._text):
            self.show(text, below)

    def _write(self, text: str) -> None:
        self._written = time.monotonic()
        if not self._paragraphs:
            self._paragraphs.append(html_box())
        self._paragraphs[-1].value = to_html(text)

    def _show_paragraphs(self) -> None:
        children = (self._head, *self._paragraphs, self._below)
        if children != self.widget.children:
            self.widget.children = children


class Pile:
    """Pieces of our own markup below each other. A piece that stays the same is not sent again."""

    def __init__(self) -> None:
        self.widget = widgets.VBox()

    def show(self, pieces: list[str]) -> None:
        """Show these pieces."""
        boxes = [*self.widget.children[: len(pieces)]]
        boxes += [html_box() for _ in pieces[len(boxes) :]]
        for box, piece in zip(boxes, pieces, strict=True):
            box.value = piece
        self.widget.children = tuple(boxes)


class Scroll:
    """A list of lines that stays at its newest line, unless the reader has scrolled up.

    It sends the lines in groups, so that another line in a long talk sends no more than in a short one.
    """

    def __init__(self, height: str = "26em"):
        self._groups = _column()
        # It runs from the bottom to the top and has one part only: so the browser holds on to the bottom.
        layout = widgets.Layout(
            flex_flow="column-reverse",
            max_height=height,
            overflow="auto",
            border="1px solid rgba(128,128,128,.4)",
            padding="4px",
        )
        self.widget = widgets.Box([self._groups], layout=layout)

    def show(self, lines: list[widgets.Widget]) -> None:
        """Show these lines, oldest first. What is shown already is not sent again."""
        parts = [tuple(lines[begin : begin + _GROUP]) for begin in range(0, len(lines), _GROUP)]
        groups = [*self._groups.children[: len(parts)]]
        groups += [_column() for _ in parts[len(groups) :]]
        for group, part in zip(groups, parts, strict=True):
            if part != group.children:
                group.children = part
        if tuple(groups) != self._groups.children:
            self._groups.children = tuple(groups)


def _column() -> widgets.VBox:
    return widgets.VBox(layout=widgets.Layout(flex="0 0 auto", width="100%"))


HELD = (
    "The engine holds the reply to a form: it ends with a whole sentence, and if the character thinks in "
    'private, both marks are there. Switch it off with <code>request_options={"grammar": ""}</code>.'
)


def prompt_markup(
    title: str, messages: Sequence[ChatMessage], forgotten: Sequence[ChatMessage], has_form: bool = False
) -> str:
    """Return a prompt as HTML: the system message, what is forgotten (greyed), and all else that is sent.

    has_form: whether the reply is held to its form.
    """
    if not messages:
        return f"<p><b>{escaped(title)}</b>: nothing yet.</p>"
    characters = sum(len(message["content"]) for message in messages)
    size = f"{len(messages)} messages, {characters:,} characters"
    size += f", about {estimated_tokens(characters):,} tokens (estimated)"
    parts = [f"<p><b>{escaped(title)}</b>: {size}</p>", *map(_message, messages[:1])]
    if (hidden := len(forgotten) - MOST_FORGOTTEN) > 0:
        parts.append(f"<p class='npc-lab-forgotten'>{hidden} more forgotten messages</p>")
    parts += [_message(message, is_forgotten=True) for message in forgotten[-MOST_FORGOTTEN:]]
    return "".join([*parts, *map(_message, messages[1:]), f"<p>{HELD}</p>" if has_form else ""])


def _message(message: ChatMessage, is_forgotten: bool = False) -> str:
    style = " class='npc-lab-forgotten'" if is_forgotten else ""
    role = f"{message['role']} (forgotten, not sent)" if is_forgotten else message["role"]
    return f"<div{style}><code>{escaped(role)}</code>{exactly(message['content'])}</div>"
