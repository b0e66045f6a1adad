"""Would another run list the same? What the noise of a seed leaves of a top ten, and how many seeds it would take.

Functions differ in truth, seeds add noise: both variances are estimated from the finalists of several searches, and
final rungs are simulated with them in which nobody is missing. Not here: what the searches came to (``rediscovery``).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.studies.rediscovery_searches import TOP, Search, pooled


@dataclass(frozen=True)
class Spread:
    """What tells the best functions apart, and what hides it.

    Args:
        functions: how many of the best the numbers are of.
        truth: standard deviation of their true losses, in nats.
        noise: of one seed, beside what it does to every function, in nats.
    """

    functions: int
    truth: float
    noise: float


def spread(searches: Sequence[Search], best: int) -> Spread:
    """Estimate both from the finalists of searches of one space; each seed of a run counts once.

    What a seed does to everybody is taken off: the median of the known functions that all runs trained.

    Args:
        searches: with final rungs, some of them of different run seeds.
        best: how many functions, those with the lowest means; fewer if there are not so many.
    """
    known = pooled(searches)
    losses: dict[str, dict[tuple[int, int], float]] = {}
    for search in searches:
        common = [one.losses for one in search.finalists if one.names and one.names[0] in known and one.losses]
        of_seed = [statistics.median(seed) for seed in zip(*common, strict=True)]
        for one in search.finalists:
            for repeat, loss in enumerate(one.losses):
                losses.setdefault(one.twin, {})[search.seed, repeat] = loss - of_seed[repeat]
    rows = sorted((list(found.values()) for found in losses.values() if len(found) > 1), key=statistics.fmean)[:best]
    noise = statistics.fmean(statistics.variance(row) for row in rows)
    between = statistics.variance([statistics.fmean(row) for row in rows])
    truth = between - statistics.fmean(noise / len(row) for row in rows)
    return Spread(len(rows), math.sqrt(max(0.0, truth)), math.sqrt(noise))


def expected_overlap(found: Spread, seeds: int, top: int = TOP, draws: int = 2000) -> float:
    """Return how many of two top lists are the same, on average, if both rank all of these functions.

    Args:
        found: normal truth and noise.
        seeds: of each function in each list, different ones in the two.
        top: length of the lists.
        draws: of functions and noise.
    """
    draw = np.random.default_rng(0)
    truth = draw.normal(0, found.truth, (draws, found.functions))
    lists = [
        np.argsort(truth + draw.normal(0, found.noise / math.sqrt(seeds), truth.shape), axis=1)[:, :top]
        for _ in range(2)
    ]
    return statistics.fmean(len(set(a) & set(b)) for a, b in zip(*(one.tolist() for one in lists), strict=True))
