"""Lesson 02: trimming a history, and counting how much of a prompt is new to an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, Wrong
from npc_lab.lessons.checking.learners_code import show, why_none
from npc_lab.lessons.exercises.made_up import dice, messages_in, phrase
from npc_lab.measures import new_to_cache
from npc_lab.memory import ChatMessage, newest

trim = Exercise("trim", lesson="02", declares="trim", kind="your function")


@trim.step("It gives a list of messages, and leaves the list it was given alone")
def gives_messages(trial: FunctionTrial) -> str:
    """Finds a missing return, errors, endless loops, and changes to the list itself."""
    messages = _talk(dice.randint(6, 9))
    for history_size in (2 * len(messages), 4):
        _kept(trial, messages, history_size)
    return "It gives messages, and the talk it was given is still whole."


@trim.step("The system message stays, and stays first", needs=["gives_messages"])
def system_stays(trial: FunctionTrial) -> str:
    """Finds messages[-history_size:], and lists without the system message."""
    messages = _talk(dice.randint(6, 9))
    kept = _kept(trial, messages, 2 * dice.randint(1, 4))
    if kept[:1] != messages[:1]:
        advice = "Take messages[0] aside, trim what stands behind it, and put the two together again."
        first = _in_short(kept[:1], messages)
        fault = (
            f"The list begins with {first}, and not with the system message."
            if kept
            else "The list is empty."
        )
        _wrong(trial, messages, "the system message, then what is kept", kept, advice, fault)
    return "The character knows who it is, however long the talk."


@trim.step(
    "What stays keeps its order, and nothing is added", needs=["system_stays"], only_with=["system_stays"]
)
def keeps_order(trial: FunctionTrial) -> str:
    """Finds reversed lists, messages that come twice, and changed texts."""
    messages = _talk(dice.randint(6, 9))
    for history_size in (2 * len(messages), 2 * dice.randint(2, 4)):
        kept = _kept(trial, messages, history_size)
        places = [messages.index(each) if each in messages else -1 for each in kept]
        if -1 in places:
            advice = "Keep messages or leave them out. Do not change them and do not make new ones."
            fault = f"It gives {show(kept[places.index(-1)], 80)}, which is no message of the talk."
            _wrong(trial, messages, "only messages that were given", kept, advice, fault)
        if any(later <= earlier for earlier, later in pairwise(places)):
            advice = "The oldest message stands first. Did something come twice, or in reverse?"
            if places.count(0) == 2 and len(set(places)) == len(places) - 1:
                advice = "A slice of messages may hold the system message, too. Slice messages[1:] instead."
            names = [_in_short([each], messages) for each in kept]
            names = ["the system message" if name == "system" else name for name in names]
            twice = next((name for name in names if names.count(name) > 1), "")
            place = next(place for place, (one, two) in enumerate(pairwise(places)) if two <= one)
            fault = f"{names[place]} stands before {names[place + 1]}."
            if twice:
                fault = f"It gives {twice} twice."
            _wrong(trial, messages, "each message once, oldest first", kept, advice, fault)
    return "The talk can still be read from top to bottom."


@trim.step("What fits stays as it is", needs=["keeps_order"])
def fits(trial: FunctionTrial) -> str:
    """Finds a system message that is counted, and < in place of <=."""
    messages = _talk(dice.randint(4, 7))
    earlier = len(messages) - 1
    for history_size in (earlier + dice.randint(2, 9), earlier + 1, earlier):
        kept = _kept(trial, messages, history_size)
        if kept != messages:
            advice = f"Behind the system message stand {earlier} messages, and {history_size} may stay."
            lost = _in_short([each for each in messages if each not in kept], messages)
            fault = f"With history_size={history_size} all {earlier} fit, and it leaves out {lost}."
            _wrong(trial, messages, "all of them", kept, f"{advice} Count from there.", fault)
    return "Nothing is forgotten before it must be."


@trim.step("Of what does not fit, the newest messages stay, as many as fit", needs=["fits"])
def newest_stay(trial: FunctionTrial) -> str:
    """Finds functions that keep the oldest, one exchange too few or too many, or a fixed number."""
    messages = _talk(dice.randint(7, 10))
    for history_size in dice.sample((2, 4, 6, 8), 3):
        kept, expected = _kept(trial, messages, history_size), _expected(messages, history_size)
        if kept != expected:
            fault, advice = _of_the_size(kept, expected, messages, history_size)
            _wrong(trial, messages, _in_short(expected, messages), kept, advice, fault)
    return "The last words stay, the first ones go."


@trim.step("An odd history_size cuts no exchange in half", needs=["newest_stay"])
def whole_exchanges(trial: FunctionTrial) -> str:
    """Finds answers without their question, and rounding up."""
    messages = _talk(dice.randint(7, 10))
    for history_size in dice.sample((3, 5, 7, 9), 3):
        kept, expected = _kept(trial, messages, history_size), _expected(messages, history_size)
        if kept != expected:
            fault, advice = _of_the_size(kept, expected, messages, history_size)
            _wrong(trial, messages, _in_short(expected, messages), kept, advice, fault)
    return "No answer stands there without its question."


@trim.step("With a history_size of 0 or 1, only the system message stays", needs=["whole_exchanges"])
def nothing_stays(trial: FunctionTrial) -> str:
    """Finds messages[-0:], which is everything."""
    messages = _talk(dice.randint(3, 6))
    for history_size in (0, 1):
        kept = _kept(trial, messages, history_size)
        if kept != messages[:1]:
            advice = "An exchange is two messages, so none of them fits."
            if len(kept) == len(messages):
                advice = "A slice from -0 on is the whole list. Count from the front, or look at 0 first."
            fault = f"With history_size={history_size} it keeps {_in_short(kept[1:], messages)}."
            _wrong(trial, messages, "system", kept, advice, fault)
    return "A character with no memory is still a character."


@trim.step("It holds for talks of any length", needs=["nothing_stays"])
def any_length(trial: FunctionTrial) -> str:
    """Finds functions that are right for some sizes only."""
    for length in (0, 1, *(dice.randint(2, 25) for _ in range(38))):
        messages, history_size = _talk(length), dice.randint(0, 60)
        kept, expected = _kept(trial, messages, history_size), _expected(messages, history_size)
        if kept != expected:
            fault, advice = _of_the_size(kept, expected, messages, history_size)
            _wrong(trial, messages, _in_short(expected, messages), kept, advice, fault)
    return "40 talks of random length were trimmed well."


@trim.step("A talk without a system message is trimmed, too", needs=["any_length"], required=False)
def without_system(trial: FunctionTrial) -> str:
    """Stretch: the first message need not be a system message."""
    for history_size in (4, 5, 40):
        messages = _talk(dice.randint(4, 8))[1:]
        kept, expected = _kept(trial, messages, history_size), newest(messages, history_size)
        if kept != expected:
            advice = 'Look at the role of the first message: is it "system"?'
            fault = f"Of a talk without a system message it keeps {_in_short(kept, messages)}."
            _wrong(trial, messages, _in_short(expected, messages), kept, advice, fault)
    return "It trims with and without a system message."


@trim.step("An exchange stays whole, however many messages it has", needs=["any_length"], required=False)
def longer_exchanges(trial: FunctionTrial) -> str:
    """Stretch: finds functions that count in pairs."""
    for _ in range(10):
        messages = _talk(4)
        # The character answered twice, and a line waits for its answer.
        messages.insert(dice.choice((3, 5, 7)), {"role": "assistant", "content": phrase()})
        messages.append({"role": "user", "content": phrase()})
        history_size = dice.randint(1, len(messages))
        kept, expected = _kept(trial, messages, history_size), _expected(messages, history_size)
        if kept != expected:
            advice = "An exchange begins at each user message. Do not count on two messages each."
            fault = f"With history_size={history_size} it keeps {_in_short(kept, messages)}."
            _wrong(trial, messages, _in_short(expected, messages), kept, advice, fault)
    return "An exchange is what stands between two lines of the user."


def _talk(exchanges: int) -> list[ChatMessage]:
    """Return a system message and so many exchanges. No two messages are the same."""
    talk = [{"role": "system", "content": f"You are a {phrase(2)}."}]
    for number in range(1, exchanges + 1):
        talk.append({"role": "user", "content": f"Line {number}: {phrase()}?"})
        talk.append({"role": "assistant", "content": f"Answer {number}: {phrase()}."})
    return talk


def _expected(messages: list[ChatMessage], history_size: int) -> list[ChatMessage]:
    return messages[:1] + newest(messages[1:], history_size)


def _kept(trial: FunctionTrial, messages: list[ChatMessage], history_size: int) -> list[dict[str, Any]]:
    """Return what the learner's function keeps of these messages."""
    value = trial(messages, history_size)
    trial.called = f"trim(messages, {history_size})"
    return messages_in(trial, value)


