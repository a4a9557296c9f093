"""Grading: honest notebooks, broken ones, endless ones, and those that lie about how they did.

Kernels take time to start, so all notebooks are graded once, together, as a teacher does it.
"""

import contextlib
import csv
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
from killed_programs import RIGHT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell, writes
from typer.testing import CliRunner

import npc_lab.cli as cli
from npc_lab import grading
from npc_lab.cli import grade as command
from npc_lab.grading import Grade, kernel, records
from npc_lab.grading.handed_in import (
    CodeCell,
    NotANotebookError,
    belongs_to,
    cells_not_run,
    contents,
    exercises_of,
    find_notebooks,
)
from npc_lab.grading.records import ENCODING, Records, gradescope
from npc_lab.lessons.checking.reports import CORRECT, INCORRECT, NOT_ATTEMPTED, Report, Step
from npc_lab.lessons.course import course_folder
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.lessons.help import solution_code

pytestmark = pytest.mark.once
# What looks at the class that the fixture `graded` grades: sixteen notebooks, each in a kernel of its own.
of_the_class = pytest.mark.long

CHECK = 'from npc_lab.lessons import check, report\nmy_check = check("arena", ChatArena)\nmy_check'
WRONG = f"{RIGHT}\n    def run_turn(self, conversation_id):\n        return True, 'Hail.'"
DIES_LATE = "import os\nnew_characters = lambda *_: os._exit(1)"
WITHOUT_A_TURN = RIGHT.replace("def run_turn", "def not_written")
NO_COLON = "def run_turn(self, conversation_id)\n    return True, 'Hail.'"
INHERITS = "import npc_lab\nclass ChatArena(npc_lab.ChatArena):\n    pass"
# Two methods of its own, and one that is taken from the kit by another way.
INHERITS_SOME = f"""{INHERITS}

    def run_turn(self, conversation_id):
        return super().run_turn(conversation_id)

    def get_conversation_history(self, conversation_id):
        return []

ChatArena.run_conversation = npc_lab.ChatArena.run_conversation
"""
STUB = """
class ChatArena:
    def __init__(self, npc_factory):
        ...

    def run_turn(self, conversation_id):
        ...
"""
LIES = """
from npc_lab.lessons import check
from npc_lab.lessons.checking import exercise, reports
from npc_lab.lessons.exercises import catalogue
import npc_lab.lessons, npc_lab.grading.inside as inside
from comm import create_comm
from IPython import get_ipython

def all_right(self, *_):
    return reports.Report(self.name, [reports.Step(s.name, s.required, "correct", "") for s in self.steps])

exercise.Exercise.check = npc_lab.lessons.check = all_right
reports.Report.passed = property(lambda self: True)
reports.Report.outcome = property(lambda self: "correct")
for each in catalogue.EXERCISES.values():
    for step in each.steps:
        object.__setattr__(step, "run", lambda trial: "This works.")
inside.Checker.answer = lambda *_: None
outcomes = [("correct", "", "")] * 50
forged = {"outcomes": outcomes, "gone": {}, "code": "", "is_shipped": False, "calls_ours": False}

def answer(*_):
    create_comm(target_name=inside.TARGET, data={**forged, "replaced": [], "written": []})

answer()
get_ipython().events.register("post_run_cell", answer)
print("arena: correct")
"""
# Prints more than a file should hold, and waits for ever.
ENDLESS = """
import threading
for _ in range(2_000):
    print("x" * 10_000)
threading.Event().wait()
"""
# What a notebook sees of the world around it.
CURIOUS = """
import json, os, npc_lab
from npc_lab import NPCFactory, connect
from npc_lab.lessons import check
from npc_lab.widgets import chat_box

clients = [type(connect(name).client).__name__ for name in ("nebius", "local", None)]
factory = NPCFactory(*connect("openai", api_key="sk-mine"))
said = chat_box(factory, factory.register_npc("A world", "A knight")).say("Good day!")
passed = check("arena", npc_lab.ChatArena).passed
open("left.txt", "w").write("mine")
try:
    most = len(bytearray(6 * 2**30))
except MemoryError:
    most = 0
json.dump([dict(os.environ), os.getcwd(), clients, said, passed, most], open({facts!r}, "w"))
"""
INSTALLS = "%pip install --help\n!pip install --help > {0}\n!{{sys.executable}} -m pip install --help > {0}"
# Takes the first notebook's points, when that one is graded already.
TAMPERS = """
import pathlib
out = pathlib.Path({out!r})
results = list(out.rglob("results.json"))
assert len(results) == 1
results[0].write_text("{{}}")
(out / "grades.csv").write_text("Mallory,100")
"""
STARTS_A_PROCESS = """
import subprocess, sys
code = "import time; told = open({fifo!r}, 'w'); print('alive', file=told, flush=True); print()"
code += "; time.sleep(300)"
process = subprocess.Popen([sys.executable, "-uc", code], stdout=subprocess.PIPE, start_new_session=True)
process.stdout.readline()
"""


