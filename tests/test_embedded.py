"""The embedded model: the real engine and the real weights, through the real openai client."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import indent
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from benchmarks import bench_form

from npc_lab import ChatArena, NPCConfig, NPCFactory, ReplyError, SimpleChatNPC, connect
from npc_lab.endpoints.embedded import REPLY_TOKENS, SLOTS, Server, is_installed, serve
from npc_lab.errors import ConnectError

HELLO: Any = [{"role": "user", "content": "Hello! Who are you?"}]
ENDLESS: Any = {"ignore_eos": True}  # llama.cpp's own option: a reply that only a limit can end


@pytest.fixture(scope="module")
def server() -> Server:
    return serve()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    from openai import OpenAI

    with OpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=60) as client:
        yield client


def listens(address: str) -> bool:
    parts = urlsplit(address)
    try:
        with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=5):
            return True
    except ConnectionError:  # refused, or reset in the moment of its end
        return False


def test_is_installed_says_whether_the_engine_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert not is_installed()
    with pytest.raises(ConnectError, match=r'pip install "npc-lab\[local\]"'):
        serve()


def test_a_model_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match=r"nowhere\.gguf cannot be read: No such file"):
        serve(tmp_path / "nowhere.gguf")


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="should name a file"):
        serve(tmp_path)


def test_a_file_that_is_not_gguf(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>Sign in to download")
    with pytest.raises(ConnectError, match=r"page\.gguf is not a GGUF model file"):
        serve(str(tmp_path / "page.gguf"))


@pytest.mark.model
def test_one_server_for_all(server: Server) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert all(each is server for each in threads.map(lambda _: serve(), range(8)))


@pytest.mark.model
def test_it_answers_and_reads_the_system_message(client: Any, server: Server) -> None:
    system: Any = {"role": "system", "content": "You are Sir Geoffrey, a knight with wet boots. " * 10}
    plain = client.chat.completions.create(model=server.model, messages=HELLO, max_tokens=20)
    reply = client.chat.completions.create(model=server.model, messages=[system, *HELLO], max_tokens=20)
    assert reply.choices[0].message.content.strip()
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.model == server.model
    assert reply.usage.prompt_tokens > plain.usage.prompt_tokens + 50


def groups(text: str) -> set[tuple[str, ...]]:
    """The text's groups of four words."""
    words = text.lower().split()
    return {tuple(words[start : start + 4]) for start in range(len(words) - 3)}


@pytest.mark.model
def test_a_talk_does_not_run_in_circles(client: Any, server: Server) -> None:
    factory = NPCFactory(client, server.model)
    knight, merchant = (
        factory.register_npc("London in 1270.", f"You are {who}.", max_reply_tokens=40, temperature=0)
        for who in ("Sir Geoffrey, an old knight", "Hildebrand, a cheerful merchant")
    )
    arena = ChatArena(factory)
    talk = arena.run_conversation(arena.start_conversation(knight, merchant), max_turns=8)
    said = [groups(message.content) for message in talk]
    said_before = [group for place, line in enumerate(said) for group in line & set().union(*said[:place])]
    assert len(said_before) < 0.4 * sum(map(len, said))  # about 0.03, and 0.8 without the engine's penalties


