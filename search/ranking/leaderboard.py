"""Outcomes -> ranking with its uncertainty. Reads the store at any time, also while the search runs.

What climbed furthest comes first, on every rung the lower mean loss; on the final rung, whose losses are those of the
test split over fresh seeds, those that are better than the incumbent come first and those that are worse last. In a
race, which gives functions different seeds, the difference from the incumbent over shared seeds orders, not the mean.
Not here: an entry for each behaviour (``entries``), the tests (``significance``), finding one entry (``finding``), and
how the list is shown (``run_tables``).
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
"""Whom finalists are compared with beside the incumbent, where the run trained them."""


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """The ranking of a run.

    Args:
        entries: every behaviour that has an outcome, best first.
        rungs: how they were trained.
        unit: that an own network's scores are in, as the run keeps it; None where it keeps none.
        partly_tested: rungs where some scores came with a test and some without: they are judged by validation alone.
        incumbent: the fingerprint of what all are compared with.
        reference: its name in ``Entry.against``.
        references: all names in ``Entry.against``, the incumbent's first.
        raced: whether the losses decided how many seeds each finalist has.
        climbed: whether the final rung is finished.
        asked: what the search command was given, to be pasted behind it: its config and changes; empty where it was
            launched from Python.
        budget: the key that says how long the search was to be, and its value.
        entrants: of a race, in the order of promise.
        replaced: what the candidate took the place of in a network of the user's; None where the run keeps none.
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
        """Return how many there are, not all of them."""
        return f"Leaderboard of {len(self.entries)} entries: {self.counted}"

    def measure(self, rung: str = SEARCH) -> Measure:
        """Return what the scores of a rung are, the search's where it is not named."""
        return next((measure_of(one.task, self.unit) for one in self.rungs if one.name == rung), NATS)

    @property
    def is_loop(self) -> bool:
        """Whether the children are trained in a loop of the user's."""
        return any(rung.task.own.loop for rung in self.rungs)

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
    entries, partly = entries_of(store, names, diagnostics=diagnostics)
    raced = store.fact(RACED) is not None
    entrants = Entrants.of(store.facts())
    test = significance.raced(entrants) if raced else significance.FIXED
    finalists = [entry for entry in entries if FINAL in entry.records]
    yardsticks = _yardsticks(entries, store.fact(INCUMBENT))
    comparisons = {name: _against(entries, one, rungs, test) for name, one in yardsticks.items()}
    means = {name: fair_means(entries, name) for name in names}
    incumbent = next(iter(yardsticks.values()), None)
    reference, climbed = next(iter(yardsticks), REFERENCES[0]), store.fact(CLIMBED) is not None
    fronts = _fronts(finalists)
    entries = [
        _placed(_compared(entry, comparisons, reference, fronts), incumbent, reference, over=raced and climbed)
        for entry in entries
    ]
    if raced and incumbent is not None and incumbent.losses():
        means[FINAL] = _differences(entries, reference)
    entries.sort(key=lambda e: _order(e, means))
    return Leaderboard(
        [entry.at(position) for position, entry in enumerate(entries, start=1)],
        rungs, _printed(store.fact(UNIT)), partly, incumbent.fingerprint if incumbent else "", reference,
        tuple(yardsticks) or REFERENCES, raced, climbed, printable(store.fact(ASKED) or ""), _budget(store),
        None if (replaced := store.fact(REPLACED)) is None else tuple(replaced.split()), entrants,
    )  # fmt: skip


def _budget(store: Store) -> tuple[str, int]:
    """Return what the settings say of how long the search was to be: trainings in all, or behaviours to train."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        budget = json.loads(store.fact("settings") or "{}")["budget"]
        return ("trainings", int(budget["trainings"])) if budget.get("trainings") else ("children", budget["children"])
    return "children", 0


def _printed(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _fronts(finalists: Sequence[Entry]) -> dict[str, set[str]]:
    """Return the Pareto fronts of mean loss and cost, or size, by that name: fingerprints."""
    points = [(entry, mean) for entry in finalists if (mean := entry.mean()) is not None]
    return {
        "cost": front({e.fingerprint: (loss, e.cost.against_relu) for e, loss in points if e.cost}),
        "size": front({e.fingerprint: (loss, float(e.size)) for e, loss in points if e.size}),
    }


def _compared(
    entry: Entry, comparisons: Mapping[str, Mapping[str, Mapping[str, Comparison]]], reference: str,
    fronts: Mapping[str, set[str]],
) -> Entry:  # fmt: skip
    """Return an entry with its comparisons, ``reference -> rung -> fingerprint -> comparison``, and its fronts."""
    found = {name: mine for name, by in comparisons.items() if (mine := _of(by, entry))}
    if FINAL not in entry.records and not found:
        return entry
    return replace(
        entry,
        against={name: mine[FINAL] for name, mine in found.items() if FINAL in mine},
        elsewhere={rung: one for rung, one in found.get(reference, {}).items() if rung != FINAL},
        across={name: tally([*mine.values()]) for name, mine in found.items()},
        fronts=tuple(name for name, members in fronts.items() if entry.fingerprint in members),
    )


def _placed(entry: Entry, incumbent: Entry | None, reference: str, *, over: bool) -> Entry:
    """Return an entry with where it stands beside the incumbent.

    Args:
        entry: with its comparisons.
        incumbent: what all are compared with.
        reference: its name in ``Entry.against``.
        over: whether a race is over, so that whoever has fewer seeds, and is not ahead, was dropped.
    """
    if FINAL not in entry.records or incumbent is None or FINAL not in incumbent.records:
        return entry
    fewer = len(entry.records[FINAL]) < len(incumbent.records[FINAL])
    found = entry.against.get(reference)
    if entry.fingerprint == incumbent.fingerprint:
        standing = "incumbent"
    elif not entry.losses():
        standing = "failed"
    elif found is None:
        standing = ""
    else:
        pairs = differences_by_seed(entry.losses(), incumbent.losses())
        standing = found.sure or ("dropped" if over and fewer and not may_be_better(pairs) else "open")
    return replace(entry, standing=standing, fewer=fewer)


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


def _differences(entries: Sequence[Entry], reference: str) -> dict[str, float]:
    """Return fingerprint -> difference from the incumbent on the final rung, 0 for itself."""
    found = {entry.fingerprint: 0.0 for entry in entries if entry.standing == "incumbent"}
    return found | {e.fingerprint: e.against[reference].difference for e in entries if reference in e.against}


def _of(comparisons: Mapping[str, Mapping[str, Comparison]], entry: Entry) -> dict[str, Comparison]:
    """Return one entry's comparisons with a reference, by rung."""
    return {rung: found[entry.fingerprint] for rung, found in comparisons.items() if entry.fingerprint in found}


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


def _order(entry: Entry, means: Mapping[str, Mapping[str, float]]) -> tuple[int, bool, int, float, str]:
    """Return what sorts an entry: the furthest rung first, there what is better, the lower mean, failures last."""
    mean = means[entry.furthest].get(entry.fingerprint)
    group = {"better": -1, "worse": 1}.get(entry.standing, 0)
    return -[*means].index(entry.furthest), mean is None, group, mean or 0.0, entry.fingerprint
