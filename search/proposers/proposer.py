"""Who decides what to try next: ``ask(n)`` and ``tell(proposals, rewards)``, and the state in which it may be left.

Not here: what those that draw strings have in common (``drawing``), and each of them (the modules beside).
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from actsearch.grammar.expression import Expression

Tokens = tuple[int, ...]
Metrics = dict[str, float]  # by the names of the README's glossary
Describe = Callable[[Expression], Sequence[float]]
"""What is known of a function without training it: always as many finite numbers, the first one higher for the more
promising."""


@dataclass(frozen=True)
class Proposal:
    """One candidate.

    Args:
        tokens: its string in the space.
        expression: what the string stands for.
    """

    tokens: Tokens
    expression: Expression


class Proposer(Protocol):
    """Proposes expressions of a space, each behaviour once, and may learn from their rewards.

    It owns all of its state, random generator included.
    """

    def ask(self, count: int) -> list[Proposal]:
        """Return ``count`` legal proposals whose behaviours were never asked for; fewer when no more are left."""

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn from rewards (higher is better); return numbers for the log.

        Tells may come late, in any order, and for what was never asked for. What was told before is passed over, and a
        reward that is no number counts as 0, as a failure does.

        Raises:
            ValueError: there is not one reward for each proposal.
        """

    def state(self) -> dict[str, Any]:
        """Return everything that the next ``ask`` and ``tell`` depend on: tensors and plain values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""


def to_bytes(proposer: Proposer) -> bytes:
    """Return a proposer's state for the store."""
    buffer = io.BytesIO()
    torch.save(proposer.state(), buffer)
    return buffer.getvalue()


def from_bytes(proposer: Proposer, saved: bytes) -> None:
    """Give a proposer a stored state; only tensors and plain values are read, never code."""
    proposer.restore(torch.load(io.BytesIO(saved), weights_only=True))
