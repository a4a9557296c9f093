"""Lesson 06: what a learner may write and passes, and what each mistake is told in the first line."""

import html
import json
import math
import statistics
from collections import Counter
from typing import Any

import pytest
import record_talks
from test_lesson_memory import named_once

from npc_lab.experiments import Script, share
from npc_lab.lessons import check
from npc_lab.lessons.checking.reports import INCORRECT, NOT_ATTEMPTED, NOT_FINISHED
from npc_lab.lessons.to_read import BY_HAND, RECORDED, twelve_talks

pytestmark = pytest.mark.once

# --- twelve talks ---------------------------------------------------------------------------------------


def test_eight_talks_are_recorded_and_four_written_by_hand_and_each_says_so() -> None:
    talks = twelve_talks()
    assert [talk.number for talk in talks] == list(range(1, 13))
    assert Counter(talk.origin for talk in talks) == {RECORDED: 8, BY_HAND: 4}
    for talk in talks:
        for shown in (str(talk), html.unescape(talk._repr_html_())):
            assert talk.origin in shown
            assert talk.transcript.spoken[-1].content.split()[0] in shown
        assert talk.wanted in str(talk)
        assert {message.seat for message in talk.transcript.spoken} == {1, 2}


def test_the_recorded_talks_are_those_of_the_command_that_records_them() -> None:
    """What cannot be seen without the model: that it said so. All else is the command's own."""
    records = [json.loads(line) for line in record_talks.FILE.read_text(encoding="utf-8").splitlines()]
    assert [each["number"] for each in records] == list(record_talks.TALKS)
    for each in records:
        wanted, names, scene = record_talks.TALKS[each["number"]]
        assert (each["wanted"], each["names"], each["opening"]) == (wanted, names, scene.opening)
        assert len(each["lines"]) == scene.most_turns
        if isinstance(scene.second, Script):
            assert [words for seat, words in each["lines"] if seat == 2] == list(scene.second.lines)


# --- notes ----------------------------------------------------------------------------------------------

TWELVE = dict.fromkeys(range(1, 13), "nothing")


def test_twelve_notes_pass_whatever_they_say() -> None:
    assert check("notes", TWELVE).passed
    assert check("notes", {**TWELVE, 3: "!?", 13: "one more", "all": "fine"}).passed


def test_notes_that_are_still_open_are_named() -> None:
    assert check("notes", dict.fromkeys(range(1, 13), "")).outcome == NOT_ATTEMPTED
    assert check("notes", {}).outcome == NOT_ATTEMPTED
    for some in ({**TWELVE, 7: " "}, {**TWELVE, 7: None}, {n: TWELVE[n] for n in TWELVE if n != 7}):
        report = check("notes", some)
        assert report.outcome == NOT_FINISHED
        assert str(report).splitlines()[0].endswith("not finished yet. Still without a note: 7.")


WRONG_NOTES = [
    ({**TWELVE, 2: 5}, "The note of talk 2 is 5, and no text", 'notes[2] = "..."'),
    ({**TWELVE, 11: ["echo"]}, "The note of talk 11 is ['echo'], and no text", "quotation marks"),
    ({**TWELVE, 1: True}, "The note of talk 1 is True", "quotation marks"),
    ({str(number): "nothing" for number in TWELVE}, "is the text '1', and no number", "notes[1] = ..."),
    (list(TWELVE.values()), "This wants your dictionary of notes", ""),
    ("nothing", "This wants your dictionary of notes", ""),
]


@pytest.mark.parametrize(("notes", "first_line", "advice"), WRONG_NOTES)
def test_wrong_notes_are_named_in_the_first_line(notes: Any, first_line: str, advice: str) -> None:
    report = check("notes", notes)
    assert first_line in str(report).splitlines()[0], str(report)
    assert advice in str(report)


# --- commonest ------------------------------------------------------------------------------------------


def commonest(names: Any) -> Any:
    said = [name for name in names if name is not None]
    if not said:
        return None
    name, count = Counter(said).most_common(1)[0]
    return name, count / len(said)


