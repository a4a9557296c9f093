"""The picture of a talk: it shows what was measured, whatever the speakers are called."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import pytest

from npc_lab import Message, Transcript
from npc_lab.measures import ECHO_LIMIT, echoes, line_lengths
from npc_lab.plots import png, talk_figure

pytestmark = [
    pytest.mark.packages,
    pytest.mark.filterwarnings("error:Glyph"),  # matplotlib warns of letters it cannot draw
]
NOW = datetime.now().astimezone()


def talk(turns: int, first: str = "Sir Guy", second: str = "Hans") -> Transcript:
    words = "so it is my dear friend "
    lines = [Message("npc", words * (turn % 5 + 1), NOW, 1 + turn % 2) for turn in range(turns)]
    return Transcript([Message("system", "Hello!", NOW), *lines], {1: first, 2: second})


def names(transcript: Transcript) -> list[str]:
    return [text.get_text() for text in talk_figure(transcript).axes[0].get_legend().get_texts()]


@pytest.mark.parametrize("turns", [0, 1, 2, 60])
def test_a_talk_of_any_length_is_drawn(turns: int) -> None:
    picture = png(talk_figure(talk(turns)))
    assert picture.startswith(b"\x89PNG")


def test_the_picture_shows_what_was_measured() -> None:
    transcript = talk(7)
    above, below = talk_figure(transcript).axes
    bars = [corners for patch in above.patches for corners in patch.get_path().to_polygons()]
    in_order = sorted(bars, key=lambda corners: corners[:, 0].min())
    assert [corners[:, 1].max() for corners in in_order] == line_lengths(transcript)
    assert list(below.lines[0].get_ydata()) == echoes(transcript)
    assert set(below.lines[1].get_ydata()) == {ECHO_LIMIT}
    assert below.get_ylim()[1] >= 1


def test_turns_are_whole_numbers() -> None:
    for turns in (1, 2, 5, 60):
        _, below = talk_figure(talk(turns)).axes
        assert all(tick == int(tick) for tick in below.get_xticks())


def test_speakers_differ_by_more_than_colour() -> None:
    first, second = talk_figure(talk(2)).axes[0].patches
    assert (first.get_hatch(), second.get_hatch().strip("/")) == ("", "")
    assert second.get_hatch()


def test_the_bars_of_a_long_talk_are_two_shapes() -> None:
    """A shape for each line costs a millisecond, at every turn."""
    assert len(talk_figure(talk(300)).axes[0].patches) == 2


def test_all_that_is_written_is_inside_of_the_picture() -> None:
    for turns, words in ((1, 1), (400, 1), (12, 3_000)):  # as many digits as there may be
        transcript = talk(turns)
        figure = talk_figure(
            Transcript([replace(m, content=m.content * words) for m in transcript], {1: "A", 2: "B"})
        )
        figure.draw_without_rendering()
        for axes in figure.axes:
            box = axes.get_tightbbox()
            corners = [(box.x0, box.y0), (box.x1, box.y1)]
            assert all(figure.bbox.fully_contains(x, y) for x, y in corners), turns
            label, highest = axes.yaxis.label.get_window_extent(), axes.get_ylim()[1]
            numbers = [text for text in axes.get_yticklabels() if 0 <= text.get_position()[1] <= highest]
            assert all(label.x1 < number.get_window_extent().x0 for number in numbers), turns


def test_names_are_drawn_as_they_are_written() -> None:
    hostile = talk(2, r"$\frac{$", "_Hans\n$x$")
    assert names(hostile) == [r"$\frac{$", "_Hans $x$"]
    assert png(talk_figure(hostile))


def test_names_that_the_font_cannot_draw_give_way_to_the_seat() -> None:
    foreign = talk(2, "骑士", "\ud800 x" * 30)
    assert names(foreign)[0] == "speaker 1"
    assert png(talk_figure(foreign))


def test_only_those_who_spoke_are_named() -> None:
    assert names(talk(1)) == ["Sir Guy"]


def test_the_ground_is_clear() -> None:
    figure = talk_figure(talk(2))
    assert figure.get_facecolor()[3] == 0
    assert all(axes.get_facecolor()[3] == 0 for axes in figure.axes)


def test_pyplot_is_never_loaded_and_matplotlib_only_to_draw() -> None:
    code = (
        "import sys, npc_lab.plots as plots, npc_lab\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.png(plots.talk_figure(npc_lab.Transcript()))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
