"""What a plan costs, told before anything is trained, and where the candidate goes.

Not here: how it is shown (``show.plan_tables``) and what is checked (``evaluators.own.checks``).
"""

import dataclasses
import math
import os
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import noise_seed
from actsearch.evaluators.own.wrapped import Owned
from actsearch.evaluators.sentences import BadSettings
from actsearch.evaluators.stacks.trial import decided_size
from actsearch.search import speed
from actsearch.search.memory.records import SEARCH
from actsearch.search.plan import Plan
from actsearch.search.progress import Goal

BUSY = 1.2  # times as long, from where on it is said
MOST = 10**6  # trainings that anybody plans
WITH, WITHOUT = BUILT_IN.read("swish"), BUILT_IN.read("relu")  # a function with a parameter, and one without


@dataclass(frozen=True)
class Place:
    """Where the candidate stands.

    Args:
        where: the layer's path, or the line of a call.
        channels: that it sees; 1 where its uses differ, or where there is a single value of a parameter.
        dimension: where they are, 1 or -1.
    """

    where: str
    channels: int
    dimension: int


@dataclass(frozen=True)
class Forecast:
    """What a search will take.

    Args:
        places: of the candidate.
        parameters: of the network with a candidate that has betas, and without.
        untrained: loss of the untrained network, with Swish.
        chance: of a network that knows nothing; None where nobody knows it.
        unit: of both.
        goals: by rung, how many children of how many steps.
        each: seconds of a child beside its steps, one core.
        step: seconds of one of its steps.
        workers: that train at once.
        memory: bytes that one process takes that trains.
        niceness: of Ray's workers; None where this process trains.
        stack: children that are trained as one.
        one_by_one: why it is one, in words; empty where it is more, or nobody asked.
        look: seconds that this process takes for a proposal, while nothing is trained.
        start: seconds before the first child is trained.
        busy: times as long as it would take alone, while what else runs now goes on.
    """

    places: tuple[Place, ...]
    parameters: tuple[int, int]
    untrained: float
    chance: float | None
    unit: str
    goals: dict[str, Goal]
    each: float
    step: float
    workers: int
    memory: int
    niceness: int | None = None
    busy: float = 1.0
    stack: int = 1
    one_by_one: str = ""
    look: float = 0.0
    start: float = 0.0

    @property
    def manners(self) -> str:
        """In words, how far workers give way to other programs."""
        return "" if not self.niceness else f"; workers give way to other programs (pool.niceness: {self.niceness})"

    def child(self, steps: int) -> float:
        """Return the seconds that a child of so many steps takes, one core."""
        return self.each + self.step * steps

    @property
    def seconds(self) -> float:
        """Of the whole search, workers side by side."""
        return self.takes(self.goals)

    def takes(self, planned: Mapping[str, Goal]) -> float:
        """Return the seconds of other goals on the same task, workers side by side."""
        trained = sum(goal.children * self.child(goal.steps) for goal in planned.values()) / self.workers
        return self.start + self.look * planned[SEARCH].children + trained


def forecast(plan: Plan) -> Forecast | None:
    """Return what a search will take; None for a training of the user's own, which cannot be tried in part.

    Raises:
        BadTask, BadData, BadOwnTask: with one sentence.
    """
    task, pool = plan.task, plan.pool
    if not isinstance(task, NetworkTask):
        return None
    with contained(noise_seed(0), task.settings.own.file):
        untrained = task.build(WITH, seed=0)
        network = untrained.network
        names = {id(layer): name for name, layer in network.named_modules()}
        places = tuple(
            Place(
                network.name_of(layer) if isinstance(network, Owned) else names[id(layer)],
                layer.channels,
                layer.dimension,
            )
            for layer in untrained.layers
            if isinstance(layer, ActivationLayer)
        )
        counts = [sum(part.numel() for part in task.build(one, seed=0).network.parameters()) for one in (WITH, WITHOUT)]
        batch = task.data.validation.first(task.settings.batch)
        with task.objective.looking():
            loss = float(task.objective.loss(task.objective.output(network.eval(), batch), batch).detach())
    size, one_by_one = decided_size(task)
    task = dataclasses.replace(task, settings=dataclasses.replace(task.settings, stack=size))
    each, step = speed.child_seconds(task)
    workers = speed.workers_of(pool, task)
    return Forecast(
        places, (counts[0], counts[1]), loss, task.chance, task.unit, plan.goals, each, step, workers, speed.memory(),
        None if pool.kind == "serial" or pool.address else pool.niceness,
        speed.busy(os.getloadavg()[0], workers, os.cpu_count() or 1), size, one_by_one, speed.look_seconds(task),
        speed.START[pool.kind],
    )  # fmt: skip


def affordable(plan: Plan, minutes: float) -> int:
    """Return the largest ``budget.trainings`` whose search takes so many minutes on this machine, as it is now.

    Raises:
        BadSettings: not even the baselines can be trained in that time, or a training cannot be tried in part.
        BadTask, BadData, BadOwnTask: with one sentence.
    """
    tried = forecast(plan)
    if tried is None:
        raise BadSettings(
            "--minutes needs a training that can be tried in part, and this one is yours as a whole: say how many "
            "(--set budget.trainings=100)"
        )
    seconds = 60 * minutes / tried.busy

    def takes(trainings: int) -> float:
        return tried.takes(plan.with_trainings(trainings).goals)

    least = next((n for n in range(1, MOST) if _fits(plan, n)), MOST)
    if takes(least) > seconds:
        busy = f"; this machine is busy, alone it would take {takes(least):.0f} seconds" if tried.busy > BUSY else ""
        raise BadSettings(
            f"{minutes:g} minutes do not do for {len(plan.baselines)} baselines and a search: expected about "
            f"{math.ceil(takes(least) * tried.busy / 60)} or more, fewer steps, or fewer baselines{busy}"
        )
    return least - 1 + bisect_right(range(least, MOST), seconds, key=takes)


def _fits(plan: Plan, trainings: int) -> bool:
    """Whether so many trainings do for the baselines and a search."""
    try:
        plan.with_trainings(trainings)
    except BadSettings:
        return False
    return True
