"""Lesson 03: separating private thoughts from speech, in a whole reply and in a stream."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

from npc_lab.lessons.checking.exercise import CantCheck, Exercise, FunctionTrial, NotAttempted, Wrong
from npc_lab.lessons.checking.learners_code import apart, is_stub, names_in, quote, show, why_none
from npc_lab.lessons.checking.plain import plain
from npc_lab.lessons.leaks import ODD_REPLIES, cut, leaked, many_cuts
from npc_lab.text import shorten

_ODD = {reply.name: reply for reply in ODD_REPLIES}
_OTHER_SPELLINGS = ("small letters", "bold", "headings", "colons")
_MARKS = re.compile(r"#\s?(SCRATCHPAD|ANSWER)", re.IGNORECASE)
_MOST_PIECES = 10_000

# A thought and an answer must share no run of letters, or the answer would count as a leak.
_THIEVES = ("Oswin", "Brand", "Torvald", "Wulfric")
_GUESTS = ("Hild", "Matilda", "Emma", "Agnes")
_THINGS = ("silver cup", "red letter", "stolen horse", "old map", "iron key", "bag of coins")
_PLACES = ("under the bridge", "behind the mill", "in the cellar", "below the third stone", "in a barrel")
_GREETINGS = ("Well met", "Welcome", "Ah, a guest", "Sit with me", "Never fear", "Excellent")


def _private() -> str:
    """Return a random thought. Its first letter is also in the word SCRATCHPAD."""
    place, name, thing = random.choice(_PLACES), random.choice(_THIEVES), random.choice(_THINGS)
    return f"Surely {name} hid the {thing} {place}."


def _answer() -> str:
    """Return a random line of talk. Its first letter is also in the word ANSWER."""
    return f"{random.choice(_GREETINGS)}, {random.choice(_GUESTS)}! It is {random.randint(2, 12)} o'clock."


class SplitTrial(FunctionTrial):
    """A learner's parser of whole replies."""

    def split(self, text: str) -> tuple[str, str]:
        """Return what may be shown and what was thought. Raise `Wrong` unless these are two texts."""
        pair = self(text)
        if pair is None:
            advice = why_none(self.learners_object)
            raise Wrong(self.called, "two texts", "None", advice, fault="It gives None.")
        is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
        if not is_pair or not all(isinstance(each, str) for each in pair):
            advice = 'Give two texts: `return visible, thought`. Where there is none, give "".'
            expected, fault = (
                "(visible, thought), two texts",
                f"It gives {show(pair, 60)}, and no pair of texts.",
            )
            raise Wrong(self.called, expected, show(pair), advice, fault=fault)
        return pair[0], pair[1]

    def expect_split(self, text: str, visible: str, thought: str | None, advice: str) -> None:
        """Raise `Wrong` unless these two texts are returned; white space around them is ignored.

        thought: None for any.
        """
        got = self.split(text)
        right = got[0].strip() == visible and (thought is None or got[1].strip() == thought)
        if not right:
            raise self.wrong_pair(visible, thought, got, advice)

    def expect_no_leak(self, text: str, private: str, advice: str) -> None:
        """Raise `Wrong` if the visible text holds private words."""
        visible, _ = self.split(text)
        if run := leaked(visible, private):
            expected, fault = (
                "a visible text without private words",
                f"The private words {quote(run, 60)} are in visible.",
            )
            drawing = f"  This leaked: {run}"
            raise Wrong(self.called, expected, show(visible), advice, drawing, fault=fault)

    def wrong_pair(
        self, visible: str, thought: str | None, got: tuple[str, str], advice: str, fault: str = ""
    ) -> Wrong:
        """Return what to raise about two texts. thought: None for any."""
        fault = fault or _of_the_texts(visible, thought, got)
        if thought is not None:
            return Wrong(self.called, *apart((visible, thought), got), advice, fault=fault)
        wanted, given = apart(visible, got[0])
        return Wrong(self.called, f"visible {wanted}", f"visible {given}", advice, fault=fault)


