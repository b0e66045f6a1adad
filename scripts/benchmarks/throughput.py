"""Children per minute here, against Ray Tune and a bare loop of ordinary modules; ``--json`` for programs.

Same child, steps and data on every side. Medians over rounds in which the sides take turns; nothing else should run
meanwhile. A quarter of an hour on two cores; the table and the picture are kept in scripts/benchmarks/results.
"""

import argparse
import json
import logging
import math
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import ray
import torch

from actsearch.evaluators.outcome import Request, child_seed
from actsearch.evaluators.pools.pool import Pool, PoolSettings
from actsearch.evaluators.pools.ray_pool import RayPool
from actsearch.evaluators.registry import resolve, resolve_network
from actsearch.evaluators.settings import TaskSettings
from actsearch.search.memory.provenance import processor
from scripts.benchmarks.rivals import bare_loop_seconds, tune_seconds
from scripts.studies.proxy import sample

RIVAL_TEXTS = ("relu", "swish", "gelu", "cos_minus_x")
TEXTS = ("relu", "silu", "gelu", "swish", "tanh", "cos_minus_x", "max_sigmoid", "elu")
STEPS, BATCH = resolve(TaskSettings()).settings.steps, resolve(TaskSettings()).settings.batch
RESULTS = Path("scripts/benchmarks/results")
FORWARD_PRODUCTS = 93_440  # multiplications of one example in convolutions and linear layer; backwards twice as many
Numbers = dict[str, float]


def pool_seconds(pool: Pool, texts: Sequence[str], steps: int, repeats: int = 1) -> tuple[float, float]:
    """Return wall-clock seconds, and the seconds within the workers' trainings."""
    requests = [Request(t, child_seed(n, t, 0), steps) for n in range(repeats) for t in texts]
    started = time.perf_counter()
    inside = sum(outcome.seconds for _, outcome in pool.evaluate(requests))
    return time.perf_counter() - started, inside


def ratios(rounds: int) -> dict[str, object]:
    """Measure children per minute of every side, in turns, and the ratios of the medians.

    Where a side has processes that start once (ours, Tune with reused actors) what counts is the rate afterwards; for
    Tune, which starts them within its run, the time of many trials less that of few.
    """
    per_minute: dict[str, list[float]] = {"ours": [], "tune_default": [], "tune_reuse": [], "bare_loop": []}
    for _ in range(rounds):
        with RayPool(resolve(TaskSettings()), PoolSettings()) as pool:
            pool_seconds(pool, RIVAL_TEXTS, 2)  # every worker has started
            per_minute["ours"].append(
                60 * 14 * len(RIVAL_TEXTS) / pool_seconds(pool, RIVAL_TEXTS, STEPS, repeats=14)[0]
            )
        trials = [*RIVAL_TEXTS, *RIVAL_TEXTS]
        per_minute["tune_default"].append(60 * len(trials) / tune_seconds(trials, STEPS, reuse=False))
        few, many = (tune_seconds(n * RIVAL_TEXTS, STEPS, reuse=True) for n in (1, 3))
        per_minute["tune_reuse"].append(60 * 2 * len(RIVAL_TEXTS) / (many - few))
        seconds = min(bare_loop_seconds(RIVAL_TEXTS, STEPS, threads) for threads in {1, os.cpu_count() or 1})
        per_minute["bare_loop"].append(60 * len(RIVAL_TEXTS) / seconds)
    medians = {name: statistics.median(values) for name, values in per_minute.items()}
    found: dict[str, object] = {f"{name}_ratio": medians["ours"] / medians[name] for name in medians if name != "ours"}
    return found | {"children_per_minute": {name: sorted(values) for name, values in per_minute.items()}}


def cost(rounds: int) -> dict[str, object]:
    """Measure what a child costs by population, width, steps and workers; and what Ray adds."""
    table: dict[str, Numbers] = {"population": {}, "width": {}, "steps": {}, "workers": {}}
    for population in (1, 4, 16):
        table["population"][str(population)] = _seconds(rounds, PoolSettings(workers=1, population=population))
    for width in (8, 16):
        table["width"][str(width)] = _seconds(rounds, PoolSettings(workers=1), TaskSettings(width=width))
    for steps in (125, 500, 2000):
        table["steps"][str(steps)] = _seconds(rounds, PoolSettings(workers=1), steps=steps)
    for workers in range(1, 1 + (os.cpu_count() or 1)):
        table["workers"][str(workers)] = _seconds(rounds, PoolSettings(workers=workers))
    table["diagnostics"] = {
        "off": _seconds(rounds, PoolSettings(workers=1), TaskSettings(diagnostics=False)),
        "on": _seconds(rounds, PoolSettings(workers=1)),
    }
    with RayPool(resolve(TaskSettings()), PoolSettings(workers=1)) as pool:
        pool_seconds(pool, TEXTS[:1], 2)
        wall, inside = pool_seconds(pool, TEXTS, STEPS * 4)
    overhead = (wall - inside) / len(TEXTS)
    return {"seconds_per_child": table, "ray_seconds_per_child": overhead, "ray_share_at_2_seconds": overhead / 2}


