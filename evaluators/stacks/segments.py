"""An activation layer of a stack: each function on the children that have it.

Not here: the networks around it (``graph``).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from actsearch.grammar.render import Function

LANES = 64
"""Numbers of one child that an operation takes at a time without a rest: the rest of a tensor is computed by other
instructions, whose last bits differ, and would depend on who stands last."""
Segment = tuple[Function, int]
"""A function, and how many children in a row have it."""


class Segments:
    """A compiled function in the place of one child's, for a whole stack.

    Args:
        segments: functions in the order of the stack.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = tuple(segments)

    def __call__(self, x: Tensor, beta: Tensor) -> Tensor:
        """Return the values; within ``vmap`` over the children, each by its own function.

        Args:
            x: what comes in.
            beta: as a layer gives it, of a shape that fits x.
        """
        result: Tensor = _Apply.apply(x, beta, self.segments)  # type: ignore[no-untyped-call]
        return result


class _Apply(torch.autograd.Function):
    """Only a door: within ``vmap`` torch asks its rule, which sees the children side by side."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: Tensor, beta: Tensor, segments: tuple[Segment, ...]) -> Tensor:
        """Apply the first function: outside of a stack there is one child."""
        return segments[0][0](x, beta)

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
    def vmap(info: Any, dims: tuple[int | None, ...], x: Tensor, beta: Tensor, segments: tuple[Segment, ...]) -> Any:
        """Apply each function to the children that have it; ``(children, batch, ...)`` stays so."""
        count = sum(number for _, number in segments)
        x = _first(x, dims[0], count)
        beta = _first(beta, dims[1], count)
        if beta.ndim < x.ndim:
            beta = beta.reshape(count, *[1] * (x.ndim - beta.ndim), *beta.shape[1:])
        length, rest = x.shape[1] if x.ndim > 1 else 1, x[0, 0].numel() if x.ndim > 1 else 1
        more = next(extra for extra in range(LANES) if (length + extra) * rest % LANES == 0) if x.ndim > 1 else 0
        if more:
            x = torch.cat([x, *([x] * (more // length)), x[:, : more % length]], 1)
            if beta.shape[1] == length > 1:
                beta = torch.cat([beta, *([beta] * (more // length)), beta[:, : more % length]], 1)
        parts, start = [], 0
        for function, number in segments:
            part = slice(start, start + number)
            parts.append(function(x[part], beta[part]))
            start += number
        found = torch.cat(parts) if len(parts) > 1 else parts[0]
        return (found[:, :length] if more else found), 0


def _first(value: Tensor, dim: int | None, count: int) -> Tensor:
    """Return a value with the children in its first dimension, each child's numbers in a row.

    Were they apart, the length of a row would depend on how many children share a function, and so would last bits.
    """
    return value.expand(count, *value.shape) if dim is None else value.movedim(dim, 0).contiguous()
