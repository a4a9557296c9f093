r"""Private thoughts: what a model writes before its answer and nobody may see.

A character with a scratchpad writes

    #SCRATCHPAD
    He is lying. I will not tell him where the gold is.
    #ANSWER
    What gold, good sir?

and reasoning models wrap their thoughts in `<think>...</think>`, or in another of the wrappings that
npc_lab/wire/wrappings.py lists. `ThoughtParser` parts the two while the text is still arriving,
`split_thoughts` when it is all there:

    split_thoughts("#SCRATCHPAD\nHe lies.\n#ANSWER\nWhat gold?", has_scratchpad=True)
        returns ("What gold?", "He lies.")

Models get the marks wrong in every way one can think of, so it *fails closed*: when in doubt, text is
private. The finished text decides: what a stream has shown may turn out to be a thought, and then
`visible` holds it no longer.

The rules:

1. What stands in a wrapping is private, also if its end is missing. An end without a beginning hides all
   that stood before it. A beginning in the middle of a sentence that goes on ("I say <think> before I
   think") counts if an end follows, or if the token limit cut the reply.
2. A start mark hides what follows it, wherever it stands. Behind an end mark only one with `#` at the start
   of a line does; one in the middle of a line does if another end mark follows.
3. An end mark at the start of a line shows what follows it, if something was hidden, or if the
   character has a scratchpad.
4. With a scratchpad, nothing is shown before an end mark while the text arrives. If none came, rules 5 and 6
   decide at the end.
5. Only once the text is complete, and not cut at the token limit, do other end marks count: in the
   middle of a line, in bold without `#`, or the bare word ANSWER at the start of a line. The last one
   decides, unless it is only talked about ("then I write #ANSWER, and speak").
6. If the text has ended and there was neither mark, the whole of it is the answer: with a scratchpad or
   without, cut at the token limit or not.
7. A mark of the model's template ends the reply, or is left out if nothing was said before it.
8. The character's own name and a colon at the very beginning are taken off.

It does not judge thoughts: what a character says after its end mark, it has said aloud.
"""

import re
from collections.abc import Mapping

from npc_lab.wire.wrappings import (
    FINAL,
    OTHERS_TURN,
    TEMPLATE,
    UNFINISHED,
    UNFINISHED_END,
    WRAPPINGS,
    any_beginning_of,
)

SCRATCHPAD_INSTRUCTION = """\
Before you answer, think in private. Begin with a line #SCRATCHPAD and write your thoughts below it: \
what the other one wants, what you want, what you will keep to yourself. Nobody else can read them. \
Then write a line #ANSWER, and below it only what you say aloud."""

# Decoration around a mark is limited in length, so that no text makes the search slow.
_BLANKS = r"[^\S\n]{0,40}"
_LINE_START = rf"^[\ufeff\u200b]?{_BLANKS}"
_HASH = r"[#＃][#＃ \t\xa0]{0,16}"
_BULLET = r"(?:[-*>+•][ \t]{1,4})?"
_PAD = r"scratch[ _-]?pad"
_AFTER_PAD = r"[ \t]{0,8}[:*_\])>`]{0,8}"
# #ANSWER, but not the hashtags #ANSWERED and #ANSWER_ME.
_WORD_ANSWER = r"answer(?!_{0,8}[^\W_])(?!['’]\w)"
# "# Answer the riddle" is a heading, "#Answer the riddle" a mark before an answer.
_NO_HEADING = r"(?![ \t]+(?-i:[a-z]))"

