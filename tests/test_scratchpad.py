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
    "bullet, no end mark": (f"- SCRATCHPAD: {SECRET}", ""),
    "a byte order mark before the first word": (f"\ufeffSCRATCHPAD: {SECRET}", ""),
    "a blank of no width before the first word": (f"\u200bSCRATCHPAD: {SECRET}", ""),
    "two words, no end mark": (f"#SCRATCH PAD\n{SECRET}", ""),
    "two words with a hyphen, no end mark": (f"#Scratch-Pad\n{SECRET}", ""),
    "the mark's genitive in thoughts": (f"#SCRATCHPAD\n#ANSWER's place is below. {SECRET}", ""),
    "bold speech on the line of its mark": (f"#SCRATCHPAD\n{SECRET}\n#ANSWER **Hail!**", "**Hail!**"),
    "bold inside the mark": (f"#SCRATCHPAD\n{SECRET}\n#**ANSWER** Good day.", "Good day."),
    "bold inside a heading": (f"#SCRATCHPAD\n{SECRET}\n# **ANSWER** Good day.", "Good day."),
    "a quoted line with its mark": (f"#SCRATCHPAD\nI write “#ANSWER Good day” later, for {SECRET}", ""),
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
        "Hi. Bye.",
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

# What servers sent, and where that was reported. Each is right with a scratchpad and without.
WRAPPED_REPLIES = {
    # An end without its beginning, which the template has put into the prompt.
    "kekzl/imp#509": (f"The user greets me. {SECRET}\n</think>\n\nGood day.", "Good day."),
    "perplexityai/api-discussion#177": (f"Hm.\n\n{SECRET}</think>Good day.", "Good day."),
    "ryanczak/rexyMCP#6": (f"</think>They want it. {SECRET}\n</think>\nGood day.", "Good day."),
    "a second end": (f"<think>I write </think> and {SECRET}</think>Good day.", "Good day."),
    "MiniMax, NousResearch/hermes-agent#62680": (f"<mm:think>{SECRET}</mm:think>\nGood day.", "Good day."),
    "open-webui#16856": (f"<seed:think>{SECRET}</seed:think>Good day.", "Good day."),
    "anomalyco/opencode#11439": (f"<thinking>\n{SECRET}\n</thinking>\nGood day.", "Good day."),
    "Risuai#764": (f"<Thoughts>{SECRET}</Thoughts>Good day.", "Good day."),
    "lmstudio-bug-tracker#1602": (f"<reasoning>{SECRET}</reasoning>Good day.", "Good day."),
    "hermes-agent#43950": (f"<REASONING_SCRATCHPAD>{SECRET}</REASONING_SCRATCHPAD>Good day.", "Good day."),
    "a scratchpad of tags": (f"<scratchpad>\n{SECRET}\n</scratchpad>\nGood day.", "Good day."),
    "RooCode#8522": (f"[THINK]{SECRET}[/THINK]Good day.", "Good day."),
    "waybarrios/vllm-mlx#599": (f"{SECRET}[/THINK]Good day.", "Good day."),
    "Kimi-VL": (f"◁think▷{SECRET}◁/think▷Good day.", "Good day."),
    "OpenThinker": (
        f"<|begin_of_thought|>{SECRET}<|end_of_thought|><|begin_of_solution|>Good day.<|end_of_solution|>",
        "Good day.",
    ),
    "Command A": (f"<|START_THINKING|>{SECRET}<|END_THINKING|>Good day.", "Good day."),
    "Apertus": (f"<|inner_prefix|>{SECRET}<|inner_suffix|>Good day.", "Good day."),
    "lmstudio#2013": (f"<|channel>thought\n{SECRET}\n<channel|>Good day.", "Good day."),
    "channels of Gemma": (f"<|channel>thought\n{SECRET}<channel|><|channel>final\nGood day.", "Good day."),
    "kekzl/imp#768": (
        f"<|channel|>analysis<|message|>{SECRET}<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Good day.<|return|>",
        "Good day.",
    ),
    "ml-explore/mlx-lm#1867": (
        f'<|channel|>commentary to=functions.x <|constrain|>json<|message|>{{"{SECRET}": 1}}<|call|>'
        "<|start|>assistant<|channel|>final<|message|>Good day.",
        "Good day.",
    ),
    "cuga-agent#672": (
        f"<|channel|>analysis<|message|>Hm.<|end|>\n<|channel|>commentary<|message|>{SECRET}"
        "<|channel|>final<|message|>Good day.",
        "Good day.",
    ),
    "only the last channel": (
        f"{SECRET}<|end|><|start|>assistant<|channel|>final<|message|>Good day.",
        "Good day.",
    ),
    "channels without final": (f"<|channel|>analysis<|message|>{SECRET}", ""),
    "Augustas11/macprovider#743": (f"analysisWe know: {SECRET}.assistantfinalGood day.", "Good day."),
    # Marks of a template, at the end and at the beginning.
    "moltis#306": ("Good day.<|im_end|>", "Good day."),
    "ollama#2673": ("Good day.<|im_end|>\n<|im_start|>user\nHello!<|im_end|>", "Good day."),
    "imoneoi/openchat#48": ("Good day.<|end_of_turn|>GPT4 Correct User: Hello!", "Good day."),
    "Llama 3": (
        "<|start_header_id|>assistant<|end_header_id|>\n\nGood day.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHello!",
        "Good day.",
    ),
    "Mistral": ("[/INST] Good day.</s>[INST] Hello! [/INST]", "Good day."),
    "Gemma": ("Good day.<end_of_turn>\n<start_of_turn>user\nHello!", "Good day."),
    "DeepSeek": ("Good day.<｜end▁of▁sentence｜><｜User｜>Hello!", "Good day."),
    "another one's turn first": ("<|im_start|>user\nHello!", ""),
    # The character's own name.
    "agnai#407": ("Guy: Good day.", "Good day."),
    "the whole name in bold": ("**Sir Guy:** Good day.", "Good day."),
    "the name behind thoughts": (f"<think>{SECRET}</think>\n[Guy]: Good day.", "Good day."),
    "lines for the partner stay": ("Guy: Good day.\nHans: And to you.", "Good day.\nHans: And to you."),
}
# What is no thought and no mark.
SPEECH = [
    "I say <think> before I think",
    "Write `<think>` and `</s>` in quotes.",
    "*thinks: he lies* Good day.",
    "The price is <s>4</s> 3 pence.",
    "Guy Fawkes: a fine man.",
    "Sir: you lie.",
    "A <b>bold</b> [THINKER], 1 < 2 and <thin> ice; a final analysis.",
]
PLAIN_SPEECH = [
    "#scratchpad is my channel",
    "Look:\n```\n# Scratchpad\nx = 1\n```",
    "Scratchpad: two pence.\n**Scratchpads** at 2d",
]
SPEECH_BEHIND_AN_ANSWER = [
    "Scratchpad: a small notebook costs 2 pence",
    "I sell\n- scratchpad: 2 pence\n**Scratchpads** at 2d\n(the scratchpad rustles)",
    "I call it my #SCRATCHPAD, sir.",
]


