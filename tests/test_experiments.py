"""Experiments: planned, played turn by turn, gone on with, and shown."""

import csv
import json
import math
import os
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from loopback import KEY, Held, Status
from test_cli import one_line
from test_cli import run as npc_lab

from npc_lab import (
    ChatArena,
    ExperimentError,
    FakeClient,
    NPCConfig,
    NPCFactory,
    NPCLabError,
    SimpleChatNPC,
    StopOnText,
    StopWhen,
    Transcript,
    connect,
)
from npc_lab.endpoints.pace import CALLS
from npc_lab.experiments import Experiment, Plan, Scene, Script, difference, experiment
from npc_lab.experiments.trials import Trials
from npc_lab.measures import echo, own_repeats, says
from npc_lab.store import schema

pytestmark = pytest.mark.once

GUY = NPCConfig("London, 1250.", "You are Sir Guy, a knight.", max_reply_tokens=60)
HANS = NPCConfig("London, 1250.", "You are Hans, a merchant.")
HOT = replace(GUY, temperature=1.4)


SEEDS = [1619527692, 198262248, 458253080]
KEY_OF_FIRST = "c5c6781f8a7ea6e307250a8dc4281470f1f68aa25c85f7a3a7eb04e904b59fe1"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "lab.db"


def characters(talk: Transcript) -> float:
    return float(sum(len(each.content) for each in talk.spoken))


def answer(messages: Any, fields: Any) -> str:
    """What a fake with a temperature says: gold more often if it is hot. The seed decides."""
    luck = fields["seed"] % 1000 / 1000
    is_gold = luck < (0.9 if fields.get("temperature", 0.6) > 1 else 0.2)
    return f"Give me {'gold' if is_gold else 'wool'}, all {fields['seed'] % 97} sacks."


def hot_or_not(talks: int = 20, **more: Any) -> Experiment:
    usual: dict[str, Any] = {"measures": [says("gold"), characters], "prediction": "Heat makes greedy."}
    return Experiment("heat", {"cool": Scene(GUY), "hot": Scene(HOT)}, talks=talks, **(usual | more))


def pair(talks: int = 3, turns: int = 4, **more: Any) -> Experiment:
    scenes = {"one": Scene(GUY, HANS, turns=turns), "two": Scene(HOT, HANS, turns=turns)}
    return Experiment("pair", scenes, [characters], talks=talks, **more)


def terse_pair() -> Experiment:
    """Two talks of two short lines each, for a real model."""
    guy, hot, hans = (replace(each, max_reply_tokens=16) for each in (GUY, HOT, HANS))
    scenes = {"one": Scene(guy, hans, turns=2), "two": Scene(hot, hans, turns=2)}
    return Experiment("terse pair", scenes, [characters], talks=1)


def fake(**options: Any) -> FakeClient:
    return FakeClient(answer, **options)


def read(store: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(store)) as database:
        return database.execute(query).fetchall()


# Run, and run again


def test_a_run_plays_each_talk_measures_it_and_compares(store: Path) -> None:
    client = fake()
    results = hot_or_not().run(client, "m", store)
    assert len(client.calls) == 40
    assert {scene: len(talks) for scene, talks in results.talks.items()} == {"cool": 20, "hot": 20}
    hits = {scene: sum(values) for scene, values in results.numbers().items()}
    for scene in ("cool", "hot"):
        found = results.estimate(scene)
        assert (found.value, found.n) == (hits[scene] / 20, 20)
    pairs = list(zip(results.numbers()["cool"], results.numbers()["hot"], strict=True))
    assert results.compare("cool", "hot") == difference(pairs)
    assert results.verdict("cool", "hot") == "more"
    assert results.verdict("hot", "cool") == "less"
    assert results.compare("cool", "hot", "characters").n == 20
    assert results.missing == {"cool": {}, "hot": {}}
    assert results.rows()[21] == {
        "scene": "hot",
        "number": 1,
        "ended": "turns",
        "says_gold": results.numbers()["hot"][1],
        "characters": results.numbers("characters")["hot"][1],
    }


def test_a_finished_run_makes_no_call_and_a_new_measure_costs_none(store: Path) -> None:
    client = fake()
    first = hot_or_not(4).run(client, "m", store)
    again = hot_or_not(4, measures={"length": characters}).run(client, "m", store)
    assert len(client.calls) == 8
    assert again.numbers("length") == first.numbers("characters")
    assert again.talks == first.talks


def test_more_talks_play_only_those_and_the_looks_are_counted(store: Path) -> None:
    client = fake()
    first = hot_or_not(3).run(client, "m", store)
    assert (first.looks, hot_or_not(3).run(client, "m", store).looks) == (1, 1)
    more = hot_or_not(5).run(client, "m", store)
    assert len(client.calls) == 10
    assert more.looks == 2
    assert more.talks["hot"][:3] == first.talks["hot"]
    assert "Looked at 2 different numbers of talks" in str(more)
    assert hot_or_not(3).run(client, "m", store).talks == first.talks