def commonest_by_mode(names: Any) -> Any:
    said = list(filter(None, names))
    return [statistics.mode(said), round(said.count(statistics.mode(said)) / len(said), 2)] if said else None


def commonest_by_hand(names: Any) -> Any:
    counts: dict[str, int] = {}
    for name in names:
        if name:
            counts[name] = counts.get(name, 0) + 1
    best = None
    for name in counts:
        if best is None or counts[name] >= counts[best]:
            best = name
    return None if best is None else (best, counts[best] / sum(counts.values()))


@pytest.mark.parametrize("right", [commonest, commonest_by_mode, commonest_by_hand])
def test_a_right_commonest_passes_however_it_is_written(right: Any) -> None:
    report = check("commonest", right)
    assert report.passed, str(report)


PAIR = "It gives a name and its share"
COMMONEST = "The name is the commonest one"
SHARE = "Its share is a number from 0 to 1"
NO_NAME = "None does not count as a name"
MISSING = "What is missing is in no share"
NOTHING = "Without any name it gives None"
TIE = "Of names that are equally common, it gives one"


def said_in(names: Any) -> list[str]:
    return [name for name in names if name is not None]


def all_of_the_tied(names: Any) -> Any:
    counts = Counter(said_in(names)).most_common()
    if not counts:
        return None
    best = [name for name, count in counts if count == counts[0][1]]
    return (best[0] if len(best) == 1 else best), counts[0][1] / len(said_in(names))


# what was written, the step, what the first line says, and what to do next
WRONG_COMMONEST: list[tuple[Any, str, str, str]] = [
    (lambda names: print(commonest(names)), PAIR, "It gives None, and no pair", "print() only shows"),
    (lambda names: commonest(names)[0], PAIR, "and no name with a number", "return name, share"),
    (lambda names: (names[0], 0.5), COMMONEST, "is there", "Count each name"),
    (lambda names: (min(said_in(names), key=names.count), 0.5), COMMONEST, "times.", "Count each name"),
    (lambda names: Counter(names).most_common(1)[0], SHARE, "how often the name is there", "Divide"),
    (
        lambda names: (commonest(names)[0], 100 * commonest(names)[1]),
        SHARE,
        "is no share: those go from 0 to 1",
        "times 100",
    ),
    (
        lambda names: (commonest(names)[0], names.count(commonest(names)[0]) / len(set(names))),
        SHARE,
        "divides by the number of different names",
        "",
    ),
    (
        lambda names: (Counter(names).most_common(1)[0][0], commonest(names)[1]) if any(names) else None,
        NO_NAME,
        "It counts None as a name",
        "if name is not None",
    ),
    (
        lambda names: (
            (commonest(names)[0], names.count(commonest(names)[0]) / len(names)) if any(names) else None
        ),
        MISSING,
        "also by those without a name",
        "leave them out",
    ),
    (
        lambda names: (Counter(said_in(names)).most_common(1)[0][0], commonest(names)[1]),
        NOTHING,
        "list index out of range",
        "",
    ),
    (lambda names: commonest(names) or (None, 0), NOTHING, "where there is no name", "return None"),
    (all_of_the_tied, TIE, "In the place of the name it gives", "return name, share"),
]


@pytest.mark.parametrize(("function", "step", "first_line", "advice"), WRONG_COMMONEST)
def test_a_mistake_in_commonest_is_named_once_and_in_the_first_line(
    function: Any, step: str, first_line: str, advice: str
) -> None:
    named("commonest", function, step, first_line, advice)


def named(exercise: str, function: Any, step: str, first_line: str, advice: str) -> None:
    named_once(exercise, function, ".", step, advice)
    report = check(exercise, function)
    assert first_line in str(report).splitlines()[0], str(report)


# --- interval -------------------------------------------------------------------------------------------


def wilson(hits: int, n: int, z: float = 1.96) -> Any:
    if n == 0:
        return None
    p, below = hits / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / below
    reach = z / below * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return middle - reach, middle + reach


