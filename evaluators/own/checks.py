"""Try the user's network and data before anything is trained: what is wrong is said, not scored.

The network is built twice, run on the task's own data with the real loss, once backward and once for the score, in
training and in evaluation, with probes in the places of the candidate that tell whether they are called and whether
what they return matters. Not here: whether two networks come to the same (``determinism``), what else a user should
know (``notes``), and a training that is the user's as a whole (``own.score``), which cannot be tried in part.
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

DRAWS = 64  # batches at most, of a network that leaves layers out at random in training
PARTS = 20  # of the validation split, that are looked through for examples by which a place is used


class _Probe(nn.Module):
    """Stands where the candidate will: a smooth function that notes its calls, and can be disturbed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.outputs, self.disturbed = 0, list[Tensor](), False
        self.slope = nn.Parameter(torch.ones(()))  # has a gradient behind frozen weights too

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  a network may call it by torch's own name for it
        self.calls += 1
        value = input * torch.sigmoid(self.slope.to(input) * input)
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
            said = [*of_numbers_that_are_none(given, model)]
            _check_training(settings, given, model, batch, names)
            _check_broadcast(given.objective, model, batch)
            _check_scoring(settings, given, model, names)
            said += of_the_data(settings, given, model)
            said += of_the_output(given, model, batch)
            said += of_what_stays(settings, given, model, batch)
            said += of_what_goes(given, built(settings)[0])
            check_repeats(settings, given, make)
            said += _of_the_start(settings, model)
            return said
    except BadOwnTask:
        raise
    except Exited as fault:
        raise BadOwnTask(f"'{settings.own.function}': {fault}") from fault
    except Exception as fault:  # whatever the user's network raises where nobody foresaw it
        raise BadOwnTask(f"'{settings.own.function}' cannot be tried: {fault_text(fault)}") from fault


def _of_the_start(settings: CompleteSettings, model: Owned) -> list[str]:
    """Draw the weights, which nobody needs any more, as a child's are, and tell which stay the network's own."""
    device = next(model.parameters()).device
    left = initialise(model.model, settings.init, None, torch.Generator(device=device).manual_seed(0))
    if not left:
        return []
    return [f"task.init {settings.init} does not reach the weights of {', '.join(left)}: they start as the network's"]


def _check_training(
    settings: CompleteSettings, given: Problem, model: Owned, batch: Split, names: dict[_Probe, str]
) -> None:
    """Train no step, and see that every place is used in training, and matters."""
    model.train()
    slopes = {probe.slope for probe in names}
    if not [part for part in model.parameters() if part.requires_grad and part not in slopes]:
        raise BadOwnTask("the network has no weights to train")
    others = given.data.train.stream(len(batch), DRAWS, torch.Generator().manual_seed(0))
    used, mattered, without = set[_Probe](), set[_Probe](), set[_Probe]()
    for number in range(DRAWS):  # some layers are used by few examples, or left out at random
        _, loss = loss_of(given.objective, model, (batch if number == 0 else next(others)).copy(), "in training")
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except Exception as fault:
            raise BadOwnTask(f"the loss has no gradient: {fault_text(fault)}") from fault
        for probe in names:
            used |= {probe} if probe.calls else set()
            without |= {probe} if probe.calls and not probe.outputs else set()
            mattered |= {probe} if any(output.grad is not None for output in probe.outputs) else set()
            probe.outputs.clear()
        if all(probe in mattered or probe in without for probe in names):
            break
    for path, part in model.model.named_parameters():
        if part.grad is not None and part.grad.is_sparse:
            raise BadOwnTask(
                f"the gradient of '{path}' is sparse, which neither AdamW nor the largest gradient norm (task.clip) "
                "takes: make the embedding with sparse=False"
            )
    for probe, name in names.items():
        if probe in without and probe not in mattered and name.startswith("the call"):
            raise BadOwnTask(
                f"{name} of the network runs without gradients in training (torch.utils.checkpoint, or a function of "
                "torch.autograd): the step backward would be that of another activation. Make it a layer"
            )
    for probe, name in names.items():
        if probe not in used:
            raise BadOwnTask(f"{name} of the network is not used in training; {_others(names, probe)}")
        if probe not in mattered and probe not in without:
            what = name.removeprefix("layer ").strip("'").rpartition(".")[2]
            hint = f"Did you mean h = self.{what}(h)? " if name.startswith("layer") else "Did you mean h = F.relu(h)? "
            raise BadOwnTask(
                f"{name} of the network has no effect in training: nothing is made of what it returns. {hint}Else "
                f"{_others(names, probe)}"
            )