def test_a_changed_sheet_is_another_talk_and_the_old_one_stays(store: Path) -> None:
    client = fake()
    first = hot_or_not(2).run(client, "m", store)
    changed = Experiment(
        "heat", {"cool": Scene(GUY), "hot": Scene(replace(HOT, goal="Gold."))}, [says("gold")], talks=2
    )
    results = changed.run(client, "m", store)
    assert len(client.calls) == 6  # the cool ones are the same
    assert results.talks["cool"] == first.talks["cool"]
    assert "stay in the file" in str(results)
    assert hot_or_not(2).run(client, "m", store).talks == first.talks
    assert len(client.calls) == 6


def test_a_talk_is_known_by_scene_number_model_and_provider_not_by_a_port(store: Path, loopback: Any) -> None:
    servers = [loopback(lambda body: "Well met.") for _ in range(2)]
    runs = [hot_or_not(2).run(server.client(), "m", store) for server in servers]
    assert [len(server.sent) for server in servers] == [4, 0]
    assert runs[0].talks == runs[1].talks
    hot_or_not(2).run(servers[1].client(), "another", store)
    assert len(servers[1].sent) == 4
    client = fake()
    hot_or_not(2).run(client, "m", store)
    assert len(client.calls) == 4


def test_the_same_scene_twice_is_played_with_other_seeds(store: Path) -> None:
    client = fake()
    same = Experiment("A/A", {"a": Scene(GUY), "b": Scene(GUY)}, [characters], talks=3)
    results = same.run(client, "m", store)
    assert len({call["seed"] for call in client.calls}) == 6
    assert "what differs here is chance" in str(results)


def test_seeds_are_the_same_in_any_store_and_process(tmp_path: Path) -> None:
    here, there = (pair().run(fake(), "m", tmp_path / name) for name in ("here.db", "there.db"))
    assert here.rows() == there.rows()
    # As another process computed them: a talk that was paid for is found again.
    assert [pair().seed("one", 0), pair().seed("one", 1), pair().seed("two", 0)] == SEEDS
    assert Trials(pair(), fake(), "m")[0].key == KEY_OF_FIRST


# What may go wrong while it is played


def test_a_talk_that_failed_is_missing_and_is_asked_again_from_that_turn(store: Path, loopback: Any) -> None:
    asked = iter(range(1, 1000))
    server = loopback(lambda body: Status(500) if next(asked) % 7 == 0 else "Well met, and farewell.")
    client = server.client()
    results = pair(6).run(client, "m", store, workers=1)
    lost = {scene: kinds for scene, kinds in results.missing.items() if kinds}
    assert {kind for kinds in lost.values() for kind in kinds.values()} == {"failed:server"}
    missing = sum(map(len, lost.values()))
    assert 4 <= missing <= 7
    assert results.estimate("one").missing == len(results.missing["one"])
    assert results.compare("one", "two").missing == sum(
        None in values for values in zip(*results.numbers().values(), strict=True)
    )
    scene = next(iter(lost))
    number = next(iter(lost[scene]))
    assert results.talks[scene][number] is None
    assert results.numbers()[scene][number] is None
    row = results.rows()[number + (6 if scene == "two" else 0)]
    assert (row["scene"], row["ended"], row["characters"]) == (scene, "failed:server", None)
    assert f"Missing in {scene}" in str(results)
    assert "failed:server" in results._repr_html_()
    for _ in range(9):
        if any(results.missing.values()):
            results = pair(6).run(client, "m", store, workers=1)
    assert not any(results.missing.values())
    fine = sum(request.body["messages"][-1]["content"] != "" for request in server.requests)
    assert fine - fine // 7 == 6 * 2 * 4  # no turn was played twice
    assert {len(talk.spoken) for talk in results.talks["one"] if talk is not None} == {4}


def test_ctrl_c_gives_the_card_so_far_and_the_same_call_goes_on(store: Path, loopback: Any) -> None:
    enough, asked = threading.Event(), iter(range(1, 1000))

    def reply(body: Any) -> Any:
        if next(asked) == 9:
            threading.Timer(0.1, os.kill, (os.getpid(), 2)).start()
            return Held("Well met.", seconds=0.5)
        return "Well met."

    server = loopback(reply)
    results = pair(6).run(server.client(), "m", store, workers=1)
    enough.set()
    assert len(server.sent) == 9
    there = sum(talk is not None for talks in results.talks.values() for talk in talks)
    assert there == 2
    assert "interrupted" in results.missing["one"].values()
    assert "not played" in results.missing["two"].values()
    assert "Run the same call again" in str(results)
    results = pair(6).run(server.client(), "m", store)
    assert len(server.sent) == 6 * 2 * 4
    assert not any(results.missing.values())


