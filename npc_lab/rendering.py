"""What a model, a learner or a file wrote, as HTML that can do no harm.

Two layers, and each alone would do: markdown-it-py makes HTML of the Markdown and lets no HTML of the
text's own through, and nh3 then drops every tag, attribute and address that is not on the lists below.
Pictures are off: a browser fetches a picture at once, and its address can carry away what was said.
"""

import html
import re
from collections.abc import Iterable, Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from npc_lab.text import printable, well_formed

_TAGS = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul", "ol", "li"}
_TAGS |= {"a", "em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td"}
_ATTRIBUTES = {"*": {"dir"}, "a": {"href", "title"}, "ol": {"start"}}
_ADDRESS = re.compile(r"(https?|mailto):", re.IGNORECASE)

# A larger text is shown as it was written. At these sizes the worst pattern found takes half a second.
_MOST_CHARACTERS = 50_000
_MOST_CELLS = 20_000  # of tables: 2 kB of Markdown can ask for 65,000 of them
_DEPTH = 20  # quotes and lists inside each other; markdown-it drops what lies deeper
_LEFT = "text-align:left"  # a notebook would align cells to the right
_START = "text-align:start"  # of the cell's own direction
_FIXED = " style='width:100%;table-layout:fixed;overflow-wrap:anywhere'"


def to_html(text: str) -> str:
    """Convert the text's Markdown to HTML that is safe in any page. No text raises.

    Each block runs as its letters do, from the left or (Arabic, Hebrew) from the right. A text too long, too
    wide or too deeply nested to be drawn quickly becomes plain paragraphs.
    """
    text = printable(well_formed(text))
    if _is_too_much(text):
        return _plain(text)
    tokens = _MARKDOWN.parse(text)
    if any(token.level >= _DEPTH - 1 for token in tokens):
        return _plain(text)
    for token in tokens:
        if token.level == 0 and token.nesting == 1:  # what is inside of a block runs as the block does
            token.attrSet("dir", "auto")
    return nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_without_other_addresses,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def split_finished(text: str) -> tuple[str, str]:
    """Split a text that still grows into (the blocks that no further word can change, the rest).

    The rest begins with the last block, since that may go on. Append what arrives next to the rest and
    split that again: the finished blocks, each rendered alone, look like the whole text.
    """
    clean = printable(well_formed(text))
    if _is_too_much(clean):
        return "", text
    line = _first_line_of_last_block(clean)
    place = 0
    for _ in range(line):  # cleaning removes no line feed, so the lines are those of `text`
        place = text.index("\n", place) + 1
    return text[:place], text[place:]


def escaped(text: str) -> str:
    """Return a name or another short text, as it was written, safe inside HTML and its attributes."""
    return html.escape(printable(well_formed(text)))


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int] = ()) -> str:
    """Return a table as HTML. Its titles and cells must be safe HTML already; see `escaped`.

    head: the titles of the columns, or () for no title row. widths: of the columns, in percent; with them
    the table is as wide as the page and breaks long words.

    `html_table(("ware", "price"), [("wool", "<b>2</b>")], widths=(70, 30))` has a title row and one other.
    """
    shares = [f";width:{width}%" for width in widths] or [""] * len(head)
    titles = [f"<th style='{_LEFT}{share}'>{title}</th>" for title, share in zip(head, shares, strict=True)]
    lines = [titles] if head else []
    lines += [[f"<td dir='auto' style='{_START}'>{cell}</td>" for cell in row] for row in rows]
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return f"<table{_FIXED if widths else ''}>{body}</table>"


def _without_other_addresses(_tag: str, attribute: str, value: str) -> str | None:
    """Drop an address without a host: in a notebook, it would be one of the notebook server."""
    return value if attribute != "href" or _ADDRESS.match(value) else None


def _first_line_of_last_block(text: str) -> int:
    """Return the line, from 0, at which the last block begins that surely begins there."""
    tokens: list[Token] = []
    _MARKDOWN.block.parse(text, _MARKDOWN, {}, tokens)
    blocks = [(token.map[0], token.type) for token in tokens if token.map and token.level == 0]
    while len(blocks) > 1 and not _surely_begins(text.split("\n"), blocks):
        blocks.pop()
    return blocks[-1][0] if blocks else 0


def _surely_begins(lines: list[str], blocks: Sequence[tuple[int, str]]) -> bool:
    """Return whether the last block stays apart from the one before it, whatever is written next.

    `***` is a rule, and `***so` goes on with the paragraph above; only with its second line is a table
    a table. Across an empty line nothing goes on but a list: after `1. one`, `2` is not yet an item.
    """
    first_line, _ = blocks[-1]
    has_two_ended_lines = first_line + 2 < len(lines)
    after_list = blocks[-2][1] in ("bullet_list_open", "ordered_list_open")
    return has_two_ended_lines or not (after_list or lines[first_line - 1].strip(" \t"))


def _is_too_much(text: str) -> bool:
    widest = max(line.count("|") for line in text.split("\n"))
    return len(text) > _MOST_CHARACTERS or widest * text.count("\n") > _MOST_CELLS


def _plain(text: str) -> str:
    """Return the text as written: paragraphs at empty lines, and a line break at each other one."""
    paragraphs = re.split(r"\n{2,}", text.strip("\n"))
    lines = (html.escape(each).replace("\n", "<br>\n") for each in paragraphs)
    return "".join(f'<p dir="auto">{each}</p>\n' for each in lines)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _DEPTH})
    # A definition of a link shows nothing. `[Guard]: Halt!` is one, and would vanish.
    parser.enable(["table", "strikethrough"]).disable(["image", "reference"])
    parser.parse("x")  # compiles its rules at first use, which two threads must not do at once
    return parser


_MARKDOWN = _parser()
