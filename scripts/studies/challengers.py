"""Does anything beat Swish? Functions that led a search or a table, trained again with seeds that chose nothing.

    actsearch search configs/challengers_table.yaml --run runs/table          half an hour on two cores; each resumes
    actsearch search configs/challengers.yaml --run runs/challengers          ten minutes
    actsearch search configs/challengers_surrogate.yaml --run runs/surrogate  an hour
    python -m scripts.studies.challengers runs runs/table runs/challengers runs/surrogate
    python -m scripts.studies.challengers report

The last prints the tables of the README, from what ``runs ... --json`` said of the runs in ``scripts/studies/results``.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import RootModel

from actsearch.search.memory.store import Store, StoreError
from actsearch.search.ranking.evidence import LEVEL
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.ranking.significance import Comparison, compare
from scripts.studies.finished import finished_run

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


RESULTS = Path("scripts/studies/results/challengers.json")
Challenges = RootModel[list[Challenge]]


def print_challenge(one: Challenge) -> None:
    """Print a line a challenger, the best at home first."""
    against = one.against_swish()
    seeds = {task: max(len(mine) for mine in found.values()) for task, found in one.losses.items()}
    titles = [f"{task}, {seeds[task]} seeds" for task in one.losses]
    print(f"| less Swish's loss (95 %), p: run of seed {one.seed} | " + " | ".join(titles) + " |")
    print((len(titles) + 1) * "|---" + "|")
    for name in one.challengers:
        print(f"| `{name}` | " + " | ".join(_cell(against[task].get(name)) for task in one.losses) + " |")


def _cell(one: Comparison | None) -> str:
    if one is None:
        return "a seed failed, or none is shared with Swish"
    low, high = one.interval
    mark = "**" if one.corrected is not None and one.corrected <= LEVEL and one.difference < 0 else ""
    p_value = one.missing if one.corrected is None else f"{one.corrected:.2g}"
    return f"{mark}{one.difference:+.4f}{mark} ({low:+.4f} to {high:+.4f}), {p_value}"


def print_challenges(challenges: Sequence[Challenge]) -> None:
    """Print a table a run."""
    for number, one in enumerate(challenges):
        print(end="\n" if number else "")
        print_challenge(one)


def _challenge_in(directory: Path) -> Challenge:
    with finished_run(directory) as store:
        found = challenge_of(store)
    if not found.losses[found.home].get(SWISH):
        raise StoreError(f"the run in '{directory}' has no swish to compare with: expected it among the baselines")
    return found


def main() -> None:
    """Report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    runs = jobs.add_parser("runs", help="report finished runs")
    runs.add_argument("runs", nargs="+", type=Path, help="run directories")
    runs.add_argument("--json", action="store_true", help="print what report reads")
    jobs.add_parser("report", help="print the study of the README")
    words = parser.parse_args()
    if words.job == "report":
        print_challenges(Challenges.model_validate_json(RESULTS.read_text()).root)
        return
    try:
        challenges = [_challenge_in(directory) for directory in words.runs]
    except StoreError as fault:
        parser.error(str(fault))
    print(Challenges(challenges).model_dump_json(indent=1)) if words.json else print_challenges(challenges)


if __name__ == "__main__":
    main()
