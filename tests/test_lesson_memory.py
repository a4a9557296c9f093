"""Lesson 02: what a learner may write and passes, and what each mistake is told in the first line."""

import itertools
import re
from collections import deque
from typing import Any

import pytest

from npc_lab.lessons import check, hint
from npc_lab.lessons.checking.reports import CANT_CHECK, CORRECT, INCORRECT, NOT_ATTEMPTED

pytestmark = pytest.mark.python

Messages = list[dict[str, str]]

# --- trim -----------------------------------------------------------------------------------------------


def trim_by_slice(messages: Messages, history_size: int) -> Any:
    earlier = messages[1:]
    size = min(history_size - history_size % 2, len(earlier))
    return messages[:1] + earlier[len(earlier) - size :]


def trim_by_loop(messages: Messages, history_size: int) -> Any:
    system, *earlier = messages
    while len(earlier) > history_size:
        earlier = earlier[2:]
    return [system, *earlier]


def trim_with_del(messages: Messages, history_size: int) -> Any:
    kept = list(messages)
    while len(kept) - 1 > history_size:
        del kept[1:3]
    return kept


def trim_with_deque(messages: Messages, history_size: int) -> Any:
    earlier = deque(messages[1:])
    while len(earlier) > history_size:
        earlier.popleft()
        earlier.popleft()
    earlier.appendleft(messages[0])
    return earlier


