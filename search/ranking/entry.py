"""One behaviour of a run: its trainings, and its standing among the others.

Not here: how entries are ranked (``leaderboard``).
"""

import functools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from actsearch.evaluators.outcome import Cost, Outcome, Status
from actsearch.grammar.expression import Expression
from actsearch.grammar.parse import BadExpression
from actsearch.grammar.rows.known import read_rows
from actsearch.search.memory.records import FINAL, Record
from actsearch.search.ranking.significance import Comparison, Tally, mean_interval

K = TypeVar("K")


def judged(outcome: Outcome) -> float | None:
    """Return the loss that judges an outcome: the test loss if there is one, else the score; None for a failure."""
    return None if outcome.score is None else outcome.metrics.get("test_loss", outcome.score)


def without_failures(losses: Mapping[K, float | None]) -> dict[K, float]:
    """Return the losses, or none at all if one is missing: a failed seed is never averaged away."""
    known = {key: loss for key, loss in losses.items() if loss is not None}
    return known if len(known) == len(losses) else {}


@functools.lru_cache(maxsize=4096)
def built_in_expression(text: str) -> Expression | None:
    """Return the expression of a text from a store; None for a layer, or with a primitive of the user's own.

    The user's code is never taken from a store.
    """
    try:
        return read_rows(text)
    except BadExpression:
        return None


@dataclass(frozen=True, repr=False)
class Entry:
    """One behaviour of a run.

    Args:
        position: position in the list, from 1.
        fingerprint: fingerprint of the behaviour, its id.
        expression: text that was trained.
        names: names of known activations with this behaviour.
        baseline: whether the run added it for comparison.
        proposed: whether the proposer asked for it, or for a twin that was trained as it.
        records: rung -> one record for each seed, in the order of the ladder; other tasks follow.
        twins: expressions of the run that neighbouring layers make equal to it (``space.share_twins``).
        size: number of nodes of the expression, its complexity; None for a layer or a primitive that is not built in.
        cost: measured cost of value and gradient; finalists only.
        standing: standing of a finalist against the incumbent: ``better``, ``worse``, ``open``, ``dropped`` (left the
            race, not ahead), ``incumbent``, or ``failed``; empty below the final rung, or without a comparison.
        against: reference -> comparison on the final rung.
        elsewhere: other task -> comparison with the incumbent on that task.
        across: reference -> wins, ties and losses over the tasks that both were trained on.
        fronts: names of the Pareto fronts that it is on: mean loss with ``cost``, and with ``size``, among finalists.
        twin: key that it shares with its mirror images.
        fewer: whether it has fewer seeds on the final rung than the incumbent, so their means are over different seeds.
    """

    position: int
    fingerprint: str
    expression: str
    names: tuple[str, ...]
    baseline: bool
    proposed: bool
    records: Mapping[str, tuple[Record, ...]]
    twins: tuple[str, ...] = ()
    size: int | None = None
    cost: Cost | None = None
    standing: str = ""
    against: Mapping[str, Comparison] = field(default_factory=dict)
    elsewhere: Mapping[str, Comparison] = field(default_factory=dict)
    across: Mapping[str, Tally] = field(default_factory=dict)
    fronts: tuple[str, ...] = ()
    twin: str = ""
    fewer: bool = False

    def __repr__(self) -> str:
        """Return a short description without the outcomes."""
        kind = "baseline" if self.baseline else "find" if self.found else "entry"
        seeds = len(self.records[self.furthest]) if self.records else 0
        return f"Entry({self.position}, '{self.expression}', {kind}, {seeds} seeds on {self.furthest})"

    @property
    def found(self) -> bool:
        """Whether it is a find of the search: proposed, and no baseline."""
        return self.proposed and not self.baseline

    @property
    def is_refused(self) -> bool:
        """Whether it was refused: never trained at all."""
        every = (record.outcome.status for records in self.records.values() for record in records)
        return all(status is Status.REJECTED for status in every)

    @property
    def furthest(self) -> str:
        """Return the highest rung of the ladder that it was trained on; other tasks are no rungs of it."""
        return FINAL if FINAL in self.records else [*self.records][-1]

    def at(self, position: int) -> "Entry":
        """Return a copy at a position of the ranking; ``dataclasses.replace`` would take five times as long."""
        placed = object.__new__(Entry)
        placed.__dict__.update(self.__dict__, position=position)
        return placed

    def failures(self, rung: str = FINAL) -> int:
        """Return the number of a rung's seeds without a score; these are shown, never averaged away."""
        return sum(record.outcome.status is not Status.SCORED for record in self.records.get(rung, ()))

    def losses(self, rung: str = FINAL) -> dict[int, float]:
        """Return a rung's losses by repeat, whose seed all entries share; none at all if a seed failed."""
        if rung not in self.records:
            return {}
        return without_failures({record.key.repeat: judged(record.outcome) for record in self.records[rung]})

    def mean(self, rung: str = FINAL, metric: str = "") -> float | None:
        """Return the mean over a rung's seeds of the judged loss, or of a metric; None if a seed lacks it."""
        if rung not in self.records:
            return None
        numbers = [r.outcome.metrics.get(metric) if metric else judged(r.outcome) for r in self.records[rung]]
        known = [number for number in numbers if number is not None]
        return statistics.fmean(known) if known and len(known) == len(numbers) else None

    def interval(self, rung: str = FINAL) -> tuple[float, float] | None:
        """Return the 95 % interval of the mean loss; None with fewer than two seeds, or if one failed."""
        losses = [*self.losses(rung).values()]
        return mean_interval(losses) if len(losses) > 1 else None
