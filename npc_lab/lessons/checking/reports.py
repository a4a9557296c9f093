"""The report of a check. It shows itself in a notebook and in a terminal.

    Report("trim", [Step("It gives a list", True, CORRECT, "It gives messages.")]).headline()
    "✓ trim: correct."

A step has one of four outcomes; a whole exercise can also be "not finished".
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field

from npc_lab.rendering import escaped
from npc_lab.text import untypeset

CORRECT, INCORRECT = "correct", "incorrect"
NOT_ATTEMPTED, CANT_CHECK = "not attempted", "can't check"
NOT_FINISHED = "not finished"  # of a whole exercise: some steps were attempted, and none of them is wrong
MARKS = {CORRECT: "✓", INCORRECT: "✗", NOT_ATTEMPTED: "○", NOT_FINISHED: "○", CANT_CHECK: "…"}
_PLAIN = str.maketrans("✓✗○", "+x-")  # for a console of cp1252 or ASCII
_FEW = 8  # steps that are listed unfolded
# Each is mixed with the page's own text colour: no single red is readable both on white and on black.
_GREY = "#808080"
_COLOURS = {
    CORRECT: "#1f9a48",
    INCORRECT: "#d93a20",
    NOT_ATTEMPTED: _GREY,
    NOT_FINISHED: _GREY,
    CANT_CHECK: _GREY,
}
_LABELLED = re.compile(r"Expected: |\w+:  +")


def coloured(outcome: str) -> str:
    """Return the CSS for a word that stands for this outcome, readable on light and dark pages."""
    return f"font-weight:bold;color:color-mix(in srgb, {_COLOURS[outcome]} 65%, currentColor)"


@dataclass(frozen=True)
class Step:
    """One behaviour that was checked.

    name: the behaviour, as a sentence. required: False for a stretch step. outcome: "correct",
    "incorrect", "not attempted" or "can't check". message: what was called, expected and got, and what
    to do next; if correct, what works now. fault: what is wrong, as a sentence, if the name does not say it.
    part: the part of the exercise it belongs to, if that has parts.
    """

    name: str
    required: bool
    outcome: str
    message: str
    fault: str = ""
    part: str = ""


@dataclass(frozen=True)
class Report:
    """The steps of one exercise, and whether every required one is correct.

    next_call: what to type for help. note: what one should know of the object that was judged, said first.
    """

    exercise: str
    steps: list[Step] = field(default_factory=list)
    next_call: str = ""
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every required step is correct."""
        return all(step.outcome == CORRECT for step in self.required)

    @property
    def required(self) -> list[Step]:
        """The steps that must be correct. The others are stretch steps."""
        return [step for step in self.steps if step.required]

    @property
    def first_wrong(self) -> Step | None:
        """The step to speak of first, None if all is correct: an incorrect one before those that wait for it.

        Of an exercise that is a stretch as a whole it is one of all steps.
        """
        wrong = [step for step in self.required or self.steps if step.outcome != CORRECT]
        return next((step for step in wrong if step.outcome == INCORRECT), wrong[0] if wrong else None)

    @property
    def unchecked(self) -> int:
        """How many required steps could not be checked."""
        return sum(step.outcome == CANT_CHECK for step in self.required)

    @property
    def outcome(self) -> str:
        """The outcome of the whole exercise: that of its first required step that is not correct.

        If that step was not attempted and others were, the exercise is "not finished".
        """
        worst = self.first_wrong
        if worst is None:
            return CORRECT
        is_begun = any(step.outcome in (CORRECT, INCORRECT) for step in self.steps)
        return NOT_FINISHED if is_begun and worst.outcome == NOT_ATTEMPTED else worst.outcome

    def headline(self) -> str:
        """Return one line: all is correct, or which behaviour is not."""
        worst = self.first_wrong
        if worst is None:
            left = sum(step.outcome != CORRECT for step in self.steps)
            stretch = f" {left} stretch step{'s are' if left > 1 else ' is'} left." if left else ""
            return f"{MARKS[CORRECT]} {self.exercise}: correct.{stretch}"
        if worst.outcome == INCORRECT:
            wrong = f"{worst.fault} So this" if worst.fault else "this"
            return f"{MARKS[INCORRECT]} {self.exercise}: {wrong} does not hold yet: {worst.name}."
        if self.outcome == NOT_ATTEMPTED:
            return f"{MARKS[NOT_ATTEMPTED]} {self.exercise}: not attempted yet."
        if self.outcome == NOT_FINISHED:
            return f"{MARKS[NOT_FINISHED]} {self.exercise}: not finished yet. {worst.message}"
        return f"{MARKS[CANT_CHECK]} {self.exercise}: {worst.message}"

    def __str__(self) -> str:
        lines = [self.note, self.headline()] if self.note else [self.headline()]
        if told := self._told():
            lines += ["", *self._title_of(told), _indented(told.message)]
        if self.first_wrong and self.next_call:
            lines += ["", f"For a hint: {self.next_call}"]
        if self._lists_all():
            lines += ["", *(f"  {MARKS[step.outcome]} {self._listed(step)}" for step in self.steps)]
        return for_this_console("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [f"<p style='{coloured(self.outcome)}'>{escaped(self.headline())}</p>"]
        if self.note:
            parts.insert(0, f"<p><strong>{escaped(self.note)}</strong></p>")
        if told := self._told():
            parts += [f"<p>{escaped(title)}</p>" for title in self._title_of(told)]
            parts.append(_exactly(told.message))
        if self.first_wrong and self.next_call:
            parts.append(f"<p>For a hint: <code>{escaped(self.next_call)}</code></p>")
        if self._lists_all():
            rows = "".join(
                f"<li style='list-style-type:\"{MARKS[step.outcome]} \"'>{escaped(self._listed(step))}</li>"
                for step in self.steps
            )
            is_open = " open" if len(self.steps) <= _FEW else ""
            parts.append(f"<details{is_open}><summary>All steps</summary><ul>{rows}</ul></details>")
        return untypeset(f"<div style='max-width:60em;overflow-wrap:anywhere'>{''.join(parts)}</div>")

    def _told(self) -> Step | None:
        """Return the step to explain: a wrong one first; a stretch step once all required ones are right."""
        if worst := self.first_wrong:
            return None if worst.outcome == CANT_CHECK else worst  # the headline has its message already
        wrong = [step for step in self.steps if step.outcome == INCORRECT]
        return next(iter(wrong or (self.steps if len(self.steps) == 1 else [])), None)

    def _title_of(self, step: Step) -> list[str]:
        """Return the step's own line, unless it is the one that the headline speaks of."""
        if step.required or step is self.first_wrong:
            return []
        return [f"{MARKS[step.outcome]} {self._titled(step)}"]

    def _lists_all(self) -> bool:
        """Return whether a list of all steps says more than the one step above it."""
        return len({step.outcome for step in self.steps}) > 1 or (
            self.first_wrong is None and len(self.steps) > 1
        )

    def _listed(self, step: Step) -> str:
        """Return the step's line in the list; once everything is right, with what works now."""
        works = f". {step.message}" if self.first_wrong is None and step.outcome == CORRECT else ""
        return f"{self._titled(step)}{works}"

    def _titled(self, step: Step) -> str:
        return step.name if step.required else f"{step.name} (stretch)"


def for_this_console(text: str) -> str:
    """Return the text with plain marks, and "?" for other letters, if the console cannot print it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, errors="replace").decode(encoding)
    return text


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())


def _exactly(text: str) -> str:
    """Return a message as HTML in letters of one width. A wrapped line is indented by its label."""
    words, _, drawing = text.partition("\n\n")
    if "\n" not in drawing:
        return _wrapped(words) + _wrapped(drawing)
    return f"{_wrapped(words)}<pre style='{_PRE};white-space:pre;overflow-x:auto'>{escaped(drawing)}</pre>"


def _wrapped(text: str) -> str:
    lines = "".join(_hanging(line) for line in text.splitlines())
    return f"<pre style='{_PRE};white-space:pre-wrap'>{lines}</pre>" if lines else ""


def _hanging(line: str) -> str:
    label = _LABELLED.match(line)
    indent = f";padding-left:{label.end()}ch;text-indent:-{label.end()}ch" if label else ""
    return f"<span style='display:block{indent}'>{escaped(line)}</span>"


_PRE = "margin:0 0 1em;word-break:normal"  # JupyterLab would break lines in the middle of a word
