"""A measure as a picture: each talk a dot, its scene's interval beside it, pairs joined by thin lines.

It is SVG in the colour of the text around it, so that it can be read on white, on black and in grey. Scenes
stand side by side; on the right, on a scale of their own, are the differences from the first scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from npc_lab.experiments.estimates import Estimate
from npc_lab.rendering import escaped
from npc_lab.text import shorten, untypeset
from npc_lab.transcript import COLOURS

_TOP, _BOTTOM, _HEIGHT = 16, 206, 262  # pixels: where the scale ends and begins, and the whole picture
_LEFT, _COLUMN, _DIFFERENCE, _SCALE = 52, 150, 104, 56
_SPREAD = 92  # pixels: how wide the dots of a scene lie
_NAME = 19  # letters under a column
_TICKS = 4


@dataclass(frozen=True)
class Column:
    """A scene: its name, the measure of each talk by number (None: missing), and the estimate."""

    name: str
    values: Sequence[float | None]
    estimate: Estimate


@dataclass(frozen=True)
class Picture:
    """Columns of dots, and differences from the first. is_share: yes and no, shown as points of a hundred."""

    title: str
    columns: Sequence[Column]
    differences: Sequence[tuple[str, Estimate]]
    is_share: bool

    def _repr_html_(self) -> str:
        return untypeset(self.svg())

    def svg(self) -> str:
        """Return the picture as SVG, to stand in a page."""
        right = _LEFT + _COLUMN * len(self.columns)
        width = right + (_SCALE + _DIFFERENCE * len(self.differences) if self.differences else 8)
        parts = [*self._scenes(), *(self._differences(right) if self.differences else [])]
        return (
            f"<svg viewBox='0 0 {width} {_HEIGHT}' width='{width}' role='img' fill='currentColor' "
            f"stroke='none' style='max-width:100%;height:auto;font:12px system-ui,sans-serif' "
            f"aria-label='{escaped(self.title)}'>{''.join(parts)}</svg>"
        )

    def _scenes(self) -> list[str]:
        shown = [value for column in self.columns for value in column.values if value is not None]
        ends = [end for column in self.columns for end in (column.estimate.low, column.estimate.high)]
        low, high = (
            (0.0, 1.0) if self.is_share else _range([*shown, *(end for end in ends if end is not None)])
        )
        place = _scale(low, high)
        parts = [_axis(_LEFT, _ticks(low, high), place, self._number)]
        most = max(len(column.values) for column in self.columns)
        radius = 3.4 if most <= 60 else 2.2 if most <= 300 else 1.2
        dots = [
            _dots(column.values, place, _LEFT + _COLUMN * at + 62, radius, self.is_share)
            for at, column in enumerate(self.columns)
        ]
        parts += [_lines(before, after) for before, after in pairwise(dots)]
        for at, (column, of_column) in enumerate(zip(self.columns, dots, strict=True)):
            left = _LEFT + _COLUMN * at
            parts += [
                f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' fill-opacity='.6'/>"
                for x, y in of_column.values()
            ]
            parts.append(_interval(column.estimate, place, left + 126))
            parts.append(_words(left + 72, _BOTTOM + 20, shorten(column.name, _NAME), bold=True))
            missing = f", {column.estimate.missing} missing" if column.estimate.missing else ""
            parts.append(_words(left + 72, _BOTTOM + 36, f"{column.estimate.n} talks{missing}"))
        return parts

    def _differences(self, right: int) -> list[str]:
        ends = [end for _, each in self.differences for end in (each.low, each.high, each.value)]
        low, high = _range([0.0, *(end for end in ends if end is not None)])
        place = _scale(low, high)
        left = right + _SCALE
        width = _DIFFERENCE * len(self.differences)
        parts = [_axis(left, _ticks(low, high), place, self._signed)]
        parts.append(
            f"<line x1='{left}' x2='{left + width - 8}' y1='{place(0):.1f}' y2='{place(0):.1f}' "
            "stroke='currentColor' stroke-opacity='.7' stroke-dasharray='4 3'/>"
        )
        for at, (name, estimate) in enumerate(self.differences):
            middle = left + _DIFFERENCE * at + _DIFFERENCE // 2
            parts.append(_interval(estimate, place, middle))
            parts.append(_words(middle, _BOTTOM + 20, shorten(name, 15), bold=True))
            parts.append(_words(middle, _BOTTOM + 36, "more, in points" if self.is_share else "more"))
        return parts

    def _number(self, value: float) -> str:
        return f"{100 * value:.0f} %" if self.is_share else f"{value:.3g}"

    def _signed(self, value: float) -> str:
        return signed(100 * value, ".0f") if self.is_share else signed(value, ".2g")


def signed(number: float, form: str) -> str:
    """Return a number as text with its sign; zero has none."""
    words = format(abs(number), form)
    if not float(words):
        return "0"
    return f"{'+' if number > 0 else '−'}{words}"


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return a little less than the least and a little more than the largest of the values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.06 * (high - low) or abs(high) / 10 or 1.0
    return low - room, high + room


def _scale(low: float, high: float) -> Callable[[float], float]:
    """Return the function from a value to its height in the picture, in pixels from the top."""
    return lambda value: _BOTTOM - (_BOTTOM - _TOP) * (min(max(value, low), high) - low) / (high - low)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between the two."""
    step = 10 ** math.floor(math.log10((high - low) / _TICKS))
    step = next(step * each for each in (1, 2, 2.5, 5, 10) if (high - low) / (step * each) <= _TICKS + 1)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _axis(
    left: float, ticks: Sequence[float], place: Callable[[float], float], shown: Callable[[float], str]
) -> str:
    lines = [
        f"<line x1='{left - 4}' x2='{left}' y1='{place(tick):.1f}' y2='{place(tick):.1f}' "
        "stroke='currentColor' stroke-opacity='.5'/>"
        f"<text x='{left - 7}' y='{place(tick) + 4:.1f}' text-anchor='end' fill-opacity='.75'>"
        f"{shown(tick + 0.0)}</text>"
        for tick in ticks
    ]
    line = f"<path d='M{left} {_TOP}V{_BOTTOM}' stroke='currentColor' stroke-opacity='.5'/>"
    return line + "".join(lines)


