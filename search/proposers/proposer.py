"""The protocol of a proposer: ``ask(n)`` and ``tell(proposals, rewards)``, and a state that can be saved and loaded.

Not here: the base of proposers that draw strings (``drawing``), and the proposers themselves (``registry``).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from actsearch.grammar.expression import Expression

Tokens = tuple[int, ...]
Metrics = dict[str, float]  # name -> number; the README's glossary has the names


@dataclass(frozen=True)
class Proposal:
    """One candidate.

    Args:
        tokens: string of the candidate in the space.
        expression: expression that the string encodes.
    """

    tokens: Tokens
    expression: Expression


class Proposer(Protocol):
    """A source of candidates: it proposes each behaviour of a space once, and may learn from the rewards.

    It owns all of its state, its random generator included.
    """

    def ask(self, count: int) -> list[Proposal]:
        """Return ``count`` legal proposals of behaviours never proposed before; fewer when no more are left."""

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn from rewards (higher is better); return numbers for the log.

        Calls may come late, in any order, and with proposals from elsewhere. A proposal that already had a reward is
        skipped. A reward that is no finite number counts as 0, like a failure.

        Raises:
            ValueError: proposals and rewards differ in number.
        """

    def state(self) -> dict[str, Any]:
        """Return all that the next ``ask`` and ``tell`` depend on, as tensors and plain values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""


def to_bytes(proposer: Proposer) -> bytes:
    """Return a proposer's state as bytes for the store."""
    buffer = io.BytesIO()
    torch.save(proposer.state(), buffer)
    return buffer.getvalue()


def from_bytes(proposer: Proposer, saved: bytes) -> None:
    """Load a stored state into a proposer; torch reads tensors and plain values only, never code."""
    proposer.restore(torch.load(io.BytesIO(saved), weights_only=True))
