"""Grading: runs handed-in notebooks, each in a kernel of its own, and checks what they define.

    grade_all([HandedIn(path, name)], on_grade=print)    one `Grade` for each notebook, as it is done

The files, in reading order:

    handed_in.py    the notebooks that were handed in, and the exercises of their lessons
    inside.py       what runs inside a notebook's kernel: before its cells, and after them
    alike.py        a fingerprint of what a learner has written, to find equal ones
    signs.py        what a person should look at: what a notebook replaced, where it wrote
    kernel.py       a fresh kernel without keys, in a scratch folder
    own_lines.py    the learner's own lines that a step is about
    feedback.py     what a learner is told, as a page or as Markdown
    records.py      the files: Gradescope's results.json, feedback, and one CSV over all
    roster.py       the students of a course, from a CSV file
    students.py     one row a student, as Canvas and Moodle import it

Nothing that a notebook shows is believed: its own checks do nothing there, and ours come after all of
its cells. This is no sandbox: a notebook can do whatever the user who grades it can do.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from npc_lab.grading.handed_in import (
    CodeCell,
    Contents,
    HandedIn,
    NotANotebookError,
    belongs_to,
    cells_not_run,
    contents,
    exercises_of,
)
from npc_lab.grading.kernel import Answer, Kernel, KernelLostError, fresh_kernel
from npc_lab.lessons.checking.exercise import Exercise
from npc_lab.lessons.checking.learners_code import error_line
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, NOT_ATTEMPTED, Report, Step
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.text import some_of

CELL_SECONDS = 30
CELLS_FOR_ALL = 5  # all cells of a notebook together get the time of this many
CHECK_SECONDS = 60  # for one exercise; a check ends by itself before that
_MOST_NAMED = 3

__all__ = ["CELL_SECONDS", "Grade", "HandedIn", "grade_all"]


@dataclass
class Grade:
    """The grade of one notebook.

    name: as in `HandedIn`. reports: what our checks found, one for each exercise. notes: what a teacher
    should know, as sentences. to_look_at: what a person should look at before a mark is given, such as
    "equals the shipped solution: arena". It changes no point, and is not for the student. cells: the code
    that was run. fingerprints: of what was written for an exercise, if it is not the solution. was_graded:
    False if a file could not be read or run to its end; then there are no points.
    """

    name: str
    reports: list[Report] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    to_look_at: list[str] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)
    was_graded: bool = False
    seconds: float = 0.0
    cells: list[CodeCell] = field(default_factory=list, repr=False)

    @property
    def points(self) -> int:
        """One for each required step that is correct. Stretch steps never change a mark."""
        return sum(step.outcome == CORRECT for report in self.reports for step in report.required)

    @property
    def most_points(self) -> int:
        """One for each required step."""
        return sum(len(report.required) for report in self.reports)


def grade_all(
    notebooks: Iterable[HandedIn],
    exercises: Iterable[str] = (),
    cell_seconds: float = CELL_SECONDS,
    jobs: int = 1,
    on_grade: Callable[[Grade], None] = lambda grade: None,
) -> None:
    """Grade the notebooks, `jobs` of them at once, and call `on_grade` with each grade as it is done.

    exercises: their names; without any, all of the notebook's lesson. No notebook makes this raise. At
    Ctrl-C the kernels are ended and `KeyboardInterrupt` is raised.
    """
    asyncio.run(_grade_all(notebooks, tuple(exercises), cell_seconds, jobs, on_grade))


async def _grade_all(
    notebooks: Iterable[HandedIn],
    exercises: tuple[str, ...],
    cell_seconds: float,
    jobs: int,
    on_grade: Callable[[Grade], None],
) -> None:
    places, grades = asyncio.Semaphore(jobs), list[Grade]()

    async def in_turn(notebook: HandedIn, held: Contents | NotANotebookError) -> None:
        async with places:
            grades.append(await _grade(notebook, held, exercises, cell_seconds))
            on_grade(grades[-1])

    # All are read before the first one is run, since that one may change the files of the others.
    opened = [(notebook, _opened(notebook)) for notebook in notebooks]
    try:
        await asyncio.gather(*(in_turn(*each) for each in opened))
    finally:
        note_equal(grades)


def _opened(notebook: HandedIn) -> Contents | NotANotebookError:
    try:
        return contents(notebook.path)
    except NotANotebookError as error:
        return error


async def _grade(
    notebook: HandedIn,
    held: Contents | NotANotebookError,
    exercises: tuple[str, ...],
    cell_seconds: float,
) -> Grade:
    grade, started = Grade(notebook.name), time.monotonic()
    found: list[Exercise] = []
    try:
        if isinstance(held, NotANotebookError):
            raise held
        grade.cells = held.code
        found = [EXERCISES[name] for name in exercises] or exercises_of(held.code)
        if not found:
            raise NotANotebookError("No exercise of the course is in it. Name one: --exercise NAME")
        await _run_and_check(grade, held, found, cell_seconds)
        grade.was_graded = True
    except (NotANotebookError, KernelLostError) as error:
        grade.notes.append(str(error))
    except Exception as error:  # such as a full disk or a missing port; the other notebooks go on
        grade.notes.append(f"It could not be graded. {error_line(error)}")
    if not grade.was_graded:  # half of the points would be taken for all of them
        grade.reports = [_unchecked(exercise) for exercise in found]
    grade.seconds = time.monotonic() - started
    return grade


async def _run_and_check(
    grade: Grade, held: Contents, exercises: list[Exercise], cell_seconds: float
) -> None:
    names = {each.declares: sorted({name for step in each.steps for name in step.uses}) for each in exercises}
    answers = dict[str, Answer]()
    with tempfile.TemporaryDirectory(prefix="npc_lab_", ignore_cleanup_errors=True) as scratch:
        async with fresh_kernel(Path(scratch), names) as kernel:
            errors = await _run_cells(kernel, held.code, cell_seconds, grade.notes)
            for exercise in exercises:
                answer = answers[exercise.name] = await _check(kernel, exercise)
                report = _report(exercise, answer)
                grade.reports.append(report)
                if any(step.outcome == NOT_ATTEMPTED for step in report.required):
                    grade.notes += _why_missing(exercise, held.code, errors)
                    grade.notes += _what_took_away(exercise, held.code, answer.gone)
                    grade.notes += [
                        f"{which}, and was not run. Make it a code cell again."
                        for which in cells_not_run(held, exercise)
                    ]
    begun = [report.exercise for report in grade.reports if report.outcome != NOT_ATTEMPTED]
    grade.fingerprints = {
        name: answers[name].code for name in begun if answers[name].code and not answers[name].is_shipped
    }
    grade.to_look_at += _to_look_at(answers)


def _to_look_at(answers: dict[str, Answer]) -> list[str]:
    """Return what the kernel has noticed, as sentences without a full stop."""
    found = []
    if any(answer.calls_ours for answer in answers.values()):
        found.append("calls npc_lab's own arena")
    if shipped := [name for name, answer in answers.items() if answer.is_shipped]:
        found.append(f"equals the shipped solution: {', '.join(shipped)}")
    last = list(answers.values())[-1]  # it has all that was noticed before
    if last.replaced:
        found.append(f"replaced {some_of(last.replaced, _MOST_NAMED)}")
    if last.written:
        found.append(f"wrote outside of its folder: {some_of(last.written, _MOST_NAMED)}")
    return found


def note_equal(grades: Iterable[Grade]) -> None:
    """Note in each grade which other notebooks equal it, and in which exercises."""
    in_order = sorted(grades, key=lambda grade: grade.name)
    same: dict[tuple[str, str], list[str]] = {}  # an exercise and a fingerprint -> notebooks
    for grade in in_order:
        for written in grade.fingerprints.items():
            same.setdefault(written, []).append(grade.name)
    for grade in in_order:
        others: dict[str, list[str]] = {}  # another notebook -> exercises
        for written in grade.fingerprints.items():
            for name in same[written]:
                if name != grade.name:
                    others.setdefault(name, []).append(written[0])
        if others:
            named = [f"{name} ({', '.join(equal)})" for name, equal in others.items()]
            grade.to_look_at.append(f"equals another notebook of this run: {some_of(named, _MOST_NAMED)}")


async def _run_cells(
    kernel: Kernel, cells: list[CodeCell], cell_seconds: float, notes: list[str]
) -> dict[int, str]:
    """Run the cells and return their errors, "" for none. A cell that takes too long is stopped."""
    deadline, errors = time.monotonic() + CELLS_FOR_ALL * cell_seconds, dict[int, str]()
    for number, cell in enumerate(cells):
        seconds = math.ceil(min(cell_seconds, deadline - time.monotonic()))
        if seconds <= 0:
            notes.append(
                f"Time was up after {CELLS_FOR_ALL * cell_seconds:g} seconds, at {_called(number).lower()}."
            )
            break
        try:
            errors[number] = await kernel.run(cell.source, seconds)
        except KernelLostError as error:
            raise KernelLostError(f"{_called(number)}: {error}") from error
        if kernel.was_interrupted:
            notes.append(f"{_called(number)} was stopped after {seconds} seconds.")
    return errors


async def _check(kernel: Kernel, exercise: Exercise) -> Answer:
    try:
        answer = await kernel.check(exercise.name, CHECK_SECONDS)
    except KernelLostError as error:
        raise KernelLostError(f"While {exercise.name} was checked: {error}") from error
    if answer is None or len(answer.outcomes) != len(exercise.steps):
        raise KernelLostError(f"The check of {exercise.name} gave no answer.")
    return answer


def _report(exercise: Exercise, answer: Answer) -> Report:
    # Names and `required` come from our own steps: the kernel's answer may be forged.
    steps = [
        Step(step.name, step.required, outcome, message, fault, step.part)
        for step, (outcome, message, fault) in zip(exercise.steps, answer.outcomes, strict=True)
    ]
    return Report(exercise.name, steps)


def _unchecked(exercise: Exercise) -> Report:
    steps = [
        Step(step.name, step.required, CANT_CHECK, "It was not checked.", part=step.part)
        for step in exercise.steps
    ]
    return Report(exercise.name, steps)


def _why_missing(exercise: Exercise, cells: list[CodeCell], errors: dict[int, str]) -> list[str]:
    """Return the errors of the exercise's own cells, as sentences."""
    return [
        f"{_called(number)}, of the exercise {exercise.name}, ended with {error}."
        for number, error in errors.items()
        if error and belongs_to(cells[number], exercise)
    ]


def _what_took_away(exercise: Exercise, cells: list[CodeCell], gone: dict[str, int]) -> list[str]:
    """Return which cells took away what was there before, as sentences."""
    run = [number for number, cell in enumerate(cells) if cell.source.strip()]
    asked_for = {exercise.declares, *(name for step in exercise.steps for name in step.uses)}
    taken: dict[int, list[str]] = {}
    for name, number in gone.items():
        if name in asked_for and 0 <= number < len(run):  # the kernel's answer may be forged
            taken.setdefault(run[number], []).append(name)
    return [
        f"{_called(number)} took away {_listed(names, exercise.declares)}, which was there before."
        for number, names in sorted(taken.items())
    ]


def _listed(names: list[str], whole: str) -> str:
    """Return the names in words: the whole alone, if it is among them."""
    if whole in names:
        return whole
    return f"{some_of(sorted(names), _MOST_NAMED)} of {whole}"


def _called(number: int) -> str:
    return f"Code cell {number + 1}"
