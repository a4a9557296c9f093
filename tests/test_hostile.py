"""Whatever a model, a learner or a file writes: nothing private is shown, nothing runs, nothing raises.

The corpus is in payloads.py; hypothesis mixes and cuts it. HTML is read with a parser that does what browsers
do (lexbor). By default this takes half a minute; for a long run, with a hundred times as many cases:

    NPC_LAB_FUZZ=100 pytest tests/test_hostile.py
"""

import base64
import json
import os
import re
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from payloads import HUGE, MARKS, ORDERS, PAYLOADS, SCRIPT
from selectolax.lexbor import LexborHTMLParser, LexborNode

from npc_lab import (
    CardError,
    ChatArena,
    FakeClient,
    Message,
    NPCConfig,
    NPCFactory,
    SimpleChatNPC,
    Transcript,
)
from npc_lab.cards import Card, read_card
from npc_lab.export import as_html, as_jsonl, as_markdown
from npc_lab.rendering import escaped, split_finished, to_html
from npc_lab.reply import Reply
from npc_lab.scratchpad import ThoughtParser, split_thoughts
from npc_lab.text import well_formed

pytestmark = pytest.mark.once

MANY = int(os.environ.get("NPC_LAB_FUZZ", "1"))
NOW = datetime.now().astimezone()