def _of_the_size(
    kept: list[ChatMessage], expected: list[ChatMessage], messages: list[ChatMessage], size: int
) -> tuple[str, str]:
    """Return what is wrong with what is kept behind the system message, and one next step."""
    rest, fits = kept[1:], len(expected) - 1
    if rest and rest[0].get("role") == "assistant":
        answer = _in_short(rest[:1], messages)
        advice = "It begins with an answer whose question is gone. Keep both or none."
        return f"With history_size={size} it keeps {answer} without the line before it.", advice
    if rest and rest == messages[1 : len(rest) + 1] and len(messages) - 1 > len(rest):
        advice = "Forget from the front: the oldest exchange goes first."
        return f"It keeps the oldest messages, {_in_short(rest, messages)}, and forgets the newest.", advice
    if len(rest) > fits:
        advice = "That is more than history_size allows. The system message alone does not count."
        return f"With history_size={size} it keeps {len(rest)} messages behind the system message.", advice
    if len(rest) < fits:
        advice = "One more exchange fits. Count how many messages stand behind the system message."
        return f"With history_size={size} it keeps {len(rest)} messages, where {fits} fit.", advice
    advice = "Forget from the front: the oldest exchange goes first."
    return f"With history_size={size} it keeps {_in_short(rest, messages)}.", advice