def parted(text: str, has_scratchpad: bool) -> tuple[str, str]:
    return split_thoughts(text, has_scratchpad, name="Sir Guy")


@pytest.mark.parametrize("has_scratchpad", [False, True])
@pytest.mark.parametrize("name", WRAPPED_REPLIES)
def test_thoughts_and_marks_of_templates_are_not_shown(name: str, has_scratchpad: bool) -> None:
    reply, answer = WRAPPED_REPLIES[name]
    visible, thought = parted(reply, has_scratchpad)
    assert visible == answer
    assert (SECRET in thought) == (SECRET in reply)


WITH_A_BEGINNING = [
    name
    for name, (reply, _) in WRAPPED_REPLIES.items()
    if reply.startswith(("<", "[", "◁", "analysis")) and name not in ("ryanczak/rexyMCP#6", "a second end")
]


@pytest.mark.parametrize("has_scratchpad", [False, True])
@pytest.mark.parametrize("name", WITH_A_BEGINNING)
def test_thoughts_that_are_cut_stay_private(name: str, has_scratchpad: bool) -> None:
    reply, _ = WRAPPED_REPLIES[name]
    for end in range(len(reply)):
        visible, _ = split_thoughts(reply[:end], has_scratchpad, complete=False)
        assert SECRET[:9] not in visible


@pytest.mark.parametrize("speech", [*SPEECH, *PLAIN_SPEECH])
def test_ordinary_speech_is_not_hidden(speech: str) -> None:
    assert parted(speech, has_scratchpad=False) == (speech, "")


@pytest.mark.parametrize("speech", [*SPEECH, *SPEECH_BEHIND_AN_ANSWER])
def test_ordinary_speech_behind_an_answer_is_not_hidden(speech: str) -> None:
    assert parted(f"#SCRATCHPAD\n{SECRET}\n#ANSWER\n{speech}", has_scratchpad=True) == (speech, SECRET)


def test_a_beginning_in_mid_sentence_counts_if_it_is_ended_or_cut() -> None:
    said = "I say <think> and then"
    assert split_thoughts(f"{said}</think>, sir.", False) == ("I say , sir.", "and then")
    assert split_thoughts(said, False, complete=False) == ("I say", "and then")


def test_what_a_stream_has_shown_is_taken_back_when_it_was_a_thought() -> None:
    parser = ThoughtParser(has_scratchpad=False)
    assert parser.feed(f"{SECRET} ") == SECRET
    assert parser.visible == SECRET
    parser.feed("</think>")
    assert (parser.visible, parser.thought, parser.has_lone_end) == ("", SECRET, True)
    assert parser.feed("Good day.") + parser.finish() == parser.visible == "Good day."


def test_of_a_model_that_thinks_first_nothing_is_shown_before_its_thoughts_end() -> None:
    parser = ThoughtParser(has_scratchpad=False, waits=True)
    assert parser.feed(f"{SECRET} ") + parser.feed("</thi") + parser.feed("nk>") == ""
    assert parser.feed("Good day.") == "Good day."
    assert split_thoughts("Good day.", False, waits=True) == ("Good day.", "")
    assert split_thoughts(SECRET, False, complete=False, waits=True) == ("", SECRET)


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
    """The finished text is the same. What was given out before may have turned out to be a thought."""
    parser = ThoughtParser(has_scratchpad)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    given_out = "".join(parser.feed(text[a:b]) for a, b in pairwise(places))
    given_out += parser.finish(complete)
    assert (parser.visible, parser.thought) == split_thoughts(text, has_scratchpad, complete)
    if not parser.has_lone_end:
        assert given_out == parser.visible == given_out.strip()


@given(MODEL_TEXT, st.text(alphabet="xyz ", min_size=3, max_size=20))
def test_what_stands_behind_a_start_mark_and_before_any_end_is_never_shown(before: str, private: str) -> None:
    private = f"Q{private}Q"
    text = f"{before}\n#SCRATCHPAD\n{private}"
    pieces, parser = streamed(text, list(range(300)), has_scratchpad=True)
    assert private not in "".join(pieces)
    assert private in parser.thought or parser.length < len(text)  # a mark of the template ended the reply


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
