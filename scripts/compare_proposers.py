"""Replay searches on the table of a whole space: how many trainings does each proposer need?

A hundred searches of each, without training anything. What a proposer is told is one noisy seed; it is judged by the
mean over all seeds. Prints tables and draws best-so-far; ``--json`` for programs.
"""

import argparse
import functools
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from tabulate_space import file_of

from evaluators.data.dataset import cache_directory
from evaluators.settings import TaskSettings
from grammar.expression import Expression
from grammar.fingerprint import fingerprint
from grammar.known import read
from search.comparison import (
    BUDGETS,
    best_so_far,
    finding,
    seconds_to,
    targets_of,
    trainings_to,
    worse_than_random,
)
from search.knowledge import knowledge_of
from search.proposers.proposer import Proposer
from search.proposers.registry import ProposerSettings, build_proposer
from search.proposers.surrogate import SurrogateSettings
from search.replay import Table, Trained, replay, replay_asynchronously, table_of
from search.spaces import SpaceSettings, build_space
from search.tabulation import rows_of

RANDOM = "random"
LOOKS = 8  # draws of untrained networks that the surrogate's searches share
WORKERS = (2, 64, 1024)
BATCH = 4  # proposals a batch
SHORT = 400  # trainings after which the searches of dear proposers end, and the curves
FIRST_SEED = 1000  # seeds below are for tuning
SURROGATE = SurrogateSettings(use=True)
RESULTS = Path("scripts/results")


@dataclass(frozen=True)
class Contestant:
    """A proposer with its settings, and after how many trainings its searches end."""

    settings: ProposerSettings
    trainings: int


CONTESTANTS = {
    RANDOM: Contestant(ProposerSettings(name="random"), 3008),
    "exhaustive": Contestant(ProposerSettings(name="exhaustive"), 3008),
    "evolution": Contestant(ProposerSettings(name="evolution"), 3008),
    "reinforce": Contestant(ProposerSettings(name="reinforce"), SHORT),
    "ppo": Contestant(ProposerSettings(name="ppo"), SHORT),
    "risk_seeking": Contestant(ProposerSettings(name="risk_seeking"), SHORT),
    "random + surrogate": Contestant(ProposerSettings(name="random", surrogate=SURROGATE), SHORT),
    "reinforce + surrogate": Contestant(ProposerSettings(name="reinforce", surrogate=SURROGATE), SHORT),
}


@dataclass(frozen=True)
class Looks:
    """What is known of every function of a table without training it, by draw of the untrained weights.

    Args:
        places: fingerprint -> row.
        numbers: ``(draws, functions, d) float32``.
    """

    places: dict[str, int]
    numbers: np.ndarray

    def describe(self, expression: Expression, draw: int) -> list[float]:
        """Return what one draw shows of an expression."""
        found: list[float] = self.numbers[draw, self.places[fingerprint(expression)]].tolist()
        return found


@functools.cache
def table_for(task: str) -> Table:
    """Return a task's table, read once a process."""
    path = file_of(task)
    return table_of(rows_of(path), json.loads(path.with_suffix(".json").read_text())["chance"])


@functools.cache
def looks_for(task: str) -> Looks:
    """Return what is known of every function; kept on disk, since it takes some minutes."""
    names = sorted(table_for(task).texts)
    source = "".join(Path(name).read_text() for name in ("evaluators/first_look.py", "grammar/profile.py"))
    path = cache_directory() / f"looks_{task}_{joblib.hash([source, names])}.npy"
    if not path.is_file():
        print(f"looking at {len(names)} functions of {task} without training them, {LOOKS} times", file=sys.stderr)
        found = joblib.Parallel(n_jobs=-1)(joblib.delayed(_look)(task, names, draw) for draw in range(LOOKS))
        np.save(path, np.array(found, dtype=np.float32))
    return Looks({name: place for place, name in enumerate(names)}, np.load(path))


def _look(task: str, names: Sequence[str], draw: int) -> list[list[float]]:
    torch.set_num_threads(1)
    describe = knowledge_of(TaskSettings(name=task), draw)
    return [describe(read(table_for(task).texts[name])) for name in names]


def search(task: str, name: str, seed: int) -> list[Trained]:
    """Return one search of a contestant, in batches on one worker."""
    best = targets_of(table_for(task))["best"]
    contestant = CONTESTANTS[name]
    # beyond what the curves need, only the best of all is waited for
    trained = replay(_proposer(task, name, seed), table_for(task), seed, BATCH, contestant.trainings, until=best)
    if len(trained) < min(SHORT, contestant.trainings):
        return replay(_proposer(task, name, seed), table_for(task), seed, BATCH, SHORT)
    return trained


def seconds(task: str, name: str, seed: int, workers: int, wait: bool) -> float:
    """Return the simulated seconds until one of the top 10 is trained."""
    torch.set_num_threads(1)
    table, wanted = table_for(task), targets_of(table_for(task))["top10"]
    proposer = _proposer(task, name, seed)
    if wait:
        return seconds_to(replay(proposer, table, seed, max(BATCH, workers), SHORT, workers, wanted), wanted)
    return seconds_to(replay_asynchronously(proposer, table, seed, BATCH, SHORT, workers, wanted), wanted)