def _wrong(
    trial: FunctionTrial,
    messages: list[ChatMessage],
    expected: str,
    kept: list[ChatMessage],
    advice: str,
    fault: str,
) -> None:
    drawing = f"messages:  {_in_short(messages, messages)}"
    raise Wrong(trial.called, expected, _in_short(kept, messages), advice, drawing, fault=fault)


def _in_short(messages: Sequence[ChatMessage], given: Sequence[ChatMessage]) -> str:
    """Return the messages by role and number: "system, user 1, assistant 1"."""
    names = _names(given)
    words = [names[given.index(each)] if each in given else show(each, 60) for each in messages]
    shown = words if len(words) <= 14 else [*words[:5], "…", *words[-7:]]
    return ", ".join(shown) or "nothing"


def _names(messages: Sequence[ChatMessage]) -> list[str]:
    names, number = [], 0
    for message in messages:
        number += message["role"] == "user"
        names.append(message["role"] if message["role"] == "system" else f"{message['role']} {number}")
    return names


cost = Exercise("cost", lesson="02", declares="new_characters", kind="your function")


@cost.step("It gives a number, and leaves both lists alone")
def gives_number(trial: FunctionTrial) -> str:
    """Finds a missing return, errors, endless loops, and changes to the lists."""
    prompt = _talk(3)
    value = trial(prompt[:3], prompt)
    trial.called = "new_characters(before, now)"
    if not isinstance(value, int | float) or isinstance(value, bool):
        advice = why_none(trial.learners_object) if value is None else "Give one whole number."
        fault = f"It gives {show(value, 60)}, and no number."
        raise Wrong(trial.called, "a number of characters", show(value), advice, fault=fault)
    return "It gives a number."


@cost.step("With nothing before, every character is new", needs=["gives_number"])
def all_is_new(trial: FunctionTrial) -> str:
    """Finds functions that count messages or words instead of characters."""
    now = _talk(dice.randint(2, 4))
    told, advice = "before is empty", 'Add up len(message["content"]) of each message in now.'
    if trial([], now) == 0:
        advice = "All of now is new here. zip() ends where the shorter list ends: count what follows, too."
    _counted(trial, [], now, _length(now), told, advice)
    return "It counts the characters of a prompt."


@cost.step("What both begin with costs nothing", needs=["all_is_new"])
def same_beginning(trial: FunctionTrial) -> str:
    """Finds functions that count the whole prompt."""
    talk = _talk(dice.randint(3, 5))
    begun = dice.randint(2, 4)
    advice = "Go through both lists side by side, and leave out the messages that are the same."
    told = f"now begins with the {begun} messages of before"
    _counted(trial, talk[:begun], talk, _length(talk[begun:]), told, advice)
    return "A prompt that only grows is cheap."


