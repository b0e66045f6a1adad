"""Try the user's network and data before anything is trained: what is wrong is said, not scored.

The network is built twice, run on the task's own data with the real loss, once backward and once for the score, in
training and in evaluation, with probes in the places of the candidate that tell whether they are called and whether
what they return matters. Not here: whether two networks come to the same (``twice``), and a training that is the
user's as a whole (``own.score``), which cannot be tried in part.
"""

import collections
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from actsearch.evaluators.contained import Exited, contained
from actsearch.evaluators.data.dataset import SPLITS, DataSet, Split
from actsearch.evaluators.own.functions import BadOwnTask
from actsearch.evaluators.own.places import network
from actsearch.evaluators.own.trial import EXAMPLES, first_of, loss_of
from actsearch.evaluators.own.twice import check_builds, check_repeats
from actsearch.evaluators.settings import CompleteSettings

DRAWS = 64  # at most, of a network that leaves layers out at random in training
KINDS = ("relu", "gelu", "silu", "elu", "selu", "celu", "leaky_relu", "mish", "hardswish", "relu6", "rrelu", "softplus")
"""Activations whose call as a function is told from a layer's; sigmoid and tanh are gates as often."""


class _Probe(nn.Module):
    """Stands where the candidate will: a smooth function that notes its calls, and can be disturbed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.outputs, self.disturbed = 0, list[Tensor](), False
        self.beta = nn.Parameter(torch.ones(()))  # has a gradient behind frozen weights too

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        value = x * torch.sigmoid(self.beta.to(x) * x)
        if self.disturbed:
            value = value + torch.randn_like(value)
        if value.requires_grad:
            value.retain_grad()
            self.outputs.append(value)
        return value


class _Calls(TorchFunctionMode):
    """Counts the activations that are called as functions, outside of layers of torch, while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: collections.Counter[str] = collections.Counter()
        self.depth = 0  # in layers of torch

    def enter_layer(self, *_: object) -> None:
        self.depth += 1

    def leave_layer(self, *_: object) -> None:
        self.depth -= 1

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "").rstrip("_")
        self.counts.update([name] if name in KINDS and not self.depth else [])
        return func(*args, **(kwargs or {}))


def check(settings: CompleteSettings, data: DataSet) -> list[str]:
    """Try the user's network on its data.

    Args:
        settings: complete, of the task ``own`` with ``build``.
        data: of the task, on the device it is trained on.

    Returns:
        What the user should know, a sentence each; nothing of it stands in the way.

    Raises:
        BadOwnTask: with one sentence.
    """
    try:
        with contained(0, settings.own.file):
            check_builds(settings)
            probes: list[_Probe] = []

            def make(channels: int, dimension: int | None = None) -> nn.Module:
                probes.append(_Probe())
                return probes[-1]

            model = network(settings, data, make).to(data.train.inputs.device)
            names = {layer: name for name, layer in model.named_modules() if isinstance(layer, _Probe)}
            batch = first_of(data.train, min(settings.batch, EXAMPLES))
            _check_training(model, batch, names)
            _check_scoring(settings, model, data, names)
            said = list(_calls_of_its_own(model, batch))
            check_repeats(settings, data, make)
            return said
    except BadOwnTask:
        raise
    except Exited as fault:
        raise BadOwnTask(f"'{settings.own.function}': {fault}") from fault
    except Exception as fault:  # whatever the user's network raises where nobody foresaw it
        raise BadOwnTask(f"'{settings.own.function}' cannot be tried: {type(fault).__name__}: {fault}") from fault


def _check_training(model: nn.Module, batch: Split, names: dict[_Probe, str]) -> None:
    model.train()
    betas = {probe.beta for probe in names}
    if not [part for part in model.parameters() if part.requires_grad and part not in betas]:
        raise BadOwnTask("the network has no weights to train")
    for _ in range(DRAWS):
        _, loss = loss_of(model, Split(batch.inputs.clone(), batch.labels), "in training")
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except Exception as fault:
            raise BadOwnTask(f"the loss has no gradient: {type(fault).__name__}: {fault}") from fault
        if all(probe.calls and (not probe.outputs or _has_effect(probe)) for probe in names):
            return
    for probe, name in names.items():
        if not probe.calls:
            raise BadOwnTask(f"layer '{name}' of the network is not used in training; choose others (task.own.replace)")
        if probe.outputs and not _has_effect(probe):
            raise BadOwnTask(
                f"layer '{name}' of the network has no effect in training: nothing is made of what it returns. Did you "
                f"mean h = self.{name.rpartition('.')[2]}(h)? Else choose others (task.own.replace)"
            )


def _has_effect(probe: _Probe) -> bool:
    return any(output.grad is not None for output in probe.outputs)


@torch.no_grad()
def _check_scoring(settings: CompleteSettings, model: nn.Module, data: DataSet, names: dict[_Probe, str]) -> None:
    model.eval()
    for split in SPLITS:
        labels = getattr(data, split).labels
        batch = first_of(getattr(data, split), EXAMPLES)
        batch.labels.flatten()[0] = labels.max()  # the largest label must have its logit
        for probe in names:
            probe.calls = 0
        loss_of(model, batch, f"on the {split} split in evaluation")
    for part in model.parameters():  # a head or a branch may start at zero, and let nothing through as yet
        if part.is_floating_point():
            part.add_(0.1 * torch.randn_like(part))
    batch = first_of(data.validation, EXAMPLES)
    for probe, name in names.items():
        if not probe.calls:
            raise BadOwnTask(
                f"layer '{name}' of the network is used in training but not in evaluation, where the score is taken: "
                "the candidate would not be what is scored. Choose others (task.own.replace)"
            )
        outputs = []
        for probe.disturbed in (False, True):
            with contained(2, settings.own.file):
                outputs.append(loss_of(model, first_of(batch, EXAMPLES), "in evaluation")[0])
        probe.disturbed = False
        if torch.equal(*outputs):
            raise BadOwnTask(
                f"layer '{name}' of the network has no effect in evaluation, where the score is taken. Choose others "
                "(task.own.replace)"
            )


@torch.no_grad()
def _calls_of_its_own(model: nn.Module, batch: Split) -> Iterator[str]:
    """Say which activations the network calls as functions: they stay what they are."""
    calls = _Calls()
    torchs = [m for m in model.modules() if type(m).__module__.startswith("torch.nn") and not list(m.children())]
    hooks = [layer.register_forward_pre_hook(calls.enter_layer) for layer in torchs]
    hooks += [layer.register_forward_hook(calls.leave_layer) for layer in torchs]
    try:
        with calls:
            model.eval()(batch.inputs.clone())
    finally:
        for hook in hooks:
            hook.remove()
    for name, count in calls.counts.items():
        times = "once" if count == 1 else f"{count} times"
        yield (
            f"the network also calls {name} {times} as a function, not as a layer: these stay what they are. To have "
            "the candidate there too, make them layers, such as nn.ReLU()"
        )
