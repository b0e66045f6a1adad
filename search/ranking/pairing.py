"""Pairwise comparisons of candidates of one run or of several. Not here: the list of one run (``leaderboard``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.entry import Entry, judged, without_failures
from actsearch.search.ranking.evidence import LEVEL, Interval, anytime_interval, anytime_p
from actsearch.search.ranking.significance import agreed, holm

LEAST = 2  # fewest seeds of a candidate for a comparison


@dataclass(frozen=True)
class Pair:
    """A comparison of two candidates.

    Args:
        first, second: labels of the candidates.
        seeds: number of seeds of each candidate; if they are paired, the number of pairs, twice.
        difference: mean of the first's losses less the second's; below 0 the first is better.
        interval: 95 % interval of the difference.
        p_value: two-sided p-value after Holm's correction for all pairs.
        paired: whether they are paired by seed, with a test that is valid at any time; else Welch's t-test, which
            assumes that the number of seeds was fixed in advance.
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
        """Return in words which candidate is better."""
        if self.p_value > LEVEL:
            return "cannot be told apart"
        return f"{self.first if self.difference < 0 else self.second} is better"


def losses_by_seed(entry: Entry, rung: str = FINAL) -> dict[int, float]:
    """Return the judged losses of an entry on a rung by their actual seed; none if a seed failed."""
    return without_failures({record.request.seed: judged(record.outcome) for record in entry.records.get(rung, ())})


def pairs(losses: Mapping[str, Mapping[int, float]]) -> list[Pair]:
    """Compare every two candidates; two that share too few seeds are compared as independent samples.

    Args:
        losses: label -> losses by seed, all on the same task.
    """
    rows = [_compare(a, b, losses[a], losses[b]) for a, b in combinations(losses, 2)]
    corrected = holm([row.p_value for row in rows])
    return [
        Pair(row.first, row.second, row.seeds, row.difference, row.interval, p_value, row.paired)
        for row, p_value in zip(rows, corrected, strict=True)
    ]


def _compare(first: str, second: str, mine: Mapping[int, float], other: Mapping[int, float]) -> Pair:
    shared = [seed for seed in mine if seed in other]
    if len(shared) >= LEAST:
        differences = [mine[seed] - other[seed] for seed in shared]
        difference, interval = agreed(differences, anytime_interval(differences))
        unsure = interval[0] <= 0 <= interval[1]  # this includes a mean and a middle that disagree
        p_value = max(anytime_p(differences), LEVEL * 1.0001) if unsure else anytime_p(differences)
        return Pair(first, second, (len(shared), len(shared)), difference, interval, p_value, paired=True)
    one, two = np.asarray([*mine.values()]), np.asarray([*other.values()])
    if min(len(one), len(two)) < LEAST:
        ends = (-float("inf"), float("inf"))
        means = [float(np.mean(row)) if len(row) else float("nan") for row in (one, two)]
        return Pair(first, second, (len(one), len(two)), means[0] - means[1], ends, 1.0, paired=False)
    from scipy import stats  # noqa: PLC0415  importing it takes half a second; only pairs of two runs need it

    test = stats.ttest_ind(one, two, equal_var=False)
    low, high = test.confidence_interval(1 - LEVEL)
    difference = float(one.mean() - two.mean())
    return Pair(first, second, (len(one), len(two)), difference, (float(low), float(high)), float(test.pvalue), False)


def labelled(runs: Sequence[tuple[str, Sequence[Entry]]]) -> dict[str, Entry]:
    """Return entries by a unique label: their name, with the name of the run if there are several runs."""
    several = len({run for run, _ in runs}) > 1
    by_label: dict[str, Entry] = {}
    for run, entries in runs:
        for entry in entries:
            name = entry.names[0] if entry.names else entry.expression
            by_label[f"{run}: {name}" if several else name] = entry
    return by_label
