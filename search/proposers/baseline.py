"""What a reward is measured against: a moving average of rewards, and of how far they lie from it.

Part of a proposer's state, so that it outlives the process. Not here: who learns from it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

SPREAD_DECAY = 0.9  # of the mean squared distance: a scale should move slowly
LEAST_SPREAD = 1e-3  # rewards; closer together, they are equal


class Baseline:
    """Moving averages of rewards and of their squared distance from it.

    Args:
        decay: of the average of rewards, in [0, 1); 0 follows the last batch.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.mean: float | None = None
        self.variance: float | None = None

    def advantages(self, rewards: Sequence[float]) -> Tensor:
        """Return how many spreads each reward lies above the average before it, ``(n,)``, and move the averages on."""
        batch = sum(rewards) / len(rewards)
        before = batch if self.mean is None else self.mean  # starting at 0 would reward the first batch for existing
        distances: Tensor = torch.tensor(rewards) - before
        squared = float(distances.square().mean())
        self.variance = squared if self.variance is None else _moved(self.variance, squared, SPREAD_DECAY)
        self.mean = _moved(before, batch, self.decay)
        return self.scaled(distances)

    def above(self, rewards: Sequence[float]) -> Tensor:
        """Return how many spreads each reward lies above the average of now, ``(n,)``, and move nothing."""
        return self.scaled(torch.tensor(rewards) - (self.mean or 0.0))

    def scaled(self, distances: Tensor) -> Tensor:
        """Return distances in spreads."""
        spread: float = max((self.variance or 0.0) ** 0.5, LEAST_SPREAD)
        return torch.div(distances, spread)

    def state(self) -> dict[str, Any]:
        """Return both averages."""
        return {"mean": self.mean, "variance": self.variance}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over both averages."""
        self.mean, self.variance = state["mean"], state["variance"]


def _moved(average: float, latest: float, decay: float) -> float:
    return decay * average + (1 - decay) * latest