def _others(names: dict[_Probe, str], left: _Probe) -> str:
    """Return how to name all places but one."""
    layers = [name.removeprefix("layer ").strip("'") for probe, name in names.items() if probe is not left]
    return choose_others([] if any(name.startswith("the call") for name in layers) else layers)


def _check_broadcast(objective: Objective, model: Owned, batch: Split) -> None:
    """A loss of the user's that compares (n, 1) with (n,) makes (n, n) of it without a word."""
    if not isinstance(objective, FunctionObjective) or not isinstance(batch.labels, Tensor):
        return
    with warnings.catch_warnings(), objective.looking():
        warnings.simplefilter("ignore")
        output = objective.output(model.eval(), batch.copy())
        if not isinstance(output, Tensor) or tuple(output.shape) != (*batch.labels.shape, 1):
            return
        found = [float(objective.loss(one.clone(), batch).detach()) for one in (output, output)]
        with contextlib.suppress(Exception):  # it wants the last dimension
            found[1] = float(objective.loss(output.squeeze(-1), batch).detach())
    if not math.isclose(*found, rel_tol=1e-3):
        raise BadOwnTask(
            f"the loss '{objective.unit}' makes outputs {tuple(output.shape)} fit labels {tuple(batch.labels.shape)} "
            "by repeating both: return one number an example, or give labels the same shape"
        )


def _check_scoring(settings: CompleteSettings, given: Problem, model: Owned, names: dict[_Probe, str]) -> None:
    """See that every place is used where the score is taken, and matters to the score of some example."""
    model.eval()
    objective, data = given.objective, given.data
    with objective.looking():
        for split, examples in data.splits.items():
            batch = examples.first(EXAMPLES)
            labels = examples.labels if isinstance(examples, Split) else None
            if isinstance(labels, Tensor) and not labels.is_floating_point():
                batch.labels.flatten()[0] = labels.max()  # the largest label must have its logit
            for probe in names:
                probe.calls = 0
            loss_of(objective, model, batch, f"on the {split} split in evaluation")
    left = _without_effect(settings, given, model, dict(names))
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
    settings: CompleteSettings, given: Problem, model: Owned, left: dict[_Probe, str]
) -> dict[_Probe, str]:
    """Return the places that matter to no example, with the weights that the network starts with nor with others.

    A head or a branch may start at zero and let nothing through as yet; with shaken weights a network of experts may
    route its examples elsewhere.
    """
    data, started = given.data, [(part, part.detach().clone()) for part in model.parameters()]
    for shaken in (True, False):
        with torch.no_grad():
            for part, start in started:
                if part.is_floating_point():
                    part.copy_(start + 0.1 * torch.randn_like(part) if shaken else start)
        further = itertools.islice(data.validation.parts(), PARTS)
        for batch in itertools.chain([data.validation.first(EXAMPLES)], further):
            left = {
                probe: name
                for probe, name in left.items()
                if not _matters(settings, given.objective, model, batch, probe)
            }
            if not left:
                return left
    return left


def _matters(settings: CompleteSettings, objective: Objective, model: Owned, batch: Split, probe: _Probe) -> bool:
    """Whether the score of a batch is another with another function in one place."""
    totals = []
    for probe.disturbed in (False, True):
        with contained(2, settings.own.file), objective.looking():
            totals.append(objective.total(loss_of(objective, model, batch.copy(), "in evaluation")[0], batch))
    probe.disturbed = False
    probe.outputs.clear()
    return totals[0] != totals[1]
