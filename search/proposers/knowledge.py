"""Knowledge of a function that costs no training: for the warm-up of the controller and for the surrogate.

It has three parts: the function's profile, its expected ranks on other problems, and how well hidden features of the
task's untrained network tell the labels apart. Not here: the measurements (``evaluators.looks.readout``,
``grammar.behaviour.profile``) and the ranks (``prior``).
"""

import functools
import math
from typing import Protocol

from actsearch.evaluators.activation import BUILT_IN, Elementwise
from actsearch.evaluators.looks.readout import WORST, CannotLook, readout
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.task import Task
from actsearch.grammar.behaviour.profile import profile
from actsearch.grammar.expression import Expression
from actsearch.search.proposers.prior import Prior

REFERENCE = BUILT_IN.read("swish")  # every task has been tried with it before
REMEMBERED = 4096  # functions in each cache: the surrogate asks again for what the warm-up asked for


class Knowledge(Protocol):
    """What is known of a function before any training."""

    def profile(self, expression: Expression) -> tuple[float, ...]:
        """Return numbers that are near for functions that train alike; all functions have as many."""

    def elsewhere(self, expression: Expression) -> tuple[float, ...]:
        """Return the expected rank on each other problem, as a standard normal score; higher is better."""

    def readout(self, expression: Expression) -> float:
        """Return how well the untrained network's features tell the labels apart, higher is better; NaN if unknown."""


def promise(knowledge: Knowledge, expression: Expression) -> float:
    """Return one number that is higher for the more promising function; NaN if nothing is known.

    It is the mean rank on other problems; without other problems it is the readout.
    """
    ranks = knowledge.elsewhere(expression)
    return math.fsum(ranks) / len(ranks) if ranks else knowledge.readout(expression)


class KnowledgeOfTask:
    """The ``Knowledge`` of functions on one task.

    Args:
        task: task with the network to examine.
        seed: seed of the network's weights.
        prior: ranks on other problems; None is no use of them.
    """

    def __init__(self, task: Task, seed: int, prior: Prior | None) -> None:
        self.task, self.seed, self.prior = task, seed, prior
        self.profile = functools.lru_cache(maxsize=REMEMBERED)(self._profile)
        self.elsewhere = functools.lru_cache(maxsize=REMEMBERED)(self._elsewhere)
        self.readout = functools.lru_cache(maxsize=REMEMBERED)(self._readout)

    @functools.cached_property
    def is_readable(self) -> bool:
        """Whether the task has a network, and features of the untrained network can be read."""
        if not isinstance(self.task, NetworkTask):
            return False
        try:
            return readout(REFERENCE, self.task, self.seed) is not None
        except CannotLook:
            return False

    def _profile(self, expression: Expression) -> tuple[float, ...]:
        return tuple(profile(expression).tolist())

    def _elsewhere(self, expression: Expression) -> tuple[float, ...]:
        return () if self.prior is None else tuple(self.prior.predict(self.profile(expression)).tolist())

    def _readout(self, expression: Expression) -> float:
        if not isinstance(self.task, NetworkTask) or not self.is_readable:
            return math.nan
        try:
            measured = readout(Elementwise(expression), self.task, self.seed)
        except CannotLook:  # the training will say why
            return WORST
        return math.nan if measured is None else measured
