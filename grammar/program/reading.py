"""Expression -> graph: the lines that were trained, taken apart call by call.

A row of the user's own may call whatever stands here; what does not is refused by name. Not here: the lines
(``render``).
"""

import ast
import functools
import math
from collections.abc import Callable, Mapping

from actsearch.grammar.expression import Expression
from actsearch.grammar.expression import X as INPUT_NODE
from actsearch.grammar.fault import UserFault
from actsearch.grammar.program.node import BETA, ONE, ZERO, Node, X, number, op, parts
from actsearch.grammar.render import steps

Build = Callable[..., Node]
MINUS_ONE, TWENTY, HUNDREDTH = number(-1), number(20), number(0.01)  # torch's defaults


class NoCounterpart(UserFault):
    """A row calls a torch function that other stacks cannot be told; the message names both."""


def _gelu(a: Node) -> Node:
    return op("mul", op("mul", a, 0.5), op("add", op("erf", op("mul", a, math.sqrt(0.5))), 1))


def _at_most_0(a: Node) -> Node:
    """Return min(a, 0), with a's slope at 0."""
    return op("select", op("less", 0, a), 0, a)


def _elu(a: Node, alpha: Node = ONE) -> Node:
    low = op("expm1", _at_most_0(a))
    return op("select", op("less", 0, a), a, low if alpha is ONE else op("mul", alpha, low))


def _selu(a: Node) -> Node:
    scale, alpha = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017, section 2
    low = op("mul", scale * alpha, op("expm1", _at_most_0(a)))
    return op("select", op("less", 0, a), op("mul", scale, a), low)


def _threshold(a: Node, limit: Node, value: Node) -> Node:
    if a.name == "abs" and limit is value:
        inside = a.arguments[0]  # a guard around what is never so small is none
        return inside if _least(inside) > limit.value else op("hold", inside, limit)
    return op("select", op("most", a, limit), value, a)


def _clip(a: Node, low: Node = MINUS_ONE, high: Node = ONE) -> Node:
    return op("clip", a, low, high)


def _softplus(a: Node, beta: Node = ONE, threshold: Node = TWENTY) -> Node:
    if beta is not ONE or threshold.value < 20:
        raise NoCounterpart("softplus with other arguments than (a) and (a, 1, 40) cannot be written for other stacks")
    return op("softplus", a)


def _larger(a: Node, b: Node) -> Node:
    """Return max(a, b); of a number and a node a choice, for which no language needs a tensor of numbers."""
    if b.is_number:
        return op("select", op("less", a, b), b, a)
    return op("select", op("most", b, a), a, b) if a.is_number else op("max", a, b)


def _smaller(a: Node, b: Node) -> Node:
    """Return min(a, b), in the same way."""
    if b.is_number:
        return op("select", op("less", b, a), b, a)
    return op("select", op("most", a, b), a, b) if a.is_number else op("min", a, b)


def _lerp(a: Node, b: Node, weight: Node) -> Node:
    if weight.name == "select" and weight.arguments[0].name == "less" and set(weight.arguments[0].arguments) == {a, b}:
        return _larger(a, b) if weight.arguments[0].arguments == (a, b) else _smaller(a, b)
    return op("add", a, op("mul", weight, op("sub", b, a)))


def _pow(a: Node, b: Node) -> Node:
    if a.name in {"hold", "exp", "sigmoid"} or (b.is_number and not b.value.is_integer()):
        return op("pow", a, b)
    if not (b.is_number and 0 < b.value <= 8):
        raise NoCounterpart("a power of what may be negative can be written for whole exponents from 1 to 8 only")
    return functools.reduce(lambda found, _: op("mul", found, a), range(int(b.value) - 1), a)


