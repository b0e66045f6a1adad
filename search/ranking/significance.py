"""Is the difference more than chance? Paired comparisons, exact tests, corrections, ranks with ties.

All numbers are losses: lower is better. Tests and intervals for a fixed number of seeds are SciPy's. Not here: tests
and intervals for a race, where the losses decide the number of seeds (``evidence``), and the entries that the losses
belong to (``leaderboard``).
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import special

from actsearch.search.ranking.claims import Entrants, Tested, tested
from actsearch.search.ranking.evidence import LEVEL, Interval, anytime_interval, anytime_p, pairs_needed

EXACT_FLIPS = 2**16
"""Sign patterns tried if losses tie: up to 16 pairs, every pattern; beyond, this many drawn at random."""
Losses = Mapping[int, float]
"""Losses of a function by seed number; two functions are compared over the seeds that both have."""


@dataclass(frozen=True)
class Comparison:
    """One function against a reference, paired by seed.

    Args:
        pairs: number of seeds that both functions were trained with.
        difference: mean of the function's loss less the reference's, in nats; below 0 the function is better. In a
            race, the median, if one seed is so far off that the interval leaves out the mean.
        interval: 95 % interval of that mean, by Student's t; in a race, an interval of the middle of the differences
            that is valid at any time.
        effect: Cohen's d of paired samples: the mean difference in units of the differences' standard deviation.
        ties: number of pairs with equal losses.
        p_value: exact two-sided p-value of Wilcoxon's signed-rank test; in a race, a p-value from evidence that is
            valid at any time; None if there are too few seeds.
        corrected: p-value corrected for the other functions: by Holm, or in a race by a closed test (``claims``).
        missing: reason why there is no p-value.
    """

    pairs: int
    difference: float
    interval: Interval
    effect: float
    ties: int
    p_value: float | None = None
    corrected: float | None = None
    missing: str = ""

    @property
    def verdict(self) -> str:
        """Return ``better`` or ``worse`` if the interval lies on that side of 0, else ``tied``."""
        return "better" if self.interval[1] < 0 else "worse" if self.interval[0] > 0 else "tied"

    @property
    def sure(self) -> str:
        """Return ``better`` or ``worse`` if the corrected test says so, at 5 % for the whole list, else nothing."""
        if self.corrected is None or self.corrected > LEVEL:
            return ""
        return "better" if self.difference < 0 else "worse"


def standard_error(numbers: Sequence[float]) -> float:
    """Return the standard error of a mean of two numbers or more."""
    return float(np.std(numbers, ddof=1) / np.sqrt(len(numbers)))


def mean_interval(numbers: Sequence[float]) -> Interval:
    """Return the 95 % interval of a mean (Student's t); infinite with fewer than two numbers."""
    if len(numbers) < 2:
        return -math.inf, math.inf
    mean, half = (
        statistics.fmean(numbers),
        float(special.stdtrit(len(numbers) - 1, 1 - LEVEL / 2)) * standard_error(numbers),
    )
    return mean - half, mean + half


def signed_rank(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test (1945), exact, also with ties.

    Differences of 0 take part in the ranking and count for neither side (Pratt 1959). Equal differences share a mean
    rank. The p-value comes from all sign patterns of these ranks (beyond 16 pairs with ties, from 65,536 drawn ones).
    """
    sizes = np.abs(differences)
    if not sizes.any():
        return 1.0
    if len(set(sizes.tolist())) == len(sizes) and sizes.all():
        from scipy import stats  # noqa: PLC0415  importing it takes half a second, which the list of a race saves

        least = 2.0 ** (1 - len(sizes))  # the least possible p-value; SciPy's sum of so many patterns rounds it to 0
        return max(least, float(stats.wilcoxon(differences, method="exact").pvalue))
    from scipy import stats  # noqa: PLC0415  as above

    test = stats.permutation_test(
        (_signed_ranks(differences),), np.sum, permutation_type="samples", vectorized=True, n_resamples=EXACT_FLIPS,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(test.pvalue)


def _signed_ranks(differences: Sequence[float]) -> np.ndarray:
    from scipy import stats  # noqa: PLC0415  as above

    return np.asarray(np.sign(differences) * stats.rankdata(np.abs(differences)))


def needed_seeds(tests: int) -> int:
    """Return the least number of pairs with which the best possible outcome is significant, for a number of tests.

    All pairs on one side have p = 2 / 2^n; Holm multiplies the smallest of them by the number of tests.
    """
    return next(n for n in range(1, 64) if tests * 2.0 ** (1 - n) <= LEVEL)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values after Holm's step-down correction (1979, Scandinavian Journal of Statistics 6), in order."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - step)))
        corrected[index] = largest
    return corrected


@dataclass(frozen=True)
class Test:
    """A way to test differences.

    Args:
        p_value: differences in the order of their seeds -> two-sided p-value.
        family: function -> differences, to function -> p-value and p-value corrected for the other functions.
        interval: differences -> 95 % interval of their location.
        needed: number of tests in the family -> least number of pairs for a test.
    """

    p_value: Callable[[Sequence[float]], float]
    family: Callable[[Mapping[str, Sequence[float]]], dict[str, Tested]]
    interval: Callable[[Sequence[float]], Interval]
    needed: Callable[[int], int]


def _two_sided(family: Mapping[str, Sequence[float]]) -> dict[str, Tested]:
    p_values = [signed_rank(differences) if differences else 1.0 for differences in family.values()]
    return dict(zip(family, zip(p_values, holm(p_values), strict=True), strict=True))


FIXED = Test(signed_rank, _two_sided, mean_interval, needed_seeds)
"""Test for a number of seeds that was fixed in advance."""


def raced(entrants: Entrants) -> Test:
    """Return the test for a race, where the losses decide the numbers of seeds; see ``claims``.

    Args:
        entrants: the functions that the race judges, in the order of promise.
    """
    return Test(anytime_p, lambda family: tested(family, entrants), anytime_interval, lambda _: pairs_needed())


def compare(losses: Mapping[str, Losses], reference: Losses, test: Test = FIXED) -> dict[str, Comparison]:
    """Compare each function with a reference, paired by seed; leave out a function that shares no seed with it.

    Args:
        losses: function -> its losses; p-values are corrected for the number of functions.
        reference: losses of the reference.
        test: test of the differences.
    """
    tests = max(1, len(losses))
    results = {name: _paired(mine, reference, test) for name, mine in losses.items() if mine.keys() & reference.keys()}
    needed = test.needed(tests)
    for name, one in results.items():
        if one.pairs < needed:
            results[name] = replace(one, missing=f"not enough seeds for a test: {one.pairs}, needed {needed}")
    # a function that cannot be tested counts as a test without a result
    rows = {
        name: differences_by_seed(mine, reference) if name in results and not results[name].missing else []
        for name, mine in losses.items()
    }
    for name, (p_value, corrected) in test.family(rows).items():
        if rows.get(name):
            results[name] = replace(results[name], p_value=p_value, corrected=corrected)
    return results


def differences_by_seed(mine: Losses, other: Losses) -> list[float]:
    """Return the losses of one function less those of another, over shared seeds, in the order of the seeds."""
    return [mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())]


def _paired(mine: Losses, reference: Losses, test: Test) -> Comparison:
    differences = differences_by_seed(mine, reference)
    mean, spread = statistics.fmean(differences), np.std(differences, ddof=1) if len(differences) > 1 else math.nan
    effect = 0.0 if mean == 0 else mean / spread if spread else math.copysign(math.inf, mean)
    difference, interval = agreed(differences, test.interval(differences))
    return Comparison(len(differences), difference, interval, float(effect), differences.count(0.0))


def agreed(differences: Sequence[float], interval: Interval) -> tuple[float, Interval]:
    """Return a difference and an interval that do not contradict each other.

    If one seed is far off, the interval of the middle may leave out the mean; then the median is the difference. If
    mean and median lie on different sides of 0, nothing is sure, and the interval is widened to the mean.
    """
    mean, median = statistics.fmean(differences), statistics.median(differences)
    if interval[0] <= mean <= interval[1]:
        return mean, interval
    if mean * median > 0:
        return median, interval
    return mean, (min(interval[0], mean), max(interval[1], mean))


def shared_seeds(losses: Iterable[Losses]) -> set[int]:
    """Return the numbers of the seeds that all functions share."""
    return set.intersection(*([set(mine) for mine in losses] or [set()]))


@dataclass(frozen=True)
class Ranks:
    """Ranges of ranks.

    Args:
        ranks: function -> lowest and highest rank that the tests leave open, from 1; equal ends are a sure rank.
        missing: reason why every rank is open: too few seeds for any test.
    """

    ranks: dict[str, tuple[int, int]]
    missing: str = ""


def rank(losses: Mapping[str, Losses], test: Test = FIXED) -> Ranks:
    """Return the ranks that pairwise tests leave open to each function (paired by seed, Holm over all pairs).

    The best rank of a function is 1 plus the number of functions that are significantly better. Its worst rank is the
    number of functions less those that are significantly worse (Mogstad, Romano, Shaikh & Wilhelm 2024).

    Args:
        losses: function -> its losses; two functions are compared over the seeds that both have.
        test: test of the differences.
    """
    pairs = {(a, b): differences_by_seed(losses[a], losses[b]) for a, b in combinations(losses, 2)}
    seeds, needed = max(map(len, pairs.values()), default=0), test.needed(len(pairs)) if pairs else 0
    if seeds < needed:
        every = dict.fromkeys(losses, (1, len(losses)))
        return Ranks(every, f"not enough seeds for a test: {seeds}, needed {needed}")
    corrected = holm([test.p_value(differences) if differences else 1.0 for differences in pairs.values()])
    better, worse = dict.fromkeys(losses, 0), dict.fromkeys(losses, 0)
    for ((a, b), differences), p_value in zip(pairs.items(), corrected, strict=True):
        if p_value <= LEVEL:
            winner, loser = (a, b) if _signed_ranks(differences).sum() < 0 else (b, a)
            better[loser] += 1
            worse[winner] += 1
    return Ranks({name: (1 + better[name], len(losses) - worse[name]) for name in losses})


@dataclass(frozen=True)
class Tally:
    """Wins, ties and losses over tasks.

    Args:
        wins, ties, losses: number of tasks on which the function is better than the reference, tied, or worse.
        p_value: one-sided p-value of the sign test that the function wins more often than it loses, ties dropped
            (Ramachandran et al. 2017, section 5); 1 without a win.
    """

    wins: int
    ties: int
    losses: int
    p_value: float


def tally(comparisons: Sequence[Comparison]) -> Tally:
    """Count the verdicts, one for each task, and apply the sign test."""
    verdicts = [one.verdict for one in comparisons]
    wins, losses = verdicts.count("better"), verdicts.count("worse")
    p_value = float(special.bdtrc(wins - 1, wins + losses, 0.5)) if wins else 1.0
    return Tally(wins, verdicts.count("tied"), losses, p_value)


def front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Return the names on the Pareto front: no other point is as low in both numbers and lower in one."""
    return {
        name
        for name, mine in points.items()
        if not any(all(a <= b for a, b in zip(o, mine, strict=True)) and o != mine for o in points.values())
    }
