"""What an outcome is worth to a proposer: the one place that says what a failure costs.

Not here: the loss itself, which the task measures.
"""

from evaluators.outcome import Outcome

SMALLEST_SHARE = 0.01  # of chance: a loss below it counts as this, so that no single child outweighs all others


def reward(outcome: Outcome, chance: float) -> float:
    """Return how many times less than chance the loss is, less 1; in [0, 99], higher is better.

    ``chance / loss - 1``: 0 for a child that learned nothing, 1 where the loss is half of chance, and steep where it is
    small: a search wants the best function, not good ones on the whole. Every failure, and any loss above chance, is 0.

    Args:
        outcome: of a child on the validation split.
        chance: loss of a child that knows nothing, in nats.
    """
    return reward_of_loss(outcome.score, chance)


def reward_of_loss(loss: float | None, chance: float) -> float:
    """Return what a loss is worth; None stands for a failure."""
    if loss is None:
        return 0.0
    return max(0.0, chance / max(loss, SMALLEST_SHARE * chance) - 1)
