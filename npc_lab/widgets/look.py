"""What all panels look like, and the small parts they are made of.

Colours come from the page wherever it has one, so that the panels fit light and dark themes. Who speaks is
told by name and side, a colour only adds to that. Nothing here puts a name or free text into HTML unescaped.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import ipywidgets as widgets

from npc_lab.rendering import escaped

SECONDS_UNTIL_A_WAIT_IS_SHOWN = 1
# Without a tooltip, ipywidgets 8 writes title="null". In ipywidgets 7 only buttons have one.
_UNTITLED = {"tooltip": ""} if widgets.HTML.class_traits().get("tooltip") else {}

_STYLE = """<style>
.npc-lab { max-width: 60em; }
.npc-lab .widget-html, .npc-lab .widget-html-content, .npc-lab .jupyter-widget-html-content {
  line-height: 1.5; height: auto; min-width: 0; overflow-wrap: anywhere; flex-grow: 1; margin: 0; }
.npc-lab .widget-html-content p, .npc-lab .widget-html-content ul, .npc-lab .widget-html-content ol,
.npc-lab .widget-html-content blockquote { margin: 0 0 .4em; }
.npc-lab .widget-html-content h1, .npc-lab .widget-html-content h2, .npc-lab .widget-html-content h3,
.npc-lab .widget-html-content h4 { font-size: 1.05em; margin: .3em 0; }
.npc-lab .widget-html-content pre { white-space: pre-wrap; word-break: normal; margin: 0 0 .4em;
  padding: .3em .6em; background: rgba(128, 128, 128, .12); color: inherit; border: 0; }
.npc-lab .widget-html-content code { background: rgba(128, 128, 128, .12); color: inherit; }
.npc-lab .widget-html-content table { border-collapse: collapse; margin: 0 0 .4em; }
.npc-lab .widget-html-content th, .npc-lab .widget-html-content td {
  border: 1px solid rgba(128, 128, 128, .5); padding: .1em .5em; }
.npc-lab .widget-html-content a { text-decoration: underline; }
.npc-lab .widget-html-content blockquote {
  padding: 0 0 0 .8em; font-size: inherit; border-left: 2px solid rgba(128, 128, 128, .5); }
