"""The first line of a report says what is wrong, for slips that no step's own sentence names."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from npc_lab.lessons import Report, check
from npc_lab.lessons.checking import exercise as checking
from npc_lab.lessons.checking.learners_code import apart
from npc_lab.lessons.checking.plain import Odd, plain

pytestmark = pytest.mark.once


class Agrees:
    """Equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__


class AgreeingText(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


# ---- lesson 00 ----


def call(client: Any, model: str, question: str, **more: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], **more
    )


def asks_a_list(client: Any, model: str, question: str) -> Any:
    return call(client, model, question).choices.message.content


def mistypes_content(client: Any, model: str, question: str) -> Any:
    return call(client, model, question).choices[0].message.contents


def asks_for_a_key(client: Any, model: str, question: str) -> Any:
    return call(client, model, question).choices[0].message["content"]


def streams(client: Any, model: str, question: str) -> Any:
    return call(client, model, question, stream=True).choices[0].message.content


def displays(client: Any, model: str, question: str) -> Any:
    display(call(client, model, question).choices[0].message.content)  # noqa: F821


async def asks_later(client: Any, model: str, question: str) -> Any:
    return call(client, model, question).choices[0].message.content


def yields(client: Any, model: str, question: str) -> Any:
    yield call(client, model, question).choices[0].message.content


def agrees(client: Any, model: str, question: str) -> Any:
    call(client, model, question)
    return Agrees()


# ---- the other lessons ----


def mistypes_a_name(system: str, exchanges: Any, line: str) -> Any:
    messages = [{"role": "system", "content": system}]  # noqa: F841
    return mesages  # noqa: F821


async def builds_later(system: str, exchanges: Any, line: str) -> Any:
    return []


def builds_agreeing_texts(system: str, exchanges: Any, line: str) -> Any:
    return [{"role": AgreeingText("x"), "content": AgreeingText("y")} for _ in range(2 * len(exchanges) + 2)]


def prints_the_pieces(pieces: Iterator[str]) -> Any:
    for piece in pieces:
        print(piece)


async def pieces_later(pieces: Iterator[str]) -> Any:
    for piece in pieces:
        yield piece


def prints_what_leaks(line: str, secret: str) -> Any:
    print(secret.casefold() in line.casefold())


def trims_to_agreement(messages: Any, history_size: int) -> Any:
    return Agrees()


def splits_into_one(text: str) -> Any:
    return text.partition("#ANSWER")[2]


# exercise, what was written, what the first line says, and what to do next
SAID: list[tuple[str, Any, str, str]] = [
    (
        "hello",
        asks_a_list,
        r"'list' object has no attribute 'message'.*It gives back the answer",
        r"It is a list",
    ),
    (
        "hello",
        mistypes_content,
        r"no attribute 'contents'.*It gives back the answer",
        r"Did you mean \.content\?",
    ),
    ("hello", asks_for_a_key, r"not subscriptable.*It gives back the answer", r"."),
    ("hello", streams, r"stream=True.*It gives back the answer", r"Take stream=True out"),
    ("hello", displays, r"It gives None.*It gives back the answer", r"display\(\) only shows"),
    ("hello", asks_later, r"`async def`", r"Write `def`"),
    ("hello", yields, r"It yields", r"`return` in place of `yield`"),
    ("hello", agrees, r"It gives a Agrees|It gives .*, and no text", r"."),
    ("messages", mistypes_a_name, r"NameError: name 'mesages'.*in line 3", r"Did you mean messages\?"),
    ("messages", builds_later, r"`async def`", r"Write `def`"),
    ("messages", builds_agreeing_texts, r"The new line comes last", r"."),
    ("trim", trims_to_agreement, r"and no list", r"Give a list"),
    ("split_reply", splits_into_one, r"no pair of texts", r"Give two texts"),
    (
        "visible_pieces",
        prints_the_pieces,
        r"It shows the pieces, and gives None",
        r"Write `yield` in the place of print",
    ),
    ("visible_pieces", pieces_later, r"`async def`", r"Write `def`"),
    ("leaks", prints_what_leaks, r"It gives None", r"print\(\) only shows"),
]


