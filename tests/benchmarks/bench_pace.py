"""A class on one key: 30 clients, each with a pace of its own, on an endpoint with a limit.

    python tests/benchmarks/bench_pace.py

All at ten times the speed: a client's `per_minute=2` is 20 here, and the endpoint's minute lasts 6 seconds.
Each client begins at a random moment and wants 10 turns. A turn that is refused in spite of the openai
package's own retries is asked again. The floor is what the limit allows. Exits with 1 if a limit is passed.
"""

import random
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loopback import KEY, Loopback, Reply, Status
from rich.console import Console
from rich.table import Table

from npc_lab import NPCConfig, ReplyError, SimpleChatNPC, connect

CLIENTS, TURNS = 30, 10
SPEED = 10
MINUTE = 60 / SPEED  # seconds
PER_MINUTE = 2 * SPEED  # of each client


class Limit:
    """An endpoint that serves so many calls in any minute and refuses the others."""

    def __init__(self, per_minute: int, says_when: bool):
        self._per_minute = per_minute
        self._says_when = says_when
        self._served: deque[float] = deque()
        self._lock = threading.Lock()
        self.refused = 0

    def __call__(self, body: dict[str, Any]) -> str | Reply:
        with self._lock:
            now = time.monotonic()
            while self._served and now - self._served[0] > MINUTE:
                self._served.popleft()
            if len(self._served) < self._per_minute:
                self._served.append(now)
                return "Aye."
            self.refused += 1
            headers = {"Retry-After": "1"} if self._says_when else {}
            return Status(429, "Slow down.", code="rate_limit_exceeded", headers=headers)


def client_turns(address: str, dice: random.Random) -> int:
    """One client's turns: how many are remembered at the end."""
    client, model = connect(base_url=address, model="m", api_key=KEY, per_minute=PER_MINUTE)
    npc = SimpleChatNPC(client, model, NPCConfig("a world", "You are Ada.", memory="all"))
    time.sleep(dice.uniform(0, 60 / PER_MINUTE))
    while len(npc.chat_histories.get("u", [])) < 2 * TURNS:
        try:
            npc.chat("And now?", "u")
        except ReplyError as error:
            if error.kind != "rate_limit":
                raise
    return len(npc.chat_histories["u"]) // 2


def measure(per_minute: int, says_when: bool) -> tuple[float, int, int]:
    """Return the seconds for all turns, how many are remembered, and how many calls were refused."""
    limit, dice = Limit(per_minute, says_when), random.Random(1)
    with Loopback(limit) as server, ThreadPoolExecutor(CLIENTS) as threads:
        began = time.monotonic()
        served = sum(threads.map(lambda _: client_turns(server.base_url, dice), range(CLIENTS)))
        return time.monotonic() - began, served, limit.refused


def main() -> None:
    """Measure everything, print the table, and say whether all is within its limit."""
    table = Table("the endpoint allows a minute", "served", "refused", "seconds", "floor", "ratio", "limit")
    fine = True
    for per_minute, says_when, most, may_refuse in (
        (66, False, 1.1, False),
        (45, True, 1.25, True),
        (45, False, 1.25, True),
    ):
        seconds, served, refused = measure(per_minute, says_when)
        floor = CLIENTS * TURNS / min(per_minute, CLIENTS * PER_MINUTE / SPEED) * MINUTE
        fine &= served == CLIENTS * TURNS and seconds <= most * floor and bool(refused) == may_refuse
        name = f"{per_minute}, and says when to try again" if says_when else str(per_minute)
        table.add_row(
            *(name, str(served), str(refused), f"{seconds:.1f}", f"{floor:.1f}", f"{seconds / floor:.2f}"),
            str(most),
        )
    Console(width=110).print(table)
    sys.exit(not fine)


if __name__ == "__main__":
    main()