def _seconds(rounds: int, settings: PoolSettings, task: TaskSettings | None = None, steps: int = STEPS) -> float:
    """Return the median wall-clock seconds a child."""
    with RayPool(resolve(task or TaskSettings()), settings) as pool:
        pool_seconds(pool, TEXTS, 2)
        return statistics.median(pool_seconds(pool, TEXTS, steps)[0] / len(TEXTS) for _ in range(rounds))


def matmul_share() -> Numbers:
    """Return how much of the machine's own speed of large products a worker reaches over whole steps."""
    torch.set_num_threads(1)
    a, b = torch.randn(2, 768, 768, generator=torch.Generator().manual_seed(0))
    speeds = []
    for _ in range(30):
        started = time.perf_counter()
        a @ b
        speeds.append(2 * 768**3 / (time.perf_counter() - started))
    with RayPool(resolve(TaskSettings(diagnostics=False)), PoolSettings(workers=1)) as pool:
        pool_seconds(pool, TEXTS, 2)
        short, long = (pool_seconds(pool, TEXTS, steps)[1] / len(TEXTS) for steps in (100, 900))
    step = (long - short) / 800
    products = 2 * 3 * FORWARD_PRODUCTS * BATCH
    peak = statistics.median(speeds)
    return {"matmul_share": products / step / peak, "milliseconds_per_step": step * 1e3, "gigaflops": peak / 1e9}


def agreement(functions: int = 30, seeds: int = 4) -> Numbers:
    """Compare the kernel's scores with the ordinary modules', in units of the noise between seeds.

    Differences and noise are of log loss, root mean squares over those of so many random functions of the search space
    that learn something (every seed below chance); the others' losses differ by orders of magnitude between any two
    seeds. Where only one of the two kernels scores, that is a disagreement, and counted.
    """
    texts = sample(functions)[:functions]
    requests = [Request(text, child_seed(0, text, seed), STEPS) for text in texts for seed in range(seeds)]
    native = _scores(requests, "native")
    plain = {seeds * index: score for index, score in _scores(requests[::seeds], "torch").items()}
    chance = resolve_network(TaskSettings()).chance or 0.0
    learned = [
        index
        for index in range(0, len(requests), seeds)
        if all(native.get(index + seed, math.inf) < chance for seed in range(seeds)) and index in plain
    ]
    differences = [math.log(native[index]) - math.log(plain[index]) for index in learned]
    noise = [statistics.variance(math.log(native[index + seed]) for seed in range(seeds)) for index in learned]
    rms, spread = (math.sqrt(statistics.fmean(v)) for v in ([d * d for d in differences], noise))
    disagreements = {index for index in native if index % seeds == 0} ^ set(plain)
    return {
        "score_agreement": rms / spread, "difference_of_log_loss": rms, "seed_noise_of_log_loss": spread,
        "functions": len(differences), "status_disagreements": len(disagreements),
    }  # fmt: skip


def _scores(requests: list[Request], kernel: str) -> dict[int, float]:
    task = TaskSettings(kernel=kernel, diagnostics=False)  # type: ignore[arg-type]  # one of the three
    with RayPool(resolve(task), PoolSettings()) as pool:
        return {index: o.score for index, o in pool.evaluate(requests) if o.score is not None}


def draw(table: dict[str, Numbers], path: Path) -> None:
    """Draw the costs: one panel for each thing that is varied."""
    import matplotlib as mpl  # noqa: PLC0415  a second that --json saves

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(1, len(table), figsize=(3 * len(table), 2.6), constrained_layout=True)
    for axis, (name, numbers) in zip(axes, table.items(), strict=True):
        axis.bar(list(numbers), list(numbers.values()), color="tab:blue")
        axis.set(xlabel=name, ylabel="seconds a child")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _print(facts: dict[str, object]) -> str:
    lines = ["| measured | value |", "|---|---|"]
    for name, value in facts.items():
        if isinstance(value, dict):
            for part, number in value.items():
                shown = (
                    " ".join(f"{k}: {v:.3g}" for k, v in number.items())
                    if isinstance(number, dict)
                    else (" ".join(f"{v:.3g}" for v in number))
                )
                lines.append(f"| {name}, {part} | {shown} |")
        else:
            lines.append(f"| {name} | {value:.3g} |" if isinstance(value, float) else f"| {name} | {value} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object and keep nothing")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement")
    words = parser.parse_args()
    facts: dict[str, object] = {
        "machine": f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}, ray {ray.__version__}"
    }
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
             object_store_memory=150 * 2**20)  # fmt: skip
    facts |= {**ratios(words.rounds), **matmul_share(), **agreement(), **cost(1)}
    ray.shutdown()
    if words.json:
        print(json.dumps(facts, indent=2))
        return
    table = _print(facts)
    print(table)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "throughput.md").write_text(table + "\n")
    draw(facts["seconds_per_child"], RESULTS / "cost.png")  # type: ignore[arg-type]  # made above


if __name__ == "__main__":
    main()
