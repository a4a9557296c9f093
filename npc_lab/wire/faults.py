"""What it means when an endpoint does not reply.

`reply_error` turns whatever the `openai` package or the network raised into a `ReplyError` that a
student can act on:

    openai.RateLimitError: 429, {"error": {"code": "insufficient_quota", ...}}    ReplyError("quota")
    openai.APITimeoutError                                                        ReplyError("timeout")

Kinds are told apart by status and words, never by the classes of the HTTP library under `openai`, which is
never imported: version 2 stands on httpx, version 3 on httpx2.
"""

import json
import math
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from npc_lab.errors import ReplyError
from npc_lab.keys import hide_key_in, without_key
from npc_lab.text import shorten
from npc_lab.wire.bodies import Said, read_body
from npc_lab.wire.dialects import refuses_roles

# kind -> the words that endpoints put into an error's code, type or message.
_WORDS = {
    "auth": r"api.?key.{0,40}(not valid|invalid|not found|missing|expired|incorrect|not provided|revoked)"
    r"|(invalid|incorrect|missing|wrong|no|expired).{0,20}(api.?key|credentials)|unauthenticated|unauthorized",
    "context_length": r"context.?(length|size|window)|exceed_context|too many tokens|prompt is too long"
    r"|(input|prompt)?.?tokens?.(count|number).{0,40}exceeds|number of tokens.{0,60}(greater|larger|exceed)"
    r"|maximum (input|prompt|sequence) length|reduce the length of the (messages|prompt|input)",
    # Not "billing" alone: OpenAI ends its advice on mere rate limits with the address of that page. Not
    # "exceeded your quota" alone: Google says so of the calls a minute, too, and when to try again.
    "quota": r"insufficient.?(quota|credit|balance|funds)|no credit|out of credit|balance is too low"
    r"|billing.(hard.limit|not.active)|(exceeded your current quota|quota exceeded)(?!.*retry)"
    r"|payment.required|requires more credits|spend(ing)?.limit|budget.{0,20}exceeded",
    "rate_limit": r"rate.?limit|(tokens|requests) per (minute|day|hour)|too many requests|throttl"
    r"|resource.?(has been )?exhausted|concurrency limit|quota exceeded",
    "cut_off": r"output limit was reached",  # OpenAI, where a reasoning model thinks to its limit
    "filtered": r"content.?filter|content.management.policy|(input|prompt|content).{0,20}flagged|moderation"
    r"|blocked by.{0,30}(safety|policy|guardrail)|prohibited_content|data_inspection_failed",
    "model_not_found": r"model_not_found|invalid.model|(unknown|no such|unsupported) model|not a valid model"
    r"|model_(decommissioned|not_available|not_supported|not_exist|deprecated)|no endpoints found"
    r"|\bmodel\b.{0,200}(not found|not exist|not available|is invalid|decommissioned)"
    r"|\bmodel\b.{0,80}been (deprecated|removed)"
    r"|\bmodel\b.{0,80}not supported by any provider",
}
# status -> which words count under it (elsewhere they are talk), and the kind without them.
_STATUS: dict[int, tuple[tuple[str, ...], str]] = {
    400: (("context_length", "filtered", "cut_off", "model_not_found", "auth", "quota"), "bad_request"),
    401: ((), "auth"),
    402: ((), "quota"),
    403: (("quota", "filtered", "auth"), "permission"),
    404: (("model_not_found",), "bad_address"),
    405: ((), "bad_address"),
    408: ((), "timeout"),
    409: ((), "server"),
    410: (("model_not_found",), "model_not_found"),
    413: (("rate_limit", "context_length"), "bad_request"),
    422: (("context_length", "model_not_found", "auth"), "bad_request"),
    429: (("quota",), "rate_limit"),
}
# Which words count where an error comes without a status.
_WITHOUT_STATUS = ("context_length", "quota", "rate_limit", "filtered", "model_not_found", "auth")
_MOST_DAYS = 365  # an endpoint that asks for a longer wait has miscounted
_START_IT = "Start the program that should answer there, or start this kernel again; it is on this machine."
_TRUST_IT = (
    "Let SSL_CERT_FILE name the certificate file of the network that stands in between, or remove "
    "SSL_CERT_FILE and SSL_CERT_DIR if they are out of date."
)
# What Linux, macOS and Windows say when a name has no address.
_NO_NAME = (
    r"getaddrinfo|name resolution|name or service not known|nodename nor servname|no address associated"
)
_NO_REASON = "Shorten the message, or change the character's settings; it gave no reason."


def reply_error(error: Exception, client: Any, began: bool, spoke: bool) -> ReplyError:
    """Convert what the `openai` package or the network raised into a `ReplyError`, and return it.

    began: whether the endpoint had begun to answer. spoke: whether words had arrived. The caller
    raises the result `from error`; keys are removed from both, because a traceback shows both.
    """
    own = next((each for each in (error, error.__cause__) if isinstance(each, ReplyError)), None)
    ours = own or _explain(error, client, began, spoke)
    hide_key_in(error, client)
    return ReplyError(ours.kind, ours.hint, without_key(ours.detail, client), without_key(ours.what, client))


