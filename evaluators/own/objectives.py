"""The objective of the user's own network: how the network is called, and how the loss follows from its output.

Not here: the formulas (``losses``), and the choice among these objectives (``problem``).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.objective import Further, Objective, call
from actsearch.evaluators.own.losses import Loss, Options, WrongOutput


def tensor_of(output: Any) -> Tensor:
    """Return the tensor in an output: itself, its ``logits``, a tuple's first item, or a dictionary's only tensor.

    Raises:
        WrongOutput: the output holds no such tensor.
    """
    if isinstance(output, Mapping):
        tensors = [part for part in output.values() if isinstance(part, Tensor)]
        output = output.get("logits", tensors[0] if len(tensors) == 1 else output)
    logits = getattr(output, "logits", output)
    if isinstance(logits, (tuple, list)) and logits:
        logits = logits[0]
    if not isinstance(logits, Tensor):
        raise WrongOutput(
            f"the network returns a {type(output).__name__}; expected a tensor, something with .logits or .loss, a "
            "tuple or a dictionary with one, or a loss of your own that takes it (task.own.loss)"
        )
    return logits


def loss_in(output: Any) -> Tensor | None:
    """Return the loss in a network's output: ``.loss``, a dictionary's ``loss``, or a tuple's only number; else None.

    A dictionary that holds only losses, as detectors return it in training, is summed, unless one of them is named as
    the total.
    """
    if isinstance(output, tuple) and not hasattr(output, "loss"):
        numbers = [part for part in output if isinstance(part, Tensor) and not part.ndim]
        return numbers[0] if len(numbers) == 1 and len(output) > 1 else None
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if loss is None and isinstance(output, Mapping) and output:
        named = {str(name): part for name, part in output.items() if "loss" in str(name)}
        totals = [part for name, part in named.items() if "total" in name]
        losses = [*named.values()]
        if len(losses) == len(output) and all(isinstance(part, Tensor) and part.numel() == 1 for part in losses):
            loss = totals[0] if totals else torch.stack([part.reshape(()) for part in losses]).sum()
    return loss if isinstance(loss, Tensor) and loss.numel() == 1 else None


class NamedObjective(Objective):
    """Objective with one of ``losses.LOSSES``.

    Args:
        loss: formula of the loss.
        options: options of the cross-entropy.
        further: metrics by name.
    """

    def __init__(self, loss: Loss, options: Options, further: Further) -> None:
        self.unit, self.formula, self.options, self.further = loss.unit, loss, options, further

    def for_many(self) -> Objective:
        """Return a copy that does not check target values."""
        return NamedObjective(self.formula, dataclasses.replace(self.options, unchecked=True), self.further)

    def output(self, network: nn.Module, batch: Split) -> Tensor:
        """Call the network and return the tensor in its output."""
        return tensor_of(call(network, batch.inputs))

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the mean loss over the targets that count."""
        return self.formula.mean(output, _labels_of(batch), self.options, training=torch.is_grad_enabled())

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Return the sum over the targets that count, in double precision without label smoothing, and their number."""
        each, counts = self.formula.each(output, _labels_of(batch), self.options, False)
        number = each.numel() if counts is None else int(counts.sum())
        return float(each.detach().double().sum()), number

    def right(self, output: Any, batch: Split) -> tuple[int, int] | None:
        """Return the number of right predictions and of targets that count; None if the loss has no classes."""
        if self.formula.right is None:
            return None
        right, counts = self.formula.right(output, batch.labels, self.options)
        return (int(right.sum()), right.numel()) if counts is None else (int(right[counts].sum()), int(counts.sum()))

    def targets(self, batch: Split) -> Tensor | None:
        """Return one-hot classes, or the target numbers, one row per target; None if there are no such rows."""
        labels = batch.labels
        if not isinstance(labels, Tensor):
            return None
        if self.formula.of_classes and not labels.is_floating_point():
            flat = labels.flatten().long()
            return None if int(flat.min()) < 0 else one_hot(flat).double()  # an ignored label has no class
        return labels.double().reshape(len(labels), -1) if labels.ndim < 3 else None


class FunctionObjective(Objective):
    """Objective with the user's own loss function.

    Args:
        function: the loss, called with output and labels; it returns a tensor of one number.
        name: name of the loss, which serves as its unit.
        further: metrics by name.
    """

    def __init__(self, function: Callable[[Any, Any], Any], name: str, further: Further) -> None:
        self.unit, self.function, self.further = name, function, further

    def numbers(self, output: Any) -> Tensor:
        """Return the tensor in the network's output, for metrics."""
        return tensor_of(output)

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the result of the user's loss function as a scalar."""
        result = self.function(output, batch.labels)
        if not isinstance(result, Tensor) or result.numel() != 1:
            shape = f"{tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
            raise WrongOutput(f"the loss '{self.unit}' must return a tensor of one number, found {shape}")
        return result.reshape(())

    def targets(self, batch: Split) -> Tensor | None:
        """Return the target numbers, one row per example; None if they have another form."""
        labels = batch.labels
        return labels.double().reshape(len(labels), -1) if isinstance(labels, Tensor) and labels.ndim < 3 else None


class LossOfOutput(Objective):
    """Objective of a network that returns its own loss, as the models of Hugging Face do when they get labels.

    Args:
        further: metrics by name.
        shifted: whether the network predicts the next label, so that the first label of each example does not count.
    """

    unit = "loss of the network"

    def __init__(self, further: Further, *, shifted: bool = False) -> None:
        self.further, self.shifted = further, shifted

    def numbers(self, output: Any) -> Tensor:
        """Return the tensor in the network's output, for metrics."""
        return tensor_of(output)

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the loss in the network's output."""
        result = loss_in(output)
        if result is None:
            raise WrongOutput(
                f"the network returns no .loss of one number, found {type(output).__name__}: are there labels in its "
                "batches? One that returns losses in training alone, as detectors do, needs a method step(batch) that "
                "returns its loss in evaluation too"
            )
        return result.reshape(())

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Return the summed loss and its weight.

        As in these models, the weight is the number of labels other than -100; without such labels it is the number of
        examples.
        """
        labels = batch.labels
        is_whole = isinstance(labels, Tensor) and not labels.is_floating_point()
        labels = labels[:, 1:] if is_whole and self.shifted else labels
        number = int((labels != Options().ignore_index).sum()) if is_whole else len(batch)
        return (float(self.loss(output, batch).detach()) * number, number) if number else (0.0, 0)


class Step(Objective):
    """Objective of a network with ``training_step(batch, index)``, as in Lightning, or ``step(batch)``.

    Args:
        name: name of the method.
        takes_index: whether the method also takes the number of the batch.
    """

    def __init__(self, name: str, *, takes_index: bool) -> None:
        self.unit, self.name, self.takes_index = "loss", name, takes_index

    def output(self, network: nn.Module, batch: Split) -> Any:
        """Call the method and return its result; the batch number is always 0."""
        return network(batch.inputs, 0) if self.takes_index else network(batch.inputs)

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the method's result if it is a tensor, or else the loss in it."""
        result = output if isinstance(output, Tensor) else loss_in(output)
        if not isinstance(result, Tensor) or result.numel() != 1:
            raise WrongOutput(
                f"'{self.name}' must return a loss, a tensor of one number, found {type(result).__name__}"
            )
        return result.reshape(())


def _labels_of(batch: Split) -> Any:
    if batch.labels is None:
        raise WrongOutput("a batch has no labels; give pairs (inputs, labels), or a key 'labels' in a dictionary")
    return batch.labels
