"""Votes: read from anybody's files, counted as other packages count them, and cut into tiers."""

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest

from npc_lab import ExperimentError
from npc_lab.experiments import (
    Ballot,
    Estimate,
    Standing,
    agreement,
    read_ballots,
    schedule,
    strengths,
    tiers,
)
from npc_lab.experiments.voting.ballots import as_line, nickname

pytestmark = pytest.mark.once

# choix, krippendorff and scipy are imported where they are needed: they take two seconds, in every worker.


def ballot(first: str, second: str, winner: str | None, voter: str = "mia", **more: Any) -> Ballot:
    return Ballot((first, second), (first, second), winner, voter, **more)


def games(first: str, second: str, won: int, lost: int, drawn: int = 0) -> list[Ballot]:
    winners = [first] * won + [second] * lost + [None] * drawn
    return [ballot(first, second, winner, f"voter {number}") for number, winner in enumerate(winners)]


# A beats B 3:1 and B beats C 3:1.
ANCHOR = games("A", "B", 3, 1) + games("B", "C", 3, 1)


def line(*pair: str, winner: str | None, **more: Any) -> str:
    return json.dumps({"pair": pair, "winner": winner} | more)


def put(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


# Reading ballots


def test_a_line_is_read_as_it_was_written(tmp_path: Path) -> None:
    ballots = [
        Ballot(("Otto", "Wren"), ("Wren", "Otto"), "Wren", "mia"),
        Ballot(("Otto", "Ötzi‮"), ("Otto", "Ötzi‮"), None, "mia"),
        Ballot(("x", "y"), ("x", "y"), None, "mia", margin=-0.5, unscored="unreadable", flipped=True),
    ]
    put(tmp_path, "mia.jsonl", *(as_line(each, "2026-11-28T10:00:00+01:00") for each in ballots))
    assert read_ballots(tmp_path) == ballots
    assert read_ballots(tmp_path).problems == []


def test_the_last_ballot_of_a_voter_on_a_pair_counts_whatever_the_order_of_the_pair(tmp_path: Path) -> None:
    put(
        tmp_path,
        "mia.jsonl",
        line("a", "b", winner="a"),
        line("c", "a", winner=None),
        line("b", "a", winner="b"),
    )
    put(tmp_path, "sam.jsonl", line("a", "b", winner="a"))
    found = read_ballots(tmp_path)
    assert Counter((each.voter, each.winner) for each in found) == Counter(
        {("mia", None): 1, ("mia", "b"): 1, ("sam", "a"): 1}
    )
    assert str(found) == "3 ballots of 2 voters on 2 pairs."


def test_what_is_wrong_costs_its_line_and_nothing_else(tmp_path: Path) -> None:
    wrong = {
        "{": "this is not JSON",
        "[" * 100_000: "this is not JSON",
        "[]": "this is no ballot: it needs a pair and a winner",
        '{"pair": ["a", "b"]}': "this is no ballot: it needs a pair and a winner",
        line("a", winner="a"): "['a'] is not a pair of two ids",
        line("a", "a", winner="a"): "['a', 'a'] is not a pair of two ids",
        line("a", " ", winner="a"): "['a', ' '] is not a pair of two ids",
        '{"pair": [1, 2], "winner": 1}': "[1, 2] is not a pair of two ids",
        '{"pair": "ab", "winner": "a"}': "ab is not a pair of two ids",
        line("a", "b", winner="c"): "the winner c is not one of the pair",
        '{"pair": ["a", "b"], "winner": ["a"]}': "the winner ['a'] is not one of the pair",
        '{"pair": ["a", "b"], "winner": false}': "the winner False is not one of the pair",
        line("a", "b", winner="a", shown=["a", "c"]): "['a', 'c'] are not the two of the pair",
        line("a", "b", winner="a", voter="sam"): "it is signed by sam: rename the file to sam.jsonl if it is "
        "theirs",
        line("a", "b", winner="a", voter=7): "it is signed by 7, which is no nickname",
        line("a", "mia", winner="a"): "a vote of mia on their own card",
        line("MIA", "a", winner="a"): "a vote of mia on their own card",
        line("a", "ghost", winner="a"): "nobody was asked about the pair a and ghost",
    }
    put(tmp_path, "mia.jsonl", line("a", "b", winner="a"), "", *wrong, line("a", "c", winner="c"))
    known = [("b", "a"), ("c", "a"), ("a", "mia")]
    found = read_ballots(tmp_path, known)
    assert [each.winner for each in found] == ["a", "c"]
    numbered = enumerate(wrong.values(), 3)
    assert found.problems == [f"mia.jsonl, line {number}: {words}." for number, words in numbered]


def test_other_files_are_named_and_not_read(tmp_path: Path) -> None:
    put(tmp_path, "mia.jsonl", line("a", "b", winner="a"))
    put(tmp_path, "notes.txt", line("a", "b", winner="b"))
    put(tmp_path, ".DS_Store", "")
    (tmp_path / "old.jsonl").mkdir()
    (tmp_path / "picture.jsonl").write_bytes(b"\x89PNG\xff")
    with (tmp_path / "large.jsonl").open("wb") as file:
        file.truncate(5_000_001)
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    found = read_ballots(tmp_path)
    assert len(found) == 1
    assert found.problems == [
        "gone.jsonl is no file of ballots, and was not read.",
        "notes.txt is no file of ballots, and was not read.",
        "old.jsonl is no file of ballots, and was not read.",
        "large.jsonl was not read: it is too large for ballots.",
        "picture.jsonl was not read: it is not text in UTF-8.",
    ]


def test_a_file_that_was_downloaded_twice_is_one_voters(tmp_path: Path) -> None:
    put(tmp_path, "mia.jsonl", line("a", "b", winner="a", voter="mia"))
    put(tmp_path, "mia (1).jsonl", line("a", "b", winner="b", voter="mia"))
    put(tmp_path, "sam-2.jsonl", line("a", "b", winner="b", voter="sam"))
    found = read_ballots(tmp_path)
    assert [(each.voter, each.winner) for each in found] == [("mia", "b"), ("sam", "b")]
    assert found.problems == []


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    content = f"{line('a', 'b', winner='a')}\r\n{line('a', 'c', winner='c')}\r\n"
    (tmp_path / "mia.jsonl").write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert [each.winner for each in read_ballots(tmp_path)] == ["a", "c"]


@pytest.mark.parametrize("folder", ["nowhere", "mia.jsonl", "a\0b", None, 7])
def test_a_folder_that_is_none_is_refused_in_words(tmp_path: Path, folder: Any) -> None:
    put(tmp_path, "mia.jsonl", line("a", "b", winner="a"))
    with pytest.raises(ExperimentError, match="There is no folder of votes"):
        read_ballots(tmp_path / folder if isinstance(folder, str) else folder)


@pytest.mark.parametrize("voter", ["mia", " Søren 3 ", "مريم", "o'neil", "CON5x", "mia.b"])
def test_a_nickname_is_the_stem_of_one_file(voter: str) -> None:
    assert Path(f"votes/{nickname(voter)}.jsonl").stem == voter.strip()


NO_NICKNAMES = ["a/b", "../mia", "a\\b", "", "  ", ".", "c:mia", "nul", "com1.x", "x" * 61, "a\nb", 7, None]


@pytest.mark.parametrize("voter", NO_NICKNAMES)
def test_a_nickname_that_is_no_file_name_is_refused(voter: Any) -> None:
    with pytest.raises(ExperimentError, match="A nickname is the name of a file"):
        nickname(voter)


# Agreement


def votes_of(rows: list[list[int | None]]) -> list[Ballot]:
    """Each row is a voter: 0 and 1 for the two of a pair, 2 for no difference, None for no vote."""
    return [
        ballot(
            f"pair {unit}, b",
            f"pair {unit}, a",
            [f"pair {unit}, a", f"pair {unit}, b", None][value],
            f"{voter}",
        )
        for voter, row in enumerate(rows)
        for unit, value in enumerate(row)
        if value is not None
    ]


def test_agreement_is_that_of_the_package() -> None:
    import krippendorff

    random = numpy.random.default_rng(3)
    for _ in range(30):
        values = random.choice([0, 1, 2, None], size=(4, 12), p=[0.3, 0.3, 0.2, 0.2])
        data = [[numpy.nan if value is None else value for value in row] for row in values]
        expected = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
        found = agreement(votes_of(values.tolist()))
        assert found.value == pytest.approx(expected)
        assert found.n + found.missing == sum(
            any(row[unit] is not None for row in values) for unit in range(12)
        )
        assert found.low is not None
        assert found.high is not None
        assert found.low <= expected <= found.high


def test_agreement_of_all_and_of_none() -> None:
    assert agreement(votes_of([[0, 1, 2], [0, 1, 2]])).value == 1
    assert agreement(votes_of([[0, 1], [1, 0]])).value == pytest.approx(-0.5)
    assert agreement([]).value is None
    assert agreement(votes_of([[0, 1, 2]])) == Estimate(None, None, None, 0, 3)
    assert agreement(votes_of([[0, 0], [0, 0]])).value is None  # nothing could differ


def test_a_voter_counts_once_on_a_pair_and_unscored_not_at_all() -> None:
    twice = [ballot("a", "b", "a"), ballot("b", "a", "b")]
    assert agreement(twice).n == 0
    others = [
        *votes_of([[0, 1, 2], [0, 1, 2]]),
        ballot("pair 0, a", "pair 0, b", None, "judge", unscored="?"),
    ]
    assert agreement(others).value == 1


# The schedule


def are_connected(pairs: list[tuple[str, str]], names: list[str]) -> bool:
    reached, before = {names[0]}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {name for pair in pairs if reached & set(pair) for name in pair}
    return reached == set(names)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 9, 10, 12, 15, 30, 31])
