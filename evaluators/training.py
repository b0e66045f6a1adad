"""Train children, one after the other.

A child's numbers depend on its activation and its seed alone: it is trained by itself, every random draw comes from
its own seed, and one thread computes. Not here: what a child is (``task``) and what runs this where (``pool``).
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.contained import contained
from actsearch.evaluators.outcome import Outcome, Request, noise_seed
from actsearch.evaluators.task import Task


def train_population(requests: Sequence[Request], task: Task, vocabulary: Vocabulary = BUILT_IN) -> list[Outcome]:
    """Train one child per request and return their outcomes in the same order.

    Args:
        requests: what to train.
        task: on what.
        vocabulary: what the requests' texts are read with.
    """
    outcomes = []
    for request in requests:
        with contained(noise_seed(request.seed), task.settings.own.file), _one_thread():
            outcomes.append(task.train(request, vocabulary.read(request.expression)))
    return outcomes


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: the last bits of a sum depend on how it is divided, and cores train other children."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
