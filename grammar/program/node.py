"""One operation applied to others, and how such graphs are built.

Equal nodes are one object, so nothing is written twice. Not here: which operations there are (``operations``), slopes
(``derivative``), text (``writing``).
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
"""(a node, the slope of what comes behind it) -> the slope that each argument gets."""


@dataclass(frozen=True)
class Operation:
    """What an operation is: one row of the table.

    An operation that every language has, or is given by a helper, has a slope; every other one is made of those.

    Args:
        arity: number of arguments.
        torch: the path of torch's function, ``torch.exp``; empty where it is an operator, or torch has none.
        numbers: the result of numbers, where a graph may be shortened by it.
        slope: the rule of its derivative.
        made_of: builds it from its arguments out of other operations; arguments with a default may be left out, and
            have torch's names.
    """

    arity: int
    torch: str = ""
    numbers: Callable[..., float] | None = None
    slope: Rule | None = None
    made_of: Build | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The arguments' names, for whoever passes them by name."""
        return () if self.made_of is None else tuple(inspect.signature(self.made_of).parameters)

    @cached_property
    def least(self) -> int:
        """The fewest arguments."""
        if self.made_of is None:
            return self.arity
        parameters = inspect.signature(self.made_of).parameters.values()
        return sum(one.default is one.empty for one in parameters)


OPERATIONS: dict[str, Operation] = {}
"""Name -> operation; filled by ``operations``, which the package imports."""


@dataclass(frozen=True, eq=False)
class Node:
    """An operation on other nodes; ``op``, ``number`` and ``leaf`` make each but once, so that equal ones are one.

    Args:
        name: of ``OPERATIONS``, ``number``, ``leaf``, or ``opaque``: torch code that no operation stands for.
        arguments: of the operation.
        value: of a number.
        text: of a leaf its name; of opaque code the code, with the arguments' places ``{0}``, ``{1}``.
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
        """Whether it is a number."""
        return self.name == "number"

    @property
    def is_leaf(self) -> bool:
        """Whether it is an input or a parameter."""
        return self.name == "leaf"


_KNOWN: "WeakValueDictionary[tuple[object, ...], Node]" = WeakValueDictionary()


def _one(name: str, arguments: tuple[Node, ...] = (), value: float = 0.0, text: str = "") -> Node:
    key = (name, *arguments, str(value), text)
    node = _KNOWN.get(key)
    if node is None:
        node = _KNOWN[key] = Node(name, arguments, value, text)
    return node


def number(value: float) -> Node:
    """Return a number."""
    return _one("number", (), float(value))


def leaf(name: str) -> Node:
    """Return an input or a parameter."""
    return _one("leaf", text=name)


def opaque(text: str, *arguments: Node) -> Node:
    """Return torch code that no operation stands for."""
    return _one("opaque", arguments, text=text)


ZERO, ONE = number(0), number(1)
_ORDERS = {"less": operator.lt, "most": operator.le}


def op(name: str, *arguments: Node | float) -> Node:
    """Return an operation on nodes and numbers; of numbers alone, their result."""
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
    return _one(name, nodes)


def plus(a: Node, b: Node) -> Node:
    """Return the sum of two slopes: without what is known to be 0."""
    if a == ZERO:
        return b
    if b == ZERO:
        return a
    one, other = _cases(a), _cases(b)
    if one and other and one[0] is other[0]:
        return chosen(one[0], plus(one[1], other[1]), plus(one[2], other[2]))
    return op("add", a, b)


def times(a: Node, b: Node) -> Node:
    """Return the product of two nodes: without what is known to be 0 or 1."""
    if ZERO in (a, b):
        return ZERO
    if a == ONE:
        return b
    return a if b == ONE else op("mul", a, b)


def _cases(node: Node) -> tuple[Node, Node, Node] | None:
    """Return condition and both values of what is 0 in one case, also when it was multiplied."""
    if node.name == "select" and ZERO in node.arguments[1:]:
        condition, a, b = node.arguments
        return condition, a, b
    if node.name == "mul" and (case := _cases(node.arguments[0])):
        factor = node.arguments[1]
        return case[0], times(case[1], factor), times(case[2], factor)
    return None


def chosen(condition: Node, a: Node, b: Node) -> Node:
    """Return one of two slopes."""
    return a if a == b else op("select", condition, a, b)


def parts(*roots: Node) -> Iterator[Node]:
    """Yield every distinct node below some, arguments before what uses them."""
    seen: set[Node] = set()

    def walk(node: Node) -> Iterator[Node]:
        if node not in seen:
            seen.add(node)
            for argument in node.arguments:
                yield from walk(argument)
            yield node

    for root in roots:
        yield from walk(root)
