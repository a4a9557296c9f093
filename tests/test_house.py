"""The house's rules: what a plain import loads, and that nothing imports upward."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import npc_lab

PACKAGE = Path(npc_lab.__file__).parent
HEAVY = [
    "openai",
    "ipywidgets",
    "IPython",
    "xllamacpp",
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

# Each module may import those on its own shelf's lower shelves, and earlier ones of its own.
SHELVES = [
    ["errors", "text"],
    ["keys", "scratchpad", "memory"],
    ["character", "wire", "one_at_a_time"],
    ["reply", "store"],
    ["npc"],
    ["factory"],
    ["transcript", "stops", "measures"],
    ["arena"],
]
BESIDE = ["endpoints"]
BESIDE_MAY_USE = ["errors", "text", "memory", "character", "wire"]
ON_TOP = [
    "worlds",
    "files",
    "rendering",
    "export",
    "plots",
    "cards",
    "widgets",
    "lessons",
    "grading",
    "cli",
    "__init__",
    "__main__",
]


def imports_of(module: str) -> set[str]:
    """The modules of this package that it imports, at the top or inside functions."""
    path = PACKAGE / f"{module}.py"
    paths = [path] if path.exists() else sorted((PACKAGE / module).glob("*.py"))
    found: set[str] = set()
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("npc_lab"):
            found.add(node.module.split(".")[1] if "." in (node.module or "") else "__init__")
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("npc_lab.")}
    return found - {module}


def test_import_loads_no_widget_no_notebook_no_engine_and_no_openai() -> None:
    code = f"import sys, npc_lab; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


CORE = [module for shelf in SHELVES for module in shelf]


def test_every_module_has_its_place() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    modules |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules == {*CORE, *BESIDE, *ON_TOP}


@pytest.mark.parametrize("shelf", range(len(SHELVES)))
def test_the_core_imports_only_what_stands_below(shelf: int) -> None:
    below = {module for lower in SHELVES[:shelf] for module in lower}
    for place, module in enumerate(SHELVES[shelf]):
        assert imports_of(module) <= below | set(SHELVES[shelf][:place]), module


def test_the_arena_does_not_know_the_factory() -> None:
    assert not imports_of("arena") & {"factory", "npc", "reply"}


@pytest.mark.parametrize("module", BESIDE)
def test_where_replies_come_from_stands_beside_the_core(module: str) -> None:
    assert imports_of(module) <= {*BESIDE, *BESIDE_MAY_USE}


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
