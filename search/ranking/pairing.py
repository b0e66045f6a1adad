"""Any candidates of one run or of several, compared two by two. Not here: the list of one run (``leaderboard``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.entry import Entry, judged, without_failures
from actsearch.search.ranking.evidence import LEVEL, Interval, anytime_interval, anytime_p
from actsearch.search.ranking.significance import agreed, holm

LEAST = 2  # seeds of a candidate, before anything is said


@dataclass(frozen=True)
class Pair:
    """Two candidates.

    Args:
        first, second: labels.
        seeds: pairs, or the seeds of both where they are not paired.
        difference: mean of the first's losses less the second's; below 0 the first is better.
        interval: 95 % of it.
        p_value: two-sided, after Holm's correction for all pairs.
        paired: by seed, with a test that is valid at any time; else by Welch's t-test, of seeds that were fixed before.
    """

    first: str
    second: str
    seeds: tuple[int, int]
    difference: float
    interval: Interval
    p_value: float
    paired: bool

    @property
    def verdict(self) -> str:
        """Return who is better, in words."""
        if self.p_value > LEVEL:
            return "cannot be told apart"
        return f"{self.first if self.difference < 0 else self.second} is better"


def losses_by_seed(entry: Entry, rung: str = FINAL) -> dict[int, float]:
    """Return what an entry is judged by on a rung, by the seed itself; none where a seed failed."""
    return without_failures({record.request.seed: judged(record.outcome) for record in entry.records.get(rung, ())})


def pairs(losses: Mapping[str, Mapping[int, float]]) -> list[Pair]:
    """Compare everybody with everybody; who shares no seeds is compared as two samples.

    Args:
        losses: label -> losses by seed, of the same task.
    """
    rows = [_compared(a, b, losses[a], losses[b]) for a, b in combinations(losses, 2)]
    corrected = holm([row.p_value for row in rows])
    return [
        Pair(row.first, row.second, row.seeds, row.difference, row.interval, p_value, row.paired)
        for row, p_value in zip(rows, corrected, strict=True)
    ]


def _compared(first: str, second: str, mine: Mapping[int, float], other: Mapping[int, float]) -> Pair:
    shared = [seed for seed in mine if seed in other]
    if len(shared) >= LEAST:
        found = [mine[seed] - other[seed] for seed in shared]
        difference, interval = agreed(found, anytime_interval(found))
        unsure = interval[0] <= 0 <= interval[1]  # also where the mean and the middle disagree
        p_value = max(anytime_p(found), LEVEL * 1.0001) if unsure else anytime_p(found)
        return Pair(first, second, (len(shared), len(shared)), difference, interval, p_value, paired=True)
    one, two = np.asarray([*mine.values()]), np.asarray([*other.values()])
    if min(len(one), len(two)) < LEAST:
        ends = (-float("inf"), float("inf"))
        means = [float(np.mean(row)) if len(row) else float("nan") for row in (one, two)]
        return Pair(first, second, (len(one), len(two)), means[0] - means[1], ends, 1.0, paired=False)
    from scipy import stats  # noqa: PLC0415  half a second, for pairs of two runs alone

    test = stats.ttest_ind(one, two, equal_var=False)
    low, high = test.confidence_interval(1 - LEVEL)
    difference = float(one.mean() - two.mean())
    return Pair(first, second, (len(one), len(two)), difference, (float(low), float(high)), float(test.pvalue), False)


def labelled(runs: Sequence[tuple[str, Sequence[Entry]]]) -> dict[str, Entry]:
    """Return entries by a label that tells them apart: their name, with the run's where there are several."""
    several = len({run for run, _ in runs}) > 1
    found: dict[str, Entry] = {}
    for run, entries in runs:
        for entry in entries:
            name = entry.names[0] if entry.names else entry.expression
            found[f"{run}: {name}" if several else name] = entry
    return found
