"""Lesson 06: notes on twelve talks, the commonest name, an interval, and one number for each talk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, NotAttempted, Trial, Wrong
from npc_lab.lessons.checking.learners_code import quote, show, why_none
from npc_lab.lessons.checking.plain import plain
from npc_lab.lessons.exercises.made_up import dice, phrase
from npc_lab.transcript import DIRECTOR, SYSTEM, Message, Transcript

TWELVE = range(1, 13)  # numbers of the talks that are read

notes = Exercise(
    "notes",
    lesson="06",
    declares="notes",
    kind="your dictionary of notes",
    trial=Trial,
    accepts=lambda thing: isinstance(thing, Mapping),
)


def _noted(first: int, last: int) -> None:
    """Add the step that looks at the notes of these talks: whether they are there, not what they say."""

    def step(trial: Trial) -> str:
        found = plain(trial.learners_object)
        for number in range(first, last + 1):
            note = found.get(number, "")
            if str(number) in found and number not in found:
                advice = f"The keys are numbers: write notes[{number}] = ..., without quotation marks."
                fault = f"The key of a note is the text '{number}', and no number."
                raise Wrong(f"notes[{number}]", "a note", "nothing", advice, fault=fault)
            if note not in ("", None, ...) and not isinstance(note, str):
                advice = f'Write it in quotation marks: notes[{number}] = "..."'
                fault = f"The note of talk {number} is {show(note, 60)}, and no text."
                raise Wrong(f"notes[{number}]", "a text", show(note, 80), advice, fault=fault)
        open_ones = [each for each in TWELVE if not str(found.get(each) or "").strip()]
        if any(first <= each <= last for each in open_ones):
            raise NotAttempted(f"Still without a note: {', '.join(map(str, open_ones))}.")
        return "They were read. What the notes say is yours."

    step.__name__ = f"talks_{first}_to_{last}"
    notes.step(f"Talks {first} to {last} have a note each")(step)


for _first in (1, 5, 9):
    _noted(_first, _first + 3)


commonest = Exercise("commonest", lesson="06", declares="commonest", kind="your function")

_NAMES = ["Edward", "Guy", "Hugo", "Reginald", "Thomas", "Walter", "Roland", "Godfrey", "Baldwin", "Miles"]


@commonest.step("It gives a name and its share")
def gives_a_pair(trial: FunctionTrial) -> str:
    """Finds a missing return, a name alone, and pairs of something else."""
    _name_and_share(trial, _answers(4, 2, 1))
    return "It gives a name and a number."


@commonest.step("The name is the commonest one", needs=["gives_a_pair"])
def is_commonest(trial: FunctionTrial) -> str:
    """Finds the first name, the last, the rarest, and the first in the alphabet."""
    for _ in range(8):
        answers = _answers(*dice.choice([(5, 3, 1), (4, 2, 2, 1), (6, 5), (3, 1, 1, 1)]))
        name, _share = _name_and_share(trial, answers)
        wanted = _counted(answers)[0]
        if name != wanted:
            advice = "Count each name. collections.Counter(names).most_common(1) gives the first one."
            fault = f"{quote(name)} is there {_times(answers.count(name))}, {quote(wanted)} "
            fault += f"{_times(answers.count(wanted))}."
            raise Wrong(trial.called, show(wanted), show(name), advice, fault=fault)
    return "The commonest name is found, wherever it stands."


@commonest.step("Its share is a number from 0 to 1", needs=["is_commonest"])
def is_share(trial: FunctionTrial) -> str:
    """Finds counts, percents, and shares of the different names."""
    for counts in ((4, 3, 1), (3, 1), (5,)):
        _same_share(trial, _answers(*counts))
    return "All names together are 1."


@commonest.step("None does not count as a name", needs=["is_share"])
def none_is_no_name(trial: FunctionTrial) -> str:
    """Finds that None is counted like a name."""
    answers = _answers(3, 2, missing=6)
    name, _share = _name_and_share(trial, answers)
    if name is None:
        advice = "Leave them out before you count: [name for name in names if name is not None]."
        wanted = show(_counted(answers)[0])
        raise Wrong(trial.called, wanted, "None", advice, fault="It counts None as a name.")
    return "Who said no name has none."


@commonest.step("What is missing is in no share", needs=["none_is_no_name"])
def missing_is_in_no_share(trial: FunctionTrial) -> str:
    """Finds shares of all answers, those without a name too."""
    for missing in (1, 4, 9):
        _same_share(trial, _answers(3, 2, missing=missing))
    return "The share is one of the talks that could be counted."


@commonest.step(
    "Without any name it gives None", needs=["missing_is_in_no_share"], only_with=["is_commonest"]
)
def no_name(trial: FunctionTrial) -> str:
    """Finds a division by zero, and most_common(1)[0] of nothing."""
    for answers in ([], [None] * dice.randint(1, 4)):
        got = trial(answers)
        if got is not None:
            advice = "Ask first whether a name is left. If none is, return None."
            fault = f"It gives {show(got, 60)} where there is no name."
            raise Wrong(trial.called, "None", show(got), advice, fault=fault)
    return "Nothing to count gives None, and no zero."


@commonest.step("Of names that are equally common, it gives one", needs=["no_name"])
def ties(trial: FunctionTrial) -> str:
    """Finds functions that give all of them."""
    answers = _answers(2, 2, missing=1)
    name, _share = _name_and_share(trial, answers)
    if name not in answers:
        raise Wrong(trial.called, "one of the two names", show(name), "Take any of them.")
    _same_share(trial, answers)
    return "A tie stops nothing."


def _answers(*counts: int, missing: int = 0) -> list[str | None]:
    """Return different names, each so many times, and so many None, shuffled."""
    names: list[str | None] = [None] * missing
    for name, count in zip(dice.sample(_NAMES, len(counts)), counts, strict=True):
        names += [f"Sir {name}"] * count
    dice.shuffle(names)
    return names


def _counted(answers: Sequence[str | None]) -> tuple[str, float]:
    names = [each for each in answers if each is not None]
    name = max(names, key=names.count)
    return name, names.count(name) / len(names)


def _name_and_share(trial: FunctionTrial, answers: list[str | None]) -> tuple[Any, float]:
    got = trial(answers)
    if got is None:
        fault = "It gives None, and no pair."
        raise Wrong(
            trial.called, "a name and its share", "None", why_none(trial.learners_object), fault=fault
        )
    if not isinstance(got, list | tuple) or len(got) != 2 or not _is_number(got[1]):
        fault = f"It gives {show(got, 60)}, and no name with a number."
        raise Wrong(
            trial.called, "a name and its share", show(got), "Give back both: return name, share", fault=fault
        )
    if got[0] is not None and not isinstance(got[0], str):
        fault = f"In the place of the name it gives {show(got[0], 60)}."
        raise Wrong(
            trial.called, "a name and its share", show(got), "Give back both: return name, share", fault=fault
        )
    return got[0], float(got[1])


def _same_share(trial: FunctionTrial, answers: list[str | None]) -> None:
    name, share = _name_and_share(trial, answers)
    wanted = _counted(answers)[1]
    if abs(share - wanted) <= 0.006:  # rounded to two digits is right, too
        return
    count, there = answers.count(name), len(answers) - answers.count(None)
    advice, fault = f"Here {count} of {there} names are that one. Divide the one by the other.", ""
    if share == count:
        fault = f"It gives how often the name is there, {_times(count)}, and no share."
    elif abs(share - 100 * wanted) < 1:
        fault, advice = f"{share:g} is no share: those go from 0 to 1.", "Leave out the times 100."
    elif abs(share - count / len(answers)) < 0.006:
        fault = "It divides by all answers, also by those without a name."
        advice = f"{there} of {len(answers)} answers have a name. The others are missing: leave them out."
    elif abs(share - count / len(set(answers))) < 0.006:
        fault = "It divides by the number of different names."
    raise Wrong(trial.called, f"a share of {wanted:.3f}", f"{share:g}", advice, fault=fault)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


interval = Exercise("interval", lesson="06", declares="interval", kind="your function")

_Z = 1.96
_KNOWN = ((0, 10), (1, 10), (5, 10), (3, 20), (18, 40), (40, 40))


@interval.step("It gives two numbers, the lower one first")
def two_ends(trial: FunctionTrial) -> str:
    """Finds a missing return, one number, and ends in the wrong order."""
    n = dice.randint(12, 30)
    _ends(trial, dice.randint(4, n - 4), n)
    return "It gives a lower and an upper end."


@interval.step("0 of 10 is not never, and 10 of 10 is not always", needs=["two_ends"])
def not_never(trial: FunctionTrial) -> str:
    """Finds the formula of Wald."""
    for hits, n in ((0, 10), (10, 10)):
        low, high = _ends(trial, hits, n)
        if high - low < 0.01:
            _wrong_ends(trial, hits, n, (low, high))
    return "Ten talks without a failure still leave room for one."


@interval.step("It stays between 0 and 1", needs=["not_never"], only_with=["not_never"])
def inside(trial: FunctionTrial) -> str:
    """Finds ends below 0 and above 1, and percents."""
    for n in (5, 10, 40):
        for hits in (0, 1, n // 2, n - 1, n):
            low, high = _ends(trial, hits, n)
            if low < -1e-9 or high > 1 + 1e-9:
                _wrong_ends(
                    trial, hits, n, (low, high), f"Of {hits} of {n} it gives {_written((low, high))}."
                )
    return "No share lies outside."


@interval.step("3 of 10 and 7 of 10 mirror each other", needs=["inside"])
def mirrored(trial: FunctionTrial) -> str:
    """Finds formulas in which yes and no are not alike."""
    for _ in range(6):
        n = dice.randint(5, 40)
        hits = dice.randint(0, n // 2)
        low, high = _ends(trial, hits, n)
        other = _ends(trial, n - hits, n)
        if abs(low - (1 - other[1])) > 0.002 or abs(high - (1 - other[0])) > 0.002:
            called = f"interval({hits}, {n}) and interval({n - hits}, {n})"
            got = f"{_written((low, high))} and {_written(other)}"
            advice = "Who counts the talks without the failure must come to the same end."
            wanted = f"the second from {1 - high:.3f} to {1 - low:.3f}"
            advice += " The middle is (p + z*z/(2*n)) / (1 + z*z/n)."
            raise Wrong(called, wanted, got, advice, fault=f"Of {hits} and {n - hits} of {n} it gives {got}.")
    return "Counting the yes or the no comes to the same."


@interval.step("More talks make it narrower", needs=["mirrored"])
def narrower(trial: FunctionTrial) -> str:
    """Finds a width that does not depend on n."""
    widths = []
    for n in (10, 40, 160, 640):
        low, high = _ends(trial, n * 3 // 10, n)
        widths.append(high - low)
    if sorted(set(widths), reverse=True) != widths:
        got = ", ".join(f"{each:.3f}" for each in widths)
        called = "interval(3, 10), interval(12, 40), interval(48, 160), interval(192, 640)"
        fault = f"Of 10, 40, 160 and 640 talks its widths are {got}."
        advice = "Is every n of the formula there?"
        raise Wrong(called, "narrower and narrower", f"widths {got}", advice, fault=fault)
    return "Four times the talks, about half the width."


@interval.step("It is wide enough for 95 %", needs=["narrower"])
def as_wide_as_needed(trial: FunctionTrial) -> str:
    """Finds other levels, and slips in the formula."""
    others = [(dice.randint(0, n), n) for n in (dice.randint(5, 200) for _ in range(12))]
    for hits, n in (*_KNOWN, *others):
        got = _ends(trial, hits, n)
        if not _is_near(got, _wilson(hits, n)):
            _wrong_ends(trial, hits, n, got)
    return "Eighteen intervals are right to two digits."


@interval.step("Without a talk it gives None", needs=["as_wide_as_needed"], only_with=["two_ends"])
def of_nothing(trial: FunctionTrial) -> str:
    """Finds a division by zero."""
    got = trial(0, 0)
    if got is not None:
        fault = f"It gives {show(got, 60)} where nothing was played."
        raise Wrong(trial.called, "None", show(got), "Ask first: if n == 0, return None.", fault=fault)
    return "Where nothing was played, nothing is said."


def _wilson(hits: int, n: int, z: float = _Z) -> tuple[float, float]:
    p, below = hits / n, 1 + z * z / n
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / below
    middle = (p + z * z / (2 * n)) / below
    return middle - reach, middle + reach


def _wald(hits: int, n: int) -> tuple[float, float]:
    p = hits / n
    reach = _Z * math.sqrt(p * (1 - p) / n)
    return p - reach, p + reach


def _is_near(got: tuple[float, float], wanted: tuple[float, float]) -> bool:
    return all(abs(one - other) <= 0.0051 for one, other in zip(got, wanted, strict=True))


def _ends(trial: FunctionTrial, hits: int, n: int) -> tuple[float, float]:
    got = trial(hits, n)
    if got is None:
        fault = "It gives None, and no two numbers."
        raise Wrong(trial.called, "two numbers", "None", why_none(trial.learners_object), fault=fault)
    if not isinstance(got, list | tuple) or len(got) != 2 or not all(map(_is_number, got)):
        shown = f"{got:.3g}" if _is_number(got) else show(got, 60)
        fault = f"It gives {shown}, and no two numbers."
        raise Wrong(trial.called, "two numbers", show(got), "Give back both: return low, high", fault=fault)
    low, high = map(float, got)
    if low > high:
        fault = "Its upper end comes first."
        raise Wrong(
            trial.called, "low, high", _written((low, high)), "Give back both: return low, high", fault=fault
        )
    return low, high


def _wrong_ends(trial: FunctionTrial, hits: int, n: int, got: tuple[float, float], fault: str = "") -> None:
    """Raise `Wrong`, and name the slip if it is a known one, else as `fault` says."""
    wanted = _wilson(hits, n)
    advice = "Compare it with the formula, sign by sign: brackets, squares, and z = 1.96."
    wald = _wald(hits, n)
    if _is_near(got, wald) or _is_near(got, (max(0, wald[0]), min(1, wald[1]))):
        fault = "This is the formula of Wald, which takes the share that it saw for the true one."
        advice = "Its interval has no width at 0 of 10. Use the formula of Wilson, above."
    elif _is_near((got[0] / 100, got[1] / 100), wanted):
        fault, advice = "These are percents.", "Leave out the times 100: shares go from 0 to 1."
    else:
        for z, level in ((1, 68), (1.645, 90), (2, 95.4), (2.576, 99)):
            if _is_near(got, _wilson(hits, n, z)):
                fault, advice = f"This is an interval of {level} %.", "For 95 %, z is 1.96."
    raise Wrong(trial.called, _written(wanted), _written(got), advice, fault=fault)


def _written(ends: tuple[float, float]) -> str:
    return f"from {ends[0]:z.3f} to {ends[1]:z.3f}"


class TalksTrial(Trial):
    """A learner's per_talk, called with talks and with a measure that notes which talks it is asked about."""

    def __init__(self, learners_object: Any):
        super().__init__(learners_object)
        self.asked: list[Any] = []

    def __call__(self, talks: list[Any], measure: Callable[[Any], Any]) -> Any:
        def noted(talk: Any) -> Any:
            self.asked.append(talk)
            return measure(talk)

        noted.__name__ = "measure"
        self.called, self.asked = "per_talk(talks, measure)", []
        given = list(talks)
        value = self.learners_object(given, noted)
        self.refuse_what_runs_nothing(value)
        if given != talks:
            raise Wrong(
                self.called,
                "talks stays as it is",
                f"{len(given)} talks afterwards, {len(talks)} before",
                "Make a list of your own, and put the numbers into that one.",
                fault="It changes what it is given.",
            )
        if value is ...:
            raise NotAttempted
        return plain(value)


