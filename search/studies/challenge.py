"""Does anything beat Swish? The losses of challengers on the final rung and on other tasks, and the tests over them.

Plain values only, so that a study is kept as JSON. Not here: who challenges (``configs/challengers*.yaml``), how they
are trained (``ladder``) and what is printed (``scripts/study_challengers.py``).
"""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.ranking.significance import Comparison, compare
from actsearch.search.store import Store

SWISH = "swish"


@dataclass(frozen=True)
class Challenge:
    """One run whose baselines are compared with Swish.

    Args:
        seed: of the run.
        losses: task and steps -> expression, or the first of its known names -> its losses by repeat, which has the
            same seed for everybody; none at all where a seed failed. The first task is the final rung's.
    """

    seed: int
    losses: Mapping[str, Mapping[str, Mapping[int, float]]]

    @property
    def home(self) -> str:
        """Return the task of the final rung."""
        return next(iter(self.losses))

    @property
    def challengers(self) -> list[str]:
        """Return who was compared with Swish, those of the lowest mean at home first; who failed there is left out."""
        means = {name: statistics.fmean(mine.values()) for name, mine in self.losses[self.home].items() if mine}
        return sorted(means.keys() - {SWISH}, key=lambda name: means[name])

    def against_swish(self) -> dict[str, dict[str, Comparison]]:
        """Return task -> challenger -> its comparison, corrected for the number of challengers."""
        return {
            task: compare({name: mine for name, mine in found.items() if mine and name != SWISH}, found[SWISH])
            for task, found in self.losses.items()
        }


def challenge_of(store: Store) -> Challenge:
    """Return what a finished run's baselines, Swish among them, came to wherever the test split was looked at."""
    board = leaderboard(store)
    finalists = [entry for entry in board.entries if entry.baseline]
    tested = [rung for rung in board.rungs if rung.test]
    titles = [f"{rung.task.name}, {rung.task.steps} steps" for rung in tested]
    return Challenge(
        seed=json.loads(store.fact("settings") or "{}")["seed"],
        losses={
            title if titles.count(title) == 1 else rung.name: {
                (*one.names, one.expression)[0]: one.losses(rung.name) for one in finalists
            }
            for title, rung in zip(titles, tested, strict=True)
        },
    )
