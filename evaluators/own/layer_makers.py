"""Make the layers that replace a network's activations, from a name, an expression, a class or a layer.

Not here: placing them in the network (``swap``).
"""

import copy
import inspect
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import BUILT_IN, Activation, Vocabulary
from actsearch.evaluators.initialisation import matched_gain
from actsearch.grammar.fault import UserFault, fault_text
from actsearch.grammar.function import Compute

New = str | Activation | nn.Module | Callable[..., nn.Module]


def read_of(module: str | Activation, vocabulary: Vocabulary = BUILT_IN) -> Activation:
    """Return an activation, read from an expression or from an exported JSON file.

    Args:
        module: name, expression, path that ends in ``.json``, or an activation, which is returned as it is.
        vocabulary: names that an expression may use.

    Raises:
        UserFault: the text or the file cannot be read.
    """
    if isinstance(module, Activation):
        return module
    return vocabulary.read_file(Path(module)) if module.endswith(".json") else vocabulary.read(module)


def maker_of(module: New) -> Callable[..., nn.Module]:
    """Return a function that makes a layer for a number of channels and their dimension.

    Raises:
        UserFault: ``module`` is no valid expression, or cannot make a layer.
    """
    if isinstance(module, (str, Activation)):
        return read_of(module).make
    if isinstance(module, nn.Module):
        return lambda *_: copy.deepcopy(module)
    if not callable(module):
        raise UserFault(f"expected a name, an expression, or what makes a layer, found {module!r}")
    return module


def new_layer(make: Callable[..., nn.Module], channels: int, dimension: int | None) -> nn.Module:
    """Return a new layer; ``channels`` and ``dimension`` are passed if the signature has them.

    Args:
        make: function or class that makes a layer.
        channels: number of channels of the input.
        dimension: channel dimension of the input, or None.

    Raises:
        UserFault: the layer cannot be made, or is no layer.
    """
    try:
        takes = inspect.signature(make).parameters
    except (TypeError, ValueError):
        takes = {}  # type: ignore[assignment]
    arguments = {"channels": channels, "dimension": dimension}
    try:
        layer = make(**{name: value for name, value in arguments.items() if name in takes})
    except UserFault:
        raise
    except Exception as fault:  # the user's class may raise anything
        raise UserFault(
            f"what takes the place of an activation could not be made: {fault_text(fault)}; expected what "
            "needs no arguments but channels and dimension, such as the class of an exported file"
        ) from fault
    if not isinstance(layer, nn.Module):
        raise UserFault(
            f"what takes the place of an activation must be a torch.nn.Module, found {type(layer).__name__}"
        )
    return layer


def has_by_channel(layer: nn.Module, channels: int) -> bool:
    """Return whether a layer has parameters per channel: one for each, or weights between channels."""
    return channels > 1 and any(channels in parameter.shape for parameter in layer.parameters())


def check_alone(layer: nn.Module, module: str | Activation) -> None:
    """Reject a layer with weights between channels, since without an example their number is unknown.

    Args:
        layer: the layer, made for one channel.
        module: expression or activation of the layer, for the message.

    Raises:
        UserFault: the layer does not run on three channels.
    """
    try:
        layer(torch.zeros(1, 3, 2))
    except (RuntimeError, ValueError) as fault:
        name = module if isinstance(module, str) else module.text
        raise UserFault(
            f"'{name}' has weights between channels, and nothing tells how many there are: give an example"
        ) from fault


def function_of(module: New) -> Compute | None:
    """Return the new layer as a function of x with its initial parameters; None if it is no such function.

    Raises:
        UserFault: the layer does not run on a row of numbers, so that no gain can be matched.
    """
    if isinstance(module, (str, Activation)):
        inner = read_of(module).function
        return None if inner is None else inner.at_start
    layer = copy.deepcopy(new_layer(maker_of(module), 1, None)).to("cpu", torch.float64)

    def function(x: Tensor) -> Tensor:
        value: Tensor = layer(x)
        return value

    try:
        matched_gain(function)
    except Exception as fault:  # the user's layer may raise anything
        raise UserFault(
            "no gain can be matched to the new layer, which does not run on a row of numbers: "
            f"{fault_text(fault)}; use init='keep'"
        ) from fault
    return function
