"""Private thoughts stay private, however a model writes its marks and wherever a stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npc_lab.scratchpad import ThoughtParser, split_thoughts

pytestmark = pytest.mark.once

SECRET = "the gold lies under the oak"

# (what the model wrote, what may be shown). The secret is always private.
ODD_REPLIES = {
    "as asked": (f"#SCRATCHPAD\n{SECRET}\n#ANSWER\nGood day.", "Good day."),
    "no marks": ("Good day.", "Good day."),
    "all on one line": (f"#SCRATCHPAD {SECRET} #ANSWER Good day.", "Good day."),
    "answer on the line of its mark": (f"#SCRATCHPAD\n{SECRET}\n#ANSWER Good day.", "Good day."),
    "marks side by side": ("#SCRATCHPAD#ANSWER Good day.", "Good day."),
    "lower case": (f"#scratchpad\n{SECRET}\n#answer\nGood day.", "Good day."),
    "mixed case": (f"#ScratchPad\n{SECRET}\n#Answer\nGood day.", "Good day."),
    "a colon": (f"#SCRATCHPAD: {SECRET}\n#ANSWER: Good day.", "Good day."),
    "bold": (f"**#SCRATCHPAD**\n{SECRET}\n**#ANSWER**\nGood day.", "Good day."),
    "bold with a colon": (f"**#SCRATCHPAD:**\n{SECRET}\n**#ANSWER:** Good day.", "Good day."),
    "bold without hash": (f"**SCRATCHPAD**\n{SECRET}\n**ANSWER**\nGood day.", "Good day."),
    "headings": (f"## Scratchpad\n{SECRET}\n## Answer\nGood day.", "Good day."),
    "heading and hash": (f"# #SCRATCHPAD\n{SECRET}\n# #ANSWER\nGood day.", "Good day."),
    "two words": (f"#SCRATCH PAD\n{SECRET}\n#ANSWER\nGood day.", "Good day."),
    "indented": (f"  #SCRATCHPAD\n  {SECRET}\n  #ANSWER\n  Good day.", "Good day."),
    "windows line ends": (f"#SCRATCHPAD\r\n{SECRET}\r\n#ANSWER\r\nGood day.", "Good day."),
    "wide hash": (f"＃SCRATCHPAD\n{SECRET}\n＃ANSWER\nGood day.", "Good day."),
    "no start mark": (f"{SECRET}\n#ANSWER\nGood day.", "Good day."),
    "no start mark, one line": (f"{SECRET} #ANSWER Good day.", "Good day."),
    "no end mark": (f"#SCRATCHPAD\n{SECRET}", ""),
    "cut in the end mark": (f"#SCRATCHPAD\n{SECRET}\n#ANSW", ""),
    "nothing after the end mark": (f"#SCRATCHPAD\n{SECRET}\n#ANSWER\n ", ""),
    "bare end mark": (f"#SCRATCHPAD\n{SECRET}\nANSWER: Good day.", "Good day."),
    "the word Answer in thoughts": (f"#SCRATCHPAD\nAnswer: {SECRET}", ""),
    "hashtags in thoughts": (f"#SCRATCHPAD\n#answers #ANSWERED #answer_me\n{SECRET}", ""),
    "hashtag in the answer": (f"#SCRATCHPAD\n{SECRET}\n#ANSWER\nNo #answers here.", "No #answers here."),
    "mark mentioned in thoughts": (
        f"#SCRATCHPAD\nThen I put #ANSWER and speak. {SECRET}\n#ANSWER\nHi.",
        "Hi.",
    ),
    "mark mentioned, no answer": (f"#SCRATCHPAD\nThen I put #ANSWER and speak. {SECRET}", ""),
    "mark quoted, no answer": (f"#SCRATCHPAD\nThe mark is `#ANSWER` and {SECRET}", ""),
    "mark mentioned with a comma": (f"#SCRATCHPAD\nI write a line #ANSWER, and speak. {SECRET}", ""),
    "mark mentioned at an end": (f"#SCRATCHPAD\nI think before #ANSWER. {SECRET}", ""),
    "mark mentioned in brackets": (f"#SCRATCHPAD\nNow the mark (#ANSWER). {SECRET}", ""),
    "mark mentioned before brackets": (f"#SCRATCHPAD\nThe mark is #ANSWER ({SECRET})", ""),
    "mark mentioned in a question": (f"#SCRATCHPAD\nNow #ANSWER? Not yet. {SECRET}", ""),
    "mark mentioned with a dash": (f"#SCRATCHPAD\nThe tag #ANSWER - {SECRET}", ""),
    "mark mentioned in a list": (f"#SCRATCHPAD\n1) think 2) #ANSWER 3) {SECRET}", ""),
    "mark mentioned before a line end": (f"#SCRATCHPAD\nFirst this, then #ANSWER.\n{SECRET}", ""),
    "mark mentioned, no start mark": (f"I think before #ANSWER. {SECRET}", ""),
    "bullet": (f"- SCRATCHPAD: {SECRET}\n#ANSWER\nGood day.", "Good day."),
    "bare capitals": (f"SCRATCHPAD {SECRET}\n#ANSWER Good day.", "Good day."),
    "no-break space": (f"#\xa0SCRATCHPAD {SECRET}", ""),
    "in brackets": (f"[SCRATCHPAD]\n{SECRET}\n#ANSWER\nGood day.", "Good day."),
    "bold at the start of speech": ("**Answer** me truthfully!", "**Answer** me truthfully!"),
    "a heading that is no mark": ("# Answer the riddle", "# Answer the riddle"),
    "comments in code": (
        "#ANSWER\nLook:\n# answer: 42\nx = 1\n# answer",
        "Look:\n# answer: 42\nx = 1\n# answer",
    ),
    "think with a blank": (f"<think >{SECRET}</think >Good day.", "Good day."),
    "think with a line feed": (f"<think\n>{SECRET}</think\n>Good day.", "Good day."),
    "think with a setting": (f"<think effort=high>{SECRET}</think>Good day.", "Good day."),
    "text before": (f"Sure! #SCRATCHPAD {SECRET} #ANSWER Good day.", "Good day."),
    "text before, no end": (f"Good day. #SCRATCHPAD {SECRET}", ""),
    "two scratchpads": (f"#SCRATCHPAD\na\n#ANSWER\nHi.\n#SCRATCHPAD\n{SECRET}\n#ANSWER\nBye.", "Hi.\nBye."),
    "second scratchpad in the line": (
        f"#SCRATCHPAD\na\n#ANSWER\nHi. #SCRATCHPAD {SECRET} #ANSWER Bye.",
        "Hi.",
    ),
    "one line, second scratchpad cut": (f"#SCRATCHPAD a. #ANSWER Hi. #SCRATCHPAD {SECRET}", "Hi."),
    "start mark twice": (f"#SCRATCHPAD\n#SCRATCHPAD\n{SECRET}\n#ANSWER\nGood day.", "Good day."),
    "end mark twice": (f"#SCRATCHPAD\n{SECRET}\n#ANSWER #ANSWER\n#ANSWER\nGood day.", "Good day."),
    "two end marks in the line": (f"#SCRATCHPAD Hm. #ANSWER No. {SECRET}. #ANSWER Good day.", "Good day."),
    "think": (f"<think>{SECRET}</think>Good day.", "Good day."),
    "think in capitals": (f"<THINK>\n{SECRET}\n</THINK>\nGood day.", "Good day."),
    "think without end": (f"<think>{SECRET}", ""),
    "think, then marks": (f"<think>{SECRET}</think>\n#SCRATCHPAD\n{SECRET}\n#ANSWER\nGood day.", "Good day."),
    "marks inside think": (f"<think>#ANSWER {SECRET}</think>#SCRATCHPAD\nx\n#ANSWER\nGood day.", "Good day."),
    "think in the answer": (f"#SCRATCHPAD\nx\n#ANSWER\nGood <think>{SECRET}</think>day.", "Good day."),
    "markdown in the answer": (
        "#SCRATCHPAD\nx\n#ANSWER\n**Hail!**\n- one\n# two <b>",
        "**Hail!**\n- one\n# two <b>",
    ),
}
PLAIN_REPLIES = {
    "plain": ("Good day.\n\nHow *are* you?", "Good day.\n\nHow *are* you?"),
    "think": (f"<think>{SECRET}</think>\n\nGood day.", "Good day."),
    "think with a line feed": (f"<think\n>{SECRET}</think\n>Good day.", "Good day."),
    "think with a setting": (f"<think effort=high>{SECRET}</think>Good day.", "Good day."),
    "think without end": (f"Good day. <think>{SECRET}", "Good day."),
    "scratchpad nobody asked for": (f"#SCRATCHPAD\n{SECRET}\n#ANSWER\nGood day.", "Good day."),
    "scratchpad at the end": (f"Good day.\n#SCRATCHPAD\n{SECRET}", "Good day."),
    "bold scratchpad nobody asked for": (f"**#SCRATCHPAD**\n{SECRET}\n**#ANSWER**\nGood day.", "Good day."),
    "bold scratchpad without end": (f"**#SCRATCHPAD**\n{SECRET}", ""),
    "talk of a scratchpad": ("Look in the #scratchpad channel.", "Look in the #scratchpad channel."),
    "a heading": ("The sum is\n## Answer: 42", "The sum is\n## Answer: 42"),
    "comparison": ("Is 1 < 2? <b>Yes</b>, <thin> ice.", "Is 1 < 2? <b>Yes</b>, <thin> ice."),
}


def streamed(text: str, cuts: list[int], has_scratchpad: bool) -> tuple[list[str], ThoughtParser]:
    """What is given out when the text arrives in pieces that end at these places."""
    parser = ThoughtParser(has_scratchpad)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [parser.feed(text[a:b]) for a, b in pairwise(places)]
    return [*pieces, parser.finish()], parser


@pytest.mark.parametrize("name", ODD_REPLIES)
def test_an_odd_reply_shows_its_answer_and_nothing_else(name: str) -> None:
    reply, answer = ODD_REPLIES[name]
    visible, thought = split_thoughts(reply, has_scratchpad=True)
    assert visible == answer
    assert SECRET not in reply or SECRET in thought


@pytest.mark.parametrize("name", PLAIN_REPLIES)
def test_without_a_scratchpad_only_real_thoughts_are_hidden(name: str) -> None:
    reply, answer = PLAIN_REPLIES[name]
    assert split_thoughts(reply, has_scratchpad=False)[0] == answer


def test_an_end_of_thinking_without_a_beginning_hides_what_stood_before_it() -> None:
    assert split_thoughts(f"{SECRET}</think>Good day.", has_scratchpad=False) == ("Good day.", SECRET)
    assert split_thoughts(f"{SECRET}</think>Good day.", has_scratchpad=True) == ("Good day.", SECRET)


def test_a_reply_cut_by_its_token_limit_shows_nothing_behind_a_mark_in_the_line() -> None:
    """Whether the mark was used or only mentioned can no longer be known."""
    assert split_thoughts(f"#SCRATCHPAD I think. #ANSWER {SECRET}", True, complete=False)[0] == ""
    assert split_thoughts(f"I will write. #ANSWER {SECRET}", True, complete=False)[0] == ""
    assert split_thoughts("#SCRATCHPAD\nI think.\n#ANSWER\nGood d", True, complete=False)[0] == "Good d"
    assert split_thoughts("Good d", True, complete=False)[0] == "Good d"


@given(
    st.sampled_from([*ODD_REPLIES.values()]),
    st.lists(st.integers(min_value=0, max_value=200), max_size=40),
)
def test_however_a_stream_is_cut_it_gives_out_the_same(
    reply_and_answer: tuple[str, str], cuts: list[int]
) -> None:
    reply, answer = reply_and_answer
    pieces, parser = streamed(reply, cuts, has_scratchpad=True)
    assert "".join(pieces) == parser.visible == answer
    assert SECRET not in parser.visible


@given(
    st.sampled_from([*PLAIN_REPLIES.values()]),
    st.lists(st.integers(min_value=0, max_value=200), max_size=40),
)
def test_a_plain_stream_is_cut_without_loss_too(reply_and_answer: tuple[str, str], cuts: list[int]) -> None:
    reply, answer = reply_and_answer
    pieces, _ = streamed(reply, cuts, has_scratchpad=False)
    assert "".join(pieces) == answer


MARKS = ["#SCRATCHPAD", "#ANSWER", "#answer:", "#ANSWERED", "Scratchpad:", "ANSWER", "<think>", "</think>"]
PIECES = [
    "**",
    "#",
    "##",
    " ",
    "\n",
    "\n\n",
    "<",
    ":",
    "_",
    "#scratch",
    "pad",
    "word",
    "Word. ",
    "'",
    "`",
    "\ufeff",
]
FRAGMENTS = st.sampled_from([*MARKS, *PIECES, "é", "😀"])
MODEL_TEXT = st.lists(FRAGMENTS | st.text(max_size=5), max_size=25).map("".join)


@settings(max_examples=500)
@given(
    MODEL_TEXT, st.lists(st.integers(min_value=0, max_value=200), max_size=60), st.booleans(), st.booleans()
)
@example("#SCRATCHPAD\nx\n#ANSWER_\nx", [21, 22], True, True)
@example("**#ANSWER**x", [9, 10], True, True)
def test_cuts_never_change_what_is_shown(
    text: str, cuts: list[int], has_scratchpad: bool, complete: bool
) -> None:
    """The one exception is an end of thinking that never began: a stream has shown what stood before it."""
    first_close = text.casefold().find("</think")
    if first_close >= 0 and "<think" not in text.casefold()[:first_close]:
        text = text[:first_close]
    parser = ThoughtParser(has_scratchpad)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    given_out = "".join(parser.feed(text[a:b]) for a, b in pairwise(places))
    given_out += parser.finish(complete)
    if "</think" not in text.casefold():
        assert given_out == split_thoughts(text, has_scratchpad, complete)[0]
    assert given_out == parser.visible == given_out.strip()


@given(MODEL_TEXT, st.text(alphabet="xyz ", min_size=3, max_size=20))
def test_what_stands_behind_a_start_mark_and_before_any_end_is_never_shown(before: str, private: str) -> None:
    private = f"Q{private}Q"
    pieces, parser = streamed(f"{before}\n#SCRATCHPAD\n{private}", list(range(300)), has_scratchpad=True)
    assert private not in "".join(pieces)
    assert private in parser.thought


@pytest.mark.parametrize("character", ["#", "*", "_", " ", "\n", "<", "`", "＃", "#_", "# ", "a#", "<t"])
def test_no_text_makes_the_parser_slow(character: str) -> None:
    """200 times the text may take some 200 times as long, not 40,000 times: counted in steps, not seconds."""
    import sys

    def steps(text: str) -> int:
        count = 0

        def counter(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counter)
        try:
            split_thoughts(text, has_scratchpad=True)
        finally:
            sys.setprofile(None)
        return count

    assert steps(character * 20_000) <= 4 * steps(character * 100)


def test_words_are_shown_as_soon_as_they_cannot_be_a_mark() -> None:
    parser = ThoughtParser(has_scratchpad=True)
    assert parser.feed("#SCRATCHPAD\nhm\n#ANSWER\n") == ""
    assert parser.feed("Good ") == "Good"
    assert parser.feed("day.") == " day."
    plain = ThoughtParser(has_scratchpad=False)
    assert plain.feed("Good day") == "Good day"


def test_thoughts_can_be_watched_while_they_grow() -> None:
    parser = ThoughtParser(has_scratchpad=True)
    parser.feed("#SCRATCHPAD\nfirst thought\n")
    assert parser.thought == "first thought"