@cost.step(
    "The same prompt again, or less of it, costs nothing", needs=["same_beginning"], only_with=["all_is_new"]
)
def nothing_new(trial: FunctionTrial) -> str:
    """Finds functions that subtract two lengths: the difference can be below 0."""
    talk = _talk(dice.randint(3, 5))
    advice = "Do not compare lengths. Count the messages of now behind the common beginning."
    _counted(trial, talk, talk, 0, "now is the same as before", advice)
    _counted(trial, talk, talk[:3], 0, "now is the beginning of before", advice)
    return "Nothing new, nothing to read."


@cost.step("Once the front is gone, all behind it is new", needs=["nothing_new"])
def sliding_window(trial: FunctionTrial) -> str:
    """Finds functions that compare sets: a message that moved to the front is new all the same."""
    talk = _talk(dice.randint(4, 6))
    now = [talk[0], *talk[3:], {"role": "user", "content": phrase()}]
    told = "now lacks the first exchange of before, and has a new line"
    advice = "A cache compares from the front. Being somewhere in before does not help a message."
    _counted(trial, talk, now, _length(now[1:]), told, advice)
    return "One forgotten exchange, and the cache helps no more."


@cost.step("Behind the first difference, nothing is the same any more", needs=["sliding_window"])
def difference_ends_it(trial: FunctionTrial) -> str:
    """Finds functions that go on comparing after the first difference."""
    before = _talk(dice.randint(3, 5))
    place = dice.randint(1, 3)
    now = [*before[:place], {**before[place], "content": phrase()}, *before[place + 1 :]]
    told = f"now differs from before only in message {place}, counted from 0"
    advice = "Stop comparing at the first difference: `break` ends a loop."
    _counted(trial, before, now, _length(now[place:]), told, advice)
    return "It stops at the first difference, as a cache does."


@cost.step("It holds for any two prompts of a talk", needs=["difference_ends_it"])
def any_prompts(trial: FunctionTrial) -> str:
    """Finds functions that are right for some places only."""
    advice = "Go through both lists side by side, and stop where they differ."
    for _ in range(10):
        talk = _talk(dice.randint(10, 20))
        first, end = dice.randint(1, 3), dice.randint(16, len(talk))
        before = [talk[0], *talk[first:end]]
        for start in (first, first + 2):  # all of it, and without the first exchange
            now = [talk[0], *talk[start:]]
            _counted(trial, before, now, new_to_cache(before, now), "both are prompts of one talk", advice)
    return "20 pairs of prompts were counted well."


def _length(messages: Sequence[ChatMessage]) -> int:
    return sum(len(message["content"]) for message in messages)


def _counted(
    trial: FunctionTrial,
    before: list[ChatMessage],
    now: list[ChatMessage],
    expected: int,
    told: str,
    advice: str,
) -> None:
    got = trial(before, now)
    trial.called = f"new_characters(before, now), where {told}"
    if got != expected:
        lengths = [
            f"{name}: {[len(each['content']) for each in each_list]}"
            for name, each_list in (("before", before), ("now", now))
        ]
        drawing = "Characters of each message in " + ", in ".join(lengths)
        advice = why_none(trial.learners_object) if got is None else advice
        fault = _of_the_count(got, before, now, expected)
        raise Wrong(trial.called, str(expected), show(got), advice, drawing, fault=fault)


def _of_the_count(got: Any, before: list[ChatMessage], now: list[ChatMessage], expected: int) -> str:
    """Return what is wrong with a number of characters, and what it may be the number of."""
    pairs = list(zip(before, now, strict=False))
    new = len(now) - sum(one == two for one, two in pairs)
    counts = {
        "the messages, and not their characters": (len(now), new),
        "the words, and not the characters": (sum(len(each["content"].split()) for each in now),),
        "all that is sent, and not only what is new": (_length(now),),
        "only the messages that differ": (_length([two for one, two in pairs if one != two]),),
        "only what is nowhere in before": (_length([each for each in now if each not in before]),),
        "the last message only": (_length(now[-1:]),),
        "the difference of the two lengths": (_length(now) - _length(before),),
    }
    what = " or ".join(what for what, count in counts.items() if got != 0 and got in count)
    return f"It gives {show(got, 40)}, and not {expected}{': it counts ' + what if what else ''}."


exercises: tuple[Exercise, ...] = (trim, cost)