def wald(hits: int, n: int) -> Any:
    p = hits / n
    reach = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - reach, p + reach


def by_the_kit(hits: int, n: int) -> Any:
    found = share(hits, n)
    return None if n == 0 else [found.low, found.high]


def in_one_root(hits: int, n: int) -> Any:
    if not n:
        return None
    root = math.sqrt(hits * (n - hits) / n + 0.9604)
    return tuple((hits + 1.9208 + sign * 1.96 * root) / (n + 3.8416) for sign in (-1, 1))


@pytest.mark.parametrize("right", [wilson, by_the_kit, in_one_root])
def test_a_right_interval_passes_however_it_is_written(right: Any) -> None:
    share(1, 2)  # imports scipy, which takes longer than a step may
    report = check("interval", right)
    assert report.passed, str(report)


ENDS = "It gives two numbers, the lower one first"
NEVER = "0 of 10 is not never, and 10 of 10 is not always"
INSIDE = "It stays between 0 and 1"
MIRROR = "3 of 10 and 7 of 10 mirror each other"
NARROWER = "More talks make it narrower"
WIDTH = "It is wide enough for 95 %"
NO_TALK = "Without a talk it gives None"
WALD = "This is the formula of Wald"

WRONG_INTERVALS: list[tuple[Any, str, str, str]] = [
    (lambda hits, n: print(wilson(hits, n)), ENDS, "It gives None", "print() only shows"),
    (lambda hits, n: hits / n, ENDS, "and no two numbers", "return low, high"),
    (lambda hits, n: wilson(hits, n)[::-1], ENDS, "Its upper end comes first", "return low, high"),
    (wald, NEVER, WALD, "Use the formula of Wilson"),
    (lambda hits, n: tuple(min(1, max(0, end)) for end in wald(hits, n)), NEVER, WALD, "no width at 0 of 10"),
    (lambda hits, n: tuple(100 * end for end in wilson(hits, n)), INSIDE, "These are percents", "times 100"),
    (lambda hits, n: (hits / n - 0.2, hits / n + 0.2), INSIDE, "Of 0 of 5 it gives", "formula"),
    (lambda hits, n: (0, wilson(hits, n)[1]), MIRROR, "it gives from 0.000", "come to the same"),
    (
        lambda hits, n: tuple(min(1, max(0, hits / n + reach)) for reach in (-0.2, 0.2)),
        NARROWER,
        "its widths are 0.400, 0.400",
        "Is every n of the formula there?",
    ),
    (lambda hits, n: wilson(hits, n, 1), WIDTH, "an interval of 68 %", "z is 1.96"),
    (lambda hits, n: wilson(hits, n, 1.645), WIDTH, "an interval of 90 %", "z is 1.96"),
    (lambda hits, n: wilson(hits, n, 2), WIDTH, "an interval of 95.4 %", "z is 1.96"),
    (lambda hits, n: wilson(hits, n) if n else 1 / n, NO_TALK, "division by zero", "Ask first"),
    (lambda hits, n: wilson(hits, n) or (0, 1), NO_TALK, "where nothing was played", "if n == 0"),
]


@pytest.mark.parametrize(("function", "step", "first_line", "advice"), WRONG_INTERVALS)
def test_a_mistake_in_an_interval_is_named_once_and_in_the_first_line(
    function: Any, step: str, first_line: str, advice: str
) -> None:
    named("interval", function, step, first_line, advice)


# --- per_talk -------------------------------------------------------------------------------------------


def per_talk(talks: Any, measure: Any) -> Any:
    return [measure(talk) if talk is not None and talk.spoken else None for talk in talks]


def per_talk_by_loop(talks: Any, measure: Any) -> Any:
    numbers = []
    for talk in talks:
        try:
            value = measure(talk)
        except ZeroDivisionError:
            value = None
        numbers.append(value if len(talk.spoken) else None)
    return numbers


def per_talk_by_generator(talks: Any, measure: Any) -> Any:
    for talk in talks:
        yield measure(talk) if any(message.seat for message in talk) else None


