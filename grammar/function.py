"""An activation function as a value: inputs, trainable parameters, and the steps of its computation.

The torch lines for training and export, the kernel's tape and every other language are printed from it. So the exported
function is literally the trained one. Not here: the tree that a search writes (``expression``), the table of operations
(``program.operations``), and the formula without numerical guards (``notation``).
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from actsearch.grammar.expression import Expression
from actsearch.grammar.parameter import Parameter
from actsearch.grammar.primitive import OPERANDS
from actsearch.grammar.program.derivative import derivative
from actsearch.grammar.program.node import Node, leaf, number, op, opaque, parts
from actsearch.grammar.program.operations import NoCounterpart, plain
from actsearch.grammar.program.reading import Step, Steps, Value
from actsearch.grammar.program.writing import ATOM, SUM, TORCH, Phrase
from actsearch.grammar.reach import MOST, held_code, reach

if TYPE_CHECKING:
    import torch

Compute = Callable[..., "torch.Tensor"]
"""Function of inputs of one shape, then of parameters that broadcast to it; returns values of the same shape."""
REMEMBERED = 4096
ROWS = {"asinh": "asinh"}
"""Primitive -> the single operation that its code spells out in several steps."""
ROOM = 100.0  # largest number that counts as 1 in bounds on values, as parameters do
WITH_NUMBER = {"max": "torch.where(a < b, b, a)", "min": "torch.where(b < a, b, a)"}
"""Primitive -> its code if one argument is a number, which torch.lerp does not take."""


@dataclass(frozen=True)
class Function:
    """An activation function.

    Args:
        inputs: names of the inputs, ``("x",)`` or ``("gate", "up")``.
        parameters: trainable scalars of the function.
        graph: steps in the order of computation; the last step gives the value of the function. An empty graph returns
            the first input.

    Raises:
        ValueError: a name occurs twice, or is reserved for the generated source.
    """

    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    graph: tuple[Step, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        reserved = [name for name in self.names if name == "torch" or re.fullmatch(r"t\d+", name)]
        if reserved or len({*self.names}) < len(self.names):
            raise ValueError(f"expected names that differ from each other, torch, t1, t2, ..., found {[*self.names]}")

    def __call__(self, *values: "torch.Tensor") -> "torch.Tensor":
        """Evaluate the function.

        Args:
            values: every input, then every parameter, each broadcastable to the shape of the first input.
        """
        return self.compiled(*values)

    def __getstate__(self) -> dict[str, Any]:
        """Leave compiled code behind when a process pickles the function."""
        return {name: self.__dict__[name] for name in ("inputs", "parameters", "graph")}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, then of the parameters, in the order of the arguments."""
        return (*self.inputs, *(parameter.name for parameter in self.parameters))

    def starting_at(self, starts: Sequence[float]) -> "Function":
        """Return the same function with new start values.

        Args:
            starts: start value of each parameter, in the order of ``parameters``.
        """
        pairs = zip(self.parameters, starts, strict=True)
        return replace(self, parameters=tuple(replace(parameter, start=start) for parameter, start in pairs))

    def at_start(self, *inputs: "torch.Tensor") -> "torch.Tensor":
        """Evaluate the function at the start values of its parameters."""
        return self(*inputs, *(inputs[0].new_full((), parameter.start) for parameter in self.parameters))

    @cached_property
    def source(self) -> str:
        """Python source: ``def activation(...)`` over ``names``, one line per operation."""
        names = [*self.names, *(f"t{n + 1}" for n in range(len(self.graph)))]

        def phrase(value: Value) -> Phrase:
            return (names[value], ATOM) if isinstance(value, int) else (repr(value), ATOM if value >= 0 else SUM)

        lines = [
            f"{names[len(self.names) + n]} = {TORCH.phrase(step.name, [*map(phrase, step.arguments)], step.text)[0]}"
            for n, step in enumerate(self.graph)
        ]
        body = "\n".join(f"    {line}" for line in [*lines, f"return {names[-1] if self.graph else names[0]}"])
        return f"def activation({', '.join(self.names)}):\n{body}\n"

    @cached_property
    def compiled(self) -> Compute:
        """The source as a Python function."""
        import torch  # noqa: PLC0415  the import takes a second, and reading a run does not need it

        scope: dict[str, Any] = {"torch": torch}
        exec(compile(self.source, f"<activation of {', '.join(self.names)}>", "exec"), scope)  # noqa: S102  trusted code
        compute: Compute = scope["activation"]
        return compute

    @cached_property
    def torch_graph(self) -> Node:
        """The trained function as a graph of torch operations."""
        values = [leaf(name) for name in self.names]
        for step in self.graph:
            values.append(_apply(step.name, [_node(value, values) for value in step.arguments], step.text))
        return values[-1] if self.graph else values[0]

    @cached_property
    def plain_graph(self) -> Node:
        """The same graph in basic operations, which every language has or gets from a helper.

        Raises:
            NoCounterpart: a user-defined primitive calls torch code that has no counterpart in other languages.
        """
        values = [leaf(name) for name in self.names]
        for step in self.graph:
            name, arguments = (step.means[0], step.means[1:]) if step.means else (step.name, step.arguments)
            values.append(plain(_apply(name, [_node(value, values) for value in arguments], step.text)))
        result = values[-1] if self.graph else values[0]
        if not any(leaf(name) in parts(result) for name in self.inputs):
            raise NoCounterpart("a function that does not depend on x is a number: write it as one, or export to torch")
        return result

    @cached_property
    def slopes(self) -> tuple[Node, ...]:
        """The derivatives by every input, then by every parameter.

        Raises:
            NoCounterpart: as for ``plain_graph``.
        """
        return tuple(derivative(self.plain_graph, leaf(name)) for name in self.names)


