"""Try the user's network and data before anything is trained: what is wrong is said, not scored.

The network is built twice, run on the task's own data with the real loss, once backward and once for the score, in
training and in evaluation, with probes in the places of the candidate that tell whether they are called and whether
what they return matters. Not here: whether two networks come to the same (``twice``), and a training that is the
user's as a whole (``own.score``), which cannot be tried in part.
"""

import collections
import contextlib
import hashlib
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.contained import Exited, contained
from actsearch.evaluators.data.examples import Split, update
from actsearch.evaluators.data.streams import Loaded
from actsearch.evaluators.initialisation import initialise
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.own.calls import KINDS, Calls, Site
from actsearch.evaluators.own.functions import BadOwnTask
from actsearch.evaluators.own.objectives import FunctionObjective, Step
from actsearch.evaluators.own.places import Owned, network
from actsearch.evaluators.own.problem import Problem
from actsearch.evaluators.own.trial import EXAMPLES, loss_of
from actsearch.evaluators.own.twice import check_builds, check_repeats
from actsearch.evaluators.settings import CompleteSettings

LAYERS = {kind.replace("_", "") for kind in KINDS}
DRAWS = 64  # at most, of a network that leaves layers out at random in training


class _Probe(nn.Module):
    """Stands where the candidate will: a smooth function that notes its calls, and can be disturbed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.outputs, self.disturbed = 0, list[Tensor](), False
        self.beta = nn.Parameter(torch.ones(()))  # has a gradient behind frozen weights too

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  a network may call it by torch's own name for it
        self.calls += 1
        value = input * torch.sigmoid(self.beta.to(input) * input)
        if self.disturbed:
            value = value + torch.sin(7 * input)
        if value.requires_grad:
            value.retain_grad()
            self.outputs.append(value)
        return value


def check(settings: CompleteSettings, given: Problem) -> list[str]:
    """Try the user's network on its data.

    Args:
        settings: complete, of the task ``own`` with ``build``.
        given: the problem, its data on the device it is trained on.

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

            data = given.data
            model = network(settings, data, make).to(data.train.device)
            names = {probe: model.name_of(probe) for probe in probes}
            batch = data.train.first(min(settings.batch, EXAMPLES))
            _check_training(given.objective, model, batch, names)
            _check_broadcast(given.objective, model, batch)
            _check_scoring(settings, given, model, names)
            said = [*_of_the_data(settings, given, model), *_calls_of_its_own(given, model, batch)]
            check_repeats(settings, given, make)
            said += _of_the_start(settings, model)
            return said
    except BadOwnTask:
        raise
    except Exited as fault:
        raise BadOwnTask(f"'{settings.own.function}': {fault}") from fault
    except Exception as fault:  # whatever the user's network raises where nobody foresaw it
        raise BadOwnTask(f"'{settings.own.function}' cannot be tried: {type(fault).__name__}: {fault}") from fault


def _of_the_start(settings: CompleteSettings, model: Owned) -> list[str]:
    """Draw the weights, which nobody needs any more, as a child's are, and tell which stay the network's own."""
    device = next(model.parameters()).device
    left = initialise(model.model, settings.init, None, torch.Generator(device=device).manual_seed(0))
    if not left:
        return []
    return [f"task.init {settings.init} does not reach the weights of {', '.join(left)}: they start as the network's"]


def _check_training(objective: Objective, model: Owned, batch: Split, names: dict[_Probe, str]) -> None:
    model.train()
    betas = {probe.beta for probe in names}
    if not [part for part in model.parameters() if part.requires_grad and part not in betas]:
        raise BadOwnTask("the network has no weights to train")
    for _ in range(DRAWS):
        _, loss = loss_of(objective, model, batch.copy(), "in training")
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except Exception as fault:
            raise BadOwnTask(f"the loss has no gradient: {type(fault).__name__}: {fault}") from fault
        if all(probe.calls and (not probe.outputs or _has_effect(probe)) for probe in names):
            break
    for path, part in model.model.named_parameters():
        if part.grad is not None and part.grad.is_sparse:
            raise BadOwnTask(
                f"the gradient of '{path}' is sparse, which neither AdamW nor the largest gradient norm (task.clip) "
                "takes: make the embedding with sparse=False"
            )
    for probe, name in names.items():
        if probe.calls and not probe.outputs and name.startswith("the call"):
            raise BadOwnTask(
                f"{name} of the network runs without gradients in training (torch.utils.checkpoint, or a function of "
                "torch.autograd): the step backward would be that of another activation. Make it a layer"
            )
    for probe, name in names.items():
        if not probe.calls:
            raise BadOwnTask(f"{name} of the network is not used in training; choose others (task.own.replace)")
        if probe.outputs and not _has_effect(probe):
            named = name.removeprefix("layer ").strip("'").rpartition(".")[2]
            hint = f"Did you mean h = self.{named}(h)? " if name.startswith("layer") else "Did you mean h = F.relu(h)? "
            raise BadOwnTask(
                f"{name} of the network has no effect in training: nothing is made of what it returns. {hint}Else "
                "choose others (task.own.replace)"
            )


