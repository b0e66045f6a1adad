"""How weights start: the usual schemes, and one that is matched to the activation itself.

Every scheme draws from a normal distribution of variance gain^2 / fan: the fan is the number of inputs of a unit, for
Glorot the mean of inputs and outputs. Layers that no activation follows (the last one) have gain 1. Not here: which
scheme a task uses (``registry``).
"""

import math
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

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


def deviation(weight: torch.Tensor, scheme: Scheme, gain: float, stride: int = 1) -> float:
    """Return the standard deviation of a weight ``(outputs, inputs, ...)``; ``gain`` matters to ``matched`` alone.

    Args:
        weight: of a layer.
        scheme: of the weights.
        gain: of the activation.
        stride: of a transposed convolution, over which a unit's inputs are spread: the product over its dimensions.
    """
    inputs = math.prod(weight.shape[1:]) / stride
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


def initialise(
    network: nn.Module, scheme: Scheme, function: Function | None, generator: torch.Generator
) -> tuple[str, ...]:
    """Start every convolution, linear layer and embedding of a network, in place; biases at 0.

    A convolution may be transposed: its units have as many inputs as the kernel, spread over the stride, lets through
    on the average. Weights with a parametrization (``torch.nn.utils.parametrize``) are drawn through it.

    Args:
        network: whose last linear layer is taken for the one that no activation follows.
        scheme: of the weights.
        function: the activation, for ``matched``; None is treated as a rectifier.
        generator: every draw comes from it.

    Returns:
        Names of the layers whose weights stay as they were: recurrent ones, and others of which no scheme speaks.
    """
    if scheme == "network":
        return ()
    gain = math.sqrt(2) if function is None or scheme != "matched" else matched_gain(function)
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    left = []
    with torch.no_grad():
        for name, module in network.named_modules():
            if any(map(nn.parameter.is_lazy, module.parameters(recurse=False))):
                left.append(name)
                continue
            if isinstance(module, nn.Embedding):
                spread = 1 / math.sqrt(module.embedding_dim)
            elif isinstance(module, (nn.Linear, _ConvNd)):
                spread = _spread(module, "lecun" if linear and module is linear[-1] else scheme, gain)
            else:
                of_layer = isinstance(module, parametrize.ParametrizationList)  # whose weight is drawn through it
                left += [name] if not of_layer and any(p.ndim > 1 for p in module.parameters(recurse=False)) else []
                continue
            if not _drawn(module, spread, generator):
                left.append(name)
            elif not isinstance(module, nn.Embedding) and module.bias is not None:
                module.bias.zero_()
    return tuple(left)


def _spread(layer: nn.Linear | _ConvNd, scheme: Scheme, gain: float) -> float:
    """Return the deviation of a layer's weights."""
    if not isinstance(layer, _ConvTransposeNd):
        return deviation(layer.weight, scheme, gain)
    turned = layer.weight.new_empty(  # as of a convolution: (outputs, inputs of a group, ...)
        layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size, device="meta"
    )
    return deviation(turned, scheme, gain, math.prod(layer.stride))


def _drawn(layer: nn.Module, spread: float, generator: torch.Generator) -> bool:
    """Draw a layer's weight, and return whether it lasts: what is computed from others before each call does not."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    if parametrize.is_parametrized(layer, "weight"):
        try:
            layer.weight = torch.empty_like(weight).normal_(0, spread, generator=generator)
        except (RuntimeError, NotImplementedError, AttributeError):  # it cannot be turned round
            return False
        return True
    if "weight" not in layer._parameters:
        return False
    weight.normal_(0, spread, generator=generator)
    return True