per_talk = Exercise("per_talk", lesson="06", declares="per_talk", kind="your function", trial=TalksTrial)


@per_talk.step("It gives a list with one number for each talk")
def one_for_each(trial: TalksTrial) -> str:
    """Finds a missing return, one number for all talks, one for each line."""
    talks = [_talk(dice.randint(2, 4)) for _ in range(dice.randint(3, 5))]
    _numbers(trial, talks, _letters)
    return "So many talks, so many numbers."


@per_talk.step("Each number is the measure of its own talk", needs=["one_for_each"])
def its_own(trial: TalksTrial) -> str:
    """Finds other orders, and measures of the kit in place of the one that was given."""
    talks = [_talk(dice.randint(1, 5)) for _ in range(6)]
    for measure in (_letters, lambda talk: len(talk.spoken)):
        _same(trial, talks, measure, "Call measure(talk) for each talk, from the first to the last.")
    return "The third number belongs to the third talk."


@per_talk.step("A talk without lines is None", needs=["its_own"])
def silent(trial: TalksTrial) -> str:
    """Finds 0, 1, and talks that are left out. An opening line is spoken by nobody."""
    for nothing in (0.0, 1.0):
        talks = [_talk(2), _talk(0), _talk(3), _talk(0, opening=False), _talk(1)]
        advice = "Nobody spoke there, so there is nothing to measure: if not talk.spoken, put None."
        _same(trial, talks, partial(_letters_or, nothing), advice)
    return "What was not said is not measured."