def write(path: Path, *sources: Any) -> Path:
    """Write a notebook of these cells; a text is a code cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_code_cell(source) if isinstance(source, str) else source for source in sources]
    path.write_text(writes(new_notebook(cells=cells)))
    return path


def text_cell(source: str, *tags: str) -> Any:
    return new_markdown_cell(source, metadata={"tags": list(tags)})


# A Python that ends at once at its first starts, before it can say that it is there.
DIES_AT_START = """
import os, pathlib
if "NPC_LAB_PROVIDER" in os.environ:
    starts = pathlib.Path({starts!r})
    number = len(list(starts.iterdir()))
    (starts / str(number)).touch()
    if number < {deaths}:
        os._exit(1)
"""


def let_kernels_die(folder: Path, monkeypatch: pytest.MonkeyPatch, deaths: int) -> None:
    """As one start in some hundred does: Infleqtion/client-superstaq#1129, dagster-io/dagster#739."""
    (folder / "starts").mkdir()
    code = DIES_AT_START.format(starts=str(folder / "starts"), deaths=deaths)
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    )


def facts(folder: Path) -> Any:
    return json.loads((folder / "facts.json").read_text())


class Graded:
    """What `npc-lab grade` left after it was run on a folder, and what it showed."""

    def __init__(self, folder: Path, *options: str):
        self.out = folder.parent / "grades"
        arguments = ["grade", str(folder), "--out", str(self.out), "--jobs", "2", *options]
        with contextlib.chdir(folder):
            result = CliRunner().invoke(cli.app, arguments, prog_name="npc-lab", env={"COLUMNS": "100"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        self.code, self.shown, self.notices = result.exit_code, result.stdout, result.stderr
        with (self.out / "grades.csv").open(newline="", encoding=ENCODING) as file:
            self.rows = {row["file"]: row for row in csv.DictReader(file)}

    def results(self, name: str) -> Any:
        return json.loads((self.out / name / "results.json").read_text(encoding="utf-8"))

    def outcome(self, name: str) -> str:
        return self.rows[name]["outcome"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="module")
def pipe(folder: Path) -> Iterator[int]:
    """The reading end of a pipe that a process of a notebook writes into as long as it lives."""
    os.mkfifo(folder / "fifo")
    end = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    yield end
    os.close(end)


@pytest.fixture(scope="module")
def graded(folder: Path, pipe: int) -> Graded:
    notebooks = folder / "handed in"
    write(notebooks / "ada" / "arena.ipynb", INSTALLS.format(folder / "installed"), RIGHT, CHECK)
    write(notebooks / "bob" / "arena.ipynb", WRONG, CHECK)
    write(notebooks / "stub.ipynb", STUB, CHECK)
    write(notebooks / "missing.ipynb", "class ChatArena\n    pass", CHECK)
    write(notebooks / "colon.ipynb", WITHOUT_A_TURN, NO_COLON, "ChatArena.run_turn = run_turn", CHECK)
    write(notebooks / "imported.ipynb", "from npc_lab import ChatArena", CHECK)
    write(notebooks / "inherits.ipynb", INHERITS, CHECK)
    write(notebooks / "some.ipynb", INHERITS_SOME, CHECK)
    write(notebooks / "liar.ipynb", WRONG, CHECK, LIES)
    write(notebooks / "curious.ipynb", CURIOUS.format(facts=str(folder / "facts.json")), RIGHT, CHECK)
    write(notebooks / "endless.ipynb", ENDLESS, RIGHT, CHECK)
    write(
        notebooks / "exits.ipynb",
        STARTS_A_PROCESS.format(fifo=str(folder / "fifo")),
        "import os; os._exit(0)",
        CHECK,
    )
    write(notebooks / "leaves.ipynb", RIGHT, "exit()\ndel ChatArena", "quit()\ndel ChatArena")
    write(
        notebooks / "dies.ipynb", solution_code("trim"), "import os\nnew_characters = lambda *_: os._exit(1)"
    )
    write(
        notebooks / "away.ipynb",
        solution_code("trim"),
        "",
        solution_code("cost"),
        "get_ipython().run_cell('1'); del trim",
        "%reset -f",
    )
    write(
        notebooks / "emptied.ipynb",
        RIGHT,
        text_cell("A lesson's text:\n```\nclass ChatArena:\n```"),
        text_cell("def run_turn(self, conversation_id): ...", "exercise:arena.turn"),
        "class ChatArena: pass",
        CHECK,
    )
    write(notebooks / "=1+1.ipynb", "print('no exercise')")
    (notebooks / "text.ipynb").write_text("My homework\x1b[2J")
    (notebooks / "zoe.ipynb.txt").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NEBIUS_API_KEY", "HF_TOKEN", "DATABASE_URL"):
            patch.setenv(name, "a secret of the teacher")
        return Graded(notebooks, "--timeout", "10")


@of_the_class
def test_a_right_answer_gets_every_point(graded: Graded) -> None:
    row, results = graded.rows["ada/arena.ipynb"], graded.results("ada/arena.ipynb")
    assert (row["outcome"], row["passed"], row["note"]) == ("correct", "True", "")
    assert row["points"] == row["max_points"] == str(results["score"])
    assert {test["status"] for test in results["tests"]} == {"passed"}


@of_the_class
def test_a_wrong_answer_is_told_which_behaviour_is_wrong(graded: Graded) -> None:
    row, results = graded.rows["bob/arena.ipynb"], graded.results("bob/arena.ipynb")
    assert (row["outcome"], row["passed"]) == ("incorrect", "False")
    assert 0 < results["score"] == int(row["points"]) < int(row["max_points"])
    assert any("Expected:" in test["output"] for test in results["tests"] if test["status"] == "failed")


@of_the_class
@pytest.mark.parametrize("name", ["stub.ipynb", "missing.ipynb", "imported.ipynb", "inherits.ipynb"])
def test_what_is_not_there_is_not_attempted(graded: Graded, name: str) -> None:
    assert (graded.outcome(name), graded.results(name)["score"]) == ("not attempted", 0)


@of_the_class
def test_of_a_class_that_inherits_from_the_kit_only_its_own_methods_count(graded: Graded) -> None:
    tests = graded.results("some.ipynb")["tests"]
    by_part = defaultdict(set)
    for step, test in zip(EXERCISES["arena"].steps, tests, strict=True):
        by_part[step.part].add(test["output"].partition("\n")[0])
    assert by_part["turn"] == {"correct"}
    assert "incorrect" in by_part["read"]
    assert [by_part[part] for part in ("register", "start", "run", "measure")] == [{"not attempted"}] * 4


@of_the_class
def test_a_note_says_why_a_name_is_missing(graded: Graded) -> None:
    said = "of the exercise arena, ended with a syntax error in line 1."
    assert graded.rows["missing.ipynb"]["note"] == f"Code cell 1, {said}"
    assert graded.rows["colon.ipynb"]["note"] == f"Code cell 2, {said}"


@of_the_class
def test_a_note_says_which_cell_took_a_name_away(graded: Graded) -> None:
    row = graded.rows["away.ipynb"]
    assert (row["exercise"], row["outcome"]) == ("cost", "not attempted")
    assert row["note"] == (
        "Code cell 4 took away trim, which was there before. "
        "Code cell 5 took away new_characters, which was there before."
    )
    methods = "evaluate_conversation, get_conversation_history, register_npc_in_arena and 3 more of ChatArena"
    note = graded.rows["emptied.ipynb"]["note"]
    assert note.startswith(f"Code cell 2 took away {methods}, which was there before. ")


@of_the_class
def test_a_note_says_which_cell_is_no_code_any_more(graded: Graded) -> None:
    """Learners turn cells into Markdown by a key: jupyter/nbgrader#92, #107 and #908."""
    note = graded.rows["emptied.ipynb"]["note"]
    said = "Cell 3 of the notebook, of the exercise arena, is Markdown, and was not run."
    assert note.endswith(f"{said} Make it a code cell again.")
    assert note.count("Markdown") == 1


def test_cells_that_are_no_code_any_more_are_found_by_tag_or_by_what_they_define(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.ipynb",
        "class ChatArena: ...",
        text_cell("# The class ChatArena\nclass ChatArena is what you write."),
        new_raw_cell("class ChatArena:\n    pass"),
        text_cell("class ChatArena(object):\n    pass"),
        text_cell("x = 1", "exercise:trim"),
        text_cell("x = 1", "exercise:arena.turn", "check"),
    )
    found = cells_not_run(contents(file), EXERCISES["arena"])
    said = "Cell {} of the notebook, of the exercise arena, is {}"
    kinds = [(3, "raw text"), (4, "Markdown"), (6, "Markdown")]
    assert found == [said.format(*each) for each in kinds]


@of_the_class
def test_what_has_points_is_not_called_not_attempted(graded: Graded) -> None:
    row, results = graded.rows["colon.ipynb"], graded.results("colon.ipynb")
    assert row["outcome"] == results["extra_data"]["exercises"]["arena"]["outcome"] == "not finished"
    assert results["score"] == int(row["points"]) > 0
    assert f"○ not finished {row['points']} of" in " ".join(graded.shown.split())


@of_the_class
def test_what_a_notebook_shows_and_patches_changes_nothing(graded: Graded) -> None:
    honest, liar = graded.rows["bob/arena.ipynb"], graded.rows["liar.ipynb"]
    own = dict.fromkeys(("file", "seconds", "to_look_at"), "")
    assert {**honest, **own} == {**liar, **own}


@of_the_class
def test_a_notebook_finds_no_secret_and_only_the_fake(graded: Graded, folder: Path) -> None:
    environment, _, clients, said, *_ = facts(folder)
    assert "a secret of the teacher" not in environment.values()
    assert clients == ["FakeClient"] * 3
    assert said  # the chat box has not waited for a page
    assert graded.outcome("curious.ipynb") == "correct"


@of_the_class
def test_what_a_notebook_writes_beside_itself_is_gone(graded: Graded, folder: Path) -> None:
    place = facts(folder)[1]
    assert not Path(place).parent.exists()
    assert not [*Path.cwd().glob("left.txt"), *folder.rglob("left.txt")]


@of_the_class
def test_a_notebooks_own_checks_do_nothing(graded: Graded, folder: Path) -> None:
    assert facts(folder)[4] is False


@of_the_class
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's addresses")
def test_a_notebook_cannot_take_all_memory(graded: Graded, folder: Path) -> None:
    assert facts(folder)[5] == 0


@of_the_class
def test_nothing_is_installed(graded: Graded, folder: Path) -> None:
    assert not (folder / "installed").exists()


@of_the_class
def test_an_endless_cell_is_stopped_and_the_others_count(graded: Graded) -> None:
    row = graded.rows["endless.ipynb"]
    assert (row["outcome"], row["note"]) == ("correct", "Code cell 1 was stopped after 10 seconds.")


@of_the_class
def test_a_kernel_that_dies_is_told_of_and_leaves_no_process(graded: Graded, pipe: int) -> None:
    row = graded.rows["exits.ipynb"]
    assert (row["outcome"], row["points"]) == ("not graded", "0")
    assert row["note"].startswith("Code cell 2: its Python ended.")
    assert os.read(pipe, 100) == b"alive\n"
    assert select.select([pipe], [], [], 10)[0], "a process that the notebook has started is still there"
    assert os.read(pipe, 100) == b""


def test_a_process_is_found_by_its_environment_and_ended(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": kernel._home(tmp_path)}
    code = "print(flush=True); import time; time.sleep(300)"
    arguments = [sys.executable, "-c", code]
    with (
        subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, start_new_session=True) as left,
        subprocess.Popen(arguments, stdout=subprocess.PIPE) as other,
    ):
        for process in (left, other):
            assert process.stdout
            process.stdout.readline()
        try:
            assert kernel._end_processes_of(tmp_path) == 1
            assert left.wait(timeout=10) != 0
            assert kernel._end_processes_of(tmp_path) == 0
            assert other.poll() is None
        finally:
            for process in (left, other):
                process.kill()


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), psutil.NoSuchProcess(1), psutil.ZombieProcess(1)])
def test_processes_that_hide_their_environment_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(psutil.Process, "environ", Mock(side_effect=error))
    assert kernel._end_processes_of(tmp_path) == 0


