"""The operations of a population of children: each acts on every child at once and mixes none with another.

Layout: features are ``(P, C, T, B) float32``: child, channel, position, example. The example comes last, so that a
shift along the positions is a shift by whole contiguous rows and a convolution is one batched matrix product over
three shifted copies. Not here: the network (``resnet1d``) and the training (``training``).
"""

from typing import Any

import torch
from torch import Tensor

BATCH_NORM_EPSILON = 1e-5  # torch.nn.BatchNorm1d's default, as is the momentum
BATCH_NORM_MOMENTUM = 0.1


class Convolution3(torch.autograd.Function):
    """Kernel 3, zero padding 1, any stride, with bias; the population's ``torch.nn.Conv1d``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        """Convolve ``(P, C, T, B)`` with ``(P, O, 3C)``, taps outermost, to ``(P, O, T/stride, B)``."""
        columns = _columns(x, stride)
        ctx.save_for_backward(columns, weight)
        ctx.stride, ctx.positions = stride, x.shape[2]
        ctx.needs_input = ctx.needs_input_grad[0]
        out = torch.baddbmm(bias.unsqueeze(-1), weight, columns.flatten(1, 2).flatten(2))
        return out.view(*out.shape[:2], *columns.shape[3:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Return the gradients of input, weight and bias."""
        columns, weight = ctx.saved_tensors
        grad = grads[0].flatten(2)
        flat = columns.flatten(1, 2).flatten(2)
        grad_weight = torch.bmm(grad, flat.transpose(1, 2))
        grad_bias = grad.sum(2)
        if not ctx.needs_input:
            return None, grad_weight, grad_bias, None
        grad_columns = torch.bmm(weight.transpose(1, 2), grad).view(columns.shape)
        return _fold(grad_columns, ctx.stride, ctx.positions), grad_weight, grad_bias, None


def _columns(x: Tensor, stride: int) -> Tensor:
    """Copy the three shifted views of ``(P, C, T, B)`` to ``(P, 3, C, T/stride, B)``."""
    children, channels, positions, examples = x.shape
    out_positions = (positions + stride - 1) // stride
    columns = x.new_empty(children, 3, channels, out_positions, examples)
    columns[:, 1] = x[:, :, ::stride]
    columns[:, 0, :, 0] = 0
    columns[:, 0, :, 1:] = x[:, :, stride - 1 : positions - 1 : stride]
    right = x[:, :, 1::stride]
    columns[:, 2, :, : right.shape[2]] = right
    columns[:, 2, :, right.shape[2] :] = 0
    return columns


def _fold(grad: Tensor, stride: int, positions: int) -> Tensor:
    """Add the three shifted gradients back: the transpose of ``_columns``."""
    children, _, channels, _, examples = grad.shape
    if stride == 1:
        out = grad[:, 1].clone()
    else:
        out = grad.new_zeros(children, channels, positions, examples)
        out[:, :, ::stride] = grad[:, 1]
    out[:, :, stride - 1 : positions - 1 : stride] += grad[:, 0, :, 1:]
    right = out[:, :, 1::stride]
    right += grad[:, 2, :, : right.shape[2]]
    return out


class _Normalise(torch.autograd.Function):
    """Batch normalisation over each row of ``(P, C, N)`` in few passes over memory; statistics come back too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(2, keepdim=True)
        centred = x - mean
        variance = torch.linalg.vecdot(centred, centred).unsqueeze(-1) / x.shape[2]
        inverse = torch.rsqrt(variance + BATCH_NORM_EPSILON)
        scale = inverse * gain.unsqueeze(-1)
        ctx.save_for_backward(centred, inverse, scale)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias.unsqueeze(-1), centred, scale), mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        centred, inverse, scale = ctx.saved_tensors
        grad = grads[0]
        rows = grad.shape[2]
        grad_bias = grad.sum(2, keepdim=True)
        projection = torch.linalg.vecdot(grad, centred).unsqueeze(-1)
        grad_gain = projection * inverse
        out = torch.addcmul(grad - grad_bias / rows, centred, projection * inverse * inverse / -rows)
        return out.mul_(scale), grad_gain.squeeze(-1), grad_bias.squeeze(-1)


class RunningStatistics:
    """Mean and variance ``(P, C, 1)`` of one normalisation, kept as ``torch.nn.BatchNorm1d`` keeps them."""

    def __init__(self, children: int, channels: int) -> None:
        self.mean = torch.zeros(children, channels, 1)
        self.variance = torch.ones(children, channels, 1)

    def update(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        """Move towards the statistics of a batch with ``rows`` values a channel."""
        self.mean.lerp_(mean, BATCH_NORM_MOMENTUM)
        self.variance.lerp_(variance * (rows / (rows - 1)), BATCH_NORM_MOMENTUM)


def batch_norm(x: Tensor, gain: Tensor, bias: Tensor, running: RunningStatistics, training: bool) -> Tensor:
    """Normalise ``(P, C, T, B)`` per child and channel; gain and bias are ``(P, C)``."""
    flat = x.flatten(2)
    if training:
        out, mean, variance = _Normalise.apply(flat, gain, bias)  # type: ignore[no-untyped-call]
        running.update(mean, variance, flat.shape[2])
    else:
        scale = torch.rsqrt(running.variance + BATCH_NORM_EPSILON) * gain.unsqueeze(-1)
        out = torch.addcmul(bias.unsqueeze(-1), flat - running.mean, scale)
    return torch.as_tensor(out).view(x.shape)


def convolution3(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Apply ``Convolution3``."""
    return torch.as_tensor(Convolution3.apply(x, weight, bias, stride))  # type: ignore[no-untyped-call]


def pointwise(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Convolve with kernel 1 and a stride (the shortcut of a block): ``weight (P, O, C)``."""
    picked = x[:, :, ::stride]
    out = torch.baddbmm(bias.unsqueeze(-1), weight, picked.flatten(2))
    return out.view(out.shape[0], out.shape[1], *picked.shape[2:])