_LINE_HASH_START = rf"{_LINE_START}{_BULLET}[*_\[<(`]{{0,4}}{_HASH}[*_]{{0,3}}{_PAD}{_AFTER_PAD}"
_HASH_START = rf"{_HASH}[*_]{{0,3}}{_PAD}{_AFTER_PAD}"
# A character without a scratchpad may talk of a #scratchpad: only capitals hide.
_CAPITAL_START = rf"{_HASH}[*_]{{0,3}}(?-i:SCRATCHPAD){_AFTER_PAD}"
# A character with one may forget the #: **Scratchpad**, [SCRATCHPAD], Scratchpad:, SCRATCHPAD
_LOOSE_START = (
    rf"{_LINE_START}{_BULLET}(?:[*_\[<(]{{1,4}}[ \t]{{0,8}}{_PAD}|{_PAD}[ \t]{{0,8}}(?=[:\n*_(]|\Z)"
    rf"|(?-i:SCRATCHPAD)\b){_AFTER_PAD}"
)
# `bold` and `inner` remember that ** was opened: only then is a closing ** part of the mark.
_END = (
    rf"(?P<end>{_LINE_START}(?P<bold>[*_]{{1,3}})?(?:[#＃]{{1,8}}(?P<inner>[*_]{{1,3}})?{_WORD_ANSWER}"
    rf"|{_HASH}(?P<inner2>[*_]{{1,3}})?{_WORD_ANSWER}{_NO_HEADING})"
    rf"[ \t]{{0,8}}(?(bold)[*_:]{{0,8}}|(?(inner)[*_:]{{0,8}}|(?(inner2)[*_:]{{0,8}}|:?))))"
)
_FLAGS = re.IGNORECASE | re.MULTILINE
_BEGINS = "|".join(rf"(?P<begin{place}>{each.begin})" for place, each in enumerate(WRAPPINGS))
_CLOSES = "|".join(each.end for each in WRAPPINGS if each.lacks_begin)
# Looked at only where one of these letters stands: most letters of a reply are none.
_WIRE = rf"(?=[<\[◁a])(?:(?P<close>{FINAL}|{_CLOSES})|{_BEGINS}|(?P<template>{TEMPLATE}))"


def _marks(start: str) -> re.Pattern[str]:
    return re.compile(rf"{_WIRE}|{_END}|{start}", _FLAGS)


_PLAIN_MARKS = _marks(rf"(?P<start>{_LINE_START}{_BULLET}[*_\[<(`]{{0,4}}{_CAPITAL_START}|{_CAPITAL_START})")
_SCRATCHPAD_MARKS = _marks(rf"(?P<start>{_LINE_HASH_START}|{_HASH_START}|{_LOOSE_START})")
_ANSWERED_MARKS = _marks(rf"(?P<start>{_LINE_HASH_START})|(?P<again>{_CAPITAL_START})")
_OTHERS_TURN = re.compile(OTHERS_TURN, _FLAGS)
# By what has begun: a wrapping, or a start mark in the middle of a line behind an end mark.
_AGAIN = len(WRAPPINGS)
_ENDS = [re.compile(each.end, _FLAGS) for each in WRAPPINGS]
_ENDS.append(re.compile(rf"[#＃]{{1,8}}[*_]{{0,3}}{_WORD_ANSWER}[ \t]{{0,8}}[*_:]{{0,8}}", _FLAGS))
# Around a mark in the middle of a sentence that goes on, and around one in quotes.
_BEFORE_IN_A_SENTENCE = re.compile(r"[\w,;][ \t]\Z")
_SENTENCE_GOES_ON = re.compile(r"[ \t][^\W\dA-Z_]|[.,;:!?)]")
_QUOTES = "`\"'“”‘’„«»"
_AROUND = 2  # characters: so much of what stands around a mark is looked at
# "Guy:", "**Guy:**", "[Guy]: "; "The: " and "Sir: " are no names.
_TITLES = {"The", "A", "Sir", "Lady", "Lord", "Dr", "Dr.", "Mr", "Mr.", "Mrs", "Mrs.", "Ms", "Ms."}
_COLON = re.compile(r"[*_\] \t]{0,4}[:：][*_]{0,3}\s*")
_AFTER_A_NAME = re.compile(r"[*_\] \t]{0,4}(?:[:：][*_]{0,3}\s*)?")

