"""Statistics against outside truth: enumeration, closed forms, SciPy's functions, simulations of no difference."""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from actsearch.search.ranking.evidence import LEVEL
from actsearch.search.ranking.significance import (
    Comparison,
    Losses,
    compare,
    front,
    holm,
    mean_interval,
    needed_seeds,
    rank,
    signed_rank,
    tally,
)


def _numbered(losses: Iterable[float]) -> Losses:
    return dict(enumerate(losses))


small_differences = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=8)


def _enumerated(differences: list[float]) -> float:
    """Return the two-sided p-value over all sign patterns, written down from the definition (Pratt's zeros)."""
    sizes = [abs(d) for d in differences]
    ranks = [sum(o < s for o in sizes) + (sum(o == s for o in sizes) + 1) / 2 if s else 0.0 for s in sizes]
    found = abs(sum(r * math.copysign(1, d) for r, d in zip(ranks, differences, strict=True)))
    sums = [
        abs(sum(r * s for r, s in zip(ranks, signs, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(ranks))
    ]
    return sum(one >= found - 1e-9 for one in sums) / len(sums)


@given(small_differences)
def test_the_signed_rank_test_is_exact_with_ties_and_zeros(differences: list[float]) -> None:
    assert signed_rank(differences) == pytest.approx(_enumerated(differences))


def test_without_ties_it_is_scipys_own_exact_test() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1, 20)
    assert signed_rank(differences.tolist()) == stats.wilcoxon(differences, method="exact").pvalue


def test_many_tied_pairs_are_tested_by_drawn_signs_always_the_same() -> None:
    differences = [1.0] * 15 + [-1.0] * 5  # ranks are all equal: the sign test
    exact = stats.binomtest(15, 20).pvalue
    assert signed_rank(differences) == signed_rank(differences)
    assert signed_rank(differences) == pytest.approx(exact, rel=0.1)


@given(st.integers(1, 400))
def test_needed_seeds_are_the_fewest_with_which_one_of_so_many_tests_can_be_significant(tests: int) -> None:
    needed = needed_seeds(tests)
    assert tests * signed_rank([float(n) for n in range(1, needed + 1)]) <= LEVEL
    assert tests * signed_rank([float(n) for n in range(1, needed)]) > LEVEL


def test_holms_correction_is_that_done_by_hand() -> None:
    # 4 x 0.01, 3 x 0.02, 2 x 0.03, and what follows is never smaller
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_step_down_procedure_rejects(p_values: list[float]) -> None:
    order, rejected = sorted(range(len(p_values)), key=lambda place: p_values[place]), set[int]()
    for step, place in enumerate(order):
        if p_values[place] > LEVEL / (len(p_values) - step):
            break
        rejected.add(place)
    corrected = holm(p_values)
    near = [abs(p * (len(p_values) - step) - LEVEL) < 1e-12 for p in p_values for step in range(len(p_values))]
    assert any(near) or {place for place, p in enumerate(corrected) if p <= LEVEL} == rejected
    assert all(after >= before for after, before in zip(corrected, p_values, strict=True))


def test_the_interval_of_a_mean_is_students() -> None:
    numbers = [0.3, 0.5, 0.4, 0.9]
    found = stats.ttest_1samp(numbers, 0.0).confidence_interval(0.95)
    assert mean_interval(numbers) == pytest.approx((found.low, found.high))
    assert mean_interval([0.3]) == (-math.inf, math.inf)


def test_a_comparison_is_paired_by_seed() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 12)  # far larger than the difference, and shared
    found = compare({"better": _numbered(noise - 0.01 - 1e-4 * np.arange(12))}, _numbered(noise))["better"]
    assert found.difference == pytest.approx(-0.01 - 1e-4 * 5.5)
    assert found.p_value == pytest.approx(2 / 2**12)
    assert (found.verdict, found.pairs, found.ties) == ("better", 12, 0)


