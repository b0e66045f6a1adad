"""A child of ordinary torch modules: any network, any device. The reference for the kernel that is faster.

Not here: where its network and data come from (``network_task``), and what its loss is (``objective``).
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from actsearch.evaluators.augmentation import shifted_and_mirrored
from actsearch.evaluators.data.examples import Examples, Split
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

    def advance(self, step: int) -> None:
        """Train until so many steps are done, or until the loss leaves the finite numbers."""
        self.network.train()
        waiting: list[Tensor] = []
        for number in range(len(self.losses), step):
            waiting.append(self._step())
            if len(waiting) == self.look_every or number == step - 1:
                found = torch.stack(waiting).tolist() if len(waiting) > 1 else [float(waiting[0])]
                waiting.clear()
                finite = next((index for index, loss in enumerate(found) if loss - loss != 0), len(found) - 1)
                self.losses += found[: finite + 1]  # what came behind it was trained in vain
                if self.losses[-1] - self.losses[-1] != 0:
                    return

    def _step(self) -> Tensor:
        parts = self.settings.own.accumulate
        self.course.optimiser.zero_grad()
        whole: Tensor | None = None
        for _ in range(parts):
            batch = next(self.batches)
            if self.settings.augment:
                batch = Split(shifted_and_mirrored(batch.inputs, self.generator), batch.labels)
            with self._precision():
                loss = self.objective.loss(self.objective.output(self.network, batch), batch)
            (loss / parts if parts > 1 else loss).backward()  # type: ignore[no-untyped-call]
            whole = loss.detach() if whole is None else whole + loss.detach()
        nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.course.optimiser.step()
        self.course.after_step()
        assert whole is not None  # one part at least
        return whole / parts if parts > 1 else whole

    def _precision(self) -> AbstractContextManager[object]:
        if self.settings.precision != "bfloat16":
            return contextlib.nullcontext()
        return torch.autocast(self.device, torch.bfloat16)

    def score(self, split: Examples) -> dict[str, float]:
        """Return ``loss`` and further metrics by name, such as ``accuracy`` (0 to 1)."""
        with self._precision():
            return self.objective.metrics(self.network, split)

    def trained_network(self) -> nn.Module:
        """Return the network with the weights of now."""
        return self.network
