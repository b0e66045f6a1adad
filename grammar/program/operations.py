"""The table of operations: the torch name of each, its slope rule, or its definition by other operations.

Training accepts any torch code in a primitive. Other languages and the kernel accept only the operations of this table,
and refuse others by name. Meanings that the names do not tell:

``sign(a)``: 1, 0 or -1. ``pow(a, b)``: a^b, a positive. ``i0e``, ``i1e``: exp(-abs(a)) I0(a), I1(a).
``root(a)``: sqrt(1 + a^2), also where a^2 overflows. ``max(a, b)``, ``min(a, b)``: of equal arguments the first, which
gets the slope; NaN if one is NaN. ``softplus(a, limit)``: log(1 + exp(a)); torch returns a itself above the limit.
``hold(a, least)``: abs(a), but at least ``least``. ``clip(a, low, high)``: a within the bounds. ``relu``: slope 0 at 0.
``signed(a, b)``: abs(a) with the sign of b; -0 is negative. ``less(a, b)``: a < b. ``most(a, b)``: a <= b.
``below``, ``at_most``: 1 or 0 for ``less`` and ``most``, in the precision of the third argument.
``select(c, a, b)``: a where c is true, else b. ``stop(a)``: a, with slope 0.
``exponential(a, k, l)``: k a for a > 0, else l (exp(a) - 1).
"""

import functools
import math
import operator

from scipy import special

from actsearch.grammar.fault import UserFault
from actsearch.grammar.primitive import OPERANDS
from actsearch.grammar.program.derivative import (
    by_factor,
    by_quotient,
    gauss,
    of_clip,
    of_div,
    of_extreme,
    of_hold,
    of_i1e,
    of_mul,
    of_pow,
    of_relu,
    of_select,
    of_signed,
    square,
)  # fmt: skip
from actsearch.grammar.program.node import ONE, OPERATIONS, ZERO, Node, Operation, number, op, times

