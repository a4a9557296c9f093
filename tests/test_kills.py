"""Killed at random moments: talks, downloads, grading. Many at once: threads, processes.

The short form. `python tests/reliability.py` runs all of it in full.
"""

import random
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to kill with"),
]

import killed_experiments  # noqa: E402
import killed_programs  # noqa: E402
import kills  # noqa: E402


@pytest.fixture
def seed() -> float:
    """Another one at every run; pytest shows it where a test fails."""
    seed = random.SystemRandom().random()
    print(f"seed: {seed}")
    return seed


def test_talks_outlive_kills(tmp_path: Path, seed: float) -> None:
    killers = kills.kill_talks(tmp_path, kills=20, files=2, seed=seed)
    assert sum(killer.kills.total() for killer in killers) == 20
    assert all(killer.ledger.turns for killer in killers)


def test_experiments_outlive_kills_and_pay_for_no_turn_twice(tmp_path: Path, seed: float) -> None:
    random.seed(seed)
    for number in range(3):
        killed_experiments.kill_experiment(tmp_path, number)


def test_64_threads_lose_and_cross_no_turn(tmp_path: Path) -> None:
    assert kills.crowd(tmp_path / "lab.db", seconds=4).turns > 200


def test_processes_share_a_store_also_when_some_are_killed(tmp_path: Path) -> None:
    assert kills.company(tmp_path / "two.db", seconds=1.5, size=2).turns > 20
    assert kills.company(tmp_path / "killed.db", seconds=1.5, size=3, kills=2).turns > 20


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    kills.kill_writers(tmp_path, kills=20)


def test_a_killed_download_leaves_nothing_half_done(tmp_path: Path) -> None:
    assert killed_programs.kill_downloads(tmp_path, kills=1) >= 1


def test_killed_grading_leaves_no_kernel_and_no_half_result(tmp_path: Path) -> None:
    killed_programs.kill_grading(tmp_path / "class", kills=1, notebooks=1)
