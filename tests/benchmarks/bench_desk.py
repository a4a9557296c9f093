"""What a turn costs at the director's desk and in the chat box, in a short talk and in a long one.

    python tests/benchmarks/bench_desk.py

Each figure is the CPU time of one turn with all that is drawn for it, the picture of the talk included,
on the fake. The floor, in the same run, is the same turn of an arena, or of an NPC, without a panel.
Short and long talks take turns, so that whatever else runs on the machine slows both down.

Exits with 1 if a turn in a long talk costs more than its limit.
"""

import itertools
import re
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from npc_lab import ChatArena, FakeClient, NPCFactory
from npc_lab.widgets import arena_controls, chat_box

SHORT, LONG = 10, 400  # lines at the desk, exchanges in the box
ROUNDS = 12
SENTENCE = "the old sword has seen more winters than any merchant in this inn and none of them was cheap"
WORDS = re.findall(r"\w+", SENTENCE)


def factory() -> tuple[NPCFactory, list[str]]:
    """Two NPCs whose lines differ in length and share some words."""
    numbers = itertools.count()

    def line(_: object) -> str:
        number = next(numbers)
        return " ".join(WORDS[(number * 7 + place * 3) % len(WORDS)] for place in range(12 + number % 9))

    made = NPCFactory(FakeClient(line), "fake")
    return made, [made.register_npc("an inn", f"You are {name}.", name=name) for name in ("Ada", "Bob")]


def desk(lines: int) -> Callable[[], object]:
    """One turn at the desk of a talk that has so many lines."""
    made, npc_ids = factory()
    panel = arena_controls(ChatArena(made), *npc_ids)
    panel.run(lines)
    return lambda: panel.run(1)


def arena(lines: int) -> Callable[[], object]:
    """One turn of an arena."""
    made, npc_ids = factory()
    arena = ChatArena(made)
    talk = arena.start_conversation(*npc_ids)
    arena.run_conversation(talk, lines)
    return lambda: arena.run_turn(talk)


def box(exchanges: int) -> Callable[[], object]:
    """One exchange in a chat box."""
    made, npc_ids = factory()
    panel = chat_box(made, npc_ids[0])
    for _ in range(exchanges):
        panel.say("And then?")
    return lambda: panel.say("And then?")


def npc(exchanges: int) -> Callable[[], object]:
    """One exchange with an NPC."""
    made, npc_ids = factory()
    user_id = made.register_user("you")
    for _ in range(exchanges):
        made.chat_with_npc(npc_ids[0], user_id, "And then?")
    return lambda: made.chat_with_npc(npc_ids[0], user_id, "And then?")


# What is measured, and how many times a turn in a short talk one in a long talk may cost.
ROWS: list[tuple[str, Callable[[int], Callable[[], object]], float | None]] = [
    ("desk", desk, 1.5),
    ("arena without a panel", arena, None),
    ("chat box", box, 2.0),
    ("NPC without a panel", npc, None),
]


def milliseconds(*turns: Callable[[], object]) -> list[float]:
    """The CPU time of each of these turns, at its best of some rounds."""
    best = [float("inf")] * len(turns)
    for _ in range(ROUNDS):
        for place, turn in enumerate(turns):
            start = time.process_time()
            turn()
            best[place] = min(best[place], 1_000 * (time.process_time() - start))
    return best


def main() -> None:
    """Measure everything, print the table, and say whether all is within its limit."""
    table = Table("CPU of one turn", f"at {SHORT}", f"at {LONG}", "ratio", "limit")
    is_fine = True
    for name, begin, limit in ROWS:
        short, long = milliseconds(begin(SHORT), begin(LONG))
        is_fine = is_fine and (limit is None or long <= limit * short)
        shown = f"{limit}" if limit else ""
        table.add_row(name, f"{short:.1f} ms", f"{long:.1f} ms", f"{long / short:.2f}", shown)
    Console(width=100).print(table)
    sys.exit(not is_fine)


if __name__ == "__main__":
    main()
