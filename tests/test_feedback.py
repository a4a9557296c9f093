"""Feedback: what a learner is told of a notebook, with lines of their own, whatever stands in them."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import a_class
import pytest
from browser import Jupyter
from markdown_it import MarkdownIt
from payloads import MARKS, ORDERS, PAYLOADS
from selectolax.lexbor import LexborHTMLParser
from test_hostile import assert_harmless

from npc_lab.grading import Grade
from npc_lab.grading.feedback import as_markdown, as_page, feedback
from npc_lab.grading.handed_in import CodeCell
from npc_lab.grading.own_lines import MOST_LINES, own_lines
from npc_lab.grading.records import Records
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, INCORRECT, NOT_ATTEMPTED, Report, Step
from npc_lab.lessons.exercises.catalogue import EXERCISES

pytestmark = pytest.mark.once

ARENA = EXERCISES["arena"]
TRIM = EXERCISES["trim"]
BROKEN_TRIM = """def trim(messages, history_size):
    kept = messages[-history_size:]
    return kept[0]["rôle"]"""


def grade_of(exercise: str, source: str, name: str = "handed_in/ada/hw.ipynb") -> Grade:
    """The grade of a notebook with this answer alone, as a kernel would find it."""
    names: dict[str, Any] = {}
    exec(f"{a_class.IMPORTS}\n{source}", names)
    found = EXERCISES[exercise]
    report = found.check(names.get(found.declares))
    return Grade(name, [report], was_graded=True, cells=[CodeCell(a_class.IMPORTS), CodeCell(source)])


def with_text(text: str, name: str = "") -> Grade:
    """A grade in which all that a learner can write is this text."""
    source = f"def trim(messages, history_size):\n    return {text!r}\n{text}"
    outcomes = [INCORRECT, CANT_CHECK, NOT_ATTEMPTED, *[CORRECT] * 99]
    steps = [
        Step(step.name, step.required, outcome, f"Got:      {text}", text)
        for step, outcome in zip(TRIM.steps, outcomes, strict=False)
    ]
    report = Report("trim", steps, note=text)
    return Grade(name or text, [report], [text], was_graded=True, cells=[CodeCell(source)])


def told(grade: Grade) -> str:
    return " ".join(as_markdown(feedback(grade)).replace("\\", "").split())


def test_what_is_wrong_is_said_in_the_checks_words_with_the_learners_lines() -> None:
    grade = grade_of("trim", BROKEN_TRIM)
    wrong = grade.reports[0].first_wrong
    assert wrong is not None
    said = told(grade)
    assert f"Lesson 02: 0 of {len(grade.reports[0].required)} points." in said
    for line in wrong.message.splitlines():
        assert " ".join(line.split()) in said
    assert '> 3 return kept[0]["rôle"]' in said  # the check names the line
    assert "Your lines, in code cell 2:" in said
    assert said.index("Fix this first") < said.index(wrong.name) < said.index("Not checked yet")


def test_what_is_right_is_said_too() -> None:
    said = told(grade_of("commonest", a_class.OTHER_WAYS["commonest_by_hand"][1].strip()))
    assert "commonest: correct" in said
    assert "What works - It gives a name and its share" in said
    assert not any(word in said for word in ("Mend", "Wrong", "Not checked", "Not attempted", "Your lines"))


def test_the_same_lines_are_shown_once() -> None:
    steps = [Step(step.name, True, INCORRECT, "Got: nothing") for step in TRIM.steps[:3]]
    grade = Grade("a.ipynb", [Report("trim", steps)], was_graded=True, cells=[CodeCell(BROKEN_TRIM)])
    said = told(grade)
    assert said.count("def trim") == 1
    assert said.count("It is about the lines of code cell 1 that are shown above.") == 2


def test_a_file_that_cannot_be_graded_is_told_why_and_gets_no_count() -> None:
    said = told(Grade("hw.ipynb", notes=["The file is empty."]))
    assert said == (
        "# Feedback on hw.ipynb This file could not be graded, so it has no points yet. "
        "### What happened on the way - The file is empty."
    )


def test_what_a_teacher_should_look_at_is_not_for_the_learner() -> None:
    grade = with_text("x", "x.ipynb")
    grade.to_look_at = ["equals another notebook of this run: bob.ipynb"]
    assert "bob" not in as_page(feedback(grade)) + as_markdown(feedback(grade))


# --- the learner's own lines ----------------------------------------------------------------------


def lines_of(*sources: str, part: str = "turn", exercise: Any = ARENA) -> tuple[int, str]:
    found = own_lines([CodeCell(each) for each in sources], exercise, Step("", True, INCORRECT, "", "", part))
    return (found.cell, "\n".join(found.lines)) if found else (0, "")


METHOD = "def run_turn(self, conversation_id):\n    return True, 'Hail.'"
CLASS = "class ChatArena:\n    x = 1\n\n" + "\n".join(f"    {line}" for line in METHOD.splitlines())


def test_of_a_part_the_newest_definition_of_its_method_is_shown() -> None:
    assert lines_of(CLASS, METHOD) == (2, METHOD)
    assert lines_of(METHOD, CLASS, "x = 1")[0] == 2
    assert lines_of("class ChatArena:\n    pass\n\nprint(1)") == (1, "class ChatArena:\n    pass")
    assert lines_of("from npc_lab import ChatArena") == (0, "")
    assert lines_of(f"@property\n{METHOD}") == (1, f"@property\n{METHOD}")


def test_a_method_of_a_class_that_is_not_judged_is_not_shown() -> None:
    tried = CLASS.replace("ChatArena", "FirstTry")
    assert lines_of(CLASS, tried)[0] == 1
    assert lines_of("class ChatArena:\n    pass", tried, tried) == (1, "class ChatArena:\n    pass")
    assert lines_of(CLASS.replace("ChatArena", "Mine"), tried, "ChatArena = Mine") == lines_of(CLASS)
    assert lines_of(tried, "class ChatArena(FirstTry):\n    pass")[0] == 1  # the only one there is


@pytest.mark.parametrize("broken", ["%pip install x", "!ls", "x = (", "\0"])
def test_lines_are_found_also_in_a_cell_that_is_no_python(broken: str) -> None:
    assert lines_of(f"{METHOD}\n\n{broken}")[1] == METHOD
    assert METHOD.splitlines()[1].strip() in lines_of(f"{CLASS}\n{broken}")[1]
    table = 'notes = {\n    1: "a",\n}'
    notes = EXERCISES["notes"]
    assert lines_of(f"{table}\n{broken}", part="", exercise=notes)[1] == table


def test_a_line_that_the_check_names_is_marked_in_its_own_function() -> None:
    helper = "def helper(x):\n    y = x\n    return y[0]"
    step = Step("", True, INCORRECT, "Got:      IndexError, in line 3 of helper: return y[0]")
    found = own_lines([CodeCell(METHOD), CodeCell(f"z = 1\n{helper}")], ARENA, step)
    assert found is not None
    assert (found.cell, found.numbered().splitlines()[-1]) == (2, "> 4      return y[0]")


def test_long_definitions_are_cut_around_the_line_that_counts() -> None:
    long = "def run_turn(self, conversation_id):\n" + "\n".join(
        f"    x = {number}" for number in range(2, 201)
    )
    step = Step("", True, INCORRECT, "in line 150 of run_turn")
    found = own_lines([CodeCell(long)], ARENA, step)
    assert found is not None
    assert len(found.lines) == MOST_LINES
    assert "> 150      x = 150" in found.numbered()
    assert found.left_out == 200 - (found.first + MOST_LINES - 1) > 0
    assert len(lines_of("def run_turn(self): return " + "x" * 1000)[1]) == 200


# --- harmless -------------------------------------------------------------------------------------

HOSTILE = [*PAYLOADS, *MARKS, *ORDERS]
PAGE_TAGS = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "ul", "li"}
PAGE_TAGS |= {"figure", "figcaption", "pre"}
PAGE_ATTRIBUTES = {"charset", "http-equiv", "content", "name", "dir", "lang", "class", "translate"}
READER = MarkdownIt("commonmark", {"html": True}).enable("table")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_page_runs_or_fetches_anything(text: str) -> None:
    page = LexborHTMLParser(as_page(feedback(with_text(text))))
    for node in page.root.traverse(include_text=False):  # type: ignore[union-attr]
        assert node.tag in PAGE_TAGS, node.html
        assert set(node.attributes) <= PAGE_ATTRIBUTES, node.html
    assert page.css("h2")[0].text() == "trim: incorrect"
    assert len(page.css("title")) == len(page.css("style")) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_no_markdown_makes_a_tag_or_a_link_of_it(text: str) -> None:
    markup = READER.render(as_markdown(feedback(with_text(text))))
    tags = {"h1", "h2", "h3", "p", "ul", "li", "pre", "code"}
    assert_harmless(markup, tags, set())
    assert "<h2>trim: incorrect</h2>" in markup


def test_feedback_stands_beside_each_result_and_none_of_an_earlier_run(tmp_path: Path) -> None:
    def files(name: str) -> set[str]:
        return {path.name for path in (tmp_path / name).iterdir()}

    Records(tmp_path, markdown=True).add(with_text("x", "a/hw.ipynb"))
    assert files("a/hw.ipynb") == {"results.json", "feedback.html", "feedback.md"}
    Records(tmp_path).add(with_text("new", "a/hw.ipynb"))
    assert files("a/hw.ipynb") == {"results.json", "feedback.html"}
    assert "new" in (tmp_path / "a/hw.ipynb/feedback.html").read_text(encoding="utf-8")


def everything(texts: Sequence[str]) -> Grade:
    grade = with_text("\n".join(texts), "<img src=pwned onerror=alert(1)>.ipynb")
    grade.notes = list(texts)
    return grade


@pytest.mark.browser
def test_a_browser_shows_it_wide_and_narrow_and_asks_nobody_for_anything(
    tmp_path: Path, jupyter: Jupyter
) -> None:
    (tmp_path / "feedback.html").write_text(as_page(feedback(everything(HOSTILE))), encoding="utf-8")
    page = (tmp_path / "feedback.html").as_uri()
    for width, scheme in ((400, "light"), (1200, "dark")):
        size = {"width": width, "height": 900}
        with closing(jupyter.context.browser.new_context(viewport=size, color_scheme=scheme)) as context:
            shown, asked = context.new_page(), list[str]()
            shown.on("request", lambda request, asked=asked: asked.append(request.url))
            shown.goto(page)
            shown.wait_for_load_state("networkidle")
            assert asked == [page]
            assert shown.evaluate("window.__pwned") is None
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert shown.get_by_role("heading", name="Fix this first").count() == 1
