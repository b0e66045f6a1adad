"""The user's problem, read once per process: the data as a data set, and the training objective.

Not here: the forms of a split (``data``), the choice of the loss (``loss_choice``), the network (``graft``).
"""

import contextlib
import dataclasses
import difflib
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.contained import Exited, contained
from actsearch.evaluators.data.dataset import SPLITS, DataSet
from actsearch.evaluators.data.examples import BadData, Examples, Split
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.own.data import Reader, dtype_of
from actsearch.evaluators.own.inventory import usual
from actsearch.evaluators.own.loss_choice import objective_of, step_of
from actsearch.evaluators.own.losses import best_constant, in_order
from actsearch.evaluators.own.objectives import FunctionObjective, NamedObjective, Step
from actsearch.evaluators.own.user_code import BadOwnTask, built
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.fault import fault_text

SHARED: dict[TaskSettings, DataSet[Any]] = {}  # by task: data in shared memory, put here by ``sharing``
FIRST = 4096  # most labels per split from which the chance loss is computed
ADDED = 16  # examples for the test whether a loss is a sum over the batch


@dataclass(frozen=True)
class Problem:
    """The data and the objective of the user's task.

    Args:
        data: the user's data.
        objective: loss and metrics.
        replace: activations that the candidate replaces, as in ``task.own.replace``; the user's list, or the default
            that suits the network.
    """

    data: DataSet[Any]
    objective: Objective
    replace: tuple[str, ...]


@functools.lru_cache(maxsize=2)
def problem(settings: TaskSettings) -> Problem:
    """Return the user's problem; the global generators are seeded, so that every worker gets the same.

    Raises:
        BadOwnTask: the network, the data or the loss cannot be used.
    """
    try:
        with contained(0, settings.own.file):
            model, data, loss = built(settings)
            return read(settings, model, data, loss)
    except BadOwnTask:
        raise
    except Exited as fault:
        raise BadOwnTask(f"'{settings.own.function}': {fault}") from fault
    except Exception as fault:  # the user's data or network may raise anything while they are read
        raise BadOwnTask(
            f"'{settings.own.function}': its data cannot be read, or its network not be run on them: "
            f"{fault_text(fault)}"
        ) from fault


def load(settings: TaskSettings) -> DataSet[Any]:
    """Return the user's data.

    Raises:
        BadOwnTask: the network, the data or the loss cannot be used.
    """
    return problem(settings).data


def read(settings: TaskSettings, model: nn.Module, data: Any, loss: Any) -> Problem:
    """Return the problem made of the three results of ``build``.

    Args:
        settings: settings of the task.
        model: the user's network.
        data: the user's data: a dictionary of splits, a data set, or a function that returns one of them.
        loss: loss that ``build`` returned, or None.

    Raises:
        BadOwnTask: the network, the data or the loss cannot be used.
    """
    method = step_of(model) if loss is None and settings.own.loss in {None, "step"} else ""
    reader = Reader(dtype_of(model), settings.batch or 1, None if method else model.forward)
    try:
        splits = {name: reader.examples(split, name) for name, split in _splits(settings, data).items()}
        first = splits["train"].first(2)
        objective = objective_of(settings, model, first, loss, method)
    except BadData as fault:
        raise BadOwnTask(f"'{settings.own.function}': {fault}") from fault
    network: Any = getattr(model.eval(), method) if method else model.eval()
    objective.with_gradients = _needs_gradients(objective, network, first)
    if isinstance(objective, (FunctionObjective, Step)):
        objective.adds_up = _adds_up(objective, network, splits["train"].first(ADDED))
    replace = settings.own.replace or usual(model, lambda: objective.output(network, first.copy()))
    return Problem(_data_set(settings, splits, objective, model), objective, replace)


def _needs_gradients(objective: Objective, network: Any, batch: Split) -> bool:
    """Return whether the network runs only with gradients enabled, since it differentiates in its forward pass."""

    def runs() -> bool:
        try:
            objective.loss(objective.output(network, batch.copy()), batch)
        except Exception:  # a network may raise anything; ``checks`` reports a fault that remains
            return False
        return True

    with torch.no_grad():
        runs_without = runs()
    return not runs_without and runs()


def _adds_up(objective: Objective, network: Any, batch: Split) -> bool:
    """Return whether a user's loss is a sum over the batch: compare two halves with both together."""
    half = len(batch) // 2
    if batch.whole or not half:
        return False
    with contextlib.suppress(Exception), objective.looking():  # ``checks`` reports a fault of the network
        parts = (batch.take(part) for part in (slice(half), slice(half, 2 * half), slice(2 * half)))
        one, other, both = (float(objective.loss(objective.output(network, p.copy()), p).detach()) for p in parts)
        mean = (one + other) / 2
        return math.isclose(both, 2 * mean, rel_tol=1e-3) and not math.isclose(both, mean, rel_tol=0.1)
    return False