def test_a_schedule_is_fair_and_connected(n: int) -> None:
    names = [f"name {number}" for number in range(n)]
    for rounds in sorted({1, 2, 3, 4, 5, n - 1, n, n + 1, 2 * n + 1}):
        pairs = schedule(names, rounds)
        assert all(first != second for first, second in pairs)
        left, right = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
        for name in names:
            assert rounds - 1 <= left[name] + right[name] <= rounds
            assert abs(left[name] - right[name]) <= 1
        met = Counter(map(frozenset, pairs))
        least = min(met.values()) if len(met) == n * (n - 1) // 2 else 0
        assert max(met.values()) <= 1 + least
        if rounds > 1:
            assert are_connected(pairs, names)


@pytest.mark.parametrize("names", [[], ["a"], "abc", ["a", "b", "a"], ["a", 7], None, {"a": 1, "b": 2}])
def test_names_that_cannot_meet_are_refused(names: Any) -> None:
    with pytest.raises(ExperimentError):
        schedule(names, 2)


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True, None])
def test_rounds_are_a_whole_number(rounds: Any) -> None:
    with pytest.raises(ExperimentError, match="rounds must be a whole number"):
        schedule(["a", "b"], rounds)


# Strengths


@pytest.mark.parametrize(("ghost", "expected"), [(1, 0.8473), (1e-6, 1.0986), (0, 1.0986)])
def test_the_anchor(ghost: float, expected: float) -> None:
    found = strengths(ANCHOR, ghost)
    assert [each.name for each in found] == ["A", "B", "C"]
    assert [each.value for each in found] == pytest.approx([expected, 0, -expected], abs=5e-5)
    assert [each.n for each in found] == [4, 8, 4]


