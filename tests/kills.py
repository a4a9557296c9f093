"""Kills lives at random moments, and shows that nothing was lost; and many of them at once, on one file.

What talks, and tells of it, is in lives.py. What was told is in ledger.py, which holds it against the file.

    Killer          one file, and all that is done to it
    kill_talks      many kills, on some files;  kill_writers: of processes that write one file whole
    crowd           many threads in one life;  company: several lives on one file at once
"""

import contextlib
import itertools
import multiprocessing
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ledger import Ledger, read_rows
from lives import KINDS, Event, Life, live

from npc_lab.files import write_whole

SECONDS_TO_END = 30.0
# A process that has loaded what takes long, and is copied for each life. Windows has none.
processes = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
with contextlib.suppress(ValueError):
    processes.set_forkserver_preload(
        ["npc_lab.arena", "npc_lab.endpoints.fake", "openai.types.chat", "nbformat.v4"]
    )


class Child:
    """A life in a process of its own, and a ledger that it tells."""

    def __init__(self, file: Path, kind: str, ledger: Ledger, name: str = "", **ends: float):
        self.told, theirs = processes.Pipe(duplex=False)
        arguments = (file, kind, random.random(), theirs, name)
        self.process = processes.Process(target=live, args=arguments, kwargs=ends, daemon=True)
        self.ledger, self.events, self.has_ended = ledger, Counter[str](), False
        self.process.start()
        theirs.close()  # so that its end is ours to see

    def hear(self, seconds: float = SECONDS_TO_END) -> bool:
        """Note what it tells next. False: nothing came in that time, or nothing can come any more."""
        try:
            if not self.told.poll(seconds):
                return False
            event = self.told.recv()
        except (EOFError, OSError):  # it died, perhaps in the middle of a word
            self.has_ended = True
            return False
        self.events[event[0]] += 1
        self.ledger.note(event)
        return True

    def kill(self) -> None:
        """End it as the system does when there is no memory left; and hear what it still told."""
        self.process.kill()
        self.die(signal.SIGKILL)

    def die(self, of: signal.Signals) -> None:
        """Listen until it is dead."""
        while self.hear():
            pass
        self.process.join(SECONDS_TO_END)
        assert self.process.exitcode == -of, f"it was not killed: {self.process.exitcode}"

    def live_until(self, moment: float) -> None:
        """Listen until then."""
        while (left := moment - time.monotonic()) > 0 and not self.has_ended:
            self.hear(left)


class Killer:
    """One file, and all that is done to it."""

    def __init__(self, file: Path, seed: float):
        self.file, self.ledger, self.random = file, Ledger(), random.Random(seed)
        self.kills = Counter[str]()
        random.seed(seed)

    def kill_in_time(self, kind: str) -> None:
        """Let a process talk, kill it at a random moment, and check what is there."""
        child = Child(self.file, kind, self.ledger)
        for _ in range(self.random.choice([1, 2, 8, 8 + self.random.randrange(40)])):
            assert child.hear(), "it said nothing"
        child.live_until(time.monotonic() + self.random.random() ** 2 * 0.02)
        child.kill()
        self._check(kind)

    def kill_at_a_line(self, kind: str) -> None:
        """The same, at a random line of the store's code."""
        child = Child(self.file, kind, self.ledger, lines=1 + int(self.random.random() ** 2 * 2000))
        child.die(signal.SIGALRM)
        self._check(kind)

    def _check(self, kind: str) -> None:
        self.kills[kind] += 1
        if self.file.exists() or self.ledger.systems:  # the first kill may come before there is a file
            self.ledger.check(self.file)


