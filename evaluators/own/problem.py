"""The user's problem, read once a process: their data as a data set, and what children are trained towards.

Not here: what a split may be (``data``), which loss it is (``loss_choice``), the network (``graft``).
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

SHARED: dict[TaskSettings, DataSet[Any]] = {}  # by task: data that this process looks at, as ``sharing`` brought them
FIRST = 4096  # labels at most that chance is made of
ADDED = 16  # examples by which it is seen whether a loss adds up over them


@dataclass(frozen=True)
class Problem:
    """What is trained on, and towards what.

    Args:
        data: of the user.
        objective: the loss.
        replace: what the candidate takes the place of, as in ``task.own.replace``: the user's words, or what is usual.
    """

    data: DataSet[Any]
    objective: Objective
    replace: tuple[str, ...]


@functools.lru_cache(maxsize=2)
def problem(settings: TaskSettings) -> Problem:
    """Return the user's problem; what the functions draw from the global generators is the same on every worker.

    Raises:
        BadOwnTask: something of it cannot be used.
    """
    try:
        with contained(0, settings.own.file):
            model, data, loss = built(settings)
            return read(settings, model, data, loss)
    except BadOwnTask:
        raise
    except Exited as fault:
        raise BadOwnTask(f"'{settings.own.function}': {fault}") from fault
    except Exception as fault:  # whatever the user's data or network raises while they are read
        raise BadOwnTask(
            f"'{settings.own.function}': its data cannot be read, or its network not be run on them: "
            f"{fault_text(fault)}"
        ) from fault


def load(settings: TaskSettings) -> DataSet[Any]:
    """Return the user's data.

    Raises:
        BadOwnTask: something of the problem cannot be used.
    """
    return problem(settings).data


def read(settings: TaskSettings, model: nn.Module, data: Any, loss: Any) -> Problem:
    """Return the problem of what ``build`` returned.

    Raises:
        BadOwnTask: something of it cannot be used.
    """
    method = step_of(model) if loss is None and settings.own.loss in {None, "step"} else ""
    reader = Reader(dtype_of(model), settings.batch or 1, None if method else model.forward)
    try:
        splits = {name: reader.examples(given, name) for name, given in _splits(settings, data).items()}
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
    """Whether the network runs with gradients alone, since it differentiates while it is called."""

    def runs() -> bool:
        try:
            objective.loss(objective.output(network, batch.copy()), batch)
        except Exception:  # whatever a network raises; what is wrong with both is said when it is tried
            return False
        return True

    with torch.no_grad():
        without = runs()
    return not without and runs()


def _adds_up(objective: Objective, network: Any, batch: Split) -> bool:
    """Whether a loss of the user's is the sum over a batch, no mean: by that of two halves and of both together."""
    half = len(batch) // 2
    if batch.whole or not half:
        return False
    with contextlib.suppress(Exception), objective.looking():  # what is wrong with it is said when it is tried
        parts = (batch.take(part) for part in (slice(half), slice(half, 2 * half), slice(2 * half)))
        one, other, both = (float(objective.loss(objective.output(network, p.copy()), p).detach()) for p in parts)
        mean = (one + other) / 2
        return math.isclose(both, 2 * mean, rel_tol=1e-3) and not math.isclose(both, mean, rel_tol=0.1)
    return False


def _splits(settings: TaskSettings, data: Any) -> dict[str, Any]:
    """Return what the user gave, by the name of the split.

    Raises:
        BadOwnTask: a split is missing, or there are others.
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
    """Decide once where the classes are in an output: a later batch may be as long as there are classes."""
    first = train.first(2)
    labels = first.labels
    if not objective.formula.of_classes or not isinstance(labels, Tensor) or labels.is_floating_point():
        return
    with contextlib.suppress(Exception), objective.looking():  # what is wrong with it is said when it is tried
        output = objective.output(model.eval(), first)
        place = 1 if in_order(output, labels, objective.options) is output else -1
        objective.options = dataclasses.replace(objective.options, classes=place)


def _check_classes(settings: TaskSettings, splits: Mapping[str, Examples]) -> None:
    """Labels that are classes begin at 0, and there are two at least.

    Raises:
        BadOwnTask: they do not.
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
    """Return the loss, on the validation split, of the constant output that is best on the training split.

    None where it cannot be told: the network makes its own loss, or its outputs are of no one shape.
    """
    if not isinstance(objective, (NamedObjective, FunctionObjective)):
        return None
    dimension = objective.formula.batch_dimension if isinstance(objective, NamedObjective) else 0
    with contextlib.suppress(Exception):  # whatever a loss of the user's raises for outputs that are none
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
    """Return the cross-entropy of who knows how frequent each class is; one that was never met counts as met once."""
    if train.labels.is_floating_point():
        shares = train.labels.reshape(len(train), train.labels.shape[1], -1).mean((0, 2)).clamp(min=1e-6)
        return float(-(validation.labels * shares.log().view(1, -1, *[1] * (validation.labels.ndim - 2))).sum(1).mean())
    told, wanted = (part.labels[part.labels != ignored].long() for part in (train, validation))
    logs = (torch.bincount(told, minlength=count).double() + 1).log()
    return float((logs.exp().sum().log() - logs[wanted]).mean()) if wanted.numel() else None
