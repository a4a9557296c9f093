"""The page of a tournament: one file that asks nobody for anything, to be put on a projector.

Cards stand in tiers. Each has a dot with its interval, on a scale of how often it would be chosen before an
average one; a click on it unfolds its talks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from npc_lab.errors import ExperimentError
from npc_lab.experiments.estimates import Estimate
from npc_lab.experiments.voting.strengths import Standing
from npc_lab.experiments.voting.tiers import tiers
from npc_lab.export import page, section, write_text
from npc_lab.rendering import escaped
from npc_lab.transcript import COLOURS, Transcript

_TITLE = "The class decides"
NO_MARK = (
    "Not for marks: this is the taste of one class on one day, about a few lines of each card. Cards whose "
    "bars overlap cannot be told apart, and a tier ends where no bar reaches across."
)
_TICKS = (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)  # shares, of which those in sight are shown
_STYLE = f"""
body {{ max-width: 60rem; }}
.tier {{ margin: 1rem 0; padding: .2rem .8rem .6rem; border: 1px solid gray; border-radius: .4rem; }}
.tier h2 {{ margin: .3rem 0; font-size: 1.1rem; }}
details h1 {{ margin: 1.5rem 0 0; font-size: 1.1rem; }}
details[open] {{ padding-bottom: 1rem; }}
.row {{ display: grid; grid-template-columns: minmax(8rem, 16rem) 1fr 6rem; gap: .2rem .8rem;
  align-items: center; padding: .15rem 0; }}
summary.row {{ cursor: pointer; }}
summary.row b::before {{ content: "\\25B8\\A0"; font-weight: normal; }}
details[open] > summary.row b::before {{ content: "\\25BE\\A0"; }}
.row small {{ opacity: .8; }}
.bar {{ position: relative; height: 1.2rem; }}
.bar span {{ position: absolute; }}
.bar .axis {{ top: 50%; left: 0; right: 0; border-top: 1px solid gray; opacity: .5; }}
.bar .middle {{ top: 0; bottom: 0; border-left: 1px dashed gray; }}
.bar .reach {{ top: calc(50% - .2rem); height: .4rem; background: {COLOURS[1]}; opacity: .55; }}
.bar .dot {{ top: calc(50% - .4rem); width: .8rem; height: .8rem; margin-left: -.4rem; border-radius: 50%;
  background: {COLOURS[1]}; }}
.scale {{ font-size: .8rem; opacity: .8; }}
.scale .bar span {{ transform: translateX(-50%); white-space: nowrap; }}
@media (max-width: 40rem) {{ .row {{ grid-template-columns: 1fr auto; }}
  .row .bar {{ grid-column: 1 / -1; grid-row: 2; }} }}
