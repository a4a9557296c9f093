"""Lesson 07: what a learner may write and passes, and what each mistake is told in the first line."""

import itertools
import math
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from test_lesson_counting import named

from npc_lab.experiments import difference, minimum_detectable
from npc_lab.lessons import check, report
from npc_lab.lessons.checking.reports import CORRECT, INCORRECT, NOT_ATTEMPTED

pytestmark = pytest.mark.once

# --- pairs ----------------------------------------------------------------------------------------------


def pairs(first: Any, second: Any) -> Any:
    both = list(itertools.zip_longest(first, second))
    complete = [pair for pair in both if None not in pair]
    return complete, len(both) - len(complete)


def pairs_by_number(first: Any, second: Any) -> Any:
    complete, missing = [], 0
    for number in range(min(len(first), len(second))):
        if first[number] is None or second[number] is None:
            missing += 1
        else:
            complete.append([first[number], second[number]])
    return [complete, missing]


@pytest.mark.parametrize("right", [pairs, pairs_by_number])
def test_right_pairs_pass_however_they_are_written(right: Any) -> None:
    found = check("pairs", right)
    assert found.passed, str(found)
    assert (found.steps[-1].outcome == CORRECT) == (right is pairs)


BOTH = "It gives a list of pairs, and how many are missing"
BY_NUMBER = "Talk 3 of the first stands beside talk 3 of the second"
ZERO = "0 and False are no missing talks"
DROPPED = "A pair with a missing talk is dropped, and no other"
COUNTED = "What was dropped is counted"


def zipped(first: Any, second: Any) -> list[Any]:
    return list(zip(first, second, strict=False))


def thinned(first: Any, second: Any) -> Any:
    kept = [[each for each in numbers if each is not None] for numbers in (first, second)]
    return zipped(*kept), len(first) - min(map(len, kept))


# what was written, the step, what the first line says, and what to do next
WRONG_PAIRS: list[tuple[Any, str, str, str]] = [
    (lambda first, second: print(pairs(first, second)), BOTH, "It gives None, and no pairs", "print() only"),
    (lambda first, second: pairs(first, second)[0], BOTH, "the pairs alone", "return complete, missing"),
    (lambda first, second: (pairs(first, second)[1], []), BOTH, "and no list with a number", "two things"),
    (
        lambda first, second: (list(itertools.product(first, second)), 0),
        BY_NUMBER,
        "pairs each talk with every other one",
        "zip(first, second)",
    ),
    (
        lambda first, second: (zipped(second, first), 0),
        BY_NUMBER,
        "The second scene comes first",
        "Each pair is (first, second)",
    ),
    (
        lambda first, second: (pairs(first, second)[0][::-1], 0),
        BY_NUMBER,
        "stand in another order",
        "Take out",
    ),
    (
        lambda first, second: ([pair for pair in zipped(first, second) if all(pair)], 0),
        ZERO,
        "because of a 0 or a False",
        "`is not None`",
    ),
    (
        lambda first, second: (zipped(first, second), 0),
        DROPPED,
        "in which a talk is missing",
        "both are there",
    ),
    (thinned, DROPPED, "so the numbers move up", "Pair them first"),
    (
        lambda first, second: (pairs(first, second)[0], [*first, *second].count(None)),
        COUNTED,
        "It counts the talks that are missing, 5, and not the pairs",
        "Count the pairs that you drop",
    ),
    (
        lambda first, second: (pairs(first, second)[0], len(pairs(first, second)[0])),
        COUNTED,
        "It counts the pairs that are left",
        "Count the pairs that you drop",
    ),
    (lambda first, second: (pairs(first, second)[0], 0), COUNTED, COUNTED, "Count the pairs that you drop"),
]


@pytest.mark.parametrize(("function", "step", "first_line", "advice"), WRONG_PAIRS)
def test_a_mistake_in_pairs_is_named_once_and_in_the_first_line(
    function: Any, step: str, first_line: str, advice: str
) -> None:
    named("pairs", function, step, first_line, advice)


# --- verdict --------------------------------------------------------------------------------------------


def verdict(low: Any, high: Any) -> Any:
    if low is None or low <= 0 <= high:
        return "cannot tell"
    return "more" if low > 0 else "less"


def verdict_by_sides(low: Any, high: Any) -> Any:
    if low is not None and low > 0:
        return "more"
    return "less" if high is not None and high < 0 else "cannot tell"


@pytest.mark.parametrize("right", [verdict, verdict_by_sides])
def test_a_right_verdict_passes_and_is_told_how_often_it_is_right(right: Any) -> None:
    found = check("verdict", right)
    assert found.passed, str(found)
    quiet, seen = (re.search(r"In (\d+) of 200", step.message) for step in found.steps[-2:])
    assert quiet
    assert seen
    assert 180 <= int(quiet[1]) < 200  # chance finds something in some of them
    assert 180 <= int(seen[1]) <= 200


WORDS = 'It gives "more", "less" or "cannot tell"'
SIDES = "An interval above 0 is more, one below 0 is less"
INSIDE = "An interval with 0 in it cannot tell"
NO_INTERVAL = "Without an interval it cannot tell"


