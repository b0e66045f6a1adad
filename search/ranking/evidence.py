"""Evidence that stays valid however often it is looked at: tests and intervals for a race, whose end the data decide.

A bet on the sign of each paired difference: as long as differences are as likely of either sign, whatever their size,
its capital is a martingale, which reaches 40 with a chance of at most 1 in 40, however long one plays (Ville 1939;
Ramdas, Ruf, Larsson & Koolen 2020, section 4, on symmetric distributions; de la Pena 1999). The stake grows with the
size of the difference, ``tanh(k x / s)``, the best bet on a sign whose size is known where differences are normal, and
the capital is shared by several ``k``. The scale ``s`` is that of the first differences, whose sizes say nothing of
their signs. What is assumed is what Wilcoxon's signed-rank test assumes: differences scatter alike on both sides of
their middle. Measured beside e-processes of the t-statistic (``scripts/studies/evidence.py``), which need a seed less
above two standard deviations, none below, and claim too much where differences have two values or lean to one side.
Not here: tests of a fixed number of seeds (``significance``), and of several functions (``claims``).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
STAKES = (0.5, 1.0, 2.0, 6.0)
"""Differences of 0.5 to 3 standard deviations are best bet upon with stakes in that range."""
CAPITAL = (0.125, 0.25, 0.25, 0.375)
"""The share of each stake: most on the largest, which shows a difference that leaves no doubt with the fewest pairs."""
SHOWN = 2 / LEVEL
"""Evidence that shows one function, alone, to be better: half of the level is for each side."""
FIRST = 4  # differences that give the scale; before, nothing is said
FAR = 400  # pairs beyond which nobody asks how many it would take

Interval = tuple[float, float]
Array = NDArray[np.float64]


def _growth(differences: Array, scale: float) -> Array:
    """Return the logarithm of what each difference multiplies the capital by, ``(stakes, n)``: below 0 wins."""
    bets = -2 * np.outer(STAKES, differences / scale)
    return np.asarray(math.log(2) - np.logaddexp(0, -bets))  # log(1 + tanh(bets / 2))


def _shares() -> Array:
    return np.asarray(np.log(CAPITAL))


def _scale(differences: Array) -> float:
    return float(np.sqrt(np.mean(differences[:FIRST] ** 2)))


def log_evidence(differences: Sequence[float]) -> Array:
    """Return the logarithm of the evidence that losses are lower than those of the reference, after each pair.

    Args:
        differences: a loss less the reference's, by seed, in the order of training; those of 0 say nothing.

    Returns:
        One number a pair that is not 0, from the fourth on; ``SHOWN`` shows it, for one function alone.
    """
    known = np.asarray([one for one in differences if one != 0], dtype=np.float64)
    if len(known) < FIRST:
        return np.empty(0)
    capital = np.cumsum(_growth(known, _scale(known)), axis=1)[:, FIRST - 1 :] + _shares()[:, None]
    return np.asarray(np.logaddexp.reduce(capital, axis=0))


def better_p(differences: Sequence[float]) -> float:
    """Return the p-value, valid at any time, of losses that are no lower: one over the most evidence so far."""
    evidence = log_evidence(differences)
    return float(min(1.0, np.exp(-np.max(evidence)))) if len(evidence) else 1.0


def anytime_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value that is valid at any time: one over the most of the mean evidence of both sides."""
    lower, higher = log_evidence(differences), log_evidence([-one for one in differences])
    if not len(lower):
        return 1.0
    return float(min(1.0, np.exp(math.log(2) - np.max(np.logaddexp(lower, higher)))))


def anytime_interval(differences: Sequence[float]) -> Interval:
    """Return the 95 % interval of the middle of the differences that is valid at any time (a confidence sequence).

    It holds every middle that ``anytime_p`` does not reject; infinite with too few pairs.
    """
    known = np.asarray(differences, dtype=np.float64)
    if len(known) < pairs_needed():
        return -math.inf, math.inf
    middle = float(np.median(known))
    reach = float(np.max(np.abs(known - middle))) or abs(middle) * 1e-9
    return _end(differences, middle, -reach), _end(differences, middle, reach)


def _end(known: Sequence[float], middle: float, reach: float) -> float:
    """Return where middles begin to be rejected, from the median on in the direction of ``reach``."""
    for _ in range(8):
        if anytime_p([one - middle - reach for one in known]) <= LEVEL:
            break
        reach *= 2
    else:
        return math.copysign(math.inf, reach)
    inside, outside = 0.0, reach
    for _ in range(40):
        half = (inside + outside) / 2
        inside, outside = (
            (inside, half) if anytime_p([one - middle - half for one in known]) <= LEVEL else (half, outside)
        )
    return middle + outside


def pairs_needed(wanted: float = SHOWN) -> int:
    """Return how many pairs it takes before the best possible outcome has so much evidence."""
    return next(pairs for pairs in range(FIRST, FAR) if wanted * better_p([-1.0] * pairs) <= 1)


def pairs_to_decide(differences: Sequence[float], wanted: float = SHOWN, effect: float | None = None) -> int | None:
    """Return about how many pairs more would show a difference, if they go on as they did.

    Args:
        differences: as they are.
        wanted: evidence that it takes.
        effect: of each in standard deviations, below 0 where it is better, instead of the one that was seen.

    Returns:
        None where so many as ``FAR`` would hardly do.
    """
    known = np.asarray([one for one in differences if one != 0], dtype=np.float64)
    if len(known) < FIRST:
        return max(0, pairs_needed(wanted) - len(known))
    spread = float(np.std(known, ddof=1)) or abs(float(known[0]))
    typical = float(np.mean(known)) if effect is None else effect * spread
    middle = np.linspace(-2.5, 2.5, 41)
    weights = np.exp(-(middle**2) / 2)
    ahead = _growth(-abs(typical) + spread * middle, _scale(known)) @ (weights / weights.sum())
    now = np.sum(_growth(known * math.copysign(1, -typical), _scale(known)), axis=1)
    further = [
        (math.log(wanted) - share - have) / rate
        for share, have, rate in zip(_shares(), now, ahead, strict=True)
        if rate > 0
    ]
    found = math.ceil(min(further)) if further else FAR
    return max(0, found) if found < FAR else None