"""


def tournament_page(
    standings: Sequence[Standing],
    talks: Mapping[str, Sequence[Transcript]],
    path: str | Path,
    *,
    agreement: Estimate | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the page and return its path.

    standings: what `strengths` returned, [] before there are votes. talks: the transcripts of each name.
    agreement: how alike people voted. notes: what else is to be said.

    Raise `ExperimentError` if the name does not end with .html, `NPCLabError` if it cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise ExperimentError(f"The page is an HTML file, such as page.html, not {path.name!r:.80}.")
    parts = [f"<h1>{_TITLE}</h1>", *_facts(standings, agreement)]
    scale = _Scale(standings)
    found = tiers(standings)
    for place, tier in enumerate(found, 1):
        rows = "".join(_card(each, scale, talks.get(each.name, ())) for each in tier)
        title = f"Tier {place}" if len(found) > 1 else "One tier: no line can be drawn between them"
        parts.append(f'<div class="tier"><h2>{title}</h2>{scale.ticks()}{rows}</div>')
    parts += _others(standings, talks)
    parts += [f"<p><small>{escaped(note)}</small></p>" for note in notes]
    write_text(path, page(parts, _TITLE, _STYLE))
    return path


def _facts(standings: Sequence[Standing], agreement: Estimate | None) -> list[str]:
    if not standings:
        return ["<p>There are no tiers yet. Here are the talks.</p>"]
    ballots = sum(each.n for each in standings) // 2
    sentences = [f"{len(standings)} cards, {ballots} ballot{'' if ballots == 1 else 's'}."]
    if agreement is not None:
        sentences.append(_agreement(agreement))
    how = (
        "A dot shows how often a card would be chosen before an average one, the bar around it where that "
        "may lie just as well (95 %). Click on a card to read its talks."
    )
    return [f"<p>{escaped(' '.join(sentences))}</p><p><b>{NO_MARK}</b></p><p>{how}</p>"]


def _agreement(found: Estimate) -> str:
    if found.value is None:
        return "How alike people vote cannot be said: too few pairs were judged by two."
    interval = "" if found.low is None or found.high is None else f" [{found.low:.2f}, {found.high:.2f}]"
    pairs = f"{found.n} pair{'' if found.n == 1 else 's'}"
    return (
        f"Agreement (Krippendorff's alpha) on {pairs} that two or more judged: {found.value:.2f}{interval}, "
        "where 1 is always and 0 is no more than chance."
    )


def _card(standing: Standing, scale: _Scale, talks: Sequence[Transcript]) -> str:
    label = escaped(f"{standing.name}: {_in_words(standing)}")
    bar = f'<div class="bar" role="img" aria-label="{label}" title="{label}">{scale.bar(standing)}</div>'
    ballots = f"<small>{standing.n} ballot{'' if standing.n == 1 else 's'}</small>"
    return _fold(standing.name, talks, bar + ballots)


def _in_words(standing: Standing) -> str:
    words = f"chosen in {_percent(standing.value)} before an average one"
    if standing.low is None or standing.high is None:
        return f"{words}, no interval"
    return f"{words}, {_percent(standing.low)} to {_percent(standing.high)}"


def _fold(name: str, talks: Sequence[Transcript], beside: str = "") -> str:
    """Return a card's row, that unfolds its talks. beside: what stands in the row beside its name."""
    who = next((talk.names.get(1, "") for talk in talks), "")
    called = f" <small dir='auto'>{escaped(who)}</small>" if who and who != name else ""
    sections = []
    for number, talk in enumerate(talks, 1):
        speakers = (talk.names.get(seat, "") for seat in (1, 2))
        sections.append(section(talk, " and ".join(filter(None, speakers)) or f"Talk {number}"))
    return (
        f'<details><summary class="row"><div dir="auto"><b>{escaped(name)}</b>{called}</div>{beside}'
        f"</summary>{''.join(sections) or '<p>No talk is there.</p>'}</details>"
    )


def _others(standings: Sequence[Standing], talks: Mapping[str, Sequence[Transcript]]) -> list[str]:
    """Return the talks of cards on which nobody has voted."""
    known = {each.name for each in standings}
    without = sorted((name for name in talks if name not in known), key=str.casefold)
    if not without:
        return []
    cards = "".join(_fold(name, talks[name]) for name in without)
    return [f'<div class="tier"><h2>{"Not voted on" if standings else "The cards"}</h2>{cards}</div>']


class _Scale:
    """Where a strength lies, in percent of the width of a bar."""

    def __init__(self, standings: Sequence[Standing]):
        ends = [
            abs(end) for each in standings for end in (each.value, each.low, each.high) if end is not None
        ]
        self._end = min(max(1.5, 1.05 * max(ends, default=0.0)), 20.0)

    def bar(self, standing: Standing) -> str:
        low = -self._end if standing.low is None else standing.low
        high = self._end if standing.high is None else standing.high
        left, right = self._place(low), self._place(high)
        return (
            '<span class="axis"></span><span class="middle" style="left:50%"></span>'
            f'<span class="reach" style="left:{left:.1f}%;width:{right - left:.1f}%"></span>'
            f'<span class="dot" style="left:{self._place(standing.value):.1f}%"></span>'
        )

    def ticks(self) -> str:
        """Return the scale above the bars."""
        places = [(tick, math.log(tick / (1 - tick))) for tick in _TICKS]
        marks = "".join(
            f'<span style="left:{self._place(value):.1f}%">{100 * tick:.0f} %</span>'
            for tick, value in places
            if abs(value) <= 0.95 * self._end
        )
        return f'<div class="row scale"><div></div><div class="bar">{marks}</div><div></div></div>'

    def _place(self, value: float) -> float:
        return 50 + 50 * min(max(value / self._end, -1.0), 1.0)


def _percent(value: float) -> str:
    return f"{100 / (1 + math.exp(-max(min(value, 50), -50))):.0f} %"
