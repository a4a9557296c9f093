"""Results: numbers that show themselves, as a card in a notebook, as text, and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npc_lab.experiments.card import Card
from npc_lab.experiments.dots import Picture
from npc_lab.experiments.numbers import Numbers


class Results(Numbers):
    """What came of an experiment (npc_lab/experiments/numbers.py). It shows itself as a card."""

    def plot(self, measure: str | None = None) -> Picture:
        """Return a picture of a measure: each talk a dot, its interval beside it, pairs joined."""
        return Card(self).picture(measure)

    def export(self, path: str | Path) -> Path:
        """Write a file and return its path: the card with all talks as .html, rows as .jsonl or .csv.

        Raise `NPCLabError` if it cannot be written.
        """
        return Card(self).export(path)

    def __str__(self) -> str:
        return Card(self).as_text()

    __repr__ = __str__

    def __rich__(self) -> Any:
        return Card(self).as_rich()

    def _repr_html_(self) -> str:
        return Card(self).as_html()
