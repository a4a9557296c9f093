"""Talks that are played elsewhere: by threads, processes and clusters; without keys, and though workers die.

What a process does is mostly tried in this one: `Carrier` pickles what goes there and what comes back.
"""

import json
import os
import pickle
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from loopback import KEY, Status

from npc_lab import ExperimentError, FakeClient, NPCConfig, SimpleChatNPC, connect
from npc_lab.endpoints.pace import CALLS
from npc_lab.experiments import Experiment, Results, Scene, Script, elsewhere
from npc_lab.measures import says

pytestmark = pytest.mark.once

GUY = NPCConfig("London, 1250.", "You are Sir Guy, a knight.", has_scratchpad=True)
HANS = NPCConfig("London, 1250.", "You are Hans, a merchant.")
SCENES = {
    "two": Scene(GUY, HANS, turns=4, remembers=[("Who are you?", "#SCRATCHPAD\nHm.\n#ANSWER\nGuy.")]),
    "read": Scene(GUY, Script(["Who?", "Why?"]), turns=5),
}
# What a store has of talks, whatever played them.
COMPARED = [
    "SELECT scene, trials.number, sender, seat, content, turn_id IS NULL FROM messages JOIN trials"
    " USING (conversation_id) ORDER BY scene, trials.number, messages.id",
    "SELECT npc_id, question, answer, thought, raw, finish_reason, usage, remembered FROM turns"
    " ORDER BY npc_id, question, answer, thought",
    "SELECT npc_id, question, answer, (SELECT count(*) FROM turns_of_calls WHERE call_id = calls.id),"
    " (SELECT count(*) FROM lines_of_calls WHERE call_id = calls.id) FROM calls ORDER BY question, answer",
    "SELECT scene, trials.number, ended, stop_reason FROM conversations JOIN trials"
    " ON conversation_id = id ORDER BY scene, trials.number",
]


class Carrier(Executor):
    """Plays each talk at once, here, from pickled bytes to pickled bytes. It keeps them all."""

    def __init__(self, fails_at: int = -1, changed: Any = None):
        self.carried: list[bytes] = []
        self._fails_at = fails_at
        self._changed = changed or (lambda errand: errand)

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            if len(self.carried) // 2 == self._fails_at:
                raise RuntimeError("The worker is gone.")
            self.carried.append(pickle.dumps((function, args, options)))
            function, (errand,), _ = pickle.loads(self.carried[-1])
            self.carried.append(pickle.dumps(function(self._changed(errand))))
            future.set_result(pickle.loads(self.carried[-1]))
        except BaseException as error:
            self.carried += [b""] * (2 - len(self.carried) % 2)
            future.set_exception(error)
        return future


class Trader(SimpleChatNPC):
    """A class of a learner's own: it adds to what the model says."""

    def __init__(self, client: Any, model: str, config: NPCConfig, stock: int = 1):
        super().__init__(client, model, config)
        self.stock = stock

    def chat(self, user_message: str, user_id: str) -> str:
        return f"{super().chat(user_message, user_id)} I have {self.stock}."


class Fragile(SimpleChatNPC):
    """Its process dies in the middle of a talk, once."""

    def chat(self, user_message: str, user_id: str) -> str:
        mark = Path(os.environ["NPC_LAB_TEST_FRAGILE"])
        if mark.exists():
            mark.unlink()
            os._exit(1)
        return super().chat(user_message, user_id)


@pytest.fixture(autouse=True)
def _no_worker_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "_clients", {})


@pytest.fixture
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        yield processes


def several(scenes: Any = None, talks: int = 2) -> Experiment:
    return Experiment("several", scenes or SCENES, [says("Guy")], talks=talks)


def played(store: Path, scenes: Any = None, connection: Any = None, talks: int = 2, **more: Any) -> Results:
    return several(scenes, talks).run(*(connection or connect("fake")), store, **more)


def content(store: Path) -> list[Any]:
    with closing(sqlite3.connect(store)) as database:
        return [database.execute(query).fetchall() for query in COMPARED]


def failed(results: Results) -> list[str]:
    return [kind for kinds in results.missing.values() for kind in kinds.values()]


# The same, wherever it is played


