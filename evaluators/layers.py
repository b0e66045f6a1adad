"""Activation layers, which a network uses in place of ``torch.nn.ReLU``.

A candidate becomes a layer with its trainable parameters. There are also a few well-known layers that are no
elementwise function. Not here: the reading of texts (``activation``) and the networks that hold the layers
(``evaluators.networks``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from actsearch.evaluators.layout import layout_of
from actsearch.grammar.fault import UserFault
from actsearch.grammar.function import Compute, Function
from actsearch.grammar.parameter import Parameter

HALF = (torch.float16, torch.bfloat16)  # in these, guards such as 1e-7 vanish, and sinh overflows from 11.8 on


class MakeActivation(Protocol):
    """A function that makes one activation layer of a network."""

    def __call__(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return a layer for inputs with ``channels`` channels in ``dimension``; see ``ActivationLayer``."""


class WrongChannels(ValueError):
    """The input's channels differ from those of its layer; the message says what was expected and what to write."""


class ActivationLayer(nn.Module):
    """A candidate as a layer: each parameter is trainable and has one value per channel or one for the layer.

    Half precision is computed in single precision and rounded once, as in torch's own activations.

    Args:
        function: the candidate, with the initial values of its parameters.
        channels: number of the input's channels; with 1, each parameter has one value for the whole layer.
        dimension: dimension of the channels: 1 for ``(B, C, ...)``, -1 for ``(B, T, C)``. None means 1, but the layer
            then refuses an input whose channels may also be in its last dimension.

    Raises:
        UserFault: a parameter belongs to the whole network, so that no layer can hold it.
    """

    def __init__(self, function: Function, channels: int, dimension: int | None = None) -> None:
        super().__init__()
        self.written, self.function = function, cast(Compute, function)
        self.channels, self.is_named = channels, dimension is not None
        self.dimension = 1 if dimension is None else dimension
        for parameter in function.parameters:
            if parameter.place == "network":
                raise UserFault(
                    f"'{parameter.name}' is one of the whole network: expected a parameter of a channel or a layer"
                )
            self.register_parameter(parameter.name, nn.Parameter(self.initial_values(parameter)))

    def initial_values(self, parameter: Parameter) -> Tensor:
        """Return the initial values of a parameter in this layer, ``(channels,)`` or ``(1,)``."""
        return torch.full((self.channels if parameter.place == "channel" else 1,), parameter.start)

    @property
    def scalars(self) -> dict[str, nn.Parameter]:
        """The parameters of the function by name, in the function's order."""
        return {one.name: getattr(self, one.name) for one in self.written.parameters}

    def summary(self) -> list[float]:
        """Return the smallest, the mean and the largest value of every parameter, in the function's order."""
        values = (one.detach() for one in self.scalars.values())
        return [float(number) for value in values for number in (value.min(), value.mean(), value.max())]

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the layer with its original function."""
        return self.__dict__ | {"function": self.written}

    def forward(self, input: Tensor, *others: Tensor) -> Tensor:  # noqa: A002  a network may use torch's keyword
        """Apply the function; the result has the shape of the input.

        Args:
            input: first input of the function.
            others: further inputs of the same shape, if the function has several.

        Raises:
            WrongChannels: the input's channels differ from those of the layer.
        """
        shape = [1] * input.ndim
        if self.channels != 1:
            self._check(input)
            shape[self.dimension] = -1
        values = (
            input,
            *others,
            *(one.view(shape if len(one) > 1 else [1] * input.ndim) for one in self.scalars.values()),
        )
        if input.dtype in HALF:
            return self.function(*(value.float() for value in values)).to(input.dtype)
        return self.function(*values)

    def _check(self, x: Tensor) -> None:
        expected, actual = f"an activation was made for {self.channels} channels", f"the input is {tuple(x.shape)}"
        if not -x.ndim <= self.dimension < x.ndim or x.shape[self.dimension] != self.channels:
            fitting = [axis if axis < x.ndim - 1 else -1 for axis in range(1, x.ndim) if x.shape[axis] == self.channels]
            hint = (
                f"make(channels={self.channels}, dimension={fitting[-1]})" if fitting else "make(channels, dimension)"
            )
            raise WrongChannels(f"{expected} in dimension {self.dimension}, {actual}: say where they are, {hint}")
        if not self.is_named and x.ndim > 2 and x.shape[-1] == self.channels and x.grad_fn is not None:
            layout = layout_of(x)
            if layout != 1:
                hint = f"make(channels={self.channels}, dimension=-1) or 1"
                raise WrongChannels(
                    f"{expected}, {actual}: they may be in dimension 1 or in the last one, say which, {hint}"
                )


class Maxout(nn.Module):
    """The maximum of two linear maps over all channels (Goodfellow et al. 2013, section 2): twice the width inside."""

    def __init__(self, channels: int, dimension: int = 1) -> None:
        super().__init__()
        self.dimension = dimension
        self.pieces = nn.Linear(channels, 2 * channels)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  as above
        """Apply the layer; the result has the shape of the input."""
        both = self.pieces(input.movedim(self.dimension, -1))
        return torch.maximum(*both.chunk(2, -1)).movedim(-1, self.dimension)


@dataclass(frozen=True)
class NamedLayer:
    """An activation that no expression can write.

    Args:
        make: function that builds the layer from the number of channels and their dimension.
        formula: description of the layer for people.
    """

    make: Callable[[int, int], nn.Module]
    formula: str


LAYERS = {
    "rrelu": NamedLayer(
        lambda channels, dimension: nn.RReLU(1 / 8, 1 / 3),  # Xu et al. 2015, section 2.4: x / U(3, 8) for x < 0
        "x for x > 0, else x/a: a drawn anew from U(3, 8) for every number in training, its mean slope in evaluation",
    ),
    "maxout": NamedLayer(Maxout, "max(w1.x + b1, w2.x + b2) over all channels: two linear pieces, twice the width"),
}
"""Name -> layer that no expression can write, because it is random in training or mixes channels."""
