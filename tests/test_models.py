"""Models by name: the table, what fits, and how a file comes from a hub that runs on this machine."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from hub import Hub, Mood
from huggingface_hub import constants, file_download  # noqa: F401  # its log goes to the stderr of now

from npc_lab import connect
from npc_lab.endpoints import embedded
from npc_lab.endpoints.embedded import serve
from npc_lab.endpoints.hub import HubFile
from npc_lab.endpoints.models import MODELS, SHIPPED, find, known
from npc_lab.endpoints.weights import SMOLLM2, weights_path
from npc_lab.errors import ConnectError

pytestmark = pytest.mark.packages

CONTENT = b"GGUF" + bytes(range(256)) * 800  # 200 kB
TINY = HubFile("ann/tiny", "tiny.gguf")
TOKEN = "hf_NEVER-SHOW-THIS-TOKEN"
WAYS = ["connect('local')", "model='a/path.gguf'", "connect('fake')"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing of the settings of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # Otherwise newer packages ask the true hub which programs are agents, to count them.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    return tmp_path / "home" / "hub"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub({"ann/tiny/tiny.gguf": CONTENT}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def refusal(file: HubFile = TINY) -> str:
    """What is said when the file cannot be fetched. It never holds the token, nor an error's own words."""
    with pytest.raises(ConnectError) as caught:
        file.fetch()
    message = str(caught.value)
    assert TOKEN not in message
    assert caught.value.__suppress_context__ or not caught.value.__context__
    return message


def files_in(folder: Path) -> list[Path]:
    """The large files that are left: what was fetched, and what was begun."""
    return [file for file in folder.rglob("*") if file.is_file() and file.stat().st_size > 1000]


# ---- the table, and what a name means ----


def test_every_row_says_what_a_choice_needs() -> None:
    assert len(MODELS) >= 5
    for name, row in MODELS.items():
        assert (row.name, row.licence in ("Apache-2.0", "MIT")) == (name, True)
        assert row.size < row.memory < 10 * row.size
        assert row.page.startswith("https://")
        assert row.file.endswith(".gguf")
        assert (row.repository.count("/"), row.tried) == ((0, True) if name == SHIPPED else (1, False))
    assert [name for name, row in MODELS.items() if row.small] == [SHIPPED, "smollm2-360m", "qwen2.5-0.5b"]


def test_a_name_a_file_of_the_hub_and_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = MODELS["qwen2.5-1.5b"]
    assert find("Qwen2.5-1.5B ") == HubFile(row.repository, row.file, row.memory)
    assert find("ann/tiny/q4/tiny.gguf") == HubFile("ann/tiny", "q4/tiny.gguf")
    assert find(None) is find(SHIPPED) is None
    monkeypatch.chdir(tmp_path)
    for path in ("tiny.gguf", "./a/b/tiny.gguf", "a/tiny.gguf", str(tmp_path / "a" / "b" / "tiny.gguf")):
        assert find(path) == (tmp_path / path).absolute()
    assert find(Path("ann/tiny/tiny.gguf")) == tmp_path / "ann/tiny/tiny.gguf"
    (tmp_path / "ann" / "tiny").mkdir(parents=True)
    (tmp_path / "ann" / "tiny" / "tiny.gguf").write_bytes(CONTENT)
    assert find("ann/tiny/tiny.gguf") == tmp_path / "ann/tiny/tiny.gguf"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("qwen2.5-1.5", "Did you mean 'qwen2.5-1.5b'"),
        ("gpt-9", "There are smollm2"),
        ("ann/tiny", "owner/rep"),
    ],
)
def test_a_name_that_nobody_knows(name: str, advice: str) -> None:
    with pytest.raises(ConnectError, match=f"There is no model '{name}'.*{advice}"):
        connect("local", model=name)


def test_a_model_is_known_by_its_file() -> None:
    row = MODELS["qwen2.5-0.5b"]
    assert known(Path("/anywhere") / row.file) is row
    assert known(Path("/anywhere/my own.gguf")) is None
    assert known(Path(f"/anywhere/{Path(row.file).stem} of mine.gguf")) is None
    assert known(Path(f"/anywhere/{Path(row.file).stem}.fast-0123456789abcdef.gguf")) is row


# ---- from the hub into the cache ----


def test_fetches_once_and_keeps(
    hub: Hub, cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_POSITION", "-1")  # with a bar, although this is no terminal
    assert TINY.cached() is None
    path = TINY.fetch()
    assert path.read_bytes() == CONTENT
    assert cache in path.parents
    assert (path.name, hub.sent("GET")) == ("tiny.gguf", [""])
    assert {each.token for each in hub.asked} == {TOKEN}
    assert "100%" in capsys.readouterr().err
    hub.mood = Mood.BUSY
    asked = len(hub.asked)
    assert TINY.fetch() == TINY.cached() == path
    assert len(hub.asked) == asked


def test_a_connection_that_breaks_is_resumed(hub: Hub) -> None:
    large = hub.files["ann/tiny/tiny.gguf"] = CONTENT * 120  # 24 MB: it is written in pieces of 10 MB
    hub.mood = Mood.BREAKS_ONCE
    assert TINY.fetch().read_bytes() == large
    assert hub.sent("GET") == ["", f"bytes={10 * 2**20}-"]


def test_a_file_with_another_hash_is_not_kept(hub: Hub, cache: Path) -> None:
    hub.mood = Mood.LIES
    assert "not the file whose hash the hub states" in refusal()
    assert files_in(cache) == []
    hub.mood = Mood.FINE
    assert TINY.fetch().read_bytes() == CONTENT


def test_no_room_on_the_disk(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(CONTENT) - 1))
    assert "Make room, or set HF_HOME to a folder on another disk" in refusal()
    assert (files_in(cache), hub.sent("GET")) == ([], [])