def fuzz(cases: int) -> Callable[..., Any]:
    """So many cases by default."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=cases * MANY, deadline=None, suppress_health_check=quiet)


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
HOSTILE = st.lists(st.sampled_from([*PAYLOADS, *MARKS]) | ANY_TEXT, max_size=6).map("".join)

# --- private thoughts ------------------------------------------------------------------------------------

# Ways to begin and to end private thoughts, as models write them; each on a line of its own.
BEGINS = ["#SCRATCHPAD", "# Scratchpad", "**#SCRATCHPAD:**", "[SCRATCHPAD]", "- #scratchpad", "＃SCRATCHPAD"]
ENDS = ["#ANSWER", "## Answer", "**#ANSWER**", "#answer:", "＃ANSWER", "#ANSWER:"]
NAME = "Sir Guy"
WRAPPINGS = ["<think>", "</think>", "[THINK]", "[/THINK]", "<reasoning>", "</reasoning>", "</seed:think>"]
WRAPPINGS += ["<|channel|>analysis<|message|>", "<|end|>", "<|start|>assistant<|channel|>final<|message|>"]
WRAPPINGS += [
    "<|channel|>commentary<|constrain|>json<|message|>",
    "<|channel>thought",
    "<channel|>",
    "◁think▷",
]
WRAPPINGS += ["<|im_end|>", "<|im_start|>user", "<|im_start|>assistant", "[/INST]", "<s>", "</s>"]
WRAPPINGS += ["◁think▷", "<end_of_turn>", "<start_of_turn>model", "analysisWe", "assistantfinalGood"]
WRAPPINGS += ["Guy: ", "I say ", " before"]
CONFUSING = [
    *MARKS,
    "<think",
    "</thin",
    "#",
    "**",
    "#ANSWERED",
    "#answer_me",
    "`",
    " ",
    "\n",
    "Answer",
    "＃",
    "\ufeff",
]
PARTS = st.sampled_from([*BEGINS, *ENDS, *CONFUSING, *WRAPPINGS]) | ANY_TEXT
PIECES_OF_A_REPLY = st.lists(PARTS, max_size=20).map("".join)
CUTS = st.lists(st.integers(0, 400), max_size=40)


def streamed(
    text: str, cuts: list[int], has_scratchpad: bool, complete: bool = True
) -> tuple[list[str], ThoughtParser]:
    """What is given out, piece by piece, when the text arrives cut at these places; and who parted it."""
    parser = ThoughtParser(has_scratchpad, NAME)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    given_out = [parser.feed(text[a:b]) for a, b in pairwise(places)]
    given_out.append(parser.finish(complete))
    assert parser.has_lone_end or "".join(given_out) == parser.visible
    return given_out, parser


def is_part_of(part: str, whole: str) -> bool:
    """Whether the letters of the one stand in the other, in this order. Blanks may be added between lines."""
    letters = iter(whole)
    return all(letter in letters for letter in part if not letter.isspace())


@fuzz(300)
@given(PIECES_OF_A_REPLY, CUTS, st.booleans(), st.booleans())
def test_a_stream_shows_what_the_whole_shows(
    text: str, cuts: list[int], scratchpad: bool, complete: bool
) -> None:
    """The finished text is the same in every cut. It may hold less than what was given out."""
    given_out, parser = streamed(text, cuts, scratchpad, complete)
    assert is_part_of("".join(given_out), text)
    assert (parser.visible, parser.thought) == split_thoughts(text, scratchpad, complete, NAME)
    assert parser.visible in "".join(given_out)


PRIVATE = st.lists(
    st.sampled_from(["secret", " ", "\n", *BEGINS, "<b>", "`", "Answer ", "<think>", "*"]), min_size=1
)
PUBLIC = st.lists(st.sampled_from(["Hail", " ", "\n", ".", "<b>", "#answers", "**", "`"]))
THOUGHT = st.tuples(st.sampled_from(BEGINS), PRIVATE.map("".join), st.sampled_from(ENDS), PUBLIC.map("".join))


@pytest.mark.long
@fuzz(400)
@given(st.lists(THOUGHT, min_size=1, max_size=4), CUTS, st.booleans(), st.booleans())
def test_what_stands_between_a_start_and_an_end_is_never_shown(
    thoughts: list[tuple[str, str, str, str]], cuts: list[int], ends: bool, complete: bool
) -> None:
    """Not even where the last one has no end."""
    text = "\n".join(f"{begin}\n{private}\n{end}\n{public}" for begin, private, end, public in thoughts)
    if not ends:
        text = text[: text.rindex(thoughts[-1][2])]
    given_out, _ = streamed(text, cuts, has_scratchpad=True, complete=complete)
    assert "secret" not in "".join(given_out)
    assert "secret" not in split_thoughts(text, True, complete)[0]


@fuzz(200)
@given(PIECES_OF_A_REPLY, CUTS, st.booleans())
def test_what_a_reasoning_model_thinks_is_never_shown(before: str, cuts: list[int], scratchpad: bool) -> None:
    before = before.replace("<think", "").replace("</think", "")
    given_out, _ = streamed(f"{before}<think>secret</think>Hail.", cuts, scratchpad)
    assert "secret" not in "".join(given_out)


FRAGMENTS = [
    *BEGINS,
    *ENDS,
    *CONFUSING,
    *"#*_[<(`>+-•＃ \t\xa0\n:",
    "scratch",
    "pad",
    "answer",
    "</think>",
    "a",
]


@pytest.mark.long
@fuzz(60)
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map("".join), st.booleans())
@example("#" + " " * 15, True)
@example("* ", True)
def test_no_text_takes_the_parser_long(fragment: str, scratchpad: bool) -> None:
    """50,000 characters. A search that begins again at each of them would take minutes."""
    text = (fragment * 50_000)[:50_000]
    began = time.process_time()
    split_thoughts(text, scratchpad)
    assert time.process_time() - began < 1


@fuzz(20)
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map("".join), st.booleans())
def test_no_stream_takes_the_parser_long(fragment: str, scratchpad: bool) -> None:
    """The same, four characters at a time, as a model's words come."""
    text = (fragment * 50_000)[:50_000]
    parser = ThoughtParser(scratchpad)
    began = time.process_time()
    for place in range(0, len(text), 4):
        parser.feed(text[place : place + 4])
    parser.finish()
    assert time.process_time() - began < 4


# --- what is drawn ---------------------------------------------------------------------------------------