def _of_the_texts(visible: str, thought: str | None, got: tuple[str, str]) -> str:
    """Return what is wrong with the first of the two texts that is not as it should be, as a sentence."""
    pairs = [("visible", visible, got[0]), *([("thought", thought, got[1])] if thought is not None else [])]
    name, wanted, given = next((each for each in pairs if each[1] != each[2].strip()), pairs[0])
    if not given:
        return f"{name} is empty."
    if mark := _MARKS.search(given):
        return f"{name} holds the mark {mark[0]}: {quote(given, 60)}."
    if "".join(given.split()) == "".join(wanted.split()):
        return f"The line breaks of {name} are changed."
    if wanted and given.strip() in wanted:
        return f"{name} is only {quote(given, 60)}."
    return f"{name} is {quote(given, 60)}."


split_reply = Exercise("split_reply", "03", "split_reply", "your function", SplitTrial)


@split_reply.step("It gives two texts: what may be shown, and the thought")
def pair(trial: SplitTrial) -> str:
    trial.split(f"#SCRATCHPAD\n{_private()}\n#ANSWER\n{_answer()}")
    return "It gives two texts."


@split_reply.step("A reply with both marks is separated at its end mark", needs=["pair"])
def parted(trial: SplitTrial) -> str:
    for _ in range(3):
        private, answer = _private(), _answer()
        visible, thought = got = trial.split(f"#SCRATCHPAD\n{private}\n#ANSWER\n{answer}")
        if private in visible and answer in thought and answer not in visible:
            advice, fault = "The visible text comes first, then the thought.", "The two texts are swapped."
            raise trial.wrong_pair(answer, private, got, advice, fault)
        if answer not in visible or private in visible:
            advice = "What follows #ANSWER is visible, all of it and nothing else."
            fault = f"The thought is in visible: {quote(visible, 60)}." if private in visible else ""
            raise trial.wrong_pair(answer, private, got, advice, fault)
        if private not in thought or answer in thought:
            fault = f"The answer is in the thought: {quote(thought, 60)}." if answer in thought else ""
            fault = fault or f"thought is {quote(thought, 60)}."
            advice = "The thought is what stands before #ANSWER."
            raise trial.wrong_pair(answer, private, got, advice, fault)
    return "What follows the end mark is visible, the rest is thought."


@split_reply.step("The marks themselves are in neither text", needs=["parted"], only_with=["parted"])
def no_marks(trial: SplitTrial) -> str:
    private, answer = _private(), _answer()
    visible, thought = trial.split(f"#SCRATCHPAD\n{private}\n#ANSWER\n{answer}")
    if _MARKS.search(visible + thought):
        advice = "Cut both marks out: replace() and removeprefix() can do it."
        name, text = ("visible", visible) if _MARKS.search(visible) else ("thought", thought)
        fault = f"The mark is still in {name}: {quote(text, 60)}."
        raise trial.wrong_pair(answer, private, (visible, thought), advice, fault)
    return "The marks are gone."


@split_reply.step("White space around both texts is cut", needs=["no_marks"])
def stripped(trial: SplitTrial) -> str:
    for before, after in (("", ""), ("\n", "  "), (" \n\n", "\n\n")):
        private, answer = _private(), _answer()
        text = f"#SCRATCHPAD\n{before}{private}{after}\n#ANSWER\n{before}{answer}{after}"
        got = trial.split(text)
        if got != (answer, private):
            advice = "Give visible.strip() and thought.strip()."
            name, given = ("visible", got[0]) if got[0] != answer else ("thought", got[1])
            fault = (
                f"There is white space around {name}: {show(given, 60)}." if given.strip() != given else ""
            )
            raise trial.wrong_pair(answer, private, got, advice, fault)
    return "Both texts begin and end with a word."


