"""Constraints on expressions, each small and named; a space turns them into masks for sampling.

A constraint summarises every sub-expression in a small value. It accepts or rejects a node by the summaries of its
arguments, and so can judge an incomplete string. Not here: the masks (``space``).
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
"""Pairs of primitives that are inverse to each other; a single name is its own inverse."""

PERIODIC = frozenset({"sin", "cos", "sinc"})


class Constraint(ABC):
    """One condition on expressions."""

    name: str

    @abstractmethod
    def of_input(self) -> Hashable:
        """Return the summary of x."""

    @abstractmethod
    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Return the summary of a node, or None to reject it.

        Args:
            row: primitive of the node.
            parts: summary of each argument.
        """

    def accepts(self, whole: Hashable) -> bool:
        """Return whether a complete expression with this summary is allowed."""
        return True


@dataclass(frozen=True)
class ContainsInput(Constraint):
    """The expression contains x."""

    name = "contains_input"

    def of_input(self) -> Hashable:
        """Return True: x contains x."""
        return True

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Return whether an argument contains x."""
        return any(parts)

    def accepts(self, whole: Hashable) -> bool:
        """Return whether the expression contains x."""
        return bool(whole)


@dataclass(frozen=True)
class NoInversePair(Constraint):
    """No primitive is applied directly to its inverse, such as log to exp."""

    name = "no_inverse_pair"

    def of_input(self) -> Hashable:
        """Return no name: x has no inverse."""
        return ""

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Return the name of the primitive; reject its inverse as an argument."""
        if any(frozenset({row.name, part}) in INVERSE_PAIRS for part in parts):
            return None
        return row.name


@dataclass(frozen=True)
class NoNestedPeriodic(Constraint):
    """No periodic primitive contains another periodic primitive."""

    name = "no_nested_periodic"

    def of_input(self) -> Hashable:
        """Return False: x is not periodic."""
        return False

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Return whether the node contains a periodic primitive; reject one inside another."""
        if row.name in PERIODIC and any(parts):
            return None
        return row.name in PERIODIC or any(parts)


@dataclass(frozen=True)
class AtMostBetas(Constraint):
    """At most ``limit`` nodes read a trainable scalar."""

    limit: int
    name = "most_betas"

    def of_input(self) -> Hashable:
        """Return 0: x reads no trainable scalar."""
        return 0

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Return the number of nodes that read a trainable scalar; reject more than ``limit``."""
        count = _sum(parts) + bool(row.reads)
        return count if count <= self.limit else None


@dataclass(frozen=True)
class AtMostSize(Constraint):
    """The tree has at most ``limit`` nodes, leaves included."""

    limit: int
    name = "largest_size"

    def of_input(self) -> Hashable:
        """Return 1: x is one node."""
        return 1

    def of_node(self, row: Primitive, parts: tuple[Hashable, ...]) -> Hashable | None:
        """Return the number of nodes; reject more than ``limit``."""
        size = _sum(parts) + 1
        return size if size <= self.limit else None


def _sum(parts: tuple[Hashable, ...]) -> int:
    return sum(part for part in parts if isinstance(part, int))
