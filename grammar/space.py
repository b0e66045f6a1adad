"""Which expressions may be written: rows in the positions of a shape, within constraints; tokens <-> expression.

All kinds share one vocabulary of tokens: inputs first, then unary, then binary rows. The mask leaves only tokens after
which the string can still be finished legally. Not here: how behaviour is compared (``fingerprint``) and what the
space holds in numbers (``census``).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from actsearch.grammar.constraint import Constraint
from actsearch.grammar.expression import IDENTITY, Expression, X, apply
from actsearch.grammar.fault import UserFault
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.shape import Kind, Position, Shape

_BITS = 60  # of one draw
Values = tuple[Hashable, ...]  # of one register, one per constraint


class NotInSpace(ValueError):
    """The expression cannot be written in this space; the message says why."""


class EmptySpace(UserFault):
    """No expression can be written at all."""


@dataclass(frozen=True)
class Space:
    """A set of expressions as strings of tokens.

    Args:
        shape: what is chosen in which order.
        unary: rows for the unary positions; those of arity 0 ignore their argument.
        binary: rows for the binary places.
        constraints: what must hold of every expression.

    Raises:
        EmptySpace: there is no row for a position of the shape, or no string that keeps the constraints.
    """

    shape: Shape
    unary: tuple[Primitive, ...]
    binary: tuple[Primitive, ...]
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        """Something can be written."""
        for kind, rows in ((Kind.UNARY, self.unary), (Kind.BINARY, self.binary)):
            if not rows and any(position.kind is kind for position in self.shape.positions):
                raise EmptySpace(
                    f"shape '{self.shape.text}' has a {kind} position, and the set has no {kind} primitive"
                )
        if not self.count(()):
            names = ", ".join(constraint.name for constraint in self.constraints)
            raise EmptySpace(f"no expression of shape '{self.shape.text}' keeps the constraints: {names}")

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """Every row of the space."""
        return (*self.unary, *self.binary)

    @property
    def length(self) -> int:
        """Tokens a string."""
        return len(self.shape.positions)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each token stands for."""
        inputs = max([1, *(len(p.reads) for p in self.shape.positions if p.kind is Kind.INPUT)])
        return ("x", *(f"output {i}" for i in range(1, inputs)), *(row.name for row in self.primitives))

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return len(self.names)

    def offset(self, kind: Kind) -> int:
        """Return the first token of a kind."""
        if kind is Kind.INPUT:
            return 0
        return self.vocabulary - len(self.binary) - (len(self.unary) if kind is Kind.UNARY else 0)

    def choices(self, position: Position) -> Sequence[int | Primitive]:
        """Return what may be chosen at a position, constraints apart: registers or rows."""
        if position.kind is Kind.INPUT:
            return position.reads
        return self.unary if position.kind is Kind.UNARY else self.binary

    def mask(self, prefix: Tensor) -> Tensor:
        """Return which tokens may follow: ``(n, t) int64`` -> ``(n, vocabulary) bool``."""
        position = self.shape.positions[prefix.shape[1]]
        start, size = self.offset(position.kind), len(self.choices(position))
        legal = torch.zeros(len(prefix), self.vocabulary, dtype=torch.bool)
        if not self.constraints:
            legal[:, start : start + size] = True
            return legal
        prefixes = [self._choices_of(tokens) for tokens in prefix.tolist()]
        rows = {chosen: torch.tensor([self.count((*chosen, i)) > 0 for i in range(size)]) for chosen in set(prefixes)}
        legal[:, start : start + size] = torch.stack([rows[chosen] for chosen in prefixes])
        return legal

    def count(self, chosen: tuple[int, ...]) -> int:
        """Return how many legal strings begin with these choices (each an index among its position's choices)."""
        registers: tuple[Values, ...] = (tuple(c.of_input() for c in self.constraints),)
        for choice in chosen:
            after = self._after(registers, choice)
            if after is None:
                return 0
            registers = after
        return self._count_from(registers)

    @cached_property
    def _counts(self) -> dict[tuple[int, tuple[Values | None, ...]], int]:
        return {}

    @cached_property
    def _needed(self) -> list[set[int]]:
        """Return which registers are still read after so many choices, so that others do not divide equal cases."""
        needed = [{self.length}]
        for number in range(self.length - 1, -1, -1):
            needed.append((needed[-1] - {number + 1}) | set(self.shape.positions[number].reads))
        return needed[::-1]

    def _count_from(self, registers: tuple[Values, ...]) -> int:
        number = len(registers) - 1
        if number == self.length:
            whole = registers[-1]
            return int(all(c.accepts(value) for c, value in zip(self.constraints, whole, strict=True)))
        key = number, tuple(values if i in self._needed[number] else None for i, values in enumerate(registers))
        if key not in self._counts:
            options = range(len(self.choices(self.shape.positions[number])))
            after = (self._after(registers, choice) for choice in options)
            self._counts[key] = sum(self._count_from(found) for found in after if found is not None)
        return self._counts[key]

    def _after(self, registers: tuple[Values, ...], choice: int) -> tuple[Values, ...] | None:
        """Return the constraints' values of every register after one more choice, or None if one refuses it."""
        position = self.shape.positions[len(registers) - 1]
        chosen = self.choices(position)[choice]
        if not isinstance(chosen, Primitive):
            return (*registers, registers[chosen])
        parts = [registers[register] for register in position.reads]
        if chosen.name == IDENTITY:
            return (*registers, parts[0])
        parts = parts[: chosen.arity]
        values: list[Hashable] = []
        for number, constraint in enumerate(self.constraints):
            value = constraint.of_node(chosen, tuple(part[number] for part in parts))
            if value is None:
                return None
            values.append(value)
        return (*registers, tuple(values))

    def _choices_of(self, tokens: Sequence[int]) -> tuple[int, ...]:
        return tuple(t - self.offset(p.kind) for t, p in zip(tokens, self.shape.positions, strict=False))

    def tokens(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """Return the string of one choice a position, each an index among the position's choices."""
        return tuple(c + self.offset(p.kind) for c, p in zip(chosen, self.shape.positions, strict=True))

    def is_legal(self, tokens: Sequence[int]) -> bool:
        """Return whether these tokens are a string of the space."""
        chosen = self._choices_of(tokens)
        sizes = [len(self.choices(position)) for position in self.shape.positions]
        in_range = len(tokens) == self.length and all(0 <= c < n for c, n in zip(chosen, sizes, strict=True))
        return in_range and (not self.constraints or self.count(chosen) > 0)

    def decode(self, tokens: Sequence[int]) -> Expression:
        """Return the expression of one string.

        Raises:
            ValueError: the string is not legal in this space.
        """
        if not self.is_legal(tokens):
            raise ValueError(f"tokens {tuple(tokens)} are not a string of this space")
        chosen = self._choices_of(tokens)
        registers = [X]
        for position, choice in zip(self.shape.positions, chosen, strict=True):
            found = self.choices(position)[choice]
            parts = (registers[register] for register in position.reads)
            registers.append(apply(found, *parts) if isinstance(found, Primitive) else registers[found])
        return registers[-1]

    def string(self, number: int) -> tuple[int, ...]:
        """Return the legal string of this number, from 0 to ``count(()) - 1``: a number drawn evenly draws evenly.

        Raises:
            ValueError: there is no string of this number.
        """
        if not 0 <= number < self.count(()):
            raise ValueError(f"string {number}: this space has the strings 0 to {self.count(()) - 1}")
        chosen: tuple[int, ...] = ()
        for position in self.shape.positions:
            for choice in range(len(self.choices(position))):
                behind = self.count((*chosen, choice))
                if number < behind:
                    chosen = (*chosen, choice)
                    break
                number -= behind
        return self.tokens(chosen)

    def draw(self, generator: torch.Generator) -> tuple[int, ...]:
        """Draw evenly among the legal strings, however many there are."""
        strings, number = self.count(()), 0
        for _ in range(strings.bit_length() // _BITS + 2):  # bits to spare, so that the remainder is even
            number = number << _BITS | int(torch.randint(1 << _BITS, (), generator=generator))
        return self.string(number % strings)

    def encode(self, expression: Expression) -> tuple[int, ...]:
        """Return a string whose expression this is.

        Raises:
            NotInSpace: there is none.
        """
        chosen = self._fit(self.length, {self.length: expression})
        if chosen is None:
            raise NotInSpace(f"'{expression}' cannot be written as {self.shape.text} over: {' '.join(self.names)}")
        return self.tokens(chosen)

    def _fit(self, number: int, wanted: dict[int, Expression]) -> tuple[int, ...] | None:
        """Find choices for the first ``number`` positions that put what is wanted into the registers."""
        if number == 0:
            return () if wanted.get(0, X) == X else None
        position, target = self.shape.positions[number - 1], wanted.get(number)
        rest = {register: part for register, part in wanted.items() if register != number}
        for choice, found in enumerate(self.choices(position)):
            needs = {} if target is None else _needs(found, position, target)
            if needs is None or any(rest.get(register, part) != part for register, part in needs.items()):
                continue
            before = self._fit(number - 1, rest | needs)
            if before is not None and (not self.constraints or self.count((*before, choice))):
                return (*before, choice)
            if target is None and before is None:
                return None  # whatever stands in an unused position, those before it have the same trouble
        return None


def _needs(found: int | Primitive, position: Position, target: Expression) -> dict[int, Expression] | None:
    """Return what the registers must hold so that this choice gives the target, or None if it cannot."""
    if not isinstance(found, Primitive):
        return {found: target}
    if found.name == IDENTITY:
        return {position.reads[0]: target}
    if target.primitive != found:
        return None
    needs: dict[int, Expression] = {}
    for register, part in zip(position.reads, target.arguments, strict=False):
        if needs.setdefault(register, part) != part:
            return None
    return needs
