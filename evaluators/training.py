"""Train children: one after the other, or on a GPU several in turns.

A child's numbers depend on its activation and its seed alone: every random draw comes from its own seed, one thread
computes, and on a GPU its kernels are the same whoever stands beside it. Not here: what a child is (``task``) and what
runs this where (``pool``).
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from actsearch.evaluators.activation import BUILT_IN, Activation, Vocabulary
from actsearch.evaluators.contained import contained
from actsearch.evaluators.outcome import Outcome, Request, noise_seed
from actsearch.evaluators.task import Task, Training

Drawn = tuple[Request, Activation]


def train_population(requests: Sequence[Request], task: Task, vocabulary: Vocabulary = BUILT_IN) -> list[Outcome]:
    """Train one child per request and return their outcomes in the same order.

    Args:
        requests: what to train.
        task: on what.
        vocabulary: what the requests' texts are read with.
    """
    outcomes: list[Outcome] = []
    everyone = [(request, vocabulary.read(request.expression)) for request in requests]
    for group in _groups(everyone, task.side_by_side):
        with contained(noise_seed(group[0][0].seed), task.settings.own.file), _one_thread():
            outcomes += in_turns([task.training(request, activation) for request, activation in group])
    return outcomes


def in_turns(trainings: Sequence[Training]) -> list[Outcome]:
    """Go through trainings a step at a time; each is told to have taken its share of the time.

    Args:
        trainings: none of which draws from a global generator, if there are several.
    """
    found: dict[int, Outcome] = {}
    waiting = dict(enumerate(trainings))
    while waiting:
        for index, training in list(waiting.items()):
            try:
                next(training)
            except StopIteration as end:
                outcome: Outcome = end.value
                found[index] = replace(outcome, seconds=outcome.seconds / len(trainings))
                del waiting[index]
    return [found[index] for index in range(len(trainings))]


def _groups(everyone: Sequence[Drawn], size: int) -> Iterator[list[Drawn]]:
    """Yield children in their order, in groups; a layer may draw random numbers, and stands alone."""
    group: list[Drawn] = []
    for one in everyone:
        alone = one[1].expression is None
        if group and (alone or len(group) == size or group[-1][1].expression is None):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: the last bits of a sum depend on how it is divided, and cores train other children."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
