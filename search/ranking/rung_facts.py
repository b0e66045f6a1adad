"""What each rung of a run did: how many it trained, how many failed, and how well its order agrees with the next one's.

Not here: the ranking itself (``leaderboard``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from search.ranking.agreement import Agreement, agreement
from search.ranking.leaderboard import Leaderboard
from search.records import FINAL, SEARCH, Rung

FEWEST = 3
"""Functions that a correlation takes."""


@dataclass(frozen=True)
class RungFacts:
    """One rung.

    Args:
        rung: how it trains.
        behaviours: that have an outcome on it.
        failed: those of them with a seed that gave no score, refused ones left out.
    """

    rung: Rung
    behaviours: int
    failed: int


@dataclass(frozen=True)
class RungAgreement:
    """How well two rungs agree on the order of what both trained.

    Args:
        below, above: names of the rungs; what is believed is above.
        functions: that have a mean on both.
        tau: Kendall's, over all of these and over the best third of the rung above, with intervals.
    """

    below: str
    above: str
    functions: int
    tau: Agreement


def facts(board: Leaderboard) -> list[RungFacts]:
    """Return the facts of every rung, from below."""
    found = []
    for rung in board.rungs:
        trained = [entry for entry in board.entries if rung.name in entry.records]
        failed = [entry for entry in trained if entry.failures(rung.name)]
        found.append(RungFacts(rung, len(trained), len(failed)))
    return found


def agreements(board: Leaderboard) -> list[RungAgreement]:
    """Compare each rung with the next one, the search with the final rung, and the final rung with every other task.

    Functions with a failed seed take no part.
    """
    names = [rung.name for rung in board.rungs]
    means: Mapping[str, dict[str, float]] = {
        name: {entry.fingerprint: mean for entry in board.entries if (mean := entry.mean(name)) is not None}
        for name in names
    }
    ladder, others = names[: names.index(FINAL) + 1], names[names.index(FINAL) + 1 :]
    pairs = [*pairwise(ladder), (SEARCH, FINAL), *((FINAL, other) for other in others)]
    both = {pair: len(means[pair[0]].keys() & means[pair[1]].keys()) for pair in dict.fromkeys(pairs)}
    return [
        RungAgreement(a, b, count, agreement(means[a], means[b])) for (a, b), count in both.items() if count >= FEWEST
    ]
