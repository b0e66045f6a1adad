"""Train children: one after the other, or on a GPU several in turns.

A child's numbers depend on its activation and its seed alone: every random draw comes from its own seed, one thread
computes, and on a GPU its kernels are the same whoever stands beside it. Not here: what a child is (``task``) and what
runs this where (``pool``).
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.contained import contained
from actsearch.evaluators.outcome import Outcome, Request, noise_seed
from actsearch.evaluators.task import Drawn, Task


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
            outcomes += task.trained(group)
    return outcomes


def _groups(everyone: Sequence[Drawn], size: int) -> Iterator[list[Drawn]]:
    """Yield children in their order, in groups; a layer may draw random numbers, and stands alone."""
    group: list[Drawn] = []
    for one in everyone:
        alone = one[1].expression is None
        others = bool(group) and group[-1][0].steps != one[0].steps
        if group and (alone or others or len(group) == size or group[-1][1].expression is None):
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
