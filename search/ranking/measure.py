"""The unit of a score, and which direction is better; the task decides both, and the run stores the unit.

Not here: losses (``evaluators.own.losses``) and tables (``search.show``).
"""

import math
from dataclasses import dataclass

from actsearch.evaluators.settings import TaskSettings

OWN_LOSS = "loss"
"""The unit of a loss that a network computes itself."""
FEW = 3  # extra decimals that a difference of two scores may have; a smaller difference counts as 0


def number(value: float, *, like: float | None = None, signed: bool = False) -> str:
    """Return a number as text: three to five significant digits, or two for a difference or an interval.

    Args:
        value: number to write.
        like: score that a difference or half an interval belongs to; the number gets its decimals if they suffice.
        signed: whether to write the sign of a positive number.
    """
    sign = "+" if signed else ""
    places = _places(value) if like is None or not math.isfinite(like) else _places(like)
    if places is None:
        return format(value, f"{sign}.3e" if like is None else f"{sign}.1e")
    if like is not None and value and math.isfinite(value):
        places = max(places, min(1 - math.floor(math.log10(abs(value))), places + FEW))
    return format(value, f"{sign}.{places}f")


def _places(value: float) -> int | None:
    """Return the number of decimals: 4 from 0.01 to 10, more below, fewer above; None for scientific notation."""
    digits = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    if not -4 <= digits <= 4:
        return None
    return 4 - digits if digits > 0 else max(4, 2 - digits)


@dataclass(frozen=True)
class Measure:
    """Unit and direction of a score.

    Args:
        unit: unit of a score, such as ``nats``; empty for scores from the user's own training.
        sign: -1 if higher is better in the user's numbers, else 1; stored scores are always better when lower.
    """

    unit: str = "nats"
    sign: int = 1

    @property
    def noun(self) -> str:
        """Noun for a score."""
        return "loss" if self.unit else "score"

    @property
    def sentence(self) -> str:
        """Description of a score for the foot of a table."""
        better = "higher is better" if self.sign < 0 else "lower is better"
        if not self.unit:
            return f"scores of your own, {better}"
        return f"{self.noun} in {self.unit}, {better}" if self.behind else f"the network's own loss, {better}"

    @property
    def behind(self) -> str:
        """Text behind a number, such as `` nats``; empty if the unit of a loss is unknown."""
        return f" {self.unit}" if self.unit not in {"", OWN_LOSS} else ""

    def shown(self, loss: float) -> float:
        """Return a stored score, or a difference of two, as the user's number."""
        return self.sign * loss

    def ends(self, interval: tuple[float, float]) -> tuple[float, float]:
        """Return an interval in the user's numbers, the lower end first."""
        low, high = sorted(map(self.shown, interval))
        return low, high


NATS = Measure()


def measure_of(task: TaskSettings, unit: str | None) -> Measure:
    """Return the measure of a task's scores.

    Args:
        task: task of the rung.
        unit: unit that the run stored; None if it stored none.
    """
    return Measure(unit or "", task.sign) if task.is_own else NATS
