"""The card of an experiment: what people look at.

It says what was predicted, shows each talk as a dot with the interval beside it, gives the verdict in words,
and says what is missing and at how many sizes one has looked. The same sentences stand in a notebook (HTML),
in a terminal (rich) and in a file.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npc_lab.errors import ExperimentError, NPCLabError
from npc_lab.experiments.dots import Column, Picture, signed
from npc_lab.experiments.estimates import Estimate, deviation, minimum_detectable
from npc_lab.experiments.numbers import CANNOT_TELL, Numbers
from npc_lab.export import page, section, write_text
from npc_lab.rendering import escaped, html_table
from npc_lab.text import printable, shorten, untypeset, well_formed

_FEW = 10  # talks: below that, and where half of the numbers are equal, the interval of a mean is rough
_STRIP = 48  # characters of a strip of dots
_NAME = 22  # characters
# One to eight talks in one place of a strip.
_DOTS = " ⡀⣀⣄⣤⣦⣶⣷⣿"
_YES, _NO, _MISSING = "●", "○", "·"


class Card:
    """Shows numbers. It computes nothing that they do not know."""

    def __init__(self, numbers: Numbers):
        self._numbers = numbers
        self._question = numbers.question

    # As text

    def as_text(self) -> str:
        """Return the card to print."""
        return "\n".join(words for _, words in self._lines())

    def as_rich(self) -> Any:
        """Return the card for a terminal that shows styles."""
        from rich.text import Text

        return Text("\n").join(Text(words, style) for style, words in self._lines())

    def _lines(self) -> list[tuple[str, str]]:
        """Return the lines of the card, each with its style."""
        lines = [("bold", f"Experiment: {self._question.name}"), ("", self._size())]
        if self._question.prediction:
            lines.append(("", f"Prediction: {self._question.prediction}"))
        try:
            for name in self._question.measures:
                lines += [("", ""), *self._lines_of(name)]
        except ExperimentError as error:  # scipy is not installed
            lines += [("", ""), ("", str(error))]
        lines += [("", ""), *(("dim", note) for note in self._notes())]
        return [(style, printable(well_formed(words))) for style, words in lines]

    def _lines_of(self, name: str) -> list[tuple[str, str]]:
        picture = self.picture(name)
        lines = [("bold", f"{name}{' (main measure)' if name == self._question.main else ''}")]
        low, high = _ends(picture)
        for column in picture.columns:
            value = _in_words(column.estimate, picture.is_share)
            lines.append(("", f"  {shorten(column.name, _NAME):<{_NAME}} {value}"))
            strip = _strip(column, picture.is_share, low, high)
            lines += [
                ("cyan", f"  {'':<{_NAME}} {strip[start : start + _STRIP]}")
                for start in range(0, max(len(strip), 1), _STRIP)
            ]
        if not picture.is_share and low < high:
            ends = f"{low:.3g}".ljust(_STRIP - len(f"{high:.3g}")) + f"{high:.3g}"
            lines.append(("dim", f"  {'':<{_NAME}} {ends}"))
        for other in self._question.others:
            lines.append(("bold" if name == self._question.main else "", f"  {self.sentence(other, name)}"))
        return lines

    # As HTML

    def as_html(self) -> str:
        """Return the card for a notebook: no widget, no script, in the colours around it."""
        return untypeset(f"<div style='line-height:1.45'>{self._html()}</div>")

    def _html(self) -> str:
        parts = [
            f"<p style='margin:.3em 0'><b style='font-size:1.15em'>{escaped(self._question.name)}</b> "
            f"{escaped(self._size())}</p>"
        ]
        if self._question.prediction:
            parts.append(_paragraph(f"<b>Prediction:</b> {escaped(self._question.prediction)}"))
        try:
            parts.append(self._html_of(self._question.main))
            others = [name for name in self._question.measures if name != self._question.main]
            parts += [
                f"<details><summary>{escaped(name)}</summary>{self._html_of(name)}</details>"
                for name in others
            ]
        except ExperimentError as error:  # scipy is not installed
            parts.append(_paragraph(escaped(str(error))))
        parts += [f"<p style='margin:.2em 0;opacity:.8'>{escaped(note)}</p>" for note in self._notes()]
        return "".join(parts)

    def _html_of(self, name: str) -> str:
        picture, is_main = self.picture(name), name == self._question.main
        parts = [_paragraph(f"<b>{escaped(name)}</b>{' (main measure)' if is_main else ''}"), picture.svg()]
        for other in self._question.others:
            sentence = escaped(self.sentence(other, name))
            parts.append(_paragraph(f"<b>{sentence}</b>" if is_main else sentence))
        rows = [
            (escaped(column.name), escaped(_in_words(column.estimate, picture.is_share)))
            for column in picture.columns
        ]
        return "".join([*parts, html_table((), rows)])

    # As files

    def export(self, path: str | Path) -> Path:
        """Write a file: a page with the card and all talks, or the rows."""
        path = Path(path).expanduser()
        match path.suffix.lower():
            case ".html":
                write_text(
                    path,
                    page(
                        [f"<h1>{escaped(self._question.name)}</h1>{self._html()}", *self._talks()],
                        self._question.name,
                    ),
                )
            case ".jsonl":
                rows = (json.dumps(row, ensure_ascii=False) for row in self._numbers.rows())
                write_text(path, well_formed("".join(f"{row}\n" for row in rows)))
            case ".csv":
                write_text(path, well_formed(_csv(self._numbers.rows())))
            case _:
                raise NPCLabError(
                    f"Results are saved as .html, .jsonl or .csv; {path.name!r:.80} ends with none of them."
                )
        return path

    def _talks(self) -> list[str]:
        """Return all talks as parts of a page, folded."""
        return [
            f"<details><summary>{escaped(scene)}, talk {number}</summary>"
            f"{section(talk, f'{scene}, talk {number}')}</details>"
            for scene, talks in self._numbers.talks.items()
            for number, talk in enumerate(talks)
            if talk is not None
        ]

    # What is said

    def picture(self, measure: str | None) -> Picture:
        """Return the picture of a measure (the main one)."""
        name, numbers = measure or self._question.main, self._numbers
        values = numbers.numbers(name)
        return Picture(
            title=f"{name} in {', '.join(values)}",
            columns=[
                Column(
                    scene,
                    [None if each is None else float(each) for each in of_scene],
                    numbers.estimate(scene, name, self._question.level),
                )
                for scene, of_scene in values.items()
            ],
            differences=[
                (other, numbers.compare(self._question.baseline, other, name))
                for other in self._question.others
            ],
            is_share=numbers.is_share(name),
        )

    def sentence(self, other: str, measure: str) -> str:
        """Return in words what a scene has more or less than the first; of the main measure, the verdict."""
        first, numbers = self._question.baseline, self._numbers
        found = numbers.compare(first, other, measure)
        is_share = numbers.is_share(measure)
        against = f"{other} against {first}"
        if found.value is None:
            return f"{against}: {CANNOT_TELL}, for there is no pair of talks."
        size = _difference(found, is_share)
        if measure != self._question.main:
            return f"{against}: {size}."
        verdict = numbers.verdict(first, other)
        if verdict != CANNOT_TELL:
            return f"{against}: {verdict} ({size})."
        return f"{against}: {CANNOT_TELL}{self._what_is_missed(other, found, is_share)} ({size})."

    def _what_is_missed(self, other: str, found: Estimate, is_share: bool) -> str:
        if found.n < 2:
            return ", for one pair of talks says nothing about others"
        if is_share:
            return f": a difference below {100 * minimum_detectable(found.n):.0f} points could be missed"
        pairs = self._numbers.pairs(self._question.baseline, other)
        gaps = [
            float(second) - float(first)
            for first, second in pairs
            if first is not None and second is not None
        ]
        if (spread := deviation(gaps)) == 0:
            return ", for all pairs differ by the same"
        return f": a difference below {minimum_detectable(found.n, 'mean') * spread:.2g} could be missed"

    def _size(self) -> str:
        talks = [talk for of_scene in self._numbers.talks.values() for talk in of_scene]
        there = sum(talk is not None for talk in talks)
        scenes = len(self._question.scenes)
        return (
            f"{scenes} scene{'' if scenes == 1 else 's'} x {_talks(self._question.talks)}; "
            f"{there} of {len(talks)} are there."
        )

    def _notes(self) -> list[str]:
        notes = []
        for scene, missing in self._numbers.missing.items():
            if missing:
                kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(missing.values()).items())
                notes.append(
                    f"Missing in {scene}: {_talks(len(missing))} ({kinds}). The next run asks them again."
                )
        for name, of_scenes in self._numbers.unmeasured.items():
            for scene, failed in of_scenes.items():
                if failed:
                    number, why = next(iter(failed.items()))
                    notes.append(
                        f"{name} failed on {_talks(len(failed))} of {scene}, for instance on {number}: {why}."
                    )
        if self._is_rough():
            notes.append("Intervals of means are rough here: few talks, or many equal numbers.")
        lines = ", lines join talks of one number" if self._question.others else ""
        notes.append(f"Each dot is a talk{lines}; intervals are of {100 * self._question.level:.4g} %.")
        if self._numbers.looks == 1:
            notes.append("Looked at once.")
        elif self._numbers.looks:
            notes.append(
                f"Looked at {self._numbers.looks} different numbers of talks: each look more finds more by "
                "chance."
            )
        return [*notes, *self._numbers.notes]

    def _is_rough(self) -> bool:
        for name in self._question.measures:
            if not self._numbers.is_share(name):
                for values in self._numbers.numbers(name).values():
                    kept = [each for each in values if each is not None]
                    commonest = max(Counter(kept).values(), default=0)
                    if kept and (len(kept) < _FEW or 2 * commonest >= len(kept)):
                        return True
        return False


def _talks(number: int) -> str:
    return f"{number} talk{'' if number == 1 else 's'}"


def _paragraph(markup: str) -> str:
    return f"<p style='margin:.3em 0'>{markup}</p>"


def _in_words(found: Estimate, is_share: bool) -> str:
    """Return an estimate as text, such as "45 % [31, 60] of 40"."""
    if found.value is None:
        return "no talk was measured"
    missing = f", {found.missing} missing" if found.missing else ""
    if is_share:
        hits = round(found.value * found.n)
        return f"{100 * found.value:.0f} % {_bounds(found, 100, '.0f')} ({hits} of {found.n}{missing})"
    return f"{found.value:.3g} {_bounds(found, 1, '.3g')} ({_talks(found.n)}{missing})"


def _difference(found: Estimate, is_share: bool) -> str:
    """Return a difference as text, such as "+45 points [20, 66]"."""
    if is_share:
        return f"{signed(100 * (found.value or 0), '.0f')} points {_bounds(found, 100, '.0f', signed)}"
    return f"{signed(found.value or 0, '.3g')} {_bounds(found, 1, '.3g', signed)}"


def _bounds(found: Estimate, scale: float, form: str, shown: Callable[[float, str], str] = format) -> str:
    if found.low is None or found.high is None:
        return "[no interval]"
    low, high = found.low * scale, found.high * scale
    if scale > 1:  # a share's difference has no more than a hundred points
        low, high = max(low, -100.0), min(high, 100.0)
    return f"[{shown(low, form)}, {shown(high, form)}]"


def _ends(picture: Picture) -> tuple[float, float]:
    """Return the least and the largest value that is shown."""
    shown = [value for column in picture.columns for value in column.values if value is not None]
    return min(shown, default=0.0), max(shown, default=0.0)


def _strip(column: Column, is_share: bool, low: float, high: float) -> str:
    """Return the talks as dots on one line: yes and no by number, numbers from the least to the largest."""
    if is_share:
        marks = {None: _MISSING, 1.0: _YES, 0.0: _NO}
        return "".join(marks[value] for value in column.values)
    counts = [0] * _STRIP
    for value in column.values:
        if value is not None:
            counts[round((value - low) / (high - low or 1) * (_STRIP - 1))] += 1
    return "".join(_DOTS[min(count, len(_DOTS) - 1)] for count in counts).rstrip()


def _csv(rows: list[dict[str, Any]]) -> str:
    """Return the rows as CSV. A text that a spreadsheet would take for a formula begins with '."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows[0].keys())
    for row in rows:
        writer.writerow(
            f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
            for value in row.values()
        )
    return file.getvalue()
