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
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic  # by name: a learner may replace what stands in `time`
from types import MappingProxyType
from typing import Any

from npc_lab.lessons.checking.advice import near, runs_nothing, what_happened
from npc_lab.lessons.checking.cells import is_notebook, meant, outdated
from npc_lab.lessons.checking.learners_code import apart, is_stub, is_the_kits, names_in, show, where
from npc_lab.lessons.checking.limits import Run, TimeIsUp, run_limited
from npc_lab.lessons.checking.plain import plain
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, INCORRECT, NOT_ATTEMPTED, Report, Step
from npc_lab.text import shorten

STEP_SECONDS = 2.0
ALL_SECONDS = 8.0  # for all steps of a check together
REST_SECONDS = 0.5  # for all steps after one that did not end


class Wrong(Exception):  # noqa: N818 (it is an outcome, not an error of ours)
    """The behaviour of a step does not hold.

    called: the call, as the learner would write it. expected, got: short texts. advice: one next step.
    drawing: several lines of text that are shown below the rest, for instance a table. fault: what is wrong,
    as a sentence, where that is not the opposite of the step's own.
    """

    def __init__(
        self, called: str, expected: str, got: str, advice: str, drawing: str = "", *, fault: str = ""
    ):
        super().__init__(called, expected, got, advice, drawing)
        self.fault = fault
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

    def refuse_what_runs_nothing(self, value: Any) -> None:
        """Raise `Wrong` if a call has given a coroutine."""
        if fault := runs_nothing(value):
            raise Wrong(self.called, "an answer", show(value, 120), "Write `def` alone.", fault=fault)


class FunctionTrial(Trial):
    """A learner's function. It is called with copies, so that a change of its arguments is noticed."""

    def __call__(self, *arguments: Any) -> Any:
        given = deepcopy(arguments)
        self.called = f"{_name_of(self.learners_object)}({', '.join(show(each, 120) for each in arguments)})"
        value = self.learners_object(*given)
        self.refuse_what_runs_nothing(value)
        if changed := _changed(arguments, given):
            before, after = changed
            raise Wrong(
                self.called,
                f"what it is given stays as it is: {before}",
                f"afterwards it was {after}",
                "Work on a copy: list(messages) makes one of a list.",
                fault=f"It changes what it is given: afterwards it is {shorten(after, 90)}.",
            )
        if value is ...:
            raise NotAttempted
        return plain(value)


