"""The notebooks, of students and with solutions: clean, readable, and running on the real small model too.

That they run on the fake is shown by nbval, which pytest calls on the notebooks with solutions, and by
test_lessons.py for those of the students. That they are as their sources say is shown by test_builder.py.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jupytext
import nbclient
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

pytestmark = pytest.mark.packages

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LESSON = "[0-9][0-9]_*.ipynb"
NOTEBOOKS = sorted(FOLDER.glob(LESSON)) + sorted(FOLDER.glob(f"solutions/{LESSON}"))
MOST_LINES_IN_A_CELL = 15
MOST_LINES_WITH_A_SOLUTION = 25
MOST_WORDS = {"04": 1400, "05": 1400}  # 1,100 in the others


def ids(path: Path) -> str:
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def cells(path: Path, kind: str) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_every_lesson_stands_in_both_folders() -> None:
    students = {path.name for path in FOLDER.glob(LESSON)}
    solutions = {path.name for path in FOLDER.glob(f"solutions/{LESSON}")}
    assert students == solutions
    assert "00_setup.ipynb" in students


@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_pair_holds_the_same_cells(path: Path) -> None:
    source = jupytext.read(path.with_suffix(".py"))
    notebook = nbformat.read(path, as_version=4)
    assert [(cell.cell_type, cell.source) for cell in source.cells] == [
        (cell.cell_type, cell.source) for cell in notebook.cells
    ]


@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_holds_no_output_no_widget_state_and_no_key(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert "widgets" not in notebook["metadata"]
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert not re.search(r"api_key\s*=\s*[\"'][^\"']{16,}", path.read_text(encoding="utf-8"))


@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_cells_are_short(path: Path) -> None:
    for cell in cells(path, "code") + cells(path, "markdown"):
        most = MOST_LINES_WITH_A_SOLUTION if "# BEGIN SOLUTION" in cell.source else MOST_LINES_IN_A_CELL
        assert len(cell.source.splitlines()) <= most, cell.source


@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_the_cell_that_installs_does_nothing_outside_of_colab(path: Path, monkeypatch: Any) -> None:
    (cell,) = [cell for cell in cells(path, "code") if "pip install" in cell.source]
    asked: list[tuple[str, ...]] = []
    shell = SimpleNamespace(run_line_magic=lambda *asked_for: asked.append(asked_for))
    code = TransformerManager().transform_cell(cell.source)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    exec(code, {"get_ipython": lambda: shell})
    assert not asked
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    exec(code, {"get_ipython": lambda: shell})
    ((name, line),) = asked
    assert name == "pip"
    assert line.startswith('install -q "npc-lab[local] @ git+https://')


@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_lesson_is_short(path: Path) -> None:
    """Words in its texts, pictures included; what is folded away is not counted."""
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    shown = re.sub(r"(?s)<details>.*?</details>", "", text)
    words = [word for word in shown.split() if re.search(r"\w", word)]
    assert len(words) <= MOST_WORDS.get(path.name[:2], 1100)


@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_an_exercise_of_the_later_lessons_opens_with_a_picture(path: Path) -> None:
    texts = [cell.source for cell in cells(path, "markdown")]
    exercises = [text[text.index("### Exercise") :] for text in texts if "### Exercise" in text]
    assert exercises
    for text in exercises if path.name[:2] >= "03" else []:
        after_the_title = text.split("\n\n")[2]
        assert after_the_title.startswith("```"), text


@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_links_to_other_lessons_lead_somewhere(path: Path) -> None:
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\(((?!https?:)[^)#]+)\)", cell.source):
            assert (path.parent / target).exists(), target


def without_install_cells(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "%pip" not in cell.source]
    return notebook


# Every run tries the first notebook; the others by a command of their own (README): they take minutes.
AT_EVERY_RUN = {"00_setup"}


@pytest.mark.model
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if ids(path) in AT_EVERY_RUN else [pytest.mark.whole])
        for path in NOTEBOOKS
    ],
    ids=ids,
)
def test_a_notebook_runs_top_to_bottom_on_the_embedded_model(
    path: Path, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("NPC_LAB_PROVIDER", "local")
    notebook = without_install_cells(path)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("embedded model" in text for text in printed)


@pytest.mark.long
@pytest.mark.once
def test_nbval_runs_on_the_fake_whatever_the_developer_has_chosen(tmp_path: Path) -> None:
    code = "import os\nassert os.environ['NPC_LAB_PROVIDER'] == 'fake'"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, tmp_path / "provider.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(FOLDER.parent / "pyproject.toml")]
    result = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path / "provider.ipynb")],
        env=os.environ | {"NPC_LAB_PROVIDER": "nebius"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr
