"""Points follow the work and not a waiting chain, and what a person should look at is noted by name."""

import builtins
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from killed_programs import RIGHT
from test_grade import CHECK, INHERITS_SOME, LIES, WRONG, Graded, grade_of, rows_of, write

from npc_lab.grading import note_equal
from npc_lab.grading.alike import codes_in, codes_of, fingerprint, fingerprint_of_text
from npc_lab.grading.records import Records, by_part, gradescope
from npc_lab.grading.signs import Replaced, note_calls
from npc_lab.lessons.checking import exercise as checking
from npc_lab.lessons.checking.reports import CORRECT, INCORRECT, Report
from npc_lab.lessons.exercises.catalogue import EXERCISES
from npc_lab.lessons.help import solution_code

pytestmark = pytest.mark.once

ARENA = EXERCISES["arena"]
IMPORTS = """
import time, uuid
from datetime import datetime
from types import SimpleNamespace
from npc_lab import Message
from npc_lab.errors import ConversationNotFoundError, NPCNotFoundInArenaError, ReplyError
"""
SHIPPED = solution_code("arena")
REFUSES = "    if npc_id not in self.npc_factory.npcs:\n        raise NPCNotFoundInArenaError(npc_id)\n"


def shipped_with(*changes: tuple[str, str]) -> str:
    """The shipped solution with these changes."""
    text = SHIPPED
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def with_an_object() -> str:
    """The shipped solution, where a conversation is an object with attributes, and no dict."""
    text = re.sub(r'talk\["(\w+)"\]', r"talk.\1", SHIPPED)
    text = re.sub(r'talk\[(f"npc\{\w+\}_\w+")\]', r"getattr(talk, \1)", text)
    text = re.sub(r'(self\.conversations\[conversation_id\])\["(\w+)"\]', r"\1.\2", text)
    return text.replace("] = {\n", "] = SimpleNamespace(**{\n").replace('"metrics": {},\n    }', "})")


# Every way to make one of the six slips that leaves an arena working.
SLIPS = {
    "no metrics": shipped_with(('        "metrics": {},\n', "")),
    "System": shipped_with(('Message("system"', 'Message("System"')),
    "System everywhere": shipped_with(('"system"', '"System"')),
    "an object": with_an_object(),
    "messages misspelled": shipped_with(('"messages"', '"mesages"')),
    "current_turn misspelled": shipped_with(('"current_turn"', '"curent_turn"')),
    "user key misspelled": shipped_with(
        ('"npc1_user_id": ', '"npc1_usr_id": '),
        ('talk[f"npc{you}_user_id"]', 'talk["npc1_usr_id" if you == 1 else "npc2_user_id"]'),
    ),
    "unknown NPCs": shipped_with((REFUSES, "")),
    "spoken to as itself": shipped_with(('talk[f"npc{you}_user_id"]', 'talk[f"npc{me}_user_id"]')),
    "NPC 2 first": shipped_with(('"current_turn": npc1_id', '"current_turn": npc2_id')),
    "ids swapped": shipped_with(
        ('"npc1_id": npc1_id', '"npc1_id": npc2_id'), ('"npc2_id": npc2_id', '"npc2_id": npc1_id')
    ),
    "roles swapped": shipped_with(("me, you = (1, 2) if", "you, me = (1, 2) if")),
    "one line too few": shipped_with(("range(1, max_turns + 1)", "range(1, max_turns)")),
}


@pytest.fixture(autouse=True)
def _long_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grader's patience: here a busy machine makes no step wrong."""
    for name in ("STEP_SECONDS", "ALL_SECONDS"):
        monkeypatch.setattr(checking, name, 10 * getattr(checking, name))


def arena_of(text: str) -> Any:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(IMPORTS + text, "<cell>", "exec", dont_inherit=True), names)
    return names["ChatArena"]


def points(report: Report) -> int:
    return sum(step.outcome == CORRECT for step in report.required)


# ---- points ----


