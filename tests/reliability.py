"""Breaks everything on purpose, in full, and prints the README's table: `python tests/reliability.py`.

It takes about an hour on two cores, most of it for fuzzing and grading. `--part` names one part (repeat it
for more); `--kills`, `--seconds` and `--fuzz` make it shorter. Needs the dev extra and Chromium. The exit
code is 1 where something was lost, leaked or run.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import traceback
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import killed_experiments
import killed_programs
import kills

TESTS = Path(__file__).parent
HEAD = ("what was broken, on purpose", "how many", "lost, leaked or run")


@dataclass
class Row:
    """A line of the table. bad: what should not have happened, how often."""

    what: str
    how_many: str
    bad: int = 0


@dataclass
class Tests:
    """What pytest said of some of its files. examples: how many cases hypothesis made."""

    passed: int
    failed: int
    examples: int


def run_pytest(*arguments: str, **environment: str) -> Tests:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        run = subprocess.run(
            [*command, "--hypothesis-profile=seek", "--hypothesis-show-statistics", *arguments],
            cwd=TESTS.parent,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        if not report.exists():
            raise RuntimeError(f"pytest did not run: {run.stdout}{run.stderr}")
        suite = next(ET.parse(report).iter("testsuite"))
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    if failed:
        print(run.stdout[-5000:], file=sys.stderr)
    passed = int(suite.attrib["tests"]) - failed - int(suite.attrib["skipped"])
    return Tests(passed, failed, sum(map(int, re.findall(r"(\d+) passing", run.stdout))))


def faults(folder: Path, options: Any) -> Iterable[Row]:
    from test_fault_surfaces import FAULTS

    tests = ["tests/test_faults.py", "tests/test_fault_surfaces.py", "tests/test_patience.py"]
    tried = run_pytest(*tests, "-m", "whole or not whole")  # pytest alone tries one fault of each kind
    where = "`chat`, `stream`, arena, chat box, arena's panel, command line, doctor, notebook cell"
    yield Row(
        f"{len(FAULTS)} faults of an endpoint, met by {where}",
        f"{tried.passed:,} trials, {tried.examples:,} fuzzed replies",
        tried.failed,
    )
    moods = run_pytest("tests/test_endpoints.py")
    yield Row("endpoints that refuse a part of what is sent", f"{moods.passed:,} trials", moods.failed)


def kills_of_talks(folder: Path, options: Any) -> Iterable[Row]:
    files = max(1, options.kills // 25)
    killers = kills.kill_talks(folder, options.kills, files, seed=random.random())
    by_kind = sum((killer.kills for killer in killers), start=type(killers[0].kills)())
    turns = sum(killer.ledger.turns for killer in killers)
    yield Row(
        f"`kill -9` of a talk with a store ({', '.join(by_kind).replace('_', ' ')})",
        f"{by_kind.total():,} kills, {turns:,} turns, {len(killers)} files",
    )
    written = kills.kill_writers(folder, options.kills)
    yield Row("`kill -9` while a file is written", f"{written:,} kills")


def experiments(folder: Path, options: Any) -> Iterable[Row]:
    runs = max(1, options.kills // 10)
    in_vain = [killed_experiments.kill_experiment(folder, number) for number in range(runs)]
    kills, turns = runs * killed_experiments.KILLS, runs * killed_experiments.ALL_TURNS
    yield Row(
        f"`kill -9` of an experiment, {killed_experiments.KILLS} times in each run of "
        f"{killed_experiments.ALL_TURNS} turns, {killed_experiments.WORKERS} talks at once",
        f"{kills} kills, {turns:,} turns; {sum(in_vain)} calls in vain, {max(in_vain)} in a run at the most",
    )


def downloads(folder: Path, options: Any) -> Iterable[Row]:
    killed = killed_programs.kill_downloads(folder, options.kills)
    yield Row("`kill -9` of a download of weights, alone and of up to three at once", f"{killed:,} kills")


def grading(folder: Path, options: Any) -> Iterable[Row]:
    left = killed_programs.kill_grading(folder / "class", options.kills)
    kernels, slowest = sum(number for number, _ in left), max(seconds for _, seconds in left)
    yield Row(
        "`kill -9` of `npc-lab grade`",
        f"{len(left)} kills, {kernels} kernels running then, all gone after {slowest:.1f} s at the most",
    )


def threads(folder: Path, options: Any) -> Iterable[Row]:
    ledger = kills.crowd(folder / "crowd.db", options.seconds)
    yield Row(
        f"64 threads on one factory with a store, {options.seconds:g} s",
        f"{ledger.turns:,} turns of {len(ledger.memories):,} users with NPCs",
    )


def processes(folder: Path, options: Any) -> Iterable[Row]:
    for size, killed in [(2, 0), (4, 0), (3, max(1, int(options.seconds // 3)))]:
        ledger = kills.company(folder / f"{size}.db", options.seconds, size, killed)
        while_killed = f", {killed} of them killed" if killed else ""
        yield Row(
            f"{size} processes on one store at once, {options.seconds:g} s{while_killed}",
            f"{ledger.turns:,} turns, {len(ledger.talks)} talks",
        )


def interrupts(folder: Path, options: Any) -> Iterable[Row]:
    from interruptions import SCENES, Count, interrupt_each

    count, stride = Count(), 9
    offsets = random.sample(range(1, stride + 1), stride)
    while count.interrupts < options.interrupts:
        first = offsets.pop()
        for kind in SCENES:
            for with_store in (False, True):
                left = options.interrupts - count.interrupts
                count += interrupt_each(kind, with_store, stride, first, most=left)
    for problem in [*count.blocked, *count.wrong]:
        print(problem, file=sys.stderr)
    yield Row(
        f"Ctrl-C at a line of `chat`, `stream`, `run_turn`, `take_back`, ... ({len(SCENES)} scenes, each "
        "with a store and without)",
        f"{count.interrupts:,} interrupts, {len(count.blocked)} blocked, {len(count.wrong)} disagreements of "
        "memory, talk and file",
        len(count.blocked) + len(count.wrong),
    )


def one_text(folder: Path, options: Any) -> Iterable[Row]:
    from one_text import Spoken, differences, differences_on_the_wire

    choose, differing, cuts = random.Random(), 0, 3
    for number in range(options.replies // cuts):
        spoken = Spoken.made(choose, cuts)
        found = differences(spoken, has_panel=number % 200 == 0)
        found = found or (differences_on_the_wire(spoken) if number % 200 == 1 else {})
        if found:
            differing += 1
            print(spoken, found, file=sys.stderr)
    yield Row(
        "replies of wrappings, marks, names and words, in any cut: heard as one text by `chat`, `stream`, "
        "arena, chat box and partner",
        f"{options.replies // cuts:,} replies, each in {cuts} cuts",
        differing,
    )


def hostile(folder: Path, options: Any) -> Iterable[Row]:
    from payloads import MARKS, ORDERS, PAYLOADS

    corpus = len([*PAYLOADS, *MARKS, *ORDERS])
    fuzzed = run_pytest(
        "tests/test_hostile.py", "tests/test_hostile_store.py", NPC_LAB_FUZZ=str(options.fuzz)
    )
    yield Row(
        "hostile text in the thought parser, the renderer, cards, exports and stores",
        f"{fuzzed.passed:,} tests, {fuzzed.examples:,} fuzzed cases",
        fuzzed.failed,
    )
    shown = run_pytest("-m", "browser", "tests/test_hostile_in_browser.py")
    yield Row(
        "the same texts in every panel and table, in a real browser",
        f"{corpus} texts in {shown.passed} notebooks",
        shown.failed,
    )


def keys(folder: Path, options: Any) -> Iterable[Row]:
    tried = run_pytest("tests/test_keys.py")
    yield Row(
        "marked keys in every lesson, command and failure",
        f"{tried.passed:,} trials, {tried.examples:,} fuzzed cuts",
        tried.failed,
    )


PARTS: dict[str, Callable[[Path, Any], Iterable[Row]]] = {
    "faults": faults,
    "kills": kills_of_talks,
    "experiments": experiments,
    "downloads": downloads,
    "grading": grading,
    "threads": threads,
    "processes": processes,
    "interrupts": interrupts,
    "one_text": one_text,
    "hostile": hostile,
    "keys": keys,
}


def rows_of(part: str, options: Any) -> list[Row]:
    """A part's rows; what stops it is a row, too."""
    rows = list[Row]()
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        try:
            for row in PARTS[part](Path(folder), options):
                print(in_markdown(row), file=sys.stderr, flush=True)
                rows.append(row)
        except Exception:
            traceback.print_exc()
            rows.append(Row(f"{part}: it broke, see above", "", bad=1))
    return rows


def in_markdown(row: Row) -> str:
    return f"| {row.what} | {row.how_many} | {row.bad} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this part")
    parser.add_argument("--kills", type=int, default=200, help="of each kind")
    parser.add_argument("--seconds", type=float, default=60.0, help="for threads, and for processes")
    parser.add_argument("--interrupts", type=int, default=10_000, help="in all")
    parser.add_argument("--replies", type=int, default=100_000, help="times their cuts")
    parser.add_argument("--fuzz", type=int, default=25, help="times as many cases as pytest tries")
    options = parser.parse_args()
    rows = [row for part in options.part or PARTS for row in rows_of(part, options)]
    print("\n".join([f"| {' | '.join(HEAD)} |", "|---|---|---|", *map(in_markdown, rows)]))
    return int(any(row.bad for row in rows))


if __name__ == "__main__":
    sys.exit(main())
