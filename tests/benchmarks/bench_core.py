"""What the core costs, each number beside its floor measured in the same run.

    python tests/benchmarks/bench_core.py

The floor of a turn is the bare openai client sending the same messages to the same loopback server.
"""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loopback import Held, Loopback
from rich.console import Console
from rich.table import Table

from npc_lab import ChatArena, FakeClient, NPCConfig, NPCFactory, SimpleChatNPC

LINE = "I have walked from York to London in the rain, and nobody gave me bread. What do you want of me?"
TALKS, TURNS, SECONDS_A_REPLY = 32, 4, 0.2


def import_seconds(module: str) -> float:
    """Seconds to import a module in a fresh interpreter, less what the interpreter itself takes."""
    clock = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", clock]
    return min(float(subprocess.check_output(command, text=True)) for _ in range(7))


def alternating(ours: Callable[[], object], floor: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of both, measured in turns, so that what the machine does besides meets both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for measured, seconds in zip((ours, floor), times, strict=True):
            start = time.perf_counter()
            measured()
            seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def pair(client: Any) -> tuple[ChatArena, str, str]:
    factory = NPCFactory(client, "m")
    arena = ChatArena(factory)
    return (
        arena,
        factory.register_npc("London", "You are One."),
        factory.register_npc("London", "You are Two."),
    )


def bare_call(client: Any, messages: list[dict[str, str]]) -> str:
    return (
        client.chat.completions.create(model="m", messages=messages, temperature=0.6)
        .choices[0]
        .message.content
    )


def bare_stream(client: Any, messages: list[dict[str, str]]) -> str:
    stream = client.chat.completions.create(
        model="m", messages=messages, temperature=0.6, stream=True, stream_options={"include_usage": True}
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def turn_seconds() -> tuple[float, float]:
    with Loopback(lambda body: LINE) as server:
        client = server.client()
        arena, one, two = pair(client)
        talk = arena.start_conversation(one, two)
        arena.run_conversation(talk, 12)
        return alternating(lambda: arena.run_turn(talk), lambda: bare_call(client, server.sent[-1]), 400)


def stream_seconds() -> tuple[float, float]:
    with Loopback(lambda body: LINE) as server:
        client = server.client()
        arena, one, _ = pair(client)
        factory = arena.npc_factory
        user = factory.register_user("u")

        def ours() -> str:
            return "".join(factory.stream_with_npc(one, user, LINE))

        ours()
        return alternating(ours, lambda: bare_stream(client, server.sent[-1]), 200)


def many_seconds() -> tuple[float, float]:
    """So many talks in so many threads, at 200 ms a reply."""
    with Loopback(lambda body: Held(LINE, seconds=SECONDS_A_REPLY)) as server:
        client = server.client()
        arena, one, two = pair(client)
        messages = [{"role": "system", "content": "WORLD SETTING: London"}, {"role": "user", "content": LINE}]

        def ours() -> None:
            talks = [arena.start_conversation(one, two) for _ in range(TALKS)]
            arena.run_conversations(talks, TURNS, max_workers=TALKS)

        def floor() -> None:
            def talk() -> None:
                for _ in range(TURNS):
                    bare_call(client, messages)

            threads = [threading.Thread(target=talk) for _ in range(TALKS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        floor()
        return alternating(ours, floor, 3)


def characters_read_anew(memory: str) -> float:
    """What 100 turns of 400 characters make a prompt cache read anew, in characters."""
    client = FakeClient(lambda messages: messages[-1]["content"][::-1])
    npc = SimpleChatNPC(client, "m", NPCConfig("", "", memory=memory))
    before, new = "", 0
    for turn in range(100):
        npc.chat(f"{turn:04d}".ljust(400, "."), "u")
        prompt = "".join(message["content"] for message in client.calls[-1]["messages"][1:])
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, prompt, strict=False)) if a != b), len(before)
        )
        before, new = prompt, new + len(prompt) - shared
    return float(new)


def main() -> None:
    """Measure everything and print the table."""
    rows = [
        (
            "import npc_lab / import openai",
            (import_seconds("npc_lab"), import_seconds("openai")),
            1e3,
            "ms",
            0.35,
        ),
        ("a turn in the arena / bare openai", turn_seconds(), 1e3, "ms", 1.05),
        ("a streamed turn / bare openai", stream_seconds(), 1e3, "ms", 1.05),
        (f"{TALKS} talks in threads / bare threads", many_seconds(), 1, "s", 1.05),
        (
            "read anew: blocks / sliding",
            (characters_read_anew("blocks"), characters_read_anew("sliding")),
            1,
            "chars",
            0.35,
        ),
    ]
    table = Table("what / its floor", "ours", "floor", "ratio", "limit")
    for name, (ours, floor), scale, unit, limit in rows:
        values = f"{ours * scale:,.2f} {unit}", f"{floor * scale:,.2f} {unit}"
        table.add_row(name, *values, f"{ours / floor:.3f}", f"{limit}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
