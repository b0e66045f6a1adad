"""Expression -> torch source lines -> callable. What is trained is literally what is exported.

Every distinct sub-expression is one line, so nothing is computed twice; one inside that could overflow is written in
its row's held form. Not here: the code of a primitive, which is its row's, and when it can overflow (``reach``).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from actsearch.grammar.expression import INPUT, Expression
from actsearch.grammar.reach import MOST, held_code, reach

if TYPE_CHECKING:
    import torch

Function = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""``f(x, beta)``: x of any shape, beta broadcastable to it; returns the shape of x."""


def source_lines(expression: Expression, *, held: bool = True) -> list[str]:
    """Return the body of ``f(x, beta)``, one line per distinct sub-expression, the last a ``return``.

    Args:
        expression: the function.
        held: whether values inside that could overflow are held; what is trained and exported is.
    """
    found = steps(expression, held=held)
    result = found[-1][0] if found else "x"
    if not expression.contains_input:
        result = f"{result} + 0 * x"  # a constant must still have the shape of its input
    return [*(f"{name} = {code}" for name, _, code in found), f"return {result}"]


def steps(expression: Expression, *, held: bool = True) -> list[tuple[str, Expression, str]]:
    """Return every distinct sub-expression but x, arguments first: the name of its value, itself, and its code.

    Args:
        expression: the function.
        held: as of ``source_lines``.
    """
    names: dict[Expression, str] = {}
    sizes: dict[Expression, float] = {}  # the largest that each sub-expression can take
    found: list[tuple[str, Expression, str]] = []
    for node in expression.walk():
        if node in names:
            continue
        if node.primitive is INPUT:
            names[node], sizes[node] = "x", MOST
            continue
        code = ""
        if held and node is not expression:
            sizes[node] = reach(node.primitive, tuple(sizes[argument] for argument in node.arguments))
            code = held_code(node.primitive) if sizes[node] > MOST else ""
        names[node] = f"t{len(found) + 1}"
        arguments = tuple(names[argument] for argument in node.arguments)
        found.append((names[node], node, node.primitive.written_with(arguments, code)))
    return found


def function_source(expression: Expression, parameters: tuple[str, ...] = ("x", "beta"), *, held: bool = True) -> str:
    """Return ``def activation(x, beta): ...`` as text; see ``source_lines``."""
    body = "\n".join(f"    {line}" for line in source_lines(expression, held=held))
    return f"def activation({', '.join(parameters)}):\n{body}\n"


def compile_expression(expression: Expression, *, held: bool = True) -> Function:
    """Compile the rendered source into ``f(x, beta)``.

    Args:
        expression: the function.
        held: as it is trained and exported, finite inside in single precision; else as it is written, for looking at it
            in double precision.
    """
    import torch  # noqa: PLC0415  a second, which reading a run saves

    scope: dict[str, object] = {"torch": torch}
    source = function_source(expression, held=held)
    exec(compile(source, f"<{expression}>", "exec"), scope)  # noqa: S102  the source is made of trusted rows
    function: Function = scope["activation"]  # type: ignore[assignment]  # exec fills the scope
    return function


def values_and_slopes(
    function: Function, x: "torch.Tensor", beta: "torch.Tensor"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return f and df/dx at every point of x, both of x's shape and without history; the slope of a constant is 0."""
    import torch  # noqa: PLC0415  as above

    points = x.detach().clone().requires_grad_()
    values = function(points, beta)
    slopes = torch.zeros_like(points)
    if values.requires_grad:
        (slopes,) = torch.autograd.grad(values.sum(), points)
    return values.detach(), slopes
