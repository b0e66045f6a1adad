"""Train a stack of children, from initial weights to outcomes.

A child's numbers depend only on its function and its seed. Its random draws come from its own generators, and no
operation mixes children. A copy of the last child is added at the end and ignored: the remainder of a long operation is
computed by other instructions, whose last bits differ. Not here: the training loop (``stack``), and the decision
whether a task's children are stacked (``trial``).
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

LOOK_EVERY = 50  # steps between checks whether the losses of all children are no longer finite


class StackedChild:
    """One child of a trained stack.

    Args:
        task: task of the children.
        network: network with the trained weights.
        losses: training loss of every step, up to the first that is not finite.
    """

    def __init__(self, task: "NetworkTask", network: nn.Module, losses: list[float]) -> None:
        self.task, self.network, self.losses = task, network, losses

    def score(self, split: Examples) -> dict[str, float]:
        """Return ``loss`` and further metrics by name."""
        return self.task.objective.metrics(self.network, split)

    def trained_network(self) -> nn.Module:
        """Return the network with its trained weights."""
        return self.network


def train_stack(task: "NetworkTask", drawn: Sequence[Drawn]) -> list[Outcome]:
    """Train children as one, and return their outcomes in the order of the requests.

    Args:
        task: task of the children.
        drawn: requests with their activations; all requests have the same number of steps.

    Raises:
        NotStackable: the networks cannot be trained as one.
    """
    started, steps = perf_counter(), drawn[0][0].steps
    order = sorted(range(len(drawn)), key=lambda index: drawn[index][1].text)  # equal functions become adjacent
    untrained, norms = [], []
    for index in order:
        untrained.append(seeded(task, *drawn[index]))
        norms.append(gradient_norms_of(task, untrained[-1].network))
    orders = orders_of(task, untrained, steps)
    stack = stack_of(task, [drawn[index] for index in order], untrained, orders, steps)
    _advance(stack, steps)
    stack.write_back(len(order))
    curves = torch.stack(stack.losses, 1).tolist()
    outcomes: dict[int, Outcome] = {}
    for place, index in enumerate(order):
        request = drawn[index][0]
        child = StackedChild(task, untrained[place].network, _finite(curves[place]))
        stopped = hopeless(task, child.losses, round(task.settings.stop_after * steps)) if not request.patient else None
        seed_every_generator(noise_seed(request.seed))  # scoring a network may draw random numbers
        outcomes[index] = stopped or outcome_of(task, request, child, untrained[place].layers, norms[place])
    seconds = (perf_counter() - started) / len(drawn)
    return [replace(outcomes[index], seconds=seconds, trained_by="stack") for index in range(len(drawn))]


def seeded(task: "NetworkTask", request: Request, activation: Activation) -> "Untrained":
    """Build a child's network exactly as for a child that is trained alone."""
    seed_every_generator(noise_seed(request.seed))
    return task.build(activation, request.seed)


def orders_of(task: "NetworkTask", untrained: Sequence["Untrained"], steps: int) -> list[Tensor]:
    """Return the order of the examples for each child, indices ``(steps, batch)``."""
    train = task.data.train
    assert isinstance(train, Split)
    return [batches(len(train), task.settings.batch, steps, one.generator) for one in untrained]


def stack_of(
    task: "NetworkTask", drawn: Sequence[Drawn], untrained: Sequence["Untrained"], orders: Sequence[Tensor], steps: int
) -> Stack:
    """Return a stack of the children and a copy of the last one.

    Args:
        task: task of the children.
        drawn: requests with their activations, equal functions adjacent.
        untrained: networks of the children.
        orders: order of the examples of each child, indices ``(steps, batch)``.
        steps: number of optimiser steps of the whole training.

    Raises:
        NotStackable: the networks cannot be trained as one.
    """
    filled = [*range(len(drawn)), len(drawn) - 1]
    segments: list[Segment] = []
    for text, places in groupby(filled, key=lambda place: drawn[place][1].text):
        function = next(one.function for _, one in drawn if one.text == text)
        assert function is not None  # a child without a function is trained alone
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
    """Return the losses up to and including the first that is not finite."""
    end = next((number for number, loss in enumerate(losses, start=1) if not math.isfinite(loss)), len(losses))
    return losses[:end]
