"""The form that replies of small models are held to: its grammar, what is left off, and who is held to it."""

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Mood, Status, Text
from rich.console import Console

from npc_lab import ChatArena, NPCConfig, NPCFactory, ReplyError, SimpleChatNPC
from npc_lab.cli.screen import Speech
from npc_lab.wire import dialects
from npc_lab.wire.abilities import ABILITIES, Abilities
from npc_lab.wire.form import grammar, is_form, whole_part

pytestmark = pytest.mark.python

# --- the grammar itself ---------------------------------------------------------------------------

TOKENS = re.compile(r'("(?:\\.|[^"\\])*")|(\[(?:\\.|[^\]\\])*\])|([a-z]+)|(\{[\d,]+\}|[()|*+?])|\s+')


def matcher(text: str) -> Callable[[str], bool]:
    """The grammar as a regular expression: no rule of ours is part of itself."""
    lines = re.sub(r"\|\n", "|", text).splitlines()
    rules = dict(line.split(" ::= ") for line in lines if not line.startswith("#"))

    def as_regex(rule: str) -> str:
        parts, place = [], 0
        while place < len(rule):
            token = TOKENS.match(rule, place)
            assert token, rule[place:]
            literal, letters, name, operator = token.groups()
            if literal:
                parts.append(f"(?:{re.escape(json.loads(literal))})")
            elif name:
                parts.append(f"(?:{as_regex(rules[name])})")
            else:
                parts.append(letters or operator or "")
            place = token.end()
        return "".join(parts)

    pattern = re.compile(as_regex(rules["root"]))
    return lambda reply: pattern.fullmatch(reply) is not None


TALK = grammar(False, 60)
may_end = matcher(TALK)
THINKING = grammar(True, 60)
may_be_thought = matcher(THINKING)


@pytest.mark.parametrize("text", [TALK, THINKING])
def test_classes_of_letters_only_exclude(text: str) -> None:
    classes = [token[2] for token in TOKENS.finditer(text) if token[2]]
    assert classes
    assert all(each.startswith("[^") for each in classes)
    letters = "aáæяжαبלहअกあ漢글ა𐍈😊"
    assert not any(letter in each for each in classes for letter in letters.replace("a", ""))


