"""What an endpoint sends, and what it means when it does not.

A reply comes whole (`read_whole`) or in pieces (`read_pieces`). Both give `Delta`s, so that the
rest of the package knows one shape only. `reply_error` turns whatever the `openai` package or the
network raised into a `ReplyError` that a student can act on.

The HTTP library under `openai` is never imported: version 2 stands on httpx, version 3 on httpx2.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from npc_lab.errors import NPCLabError, ReplyError
from npc_lab.text import shorten, well_formed


@dataclass(slots=True)
class Delta:
    """A piece of a reply, as it arrived. `usage` is the endpoint's own token count."""

    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    model: str = ""
    usage: Any = None


def ask(client: Any, request: dict[str, Any]) -> Any:
    """Send the request through the client and give its response."""
    try:
        create = client.chat.completions.create
    except AttributeError:
        raise ReplyError(
            "bad_request",
            "Use a client of the openai package; `client, model = connect()` gives you one.",
            f"A client of type {type(client).__name__} has no chat.completions.create.",
        ) from None
    response = create(**request)
    if isawaitable(response):
        response.close()  # type: ignore[attr-defined]  # never awaited, and Python would warn of it
        raise ReplyError("bad_request", "Use openai.OpenAI instead.", "This client is an asynchronous one.")
    return response


def read_whole(response: Any) -> Delta:
    """The one delta of a reply that came whole."""
    try:
        choice = response.choices[0]
        message = choice.message
    except (AttributeError, IndexError, KeyError, TypeError):
        raise ReplyError("malformed", detail=_what_came(response)) from None
    delta = _delta(message, choice, response)
    delta.content = well_formed(delta.content)
    return delta


def read_pieces(response: Any) -> Iterator[Delta]:
    """The deltas of a streamed reply. Chunks without a choice bring the usage, or nothing."""
    try:
        chunks = iter(response)
    except TypeError:
        raise ReplyError("malformed", detail=_what_came(response)) from None
    high_half, any_chunk = "", False
    for chunk in chunks:
        any_chunk = True
        if error := _field(chunk, "error"):
            raise ReplyError("interrupted_stream", detail=_provider_words(error))
        choices = _field(chunk, "choices")
        if not choices:
            yield Delta(model=_text(chunk, "model"), usage=_field(chunk, "usage"))
            continue
        delta = _delta(_field(choices[0], "delta"), choices[0], chunk)
        # Half an emoji waits for its other half.
        delta.content, high_half = _split_high_half(high_half + delta.content)
        yield delta
    if high_half:
        yield Delta(content=well_formed(high_half))
    if not any_chunk:  # a web page, or JSON where events should be: the openai package skips both
        raise ReplyError("malformed")


def _delta(message: Any, choice: Any, response: Any) -> Delta:
    content = _field(message, "content")
    if content is not None and not isinstance(content, str):
        raise ReplyError("malformed", detail="The reply is not text.")
    finish_reason = _field(choice, "finish_reason")
    return Delta(
        content=content or "",
        reasoning=_text(message, "reasoning_content") or _text(message, "reasoning"),
        refusal=_text(message, "refusal"),
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        model=_text(response, "model"),
        usage=_field(response, "usage"),
    )


def _field(thing: Any, name: str) -> Any:
    """The named field, or None. It is asked for at every chunk of a stream, mostly in vain."""
    if isinstance(thing, dict):
        return thing.get(name)
    unknown_fields = getattr(thing, "model_extra", None)
    if isinstance(unknown_fields, dict):  # the openai package's types, where a failing getattr is slow
        return vars(thing).get(name, unknown_fields.get(name))
    return getattr(thing, name, None)


def _text(thing: Any, name: str) -> str:
    value = _field(thing, name)
    return well_formed(value) if isinstance(value, str) else ""


