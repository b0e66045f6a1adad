"""The reward of an outcome for a proposer; only this module says what a failure costs.

A lower score always has a higher reward, and any score has a higher reward than a failure. Not here: the score itself,
which the task measures.
"""

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from actsearch.evaluators.outcome import Outcome

SMALLEST_SHARE = 0.01  # share of chance, below which the reward grows slowly: no single child outweighs all others
MOST = 1 / SMALLEST_SHARE - 1
SLOPE = 900.0  # slope of the reward over the share of chance, below the smallest share: nine more at a loss of 0
ORDER = 1e-9  # weight that orders scores whose reward would be 0 otherwise
USUAL_SPREAD = 0.1  # spread as a share of the score's size, if the baselines do not differ


@dataclass(frozen=True)
class Scale:
    """The scale of scores.

    Args:
        origin: with a unit, the score whose reward is 1; without, the chance loss, that of a child that knows nothing.
        unit: a substantial difference between scores; None for positive losses, which count as shares of chance.
    """

    origin: float
    unit: float | None = None


def scale_of(chance: float | None, baselines: Sequence[float | None], *, is_cross_entropy: bool = True) -> Scale:
    """Return the scale of a run.

    Chance scales a cross-entropy. It also scales a user's score with a known chance, if the baselines are positive and
    most lie below chance. The median and the best of the baselines scale any other score.

    Args:
        chance: chance loss, that of a child that knows nothing; None if unknown.
        baselines: scores of the baselines, None for a failure.
        is_cross_entropy: whether the scores are losses with a known chance.
    """
    scores = [score for score in baselines if score is not None]
    middle, best = (statistics.median(scores), min(scores)) if scores else (-math.inf, math.inf)
    if chance is not None and (is_cross_entropy or (chance > 0 and best > 0 and middle < chance)):
        return Scale(chance)
    if not scores:
        return Scale(chance or 0.0, abs(chance or 0.0) or 1.0)
    return Scale(middle, middle - best or USUAL_SPREAD * abs(middle) or 1.0)


def reward(outcome: Outcome, scale: Scale) -> float:
    """Return the reward of an outcome: 0 for a failure, above 0 for every score, higher for a lower score.

    On the scale of chance, the reward is ``chance / loss - 1``: 0 at chance and 1 at half of it. It is steep for small
    losses, since a search wants the best function, not good ones on average. It is 99 at a hundredth of chance, and
    grows slowly beyond. On the other scale, the reward is 1 at the median of the baselines and 2.4 at the best. Beyond
    the best it grows nearly in proportion to the improvement.
    """
    return reward_of_loss(outcome.score, scale)


def reward_of_loss(loss: float | None, scale: Scale) -> float:
    """Return the reward of a loss; None stands for a failure."""
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
