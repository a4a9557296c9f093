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
from typing import Any

from npc_lab.lessons.checking.learners_code import is_the_kits

MIME = "application/vnd.npc-lab.steps+json"
MEMORY = 4 * 2**30  # bytes of addresses for one kernel; without a limit, one takes the memory of all
# A check's own limits are for a learner who waits. Here many kernels share the machine.
PATIENCE = 5
_GONE = "npc_lab_gone"  # what the kernel's shell keeps under this name outlives our modules
_INSTALLERS = ("pip", "conda", "mamba", "micromamba", "uv")
_INSTALL = re.compile(rf"\b({'|'.join(_INSTALLERS)})3?\b.*\b(un)?install\b|\buv\b.*\b(sync|add|remove)\b")


def prepare(names: Mapping[str, Sequence[str]]) -> None:
    """Before the notebook's cells: let replies come from the fake; show, install and check nothing.

    names: those that the exercises ask for, each with the methods that it must have. They are watched.
    """
    _limit_memory()
    # The output of endless loops would keep the grader busy, and so delay the other notebooks.
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as long as the kernel
    _connect_to_the_fake()
    _check_nothing()
    _install_nothing()
    _end_no_kernel()
    _watch(names)


def check_here(name: str, nonce: str) -> None:
    """After the notebook's cells: check what they defined, and send the outcomes with the nonce."""
    from IPython import get_ipython

    from npc_lab.lessons.checking import exercise as limits
    from npc_lab.lessons.exercises.catalogue import EXERCISES

    limits.STEP_SECONDS *= PATIENCE
    limits.ALL_SECONDS *= PATIENCE
    limits.REST_SECONDS *= PATIENCE
    shell: Any = get_ipython()  # type: ignore[no-untyped-call,unused-ignore]
    found = EXERCISES[name]
    report = found.check(shell.user_ns.get(found.declares), names=shell.user_ns, try_all=True)
    outcomes = [(step.outcome, step.message, step.fault) for step in report.steps]
    gone = getattr(shell, _GONE, {}).get(found.declares, {})
    shell.display_pub.publish({MIME: {"nonce": nonce, "outcomes": outcomes, "gone": gone}})


def _watch(names: Mapping[str, Sequence[str]]) -> None:
    """Note after each cell what of these names is gone that was there, and which cell it was.

    Cells are counted from 0, without empty ones, which no kernel is ever sent.
    """
    from IPython import get_ipython

    shell: Any = get_ipython()  # type: ignore[no-untyped-call,unused-ignore]
    there: dict[str, set[str]] = {name: set() for name in names}
    gone: dict[str, dict[str, int]] = {name: {} for name in names}
    cells: list[str] = []  # one id for each: a cell may run others in it

    def look(*_: Any) -> None:
        if (cell := shell.get_parent()["header"]["msg_id"]) not in cells:
            cells.append(cell)
        for name, methods in names.items():
            now = _there(shell.user_ns.get(name), name, methods)
            gone[name] |= dict.fromkeys(there[name] - now, len(cells) - 2)  # the first cell was ours
            gone[name] = {each: number for each, number in gone[name].items() if each not in now}
            there[name] = now

    setattr(shell, _GONE, gone)
    shell.events.register("post_run_cell", look)


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


def _install_nothing() -> None:
    """Let `%pip install`, `!pip install` and the like do nothing: they would change the teacher's machine."""
    from IPython import get_ipython

    shell: Any = get_ipython()  # type: ignore[no-untyped-call,unused-ignore]
    for name in _INSTALLERS:
        shell.register_magic_function(lambda _line: None, "line", name)
    for name in ("system", "getoutput"):
        setattr(shell, name, partial(_unless_it_installs, getattr(shell, name)))


def _end_no_kernel() -> None:
    """Let `exit()`, `quit()` and a bare `exit` end their cell only, as `sys.exit()` does."""
    from IPython import get_ipython

    shell: Any = get_ipython()  # type: ignore[no-untyped-call,unused-ignore]
    shell.ask_exit = sys.exit


def _unless_it_installs(run: Callable[..., Any], command: str, *args: Any, **options: Any) -> Any:
    return None if _INSTALL.search(command) else run(command, *args, **options)