def _split_high_half(text: str) -> tuple[str, str]:
    """Well-formed text, and the first half of a character at its end, if one stands there."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return well_formed(text[:-1]), text[-1]
    return well_formed(text), ""


def _what_came(response: Any) -> str:
    """A few words on a response that is no reply."""
    if error := _field(response, "error"):
        return f"It says: “{_provider_words(error)}”"
    if isinstance(response, str) and "<html" in response[:1000].lower():
        return "It sent a web page."
    return "It sent no choices." if hasattr(response, "choices") else ""


def _provider_words(error: Any) -> str:
    words = _text(error, "message") or (error if isinstance(error, str) else "")
    return shorten(words) if words else ""


# Each kind by the words that endpoints put into an error's `code`, `type` or message.
_CONTEXT_WORDS = (
    "context_length",
    "context length",
    "context size",
    "context window",
    "exceed_context",
    "too many tokens",
)
_QUOTA_WORDS = ("insufficient_quota", "insufficient credit", "billing")
_RATE_WORDS = ("rate_limit", "rate limit")


def reply_error(error: Exception, client: Any, began: bool, spoke: bool) -> ReplyError:
    """Say in our words what the `openai` package or the network raised.

    began: whether the endpoint had begun to answer; spoke: whether words had arrived. The caller
    raises the result `from error`; keys are cut out of both, because a traceback shows both.
    """
    if isinstance(error, ReplyError):
        return ReplyError(error.kind, error.hint, without_key(error.detail, client))
    kind, detail = _kind_and_detail(error, client, began, spoke)
    _hide_key_in(error, client)
    return ReplyError(kind, detail=without_key(detail, client))


def _kind_and_detail(error: Exception, client: Any, began: bool, spoke: bool) -> tuple[str, str]:
    ancestors = {ancestor.__name__ for ancestor in type(error).__mro__}
    words = f"{_text(error, 'code')} {_text(error, 'type')} {error}".lower()
    said = _endpoint_said(error)
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _kind_of_status(status, words, said), "" if status == 401 else said
    if "APITimeoutError" in ancestors or any("Timeout" in name for name in ancestors):
        return "timeout", ""
    if isinstance(error, json.JSONDecodeError) or "APIResponseValidationError" in ancestors:
        return "malformed", ""
    if "APIConnectionError" in ancestors or "TransportError" in ancestors or isinstance(error, OSError):
        return ("interrupted_stream", "") if began else ("connection", f"The address is {_address(client)}.")
    if "APIError" in ancestors:  # an error event in the stream
        return _kind_of_words(words) or ("interrupted_stream" if spoke else "server"), said
    if isinstance(error, UnicodeEncodeError):
        return "bad_request", "The key or the address holds letters that cannot be sent."
    if isinstance(error, AttributeError | TypeError | KeyError | IndexError | ValueError):
        return "malformed", f"({type(error).__name__}: {shorten(str(error), 100)})"
    return "server", f"({type(error).__name__}: {shorten(str(error), 100)})"


def _kind_of_words(words: str) -> str | None:
    kinds = {"context_length": _CONTEXT_WORDS, "quota": _QUOTA_WORDS, "rate_limit": _RATE_WORDS}
    return next((kind for kind, marks in kinds.items() if any(mark in words for mark in marks)), None)


def _kind_of_status(status: int, words: str, said: str) -> str:
    if status == 402 or (status == 429 and _kind_of_words(words) == "quota"):
        return "quota"
    if status in (400, 413, 422) and _kind_of_words(words) == "context_length":
        return "context_length"
    if status == 404:
        return "model_not_found" if said and "model" in words else "bad_address"
    named = {
        401: "auth",
        403: "permission",
        405: "bad_address",
        408: "timeout",
        409: "server",
        429: "rate_limit",
    }
    if status in named:
        return named[status]
    return "server" if status >= 500 else "bad_request"


def _endpoint_said(error: Exception) -> str:
    """The endpoint's own sentence, where it sent one in JSON. Web pages are left out."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        words = _provider_words(inner if isinstance(inner, dict | str) else body)
        return f"It says: “{words}”" if words else ""
    return ""


def _address(client: Any) -> str:
    """The endpoint's address without a user name or password that may stand in it."""
    address = str(getattr(client, "base_url", "unknown"))
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def without_key(words: str, client: Any) -> str:
    """The words with the client's key cut out."""
    key = getattr(client, "api_key", None)
    return words.replace(key, "(key)") if isinstance(key, str) and len(key) > 3 else words


def _hide_key_in(error: BaseException | None, client: Any) -> None:
    """Cut the key out of the error and of what caused it: some endpoints repeat it."""
    while error is not None and not isinstance(error, NPCLabError):
        error.args = tuple(without_key(arg, client) if isinstance(arg, str) else arg for arg in error.args)
        if isinstance(getattr(error, "message", None), str):
            error.message = without_key(error.message, client)  # type: ignore[attr-defined]
        error = error.__cause__ or error.__context__