@per_talk.step("The measure is not asked about a talk without lines", needs=["silent"])
def not_asked(trial: TalksTrial) -> str:
    """Many measures divide by the number of lines."""
    talks = [_talk(0), _talk(2), _talk(0, opening=False)]
    _same(trial, talks, lambda talk: 60 / len(talk.spoken), "Look at talk.spoken before you call measure.")
    return "A measure need not know what to say of nothing."


@per_talk.step("The measure is called once for each talk", needs=["silent"])
def called_once(trial: TalksTrial) -> str:
    """A measure may be a judge, and cost money."""
    talks = [_talk(2) for _ in range(4)]
    _numbers(trial, talks, _letters)
    if len(trial.asked) != len(talks):
        fault = f"It calls the measure {len(trial.asked)} times for {len(talks)} talks."
        advice = "Keep what it returned: value = measure(talk). A measure may take long, and cost money."
        raise Wrong(trial.called, f"{len(talks)} calls", f"{len(trial.asked)} calls", advice, fault=fault)
    return "No talk is measured twice."


@per_talk.step("0 and False are measured, and stay", needs=["silent"])
def zero_stays(trial: TalksTrial) -> str:
    """Finds `measure(talk) or None`, and numbers that are left out because they are 0."""
    talks = [_talk(1), _talk(2), _talk(3)]
    for values in ((0, 2, 0), (False, True, False), (None, 0.5, 0)):
        found = dict(zip((1, 2, 3), values, strict=True))
        advice = "0 is a number, and False is an answer. Only what is None is missing."
        _same(trial, talks, partial(_by_length, found), advice)
    return "Nothing found is not the same as nothing measured."


