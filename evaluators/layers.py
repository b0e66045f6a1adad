"""Activation layers: what a network calls where others call ``torch.nn.ReLU``.

A candidate becomes a layer with its trainable parameters. Besides, there are a few layers that every user knows and
that are no elementwise function. Not here: what a text stands for (``activation``) and the networks that hold the
layers (``evaluators.networks``).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from actsearch.evaluators.layout import layout_of
from actsearch.grammar.fault import UserFault
from actsearch.grammar.function import Compute, Function

HALF = (torch.float16, torch.bfloat16)  # guards such as 1e-7 vanish in them, and sinh overflows from 11.8 on


class MakeActivation(Protocol):
    """Makes one activation layer of a network."""

    def __call__(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return a layer for inputs with so many channels in that dimension; see ``ActivationLayer``."""


class WrongChannels(ValueError):
    """A layer was made for other channels than its input has; the message says what was expected and what to write."""


class ActivationLayer(nn.Module):
    """A candidate as a layer: each parameter trainable, one a channel or one a layer, where the function has any.

    Half precision is computed in single precision and rounded once, as torch's own activations do.

    Args:
        function: the candidate, with its parameters' starts.
        channels: number of the input's channels; 1 makes one value of each parameter for the whole layer.
        dimension: dimension of the channels: 1 for ``(B, C, ...)``, -1 for ``(B, T, C)``. None is 1, and an input whose
            channels might as well be in its last dimension is refused.

    Raises:
        UserFault: a parameter is one of the whole network, which no layer can hold.
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
            count = channels if parameter.place == "channel" else 1
            self.register_parameter(parameter.name, nn.Parameter(torch.full((count,), parameter.start)))

    @property
    def scalars(self) -> dict[str, nn.Parameter]:
        """The parameters of the function, by name and in its order."""
        return {one.name: getattr(self, one.name) for one in self.written.parameters}

    def summary(self) -> list[float]:
        """Return the least, the mean and the largest value of every parameter, in the function's order."""
        values = (one.detach() for one in self.scalars.values())
        return [float(number) for value in values for number in (value.min(), value.mean(), value.max())]

    def __getstate__(self) -> dict[str, Any]:
        """Cross to another process with the function that the layer was made with."""
        return self.__dict__ | {"function": self.written}

    def forward(self, input: Tensor, *others: Tensor) -> Tensor:  # noqa: A002  a network may call it by torch's name
        """Apply it; the shape stays.

        Args:
            input: the first input.
            others: further inputs of the same shape, where the function has them.

        Raises:
            WrongChannels: the input has other channels.
        """
        shape = [1] * input.ndim
        if self.channels != 1:
            self._check(input)
            shape[self.dimension] = -1
        values = (input, *others, *(one.view(shape if len(one) > 1 else [1] * input.ndim) for one in self._given()))
        if input.dtype in HALF:
            return self.function(*(value.float() for value in values)).to(input.dtype)
        return self.function(*values)

    def _given(self) -> Iterable[nn.Parameter]:
        return (getattr(self, one.name) for one in self.written.parameters)

    def _check(self, x: Tensor) -> None:
        made, here = f"an activation was made for {self.channels} channels", f"the input is {tuple(x.shape)}"
        if not -x.ndim <= self.dimension < x.ndim or x.shape[self.dimension] != self.channels:
            fitting = [axis if axis < x.ndim - 1 else -1 for axis in range(1, x.ndim) if x.shape[axis] == self.channels]
            say = f"make(channels={self.channels}, dimension={fitting[-1]})" if fitting else "make(channels, dimension)"
            raise WrongChannels(f"{made} in dimension {self.dimension}, {here}: say where they are, {say}")
        if not self.is_named and x.ndim > 2 and x.shape[-1] == self.channels and x.grad_fn is not None:
            layout = layout_of(x)
            if layout != 1:
                say = f"make(channels={self.channels}, dimension=-1) or 1"
                raise WrongChannels(f"{made}, {here}: they may be in dimension 1 or in the last one, say which, {say}")


class Maxout(nn.Module):
    """The larger of two linear pieces over all channels (Goodfellow et al. 2013, section 2): twice the width inside."""

    def __init__(self, channels: int, dimension: int = 1) -> None:
        super().__init__()
        self.dimension = dimension
        self.pieces = nn.Linear(channels, 2 * channels)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  as above
        """Apply it; the shape stays."""
        both = self.pieces(input.movedim(self.dimension, -1))
        return torch.maximum(*both.chunk(2, -1)).movedim(-1, self.dimension)


@dataclass(frozen=True)
class NamedLayer:
    """An activation that is a layer only.

    Args:
        make: builds it from the number of channels and their dimension.
        formula: what it does, for people.
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
"""Name -> what no expression can write: random in training, or mixing channels."""
