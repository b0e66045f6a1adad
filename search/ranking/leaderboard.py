"""Outcomes -> ranking with its uncertainty. Reads the store at any time, also while the search runs.

What climbed furthest comes first; on the final rung the mean loss on the test split over fresh seeds decides, below it
the mean validation loss of the furthest rung. Only on the final rung is there a rank, with its ties. Not here: the
tests (``significance``), finding one entry (``finding``), and how the list is shown (``run_tables``).
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evaluators.activation import is_layer
from evaluators.cost import Cost
from evaluators.outcome import Outcome, Status
from grammar.known import names_by_fingerprint
from grammar.parse import BadExpression, parse
from grammar.sets import VOCABULARY
from search.ranking.significance import Comparison, Tally, compare, front, mean_interval, rank, tally
from search.records import FINAL, Behaviour, Record, Rung
from search.store import Store

REFERENCES = ("relu", "swish")
"""Whom finalists are compared with, where the run trained them."""


def judged(outcome: Outcome) -> float | None:
    """Return the loss that an outcome is judged by: of the test split where it was looked at; None for a failure."""
    return None if outcome.score is None else outcome.metrics.get("test_loss", outcome.score)


@dataclass(frozen=True)
class Entry:
    """One behaviour of a run.

    Args:
        place: in the list, from 1.
        fingerprint: its id.
        expression: the text that was trained.
        names: known activations that behave so.
        baseline: whether the run added it for comparison.
        records: rung -> a record a seed, in the order of the ladder; other tasks behind it.
        twins: expressions of the run that layers around make equal to it: ``space.share_twins``.
        size: nodes of the expression, its complexity; None for a layer or a primitive that is not built in.
        cost: of value and gradient, measured; finalists only.
        ranks: lowest and highest rank among the finalists that the tests leave open; None below the final rung.
        against: reference -> comparison on the final rung.
        across: reference -> wins, ties and losses over the tasks that both were trained on.
        fronts: ``cost`` and ``size``, where no finalist is as good in both loss and that, and better in one.
    """

    place: int
    fingerprint: str
    expression: str
    names: tuple[str, ...]
    baseline: bool
    records: Mapping[str, tuple[Record, ...]]
    twins: tuple[str, ...] = ()
    size: int | None = None
    cost: Cost | None = None
    ranks: tuple[int, int] | None = None
    against: Mapping[str, Comparison] = field(default_factory=dict)
    across: Mapping[str, Tally] = field(default_factory=dict)
    fronts: tuple[str, ...] = ()

    @property
    def furthest(self) -> str:
        """Return the highest rung of the ladder that it was trained on; other tasks are none."""
        return FINAL if FINAL in self.records else [*self.records][-1]

    def failures(self, rung: str = FINAL) -> int:
        """Return how many seeds of a rung gave no score; they are shown, never averaged away."""
        return sum(record.outcome.status is not Status.SCORED for record in self.records.get(rung, ()))

    def losses(self, rung: str = FINAL) -> list[float]:
        """Return a rung's losses, a number a seed; none where a seed failed."""
        found = [judged(record.outcome) for record in self.records.get(rung, ())]
        return [] if None in found else [loss for loss in found if loss is not None]

    def mean(self, rung: str = FINAL, metric: str = "") -> float | None:
        """Return the mean over a rung's seeds of what it is judged by, or of a metric; None if a seed failed."""
        found = [r.outcome.metrics.get(metric) if metric else judged(r.outcome) for r in self.records.get(rung, ())]
        known = [number for number in found if number is not None]
        return statistics.fmean(known) if known and len(known) == len(found) else None

    def interval(self, rung: str = FINAL) -> tuple[float, float] | None:
        """Return the 95 % interval of that mean; None with fewer than two seeds, or if one failed."""
        losses = self.losses(rung)
        return mean_interval(losses) if len(losses) > 1 else None


@dataclass(frozen=True)
class Leaderboard:
    """The ranking of a run.

    Args:
        entries: every behaviour that has an outcome, best first.
        rungs: how they were trained.
        missing: why finalists could not be told apart, where there were too few seeds for any test.
    """

    entries: list[Entry]
    rungs: list[Rung]
    missing: str