ENDINGS = {
    "a full stop": "I am Sir Guy.",
    "a question": "What do you want?",
    "two marks": "What?!",
    "quotes": 'He said "no."',
    "quotes outside": 'He said "no".',
    "curly quotes": "“Long live the king!”",
    "a quoted line": "> Who goes there?",
    "brackets": "(I bow.)",
    "an action": "*bows deeply*.",
    "an action with its mark": "*bows deeply.*",
    "a title in it": "Good day, Mr. Smith.",
    "a decimal in it": "It costs 3.5 marks.",
    "dots in it": "Well... I will think of it.",
    "a short word": "So be it.",
    "a word with y": "I will try.",
    "a contraction": "I don't.",
    "several lines": "Hail!\n\nI am Guy.",
    "a line end behind it": "Hail.\n",
    "verse with a mark": "The rain is cold,\nthe wine is old,\nthe sword is mine,\nand so is the gold.",
    "verse without a mark": "The rain is cold\nThe wine is old\nThe sword is mine\nAnd so is the gold",
    "a list": "I want:\n- the sword\n- the soup",
    "a numbered list": "1. the sword\n2. the soup",
    "bullets": "• the sword\n• the soup",
    "French": "Bonjour !",
    "German": "Ich heiße Grün.",
    "Russian": "Я рыцарь.",
    "Greek": "Είμαι ιππότης.",
    "Hebrew": "אני אביר.",
    "Arabic": "من أنت؟",
    "Urdu": "میں ایک نائٹ ہوں۔",
    "Hindi": "मैं एक शूरवीर हूँ।",
    "Chinese": "我是骑士。",
    "Japanese": "「騎士です。」",
    "Korean": "나는 기사다.",
    "Armenian": "Ես ասպետ եմ։",
    "Amharic": "እኔ ፈረሰኛ ነኝ።",
    "Burmese": "ကျွန်တော် သူရဲကောင်းပါ။",
    "Khmer": "ខ្ញុំជាអ្នកជិះសេះ។",
    "Tibetan": "ང་དཔའ་བོ་ཡིན།",
}
NO_ENDINGS = {
    "no mark": "I am Sir Guy",
    "in a word": "I am Sir Gu",
    "Mr.": "Good day, Mr.",
    "Mrs. at the beginning": "Mrs.",
    "Dr. in quotes": 'I am "Dr.',
    "St.": "I live in St.",
    "vs.": "Guy vs.",
    "a letter": "I am J.",
    "letters": "In the U.S.",
    "e.g.": "Many things, e.g.",
    "a number": "It costs 3.",
    "half a decimal": "It costs 3.5",
    "a year": "In 1270.",
    "dots": "Well...",
    "two dots": "Well..",
    "dots in quotes": '"Well..."',
    "an ellipsis": "Well…",
    "a blank before it": "I am .",
    "a comma before it": "I am,.",
    "a comma": "I am Sir Guy,",
    "a comma and a question": "I am,?",
    "a colon": "I am:",
    "a dash": "I am—",
    "an open quote": 'Hail! "',
    "only a mark": ".",
    "nothing": "",
    "three lines without marks": "The rain is cold\nThe wine is old\nThe sword is mine",
    "a verse with a comma": "The rain is cold\nThe wine is old\nThe sword is mine\nAnd so,",
    "a bullet": "I want:\n- ",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_reply_may_end_here(name: str) -> None:
    assert may_end(ENDINGS[name])


@pytest.mark.parametrize("name", NO_ENDINGS)
def test_a_reply_may_not_end_here(name: str) -> None:
    assert not may_end(NO_ENDINGS[name])


def in_parts(thought: str, answer: str) -> str:
    return f"#SCRATCHPAD\n{thought}\n#ANSWER\n{answer}"


A_THOUGHT = "He wants my sword, and I want his gold."


@pytest.mark.parametrize("name", ENDINGS)
def test_an_answer_may_end_like_a_line(name: str) -> None:
    assert may_be_thought(in_parts(A_THOUGHT, ENDINGS[name]))


@pytest.mark.parametrize(
    "reply",
    [
        "I am Sir Guy.",
        in_parts("", "I am Guy."),
        in_parts("Hm.", "I am Guy."),
        in_parts(A_THOUGHT, ""),
        in_parts(A_THOUGHT, "I am"),
        in_parts(A_THOUGHT, "I am Guy. #SCRATCHPAD He lies."),
        in_parts("He lies. #ANSWER No, he does not.", "I am Guy."),
        in_parts(A_THOUGHT * 3, "I am Guy."),
    ],
)
def test_a_reply_with_a_scratchpad_has_both_parts_and_no_mark_inside(reply: str) -> None:
    assert not may_be_thought(reply)


@pytest.mark.parametrize(("tokens", "longest"), [(20, 30), (60, 69), (120, 159), (256, 240), (None, 240)])
def test_a_thought_leaves_room_for_the_answer(tokens: int | None, longest: int) -> None:
    may_be = matcher(grammar(True, tokens))
    words = ("abcdefgh " * 40)[:longest]
    thought = words + "x" * 8  # the last word may be written to its end
    assert may_be(in_parts(thought, "I am Guy."))
    assert not may_be(in_parts(f"{thought}x", "I am Guy."))
    assert not may_be(in_parts(f"{words} x", "I am Guy."))
    assert not may_be(in_parts(f"{words[:29]}x,", "I am Guy."))
    assert not may_be(in_parts("He came on 12/08/2017 and 23:45:26", "I am Guy."))


# --- what is left off -----------------------------------------------------------------------------

CUT = {
    "I am Guy. I will not": "I am Guy.",
    "I am Guy. I will not.": "I am Guy. I will not.",
    "Good day, Mr. Guy. I am Dr. Who of St.": "Good day, Mr. Guy.",
    "It costs 3.5 marks. No, 4. And": "It costs 3.5 marks.",
    "Oh! Well... I": "Oh!",
    'He said "no." And he': 'He said "no."',
    "我是骑士。我想": "我是骑士。",
    "मैं हूँ। मैं": "मैं हूँ।",
    "See www.example.com! It is": "See www.example.com!",
    "I want:\n- the sword\n- the so": "I want:\n- the sword",
    "a b\nc d\ne f\ng h\ni": "a b\nc d\ne f\ng h",
    "a b\nc d\ne": "",
    "I am a poor knight without": "",
    "": "",
}


@pytest.mark.parametrize("text", CUT)
def test_what_was_not_finished_is_left_off(text: str) -> None:
    assert whole_part(text) == CUT[text]


@settings(max_examples=60)
@given(st.text("aeMr.!,3 \n\"*'。-…)I", max_size=25))
def test_what_is_left_may_end_by_the_grammar_too(text: str) -> None:
    left = whole_part(text)
    assert text.startswith(left)
    assert not left or may_end(left)
    if prose_may_end(text):
        assert left == text.rstrip(" \n")


prose_may_end = matcher(TALK.replace("ending ::= prose | list | verse", "ending ::= prose"))

# --- who is held to it ----------------------------------------------------------------------------


@pytest.fixture
def small(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Starts endpoints with a small model."""
    monkeypatch.setattr(dialects, "_helped", {})
    before = dict(ABILITIES)

    def start(replies: Any, **options: Any) -> Any:
        server = loopback(replies, **options)
        ABILITIES[str(server.client().base_url)] = Abilities({}, takes_grammars=True)
        return server

    yield start
    ABILITIES.clear()
    ABILITIES.update(before)


def npc(client: Any, **fields: Any) -> SimpleChatNPC:
    return SimpleChatNPC(client, "some-model", NPCConfig("A harbour.", "You are Ada.", **fields))


def test_a_characters_requests_carry_the_grammar_and_no_others(small: Any) -> None:
    server = small(["One.", "Two.", in_parts("Hm.", "Three."), "Four."])
    client = server.client()
    npc(client).chat("1", "u")
    list(npc(client, max_reply_tokens=60).stream("2", "u"))
    npc(client, max_reply_tokens=60, has_scratchpad=True).chat("3", "u")
    client.chat.completions.create(model="some-model", messages=[{"role": "user", "content": "4"}])
    sent = [request.body.get("grammar") for request in server.requests]
    assert sent == [grammar(False, None), TALK, THINKING, None]


@pytest.mark.parametrize(
    "options",
    [
        {"grammar": ""},
        {"grammar": 'root ::= "Aye."'},
        {"response_format": {"type": "text"}},
        {"json_schema": {}},
    ],
)
def test_options_of_ones_own_take_its_place(small: Any, options: dict[str, Any]) -> None:
    server = small([Text("I am Ada. I", finish_reason="length")])
    ada = npc(server.client(), request_options=options)
    assert not ada.has_form("u")
    assert ada.chat("1", "u") == "I am Ada. I"
    assert {**server.requests[0].body, **options} == server.requests[0].body
    assert server.requests[0].body.get("grammar") == options.get("grammar")


def test_models_that_are_not_small_are_not_held(loopback: Any) -> None:
    server = loopback([Text("I am Ada. I", finish_reason="length")])
    ada = npc(server.client())
    assert not ada.has_form("u")
    assert ada.chat("1", "u") == "I am Ada. I"
    assert "grammar" not in server.requests[0].body


REFUSALS = [
    Status(400, "Failed to initialize samplers: failed to parse grammar"),
    Status(500, "failed to parse grammar"),
    Status(400, "Unrecognized request argument supplied: grammar"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("how", ["chat", "stream"])
def test_a_grammar_that_is_refused_is_left_out_once_and_that_is_said(
    small: Any, how: str, refusal: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    refuses = Mood(lambda body: "grammar" in body, refusal)
    server = small(lambda body: Text("I am Ada. I", finish_reason="length"), moods=[refuses])
    ada = npc(server.client(), request_options={"top_p": 0.5})
    assert ada.has_form("u")
    for line in ("1", "2"):
        assert "".join(getattr(ada, how)(line, "u")) == "I am Ada. I"
    assert not ada.has_form("u")
    # A status of 500 is tried again by the openai package first.
    assert ["grammar" in request.body for request in server.requests][-3:] == [True, False, False]
    assert all(request.body["top_p"] == 0.5 for request in server.requests)
    assert capsys.readouterr().out == f"{dialects.NO_FORM.note}\n"


def test_a_grammar_of_ones_own_that_is_refused_is_an_error_and_harms_nobody(small: Any) -> None:
    bad = Mood(lambda body: body.get("grammar") == "root ::=", REFUSALS[0])
    server = small(["Aye."], moods=[bad])
    ada = npc(server.client(), request_options={"grammar": "root ::="})
    with pytest.raises(ReplyError, match="failed to parse grammar"):
        ada.chat("1", "u")
    assert not ada.chat_histories.get("u")
    ada.config.request_options = {}
    assert ada.chat("1", "u") == "Aye."
    assert is_form(server.requests[-1].body["grammar"])


# --- one reply, one text --------------------------------------------------------------------------

LONG = Text("I am Ada. I will not", pieces=["I am ", "Ada. I", " will", " not"], finish_reason="length")


def test_words_appear_as_they_are_made_and_the_text_ends_where_the_sentence_does(small: Any) -> None:
    server = small([LONG, "Hm."])
    ada = npc(server.client())
    stream = ada.stream("Who are you?", "u")
    assert "".join(stream) == "I am Ada. I will not"
    assert stream.has_form
    assert (stream.reply.text, stream.reply.raw) == ("I am Ada.", "I am Ada.")
    assert stream.reply.finish_reason == "length"
    assert stream.exchange[-1] == {"role": "assistant", "content": "I am Ada."}
    ada.chat("And?", "u")
    assert [message["content"] for message in server.sent[1][1:]] == ["Who are you?", "I am Ada.", "And?"]


def test_what_was_held_back_to_the_end_is_not_shown_then(small: Any) -> None:
    without_marks = Text("Hail. I am your", finish_reason="length")
    stream = npc(small([without_marks]).client(), has_scratchpad=True).stream("Who are you?", "u")
    assert list(stream) == [stream.reply.text] == ["Hail."]


def test_a_thought_stays_when_the_answer_is_cut(small: Any) -> None:
    words = in_parts(A_THOUGHT, "Hail. I am your")
    ada = npc(small([Text(words, pieces=[words], finish_reason="length")]).client(), has_scratchpad=True)
    stream = ada.stream("Who are you?", "u")
    list(stream)
    assert (stream.reply.text, stream.reply.thought) == ("Hail.", A_THOUGHT)
    assert ada.chat_histories["u"][-1]["content"] == in_parts(A_THOUGHT, "Hail.")


def test_a_label_before_it_changes_nothing(small: Any) -> None:
    ada = npc(small([Text("Ada: Hail. I am", finish_reason="length")]).client(), name="Ada")
    assert ada.chat("Who are you?", "u") == "Hail."
    assert ada.chat_histories["u"][-1] == {"role": "assistant", "content": "Ada: Hail.", "said": "Hail."}


def test_if_no_sentence_was_finished_all_of_it_stays(small: Any) -> None:
    ada = npc(small([Text("I am a poor woman without", finish_reason="length")]).client())
    assert ada.chat("Who are you?", "u") == "I am a poor woman without"


def test_a_reply_that_ended_by_itself_is_not_touched(small: Any) -> None:
    assert npc(small(["Hail. I am"]).client()).chat("Who are you?", "u") == "Hail. I am"


def test_the_partner_hears_what_is_left_and_so_do_talk_and_store(small: Any, tmp_path: Any) -> None:
    server = small(lambda body: LONG)
    factory = NPCFactory(server.client(), "some-model", store=tmp_path / "lab.db")
    ada, eve = (factory.register_npc("A harbour.", f"You are {name}.") for name in ("Ada", "Eve"))
    arena = ChatArena(factory)
    talk = arena.start_conversation(ada, eve)
    assert [line.content for line in arena.run_conversation(talk, 2)][1:] == ["I am Ada.", "I am Ada."]
    assert server.sent[1][-1] == {"role": "user", "content": "I am Ada."}
    again = NPCFactory(server.client(), "some-model", store=tmp_path / "lab.db")
    mine = again.register_npc("A harbour.", "You are Ada.")
    user = arena.conversations[talk]["npc2_user_id"]
    assert again.get_npc_chat_history(mine, user)[-1]["content"] == "I am Ada."


def test_a_chat_box_keeps_what_is_left_and_says_that_the_form_is_held(
    small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from panels import open_fold, text_of

    from npc_lab.widgets import chat_box

    monkeypatch.setenv("NPC_LAB_PUMP", "blocking")
    server = small([LONG, "Hm."])
    factory = NPCFactory(server.client(), "some-model")
    npc_id = factory.register_npc("A harbour.", "You are Ada.")
    box = chat_box(factory, npc_id)
    assert box.say("Who are you?") == "I am Ada."
    assert "I will not" not in text_of(box.widget)
    open_fold(box.widget, "What was sent")
    assert text_of(box.widget).count("holds the reply to a form") == 2
    factory.npcs[npc_id].config.request_options = {"grammar": ""}
    box.say("And?")
    assert "holds the reply to a form" not in text_of(box.widget)


# --- in a terminal --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """What is seen of it, row by row: it knows the orders that `Speech` gives."""

    def isatty(self) -> bool:
        return True

    def rows(self) -> list[str]:
        rows, row, column = [""], 0, 0
        for order in re.findall(r"\x1b\[\d*[ACJ]|.|\n", self.getvalue(), re.DOTALL):
            if order == "\n":
                row, column = row + 1, 0
                rows += [""] * (row + 1 - len(rows))
            elif order == "\r":
                column = 0
            elif order.endswith("J") and len(order) > 1:
                rows = [*rows[:row], rows[row][:column]]
            elif order.startswith("\x1b"):
                number = int(order[2:-1])
                row, column = (row - number, column) if order.endswith("A") else (row, column + number)
            else:
                rows[row] = rows[row][:column].ljust(column) + order
                column += 1
        return rows


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("I am Ada. I will not", "I am Ada."),
        (
            "I am Ada, and I sell fish here. Nobody in this harbour has ever seen",
            "I am Ada, and I sell fish here.",
        ),
        ("Hail!\n\nI am Ada. And I have a very long story to tell you,\nwhich", "Hail!\n\nI am Ada."),
        ("我是骑士。我想要那把剑而且我想要很多金子和很多很多的酒", "我是骑士。"),
        ("Hail. I am Ada.", "Hail. I am Ada."),
    ],
)
def test_a_terminal_takes_the_last_words_back(words: str, left: str) -> None:
    def shown(text: str, end: str) -> list[str]:
        terminal = Terminal()
        speech = Speech(Console(file=terminal, width=24, legacy_windows=False))
        speech.may_be_cut = True
        for letter in text:
            speech.write(letter)
        if end != text:
            assert terminal.rows() != ["", ""]  # they were seen
            speech.take_back_to(end)
        speech.end()
        return terminal.rows()

    assert shown(words, left) == shown(left, left)


def test_a_file_gets_only_what_is_left() -> None:
    output = io.StringIO()
    speech = Speech(Console(file=output, width=80))
    speech.may_be_cut = True
    speech.write("I am Ada. I will")
    speech.take_back_to("I am Ada.")
    speech.end()
    assert output.getvalue() == "  I am Ada.\n"
