"""The user's own optimiser and schedule: from the user's function, or from the network's ``configure_optimizers``.

Not here: the optimisers and schedule of this engine (``schedule``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from actsearch.evaluators.data.examples import Examples
from actsearch.evaluators.own.loss_choice import step_of
from actsearch.evaluators.own.user_code import BadOwnTask, find
from actsearch.evaluators.schedule import Course
from actsearch.evaluators.settings import CompleteSettings


def course_of(
    network: nn.Module, settings: CompleteSettings, steps: int, layers: Sequence[nn.Module], train: Examples
) -> Course | None:
    """Return the user's own optimiser and schedule; None if there are none.

    Args:
        network: the user's network with the candidate in it, an ``Owned``.
        settings: complete settings of the task.
        steps: number of optimiser steps of the child.
        layers: layers of the candidate; parameters that the user's optimiser lacks are added with its first group's
            options.
        train: training examples, whose batches make an epoch for schedules by epochs.

    Raises:
        BadOwnTask: the user's function returns something else.
    """
    model = network.get_submodule("model")
    configure = getattr(model, "configure_optimizers", None)
    if settings.own.optimiser is not None:
        what, result = settings.own.optimiser, find(settings.own.optimiser)(network, steps)
    elif callable(configure) and step_of(model) == "training_step":
        what, result = "configure_optimizers", configure()
    else:
        return None
    optimiser, schedule, by_epoch, interval = _unpacked(result, what)
    known = {id(part) for group in optimiser.param_groups for part in group["params"]}
    missing = [part for layer in layers for part in layer.parameters() if id(part) not in known]
    if missing:
        _join(optimiser, schedule, missing)
    if schedule is None:
        return Course(optimiser, _no_schedule)
    every = interval * (max(1, _epoch(train, settings.batch) // settings.own.accumulate) if by_epoch else 1)
    return Course(optimiser, _step_every(schedule, every) if every > 1 else schedule.step)


def _join(optimiser: Optimizer, schedule: LRScheduler | None, missing: list[nn.Parameter]) -> None:
    """Add parameters as one more group with the options of the first, and extend the schedule's lists to match."""
    usual = {name: value for name, value in optimiser.param_groups[0].items() if name != "params"}
    optimiser.add_param_group({"params": missing, **usual})
    for name in ("base_lrs", "lr_lambdas", "_last_lr"):  # lists with one value per group
        values = getattr(schedule, name, None)
        if isinstance(values, list) and values:
            values.append(values[0])


def _no_schedule() -> None:
    return


def _step_every(schedule: LRScheduler, epoch: int) -> Any:
    done = 0

    def after_step() -> None:
        nonlocal done
        done += 1
        if done % epoch == 0:
            schedule.step()

    return after_step


def _epoch(train: Examples, batch: int) -> int:
    """Return the number of batches in an epoch."""
    loader = getattr(train, "loader", None)
    try:
        return max(1, len(loader) if loader is not None else len(train) // batch)  # type: ignore[arg-type]
    except TypeError as fault:
        raise BadOwnTask("a schedule by epochs needs a training loader with a length; let it go by steps") from fault


def _unpacked(result: Any, what: str) -> tuple[Optimizer, LRScheduler | None, bool, int]:
    """Return the optimiser, the schedule, whether the schedule goes by epochs, and its interval in epochs or steps.

    Args:
        result: result of the user's function or of ``configure_optimizers``, whose schedules go by epochs by default.
        what: name of that function, for messages.

    Raises:
        BadOwnTask: the result has another form, or there are several optimisers.
    """
    schedule: Any = None
    if isinstance(result, Mapping):
        result, schedule = result.get("optimizer"), result.get("lr_scheduler")
    elif isinstance(result, tuple) and len(result) == 2:
        result, schedule = result
    if isinstance(result, (list, tuple)) and len(result) == 1:
        result = result[0]
    if isinstance(schedule, (list, tuple)) and len(schedule) <= 1:
        schedule = schedule[0] if schedule else None
    by_epoch, interval = what == "configure_optimizers", 1
    if isinstance(schedule, Mapping):
        by_epoch, interval = schedule.get("interval", "epoch") == "epoch", int(schedule.get("frequency", 1))
        schedule = schedule.get("scheduler")
    if isinstance(schedule, ReduceLROnPlateau):
        raise BadOwnTask(f"'{what}' returns ReduceLROnPlateau, which waits for scores; expected a schedule by steps")
    if not isinstance(result, Optimizer) or not (schedule is None or isinstance(schedule, LRScheduler)):
        raise BadOwnTask(
            f"'{what}' must return one optimizer, or an optimizer and a schedule of torch.optim, found "
            f"{type(result).__name__}" + ("" if schedule is None else f" and {type(schedule).__name__}")
        )
    if isinstance(result, torch.optim.LBFGS):
        raise BadOwnTask(f"'{what}' returns LBFGS, whose step calls the loss again and again; use another optimizer")
    return result, schedule, by_epoch, interval
