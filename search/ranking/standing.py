"""Who in a race is better than the incumbent, who is clearly behind, and who still races.

A pure reading of losses: the same ones always give the same standing, so that a race that was killed goes on as it
would have. Leaving costs a function its chance and nobody's level: claims rest on ``evidence`` alone. Not here: the
training (``race``).
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from actsearch.search.ranking.evidence import LEVEL, pairs_to_decide
from actsearch.search.ranking.significance import Losses, differences_by_seed, one_sided

HOPE = 0.1
"""A function leaves when even the 90 % limit of its mean difference is no better than the incumbent (one-sided, by
Student's t), as irace leaves behind whom a t-test at such a level tells from the best (Lopez-Ibanez et al. 2016)."""
THRIFT = 0.25
"""A function leaves, too, when the budget would hardly do if its effect were the 75 % limit. Simulated over the losses
of finalists of the quick search, 0.1 spends a tenth more trainings for the same claims, and 0.5 finds fewer."""


@dataclass(frozen=True)
class Standing:
    """Where everybody stands; each function is in one of these, in the order of entering.

    Args:
        better, worse: than the incumbent, each at a family-wise level of 5 %.
        behind: left, since better is unlikely.
        costly: left, since the budget would hardly do.
        failed: gave no score with a seed.
        racing: everybody else.
    """

    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    costly: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    racing: tuple[str, ...] = ()


def verdicts(losses: Mapping[str, Losses], incumbent: Losses) -> dict[str, str]:
    """Return who is ``better`` or ``worse`` than the incumbent at a family-wise level of 5 % each; others are ``open``.

    Args:
        losses: of every function that was judged.
        incumbent: its losses.
    """
    pairs = {name: differences_by_seed(mine, incumbent) for name, mine in losses.items()}
    tested = one_sided([*pairs.values()])
    return {
        name: "open" if corrected > LEVEL else "better" if sum(found) < 0 else "worse"
        for (name, found), (_, corrected) in zip(pairs.items(), tested, strict=True)
    }


def standing(
    losses: Mapping[str, Losses], incumbent: Losses, racing: Sequence[str], failed: Sequence[str], affordable: int
) -> Standing:
    """Return where everybody stands after a block.

    Args:
        losses: of everybody that entered, those who left and those who failed included.
        incumbent: its losses.
        racing: who was trained in the block.
        failed: who gave no score.
        affordable: seeds that the budget has left for one function and the incumbent.
    """
    told = verdicts(losses, incumbent)
    places: dict[str, list[str]] = {"better": [], "worse": [], "behind": [], "costly": [], "racing": []}
    for name in racing:
        if name in failed:
            continue
        found = differences_by_seed(losses[name], incumbent)
        place = told[name]
        if place == "open":
            place = (
                "behind" if is_behind(found) else "racing" if _can_afford(found, len(losses), affordable) else "costly"
            )
        places[place].append(name)
    return Standing(**{name: tuple(found) for name, found in places.items()}, failed=tuple(failed))


def _limit(found: Sequence[float], level: float) -> float:
    """Return the optimistic limit of the mean difference."""
    error = float(stats.sem(found)) if len(found) > 1 else float("inf")
    return statistics.fmean(found) - float(stats.t.ppf(1 - level, max(1, len(found) - 1))) * error


def is_behind(found: Sequence[float]) -> bool:
    """Whether even an optimistic limit of the mean difference is no better than the incumbent."""
    return _limit(found, HOPE) >= 0


def _can_afford(found: Sequence[float], tests: int, affordable: int) -> bool:
    """Whether the budget would do if the function were as good as its limit."""
    spread, limit = statistics.stdev(found) if len(found) > 1 else 0.0, _limit(found, THRIFT)
    if spread == 0 or limit >= 0:
        return spread == 0
    needed = pairs_to_decide(found, tests, effect=limit / spread)
    return needed is not None and needed <= affordable
