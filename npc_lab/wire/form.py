r"""The form that replies of small models are held to: a scratchpad's marks, and whole sentences.

    grammar(has_scratchpad=True, tokens=60)           what an engine is sent: in GBNF, llama.cpp's notation
    whole_part("Good day, Mr. Guy. I will not")       returns "Good day, Mr. Guy."

Held to a grammar, a model can write only what the grammar can still complete, and can stop only where the
grammar ends: behind a sentence. Which words it writes, and behind which sentence it stops, it chooses itself.
If its tokens are used up before, `whole_part` leaves off what it did not finish. No mark is forced on a line.
Words are still shown as they are made, since nobody can know which sentence will be the last: a panel and a
terminal take the unfinished one back at the end.

A sentence ends with a mark of its script. A full stop ends none behind a number, a single letter, another
full stop, a blank, a comma, or a word without a vowel, as most abbreviations are: "Mr.", "St.", "vs.". A
list ends with any of its items, and a verse, from its fourth line on, with any of its lines.

The classes in a grammar only exclude letters, so any script can be written.

Measured with SmolLM2-135M on two busy cores, by the parts of tests/benchmarks/bench_form.py, one run each:

    replies with a thought and an answer     60 of 60 (told so without a grammar: 1 of 12)
    thoughts said before, or copied from     none of 60; with thoughts of 16 characters allowed, in place of
      the instruction                        30, one of 60 had been said before
    lines of the demo that end whole         48 of 48; 9 ended by the model, with marks that had
                                             probabilities of .23 to .93 before the grammar
    those talks                              distinct-2 .88, own repeats .005; without the form: not measured
    tokens a second, beside no grammar       .98 for a line, .96 for thought and answer: medians of 12 ratios,
                                             100 tokens each, by turns; with an earlier draft of the grammars

Talks of former sheets (60 tokens, no examples) had distinct-2 .72 and own repeats .022 without the form
(three talks, no prompt cache), .76 and .015 with its grammar (six, with the cache): too few to tell.
"""

import re
from functools import lru_cache
from typing import Any

_NAME = "# npc_lab's form of a reply"  # the first line of a grammar, a comment
_MARKS = "!?。！？｡．؟۔।॥։።፧။།។៕\u037e"
_BEFORE_NO_BLANK = "。！？｡．"  # behind these, the next sentence may follow at once
_CLOSERS = "\"'”’»›)]}*_」』）】》"
_PAUSES = ",;:，、；：،؛"
_GAPS = ' \n\t.-–—("“„«»[*_/…'  # behind one of these a word begins
_NEW_LINE = "\n"
_DIGITS = "0123456789"
_CONSONANTS = "bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ"
_NO_VOWEL = _GAPS + _DIGITS + _CONSONANTS + _PAUSES + _MARKS + _CLOSERS
_NO_LAST_LETTER = _GAPS + _DIGITS + _PAUSES + _CLOSERS

# A thought: one sentence, or less. Its bounds are in characters, for a grammar counts no tokens. In English a
# token has about four, so a thought takes two fifths of the tokens at the most. Shorter ones are soon alike.
_SHORTEST, _LONGEST = 30, 240
_A_TOKEN = 1.5  # characters of a thought for each token of the reply
_OF_MARKS = 14  # tokens of SmolLM2 for both marks and their line ends
_SYMBOLS = "`*_[]{}<>|=/@~"  # as with digits, a thought of them has a token a letter, and no answer
_LAST_WORD = 8  # characters: what completes a word at the bound

_ITEM = re.compile(r"(?:[-*•]|[0-9][.)]) \S")
_END = re.compile(
    rf"[.{_MARKS}][{re.escape(_CLOSERS)}]*(?=\s|\Z)|[{_BEFORE_NO_BLANK}][{re.escape(_CLOSERS)}]*"
)
_LOOKED_AT = 80  # characters before a full stop: more than a word
_LINES_OF_A_VERSE = 4  # fewer may be prose


def is_form(grammar: Any) -> bool:
    """Whether this is a grammar of ours."""
    return isinstance(grammar, str) and grammar.startswith(_NAME)


