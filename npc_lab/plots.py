"""A talk as a small picture: how long its lines are, and how much they echo each other.

Drawn without pyplot, which keeps every picture of a notebook in memory and may be used from one
thread only.
"""

import io
from typing import TYPE_CHECKING

from npc_lab.measures import ECHO_LIMIT, echoes, line_lengths
from npc_lab.text import printable, shorten, well_formed
from npc_lab.transcript import COLOURS, Transcript

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GREY = "#767676"  # of contrast 4.5 on white and on black
_SIZE = (3.4, 2.4)  # inches: beside a talk it is shown about as wide, so that its letters can be read
_DOTS = 160  # per inch


def talk_figure(transcript: Transcript) -> "Figure":
    """Length and echo of each spoken line, above each other, on a clear ground.

    Raises ImportError where matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DOTS, facecolor="none", layout="constrained")
    seats = [message.seat for message in transcript if message.seat is not None]
    if not seats:
        figure.text(0.5, 0.5, "Nothing was said yet.", ha="center", va="center", color=_GREY)
        return figure
    figure.suptitle("Length and echo of each line", fontsize=9, color=_GREY)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    _draw_lengths(above, seats, line_lengths(transcript))
    _draw_echoes(below, seats, echoes(transcript))
    for axes in (above, below):
        _make_quiet(axes)
    _draw_legend(above, transcript, seats)
    return figure


def png(figure: "Figure") -> bytes:
    """The picture as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_lengths(axes: "Axes", seats: list[int], lengths: list[int]) -> None:
    """Full bars for seat 1 and hatched ones for seat 2, so that no one need see the colours."""
    bars = axes.bar(range(1, len(seats) + 1), lengths)
    for bar, seat in zip(bars, seats, strict=True):
        bar.set(edgecolor=COLOURS[seat], facecolor=COLOURS[1] if seat == 1 else "none")
        bar.set_hatch("" if seat == 1 else "//////")
    axes.set_ylabel("characters")
    axes.tick_params(labelbottom=False)


def _draw_echoes(axes: "Axes", seats: list[int], shares: list[float]) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    turns = range(1, len(seats) + 1)
    axes.plot(turns, shares, color=_GREY, linewidth=0.8)
    axes.scatter(turns, shares, s=9, color=[COLOURS[seat] for seat in seats], zorder=3)
    axes.axhline(ECHO_LIMIT, color=_GREY, linewidth=0.8, linestyle="--")
    axes.set_xlim(0.4, len(seats) + 0.6)
    axes.set_ylim(-0.02, max(2 * ECHO_LIMIT, *shares) * 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("echo")
    axes.set_xlabel("turn (above the dashes, it is an echo)")


def _make_quiet(axes: "Axes") -> None:
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(_GREY)
    axes.tick_params(colors=_GREY, labelsize=8)
    axes.xaxis.label.set(color=_GREY, fontsize=8)
    axes.yaxis.label.set(color=_GREY, fontsize=8)


def _draw_legend(axes: "Axes", transcript: Transcript, seats: list[int]) -> None:
    """The speakers' names, as they are written: matplotlib would read `$x$` as mathematics."""
    present = sorted(set(seats))
    bars = [axes.patches[seats.index(seat)] for seat in present]
    legend = axes.legend(
        bars,
        [str(seat) for seat in present],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.95),
        ncols=2,
        handlelength=1.0,
        handletextpad=0.4,
        columnspacing=1.0,
    )
    spoken = [message for message in transcript if message.seat is not None]
    for text, seat in zip(legend.get_texts(), present, strict=True):
        name = transcript.speaker(spoken[seats.index(seat)])
        text.set(parse_math=False, text=_drawable(name, seat), color=_GREY, fontsize=8)
    legend.get_frame().set_visible(False)


def _drawable(name: str, seat: int) -> str:
    """The name on one line, or the seat where the font lacks a letter and would draw boxes."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    name = shorten(printable(well_formed(name)), 18)
    letters = get_font(findfont(FontProperties())).get_charmap()
    return name if all(ord(letter) in letters for letter in name) else f"speaker {seat}"
