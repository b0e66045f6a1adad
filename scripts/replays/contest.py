"""A contest of proposers on a table: who takes part, what the surrogate may know, and one search of each.

Not here: what a search came to (``comparison``) and what is printed (``scripts.studies.proposers``).
"""

import functools
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import joblib
import numpy as np
import torch

from actsearch.evaluators.data.dataset import cache_directory
from actsearch.evaluators.looks import first_look
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour import profile
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.expression import Expression
from actsearch.grammar.rows.known import read
from actsearch.search.proposers.knowledge import knowledge_of
from actsearch.search.proposers.proposer import Proposer
from actsearch.search.proposers.registry import ProposerSettings, build_proposer
from actsearch.search.proposers.reinforce import ReinforceSettings
from actsearch.search.proposers.surrogate import SurrogateSettings
from actsearch.search.settings.space import SpaceSettings, build_space
from scripts.replays.comparison import seconds_to, targets_of
from scripts.replays.replay import Table, Trained, file_of, load_table, replay, replay_asynchronously

RANDOM = "random"
LOOKS = 8  # draws of untrained networks that the surrogate's searches share
BATCH = 4  # proposals a batch
SHORT = 150  # trainings after which the searches of learning proposers end, and the curves
MANY, FEW = 1500, 100  # of those that cost nothing, and of the surrogates, whose model takes a second a hundred
ASKING = 16  # of many workers that wait for no batch, this part asks together: a driver cannot serve each by itself
SURROGATE = SurrogateSettings(use=True)
SPACE = build_space(SpaceSettings())


@dataclass(frozen=True)
class Contestant:
    """A proposer with its settings, and after how many trainings its searches end."""

    settings: ProposerSettings
    trainings: int


CONTESTANTS = {
    RANDOM: Contestant(ProposerSettings(name="random"), MANY),
    "exhaustive": Contestant(ProposerSettings(name="exhaustive"), MANY),
    "evolution": Contestant(ProposerSettings(name="evolution"), MANY),
    "reinforce": Contestant(ProposerSettings(name="reinforce"), SHORT),
    "reinforce without warm-up": Contestant(
        ProposerSettings(name="reinforce", reinforce=ReinforceSettings(warm_up=0)), SHORT
    ),
    "ppo": Contestant(ProposerSettings(name="ppo"), SHORT),
    "risk_seeking": Contestant(ProposerSettings(name="risk_seeking"), SHORT),
    "random + surrogate": Contestant(ProposerSettings(name="random", surrogate=SURROGATE), FEW),
    "reinforce + surrogate": Contestant(ProposerSettings(name="reinforce", surrogate=SURROGATE), FEW),
}


@dataclass(frozen=True)
class Looks:
    """What is known of every function of a table without training it, by draw of the untrained weights.

    Args:
        rows: fingerprint -> row.
        numbers: ``(draws, functions, d) float32``.
    """

    rows: dict[str, int]
    numbers: np.ndarray

    def describe(self, expression: Expression, draw: int) -> list[float]:
        """Return what one draw shows of an expression."""
        found: list[float] = self.numbers[draw, self.rows[fingerprint(expression)]].tolist()
        return found


@functools.cache
def table_for(task: str) -> Table:
    """Return a task's table, read once a process."""
    return load_table(file_of(task))


@functools.cache
def looks_for(task: str) -> Looks:
    """Return what is known of every function; kept in the cache, since it takes some minutes."""
    names = sorted(table_for(task).texts)
    source = [inspect.getsource(module) for module in (first_look, profile)]
    path = cache_directory() / f"looks_{task}_{joblib.hash([source, names])}.npy"
    if not path.is_file():
        print(f"looking at {len(names)} functions of {task} without training them, {LOOKS} times", file=sys.stderr)
        found = joblib.Parallel(n_jobs=-1)(joblib.delayed(_look)(task, names, draw) for draw in range(LOOKS))
        np.save(path, np.array(found, dtype=np.float32))
    return Looks({name: row for row, name in enumerate(names)}, np.load(path))


def _look(task: str, names: Sequence[str], draw: int) -> list[Sequence[float]]:
    torch.set_num_threads(1)
    describe = knowledge_of(resolve(TaskSettings(name=task)), draw)
    return [describe(read(table_for(task).texts[name])) for name in names]


def search(task: str, name: str, seed: int) -> list[Trained]:
    """Return one search of a contestant, in batches on one worker."""
    best = targets_of(table_for(task))["best"]
    contestant = CONTESTANTS[name]
    # beyond what the curves need, only the best of all is waited for
    trained = replay(_proposer(task, name, seed), table_for(task), seed, BATCH, contestant.trainings, until=best)
    if len(trained) < min(SHORT, contestant.trainings):
        return replay(_proposer(task, name, seed), table_for(task), seed, BATCH, min(SHORT, contestant.trainings))
    return trained


def seconds(task: str, name: str, seed: int, workers: int, wait: bool) -> float:
    """Return the simulated seconds until one of the top 10 is trained."""
    torch.set_num_threads(1)
    table, wanted = table_for(task), targets_of(table_for(task))["top10"]
    proposer, trainings = _proposer(task, name, seed), max(SHORT, CONTESTANTS[name].trainings)
    if wait:
        return seconds_to(replay(proposer, table, seed, max(BATCH, workers), trainings, workers, wanted), wanted)
    together = max(1, workers // ASKING)
    told = max(BATCH, together)
    return seconds_to(replay_asynchronously(proposer, table, seed, told, trainings, workers, wanted, together), wanted)


def _proposer(task: str, name: str, seed: int) -> Proposer:
    torch.set_num_threads(1)
    settings = CONTESTANTS[name].settings
    draw = seed % LOOKS
    looks = looks_for(task)
    return build_proposer(settings, SPACE, seed, lambda expression: looks.describe(expression, draw))
