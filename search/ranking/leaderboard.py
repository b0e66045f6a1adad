"""Outcomes -> ranking with its uncertainty. Reads the store at any time, also while the search runs.

What climbed furthest comes first; on the final rung the mean loss on the test split over fresh seeds decides, below it
the mean validation loss of the furthest rung. Only on the final rung is there a rank, with its ties. Not here: the
tests (``significance``), finding one entry (``finding``), and how the list is shown (``run_tables``).
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.looks.cost import Cost
from actsearch.evaluators.outcome import Outcome, Status
from actsearch.grammar.parse import BadExpression
from actsearch.grammar.rows.known import names_by_fingerprint
from actsearch.search.memory.records import FINAL, SEARCH, UNIT, Behaviour, Key, Record, Rung
from actsearch.search.memory.store import Store
from actsearch.search.ranking.measure import NATS, Measure, measure_of
from actsearch.search.ranking.significance import (
    Comparison,
    Tally,
    compare,
    front,
    mean_interval,
    rank,
    shared_seeds,
    tally,
)

REFERENCES = ("relu", "swish")
"""Whom finalists are compared with, where the run trained them."""


def judged(outcome: Outcome) -> float | None:
    """Return the loss that an outcome is judged by: of the test split where it was looked at; None for a failure."""
    return None if outcome.score is None else outcome.metrics.get("test_loss", outcome.score)


@dataclass(frozen=True)
class Entry:
    """One behaviour of a run.

    Args:
        position: in the list, from 1.
        fingerprint: its id.
        expression: the text that was trained.
        names: known activations that behave so.
        baseline: whether the run added it for comparison.
        proposed: whether the proposer asked for it, or for a twin that was trained as it.
        records: rung -> a record a seed, in the order of the ladder; other tasks behind it.
        twins: expressions of the run that layers around make equal to it: ``space.share_twins``.
        size: nodes of the expression, its complexity; None for a layer or a primitive that is not built in.
        cost: of value and gradient, measured; finalists only.
        ranks: lowest and highest rank among the finalists that the tests leave open; None below the final rung.
        against: reference -> comparison on the final rung.
        across: reference -> wins, ties and losses over the tasks that both were trained on.
        fronts: ``cost`` and ``size``, where no finalist is as good in both loss and that, and better in one.
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
    ranks: tuple[int, int] | None = None
    against: Mapping[str, Comparison] = field(default_factory=dict)
    across: Mapping[str, Tally] = field(default_factory=dict)
    fronts: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether the search found it: proposed, and nothing that it was given to compare with."""
        return self.proposed and not self.baseline

    @property
    def is_refused(self) -> bool:
        """Whether it was not trained at all."""
        every = (record.outcome.status for records in self.records.values() for record in records)
        return all(status is Status.REJECTED for status in every)

    @property
    def furthest(self) -> str:
        """Return the highest rung of the ladder that it was trained on; other tasks are none."""
        return FINAL if FINAL in self.records else [*self.records][-1]

    def failures(self, rung: str = FINAL) -> int:
        """Return how many seeds of a rung gave no score; they are shown, never averaged away."""
        return sum(record.outcome.status is not Status.SCORED for record in self.records.get(rung, ()))

    def losses(self, rung: str = FINAL) -> dict[int, float]:
        """Return a rung's losses by repeat, which has the same seed for everybody; none at all where a seed failed."""
        found = {record.key.repeat: judged(record.outcome) for record in self.records.get(rung, ())}
        known = {repeat: loss for repeat, loss in found.items() if loss is not None}
        return known if len(known) == len(found) else {}

    def mean(self, rung: str = FINAL, metric: str = "") -> float | None:
        """Return the mean over a rung's seeds of what it is judged by, or of a metric; None if a seed failed."""
        found = [r.outcome.metrics.get(metric) if metric else judged(r.outcome) for r in self.records.get(rung, ())]
        known = [number for number in found if number is not None]
        return statistics.fmean(known) if known and len(known) == len(found) else None

    def interval(self, rung: str = FINAL) -> tuple[float, float] | None:
        """Return the 95 % interval of that mean; None with fewer than two seeds, or if one failed."""
        losses = [*self.losses(rung).values()]
        return mean_interval(losses) if len(losses) > 1 else None


@dataclass(frozen=True)
class Leaderboard:
    """The ranking of a run.

    Args:
        entries: every behaviour that has an outcome, best first.
        rungs: how they were trained.
        missing: why finalists could not be told apart, where there were too few seeds for any test.
        unit: that an own network's scores are in, as the run keeps it; None where it keeps none.
        partly_tested: rungs where some scores came with a test and some without: they are judged by validation alone.
    """

    entries: list[Entry]
    rungs: list[Rung]
    missing: str
    unit: str | None = None
    partly_tested: tuple[str, ...] = ()

    def measure(self, rung: str = SEARCH) -> Measure:
        """Return what the scores of a rung are, the search's where it is not named."""
        return next((measure_of(one.task, self.unit) for one in self.rungs if one.name == rung), NATS)

    @property
    def counted(self) -> str:
        """Return how many there are, in words: what the search trained, what it is compared with, what was refused."""
        refused = sum(entry.is_refused and not entry.baseline for entry in self.entries)
        baselines = sum(entry.baseline for entry in self.entries)
        trained = len(self.entries) - baselines - refused
        return f"{trained} behaviours trained, {baselines} baselines" + f", {refused} refused untrained" * bool(refused)


