"""An activation layer of a stack: each function on the children that have it.

Not here: the networks around it (``graph``).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from actsearch.evaluators.stacks.recording import NotStackable
from actsearch.grammar.function import Function
from actsearch.grammar.parameter import Parameter

LANES = 64
"""Numbers of one child that an operation takes at a time without a rest: the rest of a tensor is computed by other
instructions, whose last bits differ, and would depend on who stands last."""
Segment = tuple[Function, int]
"""A function, and how many children in a row have it."""


def parameters_of(segments: Sequence[Segment]) -> tuple[Parameter, ...]:
    """Return the parameters that any of the functions reads.

    Raises:
        NotStackable: two functions have one of the same name in other places.
    """
    union: dict[str, Parameter] = {}
    for function, _ in segments:
        for parameter in function.parameters:
            if union.setdefault(parameter.name, parameter).place != parameter.place:
                raise NotStackable(f"its functions have '{parameter.name}' in places of two kinds")
    return tuple(union.values())


class Segments:
    """A compiled function in the place of one child's, for a whole stack.

    Args:
        segments: functions in the order of the stack.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        names = [parameter.name for parameter in parameters_of(segments)]
        self.parts = tuple(
            (function, tuple(names.index(parameter.name) for parameter in function.parameters), count)
            for function, count in segments
        )

    def __call__(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return the values; within ``vmap`` over the children, each by its own function.

        Args:
            x: input of the layer.
            parameters: those of all functions, as a layer gives them, of shapes that fit x.
        """
        result: Tensor = _Apply.apply(self.parts, x, *parameters)  # type: ignore[no-untyped-call]
        return result


class _Apply(torch.autograd.Function):
    """Only a door: within ``vmap`` torch asks its rule, which sees the children side by side."""

    generate_vmap_rule = False

    @staticmethod
    def forward(parts: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        """Apply the first function: outside of a stack there is one child."""
        function, reads, _ = parts[0]
        result: Tensor = function(x, *(parameters[n] for n in reads))
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: gradients are those of the rule's own operations."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Never called: see ``setup_context``.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], parts: Any, x: Tensor, *parameters: Tensor) -> Any:
        """Apply each function to the children that have it; ``(children, batch, ...)`` stays so."""
        count = sum(number for _, _, number in parts)
        x = _first(x, dims[1], count)
        length, rest = x.shape[1] if x.ndim > 1 else 1, x[0, 0].numel() if x.ndim > 1 else 1
        more = next(extra for extra in range(LANES) if (length + extra) * rest % LANES == 0) if x.ndim > 1 else 0
        given = [_beside(_first(one, dim, count), x, more) for one, dim in zip(parameters, dims[2:], strict=True)]
        if more:
            x = torch.cat([x, *([x] * (more // length)), x[:, : more % length]], 1)
        values, start = [], 0
        for function, reads, number in parts:
            part = slice(start, start + number)
            values.append(function(x[part], *(given[n][part] for n in reads)))
            start += number
        result = torch.cat(values) if len(values) > 1 else values[0]
        return (result[:, :length] if more else result), 0


def _beside(parameter: Tensor, x: Tensor, more: int) -> Tensor:
    """Return a parameter of the shape that stands beside x, once x is longer by some rows."""
    count, length = x.shape[0], x.shape[1] if x.ndim > 1 else 1
    if parameter.ndim < x.ndim:
        parameter = parameter.reshape(count, *[1] * (x.ndim - parameter.ndim), *parameter.shape[1:])
    if more and parameter.shape[1] == length > 1:
        parameter = torch.cat([parameter, *([parameter] * (more // length)), parameter[:, : more % length]], 1)
    return parameter


def _first(value: Tensor, dim: int | None, count: int) -> Tensor:
    """Return a value with the children in its first dimension, each child's numbers in a row.

    Were they apart, the length of a row would depend on how many children share a function, and so would last bits.
    """
    return value.expand(count, *value.shape) if dim is None else value.movedim(dim, 0).contiguous()
