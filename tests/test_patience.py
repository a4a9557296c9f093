"""Waiting: what the openai package repeats and what not, how long, what is seen of it, and how it ends.

With clients made by `connect()`, whose two hooks are tried here on the real package.
"""

import queue
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from typing import Any

import openai
import pytest
from loopback import (
    DONE,
    KEY,
    MOODS,
    PATIENCE,
    Held,
    Json,
    Loopback,
    Reply,
    Reset,
    Silence,
    Status,
    Stream,
    chunk,
)
from panels import button, press_enter, text_field, text_of, wait_until, walk

import npc_lab.cli.screen as screens
from npc_lab import ChatArena, NPCConfig, NPCFactory, ReplyError, SimpleChatNPC, connect
from npc_lab.widgets import arena_controls, chat_box, look

pytestmark = pytest.mark.packages

connecting = import_module("npc_lab.endpoints.connect")

USER = "learner"
STILL_HERE = "Still here."
NO_CREDIT = Status(429, "You exceeded your current quota, check your plan.", code="insufficient_quota")
SOON = {"retry-after-ms": "1"}


def client_of(server: Loopback) -> openai.OpenAI:
    client, _ = connect(base_url=server.base_url, model="some-model", api_key=KEY)
    return client  # type: ignore[no-any-return]


def character(server: Loopback) -> SimpleChatNPC:
    return SimpleChatNPC(client_of(server), "some-model", NPCConfig("a world", "a character"))


def by_chat(npc: SimpleChatNPC, message: str = "Hello!") -> str:
    return npc.chat(message, USER)


def by_stream(npc: SimpleChatNPC, message: str = "Hello!") -> str:
    return "".join(npc.stream(message, USER))


@pytest.fixture(params=[by_chat, by_stream])
def ask(request: Any) -> Any:
    return request.param


# --- what is repeated -----------------------------------------------------------------------------

WORTH_ANOTHER_TRY: dict[str, Reply] = {
    "408": Status(408, "Request timed out.", headers=SOON),
    "409": Status(409, "Conflict.", headers=SOON),
    "429": Status(429, "Slow down.", headers=SOON),
    "429 after a second": Status(429, "Slow down.", headers={"Retry-After": "1"}),
    "429 with advice on billing": Status(
        429, "Rate limit reached. See https://platform.openai.com/account/billing.", headers=SOON
    ),
    "500": Status(500, headers=SOON),
    "529": Status(529, "Overloaded.", headers=SOON),
    "reset": Reset(),
    "silence": Silence(),
}


@pytest.mark.parametrize("fault", WORTH_ANOTHER_TRY.values(), ids=WORTH_ANOTHER_TRY)
def test_what_may_pass_is_tried_again(loopback: Any, ask: Any, fault: Reply) -> None:
    server = loopback([fault, STILL_HERE])
    assert ask(character(server)) == STILL_HERE
    assert server.sent[0] == server.sent[1]


IN_VAIN: dict[str, tuple[str, Reply]] = {
    "no credit": ("quota", NO_CREDIT),
    "no credit, in a type": ("quota", Status(429, "No.", type="insufficient_quota")),
    "no credit, in words": ("quota", Status(429, "Insufficient balance.")),
    "402": ("quota", Status(402, "Payment required.")),
    "a refused key": ("auth", Status(401, "Invalid key.")),
    "no access": ("permission", Status(403, "No.")),
    "no such model": ("model_not_found", Status(404, "No.", code="model_not_found")),
    "a bad request": ("bad_request", Status(400, "No.")),
    "a wait of five minutes": ("rate_limit", Status(429, "Slow down.", headers={"Retry-After": "300"})),
}


@pytest.mark.parametrize(("kind", "fault"), IN_VAIN.values(), ids=IN_VAIN)
def test_what_will_not_pass_is_asked_once(loopback: Any, ask: Any, kind: str, fault: Reply) -> None:
    server = loopback([fault])  # it fails the test where it is asked more often
    with pytest.raises(ReplyError) as caught:
        ask(character(server))
    assert caught.value.kind == kind


