"""Activation layers: what a network calls where others call ``torch.nn.ReLU``.

A candidate becomes a layer with one trainable beta a channel. Besides, there are a few that every user knows and that
are no elementwise function of (x, beta). Not here: what a text stands for (``activation``) and the networks that hold
the layers (``evaluators.networks``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from actsearch.evaluators.layout import layout_of
from actsearch.grammar.expression import Expression
from actsearch.grammar.render import Function, compile_expression

HALF = (torch.float16, torch.bfloat16)  # guards such as 1e-7 vanish in them, and sinh overflows from 11.8 on
BETA_START = 1.0  # Swish-1 is x*sigmoid(x): the paper does not give its start


class MakeActivation(Protocol):
    """Makes one activation layer of a network."""

    def __call__(self, channels: int, dimension: int | None = None) -> nn.Module:
        """Return a layer for inputs with so many channels in that dimension; see ``ActivationLayer``."""


class WrongChannels(ValueError):
    """A layer was made for other channels than its input has; the message says what was expected and what to write."""


class ActivationLayer(nn.Module):
    """A candidate as a layer: ``f(x, beta)``, beta trainable and one a channel; no parameter where f reads no beta.

    Half precision is computed in single precision and rounded once, as torch's own activations do.

    Args:
        expression: the candidate.
        function: the same, compiled.
        channels: of the input; 1 makes one beta for the whole layer.
        dimension: where the channels are: 1 for ``(B, C, ...)``, -1 for ``(B, T, C)``. None is 1, and an input whose
            channels might as well be in its last dimension is refused.
        start: of every beta.
    """

    beta: nn.Parameter | None

    def __init__(
        self, expression: Expression, function: Function, channels: int, dimension: int | None = None,
        start: float = BETA_START,
    ) -> None:  # fmt: skip
        super().__init__()
        self.expression, self.function = expression, function
        self.channels, self.is_named = channels, dimension is not None
        self.dimension = 1 if dimension is None else dimension
        beta = nn.Parameter(torch.full((channels,), start)) if expression.uses_beta else None
        self.register_parameter("beta", beta)

    def __getstate__(self) -> dict[str, Any]:
        """Cross to another process without what was compiled."""
        return {key: value for key, value in self.__dict__.items() if key != "function"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Compile it again."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch's has no types
        self.function = compile_expression(self.expression)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  a network may call it by torch's own name for it
        """Apply it; the shape stays.

        Raises:
            WrongChannels: the input has other channels.
        """
        shape = [1] * input.ndim
        if self.channels != 1:
            self._check(input)
            shape[self.dimension] = -1
        beta = input.new_ones(()) if self.beta is None else self.beta.view(shape)
        if input.dtype in HALF:
            return self.function(input.float(), beta.float()).to(input.dtype)
        return self.function(input, beta)

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
