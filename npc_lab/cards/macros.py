"""Macros: what stands between `{{` and `}}` in a card's text.

    filled("{{char}} rolls {{roll:d6}}.{{// secretly}} Hello, {{user}}!", "Ada", "you")
    returns "Ada rolls 4. Hello, you!"

They are those of version 3, there called curly braced syntaxes, and `<char>`, `<bot>` and `<user>` of older
cards. What version 3 does not know, such as another program's `{{getvar::x}}`, stays as it is.

Chance is made from the text itself, so that the same card is the same character whenever it is read.
"""

import re
from hashlib import sha256
from random import Random

_DEEPEST = 10  # macros inside macros; what is deeper is just text
_BRACES = re.compile(r"(\{\{(?!\{)|\}\})")
_NAMES = re.compile(r"<(char|bot|user)>", re.IGNORECASE)
_MACRO = re.compile(r"\s*(//|[a-z_]+)\s*(?::{1,2}|(?<=/)|(?=\s)|$)(.*)", re.IGNORECASE | re.DOTALL)
_DICE = re.compile(r"\s*(?:(\d{0,2})d)?(\d{1,9})\s*", re.IGNORECASE | re.ASCII)
_BETWEEN_VALUES = re.compile(r"(?<!\\),")

_BLANK = ("//", "comment", "hidden_key", "original")


def filled(text: str, character: str, user: str) -> str:
    """Return the text with these names and values in place of its macros. Each is replaced once."""
    levels: list[list[str]] = [[]]  # the pieces of the text, then of each macro that is still open
    names = {"char": character, "bot": character, "user": user}
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    for number, piece in enumerate(_BRACES.split(text)):
        if piece == "{{" and len(levels) <= _DEEPEST:
            levels.append([])
        elif piece == "}}" and len(levels) > 1:
            inner = "".join(levels.pop())
            value = _value(inner, names, f"{number} {digest}")
            levels[-1].append("{{" + inner + "}}" if value is None else value)
        else:
            levels[-1].append(_NAMES.sub(lambda found: names[found[1].lower()], piece))
    while len(levels) > 1:  # never closed
        rest = levels.pop()
        levels[-1] += ["{{", *rest]
    return "".join(levels[0])


def has_macros(text: str) -> bool:
    """Whether anything in the text would be replaced."""
    return filled(text, "", "") != text


def _value(inner: str, names: dict[str, str], seed: str) -> str | None:
    """Return what this macro stands for, or None if it is none of version 3's."""
    found = _MACRO.fullmatch(inner)
    word, rest = (found[1].lower(), found[2]) if found else ("", "")
    if word in _BLANK:
        return ""
    if word in names and not rest.strip():
        return names[word]
    if word == "reverse":
        return rest[::-1]
    if word in ("random", "pick"):
        values = rest.split("::") if "::" in rest else _BETWEEN_VALUES.split(rest)
        return values[int(Random(seed).random() * len(values))].strip().replace("\\,", ",")
    if word == "roll":
        return _rolled(rest, seed)
    return None


def _rolled(dice: str, seed: str) -> str:
    """Return the sum of such dice: 6 and d6 are one of six sides, 2d6 are two. "" if they are none."""
    found = _DICE.fullmatch(dice)
    if not found or not (sides := int(found[2])):
        return ""
    chance = Random(seed)
    return str(sum(1 + int(chance.random() * sides) for _ in range(max(1, int(found[1] or 1)))))
