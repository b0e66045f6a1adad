"""Is the difference more than chance? Paired comparisons, exact tests, corrections, ranks with ties.

All numbers are losses: lower is better. Tests and intervals of a fixed number of seeds are SciPy's. Not here: those of
a race, whose number of seeds the losses decide (``evidence``), and whose losses they are (``leaderboard``).
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
"""Sign patterns that are still all tried where losses tie: up to 16 pairs; beyond, so many are drawn."""
Losses = Mapping[int, float]
"""A function's losses by the number of the seed: who is compared, is compared over the seeds that both have."""


@dataclass(frozen=True)
class Comparison:
    """One function against a reference, paired by seed.

    Args:
        pairs: seeds that both were trained with.
        difference: mean of its loss less the reference's, in nats; below 0 it is better. In a race the median, where
            one seed is so far off that the interval leaves the mean out.
        interval: 95 % of that mean, by Student's t; of a race, of the differences' middle, valid at any time.
        effect: Cohen's d of paired samples: the mean difference in units of the differences' standard deviation.
        ties: pairs of equal loss.
        p_value: two-sided, of Wilcoxon's signed-rank test, exact; of a race, of evidence that is valid at any time;
            None where there are too few seeds.
        corrected: the same corrected for the other functions: by Holm, or in a race by a closed test (``claims``).
        missing: why there is no p-value.
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
        """Return ``better``, ``worse`` or ``tied``: whether 0 is outside of the interval, and on which side."""
        return "better" if self.interval[1] < 0 else "worse" if self.interval[0] > 0 else "tied"

    @property
    def sure(self) -> str:
        """Return ``better`` or ``worse`` where the corrected test says so, at 5 % for the whole list, or nothing."""
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

    Differences of 0 take part in the ranking and count for neither side (Pratt 1959); equal ones share a mean rank, and
    the p-value comes from all sign patterns of the ranks at hand (beyond 16 pairs with ties: of 65,536 drawn ones).
    """
    sizes = np.abs(differences)
    if not sizes.any():
        return 1.0
    if len(set(sizes.tolist())) == len(sizes) and sizes.all():
        from scipy import stats  # noqa: PLC0415  half a second, which the list of a race saves

        least = 2.0 ** (1 - len(sizes))  # of any outcome; SciPy's sum of so many patterns rounds it to 0
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
    """Return how many pairs it takes before the best possible outcome is significant after so many tests.

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
    """How differences are tested.

    Args:
        p_value: two-sided, of differences in the order of their seeds.
        family: of differences by function, their p-values, each with the one that is corrected for the others.
        interval: 95 %, of where differences lie.
        needed: how many it takes at least, among so many tests of a family.
    """

    p_value: Callable[[Sequence[float]], float]
    family: Callable[[Mapping[str, Sequence[float]]], dict[str, Tested]]
    interval: Callable[[Sequence[float]], Interval]
    needed: Callable[[int], int]


def _two_sided(family: Mapping[str, Sequence[float]]) -> dict[str, Tested]:
    p_values = [signed_rank(found) if found else 1.0 for found in family.values()]
    return dict(zip(family, zip(p_values, holm(p_values), strict=True), strict=True))


FIXED = Test(signed_rank, _two_sided, mean_interval, needed_seeds)
"""For a number of seeds that was decided before."""


def raced(entrants: Entrants) -> Test:
    """Return the test for numbers of seeds that the losses themselves decided; see ``claims``.

    Args:
        entrants: who was judged, in the order of promise.
    """
    return Test(anytime_p, lambda family: tested(family, entrants), anytime_interval, lambda _: pairs_needed())


def compare(losses: Mapping[str, Losses], reference: Losses, test: Test = FIXED) -> dict[str, Comparison]:
    """Compare each function with a reference, paired by seed; one that shares no seed with it is left out.

    Args:
        losses: function -> its losses; p-values are corrected for their number.
        reference: the losses that all are compared with.
        test: how.
    """
    tests = max(1, len(losses))
    found = {name: _paired(mine, reference, test) for name, mine in losses.items() if mine.keys() & reference.keys()}
    needed = test.needed(tests)
    for name, one in found.items():
        if one.pairs < needed:
            found[name] = replace(one, missing=f"not enough seeds for a test: {one.pairs}, needed {needed}")
    # those that cannot be tested count as tests that found nothing
    rows = {
        name: differences_by_seed(mine, reference) if name in found and not found[name].missing else []
        for name, mine in losses.items()
    }
    for name, (p_value, corrected) in test.family(rows).items():
        if rows.get(name):
            found[name] = replace(found[name], p_value=p_value, corrected=corrected)
    return found


def differences_by_seed(mine: Losses, other: Losses) -> list[float]:
    """Return losses less the other's, over the seeds that both have, in their order."""
    return [mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())]


