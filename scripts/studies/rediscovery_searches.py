"""Swish rediscovered? What one search came to, and what several searches of the same study say together.

A search is asked when it first trained a swish-like function, and who leads its final list. Plain values only, so that
a study is kept as JSON. Not here: the ranking (``leaderboard``) and what is printed (``rediscovery``).
"""

import functools
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import kendalltau

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import LEARNED
from actsearch.grammar.behaviour.fingerprint import fingerprint, role_of
from actsearch.grammar.behaviour.properties import Properties, properties
from actsearch.grammar.rows.known import read
from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.memory.store import Store
from actsearch.search.ranking.claims import Entrants
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.significance import FIXED, raced, rank
from scripts.replays.replay import Table

TOP = 10
PAPER = {
    "swish": (94.5, 95.5, 94.9, 75.1, 78.0, 83.9),
    "max_sigmoid": (94.3, 95.3, 94.8, 74.8, 78.6, 84.2),
    "cos_minus_x": (94.1, 94.8, 94.6, 75.2, 76.6, 81.8),
    "min_sin": (94.0, 95.1, 94.4, 73.4, 77.1, 74.3),
    "atan_square_minus_x": (93.9, 94.7, 94.9, 75.2, 76.7, 83.1),
    "max_tanh": (93.9, 94.2, 94.5, 74.8, 76.0, 78.6),
    "sinc_plus_x": (91.5, 92.1, 92.0, 66.1, 68.3, 67.9),
    "x_asinh_square": (85.1, 92.1, 91.1, 52.8, 70.6, 68.1),
}
"""Accuracy in % of the eight discoveries of 2017: CIFAR-10, then CIFAR-100, each with ResNet-164, Wide ResNet 28-10 and
DenseNet 100-12 (Ramachandran et al. 2017, tables 1 and 2); higher is better."""


@dataclass(frozen=True)
class Finalist:
    """One function of the final list.

    Args:
        fingerprint, expression, names: who it is.
        twin: the same for all that the run held for equal; mirror images share it (``space.share_twins``).
        proposed: by the search; else a baseline that it never came to.
        place: in the list.
        ranks: lowest and highest that the tests leave open; None where a seed failed.
        losses: on the test split, a number a seed, the same seeds for all of a run; none where one failed.
        swish_like: as ``grammar.behaviour.properties`` says; as are the two that follow.
        swish_distance: 0 is Swish, 1 is unlike it.
        swish_beta: of the nearest Swish, before training.
        betas: least, mean and most of what its layers learned, over all seeds; None where it has none.
        against_swish: mean difference, lower is better, and p corrected by Holm; None where there is no such test.
    """

    fingerprint: str
    twin: str
    expression: str
    names: tuple[str, ...]
    proposed: bool
    place: int
    ranks: tuple[int, int] | None
    losses: tuple[float, ...]
    swish_like: bool
    swish_distance: float | None
    swish_beta: float | None
    betas: tuple[float, float, float] | None
    against_swish: tuple[float, float] | None


@dataclass(frozen=True)
class Search:
    """What one search came to.

    Args:
        units: core units of its space.
        seed: of the run.
        trainings: functions it trained.
        first: which of these was the first swish-like one, from 1; None where there was none.
        first_better: the first swish-like one whose loss was below ReLU's in the same search.
        share: of the functions it trained that are swish-like.
        finalists: best first.
    """

    units: int
    seed: int
    trainings: int
    first: int | None
    first_better: int | None
    share: float
    finalists: tuple[Finalist, ...]

    @property
    def leader(self) -> Finalist:
        """Return the first of the final list."""
        return self.finalists[0]

    @property
    def found(self) -> Finalist:
        """Return the first that the search itself proposed."""
        return next(one for one in self.finalists if one.proposed)

    @property
    def tied(self) -> list[Finalist]:
        """Return those that may be the best, as far as the tests know."""
        return [one for one in self.finalists if one.ranks is not None and one.ranks[0] == 1]


@functools.cache
def shape(text: str) -> Properties | None:
    """Return the properties of a function; None for a layer."""
    expression = BUILT_IN.read(text).expression
    return None if expression is None else properties(expression)


def is_swish_like(text: str) -> bool:
    """Return whether a function is, as ``grammar.behaviour.properties`` defines it."""
    found = shape(text)
    return found is not None and found.swish_like


def first(flags: Sequence[bool]) -> int | None:
    """Return the number of the first that holds, from 1."""
    return next((number for number, flag in enumerate(flags, start=1) if flag), None)


