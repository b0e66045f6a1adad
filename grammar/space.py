"""The search space: primitives in the positions of a shape, within constraints; and tokens <-> expression.

One vocabulary of tokens holds inputs, then unary, then binary primitives. The mask allows a token only if the string
can still be completed legally. Not here: the comparison of behaviour (``fingerprint``), and the counts of a space
(``census``).
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

REMEMBERED = 20_000  # strings that a space keeps
_BITS = 60  # random bits in one draw
Values = tuple[Hashable, ...]  # summary of one register by each constraint


class NotInSpace(ValueError):
    """This space does not contain the expression; the message says why."""


class EmptySpace(UserFault):
    """The space contains no expression at all."""


@dataclass(frozen=True)
class Space:
    """A set of expressions as strings of tokens.

    Args:
        shape: sequence of choices.
        unary: primitives for the unary positions; one of arity 0 ignores its argument.
        binary: primitives for the binary positions.
        constraints: conditions that every expression must meet.

    Raises:
        EmptySpace: a position of the shape has no primitive, or no string meets the constraints.
    """

    shape: Shape
    unary: tuple[Primitive, ...]
    binary: tuple[Primitive, ...]
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        """Check that the space is not empty."""
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
        """Every primitive of the space."""
        return (*self.unary, *self.binary)

    @property
    def length(self) -> int:
        """Number of tokens in a string."""
        return len(self.shape.positions)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The meaning of each token: an input or a primitive."""
        inputs = max([1, *(len(p.reads) for p in self.shape.positions if p.kind is Kind.INPUT)])
        return ("x", *(f"output {i}" for i in range(1, inputs)), *(row.name for row in self.primitives))

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return len(self.names)

    def offset(self, kind: Kind) -> int:
        """Return the first token of this kind."""
        if kind is Kind.INPUT:
            return 0
        return self.vocabulary - len(self.binary) - (len(self.unary) if kind is Kind.UNARY else 0)

    def choices(self, position: Position) -> Sequence[int | Primitive]:
        """Return the choices at a position before constraints: registers or primitives."""
        if position.kind is Kind.INPUT:
            return position.reads
        return self.unary if position.kind is Kind.UNARY else self.binary

    def mask(self, prefix: Tensor) -> Tensor:
        """Return which tokens may follow each prefix.

        Args:
            prefix: tokens so far, ``(n, t) int64``.

        Returns:
            Whether each token may follow, ``(n, vocabulary) bool``.
        """
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
        """Return how many legal strings begin with these choices, each an index into ``choices`` of its position."""
        registers: tuple[Values, ...] = (tuple(c.of_input() for c in self.constraints),)
        for choice in chosen:
            after = self._after(registers, choice)
            if after is None:
                return 0
            registers = after
        return self._count_from(registers)

    @cached_property
    def _counts(self) -> dict[tuple[int, tuple[Values | None, ...]], int]:
        """Cache of ``_count_from``."""
        return {}

    @cached_property
    def _strings(self) -> dict[int, tuple[int, ...]]:
        """Cache of ``string``: proposers list small spaces again and again."""
        return {}

    @cached_property
    def _live_registers(self) -> list[set[int]]:
        """Registers that later positions still read, by the number of choices made so far.

        The cache of counts ignores the other registers, which do not change a count.
        """
        live = [{self.length}]
        for number in range(self.length - 1, -1, -1):
            live.append((live[-1] - {number + 1}) | set(self.shape.positions[number].reads))
        return live[::-1]

    def _count_from(self, registers: tuple[Values, ...]) -> int:
        """Return the number of legal completions, given the constraints' summaries of the registers so far."""
        number = len(registers) - 1
        if number == self.length:
            whole = registers[-1]
            return int(all(c.accepts(value) for c, value in zip(self.constraints, whole, strict=True)))
        key = number, tuple(values if i in self._live_registers[number] else None for i, values in enumerate(registers))
        if key not in self._counts:
            options = range(len(self.choices(self.shape.positions[number])))
            after = (self._after(registers, choice) for choice in options)
            self._counts[key] = sum(self._count_from(later) for later in after if later is not None)
        return self._counts[key]

    def _after(self, registers: tuple[Values, ...], choice: int) -> tuple[Values, ...] | None:
        """Return the registers after one more choice; None if a constraint rejects it."""
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
        """Return tokens as indices into the choices of their positions."""
        return tuple(t - self.offset(p.kind) for t, p in zip(tokens, self.shape.positions, strict=False))

    def tokens(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """Return choices, one index per position, as tokens."""
        return tuple(c + self.offset(p.kind) for c, p in zip(chosen, self.shape.positions, strict=True))

    def is_legal(self, tokens: Sequence[int]) -> bool:
        """Return whether these tokens are a legal string of the space."""
        chosen = self._choices_of(tokens)
        sizes = [len(self.choices(position)) for position in self.shape.positions]
        in_range = len(tokens) == self.length and all(0 <= c < n for c, n in zip(chosen, sizes, strict=True))
        return in_range and (not self.constraints or self.count(chosen) > 0)

    def decode(self, tokens: Sequence[int]) -> Expression:
        """Return the expression that a string encodes.

        Raises:
            ValueError: the string is not legal in this space.
        """
        if not self.is_legal(tokens):
            raise ValueError(f"tokens {tuple(tokens)} are not a string of this space")
        chosen = self._choices_of(tokens)
        registers = [X]
        for position, choice in zip(self.shape.positions, chosen, strict=True):
            option = self.choices(position)[choice]
            parts = (registers[register] for register in position.reads)
            registers.append(apply(option, *parts) if isinstance(option, Primitive) else registers[option])
        return registers[-1]

    def string(self, number: int) -> tuple[int, ...]:
        """Return the legal string with this number; a uniform number gives a uniform string.

        Args:
            number: index from 0 to ``count(()) - 1``.

        Raises:
            ValueError: the number is outside this range.
        """
        if not 0 <= number < self.count(()):
            raise ValueError(f"string {number}: this space has the strings 0 to {self.count(()) - 1}")
        if number in self._strings:
            return self._strings[number]
        chosen: tuple[int, ...] = ()
        left = number
        for position in self.shape.positions:
            for choice in range(len(self.choices(position))):
                strings = self.count((*chosen, choice))
                if left < strings:
                    chosen = (*chosen, choice)
                    break
                left -= strings
        if len(self._strings) < REMEMBERED:
            self._strings[number] = self.tokens(chosen)
        return self.tokens(chosen)

    def draw(self, generator: torch.Generator) -> tuple[int, ...]:
        """Draw uniformly from the legal strings, however many there are."""
        strings, number = self.count(()), 0
        for _ in range(strings.bit_length() // _BITS + 2):  # spare bits keep the remainder close to uniform
            number = number << _BITS | int(torch.randint(1 << _BITS, (), generator=generator))
        return self.string(number % strings)

    def encode(self, expression: Expression) -> tuple[int, ...]:
        """Return a string that decodes to this expression.

        Raises:
            NotInSpace: no string of this space does.
        """
        chosen = self._fit(self.length, {self.length: expression})
        if chosen is None:
            raise NotInSpace(f"'{expression}' cannot be written as {self.shape.text} over: {' '.join(self.names)}")
        return self.tokens(chosen)

    def _fit(self, number: int, targets: dict[int, Expression]) -> tuple[int, ...] | None:
        """Return choices that give the registers their targets; None if there are none.

        Args:
            number: number of positions to choose for, from the first.
            targets: register -> the expression that it must hold.
        """
        if number == 0:
            return () if targets.get(0, X) == X else None
        position, target = self.shape.positions[number - 1], targets.get(number)
        rest = {register: part for register, part in targets.items() if register != number}
        for choice, option in enumerate(self.choices(position)):
            needs = {} if target is None else _needs(option, position, target)
            if needs is None or any(rest.get(register, part) != part for register, part in needs.items()):
                continue
            before = self._fit(number - 1, rest | needs)
            if before is not None and (not self.constraints or self.count((*before, choice))):
                return (*before, choice)
            if target is None and before is None:
                return None  # no other choice in an unused position helps the positions before it
        return None


def _needs(option: int | Primitive, position: Position, target: Expression) -> dict[int, Expression] | None:
    """Return register -> the expression it must hold for this choice to give the target; None if it cannot."""
    if not isinstance(option, Primitive):
        return {option: target}
    if option.name == IDENTITY:
        return {position.reads[0]: target}
    if target.primitive != option:
        return None
    needs: dict[int, Expression] = {}
    for register, part in zip(position.reads, target.arguments, strict=False):
        if needs.setdefault(register, part) != part:
            return None
    return needs
