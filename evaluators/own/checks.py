"""Try the user's network and data before training, so that a mistake raises an error and is not scored.

The check builds the network twice and runs it on the task's own data with the real loss: backward in training mode,
and for the score in evaluation mode. Probes stand in the places of the candidate. They record whether the network calls
them and whether their output affects the loss. Not here: whether two networks give equal results (``determinism``),
further notes for the user (``notes``), and a training that is wholly the user's (``own.score``), which cannot be tried
in part.
"""

import contextlib
import itertools
import math
import warnings

import torch
from torch import Tensor, nn

from actsearch.evaluators.contained import Exited, contained
from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.initialisation import initialise
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.own.batch_check import EXAMPLES, loss_of
from actsearch.evaluators.own.determinism import check_builds, check_repeats
from actsearch.evaluators.own.graft import choose_others, network
from actsearch.evaluators.own.notes import (
    of_numbers_that_are_none,
    of_the_data,
    of_the_output,
    of_what_goes,
    of_what_stays,
)
from actsearch.evaluators.own.objectives import FunctionObjective
from actsearch.evaluators.own.problem import Problem
from actsearch.evaluators.own.user_code import BadOwnTask, built
from actsearch.evaluators.own.wrapped import Owned
from actsearch.evaluators.settings import CompleteSettings
from actsearch.grammar.fault import fault_text

DRAWS = 64  # most batches tried in training, since a network may leave layers out at random
PARTS = 20  # most validation batches searched for an example that uses a place


