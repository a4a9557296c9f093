"""What the commands print: text wrapped for reading, with a colour for each speaker.

Control characters in what a model or an endpoint wrote are dropped, and nothing is read as markup. Printed
text is never hidden or moved, so a command can be stopped at any moment; but the last words of a reply are
taken back if they are no whole sentence and the reply ends without them. A pipe gets the same words without
colours.
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

from npc_lab.door import AnyStream
from npc_lab.text import printable
from npc_lab.transcript import WIDTH
from npc_lab.wire.form import whole_part

SEAT_STYLES = ("bold #2a78d6", "bold #c4581c")  # seat 1 and 2: readable on white and on black
INDENT = "  "
NARROWEST = 20  # columns
SECONDS_UNTIL_A_WAIT_IS_TOLD = 2  # then after 4, 8, 16, ...


class Screen:
    """The terminal. Notices go to stderr, so that a pipe gets only the talk."""

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
        """Print two columns: a thing and its state."""
        width = max(len(what) for what, _ in rows)
        for what, how in rows:
            _print(self._output, how, indent=f"{INDENT}{what:{width}}{INDENT}")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print columns with titles. A text that does not fit is wrapped in its column."""
        table = Table(*head, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(Text(printable(text), overflow="fold") for text in row))
        self._output.print(table)

    def ask(self, prompt: str) -> str:
        """Return a line that the learner types. Raise `EOFError` at Ctrl-D."""
        line = input(prompt)
        if not sys.stdin.isatty():  # a line from a pipe was not seen while it was typed
            self.say(line)
        return line

    def speak(self, name: str, style: str, stream: AnyStream, shows_thoughts: bool = False) -> None:
        """Show a reply below its speaker's name as it arrives, and mark one that breaks off."""
        self.say(name, style)
        speech, mark = Speech(self._output), "(broken off)"
        try:
            with self._telling_the_wait():
                piece = next(stream, "")
            if shows_thoughts and piece:
                self.think(stream.reply.thought)
            speech.may_be_cut = stream.has_form
            speech.write(piece)
            shown = len(piece)
            for piece in stream:
                shown += len(piece)
                if len(stream.reply.text) < shown:
                    speech.end("(that was a private thought; this is the answer:)")
                    shown = len(stream.reply.text)
                speech.write(piece)
            if len(stream.reply.text) < shown:  # a sentence that was not finished
                speech.take_back_to(stream.reply.text)
            text = stream.reply.text
            mark = "…" if stream.reply.finish_reason == "length" and whole_part(text) != text else ""
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
        """Meanwhile, say now and then how long we have been waiting."""
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
    """A text that arrives in pieces. Each word is printed when it is complete.

    may_be_cut: whether the last words may be taken back. A file or a pipe is then written at the end.
    """

    def __init__(self, console: Console, style: str = ""):
        self.has_begun = False
        self.may_be_cut = False
        self._console = console
        self._can_take_back = console.file.isatty() and not console.legacy_windows
        self._style = style
        self._room = console.width - 1  # some terminals wrap as soon as the last column is used
        self._column = self._row = 0
        self._word = ""
        self._kept_back: list[str] = []
        self._letters = 0  # printed so far, blanks not counted
        self._places: list[tuple[int, int, int]] = []  # of each word: letters, row and column before it

    def write(self, piece: str) -> None:
        """Take the next piece of the text."""
        if self.may_be_cut and not self._can_take_back:
            self._kept_back.append(piece)
        else:
            self._write(piece)

    def take_back_to(self, text: str) -> None:
        """Take back the last words: this is all of the text."""
        if not self._can_take_back:
            self._kept_back = [text]
            return
        self._end_word()
        kept = "".join(printable(text).split())
        place = (self._letters, self._row, self._column)
        while self._places and self._letters > len(kept):
            place = self._places.pop()
            self._letters = place[0]
        up, (_, self._row, self._column) = self._row - place[1], place
        # A line up for each; to the column; and clear all that follows.
        move = "\r" + (f"\x1b[{up}A" if up else "") + (f"\x1b[{self._column}C" if self._column else "")
        print(f"{move}\x1b[J", end="", file=self._console.file, flush=True)
        self._word = kept[self._letters :]  # where no blanks part words

    def _write(self, piece: str) -> None:
        for part in re.findall(r"\n|[^\S\n]+|\S+", printable(piece)):
            if not part.isspace():
                self._word += part
                continue
            self._end_word()
            if part == "\n":
                self._end_line()

    def end(self, mark: str = "") -> None:
        """End the text, with a mark after it if there was any text."""
        self._write("".join(self._kept_back))
        self._end_word()
        if self.has_begun:
            self._style, self._word = "dim", mark
            self._end_word()
        self._end_line()

    def _end_word(self) -> None:
        word, self._word = self._word, ""
        # Only addresses, and texts in languages without blanks, are longer than a line.
        for part in chop_cells(word, self._room - len(INDENT)) if word else []:
            if self._column and self._column + 1 + cell_len(part) > self._room:
                self._end_line()
            gap = " " if self._column else INDENT
            self._places.append((self._letters, self._row, self._column))
            self._letters += len(part)
            self._print(gap + part)
            self._column += len(gap) + cell_len(part)
            self.has_begun = True

    def _end_line(self) -> None:
        if self._column:
            self._print("\n")
            self._column = 0
            self._row += 1

    def _print(self, text: str) -> None:
        if self._style:
            self._console.out(text, style=self._style, highlight=False, end="")
        else:  # not through rich: after Ctrl-C it would print once more what it was printing
            print(text, end="", file=self._console.file, flush=True)


def take_any_letter() -> None:
    """Let the terminal show "?" for a letter that it cannot encode, instead of raising."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _print(console: Console, text: str, style: str = "", indent: str = "") -> None:
    """Print the text, wrapped. The indent comes before its first line, blanks before the others."""
    for line in Text(printable(text)).wrap(console, console.width - len(indent)):
        line.rstrip()
        console.print(Text(indent).append(line.plain, style), no_wrap=True)
        indent = " " * len(indent)


def _console(is_error: bool) -> Console:
    console = Console(stderr=is_error, highlight=False, markup=False, emoji=False)
    console.width = max(min(console.width, WIDTH), NARROWEST)
    return console
