"""Outcomes -> ranking. Reads the store at any time, also while the search runs.

Finalists come first, ordered by the mean loss over fresh seeds; behind them everything else by its one search loss;
behind those what has no score. Not here: how it is shown (``display``).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.outcome import Status
from grammar.fingerprint import fingerprint
from grammar.known import names_by_fingerprint, read
from grammar.parse import BadExpression
from grammar.primitive import Primitive
from search.store import Behaviour, Record, Store


class NotFound(ValueError):
    """No entry answers to what was asked for; the message says what would."""


@dataclass(frozen=True)
class Entry:
    """One behaviour of a run.

    Args:
        rank: from 1, in the order of the list.
        fingerprint: its id.
        expression: the text that was trained.
        names: known activations that behave so.
        baseline: whether the run added it for comparison.
        search: the outcome of the search's one seed, if there is one yet.
        final: the outcomes of the fresh seeds.
        twins: expressions of the run that differ from it in signs of input and output or a constant only.
    """

    rank: int
    fingerprint: str
    expression: str
    names: tuple[str, ...]
    baseline: bool
    search: Record | None
    final: tuple[Record, ...]
    twins: tuple[str, ...]

    @property
    def failures(self) -> int:
        """How many fresh seeds gave no score; they are shown, never averaged away."""
        return sum(record.outcome.status is not Status.SCORED for record in self.final)

    def final_mean(self, metric: str = "validation_loss") -> float | None:
        """Return the mean of a metric over the fresh seeds, or None if a seed failed, has none, or there are none."""
        if not self.final or self.failures or any(metric not in r.outcome.metrics for r in self.final):
            return None
        return statistics.fmean(record.outcome.metrics[metric] for record in self.final)

    def final_error(self, metric: str = "validation_loss") -> float | None:
        """Return the standard error of that mean, or None with fewer than two seeds."""
        if self.final_mean(metric) is None or len(self.final) < 2:
            return None
        return statistics.stdev(r.outcome.metrics[metric] for r in self.final) / math.sqrt(len(self.final))


def leaderboard(store: Store) -> list[Entry]:
    """Return every behaviour of a run that has an outcome, best first."""
    search: dict[str, Record] = {}
    final: dict[str, list[Record]] = {}
    for key, record in store.outcomes().items():
        if key.rung == 0:
            search[key.fingerprint] = record
        else:
            final.setdefault(key.fingerprint, []).append(record)
    names = names_by_fingerprint()
    twins: dict[str, list[Behaviour]] = {}
    for behaviour in store.behaviours():
        twins.setdefault(behaviour.twin, []).append(behaviour)
    entries = [
        Entry(
            rank=0,
            fingerprint=behaviour.fingerprint,
            expression=behaviour.expression,
            names=names.get(behaviour.fingerprint, ()),
            baseline=behaviour.baseline,
            search=search.get(behaviour.fingerprint),
            final=tuple(sorted(final.get(behaviour.fingerprint, ()), key=lambda record: record.key.repeat)),
            twins=tuple(other.expression for other in twins[behaviour.twin] if other != behaviour),
        )
        for behaviour in store.behaviours()
        if behaviour.fingerprint in search or behaviour.fingerprint in final
    ]
    entries.sort(key=_order)
    return [Entry(**{**vars(entry), "rank": rank}) for rank, entry in enumerate(entries, start=1)]


def _order(entry: Entry) -> tuple[int, float, str]:
    final = entry.final_mean()
    if final is not None:
        return 0, final, entry.fingerprint
    score = entry.search.outcome.score if entry.search else None
    return (1, score, entry.fingerprint) if score is not None else (2, 0.0, entry.fingerprint)


def find(entries: list[Entry], which: str, own: Sequence[Primitive] = ()) -> Entry:
    """Return the entry of a rank, an id (or its beginning), a known name or an expression.

    Raises:
        NotFound: nothing answers.
    """
    text = which.strip()
    if text.isdecimal() and 1 <= int(text) <= len(entries):
        return entries[int(text) - 1]
    if len(text) >= 4:
        matches = [entry for entry in entries if entry.fingerprint.startswith(text.lower())]
        if len(matches) == 1:
            return matches[0]
    if text.isdecimal():
        raise NotFound(f"no rank {text}: this run has ranks 1 to {len(entries)}")
    for entry in entries:
        if entry.expression == text:
            return entry
    try:
        key = fingerprint(read(text, own))
    except BadExpression as fault:
        message = f"'{text}' is no rank (1 to {len(entries)}), no id of this run and no expression: {fault}"
        raise NotFound(message) from fault
    for entry in entries:
        if entry.fingerprint == key:
            return entry
    for entry in entries:  # with shared twins, one was trained for all
        if any(fingerprint(read(twin, own)) == key for twin in entry.twins):
            return entry
    raise NotFound(f"'{text}' was not trained in this run; 'actsearch evaluate \"{text}\"' scores it")