# Rule 5. A mark in quotes is talked about, not used.
_LATE_END = re.compile(
    rf"(?<![`\"'“‘])(?:[*_]{{1,3}})?"
    rf"(?:[#＃]{{1,8}}[*_]{{0,3}}{_WORD_ANSWER}|{_HASH}[*_]{{0,3}}{_WORD_ANSWER}{_NO_HEADING})"
    rf"[ \t]{{0,8}}[*_:]{{0,8}}"
    rf"|{_LINE_START}[*_]{{2,3}}answer(?::[*_]{{2,3}}|[*_]{{2,3}}(?::|(?=[ \t]*$)))"
    rf"|{_LINE_START}(?-i:ANSWER)[ \t]{{0,8}}(?::|(?=\n)|\Z)",
    _FLAGS,
)
_NEXT_LETTER = re.compile(r"\s*+(\S)")
_TALKED_ABOUT = re.compile(r"[^\w\s*_:]|[ \t]+[.,;!?…)\]}/(–—-]|[ \t]*\d+[.)]")


# The end of a text that the next piece may turn into a mark. Holding back too much costs a moment,
# holding back too little would show a mark or what it hides.
_WORD_BEGUN = (
    rf"(?:scratch[ _-]?{any_beginning_of('pad')}"
    rf"|{any_beginning_of('scratch')}|answer|{any_beginning_of('answer')})"
)
_DECORATION = r"(?:[^\w\n]|_){0,80}+"
_UNFINISHED = re.compile(
    rf"(?:(?=[<\[◁a])(?:{UNFINISHED})|(?:^|[#＃]){_DECORATION}{_WORD_BEGUN}{_DECORATION})\Z", _FLAGS
)
_UNFINISHED_END = re.compile(rf"(?:{UNFINISHED_END})\Z", _FLAGS)
_LONGEST_UNFINISHED = 200  # characters: two decorations and a word
# A long run of decoration is looked at in lots of so many characters: each look reads all that is held back.
_RUN = 80
_DECORATION_ONLY = re.compile(r"(?:[^\w\n]|_)*+")
_DEALT_WITH = 1000  # characters: from here on, what is dealt with is dropped


