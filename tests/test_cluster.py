"""Talks on a Dask cluster: the same rows as here, also if a worker dies. Run by name: pytest -m cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_cli import one_line
from test_elsewhere import Fragile, content, failed, played
from test_tournament import NAMES, hand_in, hold

from npc_lab import NPCConfig
from npc_lab.experiments import Scene

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local:
        yield local


def test_rows_and_stores_are_the_same_from_a_cluster(tmp_path: Path, cluster: Any) -> None:
    from distributed import Client

    here = played(tmp_path / "here.db", workers=1)
    with Client(cluster) as client:
        there = played(tmp_path / "there.db", executor=client.get_executor())
    assert here.rows() == there.rows()
    assert content(tmp_path / "here.db") == content(tmp_path / "there.db")


def test_a_tournament_is_played_by_a_cluster(tmp_path: Path, cluster: Any) -> None:
    done = hold(hand_in(tmp_path / "cards", *NAMES), "--dask", cluster.scheduler_address)
    assert done.code == 0
    assert "talks are missing" not in done.everything
    assert "All talks are there" in one_line(hold(tmp_path / "cards", "--plan").output)


def test_no_scheduler_is_told(tmp_path: Path) -> None:
    done = hold(hand_in(tmp_path / "cards", *NAMES), "--dask", "tcp://127.0.0.1:1")
    assert done.code == 1
    assert "There is no Dask scheduler at 'tcp://127.0.0.1:1'." in one_line(done.notices)


def test_workers_that_die_leave_talks_missing_or_another_one_plays_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client, LocalCluster

    mark = tmp_path / "fragile"
    mark.touch()
    monkeypatch.setenv("NPC_LAB_TEST_FRAGILE", str(mark))
    scenes = {"one": Scene(NPCConfig("", "You are Hans."), npc_class=Fragile)}
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as local,
        Client(local) as client,
    ):
        results = played(tmp_path / "a.db", scenes, talks=2, executor=client.get_executor(retries=0))
    assert set(failed(results)) <= {"failed:worker"}
    assert not mark.exists()
    assert not failed(played(tmp_path / "a.db", scenes, talks=2))
