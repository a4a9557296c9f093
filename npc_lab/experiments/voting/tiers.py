"""Tiers: who cannot be told apart stands together.

Ada 1.2 [0.9, 1.6], Bo 0.8 [0.3, 1.1], Cy -2.0 [-2.5, -1.4]      [[Ada, Bo], [Cy]]
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from npc_lab.experiments.voting.strengths import Standing


def tiers(standings: Iterable[Standing]) -> list[list[Standing]]:
    """Return the standings in tiers, the strongest first: overlapping intervals share a tier.

    Who has no interval may stand anywhere, and so shares a tier with all.
    """
    found: list[list[Standing]] = []
    lowest = math.inf  # of the tier so far
    for standing in sorted(standings, key=lambda each: (-_high(each), each.name)):
        if not found or _high(standing) < lowest:
            found.append([])
            lowest = math.inf
        found[-1].append(standing)
        lowest = min(lowest, _low(standing))
    return [sorted(tier, key=lambda each: (-each.value, each.name)) for tier in found]


def _high(standing: Standing) -> float:
    return math.inf if standing.high is None else standing.high


def _low(standing: Standing) -> float:
    return -math.inf if standing.low is None else standing.low
