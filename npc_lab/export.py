"""A talk as a file: Markdown to read on, JSON lines to compute with, or a page for a browser.

Private thoughts are in none of them, since a transcript holds none.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from npc_lab.errors import NPCLabError
from npc_lab.files import write_whole
from npc_lab.rendering import escaped, to_html
from npc_lab.text import printable, well_formed
from npc_lab.transcript import COLOURS, Message, Transcript

# What would turn the words into a tag, a picture or a link's definition: these reach beyond a quotation.
_REACHING_OUT = re.compile(r"<(?=[a-z/!?])|(?<=!)\[|(?<=\]):", re.IGNORECASE)
_MARKUP = re.compile(r"([\\`*_\[\]<>&~|$#!])")
# A reader that goes line by line may take these for the end of one; JSON itself escapes the others.
_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}

_PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
{talks}
</body>
</html>
"""
_TALK = """<h1 dir="auto">{title}</h1>
{lines}
<p class="ending">{ending}</p>"""
_STYLE = f"""\
:root {{ color-scheme: light dark; }}
body {{ max-width: 44rem; margin: 0 auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }}
body > h1 {{ font-size: 1.6rem; line-height: 1.2; }}
article {{ margin: 1rem 0; padding: .2rem 1rem; }}
article :is(h1, h2, h3, h4, h5, h6) {{ font-size: 1rem; }}
.speaker {{ margin: 0; font-weight: bold; }}
.seat1 {{ margin-right: 10%; border-left: .3rem solid {COLOURS[1]}; }}
.seat2 {{ margin-left: 10%; border-right: .3rem double {COLOURS[2]}; }}
.other {{ font-style: italic; border-left: .3rem dotted gray; }}
pre, table {{ display: block; overflow-x: auto; overflow-wrap: normal; border-collapse: collapse; }}
th, td {{ padding: .2rem .6rem; border: 1px solid gray; }}
blockquote {{ margin-left: .5rem; padding-left: .8rem; border-left: 1px solid gray; }}
@media print {{ body {{ max-width: none; }} .speaker {{ break-after: avoid; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }} }}"""


def export(transcript: Transcript, path: str | Path, title: str = "A talk") -> Path:
    """Write the talk to a file and return its path. The suffix says how: .md, .jsonl or .html.

    The file is written whole or not at all. Raise `NPCLabError` if it cannot be written.
    """
    return export_all([(title, transcript)], path, title)


def export_all(talks: Sequence[tuple[str, Transcript]], path: str | Path, title: str = "Talks") -> Path:
    """Write many talks, each under its title, to one file as `export` does. title: of the whole page."""
    path = Path(path).expanduser()
    ending = path.suffix.lower()
    if ending == ".md":
        text = "\n".join(as_markdown(transcript, name) for name, transcript in talks)
    elif ending == ".jsonl":
        text = "".join(as_jsonl(transcript, name if len(talks) > 1 else "") for name, transcript in talks)
    elif ending == ".html":
        text = page([section(transcript, name) for name, transcript in talks], title)
    else:
        raise NPCLabError(
            f"A talk is saved as .md, .jsonl or .html; {path.name!r:.80} ends with none of them."
        )
    write_text(path, text)
    return path


def as_markdown(transcript: Transcript, title: str = "A talk") -> str:
    """Return the talk to read and to edit: each line as a quotation under its speaker's name.

    In a quotation no heading and no open fence reaches beyond the line. What would be a tag, a picture
    or a link's definition is written so that it shows as text.
    """
    lines = [f"**{literal(transcript.speaker(each))}:**\n\n{_quoted(each.content)}" for each in transcript]
    parts = [f"# {literal(title)}", *lines, literal(transcript.ending())]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_jsonl(transcript: Transcript, talk: str = "") -> str:
    """Return the talk to compute with: a JSON object a line, with exactly the words that were said.

    Keys: sender, content, timestamp (ISO 8601), seat, seconds as in `Message`, the speaker's name, and
    the talk's name if one is given.
    """
    return "".join(_json_line(transcript, message, talk) + "\n" for message in transcript)


def as_html(transcript: Transcript, title: str = "A talk") -> str:
    """Return the talk as one HTML page that needs no network and runs nothing."""
    return page([section(transcript, title)], title)


def page(talks: list[str], title: str, style: str = "") -> str:
    """Return one HTML page with these parts, in light and dark, that needs no network and runs nothing.

    style: more CSS.
    """
    return _PAGE.format(title=escaped(title), style=_STYLE + style, talks="\n".join(talks))


def section(transcript: Transcript, title: str) -> str:
    """Return a talk as a part of a page."""
    lines = [_article(transcript, message) for message in transcript] or ["<p>(nothing was said)</p>"]
    return _TALK.format(title=escaped(title), lines="\n".join(lines), ending=escaped(transcript.ending()))


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raise `NPCLabError` in words if it cannot be written."""
    try:
        write_whole(path, text.encode("utf-8"))
    except FileNotFoundError as error:
        raise NPCLabError(f"There is no folder {str(path.parent)!r}. Make it first.") from error
    except PermissionError as error:
        raise NPCLabError(f"You may not write to {str(path)!r}. Choose another folder.") from error
    except (OSError, ValueError) as error:  # a ValueError: the path holds a null character
        reason = getattr(error, "strerror", None) or error
        raise NPCLabError(f"{str(path)!r} could not be written: {reason}. Choose another name.") from error


def literal(text: str) -> str:
    """Return a name or title on one line of Markdown, with all of Markdown's marks escaped."""
    return _MARKUP.sub(r"\\\1", " ".join(printable(well_formed(text)).split()))


def _quoted(words: str) -> str:
    words = _REACHING_OUT.sub(lambda mark: f"&#{ord(mark[0])};", printable(well_formed(words)))
    return "\n".join(f"> {line}".rstrip() for line in words.split("\n"))


def _json_line(transcript: Transcript, message: Message, talk: str) -> str:
    fields = asdict(message) | {
        "speaker": transcript.speaker(message),
        "timestamp": message.timestamp.isoformat(),
    }
    if talk:
        fields["talk"] = talk
    return well_formed(json.dumps(fields, ensure_ascii=False)).translate(_LINE_ENDS)


def _article(transcript: Transcript, message: Message) -> str:
    kind = f"seat{message.seat}" if message.seat else "other"
    name = escaped(transcript.speaker(message))
    speaker = f'<p class="speaker" dir="auto">{name}</p>'
    return f'<article class="{kind}">\n{speaker}\n{to_html(message.content)}</article>'
