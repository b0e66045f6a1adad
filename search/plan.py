"""The plan of a search: settings with every value filled in, and objects in place of names.

A search reads the plan and no settings. Not here: the settings and their defaults (``settings``), and the cost of a
plan in seconds (``forecast``).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from actsearch.evaluators import registry
from actsearch.evaluators.activation import Vocabulary
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.sentences import BadSettings
from actsearch.evaluators.task import Task
from actsearch.grammar.parse import BadExpression
from actsearch.grammar.rows.known import known_layers
from actsearch.grammar.space import Space
from actsearch.search.ladder import (
    FinalSettings,
    climbing,
    completed,
    goals_of,
    rungs,
    transfer_rung,
)
from actsearch.search.memory.behaviours import Share
from actsearch.search.memory.records import Rung
from actsearch.search.progress import Goal
from actsearch.search.proposers.knowledge import KnowledgeOfTask
from actsearch.search.proposers.proposer import Proposer
from actsearch.search.proposers.registry import ProposerSettings, build_proposer, completed_proposer
from actsearch.search.settings.classes import BudgetSettings, SearchSettings
from actsearch.search.settings.effort import planned
from actsearch.search.settings.space import build_space, vocabulary_of


@dataclass(frozen=True)
class Transfer:
    """Another task for the finalists.

    Args:
        task: the other task.
        rung: rung of that task: steps and seeds.
        top: number of finalists; None is all.
    """

    task: Task
    rung: Rung
    top: int | None


@dataclass(frozen=True)
class Plan:
    """The plan of a search, from ``resolve``.

    Args:
        settings: settings without an open value, as the store keeps them.
        task: data and network of the children.
        vocabulary: primitives of the expressions.
        space: space of the candidates.
        rungs: rungs from the search to the final rung.
        transfers: further tasks, in their order.
        given: proposer of the user's, which replaces that of the settings.
    """

    settings: SearchSettings
    task: Task
    vocabulary: Vocabulary
    space: Space
    rungs: tuple[Rung, ...]
    transfers: tuple[Transfer, ...]
    given: Proposer | None = None

    @property
    def seed(self) -> int:
        """Seed of every draw."""
        return self.settings.seed

    @property
    def proposer(self) -> ProposerSettings:
        """Name and settings of the proposer, which say whether there is a surrogate."""
        return completed_proposer(self.settings.proposer)

    @property
    def share(self) -> Share:
        """Which twins are trained once: functions that neighbouring layers make equal."""
        return self.settings.space.share_twins

    @property
    def pool(self) -> PoolSettings:
        """Workers that train the children; no result depends on them."""
        return self.settings.pool

    @property
    def budget(self) -> BudgetSettings:
        """Limits at which the search ends."""
        return self.settings.budget

    @property
    def final(self) -> FinalSettings:
        """Settings of the final rung."""
        return self.settings.final

    @property
    def baselines(self) -> tuple[str, ...]:
        """Texts of the known functions beside the candidates, the incumbent among them."""
        return self.settings.baselines

    @property
    def incumbent(self) -> str:
        """Text of the function that all others are compared with."""
        return self.settings.incumbent or "relu"

    @property
    def goals(self) -> dict[str, Goal]:
        """Number and length of each rung's children, if every child of the search gets a score; of a race, the most."""
        settings = self.settings
        steps = [rung.task.steps for rung in self.rungs]
        return goals_of(settings.budget.children, len(settings.baselines), settings.ladder, settings.final, steps)

    def candidates_on(self, height: int, trained: int) -> int:
        """Return the number of candidates that a rung takes.

        Args:
            height: index of the rung; 1 is the first above the search.
            trained: number of candidates trained on the rung below.
        """
        return climbing(self.settings.ladder, self.final, height, trained)

    def revised(self, settings: SearchSettings) -> "Plan":
        """Return a plan for the same task and space, with other numbers of children, seeds and steps.

        Args:
            settings: settings without an open value.
        """
        ladder = rungs(self.task, settings.ladder, settings.final)
        return dataclasses.replace(self, settings=settings, rungs=tuple(ladder))

    def with_trainings(self, trainings: int) -> "Plan":
        """Return the plan of a search with this cost, in trainings of the final rung's length.

        Raises:
            BadSettings: the trainings are too few even for the baselines.
        """
        budget = dataclasses.replace(self.budget, trainings=trainings)
        return self.revised(planned(dataclasses.replace(self.settings, budget=budget)))

    def check_proposer(self) -> None:
        """Build the proposer once, so that a fault in it shows before the store keeps a run.

        Raises:
            BadProposer, BadPlugin: the proposer cannot be used.
        """
        unused = KnowledgeOfTask(self.task, self.seed, prior=None)
        build_proposer(self.proposer, self.space, self.seed, unused, self.given)

    def prepare(self) -> list[str]:
        """Check the proposer and every task before any training.

        Returns:
            Notes for the user, each once.

        Raises:
            BadTask, BadData, BadOwnTask: a task cannot be trained.
        """
        self.check_proposer()
        tasks = [self.task, *(transfer.task for transfer in self.transfers)]
        return [*dict.fromkeys(sentence for task in tasks for sentence in task.prepare())]


