"""A panel as a learner sees it, without a page: its buttons by name, its visible words, what a page sends."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any

import ipywidgets as widgets

from npc_lab import FakeReply

# Long enough for a machine under load; nobody waits so long where all is well.
PATIENCE = 30.0
LOOK_AGAIN = 0.005


def walk(part: Any) -> Iterator[Any]:
    """The widget and all that is inside of it, hidden parts too."""
    yield part
    for child in getattr(part, "children", ()):
        yield from walk(child)


def visible(part: Any) -> Iterator[Any]:
    """The widget and what is inside of it, as far as it is shown."""
    if part.layout.display != "none":
        yield part
        for child in getattr(part, "children", ()):
            yield from visible(child)


def text_of(part: Any) -> str:
    """All visible words, without their tags."""
    shown = [each for each in visible(part) if isinstance(each, widgets.HTML | widgets.Label)]
    return "\n".join(plain(each.value) for each in shown if each.value)


def plain(markup: str) -> str:
    without_style = re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "", without_style)).strip()


def button(part: Any, name: str) -> Any:
    """The one button, or fold, of this name; hidden ones too."""
    buttons = (widgets.Button, widgets.ToggleButton)
    found = [each for each in walk(part) if isinstance(each, buttons) and each.description == name]
    assert len(found) == 1, f"{len(found)} buttons are named {name!r}"
    return found[0]


def is_shown(part: Any, wanted: Any) -> bool:
    return any(each is wanted for each in visible(part))


def open_fold(part: Any, name: str) -> Any:
    """Open a fold; gives its body."""
    before = {id(each) for each in visible(part)}
    button(part, name).set_state({"value": True})
    return next(each for each in visible(part) if id(each) not in before)


def text_field(part: Any) -> Any:
    """The one field for a line of text."""
    found = [each for each in walk(part) if type(each) is widgets.Text]
    assert len(found) == 1
    return found[0]


def fill_in(field: Any, words: str) -> None:
    """What a page sends when a field loses the focus."""
    field.set_state({"value": words})


def press_enter(field: Any, words: str) -> None:
    """What a page sends when somebody writes and presses Enter: first the key, then the words."""
    field._handle_custom_msg({"event": "submit"}, [])
    fill_in(field, words)


def lines(part: Any) -> list[str]:
    """The lines of the talk on the screen, each with its speaker and what stands below."""
    return [text_of(each) for each in line_widgets(part)]


def line_widgets(part: Any) -> list[Any]:
    return [each for each in walk(part) if "npc-lab-line" in getattr(each, "_dom_classes", ())]


def wait_until(condition: Callable[[], object], what: str = "what was waited for") -> None:
    """Come back when it is so; fail if it never is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"Waited {PATIENCE:g} s: {what} did not come."
        time.sleep(LOOK_AGAIN)


class Gated(list[Any]):
    """Pieces of a reply; where an event stands among them, they wait for it."""

    def __iter__(self) -> Iterator[str]:
        for each in super().__iter__():
            if isinstance(each, threading.Event):
                each.wait(PATIENCE)
            else:
                yield each


def gated(*pieces: Any, **more: Any) -> FakeReply:
    """A fake's reply that waits for the events among its pieces."""
    text = "".join(each for each in pieces if isinstance(each, str))
    return FakeReply(text, pieces=Gated(pieces), **more)


# What the panels' own markup is made of, and what is left of a model's Markdown. No `img`, no `on...`.
_TAGS = {"style", "div", "span", "p", "br", "hr", "pre", "code", "blockquote", "b", "em", "strong", "s", "a"}
_TAGS |= {"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
_TAGS |= {f"h{level}" for level in range(1, 7)}
_ATTRIBUTES = {"class", "role", "href", "title", "rel", "target", "download", "start", "dir", "aria-live"}


class _Guard(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.found += [] if tag in _TAGS else [f"<{tag}>"]
        for name, value in attrs:
            address_is_fine = name != "href" or re.match(r"(https?|mailto|data):", value or "")
            is_our_cell = (tag, name, value) == ("td", "style", "text-align:start")
            is_fine = is_our_cell or (name in _ATTRIBUTES and address_is_fine)
            self.found += [] if is_fine else [f"{tag}: {name}={value!r}"]


def foreign_markup(part: Any) -> list[str]:
    """Tags and attributes in the panel that neither it nor safe Markdown can have made."""
    guard = _Guard()
    for each in walk(part):
        if isinstance(each, widgets.HTML):
            guard.feed(each.value)
        if not isinstance(each, widgets.Button | widgets.ToggleButton):  # those show text as text
            guard.feed(getattr(each, "description", ""))
    guard.close()
    return guard.found
