"""What a store costs, each number beside its floor or its limit, measured in the same run.

    python tests/benchmarks/bench_store.py

The floor of a turn is the same turn without a store. A file of 100,000 turns is opened, listed and read.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench_core import LINE, alternating
from loopback import Loopback
from rich.console import Console
from rich.table import Table

from npc_lab import ChatArena, FakeClient, NPCFactory
from npc_lab.cli.log import Log

TURNS = 100_000
TURNS_A_TALK = 20
TALKS_LISTED = 30
THREADS, TURNS_A_THREAD = 64, 40


def talk_of(client: object, store: Path | None) -> tuple[ChatArena, str]:
    """An arena with a talk that has begun, on a store or on none."""
    factory = NPCFactory(client, "m", store=store)
    one = factory.register_npc("London", "You are One.", has_scratchpad=True)
    two = factory.register_npc("London", "You are Two.")
    arena = ChatArena(factory)
    talk = arena.start_conversation(one, two)
    arena.run_conversation(talk, 12)
    return arena, talk


def turn_seconds(client: object, folder: Path, name: str, rounds: int) -> tuple[float, float]:
    """A turn in the arena, with a store and without."""
    stored, stored_talk = talk_of(client, folder / f"{name}.db")
    plain, plain_talk = talk_of(client, None)
    return alternating(lambda: stored.run_turn(stored_talk), lambda: plain.run_turn(plain_talk), rounds)


def fake_seconds(folder: Path) -> tuple[float, float]:
    return turn_seconds(FakeClient(lambda _: LINE), folder, "fake", 2000)


def loopback_seconds(folder: Path) -> tuple[float, float]:
    with Loopback(lambda body: LINE) as server:
        return turn_seconds(server.client(), folder, "loopback", 400)


def thread_seconds(folder: Path) -> tuple[float, float]:
    """So many threads, each with a talk of its own: all of their turns."""

    def run(store: Path | None) -> float:
        factory = NPCFactory(FakeClient(lambda messages: LINE), "m", store=store)
        npc = factory.register_npc("London", "You are One.")
        users = [factory.register_user(f"user {number}") for number in range(THREADS)]

        def talk(user: str) -> None:
            for _ in range(TURNS_A_THREAD):
                factory.chat_with_npc(npc, user, LINE)

        threads = [threading.Thread(target=talk, args=[user]) for user in users]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    times = [(run(folder / f"threads {number}.db"), run(None)) for number in range(3)]
    return statistics.median(ours for ours, _ in times), statistics.median(floor for _, floor in times)


def fill(path: Path) -> None:
    """Half of the turns in talks of two NPCs, half in chats with users."""
    factory = NPCFactory(FakeClient(lambda messages: LINE), "m", store=path)
    arena = ChatArena(factory)
    one, two = (factory.register_npc("London", f"You are {name}.") for name in ("One", "Two"))
    for number in range(TURNS // TURNS_A_TALK // 2):
        with factory.store.together():  # type: ignore[union-attr]  # to fill it is not what is measured
            arena.run_conversation(arena.start_conversation(one, two), TURNS_A_TALK)
            user = factory.register_user(f"user {number}")
            for _ in range(TURNS_A_TALK):
                factory.chat_with_npc(one, user, LINE)
    factory.store.close()  # type: ignore[union-attr]


def seconds(work: Callable[[], object]) -> float:
    """The best of five: how long it takes, not what else the machine does."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(5))


def open_all(path: Path) -> ChatArena:
    return ChatArena(NPCFactory(None, "m", store=path))


def go_on(path: Path) -> None:
    """From the closed file to the talk that goes on."""
    arena = open_all(path)
    talk = list(arena.conversations)[-1]
    conversation = arena.conversations[talk]
    arena.npc_factory.get_npc_chat_history(conversation["npc1_id"], conversation["npc2_user_id"])


def list_talks(path: Path) -> None:
    with closing(Log(path)) as log:
        assert len(log.talks(TALKS_LISTED)) == TALKS_LISTED


def main() -> None:
    """Measure everything and print the tables."""
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            ("a turn in the arena, fake client", fake_seconds(folder)),
            ("a turn in the arena, loopback server", loopback_seconds(folder)),
            (f"{THREADS} threads, {THREADS * TURNS_A_THREAD} turns", thread_seconds(folder)),
        ]
        table = Table("what", "with a store", "without", "more, a turn", "limit")
        for what, (ours, floor) in rows:
            turns = THREADS * TURNS_A_THREAD if "threads" in what else 1
            more = f"{(ours - floor) / turns * 1e3:.3f} ms"
            table.add_row(what, f"{ours * 1e3:,.2f} ms", f"{floor * 1e3:,.2f} ms", more, "1 ms")
        console.print(table)

        path = folder / "large.db"
        fill(path)
        table = Table(f"a file of {TURNS:,} turns", "measured", "limit")
        table.add_row("to open it", f"{seconds(lambda: open_all(path)):.3f} s", "1 s")
        table.add_row("to open it and go on with a talk", f"{seconds(lambda: go_on(path)):.3f} s", "1 s")
        table.add_row(f"to list {TALKS_LISTED} talks", f"{seconds(lambda: list_talks(path)):.3f} s", "0.2 s")
        size = path.stat().st_size / TURNS
        table.add_row(f"bytes a turn, at {len(LINE)} a line", f"{size:,.0f}", "")
        console.print(table)


if __name__ == "__main__":
    main()
