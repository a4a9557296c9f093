"""When a talk ends before its turns are used up.

A stop condition looks at the talk after each turn and returns a reason to stop, or None. Conditions
combine with `|`, and the reason says which of them held:

    arena.run_conversation(talk, 30, stop=StopOnText("farewell") | StopOnRepetition())
"""

from collections.abc import Callable, Mapping, Sequence

from npc_lab.errors import ChatArenaError
from npc_lab.text import words_in
from npc_lab.transcript import Message, spoken

INTERRUPTED = "interrupted"  # the reason for a talk that Ctrl-C ended, and its kind
_LONGEST_CIRCLE = 12  # lines
_LONG = 4  # letters: shorter words are said again all the time


class StopCondition:
    """The root of the conditions below. Call it with a talk's messages."""

    def __call__(self, messages: Sequence[Message]) -> str | None:
        """Return the reason to stop, in words, or None."""
        raise NotImplementedError

    def __or__(self, other: "StopCondition") -> "StopCondition":
        return _Either(self, other)


class StopOnText(StopCondition):
    """Stop once a line of a speaker holds this text, in upper or lower case."""

    def __init__(self, text: str):
        self.text = text

    def __call__(self, messages: Sequence[Message]) -> str | None:
        lines = _lines(messages)
        if lines and self.text.casefold() in lines[-1].casefold():
            return f"somebody said {self.text!r}"
        return None


class StopOnRepetition(StopCondition):
    """Stop once the talk goes round in circles, like two polite people who cannot leave.

    A line is stale if it was said word for word in the last 12 lines, or if less than `new_words` of its
    longer words (4 letters or more, each counted once) are new against the `memory` lines before it. A
    number that was not said before is news, and a line of short words only is never stale but by its
    repetition. After `turns` stale lines in a row it stops, and after `turns` lines of one speaker who only
    says the partner's own words. The numbers follow measure D5 in CAMEL (2303.17760, section 4.1: endless
    thanks and good-byes)
    and Sotopia's limit of two stale turns (2310.11667).
    """

    def __init__(self, turns: int = 3, new_words: float = 0.3, memory: int = 6):
        self.turns = turns
        self.new_words = new_words
        self.memory = memory

    def __call__(self, messages: Sequence[Message]) -> str | None:
        lines = [words_in(line) for line in _lines(messages)]
        last = range(len(lines) - self.turns, len(lines))
        if last.start > 0 and all(self._is_stale(lines, place) for place in last):
            return f"the last {self.turns} lines said almost nothing new"
        of_one = range(len(lines) - 2 * self.turns + 1, len(lines), 2)
        if of_one.start > 0 and all(self._is_parroted(lines, place) for place in of_one):
            return f"the last {self.turns} lines of one speaker only repeated the other"
        return None

    def _is_stale(self, lines: list[list[str]], place: int) -> bool:
        if lines[place] in lines[max(0, place - _LONGEST_CIRCLE) : place]:
            return True
        before = lines[max(0, place - self.memory) : place]
        return self._says_little_new(lines[place], before, lines[:place])

    def _is_parroted(self, lines: list[list[str]], place: int) -> bool:
        partners = lines[place - 1 : place]
        return lines[place] in partners or self._says_little_new(lines[place], partners, partners)

    def _says_little_new(
        self, line: list[str], before: list[list[str]], before_that: list[list[str]]
    ) -> bool:
        numbers = {word for word in line if any(letter.isdigit() for letter in word)}
        if numbers.difference(*before_that):
            return False
        words = {word for word in line if len(word) >= _LONG or (not word.isascii() and len(word) == 1)}
        return bool(words) and len(words.difference(*before)) < self.new_words * len(words)


class StopWhen(StopCondition):
    """Stop once your own function of the messages returns True."""

    def __init__(self, predicate: Callable[[Sequence[Message]], bool], reason: str = "your condition held"):
        self.predicate = predicate
        self.reason = reason

    def __call__(self, messages: Sequence[Message]) -> str | None:
        return self.reason if self.predicate(messages) else None


class _Either(StopCondition):
    def __init__(self, first: StopCondition, second: StopCondition):
        self.first = first
        self.second = second

    def __call__(self, messages: Sequence[Message]) -> str | None:
        return self.first(messages) or self.second(messages)


def _lines(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in spoken(messages)]


def turns_done(turns: int) -> str:
    """Return in words how many turns a run has had."""
    return f"{turns} turn{'' if turns == 1 else 's'} done"


def turns_of(conversation_id: str, max_turns: int | Mapping[str, int]) -> int:
    """Return how many turns a conversation is to have. Raise `ChatArenaError` if that is no number."""
    if isinstance(max_turns, Mapping):
        if conversation_id not in max_turns:
            raise ChatArenaError(f"max_turns names no number of turns for {conversation_id!r:.80}.")
        max_turns = max_turns[conversation_id]
    check_count("max_turns", max_turns, least=0)
    return max_turns


def check_count(name: str, count: int, least: int) -> None:
    """Raise `ChatArenaError` unless this is a whole number, and at least so large."""
    if not isinstance(count, int) or isinstance(count, bool) or count < least:
        raise ChatArenaError(f"{name} must be a whole number, {least} or more, not {count!r:.60}.")
