"""A child of ordinary torch modules: any network, any device. The reference for the kernel that is faster.

On a GPU each child has a stream of its own, so that several share the device. Not here: where its network and data come
from (``network_task``), what its loss is (``objective``), and who trains several at a time (``training``).
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

LOOK_EVERY = 50  # steps on a GPU: whoever looks at a loss waits for all that was computed before it


class TorchChild:
    """One network in training.

    Args:
        network: with its weights drawn; trained in place.
        objective: its loss.
        batches: one a step; with ``own.accumulate`` so many.
        steps: how many.
        settings: of the optimiser.
        generator: of what augmentation draws.
        layers: the candidate's, whose parameters are its betas.
        course: optimiser and schedule of the user's own; None makes the task's.
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
        self.look_every = LOOK_EVERY if on_gpu else 1  # steps between two looks at the losses
        self.device = "cuda" if on_gpu else "cpu"
        self.losses: list[float] = []  # of every step done
        self.stream = torch.cuda.Stream() if on_gpu else None  # type: ignore[no-untyped-call]
        recorded = on_gpu and not settings.is_own
        self.compute = Recorded(self._gradients, self.parameters) if recorded else self._from_nothing

    def advance(self, step: int) -> None:
        """Train until so many steps are done, or until the loss leaves the finite numbers."""
        for _ in self.advancing(step):
            pass

    def advancing(self, step: int) -> Iterator[None]:
        """Advance, and yield after each step: on a GPU the next one of another child may be sent off meanwhile."""
        self.network.train()
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream())  # which drew the weights, or looked at them
        waiting: list[Tensor] = []
        for number in range(len(self.losses), step):
            with self._on_stream():
                waiting.append(self._step())
                if len(waiting) == self.look_every or number == step - 1:
                    found = torch.stack(waiting).tolist() if len(waiting) > 1 else [float(waiting[0])]
                    waiting.clear()
                    finite = next((index for index, loss in enumerate(found) if loss - loss != 0), len(found) - 1)
                    self.losses += found[: finite + 1]  # what came behind it was trained in vain
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

    def _from_nothing(self, batch: Split) -> Tensor:
        self.course.optimiser.zero_grad()
        return self._gradients(batch)

    def _gradients(self, batch: Split) -> Tensor:
        """Leave the gradients behind, and return the loss; with ``own.accumulate``, of that batch and further ones."""
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
        # a recording must not take weights that were rounded for an earlier step
        return torch.autocast(self.device, torch.bfloat16, cache_enabled=self.stream is None)

    def score(self, split: Examples) -> dict[str, float]:
        """Return ``loss`` and further metrics by name, such as ``accuracy`` (0 to 1)."""
        with self._precision():
            return self.objective.metrics(self.network, split)

    def trained_network(self) -> nn.Module:
        """Return the network with the weights of now."""
        return self.network
