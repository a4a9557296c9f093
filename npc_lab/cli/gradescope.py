"""`npc-lab gradescope`: a package for Gradescope, and what its `run_autograder` does there.

    npc-lab gradescope package          writes setup.sh, run_autograder, and autograder.zip with both
    npc-lab gradescope folder --run     grades folder/submission into folder/results/results.json

Gradescope runs setup.sh once, and run_autograder for each submission, both in /autograder. The variable
AUTOGRADER names another folder, for a trial at home. A result is written only if everything could be graded:
without one Gradescope shows the teacher an error, and the learner no mark.

https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import json
import os
import shlex
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from npc_lab.cli.grade import look_for_exercises, look_for_packages
from npc_lab.cli.screen import Screen
from npc_lab.errors import NPCLabError
from npc_lab.files import write_whole
from npc_lab.grading import Grade, grade_all
from npc_lab.grading.handed_in import HandedIn, find_notebooks
from npc_lab.grading.records import gradescope

_SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image. npc-lab gets an environment of its own, with a
# Python that is new enough: uv takes the image's, or fetches one.
set -euo pipefail
autograder="${{AUTOGRADER:-/autograder}}"
if ! python3 -c "import ensurepip, venv" 2>/dev/null; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y python3-venv
fi
python3 -m venv "$autograder/uv"
"$autograder/uv/bin/pip" install --quiet uv
uv="$autograder/uv/bin/uv"
"$uv" venv --quiet --python ">=3.11,<3.14" "$autograder/npc_lab"
"$uv" pip install --quiet --python "$autograder/npc_lab" {requirement}
"$autograder/npc_lab/bin/npc-lab" --version
"""
_RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission.
autograder="${{AUTOGRADER:-/autograder}}"
exec "$autograder/npc_lab/bin/npc-lab" gradescope "$autograder" --run{exercises}
"""


def write_package(screen: Screen, folder: Path, exercises: list[str], wheel: Path | None) -> None:
    """Write the package into the folder. Raise `NPCLabError` if that fails.

    exercises: what is graded; without any, all of each notebook's lesson. wheel: the file from which npc-lab
    is installed; without one, this version comes from the package index.
    """
    look_for_exercises(exercises)
    requirement = f'"npc-lab[course]=={version("npc-lab")}"'
    if wheel is not None:
        requirement = f'"$autograder/source/"{shlex.quote(f"{wheel.name}[course]")}'
    files = {
        "setup.sh": _SETUP.format(requirement=requirement).encode(),
        "run_autograder": _RUN.format(
            exercises="".join(f" --exercise {shlex.quote(name)}" for name in exercises)
        ).encode(),
    }
    try:
        if wheel is not None:
            files[wheel.name] = wheel.read_bytes()
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_whole(folder / name, content)
            (folder / name).chmod(0o755)
        _zip(folder / "autograder.zip", files)
    except OSError as error:
        raise NPCLabError(
            f"The package cannot be written into {folder}: {error.strerror or error}. "
            "Name another folder: npc-lab gradescope FOLDER"
        ) from error
    screen.say(f"Written into {folder}: {', '.join(files)}, and autograder.zip with all of them.")
    screen.say("On Gradescope: Configure Autograder, and upload autograder.zip.")


def grade_submission(screen: Screen, autograder: Path, exercises: list[str]) -> None:
    """Grade all notebooks of a submission into one results.json.

    autograder: the folder with `submission` and `results` in it. Raise `NPCLabError` if a notebook cannot be
    graded or there is none; then there is no results.json.
    """
    look_for_packages()
    look_for_exercises(exercises)
    submission, results = autograder / "submission", autograder / "results" / "results.json"
    if not submission.is_dir():
        raise NPCLabError(f"There is no folder {submission}.")
    try:
        results.parent.mkdir(parents=True, exist_ok=True)
        results.unlink(missing_ok=True)
        grades = _graded(submission, exercises)
        write_whole(results, json.dumps(_one_result(grades), indent=2, ensure_ascii=False).encode())
    except OSError as error:
        raise NPCLabError(f"{results} cannot be written: {error.strerror or error}.") from error
    screen.say(f"Graded: {', '.join(grade.name for grade in grades)}. Written: {results}")


def _graded(submission: Path, exercises: list[str]) -> list[Grade]:
    """Return the grade of each notebook. Raise `NPCLabError` if one of them could not be graded."""
    found, others = find_notebooks([submission], out=submission / "results")
    if not found:
        other_files = f" There is {', '.join(Path(each).name for each in others)}." if others else ""
        raise NPCLabError(f"There is no notebook (.ipynb) in the submission.{other_files}")
    inside = submission.resolve()
    notebooks = [HandedIn(each.path, each.path.relative_to(inside).as_posix()) for each in found]
    whole = {each.name for each in notebooks if _can_be_read(each.path)}
    grades = list[Grade]()
    grade_all(notebooks, exercises, jobs=os.cpu_count() or 1, on_grade=grades.append)
    graded = [grade for grade in grades if grade.was_graded]
    failed = [grade for grade in grades if not grade.was_graded]
    if graded:  # some others come along that are no homework
        failed = [grade for grade in failed if grade.reports or grade.name not in whole]
    if failed:
        reasons = "\n".join(f"{grade.name}: {' '.join(grade.notes)}" for grade in failed)
        raise NPCLabError(f"No result is written, because not all could be graded.\n{reasons}")
    return sorted(graded, key=lambda grade: grade.name)


def _can_be_read(notebook: Path) -> bool:
    """Return whether the file has come whole: if it has no exercise then, that is no damage."""
    try:
        return bool(json.loads(notebook.read_bytes())["cells"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _one_result(grades: list[Grade]) -> dict[str, Any]:
    """Return one result for all of these. Of several with the same exercises the best one counts."""
    results, best = {grade.name: gradescope(grade) for grade in grades}, dict[tuple[str, ...], str]()
    for grade in grades:
        exercises = tuple(report.exercise for report in grade.reports)
        if exercises not in best or results[grade.name]["score"] > results[best[exercises]]["score"]:
            best[exercises] = grade.name
    if len(grades) == 1:
        return results[grades[0].name]
    counted = {name: result for name, result in results.items() if name in best.values()}
    notes = [f"{name}: {result['output']}" for name, result in counted.items() if result["output"]]
    notes += [
        f"{name}: not counted, because another notebook has the same exercises and no fewer points."
        for name in sorted(results.keys() - counted.keys())
    ]
    return {
        **results[grades[0].name],  # what is the same for all
        "score": sum(result["score"] for result in counted.values()),
        "execution_time": sum(result["execution_time"] for result in counted.values()),
        "output": "\n".join(notes),
        "tests": [
            test | {"name": f"{name}, {test['name']}"}
            for name, result in counted.items()
            for test in result["tests"]
        ],
        "extra_data": {name: result["extra_data"] for name, result in counted.items()},
    }


def _zip(path: Path, files: dict[str, bytes]) -> None:
    """Pack the files so that they can be executed, whatever system this is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100755 << 16  # 3: Unix
            package.writestr(entry, content)
