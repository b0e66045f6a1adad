"""The order of examples and the course of the learning rate, which kernel and torch share."""

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from actsearch.evaluators.settings import CompleteSettings

SGD_MOMENTUM = 0.9  # He et al. 2015, section 4.2


@dataclass(frozen=True)
class Course:
    """An optimiser, and the function to call after each of its steps, which sets the next learning rate."""

    optimiser: torch.optim.Optimizer
    after_step: Callable[[], object]


def batches(examples: int, batch: int, steps: int, generator: torch.Generator) -> Tensor:
    """Return indices of examples for every step, ``(steps, batch)``.

    Each epoch has a new order and leaves out its incomplete last batch.

    Args:
        examples: number of examples in the training split.
        batch: number of examples per step; at most all of them are taken.
        steps: number of steps.
        generator: generator of the orders.
    """
    batch = min(batch, examples)
    per_epoch = examples // batch
    epochs = -(-steps // per_epoch)
    orders = [torch.randperm(examples, generator=generator)[: per_epoch * batch] for _ in range(epochs)]
    return torch.cat(orders).view(-1, batch)[:steps]


def optimiser_of(
    parameters: Sequence[nn.Parameter], settings: CompleteSettings, betas: Collection[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """Return the optimiser of a child.

    Args:
        parameters: all trained parameters of the network.
        settings: settings of the task.
        betas: the candidate's parameters, to which ``beta_decay`` applies.
    """
    groups: list[Any] = [*parameters]
    if settings.beta_decay is not None:
        beta_ids = {*map(id, betas)}
        split = [[p for p in parameters if (id(p) in beta_ids) is is_beta] for is_beta in (False, True)]
        decays = (settings.weight_decay, settings.beta_decay)
        groups = [{"params": g, "weight_decay": d} for g, d in zip(split, decays, strict=True) if g]
    is_real = all(parameter.is_floating_point() for parameter in parameters)  # fused AdamW takes no complex numbers
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            groups, settings.learning_rate, SGD_MOMENTUM, weight_decay=settings.weight_decay, nesterov=True
        )
    return torch.optim.AdamW(groups, settings.learning_rate, weight_decay=settings.weight_decay, fused=is_real)


def one_cycle(
    optimiser: torch.optim.Optimizer, settings: CompleteSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the one-cycle schedule (Smith & Topin 2019): up for the first 30 % of the steps, then down to nearly 0."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, cycle_momentum=settings.optimiser == "adamw"
    )


@functools.lru_cache(maxsize=8)
def course(settings: CompleteSettings, steps: int) -> tuple[Tensor, Tensor]:
    """Return the learning rate and AdamW's first momentum of every step, ``(steps,) float32`` each."""
    optimiser = optimiser_of([nn.Parameter(torch.zeros(1))], settings)
    schedule, group = one_cycle(optimiser, settings, steps), optimiser.param_groups[0]
    pairs = []
    for _ in range(steps):
        pairs.append((group["lr"], group["betas"][0]))
        optimiser.step()
        schedule.step()
    rates, momenta = torch.tensor(pairs, dtype=torch.float32).T.contiguous()
    return rates, momenta
