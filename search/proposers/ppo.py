"""Proximal policy optimisation (Schulman et al. 2017) on the recurrent controller: several small steps a batch.

The paper of 2017 names it for its controller (Ramachandran, Zoph & Le, section 3). Not here: the distribution itself
(``controller``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.grammar.space import Space
from actsearch.search.proposers.baseline import Baseline
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.policy import ControllerSettings, Policy
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class PPOSettings:
    """How the controller learns.

    Args:
        controller: its size, optimiser and entropy bonus.
        baseline_decay: of the exponential moving average of rewards; 0 follows the last batch.
        epochs: steps for each batch.
        range: a string gains nothing from probability beyond 1 +- this times that which it had when it was told
            (Schulman et al. 2017, equation 7, use 0.2).
    """

    controller: ControllerSettings = field(default_factory=lambda: ControllerSettings(learning_rate=0.005))
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.8
    epochs: Annotated[int, Field(ge=1)] = 4
    range: Annotated[float, Field(gt=0, lt=1)] = 0.2


class PPO(DrawingProposer):
    """A controller that takes several steps a batch, none of them far from the one that was told."""

    def __init__(self, space: Space, seed: int, settings: PPOSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.policy = Policy(space, settings.controller, self.generator)
        self.baseline = Baseline(settings.baseline_decay)

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield what the controller writes."""
        return self.policy.draws(count)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Take the steps; the probabilities to stay near to are those of now, so nothing of ``ask`` is remembered."""
        self.baseline.move(rewards)
        advantage = self.baseline.advantages(rewards)
        scores = self.policy.score([proposal.tokens for proposal in proposals])
        before, facts = scores.log_probability.detach(), self.policy.facts(scores)
        norm = 0.0
        for _ in range(self.settings.epochs):
            ratio = (scores.log_probability - before).exp()
            near = ratio.clamp(1 - self.settings.range, 1 + self.settings.range)
            norm = self.policy.climb(torch.minimum(ratio * advantage, near * advantage).mean(), scores.entropy)
            scores = self.policy.score([proposal.tokens for proposal in proposals])
        moved = float((scores.log_probability.detach() - before).abs().mean())
        return {"baseline": self.baseline.mean, "gradient_norm": norm, "policy_change": moved, **facts}

    def state(self) -> dict[str, Any]:
        """Return weights, optimiser and baseline, too."""
        return {**super().state(), **self.policy.state(), "baseline": self.baseline.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state, the baseline included."""
        super().restore(state)
        self.policy.restore(state)
        self.baseline.restore(state["baseline"])
