"""Lesson 01: what a learner may write and passes, and what each mistake is told in the first line."""

import itertools
import re
from typing import Any

import pytest

from npc_lab.lessons import check
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, INCORRECT, NOT_ATTEMPTED

pytestmark = pytest.mark.python

Exchanges = list[tuple[str, str]]


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


# --- build_messages -------------------------------------------------------------------------------------


def build_with_a_loop(system: str, exchanges: Exchanges, line: str) -> Any:
    messages = []
    if system:
        messages.append(message("system", system))
    for said, answer in exchanges:
        messages.append(message("user", said))
        messages.append(message("assistant", answer))
    messages.append(message("user", line))
    return messages


def build_without_asking_for_system(system: str, exchanges: Exchanges, line: str) -> Any:
    messages = [{"role": "system", "content": system}]
    for exchange in exchanges:
        messages += [message("user", exchange[0]), message("assistant", exchange[1])]
    return [*messages, {"role": "user", "content": line}]


def build_in_one(system: str, exchanges: Exchanges, line: str) -> Any:
    middle = [
        message(role, text)
        for exchange in exchanges
        for role, text in zip(("user", "assistant"), exchange, strict=True)
    ]
    return [message("system", system), *middle, message("user", line)]


def build_as_generator(system: str, exchanges: Exchanges, line: str) -> Any:
    yield message("system", system)
    for said, answer in exchanges:
        yield message("user", said)
        yield message("assistant", answer)
    yield message("user", line)


def build_as_tuple(system: str, exchanges: Exchanges, line: str) -> Any:
    return tuple(build_in_one(system, exchanges, line))


def build_with_extend(system: str, exchanges: Exchanges, line: str) -> Any:
    messages = [dict(role="system", content=system)]  # noqa: C408
    for said, answer in list(exchanges):
        messages.extend((dict(role="user", content=said), dict(role="assistant", content=answer)))  # noqa: C408
    messages.append(dict(content=line, role="user"))  # noqa: C408
    return messages


def build_flat(system: str, exchanges: Exchanges, line: str) -> Any:
    texts = [*itertools.chain.from_iterable(exchanges), line]
    roles = itertools.cycle(["user", "assistant"])
    return itertools.chain(
        [message("system", system)], (message(role, text) for role, text in zip(roles, texts, strict=False))
    )


