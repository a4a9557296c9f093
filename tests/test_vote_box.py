"""The vote box: blind, one line a click, never one's own card; as a learner sees it, without a page."""

import json
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from panels import button, foreign_markup, is_shown, line_widgets, text_of, visible, walk
from payloads import MARKS, ORDERS, PAYLOADS, SCRIPT

from npc_lab import ExperimentError, Message, Transcript
from npc_lab.experiments import Ballot, read_ballots
from npc_lab.experiments.voting.blind import blind
from npc_lab.experiments.voting.pairs import Pairs, pairs_of, write_pairs
from npc_lab.widgets import VoteBox, vote_box

pytestmark = pytest.mark.packages

NOW = datetime(2026, 11, 28).astimezone()
PRESS = ("Left", "Right", "No difference")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def talk(*lines: str, names: tuple[str, str] = ("Sir Guy", "Hans")) -> Transcript:
    said = [Message("system", "Good day.", NOW)]
    said += [Message(f"npc-{place % 2}", line, NOW, seat=1 + place % 2) for place, line in enumerate(lines)]
    return Transcript(said, dict(zip((1, 2), names, strict=True)))


def entry(name: str) -> tuple[str, Transcript]:
    return name, talk(f"These are the words of card {name}.", "So they are.")


def pairs(*ids: str) -> list[Any]:
    """Pairs such as "ab": a and b."""
    return [(entry(first), entry(second)) for first, second in ids]


def press(box: VoteBox, name: str) -> None:
    button(box.widget, name).click()


def sides(box: VoteBox) -> list[str]:
    """Which cards are shown, the left one first: of test talks, whose words say it."""
    shown = text_of(box.widget).split("card ")[1:]
    return [words[0] for words in shown]