def _dots(
    values: Sequence[float | None],
    place: Callable[[float], float],
    middle: float,
    radius: float,
    is_share: bool,
) -> dict[int, tuple[float, float]]:
    """Return where each talk's dot lies, by number. Dots of like values lie side by side."""
    beside: dict[int, list[int]] = {}
    for number, value in enumerate(values):
        if value is not None:
            beside.setdefault(round(place(value) / (2 * radius)), []).append(number)
    dots = {}
    for numbers in beside.values():
        in_a_row = max(10, math.ceil(math.sqrt(2 * len(numbers)))) if is_share else len(numbers)
        step = min(2 * radius + 0.8, _SPREAD / in_a_row)
        for order, number in enumerate(numbers):
            row, column = divmod(order, in_a_row)
            in_this = min(in_a_row, len(numbers) - row * in_a_row)
            y = place(values[number])  # type: ignore[arg-type]
            y += row * (2 * radius + 0.8) * (1 if y < (_TOP + _BOTTOM) / 2 else -1)
            dots[number] = middle + (column - (in_this - 1) / 2) * step, y
    return dots


def _lines(before: dict[int, tuple[float, float]], after: dict[int, tuple[float, float]]) -> str:
    """Join the dots of the same number."""
    both = before.keys() & after.keys()
    strength = 0.3 if len(both) <= 40 else 0.12
    path = "".join(
        f"M{before[number][0]:.1f} {before[number][1]:.1f}L{after[number][0]:.1f} {after[number][1]:.1f}"
        for number in sorted(both)
    )
    return (
        f"<path d='{path}' fill='none' stroke='currentColor' stroke-width='.7' stroke-opacity='{strength}'/>"
    )


def _interval(estimate: Estimate, place: Callable[[float], float], x: float) -> str:
    """Draw the value as a diamond and its interval as a line with ends."""
    if estimate.value is None:
        return ""
    y, parts = place(estimate.value), []
    if estimate.low is not None and estimate.high is not None:
        low, high = place(estimate.low), place(estimate.high)
        path = f"M{x} {low:.1f}V{high:.1f}M{x - 6} {low:.1f}h12M{x - 6} {high:.1f}h12"
        parts.append(f"<path d='{path}' fill='none' stroke='{COLOURS[1]}' stroke-width='2'/>")
    parts.append(f"<path d='M{x} {y - 6:.1f}l6 6l-6 6l-6 -6z' fill='{COLOURS[1]}'/>")
    return "".join(parts)


def _words(x: float, y: float, words: str, bold: bool = False) -> str:
    weight = "font-weight='600'" if bold else "fill-opacity='.75'"
    return f"<text x='{x}' y='{y}' text-anchor='middle' {weight}>{escaped(words)}</text>"
