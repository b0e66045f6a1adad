"""The proposers that learn nothing: ``random``, the yardstick, and ``exhaustive``, which tries every string."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from actsearch.grammar.space import Space
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens


class RandomProposer(DrawingProposer):
    """A proposer that draws every token uniformly from the legal ones."""

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield uniform legal tokens."""
        while True:
            yield from uniform(self.space, count, self.generator)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn nothing."""
        return {}


def uniform(space: Space, count: int, generator: torch.Generator) -> list[Tokens]:
    """Draw strings; every token is uniform over the legal ones."""
    tokens = torch.empty(count, 0, dtype=torch.int64)
    for _ in range(space.length):
        legal = space.mask(tokens).float()
        tokens = torch.cat([tokens, torch.multinomial(legal, 1, generator=generator)], dim=1)
    return [tuple(row) for row in tokens.tolist()]


class ExhaustiveProposer(DrawingProposer):
    """A walk over every string of the space, once each, in leaps: an unfinished walk is a fair sample of the space."""

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        self.strings = space.count(())
        self.position = 0
        first, leap = (int(torch.randint(2**62, (), generator=self.generator)) % self.strings for _ in range(2))
        while math.gcd(leap, self.strings) != 1:  # coprime: the walk visits every string before it returns
            leap += 1
        self.first, self.leap = first, leap

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield the strings that the walk has not visited yet."""
        while self.position < self.strings:
            index = (self.first + self.position * self.leap) % self.strings
            self.position += 1
            yield self.space.string(index)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn nothing."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return the state, with the position of the walk."""
        return {**super().state(), "walk": [self.position, self.first, self.leap]}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        super().restore(state)
        self.position, self.first, self.leap = state["walk"]
