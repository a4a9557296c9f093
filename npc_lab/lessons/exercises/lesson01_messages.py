"""Lesson 01: predictions of what a model can know, and the messages that it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npc_lab.lessons.checking.exercise import Exercise, FunctionTrial, NotAttempted, Trial, Wrong
from npc_lab.lessons.checking.learners_code import show
from npc_lab.lessons.exercises.made_up import dice, messages_in, phrase, written, written_apart

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
            raise Wrong(called, "True or False", show(value, 80), advice)
        if value != truth:
            raise Wrong(called, str(truth), str(value), reason)
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
            raise Wrong(trial.called, '{"role": ..., "content": ...}', written(message), advice)
        if not all(isinstance(value, str) for value in message.values()):
            advice = "An exchange is two texts: for line, answer in exchanges."
            raise Wrong(trial.called, "two texts in each message", written(message), advice)
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
        raise Wrong(called, f"{len(first)} messages as before", f"{len(again)} messages", advice)
    return "Nothing of one talk gets into another."


@messages.step("The new line comes last, as the user's", needs=["nothing_is_left_over"])
def new_line_last(trial: FunctionTrial) -> str:
    """Finds a missing line, another order, another role, changed texts."""
    system, exchanges, line = _talk(dice.randint(2, 4))
    built = _built(trial, system, exchanges, line)
    _same(trial, "the last message", {"role": "user", "content": line}, built[-1] if built else None)
    return "The model sees the new line last, and answers it."


@messages.step("The system message comes first", needs=["new_line_last"])
def system_first(trial: FunctionTrial) -> str:
    """Finds a missing system message, another role, more than one."""
    system, exchanges, line = _talk(dice.randint(2, 4))
    built = _built(trial, system, exchanges, line)
    _same(trial, "the first message", {"role": "system", "content": system}, built[0])
    if len(others := [each for each in built if each["role"] == "system"]) > 1:
        advice = "It is sent once, in front of all else."
        raise Wrong(trial.called, "one system message", f"{len(others)} of them", advice)
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
        advice = _advice(built[1:-1], expected)
        wanted, got = written_apart(expected, built[1:-1])
        raise Wrong(trial.called, f"in the middle: {wanted}", f"in the middle: {got}", advice)
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
        raise Wrong(trial.called, _in_short(expected, exchanges), _in_short(built, exchanges), advice)
    return "The model reads the talk in the order in which it was held."


@messages.step("A talk can begin: there may be no exchange yet", needs=["all_in_order"])
def no_exchange_yet(trial: FunctionTrial) -> str:
    """Finds exchanges[0] and the like."""
    system, _, line = _talk(0)
    expected = [{"role": "system", "content": system}, {"role": "user", "content": line}]
    built = _built(trial, system, [], line)
    if built != expected:
        advice = "With no exchange, the system message and the new line are left."
        raise Wrong(trial.called, *written_apart(expected, built), advice)
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
            raise Wrong(trial.called, *written_apart(expected, built), advice)
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


def _same(trial: FunctionTrial, what: str, expected: dict[str, Any], got: dict[str, Any] | None) -> None:
    if got == expected:
        return
    if got is None:
        advice = "The list is empty. Add the messages to it, then return it."
    elif got["content"] == expected["content"]:
        advice = f"Its text is right. Its role is {expected['role']!r}."
    elif str(got["content"]).strip() == expected["content"].strip() or expected["content"] in got["content"]:
        advice = "Send the text exactly as it came: add nothing and take nothing away."
    else:
        advice = "Another message stands there. In which order do you put them into the list?"
    wanted, given = written_apart(expected, got)
    raise Wrong(trial.called, f"{what}: {wanted}", f"{what}: {given}", advice)


def _advice(built: list[dict[str, Any]], expected: list[dict[str, Any]]) -> str:
    """Return one next step if the messages between the first and the last are wrong."""
    if not built:
        return "The exchange is missing. Without it, the model has no memory."
    if len(built) == 1:
        return "The line and the answer are two messages, each with a role of its own."
    if [each["content"] for each in built] == [each["content"] for each in expected]:
        return "The texts are right. The line's role is 'user', the answer's is 'assistant'."
    return "Add first the line, then the answer, and each exactly as it came."


def _in_short(built: list[dict[str, Any]], exchanges: list[Exchange]) -> str:
    """Return the messages by role and number: "user 1, assistant 1"."""
    texts = {text: number for number, exchange in enumerate(exchanges, 1) for text in exchange}
    return ", ".join(f"{each['role']} {texts.get(each['content'], '?')}" for each in built) or "nothing"


exercises: tuple[Exercise, ...] = (prediction, messages)
