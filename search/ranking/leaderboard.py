"""The ranking of a run with its uncertainty, read from the store at any time, also while the search runs.

Functions on a higher rung come first; on one rung, those of lower mean loss. The losses of the final rung are those of
the test split over fresh seeds: there, functions better than the incumbent come first and worse ones last. A race gives
functions different numbers of seeds, so it orders by the difference from the incumbent over shared seeds, not by the
mean. Not here: an entry for each behaviour (``entries``), the tests (``significance``), finding one entry
(``finding``), and how the list is shown (``run_tables``).
"""

import contextlib
import gc
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from actsearch.evaluators.printable import printable
from actsearch.search.memory.records import (
    ASKED,
    CLIMBED,
    FINAL,
    INCUMBENT,
    RACED,
    REPLACED,
    SEARCH,
    UNIT,
    Rung,
)
from actsearch.search.memory.store import Store
from actsearch.search.ranking import significance
from actsearch.search.ranking.claims import Entrants
from actsearch.search.ranking.entries import entries_of
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.measure import NATS, Measure, measure_of
from actsearch.search.ranking.significance import (
    Comparison,
    Test,
    compare,
    differences_by_seed,
    front,
    shared_seeds,
    tally,
)
from actsearch.search.ranking.standing import may_be_better

REFERENCES = ("relu", "swish")
"""Known functions that finalists are compared with beside the incumbent, if the run trained them."""


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """The ranking of a run.

    Args:
        entries: every behaviour that has an outcome, best first.
        rungs: the rungs of the run, then its other tasks.
        unit: unit of the scores of a user's network; None if the run stored none.
        partly_tested: names of the rungs where only some scores came with a test loss; their entries are judged by
            validation loss alone.
        incumbent: fingerprint of the function that every other one is compared with.
        reference: name of the incumbent in ``Entry.against``.
        references: all names in ``Entry.against``, the incumbent's first.
        raced: whether the losses decided how many seeds each finalist has.
        climbed: whether the final rung is finished.
        asked: arguments of the search command (its config and changes), ready to paste behind it; empty if the run was
            launched from Python.
        budget: the budget key that set the length of the search, and its value.
        entrants: the functions of a race, in the order of promise.
        replaced: names of the layers that the candidate replaced in a user's network; None if the run stored none.
    """

    entries: list[Entry]
    rungs: list[Rung]
    unit: str | None = None
    partly_tested: tuple[str, ...] = ()
    incumbent: str = ""
    reference: str = "relu"
    references: tuple[str, ...] = REFERENCES
    raced: bool = False
    climbed: bool = True
    asked: str = ""
    budget: tuple[str, int] = ("children", 300)
    replaced: tuple[str, ...] | None = None
    entrants: Entrants = field(default_factory=Entrants)

    def __repr__(self) -> str:
        """Return the number of entries, not the entries themselves."""
        return f"Leaderboard of {len(self.entries)} entries: {self.counted}"

    def measure(self, rung: str = SEARCH) -> Measure:
        """Return the measure of a rung's scores; by default, of the search rung."""
        return next((measure_of(one.task, self.unit) for one in self.rungs if one.name == rung), NATS)

    @property
    def is_loop(self) -> bool:
        """Whether the user's own loop trains the children."""
        return any(rung.task.own.loop for rung in self.rungs)

    @property
    def counted(self) -> str:
        """Return in words how many behaviours were trained, how many baselines there are, and how many were refused."""
        refused = sum(entry.is_refused and not entry.baseline for entry in self.entries)
        baselines = sum(entry.baseline for entry in self.entries)
        trained = len(self.entries) - baselines - refused
        return f"{trained} behaviours trained, {baselines} baselines" + f", {refused} refused untrained" * bool(refused)


def fair_means(entries: Iterable[Entry], rung: str) -> dict[str, float]:
    """Return fingerprint -> mean loss on a rung, over the seeds that all entries without a failed seed share.

    While a rung is being trained, entries have different seeds, and some seeds are harder than others. If they share no
    seed, each entry gets the mean over its own seeds.
    """
    losses = {entry.fingerprint: mine for entry in entries if (mine := entry.losses(rung))}
    common = shared_seeds(losses.values())
    return {fingerprint: statistics.fmean(mine[n] for n in common or mine) for fingerprint, mine in losses.items()}


def leaderboard(store: Store, *, diagnostics: bool = True) -> Leaderboard:
    """Return the ranking of a run.

    Args:
        store: store of the run.
        diagnostics: whether to read the diagnostics of outcomes, which takes time if there are many outcomes.
    """
    with _without_garbage_collection():
        return _leaderboard(store, diagnostics=diagnostics)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Switch the garbage collector off meanwhile: with many objects it takes half of the time."""
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
    entries, partly = entries_of(store, names, diagnostics=diagnostics)
    raced = store.fact(RACED) is not None
    entrants = Entrants.of(store.facts())
    test = significance.raced(entrants) if raced else significance.FIXED
    finalists = [entry for entry in entries if FINAL in entry.records]
    references = _references(entries, store.fact(INCUMBENT))
    comparisons = {name: _compare_on_rungs(entries, one, rungs, test) for name, one in references.items()}
    means = {name: fair_means(entries, name) for name in names}
    incumbent = next(iter(references.values()), None)
    reference, climbed = next(iter(references), REFERENCES[0]), store.fact(CLIMBED) is not None
    fronts = _fronts(finalists)
    entries = [
        _place(_add_comparisons(entry, comparisons, reference, fronts), incumbent, reference, over=raced and climbed)
        for entry in entries
    ]
    if raced and incumbent is not None and incumbent.losses():
        means[FINAL] = _differences(entries, reference)
    entries.sort(key=lambda e: _order(e, means))
    return Leaderboard(
        [entry.at(position) for position, entry in enumerate(entries, start=1)],
        rungs, _printable_or_none(store.fact(UNIT)), partly, incumbent.fingerprint if incumbent else "", reference,
        tuple(references) or REFERENCES, raced, climbed, printable(store.fact(ASKED) or ""), _budget(store),
        None if (replaced := store.fact(REPLACED)) is None else tuple(replaced.split()), entrants,
    )  # fmt: skip


def _budget(store: Store) -> tuple[str, int]:
    """Return the budget key that set the length of the search (trainings, or behaviours to train) and its value."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        budget = json.loads(store.fact("settings") or "{}")["budget"]
        return ("trainings", int(budget["trainings"])) if budget.get("trainings") else ("children", budget["children"])
    return "children", 0


