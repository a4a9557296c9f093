"""What runs inside the kernel of a handed-in notebook: before its cells, and after them.

The notebook's code runs in the same process and can undo all of it: this is no protection.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from npc_lab.grading.alike import codes_in, codes_of, fingerprint, fingerprint_of_text
from npc_lab.grading.signs import Replaced, note_calls, note_writes
from npc_lab.lessons.checking import exercise as limits
from npc_lab.lessons.checking.exercise import Exercise
from npc_lab.lessons.checking.learners_code import is_the_kits
from npc_lab.lessons.checking.limits import run_limited
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.lessons.help import solution_code

TARGET = "npc_lab_check"  # of the message that asks for a check
MEMORY = 4 * 2**30  # bytes of addresses for one kernel; without a limit, one takes the memory of all
# A check's own limits are for a learner who waits. Here many kernels share the machine.
PATIENCE = 5
_LOOK_SECONDS = 5.0  # at the code of an exercise
_INSTALLERS = ("pip", "conda", "mamba", "micromamba", "uv")
_INSTALL = re.compile(rf"\b({'|'.join(_INSTALLERS)})3?\b.*\b(un)?install\b|\buv\b.*\b(sync|add|remove)\b")

Gone = dict[str, dict[str, int]]


def prepare(names: Mapping[str, Sequence[str]]) -> None:
    """Before the notebook's cells: let replies come from the fake; show, install and check nothing.

    All that a check needs is bound here. The notebook gets copies of the lessons of its own.

    names: those that the exercises ask for, each with the methods that it must have. They are watched.
    """
    from IPython import get_ipython

    shell: Any = get_ipython()  # type: ignore[no-untyped-call,unused-ignore]
    _limit_memory()
    # The output of endless loops would keep the grader busy, and so delay the other notebooks.
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as long as the kernel
    _load_what_checks_need()
    _forget_the_lessons()
    _connect_to_the_fake()
    _check_nothing()
    _install_nothing(shell)
    _end_no_kernel(shell)
    checker = Checker(shell, _watch(shell, names))
    shell.kernel.comm_manager.register_target(TARGET, checker.answer)


class Checker:
    """Checks what a notebook has defined, when the grader asks for it."""

    def __init__(self, shell: Any, gone: Gone):
        import npc_lab

        self._shell, self._gone = shell, gone
        self._called, self._written = list[str](), list[str]()
        note_calls(npc_lab.ChatArena, self._called)
        self._replaced, self._was_replaced = Replaced(shell), list[str]()
        note_writes(str(Path.cwd().parent), self._written)

    def answer(self, comm: Any, message: Mapping[str, Any]) -> None:
        """Send the outcomes of an exercise, and what a person should look at.

        comm: whose id only the grader knows. message: holds the exercise's name.
        """
        self._was_replaced += [each for each in self._replaced.restore() if each not in self._was_replaced]
        found = EXERCISES[message["content"]["data"]["exercise"]]
        thing = self._shell.user_ns.get(found.declares)
        self._called.clear()
        report = found.check(thing, names=self._shell.user_ns, try_all=True)
        calls_ours = bool(self._called) and found.declares == "ChatArena"
        code = run_limited(lambda: _fingerprint(thing, found), _LOOK_SECONDS).value or ""
        comm.send(
            {
                "outcomes": [(step.outcome, step.message, step.fault) for step in report.steps],
                "gone": self._gone[found.declares],
                "code": code,
                "is_shipped": bool(code) and code == _fingerprint_of_solution(found),
                "calls_ours": calls_ours,
                "replaced": self._was_replaced,
                "written": self._written,
            }
        )


def _fingerprint(thing: Any, exercise: Exercise) -> str:
    """Return a fingerprint of what the learner has written for the exercise, or ""."""
    if callable(thing):
        return fingerprint(codes_of(thing, exercise.declares, _methods(exercise)))
    return "" if thing is None else fingerprint_of_text(thing)


def _fingerprint_of_solution(exercise: Exercise) -> str:
    return fingerprint(codes_in(solution_code(exercise.name), _methods(exercise) or [exercise.declares]))


def _methods(exercise: Exercise) -> list[str]:
    return sorted({name for step in exercise.steps for name in step.uses})


def _load_what_checks_need() -> None:
    """Import what is otherwise imported at the first reply: it takes no step's time, and is bound."""
    import openai.types.chat  # noqa: F401

    limits.STEP_SECONDS *= PATIENCE
    limits.ALL_SECONDS *= PATIENCE
    limits.REST_SECONDS *= PATIENCE