@pytest.mark.long
def test_rows_and_stores_are_the_same_from_threads_and_processes(
    tmp_path: Path, pool: ProcessPoolExecutor
) -> None:
    here = played(tmp_path / "here.db", workers=1)
    with ThreadPoolExecutor(3) as threads:
        beside = played(tmp_path / "beside.db", executor=threads)
        assert threads.submit(int).result() == 0  # it is the caller's, and still open
    there = played(tmp_path / "there.db", executor=pool)
    carried = played(tmp_path / "carried.db", executor=Carrier())
    assert here.rows() == beside.rows() == there.rows() == carried.rows()
    assert not failed(here)
    stores = [content(tmp_path / f"{name}.db") for name in ("here", "beside", "there", "carried")]
    assert stores[0] == stores[1] == stores[2] == stores[3]
    assert len(stores[0][0]) == 22
    assert played(tmp_path / "there.db", executor=Carrier(fails_at=0)).rows() == here.rows()  # all are there


@pytest.mark.parametrize("npc_class", [Trader, partial(Trader, stock=3)])
def test_a_class_of_ones_own_says_and_keeps_the_same(tmp_path: Path, npc_class: Any) -> None:
    scenes = {"one": Scene(HANS, GUY, turns=4, npc_class=npc_class)}
    here = played(tmp_path / "here.db", scenes)
    there = played(tmp_path / "there.db", scenes, executor=Carrier())
    assert here.rows() == there.rows()
    assert content(tmp_path / "here.db") == content(tmp_path / "there.db")
    stock = 3 if isinstance(npc_class, partial) else 1
    talk = there.talks["one"][0]
    assert talk is not None
    assert talk.spoken[0].content.endswith(f"I have {stock}.")


def test_a_talk_goes_on_from_the_turn_that_failed(tmp_path: Path, loopback: Any) -> None:
    replies = ["One.", "Two.", Status(400, "No."), "Three.", "Four."]
    server = loopback(replies)
    connection = connect(base_url=server.base_url, model="m", api_key=KEY)
    scenes = {"two": Scene(HANS, HANS, turns=4)}
    assert failed(played(tmp_path / "a.db", scenes, connection, 1, executor=Carrier())) == [
        "failed:bad_request"
    ]
    results = played(tmp_path / "a.db", scenes, connection, 1, executor=Carrier())
    talk = results.talks["two"][0]
    assert talk is not None
    assert [each.content for each in talk.spoken] == ["One.", "Two.", "Three.", "Four."]
    assert len(server.sent) == 5
    said = [message["content"] for message in server.sent[3]]
    assert said[-3:] == ["Hello! Who are you?", "One.", "Two."]


def test_each_scene_may_have_a_connection_of_its_own(tmp_path: Path) -> None:
    scenes = {"one": Scene(HANS, connection=connect("fake", model="other")), "two": Scene(HANS)}
    here = played(tmp_path / "here.db", scenes)
    there = played(tmp_path / "there.db", scenes, executor=Carrier())
    assert here.rows() == there.rows()
    assert content(tmp_path / "here.db")[1] == content(tmp_path / "there.db")[1]


# Keys and limits


def test_no_key_is_in_any_byte_that_travels(tmp_path: Path, loopback: Any) -> None:
    server = loopback(lambda body: f"My key is {KEY}.")
    connection = connect(base_url=server.base_url, model="m", api_key=KEY)
    carrier = Carrier()
    results = played(tmp_path / "a.db", {"two": Scene(HANS, HANS, turns=2)}, connection, executor=carrier)
    assert not failed(results)
    there = carrier.carried[::2]
    assert len(there) == 2
    assert not [data for data in there if KEY.encode() in data]
    errand = pickle.loads(there[0])[1][0]
    json.dumps({name: value for name, value in errand.items() if name != "scene"})  # plain data
    assert KEY.encode() not in (tmp_path / "a.db").read_bytes()


def test_a_worker_without_a_key_says_so_and_its_talks_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    connection = connect("groq", api_key=KEY)
    results = played(tmp_path / "a.db", {"one": Scene(HANS)}, connection, executor=Carrier())
    assert failed(results) == ["failed:worker"] * 2
    assert "Workers failed on 2 talks, for instance: No key for groq was found." in str(results)
    assert KEY not in str(results)


