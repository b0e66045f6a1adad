"""REINFORCE (Williams 1992) on the recurrent controller, with a moving-average baseline that outlives the process.

Before anything is trained, the controller warms up on what strings promise at first sight. Each update also takes
remembered outcomes, weighted by how likely they still are. Not here: the distribution itself (``controller``), what a
reward is (``search.reward``) and what is known at first sight (``search.proposers.knowledge``).
"""

import itertools
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
from actsearch.search.proposers.proposer import Describe, Metrics, Proposal, Tokens

LOOKS = 16  # strings that are looked at for one update of the warm-up
Remembered = tuple[Tokens, float, float]  # string, reward, log-probability when it was told


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ReinforceSettings:
    """How the controller learns.

    Args:
        controller: its size, optimiser and entropy bonus.
        warm_up: strings that are only looked at before the first ask; 0 begins knowing nothing.
        baseline_decay: of the exponential moving average of rewards; 0 follows the last batch.
        memory: earlier outcomes that join each update, drawn at random, each weighted by min(1, p_now / p_then)
            (truncated importance sampling: Espeholt et al. 2018, section 4.1).
        updates: of the controller for each batch, each with other remembered outcomes.
        blame: weight of outcomes below the baseline: what was bad says less than what was good.
    """

    controller: ControllerSettings = field(default_factory=ControllerSettings)
    warm_up: Annotated[int, Field(ge=0)] = 256
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.5
    memory: Annotated[int, Field(ge=0)] = 100
    updates: Annotated[int, Field(ge=1)] = 1
    blame: Annotated[float, Field(ge=0)] = 0.3


class Reinforce(DrawingProposer):
    """A controller that is made likelier to write what was rewarded above the baseline.

    Args:
        space: what may be proposed.
        seed: of every draw.
        settings: how it learns.
        describe: what is known of a function without training it; the first number is what it promises.
    """

    def __init__(self, space: Space, seed: int, settings: ReinforceSettings, describe: Describe) -> None:
        super().__init__(space, seed)
        self.settings, self.describe = settings, describe
        self.policy = Policy(space, settings.controller, self.generator)
        self.baseline = Baseline(settings.baseline_decay)
        self.memory: list[Remembered] = []
        self.cold = True

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield what the controller writes, after its warm-up."""
        if self.cold:
            self.cold = False
            for _ in range(0, self.settings.warm_up, LOOKS):
                strings = list(itertools.islice(self.policy.draws(LOOKS), LOOKS))
                self._study(strings, [self.describe(self.space.decode(tokens))[0] for tokens in strings])
            self.baseline, self.memory = Baseline(self.settings.baseline_decay), []  # a promise is no reward
        yield from self.policy.draws(count)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Make the updates; strings are scored anew, so nothing of ``ask`` has to be remembered."""
        return self._study([proposal.tokens for proposal in proposals], rewards)

    def _study(self, strings: Sequence[Tokens], rewards: Sequence[float]) -> Metrics:
        self.baseline.move(rewards)
        with torch.no_grad():
            told = self.policy.score(strings)
        fresh: list[Remembered] = list(zip(strings, rewards, told.log_probability.tolist(), strict=True))
        norms = [self._update([*fresh, *self._recalled()]) for _ in range(self.settings.updates)]
        self.memory += fresh
        return {"baseline": self.baseline.mean, "gradient_norm": norms[0], **self.policy.facts(told)}

    def _update(self, outcomes: Sequence[Remembered]) -> float:
        """Take one step; return the gradient's norm."""
        advantages = self.baseline.advantages([reward for _, reward, _ in outcomes])
        blamed = torch.where(advantages < 0, self.settings.blame * advantages, advantages)
        scores = self.policy.score([tokens for tokens, _, _ in outcomes])
        then = torch.tensor([log for _, _, log in outcomes])
        weights = (scores.log_probability.detach() - then).exp().clamp(max=1.0)
        gain = (weights * blamed * scores.log_probability).sum() / weights.sum()
        return self.policy.climb(gain, scores.entropy)

    def _recalled(self) -> list[Remembered]:
        order = torch.randperm(len(self.memory), generator=self.generator)
        return [self.memory[index] for index in order[: self.settings.memory].tolist()]

    def state(self) -> dict[str, Any]:
        """Return weights, optimiser, baseline and memory, too."""
        mine = {"baseline": self.baseline.state(), "memory": self.memory, "cold": self.cold}
        return {**super().state(), **self.policy.state(), **mine}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state, the baseline included."""
        super().restore(state)
        self.policy.restore(state)
        self.baseline.restore(state["baseline"])
        self.memory, self.cold = list(state["memory"]), state["cold"]