TAGS = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul", "ol", "li"}
TAGS |= {"a", "em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"href", "title", "rel", "target", "start"}
HARMLESS_ADDRESS = re.compile(r"(https?://|mailto:)", re.IGNORECASE)


NO_PROGRAM = re.compile(r"(?!\s*(javascript|vbscript|data|file):)", re.IGNORECASE)


def assert_harmless(
    markup: str,
    tags: set[str] = TAGS,
    attributes: set[str] = ATTRIBUTES,
    address: re.Pattern[str] = HARMLESS_ADDRESS,
) -> LexborNode:
    """Read the markup as a browser does, inside a page; gives the element that holds it."""
    page = LexborHTMLParser(f"<!DOCTYPE html><body><div id=holder>{markup}</div><div id=after></div></body>")
    holder, body = page.css_first("#holder"), page.body
    assert holder is not None
    assert body is not None
    around = [node.attributes.get("id") for node in body.iter()]
    assert around == ["holder", "after"], "it breaks out of its place"
    for node in holder.traverse(include_text=False):
        if node.attributes.get("id") == "holder":
            continue
        assert node.tag in tags, node.html
        for name, value in node.attributes.items():
            assert (name, value) == ("dir", "auto") or name in attributes, node.html
            assert name != "href" or address.match(value or ""), node.html
    return holder


@pytest.mark.parametrize("text", [*PAYLOADS, *MARKS, *ORDERS, HUGE])
def test_nothing_of_the_corpus_is_more_than_text(text: str) -> None:
    assert_harmless(to_html(text))
    assert (
        assert_harmless(f"<p title='{escaped(text)}'>{escaped(text)}</p>", {"p"}, {"title"}).text()
        is not None
    )
    blocks, rest = split_finished(text)
    assert blocks + rest == text
    assert_harmless(to_html(blocks) + to_html(rest))
    assert_harmless(
        Reply(text, text)._repr_html_(), {"div", "p", "details", "summary", "pre"}, {"class", "style"}
    )


@fuzz(250)
@given(HOSTILE)
def test_no_mixture_is_more_than_text(text: str) -> None:
    assert_harmless(to_html(text))
    holder = assert_harmless(f'<p title="{escaped(text)}">x</p>', {"p"}, {"title"})
    assert len(holder.css("p")) == 1


@fuzz(100)
@given(HOSTILE, CUTS)
def test_a_text_that_grows_is_harmless_at_every_moment(text: str, cuts: list[int]) -> None:
    """Also where a piece of it is drawn as if it were all."""
    for cut in {*cuts, len(text)}:
        blocks, rest = split_finished(text[:cut])
        assert blocks + rest == text[:cut]
        assert_harmless(to_html(blocks) + to_html(rest))


@pytest.mark.long
@fuzz(40)
@given(
    st.lists(st.sampled_from([*PAYLOADS, "> ", "- ", "|", "*", "[", "`", "\n", "<"]), min_size=1, max_size=3)
)
def test_no_text_takes_long_to_draw(pieces: list[str]) -> None:
    """50,000 characters. The worst known takes half a second; a busy machine is slower."""
    text = ("".join(pieces) * 50_000)[:50_000]
    began = time.process_time()
    assert len(to_html(text)) < 40 * len(text)
    split_finished(text)
    assert time.process_time() - began < 5


# --- talks as files --------------------------------------------------------------------------------------

PAGE_TAGS = TAGS | {"html", "head", "meta", "title", "style", "body", "article"}
PAGE_ATTRIBUTES = ATTRIBUTES | {"class", "charset", "http-equiv", "content", "name"}
READER = MarkdownIt("commonmark").enable("table")  # lets HTML through, as many readers do


def talk(*lines: str) -> Transcript:
    spoken = [Message(line, line, NOW, 1 + place % 2, 1.5) for place, line in enumerate(lines)]
    names = {1: lines[0] if lines else "", 2: lines[-1] if lines else ""}
    return Transcript([Message("system", "Hello!", NOW), *spoken], names, " ".join(lines[:1]))


def assert_files_harmless(transcript: Transcript, title: str) -> None:
    page = as_html(transcript, title)
    page.encode("utf-8")
    read = LexborHTMLParser(page)
    for node in read.root.traverse(include_text=False):  # type: ignore[union-attr]
        assert node.tag in PAGE_TAGS, node.html
        assert set(node.attributes) <= PAGE_ATTRIBUTES | {"dir"}, node.html
    assert len(read.css("article")) == len(transcript)
    assert len(read.css("style")) == len(read.css("title")) == 1
    assert_harmless(transcript._repr_html_(), {"div", "p", "b", "i"}, {"class", "style"})
    said = [json.loads(line)["content"] for line in as_jsonl(transcript).splitlines()]
    assert len(said) == len(transcript)
    # Links are for the reader to follow or not, and a fence may name its language.
    markdown = READER.render(as_markdown(transcript, title))
    assert_harmless(markdown, TAGS - {"s"}, ATTRIBUTES | {"class"}, NO_PROGRAM)


@pytest.mark.parametrize("text", [*PAYLOADS, *MARKS, *ORDERS])
def test_no_file_of_a_talk_runs_or_fetches_anything(text: str) -> None:
    assert_files_harmless(talk(text, text), text)


@fuzz(60)
@given(st.lists(HOSTILE, max_size=3), HOSTILE)
def test_no_file_of_any_talk_runs_or_fetches_anything(lines: list[str], title: str) -> None:
    assert_files_harmless(talk(*lines), title)


# --- character cards -------------------------------------------------------------------------------------

FIELDS = [
    "name",
    "description",
    "scenario",
    "personality",
    "first_mes",
    "extensions",
    "nickname",
    "tags",
    "npc_lab",
]
FIELDS += [
    "goal",
    "secrets",
    "taboo",
    "history_size",
    "temperature",
    "memory",
    "as_written",
    "max_reply_tokens",
]
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**19), 1e308, 5e-324])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | HOSTILE | st.sampled_from(["{{char}}", "<user>"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | ANY_TEXT, inner, max_size=5)
    ),
    max_leaves=12,
)
CARDS = st.fixed_dictionaries(
    {"spec": st.sampled_from(["chara_card_v2", "chara_card_v3"])},
    optional={
        "data": st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8) | VALUES,
        "spec_version": VALUES,
    },
)


