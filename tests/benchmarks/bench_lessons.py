"""How long the checks take, beside the time that a learner waits: `python tests/benchmarks/bench_lessons.py`.

Each exercise is checked with the answer of its solution notebook, the arena also with a turn that never
ends.
"""

import ast
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npc_lab import ChatArena
from npc_lab.lessons import check
from npc_lab.lessons.checking.exercise import Exercise
from npc_lab.lessons.exercises.catalogue import EXERCISES

SOLUTIONS = Path(__file__).resolve().parents[2] / "notebooks" / "solutions"
DEFINING = (ast.Import, ast.ImportFrom, ast.ClassDef)
RUNS = 5
PATIENCE, PATIENCE_WITH_LOOPS = 3.0, 10.0  # seconds


class Endless(ChatArena):
    """Never gives its turn on."""

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        while True:
            pass


def answer_to(exercise: Exercise) -> Any:
    """What the solution notebook declares for it: its answers, and of the other cells imports and classes."""
    namespace: dict[str, Any] = {}
    (path,) = SOLUTIONS.glob(f"{exercise.lesson}_*.ipynb")
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "%pip" not in (source := "".join(cell["source"])):
            is_answer = any(tag.startswith("exercise:") for tag in cell["metadata"].get("tags", []))
            tree = ast.parse(source)
            if not is_answer:
                tree.body = [node for node in tree.body if isinstance(node, DEFINING)]
            exec(compile(tree, path.name, "exec"), namespace)
    return namespace[exercise.declares]


def seconds_of(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    print(f"{'check':<16}{'seconds (median)':>18}{'of the limit':>14}")
    for name, exercise in EXERCISES.items():
        answer = answer_to(exercise)
        assert check(name, answer).passed, name
        seconds = statistics.median(seconds_of(lambda: check(name, answer)) for _ in range(RUNS))  # noqa: B023
        print(f"{name:<16}{seconds:>18.3f}{seconds / PATIENCE:>14.0%}")
    seconds = seconds_of(lambda: check("arena", Endless))
    print(f"{'an endless loop':<16}{seconds:>18.3f}{seconds / PATIENCE_WITH_LOOPS:>14.0%}")


if __name__ == "__main__":
    main()
