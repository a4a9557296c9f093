r"""Private thoughts: what a model writes before its answer and nobody may see.

A character with a scratchpad writes

    #SCRATCHPAD
    He is lying. I will not tell him where the gold is.
    #ANSWER
    What gold, good sir?

and reasoning models write `<think>...</think>`. `ThoughtParser` parts the two while the text is
still arriving, `split_thoughts` when it is all there:

    split_thoughts("#SCRATCHPAD\nHe lies.\n#ANSWER\nWhat gold?", has_scratchpad=True)
        returns ("What gold?", "He lies.")

Models get the marks wrong in every way one can think of, so it *fails closed*: when in doubt, text is
private. What was shown is never taken back.

The rules:

1. What stands between `<think>` and `</think>` is private, also where the end is missing. An end
   without a beginning hides what was not yet given out.
2. A start mark hides what follows it, wherever it stands.
3. An end mark at the start of a line shows what follows it, if something was hidden, or if the
   character has a scratchpad.
4. With a scratchpad, nothing is shown before an end mark while the text arrives. If none came, rules 5 and 6
   decide at the end.
5. Only once the text is complete, and not cut at the token limit, do other end marks count: in the
   middle of a line, in bold without `#`, or the bare word ANSWER at the start of a line. The last one
   decides, unless it is only talked about ("then I write #ANSWER, and speak").
6. If the text has ended and there was neither mark, the whole of it is the answer: with a scratchpad or
   without, cut at the token limit or not.

It does not judge thoughts: what a character says after its end mark, it has said aloud.
"""

import re

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

_THINK = r"think(?:ing)?(?:\s[\w-]{1,20}=[^<>]{0,60})?"  # <think effort=high>
_OPEN = rf"(?P<open><{_THINK}\s{{0,3}}>)"
_CLOSE = r"(?P<close></think(?:ing)?\s{0,3}>)"
_LINE_HASH_START = rf"{_LINE_START}{_BULLET}[*_\[<(`]{{0,4}}{_HASH}[*_]{{0,3}}{_PAD}{_AFTER_PAD}"
_HASH_START = rf"{_HASH}[*_]{{0,3}}{_PAD}{_AFTER_PAD}"
# A character without a scratchpad may talk of a #scratchpad: in mid-line only capitals hide.
_CAPITAL_START = rf"[#＃](?-i:SCRATCHPAD){_AFTER_PAD}"
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
_CLOSE_MARK = re.compile(_CLOSE, _FLAGS)
_PLAIN_MARKS = re.compile(rf"{_OPEN}|{_CLOSE}|{_END}|(?P<start>{_LINE_HASH_START}|{_CAPITAL_START})", _FLAGS)
_SCRATCHPAD_MARKS = re.compile(
    rf"{_OPEN}|{_CLOSE}|{_END}|(?P<start>{_LINE_HASH_START}|{_HASH_START}|{_LOOSE_START})", _FLAGS
)

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


def _any_beginning_of(word: str) -> str:
    """A pattern that matches every beginning of the word, the empty one included."""
    pattern = ""
    for letter in reversed(word):
        pattern = f"(?:{letter}{pattern})?"
    return pattern


# The end of a text that the next piece may turn into a mark. Holding back too much costs a moment,
# holding back too little would show a mark or what it hides.
_WORD_BEGUN = (
    rf"(?:scratch[ _-]?{_any_beginning_of('pad')}"
    rf"|{_any_beginning_of('scratch')}|answer|{_any_beginning_of('answer')})"
)
_DECORATION = r"(?:[^\w\n]|_){0,80}+"
_UNFINISHED = re.compile(
    rf"(?:<[/a-z]{{0,9}}\s{{0,3}}|<think(?:ing)?\s[\w-]{{1,20}}(?:=[^<>]{{0,60}})?"
    rf"|(?:^|[#＃]){_DECORATION}{_WORD_BEGUN}{_DECORATION})\Z",
    _FLAGS,
)
_LONGEST_UNFINISHED = 200  # characters: two decorations and a word
# A long run of decoration is looked at in lots of so many characters: each look reads all that is held back.
_RUN = 80
_DECORATION_ONLY = re.compile(r"(?:[^\w\n]|_)*+")
_DEALT_WITH = 1000  # characters: from here on, what is dealt with is dropped


