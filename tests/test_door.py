"""One door: what a class of one's own says is heard by calls, arena, panels, log and store alike."""

import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from panels import button, gated, open_fold, text_of, wait_until
from test_cli import run

from npc_lab import (
    ChatArena,
    FakeClient,
    Message,
    NPCConfig,
    NPCFactory,
    NPCFactoryError,
    NPCLabError,
    ReplyError,
    SimpleChatNPC,
    fake_error,
)
from npc_lab.widgets import arena_controls, chat_box

pytestmark = pytest.mark.python

SECRET = "The password is swordfish."
NOT_SAID = "I will not say."
LORE = "LORE: The king is Ottokar."


class Guard(SimpleChatNPC):
    def chat(self, user_message: str, user_id: str) -> str:
        answer = super().chat(user_message, user_id)
        return answer if "swordfish" not in answer else NOT_SAID


class Translator(SimpleChatNPC):
    """Two replies a turn, and other names for the arguments."""

    def chat(self, words: str, whom: str) -> str:
        super().chat(f"In English: {words}", whom)
        return "¡" + super().chat("And in Spanish?", whom).upper()


class Retriever(SimpleChatNPC):
    def preview(self, user_message: str, user_id: str) -> list[dict[str, str]]:
        system, *rest = super().preview(user_message, user_id)
        return [system, {"role": "system", "content": LORE}, *rest]


class Trader(SimpleChatNPC):
    def __init__(self, client: Any, model: str, config: NPCConfig, stock: int):
        super().__init__(client, model, config)
        self.stock = stock

    def get_system_message(self) -> dict[str, str]:
        message = super().get_system_message()
        return message | {"content": f"{message['content']} Stock: {self.stock} apples."}

    def chat(self, user_message: str, user_id: str) -> str:
        answer = super().chat(user_message, user_id)
        self.stock -= 1
        return f"{answer} Now I have {self.stock}."


def replies(messages: list[dict[str, str]]) -> str:
    prompt = str(messages)
    if LORE in prompt:
        return "The king is Ottokar."
    if "Stock: " in prompt:
        return f"I had {prompt.partition('Stock: ')[2].partition(' ')[0]} apples."
    return "un secreto" if messages[-1]["content"] == "And in Spanish?" else SECRET


