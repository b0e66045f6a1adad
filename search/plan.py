"""What a search will do, told before anything is trained: where the candidate goes, and what it all costs.

Not here: how it is shown (``show.plan_tables``) and what is checked (``evaluators.own.check``).
"""

import dataclasses
import math
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import noise_seed
from actsearch.evaluators.own.owned import Owned
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.sentences import BadSettings
from actsearch.evaluators.stacks.trial import decided_size
from actsearch.search import speed
from actsearch.search.ladder import FinalSettings, climbing, known_on, rungs
from actsearch.search.memory.records import SEARCH, Rung
from actsearch.search.progress import Goal
from actsearch.search.settings.classes import SearchSettings

MOST = 10**6  # trainings that anybody plans
LEAST = 16  # of a race: eight seeds of a leader and the incumbent, with which a plain difference is shown
WITH, WITHOUT = BUILT_IN.read("swish"), BUILT_IN.read("relu")  # a function with a beta, and one without


@dataclass(frozen=True)
class Place:
    """Where the candidate stands.

    Args:
        where: the layer's path, or the line of a call.
        channels: that it sees; 1 where its uses differ, or where there is a single beta.
        dimension: where they are, 1 or -1.
    """

    where: str
    channels: int
    dimension: int


@dataclass(frozen=True)
class Plan:
    """What a search will do.

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


def goals(settings: SearchSettings, ladder: Sequence[Rung]) -> dict[str, Goal]:
    """Return how many children each rung will train, if all that are searched get a score; of a race, at most."""
    going, known, final = settings.budget.children, len(settings.baselines), settings.final
    found = dict[str, Goal]()
    for height, rung in enumerate(ladder):
        steps, is_last = rung.task.steps, rung is ladder[-1]
        if not height:
            found[rung.name] = Goal(going + known, steps, known)
            continue
        going = climbing(settings.ladder, final, height, going)
        most = known if final.known is None else 1 + known_on(final, known - 1, last=is_last)
        children = (going + most) * rung.seeds
        if is_last and final.race:
            below = sum(goal.children * goal.steps for goal in found.values()) // steps
            found[rung.name] = Goal(of_a_race(final, children, below), steps)  # whose seeds these are is not known
        else:
            found[rung.name] = Goal(children, steps, most * rung.seeds)
    return found


def of_a_race(final: FinalSettings, everybody: int, below: int) -> int:
    """Return how many trainings a race has at most.

    One of which nobody said how long it may be takes as many steps as all rungs below it, unless these do not do for
    showing anything.

    Args:
        final: how it is planned.
        everybody: trainings that give everybody all seeds.
        below: those of the same length that all rungs below are worth.
    """
    if final.trainings or final.seeds:
        return final.trainings or everybody
    return min(everybody, max(below, LEAST))


def plan(settings: SearchSettings) -> Plan | None:
    """Return what a search will do; None for a training of the user's own, which cannot be tried in part.

    Raises:
        BadTask, BadData, BadOwnTask: with one sentence.
    """
    settings = settings.completed()
    task = resolve(settings.task)
    if not isinstance(task, NetworkTask):
        return None
    settings = settings.with_incumbent(task.replaced)
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
    ladder = rungs(settings.task, settings.ladder, settings.final)
    return Plan(
        places, (counts[0], counts[1]), loss, task.chance, task.unit, goals(settings, ladder),
        each, step, speed.workers_of(settings), speed.memory(),
        None if settings.pool.kind == "serial" or settings.pool.address else settings.pool.niceness,
        speed.busy(os.getloadavg()[0], speed.workers_of(settings), os.cpu_count() or 1), size, one_by_one,
        speed.look_seconds(task), speed.START[settings.pool.kind],
    )  # fmt: skip


def affordable(settings: SearchSettings, minutes: float) -> int:
    """Return the largest ``budget.trainings`` whose search takes so many minutes on this machine, as it is now.

    Raises:
        BadSettings: not even the baselines can be trained in that time, or a training cannot be tried in part.
        BadTask, BadData, BadOwnTask: with one sentence.
    """
    tried = plan(settings)
    if tried is None:
        raise BadSettings(
            "--minutes needs a training that can be tried in part, and this one is yours as a whole: say how many "
            "(--set budget.trainings=100)"
        )
    settings = settings.with_incumbent(resolve(settings.task).replaced)
    seconds = 60 * minutes / tried.busy

    def takes(trainings: int) -> float:
        whole = settings.with_trainings(trainings)
        return tried.takes(goals(whole, rungs(whole.task, whole.ladder, whole.final)))

    least = next((n for n in range(1, MOST) if fits(settings, n)), MOST)
    if takes(least) > seconds:
        raise BadSettings(
            f"{minutes:g} minutes do not do for {len(settings.baselines)} baselines and a search: expected about "
            f"{math.ceil(takes(least) * tried.busy / 60)} or more, fewer steps (task.steps), or fewer baselines"
        )
    return least - 1 + bisect_right(range(least, MOST), seconds, key=takes)


def fits(settings: SearchSettings, trainings: int) -> bool:
    """Whether so many trainings do for the baselines and a search."""
    try:
        settings.with_trainings(trainings)
    except BadSettings:
        return False
    return True
