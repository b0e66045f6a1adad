"""The same child as others would train it: a bare loop of ordinary torch modules, and Ray Tune around it.

Written as the tutorials of torch and Ray Tune show it; the baselines of ``benchmark_throughput``.
"""

import os
import time
from collections.abc import Sequence

import torch
from ray import tune
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.initialisation import initialise
from actsearch.evaluators.networks.resnet1d import ResNet1d
from actsearch.evaluators.registry import resolve_network
from actsearch.evaluators.schedule import batches
from actsearch.evaluators.settings import TaskSettings

QUIET = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}


def plain_child(text: str, seed: int, steps: int) -> float:
    """Train one child with ordinary modules in this process and return its loss on the validation split."""
    resolved = resolve_network(TaskSettings())
    task, data = resolved.settings, resolved.data
    generator = torch.Generator().manual_seed(seed)
    network = ResNet1d(data.class_count, BUILT_IN.read(text).make)
    initialise(network, "he", BUILT_IN.read(text).function, generator)
    optimiser = torch.optim.AdamW(network.parameters(), lr=task.learning_rate, weight_decay=task.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=task.learning_rate, total_steps=steps)
    for chosen in batches(len(data.train.labels), task.batch, steps, generator):
        loss = nn.functional.cross_entropy(network(data.train.inputs[chosen]), data.train.labels[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), task.clip)
        optimiser.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        return float(nn.functional.cross_entropy(network(data.validation.inputs), data.validation.labels))


def _trial(config: dict[str, object]) -> dict[str, float]:
    torch.set_num_threads(1)
    return {"loss": plain_child(str(config["text"]), int(str(config["seed"])), int(str(config["steps"])))}


class _Reused(tune.Trainable):
    """The same trial for ``reuse_actors=True``: the process stays, the configuration is exchanged."""

    def setup(self, config: dict[str, object]) -> None:
        self.configuration = config

    def step(self) -> dict[str, float | bool]:
        return {**_trial(self.configuration), "done": True}

    def reset_config(self, new_config: dict[str, object]) -> bool:
        self.configuration = new_config
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing is kept."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing was kept."""


def tune_seconds(texts: Sequence[str], steps: int, *, reuse: bool) -> float:
    """Return the wall-clock seconds that Ray Tune takes for one trial a text; Ray is running already."""
    os.environ.update(QUIET)
    space = {"text": tune.grid_search(list(texts)), "seed": 1, "steps": steps}
    tuner = tune.Tuner(
        _Reused if reuse else _trial,
        param_space=space,
        tune_config=tune.TuneConfig(metric="loss", mode="min", reuse_actors=reuse),
        run_config=tune.RunConfig(verbose=0),
    )
    started = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - started
    if len(results) != len(texts) or results.errors:
        raise RuntimeError(f"Ray Tune finished {len(results)} of {len(texts)} trials, errors: {results.errors}")
    return seconds


def bare_loop_seconds(texts: Sequence[str], steps: int, threads: int) -> float:
    """Return the seconds of a single process that trains one child after the other with so many threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    started = time.perf_counter()
    for text in texts:
        plain_child(text, 1, steps)
    seconds = time.perf_counter() - started
    torch.set_num_threads(before)
    return seconds
