"""Functions as tests compute them: of x, with one number for every parameter."""

from torch import Tensor

from actsearch.grammar.expression import Expression
from actsearch.grammar.function import Function, function_of


def value_of(expression: Expression, x: Tensor, scalar: Tensor, *, held: bool = True) -> Tensor:
    """Return what an expression computes of x."""
    return at(function_of(expression, held=held), x, scalar)


def at(function: Function, x: Tensor, scalar: Tensor) -> Tensor:
    """Return what a function computes of x."""
    return function(x, *([scalar] * len(function.parameters)))
