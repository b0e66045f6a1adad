"""Outcomes -> ranking with its uncertainty. Reads the store at any time, also while the search runs.

What climbed furthest comes first; on the final rung the mean loss on the test split over fresh seeds decides, below it
the mean validation loss of the furthest rung. Only on the final rung is there a rank, with its ties. Not here: the
tests (``significance``), finding one entry (``finding``), and how the list is shown (``run_tables``).
"""

import contextlib
import gc
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from actsearch.grammar.rows.known import names_by_fingerprint
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.memory.records import CLIMBED, FINAL, INCUMBENT, RACED, SEARCH, UNIT, Behaviour, Key, Record, Rung
from actsearch.search.memory.store import Store
from actsearch.search.ranking import significance
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.measure import NATS, Measure, measure_of
from actsearch.search.ranking.significance import (
    Comparison,
    Test,
    compare,
    front,
    rank,
    shared_seeds,
    tally,
)

_WORD = re.compile(r"[A-Za-z_]\w*")
_BUILT_IN = frozenset({"x", *(row.name for row in VOCABULARY)})
REFERENCES = ("relu", "swish")
"""Whom finalists are compared with beside the incumbent, where the run trained them."""


@dataclass(frozen=True)
class Leaderboard:
    """The ranking of a run.

    Args:
        entries: every behaviour that has an outcome, best first.
        rungs: how they were trained.
        missing: why finalists could not be told apart, where there were too few seeds for any test.
        unit: that an own network's scores are in, as the run keeps it; None where it keeps none.
        partly_tested: rungs where some scores came with a test and some without: they are judged by validation alone.
        incumbent: the fingerprint of what all are compared with.
        reference: its name in ``Entry.against``.
        references: all names in ``Entry.against``, the incumbent's first.
        raced: whether the losses decided how many seeds each finalist has.
        climbed: whether the final rung is finished.
    """

    entries: list[Entry]
    rungs: list[Rung]
    missing: str
    unit: str | None = None
    partly_tested: tuple[str, ...] = ()
    incumbent: str = ""
    reference: str = "relu"
    references: tuple[str, ...] = REFERENCES
    raced: bool = False
    climbed: bool = True

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


def leaderboard(store: Store, *, diagnostics: bool = True) -> Leaderboard:
    """Return the ranking of a run.

    Args:
        store: of the run.
        diagnostics: whether outcomes come with them, which takes time where there are many.
    """
    with _uncollected():
        return _leaderboard(store, diagnostics=diagnostics)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Let nothing be searched for garbage meanwhile: it is half of the time with many objects."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _leaderboard(store: Store, *, diagnostics: bool) -> Leaderboard:
    rungs = store.rungs()
    names = [rung.name for rung in rungs]
    entries, partly = _entries(store, names, diagnostics=diagnostics)
    raced = store.fact(RACED) is not None
    test = significance.RACED if raced else significance.FIXED
    finalists = [entry for entry in entries if FINAL in entry.records]
    ranks = rank({entry.fingerprint: losses for entry in finalists if (losses := entry.losses())}, test)
    yardsticks = _yardsticks(entries, store.fact(INCUMBENT))
    comparisons = {name: _against(entries, one, rungs, test) for name, one in yardsticks.items()}
    means = {name: fair_means(entries, name) for name in names}
    incumbent = next(iter(yardsticks.values()), None)
    if raced and incumbent is not None and incumbent.losses():
        means[FINAL] = _levels(finalists, incumbent.losses())
    points = {e.fingerprint: (e, means[FINAL][e.fingerprint]) for e in finalists if e.losses()}
    fronts = {
        "cost": front(
            {fingerprint: (loss, e.cost.against_relu) for fingerprint, (e, loss) in points.items() if e.cost}
        ),
        "size": front({fingerprint: (loss, float(e.size)) for fingerprint, (e, loss) in points.items() if e.size}),
    }
    judged_at_all = {e.fingerprint for e in finalists} | {
        name for by in comparisons.values() for found in by.values() for name in found
    }
    done = [
        replace(entry, position=position)
        if entry.fingerprint not in judged_at_all
        else replace(
            entry,
            position=position,
            ranks=ranks.ranks.get(entry.fingerprint),
            against={name: mine[FINAL] for name, by in comparisons.items() if FINAL in (mine := _of(by, entry))},
            across={name: tally([*mine.values()]) for name, by in comparisons.items() if (mine := _of(by, entry))},
            fronts=tuple(name for name, members in fronts.items() if entry.fingerprint in members),
            level=means.get(FINAL, {}).get(entry.fingerprint),
        )
        for position, entry in enumerate(sorted(entries, key=lambda e: _order(e, means)), start=1)
    ]
    references = tuple(yardsticks) or REFERENCES
    return Leaderboard(
        done, rungs, ranks.missing, store.fact(UNIT), partly, incumbent.fingerprint if incumbent else "",
        references[0], references, raced, store.fact(CLIMBED) is not None,
    )  # fmt: skip


