"""REINFORCE (Williams 1992) on the recurrent controller, with a moving-average baseline that outlives the process.

Each update also takes remembered outcomes, weighted by how likely they still are. Not here: the distribution itself
(``controller``) and what a reward is (``search.reward``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from grammar.space import Space
from search.proposers.baseline import Baseline
from search.proposers.drawing import DrawingProposer
from search.proposers.policy import ControllerSettings, Policy
from search.proposers.proposer import Metrics, Proposal, Tokens

Remembered = tuple[Tokens, float, float]  # string, reward, log-probability when it was told


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ReinforceSettings:
    """How the controller learns.

    Args:
        controller: its size, optimiser and entropy bonus.
        baseline_decay: of the exponential moving average of rewards; 0 follows the last batch.
        memory: earlier outcomes that join each update, drawn at random, each weighted by min(1, p_now / p_then)
            (truncated importance sampling: Espeholt et al. 2018, section 4.1).
        blame: weight of outcomes below the baseline: what was bad says less than what was good.
    """

    controller: ControllerSettings = field(default_factory=ControllerSettings)
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    memory: Annotated[int, Field(ge=0)] = 100
    blame: Annotated[float, Field(ge=0)] = 0.3


class Reinforce(DrawingProposer):
    """A controller that is made likelier to write what was rewarded above the baseline."""

    def __init__(self, space: Space, seed: int, settings: ReinforceSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.policy = Policy(space, settings.controller, self.generator)
        self.baseline = Baseline(settings.baseline_decay)
        self.memory: list[Remembered] = []

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield what the controller writes."""
        return self.policy.draws(count)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Make one update; the strings are scored anew, so nothing of ``ask`` has to be remembered."""
        fresh, recalled = self.baseline.advantages(rewards), self._recalled()
        advantages = torch.cat([fresh, self.baseline.above([reward for _, reward, _ in recalled])])
        strings = [*(proposal.tokens for proposal in proposals), *(tokens for tokens, _, _ in recalled)]
        scores = self.policy.score(strings)
        log_probability = scores.log_probability.detach()
        then = torch.cat([log_probability[: len(fresh)], torch.tensor([log for _, _, log in recalled])])
        weights = (log_probability - then).exp().clamp(max=1.0)
        blamed = torch.where(advantages < 0, self.settings.blame * advantages, advantages)
        gain = (weights * blamed * scores.log_probability).sum() / weights.sum()
        norm = self.policy.climb(gain, scores.entropy)
        self.memory += zip(strings[: len(fresh)], rewards, log_probability.tolist(), strict=False)
        return {"baseline": self.baseline.mean or 0.0, "gradient_norm": norm, **self.policy.facts(scores)}

    def _recalled(self) -> list[Remembered]:
        order = torch.randperm(len(self.memory), generator=self.generator)
        return [self.memory[place] for place in order[: self.settings.memory].tolist()]

    def state(self) -> dict[str, Any]:
        """Return weights, optimiser, baseline and memory, too."""
        mine = {"baseline": self.baseline.state(), "memory": self.memory}
        return {**super().state(), **self.policy.state(), **mine}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state, the baseline included."""
        super().restore(state)
        self.policy.restore(state)
        self.baseline.restore(state["baseline"])
        self.memory = list(state["memory"])
