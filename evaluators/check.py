"""Try the user's network and data before anything is trained: what is wrong is said, not scored.

The network is built twice, run on the task's own data with the real loss, once backward and once for the score, in
training and in evaluation, with probes in the places of the candidate that tell whether they are called and whether
what they return matters. Not here: a training that is the user's as a whole (``own.score``), which cannot be tried in
part.
"""

import collections
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from evaluators.contained import Exited, contained
from evaluators.data.dataset import SPLITS, DataSet, Split
from evaluators.own import BadOwnTask, built, data_set
from evaluators.places import network
from evaluators.settings import TaskSettings

DRAWS = 4  # of a network that leaves layers out at random in training
EXAMPLES = 32  # of a batch that is tried
KINDS = ("relu", "gelu", "silu", "elu", "selu", "celu", "leaky_relu", "mish", "hardswish", "relu6", "rrelu", "softplus")
"""Activations whose call as a function is told from a layer's; sigmoid and tanh are gates as often."""


class _Probe(nn.Module):
    """Stands where the candidate will: a smooth function that notes its calls, and can be disturbed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.outputs, self.disturbed = 0, list[Tensor](), False

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        value = x * torch.sigmoid(x)
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


def check(settings: TaskSettings, data: DataSet) -> list[str]:
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
            _check_builds(settings)
            probes: list[_Probe] = []

            def make(channels: int, dimension: int | None = None) -> nn.Module:
                probes.append(_Probe())
                return probes[-1]

            model = network(settings, data, make).to(data.train.inputs.device)
            names = {layer: name for name, layer in model.named_modules() if isinstance(layer, _Probe)}
            batch = _first(data.train, min(settings.batch, EXAMPLES))
            _check_training(settings, model, batch, names)
            _check_scoring(settings, model, data, names)
            return list(_calls_of_its_own(model, batch))
    except Exited as fault:
        raise BadOwnTask(f"'{settings.own.build}': {fault}") from fault


def _first(split: Split, count: int) -> Split:
    return Split(split.inputs[:count].clone(), split.labels[:count].clone())


def _check_builds(settings: TaskSettings) -> None:
    """Two calls must return two networks that start alike under one seed, and the same data."""
    found = []
    for _ in range(2):
        with contained(1, settings.own.file):
            model, data = built(settings)
            found.append((model, data_set(data, settings).digest))  # before the next call can change it
    (first, first_data), (second, second_data) = found
    shared = _shared(first, second)
    if shared:
        raise BadOwnTask(
            f"'{settings.own.build}' returns {shared} again when it is called a second time: the next child would go "
            "on from this one. Make the whole network anew inside the function, or return a copy.deepcopy of it"
        )
    theirs = second.state_dict()
    for name, value in first.state_dict().items():
        if isinstance(value, Tensor) and not (name in theirs and _equal(value, theirs[name])):
            raise BadOwnTask(
                f"'{settings.own.build}': '{name}' starts differently in a second call with the same seed, so no score "
                "would come twice: draw from the generators of torch, numpy.random or random, which are seeded, or "
                "seed your own"
            )
    if first_data != second_data:
        raise BadOwnTask(
            f"'{settings.own.build}': the data differ in a second call with the same seed: build them once "
            "(functools.cache), without a generator that nobody seeded and without changing them in place"
        )


def _shared(first: nn.Module, second: nn.Module) -> str:
    """Name the first part with weights or parts of its own that both networks hold."""
    tensors = {id(part) for part in _tensors(first)} | {part.data_ptr() for part in _tensors(first) if part.numel()}
    for name, part in [*second.named_parameters(), *second.named_buffers()]:
        if id(part) in tensors or (part.numel() and part.data_ptr() in tensors):
            return f"the same weights ('{name}')"
    modules = set(first.modules())
    for name, module in second.named_modules():
        if module in modules and list(module.children()):
            return f"the same network ('{name}')" if name else "the same network"
    return ""


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _equal(one: Tensor, other: Tensor) -> bool:
    same_kind = one.shape == other.shape and one.dtype == other.dtype
    return same_kind and bool(torch.equal(one.nan_to_num(), other.nan_to_num()))


def _loss(settings: TaskSettings, model: nn.Module, batch: Split, when: str) -> tuple[Tensor, Tensor]:
    """Return the network's output and its loss.

    Raises:
        BadOwnTask: the network or the loss raises, or the output is of another kind.
    """
    try:
        logits = model(batch.inputs)
    except Exception as fault:
        raise BadOwnTask(f"the network does not run {when}: {type(fault).__name__}: {fault}") from fault
    classes = int(batch.labels.max()) + 1
    if not isinstance(logits, Tensor):
        raise BadOwnTask(
            f"the network returns a {type(logits).__name__} {when}; expected a tensor of logits (examples, classes). "
            "With outputs of another kind, write the training yourself (task.own.score)"
        )
    shape, wanted = tuple(logits.shape), f"logits (examples, classes) for labels {tuple(batch.labels.shape)}"
    if logits.ndim < 2 or (logits.shape[0], *logits.shape[2:]) != tuple(batch.labels.shape):
        raise BadOwnTask(f"the network returns {shape} {when}; expected {wanted}")
    if logits.shape[1] < classes:
        raise BadOwnTask(f"the network tells {logits.shape[1]} classes apart, but there are labels up to {classes - 1}")
    try:
        return logits, functional.cross_entropy(logits, batch.labels)
    except Exception as fault:
        raise BadOwnTask(f"no loss {when}: {type(fault).__name__}: {fault}; expected {wanted}") from fault


def _check_training(settings: TaskSettings, model: nn.Module, batch: Split, names: dict[_Probe, str]) -> None:
    model.train()
    weights = [part for part in model.parameters() if part.requires_grad]
    if not weights:
        raise BadOwnTask("the network has no weights to train")
    for _ in range(DRAWS):
        _, loss = _loss(settings, model, Split(batch.inputs.clone(), batch.labels), "in training")
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except Exception as fault:
            raise BadOwnTask(f"the loss has no gradient: {type(fault).__name__}: {fault}") from fault
        if all(any(output.grad is not None for output in probe.outputs) for probe in names):
            return
    for probe, name in names.items():
        if not probe.calls:
            raise BadOwnTask(f"layer '{name}' of the network is not used in training; choose others (task.own.replace)")
        if all(output.grad is None for output in probe.outputs):
            raise BadOwnTask(
                f"layer '{name}' of the network has no effect in training: nothing is made of what it returns. Did you "
                f"mean h = self.{name.rpartition('.')[2]}(h)? Else choose others (task.own.replace)"
            )


@torch.no_grad()
def _check_scoring(settings: TaskSettings, model: nn.Module, data: DataSet, names: dict[_Probe, str]) -> None:
    model.eval()
    for split in SPLITS:
        labels = getattr(data, split).labels
        batch = _first(getattr(data, split), EXAMPLES)
        batch.labels.flatten()[0] = labels.max()  # the largest label must have its logit
        for probe in names:
            probe.calls = 0
        _loss(settings, model, batch, f"on the {split} split in evaluation")
    batch = _first(data.validation, EXAMPLES)
    for probe, name in names.items():
        if not probe.calls:
            raise BadOwnTask(
                f"layer '{name}' of the network is used in training but not in evaluation, where the score is taken: "
                "the candidate would not be what is scored. Choose others (task.own.replace)"
            )
        outputs = []
        for probe.disturbed in (False, True):
            with contained(2, settings.own.file):
                outputs.append(_loss(settings, model, _first(batch, EXAMPLES), "in evaluation")[0])
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
