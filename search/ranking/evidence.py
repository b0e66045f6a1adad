"""Evidence that stays valid however often it is looked at: tests and intervals for a race, whose end the data decide.

The evidence is the capital of a bet on the sign of each paired difference. If both signs are equally likely at every
size, the capital is a martingale: it reaches 40 with a chance of at most 1 in 40, however long the bet goes on (Ville
1939; Ramdas, Ruf, Larsson & Koolen 2020, section 4, on symmetric distributions; de la Pena 1999). The stake
``tanh(k x / s)`` grows with the size of the difference; it is the best bet on a sign of known size if differences are
normal. Several ``k`` share the capital. The scale ``s`` comes from the first differences, whose sizes say nothing of
their signs. The assumption is that of Wilcoxon's signed-rank test: differences scatter alike on both sides of their
middle. ``scripts/studies/evidence.py`` compares e-processes of the t-statistic: they need one seed less above two
standard deviations and none less below, and they claim too much if differences have two values or lean to one side.
Not here: tests of a fixed number of seeds (``significance``), and of several functions (``claims``).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
STAKES = (0.5, 1.0, 2.0, 6.0)
"""Stakes in this range are the best bets on differences of 0.5 to 3 standard deviations."""
CAPITAL = (0.125, 0.25, 0.25, 0.375)
"""Share of the capital for each stake; the largest stake gets most, since it shows a clear difference the soonest."""
SHOWN = 2 / LEVEL
"""Evidence that shows a single function to be better; each side has half of the level."""
FIRST = 4  # number of differences that set the scale; fewer give no evidence
FAR = 400  # largest number of pairs that is ever predicted

Interval = tuple[float, float]
Array = NDArray[np.float64]


def _growth(differences: Array, scale: float) -> Array:
    """Return the log of the factor by which each difference multiplies the capital, ``(stakes, n)``; below 0 wins."""
    bets = -2 * np.outer(STAKES, differences / scale)
    return np.asarray(math.log(2) - np.logaddexp(0, -bets))  # log(1 + tanh(bets / 2))


def _shares() -> Array:
    return np.asarray(np.log(CAPITAL))


def _scale(differences: Array) -> float:
    return float(np.sqrt(np.mean(differences[:FIRST] ** 2)))


def log_evidence(differences: Sequence[float]) -> Array:
    """Return the logarithm of the evidence that losses are lower than those of the reference, after each pair.

    Args:
        differences: losses less the reference's, by seed, in the order of training; zeros are ignored.

    Returns:
        One number for each non-zero difference from the fourth on; the logarithm of ``SHOWN`` shows a single function
        to be better.
    """
    nonzero = np.asarray([one for one in differences if one != 0], dtype=np.float64)
    if len(nonzero) < FIRST:
        return np.empty(0)
    capital = np.cumsum(_growth(nonzero, _scale(nonzero)), axis=1)[:, FIRST - 1 :] + _shares()[:, None]
    return np.asarray(np.logaddexp.reduce(capital, axis=0))


def better_p(differences: Sequence[float]) -> float:
    """Return the one-sided p-value, valid at any time, for lower losses: 1 over the largest evidence so far."""
    evidence = log_evidence(differences)
    return float(min(1.0, np.exp(-np.max(evidence)))) if len(evidence) else 1.0


def anytime_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value, valid at any time: 1 over the largest mean evidence of both sides."""
    lower, higher = log_evidence(differences), log_evidence([-one for one in differences])
    if not len(lower):
        return 1.0
    return float(min(1.0, np.exp(math.log(2) - np.max(np.logaddexp(lower, higher)))))


def anytime_interval(differences: Sequence[float]) -> Interval:
    """Return the 95 % interval of the middle of the differences, valid at any time (a confidence sequence).

    It holds every middle that ``anytime_p`` does not reject. With too few pairs it is infinite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < pairs_needed():
        return -math.inf, math.inf
    middle = float(np.median(values))
    reach = float(np.max(np.abs(values - middle))) or abs(middle) * 1e-9
    return _end(differences, middle, -reach), _end(differences, middle, reach)


def _end(differences: Sequence[float], middle: float, reach: float) -> float:
    """Return the end of the interval: the first rejected middle from ``middle`` on in the direction of ``reach``."""
    for _ in range(8):
        if anytime_p([one - middle - reach for one in differences]) <= LEVEL:
            break
        reach *= 2
    else:
        return math.copysign(math.inf, reach)
    inside, outside = 0.0, reach
    for _ in range(40):
        half = (inside + outside) / 2
        inside, outside = (
            (inside, half) if anytime_p([one - middle - half for one in differences]) <= LEVEL else (half, outside)
        )
    return middle + outside


def pairs_needed(wanted: float = SHOWN) -> int:
    """Return the least number of pairs with which the best possible outcome reaches the wanted evidence."""
    return next(pairs for pairs in range(FIRST, FAR) if wanted * better_p([-1.0] * pairs) <= 1)


def pairs_to_decide(differences: Sequence[float], wanted: float = SHOWN, effect: float | None = None) -> int | None:
    """Return about how many more pairs would show a difference, if they continue as before.

    Args:
        differences: differences so far.
        wanted: evidence to reach.
        effect: assumed size of further differences in standard deviations, below 0 for a better function; None assumes
            the mean so far.

    Returns:
        Number of further pairs; None if even ``FAR`` would hardly suffice.
    """
    nonzero = np.asarray([one for one in differences if one != 0], dtype=np.float64)
    if len(nonzero) < FIRST:
        return max(0, pairs_needed(wanted) - len(nonzero))
    spread = float(np.std(nonzero, ddof=1)) or abs(float(nonzero[0]))
    typical = float(np.mean(nonzero)) if effect is None else effect * spread
    middle = np.linspace(-2.5, 2.5, 41)
    weights = np.exp(-(middle**2) / 2)
    ahead = _growth(-abs(typical) + spread * middle, _scale(nonzero)) @ (weights / weights.sum())
    now = np.sum(_growth(nonzero * math.copysign(1, -typical), _scale(nonzero)), axis=1)
    further = [
        (math.log(wanted) - share - capital) / rate
        for share, capital, rate in zip(_shares(), now, ahead, strict=True)
        if rate > 0
    ]
    more = math.ceil(min(further)) if further else FAR
    return max(0, more) if more < FAR else None