@pytest.mark.parametrize("slip", SLIPS)
def test_a_working_arena_with_one_slip_keeps_five_sixths_of_its_points(slip: str) -> None:
    report = ARENA.check(arena_of(SLIPS[slip]), try_all=True)
    assert not report.passed
    assert points(report) >= len(report.required) * 5 / 6, str(report)


def test_the_shipped_arena_has_all_points_and_each_part_its_own() -> None:
    report = ARENA.check(arena_of(SHIPPED), try_all=True)
    assert report.passed, str(report)
    assert {part: most for part, (_, most) in by_part(report).items()} == {
        "register": 4, "start": 11, "turn": 15, "read": 3, "run": 10, "measure": 7
    }  # fmt: skip


def test_a_grader_tries_what_waits_and_a_learner_is_still_told_that_it_waits() -> None:
    """The one run is a line too short, so eight behaviours of a run wait; most of them hold."""
    arena = arena_of(SLIPS["one line too few"])
    told, graded = ARENA.check(arena, "run"), ARENA.check(arena, "run", try_all=True)
    waiting = [step.name for step in told.required if step.message.startswith("It waits for: run_conv")]
    assert len(waiting) == 8
    found = {step.name: step for step in graded.required}
    held = [name for name in waiting if found[name].outcome == CORRECT]
    assert len(held) >= 4
    assert {found[name].message.partition(":")[0] for name in waiting if name not in held} == {"It waits for"}
    assert [step.outcome for step in graded.required].count(INCORRECT) == 1


def test_a_method_that_is_not_written_costs_what_needs_it_and_no_more() -> None:
    """Whoever registers users elsewhere has an arena that works, but for the part "register"."""
    text = shipped_with(("self.register_npc_in_arena(", "self.known("))
    arena = arena_of(text.replace("ChatArena.register_npc_in_arena =", "ChatArena.known ="))
    assert {part: found for part, (found, _) in by_part(ARENA.check(arena)).items()} == dict.fromkeys(
        ARENA.parts(), 0
    )
    found = by_part(ARENA.check(arena, try_all=True))
    assert found["register"] == (0, 4)
    assert points(ARENA.check(arena, try_all=True)) >= 40


def test_one_part_that_never_ends_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "STEP_SECONDS", 1.0)
    text = shipped_with(
        (
            "    for number in range(1, max_turns + 1):",
            "    while True:\n        time.sleep(0.01)\n    for number in range(0):",
        )
    )
    parts = by_part(ARENA.check(arena_of(text), try_all=True))
    assert parts["measure"] == (7, 7)
    assert parts["run"][0] <= 2


CONSTANTS = [None, [], "", 0, 1, 0.5, True, False, ("", ""), (0, 0), "tie", "cannot tell"]
DO_NOTHING: list[Callable[..., Any]] = [lambda *_, value=value: value for value in CONSTANTS]
DO_NOTHING += [lambda *given: given[0], lambda *given: (given[0], ""), lambda *given: ("", given[0])]


@pytest.mark.parametrize("name", [name for name in EXERCISES if name != "arena"])
def test_code_that_does_nothing_gets_no_point_by_being_tried(name: str) -> None:
    for function in DO_NOTHING:
        told, tried = (EXERCISES[name].check(function, try_all=each) for each in (False, True))
        assert points(tried) == points(told), str(tried)


def test_an_arena_that_does_nothing_gets_no_point_by_being_tried() -> None:
    answers: dict[str, Any] = {
        "register_npc_in_arena": "user",
        "start_conversation": "talk",
        "run_turn": (True, "Hail."),
        "run_conversation": [],
        "get_conversation_history": [],
        "evaluate_conversation": dict.fromkeys(("turn_count", "avg_response_length", "avg_response_time"), 0),
    }

    def arena(answers: dict[str, Any]) -> Any:
        methods = {name: lambda *_, value=value, **__: value for name, value in answers.items()}
        return type(
            "ChatArena", (), {"__init__": lambda self, _: setattr(self, "conversations", {}), **methods}
        )

    for each in (answers, dict.fromkeys(answers), {name: [] for name in answers}):
        assert points(ARENA.check(arena(each), try_all=True)) == points(ARENA.check(arena(each)))


