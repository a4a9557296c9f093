"""*Copy and save*: the talk as text to copy, and as files to download.

A link with the file inside of it downloads in Jupyter. Google Colab has a call of its own for that.
"""

from __future__ import annotations

import base64
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from npc_lab.errors import in_words
from npc_lab.export import as_html, as_jsonl, as_markdown, export
from npc_lab.rendering import escaped
from npc_lab.transcript import Transcript
from npc_lab.widgets.look import button, html_box, quiet, row

_KINDS: list[tuple[str, str, str, Callable[[Transcript, str], str]]] = [
    (".md", "Markdown", "text/markdown", as_markdown),
    (".jsonl", "JSONL", "application/jsonl", lambda transcript, _: as_jsonl(transcript)),
    (".html", "web page", "text/html", as_html),
]


class Saving:
    """The content of the fold. `transcript` returns the talk as it stands, `title` its title."""

    def __init__(self, transcript: Callable[[], Transcript], title: Callable[[], str]):
        self._transcript = transcript
        self._title = title
        self._text = widgets.Textarea(rows=6, layout=widgets.Layout(width="100%"))
        self._links = html_box()
        advice = html_box(quiet("To copy: click into the text, press Ctrl+A and Ctrl+C (on a Mac: Cmd)."))
        self.widget = widgets.VBox([self._text, advice, self._ways_to_download()])

    def refresh(self) -> None:
        """Bring text and links up to date."""
        transcript = self._transcript()
        self._text.value = as_markdown(transcript, self._title())
        if not on_colab():
            links = [self._link(transcript, *kind) for kind in _KINDS]
            self._links.value = f"Download: {' · '.join(links)}"

    def _ways_to_download(self) -> widgets.Widget:
        if not on_colab():
            return self._links
        buttons = (button(name, self._sender(ending), f"Download {name}") for ending, name, _, _ in _KINDS)
        return widgets.VBox([row(*buttons), self._links])

    def _link(
        self,
        transcript: Transcript,
        ending: str,
        name: str,
        kind: str,
        write: Callable[[Transcript, str], str],
    ) -> str:
        return link(name, file_name(self._title(), ending), kind, write(transcript, self._title()))

    def _sender(self, ending: str) -> Callable[[], None]:
        def write(path: Path) -> None:
            export(self._transcript(), path, title=self._title())

        def download() -> None:
            try:
                send(file_name(self._title(), ending), write)
            except Exception as error:  # no room on the disk, no browser that listens
                self._links.value = quiet(f"The file could not be sent. {in_words(error)}")

        return download


def on_colab() -> bool:
    """Return whether this kernel is one of Google Colab's."""
    return "google.colab" in sys.modules


def file_name(title: str, ending: str) -> str:
    """Return a file name for this title that is valid on any system."""
    letters = "".join(letter if letter.isalnum() else "_" for letter in title)[:60]
    return f"{letters or 'talk'}{ending}"


def link(words: str, name: str, kind: str, text: str) -> str:
    """Return the HTML of a link with these words that downloads the text as a file of this name."""
    content = base64.b64encode(text.encode()).decode()
    return f"<a download='{escaped(name)}' href='data:{kind};charset=utf-8;base64,{content}'>{words}</a>"


def send(name: str, write: Callable[[Path], object]) -> None:
    """On Colab: write a file of this name, and send it to the learner's own machine."""
    files: Any = importlib.import_module("google.colab.files")
    path = Path(tempfile.mkdtemp()) / name
    write(path)
    files.download(str(path))
