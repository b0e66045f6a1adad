"""What an outcome is worth to a proposer: the one place that says what a failure costs.

Not here: the loss itself, which the task measures.
"""

import math

from evaluators.outcome import Outcome

SMALLEST_LOSS = 1e-6  # nats; below it a loss is rounding


def reward(outcome: Outcome, chance: float) -> float:
    """Return nats-of-loss below chance on a logarithmic scale, at least 0; higher is better.

    ``log(chance / loss)``: 0 for a child that learned nothing, log 2 more for every halving of the loss, so that the
    crowd of good functions stays apart. Every failure, and any loss above chance, is worth 0: nothing was learned.

    Args:
        outcome: of a child on the validation split.
        chance: loss of a child that knows nothing, in nats.
    """
    return reward_of_loss(outcome.score, chance)


def reward_of_loss(loss: float | None, chance: float) -> float:
    """Return what a loss is worth; None stands for a failure."""
    if loss is None:
        return 0.0
    return max(0.0, math.log(chance / max(loss, SMALLEST_LOSS)))