def assert_read_or_refused(content: bytes) -> None:
    try:
        card = read_card(content)
    except CardError:
        return
    assert isinstance(card.config, NPCConfig)
    card.config.system_message().encode("utf-8")
    assert read_card(card.to_json().encode()).config == card.config


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@fuzz(150)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_card_or_refused(content: bytes) -> None:
    assert_read_or_refused(content)
    assert_read_or_refused(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.long
@fuzz(250)
@given(CARDS | VALUES, st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
def test_any_json_is_a_card_or_refused(value: Any, encoding: str) -> None:
    text = json.dumps(value)
    assert_read_or_refused(text.encode(encoding))
    assert_read_or_refused(in_picture([(b"tEXt", b"chara\0" + base64.b64encode(text.encode()))]))


KINDS = st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"IEND", b"IHDR", b"\0\0\0\0"]) | st.binary(
    min_size=4, max_size=4
)
KEYWORDS = st.sampled_from([b"chara\0", b"ccv3\0", b"CCV3\0", b"\0"])


def in_picture(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in [*chunks, (b"IEND", b"")])


@fuzz(150)
@given(
    st.lists(st.tuples(KINDS, st.builds(bytes.__add__, KEYWORDS, st.binary(max_size=60))), max_size=5), CUTS
)
def test_any_picture_is_a_card_or_refused(chunks: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    picture = in_picture(chunks)
    assert_read_or_refused(picture)
    for cut in cuts[:3]:
        assert_read_or_refused(picture[: cut % len(picture)])
        spoilt = bytearray(picture)
        spoilt[cut % len(picture)] ^= 1 << cut % 8
        assert_read_or_refused(bytes(spoilt))


@pytest.mark.long
@pytest.mark.parametrize(
    "content",
    [
        b'{"a":' * 50_000,
        b"[" * 1_000_000,
        b'{"spec": "chara_card_v3", "data": {"name": ' + b"9" * 1_000_000 + b"}}",
        b'{"spec": "chara_card_v3", "data": {' + b",".join(b'"%d": [{}]' % n for n in range(60_000)) + b"}}",
        b'{"spec": "chara_card_v3", "data": {"name": "' + b"\\ud83d" * 100_000 + b'"}}',
    ],
    ids=["deep objects", "deep lists", "a long number", "many fields", "half emojis"],
)
def test_no_card_takes_much_memory_or_time(content: bytes) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        assert_read_or_refused(content)
        seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 * len(content) + 1_000_000
    assert seconds < 10  # tracemalloc makes it ten times as slow as it is


def test_a_card_that_gives_orders_is_a_description_like_others() -> None:
    for text in [*MARKS, *ORDERS, *map(well_formed, PAYLOADS)]:
        config = NPCConfig(text, text, goal=text, secrets=[text], name=text[:100])
        assert read_card(Card(config).to_json().encode()).config == config


# --- what users and partners write -------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*MARKS, *ORDERS])
@pytest.mark.parametrize("has_scratchpad", [False, True])
def test_what_a_user_writes_is_sent_and_kept_as_it_stands(
    loopback: Any, text: str, has_scratchpad: bool
) -> None:
    server = loopback("#SCRATCHPAD\nHm.\n#ANSWER\nHail.")
    npc = SimpleChatNPC(server.client(), "some-model", NPCConfig("a world", "a knight", 10, has_scratchpad))
    for ask in (npc.chat, lambda *said: "".join(npc.stream(*said))):
        assert ask(text, "Ann") == "Hail."
        assert server.sent[-1][-1] == {"role": "user", "content": text}
    roles = [message["role"] for message in server.sent[-1]]
    assert roles == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in npc.chat_histories["Ann"]][::2] == [text, text]
    assert npc.chat_histories["Ann"][1]["content"] == "#SCRATCHPAD\nHm.\n#ANSWER\nHail."