def test_calls_of_workers_count_here(tmp_path: Path, loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CALLS, "_sent", 0)
    monkeypatch.setattr(CALLS, "count", lambda: None)  # in another process it is another counter
    monkeypatch.setenv("NPC_LAB_MAX_CALLS", "9")
    connection = connect(base_url=loopback("Hail.").base_url, model="m")
    scenes = {"two": Scene(HANS, HANS, turns=2)}
    played(tmp_path / "a.db", scenes, connection, executor=Carrier())
    assert CALLS.left() == 5
    with pytest.raises(ExperimentError, match="may make 6 calls, and what NPC_LAB_MAX_CALLS leaves is 5"):
        played(tmp_path / "b.db", scenes, connection, 3, executor=Carrier())


# What goes wrong


@pytest.mark.long
def test_a_worker_that_dies_leaves_its_talks_missing_and_the_next_run_plays_them(
    tmp_path: Path, pool: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "fragile"
    mark.touch()
    monkeypatch.setenv("NPC_LAB_TEST_FRAGILE", str(mark))
    scenes = {"one": Scene(HANS, npc_class=Fragile)}
    results = played(tmp_path / "a.db", scenes, talks=3, executor=pool)
    assert "failed:worker" in failed(results)
    assert "Workers failed on" in str(results)
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        ends = database.execute("SELECT ended FROM conversations").fetchall()
    assert ("failed:worker",) in ends
    assert not failed(played(tmp_path / "a.db", scenes, talks=3))


def test_one_worker_that_fails_ends_no_other_talk(tmp_path: Path) -> None:
    results = played(tmp_path / "a.db", executor=Carrier(fails_at=1))
    assert failed(results) == ["failed:worker"]
    assert "Workers failed on 1 talk, for instance: RuntimeError: The worker is gone." in str(results)


def test_a_worker_of_another_version_says_so(tmp_path: Path) -> None:
    carrier = Carrier(changed=lambda errand: errand | {"version": "9.9, schema 9"})
    results = played(tmp_path / "a.db", executor=carrier)
    assert failed(results) == ["failed:worker"] * 4
    assert "the one who asks has 9.9, schema 9. Install the same version on both." in str(results)


def test_an_executor_that_was_shut_down_leaves_all_missing(tmp_path: Path) -> None:
    closed = ProcessPoolExecutor(1)
    closed.shutdown()
    assert failed(played(tmp_path / "a.db", executor=closed)) == ["failed:worker"] * 4


def test_ctrl_c_takes_what_came_back_and_leaves_the_rest(tmp_path: Path) -> None:
    class Interrupted(Carrier):
        """Ctrl-C comes while the third talk is sent."""

        def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
            if len(self.carried) == 4:
                raise KeyboardInterrupt
            return super().submit(function, *args, **options)

    results = played(tmp_path / "a.db", executor=Interrupted())
    assert len(failed(results)) == 2
    assert "Interrupted. Run the same call again, and it goes on." in str(results)
    assert not failed(played(tmp_path / "a.db", executor=Carrier()))


@pytest.mark.parametrize("executor", ["processes", 4, Executor, connect, object()])
def test_an_executor_that_is_none_is_refused(tmp_path: Path, executor: Any) -> None:
    with pytest.raises(ExperimentError, match="executor must be an executor"):
        played(tmp_path / "a.db", executor=executor)
    assert not (tmp_path / "a.db").exists()


def test_what_only_this_process_has_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    client = FakeClient(["Hail."])
    with pytest.raises(ExperimentError, match="Take one that connect\\(\\) made"):
        played(tmp_path / "a.db", connection=(client, "m"), executor=Carrier())
    with ThreadPoolExecutor(1) as threads:
        one = {"one": Scene(HANS)}
        assert not failed(played(tmp_path / "b.db", one, (client, "m"), 1, executor=threads))
    paced = connect(base_url="http://127.0.0.1:1/v1/", model="m", per_minute=60)
    with pytest.raises(ExperimentError, match="A pace"):
        played(tmp_path / "a.db", connection=paced, executor=Carrier())
    with pytest.raises(ExperimentError, match="leave workers out"):
        played(tmp_path / "a.db", executor=Carrier(), workers=2)

    class Local(SimpleChatNPC):
        """Nobody can import it."""

    with pytest.raises(ExperimentError, match="cannot be sent to another process"):
        played(tmp_path / "a.db", {"one": Scene(HANS, npc_class=Local)}, executor=ProcessPoolExecutor(1))
    assert not (tmp_path / "a.db").exists()