@of_the_class
def test_exit_and_quit_end_their_cell_and_nothing_else(graded: Graded) -> None:
    assert graded.outcome("leaves.ipynb") == "correct"


@of_the_class
def test_a_notebook_that_is_not_graded_has_no_points_anywhere(graded: Graded) -> None:
    row, results = graded.rows["dies.ipynb"], graded.results("dies.ipynb")
    assert row["note"].startswith("While cost was checked: its Python ended.")
    assert (row["outcome"], row["points"], row["stretch_correct"]) == ("not graded", "0", "0")
    assert (results["score"], {test["score"] for test in results["tests"]}) == (0, {0})
    (line,) = (line for line in graded.shown.splitlines() if line.startswith("dies  "))
    assert re.fullmatch(r"dies +trim +not graded +(0 of \d+ *){3}", line)


@of_the_class
def test_a_file_that_is_no_notebook_has_a_row_and_a_result(graded: Graded) -> None:
    assert graded.outcome("text.ipynb") == "not graded"
    assert graded.results("text.ipynb")["score"] == 0
    assert "no Jupyter notebook" in graded.results("text.ipynb")["output"]


@of_the_class
def test_a_name_is_no_formula_in_a_table(graded: Graded) -> None:
    assert graded.outcome("'=1+1.ipynb") == "not graded"


