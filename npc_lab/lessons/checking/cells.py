"""The notebook around a check: a name that is nearly right, and a cell that failed.

    meant("build_messages", callable, {"BuildMessages": function})    "BuildMessages"
    outdated({"trim": trim}, "trim")                                  "trim", if its newest cell failed

Jupyter keeps the texts of all cells that were run, also of those that ended with an error.
"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from npc_lab.lessons.checking.advice import near
from npc_lab.lessons.checking.learners_code import is_stub, is_the_kits
from npc_lab.lessons.checking.limits import running_shell


def meant(declares: str, accepts: Callable[[Any], bool], names: Mapping[str, Any]) -> str:
    """Return the name of something of the right kind that is nearly called as it should be, or ""."""
    found = near(declares, (name for name in names if name != declares))
    with suppress(Exception):  # whatever a learner's object does when it is looked at
        thing = names.get(found)
        if found and accepts(thing) and not is_stub(thing) and not is_the_kits(thing):
            return found
    return ""


def outdated(judged: Mapping[str, Any], declares: str) -> str:
    """Return the first of these names whose newest cell did not make the object that is judged, or "".

    judged: what is checked, by its name in the notebook: a class, and its methods. Outside of Jupyter
    nothing is outdated.
    """
    shell = running_shell()
    if shell is None:
        return ""
    cells = [str(each) for each in shell.user_ns.get("In", [])]
    return next((name for name in judged if _is_outdated(shell, cells, name, judged[name], declares)), "")


def is_notebook(names: Mapping[str, Any]) -> bool:
    """Return whether these are the names of a running notebook."""
    shell = running_shell()
    return shell is not None and shell.user_ns is names


def _is_outdated(shell: Any, cells: list[str], name: str, thing: Any, declares: str) -> bool:
    text = next((each for each in reversed(cells) if _defines(each, name, declares)), "")
    if not text or text is cells[-1]:  # the cell with the check itself has come so far
        return False
    try:
        code = shell.transform_cell(text)
        ast.parse(code)
    except SyntaxError:
        return True
    made_by = _cell_of(thing)
    return bool(made_by) and made_by.strip() != code.strip()


def _defines(cell: str, name: str, declares: str) -> bool:
    """Return whether a cell defines the name, also as a method of the class that is declared."""
    plainly = rf"^(?:async )?(?:def|class) {name}\b|^{name}\s*(?::[^=\n]+)?=(?!=)"
    if re.search(plainly, cell, re.MULTILINE):
        return True
    is_in_class = re.search(rf"^class {declares}\b", cell, re.MULTILINE) and f"def {name}(" in cell
    return bool(is_in_class)


def _cell_of(thing: Any) -> str:
    """Return the text of the cell that made a function or a class, or ""."""
    if isinstance(thing, type):
        thing = next((each for each in vars(thing).values() if isinstance(each, FunctionType)), None)
    code = getattr(thing, "__code__", None)
    return "".join(linecache.getlines(code.co_filename)) if code else ""
