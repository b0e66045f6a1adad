"""REINFORCE (Williams 1992) on the recurrent controller, with a moving-average baseline that outlives the process.

Before the first training, the controller warms up on the promise of untrained functions. Each update also takes earlier
outcomes, weighted by how likely they still are. Not here: the distribution itself (``controller``), rewards
(``search.reward``) and the promise (``search.proposers.knowledge``).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.grammar.space import Space
from actsearch.search.proposers.baseline import Baseline
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.knowledge import Knowledge, promise
from actsearch.search.proposers.policy import ControllerSettings, Policy
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens

LOOKS = 16  # strings for one update of the warm-up
Remembered = tuple[Tokens, float, float]  # string, reward, log-probability when the reward came


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ReinforceSettings:
    """Learning settings of ``reinforce``.

    Args:
        controller: size, optimiser and entropy bonus of the controller.
        warm_up: number of untrained strings that the controller learns from before the first ask; 0 is no warm-up.
        baseline_decay: decay of the exponential moving average of rewards; 0 follows the last batch.
        memory: number of earlier outcomes in each update, drawn at random, each weighted by min(1, p_now / p_then)
            (truncated importance sampling: Espeholt et al. 2018, section 4.1).
        updates: number of updates for each batch, each with other earlier outcomes.
        blame: weight of outcomes below the baseline: a bad outcome says less than a good one.
    """

    controller: ControllerSettings = field(default_factory=ControllerSettings)
    warm_up: Annotated[int, Field(ge=0)] = 256
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.5
    memory: Annotated[int, Field(ge=0)] = 100
    updates: Annotated[int, Field(ge=1)] = 1
    blame: Annotated[float, Field(ge=0)] = 0.3


class Reinforce(DrawingProposer):
    """A controller whose updates make strings with rewards above the baseline likelier.

    Args:
        space: space of the candidates.
        seed: seed of every draw.
        settings: learning settings.
        knowledge: what is known of functions without training; the controller does not warm up where it is nothing.
    """

    def __init__(self, space: Space, seed: int, settings: ReinforceSettings, knowledge: Knowledge) -> None:
        super().__init__(space, seed)
        self.settings, self.knowledge = settings, knowledge
        self.policy = Policy(space, settings.controller, self.generator)
        self.baseline = Baseline(settings.baseline_decay)
        self.memory: list[Remembered] = []
        self.cold = True

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield strings from the controller, after its warm-up."""
        if self.cold:
            self.cold = False
            for _ in range(0, self.settings.warm_up, LOOKS):
                strings = list(itertools.islice(self.policy.draws(LOOKS), LOOKS))
                promises = [promise(self.knowledge, self.space.decode(tokens)) for tokens in strings]
                if any(map(math.isnan, promises)):
                    break  # nothing is known; the strings are as good as any others
                self._study(strings, promises)
            self.baseline, self.memory = Baseline(self.settings.baseline_decay), []  # a feature is no reward
        yield from self.policy.draws(count)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Make the updates. They score the strings anew, so ``ask`` need not store anything."""
        return self._study([proposal.tokens for proposal in proposals], rewards)

    def _study(self, strings: Sequence[Tokens], rewards: Sequence[float]) -> Metrics:
        self.baseline.move(rewards)
        with torch.no_grad():
            scores = self.policy.score(strings)
        fresh: list[Remembered] = list(zip(strings, rewards, scores.log_probability.tolist(), strict=True))
        norms = [self._update([*fresh, *self._sample_memory()]) for _ in range(self.settings.updates)]
        self.memory += fresh
        return {"baseline": self.baseline.mean, "gradient_norm": norms[0], **self.policy.facts(scores)}

    def _update(self, outcomes: Sequence[Remembered]) -> float:
        """Take one gradient step; return the gradient's norm."""
        advantages = self.baseline.advantages([reward for _, reward, _ in outcomes])
        weighted = torch.where(advantages < 0, self.settings.blame * advantages, advantages)
        scores = self.policy.score([tokens for tokens, _, _ in outcomes])
        old_logs = torch.tensor([log for _, _, log in outcomes])
        weights = (scores.log_probability.detach() - old_logs).exp().clamp(max=1.0)
        gain = (weights * weighted * scores.log_probability).sum() / weights.sum()
        return self.policy.climb(gain, scores.entropy)

    def _sample_memory(self) -> list[Remembered]:
        order = torch.randperm(len(self.memory), generator=self.generator)
        return [self.memory[index] for index in order[: self.settings.memory].tolist()]

    def state(self) -> dict[str, Any]:
        """Return the state, with weights, optimiser, baseline and memory."""
        own_state = {"baseline": self.baseline.state(), "memory": self.memory, "cold": self.cold}
        return {**super().state(), **self.policy.state(), **own_state}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state, the baseline included."""
        super().restore(state)
        self.policy.restore(state)
        self.baseline.restore(state["baseline"])
        self.memory, self.cold = list(state["memory"]), state["cold"]