@of_the_class
def test_the_table_shows_each_file_and_the_exit_code_that_some_failed(graded: Graded) -> None:
    lines = [" ".join(line.split()) for line in graded.shown.splitlines()]
    most = graded.rows["ada/arena.ipynb"]["max_points"]
    assert any(f"ada/arena arena ✓ correct {most} of {most}" in line for line in lines)
    assert any("stub arena ○ not attempted" in line for line in lines)
    assert "end with .ipynb: zoe.ipynb.txt" in " ".join(graded.notices.split())
    assert graded.code == 1


@pytest.mark.long
def test_ctrl_c_ends_the_kernels_and_writes_what_is_done(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    write(tmp_path / "in" / "a.ipynb", RIGHT, CHECK)
    begun = f"import os; open({str(tmp_path / 'fifo')!r}, 'w').write(str(os.getpid()))"
    write(tmp_path / "in" / "b.ipynb", begun, "while True: pass", CHECK)
    with contextlib.chdir(tmp_path):
        Records(Path("grades")).add(grade_of((True, INCORRECT), name="in/b.ipynb"))
    arguments = [sys.executable, "-m", "npc_lab", "grade", "in", "--jobs", "1"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        kernel = int((tmp_path / "fifo").read_text())  # waits for the second notebook
        process.send_signal(signal.SIGINT)
        _, notices = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED, notices
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)
    with (tmp_path / "grades" / "grades.csv").open(newline="", encoding=ENCODING) as file:
        found = {row["file"]: row["outcome"] for row in csv.DictReader(file)}
    assert found == {"in/a.ipynb": "correct", "in/b.ipynb": "incorrect"}, "the last is of an earlier run"


@pytest.mark.long
def test_a_kill_loses_no_notebook_that_is_finished(tmp_path: Path) -> None:
    """Files with nothing to run are done at once; the kill comes when a kernel runs the last one."""
    os.mkfifo(tmp_path / "fifo")
    done = [f"{number}.ipynb" for number in range(5)]
    for name in done:
        write(tmp_path / "in" / name, "print('no exercise')")
    begun = f"import os; open({str(tmp_path / 'fifo')!r}, 'w').write(str(os.getpid()))"
    write(tmp_path / "in" / "last.ipynb", begun, "while True: pass", CHECK)
    arguments = [sys.executable, "-m", "npc_lab", "grade", "in", "--jobs", "1"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=quiet, stderr=quiet) as process:
        (tmp_path / "fifo").read_text()  # waits for the last notebook
        process.kill()
    assert [row["file"] for row in rows_of(tmp_path / "grades")] == [f"in/{name}" for name in done]
    for name in done:
        assert json.loads((tmp_path / "grades" / "in" / name / "results.json").read_text())["score"] == 0
        assert "</html>" in (tmp_path / "grades" / "in" / name / "feedback.html").read_text()


@pytest.mark.once
@pytest.mark.long
def test_all_graded_is_exit_code_0_and_one_exercise_can_be_named_also_if_a_kernel_dies_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    let_kernels_die(tmp_path, monkeypatch, deaths=1)
    write(tmp_path / "in" / "plain.ipynb", RIGHT)
    graded = Graded(tmp_path / "in", "--exercise", "arena")
    assert graded.code == 0
    row = graded.rows["plain.ipynb"]
    assert (row["outcome"], row["note"]) == ("correct", "")
    assert len(list((tmp_path / "starts").iterdir())) == 2
    assert "".join(capfd.readouterr()) == graded.notices == ""


@pytest.mark.long
def test_a_kernel_that_never_starts_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_kernels_die(tmp_path, monkeypatch, deaths=9)
    write(tmp_path / "in" / "plain.ipynb", RIGHT)
    row = Graded(tmp_path / "in", "--exercise", "arena").rows["plain.ipynb"]
    assert row["outcome"] == "not graded"
    assert row["note"] == "Its kernel died twice while it started. Grade it again, with fewer jobs at once."
    assert len(list((tmp_path / "starts").iterdir())) == 2


@pytest.mark.long
@pytest.mark.once
def test_results_that_a_later_notebook_has_changed_are_written_again(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.ipynb", RIGHT, CHECK)
    write(tmp_path / "in" / "b.ipynb", TAMPERS.format(out=str(tmp_path / "grades")), RIGHT, CHECK)
    graded = Graded(tmp_path / "in", "--jobs", "1")
    assert [graded.outcome(name) for name in ("a.ipynb", "b.ipynb")] == ["correct", "correct"]
    assert graded.results("a.ipynb")["score"] > 0


@pytest.mark.long
def test_all_cells_together_have_a_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "CELLS_FOR_ALL", 0)
    write(tmp_path / "in" / "slow.ipynb", RIGHT)
    row = Graded(tmp_path / "in").rows["slow.ipynb"]
    assert (row["outcome"], row["note"]) == ("not attempted", "Time was up after 0 seconds, at code cell 1.")


# Without a kernel.


def lessons(*cells: str | CodeCell) -> set[str]:
    found = exercises_of([CodeCell(cell) if isinstance(cell, str) else cell for cell in cells])
    return {exercise.lesson for exercise in found}


def test_a_notebook_belongs_to_the_lesson_of_its_tags_its_checks_or_its_names() -> None:
    assert lessons(CodeCell("x = 1", ("exercise:arena.turn",))) == {"05"}
    assert lessons("found = check( 'arena', None)") == {"05"}
    assert lessons("class ChatArena:\n    ...") == {"05"}
    assert lessons("ChatArena(factory)", "from npc_lab import ChatArena") == set()
    assert lessons("check('arena', 1)", "def trim(messages): ...") == {"05"}
    assert lessons("# check('trim', 1)", """print("check('trim', 1)")""", "class ChatArena: ...") == {"05"}


@pytest.mark.parametrize("source", sorted(course_folder().glob("*.ipynb")), ids=lambda path: path.stem)
def test_what_learners_add_makes_no_lesson_another_one(source: Path) -> None:
    number = source.name[:2]
    added = CodeCell("check('split_reply', 1)\ntrim = leaks = None\nclass ChatArena: ...\ncheck('trim', 1)")
    copied = CodeCell("def trim(): ...", ("exercise:trim",))
    assert lessons(added, *contents(source).code, copied, added) == {number}
    untagged = [CodeCell(cell.source) for cell in contents(source).code]
    assert lessons(*untagged, "# check('trim', 1)\ncheck('cost', 1)") == {number}


@pytest.mark.parametrize(
    ("source", "tags", "is_of_the_arena"),
    [
        ("# My turn\n  def run_turn(self, id)", (), True),  # indented, and no Python
        ("x = (", ("exercise:arena.turn",), True),
        ("class ChatArena", (), True),
        ("x = (", ("exercise:trim", "check"), False),
        ("run_turn = (", (), False),
    ],
)
def test_a_cell_belongs_to_an_exercise_also_if_it_is_no_python(
    source: str, tags: tuple[str, ...], is_of_the_arena: bool
) -> None:
    assert belongs_to(CodeCell(source, tags), EXERCISES["arena"]) == is_of_the_arena


def test_a_notebook_that_windows_wrote_can_be_read(tmp_path: Path) -> None:
    file = write(tmp_path / "windows.ipynb", "first = 1")
    text = file.read_text(encoding="utf-8").replace("\n", "\r\n")
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [cell.source for cell in contents(file).code] == ["first = 1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf \n", "The file is empty."),
        *(
            (content, "It is no Jupyter notebook, or it was damaged")
            for content in (b"[]", b"{}", b"\xff", b"PK")
        ),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "There is no code in it."),
    ],
)
def test_what_cannot_be_read_is_said_in_a_teachers_words(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "hw.ipynb").write_bytes(content)
    with pytest.raises(NotANotebookError) as found:
        contents(tmp_path / "hw.ipynb")
    assert str(found.value).startswith(words)
    assert "Error" not in str(found.value)


