"""A fresh kernel for one notebook: a process of its own, without keys, in a scratch folder."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import secrets
import signal
import site
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

from npc_lab.endpoints.connect import FAKE
from npc_lab.grading.inside import TARGET
from npc_lab.lessons.checking.reports import MARKS

GRACE_SECONDS = 5.0  # for a cell that was interrupted, to end
START_SECONDS = 60
LONGEST_MESSAGE = 5_000  # characters
_LONGEST_NAME = 200
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, in Linux's prctl.h
PASSES = 20  # over all processes of the machine, at most, to find those that a notebook has left behind

# The only variables that a kernel gets: any other one may be a secret.
_PASSED_ON = ["PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"]
_PASSED_ON += ["LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"]
_PASSED_ON += ["SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROCESSOR_ARCHITECTURE"]
_PREPARE = "__import__('npc_lab.grading.inside', fromlist=['prepare']).prepare({names!r})"
# Python 3.13 has an error of its own for a bracket that is never closed.
_NOT_PYTHON = ("SyntaxError", "IndentationError", "TabError", "_IncompleteInputError")


@dataclass(frozen=True)
class Answer:
    """What a kernel has answered for one exercise. All of it may be forged.

    outcomes: each step's outcome, message and fault. gone: what the exercise asks for that was there and is
    gone, each with the number of the cell that was run then. code: a fingerprint of what the learner has
    written, or "". is_shipped: whether that is the solution's. calls_ours: whether it called npc_lab's own
    arena. replaced, written: what of Python's or ours was replaced, and which files outside of its folder
    were changed.
    """

    outcomes: list[tuple[str, str, str]]
    gone: dict[str, int]
    code: str
    is_shipped: bool
    calls_ours: bool
    replaced: list[str]
    written: list[str]


class KernelLostError(Exception):
    """The kernel has died or no longer reacts. The message says why."""


class Kernel:
    """A running kernel. was_interrupted: whether its last cell took too long and was stopped."""

    def __init__(self, manager: Any):
        from nbclient import NotebookClient
        from nbformat.v4 import new_notebook

        class Client(NotebookClient):
            """Keeps no output of the notebook."""

            def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
                return super().process_message(msg, cell, cell_index) if msg["msg_type"] == "status" else None

        self.was_interrupted = False
        self._manager = manager
        self._notebook = new_notebook()  # type: ignore[no-untyped-call,unused-ignore]
        self._client = Client(
            self._notebook,
            km=manager,
            startup_timeout=START_SECONDS,
            allow_errors=True,
            interrupt_on_timeout=True,
            on_cell_error=self._note_error,
        )
        self._error = ""

    async def connect(self) -> None:
        """Connect to the kernel. Raise `RuntimeError` if it does not answer."""
        await self._client.async_start_new_kernel_client()

    def disconnect(self) -> None:
        """Close the connection."""
        if self._client.kc is not None:
            self._client.kc.stop_channels()

    async def run(self, source: str, seconds: int) -> str:
        """Run a cell and return the name of the error it ended with, or "".

        A cell that has not ended after so many seconds is interrupted. Raise `KernelLostError` if that does
        not help, or if the kernel has died.
        """
        from nbclient.exceptions import DeadKernelError
        from nbformat.v4 import new_code_cell

        self._error, self._client.timeout, started = "", seconds, time.monotonic()
        cell = new_code_cell(source)  # type: ignore[no-untyped-call,unused-ignore]
        self._notebook.cells = [cell]
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS) as limit:
                await self._client.async_execute_cell(cell, 0, store_history=False)
        except (TimeoutError, DeadKernelError) as error:
            # When we cancel its waiting, nbclient reports a dead kernel: look for our own reasons first.
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError from error
            if limit.expired():
                raise KernelLostError(f"it did not end after {seconds} seconds, nor when stopped.") from error
            raise KernelLostError("its Python ended. Was it told to, or was no memory left?") from error
        self.was_interrupted = bool(self._error) and time.monotonic() - started >= seconds
        return self._error

    async def check(self, exercise: str, seconds: float) -> Answer | None:
        """Check what the notebook defined, and return the answer, or None if there is none.

        The kernel is asked by a message of its own kind, which runs no cell. Raise `KernelLostError` if it
        does not end, or if the kernel has died.
        """
        client: Any = self._client.kc
        secret = secrets.token_hex(16)  # new, so no cell of the notebook can know it
        content = {"comm_id": secret, "target_name": TARGET, "data": {"exercise": exercise}}
        asked = client.session.msg("comm_open", content)
        client.shell_channel.send(asked)
        answer: Any = None
        try:
            async with asyncio.timeout(seconds):
                while (message := await self._next_message(client))["msg_type"] != "status" or (
                    message["parent_header"].get("msg_id") != asked["header"]["msg_id"]
                    or message["content"]["execution_state"] != "idle"
                ):
                    if message["msg_type"] == "comm_msg" and message["content"].get("comm_id") == secret:
                        answer = message["content"]["data"]
        except TimeoutError as error:
            raise KernelLostError(f"it did not end after {seconds:g} seconds.") from error
        return _read(answer)

    async def _next_message(self, client: Any) -> Any:
        """Return the kernel's next message. Raise `KernelLostError` if it has died."""
        while True:
            with suppress(Empty):
                return await client.get_iopub_msg(timeout=1)
            if not await self._manager.is_alive():
                raise KernelLostError("its Python ended. Was it told to, or was no memory left?")

    def _note_error(self, cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:
        name, words = (str(execute_reply["content"].get(key, ""))[-200:] for key in ("ename", "evalue"))
        line = re.search(r", line (\d+)\)$", words) if name in _NOT_PYTHON else None
        self._error = f"a syntax error in line {line[1]}" if line else name or "an error"


def _read(answer: Any) -> Answer | None:
    try:
        outcomes = [
            (str(outcome), str(message), str(fault)) for outcome, message, fault in answer["outcomes"]
        ]
        return Answer(
            [
                (outcome, message[:LONGEST_MESSAGE], fault[:LONGEST_MESSAGE])
                for outcome, message, fault in outcomes
                if outcome in MARKS
            ],
            {str(name): int(number) for name, number in answer["gone"].items()},
            str(answer["code"])[:_LONGEST_NAME],
            bool(answer["is_shipped"]),
            bool(answer["calls_ours"]),
            [str(name)[:_LONGEST_NAME] for name in answer["replaced"]],
            [str(path)[-_LONGEST_NAME:] for path in answer["written"]],
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


@asynccontextmanager
async def fresh_kernel(scratch: Path, names: Mapping[str, Sequence[str]]) -> AsyncIterator[Kernel]:
    """Start a kernel of this very Python, prepared for a notebook; end it afterwards, with what it started.

    That is every process of its group, and those that left the group, if they kept its environment. Of some
    hundred kernels one dies while it starts, for no reason of the notebook's: it is started once more. Raise
    `KernelLostError` if that one does not start either. names: what the exercises ask for (`prepare`).
    """
    async with AsyncExitStack() as stack:
        try:
            kernel = await stack.enter_async_context(_kernel(scratch / "kernel", names))
        except (RuntimeError, KernelLostError):
            try:
                kernel = await stack.enter_async_context(_kernel(scratch / "second kernel", names))
            except RuntimeError as error:
                raise KernelLostError(
                    "Its kernel died twice while it started. Grade it again, with fewer jobs at once."
                ) from error
        yield kernel


@asynccontextmanager
async def _kernel(scratch: Path, names: Mapping[str, Sequence[str]]) -> AsyncIterator[Kernel]:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    work = scratch / "work"
    work.mkdir(parents=True)
    manager = AsyncKernelManager(
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # an installed "python3" may be another Python
        connection_file=str(scratch / "kernel.json"),
    )
    try:
        await manager.start_kernel(
            env=_environment(scratch),
            cwd=str(work),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with(os.getpid()) if sys.platform == "linux" else None,
            extra_arguments=["--HistoryManager.hist_file=:memory:", "--IPKernelApp.capture_fd_output=False"],
        )
        kernel = Kernel(manager)
        try:
            await kernel.connect()
            if error := await kernel.run(_PREPARE.format(names=dict(names)), START_SECONDS):
                raise KernelLostError(f"The kernel could not be prepared: {error}.")
            yield kernel
        finally:
            kernel.disconnect()
    finally:
        await manager.shutdown_kernel(now=True)
        for _ in range(PASSES):
            if not _end_processes_of(scratch):
                break
            await asyncio.sleep(0.01)  # one of them may just have started another one


def _end_with(parent: int) -> Callable[[], None]:
    """Return what a new process does first, so that Linux ends it when its parent is killed.

    A kernel watches its parent itself, but not while it starts: it would hang for ever.
    """
    set_option = ctypes.CDLL(None).prctl  # looked up here: a forked process should do little

    def end_with_parent() -> None:
        set_option(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # the parent was killed before the option was set
            os._exit(1)

    return end_with_parent


def _end_processes_of(scratch: Path) -> int:
    """Kill every process that has the kernel's home in its environment, and return how many there were.

    One pass over a hundred processes takes 8 ms. macOS hides the environment of its own programs, such as
    /bin/sleep: those are not found.
    """
    import psutil

    home, found = _home(scratch), 0
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it is somebody else's, or gone already
            if process.environ().get("HOME") == home:
                found += 1
                process.kill()
    return found


def _home(scratch: Path) -> str:
    return str(scratch / "home")


def _environment(scratch: Path) -> dict[str, str]:
    """Return the kernel's environment. Home and temporary folders are in the scratch folder."""
    home = _home(scratch)
    for folder in ("home", "tmp"):
        (scratch / folder).mkdir()
    own = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    folders = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "IPYTHONDIR"), home)
    folders |= dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"), home)
    folders |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch / "tmp"))
    # Without this, packages of `pip install --user` would be looked for in the new, empty home folder.
    more = {"PYTHONUSERBASE": site.getuserbase(), "NPC_LAB_PROVIDER": FAKE, "PIP_NO_INDEX": "1"}
    return {**own, **folders, **more}
