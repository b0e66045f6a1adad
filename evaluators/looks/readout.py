"""The readout: how well the last features of the task's untrained network tell the labels apart, in milliseconds.

Random features that tell the labels apart suit the problem (Rahimi & Recht 2008). Not here: what training makes of them
(``diagnostics``), and the use of this number (``search.proposers.knowledge``).
"""

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.contained import contained
from actsearch.evaluators.data.examples import tensors_of
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import noise_seed
from actsearch.grammar.fault import fault_text

LABELS = 256  # number of labels of the examined training examples
LEAST_EXAMPLES = 16  # least number of examples, if one example has many labels
RIDGE = 1.0  # penalty of the regression; features are standardised, their squares add up to one
WORST = -0.2  # least readout: lower values mean no more; also the readout of features that are not finite


class CannotLook(RuntimeError):
    """The user's network does not run with one activation; the fault concerns this pair, not the run."""


@contextlib.contextmanager
def _looking(seed: int, file: str) -> Iterator[None]:
    try:
        with contained(noise_seed(seed), file):
            yield
    except Exception as fault:  # the user's network may raise anything
        raise CannotLook(fault_text(fault)) from fault


def readout(activation: Activation, task: NetworkTask, seed: int) -> float | None:
    """Return the readout of a network before its first step.

    Args:
        activation: activation of the network.
        task: task with the network and data.
        seed: seed of the weights, the same for all functions in a comparison.

    Returns:
        Share of the labels' variance that a ridge regression on the inputs of the last linear layer predicts, each
        example from all others: from -0.2, where the features mislead, to 1, higher is better. None if targets are no
        numbers, or no last linear layer predicts them.

    Raises:
        CannotLook: the network does not run with this activation; its training will say why.
    """
    data, objective = task.data, task.objective
    label = tensors_of(data.train.first(1).labels)
    batch = data.train.first(max(LEAST_EXAMPLES, LABELS // max(1, label[0][0].numel())) if label else LEAST_EXAMPLES)
    features: list[Tensor] = []
    with _looking(seed, task.settings.own.file):
        network = task.build(activation, seed).network.train()
        last = next((m for m in reversed(list(network.modules())) if isinstance(m, nn.Linear)), None)
        targets = objective.targets(batch)
        if last is None or targets is None:
            return None
        last.register_forward_pre_hook(lambda layer, inputs: features.append(inputs[0].detach()))
        objective.output(network, batch)
        return _predicted(features[-1], targets) if features else None


def _predicted(features: Tensor, target: Tensor) -> float | None:
    """Return the share of variance that ridge regression predicts, leaving one out (Golub, Heath & Wahba 1979)."""
    rows = features.flatten(0, -2).double()
    if len(rows) != len(target):  # the last registered linear layer is not the one that predicts the targets
        return None
    rows = (rows - rows.mean(0)) / (rows.std(0) + 1e-6) / math.sqrt(rows.shape[1])
    target = target - target.mean(0)
    inner = rows @ rows.T  # as large as the examples are many, and not as the features are
    try:
        hat = torch.linalg.solve(inner + RIDGE * torch.eye(len(rows), dtype=rows.dtype, device=rows.device), inner)
    except RuntimeError:  # the features are not finite
        return WORST
    residual = (target - hat @ target) / (1 - hat.diagonal().clamp(max=0.999))[:, None]
    share = 1 - float(residual.square().sum() / target.square().sum())
    return max(WORST, share) if math.isfinite(share) else WORST
