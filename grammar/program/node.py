"""Graphs of operations: a node is one operation applied to other nodes.

Equal nodes are one object, so that no sub-graph is written twice. Not here: the table of operations (``operations``),
slopes (``derivative``), and text (``writing``).
"""

import inspect
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakValueDictionary

Build = Callable[..., "Node"]
Rule = Callable[["Node", "Node"], tuple["Node", ...]]
"""Slope rule: (node, slope of the result by the node) -> slope of the result by each argument of the node."""


@dataclass(frozen=True)
class Operation:
    """An operation: one row of the table.

    A basic operation has a slope rule; every language has it, or gets a helper. Any other is built from basic ones.

    Args:
        arity: number of arguments.
        torch: path of the torch function, ``torch.exp``; empty for an operator, or if torch has no such function.
        numbers: Python function of numbers, for folding constants; None to forbid folding.
        slope: rule of the derivative; None for an operation built from others.
        made_of: function from the arguments to a graph of other operations; an argument with a default is optional and
            has torch's name.
    """

    arity: int
    torch: str = ""
    numbers: Callable[..., float] | None = None
    slope: Rule | None = None
    made_of: Build | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the arguments, for calls that pass them by keyword."""
        return () if self.made_of is None else tuple(inspect.signature(self.made_of).parameters)

    @cached_property
    def least(self) -> int:
        """Smallest number of arguments."""
        if self.made_of is None:
            return self.arity
        parameters = inspect.signature(self.made_of).parameters.values()
        return sum(one.default is one.empty for one in parameters)


OPERATIONS: dict[str, Operation] = {}
"""Name -> operation. The module ``operations`` fills it; the package imports that module."""


@dataclass(frozen=True, eq=False)
class Node:
    """An operation on other nodes; ``op``, ``number``, ``leaf`` and ``opaque`` create equal nodes only once.

    Args:
        name: name in ``OPERATIONS``; or ``number``, ``leaf``, or ``opaque`` for torch code that no operation describes.
        arguments: arguments of the operation.
        value: value of a number.
        text: name of a leaf; or opaque code, with places ``{0}``, ``{1}`` for its arguments.
    """

    name: str
    arguments: tuple["Node", ...] = ()
    value: float = 0.0
    text: str = ""

    def __post_init__(self) -> None:
        """Check the number of arguments."""
        row = OPERATIONS.get(self.name)
        if row and not row.least <= len(self.arguments) <= row.arity:
            raise ValueError(f"'{self.name}' takes {row.arity} argument(s)")

    @property
    def is_number(self) -> bool:
        """Whether the node is a constant number."""
        return self.name == "number"

    @property
    def is_leaf(self) -> bool:
        """Whether the node is an input or a parameter."""
        return self.name == "leaf"


_KNOWN: "WeakValueDictionary[tuple[object, ...], Node]" = WeakValueDictionary()


def _unique(name: str, arguments: tuple[Node, ...] = (), value: float = 0.0, text: str = "") -> Node:
    """Return the one node with these fields."""
    key = (name, *arguments, str(value), text)
    node = _KNOWN.get(key)
    if node is None:
        node = _KNOWN[key] = Node(name, arguments, value, text)
    return node


def number(value: float) -> Node:
    """Return the node of a constant number."""
    return _unique("number", (), float(value))


def leaf(name: str) -> Node:
    """Return the node of an input or a parameter."""
    return _unique("leaf", text=name)


def opaque(text: str, *arguments: Node) -> Node:
    """Return the node of torch code that no operation describes."""
    return _unique("opaque", arguments, text=text)


ZERO, ONE = number(0), number(1)
_ORDERS = {"less": operator.lt, "most": operator.le}


def op(name: str, *arguments: Node | float) -> Node:
    """Return an operation on nodes and numbers; fold it to a number if all arguments are numbers."""
    nodes = tuple(part if isinstance(part, Node) else number(part) for part in arguments)
    numbers = OPERATIONS[name].numbers
    if numbers is not None and all(node.is_number for node in nodes):
        try:
            result = numbers(*(node.value for node in nodes))
        except (ValueError, ArithmeticError):
            result = math.nan
        if math.isfinite(result):
            return number(result)
    if name == "select" and nodes[0].name in _ORDERS and all(node.is_number for node in nodes[0].arguments):
        return nodes[1 if _ORDERS[nodes[0].name](*(node.value for node in nodes[0].arguments)) else 2]
    return _unique(name, nodes)


def plus(a: Node, b: Node) -> Node:
    """Return the sum of two slopes, leaving out known zeros."""
    if a == ZERO:
        return b
    if b == ZERO:
        return a
    one, other = _cases(a), _cases(b)
    if one and other and one[0] is other[0]:
        return chosen(one[0], plus(one[1], other[1]), plus(one[2], other[2]))
    return op("add", a, b)


def times(a: Node, b: Node) -> Node:
    """Return the product of two nodes, leaving out known zeros and ones."""
    if ZERO in (a, b):
        return ZERO
    if a == ONE:
        return b
    return a if b == ONE else op("mul", a, b)


def _cases(node: Node) -> tuple[Node, Node, Node] | None:
    """Return condition and both values of a selection that is 0 in one case, or of a product with it; else None."""
    if node.name == "select" and ZERO in node.arguments[1:]:
        condition, a, b = node.arguments
        return condition, a, b
    if node.name == "mul" and (case := _cases(node.arguments[0])):
        factor = node.arguments[1]
        return case[0], times(case[1], factor), times(case[2], factor)
    return None


def chosen(condition: Node, a: Node, b: Node) -> Node:
    """Return the selection of one of two slopes by a condition."""
    return a if a == b else op("select", condition, a, b)


def parts(*roots: Node) -> Iterator[Node]:
    """Yield every distinct node of some graphs, arguments before the nodes that use them."""
    seen: set[Node] = set()

    def walk(node: Node) -> Iterator[Node]:
        if node not in seen:
            seen.add(node)
            for argument in node.arguments:
                yield from walk(argument)
            yield node

    for root in roots:
        yield from walk(root)
