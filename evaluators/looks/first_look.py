"""The effect of an activation on the task's network before the first step: known without training, in milliseconds.

It measures how well the last features of the untrained network separate the classes, how far gradients of different
examples agree, and how large gradients and outputs are. Not here: the same after training (``diagnostics``), and the
use of these numbers (``search.proposers.knowledge``).
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.contained import contained
from actsearch.evaluators.data.examples import Split, tensors_of
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.outcome import noise_seed
from actsearch.grammar.fault import fault_text

LABELS = 256  # number of labels of the measured training examples, in two halves
LEAST_EXAMPLES = 16  # least number of examples, if one example has many labels
RIDGE = 1.0  # penalty of the readout; features are standardised, their squares add up to one
WORST = -0.2  # least readout: lower values mean no more; also the readout of features that are not finite
FLOOR = 1e-8  # smaller norms and variances count as 0


@dataclass(frozen=True)
class FirstLook:
    """Measurements of a network before the first step.

    Args:
        readout: share of the labels' variance that a ridge regression on the last features predicts, each example from
            all others; from -0.2, where the features mislead, to 1; higher is better.
        agreement: cosine between the loss's gradients of two halves of the examples, for each weight; -1 to 1.
        gradient_norm: log of the gradient's norm, for each weight.
        output_mean, output_variance: asinh of the mean, and log of the variance, of each activation layer's output.
        is_read: whether there is a readout; there is none if targets are no numbers or no last linear layer predicts
            them.
    """

    readout: float
    agreement: tuple[float, ...]
    gradient_norm: tuple[float, ...]
    output_mean: tuple[float, ...]
    output_variance: tuple[float, ...]
    is_read: bool = True

    def numbers(self) -> list[float]:
        """Return all measurements in one row, the readout first."""
        return [self.readout, *self.agreement, *self.gradient_norm, *self.output_mean, *self.output_variance]


class CannotLook(RuntimeError):
    """The user's network does not run with one activation; the fault concerns this pair, not the run."""


@contextlib.contextmanager
def _looking(seed: int, file: str) -> Iterator[None]:
    try:
        with contained(noise_seed(seed), file):
            yield
    except Exception as fault:  # the user's network may raise anything
        raise CannotLook(fault_text(fault)) from fault


def first_look(activation: Activation, task: NetworkTask, seed: int) -> FirstLook:
    """Measure the untrained network.

    Args:
        activation: activation of the network.
        task: task with the network and data.
        seed: seed of the weights, the same for all functions in a comparison.

    Raises:
        CannotLook: the network does not run with this activation; its training will say why.
    """
    data, objective = task.data, task.objective
    label = tensors_of(data.train.first(1).labels)
    batch = data.train.first(max(LEAST_EXAMPLES, LABELS // max(1, label[0][0].numel())) if label else LEAST_EXAMPLES)
    values: dict[nn.Module, Tensor] = {}  # outputs of activation layers, and inputs of the last linear layer
    with _looking(seed, task.settings.own.file):
        untrained = task.build(activation, seed)
        network, layers = untrained.network.train(), untrained.layers
        last = next((m for m in reversed(list(network.modules())) if isinstance(m, nn.Linear)), None)
        for layer in layers:
            layer.register_forward_hook(lambda layer, _, output: values.update({layer: output.detach()}))
        if last is not None:
            last.register_forward_pre_hook(lambda layer, inputs: values.update({layer: inputs[0].detach()}))
        losses = _halves(objective, network, batch)
        weights = [p for p in network.parameters() if p.ndim > 1 and p.requires_grad]
        first, second = (
            torch.autograd.grad(half, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
            for half in losses
        )
        targets = objective.targets(batch)
        readout = None if last not in values or targets is None else _readout(values[last], targets)
    pairs = list(zip(first, second, strict=True))
    outputs = [values[layer] for layer in layers if layer in values]
    return FirstLook(
        readout=0.0 if readout is None else readout,
        is_read=readout is not None,
        agreement=tuple(_finite(float(cosine_similarity(a.flatten(), b.flatten(), dim=0))) for a, b in pairs),
        gradient_norm=tuple(_log(float((a + b).norm() / 2)) for a, b in pairs),
        output_mean=tuple(math.asinh(_finite(float(output.mean()))) for output in outputs),
        output_variance=tuple(_log(float(output.var())) for output in outputs),
    )


def _halves(objective: Objective, network: nn.Module, batch: Split) -> tuple[Tensor, Tensor]:
    """Return the losses of both halves of a batch, from one forward pass if its output can be split, else from two."""
    output = objective.output(network, batch)
    losses = objective.halves(output, batch)
    if losses is not None:
        return losses
    half = len(batch) // 2
    parts = batch.take(slice(half)), batch.take(slice(half, None))
    first, second = (objective.loss(objective.output(network, part), part) for part in parts)
    return first, second


def _readout(features: Tensor, target: Tensor) -> float | None:
    """Return the share of variance that ridge regression predicts, leaving one out (Golub, Heath & Wahba 1979)."""
    rows = features.flatten(0, -2).double()
    if len(rows) != len(target):  # the last registered linear layer is not the one that predicts the targets
        return None
    rows = (rows - rows.mean(0)) / (rows.std(0) + 1e-6) / math.sqrt(rows.shape[1])
    target = target - target.mean(0)
    moment = rows.T @ rows + RIDGE * torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
    try:
        hat = rows @ torch.linalg.solve(moment, rows.T)
    except RuntimeError:  # the features are not finite
        return WORST
    residual = (target - hat @ target) / (1 - hat.diagonal().clamp(max=0.999))[:, None]
    return max(WORST, _finite(1 - float(residual.square().sum() / target.square().sum()), WORST))


def _finite(value: float, otherwise: float = 0.0) -> float:
    return value if math.isfinite(value) else otherwise


def _log(size: float) -> float:
    return math.log(size + FLOOR) if math.isfinite(size) else -math.log(FLOOR)
