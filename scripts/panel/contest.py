"""A contest of searches on the panel's tables: who takes part, what each may know, and one search of each.

A search sees one seed of each function that it trains, and is judged by the means over seeds. It proposes functions of
the sample alone. The prior knows neither the problem nor its relatives, nor the ranks of the very function that it is
asked about. Not here: tables and prior (``tables``, ``prior``), a replay (``scripts.replays.replay``), and what is
printed (``rivals``).
"""

import functools
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.registry import resolve as task_of
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.expression import Expression
from actsearch.grammar.rows.known import USUAL
from actsearch.search.plan import resolve
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.knowledge import Knowledge, KnowledgeOfTask
from actsearch.search.proposers.proposer import Proposer
from actsearch.search.proposers.registry import ProposerSettings, build_proposer
from actsearch.search.proposers.reinforce import ReinforceSettings
from actsearch.search.proposers.surrogate import Surrogate, SurrogateSettings
from actsearch.search.settings.space import SpaceSettings, build_space
from scripts.panel.prior import unseen
from scripts.panel.problems import MNIST1D
from scripts.panel.run import RUNS, settings_of
from scripts.panel.tables import sampled, table_of
from scripts.replays.contest import Known
from scripts.replays.replay import Table, file_of, load_table, replay

BATCH = 4  # proposals between two tells
BEST = 0.02  # share of the functions that are a problem's best
SPACE = build_space(SpaceSettings())
NEVER = math.inf


@dataclass(frozen=True)
class KnownOfSample(Known):
    """The ``Knowledge`` of the sample's functions on one problem.

    Args:
        ranks: fingerprint -> expected ranks elsewhere; none without a prior.
    """

    ranks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def elsewhere(self, expression: Expression) -> tuple[float, ...]:
        """Return the expected ranks; those of a typical function for one outside the sample, which is not trained."""
        return self.ranks.get(fingerprint(expression), self.typical)

    @functools.cached_property
    def typical(self) -> tuple[float, ...]:
        """Ranks of a function in the middle."""
        return tuple(0.0 for _ in next(iter(self.ranks.values()), ()))


@functools.cache
def behaviours() -> frozenset[str]:
    """Return the fingerprints of all functions of the space."""
    return frozenset(load_table(file_of(MNIST1D[0])).texts)


@functools.cache
def identities() -> dict[str, str]:
    """Return the fingerprint of each expression of the sample."""
    return {text: BUILT_IN.read(text).identity for text in sampled()}


@functools.cache
def ground(problem: str, *, upside_down: bool = False) -> Table:
    """Return the table of a problem, with the functions alone that are in the sample and in the space.

    Args:
        problem: its name.
        upside_down: whether the worst function shall be the best: what contradicts everything else.
    """
    table, kept = table_of(problem), behaviours() & {*identities().values()}
    losses = {name: losses for name, losses in table.losses.items() if name in kept and name not in table.refused}
    if upside_down:
        top = max(loss for mine in losses.values() for loss in mine if loss is not None)
        losses = {name: tuple(None if one is None else top - one for one in mine) for name, mine in losses.items()}
    return replace(table, losses=losses, refused=frozenset())


@functools.cache
def readouts(problem: str) -> dict[str, float]:
    """Return the readout of every function of the sample, kept in ``runs/panel``."""
    path = RUNS / f"readouts_{problem}.json"
    if not path.exists():
        torch.set_num_threads(1)
        task = task_of(TaskSettings(name=problem)) if problem in MNIST1D else resolve(settings_of(problem, 0)).task
        knowledge = KnowledgeOfTask(task, 0, prior=None)
        numbers = {name: knowledge.readout(BUILT_IN.read(text).as_expression()) for text, name in identities().items()}
        path.write_text(json.dumps(numbers), encoding="utf-8")
    kept: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def known(problem: str, *, prior: bool, looks: bool) -> KnownOfSample:
    """Return what a search on a problem may know."""
    ranks = {identities()[text]: ranks for text, ranks in unseen(problem).items()} if prior else {}
    return KnownOfSample(None, readouts(problem) if looks else {}, ranks)


Maker = Callable[[str, int], Proposer]


def ours(
    name: str = "reinforce", *, prior: bool = True, looks: bool = True, surrogate: SurrogateSettings | None = None,
    warm_up: int = 256,
) -> Maker:  # fmt: skip
    """Return how one of our proposers is built for a problem and a seed."""

    def make(problem: str, seed: int) -> Proposer:
        settings = ProposerSettings(
            name=name, reinforce=ReinforceSettings(warm_up=warm_up),
            surrogate=surrogate or SurrogateSettings(use=False),
        )  # fmt: skip
        knowledge: Knowledge = known(problem, prior=prior, looks=looks)
        proposer = build_proposer(settings, SPACE, seed, knowledge)
        inner = proposer.inner if isinstance(proposer, Surrogate) else proposer
        assert isinstance(inner, DrawingProposer)
        inner._proposed |= behaviours() - ground(problem).losses.keys()  # what has no loss is not proposed
        return proposer

    return make


CHOOSING = SurrogateSettings(use=True, candidates=256)  # of four hundred; a search takes 512 of thousands


def optuna(sampler: str, **options: Any) -> Maker:
    """Return how one of Optuna's samplers is built for a problem and a seed; it is imported where it is used."""

    def make(problem: str, seed: int) -> Proposer:
        from optuna import samplers  # noqa: PLC0415  not installed with this project

        from scripts.panel.tuners import OptunaProposer  # noqa: PLC0415  the same

        built = getattr(samplers, sampler)(seed=seed, **options)
        return OptunaProposer(SPACE, built, ground(problem).losses.keys())

    return make


RIVALS: dict[str, Maker] = {
    "random": ours("random"),
    "evolution": ours("evolution"),
    "reinforce, no knowledge": ours(warm_up=0),
    "reinforce, first looks": ours(prior=False),
    "reinforce, prior": ours(),
    "random + surrogate, no prior": ours("random", prior=False, surrogate=CHOOSING),
    "random + surrogate": ours("random", surrogate=CHOOSING),
    "reinforce + surrogate, no looks": ours(looks=False, surrogate=replace(CHOOSING, looks=0)),
    "reinforce + surrogate": ours(surrogate=CHOOSING),
    "optuna": optuna("TPESampler", multivariate=True, constant_liar=True),
    "optuna, Gaussian process": optuna("GPSampler"),
}


def targets(problem: str, *, upside_down: bool = False) -> frozenset[str]:
    """Return the fingerprints of a problem's best functions."""
    table = ground(problem, upside_down=upside_down)
    return table.best(math.ceil(BEST * len(table.means)))


def search(problem: str, rival: str, seed: int, trainings: int, *, anchors: bool, upside_down: bool) -> float:
    """Return the trainings to one of the best; endless where a search of so many meets none."""
    torch.set_num_threads(1)
    table, wanted = ground(problem, upside_down=upside_down), targets(problem, upside_down=upside_down)
    proposer = RIVALS[rival](problem, seed)
    if anchors and isinstance(proposer, Surrogate):
        draw = random.Random(seed + 10**6)
        usual = {BUILT_IN.read(text).as_expression() for text in USUAL}
        kept = [one for one in sorted(usual, key=str) if fingerprint(one) in table.losses]
        proposer.meet({one: table.told(fingerprint(one), draw) for one in kept})
    trained = replay(proposer, table, seed, BATCH, trainings, until=wanted)
    return float(next((n for n, one in enumerate(trained, start=1) if one.identity in wanted), NEVER))
