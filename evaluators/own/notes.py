"""Notes for the user on their network and data before training, one sentence each.

Data whose loss is not finite, or that differ at each reading, raise an error. Not here: whether the candidate affects
the network (``checks``).
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

BESIDE = 64  # examples of the batch in which a row with nan or infinity is tried
SUM = 1e-4  # tolerance for the sum of a softmax's outputs, which is 1


def of_the_data(settings: CompleteSettings, problem: Problem, model: Owned) -> Iterator[str]:
    """Yield notes on facts about the data and the loss that may surprise.

    Args:
        settings: complete settings of the task.
        problem: the user's problem.
        model: the network with probes in the candidate's places.

    Raises:
        BadOwnTask: two readings of the validation data differ.
    """
    data, objective = problem.data, problem.objective
    if objective.further:
        objective.metrics(
            model, data.validation
        )  # computed now, since a metric that fails would otherwise fail after each training
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
        digest = hashlib.sha256()
        for part in data.validation.parts() if not isinstance(data.validation, Split) else ():
            update(digest, (part.inputs, part.labels))
        digests.append(digest.digest())
    if digests[0] != digests[1]:
        raise BadOwnTask(
            "data['validation'] differs each time that it is read, so that no two children are scored by the same: "
            "leave out what is drawn at random there"
        )


def of_numbers_that_are_none(problem: Problem, model: Owned) -> Iterator[str]:
    """Yield a note on the first nan or infinity of each split, if the loss stays finite.

    Args:
        problem: the user's problem.
        model: the network with probes in the candidate's places.

    Raises:
        BadOwnTask: the loss of a batch with such a number is not finite.
    """
    for split, examples in problem.data.splits.items():
        for part in _searched_parts(examples, whole=split != "train"):
            where = _not_finite(part)
            if where is None:
                continue
            name, row, column, value = where
            place = f"data['{split}'] holds {value} in its {name}, row {row}{column}"
            one = part.take(
                slice(max(0, row + 1 - BESIDE), max(row + 1, BESIDE))
            )  # with its neighbours, since a mask may leave the row out
            with problem.objective.looking():
                _, loss = loss_of(problem.objective, model.eval(), one, f"with {value} in row {row} of {split}")
            if not bool(torch.isfinite(loss)):
                number = float(loss.detach())
                raise BadOwnTask(f"{place}, and the loss of it is {number:g}: leave the row out, or fill it in")
            yield f"{place}, which the network takes: its loss is finite"
            break


def _searched_parts(examples: Examples, *, whole: bool) -> Iterator[Split]:
    """Yield the batches that are searched for nan and infinity.

    Args:
        examples: a split.
        whole: whether every batch of a loader or data set is searched, as for scored splits; otherwise only its first
            examples. Tensors in memory are always searched as a whole.
    """
    if isinstance(examples, Split):
        yield examples
    elif whole:
        yield from examples.parts()
    else:
        yield examples.first(DIGESTED)


def _not_finite(part: Split) -> tuple[str, int, str, float] | None:
    """Return the first number that is not finite: inputs or labels, row, column in words, and the number; else None."""
    for name, structure in (("inputs", part.inputs), ("labels", part.labels)):
        for tensor in tensors_of(structure):
            if tensor.is_floating_point() and not bool((bad := ~torch.isfinite(tensor)).any()):
                continue
            if tensor.is_floating_point():
                row, *rest = (int(index) for index in bad.nonzero()[0])
                column = f", column {rest[0]}" if len(rest) == 1 else f", at {tuple(rest)}" if rest else ""
                return name, row, column, float(tensor[(row, *rest)])
    return None


def of_the_output(problem: Problem, model: Owned, batch: Split) -> Iterator[str]:
    """Yield a note if the network ends in a softmax or a sigmoid that its loss applies once more."""
    objective = problem.objective
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


def of_what_stays(settings: CompleteSettings, problem: Problem, model: Owned, batch: Split) -> Iterator[str]:
    """Yield notes on the activations that are replaced by default, and on those that stay."""
    named = settings.own.replace
    if named is None and problem.replace != RECTIFIERS:
        yield (
            f"the network has no rectifier: the candidate takes the place of {' and '.join(problem.replace)}; name "
            "others with task.own.replace"
        )
        if not any(known_layers(problem.replace)):
            yield "none of the known activations is what the network has: candidates are compared with relu"
    for kind, number in layers_of(model.model).items():
        amount = "a layer" if number == 1 else f"{number} layers"
        yield f"the network keeps {amount} {NAMES[kind]}, which task.own.replace does not name"
    if any(isinstance(layer, nn.RNN) and layer.nonlinearity == "relu" for layer in model.model.modules()):
        yield "the network keeps the rectifiers within its nn.RNN, which nothing can take the place of"

    def run() -> None:
        with problem.objective.looking():
            problem.objective.output(model.eval(), batch.copy())

    for kind, number in calls_of(run, model.names, [kind for kind in KINDS if kind not in model.kinds]).items():
        times = "once" if number == 1 else f"{number} times"
        yield (
            f"the network also calls {kind} {times} as a function: these stay what they are. To have the candidate "
            f"there too, name it: task.own.replace: [..., F.{kind}]"
        )


def of_what_goes(problem: Problem, model: nn.Module) -> Iterator[str]:
    """Yield notes on the numbers that vanish when a layer of the user's own class is replaced.

    Args:
        problem: the user's problem.
        model: network as ``build`` returned it, without the candidate.
    """
    noted_classes: set[str] = set()
    for name, layer in model.named_modules():
        kind = type(layer)
        if (
            kind.__module__.startswith("torch.nn")
            or kind.__name__ in noted_classes
            or not is_wanted(name, layer, problem.replace)
        ):
            continue
        numbers: dict[str, Any] = {key: value for key, value in vars(layer).items()
                                   if isinstance(value, (int, float)) and not isinstance(value, bool)}  # fmt: skip
        numbers |= {key: "trained" for key, _ in layer.named_parameters(recurse=False)}
        if numbers:
            noted_classes.add(kind.__name__)
            listed = ", ".join(f"{key} = {value}" for key, value in numbers.items() if not key.startswith("_"))
            yield (
                f"the candidate takes the place of the whole layer {kind.__name__}, of its {listed} too; to keep what "
                "stands in front, name the function that it calls instead, such as task.own.replace: [torch.sin]"
            )
