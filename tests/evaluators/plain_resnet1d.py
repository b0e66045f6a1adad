"""The child as anyone would write it with ordinary torch modules: the reference for the population."""

import torch
from torch import Tensor, nn

from evaluators.resnet1d import STAGES
from grammar.render import Function


class Act(nn.Module):
    def __init__(self, channels: int, function: Function) -> None:
        super().__init__()
        self.norm, self.function = nn.BatchNorm1d(channels), function
        self.beta = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.norm(x), self.beta[:, None])


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, function: Function) -> None:
        super().__init__()
        self.site1, self.site2 = Act(inputs, function), Act(outputs, function)
        self.convolution1 = nn.Conv1d(inputs, outputs, 3, stride, 1)
        self.convolution2 = nn.Conv1d(outputs, outputs, 3, 1, 1)
        self.shortcut = nn.Conv1d(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.site1(x)
        inner = self.convolution2(self.site2(self.convolution1(active)))
        return inner + (x if self.shortcut is None else self.shortcut(active))


class PlainResNet1d(nn.Module):
    def __init__(self, function: Function, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, STAGES[0], 3, 1, 1)
        pairs = zip((STAGES[0], *STAGES), STAGES, (1, 2, 2), strict=False)
        self.block1, self.block2, self.block3 = (Block(i, o, s, function) for i, o, s in pairs)
        self.last, self.linear = Act(STAGES[-1], function), nn.Linear(STAGES[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, T)`` to ``(B, classes)``."""
        h = self.block3(self.block2(self.block1(self.stem(x.unsqueeze(1)))))
        return self.linear(self.last(h).mean(2))

    def take_weights(self, weights: dict[str, Tensor], child: int) -> None:
        """Copy one child's weights of a population."""
        with torch.no_grad():
            for name, value in weights.items():
                module, parameter = name.rsplit(".", 1)
                target = self.get_submodule(module)
                if isinstance(target, Act):
                    target = target if parameter == "beta" else target.norm
                    parameter = {"gain": "weight"}.get(parameter, parameter)
                own = target.get_parameter(parameter)
                taken = value[child].detach()
                if isinstance(target, nn.Conv1d) and parameter == "weight":  # the population keeps taps outermost
                    taken = taken.view(own.shape[0], own.shape[2], own.shape[1]).transpose(1, 2)
                own.copy_(taken)