def _forget_the_lessons() -> None:
    """Let the notebook import copies of the lessons and of this grader: ours are bound already."""
    import npc_lab

    for name in list(sys.modules):
        if name.startswith(("npc_lab.lessons", "npc_lab.grading")):
            del sys.modules[name]
    for name in ("lessons", "grading"):
        if name in vars(npc_lab):
            delattr(npc_lab, name)


def _watch(shell: Any, names: Mapping[str, Sequence[str]]) -> Gone:
    """Note after each cell what of these names is gone that was there, and which cell it was.

    Cells are counted from 0, without empty ones, which no kernel is ever sent.
    """
    there: dict[str, set[str]] = {name: set() for name in names}
    gone: Gone = {name: {} for name in names}
    cells: list[str] = []  # one id for each: a cell may run others in it

    def look(*_: Any) -> None:
        if (cell := shell.get_parent()["header"]["msg_id"]) not in cells:
            cells.append(cell)
        for name, methods in names.items():
            now = _there(shell.user_ns.get(name), name, methods)
            gone[name] |= dict.fromkeys(there[name] - now, len(cells) - 2)  # the first cell was ours
            gone[name] = {each: number for each, number in gone[name].items() if each not in now}
            there[name] = now

    shell.events.register("post_run_cell", look)
    return gone


def _there(thing: Any, name: str, methods: Sequence[str]) -> set[str]:
    """Return the name and its methods, as far as they are there and the learner's own."""
    if thing is None or is_the_kits(thing):
        return set()
    found = {each: inspect.getattr_static(thing, each, None) for each in methods}
    return {
        name,
        *(each for each, member in found.items() if member is not None and not is_the_kits(member)),
    }


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no limits, macOS not this one
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _connect_to_the_fake() -> None:
    import npc_lab
    from npc_lab.endpoints.connect import FAKE, Connection

    real = npc_lab.connect

    def connect(
        provider: str | None = None,
        *,
        model: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        per_minute: float | None = None,
    ) -> Connection:
        """Return the fake, whatever is asked for."""
        return real(FAKE, model=model)

    npc_lab.connect = sys.modules["npc_lab.endpoints.connect"].connect = connect  # type: ignore[attr-defined]


def _check_nothing() -> None:
    """Let the notebook's own checks and hints take no time, and find that nothing was attempted.

    So a lesson goes on as it does for somebody who has not done the exercise yet.
    """
    from npc_lab import lessons
    from npc_lab.lessons.checking.reports import NOT_ATTEMPTED, Report, Step

    def check(exercise: str, learners_object: Any = None) -> Report:
        return Report(str(exercise), [Step("It is checked later", True, NOT_ATTEMPTED, "")])

    def page(*_: Any, **__: Any) -> lessons.Page:
        return lessons.Page("")

    lessons.check, lessons.hint, lessons.solution = check, page, page
    lessons.report = lambda: lessons.Progress({})


def _install_nothing(shell: Any) -> None:
    """Let `%pip install`, `!pip install` and the like do nothing: they would change the teacher's machine."""
    for name in _INSTALLERS:
        shell.register_magic_function(lambda _line: None, "line", name)
    for name in ("system", "getoutput"):
        setattr(shell, name, partial(_unless_it_installs, getattr(shell, name)))


def _end_no_kernel(shell: Any) -> None:
    """Let `exit()`, `quit()` and a bare `exit` end their cell only, as `sys.exit()` does."""
    shell.ask_exit = sys.exit


def _unless_it_installs(run: Callable[..., Any], command: str, *args: Any, **options: Any) -> Any:
    return None if _INSTALL.search(command) else run(command, *args, **options)