def test_what_proves_nothing_alone_names_steps_that_it_waits_for() -> None:
    for exercise in EXERCISES.values():
        needed: dict[str, set[str]] = {}  # all that a step needs, and what that needs
        for step in exercise.steps:
            needed[step.key] = {*step.needs, *(key for each in step.needs for key in needed[each])}
            assert set(step.only_with) <= needed[step.key]


def test_readme_says_how_many_points_each_exercise_and_part_has() -> None:
    text = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d)? ?\| `([\w.]+)` \| (\d+) \|", text, re.MULTILINE)
    ours = []
    for each in EXERCISES.values():
        ours.append((each.lesson, each.name, len([step for step in each.steps if step.required])))
        for part in each.parts():
            of_part = [step for step in each.steps if step.required and step.part == part]
            ours.append(("", f"{each.name}.{part}", len(of_part)))
    assert [(lesson, name, int(number)) for lesson, name, number in rows] == ours


# ---- what a person should look at ----

PATCHES_EXEC = """
import builtins
real = builtins.exec
builtins.exec = lambda code, *names: real("all_points = True" if "npc_lab" in str(code) else code, *names)
"""
PATCHES_DISPLAY = """
shell = get_ipython()
real = shell.display_pub.publish
def forged(data, *args, **options):
    for answer in data.values():
        if isinstance(answer, dict) and "outcomes" in answer:
            answer["outcomes"] = [("correct", "", "")] * len(answer["outcomes"])
    return real(data, *args, **options)
shell.display_pub.publish = forged
"""
PATCHES_BUILTINS = """
import builtins
builtins.sum = lambda *_: 50
builtins.all = lambda *_: True
"""
CALLS_OURS = """
import npc_lab
class ChatArena:
    def __init__(self, npc_factory):
        self.ours = npc_lab.ChatArena(npc_factory)
        self.conversations = self.ours.conversations
    def register_npc_in_arena(self, *given):
        return self.ours.register_npc_in_arena(*given)
    def start_conversation(self, *given):
        return self.ours.start_conversation(*given)
    def run_turn(self, *given):
        return self.ours.run_turn(*given)
    def run_conversation(self, *given, **options):
        return self.ours.run_conversation(*given, **options)
    def get_conversation_history(self, *given):
        return self.ours.get_conversation_history(*given)
    def evaluate_conversation(self, *given):
        return self.ours.evaluate_conversation(*given)
"""
# Also rewrites the notebook that is graded after it, which has the points of a right one.
REWRITES = """
import pathlib
files = [each for each in pathlib.Path({out!r}).rglob("*.*") if each.is_file()]
assert files
for each in files:
    each.write_text("{{}}")
pathlib.Path({other!r}).write_text("{{}}")
"""
MY_CHARACTER = "from npc_lab import NPCConfig\n" + solution_code("character")


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    folder = tmp_path_factory.mktemp("forged")
    notebooks, out = folder / "in", folder / "grades"
    write(notebooks / "a right.ipynb", RIGHT, CHECK)
    write(
        notebooks / "b rewrites.ipynb", REWRITES.format(out=str(out), other=str(notebooks / "z.ipynb")), WRONG
    )
    write(notebooks / "builtins.ipynb", WRONG, PATCHES_BUILTINS)
    write(notebooks / "calls.ipynb", CALLS_OURS)
    write(notebooks / "copy.ipynb", "# mine\n" + WRONG.replace("number", "n"))
    write(notebooks / "display.ipynb", WRONG, PATCHES_DISPLAY)
    write(notebooks / "exec.ipynb", WRONG, PATCHES_EXEC, CHECK)
    write(notebooks / "inherits.ipynb", INHERITS_SOME)
    write(notebooks / "liar.ipynb", WRONG, CHECK, LIES)
    write(notebooks / "sheet.ipynb", MY_CHARACTER)
    write(notebooks / "sheet too.ipynb", MY_CHARACTER + "\n# and so am I")
    write(notebooks / "slip.ipynb", IMPORTS, SLIPS["one line too few"])
    write(notebooks / "solution.ipynb", IMPORTS, SHIPPED.replace("speaker", "who"))
    write(notebooks / "z.ipynb", RIGHT, CHECK)
    return Graded(notebooks, "--jobs", "1", "--timeout", "10")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("b rewrites", "wrote outside of its folder: .*grades/.*and 1 more"),
        ("builtins", "replaced builtins.all, builtins.sum(;|$)"),
        ("calls", "calls npc_lab's own arena$"),
        ("copy", "equals another notebook of this run: .*builtins.ipynb \\(arena\\)"),
        ("display", "replaced display_pub"),
        ("exec", "replaced exec"),
        ("inherits", "calls npc_lab's own arena$"),
        ("liar", "replaced npc_lab's .*"),
        ("sheet", "equals another notebook of this run: sheet too.ipynb \\(character\\)$"),
        ("solution", "equals the shipped solution: arena$"),
    ],
)
def test_a_forging_notebook_is_noted_by_name_and_no_point_is_forged(
    forged: Graded, name: str, said: str
) -> None:
    row, results = forged.rows[f"{name}.ipynb"], forged.results(f"{name}.ipynb")
    assert re.search(said, row["to_look_at"]), row
    assert "; ".join(results["extra_data"]["to_look_at"]) == row["to_look_at"]
    assert row["to_look_at"] not in json.dumps({**results, "extra_data": {}})  # what a student sees
    if name not in ("calls", "inherits", "sheet", "solution"):  # they are as right as they are
        assert row["points"] == forged.rows["display.ipynb"]["points"] < row["max_points"]


