"""2-D ResNets for images: ResNet-20 as on CIFAR-10 (He et al. 2015, section 4.2), and a small one for small images.

It has three stages of ``blocks`` blocks. Each stage is twice as wide as the one before, with stride 2 from the second.
A block is convolution, normalisation, candidate, convolution, normalisation, plus the shortcut, candidate. Not here:
data.
"""

from torch import Tensor, nn
from torch.nn import functional

from actsearch.evaluators.layers import MakeActivation

STAGES = 3
LEAST_SIDE = 8  # pixels of an image's side: the third stage then still has two positions per side


def check_images(shape: tuple[int, ...], least: int) -> None:
    """Check that examples are images of a sufficient size.

    Args:
        shape: shape of one example.
        least: least number of pixels of a side.

    Raises:
        ValueError: the examples are no images, or the images are too small.
    """
    if len(shape) != 3 or min(shape[1:]) < least:
        raise ValueError(f"this child takes images (channels, height, width) of at least {least} a side, found {shape}")


class Block(nn.Module):
    """Two 3x3 convolutions; the shortcut takes every ``stride``-th position and adds channels of zeros (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int, make: MakeActivation) -> None:
        super().__init__()
        self.stride, self.further = stride, outputs - inputs
        self.convolution1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1, self.activation1 = nn.BatchNorm2d(outputs), make(outputs)
        self.convolution2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2, self.activation2 = nn.BatchNorm2d(outputs), make(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        inner = self.norm2(self.convolution2(self.activation1(self.norm1(self.convolution1(x)))))
        shortcut = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.further))
        return self.activation2(inner + shortcut)  # type: ignore[no-any-return]


class ResNet2d(nn.Module):
    """A ResNet of 6 * blocks + 2 layers that maps images ``(B, C, H, W) float`` to logits ``(B, classes)``.

    Args:
        shape: shape of one image, ``(C, H, W)``.
        classes: number of classes.
        make: function that builds the candidate's layers.
        width: number of channels of the first stage; 16 in the paper.
        blocks: number of blocks of a stage; 3 make ResNet-20.

    Raises:
        ValueError: the images are too small.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, make: MakeActivation, width: int, blocks: int) -> None:
        super().__init__()
        check_images(shape, LEAST_SIDE)
        self.stem = nn.Conv2d(shape[0], width, 3, 1, 1, bias=False)
        self.norm, self.activation = nn.BatchNorm2d(width), make(width)
        layers, inputs = list[nn.Module](), width
        for stage in range(STAGES):
            for number in range(blocks):
                outputs = width * 2**stage
                layers.append(Block(inputs, outputs, 2 if stage and not number else 1, make))
                inputs = outputs
        self.blocks = nn.Sequential(*layers)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, classes)``."""
        return self.linear(self.blocks(self.activation(self.norm(self.stem(x)))).mean((2, 3)))  # type: ignore[no-any-return]
