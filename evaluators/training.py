"""Train children and score each on held-out data.

A child's numbers depend on its expression and its seed alone: it is trained by itself, every random draw comes from
its own seed, and one thread computes. Not here: what a child is (``task``) and what runs this where (``pool``).
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN, Activation, Vocabulary
from actsearch.evaluators.contained import contained
from actsearch.evaluators.initialisation import initialise
from actsearch.evaluators.layers import MakeActivation
from actsearch.evaluators.looks.diagnostics import EXAMPLES, Facts, gradient_norms, learning_curve, look_at
from actsearch.evaluators.native.child import NativeChild
from actsearch.evaluators.native.compiler import NotNativeError
from actsearch.evaluators.outcome import NO_PART, Outcome, Request, Status
from actsearch.evaluators.own import functions as own
from actsearch.evaluators.own.freshness import Freshness
from actsearch.evaluators.own.trial import first_of
from actsearch.evaluators.schedule import batches
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.task import TASKS, BadTask, complete, data_of
from actsearch.evaluators.torch_child import TorchChild

RECENT = 20  # steps whose mean loss says whether a child is hopeless


def train_population(
    requests: Sequence[Request], settings: TaskSettings, vocabulary: Vocabulary = BUILT_IN
) -> list[Outcome]:
    """Train one child per request and return their outcomes in the same order.

    Args:
        requests: what to train.
        settings: the task.
        vocabulary: what their texts are read with.
    """
    settings = complete(settings)
    outcomes = []
    for request in requests:
        with contained(request.seed, settings.own.file), _one_thread():
            outcomes.append(_train(request, settings, vocabulary.read(request.expression)))
    return outcomes


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: the last bits of a sum depend on how it is divided, and cores train other children."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(request: Request, settings: TaskSettings, activation: Activation) -> Outcome:
    started = time.perf_counter()
    made: list[nn.Module] = []  # the candidate's layers, in the order of the network

    def make(channels: int, dimension: int | None = None) -> nn.Module:
        made.append(activation.make(channels, dimension))
        return made[-1]

    if settings.own.score:
        return _scored_by_user(request, settings, make, started)
    child, start_norms = _open(request, settings, activation, make)
    stop = round(settings.stop_after * request.steps)
    if stop >= RECENT and not request.patient:
        child.advance(stop)
        recent = sum(child.losses[-RECENT:]) / RECENT
        if math.isfinite(child.losses[-1]) and recent > settings.stop_above * data_of(settings).chance:
            reason = f"stopped after {stop} steps: training loss {recent:.3f}"
            return Outcome(Status.STOPPED, reason=reason, seconds=time.perf_counter() - started)
    if not child.losses or math.isfinite(child.losses[-1]):
        child.advance(request.steps)
    return _outcome(request, settings, child, made, start_norms, started)


def _open(
    request: Request, settings: TaskSettings, activation: Activation, make: MakeActivation
) -> tuple[NativeChild | TorchChild, list[float] | None]:
    """Return the child before its first step, and the gradient norms that its layers start with."""
    data, generator = data_of(settings), torch.Generator().manual_seed(request.seed)
    network = TASKS[settings.name].network(settings, data, make)
    initialise(network, settings.init or "he", activation.function, generator)
    network = network.to(data.train.inputs.device)
    norms = (
        _looked(settings, lambda: gradient_norms(network, first_of(data.train, EXAMPLES)))
        if settings.diagnostics
        else None
    )
    order = batches(len(data.train.labels), settings.batch, request.steps, generator)
    if settings.kernel != "torch":
        try:
            return NativeChild(network, activation.function, data.train, order, settings), norms
        except NotNativeError as fault:
            if settings.kernel == "native":
                raise BadTask(f"key 'task.kernel': {fault}; use auto or torch") from fault
    return TorchChild(network, data.train, order, settings, generator), norms


Seen = TypeVar("Seen", list[float], Facts)


def _looked(settings: TaskSettings, look: Callable[[], Seen]) -> Seen | None:
    """Return what is seen of a network; None where the user's cannot be looked at, which costs no score."""
    try:
        return look()
    except Exception:
        if settings.own.build:
            return None
        raise


def _outcome(
    request: Request,
    settings: TaskSettings,
    child: NativeChild | TorchChild,
    made: list[nn.Module],
    start_norms: list[float] | None,
    started: float,
) -> Outcome:
    data, steps = data_of(settings), len(child.losses)
    if not math.isfinite(child.losses[-1]):
        reason = f"the training loss is not finite at step {steps}"
        return Outcome(Status.DIVERGED, reason=reason, seconds=time.perf_counter() - started)
    metrics = {"train_loss": child.losses[-1]}
    for name in ("validation", "test") if request.test else ("validation",):
        metrics[f"{name}_loss"], metrics[f"{name}_accuracy"] = child.score(getattr(data, name))
    broken = next((name for name, value in metrics.items() if not math.isfinite(value)), None)
    if broken:
        reason = f"{broken} is not finite after {steps} steps"
        return Outcome(Status.DIVERGED, reason=reason, seconds=time.perf_counter() - started)
    facts: Facts = {}
    if settings.diagnostics:
        network = child.trained_network()
        end_norms = _looked(settings, lambda: gradient_norms(network, first_of(data.train, EXAMPLES)))
        layers = _looked(settings, lambda: look_at(network, made, first_of(data.train, EXAMPLES)))
        if start_norms is not None and end_norms is not None and layers is not None:
            facts = {"learning_curve": learning_curve(child.losses), "gradient_norm_start": start_norms}
            facts |= {"gradient_norm_end": end_norms} | layers
    return Outcome(Status.SCORED, metrics["validation_loss"], "", time.perf_counter() - started, metrics, facts)


def _scored_by_user(request: Request, settings: TaskSettings, make: MakeActivation, started: float) -> Outcome:
    with Freshness() as freshness:
        found = own.score(settings, lambda *a, **named: freshness.watch(make(*a, **named)), request.seed, request.steps)
    seconds = time.perf_counter() - started
    if not math.isfinite(found):
        return Outcome(Status.DIVERGED, reason=f"'{settings.own.score}' returned {found}", seconds=seconds)
    metrics = {"validation_loss": found} | ({"test_loss": found} if request.test else {})
    metrics |= {NO_PART: 1.0} if freshness.had_no_part else {}
    return Outcome(Status.SCORED, found, seconds=seconds, metrics=metrics)
