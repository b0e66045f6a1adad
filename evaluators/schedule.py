"""What every child shares, however it is trained: the order of its examples, and the course of its learning rate."""

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
    """An optimiser, and what is called after each of its steps: the next learning rate."""

    optimiser: torch.optim.Optimizer
    after_step: Callable[[], object]


def batches(examples: int, batch: int, steps: int, generator: torch.Generator) -> Tensor:
    """Return ``(steps, batch)`` indices: whole epochs in a fresh order, the incomplete last batch of each left out."""
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
        parameters: all that are trained.
        settings: of the optimiser.
        betas: those of the candidate, to which ``beta_decay`` applies.
    """
    groups: list[Any] = [*parameters]
    if settings.beta_decay is not None:
        theirs = {*map(id, betas)}
        split = [[p for p in parameters if (id(p) in theirs) is among] for among in (False, True)]
        decays = (settings.weight_decay, settings.beta_decay)
        groups = [{"params": g, "weight_decay": d} for g, d in zip(split, decays, strict=True) if g]
    is_real = all(parameter.is_floating_point() for parameter in parameters)  # complex ones are not fused
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
    found = []
    for _ in range(steps):
        found.append((group["lr"], group["betas"][0]))
        optimiser.step()
        schedule.step()
    rates, momenta = torch.tensor(found, dtype=torch.float32).T.contiguous()
    return rates, momenta
