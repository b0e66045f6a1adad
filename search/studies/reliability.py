"""How far the numbers of a table can be believed: noise between seeds, and whether other seeds would rank alike.

One-way analysis of variance over log losses. Not here: agreement of different trainings (``agreement``).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from actsearch.search.ranking.agreement import Interval, agreement
from actsearch.search.studies.tabulation import Row


@dataclass(frozen=True)
class Reliability:
    """What the seeds of a set of functions say about each other.

    Args:
        functions: how many.
        seeds: of each.
        noise: standard deviation of log loss between seeds of one function.
        tau: Kendall's, between the means of one half of the seeds and the other.
        interval: of tau, 95 %.
        of_mean: share of the variance of the functions' means that other seeds would show again, the intraclass
            correlation ICC(1, k) of Shrout & Fleiss 1979; at most 1.
    """

    functions: int
    seeds: int
    noise: float
    tau: float
    interval: Interval
    of_mean: float


def reliability(rows: Iterable[Row], chance: float) -> Reliability:
    """Compare the seeds of functions that all have the same ones.

    Args:
        rows: every seed of every function.
        chance: loss of a child that knows nothing, in nats: a failure, and any loss above it, count as this.

    Raises:
        ValueError: there are fewer than two functions or two seeds.
    """
    losses: dict[str, dict[int, float]] = {}
    for row in rows:
        loss = chance if row.loss is None else min(row.loss, chance)
        losses.setdefault(row.expression, {})[row.repeat] = math.log(loss)
    repeats = sorted({repeat for found in losses.values() for repeat in found})
    whole = {text: [found[repeat] for repeat in repeats] for text, found in losses.items()}
    if len(whole) < 2 or len(repeats) < 2:
        raise ValueError(f"reliability needs two functions with two seeds, found {len(whole)} with {len(repeats)}")
    numbers = np.array(list(whole.values()))  # (functions, seeds)
    within = float(numbers.var(axis=1, ddof=1).mean())
    between = len(repeats) * float(numbers.mean(axis=1).var(ddof=1))
    halves = [dict(zip(whole, numbers[:, half::2].mean(axis=1).tolist(), strict=True)) for half in (0, 1)]
    found = agreement(halves[0], halves[1])
    of_mean = 1 - within / between if between else math.nan
    return Reliability(len(whole), len(repeats), math.sqrt(within), found.overall, found.overall_interval, of_mean)