def _explain(error: Exception, client: Any, began: bool, spoke: bool) -> ReplyError:
    ancestors = {ancestor.__name__ for ancestor in type(error).__mro__}
    said = read_body(getattr(error, "body", None))
    words = f"{getattr(error, 'code', '')} {getattr(error, 'type', '')} {error} {said.words}".lower()
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        its_kind = _kind_of_status(status, words)
        return _refusal(its_kind, said, _when_to_try_again(error) if its_kind == "rate_limit" else None)
    if any("Timeout" in name for name in ancestors):
        return ReplyError("timeout")
    if isinstance(error, json.JSONDecodeError) or "APIResponseValidationError" in ancestors:
        return ReplyError("malformed")
    if isinstance(error, UnicodeEncodeError) or "Illegal header value" in str(error.__cause__):
        what = "The key or the address holds letters that cannot be sent."
        return ReplyError("bad_request", "Copy it again, alone and in one piece.", what=what)
    if isinstance(error, OSError) or ancestors & {"APIConnectionError", "TransportError"}:
        if began:
            return ReplyError("interrupted_stream")
        return _no_connection(error, client)
    if "APIError" in ancestors:  # an error that came as an event of the stream
        return error_in_reply(getattr(error, "body", None) or str(error), spoke)
    name = f"{type(error).__name__}: {shorten(str(error), 200)}"
    if isinstance(error, AttributeError | TypeError | LookupError | ValueError):  # it could not be read
        return ReplyError("malformed", detail=f"({name})")
    hint = "The error shown above this one names the place."
    return ReplyError("server", hint, what=f"The client failed with {name}.")


def _no_connection(error: Exception, client: Any) -> ReplyError:
    """Return the error for an endpoint that was not reached, with what is known of the reason."""
    why, what, hint = str(error.__cause__ or error), None, None
    is_ours = is_loopback(str(getattr(client, "base_url", "")))
    if type(error.__cause__).__name__ in ("RemoteProtocolError", "ReadError"):
        what = "The endpoint closed the connection before its reply was there."
    elif re.search("certificate.verify.failed", why, re.IGNORECASE):
        what, hint = "The endpoint's certificate was not accepted.", _TRUST_IT
    elif is_ours:
        hint = _START_IT
    elif re.search(_NO_NAME, why, re.IGNORECASE):
        what = "The endpoint's address was not found: is there no network, or is it misspelt?"
    through = f" (a proxy is set in {' and '.join(proxies())})" if proxies() and not is_ours else ""
    return ReplyError("connection", hint, detail=f"The address is {_address(client)}{through}.", what=what)


def _kind_of_words(words: str, kinds: Iterable[str]) -> str | None:
    return next((kind for kind in kinds if re.search(_WORDS[kind], words, re.DOTALL)), None)


def _kind_of_status(status: int, words: str) -> str:
    if status in _STATUS:
        kinds, otherwise = _STATUS[status]
        return _kind_of_words(words, kinds) or otherwise
    if status >= 500:
        return "server"
    return "bad_address" if status < 400 else "bad_request"


def is_in_vain(status: int, words: str) -> bool:
    """Whether the same request would fail again: the SDK retries every 429 and 5xx, so stop it then."""
    if status == 429:
        return _kind_of_status(status, words.lower()) == "quota"
    return status >= 500 and refuses_roles(words)


def _when_to_try_again(error: Exception) -> str | None:
    """Return the endpoint's advice on when to try again, if it is long: the SDK has waited if it is short."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:  # none, or a date
        return None
    if not 60 < seconds < math.inf:
        return None
    minutes, days = math.ceil(seconds / 60), math.ceil(seconds / 86_400)
    if days <= _MOST_DAYS:
        return f"Try again in {minutes} minutes." if days == 1 else f"Try again in {days} days."
    return f"Try again much later: it asks for more than {_MOST_DAYS} days."


def error_in_reply(body: Any, spoke: bool = False) -> ReplyError:
    """Return the error that an endpoint sends under status 200, as an event or in place of a reply.

    spoke: whether words had arrived. Then it broke off, unless its own words say why.
    """
    said = read_body(body)
    kind = _kind_of_words(said.words, _WITHOUT_STATUS)
    if kind is None and said.status is not None and not spoke:
        kind = _kind_of_status(said.status, said.words)
    return _refusal(kind or ("interrupted_stream" if spoke else "server"), said)


def _refusal(kind: str, said: Said, hint: str | None = None) -> ReplyError:
    """Return the error with the endpoint's own words, quoted, if it has any."""
    # What is said of a refused key may hold a part of it.
    detail = f"It says: “{shorten(said.message)}”" if said.message and kind != "auth" else ""
    if kind == "bad_request" and not detail:
        hint = _NO_REASON
    return ReplyError(kind, hint, detail)


def proxies() -> list[str]:
    """Return the names of this machine's variables that set a proxy."""
    names = ("http_proxy", "https_proxy", "all_proxy")
    return sorted(name for name in os.environ if name.lower() in names and os.environ[name])


def is_loopback(address: str) -> bool:
    """Whether this address is of this machine."""
    with suppress(ValueError):
        host = urlsplit(address).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        return ip_address(host).is_loopback
    return False


def _address(client: Any) -> str:
    """Return the endpoint's address without a user name, password or query that may stand in it."""
    address = str(getattr(client, "base_url", "unknown")).partition("?")[0]
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
