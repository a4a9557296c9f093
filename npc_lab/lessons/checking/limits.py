"""Running a learner's code so that the check always goes on.

    run_limited(function, seconds=3)    a `Run`: its value or its error, and what it printed

An endless loop is stopped, `input()` raises instead of waiting, `sys.exit()` ends nothing, and what is
printed is kept. In the main thread of Unix an alarm (a signal) stops the code; elsewhere the code runs in
a thread of its own, in which an exception is raised.
"""

from __future__ import annotations

import builtins
import ctypes
import getpass
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from time import perf_counter  # by name: a learner may replace what stands in `time`
from types import FrameType
from typing import Any
from unittest.mock import patch

_MOST_PRINTED = 100_000  # characters that are kept of what the code prints
_AGAIN = 0.02  # seconds: the alarm rings again and again, because a bare `except:` swallows one
# After some swallowed alarms it rings all the time: even `while True: try: ... except: ...` is outside of
# its `try` for a moment in each round.
_PATIENCE = 5  # alarms
_ALL_THE_TIME = 2e-5  # seconds


class Stopped(BaseException):
    """Ends the learner's code from outside. It is a BaseException: `except Exception` does not catch it."""


class TimeIsUp(Stopped):
    """The code did not end in its time."""


class TooManyCalls(Stopped):
    """The code asked the model far more often than it could need to."""


class AskedForInput(Stopped):
    """The code waits for somebody to type."""


@dataclass
class Run:
    """How a call ended: its value or its error, what it printed, how many seconds it took."""

    value: Any = None
    error: BaseException | None = None
    printed: str = ""
    seconds: float = 0.0


def run_limited(function: Callable[[], Any], seconds: float) -> Run:
    """Call the function for `seconds` at most. Whatever it raises is in the `Run`."""
    run, printed = Run(), _Printed()
    started = perf_counter()
    with _cut_off(printed):
        in_time = _with_alarm if _can_ring() else _in_thread
        in_time(lambda: _call(function, run), run, seconds)
    run.printed, run.seconds = printed.getvalue(), perf_counter() - started
    return run


def _call(function: Callable[[], Any], run: Run) -> None:
    try:
        run.value = function()
    except BaseException as error:  # SystemExit and ours included: the check goes on
        run.error = error


def _can_ring() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def _with_alarm(call: Callable[[], None], run: Run, seconds: float) -> None:
    strikes = 0

    def ring(_number: int, frame: FrameType | None) -> None:
        nonlocal strikes
        if _called_by(frame, _call.__code__):  # otherwise the code has just ended by itself
            strikes += 1
            if strikes >= _PATIENCE:  # not before: on a busy machine the alarms would interrupt each other
                signal.setitimer(signal.ITIMER_REAL, _ALL_THE_TIME)
            raise TimeIsUp

    earlier_handler = signal.signal(signal.SIGALRM, ring)
    earlier_timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        call()
    except TimeIsUp as error:  # it rang while `_call` noted the code's own error
        run.error = error
    finally:
        signal.setitimer(signal.ITIMER_REAL, *earlier_timer)
        signal.signal(signal.SIGALRM, earlier_handler)
    if strikes and run.error and not isinstance(run.error, TimeIsUp):  # the code turned it into its own
        run.error = TimeIsUp().with_traceback(run.error.__traceback__)


def _called_by(frame: FrameType | None, code: Any) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def _in_thread(call: Callable[[], None], run: Run, seconds: float) -> None:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    for _ in range(50):
        if not thread.is_alive():
            return
        # The documented way to raise in another thread. It takes effect when time.sleep() and the like end.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeIsUp)
        )
        thread.join(_AGAIN)
    run.error = TimeIsUp()


@contextmanager
def _cut_off(printed: io.StringIO) -> Iterator[None]:
    """No keyboard, output goes to `printed`, and the working folder is the same afterwards."""
    with ExitStack() as stack:
        with suppress(OSError):  # the folder may be gone already
            stack.callback(_back_to, os.getcwd())
        stack.enter_context(redirect_stdout(printed))
        stack.enter_context(redirect_stderr(printed))
        stack.enter_context(patch.object(sys, "stdin", _NoKeyboard()))
        # Jupyter replaces these two functions by its own, which do not read sys.stdin.
        stack.enter_context(patch.object(builtins, "input", _refuse_input))
        stack.enter_context(patch.object(getpass, "getpass", _refuse_input))
        if shell := running_shell():  # what is shown with display() goes past sys.stdout
            stack.enter_context(patch.object(shell.display_pub, "publish", lambda *_, **__: None))
        yield


def running_shell() -> Any:
    """Return Jupyter's shell, or None outside of Jupyter."""
    ipython = sys.modules.get("IPython")  # not imported: a notebook has it already
    return ipython.get_ipython() if ipython and hasattr(ipython, "get_ipython") else None


def _back_to(folder: str) -> None:
    with suppress(OSError):
        os.chdir(folder)


def _refuse_input(*_: Any, **__: Any) -> str:
    raise AskedForInput


class _NoKeyboard(io.StringIO):
    def read(self, _size: int | None = -1) -> str:
        raise AskedForInput

    def readline(self, _size: int = -1) -> str:  # type: ignore[override]
        raise AskedForInput

    def __next__(self) -> str:  # type: ignore[override]
        raise AskedForInput


class _Printed(io.StringIO):
    """Keeps only the beginning of what is printed: an endless loop must not fill the memory."""

    def write(self, text: str) -> int:
        room = _MOST_PRINTED - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)

    def close(self) -> None:
        """Stay open: what was printed is read later."""
