"""What a child is trained towards and judged by: how its network is called, its loss, what the loss is measured in.

The tasks of this engine have cross-entropy. Not here: the losses that a user may choose (``own.losses``).
"""

import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from actsearch.evaluators.data.examples import Examples, Split, mapped
from actsearch.grammar.fault import UserFault

Further = Mapping[str, Callable[[Tensor, Any], float]]


def call(network: nn.Module, inputs: Any) -> Any:
    """Call a network: with a tensor, with a tuple as its arguments, or with a dictionary as its keywords."""
    if isinstance(inputs, tuple):
        return network(*inputs)
    return network(**inputs) if isinstance(inputs, dict) else network(inputs)


class Objective(ABC):
    """A loss, lower is better, and metrics beside it."""

    unit: str
    """What a loss is in, for people: ``nats``."""

    with_gradients = False
    """Whether the network differentiates while it is called, with respect to its inputs, say: then it is scored so."""

    adds_up = False
    """Whether the loss is the sum over a batch: what is told of it is divided by the examples."""

    further: Further = types.MappingProxyType({})
    """Metrics by name, each of the outputs and labels of a whole split."""

    def looking(self) -> AbstractContextManager[object]:
        """Return what a network is run within where nothing is learned: without gradients, unless it needs them."""
        return torch.enable_grad() if self.with_gradients else torch.no_grad()

    def for_many(self) -> "Objective":
        """Return the objective as it is used for many children at once, which reads no value of a target."""
        return self

    def output(self, network: nn.Module, batch: Split) -> Any:
        """Return what the network makes of a batch."""
        return call(network, batch.inputs)

    def numbers(self, output: Any) -> Tensor:
        """Return the tensor of an output that metrics are made of."""
        return output  # type: ignore[no-any-return]  # of the tasks of this engine

    @abstractmethod
    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the mean loss of a batch, a tensor of one number with a gradient."""

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Return the sum of a batch's losses, and of how many: every example counts alike, as far as a loss tells."""
        return float(self.loss(output, batch).detach()) * (1 if self.adds_up else len(batch)), len(batch)

    def right(self, output: Any, batch: Split) -> tuple[int, int] | None:
        """Return how many of a batch's labels are predicted rightly, and of how many; None where that means nothing."""
        return None

    def halves(self, output: Any, batch: Split) -> tuple[Tensor, Tensor] | None:
        """Return the mean losses of a batch's first and second half; None where they cannot be told apart."""
        half = len(batch) // 2
        if batch.whole or not isinstance(output, Tensor) or len(output) != len(batch):
            return None
        first, second = slice(half), slice(half, None)
        return self.loss(output[first], batch.take(first)), self.loss(output[second], batch.take(second))

    def targets(self, batch: Split) -> Tensor | None:
        """Return what a linear readout could predict, ``(n, numbers)`` in double precision; None where nothing can."""
        return None

    def metrics(self, network: nn.Module, split: Examples) -> dict[str, float]:
        """Score a network, which is left in evaluation mode: its mean loss as ``loss``, and metrics by name."""
        network.eval()
        loss, count, right, labels = 0.0, 0, 0, 0
        kept: list[tuple[Tensor, Any]] = []
        with self.looking():
            for batch in split.parts():
                output = self.output(network, batch)
                if self.further:  # a loss may change what it is given
                    kept.append((self.numbers(output).detach().cpu().clone(), mapped(lambda t: t.cpu(), batch.labels)))
                summed, weight = self.total(output, batch)
                loss, count = loss + summed, count + weight
                told = self.right(output, batch)
                right, labels = (right + told[0], labels + told[1]) if told else (right, labels)
        found = {"loss": loss / max(count, 1)} | ({"accuracy": right / labels} if labels else {})
        if kept:
            if len({one.shape[1:] for one, _ in kept}) > 1:
                raise UserFault(
                    "metrics need outputs of one shape: these batches have several, leave task.own.metrics out"
                )
            outputs, wanted = torch.cat([one for one, _ in kept]), _joined([two for _, two in kept])
            found |= {name: metric(outputs, wanted) for name, metric in self.further.items()}
        return found


class CrossEntropy(Objective):
    """That of the tasks of this engine: logits ``(n, classes, ...)``, labels ``(n, ...) int64``."""

    unit = "nats"

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the mean cross-entropy."""
        return functional.cross_entropy(output, batch.labels)

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Sum in double precision."""
        losses = functional.cross_entropy(output, batch.labels, reduction="none")
        return float(losses.double().sum()), batch.labels.numel()

    def right(self, output: Any, batch: Split) -> tuple[int, int]:
        """Count labels that have the largest logit."""
        return int((output.argmax(1) == batch.labels).sum()), batch.labels.numel()

    def targets(self, batch: Split) -> Tensor:
        """Return the classes, one-hot, a row a label."""
        return functional.one_hot(batch.labels.flatten()).double()


def _joined(labels: list[Any]) -> Any:
    return torch.cat(labels) if all(isinstance(part, Tensor) for part in labels) else labels
