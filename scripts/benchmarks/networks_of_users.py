"""Three small networks as users bring them, with rectifiers where the candidate will stand, and data made here.

For ``scripts.benchmarks.peers``; each function is a ``task.own.build``.
"""

import functools

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.settings import TaskSettings

EXAMPLES, HELD_OUT, CLASSES = 2048, 512, 10


def _data(*shape: int) -> DataSet[Split]:
    """Return noise around a mean a class, three splits."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(CLASSES, *shape, generator=generator)
    count = EXAMPLES + 2 * HELD_OUT
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    inputs = means[labels] + 2 * torch.randn(count, *shape, generator=generator)
    train, validation, test = (
        Split(inputs[start:end], labels[start:end])
        for start, end in ((0, EXAMPLES), (EXAMPLES, EXAMPLES + HELD_OUT), (EXAMPLES + HELD_OUT, count))
    )
    return DataSet(train, validation, test, CLASSES)


VECTORS, IMAGES, SEQUENCES = (functools.cache(functools.partial(_data, *s)) for s in ((64,), (3, 16, 16), (24, 32)))


def perceptron(_: TaskSettings) -> tuple[nn.Module, DataSet[Split]]:
    """Return three layers of 256."""
    layers = [nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(256, CLASSES)), VECTORS()


def convolutions(_: TaskSettings) -> tuple[nn.Module, DataSet[Split]]:
    """Return three convolutions with normalisation."""
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, CLASSES)), IMAGES()


class Encoder(nn.Module):
    """Two encoder layers and a mean over the sequence."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 128, 0.0, activation=nn.ReLU(), batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.last(self.layers(x).mean(1))  # type: ignore[no-any-return]


def transformer(_: TaskSettings) -> tuple[nn.Module, DataSet[Split]]:
    """Return an encoder over 24 positions of 32 numbers."""
    return Encoder(), SEQUENCES()


NETWORKS = {"perceptron": perceptron, "convolutions": convolutions, "transformer": transformer}
WIDTHS = {
    "perceptron": [(256, 1)] * 3, "convolutions": [(16, 1), (32, 1), (64, 1)], "transformer": [(128, -1)] * 2,
}  # fmt: skip
"""Channels and their dimension, by network and rectifier: what somebody writes who knows the network."""
