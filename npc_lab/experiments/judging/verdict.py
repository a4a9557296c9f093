"""A verdict: what a judge said of a talk, and how it is read from what the model wrote.

    read_verdict('{"quote": "Farewell.", "reason": "She leaves.", "answer": "No."}')
        Said(answer=False, quote="Farewell.", reason="She leaves.", unscored="")

What cannot be read is unscored. It is never a no, and never counts: a judge that says nothing has not said
that all is well. Small models write prose, half an object, or two of them; of several the last one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from npc_lab.wire.usage import Usage

YES_OR_NO: Mapping[str, bool] = {"yes": True, "true": True, "no": False, "false": False}
FAILED = "failed:"  # and the kind of the error: an endpoint that did not reply has given no verdict
_KEY = "answer"
_OPENS = re.compile(r"\{")
_BROKEN = re.compile(r'\{\s*"')  # the beginning of an object that is none, for instance cut off
_AROUND = " \t\r\n.,;!?*_`\"'“”‘’"  # what may stand around a word
_GAP = re.compile(r"\.\.\.|…")


@dataclass(frozen=True)
class Verdict:
    """What a judge said of one talk.

    answer: True or False, or None. quote, reason: its own words. raw: all that it wrote, private thoughts
    included. unscored: why there is no answer, "failed:KIND" and more if the endpoint did not reply. usage:
    what it cost.
    """

    answer: bool | None
    quote: str = ""
    reason: str = ""
    raw: str = ""
    unscored: str = ""
    usage: Usage = field(default_factory=Usage)

    @property
    def has_failed(self) -> bool:
        """Whether there is none, for the endpoint did not reply. Then it can be asked again."""
        return self.unscored.startswith(FAILED)


class Said(NamedTuple):
    """What was read from a judge's words: an answer, or why there is none."""

    answer: Any
    quote: str = ""
    reason: str = ""
    unscored: str = ""


def read_verdict(words: str, answers: Mapping[str, Any] = YES_OR_NO) -> Said:
    """Return what a judge's words say. answers: the words that are an answer, and what each means."""
    if not words.strip():
        return Said(None, unscored="it said nothing")
    if (alone := _meaning(words, answers)) is not None:  # no object, but nothing else, too
        return Said(alone)
    objects, rest = _objects_in(words)
    if _BROKEN.search(rest):
        return Said(None, unscored="its verdict is cut off, or no JSON")
    if not objects:
        return Said(None, unscored="it gave no JSON object")
    last = objects[-1]
    quote, reason = (_text(last.get(name)) for name in ("quote", "reason"))
    if _KEY not in last:
        return Said(None, quote, reason, f'its verdict has no "{_KEY}"')
    answer = _meaning(last[_KEY], answers)
    if answer is None:
        return Said(None, quote, reason, f"its answer is none: {json.dumps(last[_KEY])[:60]}")
    return Said(answer, quote, reason)


def is_quoted(quote: str, texts: Iterable[str]) -> bool:
    """Whether these words stand in one of the texts. Blanks, case and quotation marks do not count.

    A gap ("...") in a quote is taken for what it says: what stands around it must be there, in this order.
    """
    parts = [part for part in map(_plain, _GAP.split(quote)) if part]
    return any(_stand_in_order(parts, _plain(text)) for text in texts)


def _stand_in_order(parts: list[str], text: str) -> bool:
    place = 0
    for part in parts:
        place = text.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


def _plain(text: str) -> str:
    text = re.sub(r"[\"“”„«»*_`]", "", text.casefold().replace("’", "'").replace("‘", "'"))
    return " ".join(text.split()).strip(" .,;:!?'")


def _meaning(value: Any, answers: Mapping[str, Any]) -> Any:
    """Return what an answer means; None if it is none. "yes and no" is none."""
    if isinstance(value, bool):
        return answers.get(str(value).lower())
    if not isinstance(value, str):
        return None
    return answers.get(value.strip(_AROUND).lower())


def _objects_in(words: str) -> tuple[list[dict[str, Any]], str]:
    """Return the JSON objects in a text, in order, and the text behind the last of them."""
    found, place, decoder = [], 0, json.JSONDecoder(strict=False)
    while opens := _OPENS.search(words, place):
        try:
            value, end = decoder.raw_decode(words, opens.start())
            found.append(value)
            place = end
            words, place = words[place:], 0
        except (ValueError, RecursionError):
            place = opens.end()
    return found, words


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