@split_reply.step("Thoughts and answers of several lines stay whole", needs=["no_marks"])
def several_lines(trial: SplitTrial) -> str:
    private, answer = f"{_private()}\n\n- {_private()}", f"{_answer()}\n\n{_answer()}\n{_answer()}"
    advice = "An answer goes on to the end of the reply: join its lines with a line break between them."
    trial.expect_split(f"#SCRATCHPAD\n{private}\n#ANSWER\n{answer}", answer, private, advice)
    return "Texts of several lines stay as they are."


@split_reply.step("A reply without marks is all answer", needs=["parted"], only_with=["parted"])
def unmarked(trial: SplitTrial) -> str:
    answer = _answer()
    advice = 'Where there is no mark at all, give the whole text, and "" as the thought.'
    trial.expect_split(answer, answer, "", advice)
    return "A reply without marks is shown."


@split_reply.step("An end mark alone makes what stands before it a thought", needs=["no_marks"])
def end_mark_alone(trial: SplitTrial) -> str:
    private, answer = _private(), _answer()
    advice = "Look for #ANSWER first. Whether #SCRATCHPAD stands there, too, does not matter then."
    trial.expect_split(f"{private}\n#ANSWER\n{answer}", answer, private, advice)
    return "A forgotten start mark lets nothing out."


@split_reply.step("A start mark without an end mark lets nothing out", needs=["parted"], only_with=["parted"])
def no_end_mark(trial: SplitTrial) -> str:
    private = _private()
    advice = (
        'Fail closed: with a start mark and no end mark, visible is "". Models are cut off in mid-thought.'
    )
    trial.expect_split(f"#SCRATCHPAD\n{private}", "", None, advice)
    trial.expect_split(f"#SCRATCHPAD\n{private}\n#ANSW", "", None, advice)
    trial.expect_no_leak(f"Sure!\n#SCRATCHPAD\n{private}", private, advice)
    return "A reply that is cut off in its thoughts shows nothing."


@split_reply.step("A mark inside the thoughts does not end them", needs=["parted"], only_with=["parted"])
def mark_in_thoughts(trial: SplitTrial) -> str:
    private, answer = _private(), _answer()
    advice = "Several end marks: let the last one decide. At each one, all that came before becomes thought."
    trial.expect_no_leak(_ODD["a mark in the thoughts"].text(private, answer), private, advice)
    return "The last end mark decides."


@split_reply.step(
    "Second thoughts, after the answer, stay hidden",
    needs=["no_end_mark", "mark_in_thoughts"],
    only_with=["parted"],
)
def second_thoughts(trial: SplitTrial) -> str:
    private, answer = _private(), _answer()
    advice = "Look at visible once more before you give it. Is there a start mark in it? Then show nothing."
    for name in ("second thoughts, cut off", "second thoughts, second answer"):
        trial.expect_no_leak(_ODD[name].text(private, answer), private, advice)
    return "A second scratchpad stays private."


@split_reply.step(
    "Marks in another spelling let nothing out", needs=["unmarked", "second_thoughts"], only_with=["parted"]
)
def other_spellings(trial: SplitTrial) -> str:
    private, answer = _private(), _answer()
    advice = 'Is the word scratchpad in visible, in capitals or not? Then show nothing: "" is safe.'
    for name in _OTHER_SPELLINGS:
        trial.expect_no_leak(_ODD[name].text(private, answer), private, advice)
    advice = "A mark in small letters is a mark, too. Where #answer is in visible, show nothing."
    trial.expect_no_leak(f"{private}\n#answer\n{answer}", private, advice)
    return "Odd marks let nothing out."


@split_reply.step(
    "What stands between <think> and </think> is not shown",
    needs=["unmarked", "no_end_mark"],
    only_with=["parted"],
)
def think(trial: SplitTrial) -> str:
    private, answer = _private(), _answer()
    advice = "Reasoning models write <think>. Where it is in visible, show nothing, or cut the block out."
    for name in ("<think>", "<think>, cut off", "<think>, then marks"):
        trial.expect_no_leak(_ODD[name].text(private, answer), private, advice)
    return "A reasoning model's thoughts stay private."