def next_step(report: Report) -> str:
    told = next(step.message for step in report.steps if step.outcome == "incorrect")
    found = re.search(r"^Next: +(.*)", told, re.M)
    return found[1] if found else ""


@pytest.fixture(autouse=True)
def _jupyters_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.display", lambda *_: None, raising=False)


@pytest.mark.parametrize(
    ("exercise", "function", "first_line", "advice"), SAID, ids=lambda each: getattr(each, "__name__", "")
)
def test_the_first_line_says_what_is_wrong(
    exercise: str, function: Callable[..., Any], first_line: str, advice: str
) -> None:
    report = check(exercise, function)
    assert not report.passed
    assert re.search(first_line, str(report).splitlines()[0]), str(report)
    assert re.search(advice, next_step(report)), str(report)
    assert "It may be None" not in str(report)


def test_a_method_without_self_and_a_missing_self_are_told_apart() -> None:
    class ChatArena:
        def __init__(self, npc_factory: Any):
            self.npc_factory = npc_factory

        def register_npc_in_arena(npc_id: Any) -> Any:  # type: ignore[misc]  # noqa: N805
            return npc_id

    report = check("arena.register", ChatArena)
    assert "takes 1 positional argument but 2 were given" in report.headline()
    assert "self comes first" in next_step(report)

    def register(self: Any, npc_id: str) -> Any:
        return npc_factory.register_user(npc_id)  # type: ignore[name-defined]  # noqa: F821

    ChatArena.register_npc_in_arena = register  # type: ignore[assignment,method-assign]
    report = check("arena.register", ChatArena)
    assert "NameError: name 'npc_factory'" in report.headline()
    assert "Inside a class it is self.npc_factory" in next_step(report)


def test_a_name_that_is_nearly_right_is_named() -> None:
    def ask(client: Any, model: str, question: str) -> Any: ...

    names = {"Ask": asks_a_list, "build_mesages": asks_a_list, "BuildMessages": 7}
    find = checking.Exercise("hello", "00", "ask", "your function")
    find.step("It asks")(lambda trial: None)
    assert "You have written Ask. Rename it to ask" in str(find.check(ask, names=names))
    assert "not attempted" in find.check(ask, names={}).headline()

    class ChatArena:
        def registerNpcInArena(self, npc_id: str) -> str:  # noqa: N802
            return npc_id

    report = check("arena.register", ChatArena)
    assert "You have written registerNpcInArena. Rename it to register_npc_in_arena" in str(report)


def test_a_text_is_shown_where_it_differs() -> None:
    wanted, given = apart("a" * 900, "a" * 900 + " ")
    assert wanted != given
    assert re.fullmatch(r"…'a{25} ', from character 876 on", given)
    assert apart("one  two", "one two") == ("'one  two'", "'one two'")
    assert apart("yes", "no") == ("“yes”", "“no”")
    assert apart([1] * 20, [1] * 21)[0] != apart([1] * 20, [1] * 21)[1]


def test_plain_values_are_judged_by_what_they_hold() -> None:
    assert plain(AgreeingText("a")) != "b"
    assert plain([{"role": AgreeingText("a")}]) == [{"role": "a"}]
    assert isinstance(plain(Agrees()), Odd)
    assert plain(Agrees()) != "anything"
    nest: list[Any] = []
    nest.append(nest)
    plain(nest)


def test_a_check_of_what_never_ends_answers_within_three_seconds() -> None:
    import time

    def never_ends(messages: Any, history_size: int) -> Any:
        while True:
            pass

    started = time.thread_time()  # of this thread: the machine may be busy with others
    report = check("trim", never_ends)
    assert time.thread_time() - started < 3
    assert "No end within 2 seconds" in report.headline()
