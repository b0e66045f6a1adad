"""Who decides what to try next: ``ask(n)`` and ``tell(proposals, rewards)``, and the proposer that learns nothing.

A proposer owns all of its state, random generator included, and hands it over as bytes. Not here: the learning ones
(``reinforce``).
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from grammar.expression import Expression
from grammar.space import Space


@dataclass(frozen=True)
class Proposal:
    """One candidate.

    Args:
        tokens: its string in the space.
        expression: what the string stands for.
    """

    tokens: tuple[int, ...]
    expression: Expression


class Proposer(ABC):
    """Proposes expressions of a space and may learn from their rewards.

    Args:
        space: what may be proposed.
        seed: of every draw.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.generator = torch.Generator().manual_seed(seed)

    def ask(self, count: int) -> list[Proposal]:
        """Return ``count`` legal proposals; repeats are possible."""
        strings = [tuple(row) for row in self.sample(count).tolist()]
        return [Proposal(tokens, self.space.decode(tokens)) for tokens in strings]

    @abstractmethod
    def sample(self, count: int) -> Tensor:
        """Return ``(count, L) int64`` legal tokens."""

    @abstractmethod
    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> dict[str, float]:
        """Learn from rewards (higher is better); return numbers for the log, by the names of the README's glossary."""

    def state(self) -> dict[str, Any]:
        """Return everything that the next ``ask`` and ``tell`` depend on."""
        return {"generator": self.generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self.generator.set_state(state["generator"])

    def to_bytes(self) -> bytes:
        """Return the state for the store."""
        buffer = io.BytesIO()
        torch.save(self.state(), buffer)
        return buffer.getvalue()

    def from_bytes(self, saved: bytes) -> None:
        """Take over a stored state; only tensors and plain values are read, never code."""
        self.restore(torch.load(io.BytesIO(saved), weights_only=True))


class RandomProposer(Proposer):
    """Draws every token evenly from the legal ones: the yardstick."""

    def sample(self, count: int) -> Tensor:
        """Return uniform legal tokens."""
        tokens = torch.empty(count, 0, dtype=torch.int64)
        for _ in range(self.space.length):
            legal = self.space.mask(tokens).float()
            tokens = torch.cat([tokens, torch.multinomial(legal, 1, generator=self.generator)], dim=1)
        return tokens

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> dict[str, float]:
        """Learn nothing."""
        return {}
