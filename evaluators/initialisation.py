"""How weights start: the usual schemes, and one that is matched to the activation itself.

Every scheme draws from a normal distribution of variance gain^2 / fan: the fan is the number of inputs of a unit, for
Glorot the mean of inputs and outputs. Layers that no activation follows (the last one) have gain 1. Not here: which
scheme a task uses (``registry``).
"""

import math
from typing import Literal

import torch
from torch import nn

from actsearch.grammar.render import Function

Scheme = Literal["he", "glorot", "lecun", "matched", "network"]
"""``he`` 2 / inputs (He et al. 2015, section 2.2), ``glorot`` 2 / (inputs + outputs) (Glorot & Bengio 2010, section
4.2.1), ``lecun`` 1 / inputs (Klambauer et al. 2017), ``matched`` 1 / (inputs E[f(z)^2]) with z standard normal,
``network`` leaves everything as the network made it."""

QUADRATURE = 2049  # points of the rule on [-8, 8] that integrates f(z)^2 against the normal density
MOST_GAIN = 10.0
"""A function that is nearly 0 everywhere would ask for boundless weights; so would one that overflows for none."""


def matched_gain(function: Function) -> float:
    """Return 1 / sqrt(E[f(z)^2]), z ~ N(0, 1), at beta = 1: the gain that keeps the second moment; within [0.1, 10]."""
    z = torch.linspace(-8, 8, QUADRATURE, dtype=torch.float64)
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    with torch.no_grad():
        moment = float(torch.trapezoid(function(z, torch.ones((), dtype=torch.float64)) ** 2 * density, z))
    if math.isnan(moment):
        return 1.0
    least = 1 / MOST_GAIN**2  # the moment is at least 0: a square is integrated
    return 1 / math.sqrt(min(MOST_GAIN**2, max(least, moment)))


def deviation(weight: torch.Tensor, scheme: Scheme, gain: float) -> float:
    """Return the standard deviation of a weight ``(outputs, inputs, ...)``; ``gain`` matters to ``matched`` alone."""
    inputs = math.prod(weight.shape[1:])
    outputs = weight.shape[0] * math.prod(weight.shape[2:])
    match scheme:
        case "he":
            return math.sqrt(2 / inputs)
        case "glorot":
            return math.sqrt(2 / (inputs + outputs))
        case "lecun":
            return math.sqrt(1 / inputs)
        case "matched":
            return gain / math.sqrt(inputs)
    raise ValueError("the scheme 'network' draws nothing")


def initialise(network: nn.Module, scheme: Scheme, function: Function | None, generator: torch.Generator) -> None:
    """Start every convolution, linear layer and embedding of a network, in place; biases at 0.

    Args:
        network: whose last linear layer is taken for the one that no activation follows.
        scheme: of the weights.
        function: the activation, for ``matched``; None is treated as a rectifier.
        generator: every draw comes from it.
    """
    if scheme == "network":
        return
    gain = math.sqrt(2) if function is None or scheme != "matched" else matched_gain(function)
    layers = [m for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    last = next((layer for layer in reversed(layers) if isinstance(layer, nn.Linear)), None)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Embedding):
                module.weight.normal_(0, 1 / math.sqrt(module.embedding_dim), generator=generator)
            if not isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
                continue
            spread = deviation(module.weight, "lecun" if module is last else scheme, gain)
            module.weight.normal_(0, spread, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
