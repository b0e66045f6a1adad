"""Evidence that may be looked at after every pair: against closed forms, and against chance itself."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from actsearch.search.ranking.claims import Entrants
from actsearch.search.ranking.evidence import (
    CAPITAL,
    FIRST,
    LEVEL,
    SHOWN,
    STAKES,
    anytime_interval,
    anytime_p,
    better_p,
    log_evidence,
    pairs_needed,
    pairs_to_decide,
)
from actsearch.search.ranking.pairing import pairs
from actsearch.search.ranking.significance import agreed, compare, raced

Array = NDArray[np.float64]
numbers = st.lists(st.floats(-1e6, 1e6).filter(lambda one: abs(one) > 1e-6), min_size=FIRST, max_size=40)


def test_the_evidence_of_equal_differences_has_a_closed_form() -> None:
    for count in (4, 7, 20):
        wanted = np.dot(CAPITAL, [(1 + math.tanh(stake)) ** count for stake in STAKES])
        assert math.exp(log_evidence([-0.3] * count)[-1]) == pytest.approx(wanted, rel=1e-12)
        lost = np.dot(CAPITAL, [(1 - math.tanh(stake)) ** count for stake in STAKES])
        assert math.exp(log_evidence([0.3] * count)[-1]) == pytest.approx(lost, rel=1e-9)


@given(numbers, st.floats(1e-3, 1e3))
def test_the_unit_of_a_loss_and_what_says_nothing_change_nothing(found: list[float], scale: float) -> None:
    assert better_p([scale * one for one in found]) == pytest.approx(better_p(found), rel=1e-6)
    assert better_p([*found[:2], 0.0, *found[2:], 0.0]) == better_p(found)
    assert anytime_p([-one for one in found]) == pytest.approx(anytime_p(found))


@given(numbers, numbers)
def test_what_was_shown_once_stays_shown(found: list[float], further: list[float]) -> None:
    assert better_p([*found, *further]) <= better_p(found) + 1e-12
    assert 0 <= anytime_p(found) <= 1


SYMMETRIC: dict[str, Callable[[np.random.Generator, tuple[int, int]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "two values": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(shape),
    "sizes that grow": lambda rng, shape: rng.standard_normal(shape) * np.arange(1, shape[1] + 1),
    "worse than it": lambda rng, shape: rng.standard_normal(shape) + 0.1,
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_looking_after_every_pair_finds_what_is_not_there_in_one_of_forty_at_most(name: str) -> None:
    rounds = 2000
    rows = SYMMETRIC[name](np.random.default_rng(3), (rounds, 120))
    found = sum(SHOWN * better_p(row.tolist()) <= 1 for row in rows)  # at any of the looks
    assert stats.binomtest(found, rounds, LEVEL / 2, alternative="greater").pvalue > 0.01
    assert name == "worse than it" or found > 0.003 * rounds  # a test that never rejects shows nothing


def test_an_interval_misses_the_middle_in_one_of_twenty_at_most_and_is_not_endless() -> None:
    rng, missed, widths = np.random.default_rng(4), 0, []
    for _ in range(150):
        row = 0.3 + rng.standard_normal(14)
        low, high = anytime_interval(row.tolist())
        missed += not low <= 0.3 <= high
        fixed = stats.t.interval(0.95, 13, row.mean(), stats.sem(row))
        widths.append((high - low) / (fixed[1] - fixed[0]))
    assert stats.binomtest(missed, 150, LEVEL, alternative="greater").pvalue > 0.01
    assert 1 < np.median(widths) < 2  # what looking at any time costs


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=15, unique=True), st.floats(-3, 3), st.floats(0.1, 10))
def test_an_interval_moves_with_its_losses(found: list[float], shift: float, scale: float) -> None:
    low, high = anytime_interval(found)
    moved = anytime_interval([shift + scale * one for one in found])
    if math.isfinite(high - low):
        reach = scale * (high - low) + abs(shift)
        assert moved == pytest.approx((shift + scale * low, shift + scale * high), abs=1e-3 * reach + 1e-9)


def test_an_interval_excludes_nothing_exactly_where_the_test_rejects() -> None:
    rng = np.random.default_rng(5)
    for shift in (0.0, 0.5, 1.0, 2.0):
        row = (rng.standard_normal(16) - shift).tolist()
        low, high = anytime_interval(row)
        assert (low > 0 or high < 0) == (anytime_p(row) <= LEVEL)


def test_too_few_pairs_say_nothing_and_how_many_it_takes_is_told() -> None:
    assert better_p([-1.0] * (FIRST - 1)) == 1
    assert anytime_interval([-1.0, -2.0, -1.5]) == (-math.inf, math.inf)
    for wanted in (40.0, 79.0, 4000.0):
        needed = pairs_needed(wanted)
        assert wanted * better_p([-1.0] * needed) <= 1 < wanted * better_p([-1.0] * (needed - 1))


def test_what_it_takes_to_decide_is_about_right() -> None:
    rng, taken, told = np.random.default_rng(6), [], []
    for _ in range(60):
        row = (rng.standard_normal(400) - 0.7).tolist()
        told.append(pairs_to_decide(row[:12], 100, effect=-0.7) or 0)
        taken.append(next(n for n in range(12, 400) if 100 * better_p(row[:n]) <= 1) - 12)
    assert 0.6 < np.median(told) / np.median(taken) < 1.7
    assert pairs_to_decide([-1.0] * 20, 100) == 0
    assert pairs_to_decide([-1.0, 1.001, -0.999, 1.0, -1.0005], 100) is None


def test_where_one_seed_is_far_off_difference_and_interval_say_the_same() -> None:
    near = [-0.011, -0.009, -0.012, -0.008, -0.01, -0.0105, -0.0095, -0.0102, -0.0099]
    for far in (0.2, -0.9, -0.0101):
        found = [*near, far]
        difference, (low, high) = agreed(found, anytime_interval(found))
        assert low <= difference <= high
        assert (high < 0) == (far < 0)  # with the mean on the other side of 0, nothing is sure
        (pair,) = pairs({"A": dict(enumerate(found)), "B": dict.fromkeys(range(10), 0.0)})
        assert pair.verdict == ("A is better" if far < 0 else "cannot be told apart")
        told = compare({"A": dict(enumerate(found))}, dict.fromkeys(range(10), 0.0), raced(Entrants()))["A"]
        assert told.verdict == ("better" if far < 0 else "tied")
