"""Outcomes of a store -> an entry for each behaviour, with its records by rung, its names, its twins and its cost.

Not here: comparisons and the order (``leaderboard``), what an entry says of itself (``entry``).
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
    """Return an entry for every behaviour that has an outcome, unordered, and the rungs that were tested in part.

    Args:
        store: of the run.
        rungs: their names, in the order of training.
        diagnostics: whether outcomes come with them.
    """
    records: dict[str, dict[str, list[Record]]] = {}
    behaviours = store.behaviours()
    outcomes = store.outcomes(behaviours, diagnostics=diagnostics)
    partly = _partly_tested(outcomes)
    for key, record in outcomes.items():
        kept = _untested(record) if key.rung in partly else record
        records.setdefault(key.fingerprint, {}).setdefault(key.rung, []).append(kept)
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
    """Return records in the order of rungs, then of repeats."""
    return {rung: tuple(sorted(records[rung], key=_repeat)) for rung in rungs if rung in records}


def _repeat(record: Record) -> int:
    return record.key.repeat


def _size(text: str) -> int | None:
    """Return how many nodes an expression has, a name each; None with a row of the user's own, or of a layer."""
    words = _WORD.findall(text)
    return len(words) if _BUILT_IN.issuperset(words) else None


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
