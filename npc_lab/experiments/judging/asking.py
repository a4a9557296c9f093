"""One request to a judge's endpoint, and what came back.

    answer = ask(client, model, messages, max_tokens=400)
    answer.text        what it said, without private thoughts
    answer.letters     log-probabilities of the first token, where they were asked for: {"A": -0.2, "B": -1.9}

A judge remembers nothing, so there is no history and no transaction here. Nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from npc_lab.errors import ReplyError
from npc_lab.keys import keys_of, without_these
from npc_lab.memory import ChatMessage
from npc_lab.scratchpad import ThoughtParser
from npc_lab.text import shorten
from npc_lab.wire.answers import Delta
from npc_lab.wire.faults import reply_error
from npc_lab.wire.reading import Reading
from npc_lab.wire.usage import Usage, usage_of

_MOST = 20  # tokens whose log-probabilities are asked for: no endpoint gives more


@dataclass(frozen=True)
class Answer:
    """What came back.

    text: what was said aloud. raw: all of it, private thoughts included. was_cut: it ran into its limit.
    letters: log-probabilities of the first token's candidates, by their text without blanks, upper case;
    None if there are none. lowest: the lowest of them: what is not among them has no more.
    """

    text: str
    raw: str
    was_cut: bool
    usage: Usage
    letters: Mapping[str, float] | None = None
    lowest: float = field(default=0.0)


def ask(client: Any, model: str, messages: list[ChatMessage], max_tokens: int, letters: bool) -> Answer:
    """Send a request and return the answer. Raise `ReplyError` if there is none.

    letters: ask for log-probabilities of one token, too.
    """
    request = {"model": model, "messages": messages, "temperature": 0.0, "max_tokens": max_tokens}
    if letters:
        request |= {"logprobs": True, "top_logprobs": _MOST}
    sent = sum(len(message["content"]) for message in messages)
    return _answer(_delta(client, request), client, sent)


def _delta(client: Any, request: dict[str, Any]) -> Delta:
    reading, is_over = Reading(client), False
    try:
        arrival = next(iter(reading.whole(request)))
        is_over = True
    finally:
        reading.stop(is_over)
    if isinstance(arrival, Exception):
        cause = arrival.__cause__ if isinstance(arrival, ReplyError) else arrival
        raise reply_error(arrival, client, False, False) from cause
    if isinstance(arrival, BaseException):  # a client of one's own may end the program
        raise arrival
    return arrival


def _answer(delta: Delta, client: Any, sent: int) -> Answer:
    raw = without_these(delta.content, keys_of(client))
    usage = usage_of(delta.usage, sent, len(raw) + len(delta.reasoning))
    was_cut = delta.finish_reason == "length"
    if delta.finish_reason == "content_filter":
        raise ReplyError("filtered")
    if delta.refusal:
        words = shorten(without_these(delta.refusal, keys_of(client)))
        raise ReplyError("refused", detail=f"It says: “{words}”")
    parser = ThoughtParser(has_scratchpad=False)
    parser.feed(raw)
    parser.finish(complete=not was_cut)
    letters, lowest = _first_token(delta.logprobs)
    return Answer(parser.visible, raw, was_cut, usage, letters, lowest)


def _first_token(logprobs: Any) -> tuple[dict[str, float] | None, float]:
    """Return the log-probabilities of the first token's candidates, and the lowest one; (None, 0) if none."""
    try:
        content = _of(logprobs, "content")
        tops = _of(content[0], "top_logprobs")
        pairs = [(str(_of(each, "token")).strip().upper(), float(_of(each, "logprob"))) for each in tops]
    except (TypeError, LookupError, AttributeError, ValueError):
        return None, 0.0
    if not pairs:
        return None, 0.0
    found: dict[str, float] = {}
    for token, value in pairs:  # "A" and " A" are one letter: the likelier of them counts
        found[token] = max(value, found.get(token, value))
    return found, min(found.values())


def _of(thing: Any, name: str) -> Any:
    return thing[name] if isinstance(thing, Mapping) else getattr(thing, name)