@torch.no_grad()
def _check_broadcast(objective: Objective, model: Owned, batch: Split) -> None:
    """A loss of the user's that compares (n, 1) with (n,) makes (n, n) of it without a word."""
    if not isinstance(objective, FunctionObjective) or not isinstance(batch.labels, Tensor):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        output = objective.output(model.eval(), batch.copy())
        if not isinstance(output, Tensor) or tuple(output.shape) != (*batch.labels.shape, 1):
            return
        found = [float(objective.loss(one.clone(), batch)) for one in (output, output)]
        with contextlib.suppress(Exception):  # it wants the last dimension
            found[1] = float(objective.loss(output.squeeze(-1), batch))
    if not math.isclose(*found, rel_tol=1e-3):
        raise BadOwnTask(
            f"the loss '{objective.unit}' makes outputs {tuple(output.shape)} fit labels {tuple(batch.labels.shape)} "
            "by repeating both: return one number an example, or give labels the same shape"
        )


def _has_effect(probe: _Probe) -> bool:
    return any(output.grad is not None for output in probe.outputs)


@torch.no_grad()
def _check_scoring(settings: CompleteSettings, given: Problem, model: Owned, names: dict[_Probe, str]) -> None:
    model.eval()
    objective, data = given.objective, given.data
    for split, examples in data.splits.items():
        batch = examples.first(EXAMPLES)
        labels = examples.labels if isinstance(examples, Split) else None
        if isinstance(labels, Tensor) and not labels.is_floating_point():
            batch.labels.flatten()[0] = labels.max()  # the largest label must have its logit
        for probe in names:
            probe.calls = 0
        loss_of(objective, model, batch, f"on the {split} split in evaluation")
    for part in model.parameters():  # a head or a branch may start at zero, and let nothing through as yet
        if part.is_floating_point():
            part.add_(0.1 * torch.randn_like(part))
    batch = data.validation.first(EXAMPLES)
    for probe, name in names.items():
        if not probe.calls:
            raise BadOwnTask(
                f"{name} of the network is used in training but not in evaluation, where the score is taken: "
                "the candidate would not be what is scored. Choose others (task.own.replace)"
            )
        outputs = []
        for probe.disturbed in (False, True):
            with contained(2, settings.own.file):
                outputs.append(objective.total(loss_of(objective, model, batch.copy(), "in evaluation")[0], batch))
        probe.disturbed = False
        if outputs[0] == outputs[1]:
            raise BadOwnTask(
                f"{name} of the network has no effect in evaluation, where the score is taken. Choose others "
                "(task.own.replace)"
            )


def _of_the_data(settings: CompleteSettings, given: Problem, model: Owned) -> Iterator[str]:
    """Say what of the data may surprise."""
    data, objective = given.data, given.objective
    if objective.further:
        objective.metrics(model, data.validation)  # a metric that fails would fail after each training
    if isinstance(objective, Step):
        yield (
            f"the network computes its own loss ('{objective.name}'), for scores too; validation_step is not called, "
            "and without a Trainer global_step and current_epoch stay 0"
        )
    if data.test is None:
        yield (
            "data has no test split: nothing is held out for judging, so that the final list is by validation losses, "
            "by which candidates were chosen too"
        )
    if isinstance(data.train, Loaded):
        yield f"train is a loader: its own batches are taken, task.batch ({settings.batch}) does nothing"
    if objective.targets(data.train.first(2)) is None:
        yield "nothing can be read from these targets before training: the controller starts without its warm-up"
    if data.chance is None:
        yield (
            f"the loss of a network that knows nothing is not known for '{objective.unit}': rewards are measured by "
            "the baselines; task.own.chance says it"
        )
    digests = []
    for _ in range(2):
        found = hashlib.sha256()
        for part in data.validation.parts() if not isinstance(data.validation, Split) else ():
            update(found, (part.inputs, part.labels))
        digests.append(found.digest())
    if digests[0] != digests[1]:
        raise BadOwnTask(
            "data['validation'] differs each time that it is read, so that no two children are scored by the same: "
            "leave out what is drawn at random there"
        )


@torch.no_grad()
def _calls_of_its_own(given: Problem, model: Owned, batch: Split) -> Iterator[str]:
    """Say which activations the network calls as functions and that are not replaced: they stay what they are."""
    counts: collections.Counter[str] = collections.Counter()
    layers = collections.Counter(
        type(layer).__name__ for layer in model.model.modules()
        if type(layer).__module__ == "torch.nn.modules.activation" and type(layer).__name__.lower() in LAYERS
    )  # fmt: skip
    for name, number in layers.items():
        kept = "a layer" if number == 1 else f"{number} layers"
        yield f"the network keeps {kept} {name}, which task.own.replace does not name"

    if any(isinstance(layer, nn.RNN) and layer.nonlinearity == "relu" for layer in model.model.modules()):
        yield "the network keeps the rectifiers within its nn.RNN, which nothing can take the place of"

    def count(name: str) -> Callable[[Tensor, Site, Callable[[], Any]], Any]:
        def instead(_: Tensor, __: Site, meant: Callable[[], Any]) -> Any:
            counts.update([name])
            return meant()

        return instead

    with contextlib.ExitStack() as modes:
        for name in KINDS:
            if name not in model.kinds:
                modes.enter_context(Calls(frozenset({name}), model.names, count(name)))
        given.objective.output(model.eval(), batch.copy())
    for name, number in counts.items():
        times = "once" if number == 1 else f"{number} times"
        yield (
            f"the network also calls {name} {times} as a function: these stay what they are. To have the candidate "
            f"there too, name it: task.own.replace: [..., F.{name}]"
        )
