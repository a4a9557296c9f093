"""Estimates: each method against its formula, its tables, and chance itself."""

import math
import subprocess
import sys
from collections import Counter
from statistics import NormalDist
from typing import Any

import numpy
import pytest

from npc_lab.errors import ExperimentError
from npc_lab.experiments import Estimate, difference, mean, minimum_detectable, share

pytestmark = pytest.mark.packages

Z = NormalDist().inv_cdf(0.975)


def t_distribution() -> Any:
    """Loaded when it is needed: scipy takes two seconds, and every worker of pytest imports this file."""
    from scipy import stats

    return stats.t


def about(value: float, precision: float = 5e-4) -> object:
    return pytest.approx(value, abs=precision)


def wilson(hits: int, n: int, z: float) -> tuple[float, float]:
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.whole)])
def test_a_share_has_wilsons_interval_for_all_n_up_to_60(every: bool) -> None:
    for n in range(1, 61):
        for hits in range(n + 1) if every else {0, 1, n // 3, n - 1, n}:
            found = share(hits, n)
            assert (found.value, found.n, found.missing) == (hits / n, n, 0)
            assert (found.low, found.high) == pytest.approx(wilson(hits, n, Z), abs=1e-12), (hits, n)
    assert (share(3, 10, level=0.9).low, share(3, 10, level=0.9).high) == pytest.approx(
        wilson(3, 10, NormalDist().inv_cdf(0.95)), abs=1e-12
    )


def test_shares_that_were_counted_before() -> None:
    """The intervals of the measurements on the embedded model, as they were rounded there."""
    known = {(10, 40): (0.14, 0.40), (0, 40): (0, 0.09), (0, 20): (0, 0.16), (2, 20): (0.03, 0.30)}
    known |= {(0, 16): (0, 0.19), (10, 16): (0.39, 0.82), (8, 8): (0.68, 1), (21, 32): (0.48, 0.80)}
    known |= {(32, 120): (0.20, 0.35), (0, 10): (0, 0.28)}
    for (hits, n), (low, high) in known.items():
        found = share(hits, n)
        assert (round(found.low, 2), round(found.high, 2)) == (low, high), (hits, n)


def test_a_mean_has_students_interval_for_all_n_up_to_60() -> None:
    numbers = [((7 * place) % 23) / 4 for place in range(60)]
    for n in range(2, 61):
        found, kept = mean(numbers[:n]), numpy.array(numbers[:n])
        low, high = t_distribution().interval(0.95, n - 1, kept.mean(), kept.std(ddof=1) / math.sqrt(n))
        assert (found.value, found.low, found.high) == pytest.approx((kept.mean(), low, high), abs=1e-9)
    # Of 10 numbers and of 20, by the tables of t: 2.2622 and 2.0930.
    for n, quantile in [(10, 2.2622), (20, 2.0930)]:
        spread = numpy.std(numbers[:n], ddof=1) / math.sqrt(n)
        assert mean(numbers[:n]).high - mean(numbers[:n]).value == about(quantile * spread)


def test_a_mean_without_an_interval() -> None:
    assert mean([]) == Estimate(None, None, None, 0)
    assert mean([3]) == Estimate(3.0, None, None, 1)
    assert mean([0.1, 0.1, 0.1]) == Estimate(0.1, None, None, 3)
    assert mean([None, 2.0, None]) == Estimate(2.0, None, None, 1, missing=2)
    assert share(0, 0) == Estimate(None, None, None, 0)


def pairs_of(b: int, c: int, n: int) -> list[tuple[bool, bool]]:
    return [(False, True)] * b + [(True, False)] * c + [(True, True)] * (n - b - c)


# By hand: x - y of x = (b + 1)/(n + 2) and y = (c + 1)/(n + 2), and to both sides of it
# 1.95996 times the square root of (x + y - (x - y)^2)/(n + 2).
BY_HAND = [
    # b, c, n, low, high
    (0, 0, 10, -0.2310, 0.2310),  # 0 -+ 1.95996 x sqrt(0.16667/12) = 0.11785
    (0, 0, 1, -0.9239, 0.9239),  # 0 -+ 1.95996 x sqrt(0.66667/3) = 0.47140
    (0, 0, 40, -0.0660, 0.0660),  # 0 -+ 1.95996 x sqrt(0.047619/42) = 0.033672
    (5, 0, 10, 0.0545, 0.7788),  # 0.41667 -+ 1.95996 x sqrt((0.58333 - 0.17361)/12) = 0.18478
    (0, 5, 10, -0.7788, -0.0545),  # its mirror
    (2, 1, 8, -0.3339, 0.5339),  # 0.1 -+ 1.95996 x sqrt((0.5 - 0.01)/10) = 0.22136
    (10, 0, 10, 0.5206, 1.1461),  # 0.83333 -+ 1.95996 x sqrt((1 - 0.69444)/12) = 0.15957
    (3, 3, 18, -0.2772, 0.2772),  # 0 -+ 1.95996 x sqrt(0.4/20) = 0.14142
    (7, 2, 20, -0.0525, 0.5071),  # 0.22727 -+ 1.95996 x sqrt((0.5 - 0.051653)/22) = 0.14276
    (1, 0, 5, -0.3304, 0.6161),  # 0.14286 -+ 1.95996 x sqrt((0.42857 - 0.020408)/7) = 0.24147
]


@pytest.mark.parametrize(("b", "c", "n", "low", "high"), BY_HAND)
def test_a_difference_of_shares_is_that_of_bonett_and_price(
    b: int, c: int, n: int, low: float, high: float
) -> None:
    found = difference(pairs_of(b, c, n))
    assert (found.value, found.n, found.missing) == ((b - c) / n, n, 0)
    assert (found.low, found.high) == (about(low), about(high))


def test_a_difference_of_numbers_is_the_mean_of_the_differences() -> None:
    pairs = [(1.0, 2.5), (0.0, 3.0), (4.0, 3.5), (2.0, 2.0)]
    assert difference(pairs) == mean([1.5, 3.0, -0.5, 0.0])
    assert difference([(1, 1), (0, 1)]) == mean([0.0, 1.0])  # 1 and 0 are numbers
    assert difference([(numpy.bool_(True), numpy.bool_(False))]) == difference([(True, False)])
    assert difference(pairs, level=0.99).low < difference(pairs).low


def test_incomplete_pairs_are_dropped_and_counted() -> None:
    assert difference([(True, None), (None, None), (False, True)]).missing == 2
    assert difference([(True, None), (None, None), (False, True)]).n == 1
    assert difference([(None, 1.0), (1.0, 2.0), (3.0, 3.5)]) == Estimate(
        0.75, *[about(each) for each in (0.75 - 3.1765, 0.75 + 3.1765)], 2, missing=1
    )
    assert difference([]) == difference([]) == Estimate(None, None, None, 0)


def test_the_smallest_difference_that_is_seen() -> None:
    shares = {5: 0.89, 10: 0.63, 20: 0.44, 30: 0.36, 50: 0.28, 1: 1.0, 3: 1.0}
    assert {n: round(minimum_detectable(n), 2) for n in shares} == shares
    means = {5: 1.66, 10: 0.99, 20: 0.66, 30: 0.53, 50: 0.40}
    assert {n: round(minimum_detectable(n, "mean"), 2) for n in means} == means


def interval_holds(truth: float, found: Estimate) -> bool:
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


@pytest.mark.parametrize(("first", "second"), [(0.3, 0.6), (0.1, 0.5), (0.2, 0.9), (0.5, 0.5)])
def test_a_difference_of_shares_covers_the_truth(first: float, second: float) -> None:
    """2,000 experiments of 10 pairs: what counts of each is how many pairs are of which kind."""
    drawn = numpy.random.default_rng(15)
    yes = drawn.random((2000, 10, 2)) < (first, second)
    b, c = (~yes[..., 0] & yes[..., 1]).sum(1), (yes[..., 0] & ~yes[..., 1]).sum(1)
    kinds = Counter(zip(b.tolist(), c.tolist(), strict=True))
    held = {kind: interval_holds(second - first, difference(pairs_of(*kind, 10))) for kind in kinds}
    assert sum(count for kind, count in kinds.items() if held[kind]) >= 0.93 * 2000


def test_a_difference_of_numbers_covers_the_truth() -> None:
    drawn = numpy.random.default_rng(15)
    pairs = drawn.normal((0.0, 0.7), 1.0, (2000, 10, 2)).tolist()
    held = sum(interval_holds(0.7, difference(each)) for each in pairs)
    assert 0.93 * 2000 <= held <= 0.97 * 2000


@pytest.mark.parametrize(
    "call",
    [
        lambda: share(11, 10),
        lambda: share(-1, 10),
        lambda: share(0.5, 10),  # type: ignore[arg-type]
        lambda: share(True, 10),
        lambda: mean([1.0, math.nan]),
        lambda: mean([1.0, math.inf]),
        lambda: mean(["3", 4.0]),  # type: ignore[list-item]
        lambda: mean([10**400, 1.0]),
        lambda: mean([1.0, 2.0], level=95),
        lambda: difference([(1.0, "much")]),
        lambda: difference([1.0, 2.0]),  # type: ignore[list-item]
        lambda: difference([(True, 2, 3)]),  # type: ignore[list-item]
        lambda: minimum_detectable(0),
        lambda: minimum_detectable(1, "mean"),
        lambda: minimum_detectable(10, "median"),
        lambda: minimum_detectable(2.5),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_number_is_refused_in_words(call: object) -> None:
    with pytest.raises(ExperimentError, match=r"[a-z] .*\."):
        call()  # type: ignore[operator]


def test_without_scipy_one_sentence_says_how_to_install_it() -> None:
    code = """
import sys
sys.modules["scipy"] = None
from npc_lab.experiments import difference, mean
assert difference([(True, False)]).n == 1
assert mean([1.0, 1.0]).value == 1
try:
    mean([1.0, 2.0])
except Exception as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "npc-lab[course]"' in said


def test_nothing_heavy_is_loaded_before_an_estimate_is_made() -> None:
    code = """
import sys, npc_lab
assert "npc_lab.experiments" not in sys.modules
import npc_lab.experiments
print([name for name in ("scipy", "numpy", "pandas", "ipywidgets", "IPython", "matplotlib", "openai")
       if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