def test_a_talk_that_a_kill_left_without_its_end_counts(store: Path) -> None:
    client = fake()
    first = pair(2).run(client, "m", store)
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("UPDATE conversations SET ended = '', stop_reason = ''")
        last = database.execute(
            "SELECT max(messages.id) FROM messages JOIN trials USING (conversation_id) WHERE scene = 'two'"
        ).fetchone()
        database.execute("DELETE FROM messages WHERE id = ?", last)
    results = pair(2).run(client, "m", store)
    assert len(client.calls) == 16 + 1
    assert {
        scene: [len(talk.spoken) for talk in talks if talk] for scene, talks in results.talks.items()
    } == {
        "one": [4, 4],
        "two": [4, 4],
    }
    assert [row["ended"] for row in results.rows()] == ["turns"] * 4
    assert first.talks["one"][0] == results.talks["one"][0]


def test_a_line_that_came_too_late_for_the_kill_is_not_asked_twice(store: Path) -> None:
    """The seat and the row of a trial are written together: there is none without the other."""
    pair(2).run(fake(), "m", store)
    assert read(store, "SELECT count(*) FROM trials") == read(store, "SELECT count(*) FROM conversations")
    assert read(store, "SELECT id FROM conversations EXCEPT SELECT conversation_id FROM trials") == []


@pytest.mark.parametrize("bad", ["some text", math.nan, math.inf, 10**400, object(), [1]])
def test_a_measure_that_returns_no_number_is_missing_for_that_talk_and_named(store: Path, bad: Any) -> None:
    seen: list[Any] = []

    def odd(talk: Transcript) -> Any:
        seen.append(talk)
        return bad if len(seen) == 2 else 1.5

    results = hot_or_not(2, measures=[says("gold"), odd]).run(fake(), "m", store)
    assert results.numbers("odd") == {"cool": [1.5, None], "hot": [1.5, 1.5]}
    assert list(results.unmeasured["odd"]["cool"]) == [1]
    assert "odd failed on 1 talk of cool, for instance on 1: it returned" in str(results)
    assert results.compare("cool", "hot", "odd").missing == 1
    assert results.missing == {"cool": {}, "hot": {}}


def test_a_measure_that_raises_is_missing_for_that_talk_and_named(store: Path) -> None:
    def broken(talk: Transcript) -> float:
        return 1 / 0 if talk.spoken[0].content.endswith("7 sacks.") else 1.0

    results = hot_or_not(15, measures=[says("gold"), broken]).run(fake(), "m", store)
    failed = sum(len(each) for each in results.unmeasured["broken"].values())
    assert failed == sum(values.count(None) for values in results.numbers("broken").values()) > 0
    assert "ZeroDivisionError" in str(results)
    assert "ZeroDivisionError" in results._repr_html_()
    assert len(results.numbers()["cool"]) == 15


# Scenes


def test_without_a_second_there_is_one_answer(store: Path) -> None:
    client = fake()
    results = Experiment("e", {"s": Scene(GUY, opening="Your name?")}, [characters], talks=2).run(
        client, "m", store
    )
    assert [call["messages"][-1]["content"] for call in client.calls] == ["Your name?"] * 2
    talk = results.talks["s"][0]
    assert talk is not None
    assert [message.seat for message in talk] == [None, 1]


def test_a_script_is_read_costs_no_call_and_ends_the_talk(store: Path) -> None:
    client = fake()
    scene = Scene(GUY, Script(["What is your name?", "And your horse's?"]), "Hail!", turns=20)
    experiment = Experiment("e", {"s": scene}, [own_repeats, echo, says("horse")], talks=2)
    assert experiment.plan(client, "m", store).calls == 6
    results = experiment.run(client, "m", store)
    assert len(client.calls) == 6
    talk = results.talks["s"][1]
    assert talk is not None
    assert [(each.seat, each.sender == "script") for each in talk.spoken] == [
        (1, False), (2, True), (1, False), (2, True), (1, False)
    ]  # fmt: skip
    assert [row["ended"] for row in results.rows()] == ["stop", "stop"]
    assert results.numbers("says_horse") == {"s": [False, False]}  # the script says it, he does not
    assert "horse's" in talk.spoken[3].content


def test_a_script_goes_on_with_the_line_that_was_not_read(store: Path) -> None:
    client = fake()
    scene = Scene(GUY, Script(["One?", "Two?", "Three?"]), turns=9)
    experiment = Experiment("e", {"s": scene}, [characters], talks=1)
    experiment.run(client, "m", store)
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("UPDATE conversations SET ended = 'interrupted'")
        database.execute(
            "DELETE FROM messages WHERE id > (SELECT id FROM messages WHERE content = 'Two?') - 1"
        )
    assert experiment.plan(client, "m", store).calls == 2
    talk = experiment.run(client, "m", store).talks["s"][0]
    assert talk is not None
    assert [each.content for each in talk.spoken if each.seat == 2] == ["One?", "Two?", "Three?"]
    assert len(client.calls) == 4 + 2