class ThoughtParser:
    """Parts what may be shown from private thought, piece by piece.

    `feed` takes a piece of the reply and returns what may now be shown; `finish` returns the rest.

    name: the character's. waits: whether nothing is given out before an end of thoughts, because this model
    has sent one without its beginning before.
    """

    # What grows is kept as a list of pieces: to add to a text copies the whole of it every time.
    def __init__(self, has_scratchpad: bool, name: str = "", waits: bool = False):
        self._has_scratchpad = has_scratchpad
        self._waits = waits
        self._state = "waiting" if has_scratchpad else "shown"  # or "hidden", behind a start mark
        self._inside: int | None = None  # which of `_ENDS` ends the thought that has begun
        self._doubtful: list[str] | None = None  # a beginning in mid-sentence, and what follows it
        self._harmless: set[int] = set()  # such beginnings without an end: just text
        self._has_ended = False  # at a mark of the template
        self._raw = ""  # since the last mark: right behind a mark counts as the start of a line
        self._done = 0  # so many characters of it are dealt with
        self._put_off = 0  # so many characters of it, a run of decoration, were not looked at yet
        self._kept: list[str] = []  # waiting or hidden text: a late end mark may stand in it
        self._thoughts: list[list[str]] = []
        self._visible: list[str] = []
        self._ready: list[str] = []  # visible, but not yet given out
        self._space: list[str] = []  # white space that is given out only when a word follows
        self._at_opening = True
        self._name, self._label = name, _Label(name)
        self._struck = 0  # so many <s> are open
        self.has_lone_end = False  # an end of thoughts came without its beginning
        self.length = 0  # characters up to the mark of the template that ended the reply

    @property
    def visible(self) -> str:
        """All that was given out, and has not turned out to be a thought since."""
        return "".join(self._visible)

    @property
    def thought(self) -> str:
        """All that is known to be private so far. While it waits for a mark, text is not."""
        kept = [self._kept] if self._state == "hidden" else []
        parts = ["".join(pieces).strip() for pieces in self._thoughts + kept]
        return "\n".join(filter(None, parts))

    def feed(self, piece: str) -> str:
        """Take the next piece of the reply and return the text that may now be shown."""
        if self._has_ended:
            return ""
        is_in_a_run = len(self._raw) - self._done > _RUN and _DECORATION_ONLY.fullmatch(piece)
        self._raw += piece
        self.length += len(piece)
        if is_in_a_run and self._put_off < _RUN:
            self._put_off += len(piece)
            return ""
        self._put_off = 0
        self._advance(finished=False)
        return self._give_out()

    def finish(self, complete: bool = True) -> str:
        """Return the rest: the reply has ended. `complete` is False if the token limit cut it."""
        self._advance(finished=True)
        while self._doubtful is not None:
            self._decide(complete or self._has_ended)
        is_whole = complete or self._has_ended
        if self._state != "shown" and not self._is_speaking() and not self._label.held:
            self._look_for_late_answer(is_whole)
        self._show(self._label.rest())
        if self._waits and not is_whole:  # no end of thoughts came
            self._thoughts.append(self._ready)
            self._ready = []
        self._waits = False
        return self._give_out()

    def leave_off(self, rest: str) -> None:
        """Take these last words off what is visible: they are no part of the reply."""
        self._visible = [self.visible.removesuffix(rest)]

    def _advance(self, finished: bool) -> None:
        """Deal with all text about which the next piece can change nothing."""
        while not self._has_ended:
            mark = self._patterns().search(self._raw, self._done)
            safe = len(self._raw) if finished else self._first_unsafe()
            if mark is None or mark.end() > safe or not (finished or self._can_be_judged(mark)):
                break
            self._take(self._raw[self._done : mark.start()])
            self._pass(mark)
            self._raw = self._raw[mark.end() :]
            self._done = 0
        if self._has_ended:
            return
        if mark:  # it may grow yet, or is none: until then nothing of it is shown
            safe = min(safe, mark.start())
        self._take(self._raw[self._done : safe])
        self._done = max(self._done, safe)
        if self._done > _DEALT_WITH:  # a little stays: it tells what stands before the next mark
            self._raw, self._done = self._raw[self._done - _AROUND :], _AROUND

    def _patterns(self) -> re.Pattern[str]:
        if self._inside is not None:
            return _ENDS[self._inside]
        if not self._has_scratchpad:
            return _PLAIN_MARKS
        return _ANSWERED_MARKS if self._state == "shown" else _SCRATCHPAD_MARKS

    def _first_unsafe(self) -> int:
        """From this position on, the next piece may make a mark of the text."""
        start = max(self._done, len(self._raw) - _LONGEST_UNFINISHED)
        pattern = _UNFINISHED if self._inside in (None, _AGAIN) else _UNFINISHED_END
        unfinished = pattern.search(self._raw, start)
        return unfinished.start() if unfinished else len(self._raw)

    def _can_be_judged(self, mark: re.Match[str]) -> bool:
        """Whether enough of what follows a mark is there to tell whether it is only talked about."""
        is_judged = _is_beginning(mark) or mark.lastgroup == "template"
        return not is_judged or len(self._raw) >= mark.end() + _AROUND

    def _take(self, text: str) -> None:
        """Put text between two marks where it belongs."""
        if not text:
            return
        if self._doubtful is not None:
            self._doubtful.append(text)
        elif self._inside is not None:
            self._thoughts[-1].append(text)
        elif self._state == "shown":
            self._show(text)
        else:
            self._kept.append(text)

    def _pass(self, mark: re.Match[str]) -> None:
        kind = mark.lastgroup
        if self._inside is not None:
            self._close()
        elif kind == "close":
            self._close_alone()
        elif _is_beginning(mark):
            self._begin(mark)
        elif kind == "template":
            self._pass_template(mark)
        elif kind == "start":
            self._hide(mark.group())
        elif self._state != "shown":
            self._open()
        elif not self._has_scratchpad or "#ANSWER" not in mark.group():
            self._show(mark.group())  # a heading, a comment in code: just text

    def _begin(self, mark: re.Match[str]) -> None:
        wrapping = _AGAIN if mark.lastgroup == "again" else int(str(mark.lastgroup).removeprefix("begin"))
        is_doubtful = self._is_speaking() and (wrapping == _AGAIN or _is_in_a_sentence(mark))
        if is_doubtful and wrapping in self._harmless:
            self._show(mark.group())
            return
        self._inside = wrapping
        if is_doubtful:
            self._doubtful = [mark.group()]
        else:
            self._thoughts.append([])

    def _close(self) -> None:
        self._waits = False
        if self._doubtful is not None:
            self._thoughts.append(self._doubtful[1:])
        self._inside = self._doubtful = None

    def _decide(self, complete: bool) -> None:
        """A doubtful beginning has no end. Cut, it may have begun a thought; else it is just text."""
        assert self._doubtful is not None
        assert self._inside is not None
        if not complete:
            self._close()
            return
        mark, self._raw, self._done = self._doubtful[0], "".join(self._doubtful), len(self._doubtful[0])
        self._harmless.add(self._inside)
        self._inside = self._doubtful = None
        self._show(mark)
        self._advance(finished=True)

    def _close_alone(self) -> None:
        """An end without a beginning: its template puts the beginning into the prompt."""
        if self._has_scratchpad and self._state != "waiting":
            return
        self.has_lone_end, self._waits = True, False
        self._thoughts.append([*self._kept, *self._visible, *self._ready, self._label.rest()])
        self._kept, self._visible, self._ready, self._label = [], [], [], _Label(self._name)
        self._begin_anew()

    def _pass_template(self, match: re.Match[str]) -> None:
        mark = match.group()
        if self._is_speaking() and _is_quoted(match):
            self._show(mark)
            return
        if mark in ("<s>", "</s>") and self._state == "shown" and self._is_speaking():
            self._struck += 1 if mark == "<s>" else -1
            if self._struck >= 0:  # <s>words struck out</s>
                self._show(mark)
                return
        has_words = self._is_speaking() or (self._state != "hidden" and any(map(str.strip, self._kept)))
        if has_words or _OTHERS_TURN.search(mark):  # in a scratchpad it ends nothing: the answer may follow
            self._has_ended = True
            self.length -= len(self._raw) - match.start()

    def _is_speaking(self) -> bool:
        return bool(self._visible or self._ready)

    def _hide(self, mark: str) -> None:
        if self._kept:
            self._kept.append(mark)  # a late end mark before it must not show what follows it
        if self._state != "hidden":
            self._state = "hidden"
            self._begin_anew()

    def _open(self) -> None:
        self._thoughts.append(self._kept)
        self._kept = []
        self._state = "shown"

    def _begin_anew(self) -> None:
        """The next visible text stands on a line of its own."""
        self._space = ["\n"] if self._is_speaking() else []
        self._at_opening = True

    def _show(self, text: str) -> None:
        if not self._is_speaking():
            text = self._label.taken_off(text)
        if self._at_opening:
            text = text.lstrip()
            self._at_opening = not text
        words = text.rstrip()
        if words:
            self._ready += [*self._space, words]
            self._space = []
        if len(words) < len(text):
            self._space.append(text[len(words) :])

    def _give_out(self) -> str:
        if self._waits:
            return ""
        given, self._ready = "".join(self._ready), []
        if given:
            self._visible.append(given)
        return given

    def _look_for_late_answer(self, complete: bool) -> None:
        """Rules 5 and 6, for a reply of which nothing could be shown."""
        kept = "".join(self._kept)
        ends = list(_LATE_END.finditer(kept))
        if self._state == "waiting" and not ends:
            self._show(kept)
            self._kept = []
            return
        self._state = "hidden"
        ends = [end for end in ends if _is_used(kept, end)]
        if ends and complete:
            answer = kept[ends[-1].end() :]
            marks = _SCRATCHPAD_MARKS if self._has_scratchpad else _PLAIN_MARKS
            hidden_again = marks.search(answer)
            self._thoughts.append([kept[: ends[-1].start()]])
            self._kept = [answer[hidden_again.start() :]] if hidden_again else []
            self._show(answer[: hidden_again.start()] if hidden_again else answer)


