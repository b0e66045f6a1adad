"""How well one ranking of functions agrees with another, with its uncertainty.

Kendall's tau is SciPy's (tau-b: ties count for neither side). Its interval comes from the bootstrap over
functions (Efron & Tibshirani 1993, chapter 13).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 500
FEWEST = 5
"""Fewest functions for a tau: the order of two agrees by chance half of the time."""
ROUNDING = 1e-9
Interval = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau with a reference, in [-1, 1], over all functions and over the reference's best share.

    tau is nan for fewer than ``FEWEST`` functions, or if all values of one ranking are equal. The interval is nan in
    these cases, and also if every resample has the same tau, so that the bootstrap gives no width.
    """

    overall: float
    overall_interval: Interval
    best: float
    best_interval: Interval


def agreement(
    scores: Mapping[str, float], reference: Mapping[str, float], share: float = 1 / 3, resamples: int = RESAMPLES
) -> Agreement:
    """Compare two rankings over the functions that both have.

    Args:
        scores: expression -> score, lower is better.
        reference: expression -> score of the ranking that is trusted.
        share: share of the functions that count as the reference's best.
        resamples: number of bootstrap resamples.
    """
    texts = sorted(set(scores) & set(reference), key=lambda text: (reference[text], text))
    best = texts[: round(share * len(texts))]
    overall, overall_interval = _tau(texts, scores, reference, resamples)
    top, top_interval = _tau(best, scores, reference, resamples)
    return Agreement(overall, overall_interval, top, top_interval)


def kendall(scores: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """Return Kendall's tau-b over the functions that both rankings have, without SciPy, which takes long to import.

    It takes the square of the number of functions (Kendall 1945); nan if all values of one ranking are equal.
    """
    texts = sorted({*scores} & {*reference})
    one, other = (np.array([ranking[text] for text in texts]) for ranking in (scores, reference))
    signs, others = (np.sign(values[:, None] - values) for values in (one, other))
    untied = math.sqrt(float((signs * signs).sum() * (others * others).sum()))
    return float((signs * others).sum()) / untied if untied else math.nan


def _tau(
    texts: Sequence[str], scores: Mapping[str, float], reference: Mapping[str, float], resamples: int
) -> tuple[float, Interval]:
    if len(texts) < FEWEST:
        return math.nan, (math.nan, math.nan)
    from scipy.stats import kendalltau  # noqa: PLC0415  importing it takes half a second; only tables of rungs need it

    pairs = np.array([(scores[text], reference[text]) for text in texts])
    random = np.random.default_rng(0)
    drawn = [pairs[random.integers(0, len(pairs), len(pairs))] for _ in range(resamples)]
    taus = [float(kendalltau(*sample.T).statistic) for sample in drawn]
    finite = [tau for tau in taus if math.isfinite(tau)]  # a resample of equal values has no tau
    spread = bool(finite) and max(finite) - min(finite) > ROUNDING
    low, high = np.quantile(finite, [0.025, 0.975]) if spread else (math.nan, math.nan)
    return float(kendalltau(*pairs.T).statistic), (float(low), float(high))
