"""Initialisation of weights: the usual schemes, and one that is matched to the activation itself.

Every scheme draws from a normal distribution of variance gain^2 / fan. The fan is the number of inputs of a unit; for
Glorot it is the mean of inputs and outputs. The last layer has gain 1, since no activation follows it. Not here: the
scheme of each task (``registry``).
"""

import math
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

from actsearch.grammar.function import Compute

Scheme = Literal["he", "glorot", "lecun", "matched", "network"]
"""Variance of the weights: ``he`` 2 / inputs (He et al. 2015, section 2.2), ``glorot`` 2 / (inputs + outputs) (Glorot &
Bengio 2010, section 4.2.1), ``lecun`` 1 / inputs (Klambauer et al. 2017), ``matched`` 1 / (inputs E[f(z)^2]) with z
standard normal; ``network`` keeps the network's own weights."""

QUADRATURE = 2049  # points of the rule on [-8, 8] that integrates f(z)^2 against the normal density
MOST_GAIN = 10.0
"""Bound of the gain: a function that is nearly 0 everywhere asks for boundless weights, one that overflows for none."""


def matched_gain(function: Compute) -> float:
    """Return 1 / sqrt(E[f(z)^2]), z ~ N(0, 1), the gain that keeps the second moment; within [0.1, 10].

    Args:
        function: function of z alone, with its parameters at their initial values.
    """
    z = torch.linspace(-8, 8, QUADRATURE, dtype=torch.float64)
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    with torch.no_grad():
        moment = float(torch.trapezoid(function(z) ** 2 * density, z))
    if math.isnan(moment):
        return 1.0
    least = 1 / MOST_GAIN**2  # the moment is at least 0, since the integrand is a square
    return 1 / math.sqrt(min(MOST_GAIN**2, max(least, moment)))


def deviation(weight: torch.Tensor, scheme: Scheme, gain: float, stride: int = 1) -> float:
    """Return the standard deviation of a layer's weight.

    Args:
        weight: weight of a layer, ``(outputs, inputs, ...)``.
        scheme: scheme of the initialisation.
        gain: gain of the activation; only ``matched`` uses it.
        stride: stride of a transposed convolution, multiplied over its dimensions, which spreads out a unit's inputs.
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
    """Initialise every convolution, linear layer and embedding of a network, in place; set biases to 0.

    A unit of a transposed convolution has as many inputs as its kernel, spread over the stride, passes on average.
    Weights with a parametrization (``torch.nn.utils.parametrize``) are drawn through it. An embedding has variance
    1 / width, and its padding row stays 0.

    Args:
        network: network whose layers are initialised.
        scheme: scheme of the initialisation.
        function: the activation, for ``matched``; None counts as a rectifier.
        generator: generator of every draw.
        last: layer that no activation follows, of gain 1; by default the last linear layer in the order of names.

    Returns:
        Names of layers or parameters whose weights stay unchanged: those of recurrent and other layers that no scheme
        covers, and those that cannot be drawn.
    """
    if scheme == "network":
        return ()
    gain = math.sqrt(2) if function is None or scheme != "matched" else matched_gain(function)
    last = last_linear(network) if last is None else last
    unchanged = []
    for name, module in network.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue  # the layer that has it draws its weight through it
        own = dict(module.named_parameters(recurse=False))
        lazy = any(map(nn.parameter.is_lazy, own.values()))
        weights = [key for key, one in own.items() if lazy or one.ndim > 1]
        spread = None if lazy else _spread(module, "lecun" if module is last else scheme, gain)
        if spread is None:
            unchanged += [name] if weights else []
            continue
        unchanged += [f"{name}.{key}" for key in weights if key != "weight"]
        if not _draw(module, spread, generator):
            unchanged.append(name)
    return tuple(unchanged)


def last_linear(network: nn.Module) -> nn.Module | None:
    """Return the last linear layer in the network's order of names; None if there is no linear layer."""
    return next((layer for layer in reversed([*network.modules()]) if isinstance(layer, nn.Linear)), None)


def _spread(layer: nn.Module, scheme: Scheme, gain: float) -> float | None:
    """Return the standard deviation of a layer's weights; None if no scheme covers the layer."""
    if isinstance(layer, nn.Embedding):
        return 1 / math.sqrt(layer.embedding_dim)
    if isinstance(layer, nn.Linear):
        shape: tuple[int, ...] = (layer.out_features, layer.in_features)
    elif isinstance(layer, _ConvNd):
        shape = (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
    else:
        return None
    stride = math.prod(layer.stride) if isinstance(layer, _ConvTransposeNd) else 1
    dummy = torch.empty(shape, device="meta")  # not the weight itself: reading a weight may change it
    return deviation(dummy, scheme, gain, stride)


@torch.no_grad()
def _draw(layer: nn.Module, spread: float, generator: torch.Generator) -> bool:
    """Draw a layer's weight, and return whether the layer keeps it; if not, leave the layer unchanged."""
    if parametrize.is_parametrized(layer, "weight"):
        return _draw_through(layer, spread, generator)
    if "weight" not in layer._parameters:  # the layer computes its weight from others before each call
        return False
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    try:
        weight.normal_(0, spread, generator=generator)
    except RuntimeError:  # the weight is no float tensor, or is read-only
        return False
    if isinstance(layer, nn.Embedding):
        if layer.padding_idx is not None:
            weight[layer.padding_idx] = 0
    elif isinstance(layer.bias, torch.Tensor):
        layer.bias.zero_()
    return True


def _draw_through(layer: nn.Module, spread: float, generator: torch.Generator) -> bool:
    """Draw a weight through its parametrization; if that changes the drawn values, leave the layer unchanged."""
    parts = [part for _, part in (*layer.named_parameters(), *layer.named_buffers())]
    before = [part.detach().clone() for part in parts]
    try:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        drawn = torch.empty_like(weight).normal_(0, spread, generator=generator)
        layer.weight = drawn.clone()
        lasts = torch.allclose(layer.weight, drawn, rtol=1e-3, atol=1e-3 * spread)
    except Exception:
        lasts = False
    if lasts:
        if isinstance(layer.bias, torch.Tensor):
            layer.bias.zero_()
        return True
    for part, old in zip(parts, before, strict=True):
        part.copy_(old)
    return False
