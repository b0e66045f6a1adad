"""What an activation does to the task's own network before the first step: known without training, in milliseconds.

How well the last features of the untrained network already tell the classes apart, how far gradients of different
examples agree, and how large gradients and outputs are. Not here: the same after training (``diagnostics``), and what
is made of it (``search.proposers.knowledge``).
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

LABELS = 256  # of the training examples that are looked at, in two halves
LEAST_EXAMPLES = 16  # where one example has many labels
RIDGE = 1.0  # penalty of the readout; features are standardised, their squares add up to one
WORST = -0.2  # a readout below it says no more, and where features are not finite
FLOOR = 1e-8  # smaller norms and variances are none


@dataclass(frozen=True)
class FirstLook:
    """What is seen before the first step.

    Args:
        readout: share of the labels' variance that a ridge regression on the last features predicts, each example from
            all others; from -0.2, where the features mislead, to 1; higher is better.
        agreement: cosine between the loss's gradients of two halves of the examples, by weight; -1 to 1.
        gradient_norm: its log, by weight.
        output_mean, output_variance: of each activation layer: asinh and log.
        is_read: whether there is a readout: not where targets are no numbers, or no last linear layer tells them.
    """

    readout: float
    agreement: tuple[float, ...]
    gradient_norm: tuple[float, ...]
    output_mean: tuple[float, ...]
    output_variance: tuple[float, ...]
    is_read: bool = True

    def numbers(self) -> list[float]:
        """Return all of it in one row, the readout first."""
        return [self.readout, *self.agreement, *self.gradient_norm, *self.output_mean, *self.output_variance]


class CannotLook(RuntimeError):
    """The user's network does not run with one activation: a fault of the pair, not of the run."""


@contextlib.contextmanager
def _looking(seed: int, file: str) -> Iterator[None]:
    try:
        with contained(noise_seed(seed), file):
            yield
    except Exception as fault:  # whatever the user's network raises with this activation
        raise CannotLook(fault_text(fault)) from fault


def first_look(activation: Activation, task: NetworkTask, seed: int) -> FirstLook:
    """Return what the untrained network shows.

    Args:
        activation: whose first look it is.
        task: whose network it is.
        seed: of the weights: the same for all functions that are compared.

    Raises:
        CannotLook: the network does not run with this activation; its training will say why.
    """
    data, objective = task.data, task.objective
    one = tensors_of(data.train.first(1).labels)
    batch = data.train.first(max(LEAST_EXAMPLES, LABELS // max(1, one[0][0].numel())) if one else LEAST_EXAMPLES)
    seen: dict[nn.Module, Tensor] = {}
    with _looking(seed, task.settings.own.file):
        untrained = task.build(activation, seed)
        network, made = untrained.network.train(), untrained.layers
        last = next((m for m in reversed(list(network.modules())) if isinstance(m, nn.Linear)), None)
        for layer in made:
            layer.register_forward_hook(lambda layer, _, output: seen.update({layer: output.detach()}))
        if last is not None:
            last.register_forward_pre_hook(lambda layer, given: seen.update({layer: given[0].detach()}))
        losses = _halves(objective, network, batch)
        weights = [p for p in network.parameters() if p.ndim > 1 and p.requires_grad]
        first, second = (
            torch.autograd.grad(half, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
            for half in losses
        )
        targets = objective.targets(batch)
        readout = None if last not in seen or targets is None else _readout(seen[last], targets)
    pairs = list(zip(first, second, strict=True))
    outputs = [seen[layer] for layer in made if layer in seen]
    return FirstLook(
        readout=0.0 if readout is None else readout,
        is_read=readout is not None,
        agreement=tuple(_finite(float(cosine_similarity(a.flatten(), b.flatten(), dim=0))) for a, b in pairs),
        gradient_norm=tuple(_log(float((a + b).norm() / 2)) for a, b in pairs),
        output_mean=tuple(math.asinh(_finite(float(output.mean()))) for output in outputs),
        output_variance=tuple(_log(float(output.var())) for output in outputs),
    )


def _halves(objective: Objective, network: nn.Module, batch: Split) -> tuple[Tensor, Tensor]:
    """Return the losses of both halves of a batch, of one forward pass where they can be told apart."""
    output = objective.output(network, batch)
    found = objective.halves(output, batch)
    if found is not None:
        return found
    half = len(batch) // 2
    parts = batch.take(slice(half)), batch.take(slice(half, None))
    first, second = (objective.loss(objective.output(network, part), part) for part in parts)
    return first, second


def _readout(features: Tensor, target: Tensor) -> float | None:
    """Return the share of variance that ridge regression predicts, leaving one out (Golub, Heath & Wahba 1979)."""
    rows = features.flatten(0, -2).double()
    if len(rows) != len(target):  # the last linear layer registered is not the one that tells the targets
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
