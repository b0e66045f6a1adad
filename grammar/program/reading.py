"""Reader of torch code: it turns the code of a primitive into steps, operations in the order of Python.

Not here: the table of operations (``operations``), and the source of the code (``grammar.function``).
"""

import ast
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actsearch.grammar.program.node import OPERATIONS, op
from actsearch.grammar.program.operations import CALLS, plain

Value = int | float
"""An int is the index of a value, counted over inputs, parameters and steps; a float is a constant."""
_METHODS = {"detach": "stop", "abs": "abs", "exp": "exp", "sigmoid": "sigmoid", "tanh": "tanh", "sqrt": "sqrt"}
_OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power"}
_ORDERS = {ast.Gt: ("less", True), ast.Lt: ("less", False), ast.GtE: ("most", True), ast.LtE: ("most", False)}
FOLDED = {"less": operator.lt, "most": operator.le}  # of two numbers: 1 or 0
_MASKS = {"less": "below", "most": "at_most"}


@dataclass(frozen=True)
class Step:
    """An operation of a function.

    Args:
        name: name of the operation; ``opaque`` for torch code that no operation describes.
        arguments: arguments, constants or earlier values.
        text: torch code of an opaque step, as in ``Node``.
        means: operation and earlier value with the same result; other languages write this step so. It is set on the
            last step of a primitive whose code spells out one operation.
    """

    name: str
    arguments: tuple[Value, ...]
    text: str = ""
    means: tuple[str, Value] | None = None


class Steps:
    """Collector of the steps of a function.

    Args:
        leaves: number of inputs and parameters.
    """

    def __init__(self, leaves: int) -> None:
        self.leaves, self.steps = leaves, list[Step]()

    def add(self, name: str, *arguments: Value, text: str = "") -> Value:
        """Append an operation, and return its value; or a constant, if all arguments are constants that fold."""
        if name == "select" and isinstance(arguments[0], float):
            return arguments[1 if arguments[0] else 2]
        if name != "opaque" and all(isinstance(argument, float) for argument in arguments):
            if name in FOLDED:
                return float(FOLDED[name](*arguments))
            node = plain(op(name, *arguments))
            if node.is_number:
                return node.value
            arguments = (self.constant(arguments[0]), *arguments[1:])  # not finite: a matter of torch's
        self.steps.append(Step(name, arguments, text))
        return self.leaves + len(self.steps) - 1

    def constant(self, value: Value) -> Value:
        """Append the steps that give a number or a parameter the shape of the first input."""
        return self.add("add", value, self.add("mul", 0.0, 0))

    def read(self, code: str, names: Mapping[str, Value]) -> Value:
        """Append the steps of a primitive's code, and return its value.

        Args:
            code: Python expression.
            names: name of an operand or parameter -> value.
        """
        return self._value(ast.parse(code, mode="eval").body, dict(names))

    def _value(self, node: ast.expr, names: dict[str, Value]) -> Value:  # noqa: PLR0911  one return per kind of node
        match node:
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Constant(value=int() | float() as value):
                return float(value)
            case ast.NamedExpr(target=target, value=inside):
                names[target.id] = self._value(inside, names)
                return names[target.id]
            case ast.UnaryOp(op=ast.USub(), operand=inside):
                return self.add("neg", self._value(inside, names))
            case ast.BinOp(op=kind, left=left, right=right) if type(kind) in _OPERATORS:
                return self.add(_OPERATORS[type(kind)], self._value(left, names), self._value(right, names))
            case ast.Compare(left=left, ops=[kind], comparators=[right]) if type(kind) in _ORDERS:
                name, turned = _ORDERS[type(kind)]
                return self.add(name, *self._ordered(left, right, names, turned=turned))
            case ast.Call(
                func=ast.Attribute(value=ast.Compare() as inside, attr="to"),
                args=[ast.Attribute(value=ast.Name(id=like), attr="dtype")],
            ) if like in names and len(inside.ops) == 1 and type(inside.ops[0]) in _ORDERS:
                name, turned = _ORDERS[type(inside.ops[0])]
                both = self._ordered(inside.left, inside.comparators[0], names, turned=turned)
                return self.add(_MASKS[name], *both, names[like])
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=arguments, keywords=keywords):
                if re.fullmatch(r"torch(\.\w+)*", ast.unparse(owner)):
                    bound = _bound(CALLS.get(name, ""), arguments, keywords)
                    if bound is not None:
                        return self.add(CALLS[name], *(self._value(part, names) for part in bound))
                elif name in _METHODS and not arguments and not keywords:
                    return self.add(_METHODS[name], self._value(owner, names))
        return self._opaque(node, names)

    def _ordered(
        self, left: ast.expr, right: ast.expr, names: dict[str, Value], *, turned: bool
    ) -> tuple[Value, Value]:
        """Append the steps of both sides of a comparison, the left first, and return their values, perhaps turned."""
        first, second = self._value(left, names), self._value(right, names)
        return (second, first) if turned else (first, second)

    def _opaque(self, node: ast.expr, names: dict[str, Value]) -> Value:
        """Append a step of torch code that no operation describes, with places for the values that it reads."""
        places = _Places(self, names)
        text = ast.unparse(places.visit(node)).replace("{", "{{").replace("}", "}}")
        if places.values and all(isinstance(value, float) for value in places.values):
            return _number_of(text, places.values)
        for place in range(len(places.values)):
            text = text.replace(f"_place_{place}_", f"{{{place}}}")
        return self.add("opaque", *places.values, text=text)


class _Places(ast.NodeTransformer):
    """Transformer that replaces each value in opaque code by a numbered place."""

    def __init__(self, steps: Steps, names: dict[str, Value]) -> None:
        self.steps, self.names, self.values = steps, names, list[Value]()

    def _place(self, value: Value) -> ast.Name:
        self.values.append(value)
        return ast.Name(f"_place_{len(self.values) - 1}_", ast.Load())

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._place(self.names[node.id]) if node.id in self.names else node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        return self._place(self.steps._value(node, self.names))


def _number_of(text: str, values: Sequence[float]) -> float:
    """Return the value of torch code of numbers alone, each of which stands at ``_place_n_``."""
    import torch  # noqa: PLC0415  the import takes a second, and few functions need it here

    scope = {f"_place_{place}_": torch.tensor(value, dtype=torch.float64) for place, value in enumerate(values)}
    return float(eval(text, {"torch": torch, **scope}))


def _bound(name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> list[ast.expr] | None:
    """Return the arguments of a call in the order of the operation; None if the call does not match the operation."""
    if not name:
        return None
    row = OPERATIONS[name]
    bound = dict(enumerate(arguments))
    for keyword in keywords:
        if keyword.arg == "inplace" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False:
            continue
        if keyword.arg not in row.names or row.names.index(keyword.arg) in bound:
            return None
        bound[row.names.index(keyword.arg)] = keyword.value
    count = len(bound)
    return (
        [bound[n] for n in range(count)] if row.least <= count <= row.arity and set(bound) == {*range(count)} else None
    )