def test_no_room_in_memory(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=3 * 10**9))
    words = "needs 4.0 GB of memory, and 3.0 GB are free.*`npc-lab models` lists"
    with pytest.raises(ConnectError, match=words):
        HubFile("ann/tiny", "tiny.gguf", memory=4 * 10**9).fetch()
    assert hub.sent("GET") == []
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=len(CONTENT) - 1))
    assert "too large for this machine" in refusal()


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody_listens_here:
        nobody_listens_here.bind(("127.0.0.1", 0))
        port = nobody_listens_here.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://ann:{TOKEN}@127.0.0.1:{port}")
        message = refusal()
    assert message.startswith("127.0.0.1 does not answer")
    assert "Check the network" in message
    assert all(way in message for way in WAYS)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    assert refusal().startswith("hub.invalid does not answer")
    assert files_in(cache) == []


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        (Mood.GATED, "accept its terms. Do so at https://huggingface.co/ann/tiny, make a token.* HF_TOKEN"),
        (Mood.BAD_TOKEN, "does not accept the token in HF_TOKEN"),
        (Mood.SIGN_IN, "What answers as 127.0.0.1 is not the Hugging Face hub. Perhaps a sign-in page"),
        (Mood.SIGN_IN_LATER, "did not arrive as the hub announced it.* a sign-in page"),
        (Mood.BUSY, "a problem of its own .HTTP 503."),
    ],
    ids=lambda value: value.name if isinstance(value, Mood) else "",
)
def test_a_hub_that_gives_no_file(hub: Hub, cache: Path, mood: Mood, words: str) -> None:
    hub.mood = mood
    assert re.search(words, refusal())
    assert files_in(cache) == []
    hub.mood = Mood.FINE
    assert TINY.fetch().read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (
            HubFile("ann/tiny", "huge.gguf"),
            "There is no huge.gguf in ann/tiny. Its files are listed",
        ),
        (
            HubFile("bob/tiny", "tiny.gguf"),
            "no repository bob/tiny that you may read",
        ),
        (HubFile("ann/tiny!", "tiny.gguf"), "no repository ann/tiny! that you may read"),
        (HubFile("ann/tiny", "tiny-00001-of-00002.gguf"), "one part of several"),
    ],
)
def test_a_file_that_the_hub_does_not_have(hub: Hub, file: HubFile, words: str) -> None:
    assert words in refusal(file)


def test_a_cache_that_cannot_be_written(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    assert "Set the environment variable HF_HOME to a folder that you can write to" in refusal()


def test_without_the_package_that_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert 'pip install "npc-lab[local]"' in refusal()
    assert TINY.cached() is None


def test_a_file_that_is_no_gguf(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files["ann/tiny/page.gguf"] = b"<html>" * 300
    monkeypatch.setattr(embedded, "is_installed", lambda: True)
    with pytest.raises(ConnectError, match=r"page\.gguf is not a GGUF model file"):
        serve("ann/tiny/page.gguf")


def process(code: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", f"from npc_lab.endpoints.hub import HubFile\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


FETCH = "print('ready', flush=True)\nprint(HubFile('ann/tiny', 'tiny.gguf').fetch())"


def test_two_processes_at_once_fetch_once(hub: Hub) -> None:
    hub.mood = Mood.WAITS
    first = process(FETCH)
    assert hub.half_sent.wait(60)
    second = process(FETCH)
    assert second.stdout is not None
    second.stdout.readline()
    heads = len(hub.sent("HEAD"))
    while len(hub.sent("HEAD")) < heads + 2 and second.poll() is None:  # it asks twice, and then waits
        time.sleep(0.02)
    hub.release.set()
    paths = set()
    for each in (first, second):
        output, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors
        paths.add(output.split()[-1])
    assert len(paths) == len(hub.sent("GET")) == 1


def test_offline_with_the_file_in_the_cache_and_without(hub: Hub) -> None:
    path = TINY.fetch()
    code = f"{FETCH}\nHubFile('ann/tiny', 'other.gguf').fetch()"
    output, errors = process(code, HF_HUB_OFFLINE="1").communicate(timeout=60)
    assert output.split()[-1] == str(path)
    assert "HF_HUB_OFFLINE forbids to fetch it" in errors


# ---- the shipped weights under another name ----


@pytest.mark.model
def test_a_talk_on_a_model_of_the_hub(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files["ann/smol/smol.gguf"] = weights_path()
    client, model = connect("local", model="ann/smol/smol.gguf")
    server = serve("ann/smol/smol.gguf")
    try:
        assert (model, server.path.parent.parent.name) == ("smol", "snapshots")
        assert "(model smol)" in capsys.readouterr().out
        hello: Any = [{"role": "user", "content": "Hello!"}]
        assert client.chat.completions.create(model=model, messages=hello, max_tokens=5).choices
        assert hashlib.sha256(server.path.read_bytes()).hexdigest() == SMOLLM2.sha256
        # It runs already, so that it does not matter what memory is left.
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0))
        assert serve("ann/smol/smol.gguf") is server
        server.close()
        with pytest.raises(ConnectError, match="too large for this machine"):
            serve("ann/smol/smol.gguf")
    finally:
        server.close()
        client.close()
