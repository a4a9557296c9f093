"""Lesson 03: every right parser passes, every mistake is named once, and the lab survives any function."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from npc_lab.lessons import check
from npc_lab.lessons.leaks import (
    ANSWER,
    FAILED,
    LEAK,
    NOTHING,
    ODD_REPLIES,
    OTHER,
    PRIVATE,
    RIGHT,
    leak_lab,
    leak_lab_stream,
    leaked,
)
from npc_lab.scratchpad import ThoughtParser, split_thoughts

pytestmark = pytest.mark.python

SIGNS = ("scratchpad", "#answer", "# answer", "think>")


# --- right ways to write split_reply


def by_rpartition(text: str) -> tuple[str, str]:
    before, _, visible = text.rpartition("#ANSWER")
    if any(sign in visible.casefold() for sign in SIGNS):
        before, visible = text, ""
    thought = before.replace("#SCRATCHPAD", "").replace("#ANSWER", "")
    return visible.strip(), thought.strip()


def by_regex(text: str) -> tuple[str, str]:
    thoughts = re.findall(r"(?is)<think>(.*?)(?:</think>|\Z)", text)
    rest = re.sub(r"(?is)<think>.*?(?:</think>|\Z)", "", text)
    *before, visible = re.split(r"(?im)^[*# ]*#[*# ]*answer\b[*: ]*", rest)
    if re.search(r"(?i)scratchpad|#answer|think>", visible):
        before, visible = [*before, visible], ""
    thought = re.sub(r"(?im)^[*# ]*scratchpad[*: ]*", "", "\n".join(thoughts + before))
    return visible.strip(), thought.strip()


def by_lines(text: str) -> list[str]:
    lines = text.splitlines()
    ends = [place for place, line in enumerate(lines) if line.strip() == "#ANSWER"]
    last = ends[-1] if ends else -1
    visible = "\n".join(lines[last + 1 :]).strip()
    thought = "\n".join(line for line in lines[: last + 1] if line.strip() not in ("#SCRATCHPAD", "#ANSWER"))
    lowered = visible.lower()
    for sign in SIGNS:
        if sign in lowered:
            return ["", text.strip()]
    return [visible, thought.strip()]


def by_find(text: str) -> tuple[str, str]:
    end = text.rfind("#ANSWER")
    start = text.find("#SCRATCHPAD")
    if end == -1:
        hidden = start != -1 or any(sign in text.lower() for sign in SIGNS)
        return ("", text) if hidden else (text.strip(), "")
    visible = text[end + len("#ANSWER") :].strip()
    if any(sign in visible.lower() for sign in SIGNS):
        return "", text
    first = start + len("#SCRATCHPAD") if start != -1 else 0
    return visible, text[first:end].strip()


def by_split(text: str) -> tuple[str, str]:
    *thoughts, visible = text.split("#ANSWER")
    tokens = visible.casefold().replace("# ", "#").split()
    suspicious = any("scratchpad" in token or "#answer" in token or "think>" in token for token in tokens)
    if suspicious:
        return ("", text.strip())
    return (visible.strip(), " ".join(thoughts).replace("#SCRATCHPAD", "").strip())


def by_the_package(text: str) -> tuple[str, str]:
    return split_thoughts(text, has_scratchpad=True)


class ByClass:
    def __call__(self, reply: str) -> Any:
        parser = ThoughtParser(True)
        parser.feed(reply)
        parser.finish()
        return parser.visible, parser.thought


RIGHT_PARSERS = [by_rpartition, by_regex, by_lines, by_find, by_split, by_the_package, ByClass()]


@pytest.mark.parametrize("parser", RIGHT_PARSERS)
def test_a_right_parser_passes(parser: Any) -> None:
    report = check("split_reply", parser)
    assert report.passed, str(report)


def test_the_stretch_steps_can_all_be_reached() -> None:
    for parser in (by_regex, by_the_package):
        assert {step.outcome for step in check("split_reply", parser).steps} == {"correct"}


# --- mistakes in split_reply: each with the step that names it


def no_return(text: str) -> Any:
    text.split("#ANSWER")


def one_text(text: str) -> Any:
    return by_rpartition(text)[0]


def none_for_no_thought(text: str) -> Any:
    visible, thought = by_rpartition(text)
    return visible, thought or None


def swapped(text: str) -> Any:
    return by_rpartition(text)[::-1]


def strips_letters(text: str) -> Any:
    before, _, after = text.rpartition("\n")
    return after.strip("#ANSWER\n"), before.strip("#SCRATCHPAD\n")  # noqa: B005


def marks_left(text: str) -> Any:
    visible, thought = by_rpartition(text)
    return visible, f"#SCRATCHPAD\n{thought}" if thought else ""


def end_mark_left(text: str) -> Any:
    visible, thought = by_rpartition(text)
    return (f"#ANSWER\n{visible}" if "#ANSWER" in text and visible else visible), thought


def not_stripped(text: str) -> Any:
    before, _, visible = text.rpartition("#ANSWER")
    if any(sign in visible.casefold() for sign in SIGNS):
        return "", text
    return visible, before.replace("#SCRATCHPAD", "")


def dot_stops_at_a_line_end(text: str) -> Any:
    found = re.search(r"#SCRATCHPAD\s*(.*)[^#]*#ANSWER\s*(.*)\s*", text)
    return (found[2].strip(), found[1].strip()) if found else by_rpartition(text)


def lines_joined(text: str) -> Any:
    visible, thought = by_rpartition(text)
    return " ".join(visible.split()), " ".join(thought.split())


def plain_is_thought(text: str) -> Any:
    return by_rpartition(text) if "#ANSWER" in text else ("", text)


def plain_is_both(text: str) -> Any:
    return by_rpartition(text) if "#ANSWER" in text or "#SCR" in text else (text, text)


def needs_a_start_mark(text: str) -> Any:
    if "#ANSWER" in text and "#SCRATCHPAD" not in text:
        return text, ""
    return by_rpartition(text)


def start_mark_by_index(text: str) -> Any:
    if "#ANSWER" not in text:
        return by_rpartition(text)
    text.index("#SCRATCHPAD")
    return by_rpartition(text)


def shown_when_cut_off(text: str) -> Any:
    before, _, visible = text.rpartition("#ANSWER")
    return visible.replace("#SCRATCHPAD", "").strip(), before.replace("#SCRATCHPAD", "").strip()


def half_an_end_mark_counts(text: str) -> Any:
    if text.startswith("#SCRATCHPAD") and "#ANSWER" not in text and "#ANSW" in text:
        return text.replace("#SCRATCHPAD", "").replace("#ANSW", "").strip(), ""
    return by_rpartition(text)


def first_end_mark_decides(text: str) -> Any:
    before, mark, visible = text.partition("#ANSWER")
    if not mark:
        return by_rpartition(text)
    visible = visible.replace("#ANSWER", "").partition("#SCRATCHPAD")[0]
    return visible.strip(), before.replace("#SCRATCHPAD", "").strip()


def second_thoughts_shown(text: str) -> Any:
    if "#ANSWER" not in text:
        return by_rpartition(text)
    before, _, visible = text.rpartition("#ANSWER")
    return visible.strip(), before.replace("#SCRATCHPAD", "").strip()


def capitals_only(text: str) -> Any:
    before, _, visible = text.rpartition("#ANSWER")
    if "#SCRATCHPAD" in visible or "think>" in visible:
        return "", text
    return visible.strip(), before.replace("#SCRATCHPAD", "").strip()


def small_end_mark_unknown(text: str) -> Any:
    before, _, visible = text.rpartition("#ANSWER")
    if "scratchpad" in visible.lower() or "think>" in visible:
        return "", text
    return visible.strip(), before.replace("#SCRATCHPAD", "").strip()


def think_unknown(text: str) -> Any:
    before, _, visible = text.rpartition("#ANSWER")
    if "scratchpad" in visible.lower() or "#answer" in visible.lower():
        return "", text
    return visible.strip(), before.replace("#SCRATCHPAD", "").strip()


def think_only_with_an_end(text: str) -> Any:
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)
    before, _, visible = text.rpartition("#ANSWER")
    if "scratchpad" in visible.lower() or "#answer" in visible.lower():
        return "", text
    return visible.strip(), before.replace("#SCRATCHPAD", "").strip()


def raises(text: str) -> Any:
    return text.split("#ANSWER")[7], ""


def never_ends(text: str) -> Any:
    while "#" in text:
        pass
    return by_rpartition(text)


def written_into_the_code(text: str) -> Any:
    return ANSWER, PRIVATE


PAIR = "It gives two texts"
PARTED = "A reply with both marks is separated at its end mark"
SPLIT_MISTAKES = {
    no_return: PAIR,
    one_text: PAIR,
    raises: PAIR,
    never_ends: PAIR,
    swapped: PARTED,
    strips_letters: PARTED,
    written_into_the_code: PARTED,
    marks_left: "The marks themselves are in neither text",
    end_mark_left: "The marks themselves are in neither text",
    not_stripped: "White space around both texts is cut",
    dot_stops_at_a_line_end: "Thoughts and answers of several lines stay whole",
    lines_joined: "Thoughts and answers of several lines stay whole",
    plain_is_thought: "A reply without marks is all answer",
    plain_is_both: "A reply without marks is all answer",
    none_for_no_thought: "A reply without marks is all answer",
    needs_a_start_mark: "An end mark alone makes what stands before it a thought",
    start_mark_by_index: "An end mark alone makes what stands before it a thought",
    shown_when_cut_off: "A start mark without an end mark lets nothing out",
    half_an_end_mark_counts: "A start mark without an end mark lets nothing out",
    first_end_mark_decides: "A mark inside the thoughts does not end them",
    second_thoughts_shown: "Second thoughts, after the answer, stay hidden",
    capitals_only: "Marks in another spelling let nothing out",
    small_end_mark_unknown: "Marks in another spelling let nothing out",
    think_unknown: "What stands between <think> and </think> is not shown",
    think_only_with_an_end: "What stands between <think> and </think> is not shown",
}


def named_once(exercise: str, function: Any, fault: str, step: str) -> None:
    report = check(exercise, function)
    assert re.search(rf"{fault}.* So this does not hold yet: {re.escape(step)}", report.headline())
    wrong = [each.name for each in report.steps if each.required and each.outcome == "incorrect"]
    assert len(wrong) == 1, str(report)
    assert wrong[0].startswith(step)


# What the first line says before the step, of some; of all others it says something, too.
FAULTS = {
    one_text: r"It gives .+ o'clock\.\", and no pair of texts",
    swapped: "The two texts are swapped",
    strips_letters: r"visible is only “.+ o'clock\.”",
    written_into_the_code: r"visible is “What gold, good sir\?”",
    end_mark_left: "The mark is still in visible: “#ANSWER ",
    not_stripped: "There is white space around visible: .\\\\n",
    lines_joined: "The line breaks of visible are changed",
    plain_is_thought: "visible is empty",
    plain_is_both: r"thought is “.+ o'clock\.”",
    needs_a_start_mark: "visible holds the mark #ANSWER: “Surely ",
    shown_when_cut_off: "visible is “Surely ",
    think_unknown: "The private words “Surely .+” are in visible",
}


@pytest.mark.parametrize("parser", SPLIT_MISTAKES, ids=lambda parser: parser.__name__)
def test_a_parsers_mistake_is_named_in_the_first_line(
    parser: Callable[[str], Any], request: pytest.FixtureRequest
) -> None:
    if parser is never_ends:
        request.getfixturevalue("little_time")
    named_once("split_reply", parser, FAULTS.get(parser, "."), SPLIT_MISTAKES[parser])


@pytest.mark.parametrize("exercise", ["split_reply", "visible_pieces"])
def test_an_empty_function_is_not_attempted(exercise: str) -> None:
    def stub(text: str) -> Any:
        """Give (visible, thought)."""
        ...

    def to_do(text: str) -> Any:
        raise NotImplementedError

    for nothing in (stub, to_do, None, ...):
        assert check(exercise, nothing).outcome == "not attempted"


def test_the_leaked_words_stand_in_the_message() -> None:
    message = str(check("split_reply", think_unknown))
    assert re.search(r"This leaked: Surely \w+ hid the", message)
    assert re.search(r"Called: +think_unknown\(.<think>", message)


def test_a_parser_that_is_only_too_strict_passes_but_does_not_reach_the_stretch_steps() -> None:
    outcomes = {step.name: step.outcome for step in check("split_reply", by_lines).steps if not step.required}
    assert outcomes["Marks in another spelling are understood"] == "incorrect"
    assert outcomes["An end mark that is only talked about lets nothing out"] == "correct"


# --- visible_pieces


def waits(pieces: Iterator[str]) -> Iterator[str]:
    yield by_rpartition("".join(pieces))[0]


def gives_a_list(pieces: Iterator[str]) -> list[str]:
    return [by_regex("".join(list(pieces)))[0]]


def own_line_first(pieces: Iterator[str]) -> Iterator[str]:
    text = shown = ""
    for piece in pieces:
        text += piece
        before, _, answer = ("\n" + text).partition("\n#ANSWER\n")
        safe = "" if "<" in before else re.split("[#<*]", answer.lstrip())[0]
        yield safe[len(shown) :]
        shown = safe
    visible, _ = by_regex(text)
    if visible.startswith(shown):
        yield visible[len(shown) :]


def from_the_package(pieces: Iterator[str]) -> Iterator[str]:
    parser = ThoughtParser(has_scratchpad=True)
    for piece in pieces:
        if shown := parser.feed(piece):
            yield shown
    yield parser.finish()


def by_characters(pieces: Iterator[str]) -> Iterator[str]:
    """Reads letter by letter, and speaks once a whole line has come that is the end mark."""
    line, everything, spoken, speaking = "", "", "", False
    for letter in (letter for piece in pieces for letter in piece):
        everything += letter
        if speaking and (letter in "#<" or spoken.endswith("\0")):
            spoken += "" if spoken.endswith("\0") else "\0"
        elif speaking:
            spoken += letter
            yield letter
        elif letter == "\n":
            speaking, line = line == "#ANSWER" and "<think" not in everything, ""
        else:
            line += letter
    visible, told = by_regex(everything)[0], spoken.rstrip("\0").lstrip()
    if visible.startswith(told):
        yield visible[len(told) :]


@pytest.mark.parametrize("stream", [waits, gives_a_list, own_line_first, from_the_package, by_characters])
def test_a_right_stream_passes(stream: Any) -> None:
    report = check("visible_pieces", stream)
    assert report.passed, str(report)


def test_only_a_stream_that_does_not_wait_reaches_all_stretch_steps() -> None:
    for stream in (own_line_first, from_the_package, by_characters):
        assert {step.outcome for step in check("visible_pieces", stream).steps} == {"correct"}
    waiting = {step.name: step.outcome for step in check("visible_pieces", waits).steps}
    assert waiting["Words come out as they arrive"] == "incorrect"


def yields_all_of_it_each_time(pieces: Iterator[str]) -> Any:
    text = ""
    for piece in pieces:
        text += piece
        yield by_rpartition(text)[0]


def test_words_that_come_out_twice_are_named_as_such() -> None:
    report = check("visible_pieces", yields_all_of_it_each_time)
    assert "Words come out twice. Yield only what is new" in str(report)


@pytest.mark.parametrize("body", ["...", "return text, ''"])
def test_a_stream_that_calls_an_unwritten_split_reply_waits_for_it(body: str) -> None:
    names: dict[str, Any] = {}
    exec(f"def split_reply(text):\n    {body}", names)
    exec("def stream(pieces):\n    yield split_reply(''.join(pieces))[0]", names)
    report = check("visible_pieces", names["stream"])
    if body == "...":
        assert report.outcome == "can't check"
        assert "split_reply, which is not written yet" in report.headline()
    else:
        assert report.outcome == "incorrect"


def returns_text(pieces: Iterator[str]) -> Any:
    return by_rpartition("".join(pieces))[0]


def forgets_yield(pieces: Iterator[str]) -> Any:
    for piece in pieces:
        piece.strip()


def yields_pairs(pieces: Iterator[str]) -> Any:
    yield by_rpartition("".join(pieces))


def yields_each(pieces: Iterator[str]) -> Any:
    for piece in pieces:  # noqa: UP028
        yield piece


def yields_for_ever(pieces: Iterator[str]) -> Any:
    while True:
        yield ""


def asks_for_the_length(pieces: Any) -> Any:
    for number in range(len(pieces)):
        yield pieces[number]


def each_piece_alone(pieces: Iterator[str]) -> Any:
    speaking = False
    for piece in pieces:
        if speaking:
            yield piece
        speaking = speaking or "#ANSWER" in piece


def yields_the_mark(pieces: Iterator[str]) -> Any:
    speaking = False
    for piece in pieces:
        speaking = speaking or "#ANSWER" in piece
        if speaking:
            yield piece


def strips_each_piece(pieces: Iterator[str]) -> Any:
    for piece in own_line_first(pieces):
        yield piece.strip() + " "


def forgets_the_plain_reply(pieces: Iterator[str]) -> Any:
    text = "".join(pieces)
    yield by_rpartition(text)[0] if "#ANSWER" in text else ""


def shows_until_a_start_mark(pieces: Iterator[str]) -> Any:
    text = "".join(pieces)
    first = text.lstrip()[:1]
    if first == "#" or "<think" in text:
        yield by_rpartition(text)[0]
    else:
        yield text.replace("#ANSWER", "")


def shows_the_rest_at_the_end(pieces: Iterator[str]) -> Any:
    text = "".join(pieces)
    yield by_rpartition(text)[0] if "#ANSWER" in text or "<think" in text else text


def opens_at_the_first_mark(pieces: Iterator[str]) -> Any:
    text = "".join(pieces)
    if "#ANSWER" in text and "<think" not in text:
        yield re.split("#SCR", text.partition("#ANSWER")[2])[0].strip()
    else:
        yield by_rpartition(text)[0]


def forgets_second_thoughts(pieces: Iterator[str]) -> Any:
    text = "".join(pieces)
    before, mark, answer = ("\n" + text).partition("\n#ANSWER\n")
    yield answer.strip() if mark and "<" not in before else by_rpartition(text)[0]


def second_thoughts_cut_in_their_mark(pieces: Iterator[str]) -> Any:
    """Looks for a second start mark in one piece only."""
    text = shown = ""
    hidden = False
    for piece in pieces:
        text += piece
        before, _, answer = ("\n" + text).partition("\n#ANSWER\n")
        hidden = hidden or (bool(answer) and "#SCRATCHPAD" in piece.rpartition("#ANSWER")[2]) or "<" in before
        safe = shown if hidden else answer.lstrip()
        yield safe[len(shown) :]
        shown = safe
    if not shown:
        yield by_rpartition(text)[0]


def forgets_think(pieces: Iterator[str]) -> Any:
    yield think_unknown("".join(pieces))[0]


ANSWER_IN = "It yields pieces, and the answer is in them"
NOTHING_ELSE = "Thoughts and marks do not come out"
SECOND = "In a stream, second thoughts stay hidden"
STREAM_MISTAKES = {
    returns_text: ANSWER_IN,
    forgets_yield: ANSWER_IN,
    yields_pairs: ANSWER_IN,
    yields_for_ever: ANSWER_IN,
    asks_for_the_length: ANSWER_IN,
    yields_each: NOTHING_ELSE,
    yields_the_mark: NOTHING_ELSE,
    strips_each_piece: "However the stream is cut, the same comes out",
    each_piece_alone: "However the stream is cut, the same comes out",
    forgets_the_plain_reply: "A reply without marks comes out, once it has ended",
    shows_until_a_start_mark: "Before an end mark nothing comes out",
    shows_the_rest_at_the_end: "A stream that ends in its thoughts lets nothing out",
    opens_at_the_first_mark: "In a stream, a mark inside the thoughts does not end them",
    forgets_second_thoughts: SECOND,
    second_thoughts_cut_in_their_mark: SECOND,
    forgets_think: "In a stream, a <think> block is not shown",
}


STREAM_FAULTS = {
    returns_text: "It gives one text, and no pieces",
    yields_for_ever: "It yields pieces without end",
    yields_pairs: r"It yields a piece \(",
    yields_the_mark: "The mark #ANSWER comes out",
    strips_each_piece: "“.+” comes out",
    each_piece_alone: "Nothing comes out",
    forgets_the_plain_reply: "Nothing comes out",
    forgets_think: "The private words “Surely .+” come out",
}


@pytest.mark.parametrize("stream", STREAM_MISTAKES, ids=lambda stream: stream.__name__)
def test_a_streams_mistake_is_named_in_the_first_line(stream: Callable[[Iterator[str]], Any]) -> None:
    named_once("visible_pieces", stream, STREAM_FAULTS.get(stream, "."), STREAM_MISTAKES[stream])


# --- the lab


def naive(text: str) -> tuple[str, str]:
    return text.split("#ANSWER")[-1].strip(), ""


def test_the_lab_tells_apart_naive_careful_and_good_parsers() -> None:
    tables = [leak_lab(parser) for parser in (naive, by_lines, by_regex, by_the_package)]
    assert [table.leaks for table in tables] == [11, 0, 0, 0]
    assert tables[0].leak_rate == pytest.approx(0.5)
    assert tables[-1].count(RIGHT) == len(ODD_REPLIES) >= 16
    assert 0 < tables[2].count(NOTHING) < tables[1].count(NOTHING)


def test_no_cut_makes_the_packages_own_parser_leak() -> None:
    table = leak_lab_stream(from_the_package)
    assert table.count(RIGHT) == len(ODD_REPLIES)
    assert leak_lab_stream(own_line_first).leaks == 0


def test_a_leak_in_a_few_cuts_only_is_found_and_shown() -> None:
    """Whole, this parser lets nothing out; cut in its second start mark, it does."""
    table = leak_lab_stream(second_thoughts_cut_in_their_mark)
    row = next(row for row in table.rows if row.name == "second thoughts, cut off")
    assert row.verdict == LEAK
    assert re.search(r"\(in \d+ of \d+ cuts\)", row.times)
    assert "✂" in row.wrote
    assert leaked(row.shown, PRIVATE)


def test_the_leaked_words_stand_out_and_the_page_is_safe() -> None:
    table = leak_lab(naive)
    assert "LEAK" in str(table)
    assert f"»{PRIVATE}«" in str(table)
    page = table._repr_html_()
    assert re.search(rf"<span style='[^']*'>{re.escape(PRIVATE)}</span>", page)
    assert "<think>" not in page
    assert "&lt;think&gt;" in page
    assert str(table).splitlines()[0] == table.headline()
    assert "11 of 22" in table.headline()


def raising(_: Any) -> Any:
    raise ValueError("<b>no</b>")


def looping(_: Any) -> Any:
    while True:
        pass


def leaving(_: Any) -> Any:
    raise SystemExit


def one_text_only(text: str) -> Any:
    return text


@pytest.mark.parametrize("lab", [leak_lab, leak_lab_stream])
@pytest.mark.parametrize("function", [raising, looping, leaving, lambda _: 7, lambda _: (1, 2)])
def test_the_lab_survives_any_function(lab: Any, function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if function is looping:
        monkeypatch.setattr("npc_lab.lessons.leaks._SECONDS", 0.2)
        monkeypatch.setattr("npc_lab.lessons.leaks._ALL_SECONDS", 0.5)
    table = lab(function)
    assert table.rows[0].verdict == FAILED
    assert (table.leaks, len(table.rows)) == (0, len(ODD_REPLIES))
    assert function is not looping or "no end" in table.rows[0].shown
    assert "<b>no" not in table._repr_html_()
    assert str(table)


def test_the_lab_says_why_a_function_failed() -> None:
    assert "ValueError" in leak_lab(raising).rows[0].shown
    assert "not (visible, thought)" in leak_lab(one_text_only).rows[0].shown


def test_an_interrupt_stops_the_lab() -> None:
    def interrupted(_: str) -> Any:
        raise KeyboardInterrupt

    table = leak_lab(interrupted)
    assert table.rows[0].shown == "you stopped it"
    assert table.count("not tried") == len(ODD_REPLIES) - 1


def test_the_lab_says_that_an_empty_function_was_not_tried() -> None:
    def stub(text: str) -> Any:
        """Give (visible, thought)."""
        ...

    for lab in (leak_lab, leak_lab_stream):
        for nothing in (stub, None):
            table = lab(nothing)
            assert "Nothing was tried" in str(table)
            assert "Nothing was tried" in table._repr_html_()
            assert (table.rows, table.leak_rate) == ([], 0)


def test_an_answer_shares_no_private_words() -> None:
    assert not leaked(ANSWER, PRIVATE)
    assert leaked("So THE GOLD lies there", PRIVATE) == "The gold lies "
    assert leak_lab(lambda _: ("Hm.", "")).count(OTHER) == len(ODD_REPLIES)
