"""Regularised evolution (Real et al. 2019): mutate the best of a few members, and drop the oldest, however good.

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
    """Sizes of the population. Real et al. 2019, section 3, use 100 and 25 for tens of thousands of children.

    Args:
        population: number of members, the latest outcomes; the search begins with as many random strings.
        tournament: number of members drawn to choose a parent from.
    """

    population: Annotated[int, Field(ge=1)] = 50
    tournament: Annotated[int, Field(ge=1)] = 15


class Evolution(DrawingProposer):
    """A population of the latest outcomes: a mutation changes one token of the best of a random few."""

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
            yield self._mutate(parent)

    def _mutate(self, parent: Tokens) -> Tokens:
        """Return a string with one token changed to another legal one; the string itself if no change is legal."""
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
        """Add the new members to the population and drop the oldest."""
        self.living.extend((reward, proposal.tokens) for proposal, reward in zip(proposals, rewards, strict=True))
        best, _ = max(self.living)
        return {"population_mean": sum(reward for reward, _ in self.living) / len(self.living), "population_best": best}

    def state(self) -> dict[str, Any]:
        """Return the state, with the population."""
        return {**super().state(), "living": list(self.living)}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        super().restore(state)
        self.living = deque(state["living"], maxlen=self.settings.population)
