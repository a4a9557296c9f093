"""The vote box: two talks side by side, without names, and three buttons.

Each click is one line in votes/NICKNAME.jsonl, written at once: who closes the notebook goes on where they
stopped. The two sides, and in a class the pairs, differ from voter to voter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import ipywidgets as widgets

from npc_lab.errors import ExperimentError
from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.experiments.voting.ballots import ENDING, append, as_line, is_own, nickname, pairs_voted_on
from npc_lab.experiments.voting.blind import blind
from npc_lab.experiments.voting.pairs import Entry, Pairs, pairs_of
from npc_lab.rendering import escaped, to_html
from npc_lab.transcript import Transcript
from npc_lab.widgets.lines import ASIDE, ONE, TWO
from npc_lab.widgets.look import Announcer, html_box, quiet, row
from npc_lab.widgets.panel import Panel
from npc_lab.widgets.saving import link, on_colab, send

FOLDER = "votes"
_TASK = "Which of these two talks is better? Read both, then choose. Nobody sees whose they are."
_KINDS = {1: ONE, 2: TWO}


def vote_box(pairs: Iterable[tuple[Entry, Entry]] | str | Path, voter: str) -> VoteBox:
    """Return a box for a blind vote in a notebook: put it at the end of a cell.

    pairs: pairs of (id, talk), or a file that `npc-lab tournament` wrote. voter: a nickname; a card of this
    id is the voter's own, and never shown. Raise `ExperimentError` for a nickname that can be no file's name,
    and for what is no pairs.
    """
    return VoteBox(pairs_of(pairs), nickname(voter))


class VoteBox(Panel):
    """Shows pair after pair, and writes each vote. `widget` is its root."""

    def __init__(self, pairs: Pairs, voter: str):
        super().__init__()
        self.voter = voter
        self.path = Path(FOLDER).absolute() / f"{voter}{ENDING}"
        self._asked = _asked(pairs, voter)
        done = pairs_voted_on(self.path)
        self._left = [pair for pair in self._asked if _ids(pair) not in done]
        self._build(pairs.about)
        self._draw()

    def __repr__(self) -> str:
        return f"VoteBox({self.voter!r}: {self._done} of {len(self._asked)})"

    @property
    def _done(self) -> int:
        return len(self._asked) - len(self._left)

    def _build(self, about: str) -> None:
        self._progress, self._download = html_box(), html_box()
        self._announcer = Announcer()
        self._talks = [html_box(), html_box()]
        columns = [
            widgets.VBox([html_box(f"<b>{side}</b>"), talk], layout=_column())
            for side, talk in zip(("Left", "Right"), self._talks, strict=True)
        ]
        self._choice = widgets.VBox(
            [
                html_box(f"<div dir='auto'>{escaped(about)}</div>{quiet(_TASK)}"),
                widgets.HBox(columns, layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start")),
                row(
                    self._button("Left", lambda: self._vote(0), "The left talk is better"),
                    self._button("No difference", lambda: self._vote(None), "None of them is better"),
                    self._button("Right", lambda: self._vote(1), "The right talk is better"),
                ),
            ]
        )
        download = [self._download]
        if on_colab():
            download.insert(0, self._button("Download my votes", self._hear_download, "Download the file"))
        self._arrange(self._progress, self._choice, self._notice.widget, *download, self._announcer.widget)

    def _vote(self, side: int | None) -> None:
        """Write what was chosen, and go on. If it cannot be written, nothing has happened."""
        if not self._left:
            return
        self._notice.clear()
        first, second = self._left[0]
        shown = tuple(name for name, _ in _sides(self._left[0], self.voter))
        winner = None if side is None else shown[side]
        ballot = Ballot((first[0], second[0]), (shown[0], shown[1]), winner, self.voter)
        try:
            append(self.path, as_line(ballot, datetime.now().astimezone().isoformat(timespec="seconds")))
        except OSError as error:
            raise ExperimentError(
                f"Your vote could not be written to {FOLDER}/{self.path.name}: {error.strerror or error}. It "
                "does not count yet. Make room, or move the notebook to a folder of your own, and vote again."
            ) from error
        self._left.pop(0)
        self._draw()

    def _hear_download(self) -> None:
        if not self.path.exists():
            raise ExperimentError("There is no vote yet. Vote on the first pair.")
        self._notice.clear()
        send(self.path.name, lambda path: path.write_bytes(self.path.read_bytes()))

    def _draw(self) -> None:
        many = len(self._asked)
        self._choice.layout.display = None if self._left else "none"
        if self._left:
            here = f"Pair {self._done + 1} of {many}"
            for box, (_, talk) in zip(self._talks, _sides(self._left[0], self.voter), strict=True):
                box.value = _talk(blind(talk))
        elif many:
            here = f"Thank you. You have voted on {'this pair' if many == 1 else f'all {many} pairs'}."
        else:
            here = "There is no pair for you: your own card is in each of them."
        self._progress.value = f"<b>{escaped(here)}</b> {quiet(f'You vote as {self.voter}.')}"
        self._announcer.say("Vote", here)
        self._draw_download()

    def _draw_download(self) -> None:
        """Offer the file, once there is one."""
        if not self.path.exists():
            return
        if not on_colab():
            content = self.path.read_text(encoding="utf-8", errors="replace")
            file = link("Download", self.path.name, "application/jsonl", content)
            self._download.value = f"{file} {quiet(f'Your votes are in {FOLDER}/{self.path.name}.')}"
        else:
            self._download.value = quiet(
                "Download the file and hand it in: Colab forgets it with the session."
            )


def _asked(pairs: Pairs, voter: str) -> list[tuple[Entry, Entry]]:
    """Return the pairs for this voter, each once; of a class's pairs so many as are asked of each."""
    others: dict[frozenset[str], tuple[Entry, Entry]] = {}
    for pair in pairs.entries:
        if not is_own(voter, _ids(pair)):
            others.setdefault(_ids(pair), pair)
    asked = list(others.values())
    if pairs.each is None:
        return asked
    return sorted(asked, key=lambda pair: _hashed(voter, pair))[: pairs.each]


def _ids(pair: tuple[Entry, Entry]) -> frozenset[str]:
    return frozenset(name for name, _ in pair)


def _sides(pair: tuple[Entry, Entry], voter: str) -> tuple[Entry, Entry]:
    """Return the pair, the left one first: the same for a voter whenever it is shown."""
    first, second = sorted(pair, key=lambda entry: entry[0])
    return (first, second) if _hashed(voter, pair)[-1] % 2 else (second, first)


def _hashed(voter: str, pair: tuple[Entry, Entry]) -> bytes:
    return hashlib.sha256(json.dumps([voter, *sorted(_ids(pair))]).encode()).digest()


def _column() -> widgets.Layout:
    """Return the layout of one talk: beside the other, or in a narrow page below it."""
    return widgets.Layout(
        flex="1 1 17em",
        min_width="0",
        margin="3px",
        padding="4px 8px",
        border="1px solid rgba(128,128,128,.4)",
    )


def _talk(talk: Transcript) -> str:
    lines = [
        f"<div class='npc-lab-line {_KINDS.get(each.seat or 0, ASIDE)}'><div dir='auto'>"
        f"<b>{escaped(talk.speaker(each))}</b></div>{to_html(each.content)}</div>"
        for each in talk
    ]
    return "".join(lines) or quiet("(nothing was said)")