@lru_cache
def grammar(has_scratchpad: bool, tokens: int | None) -> str:
    """Return the grammar of a reply. tokens: the limit of the reply, if it has one."""
    if not has_scratchpad:
        return f"{_NAME}\nroot ::= ending\n{_rules()}"
    room = _LONGEST if tokens is None else int(_A_TOKEN * (tokens - _OF_MARKS))
    longest = max(_SHORTEST, min(room, _LONGEST))
    no_thought = "#\n." + _MARKS + _DIGITS + _SYMBOLS
    first, inside = _none_of(" " + no_thought), _none_of(no_thought)
    of_its_last_word = _none_of(" " + no_thought + _PAUSES)
    # Neither part may hold a "#": the marks stand where the grammar puts them, and nowhere else.
    return rf"""{_NAME}
root ::= "#SCRATCHPAD\n" thought "\n#ANSWER\n" ending
thought ::= {first} {inside}{{{_SHORTEST - 2},{longest - 1}}} {of_its_last_word}{{1,{_LAST_WORD}}} stop?
stop ::= "." | "…" | mark
{_rules(but="#")}"""


def _rules(but: str = "") -> str:
    """Return what stands below the root: how a reply ends. but: letters that cannot be written."""

    def none_of(letters: str) -> str:
        return _none_of(letters + but)

    return rf"""ending ::= prose | list | verse
prose ::= any* {none_of(_PAUSES + _NEW_LINE + chr(9))} mark close |
  any* {none_of(_PAUSES + _GAPS + _CLOSERS)} closer+ "." close |
  (any* gap)? word "." close
list ::= (any* "\n")? item
verse ::= (any* "\n")? (line "\n"){{{_LINES_OF_A_VERSE - 1}}} line
any ::= {none_of(chr(27))}
mark ::= {_any_of(_MARKS)}
closer ::= {_any_of(_CLOSERS)}
close ::= closer* (" " | "\n")*
gap ::= {_any_of(_GAPS)}
word ::= letter* vowel letter* last | letter+ vowel
letter ::= {none_of(_GAPS)}
vowel ::= {none_of(_NO_VOWEL)}
last ::= {none_of(_NO_LAST_LETTER)}
item ::= ("-" | "*" | "•" | digit ("." | ")")) " " {none_of(" " + _NEW_LINE)} {none_of(_NEW_LINE)}*
digit ::= {_any_of(_DIGITS)}
line ::= {none_of(_NEW_LINE)}* {none_of(_PAUSES + " " + _NEW_LINE)}
"""


def _any_of(letters: str) -> str:
    escaped = {"\n": r"\n", "\t": r"\t", '"': r"\""}
    return " | ".join(f'"{escaped.get(letter, letter)}"' for letter in letters)


def _none_of(letters: str) -> str:
    escaped = {"\n": r"\n", "\t": r"\t", "[": r"\[", "]": r"\]", chr(27): r"\x1b"}
    # At its end, a hyphen means itself.
    in_order = sorted(dict.fromkeys(letters), key="-".__eq__)
    return f"[^{''.join(escaped.get(letter, letter) for letter in in_order)}]"


def whole_part(text: str) -> str:
    """Return the text up to the end of its last whole sentence; "" if it has none."""
    ends = [end.end() for end in _END.finditer(text) if _ends_a_sentence(text, end.start())]
    return text[: max([*ends[-1:], *_line_ends(text)[-1:]], default=0)]


def _ends_a_sentence(text: str, place: int) -> bool:
    """Whether the mark at this place ends a sentence."""
    before = text[max(place - _LOOKED_AT, 0) : place]
    if text[place] != ".":
        return bool(before) and before[-1] not in _PAUSES + "\n\t"
    bare = before.rstrip(_CLOSERS)
    if bare != before:
        return bool(bare) and bare[-1] not in _PAUSES + _GAPS
    word = re.split(rf"[{re.escape(_GAPS)}]", before)[-1]
    return len(word) > 1 and word[-1] not in _NO_LAST_LETTER and any(each not in _NO_VOWEL for each in word)


def _line_ends(text: str) -> list[int]:
    """Return where lines end that can be the last of a list or a verse. The text's own last one is cut."""
    lines, ends, place = text.split("\n"), [], 0
    for number, line in enumerate(lines[:-1]):
        place += len(line)
        stanza = lines[max(number + 1 - _LINES_OF_A_VERSE, 0) : number + 1]
        is_verse = len(stanza) == _LINES_OF_A_VERSE and all(each[-1:].strip(_PAUSES + " ") for each in stanza)
        if is_verse or _ITEM.match(line):
            ends.append(place)
        place += 1
    return ends
