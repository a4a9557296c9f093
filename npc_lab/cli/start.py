"""`npc-lab start`: copy the course's notebooks into a folder of the learner's own, and open JupyterLab.

A configuration for pre-commit comes with them, for those who keep their work in git.

A file that is already there is never touched, so no work can be lost. To begin a lesson again, learners
rename their file and start once more: the missing one is copied again. If the course has a newer version of a
lesson than the folder, that is said: a notebook's install cell names the version it came with, and what
stands outside of exercises shows whether the lesson has changed since.
"""

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from npc_lab.cli.screen import Screen
from npc_lab.errors import NPCLabError
from npc_lab.lessons.course import course_folder
from npc_lab.lessons.help import TAG

INSTALL_COURSE = 'pip install "npc-lab[course]"'
# It keeps keys out of what learners commit with git.
_PRE_COMMIT = Path(__file__).with_name("learners_pre_commit.yaml")
# What a notebook's install cell asks for: "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.1.0"
_VERSION = re.compile(rb"npc-lab\[local\] @ git\+https://[\w./-]+@v(\d+(?:\.\d+)+)")
_LINE_WITH_VERSION = re.compile(r"(?m)^.*(?:@|/blob/)v\d.*$")
# Log lines of the server are for its makers. What is left says where JupyterLab is.
_QUIET = ("--ServerApp.log_level=CRITICAL", "--LabApp.log_level=CRITICAL")


def copy_course(screen: Screen, folder: Path) -> None:
    """Copy what is missing into the folder. Raise `NPCLabError` if that fails; then nothing is added."""
    source = course_folder()
    course = {folder / file.relative_to(source): file for file in _files(source)}
    course[folder / ".pre-commit-config.yaml"] = _PRE_COMMIT
    missing = {target: file for target, file in course.items() if not os.path.lexists(target)}
    try:
        _copy_all(missing)
        kept = [target for target, file in course.items() if not filecmp.cmp(target, file, shallow=False)]
    except OSError as error:
        raise NPCLabError(
            f"The notebooks cannot be put into {folder}: {error.strerror or error}. "
            "Name another folder: npc-lab start FOLDER"
        ) from error
    screen.say(f"The course is in {folder.absolute()}")
    if missing:
        screen.say(f"New: {_names(missing)}.")
    newer = [target for target in kept if _is_older(target, course[target])]
    if newer:
        versions = ", ".join(sorted({_version(target) for target in newer}))
        screen.say(f"There are newer versions of these; yours came with {versions}: {_names(newer)}.")
    if others := [target for target in kept if target not in newer]:
        screen.say(f"Kept as you left them: {_names(others)}.")
    if kept:
        screen.say("Your files were not changed. For a fresh one, rename yours and start again.")


def open_jupyterlab(screen: Screen, folder: Path, allow_root: bool = False) -> int:
    """Open JupyterLab in the folder, wait until it ends, and return its exit code.

    allow_root: open it also for the user root, as whom everything in a container runs.
    """
    if find_spec("jupyterlab") is None:
        raise NPCLabError(
            f"JupyterLab is not installed. To install it:\n  {INSTALL_COURSE}\n"
            "Or open the folder with another program for notebooks."
        )
    if not allow_root and hasattr(os, "geteuid") and os.geteuid() == 0:
        raise NPCLabError(
            "You are root, and what runs in a notebook could change everything on this machine. Start as "
            f'another user, or in a container of your own: npc-lab start "{folder}" --allow-root'
        )
    screen.say("JupyterLab opens in your browser. To end it, press Ctrl-C here.")
    command = [sys.executable, "-m", "jupyterlab", str(folder.absolute()), *_QUIET]
    with subprocess.Popen([*command, *(["--allow-root"] if allow_root else [])]) as jupyterlab:
        while True:
            try:
                return jupyterlab.wait()
            except KeyboardInterrupt:
                continue  # JupyterLab got it, too, and ends by itself


def _files(source: Path) -> Iterator[Path]:
    """Yield the files for learners. Solutions, sources and the builder are not among them."""
    yield from sorted(source.glob("*.ipynb"))
    yield from sorted(file for file in source.glob("images/**/*") if file.is_file())


def _copy_all(missing: dict[Path, Path]) -> None:
    """Copy each file to its target: all of them, or none."""
    made: list[Path] = []
    try:
        for target, file in missing.items():
            for folder in reversed([each for each in target.parents if not each.exists()]):
                folder.mkdir()
                made.append(folder)
            made.append(target)
            shutil.copyfile(file, target)
    except BaseException:
        for each in reversed(made):
            each.rmdir() if each.is_dir() else each.unlink(missing_ok=True)
        raise


def _is_older(target: Path, shipped: Path) -> bool:
    """Return whether the learner's notebook is of an older version, in which the lesson was another one."""
    theirs, ours = _version(target), _version(shipped)
    if not (theirs and ours and _numbers(theirs) < _numbers(ours)):
        return False
    try:
        return not _given(shipped) <= _texts(_cells(target))
    except (ValueError, LookupError, TypeError, AttributeError):  # whatever has become of the file
        return True


def _given(notebook: Path) -> set[str]:
    """Return the texts of the cells that are no exercise."""
    return _texts(cell for cell in _cells(notebook) if TAG not in str(cell["metadata"].get("tags")))


def _texts(cells: Iterable[Any]) -> set[str]:
    """Return the texts of these cells, without lines that name a version."""
    return {" ".join(_LINE_WITH_VERSION.sub("", "".join(cell["source"])).split()) for cell in cells}


def _cells(notebook: Path) -> list[Any]:
    cells: list[Any] = json.loads(notebook.read_bytes())["cells"]
    return cells


def _version(notebook: Path) -> str:
    found = _VERSION.search(notebook.read_bytes())
    return found[1].decode() if found else ""


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _names(files: Iterable[Path]) -> str:
    return ", ".join(file.name for file in files)
