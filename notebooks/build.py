"""Makes the notebooks of the course from their sources: `python notebooks/build.py [--check]`.

A lesson has one source: `solutions/NN_name.py`, in jupytext's percent format, with the exercises solved.
From it come the solution notebook beside it and, in this folder, the student version, as a notebook and as
a `.py` file. There, a stub stands where the source has code between `# BEGIN SOLUTION` and `# END SOLUTION`,
and nothing where it has some between `# BEGIN HIDDEN TESTS` and `# END HIDDEN TESTS`. All else is the same,
and so are the cells' ids, which depend on nothing but a cell's place.

Addresses in badges and install cells come from pyproject.toml, and a source's title says that it holds the
solutions: both are written into the source too. So are the addresses in README and, in pyproject.toml, those
that its links get on the package index: owner and version are changed by hand in one place each. With --check
nothing is written, and a file that would change is an error. A file that looks like a lesson and has no
source is always one.
"""

import ast
import copy
import os
import re
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, ClearOutput, ClearSolutions

HERE = Path(__file__).resolve().parent
PYPROJECT, README = HERE.parent / "pyproject.toml", HERE.parent / "README.md"
SOLUTIONS = HERE / "solutions"
LESSON = "[0-9][0-9]_*"

STUB = "# <YOUR CODE HERE>\n..."
CLEARING = [
    ClearSolutions(code_stub={"python": STUB}, enforce_metadata=False),
    ClearHiddenTests(enforce_metadata=False),
    ClearOutput(),
]
REGIONS = [("# BEGIN SOLUTION", "# END SOLUTION"), ("# BEGIN HIDDEN TESTS", "# END HIDDEN TESTS")]
# What stands before this repository's owner and name, and between them and the tag.
PAGES = [
    (r"colab\.research\.google\.com/github/", "/blob/"),
    (r"mybinder\.org/v2/gh/", "/"),
    (r"\nreplacement = .*raw\.githubusercontent\.com/", "/"),
    (r"\nreplacement = .*//github\.com/", "/blob/"),
]
LIKE_A_MARKER = re.compile(r"\b(BEGIN|END)\s+(SOLUTION|HIDDEN)", re.IGNORECASE)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def repository_and_tag() -> tuple[str, str]:
    """Owner and name of the repository on GitHub, and the tag of this version."""
    project = tomllib.loads(read(PYPROJECT))["project"]
    return project["urls"]["Repository"].removeprefix("https://github.com/"), f"v{project['version']}"


def addresses() -> tuple[str, str]:
    """The page on which Colab opens the notebooks, and what pip installs."""
    path, tag = repository_and_tag()
    return (
        f"https://colab.research.google.com/github/{path}/blob/{tag}/notebooks",
        f'"npc-lab[local] @ git+https://github.com/{path}@{tag}"',
    )


def with_addresses(text: str) -> str:
    """The text of README or pyproject.toml, in which every address of this repository is of this version."""
    path, tag = repository_and_tag()
    for before, between in PAGES:
        text = re.sub(rf"({before})[^/\s]+/[^/\s]+{between}[^/?\s)]+", rf"\g<1>{path}{between}{tag}", text)
    return re.sub(r"(codespaces\.new/)[^/\s]+/[^/?\s)]+", rf"\g<1>{path}", text)


def with_badge(text: str, name: str) -> str:
    """The text with a badge that opens the student version of this notebook: nobody is led to the answers."""
    return re.sub(r"(colab-badge\.svg\)\]\()[^)]*\)", rf"\g<1>{addresses()[0]}/{name}.ipynb)", text)


def up_to_date(source: str, stem: str) -> str:
    """The source with its title, badge and install cell as they should be."""
    source = re.sub(r"(?m)^(# # .*?)(?: \(solutions\))?$", r"\g<1> (solutions)", source, count=1)
    source = re.sub(r"(?m)^( *)# %pip install -q .*$", rf"\g<1># %pip install -q {addresses()[1]}", source)
    return with_badge(source, stem)


