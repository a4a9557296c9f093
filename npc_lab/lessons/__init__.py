"""The lessons' checks, hints and solutions.

    check("trim", trim)         is this right? A report with four possible outcomes for each step
    hint("trim", 1)             a hint; the last one is near the code
    solution("trim")            one way to write it
    report()                    how it went so far, as a table

The files behind them, in reading order:

    checking/       the frame: what a check is, how a learner's code is run, what is reported
    exercises/      what is checked, a file for each lesson
    course.py       where the course's notebooks are
    help.py         hints, and solutions from the solution notebooks
    leaks.py        lesson 03: odd replies, and what a parser shows of them
    redteam.py      lesson 04: attacks on a character's secret
    to_read.py      lesson 06: twelve talks in which something goes wrong, or nothing
"""

from __future__ import annotations

import sys
from typing import Any

from npc_lab.errors import did_you_mean
from npc_lab.lessons.checking.progress import Progress
from npc_lab.lessons.checking.reports import CANT_CHECK, Report, Step
from npc_lab.lessons.exercises.catalogue import EXERCISES, find
from npc_lab.lessons.help import Page, hints, solution_code

__all__ = ["Page", "Progress", "Report", "Step", "check", "hint", "report", "solution"]

_found: dict[str, Report] = {}  # exercise or part -> the report of its last check


def check(exercise: str, learners_object: Any = None) -> Report:
    """Return a report on the learner's object. This takes a few seconds at most and never raises.

    exercise: a name, such as "arena", or a part of one, such as "arena.turn".
    """
    import openai.types.chat  # the fake needs it; imported here, it takes no step's time  # noqa: F401

    found = find(exercise)
    if found is None:
        return Report(str(exercise), [Step("Its name", True, CANT_CHECK, _no_exercise(exercise))])
    report = found[0].check(learners_object, found[1], sys._getframe(1).f_globals)
    _found[exercise] = report
    return report


def hint(exercise: str, number: int = 1) -> Page:
    """Return the hint with this number, counted from 1."""
    if find(exercise) is None:
        return Page(_no_exercise(exercise))
    texts = hints(exercise)
    if not isinstance(number, int) or not 1 <= number <= len(texts):
        return Page(f'There are {len(texts)} hints. The first one is `hint("{exercise}", 1)`.')
    more = f'`hint("{exercise}", {number + 1})`' if number < len(texts) else f'`solution("{exercise}")`'
    return Page(f"Hint {number} of {len(texts)}. {texts[number - 1]}\n\nNext: {more}")


def solution(exercise: str) -> Page:
    """Return one way to write it."""
    if find(exercise) is None:
        return Page(_no_exercise(exercise))
    return Page(f"One way to write it:\n\n```python\n{solution_code(exercise)}\n```")


def report() -> Progress:
    """Return a table of everything that was checked since the notebook was started."""
    return Progress(_found)


def _no_exercise(name: str) -> str:
    advice = did_you_mean(name, EXERCISES, f"There are {', '.join(EXERCISES)}.")
    return f"There is no exercise {name!r:.60}. {advice}"
