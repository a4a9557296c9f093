"""Says below a panel that a cell is running.

While a cell runs, the kernel hears no button. The page cannot know that, and the kernel cannot answer: so the
words are sent before each cell begins and taken away at its end, and the page shows them after a second.
"""

from __future__ import annotations

import sys
from typing import Any
from weakref import WeakSet

import ipywidgets as widgets

from npc_lab.widgets.look import html_box

_RUNNING = (
    "<div class='npc-lab-cell npc-lab-quiet'>A cell is running. Buttons are heard when it has ended; the "
    "notebook's own stop button ends it.</div>"
)
_notes: WeakSet[widgets.HTML] = WeakSet()
_told_by: Any = None  # IPython's shell, once it tells us of its cells


def cell_note() -> widgets.HTML:
    """Return a widget that says so while a cell runs, for a panel to show."""
    global _told_by
    note = html_box()
    _notes.add(note)
    # Without a notebook, IPython is not imported for this.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and shell is not _told_by:
        _told_by = shell
        shell.events.register("pre_run_cell", lambda _: _show(_RUNNING))
        shell.events.register("post_run_cell", lambda _: _show(""))
    return note


def _show(markup: str) -> None:
    for note in list(_notes):
        note.value = markup