def _printable_or_none(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _fronts(finalists: Sequence[Entry]) -> dict[str, set[str]]:
    """Return the fingerprints on the Pareto fronts of mean loss with ``cost`` and of mean loss with ``size``."""
    points = [(entry, mean) for entry in finalists if (mean := entry.mean()) is not None]
    return {
        "cost": front({e.fingerprint: (loss, e.cost.against_relu) for e, loss in points if e.cost}),
        "size": front({e.fingerprint: (loss, float(e.size)) for e, loss in points if e.size}),
    }


def _add_comparisons(
    entry: Entry, comparisons: Mapping[str, Mapping[str, Mapping[str, Comparison]]], reference: str,
    fronts: Mapping[str, set[str]],
) -> Entry:  # fmt: skip
    """Return the entry with its fronts and its comparisons (``reference -> rung -> fingerprint -> comparison``)."""
    compared = {name: mine for name, by in comparisons.items() if (mine := _comparisons_of(by, entry))}
    if FINAL not in entry.records and not compared:
        return entry
    return replace(
        entry,
        against={name: mine[FINAL] for name, mine in compared.items() if FINAL in mine},
        elsewhere={rung: one for rung, one in compared.get(reference, {}).items() if rung != FINAL},
        across={name: tally([*mine.values()]) for name, mine in compared.items()},
        fronts=tuple(name for name, members in fronts.items() if entry.fingerprint in members),
    )


def _place(entry: Entry, incumbent: Entry | None, reference: str, *, over: bool) -> Entry:
    """Return the entry with its standing against the incumbent.

    Args:
        entry: an entry that has its comparisons already.
        incumbent: entry of the incumbent; None if the run has none.
        reference: name of the incumbent in ``Entry.against``.
        over: whether the run had a race that has ended; an entry with fewer seeds that is not ahead was then dropped.
    """
    if FINAL not in entry.records or incumbent is None or FINAL not in incumbent.records:
        return entry
    fewer = len(entry.records[FINAL]) < len(incumbent.records[FINAL])
    comparison = entry.against.get(reference)
    if entry.fingerprint == incumbent.fingerprint:
        standing = "incumbent"
    elif not entry.losses():
        standing = "failed"
    elif comparison is None:
        standing = ""
    else:
        pairs = differences_by_seed(entry.losses(), incumbent.losses())
        standing = comparison.sure or ("dropped" if over and fewer and not may_be_better(pairs) else "open")
    return replace(entry, standing=standing, fewer=fewer)


def _references(entries: Sequence[Entry], incumbent: str | None) -> dict[str, Entry]:
    """Return the reference entries by name, the incumbent first; ReLU if the run names no incumbent."""
    named = {name: entry for name in REFERENCES for entry in entries if name in entry.names}
    first = next((entry for entry in entries if entry.fingerprint == incumbent), named.get("relu"))
    if first is None:
        return named
    name = next(
        (name for name in REFERENCES if name in first.names), first.names[0] if first.names else first.expression
    )
    return {name: first} | named


def _differences(entries: Sequence[Entry], reference: str) -> dict[str, float]:
    """Return fingerprint -> difference from the incumbent on the final rung; 0 for the incumbent itself."""
    differences = {entry.fingerprint: 0.0 for entry in entries if entry.standing == "incumbent"}
    return differences | {e.fingerprint: e.against[reference].difference for e in entries if reference in e.against}


def _comparisons_of(comparisons: Mapping[str, Mapping[str, Comparison]], entry: Entry) -> dict[str, Comparison]:
    """Return the comparisons of one entry with a reference, by rung."""
    return {rung: by_name[entry.fingerprint] for rung, by_name in comparisons.items() if entry.fingerprint in by_name}


def _compare_on_rungs(
    entries: Sequence[Entry], reference: Entry, rungs: Sequence[Rung], final: Test
) -> dict[str, dict[str, Comparison]]:
    """Compare every entry with a reference on each rung that used the test split."""
    comparisons: dict[str, dict[str, Comparison]] = {}
    for rung in rungs:
        if rung.test and reference.losses(rung.name):
            losses = {e.fingerprint: mine for e in entries if e is not reference and (mine := e.losses(rung.name))}
            test = final if rung.name == FINAL else significance.FIXED
            comparisons[rung.name] = compare(losses, reference.losses(rung.name), test)
    return comparisons


def _order(entry: Entry, means: Mapping[str, Mapping[str, float]]) -> tuple[int, bool, int, float, str]:
    """Return the sort key of an entry: furthest rung, then failures last, then standing, then mean."""
    mean = means[entry.furthest].get(entry.fingerprint)
    group = {"better": -1, "worse": 1}.get(entry.standing, 0)
    return -[*means].index(entry.furthest), mean is None, group, mean or 0.0, entry.fingerprint
