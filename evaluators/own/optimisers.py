"""Optimiser and schedule of the user's own: a function of theirs, or the network's ``configure_optimizers``.

Not here: those of this engine (``schedule``).
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
    """Return the optimiser and schedule of the user's own; None if there are none.

    Args:
        network: the user's, with the candidate in it, as ``owned.Owned``.
        settings: of the task.
        steps: of the child.
        layers: the candidate's; parameters that the user's optimiser does not know are added to its first group.
        train: whose batches make an epoch, for schedules that go by epochs.

    Raises:
        BadOwnTask: what the user's function returns is something else.
    """
    model = network.get_submodule("model")
    configure = getattr(model, "configure_optimizers", None)
    if settings.own.optimiser is not None:
        what, found = settings.own.optimiser, find(settings.own.optimiser)(network, steps)
    elif callable(configure) and step_of(model) == "training_step":
        what, found = "configure_optimizers", configure()
    else:
        return None
    optimiser, schedule, by_epoch, interval = _parted(found, what)
    known = {id(part) for group in optimiser.param_groups for part in group["params"]}
    missing = [part for layer in layers for part in layer.parameters() if id(part) not in known]
    if missing:
        _join(optimiser, schedule, missing)
    if schedule is None:
        return Course(optimiser, _nothing)
    every = interval * (max(1, _epoch(train, settings.batch) // settings.own.accumulate) if by_epoch else 1)
    return Course(optimiser, _each(schedule, every) if every > 1 else schedule.step)


def _join(optimiser: Optimizer, schedule: LRScheduler | None, missing: list[nn.Parameter]) -> None:
    """Add parameters as one more group, which goes as the first one does, within the schedule too."""
    usual = {name: value for name, value in optimiser.param_groups[0].items() if name != "params"}
    optimiser.add_param_group({"params": missing, **usual})
    for name in ("base_lrs", "lr_lambdas", "_last_lr"):  # lists of one value a group
        values = getattr(schedule, name, None)
        if isinstance(values, list) and values:
            values.append(values[0])


def _nothing() -> None:
    return


def _each(schedule: LRScheduler, epoch: int) -> Any:
    done = 0

    def after_step() -> None:
        nonlocal done
        done += 1
        if done % epoch == 0:
            schedule.step()

    return after_step


def _epoch(train: Examples, batch: int) -> int:
    """Return how many batches an epoch has."""
    loader = getattr(train, "loader", None)
    try:
        return max(1, len(loader) if loader is not None else len(train) // batch)  # type: ignore[arg-type]
    except TypeError as fault:
        raise BadOwnTask("a schedule by epochs needs a training loader with a length; let it go by steps") from fault


def _parted(found: Any, what: str) -> tuple[Optimizer, LRScheduler | None, bool, int]:
    """Return the optimiser, the schedule, whether this goes by epochs, as Lightning does, and every how many.

    Raises:
        BadOwnTask: it is something else, or there are several optimisers.
    """
    schedule: Any = None
    if isinstance(found, Mapping):
        found, schedule = found.get("optimizer"), found.get("lr_scheduler")
    elif isinstance(found, tuple) and len(found) == 2:
        found, schedule = found
    if isinstance(found, (list, tuple)) and len(found) == 1:
        found = found[0]
    if isinstance(schedule, (list, tuple)) and len(schedule) <= 1:
        schedule = schedule[0] if schedule else None
    by_epoch, interval = what == "configure_optimizers", 1
    if isinstance(schedule, Mapping):
        by_epoch, interval = schedule.get("interval", "epoch") == "epoch", int(schedule.get("frequency", 1))
        schedule = schedule.get("scheduler")
    if isinstance(schedule, ReduceLROnPlateau):
        raise BadOwnTask(f"'{what}' returns ReduceLROnPlateau, which waits for scores; expected a schedule by steps")
    if not isinstance(found, Optimizer) or not (schedule is None or isinstance(schedule, LRScheduler)):
        raise BadOwnTask(
            f"'{what}' must return one optimizer, or an optimizer and a schedule of torch.optim, found "
            f"{type(found).__name__}" + ("" if schedule is None else f" and {type(schedule).__name__}")
        )
    if isinstance(found, torch.optim.LBFGS):
        raise BadOwnTask(f"'{what}' returns LBFGS, whose step calls the loss again and again; use another optimizer")
    return found, schedule, by_epoch, interval
