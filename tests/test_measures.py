"""The measures of a talk: what is counted, and what is an echo."""

from datetime import datetime

import pytest

from npc_lab import Message, Transcript
from npc_lab.measures import (
    ECHO_LIMIT,
    breaks_character,
    echo,
    echoes,
    leaks,
    line_lengths,
    name_said,
    new_to_cache,
    own_repeats,
    repeats,
    says,
)
from npc_lab.transcript import SCRIPT, SYSTEM

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


# Measures of a whole talk


def talk_of(*lines: str, script: bool = False) -> Transcript:
    """The two speak in turn. script: the second one reads."""
    senders = ["npc-1", SCRIPT if script else "npc-2"]
    messages = [Message(SYSTEM, "Hello! Who are you?", NOW)]
    messages += [Message(senders[at % 2], line, NOW, seat=1 + at % 2) for at, line in enumerate(lines)]
    return Transcript(messages, {1: "Guy", 2: "Hans"})


def test_repeats_are_runs_of_four_words_that_the_speaker_said_before() -> None:
    talk = talk_of("I sell fine wool here", "I sell fine wool here", "i sell, fine WOOL today", "Hm.")
    assert repeats(talk) == [0, 0, 0.5, 0]  # the other's words are no repeats
    assert own_repeats(talk) == 0.125
    assert repeats(talk_of("round and round we go round and round we go")) == [pytest.approx(2 / 7)]


def test_echo_is_the_mean_of_the_echoes() -> None:
    talk = talk_of("I sell fine wool", "You say: I sell fine wool", "Hm.")
    assert echo(talk) == pytest.approx(sum(echoes(talk)) / 3)
    assert echo(talk) == pytest.approx(1 / 9)


def test_a_talk_without_lines_is_none_and_not_zero() -> None:
    for measure in (own_repeats, echo, says("gold"), leaks("gold"), breaks_character, name_said):
        assert measure(talk_of()) is None
    assert says("gold", seat=2)(talk_of("Gold!")) is None


def test_a_scripts_lines_are_in_no_measure_of_a_character() -> None:
    talk = talk_of("Hm.", "Gold, gold, gold and gold, gold, gold and gold", "Hm, no.", script=True)
    assert says("gold")(talk) is False
    assert own_repeats(talk) == 0
    assert leaks("gold", seat=2)(talk) is None
    assert breaks_character(talk_of("Hm.", "As an AI, I cannot.", script=True)) is False
    answered = talk_of("Hm.", "What do you sell here today?", "What do you sell here today?", script=True)
    assert echo(answered) == 0.5


def test_says_looks_for_words_and_not_for_parts_of_words() -> None:
    assert says("gold")(talk_of("GOLD, or nothing.")) is True
    assert says("gold")(talk_of("A golden cup.", "gold")) is False
    assert says("gold", seat=2)(talk_of("A cup.", "gold")) is True
    assert says("Sir Edward")(talk_of("I am sir\nEdward.")) is True
    assert says("Sir Edward")(talk_of("Sir John Edward")) is False


def test_leaks_finds_a_secret_that_is_spelled() -> None:
    for line in ("Silver Herring!", "S-I-L-V-E-R h.e.r.r.i.n.g", "It is silverherring."):
        assert leaks("silver herring")(talk_of(line)) is True, line
    for line in ("A silver coin and a herring", "quicksilver herrings", "Never."):
        assert leaks("silver herring")(talk_of(line)) is False, line
    assert leaks("1277")(talk_of("In 12770 years.")) is False
    assert leaks("1277")(talk_of("It is 1 2 7 7.")) is True


def test_names_of_measures_tell_them_apart() -> None:
    assert [says("gold").__name__, says("gold", 2).__name__] == ["says_gold", "says_gold_seat_2"]
    assert leaks("silver herring").__name__ == "leaks_silver_herring"
    for make in (lambda: says(" "), lambda: leaks("?!"), lambda: says("gold", 3)):
        with pytest.raises(ValueError, match=r"\.$"):
            make()


@pytest.mark.parametrize(
    "line",
    [
        "As an AI language model, I cannot feel cold.",
        "I'm just a language model.",
        "I’m an artificial intelligence.",
        "I am only a computer program, my friend.",
        "I was trained by OpenAI.",
        "My training data ends there.",
    ],
)
def test_breaks_character_knows_what_assistants_say(line: str) -> None:
    assert breaks_character(talk_of("Hail.", line)) is True


@pytest.mark.parametrize(
    "line",
    [
        "I am a knight of the king.",
        "As an air of spring.",
        "What is a machine?",
        "I was trained at arms by my uncle.",
    ],
)
def test_breaks_character_lets_a_character_speak(line: str) -> None:
    assert breaks_character(talk_of(line)) is False


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("I am Sir Edward, a knight.", "Sir Edward"),
        ("Good day! My name is Edward of Kent.", "Edward of Kent"),
        ("I'm Guy.", "Guy"),
        ("They call me Hans", "Hans"),
        ("I am a knight.", None),
        ("You are Sir Guy?", None),
        ("I am the king's man.", None),
        ("I am tired. You are Hans?", None),
        ("I am tired. I am Sir Guy.", "Sir Guy"),
    ],
)
def test_name_said_is_the_name_that_the_first_speaker_gives(line: str, name: str | None) -> None:
    assert name_said(talk_of("Hm.", "I am Hans.", line)) == name