@dataclass(frozen=True)
class StepCheck:
    """How one behaviour is checked.

    key: the name of the function `run`. name: the behaviour, as a sentence. run: raises `Wrong`, or returns
    the message for success. needs: the keys of the steps it waits for. part: the part of the exercise it
    belongs to. uses: the methods that must have been written, the one that it is about last. only_with: those
    of the steps before it without which it proves nothing: code that does nothing has this behaviour, too.
    """

    key: str
    name: str
    run: Callable[[Any], str | None]
    needs: tuple[str, ...] = ()
    required: bool = True
    part: str = ""
    uses: tuple[str, ...] = ()
    only_with: tuple[str, ...] = ()


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

    def step(
        self, name: str, *, needs: Sequence[str] = (), required: bool = True, only_with: Sequence[str] = ()
    ) -> Decorator:
        """Return a decorator that adds a function as a step."""
        return Part(self).step(name, needs=needs, required=required, only_with=only_with)

    def part(self, name: str, uses: Sequence[str]) -> Part:
        """Return a new part of the exercise, for which these methods must have been written."""
        return Part(self, name, tuple(uses))

    def parts(self) -> list[str]:
        """Return the names of its parts, in order."""
        return list(dict.fromkeys(step.part for step in self.steps if step.part))

    def check(
        self,
        learners_object: Any,
        part: str = "",
        names: Mapping[str, Any] = MappingProxyType({}),
        *,
        try_all: bool = False,
    ) -> Report:
        """Check every step, or those of one part, and return a report. No object makes this raise.

        names: the names of the notebook, or of the module, in which the learner works. try_all: also try what
        waits for another step, as a grader does. If it holds, it is correct; if not, it still waits.
        """
        asked = [step for step in self.steps if step.part == part or not part]
        looked = run_limited(lambda: self._taken_from_the_kit(asked, learners_object), REST_SECONDS)
        theirs: dict[str, str] = looked.value or {}
        own = [step for step in asked if step.key not in theirs]
        found = self._check_all(own, learners_object, names, try_all)
        shown = [_from_the_kit(step, theirs) if step.key in theirs else found[step.key] for step in asked]
        name = f"{self.name}.{part}" if part else self.name
        noted = run_limited(lambda: self._note(learners_object, part, names), REST_SECONDS)
        return Report(name, shown, f'hint("{name}")', noted.value or "")

    def _check_all(
        self, asked: list[StepCheck], learners_object: Any, names: Mapping[str, Any], try_all: bool
    ) -> dict[str, Step]:
        """Return the outcomes of these steps and of those that they need, by key."""
        wanted, found = self._with_needs(asked), dict[str, Step]()
        end = monotonic() + ALL_SECONDS
        ends: dict[str, float] = {}  # of each part, when a grader tries all; otherwise of all parts together
        for step in self.steps:
            if step.key in wanted:
                part = step.part if try_all else ""
                seconds = min(STEP_SECONDS, ends.get(part, end) - monotonic())
                result = self._check_one(step, learners_object, found, seconds, names, try_all)
                if result.is_late:  # the next ones may not end either, and somebody waits
                    ends[part] = min(ends.get(part, end), monotonic() + REST_SECONDS)
                found[step.key] = Step(
                    step.name, step.required, result.outcome, result.message, result.fault, step.part
                )
        return found

    def _note(self, learners_object: Any, part: str, names: Mapping[str, Any]) -> str:
        """Return what one should know of the object that was judged, or ""."""
        if not is_notebook(names):
            return ""
        if learners_object is not None and names.get(self.declares) is not learners_object:
            return f"This is not {self.declares} of the notebook, which a grader looks for. Is it called so?"
        methods = {name: None for step in self.steps if step.part == part or not part for name in step.uses}
        judged = {self.declares: learners_object}
        judged |= {name: getattr(learners_object, name, None) for name in methods}
        if name := outdated({name: each for name, each in judged.items() if each is not None}, self.declares):
            return (
                f"The newest cell with {name} ended with an error, so an older {name} was checked. "
                "Run that cell again, and mend its error first."
            )
        return ""

    def _with_needs(self, asked: list[StepCheck]) -> set[str]:
        wanted = {step.key for step in asked}
        for step in reversed(self.steps):  # a step needs only earlier ones
            if step.key in wanted:
                wanted |= set(step.needs)
        return wanted

    def _check_one(
        self,
        step: StepCheck,
        learners_object: Any,
        found: dict[str, Step],
        seconds: float,
        names: Mapping[str, Any],
        try_all: bool,
    ) -> _Result:
        no_time = _Result(CANT_CHECK, "No time was left for it. Mend the steps above first.")
        if seconds <= 0:
            return no_time
        # Even looking at the object may run the learner's code: a __getattr__, a __repr__.
        started = monotonic()
        looked = run_limited(lambda: self._not_ready(step, learners_object, names), seconds)
        if looked.error:
            return _result(looked, lambda: f"looking at {self.declares}", seconds)
        lacks, outcome, message = looked.value or ("", "", "")
        waits = _Result(outcome, message) if outcome else _waits_for(step, found)
        if waits and not (try_all and _can_be_tried(step, lacks, found)):
            return waits
        left = seconds - (monotonic() - started)
        if left <= 0:
            return no_time
        trial = Trial(None)

        def run() -> str | None:
            nonlocal trial
            trial = self.trial(learners_object)
            return step.run(trial)

        result = _result(run_limited(run, left), lambda: trial.called, seconds)
        if waits and result.outcome != CORRECT:
            return replace(waits, is_late=result.is_late)
        return no_time if result.is_late and seconds < STEP_SECONDS else result

    def _not_ready(
        self, step: StepCheck, learners_object: Any, names: Mapping[str, Any]
    ) -> tuple[str, str, str] | None:
        """Return what is lacking, outcome and message, if there is nothing to check or of the wrong kind.

        What is lacking is the object itself, or one of its methods.
        """
        if is_stub(learners_object):
            if other := meant(self.declares, self.accepts, names):
                advice = f"You have written {other}. Rename it to {self.declares}, then check again."
                return self.declares, NOT_ATTEMPTED, advice
            return self.declares, NOT_ATTEMPTED, f"Write {self.declares}, then check again."
        if not self.accepts(learners_object):
            call = f"check({self.name!r}, {self.declares})"
            message = f"This wants {self.kind}: {call}. It got {show(learners_object, 80)}."
            return self.declares, CANT_CHECK, message
        missing = [name for name in step.uses if _is_missing(learners_object, name)]
        if not missing:
            return None
        lacks = step.uses[-1] if step.uses[-1] in missing else missing[0]
        if other := near(missing[0], _own_methods(learners_object)):
            advice = f"You have written {other}. Rename it to {missing[0]}, then check again."
            return lacks, NOT_ATTEMPTED, advice
        return lacks, NOT_ATTEMPTED, f"Write {missing[0]}, then check again."

    def _taken_from_the_kit(self, steps: list[StepCheck], learners_object: Any) -> dict[str, str]:
        """Return the steps, by their keys, that check the kit's own code, each with that code's name."""
        if not self.accepts(learners_object):
            return {}  # it is said what is wanted
        theirs = {}
        for step in steps:
            name = step.uses[-1] if step.uses else ""  # what its part is about
            thing = inspect.getattr_static(learners_object, name, None) if name else learners_object
            if is_the_kits(thing):
                theirs[step.key] = name or self.declares
        return theirs


