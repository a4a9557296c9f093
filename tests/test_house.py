"""The house's rules: what a plain import loads, and that nothing imports upward."""

import ast
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import npc_lab
from npc_lab import NPCFactory, connect

pytestmark = pytest.mark.once

PACKAGE = Path(npc_lab.__file__).parent
HEAVY = [
    "openai",
    "ipywidgets",
    "IPython",
    "xllamacpp",
    "huggingface_hub",
    "psutil",
    "jupytext",
    "nbclient",
    "typer",
    "rich",
    "tqdm",
    "numpy",
    "matplotlib",
    "markdown_it",
    "nh3",
]

# The core, in the order in which a learner reads it. README and `npc_lab/__init__.py` list the same.
READING_ORDER = ["character", "memory", "scratchpad", "npc", "reply", "one_at_a_time", "wire", "door"]
READING_ORDER += ["factory", "transcript", "stops", "arena", "store", "keys", "text", "errors"]

# A room imports from rooms above it in this list, never from its own line or from below.
LAYERS = [
    ["errors", "text", "files", "keys", "memory", "one_at_a_time"],
    ["rendering", "wire"],
    ["scratchpad"],
    ["character", "transcript"],
    ["cards", "endpoints", "export", "measures", "reply", "stops", "store", "worlds"],
    ["arena", "door", "plots"],
    ["npc"],
    ["factory"],
    ["__init__", "experiments"],
    ["lessons", "widgets"],
    ["grading"],
    ["cli"],
    ["__main__"],
]
MOST_ROOMS = 28  # without __init__ and __main__: 27, and the door; `experiments` may join


def modules() -> dict[str, Path]:
    """Each module of the package by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("npc_lab", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports_of(module: str) -> set[str]:
    """The modules of this package that it imports: at the top, inside functions, for a type checker."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("npc_lab"):
            names = [f"{node.module}.{each.name}" for each in node.names]
            found |= {name if name in MODULES else str(node.module) for name in names}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name in MODULES}
    return found - {module}


def room_of(module: str) -> str:
    """The first part of its path inside the package."""
    return module.split(".")[1] if "." in module else "__init__"


ROOMS = {room_of(module) for module in MODULES}


def rooms_that_it_needs(room: str) -> set[str]:
    needed = {room_of(each) for module in MODULES if room_of(module) == room for each in imports_of(module)}
    return needed - {room}


def test_import_loads_no_widget_no_notebook_no_engine_and_no_openai() -> None:
    code = f"import sys, npc_lab; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_room_has_its_place() -> None:
    assert {room for layer in LAYERS for room in layer} == ROOMS
    assert len(ROOMS - {"__init__", "__main__", "experiments"}) <= MOST_ROOMS


@pytest.mark.parametrize("layer", range(len(LAYERS)))
def test_a_room_imports_only_what_stands_below(layer: int) -> None:
    below = {room for lower in LAYERS[:layer] for room in lower}
    for room in LAYERS[layer]:
        assert rooms_that_it_needs(room) <= below, room


def test_no_module_imports_itself_through_others() -> None:
    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in seen:
            for needed in sorted(imports_of(module)):
                walk(needed, (*path, module))
            seen.add(module)

    seen: set[str] = set()
    for module in MODULES:
        walk(module, ())


def test_the_arena_does_not_know_the_factory() -> None:
    assert not rooms_that_it_needs("arena") & {"factory", "npc", "reply"}


def test_the_core_does_not_know_where_replies_come_from() -> None:
    for room in READING_ORDER:
        assert "endpoints" not in rooms_that_it_needs(room), room


def test_no_two_files_have_one_name() -> None:
    names = [path.name for path in MODULES.values() if path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))


def order_in(text: str, pattern: str) -> list[str]:
    return [name.removesuffix(".py") for name in re.findall(pattern, text, re.MULTILINE)]


def test_there_is_one_reading_order() -> None:
    assert order_in(npc_lab.__doc__ or "", r"^    ([a-z_]+(?:\.py)?)  ") == READING_ORDER
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("## Read the source") :].partition("\n\nBeside the core")[0]
    assert order_in(table, r"^\| \[([a-z_]+(?:\.py)?)\]") == READING_ORDER


def files_entered(action: Callable[[], object]) -> set[str]:
    """The files of this package in which a function runs while the action does, in any thread."""
    entered: set[str] = set()

    def note(frame: Any, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in path.parents:
            entered.add(path.relative_to(PACKAGE).as_posix())

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return entered


def knight() -> tuple[NPCFactory, str, str]:
    client, model = connect("fake")
    factory = NPCFactory(client, model)
    return factory, factory.register_npc("London", "You are Sir Guy."), factory.register_user("rosamund")


def test_one_chat_can_be_followed_through_thirteen_files() -> None:
    factory, npc_id, user_id = knight()
    factory.chat_with_npc(npc_id, user_id, "Good day!")  # what runs once is over
    entered = files_entered(lambda: factory.npcs[npc_id].chat("Who are you?", user_id))
    assert len(entered) <= 13, sorted(entered)


def test_one_say_can_be_followed_through_nineteen_files(monkeypatch: pytest.MonkeyPatch) -> None:
    from npc_lab.widgets import chat_box

    monkeypatch.setenv("NPC_LAB_PUMP", "blocking")
    factory, npc_id, _ = knight()
    box = chat_box(factory, npc_id)
    box.say("Good day!")
    entered = files_entered(lambda: box.say("Who are you?"))
    assert len(entered) <= 19, " ".join(sorted(entered))


def test_only_the_widgets_know_ipywidgets() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    knowing = {path.parent.name for path, source in sources.items() if "import ipywidgets" in source}
    assert knowing == {"widgets"}


def test_matplotlib_is_loaded_only_for_a_picture() -> None:
    code = "import sys, npc_lab.widgets; print('matplotlib' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_all_is_complete_and_importable() -> None:
    for name in npc_lab.__all__:
        assert getattr(npc_lab, name)
    assert npc_lab.__all__ == sorted(npc_lab.__all__)
