"""What can be measured in a talk: numbers for each line, numbers for a whole talk, and yes or no.

Opening and director's lines are not measured: nobody spoke them. Lines of a script count for nobody either.

    echoes(talk)                     one number for each line          [0.0, 0.25, 0.1]
    echo(talk)                       one for the talk: their mean      0.117
    says("gold")(talk)               yes or no                         True

The last two are measures of an experiment (npc_lab/experiments): functions of a transcript that return a
number, True or False, or None if it cannot be said.
"""

import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from statistics import fmean

from npc_lab.character import name_in
from npc_lab.memory import ChatMessage
from npc_lab.text import words_in
from npc_lab.transcript import SCRIPT, SYSTEM, Message, spoken

# A line above it is an echo. The failure has its name from arXiv 2511.09710; measure and limit are ours.
ECHO_LIMIT = 0.2
_RUN = 4  # words in a row: fewer are shared by chance


def line_lengths(messages: Sequence[Message]) -> list[int]:
    """Return the length of each spoken line, in characters."""
    return [len(message.content) for message in spoken(messages)]


def echoes(messages: Sequence[Message]) -> list[float]:
    """Return how much of each spoken line repeats the partner's last one, from 0 (nothing) to 1 (all).

    It is the share of the line's runs of 4 words that the partner's line holds too, in upper or lower
    case. The first line answers the opening. A line of fewer than 4 words has no run and counts as 0: a
    mere "Yes, my lord." is no echo.
    """
    last_runs: dict[int, list[tuple[str, ...]]] = {1: [], 2: []}  # seat -> those of what it said last
    shares = []
    for message in messages:
        if message.sender == SYSTEM:
            last_runs = dict.fromkeys((1, 2), _runs(message.content))
        if message.seat is not None:
            runs, known = _runs(message.content), set(last_runs[3 - message.seat])
            shares.append(sum(run in known for run in runs) / max(len(runs), 1))
            last_runs[message.seat] = runs
    return shares


def repeats(messages: Sequence[Message]) -> list[float]:
    """Return how much of each spoken line its speaker has said before, from 0 (nothing) to 1 (all).

    It is the share of the line's runs of 4 words that the same speaker said before, in this line or in an
    earlier one. A line of fewer than 4 words counts as 0.
    """
    known: dict[int, set[tuple[str, ...]]] = {1: set(), 2: set()}
    shares = []
    for message in spoken(messages):
        before, again, runs = known[message.seat or 1], 0, _runs(message.content)
        for run in runs:
            again += run in before
            before.add(run)
        shares.append(again / max(len(runs), 1))
    return shares


def own_repeats(talk: Sequence[Message]) -> float | None:
    """Return the mean of `repeats` over the talk's lines; None if there is no line."""
    return _mean_of_lines(talk, repeats(talk))


def echo(talk: Sequence[Message]) -> float | None:
    """Return the mean of `echoes` over the talk's lines; None if there is no line."""
    return _mean_of_lines(talk, echoes(talk))


def says(word: str, seat: int = 1) -> Callable[[Sequence[Message]], bool | None]:
    """Return the measure whether the speaker in this seat says a word, or some words in a row.

    Upper and lower case count as the same, and a part of a word is not the word. A talk in which the seat has
    no line is None. Raise `ValueError` if there is no word, or no such seat.
    """
    wanted = words_in(word)
    if not wanted:
        raise ValueError(f"There is no word in {word!r:.60}.")

    def is_said(line: str) -> bool:
        words = words_in(line)
        return any(words[at : at + len(wanted)] == wanted for at in range(len(words)))

    return _in_any_line(is_said, "says", word, seat)