@dataclass(frozen=True)
class _Result:
    """What was found by one step. is_late: whether it had to be stopped."""

    outcome: str
    message: str
    fault: str = ""
    is_late: bool = False


def _waits_for(step: StepCheck, found: Mapping[str, Step]) -> _Result | None:
    """Return what a step answers that waits for another one, or None if it waits for none."""
    need = next((found[key] for key in step.needs if found[key].outcome != CORRECT), None)
    return _Result(CANT_CHECK, f"It waits for: {need.name}") if need else None


def _can_be_tried(step: StepCheck, lacks: str, found: Mapping[str, Step]) -> bool:
    """Return whether a step that waits can prove something: what it is about is there."""
    is_there = not lacks or (lacks in step.uses and lacks != step.uses[-1])
    return is_there and all(found[key].outcome == CORRECT for key in step.only_with)


@dataclass(frozen=True)
class Part:
    """Steps of an exercise that can be checked before the rest is written, as `check("arena.turn", ...)`."""

    exercise: Exercise
    name: str = ""
    uses: tuple[str, ...] = ()

    def step(
        self, name: str, *, needs: Sequence[str] = (), required: bool = True, only_with: Sequence[str] = ()
    ) -> Decorator:
        """Return a decorator that adds a function as a step of this part."""

        def add(run: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
            key = getattr(run, "__name__", name)
            self.exercise.steps.append(
                StepCheck(key, name, run, tuple(needs), required, self.name, self.uses, tuple(only_with))
            )
            return run

        return add


def _from_the_kit(step: StepCheck, theirs: Mapping[str, str]) -> Step:
    message = f"{theirs[step.key]} comes from npc_lab. The exercise is to write it."
    return Step(step.name, step.required, NOT_ATTEMPTED, message, part=step.part)


def _is_missing(learners_object: Any, name: str) -> bool:
    """Return whether the method is not written yet, neither in the class nor where objects are made."""
    made_by = learners_object.func if isinstance(learners_object, partial) else learners_object
    method = getattr(made_by, name, None)
    if method is None:
        return name not in names_in(made_by) and not hasattr(made_by, "__getattr__")
    return is_stub(method)


def _own_methods(learners_object: Any) -> list[str]:
    """Return the methods that a learner has begun, under whatever name."""
    return [
        name
        for name in dir(learners_object)
        if not name.startswith("__") and not is_stub(inspect.getattr_static(learners_object, name, None))
    ]


def _changed(arguments: tuple[Any, ...], given: tuple[Any, ...]) -> tuple[str, str] | None:
    """Return the first argument that was changed, before and after, as they are shown; None if none was."""
    for before, after in zip(arguments, given, strict=True):
        if plain(before) != plain(after) if isinstance(before, list | str) else before != after:
            return apart(before, after, 120)
    return None


def _result(run: Run, called: Callable[[], str], seconds: float) -> _Result:
    """Return what was found by a step that was run."""
    error = run.error
    if error is None:
        return _Result(CORRECT, run.value or "This works.")
    if isinstance(error, Wrong):
        return _Result(INCORRECT, error.message, error.fault)
    if isinstance(error, NotAttempted | NotImplementedError):
        is_ours = isinstance(error, NotAttempted) and error.args
        return _Result(NOT_ATTEMPTED, str(error) if is_ours else "There is nothing to check yet.")
    if isinstance(error, CantCheck):
        return _Result(CANT_CHECK, str(error))
    if isinstance(error, KeyboardInterrupt):
        return _Result(CANT_CHECK, "You stopped the check. Run it again.")
    got, advice = what_happened(error, seconds)
    place = where(error)
    wrong = Wrong(called(), "an answer", f"{got}{', ' + place if place else ''}", advice)
    fault = f"{shorten(got, 120)}{', ' + place if place else ''}."
    return _Result(INCORRECT, wrong.message, fault[0].upper() + fault[1:], isinstance(error, TimeIsUp))


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