@per_talk.step(
    "A talk that is missing is None, too", needs=["not_asked", "called_once", "zero_stays"], required=False
)
def missing_talk(trial: TalksTrial) -> str:
    """In the results of an experiment None stands for a talk that failed."""
    _same(trial, [_talk(2), None, _talk(1)], _letters, "A talk may be None itself. Look at that first.")
    return "A talk that failed stops nothing."


def _letters(talk: Transcript) -> float:
    return sum(len(each.content) for each in talk.spoken) / max(len(talk.spoken), 1)


def _letters_or(nothing: float, talk: Transcript) -> float:
    return _letters(talk) if talk.spoken else nothing


def _by_length(found: Mapping[int, Any], talk: Transcript) -> Any:
    return found[len(talk.spoken)]


def _talk(lines: int, opening: bool = True) -> Transcript:
    """Return a talk of so many spoken lines, with what nobody spoke around them."""
    at = datetime(2026, 1, 1)
    messages = [Message(SYSTEM, f"It is {phrase(2)}.", at)] if opening else []
    messages += [Message(f"npc-{at}", phrase(dice.randint(2, 6)), at, seat=1 + n % 2) for n in range(lines)]
    if opening and lines:
        messages.insert(-1, Message(DIRECTOR, phrase(), at))
    return Transcript(messages, {1: "Ada", 2: "Ben"})


