"""Agreement: how alike people vote, by Krippendorff's alpha for names (2011).

    mia     Otto    Wren    no difference
    sam     Otto    Wren    Otto
    lea     Otto    -       Otto

    agreement(ballots)      Estimate(value=.54, ..., n=3): alpha of three pairs

It is 1 if all say the same on each pair, and 0 if they agree no more than chance would have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from npc_lab.experiments.estimates import Estimate
from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.experiments.voting.numpy_here import numpy_here

_RESAMPLES = 1000
_FEWEST = 5  # pairs: of fewer no interval can be given


def agreement(ballots: Iterable[Ballot]) -> Estimate:
    """Return Krippendorff's alpha, nominal. The unit is the pair; the values are its two ids, no difference.

    n: the pairs that two or more voters judged; missing: the others. The interval is a bootstrap over pairs.
    value is None if no pair has two voters, or if all votes are the same: then nothing could differ.
    """
    last = {(each.voter, frozenset(each.pair)): each for each in ballots if not each.unscored}
    counts: dict[frozenset[str], list[int]] = {}
    for (_, pair), ballot in last.items():
        values = [*sorted(pair), None]
        counts.setdefault(pair, [0, 0, 0])[values.index(ballot.winner)] += 1
    judged = [counts[pair] for pair in sorted(counts, key=sorted) if sum(counts[pair]) > 1]
    n, missing = len(judged), len(counts) - len(judged)
    if not judged:
        return Estimate(None, None, None, n, missing)
    numpy = numpy_here()
    of_pairs = _coincidences(numpy.array(judged, dtype=float))
    value = _alpha(of_pairs.sum(axis=0))
    if numpy.isnan(value) or n < _FEWEST:
        return Estimate(None if numpy.isnan(value) else float(value), None, None, n, missing)
    drawn = numpy.random.default_rng(0).multinomial(n, numpy.full(n, 1 / n), size=_RESAMPLES)
    low, high = numpy.nanquantile(_alpha(numpy.tensordot(drawn, of_pairs, axes=1)), [0.025, 0.975])
    return Estimate(float(value), float(low), float(high), n, missing)


def _coincidences(counts: Any) -> Any:
    """Return for each pair how often a value was said beside another one, as a matrix.

    counts: of each pair how many voters said each value. Each of its votes counts once in all.
    """
    beside = counts[:, :, None] * counts[:, None, :]
    for value in range(counts.shape[1]):
        beside[:, value, value] -= counts[:, value]  # nobody is compared with themself
    return beside / (counts.sum(axis=1) - 1)[:, None, None]


def _alpha(coincidences: Any) -> Any:
    """Return 1 - (observed / expected disagreement) of one matrix or many; NaN if none is expected."""
    numpy = numpy_here()
    of_values = coincidences.sum(axis=-1)
    n = of_values.sum(axis=-1)
    observed = n - numpy.trace(coincidences, axis1=-2, axis2=-1)
    expected = (n**2 - (of_values**2).sum(axis=-1)) / (n - 1)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return numpy.where(expected > 0, 1 - observed / expected, numpy.nan)
