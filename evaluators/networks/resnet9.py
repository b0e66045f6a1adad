"""A shallow, wide ResNet that learns CIFAR-10 in minutes on a GPU: ResNet-9 of DAWNBench.

It is by D. Page (How to train your ResNet, 2018, parts 1 to 4), who reports 94 % after 24 epochs, about 80 seconds on a
V100. Not here: data.
"""

from torch import Tensor, nn

from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.networks.resnet2d import check_images

LEAST_SIDE = 16  # pixels of an image's side: three poolings halve it, and two positions per side remain
SCALE = 0.125  # factor of the logits (Page 2018, part 1): the last layer has no bias


class Unit(nn.Module):
    """Convolution, normalisation, candidate; with ``pool``, also the maximum over 2 by 2 positions."""

    def __init__(self, inputs: int, outputs: int, make: MakeActivation, *, pool: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm, self.activation = nn.BatchNorm2d(outputs), make(outputs)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``, or to half the sides with ``pool``."""
        return self.pool(self.activation(self.norm(self.convolution(x))))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two units, whose output is added to their input."""

    def __init__(self, channels: int, make: MakeActivation) -> None:
        super().__init__()
        self.units = nn.Sequential(Unit(channels, channels, make), Unit(channels, channels, make))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        return x + self.units(x)  # type: ignore[no-any-return]


class ResNet9(nn.Module):
    """A ResNet that maps images ``(B, C, H, W) float`` to logits ``(B, classes)``; width 64 has 6,573,120 parameters.

    Args:
        shape: shape of one image, ``(C, H, W)``.
        classes: number of classes.
        make: function that builds the candidate's layers.
        width: number of channels of the first layer; 64 in the source.

    Raises:
        ValueError: the images are too small.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, make: MakeActivation, width: int) -> None:
        super().__init__()
        check_images(shape, LEAST_SIDE)
        self.layers = nn.Sequential(
            Unit(shape[0], width, make),
            Unit(width, 2 * width, make, pool=True),
            Residual(2 * width, make),
            Unit(2 * width, 4 * width, make, pool=True),
            Unit(4 * width, 8 * width, make, pool=True),
            Residual(8 * width, make),
        )
        self.linear = nn.Linear(8 * width, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, classes)``."""
        return SCALE * self.linear(self.layers(x).amax((2, 3)))  # type: ignore[no-any-return]
