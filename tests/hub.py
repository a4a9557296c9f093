"""A Hugging Face hub on this machine, as far as fetching a file needs one.

    with Hub({"ann/tiny/tiny.gguf": content}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        ...
    assert hub.sent("GET") == [...]

It answers `HEAD` and `GET` of `owner/repository/resolve/main/file`, with ranges, as the hub answers for a
large file. What goes wrong is a `Mood`, which holds until another one is set.
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + "0" * 34
PAGE = b"<html>Welcome to the hotel. Sign in to use the network.</html>"


class Mood(Enum):
    FINE = auto()
    BREAKS_ONCE = auto()  # the connection ends in the middle of the file; the next one is fine
    BREAKS = auto()  # ... and every further one sends nothing
    WAITS = auto()  # in the middle of the file, until `release` is set
    LIES = auto()  # sends other bytes than those whose hash it states
    SIGN_IN = auto()  # a page of somebody else's, whatever is asked
    SIGN_IN_LATER = auto()  # ... once the file itself is asked for
    GATED = auto()
    BAD_TOKEN = auto()
    BUSY = auto()  # HTTP 503


@dataclass(frozen=True)
class Asked:
    """One request: of the headers, those that matter here."""

    method: str
    path: str
    range: str
    token: str


class Hub(ThreadingHTTPServer):
    """files: what there is, by `owner/repository/file`; a path is read when it is asked for."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes | Path], mood: Mood = Mood.FINE):
        super().__init__(("127.0.0.1", 0), _Connection)
        self.files = dict(files)
        self.mood = mood
        self.asked: list[Asked] = []
        self.half_sent, self.release = threading.Event(), threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sent(self, method: str) -> list[str]:
        """The ranges that were asked for with this method, "" for the whole file."""
        return [each.range for each in self.asked if each.method == method]

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients that hang up are the daily bread of these tests."""


class _Connection(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        hub = self.server
        repository, is_file, name = self.path.lstrip("/").partition("/resolve/main/")
        if not is_file:  # the package asks for other things, too
            self._say(404, {}, b"", with_body)
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        hub.asked.append(Asked(self.command, self.path, self.headers.get("Range", ""), token))
        content = hub.files.get(f"{repository}/{name}")
        has_repository = any(each.startswith(f"{repository}/") for each in hub.files)
        if hub.mood is Mood.SIGN_IN or (hub.mood is Mood.SIGN_IN_LATER and with_body):
            self._say(200, {"Content-Type": "text/html"}, PAGE, with_body)
        elif hub.mood is Mood.GATED:
            self._say(401, {"X-Error-Code": "GatedRepo"}, b"", with_body)
        elif hub.mood is Mood.BAD_TOKEN:
            wrong = "Invalid credentials in Authorization header"
            self._say(401, {"X-Error-Message": wrong}, b"", with_body)
        elif hub.mood is Mood.BUSY:
            self._say(503, {}, b"", with_body)
        elif not has_repository:
            self._say(401, {"X-Error-Code": "RepoNotFound"}, b"", with_body)
        elif content is None:
            self._say(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"", with_body)
        else:
            self._send(content.read_bytes() if isinstance(content, Path) else content, with_body)

    def _send(self, content: bytes, with_body: bool) -> None:
        hub, headers = self.server, {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
        if hub.mood is Mood.LIES:
            content = content[:-1] + b"?"
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self._say(206 if begin else 200, headers, content[begin:], with_body)

    def _say(self, status: int, headers: Mapping[str, str], body: bytes, with_body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            for part in self._parts(body):
                self.wfile.write(part)
                self.wfile.flush()

    def _parts(self, body: bytes) -> Iterable[bytes]:
        hub, half = self.server, len(body) // 2
        if hub.mood is Mood.BREAKS and len(hub.sent("GET")) > 1:
            return
        yield body[:half]
        hub.half_sent.set()
        if hub.mood is Mood.WAITS:
            hub.release.wait(60)
        if hub.mood is not Mood.BREAKS and not (hub.mood is Mood.BREAKS_ONCE and len(hub.sent("GET")) == 1):
            yield body[half:]

    def log_message(self, *_: object) -> None:
        """Nothing: a test's output belongs to the test."""
