"""Train every distinct behaviour of the one-unit space of 2017, and keep the table: a benchmark for proposers.

One seed for all, three for the best third, ten for the best 50. ``run`` resumes: what the file holds is not trained
again. Twenty minutes on two cores for the default task. ``report`` says how far the table can be believed.
"""

import argparse
import dataclasses
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import CompleteSettings, TaskSettings
from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.search.memory.provenance import provenance
from actsearch.search.ranking.agreement import Interval, agreement
from actsearch.search.settings.space import SpaceSettings, build_space
from scripts.replays.replay import file_of
from scripts.replays.tabulation import Cell, Row, rows_of, tabulate


@dataclass(frozen=True)
class Reliability:
    """What the seeds of a set of functions say about each other.

    Args:
        functions: how many.
        seeds: of each.
        noise: standard deviation of log loss between seeds of one function.
        tau: Kendall's, between the means of one half of the seeds and the other.
        interval: of tau, 95 %.
        of_mean: share of the variance of the functions' means that other seeds would show again, the intraclass
            correlation ICC(1, k) of Shrout & Fleiss 1979; at most 1.
    """

    functions: int
    seeds: int
    noise: float
    tau: float
    interval: Interval
    of_mean: float


def reliability(rows: Iterable[Row], chance: float) -> Reliability:
    """Compare the seeds of functions that all have the same ones.

    Args:
        rows: every seed of every function.
        chance: loss of a child that knows nothing, in nats: a failure, and any loss above it, count as this.

    Raises:
        ValueError: there are fewer than two functions or two seeds.
    """
    losses: dict[str, dict[int, float]] = {}
    for row in rows:
        loss = chance if row.loss is None else min(row.loss, chance)
        losses.setdefault(row.expression, {})[row.repeat] = math.log(loss)
    repeats = sorted({repeat for found in losses.values() for repeat in found})
    whole = {text: [found[repeat] for repeat in repeats] for text, found in losses.items()}
    if len(whole) < 2 or len(repeats) < 2:
        raise ValueError(f"reliability needs two functions with two seeds, found {len(whole)} with {len(repeats)}")
    numbers = np.array(list(whole.values()))  # (functions, seeds)
    within = float(numbers.var(axis=1, ddof=1).mean())
    between = len(repeats) * float(numbers.mean(axis=1).var(ddof=1))
    halves = [dict(zip(whole, numbers[:, half::2].mean(axis=1).tolist(), strict=True)) for half in (0, 1)]
    found = agreement(halves[0], halves[1])
    of_mean = 1 - within / between if between else math.nan
    return Reliability(len(whole), len(repeats), math.sqrt(within), found.overall, found.overall_interval, of_mean)


LABEL = "table"
ORDER_SEED = 0  # an unfinished table is then a random sample
MORE_SEEDS, MOST_SEEDS, LEADERS = 3, 10, 50  # of the best third, and of the leaders


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


def run(path: Path, task: CompleteSettings, workers: int | None) -> None:
    """Train whatever is missing, and keep what it was trained with."""
    everything, started = behaviours(), time.monotonic()
    facts = {"task": dataclasses.asdict(task), "chance": resolve(task).chance, **provenance()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")

    def tell(done: int, goal: int) -> None:
        if done % 100 == 0 or done == goal:
            print(f"{done} of {goal}, {(time.monotonic() - started) / 60:.1f} min", file=sys.stderr, flush=True)

    stages = (
        (range(1), len(everything)),
        (range(1, MORE_SEEDS), len(everything) // 3),
        (range(MORE_SEEDS, MOST_SEEDS), LEADERS),
    )
    for repeats, count in stages:
        texts = everything if count == len(everything) else best(path, count, range(repeats.start))
        cells = [Cell(LABEL, text, repeat, task.steps) for repeat in repeats for text in texts]
        tabulate(path, cells, resolve(task), PoolSettings(workers=workers), tell)


def report(rows: list[Row], chance: float) -> None:
    """Print size, seed noise and reliability, each from seeds that did not choose the functions they are taken on."""
    everything, failed = {row.expression for row in rows}, {row.expression for row in rows if row.loss is None}
    print(f"{len(rows)} children of {len(everything)} functions, {len(failed)} of which failed at least once\n")
    print("| functions | seeds of each that did not choose them | noise of a seed, in log loss | "
          "Kendall's tau of two halves (95 %) | reliability of their mean |\n|---|---|---|---|---|")  # fmt: skip
    for label, repeats in (("best third", range(1, MORE_SEEDS)), (f"best {LEADERS}", range(MORE_SEEDS, MOST_SEEDS))):
        chosen = [row for row in rows if row.repeat in repeats]
        if chosen:
            found = reliability(chosen, chance)
            print(f"| {label} ({found.functions}) | {found.seeds} | {found.noise:.3f} | {found.tau:.2f} "
                  f"({found.interval[0]:.2f} to {found.interval[1]:.2f}) | {found.of_mean:.2f} |")  # fmt: skip


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["run", "report"])
    parser.add_argument("--task", default="mnist1d", help="what children are trained on")
    parser.add_argument("--steps", type=int, help="optimiser steps of a child [default: the task's own]")
    parser.add_argument("--results", type=Path, help="the CSV file [default: scripts/replays/, by task]")
    parser.add_argument("--workers", type=int, help="one core each [default: every core]")
    words = parser.parse_args()
    path = words.results or file_of(words.task)
    if words.job == "run":
        run(path, resolve(TaskSettings(name=words.task, steps=words.steps, diagnostics=False)).settings, words.workers)
    report(rows_of(path), json.loads(path.with_suffix(".json").read_text())["chance"])


if __name__ == "__main__":
    main()
