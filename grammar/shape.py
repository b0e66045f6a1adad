"""The shapes an expression may have: the order in which its parts are chosen, and how the choices become a tree.

A token is a choice's index in the vocabulary of its kind. Not here: which primitives fill the places (``space``).
"""

from dataclasses import dataclass
from enum import StrEnum

from grammar.expression import IDENTITY, Expression, X, apply
from grammar.primitive import Primitive


class Kind(StrEnum):
    """What is chosen at a position."""

    INPUT = "input"  # 0 is x, k is the output of core unit k
    UNARY = "unary"
    BINARY = "binary"


@dataclass(frozen=True)
class Position:
    """One choice on the way to an expression.

    Args:
        kind: from which vocabulary.
        choices: how many of its first entries may be taken here.
        name: for people, such as ``unit 1 unary 2``.
    """

    kind: Kind
    choices: int
    name: str


class NotInShape(ValueError):
    """The expression cannot be written in this shape with these primitives."""


@dataclass(frozen=True)
class CoreUnits:
    """The shape of 2017: units ``b(u1(i1), u2(i2))`` whose inputs are x or the output of an earlier unit.

    Args:
        units: number of core units, at least 1; the last one's output is the function.
        unary: rows for the unary places; those of arity 0 ignore their input.
        binary: rows for the binary place.

    Source: Ramachandran, Zoph & Le 2017, section 2 and figure 2, which gives the order of choices.
    """

    units: int
    unary: tuple[Primitive, ...]
    binary: tuple[Primitive, ...]

    def __post_init__(self) -> None:
        """At least one unit, and something to fill it with."""
        if self.units < 1:
            raise ValueError(f"units must be at least 1, found {self.units}")
        for kind, rows in (("unary", self.unary), ("binary", self.binary)):
            if not rows:
                raise ValueError(f"the set of primitives has no {kind} one, so no core unit can be written")

    @property
    def positions(self) -> tuple[Position, ...]:
        """Five choices a unit: input 1, input 2, unary 1, unary 2, binary."""
        return tuple(
            position
            for unit in range(1, self.units + 1)
            for position in (
                Position(Kind.INPUT, unit, f"unit {unit} input 1"),
                Position(Kind.INPUT, unit, f"unit {unit} input 2"),
                Position(Kind.UNARY, len(self.unary), f"unit {unit} unary 1"),
                Position(Kind.UNARY, len(self.unary), f"unit {unit} unary 2"),
                Position(Kind.BINARY, len(self.binary), f"unit {unit} binary"),
            )
        )

    def decode(self, choices: tuple[int, ...]) -> Expression:
        """Build the tree that five choices a unit stand for."""
        outputs = [X]
        for start in range(0, 5 * self.units, 5):
            first, second, unary1, unary2, binary = choices[start : start + 5]
            left = apply(self.unary[unary1], outputs[first])
            right = apply(self.unary[unary2], outputs[second])
            outputs.append(apply(self.binary[binary], left, right))
        return outputs[-1]

    def encode(self, expression: Expression) -> tuple[int, ...]:
        """Return choices that decode to the expression; units it does not need repeat the first one.

        Raises:
            NotInShape: it needs more units, other primitives or another form.
        """
        numbers: dict[Expression, int] = {X: 0}
        rows: list[tuple[int, ...]] = []
        self._unit(expression, numbers, rows)
        spare = self.units - len(rows)
        if spare < 0:
            raise NotInShape(f"'{expression}' needs {len(rows)} core units, the space has {self.units}")
        moved = [tuple(i + spare if i else 0 for i in row[:2]) + row[2:] for row in rows]
        return tuple(choice for row in [*rows[:1] * spare, *moved] for choice in row)

    def _unit(self, node: Expression, numbers: dict[Expression, int], rows: list[tuple[int, ...]]) -> int:
        if node in numbers:
            return numbers[node]
        if node.primitive.arity != 2:
            raise NotInShape(f"'{node}' is not x nor a core unit b(u(.),u(.))")
        parts = [self._branch(argument, numbers, rows) for argument in node.arguments]
        (unary1, input1), (unary2, input2) = parts
        rows.append((input1, input2, unary1, unary2, _index(node.primitive, self.binary)))
        numbers[node] = len(rows)
        return numbers[node]

    def _branch(self, node: Expression, numbers: dict[Expression, int], rows: list[tuple[int, ...]]) -> tuple[int, int]:
        if node == X or node.primitive.arity == 2:
            identity = next((row for row in self.unary if row.name == IDENTITY), None)
            if identity is None:
                raise NotInShape(f"'{node}' stands without a unary function, and the set has no '{IDENTITY}'")
            return _index(identity, self.unary), self._unit(node, numbers, rows)
        source = self._unit(node.arguments[0], numbers, rows) if node.arguments else 0
        return _index(node.primitive, self.unary), source


def _index(row: Primitive, rows: tuple[Primitive, ...]) -> int:
    if row not in rows:
        raise NotInShape(f"'{row.name}' is not among: {' '.join(r.name for r in rows)}")
    return rows.index(row)