@split_reply.step(
    "An end mark that is only talked about lets nothing out",
    needs=["mark_in_thoughts"],
    only_with=["parted"],
    required=False,
)
def talked_about(trial: SplitTrial) -> str:
    private, answer = _private(), _answer()
    advice = 'Count only an end mark at the start of a line. text.split("\\n") gives you the lines.'
    for name in ("a mark in the thoughts, then cut off", "a mark in the thoughts"):
        trial.expect_no_leak(_ODD[name].text(private, answer), private, advice)
    return "A mark in the middle of a thought is just text."


@split_reply.step("Marks in another spelling are understood", needs=["other_spellings"], required=False)
def understood(trial: SplitTrial) -> str:
    for name in (*_OTHER_SPELLINGS, "as it should be"):
        private, answer = _private(), _answer()
        advice = 'Look at each line without what decorates it: line.lstrip("*# "), in small letters.'
        trial.expect_split(_ODD[name].text(private, answer), answer, None, advice)
    return "The answer is found behind odd marks, too."


@split_reply.step("The answer behind </think> is shown", needs=["think"], required=False)
def behind_think(trial: SplitTrial) -> str:
    for name in ("<think>", "<think>, then marks"):
        private, answer = _private(), _answer()
        advice = "Take the block out of the text before you look for the marks: partition() cuts it in three."
        trial.expect_split(_ODD[name].text(private, answer), answer, None, advice)
    return "A reasoning model is heard, and its thoughts are not."


class StreamTrial(FunctionTrial):
    """A learner's parser of streams. arrived: how many pieces it had taken when its first word came out."""

    def __init__(self, learners_object: Any):
        super().__init__(learners_object)
        self.arrived = 0
        is_calling = (
            isinstance(learners_object, FunctionType) and "split_reply" in learners_object.__code__.co_names
        )
        if is_calling and is_stub(learners_object.__globals__.get("split_reply")):
            raise CantCheck("It calls split_reply, which is not written yet. Write that one first.")

    def read(self, pieces: Sequence[str]) -> str:
        """Return all that comes out for these pieces, without white space around it."""
        taken = self.arrived = 0

        def arriving() -> Iterator[str]:
            nonlocal taken
            for piece in pieces:
                taken += 1
                yield piece

        self.called = f"visible_pieces(...) with the pieces {show(list(pieces), 200)}"
        given = self.learners_object(arriving())
        self.refuse_what_runs_nothing(given)
        if given is ...:
            raise NotAttempted
        shown = ""
        for number, piece in enumerate(map(plain, self._iterated(given))):
            if not isinstance(piece, str) or number > _MOST_PIECES:
                got = "pieces without end" if isinstance(piece, str) else f"a piece {show(piece)}"
                advice, fault = "Every `yield` gives one text.", f"It yields {shorten(got, 60)}."
                raise Wrong(self.called, "some texts", got, advice, fault=fault)
            if piece.strip() and not shown.strip():
                self.arrived = taken
            shown += piece
        return shown.strip()

    def expect_shown(self, pieces: Sequence[str], answer: str, advice: str) -> None:
        """Raise `Wrong` unless the answer comes out, and nothing else."""
        shown = self.read(pieces)
        first = answer.split()[0]
        if shown.count(first) > answer.count(first):
            advice = "Words come out twice. Yield only what is new since the last time: visible[len(shown):]."
        if shown != answer:
            wanted, got = apart(answer, shown)
            raise Wrong(self.called, f"together: {wanted}", got, advice, fault=_of_the_stream(answer, shown))

    def expect_no_leak(self, text: str, private: str, advice: str) -> None:
        """Raise `Wrong` if private words come out in any of many cuts of the text."""
        for pieces in _cuts(text):
            shown = self.read(pieces)
            if run := leaked(shown, private):
                fault, drawing = f"The private words {quote(run, 60)} come out.", f"  This leaked: {run}"
                raise Wrong(self.called, "no private words", show(shown), advice, drawing, fault=fault)

    def _iterated(self, given: Any) -> Iterator[Any]:
        expected = "pieces, one after the other"
        if given is None and (shows := {"print", "display"} & names_in(self.learners_object)):
            advice = f"Write `yield` in the place of {shows.pop()}."
            raise Wrong(self.called, expected, "None", advice, fault="It shows the pieces, and gives None.")
        if given is None or isinstance(given, str):
            advice = "Give the pieces with `yield`, not with `return`."
            fault = "It gives None." if given is None else "It gives one text, and no pieces."
            raise Wrong(self.called, expected, show(given), advice, fault=fault)
        try:
            return iter(given)
        except TypeError:
            advice, fault = "Give each piece with `yield`.", f"It gives {show(given, 60)}, and no pieces."
            raise Wrong(self.called, "pieces", show(given), advice, fault=fault) from None