.npc-lab-line { border-left: 4px solid rgba(128, 128, 128, .6); padding-left: .7em; margin-bottom: .5em; }
.npc-lab-one { border-color: #2a78d6; margin-right: 8%; }
.npc-lab-two { border-color: #c4581c; border-left-style: double; border-left-width: 6px; margin-left: 8%; }
.npc-lab-aside { border-left-style: dashed; font-style: italic; }
.npc-lab-quiet { opacity: .75; font-size: .9em; }
.npc-lab-notice { border: 1px solid currentColor; border-left-width: 6px; padding: .3em .7em; }
.npc-lab-field .widget-inline-hbox:not(.widget-checkbox) {
  flex-flow: column; align-items: stretch; height: auto; margin: 0; }
.npc-lab-field .widget-inline-hbox .widget-label { text-align: left; }
.npc-lab-field select, .npc-lab-field textarea, .npc-lab-field input { flex: 0 0 auto; }
.npc-lab-field select { height: var(--jp-widgets-inline-height, 28px); }
.npc-lab input, .npc-lab textarea { unicode-bidi: plaintext; text-align: start; }
.npc-lab-forgotten { opacity: .7; }
.npc-lab-heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.npc-lab-cell { max-height: 0; overflow: hidden; animation: npc-lab-cell 0s 1s forwards; }
@keyframes npc-lab-cell { to { max-height: 6em; } }
.npc-lab .widget-text, .npc-lab .widget-textarea, .npc-lab .widget-dropdown { max-width: calc(100% - 4px); }
.npc-lab .jupyter-button.mod-primary { background: #1a6fc4; color: white; }
.npc-lab button:focus-visible, .npc-lab input:focus-visible, .npc-lab textarea:focus-visible {
  outline: 2px solid #2a78d6; outline-offset: 1px; }
</style>"""


def styled(*parts: widgets.Widget) -> widgets.VBox:
    """Return the root of a panel: its parts below each other, with the style that they need."""
    root = widgets.VBox([widgets.HTML(_STYLE, layout=widgets.Layout(display="none")), *parts])
    root.add_class("npc-lab")
    _untitle(root)
    return root


def _untitle(part: widgets.Widget) -> None:
    """Give an empty tooltip to each part that has none: ipywidgets 8 writes title="null" for it."""
    if getattr(part, "tooltip", "") is None:
        part.tooltip = ""
    for child in getattr(part, "children", ()):
        _untitle(child)


def row(*parts: widgets.Widget) -> widgets.HBox:
    """Return parts beside each other; in a narrow page, below each other."""
    return widgets.HBox(list(parts), layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def button(name: str, on_click: Callable[[], None], tooltip: str, style: str = "") -> widgets.Button:
    """Return a button that calls `on_click` without arguments."""
    made = widgets.Button(
        description=name, tooltip=tooltip, button_style=style, layout=widgets.Layout(width="auto")
    )
    made.on_click(lambda _: on_click())
    return made


def html_box(markup: str = "") -> widgets.HTML:
    """Return a widget that shows HTML of the kit's own making."""
    return widgets.HTML(markup, layout=widgets.Layout(width="auto"), **_UNTITLED)


def quiet(text: str) -> str:
    """Return the HTML of a line that should not stand out."""
    return f"<span class='npc-lab-quiet'>{escaped(text)}</span>" if text else ""


def exactly(text: str) -> str:
    """Return the HTML that shows a text exactly as it is written, blanks and line ends included."""
    return f"<pre dir='auto'>{escaped(text)}</pre>"


class Fold:
    """A part that can be opened and shut. Its head is a button, so that the keyboard reaches it.

    (It does not reach an Accordion's head.) `make` brings the content up to date while it is open.
    """

    def __init__(self, name: str, content: widgets.Widget, make: Callable[[], None] | None = None):
        self._name = name
        self.head = widgets.ToggleButton(description=name, layout=widgets.Layout(width="auto"))
        self._draw_head()
        layout = widgets.Layout(
            display="none",
            max_height="24em",
            overflow="auto",
            border="1px solid rgba(128,128,128,.4)",
            padding="6px",
            margin="4px 0 0 0",
        )
        # More than one may be open: each says again which it is.
        self.body = widgets.VBox([html_box(quiet(name)), content], layout=layout)
        self._make = make
        self.head.observe(self._turn, "value")

    @property
    def is_open(self) -> bool:
        """Whether its content is shown."""
        return bool(self.head.value)

    def refresh(self) -> None:
        """Make the content anew, if it is shown."""
        if self.is_open and self._make:
            self._make()

    def _turn(self, _: object) -> None:
        self.refresh()
        self._draw_head()
        self.body.layout.display = None if self.is_open else "none"

    def _draw_head(self) -> None:
        """Show its state, and tell it to those who cannot see it. (A widget has no aria-expanded.)"""
        self.head.icon = "caret-down" if self.is_open else "caret-right"
        state = "open, press to shut" if self.is_open else "shut, press to open"
        self.head.tooltip = f"{self._name}: {state}"


class Announcer:
    """Tells a screen reader what was said, line by line: a line that grows would be read again and again.

    It cannot be seen.
    """

    def __init__(self) -> None:
        self.widget = html_box(_spoken(""))

    def say(self, name: str, words: str) -> None:
        """Have a line read out, once."""
        self.widget.value = _spoken(f"{name}: {words}")


def _spoken(text: str) -> str:
    return f"<div class='npc-lab-heard' role='log' aria-live='polite' dir='auto'>{escaped(text)}</div>"


class Waiting:
    """Seconds since the last new words of a reply. It changes once a second, never while words arrive."""

    def __init__(self) -> None:
        self._heard: object = None
        self._since = time.monotonic()

    def words(self, heard: object) -> str:
        """Return the wait so far, or "". heard: any value that changes when more has arrived."""
        if heard != self._heard:
            self._heard, self._since = heard, time.monotonic()
        seconds = int(time.monotonic() - self._since)
        return f"waiting for {seconds} s" if seconds >= SECONDS_UNTIL_A_WAIT_IS_SHOWN else ""


class Notice:
    """Says what went wrong and what to do next, with a button that tries again if that may help."""

    def __init__(self, on_retry: Callable[[], None] = lambda: None):
        self._words = html_box()
        self.retry = button("Retry", on_retry, "Try the same again")
        self._row = row(self._words, self.retry)
        self.widget = widgets.VBox([self._row], layout=widgets.Layout(display="none"))

    def show(self, text: str, can_retry: bool = False) -> None:
        """Show a notice."""
        self._words.value = f"<div class='npc-lab-notice' role='alert'>{escaped(text)}</div>"
        self.retry.layout.display = None if can_retry else "none"
        self.widget.layout.display = None

    def clear(self) -> None:
        """Show none."""
        self.widget.layout.display = "none"
        self._words.value = ""