def leaks(secret: str, seat: int = 1) -> Callable[[Sequence[Message]], bool | None]:
    """Return the measure whether the speaker in this seat gives a secret away.

    The secret must be short: what is looked for are its letters and digits in a row, whatever stands between
    them, so that "S-I-L-V-E-R" gives silver away. Not found are translations, riddles and other words for it.
    Raise `ValueError` if it has no letter, or there is no such seat.
    """
    wanted = _letters(secret)
    if not wanted:
        raise ValueError(f"There is no letter in {secret!r:.60}.")
    within = re.compile(r"(?<!\w)" + r"[\W_]*".join(map(re.escape, wanted)) + r"(?!\w)")
    return _in_any_line(lambda line: bool(within.search(line.casefold())), "leaks", secret, seat)


def breaks_character(talk: Sequence[Message]) -> bool | None:
    """Return whether a speaker says that it is a machine, such as "As an AI language model, I cannot".

    None if there is no line. It knows English phrases of assistants and no others.
    """
    lines = [message.content for message in _made(talk)]
    return any(_MACHINE.search(line.replace("’", "'")) for line in lines) if lines else None


def name_said(talk: Sequence[Message]) -> str | None:
    """Return the name that the first speaker says it has, "Edward" for "I am Edward", or None."""
    for message in spoken(talk):
        if message.seat == 1 and message.sender != SCRIPT:
            for about_me in _I_AM.findall(message.content.replace("’", "'")):
                if name := name_in(f"You are {about_me}"):
                    return name
    return None


def new_to_cache(before: Sequence[ChatMessage], now: Sequence[ChatMessage]) -> int:
    """Return how many characters of the prompt `now` an endpoint reads anew after the prompt `before`.

    A prompt cache compares whole messages from the front: all from the first difference on is new.
    """
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False))
    return sum(len(message["content"]) for message in now[len(list(shared)) :])


def _runs(line: str) -> list[tuple[str, ...]]:
    words = words_in(line)
    return list(zip(*(words[start:] for start in range(_RUN)), strict=False))


def _made(talk: Sequence[Message]) -> list[Message]:
    """Return the lines that a character made, without those of a script."""
    return [message for message in spoken(talk) if message.sender != SCRIPT]


def _mean_of_lines(talk: Sequence[Message], numbers: Sequence[float]) -> float | None:
    own = [each for message, each in zip(spoken(talk), numbers, strict=True) if message.sender != SCRIPT]
    return fmean(own) if own else None


def _in_any_line(
    holds: Callable[[str], bool], verb: str, what: str, seat: int
) -> Callable[[Sequence[Message]], bool | None]:
    """Return the measure whether this holds for any line of a seat. Its name says what it looks for."""
    if seat not in (1, 2):
        raise ValueError(f"A seat is 1 or 2, not {seat!r:.60}.")

    def measure(talk: Sequence[Message]) -> bool | None:
        lines = [message.content for message in _made(talk) if message.seat == seat]
        return any(holds(line) for line in lines) if lines else None

    in_seat = "" if seat == 1 else f"_seat_{seat}"
    measure.__name__ = measure.__qualname__ = f"{verb}_{'_'.join(words_in(what))}{in_seat}"
    return measure


def _letters(text: str) -> list[str]:
    return [letter for letter in text.casefold() if letter.isalnum()]


# What somebody says of themself, up to the next word to the other. Looked ahead: more may follow.
_I_AM = re.compile(
    r"\b(?:I am(?: called| known as)?|I'm(?: called)?|my name is|my name's|(?:they|men) call me) "
    r"(?=((?:(?!\byou\b|\byour\b).)+))",
    re.IGNORECASE,
)
_MACHINE = re.compile(
    r"\b(?:as an?|I am an?|I'm an?|I am just an?|I'm just an?|I am only an?|I'm only an?|being an?) "
    r"(?:\w+[ -]){0,3}?(?:AI|A\.I\.|artificial intelligence|language model|LLM|chat ?bot|virtual assistant"
    r"|digital assistant|AI assistant|computer program|machine learning model|neural network)\b"
    r"|\b(?:language model|trained by (?:OpenAI|Google|Meta|Anthropic|Mistral|Alibaba)|my training data"
    r"|I was (?:trained|programmed) (?:on|by|to))\b",
    re.I,
)
