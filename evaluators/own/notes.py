"""What a user should know of their network and data before anything is trained, a sentence each.

Data that are not finite, or that differ each time, are refused. Not here: whether the candidate has its part in the
network (``checks``).
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.data.examples import DIGESTED, Examples, Split, tensors_of, update
from actsearch.evaluators.data.streams import Loaded
from actsearch.evaluators.own.batch_check import loss_of
from actsearch.evaluators.own.calls import KINDS
from actsearch.evaluators.own.graft import is_wanted
from actsearch.evaluators.own.inventory import NAMES, RECTIFIERS, calls_of, layers_of
from actsearch.evaluators.own.losses import LOSSES, in_order
from actsearch.evaluators.own.objectives import FunctionObjective, NamedObjective, Step
from actsearch.evaluators.own.problem import Problem
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.own.wrapped import Owned
from actsearch.evaluators.settings import CompleteSettings
from actsearch.grammar.rows.known import known_layers

BESIDE = 64  # examples that a row is tried with
SUM = 1e-4  # how far from 1 the outputs of a softmax add up


def of_the_data(settings: CompleteSettings, given: Problem, model: Owned) -> Iterator[str]:
    """Say what of the data and the loss may surprise.

    Raises:
        BadOwnTask: the validation data differ each time that they are read.
    """
    data, objective = given.data, given.objective
    if objective.further:
        objective.metrics(model, data.validation)  # a metric that fails would fail after each training
    if isinstance(objective, Step):
        yield (
            f"the network computes its own loss ('{objective.name}'), for scores too"
            + "; validation_step is not called, and without a Trainer global_step and current_epoch stay 0"
            * (objective.name == "training_step")
        )
    if isinstance(objective, (FunctionObjective, Step)) and objective.adds_up:
        name = objective.name if isinstance(objective, Step) else objective.unit
        yield (
            f"the loss '{name}' is the sum over a batch, no mean: scores are divided by the examples; training takes "
            "it as it is, so its gradients grow with the batch: return the mean (reduction='mean')"
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
            "what a network that knows nothing would lose is not known: rewards are measured by the baselines; "
            "task.own.chance says it"
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


def of_numbers_that_are_none(given: Problem, model: Owned) -> Iterator[str]:
    """Look for nan and infinity in the data, and say where they are if the network takes them.

    Raises:
        BadOwnTask: its loss is not finite with them.
    """
    for split, examples in given.data.splits.items():
        for part in _looked_through(examples, whole=split != "train"):
            where = _not_finite(part)
            if where is None:
                continue
            name, row, column, value = where
            place = f"data['{split}'] holds {value} in its {name}, row {row}{column}"
            one = part.take(slice(max(0, row + 1 - BESIDE), max(row + 1, BESIDE)))  # a mask may leave the row out
            with given.objective.looking():
                _, loss = loss_of(given.objective, model.eval(), one, f"with {value} in row {row} of {split}")
            if not bool(torch.isfinite(loss)):
                number = float(loss.detach())
                raise BadOwnTask(f"{place}, and the loss of it is {number:g}: leave the row out, or fill it in")
            yield f"{place}, which the network takes: its loss is finite"
            break


def _looked_through(examples: Examples, *, whole: bool) -> Iterator[Split]:
    """Yield what is looked through: all that is in memory or scored, and the first of what is trained on."""
    if isinstance(examples, Split):
        yield examples
    elif whole:
        yield from examples.parts()
    else:
        yield examples.first(DIGESTED)


def _not_finite(part: Split) -> tuple[str, int, str, float] | None:
    """Return where the first number is that is none: in what, its row, its column in words, and the number."""
    for name, structure in (("inputs", part.inputs), ("labels", part.labels)):
        for tensor in tensors_of(structure):
            if tensor.is_floating_point() and not bool((bad := ~torch.isfinite(tensor)).any()):
                continue
            if tensor.is_floating_point():
                row, *rest = (int(index) for index in bad.nonzero()[0])
                column = f", column {rest[0]}" if len(rest) == 1 else f", at {tuple(rest)}" if rest else ""
                return name, row, column, float(tensor[(row, *rest)])
    return None


def of_the_output(given: Problem, model: Owned, batch: Split) -> Iterator[str]:
    """Say where a network ends in what its loss does once more: a softmax or a sigmoid."""
    objective = given.objective
    if not isinstance(objective, NamedObjective) or not isinstance(batch.labels, Tensor):
        return
    names = {id(layer): name for name, layer in model.model.named_modules()}
    outputs: list[Tensor] = []

    def run() -> None:
        with objective.looking():
            outputs.append(objective.output(model.eval(), batch.copy()).detach())

    gates = calls_of(run, names, ("sigmoid",))["sigmoid"]
    gates += sum(isinstance(layer, nn.Sigmoid) for layer in model.model.modules())
    output = outputs[0].float()
    if not bool(((output >= 0) & (output <= 1)).all()):
        return
    if objective.formula is LOSSES["cross_entropy"] and output.ndim > 1:
        logits = output if batch.labels.is_floating_point() else in_order(output, batch.labels, objective.options)
        if bool(((logits.sum(1) - 1).abs() < SUM).all()):
            yield (
                "the network ends in a softmax, and cross_entropy has one of its own: it takes logits. Leave the "
                "network's out, else it learns slowly and its losses mean nothing"
            )
    if objective.formula is LOSSES["bce_with_logits"] and gates:
        yield (
            "the network ends in a sigmoid, and bce_with_logits has one of its own: it takes logits. Leave the "
            "network's out, else its losses cannot fall below 0.31"
        )


def of_what_stays(settings: CompleteSettings, given: Problem, model: Owned, batch: Split) -> Iterator[str]:
    """Say which activations take the candidate where the user named none, and which stay what they are."""
    named = settings.own.replace
    if named is None and given.replace != RECTIFIERS:
        yield (
            f"the network has no rectifier: the candidate takes the place of {' and '.join(given.replace)}; name "
            "others with task.own.replace"
        )
        if not any(known_layers(given.replace)):
            yield "none of the known activations is what the network has: candidates are compared with relu"
    for kind, number in layers_of(model.model).items():
        kept = "a layer" if number == 1 else f"{number} layers"
        yield f"the network keeps {kept} {NAMES[kind]}, which task.own.replace does not name"
    if any(isinstance(layer, nn.RNN) and layer.nonlinearity == "relu" for layer in model.model.modules()):
        yield "the network keeps the rectifiers within its nn.RNN, which nothing can take the place of"

    def run() -> None:
        with given.objective.looking():
            given.objective.output(model.eval(), batch.copy())

    for kind, number in calls_of(run, model.names, [kind for kind in KINDS if kind not in model.kinds]).items():
        times = "once" if number == 1 else f"{number} times"
        yield (
            f"the network also calls {kind} {times} as a function: these stay what they are. To have the candidate "
            f"there too, name it: task.own.replace: [..., F.{kind}]"
        )


def of_what_goes(given: Problem, model: nn.Module) -> Iterator[str]:
    """Say which numbers of a layer of the user's own class vanish with it.

    Args:
        given: the problem.
        model: the network as it was built, without the candidate.
    """
    told: set[str] = set()
    for name, layer in model.named_modules():
        kind = type(layer)
        if kind.__module__.startswith("torch.nn") or kind.__name__ in told or not is_wanted(name, layer, given.replace):
            continue
        numbers: dict[str, Any] = {key: value for key, value in vars(layer).items()
                                   if isinstance(value, (int, float)) and not isinstance(value, bool)}  # fmt: skip
        numbers |= {key: "trained" for key, _ in layer.named_parameters(recurse=False)}
        if numbers:
            told.add(kind.__name__)
            listed = ", ".join(f"{key} = {value}" for key, value in numbers.items() if not key.startswith("_"))
            yield (
                f"the candidate takes the place of the whole layer {kind.__name__}, of its {listed} too; to keep what "
                "stands in front, name the function that it calls instead, such as task.own.replace: [torch.sin]"
            )
