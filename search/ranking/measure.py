"""What a score is in, and which way is better: decided by the task, kept in the store, told with every number.

Not here: losses (``evaluators.own.losses``) and tables (``search.show``).
"""

import math
from dataclasses import dataclass

from actsearch.evaluators.settings import TaskSettings

OWN_LOSS = "loss"
"""The unit of a loss that a network computes itself."""
FEW = 3  # decimals beyond those of a score that a difference of two may have, before it is as good as 0


def number(value: float, *, like: float | None = None, signed: bool = False) -> str:
    """Return a number as text: three to five significant digits, two of a difference or an interval.

    Args:
        value: the number.
        like: the score that a difference or half an interval belongs to, whose decimals it takes if they show it.
        signed: whether a positive number has its sign.
    """
    sign = "+" if signed else ""
    places = _places(value) if like is None or not math.isfinite(like) else _places(like)
    if places is None:
        return format(value, f"{sign}.3e" if like is None else f"{sign}.1e")
    if like is not None and value and math.isfinite(value):
        places = max(places, min(1 - math.floor(math.log10(abs(value))), places + FEW))
    return format(value, f"{sign}.{places}f")


def _places(value: float) -> int | None:
    """Return the decimals of a number: 4 from 0.01 to 10, more below, fewer above; None where it needs a power."""
    digits = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    if not -4 <= digits <= 4:
        return None
    return 4 - digits if digits > 0 else max(4, 2 - digits)


@dataclass(frozen=True)
class Measure:
    """What is scored.

    Args:
        unit: of a score, such as ``nats``; empty for scores of a user's training.
        sign: -1 where the user's numbers are better when higher; what is stored is lower where it is better.
    """

    unit: str = "nats"
    sign: int = 1

    @property
    def noun(self) -> str:
        """What a score is called."""
        return "loss" if self.unit else "score"

    @property
    def sentence(self) -> str:
        """What a score is, for the foot of a table."""
        better = "higher is better" if self.sign < 0 else "lower is better"
        if not self.unit:
            return f"scores of your own, {better}"
        return f"{self.noun} in {self.unit}, {better}" if self.behind else f"the network's own loss, {better}"

    @property
    def behind(self) -> str:
        """What stands behind a number, `` nats``; nothing where nobody knows more than that it is a loss."""
        return f" {self.unit}" if self.unit not in {"", OWN_LOSS} else ""

    def shown(self, loss: float) -> float:
        """Return a stored score, or a difference of two, as the user's number."""
        return self.sign * loss

    def ends(self, interval: tuple[float, float]) -> tuple[float, float]:
        """Return an interval in the user's numbers, from below."""
        low, high = sorted(map(self.shown, interval))
        return low, high


NATS = Measure()


def measure_of(task: TaskSettings, unit: str | None) -> Measure:
    """Return what a task's scores are.

    Args:
        task: of the rung.
        unit: that its run keeps; None where it keeps none.
    """
    return Measure(unit or "", task.sign) if task.is_own else NATS