def _numbers(trial: TalksTrial, talks: list[Any], measure: Callable[[Any], Any]) -> list[Any]:
    """Return what the learner's function gives. Raise `Wrong` unless it has one value for each talk."""
    got = trial(talks, measure)
    wanted = f"a list of {len(talks)}"
    if got is None:
        advice = why_none(trial.learners_object)
        raise Wrong(trial.called, wanted, "None", advice, fault="It gives None, and no list.")
    if not isinstance(got, list | tuple):
        advice = "Make an empty list, and append one number for each talk."
        fault = f"It gives {show(got, 60)}, and no list."
        if _is_number(got):
            fault = f"It gives {got:g}: one number for all talks together."
        raise Wrong(trial.called, wanted, show(got), advice, fault=fault)
    lines = sum(len(talk.spoken) for talk in talks if talk is not None)
    if len(got) != len(talks):
        fault = f"It gives {len(got)} numbers for {len(talks)} talks."
        advice = "One number for each talk, also where there is nothing to measure: there it is None."
        if len(got) == lines:
            fault = f"It gives a number for each line, {lines} of them, and not for each talk."
            advice = "Hand the whole talk to the measure: measure(talk)."
        raise Wrong(trial.called, wanted, show(got), advice, fault=fault)
    return list(got)


def _same(trial: TalksTrial, talks: list[Any], measure: Callable[[Any], Any], advice: str) -> None:
    got = _numbers(trial, talks, measure)
    spoken = [0 if talk is None else len(talk.spoken) for talk in talks]
    wanted = [measure(talk) if lines else None for talk, lines in zip(talks, spoken, strict=True)]
    for place, (expected, found) in enumerate(zip(wanted, got, strict=True)):
        is_same = expected is found if expected is None or found is None else expected == found
        if not is_same:
            lines = ", ".join(map(str, spoken))
            length = f"{spoken[place]} line{'' if spoken[place] == 1 else 's'}"
            fault = f"For a talk of {length} it gives {show(found, 60)}."
            drawing = f"lines of each talk:  {lines}\nexpected:            {show(wanted)}\n"
            drawing += f"yours:               {show(got)}"
            raise Wrong(trial.called, show(expected), show(found, 60), advice, drawing, fault=fault)


exercises: tuple[Exercise, ...] = (notes, commonest, interval, per_talk)