def fair_means(entries: Iterable[Entry], rung: str) -> dict[str, float]:
    """Return fingerprint -> mean loss on a rung, of those without a failed seed, over the seeds that all of these have.

    While a rung is being trained they have different ones, and some seeds are harder than others. Where they share
    none, each has the mean of its own.
    """
    losses = {entry.fingerprint: mine for entry in entries if (mine := entry.losses(rung))}
    common = shared_seeds(losses.values())
    return {fingerprint: statistics.fmean(mine[n] for n in common or mine) for fingerprint, mine in losses.items()}


def leaderboard(store: Store) -> Leaderboard:
    """Return the ranking of a run."""
    rungs = store.rungs()
    names = [rung.name for rung in rungs]
    entries, partly = _entries(store, names)
    ranks = rank({entry.fingerprint: entry.losses() for entry in entries if entry.losses()})
    comparisons = {name: _against(entries, name, rungs) for name in REFERENCES}
    means = {name: fair_means(entries, name) for name in names}
    points = {e.fingerprint: (e, means[FINAL][e.fingerprint]) for e in entries if e.losses()}
    fronts = {
        "cost": front(
            {fingerprint: (loss, e.cost.against_relu) for fingerprint, (e, loss) in points.items() if e.cost}
        ),
        "size": front({fingerprint: (loss, float(e.size)) for fingerprint, (e, loss) in points.items() if e.size}),
    }
    done = [
        replace(
            entry,
            position=position,
            ranks=ranks.ranks.get(entry.fingerprint),
            against={name: mine[FINAL] for name, by in comparisons.items() if FINAL in (mine := _of(by, entry))},
            across={name: tally([*mine.values()]) for name, by in comparisons.items() if (mine := _of(by, entry))},
            fronts=tuple(name for name, members in fronts.items() if entry.fingerprint in members),
        )
        for position, entry in enumerate(sorted(entries, key=lambda e: _order(e, means)), start=1)
    ]
    return Leaderboard(done, rungs, ranks.missing, store.fact(UNIT), partly)


def _of(comparisons: Mapping[str, Mapping[str, Comparison]], entry: Entry) -> dict[str, Comparison]:
    """Return one entry's comparisons with a reference, by rung."""
    return {rung: found[entry.fingerprint] for rung, found in comparisons.items() if entry.fingerprint in found}


def _partly_tested(outcomes: Mapping[Key, Record]) -> tuple[str, ...]:
    told: dict[str, set[bool]] = {}
    for key, record in outcomes.items():
        if record.outcome.score is not None:
            told.setdefault(key.rung, set()).add("test_loss" in record.outcome.metrics)
    return tuple(rung for rung, found in told.items() if len(found) == 2)


def _untested(record: Record) -> Record:
    """Return a record without its test: a mean of tests and validations would be neither."""
    metrics = {name: value for name, value in record.outcome.metrics.items() if not name.startswith("test_")}
    return replace(record, outcome=replace(record.outcome, metrics=metrics))


def _entries(store: Store, rungs: Sequence[str]) -> tuple[list[Entry], tuple[str, ...]]:
    records: dict[str, dict[str, list[Record]]] = {}
    outcomes = store.outcomes()
    partly = _partly_tested(outcomes)
    for key, record in outcomes.items():
        kept = _untested(record) if key.rung in partly else record
        records.setdefault(key.fingerprint, {}).setdefault(key.rung, []).append(kept)
    twins: dict[str, list[Behaviour]] = {}
    for behaviour in store.behaviours():
        twins.setdefault(behaviour.twin, []).append(behaviour)
    names, costs, proposed = names_by_fingerprint(), store.costs(), set(store.proposed())
    entries = [
        Entry(
            position=0,
            fingerprint=behaviour.fingerprint,
            expression=behaviour.expression,
            names=names.get(behaviour.fingerprint, ()),
            baseline=behaviour.baseline,
            proposed=behaviour.fingerprint in proposed,
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
    return entries, partly


def _size(text: str) -> int | None:
    try:
        return BUILT_IN.read(text).size
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


def _order(entry: Entry, means: Mapping[str, Mapping[str, float]]) -> tuple[int, bool, float, str]:
    """Return what sorts an entry: the furthest rung first, there the lower of ``fair_means``, failures last."""
    mean = means[entry.furthest].get(entry.fingerprint)
    return -[*means].index(entry.furthest), mean is None, mean or 0.0, entry.fingerprint