def test_files_are_found_once_each_and_no_two_have_one_name(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("a/hw.ipynb", "b/hw.ipynb", "b/.ipynb_checkpoints/hw-checkpoint.ipynb"):
        write(tmp_path / name, "1")
    (tmp_path / "c.ipynb").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    ways = [tmp_path, tmp_path / "a" / "hw.ipynb", tmp_path / "b" / ".." / "a", Path("hw.ipynb"), Path("..")]
    for paths in (ways, ways[::-1], ways[-1:]):
        found, _ = find_notebooks(paths, tmp_path)
        assert sorted(each.name for each in found) == [(tmp_path / "a" / "hw.ipynb").as_posix(), "hw.ipynb"]


def test_what_is_passed_over_in_a_folder_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in" / "ADA.IPYNB", "1")
    write(tmp_path / "in" / ".ipynb_checkpoints" / "ada-checkpoint.ipynb", "1")
    others = ["in/b/bob.zip", "in/cy.ipynb.txt", "in/dan.ipynb.json", "in/eve.ipynb"]
    for name in (*others, "in/fay.PY", "in/.DS_Store", "in/grades/grades.csv"):
        write(tmp_path / name, "1")
    (tmp_path / "in" / "eve.ipynb").unlink()
    (tmp_path / "in" / "eve.ipynb").symlink_to("deleted.ipynb")
    found, passed_over = find_notebooks([Path("in"), Path("in/fay.PY")], Path("in/grades"))
    assert {each.name for each in found} == {"in/ADA.IPYNB", "in/fay.PY"}
    assert passed_over == others


def grade_of(*steps: tuple[bool, str], name: str = "hw.ipynb", note: str = "", message: str = "") -> Grade:
    named = [
        Step(f"Step {number}", required, outcome, message) for number, (required, outcome) in enumerate(steps)
    ]
    return Grade(name, [Report("arena", named)], [note] if note else [], was_graded=True)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "grades.csv").open(newline="", encoding=ENCODING) as file:
        return list(csv.DictReader(file))


