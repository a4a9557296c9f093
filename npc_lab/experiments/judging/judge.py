"""A judge: a model that is asked one yes/no question about a talk.

    judge = Judge(client, model, "Does a speaker give a secret away?")
    judge.verdict(talk)           Verdict(answer=True, quote="In the crate are bees.", reason=...)
    judge(talk)                   True: so a judge is a measure of an experiment
    judge.choose(talk, other)     a ballot: which of the two is better, asked in both orders

Put a judge on trial before you believe it (npc_lab/experiments/judging/audit.py). All of what it is asked
stands in prompt.py, how its words are read in verdict.py.

By log-probabilities it is asked for one letter, and what counts is how likely A was and how likely B. So a
model that is too small to write an object can be a judge, and its doubt is a number.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from npc_lab.errors import ExperimentError, ReplyError
from npc_lab.experiments.judging import prompt
from npc_lab.experiments.judging.asking import Answer, ask
from npc_lab.experiments.judging.prompt import Shown
from npc_lab.experiments.judging.verdict import FAILED, Said, Verdict, is_quoted, read_verdict
from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.memory import ChatMessage
from npc_lab.text import words_in
from npc_lab.transcript import Message, Transcript
from npc_lab.wire.abilities import ABILITIES
from npc_lab.wire.usage import Usage

TEXT, LOGPROBS = "text", "logprobs"
FIRST, SECOND = "first", "second"
PAIR = (FIRST, SECOND)
NO_LINES = "nobody spoke in the talk"
_PLACES: Mapping[str, str] = {each: each for each in PAIR}
_MOST_TOKENS = 2_000  # of an answer: some models think aloud first
_MOST_TOKENS_OF_SMALL = 160  # a small model that has not answered by then will not
_NOT_YES_OR_NO = {"who", "whom", "whose", "what", "which", "when", "where", "why", "how"}
_QUESTION_MARKS = tuple("?？؟;")


class Choice(NamedTuple):
    """What a judge chose of two talks, once. place: "first", "second" or None. odds: for the first place."""

    place: str | None
    odds: float | None
    unscored: str


class Judge:
    """A model that answers one yes/no question about one failure. Called with a transcript, it is a measure.

    question: in which "yes" means that the failure is there. by: "text", an answer with reason and quote; or
    "logprobs", the log-probabilities of one letter (if the endpoint gives none, that is said, and text is
    used). Raise `ExperimentError` if the question is none. `__name__` is made from the question.
    """

    def __init__(self, client: Any, model: str, question: str, *, by: str = TEXT):
        if by not in (TEXT, LOGPROBS):
            raise ExperimentError(f"A judge answers by 'text' or by 'logprobs', not by {by!r:.60}.")
        self.client = client
        self.model = model
        self.question = _checked(question)
        self.by = by
        self.__name__ = "_".join(words_in(self.question.replace("'", ""))) or "judge"
        self._usage = Usage()
        self._has_no_logprobs = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.question!r}, by={self.by!r})"

    def __call__(self, talk: Transcript) -> bool | None:
        """Return True, False, or None where there is no answer."""
        return self.verdict(talk).answer

    def usage(self) -> Usage:
        """Return what all its answers have cost so far."""
        return self._usage

    def verdict(self, talk: Transcript) -> Verdict:
        """Return what it says of a talk. Whatever goes wrong is said in `unscored`."""
        shown = Shown(_talk(talk))
        if not _has_lines(talk):
            return Verdict(None, unscored=NO_LINES)
        usage = Usage()
        if self._reads_letters:
            odds, answer, failed = self._odds(prompt.yes_or_no(self.question, shown, prompt.LETTER))
            usage = answer.usage if answer else usage
            if failed or odds is not None:
                return Verdict(_sign(odds), raw=_raw(answer), unscored=failed or _unsure(odds), usage=usage)
            if self._reads_letters:
                return Verdict(None, raw=_raw(answer), unscored=_NO_LETTER, usage=usage)
        said, answer, failed = self._said(prompt.yes_or_no(self.question, shown), [shown])
        usage += answer.usage if answer else Usage()
        return Verdict(said.answer, said.quote, said.reason, _raw(answer), failed or said.unscored, usage)

    def choose(self, first: Transcript, second: Transcript) -> Ballot:
        """Return which of two talks is better. It is asked twice, the second time in the other order.

        Unlike answers are a tie, and `flipped`: it went with the place.
        """
        if not (_has_lines(_talk(first)) and _has_lines(_talk(second))):
            return Ballot(PAIR, PAIR, None, self.model, unscored=NO_LINES)
        one, other = self.choice(first, second), self.choice(second, first)
        margin = None
        if one.odds is not None and other.odds is not None:
            margin = (one.odds - other.odds) / 2
        if unscored := one.unscored or other.unscored:
            return Ballot(PAIR, PAIR, None, self.model, margin, unscored)
        is_flipped = one.place == other.place  # the same place, so the other talk
        winner = None if is_flipped else one.place
        return Ballot(PAIR, PAIR, winner, self.model, margin, flipped=is_flipped)

    def choice(self, first: Transcript, second: Transcript) -> Choice:
        """Return which of two talks is better, asked once, in this order: half of `choose`."""
        here, there = (Shown(_talk(each), getattr(each, "shows_names", False)) for each in (first, second))
        if self._reads_letters:
            messages = prompt.better_of_two(self.question, here, there, prompt.LETTER_OF_TWO)
            odds, _, failed = self._odds(messages)
            if self._reads_letters:
                no_answer = failed or (_NO_LETTER if odds is None else _unsure(odds))
                return Choice(_place(odds), odds, no_answer)
        messages = prompt.better_of_two(self.question, here, there)
        said, _, failed = self._said(messages, [here, there], _PLACES)
        return Choice(said.answer, None, failed or said.unscored)

    @property
    def _reads_letters(self) -> bool:
        return self.by == LOGPROBS and not self._has_no_logprobs

    def _said(
        self, messages: list[ChatMessage], shown: Sequence[Shown], answers: Mapping[str, Any] | None = None
    ) -> tuple[Said, Answer | None, str]:
        """Ask by text. Return what was said, the answer, and why there is none."""
        answer, failed = self._ask(messages, _most_tokens(self.client), letters=False)
        if answer is None:
            return Said(None), None, failed
        said = read_verdict(answer.text, answers) if answers else read_verdict(answer.text)
        if said.answer is None and answer.was_cut:
            said = said._replace(unscored=f"it was cut off ({said.unscored})")
        if said.answer is not None and said.quote and not _is_said(said.quote, shown):
            said = said._replace(answer=None, unscored="its quote is not in the talk")
        return said, answer, ""

    def _odds(self, messages: list[ChatMessage]) -> tuple[float | None, Answer | None, str]:
        """Ask for a letter. Return the log-odds of A against B, the answer, and why there is none."""
        answer, failed = self._ask(messages, 1, letters=True)
        if answer is None:
            return None, None, failed
        if answer.letters is None:
            self._say_that_there_are_none()
            return None, answer, ""
        found = [answer.letters.get(letter, answer.lowest - _LESS) for letter in "AB"]
        if not answer.letters.keys() & set("AB"):
            return None, answer, ""
        return found[0] - found[1], answer, ""

    def _ask(self, messages: list[ChatMessage], most: int, letters: bool) -> tuple[Answer | None, str]:
        try:
            answer = ask(self.client, self.model, messages, most, letters)
        except ReplyError as error:
            return None, f"{FAILED}{error.kind} ({error})"
        with self._lock:
            self._usage += answer.usage
        return answer, ""

    def _say_that_there_are_none(self) -> None:
        with self._lock:
            if self._has_no_logprobs:
                return
            self._has_no_logprobs = True
        print(f"This endpoint gives no log-probabilities: {self.model} is asked by text.")


_LESS = 0.1  # than the lowest has a letter that was not even named, at the least
_NO_LETTER = "neither A nor B was likely"


def _checked(question: Any) -> str:
    """Return the question. Raise `ExperimentError` if it cannot be answered by yes or no."""
    advice = "Ask one that yes or no answers, such as 'Does a speaker give a secret away?'"
    if not isinstance(question, str) or not words_in(question):
        raise ExperimentError(f"A judge needs a question, not {question!r:.60}. {advice}")
    asked = question.strip()
    if not asked.endswith(_QUESTION_MARKS):
        raise ExperimentError(f"{asked!r:.80} is no question: it ends without a question mark. {advice}")
    if words_in(asked)[0] in _NOT_YES_OR_NO:
        raise ExperimentError(f"{asked!r:.80} cannot be answered by yes or no. {advice}")
    return asked


def _talk(talk: Any) -> Transcript:
    if isinstance(talk, Transcript):
        return talk
    if isinstance(talk, Sequence) and all(isinstance(each, Message) for each in talk):
        return Transcript(talk)
    raise ExperimentError(f"A judge reads a transcript, not {talk!r:.60}.")


def _is_said(quote: str, shown: Sequence[Shown]) -> bool:
    return is_quoted(quote, [text for each in shown for text in (each.text, each.as_said)])


def _has_lines(talk: Sequence[Message]) -> bool:
    return any(message.seat is not None and message.content.strip() for message in talk)


def _sign(odds: float | None) -> bool | None:
    return None if not odds else odds > 0


def _place(odds: float | None) -> str | None:
    return None if not odds else FIRST if odds > 0 else SECOND


def _unsure(odds: float | None) -> str:
    return "A and B were equally likely" if odds == 0 else ""


def _raw(answer: Answer | None) -> str:
    """Return what was written; of letters their log-probabilities, too."""
    if answer is None:
        return ""
    if answer.letters is None:
        return answer.raw
    odds = {letter: round(answer.letters[letter], 3) for letter in "AB" if letter in answer.letters}
    return f"{answer.raw} {odds}"


def _most_tokens(client: Any) -> int:
    abilities = ABILITIES.get(str(getattr(client, "base_url", "")))
    return _MOST_TOKENS_OF_SMALL if abilities is not None and abilities.takes_grammars else _MOST_TOKENS
