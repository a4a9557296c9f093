"""How long `npc-lab grade` takes for 100 notebooks, beside nbgrader's autograde of the same ones.

    python tests/benchmarks/bench_grading.py                  needs PyPI; takes a while
    python tests/benchmarks/bench_grading.py --some 10        every tenth of them
    python tests/benchmarks/bench_grading.py --nbgrader PY    a Python that has nbgrader and npc_lab already

The floor is nbgrader in its release version, in an environment of its own. Its marks come from the same
checks: a cell for each exercise, with nbgrader's metadata, is added to each notebook. Both tools run the
notebooks of a lesson in turn, then those of the next one, so both see the same machine; ours with a job for
each of two cores, nbgrader as it is made, one notebook after the other. Seconds of the clock, and
of computing, as far as processes were waited for.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from a_class import OF_LESSON, HandedIn, everybody, short, solved, write

from npc_lab.lessons.exercises.catalogue import EXERCISES

PROJECT = Path(__file__).parents[2]
KINDS = ("right", "mistaken", "unfinished", "in_seven_languages")
METADATA = {"grade": True, "points": 1, "locked": True, "solution": False, "task": False, "schema_version": 3}
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "npc_lab"
c.ExecutePreprocessor.timeout = 30
"""


def hundred() -> list[HandedIn]:
    """The notebooks of the class that run to their end, 100 of them."""
    found = [each for each in everybody() if each.kind in KINDS]
    assert len(found) == 100
    return found


def lesson_of(each: HandedIn) -> str:
    return EXERCISES[next(iter(each.expected))].lesson


def with_metadata(content: bytes, lesson: str) -> str:
    """The notebook, and below it a cell for each exercise with the metadata by which nbgrader grades it."""
    notebook = json.loads(content)
    notebook["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for exercise in OF_LESSON[lesson]:
        name = EXERCISES[exercise].declares
        source = f"from npc_lab.lessons import check\nassert check({exercise!r}, {name}).passed"
        cell = {"cell_type": "code", "id": f"grade-{exercise}", "source": source, "outputs": []}
        cell |= {"execution_count": None, "metadata": {"nbgrader": METADATA | {"grade_id": exercise}}}
        notebook["cells"].append(cell)
    return json.dumps(notebook | {"nbformat_minor": 5})


class Nbgrader:
    """A course of nbgrader with these notebooks, each handed in by another student."""

    def __init__(self, folder: Path, python: Path, class_: Sequence[HandedIn]):
        self.folder, self._python = folder, python
        (folder / "nbgrader_config.py").parent.mkdir(parents=True)
        (folder / "nbgrader_config.py").write_text(CONFIG)
        for lesson in sorted({lesson_of(each) for each in class_}):
            place = self._put("source", lesson, short(lesson, solved(lesson)))
            assert place.exists()
            self._call("generate_assignment", lesson)
        for number, each in enumerate(class_):
            self._put(f"submitted/student{number}", lesson_of(each), each.content)

    def _put(self, place: str, lesson: str, content: bytes) -> Path:
        path = self.folder / place / lesson / "lesson.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(with_metadata(content, lesson))
        return path

    def grade(self, lesson: str) -> None:
        self._call("autograde", lesson)

    def graded(self) -> int:
        """How many notebooks it has run to their end."""
        return len(list((self.folder / "autograded").rglob("*.ipynb")))

    def _call(self, *words: str) -> None:
        settings = os.environ | {"NPC_LAB_PROVIDER": "fake"}
        command = [self._python, "-m", "nbgrader", *words]
        done = subprocess.run(command, cwd=self.folder, env=settings, capture_output=True, text=True)
        if done.returncode not in (0, 1):  # 1: a notebook failed
            raise RuntimeError(done.stderr)


def environment(folder: Path) -> Path:
    """A new environment with nbgrader's release version and this project. Returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    packages = ["nbgrader", "matplotlib", "scipy", PROJECT]
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


def grade(folder: Path, names: Sequence[str]) -> None:
    """`npc-lab grade` on these notebooks, as a teacher calls it on two cores."""
    command = [sys.executable, "-m", "npc_lab", "grade", *names, "--out", "../grades", "--jobs", "2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


class Clock:
    """Seconds of the clock and of computing, of what is run under it."""

    def __init__(self) -> None:
        self.seconds = self.computed = 0.0

    def __enter__(self) -> None:
        self._began, self._computed = time.monotonic(), computed()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began
        self.computed += computed() - self._computed


def computed() -> float:
    """Seconds that ended processes below this one have computed, with those below them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--some", type=int, default=1, metavar="N", help="only every Nth notebook")
    parser.add_argument("--nbgrader", type=Path, metavar="PYTHON", help="that has nbgrader and npc_lab")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        class_ = hundred()[:: options.some]
        python = options.nbgrader or environment(place / "environment")
        write(place / "in", class_)
        course = Nbgrader(place / "course", python, class_)
        ours, theirs = Clock(), Clock()
        for lesson in sorted({lesson_of(each) for each in class_}):
            names = [each.name for each in class_ if lesson_of(each) == lesson]
            with ours:
                grade(place / "in", names)
            with theirs:
                course.grade(lesson)
            print(f"lesson {lesson}: {len(names)} notebooks, so far {report(ours, theirs)}", flush=True)
        assert course.graded() == len(class_), "nbgrader has not graded all of them"
        print(f"{len(class_)} notebooks: {report(ours, theirs)}")


def report(ours: Clock, theirs: Clock) -> str:
    computing = f"computing {ours.computed:.0f} s and {theirs.computed:.0f} s"
    seconds = f"npc-lab {ours.seconds:.0f} s, nbgrader {theirs.seconds:.0f} s"
    return f"{seconds}: {ours.seconds / theirs.seconds:.2f} ({computing})"


if __name__ == "__main__":
    main()
