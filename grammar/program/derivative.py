"""The slope of a graph, as a graph: backwards, the way automatic differentiation does it, with its choices at kinks.

Backwards, since forwards 0 times two large slopes would be 0 times infinity. Not here: which operation has which rule
(``operations``), and what reads a graph.
"""

import math
from collections.abc import Callable

from actsearch.grammar.program.node import (
    ONE,
    OPERATIONS,
    ZERO,
    Node,
    Rule,
    chosen,
    number,
    op,
    parts,
    plus,
    times,
)  # fmt: skip


def by_factor(factor: Callable[[Node, Node], Node]) -> Rule:
    """Return the rule of an operation on one argument: the slope times a factor of the argument and the value."""
    return lambda node, slope: (times(slope, factor(node.arguments[0], node)),)


def by_quotient(divisor: Callable[[Node, Node], Node]) -> Rule:
    """Return the rule of an operation on one argument: the slope by a divisor of the argument and the value."""
    return lambda node, slope: (op("div", slope, divisor(node.arguments[0], node)),)


def square(a: Node) -> Node:
    """Return a^2."""
    return op("mul", a, a)


def gauss(a: Node) -> Node:
    """Return the slope of erf, 2 / sqrt(pi) exp(-a^2)."""
    return op("mul", 2 / math.sqrt(math.pi), op("exp", op("neg", square(a))))


def of_mul(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return slope b, slope a."""
    a, b = node.arguments
    return times(slope, b), times(slope, a)


def of_div(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return slope / b, -slope (a / b) / b."""
    _, b = node.arguments
    return op("div", slope, b), op("neg", times(slope, op("div", node, b)))


def of_pow(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return slope b a^(b - 1), slope a^b log(a)."""
    a, b = node.arguments
    first = times(slope, op("mul", b, op("pow", a, op("sub", b, 1))))
    return first, ZERO if b.is_number else times(slope, op("mul", node, op("log", a)))


def of_i1e(a: Node, value: Node) -> Node:
    """Return the slope of exp(-abs(a)) I1(a), which is 1/2 at 0."""
    inside = op("sub", op("i0e", a), op("mul", value, op("add", op("sign", a), op("div", 1, a))))
    return op("select", op("most", op("abs", a), 1e-30), 0.5, inside)


def of_extreme(*, larger: bool) -> Rule:
    """Return the rule of max or min: of equals the first has the slope."""

    def rule(node: Node, slope: Node) -> tuple[Node, ...]:
        a, b = node.arguments
        second = op("less", a, b) if larger else op("less", b, a)
        return chosen(second, ZERO, slope), chosen(second, slope, ZERO)

    return rule


def of_relu(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slope where a is positive."""
    return (chosen(op("most", node.arguments[0], 0), ZERO, slope),)


def of_hold(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slope of abs(a) where that is not held."""
    a, least = node.arguments
    return chosen(op("most", op("abs", a), least), ZERO, times(slope, op("sign", a))), ZERO


def of_clip(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slope between both ends."""
    a, low, high = node.arguments
    return chosen(op("most", a, low), ZERO, chosen(op("most", high, a), ZERO, slope)), ZERO, ZERO


def of_signed(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slope with the sign that was given."""
    a, b = node.arguments
    sign = op("signed", ONE, b)
    return times(slope, sign if a.name == "hold" else op("mul", sign, op("sign", a))), ZERO


def of_select(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slope to whichever argument is selected."""
    condition = node.arguments[0]
    return ZERO, chosen(condition, slope, ZERO), chosen(condition, ZERO, slope)


def derivative(root: Node, by: Node) -> Node:
    """Return the slope of a graph.

    Args:
        root: the graph.
        by: the leaf with respect to which.
    """
    order = [*parts(root)]
    moving = {by}  # whose value depends on the leaf at all
    for node in order:
        if any(argument in moving for argument in node.arguments):
            moving.add(node)
    slopes = {root: ONE}
    for node in reversed(order):
        if node not in slopes or node not in moving or not node.arguments:
            continue
        rule = OPERATIONS[node.name].slope
        assert rule is not None, f"'{node.name}' has no slope: its graph was not made of the operations that have one"
        for argument, gets in zip(node.arguments, rule(node, slopes[node]), strict=True):
            if argument in moving:
                slopes[argument] = plus(slopes.get(argument, ZERO), gets)
    return slopes.get(by, number(0)) if by in order else ZERO
