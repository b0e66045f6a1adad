"""Diagnostics of a child's layers at its start and end, which users want beside an activation's score.

One batch of training examples is measured. Not here: the score (``training``).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.outcome import LEARNED

EXAMPLES = 64  # enough for shares of a percent over a layer, cheap against the training
ZERO, FLAT = 1e-6, 1e-2
"""A slope or output below ZERO counts as 0; a unit whose slope is below FLAT is saturated."""
BINS = 16  # bins of the histogram of pre-activations, from -4 to 4; the outer two also count values beyond
CURVE_POINTS = 20

Facts = dict[str, list[float]]


def learning_curve(losses: Sequence[float]) -> list[float]:
    """Return the mean training loss of up to 20 spans of equal length."""
    points = min(CURVE_POINTS, len(losses))
    bounds = [round(i * len(losses) / points) for i in range(points + 1)] if points else [0]
    return [_short(sum(losses[a:b]) / (b - a)) for a, b in pairwise(bounds)]


def gradient_norms(network: nn.Module, batch: Split, objective: Objective) -> list[float]:
    """Return the norm of the loss's gradient for each trained weight matrix or kernel, in the order of the network."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1 and parameter.requires_grad]
    if not weights:
        return []
    copies = [(buffer, buffer.clone()) for buffer in network.buffers()]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # measuring must not change the training
        loss = objective.loss(objective.output(network.train(), batch), batch)
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    for buffer, before in copies:
        buffer.copy_(before)
    return [0.0 if gradient is None else _short(float(gradient.norm())) for gradient in gradients]


def look_at(network: nn.Module, layers: Sequence[nn.Module], batch: Split, objective: Objective) -> Facts:
    """Return the facts of every activation layer, in the order of the network.

    Args:
        network: network in its current state; it is left in evaluation mode.
        layers: activation layers of the network.
        batch: input of the network.
        objective: objective that calls the network.
    """
    inputs_of: dict[nn.Module, Tensor] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: inputs_of.update({layer: inputs[0].detach()}))
        for layer in layers
    ]
    network.eval()
    try:
        with objective.looking():
            objective.output(network, batch)
    finally:
        for hook in hooks:
            hook.remove()
    facts: Facts = {}
    for layer in layers:
        if layer in inputs_of:
            for name, values in _facts_of(layer, inputs_of[layer]).items():
                facts.setdefault(name, []).extend(values)
    return facts


def _facts_of(layer: nn.Module, inputs: Tensor) -> Facts:
    points = inputs.clone().requires_grad_()
    outputs = layer(points)
    slopes = torch.zeros_like(points)
    if outputs.requires_grad:
        (gradient,) = torch.autograd.grad(outputs.sum(), points, allow_unused=True)
        slopes = slopes if gradient is None else gradient
    outputs, dimension = outputs.detach(), getattr(layer, "dimension", 1)
    units = slopes.abs().movedim(dimension, 0).flatten(1)  # (channels, everything else)
    counts = torch.histc(inputs.clamp(-4, 4), BINS, -4, 4) / inputs.numel()
    facts = {
        "dead_share": (units.amax(1) < ZERO).float().mean(),
        "saturated_share": (units < FLAT).float().mean(),
        "sparsity": (outputs.abs() < ZERO).float().mean(),
        "output_mean": outputs.mean(),
        "output_variance": outputs.var(),
        "largest_output": outputs.abs().max(),
        "not_finite_share": 1 - torch.isfinite(outputs).float().mean(),
    }
    learned = layer.summary() if isinstance(layer, ActivationLayer) else []
    shown = {name: [_short(float(value))] for name, value in facts.items()}
    return shown | {"histogram": [_short(v) for v in counts.tolist()], LEARNED: [_short(v) for v in learned]}


def _short(value: float) -> float:
    """Round to four digits, because the store holds thousands of such numbers."""
    return float(f"{value:.4g}")
