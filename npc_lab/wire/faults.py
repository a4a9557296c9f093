"""What it means when an endpoint does not reply.

`reply_error` turns whatever the `openai` package or the network raised into a `ReplyError` that a
student can act on. Kinds are told apart by status and words, never by the classes of the HTTP library
under `openai`, which is never imported: version 2 stands on httpx, version 3 on httpx2.
"""

import json
import math
import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from npc_lab.errors import ReplyError
from npc_lab.text import shorten, well_formed
from npc_lab.wire.dialects import refuses_roles

# kind -> the words that endpoints put into an error's code, type or message.
_WORDS = {
    "context_length": r"context.?(length|size|window)|exceed_context|too many tokens|prompt is too long",
    # Not "billing" alone: OpenAI ends its advice on mere rate limits with the address of that page. Not
    # "exceeded your quota" alone: Google says so of the calls a minute, too, and when to try again.
    "quota": r"insufficient.?(quota|credit|balance|funds)|no credit|out of credit|balance is too low"
    r"|billing.(hard.limit|not.active)|exceeded your current quota(?!.*retry)",
    "rate_limit": r"rate.?limit",
    "cut_off": r"output limit was reached",  # OpenAI, where a reasoning model thinks to its limit
    "filtered": r"content.?filter|content.management.policy",
    "model_not_found": r"model_not_found|invalid.model|(unknown|no such) model|not a valid model"
    r"|\bmodel\b.{0,200}(not found|not exist|not available|is invalid)",
}
# status -> which words count under it (elsewhere they are talk), and the kind without them.
_STATUS: dict[int, tuple[tuple[str, ...], str]] = {
    400: (("context_length", "filtered", "cut_off", "model_not_found"), "bad_request"),
    401: ((), "auth"),
    402: ((), "quota"),
    403: (("quota",), "permission"),
    404: (("model_not_found",), "bad_address"),
    405: ((), "bad_address"),
    408: ((), "timeout"),
    409: ((), "server"),
    413: (("context_length",), "bad_request"),
    422: (("context_length", "model_not_found"), "bad_request"),
    429: (("quota",), "rate_limit"),
}

# "ollama", "lm-studio", "not-needed", "EMPTY", "1234": to cut these out would spoil what characters say.
_NO_SECRET = re.compile(
    r".{0,7}|(?!sk-)(?=.{0,15}\Z)[a-z]+([-_ ][a-z]+)*|sk-no-key-required", re.I | re.DOTALL
)
_CUT = "(key)"  # stands where a key stood
_TELLING = 8  # so many letters of a key, from its beginning or up to its end, are cut out too
_HELD_FROM = 4  # letters: what may become a key is held back from here on


def reply_error(error: Exception, client: Any, began: bool, spoke: bool) -> ReplyError:
    """Say in our words what the `openai` package or the network raised.

    began: whether the endpoint had begun to answer; spoke: whether words had arrived. The caller
    raises the result `from error`; keys are cut out of both, because a traceback shows both.
    """
    ours = error if isinstance(error, ReplyError) else _explain(error, client, began, spoke)
    _hide_key_in(error, client)
    return ReplyError(ours.kind, ours.hint, without_key(ours.detail, client), without_key(ours.what, client))


def _explain(error: Exception, client: Any, began: bool, spoke: bool) -> ReplyError:
    ancestors = {ancestor.__name__ for ancestor in type(error).__mro__}
    words = f"{getattr(error, 'code', '')} {getattr(error, 'type', '')} {error}".lower()
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        # What is said of a refused key may hold a part of it.
        detail = "" if status == 401 else _said_in(error)
        its_kind = _kind_of_status(status, words)
        return ReplyError(its_kind, _when_to_try_again(error) if its_kind == "rate_limit" else None, detail)
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
        broke_off = type(error.__cause__).__name__ in ("RemoteProtocolError", "ReadError")
        why = "The endpoint closed the connection before its reply was there." if broke_off else None
        return ReplyError("connection", detail=f"The address is {_address(client)}.", what=why)
    if "APIError" in ancestors:  # an error that came as an event of the stream
        kind = _kind_of_words(words, ("context_length", "quota", "rate_limit"))
        return ReplyError(kind or ("interrupted_stream" if spoke else "server"), detail=_said_in(error))
    name = f"{type(error).__name__}: {shorten(str(error), 200)}"
    if isinstance(error, AttributeError | TypeError | LookupError | ValueError):  # it could not be read
        return ReplyError("malformed", detail=f"({name})")
    hint = "The error shown above this one names the place."
    return ReplyError("server", hint, what=f"The client failed with {name}.")


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
    """Whether the same request would fail again, although the status sounds as if it might not."""
    if status == 429:
        return _kind_of_status(status, words.lower()) == "quota"
    return status >= 500 and refuses_roles(words)