def solution_version(source: str) -> NotebookNode:
    """The notebook of this source."""
    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{place:03d}"
    return notebook


def student_version(solution: NotebookNode, stem: str) -> NotebookNode:
    """The same notebook without solutions, for the folder above. Stops where that cannot be made."""
    for cell in solution.cells:
        refuse_broken_regions(cell, stem)
    notebook = copy.deepcopy(solution)
    for preprocessor in CLEARING:
        notebook, _ = preprocessor.preprocess(notebook, {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            refuse_what_does_not_compile(cell, stem)
        else:
            text = re.sub(r"(?m)^(# .*) \(solutions\)$", r"\g<1>", cell.source)
            cell.source = re.sub(r'(\]\(|src=")\.\./', r"\g<1>", text)
    return notebook


def refuse_broken_regions(cell: NotebookNode, stem: str) -> None:
    """Markers come in pairs, each on its own line. nbgrader alone would drop a lone end without a word."""
    markers = [line.strip() for line in cell.source.splitlines() if LIKE_A_MARKER.search(line)]
    if markers and cell.cell_type != "code":
        refuse(cell, stem, f"only code cells may hold a region, and this one has: {markers[0]}")
    if len(markers) % 2 or any(pair not in REGIONS for pair in zip(markers[::2], markers[1::2], strict=True)):
        refuse(cell, stem, f"its markers do not make whole regions: {', '.join(markers)}")


def refuse_what_does_not_compile(cell: NotebookNode, stem: str) -> None:
    """A student who has done nothing yet sees no error of ours."""
    code = TransformerManager().transform_cell(cell.source)
    try:
        compile(code, "the cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        refuse(cell, stem, f"the student's version is not Python: {error}")


def refuse(cell: NotebookNode, stem: str, reason: str) -> None:
    """Stop, and name the cell by its id and its first line."""
    sys.exit(f"solutions/{stem}.py, {cell['id']} ({cell.source.splitlines()[0]}): {reason}")


def as_notebook_file(notebook: NotebookNode) -> str:
    """What stands in this notebook's file."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def as_source_file(notebook: NotebookNode, source: str) -> str:
    """What stands in this notebook's `.py` file, below the head of the source that it comes from."""
    without_head = {"extension": ".py", "format_name": "percent", "notebook_metadata_filter": "-all"}
    return source[: source.index("# %%")] + jupytext.writes(notebook, fmt=without_head)


def lesson(path: Path) -> dict[Path, str]:
    """Every file of the lesson with this source, and what it should hold."""
    source = up_to_date(read(path), path.stem)
    solution = solution_version(source)
    student = student_version(solution, path.stem)
    return {
        path: source,
        path.with_suffix(".ipynb"): as_notebook_file(solution),
        HERE / f"{path.stem}.ipynb": as_notebook_file(student),
        HERE / path.name: as_source_file(student, source),
    }


def build(check: bool) -> None:
    """Write what differs, or with `check` only name it. Stops where something is not as it should be."""
    wanted = {path: with_addresses(read(path)) for path in (README, PYPROJECT)}
    for path in sorted(SOLUTIONS.glob(f"{LESSON}.py")):
        wanted |= lesson(path)
    differing = [path for path, text in wanted.items() if not (path.exists() and read(path) == text)]
    for path in differing:
        print(f"{'differs' if check else 'written'}: {os.path.relpath(path, HERE)}")
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    found = {path for folder in (HERE, SOLUTIONS) for path in folder.glob(f"{LESSON}.*")}
    orphans = sorted(path for path in found - wanted.keys() if path.suffix in (".py", ".ipynb"))
    for path in orphans:
        print(f"has no source: {os.path.relpath(path, HERE)}")
    if check and differing:
        sys.exit("Change the sources, run `python notebooks/build.py` and commit what it writes.")
    if orphans:
        sys.exit("The source of every lesson stands in notebooks/solutions. Move or delete the others.")


if __name__ == "__main__":
    build(check="--check" in sys.argv[1:])