def build_by_position(system: str, exchanges: Exchanges, line: str) -> Any:
    messages = [message("system", system)]
    for number in range(2 * len(exchanges)):
        role = "user" if number % 2 == 0 else "assistant"
        messages.append(message(role, exchanges[number // 2][number % 2]))
    messages.append(message("user", line))
    return messages


def build_backwards(system: str, exchanges: Exchanges, line: str) -> Any:
    messages = [message("user", line)]
    for said, answer in reversed(exchanges):
        messages[:0] = [message("user", said), message("assistant", answer)]
    messages.insert(0, message("system", system))
    return messages


class Builder:
    def __call__(self, system: str, exchanges: Exchanges, line: str) -> Any:
        return build_in_one(system, exchanges, line)


RIGHT_BUILDS = [
    build_with_a_loop,
    build_without_asking_for_system,
    build_in_one,
    build_as_generator,
    build_as_tuple,
    build_with_extend,
    build_flat,
    build_by_position,
    build_backwards,
    Builder(),
    lambda system, exchanges, line: build_in_one(system, exchanges, line),
]


@pytest.mark.parametrize("build", RIGHT_BUILDS)
def test_a_right_list_of_messages_passes_however_it_is_built(build: Any) -> None:
    report = check("messages", build)
    assert report.passed, str(report)


def test_no_system_text_is_a_stretch_step() -> None:
    assert {step.outcome for step in check("messages", build_with_a_loop).steps} == {CORRECT}
    last = check("messages", build_in_one).steps[-1]
    assert (last.required, last.outcome) == (False, INCORRECT)


def test_no_system_text_may_be_none_too() -> None:
    def build(system: str | None, exchanges: Exchanges, line: str) -> Any:
        built = build_in_one(str(system), exchanges, line)
        return built[1:] if system == "" else built

    last = check("messages", build).steps[-1]
    assert (last.required, last.outcome) == (False, INCORRECT)
    assert "None" in last.message


def prints_them(system: str, exchanges: Exchanges, line: str) -> Any:
    print(build_in_one(system, exchanges, line))


def keeps_what_append_gives(system: str, exchanges: Exchanges, line: str) -> Any:
    messages: Any = build_in_one(system, exchanges, line)[:-1]
    messages = messages.append(message("user", line))
    return messages  # noqa: RET504


def returns_what_append_gives(system: str, exchanges: Exchanges, line: str) -> Any:
    messages: Any = build_in_one(system, exchanges, line)[:-1]
    return messages.append(message("user", line))


def keeps_it_in_a_loop(system: str, exchanges: Exchanges, line: str) -> Any:
    messages: Any = []
    for each in build_in_one(system, exchanges, line):
        messages = messages.append(each)
    return messages


def gives_one_text(system: str, exchanges: Exchanges, line: str) -> Any:
    return system + line


def adds_to_the_exchanges(system: str, exchanges: Any, line: str) -> Any:
    exchanges.append((line, ""))
    return build_in_one(system, exchanges[:-1], line)


def takes_from_the_exchanges(system: str, exchanges: Exchanges, line: str) -> Any:
    messages = [message("system", system)]
    while exchanges:
        said, answer = exchanges.pop(0)
        messages += [message("user", said), message("assistant", answer)]
    return [*messages, message("user", line)]


def unpacks_badly(system: str, exchanges: Any, line: str) -> Any:
    said, answer = exchanges
    return [message("user", said), message("assistant", answer)]


def gives_pairs(system: str, exchanges: Exchanges, line: str) -> Any:
    return [("system", system), *exchanges, ("user", line)]


def calls_the_key_text(system: str, exchanges: Exchanges, line: str) -> Any:
    return [{"role": each["role"], "text": each["content"]} for each in build_in_one(system, exchanges, line)]


def uses_the_role_as_key(system: str, exchanges: Exchanges, line: str) -> Any:
    return [{each["role"]: each["content"]} for each in build_in_one(system, exchanges, line)]


def sends_an_exchange_as_content(system: str, exchanges: Any, line: str) -> Any:
    return [message("system", system), *(message("user", each) for each in exchanges), message("user", line)]


SHARED: list[dict[str, str]] = []


def keeps_one_list(system: str, exchanges: Exchanges, line: str) -> Any:
    SHARED.extend(build_in_one(system, exchanges, line))
    return SHARED


def keeps_its_default(system: str, exchanges: Exchanges, line: str, messages: Any = []) -> Any:  # noqa: B006
    messages += build_in_one(system, exchanges, line)
    return list(messages)


def loses_the_new_line(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, exchanges, line)[:-1]


def puts_the_new_line_before_the_talk(system: str, exchanges: Exchanges, line: str) -> Any:
    built = build_in_one(system, exchanges, line)
    return [built[0], built[-1], *built[1:-1]]


def says_the_new_line_as_assistant(system: str, exchanges: Exchanges, line: str) -> Any:
    return [*build_in_one(system, exchanges, line)[:-1], message("assistant", line)]


def says_human(system: str, exchanges: Exchanges, line: str) -> Any:
    built = build_in_one(system, exchanges, line)
    return [message("human" if each["role"] == "user" else each["role"], each["content"]) for each in built]


def strips_the_line(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, exchanges, line.strip())


def puts_a_name_before_the_line(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, exchanges, f"User: {line}")


def loses_the_system_message(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, exchanges, line)[1:]


def says_the_system_text_as_user(system: str, exchanges: Exchanges, line: str) -> Any:
    return [message("user", system), *build_in_one(system, exchanges, line)[1:]]


def repeats_the_system_message(system: str, exchanges: Exchanges, line: str) -> Any:
    *earlier, new = build_in_one(system, exchanges, line)
    return [*earlier, message("system", system), new]


def swaps_the_roles(system: str, exchanges: Exchanges, line: str) -> Any:
    swapped = {"user": "assistant", "assistant": "user"}
    built = build_in_one(system, exchanges, line)
    return [built[0], *(message(swapped[each["role"]], each["content"]) for each in built[1:-1]), built[-1]]


def says_all_as_user(system: str, exchanges: Exchanges, line: str) -> Any:
    built = build_in_one(system, exchanges, line)
    return [built[0], *(message("user", each["content"]) for each in built[1:])]


def joins_line_and_answer(system: str, exchanges: Exchanges, line: str) -> Any:
    middle = [message("user", f"{said}\n{answer}") for said, answer in exchanges]
    return [message("system", system), *middle, message("user", line)]


def sends_no_answers(system: str, exchanges: Exchanges, line: str) -> Any:
    return [each for each in build_in_one(system, exchanges, line) if each["role"] != "assistant"]


def forgets_the_talk(system: str, exchanges: Exchanges, line: str) -> Any:
    return [message("system", system), message("user", line)]


def strips_the_answers(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, [(said, answer.strip()) for said, answer in exchanges], line)


def sends_the_last_exchange_only(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, exchanges[-1:], line)


def returns_inside_the_loop(system: str, exchanges: Exchanges, line: str) -> Any:
    messages = [message("system", system)]
    for said, answer in exchanges:
        messages += [message("user", said), message("assistant", answer)]
        return [*messages, message("user", line)]
    return [*messages, message("user", line)]


def sends_the_newest_first(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, exchanges[::-1], line)


def sends_all_lines_before_all_answers(system: str, exchanges: Exchanges, line: str) -> Any:
    lines = [message("user", said) for said, _ in exchanges]
    answers = [message("assistant", answer) for _, answer in exchanges]
    return [message("system", system), *lines, *answers, message("user", line)]


def needs_an_exchange(system: str, exchanges: Exchanges, line: str) -> Any:
    assert exchanges[0]
    return build_in_one(system, exchanges, line)


def gives_nothing_for_a_new_talk(system: str, exchanges: Exchanges, line: str) -> Any:
    return build_in_one(system, exchanges, line) if exchanges else []


GIVES = "It gives a list of messages, and changes nothing it was given"
KEYS = "Each message has a role and a content, and nothing else"
FRESH = "Two calls have nothing to do with each other"
LAST = "The new line comes last, as the user's"
FIRST = "The system message comes first"
TWO = "An exchange becomes two messages: first the user's, then the assistant's"
ORDER = "All exchanges are sent, oldest first"
BEGINS = "A talk can begin: there may be no exchange yet"

WRONG_BUILDS = [
    (prints_them, GIVES, "Did you forget a `return`?"),
    (keeps_what_append_gives, GIVES, "`append` changes the list and returns None"),
    (returns_what_append_gives, GIVES, "`append` changes the list and returns None"),
    (
        keeps_it_in_a_loop,
        GIVES,
        "It is None there. A function without `return` gives None",
    ),
    (gives_one_text, GIVES, "Give a list"),
    (adds_to_the_exchanges, GIVES, "Work on a copy"),
    (takes_from_the_exchanges, GIVES, "Work on a copy"),
    (gives_pairs, GIVES, "Each message is a dictionary"),
    (calls_the_key_text, KEYS, "exactly 'role' and 'content'"),
    (uses_the_role_as_key, KEYS, "exactly 'role' and 'content'"),
    (sends_an_exchange_as_content, KEYS, "for line, answer in exchanges"),
    (keeps_one_list, FRESH, "new, empty list"),
    (keeps_its_default, FRESH, "new, empty list"),
    (loses_the_new_line, LAST, "In which order"),
    (puts_the_new_line_before_the_talk, LAST, "In which order"),
    (says_the_new_line_as_assistant, LAST, "Make its role 'user'"),
    (says_human, LAST, "Make its role 'user'"),
    (strips_the_line, LAST, "exactly as it came"),
    (puts_a_name_before_the_line, LAST, "exactly as it came"),
    (loses_the_system_message, FIRST, "In which order"),
    (says_the_system_text_as_user, FIRST, "Make its role 'system'"),
    (repeats_the_system_message, FIRST, "It is sent once"),
    (swaps_the_roles, TWO, "The texts are right"),
    (says_all_as_user, TWO, "The texts are right"),
    (joins_line_and_answer, TWO, "are two messages"),
    (sends_no_answers, TWO, "are two messages"),
    (forgets_the_talk, TWO, "the model has no memory"),
    (strips_the_answers, TWO, "exactly as it came"),
    (sends_the_last_exchange_only, ORDER, "Some are missing"),
    (returns_inside_the_loop, ORDER, "inside the loop?"),
    (sends_the_newest_first, ORDER, "from first to last"),
    (sends_all_lines_before_all_answers, ORDER, "two messages for each"),
    (needs_an_exchange, BEGINS, "list index out of range"),
    (gives_nothing_for_a_new_talk, BEGINS, "the system message and the new line"),
]


# What the first line says before the step, of some; of all others it says something, too.
FAULTS = {
    adds_to_the_exchanges: r"It changes what it is given: afterwards it is \[\(",
    gives_pairs: r"In its list stands \('system', .*\), which is no message",
    uses_the_role_as_key: "A message has only the key 'system'",
    calls_the_key_text: "The keys of a message are 'role' and 'text'",
    keeps_one_list: r"The second call gives \d+ messages, with those of the first call in them",
    loses_the_new_line: r"At the end stands answer \d, and not the new line",
    loses_the_system_message: "At the beginning stands line 1, and not the system text",
    says_human: "The role of the last message is 'human'",
    strips_the_line: "The blanks around the new line are cut off",
    repeats_the_system_message: "There are 2 system messages",
    swaps_the_roles: "The line has the role 'assistant', and the answer 'user'",
    joins_line_and_answer: "The line and the answer are one message",
    sends_no_answers: "Of the exchange, only the line is sent",
    returns_inside_the_loop: r"Of \d exchanges, it sends 1",
    sends_the_newest_first: "The newest exchange comes first",
    sends_all_lines_before_all_answers: "First come all lines, then all answers",
    gives_nothing_for_a_new_talk: "Without an exchange it sends nothing",
}


@pytest.mark.parametrize(
    ("build", "step", "advice"), WRONG_BUILDS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_mistake_is_named_once_and_in_the_first_line(build: Any, step: str, advice: str) -> None:
    report = check("messages", build)
    assert re.search(
        rf"{FAULTS.get(build, '.')}.* So this does not hold yet: {re.escape(step)}", report.headline()
    )
    assert [each.name for each in report.steps if each.outcome == INCORRECT] == [step], str(report)
    assert advice in str(report)
    assert {each.outcome for each in report.steps} <= {CORRECT, INCORRECT, CANT_CHECK}


def stub(system: str, exchanges: Exchanges, line: str) -> Any:
    """What is sent."""
    # <YOUR CODE HERE>
    ...


@pytest.mark.parametrize("nothing", [stub, None, ..., lambda *_: ...])
def test_what_is_not_written_yet_is_not_attempted(nothing: Any) -> None:
    assert check("messages", nothing).outcome == NOT_ATTEMPTED


def test_a_check_is_quick() -> None:
    check("messages", build_with_a_loop)


# --- prediction -----------------------------------------------------------------------------------------

RIGHT = {"A": False, "B": True, "C": True, "D": True}


def test_right_predictions_pass_and_each_is_given_its_reason() -> None:
    report = check("prediction", RIGHT)
    assert report.passed
    assert all(len(step.message) > 30 for step in report.steps)


@pytest.mark.parametrize("letter", RIGHT)
def test_a_wrong_prediction_is_named_and_explained(letter: str) -> None:
    report = check("prediction", RIGHT | {letter: not RIGHT[letter]})
    assert [step.outcome == INCORRECT for step in report.steps] == [each == letter for each in RIGHT]
    fault = f"You wrote {not RIGHT[letter]} for {letter}, and it turns out to be {RIGHT[letter]}"
    assert f"{fault}. So this does not hold yet: Prediction {letter} agrees" in report.headline()
    reason = next(step.message for step in check("prediction", RIGHT).steps if f" {letter} " in step.name)
    assert reason in str(report)


@pytest.mark.parametrize("nothing", [{}, None, ..., dict.fromkeys("ABCD", ...), dict.fromkeys("ABCD")])
def test_no_prediction_is_not_attempted(nothing: Any) -> None:
    assert check("prediction", nothing).outcome == NOT_ATTEMPTED


def test_a_prediction_that_is_left_out_is_not_attempted_and_the_others_count() -> None:
    report = check("prediction", RIGHT | {"C": ..., "D": None})
    assert [step.outcome for step in report.steps] == [CORRECT, CORRECT, NOT_ATTEMPTED, NOT_ATTEMPTED]
    assert not report.passed
    assert report.headline().endswith("not finished yet. Still open: C, D. Write True or False there.")


@pytest.mark.parametrize("value", ["True", "no", 1, [True]])
def test_a_prediction_is_true_or_false(value: Any) -> None:
    report = check("prediction", RIGHT | {"B": value})
    assert f"B is {value!r}, and neither True nor False." in report.headline()
    assert "Write True or False, with a capital letter and without quotation marks." in str(report)


def test_what_is_no_dictionary_is_told_so() -> None:
    assert "This wants your dictionary of predictions" in str(check("prediction", [False, True, True, True]))