def _of_the_stream(answer: str, shown: str) -> str:
    """Return what is wrong with what comes out, as a sentence."""
    if not shown:
        return "Nothing comes out."
    if mark := _MARKS.search(shown):
        return f"The mark {mark[0]} comes out."
    if shown.count(answer.split()[0]) > answer.count(answer.split()[0]):
        return f"Words come out twice: {quote(shown, 60)}."
    if shown in answer:
        return f"Only {quote(shown, 60)} comes out."
    return f"{quote(shown, 60)} comes out."


def _cuts(text: str) -> Iterator[list[str]]:
    """Return the text cut in many ways, some of them random."""
    yield from many_cuts(text)
    for _ in range(20):
        yield cut(text, random.sample(range(len(text)), k=min(len(text), random.randint(2, 12))))


def _word_by_word(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


visible_pieces = Exercise("visible_pieces", "03", "visible_pieces", "your generator", StreamTrial)


@visible_pieces.step("It yields pieces, and the answer is in them")
def answer_comes_out(trial: StreamTrial) -> str:
    private, answer = _private(), _answer()
    shown = trial.read(_word_by_word(f"#SCRATCHPAD\n{private}\n#ANSWER\n{answer}"))
    if answer not in shown:
        advice = "Put the pieces together, part them as split_reply does, and yield what is visible."
        fault = _of_the_stream(answer, shown)
        raise Wrong(trial.called, f"together: {show(answer)}", show(shown), advice, fault=fault)
    return "The answer comes out."


@visible_pieces.step("Thoughts and marks do not come out", needs=["answer_comes_out"])
def thoughts_stay(trial: StreamTrial) -> str:
    private, answer = _private(), _answer()
    advice = "Before the end mark, keep the pieces for yourself. Yield only what follows it."
    trial.expect_shown(_word_by_word(f"#SCRATCHPAD\n{private}\n#ANSWER\n{answer}"), answer, advice)
    return "Only the answer comes out."


@visible_pieces.step("However the stream is cut, the same comes out", needs=["thoughts_stay"])
def any_cut(trial: StreamTrial) -> str:
    private, answer = _private(), _answer()
    advice = "A mark may arrive in halves. Look for it in all that has arrived so far, not in one piece."
    for pieces in _cuts(f"#SCRATCHPAD\n{private}\n#ANSWER\n{answer}"):
        trial.expect_shown(pieces, answer, advice)
    return "A mark that is cut in two is still a mark."


@visible_pieces.step(
    "A reply without marks comes out, once it has ended", needs=["any_cut"], only_with=["thoughts_stay"]
)
def plain_stream(trial: StreamTrial) -> str:
    answer = f"{_answer()}\n\n{_answer()}"
    advice = "After the last piece there is no mark to wait for. Then split_reply says what may be shown."
    trial.expect_shown(_word_by_word(answer), answer, advice)
    return "A reply without marks is not lost."


@visible_pieces.step(
    "Before an end mark nothing comes out", needs=["thoughts_stay", "any_cut"], only_with=["answer_comes_out"]
)
def nothing_early(trial: StreamTrial) -> str:
    private, answer = _private(), _answer()
    advice = (
        "A start mark may be missing: text may be shown once an end mark or the end has come, not before."
    )
    trial.expect_no_leak(f"{private}\n#ANSWER\n{answer}", private, advice)
    return "A forgotten start mark lets nothing out."


@visible_pieces.step(
    "A stream that ends in its thoughts lets nothing out", needs=["any_cut"], only_with=["answer_comes_out"]
)
def cut_off(trial: StreamTrial) -> str:
    private = _private()
    advice = "After the last piece, no end mark has come: show only what split_reply would show."
    for text in (f"#SCRATCHPAD\n{private}", f"#SCRATCHPAD\n{private}\n#ANSW"):
        trial.expect_no_leak(text, private, advice)
    return "What is cut off stays private."


@visible_pieces.step(
    "In a stream, a mark inside the thoughts does not end them",
    needs=["any_cut"],
    only_with=["answer_comes_out"],
)
def mark_in_streamed_thoughts(trial: StreamTrial) -> str:
    private, answer = _private(), _answer()
    advice = "While text arrives, trust only an end mark on a line of its own. The rest is for the end."
    trial.expect_no_leak(_ODD["a mark in the thoughts"].text(private, answer), private, advice)
    return "A mark in mid-thought opens nothing."


@visible_pieces.step(
    "In a stream, second thoughts stay hidden", needs=["any_cut"], only_with=["answer_comes_out"]
)
def second_streamed_thoughts(trial: StreamTrial) -> str:
    private, answer = _private(), _answer()
    advice = "A # in the answer may begin a mark: hold back what follows it until you know."
    for name in ("second thoughts, cut off", "second thoughts, second answer"):
        trial.expect_no_leak(_ODD[name].text(private, answer), private, advice)
    return "A second scratchpad stays private."


@visible_pieces.step(
    "In a stream, a <think> block is not shown", needs=["any_cut"], only_with=["answer_comes_out"]
)
def streamed_think(trial: StreamTrial) -> str:
    private, answer = _private(), _answer()
    advice = "After the last piece, show only what split_reply would show."
    for name in ("<think>", "<think>, cut off", "<think>, then marks"):
        trial.expect_no_leak(_ODD[name].text(private, answer), private, advice)
    return "A reasoning model's thoughts stay private."


@visible_pieces.step(
    "Words come out as they arrive",
    needs=["any_cut"],
    only_with=["thoughts_stay", "answer_comes_out"],
    required=False,
)
def as_they_arrive(trial: StreamTrial) -> str:
    pieces = _word_by_word(f"#SCRATCHPAD\n{_private()}\n#ANSWER\n{_answer()} {_answer()} {_answer()}")
    trial.read(pieces)
    if trial.arrived > len(pieces) - 4:
        got = f"nothing before piece {trial.arrived} of {len(pieces)}"
        advice = "Do not wait for the end: inside the loop, yield what is new behind the end mark."
        fault, expected = f"Out comes {got}.", "the first words soon after the end mark"
        raise Wrong(trial.called, expected, got, advice, fault=fault)
    return "The listener need not wait."


@visible_pieces.step("A # in the answer is not lost", needs=["any_cut"], required=False)
def hash_in_answer(trial: StreamTrial) -> str:
    answer = f"{_answer()} You are my #{random.randint(1, 9)} guest. {_answer()}"
    advice = "What you held back and was no mark comes out at the end."
    for pieces in _cuts(f"#SCRATCHPAD\n{_private()}\n#ANSWER\n{answer}"):
        trial.expect_shown(pieces, answer, advice)
    return "What only looked like a mark is shown."


exercises = (split_reply, visible_pieces)