def _splits(settings: TaskSettings, data: Any) -> dict[str, Any]:
    """Return the user's data by the name of the split.

    Raises:
        BadOwnTask: a split is missing, or one has an unknown name.
    """
    function = f"'{settings.own.function}'"
    if settings in SHARED:
        return dict(SHARED[settings].splits)
    if callable(data) and not isinstance(data, (Mapping, DataSet)):
        data = data()
    if isinstance(data, DataSet):
        return dict(data.splits)
    if not isinstance(data, Mapping):
        raise BadOwnTask(f"{function} must return (model, data), data a dictionary of {', '.join(SPLITS)}")
    for name in ("train", "validation"):
        if name not in data:
            near = difflib.get_close_matches(name, [key for key in map(str, data) if key not in SPLITS], cutoff=0.4)
            hint = f"; did you mean it by '{near[0]}'?" if near else ""
            raise BadOwnTask(f"{function}: data lacks '{name}', found {', '.join(map(str, data)) or 'nothing'}{hint}")
    unknown = [str(name) for name in data if name not in SPLITS]
    if unknown and "test" not in data:
        raise BadOwnTask(
            f"{function}: data has '{unknown[0]}', which is none of {', '.join(SPLITS)}; leave 'test' out if nothing "
            "is held out for judging"
        )
    return {name: data[name] for name in SPLITS if name in data and data[name] is not None}


def _data_set(
    settings: TaskSettings, splits: dict[str, Examples], objective: Objective, model: nn.Module
) -> DataSet[Any]:
    if isinstance(objective, NamedObjective) and objective.formula.of_classes:
        _check_classes(settings, splits)
    if isinstance(objective, NamedObjective):
        _settle(objective, splits["train"], model)
    data = DataSet(splits["train"], splits["validation"], splits.get("test"))
    chance = settings.own.chance
    return dataclasses.replace(data, known_chance=_chance(objective, data, model) if chance is None else chance)


def _settle(objective: NamedObjective, train: Examples, model: nn.Module) -> None:
    """Fix the class dimension of the output from the first batch: in a later batch a size may equal the class count."""
    first = train.first(2)
    labels = first.labels
    if not objective.formula.of_classes or not isinstance(labels, Tensor) or labels.is_floating_point():
        return
    with contextlib.suppress(Exception), objective.looking():  # ``checks`` reports a fault of the network
        output = objective.output(model.eval(), first)
        place = 1 if in_order(output, labels, objective.options) is output else -1
        objective.options = dataclasses.replace(objective.options, classes=place)


def _check_classes(settings: TaskSettings, splits: Mapping[str, Examples]) -> None:
    """Check that class labels begin at 0 and that there are at least two classes.

    Raises:
        BadOwnTask: a label is negative, or there are fewer classes.
    """
    every = {name: part.labels for name, part in splits.items() if isinstance(part, Split)}
    classes = {
        name: labels[labels != settings.own.ignore_index]
        for name, labels in every.items()
        if isinstance(labels, Tensor) and not labels.is_floating_point()
    }
    count = 1 + max((int(labels.max()) for labels in classes.values() if labels.numel()), default=1)
    if count < 2:
        raise BadOwnTask(f"'{settings.own.function}': labels must be of at least 2 classes, found {count}")
    for name, labels in classes.items():
        if labels.numel() and int(labels.min()) < 0:
            raise BadOwnTask(
                f"'{settings.own.function}': labels of the {name} split must be 0 to {count - 1}, found "
                f"{int(labels.min())} to {int(labels.max())}"
            )


def _chance(objective: Objective, data: DataSet[Any], model: nn.Module) -> float | None:
    """Return the chance loss: the validation loss of the constant output that is best on the training split.

    It is None if the network computes its own loss, or if its outputs have no common shape.
    """
    if not isinstance(objective, (NamedObjective, FunctionObjective)):
        return None
    dimension = objective.formula.batch_dimension if isinstance(objective, NamedObjective) else 0
    with contextlib.suppress(Exception):  # a user's loss may raise anything for a made-up output
        train, validation = (split.targets(FIRST) for split in (data.train, data.validation))
        first = data.train.first(2)
        with objective.looking():
            output = objective.numbers(objective.output(model.eval(), first)).detach()
        shape = list(output.shape)
        if isinstance(objective, NamedObjective) and objective.formula.of_classes:
            if not train.labels.is_floating_point():
                output = in_order(output, first.labels, objective.options)
            return _chance_of_classes(output.shape[1], objective.options.ignore_index, train, validation)

        def spread(constant: Tensor, count: int) -> Tensor:
            shape[dimension] = count
            return constant.expand(shape)

        constant = best_constant(lambda one: objective.loss(spread(one, len(train)), train), output, dimension)
        with torch.no_grad():
            summed, number = objective.total(spread(constant, len(validation)), validation)
        return summed / number if math.isfinite(summed) else None
    return None


def _chance_of_classes(count: int, ignored: int, train: Split, validation: Split) -> float | None:
    """Return the cross-entropy of a guess by class frequency in the training split.

    Args:
        count: number of classes.
        ignored: label that is left out.
        train: labels of the training split, from which the frequencies are taken with one added to each count.
        validation: labels of the validation split, on which the guess is scored.
    """
    if train.labels.is_floating_point():
        shares = train.labels.reshape(len(train), train.labels.shape[1], -1).mean((0, 2)).clamp(min=1e-6)
        return float(-(validation.labels * shares.log().view(1, -1, *[1] * (validation.labels.ndim - 2))).sum(1).mean())
    train_labels, validation_labels = (part.labels[part.labels != ignored].long() for part in (train, validation))
    logs = (torch.bincount(train_labels, minlength=count).double() + 1).log()
    return float((logs.exp().sum().log() - logs[validation_labels]).mean()) if validation_labels.numel() else None
