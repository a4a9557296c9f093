"""A client's key is never shown and never stored: it is cut out of everything that is.

    without_these("My key is sk-12345678.", keys_of(client))    ->  "My key is (key)."

Some endpoints repeat what they are sent, and errors like to show the beginning or the end of a refused
key. Replies arrive in pieces, so `KeyGuard` holds back what may be the beginning of a key until the next
piece decides.
"""

import re
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qsl, urlsplit

# "ollama", "lm-studio", "not-needed", "EMPTY", "1234": to cut these out would spoil what characters say.
_NO_SECRET = re.compile(
    r".{0,7}|(?!sk-)(?=.{0,15}\Z)[a-z]+([-_ ][a-z]+)*|sk-no-key-required", re.I | re.DOTALL
)
_IS_SECRET = re.compile(r"auth|key|token|secret|password|cookie|credential", re.I)  # a header's name
_CUT = "(key)"  # stands where a key stood
_TELLING = 8  # so many characters of a key, from its beginning or up to its end, are cut out too
_HELD_FROM = 4  # characters: what may become a key is held back from here on


def keys_of(client: Any) -> list[str]:
    """Return what a client must keep secret, the longest first: local endpoints take any word for a key.

    A key may stand in `api_key`, in headers of the learner's own, or in the query or before the @ of the
    address. A client whose `api_key` is a function has a key once it has sent its first request.
    """
    address = urlsplit(str(getattr(client, "base_url", "")))
    headers = getattr(client, "_custom_headers", None) or {}
    in_headers = [str(value) for name, value in headers.items() if _IS_SECRET.search(str(name))]
    found = [getattr(client, "api_key", None), address.password]
    found += [value.rpartition(" ")[2] for value in in_headers]  # "Bearer sk-..."
    found += [value for _, value in parse_qsl(address.query)]
    found += [str(value) for value in (getattr(client, "_custom_query", None) or {}).values()]
    keys = {key for key in found if isinstance(key, str) and not _NO_SECRET.fullmatch(key)}
    return sorted(keys, key=len, reverse=True)


def without_these(words: str, keys: list[str]) -> str:
    """Remove whole keys from a text. The beginning of one is no secret: anybody may say "sk-proj-"."""
    for key in keys:
        words = words.replace(key, _CUT)
    return words


def without_key(words: str, client: Any) -> str:
    """Remove the client's key from an error message, including a shown prefix or suffix of it."""
    for key in keys_of(client) if words else ():
        words = _without_beginning(words, key, _CUT)
        words = _without_beginning(words[::-1], key[::-1], _CUT[::-1])[::-1]
    return words


def hide_key_in(error: BaseException | None, client: Any) -> None:
    """Remove the client's key from an exception and its causes, in place: a traceback shows them all."""
    while error is not None:
        error.args = tuple(_hidden(arg, client) for arg in error.args)
        attributes = vars(error)  # the endpoint's words stand there too, and what could not be read
        attributes.update({name: _hidden(value, client) for name, value in attributes.items()})
        _hide_key_in_response(getattr(error, "response", None), client)
        error = error.__cause__ or error.__context__


class KeyGuard:
    """Removes the client's key from words that arrive in pieces."""

    def __init__(self, client: Any):
        self._client = client
        self._keys: list[str] | None = None
        self._text = ""  # what may be the beginning of a key, and before it a little that was passed on
        self._given = 0  # so many characters of it were passed on

    def feed(self, piece: str) -> str:
        """Take the next piece and return what is surely no part of a key."""
        if self._keys is None:  # not before: only now does the client know it for sure
            self._keys = keys_of(self._client)
        if not self._keys:
            return piece
        text = self._text + piece
        for key in self._keys:
            while (place := text.find(key)) >= 0:
                text = text[: max(place, self._given)] + _CUT + text[place + len(key) :]
        held = max(min(_first_doubtful(text, key) for key in self._keys), self._given)
        given = text[self._given : held]
        before = max(held - _HELD_FROM + 1, 0)
        self._text, self._given = text[before:], held - before
        return given

    def finish(self) -> str:
        """Return what was held back: all pieces have arrived."""
        rest = self._text[self._given :]
        self._text, self._given = "", 0
        return rest


def _first_doubtful(text: str, key: str) -> int:
    """Return where a beginning of the key stands at the end of the text. A letter or two do not count."""
    place = text.find(key[0], max(len(text) - len(key) + 1, 0))
    while 0 <= place <= len(text) - _HELD_FROM:
        if key.startswith(text[place:]):
            return place
        place = text.find(key[0], place + 1)
    return len(text)


def _hide_key_in_response(response: Any, client: Any) -> None:
    """Remove the key from the body that a response of the HTTP library has kept."""
    body = getattr(response, "_content", None)
    if isinstance(body, bytes) and keys_of(client):
        response._content = without_key(body.decode("utf-8", "surrogateescape"), client).encode(
            "utf-8", "surrogateescape"
        )
        if hasattr(response, "_text"):
            del response._text


def _without_beginning(words: str, key: str, cut: str) -> str:
    """Endpoints like to show the first and the last letters of a refused key."""
    place = words.find(key[:_TELLING])
    while place >= 0:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(words[place:], key, strict=False))
        length = len(list(alike))
        words = words[:place] + cut + words[place + length :]
        place = words.find(key[:_TELLING], place + len(cut))
    return words


def _hidden(value: Any, client: Any) -> Any:
    """Return a copy of the value without the key, whatever JSON it is."""
    if isinstance(value, str):
        return without_key(value, client)
    if isinstance(value, dict):
        return {name: _hidden(inner, client) for name, inner in value.items()}
    return [_hidden(inner, client) for inner in value] if isinstance(value, list) else value
