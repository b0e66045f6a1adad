"""A stack of children from their first weights to their outcomes.

A child's numbers depend on its function and its seed alone: its draws come from its own generators, no operation sees
two children, and a child that counts for nothing stands behind the last one, since the rest of a long operation is
computed by other instructions, whose last bits differ. Not here: the loop (``stack``), and
whether a task's children are trained so (``trial``).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.contained import seed_every_generator
from actsearch.evaluators.data.examples import Examples, Split
from actsearch.evaluators.network_training import gradient_norms_of, hopeless, outcome_of
from actsearch.evaluators.outcome import Outcome, Request, noise_seed
from actsearch.evaluators.schedule import batches
from actsearch.evaluators.stacks.segments import Segment
from actsearch.evaluators.stacks.stack import Stack
from actsearch.evaluators.task import Drawn

if TYPE_CHECKING:
    from actsearch.evaluators.network_task import NetworkTask, Untrained

LOOK_EVERY = 50  # steps between two looks at whether every child has left the finite numbers


class StackedChild:
    """One child of a stack that has been trained.

    Args:
        task: on what.
        network: with its weights.
        losses: of every step, up to the first that is not finite.
    """

    def __init__(self, task: "NetworkTask", network: nn.Module, losses: list[float]) -> None:
        self.task, self.network, self.losses = task, network, losses

    def score(self, split: Examples) -> dict[str, float]:
        """Return ``loss`` and further metrics by name."""
        return self.task.objective.metrics(self.network, split)

    def trained_network(self) -> nn.Module:
        """Return the network with its weights."""
        return self.network


def train_stack(task: "NetworkTask", drawn: Sequence[Drawn]) -> list[Outcome]:
    """Train children as one, and return their outcomes in the same order.

    Args:
        task: on what.
        drawn: requests of as many steps each, with what they are of.

    Raises:
        NotStackable: their networks cannot be trained as one.
    """
    started, steps = perf_counter(), drawn[0][0].steps
    order = sorted(range(len(drawn)), key=lambda index: drawn[index][1].text)  # equal functions stand together
    untrained, norms = [], []
    for index in order:
        untrained.append(seeded(task, *drawn[index]))
        norms.append(gradient_norms_of(task, untrained[-1].network))
    orders = orders_of(task, untrained, steps)
    stack = stack_of(task, [drawn[index] for index in order], untrained, orders, steps)
    _advance(stack, steps)
    stack.write_back(len(order))
    curves = torch.stack(stack.losses, 1).tolist()
    found: dict[int, Outcome] = {}
    for place, index in enumerate(order):
        request = drawn[index][0]
        child = StackedChild(task, untrained[place].network, _finite(curves[place]))
        stopped = hopeless(task, child.losses, round(task.settings.stop_after * steps)) if not request.patient else None
        seed_every_generator(noise_seed(request.seed))  # a look at a network that draws
        found[index] = stopped or outcome_of(task, request, child, untrained[place].layers, norms[place])
    seconds = (perf_counter() - started) / len(drawn)
    return [replace(found[index], seconds=seconds, trained_by="stack") for index in range(len(drawn))]


def seeded(task: "NetworkTask", request: Request, activation: Activation) -> "Untrained":
    """Return a child's network as it is made where the child is trained alone."""
    seed_every_generator(noise_seed(request.seed))
    return task.build(activation, request.seed)


def orders_of(task: "NetworkTask", untrained: Sequence["Untrained"], steps: int) -> list[Tensor]:
    """Return the order of the examples of each child, ``(steps, batch)`` indices."""
    train = task.data.train
    assert isinstance(train, Split)
    return [batches(len(train), task.settings.batch, steps, one.generator) for one in untrained]


def stack_of(
    task: "NetworkTask", drawn: Sequence[Drawn], untrained: Sequence["Untrained"], orders: Sequence[Tensor], steps: int
) -> Stack:
    """Return a stack, with a copy of its last child behind it.

    Args:
        task: on what.
        drawn: requests and what they are of, equal functions side by side.
        untrained: their networks.
        orders: of their examples.
        steps: how many it will be trained.

    Raises:
        NotStackable: the networks cannot be trained as one.
    """
    filled = [*range(len(drawn)), len(drawn) - 1]
    segments: list[Segment] = []
    for text, places in groupby(filled, key=lambda place: drawn[place][1].text):
        function = next(one.function for _, one in drawn if one.text == text)
        assert function is not None  # who has none is trained alone
        segments.append((function, len([*places])))
    train = task.data.train
    assert isinstance(train, Split)
    generators = [torch.Generator().manual_seed(noise_seed(drawn[place][0].seed)) for place in filled]
    return Stack(
        [untrained[place].network for place in filled], [untrained[place].layers for place in filled], segments,
        task.objective, [orders[place] for place in filled], train, steps, task.settings, generators,
    )  # fmt: skip


def _advance(stack: Stack, steps: int) -> None:
    for step in range(LOOK_EVERY, steps + LOOK_EVERY, LOOK_EVERY):
        stack.advance(min(step, steps))
        if not bool(torch.isfinite(stack.losses[-1]).any()):
            return


def _finite(losses: list[float]) -> list[float]:
    """Return losses up to the first that is not finite."""
    end = next((number for number, loss in enumerate(losses, start=1) if not math.isfinite(loss)), len(losses))
    return losses[:end]
