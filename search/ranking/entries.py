"""An entry for each behaviour in a store, with its records by rung, its names, its twins and its cost.

Not here: comparisons and the order (``leaderboard``), and the class of an entry (``entry``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from actsearch.grammar.rows.known import names_by_fingerprint
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.memory.records import Behaviour, Key, Record
from actsearch.search.memory.store import Store
from actsearch.search.ranking.entry import Entry

_WORD = re.compile(r"[A-Za-z_]\w*")
_BUILT_IN = frozenset({"x", *(row.name for row in VOCABULARY)})


def entries_of(store: Store, rungs: Sequence[str], *, diagnostics: bool) -> tuple[list[Entry], tuple[str, ...]]:
    """Return an unordered entry for every behaviour with an outcome, and the names of the partly tested rungs.

    Args:
        store: store of the run.
        rungs: names of the rungs, in the order of training.
        diagnostics: whether to read the diagnostics of outcomes.
    """
    records: dict[str, dict[str, list[Record]]] = {}
    behaviours = store.behaviours()
    outcomes = store.outcomes(behaviours, diagnostics=diagnostics)
    partly = _partly_tested(outcomes)
    for key, record in outcomes.items():
        judged = _untested(record) if key.rung in partly else record
        records.setdefault(key.fingerprint, {}).setdefault(key.rung, []).append(judged)
    twins: dict[str, list[Behaviour]] = {}
    for behaviour in behaviours:
        twins.setdefault(behaviour.twin, []).append(behaviour)
    names, costs, proposed = names_by_fingerprint(), store.costs(), set(store.proposed(behaviours))
    entries = [
        Entry(
            position=0,
            fingerprint=behaviour.fingerprint,
            expression=behaviour.expression,
            names=names.get(behaviour.fingerprint, ()),
            baseline=behaviour.baseline,
            proposed=behaviour.fingerprint in proposed,
            records=_by_rung(records[behaviour.fingerprint], rungs),
            twins=tuple(other.expression for other in twins[behaviour.twin] if other is not behaviour),
            size=_size(behaviour.expression),
            twin=behaviour.twin,
            cost=costs.get(behaviour.fingerprint),
        )
        for behaviour in behaviours
        if behaviour.fingerprint in records
    ]
    return entries, partly


def _by_rung(records: Mapping[str, list[Record]], rungs: Sequence[str]) -> dict[str, tuple[Record, ...]]:
    """Return the records in the order of rungs, then of repeats."""
    return {rung: tuple(sorted(records[rung], key=_repeat)) for rung in rungs if rung in records}


def _repeat(record: Record) -> int:
    return record.key.repeat


def _size(text: str) -> int | None:
    """Return the number of nodes (names) of an expression; None with a primitive of the user's, or for a layer."""
    words = _WORD.findall(text)
    return len(words) if _BUILT_IN.issuperset(words) else None


def _partly_tested(outcomes: Mapping[Key, Record]) -> tuple[str, ...]:
    """Return the rungs on which some scores came with a test loss and some without."""
    kinds: dict[str, set[bool]] = {}
    for key, record in outcomes.items():
        if record.outcome.score is not None:
            kinds.setdefault(key.rung, set()).add("test_loss" in record.outcome.metrics)
    return tuple(rung for rung, both in kinds.items() if len(both) == 2)


def _untested(record: Record) -> Record:
    """Return a record without its test metrics: a mean over test and validation losses would be neither."""
    metrics = {name: value for name, value in record.outcome.metrics.items() if not name.startswith("test_")}
    return replace(record, outcome=replace(record.outcome, metrics=metrics))