def test_a_late_notebook_takes_no_row_of_another_one(tmp_path: Path) -> None:
    first = Records(tmp_path)
    for name in ("a.ipynb", "=b.ipynb", "/elsewhere/c.ipynb"):
        first.add(grade_of((True, INCORRECT), (False, CORRECT), name=name))
    before, later = rows_of(tmp_path), Records(tmp_path)
    later.add(grade_of((True, CORRECT), name="=b.ipynb"))
    later.add(grade_of((True, CORRECT), name="late.ipynb"))
    after = {row["file"]: row for row in rows_of(tmp_path)}
    assert [after[row["file"]] for row in before if "=b" not in row["file"]] == [before[1], before[2]]
    assert {name: row["outcome"] for name, row in after.items()} == {
        "'=b.ipynb": "correct",
        "/elsewhere/c.ipynb": "incorrect",
        "a.ipynb": "incorrect",
        "late.ipynb": "correct",
    }
    assert later.kept == {"a.ipynb", "/elsewhere/c.ipynb"}
    for name, score in (("=b.ipynb", 1), ("elsewhere/c.ipynb", 0)):
        assert json.loads((tmp_path / name / "results.json").read_text())["score"] == score


def test_no_old_result_stands_beside_a_new_row(tmp_path: Path, monkeypatch: Any) -> None:
    Records(tmp_path).add(grade_of((True, INCORRECT)))
    write_whole = records.write_whole

    def is_full_after_the_table(path: Path, content: bytes) -> None:
        if path.name == "results.json":
            raise OSError("No space left on device")
        write_whole(path, content)

    monkeypatch.setattr(records, "write_whole", is_full_after_the_table)
    with pytest.raises(OSError, match="No space"):
        Records(tmp_path).add(grade_of((True, CORRECT)))
    assert rows_of(tmp_path)[0]["outcome"] == "correct"
    assert not (tmp_path / "hw.ipynb" / "results.json").exists()