def votes(voter: str = "mia") -> list[dict[str, Any]]:
    content = Path(f"votes/{voter}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in content.splitlines()]


@pytest.mark.parametrize("name", PRESS)
def test_each_click_is_one_line_written_at_once(name: str) -> None:
    box = vote_box(pairs("ab", "cd"), "mia")
    shown = sides(box)
    press(box, name)
    (vote,) = votes()
    winner = {"Left": shown[0], "Right": shown[1], "No difference": None}[name]
    assert vote.pop("at")
    assert vote == {"pair": ["a", "b"], "shown": shown, "winner": winner, "voter": "mia"}
    assert read_ballots("votes") == [Ballot(("a", "b"), (shown[0], shown[1]), winner, "mia")]
    assert set(sides(box)) == {"c", "d"}


def test_it_counts_ends_and_thanks() -> None:
    box = vote_box(pairs("ab", "cd"), "mia")
    assert "Pair 1 of 2" in text_of(box.widget)
    assert str(box) == "VoteBox('mia': 0 of 2)"
    press(box, "Left")
    assert "Pair 2 of 2" in text_of(box.widget)
    press(box, "No difference")
    assert "Thank you. You have voted on all 2 pairs." in text_of(box.widget)
    assert not any(is_shown(box.widget, button(box.widget, name)) for name in PRESS)
    press(box, "Left")  # a click that was under way
    assert len(votes()) == 2


def test_who_comes_back_goes_on_and_who_votes_on_more_pairs_adds_to_the_file() -> None:
    press(vote_box(pairs("ab", "cd"), "mia"), "Left")
    box = vote_box(pairs("ab", "cd"), "mia")
    assert "Pair 2 of 2" in text_of(box.widget)
    press(box, "Left")
    press(vote_box(pairs("ef"), "mia"), "Right")
    assert [vote["pair"] for vote in votes()] == [["a", "b"], ["c", "d"], ["e", "f"]]


def test_a_line_that_was_cut_off_costs_only_itself() -> None:
    press(vote_box(pairs("ab", "cd"), "mia"), "Left")
    with Path("votes/mia.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"pair": ["c"')
    press(vote_box(pairs("ab", "cd"), "mia"), "Left")
    found = read_ballots("votes")
    assert len(found) == 2
    assert found.problems == ["mia.jsonl, line 2: this is not JSON."]


def test_ones_own_card_is_never_shown() -> None:
    own = [(entry("a"), ("Mia", talk("Mine."))), *pairs("cd")]
    box = vote_box(own, "mia")
    assert "1 of 1" in text_of(box.widget)
    assert set(sides(box)) == {"c", "d"}
    assert "your own card is in each" in text_of(vote_box(own[:1], "MIA").widget)


def test_the_same_pair_is_asked_about_once() -> None:
    assert "1 of 1" in text_of(vote_box([*pairs("ab"), *pairs("ba")], "mia").widget)


def test_sides_are_the_same_for_a_voter_and_differ_between_voters() -> None:
    several = pairs(*(f"{letter}z" for letter in "abcdefgh"))

    def of(voter: str) -> list[list[str]]:
        box, found = vote_box(several, voter), []
        for _ in several:
            found.append(sides(box))
            press(box, "No difference")
        Path(f"votes/{voter}.jsonl").unlink()
        return found

    mias = of("mia")
    assert of("mia") == mias
    assert of("sam") != mias
    left = [shown[0] for shown in mias].count("z")
    assert 0 < left < len(several)


def test_names_are_hidden_and_replaced_in_what_is_said() -> None:
    named = talk("I am Sir Guy. GUY, I say, no guy!", "Hans am I, not Hansel.", "Well, Sir, Hans it is.")
    box = vote_box(
        [
            (("a", named), ("b", talk("Mine.", names=("Ann", "")))),
        ],
        "mia",
    )
    shown = text_of(box.widget)
    assert "I am First. First, I say, no guy!" in shown
    assert "Second am I, not Hansel." in shown
    assert "Well, Sir, Second it is." in shown
    assert "Guy" not in shown
    assert "Hans it" not in shown
    assert blind(talk("王明说：我是王明。", names=("王明", "Hans")))[1].content == "First说：我是First。"
    assert blind(Transcript(named)) == list(named)


def test_what_cannot_be_written_is_told_and_asked_again() -> None:
    box = vote_box(pairs("ab"), "mia")
    Path("votes").write_text("a file", encoding="utf-8")
    press(box, "Left")
    assert "Your vote could not be written to votes/mia.jsonl" in text_of(box.widget)
    assert "Pair 1 of 1" in text_of(box.widget)
    Path("votes").unlink()
    press(box, "Left")
    assert "could not" not in text_of(box.widget)
    assert len(votes()) == 1


def test_the_file_stays_where_it_was_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    box = vote_box(pairs("ab"), "mia")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    press(box, "Left")
    assert (tmp_path / "votes" / "mia.jsonl").exists()


def test_the_votes_can_be_downloaded_once_there_are_some() -> None:
    box = vote_box(pairs("ab"), "mia")
    assert "download=" not in "".join(getattr(each, "value", "") for each in visible(box.widget))
    press(box, "Left")
    markup = "".join(getattr(each, "value", "") for each in visible(box.widget))
    assert "<a download='mia.jsonl' href='data:application/jsonl" in markup


def test_on_colab_a_button_sends_the_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    files = SimpleNamespace(download=lambda path: sent.append(Path(path).read_text(encoding="utf-8")))
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "google.colab.files", files)
    box = vote_box(pairs("ab"), "mia")
    press(box, "Download my votes")
    assert "There is no vote yet" in text_of(box.widget)
    press(box, "Left")
    press(box, "Download my votes")
    assert sent == [Path("votes/mia.jsonl").read_text(encoding="utf-8")]


def test_hostile_text_is_shown_as_text() -> None:
    texts = [*PAYLOADS, *MARKS, *ORDERS]
    everything = " ".join(texts)
    said = talk(*texts, names=(everything, everything))
    box = VoteBox(Pairs([((everything, said), ("b", said))], about=everything), "mia")
    assert foreign_markup(box.widget) == []
    assert text_of(box.widget).count(SCRIPT) >= 2 * len([text for text in texts if SCRIPT in text])


def test_each_line_runs_as_its_letters_do() -> None:
    box = vote_box([(("a", talk("שלום עולם")), ("b", talk("Good day.")))], "mia")
    markup = "".join(getattr(each, "value", "") for each in walk(box.widget))
    assert '<p dir="auto">שלום עולם</p>' in markup
    assert line_widgets(box.widget) == []  # a whole talk is one widget


def test_a_file_of_pairs_gives_each_voter_some_of_them() -> None:
    everything = Pairs(
        pairs_of(pairs(*(f"{letter}z" for letter in "abcdefgh"))).entries, 3, "Here, at night."
    )
    write_pairs(Path("pairs.json"), everything)
    assert pairs_of("pairs.json") == everything
    asked = []
    for voter in ("mia", "sam", "ann"):
        box = vote_box("pairs.json", voter)
        assert "Pair 1 of 3" in text_of(box.widget)
        assert "Here, at night." in text_of(box.widget)
        for _ in range(3):
            press(box, "Left")
        asked.append({tuple(vote["pair"]) for vote in votes(voter)})
        assert len(asked[-1]) == 3
        assert "all 3 pairs" in text_of(vote_box("pairs.json", voter).widget)
    assert len(set.union(*asked)) > 3
    stored = Path("pairs.json").read_text(encoding="utf-8")
    assert stored.count("card z") == 8  # made anew for each pair; a talk that is the same stands there once
    write_pairs(Path("pairs.json"), Pairs([(entry("a"), z) for z in [entry("z")] * 3]))
    assert Path("pairs.json").read_text(encoding="utf-8").count("card z") == 1


NO_PAIRS = [
    "",
    "{",
    "[]",
    "{}",
    '{"npc_lab_pairs": 2}',
    '{"npc_lab_pairs": 1, "talks": [], "pairs": [[["a", 0], ["b", 1]]], "each": null, "about": ""}',
    '{"npc_lab_pairs": 1, "talks": [], "pairs": [], "each": null, "about": ""}',
    "[" * 100_000,
    "\ufffe\x00",
]


@pytest.mark.parametrize("content", NO_PAIRS)
def test_a_file_that_holds_no_pairs_is_refused(content: str) -> None:
    Path("pairs.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ExperimentError, match="not a file of pairs"):
        vote_box("pairs.json", "mia")
    with pytest.raises(ExperimentError, match="There is no file"):
        vote_box("nowhere.json", "mia")


@pytest.mark.parametrize(
    "wrong", [[], None, 7, [1], [("a", "b")], [(entry("a"), ("b", "no talk"))], [(entry("a"),) * 2]]
)
def test_what_is_no_pairs_is_refused(wrong: Any) -> None:
    with pytest.raises(ExperimentError):
        vote_box(wrong, "mia")


@pytest.mark.parametrize("voter", ["a/b", "..", "", None])
def test_a_nickname_is_a_file_name(voter: Any) -> None:
    with pytest.raises(ExperimentError, match="A nickname is the name of a file"):
        vote_box(pairs("ab"), voter)
    assert not Path("votes").exists()
