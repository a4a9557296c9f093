"""The chat box through its buttons and fields: what is said, shown and remembered, whatever goes wrong."""

import json
import re
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import openai
import pytest
from loopback import CUT, DONE, Pause, Stalled, Status, Stream, Text, chunk, envelope
from panels import (
    PATIENCE,
    button,
    fill_in,
    foreign_markup,
    gated,
    is_shown,
    line_widgets,
    lines,
    open_fold,
    plain,
    press_enter,
    text_field,
    text_of,
    visible,
    wait_until,
    walk,
)

import ipywidgets as widgets  # isort: skip
from npc_lab import FakeClient, FakeReply, NPCFactory, NPCLabError, NPCNotFoundError, ReplyError, fake_error
from npc_lab.widgets import chat_box
from npc_lab.widgets import pump as pumps
from npc_lab.widgets.lines import ONE, Line

pytestmark = pytest.mark.packages

MARKED = "not remembered"


class Tavern:
    """A factory with one character, Mira, and boxes to talk with her."""

    def __init__(self, client: Any, factory: type[NPCFactory] = NPCFactory, **sheet: Any) -> None:
        self.client = client
        self.factory = factory(client, "a-model")
        self.npc_id = self.factory.register_npc("A tavern.", "You keep the tavern.", name="Mira", **sheet)
        self.npc = self.factory.npcs[self.npc_id]

    def box(self, user: str = "you") -> Any:
        return chat_box(self.factory, self.npc_id, user)

    def history(self, user: str = "you") -> list[dict[str, str]]:
        return self.factory.get_npc_chat_history(self.npc_id, user)

    def said(self, user: str = "you") -> list[str]:
        return [message["content"] for message in self.history(user)]

    def memory(self, user: str = "you") -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        """All that is remembered and all that is forgotten."""
        history = self.npc.chat_histories[user]
        return list(history), list(history.forgotten)


def tavern(*replies: Any, **more: Any) -> Tavern:
    return Tavern(FakeClient(list(replies)), **more)


def send(box: Any, words: str) -> None:
    """Write and press Enter. New words are sent as soon as they come, within this call."""
    assert text_field(box.widget).value != words
    press_enter(text_field(box.widget), words)


def click(box: Any, name: str) -> None:
    """Click and come back when what it began is over."""
    button(box.widget, name).click()
    box.wait()


def is_idle(box: Any) -> bool:
    names = {"Send": False, "Regenerate": False, "Edit": False, "Stop": True}
    return all(button(box.widget, name).disabled is expected for name, expected in names.items())


def notice(box: Any) -> str:
    return " ".join(plain(each.value) for each in html_in(box.widget) if "role='alert'" in each.value)


def html_in(part: Any) -> list[Any]:
    return [each for each in visible(part) if isinstance(each, widgets.HTML)]


def retry(box: Any) -> Any:
    return button(box.widget, "Retry")


