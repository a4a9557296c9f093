"""What holds for every exercise of the course: hints, solution, report, and the limits of a check."""

import ast
import builtins
import contextlib
import getpass
import io
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from npc_lab.lessons import check, hint, report, solution
from npc_lab.lessons.checking.exercise import Exercise, Wrong
from npc_lab.lessons.checking.learners_code import is_stub, show, where, why_none
from npc_lab.lessons.checking.limits import AskedForInput, TimeIsUp, run_limited
from npc_lab.lessons.checking.progress import Progress
from npc_lab.lessons.checking.reports import CORRECT, INCORRECT, Report, Step
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.lessons.help import hints, solution_code
from npc_lab.text import shorten

pytestmark = pytest.mark.once

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
STUDENTS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
NAMES = [
    *EXERCISES,
    *(f"{name}.{part}" for name, exercise in EXERCISES.items() for part in exercise.parts()),
]


# ---- hints and solutions ----


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_has_hints_that_are_read(name: str) -> None:
    """Each leads with one bold sentence, and has few words beside its code."""
    texts = hints(name)
    assert 2 <= len(texts) <= 4
    for text in texts:
        assert re.match(r"\*\*[^*]+[.?!:]\*\*\s", text), text
        assert 20 <= len(re.sub(r"(?s)```.*?```", "", text).split()) <= 80, text
    assert "`" in texts[-1], "the last one is near the code"


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_is_the_cell_of_the_solution_notebook_without_its_markers(name: str) -> None:
    code = solution_code(name)
    assert EXERCISES[name.partition(".")[0]].declares in code
    assert not re.search(r"(BEGIN|END) SOLUTION|<YOUR CODE HERE>", code)
    compile(code, name, "exec")
    assert code in str(solution(name))


def only_the_imports(path: Path) -> dict[str, Any]:
    """The names that a lesson's own cells import, and no others."""
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    lines = [line for cell in code if "%pip" not in cell for line in ast.parse(cell).body]
    imports = [line for line in lines if isinstance(line, ast.Import | ast.ImportFrom)]
    names: dict[str, Any] = {}
    exec(compile(ast.Module(imports, []), path.stem, "exec"), names)
    return names


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
def test_a_solution_that_is_pasted_below_the_imports_makes_every_step_correct(path: Path) -> None:
    names = only_the_imports(path)
    for exercise in (each for each in EXERCISES.values() if each.lesson == path.stem[:2]):
        exec(solution_code(exercise.name), names)
        found = check(exercise.name, names[exercise.declares])
        assert {step.outcome for step in found.steps} == {"correct"}, str(found)


def test_hints_say_how_to_get_the_next_one_and_where_they_end() -> None:
    count = len(hints("arena.turn"))
    assert 'hint("arena.turn", 2)' in str(hint("arena.turn"))
    assert 'solution("arena.turn")' in str(hint("arena.turn", count))
    assert f"There are {count} hints" in str(hint("arena.turn", count + 1))
    assert "<code" in hint("arena.turn", count)._repr_html_()


def test_a_name_that_ends_in_a_dot_is_no_exercise() -> None:
    for page in (hint("arena."), solution("arena."), check("arena.", None)):
        assert "There is no exercise 'arena.'" in str(page)


def test_a_mistyped_name_is_answered_with_the_nearest_one() -> None:
    for answer in (check("arina", None), hint("arina"), solution("arina")):
        assert "Did you mean 'arena'?" in str(answer)
    assert not check("arena.trun", None).passed
    assert not check(None, None).passed  # type: ignore[arg-type]


# ---- the notebooks ----

# What a new kernel would bring: no names, and a kit that was not imported yet.
AS_NEW = """
import os, sys
for name in [name for name in sys.modules if name.partition(".")[0] == "npc_lab"]:
    del sys.modules[name]
os.chdir({folder!r})
%reset -f
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    """One kernel for all of them, because a kernel, openai and matplotlib take seconds to start."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, "NPC_LAB_PROVIDER": "fake"})
    yield manager
    manager.shutdown_kernel(now=True)


def executed(sources: list[str], folder: Path, kernel: KernelManager, **options: Any) -> list[Any]:
    """Run this code on the fake, cell by cell, and return the cells; raise where one failed."""
    cells = [nbformat.v4.new_code_cell(each) for each in [AS_NEW.format(folder=str(folder)), *sources]]
    NotebookClient(nbformat.v4.new_notebook(cells=cells), km=kernel, timeout=60, **options).execute()
    return cells[1:]


