"""What some endpoints do not take, and what they are sent instead.

All of them speak the same protocol, each in its own dialect: one knows no `temperature`, another no system
message. They say so with an error that names what they refuse. Then the request is changed and sent again,
and what helped is remembered for this address and model until Python ends. A request that was refused has
made no reply, so nothing is paid for twice. What nobody refuses is never changed.

The patterns fit what these say (seen in public issue threads, 2024 to 2026):

    OpenAI, Azure  Unsupported value: 'temperature' does not support 0.6 with this model. Only the default ...
                   Unsupported parameter: 'max_tokens' ... Use 'max_completion_tokens' instead.
                   Unsupported value: 'messages[0].role' does not support 'system' with this model.
                   Unsupported value: 'stream' does not support true with this model.
                   Your organization must be verified to stream this model.
                   Unrecognized request argument supplied: stream_options
    vLLM, Mistral  {'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are ...
    Fireworks      Extra inputs are not permitted, field: 'stream_options'
    Gemma          System role not supported (400 from vLLM, 500 from llama.cpp and SGLang)
    Google         Developer instruction is not enabled for models/gemma-3-27b-it
    Mistral        Unexpected role 'user' after role 'user' (invalid_request_message_order)
                   Only user, assistant and tool roles are supported, got system
    templates      Conversation roles must alternate user/assistant/user/assistant/...
                   After the optional system message, conversation roles must alternate user and ...
    llama.cpp      Failed to initialize samplers: failed to parse grammar
    LM Studio      Error rendering prompt with jinja template: ... (status 200, in a stream that has begun)
    Anthropic      messages: roles must alternate between "user" and "assistant", but found multiple ...
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from npc_lab.errors import ReplyError
from npc_lab.wire.form import is_form

Request = dict[str, Any]

# Statuses of a refusal. Some servers call it an error of their own, but only when a model's template refuses.
_STATUSES = (400, 403, 422, 501)
_STATUS_OF_A_TEMPLATE = 500
_LONGEST_REASON = 4000  # characters: some endpoints repeat the whole request
_NEAR = r".{0,80}"
_REFUSES = (
    r"(?:unsupported|(?:not|n't) (?:yet )?(?:support|allow|enabled|permit)|unrecogni[sz]ed|forbidden"
    r"|deprecated"
    r"|un(?:known|expected) (?:\w+ ){0,2}(?:parameter|argument|field|name|key|input|property|option)s?\b"
    r"|only (?:the default|1\b)|may only be set)"
)


@dataclass(frozen=True)
class Adaptation:
    """One thing that an endpoint may refuse.

    note: what is done about it, as a sentence to print. refused: a pattern for the words of a refusal.
    change: a function that converts the request.
    """

    note: str
    refused: re.Pattern[str]
    change: Callable[[Request], Request]


def _refuses(name: str) -> str:
    """Return a pattern for the name near words that refuse it."""
    name = rf"(?<!\w){name}(?!\w)"
    return rf"{_REFUSES}{_NEAR}{name}|{name}{_NEAR}{_REFUSES}"


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.DOTALL)


def _without(*names: str) -> Callable[[Request], Request]:
    return lambda request: {name: value for name, value in request.items() if name not in names}


def _with_newer_limit(request: Request) -> Request:
    names = {"max_tokens": "max_completion_tokens"}
    return {names.get(name, name): value for name, value in request.items()}


def _without_form(request: Request) -> Request:
    """Leave our own grammar out. One that a character brings is refused in the endpoint's words."""
    return _without("grammar")(request) if is_form(request.get("grammar")) else request


def _in_turns(request: Request) -> Request:
    """Join neighbours of one role. Only the first message may be the system's."""
    joined: list[dict[str, str]] = []
    for message in request["messages"]:
        has_begun = bool(joined) and joined[-1]["role"] != "system"
        role = "user" if message["role"] == "system" and has_begun else message["role"]
        if joined and joined[-1]["role"] == role:
            joined[-1]["content"] += f"\n\n{message['content']}"
        else:
            joined.append({**message, "role": role})
    return {**request, "messages": joined}


def _without_system(request: Request) -> Request:
    """Put the system message in front of the user's first words."""
    orders = "\n\n".join(each["content"] for each in request["messages"] if each["role"] == "system")
    others = [each for each in request["messages"] if each["role"] != "system"]
    if orders and others and others[0]["role"] == "user":
        others[0] = {**others[0], "content": f"{orders}\n\n{others[0]['content']}"}
    elif orders:
        others.insert(0, {"role": "user", "content": orders})
    return {**request, "messages": others}


