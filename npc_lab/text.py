"""Text as it may be sent, stored and printed.

A Python string can hold half of an emoji (a *lone surrogate*), which no endpoint and no file
accepts, and control characters, with which a model could repaint a terminal.
"""

import re

# Everything a terminal may take for an order, except line feed and tab; and the marks that let text
# run from right to left where it should not, so that a line reads other than it is.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def well_formed(text: str) -> str:
    """The same text, halves of one character joined, and a half that stands alone made U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def printable(text: str) -> str:
    """The same text without control characters, safe to print in a terminal."""
    return _CONTROL.sub("", text)


def shorten(text: str, limit: int = 300) -> str:
    """At most `limit` characters of the text, on one line, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