def _paired(mine: Losses, reference: Losses, test: Test) -> Comparison:
    differences = differences_by_seed(mine, reference)
    mean, spread = statistics.fmean(differences), np.std(differences, ddof=1) if len(differences) > 1 else math.nan
    effect = 0.0 if mean == 0 else mean / spread if spread else math.copysign(math.inf, mean)
    difference, interval = agreed(differences, test.interval(differences))
    return Comparison(len(differences), difference, interval, float(effect), differences.count(0.0))


def agreed(differences: Sequence[float], interval: Interval) -> tuple[float, Interval]:
    """Return a difference and an interval that say the same.

    An interval of the middle may leave the mean out, where one seed is far off: then the median stands for the
    difference; and where both lie on different sides of 0, the interval is widened to the mean: nothing is sure.
    """
    mean, median = statistics.fmean(differences), statistics.median(differences)
    if interval[0] <= mean <= interval[1]:
        return mean, interval
    if mean * median > 0:
        return median, interval
    return mean, (min(interval[0], mean), max(interval[1], mean))


def shared_seeds(losses: Iterable[Losses]) -> set[int]:
    """Return the numbers of the seeds that all have."""
    return set.intersection(*([set(mine) for mine in losses] or [set()]))


@dataclass(frozen=True)
class Ranks:
    """Ranks that can be told apart.

    Args:
        ranks: function -> lowest and highest rank that the tests leave open, from 1; equal ends are a sure rank.
        missing: why every rank is open, where there are too few seeds for any test.
    """

    ranks: dict[str, tuple[int, int]]
    missing: str = ""


def rank(losses: Mapping[str, Losses], test: Test = FIXED) -> Ranks:
    """Rank functions by what pairwise tests leave open (paired by seed, Holm over all pairs).

    A function's best rank is 1 and one more for each function that is significantly better, its worst the number of
    functions less those that are significantly worse (Mogstad, Romano, Shaikh & Wilhelm 2024).

    Args:
        losses: function -> its losses; of two, the seeds count that both have.
        test: how.
    """
    pairs = {(a, b): differences_by_seed(losses[a], losses[b]) for a, b in combinations(losses, 2)}
    seeds, needed = max(map(len, pairs.values()), default=0), test.needed(len(pairs)) if pairs else 0
    if seeds < needed:
        every = dict.fromkeys(losses, (1, len(losses)))
        return Ranks(every, f"not enough seeds for a test: {seeds}, needed {needed}")
    corrected = holm([test.p_value(found) if found else 1.0 for found in pairs.values()])
    better, worse = dict.fromkeys(losses, 0), dict.fromkeys(losses, 0)
    for ((a, b), found), p_value in zip(pairs.items(), corrected, strict=True):
        if p_value <= LEVEL:
            winner, loser = (a, b) if _signed_ranks(found).sum() < 0 else (b, a)
            better[loser] += 1
            worse[winner] += 1
    return Ranks({name: (1 + better[name], len(losses) - worse[name]) for name in losses})


@dataclass(frozen=True)
class Tally:
    """Wins, ties and losses over tasks.

    Args:
        wins, ties, losses: tasks on which it is better than, tied with, and worse than the reference.
        p_value: one-sided, of the sign test that it wins more often than it loses, ties dropped (Ramachandran et al.
            2017, section 5); 1 where there is nothing but ties.
    """

    wins: int
    ties: int
    losses: int
    p_value: float


def tally(comparisons: Sequence[Comparison]) -> Tally:
    """Count verdicts, one a task, and test them."""
    verdicts = [one.verdict for one in comparisons]
    wins, losses = verdicts.count("better"), verdicts.count("worse")
    p_value = float(special.bdtrc(wins - 1, wins + losses, 0.5)) if wins else 1.0
    return Tally(wins, verdicts.count("tied"), losses, p_value)


def front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Return the Pareto front: nothing else is as low in both numbers and lower in one."""
    return {
        name
        for name, mine in points.items()
        if not any(all(a <= b for a, b in zip(o, mine, strict=True)) and o != mine for o in points.values())
    }