def reversed_ballots(ballots: list[Ballot]) -> list[Ballot]:
    return [
        ballot(*each.pair, each.winner and next(name for name in each.pair if name != each.winner))
        for each in ballots
    ]


def class_of(truth: dict[str, float], pairs: list[tuple[str, str]], random: Any) -> list[Ballot]:
    """Ballots of people who see the truth as Bradley and Terry say."""
    return [
        ballot(*pair, pair[int(random.random() > 1 / (1 + math.exp(truth[pair[1]] - truth[pair[0]])))])
        for pair in pairs
    ]


def simulated(seed: int, cards: int = 30, rounds: int = 20) -> tuple[dict[str, float], list[Ballot]]:
    random = numpy.random.default_rng(seed)
    names = [f"card {number:02d}" for number in range(cards)]
    values = random.normal(size=cards)
    truth = dict(zip(names, values - values.mean(), strict=True))
    return truth, class_of(truth, schedule(names, rounds), random)


def test_strengths_are_those_of_the_package() -> None:
    _, ballots = simulated(5, cards=5, rounds=20)
    names = sorted({name for each in ballots for name in each.pair})
    won = [
        (names.index(each.winner or ""), names.index(next(name for name in each.pair if name != each.winner)))
        for each in ballots
    ]
    import choix

    expected = choix.opt_pairwise(len(names), won)
    found = {each.name: each.value for each in strengths(ballots, ghost=0)}
    assert [found[name] for name in names] == pytest.approx(expected - expected.mean(), abs=1e-4)