def leaderboard(store: Store) -> Leaderboard:
    """Return the ranking of a run."""
    rungs = store.rungs()
    names = [rung.name for rung in rungs]
    entries = _entries(store, names)
    complete = {entry.fingerprint: entry.losses() for entry in entries if entry.losses()}
    ranks = rank(complete)
    comparisons = {name: _against(entries, name, rungs) for name in REFERENCES}
    points = {e.fingerprint: (e, e.mean() or 0.0) for e in entries if e.fingerprint in complete}
    fronts = {
        "cost": front({name: (loss, e.cost.against_relu) for name, (e, loss) in points.items() if e.cost}),
        "size": front({name: (loss, float(e.size)) for name, (e, loss) in points.items() if e.size}),
    }
    done = [
        replace(
            entry,
            place=place,
            ranks=ranks.ranks.get(entry.fingerprint),
            against={name: mine[FINAL] for name, by in comparisons.items() if FINAL in (mine := _of(by, entry))},
            across={name: tally([*mine.values()]) for name, by in comparisons.items() if (mine := _of(by, entry))},
            fronts=tuple(name for name, members in fronts.items() if entry.fingerprint in members),
        )
        for place, entry in enumerate(sorted(entries, key=lambda e: _order(e, names)), start=1)
    ]
    return Leaderboard(done, rungs, ranks.missing)


def _of(comparisons: Mapping[str, Mapping[str, Comparison]], entry: Entry) -> dict[str, Comparison]:
    """Return one entry's comparisons with a reference, by rung."""
    return {rung: found[entry.fingerprint] for rung, found in comparisons.items() if entry.fingerprint in found}


def _entries(store: Store, rungs: Sequence[str]) -> list[Entry]:
    records: dict[str, dict[str, list[Record]]] = {}
    for key, record in store.outcomes().items():
        records.setdefault(key.fingerprint, {}).setdefault(key.rung, []).append(record)
    twins: dict[str, list[Behaviour]] = {}
    for behaviour in store.behaviours():
        twins.setdefault(behaviour.twin, []).append(behaviour)
    names, costs = names_by_fingerprint(), store.costs()
    return [
        Entry(
            place=0,
            fingerprint=behaviour.fingerprint,
            expression=behaviour.expression,
            names=names.get(behaviour.fingerprint, ()),
            baseline=behaviour.baseline,
            records={
                rung: tuple(sorted(found[rung], key=lambda record: record.key.repeat))
                for rung in rungs
                if rung in (found := records[behaviour.fingerprint])
            },
            twins=tuple(other.expression for other in twins[behaviour.twin] if other != behaviour),
            size=_size(behaviour.expression),
            cost=costs.get(behaviour.fingerprint),
        )
        for behaviour in store.behaviours()
        if behaviour.fingerprint in records
    ]


def _size(text: str) -> int | None:
    if is_layer(text):
        return None
    try:
        return parse(text, VOCABULARY).size
    except BadExpression:  # a primitive of the user's own: code is never taken from a store
        return None


def _against(entries: Sequence[Entry], reference: str, rungs: Sequence[Rung]) -> dict[str, dict[str, Comparison]]:
    """Compare everything with the reference on each rung where the test split was looked at."""
    found: dict[str, dict[str, Comparison]] = {}
    yardstick = next((entry for entry in entries if reference in entry.names), None)
    for rung in rungs if yardstick else ():
        losses = {e.fingerprint: mine for e in entries if e is not yardstick and (mine := e.losses(rung.name))}
        if rung.test and yardstick and yardstick.losses(rung.name):
            found[rung.name] = compare(losses, yardstick.losses(rung.name))
    return found


def _order(entry: Entry, rungs: Sequence[str]) -> tuple[int, bool, float, str]:
    mean = entry.mean(entry.furthest)
    return -rungs.index(entry.furthest), mean is None, mean or 0.0, entry.fingerprint
