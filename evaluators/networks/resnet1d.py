"""The default child: a small pre-activation 1-D ResNet (He et al. 2016, section 3.1, the order of layers).

It has a stem of 8 channels, three stages of one block (8, 16, 32 channels, stride 2 from the second), normalisation and
the candidate before every 3-wide convolution of a block, a global average pool and a linear layer. Convolutions have no
bias: the next normalisation would cancel it, so that its gradient is rounding noise, which AdamW turns into steps of
full size. Not here: the same network in C (``evaluators.native``).
"""

from torch import Tensor, nn

from actsearch.evaluators.layers import MakeActivation

WIDTH = 8  # number of channels of the first stage
STAGES = 3  # each stage is twice as wide as the one before


class Site(nn.Sequential):
    """A normalisation, then the candidate."""

    def __init__(self, channels: int, make: MakeActivation) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.activation = make(channels)


class Block(nn.Module):
    """Two convolutions, each after a site; a 1-wide convolution as the shortcut if the number of channels changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, make: MakeActivation) -> None:
        super().__init__()
        self.site1 = Site(inputs, make)
        self.convolution1 = nn.Conv1d(inputs, outputs, 3, stride, 1, bias=False)
        self.site2 = Site(outputs, make)
        self.convolution2 = nn.Conv1d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv1d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, T)`` to ``(B, outputs, T / stride)``."""
        active = self.site1(x)
        inner = self.convolution2(self.site2(self.convolution1(active)))
        return inner + (x if self.shortcut is None else self.shortcut(active))  # type: ignore[no-any-return]


class ResNet1d(nn.Module):
    """A ResNet that maps ``(B, T) float`` to logits ``(B, classes)``.

    Args:
        classes: number of classes.
        make: function that builds the candidate's layers.
        width: number of channels of the first stage.
    """

    def __init__(self, classes: int, make: MakeActivation, width: int = WIDTH) -> None:
        super().__init__()
        channels = [width * 2**stage for stage in range(STAGES)]
        self.stem = nn.Conv1d(1, width, 3, 1, 1, bias=False)
        pairs = zip([width, *channels], channels, strict=False)
        self.blocks = nn.Sequential(
            *(Block(inputs, outputs, 1 + (number > 0), make) for number, (inputs, outputs) in enumerate(pairs))
        )
        self.last = Site(channels[-1], make)
        self.linear = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, classes)``."""
        return self.linear(self.last(self.blocks(self.stem(x.unsqueeze(1)))).mean(2))  # type: ignore[no-any-return]
