"""The user's own network, trained by this engine and by others: candidates a minute, in turns, and their ratios.

The same three networks, candidates, steps and data on every side: this engine with every core, a bare loop of torch
in one process, Ray Tune as its tutorial shows it, and Optuna with a process a core. Five minutes on two cores, nothing
else running; Optuna is not installed with this project, and left out where it is missing.
"""

import argparse
import concurrent.futures
import importlib.util
import json
import logging
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ray
import torch
from ray import tune
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Request
from actsearch.evaluators.pools.pool import PoolSettings, SerialPool
from actsearch.evaluators.pools.ray_pool import RayPool
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.search.memory.provenance import processor
from scripts.benchmarks.networks_of_users import NETWORKS, WIDTHS

TEXTS = ("relu", "swish", "gelu", "tanh", "elu", "mul(x,sigmoid(x))", "max(x,sin(x))", "gate(atan(x),x)")
STEPS, BATCH, RATE = 200, 64, 3e-3
RESULTS = Path("scripts/benchmarks/results")
Seconds = Callable[[str, Sequence[str]], float]


def task_of(network: str) -> TaskSettings:
    """Return the task of this engine."""
    own = OwnSettings(build=f"scripts.benchmarks.networks_of_users:{network}")
    return TaskSettings(name="own", steps=STEPS, batch=BATCH, learning_rate=RATE, own=own, diagnostics=False)


def plain(network: str, text: str, steps: int = STEPS) -> float:
    """Train one candidate as the tutorials of torch do, and return its loss on the validation split."""
    torch.manual_seed(1)
    model, data = NETWORKS[network](task_of(network))
    places = [name for name, layer in model.named_modules() if isinstance(layer, nn.ReLU)]
    for name, where in zip(places, WIDTHS[network], strict=True):
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, BUILT_IN.read(text).make(*where))
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=steps)
    inputs, labels = data.train.inputs, data.train.labels
    order = torch.cat([torch.randperm(len(labels)) for _ in range(1 + steps * BATCH // len(labels))])
    for step in range(steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        loss = nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(data.validation.inputs), data.validation.labels))


def _alone(network: str, texts: Sequence[str]) -> float:
    """Return what this engine takes in one process, one thread, one child after the other."""
    requests = [Request(text, 1, STEPS) for text in texts]
    with SerialPool(resolve(task_of(network)), PoolSettings(kind="serial")) as pool:
        started = time.perf_counter()
        found = [outcome.score for _, outcome in pool.evaluate(requests)]
    assert None not in found
    return time.perf_counter() - started


def _bare(network: str, texts: Sequence[str], threads: int = 1) -> float:
    torch.set_num_threads(threads)
    started = time.perf_counter()
    for text in texts:
        plain(network, text)
    return time.perf_counter() - started


def _bare_fastest(network: str, texts: Sequence[str]) -> float:
    return min(_bare(network, texts, threads) for threads in {1, os.cpu_count() or 1})


def _ours(network: str, texts: Sequence[str]) -> float:
    with RayPool(resolve(task_of(network)), PoolSettings()) as pool:
        list(pool.evaluate([Request("relu", 0, 2)] * 4))  # every worker has started
        started = time.perf_counter()
        list(pool.evaluate([Request(text, 1, STEPS) for text in texts]))
        return time.perf_counter() - started


def _trial(config: dict[str, str]) -> dict[str, float]:
    torch.set_num_threads(1)
    return {"loss": plain(config["network"], config["text"])}


def _tune(network: str, texts: Sequence[str]) -> float:
    os.environ.update({"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"})
    tuner = tune.Tuner(
        _trial,
        param_space={"network": network, "text": tune.grid_search(list(texts))},
        tune_config=tune.TuneConfig(metric="loss", mode="min"),
        run_config=tune.RunConfig(verbose=0),
    )
    started = time.perf_counter()
    tuner.fit()
    return time.perf_counter() - started


def _optuna_worker(storage: str, network: str, texts: Sequence[str], trials: int) -> None:
    import optuna  # noqa: PLC0415  not installed with this project

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    study = optuna.load_study(study_name="peers", storage=storage)
    study.optimize(lambda trial: plain(network, texts[trial.number]), n_trials=trials)


def _optuna(network: str, texts: Sequence[str]) -> float:
    import optuna  # noqa: PLC0415  not installed with this project

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        storage = f"sqlite:///{scratch}/peers.db"
        optuna.create_study(study_name="peers", storage=storage)
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
            list(pool.map(_warm, range(workers)))  # every process has started
            started = time.perf_counter()
            shares = [(storage, network, texts, len(texts) // workers)] * workers
            list(pool.map(_optuna_worker, *zip(*shares, strict=True)))
            return time.perf_counter() - started


def _warm(_: int) -> float:
    return plain("perceptron", "relu", steps=2)


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return candidates a minute by network and side, one number a round; the sides take turns."""
    sides: dict[str, Seconds] = {"one process, ours": _alone, "one process, bare loop": _bare}
    sides |= {"ours": _ours, "bare loop": _bare_fastest, "Ray Tune": _tune}
    if importlib.util.find_spec("optuna"):
        sides["Optuna"] = _optuna
    found: dict[str, dict[str, list[float]]] = {network: {side: [] for side in sides} for network in NETWORKS}
    for network in NETWORKS:
        plain(network, "relu", steps=5)
        for _ in range(rounds):
            for side, seconds in sides.items():
                found[network][side].append(60 * len(TEXTS) / seconds(network, TEXTS))
    return found


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Return medians and this engine's ratios as a table."""
    machine = f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}, ray {ray.__version__}"
    lines = [f"| {machine} | " + " | ".join(found) + " |", "|---" * (1 + len(found)) + "|"]
    medians = {network: {side: statistics.median(v) for side, v in by.items()} for network, by in found.items()}
    for side in next(iter(found.values())):
        ours = "one process, ours" if side.startswith("one process") else "ours"
        cells = [
            f"{by[side]:.0f}" + ("" if side == ours else f" (ours {by[ours] / by[side]:.2f})")
            for by in medians.values()
        ]
        lines.append(f"| {side} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON, keep nothing")
    words = parser.parse_args()
    logging.getLogger("ray").setLevel(logging.ERROR)
    found = measure(words.rounds)
    if words.json:
        print(json.dumps(found))
        return
    print(table(found))
    (RESULTS / "peers.md").write_text(table(found) + "\n")


if __name__ == "__main__":
    main()
