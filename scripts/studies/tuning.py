"""Choose the controller's settings with Ray Tune: random settings on replays of one table, poor ones stopped early.

Seeds below 1,000 and one task are used here; ``compare_proposers.py`` reports on seeds from 1,000 on and on another
task. Ten minutes on two cores; every trial is kept in ``scripts/studies/results/tuning.csv``.
"""

import argparse
import csv
import functools
import math
import os
import sys
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.search import BasicVariantGenerator

from actsearch.search.proposers.policy import ControllerSettings
from actsearch.search.proposers.reinforce import Reinforce, ReinforceSettings
from actsearch.search.settings.space import SpaceSettings, build_space
from scripts.replays.comparison import targets_of, trainings_to
from scripts.replays.contest import Known
from scripts.replays.replay import Table, file_of, load_table, replay

RESULTS = Path("scripts/studies/results/tuning.csv")
SEEDS, BLOCK = 72, 8  # searches of the longest trials, and between two reports
NOTHING_KEPT = tune.CheckpointConfig(checkpoint_at_end=False)  # a trial takes seconds
LONGEST = 250  # trainings after which a search is given up; it then counts as this many
STRINGS = build_space(SpaceSettings())
SPACE: dict[str, Any] = {
    "learning_rate": tune.loguniform(0.01, 0.12),
    "entropy": tune.loguniform(0.02, 0.4),
    "hidden": tune.choice([16, 32, 64]),
    "embedding": tune.choice([8, 16, 32]),
    "baseline_decay": tune.choice([0.0, 0.5, 0.8, 0.9]),
    "memory": tune.choice([0, 50, 100]),
    "updates": tune.choice([1, 2, 4]),
    "blame": tune.choice([0.1, 0.3, 1.0]),
    "batch": tune.choice([4, 8, 16]),
}


@functools.cache
def table_for(task: str) -> Table:
    """Return a task's table, read once a process."""
    return load_table(file_of(task))


def searches(config: dict[str, Any], task: str, seeds: range) -> list[float]:
    """Return log trainings to the top 10 of each seed."""
    controller = {name: config[name] for name in ("learning_rate", "entropy", "hidden", "embedding")}
    rest = {name: config[name] for name in ("baseline_decay", "memory", "updates", "blame")}
    settings = ReinforceSettings(controller=ControllerSettings(**controller), warm_up=0, **rest)
    table = table_for(task)
    wanted = targets_of(table)["top10"]
    found = []
    for seed in seeds:
        trained = replay(
            Reinforce(STRINGS, seed, settings, Known(None, {})), table, seed, config["batch"], LONGEST, until=wanted
        )
        found.append(math.log(min(trainings_to(trained, wanted), LONGEST)))
    return found


class Trial(tune.Trainable):
    """One choice of settings: each step is a block of searches with new seeds. Its process serves many trials."""

    def setup(self, config: dict[str, Any]) -> None:
        """Read the table once a process."""
        torch.set_num_threads(1)
        os.chdir(config["directory"])
        self.found: list[float] = []

    def step(self) -> dict[str, float]:
        """Search with the next seeds, and report the mean over all so far."""
        first = len(self.found)
        self.found += searches(self.config, self.config["task"], range(first, first + BLOCK))
        return {"log_trainings": sum(self.found) / len(self.found), "seeds": len(self.found)}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over the next trial."""
        self.config, self.found = new_config, []
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing: a trial takes seconds."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing was kept."""


def main() -> None:
    """Tune, keep every trial, and print the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="mnist1d", help="whose table")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    words = parser.parse_args()
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    fixed = {"task": words.task, "directory": str(Path.cwd())}
    tuner = tune.Tuner(
        tune.with_resources(Trial, {"cpu": 1}),
        param_space={**SPACE, **fixed},
        tune_config=tune.TuneConfig(
            metric="log_trainings",
            mode="min",
            num_samples=words.trials,
            time_budget_s=words.minutes * 60,
            scheduler=tune.schedulers.ASHAScheduler(
                time_attr="seeds", max_t=SEEDS, grace_period=BLOCK, reduction_factor=3
            ),
            search_alg=BasicVariantGenerator(random_state=0, max_concurrent=os.cpu_count() or 1),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(verbose=0, stop={"seeds": SEEDS}, checkpoint_config=NOTHING_KEPT),
    )
    found = tuner.fit()
    metrics = [(found[index].config or {}, found[index].metrics or {}) for index in range(len(found))]
    rows = [{**{name: config[name] for name in SPACE}, "seeds": told["seeds"],
             "log_trainings": round(told["log_trainings"], 4)}
            for config, told in metrics if "seeds" in told]  # fmt: skip
    rows.sort(key=lambda row: (-row["seeds"], row["log_trainings"]))
    with words.results.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*SPACE, "seeds", "log_trainings"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} trials; the best of those with {SEEDS} seeds:", file=sys.stderr)
    for row in rows[:5]:
        print(f"{math.exp(row['log_trainings']):.0f} trainings to the top 10 (geometric mean): {row}")


if __name__ == "__main__":
    main()
