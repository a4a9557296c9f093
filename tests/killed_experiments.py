"""Kills experiments in the middle, several times each, and lets them go on: nothing is lost or paid twice.

The endpoint lives on, in the process that kills: it counts what was asked of it.
"""

import os
import random
import sqlite3
import time
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

from kills import SECONDS_TO_END, processes
from loopback import Held, Loopback

from npc_lab import NPCConfig, connect
from npc_lab.experiments import Experiment, Results, Scene
from npc_lab.measures import own_repeats

TALKS, TURNS, WORKERS, KILLS = 8, 6, 4, 5
ALL_TURNS = 2 * TALKS * TURNS


def run(base_url: str, store: Path) -> Results:
    """The experiment that is killed: 96 turns, with what a scene may have."""
    guy, hans = NPCConfig("London", "You are Sir Guy."), NPCConfig("London", "You are Hans.")
    scenes = {
        "plain": Scene(guy, hans, turns=TURNS),
        "remembers": Scene(guy, hans, turns=TURNS, remembers=[("My dog is Bello.", "A fine dog.")]),
    }
    experiment = Experiment("killed", scenes, [own_repeats], talks=TALKS)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        connection = connect(base_url=base_url, model="m")
        return experiment.run(*connection, store, workers=WORKERS)


def kill_experiment(folder: Path, number: int) -> int:
    """Kill one run as often as that, let it end, and check all of it. Return how many calls were in vain."""
    store = folder / f"killed-{number}.db"
    with Loopback(lambda body: Held("Well met, and what brings you here?", seconds=0.003)) as server:
        for left in range(KILLS, 0, -1):
            process = processes.Process(target=run, args=(server.base_url, store), daemon=True)
            asked = len(server.requests)
            wanted = asked + random.randint(1, max(1, (ALL_TURNS - asked) // (left + 1)))
            process.start()
            server.wait_for_requests(wanted)
            time.sleep(random.random() * 0.02)
            process.kill()
            process.join(SECONDS_TO_END)
            assert process.exitcode == -9, f"it was not killed: {process.exitcode}"
        results = run(server.base_url, store)
        calls = len(server.requests)
        check(store, results)
        assert run(server.base_url, store).talks == results.talks
        assert len(server.requests) == calls, "a finished run asked again"
    assert ALL_TURNS <= calls <= ALL_TURNS + KILLS * WORKERS, calls
    return calls - ALL_TURNS


def check(store: Path, results: Results) -> None:
    """All turns are there, each once, each with what the NPC remembers of it."""
    assert not any(results.missing.values())
    talks = [talk for of_scene in results.talks.values() for talk in of_scene if talk is not None]
    assert [[message.seat for message in talk.spoken] for talk in talks] == [[1, 2] * (TURNS // 2)] * (
        2 * TALKS
    )
    with closing(sqlite3.connect(store)) as database:

        def count(query: str) -> int:
            ((number,),) = database.execute(query).fetchall()
            return int(number)

        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert count("SELECT count(*) FROM trials") == 2 * TALKS, "a talk is there twice, or never"
        assert count("SELECT count(*) FROM conversations") == 2 * TALKS, "a seat without its row"
        assert count("SELECT count(DISTINCT turn_id) FROM messages WHERE seat IS NOT NULL") == ALL_TURNS
        # Besides the turns, a scene's NPC remembers what it was given: once in each talk.
        assert count("SELECT count(*) FROM turns") == ALL_TURNS + TALKS, "a memory without its line"
