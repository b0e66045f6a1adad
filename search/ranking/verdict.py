"""The verdict of a run: which finds of the search, and which known functions, are better than the incumbent.

Not here: the tests (``significance``), the answer in words (``answer``) and the tables (``search.show``).
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import special

from actsearch.grammar.notation import written
from actsearch.grammar.rows.known import known_layers
from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.ranking.entry import Entry, built_in_expression
from actsearch.search.ranking.evidence import pairs_to_decide
from actsearch.search.ranking.significance import differences_by_seed, standard_error
from actsearch.search.ranking.standing import Standing, may_be_better

if TYPE_CHECKING:
    from actsearch.search.ranking.leaderboard import Leaderboard

TITLES = {
    "relu": "ReLU", "silu": "SiLU", "gelu": "GELU", "elu": "ELU", "selu": "SELU", "swish": "Swish", "mish": "Mish",
    "prelu": "PReLU", "leaky_relu": "Leaky ReLU", "hardswish": "Hardswish",
}  # fmt: skip
"""Usual spellings of names that differ from the names in the grammar."""
FEWEST = 3  # fewest seeds for which odds are reported
EVEN = 1.0  # odds to 1; at or below them, a function is no more likely to be better than not


@dataclass(frozen=True)
class Likely:
    """The function that is most likely better than the incumbent, though no test shows it.

    Args:
        entry: entry of the function.
        lower: number of seeds with which its loss is lower than the incumbent's.
        pairs: number of seeds that both have.
        odds: odds to 1 that its mean difference is below 0, from a paired t-test. The p-value is multiplied by the
            number of functions compared (Bonferroni), because the best of many also looks best by luck.
        lower_is_better: whether lower scores are better in the user's numbers.
    """

    entry: "Entry"
    lower: int
    pairs: int
    odds: float
    lower_is_better: bool = True


@dataclass(frozen=True)
class Ahead:
    """How many of the search's finds had a lower mean loss than the incumbent on a rung.

    Args:
        rung: name of the rung.
        steps: number of optimiser steps of its children.
        ahead: number of finds with a lower mean loss.
        trained: number of finds that have a score on the rung.
    """

    rung: str
    steps: int
    ahead: int
    trained: int


@dataclass(frozen=True)
class Verdict:
    """The verdict of the final rung; its tuples are empty while there is none.

    Args:
        incumbent: entry of the incumbent; None if the run has none.
        title: name of the incumbent for people.
        better: finds and known functions that are better at a family-wise level of 5 %, the best first.
        worse: functions that are worse at that level.
        open: functions that may be better, each with about how many more seeds would decide; the best first. Functions
            that are level with the incumbent or behind it are left out.
        seeds: number of seeds of the incumbent.
        seconds: wall-clock time of one more seed of every open function and the incumbent.
        is_own: whether the incumbent stood in the user's network.
        likely: function that is most likely better though no test shows it; None if there is none.
        ahead: how many finds were ahead of the incumbent, for each rung.
    """

    incumbent: "Entry | None"
    title: str
    better: tuple["Entry", ...] = ()
    worse: tuple["Entry", ...] = ()
    open: tuple[tuple["Entry", int], ...] = ()
    seeds: int = 0
    seconds: float = 0.0
    is_own: bool = False
    likely: Likely | None = None
    ahead: tuple[Ahead, ...] = ()

    @property
    def finds(self) -> tuple["Entry", ...]:
        """Return the better functions that the search proposed, without baselines."""
        return tuple(entry for entry in self.better if entry.found)

    @property
    def known(self) -> tuple["Entry", ...]:
        """Return the better functions that are not finds: baselines."""
        return tuple(entry for entry in self.better if not entry.found)

    @property
    def state(self) -> str:
        """Return the verdict in one word.

        ``better`` if a find is better, ``known`` if only known functions are, ``open`` if more seeds could show one to
        be better, ``none`` if not, ``unjudged`` if the incumbent has no score on the final rung.
        """
        if self.incumbent is None or not self.seeds:
            return "unjudged"
        return "better" if self.finds else "known" if self.known else "open" if self.open else "none"

    @property
    def seeds_to_decide(self) -> int:
        """Return about how many more seeds of every open function would decide."""
        return max((seeds for _, seeds in self.open), default=0)


def title_of(name: str) -> str:
    """Return the usual spelling of a name."""
    return TITLES.get(name, name)


def name_of(entry: "Entry") -> str:
    """Return the name of an entry for people: its known name, or its formula."""
    if entry.names:
        return title_of(entry.names[0])
    expression = built_in_expression(entry.expression)
    return entry.expression if expression is None else written(expression).plain


def verdict_of(board: "Leaderboard", workers: int = 1) -> Verdict:
    """Return the verdict of a ranking.

    Args:
        board: ranking of a run.
        workers: number of workers that would train further seeds; the predicted time is divided by it.
    """
    incumbent = next((entry for entry in board.entries if entry.fingerprint == board.incumbent), None)
    title = name_of(incumbent) if incumbent else "the incumbent"
    losses = incumbent.losses() if incumbent else {}
    own = next((rung.task.is_own for rung in board.rungs if rung.name == FINAL), False)
    if own and board.replaced is not None and incumbent is not None:
        own = not {*known_layers(board.replaced)}.isdisjoint(incumbent.names)
    if incumbent is None or not losses:
        return Verdict(incumbent, title, is_own=own)
    compared = [entry for entry in board.entries if entry is not incumbent and entry.losses()]
    unsure = [entry for entry in compared if entry.standing not in {"better", "worse"}]
    standing = Standing({entry.fingerprint: entry.losses() for entry in compared}, losses, board.entrants)
    possible = []
    for entry in unsure:
        differences = standing.pairs[entry.fingerprint]
        if len(differences) < 2 or not may_be_better(differences):
            continue
        if (needed := pairs_to_decide(differences, standing.wanted(entry.fingerprint))) is not None:
            possible.append((entry, max(1, needed)))
    seconds = [r.outcome.seconds for entry in compared for r in entry.records[FINAL]]
    each = sum(seconds) / len(seconds) * (len(possible) + 1) / workers if seconds else 0.0
    better, worse = (tuple(e for e in compared if e.standing == word) for word in ("better", "worse"))
    likely = _likely(unsure, losses, len(compared), lower_is_better=board.measure(FINAL).sign > 0)
    return Verdict(incumbent, title, better, worse, tuple(possible), len(losses), each, own, likely,
                   _ahead(board, incumbent))  # fmt: skip


def _likely(
    entries: Sequence[Entry], incumbent: dict[int, float], compared: int, *, lower_is_better: bool
) -> Likely | None:
    """Return the function that is most likely better; None if none is more likely better than not."""
    candidates = []
    for entry in entries:
        pairs = differences_by_seed(entry.losses(), incumbent)
        if len(pairs) < FEWEST or not may_be_better(pairs):
            continue
        spread = max(map(abs, pairs)) > 0 and len(set(pairs)) > 1
        size = statistics.fmean(pairs) / standard_error(pairs) if spread else 0.0
        p = float(special.stdtr(len(pairs) - 1, size)) if spread else 0.5 ** len(pairs)  # p-value of a paired t-test
        p = min(1.0, p * compared)
        candidates.append(
            Likely(
                entry, sum(one < 0 for one in pairs), len(pairs), (1 - p) / p if p else float("inf"), lower_is_better
            )
        )
    best = max(candidates, key=lambda one: one.odds, default=None)
    return best if best is not None and best.odds > EVEN else None


def _ahead(board: "Leaderboard", incumbent: Entry) -> tuple[Ahead, ...]:
    """Return how many finds were ahead on the search rung and on the final rung; the former by validation loss."""
    counts = []
    for rung in board.rungs:
        reference = incumbent.mean(rung.name)
        if rung.name in {SEARCH, FINAL} and reference is not None:
            means = [
                mean for e in board.entries if e.found and (mean := _difference(e, rung.name, incumbent)) is not None
            ]
            counts.append(Ahead(rung.name, rung.task.steps, sum(mean < 0 for mean in means), len(means)))
    return tuple(counts)


def _difference(entry: Entry, rung: str, incumbent: Entry) -> float | None:
    """Return the mean difference from the incumbent over the shared seeds of a rung; None if they share none."""
    pairs = differences_by_seed(entry.losses(rung), incumbent.losses(rung))
    return sum(pairs) / len(pairs) if pairs else None
