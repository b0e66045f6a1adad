"""What takes the place of a network's activation: from a name, an expression, a class or a layer to layers.

Not here: where they are put (``swap``).
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
    """Return an activation, of a text or of a JSON file that was exported.

    Raises:
        UserFault: it is neither.
    """
    if isinstance(module, Activation):
        return module
    return vocabulary.read_file(Path(module)) if module.endswith(".json") else vocabulary.read(module)


def maker_of(module: New) -> Callable[..., nn.Module]:
    """Return what makes a layer of channels and dimension.

    Raises:
        UserFault: it is no expression, or makes nothing.
    """
    if isinstance(module, (str, Activation)):
        return read_of(module).make
    if isinstance(module, nn.Module):
        return lambda *_: copy.deepcopy(module)
    if not callable(module):
        raise UserFault(f"expected a name, an expression, or what makes a layer, found {module!r}")
    return module


def new_layer(make: Callable[..., nn.Module], channels: int, dimension: int | None) -> nn.Module:
    """Return a new layer, told of channels and their dimension where it asks for them.

    Raises:
        UserFault: it cannot be made, or is no layer.
    """
    try:
        takes = inspect.signature(make).parameters
    except (TypeError, ValueError):
        takes = {}  # type: ignore[assignment]
    given = {"channels": channels, "dimension": dimension}
    try:
        layer = make(**{name: value for name, value in given.items() if name in takes})
    except UserFault:
        raise
    except Exception as fault:  # whatever a class of the user's raises
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
    """Whether a layer has parameters by channel: one each, or weights between them."""
    return channels > 1 and any(channels in parameter.shape for parameter in layer.parameters())


def check_alone(layer: nn.Module, module: str | Activation) -> None:
    """Refuse what has weights between channels where nothing tells how many there are.

    Raises:
        UserFault: it needs an example.
    """
    try:
        layer(torch.zeros(1, 3, 2))
    except (RuntimeError, ValueError) as fault:
        name = module if isinstance(module, str) else module.text
        raise UserFault(
            f"'{name}' has weights between channels, and nothing tells how many there are: give an example"
        ) from fault


def function_of(module: New) -> Compute | None:
    """Return what takes the places as a function of x, parameters at their start; None where it is none.

    Raises:
        UserFault: it does not run on numbers alone, so that no gain suits it.
    """
    if isinstance(module, (str, Activation)):
        inner = read_of(module).function
        return None if inner is None else inner.at_start
    layer = copy.deepcopy(new_layer(maker_of(module), 1, None)).to("cpu", torch.float64)

    def function(x: Tensor) -> Tensor:
        found: Tensor = layer(x)
        return found

    try:
        matched_gain(function)
    except Exception as fault:  # whatever a layer of the user's raises
        raise UserFault(
            "no gain can be matched to the new layer, which does not run on a row of numbers: "
            f"{fault_text(fault)}; use init='keep'"
        ) from fault
    return function
