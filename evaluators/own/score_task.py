"""The task whose whole training is the user's: a function that returns a score.

Not here: the function itself and its permitted results (``user_code``).
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
"""Settings of ``task`` that have no effect on the user's own training."""
MEANT = ("build", "score", "loop", "direction", "chance")
"""Settings of ``task.own`` that have an effect here; all others belong to ``build``."""


@dataclass(frozen=True)
class WholeTraining(Task):
    """The user's own training, which cannot be tried in part.

    Args:
        settings: complete settings of the task.
        kind: kind of task, which supplies the values of settings left open.
    """

    settings: CompleteSettings
    kind: Kind

    @property
    def usual(self) -> CompleteSettings:
        """Default settings of this kind of task."""
        return self.kind.complete(TaskSettings(name=self.settings.name, own=self.settings.own))

    @property
    def chance(self) -> float | None:
        """Chance loss, as the user states it; None if it is not stated."""
        return self.settings.own.chance

    @property
    def unit(self) -> str:
        """Unit of the score: empty, since it is unknown."""
        return ""

    @property
    def device(self) -> str:
        """Device that the settings give; the user's function chooses its own."""
        return device_of(self.settings, large=True)

    def digest(self) -> str:
        """Return an empty digest: the data are the user's."""
        return ""

    def prepare(self) -> list[str]:
        """Find the function, and return a note on settings that have no effect.

        Raises:
            BadTask: the training is the user's own loop, which no pool can run.
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
        """Call the function once, so that it starts from the same state in every worker."""
        own.find(self.settings.own.function)
        own.rehearse(self.settings, BUILT_IN.read("swish"))

    def training(self, request: Request, activation: Activation) -> Training:
        """Run the user's function and return its outcome."""
        yield  # the only pause: the training cannot be divided
        started = perf_counter()
        with Freshness() as freshness:
            numbers = own.score(
                self.settings,
                made_of(activation, freshness),
                request.seed,
                request.steps,
            )
        seconds, sign = perf_counter() - started, self.settings.own.sign
        by = f"'{self.settings.own.function}' returned"
        return told(numbers, sign, seconds, test=request.test, had_no_part=freshness.had_no_part, by=by,
                    chance=self.settings.own.chance)  # fmt: skip


def told(
    numbers: Mapping[str, float], sign: int, seconds: float, *, test: bool, had_no_part: bool, by: str,
    diagnostics: Mapping[str, list[float]] | None = None, chance: float | None = None,
) -> Outcome:  # fmt: skip
    """Return the outcome of the user's own training.

    Args:
        numbers: numbers that the user reported: ``validation``, ``test`` if data were held out, and metrics by name.
        sign: factor of the scores, so that lower is better: -1 if a higher number of the user's is better, else 1.
        seconds: duration of the training in seconds.
        test: whether the test number may be used.
        had_no_part: whether the candidate had no part in the training.
        by: source of the numbers, which begins the reason for a number that is not finite.
        diagnostics: further diagnostics by name.
        chance: chance loss that the user stated, or None.

    Raises:
        BadOwnTask: a metric has a name that this engine reserves.
    """
    reserved = {"validation_loss", "test_loss", NO_PART, WORKER_DEATHS} & set(numbers)
    if reserved:
        raise BadOwnTask(f"a metric must not be called '{min(reserved)}', which this engine keeps: call it otherwise")
    numbers = {name: value for name, value in numbers.items() if name != "test" or test}
    losses = {f"{name}_loss": sign * numbers[name] for name in ("validation", "test") if name in numbers}
    metrics = losses | {name: value for name, value in numbers.items() if name not in {"validation", "test"}}
    wrong = next((name for name in ("validation", "test") if not math.isfinite(numbers.get(name, 0.0))), None)
    if wrong:
        what = "" if list(numbers) == ["validation"] else f"{wrong} "
        return Outcome(Status.DIVERGED, reason=f"{by} {what}{numbers[wrong]}", seconds=seconds, trained_by="own")
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    if far := far_above_chance(metrics, chance):
        return Outcome(Status.DIVERGED, reason=far, seconds=seconds, trained_by="own")
    metrics |= {NO_PART: 1.0} if had_no_part else {}
    return Outcome(Status.SCORED, losses["validation_loss"], "", seconds, metrics, dict(diagnostics or {}), "own")
