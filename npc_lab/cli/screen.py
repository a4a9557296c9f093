"""What the commands show: plain words, wrapped for reading, and a colour for each speaker.

What a model or an endpoint wrote is never taken for an order: control characters are dropped, and nothing is
read as markup. Nothing on the terminal is ever hidden or moved, so a command can be stopped anywhere. Into a
pipe go the same words without colours.
"""

import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

from npc_lab.reply import ReplyStream
from npc_lab.text import printable
from npc_lab.transcript import WIDTH

SEAT_STYLES = ("bold #2a78d6", "bold #c4581c")  # seat 1 and 2: readable on white and on black
INDENT = "  "
NARROWEST = 20  # columns
SECONDS_UNTIL_A_WAIT_IS_TOLD = 5  # and again after twice as long


class Screen:
    """The terminal. Notices go to the error output, so that a pipe gets the talk and nothing else."""

    def __init__(self) -> None:
        self._output = _console(is_error=False)
        self._errors = _console(is_error=True)

    def say(self, text: str = "", style: str = "", indent: str = "") -> None:
        """Print a paragraph."""
        _print(self._output, text, style, indent)

    def notice(self, text: str) -> None:
        """Say what went wrong and what to do next."""
        _print(self._errors, text, "bold")

    def rows(self, rows: list[tuple[str, str]]) -> None:
        """Print two columns: what, and how it stands."""
        width = max(len(what) for what, _ in rows)
        for what, how in rows:
            _print(self._output, how, indent=f"{INDENT}{what:{width}}{INDENT}")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print columns under their heads. What does not fit is wrapped in its column."""
        table = Table(*head, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(Text(printable(text), overflow="fold") for text in row))
        self._output.print(table)

    def ask(self, prompt: str) -> str:
        """A line that the learner types. Raises `EOFError` at Ctrl-D."""
        line = input(prompt)
        if not sys.stdin.isatty():  # nobody has seen it being typed
            self.say(line)
        return line

    def speak(self, name: str, style: str, stream: ReplyStream, shows_thoughts: bool = False) -> None:
        """Show a reply under its speaker's name as it arrives; mark one that breaks off."""
        self.say(name, style)
        speech, mark = Speech(self._output), "(broken off)"
        try:
            with self._telling_the_wait():
                piece = next(stream, "")
            if shows_thoughts and piece:
                self.think(stream.reply.thought)
            speech.write(piece)
            for piece in stream:
                speech.write(piece)
            mark = "…" if stream.reply.finish_reason == "length" else ""
        finally:
            stream.close()
            speech.end(mark)

    def think(self, thought: str) -> None:
        """Show a private thought, if there is one."""
        if thought:
            speech = Speech(self._output, "dim italic")
            speech.write(f"(thinks: {thought})")
            speech.end()

    @contextmanager
    def _telling_the_wait(self) -> Iterator[None]:
        """Say now and then how long we have been waiting, each time on a line of its own."""
        is_over = threading.Event()

        def tell() -> None:
            began, seconds = time.monotonic(), SECONDS_UNTIL_A_WAIT_IS_TOLD
            while not is_over.wait(max(began + seconds - time.monotonic(), 0)):
                self.notice(f"(waiting for the reply, {seconds:.0f} s so far; Ctrl-C stops)")
                seconds *= 2

        telling = threading.Thread(target=tell, daemon=True)
        telling.start()
        try:
            yield
        finally:
            is_over.set()
            telling.join()


class Speech:
    """A text that arrives piece by piece: each word is written once it is complete, and never moved."""

    def __init__(self, console: Console, style: str = ""):
        self.has_begun = False
        self._console = console
        self._style = style
        self._room = console.width - 1  # some terminals wrap as soon as the last column is used
        self._column = 0
        self._word = ""

    def write(self, piece: str) -> None:
        """Take the next piece of the text."""
        for part in re.findall(r"\n|[^\S\n]+|\S+", printable(piece)):
            if not part.isspace():
                self._word += part
                continue
            self._end_word()
            if part == "\n":
                self._end_line()

    def end(self, mark: str = "") -> None:
        """The text ends here; a mark that is not part of it follows, if there was any text."""
        self._end_word()
        if self.has_begun:
            self._style, self._word = "dim", mark
            self._end_word()
        self._end_line()

    def _end_word(self) -> None:
        word, self._word = self._word, ""
        # Longer than a line are only addresses, and texts in languages that need no blanks.
        for part in chop_cells(word, self._room - len(INDENT)) if word else []:
            if self._column and self._column + 1 + cell_len(part) > self._room:
                self._end_line()
            gap = " " if self._column else INDENT
            self._print(gap + part)
            self._column += len(gap) + cell_len(part)
            self.has_begun = True

    def _end_line(self) -> None:
        if self._column:
            self._print("\n")
            self._column = 0

    def _print(self, text: str) -> None:
        if self._style:
            self._console.out(text, style=self._style, highlight=False, end="")
        else:  # past rich, which repeats what it was printing when Ctrl-C came
            print(text, end="", file=self._console.file, flush=True)


def take_any_letter() -> None:
    """A letter that cannot be shown or read becomes a question mark instead of an error."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _print(console: Console, text: str, style: str = "", indent: str = "") -> None:
    """Print the text, wrapped; the indent stands before its first line, as many blanks before the others."""
    for line in Text(printable(text)).wrap(console, console.width - len(indent)):
        line.rstrip()
        console.print(Text(indent).append(line.plain, style), no_wrap=True)
        indent = " " * len(indent)


def _console(is_error: bool) -> Console:
    console = Console(stderr=is_error, highlight=False, markup=False, emoji=False)
    console.width = max(min(console.width, WIDTH), NARROWEST)
    return console
