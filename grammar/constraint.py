"""Constraints on expressions, each small and named; a space masks them into the sampling.

A constraint sums up every sub-expression in a small value and refuses a node when it sees the values of its parts, so
that a partly written string can be judged. Not here: how a mask is made of them (``space``).
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass

from actsearch.grammar.primitive import Primitive

INVERSE_PAIRS = frozenset(
    frozenset(pair)
    for pair in (
        ("exp", "logabs"),
        ("square", "sqrt"),
        ("sinh", "asinh"),
        ("neg",),
        ("reciprocal",),
        ("expm1", "logabs"),
    )
)
"""Rows that undo each other when one is applied to the other; a single name undoes itself."""

PERIODIC = frozenset({"sin", "cos", "sinc"})


class Constraint(ABC):
    """One condition on expressions."""

    name: str

    @abstractmethod
    def of_input(self) -> Hashable:
        """Return the value of x."""

    @abstractmethod
    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Return the value of a row applied to parts, or None to refuse it."""

    def accepts(self, whole: Hashable) -> bool:
        """Return whether a complete expression of that value is allowed."""
        return True


@dataclass(frozen=True)
class ContainsInput(Constraint):
    """x occurs in the expression."""

    name = "contains_input"

    def of_input(self) -> Hashable:
        """X contains itself."""
        return True

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """A row contains x if a part does."""
        return any(parts)

    def accepts(self, whole: Hashable) -> bool:
        """Only what contains x."""
        return bool(whole)


@dataclass(frozen=True)
class NoInversePair(Constraint):
    """No row is applied directly to the row that undoes it, such as log to exp."""

    name = "no_inverse_pair"

    def of_input(self) -> Hashable:
        """X undoes nothing."""
        return ""

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Sum up by the name of the outermost row."""
        if any(frozenset({row.name, part}) in INVERSE_PAIRS for part in parts):
            return None
        return row.name


@dataclass(frozen=True)
class NoNestedPeriodic(Constraint):
    """No periodic function of something that holds a periodic function."""

    name = "no_nested_periodic"

    def of_input(self) -> Hashable:
        """X is not periodic."""
        return False

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Sum up by whether a periodic row is inside."""
        if row.name in PERIODIC and any(parts):
            return None
        return row.name in PERIODIC or any(parts)


@dataclass(frozen=True)
class AtMostBetas(Constraint):
    """Trainable scalars are read at most so often."""

    limit: int
    name = "most_betas"

    def of_input(self) -> Hashable:
        """X holds none."""
        return 0

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Sum up by the number of rows that read one."""
        count = _sum(parts) + bool(row.reads)
        return count if count <= self.limit else None


@dataclass(frozen=True)
class AtMostSize(Constraint):
    """The tree has at most so many nodes, leaves included."""

    limit: int
    name = "largest_size"

    def of_input(self) -> Hashable:
        """X is one node."""
        return 1

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Sum up by the number of nodes."""
        size = _sum(parts) + 1
        return size if size <= self.limit else None


def _sum(parts: tuple[Hashable, ...]) -> int:
    return sum(part for part in parts if isinstance(part, int))