def compares_before_it_looks(low: Any, high: Any) -> Any:
    if low > 0:
        return "more"
    return "less" if high < 0 else "cannot tell"


WRONG_VERDICTS: list[tuple[Any, str, str, str]] = [
    (lambda low, high: print(verdict(low, high)), WORDS, "It gives None, and no verdict", "print() only"),
    (lambda low, high: verdict(low, high).title(), WORDS, "which is none of the three", "Spell it"),
    (lambda low, high: low > 0, WORDS, "which is none of the three", "Spell it"),
    (lambda low, high: verdict(high, low) if low * high < 0 else verdict(-high, -low), SIDES, "“less”", "0"),
    (lambda low, high: verdict(low - 0.01, high), SIDES, "Of an interval from", "and with nothing else"),
    (
        lambda low, high: verdict(low, high) if low * high > 0 else ("more" if low + high > 0 else "less"),
        INSIDE,
        "Of an interval from -",
        "the truth may be no difference",
    ),
    (
        lambda low, high: (
            "cannot tell" if low is None or low < 0 < high else verdict(low + 1e-9, high + 1e-9)
        ),
        INSIDE,
        "it says “more”",
        "An end at 0 is still in the interval",
    ),
    (compares_before_it_looks, NO_INTERVAL, "TypeError", "whether low is None"),
    (
        lambda low, high: "less" if low is None else verdict(low, high),
        NO_INTERVAL,
        "from None to None it says “less”",
        "whether low is None",
    ),
]


@pytest.mark.parametrize(("function", "step", "first_line", "advice"), WRONG_VERDICTS)
def test_a_mistake_in_a_verdict_is_named_once_and_in_the_first_line(
    function: Any, step: str, first_line: str, advice: str
) -> None:
    named("verdict", function, step, first_line, advice)


# --- talks_needed ---------------------------------------------------------------------------------------


def talks_needed(smallest: float) -> Any:
    return math.ceil(0.5 * (2.8 / smallest) ** 2) if smallest > 0 else None


def talks_counted(smallest: float) -> Any:
    n = 1
    while minimum_detectable(n) > smallest:
        n += 1
    return n


@pytest.mark.usefixtures("little_time")  # counting up never ends at 0, which is a stretch
@pytest.mark.parametrize("right", [talks_needed, talks_counted])
def test_a_right_number_of_talks_passes_however_it_is_found(right: Any) -> None:
    found = check("talks_needed", right)
    assert found.passed, str(found)
    assert (found.steps[-1].outcome == CORRECT) == (right is talks_needed)


WHOLE = "It gives a whole number"
ENOUGH = "With so many talks the difference is seen"
NOT_TOO_MANY = "With one talk fewer it would be missed"
NEVER_ZERO = "It is never 0, and half the difference needs more talks"

WRONG_NUMBERS: list[tuple[Any, str, str, str]] = [
    (lambda smallest: print(talks_needed(smallest)), WHOLE, "It gives None, and no number", "print() only"),
    (lambda smallest: 3.92 / smallest**2, WHOLE, "and no whole number", "math.ceil"),
    (lambda smallest: float(talks_needed(smallest)), WHOLE, "and no whole number", "math.ceil"),
    (lambda smallest: int(3.92 / smallest**2), ENOUGH, "of each see only", "Round up, not to the nearest"),
    (lambda smallest: math.ceil(2.8 * math.sqrt(0.5) / smallest), ENOUGH, "see only", "is squared"),
    (lambda smallest: talks_needed(100 * smallest), ENOUGH, "see only", "Is the square there?"),
    (lambda smallest: talks_needed(smallest) + 1, NOT_TOO_MANY, "are enough, and it asks for", "Add nothing"),
    (lambda smallest: math.ceil((2.8 / smallest) ** 2), NOT_TOO_MANY, "are enough", "minimum_detectable(n)"),
    (
        lambda smallest: talks_needed(smallest) if smallest < 1 else 0,
        NEVER_ZERO,
        "a difference of 1 it gives 0",
        "wants a talk",
    ),
]


@pytest.mark.parametrize(("function", "step", "first_line", "advice"), WRONG_NUMBERS)
def test_a_mistake_in_the_number_of_talks_is_named_once_and_in_the_first_line(
    function: Any, step: str, first_line: str, advice: str
) -> None:
    named("talks_needed", function, step, first_line, advice)


# --- peek -----------------------------------------------------------------------------------------------


def peek(play: Any, most: int) -> Any:
    played: list[Any] = []
    while len(played) < most:
        played.append(play())
        if len(played) % 5 == 0 and (word := said_of(played)) != "cannot tell":
            return word
    return "cannot tell"


def said_of(played: list[Any]) -> str:
    found = difference(played)
    return str(verdict(found.low, found.high))


def test_a_peek_is_told_how_often_it_cries_wolf() -> None:
    found = check("peek", peek)
    assert [step.outcome for step in found.steps] == [CORRECT] * 3
    numbers = re.search(
        r"every fifth pair, (\d+) of them .*; looked at once, at the end, (\d+) did", str(found)
    )
    assert numbers
    often, once = map(int, numbers.groups())
    assert once < often < 80, str(found)  # about 28 and 9 of 200