def kill_talks(folder: Path, kills: int, files: int, seed: float) -> list[Killer]:
    """So many kills, half of them at a line, each of the kinds in turn; each of the files outlives many."""
    killers = [Killer(folder / f"{number}.db", seed + number) for number in range(files)]
    kinds = list(KINDS)
    for number in range(kills):
        killer, round_ = killers[number % files], number // files
        kill = killer.kill_in_time if (round_ // len(kinds) + number) % 2 else killer.kill_at_a_line
        kill(kinds[(round_ + number % files) % len(kinds)])
    return killers


def write_forever(path: Path, report: Connection) -> None:
    """A child process that writes one file again and again."""
    for number in itertools.count():
        write_whole(path, bytes([number % 256]) * 2_000_000)
        report.send(number)


def kill_writers(folder: Path, kills: int) -> int:
    """So many that write a file: it is there as it was written last, or as it was to be written next."""
    path = folder / "written.json"
    for _ in range(kills):
        told, theirs = processes.Pipe(duplex=False)
        process = processes.Process(target=write_forever, args=(path, theirs), daemon=True)
        process.start()
        theirs.close()
        last = told.recv()
        time.sleep(random.random() * 0.02)
        process.kill()
        with contextlib.suppress(EOFError, OSError):
            while True:
                last = told.recv()
        process.join(SECONDS_TO_END)
        content = path.read_bytes()
        assert content in [bytes([number % 256]) * 2_000_000 for number in (last, last + 1)]
    return kills


def crowd(file: Path, seconds: float, threads: int = 64) -> Ledger:
    """So many threads on one factory: a quarter in arenas, a quarter with few users."""
    told = list[Event]()
    life = Life(file, told.append)
    assert life.factory.store
    npcs = [life.npc(f"Townsman {number}") for number in range(8)]
    deadline = time.monotonic() + seconds

    def run(number: int) -> None:
        if number % 4 == 0:
            talk_id = life.talk(*random.sample(npcs, 2))
            act: Callable[[], None] = lambda: life.turn(talk_id)  # noqa: E731
        elif number % 4 == 1:
            user_id = shared[number // 4 % len(shared)]
            act = lambda: life.say_as_one_of_many(npcs[number % 2], user_id)  # noqa: E731
        else:
            own = life.user(f"Visitor {number}")
            act = lambda: life.say(random.choice(npcs), own)  # noqa: E731
        while time.monotonic() < deadline:
            act()

    shared = [life.user(f"Guest {number}") for number in range(4)]
    with closing(life.factory.store), _many_switches(), ThreadPoolExecutor(threads) as pool:
        for each in [pool.submit(run, number) for number in range(threads)]:
            each.result()
        life.tell("ended", life.factory.store.problem, "")
        ledger = Ledger()
        for event in _in_the_files_order(file, told):
            ledger.note(event)
        for (npc_id, user_id), memory in ledger.memories.items():
            assert life.factory.get_npc_chat_history(npc_id, user_id) == memory
    ledger.check(file)
    return ledger


@contextlib.contextmanager
def _many_switches() -> Iterator[None]:
    """Threads give way to each other a hundred times as often as usual: more happens at once."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _in_the_files_order(file: Path, told: list[Event]) -> list[Event]:
    """What several threads said as one user was not told in its order. The fingerprints prove the file's."""
    with closing(sqlite3.connect(file)) as database:
        places = dict(read_rows(database, "SELECT answer, id FROM turns"))
    shared = sorted((each for each in told if each[0] == "shared"), key=lambda event: places[event[3]])
    return [each for each in told if each[0] != "shared"] + shared


def company(file: Path, seconds: float, size: int, kills: int = 0) -> Ledger:
    """So many processes on one file at once. kills: how many are killed; others take their place."""
    ledger, number = Ledger(), itertools.count(1)

    def child(seconds: float) -> Child:
        return Child(file, "everything", ledger, f"{next(number)}", seconds=seconds)

    deadline = time.monotonic() + seconds
    children = [child(seconds) for _ in range(size)]
    moments = sorted(time.monotonic() + random.random() * seconds for _ in range(kills))
    while running := [each for each in children if not each.has_ended]:
        for connection in wait([each.told for each in running], timeout=0.01):
            next(each for each in running if each.told is connection).hear()
        if moments and time.monotonic() > moments[0] and len(running) == size:
            moments.pop(0)
            random.choice(running).kill()
            children.append(child(max(deadline - time.monotonic(), 0.5)))
    assert sum(each.events["ended"] for each in children) == size
    ledger.check(file)
    return ledger
