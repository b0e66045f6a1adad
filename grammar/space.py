"""Which expressions may be written: primitives in a shape; tokens <-> expression, and the mask of legal next tokens.

All kinds share one vocabulary of tokens, inputs first, then unary, then binary rows; the mask leaves only what is legal
at a position. Not here: how behaviour is compared (``fingerprint``).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from grammar.expression import Expression
from grammar.primitive import Primitive
from grammar.shape import CoreUnits, Kind


@dataclass(frozen=True)
class Space:
    """A set of expressions as strings of tokens.

    Args:
        shape: what is chosen in which order, over which rows.
    """

    shape: CoreUnits

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """Every row of the space."""
        return (*self.shape.unary, *self.shape.binary)

    @property
    def length(self) -> int:
        """Tokens a string."""
        return len(self.shape.positions)

    @cached_property
    def _offsets(self) -> dict[Kind, int]:
        inputs = max(p.choices for p in self.shape.positions if p.kind is Kind.INPUT)
        return {Kind.INPUT: 0, Kind.UNARY: inputs, Kind.BINARY: inputs + len(self.shape.unary)}

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self._offsets[Kind.BINARY] + len(self.shape.binary)

    @property
    def names(self) -> tuple[str, ...]:
        """What each token stands for."""
        inputs = [f"output {i}" if i else "x" for i in range(self._offsets[Kind.UNARY])]
        return (*inputs, *(row.name for row in self.primitives))

    def mask(self, prefix: Tensor) -> Tensor:
        """Return which tokens may follow: ``(n, t) int64`` -> ``(n, vocabulary) bool``."""
        position = self.shape.positions[prefix.shape[1]]
        legal = torch.zeros(len(prefix), self.vocabulary, dtype=torch.bool)
        start = self._offsets[position.kind]
        legal[:, start : start + position.choices] = True
        return legal

    def decode(self, tokens: tuple[int, ...]) -> Expression:
        """Return the expression of one string.

        Raises:
            ValueError: the string is not legal in this space.
        """
        positions = self.shape.positions
        choices = tuple(token - self._offsets[p.kind] for token, p in zip(tokens, positions, strict=True))
        if not all(0 <= choice < p.choices for choice, p in zip(choices, positions, strict=True)):
            raise ValueError(f"tokens {tokens} are not a string of this space")
        return self.shape.decode(choices)

    def encode(self, expression: Expression) -> tuple[int, ...]:
        """Return a string whose expression this is.

        Raises:
            NotInShape: there is none.
        """
        choices = self.shape.encode(expression)
        return tuple(c + self._offsets[p.kind] for c, p in zip(choices, self.shape.positions, strict=True))
