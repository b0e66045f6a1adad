"""The task that is the user's whole training: a function that returns a score.

Not here: the function itself and what it may return (``functions``).
"""

import math
import time
from dataclasses import dataclass

from actsearch.evaluators.activation import BUILT_IN, Activation
from actsearch.evaluators.device import device_of
from actsearch.evaluators.outcome import NO_PART, Outcome, Request, Status
from actsearch.evaluators.own import functions as own
from actsearch.evaluators.own.freshness import Freshness
from actsearch.evaluators.settings import CompleteSettings
from actsearch.evaluators.task import Task


@dataclass(frozen=True)
class WholeTraining(Task):
    """A training of the user's own, which cannot be tried in part.

    Args:
        settings: with every value.
    """

    settings: CompleteSettings

    @property
    def chance(self) -> float | None:
        """As the user says."""
        return self.settings.own.chance

    @property
    def unit(self) -> str:
        """Nobody knows."""
        return ""

    @property
    def device(self) -> str:
        """The user's function chooses its own."""
        return device_of(self.settings, large=True)

    def digest(self) -> str:
        """Return nothing: the data are the user's."""
        return ""

    def prepare(self) -> list[str]:
        """Find the function."""
        own.find(self.settings.own.function)
        return []

    def warm_up(self) -> None:
        """Call the function once, so that it starts alike in every worker."""
        own.find(self.settings.own.function)
        own.rehearse(self.settings, BUILT_IN.read("swish").make)

    def train(self, request: Request, activation: Activation) -> Outcome:
        """Return what the user's function returns."""
        started = time.perf_counter()
        with Freshness() as freshness:
            found = own.score(
                self.settings,
                lambda *where, **named: freshness.watch(activation.make(*where, **named)),
                request.seed,
                request.steps,
            )
        seconds = time.perf_counter() - started
        if not math.isfinite(found):
            reason = f"'{self.settings.own.function}' returned {found}"
            return Outcome(Status.DIVERGED, reason=reason, seconds=seconds, trained_by="own")
        metrics = {"validation_loss": found} | ({"test_loss": found} if request.test else {})
        metrics |= {NO_PART: 1.0} if freshness.had_no_part else {}
        return Outcome(Status.SCORED, found, seconds=seconds, metrics=metrics, trained_by="own")