def search_of(store: Store) -> Search:
    """Return what the search of a finished run came to."""
    board = leaderboard(store)
    entries = {entry.fingerprint: entry for entry in board.entries}
    asked = [entries[name] for name in store.proposed() if name in entries]
    trained = [entry for entry in asked if not entry.is_refused]
    alike = [is_swish_like(entry.expression) for entry in trained]
    relu = next((mean for entry in board.entries if "relu" in entry.names and (mean := entry.mean(SEARCH))), 0.0)
    better = [(mean := entry.mean(SEARCH)) is not None and mean < relu for entry in trained]
    settings = json.loads(store.fact("settings") or "{}")
    return Search(
        units=settings["space"]["units"],
        seed=settings["seed"],
        trainings=len(trained),
        first=first(alike),
        first_better=first([a and b for a, b in zip(alike, better, strict=True)]),
        share=sum(alike) / max(1, len(alike)),
        finalists=_finalists(store, board),
    )


def _finalists(store: Store, board: Leaderboard) -> tuple[Finalist, ...]:
    twins = {row.fingerprint: row.twin for row in store.behaviours()}
    finalists = [entry for entry in board.entries if entry.furthest == FINAL]
    losses = {entry.fingerprint: mine for entry in finalists if (mine := entry.losses())}
    ranks = rank(losses, raced(Entrants()) if board.raced else FIXED).ranks
    return tuple(_finalist(one, twins[one.fingerprint], ranks.get(one.fingerprint)) for one in finalists)


def _finalist(entry: Entry, twin: str, ranks: tuple[int, int] | None) -> Finalist:
    known, swish = shape(entry.expression), entry.against.get("swish")
    return Finalist(
        fingerprint=entry.fingerprint,
        twin=twin,
        expression=entry.expression,
        names=entry.names,
        proposed=entry.proposed,
        place=entry.position,
        ranks=ranks,
        losses=tuple(entry.losses().values()),
        swish_like=is_swish_like(entry.expression),
        swish_distance=known.swish_distance if known else None,
        swish_beta=known.swish_beta if known else None,
        betas=_betas(entry),
        against_swish=None if swish is None or swish.corrected is None else (swish.difference, swish.corrected),
    )


def _betas(entry: Entry) -> tuple[float, float, float] | None:
    expression = BUILT_IN.read(entry.expression).expression
    if expression is None or role_of(expression) == "none":
        return None
    found = [record.outcome.diagnostics.get(LEARNED, []) for record in entry.records[FINAL]]
    least, mean, most = ([value for values in found for value in values[part::3]] for part in range(3))
    return (min(least), statistics.fmean(mean), max(most)) if mean else None


def relu_loss(table: Table) -> float:
    """Return the true loss of ReLU, whatever expression it was trained as."""
    return table.means[fingerprint(read("relu"))]


def first_in(table: Table, trained: Sequence[str]) -> tuple[int | None, int | None]:
    """Return which training of a replay was the first swish-like one, and the first that is truly better than ReLU too.

    Args:
        table: whose behaviours were trained.
        trained: their fingerprints, in order.
    """
    relu = relu_loss(table)
    alike = [is_swish_like(table.texts[name]) for name in trained]
    return first(alike), first([a and table.means[name] < relu for a, name in zip(alike, trained, strict=True)])


def overlap(one: Search, other: Search, top: int = TOP) -> int:
    """Return how many of the first ones two final lists share."""
    names = [{finalist.twin for finalist in search.finalists[:top]} for search in (one, other)]
    return len(names[0] & names[1])


def overlaps(searches: Sequence[Search], top: int = TOP) -> list[int]:
    """Return the overlap of every two searches of the same space."""
    return [overlap(a, b, top) for a, b in combinations(searches, 2) if a.units == b.units]


def pooled(searches: Sequence[Search]) -> dict[str, tuple[float, ...]]:
    """Return known name -> losses of every seed, for those that all runs trained without a failure.

    Runs of one seed train the same children whatever they searched: each seed counts once.
    """
    by_seed: dict[int, Mapping[str, tuple[float, ...]]] = {}
    for search in searches:
        by_seed.setdefault(search.seed, {one.names[0]: one.losses for one in search.finalists if one.names})
    common = set.intersection(*({name for name, losses in known.items() if losses} for known in by_seed.values()))
    return {name: tuple(loss for known in by_seed.values() for loss in known[name]) for name in sorted(common)}


def agreement_with_paper(losses: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Return Kendall's tau-b of mean loss here with mean accuracy there (1: the same order), and its exact p-value."""
    names = [name for name in PAPER if name in losses]
    here = [-statistics.fmean(losses[name]) for name in names]
    found = kendalltau(here, [statistics.fmean(PAPER[name]) for name in names])
    return float(found.statistic), float(found.pvalue)


def correlation_by_seed(losses: Mapping[str, Sequence[float]]) -> float:
    """Return the mean correlation of two functions' losses over shared seeds: what pairing by seed gains.

    At r the variance of a paired difference is (1 - r) of that of an unpaired one; 0 says that it gains nothing.
    """
    table = np.corrcoef([losses[name] for name in losses])
    return float(np.mean([table[a, b] for a, b in combinations(range(len(losses)), 2)]))
