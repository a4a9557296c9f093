"""What the checks on lists of messages share: random texts, and a first look at a returned list."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from npc_lab.lessons.checking.exercise import Trial, Wrong
from npc_lab.lessons.checking.learners_code import LONGEST, apart, show, why_none
from npc_lab.text import printable, shorten, well_formed

_MOST_MESSAGES = 10_000

# Not the module's functions: a notebook that seeds them would make the checks repeat themselves.
dice = random.Random()

_WORDS = (
    "apple bell bread bridge candle cloak coin crow door drum eel fire fog gate goose hammer harbour honey "
    "horse ink jug key ladder lamp letter map mill moon mule needle oven pear pepper pigeon rain ring river "
    "rope salt ship soap song stove sword thread tower turnip wagon well wheel window wolf wool"
)


def phrase(count: int = 3) -> str:
    """Return random words, almost certainly a new combination."""
    return " ".join(dice.sample(_WORDS.split(), count))


def how_changed(wanted: str, got: Any, what: str) -> str:
    """Return in which way a text was changed on its way, as a sentence, or "" if it is another one.

    what: the text in words, such as "the line".
    """
    if not isinstance(got, str):
        return f"In the place of {what} stands {show(got, 60)}, and no text."
    if got == wanted.strip():
        return f"The blanks around {what} are cut off."
    if "".join(got.split()) == "".join(wanted.split()):
        return f"The blanks and line breaks of {what} are changed."
    if got.casefold() == wanted.casefold():
        return "Capital letters are changed."
    if wanted.strip() in got:
        return f"More than {what} itself is handed on."
    if got and got.strip(".… ") in wanted:
        return f"Only a part of {what} is handed on."
    return ""


def messages_in(trial: Trial, value: Any) -> list[dict[str, Any]]:
    """Return what a learner's function returned, as a list. Raise `Wrong` unless it holds messages."""
    wanted = "a list of messages"
    if value is None:
        fault = "It gives None, and no list."
        raise Wrong(trial.called, wanted, "None", why_none(trial.learners_object), fault=fault)
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        advice = "Give a list, even if it holds only one message."
        fault = f"It gives {show(value, 60)}, and no list."
        raise Wrong(trial.called, wanted, show(value), advice, fault=fault)
    messages = list(islice(value, _MOST_MESSAGES))  # itertools.cycle() has no end, and no alarm stops it
    for message in messages:
        if not isinstance(message, Mapping):
            advice = 'Each message is a dictionary: {"role": ..., "content": ...}.'
            got = f"a list that holds {show(message, 120)}"
            fault = f"In its list stands {show(message, 60)}, which is no message."
            raise Wrong(trial.called, wanted, got, advice, fault=fault)
    return [dict(message) for message in messages]


def written_apart(expected: Any, got: Any) -> tuple[str, str]:
    """Return both as `written` does, cut so that one sees where they differ."""
    shown = written(expected), written(got)
    return shown if shown[0] != shown[1] else apart(repr(expected), repr(got))


def written(messages: Any) -> str:
    """Return messages as they are written in code, each with its keys in their own order, shortened."""
    try:
        text = repr(messages)
    except Exception:  # a learner may put anything into a message
        return show(messages)
    return shorten(printable(well_formed(text)), LONGEST)
