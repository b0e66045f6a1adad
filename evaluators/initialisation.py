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

from actsearch.grammar.function import Compute

Scheme = Literal["he", "glorot", "lecun", "matched", "network"]
"""``he`` 2 / inputs (He et al. 2015, section 2.2), ``glorot`` 2 / (inputs + outputs) (Glorot & Bengio 2010, section
4.2.1), ``lecun`` 1 / inputs (Klambauer et al. 2017), ``matched`` 1 / (inputs E[f(z)^2]) with z standard normal,
``network`` leaves everything as the network made it."""

QUADRATURE = 2049  # points of the rule on [-8, 8] that integrates f(z)^2 against the normal density
MOST_GAIN = 10.0
"""A function that is nearly 0 everywhere would ask for boundless weights; so would one that overflows for none."""


def matched_gain(function: Compute) -> float:
    """Return 1 / sqrt(E[f(z)^2]), z ~ N(0, 1), the gain that keeps the second moment; within [0.1, 10].

    Args:
        function: of z alone, its parameters at their start.
    """
    z = torch.linspace(-8, 8, QUADRATURE, dtype=torch.float64)
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    with torch.no_grad():
        moment = float(torch.trapezoid(function(z) ** 2 * density, z))
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
    network: nn.Module, scheme: Scheme, function: Compute | None, generator: torch.Generator,
    last: nn.Module | None = None,
) -> tuple[str, ...]:  # fmt: skip
    """Start every convolution, linear layer and embedding of a network, in place; biases at 0.

    A convolution may be transposed: its units have as many inputs as the kernel, spread over the stride, lets through
    on the average. Weights with a parametrization (``torch.nn.utils.parametrize``) are drawn through it. An embedding
    has variance 1 / width, and its row of padding stays 0.

    Args:
        network: whose layers start anew.
        scheme: of the weights.
        function: the activation, for ``matched``; None is treated as a rectifier.
        generator: every draw comes from it.
        last: the layer that no activation follows, of gain 1; by default the last linear layer by its name's place.

    Returns:
        Names of the layers, or of parameters, that stay as they were though they are weights: those of recurrent
        layers and of others of which no scheme speaks, and what cannot be drawn.
    """
    if scheme == "network":
        return ()
    gain = math.sqrt(2) if function is None or scheme != "matched" else matched_gain(function)
    last = last_linear(network) if last is None else last
    left = []
    for name, module in network.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue  # its weight is drawn through it
        own = dict(module.named_parameters(recurse=False))
        lazy = any(map(nn.parameter.is_lazy, own.values()))
        weights = [key for key, one in own.items() if lazy or one.ndim > 1]
        spread = None if lazy else _spread(module, "lecun" if module is last else scheme, gain)
        if spread is None:
            left += [name] if weights else []
            continue
        left += [f"{name}.{key}" for key in weights if key != "weight"]
        if not _drawn(module, spread, generator):
            left.append(name)
    return tuple(left)


def last_linear(network: nn.Module) -> nn.Module | None:
    """Return the last linear layer by its name's place; None without one."""
    return next((layer for layer in reversed([*network.modules()]) if isinstance(layer, nn.Linear)), None)


def _spread(layer: nn.Module, scheme: Scheme, gain: float) -> float | None:
    """Return the deviation of a layer's weights; None of a layer that no scheme speaks of."""
    if isinstance(layer, nn.Embedding):
        return 1 / math.sqrt(layer.embedding_dim)
    if isinstance(layer, nn.Linear):
        shape: tuple[int, ...] = (layer.out_features, layer.in_features)
    elif isinstance(layer, _ConvNd):
        shape = (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
    else:
        return None
    stride = math.prod(layer.stride) if isinstance(layer, _ConvTransposeNd) else 1
    shaped = torch.empty(shape, device="meta")  # not the weight itself: reading one may change it
    return deviation(shaped, scheme, gain, stride)


@torch.no_grad()
def _drawn(layer: nn.Module, spread: float, generator: torch.Generator) -> bool:
    """Draw a layer's weight, and return whether it lasts; where it does not, the layer is as it was."""
    if parametrize.is_parametrized(layer, "weight"):
        return _drawn_through(layer, spread, generator)
    if "weight" not in layer._parameters:  # it is computed from others before each call
        return False
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    try:
        weight.normal_(0, spread, generator=generator)
    except RuntimeError:  # numbers of another kind, or that cannot be written to
        return False
    if isinstance(layer, nn.Embedding):
        if layer.padding_idx is not None:
            weight[layer.padding_idx] = 0
    elif isinstance(layer.bias, torch.Tensor):
        layer.bias.zero_()
    return True


def _drawn_through(layer: nn.Module, spread: float, generator: torch.Generator) -> bool:
    """Draw a weight through its parametrization; where that turns it into something else, the layer is as it was."""
    held = [part for _, part in (*layer.named_parameters(), *layer.named_buffers())]
    before = [part.detach().clone() for part in held]
    try:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        found = torch.empty_like(weight).normal_(0, spread, generator=generator)
        layer.weight = found.clone()
        lasts = torch.allclose(layer.weight, found, rtol=1e-3, atol=1e-3 * spread)
    except Exception:
        lasts = False
    if lasts:
        if isinstance(layer.bias, torch.Tensor):
            layer.bias.zero_()
        return True
    for part, was in zip(held, before, strict=True):
        part.copy_(was)
    return False
