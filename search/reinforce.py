"""REINFORCE (Williams 1992) on the recurrent controller, with a moving-average baseline that outlives the process.

Not here: the distribution itself (``controller``) and what a reward is (``reward``).
"""

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from grammar.space import Space
from search.controller import Controller
from search.proposer import Proposal, Proposer


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ReinforceSettings:
    """How the controller learns. The paper of 2017 gives none of these numbers.

    Learning rate and entropy were chosen among 20 pairs in simulated searches on a third of the one-unit space: with an
    entropy weight below 0.1 the controller settles on one good function and repeats it.

    Args:
        learning_rate: Adam's; 0 freezes the controller.
        hidden: width of the LSTM.
        embedding: width of a token's embedding.
        baseline_decay: of the exponential moving average of rewards; 0 follows the last batch.
        entropy: weight of the entropy bonus, in reward per nat.
        clip: largest gradient norm of an update.
    """

    learning_rate: Annotated[float, Field(ge=0)] = 0.015
    hidden: Annotated[int, Field(ge=1)] = 64
    embedding: Annotated[int, Field(ge=1)] = 16
    baseline_decay: Annotated[float, Field(ge=0, lt=1)] = 0.8
    entropy: Annotated[float, Field(ge=0)] = 0.25
    clip: Annotated[float, Field(gt=0)] = 1.0


class Reinforce(Proposer):
    """A controller that is made likelier to write what was rewarded above the baseline."""

    def __init__(self, space: Space, seed: int, settings: ReinforceSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.controller = Controller(space, settings.hidden, settings.embedding, self.generator)
        self.optimiser = torch.optim.Adam(self.controller.parameters(), lr=settings.learning_rate)
        self.baseline: float | None = None

    def sample(self, count: int) -> Tensor:
        """Draw from the controller."""
        return self.controller.sample(count, self.generator)

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> dict[str, float]:
        """Make one update; the strings are scored anew, so nothing of ``ask`` has to be remembered."""
        if not proposals:
            return {}
        tokens = torch.tensor([proposal.tokens for proposal in proposals])
        reward = torch.tensor(rewards, dtype=torch.float32)
        batch_mean = float(reward.mean())
        if self.baseline is None:
            self.baseline = batch_mean  # starting at 0 would reward the first batch for existing
        log_probability, entropy = self.controller.score(tokens)
        per_string = entropy.sum(1)
        gain = (reward - self.baseline) * log_probability + self.settings.entropy * per_string
        self.optimiser.zero_grad()
        (-gain.mean()).backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.controller.parameters(), self.settings.clip)
        self.optimiser.step()
        decay = self.settings.baseline_decay
        self.baseline = decay * self.baseline + (1 - decay) * batch_mean
        return {
            "reward_mean": batch_mean,
            "reward_best": float(reward.max()),
            "baseline": self.baseline,
            "entropy": float(per_string.detach().mean()),
            "gradient_norm": float(norm),
        }

    def state(self) -> dict[str, Any]:
        """Return weights, optimiser, baseline and random state."""
        return {
            **super().state(),
            "controller": self.controller.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "baseline": self.baseline,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state, the baseline included."""
        super().restore(state)
        self.controller.load_state_dict(state["controller"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.baseline = state["baseline"]
