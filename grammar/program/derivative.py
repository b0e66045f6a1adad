"""The slope of a graph, as a graph: backwards, the way automatic differentiation does it, with its choices at kinks.

Backwards, since forwards 0 times two large slopes would be 0 times infinity. Not here: what reads a graph.
"""

import math
from collections.abc import Callable, Mapping

from actsearch.grammar.program.node import ONE, ZERO, Node, chosen, number, op, parts, plus, times

Rule = Callable[[Node, Node], tuple[Node, ...]]
"""(the node, the slope of what comes behind) -> the slope that each argument gets."""


def _each(factor: Callable[[Node, Node], Node]) -> Rule:
    """Return the rule of an operation on one argument: the slope times a factor of the argument and the value."""
    return lambda node, slope: (times(slope, factor(node.arguments[0], node)),)


def _square(a: Node) -> Node:
    return op("mul", a, a)


def _gauss(a: Node) -> Node:
    return op("mul", 2 / math.sqrt(math.pi), op("exp", op("neg", _square(a))))


def _mul(node: Node, slope: Node) -> tuple[Node, ...]:
    a, b = node.arguments
    return times(slope, b), times(slope, a)


def _div(node: Node, slope: Node) -> tuple[Node, ...]:
    _, b = node.arguments
    return op("div", slope, b), op("neg", times(slope, op("div", node, b)))


def _pow(node: Node, slope: Node) -> tuple[Node, ...]:
    a, b = node.arguments
    first = times(slope, op("mul", b, op("pow", a, op("sub", b, 1))))
    return first, ZERO if b.is_number else times(slope, op("mul", node, op("log", a)))


def _i1e(a: Node, value: Node) -> Node:
    inside = op("sub", op("i0e", a), op("mul", value, op("add", op("sign", a), op("div", 1, a))))
    return op("select", op("most", op("abs", a), 1e-30), 0.5, inside)


def _extreme(larger: bool) -> Rule:
    def rule(node: Node, slope: Node) -> tuple[Node, ...]:
        a, b = node.arguments
        second = op("less", a, b) if larger else op("less", b, a)
        return chosen(second, ZERO, slope), chosen(second, slope, ZERO)

    return rule


def _hold(node: Node, slope: Node) -> tuple[Node, ...]:
    a, least = node.arguments
    return chosen(op("most", op("abs", a), least), ZERO, times(slope, op("sign", a))), ZERO


def _clip(node: Node, slope: Node) -> tuple[Node, ...]:
    a, low, high = node.arguments
    return chosen(op("most", a, low), ZERO, chosen(op("most", high, a), ZERO, slope)), ZERO, ZERO


def _signed(node: Node, slope: Node) -> tuple[Node, ...]:
    a, b = node.arguments
    sign = op("signed", ONE, b)
    return times(slope, sign if a.name == "hold" else op("mul", sign, op("sign", a))), ZERO


def _select(node: Node, slope: Node) -> tuple[Node, ...]:
    condition = node.arguments[0]
    return ZERO, chosen(condition, slope, ZERO), chosen(condition, ZERO, slope)


RULES: Mapping[str, Rule] = {
    "add": lambda _, slope: (slope, slope),
    "sub": lambda _, slope: (slope, op("neg", slope)),
    "mul": _mul,
    "div": _div,
    "neg": lambda _, slope: (op("neg", slope),),
    "pow": _pow,
    "abs": _each(lambda a, _: op("sign", a)),
    "sign": lambda *_: (ZERO,),
    "exp": _each(lambda _, value: value),
    "expm1": _each(lambda _, value: op("add", value, 1)),
    "log": lambda node, slope: (op("div", slope, node.arguments[0]),),
    "log1p": lambda node, slope: (op("div", slope, op("add", node.arguments[0], 1)),),
    "sqrt": lambda node, slope: (op("div", slope, op("mul", 2, node)),),
    "sin": _each(lambda a, _: op("cos", a)),
    "cos": lambda node, slope: (op("neg", times(slope, op("sin", node.arguments[0]))),),
    "sinh": _each(lambda a, _: op("cosh", a)),
    "cosh": _each(lambda a, _: op("sinh", a)),
    "tanh": _each(lambda _, value: op("sub", 1, _square(value))),
    "asinh": lambda node, slope: (op("div", slope, op("root", node.arguments[0])),),
    "root": _each(lambda a, value: op("div", a, value)),
    "atan": lambda node, slope: (op("div", slope, op("add", _square(node.arguments[0]), 1)),),
    "erf": _each(lambda a, _: _gauss(a)),
    "erfc": lambda node, slope: (op("neg", times(slope, _gauss(node.arguments[0]))),),
    "i0e": _each(lambda a, value: op("sub", op("i1e", a), op("mul", op("sign", a), value))),
    "i1e": _each(_i1e),
    "sigmoid": _each(lambda _, value: op("mul", value, op("sub", 1, value))),
    "softplus": _each(lambda a, _: op("sigmoid", a)),
    "relu": lambda node, slope: (chosen(op("most", node.arguments[0], 0), ZERO, slope),),
    "max": _extreme(larger=True),
    "min": _extreme(larger=False),
    "hold": _hold,
    "clip": _clip,
    "signed": _signed,
    "less": lambda *_: (ZERO, ZERO),
    "most": lambda *_: (ZERO, ZERO),
    "select": _select,
    "stop": lambda *_: (ZERO,),
}
"""Operation -> its rule: the first and the last torch's own at kinks (relu 0 at 0, abs 0 at 0, of equals the first)."""


def derivative(root: Node, by: Node) -> Node:
    """Return the slope of a graph.

    Args:
        root: the graph.
        by: the leaf it is derived by.
    """
    order = [*parts(root)]
    moving = {by}  # whose value depends on the leaf at all
    for node in order:
        if any(argument in moving for argument in node.arguments):
            moving.add(node)
    slopes = {root: ONE}
    for node in reversed(order):
        if node not in slopes or node not in moving or node.name not in RULES:
            continue
        for argument, gets in zip(node.arguments, RULES[node.name](node, slopes[node]), strict=True):
            if argument in moving:
                slopes[argument] = plus(slopes.get(argument, ZERO), gets)
    return slopes.get(by, number(0)) if by in order else ZERO