CALLS: Mapping[str, Build] = {
    **{name: functools.partial(op, name) for name in (
        "abs", "sign", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "asinh", "atan",
        "erf", "erfc", "sigmoid", "relu", "i0e", "i1e",
    )},
    "arcsinh": functools.partial(op, "asinh"),
    "arctan": functools.partial(op, "atan"),
    "square": lambda a: op("mul", a, a),
    "reciprocal": lambda a: op("div", 1, a),
    "neg": lambda a: op("neg", a),
    "pow": _pow,
    "copysign": lambda a, b: a if a is b and _least(a) > 0 else op("signed", a, b),
    "lerp": _lerp,
    "where": lambda c, a, b: op("select", c, a, b),
    "maximum": _larger,
    "minimum": _smaller,
    "clamp": _clip,
    "hardtanh": _clip,
    "zeros_like": lambda _: ZERO,
    "ones_like": lambda _: ONE,
    "threshold": _threshold,
    "softplus": _softplus,
    "logsigmoid": lambda a: op("neg", op("softplus", op("neg", a))),
    "softsign": lambda a: op("div", a, op("add", op("abs", a), 1)),
    "silu": lambda a: op("mul", a, op("sigmoid", a)),
    "gelu": _gelu,
    "mish": lambda a: op("mul", a, op("tanh", op("softplus", a))),
    "elu": _elu,
    "selu": _selu,
    "relu6": lambda a: op("clip", a, 0, 6),
    "hardswish": lambda a: op("div", op("mul", a, op("clip", op("add", a, 3), 0, 6)), 6),
    "hardsigmoid": lambda a: op("div", op("clip", op("add", a, 3), 0, 6), 6),
    "leaky_relu": lambda a, slope=HUNDREDTH: op("select", op("less", 0, a), a, op("mul", slope, a)),
}  # fmt: skip
"""The last part of a torch function's name -> what it is made of."""
ROWS: Mapping[str, Build] = {"asinh": functools.partial(op, "asinh")}
"""Rows whose code is a way to write one operation."""
_NEVER_UNDER = {"cosh": 1.0} | dict.fromkeys(("abs", "exp", "sigmoid", "softplus", "relu", "sqrt", "erfc"), 0.0)
_METHODS = {"detach": "stop", "abs": "abs", "exp": "exp", "sigmoid": "sigmoid", "tanh": "tanh", "sqrt": "sqrt"}
_OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
_ORDERS = {ast.Gt: ("less", True), ast.Lt: ("less", False), ast.GtE: ("most", True), ast.LtE: ("most", False)}


@functools.lru_cache(maxsize=1024)
def graph_of(expression: Expression, *, held: bool = True) -> Node:
    """Return the graph of what was trained.

    Args:
        expression: the function.
        held: whether values inside that could overflow are held, as in what is trained.

    Raises:
        NoCounterpart: a row of the user's own does what other stacks cannot be told.
    """
    names, values = {"x": X, "beta": BETA}, {INPUT_NODE: X}
    for name, node, code in steps(expression, held=held):
        if node.primitive.name in ROWS:
            found = ROWS[node.primitive.name](*(values[argument] for argument in node.arguments))
        else:
            found = _read(ast.parse(code, mode="eval").body, names)
        names[name] = values[node] = found
    value = values[expression]
    found = value if expression.contains_input else op("add", value, op("mul", 0, X))
    if X not in parts(found):
        raise NoCounterpart(f"'{expression}' does not depend on x: write it as a number, or export it to torch")
    return found


def _read(node: ast.expr, names: dict[str, Node]) -> Node:  # noqa: PLR0911  one return a kind of node
    match node:
        case ast.Name(id=name):
            return names[name]
        case ast.Constant(value=int() | float() as value):
            return number(value)
        case ast.NamedExpr(target=target, value=inside):
            names[target.id] = _read(inside, names)
            return names[target.id]
        case ast.UnaryOp(op=ast.USub(), operand=inside):
            return op("neg", _read(inside, names))
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            return _pow(_read(left, names), _read(right, names))
        case ast.BinOp(op=kind, left=left, right=right) if type(kind) in _OPERATORS:
            return op(_OPERATORS[type(kind)], _read(left, names), _read(right, names))
        case ast.Compare(left=left, ops=[kind], comparators=[right]) if type(kind) in _ORDERS:
            name, turned = _ORDERS[type(kind)]
            both = (_read(left, names), _read(right, names))
            return op(name, *(reversed(both) if turned else both))
        case ast.Call(func=ast.Attribute(value=inside, attr="to")):
            found = _read(inside, names)
            return op("select", found, 1, 0) if found.name in {"less", "most"} else found
        case ast.Call(func=ast.Attribute(value=owner, attr=name), args=given, keywords=[]):
            if ast.unparse(owner).split(".")[0] == "torch" and name in CALLS:
                return CALLS[name](*(_read(part, names) for part in given))
            if name in _METHODS and not given:
                return op(_METHODS[name], _read(owner, names))
    raise NoCounterpart(
        f"'{ast.unparse(node)}' cannot be written for other stacks; expected arithmetic and torch's "
        f"{', '.join(CALLS)}: write the primitive with these, or export to torch, torchscript, export or onnx"
    )


def _least(node: Node) -> float:
    """Return what a node is never under, as far as its kind tells."""
    if node.name in _NEVER_UNDER:
        return _NEVER_UNDER[node.name]
    match node:
        case Node(name="number"):
            return node.value
        case Node(name="hold"):
            return _least(node.arguments[1])
        case Node(name="mul") if node.arguments[0] is node.arguments[1]:
            return 0.0
        case Node(name="add"):
            return sum(map(_least, node.arguments))
    return -math.inf
