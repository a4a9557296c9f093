"""What grows with the length of a talk or a reply must not grow with its square.

    python tests/benchmarks/bench_growth.py

Each row is measured at four times the size beside the size: in proportion, that is 4. Seconds are of CPU.
Exits with 1 if a limit is passed.
"""

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from npc_lab import FakeClient, History, NPCConfig, SimpleChatNPC
from npc_lab.scratchpad import ThoughtParser

TIMES = 4


def best_of(rounds: int, run: Callable[[], object]) -> float:
    """The seconds of the quickest round: the others were disturbed."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def turn_that_remembers_all(exchanges: int) -> float:
    """One turn of an NPC that has never forgotten anything."""
    npc = SimpleChatNPC(FakeClient(lambda _: "Aye."), "m", NPCConfig("a world", "You.", memory="all"))
    line = {"role": "user", "content": "Good day, what is new?"}
    answer = {"role": "assistant", "content": "Nothing much, good sir."}
    npc.chat_histories["u"] = History([line, answer] * exchanges)
    return best_of(3, lambda: npc.chat("And now?", "u"))


def parser(unit: str, has_scratchpad: bool) -> Callable[[int], float]:
    """A reply that arrives one character at a time, parted into thoughts and speech."""

    def seconds(characters: int) -> float:
        text = (unit * characters)[:characters]

        def read() -> None:
            thoughts = ThoughtParser(has_scratchpad)
            for character in text:
                thoughts.feed(character)
            thoughts.finish()

        return best_of(2, read)

    return seconds


ROWS: list[tuple[str, Callable[[int], float], int, float]] = [
    ("a turn with memory='all', exchanges", turn_that_remembers_all, 10_000, 5),
    ("the parser, characters of words", parser("He walks to the gate. ", False), 100_000, 6),
    ("the parser, characters of thoughts", parser("He walks to the gate. ", True), 100_000, 6),
    ("the parser, ##########", parser("#", True), 50_000, 6),
    ("the parser, U+FEFF in a row", parser("\ufeff", True), 50_000, 6),
]


def main() -> None:
    """Measure everything, print the table, and say whether all is within its limit."""
    table = Table("what grows", "from", "to", "seconds", "seconds then", "ratio", "limit")
    ratios = []
    for name, measure, size, limit in ROWS:
        small, large = measure(size), measure(TIMES * size)
        ratios.append((large / small, limit))
        sizes = f"{size:,}", f"{TIMES * size:,}"
        table.add_row(name, *sizes, f"{small:.3f}", f"{large:.3f}", f"{large / small:.1f}", f"{limit}")
    Console(width=120).print(table)
    sys.exit(any(ratio > limit for ratio, limit in ratios))


if __name__ == "__main__":
    main()
