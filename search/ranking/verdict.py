"""The answer of a run: what is better than the incumbent, of the search's finds and of known functions apart.

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
"""Names as people write them, where those differ from the names here."""
FEWEST = 3  # seeds before odds are told
EVEN = 1.0  # odds to 1: at or below, a function is no more likely to be better than not


@dataclass(frozen=True)
class Likely:
    """The function that is most likely better, where that is not shown.

    Args:
        entry: of the ranking.
        lower: seeds with which its loss is lower than the incumbent's.
        pairs: of how many.
        odds: to 1 that its mean difference is below 0: of a paired t-test, whose p is multiplied by the number of
            functions compared (Bonferroni), since the best of many looks best by luck too.
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
        rung: its name.
        steps: of its children.
        ahead: how many.
        trained: of how many that have a score there.
    """

    rung: str
    steps: int
    ahead: int
    trained: int


@dataclass(frozen=True)
class Verdict:
    """What the final rung says; empty tuples where there is none yet.

    Args:
        incumbent: the entry that all are compared with; None where it was not judged.
        title: its name, for people.
        better: who is better at a family-wise level of 5 %, the best first: finds and known functions.
        worse: who is worse.
        open: who may be better, as far as their seeds can tell, and about how many seeds more would tell; the best
            first. Who is level with the incumbent, or behind, is not among them.
        seeds: of the incumbent.
        seconds: of one more seed of all who are open and the incumbent.
        is_own: whether the incumbent stood in a network of the user's.
        likely: who is most likely better without being shown to be; None where nobody is.
        ahead: how the finds fared against the incumbent from rung to rung.
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
        """Return who is better and was proposed by the search, no baseline."""
        return tuple(entry for entry in self.better if entry.found)

    @property
    def known(self) -> tuple["Entry", ...]:
        """Return which baselines are better."""
        return tuple(entry for entry in self.better if not entry.found)

    @property
    def state(self) -> str:
        """Return ``better`` if a find is, ``known`` if known functions alone are, ``open`` if more seeds could show it.

        Else ``none``; or ``unjudged``.
        """
        if self.incumbent is None or not self.seeds:
            return "unjudged"
        return "better" if self.finds else "known" if self.known else "open" if self.open else "none"

    @property
    def seeds_to_decide(self) -> int:
        """Return about how many seeds more of all who are open would decide."""
        return max((seeds for _, seeds in self.open), default=0)


def title_of(name: str) -> str:
    """Return a name as people write it."""
    return TITLES.get(name, name)


def name_of(entry: "Entry") -> str:
    """Return what an entry is called: its known name, or its formula as people write it."""
    if entry.names:
        return title_of(entry.names[0])
    expression = built_in_expression(entry.expression)
    return entry.expression if expression is None else written(expression).plain


def verdict_of(board: "Leaderboard", workers: int = 1) -> Verdict:
    """Return the verdict of a ranking.

    Args:
        board: of a run.
        workers: that would train further seeds, for the time they take.
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
        found = standing.pairs[entry.fingerprint]
        if len(found) < 2 or not may_be_better(found):
            continue
        if (needed := pairs_to_decide(found, standing.wanted(entry.fingerprint))) is not None:
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
    """Return who is most likely better; None where nobody is more likely so than not."""
    found = []
    for entry in entries:
        pairs = differences_by_seed(entry.losses(), incumbent)
        if len(pairs) < FEWEST or not may_be_better(pairs):
            continue
        spread = max(map(abs, pairs)) > 0 and len(set(pairs)) > 1
        size = statistics.fmean(pairs) / standard_error(pairs) if spread else 0.0
        p = float(special.stdtr(len(pairs) - 1, size)) if spread else 0.5 ** len(pairs)  # of a paired t-test
        p = min(1.0, p * compared)
        found.append(
            Likely(
                entry, sum(one < 0 for one in pairs), len(pairs), (1 - p) / p if p else float("inf"), lower_is_better
            )
        )
    best = max(found, key=lambda one: one.odds, default=None)
    return best if best is not None and best.odds > EVEN else None


def _ahead(board: "Leaderboard", incumbent: Entry) -> tuple[Ahead, ...]:
    """Return how the finds fared on the search's rung and the final one, by validation loss on the former."""
    found = []
    for rung in board.rungs:
        yardstick = incumbent.mean(rung.name)
        if rung.name in {SEARCH, FINAL} and yardstick is not None:
            means = [mean for e in board.entries if e.found and (mean := _level(e, rung.name, incumbent)) is not None]
            found.append(Ahead(rung.name, rung.task.steps, sum(mean < 0 for mean in means), len(means)))
    return tuple(found)


def _level(entry: Entry, rung: str, incumbent: Entry) -> float | None:
    """Return the mean difference from the incumbent over the seeds of a rung that both have."""
    pairs = differences_by_seed(entry.losses(rung), incumbent.losses(rung))
    return sum(pairs) / len(pairs) if pairs else None
