"""The measures of a talk: what is counted, and what is an echo."""

from datetime import datetime

import pytest

from npc_lab import Message
from npc_lab.measures import ECHO_LIMIT, echoes, line_lengths, new_to_cache

pytestmark = pytest.mark.python

NOW = datetime.now().astimezone()


def talk(*lines: str, opening: str = "Hello!") -> list[Message]:
    spoken = [Message("npc", line, NOW, 1 + place % 2) for place, line in enumerate(lines)]
    return [Message("system", opening, NOW), *spoken]


def test_only_what_the_speakers_said_is_measured() -> None:
    messages = [*talk("Halt!", "Who goes there?"), Message("director", "It rains.", NOW)]
    assert line_lengths(messages) == [5, 15]
    assert len(echoes(messages)) == 2
    assert line_lengths([]) == echoes([]) == []


def test_an_echo_is_the_share_of_four_words_in_a_row() -> None:
    first = "The dragon sleeps under the mountain."
    assert echoes(talk(first, "THE dragon sleeps, under the mountain!")) == [0, 1]
    # runs: the-dragon-sleeps-under (known), dragon-sleeps-under-my, sleeps-under-my-bed
    assert echoes(talk(first, "The dragon sleeps under my bed."))[1] == pytest.approx(1 / 3)
    assert echoes(talk(first, "Mountain the under sleeps dragon the."))[1] == 0


def test_the_first_line_answers_the_opening() -> None:
    assert echoes(talk("tell me who you are", opening="Tell me who you are")) == [1]
    assert echoes(talk("a b c d e", opening="Tell me who you are")[1:]) == [0]


def test_the_second_speaker_answers_the_first_and_not_the_opening() -> None:
    assert echoes(talk("I am a knight.", "tell me who you are", opening="Tell me who you are")) == [0, 0]


def test_only_the_partner_s_last_line_counts() -> None:
    mine, other = "one two three four", "five six seven eight"
    assert echoes(talk(mine, other, mine)) == [0, 0, 0]  # oneself
    assert echoes(talk(mine, other, other, "nine ten eleven twelve", "x y z w", mine)) == [0, 0, 1, 0, 0, 0]


def test_a_director_s_line_does_not_come_between() -> None:
    opening, first = talk("one two three four")
    answer = Message("npc", "one two three four", NOW, 2)
    assert echoes([opening, first, Message("director", "It rains.", NOW), answer]) == [0, 1]


def test_short_lines_are_no_echo() -> None:
    assert echoes(talk("Yes, my lord.", "Yes, my lord.", "", "")) == [0, 0, 0, 0]


def test_both_apostrophes_are_the_same() -> None:
    assert echoes(talk("I don't know him", "I don’t know him")) == [0, 1]


def test_scripts_without_blanks_are_counted_by_character() -> None:
    shares = echoes(talk("巨龙睡在山下守着银子", "巨龙睡在山下，真的吗"))
    assert ECHO_LIMIT < shares[1] < 1


def test_a_cache_reads_anew_all_behind_the_first_difference() -> None:
    one, two, three = ({"role": "user", "content": text} for text in ("a", "bb", "cccc"))
    assert new_to_cache([], [one, two]) == 3
    assert new_to_cache([one, two], [one, two, three]) == 4
    assert new_to_cache([one, two, three], [one, three]) == 4  # it was there before, but not in this place
    assert new_to_cache([one, two], [one]) == 0
