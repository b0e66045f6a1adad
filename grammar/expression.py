"""A candidate as an immutable tree of primitives over ``x``; prints as ``mul(x,sigmoid(x))``.

Not here: the parser (``parse``), the computation (``function``), and the set of allowed trees (``space``).
"""

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from actsearch.grammar.parameter import Parameter
from actsearch.grammar.primitive import OPERANDS, Primitive, built_in

_WORD = re.compile(r"[A-Za-z_]\w*")

INPUT = built_in("x", 0, "", "x", note="the layer's pre-activation")
GATE = built_in("gate", 0, "", "gate", note="the first input of a gated layer")
UP = built_in("up", 0, "", "up", note="the second input of a gated layer")
NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
"""Text of a number, as an expression writes it."""
LONGEST_FORMULA = 10_000  # letters; nobody reads more, and SymPy would not finish
IDENTITY = "identity"
"""The unary primitive that expressions leave out: identity(u) is u."""


@dataclass(frozen=True, repr=False)
class Expression:
    """One activation function as a tree.

    Args:
        primitive: primitive at the root; ``INPUT`` for the leaf x.
        arguments: sub-expressions, as many as the arity of the primitive.

    Raises:
        ValueError: the number of arguments is not the arity.
    """

    primitive: Primitive
    arguments: tuple["Expression", ...] = ()

    def __post_init__(self) -> None:
        """Check the number of arguments."""
        if len(self.arguments) != self.primitive.arity:
            raise ValueError(
                f"'{self.primitive.name}' takes {self.primitive.arity} argument(s), found {len(self.arguments)}"
            )

    def __str__(self) -> str:
        """Return the text that ``parse`` can read."""
        if not self.arguments:
            return self.primitive.name
        return f"{self.primitive.name}({','.join(map(str, self.arguments))})"

    def __repr__(self) -> str:
        """Return the text with the name of the class."""
        return f"Expression('{self}')"

    def to_json(self) -> "str | list[object]":
        """Return nested lists that ``parse.from_json`` can read: ``["mul", "x", ["sigmoid", "x"]]``."""
        if not self.arguments:
            return self.primitive.name
        return [self.primitive.name, *(argument.to_json() for argument in self.arguments)]

    def walk(self) -> Iterator["Expression"]:
        """Yield every sub-expression, arguments before the node that uses them."""
        for argument in self.arguments:
            yield from argument.walk()
        yield self

    @property
    def formula(self) -> str:
        """The function as mathematics, each primitive's formula inserted into the next, without simplification.

        A primitive that uses its argument twice doubles the length. Beyond ``LONGEST_FORMULA`` letters, this is the
        text of the expression instead.
        """
        inner = {name: argument.formula for name, argument in zip(OPERANDS, self.arguments, strict=False)}
        bracketed = {name: text if text.isidentifier() else f"({text})" for name, text in inner.items()}
        result = _WORD.sub(lambda word: bracketed.get(word[0], word[0]), self.primitive.formula)
        return result if len(result) <= LONGEST_FORMULA else str(self)

    def of(self, argument: "Expression") -> "Expression":
        """Return f(argument): the same tree with ``argument`` in place of x."""
        if self.primitive == INPUT:
            return argument
        return Expression(self.primitive, tuple(part.of(argument) for part in self.arguments))

    @property
    def size(self) -> int:
        """Number of nodes, leaves included."""
        return sum(1 for _ in self.walk())

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Trainable scalars of the expression, in the order of their first occurrence."""
        return tuple(dict.fromkeys(parameter for node in self.walk() for parameter in node.primitive.reads))

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs that occur: x, or gate before up; none in a constant."""
        occur = {node.primitive.name for node in self.walk() if node.primitive.is_input}
        return tuple(name for name in (INPUT.name, GATE.name, UP.name) if name in occur)


X = Expression(INPUT)


@functools.lru_cache(maxsize=4096)
def constant(value: float) -> Primitive:
    """Return the primitive of a number, whose name is its text: ``1.702``, ``-0.5``, ``3``.

    Raises:
        ValueError: the number is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"a constant must be finite, found {value}")
    text = repr(float(value)).removesuffix(".0").replace("e+", "e")
    return built_in(text, 0, text, text, shown=text)


def apply(primitive: Primitive, *arguments: Expression) -> Expression:
    """Apply a primitive; ignore arguments beyond its arity (a constant in a unary position), and leave out identity."""
    if primitive.name == IDENTITY:
        return arguments[0]
    return Expression(primitive, tuple(arguments[: primitive.arity]))
