"""The objective of the user's own network: how it is called, and which loss is taken of what it returns.

Not here: the formulas (``losses``), and who chooses among these (``problem``).
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
    """Return the tensor of an output: itself, its ``logits``, the first of a tuple, the only one of a dictionary.

    Raises:
        WrongOutput: there is none.
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
    """Return the loss that a network itself returns: ``.loss``, that of a dictionary, the only number of a tuple.

    A dictionary of losses alone, as detectors return it in training, is added up, unless one is the total already.
    """
    if isinstance(output, tuple) and not hasattr(output, "loss"):
        numbers = [part for part in output if isinstance(part, Tensor) and not part.ndim]
        return numbers[0] if len(numbers) == 1 and len(output) > 1 else None
    found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if found is None and isinstance(output, Mapping) and output:
        named = {str(name): part for name, part in output.items() if "loss" in str(name)}
        totals = [part for name, part in named.items() if "total" in name]
        losses = [*named.values()]
        if len(losses) == len(output) and all(isinstance(part, Tensor) and part.numel() == 1 for part in losses):
            found = totals[0] if totals else torch.stack([part.reshape(()) for part in losses]).sum()
    return found if isinstance(found, Tensor) and found.numel() == 1 else None


class NamedObjective(Objective):
    """One of ``losses.LOSSES``.

    Args:
        loss: the formula.
        options: of it.
        further: metrics by name.
    """

    def __init__(self, loss: Loss, options: Options, further: Further) -> None:
        self.unit, self.formula, self.options, self.further = loss.unit, loss, options, further

    def for_many(self) -> Objective:
        """Return one that checks no target."""
        return NamedObjective(self.formula, dataclasses.replace(self.options, unchecked=True), self.further)

    def output(self, network: nn.Module, batch: Split) -> Tensor:
        """Call it, and take the tensor of what it returns."""
        return tensor_of(call(network, batch.inputs))

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the mean over what counts."""
        return self.formula.mean(output, _wanted(batch), self.options, training=torch.is_grad_enabled())

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Sum in double precision over what counts, without label smoothing."""
        each, counts = self.formula.each(output, _wanted(batch), self.options, False)
        number = each.numel() if counts is None else int(counts.sum())
        return float(each.detach().double().sum()), number

    def right(self, output: Any, batch: Split) -> tuple[int, int] | None:
        """Count predictions that are right, where targets are classes."""
        if self.formula.right is None:
            return None
        right, counts = self.formula.right(output, batch.labels, self.options)
        return (int(right.sum()), right.numel()) if counts is None else (int(right[counts].sum()), int(counts.sum()))

    def halves(self, output: Any, batch: Split) -> tuple[Tensor, Tensor] | None:
        """Part a batch by its examples."""
        return super().halves(output, batch) if self.formula.batch_dimension == 0 else None

    def targets(self, batch: Split) -> Tensor | None:
        """Return classes one-hot, or the numbers, a row a target."""
        labels = batch.labels
        if not isinstance(labels, Tensor):
            return None
        if self.formula.of_classes and not labels.is_floating_point():
            flat = labels.flatten().long()
            return None if int(flat.min()) < 0 else one_hot(flat).double()  # what is ignored has no class
        return labels.double().reshape(len(labels), -1) if labels.ndim < 3 else None


class FunctionObjective(Objective):
    """A loss of the user's: called with output and labels, returns a tensor of one number.

    Args:
        function: the loss.
        name: of it, which is its unit.
        further: metrics by name.
    """

    def __init__(self, function: Callable[[Any, Any], Any], name: str, further: Further) -> None:
        self.unit, self.function, self.further = name, function, further

    def numbers(self, output: Any) -> Tensor:
        """Take the tensor of what the network returns."""
        return tensor_of(output)

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Call it."""
        found = self.function(output, batch.labels)
        if not isinstance(found, Tensor) or found.numel() != 1:
            shape = f"{tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise WrongOutput(f"the loss '{self.unit}' must return a tensor of one number, found {shape}")
        return found.reshape(())

    def targets(self, batch: Split) -> Tensor | None:
        """Return the numbers, if there is a row of them an example."""
        labels = batch.labels
        return labels.double().reshape(len(labels), -1) if isinstance(labels, Tensor) and labels.ndim < 3 else None


class LossOfOutput(Objective):
    """The loss that the network itself returns, as the models of Hugging Face do when they are given labels.

    Args:
        further: metrics by name.
        shifted: whether it predicts the next label, so that the first of each example counts for nothing.
    """

    unit = "loss of the network"

    def __init__(self, further: Further, *, shifted: bool = False) -> None:
        self.further, self.shifted = further, shifted

    def numbers(self, output: Any) -> Tensor:
        """Take the tensor of what the network returns."""
        return tensor_of(output)

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return the loss that is in the output."""
        found = loss_in(output)
        if found is None:
            raise WrongOutput(
                f"the network returns no .loss of one number, found {type(output).__name__}: are there labels in its "
                "batches? One that returns losses in training alone, as detectors do, needs a method step(batch) that "
                "returns its loss in evaluation too"
            )
        return found.reshape(())

    def total(self, output: Any, batch: Split) -> tuple[float, int]:
        """Count every label that is not -100 alike, as these models do; without labels every example."""
        labels = batch.labels
        is_whole = isinstance(labels, Tensor) and not labels.is_floating_point()
        labels = labels[:, 1:] if is_whole and self.shifted else labels
        number = int((labels != Options().ignore_index).sum()) if is_whole else len(batch)
        return (float(self.loss(output, batch).detach()) * number, number) if number else (0.0, 0)


class Step(Objective):
    """A network that computes its loss from a batch: ``training_step(batch, index)`` of Lightning, or ``step(batch)``.

    Args:
        name: of the method.
        takes_index: whether it is given the number of the batch too.
    """

    def __init__(self, name: str, *, takes_index: bool) -> None:
        self.unit, self.name, self.takes_index = "loss", name, takes_index

    def output(self, network: nn.Module, batch: Split) -> Any:
        """Call the method."""
        return network(batch.inputs, 0) if self.takes_index else network(batch.inputs)

    def loss(self, output: Any, batch: Split) -> Tensor:
        """Return what it returns, or the loss of the dictionary that it returns."""
        found = output if isinstance(output, Tensor) else loss_in(output)
        if not isinstance(found, Tensor) or found.numel() != 1:
            raise WrongOutput(f"'{self.name}' must return a loss, a tensor of one number, found {type(found).__name__}")
        return found.reshape(())


def _wanted(batch: Split) -> Any:
    if batch.labels is None:
        raise WrongOutput("a batch has no labels; give pairs (inputs, labels), or a key 'labels' in a dictionary")
    return batch.labels