def _yardsticks(entries: Sequence[Entry], incumbent: str | None) -> dict[str, Entry]:
    """Return whom all are compared with, by name, the incumbent first; of a run that names none, the rectifier."""
    named = {name: entry for name in REFERENCES for entry in entries if name in entry.names}
    first = next((entry for entry in entries if entry.fingerprint == incumbent), named.get("relu"))
    if first is None:
        return named
    name = next(
        (name for name in REFERENCES if name in first.names), first.names[0] if first.names else first.expression
    )
    return {name: first} | named


def _levels(entries: Sequence[Entry], incumbent: Mapping[int, float]) -> dict[str, float]:
    """Return fingerprint -> mean loss as over all seeds of the incumbent."""
    mean, found = statistics.fmean(incumbent.values()), {}
    for entry in entries:
        differences = significance.differences_by_seed(entry.losses(), incumbent)
        if differences:
            found[entry.fingerprint] = mean + statistics.fmean(differences)
    return found


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


def _entries(store: Store, rungs: Sequence[str], *, diagnostics: bool) -> tuple[list[Entry], tuple[str, ...]]:
    records: dict[str, dict[str, list[Record]]] = {}
    outcomes, behaviours = store.outcomes(diagnostics=diagnostics), store.behaviours()
    partly = _partly_tested(outcomes)
    for key, record in outcomes.items():
        kept = _untested(record) if key.rung in partly else record
        records.setdefault(key.fingerprint, {}).setdefault(key.rung, []).append(kept)
    twins: dict[str, list[Behaviour]] = {}
    for behaviour in behaviours:
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
            twins=tuple(other.expression for other in twins[behaviour.twin] if other is not behaviour),
            size=_size(behaviour.expression),
            twin=behaviour.twin,
            cost=costs.get(behaviour.fingerprint),
        )
        for behaviour in behaviours
        if behaviour.fingerprint in records
    ]
    return entries, partly


def _size(text: str) -> int | None:
    """Return how many nodes an expression has, a name each; None with a row of the user's own, or of a layer."""
    words = _WORD.findall(text)
    return len(words) if _BUILT_IN.issuperset(words) else None


def _against(
    entries: Sequence[Entry], yardstick: Entry, rungs: Sequence[Rung], final: Test
) -> dict[str, dict[str, Comparison]]:
    """Compare everything with a reference on each rung where the test split was looked at."""
    found: dict[str, dict[str, Comparison]] = {}
    for rung in rungs:
        if rung.test and yardstick.losses(rung.name):
            losses = {e.fingerprint: mine for e in entries if e is not yardstick and (mine := e.losses(rung.name))}
            test = final if rung.name == FINAL else significance.FIXED
            found[rung.name] = compare(losses, yardstick.losses(rung.name), test)
    return found


def _order(entry: Entry, means: Mapping[str, Mapping[str, float]]) -> tuple[int, bool, float, str]:
    """Return what sorts an entry: the furthest rung first, there the lower of ``fair_means``, failures last."""
    mean = means[entry.furthest].get(entry.fingerprint)
    return -[*means].index(entry.furthest), mean is None, mean or 0.0, entry.fingerprint
