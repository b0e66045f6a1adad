"""Which proposer finds good functions in fewer trainings: many replays on a table, medians, and tests.

What a proposer found is judged by the table's means over seeds. Not here: one replay (``replay``) and what is printed
(``scripts.studies.proposers``).
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

from actsearch.search.ranking.significance import holm
from scripts.replays.replay import Table, Trained

TARGETS = {"top_1_percent": 0.01, "top10": 10, "best": 1}
"""Sets of truly best behaviours: a share below 1, else a number."""
NEVER = math.inf
BUDGETS = (5, 10, 20, 50, 100, 150)


@dataclass(frozen=True)
class Finding:
    """How soon one proposer reaches one target.

    Args:
        median: trainings, the one that reaches it included; inf where half of the searches never do.
        quartiles: of the same.
        ratio: of the median to random's; below 1 is sooner.
        p_value: of the one-sided Mann-Whitney test that it needs fewer trainings than random; where its searches ended
            early, random's count as ended there too.
        seeds: how many searches.
    """

    median: float
    quartiles: tuple[float, float]
    ratio: float
    p_value: float
    seeds: int


def targets_of(table: Table) -> dict[str, frozenset[str]]:
    """Return the behaviours of each target."""
    everything = len(table.ranking)
    return {name: table.best(math.ceil(size * everything) if size < 1 else int(size)) for name, size in TARGETS.items()}


def trainings_to(trained: Sequence[Trained], wanted: frozenset[str]) -> float:
    """Return how many trainings it took until one of the wanted was trained, or inf."""
    return next((float(n) for n, one in enumerate(trained, start=1) if one.identity in wanted), NEVER)


def seconds_to(trained: Sequence[Trained], wanted: frozenset[str]) -> float:
    """Return when the first of the wanted was finished on the simulated clock, or inf."""
    return min((one.second for one in trained if one.identity in wanted), default=NEVER)


def finding(needed: Sequence[float], by_random: Sequence[float], ended: int) -> Finding:
    """Compare trainings needed by a proposer and by random, one a seed.

    Args:
        needed: by the proposer; inf where the target was never reached.
        by_random: by the yardstick, given at least as many trainings.
        ended: trainings after which the proposer's searches end.
    """
    median = _quantile(needed, 0.5)
    random_median = _quantile(by_random, 0.5)
    # what arrives later, or never, is tied behind all others: the test looks at ranks alone
    within, random_within = ([min(number, ended + 1) for number in numbers] for numbers in (needed, by_random))
    p_value = float(mannwhitneyu(within, random_within, alternative="less").pvalue)
    quartiles = (_quantile(needed, 0.25), _quantile(needed, 0.75))
    return Finding(median, quartiles, median / random_median, p_value, len(needed))


def _quantile(numbers: Sequence[float], share: float) -> float:
    """Return a quantile that is one of the numbers or, for the median of an even number, the mean of two."""
    order = sorted(numbers)
    if share == 0.5:
        return statistics.median(order)
    return order[round(share * (len(order) - 1))]


def best_so_far(trained: Sequence[Trained], table: Table, trainings: int) -> np.ndarray:
    """Return the true mean loss of the best behaviour so far, after 1, 2, ... trainings, ``(trainings,)``.

    What failed with some seed counts as chance. A search that ended earlier keeps its best.
    """
    losses = [min(table.means[one.identity], table.chance) for one in trained[:trainings]]
    losses += [table.chance] * (trainings - len(losses))
    return np.minimum.accumulate(np.array(losses))


def worse_than_random(curves: Mapping[str, np.ndarray], random: str, ended: Mapping[str, int]) -> dict[str, float]:
    """Return, by proposer, the smallest p-value over the budgets that its best so far is worse than random's.

    One-sided Mann-Whitney tests, corrected by Holm for the number of budgets and proposers.

    Args:
        curves: ``(seeds, trainings)`` of ``best_so_far``, by proposer.
        random: the name of the yardstick among them.
        ended: trainings after which each one's searches end, by proposer: it is not compared beyond.
    """
    reach = {
        name: min(ended[name], curves[name].shape[1], curves[random].shape[1]) for name in curves if name != random
    }
    budgets = {name: [budget for budget in BUDGETS if budget <= last] for name, last in reach.items()}
    tests = {
        (name, budget): float(
            mannwhitneyu(curves[name][:, budget - 1], curves[random][:, budget - 1], alternative="greater").pvalue
        )
        for name in budgets
        for budget in budgets[name]
    }
    corrected = dict(zip(tests, holm(list(tests.values())), strict=True))
    return {name: min(corrected[name, budget] for budget in budgets[name]) for name in budgets}