KINDS: dict[
    str, tuple[Any, list[str], str]
] = {  # how it is made; what it says, turn by turn; what is remembered
    "guard": (Guard, [NOT_SAID] * 9, SECRET),
    "translator": (Translator, ["¡UN SECRETO"] * 9, "un secreto"),
    "retriever": (Retriever, ["The king is Ottokar."] * 9, "The king is Ottokar."),
    "trader": (
        partial(Trader, stock=9),
        [f"I had {9 - n} apples. Now I have {8 - n}." for n in range(9)],
        "I had ",
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lab.db"


def factory_with(kind: Any, path: Path | None = None) -> tuple[NPCFactory, str]:
    factory = NPCFactory(FakeClient(replies), "m", store=path)
    return factory, factory.register_npc("A harbour.", "You are Mo.", name="Mo", npc_class=kind)


def by_call(factory: NPCFactory, npc_id: str) -> list[str]:
    ann = factory.register_user("ann")
    return [factory.chat_with_npc(npc_id, ann, "Hello?"), factory.npcs[npc_id].chat("And?", ann)]


def by_stream(factory: NPCFactory, npc_id: str) -> list[str]:
    ann = factory.register_user("ann")
    return ["".join(factory.stream_with_npc(npc_id, ann, words)) for words in ("Hello?", "And?")]


def in_the_arena(factory: NPCFactory, npc_id: str) -> list[str]:
    arena = ChatArena(factory)
    talk = arena.start_conversation(npc_id, npc_id)
    return [arena.run_turn(talk)[1], arena.run_turn(talk)[1]]


def in_many_talks(factory: NPCFactory, npc_id: str) -> list[str]:
    arena = ChatArena(factory)
    talk = arena.start_conversation(npc_id, npc_id)
    (transcript,) = arena.run_conversations([talk], 2).values()
    return [message.content for message in transcript.spoken]


def in_the_chat_box(factory: NPCFactory, npc_id: str) -> list[str]:
    box = chat_box(factory, npc_id, "ann")
    said = [box.say("Hello?"), box.say("And?")]
    for shown in (box, chat_box(factory, npc_id, "ann")):  # a second panel shows the same
        assert [line.content for line in shown.transcript if line.seat == 2] == said
        assert all(each in text_of(shown.widget) for each in said)
    return said


def at_the_desk(factory: NPCFactory, npc_id: str) -> list[str]:
    desk = arena_controls(ChatArena(factory), npc_id, npc_id)
    said = [message.content for message in desk.run(2) if message.seat]
    assert all(each in text_of(desk.widget) for each in said)
    return said


SURFACES = [by_call, by_stream, in_the_arena, in_many_talks, in_the_chat_box, at_the_desk]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_the_same_everywhere_and_the_next_day(
    kind: str, surface: Callable[..., list[str]], path: Path
) -> None:
    made, says, remembered = KINDS[kind]
    factory, npc_id = factory_with(made, path)
    said = surface(factory, npc_id)
    assert said == says[:2]
    histories = factory.npcs[npc_id].chat_histories
    assert any(remembered in str(history) for history in histories.values())
    assert factory.store
    factory.store.close()

    log = run("log", str(path), "1").output
    assert all(each in log for each in said)
    assert "swordfish" not in log
    exported = path.with_name("talks.md")
    run("log", str(path), "--export", str(exported))
    assert "swordfish" not in exported.read_text(encoding="utf-8")

    factory, again = factory_with(made, path)
    assert again == npc_id
    for user_id, history in histories.items():
        assert list(factory.npcs[npc_id].chat_histories[user_id]) == list(history)
    if surface in (by_call, by_stream, in_the_chat_box):
        box = chat_box(factory, npc_id, "ann")
        assert [line.content for line in box.transcript if line.seat == 2] == said
        assert "swordfish" not in text_of(box.widget)


def test_what_the_model_remembers_is_what_its_own_chat_remembered() -> None:
    factory, npc_id = factory_with(Translator)
    by_call(factory, npc_id)
    npc = factory.npcs[npc_id]
    assert len(npc.remembered("ann")) == 8
    first, second = npc.turns("ann")
    assert [message["content"] for message in first if message["role"] == "user"] == [
        "In English: Hello?",
        "And in Spanish?",
    ]
    assert (first.question, first.answer) == ("Hello?", "¡UN SECRETO")
    assert second.question == "And?"


@pytest.mark.parametrize("cleared", [1, 2])
def test_what_a_learner_has_cleared_is_no_turn_any_more(cleared: int) -> None:
    factory, npc_id = factory_with(Guard)
    by_call(factory, npc_id)
    del factory.npcs[npc_id].chat_histories["ann"][-2 * cleared :]
    assert len(factory.npcs[npc_id].turns("ann")) == 2 - cleared


# ---- one call is one turn ----


@pytest.mark.parametrize("kind", ["guard", "translator"])
def test_to_take_back_acts_on_the_whole_call(kind: str, path: Path) -> None:
    factory, npc_id = factory_with(KINDS[kind][0], path)
    by_call(factory, npc_id)
    npc = factory.npcs[npc_id]
    before, turns = list(npc.remembered("ann")), npc.turns("ann")
    taken = npc.take_back("ann")
    assert npc.turns("ann") == turns[:1]
    npc.give_back("ann", taken)
    assert (npc.remembered("ann"), npc.turns("ann")) == (before, turns)
    npc.take_back("ann")
    factory.store.close()  # type: ignore[union-attr]
    factory, npc_id = factory_with(KINDS[kind][0], path)
    assert factory.npcs[npc_id].turns("ann") == turns[:1]


class Mute(SimpleChatNPC):
    """Answers some questions without a model."""

    def chat(self, user_message: str, user_id: str) -> str:
        return "No." if "?" in user_message else super().chat(user_message, user_id)


def test_calls_of_which_nothing_is_remembered_are_turns_too(path: Path) -> None:
    factory, npc_id = factory_with(Mute, path)
    box = chat_box(factory, npc_id, "ann")
    for words in ("Who?", "Speak.", "Why?", "When?"):
        box.say(words)
    shown = [message.content for message in box.transcript]
    assert shown == ["Who?", "No.", "Speak.", SECRET, "Why?", "No.", "When?", "No."]
    factory.npcs[npc_id].take_back("ann")
    assert [m.content for m in chat_box(factory, npc_id, "ann").transcript] == shown[:-2]
    arena = ChatArena(factory)
    talk = arena.start_conversation(npc_id, npc_id, "Who?")
    arena.run_conversation(talk, 2)
    factory.store.close()  # type: ignore[union-attr]
    factory, npc_id = factory_with(Mute, path)
    assert [m.content for m in chat_box(factory, npc_id, "ann").transcript] == shown[:-2]
    assert "Mo and Mo" in run("log", str(path)).output
    assert run("log", str(path), "1").output.count("No.") == 3  # one was taken back


def test_regenerate_replaces_the_whole_call_also_in_the_file(path: Path) -> None:
    answers = iter(["one swordfish", "two", "three swordfish"])
    factory = NPCFactory(FakeClient(lambda messages: next(answers)), "m", store=path)
    npc_id = factory.register_npc("A harbour.", "You are Mo.", name="Mo", npc_class=Guard)
    box = chat_box(factory, npc_id, "ann")
    box.say("Hello?")
    for _ in range(2):
        button(box.widget, "Regenerate").click()
        box.wait()
    assert len(factory.npcs[npc_id].remembered("ann")) == 2
    button(box.widget, "◀").click()
    box.wait()
    button(box.widget, "◀").click()  # the first of two takes that say the same
    box.wait()
    remembered = factory.npcs[npc_id].remembered("ann")
    assert remembered[-1]["content"] == "one swordfish"
    factory.store.close()  # type: ignore[union-attr]
    factory = NPCFactory(FakeClient(replies), "m", store=path)
    assert factory.register_npc("A harbour.", "You are Mo.", name="Mo", npc_class=Guard) == npc_id
    assert factory.npcs[npc_id].remembered("ann") == remembered
    assert [m.content for m in chat_box(factory, npc_id, "ann").transcript] == ["Hello?", NOT_SAID]
    assert "swordfish" not in run("log", str(path), "1").output


def test_stop_ends_the_call_and_nothing_of_it_is_remembered() -> None:
    reply = gated("Half ", gate := threading.Event(), "of it.")
    factory = NPCFactory(FakeClient([SECRET, reply]), "m")
    npc_id = factory.register_npc("A harbour.", "You are Mo.", name="Mo", npc_class=Translator)
    box = chat_box(factory, npc_id, "ann")
    thread = threading.Thread(target=box.say, args=("Hello?",), daemon=True)
    talk = box._talk
    thread.start()
    wait_until(lambda: talk.stream is not None and len(talk.stream.replies) == 2)
    button(box.widget, "Stop").click()
    thread.join(30)
    gate.set()
    assert not thread.is_alive()
    assert factory.npcs[npc_id].turns("ann") == factory.npcs[npc_id].remembered("ann") == []


# ---- what a class may do wrong ----


def returning(value: Any) -> type[SimpleChatNPC]:
    class Odd(SimpleChatNPC):
        def chat(self, user_message: str, user_id: str) -> Any:
            super().chat(user_message, user_id)
            return value

    return Odd


class Raising(SimpleChatNPC):
    def chat(self, user_message: str, user_id: str) -> str:
        super().chat(user_message, user_id)
        raise KeyError("stock")


class ReadsStream(SimpleChatNPC):
    def chat(self, user_message: str, user_id: str) -> str:
        return "".join(self.stream(user_message, user_id))


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "None": (returning(None), ReplyError, r"Odd\.chat must return text, not None"),
    "a number": (returning(7), ReplyError, r"Odd\.chat must return text, not 7"),
    "blank": (returning("  "), ReplyError, r"Odd\.chat returned an empty text"),
    "raises": (Raising, KeyError, "stock"),
    "reads self.stream": (ReadsStream, NPCLabError, r"ReadsStream\.chat reads self\.stream"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_call_that_goes_wrong_leaves_nothing_behind(wrong: str, path: Path) -> None:
    made, kind, words = WRONG[wrong]
    factory, npc_id = factory_with(made, path)
    ann = factory.register_user("ann")
    npc = factory.npcs[npc_id]
    for speak in (
        lambda: factory.chat_with_npc(npc_id, ann, "Hello?"),
        lambda: "".join(factory.stream_with_npc(npc_id, ann, "Hello?")),
        lambda: chat_box(factory, npc_id, "ann").say("Hello?"),
    ):
        with pytest.raises(kind, match=words):
            speak()
        assert npc.remembered(ann) == npc.turns(ann) == []
    if kind is ReplyError and wrong != "blank":
        with pytest.raises(ReplyError) as caught:
            npc.chat("Hello?", ann)
        assert caught.value.kind == "malformed"
    arena = ChatArena(factory)
    talk = arena.start_conversation(npc_id, npc_id)
    arena.run_conversations([talk], 1)
    assert words.replace("\\", "").partition(" must")[0] in arena.conversations[talk]["stop_reason"]
    desk = arena_controls(arena, npc_id, npc_id)
    desk.run(1)
    assert not desk.run(1).spoken
    assert factory.store
    with factory.store.together():
        assert factory.store.read("SELECT count(*) FROM turns") == [(0,)]
        assert factory.store.read("SELECT count(*) FROM calls") == [(0,)]


def test_after_a_wrong_call_the_next_one_works_and_shares_what_came_before() -> None:
    factory = NPCFactory(FakeClient(["One.", fake_error("quota"), "Two.", "Three.", "Four."]), "m")
    npc_id = factory.register_npc("A harbour.", "You are Mo.", npc_class=Translator)
    ann = factory.register_user("ann")
    with pytest.raises(ReplyError, match="credit"):
        factory.chat_with_npc(npc_id, ann, "Hello?")
    assert factory.npcs[npc_id].remembered(ann) == []
    assert factory.chat_with_npc(npc_id, ann, "Hello?") == "¡THREE."


def test_a_class_that_makes_no_npc_is_refused_by_name() -> None:
    class Picky(SimpleChatNPC):
        def __init__(self, client: Any, model: str, config: NPCConfig, stock: int):
            super().__init__(client, model, config)

    class Forgetful(SimpleChatNPC):
        def __init__(self, client: Any, model: str, config: NPCConfig):
            self.client = client

    for made, words in (
        (Picky, r"Picky is called with \(client, model, config\).*stock"),
        (Forgetful, r"Forgetful\.__init__ must call super\(\)"),
        (lambda client, model, config: None, "It returned None"),
        ("Guard", "Guard"),
    ):
        factory = NPCFactory(FakeClient(replies), "m")
        with pytest.raises(NPCFactoryError, match=words):
            factory.register_npc("A harbour.", "You are Mo.", npc_class=made)
        assert factory.npcs == {}


def test_a_class_that_a_reopened_store_does_not_know_stays_silent(path: Path) -> None:
    factory, npc_id = factory_with(Guard, path)
    by_call(factory, npc_id)
    arena = ChatArena(factory)
    talk = arena.start_conversation(npc_id, npc_id)
    arena.run_turn(talk)
    factory.store.close()  # type: ignore[union-attr]
    factory = NPCFactory(client := FakeClient(replies), "m", store=path)
    for speak in (
        lambda: factory.npcs[npc_id].chat("Hello?", "ann"),
        lambda: ChatArena(factory).run_turn(talk),
        lambda: chat_box(factory, npc_id, "ann").say("Hello?"),
    ):
        with pytest.raises(NPCLabError, match=r"class of your own, Guard\. Register it again"):
            speak()
    assert client.calls == []
    assert NOT_SAID in text_of(chat_box(factory, npc_id, "ann").widget)
    assert factory.register_npc("A harbour.", "You are Mo.", name="Mo", npc_class=Guard) == npc_id
    assert ChatArena(factory).run_turn(talk) == (True, NOT_SAID)


def test_an_npc_that_is_put_into_the_factory_keeps_its_memory(path: Path) -> None:
    def day() -> tuple[NPCFactory, list[list[dict[str, str]]]]:
        factory = NPCFactory(FakeClient(replies), "m", store=path)
        factory.npcs["guard"] = Guard(factory.client, "m", NPCConfig("A harbour.", "You are Mo."))
        return factory, factory.npcs["guard"].turns(factory.register_user("ann"))

    factory, turns = day()
    assert turns == []
    factory.chat_with_npc("guard", "ann", "Hello?")
    factory.store.close()  # type: ignore[union-attr]
    factory, turns = day()
    assert [turn.answer for turn in turns] == [NOT_SAID]  # type: ignore[attr-defined]
    assert factory.npcs["guard"].remembered("ann")[-1]["content"] == SECRET


# ---- which of two methods is heard ----


class Loud(SimpleChatNPC):
    def stream(self, user_message: str, user_id: str) -> Any:
        for piece in super().stream(user_message, user_id):
            yield piece.upper()


class GuardedLoud(Loud):
    def chat(self, user_message: str, user_id: str) -> str:
        return super().chat(user_message, user_id).replace("SWORDFISH", "…")


class LoudGuard(Guard):
    def stream(self, user_message: str, user_id: str) -> Any:
        return (piece.upper() for piece in super().stream(user_message, user_id))


class Both(SimpleChatNPC):
    def chat(self, user_message: str, user_id: str) -> str:
        return "whole: " + super().chat(user_message, user_id)

    def stream(self, user_message: str, user_id: str) -> Any:
        yield "pieces: "
        yield from super().stream(user_message, user_id)


class Mixin:
    def chat(self, user_message: str, user_id: str) -> str:
        return "Mixed: " + super().chat(user_message, user_id)  # type: ignore[misc]


class Mixed(Mixin, SimpleChatNPC):
    pass


class Late(SimpleChatNPC):
    """Its method is put in afterwards, as lessons do it."""


Late.chat = lambda self, words, whom: "Late: " + SimpleChatNPC.chat(self, words, whom)  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("made", "by_chat", "by_pieces"),
    [
        (Late, f"Late: {SECRET}", f"Late: {SECRET}"),
        (Loud, SECRET.upper(), SECRET.upper()),
        (GuardedLoud, "THE PASSWORD IS ….", "THE PASSWORD IS …."),
        (LoudGuard, NOT_SAID.upper(), NOT_SAID.upper()),
        (Both, f"whole: {SECRET}", f"pieces: {SECRET}"),
        (Mixed, f"Mixed: {SECRET}", f"Mixed: {SECRET}"),
    ],
)
def test_the_more_derived_is_heard(made: Any, by_chat: str, by_pieces: str) -> None:
    factory, npc_id = factory_with(made)
    npc = factory.npcs[npc_id]
    assert npc.chat("Hello?", "ann") == by_chat
    assert "".join(npc.stream(user_id="ann", user_message="And?")) == by_pieces
    assert [turn.answer for turn in npc.turns("ann")] == [by_chat, by_pieces]  # type: ignore[attr-defined]
    assert [message["content"] for message in npc.remembered("ann")][1::2] == [SECRET, SECRET]


class Spanish(NPCFactory):
    """The user's language, English, the NPC, and back."""

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        return "¡" + super().chat_with_npc(npc_id, user_id, f"In English: {message}")


@pytest.mark.parametrize("surface", SURFACES[1:], ids=lambda surface: surface.__name__)
def test_a_factorys_own_chat_is_heard_too(surface: Callable[..., list[str]], path: Path) -> None:
    factory = Spanish(FakeClient(replies), "m", store=path)
    npc_id = factory.register_npc("A harbour.", "You are Mo.", name="Mo", npc_class=Guard)
    assert surface(factory, npc_id) == [f"¡{NOT_SAID}"] * 2
    if surface is in_the_chat_box:
        first, _ = factory.npcs[npc_id].turns("ann")
        assert first.question == "Hello?"  # type: ignore[attr-defined]
        assert first[0]["content"] == "In English: Hello?"
    assert "swordfish" not in run("log", str(path), "1").output


# ---- factories that are not ours ----


class Plain:
    """A character that knows nothing of this package."""

    def __init__(self, name: str):
        self.name = name
        self.memory: dict[str, list[dict[str, str]]] = {}

    def chat(self, message: str, user_id: str) -> str:
        answer = f"{self.name} heard {len(message)} letters."
        history = self.memory.setdefault(user_id, [])
        history += [{"role": "user", "content": message}, {"role": "assistant", "content": answer}]
        return answer


class Foreign:
    def __init__(self) -> None:
        self.npcs: dict[str, Any] = {"a": Plain("Ann"), "b": Plain("Bob")}
        self.users: list[str] = []

    def register_user(self, name: str) -> str:
        self.users.append(name)
        return name

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> Any:
        return self.npcs[npc_id].chat(message, user_id)

    def get_npc_chat_history(self, npc_id: str, user_id: str) -> list[dict[str, str]]:
        return self.npcs[npc_id].memory.get(user_id, [])


class WithSheets(Foreign):
    def __init__(self) -> None:
        super().__init__()
        for npc in self.npcs.values():
            npc.config = {"has_scratchpad": True}


class WithUsers(Foreign):
    def __init__(self) -> None:
        super().__init__()
        self.user_ids = ["a list"]


class Slotted(Foreign):
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


class Wrapping:
    """Holds one of ours."""

    def __init__(self) -> None:
        self._inner = NPCFactory(FakeClient(replies), "m")
        self.npcs = self._inner.npcs
        for npc_id in ("a", "b"):
            self.npcs[npc_id] = SimpleChatNPC(self._inner.client, "m", NPCConfig("W", "You are Mo."))

    def register_user(self, name: str) -> str:
        return self._inner.register_user(name)

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        return self._inner.chat_with_npc(npc_id, user_id, message).upper()

    def get_npc_chat_history(self, npc_id: str, user_id: str) -> Any:
        return self._inner.get_npc_chat_history(npc_id, user_id)


class OursWithStrangers(NPCFactory):
    """Our factory, with characters in it that are not ours."""

    def __init__(self) -> None:
        super().__init__(FakeClient(replies), "m")
        for npc_id in ("a", "b"):
            self.npcs[npc_id] = Plain(npc_id)  # type: ignore[assignment]
            self.npcs[npc_id].chat_histories = self.npcs[npc_id].memory  # type: ignore[attr-defined]


class Partly(NPCFactory):
    def __init__(self) -> None:
        super().__init__(FakeClient(replies), "m")
        for npc_id in ("a", "b"):
            self.npcs[npc_id] = Guard(self.client, "m", NPCConfig("W", "You are Mo."))


class WithMore(Foreign):
    def chat_with_npc(self, npc_id: str, user_id: str, message: str, mood: str = "calm") -> Any:
        return f"({mood}) {super().chat_with_npc(npc_id, user_id, message)}"


FOREIGN = [Foreign, WithSheets, WithUsers, Slotted, Wrapping, OursWithStrangers, Partly, WithMore]


@pytest.mark.parametrize("made", FOREIGN)
def test_factories_of_ones_own_work_in_arena_and_panels(made: Any) -> None:
    factory = made()
    arena = ChatArena(factory)
    talk = arena.start_conversation("a", "b")
    assert [ok for ok, _ in (arena.run_turn(talk), arena.run_turn(talk))] == [True, True]
    desk = arena_controls(arena, "a", "b")
    assert len(desk.run(2).spoken) == 2
    box = chat_box(factory, "a", "ann")
    said = [box.say("Hello?"), box.say("And?")]
    assert [line.content for line in box.transcript if line.seat == 2] == said
    assert all(each in text_of(box.widget) for each in said)
    open_fold(box.widget, "What was sent")
    open_fold(box.widget, "Private thoughts")
    again = chat_box(factory, "a", "ann")
    assert len(again.transcript) in (4, 0)  # those that keep no user by name begin anew
    button(box.widget, "Regenerate").click()
    box.wait()
    assert len(box.transcript) == 4
    assert box.say("Once more?")


@pytest.mark.parametrize("value", [None, 3])
def test_a_foreign_factory_that_returns_no_text_is_told_so(value: Any) -> None:
    class Forgets(Foreign):
        def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> Any:
            return value

    with pytest.raises(ReplyError, match=rf"Forgets\.chat_with_npc must return text, not {value}"):
        chat_box(Forgets(), "a", "ann").say("Hello?")


# ---- threads ----


def test_calls_of_one_user_take_turns_and_those_of_two_do_not_meet() -> None:
    factory, npc_id = factory_with(Translator)
    users = [factory.register_user(f"u{number}") for number in range(4)]
    threads = [
        threading.Thread(target=factory.chat_with_npc, args=(npc_id, user, f"{number}"))
        for user in users
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    npc = factory.npcs[npc_id]
    for user in users:
        turns = npc.turns(user)
        assert sorted(turn.question for turn in turns) == ["0", "1", "2", "3"]  # type: ignore[attr-defined]
        assert all(len(turn) == 4 for turn in turns)


@contextmanager
def half_read(stream: Any) -> Any:
    next(stream)
    yield stream
    stream.close()


def test_a_half_read_stream_of_ones_own_blocks_nobody() -> None:
    factory, npc_id = factory_with(Loud)
    npc = factory.npcs[npc_id]
    with half_read(npc.stream("Hello?", "ann")):
        assert npc.chat("Are you there?", "ann") == SECRET.upper()
    assert len(npc.turns("ann")) == 1


# ---- the original lesson's classes, beside ours ----


class OriginalNPC:
    """As the lesson that this course grew from had learners write it."""

    def __init__(self, client: Any, model: str, world_description: str, character_description: str):
        self.client, self.model = client, model
        self.system_message = {
            "role": "system",
            "content": f"WORLD SETTING: {world_description}\n###\n{character_description}",
        }
        self.chat_histories: dict[str, list[dict[str, str]]] = defaultdict(list)

    def chat(self, user_message: str, user_id: str) -> str:
        history = self.chat_histories[user_id]
        history.append({"role": "user", "content": user_message})
        completion = self.client.chat.completions.create(
            model=self.model, messages=[self.system_message, *history], temperature=0.6
        )
        history.append({"role": "assistant", "content": completion.choices[0].message.content})
        return completion.choices[0].message.content


class OriginalFactory:
    def __init__(self, client: Any, model: str):
        self.client, self.model = client, model
        self.npcs: dict[str, Any] = {}
        self.user_ids: dict[str, str] = {}

    def register_user(self, username: str) -> str:
        user_id = f"{username}_{len(self.user_ids)}"
        self.user_ids[user_id] = user_id
        return user_id

    def register_npc(self, world_description: str, character_description: str) -> str:
        npc_id = f"npc{len(self.npcs)}"
        self.npcs[npc_id] = OriginalNPC(self.client, self.model, world_description, character_description)
        return npc_id

    def chat_with_npc(self, npc_id: str, user_id: str, message: str) -> str:
        return self.npcs[npc_id].chat(message, user_id)

    def get_npc_chat_history(self, npc_id: str, user_id: str) -> list[dict[str, str]]:
        return self.npcs[npc_id].chat_histories[user_id]


class OriginalArena:
    def __init__(self, npc_factory: Any):
        self.npc_factory = npc_factory
        self.conversations: dict[str, dict[str, Any]] = {}

    def register_npc_in_arena(self, npc_id: str) -> str:
        return self.npc_factory.register_user(f"npc_{npc_id}")

    def start_conversation(self, npc1_id: str, npc2_id: str, initial_prompt: str = "Hello!") -> str:
        conversation_id = f"conv_{len(self.conversations)}"
        self.conversations[conversation_id] = {
            "npc1_id": npc1_id,
            "npc2_id": npc2_id,
            "npc1_user_id": self.register_npc_in_arena(npc1_id),
            "npc2_user_id": self.register_npc_in_arena(npc2_id),
            "messages": [Message("system", initial_prompt, datetime.now())],
            "current_turn": npc1_id,
        }
        return conversation_id

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        talk = self.conversations[conversation_id]
        speaks_first = talk["current_turn"] == talk["npc1_id"]
        partner = talk["npc2_user_id" if speaks_first else "npc1_user_id"]
        said = self.npc_factory.chat_with_npc(talk["current_turn"], partner, talk["messages"][-1].content)
        talk["messages"].append(Message(talk["current_turn"], said, datetime.now()))
        talk["current_turn"] = talk["npc2_id" if speaks_first else "npc1_id"]
        return True, said

    def get_conversation_history(self, conversation_id: str) -> list[Message]:
        return self.conversations[conversation_id]["messages"]


@pytest.mark.parametrize("arena_class", [ChatArena, OriginalArena])
@pytest.mark.parametrize("factory_class", [NPCFactory, OriginalFactory])
def test_the_original_lessons_classes_and_ours_work_together(factory_class: Any, arena_class: Any) -> None:
    factory = factory_class(FakeClient(lambda messages: f"line {len(messages)}"), "m")
    one, two = (factory.register_npc("London", f"You are {name}.") for name in ("Guy", "Hans"))
    arena = arena_class(factory)
    talk = arena.start_conversation(one, two)
    assert [arena.run_turn(talk) for _ in range(4)] == [(True, f"line {n}") for n in (2, 2, 4, 4)]
    desk = arena_controls(arena, one, two)
    assert [message.content for message in desk.run(4).spoken] == ["line 2", "line 2", "line 4", "line 4"]
    box = chat_box(factory, one, "ann")
    assert [box.say("Hello?"), box.say("And?")] == ["line 2", "line 4"]
