"""Keys: a marked one goes everywhere a key can go, and is then looked for in everything that was written.

The endpoint is the worst there is: it repeats the key in each reply and in each error, whole and in part. The
key is looked for as it is, in base64, as a part of an address, and by its first and last eight letters.
"""

import base64
import json
import logging
import subprocess
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbclient
import nbformat
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from IPython.core.ultratb import AutoFormattedTB
from loopback import (
    CUT,
    DONE,
    CutBody,
    Json,
    Loopback,
    Raw,
    Reply,
    Reset,
    Silence,
    Status,
    Stream,
    Text,
    chunk,
    chunk_of,
    web_page,
)
from panels import walk
from typer.testing import CliRunner

import npc_lab.cli as cli
from npc_lab import ChatArena, NPCConfig, NPCFactory, NPCLabError, ReplyError, connect
from npc_lab.cards import Card, write_card
from npc_lab.cli import find_keys, start
from npc_lab.endpoints import embedded
from npc_lab.export import export
from npc_lab.keys import KeyGuard
from npc_lab.widgets import arena_controls, chat_box

pytestmark = pytest.mark.once

# No key of anybody's. It has what only some keys have: signs that an address must encode.
KEY = "mk-Zq8xW+7vJ/" + "Yd4TnRb6Lh2" * 3 + "=Pc9sFg3K"
ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = sorted(ROOT.glob("notebooks/solutions/[0-9]*.ipynb"))
LESSONS = [*sorted(ROOT.glob("notebooks/[0-9]*.ipynb")), *SOLUTIONS]
NOT_AGAIN = {"x-should-retry": "false"}


def forms() -> dict[str, str]:
    """The key in every form in which somebody could find it. In base64 it begins in one of three places."""
    encoded = {
        f"base64, from {skip}": base64.b64encode(KEY[skip:].encode()).decode().rstrip("=")[:-1]
        for skip in range(3)
    }
    return {
        "whole": KEY,
        "in an address": quote(KEY, safe=""),
        "its beginning": KEY[:8],
        "its end": KEY[-8:],
        "lower case": KEY.lower(),
        **encoded,
    }


def assert_no_key(*written: Any) -> None:
    for each in written:
        text = each if isinstance(each, str) else repr(each)
        for name, form in forms().items():
            place = text.find(form)
            assert place < 0, f"The key ({name}) stands in: …{text[max(place - 300, 0) : place + 100]}…"


def assert_no_key_below(folder: Path) -> None:
    for file in folder.rglob("*"):
        assert_no_key(str(file))
        if file.is_file():
            assert_no_key(file.read_bytes().decode("utf-8", errors="replace"))


def all_about(error: BaseException) -> list[str]:
    """What a terminal, a notebook or a log can show of an error and of all that stands behind it."""
    shell = AutoFormattedTB(mode="Context", tb_offset=0)
    shell.color_toggle()  # to none: they are most of its work, and stand between the letters of a text
    parts = ["".join(traceback.format_exception(error)), shell.text(type(error), error, error.__traceback__)]
    link: BaseException | None = error
    while link is not None:
        texts = [value for value in vars(link).values() if isinstance(value, str | dict | list)]
        parts += [str(link), repr(link), repr(link.args), repr(texts)]
        link = link.__cause__ or link.__context__
    return parts


@pytest.fixture
def key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NPC_LAB_PROVIDER", "openai")


# --- an endpoint that repeats the key ---------------------------------------------------------------

SAID = f"My key is {KEY}, or {KEY}."
MASKED = f"Incorrect API key provided: {KEY[:8]}***************{KEY[-8:]}."
HEARD = f"Illegal header value: 'Bearer {KEY}'"


def error_with_key(status: int, words: str = SAID) -> Status:
    return Status(status, words, words, words, headers=NOT_AGAIN)


def letter_by_letter(text: str) -> Stream:
    return Stream([*map(chunk, text), chunk(None, "stop"), DONE])