MINUS_ONE, TWENTY, HUNDREDTH = number(-1), number(20), number(0.01)  # torch's defaults
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""Klambauer et al. 2017, section 2."""


class NoCounterpart(UserFault):
    """A primitive calls a torch function without a counterpart in other stacks; the message names both."""


def _at_most_0(a: Node) -> Node:
    """Return min(a, 0), with slope 1 at 0."""
    return op("select", op("less", 0, a), 0, a)


def _exponential(a: Node, high: Node, low: Node) -> Node:
    return op("select", op("less", 0, a), times(high, a), times(low, op("expm1", _at_most_0(a))))


def _gelu(a: Node) -> Node:
    return op("mul", op("mul", a, 0.5), op("add", op("erf", op("mul", a, math.sqrt(0.5))), 1))


def _threshold(a: Node, threshold: Node, value: Node) -> Node:
    if a.name == "abs" and threshold is value:
        inside = a.arguments[0]  # the guard has no effect on a value that is never so small
        return inside if least(inside) > threshold.value else op("hold", inside, threshold)
    return op("select", op("most", a, threshold), value, a)


def _clamp(a: Node, min: Node, max: Node) -> Node:  # noqa: A002  torch's names
    return op("clip", a, min, max)


def _hardtanh(a: Node, min_val: Node = MINUS_ONE, max_val: Node = ONE) -> Node:
    return op("clip", a, min_val, max_val)


def _softplus(a: Node, beta: Node = ONE, threshold: Node = TWENTY) -> Node:
    if beta is not ONE or threshold.value < 20:
        raise NoCounterpart("softplus with other arguments than (a) and (a, 1, 40) cannot be written for other stacks")
    return op("softplus", a, threshold)


def _larger(a: Node, b: Node) -> Node:
    """Return max(a, b); with a constant as a selection, so that no language needs a tensor of constants."""
    if b.is_number:
        return op("select", op("less", a, b), b, a)
    return op("select", op("most", b, a), a, b) if a.is_number else op("max", a, b)


def _smaller(a: Node, b: Node) -> Node:
    """Return min(a, b), in the same way as ``_larger``."""
    if b.is_number:
        return op("select", op("less", b, a), b, a)
    return op("select", op("most", a, b), a, b) if a.is_number else op("min", a, b)


def _lerp(a: Node, b: Node, weight: Node) -> Node:
    if weight.name == "select" and weight.arguments[0].name == "less" and set(weight.arguments[0].arguments) == {a, b}:
        return _larger(a, b) if weight.arguments[0].arguments == (a, b) else _smaller(a, b)
    return op("add", a, op("mul", weight, op("sub", b, a)))


def _power(a: Node, b: Node) -> Node:
    if a.name in {"hold", "exp", "sigmoid"} or (b.is_number and not b.value.is_integer()):
        return op("pow", a, b)
    if not (b.is_number and 0 < b.value <= 8):
        raise NoCounterpart("a power of what may be negative can be written for whole exponents from 1 to 8 only")
    return functools.reduce(lambda product, _: op("mul", product, a), range(int(b.value) - 1), a)


def _bessel(name: str) -> "functools.partial[float]":
    return functools.partial(lambda function, a: float(function(a)), getattr(special, name))


def _unary(torch: str, numbers: object, slope: object) -> Operation:
    return Operation(1, torch, numbers, slope)  # type: ignore[arg-type]  # callables of math have no such types


BASIC = {
    "add": Operation(2, "", operator.add, lambda _, slope: (slope, slope)),
    "sub": Operation(2, "", operator.sub, lambda _, slope: (slope, op("neg", slope))),
    "mul": Operation(2, "", operator.mul, of_mul),
    "div": Operation(2, "", operator.truediv, of_div),
    "neg": Operation(1, "", operator.neg, lambda _, slope: (op("neg", slope),)),
    "pow": Operation(2, "", math.pow, of_pow),
    "abs": _unary("torch.abs", abs, by_factor(lambda a, _: op("sign", a))),
    "sign": _unary("torch.sign", lambda a: (a > 0) - (a < 0), lambda *_: (ZERO,)),
    "exp": _unary("torch.exp", math.exp, by_factor(lambda _, value: value)),
    "expm1": _unary("torch.expm1", math.expm1, by_factor(lambda _, value: op("add", value, 1))),
    "log": _unary("torch.log", math.log, by_quotient(lambda a, _: a)),
    "log1p": _unary("torch.log1p", math.log1p, by_quotient(lambda a, _: op("add", a, 1))),
    "sqrt": _unary("torch.sqrt", math.sqrt, by_quotient(lambda _, value: op("mul", 2, value))),
    "sin": _unary("torch.sin", math.sin, by_factor(lambda a, _: op("cos", a))),
    "cos": _unary("torch.cos", math.cos, lambda node, slope: (op("neg", times(slope, op("sin", *node.arguments))),)),
    "sinh": _unary("torch.sinh", math.sinh, by_factor(lambda a, _: op("cosh", a))),
    "cosh": _unary("torch.cosh", math.cosh, by_factor(lambda a, _: op("sinh", a))),
    "tanh": _unary("torch.tanh", math.tanh, by_factor(lambda _, value: op("sub", 1, square(value)))),
    "asinh": _unary("torch.asinh", math.asinh, by_quotient(lambda a, _: op("root", a))),
    "root": _unary("", lambda a: math.hypot(1, a), by_factor(lambda a, value: op("div", a, value))),
    "atan": _unary("torch.atan", math.atan, by_quotient(lambda a, _: op("add", square(a), 1))),
    "erf": _unary("torch.erf", math.erf, by_factor(lambda a, _: gauss(a))),
    "erfc": _unary("torch.erfc", math.erfc, lambda node, slope: (op("neg", times(slope, gauss(node.arguments[0]))),)),
    "i0e": _unary("torch.special.i0e", _bessel("i0e"), by_factor(
        lambda a, value: op("sub", op("i1e", a), op("mul", op("sign", a), value)))),
    "i1e": _unary("torch.special.i1e", _bessel("i1e"), by_factor(of_i1e)),
    "sigmoid": _unary("torch.sigmoid", lambda a: 0.5 + 0.5 * math.tanh(a / 2), by_factor(
        lambda _, value: op("mul", value, op("sub", 1, value)))),
    "softplus": Operation(2, "", lambda a, _: max(a, 0) + math.log1p(math.exp(-abs(a))), lambda node, slope: (
        times(slope, op("sigmoid", node.arguments[0])), ZERO)),
    "relu": _unary("torch.relu", lambda a: max(a, 0.0), of_relu),
    "max": Operation(2, "", max, of_extreme(larger=True)),
    "min": Operation(2, "", min, of_extreme(larger=False)),
    "hold": Operation(2, "", lambda a, least: max(abs(a), least), of_hold),
    "clip": Operation(3, "", lambda a, low, high: min(max(a, low), high), of_clip),
    "signed": Operation(2, "", math.copysign, of_signed),
    "less": Operation(2, slope=lambda *_: (ZERO, ZERO)),
    "most": Operation(2, slope=lambda *_: (ZERO, ZERO)),
    "select": Operation(3, "torch.where", None, of_select),
    "stop": Operation(1, "", float, lambda *_: (ZERO,)),
}  # fmt: skip
"""Operations with a slope rule: every language has them, or gets a helper."""
COMPOUND = {
    "below": Operation(3, made_of=lambda a, b, _: op("select", op("less", a, b), 1, 0)),
    "at_most": Operation(3, made_of=lambda a, b, _: op("select", op("most", a, b), 1, 0)),
    "power": Operation(2, "torch.pow", made_of=_power),
    "square": Operation(1, "torch.square", made_of=square),
    "reciprocal": Operation(1, "torch.reciprocal", made_of=lambda a: op("div", 1, a)),
    "negative": Operation(1, "torch.neg", made_of=lambda a: op("neg", a)),
    "copysign": Operation(2, "torch.copysign", made_of=lambda a, b: (
        a if a is b and least(a) > 0 else op("signed", a, b))),
    "lerp": Operation(3, "torch.lerp", made_of=_lerp),
    "maximum": Operation(2, "torch.maximum", made_of=_larger),
    "minimum": Operation(2, "torch.minimum", made_of=_smaller),
    "clamp": Operation(3, "torch.clamp", made_of=_clamp),
    "zeros_like": Operation(1, "torch.zeros_like", made_of=lambda _: ZERO),
    "ones_like": Operation(1, "torch.ones_like", made_of=lambda _: ONE),
    "exponential": Operation(3, made_of=_exponential),
} | {name: Operation(arity, f"torch.nn.functional.{name}", made_of=build) for name, arity, build in (
    ("hardtanh", 3, _hardtanh),
    ("threshold", 3, _threshold),
    ("logsigmoid", 1, lambda a: op("neg", op("softplus", op("neg", a), 80))),
    ("softsign", 1, lambda a: op("div", a, op("add", op("abs", a), 1))),
    ("silu", 1, lambda a: op("mul", a, op("sigmoid", a))),
    ("gelu", 1, _gelu),
    ("mish", 1, lambda a: op("mul", a, op("tanh", op("softplus", a, 20)))),
    ("elu", 2, lambda a, alpha=ONE: op("exponential", a, 1, alpha)),
    ("selu", 1, lambda a: op("exponential", a, SELU_SCALE, SELU_SCALE * SELU_ALPHA)),
    ("relu6", 1, lambda a: op("clip", a, 0, 6)),
    ("hardswish", 1, lambda a: op("mul", a, op("mul", op("clip", op("add", a, 3), 0, 6), 1 / 6))),
    ("hardsigmoid", 1, lambda a: op("div", op("clip", op("add", a, 3), 0, 6), 6)),
    ("leaky_relu", 2, lambda a, negative_slope=HUNDREDTH: (
        op("select", op("less", 0, a), a, op("mul", negative_slope, a)))),
)} | {"limited_softplus": Operation(3, "torch.nn.functional.softplus", made_of=_softplus)}  # fmt: skip
"""Operations of torch or the kernel that other languages lack; each is built from basic ones."""
OPERATIONS.update(BASIC | COMPOUND)

CALLS = {row.torch.rpartition(".")[2]: name for name, row in OPERATIONS.items() if row.torch} | {
    "arcsinh": "asinh", "arctan": "atan",
}  # fmt: skip
"""Last part of the path of a torch function -> operation."""
_LOWER_BOUNDS = {"cosh": 1.0} | dict.fromkeys(("abs", "exp", "sigmoid", "softplus", "relu", "sqrt", "erfc"), 0.0)


def least(node: Node) -> float:
    """Return a lower bound on the value of a node, judged by its operation."""
    if node.name in _LOWER_BOUNDS:
        return _LOWER_BOUNDS[node.name]
    match node:
        case Node(name="number"):
            return node.value
        case Node(name="hold"):
            return least(node.arguments[1])
        case Node(name="mul") if node.arguments[0] is node.arguments[1]:
            return 0.0
        case Node(name="add"):
            return sum(map(least, node.arguments))
    return -math.inf


@functools.lru_cache(maxsize=2**14)
def plain(node: Node) -> Node:
    """Return the graph with every compound operation replaced by basic ones.

    Raises:
        NoCounterpart: the graph contains torch code that no operation describes.
    """
    if not node.arguments:
        return node
    if node.name == "opaque":
        raise NoCounterpart(_complaint(node.text))
    arguments = [plain(argument) for argument in node.arguments]
    build = OPERATIONS[node.name].made_of
    return op(node.name, *arguments) if build is None else plain(build(*arguments))


def _complaint(text: str) -> str:
    """Return the error message for torch code that no operation describes."""
    known = ", ".join(row.torch.rpartition(".")[2] for row in OPERATIONS.values() if row.torch)
    return (
        f"'{text.format(*OPERANDS, *'cdef')}' cannot be written for other stacks; expected arithmetic and torch's "
        f"{known}: write the primitive with these, or export to torch, torchscript, export or onnx"
    )
