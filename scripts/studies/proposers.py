"""Replay searches on the table of a whole space: how many trainings does each proposer need?

A hundred searches of each, without training anything. What a proposer is told is one noisy seed; it is judged by the
mean over all seeds. Prints tables and draws best-so-far; ``--json`` for programs.
"""

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from scripts.replays.comparison import (
    BUDGETS,
    best_so_far,
    finding,
    targets_of,
    trainings_to,
    worse_than_random,
)
from scripts.replays.contest import CONTESTANTS, RANDOM, SHORT, readouts_for, search, seconds, table_for
from scripts.replays.replay import Trained

RESULTS = Path("scripts/studies/results")
WORKERS = (2, 64, 1024)
FIRST_SEED = 1000  # seeds below are for tuning


def compare(task: str, seeds: range, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Run the named contestants, random among them, and return their numbers."""
    table, targets = table_for(task), targets_of(table_for(task))
    readouts_for(task)  # made once, not by each worker
    jobs = [(name, seed) for name in names for seed in seeds]
    found = joblib.Parallel(n_jobs=-1, verbose=1)(joblib.delayed(search)(task, *job) for job in jobs)
    searches: dict[str, list[list[Trained]]] = {name: [] for name in names}
    for (name, _), trained in zip(jobs, found, strict=True):
        searches[name].append(trained)
    needed = {
        name: {target: [trainings_to(one, wanted) for one in runs] for target, wanted in targets.items()}
        for name, runs in searches.items()
    }
    curves = {name: np.array([best_so_far(one, table, SHORT) for one in runs]) for name, runs in searches.items()}
    worse = worse_than_random(curves, RANDOM, {name: CONTESTANTS[name].trainings for name in names})
    numbers: dict[str, dict[str, Any]] = {}
    for name in names:
        ended = CONTESTANTS[name].trainings
        findings = {target: finding(needed[name][target], needed[RANDOM][target], ended) for target in targets}
        numbers[name] = {
            **{f"median_to_{target}": one.median for target, one in findings.items()},
            "quartiles_to_top10": findings["top10"].quartiles,
            "ratio_to_random": findings["top10"].ratio,
            "p_value": findings["top10"].p_value,
            "seeds": len(seeds),
            "worse_than_random_p": worse.get(name),
            "best_so_far": {str(b): summary(curves[name][:, b - 1]) for b in BUDGETS if b <= ended},
        }
    if set(names) == set(CONTESTANTS):
        draw_curves(curves, task)
    return numbers


def summary(losses: np.ndarray) -> list[float]:
    """Return median and quartiles."""
    return [round(float(q), 4) for q in np.quantile(losses, [0.5, 0.25, 0.75])]


def clocks(task: str, seeds: range, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return median simulated seconds to the top 10, by proposer and by workers and kind of waiting."""
    modes = [(workers, wait) for workers in WORKERS for wait in (True, False)]
    jobs = [(name, seed, workers, wait) for name in names for workers, wait in modes for seed in seeds]
    found = joblib.Parallel(n_jobs=-1, verbose=1)(joblib.delayed(seconds)(task, *job) for job in jobs)
    taken: dict[str, dict[str, list[float]]] = {}
    for (name, _, workers, wait), second in zip(jobs, found, strict=True):
        taken.setdefault(name, {}).setdefault(f"{workers} {'in batches' if wait else 'asynchronous'}", []).append(
            second
        )
    return {name: {mode: statistics.median(all_) for mode, all_ in modes_.items()} for name, modes_ in taken.items()}


def draw_curves(curves: Mapping[str, np.ndarray], task: str) -> None:
    """Draw best so far against trainings, medians and quartiles."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, found in curves.items():
        low, middle, high = np.quantile(found, [0.25, 0.5, 0.75], axis=0)
        (line,) = axes.plot(range(1, SHORT + 1), middle, label=name)
        axes.fill_between(range(1, SHORT + 1), low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    axes.set(
        xscale="log", yscale="log", xlabel="trainings", ylabel="true loss of the best so far, nats (lower is better)"
    )
    axes.set_title(f"{task}: medians and quartiles over searches")
    axes.legend(fontsize=8)
    figure.savefig(RESULTS / f"proposers_{task}.png", dpi=110)


def print_tables(numbers: Mapping[str, Mapping[str, Any]]) -> None:
    """Print trainings and best so far."""
    print("| proposer | trainings to the top 1 % | to the top 10 (quartiles) | ratio to random | p | to the best | "
          "best loss after 20, 100 trainings | worse than random anywhere, p |")  # fmt: skip
    print(8 * "|---" + "|")
    for name, row in numbers.items():
        low, high = row["quartiles_to_top10"]
        best = [row["best_so_far"][budget][0] for budget in ("20", "100")]
        worse = "" if row["worse_than_random_p"] is None else f"{row['worse_than_random_p']:.2g}"
        print(f"| {name} | {_shown(row['median_to_top_1_percent'])} | {_shown(row['median_to_top10'])} "
              f"({_shown(low)} to {_shown(high)}) | {row['ratio_to_random']:.2f} | {row['p_value']:.1g} | "
              f"{_shown(row['median_to_best'])} | {best[0]:.3f}, {best[1]:.3f} | {worse} |")  # fmt: skip


def print_clocks(found: Mapping[str, Mapping[str, float]]) -> None:
    """Print simulated seconds."""
    modes = list(next(iter(found.values())))
    print(f"\n| simulated seconds to the top 10, workers | {' | '.join(modes)} |\n|{'---|' * (len(modes) + 1)}")
    for name, row in found.items():
        print(f"| {name} | {' | '.join(_shown(row[mode], 1) for mode in modes)} |")


def _shown(number: float, digits: int = 0) -> str:
    return "never" if math.isinf(number) else f"{number:.{digits}f}"


def main() -> None:
    """Compare, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="mnist1d", help="whose table")
    parser.add_argument("--seeds", type=int, default=100, help="searches of each proposer")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="tuning used those below")
    parser.add_argument(
        "--clock-seeds", type=int, default=20, help="searches for each simulated clock; 0 leaves it out"
    )
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), help="beside random")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    words = parser.parse_args()
    seeds = range(words.first_seed, words.first_seed + words.seeds)
    names = list(dict.fromkeys([RANDOM, *words.only]))
    numbers = compare(words.task, seeds, names)
    found = clocks(words.task, seeds[: words.clock_seeds], names) if words.clock_seeds else {}
    for name, row in found.items():
        numbers[name]["seconds_to_top10"] = row
    if words.json:
        print(json.dumps(finite(numbers), indent=1))
        return
    print_tables(numbers)
    if found:
        print_clocks(found)


def finite(value: Any) -> Any:
    """Return JSON that every parser reads: null for what was never reached."""
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