FAULTS: dict[str, Reply] = {
    **{f"status {status}": error_with_key(status) for status in (400, 401, 402, 403, 404, 409, 413, 422)},
    **{f"status {status} ": error_with_key(status) for status in (429, 500, 503, 418)},
    "masked": error_with_key(401, MASKED),
    "masked, another status": error_with_key(400, MASKED),
    "at the end of a long text": error_with_key(400, "word " * 56 + SAID),
    "error under status 200": Json({"error": {"message": SAID, "code": SAID}}),
    "error as a text": Json({"error": SAID}),
    "page": web_page(text=SAID),
    "page not found": web_page(404, SAID),
    "no JSON": Raw(b'{"choices": ' + KEY.encode()),
    "odd JSON": Json({"choices": [{"message": {"content": {"key": KEY}}}]}),
    "elsewhere": Status(302, SAID, headers=NOT_AGAIN | {"Location": "/elsewhere"}),
    "refused": Text(refusal=SAID),
    "filtered": Text(SAID, finish_reason="content_filter"),
    "nothing but thoughts": Text(reasoning_content=SAID),
    "error in a stream": Stream([{"error": {"message": SAID}}]),
    "error after some words": Stream([chunk(SAID), {"error": {"message": SAID}}]),
    "stream without an end": Stream([chunk(SAID)]),
    "cut stream": Stream([chunk(SAID), CUT]),
    "bad event": Stream([chunk(SAID), KEY]),
    "cut body": CutBody(SAID),
    "reset": Reset(),
    "silence": Silence(),
}
LIKE_OTHERS = {f"status {status}" for status in (402, 403, 404, 409, 413, 422, "503 ", "418 ")}
ANSWERS: dict[str, Reply] = {
    "answer": Text(SAID),
    "letter by letter": letter_by_letter(SAID),
    "two pieces": Stream([chunk(SAID[:14]), chunk(SAID[14:]), chunk(None, "stop"), DONE]),
    "thoughts": Text(f"#SCRATCHPAD\n{SAID}\n#ANSWER\n{SAID}", reasoning_content=SAID),
    "reasoning letter by letter": Stream(
        [*(chunk_of({"reasoning": letter}) for letter in SAID), chunk("Hail.", "stop"), DONE]
    ),
    "other fields": Json(
        {
            "id": KEY,
            "model": KEY,
            "choices": [{"message": {"content": "Hail.", "role": "assistant"}, "finish_reason": "stop"}],
        }
    ),
}


def register(factory: NPCFactory, **more: Any) -> str:
    return factory.register_npc("A tavern.", "You are Mira.", name="Mira", **more)


def factory_on(server: Loopback, **more: Any) -> NPCFactory:
    return NPCFactory(server.client(api_key=KEY), "some-model", **more)