@pytest.mark.long
def test_what_a_person_should_look_at_is_on_the_screen(forged: Graded) -> None:
    assert "exec.ipynb: look at it yourself, it replaced exec." in " ".join(forged.shown.split())


@pytest.mark.long
def test_a_graded_notebook_has_the_points_of_what_waits_and_holds(forged: Graded) -> None:
    """While a learner works, nine behaviours of a run that is a line too short have no mark."""
    row, results = forged.rows["slip.ipynb"], forged.results("slip.ipynb")
    assert int(row["points"]) >= 42
    summary = results["extra_data"]["exercises"]["arena"]
    assert summary["parts"]["measure"] == [7, 7]
    assert sum(found for found, _ in summary["parts"].values()) == summary["points"] == int(row["points"])


@pytest.mark.long
def test_honest_notebooks_are_not_noted_but_for_being_equal(forged: Graded) -> None:
    looks = {name: forged.rows[name]["to_look_at"] for name in ("a right.ipynb", "z.ipynb")}
    assert looks == {
        "a right.ipynb": "equals another notebook of this run: z.ipynb (arena)",
        "z.ipynb": "equals another notebook of this run: a right.ipynb (arena)",
    }


@pytest.mark.long
def test_a_notebook_that_rewrites_grades_and_notebooks_of_others_changes_nothing(forged: Graded) -> None:
    assert forged.outcome("a right.ipynb") == forged.outcome("z.ipynb") == "correct"
    for name in ("a right.ipynb", "calls.ipynb", "z.ipynb"):
        assert forged.results(name)["score"] == 50 == int(forged.rows[name]["points"])
    page = (forged.out / "a right.ipynb" / "feedback.html").read_text(encoding="utf-8")
    assert "</html>" in page


# Without a kernel.

TRIM = '''
def trim(messages, most):
    """Keep the newest exchanges."""
    kept = list(messages[1:])
    while kept and len(kept) > most - 1:  # two by two
        del kept[:2]
    return [messages[0], *[each for each in kept if each["role"] != "system"]]
'''
RENAMED = """
import json
def trim(talk, limit):
    rest = list(talk[1:])

    while rest and len(rest) > limit - 1: del rest[:2]
    return [talk[0], *[line for line in rest if line["role"] != "system"]]
"""


def print_of(text: str) -> str:
    names: dict[str, Any] = {}
    exec(compile(text, "<cell>", "exec", dont_inherit=True), names)
    return fingerprint(codes_of(names["trim"], "trim", []))


