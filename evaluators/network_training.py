"""The training of one child of a network task, from its first weights to its outcome.

The training is a generator that yields while a device computes. Not here: the training step by step (``torch_child``,
``native.child``), and the turns of several children (``training``).
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

RECENT = 20  # number of last steps whose mean loss decides whether a child is hopeless
Seen = TypeVar("Seen", list[float], Facts)


def training(task: "NetworkTask", request: Request, activation: Activation) -> Training:
    """Train a child, stop it early if it is hopeless, and score it.

    Args:
        task: task of the child.
        request: seed and number of steps.
        activation: activation of the child's network.
    """
    started = perf_counter()
    untrained = task.build(activation, request.seed)
    norms = gradient_norms_of(task, untrained.network)
    child = task.child(untrained, activation, request.steps)
    by = "kernel" if isinstance(child, NativeChild) else "torch"
    stop = round(task.settings.stop_after * request.steps)
    if stop >= RECENT and not request.patient:
        yield from child.advancing(stop)
        if stopped := hopeless(task, child.losses, stop):
            return replace(stopped, seconds=perf_counter() - started, trained_by=by)
    if not child.losses or math.isfinite(child.losses[-1]):
        yield from child.advancing(request.steps)
    outcome = outcome_of(task, request, child, untrained.layers, norms)
    return replace(outcome, seconds=perf_counter() - started, trained_by=by)


def hopeless(task: "NetworkTask", losses: list[float], stop: int) -> Outcome | None:
    """Return the outcome of a child that must stop early; None if it continues.

    Args:
        task: task with the threshold ``stop_above``.
        losses: losses of at least the first ``stop`` steps.
        stop: number of steps that count; with fewer than twenty, the child always continues.
    """
    if stop < RECENT or len(losses) < stop or not math.isfinite(losses[stop - 1]):
        return None
    recent = sum(losses[stop - RECENT : stop]) / RECENT
    if recent <= task.settings.stop_above * (task.chance if task.chance is not None else math.inf):
        return None
    return Outcome(Status.STOPPED, reason=f"stopped after {stop} steps: training loss {recent:.3f}")


class Trained(Protocol):
    """A trained child, independent of its way of training."""

    losses: list[float]
    """Loss of every step."""

    def score(self, split: Examples) -> dict[str, float]:
        """Return ``loss`` and further metrics by name."""

    def trained_network(self) -> nn.Module:
        """Return the network with its trained weights."""


def outcome_of(
    task: "NetworkTask", request: Request, child: Trained, layers: list[nn.Module], start_norms: list[float] | None
) -> Outcome:
    """Score a trained child, and measure its diagnostics.

    Args:
        task: task of the child.
        request: request that says whether to score the test split.
        child: trained child with its losses.
        layers: the candidate's layers in the network.
        start_norms: gradient norms before the first step; None without diagnostics.
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
        layer_facts = _diagnose(task, lambda: look_at(network, layers, task.data.train.first(EXAMPLES), task.objective))
        if end_norms is not None and layer_facts is not None:
            facts = {CURVE: learning_curve(child.losses), "gradient_norm_start": start_norms}
            facts |= {"gradient_norm_end": end_norms} | layer_facts
    return Outcome(Status.SCORED, metrics["validation_loss"], "", 0.0, metrics, facts)


def gradient_norms_of(task: "NetworkTask", network: nn.Module) -> list[float] | None:
    """Return the gradient norm of each weight; None without diagnostics."""
    return _diagnose(task, lambda: gradient_norms(network, task.data.train.first(EXAMPLES), task.objective))


def _diagnose(task: "NetworkTask", look: Callable[[], Seen]) -> Seen | None:
    """Return the result of a diagnostic; None without diagnostics, or if it fails on a user's network."""
    if not task.settings.diagnostics:
        return None
    try:
        return look()
    except Exception:
        if task.is_own:  # a failed diagnostic must not cost the score
            return None
        raise
