"""Apply the activation functions of a stack in one layer, each to the children that have it.

Not here: the networks around the layer (``graph``).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from actsearch.evaluators.stacks.recording import NotStackable
from actsearch.grammar.function import Function
from actsearch.grammar.parameter import Parameter

LANES = 64
"""Multiple to which a child's count of numbers is padded. The remainder of a tensor is computed by other instructions,
whose last bits differ; without padding the last bits would depend on which child is last."""
Segment = tuple[Function, int]
"""A function, and the number of adjacent children that have it."""


def parameters_of(segments: Sequence[Segment]) -> tuple[Parameter, ...]:
    """Return the union of the functions' parameters.

    Raises:
        NotStackable: two functions have a parameter of one name with different places, per channel and per layer.
    """
    union: dict[str, Parameter] = {}
    for function, _ in segments:
        for parameter in function.parameters:
            if union.setdefault(parameter.name, parameter).place != parameter.place:
                raise NotStackable(f"its functions have '{parameter.name}' in places of two kinds")
    return tuple(union.values())


class Segments:
    """Function of a whole stack, in place of one child's compiled function.

    Args:
        segments: functions with their numbers of children, in the order of the stack.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        names = [parameter.name for parameter in parameters_of(segments)]
        self.parts = tuple(
            (function, tuple(names.index(parameter.name) for parameter in function.parameters), count)
            for function, count in segments
        )

    def __call__(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Return the activation values; under ``vmap`` over the children each child's own function computes them.

        Args:
            x: input of the layer.
            parameters: parameters of all functions, in shapes that broadcast with x.
        """
        result: Tensor = _Apply.apply(self.parts, x, *parameters)  # type: ignore[no-untyped-call]
        return result


class _Apply(torch.autograd.Function):
    """Autograd function that exists for its ``vmap`` rule, which gets all children side by side."""

    generate_vmap_rule = False

    @staticmethod
    def forward(parts: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        """Apply the first function: outside ``vmap`` there is only one child."""
        function, reads, _ = parts[0]
        result: Tensor = function(x, *(parameters[n] for n in reads))
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Save nothing: the gradients come from the operations inside the ``vmap`` rule."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Never called: see ``setup_context``.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], parts: Any, x: Tensor, *parameters: Tensor) -> Any:
        """Apply each function to the children that have it, and return ``(children, batch, ...)``.

        Args:
            info: size and randomness of the ``vmap``, unused.
            dims: dimension of the children in each argument, or None.
            parts: functions, indices of the parameters that each reads, and numbers of children.
            x: input of the layer for all children.
            parameters: parameters of all functions.
        """
        count = sum(number for _, _, number in parts)
        x = _children_first(x, dims[1], count)
        length, rest = x.shape[1] if x.ndim > 1 else 1, x[0, 0].numel() if x.ndim > 1 else 1
        more = next(extra for extra in range(LANES) if (length + extra) * rest % LANES == 0) if x.ndim > 1 else 0
        fitted = [
            _fitted(_children_first(one, dim, count), x, more) for one, dim in zip(parameters, dims[2:], strict=True)
        ]
        if more:
            x = torch.cat([x, *([x] * (more // length)), x[:, : more % length]], 1)
        values, start = [], 0
        for function, reads, number in parts:
            part = slice(start, start + number)
            values.append(function(x[part], *(fitted[n][part] for n in reads)))
            start += number
        result = torch.cat(values) if len(values) > 1 else values[0]
        return (result[:, :length] if more else result), 0


def _fitted(parameter: Tensor, x: Tensor, more: int) -> Tensor:
    """Return a parameter in a shape that broadcasts with x after padding.

    Args:
        parameter: parameter of all children, ``(children, ...)``.
        x: input before padding, ``(children, batch, ...)``.
        more: number of rows that padding adds to dimension 1 of x.
    """
    count, length = x.shape[0], x.shape[1] if x.ndim > 1 else 1
    if parameter.ndim < x.ndim:
        parameter = parameter.reshape(count, *[1] * (x.ndim - parameter.ndim), *parameter.shape[1:])
    if more and parameter.shape[1] == length > 1:
        parameter = torch.cat([parameter, *([parameter] * (more // length)), parameter[:, : more % length]], 1)
    return parameter


def _children_first(value: Tensor, dim: int | None, count: int) -> Tensor:
    """Return a value with the children in its first dimension, and each child's numbers contiguous in memory.

    Otherwise the length of a contiguous run, and with it the last bits, would depend on the number of children that
    share a function.

    Args:
        value: tensor of the stack, or one shared by all children.
        dim: dimension of the children; None if the value is shared.
        count: number of children.
    """
    return value.expand(count, *value.shape) if dim is None else value.movedim(dim, 0).contiguous()
