r"""Text as it may be sent, stored and printed.

A Python string can hold half of an emoji (a *lone surrogate*), which no endpoint and no file
accepts, and control characters, with which a model could repaint a terminal.

    well_formed("Hail \ud83d")               returns "Hail \ufffd"
    printable("Hail \x1b[2Jand well met")    returns "Hail [2Jand well met", which clears no screen
"""

import re
from collections.abc import Sequence

# Everything a terminal may take for an order, except line feed and tab; and the marks that let text
# run from right to left where it should not, so that a line reads other than it is.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# Chinese, Japanese, Thai, Lao, Burmese and Khmer write no blanks between words: each letter counts as one.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[\w'])+")


def words_in(line: str) -> list[str]:
    """Return the words of a line in lower case, in their order."""
    return _WORD.findall(line.casefold().replace("’", "'"))


def well_formed(text: str) -> str:
    """Join surrogate pairs, and replace lone surrogates by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def printable(text: str) -> str:
    """Remove control characters, so that the text is safe to print in a terminal."""
    return _CONTROL.sub("", text)


def untypeset(markup: str) -> str:
    """Wrap markup for a notebook so that no `$` in it begins a formula: prices are prices.

    Notebook 6 would even make a link to a program of `$\\href{javascript:...}{look}$`. The two classes are
    the words with which MathJax 2 and 3 are asked to leave a part of the page alone.
    """
    return f"<div class='tex2jax_ignore mathjax_ignore'>{markup}</div>"


def shorten(text: str, limit: int = 300) -> str:
    """Return at most `limit` characters of the text, on one line, with an ellipsis if it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def some_of(names: Sequence[str], most: int) -> str:
    """Return at most so many of the names, and how many more there are: "Ada, Bram and 2 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