@pytest.mark.parametrize("right", [per_talk, per_talk_by_loop, per_talk_by_generator])
def test_a_right_per_talk_passes_however_it_is_written(right: Any) -> None:
    report = check("per_talk", right)
    assert report.passed, str(report)


def test_a_talk_that_is_missing_is_a_stretch() -> None:
    report = check("per_talk", per_talk_by_loop)
    assert [step.outcome for step in report.steps if not step.required] == [INCORRECT]
    assert check("per_talk", per_talk).steps[-1].outcome == "correct"


ONE_EACH = "It gives a list with one number for each talk"
ITS_OWN = "Each number is the measure of its own talk"
SILENT = "A talk without lines is None"
NOT_ASKED = "The measure is not asked about a talk without lines"
ONCE = "The measure is called once for each talk"
ZERO = "0 and False are measured, and stay"


def empties_the_list(talks: Any, measure: Any) -> Any:
    return [measure(talks.pop(0)) for _ in range(len(talks))]


def asks_before_it_looks(talks: Any, measure: Any) -> Any:
    values = [measure(talk) for talk in talks]
    return [value if talk.spoken else None for talk, value in zip(talks, values, strict=True)]


WRONG_PER_TALK: list[tuple[Any, str, str, str]] = [
    (lambda talks, measure: print(per_talk(talks, measure)), ONE_EACH, "It gives None, and no list", "print"),
    (
        lambda talks, measure: sum(per_talk(talks, measure)) / len(talks),
        ONE_EACH,
        "one number for all talks together",
        "append one number",
    ),
    (
        lambda talks, measure: [measure([line]) if False else 1.0 for talk in talks for line in talk.spoken],
        ONE_EACH,
        "It gives a number for each line",
        "Hand the whole talk to the measure",
    ),
    (empties_the_list, ONE_EACH, "It changes what it is given", "a list of your own"),
    (lambda talks, measure: sorted(per_talk(talks, measure)), ITS_OWN, "For a talk of", "Call measure(talk)"),
    (lambda talks, measure: [len(talk) for talk in talks], ITS_OWN, "For a talk of", "Call measure(talk)"),
    (
        lambda talks, measure: [measure(talk) if talk.spoken else 0 for talk in talks],
        SILENT,
        "For a talk of 0 lines it gives 0",
        "put None",
    ),
    (
        lambda talks, measure: [measure(talk) for talk in talks],
        SILENT,
        "For a talk of 0 lines it gives 0.0",
        "put None",
    ),
    (
        lambda talks, measure: [measure(talk) for talk in talks if talk.spoken],
        SILENT,
        "It gives 3 numbers for 5 talks",
        "there it is None",
    ),
    (
        lambda talks, measure: [measure(talk) if talk else None for talk in talks],
        SILENT,
        "For a talk of 0 lines it gives 0.0",
        "talk.spoken",
    ),
    (asks_before_it_looks, NOT_ASKED, "ZeroDivisionError", "measure(talk) for talk in talks"),
    (
        lambda talks, measure: [
            measure(talk) if talk.spoken and measure(talk) is not None else None for talk in talks
        ],
        ONCE,
        "It calls the measure 8 times for 4 talks",
        "Keep what it returned",
    ),
    (
        lambda talks, measure: [(measure(talk) or None) if talk.spoken else None for talk in talks],
        ZERO,
        "it gives None",
        "0 is a number",
    ),
]


@pytest.mark.parametrize(("function", "step", "first_line", "advice"), WRONG_PER_TALK)
def test_a_mistake_in_per_talk_is_named_once_and_in_the_first_line(
    function: Any, step: str, first_line: str, advice: str
) -> None:
    named("per_talk", function, step, first_line, advice)


@pytest.mark.parametrize("exercise", ["commonest", "interval", "per_talk"])
@pytest.mark.parametrize("nothing", [None, ..., lambda *_: ...])
def test_what_is_not_written_yet_is_not_attempted(exercise: str, nothing: Any) -> None:
    assert check(exercise, nothing).outcome == NOT_ATTEMPTED
