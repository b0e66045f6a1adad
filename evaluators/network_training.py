"""The training of one child of a network task, from its first weights to its outcome.

A generator, that yields while a device computes. Not here: what trains step by step (``torch_child``,
``native.child``), and how several take turns (``training``).
"""

import math
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from torch import nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.data.examples import Examples
from actsearch.evaluators.looks.diagnostics import EXAMPLES, Facts, gradient_norms, learning_curve, look_at
from actsearch.evaluators.native.child import NativeChild
from actsearch.evaluators.outcome import CURVE, Outcome, Request, Status
from actsearch.evaluators.task import Training, far_above_chance

if TYPE_CHECKING:
    from actsearch.evaluators.network_task import NetworkTask

RECENT = 20  # steps whose mean loss says whether a child is hopeless
Seen = TypeVar("Seen", list[float], Facts)


def training(task: "NetworkTask", request: Request, activation: Activation) -> Training:
    """Train a child, stop early what is hopeless, and score it.

    Args:
        task: on what.
        request: which seed, how many steps.
        activation: in its place.
    """
    started = perf_counter()
    untrained = task.build(activation, request.seed)
    norms = gradient_norms_of(task, untrained.network)
    child = task.child(untrained, activation, request.steps)
    by = "kernel" if isinstance(child, NativeChild) else "torch"
    stop = round(task.settings.stop_after * request.steps)
    if stop >= RECENT and not request.patient:
        yield from child.advancing(stop)
        if said := hopeless(task, child.losses, stop):
            return replace(said, seconds=perf_counter() - started, trained_by=by)
    if not child.losses or math.isfinite(child.losses[-1]):
        yield from child.advancing(request.steps)
    outcome = outcome_of(task, request, child, untrained.layers, norms)
    return replace(outcome, seconds=perf_counter() - started, trained_by=by)


def hopeless(task: "NetworkTask", losses: list[float], stop: int) -> Outcome | None:
    """Return the outcome of a child that is stopped after its first steps; None of one that goes on.

    Args:
        task: whose ``stop_above`` says from where on.
        losses: of the steps so far, or of more.
        stop: how many count; fewer than twenty say nothing.
    """
    if stop < RECENT or len(losses) < stop or not math.isfinite(losses[stop - 1]):
        return None
    recent = sum(losses[stop - RECENT : stop]) / RECENT
    if recent <= task.settings.stop_above * (task.chance if task.chance is not None else math.inf):
        return None
    return Outcome(Status.STOPPED, reason=f"stopped after {stop} steps: training loss {recent:.3f}")


class Trained(Protocol):
    """A child that has been trained, by whatever."""

    losses: list[float]
    """Of every step."""

    def score(self, split: Examples) -> dict[str, float]:
        """Return ``loss`` and further metrics by name."""

    def trained_network(self) -> nn.Module:
        """Return the network with its weights."""


def outcome_of(
    task: "NetworkTask", request: Request, child: Trained, layers: list[nn.Module], start_norms: list[float] | None
) -> Outcome:
    """Score a child that has been trained, and look at it.

    Args:
        task: on what.
        request: whether the test split is looked at.
        child: with its losses.
        layers: the candidate's.
        start_norms: gradient norms before the first step; None where nobody looks.
    """
    steps = len(child.losses)
    if not math.isfinite(child.losses[-1]):
        return Outcome(Status.DIVERGED, reason=f"the training loss is not finite at step {steps}")
    metrics = {"train_loss": child.losses[-1]}
    for name in ("validation", "test") if request.test else ("validation",):
        if split := task.data.splits.get(name):
            metrics |= {f"{name}_{key}": value for key, value in child.score(split).items()}
    broken = next((n for n, value in metrics.items() if n.endswith("_loss") and not math.isfinite(value)), None)
    if broken:
        return Outcome(Status.DIVERGED, reason=f"{broken} is not finite after {steps} steps")
    if far := far_above_chance(metrics, task.chance):
        return Outcome(Status.DIVERGED, reason=f"{far} after {steps} steps")
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    facts: Facts = {}
    if start_norms is not None:
        network = child.trained_network()
        end_norms = gradient_norms_of(task, network)
        seen = _seen(task, lambda: look_at(network, layers, task.data.train.first(EXAMPLES), task.objective))
        if end_norms is not None and seen is not None:
            facts = {CURVE: learning_curve(child.losses), "gradient_norm_start": start_norms}
            facts |= {"gradient_norm_end": end_norms} | seen
    return Outcome(Status.SCORED, metrics["validation_loss"], "", 0.0, metrics, facts)


def gradient_norms_of(task: "NetworkTask", network: nn.Module) -> list[float] | None:
    """Return the norms of the gradients, layer by layer; None where nobody looks."""
    return _seen(task, lambda: gradient_norms(network, task.data.train.first(EXAMPLES), task.objective))


def _seen(task: "NetworkTask", look: Callable[[], Seen]) -> Seen | None:
    """Return what is seen of a network; None where nobody looks, or the user's cannot be looked at."""
    if not task.settings.diagnostics:
        return None
    try:
        return look()
    except Exception:
        if task.is_own:  # it costs no score
            return None
        raise
