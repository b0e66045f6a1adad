"""The objective of a child's training and score: the call of its network, its loss, the unit of the loss.

The tasks of this engine use cross-entropy. Not here: the losses that a user may choose (``own.losses``).
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
    """Call a network with a tensor, with a tuple as its arguments, or with a dictionary as its keywords."""
    if isinstance(inputs, tuple):
        return network(*inputs)
    return network(**inputs) if isinstance(inputs, dict) else network(inputs)


class Objective(ABC):
    """A loss, lower is better, and metrics beside it."""

    unit: str
    """Unit of the loss, for people: ``nats``."""

    with_gradients = False
    """Whether the network differentiates in its own call, say with respect to inputs, so that scores need gradients."""

    adds_up = False
    """Whether the loss is the sum over a batch; reports divide it by the number of examples."""

    further: Further = types.MappingProxyType({})
    """Name -> metric, a function of the outputs and labels of a whole split."""

    def looking(self) -> AbstractContextManager[object]:
        """Return the context for calls without learning: it turns gradients off, unless the network needs them."""
        return torch.enable_grad() if self.with_gradients else torch.no_grad()

    def for_many(self) -> "Objective":
        """Return the variant for stacks of children, which never reads the values of targets."""
        return self

    def output(self, network: nn.Module, batch: Split) -> Any:
        """Return the network's output for a batch."""
        return call(network, batch.inputs)

    def numbers(self, output: Any) -> Tensor:
        """Return the tensor in an output that the metrics use."""
        return output  # type: ignore[no-any-return]  # the networks of this engine return a tensor

    @abstractmethod
    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the mean loss of a batch, a scalar tensor with a gradient."""

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Return the sum of a batch's losses and the number of examples; each example counts alike if possible."""
        return float(self.loss(output, batch).detach()) * (1 if self.adds_up else len(batch)), len(batch)

    def right(self, output: Any, batch: Split) -> tuple[int, int] | None:
        """Return the numbers of correct labels and of all labels in a batch; None if there are no classes."""
        return None

    def targets(self, batch: Split) -> Tensor | None:
        """Return the targets of a linear readout, ``(n, numbers)`` in double precision; None if there are none."""
        return None

    def metrics(self, network: nn.Module, split: Examples) -> dict[str, float]:
        """Score a network and leave it in evaluation mode; return the mean loss as ``loss``, and metrics by name."""
        network.eval()
        loss, count, right, labels = 0.0, 0, 0, 0
        pairs: list[tuple[Tensor, Any]] = []  # outputs and labels of each batch
        with self.looking():
            for batch in split.parts():
                output = self.output(network, batch)
                if self.further:  # keep copies, since a loss may change its arguments
                    pairs.append((self.numbers(output).detach().cpu().clone(), mapped(lambda t: t.cpu(), batch.labels)))
                summed, weight = self.total(output, batch)
                loss, count = loss + summed, count + weight
                counts = self.right(output, batch)
                right, labels = (right + counts[0], labels + counts[1]) if counts else (right, labels)
        results = {"loss": loss / max(count, 1)} | ({"accuracy": right / labels} if labels else {})
        if pairs:
            if len({one.shape[1:] for one, _ in pairs}) > 1:
                raise UserFault(
                    "metrics need outputs of one shape: these batches have several, leave task.own.metrics out"
                )
            outputs, targets = torch.cat([one for one, _ in pairs]), _joined([two for _, two in pairs])
            results |= {name: metric(outputs, targets) for name, metric in self.further.items()}
        return results


class CrossEntropy(Objective):
    """The objective of this engine's tasks: logits ``(n, classes, ...)``, labels ``(n, ...) int64``."""

    unit = "nats"

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the mean cross-entropy."""
        return functional.cross_entropy(output, batch.labels)

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Return the sum of the losses, added in double precision, and the number of labels."""
        losses = functional.cross_entropy(output, batch.labels, reduction="none")
        return float(losses.double().sum()), batch.labels.numel()

    def right(self, output: Any, batch: Split) -> tuple[int, int]:
        """Return the number of labels whose logit is the largest, and the number of labels."""
        return int((output.argmax(1) == batch.labels).sum()), batch.labels.numel()

    def targets(self, batch: Split) -> Tensor:
        """Return the one-hot classes, one row per label."""
        return functional.one_hot(batch.labels.flatten()).double()


def _joined(labels: list[Any]) -> Any:
    return torch.cat(labels) if all(isinstance(part, Tensor) for part in labels) else labels
