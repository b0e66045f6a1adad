"""How well one ranking of functions agrees with another, with its uncertainty.

Kendall's tau is SciPy's (tau-b: ties count for neither side); its interval is the bootstrap over functions (Efron &
Tibshirani 1993, chapter 13).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 500
FEWEST = 5
"""Functions that an order takes to say anything; of fewer there is no tau: two agree by chance half of the time."""
ROUNDING = 1e-9
Interval = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau with a reference, in [-1, 1], over all functions and over the reference's best share.

    nan stands for what cannot be said: tau of fewer than ``FEWEST`` functions or of one value alone; the interval then,
    and where every resample is in the same order, so that the bootstrap knows no width.
    """

    overall: float
    overall_interval: Interval
    best: float
    best_interval: Interval


def agreement(
    found: Mapping[str, float], reference: Mapping[str, float], share: float = 1 / 3, resamples: int = RESAMPLES
) -> Agreement:
    """Compare two rankings over the functions that both have.

    Args:
        found: expression -> score, lower is better.
        reference: the same, believed.
        share: of the functions that count as the reference's best.
        resamples: of the bootstrap.
    """
    texts = sorted(set(found) & set(reference), key=lambda text: (reference[text], text))
    best = texts[: round(share * len(texts))]
    overall, overall_interval = _tau(texts, found, reference, resamples)
    top, top_interval = _tau(best, found, reference, resamples)
    return Agreement(overall, overall_interval, top, top_interval)


def _tau(
    texts: Sequence[str], found: Mapping[str, float], reference: Mapping[str, float], resamples: int
) -> tuple[float, Interval]:
    if len(texts) < FEWEST:
        return math.nan, (math.nan, math.nan)
    from scipy.stats import kendalltau  # noqa: PLC0415  half a second, for tables of rungs alone

    pairs = np.array([(found[text], reference[text]) for text in texts])
    random = np.random.default_rng(0)
    drawn = [pairs[random.integers(0, len(pairs), len(pairs))] for _ in range(resamples)]
    taus = [float(kendalltau(*sample.T).statistic) for sample in drawn]
    known = [tau for tau in taus if math.isfinite(tau)]  # a draw without two different values has none
    spread = bool(known) and max(known) - min(known) > ROUNDING
    low, high = np.quantile(known, [0.025, 0.975]) if spread else (math.nan, math.nan)
    return float(kendalltau(*pairs.T).statistic), (float(low), float(high))