def test_what_first_remembers_is_sent_also_after_a_kill(store: Path) -> None:
    scene = Scene(GUY, HANS, turns=2, remembers=[("My dog is Bello.", "A fine dog.")])
    experiment = Experiment("e", {"s": scene}, [characters], talks=1)
    client = fake()
    client.fail_next("server")
    assert experiment.run(client, "m", store).missing["s"] == {0: "failed:server"}
    experiment.run(client, "m", store)
    for call in client.calls[:2]:
        assert [each["content"] for each in call["messages"][1:3]] == ["My dog is Bello.", "A fine dog."]
    assert not any("Bello" in each["content"] for each in client.calls[2]["messages"])


def test_a_stop_ends_a_talk_early_and_a_stop_that_raises_is_how_it_ended(store: Path) -> None:
    def raises(messages: Any) -> bool:
        raise LookupError("no such word")

    scenes = {
        "stops": Scene(GUY, HANS, stop=StopOnText("give")),
        "raises": Scene(GUY, HANS, stop=StopWhen(raises)),
    }
    results = Experiment("e", scenes, [characters], talks=1).run(fake(), "m", store)
    assert results.rows()[0]["ended"] == "stop"
    assert len(results.talks["stops"][0] or []) == 2
    assert results.missing["raises"] == {0: "failed:LookupError"}


def test_models_are_compared_by_connections(store: Path) -> None:
    one, other = fake(), FakeClient(lambda messages: "Gold!")
    scenes = {"one": Scene(GUY), "other": Scene(GUY, connection=(other, "larger"))}
    results = Experiment("e", scenes, [says("gold")], talks=4).run(one, "m", store)
    assert (len(one.calls), len(other.calls)) == (4, 4)
    assert {call["model"] for call in other.calls} == {"larger"}
    assert results.numbers()["other"] == [True] * 4


class Counting(SimpleChatNPC):
    """Says how often it was asked: what it keeps besides its memory begins anew with each talk."""

    def __init__(self, client: Any, model: str, config: NPCConfig, start: int = 0):
        super().__init__(client, model, config)
        self.asked = start

    def chat(self, user_message: str, user_id: str) -> str:
        self.asked += 1
        return f"{super().chat(user_message, user_id)} ({self.asked})"


def test_a_class_of_ones_own_plays_first_and_begins_anew_with_each_talk(store: Path) -> None:
    scenes = {
        "plain": Scene(GUY, HANS, turns=3),
        "counts": Scene(GUY, HANS, turns=3, npc_class=Counting),
        "from 7": Scene(GUY, HANS, turns=3, npc_class=partial(Counting, start=7)),
    }
    client = fake()
    experiment = Experiment("e", scenes, [characters], talks=2)
    results = experiment.run(client, "m", store)
    for scene, counts in [("counts", ["(1)", "(2)"]), ("from 7", ["(8)", "(9)"])]:
        for talk in results.talks[scene]:
            assert talk is not None
            assert [each.content.split()[-1] for each in talk.spoken if each.seat == 1] == counts
    assert experiment.run(client, "m", store).talks == results.talks
    assert len(client.calls) == 18


def test_three_scenes_are_compared_with_the_first_at_a_higher_level(store: Path) -> None:
    scenes = {"a": Scene(GUY), "b": Scene(HOT), "c": Scene(replace(GUY, temperature=1.2))}
    results = Experiment("e", scenes, [says("gold")], talks=10).run(fake(), "m", store)
    numbers = results.numbers()
    pairs = list(zip(numbers["a"], numbers["c"], strict=True))
    assert results.compare("a", "c") == difference(pairs, level=0.975)
    assert "97.5 %" in str(results)
    assert "97.5 %" in results._repr_html_()


# Plans and limits


def test_a_plan_makes_no_call_and_no_file_and_says_what_it_does_not_know(store: Path) -> None:
    client = fake()
    plan = hot_or_not().plan(client, "m", store, prices={"in": 1.0, "out": 4.0})
    assert isinstance(plan, Plan)
    assert (plan.calls, plan.tokens, plan.seconds, plan.money) == (40, None, None, None)
    assert {kind: round(size, 2) for kind, size in plan.minimum_detectable.items()} == {
        "share": 0.44,
        "mean": 0.66,
    }
    for shown in (str(plan), plan._repr_html_()):
        assert "40 calls" in shown
        assert "unknown" in shown
        assert "44 points" in shown
        assert "Heat makes greedy." in shown
    assert not client.calls
    assert not store.exists()


