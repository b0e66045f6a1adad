"""Train children: one after the other, or several in turns on a GPU.

A child's numbers depend only on its activation and its seed: every random draw comes from its own seed, one thread
computes, and on a GPU its kernels do not depend on the other children. Not here: the child itself (``task``) and the
workers that call this (``pool``).
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
        requests: requests to train.
        task: task of the children.
        vocabulary: vocabulary that reads the requests' texts.
    """
    outcomes: list[Outcome] = []
    children = [(request, vocabulary.read(request.expression)) for request in requests]
    for group in _groups(children, task.side_by_side):
        with contained(noise_seed(group[0][0].seed), task.settings.own.file), _one_thread():
            outcomes += task.trained(group)
    return outcomes


def _groups(children: Sequence[Drawn], size: int) -> Iterator[list[Drawn]]:
    """Yield children in groups, in their order; a layer is alone in its group, because it may draw random numbers."""
    group: list[Drawn] = []
    for child in children:
        alone = child[1].expression is None
        other_steps = bool(group) and group[-1][0].steps != child[0].steps
        if group and (alone or other_steps or len(group) == size or group[-1][1].expression is None):
            yield group
            group = []
        group.append(child)
    if group:
        yield group


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: a sum's last bits depend on its division, and the other cores train other children."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
