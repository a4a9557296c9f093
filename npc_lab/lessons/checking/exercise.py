"""Exercises: the behaviours that a learner's code should have, each checked by itself.

An exercise is a list of steps in the order in which a learner meets them. A step is a sentence and a
function that raises `Wrong` if the sentence does not hold:

    double = Exercise("double", lesson="00", declares="double", kind="your function")

    @double.step("It doubles a number")
    def doubles(trial: FunctionTrial) -> str:
        if (got := trial(4)) != 8:
            raise Wrong(trial.called, "8", show(got), "Multiply by 2.")
        return "Numbers are doubled."

    double.check(lambda number: number + 2)     a report: the step is incorrect, with what was called and got

A step that needs another one waits until that one is correct, so that one mistake is named once. Names and
replies are new in each check, so an answer that was written into the code is found out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from time import monotonic  # by name: a learner may replace what stands in `time`
from typing import Any

from npc_lab.errors import NPCLabError
from npc_lab.lessons.checking.learners_code import error_line, is_stub, show, where
from npc_lab.lessons.checking.limits import AskedForInput, Run, TimeIsUp, TooManyCalls, run_limited
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, INCORRECT, NOT_ATTEMPTED, Report, Step

STEP_SECONDS = 3.0
ALL_SECONDS = 8.0  # for all steps of a check together


class Wrong(Exception):  # noqa: N818 (it is an outcome, not an error of ours)
    """The behaviour of a step does not hold.

    called: the call, as the learner would write it. expected, got: short texts. advice: one next step.
    drawing: several lines of text that are shown below the rest, for instance a table.
    """

    def __init__(self, called: str, expected: str, got: str, advice: str, drawing: str = ""):
        super().__init__(called, expected, got, advice, drawing)
        lines = [("Called", called), ("Expected", expected), ("Got", got), ("Next", advice)]
        self.message = "\n".join(f"{what + ':':<10}{text}" for what, text in lines if text)
        if drawing:
            self.message += f"\n\n{drawing}"


class NotAttempted(Exception):  # noqa: N818
    """There is nothing to check yet. Its message, if any, says what is missing."""


class CantCheck(Exception):  # noqa: N818
    """Something else must be written first. Its message says what."""


class Trial:
    """A learner's object in one step. Each step has a new one. called: the last call, as text."""

    def __init__(self, learners_object: Any):
        self.learners_object = learners_object
        self.called = ""


class FunctionTrial(Trial):
    """A learner's function. It is called with copies, so that a change of its arguments is noticed."""

    def __call__(self, *arguments: Any) -> Any:
        given = deepcopy(arguments)
        self.called = f"{_name_of(self.learners_object)}({', '.join(show(each, 120) for each in arguments)})"
        value = self.learners_object(*given)
        if given != arguments:
            raise Wrong(
                self.called,
                "what it is given stays as it is",
                f"afterwards it was {', '.join(show(each, 120) for each in given)}",
                "Work on a copy: list(messages) makes one of a list.",
            )
        if inspect.isgenerator(value):
            value = list(value)
        if value is ...:
            raise NotAttempted
        return value


@dataclass(frozen=True)
class StepCheck:
    """How one behaviour is checked.

    key: the name of the function `run`. name: the behaviour, as a sentence. run: raises `Wrong`, or returns
    the message for success. needs: the keys of the steps it waits for. part: the part of the exercise it
    belongs to. uses: the methods that must have been written.
    """

    key: str
    name: str
    run: Callable[[Any], str | None]
    needs: tuple[str, ...] = ()
    required: bool = True
    part: str = ""
    uses: tuple[str, ...] = ()


Decorator = Callable[[Callable[[Any], str | None]], Callable[[Any], str | None]]


