"""A multilayer perceptron: three hidden layers, each normalised before the candidate."""

import math

from torch import Tensor, nn

from actsearch.evaluators.layers import MakeActivation

WIDTH, LAYERS = 64, 3


class MLP(nn.Module):
    """A perceptron that maps flattened inputs ``(B, ...) float`` to logits ``(B, classes)``.

    Args:
        shape: shape of one example.
        classes: number of classes.
        make: function that builds the candidate's layers.
        width: number of units of a hidden layer.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, make: MakeActivation, width: int = WIDTH) -> None:
        super().__init__()
        inputs, layers = math.prod(shape), list[nn.Module]()
        for _ in range(LAYERS):
            layers += [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), make(width)]
            inputs = width
        self.hidden = nn.Sequential(*layers)
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, classes)``."""
        return self.linear(self.hidden(x.flatten(1)))  # type: ignore[no-any-return]
