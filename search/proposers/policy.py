"""A controller with its optimiser, for every proposer that learns by gradients.

It draws strings, takes gradient steps up a gain, and reports its state for the log. Not here: the gain (``reinforce``,
``ppo``, ``risk_seeking``).
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from actsearch.grammar.space import Space
from actsearch.search.proposers.controller import Controller, Scores
from actsearch.search.proposers.proposer import Tokens

LEAST_DRAW = 16  # strings that one pass of the controller draws at least: a single one costs as much


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ControllerSettings:
    """The controller, its optimiser, and its entropy bonus. The paper of 2017 gives none of these numbers.

    Args:
        learning_rate: learning rate of Adam; 0 freezes the controller.
        hidden: width of the LSTM.
        embedding: width of a token's embedding.
        entropy: weight of the entropy bonus, in rewards per nat.
        clip: largest gradient norm of a step.
    """

    learning_rate: Annotated[float, Field(ge=0)] = 0.025
    hidden: Annotated[int, Field(ge=1)] = 32
    embedding: Annotated[int, Field(ge=1)] = 16
    entropy: Annotated[float, Field(ge=0)] = 0.07
    clip: Annotated[float, Field(gt=0)] = 1.0


class Policy:
    """A distribution over strings; gradient steps make chosen strings likelier.

    Args:
        space: space of the strings.
        settings: settings of the controller and its optimiser.
        generator: random generator of the initial weights and of every draw; the proposer owns it.
    """

    def __init__(self, space: Space, settings: ControllerSettings, generator: torch.Generator) -> None:
        self.space, self.settings, self.generator = space, settings, generator
        self.controller = Controller(space, settings.hidden, settings.embedding, generator)
        self.optimiser = torch.optim.Adam(self.controller.parameters(), lr=settings.learning_rate)

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield strings drawn from the controller's distribution."""
        while True:
            drawn = self.controller.sample(max(count, LEAST_DRAW), self.generator)
            yield from (tuple(row) for row in drawn.tolist())

    def score(self, strings: Sequence[Tokens]) -> Scores:
        """Return the controller's scores of strings."""
        return self.controller.score(torch.tensor(strings))

    def climb(self, gain: Tensor, entropy: Tensor) -> float:
        """Take one gradient step up ``gain`` plus the entropy bonus; return the gradient's norm before clipping.

        Args:
            gain: scalar with a gradient, higher is better.
            entropy: entropies from ``score``, ``(n, L)``.
        """
        self.optimiser.zero_grad()
        (-gain - self.settings.entropy * entropy.sum(1).mean()).backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.controller.parameters(), self.settings.clip)
        self.optimiser.step()
        return float(norm)

    def facts(self, scores: Scores) -> dict[str, float]:
        """Return numbers for the log: entropy and the probability of every choice by position, means over strings."""
        entropy, probability = scores.entropy.detach().mean(0), scores.logs.detach().exp().mean(0)
        numbers = {"entropy": float(entropy.sum())}
        for index, position in enumerate(self.space.shape.positions):
            start, size = self.space.offset(position.kind), len(self.space.choices(position))
            if size > 1:
                position_name = position.name.replace(" ", "_")  # as TensorBoard writes it
                numbers[f"entropy/{position_name}"] = float(entropy[index])
                for token in range(start, start + size):
                    name = f"probability/{position_name}/{self.space.names[token].replace(' ', '_')}"
                    numbers[name] = round(float(probability[index, token]), 5)
        return numbers

    def state(self) -> dict[str, Any]:
        """Return the state: weights and optimiser."""
        return {"controller": self.controller.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        self.controller.load_state_dict(state["controller"])
        self.optimiser.load_state_dict(state["optimiser"])
