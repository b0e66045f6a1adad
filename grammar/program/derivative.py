"""Symbolic derivative of a graph, as a graph: reverse mode, with the choices of automatic differentiation at kinks.

In forward mode, 0 times two large slopes would become 0 times infinity. Not here: the table of rules (``operations``).
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
    """Return a rule for one argument: the slope times ``factor(argument, value)``."""
    return lambda node, slope: (times(slope, factor(node.arguments[0], node)),)


def by_quotient(divisor: Callable[[Node, Node], Node]) -> Rule:
    """Return a rule for one argument: the slope divided by ``divisor(argument, value)``."""
    return lambda node, slope: (op("div", slope, divisor(node.arguments[0], node)),)


def square(a: Node) -> Node:
    """Return a^2."""
    return op("mul", a, a)


def gauss(a: Node) -> Node:
    """Return the slope of erf, 2 / sqrt(pi) exp(-a^2)."""
    return op("mul", 2 / math.sqrt(math.pi), op("exp", op("neg", square(a))))


def of_mul(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slopes of a b: slope b, slope a."""
    a, b = node.arguments
    return times(slope, b), times(slope, a)


def of_div(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slopes of a / b: slope / b, -slope (a / b) / b."""
    _, b = node.arguments
    return op("div", slope, b), op("neg", times(slope, op("div", node, b)))


def of_pow(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slopes of a^b: slope b a^(b - 1), slope a^b log(a)."""
    a, b = node.arguments
    first = times(slope, op("mul", b, op("pow", a, op("sub", b, 1))))
    return first, ZERO if b.is_number else times(slope, op("mul", node, op("log", a)))


def of_i1e(a: Node, value: Node) -> Node:
    """Return the slope of exp(-abs(a)) I1(a), which is 1/2 at 0."""
    inside = op("sub", op("i0e", a), op("mul", value, op("add", op("sign", a), op("div", 1, a))))
    return op("select", op("most", op("abs", a), 1e-30), 0.5, inside)


def of_extreme(*, larger: bool) -> Rule:
    """Return the rule of max or min; of equal arguments, the first gets the slope."""

    def rule(node: Node, slope: Node) -> tuple[Node, ...]:
        a, b = node.arguments
        second = op("less", a, b) if larger else op("less", b, a)
        return chosen(second, ZERO, slope), chosen(second, slope, ZERO)

    return rule


def of_relu(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slope of relu(a): the slope where a is positive, else 0."""
    return (chosen(op("most", node.arguments[0], 0), ZERO, slope),)


def of_hold(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slopes of hold(a, least): that of abs(a) above ``least``, else 0."""
    a, least = node.arguments
    return chosen(op("most", op("abs", a), least), ZERO, times(slope, op("sign", a))), ZERO


def of_clip(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slopes of clip(a, low, high): the slope between the bounds, else 0."""
    a, low, high = node.arguments
    return chosen(op("most", a, low), ZERO, chosen(op("most", high, a), ZERO, slope)), ZERO, ZERO


def of_signed(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slopes of signed(a, b): the slope with the sign of b (and of a, unless a is held); 0 for b."""
    a, b = node.arguments
    sign = op("signed", ONE, b)
    return times(slope, sign if a.name == "hold" else op("mul", sign, op("sign", a))), ZERO


def of_select(node: Node, slope: Node) -> tuple[Node, ...]:
    """Return the slopes of select(c, a, b): the slope for the selected argument, 0 for the others."""
    condition = node.arguments[0]
    return ZERO, chosen(condition, slope, ZERO), chosen(condition, ZERO, slope)


def derivative(root: Node, by: Node) -> Node:
    """Return the derivative of a graph.

    Args:
        root: graph to differentiate.
        by: leaf to differentiate by.
    """
    order = [*parts(root)]
    moving = {by}  # nodes whose value depends on the leaf
    for node in order:
        if any(argument in moving for argument in node.arguments):
            moving.add(node)
    slopes = {root: ONE}
    for node in reversed(order):
        if node not in slopes or node not in moving or not node.arguments:
            continue
        rule = OPERATIONS[node.name].slope
        assert rule is not None, f"'{node.name}' has no slope: its graph was not made of the operations that have one"
        for argument, slope in zip(node.arguments, rule(node, slopes[node]), strict=True):
            if argument in moving:
                slopes[argument] = plus(slopes.get(argument, ZERO), slope)
    return slopes.get(by, number(0)) if by in order else ZERO
