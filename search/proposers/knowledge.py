"""What is known of a function without training it, as one row of numbers: for the warm-up and the surrogate.

How well the untrained network's features tell the classes apart, what else is seen before the first step, and the
function's profile. Not here: how these are measured (``evaluators.looks.first_look``, ``grammar.behaviour.profile``).
"""

import functools

from actsearch.evaluators.activation import BUILT_IN, Activation, Elementwise
from actsearch.evaluators.looks.first_look import WORST, CannotLook, first_look
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.task import Task
from actsearch.grammar.behaviour.profile import profile
from actsearch.grammar.expression import Expression
from actsearch.search.proposers.proposer import Describe

REFERENCE = BUILT_IN.read("swish")  # which every task was tried with before
REMEMBERED = 4096  # functions: what the warm-up looked at, the surrogate needs not look at again


def is_readable(task: Task, seed: int) -> bool:
    """Return whether anything can be read of a task before training, so that a warm-up has something to learn from.

    Args:
        task: whose network is looked at.
        seed: of its weights.
    """
    if not isinstance(task, NetworkTask):  # a training of the user's own has no network to look at
        return False
    try:
        return first_look(REFERENCE, task, seed).is_read
    except CannotLook:
        return False


def knowledge_of(task: Task, seed: int) -> Describe:
    """Return what describes an expression, the most telling number first; for a task without a network 0 and a profile.

    Args:
        task: whose network is looked at.
        seed: of its weights.
    """

    @functools.lru_cache(maxsize=REMEMBERED)
    def describe(expression: Expression) -> tuple[float, ...]:
        return (*seen(Elementwise(expression)), *profile(expression).tolist())

    @functools.cache
    def nothing() -> list[float]:
        """Stands for what cannot be looked at: the worst readout, and zeros, as many as the network gives."""
        if not isinstance(task, NetworkTask):  # a training of the user's own has no network to look at
            return []
        try:
            look = first_look(REFERENCE, task, seed)
        except CannotLook:
            return []
        return [WORST, *([0.0] * (len(look.numbers()) - 1))]

    def seen(activation: Activation) -> list[float]:
        if not isinstance(task, NetworkTask) or not nothing():  # nor one that cannot be looked at at all
            return [0.0]
        try:
            return first_look(activation, task, seed).numbers()
        except CannotLook:
            return nothing()

    return describe
