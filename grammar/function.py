"""An activation function as a value: inputs, trainable parameters, and what is computed, step by step.

Everything is printed from it: the torch lines that are trained and exported, the kernel's tape, every language. So what
is trained is literally what is exported. Not here: the tree that a search writes (``expression``), the table of
operations (``program.operations``), and the mathematics without guards, which a row's formula says (``notation``).
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
from actsearch.grammar.program.node import OPERATIONS, Node, leaf, number, op, opaque, parts
from actsearch.grammar.program.operations import NoCounterpart
from actsearch.grammar.program.reading import Step, Steps, Value
from actsearch.grammar.program.writing import ATOM, SUM, TORCH, Phrase
from actsearch.grammar.reach import MOST, held_code, reach

if TYPE_CHECKING:
    import torch

Compute = Callable[..., "torch.Tensor"]
"""Inputs of any shape, then parameters broadcastable to it -> values of the first input's shape."""
REMEMBERED = 4096
ROWS = {"asinh": "asinh"}
"""Rows whose code is a way to write one operation."""


@dataclass(frozen=True)
class Function:
    """An activation function.

    Args:
        inputs: names of the inputs, ``("x",)`` or ``("gate", "up")``.
        parameters: the trainable scalars that it reads.
        graph: operations in the order in which they are computed; the last one's value is the function's. Without
            any, the function is its first input.

    Raises:
        ValueError: a name stands twice, or is one that the lines use.
    """

    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    graph: tuple[Step, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        taken = [name for name in self.names if name == "torch" or re.fullmatch(r"t\d+", name)]
        if taken or len({*self.names}) < len(self.names):
            raise ValueError(f"expected names that differ from each other, torch, t1, t2, ..., found {[*self.names]}")

    def __call__(self, *values: "torch.Tensor") -> "torch.Tensor":
        """Return the values.

        Args:
            values: of every input, then of every parameter, broadcastable to the first input's shape.
        """
        return self.compiled(*values)

    def __getstate__(self) -> dict[str, Any]:
        """Cross a process boundary without what was compiled."""
        return {name: self.__dict__[name] for name in ("inputs", "parameters", "graph")}

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs, then parameters: the order of arguments."""
        return (*self.inputs, *(parameter.name for parameter in self.parameters))

    def starting_at(self, starts: Sequence[float]) -> "Function":
        """Return the same function with other starts of its parameters, in their order."""
        pairs = zip(self.parameters, starts, strict=True)
        return replace(self, parameters=tuple(replace(parameter, start=start) for parameter, start in pairs))

    def at_start(self, *inputs: "torch.Tensor") -> "torch.Tensor":
        """Return the values where training starts."""
        return self(*inputs, *(inputs[0].new_full((), parameter.start) for parameter in self.parameters))

    @cached_property
    def source(self) -> str:
        """Python: ``def activation(...)`` over the names, a line per operation."""
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
        """The source, compiled."""
        import torch  # noqa: PLC0415  a second, which reading a run saves

        scope: dict[str, Any] = {"torch": torch}
        exec(compile(self.source, f"<activation of {', '.join(self.names)}>", "exec"), scope)  # noqa: S102  trusted rows
        compute: Compute = scope["activation"]
        return compute

    @cached_property
    def torch_graph(self) -> Node:
        """As it is trained, in torch's operations."""
        values = [leaf(name) for name in self.names]
        for step in self.graph:
            values.append(_applied(step.name, [_node(value, values) for value in step.arguments], step.text))
        return values[-1] if self.graph else values[0]

    @cached_property
    def plain_graph(self) -> Node:
        """The same in operations that every language has, or is given.

        Raises:
            NoCounterpart: a row of the user's own does what other languages cannot be told.
        """
        values = [leaf(name) for name in self.names]
        for step in self.graph:
            name, arguments = (step.means[0], step.means[1:]) if step.means else (step.name, step.arguments)
            values.append(plain(_applied(name, [_node(value, values) for value in arguments], step.text)))
        result = values[-1] if self.graph else values[0]
        if not any(leaf(name) in parts(result) for name in self.inputs):
            raise NoCounterpart("a function that does not depend on x is a number: write it as one, or export to torch")
        return result

    @cached_property
    def slopes(self) -> tuple[Node, ...]:
        """The slope with respect to every input, then to every parameter; raises as ``plain_graph`` does."""
        return tuple(derivative(self.plain_graph, leaf(name)) for name in self.names)


@functools.lru_cache(maxsize=2**14)
def plain(node: Node) -> Node:
    """Return a graph without the operations that others are made of."""
    if not node.arguments:
        return node
    if node.name == "opaque":
        raise NoCounterpart(_complaint(node.text))
    arguments = [plain(argument) for argument in node.arguments]
    build = OPERATIONS[node.name].made_of
    return op(node.name, *arguments) if build is None else plain(build(*arguments))


def _applied(name: str, arguments: Sequence[Node], text: str) -> Node:
    return opaque(text, *arguments) if name == "opaque" else op(name, *arguments)


def _node(value: Value, values: Sequence[Node]) -> Node:
    return values[value] if isinstance(value, int) else number(value)


def _complaint(text: str) -> str:
    known = ", ".join(row.torch.rpartition(".")[2] for row in OPERATIONS.values() if row.torch)
    return (
        f"'{text.format(*OPERANDS, *'cdef')}' cannot be written for other stacks; expected arithmetic and torch's "
        f"{known}: write the primitive with these, or export to torch, torchscript, export or onnx"
    )


@functools.lru_cache(maxsize=REMEMBERED)
def function_of(expression: Expression, *, held: bool = True) -> Function:
    """Return what an expression computes.

    Args:
        expression: the tree.
        held: whether values inside that could overflow are held, as in what is trained and exported; else as it is
            written, for a look at it in double precision.
    """
    inputs, parameters = expression.inputs or ("x",), expression.parameters
    steps = Steps(len(inputs) + len(parameters))
    names: dict[str, Value] = {name: n for n, name in enumerate((*inputs, *(one.name for one in parameters)))}
    values: dict[Expression, Value] = {}
    sizes: dict[Expression, float] = {}  # the largest that each sub-expression can take
    for node in expression.walk():
        if node in values:
            continue
        row = node.primitive
        if row.is_input:
            values[node], sizes[node] = names[row.name], MOST
            continue
        code = row.code
        if held and node is not expression:
            sizes[node] = reach(row, tuple(sizes[argument] for argument in node.arguments))
            code = held_code(row) if sizes[node] > MOST else code
        operands = dict(zip(OPERANDS, (values[argument] for argument in node.arguments), strict=False))
        before = len(steps.steps)
        values[node] = steps.read(code, {parameter.name: names[parameter.name] for parameter in row.reads} | operands)
        if row.name in ROWS and len(steps.steps) > before:
            steps.steps[-1] = replace(steps.steps[-1], means=(ROWS[row.name], operands["a"]))
    if not expression.inputs:  # a constant must still have the shape of its input
        steps.add("add", values[expression], steps.add("mul", 0.0, 0))
    return Function(tuple(inputs), parameters, tuple(steps.steps))


def values_and_slopes(
    function: Compute, x: "torch.Tensor", *others: "torch.Tensor"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return f and df/dx at every point of x, both of x's shape and without history; the slope of a constant is 0.

    Args:
        function: of x first.
        x: the first input.
        others: further inputs and parameters.
    """
    import torch  # noqa: PLC0415  as above

    points = x.detach().clone().requires_grad_()
    values = function(points, *others)
    slopes = torch.zeros_like(points)
    if values.requires_grad:
        (slopes,) = torch.autograd.grad(values.sum(), points)
    return values.detach(), slopes