def looks_at_every_pair(play: Any, most: int) -> Any:
    played = []
    for _ in range(most):
        played.append(play())
        if (word := said_of(played)) != "cannot tell":
            return word
    return "cannot tell"


def looks_at_the_end(play: Any, most: int) -> Any:
    return said_of([play() for _ in range(most)])


def looks_at_five(play: Any, most: int) -> Any:
    return said_of([play() for _ in range(5)])


def plays_one_too_many(play: Any, most: int) -> Any:
    played = [play()]
    while len(played) <= most:
        played.append(play())
    return said_of(played)


def looks_at_the_last_five(play: Any, most: int) -> Any:
    played = []
    for number in range(1, most + 1):
        played.append((play(), number)[0][::-1])
        if number % 5 == 0 and (word := said_of(played[-5:])) != "cannot tell":
            return word
    return "cannot tell"


TO_THE_END = "Where nothing is seen, it plays to the end"
STOPS = "It stops as soon as it sees something"

WRONG_PEEKS: list[tuple[Any, str, str, str]] = [
    (lambda play, most: print(peek(play, most)), TO_THE_END, "It gives None, and no verdict", "print() only"),
    (lambda play, most: peek(play, most) == "more", TO_THE_END, "which is none of the three", "Spell it"),
    (looks_at_five, TO_THE_END, "It stops after 5 pairs, and has seen nothing", "Go on as long as"),
    (plays_one_too_many, TO_THE_END, "It plays more than 5 pairs", "Leave the loop"),
    (looks_at_every_pair, STOPS, "It stops after 4 pairs", "after every fifth pair"),
    (looks_at_the_end, STOPS, "It stops after 50 pairs", "after every fifth pair"),
    (looks_at_the_last_five, STOPS, "It says “less”", "Each pair is (first, second)"),
]


@pytest.mark.parametrize(("function", "step", "first_line", "advice"), WRONG_PEEKS)
def test_a_mistake_in_peek_is_named_in_the_first_line_and_costs_nothing(
    function: Any, step: str, first_line: str, advice: str
) -> None:
    named("peek", function, step, first_line, advice)
    found = check("peek", function)
    assert found.passed  # the whole exercise is a stretch
    assert found.outcome == INCORRECT
    assert 'hint("peek")' in str(found)
    assert "hint(&quot;peek&quot;)" in found._repr_html_() or 'hint("peek")' in found._repr_html_()


def test_a_stretch_that_was_not_tried_is_not_called_correct() -> None:
    found = check("peek", None)
    assert str(found).startswith("○ peek: not attempted yet.")
    assert "○ not attempted" in str(report())


@pytest.mark.parametrize("exercise", ["pairs", "verdict", "talks_needed", "peek"])
@pytest.mark.parametrize("nothing", [None, ..., lambda *_: ...])
def test_what_is_not_written_yet_is_not_attempted(exercise: str, nothing: Any) -> None:
    assert check(exercise, nothing).outcome == NOT_ATTEMPTED


# --- the kernel is stopped in the middle ----------------------------------------------------------------

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "07_change_one_thing.ipynb"
# A model at whose ninth reply somebody presses the stop button.
STOPPED = """
from npc_lab import FakeClient
import os, signal

def reply(messages):
    if len(client.calls) == 9:
        os.kill(os.getpid(), signal.SIGINT)
    return f"Well met, for the {len(client.calls)}th time."

client, model = FakeClient(reply), "fake"
"""


@pytest.mark.long
def test_the_cell_with_the_brake_goes_on_where_the_kernel_was_stopped(tmp_path: Path) -> None:
    """Stopped, run again, and planned again after a restart: 64 calls in all, none of them twice."""
    sources = [
        cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"
    ]
    setup = [
        next(each for each in sources if f"\n{name} = " in f"\n{each}") for name in ("LONDON", "guy", "brake")
    ]
    imports = next(each for each in sources if "client, model = connect()" in each)
    run = next(each for each in sources if "brake.run(" in each)
    seen = "print(len(client.calls), sum(map(len, card.missing.values())), 'Interrupted' in str(card))"
    cells = [
        imports,
        STOPPED,
        *setup,
        run,
        seen,
        run,
        seen,
        imports,
        *setup,
        "print(brake.plan(client, model, STORE))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, "NPC_LAB_PROVIDER": "fake"}, cwd=str(tmp_path))
    try:
        NotebookClient(notebook, km=manager, timeout=60).execute()
    finally:
        manager.shutdown_kernel(now=True)
    printed = [
        "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stdout")
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    stopped, done = (words.split() for words in printed if "True" in words or "False" in words)
    assert int(stopped[0]) < 64
    assert int(stopped[1]) > 0
    assert stopped[2] == "True"
    assert done == ["64", "0", "False"]
    assert "All talks are there: a run makes no call." in printed[-1]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert "stderr" not in {output.get("name") for output in outputs}, "a notebook shows that in red"
