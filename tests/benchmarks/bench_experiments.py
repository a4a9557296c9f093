"""What an experiment costs beside bare calls: 1,000 talks of 4 turns, 64 wide, at 200 ms a reply.

    python tests/benchmarks/bench_experiments.py

The floor, in the same run, is a loop over the bare `openai` client in as many threads, which sends the same
messages to the same endpoint and keeps nothing. The endpoint is a process of its own. Ours writes each turn
into the store, measures each talk and makes the card. `--rounds` repeats both in turns; the median counts.

Memory is measured at two sizes: what a run keeps for a talk must not grow with the number of talks.
"""

import argparse
import contextlib
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loopback import Held, Loopback
from rich.console import Console
from rich.table import Table

from npc_lab import FakeClient, NPCConfig
from npc_lab.experiments import Experiment, Scene
from npc_lab.measures import own_repeats

TURNS, WIDE, SECONDS_A_REPLY, LIMIT = 4, 64, 0.2, 1.15
LINE = "I have walked from York to London in the rain, and nobody gave me bread. What do you want of me?"
GUY, HANS = NPCConfig("London", "You are Sir Guy."), NPCConfig("London", "You are Hans.")


def serve(told: Any) -> None:
    with Loopback(lambda body: Held(LINE, seconds=SECONDS_A_REPLY)) as server:
        told.send(server.base_url)
        told.recv()


@contextlib.contextmanager
def endpoint() -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    yield ours.recv()
    process.terminate()
    process.join()


def client_of(base_url: str) -> Any:
    import httpx
    import openai

    room = httpx.Limits(max_connections=WIDE, max_keepalive_connections=WIDE)
    http = openai.DefaultHttpxClient(limits=room, trust_env=False)
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=http)


def experiment(talks: int) -> Experiment:
    scenes = {"a": Scene(GUY, HANS, turns=TURNS), "b": Scene(GUY, HANS, turns=TURNS)}
    return Experiment("bench", scenes, [own_repeats], talks=talks // 2)


def floor(client: Any, talks: int) -> None:
    system = {"role": "system", "content": GUY.system_message()}

    def talk(_: int) -> None:
        messages = [system, {"role": "user", "content": "Hello! Who are you?"}]
        for _ in range(TURNS):
            reply = client.chat.completions.create(model="m", messages=messages, temperature=0.6, seed=1)
            messages += [{"role": "assistant", "content": reply.choices[0].message.content}]
            messages += [{"role": "user", "content": LINE}]

    with ThreadPoolExecutor(WIDE) as pool:
        list(pool.map(talk, range(talks)))


def timed(action: Callable[[], object]) -> tuple[float, float]:
    wall, own = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - own


def bytes_a_talk(talks: int) -> float:
    """What is still there after a run, for each talk."""
    with tempfile.TemporaryDirectory() as folder:
        client = FakeClient(lambda messages: LINE)
        client.calls = type("Nothing", (list,), {"append": lambda *_: None})()
        tracemalloc.start()
        results = experiment(talks).run(client, "m", Path(folder, "lab.db"))
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not any(results.missing.values())
    return kept / talks


def main() -> int:
    """Measure, print the table, and return 1 if a limit is passed or a talk was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--talks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    ours, bare = list[tuple[float, float]](), list[tuple[float, float]]()
    with endpoint() as base_url, tempfile.TemporaryDirectory() as folder:
        client = client_of(base_url)
        floor(client, WIDE)  # connections are open
        experiment(2).run(client, "m", Path(folder, "warm.db"), limit=math.inf)
        for number in range(options.rounds):
            bare.append(timed(lambda: floor(client, options.talks)))
            store = Path(folder, f"{number}.db")
            done = []
            ours.append(
                timed(
                    lambda store=store, done=done: done.append(
                        experiment(options.talks).run(client, "m", store, workers=WIDE, limit=math.inf)
                    )
                )
            )
            lost = sum(map(len, done[0].missing.values()))
    table = Table("what", "ours", "floor", "ratio", "limit")
    ratios = []
    for name, at in (("wall, s", 0), ("CPU of this process, s", 1)):
        values = [statistics.median(each[at] for each in measured) for measured in (ours, bare)]
        ratios.append(values[0] / values[1])
        limit = f"{LIMIT}" if at == 0 else ""
        table.add_row(name, f"{values[0]:.2f}", f"{values[1]:.2f}", f"{ratios[-1]:.3f}", limit)
    few, many = bytes_a_talk(100), bytes_a_talk(400)
    table.add_row("bytes a talk: 400 talks / 100", f"{many:,.0f}", f"{few:,.0f}", f"{many / few:.3f}", "1.1")
    table.add_row("talks lost", str(lost), "", "", "0")
    Console(width=90).print(table)
    print(f"load: {os.getloadavg()}")
    return int(ratios[0] > LIMIT or many > 1.1 * few or lost > 0)


if __name__ == "__main__":
    sys.exit(main())
