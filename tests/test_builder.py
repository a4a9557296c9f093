"""The course's builder: one source, two versions that differ in the holes only. It needs nbgrader.

What holds for a version is shown on a sample with every kind of region, and on the course as it stands.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

pytestmark = pytest.mark.builder

CHECKOUT = Path(__file__).resolve().parents[1]
STUB = "# <YOUR CODE HERE>\n..."
SOLUTION = re.compile(r"(?m)^([ ]*)# BEGIN SOLUTION\n((?:.*\n)*?)[ ]*# END SOLUTION$")
HIDDEN = re.compile(r"(?m)^[ ]*# BEGIN HIDDEN TESTS\n((?:.*\n)*?)[ ]*# END HIDDEN TESTS(?:\n|\Z)")
MARKERS = ["BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"]
LONG_ENOUGH_TO_TELL = 20

HEAD = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
SAMPLE = (
    HEAD
    + '''\
# %% [markdown]
# # 07 · A sample
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](anywhere)
#
# ![A sample](../images/sample.png) and <img src="../images/sample.png"> for [lesson 08](08_other.ipynb).

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q anything
    pass

# %%
# %matplotlib inline
import math

# %% [markdown]
# ## Exercise


# %%
def circumference(radius):
    """How long is the way around?"""
    # BEGIN SOLUTION
    the_whole_diameter = 2 * radius
    return math.pi * the_whole_diameter
    # END SOLUTION


class Circle:
    # BEGIN SOLUTION
    def __init__(self, radius):
        self.radius_of_this_circle = radius

    # END SOLUTION

    def __repr__(self):
        # BEGIN SOLUTION
        return f"Circle({self.radius_of_this_circle})"
        # END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "tests", "locked": true, "points": 1, "schema_version": 3, "solution": false}
assert callable(circumference)
# BEGIN HIDDEN TESTS
assert circumference(1) == 2 * math.pi, "a hidden test"
# END HIDDEN TESTS

# %%
# BEGIN HIDDEN TESTS
assert repr(Circle(123456)) == "Circle(123456)"
# END HIDDEN TESTS

# %%
# BEGIN SOLUTION
answer_to_the_exercise = 42
# END SOLUTION
'''  # noqa: E501
)
REPOSITORY = "https://github.com/OWNER/npc_lab"
PYPROJECT = f'''[project]
version = "1.2.3"
[project.urls]
Repository = "{REPOSITORY}"
[[substitutions]]
replacement = '](https://raw.githubusercontent.com/OWNER/npc_lab/v1.2.3/\\1)'
[[substitutions]]
replacement = '](https://github.com/OWNER/npc_lab/blob/v1.2.3/\\1)'
'''
README = """\
[Colab](https://colab.research.google.com/github/OWNER/npc_lab/blob/v1.2.3/notebooks/07_sample.ipynb),
[Binder](https://mybinder.org/v2/gh/OWNER/npc_lab/v1.2.3?urlpath=lab/tree/notebooks),
[Codespaces](https://codespaces.new/OWNER/npc_lab), [others](https://github.com/OWNER/other/blob/v1/a.py)
"""


class Course:
    """A course folder with a copy of the builder."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.pyproject = folder / "pyproject.toml"
        (self.notebooks / "solutions").mkdir(parents=True)
        self.pyproject.write_text(PYPROJECT, "utf-8")
        self.readme = folder / "README.md"
        self.readme.write_text(README, "utf-8")
        self.source = self.notebooks / "solutions" / "07_sample.py"
        self.source.write_text(SAMPLE, "utf-8")
        shutil.copy(CHECKOUT / "notebooks" / "build.py", self.notebooks)

    def build(self, check: bool = False) -> None:
        """What `python notebooks/build.py` does, without waiting for nbgrader again."""
        runpy.run_path(str(self.notebooks / "build.py"))["build"](check)

    def texts(self) -> dict[str, str]:
        """What stands in every file of a lesson."""
        files = sorted(path for path in self.notebooks.rglob("[0-9][0-9]_*") if path.is_file())
        return {str(path.relative_to(self.notebooks)): path.read_text("utf-8") for path in files}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """The sample, built."""
    course = Course(tmp_path)
    course.build()
    return course


@pytest.fixture(params=["sample", *sorted(path.stem for path in CHECKOUT.glob("notebooks/solutions/*.py"))])
def lesson(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A lesson: the folder of its student version, and its name."""
    if request.param != "sample":
        return CHECKOUT / "notebooks", request.param
    course = Course(tmp_path)
    course.build()
    return course.notebooks, "07_sample"


def cells(path: Path) -> list[Any]:
    return list(nbformat.read(path, as_version=4).cells)


def with_holes(code: str) -> str:
    """What a student gets in place of this code, worked out anew."""
    stubbed = SOLUTION.sub(lambda region: "\n".join(region[1] + line for line in STUB.split("\n")), code)
    return HIDDEN.sub("", stubbed).rstrip("\n")


def without_title(text: str) -> str:
    """A markdown cell without that in which the versions differ: title, and where the images are."""
    text = re.sub(r"(?m)^(# .*) \(solutions\)$", r"\1", text)
    return text.replace("../images/", "images/")


def strings(part: Any) -> Iterator[str]:
    """Every text in a notebook's JSON, keys and all."""
    if isinstance(part, str):
        yield part
    for each in part if isinstance(part, list) else []:
        yield from strings(each)
    for name, each in part.items() if isinstance(part, dict) else []:
        yield name
        yield from strings(each)


# --- The two versions -----------------------------------------------------------------------------


def test_the_course_is_as_its_sources_say() -> None:
    command = [sys.executable, str(CHECKOUT / "notebooks" / "build.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_building_again_changes_nothing(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(course.texts()) == [
        "07_sample.ipynb",
        "07_sample.py",
        "solutions/07_sample.ipynb",
        "solutions/07_sample.py",
    ]
    before = course.texts()
    capsys.readouterr()
    course.build(check=True)
    course.build()
    assert course.texts() == before
    assert not capsys.readouterr().out


def test_pairs_hold_the_same_cells(lesson: tuple[Path, str]) -> None:
    folder, name = lesson
    for pair in (folder / name, folder / "solutions" / name):
        source = jupytext.read(pair.with_suffix(".py"))
        assert [(cell.cell_type, cell.source, cell.metadata) for cell in source.cells] == [
            (cell.cell_type, cell.source, cell.metadata) for cell in cells(pair.with_suffix(".ipynb"))
        ]


def test_the_versions_differ_in_the_holes_only(lesson: tuple[Path, str]) -> None:
    folder, name = lesson
    solution, student = cells(folder / "solutions" / f"{name}.ipynb"), cells(folder / f"{name}.ipynb")
    assert [(cell.id, cell.cell_type, cell.metadata) for cell in student] == [
        (cell.id, cell.cell_type, cell.metadata) for cell in solution
    ]
    for theirs, ours in zip(student, solution, strict=True):
        if ours.cell_type == "code":
            assert theirs.source == with_holes(ours.source)
        else:
            assert without_title(theirs.source) == without_title(ours.source)


def test_nothing_of_a_solution_reaches_a_student(lesson: tuple[Path, str]) -> None:
    """A line that the lesson itself shows outside of regions may be read as often as it stands there."""
    folder, name = lesson
    source = (folder / "solutions" / f"{name}.py").read_text("utf-8")
    regions = [region[2] for region in SOLUTION.finditer(source)] + HIDDEN.findall(source)
    secrets = {line.strip() for region in regions for line in region.splitlines()}
    shown = HIDDEN.sub("", SOLUTION.sub("", source))
    notebook = json.loads((folder / f"{name}.ipynb").read_text("utf-8"))
    for text in ((folder / f"{name}.py").read_text("utf-8"), "\n".join(strings(notebook))):
        assert not [marker for marker in MARKERS if marker in text]
        long = (secret for secret in secrets if len(secret) > LONG_ENOUGH_TO_TELL)
        assert not [secret for secret in long if text.count(secret) > shown.count(secret)]


def test_addresses_title_and_images_are_those_of_each_version(course: Course) -> None:
    colab = "https://colab.research.google.com/github/OWNER/npc_lab/blob/v1.2.3/notebooks"
    first = {
        folder: cells(course.notebooks / folder / "07_sample.ipynb")[0].source for folder in ("", "solutions")
    }
    assert first[""].startswith("# 07 · A sample\n")
    assert f"]({colab}/07_sample.ipynb)" in first[""]
    assert (
        '](images/sample.png) and <img src="images/sample.png"> for [lesson 08](08_other.ipynb)' in first[""]
    )
    assert first["solutions"].startswith("# 07 · A sample (solutions)\n")
    assert f"]({colab}/07_sample.ipynb)" in first["solutions"], "nbgrader releases this cell as it stands"
    assert '](../images/sample.png) and <img src="../images/sample.png"> for' in first["solutions"]
    install = f'%pip install -q "npc-lab[local] @ git+{REPOSITORY}@v1.2.3"'
    assert all(text.count(install) == 1 for name, text in course.texts().items() if name.endswith(".py"))


def test_an_exercise_that_nobody_has_begun_runs(course: Course) -> None:
    code = [cell.source for cell in cells(course.notebooks / "07_sample.ipynb") if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    exec(
        "\n".join(source for source in code if "%pip" not in source).replace("%matplotlib inline", ""), names
    )
    assert names["circumference"](1) is None
    assert code[-1] == STUB
    assert code[-2] == ""


# --- What is refused ------------------------------------------------------------------------------


REFUSED = {
    "a begin without an end": ("x = 1\n# BEGIN SOLUTION\ny = 2", "do not make whole regions"),
    "an end without a begin": ("x = 1\n# END SOLUTION\ny = 2", "do not make whole regions"),
    "an end that comes first": ("# END SOLUTION\n# BEGIN SOLUTION", "do not make whole regions"),
    "nested": (
        "# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION\n# END SOLUTION",
        "do not make whole regions",
    ),
    "interleaved": (
        "# BEGIN SOLUTION\n# BEGIN HIDDEN TESTS\n# END SOLUTION\n# END HIDDEN TESTS",
        "do not make whole regions",
    ),
    "another end": ("# BEGIN SOLUTION\n# END HIDDEN TESTS", "do not make whole regions"),
    "three hashes": ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "do not make whole regions"),
    "two spaces": ("# BEGIN  SOLUTION\nx = 1\n# END  SOLUTION", "do not make whole regions"),
    "small letters": ("# begin solution\nx = 1\n# end solution", "do not make whole regions"),
    "one letter short": ("# BEGIN HIDDEN TEST\nx = 1\n# END HIDDEN TEST", "do not make whole regions"),
    "in prose": ("# # BEGIN SOLUTION\n# # END SOLUTION", "only code cells may hold a region"),
    "a stub that is no Python": (
        "x = (\n    # BEGIN SOLUTION\n    1 +\n    # END SOLUTION\n    2\n)",
        "the student's version is not Python",
    ),
    "a body of hidden tests": (
        "def f():\n    # BEGIN HIDDEN TESTS\n    pass\n    # END HIDDEN TESTS",
        "the student's version is not Python",
    ),
}


@pytest.mark.parametrize(("cell", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_source_is_refused_before_anything_is_written(course: Course, cell: str, reason: str) -> None:
    mark = "# %% [markdown]" if cell.startswith("# #") else "# %%"
    broken = course.source.read_text("utf-8").replace("v1.2.3", "v0") + f"\n{mark}\n{cell}\n"
    course.source.write_text(broken, "utf-8")
    before = course.texts()
    with pytest.raises(SystemExit, match=rf"solutions/07_sample\.py, cell-008 \(.+\): .*{reason}"):
        course.build()
    assert course.texts() == before


def test_magics_and_awaiting_at_the_top_are_python_here(course: Course) -> None:
    more = '\n# %%\n# !echo hello\n# %time x = 1\nawait something()\n\n# %% language="bash"\n# echo hello\n'
    course.source.write_text(course.source.read_text("utf-8") + more, "utf-8")
    course.build()
    assert cells(course.notebooks / "07_sample.ipynb")[-1].source == "%%bash\necho hello"


# --- What --check sees ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["07_sample.ipynb", "07_sample.py", "solutions/07_sample.ipynb", "solutions/07_sample.py"]
)
def test_check_sees_what_was_edited(course: Course, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    edited = course.notebooks / name
    edited.write_text(edited.read_text("utf-8").replace("How long is the way", "How far is it"), "utf-8")
    before = course.texts()
    capsys.readouterr()
    with pytest.raises(SystemExit, match="commit what it writes"):
        course.build(check=True)
    others = {"07_sample.ipynb", "07_sample.py", "solutions/07_sample.ipynb"}
    differing = others if name == "solutions/07_sample.py" else {name}
    assert set(capsys.readouterr().out.splitlines()) == {f"differs: {each}" for each in differing}
    assert course.texts() == before
    course.build()
    course.build(check=True)


def test_check_sees_a_file_that_is_missing(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    (course.notebooks / "07_sample.ipynb").unlink()
    with pytest.raises(SystemExit):
        course.build(check=True)
    assert "differs: 07_sample.ipynb" in capsys.readouterr().out


def test_check_sees_another_tag(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    course.pyproject.write_text(PYPROJECT.replace("1.2.3", "1.2.4"), "utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        course.build(check=True)
    differing = {*course.texts(), "../README.md"}
    assert {f"differs: {name}" for name in differing} == set(capsys.readouterr().out.splitlines())


def test_owner_and_version_are_changed_in_one_place_each(course: Course) -> None:
    """And all other addresses of the repository follow; those of others stay."""
    in_one_place = PYPROJECT.replace(REPOSITORY, "https://github.com/mia/lab", 1).replace("1.2.3", "2.0.0", 1)
    course.pyproject.write_text(in_one_place, "utf-8")
    course.build()
    for path, before in ((course.pyproject, PYPROJECT), (course.readme, README)):
        assert path.read_text("utf-8") == before.replace("OWNER/npc_lab", "mia/lab").replace("1.2.3", "2.0.0")
    assert all("mia/lab" in text and "OWNER" not in text for text in course.texts().values())


@pytest.mark.parametrize("name", ["06_old.py", "06_old.ipynb", "solutions/06_old.ipynb"])
@pytest.mark.parametrize("check", [True, False])
def test_a_file_without_a_source_is_an_error_and_left_alone(
    course: Course, name: str, check: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (course.notebooks / name).write_text("mine", "utf-8")
    with pytest.raises(SystemExit, match="Move or delete"):
        course.build(check=check)
    assert f"has no source: {name}" in capsys.readouterr().out
    assert course.texts()[name] == "mine"


# --- nbgrader by its own command ------------------------------------------------------------------


def readme_block(first_line: str) -> str:
    """The block of Python in README that begins with this line."""
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    found = re.search(rf"```python\n({re.escape(first_line)}\n.*?)```", readme, re.DOTALL)
    assert found, f"README has no block that begins with {first_line}"
    return found[1]


def test_nbgrader_makes_the_same_from_our_sources(course: Course, tmp_path: Path) -> None:
    source = tmp_path / "source" / "npc_lab"
    shutil.copytree(CHECKOUT / "notebooks" / "solutions", source, ignore=shutil.ignore_patterns("*.py"))
    shutil.copy(course.source.with_suffix(".ipynb"), source)
    config = readme_block("# nbgrader_config.py")
    (tmp_path / "nbgrader_config.py").write_text(config, "utf-8")
    # nbgrader calls alembic by name, so its environment must be entered. Nothing of the user's own is read.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", "npc_lab"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    released = sorted((tmp_path / "release" / "npc_lab").glob("*.ipynb"))
    assert [path.name for path in released] == sorted(path.name for path in source.glob("*.ipynb"))
    for path_of_release in released:
        ours = course.notebooks if path_of_release.stem == "07_sample" else CHECKOUT / "notebooks"
        theirs, students = cells(path_of_release), cells(ours / path_of_release.name)
        assert [(cell.id, cell.cell_type, without_title(cell.source)) for cell in theirs] == [
            (cell.id, cell.cell_type, without_title(cell.source)) for cell in students
        ]
