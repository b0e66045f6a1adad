"""Features of a function that need no training, as one row of numbers: for the warm-up and the surrogate.

The row says how well hidden features of the untrained network tell the classes apart. It also has other numbers of the
untrained network, and the function's profile. Not here: the measurements (``evaluators.looks.first_look``,
``grammar.behaviour.profile``).
"""

import functools

from actsearch.evaluators.activation import BUILT_IN, Activation, Elementwise
from actsearch.evaluators.looks.first_look import WORST, CannotLook, first_look
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.task import Task
from actsearch.grammar.behaviour.profile import profile
from actsearch.grammar.expression import Expression
from actsearch.search.proposers.proposer import Describe

REFERENCE = BUILT_IN.read("swish")  # every task has been tried with it before
REMEMBERED = 4096  # functions in the cache: the surrogate reuses the rows that the warm-up computed


def is_readable(task: Task, seed: int) -> bool:
    """Return whether an untrained network of a task tells anything, so that a warm-up can learn from it.

    Args:
        task: task with the network to examine.
        seed: seed of the network's weights.
    """
    if not isinstance(task, NetworkTask):  # no network to look at
        return False
    try:
        return first_look(REFERENCE, task, seed).is_read
    except CannotLook:
        return False


def knowledge_of(task: Task, seed: int) -> Describe:
    """Return the function that computes an expression's row, the most telling number first.

    For a task without a network, the row is 0 and the profile.

    Args:
        task: task with the network to examine.
        seed: seed of the network's weights.
    """

    @functools.lru_cache(maxsize=REMEMBERED)
    def describe(expression: Expression) -> tuple[float, ...]:
        return (*look_numbers(Elementwise(expression)), *profile(expression).tolist())

    @functools.cache
    def failed_look() -> list[float]:
        """Return the numbers for a failed look: the worst readout, then as many zeros as the network has numbers."""
        if not isinstance(task, NetworkTask):  # no network to look at
            return []
        try:
            look = first_look(REFERENCE, task, seed)
        except CannotLook:
            return []
        return [WORST, *([0.0] * (len(look.numbers()) - 1))]

    def look_numbers(activation: Activation) -> list[float]:
        if not isinstance(task, NetworkTask) or not failed_look():  # no function can be looked at
            return [0.0]
        try:
            return first_look(activation, task, seed).numbers()
        except CannotLook:
            return failed_look()

    return describe