class ThoughtParser:
    """Parts what may be shown from private thought, piece by piece.

    `feed` takes a piece of the reply and returns what may now be shown; `finish` returns the rest.
    """

    # What grows is kept as a list of pieces: to add to a text copies the whole of it every time.
    def __init__(self, has_scratchpad: bool):
        self._has_scratchpad = has_scratchpad
        self._marks = _SCRATCHPAD_MARKS if has_scratchpad else _PLAIN_MARKS
        self._state = "waiting" if has_scratchpad else "shown"  # or "hidden", behind a start mark
        self._in_think = False
        self._raw = ""  # since the last mark: right behind a mark counts as the start of a line
        self._done = 0  # so many characters of it are dealt with
        self._put_off = 0  # so many characters of it, a run of decoration, were not looked at yet
        self._kept: list[str] = []  # waiting or hidden text: a late end mark may stand in it
        self._thoughts: list[list[str]] = []
        self._visible: list[str] = []
        self._ready: list[str] = []  # visible, but not yet given out
        self._space: list[str] = []  # white space that is given out only when a word follows
        self._at_opening = True

    @property
    def visible(self) -> str:
        """All that was given out."""
        return "".join(self._visible)

    @property
    def thought(self) -> str:
        """All that is known to be private so far. While it waits for a mark, text is not."""
        kept = [self._kept] if self._state == "hidden" else []
        parts = ["".join(pieces).strip() for pieces in self._thoughts + kept]
        return "\n".join(filter(None, parts))

    def feed(self, piece: str) -> str:
        """Take the next piece of the reply and return the text that may now be shown."""
        is_in_a_run = len(self._raw) - self._done > _RUN and _DECORATION_ONLY.fullmatch(piece)
        self._raw += piece
        if is_in_a_run and self._put_off < _RUN:
            self._put_off += len(piece)
            return ""
        self._put_off = 0
        self._advance(finished=False)
        return self._give_out()

    def finish(self, complete: bool = True) -> str:
        """Return the rest: the reply has ended. `complete` is False if the token limit cut it."""
        self._advance(finished=True)
        if self._state != "shown" and not self._visible and not self._ready:
            self._look_for_late_answer(complete)
        return self._give_out()

    def _advance(self, finished: bool) -> None:
        """Deal with all text about which the next piece can change nothing."""
        while True:
            marks = _CLOSE_MARK if self._in_think else self._marks
            mark = marks.search(self._raw, self._done)
            safe = len(self._raw) if finished else self._first_unsafe()
            if mark is None or mark.end() > safe:
                break
            self._take(self._raw[self._done : mark.start()])
            self._pass(mark)
            self._raw = self._raw[mark.end() :]
            self._done = 0
        if mark:  # it may grow yet, or is none: until then nothing of it is shown
            safe = min(safe, mark.start())
        self._take(self._raw[self._done : safe])
        self._done = max(self._done, safe)
        if self._done > _DEALT_WITH:  # one character stays: it tells whether a line starts behind it
            self._raw, self._done = self._raw[self._done - 1 :], 1

    def _first_unsafe(self) -> int:
        """From this position on, the next piece may make a mark of the text."""
        start = max(self._done, len(self._raw) - _LONGEST_UNFINISHED)
        unfinished = _UNFINISHED.search(self._raw, start)
        return unfinished.start() if unfinished else len(self._raw)

    def _take(self, text: str) -> None:
        """Put text between two marks where it belongs."""
        if not text:
            return
        if self._in_think:
            self._thoughts[-1].append(text)
        elif self._state == "shown":
            self._show(text)
        else:
            self._kept.append(text)

    def _pass(self, mark: re.Match[str]) -> None:
        kind = mark.lastgroup
        if kind == "open":
            self._in_think = True
            self._thoughts.append([])
        elif kind == "close":
            self._close_think()
        elif kind == "start":
            self._hide(mark.group())
        elif self._state != "shown":
            self._open()
        elif not self._has_scratchpad or "#ANSWER" not in mark.group():
            self._show(mark.group())  # a heading, a comment in code: just text

    def _close_think(self) -> None:
        if not self._in_think and (self._state == "waiting" or not self._has_scratchpad):
            # An end without a beginning: some endpoints swallow the <think>. What was not yet
            # given out can still stay private.
            self._thoughts.append(self._kept + self._ready)
            self._kept, self._ready = [], []
            self._begin_anew()
        self._in_think = False

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
        self._space = ["\n"] if self._visible or self._ready else []
        self._at_opening = True

    def _show(self, text: str) -> None:
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
            hidden_again = self._marks.search(answer)
            self._thoughts.append([kept[: ends[-1].start()]])
            self._kept = [answer[hidden_again.start() :]] if hidden_again else []
            self._show(answer[: hidden_again.start()] if hidden_again else answer)


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


def split_thoughts(text: str, has_scratchpad: bool, complete: bool = True) -> tuple[str, str]:
    """Part a finished reply into what may be shown and what is private. Return both."""
    parser = ThoughtParser(has_scratchpad)
    parser.feed(text)
    parser.finish(complete)
    return parser.visible, parser.thought
