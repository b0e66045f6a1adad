"""What an outcome is worth to a proposer: the one place that says what a failure costs.

Whatever the score, a lower one is worth more, and any score is worth more than a failure. Not here: the score itself,
which the task measures.
"""

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from actsearch.evaluators.outcome import Outcome

SMALLEST_SHARE = 0.01  # of chance: below it the reward grows slowly, so that no single child outweighs all others
MOST = 1 / SMALLEST_SHARE - 1
SLOPE = 900.0  # of the reward over the share of chance, below the smallest one: nine more at a loss of 0
ORDER = 1e-9  # what keeps the order of scores that are worth nothing else
USUAL_SPREAD = 0.1  # of the score's size, where baselines do not differ


@dataclass(frozen=True)
class Scale:
    """What scores are measured by.

    Args:
        origin: with a unit, the score that is worth 1; without, chance, the loss of a child that knows nothing.
        unit: a difference between scores that counts; None for positive losses, which are compared as shares of chance.
    """

    origin: float
    unit: float | None = None


def scale_of(chance: float | None, baselines: Sequence[float | None], *, is_cross_entropy: bool = True) -> Scale:
    """Return the scale of a run.

    A cross-entropy is measured by chance. So is a score of the user's whose chance was given, if baselines are positive
    and most lie below it; any other is measured by the median and the best of the baselines.

    Args:
        chance: what a child that knows nothing gets; None if nobody said.
        baselines: scores of the baselines, None for a failure.
        is_cross_entropy: whether scores are losses whose chance is known.
    """
    scores = [score for score in baselines if score is not None]
    middle, best = (statistics.median(scores), min(scores)) if scores else (-math.inf, math.inf)
    if chance is not None and (is_cross_entropy or (chance > 0 and best > 0 and middle < chance)):
        return Scale(chance)
    if not scores:
        return Scale(chance or 0.0, abs(chance or 0.0) or 1.0)
    return Scale(middle, middle - best or USUAL_SPREAD * abs(middle) or 1.0)


def reward(outcome: Outcome, scale: Scale) -> float:
    """Return what an outcome is worth: 0 for a failure, more than 0 for every score, higher for a lower score.

    A loss that is measured by chance is worth ``chance / loss - 1``: nothing at chance, 1 at half of it, steep where it
    is small, since a search wants the best function, not good ones on the whole; 99 at a hundredth of chance, from
    where on it grows slowly. Another score is worth 1 at the median of the baselines, 2.4 at the best, and from there
    on nearly in proportion to what it is better by.
    """
    return reward_of_loss(outcome.score, scale)


def reward_of_loss(loss: float | None, scale: Scale) -> float:
    """Return what a loss is worth; None stands for a failure."""
    if loss is None:
        return 0.0
    if scale.unit is not None:
        return _order((loss - scale.origin) / scale.unit)
    share = loss / scale.origin
    if share < SMALLEST_SHARE:
        return MOST + SLOPE * (SMALLEST_SHARE - share)
    return max(scale.origin / loss - 1, ORDER * _order(share))


def _order(number: float) -> float:
    """Return exp(-asinh(number)): positive and decreasing, about 1/(2 number) far above 0, -2 number far below."""
    size = math.hypot(1.0, number)
    return max(sys.float_info.min, 1 / (size + number) if number > 0 else min(size - number, sys.float_info.max))
