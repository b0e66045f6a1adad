"""Let a network differentiate while it is called, with respect to its inputs, say, also within ``vmap``.

Physics-informed networks do. torch refuses both calls within its transforms, since it cannot know what they mean there;
here children are independent, so that the gradient of what they compute together is that of each. Not here: what is
recorded (``graph``).
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch as within

_GRAD, _REQUIRES_GRAD_ = torch.autograd.grad, Tensor.requires_grad_


def _requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Do to what is within a stack what is asked of one child's."""
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
    """Return gradients for every child at once."""
    wanted = [inputs] if isinstance(inputs, Tensor) else [*inputs]
    given = [outputs] if isinstance(outputs, Tensor) else [*outputs]
    if not any(map(within.is_batchedtensor, [*wanted, *given])):
        return tuple(_GRAD(outputs, inputs, grad_outputs, *args, **kwargs))
    level = max(within.maybe_get_level(one) for one in [*wanted, *given] if within.is_batchedtensor(one))
    found = [_whole(one, level)[0] for one in given]
    if grad_outputs is None:
        directions: Sequence[Tensor | None] = [torch.ones_like(one) for one in found]
    else:
        listed = [grad_outputs] if isinstance(grad_outputs, Tensor) else [*grad_outputs]
        directions = [
            None if one is None else _like(one, whole, level) for one, whole in zip(listed, found, strict=True)
        ]
    inner = [_whole(one, level) for one in wanted]
    gradients = _GRAD(found, [one for one, _ in inner], directions, *args, **kwargs)
    return tuple(
        one if one is None or place is None else within._add_batch_dim(one, place, level)
        for one, (_, place) in zip(gradients, inner, strict=True)
    )


def _whole(value: Tensor, level: int) -> tuple[Tensor, int | None]:
    """Return what is within a stack, and the dimension of the children; None of what all share."""
    if not within.is_batchedtensor(value):
        return value, None
    found: tuple[Tensor, int | None] = within._unwrap_batched(value, level)
    return found


def _like(direction: Tensor, whole: Tensor, level: int) -> Tensor:
    """Return a direction for every child."""
    found, place = _whole(direction, level)
    return found.expand_as(whole) if place is None else found.movedim(place, 0)


@contextlib.contextmanager
def differentiating() -> Iterator[None]:
    """Let both calls work within ``vmap`` meanwhile."""
    torch.autograd.grad = _grad  # type: ignore[assignment]  # put back below
    Tensor.requires_grad_ = _requires_grad_  # type: ignore[method-assign, assignment]  # put back below
    try:
        yield
    finally:
        torch.autograd.grad = _GRAD
        Tensor.requires_grad_ = _REQUIRES_GRAD_  # type: ignore[method-assign]  # as it was