class _Probe(nn.Module):
    """Stand-in for the candidate: a smooth function that counts its calls and can be disturbed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.outputs, self.disturbed = 0, list[Tensor](), False
        self.slope = nn.Parameter(torch.ones(()))  # gives the output a gradient even behind frozen weights

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  a network may call it by torch's own name for it
        self.calls += 1
        value = input * torch.sigmoid(self.slope.to(input) * input)
        if self.disturbed:
            value = value + torch.sin(7 * input)
        if value.requires_grad:
            value.retain_grad()
            self.outputs.append(value)
        return value


def check(settings: CompleteSettings, problem: Problem) -> list[str]:
    """Try the user's network on its data.

    Args:
        settings: complete settings of the task ``own`` with ``build``.
        problem: the user's problem, with its data on the training device.

    Returns:
        Notes for the user, one sentence each; none of them prevents training.

    Raises:
        BadOwnTask: the network or the data cannot be used; the message is one sentence.
    """
    try:
        with contained(0, settings.own.file):
            check_builds(settings)
            probes: list[_Probe] = []

            def make(channels: int, dimension: int | None = None) -> nn.Module:
                probes.append(_Probe())
                return probes[-1]

            data = problem.data
            model = network(settings, data, make).to(data.train.device)
            names = {probe: model.name_of(probe) for probe in probes}
            batch = data.train.first(min(settings.batch, EXAMPLES))
            notes = [*of_numbers_that_are_none(problem, model)]
            _check_training(settings, problem, model, batch, names)
            _check_broadcast(problem.objective, model, batch)
            _check_scoring(settings, problem, model, names)
            notes += of_the_data(settings, problem, model)
            notes += of_the_output(problem, model, batch)
            notes += of_what_stays(settings, problem, model, batch)
            notes += of_what_goes(problem, built(settings)[0])
            check_repeats(settings, problem, make)
            notes += _init_notes(settings, model)
            return notes
    except BadOwnTask:
        raise
    except Exited as fault:
        raise BadOwnTask(f"'{settings.own.function}': {fault}") from fault
    except Exception as fault:  # the user's network may raise anything
        raise BadOwnTask(f"'{settings.own.function}' cannot be tried: {fault_text(fault)}") from fault


def _init_notes(settings: CompleteSettings, model: Owned) -> list[str]:
    """Draw the weights as for a child, and return a note on those that ``task.init`` does not reach.

    This overwrites the weights; no later check needs them.
    """
    device = next(model.parameters()).device
    left = initialise(model.model, settings.init, None, torch.Generator(device=device).manual_seed(0))
    if not left:
        return []
    return [f"task.init {settings.init} does not reach the weights of {', '.join(left)}: they start as the network's"]


def _check_training(
    settings: CompleteSettings, problem: Problem, model: Owned, batch: Split, names: dict[_Probe, str]
) -> None:
    """Run backward passes in training mode and check that every place is used and has an effect; no step is taken."""
    model.train()
    slopes = {probe.slope for probe in names}
    if not [part for part in model.parameters() if part.requires_grad and part not in slopes]:
        raise BadOwnTask("the network has no weights to train")
    others = problem.data.train.stream(len(batch), DRAWS, torch.Generator().manual_seed(0))
    used, effective, without_gradient = set[_Probe](), set[_Probe](), set[_Probe]()
    for number in range(DRAWS):  # few examples may use a layer, or the network may leave it out at random
        _, loss = loss_of(problem.objective, model, (batch if number == 0 else next(others)).copy(), "in training")
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except Exception as fault:
            raise BadOwnTask(f"the loss has no gradient: {fault_text(fault)}") from fault
        for probe in names:
            used |= {probe} if probe.calls else set()
            without_gradient |= {probe} if probe.calls and not probe.outputs else set()
            effective |= {probe} if any(output.grad is not None for output in probe.outputs) else set()
            probe.outputs.clear()
        if all(probe in effective or probe in without_gradient for probe in names):
            break
    for path, part in model.model.named_parameters():
        if part.grad is not None and part.grad.is_sparse:
            raise BadOwnTask(
                f"the gradient of '{path}' is sparse, which neither AdamW nor the largest gradient norm (task.clip) "
                "takes: make the embedding with sparse=False"
            )
    for probe, name in names.items():
        if probe in without_gradient and probe not in effective and name.startswith("the call"):
            raise BadOwnTask(
                f"{name} of the network runs without gradients in training (torch.utils.checkpoint, or a function of "
                "torch.autograd): the step backward would be that of another activation. Make it a layer"
            )
    for probe, name in names.items():
        if probe not in used:
            raise BadOwnTask(f"{name} of the network is not used in training; {_others(names, probe)}")
        if probe not in effective and probe not in without_gradient:
            what = name.removeprefix("layer ").strip("'").rpartition(".")[2]
            hint = f"Did you mean h = self.{what}(h)? " if name.startswith("layer") else "Did you mean h = F.relu(h)? "
            raise BadOwnTask(
                f"{name} of the network has no effect in training: nothing is made of what it returns. {hint}Else "
                f"{_others(names, probe)}"
            )


def _others(names: dict[_Probe, str], left: _Probe) -> str:
    """Return advice that names all places but one for ``task.own.replace``."""
    layers = [name.removeprefix("layer ").strip("'") for probe, name in names.items() if probe is not left]
    return choose_others([] if any(name.startswith("the call") for name in layers) else layers)


def _check_broadcast(objective: Objective, model: Owned, batch: Split) -> None:
    """Reject a user's loss that compares (n, 1) with (n,) and silently broadcasts both to (n, n).

    Raises:
        BadOwnTask: the loss changes when the last dimension of the output is dropped.
    """
    if not isinstance(objective, FunctionObjective) or not isinstance(batch.labels, Tensor):
        return
    with warnings.catch_warnings(), objective.looking():
        warnings.simplefilter("ignore")
        output = objective.output(model.eval(), batch.copy())
        if not isinstance(output, Tensor) or tuple(output.shape) != (*batch.labels.shape, 1):
            return
        losses = [float(objective.loss(one.clone(), batch).detach()) for one in (output, output)]
        with contextlib.suppress(Exception):  # the loss may require the last dimension
            losses[1] = float(objective.loss(output.squeeze(-1), batch).detach())
    if not math.isclose(*losses, rel_tol=1e-3):
        raise BadOwnTask(
            f"the loss '{objective.unit}' makes outputs {tuple(output.shape)} fit labels {tuple(batch.labels.shape)} "
            "by repeating both: return one number an example, or give labels the same shape"
        )


def _check_scoring(settings: CompleteSettings, problem: Problem, model: Owned, names: dict[_Probe, str]) -> None:
    """Check in evaluation mode that every place is used and changes the score of at least one example."""
    model.eval()
    objective, data = problem.objective, problem.data
    with objective.looking():
        for split, examples in data.splits.items():
            batch = examples.first(EXAMPLES)
            labels = examples.labels if isinstance(examples, Split) else None
            if isinstance(labels, Tensor) and not labels.is_floating_point():
                batch.labels.flatten()[0] = labels.max()  # the output must have a logit for the largest label
            for probe in names:
                probe.calls = 0
            loss_of(objective, model, batch, f"on the {split} split in evaluation")
    left = _without_effect(settings, problem, model, dict(names))
    for probe, name in left.items():
        if not probe.calls:
            raise BadOwnTask(
                f"{name} of the network is used in training but not in evaluation, where the score is taken: "
                f"the candidate would not be what is scored; {_others(names, probe)}"
            )
        raise BadOwnTask(
            f"{name} of the network has no effect in evaluation, where the score is taken; {_others(names, probe)}"
        )


def _without_effect(
    settings: CompleteSettings, problem: Problem, model: Owned, left: dict[_Probe, str]
) -> dict[_Probe, str]:
    """Return the places that affect no example, neither with the initial weights nor with perturbed ones.

    A head or a branch may start at zero and pass nothing on at first; perturbed weights reveal it. With perturbed
    weights a network of experts may route its examples elsewhere; therefore the initial weights are tried too.

    Args:
        settings: complete settings of the task.
        problem: the user's problem.
        model: the network with probes in its places.
        left: name of each place that is to be tested, by its probe.
    """
    data, initial = problem.data, [(part, part.detach().clone()) for part in model.parameters()]
    for perturbed in (True, False):
        with torch.no_grad():
            for part, start in initial:
                if part.is_floating_point():
                    part.copy_(start + 0.1 * torch.randn_like(part) if perturbed else start)
        further = itertools.islice(data.validation.parts(), PARTS)
        for batch in itertools.chain([data.validation.first(EXAMPLES)], further):
            left = {
                probe: name
                for probe, name in left.items()
                if not _matters(settings, problem.objective, model, batch, probe)
            }
            if not left:
                return left
    return left


def _matters(settings: CompleteSettings, objective: Objective, model: Owned, batch: Split, probe: _Probe) -> bool:
    """Return whether the score of a batch changes when the function in one place is disturbed."""
    totals = []
    for probe.disturbed in (False, True):
        with contained(2, settings.own.file), objective.looking():
            totals.append(objective.total(loss_of(objective, model, batch.copy(), "in evaluation")[0], batch))
    probe.disturbed = False
    probe.outputs.clear()
    return totals[0] != totals[1]
