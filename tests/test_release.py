"""Ready to publish: README's links, here and on the package index; what is built; what opens in one click.

The long ones need the package index: `pytest -m whole tests/test_release.py`.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from pathspec import GitIgnoreSpec

pytestmark = pytest.mark.once

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY, TAG = PROJECT["urls"]["Repository"], f"v{PROJECT['version']}"
OWNER_AND_NAME = REPOSITORY.removeprefix("https://github.com/")
RAW = f"https://raw.githubusercontent.com/{OWNER_AND_NAME}/{TAG}"


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def links(text: str) -> list[str]:
    """Where its links and images lead."""
    return re.findall(r"\]\(([^)\s]+)\)", without_code(text))


def anchors() -> set[str]:
    """The headings of README, as GitHub and the package index address them."""
    headings = re.findall(r"^#+ (.+)$", without_code(README), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_link_of_readme_leads_somewhere() -> None:
    assert len(links(README)) >= 50
    for link in links(README):
        if link.startswith("#"):
            assert link.removeprefix("#") in anchors(), link
        elif not link.startswith("https://"):
            assert (CHECKOUT / link.partition("#")[0]).exists(), link


def test_on_the_package_index_every_link_leads_to_this_versions_files_on_github() -> None:
    there = ProjectMetadata(str(CHECKOUT), PluginManager()).core.readme
    here = links(README)
    assert len(links(there)) == len(here)
    for link, before in zip(links(there), here, strict=True):
        if before.startswith(("https://", "#")):
            assert link == before
        elif before.endswith((".png", ".svg")):  # a page about a picture is no picture
            assert link == f"{RAW}/{before}"
        else:
            assert link == f"{REPOSITORY}/blob/{TAG}/{before}"
    assert without_code(there).count(f"]({REPOSITORY}/blob/") > 30


def test_every_address_of_the_repository_is_of_this_owner_and_version() -> None:
    """Whatever was written by hand elsewhere is found here: it would be forgotten at the next release."""
    places = {
        "colab.research.google.com/github/": f"{OWNER_AND_NAME}/blob/{TAG}/",
        "mybinder.org/v2/gh/": f"{OWNER_AND_NAME}/{TAG}?",
        "codespaces.new/": f"{OWNER_AND_NAME})",
        "git+https://github.com/": f"{OWNER_AND_NAME}@{TAG}",
        "raw.githubusercontent.com/": f"{OWNER_AND_NAME}/{TAG}/",
    }
    names = [CHECKOUT / "README.md", CHECKOUT / "pyproject.toml", *CHECKOUT.glob("notebooks/**/[0-9]*.ipynb")]
    for path in names:
        text = path.read_text("utf-8")
        for place, follows in places.items():
            for after in text.split(place)[1:]:
                assert after.startswith(follows), f"{path.name}: {place}{after[:60]}"
    assert all(README.count(place) for place in [*places][:3])


def members(folder: Path) -> set[str]:
    """What is in a source distribution of this folder."""
    (built,) = SdistBuilder(str(CHECKOUT)).build(directory=str(folder))
    with tarfile.open(built) as packed:
        return {member.name.partition("/")[2] for member in packed.getmembers()}


def test_the_source_distribution_has_all_that_ci_needs(tmp_path: Path) -> None:
    """Its tests read more than the package; whoever packs it for a system runs them there."""
    ci = (CHECKOUT / ".ci" / "run").read_text("utf-8")
    found = re.search(r"^project=\((.+)\)$", ci, re.MULTILINE)
    assert found
    files = set[str]()
    for name in shlex.split(found[1]):
        path = CHECKOUT / name
        files |= {each for each in (path.rglob("*") if path.is_dir() else [path]) if each.is_file()}
    # Notebooks that were run here leave files, as git is told.
    left_behind = GitIgnoreSpec.from_lines((CHECKOUT / ".gitignore").read_text("utf-8").splitlines())
    wanted = {path.relative_to(CHECKOUT).as_posix() for path in files}
    assert set(left_behind.match_files(wanted, negate=True)) <= members(tmp_path)


def test_one_click_opens_what_is_there() -> None:
    container = json.loads((CHECKOUT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert all((CHECKOUT / each).exists() for each in container["customizations"]["codespaces"]["openFiles"])
    (binder,) = (link for link in links(README) if "mybinder.org/v2" in link)
    opened = re.search(r"urlpath=lab/tree/(.+)$", binder)
    assert opened
    assert (CHECKOUT / opened[1]).exists()
    post_build = CHECKOUT / ".binder" / "postBuild"
    assert os.access(post_build, os.X_OK)
    for command in ("python -m npc_lab doctor --provider local", "[course]"):  # packages and weights
        assert command in container["onCreateCommand"]
        assert command in post_build.read_text("utf-8")


def run(*command: Any, **more: Any) -> str:
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, **more)
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=CHECKOUT)
    return folder


@pytest.mark.builder
def test_the_package_index_would_take_it(built: Path) -> None:
    said = run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())
    assert said.count("PASSED") == 2


@pytest.mark.whole
def test_the_tests_pass_in_the_source_distribution(built: Path, tmp_path: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as packed:
        packed.extractall(tmp_path, filter="data")
    (there,) = tmp_path.iterdir()
    environment = os.environ | {"PYTHONPATH": str(there)}
    where = run(sys.executable, "-c", "import npc_lab; print(npc_lab.__file__)", cwd=there, env=environment)
    assert Path(where.strip()).is_relative_to(there)
    run(sys.executable, "-m", "pytest", "-q", "-n", "2", cwd=there, env=environment)


@pytest.mark.whole
def test_binder_builds_its_image(built: Path, tmp_path: Path) -> None:
    """Its postBuild, in a new environment and in a copy of the project, as repo2docker runs it."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as packed:
        packed.extractall(tmp_path, filter="data")
    (there,) = tmp_path.iterdir()
    run(sys.executable, "-m", "venv", tmp_path / "image")
    environment = os.environ | {
        "PATH": f"{tmp_path / 'image' / 'bin'}:{os.environ['PATH']}",
        "NPC_LAB_CACHE": str(tmp_path / "cache"),
    }
    said = run(there / ".binder" / "postBuild", cwd=there, env=environment)
    assert "All is well." in said
    assert list((tmp_path / "cache").rglob("*.gguf"))
    run(tmp_path / "image" / "bin" / "jupyter", "lab", "--version")


@pytest.mark.whole
def test_gradescope_grades_a_submission(built: Path, tmp_path: Path) -> None:
    """The package's own setup.sh, then its run_autograder, in the folders that Gradescope makes."""
    root = tmp_path / "autograder"
    wheel = next(built.glob("*.whl"))
    run(sys.executable, "-m", "npc_lab", "gradescope", root / "source", "--wheel", wheel)
    (root / "submission").mkdir()
    solution = CHECKOUT / "notebooks" / "solutions" / "02_memory.ipynb"
    (root / "submission" / solution.name).write_bytes(solution.read_bytes())
    environment = {"AUTOGRADER": str(root)} | {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    run("bash", root / "source" / "setup.sh", cwd=root, env=environment)
    run("bash", root / "source" / "run_autograder", cwd=root, env=environment)
    result = json.loads((root / "results" / "results.json").read_text("utf-8"))
    assert result["score"] == sum(test["max_score"] for test in result["tests"]) > 0
