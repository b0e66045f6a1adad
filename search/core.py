"""The core of a search: it is asked for trainings, and told what came of each.

``while trainings := core.ask(8): ...`` and ``core.tell(training, outcome)`` are all that a driver needs: a pool of
workers (see below), a loop of the user's (``search.loop``), or threads. Which trainings are wanted comes in blocks
(``search.run``, ``search.race``); every outcome is in the store before anybody learns from it. Not here: training.
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
    """Trainings that are wanted at the same time.

    Args:
        trainings: in the order in which they are handed out.
        joint: whether all of them need an outcome before the next block is known.
    """

    trainings: list[Training]
    joint: bool = True


class Core:
    """What is still to be trained, of a search or of a part of one. Several threads may use it.

    Args:
        trainings: children of the run.
        blocks: blocks of trainings, in their order; each may depend on outcomes of those before.
        learn: is called with the key of each outcome, once it is stored.
        elsewhere: trainings that another process has; they are not handed out, and waited for.
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
        """Whether nothing is left to ask for, and everything was told."""

    def ask(self, count: int | None = None) -> list[Training]:
        """Return the next trainings.

        Args:
            count: how many at most; None is all of a block.

        Returns:
            Trainings that nobody has; none at the end, or while an outcome that is out decides what comes next.
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
            taken = [self._waiting.popleft() for _ in range(number)]
            self._out |= {training.key for training in taken}
            return taken

    def report(self, training: Training, step: int, loss: float) -> None:
        """Note the training loss of a step, for drivers that do not keep a curve themselves.

        The outcome gets the learning curve, unless it has one.

        Args:
            training: one that was asked for.
            step: number of the step, from 0; a step that is reported again counts once.
            loss: training loss of its batch.
        """
        with self._lock:
            self._losses.setdefault(training.key, {})[step] = loss

    def tell(self, training: Training, outcome: Outcome) -> None:
        """Keep what came of a training that was asked for; a second outcome of the same training is passed over."""
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
        """Take back a training that was asked for and will get no outcome; the next one who asks has it."""
        with self._lock:
            if training.key in self._out:
                self._out.remove(training.key)
                self._waiting.appendleft(training)


def train_all(core: Core, pool: Pool) -> None:
    """Train on a pool whatever a core wants, block by block; results do not depend on the order of the outcomes."""
    while trainings := core.ask():
        for index, outcome in pool.evaluate([training.request for training in trainings]):
            core.tell(trainings[index], outcome)