def test_a_template_that_refuses_is_not_asked_three_times(loopback: Any, ask: Any) -> None:
    """llama.cpp calls it an error of its own, which the openai package would repeat."""
    server = loopback([STILL_HERE], moods=[MOODS["system, Gemma in llama.cpp"]])
    assert ask(character(server)) == STILL_HERE
    assert len(server.requests) == 2


def test_a_client_of_the_learners_own_stays_theirs(loopback: Any, ask: Any) -> None:
    """It repeats what it wants to repeat. Only the words for it are ours."""
    server = loopback([Status(429, "No.", code="insufficient_quota", headers=SOON)] * 3)
    npc = character(server)
    npc.client = server.client(max_retries=2)
    with pytest.raises(ReplyError) as caught:
        ask(npc)
    assert caught.value.kind == "quota"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("seconds", "hint"),
    [
        ("250", "Try again in 5 minutes."),
        ("86400", "Try again in 1440 minutes."),
        ("2000000", "Try again in 24 days."),
        # Some endpoints ask for ages: nearai/ironclaw#1351, blacklanternsecurity/bbot#2425.
        ("1e308", "Try again much later: it asks for more than 365 days."),
        ("1" * 300, "Try again much later: it asks for more than 365 days."),
    ],
)
def test_a_long_wait_is_told_in_minutes_or_days(loopback: Any, ask: Any, seconds: str, hint: str) -> None:
    server = loopback([Status(429, "Slow down.", headers={"Retry-After": seconds})])
    with pytest.raises(ReplyError) as caught:
        ask(character(server))
    assert caught.value.hint == hint


@pytest.mark.parametrize("when", ["Fri, 31 Dec 2049 23:59:59 GMT", "soon", "", "inf", "nan", "-1", "0"])
def test_a_wait_that_cannot_be_read_is_no_trouble(loopback: Any, when: str) -> None:
    server = loopback([Status(429, "Slow down.", headers={"Retry-After": when, "x-should-retry": "false"})])
    with pytest.raises(ReplyError) as caught:
        by_chat(character(server))
    assert caught.value.hint.startswith("Wait a minute")


def test_the_hooks_do_not_read_a_stream_before_its_end(loopback: Any) -> None:
    heard = threading.Event()
    server = loopback([Stream([chunk("Well met, "), heard, chunk("stranger.", "stop"), DONE])])
    stream = character(server).stream("Hello!", USER)
    assert next(stream).startswith("Well")
    heard.set()
    assert "".join(stream).endswith("stranger.")


# --- how long -------------------------------------------------------------------------------------