def test_code_is_equal_whatever_its_names_comments_and_layout() -> None:
    assert print_of(TRIM) == print_of(RENAMED) == fingerprint(codes_in(TRIM, ["trim"])) != ""
    assert print_of(TRIM) != print_of(TRIM.replace("most - 1", "most - 2"))
    assert print_of(TRIM) != print_of(TRIM.replace("list(", "tuple("))


def test_a_module_that_is_imported_in_the_same_cell_makes_no_difference() -> None:
    """Python 3.12 and later compile a call of such a module in another way."""
    text = TRIM.replace("kept = list(messages[1:])", "kept = copy.copy(messages[1:])")
    assert print_of(f"import copy\n{text}") == print_of(text) != ""


def test_what_is_short_is_equal_by_chance_and_has_no_fingerprint() -> None:
    assert print_of("def trim(messages, most):\n    return messages[-most:]") == ""
    assert fingerprint_of_text({"A": True, "B": False}) == ""
    assert fingerprint_of_text("word " * 40) != ""


def test_equal_notebooks_name_each_other_and_three_at_most() -> None:
    grades = [grade_of((True, CORRECT), name=f"{letter}.ipynb") for letter in "edcbaf"]
    for grade in grades[:-1]:
        grade.fingerprints = {"arena": "1f", "trim": grade.name}
    note_equal(grades)
    looks = {grade.name: grade.to_look_at for grade in grades}
    assert looks["f.ipynb"] == []
    assert looks["a.ipynb"] == [
        "equals another notebook of this run: b.ipynb (arena), c.ipynb (arena), d.ipynb (arena) and 1 more"
    ]


def shell() -> Any:
    class Display:
        def publish(self, data: Any) -> None:
            """Show it."""

    class Shell:
        def __init__(self) -> None:
            self.display_pub = Display()

        def run_cell(self, text: str) -> None:
            """Run it."""

    return Shell()


def test_what_was_replaced_is_named_and_put_back() -> None:
    place, real = shell(), (len, Report.passed)
    publish, run_cell = place.display_pub.publish, place.run_cell
    replaced = Replaced(place)
    try:
        builtins.len = lambda _: 1  # type: ignore[assignment]
        Report.passed = property(lambda _: True)  # type: ignore[method-assign,assignment]
        place.display_pub.publish = print
        type(place).run_cell = print
    finally:
        found = replaced.restore()
    assert found == ["builtins.len", "run_cell", "display_pub", "npc_lab's Report.passed"]
    assert (len, Report.passed) == real
    assert (place.display_pub.publish, place.run_cell) == (publish, run_cell)
    place.display_pub = SimpleNamespace(publish=print)
    assert replaced.restore() == ["display_pub"]
    assert replaced.restore() == []


def test_calls_of_a_class_are_noted() -> None:
    called: list[str] = []

    class Ours:
        def turn(self, number: int) -> int:
            return number

    note_calls(Ours, called)
    assert (called, Ours().turn(3), called) == (called, 3, ["turn"])


def test_what_a_person_should_look_at_is_in_the_table_and_in_no_text_for_a_student(tmp_path: Path) -> None:
    grade, earlier = grade_of((True, CORRECT), name="a.ipynb"), grade_of((True, CORRECT), name="b.ipynb")
    Records(tmp_path).add(earlier)
    kept = (tmp_path / "b.ipynb" / "results.json").read_bytes()
    folder = Records(tmp_path)
    folder.add(grade)
    grade.to_look_at.append("=replaced exec")  # it is known last
    (tmp_path / "b.ipynb" / "results.json").write_text("{}")  # by a notebook
    folder.write_again()
    assert (tmp_path / "b.ipynb" / "results.json").read_bytes() == kept
    assert [row["to_look_at"] for row in rows_of(tmp_path)] == ["'=replaced exec", ""]
    results = gradescope(grade)
    assert results["extra_data"]["to_look_at"] == ["=replaced exec"]
    assert "replaced" not in json.dumps({**results, "extra_data": {}})
    assert "replaced" not in (tmp_path / "a.ipynb" / "feedback.html").read_text(encoding="utf-8")
