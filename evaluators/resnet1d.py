"""The default child: a small pre-activation 1-D ResNet, written for a whole population at once.

Stem of 8 channels, three stages of one block (8, 16, 32 channels, stride 2 from the second), normalisation and the
candidate before every 3-wide convolution, global average pool, linear: 7,546 parameters and the betas. Not here: the
data it sees and the loop that trains it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators import layers
from grammar.render import Function

STAGES = (8, 16, 32)  # channels of the three stages
ALIGNMENT = 16
"""Every parameter starts at a multiple of 16 floats (a cache line): the matrix library's last bits depend on alignment,
and a child's must not depend on its place in the population."""
BETA_START = 1.0  # Swish-1 is x*sigmoid(x): the paper does not give its start


@dataclass(frozen=True)
class Slot:
    """One parameter of a child: its place in the flat vector, its shape and how it starts.

    Args:
        name: where it is used, such as ``block1.convolution1.weight``.
        shape: without the population's dimension.
        start: standard deviation of a normal draw, or a constant.
        constant: whether ``start`` is that constant.
    """

    name: str
    shape: tuple[int, ...]
    start: float
    constant: bool = False


def _convolution(name: str, inputs: int, outputs: int, kernel: int) -> list[Slot]:
    he = math.sqrt(2 / (inputs * kernel))  # He et al. 2015, section 2.2, fan-in
    return [
        Slot(f"{name}.weight", (outputs, inputs * kernel), he),
        Slot(f"{name}.bias", (outputs,), 0.0, True),
    ]


def _normalised(name: str, channels: int) -> list[Slot]:
    return [
        Slot(f"{name}.gain", (channels,), 1.0, True),
        Slot(f"{name}.bias", (channels,), 0.0, True),
        Slot(f"{name}.beta", (channels,), BETA_START, True),
    ]


def slots(classes: int) -> list[Slot]:
    """List every parameter of the child in the order of the flat vector."""
    found = _convolution("stem", 1, STAGES[0], 3)
    inputs = STAGES[0]
    for number, outputs in enumerate(STAGES, start=1):
        found += _normalised(f"block{number}.site1", inputs)
        found += _convolution(f"block{number}.convolution1", inputs, outputs, 3)
        found += _normalised(f"block{number}.site2", outputs)
        found += _convolution(f"block{number}.convolution2", outputs, outputs, 3)
        if inputs != outputs:
            found += _convolution(f"block{number}.shortcut", inputs, outputs, 1)
        inputs = outputs
    found += _normalised("last", inputs)
    return [
        *found,
        Slot("linear.weight", (classes, inputs), math.sqrt(1 / inputs)),
        Slot("linear.bias", (classes,), 0.0, True),
    ]


class ResNet1dPopulation:
    """Children with one activation function each and parameters of their own.

    Args:
        functions: the candidate of each child.
        generators: the source of each child's initial weights; a child reads from its own only.
        classes: number of labels.
    """

    def __init__(self, functions: Sequence[Function], generators: Sequence[torch.Generator], classes: int) -> None:
        self.functions = functions
        spec = slots(classes)
        self.flat = torch.stack([_initial(spec, generator) for generator in generators])  # (P, n) float32
        self.weights = {name: view.requires_grad_() for name, view in views(self.flat, spec).items()}
        self.flat.grad = torch.zeros_like(self.flat)
        self.gradients = list(views(self.flat.grad, spec).values())
        self.running = {
            slot.name.removesuffix(".gain"): layers.RunningStatistics(len(functions), slot.shape[0])
            for slot in spec
            if slot.name.endswith(".gain")
        }

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Map inputs ``(P, B, T)`` to logits ``(P, classes, B)``."""
        h = self._convolve("stem", x.transpose(1, 2).unsqueeze(1), 1)
        for number in range(1, len(STAGES) + 1):
            h = self._block(f"block{number}", h, stride=1 if number == 1 else 2, training=training)
        pooled = self._activate("last", h, training).mean(2)
        return torch.baddbmm(self.weights["linear.bias"].unsqueeze(-1), self.weights["linear.weight"], pooled)

    def _block(self, name: str, h: Tensor, stride: int, training: bool) -> Tensor:
        active = self._activate(f"{name}.site1", h, training)
        inner = self._convolve(f"{name}.convolution1", active, stride)
        inner = self._convolve(f"{name}.convolution2", self._activate(f"{name}.site2", inner, training), 1)
        shortcut = f"{name}.shortcut"
        if f"{shortcut}.weight" not in self.weights:
            return inner + h
        weight, bias = self.weights[f"{shortcut}.weight"], self.weights[f"{shortcut}.bias"]
        return inner + layers.pointwise(active, weight, bias, stride)

    def _convolve(self, name: str, x: Tensor, stride: int) -> Tensor:
        return layers.convolution3(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], stride)

    def _activate(self, site: str, h: Tensor, training: bool) -> Tensor:
        gain, bias = self.weights[f"{site}.gain"], self.weights[f"{site}.bias"]
        normal = layers.batch_norm(h, gain, bias, self.running[site], training)
        betas = self.weights[f"{site}.beta"][:, :, None, None].unbind(0)
        pairs = zip(self.functions, normal.unbind(0), betas, strict=True)
        return torch.stack([function(x, beta) for function, x, beta in pairs])


def views(flat: Tensor, spec: list[Slot]) -> dict[str, Tensor]:
    """Return each parameter ``(P, *shape)`` as a view of ``flat (P, n)``."""
    found: dict[str, Tensor] = {}
    position = 0
    for slot in spec:
        size = math.prod(slot.shape)
        found[slot.name] = flat[:, position : position + size].view(-1, *slot.shape)
        position += _padded(size)
    return found


def _initial(spec: list[Slot], generator: torch.Generator) -> Tensor:
    flat = torch.zeros(1, sum(_padded(math.prod(slot.shape)) for slot in spec))
    for slot, view in zip(spec, views(flat, spec).values(), strict=True):
        view.fill_(slot.start)
        if not slot.constant:
            view.mul_(torch.randn(view.shape, generator=generator))
    return flat[0]


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
