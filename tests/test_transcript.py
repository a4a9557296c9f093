"""A transcript draws itself, for print and for a notebook, and lets nothing through that could do harm."""

import re
from datetime import datetime

import pytest

from npc_lab import Message, Reply, Transcript

pytestmark = pytest.mark.python

NOW = datetime.now().astimezone()
HOSTILE = "<img src=x onerror=alert(1)> & \x1b[2J <script>alert(1)</script>"


def transcript() -> Transcript:
    messages = [
        Message("system", "Hello!", NOW),
        Message("npc-a", "word " * 40, NOW, 1),
        Message("director", "It rains.", NOW),
        Message("npc-b", HOSTILE, NOW, 2),
    ]
    return Transcript(messages, {1: "Sir Guy", 2: "<b>Hans</b>"})


def test_print_shows_names_turns_and_wrapped_lines() -> None:
    text = str(transcript())
    assert text.startswith("(opening): Hello!\n\n[1] Sir Guy: word")
    assert "(director): It rains." in text
    assert "[2] <b>Hans</b>:" in text
    assert max(map(len, text.splitlines())) <= 88
    assert "\x1b" not in text


def test_a_name_cannot_repaint_the_terminal() -> None:
    talk = Transcript([Message("npc-a", "Hail.", NOW, 1)], {1: "Sir\x1b[2J Guy\r"})
    assert str(talk) == "[1] Sir[2J Guy: Hail."


def test_a_notebook_shows_names_and_words_and_runs_nothing() -> None:
    page = transcript()._repr_html_()
    assert "Sir Guy" in page
    assert "&lt;script&gt;" in page
    assert set(re.findall(r"<(\w+)", page)) == {"div", "p", "b", "i"}


def test_prices_are_not_taken_for_formulas() -> None:
    assert transcript()._repr_html_().startswith("<div class='tex2jax_ignore mathjax_ignore'>")


def test_a_reply_shows_its_text_and_folds_its_thoughts_away_escaped() -> None:
    page = Reply(text=HOSTILE, thought=HOSTILE)._repr_html_()
    assert set(re.findall(r"<(\w+)", page)) == {"div", "p", "details", "summary", "pre"}
    assert "details" not in Reply(text="hi")._repr_html_()


def test_a_transcript_is_a_list_of_messages() -> None:
    assert transcript() == list(transcript())
    assert Transcript()._repr_html_()