def _proposer(task: str, name: str, seed: int) -> Proposer:
    torch.set_num_threads(1)
    settings = CONTESTANTS[name].settings
    draw = seed % LOOKS
    describe = (lambda expression: looks_for(task).describe(expression, draw)) if settings.surrogate.use else _nothing
    return build_proposer(settings, build_space(SpaceSettings()), seed, describe)


def _nothing(expression: Expression) -> list[float]:
    raise AssertionError(f"no surrogate asks about {expression}")


def compare(task: str, seeds: range) -> dict[str, dict[str, Any]]:
    """Run every contestant and return its numbers."""
    table, targets = table_for(task), targets_of(table_for(task))
    looks_for(task)  # made once, not by each worker
    jobs = [(name, seed) for name in CONTESTANTS for seed in seeds]
    found = joblib.Parallel(n_jobs=-1, verbose=1)(joblib.delayed(search)(task, *job) for job in jobs)
    searches: dict[str, list[list[Trained]]] = {name: [] for name in CONTESTANTS}
    for (name, _), trained in zip(jobs, found, strict=True):
        searches[name].append(trained)
    needed = {
        name: {target: [trainings_to(one, wanted) for one in runs] for target, wanted in targets.items()}
        for name, runs in searches.items()
    }
    curves = {name: np.array([best_so_far(one, table, SHORT) for one in runs]) for name, runs in searches.items()}
    worse = worse_than_random(curves, RANDOM)
    numbers: dict[str, dict[str, Any]] = {}
    for name in CONTESTANTS:
        findings = {target: finding(needed[name][target], needed[RANDOM][target]) for target in targets}
        numbers[name] = {
            **{f"median_to_{target}": one.median for target, one in findings.items()},
            "quartiles_to_top10": findings["top10"].quartiles,
            "ratio_to_random": findings["top10"].ratio,
            "p_value": findings["top10"].p_value,
            "seeds": len(seeds),
            "worse_than_random_p": worse.get(name),
            "best_so_far": {str(b): summary(curves[name][:, b - 1]) for b in BUDGETS},
        }
    draw_curves(curves, task)
    return numbers


def summary(losses: np.ndarray) -> list[float]:
    """Return median and quartiles."""
    return [round(float(q), 4) for q in np.quantile(losses, [0.5, 0.25, 0.75])]


def clocks(task: str, seeds: range) -> dict[str, dict[str, float]]:
    """Return median simulated seconds to the top 10, by proposer and by workers and kind of waiting."""
    modes = [(workers, wait) for workers in WORKERS for wait in (True, False)]
    jobs = [(name, seed, workers, wait) for name in CONTESTANTS for workers, wait in modes for seed in seeds]
    found = joblib.Parallel(n_jobs=-1, verbose=1)(joblib.delayed(seconds)(task, *job) for job in jobs)
    taken: dict[str, dict[str, list[float]]] = {}
    for (name, _, workers, wait), second in zip(jobs, found, strict=True):
        taken.setdefault(name, {}).setdefault(f"{workers} {'in batches' if wait else 'never waiting'}", []).append(
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
          "best loss after 50, 200 trainings | worse than random anywhere, p |")  # fmt: skip
    print(8 * "|---" + "|")
    for name, row in numbers.items():
        low, high = row["quartiles_to_top10"]
        best = [row["best_so_far"][budget][0] for budget in ("50", "200")]
        worse = "" if row["worse_than_random_p"] is None else f"{row['worse_than_random_p']:.2g}"
        print(f"| {name} | {_shown(row['median_to_top_1_percent'])} | {_shown(row['median_to_top10'])} "
              f"({_shown(low)} to {_shown(high)}) | {row['ratio_to_random']:.2f} | {row['p_value']:.1g} | "
              f"{_shown(row['median_to_best'])} | {best[0]:.3f}, {best[1]:.3f} | {worse} |")  # fmt: skip


def print_clocks(found: Mapping[str, Mapping[str, float]]) -> None:
    """Print simulated seconds."""
    modes = list(next(iter(found.values())))
    print(f"\n| simulated seconds to the top 10, workers | {' | '.join(modes)} |\n|{'---|' * (len(modes) + 1)}")
    for name, row in found.items():
        print(f"| {name} | {' | '.join(f'{row[mode]:.1f}' for mode in modes)} |")


def _shown(number: float) -> str:
    return f"over {SHORT}" if math.isinf(number) else f"{number:.0f}"


def main() -> None:
    """Compare, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="mnist1d", help="whose table")
    parser.add_argument("--seeds", type=int, default=100, help="searches of each proposer")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="tuning used those below")
    parser.add_argument(
        "--clock-seeds", type=int, default=20, help="searches for each simulated clock; 0 leaves it out"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    words = parser.parse_args()
    seeds = range(words.first_seed, words.first_seed + words.seeds)
    numbers = compare(words.task, seeds)
    found = clocks(words.task, seeds[: words.clock_seeds]) if words.clock_seeds else {}
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