class _Label:
    """The character's name and a colon at the beginning of what it says: "Sir Guy: ", "**Guy:** "."""

    def __init__(self, name: str):
        words = name.split()
        names = {" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
        self._names = [each.casefold() for each in names if each[:1].isupper() and each not in _TITLES]
        self.held = ""  # what may become a label
        self._is_past = not self._names

    def taken_off(self, text: str) -> str:
        """Take the next of the first words and return what may be shown of it: without the label."""
        if self._is_past:
            return text
        self.held += text
        first = self.held.lstrip("*_[ \t\n").casefold()
        for name in self._names:
            rest = first.removeprefix(name)
            if name.startswith(first) or (first.startswith(name) and _AFTER_A_NAME.fullmatch(rest)):
                return ""  # not decided yet
            if first.startswith(name) and (label := _COLON.match(rest)):
                self.held = self.held[len(self.held) - len(rest) + label.end() :]
                break
        return self.rest()

    def rest(self) -> str:
        """Return what was held back: it is no label."""
        held, self.held, self._is_past = self.held, "", True
        return held


def _is_beginning(mark: re.Match[str]) -> bool:
    return str(mark.lastgroup).startswith(("begin", "again"))


def _is_in_a_sentence(mark: re.Match[str]) -> bool:
    """Whether a beginning is only talked about: the sentence around it goes on, or it stands in quotes."""
    before, after = _around(mark)
    goes_on = _BEFORE_IN_A_SENTENCE.search(before) and _SENTENCE_GOES_ON.match(after)
    return bool(goes_on) or _is_quoted(mark)


def _is_quoted(mark: re.Match[str]) -> bool:
    before, after = _around(mark)
    return bool(before and after) and before[-1] in _QUOTES and after[0] in _QUOTES


def _around(mark: re.Match[str]) -> tuple[str, str]:
    text, start, end = mark.string, mark.start(), mark.end()
    return text[max(start - _AROUND, 0) : start], text[end : end + _AROUND]


def _is_used(text: str, end: re.Match[str]) -> bool:
    """Whether a mark in the middle of thoughts ends them, or is only talked about: "put #ANSWER first"."""
    if _TALKED_ABOUT.match(text, end.end()):
        return False
    next_letter = _NEXT_LETTER.match(text, end.end())
    goes_on = next_letter is not None and next_letter[1].islower()
    before = end.start()
    while before and text[before - 1].isspace():
        before -= 1
    return not goes_on or not before or text[before - 1] in ".!?…。！？"


def parts_of(answer: Mapping[str, str], has_scratchpad: bool, name: str = "") -> tuple[str, str]:
    """Return what was visible of an answer as an NPC remembers it, and its private thoughts."""
    text, thought = split_thoughts(answer["content"], has_scratchpad, name=name)
    thoughts = "\n".join(filter(None, (answer.get("reasoning_content", ""), thought)))
    return answer.get("said", text), thoughts


def split_thoughts(
    text: str, has_scratchpad: bool, complete: bool = True, name: str = "", waits: bool = False
) -> tuple[str, str]:
    """Part a finished reply into what may be shown and what is private. Return both."""
    parser = ThoughtParser(has_scratchpad, name, waits)
    parser.feed(text)
    parser.finish(complete)
    return parser.visible, parser.thought
