"""Speakers' names, as they are said: who judges or votes on a talk should not know whose it is.

forms_of("Sir Guy of Kent")      Sir Guy of Kent, SIR GUY OF KENT, Guy, GUY, Kent, KENT
any_of(forms).sub(...)           finds them, the longest first, and never inside a word
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_SEAT = re.compile(r" \(seat [12]\)$")  # how two of one name are told apart
_SHORTEST = 3  # letters of a word that stands for the whole name
# Words of a name that are nobody's name.
_TITLES = {"sir", "lady", "lord", "dame", "mister", "miss", "mrs", "missus", "doctor", "king", "queen"}
_TITLES |= {"captain", "saint", "the", "von", "van", "del"}


def forms_of(name: str) -> Iterator[str]:
    """Yield what a speaker may be called: the whole name, and its words, also in capitals."""
    name = _SEAT.sub("", name).strip()
    words = [
        word
        for word in re.findall(r"[\w'’-]+", name)
        if len(word) >= _SHORTEST and word[0].isupper() and word.lower() not in _TITLES
    ]
    for form in (name, *words):
        yield from filter(None, (form, form.upper()))


def any_of(forms: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds each of these names. There must be one."""
    return re.compile("|".join(map(_pattern, sorted(forms, key=len, reverse=True))))


def _pattern(form: str) -> str:
    """Return the pattern of a name that is not a part of a word. Chinese and Thai part no words."""
    before, after = (r"(?<!\w)" if form[0].isascii() else ""), (r"(?!\w)" if form[-1].isascii() else "")
    return before + re.escape(form) + after
