"""A candidate as a frozen tree of primitives over ``x``; prints as ``mul(x,sigmoid(x))``.

Not here: reading text (``parse``), what it computes (``function``), and which trees may be written (``space``).
"""

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
LONGEST_FORMULA = 10_000  # letters; nobody reads more, and SymPy would not end
IDENTITY = "identity"
"""The unary row that is written as its own argument."""


@dataclass(frozen=True, repr=False)
class Expression:
    """One activation function as a tree.

    Args:
        primitive: the row at the root; ``INPUT`` for the leaf x.
        arguments: as many sub-expressions as the row's arity.

    Raises:
        ValueError: the number of arguments is not the row's arity.
    """

    primitive: Primitive
    arguments: tuple["Expression", ...] = ()

    def __post_init__(self) -> None:
        """Hold the arity."""
        if len(self.arguments) != self.primitive.arity:
            raise ValueError(
                f"'{self.primitive.name}' takes {self.primitive.arity} argument(s), found {len(self.arguments)}"
            )

    def __str__(self) -> str:
        """Return the text that ``parse`` reads back."""
        if not self.arguments:
            return self.primitive.name
        return f"{self.primitive.name}({','.join(map(str, self.arguments))})"

    def __repr__(self) -> str:
        """Return that text, and what it is."""
        return f"Expression('{self}')"

    def to_json(self) -> "str | list[object]":
        """Return nested lists that ``parse.from_json`` reads back: ``["mul", "x", ["sigmoid", "x"]]``."""
        if not self.arguments:
            return self.primitive.name
        return [self.primitive.name, *(argument.to_json() for argument in self.arguments)]

    def walk(self) -> Iterator["Expression"]:
        """Yield every sub-expression, arguments before what uses them."""
        for argument in self.arguments:
            yield from argument.walk()
        yield self

    @property
    def formula(self) -> str:
        """The function as mathematics, each row's formula put into the next; never simplified.

        A row that names its argument twice doubles the length: beyond ``LONGEST_FORMULA`` it stays as it is written.
        """
        inner = {name: argument.formula for name, argument in zip(OPERANDS, self.arguments, strict=False)}
        bracketed = {name: text if text.isidentifier() else f"({text})" for name, text in inner.items()}
        found = _WORD.sub(lambda word: bracketed.get(word[0], word[0]), self.primitive.formula)
        return found if len(found) <= LONGEST_FORMULA else str(self)

    def of(self, argument: "Expression") -> "Expression":
        """Return f(argument): the same tree with another expression in place of x."""
        if self.primitive == INPUT:
            return argument
        return Expression(self.primitive, tuple(part.of(argument) for part in self.arguments))

    @property
    def size(self) -> int:
        """Number of nodes, leaves included."""
        return sum(1 for _ in self.walk())

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The trainable scalars that it reads, in the order of their first occurrence."""
        return tuple(dict.fromkeys(parameter for node in self.walk() for parameter in node.primitive.reads))

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that occur: x alone, or gate before up; none in a constant."""
        occur = {node.primitive.name for node in self.walk() if node.primitive.is_input}
        return tuple(name for name in (INPUT.name, GATE.name, UP.name) if name in occur)


X = Expression(INPUT)


def apply(primitive: Primitive, *arguments: Expression) -> Expression:
    """Apply a row; arguments beyond its arity are ignored (a constant in a unary slot), identity disappears."""
    if primitive.name == IDENTITY:
        return arguments[0]
    return Expression(primitive, tuple(arguments[: primitive.arity]))