def _when_to_try_again(error: Exception) -> str | None:
    """What the endpoint says of the time, where it is long. The openai package has waited for short ones."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:  # none, or a date
        return None
    return f"Try again in {math.ceil(seconds / 60)} minutes." if 60 < seconds < math.inf else None


def endpoint_words(error: Any) -> str:
    """The endpoint's own words on an error, quoted, or "" where it has none."""
    message = error.get("message") if isinstance(error, dict) else getattr(error, "message", error)
    return f"It says: “{shorten(well_formed(message))}”" if message and isinstance(message, str) else ""


def _said_in(error: Exception) -> str:
    """The endpoint's sentence, where it sent one in JSON. Web pages are left out."""
    body = getattr(error, "body", None)
    if not isinstance(body, dict):
        return ""
    return endpoint_words(body.get("error", body)) or endpoint_words(body)


def _address(client: Any) -> str:
    """The endpoint's address without a user name or password that may stand in it."""
    address = str(getattr(client, "base_url", "unknown"))
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def without_whole_key(words: str, client: Any) -> str:
    """The words with the client's key cut out. Its beginning is no secret: anybody may say "sk-proj-"."""
    key = key_of(client)
    return words.replace(key, _CUT) if key else words


def without_key(words: str, client: Any) -> str:
    """The same of an error's words, also where only the key's beginning or end is shown."""
    if key := key_of(client):
        words = _without_beginning(words, key, _CUT)
        words = _without_beginning(words[::-1], key[::-1], _CUT[::-1])[::-1]
    return words


def key_of(client: Any) -> str:
    """The client's key, or "" where it has none to keep secret: local endpoints get any word for one."""
    key = getattr(client, "api_key", None)
    return key if isinstance(key, str) and not _NO_SECRET.fullmatch(key) else ""


def _without_beginning(words: str, key: str, cut: str) -> str:
    """Endpoints like to show the first and the last letters of a refused key."""
    place = words.find(key[:_TELLING])
    while place >= 0:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(words[place:], key, strict=False))
        length = len(list(alike))
        words = words[:place] + cut + words[place + length :]
        place = words.find(key[:_TELLING], place + len(cut))
    return words


class KeyGuard:
    """Cuts the client's key out of words that arrive in pieces. Some endpoints repeat what they are sent."""

    def __init__(self, client: Any):
        self._key = key_of(client)
        self._text = ""  # what may be the beginning of a key, and before it a little that was given out
        self._given = 0  # so many characters of it were given out

    def feed(self, piece: str) -> str:
        """Take the next piece, give what is surely no part of a key."""
        if not self._key:
            return piece
        text = self._text + piece
        while (place := text.find(self._key)) >= 0:
            text = text[: max(place, self._given)] + _CUT + text[place + len(self._key) :]
        held = max(self._first_doubtful(text), self._given)
        given = text[self._given : held]
        before = max(held - _HELD_FROM + 1, 0)
        self._text, self._given = text[before:], held - before
        return given

    def finish(self) -> str:
        """All has arrived: give what was held back."""
        rest = self._text[self._given :]
        self._text, self._given = "", 0
        return rest

    def _first_doubtful(self, text: str) -> int:
        """Where a beginning of the key stands at the end of the text. A letter or two do not count."""
        place = text.find(self._key[0], max(len(text) - len(self._key) + 1, 0))
        while 0 <= place <= len(text) - _HELD_FROM:
            if self._key.startswith(text[place:]):
                return place
            place = text.find(self._key[0], place + 1)
        return len(text)


def _hide_key_in(error: BaseException | None, client: Any) -> None:
    """Cut the key out of the error and of what caused it: some endpoints repeat it."""
    while error is not None:
        error.args = tuple(_hidden(arg, client) for arg in error.args)
        attributes = vars(error)  # the endpoint's words stand there too, and what could not be read
        attributes.update({name: _hidden(value, client) for name, value in attributes.items()})
        error = error.__cause__ or error.__context__


def _hidden(value: Any, client: Any) -> Any:
    """The value without the key, whatever JSON it is."""
    if isinstance(value, str):
        return without_key(value, client)
    if isinstance(value, dict):
        return {name: _hidden(inner, client) for name, inner in value.items()}
    return [_hidden(inner, client) for inner in value] if isinstance(value, list) else value
