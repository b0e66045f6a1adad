"""The reward baseline: a moving average of rewards, and one of their squared distance from it.

Both are part of a proposer's state, so that they outlive the process. Not here: the learning (``reinforce``, ``ppo``).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

SPREAD_DECAY = 0.9  # decay of the mean squared distance: a scale should move slowly
LEAST_SPREAD = 1e-3  # smallest spread of rewards; closer rewards count as equal


class Baseline:
    """Moving averages of rewards and of their squared distance from that average.

    Args:
        decay: decay of the average of rewards, in [0, 1); 0 follows the last batch.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.before: float | None = None  # the average before the latest batch; for the first, its own mean
        self.mean, self.variance = 0.0, 0.0

    def move(self, rewards: Sequence[float]) -> None:
        """Add the rewards of a batch to the averages; their distance is from the average before them."""
        batch = sum(rewards) / len(rewards)
        first = self.before is None
        self.before = batch if first else self.mean  # starting at 0 would reward the first batch for existing
        squared = sum((reward - self.before) ** 2 for reward in rewards) / len(rewards)
        self.variance = squared if first else _decayed(self.variance, squared, SPREAD_DECAY)
        self.mean = _decayed(self.before, batch, self.decay)

    def advantages(self, rewards: Sequence[float]) -> Tensor:
        """Return how many spreads each reward lies above the average before the latest batch, ``(n,)``."""
        distances: Tensor = torch.tensor(rewards) - (self.before or 0.0)
        return torch.div(distances, max(self.variance**0.5, LEAST_SPREAD))

    def state(self) -> dict[str, Any]:
        """Return the averages."""
        return {"before": self.before, "mean": self.mean, "variance": self.variance}

    def restore(self, state: dict[str, Any]) -> None:
        """Load the averages from a state."""
        self.before, self.mean, self.variance = state["before"], state["mean"], state["variance"]


def _decayed(average: float, latest: float, decay: float) -> float:
    return decay * average + (1 - decay) * latest
