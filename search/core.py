"""The core of a search: it hands out trainings, and takes the outcome of each.

``while trainings := core.ask(8): ...`` and ``core.tell(training, outcome)`` are all that a driver needs: a pool of
workers (see below), the user's own loop (``search.loop``), or threads. The trainings come in blocks (``search.run``,
``search.race``). Every outcome is in the store before the proposer learns from it. Not here: training.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from actsearch.evaluators.looks.diagnostics import learning_curve
from actsearch.evaluators.outcome import CURVE, Outcome
from actsearch.evaluators.pools.pool import Pool
from actsearch.search.memory.records import Key
from actsearch.search.trainings import Training, Trainings


@dataclass(frozen=True)
class Block:
    """Trainings that may run at the same time.

    Args:
        trainings: trainings, in the order in which the core hands them out.
        joint: whether the next block depends on the outcomes of all of them.
    """

    trainings: list[Training]
    joint: bool = True


class Core:
    """The queue of trainings of a search, or of a part of one. Several threads may use it.

    Args:
        trainings: children of the run.
        blocks: blocks of trainings, in their order; each may depend on outcomes of earlier ones.
        learn: callback that gets the key of each outcome, once the store has it.
        elsewhere: keys of trainings in other processes; the core waits for them and does not hand them out.
    """

    def __init__(
        self, trainings: Trainings, blocks: Iterator[Block], learn: Callable[[Key], None] = lambda key: None,
        elsewhere: Collection[Key] = (),
    ) -> None:  # fmt: skip
        self.trainings, self._blocks, self._learn = trainings, blocks, learn
        self._lock = threading.RLock()
        self._waiting: deque[Training] = deque()
        self._out = set(elsewhere)
        self._joint = False
        self._losses: dict[Key, dict[int, float]] = {}
        self.is_finished = False
        """Whether no training is left, and every one has its outcome."""

    def ask(self, count: int | None = None) -> list[Training]:
        """Return the next trainings.

        Args:
            count: largest number of trainings; None is all of a block.

        Returns:
            Trainings that no driver has yet; empty at the end, or while the next block needs a missing outcome.
        """
        with self._lock:
            while not self._waiting and not self.is_finished:
                if self._joint and self._out:
                    return []
                block = next(self._blocks, None)
                if block is None:
                    self.is_finished = True
                else:
                    self._waiting.extend(one for one in block.trainings if one.key not in self._out)
                    self._joint = block.joint
            number = len(self._waiting) if count is None else min(count, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(number)]
            self._out |= {training.key for training in batch}
            return batch

    def report(self, training: Training, step: int, loss: float) -> None:
        """Record the training loss of a step, for drivers that keep no learning curve.

        ``tell`` adds the curve to the outcome, unless the outcome has one.

        Args:
            training: training from ``ask``.
            step: number of the step, from 0; a repeated step counts once.
            loss: training loss of the step's batch.
        """
        with self._lock:
            self._losses.setdefault(training.key, {})[step] = loss

    def tell(self, training: Training, outcome: Outcome) -> None:
        """Store the outcome of a training from ``ask``; a second outcome of the same training is ignored."""
        with self._lock:
            self._out.discard(training.key)
            losses = self._losses.pop(training.key, {})
            if training.key in self.trainings.outcomes:
                return
            if losses and CURVE not in outcome.diagnostics:
                curve = learning_curve([losses[step] for step in sorted(losses)])
                outcome = replace(outcome, diagnostics={**outcome.diagnostics, CURVE: curve})
            self.trainings.keep(training, outcome)
            self._learn(training.key)

    def give_back(self, training: Training) -> None:
        """Return a training that will get no outcome to the queue; the next ``ask`` hands it out."""
        with self._lock:
            if training.key in self._out:
                self._out.remove(training.key)
                self._waiting.appendleft(training)


def train_all(core: Core, pool: Pool) -> None:
    """Train all trainings of a core on a pool, block by block; results do not depend on the order of outcomes."""
    while trainings := core.ask():
        for index, outcome in pool.evaluate([training.request for training in trainings]):
            core.tell(trainings[index], outcome)