def test_a_plan_knows_tokens_time_and_money_from_the_talks_before(store: Path) -> None:
    client = fake()
    hot_or_not(2).run(client, "m", store)
    counted = [json.loads(usage) for (usage,) in read(store, "SELECT usage FROM turns")]
    plan = hot_or_not(5).plan(client, "m", store, prices={"in": 1.0, "out": 4.0})
    read_, written = (
        sum(each[f"{name}_tokens"] for each in counted) / 4 for name in ("prompt", "completion")
    )
    assert plan.calls == 6
    assert plan.tokens == round(6 * (read_ + written))
    assert plan.money == pytest.approx(6 * (read_ + 4 * written) / 1e6)
    assert plan.seconds is not None
    assert plan.minimum_detectable.keys() == {"share"}
    assert hot_or_not(5, main="characters").plan(client, "m", store).minimum_detectable.keys() == {"mean"}
    assert hot_or_not(2).plan(client, "m", store).calls == 0
    assert "no call" in str(hot_or_not(2).plan(client, "m", store))


def test_prices_without_usage_are_unknown_money(store: Path, loopback: Any) -> None:
    from loopback import Json

    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    body["choices"] = [
        {"index": 0, "message": {"role": "assistant", "content": "Hm."}, "finish_reason": "stop"}
    ]
    client = loopback(lambda _: Json(body)).client()
    hot_or_not(1).run(client, "m", store)
    plan = hot_or_not(2).plan(client, "m", store, prices={"in": 1.0, "out": 4.0})
    assert (plan.tokens, plan.money) == (None, None)
    assert plan.seconds is not None


@pytest.mark.parametrize("prices", [{"in": 1.0}, {"in": -1, "out": 1}, 3.0, {"in": "1", "out": 2}])
def test_prices_of_another_form_are_refused(store: Path, prices: Any) -> None:
    with pytest.raises(ExperimentError, match="million tokens"):
        hot_or_not().plan(fake(), "m", store, prices=prices)


