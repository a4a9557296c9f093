"""Lesson 01: predictions of what a model can know, and the messages that it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, NotAttempted, Trial, Wrong
from npc_lab.lessons.checking.learners_code import quote, show
from npc_lab.lessons.exercises.made_up import dice, how_changed, messages_in, phrase, written, written_apart

prediction = Exercise(
    "prediction",
    lesson="01",
    declares="prediction",
    kind="your dictionary of predictions",
    trial=Trial,
    accepts=lambda thing: isinstance(thing, Mapping),
)

# letter -> what is true, and why
_FACTS = {
    "A": (
        False,
        "The two calls have nothing to do with each other. The name was never sent with the second.",
    ),
    "B": (True, "Now the name stands in what is sent, and the model can read it there."),
    "C": (
        True,
        "The model knows its earlier words only from the list. Whoever writes the list, writes them.",
    ),
    "D": (True, "All that was said is sent again, and at each turn there is more of it."),
}


def _predicted(letter: str) -> None:
    truth, reason = _FACTS[letter]

    def step(trial: Trial) -> str:
        value = trial.learners_object.get(letter, ...)
        if value is ... or value is None:
            open_ones = [each for each in _FACTS if trial.learners_object.get(each, ...) in (..., None)]
            raise NotAttempted(f"Still open: {', '.join(open_ones)}. Write True or False there.")
        called = f"prediction[{letter!r}]"
        if not isinstance(value, bool):
            advice = "Write True or False, with a capital letter and without quotation marks."
            fault = f"{letter} is {show(value, 60)}, and neither True nor False."
            raise Wrong(called, "True or False", show(value, 80), advice, fault=fault)
        if value != truth:
            fault = f"You wrote {value} for {letter}, and it turns out to be {truth}."
            raise Wrong(called, str(truth), str(value), reason, fault=fault)
        return reason

    step.__name__ = letter
    prediction.step(f"Prediction {letter} agrees with what happens")(step)


for _letter in _FACTS:
    _predicted(_letter)


messages = Exercise("messages", lesson="01", declares="build_messages", kind="your function")

Exchange = tuple[str, str]  # (a line, its answer)


@messages.step("It gives a list of messages, and changes nothing it was given")
def gives_messages(trial: FunctionTrial) -> str:
    """Finds a missing return, errors, endless loops, and changes to the exchanges."""
    _built(trial, *_talk(2))
    return "It gives a list of messages."


@messages.step("Each message has a role and a content, and nothing else", needs=["gives_messages"])
def role_and_content(trial: FunctionTrial) -> str:
    """Finds other keys, and whole exchanges as a content."""
    for message in _built(trial, *_talk(2)):
        if set(message) != {"role", "content"}:
            advice = "The two keys of a message are exactly 'role' and 'content'."
            keys = " and ".join(show(key, 40) for key in message)
            fault = (
                f"The keys of a message are {keys}."
                if len(message) > 1
                else f"A message has only the key {keys}."
            )
            fault = fault if message else "A message is an empty dictionary."
            raise Wrong(trial.called, '{"role": ..., "content": ...}', written(message), advice, fault=fault)
        if not all(isinstance(value, str) for value in message.values()):
            key = next(key for key, value in message.items() if not isinstance(value, str))
            advice = "An exchange is two texts: for line, answer in exchanges."
            fault = f"The {key} of a message is {show(message[key], 60)}, and no text."
            raise Wrong(trial.called, "two texts in each message", written(message), advice, fault=fault)
    return "Each message can be sent."


@messages.step("Two calls have nothing to do with each other", needs=["role_and_content"])
def nothing_is_left_over(trial: FunctionTrial) -> str:
    """Finds one list that all calls share."""
    first_talk, second_talk = _talk(2), _talk(1)
    first = _built(trial, *first_talk)
    _built(trial, *second_talk)
    again = _built(trial, *first_talk)
    if again != first:
        called = f"{trial.called}, for the second time"
        advice = "Make a new, empty list inside the function each time it is called."
        fault = f"The second call gives {len(again)} messages, with those of the first call in them."
        if len(again) == len(first):
            fault = "The second call gives other messages than the first."
        raise Wrong(called, f"{len(first)} messages as before", f"{len(again)} messages", advice, fault=fault)
    return "Nothing of one talk gets into another."


@messages.step("The new line comes last, as the user's", needs=["nothing_is_left_over"])
def new_line_last(trial: FunctionTrial) -> str:
    """Finds a missing line, another order, another role, changed texts."""
    system, exchanges, line = _talk(dice.randint(2, 4))
    built = _built(trial, system, exchanges, line)
    names = {system: "the system text"} | _numbered(exchanges)
    _same(trial, "last", {"role": "user", "content": line}, built[-1:], "the new line", names)
    return "The model sees the new line last, and answers it."


@messages.step("The system message comes first", needs=["new_line_last"])
def system_first(trial: FunctionTrial) -> str:
    """Finds a missing system message, another role, more than one."""
    system, exchanges, line = _talk(dice.randint(2, 4))
    built = _built(trial, system, exchanges, line)
    names = {line: "the new line"} | _numbered(exchanges)
    _same(trial, "first", {"role": "system", "content": system}, built[:1], "the system text", names)
    if len(others := [each for each in built if each["role"] == "system"]) > 1:
        advice = "It is sent once, in front of all else."
        fault = f"There are {len(others)} system messages."
        raise Wrong(trial.called, "one system message", f"{len(others)} of them", advice, fault=fault)
    return "The model learns who it is before anything else."


@messages.step(
    "An exchange becomes two messages: first the user's, then the assistant's", needs=["system_first"]
)
def exchange_is_two(trial: FunctionTrial) -> str:
    """Finds swapped roles, and both texts in one message."""
    system, exchanges, line = _talk(1)
    built = _built(trial, system, exchanges, line)
    expected = _as_messages(exchanges)
    if built[1:-1] != expected:
        fault, advice = _of_an_exchange(built[1:-1], expected)
        wanted, got = written_apart(expected, built[1:-1])
        raise Wrong(trial.called, f"in the middle: {wanted}", f"in the middle: {got}", advice, fault=fault)
    return "The model can tell its own words from yours."


@messages.step("All exchanges are sent, oldest first", needs=["exchange_is_two"])
def all_in_order(trial: FunctionTrial) -> str:
    """Finds missing exchanges, newest first, and all lines before all answers."""
    system, exchanges, line = _talk(dice.randint(3, 5))
    built = _built(trial, system, exchanges, line)[1:-1]
    expected = _as_messages(exchanges)
    if built != expected:
        advice = "Go through the exchanges from first to last, and add two messages for each."
        if len(built) < len(expected):
            advice = "Some are missing. Is your `return` inside the loop?"
        wanted, got = _in_short(expected, exchanges), _in_short(built, exchanges)
        raise Wrong(trial.called, wanted, got, advice, fault=_of_the_order(built, exchanges, got))
    return "The model reads the talk in the order in which it was held."


@messages.step("A talk can begin: there may be no exchange yet", needs=["all_in_order"])
def no_exchange_yet(trial: FunctionTrial) -> str:
    """Finds exchanges[0] and the like."""
    system, _, line = _talk(0)
    expected = [{"role": "system", "content": system}, {"role": "user", "content": line}]
    built = _built(trial, system, [], line)
    if built != expected:
        advice = "With no exchange, the system message and the new line are left."
        roles = ", ".join(each["role"] for each in built) or "nothing"
        fault = f"Without an exchange it sends {roles}."
        raise Wrong(trial.called, *written_apart(expected, built), advice, fault=fault)
    return "It works for the first line of a talk."


@messages.step("Without a system text there is no system message", needs=["no_exchange_yet"], required=False)
def no_system(trial: FunctionTrial) -> str:
    """Stretch: an empty system message is not sent."""
    _, exchanges, line = _talk(1)
    expected = [*_as_messages(exchanges), {"role": "user", "content": line}]
    for system in ("", None):
        built = _built(trial, system, exchanges, line)
        if built != expected:
            advice = "Ask `if system:` before you add it. Some endpoints refuse an empty message."
            fault = f"For the system text {system!r} it sends {written(built[:1])} first."
            raise Wrong(trial.called, *written_apart(expected, built), advice, fault=fault)
    return "Nothing empty is sent."


def _talk(exchanges: int) -> tuple[str, list[Exchange], str]:
    """Return a system text, so many exchanges, and a new line, all with signs that must be sent, too."""
    made = [(f"{phrase(2)}?", f"“{phrase(2)}”\n") for _ in range(exchanges)]
    return f"You are a {phrase(2)}.", made, f" {{{phrase(2)}}}! "


def _built(
    trial: FunctionTrial, system: str | None, exchanges: list[Exchange], line: str
) -> list[dict[str, Any]]:
    return messages_in(trial, trial(system, exchanges, line))


def _as_messages(exchanges: list[Exchange]) -> list[dict[str, Any]]:
    return [
        {"role": role, "content": text}
        for exchange in exchanges
        for role, text in zip(("user", "assistant"), exchange, strict=True)
    ]


def _numbered(exchanges: list[Exchange]) -> dict[str, str]:
    """Return what each text is: "line 1", "answer 1"."""
    return {
        text: f"{what} {number}"
        for number, exchange in enumerate(exchanges, 1)
        for what, text in zip(("line", "answer"), exchange, strict=True)
    }


def _same(
    trial: FunctionTrial,
    place: str,
    expected: dict[str, Any],
    found: list[dict[str, Any]],
    what: str,
    names: Mapping[str, str],
) -> None:
    """Raise `Wrong` unless the message at a place is the expected one. names: what the other texts are."""
    got = found[0] if found else None
    if got == expected:
        return
    changed = how_changed(expected["content"], got["content"], what) if got else ""
    if got is None:
        advice, fault = "The list is empty. Add the messages to it, then return it.", "The list is empty."
    elif got["content"] == expected["content"]:
        advice = f"Its text is right. Make its role {expected['role']!r}."
        fault = f"The role of the {place} message is {show(got['role'], 40)}."
    elif changed:
        advice, fault = "Send the text exactly as it came: add nothing and take nothing away.", changed
    else:
        advice = "Another message stands there. In which order do you put them into the list?"
        other = names.get(got["content"]) or quote(got["content"], 60)
        fault = f"At the {'end' if place == 'last' else 'beginning'} stands {other}, and not {what}."
    wanted, given = written_apart(expected, got)
    wanted, given = f"the {place} message: {wanted}", f"the {place} message: {given}"
    raise Wrong(trial.called, wanted, given, advice, fault=fault)


def _of_an_exchange(built: list[dict[str, Any]], expected: list[dict[str, Any]]) -> tuple[str, str]:
    """Return what is wrong with the messages between the first and the last, and one next step."""
    texts, wanted = ([each["content"] for each in messages] for messages in (built, expected))
    if not built:
        return "The exchange is missing.", "Without it, the model has no memory. Add two messages for each."
    if len(built) == 1:
        what = "The line and the answer are one message."
        if texts[0] in wanted:
            what = f"Of the exchange, only the {('line', 'answer')[wanted.index(texts[0])]} is sent."
        return what, "The line and the answer are two messages, each with a role of its own."
    if texts == wanted:
        first, second = (each["role"] for each in built)
        fault = f"The line has the role {show(first, 40)}, and the answer {show(second, 40)}."
        return fault, "The texts are right. The line's role is 'user', the answer's is 'assistant'."
    advice = "Add first the line, then the answer, and each exactly as it came."
    if texts == wanted[::-1]:
        return "The answer stands before the line.", advice
    if len(built) != len(expected):
        return f"One exchange has become {len(built)} messages.", advice
    pairs = zip(("the line", "the answer"), wanted, texts, strict=True)
    name, text, got = next(each for each in pairs if each[1] != each[2])
    return how_changed(text, got, name) or f"In the place of {name} stands {quote(got, 60)}.", advice


def _of_the_order(built: list[dict[str, Any]], exchanges: list[Exchange], in_short: str) -> str:
    """Return what is wrong with the messages of several exchanges; as they are, if it is no usual slip."""
    texts = [each["content"] for each in built]
    sent = [each for each in exchanges if all(text in texts for text in each)]
    if len(texts) < 2 * len(exchanges):
        return f"Of {len(exchanges)} exchanges, it sends {len(sent)}."
    if texts == [text for each in reversed(exchanges) for text in each]:
        return "The newest exchange comes first."
    if texts == [text for side in zip(*exchanges, strict=True) for text in side]:
        return "First come all lines, then all answers."
    return f"It sends {in_short}."


def _in_short(built: list[dict[str, Any]], exchanges: list[Exchange]) -> str:
    """Return the messages by role and number: "user 1, assistant 1"."""
    texts = {text: number for number, exchange in enumerate(exchanges, 1) for text in exchange}
    return ", ".join(f"{each['role']} {texts.get(each['content'], '?')}" for each in built) or "nothing"


exercises: tuple[Exercise, ...] = (prediction, messages)
