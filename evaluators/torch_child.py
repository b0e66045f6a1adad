"""A child of ordinary torch modules: any network, any device. The reference for the kernel that is faster.

Not here: where its network and data come from (``network_task``).
"""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from actsearch.evaluators.augmentation import shifted_and_mirrored
from actsearch.evaluators.data.dataset import Split
from actsearch.evaluators.schedule import one_cycle, optimiser_of
from actsearch.evaluators.settings import CompleteSettings

EVALUATION_BATCH = 250  # examples a forward pass when scoring: large enough to be fast, small enough to stay in cache


class TorchChild:
    """One network in training.

    Args:
        network: with its weights drawn; trained in place.
        train: the examples.
        order: which of them make each batch, ``(steps, batch) int64``.
        settings: of the optimiser.
        generator: of what augmentation draws.
        layers: the candidate's, whose parameters are its betas.
    """

    def __init__(
        self, network: nn.Module, train: Split, order: Tensor, settings: CompleteSettings, generator: torch.Generator,
        layers: Iterable[nn.Module] = (),
    ) -> None:  # fmt: skip
        self.network, self.settings, self.generator = network.to(train.inputs.device), settings, generator
        self.data, self.order = train, order.to(train.inputs.device)
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimiser = optimiser_of(self.parameters, settings, [p for layer in layers for p in layer.parameters()])
        self.schedule = one_cycle(self.optimiser, settings, len(order))
        self.losses: list[float] = []  # of every step done

    def advance(self, step: int) -> None:
        """Train until so many steps are done, or until the loss leaves the finite numbers."""
        self.network.train()
        for number in range(len(self.losses), step):
            chosen = self.order[number]
            inputs = self.data.inputs[chosen]
            if self.settings.augment:
                inputs = shifted_and_mirrored(inputs, self.generator)
            loss = functional.cross_entropy(self.network(inputs), self.data.labels[chosen])
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
            self.optimiser.step()
            self.schedule.step()
            self.losses.append(float(loss.detach()))
            if not torch.isfinite(loss):
                return

    @torch.no_grad()
    def score(self, split: Split) -> tuple[float, float]:
        """Return mean loss (nats) and accuracy (0 to 1)."""
        self.network.eval()
        loss, right = 0.0, 0
        count = len(split.labels)
        # one example left over is scored with those before it: a normalisation by the batch cannot do with one
        starts = [start for start in range(0, count, EVALUATION_BATCH) if start == 0 or count - start > 1]
        for start, end in pairwise([*starts, count]):
            labels = split.labels[start:end]
            # a network that changes its input in place must not change the data of all others
            logits = self.network(split.inputs[start:end].clone())
            loss += float(functional.cross_entropy(logits, labels, reduction="none").double().sum())
            right += int((logits.argmax(1) == labels).sum())
        return loss / split.labels.numel(), right / split.labels.numel()

    def trained_network(self) -> nn.Module:
        """Return the network with the weights of now."""
        return self.network