def trim_as_tuple(messages: Messages, history_size: int) -> Any:
    pairs = list(zip(messages[1::2], messages[2::2], strict=True))
    pairs = pairs[max(0, len(pairs) - history_size // 2) :]
    return (messages[0], *itertools.chain.from_iterable(pairs))


def trim_as_generator(messages: Messages, history_size: int) -> Any:
    yield messages[0]
    first = max(1, len(messages) - history_size // 2 * 2)
    yield from messages[first:]


def trim_as_chain(messages: Messages, history_size: int) -> Any:
    first = len(messages) - min(history_size // 2 * 2, len(messages) - 1)
    return itertools.chain(messages[:1], messages[first:])


def trim_with_early_return(messages: Messages, history_size: int) -> Any:
    if history_size < 2:
        return [messages[0]]
    if len(messages) <= history_size + 1:
        return messages
    kept = messages[-history_size:]
    if kept[0]["role"] != "user":
        kept = kept[1:]
    return [messages[0], *kept]


def trim_recursively(messages: Messages, history_size: int) -> Any:
    if len(messages) - 1 <= history_size:
        return messages
    return trim_recursively([messages[0], *messages[3:]], history_size)


def trim_from_the_end(messages: Messages, history_size: int) -> Any:
    """Passes the stretch steps, too."""
    start = 1 if messages and messages[0]["role"] == "system" else 0
    kept: Messages = []
    group: Messages = []
    for message in reversed(messages[start:]):
        group = [message, *group]
        if message["role"] == "user":
            if len(kept) + len(group) > history_size:
                break
            kept, group = group + kept, []
    return messages[:start] + kept


class Trimmer:
    def __call__(self, messages: Messages, history_size: int) -> Any:
        return [dict(message) for message in trim_by_loop(messages, history_size)]


RIGHT_TRIMS = [
    trim_by_slice,
    trim_by_loop,
    trim_with_del,
    trim_with_deque,
    trim_as_tuple,
    trim_as_generator,
    trim_as_chain,
    trim_with_early_return,
    trim_recursively,
    trim_from_the_end,
    Trimmer(),
    lambda m, n: m[:1] + m[1:][max(0, len(m) - 1 - n // 2 * 2) :],
]


@pytest.mark.parametrize("trim", RIGHT_TRIMS)
def test_a_right_trim_passes_however_it_is_written(trim: Any) -> None:
    report = check("trim", trim)
    assert report.passed, str(report)


def test_a_trim_by_exchanges_passes_the_stretch_steps() -> None:
    report = check("trim", trim_from_the_end)
    assert [step.outcome for step in report.steps] == [CORRECT] * len(report.steps)


def test_a_trim_in_pairs_is_told_of_both_stretch_steps_and_passes() -> None:
    report = check("trim", trim_by_loop)
    assert [step.outcome for step in report.steps if not step.required] == [INCORRECT, INCORRECT]
    assert "2 stretch steps are left" in str(report)


def loses_the_return(messages: Messages, history_size: int) -> Any:
    trim_by_slice(messages, history_size)


def changes_the_list(messages: Messages, history_size: int) -> Any:
    while len(messages) - 1 > history_size:
        del messages[1:3]
    return messages


def never_ends(messages: Messages, history_size: int) -> Any:
    kept = messages[1:]
    while len(kept) > history_size:
        kept[2:]
    return messages[:1] + kept


def gives_contents(messages: Messages, history_size: int) -> Any:
    return [message["content"] for message in messages]


def gives_a_number(messages: Messages, history_size: int) -> Any:
    return min(len(messages), history_size)


def misspells(messages: Messages, history_size: int) -> Any:
    return mesages[-history_size:]  # type: ignore[name-defined] # noqa: F821


def loses_the_system_message(messages: Messages, history_size: int) -> Any:
    return messages[-history_size:]


def puts_the_system_message_last(messages: Messages, history_size: int) -> Any:
    return trim_by_slice(messages, history_size)[1:] + messages[:1]


def keeps_the_history_only(messages: Messages, history_size: int) -> Any:
    return trim_by_slice(messages, history_size)[1:]


def reverses(messages: Messages, history_size: int) -> Any:
    kept: Messages = []
    for message in reversed(messages[1:]):
        if len(kept) < history_size // 2 * 2:
            kept.append(message)
    return messages[:1] + kept


def doubles_the_system_message(messages: Messages, history_size: int) -> Any:
    return messages[:1] + (
        messages if history_size >= len(messages) else trim_by_slice(messages, history_size)
    )


def slices_with_the_system_message(messages: Messages, history_size: int) -> Any:
    return [messages[0], *messages[-history_size:]]


def goes_round_and_round(messages: Messages, history_size: int) -> Any:
    return itertools.cycle(messages)


def marks_what_is_gone(messages: Messages, history_size: int) -> Any:
    kept = trim_by_slice(messages, history_size)
    if len(kept) < len(messages):
        kept.insert(1, {"role": "system", "content": "(earlier messages are gone)"})
    return kept


def shortens_texts(messages: Messages, history_size: int) -> Any:
    kept = trim_by_slice(messages, history_size)
    return [kept[0], *({**message, "content": message["content"][:10]} for message in kept[1:])]


def counts_the_system_message(messages: Messages, history_size: int) -> Any:
    return messages[:1] + trim_by_slice(messages, history_size - 1)[1:]


def forgets_one_too_early(messages: Messages, history_size: int) -> Any:
    kept = list(messages)
    while len(kept) > history_size:
        del kept[1:3]
    return kept


def keeps_the_oldest(messages: Messages, history_size: int) -> Any:
    return messages[: 1 + history_size // 2 * 2]


def forgets_one_exchange_only(messages: Messages, history_size: int) -> Any:
    return messages if len(messages) - 1 <= history_size else messages[:1] + messages[3:]


def forgets_half(messages: Messages, history_size: int) -> Any:
    return messages if len(messages) - 1 <= history_size else trim_by_slice(messages, history_size // 2)


def counts_exchanges(messages: Messages, history_size: int) -> Any:
    return trim_by_slice(messages, 2 * history_size)


def knows_one_size(messages: Messages, history_size: int) -> Any:
    return messages if len(messages) - 1 <= history_size else messages[:1] + messages[-4:]


def forgets_nothing(messages: Messages, history_size: int) -> Any:
    return messages


def cuts_an_exchange(messages: Messages, history_size: int) -> Any:
    return messages[:1] + messages[1:][max(0, len(messages) - 1 - history_size) :]


def cuts_an_exchange_and_the_zero(messages: Messages, history_size: int) -> Any:
    return messages[:1] + messages[1:][-history_size:]


def rounds_up(messages: Messages, history_size: int) -> Any:
    return trim_by_slice(messages, history_size + history_size % 2)


def slices_from_minus_zero(messages: Messages, history_size: int) -> Any:
    return messages[:1] + messages[1:][-(history_size // 2 * 2) :]


def takes_zero_for_no_limit(messages: Messages, history_size: int) -> Any:
    return trim_by_slice(messages, history_size or len(messages))


def fails_on_an_empty_talk(messages: Messages, history_size: int) -> Any:
    assert messages[1]["role"] == "user"
    return trim_by_slice(messages, history_size)


GIVES = "It gives a list of messages, and leaves the list it was given alone"
SYSTEM = "The system message stays, and stays first"
ORDER = "What stays keeps its order, and nothing is added"
FITS = "What fits stays as it is"
NEWEST = "Of what does not fit, the newest messages stay, as many as fit"
WHOLE = "An odd history_size cuts no exchange in half"
NOTHING = "With a history_size of 0 or 1, only the system message stays"
ANY = "It holds for talks of any length"

WRONG_TRIMS = [
    (loses_the_return, GIVES, "Did you forget a `return`?"),
    (changes_the_list, GIVES, "Work on a copy"),
    (never_ends, GIVES, "a loop that never ends"),
    (gives_contents, GIVES, "Each message is a dictionary"),
    (gives_a_number, GIVES, "Give a list"),
    (misspells, GIVES, "mesages"),
    (loses_the_system_message, SYSTEM, "Take messages[0] aside"),
    (puts_the_system_message_last, SYSTEM, "Take messages[0] aside"),
    (keeps_the_history_only, SYSTEM, "Take messages[0] aside"),
    (reverses, ORDER, "in reverse?"),
    (doubles_the_system_message, ORDER, "Slice messages[1:] instead"),
    (slices_with_the_system_message, ORDER, "Slice messages[1:] instead"),
    (goes_round_and_round, ORDER, "come twice"),
    (marks_what_is_gone, ORDER, "do not make new ones"),
    (shortens_texts, ORDER, "Do not change them"),
    (counts_the_system_message, FITS, "Behind the system message stand"),
    (forgets_one_too_early, FITS, "Behind the system message stand"),
    (keeps_the_oldest, NEWEST, "the oldest exchange goes first"),
    (forgets_one_exchange_only, NEWEST, "more than history_size allows"),
    (forgets_half, NEWEST, "One more exchange fits"),
    (counts_exchanges, NEWEST, "more than history_size allows"),
    (knows_one_size, NEWEST, ""),
    (forgets_nothing, NEWEST, "more than history_size allows"),
    (cuts_an_exchange, WHOLE, "whose question is gone"),
    (cuts_an_exchange_and_the_zero, WHOLE, "whose question is gone"),
    (rounds_up, WHOLE, "more than history_size allows"),
    (slices_from_minus_zero, NOTHING, "from -0 on is the whole list"),
    (takes_zero_for_no_limit, NOTHING, "look at 0 first"),
    (fails_on_an_empty_talk, ANY, "list index out of range"),
]


# What the first line says before the step, of some; of all others it says something, too.
FAULTS = {
    changes_the_list: r"It changes what it is given: afterwards it is \[\{",
    gives_a_number: r"It gives \d+, and no list",
    loses_the_system_message: r"The list begins with user \d+, and not with the system message",
    reverses: r"assistant \d stands before user \d",
    doubles_the_system_message: "It gives the system message twice",
    shortens_texts: r"It gives \{.*'Line 1: .*\}, which is no message of the talk",
    counts_the_system_message: r"With history_size=(\d+) all \1 fit, and it leaves out user 1, assistant 1",
    keeps_the_oldest: "It keeps the oldest messages, user 1, .*, and forgets the newest",
    forgets_nothing: r"With history_size=\d it keeps \d+ messages behind the system message",
    forgets_half: r"With history_size=\d it keeps \d messages, where \d fit",
    cuts_an_exchange: r"With history_size=\d it keeps assistant \d+ without the line before it",
    slices_from_minus_zero: "With history_size=0 it keeps user 1, assistant 1",
}


@pytest.mark.parametrize(
    ("trim", "step", "advice"), WRONG_TRIMS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_mistake_in_trim_is_named_once_and_in_the_first_line(
    trim: Any, step: str, advice: str, request: pytest.FixtureRequest
) -> None:
    if trim is never_ends:
        request.getfixturevalue("little_time")
    named_once("trim", trim, FAULTS.get(trim, "."), step, advice)


def named_once(exercise: str, learners_object: Any, fault: str, step: str, advice: str) -> None:
    report = check(exercise, learners_object)
    assert re.search(rf"{fault}.* So this does not hold yet: {re.escape(step)}", report.headline())
    assert [each.name for each in report.steps if each.outcome == INCORRECT] == [step], str(report)
    assert advice in str(report)
    assert {each.outcome for each in report.steps} <= {CORRECT, INCORRECT, CANT_CHECK}
    assert "Traceback" not in str(report)


def stub(messages: Messages, history_size: int) -> Any:
    """The newest whole exchanges."""
    # <YOUR CODE HERE>
    ...


def raising_stub(messages: Messages, history_size: int) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("nothing", [stub, raising_stub, None, ..., lambda *_: ...])
@pytest.mark.parametrize("exercise", ["trim", "cost"])
def test_what_is_not_written_yet_is_not_attempted(exercise: str, nothing: Any) -> None:
    report = check(exercise, nothing)
    assert report.outcome == NOT_ATTEMPTED
    assert INCORRECT not in {step.outcome for step in report.steps}


@pytest.mark.parametrize("exercise", ["trim", "cost"])
def test_the_check_of_what_is_no_function_says_what_it_wants(exercise: str) -> None:
    assert "This wants your function" in str(check(exercise, [1, 2]))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_hint_is_running_text_however_its_file_is_wrapped(number: int) -> None:
    page = hint("trim", number)._repr_html_()
    assert "<br>" not in page
    assert "<pre>" in page or number < 3


def test_a_check_is_quick() -> None:
    check("trim", trim_from_the_end)
    check("cost", count_with_a_loop)


# --- cost -----------------------------------------------------------------------------------------------


def count_with_a_loop(before: Messages, now: Messages) -> Any:
    same = 0
    for old, new in zip(before, now, strict=False):
        if old != new:
            break
        same += 1
    return sum(len(message["content"]) for message in now[same:])


def count_with_an_index(before: Messages, now: Messages) -> Any:
    place = 0
    while place < len(before) and place < len(now) and before[place] == now[place]:
        place += 1
    total = 0
    for message in now[place:]:
        total += len(message["content"])
    return total


def count_with_itertools(before: Messages, now: Messages) -> Any:
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False))
    return sum(len(each["content"]) for each in now) - sum(len(each["content"]) for each, _ in pairs)


def count_recursively(before: Messages, now: Messages) -> Any:
    if before and now and before[0] == now[0]:
        return count_recursively(before[1:], now[1:])
    return len("".join(message["content"] for message in now))


@pytest.mark.parametrize(
    "count", [count_with_a_loop, count_with_an_index, count_with_itertools, count_recursively]
)
def test_a_right_count_passes_however_it_is_written(count: Any) -> None:
    report = check("cost", count)
    assert report.passed, str(report)


def prints_the_count(before: Messages, now: Messages) -> Any:
    print(count_with_a_loop(before, now))


def takes_what_is_cached_away(before: Messages, now: Messages) -> Any:
    while before and now and before[0] == now[0]:
        before.pop(0)
        now.pop(0)
    return sum(len(message["content"]) for message in now)


def counts_messages(before: Messages, now: Messages) -> Any:
    return len(now) - len(before)


def counts_words(before: Messages, now: Messages) -> Any:
    return sum(len(message["content"].split()) for message in now)


def ends_with_the_shorter_list(before: Messages, now: Messages) -> Any:
    return sum(len(new["content"]) for old, new in zip(before, now, strict=False) if old != new)


def counts_everything(before: Messages, now: Messages) -> Any:
    return sum(len(message["content"]) for message in now)


def fails_without_a_prompt_before(before: Messages, now: Messages) -> Any:
    assert before[0]["role"] == "system"
    return count_with_a_loop(before, now)


def subtracts_lengths(before: Messages, now: Messages) -> Any:
    return counts_everything([], now) - counts_everything([], before)


def asks_whether_it_was_there(before: Messages, now: Messages) -> Any:
    return sum(len(message["content"]) for message in now if message not in before)


def goes_on_after_the_difference(before: Messages, now: Messages) -> Any:
    pairs = itertools.zip_longest(before[: len(now)], now)
    return sum(len(new["content"]) for old, new in pairs if old != new)


def counts_the_line_only(before: Messages, now: Messages) -> Any:
    return len(now[-1]["content"])


def compares_the_first_twelve_only(before: Messages, now: Messages) -> Any:
    return count_with_a_loop(before[:12], now)


NUMBER = "It gives a number, and leaves both lists alone"
ALL_NEW = "With nothing before, every character is new"
SAME = "What both begin with costs nothing"
NOTHING_NEW = "The same prompt again, or less of it, costs nothing"
FRONT_GONE = "Once the front is gone, all behind it is new"
DIFFERENCE = "Behind the first difference, nothing is the same any more"
ANY_TWO = "It holds for any two prompts of a talk"

WRONG_COUNTS = [
    (prints_the_count, NUMBER, "Did you forget a `return`?"),
    (takes_what_is_cached_away, NUMBER, "Work on a copy"),
    (counts_messages, ALL_NEW, 'len(message["content"])'),
    (counts_words, ALL_NEW, 'len(message["content"])'),
    (counts_the_line_only, ALL_NEW, 'len(message["content"])'),
    (ends_with_the_shorter_list, ALL_NEW, "zip() ends where the shorter list ends"),
    (fails_without_a_prompt_before, ALL_NEW, "list index out of range"),
    (counts_everything, SAME, "side by side"),
    (subtracts_lengths, NOTHING_NEW, "Do not compare lengths"),
    (asks_whether_it_was_there, FRONT_GONE, "compares from the front"),
    (goes_on_after_the_difference, DIFFERENCE, "Stop comparing"),
    (compares_the_first_twelve_only, ANY_TWO, "side by side"),
]


MISCOUNTED = {
    counts_messages: r"It gives \d+, and not \d+: it counts the messages, and not their characters",
    counts_words: "it counts the words, and not the characters",
    counts_the_line_only: "it counts the last message only",
    counts_everything: "it counts all that is sent, and not only what is new",
    subtracts_lengths: r"It gives -\d+, and not 0: it counts the difference of the two lengths",
    goes_on_after_the_difference: "it counts only the messages that differ",
    asks_whether_it_was_there: "it counts only what is nowhere in before",
}


@pytest.mark.parametrize(
    ("count", "step", "advice"), WRONG_COUNTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_mistake_in_the_count_is_named_once_and_in_the_first_line(
    count: Any, step: str, advice: str
) -> None:
    fault = MISCOUNTED.get(count, ".").replace("it counts ", "it counts (.* or )?")  # 25 may be either
    named_once("cost", count, fault, step, advice)