@pytest.mark.parametrize("content", ["", "file;points\na.ipynb;45\n", "file,points\na.ipynb,45\n", '"', "\0"])
def test_a_table_of_somebody_else_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "grades").mkdir()
    table = tmp_path / "grades" / "grades.csv"
    table.write_text(content)
    notebook = str(write(tmp_path / "a.ipynb", RIGHT))
    result = CliRunner().invoke(cli.app, ["grade", notebook, "--out", str(table.parent)])
    assert result.exit_code == 1
    assert "is not as npc-lab wrote it" in " ".join(result.stderr.split())
    assert table.read_text() == content


def test_a_path_that_leads_nowhere_is_told_of_before_anything_is_written(tmp_path: Path) -> None:
    there, out = write(tmp_path / "a.ipynb", RIGHT), tmp_path / "grades"
    nowhere = str(tmp_path / "nope.ipynb")
    result = CliRunner().invoke(cli.app, ["grade", str(there), nowhere, "--out", str(out)])
    assert result.exit_code == 2
    assert "does not exist" in " ".join(result.stderr.split())
    assert not out.exists()


def test_stretch_steps_never_change_a_mark() -> None:
    results = gradescope(
        grade_of((True, CORRECT), (True, INCORRECT), (False, CORRECT), (False, NOT_ATTEMPTED))
    )
    assert results["score"] == 1
    assert [(test["score"], test["max_score"]) for test in results["tests"]] == [
        (1, 1),
        (0, 1),
        (0, 0),
        (0, 0),
    ]
    assert [test.get("status") for test in results["tests"]] == ["passed", "failed", "passed", None]


