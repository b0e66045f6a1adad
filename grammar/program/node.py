"""One operation of a function's graph, and how graphs are built.

What torch computes in one call (gelu) is here made of operations that every stack has. Equal parts are one node, so
nothing is written twice. Not here: where a graph comes from (``reading``), slopes (``derivative``), text (``writing``).
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from scipy import special

OPERATIONS = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "neg": 1, "pow": 2, "abs": 1, "sign": 1, "exp": 1, "expm1": 1, "log": 1,
    "log1p": 1, "sqrt": 1, "sin": 1, "cos": 1, "sinh": 1, "cosh": 1, "tanh": 1, "asinh": 1, "root": 1, "atan": 1,
    "erf": 1, "erfc": 1, "i0e": 1, "i1e": 1, "sigmoid": 1, "softplus": 1, "relu": 1, "max": 2, "min": 2, "hold": 2,
    "clip": 3, "signed": 2, "less": 2, "most": 2, "select": 3, "stop": 1,
}  # fmt: skip
"""Name -> number of arguments. Those whose names do not say it:

``sign(a)``: 1, 0 or -1. ``pow(a, b)``: a^b, a positive. ``i0e``, ``i1e``: exp(-abs(a)) I0(a), I1(a).
``root(a)``: sqrt(1 + a^2), also where a^2 overflows. ``max(a, b)``, ``min(a, b)``: of equals the first, which gets the
slope; not a number if one is none.
``hold(a, least)``: abs(a), but never under least. ``clip(a, low, high)``: a between both. ``relu``: slope 0 at 0.
``signed(a, b)``: abs(a) with the sign of b, -0 being negative. ``less(a, b)``: a < b. ``most(a, b)``: a <= b.
``select(c, a, b)``: a where c holds, else b. ``stop(a)``: a, without a slope.
"""
LEAVES = ("x", "beta")
"""The input and the trainable scalar."""


@dataclass(frozen=True, eq=False)
class Node:
    """An operation on others; made by ``op`` and ``number``, which make each but once, so that equal ones are one.

    Args:
        name: of ``OPERATIONS``, of ``LEAVES``, or ``number``.
        arguments: what it is done to.
        value: of a number.
    """

    name: str
    arguments: tuple["Node", ...] = ()
    value: float = 0.0

    def __post_init__(self) -> None:
        """Hold the number of arguments."""
        if len(self.arguments) != OPERATIONS.get(self.name, 0):
            raise ValueError(f"'{self.name}' takes {OPERATIONS.get(self.name, 0)} argument(s)")

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return self.name == "number"


_KNOWN: "WeakValueDictionary[tuple[object, ...], Node]" = WeakValueDictionary()


def _one(name: str, arguments: tuple[Node, ...], value: float = 0.0) -> Node:
    key = (name, *arguments, str(value))
    found = _KNOWN.get(key)
    if found is None:
        found = _KNOWN[key] = Node(name, arguments, value)
    return found


def number(value: float) -> Node:
    """Return a number."""
    return _one("number", (), float(value))


X, BETA = (_one(name, ()) for name in LEAVES)
ZERO, ONE = number(0), number(1)


def op(name: str, *arguments: Node | float) -> Node:
    """Return an operation on nodes and numbers; of numbers alone, their result."""
    nodes = tuple(part if isinstance(part, Node) else number(part) for part in arguments)
    if name in _OF_NUMBERS and all(node.is_number for node in nodes):
        try:
            found = _OF_NUMBERS[name](*(node.value for node in nodes))
        except (ValueError, ArithmeticError):
            found = math.nan
        if math.isfinite(found):
            return number(found)
    if name == "select" and nodes[0].name in _ORDERS and all(node.is_number for node in nodes[0].arguments):
        return nodes[1 if _ORDERS[nodes[0].name](*(node.value for node in nodes[0].arguments)) else 2]
    return _one(name, nodes)


_ORDERS = {"less": operator.lt, "most": operator.le}
_OF_NUMBERS: Mapping[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in (
        "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "asinh", "atan", "erf", "erfc"
    )},
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg,
    "pow": math.pow, "abs": abs, "sign": lambda a: (a > 0) - (a < 0), "root": lambda a: math.hypot(1, a),
    "sigmoid": lambda a: 0.5 + 0.5 * math.tanh(a / 2), "softplus": lambda a: max(a, 0) + math.log1p(math.exp(-abs(a))),
    "relu": lambda a: max(a, 0.0), "max": max, "min": min, "hold": lambda a, least: max(abs(a), least),
    "clip": lambda a, low, high: min(max(a, low), high), "signed": math.copysign, "stop": float,
    "i0e": lambda a: _bessel("i0e", a), "i1e": lambda a: _bessel("i1e", a),
}  # fmt: skip


def _bessel(name: str, a: float) -> float:
    return float(getattr(special, name)(a))


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
    """Return the product of two slopes: without what is known to be 0 or 1."""
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
    if node.name == "mul" and (found := _cases(node.arguments[0])):
        factor = node.arguments[1]
        return found[0], times(found[1], factor), times(found[2], factor)
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
