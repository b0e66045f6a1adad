"""A child of ordinary torch modules: any network, any device. It is the reference for the faster kernel.

On a GPU each child has its own stream, so that several share the device. Not here: the construction of network and data
(``network_task``), the loss (``objective``), and the training of several children at a time (``training``).
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from actsearch.evaluators.augmentation import shifted_and_mirrored
from actsearch.evaluators.data.examples import Examples, Split
from actsearch.evaluators.graphs import Recorded
from actsearch.evaluators.objective import Objective
from actsearch.evaluators.schedule import Course, one_cycle, optimiser_of
from actsearch.evaluators.settings import CompleteSettings

LOOK_EVERY = 50  # number of steps on a GPU between two reads of losses: a read waits for all earlier computations


class TorchChild:
    """One network in training.

    Args:
        network: network with initial weights, trained in place.
        objective: loss of the network.
        batches: batches of the training, ``own.accumulate`` per step.
        steps: number of optimiser steps.
        settings: settings of the task.
        generator: generator for the augmentation's draws.
        layers: the candidate's layers, whose parameters are the betas.
        course: the user's optimiser and schedule; None means those of the task.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, batches: Iterator[Split], steps: int,
        settings: CompleteSettings, generator: torch.Generator, layers: Iterable[nn.Module] = (),
        course: Course | None = None,
    ) -> None:  # fmt: skip
        self.network, self.objective, self.settings, self.generator = network, objective, settings, generator
        self.batches = batches
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if course is None:
            betas = [p for layer in layers for p in layer.parameters()]
            optimiser = optimiser_of(self.parameters, settings, betas)
            course = Course(optimiser, one_cycle(optimiser, settings, steps).step)
        self.course = course
        on_gpu = any(parameter.device.type != "cpu" for parameter in self.parameters)
        self.look_every = LOOK_EVERY if on_gpu else 1  # number of steps between two reads of the losses
        self.device = "cuda" if on_gpu else "cpu"
        self.losses: list[float] = []  # loss of every finished step
        self.stream = torch.cuda.Stream() if on_gpu else None  # type: ignore[no-untyped-call]
        recorded = on_gpu and not settings.is_own
        self.compute = Recorded(self._gradients, self.parameters) if recorded else self._fresh_gradients

    def advance(self, step: int) -> None:
        """Train until ``step`` steps are done, or until the loss is not finite."""
        for _ in self.advancing(step):
            pass

    def advancing(self, step: int) -> Iterator[None]:
        """Advance, and yield after each step, so that another child may start its next step on the GPU meanwhile."""
        self.network.train()
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream())  # that stream drew the weights, or read them
        waiting: list[Tensor] = []
        for number in range(len(self.losses), step):
            with self._on_stream():
                waiting.append(self._step())
                if len(waiting) == self.look_every or number == step - 1:
                    losses = torch.stack(waiting).tolist() if len(waiting) > 1 else [float(waiting[0])]
                    waiting.clear()
                    last = next((index for index, loss in enumerate(losses) if loss - loss != 0), len(losses) - 1)
                    self.losses += losses[: last + 1]  # steps after the first loss that is not finite do not count
            if self.losses and self.losses[-1] - self.losses[-1] != 0:
                return
            yield
        if self.stream is not None:
            torch.cuda.current_stream().wait_stream(self.stream)

    def _on_stream(self) -> AbstractContextManager[object]:
        return contextlib.nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def _step(self) -> Tensor:
        loss = self.compute(self._batch())
        self.course.optimiser.step()
        self.course.after_step()
        return loss

    def _batch(self) -> Split:
        batch = next(self.batches)
        if self.settings.augment:
            return Split(shifted_and_mirrored(batch.inputs, self.generator), batch.labels)
        return batch

    def _fresh_gradients(self, batch: Split) -> Tensor:
        self.course.optimiser.zero_grad()
        return self._gradients(batch)

    def _gradients(self, batch: Split) -> Tensor:
        """Add the gradients of a batch, and of further ones with ``own.accumulate``; return the mean loss."""
        parts = self.settings.own.accumulate
        losses: list[Tensor] = []
        for part in range(parts):
            with self._precision():
                loss = self.objective.loss(self.objective.output(self.network, batch), batch)
            (loss / parts if parts > 1 else loss).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach() / len(batch) if self.objective.adds_up else loss.detach())
            if part < parts - 1:
                batch = self._batch()
        nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        return sum(losses[1:], losses[0]) / parts if parts > 1 else losses[0]

    def _precision(self) -> AbstractContextManager[object]:
        if self.settings.precision != "bfloat16":
            return contextlib.nullcontext()
        # a recording must not use a cache of weights that were rounded for an earlier step
        return torch.autocast(self.device, torch.bfloat16, cache_enabled=self.stream is None)

    def score(self, split: Examples) -> dict[str, float]:
        """Return ``loss`` and further metrics by name, such as ``accuracy`` (0 to 1)."""
        with self._precision():
            return self.objective.metrics(self.network, split)

    def trained_network(self) -> nn.Module:
        """Return the network with its current weights."""
        return self.network