@pytest.mark.parametrize("text", [*MARKS, *ORDERS])
def test_what_a_partner_says_aloud_reaches_the_other_as_it_was_said(text: str) -> None:
    """What stands behind the speaker's end mark is said aloud, as far as the speaker's own parser let it."""
    heard: list[str] = []

    def speak(messages: list[dict[str, str]]) -> str:
        heard.append(messages[-1]["content"])
        return f"#SCRATCHPAD\nmine\n#ANSWER\nI say: {text}"

    factory = NPCFactory(FakeClient(speak), "fake")
    knight, merchant = (factory.register_npc("London", "A person", 10, True) for _ in range(2))
    arena = ChatArena(factory)
    conversation = arena.start_conversation(knight, merchant, text)
    transcript = arena.run_conversation(conversation, max_turns=4)
    assert heard == [message.content for message in transcript][:4]
    assert heard[0] == text
    assert "mine" not in str(transcript)


@pytest.mark.parametrize("text", [*MARKS, *ORDERS, f"<b>{SCRIPT}</b>"])
def test_a_world_and_a_character_are_sent_as_they_were_written(text: str) -> None:
    client = FakeClient(["Hail."])
    SimpleChatNPC(client, "fake", NPCConfig(text, text, goal=text, secrets=[text], taboo=[text])).chat(
        "Hello!", "Ann"
    )
    system, question = client.calls[0]["messages"]
    assert system["role"] == "system"
    assert system["content"].count(text) == 5
    assert question == {"role": "user", "content": "Hello!"}