_NOT_IN_TURNS = (
    r"must alternate|invalid_request_message_order|roles in a row"
    r"|unexpected role .{0,3}(?:user|assistant).{0,3} after role"
    r"|(?:multiple|only one|a single) system message|system message must be (?:at the beginning|the? ?first)"
)
# In this order they are tried, and made.
ADAPTATIONS = (
    Adaptation(
        "This endpoint does not take temperature; it is left out.",
        _words(_refuses("temperature")),
        _without("temperature"),
    ),
    Adaptation(
        "This endpoint wants max_completion_tokens in place of max_tokens; that is sent.",
        _words(_refuses("max_tokens")),
        _with_newer_limit,
    ),
    Adaptation(
        "This endpoint does not take stream_options; they are left out.",
        _words(_refuses("stream_options")),
        _without("stream_options"),
    ),
    Adaptation(
        "This endpoint does not stream; a reply is shown when all of it has come.",
        _words(_refuses("stream(?:ing)?"), r"verified to stream"),
        _without("stream", "stream_options"),
    ),
    Adaptation(
        "This endpoint wants user and assistant to take turns; neighbours of one role are joined.",
        _words(_NOT_IN_TURNS),
        _in_turns,
    ),
    Adaptation(
        "This endpoint takes no system message; its text is put in front of the user's first one.",
        _words(
            _refuses("system (?:role|message|prompt|instruction)s?"),
            r"not support .?system\b",
            r"developer instruction is not enabled",
            r"unexpected role .{0,12}system|only user.{0,40} roles? are supported",
            _NOT_IN_TURNS,  # some templates count it as somebody's turn
        ),
        _without_system,
    ),
)
_TURNS_AND_ROLES = ADAPTATIONS[4:]
NO_FORM = Adaptation(
    "This endpoint does not take the grammar that replies are held to; they are not held to their form.",
    _words("grammar"),  # also "failed to parse grammar" (llama.cpp)
    _without_form,
)
_ALWAYS_SENT = {
    "model",
    "messages",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
}


@lru_cache
def _without_option(name: str) -> Adaptation:
    """Return what helps if the endpoint refuses this option of a character."""
    note = f"This endpoint does not take {name}; it is left out."
    if name == "seed":
        note = "This endpoint takes no seeds: the talk is played without, and cannot come again."
    return Adaptation(note, _words(_refuses(re.escape(name))), _without(name))


def _candidates(request: Request) -> list[Adaptation]:
    """Return what may help with this request, in the order in which it is tried."""
    options = sorted(request.keys() - _ALWAYS_SENT)
    return [*ADAPTATIONS, NO_FORM, *map(_without_option, options)]


# By address and model. A stand-in has no address that another one could not have, too.
_helped: dict[tuple[str, str], tuple[Adaptation, ...]] = {}
_lock = threading.Lock()


def known(client: Any, model: Any) -> tuple[Adaptation, ...]:
    """Return what has helped with this endpoint and model so far."""
    return _helped.get(_key(client, model), ())


def remember(client: Any, model: Any, adaptations: list[Adaptation]) -> None:
    """Note what has helped: later requests to this endpoint and model are changed before they are sent.

    What a learner has asked for and does not get is printed, once.
    """
    if not _key(client, model)[0].startswith("http"):
        return
    with _lock:
        before = known(client, model)
        wanted = dict.fromkeys([*before, *adaptations])
        order = {each: place for place, each in enumerate(ADAPTATIONS)}
        _helped[_key(client, model)] = tuple(sorted(wanted, key=lambda each: order.get(each, len(order))))
    for adaptation in adaptations:
        if adaptation not in (*before, *ADAPTATIONS):
            print(adaptation.note)


def fitting(error: Exception, request: Request) -> Adaptation | None:
    """Return what may help after this error, or None. It changes the request: nothing is tried twice."""
    # Some notice under status 200, when they have begun to answer. In a stream, the openai package sees it.
    is_late = isinstance(error, ReplyError) or type(error).__name__ == "APIError"
    status = getattr(error, "status_code", None)
    if not is_late and status not in (*_STATUSES, _STATUS_OF_A_TEMPLATE):
        return None
    of_a_template = (*_TURNS_AND_ROLES, NO_FORM)
    candidates = of_a_template if status == _STATUS_OF_A_TEMPLATE else _candidates(request)
    reason = _reason(error, request)
    return next(
        (each for each in candidates if each.refused.search(reason) and each.change(request) != request), None
    )


def _reason(error: Exception, request: Request) -> str:
    """Return the endpoint's own words. What it repeats of ours is no refusal."""
    # Not every server puts its reason where the openai package finds it: the body has it in any case.
    reason = f"{error} {getattr(error, 'body', '')}"
    for message in request["messages"]:
        reason = reason.replace(str(message["content"]) or "\0", "")
    return reason[:_LONGEST_REASON]


def adapt(request: Request, adaptation: Adaptation) -> None:
    """Change the request and its list of messages in place: whoever holds them sees what is sent."""
    changed, messages = adaptation.change(request), request["messages"]
    messages[:] = changed["messages"]
    request.clear()
    request.update(changed, messages=messages)


def refuses_roles(reason: str) -> bool:
    """Whether a model's template refuses the messages: to send them again is in vain."""
    return any(each.refused.search(reason[:_LONGEST_REASON]) for each in _TURNS_AND_ROLES)


def _key(client: Any, model: Any) -> tuple[str, str]:
    return str(getattr(client, "base_url", "")), str(model)