def talk(factory: NPCFactory, stream: bool) -> list[Any]:
    """One turn; all that a learner can look at afterwards."""
    npc_id, user_id = register(factory, has_scratchpad=True), factory.register_user("Ann")
    npc, looked_at = factory.npcs[npc_id], list[Any]()
    try:
        if stream:
            reply = npc.stream("Hello!", user_id)
            looked_at += ["".join(reply), reply.reply, reply.reply._repr_html_(), reply.exchange]
        else:
            looked_at.append(npc.chat("Hello!", user_id))
    except NPCLabError as error:
        looked_at += [error.__cause__, *all_about(error)]
    return [*looked_at, npc, npc.config, npc.client, factory, factory.npcs, npc.chat_histories]


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(reply, id=name, marks=pytest.mark.whole if name in LIKE_OTHERS else [])
        for name, reply in (FAULTS | ANSWERS).items()
    ],
)
def test_no_reply_and_no_fault_shows_the_key_that_the_endpoint_repeats(
    loopback: Any, reply: Reply, stream: bool, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    server = loopback(lambda _: reply)
    with caplog.at_level(logging.INFO):
        assert_no_key(*talk(factory_on(server), stream))
    assert all(KEY in request.headers["authorization"] for request in server.requests)
    assert_no_key(caplog.text, *capfd.readouterr())


def test_debug_logs_of_all_that_is_below_us_hold_no_key(
    loopback: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What the endpoint repeats is left out here: the openai package writes whole replies into such a log."""
    server = loopback([Text("Hail."), Status(500, "Down.", headers=NOT_AGAIN), Reset()])
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            talk(factory_on(server), stream=False)
    assert "chat/completions" in caplog.text
    assert_no_key(caplog.text)


def test_the_arena_its_store_its_log_and_its_files_hold_no_key(loopback: Any, tmp_path: Path) -> None:
    thoughtful = f"#SCRATCHPAD\n{SAID}\n#ANSWER\n{SAID}"
    replies = iter([Text(SAID), Text(thoughtful, reasoning_content=SAID), error_with_key(500)])
    store = tmp_path / "lab.db"
    factory = factory_on(loopback(lambda _: next(replies)), store=store)
    arena = ChatArena(factory)
    conversation = arena.start_conversation(register(factory), register(factory), "Hello!")
    transcript = arena.run_conversation(conversation, max_turns=3)
    assert len(transcript) == 3
    assert_no_key(str(transcript), transcript._repr_html_(), arena.conversations, vars(arena), factory.store)
    for name in ("talk.md", "talk.jsonl", "talk.html"):
        export(transcript, tmp_path / name)
        saved = str(tmp_path / f"logged_{name}")
        for more in (["--export", saved, "--thoughts"], ["1", "--thoughts"], []):
            result = CliRunner().invoke(cli.app, ["log", str(store), *more])
            assert result.exit_code == 0, result.output
            assert_no_key(result.output)
    assert_no_key_below(tmp_path)


def test_widgets_hold_no_key(loopback: Any) -> None:
    replies = [*list(FAULTS.values())[::3], *ANSWERS.values()]
    factory = factory_on(loopback([*replies, *replies[:1], *replies[-2:]]))
    box = chat_box(factory, register(factory, has_scratchpad=True), "Ann")
    for _ in replies:
        try:
            box.say("Hello!")
        except ReplyError as error:
            assert_no_key(*all_about(error))
        assert_no_key(box._notice._words.value, box._status.value)
    for fold in box._folds:
        fold.head.value = True
    assert_no_key(*states(box.widget))
    controls = arena_controls(ChatArena(factory), *(register(factory) for _ in range(2)))
    for fold in controls._folds:
        fold.head.value = True
    for _ in range(3):
        assert_no_key(controls.run(1))
        assert_no_key(*states(controls.widget))


def states(shown: Any) -> Iterator[Any]:
    """What is sent to the page for each widget; the links of *Copy and save* with what they hold."""
    for part in walk(shown):
        state = part.get_state()
        yield state
        for link in str(state.get("value", "")).split("base64,")[1:]:
            yield base64.b64decode(link.partition("'")[0]).decode(errors="replace")


# --- a key goes into connect() -----------------------------------------------------------------------


def by_environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    return {"provider": "openai"}


def by_argument(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"provider": "openai", "api_key": KEY}


def by_colab(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    colab, userdata = types.ModuleType("google.colab"), types.ModuleType("google.colab.userdata")
    userdata.get = colab.userdata = userdata  # type: ignore[attr-defined]
    userdata.get = lambda name: KEY  # type: ignore[attr-defined]
    for module in (types.ModuleType("google"), colab, userdata):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return {"provider": "openai"}


@pytest.mark.parametrize("way", [by_environment, by_argument, by_colab])
def test_every_way_to_give_a_key_gives_it_to_the_endpoint_alone(
    loopback: Any, monkeypatch: Any, capsys: Any, way: Callable[..., dict[str, Any]]
) -> None:
    server = loopback("Hail.")
    connection = connect(**way(monkeypatch), base_url=server.base_url)
    factory = NPCFactory(*connection)
    assert_no_key(connection, factory, *talk(factory, stream=False), *capsys.readouterr())
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": KEY},
        {"provider": KEY, "api_key": KEY},
        {"base_url": KEY, "model": "some-model"},
        {"base_url": f"http://ann:{KEY}@127.0.0.1:9/v1/"},
        {"base_url": f"ftp://ann:{KEY}@127.0.0.1:9/v1/", "model": "some-model"},
        {"provider": "openai", "api_key": f"{KEY} {KEY}"},
        {"provider": "openai", "api_key": f"{KEY}\u20ac"},
        {"provider": "openai", "api_key": [KEY]},
        {"provider": [KEY]},
    ],
)
def test_a_key_in_the_wrong_place_is_not_repeated(wrong: dict[str, Any], capsys: Any) -> None:
    with pytest.raises(NPCLabError) as failure:
        connect(**wrong)
    shown = [str(failure.value), repr(failure.value), repr(failure.value.__context__)]
    assert_no_key(*shown, *capsys.readouterr())


def test_a_key_named_as_the_provider_in_the_environment_is_not_repeated(monkeypatch: Any) -> None:
    monkeypatch.setenv("NPC_LAB_PROVIDER", KEY)
    with pytest.raises(NPCLabError) as failure:
        connect()
    assert_no_key(str(failure.value))


@pytest.mark.parametrize("bad_key", [f"{KEY}\n", f"{KEY}€", f" {KEY}\r\nX: y"])
def test_a_client_made_by_hand_with_a_spoilt_key_shows_nothing_of_it(loopback: Any, bad_key: str) -> None:
    factory = factory_on(loopback("Hail."))
    for stream in (False, True):
        factory.client = factory.client.with_options(api_key=bad_key)
        assert_no_key(*talk(factory, stream))


def test_a_password_in_the_address_is_not_shown() -> None:
    with Loopback("unused") as server:
        address = server.base_url.replace("//", f"//ann:{quote(KEY, safe='')}@")
    client = connect(base_url=address, model="some-model", api_key="another").client
    assert_no_key(*talk(NPCFactory(client.with_options(max_retries=0), "some-model"), stream=False))


SHORT_KEY = "ab1ab1ab"
LETTERS = st.text(alphabet="ab1", max_size=12)


@settings(max_examples=500, deadline=None)
@given(st.lists(LETTERS | st.sampled_from([SHORT_KEY, "ab1a", "b", "ab1ab1ab1ab1ab"]), max_size=8))
@example(["ab1", SHORT_KEY, "x"])
@example(["a", "b", "1", "ab1", "a", "b"])
def test_a_key_is_cut_out_of_a_stream_wherever_the_stream_is_cut(pieces: list[str]) -> None:
    guard = KeyGuard(types.SimpleNamespace(api_key=SHORT_KEY))
    given_out = "".join(map(guard.feed, pieces)) + guard.finish()
    text = "".join(pieces)
    assert SHORT_KEY not in given_out
    if SHORT_KEY not in text:
        assert given_out == text


@pytest.mark.parametrize("key", ["test", "ollama", "lm-studio", "EMPTY", "not-needed", "1234", "placeholder"])
def test_what_stands_for_a_key_at_a_local_endpoint_may_be_said(
    loopback: Any, tmp_path: Path, key: str
) -> None:
    said = f"A {key} of the latest con{key}."
    client = loopback(said).client(api_key=key)

    def factory() -> NPCFactory:
        return NPCFactory(client, "some-model", store=tmp_path / "lab.db")

    npc_id, user_id = factory().register_npc("W", f"You love {key}."), factory().register_user(key)
    assert factory().chat_with_npc(npc_id, user_id, key) == said
    again = factory()
    assert again.npcs[npc_id].config.character_description == f"You love {key}."
    assert [each["content"] for each in again.get_npc_chat_history(npc_id, user_id)] == [key, said]


def test_text_with_a_beginning_of_the_key_is_given_out_whole() -> None:
    guard = KeyGuard(types.SimpleNamespace(api_key=KEY))
    assert guard.feed(f"An {KEY[:12]}") == "An "
    assert guard.feed("! It asks") == f"{KEY[:12]}! It asks"
    assert guard.finish() == ""


def telling_client(server: Any, where: str) -> Any:
    """A client whose key stands in another place than `api_key`."""
    if where == "a function":
        return server.client(api_key=lambda: KEY)
    if where == "a header":
        return server.client(api_key="unused", default_headers={"X-Api-Key": KEY})
    return server.client(api_key="unused", default_headers={"Authorization": f"Bearer {KEY}"})


@pytest.mark.parametrize("where", ["a function", "a header", "a bearer"])
def test_a_key_in_another_place_is_never_shown_or_stored(loopback: Any, tmp_path: Path, where: str) -> None:
    server = loopback([f"I know {KEY} well.", Status(400, f"{KEY} is not allowed.")])
    factory = NPCFactory(telling_client(server, where), "m", store=tmp_path / "talks.db")
    npc_id, user_id = factory.register_npc("W", "You know it."), factory.register_user("learner")
    assert factory.chat_with_npc(npc_id, user_id, "Hello!") == "I know (key) well."
    with pytest.raises(ReplyError) as caught:
        factory.chat_with_npc(npc_id, user_id, "Hello!")
    cause = caught.value.__cause__
    assert KEY not in f"{caught.value} {cause} {vars(cause)} {cause.response.text}"  # type: ignore[union-attr]
    factory.store.close()  # type: ignore[union-attr]
    assert KEY.encode() not in (tmp_path / "talks.db").read_bytes()


def test_a_key_in_the_address_is_not_in_the_error_that_names_it() -> None:
    password = "2b7e151628aed2a6"
    address = f"http://learner:{password}@127.0.0.1:9/v1?key={quote(KEY, safe='')}"
    client, model = connect(base_url=address, model="m")
    factory = NPCFactory(client.with_options(max_retries=0), model)
    npc_id, user_id = factory.register_npc("W", "You know it."), factory.register_user("learner")
    with pytest.raises(ReplyError, match=r"http://127\.0\.0\.1:9/v1") as caught:
        factory.chat_with_npc(npc_id, user_id, "Hello!")
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert password not in shown


# --- child processes ---------------------------------------------------------------------------------

STUB_ENGINE = """
import json, os, pathlib
from unittest.mock import MagicMock as CommonParams

class Server:
    listening_address = "http://127.0.0.1:9"

    def __init__(self, parameters):
        pathlib.Path({facts!r}).write_text(json.dumps(dict(os.environ)))
"""


def test_the_embedded_server_is_given_no_key(tmp_path: Path, monkeypatch: Any) -> None:
    """A stand-in for the engine writes down what it sees; the process around it is the real one."""
    facts = tmp_path / "facts.json"
    (tmp_path / "xllamacpp.py").write_text(STUB_ENGINE.format(facts=str(facts)))
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("OPENAI_API_KEY", "MY_SECRET", "HF_TOKEN", "DB_PASSWORD", "AZURE_KEY_1"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("GGML_SOMETHING", "is kept")
    embedded.serve(tmp_path / "model.gguf").close()
    environment = json.loads(facts.read_text())
    assert environment["GGML_SOMETHING"] == "is kept"
    assert_no_key(environment)


CURIOUS = """
import json, os
print(dict(os.environ))
json.dump(dict(os.environ), open({facts!r}, "w"))
"""


@pytest.mark.long
def test_grading_gives_no_key_to_a_notebook_and_writes_none(
    tmp_path: Path, key_in_environment: None, monkeypatch: Any
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:{KEY}@127.0.0.1:9")
    facts, handed_in = tmp_path / "facts.json", tmp_path / "in"
    handed_in.mkdir()
    cell = nbformat.v4.new_code_cell(CURIOUS.format(facts=str(facts)))
    check = nbformat.v4.new_code_cell('from npc_lab.lessons import check\ncheck("arena", ChatArena)')
    nbformat.write(nbformat.v4.new_notebook(cells=[cell, check]), handed_in / "ann.ipynb")
    result = CliRunner().invoke(cli.app, ["grade", str(handed_in), "--out", str(tmp_path / "grades")])
    assert json.loads(facts.read_text())["NPC_LAB_PROVIDER"] == "fake"
    assert_no_key(facts.read_text(), result.output)
    assert_no_key_below(tmp_path)


# --- every lesson ------------------------------------------------------------------------------------

CONNECT_TO_LOOPBACK = """
import npc_lab
_connect = npc_lab.connect

def connect(provider=None, **more):
    return _connect(provider, **more) if provider or more else _connect("openai", base_url={url!r})

npc_lab.connect = connect
"""


def unruly() -> Callable[[dict[str, Any]], Reply]:
    """Answers with the key in them, now and then after private thoughts; each seventh is a fault.

    Where a lesson calls the client by hand, nothing of ours stands between the endpoint and the page.
    """
    faults = [error_with_key(401, MASKED), error_with_key(429), web_page(text=SAID), error_with_key(500)]
    asked = 0

    def reply(body: dict[str, Any]) -> Reply:
        nonlocal asked
        if "WORLD SETTING" not in body["messages"][0]["content"]:
            return Text("I am a language model.")
        asked += 1
        if asked % 7 == 0:
            return faults[asked // 7 % len(faults)]
        return Text(f"#SCRATCHPAD\n{SAID}\n#ANSWER\n{SAID}" if asked % 2 else SAID)

    return reply


@pytest.mark.long
@pytest.mark.parametrize(
    "lessons", [("00", "05", "08"), pytest.param(None, id="all", marks=pytest.mark.whole)], ids=" ".join
)
def test_no_lesson_writes_a_key(
    loopback: Any, tmp_path: Path, key_in_environment: None, lessons: tuple[str, ...] | None
) -> None:
    """Solutions, one after the other in one kernel, because kernels start slowly.

    A student's notebook has the same cells with less in them. Three lessons call all that asks: the client
    itself, NPCs, panels, an arena, an experiment, judges.
    """
    server = loopback(unruly())
    cells = [nbformat.v4.new_code_cell(CONNECT_TO_LOOPBACK.format(url=server.base_url))]
    for path in SOLUTIONS:
        if lessons and not path.stem.startswith(lessons):
            continue
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        cells += [nbformat.v4.new_code_cell(source) for source in code if "%pip" not in source]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(
        notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    nbformat.write(notebook, tmp_path / "all.ipynb")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("openai" in output.get("text", "") for output in outputs)
    assert any(output["output_type"] == "error" for output in outputs)
    assert notebook.metadata.get("widgets")
    assert len(server.sent) > 50
    assert_no_key_below(tmp_path)


# --- every command -----------------------------------------------------------------------------------

TALK = ["--provider", "openai", "--model", "some-model", "--base-url"]
COMMANDS = {
    "doctor": ["doctor", *TALK, "URL"],
    "chat": ["chat", "--scratchpad", *TALK, "URL"],
    "demo": ["demo", "--scratchpad", *TALK, "URL"],
    "start": ["start", "course", "--no-open"],
    "models": ["models"],
    "tournament": ["tournament", "cards", *TALK, "URL"],
    "gradescope": ["gradescope", "package"],
    "doctor, full": ["doctor", "--full", *TALK, "URL"],
}


def test_every_command_is_here() -> None:
    """`grade` and `log` have tests of their own. A new command must be looked through, too."""
    names = {command.name for command in cli.app.registered_commands}
    assert names == {*(arguments[0] for arguments in COMMANDS.values()), "grade", "log"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("reply", [Text(SAID), FAULTS["status 401"], FAULTS["masked"]], ids=str)
def test_no_command_prints_or_writes_a_key(
    loopback: Any, tmp_path: Path, key_in_environment: None, monkeypatch: Any, command: str, reply: Reply
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cards").mkdir()
    for name in ("ada", "bo"):
        write_card(Card(NPCConfig("A mine.", f"You are {name}.")), tmp_path / "cards" / f"{name}.json")
    server = loopback(lambda _: reply)
    arguments = [server.base_url if each == "URL" else each for each in COMMANDS[command]]
    typed = "Hello!\n/thoughts\n/again\n/nothing\n"
    result = CliRunner().invoke(cli.app, arguments, input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.output
    assert_no_key(result.output)
    assert_no_key_below(tmp_path)


# --- learners' own files -----------------------------------------------------------------------------


def letters(count: int, alphabet: str) -> str:
    """The same every time, and in no file: a scanner that reads these tests shall find nothing."""
    return "".join(alphabet[(place * place * 7 + place * 3 + 5) % len(alphabet)] for place in range(count))


HEX = "0123456789abcdef"
ANY = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8"
NINE_KINDS = {
    "OpenAI": f"sk-proj-{letters(40, ANY)}",
    "Anthropic": f"sk-ant-api03-{letters(60, ANY)}",
    "OpenRouter": f"sk-or-v1-{letters(64, HEX)}",
    "Groq": f"gsk_{letters(52, ANY)}",
    "Together": letters(64, HEX),
    "Mistral": letters(32, ANY),
    "Nebius": ".".join([f"eyJ{letters(33, ANY)}", letters(90, ANY), letters(43, ANY)]),
    "Google": f"AIza{letters(35, ANY)}",
    "Hugging Face": f"hf_{letters(34, ANY)}",
}
WAYS = {
    "in a call": "client = OpenAI(api_key={quoted})",
    "in a call, blanks": "connect('nebius', api_key = '{key}', model=model)",
    "on a line of its own": "client = OpenAI(\n    api_key=(\n        {quoted}\n    ),\n)",
    "a raw text": "openai.api_key = r'{key}'",
    "three quotation marks": 'api_key = """{key}"""',
    "with its type": "API_KEY: str = {quoted}",
    "environment": "import os\nos.environ[{name!r}] = {quoted}",
    "setdefault": "os.environ.setdefault({name!r}, {quoted})",
    "a dictionary": "settings = {{{name!r}: {quoted}}}",
    "a magic": "%env {name}={key}",
    "a magic with a blank": "%env {name} {key}",
    "a shell": "!export {name}={key}",
    "another word for it": "nebius_api_token = {quoted}",
    "a list": "OPENAI_API_KEYS = [{quoted}]",
    "in an expression": "print(api_key := {quoted})",
    "a header": "headers = {{'Authorization': 'Bearer {key}'}}",
}
HARMLESS = [
    "client, model = connect('nebius', api_key=getpass('Your key: '))",
    "api_key=os.environ['OPENAI_API_KEY']",
    "OPENAI_API_KEY=os.environ.get('OPENAI_API_KEY')",
    "api_key = userdata.get('NEBIUS_API_KEY')",
    "NAMES = ['OPENAI_API_KEY', 'OPENROUTER_API_KEY', 'NEBIUS_API_KEY']",
    "api_key='OPENROUTER_API_KEY'",
    "Provider('openai', 'OPENAI_API_KEY', 'meta-llama/Llama-3.3-70B-Instruct')",
    "connect('nebius', api_key='half a key')",
    "OpenAI(api_key='<put your own key here>')",
    "OpenAI(api_key='no-key-needed')",
    "export OPENAI_API_KEY=$MY_OWN_KEY_FROM_THE_VAULT_2",
    "headers = {'Authorization': f'Bearer {api_key}'}",
    "# the bearer of this letter is an honest man",
    "# the api_key is a secret of 40 characters, for instance sk-...",
]


def written(way: str, key: str) -> str:
    return WAYS[way].format(key=key, quoted=f'"{key}"', name="NEBIUS_API_KEY")


def in_notebook(path: Path, *sources: str) -> Path:
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in sources]), path
    )
    return path


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", NINE_KINDS)
def test_a_key_in_a_file_is_found_and_its_place_is_named(tmp_path: Path, kind: str, way: str) -> None:
    code = written(way, NINE_KINDS[kind])
    (program := tmp_path / "mine.py").write_text(f"import os\n\n{code}\n")
    (line,) = find_keys.places(program)
    assert int(line.removeprefix("line ")) in range(3, 6)
    assert find_keys.places(in_notebook(tmp_path / "mine.ipynb", "1 + 1", code)) == ["cell 2"]


@pytest.mark.parametrize("code", HARMLESS)
def test_what_is_no_key_gives_no_alarm(tmp_path: Path, code: str) -> None:
    (program := tmp_path / "mine.py").write_text(code)
    assert find_keys.places(program) == []
    assert find_keys.places(in_notebook(tmp_path / "mine.ipynb", code)) == []


def test_a_key_that_a_cell_printed_is_found(tmp_path: Path) -> None:
    notebook = nbformat.read(in_notebook(tmp_path / "mine.ipynb", "1", "print(os.environ)"), as_version=4)
    printed = f"environ({{'OPENAI_API_KEY': '{NINE_KINDS['OpenAI']}'}})"
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text=printed)]
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    assert find_keys.places(tmp_path / "mine.ipynb") == ["cell 2"]


def test_a_key_that_a_notebook_keeps_as_two_texts_is_found(tmp_path: Path) -> None:
    key = NINE_KINDS["OpenAI"]
    cell = {"cell_type": "code", "source": [f"connect(api_key='{key[:9]}", f"{key[9:]}')"], "outputs": []}
    (path := tmp_path / "mine.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert find_keys.places(path) == ["cell 1"]


def test_nothing_of_ours_gives_an_alarm() -> None:
    ours = [ROOT / name for name in ("npc_lab", "notebooks", "tests")]  # README's .venv stands beside them
    files = [file for folder in ours for kind in ("ipynb", "py") for file in folder.glob(f"**/*.{kind}")]
    assert len(files) > 100
    assert {str(file): found for file in files if (found := find_keys.places(file))} == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"cells": 7}', b'{"cells": [1, null]}', b"[" * 99_999]
)
def test_what_is_no_notebook_is_looked_through_as_it_is(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "odd.ipynb").write_bytes(content)
    assert find_keys.places(path) == []
    path.write_bytes(content + f"\napi_key='{NINE_KINDS['Groq']}'".encode())
    assert len(find_keys.places(path)) == 1


def test_the_doctor_names_file_and_cell_and_no_key(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    run = ["doctor", "--provider", "fake"]
    in_notebook(tmp_path / "clean.ipynb", *HARMLESS)
    (tmp_path / "folder.py").mkdir()
    assert "A key seems" not in CliRunner().invoke(cli.app, run).output
    in_notebook(tmp_path / "talk.ipynb", "1", "2", written("in a call", KEY.replace("W+", "W-")))
    (tmp_path / "arena.py").write_text(written("environment", KEY))
    (tmp_path / ".env").write_text(f"NEBIUS_API_KEY={KEY}\n")
    result = CliRunner().invoke(cli.app, run)
    assert result.exit_code == 0
    said = " ".join(result.output.split())
    assert ".env, line 1" in said
    assert "arena.py, line 2 talk.ipynb, cell 3 A key seems to be written there, and all who read" in said
    assert_no_key(result.output)


# --- before a commit ---------------------------------------------------------------------------------


def hooks() -> dict[str, Any]:
    config = yaml.safe_load(start._PRE_COMMIT.read_text(encoding="utf-8"))
    return {hook["id"]: hook for repository in config["repos"] for hook in repository["hooks"]}


def commit(hook: str, *files: Path) -> subprocess.CompletedProcess[str]:
    """What pre-commit does with a hook, in this environment: the entry, and the names of the files."""
    program, *arguments = hooks()[hook]["entry"].split()
    modules = {"nbstripout": "nbstripout", "detect-secrets-hook": "detect_secrets.pre_commit_hook"}
    if program in modules:
        arguments = ["-m", modules[program], *arguments]
    return subprocess.run(
        [sys.executable, *arguments, *map(str, files)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_commit_with_a_key_in_it_is_stopped(tmp_path: Path) -> None:
    """All nine kinds, by our own rule. detect-secrets knows five of them by what they look like."""
    files = {kind: tmp_path / f"{place}.py" for place, kind in enumerate(NINE_KINDS)}
    for kind, file in files.items():
        file.write_text(written("in a call", NINE_KINDS[kind]) + "\n")
    by_name, by_looks = (commit(hook, *files.values()) for hook in ("npc-lab-keys", "detect-secrets"))
    for result in (by_name, by_looks):
        assert result.returncode == 1
        assert_no_key_of(NINE_KINDS.values(), result.stdout + result.stderr)
    assert [kind for kind, file in files.items() if f"{file}, line 1" not in by_name.stdout] == []
    assert len([kind for kind, file in files.items() if str(file) in by_looks.stdout]) >= 5


def assert_no_key_of(kinds: Iterable[str], text: str) -> None:
    assert [key for key in kinds if key[:12] in text] == []


@pytest.mark.long
def test_our_own_notebooks_pass_all_hooks(tmp_path: Path) -> None:
    copies = [tmp_path / f"{path.parent.name}-{path.name}" for path in LESSONS]
    for path, target in zip(LESSONS, copies, strict=True):
        target.write_bytes(path.read_bytes())
    for hook in hooks():
        result = commit(hook, *copies)
        assert result.returncode == 0, result.stdout + result.stderr
    for path, target in zip(LESSONS, copies, strict=True):
        assert target.read_bytes() == path.read_bytes()


def test_outputs_are_taken_out_of_a_notebook(tmp_path: Path) -> None:
    path = in_notebook(tmp_path / "mine.ipynb", "print(1)")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="a secret of mine")]
    nbformat.write(notebook, path)
    commit("nbstripout", path)
    assert "print(1)" in path.read_text()
    assert "secret" not in path.read_text()


def test_start_leaves_a_configuration_of_the_learners_own_as_it_is(tmp_path: Path) -> None:
    (own := tmp_path / ".pre-commit-config.yaml").write_text("repos: []\n")
    result = CliRunner().invoke(cli.app, ["start", str(tmp_path), "--no-open"])
    assert result.exit_code == 0
    assert own.read_text() == "repos: []\n"
