"""A talk as a small picture: how long its lines are, and how much they echo each other.

Drawn without pyplot, which keeps every picture of a notebook in memory and may be used from one
thread only. The desk draws it at every turn, so it must cost little, however long the talk is:
the bars of a speaker are one shape, and the layout is fixed instead of measured.
"""

import io
from functools import cache
from typing import TYPE_CHECKING

from npc_lab.measures import ECHO_LIMIT, echoes, line_lengths
from npc_lab.text import printable, shorten, well_formed
from npc_lab.transcript import COLOURS, Transcript

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

_GREY = "#767676"  # of contrast 4.5 on white and on black
_SIZE = (3.4, 2.4)  # inches: beside a talk it is shown about as wide, so that its letters can be read
_DOTS = 160  # per inch
_DIGIT = 0.021  # the width of a digit, as a share of the picture's


def talk_figure(transcript: Transcript) -> "Figure":
    """Return a picture of the length and the echo of each spoken line, on a clear ground.

    Raise ImportError if matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DOTS, facecolor="none")
    seats = [message.seat for message in transcript if message.seat is not None]
    if not seats:
        figure.text(0.5, 0.5, "Nothing was said yet.", ha="center", va="center", color=_GREY)
        return figure
    figure.suptitle("Length and echo of each line", y=0.985, fontsize=9, color=_GREY)
    lengths, shares = line_lengths(transcript), echoes(transcript)
    widest = max(4 if _highest(shares) >= 1 else 3, len(str(max(lengths))))  # "100%", "50%" or a length
    figure.subplots_adjust(
        left=0.1 + _DIGIT * widest,
        right=1 - _DIGIT * len(str(len(seats))) / 2,  # the last turn's number reaches beyond the axes
        top=0.786,
        bottom=0.175,
        hspace=0.226,
    )
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    _draw_lengths(above, seats, lengths)
    _draw_echoes(below, seats, shares)
    for axes in (above, below):
        _make_quiet(figure, axes)
    _draw_legend(above, transcript, seats)
    return figure


def png(figure: "Figure") -> bytes:
    """Return the picture as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_lengths(axes: "Axes", seats: list[int], lengths: list[int]) -> None:
    """Draw a bar for each line, all bars of a speaker as one shape."""
    from matplotlib.patches import PathPatch

    for seat in sorted(set(seats)):
        fill, hatch = (COLOURS[1], "") if seat == 1 else ("none", "//////")  # no one need see the colours
        edge = min(1.0, 0.3 * _points_a_turn(axes, seats))  # of thin bars the edges would hide all else
        bars = PathPatch(
            _bars(seats, lengths, seat), edgecolor=COLOURS[seat], facecolor=fill, hatch=hatch, linewidth=edge
        )
        axes.add_artist(bars)  # add_patch would look at every corner, to find the limits that are set below
    axes.set_ylim(0, 1.05 * max(1, *lengths))
    axes.set_ylabel("characters")
    axes.tick_params(labelbottom=False)


def _bars(seats: list[int], lengths: list[int], seat: int) -> "Path":
    """Return the outline of this speaker's bars: 0.8 turns wide, a character high for each written one."""
    import numpy
    from matplotlib.path import Path

    own = [(turn, length) for turn, length in enumerate(lengths, 1) if seats[turn - 1] == seat]
    corners = [
        [(turn - 0.4, 0), (turn - 0.4, length), (turn + 0.4, length), (turn + 0.4, 0)] for turn, length in own
    ]
    return Path.make_compound_path_from_polys(numpy.array(corners))


def _draw_echoes(axes: "Axes", seats: list[int], shares: list[float]) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    turns = range(1, len(seats) + 1)
    axes.plot(turns, shares, color=_GREY, linewidth=0.8)
    axes.axhline(ECHO_LIMIT, color=_GREY, linewidth=0.8, linestyle="--")
    size = max(1.0, min(3.0, 1.5 * _points_a_turn(axes, seats)))  # large dots would hide each other
    for seat in sorted(set(seats)):
        own = [place for place, owner in enumerate(seats) if owner == seat]
        axes.plot(turns, shares, "o", color=COLOURS[seat], markersize=size, markevery=own, zorder=3)
    axes.set_xlim(0.4, len(seats) + 0.6)
    axes.set_ylim(-0.02, _highest(shares))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("echo")
    axes.set_xlabel("turn (above the dashes, it is an echo)")


def _points_a_turn(axes: "Axes", seats: list[int]) -> float:
    return 72 * _SIZE[0] * axes.get_position().width / len(seats)


def _highest(shares: list[float]) -> float:
    """Return where the axis of the echoes ends."""
    return max(2 * ECHO_LIMIT, *shares) * 1.1


def _make_quiet(figure: "Figure", axes: "Axes") -> None:
    """Draw frame, numbers and labels in grey, each label at its own fixed place."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(_GREY)
    axes.tick_params(colors=_GREY, labelsize=8)
    axes.xaxis.label.set(color=_GREY, fontsize=8)
    axes.yaxis.label.set(color=_GREY, fontsize=8)
    place = axes.get_position()
    axes.xaxis.set_label_coords((place.x0 + place.x1) / 2, 0.07, figure.transFigure)
    axes.yaxis.set_label_coords(0.06, (place.y0 + place.y1) / 2, figure.transFigure)


def _draw_legend(axes: "Axes", transcript: Transcript, seats: list[int]) -> None:
    """Write the speakers' names as they are: matplotlib would read `$x$` as mathematics."""
    present = sorted(set(seats))
    legend = axes.legend(
        axes.patches,
        [str(seat) for seat in present],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.95),
        ncols=2,
        handlelength=1.0,
        handletextpad=0.4,
        columnspacing=1.0,
    )
    for text, seat in zip(legend.get_texts(), present, strict=True):
        name = transcript.speaker(transcript.spoken[seats.index(seat)])
        text.set(parse_math=False, text=_drawable(name, seat), color=_GREY, fontsize=8)
    legend.get_frame().set_visible(False)


def _drawable(name: str, seat: int) -> str:
    """Return the name on one line, or the seat if the font lacks a letter and would draw boxes."""
    name = shorten(printable(well_formed(name)), 18)
    return name if all(ord(letter) in _letters_of_font() for letter in name) else f"speaker {seat}"


@cache
def _letters_of_font() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())