def test_a_stream_that_stalls_ends_after_our_time_not_theirs(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connecting.TIMEOUT_SECONDS == 60
    monkeypatch.setattr(connecting, "TIMEOUT_SECONDS", 0.3)
    server = loopback([Stream([chunk("Well "), threading.Event(), DONE])])
    npc = character(server)
    with pytest.raises(ReplyError) as caught:
        by_stream(npc)
    assert caught.value.kind == "timeout"
    assert npc.chat_histories == {}


# --- stopped while it waits to try again ----------------------------------------------------------

LATER = Status(429, "Slow down.", headers={"Retry-After": "20"})


def test_a_stream_is_stopped_at_once_while_the_package_waits(loopback: Any) -> None:
    server = loopback([LATER, STILL_HERE])
    npc = character(server)
    stream = npc.stream("Hello!", USER)
    reading = threading.Thread(target=lambda: list(stream))
    reading.start()
    server.wait_for_requests(1)
    server.wait_until_idle()
    stream.close()
    reading.join(PATIENCE / 2)
    assert not reading.is_alive()
    assert npc.chat_histories == {}
    assert by_chat(npc) == STILL_HERE


def test_what_was_stopped_is_not_asked_again(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would read the answer, and somebody would pay for it."""
    given_up = threading.Event()
    is_wanted = connecting.is_wanted

    def watched() -> bool:
        wanted = is_wanted()
        if not wanted:
            given_up.set()
        return wanted

    monkeypatch.setattr(connecting, "is_wanted", watched)
    server = loopback([Status(429, "Slow down.", headers={"Retry-After": "2"})])
    npc = character(server)
    stream = npc.stream("Hello!", USER)
    reading = threading.Thread(target=lambda: list(stream))
    reading.start()
    server.wait_for_requests(1)
    server.wait_until_idle()
    stream.close()
    reading.join(PATIENCE / 2)
    assert given_up.wait(PATIENCE)
    assert len(server.requests) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot interrupt one thread")
def test_ctrl_c_ends_a_call_at_once_while_the_package_waits(loopback: Any, ask: Any) -> None:
    server = loopback([LATER, STILL_HERE])
    npc = character(server)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        server.wait_for_requests(1)
        server.wait_until_idle()
        signal.pthread_kill(main, signal.SIGINT)

    began = time.monotonic()
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        ask(npc)
    assert time.monotonic() - began < PATIENCE
    assert npc.chat_histories == {}
    assert by_chat(npc) == STILL_HERE


def test_the_stop_button_works_while_the_package_waits(loopback: Any) -> None:
    server = loopback([LATER, STILL_HERE])
    factory = NPCFactory(client_of(server), "some-model")
    box = chat_box(factory, factory.register_npc("a world", "a character", name="Mira"))
    press_enter(text_field(box.widget), "Hello!")
    server.wait_for_requests(1)
    server.wait_until_idle()
    button(box.widget, "Stop").click()
    box.wait()
    assert "stopped, not remembered" in text_of(box.widget)
    assert box.say("Are you there?") == STILL_HERE


def test_the_arenas_stop_button_works_while_the_package_waits(loopback: Any) -> None:
    server = loopback([LATER, STILL_HERE])
    factory = NPCFactory(client_of(server), "some-model")
    npc_ids = [factory.register_npc("a world", "a character", name=name) for name in ("Guy", "Hans")]
    panel = arena_controls(ChatArena(factory), *npc_ids)
    button(panel.widget, "Start").click()
    server.wait_for_requests(1)
    server.wait_until_idle()
    button(panel.widget, "Stop").click()
    panel.wait()
    assert panel.transcript.stop_reason == "you stopped it"
    assert len(panel.run(1)) == 2


def command(server: Loopback, *arguments: str) -> subprocess.Popen[str]:
    address = ["--base-url", server.base_url, "--model", "some-model"]
    return subprocess.Popen(
        [sys.executable, "-m", "npc_lab", *arguments, *address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize("name", ["demo", "doctor"])
def test_ctrl_c_ends_a_command_at_once_while_the_package_waits(loopback: Any, name: str) -> None:
    server = loopback([LATER])
    with command(server, name) as running:
        server.wait_for_requests(1)
        server.wait_until_idle()
        running.send_signal(signal.SIGINT)
        shown, _ = running.communicate(timeout=PATIENCE)
        assert running.returncode == 130
        assert "Stopped." in shown
        assert "Traceback" not in shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_ctrl_c_stops_a_chats_reply_while_the_package_waits(loopback: Any) -> None:
    server = loopback([LATER, STILL_HERE])
    with command(server, "chat") as running:
        assert running.stdin is not None
        running.stdin.write("Hello!\n")
        running.stdin.flush()
        server.wait_for_requests(1)
        server.wait_until_idle()
        running.send_signal(signal.SIGINT)
        shown, _ = running.communicate("Are you there?\n/quit\n", timeout=PATIENCE)
        assert running.returncode == 0
        assert "Stopped. This reply is not remembered." in shown
        assert STILL_HERE in shown
        assert [message["content"] for message in server.sent[-1]][-1] == "Are you there?"
        assert "Hello!" not in str(server.sent[-1])


# --- what is seen of a wait -----------------------------------------------------------------------


def statuses(part: Any, words: str) -> list[str]:
    """Fills, from now on, with every value that a part of the panel is given and that holds the words."""
    sent: list[str] = []

    def note(change: Any) -> None:
        if words in change["new"]:
            sent.append(change["new"])

    for each in walk(part):
        if isinstance(getattr(each, "value", None), str):
            each.observe(note, "value")
    return sent


def test_the_chat_box_says_how_long_it_has_been_waiting(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "SECONDS_UNTIL_A_WAIT_IS_SHOWN", 1)
    seen = threading.Event()
    server = loopback([Held(STILL_HERE, until=seen)])
    factory = NPCFactory(client_of(server), "some-model")
    box = chat_box(factory, factory.register_npc("a world", "a character", name="Mira"))
    sent = statuses(box.widget, "Mira")
    press_enter(text_field(box.widget), "Hello!")
    wait_until(lambda: "Mira was asked … waiting for 2 s" in text_of(box.widget))
    seen.set()
    box.wait()
    waits = [each for each in sent if "waiting" in each]
    assert len(waits) == len(set(waits)) <= 3  # once a second, and not ten times
    assert "waiting" not in text_of(box.widget)


def test_nothing_is_said_of_waiting_while_words_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "SECONDS_UNTIL_A_WAIT_IS_SHOWN", 1)
    waiting, clock = look.Waiting(), [0.0]
    monkeypatch.setattr(look.time, "monotonic", lambda: clock[0])
    for count in range(50):
        clock[0] += 0.1
        assert waiting.words(count) == ""
    clock[0] += 1
    assert waiting.words(49) == "waiting for 1 s"
    assert waiting.words(50) == ""


def test_the_arenas_controls_say_how_long_they_have_been_waiting(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "SECONDS_UNTIL_A_WAIT_IS_SHOWN", 1)
    seen = threading.Event()
    server = loopback([Held(STILL_HERE, until=seen)])
    factory = NPCFactory(client_of(server), "some-model")
    npc_ids = [factory.register_npc("a world", "a character", name=name) for name in ("Guy", "Hans")]
    panel = arena_controls(ChatArena(factory), *npc_ids)
    sent = statuses(panel.widget, "turns done")
    button(panel.widget, "Step").click()
    wait_until(lambda: "0 of 1 turns done · 2 s · waiting for 2 s" in text_of(panel.widget))
    seen.set()
    panel.wait()
    assert len(sent) < 12  # 2 seconds at ten drawings a second would be 20
    assert "waiting" not in text_of(panel.widget)


class Notices(screens.Screen):
    """A screen whose notices a test reads as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def notice(self, text: str) -> None:
        self.said.put(text)


def test_the_command_line_says_now_and_then_how_long_it_has_been_waiting(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(screens, "SECONDS_UNTIL_A_WAIT_IS_TOLD", 1)
    seen = threading.Event()
    screen = Notices()
    npc = character(loopback([Held(STILL_HERE, until=seen), Json({}), STILL_HERE]))
    speaking = threading.Thread(target=lambda: screen.speak("Mira", "", npc.stream("Hello!", USER)))
    speaking.start()
    assert screen.said.get(timeout=PATIENCE) == "(waiting for the reply, 1 s so far; Ctrl-C stops)"
    assert screen.said.get(timeout=PATIENCE) == "(waiting for the reply, 2 s so far; Ctrl-C stops)"
    seen.set()
    speaking.join()
    with pytest.raises(ReplyError):
        screen.speak("Mira", "", npc.stream("Hello!", USER))
    screen.speak("Mira", "", npc.stream("Hello!", USER))
    assert screen.said.empty()  # quick replies are not talked about, and no teller is left behind
    assert capsys.readouterr().out.count(STILL_HERE) == 2
