"""Proximal policy optimisation (Schulman et al. 2017) on the recurrent controller: several small steps a batch.

Ramachandran, Zoph & Le (2017, section 3) name it for their controller. Not here: the distribution itself
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
    """Learning settings of ``ppo``.

    Args:
        controller: size, optimiser and entropy bonus of the controller.
        baseline_decay: decay of the exponential moving average of rewards; 0 follows the last batch.
        epochs: number of gradient steps for each batch.
        range: clip range: beyond 1 +- this times a string's probability before the batch, a change gains nothing
            (Schulman et al. 2017, equation 7, use 0.2).
    """

    controller: ControllerSettings = field(default_factory=lambda: ControllerSettings(learning_rate=0.005))
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.8
    epochs: Annotated[int, Field(ge=1)] = 4
    range: Annotated[float, Field(gt=0, lt=1)] = 0.2


class PPO(DrawingProposer):
    """A controller that takes several steps a batch, all of them near the policy before the batch."""

    def __init__(self, space: Space, seed: int, settings: PPOSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.policy = Policy(space, settings.controller, self.generator)
        self.baseline = Baseline(settings.baseline_decay)

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield strings from the controller."""
        return self.policy.draws(count)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Take the steps. They stay near the current probabilities, so ``ask`` need not store its own."""
        self.baseline.move(rewards)
        advantage = self.baseline.advantages(rewards)
        scores = self.policy.score([proposal.tokens for proposal in proposals])
        before, facts = scores.log_probability.detach(), self.policy.facts(scores)
        norm = 0.0
        for _ in range(self.settings.epochs):
            ratio = (scores.log_probability - before).exp()
            clipped = ratio.clamp(1 - self.settings.range, 1 + self.settings.range)
            norm = self.policy.climb(torch.minimum(ratio * advantage, clipped * advantage).mean(), scores.entropy)
            scores = self.policy.score([proposal.tokens for proposal in proposals])
        change = float((scores.log_probability.detach() - before).abs().mean())
        return {"baseline": self.baseline.mean, "gradient_norm": norm, "policy_change": change, **facts}

    def state(self) -> dict[str, Any]:
        """Return the state, with weights, optimiser and baseline."""
        return {**super().state(), **self.policy.state(), "baseline": self.baseline.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state, the baseline included."""
        super().restore(state)
        self.policy.restore(state)
        self.baseline.restore(state["baseline"])
