"""The feedback on one notebook, for the learner: what works, what does not, in the check's own words.

    as_page(feedback(grade))        an HTML page that needs no network and runs nothing
    as_markdown(feedback(grade))    the same, as Markdown

Everything that stands in a notebook, its name included, is shown as text and as nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from npc_lab.export import literal, page
from npc_lab.grading import Grade
from npc_lab.grading.own_lines import OwnLines, own_lines
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, INCORRECT, NOT_ATTEMPTED, Report, Step
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.rendering import escaped
from npc_lab.text import printable, shorten, well_formed

_HOW_TO_READ = (
    "Your notebook was run from top to bottom, and then what it defines was tried out. Each point is for one "
    "thing that the code should do. What could not be checked yet waits for something that comes before it."
)
_STYLE = """
body { max-width: 64rem; }
h2 { margin-top: 2rem; border-top: 1px solid gray; padding-top: 1rem; font-size: 1.3rem; }
h3 { margin: 1.2rem 0 .4rem; font-size: 1.05rem; }
pre { padding: .5rem .8rem; border: 1px solid gray; border-radius: .3rem; }
pre.words { white-space: pre-wrap; word-break: normal; }
figure { margin: .5rem 0; }
figcaption { font-style: italic; }
"""


@dataclass(frozen=True)
class Heading:
    """A title. level: 1 for that of the page."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Words of ours or of the check."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Verbatim:
    """Text whose line ends count: what a check says, or lines of code. caption: what it is, or ""."""

    text: str
    caption: str = ""


Block = Heading | Paragraph | Items | Verbatim


def feedback(grade: Grade) -> list[Block]:
    """Return what there is to say about a notebook."""
    blocks: list[Block] = [Heading(1, f"Feedback on {shorten(grade.name.rpartition('/')[2], 200)}")]
    if grade.was_graded:
        blocks += [Paragraph(_points(grade)), Paragraph(_HOW_TO_READ)]
    else:
        blocks.append(Paragraph("This file could not be graded, so it has no points yet."))
    if grade.notes:
        blocks += [Heading(3, "What happened on the way"), Items(tuple(grade.notes))]
    if grade.was_graded:
        for report in grade.reports:
            blocks += _on_exercise(grade, report)
    return blocks


def as_page(blocks: Sequence[Block]) -> str:
    """Return the feedback as one HTML page."""
    return page([f'<main lang="en">{"".join(map(_html, blocks))}</main>'], _title(blocks), _STYLE)


def as_markdown(blocks: Sequence[Block]) -> str:
    """Return the feedback as Markdown."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _points(grade: Grade) -> str:
    lessons = sorted({EXERCISES[report.exercise].lesson for report in grade.reports})
    return f"Lesson {' and '.join(lessons)}: {grade.points} of {grade.most_points} points."


def _on_exercise(grade: Grade, report: Report) -> Iterator[Block]:
    by_outcome = {
        outcome: [step for step in report.required if step.outcome == outcome]
        for outcome in (INCORRECT, CANT_CHECK, NOT_ATTEMPTED, CORRECT)
    }
    yield Heading(2, f"{report.exercise}: {report.outcome}")
    asked_for = EXERCISES[report.exercise].declares
    about = f"This exercise is about {asked_for}. " if asked_for != report.exercise else ""
    if report.required:
        count = f"{len(by_outcome[CORRECT])} of {len(report.required)}"
        yield Paragraph(f"{about}{count} checks passed, each for one point.")
    else:
        yield Paragraph(f"{about}It goes further, and gives no points.")
    yield from _on_wrong_ones(grade, report, by_outcome[INCORRECT])
    yield from _grouped("Not checked yet", by_outcome[CANT_CHECK])
    yield from _grouped("Not attempted", by_outcome[NOT_ATTEMPTED])
    if by_outcome[CORRECT]:
        yield from (Heading(3, "What works"), Items(tuple(step.name for step in by_outcome[CORRECT])))
    stretch = [step for step in report.steps if not step.required]
    if stretch:
        yield Heading(3, "To go further, without points")
        yield Items(tuple(f"{step.name}: {step.outcome}" for step in stretch))


def _on_wrong_ones(grade: Grade, report: Report, wrong: list[Step]) -> Iterator[Block]:
    """Yield each wrong step with the learner's own lines, the same lines only once."""
    exercise = EXERCISES[report.exercise]
    shown = list[OwnLines]()
    for number, step in enumerate(wrong):
        yield Heading(3, "Fix this first" if number == 0 else "Also to fix")
        if number == 1:
            yield Paragraph("This may go away by itself once the first is fixed.")
        yield Paragraph(f"What should happen: {step.name}.{f' {step.fault}' if step.fault else ''}")
        yield Verbatim(step.message, "What the check says:")
        lines = own_lines(grade.cells, exercise, step)
        if lines and lines in shown:
            yield Paragraph(f"It is about the lines of code cell {lines.cell} that are shown above.")
        elif lines:
            shown.append(lines)
            yield Verbatim(lines.numbered(), f"Your lines, in code cell {lines.cell}:")
            if lines.left_out:
                yield Paragraph(f"{lines.left_out} more lines follow there.")


def _grouped(title: str, steps: Iterable[Step]) -> Iterator[Block]:
    """Yield the steps below what the check says of them, each reason once."""
    reasons = dict[str, list[str]]()
    for step in steps:
        reasons.setdefault(step.message, []).append(step.name)
    if reasons:
        yield Heading(3, title)
    for reason, names in reasons.items():
        yield from (Paragraph(reason), Items(tuple(names)))


def _title(blocks: Sequence[Block]) -> str:
    return next((block.text for block in blocks if isinstance(block, Heading)), "Feedback")


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} dir="auto">{escaped(text)}</h{level}>\n'
        case Paragraph(text):
            return f'<p dir="auto">{escaped(text)}</p>\n'
        case Items(items):
            rows = "".join(f'<li dir="auto">{escaped(item)}</li>' for item in items)
            return f"<ul>{rows}</ul>\n"
        case Verbatim(text, caption):
            kind = "lines" if caption.startswith("Your") else "words"
            shown = f'<pre class="{kind}" translate="no">{escaped(text)}</pre>'
            return f"<figure><figcaption>{escaped(caption)}</figcaption>{shown}</figure>\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_literal(text)}"
        case Paragraph(text):
            return _literal(text)
        case Items(items):
            return "\n".join(f"- {_literal(item)}" for item in items)
        case Verbatim(text, caption):  # indented: no fence that the text could close
            lines = printable(well_formed(text)).splitlines()
            return "\n".join([_literal(caption), "", *(f"    {line}".rstrip() for line in lines)])


def _literal(text: str) -> str:
    """Return the text on one line of Markdown that begins no list, with all marks escaped."""
    return re.sub(r"^([-+]|\d+[.)])(?=\s|$)", r"\\\1", literal(text))
