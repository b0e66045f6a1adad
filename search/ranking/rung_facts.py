"""Facts of each rung: how many behaviours it trained, how many failed, and how well its order agrees with the next.

Not here: the ranking itself (``leaderboard``).
"""

from dataclasses import dataclass
from itertools import pairwise

from actsearch.evaluators.outcome import Status
from actsearch.search.memory.records import FINAL, SEARCH, Rung
from actsearch.search.ranking.agreement import FEWEST, Agreement, agreement, kendall
from actsearch.search.ranking.leaderboard import Leaderboard, fair_means

HARDLY = 0.3  # Kendall's tau below which two rungs hardly agree
ENOUGH = 8  # fewest functions whose tau is worth a sentence: by chance, tau exceeds 0.3 for one such set in seven


@dataclass(frozen=True)
class RungFacts:
    """The facts of one rung.

    Args:
        rung: settings of the rung.
        behaviours: number of behaviours that have an outcome on it.
        rejected: number of these that were refused before training.
        failed: number of these that were trained and have a seed without a score.
    """

    rung: Rung
    behaviours: int
    rejected: int
    failed: int


@dataclass(frozen=True)
class RungAgreement:
    """How well two rungs agree on the order of the functions that both trained.

    Args:
        below, above: names of the rungs; the rung above is the trusted one.
        functions: number of functions that have a mean loss on both.
        tau: Kendall's tau over these functions, and over the best third of the rung above, with intervals.
    """

    below: str
    above: str
    functions: int
    tau: Agreement


def facts(board: Leaderboard) -> list[RungFacts]:
    """Return the facts of every rung, from the lowest up."""
    return [_facts(board, rung) for rung in board.rungs]


def _facts(board: Leaderboard, rung: Rung) -> RungFacts:
    by_entry = [{r.outcome.status for r in e.records[rung.name]} for e in board.entries if rung.name in e.records]
    rejected = sum(Status.REJECTED in statuses for statuses in by_entry)
    failed = sum(Status.REJECTED not in statuses and statuses != {Status.SCORED} for statuses in by_entry)
    return RungFacts(rung, len(by_entry), rejected, failed)


@dataclass(frozen=True)
class ShortSight:
    """A search whose short trainings hardly order functions as long ones do.

    Args:
        short, long: numbers of optimiser steps.
        functions: number of functions that were trained both short and long.
        tau: Kendall's tau over these functions: baselines and the best of the search, which agree less than all would,
            also because seeds differ.
    """

    short: int
    long: int
    functions: int
    tau: float


def short_sight(board: Leaderboard) -> ShortSight | None:
    """Return how the search disagrees with full length; None if it does not, or too few functions would show it."""
    names = [rung.name for rung in board.rungs]
    if FINAL not in names or SEARCH not in names:
        return None
    final, search = board.rungs[names.index(FINAL)], fair_means(board.entries, SEARCH)
    whole = [rung.name for rung in board.rungs[: names.index(FINAL) + 1] if rung.task.steps == final.task.steps]
    above = max((fair_means(board.entries, name) for name in whole), key=lambda means: len(means.keys() & search))
    both, short = len(above.keys() & search), board.rungs[names.index(SEARCH)].task.steps
    if short >= final.task.steps or both < ENOUGH:
        return None
    tau = kendall(search, above)
    return ShortSight(short, final.task.steps, both, tau) if tau < HARDLY else None


def agreements(board: Leaderboard) -> list[RungAgreement]:
    """Compare each rung with the next one, the search with the final rung, and the final rung with every other task.

    Functions with a failed seed are left out. Pairs of rungs with fewer than ``FEWEST`` shared functions are left out
    too, and a run without a final rung has no agreements.
    """
    names = [rung.name for rung in board.rungs]
    if FINAL not in names:
        return []
    means = {name: fair_means(board.entries, name) for name in names}
    ladder, others = names[: names.index(FINAL) + 1], names[names.index(FINAL) + 1 :]
    pairs = [*pairwise(ladder), (SEARCH, FINAL), *((FINAL, other) for other in others)]
    both = {pair: len(means[pair[0]].keys() & means[pair[1]].keys()) for pair in dict.fromkeys(pairs)}
    return [
        RungAgreement(a, b, count, agreement(means[a], means[b])) for (a, b), count in both.items() if count >= FEWEST
    ]