@dataclass
class Exercise:
    """What a learner is to write, and how it is checked.

    name: as in `check(name, ...)`. lesson: the notebook's number. declares: the name of the learner's
    object in the notebook. kind: what that object is, for messages. trial: makes a `Trial` of it. accepts:
    returns whether the object is of the right kind at all.
    """

    name: str
    lesson: str
    declares: str
    kind: str
    trial: Callable[[Any], Trial] = FunctionTrial
    accepts: Callable[[Any], bool] = callable
    steps: list[StepCheck] = field(default_factory=list)

    def step(self, name: str, *, needs: Sequence[str] = (), required: bool = True) -> Decorator:
        """Return a decorator that adds a function as a step."""
        return Part(self).step(name, needs=needs, required=required)

    def part(self, name: str, uses: Sequence[str]) -> Part:
        """Return a new part of the exercise, for which these methods must have been written."""
        return Part(self, name, tuple(uses))

    def parts(self) -> list[str]:
        """Return the names of its parts, in order."""
        return list(dict.fromkeys(step.part for step in self.steps if step.part))

    def check(self, learners_object: Any, part: str = "") -> Report:
        """Check every step, or those of one part, and return a report. No object makes this raise."""
        found = self._check_all(learners_object, part)
        shown = [found[step.key] for step in self.steps if step.part == part or not part]
        name = f"{self.name}.{part}" if part else self.name
        return Report(name, shown, f'hint("{name}")')

    def _check_all(self, learners_object: Any, part: str) -> dict[str, Step]:
        """Return the outcomes of all steps that are asked for and of those that they need, by key."""
        wanted, found = self._wanted(part), dict[str, Step]()
        deadline = monotonic() + ALL_SECONDS
        for step in self.steps:
            if step.key in wanted:
                outcome, message = self._check_one(step, learners_object, found, deadline)
                found[step.key] = Step(step.name, step.required, outcome, message)
        return found

    def _wanted(self, part: str) -> set[str]:
        wanted = {step.key for step in self.steps if step.part == part or not part}
        for step in reversed(self.steps):  # a step needs only earlier ones
            if step.key in wanted:
                wanted |= set(step.needs)
        return wanted

    def _check_one(
        self, step: StepCheck, learners_object: Any, found: dict[str, Step], deadline: float
    ) -> tuple[str, str]:
        no_time = f"No time was left after {ALL_SECONDS:.0f} seconds. Mend the steps above first."
        seconds = min(STEP_SECONDS, deadline - monotonic())
        if seconds <= 0:
            return CANT_CHECK, no_time
        # Even looking at the object may run the learner's code: a __getattr__, a __repr__.
        looked = run_limited(lambda: self._not_ready(step, learners_object), seconds)
        if looked.error:
            return _outcome(looked, lambda: f"looking at {self.declares}", seconds)
        if looked.value:
            outcome, message = looked.value
            return outcome, message
        waits = next((found[key] for key in step.needs if found[key].outcome != CORRECT), None)
        if waits:
            return CANT_CHECK, f"It waits for: {waits.name}"
        seconds = min(STEP_SECONDS, deadline - monotonic())
        if seconds <= 0:
            return CANT_CHECK, no_time
        trial = Trial(None)

        def run() -> str | None:
            nonlocal trial
            trial = self.trial(learners_object)
            return step.run(trial)

        return _outcome(run_limited(run, seconds), lambda: trial.called, seconds)

    def _not_ready(self, step: StepCheck, learners_object: Any) -> tuple[str, str] | None:
        """Return outcome and message if there is nothing to check or the object is of the wrong kind."""
        if is_stub(learners_object):
            return NOT_ATTEMPTED, f"Write {self.declares}, then check again."
        if not self.accepts(learners_object):
            call = f"check({self.name!r}, {self.declares})"
            return CANT_CHECK, f"This wants {self.kind}: {call}. It got {show(learners_object, 80)}."
        missing = next((name for name in step.uses if _is_missing(learners_object, name)), None)
        return (NOT_ATTEMPTED, f"Write {missing}, then check again.") if missing else None


@dataclass(frozen=True)
class Part:
    """Steps of an exercise that can be checked before the rest is written, as `check("arena.turn", ...)`."""

    exercise: Exercise
    name: str = ""
    uses: tuple[str, ...] = ()

    def step(self, name: str, *, needs: Sequence[str] = (), required: bool = True) -> Decorator:
        """Return a decorator that adds a function as a step of this part."""

        def add(run: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
            key = getattr(run, "__name__", name)
            self.exercise.steps.append(
                StepCheck(key, name, run, tuple(needs), required, self.name, self.uses)
            )
            return run

        return add


def _is_missing(learners_object: Any, name: str) -> bool:
    """Return whether the method is not written yet, neither in the class nor as `self.name = ...`."""
    method = getattr(learners_object, name, None)
    if method is None:
        code = getattr(getattr(learners_object, "__init__", None), "__code__", None)
        return name not in getattr(code, "co_names", ())
    return is_stub(method)


def _outcome(run: Run, called: Callable[[], str], seconds: float) -> tuple[str, str]:
    """Return the outcome and the message of a step that was run."""
    error = run.error
    if error is None:
        return CORRECT, run.value or "This works."
    if isinstance(error, Wrong):
        return INCORRECT, error.message
    if isinstance(error, NotAttempted | NotImplementedError):
        is_ours = isinstance(error, NotAttempted) and error.args
        return NOT_ATTEMPTED, str(error) if is_ours else "There is nothing to check yet."
    if isinstance(error, CantCheck):
        return CANT_CHECK, str(error)
    if isinstance(error, KeyboardInterrupt):
        return CANT_CHECK, "You stopped the check. Run it again."
    got, advice = _what_happened(error, seconds)
    place = where(error)
    message = Wrong(called(), "an answer", f"{got}{', ' + place if place else ''}", advice).message
    return INCORRECT, message


def _what_happened(error: BaseException, seconds: float) -> tuple[str, str]:
    if isinstance(error, TimeIsUp):
        return f"no end within {seconds:.0f} seconds", "Look for a loop that never ends, or a long wait."
    if isinstance(error, TooManyCalls):
        return "far more calls of the model than turns", "Look for a loop that never ends."
    if isinstance(error, AskedForInput):
        return "it waits for somebody to type", "Take out input(): everything it needs is given to it."
    if isinstance(error, SystemExit | GeneratorExit):
        return "it ended Python", "Take out sys.exit(), exit() and quit()."
    if isinstance(error, RecursionError):
        return "it called itself without end", "Look for a function that calls itself."
    # Its message may come from a __str__ of the learner's own.
    words = run_limited(lambda: error_line(error), 0.5).value or type(error).__name__
    return words, next(advice for kind, advice in _ADVICE.items() if isinstance(error, kind))


# Kind of error -> what to look for. The last one fits every error.
_ADVICE: dict[type[BaseException], str] = {
    NPCLabError: "Print what that call is given. A class uses its own arguments, not names of the notebook.",
    NameError: "Is the name spelled right, and was it made above that line?",
    AttributeError: "What is it really? Print it just above that line. It may be None: append returns that.",
    LookupError: "What is in it? Print it just above that line.",
    TypeError: "What kind of value is it, and does the call have all that it needs?",
    BaseException: "Read that line again: what did it expect to find?",
}


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