def test_texts_of_notebooks_are_harmless_in_files(tmp_path: Path) -> None:
    grade = grade_of((True, INCORRECT), note='=HYPERLINK("x")\n\x1b[2J', message="\x1b[2Jgot \ud83d")
    Records(tmp_path).add(grade)
    (row,) = rows_of(tmp_path)
    assert row["note"] == '\'=HYPERLINK("x") [2J'
    assert gradescope(grade)["tests"][0]["output"] == "incorrect\n[2Jgot \ufffd"


def test_no_name_is_a_formula_also_after_blanks(tmp_path: Path) -> None:
    names = [*"=+-@", " =1", "\n\t@1", "\u00a0-1", "＝1"]
    for name in names:
        Records(tmp_path).add(grade_of((True, CORRECT), name=name))
    assert {row["file"] for row in rows_of(tmp_path)} == {f"'{name}" for name in names}


def test_a_table_opens_in_excel_with_umlauts_and_stays_as_it_is(tmp_path: Path) -> None:
    Records(tmp_path).add(grade_of((True, CORRECT), (True, INCORRECT), name="Jürgen, Ä.ipynb"))
    first = (tmp_path / "grades.csv").read_bytes()
    assert first.splitlines() == [
        b'\xef\xbb\xbf"file","exercise","outcome","passed","points","max_points",'
        b'"stretch_correct","stretch_total","seconds","note","first_wrong","unchecked","to_look_at"',
        '"Jürgen, Ä.ipynb","arena","incorrect","False","1","2","0","0","0.0","","Step 1.","0",""'.encode(),
    ]
    Records(tmp_path).write_csv()
    assert (tmp_path / "grades.csv").read_bytes() == first


def test_a_missing_package_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "nbclient" else name)
    result = CliRunner().invoke(cli.app, ["grade", str(tmp_path)])
    assert result.exit_code == 1
    assert "needs nbclient" in result.stderr
    assert 'pip install "npc-lab[course]"' in result.stderr


def test_an_unknown_exercise_is_named_before_the_work_begins(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cli.app, ["grade", str(write(tmp_path / "a.ipynb", RIGHT)), "--exercise", "arene"]
    )
    assert result.exit_code == 1
    assert "Did you mean 'arena'?" in result.stderr
