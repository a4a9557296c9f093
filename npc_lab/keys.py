"""A client's key is never shown and never stored: it is cut out of everything that is.

    without_whole_key("My key is sk-12345678.", client)    ->  "My key is (key)."

Some endpoints repeat what they are sent, and errors like to show the beginning or the end of a refused
key. Replies arrive in pieces, so `KeyGuard` holds back what may be the beginning of a key until the next
piece decides.
"""

import re
from itertools import takewhile
from typing import Any

# "ollama", "lm-studio", "not-needed", "EMPTY", "1234": to cut these out would spoil what characters say.
_NO_SECRET = re.compile(
    r".{0,7}|(?!sk-)(?=.{0,15}\Z)[a-z]+([-_ ][a-z]+)*|sk-no-key-required", re.I | re.DOTALL
)
_CUT = "(key)"  # stands where a key stood
_TELLING = 8  # so many characters of a key, from its beginning or up to its end, are cut out too
_HELD_FROM = 4  # characters: what may become a key is held back from here on


def key_of(client: Any) -> str:
    """Return the client's key, or "" if it has none to keep secret: local endpoints take any word for one."""
    key = getattr(client, "api_key", None)
    return key if isinstance(key, str) and not _NO_SECRET.fullmatch(key) else ""


def without_whole_key(words: str, client: Any) -> str:
    """Remove the client's key from a text. Its beginning is no secret: anybody may say "sk-proj-"."""
    key = key_of(client)
    return words.replace(key, _CUT) if key else words


def without_key(words: str, client: Any) -> str:
    """Remove the client's key from an error message, including a shown prefix or suffix of it."""
    if key := key_of(client):
        words = _without_beginning(words, key, _CUT)
        words = _without_beginning(words[::-1], key[::-1], _CUT[::-1])[::-1]
    return words


def hide_key_in(error: BaseException | None, client: Any) -> None:
    """Remove the client's key from an exception and its causes, in place: a traceback shows them all."""
    while error is not None:
        error.args = tuple(_hidden(arg, client) for arg in error.args)
        attributes = vars(error)  # the endpoint's words stand there too, and what could not be read
        attributes.update({name: _hidden(value, client) for name, value in attributes.items()})
        error = error.__cause__ or error.__context__


class KeyGuard:
    """Removes the client's key from words that arrive in pieces."""

    def __init__(self, client: Any):
        self._key = key_of(client)
        self._text = ""  # what may be the beginning of a key, and before it a little that was passed on
        self._given = 0  # so many characters of it were passed on

    def feed(self, piece: str) -> str:
        """Take the next piece and return what is surely no part of a key."""
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
        """Return what was held back: all pieces have arrived."""
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