@pytest.fixture
def gate() -> Any:
    """An event to keep replies back; open at the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


# --- words arrive -----------------------------------------------------------------------------------


def test_words_are_shown_while_they_are_made(gate: threading.Event) -> None:
    inn = tavern(gated("Welcome, ", "traveller.", gate, " Sit down."))
    box = inn.box()
    send(box, "Hello!")
    assert lines(box.widget)[0] == "you\nHello!"
    assert text_field(box.widget).value == ""
    wait_until(lambda: "Welcome, traveller." in text_of(box.widget))
    assert "Mira is speaking" in text_of(box.widget)
    assert "Sit down." not in text_of(box.widget)
    assert not button(box.widget, "Stop").disabled
    assert all(button(box.widget, name).disabled for name in ("Send", "Regenerate", "Edit"))
    assert inn.history() == []
    gate.set()
    box.wait()
    assert lines(box.widget)[1].startswith("Mira\nWelcome, traveller. Sit down.")
    assert "is speaking" not in text_of(box.widget)
    assert is_idle(box)
    assert inn.said() == ["Hello!", "Welcome, traveller. Sit down."]


def test_enter_sends_whether_the_words_come_before_or_after_the_key() -> None:
    inn = tavern("One.", "Two.", "Three.")
    box = inn.box()
    field = text_field(box.widget)
    press_enter(field, "after")
    wait_until(lambda: len(inn.said()) == 2)
    box.wait()
    fill_in(field, "before")
    field._handle_custom_msg({"event": "submit"}, [])
    wait_until(lambda: len(inn.said()) == 4)
    box.wait()
    fill_in(field, "left, ")
    press_enter(field, "left, and changed")
    wait_until(lambda: len(inn.said()) == 6)
    box.wait()
    assert inn.said()[::2] == ["after", "before", "left, and changed"]
    threading.Event().wait(pumps.SECONDS_FOR_A_LATE_MESSAGE * 1.5)  # time for an empty second message
    assert notice(box) == ""


def test_the_button_sends_what_stands_in_the_field() -> None:
    inn = tavern("Well met.")
    box = inn.box()
    fill_in(text_field(box.widget), "  Hello!  ")
    button(box.widget, "Send").click()
    wait_until(lambda: inn.history() and is_idle(box))
    assert inn.said() == ["  Hello!  ", "Well met."]


def test_who_waits_after_a_click_has_the_answer() -> None:
    inn = tavern("Well met.")
    box = inn.box()
    fill_in(text_field(box.widget), "Hello!")
    button(box.widget, "Send").click()
    box.wait()
    assert inn.said() == ["Hello!", "Well met."]


def test_to_leave_the_field_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", "blocking")
    inn = tavern("One.")
    box = inn.box()
    fill_in(text_field(box.widget), "not yet")
    assert inn.client.calls == []
    button(box.widget, "Send").click()
    fill_in(text_field(box.widget), "nor this")
    assert inn.said() == ["not yet", "One."]


@pytest.mark.parametrize("words", ["", "  "])
def test_nothing_to_send_is_a_notice(words: str) -> None:
    inn = tavern("Well met.")
    box = inn.box()
    press_enter(text_field(box.widget), words)
    wait_until(lambda: "nothing to send" in notice(box))
    assert not is_shown(box.widget, retry(box))
    assert (lines(box.widget), inn.client.calls) == ([], [])
    send(box, "Hello!")
    box.wait()
    assert notice(box) == ""


def test_while_a_reply_is_under_way_the_field_keeps_its_words(gate: threading.Event) -> None:
    inn = tavern(gated("One.", gate), "Two.")
    box = inn.box()
    send(box, "first")
    fill_in(text_field(box.widget), "second")
    button(box.widget, "Send").click()
    gate.set()
    box.wait()
    assert text_field(box.widget).value == "second"
    assert inn.said() == ["first", "One."]


def test_a_hundred_kilobytes_are_sent_and_shown_whole() -> None:
    inn = tavern("That is a lot.")
    box = inn.box()
    words = "ich bin viel, " * 7_500
    send(box, words)
    box.wait()
    assert inn.said() == [words, "That is a lot."]
    assert words.strip() in lines(box.widget)[0]


@pytest.mark.parametrize("pump", ["blocking", "browser", "thread"])
def test_every_pump_serves_a_box(monkeypatch: pytest.MonkeyPatch, pump: str) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", pump)
    monkeypatch.setattr(pumps, "SECONDS_UNTIL_THE_PAGE_IS_GONE", 0.05)  # there is none
    inn = tavern("One.", "Two.", "Three.")
    box = inn.box()
    press_enter(text_field(box.widget), "first")
    wait_until(lambda: len(inn.said()) == 2 and is_idle(box))
    fill_in(text_field(box.widget), "second")
    button(box.widget, "Send").click()
    wait_until(lambda: len(inn.said()) == 4 and is_idle(box))
    assert box.say("third") == "Three."
    assert [line.split("\n")[1] for line in lines(box.widget)] == inn.said()
    assert notice(box) == ""


def test_with_a_page_that_answers_words_arrive_and_stop_is_heard(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    monkeypatch.setenv("NPC_LAB_PUMP", "browser")
    inn = tavern(gated("Once upon ", "a time", gate))
    box = inn.box()
    ping, pong = (each for each in walk(box.widget) if isinstance(each, widgets.IntText))

    def page_until(condition: Any) -> None:
        def look() -> bool:
            if pong.value != ping.value:
                pong.set_state({"value": ping.value})
            return bool(condition())

        wait_until(look)

    press_enter(text_field(box.widget), "A story!")
    page_until(lambda: "Once upon a time" in text_of(box.widget))
    button(box.widget, "Stop").click()
    page_until(lambda: is_idle(box))
    assert MARKED in lines(box.widget)[-1]
    assert inn.history() == []


# --- say --------------------------------------------------------------------------------------------


def test_say_gives_the_words_and_shows_them() -> None:
    inn = tavern("Welcome.", has_scratchpad=False)
    box = inn.box()
    assert box.say("Hello!") == "Welcome."
    assert lines(box.widget)[0] == "you\nHello!"
    assert repr(box) == "ChatBox('you and Mira', 1 turns)"


def test_say_raises_and_shows_why_there_is_no_reply() -> None:
    inn = tavern(fake_error("rate_limit"), "Now.")
    box = inn.box()
    with pytest.raises(ReplyError) as caught:
        box.say("Hello!")
    assert caught.value.kind == "rate_limit"
    assert caught.value.hint in notice(box)
    click(box, "Retry")
    assert (inn.said(), notice(box)) == (["Hello!", "Now."], "")


@pytest.mark.parametrize("words", ["", " \n", None, 5, ["Hello!"]])
def test_say_refuses_what_is_no_message_and_the_box_lives_on(words: Any) -> None:
    inn = tavern("Welcome.")
    box = inn.box()
    with pytest.raises(ReplyError) as caught:
        box.say(words)
    assert caught.value.kind == "bad_request"
    assert str(caught.value) in notice(box)
    assert lines(box.widget) == []
    assert box.say("Hello!") == "Welcome."


def test_say_waits_for_a_reply_that_is_under_way(gate: threading.Event) -> None:
    inn = tavern(gated("One.", gate), "Two.")
    box = inn.box()
    send(box, "first")
    said = list[str]()
    saying = threading.Thread(target=lambda: said.append(box.say("second")))
    saying.start()
    saying.join(0.1)
    assert len(inn.client.calls) == 1
    gate.set()
    saying.join(PATIENCE)
    assert said == ["Two."]
    assert inn.said() == ["first", "One.", "second", "Two."]


def test_a_box_shows_what_was_said_before_and_who_displays_it_sees_what_was_said_since() -> None:
    inn = tavern("One.", "Two.")
    inn.factory.register_user("you")
    inn.factory.chat_with_npc(inn.npc_id, "you", "first")
    box = inn.box()
    assert lines(box.widget) == ["you\nfirst", "Mira\nOne."]
    inn.factory.chat_with_npc(inn.npc_id, "you", "second")
    box._ipython_display_()
    assert lines(box.widget) == ["you\nfirst", "Mira\nOne.", "you\nsecond", "Mira\nTwo."]


# --- stop -------------------------------------------------------------------------------------------


def test_a_stopped_reply_stays_on_the_screen_marked_and_is_not_remembered(gate: threading.Event) -> None:
    inn = tavern("One.", gated("Once upon ", "a time", gate), "Three.")
    box = inn.box()
    box.say("first")
    before = inn.memory()
    send(box, "second")
    wait_until(lambda: "a time" in text_of(box.widget))
    button(box.widget, "Stop").click()
    assert button(box.widget, "Stop").disabled
    box.wait()
    assert is_idle(box)
    assert inn.memory() == before
    assert "Once upon a time" in lines(box.widget)[3]
    assert "stopped, not remembered" in lines(box.widget)[3]
    assert notice(box) == ""
    assert box.say("third") == "Three."
    assert inn.said() == ["first", "One.", "third", "Three."]
    assert [message["content"] for message in inn.client.calls[-1]["messages"][1:]] == [
        "first",
        "One.",
        "third",
    ]
    assert [MARKED in line for line in lines(box.widget)] == [False] * 3 + [True] + [False] * 2


def test_a_reply_that_never_comes_can_be_stopped(gate: threading.Event) -> None:
    inn = Tavern(FakeClient(lambda _: f"{gate.wait(PATIENCE)}"))
    box = inn.box()
    send(box, "Hello!")
    button(box.widget, "Stop").click()
    box.wait()
    assert not gate.is_set()
    assert is_idle(box)
    assert lines(box.widget) == ["you\nHello!\n(stopped, not remembered)"]
    assert inn.history() == []


def test_stop_ends_the_request_itself(loopback: Any) -> None:
    endless = (step for _ in range(1000) for step in (chunk("word "), Pause(0.01)))
    server = loopback([Stream(endless)])
    inn = Tavern(server.client())
    box = inn.box()
    send(box, "Hello!")
    wait_until(lambda: "word word" in text_of(box.widget))
    button(box.widget, "Stop").click()
    box.wait()
    server.wait_until_idle()
    assert inn.history() == []


def test_stop_before_there_is_a_stream_asks_nobody(gate: threading.Event) -> None:
    inn = tavern("Hello.")
    stream = inn.factory.stream_with_npc

    def slow(*args: Any) -> Any:
        gate.wait(PATIENCE)
        return stream(*args)

    inn.factory.stream_with_npc = slow  # type: ignore[method-assign]
    box = inn.box()
    send(box, "Hello!")
    button(box.widget, "Stop").click()
    gate.set()
    box.wait()
    assert is_idle(box)
    assert (inn.client.calls, inn.history()) == ([], [])
    assert MARKED in lines(box.widget)[-1]


def test_stop_when_nothing_is_under_way_does_nothing() -> None:
    inn = tavern("One.")
    box = inn.box()
    button(box.widget, "Stop").click()
    assert box.say("first") == "One."
    button(box.widget, "Stop").click()
    assert MARKED not in text_of(box.widget)


# --- regenerate, browse, edit -------------------------------------------------------------------------


def test_another_answer_takes_the_place_of_the_first_which_can_be_chosen_again() -> None:
    inn = tavern("Red.", "Green.", "Blue.", "So be it.")
    box = inn.box()
    box.say("A colour?")
    click(box, "Regenerate")
    click(box, "Regenerate")
    assert inn.said() == ["A colour?", "Blue."]
    assert [len(call["messages"]) for call in inn.client.calls] == [2, 2, 2]
    assert "answer 3 of 3" in text_of(box.widget)
    assert len(lines(box.widget)) == 2
    assert button(box.widget, "▶").disabled
    click(box, "◀")
    click(box, "◀")
    assert "answer 1 of 3" in text_of(box.widget)
    assert button(box.widget, "◀").disabled
    assert inn.said() == ["A colour?", "Red."]
    box.say("Very well.")
    assert inn.client.calls[-1]["messages"][2]["content"] == "Red."
    assert not is_shown(box.widget, button(box.widget, "◀"))


def test_a_chosen_answer_stands_alone_also_where_it_has_paragraphs() -> None:
    inn = tavern("Red.\n\nAs blood.", "Green.")
    box = inn.box()
    box.say("A colour?")
    click(box, "Regenerate")
    assert lines(box.widget)[1].split("\n")[:-1] == ["Mira", "Green."]
    click(box, "◀")
    assert lines(box.widget)[1].split("\n")[:-1] == ["Mira", "Red.", "As blood."]


def test_the_last_message_can_be_edited_and_a_draft_is_kept() -> None:
    inn = tavern("One.", "Two.", "Three.")
    box = inn.box()
    field = text_field(box.widget)
    box.say("first")
    box.say("secnod")
    fill_in(field, "a draft")
    button(box.widget, "Edit").click()
    assert field.value == "secnod"
    button(box.widget, "Cancel edit").click()
    assert field.value == "a draft"
    button(box.widget, "Edit").click()
    press_enter(field, "second")
    wait_until(lambda: len(inn.client.calls) == 3)
    box.wait()
    assert inn.said() == ["first", "One.", "second", "Three."]
    assert inn.client.calls[-1]["messages"][1:] == [
        *inn.history()[:2],
        {"role": "user", "content": "second"},
    ]
    assert field.value == "a draft"
    assert button(box.widget, "Edit").description == "Edit"
    click(box, "◀")
    assert inn.said() == ["first", "One.", "secnod", "Two."]
    assert lines(box.widget)[2] == "you\nsecnod"


@pytest.mark.parametrize("how", ["Regenerate", "Edit"])
@pytest.mark.parametrize("end", ["failed", "broken off", "stopped"])
@pytest.mark.parametrize(
    "sheet", [{}, {"history_size": 4}, {"history_size": 2, "memory": "sliding"}, {"history_size": 0}]
)
def test_where_there_is_no_new_answer_the_old_exchange_is_remembered_as_before(
    how: str, end: str, sheet: dict[str, Any], gate: threading.Event
) -> None:
    last = {
        "failed": fake_error("server"),
        "broken off": FakeReply("Half of", finish_reason=None),
        "stopped": gated("Half of", gate),
    }
    inn = tavern("One.", "Two.", "Three.", last[end], "Four.", **sheet)
    box = inn.box()
    for words in ("first", "second", "third"):
        box.say(words)
    before = inn.memory()
    button(box.widget, how).click()
    if how == "Edit":
        press_enter(text_field(box.widget), "edited")
    if end == "stopped":
        wait_until(lambda: "Half of" in text_of(box.widget))
        button(box.widget, "Stop").click()
    wait_until(lambda: len(inn.client.calls) == 4)
    box.wait()
    assert inn.memory() == before
    assert is_idle(box)
    assert bool(notice(box)) == (end != "stopped")
    if (how, end) != ("Regenerate", "failed"):  # then there is nothing to show of it
        assert MARKED in lines(box.widget)[-1]
        click(box, "◀")
        assert notice(box) == ""
    assert lines(box.widget)[-2] == "you\nthird"
    assert "Three." in lines(box.widget)[-1]
    assert MARKED not in lines(box.widget)[-1]
    assert inn.memory() == before
    assert box.say("fourth") == "Four."
    assert MARKED not in text_of(box.widget)


def test_browsing_changes_what_is_remembered_also_where_much_is_forgotten() -> None:
    inn = tavern("One.", "Two.", "Three.", "Other.", history_size=4)
    box = inn.box()
    for words in ("first", "second", "third"):
        box.say(words)
    before = inn.memory()
    click(box, "Regenerate")
    click(box, "◀")
    assert inn.memory() == before
    assert "".join(inn.said()).endswith("Three.")


def test_words_that_were_edited_are_not_lost_when_there_is_no_answer() -> None:
    inn = tavern("One.", fake_error("timeout"), fake_error("timeout"), "Two.")
    box = inn.box()
    box.say("first")
    button(box.widget, "Edit").click()
    send(box, "long and well thought out")
    box.wait()
    assert "long and well thought out" in text_of(box.widget)
    click(box, "Retry")
    assert inn.said() == ["first", "One."]
    button(box.widget, "Edit").click()
    assert text_field(box.widget).value == "long and well thought out"
    button(box.widget, "Cancel edit").click()
    click(box, "Retry")
    assert inn.said() == ["long and well thought out", "Two."]
    assert "answer 2 of 2" in text_of(box.widget)


def test_with_nothing_said_there_is_nothing_to_change() -> None:
    box = tavern().box()
    assert button(box.widget, "Regenerate").disabled
    for name in ("Regenerate", "Edit", "Retry", "◀", "▶"):
        button(box.widget, name).click()
    assert lines(box.widget) == []
    assert button(box.widget, "Edit").description == "Edit"


# --- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["auth", "rate_limit", "quota", "connection", "context_length", "timeout"])
def test_an_error_is_a_notice_with_its_hint_and_never_a_line_of_the_character(kind: str) -> None:
    inn = tavern("One.", "Two.")
    box = inn.box()
    box.say("first")
    before = inn.memory()
    inn.client.fail_next(kind)
    send(box, "second")
    box.wait()
    assert ReplyError(kind).hint in notice(box)
    assert is_shown(box.widget, retry(box))
    assert inn.memory() == before
    assert is_idle(box)
    assert lines(box.widget)[2:] == ["you\nsecond\n(no answer, not remembered)"]
    assert ReplyError(kind).hint not in str(box.transcript)
    click(box, "Retry")
    assert inn.said() == ["first", "One.", "second", "Two."]
    assert (notice(box), MARKED in text_of(box.widget)) == ("", False)
    assert not is_shown(box.widget, retry(box))


@pytest.mark.parametrize(
    ("reply", "kind", "shown"),
    [
        (Status(401, "Bad key.", "invalid_api_key"), "auth", ""),
        (Status(429, "Slow down."), "rate_limit", ""),
        (Stream([chunk("Once upon"), chunk(" a time"), CUT]), "interrupted_stream", "Once upon a time"),
    ],
)
def test_what_an_endpoint_does_in_the_middle_of_a_talk(
    loopback: Any, reply: Any, kind: str, shown: str
) -> None:
    inn = Tavern(loopback(["One.", reply, "Two."]).client())
    box = inn.box()
    box.say("first")
    before = inn.memory()
    send(box, "second")
    box.wait()
    assert ReplyError(kind).hint in notice(box)
    assert shown in lines(box.widget)[-1]
    assert "not remembered" in lines(box.widget)[-1]
    assert inn.memory() == before
    click(box, "Retry")
    assert inn.said() == ["first", "One.", "second", "Two."]


def test_a_dead_endpoint_is_named_and_nothing_is_lost() -> None:
    client = openai.OpenAI(api_key="sk-secret", base_url="http://127.0.0.1:9/v1/", max_retries=0)
    box = Tavern(client).box()
    send(box, "Hello!")
    box.wait()
    assert "127.0.0.1:9" in notice(box)
    assert "sk-secret" not in notice(box)
    assert lines(box.widget) == ["you\nHello!\n(no answer, not remembered)"]
    assert is_idle(box)


def test_a_factory_that_raises_anything_is_a_notice_too() -> None:
    class Broken(NPCFactory):
        def stream_with_npc(self, *args: Any) -> Any:
            raise TypeError("stream_with_npc() takes 2 arguments")

    inn = Tavern(FakeClient([]), Broken)
    box = inn.box()
    send(box, "Hello!")
    box.wait()
    assert "TypeError: stream_with_npc() takes 2 arguments" in notice(box)
    assert is_idle(box)
    with pytest.raises(TypeError):
        box.say("Hello?")


def test_a_character_that_was_broken_meanwhile_is_a_notice_and_to_repair_it_helps() -> None:
    inn = tavern("One.", "Two.")
    box = inn.box()
    open_fold(box.widget, "What was sent")
    box.say("first")

    def broken(*_: Any) -> Any:
        raise TypeError("broken")

    preview, inn.npc.preview = inn.npc.preview, broken
    press_enter(text_field(box.widget), "second")
    wait_until(lambda: "TypeError" in notice(box))
    inn.npc.preview = preview
    assert text_field(box.widget).value == "second"
    assert box.say("second") == "Two."


@pytest.mark.parametrize("name", ["Send", "Regenerate", "▶", "Retry"])
def test_a_character_that_vanished_is_a_notice(name: str) -> None:
    inn = tavern("One.", "Two.", FakeReply("Half", finish_reason=None))
    box = inn.box()
    for fold in ("Private thoughts", "What was sent", "Copy and save"):
        open_fold(box.widget, fold)
    box.say("first")
    click(box, "Regenerate")
    click(box, "◀")
    if name == "Retry":
        send(box, "second")
        box.wait()
    shown = lines(box.widget)
    del inn.factory.npcs[inn.npc_id]
    fill_in(text_field(box.widget), "Where are you?")
    button(box.widget, name).click()
    wait_until(lambda: f"no NPC with the id {inn.npc_id!r}" in notice(box))
    assert is_idle(box)
    assert (text_field(box.widget).value, lines(box.widget)) == ("Where are you?", shown)
    with pytest.raises(NPCNotFoundError):
        box.say("Hello?")
    inn.factory.npcs[inn.npc_id] = inn.npc
    assert inn.said()[:2] == ["first", "One."]


@pytest.mark.parametrize("ending", [(), (fake_error("server"),)])
def test_a_character_that_vanishes_in_the_middle_of_a_new_answer(ending: Any, gate: threading.Event) -> None:
    def reply(messages: list[dict[str, str]]) -> Any:
        if len(inn.client.calls) == 1:
            return "One."
        gate.wait(PATIENCE)
        return ending[0] if ending else "Two."

    inn = Tavern(FakeClient(reply))
    box = inn.box()
    open_fold(box.widget, "What was sent")
    box.say("first")
    button(box.widget, "Regenerate").click()
    wait_until(lambda: len(inn.client.calls) == 2)
    del inn.factory.npcs[inn.npc_id]
    gate.set()
    box.wait()
    assert is_idle(box)
    assert "no NPC" in notice(box)
    inn.factory.npcs[inn.npc_id] = inn.npc
    assert inn.said() == ["first", "One." if ending else "Two."]


def test_an_unknown_character_has_no_box() -> None:
    with pytest.raises(NPCNotFoundError):
        chat_box(NPCFactory(FakeClient([]), "m"), "npc-none")


# --- two boxes, two threads ---------------------------------------------------------------------------


def test_two_boxes_of_one_user_show_one_talk() -> None:
    inn = tavern("One.", "Two.", "Other.", "Three.")
    one, two = inn.box(), inn.box()
    assert list(inn.factory.user_ids) == ["you"]
    one.say("first")
    two.say("second")
    assert lines(two.widget)[:2] == ["you\nfirst", "Mira\nOne."]
    click(one, "Regenerate")  # of what was said in the other box
    assert inn.said() == ["first", "One.", "second", "Other."]
    two.say("third")
    assert [line.split("\n")[1] for line in lines(two.widget)] == inn.said()
    one._ipython_display_()
    assert [line.split("\n")[1] for line in lines(one.widget)] == inn.said()


def test_boxes_of_different_users_know_nothing_of_each_other() -> None:
    inn = tavern("One.", "Two.")
    one, two = inn.box("Ann"), inn.box("Ben")
    one.say("first")
    two.say("second")
    click(one, "◀")
    assert (inn.said("Ann"), inn.said("Ben")) == (["first", "One."], ["second", "Two."])
    assert "second" not in text_of(one.widget)
    assert "first" not in text_of(two.widget)


def test_two_boxes_that_send_at_once_take_turns_and_both_show_all(gate: threading.Event) -> None:
    inn = tavern(gated("One.", gate), "Two.")
    one, two = inn.box(), inn.box()
    send(one, "first")
    wait_until(lambda: inn.client.calls)
    send(two, "second")
    assert not button(two.widget, "Stop").disabled
    assert len(inn.client.calls) == 1
    gate.set()
    one.wait()
    two.wait()
    assert inn.said() == ["first", "One.", "second", "Two."]
    assert [line.split("\n")[1] for line in lines(two.widget)] == inn.said()


@pytest.mark.parametrize("name", ["Send", "Regenerate"])
def test_stop_is_heard_while_another_box_has_the_turn(name: str, gate: threading.Event) -> None:
    inn = tavern("Zero.", gated("One.", gate))
    one, two = inn.box(), inn.box()
    one.say("before")
    two._ipython_display_()
    send(one, "first")
    wait_until(lambda: len(inn.client.calls) == 2)
    fill_in(text_field(two.widget), "second")
    button(two.widget, name).click()
    wait_until(lambda: not button(two.widget, "Stop").disabled)
    button(two.widget, "Stop").click()
    two.wait()
    assert is_idle(two)
    assert not is_idle(one)
    gate.set()
    one.wait()
    assert inn.said() == ["before", "Zero.", "first", "One."]


def test_a_box_that_waits_never_comes_between_taking_back_and_asking_again(gate: threading.Event) -> None:
    inn = tavern("One.", gated("Half", gate), "Two.")
    one, two = inn.box(), inn.box()
    one.say("first")
    two._ipython_display_()
    button(one.widget, "Regenerate").click()
    wait_until(lambda: len(inn.client.calls) == 2)
    send(two, "second")
    assert lines(two.widget)[:2] == ["you\nfirst", "Mira\nOne."]  # not taken back for good
    button(one.widget, "Stop").click()
    one.wait()
    two.wait()
    assert inn.said() == ["first", "One.", "second", "Two."]
    assert [message["content"] for message in inn.client.calls[2]["messages"][1:]] == inn.said()[:3]
    assert [line.split("\n")[1] for line in lines(two.widget)] == inn.said()


def test_a_new_answer_is_not_asked_for_where_the_talk_went_on_meanwhile(gate: threading.Event) -> None:
    inn = tavern("Zero.", gated("One.", gate), "Two.")
    one, two = inn.box(), inn.box()
    one.say("before")
    two._ipython_display_()
    send(one, "first")
    wait_until(lambda: len(inn.client.calls) == 2)
    button(two.widget, "Regenerate").click()
    gate.set()
    one.wait()
    two.wait()
    assert "went on elsewhere" in notice(two)
    assert inn.said() == ["before", "Zero.", "first", "One."]
    two._ipython_display_()
    assert [line.split("\n")[1] for line in lines(two.widget)] == inn.said()


def test_who_talks_on_sees_what_is_remembered() -> None:
    inn = tavern("One.", FakeReply("Half", finish_reason=None), "Two.")
    box = inn.box()
    box.say("first")
    click(box, "Regenerate")
    assert "Half" in lines(box.widget)[-1]
    box.say("second")
    assert [line.split("\n")[1] for line in lines(box.widget)] == inn.said()


def test_what_is_not_the_last_any_more_is_not_taken_back() -> None:
    inn = tavern("One.", FakeReply("Half", finish_reason=None), "Two.", "Three.")
    one, two = inn.box(), inn.box()
    one.say("first")
    with pytest.raises(ReplyError):
        one.say("again")
    button(one.widget, "Edit").click()
    two.say("second")
    send(one, "edited")
    wait_until(lambda: "went on elsewhere" in notice(one))
    assert inn.said() == ["first", "One.", "second", "Two."]
    assert text_field(one.widget).value == "edited"
    assert lines(one.widget)[-1].startswith("Mira\nTwo.")
    assert button(one.widget, "Edit").description == "Edit"
    assert is_idle(one)


def test_retry_repeats_what_failed_and_nothing_else() -> None:
    inn = tavern("One.", fake_error("server"), "Two.", "Three.")
    one, two = inn.box(), inn.box()
    one.say("first")
    with pytest.raises(ReplyError):
        one.say("failed")
    two.say("second")
    click(one, "Retry")
    assert inn.said() == ["first", "One.", "second", "Two.", "failed", "Three."]


@pytest.mark.parametrize("name", ["Send", "Regenerate", "Retry"])
def test_a_button_that_is_heard_twice_at_once_asks_once(name: str) -> None:
    inn = tavern("One.", *[fake_error("server")] * (name == "Retry"), "Two.", "Three.")
    box = inn.box()
    box.say("first")
    if name == "Retry":
        with pytest.raises(ReplyError):
            box.say("second")
    fill_in(text_field(box.widget), "second")
    asked, barrier = len(inn.client.calls), threading.Barrier(2)

    def press() -> None:
        barrier.wait(PATIENCE)
        button(box.widget, name).click()

    gate = threading.Event()
    inn.client.replies, answers = (lambda _: (gate.wait(PATIENCE), "Answer.")[1]), inn.client.replies
    assert answers
    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    wait_until(lambda: len(inn.client.calls) > asked)
    threading.Event().wait(pumps.SECONDS_FOR_A_LATE_MESSAGE * 1.5)  # time for a second one to go wrong
    gate.set()
    wait_until(lambda: is_idle(box))
    assert len(inn.client.calls) == asked + 1
    assert len(inn.said()) == (2 if name == "Regenerate" else 4)


def test_the_thread_that_waits_for_the_model_changes_no_widget() -> None:
    workers, drawers = set[threading.Thread](), set[threading.Thread]()

    class Watched(NPCFactory):
        def stream_with_npc(self, *args: Any) -> Any:
            workers.add(threading.current_thread())
            return super().stream_with_npc(*args)

    inn = Tavern(FakeClient(["One. " * 50, "Two."], seconds_per_piece=0.005), Watched)
    box = inn.box()
    open_fold(box.widget, "What was sent")
    for part in walk(box.widget):
        part.observe(lambda _: drawers.add(threading.current_thread()))
    send(box, "first")
    box.wait()
    click(box, "Regenerate")
    assert workers
    assert drawers
    assert not workers & drawers


def test_one_box_displayed_twice_is_one_box(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = list[Any]()
    monkeypatch.setattr("IPython.display.display", shown.append)
    inn = tavern("One.")
    box = inn.box()
    box._ipython_display_()
    box._ipython_display_()
    assert shown == [box.widget, box.widget]
    box.say("first")
    assert len(lines(shown[0])) == 2


# --- folds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["scratchpad", "reasoning"])
def test_private_thoughts_fill_their_fold_while_they_are_thought_and_are_nowhere_else(
    kind: str, gate: threading.Event, tmp_path: Any
) -> None:
    if kind == "scratchpad":
        reply = gated("#SCRATCHPAD\n", "He looks ", "rich.", gate, "\n#ANSWER\n", "Welcome!")
    else:
        reply = gated(gate, "Welcome!", reasoning="He looks rich.")
    inn = tavern(reply, "#SCRATCHPAD\nOr not.\n#ANSWER\nGo!", has_scratchpad=kind == "scratchpad")
    box = inn.box()
    fold = open_fold(box.widget, "Private thoughts")
    send(box, "Hello!")
    wait_until(lambda: "He looks rich." in text_of(fold))
    assert "Mira is thinking" in text_of(box.widget)
    assert "Welcome" not in text_of(box.widget)
    gate.set()
    box.wait()
    assert "He looks rich." in text_of(fold)
    assert "rich" not in "".join(lines(box.widget))
    assert "rich" not in str(box.transcript)
    for ending in ("md", "jsonl", "html"):
        assert "rich" not in box.export(tmp_path / f"talk.{ending}").read_text("utf-8")
    button(box.widget, "Private thoughts").set_state({"value": False})
    assert "rich" not in text_of(box.widget)


def test_without_a_scratchpad_the_fold_says_how_to_get_one() -> None:
    inn = tavern("One.")
    assert "has_scratchpad=True" in text_of(open_fold(inn.box().widget, "Private thoughts"))


def sent_in(fold: Any) -> list[str]:
    """The two prompts in the fold, each as role and content of its messages."""
    (markup,) = [each.value for each in html_in(fold) if "<hr>" in each.value]
    return markup.split("<hr>")


def test_what_was_sent_and_what_will_be_is_shown_exactly() -> None:
    inn = tavern("One.", "Two.", "Three.", history_size=4)
    box = inn.box()
    fold = open_fold(box.widget, "What was sent")
    assert "nothing yet" in sent_in(fold)[1]
    for words in ("first", "second", "<b>third</b>  "):
        box.say(words)
    fill_in(text_field(box.widget), " fourth")

    def shown(markup: str, forgotten: bool) -> list[str]:
        blocks = re.findall(
            r"<div( class='npc-lab-forgotten')?><code>.*?</code><pre dir='auto'>(.*?)</pre>", markup, re.S
        )
        return [words for mark, words in blocks if bool(mark) == forgotten]

    upcoming, last = sent_in(fold)
    sent = [message["content"] for message in inn.client.calls[-1]["messages"]]
    assert [words.replace("&lt;", "<").replace("&gt;", ">") for words in shown(last, False)] == sent
    assert shown(last, True) == []
    assert shown(upcoming, False)[0] == sent[0]
    assert shown(upcoming, False)[1:] == ["&lt;b&gt;third&lt;/b&gt;  ", "Three.", " fourth"]
    assert shown(upcoming, True) == ["first", "One.", "second", "Two."]
    assert "(forgotten, not sent)" in upcoming


def test_of_much_that_is_forgotten_the_newest_is_shown() -> None:
    inn = Tavern(FakeClient(lambda _: "Hm."), history_size=2)
    inn.factory.register_user("you")
    for number in range(13):
        inn.factory.chat_with_npc(inn.npc_id, "you", f"line {number}")
    upcoming = sent_in(open_fold(inn.box().widget, "What was sent"))[0]
    assert "4 more forgotten messages" in upcoming
    shown = re.findall(r"<div class='npc-lab-forgotten'><code>user.*?<pre dir='auto'>(.*?)</pre>", upcoming)
    assert shown == [f"line {number}" for number in range(2, 12)]


def test_a_prompt_that_was_never_sent_does_not_hide_the_last_one() -> None:
    inn = tavern("One.")
    box = inn.box()
    fold = open_fold(box.widget, "What was sent")
    box.say("first")
    ask = inn.factory.stream_with_npc

    def stopped(*args: Any) -> Any:
        stream = ask(*args)
        stream.close()
        return stream

    inn.factory.stream_with_npc = stopped  # type: ignore[method-assign]
    assert box.say("second") == ""
    assert "first" in sent_in(fold)[1]


def test_model_seconds_and_tokens_stand_below_the_answer(loopback: Any) -> None:
    counted = Text("Hail.", usage={"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33})
    end = chunk(finish_reason="length")
    odd = [Stream([chunk("Hail. Hail."), end, *extra, DONE]) for extra in uncounted()]
    inn = Tavern(loopback([counted, *odd]).client())
    box = inn.box()
    box.say("first")
    assert re.search(r"a-model · \d+\.\d s · 11 tokens read, 22 written$", lines(box.widget)[-1])
    for _ in odd:
        box.say("next")
        facts = lines(box.widget)[-1].split("\n")[-1]
        assert re.search(r"loopback-model · \d+\.\d s · about 3 tokens written \(estimated\) · cut", facts)


def uncounted() -> list[list[Any]]:
    """What endpoints send where the usage should be: nothing, an empty one, half of one, no object."""
    usages: list[Any] = [{}, {"prompt_tokens": 5}, {"completion_tokens": "5"}, "free"]
    return [[], *([envelope("chat.completion.chunk", choices=[], usage=usage)] for usage in usages)]


def test_the_talk_can_be_copied_and_saved(tmp_path: Any) -> None:
    inn = tavern("One.", FakeReply("Half", finish_reason=None))
    box = inn.box()
    fold = open_fold(box.widget, "Copy and save")
    box.say("first")
    with pytest.raises(ReplyError):
        box.say("second")
    (copy,) = [each.value for each in visible(fold) if isinstance(each, widgets.Textarea)]
    assert copy == box.export(tmp_path / "talk.md").read_text("utf-8")
    assert "One." in copy
    page = box.export(tmp_path / "talk.html").read_text("utf-8")
    assert "<!DOCTYPE html>" in page
    rows = [json.loads(row) for row in box.export(tmp_path / "talk.jsonl").read_text("utf-8").splitlines()]
    assert [(row["speaker"], row["content"]) for row in rows] == [
        ("you", "first"),
        ("Mira", "One."),
        ("you", "second"),
        ("Mira", "Half\n\n(broken off, not remembered)"),
    ]
    markup = "".join(each.value for each in html_in(fold))
    names = re.findall(r"download='([^']*)'", markup)
    assert names == ["you_and_Mira.md", "you_and_Mira.jsonl", "you_and_Mira.html"]
    with pytest.raises(NPCLabError, match=r"\.md, \.jsonl or \.html"):
        box.export(tmp_path / "talk.doc")


# --- what others wrote, and what is sent to the page ------------------------------------------------------

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>'\"><a href='javascript:alert(3)'>x</a>"


def test_no_markup_of_a_name_a_message_a_thought_or_an_error_reaches_the_page() -> None:
    client = FakeClient([f"#SCRATCHPAD\n{EVIL}\n#ANSWER\n{EVIL} ![x](http://evil/?q)", FakeReply(EVIL, None)])
    factory = NPCFactory(client, EVIL)
    npc_id = factory.register_npc(EVIL, EVIL, has_scratchpad=True, name=EVIL)
    box = chat_box(factory, npc_id, EVIL)
    for fold in ("Private thoughts", "What was sent", "Copy and save"):
        open_fold(box.widget, fold)
    box.say(EVIL)
    with pytest.raises(ReplyError):
        box.say(EVIL)
    assert foreign_markup(box.widget) == []
    client.replies = lambda _: ReplyError("server", what=EVIL)
    with pytest.raises(ReplyError):
        box.say("again")
    assert EVIL in notice(box)
    assert foreign_markup(box.widget) == []
    text = text_of(box.widget)
    assert text.count("<script>alert(2)</script>") > 5  # shown as what it is


def test_what_is_finished_is_never_sent_again(gate: threading.Event) -> None:
    second = threading.Event()
    words = gated("First paragraph.\n\n", "Second one.\n\n", "Third", gate, " one.\n\n", "Fourth.", second)
    inn = tavern("One. #1\n\nand more", words, "After.")
    box = inn.box()
    box.say("first")
    changed = list[Any]()

    def watch(words: str) -> None:
        (line,) = [each for each in line_widgets(box.widget) if words in text_of(each)]
        for part in walk(line):
            if not isinstance(part, widgets.HTML) or words in part.value:
                part.observe(changed.append)

    watch("One. #1")
    send(box, "second")
    wait_until(lambda: "Third" in text_of(box.widget))
    watch("First paragraph.")
    line = changed.copy()
    gate.set()
    wait_until(lambda: "Fourth." in text_of(box.widget))
    second.set()
    box.wait()
    box.say("third")
    # The line that grew may get further children; nothing else may have changed.
    assert line == []
    assert {change["name"] for change in changed} <= {"children"}
    assert lines(box.widget)[3].startswith("Mira\nFirst paragraph.\nSecond one.\nThird one.\nFourth.")


def test_thoughts_that_are_finished_are_never_sent_again() -> None:
    replies = [f"#SCRATCHPAD\nThought {number}.\n#ANSWER\nYes." for number in range(3)]
    inn = tavern(*replies, has_scratchpad=True)
    box = inn.box()
    fold = open_fold(box.widget, "Private thoughts")
    box.say("one")
    changes = list[Any]()
    (first,) = [each for each in html_in(fold) if "Thought 0." in each.value]
    first.observe(changes.append, "value")
    box.say("two")
    box.say("three")
    assert text_of(fold).endswith("Thought 0.\nThought 1.\nThought 2.")
    assert changes == []


def test_a_very_long_paragraph_is_sent_less_often_but_whole_at_the_end() -> None:
    """Each sending costs the whole paragraph, so ten sendings a second would cost more than the talk."""
    text = "word " * 4_000
    line = Line(ONE, "Mira")
    sent: list[str] = []
    line.show("word")
    line.widget.children[1].observe(lambda change: sent.append(change["new"]), "value")
    for end in range(10_000, 20_000, 1_000):
        line.grow(text[:end])
    assert len(sent) <= 1
    line.show(text)
    assert sent[-1].count("word") == 4_000


@pytest.mark.parametrize("trouble", [None, OSError("No space left on device")])
def test_on_colab_buttons_send_the_files_and_a_failure_is_told(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception | None
) -> None:
    sent: list[str] = []

    def download(path: str) -> None:
        if trouble:
            raise trouble
        sent.append(Path(path).read_text(encoding="utf-8"))

    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setitem(sys.modules, "google.colab.files", SimpleNamespace(download=download))
    box = tavern("One.").box()
    box.say("first")
    open_fold(box.widget, "Copy and save")
    for name in ("Markdown", "JSONL", "web page"):
        click(box, name)
    if trouble:
        assert "No space left on device" in text_of(box.widget)
    else:
        assert len(sent) == 3
        assert all("first" in text and "One." in text for text in sent)


def test_stop_ends_the_request_of_a_silent_endpoint_too(loopback: Any) -> None:
    hung_up = threading.Event()
    inn = Tavern(loopback([Stalled("Once upon", hung_up), "Again."]).client(timeout=60.0))
    box = inn.box()
    send(box, "Tell me a story.")
    wait_until(lambda: "Once upon" in text_of(box.widget))
    click(box, "Stop")
    assert hung_up.wait(PATIENCE)
    box.wait()
    assert MARKED in lines(box.widget)[-1]
    assert box.say("And now?") == "Again."


def test_while_editing_the_next_prompt_is_the_one_that_will_be_sent() -> None:
    inn = tavern("One.", "Two.", "Another two.", history_size=2)
    box = inn.box()
    box.say("first")
    box.say("second")
    fold = open_fold(box.widget, "What was sent")
    click(box, "Edit")
    fill_in(text_field(box.widget), "second, said better")
    shown = text_of(fold).partition("The last prompt")[0]
    assert "One." in shown
    assert "Two." not in shown
    assert inn.said() == ["second", "Two."]  # to look changes nothing
    click(box, "Send")
    wait_until(lambda: len(inn.client.calls) == 3)
    box.wait()
    sent = [message["content"] for message in inn.client.calls[-1]["messages"]]
    assert sent[1:] == ["first", "One.", "second, said better"]
    assert all(text in shown for text in sent[1:])
