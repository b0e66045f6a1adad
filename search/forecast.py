"""The forecast of a plan before any training: its cost, and the candidate's places in the network.

Not here: its tables (``show.plan_tables``), and the checks of the user's network (``evaluators.own.checks``).
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

BUSY = 1.2  # slowdown by other programs, beyond which users are told
MOST = 10**6  # upper limit of planned trainings
WITH, WITHOUT = BUILT_IN.read("swish"), BUILT_IN.read("relu")  # a function with a parameter, and one without


@dataclass(frozen=True)
class Place:
    """One place of the candidate in the network.

    Args:
        where: path of the layer, or the line of a call.
        channels: number of channels; 1 if uses differ, or if each parameter is a single value.
        dimension: dimension of the channels, 1 or -1.
    """

    where: str
    channels: int
    dimension: int


@dataclass(frozen=True)
class Forecast:
    """The cost of a search.

    Args:
        places: places of the candidate.
        parameters: number of parameters of the network with a candidate that has betas, and without.
        untrained: loss of the untrained network, with Swish.
        chance: loss of a network that knows nothing; None if unknown.
        unit: unit of both losses.
        goals: rung -> number of children and their steps.
        each: seconds of a child apart from its steps, on one core.
        step: seconds of one step, on one core.
        workers: number of children that train at once.
        memory: bytes of memory of one training process.
        niceness: niceness of Ray's workers; None if this process trains.
        stack: number of children that are trained as one.
        one_by_one: reason why the stack is one child; empty if it has more, or if nothing was tried.
        look: seconds of this process for a proposal, while no child trains.
        start: seconds before the first child trains.
        busy: slowdown by the other programs that run now, as a factor.
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
        """Note on how workers give way to other programs; empty without a niceness."""
        return "" if not self.niceness else f"; workers give way to other programs (pool.niceness: {self.niceness})"

    def child(self, steps: int) -> float:
        """Return the seconds of a child with this number of steps, on one core."""
        return self.each + self.step * steps

    @property
    def seconds(self) -> float:
        """Seconds of the whole search, with all workers."""
        return self.takes(self.goals)

    def takes(self, planned: Mapping[str, Goal]) -> float:
        """Return the seconds of other goals on the same task, with all workers."""
        trained = sum(goal.children * self.child(goal.steps) for goal in planned.values()) / self.workers
        return self.start + self.look * planned[SEARCH].children + trained


def forecast(plan: Plan) -> Forecast | None:
    """Return the cost of a search; None for the user's own training, which cannot be tried in part.

    Raises:
        BadTask, BadData, BadOwnTask: the task cannot be trained; the message is one sentence.
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
        speed.busy(os.getloadavg()[0], workers, os.cpu_count() or 1), size, one_by_one,
        _looks(plan) * speed.look_seconds(task), speed.START[pool.kind],
    )  # fmt: skip


def _looks(plan: Plan) -> int:
    """Return the number of looks for each training."""
    return plan.proposer.surrogate.looks if plan.proposer.surrogate.use else 0


def affordable(plan: Plan, minutes: float) -> int:
    """Return the largest ``budget.trainings`` whose search fits into the minutes, on this machine as busy as now.

    Raises:
        BadSettings: the time is too short even for the baselines, or a training cannot be tried in part.
        BadTask, BadData, BadOwnTask: the task cannot be trained; the message is one sentence.
    """
    costs = forecast(plan)
    if costs is None:
        raise BadSettings(
            "--minutes needs a training that can be tried in part, and this one is yours as a whole: say how many "
            "(--set budget.trainings=100)"
        )
    seconds = 60 * minutes / costs.busy

    def takes(trainings: int) -> float:
        return costs.takes(plan.with_trainings(trainings).goals)

    least = next((n for n in range(1, MOST) if _fits(plan, n)), MOST)
    if takes(least) > seconds:
        busy = f"; this machine is busy, alone it would take {takes(least):.0f} seconds" if costs.busy > BUSY else ""
        raise BadSettings(
            f"{minutes:g} minutes do not do for {len(plan.baselines)} baselines and a search: expected about "
            f"{math.ceil(takes(least) * costs.busy / 60)} or more, fewer steps, or fewer baselines{busy}"
        )
    return least - 1 + bisect_right(range(least, MOST), seconds, key=takes)


def _fits(plan: Plan, trainings: int) -> bool:
    """Return whether this number of trainings is enough for the baselines and a search."""
    try:
        plan.with_trainings(trainings)
    except BadSettings:
        return False
    return True
