"""Which short training ranks functions as a long one does? Train a sample every way: ``run``; compare: ``report``.

``run`` resumes: what the file holds is not trained again. An hour and a half on two cores.
"""

import argparse
import dataclasses
import itertools
import math
import random
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.grammar.behaviour.screening import refusal
from actsearch.grammar.rows.known import KNOWN, read
from actsearch.search.ranking.agreement import Agreement, agreement
from actsearch.search.settings.space import SpaceSettings, build_space
from scripts.replays.tabulation import Cell, Row, rows_of, tabulate

WORST = 1e9  # the loss of a child without one: behind all others, tied with its like


def mean_by_function(rows: Iterable[Row], score: str) -> dict[str, float]:
    """Return expression -> mean over its rows, lower is better.

    Args:
        rows: of one label.
        score: ``loss``, ``accuracy`` (of which the mean is taken negatively), ``last_training_loss`` or
            ``mean_training_loss`` (over the whole curve).
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row.expression, []).append(_score(row, score))
    return {text: sum(found) / len(found) for text, found in values.items()}


def _score(row: Row, score: str) -> float:
    if row.loss is None or row.accuracy is None:
        return WORST
    match score:
        case "loss":
            return row.loss
        case "accuracy":
            return -row.accuracy
        case "last_training_loss":
            return row.curve[-1]
        case "mean_training_loss":
            return sum(row.curve) / len(row.curve)
    raise ValueError(f"unknown score '{score}'")


@dataclass(frozen=True)
class StopRule:
    """What stopping hopeless children would have done.

    Args:
        share: of the steps after which they are looked at.
        above: training loss, as a share of chance, over which they are stopped.
        stopped: share of the children.
        saved: share of all steps.
        lost: how many children of the reference's best 1 % and best 10 % are stopped.
        of: how many there are.
    """

    share: float
    above: float
    stopped: float
    saved: float
    lost: tuple[int, int]
    of: tuple[int, int]


SHARES, ABOVE = (0.2, 0.3, 0.4, 0.5), (0.95, 0.9, 0.8, 0.7)


def stop_rules(rows: Sequence[Row], reference: Mapping[str, float], chance: float = math.log(10)) -> list[StopRule]:
    """Apply every rule to children that were trained to their end; there are none without a curve.

    Args:
        rows: with curves.
        reference: expression -> score, lower is better.
        chance: loss of a child that knows nothing.
    """
    order = sorted(reference, key=lambda text: reference[text])
    tops = [set(order[: max(1, round(share * len(order)))]) for share in (0.01, 0.1)]
    curved = [row for row in rows if row.curve and row.expression in reference]
    rules = []
    for share in SHARES if curved else ():
        for above in ABOVE:
            stopped = [row for row in curved if row.curve[max(1, round(share * len(row.curve))) - 1] > above * chance]
            lost = [sum(row.expression in top for row in stopped) for top in tops]
            of = [sum(row.expression in top for row in curved) for top in tops]
            part = len(stopped) / len(curved)
            rules.append(StopRule(share, above, part, part * (1 - share), (lost[0], lost[1]), (of[0], of[1])))
    return rules


RESULTS = Path("scripts/studies/results/proxy_study.csv")
SAMPLE_SEED = 20261122
USUAL, REFERENCE = "batch 32, 500 steps", "reference"
QUIET = "alone, "  # before a label: children trained one at a time for their seconds
LONG = 1000  # steps of the reference, 128 examples each, with repeats from 10 on: seeds that no proxy has
INITS: tuple[Literal["glorot", "lecun", "matched"], ...] = ("glorot", "lecun", "matched")


def sample(count: int) -> list[str]:
    """Return so many distinct functions of the one-unit space that screening lets pass, and every known activation."""
    groups = distinct_expressions(build_space(SpaceSettings()))
    shortest = sorted((group[0] for group in groups.values()), key=str)
    random.Random(SAMPLE_SEED).shuffle(shortest)
    passed = (str(expression) for expression in shortest if refusal(expression) is None)
    return [*itertools.islice(passed, count), *(str(read(name)) for name in KNOWN)]


def grid(functions: list[str]) -> list[tuple[str, TaskSettings, int, range]]:
    """List label, settings, steps and repeats, the most telling ones first."""
    change = dataclasses.replace
    usual = TaskSettings(diagnostics=False)  # the curves of the usual proxy alone are looked at
    large = change(usual, batch=128)
    batches = [(32, 1000), (32, 250), (64, 250), (64, 500), (128, 60), (128, 125), (128, 500)]
    return [
        (USUAL, TaskSettings(), 500, range(2)),
        ("batch 128, 250 steps", large, 250, range(2)),  # of FIELD: where this project began
        (REFERENCE, large, LONG, range(10, 11)),
        *((f"batch {batch}, {steps} steps", change(usual, batch=batch), steps, range(1)) for batch, steps in batches),
        *((init, change(usual, init=init), 500, range(1)) for init in INITS),
        ("width 16, batch 128, 250 steps", change(large, width=16), 250, range(1)),
        ("1,000 examples, batch 128, 250 steps", change(large, examples=1000), 250, range(1)),
    ]


def run(path: Path, count: int, workers: int | None) -> None:
    """Train whatever is missing."""
    functions = sample(count)
    pool = PoolSettings(workers=workers)
    for label, task, steps, repeats in grid(functions):
        _train(path, [Cell(label, text, repeat, steps) for repeat in repeats for text in functions], task, pool)
        if label == REFERENCE:
            best = best_third(path, functions)
            _train(path, [Cell(REFERENCE, text, repeat, LONG) for repeat in range(11, 16) for text in best], task, pool)
    for init in INITS:
        cells = [Cell(f"{REFERENCE}, {init}", text, 10, LONG) for text in best_third(path, functions)]
        _train(path, cells, TaskSettings(batch=128, init=init, diagnostics=False), pool)


def measure_seconds(path: Path) -> None:
    """Train known functions every way, one child at a time, for the seconds they take; nothing else should run.

    The ways take turns, function by function: a shared machine's speed drifts, for all of them alike.
    """
    texts = [str(read(name)) for name in ("relu", "swish", "gelu", "tanh", "cos_minus_x", "min_sin", "elu", "mish")]
    for text in texts:
        for label, task, steps, _ in grid(texts):
            tabulate(path, [Cell(QUIET + label, text, 90, steps)], resolve(task), PoolSettings(kind="serial"))


def best_third(path: Path, functions: list[str]) -> list[str]:
    """Return the functions that lead after the first long training; the others need no second seed to be behind."""
    known = set(functions)
    first = {
        row.expression: row.loss
        for row in rows_of(path)
        if row.label == REFERENCE and row.repeat == 10 and row.loss is not None and row.expression in known
    }
    return sorted(first, key=lambda text: first[text])[: len(functions) // 3]


def _train(path: Path, cells: list[Cell], task: TaskSettings, pool: PoolSettings) -> None:
    started = time.monotonic()

    def tell(done: int, goal: int) -> None:
        if done % 50 == 0 or done == goal:
            minutes = (time.monotonic() - started) * (goal - done) / done / 60
            print(f"{cells[0].label}: {done} of {goal}, {minutes:.1f} min left", file=sys.stderr, flush=True)

    tabulate(path, cells, resolve(task), pool, tell)


def report(rows: list[Row]) -> None:
    """Print every proxy against the reference, the scores of the usual one, the initialisations, and early stopping."""
    reference = mean_by_function([row for row in rows if row.label == REFERENCE], "loss")
    seconds = {
        label.removeprefix(QUIET): statistics.median(row.seconds for row in rows if row.label == label)
        for label in {row.label for row in rows if row.label.startswith(QUIET)}
    }
    labels = [label for label in dict.fromkeys(row.label for row in rows) if not label.startswith((REFERENCE, QUIET))]
    print(f"{len(reference)} functions; the reference: batch 128, {LONG} steps, 6 fresh seeds for its best third\n")
    print("| proxy, one seed | seconds a child | tau, all (95 %) | tau, best third (95 %) |\n|---|---|---|---|")
    for label in labels:
        seed = min(row.repeat for row in rows if row.label == label)
        own = [row for row in rows if row.label == label and row.repeat == seed]
        _print_row(label, seconds.get(label), agreement(mean_by_function(own, "loss"), reference))
    usual = [row for row in rows if row.label == USUAL and row.repeat == 0]
    for score in ("accuracy", "last_training_loss", "mean_training_loss"):
        _print_row(f"{USUAL}, by {score}", seconds.get(USUAL), agreement(mean_by_function(usual, score), reference))
    both = [row for row in rows if row.label == USUAL]
    twice = 2 * seconds.get(USUAL, math.nan)
    _print_row(f"{USUAL}, two seeds", twice, agreement(mean_by_function(both, "loss"), reference))
    print("\n| initialisation | tau of its short runs with the mean of all long ones, best third (95 %) |\n|---|---|")
    means = [mean_by_function([r for r in rows if r.label == label and r.repeat == 10], "loss")
             for label in (REFERENCE, *(f"{REFERENCE}, {init}" for init in INITS))]  # fmt: skip
    shared = set.intersection(*map(set, means))
    everyone = {text: sum(mean[text] for mean in means) / len(means) for text in shared}
    for label in (USUAL, *INITS):
        short = mean_by_function([row for row in rows if row.label == label and row.repeat == 0], "loss")
        found = agreement(short, everyone, share=1.0)
        print(f"| {'he' if label == USUAL else label} | {_interval(found.best, found.best_interval)} |")
    print(
        "\n| stopped after | when the training loss exceeds | stopped | steps saved | best 1 % lost | best 10 % lost |"
    )
    print("|---|---|---|---|---|---|")
    for rule in stop_rules(both, reference):
        _print_rule(rule)


def _print_row(label: str, seconds: float | None, found: Agreement) -> None:
    shown = "" if seconds is None else f"{seconds:.2f}"
    taus = (_interval(found.overall, found.overall_interval), _interval(found.best, found.best_interval))
    print(f"| {label} | {shown} | {' | '.join(taus)} |")


def _interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _print_rule(rule: StopRule) -> None:
    print(f"| {rule.share:.0%} of the steps | {rule.above:.0%} of chance | {rule.stopped:.0%} | {rule.saved:.0%} | "
          f"{rule.lost[0]} of {rule.of[0]} | {rule.lost[1]} of {rule.of[1]} |")  # fmt: skip


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["run", "time", "report"])
    parser.add_argument("--results", type=Path, default=RESULTS, help="the CSV file")
    parser.add_argument("--functions", type=int, default=300, help="random functions beside the known ones")
    parser.add_argument("--workers", type=int, help="one core each [default: every core]")
    words = parser.parse_args()
    if words.job == "run":
        run(words.results, words.functions, words.workers)
    elif words.job == "time":
        measure_seconds(words.results)
    report(rows_of(words.results))


if __name__ == "__main__":
    main()
