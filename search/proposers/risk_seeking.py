"""Risk-seeking policy gradient (Petersen et al. 2021): learn from the best share only, since only the best counts.

A priority queue keeps the best strings so far, and each step makes them likelier (Abolafia et al. 2018, section 3).
Not here: the distribution itself (``controller``).
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.grammar.space import Space
from actsearch.search.proposers.baseline import LEAST_SPREAD
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.policy import ControllerSettings, Policy
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class RiskSeekingSettings:
    """Learning settings of ``risk_seeking``.

    Args:
        controller: size, optimiser and entropy bonus of the controller.
        share: share of the latest outcomes to learn from (Petersen et al. 2021, section 3.3, use 0.05 of 1,000).
        window: number of latest outcomes that the share is taken of: a batch of 16 has no best twentieth.
        queue: number of best strings in the queue; 0 is no queue.
        queue_weight: weight of the queue's log-likelihood beside the policy gradient.
        epochs: number of gradient steps for each batch.
    """

    controller: ControllerSettings = field(default_factory=ControllerSettings)
    share: Annotated[float, Field(gt=0, le=1)] = 0.2
    window: Annotated[int, Field(ge=1)] = 64
    queue: Annotated[int, Field(ge=0)] = 10
    queue_weight: Annotated[float, Field(ge=0)] = 0.5
    epochs: Annotated[int, Field(ge=1)] = 1


class RiskSeeking(DrawingProposer):
    """A controller that learns from its best strings, weighted by how far they lie above the threshold."""

    def __init__(self, space: Space, seed: int, settings: RiskSeekingSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.policy = Policy(space, settings.controller, self.generator)
        self.recent: list[tuple[float, Tokens]] = []  # the last outcomes, oldest first
        self.queue: list[tuple[float, Tokens]] = []  # a heap, the worst of the best first

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield strings from the controller."""
        return self.policy.draws(count)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Take the steps on the best share of the window and on the queue."""
        settings = self.settings
        outcomes = [(reward, proposal.tokens) for proposal, reward in zip(proposals, rewards, strict=True)]
        self.recent = [*self.recent, *outcomes][-max(settings.window, len(outcomes)) :]
        for one in outcomes:
            heapq.heappush(self.queue, one)
            if len(self.queue) > settings.queue:
                heapq.heappop(self.queue)
        threshold = sorted(reward for reward, _ in self.recent)[-max(1, round(settings.share * len(self.recent)))]
        best = [one for one in self.recent if one[0] >= threshold]
        studied = [*best, *self.queue]
        advantage = torch.tensor([reward - threshold for reward, _ in best])
        advantage = advantage / max(float(advantage.square().mean()) ** 0.5, LEAST_SPREAD)
        norm, facts = 0.0, Metrics()
        for _ in range(settings.epochs):
            scores = self.policy.score([tokens for _, tokens in studied])
            logs = scores.log_probability
            gain = (advantage * logs[: len(best)]).mean()
            if self.queue:
                gain = gain + settings.queue_weight * logs[len(best) :].mean()
            norm = self.policy.climb(gain, scores.entropy)
            facts = facts or self.policy.facts(scores)
        return {"threshold": threshold, "gradient_norm": norm, **facts}

    def state(self) -> dict[str, Any]:
        """Return the state, with weights, optimiser, window and queue."""
        return {**super().state(), **self.policy.state(), "recent": self.recent, "queue": self.queue}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        super().restore(state)
        self.policy.restore(state)
        self.recent, self.queue = list(state["recent"]), list(state["queue"])
