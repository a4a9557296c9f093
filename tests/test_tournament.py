"""A tournament: cards of strangers, played, voted on, and shown on a page that asks nobody for anything."""

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from browser import Jupyter
from payloads import MARKS, ORDERS, PAYLOADS
from selectolax.lexbor import LexborHTMLParser
from test_cli import one_line
from test_cli import run as npc_lab

from npc_lab import ExperimentError, Message, NPCConfig, NPCLabError, Transcript
from npc_lab.cards import Card, write_card
from npc_lab.experiments import Ballot, Estimate, Standing, schedule, strengths, tournament_page
from npc_lab.experiments.voting.entrants import read_cards
from npc_lab.experiments.voting.hosts import hosts
from npc_lab.experiments.voting.pairs import pairs_of
from npc_lab.experiments.voting.tournament import Tournament
from npc_lab.text import well_formed

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 28).astimezone()
NAMES = ["ann", "bo", "cy", "dee"]


def talk(*lines: str, names: tuple[str, str] = ("Sir Guy", "Marta")) -> Transcript:
    said = [Message("npc", line, NOW, 1 + place % 2) for place, line in enumerate(lines)]
    return Transcript(said, dict(zip((1, 2), names, strict=True)))


def hand_in(folder: Path, *names: str, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        write_card(
            Card(NPCConfig("", f"You are {name}.", name=name.title(), **more)), folder / f"{name}.json"
        )
    return folder


def vote(folder: Path, voter: str, *ballots: tuple[str, str, str | None]) -> None:
    folder.mkdir(exist_ok=True)
    lines = [{"pair": [first, second], "winner": winner} for first, second, winner in ballots]
    (folder / f"{voter}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def hold(cards: Path, *more: str) -> Any:
    return npc_lab(
        "tournament", str(cards), "--out", str(cards.parent / "page.html"), "--provider", "fake", *more
    )


def calls_left(cards: Path) -> str:
    return one_line(hold(cards, "--plan").output).partition("fake). ")[2]


# The command


def test_a_class_plays_votes_and_looks_at_one_page(tmp_path: Path) -> None:
    cards, page = hand_in(tmp_path / "cards", *NAMES), tmp_path / "page.html"
    assert calls_left(cards).startswith("48 calls are still to be made: ")
    assert not page.exists()
    first = hold(cards)
    assert first.code == 0
    assert 'vote_box("pairs.json", "your nickname")' in one_line(first.output)
    assert "There are no tiers yet" in page.read_text(encoding="utf-8")
    pairs = pairs_of(tmp_path / "pairs.json")
    assert sorted((one[0], other[0]) for one, other in pairs.entries) == sorted(schedule(NAMES, 3))
    for (_, one), (_, other) in pairs.entries:
        assert one.names[2] == other.names[2] in hosts()
    assert calls_left(cards) == "All talks are there: a run makes no call."

    ballots = [(one[0], other[0], min(one[0], other[0])) for one, other in pairs.entries]
    vote(tmp_path / "votes", "mia", *ballots, ("ann", "ghost", "ann"))
    vote(tmp_path / "votes", "ann", *ballots)
    second = hold(cards, "--votes", str(tmp_path / "votes"))
    assert "9 ballots of 2 voters on 6 pairs." in second.output
    assert "mia.jsonl, line 7: nobody was asked about the pair ann and ghost." in one_line(second.notices)
    assert second.notices.count("a vote of ann on their own card") == 3
    shown = LexborHTMLParser(page.read_text(encoding="utf-8"))
    assert [each.text() for each in shown.css("summary b")] == NAMES
    assert "4 cards, 9 ballots." in shown.body.text()
    assert "4 lines or files of the votes do not count." in shown.body.text()
    assert len(shown.css("details h1")) == 12


def test_a_judge_that_does_not_pass_its_trial_does_not_vote(tmp_path: Path) -> None:
    cards = hand_in(tmp_path / "cards", *NAMES)
    assert "80 calls for its trial" in one_line(hold(cards, "--judge", "--plan").output)
    hold(cards)
    refused = hold(cards, "--judge", "--limit", "91")
    assert "The judge may make 92 calls, and the limit is 91. It was not asked." in one_line(refused.notices)
    tried = hold(cards, "--judge")
    assert tried.code == 0
    assert "on trial: found: " in one_line(tried.output)
    assert "A judge that does not pass its trial does not vote." in one_line(tried.notices)
    assert 'vote_box("pairs.json"' in one_line(tried.output)
    assert not (tmp_path / "votes").exists()


def test_a_card_that_comes_late_costs_only_its_own_talks_and_no_vote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npc_lab.experiments.voting.tournament._ROUNDS", 2)  # so it changes the schedule
    cards = hand_in(tmp_path / "cards", *NAMES)
    hold(cards)
    vote(tmp_path / "votes", "mia", *[(*pair, pair[0]) for pair in schedule(NAMES, 2)])
    hand_in(cards, "eve")
    assert calls_left(cards).startswith("12 calls")
    late = hold(cards, "--votes", str(tmp_path / "votes"))
    assert "4 ballots of 1 voter on 4 pairs." in late.output
    assert "Not voted on" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_host_that_nobody_knows_is_named_with_the_nearest_one() -> None:
    cards = {name: NPCConfig("", f"You are {name}.") for name in NAMES}
    assert len(Tournament(cards, ["Pim", "Marta"]).experiment.scenes) == 2 * len(NAMES)
    with pytest.raises(ExperimentError, match=r"There is no host 'Martha'\. Did you mean 'Marta'\?"):
        Tournament(cards, ["Martha"])


def test_a_limit_is_kept_before_anything_is_sent(tmp_path: Path) -> None:
    refused = hold(hand_in(tmp_path / "cards", *NAMES), "--limit", "47")
    assert refused.code == 1
    assert "may make 48 calls, and the limit is 47. Nothing was sent." in one_line(refused.notices)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("ballots", "words"),
    [
        ([("ann", "bo", "ann"), ("cy", "dee", None)], "2 groups that were never compared"),
        ([], "There is no ballot yet"),
    ],
)
def test_votes_that_allow_no_tiers_are_said_and_the_page_is_written(
    tmp_path: Path, ballots: list[Any], words: str
) -> None:
    cards = hand_in(tmp_path / "cards", *NAMES)
    vote(tmp_path / "votes", "mia", *ballots)
    done = hold(cards, "--votes", str(tmp_path / "votes"))
    assert done.code == 0
    assert words in one_line(done.notices)
    assert words in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_folders_that_are_not_there_are_told(tmp_path: Path) -> None:
    assert "There is no folder of cards" in one_line(hold(tmp_path / "nowhere").notices)
    cards = hand_in(tmp_path / "cards", *NAMES)
    assert "There is no folder of votes" in one_line(hold(cards, "--votes", "nowhere").notices)


# Cards


def test_what_is_no_card_is_named_and_left_out(tmp_path: Path) -> None:
    folder = hand_in(
        tmp_path / "cards", "ann", "bo", "cy", request_options={"top_p": 0.5, "prompt": "hostile"}
    )
    (folder / "notes.txt").write_text("Hello", encoding="utf-8")
    (folder / ".DS_Store").touch()
    (folder / "deep.json").mkdir()
    (folder / "zed.json").write_text('{"x": "\x1b[2J"}', encoding="utf-8")
    (folder / "Ann.png").write_bytes(b"")
    found = read_cards(folder)
    assert list(found.cards) == ["ann", "bo", "cy"]
    assert all(card.request_options == {} for card in found.cards.values())
    *others, last = found.notes
    assert len(others) == 4
    assert others[0] == "Left out: 'Ann.png': This file is empty. Download or save it again."
    assert "deep.json is no card, and was left out: cards end with .json or .png." in others
    assert "notes.txt is no card, and was left out: cards end with .json or .png." in others
    assert any(note.startswith("Left out: 'zed.json': ") for note in others)
    assert last == ("The request options of these cards were left out, for they are strangers': ann, bo, cy.")
    assert "\x1b" not in "".join(found.notes)


def test_two_cards_of_one_name_and_one_card_alone(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "cards", "ann")
    with pytest.raises(ExperimentError, match="needs two cards or more"):
        read_cards(folder)
    hand_in(folder, "bo")
    (folder / "ANN.json").write_bytes((folder / "ann.json").read_bytes())
    found = read_cards(folder)
    assert len(found.cards) == 2
    assert found.notes == ["ann.json was left out: there is another card called ann."]


def test_no_card_makes_replies_longer_than_a_limit(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "cards", "ann", max_reply_tokens=1_000_000)
    hand_in(folder, "bo", max_reply_tokens=40)
    hand_in(folder, "cy", max_reply_tokens=None)
    assert [card.max_reply_tokens for card in read_cards(folder).cards.values()] == [300, 40, 300]


# The page


def standing(name: str, value: float, reach: float | None = 0.3) -> Standing:
    low, high = (None, None) if reach is None else (value - reach, value + reach)
    return Standing(name, value, low, high, 20)


def test_the_page_shows_tiers_ballots_agreement_and_talks(tmp_path: Path) -> None:
    standings = [standing("bo", 1.2), standing("ann", 1.0), standing("cy", -2.2)]
    talks = {"bo": [talk("Good day.", "Hello.")], "eve": [talk("Late.")]}
    path = tournament_page(
        standings,
        talks,
        str(tmp_path / "page.html"),
        agreement=Estimate(0.31, 0.1, 0.5, 12),
        notes=["One <b>note</b>."],
    )
    shown = LexborHTMLParser(path.read_text(encoding="utf-8"))
    words = shown.body.text()
    assert [each.text() for each in shown.css("h2")] == ["Tier 1", "Tier 2", "Not voted on"]
    assert [each.text() for each in shown.css("summary b")] == ["bo", "ann", "cy", "eve"]
    assert "3 cards, 30 ballots. Agreement (Krippendorff's alpha) on 12 pairs" in words
    assert "0.31 [0.10, 0.50]" in words
    assert "Not for marks" in words
    assert "One <b>note</b>." in words
    assert [each.attributes["aria-label"] for each in shown.css("[role=img]")] == [
        "bo: chosen in 77 % before an average one, 71 % to 82 %",
        "ann: chosen in 73 % before an average one, 67 % to 79 %",
        "cy: chosen in 10 % before an average one, 8 % to 13 %",
    ]
    tournament_page([standing("cy", -2.2, None)], {}, path)
    assert "no interval" in path.read_text(encoding="utf-8")


def inert(markup: str) -> list[str]:
    """Tags and attributes that could run or fetch something without a click."""
    page = LexborHTMLParser(markup)
    bad = "script, iframe, object, embed, link, img, image, svg, video, audio, source, form, input, base"
    found = [each.html or "" for each in page.css(f"{bad}, template")]
    for each in page.css("*"):
        found += [f"{each.tag} {name}" for name in each.attributes if name.startswith("on") or name == "src"]
        found += [f"{each.tag} style" for value in [each.attributes.get("style") or ""] if "url" in value]
    return found


def hostile_page(folder: Path) -> Path:
    texts = [well_formed(text) for text in (*PAYLOADS, *MARKS, *ORDERS)]
    standings = [standing(text, 2 - place / 30) for place, text in enumerate(texts)]
    talks = {text: [talk(text, text, names=(text, text))] for text in texts}
    return tournament_page(standings, talks, folder / "page.html", notes=texts)


def test_hostile_names_and_talks_are_text(tmp_path: Path) -> None:
    page = hostile_page(tmp_path)
    assert inert(page.read_text(encoding="utf-8")) == []


def test_a_class_of_thirty_fits_in_two_megabytes(tmp_path: Path) -> None:
    names = [f"card {number}" for number in range(30)]
    line = "By my honour, this sword has seen the desert, and it is worth twenty marks. " * 6
    talks = {name: [talk(line, line, line, line)] * 3 for name in names}
    ballots = [Ballot(pair, pair, pair[0], "mia") for pair in schedule(names, 20)]
    assert len(ballots) == 300
    page = tournament_page(strengths(ballots), talks, tmp_path / "page.html")
    assert page.stat().st_size < 2_000_000


@pytest.mark.parametrize("name", ["page.txt", "page", "nowhere/page.html"])
def test_a_page_that_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(NPCLabError):
        tournament_page([], {}, tmp_path / name)


@pytest.mark.browser
def test_no_browser_asks_anybody_for_anything(tmp_path: Path, jupyter: Jupyter) -> None:
    page = hostile_page(tmp_path).as_uri()
    for width, scheme in ((400, "light"), (1200, "dark")):
        size = {"width": width, "height": 900}
        with closing(jupyter.context.browser.new_context(viewport=size, color_scheme=scheme)) as context:
            shown, asked = context.new_page(), []
            shown.on("request", lambda request, asked=asked: asked.append(request.url))
            shown.goto(page)
            shown.locator("summary").first.press("Enter")
            assert shown.locator("details[open]").count() == 1
            shown.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
            shown.wait_for_load_state("networkidle")
            assert asked == [page]
            assert shown.evaluate("window.__pwned") is None
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert shown.locator("details[open]").count() == shown.locator("details").count() > 100
