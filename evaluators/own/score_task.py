"""The task that is the user's whole training: a function that returns a score.

Not here: the function itself and what it may return (``user_code``).
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

from actsearch.evaluators.activation import BUILT_IN, Activation
from actsearch.evaluators.device import device_of
from actsearch.evaluators.kind import Kind
from actsearch.evaluators.outcome import NO_PART, WORKER_DEATHS, Outcome, Request, Status
from actsearch.evaluators.own import user_code as own
from actsearch.evaluators.own.activation_class import made_of
from actsearch.evaluators.own.freshness import Freshness
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.settings import CompleteSettings, TaskSettings, unusual
from actsearch.evaluators.task import BadTask, Task, Training, far_above_chance

IDLE = ("weight_decay", "beta_decay", "clip", "optimiser", "augment", "precision", "examples", "directory", "kernel")
"""Of a task: they mean nothing to a training of the user's."""
MEANT = ("build", "score", "loop", "direction", "chance")
"""Of ``task.own``: all others are those of ``build``."""


@dataclass(frozen=True)
class WholeTraining(Task):
    """A training of the user's own, which cannot be tried in part.

    Args:
        settings: with every value.
        kind: the values that settings take where they are left open.
    """

    settings: CompleteSettings
    kind: Kind

    @property
    def usual(self) -> CompleteSettings:
        """Those of its kind."""
        return self.kind.complete(TaskSettings(name=self.settings.name, own=self.settings.own))

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
        """Find the function, and name settings that mean nothing to it.

        Raises:
            BadTask: the training is a loop of the user's, which no pool can run.
        """
        if self.settings.own.loop:
            raise BadTask(
                "key 'task.own.loop': this is trained by a loop of your own: for trial in actsearch.Study(RUN).trials()"
            )
        own.find(self.settings.own.function)
        changed = unusual(dataclasses.asdict(self.settings))
        idle = [f"task.{name}" for name in changed if name in IDLE]
        idle += [f"task.own.{name}" for name in changed.get("own", {}) if name not in MEANT]
        return [f"{', '.join(idle)}: does nothing where the training is your own"] if idle else []

    def warm_up(self) -> None:
        """Call the function once, so that it starts alike in every worker."""
        own.find(self.settings.own.function)
        own.rehearse(self.settings, BUILT_IN.read("swish"))

    def training(self, request: Request, activation: Activation) -> Training:
        """Return what the user's function returns."""
        yield  # none of its parts is known
        started = perf_counter()
        with Freshness() as freshness:
            found = own.score(
                self.settings,
                made_of(activation, freshness),
                request.seed,
                request.steps,
            )
        seconds, sign = perf_counter() - started, self.settings.own.sign
        by = f"'{self.settings.own.function}' returned"
        return told(found, sign, seconds, test=request.test, had_no_part=freshness.had_no_part, by=by,
                    chance=self.settings.own.chance)  # fmt: skip


def told(
    found: Mapping[str, float], sign: int, seconds: float, *, test: bool, had_no_part: bool, by: str,
    diagnostics: Mapping[str, list[float]] | None = None, chance: float | None = None,
) -> Outcome:  # fmt: skip
    """Return what became of a training of the user's own.

    Args:
        found: their numbers: ``validation``, ``test`` if anything was held out, and metrics by name.
        sign: -1 where higher is better: scores are lower where they are better.
        seconds: that it took.
        test: whether their test data may be looked at.
        had_no_part: whether the candidate had none in it.
        by: who told it, before what was told that is not finite.
        diagnostics: what else is known of it.
        chance: what a network that knows nothing gets, where the user said it.

    Raises:
        BadOwnTask: a metric has a name of this engine's.
    """
    taken = {"validation_loss", "test_loss", NO_PART, WORKER_DEATHS} & set(found)
    if taken:
        raise BadOwnTask(f"a metric must not be called '{min(taken)}', which this engine keeps: call it otherwise")
    found = {name: value for name, value in found.items() if name != "test" or test}
    losses = {f"{name}_loss": sign * found[name] for name in ("validation", "test") if name in found}
    metrics = losses | {name: value for name, value in found.items() if name not in {"validation", "test"}}
    wrong = next((name for name in ("validation", "test") if not math.isfinite(found.get(name, 0.0))), None)
    if wrong:
        what = "" if list(found) == ["validation"] else f"{wrong} "
        return Outcome(Status.DIVERGED, reason=f"{by} {what}{found[wrong]}", seconds=seconds, trained_by="own")
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    if far := far_above_chance(metrics, chance):
        return Outcome(Status.DIVERGED, reason=far, seconds=seconds, trained_by="own")
    metrics |= {NO_PART: 1.0} if had_no_part else {}
    return Outcome(Status.SCORED, losses["validation_loss"], "", seconds, metrics, dict(diagnostics or {}), "own")
