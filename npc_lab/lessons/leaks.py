"""The leak lab: a parser is tried on odd replies, and a table shows what came out.

    leak_lab(split_reply)             every reply as a whole
    leak_lab_stream(visible_pieces)   every reply in pieces, cut in many ways

Models write their marks in many wrong ways. `ODD_REPLIES` holds those that we have seen or expect; the
texts are our own. A reply *leaks* if private words are in what may be shown.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from npc_lab.lessons.checking.learners_code import error_line, is_stub, show
from npc_lab.lessons.checking.limits import TimeIsUp, run_limited
from npc_lab.lessons.checking.reports import INCORRECT, coloured
from npc_lab.rendering import escaped, html_table
from npc_lab.text import printable, shorten, untypeset, well_formed

PRIVATE, ANSWER = "The gold lies under the old oak.", "What gold, good sir?"

LEAK, RIGHT, NOTHING, OTHER = "LEAK", "right", "answer lost", "something else"
FAILED, NOT_TRIED = "failed", "not tried"

CHANCE = 8  # characters in a row that count as private text; a shorter run may be the same by chance
_SECONDS = 0.8  # for one reply, at most
_ALL_SECONDS = 2.0  # for all of them


@dataclass(frozen=True)
class OddReply:
    """A reply as models write them.

    name: what is odd about it. template: its text, with places for the private words and the answer. If it
    has no place for an answer, nothing may be shown.
    """

    name: str
    template: str

    def text(self, private: str = PRIVATE, answer: str = ANSWER) -> str:
        """Return what the model wrote."""
        return self.template.format(private=private, answer=answer)

    @property
    def has_answer(self) -> bool:
        """Whether something may be shown."""
        return "{answer}" in self.template


ODD_REPLIES = (
    OddReply("as it should be", "#SCRATCHPAD\n{private}\n#ANSWER\n{answer}"),
    OddReply("no marks, no thoughts", "{answer}"),
    OddReply("no start mark", "{private}\n#ANSWER\n{answer}"),
    OddReply("no end mark", "#SCRATCHPAD\n{private}"),
    OddReply("cut off in its end mark", "#SCRATCHPAD\n{private}\n#ANSW"),
    OddReply("text before its start mark", "Sure!\n#SCRATCHPAD\n{private}\n#ANSWER\n{answer}"),
    OddReply("all in one line", "#SCRATCHPAD {private} #ANSWER {answer}"),
    OddReply("small letters", "#scratchpad\n{private}\n#answer\n{answer}"),
    OddReply("bold", "**#SCRATCHPAD**\n{private}\n**#ANSWER**\n{answer}"),
    OddReply("headings", "## Scratchpad\n{private}\n## Answer\n{answer}"),
    OddReply("colons", "#SCRATCHPAD: {private}\n#ANSWER: {answer}"),
    OddReply("bold words, no #", "**Scratchpad**\n{private}\n**Answer**\n{answer}"),
    OddReply("the end mark twice", "#SCRATCHPAD\n{private}\n#ANSWER\n#ANSWER\n{answer}"),
    OddReply(
        "a mark in the thoughts",
        "#SCRATCHPAD\nFirst I think, then I write #ANSWER and speak. {private}\n#ANSWER\n{answer}",
    ),
    OddReply(
        "a mark in the thoughts, then cut off",
        "#SCRATCHPAD\nFirst I think, then I write #ANSWER and speak. {private}",
    ),
    OddReply("second thoughts, cut off", "#SCRATCHPAD\nHm.\n#ANSWER\n{answer}\n#SCRATCHPAD\n{private}"),
    OddReply(
        "second thoughts, second answer",
        "#SCRATCHPAD\nHm.\n#ANSWER\n{answer}\n#SCRATCHPAD\n{private}\n#ANSWER\n{answer}",
    ),
    OddReply("<think>", "<think>\n{private}\n</think>\n{answer}"),
    OddReply("<think>, cut off", "<think>\n{private}"),
    OddReply("</think> alone", "{private}\n</think>\n{answer}"),
    OddReply("<think>, then marks", "<think>{private}</think>\n#SCRATCHPAD\nHm.\n#ANSWER\n{answer}"),
    OddReply("a mark inside <think>", "<think>\nNow\n#ANSWER\n{private}\n</think>\n{answer}"),
)


def leaked(shown: str, private: str) -> str:
    """Return the longest run of the private text in what was shown, or ""."""
    told, kept = shown.casefold(), private.casefold()
    runs = [
        private[start:end]
        for start in range(len(kept) - CHANCE + 1)
        if kept[start : start + CHANCE] in told
        for end in range(start + CHANCE, len(kept) + 1)
        if kept[start:end] in told
    ]
    return max(runs, key=len, default="")


def cut(text: str, places: Iterable[int]) -> list[str]:
    """Return the text in pieces that end at these places."""
    inside = {place for place in places if 0 < place < len(text)}
    return [text[start:end] for start, end in pairwise(sorted({0, len(text), *inside}))]


def many_cuts(text: str) -> Iterator[list[str]]:
    """Yield the text cut in many ways: not at all, once at every place, in words, in single characters."""
    yield [text]
    for place in range(1, len(text)):
        yield cut(text, [place])
    yield cut(text, [space.start() for space in re.finditer(r"\s", text)])
    yield list(text)


@dataclass(frozen=True)
class Row:
    """One odd reply: what went in, what came out, and the verdict."""

    name: str
    wrote: str
    shown: str
    verdict: str
    times: str = ""


@dataclass(frozen=True)
class LeakTable:
    """What a parser made of the odd replies. It shows itself in a notebook and in a terminal.

    note: why there are no rows, if there are none.
    """

    rows: list[Row] = field(default_factory=list)
    note: str = ""

    @property
    def leaks(self) -> int:
        """The number of replies that leaked."""
        return self.count(LEAK)

    @property
    def leak_rate(self) -> float:
        """The share of replies that leaked, from 0 to 1."""
        return self.leaks / max(len(self.rows), 1)

    def count(self, verdict: str) -> int:
        """The number of replies with this verdict."""
        return Counter(row.verdict for row in self.rows)[verdict]

    def headline(self) -> str:
        """Return the numbers in one line."""
        if self.note:
            return self.note
        verdicts = (RIGHT, NOTHING, OTHER, FAILED, NOT_TRIED)
        rest = [f"{self.count(verdict)} {verdict}" for verdict in verdicts if self.count(verdict)]
        total = len(self.rows)
        return f"{self.leaks} of {total} replies leak ({self.leak_rate:.0%}). The others: {', '.join(rest)}."

    def __str__(self) -> str:
        width = max((len(row.name) for row in self.rows), default=0)
        lines = [
            f"{row.verdict:<{len(OTHER)}}  {row.name:<{width}}  {_in_line(_marked(row), 70)}{row.times}"
            for row in self.rows
        ]
        return "\n".join([self.headline(), *(line.rstrip() for line in lines)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.rows:
            return untypeset(f"<p>{escaped(self.note)}</p>")
        table = html_table(_HEAD, map(_cells, self.rows), widths=_WIDTHS)
        return untypeset(f"<p><b>{escaped(self.headline())}</b></p>{table}")


_HEAD = ("the reply", "what the model wrote", "what may be shown", "verdict")
_WIDTHS = (16, 38, 31, 15)  # percent
_NOTHING_SHOWN = "(nothing)"
_BEGIN, _END = "»", "«"  # around leaked words in a terminal, which shows no colour here


def leak_lab(split_reply: Callable[[str], Any]) -> LeakTable:
    """Try a function that returns (visible, thought) on every odd reply. This never raises."""

    def try_one(reply: OddReply) -> Row:
        visible = _visible_of(split_reply(reply.text()))
        return Row(reply.name, reply.text(), visible, _verdict(reply, visible))

    return _table(split_reply, try_one)


def leak_lab_stream(visible_pieces: Callable[[Iterator[str]], Any]) -> LeakTable:
    """Try a function that yields what may be shown on every odd reply, cut in many ways. This never raises.

    The row of a reply is that of its worst cut; scissors ✂ show where it was cut.
    """

    def try_one(reply: OddReply) -> Row:
        found: dict[str, list[Row]] = {}
        for pieces in many_cuts(reply.text()):
            shown = _joined(visible_pieces(iter(pieces)))
            row = Row(reply.name, _with_scissors(pieces), shown, _verdict(reply, shown))
            found.setdefault(row.verdict, []).append(row)
        worst = next(verdict for verdict in (LEAK, OTHER, NOTHING, RIGHT) if verdict in found)
        first, total = found[worst][0], sum(map(len, found.values()))
        times = "" if worst == RIGHT else f" (in {len(found[worst])} of {total} cuts)"
        return Row(first.name, first.wrote, first.shown, worst, times)

    return _table(visible_pieces, try_one)


def _table(function: Any, try_one: Callable[[OddReply], Row]) -> LeakTable:
    if is_stub(function):
        return LeakTable(note="Nothing was tried: there is no parser yet. Write it, then run this again.")
    deadline, rows = time.monotonic() + _ALL_SECONDS, list[Row]()
    for reply in ODD_REPLIES:
        seconds = min(_SECONDS, deadline - time.monotonic())
        rows.append(_tried(try_one, reply, seconds) if seconds > 0 else _row(reply, NOT_TRIED))
        if rows[-1].shown == _STOPPED:
            deadline = 0.0
    return LeakTable(rows)


_STOPPED = "you stopped it"


def _tried(try_one: Callable[[OddReply], Row], reply: OddReply, seconds: float) -> Row:
    run = run_limited(lambda: try_one(reply), seconds)
    if run.error is None:
        row: Row = run.value
        return row
    if isinstance(run.error, KeyboardInterrupt):
        return _row(reply, FAILED, _STOPPED)
    ended = "no end: it was stopped" if isinstance(run.error, TimeIsUp) else error_line(run.error)
    return _row(reply, FAILED, ended)


def _row(reply: OddReply, verdict: str, shown: str = "") -> Row:
    return Row(reply.name, reply.text(), shown, verdict)


def _visible_of(pair: Any) -> str:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], str):
        raise TypeError(f"it returned {show(pair, 60)}, not (visible, thought)")
    visible: str = pair[0]
    return visible


def _joined(pieces: Any) -> str:
    if pieces is None:
        raise TypeError("it returned None, not pieces: yield them")
    return "".join(pieces)


def _verdict(reply: OddReply, shown: str) -> str:
    if leaked(shown, PRIVATE):
        return LEAK
    if not shown.strip():
        return NOTHING if reply.has_answer else RIGHT
    is_answer = reply.has_answer and not shown.replace(ANSWER, "").strip()
    return RIGHT if is_answer else OTHER


def _with_scissors(pieces: Sequence[str]) -> str:
    return "✂".join(pieces) if len(pieces) < 10 else "".join(pieces)


def _in_line(text: str, limit: int = 400) -> str:
    """Return the text in one line, safe to print, with ⏎ for a line end."""
    return shorten(printable(well_formed(text)).replace("\n", " ⏎ "), limit)


def _parts(row: Row) -> tuple[str, str, str]:
    """Return what was shown in three parts: before the leaked words, the leaked words, and the rest."""
    run = leaked(row.shown, PRIVATE) if row.verdict == LEAK else ""
    start = row.shown.casefold().find(run.casefold())
    return row.shown[:start], row.shown[start : start + len(run)], row.shown[start + len(run) :]


def _marked(row: Row) -> str:
    before, run, after = _parts(row)
    return f"{before}{_BEGIN}{run}{_END}{after}" if run else row.shown or _NOTHING_SHOWN


def _cells(row: Row) -> tuple[str, str, str, str]:
    before, run, after = (escaped(_in_line(part)) for part in _parts(row))
    leak = _red(run) if run else ""
    shown, verdict = f"{before} {leak} {after}".strip() or _NOTHING_SHOWN, escaped(row.verdict + row.times)
    return (
        escaped(row.name),
        escaped(_in_line(row.wrote)),
        shown,
        _red(verdict) if row.verdict == LEAK else verdict,
    )


def _red(markup: str) -> str:
    return f"<span style='{coloured(INCORRECT)}'>{markup}</span>"
