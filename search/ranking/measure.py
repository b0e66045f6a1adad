"""What a score is in, and which way is better: decided by the task, kept in the store, told with every number.

Not here: losses (``evaluators.own.losses``) and tables (``search.show``).
"""

from dataclasses import dataclass

from actsearch.evaluators.settings import TaskSettings


@dataclass(frozen=True)
class Measure:
    """What is scored.

    Args:
        unit: of a score, such as ``nats``; empty where nobody knows.
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
        return f"{self.noun} in {self.unit}, {better}" if self.unit else f"scores of your own, {better}"

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
    return Measure(unit or "", task.own.sign) if task.name == "own" else NATS