def _apply(name: str, arguments: Sequence[Node], text: str) -> Node:
    return opaque(text, *arguments) if name == "opaque" else op(name, *arguments)


def _node(value: Value, values: Sequence[Node]) -> Node:
    return values[value] if isinstance(value, int) else number(value)


@functools.lru_cache(maxsize=REMEMBERED)
def function_of(expression: Expression, *, held: bool = True) -> Function:
    """Return the function that an expression computes.

    Args:
        expression: tree of primitives.
        held: whether to clamp inner values that could overflow, as training and export do; without, the function is
            as it is written, for a look at it in double precision.
    """
    inputs, parameters = expression.inputs or ("x",), expression.parameters
    steps = Steps(len(inputs) + len(parameters))
    names: dict[str, Value] = {
        name: n for n, name in enumerate((*inputs, *(parameter.name for parameter in parameters)))
    }
    values: dict[Expression, Value] = {}
    sizes: dict[Expression, float] = {}  # largest absolute value of each sub-expression
    for node in expression.walk():
        if node in values:
            continue
        row = node.primitive
        if row.is_input:
            values[node], sizes[node] = names[row.name], MOST
            continue
        if row.is_number:
            values[node] = float(row.name)
            sizes[node] = 1.0 if abs(values[node]) <= ROOM else abs(values[node])
            continue
        code = row.code
        if held and node is not expression:
            sizes[node] = reach(row, tuple(sizes[argument] for argument in node.arguments))
            code = held_code(row) if sizes[node] > MOST else code
        operands = dict(zip(OPERANDS, (values[argument] for argument in node.arguments), strict=False))
        if any(isinstance(operand, float) for operand in operands.values()):
            code = WITH_NUMBER.get(row.name, code)
        before = len(steps.steps)
        values[node] = steps.read(code, {parameter.name: names[parameter.name] for parameter in row.reads} | operands)
        if row.name in ROWS and len(steps.steps) > before:
            steps.steps[-1] = replace(steps.steps[-1], means=(ROWS[row.name], operands["a"]))
    if not expression.inputs:  # a constant must still take the shape of its input
        steps.constant(values[expression])
    return Function(tuple(inputs), parameters, tuple(steps.steps))


def values_and_slopes(
    function: Compute, x: "torch.Tensor", *others: "torch.Tensor"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return f and df/dx at every point of x, both detached and of the shape of x; the slope of a constant is 0.

    Args:
        function: function whose first argument is x.
        x: points, of any shape.
        others: further inputs and parameters of the function.
    """
    import torch  # noqa: PLC0415  as above

    points = x.detach().clone().requires_grad_()
    values = function(points, *others)
    slopes = torch.zeros_like(points)
    if values.requires_grad:
        (slopes,) = torch.autograd.grad(values.sum(), points)
    return values.detach(), slopes
