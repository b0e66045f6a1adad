"""Train every distinct behaviour of the one-unit space of 2017 on the default task, and keep the table.

One seed for all, three for the best third, ten for the best 50. ``run`` resumes: what the file holds is not trained
again. Forty minutes on two cores. ``report`` says how reliable the table's ranking is.
"""

import argparse
import dataclasses
import random
import statistics
import sys
import time
from pathlib import Path

from evaluators.pool import PoolSettings
from evaluators.settings import TaskSettings
from grammar.census import distinct_expressions
from search.spaces import SpaceSettings, build_space
from search.tabulation import Cell, rows_of, tabulate

RESULTS = Path("scripts/results/swish2017_one_unit.csv")
LABEL, STEPS = "table", 500
ORDER_SEED = 0  # an unfinished table is then a random sample


def behaviours() -> list[str]:
    """Return the shortest expression of every distinct behaviour, in a random order that is always the same."""
    groups = distinct_expressions(build_space(SpaceSettings()))
    shortest = sorted(str(group[0]) for group in groups.values())
    random.Random(ORDER_SEED).shuffle(shortest)
    return shortest


def best(path: Path, count: int, repeats: range) -> list[str]:
    """Return the functions that lead, by the seeds that all of the last stage's have: none of them failed."""
    losses: dict[str, list[float | None]] = {}
    for row in rows_of(path):
        if row.repeat in repeats:
            losses.setdefault(row.expression, []).append(row.loss)
    means = {
        text: statistics.fmean(loss for loss in found if loss is not None)
        for text, found in losses.items()
        if None not in found and len(found) == len(repeats)
    }
    return sorted(means, key=lambda text: (means[text], text))[:count]


def run(path: Path, workers: int) -> None:
    """Train whatever is missing."""
    everything, started = behaviours(), time.monotonic()

    def tell(done: int, goal: int) -> None:
        if done % 100 == 0 or done == goal:
            print(f"{done} of {goal}, {(time.monotonic() - started) / 60:.1f} min", file=sys.stderr, flush=True)

    stages = ((range(1), len(everything)), (range(1, 3), len(everything) // 3), (range(3, 10), 50))
    task = dataclasses.replace(TaskSettings(), diagnostics=False)
    for repeats, count in stages:
        texts = everything if count == len(everything) else best(path, count, range(repeats.start))
        cells = [Cell(LABEL, text, repeat, STEPS) for repeat in repeats for text in texts]
        tabulate(path, cells, task, PoolSettings(workers=workers), tell)


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["run", "report"])
    parser.add_argument("--results", type=Path, default=RESULTS, help="the CSV file")
    parser.add_argument("--workers", type=int, default=0, help="0 takes every core")
    words = parser.parse_args()
    if words.job == "run":
        run(words.results, words.workers)
    rows = rows_of(words.results)
    print(f"{len(rows)} children of {len({row.expression for row in rows})} functions")


if __name__ == "__main__":
    main()