def printed(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def student_cells(lesson: str) -> list[Any]:
    """The cells of code of the student notebook, without the one that installs."""
    path = next(path for path in STUDENTS if path.stem.startswith(lesson))
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code" and "%pip" not in cell.source]


FOUND = "print({name: {step.outcome for step in each.steps} for name, each in report().reports.items()})"


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
@pytest.mark.long
def test_an_untouched_student_notebook_runs_to_its_end_and_nothing_is_attempted(
    path: Path, tmp_path: Path, kernel: KernelManager
) -> None:
    sources = [cell.source for cell in student_cells(path.stem[:2])]
    is_third = path.stem.startswith("03")
    if is_third:  # its chat box can be made again at the end, and the private thought be printed
        sources += [next(source for source in sources if source.startswith("box = ")), "print(answer)"]
    *_, last, found = executed([*sources, FOUND], tmp_path, kernel)
    assert not is_third or "cloth" in printed(last)
    outcomes = eval(printed(found))
    assert {name for name, each in EXERCISES.items() if each.lesson == path.stem[:2]} <= set(outcomes)
    assert all(each == {"not attempted"} for each in outcomes.values()), outcomes


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
def test_the_solution_notebook_asserts_that_every_check_is_correct(path: Path) -> None:
    """nbval runs it; this looks that there is something to run."""
    cells = nbformat.read(NOTEBOOKS / "solutions" / path.name, as_version=4).cells
    tags = [tag for cell in cells for tag in cell.metadata.get("tags", [])]
    assert any("assert report().passed" in cell.source for cell in cells)
    exercises = [tag for tag in tags if tag.startswith("exercise:")]
    assert exercises
    assert len(exercises) == len(set(exercises))
    assert tags.count("check") >= len(exercises)
    assert tags.count("help") == len(exercises)


# What the lessons ask to change, or learners change by themselves: what stands there, and what is written.
CHANGES = {
    "00": {
        "max_tokens=60)\n    print(": "max_tokens=5)\n    print(",
        'fake_error("rate_limit")': 'fake_error("quota")',
    },
    "01": {"You are a pirate. You speak": "You are a tired teacher. You speak"},
    "02": {
        "history_size=4,": "history_size=40,",
        "(4, 8, 20)": "(6, 12)",
        "history_size=10)": "history_size=40)",
    },
    "03": {
        'tables = {"naive"': 'tables = {"silent": leak_lab(lambda text: ("", text)), "naive"',
        "#ANSWER\\nForget the marks.": "Forget the marks.",
    },
    "05": {'"You never give up this belief. ': '"'},
    "06": {"temperature=0.2,": "temperature=0,", "temperature=1.0)": "temperature=2.0)"},
    "07": {"temperature=1.2)": 'goal="Find a bed.")', "talks=4": "talks=2"},
}


@pytest.mark.long
@pytest.mark.once
@pytest.mark.parametrize("lesson", CHANGES)
def test_a_change_that_a_lesson_asks_for_stops_nothing(
    lesson: str, tmp_path: Path, kernel: KernelManager
) -> None:
    code = "\n#%%\n".join(cell.source for cell in student_cells(lesson))
    for there, written in CHANGES[lesson].items():
        assert there in code
        code = code.replace(there, written)
    executed(code.split("\n#%%\n"), tmp_path, kernel)


def test_lesson_00_quotes_what_its_cells_print(capsys: pytest.CaptureFixture[str]) -> None:
    path = STUDENTS[0]
    names = only_the_imports(path)
    sources = [cell.source for cell in student_cells("00")]
    for source in sources:
        if "attempt(" in source or "def say_hello" in source:
            exec(source, names)
    printed = capsys.readouterr().out
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    rows = re.findall(r"(?m)^\| \d \| `(.+?)`", text)
    assert len(rows) == 8
    for quoted in rows:
        assert all(part in printed for part in re.split(r"\s*\.\.\.", quoted)), quoted


def test_lesson_00_says_in_one_line_that_no_answer_came(capsys: pytest.CaptureFixture[str]) -> None:
    names = only_the_imports(STUDENTS[0])
    names |= {"client": names["FakeClient"]([names["fake_error"]("connection")]), "model": "some-model"}
    exec(next(cell.source for cell in student_cells("00") if "OpenAIError" in cell.source), names)
    assert re.fullmatch(r"No answer came: .*\n", capsys.readouterr().out)


def test_lesson_04_prints_the_character_of_its_form_as_code(capsys: pytest.CaptureFixture[str]) -> None:
    sources = [cell.source for cell in student_cells("04")]
    place = next(place for place, source in enumerate(sources) if source.startswith("form = "))
    names = only_the_imports(next(path for path in STUDENTS if path.stem.startswith("04")))
    names["factory"] = names["NPCFactory"](names["FakeClient"](["Hail."]), "fake")
    exec(sources[place], names)
    exec(sources[place + 1], names)
    assert "Press Create" in capsys.readouterr().out
    character = names["recorded_talk"]().character
    names["form"].load(names["Card"](character).to_json().encode())
    names["form"].create()
    exec(sources[place + 1], names)
    exec(capsys.readouterr().out, names)
    assert names["my_character"] == character


@pytest.mark.once
@pytest.mark.long
def test_lesson_05_lets_the_class_be_written_in_one_cell(tmp_path: Path, kernel: KernelManager) -> None:
    """Its text says which six cells to delete then."""
    parts = [
        cell.source
        for cell in student_cells("05")
        if cell.source.startswith("def ") and re.search(r"\nChatArena\.(\w+) = \1$", cell.source)
    ]
    assert len(parts) == 6
    sources = [cell.source for cell in student_cells("05") if cell.source not in parts]
    place = next(place for place, source in enumerate(sources) if source.startswith("class ChatArena"))
    sources[place] = solution_code("arena")
    meets = next(place for place, source in enumerate(sources) if "desk.run(" in source)
    cells = [source for source in sources[: meets + 1] if not source.startswith('check("arena.')]
    *_, last = executed([*cells, "print(everything.passed, type(arena) is ChatArena)"], tmp_path, kernel)
    assert printed(last) == "True True\n"


@pytest.mark.once
@pytest.mark.long
def test_lesson_05_names_the_cells_that_are_enough_tomorrow(tmp_path: Path, kernel: KernelManager) -> None:
    """The imports, the two under "The cast", and the one with the store."""
    begins = ("import time\n", "LONDON = ", "merchant = ", "kept = ")
    sources = [cell.source for cell in student_cells("05") if cell.source.startswith(begins)]
    assert len(sources) == 4
    look = "print(*(message.content for message in desk_of_tomorrow.transcript), sep='|')"
    today = printed(executed([*sources, "desk_of_tomorrow.run(2);", look], tmp_path, kernel)[-1])
    assert today.count("|") == 2
    assert printed(executed([*sources, look], tmp_path, kernel)[-1]) == today


# What a learner runs, cell by cell.
CELLS = [
    "from npc_lab.lessons import check",
    "def trim(messages, history_size):\n    return None",
    "def trim(messages, history_size)\n    return messages",  # no colon
    'print(check("trim", trim))',
    "def trim(messages, history_size):\n    return messages[:1]",
    'print(check("trim", trim))',
    "def build_messages(system, exchanges, line):\n    ...",
    "def BuildMessages(system, exchanges, line):\n    return []",
    'print(check("messages", build_messages))',
    'print(check("messages", BuildMessages))',
    'def trim(messages, history_size):\n    display("shown")\n    return messages',
    'print(check("trim", trim))',
]


@pytest.mark.long
def test_in_a_notebook_a_failed_cell_and_a_near_name_are_said(tmp_path: Path, kernel: KernelManager) -> None:
    cells = executed(CELLS, tmp_path, kernel, allow_errors=True)
    shown = ["".join(str(output.get("text", output)) for output in cell.outputs) for cell in cells]
    assert shown[3].startswith("The newest cell with trim ended with an error, so an older trim was checked.")
    assert shown[5].startswith("✗ trim: ")
    assert "You have written BuildMessages. Rename it to build_messages" in shown[8]
    assert shown[9].startswith("This is not build_messages of the notebook, which a grader looks for.")
    # Nothing of what the function displays.
    assert {output.output_type for output in cells[11].outputs} == {"stream"}


# ---- a check ----


def expect(trial: Any, expected: Any, argument: Any) -> None:
    if (got := trial(argument)) != expected:
        advice = why_none(trial.learners_object) if got is None else "Multiply by 2."
        raise Wrong(trial.called, show(expected), show(got), advice)


def double() -> Exercise:
    """A small exercise: three steps, the last of which waits for the first."""
    exercise = Exercise("double", lesson="00", declares="double", kind="your function")

    @exercise.step("It doubles numbers")
    def numbers(trial: Any) -> str:
        expect(trial, 4, 2)
        return "Numbers are doubled."

    @exercise.step("It doubles lists")
    def lists(trial: Any) -> str:
        expect(trial, [1, 1], [1])
        return "Lists are doubled."

    @exercise.step("It doubles zero", needs=["numbers"], required=False)
    def zero(trial: Any) -> str:
        expect(trial, 0, 0)
        return "Zero, too."

    return exercise


def outcomes(learners_object: Any) -> list[str]:
    return [step.outcome for step in double().check(learners_object).steps]


def test_the_four_outcomes() -> None:
    def stub(number: Any) -> Any:
        """Twice as much."""
        ...

    def not_implemented(number: Any) -> Any:
        raise NotImplementedError

    assert outcomes(lambda number: number * 2) == ["correct", "correct", "correct"]
    assert outcomes(lambda number: number if isinstance(number, int) else number * 2) == [
        "incorrect",
        "correct",
        "can't check",
    ]
    for nothing in (stub, None, ...):
        assert outcomes(nothing) == ["not attempted"] * 3
    assert outcomes(not_implemented)[0] == "not attempted"
    assert outcomes(3) == ["can't check"] * 3


def test_a_message_says_what_was_called_expected_and_got_and_what_to_do_next() -> None:
    def half(number: Any) -> Any:
        return "<script>" + str(number)

    found = double().check(half)
    assert str(found).splitlines()[0] == "✗ double: this does not hold yet: It doubles numbers."
    for words in ("half(2)", "Expected: 4", "'<script>2'", "Multiply by 2.", 'hint("double")'):
        assert words in str(found)
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()


def test_a_forgotten_return_is_named() -> None:
    assert "Did you forget a `return`?" in str(double().check(lambda number: print(number)))


def test_changing_what_was_given_is_named() -> None:
    def add(numbers: Any) -> Any:
        if isinstance(numbers, int):
            return numbers * 2
        numbers += numbers
        return numbers

    found = double().check(add)
    assert [step.outcome for step in found.steps] == ["correct", "incorrect", "correct"]
    assert "stays as it is" in found.steps[1].message


def test_an_error_shows_the_learners_own_line_and_no_traceback() -> None:
    def divide(number: Any) -> Any:
        return number / 0

    message = double().check(divide).steps[0].message
    assert "ZeroDivisionError" in message
    assert "in line 2 of divide: return number / 0" in message
    assert "Traceback" not in message
    assert "npc_lab" not in message


def test_the_table_shows_the_last_check_of_each_exercise() -> None:
    check("hello", None)
    assert "hello" in str(report())
    assert "not attempted" in report()._repr_html_()
    assert not report().passed


def test_the_course_is_passed_only_with_every_exercise() -> None:
    passed, failed = (double().check(lambda number, factor=factor: number * factor) for factor in (2, 3))
    assert Progress({"first": passed, "second": passed}).passed
    assert not Progress({"first": passed, "second": failed}).passed
    assert not Progress({}).passed


# ---- limits ----


def test_code_that_never_ends_is_stopped_whatever_it_catches() -> None:
    def swallow_everything() -> None:
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(0.01)

    run = run_limited(swallow_everything, 0.2)
    assert isinstance(run.error, TimeIsUp)
    assert "swallow_everything" in where(run.error)


def test_what_the_code_makes_of_the_alarm_is_still_an_alarm() -> None:
    def translate() -> None:
        try:
            while True:
                pass
        except BaseException as error:
            raise ValueError("my own words") from error

    run = run_limited(translate, 0.1)
    assert isinstance(run.error, TimeIsUp)
    assert "translate" in where(run.error)


def test_input_and_exit_end_only_the_code() -> None:
    assert isinstance(run_limited(lambda: input("?"), 1).error, AskedForInput)
    assert isinstance(run_limited(lambda: sys.stdin.readline(), 1).error, AskedForInput)
    assert isinstance(run_limited(sys.exit, 1).error, SystemExit)


def test_the_input_of_a_notebook_ends_the_code_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter's own functions do not read sys.stdin: they would wait for ever."""
    monkeypatch.setattr(builtins, "input", lambda prompt="": "typed")
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": "typed")
    assert isinstance(run_limited(lambda: input("?"), 1).error, AskedForInput)
    assert isinstance(run_limited(lambda: getpass.getpass("?"), 1).error, AskedForInput)


def test_what_is_printed_is_caught_up_to_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_limited(lambda: [print("a" * 1000) for _ in range(1000)], 5)
    assert 0 < len(run.printed) <= 100_000
    assert capsys.readouterr().out == ""


def test_afterwards_everything_is_as_it_was() -> None:
    def state() -> list[Any]:
        return [sys.stdout, sys.stderr, sys.stdin, builtins.input, signal.getsignal(signal.SIGALRM)]

    before = state()
    for function in (lambda: 1, lambda: 1 / 0, lambda: time.sleep(60)):
        run_limited(function, 0.1)
        assert state() == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


# ---- looking ----


def test_the_screen_and_the_folder_outlive_the_code(tmp_path: Path) -> None:
    def careless() -> None:
        print("said before")
        sys.stdout.close()
        os.chdir(tmp_path)

    before = os.getcwd()
    assert run_limited(careless, 5).printed == "said before\n"
    assert os.getcwd() == before


class Endless:
    """A learner's object that cannot even be looked at."""

    def __repr__(self) -> str:
        while True:
            pass


class Refusing(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Refused(metaclass=Refusing):
    pass


class WordsWithoutEnd(Exception):  # noqa: N818
    def __str__(self) -> str:
        while True:
            pass


def raise_without_end(_number: int) -> int:
    raise WordsWithoutEnd


class AnyName:
    """It has every attribute, `__wrapped__` and `__code__` too."""

    def __call__(self, number: int) -> int:
        return 2 * number

    def __getattr__(self, name: str) -> Any:
        return AnyName()


@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize("thing", [Endless(), Refused, raise_without_end, AnyName()], ids=lambda thing: "")
def test_looking_at_the_learners_object_ends_and_raises_nothing(thing: Any) -> None:
    started = time.monotonic()
    found = double().check(thing)
    assert time.monotonic() - started < 10  # not for ever, on a busy machine either
    if not isinstance(thing, AnyName):
        assert not found.passed
    assert str(found)
    assert found._repr_html_()


def test_any_value_can_be_shown() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    assert show(Broken()).startswith("<Broken")
    assert len(show("x" * 10_000)) <= 300
    assert len(show(list(range(10_000)))) <= 300
    assert "\x1b" not in show("\x1b[31mred")


def test_a_text_that_is_too_long_is_cut_to_its_limit() -> None:
    assert shorten("x" * 300, 300) == "x" * 300
    assert shorten("x" * 400, 300) == "x" * 299 + "…"


def test_an_object_that_refuses_every_question_can_be_shown() -> None:
    class Refuses:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError

        def __repr__(self) -> str:
            return str(self.words)

    assert show(Refuses()) == "<Refuses>"


@pytest.mark.parametrize("code", ["...", "pass", '"""Only words."""', '"""Words."""\n    ...', "return None"])
def test_a_stub_is_seen_as_one(code: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def stub(a, b=1):\n    {code}", namespace)
    assert is_stub(namespace["stub"])


@pytest.mark.parametrize("code", ["return a", "return 1", "print(a)", "a = b", "raise ValueError"])
def test_code_is_no_stub(code: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def attempt(a, b=1):\n    {code}", namespace)
    assert not is_stub(namespace["attempt"])


def test_a_wrong_message_leaves_out_what_is_not_said() -> None:
    assert Wrong("f(1)", "2", "3", "").message == "Called:   f(1)\nExpected: 2\nGot:      3"


# --- a console that knows few letters -------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "mark"), [("cp1252", "x"), ("ascii", "x"), ("utf-8", "✗")])
def test_a_report_prints_on_any_console(encoding: str, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    print(
        Report(
            "trim", [Step("It keeps ✓ and שלום", True, INCORRECT, "Got: é"), Step("It is", True, CORRECT, "")]
        )
    )
    print(Progress({"trim": Report("trim", [Step("It is", True, INCORRECT, "")])}))
    sys.stdout.flush()
    text = written.getvalue().decode(encoding)
    assert text.startswith(f"{mark} trim: this does not hold yet: It keeps")
    assert f"{mark} incorrect" in text
    assert ("שלום" in text, "+ and ????" in text) == (encoding == "utf-8", encoding != "utf-8")
    assert ("Got: é" in text) == (encoding != "ascii")
