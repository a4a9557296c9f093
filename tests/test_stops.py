"""Stop conditions: they hold when they should, and above all not before."""

from datetime import datetime

import pytest

from npc_lab import Message, StopOnRepetition, StopOnText, StopWhen

pytestmark = pytest.mark.python

LIVELY = [
    "Good evening, friend. What brings you to the harbour at this hour?",
    "I am looking for a ship that sails to Lübeck before the frost.",
    "Few captains risk the Baltic now. What would you pay for a berth?",
    "Forty silver pennies, and a barrel of smoked eel for the crew.",
    "Eel! My sailors mutinied over eel last winter. Offer me cloth instead.",
    "Then take two bolts of Flemish wool, dyed blue, never worn.",
    "Blue wool suits my wife. Tell me why you flee from London.",
    "A bishop owes me money and would rather see me hanged than paid.",
    "Bishops have long arms. Can you row, or mend a torn sail?",
    "I mended nets as a boy in Hull, and I row like a devil.",
]
GOODBYES = [
    "Thank you, dear friend, and farewell!",
    "Farewell to you, dear friend, and thank you!",
    "Thank you again, dear friend. Farewell!",
    "Farewell, farewell, dear friend!",
]


def talk(lines: list[str]) -> list[Message]:
    now = datetime.now().astimezone()
    opening = Message("system", "Thank you, dear friend, farewell!", now)
    return [opening, *(Message("npc", line, now, 1 + place % 2) for place, line in enumerate(lines))]


def stops_at(lines: list[str], condition: StopOnRepetition) -> int | None:
    """After how many lines it stops."""
    return next((n for n in range(1, len(lines) + 1) if condition(talk(lines[:n]))), None)


def test_a_good_bye_loop_is_noticed_and_a_lively_talk_is_not() -> None:
    assert stops_at(LIVELY, StopOnRepetition()) is None
    assert stops_at([*LIVELY, *GOODBYES], StopOnRepetition()) == len(LIVELY) + 4


def test_the_same_words_in_another_order_are_nothing_new() -> None:
    assert stops_at(["The dragon sleeps under the mountain."] * 4, StopOnRepetition()) == 4
    assert stops_at(["Ja.", "Ja.", "Ja.", "Ja."], StopOnRepetition()) == 4


def test_a_talk_that_goes_in_circles_from_the_beginning_is_stopped() -> None:
    assert stops_at(LIVELY[:2] * 5, StopOnRepetition()) == 5


def test_one_stale_line_is_forgiven() -> None:
    lines = [*LIVELY[:3], LIVELY[2], *LIVELY[3:6], LIVELY[5], *LIVELY[6:]]
    assert stops_at(lines, StopOnRepetition()) is None


def test_text_is_looked_for_in_the_last_line_that_was_spoken() -> None:
    assert StopOnText("FAREWELL")(talk(GOODBYES[:1])) == "somebody said 'FAREWELL'"
    assert StopOnText("farewell")(talk([])) is None
    assert StopOnText("farewell")(talk([GOODBYES[0], "Wait!"])) is None
    director = Message("director", "farewell", datetime.now().astimezone())
    assert StopOnText("farewell")([*talk(["Wait!"]), director]) is None


@pytest.mark.parametrize(("lines", "reason"), [(1, None), (2, "two lines"), (3, "three lines")])
def test_conditions_combine_and_the_first_that_holds_gives_the_reason(lines: int, reason: str | None) -> None:
    either = (
        StopWhen(lambda messages: len(messages) == 4, "three lines")
        | StopWhen(lambda messages: len(messages) >= 3, "two lines")
        | StopOnText("never said")
    )
    assert either(talk(LIVELY[:lines])) == reason


HAGGLING = [f"I offer you {10 + number} pence for the cloth." for number in range(20)]
TERSE = ["Who?", "Me.", "Why?", "Tax.", "Now?", "Yes.", "No.", "Pay up.", "Or?", "Jail.", "How so?", "Law."]
THAI = ["ผมชอบทะเล", "ฉันรักภูเขาสูง", "เราไปตลาดกันไหม", "ซื้อปลาแพงมาก", "ขายข้าวถูกดี", "กลับบ้านเถอะ"]
SYLLABLES = ["ban", "cor", "dul", "fen", "gar", "hil", "jun", "kor", "lam", "mor", "nel", "pol"]
CIRCLE = [f"The {each}ling near {each}ford sold a {each}wick." for each in SYLLABLES]


@pytest.mark.parametrize("lines", [HAGGLING, TERSE, THAI], ids=["haggling", "terse", "no blanks"])
def test_a_talk_of_numbers_of_short_words_or_without_blanks_goes_on(lines: list[str]) -> None:
    assert stops_at(lines, StopOnRepetition()) is None


@pytest.mark.parametrize("length", [2, 8, 12])
def test_a_circle_of_up_to_twelve_lines_stops_in_its_second_round(length: int) -> None:
    stopped = stops_at(CIRCLE[:length] * 3, StopOnRepetition())
    assert stopped is not None
    assert stopped <= length + 4


def test_one_who_only_repeats_the_other_is_stopped() -> None:
    lines = [line for each in CIRCLE for line in (each, each)]
    assert stops_at(lines, StopOnRepetition()) is not None
    half = [line for each in CIRCLE for line in (each, each.split(" near")[0].upper() + "!")]
    assert stops_at(half, StopOnRepetition()) is not None


def test_short_answers_to_news_are_no_parroting() -> None:
    lines = [line for each in CIRCLE[:12] for line in (each, "Aye.")]
    assert stops_at(lines, StopOnRepetition()) is None


def test_a_number_that_was_said_before_is_no_news() -> None:
    assert (
        stops_at(["I offer twelve pence, or 12.", *["My offer is 12 pence."] * 6], StopOnRepetition())
        is not None
    )