@pytest.mark.model
def test_it_streams(client: Any, server: Server) -> None:
    stream = client.chat.completions.create(
        model=server.model, messages=HELLO, stream=True, max_tokens=20, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert len([piece for piece in pieces if piece]) > 5
    assert chunks[-1].usage.completion_tokens <= 20


@pytest.mark.model
def test_replies_end_by_default_but_may_be_longer(client: Any, server: Server) -> None:
    def tokens(limit: dict[str, int]) -> int:
        reply = client.chat.completions.create(
            model=server.model, messages=HELLO, extra_body=ENDLESS, **limit
        )
        return int(reply.usage.completion_tokens)

    longer = REPLY_TOKENS + 10
    with ThreadPoolExecutor(2) as threads:  # the engine writes two at once, which takes less time
        assert list(threads.map(tokens, [{}, {"max_tokens": longer}])) == [REPLY_TOKENS, longer]


@pytest.mark.model
def test_a_later_turn_reads_only_what_is_new(client: Any, server: Server) -> None:
    talk = [{"role": "system", "content": "You are a ferryman who knows every song. " * 10}, *HELLO]
    first = client.chat.completions.create(model=server.model, messages=talk, max_tokens=20)
    talk += [{"role": "assistant", "content": first.choices[0].message.content}]
    talk += [{"role": "user", "content": "Sing, then."}]
    second = client.chat.completions.create(model=server.model, messages=talk, max_tokens=20)
    assert second.timings["prompt_n"] < 30
    assert second.timings["cache_n"] >= first.usage.prompt_tokens - 5


@pytest.mark.model
def test_more_talks_than_slots_wait_in_line(client: Any, server: Server) -> None:
    def ask(number: int) -> int:
        messages: Any = [{"role": "user", "content": f"Count from {number}."}]
        reply = client.chat.completions.create(
            model=server.model, messages=messages, max_tokens=10, extra_body=ENDLESS
        )
        return int(reply.usage.completion_tokens)

    with ThreadPoolExecutor(4 * SLOTS) as threads:
        assert list(threads.map(ask, range(4 * SLOTS))) == [10] * 4 * SLOTS


@pytest.mark.model
def test_a_stopped_stream_frees_its_slot(client: Any, server: Server) -> None:
    for _ in range(SLOTS):
        stream = client.chat.completions.create(
            model=server.model, messages=HELLO, stream=True, max_tokens=4000, extra_body=ENDLESS
        )
        next(iter(stream))
        stream.close()
    # 4 x 4000 tokens would take minutes.
    client.with_options(timeout=20).chat.completions.create(model=server.model, messages=HELLO, max_tokens=5)


@pytest.mark.model
def test_a_prompt_that_is_too_long_is_refused_and_never_cut(client: Any, server: Server) -> None:
    npc = SimpleChatNPC(client, server.model, NPCConfig("A mine.", "You are a miner."))
    with pytest.raises(ReplyError) as caught:
        npc.chat("dig " * 20_000, "you")
    assert caught.value.kind == "context_length"
    assert npc.chat("Dig!", "you")


@pytest.fixture
def other_model(server: Server, tmp_path: Path) -> Path:
    path = tmp_path / "my own model.gguf"
    path.symlink_to(server.path)
    return path


@pytest.mark.model
def test_any_other_model_by_its_path(other_model: Path, server: Server) -> None:
    from openai import OpenAI

    other = serve(str(other_model))
    try:
        assert (other.model, other.path) == ("my own model", other_model)
        assert other.base_url != server.base_url
        with OpenAI(base_url=other.base_url, api_key="none") as client:
            assert client.chat.completions.create(model=other.model, messages=HELLO, max_tokens=5).choices
    finally:
        other.close()
    assert not listens(other.base_url)
    again = serve(other_model)
    assert listens(again.base_url)
    ada = SimpleChatNPC(*connect("local", model=str(other_model)), NPCConfig("A mine.", "You are Ada."))
    assert not ada.has_form("you")
    again.close()
    again.close()


@pytest.mark.model
@pytest.mark.parametrize("kept", [50, 100_000, 50_000_000])
def test_a_damaged_model_harms_nobody(server: Server, tmp_path: Path, kept: int) -> None:
    damaged = tmp_path / "damaged.gguf"
    with server.path.open("rb") as content:
        damaged.write_bytes(content.read(kept))
    with pytest.raises(ConnectError, match=r"damaged\.gguf could not be loaded.*download it again") as caught:
        serve(damaged)
    assert str(tmp_path) not in str(caught.value)
    assert listens(server.base_url)


TALKING = """
from npc_lab import NPCConfig, SimpleChatNPC
from npc_lab.endpoints.embedded import serve
from openai import OpenAI

server = serve()
print(server.base_url, flush=True)
npc = SimpleChatNPC(
    OpenAI(base_url=server.base_url, api_key="none"),
    server.model,
    NPCConfig("A tavern.", "You tell long stories.", max_reply_tokens=4000),
)
stream = npc.stream("Tell me a very long story.", "you")
"""
FIRST_PIECE = "print(next(iter(stream)), flush=True)\n"
THE_REST = "print(next(iter(stream)), flush=True)\nfor piece in stream: pass\n"


def start(code: str) -> tuple["subprocess.Popen[str]", str]:
    """A process that talks, and its server's address, once its first line has arrived."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert process.stdout.readline()
    return process, address


@pytest.mark.model
def test_the_process_ends_quietly_in_the_middle_of_a_reply() -> None:
    process, address = start(TALKING + FIRST_PIECE)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    assert not listens(address)


@pytest.mark.model
def test_ctrl_c_ends_the_process_and_the_server() -> None:
    process, address = start(TALKING + THE_REST)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert errors.strip().endswith("KeyboardInterrupt")
    assert not listens(address)


@pytest.mark.model
def test_a_notebooks_stop_button_leaves_the_server_running() -> None:
    once_more = (
        "npc.config.max_reply_tokens = 10\nprint(len(npc.chat('And then?', 'you')) > 0, server.is_running)"
    )
    code = TALKING + "try:\n" + indent(THE_REST, "    ")
    code += "except KeyboardInterrupt:\n" + indent(once_more, "    ")
    process, _ = start(code)
    os.killpg(process.pid, signal.SIGINT)  # it reaches the kernel's children too
    output, errors = process.communicate(timeout=60)
    assert (output.splitlines()[-1], errors) == ("True True", "")


@pytest.mark.model
def test_a_killed_process_leaves_no_server_behind() -> None:
    process, address = start(TALKING + THE_REST)
    process.kill()
    process.communicate(timeout=30)
    deadline = monotonic() + 30
    while listens(address):  # nobody is left who could say when the server has ended
        assert monotonic() < deadline


# ---- talks that come again ----

SEEDED = """
import json, sys
from npc_lab import ChatArena, NPCFactory, connect

arena = ChatArena(factory := NPCFactory(*connect("local")))
guy, hans = (
    factory.register_npc("London, 1270.", f"You are {who}.", max_reply_tokens=24)
    for who in ("Sir Guy, a poor knight", "Hans, a merchant of the Hansa")
)
turns, *seeds = map(int, sys.argv[1:])
talks = [arena.start_conversation(guy, hans, "Is that for sale?", seed=seed) for seed in seeds]
heard = arena.run_conversations(talks, turns, max_workers=2)
print(json.dumps([[message.content for message in heard[talk]] for talk in talks]))
"""


def seeded_talks(turns: int, *seeds: int) -> list[list[str]]:
    """Talks of so many turns with these seeds, two at once, in a process of their own."""
    command = [sys.executable, "-c", SEEDED, str(turns), *map(str, seeds)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    talks: list[list[str]] = json.loads(output.splitlines()[-1])
    assert all(len(talk) == 1 + turns for talk in talks)
    return talks


@pytest.mark.model
def test_a_seeded_talk_comes_again_in_another_process_and_beside_another_thread() -> None:
    one, again = seeded_talks(3, 7, 7)
    (elsewhere,) = seeded_talks(3, 7)
    assert one == again == elsewhere


@pytest.mark.model
@pytest.mark.whole
def test_twelve_seeded_talks_come_again() -> None:
    seeds = range(12)
    first = seeded_talks(8, *seeds)
    assert first == seeded_talks(8, *seeds)
    assert len(set(map(tuple, first))) == len(seeds)


# ---- the form of its replies; in full: tests/benchmarks/bench_form.py ----


@pytest.mark.model
def test_a_character_with_a_scratchpad_thinks_and_then_speaks() -> None:
    assert bench_form.scratchpads(each=2, seed=2)


@pytest.mark.model
def test_lines_of_the_demo_end_with_whole_sentences() -> None:
    assert bench_form.lines(seeds=[1], turns=2)


@pytest.mark.model
def test_the_engine_refuses_no_grammar_of_ours_and_says_so_of_a_wrong_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    connection = connect("local")
    for tokens in (40, 4000, None):
        sheet = NPCConfig("A mine.", "You are Ada.", has_scratchpad=True, max_reply_tokens=tokens)
        miner = SimpleChatNPC(*connection, sheet)
        miner.seeds["you"] = 1  # unseeded, some thought may take all tokens
        next(miner.stream("Dig!", "you"), "")
        assert miner.has_form("you")
    miner.config.request_options = {"grammar": 'root ::= "Aye'}
    with pytest.raises(ReplyError, match="failed to parse grammar"):
        miner.chat("Dig!", "you")
    assert "grammar" not in capsys.readouterr().out
