"""Train a population of children together and score each on held-out data.

A child's numbers depend on its expression and its seed alone: every operation keeps children apart, every random draw
comes from the child's own generator, and one thread computes. Not here: what a child is (``task``) and what runs this
where (``pool``).
"""

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from evaluators.dataset import DataSet, Split
from evaluators.outcome import Outcome, Request, Status
from evaluators.task import TASKS, Population, TaskSettings
from grammar.known import read
from grammar.primitive import Primitive
from grammar.render import compile_expression

EVALUATION_BATCH = 250  # examples a forward pass when scoring: large enough to be fast, small enough to stay in cache


@functools.cache
def data_of(name: str) -> DataSet:
    """Return a task's data, loaded once a process."""
    return TASKS[name].load()


def train_population(
    requests: Sequence[Request], settings: TaskSettings, primitives: tuple[Primitive, ...] = ()
) -> list[Outcome]:
    """Train one child per request, side by side, and return their outcomes in the same order.

    Args:
        requests: all with the same number of steps.
        settings: the task.
        primitives: rows beyond the built-in ones that the expressions use.

    Raises:
        ValueError: the requests differ in steps.
    """
    if len({request.steps for request in requests}) != 1:
        raise ValueError("a population trains for one number of steps, found several")
    with _one_thread():
        return _train(requests, settings, primitives)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: the last bits of a sum depend on how it is divided, and cores train other children."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(requests: Sequence[Request], settings: TaskSettings, primitives: tuple[Primitive, ...]) -> list[Outcome]:
    started = time.perf_counter()
    task, data = TASKS[settings.name], data_of(settings.name)
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    functions = [compile_expression(read(request.expression, primitives)) for request in requests]
    population = task.build(functions, generators, data.classes)
    last = _fit(population, data.train, generators, requests[0].steps, settings)
    held_out = {"validation": _score(population, data.validation)}
    if any(request.test for request in requests):
        held_out["test"] = _score(population, data.test)
    seconds = (time.perf_counter() - started) / len(requests)
    return [_outcome(child, request, last, held_out, seconds) for child, request in enumerate(requests)]


def _fit(
    population: Population,
    train: Split,
    generators: Sequence[torch.Generator],
    steps: int,
    settings: TaskSettings,
) -> Tensor:
    """Train in place; return each child's training loss of the last step, ``(P,)``."""
    optimiser = torch.optim.AdamW(
        [population.flat], lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=settings.learning_rate, total_steps=steps)
    weights = list(population.weights.values())
    orders = [_batches(len(train.labels), settings.batch, steps, generator) for generator in generators]
    losses, gradient = torch.empty(0), torch.as_tensor(population.flat.grad)
    for step in range(steps):
        chosen = torch.stack([order[step] for order in orders])  # (P, B) int64
        losses = _losses(population(train.inputs[chosen], training=True), train.labels[chosen]).mean(1)
        found = torch.autograd.grad(losses.sum(), weights, materialize_grads=True, allow_unused=True)
        torch._foreach_copy_(population.gradients, found)
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient.mul_((settings.clip / (norm + 1e-6)).clamp(max=1))
        optimiser.step()
        schedule.step()
    return losses.detach()


def _batches(examples: int, batch: int, steps: int, generator: torch.Generator) -> Tensor:
    """Return ``(steps, batch)`` indices: whole epochs in a fresh order, the incomplete last batch of each left out."""
    batch = min(batch, examples)
    per_epoch = examples // batch
    epochs = -(-steps // per_epoch)
    orders = [torch.randperm(examples, generator=generator)[: per_epoch * batch] for _ in range(epochs)]
    return torch.cat(orders).view(-1, batch)[:steps]


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy in nats of ``(P, classes, B)`` against ``(P, B)``, one per example."""
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


@torch.no_grad()
def _score(population: Population, split: Split) -> Tensor:
    """Return ``(2, P)``: mean loss (nats) and accuracy (0 to 1) of each child."""
    children = population.flat.shape[0]
    total = torch.zeros(2, children, dtype=torch.float64)
    for start in range(0, len(split.labels), EVALUATION_BATCH):
        inputs, labels = split.inputs[start : start + EVALUATION_BATCH], split.labels[start : start + EVALUATION_BATCH]
        logits = population(inputs.expand(children, *inputs.shape), training=False)
        expected = labels.expand(children, -1)
        total[0] += _losses(logits, expected).double().sum(1)
        total[1] += (logits.argmax(1) == expected).double().sum(1)
    return total / len(split.labels)


def _outcome(child: int, request: Request, last: Tensor, held_out: dict[str, Tensor], seconds: float) -> Outcome:
    loss = float(held_out["validation"][0, child])
    metrics = {"train_loss": float(last[child])}
    for split, scores in held_out.items():
        if split == "validation" or request.test:
            metrics |= {
                f"{split}_loss": float(scores[0, child]),
                f"{split}_accuracy": float(scores[1, child]),
            }
    if not all(map(torch.isfinite, map(torch.tensor, metrics.values()))):
        broken = next(name for name, value in metrics.items() if not torch.isfinite(torch.tensor(value)))
        return Outcome(Status.DIVERGED, reason=f"{broken} is not finite after {request.steps} steps", seconds=seconds)
    return Outcome(Status.SCORED, score=loss, seconds=seconds, metrics=metrics)
