"""How the layers of a child fare, at its start and at its end: what users ask of an activation beside its score.

Looked at on one batch of training examples. Not here: the score (``training``).
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
"""A slope or output below ZERO is none; a unit whose slope is under FLAT is saturated."""
BINS = 16  # of the histogram of pre-activations, from -4 to 4; the outer two hold what lies beyond
CURVE_POINTS = 20

Facts = dict[str, list[float]]


def learning_curve(losses: Sequence[float]) -> list[float]:
    """Return the mean training loss of up to 20 spans of equal length."""
    points = min(CURVE_POINTS, len(losses))
    bounds = [round(i * len(losses) / points) for i in range(points + 1)] if points else [0]
    return [_short(sum(losses[a:b]) / (b - a)) for a, b in pairwise(bounds)]


def gradient_norms(network: nn.Module, batch: Split, objective: Objective) -> list[float]:
    """Return the norm of the loss's gradient by each trained weight matrix or kernel, in the order of the network."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1 and parameter.requires_grad]
    if not weights:
        return []
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # looking must not change what follows
        loss = objective.loss(objective.output(network.train(), batch), batch)
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    for buffer, before in kept:
        buffer.copy_(before)
    return [0.0 if grad is None else _short(float(grad.norm())) for grad in found]


def look_at(network: nn.Module, layers: Sequence[nn.Module], batch: Split, objective: Objective) -> Facts:
    """Return the facts of every activation layer, in the order of the network.

    Args:
        network: in its state of now; left in evaluation mode.
        layers: its activation layers.
        batch: what goes in.
        objective: calls the network.
    """
    seen: dict[nn.Module, Tensor] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: seen.update({layer: inputs[0].detach()}))
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
        if layer in seen:
            for name, values in _facts_of(layer, seen[layer]).items():
                facts.setdefault(name, []).extend(values)
    return facts


def _facts_of(layer: nn.Module, inputs: Tensor) -> Facts:
    points = inputs.clone().requires_grad_()
    outputs = layer(points)
    slopes = torch.zeros_like(points)
    if outputs.requires_grad:
        (found,) = torch.autograd.grad(outputs.sum(), points, allow_unused=True)
        slopes = slopes if found is None else found
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
    """Four digits: what is stored by the thousand."""
    return float(f"{value:.4g}")
