"""Let a network call ``torch.autograd.grad`` in its forward pass under ``vmap``, for instance for its inputs.

Physics-informed networks do so. torch refuses ``grad`` and ``requires_grad_`` within its transforms, because their
meaning is unclear there. In a stack the children are independent, so the gradient of their joint output is the gradient
of each. Not here: the recorded step (``graph``).
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch as within

_GRAD, _REQUIRES_GRAD_ = torch.autograd.grad, Tensor.requires_grad_


def _requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Apply ``requires_grad_`` to the tensor of the whole stack behind a child's tensor."""
    if not within.is_batchedtensor(self):
        return _REQUIRES_GRAD_(self, requires_grad)
    before = within.get_inplace_requires_grad_allowed()
    within.set_inplace_requires_grad_allowed(True)
    try:
        _REQUIRES_GRAD_(within.get_unwrapped(self), requires_grad)
    finally:
        within.set_inplace_requires_grad_allowed(before)
    return self


def _grad(outputs: Any, inputs: Any, grad_outputs: Any = None, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """Return the gradients of every child at once; arguments as for ``torch.autograd.grad``."""
    sources = [inputs] if isinstance(inputs, Tensor) else [*inputs]
    results = [outputs] if isinstance(outputs, Tensor) else [*outputs]
    if not any(map(within.is_batchedtensor, [*sources, *results])):
        return tuple(_GRAD(outputs, inputs, grad_outputs, *args, **kwargs))
    level = max(within.maybe_get_level(one) for one in [*sources, *results] if within.is_batchedtensor(one))
    whole_results = [_unwrapped(one, level)[0] for one in results]
    if grad_outputs is None:
        directions: Sequence[Tensor | None] = [torch.ones_like(one) for one in whole_results]
    else:
        listed = [grad_outputs] if isinstance(grad_outputs, Tensor) else [*grad_outputs]
        directions = [
            None if one is None else _whole_direction(one, whole, level)
            for one, whole in zip(listed, whole_results, strict=True)
        ]
    inner = [_unwrapped(one, level) for one in sources]
    gradients = _GRAD(whole_results, [one for one, _ in inner], directions, *args, **kwargs)
    return tuple(
        one if one is None or child_dimension is None else within._add_batch_dim(one, child_dimension, level)
        for one, (_, child_dimension) in zip(gradients, inner, strict=True)
    )


def _unwrapped(value: Tensor, level: int) -> tuple[Tensor, int | None]:
    """Return a stack's whole tensor and its dimension of the children, which is None for a shared tensor."""
    if not within.is_batchedtensor(value):
        return value, None
    unwrapped: tuple[Tensor, int | None] = within._unwrap_batched(value, level)
    return unwrapped


def _whole_direction(direction: Tensor, whole: Tensor, level: int) -> Tensor:
    """Return a gradient's direction with the shape of the whole output, children first."""
    tensor, place = _unwrapped(direction, level)
    return tensor.expand_as(whole) if place is None else tensor.movedim(place, 0)


@contextlib.contextmanager
def differentiating() -> Iterator[None]:
    """Make ``torch.autograd.grad`` and ``requires_grad_`` work under ``vmap`` within the ``with`` statement."""
    torch.autograd.grad = _grad  # type: ignore[assignment]  # restored below
    Tensor.requires_grad_ = _requires_grad_  # type: ignore[method-assign, assignment]  # restored below
    try:
        yield
    finally:
        torch.autograd.grad = _GRAD
        Tensor.requires_grad_ = _REQUIRES_GRAD_  # type: ignore[method-assign]  # the original