def zermelo(ballots: list[Ballot], ghost: float) -> dict[str, float]:
    """As learners write it: what was won, divided by what could be won; the stranger is one more name."""
    names = sorted({name for each in ballots for name in each.pair})
    everybody = [*names, ""]
    won = Counter((each.winner, loser) for each in ballots for loser in each.pair if loser != each.winner)
    won.update({pair: ghost / 2 for name in names for pair in ((name, ""), ("", name))})
    p = dict.fromkeys(everybody, 1.0)
    for _ in range(2000):
        p = {
            me: sum(won[me, other] for other in everybody)
            / sum((won[me, other] + won[other, me]) / (p[me] + p[other]) for other in everybody)
            for me in everybody
        }
    middle = sum(map(math.log, (p[name] for name in names))) / len(names)
    return {name: math.log(p[name]) - middle for name in names}


def test_no_difference_is_half_a_win_for_both() -> None:
    drawn, won = games("A", "B", 1, 0, drawn=2), games("A", "B", 2, 1)
    assert strengths(drawn, ghost=0)[0].value == pytest.approx(math.log(2) / 2, abs=1e-6)
    assert strengths(drawn) == strengths(won)


def test_strengths_are_those_of_zermelos_iteration() -> None:
    ballots = games("a", "b", 4, 0) + games("b", "c", 2, 3) + games("c", "d", 0, 5)
    found = {each.name: each.value for each in strengths(ballots, ghost=1)}
    assert found == pytest.approx(zermelo(ballots, ghost=1), abs=1e-6)


def test_all_results_reversed_mirror_values_and_intervals() -> None:
    _, ballots = simulated(7, cards=8, rounds=6)
    ballots += games("card 00", "card 01", 0, 0, drawn=3)
    found = {each.name: each for each in strengths(ballots)}
    mirror = {each.name: each for each in strengths(reversed_ballots(ballots))}
    for name, each in found.items():
        assert (each.value, each.low, each.high) == pytest.approx(
            (-mirror[name].value, -(mirror[name].high or 0), -(mirror[name].low or 0)), abs=1e-6
        )


def test_neither_the_order_of_ballots_nor_that_in_a_pair_matters() -> None:
    _, ballots = simulated(9, cards=6, rounds=6)
    turned = [ballot(*each.pair[::-1], each.winner) for each in reversed(ballots)]
    assert strengths(turned) == strengths(ballots)


@pytest.mark.parametrize("ghost", [1, 1e-6, 0])
def test_unbeaten_and_beaten_by_all_stay_finite(ghost: float) -> None:
    best, *_, worst = strengths(games("A", "B", 9, 0) + games("B", "C", 9, 0), ghost)
    assert (best.name, worst.name) == ("A", "C")
    for each in (best, worst):
        assert all(math.isfinite(value) for value in (each.value, each.low or 0, each.high or 0))
        assert each.low is not None
        assert each.low <= each.value <= (each.high or 0)


def test_one_ballot_in_all_gives_no_interval_and_one_tier() -> None:
    found = strengths([ballot("A", "B", "B")])
    assert [(each.name, each.low, each.high, each.n) for each in found] == [
        ("B", None, None, 1),
        ("A", None, None, 1),
    ]
    assert found[0].value == -found[1].value > 0
    assert len(tiers(found)) == 1


def test_ballots_on_one_pair_stay_together() -> None:
    once = [*games("A", "B", 1, 0), *games("B", "C", 1, 1), *games("C", "A", 1, 0)]
    width = [(each.high or 0) - (each.low or 0) for each in strengths(once * 8, ghost=8)]
    assert width == pytest.approx([(each.high or 0) - (each.low or 0) for each in strengths(once)], abs=1e-6)


def test_islands_are_refused_and_named() -> None:
    islands = games("A", "B", 1, 1) + games("C", "D", 2, 1) + games("D", "E", 2, 1)
    with pytest.raises(ExperimentError, match=r"2 groups .* \(1\) A, B; \(2\) C, D, E\."):
        strengths(islands)


