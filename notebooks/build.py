"""Makes the notebooks of the course from their sources: `python notebooks/build.py [--check]`.

A source is a `.py` file in jupytext's percent format. The notebook beside it gets the same cells,
without outputs, with ids that depend on nothing but the cell's place. The addresses in badges and
install cells come from pyproject.toml, for both. With --check nothing is written, and a source or
notebook that would change is an error.
"""

import re
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent


def addresses() -> tuple[str, str]:
    """The page on which Colab opens the notebooks, and what pip installs."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository, tag = project["urls"]["Repository"], f"v{project['version']}"
    path = repository.removeprefix("https://github.com/")
    return (
        f"https://colab.research.google.com/github/{path}/blob/{tag}/notebooks",
        f'"npc-lab[local] @ git+{repository}@{tag}"',
    )


def with_addresses(source: str, stem: str) -> str:
    """The source with its badge and install cell brought up to date."""
    colab, install = addresses()
    source = re.sub(r"(colab-badge\.svg\)\]\()[^)]*\)", rf"\g<1>{colab}/{stem}.ipynb)", source)
    return re.sub(r"(?m)^# %pip install -q .*$", f"# %pip install -q {install}", source)


def as_notebook(source: str) -> str:
    """The notebook's file for this source."""
    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{place:03d}"
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def build(check: bool) -> int:
    """Write what has changed, or with `check` only name it. Gives the number of files that differ."""
    changed = 0
    for path in sorted(HERE.glob("[0-9][0-9]_*.py")):
        source = with_addresses(path.read_text(encoding="utf-8"), path.stem)
        for target, text in ((path, source), (path.with_suffix(".ipynb"), as_notebook(source))):
            if target.exists() and target.read_text(encoding="utf-8") == text:
                continue
            changed += 1
            print(f"{'differs' if check else 'written'}: {target.name}")
            if not check:
                target.write_text(text, encoding="utf-8")
    return changed


if __name__ == "__main__":
    only_check = "--check" in sys.argv[1:]
    differing = build(only_check)
    if only_check and differing:
        sys.exit("Run `python notebooks/build.py` and commit what it writes.")