def test_a_plan_above_the_limit_is_refused_before_the_first_call(
    store: Path, loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = loopback(lambda body: "Well met.")
    client = server.client()
    with pytest.raises(ExperimentError, match=r"520 calls.* 500"):
        hot_or_not(260).run(client, "m", store)
    with pytest.raises(ExperimentError, match=r"6 calls.* 5\b.*limit=6"):
        hot_or_not(3).run(client, "m", store, limit=5)
    monkeypatch.setattr(CALLS, "_sent", 3)  # by this process so far
    monkeypatch.setenv("NPC_LAB_MAX_CALLS", "7")
    with pytest.raises(ExperimentError, match=r"6 calls.*NPC_LAB_MAX_CALLS leaves is 4"):
        hot_or_not(3).run(client, "m", store)
    assert not server.sent
    hot_or_not(3).run(client, "m", store, limit=math.inf)
    with pytest.raises(ExperimentError, match=r"40 calls.* 39\b"):
        hot_or_not(20).run(fake(), "m", store, limit=39)


def test_the_fake_has_no_limit(store: Path, loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "_MOST_CALLS", 3)
    assert hot_or_not(2).run(fake(), "m", store).looks == 1
    with pytest.raises(ExperimentError, match=r"4 calls, and the limit is 3"):
        hot_or_not(2).run(loopback(lambda body: "Hm.").client(), "m", store)


# What is refused, in words


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Script([]), "a script is a list of lines"),
        (lambda: Script("Hello"), "a script is a list of lines"),  # type: ignore[arg-type]
        (lambda: Script([" "]), "a script is a list of lines"),
        (lambda: Scene("Guy"), "an NPCConfig"),  # type: ignore[arg-type]
        (lambda: Scene(GUY, "Hans"), "an NPCConfig, a Script"),  # type: ignore[arg-type]
        (lambda: Scene(GUY, HANS, turns=0), "turns"),
        (lambda: Scene(GUY, HANS, 7), "opening"),  # type: ignore[arg-type]
        (lambda: Scene(GUY, remembers=["Hello"]), "pairs"),  # type: ignore[list-item]
        (lambda: Scene(GUY, stop=print), "stop"),  # type: ignore[arg-type]
        (lambda: Scene(GUY, connection="local"), "connect()"),  # type: ignore[arg-type]
        (lambda: Experiment("", {"s": Scene(GUY)}, [echo]), "name"),
        (lambda: Experiment("e", {}, [echo]), "mapping from names to scenes"),
        (lambda: Experiment("e", [Scene(GUY)], [echo]), "mapping from names to scenes"),  # type: ignore[arg-type]
        (lambda: Experiment("e", {"s": GUY}, [echo]), "must be a Scene"),  # type: ignore[dict-item]
        (lambda: Experiment("e", {"s": Scene(GUY)}, []), "needs a measure"),
        (lambda: Experiment("e", {"s": Scene(GUY)}, [lambda talk: 1]), "name it in a mapping"),
        (lambda: Experiment("e", {"s": Scene(GUY)}, [echo, echo]), "name it in a mapping"),
        (lambda: Experiment("e", {"s": Scene(GUY)}, ["echo"]), "function of a transcript"),  # type: ignore[list-item]
        (lambda: Experiment("e", {"s": Scene(GUY)}, {"scene": echo}), "a row has that already"),
        (lambda: Experiment("e", {"s": Scene(GUY)}, [echo], main="ech"), "Did you mean 'echo'"),
        (lambda: Experiment("e", {"s": Scene(GUY)}, [echo], talks=0), "talks"),
        (lambda: Experiment("e", {"s": Scene(GUY)}, [echo], talks=2.0), "talks"),  # type: ignore[arg-type]
        (lambda: hot_or_not().run(fake(), "m", 7), "named by a path"),  # type: ignore[arg-type]
        (lambda: hot_or_not().run(fake(), "m", "x.db", workers=0), "workers"),
        (lambda: hot_or_not().run(fake(), "m", "x.db", limit="much"), "limit"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(make: Any, words: str) -> None:
    with pytest.raises(ExperimentError, match=f"(?i){re.escape(words)}"):
        make()
    assert not Path("x.db").exists()


def test_one_talk_cannot_tell(store: Path) -> None:
    results = hot_or_not(1, measures=[characters]).run(fake(), "m", store)
    assert results.verdict("cool", "hot") == "cannot tell"
    assert results.estimate("cool").low is None
    assert "one pair of talks says nothing" in str(results)
    assert "One talk of each says nothing" in str(hot_or_not(1).plan(fake(), "m", store))


def test_scenes_that_differ_in_more_than_one_thing_are_named(store: Path) -> None:
    scenes = {"a": Scene(GUY), "b": Scene(HOT, HANS, "Good day!")}
    experiment = Experiment("e", scenes, [characters], talks=2)
    for shown in (experiment.plan(fake(), "m", store), experiment.run(fake(), "m", store)):
        assert "more than one thing" in str(shown)
        assert "opening" in str(shown)
        assert "first.temperature" in str(shown)
    assert "more than one" not in str(hot_or_not().plan(fake(), "m", store))


@pytest.mark.parametrize(("heat_of_hans", "is_one_thing"), [(1.4, True), (1.2, False)])
def test_the_same_change_of_both_characters_is_one_thing(heat_of_hans: float, is_one_thing: bool) -> None:
    hot = Scene(HOT, replace(HANS, temperature=heat_of_hans))
    warning = Experiment("both", {"cool": Scene(GUY, HANS), "hot": hot}, [characters]).what_differs()
    assert ("more than one thing" in warning) != is_one_thing
    assert "same scene" not in warning


def test_a_name_that_was_used_for_another_experiment_is_said_and_nothing_is_overwritten(store: Path) -> None:
    first = hot_or_not(2).run(fake(), "m", store)
    other = Experiment("heat", {"x": Scene(HANS)}, [characters], talks=2).run(fake(), "m", store)
    assert "was used in this file before" in str(other)
    assert "'cool', 'hot'" in str(other)
    client = fake()
    assert hot_or_not(2).run(client, "m", store).talks == first.talks
    assert not client.calls


def test_a_prediction_that_was_changed_after_the_first_look_is_said(store: Path) -> None:
    hot_or_not(2).run(fake(), "m", store)
    results = hot_or_not(2, prediction="I knew it.").run(fake(), "m", store)
    assert "changed after the first look. Before, it was: “Heat makes greedy.”" in str(results)
    assert "changed" not in str(hot_or_not(2).run(fake(), "m", store))


def test_stores_that_cannot_be_used_are_refused_in_words_before_a_call(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = fake()
    hot_or_not(1).run(client, "m", store)
    monkeypatch.setattr("npc_lab.store.schema.SECONDS_TO_WAIT", 0.05)
    with closing(sqlite3.connect(store, isolation_level=None)) as locking:
        locking.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NPCLabError, match="another program keeps it locked"):
            hot_or_not(2).run(client, "m", store)
    with closing(sqlite3.connect(store)) as database, database:
        database.execute(f"PRAGMA user_version = {schema.SCHEMA + 1}")
    for act in (hot_or_not(2).run, hot_or_not(2).plan):
        with pytest.raises(NPCLabError, match="newer npc_lab"):
            act(client, "m", store)
    with pytest.raises(NPCLabError, match="There is no folder"):
        hot_or_not(2).run(client, "m", store.parent / "nowhere" / "lab.db")
    assert len(client.calls) == 2


def test_a_store_that_becomes_full_ends_no_experiment_and_is_said(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare = schema._prepare

    def with_little_room(connection: sqlite3.Connection, path: Path) -> None:
        prepare(connection, path)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    monkeypatch.setattr(schema, "_prepare", with_little_room)
    results = pair(6).run(fake(), "m", store, workers=1)
    assert not any(results.missing.values())
    assert "the disk is full" in str(results)
    assert "the disk is full" in capsys.readouterr().err
    monkeypatch.undo()
    client = fake()
    assert not any(pair(6).run(client, "m", store).missing.values())
    assert 0 < len(client.calls) < 48


def test_a_plan_reads_a_file_of_schema_1(store: Path) -> None:
    factory = NPCFactory(fake(), "m", store=store)
    assert factory.store
    factory.store.close()
    with closing(sqlite3.connect(store)) as database, database:
        made = schema._made_by_us(schema.SCHEMA)
        for name in reversed(schema._NEW_IN_SCHEMA_2):
            kind = made[name].split()[1]
            database.execute(f"DROP {kind} {name}")
        database.execute("DROP VIEW lines")
        database.execute("DROP TABLE messages")
        database.execute("DROP TABLE conversations")
        for name in ("conversations", "lines"):
            database.execute(schema._IN_SCHEMA_1[name])
        for name in ("messages", "lines_of", "spoken"):
            database.execute(made[name])
        database.execute("PRAGMA user_version = 1")
    assert hot_or_not(2).plan(fake(), "m", store).calls == 4
    assert hot_or_not(2).run(fake(), "m", store).looks == 1
    assert read(store, "PRAGMA user_version") == [(2,)]


# The card


def test_the_card_says_prediction_numbers_verdict_and_what_is_missing(store: Path) -> None:
    client = fake()
    client.fail_next("rate_limit")
    results = hot_or_not(20).run(client, "m", store, workers=1)
    found = results.compare("cool", "hot")
    for shown in (str(results), results._repr_html_()):
        assert "Heat makes greedy." in shown
        assert "hot against cool: more (+" in shown
        assert f"[+{100 * found.low:.0f}, +{100 * found.high:.0f}]" in shown
        assert "1 talk (failed:rate_limit 1)" in shown
        assert "Looked at once." in shown
        assert "p =" not in shown
        assert "p value" not in shown
    assert str(results) == repr(results)
    assert results._repr_html_().count("<circle") == 2 * 39  # each talk a dot, in both pictures


def test_the_card_says_what_could_be_missed(store: Path) -> None:
    scenes = {"a": Scene(GUY), "b": Scene(GUY)}
    results = Experiment("A/A", scenes, [says("gold")], talks=30).run(fake(), "m", store)
    assert "cannot tell: a difference below 36 points could be missed" in str(results)
    numbers = Experiment("A/A", scenes, [characters], talks=30).run(fake(), "m", store)
    assert re.search(r"cannot tell: a difference below [\d.]+ could be missed", str(numbers))


def test_the_card_joins_pairs_by_lines_and_takes_the_colours_around_it(store: Path) -> None:
    results = hot_or_not(8, measures=[characters]).run(fake(), "m", store)
    picture = results.plot()._repr_html_()
    path = re.search(r"<path d='([^']*)' fill='none' stroke='currentColor' stroke-width='.7'", picture)
    assert path
    assert path[1].count("M") == 8
    assert "currentColor" in picture
    for colour in re.findall(r"#[0-9a-f]{6}", picture):
        assert colour == "#2a78d6"
    assert "<script" not in results._repr_html_()


def test_a_hostile_name_is_text_in_every_card(store: Path, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\x1b[2J$x$"
    experiment = Experiment(
        evil,
        {evil: Scene(GUY), "b": Scene(HOT)},
        {evil: says("gold"), "n": characters},
        talks=2,
        prediction=evil,
    )
    results = experiment.run(fake(), "m", store)
    page = results.export(tmp_path / "card.html").read_text(encoding="utf-8")
    for shown in (results._repr_html_(), page, experiment.plan(fake(), "m", store)._repr_html_()):
        assert "<img" not in shown
        assert "&lt;img" in shown
    assert "\x1b" not in str(results)


def test_results_are_saved_as_page_and_rows(store: Path, tmp_path: Path) -> None:
    results = hot_or_not(3).run(fake(), "m", store)
    page = results.export(tmp_path / "heat.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "Heat makes greedy." in page
    assert page.count("<details>") == 1 + 6  # the other measure, and each talk
    assert "color-scheme: light dark" in page
    rows = [json.loads(line) for line in results.export(tmp_path / "heat.jsonl").read_text().splitlines()]
    assert rows == results.rows()
    with results.export(tmp_path / "heat.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["says_gold"] for row in table] == [str(row["says_gold"]) for row in results.rows()]
    with pytest.raises(NPCLabError, match=r"\.html, \.jsonl or \.csv"):
        results.export(tmp_path / "heat.pdf")


def test_the_card_in_a_terminal_is_drawn_by_rich(store: Path) -> None:
    from rich.console import Console

    results = hot_or_not(3).run(fake(), "m", store)
    console = Console(record=True, width=100, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(results)
    assert "Prediction: Heat makes greedy." in console.export_text()


@pytest.mark.long
def test_without_scipy_talks_are_played_and_the_card_says_what_to_install(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["scipy"] = None
from npc_lab import FakeClient, NPCConfig
from npc_lab.experiments import Experiment, Scene
guy = NPCConfig("", "You are Guy.")
client = FakeClient(lambda messages, fields: "x" * (fields["seed"] % 9 + 1))
e = Experiment("e", {"a": Scene(guy), "b": Scene(guy)}, {"n": lambda t: len(t[-1].content)}, talks=3)
results = e.run(client, "m", sys.argv[1] + "/lab.db")
print(results, results._repr_html_(), results.rows(), len(client.calls))
"""
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert said.stdout.count("npc-lab[course]") == 2
    assert said.stdout.rstrip().endswith("6")


def test_the_log_lists_experiments_and_shows_a_card(store: Path) -> None:
    results = hot_or_not(4).run(fake(), "m", store)
    listed = npc_lab("log", str(store))
    assert "experiment" in listed.output
    assert ["heat", "8"] in [line.split()[:2] for line in listed.lines]
    shown = npc_lab("log", str(store), "--experiment", "heat")
    assert shown.code == 0
    for line in str(results).splitlines()[:6]:
        assert one_line(line) in one_line(shown.output)
    lost = npc_lab("log", str(store), "--experiment", "haet")
    assert lost.code == 1
    assert "Did you mean 'heat'?" in one_line(lost.notices)
    assert "Sir Guy and script" in one_line(listed.output)


def test_no_key_stands_in_store_or_files(store: Path, tmp_path: Path, loopback: Any) -> None:
    server = loopback(lambda body: Status(401, f"Bad key {KEY}") if len(server.sent) % 2 else f"It is {KEY}.")
    results = hot_or_not(3).run(server.client(), "m", store, workers=1)
    page = results.export(tmp_path / "card.html").read_bytes()
    assert KEY.encode() not in store.read_bytes() + page + str(results).encode()


# By chance


@pytest.mark.long
def test_fifty_cards_of_nothing_cannot_tell(tmp_path: Path) -> None:
    """A against A through `run`, 50 times: a verdict in 7 % at most."""
    verdicts = []
    for number in range(50):
        nothing = Experiment(f"A/A {number}", {"a": Scene(GUY), "b": Scene(GUY)}, [says("gold")], talks=10)
        verdicts.append(nothing.run(fake(), "m", tmp_path / f"{number}.db", workers=1).verdict("a", "b"))
    assert len(verdicts) == 50
    assert verdicts.count("cannot tell") >= 0.93 * 50


def test_talks_of_an_experiment_can_be_read_by_an_arena(store: Path) -> None:
    scenes = {"script": Scene(GUY, Script(["Who?"])), "pair": Scene(GUY, HANS)}
    results = Experiment("e", scenes, [characters], talks=1).run(fake(), "m", store)
    factory = NPCFactory(fake(), "m", store=store)
    arena = ChatArena(factory)
    texts = [[each.content for each in arena.get_conversation_history(talk)] for talk in arena.conversations]
    for talk in (results.talks["script"][0], results.talks["pair"][0]):
        assert talk is not None
        assert [each.content for each in talk] in texts


@pytest.mark.model
def test_a_seeded_experiment_comes_again_in_another_process_on_the_embedded_model(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = [sys.argv[2]]\n"
        "from test_experiments import *\n"
        "print('ROWS', json.dumps(terse_pair().run(*connect('local'), sys.argv[1]).rows()))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "there.db"), str(Path(__file__).parent)]
    there = subprocess.run(command, capture_output=True, text=True, check=True)
    here = terse_pair().run(*connect("local"), tmp_path / "here.db").rows()
    assert json.loads(there.stdout.partition("ROWS ")[2]) == here


def test_the_readme_s_experiment_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n((?:(?!```).)*experiments import(?:(?!```).)*)```", readme, re.DOTALL)
    assert len([line for line in block.splitlines() if line and "import" not in line]) <= 10
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPC_LAB_PROVIDER", "fake")
    names: dict[str, Any] = {}
    exec(block, names)
    results = names["experiment"].run(names["client"], names["model"])
    assert results.verdict("cool", "hot") == "cannot tell"
    assert len(names["client"].calls) == 40
    assert Path("lab.db").exists()