def test_without_a_ballot_that_counts_one_is_asked_to_vote() -> None:
    for none in ([], [ballot("A", "B", None, unscored="unreadable")]):
        with pytest.raises(ExperimentError, match="There is no ballot yet"):
            strengths(none)
    with pytest.raises(ExperimentError, match="computed from ballots"):
        strengths([("A", "B")])  # type: ignore[list-item]


@pytest.mark.parametrize("ghost", [-1, math.nan, math.inf, "1", True])
def test_a_ghost_is_a_number_of_games(ghost: Any) -> None:
    with pytest.raises(ExperimentError, match="ghost must be a number of games"):
        strengths(ANCHOR, ghost)


def rank_correlation(seed: int) -> float:
    truth, ballots = simulated(seed)
    found = strengths(ballots)
    from scipy.stats import spearmanr

    return float(spearmanr([each.value for each in found], [truth[each.name] for each in found])[0])


def covered(seed: int, rounds: int) -> list[bool]:
    truth, ballots = simulated(seed, rounds=rounds)
    return [(each.low or 0) <= truth[each.name] <= (each.high or 0) for each in strengths(ballots)]


def test_a_class_of_thirty_finds_most_of_the_order() -> None:
    assert rank_correlation(1) > 0.75


@pytest.mark.whole
def test_strengths_of_thirty_are_found_in_95_of_100_classes() -> None:
    correlations = [rank_correlation(seed) for seed in range(400)]
    enough = numpy.mean([each > 0.75 for each in correlations])
    print(f"Spearman: mean {numpy.mean(correlations):.3f}, above .75 in {enough:.3f}")
    assert enough >= 0.95


@pytest.mark.whole
@pytest.mark.parametrize("votes", [1, 2])
def test_intervals_cover_the_truth_in_nine_of_ten(votes: int) -> None:
    inside = []
    for seed in range(150):
        random = numpy.random.default_rng([seed, 1])
        truth, _ = simulated(seed)
        pairs = schedule(list(truth), 20 // votes)
        found = strengths(class_of(truth, pairs * votes, random))
        inside += [(each.low or 0) <= truth[each.name] <= (each.high or 0) for each in found]
    print(f"{votes} ballots a pair: {numpy.mean(inside):.3f}")
    assert numpy.mean(inside) >= 0.90


# Tiers


def standing(name: str, value: float, reach: float | None = 0.5) -> Standing:
    low, high = (None, None) if reach is None else (value - reach, value + reach)
    return Standing(name, value, low, high, 10)


def names_in(found: list[list[Standing]]) -> list[str]:
    return ["".join(each.name for each in tier) for tier in found]


def test_overlapping_intervals_share_a_tier() -> None:
    standings = [standing("C", -2), standing("A", 1.2), standing("D", -2.5), standing("B", 0.4)]
    assert names_in(tiers(standings)) == ["AB", "CD"]
    assert names_in(tiers([standing("A", 2), standing("B", 1.5), standing("C", 0.9)])) == [
        "ABC"
    ]  # B joins them
    assert names_in(tiers([standing("A", 2, 0.1), standing("B", 1, 0.1), standing("W", 1.9, 3)])) == ["AWB"]
    assert names_in(tiers([standing("A", 5, 0.1), standing("B", -5, 0.1), standing("X", 0, None)])) == ["AXB"]
    assert tiers([]) == []


def test_who_beat_nobody_in_two_ballots_is_not_the_worst() -> None:
    _, ballots = simulated(2, cards=10, rounds=12)
    newcomer = [ballot("new", "card 03", "card 03"), ballot("new", "card 05", "card 05")]
    found = tiers(strengths(ballots + newcomer))
    assert len(next(tier for tier in found if any(each.name == "new" for each in tier))) > 1


def test_without_numpy_one_sentence_says_how_to_install_it() -> None:
    code = """
import sys
sys.modules["numpy"] = None
from npc_lab.experiments import *
try:
    strengths([Ballot(("a", "b"), ("a", "b"), "a", "mia")])
except ExperimentError as error:
    print(error)
"""
    code = code.replace("import *", "import Ballot, strengths\nfrom npc_lab import ExperimentError")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "Ballots are counted by numpy, which is not installed here. Install it with: "
        'pip install "npc-lab[course]", or pip install numpy\n'
    )