@given(st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_seeds_that_are_missing_with_one_of_two_change_no_pair(mine: set[int], theirs: set[int]) -> None:
    # every seed is harder than the one before by far more than the two functions differ
    better, reference = {n: 0.1 * n - 0.01 for n in mine}, {n: 0.1 * n for n in theirs}
    found = compare({"better": better}, reference).get("better")
    assert (found is None) == (not mine & theirs)
    assert found is None or found.pairs == len(mine & theirs)
    assert found is None or found.difference == pytest.approx(-0.01)
    assert rank({"better": better, "other": reference}).ranks["better"] in ((1, 2), (1, 1))


def test_effect_is_cohens_d_of_the_differences() -> None:
    found = compare({"a": _numbered([1.0, 2.0, 6.0])}, _numbered([0.0, 0.0, 0.0]))["a"]
    assert found.effect == pytest.approx(3 / np.std([1, 2, 6], ddof=1))


def test_equal_losses_are_ties_without_any_effect() -> None:
    found = compare({"same": _numbered([0.5] * 9)}, _numbered([0.5] * 9))["same"]
    assert (found.ties, found.effect, found.p_value, found.verdict) == (9, 0.0, 1.0, "tied")


def test_p_values_are_corrected_for_the_number_of_functions_compared() -> None:
    reference = _numbered([1.0] * 12)
    functions = {str(n): _numbered(1.0 - 0.01 * (k + n) for k in range(1, 13)) for n in range(8)}
    found = compare(functions, reference)
    assert all(one.corrected == pytest.approx(8 * 2 / 2**12) for one in found.values())


def test_too_few_seeds_are_said_and_no_p_value_is_made_up() -> None:
    found = compare({"a": _numbered([0.1] * 3), "b": _numbered([0.2] * 3)}, _numbered([0.3] * 3))["a"]
    assert found.missing == "not enough seeds for a test: 3, needed 7"
    assert (found.p_value, found.corrected) == (None, None)


def test_functions_that_differ_clearly_have_sure_ranks_and_equal_ones_share_them() -> None:
    draw = np.random.default_rng(3)
    shared = draw.normal(0, 0.1, 14)
    losses = {name: _numbered(shared + level + draw.normal(0, 0.01, 14))
              for name, level in {"a": 0.1, "b": 0.1, "c": 0.5, "d": 0.9}.items()}  # fmt: skip
    assert rank(losses).ranks == {"a": (1, 2), "b": (1, 2), "c": (3, 3), "d": (4, 4)}


def test_with_too_few_seeds_every_rank_is_open() -> None:
    found = rank({"a": _numbered([0.1] * 5), "b": _numbered([0.9] * 5), "c": _numbered([2.0] * 5)})
    assert found.ranks == dict.fromkeys("abc", (1, 3))
    assert found.missing == "not enough seeds for a test: 5, needed 7"


def test_of_functions_that_do_not_differ_hardly_ever_one_is_told_apart() -> None:
    draw, wrong = np.random.default_rng(5), 0
    for _ in range(200):
        losses = {str(n): _numbered(draw.normal(0, 1, 12)) for n in range(6)}
        wrong += any(ranks != (1, 6) for ranks in rank(losses).ranks.values())
    # family-wise level 5 %: more than 20 of 200 has a chance of 0.1 %
    assert wrong <= stats.binom.ppf(0.999, 200, LEVEL)


@pytest.mark.parametrize("count", [0, 1])
def test_one_function_alone_is_first(count: int) -> None:
    assert rank({str(n): {0: 0.1} for n in range(count)}).ranks == {str(n): (1, 1) for n in range(count)}


def test_the_sign_test_over_tasks_is_the_papers() -> None:
    # Ramachandran et al. 2017, section 5: Swish is above ReLU on 9 of 9 models
    win, loss, tie = (
        Comparison(9, d, interval, 0.0, 0)
        for d, interval in ((-1.0, (-2.0, -0.5)), (1.0, (0.5, 2.0)), (0.1, (-1.0, 1.0)))
    )
    assert tally([win] * 9).p_value == pytest.approx(0.5**9)
    mixed = tally([win] * 6 + [loss] * 1 + [tie] * 4)
    assert (mixed.wins, mixed.ties, mixed.losses) == (6, 4, 1)
    assert mixed.p_value == pytest.approx(8 / 2**7)  # ties dropped: at least 6 of 7
    assert tally([tie]).p_value == 1.0


@given(st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_front_is_what_nothing_else_dominates(points: dict[str, tuple[float, float]]) -> None:
    members = front(points)
    for name, (loss, cost) in points.items():
        dominated = any(a <= loss and b <= cost and (a < loss or b < cost) for a, b in points.values())
        assert (name in members) != dominated


@pytest.mark.parametrize("pairs", [5, 50, 70, 200])
def test_pairs_that_all_agree_have_the_least_p_that_there_is_and_never_zero(pairs: int) -> None:
    assert signed_rank([1.0 + number for number in range(pairs)]) == pytest.approx(2.0 ** (1 - pairs), rel=1e-6)