def resolve(settings: SearchSettings, *, task: Task | None = None, proposer: Proposer | None = None) -> Plan:
    """Return the plan for settings. It builds the user's network, to learn the activation in use now.

    Args:
        settings: settings of the search, which may leave values open.
        task: task of the user's, which replaces that of the settings.
        proposer: proposer of the user's, which replaces that of the settings.

    Raises:
        BadSettings: a baseline is neither a known name nor an expression, or the trainings are too few.
        BadTask, BadOwnTask: a task is unknown or incomplete.
        UnknownPrimitive, BadPrimitive, BadShape, EmptySpace: the space cannot be built.
    """
    task = registry.resolve(settings.task) if task is None else task
    if proposer is not None:
        name = f"{type(proposer).__module__}:{type(proposer).__qualname__}"
        settings = dataclasses.replace(settings, proposer=dataclasses.replace(settings.proposer, name=name))
    transfers = [(one, registry.resolve(one.task)) for one in settings.transfer]
    vocabulary = _vocabulary(settings)
    space = build_space(settings.space)
    whole = _with_incumbent(_completed(settings, task), vocabulary, task.replaced)
    further = [Transfer(where, transfer_rung(where, one.seeds), one.top) for one, where in transfers]
    return Plan(whole, task, vocabulary, space, (), tuple(further), proposer).revised(whole)


def without_open_values(settings: SearchSettings) -> SearchSettings:
    """Return settings as the store would keep them, without running code of the user's network.

    The incumbent in the user's network stays open if neither ``incumbent`` nor ``task.own.replace`` names it.

    Raises:
        BadSettings, BadTask, BadPrimitive: same as for ``resolve``.
    """
    task, vocabulary = registry.resolve(settings.task), _vocabulary(settings)
    whole, replace = _completed(settings, task), settings.task.own.replace
    is_open = settings.task.own.build is not None and replace is None and settings.incumbent is None
    return whole if is_open else _with_incumbent(whole, vocabulary, replace or ())


def _vocabulary(settings: SearchSettings) -> Vocabulary:
    """Return the vocabulary of the settings, after checking that it reads their baselines and incumbent."""
    vocabulary = vocabulary_of(settings.space)
    for key, text in (*(("baselines", text) for text in settings.baselines), ("incumbent", settings.incumbent)):
        try:
            vocabulary.read(text or "relu")
        except BadExpression as fault:
            raise BadSettings(f"key '{key}': {fault}") from fault
    return vocabulary


def _completed(settings: SearchSettings, task: Task) -> SearchSettings:
    ladder, final = completed(task.settings, settings.ladder, settings.final)
    return dataclasses.replace(settings, task=task.settings, ladder=ladder, final=final)


def _with_incumbent(settings: SearchSettings, vocabulary: Vocabulary, replaced: Sequence[str]) -> SearchSettings:
    """Return settings with an incumbent among the baselines, and with planned numbers.

    Args:
        settings: settings whose other values are not open.
        vocabulary: primitives of the expressions.
        replaced: layers that the candidate replaces, as in ``task.own.replace``.
    """
    incumbent = settings.incumbent or next(known_layers(replaced), "relu")
    known = {vocabulary.read(text).identity for text in settings.baselines}
    missing = () if vocabulary.read(incumbent).identity in known else (incumbent,)
    return planned(dataclasses.replace(settings, incumbent=incumbent, baselines=(*missing, *settings.baselines)))
