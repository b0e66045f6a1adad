"""A contest of proposers on a table: who takes part, what the surrogate may know, and one search of each.

Not here: what a search came to (``comparison``) and what is printed (``scripts.studies.proposers``).
"""

import functools
import inspect
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import joblib
import numpy as np
import torch

from actsearch.evaluators.data.dataset import cache_directory
from actsearch.evaluators.looks.readout import readout
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.behaviour.profile import profile
from actsearch.grammar.expression import Expression
from actsearch.grammar.rows.known import read
from actsearch.search.proposers.knowledge import KnowledgeOfTask
from actsearch.search.proposers.prior import Prior, shipped
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
TABLED = ("mnist1d", "mnist1d_mlp")  # problems of the prior that a contest leaves out: the tables are theirs
SPACE = build_space(SpaceSettings())


@dataclass(frozen=True)
class Contestant:
    """A proposer with its settings, and after how many trainings its searches end."""

    settings: ProposerSettings
    trainings: int


def _of(name: str, *, prior: bool = False, surrogate: bool = False, warm_up: int = 256) -> ProposerSettings:
    choosing = SurrogateSettings(use=surrogate)
    return ProposerSettings(
        name=name, prior=prior, reinforce=ReinforceSettings(warm_up=warm_up), surrogate=choosing
    )  # fmt: skip


CONTESTANTS = {
    RANDOM: Contestant(_of("random"), MANY),
    "exhaustive": Contestant(_of("exhaustive"), MANY),
    "evolution": Contestant(_of("evolution"), MANY),
    "reinforce without warm-up": Contestant(_of("reinforce", warm_up=0), SHORT),
    "reinforce, readouts": Contestant(_of("reinforce"), SHORT),
    "reinforce, prior": Contestant(_of("reinforce", prior=True), SHORT),
    "ppo": Contestant(_of("ppo"), SHORT),
    "risk_seeking": Contestant(_of("risk_seeking"), SHORT),
    "random + surrogate without prior": Contestant(_of("random", surrogate=True), FEW),
    "random + surrogate": Contestant(_of("random", prior=True, surrogate=True), FEW),
    "reinforce + surrogate": Contestant(_of("reinforce", prior=True, surrogate=True), FEW),
}


@dataclass(frozen=True)
class Known:
    """The ``Knowledge`` of a table's functions, with readouts of one draw of the untrained weights.

    Args:
        prior: ranks on other problems; None is no use of them.
        readouts: fingerprint -> readout.
    """

    prior: Prior | None
    readouts: Mapping[str, float]

    def profile(self, expression: Expression) -> tuple[float, ...]:
        """Return the profile."""
        return _profile(expression)

    def elsewhere(self, expression: Expression) -> tuple[float, ...]:
        """Return the expected ranks on other problems."""
        return () if self.prior is None else tuple(self.prior.predict(_profile(expression)).tolist())

    def readout(self, expression: Expression) -> float:
        """Return the readout."""
        return self.readouts.get(fingerprint(expression), math.nan)


@functools.lru_cache(maxsize=10_000)
def _profile(expression: Expression) -> tuple[float, ...]:
    return tuple(profile(expression).tolist())


@functools.cache
def table_for(task: str) -> Table:
    """Return a task's table, read once a process."""
    return load_table(file_of(task))


@functools.cache
def readouts_for(task: str) -> list[dict[str, float]]:
    """Return the readout of every function, by draw; kept in the cache, since it takes some minutes."""
    names = sorted(table_for(task).texts)
    path = cache_directory() / f"readouts_{task}_{joblib.hash([inspect.getsource(readout), names])}.npy"
    if not path.is_file():
        print(f"looking at {len(names)} functions of {task} without training them, {LOOKS} times", file=sys.stderr)
        found = joblib.Parallel(n_jobs=-1)(joblib.delayed(_look)(task, names, draw) for draw in range(LOOKS))
        np.save(path, np.array(found, dtype=np.float32))
    return [dict(zip(names, draw, strict=True)) for draw in np.load(path).tolist()]


def _look(task: str, names: Sequence[str], draw: int) -> list[float]:
    torch.set_num_threads(1)
    knowledge = KnowledgeOfTask(resolve(TaskSettings(name=task)), draw, prior=None)
    return [knowledge.readout(read(table_for(task).texts[name])) for name in names]


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
    known = Known(shipped().without(*TABLED) if settings.prior else None, readouts_for(task)[seed % LOOKS])
    return build_proposer(settings, SPACE, seed, known)
