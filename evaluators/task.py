"""A task: data, child network, budget, and what the score means. The registry of tasks is at the end.

Not here: how a population is trained (``training``) and on which worker (``pool``).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Protocol

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from evaluators import mnist1d
from evaluators.dataset import DataSet
from evaluators.resnet1d import ResNet1dPopulation
from grammar.render import Function


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class TaskSettings:
    """What a child is trained on and how; the defaults are the proxy that was measured to rank like the paper.

    Args:
        name: one of ``TASKS``.
        steps: optimiser steps of a child.
        batch: examples a step.
        learning_rate: peak of the one-cycle schedule (Smith & Topin 2019).
        weight_decay: AdamW's, decoupled (Loshchilov & Hutter 2019).
        clip: largest gradient norm of one child.
    """

    name: str = "mnist1d"
    steps: Annotated[int, Field(ge=1)] = 250
    batch: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    clip: Annotated[float, Field(gt=0)] = 1.0

    def __post_init__(self) -> None:
        """The task must be known."""
        if self.name not in TASKS:
            raise ValueError(f"unknown task '{self.name}', expected one of: {', '.join(TASKS)}")


class Population(Protocol):
    """Children with one activation each.

    Parameters lie in ``flat (P, n)``; ``weights`` are views of it and ``gradients`` the same views of ``flat.grad``.
    """

    flat: Tensor
    weights: dict[str, Tensor]
    gradients: list[Tensor]

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Map inputs ``(P, B, ...)`` to logits ``(P, classes, B)``."""


class PopulationBuilder(Protocol):
    """Makes a population from the candidates, one generator a child, and the number of classes."""

    def __call__(
        self, functions: Sequence[Function], generators: Sequence[torch.Generator], classes: int
    ) -> Population:
        """Build it."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Data and child of one name.

    Args:
        load: returns the data set; called once per worker.
        build: makes the untrained population.
        chance: loss of a child that knows nothing, in nats: where rewards begin.
        purpose: one line for people.
    """

    load: Callable[[], DataSet]
    build: PopulationBuilder
    chance: float
    purpose: str


TASKS: dict[str, Task] = {
    "mnist1d": Task(
        load=mnist1d.load,
        build=ResNet1dPopulation,
        chance=math.log(mnist1d.CLASSES),
        purpose="a small 1-D ResNet on MNIST-1D: a second a child, ranks like the paper's CIFAR-10",
    ),
}
