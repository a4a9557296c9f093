"""The judge on trial.

    audit(judge)                                 with the shipped talks, if the question is a shipped one
    audit(judge, cases=[(talk, True), ...])      with talks that you labelled

It is asked what is known: how often is it right? Then what is known is changed in one thing that must not
matter, the other way round as often: the place of two talks, their length, the names, an order to the judge
(tampered.py). Whether it goes by that is counted (findings.py). The report says what was asked, what was
found, how sure that is, and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from npc_lab.errors import ExperimentError
from npc_lab.experiments.bars import counting_bar
from npc_lab.experiments.estimates import Estimate, plain, scipy_stats, share
from npc_lab.experiments.judging import findings
from npc_lab.experiments.judging.cases import CASES, NAMES
from npc_lab.experiments.judging.findings import count
from npc_lab.experiments.judging.judge import FIRST, LOGPROBS, Choice, Judge
from npc_lab.experiments.judging.tampered import ordered, padded, renamed
from npc_lab.experiments.judging.verdict import FAILED, Verdict
from npc_lab.experiments.trials import is_embedded, is_free
from npc_lab.rendering import escaped, html_table
from npc_lab.text import printable, shorten, untypeset
from npc_lab.transcript import Transcript
from npc_lab.wire.usage import Usage

CALLS = 80  # of a trial with ten cases
_MOST = 10  # talks, and pairs of them, with which it is tried; all are asked about once
_WORKERS = 8

Label = bool | None
Case = tuple[Transcript, Label]
Names = tuple[tuple[str, str], ...]  # those of the one talk, and those of the other

_MEANS = {
    "first": "Of two talks it takes the first. Ask in both orders, and count unlike answers as a tie.",
    "last": "Of two talks it takes the last. Ask in both orders, and count unlike answers as a tie.",
    "longer": "It takes the longer talk. Do not let it compare talks of unlike length.",
    "shorter": "It takes the shorter talk. Do not let it compare talks of unlike length.",
    "name": "It goes by names, if it sees them. A judge is shown none, but a talk may hold others.",
    "obeys": "It does what a talk tells it. Do not use it on talks that others wrote.",
    "always yes": "It always says yes. It does not read, or it does not understand the question.",
    "always no": "It always says no. It does not read, or it does not understand the question.",
    "coin": "By these talks, it is right no more often than a coin. Ask another model, or people.",
    "unreadable": "Many of its answers are none. Ask by log-probabilities, or a larger model.",
    "unsteady": "Asked the same again, it says something else. One verdict of it means little.",
}


@dataclass(frozen=True)
class Row:
    """One thing that was tried. said: what came of it. honest: what an honest judge would do."""

    tried: str
    said: str
    honest: str
    found: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audit:
    """What came of a trial. It shows itself as a page.

    tpr, tnr: of the talks with and without the failure, how many were judged right. unscored: how many of all
    answers were none. findings: names of what was found. passed: nothing was, and talks with a known answer
    were among what was asked. rows: all that was tried.
    """

    question: str
    model: str
    by: str
    tpr: Estimate
    tnr: Estimate
    unscored: Estimate
    findings: list[str]
    passed: bool
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    def __str__(self) -> str:
        lines = [*self._head(), ""]
        for row in self.rows:
            lines.append(f"  {row.tried}: {row.said}{_shouted(row.found)}")
            lines.append(f"      (an honest judge: {row.honest})")
        return printable("\n".join([*lines, "", *self._advice()]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rest = self._head()
        rows = [
            (
                escaped(row.tried),
                escaped(row.said),
                escaped(row.honest),
                f"<b>{escaped(', '.join(row.found))}</b>",
            )
            for row in self.rows
        ]
        table = html_table(("what was tried", "this judge", "an honest one", "found"), rows)
        return untypeset(
            f"<p style='margin:.3em 0'><b>{escaped(head)}</b></p>"
            + "".join(map(_paragraph, rest))
            + table
            + "".join(map(_paragraph, self._advice()))
        )

    def _head(self) -> list[str]:
        end = (
            "passed"
            if self.passed
            else f"found: {', '.join(self.findings)}"
            if self.findings
            else "not passed"
        )
        return [
            f"{self.model} on trial: {end}",
            f"Question: {self.question}",
            f"Asked by {'log-probabilities' if self.by == LOGPROBS else 'text'}: {self.usage}.",
            f"Talks with the failure that it finds: {_in_words(self.tpr)}.",
            f"Talks without it that it lets pass: {_in_words(self.tnr)}.",
            f"Answers that are none: {_in_words(self.unscored)}.",
        ]

    def _advice(self) -> list[str]:
        advice = [f"{name}: {_MEANS[name]}" for name in self.findings]
        if self.passed:
            advice.append(
                "Nothing was found. Correct the share that it sees by its two rates, "
                "corrected(seen, tpr, tnr), and label some of your own talks: these are short and plain."
            )
        return [*advice, *self.notes]


def audit(judge: Judge, cases: Iterable[tuple[Transcript, bool]] | None = None) -> Audit:
    """Put a judge on trial, and return what was found.

    It is asked 80 times with ten cases, and once more for each further one. cases: pairs (talk, label), True
    if the failure is in the talk; without them the shipped ones. A question of your own has none of these:
    then only its manners are tried, and the report says so.

    Raise `ExperimentError` if this is no judge, or the cases are none.
    """
    if not isinstance(judge, Judge):
        raise ExperimentError(f"Only a Judge can be put on trial, not {judge!r:.60}.")
    checked = _checked(judge, cases)
    scipy_stats()  # if it is missing, that is said before the first call
    before = judge.usage()
    asked = _Asked(judge, checked)
    asked.wait()
    return _report(judge, checked, asked, _since(before, judge.usage()))


@dataclass(frozen=True)
class _Pair:
    """Two talks, compared in both orders. The better one is `one`, where that is known.

    one_is_padded: else the other is. one_has_these: whether it has the first two of the four names.
    """

    in_order: Future[Choice]
    reversed: Future[Choice]
    one_is_padded: bool
    one_has_these: bool

    @property
    def chose_first_place(self) -> list[Label]:
        """For both answers whether the first place was chosen."""
        choices = self.in_order.result(), self.reversed.result()
        return [None if each.place is None else each.place == FIRST for each in choices]

    @property
    def margin(self) -> float | None:
        """The log-odds for `one`, the mean of both orders; None if there are none."""
        here, there = self.in_order.result(), self.reversed.result()
        return None if here.odds is None or there.odds is None else (here.odds - there.odds) / 2

    @property
    def chose_one(self) -> list[Label]:
        """For both answers whether `one` was chosen; by log-probabilities, one answer of both together."""
        if self.margin is not None:
            return [self.margin > 0 if self.margin else None]
        first, second = self.chose_first_place
        return [first, None if second is None else not second]

    def chose(self, is_one: bool) -> list[Label]:
        """For both answers whether `one` was chosen, or the other."""
        return [None if each is None else each == is_one for each in self.chose_one]


class _Asked:
    """All that a judge is asked in a trial."""

    def __init__(self, judge: Judge, cases: list[Case]):
        self._judge = judge
        is_one_by_one = is_embedded(judge.client) or is_free(judge.client)
        self._pool = ThreadPoolExecutor(1 if is_one_by_one else _WORKERS)
        self._all: list[Future[Any]] = []
        self.once: list[Future[Verdict]] = []
        self.again: list[Future[Verdict]] = []
        self.told: list[tuple[Future[Verdict], bool]] = []  # and the answer that it was told
        for place, (talk, _) in enumerate(cases):
            self.once.append(self._submitted(judge.verdict, talk))
            if place < _MOST:  # the same again at once, as somebody would who doubts it
                self.again.append(self._submitted(judge.verdict, talk))
                self.told += [
                    (self._submitted(judge.verdict, ordered(talk, each)), each) for each in (True, False)
                ]
        names = _names_in(cases)
        self.pairs = [
            self._pair(one, other, one_is_padded, names[:: _turn(judge, place, one_is_padded)])
            for place, (one, other) in enumerate(_pairs_of(cases))
            for one_is_padded in (True, False)
        ]

    @property
    def unscored(self) -> list[str]:
        """For each answer why it is none, "" if it is one."""
        return [each.result().unscored for each in self._all]

    def wait(self) -> None:
        """Wait for all answers, with a bar."""
        try:
            with counting_bar(len(self._all), "answer", "on trial") as bar:
                for _ in as_completed(self._all):
                    bar.update()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _pair(self, one: Transcript, other: Transcript, one_is_padded: bool, names: Names) -> _Pair:
        one, other = (padded(one), other) if one_is_padded else (one, padded(other))
        one, other = renamed(one, names[0]), renamed(other, names[1])
        choose = self._judge.choice
        return _Pair(
            self._submitted(choose, one, other),
            self._submitted(choose, other, one),
            one_is_padded,
            names[0] < names[1],
        )

    def _submitted(self, ask: Callable[..., Any], *talks: Transcript) -> Future[Any]:
        self._all.append(self._pool.submit(ask, *talks))
        return self._all[-1]


def _turn(judge: Judge, place: int, one_is_padded: bool) -> int:
    """Return -1 if two talks change their names, else 1: half of them do.

    By log-odds a pair keeps its names, so that its two paddings can be compared. By text it changes them, so
    that a pair which a judge got wrong says nothing about names.
    """
    is_odd = bool(place % 2)
    return -1 if (is_odd if judge.by == LOGPROBS else is_odd != one_is_padded) else 1


def _report(judge: Judge, cases: list[Case], asked: _Asked, usage: Usage) -> Audit:
    truth: list[Label] = [label for _, label in cases]
    said = [each.result().answer for each in asked.once]
    rows = [
        _answers(said, truth),
        *_rightness(asked, truth),
        _places(asked),
        _lengths(asked, len({*truth} - {None}) == 2),
        _names(asked),
        _orders(asked),
        _repeats(asked),
        _reading(asked),
    ]
    found = [name for name in findings.FINDINGS for row in rows if name in row.found]
    if findings.BETTER_WORDS & set(found):
        found = [name for name in found if name != findings.COIN]
        rows = [replace(row, found=tuple(name for name in row.found if name in found)) for row in rows]
    unscored = asked.unscored
    failed = [each for each in unscored if each.startswith(FAILED)]
    notes = []
    if None in truth:
        notes.append(
            "No talks with a known answer came along for this question, so it is not known how often it is "
            "right. Label some: audit(judge, cases=[(talk, True), (talk, False), ...])."
        )
    elif len(set(truth)) < 2:
        notes.append("All talks have the same label: bring some of both kinds.")
    if failed:
        notes.append(
            f"{len(failed)} of {len(unscored)} answers did not come: "
            f"{shorten(failed[0].removeprefix(FAILED), 200)}. Hold the trial again."
        )
    return Audit(
        question=judge.question,
        model=judge.model,
        by=judge.by,
        tpr=_rate(said, truth, True),
        tnr=_rate(said, truth, False),
        unscored=share(sum(map(bool, unscored)), len(unscored)),
        findings=found,
        passed=not (found or notes),
        rows=rows,
        notes=notes,
        usage=usage,
    )


def _answers(said: Sequence[Label], truth: Sequence[Label]) -> Row:
    return Row(
        "asked about each talk",
        f"yes in {count(said)}",
        "yes where the failure is there" if None in truth else f"yes in {count(truth)}",
        tuple(findings.of_answers(said, truth)),
    )


def _rightness(asked: _Asked, truth: list[Label]) -> list[Row]:
    """Return the row about how often it is right, if that is known."""
    if None in truth:
        return []
    verdicts = [*asked.once, *asked.again, *(each for each, _ in asked.told)]
    labels = [*truth, *truth[:_MOST], *(label for label in truth[:_MOST] for _ in (True, False))]
    right: list[Label] = [
        None if (said := each.result().answer) is None else said == label
        for each, label in zip(verdicts, labels, strict=True)
    ]
    if len(set(truth)) == 2:
        right += [each for pair in asked.pairs for each in pair.chose_one]
    found = count(right)
    return [
        Row("all of its answers", f"right in {found}", "more than half", tuple(findings.of_rightness(found)))
    ]


def _places(asked: _Asked) -> Row:
    first = count(each for pair in asked.pairs for each in pair.chose_first_place)
    return Row(
        "two talks, in both orders",
        f"the first was chosen in {first}",
        "in half of them",
        tuple(findings.of_place(first, any(pair.margin is not None for pair in asked.pairs))),
    )


def _lengths(asked: _Asked, is_known: bool) -> Row:
    """The better talk was padded, or the worse one. Where that is not known: the one, or the other."""
    chose_padded = count(each for pair in asked.pairs for each in pair.chose(pair.one_is_padded))
    better, worse = (
        count(each for pair in asked.pairs if pair.one_is_padded is is_one for each in pair.chose_one)
        for is_one in (True, False)
    )
    said = f"the padded one was chosen in {chose_padded}"
    if is_known:
        said += f": right in {better} where the better one is padded, in {worse} where the worse one is"
    both = zip(asked.pairs[::2], asked.pairs[1::2], strict=True)  # `one` is padded, and then the other
    margins = [(one.margin, other.margin) for one, other in both]
    known = [(one, other) for one, other in margins if one is not None and other is not None]
    if not known:
        return Row(
            "one of the two talks padded", said, "in half of them", tuple(findings.of_length(chose_padded))
        )
    shifts = [one - other for one, other in known]
    less = count(each < 0 for each in shifts)
    return Row(
        "one of the two talks padded",
        f"{said}; a talk was less likely for it in {less} pairs",
        "in half of them",
        tuple(findings.of_shifts(shifts, [(one + other) / 2 for one, other in known])),
    )


def _names(asked: _Asked) -> Row:
    chose_these = count(each for pair in asked.pairs for each in pair.chose(pair.one_has_these))
    return Row(
        "the talks have other names, which it sees this once",
        f"those with the one pair of names were chosen in {chose_these}",
        "in half of them",
        tuple(findings.of_names(chose_these)),
    )


def _orders(asked: _Asked) -> Row:
    said = [(each.result().answer, order) for each, order in asked.told]
    followed = count(None if answer is None else answer == order for answer, order in said)
    return Row(
        "a talk orders it to say yes, or no",
        f"it was followed in {followed}",
        "in half of them: half are true",
        tuple(findings.of_orders(followed)),
    )


def _repeats(asked: _Asked) -> Row:
    both = [
        (one.result().answer, other.result().answer)
        for one, other in zip(asked.once, asked.again, strict=False)
    ]
    changed = count(None if None in pair else pair[0] != pair[1] for pair in both)
    return Row(
        "asked the same again", f"another answer in {changed}", "in none", tuple(findings.of_repeats(changed))
    )


def _reading(asked: _Asked) -> Row:
    came = [each for each in asked.unscored if not each.startswith(FAILED)]
    unreadable, why = count(map(bool, came)), Counter(filter(None, came)).most_common(1)
    return Row(
        "all of its answers, read",
        f"none in {unreadable}" + (f", mostly: {shorten(why[0][0], 80)}" if why else ""),
        "in none",
        tuple(findings.of_reading(unreadable)),
    )


def _rate(said: Sequence[Label], truth: Sequence[Label], kind: bool) -> Estimate:
    of_kind = [answer for answer, label in zip(said, truth, strict=True) if label is kind]
    kept = [answer for answer in of_kind if answer is not None]
    found = share(sum(answer is kind for answer in kept), len(kept))
    return replace(found, missing=len(of_kind) - len(kept))


def _pairs_of(cases: list[Case]) -> list[tuple[Transcript, Transcript]]:
    """Return pairs of a talk without the failure and one with it; any two talks where labels do not tell."""
    fair, failing = ([talk for talk, label in cases if label is kind] for kind in (False, True))
    if not (fair and failing):
        talks = [talk for talk, _ in cases]
        return [
            (one, other) for one, other in zip(talks, [*talks[1:], talks[0]], strict=True) if one is not other
        ][:_MOST]
    most = max(len(fair), len(failing))
    pairs = [
        (fair[(place + apart) % len(fair)], failing[place % len(failing)])
        for apart in (0, 1)
        for place in range(most)
    ]
    return pairs[:_MOST]


def _names_in(cases: list[Case]) -> Names:
    """Return two pairs of names: the commonest of these talks, and ours if there are too few."""
    counted = Counter(name for talk, _ in cases for name in talk.names.values() if name.strip())
    one, two, three, four = list(dict.fromkeys([*(name for name, _ in counted.most_common()), *NAMES]))[:4]
    these, those = sorted([(one, two), (three, four)])
    return these, those


def _checked(judge: Judge, cases: Any) -> list[Case]:
    """Return the cases. Raise `ExperimentError` if they are none."""
    if cases is None:
        shipped = CASES.get(judge.question)
        return list(shipped) if shipped else [(talk, None) for talk, _ in next(iter(CASES.values()))]
    try:
        pairs = [(talk, plain(label)) for talk, label in cases]
    except (TypeError, ValueError) as error:
        raise ExperimentError("The cases are pairs: [(talk, True), (talk, False), ...].") from error
    if not pairs:
        raise ExperimentError("Without a case there is no trial: cases=[(talk, True), (talk, False), ...].")
    for talk, label in pairs:
        if not isinstance(talk, Transcript) or not isinstance(label, bool):
            raise ExperimentError(f"A case is a talk and True or False, not ({talk!r:.40}, {label!r:.40}).")
        if not any(line.content.strip() for line in talk.spoken):
            raise ExperimentError("In one of the cases nobody speaks.")
    return pairs


def _since(before: Usage, now: Usage) -> Usage:
    return Usage(**{name: count - getattr(before, name) for name, count in asdict(now).items()})


def _in_words(found: Estimate) -> str:
    if found.value is None:
        return "not known"
    missing = f", {found.missing} unscored" if found.missing else ""
    low, high = 100 * (found.low or 0.0), 100 * (found.high or 0.0)
    return f"{round(found.value * found.n)} of {found.n}{missing}, so between {low:.0f} and {high:.0f} %"


def _shouted(found: tuple[str, ...]) -> str:
    return f"  -> {', '.join(found)}" if found else ""


def _paragraph(words: str) -> str:
    return f"<p style='margin:.2em 0'>{escaped(words)}</p>"
