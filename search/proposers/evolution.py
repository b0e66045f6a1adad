"""Regularised evolution (Real et al. 2019): mutate the best of a few, and let the oldest die, however good.

Not here: what a string means (``grammar.space``).
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.grammar.space import Space
from actsearch.search.proposers.chance import uniform
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class EvolutionSettings:
    """How the population lives. Real et al. 2019, section 3, use 100 and 25 for tens of thousands of children.

    Args:
        population: how many of the latest outcomes live; as many are drawn at random first.
        tournament: how many are drawn to choose a parent among.
    """

    population: Annotated[int, Field(ge=1)] = 50
    tournament: Annotated[int, Field(ge=1)] = 15


class Evolution(DrawingProposer):
    """A population of the latest outcomes: the best of a random few is the parent, one token is changed."""

    def __init__(self, space: Space, seed: int, settings: EvolutionSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.living: deque[tuple[float, Tokens]] = deque(maxlen=settings.population)  # oldest first

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield random strings until the population is full, then mutations."""
        while len(self.living) < self.settings.population:
            yield from uniform(self.space, count, self.generator)
        while True:
            drawn = torch.randint(len(self.living), (self.settings.tournament,), generator=self.generator)
            _, parent = max(self.living[index] for index in drawn.tolist())
            yield self._mutated(parent)

    def _mutated(self, parent: Tokens) -> Tokens:
        """Change one token to another that is legal there; a string that allows none is returned as it is."""
        for index in torch.randperm(len(parent), generator=self.generator).tolist():
            legal = [
                tokens
                for other in self.space.mask(torch.tensor([parent[:index]], dtype=torch.int64))[0].nonzero().flatten()
                if (tokens := (*parent[:index], int(other), *parent[index + 1 :])) != parent
                and self.space.is_legal(tokens)
            ]
            if legal:
                return legal[int(torch.randint(len(legal), (), generator=self.generator))]
        return parent

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Let the told live, and the oldest die."""
        self.living.extend((reward, proposal.tokens) for proposal, reward in zip(proposals, rewards, strict=True))
        best, _ = max(self.living)
        return {"population_mean": sum(reward for reward, _ in self.living) / len(self.living), "population_best": best}

    def state(self) -> dict[str, Any]:
        """Return who lives, too."""
        return {**super().state(), "living": list(self.living)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        super().restore(state)
        self.living = deque(state["living"], maxlen=self.settings.population)
