"""A task: data, child network, budget, and what the score means. This is the face that every task has.

Not here: a task of a network and data (``network_task``), one that is the user's whole training
(``own.score_task``), and which tasks there are and how settings become one (``registry``).
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.outcome import Outcome, Request
from actsearch.evaluators.settings import CompleteSettings
from actsearch.grammar.fault import UserFault

FAR = 100.0
"""Times the loss of a network that knows nothing, from where on a loss is no score: such a child has diverged."""
Drawn = tuple[Request, Activation]
"""What is to be trained, with what its text stands for."""
Training = Generator[None, None, Outcome]
"""A training on its way: it yields where others may take their turn, and returns what became of its child."""


class BadTask(UserFault):
    """Task settings that cannot be used; the message names the key."""


class Task(ABC):
    """What children are trained on, resolved: every setting has its value. Made by ``registry.resolve``."""

    settings: CompleteSettings
    """With every value."""

    @property
    def usual(self) -> CompleteSettings:
        """The settings that a user gets who names the task and nothing else."""
        return self.settings

    @property
    def title(self) -> str:
        """Its name for people: the user's function, or the engine's word."""
        return self.settings.own.function or self.settings.name

    @property
    def is_own(self) -> bool:
        """Whether network and data, or the whole training, are the user's."""
        return self.settings.is_own

    @property
    @abstractmethod
    def chance(self) -> float | None:
        """The score of a child that knows nothing, lower is better; None where only the user could know it."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """What a score is in, for people: ``nats``, or empty where nobody knows."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Where children are trained, ``cpu`` or ``cuda``.

        Raises:
            BadTask: a GPU is asked for and there is none.
        """

    @property
    def slow_because(self) -> str:
        """Why children are trained many times slower here than elsewhere, or nothing."""
        return ""

    @property
    def takes_kernel(self) -> bool:
        """Whether the kernel may train its children, so that kernel or torch must be decided once for a run."""
        return False

    @abstractmethod
    def digest(self) -> str:
        """Return the digest of the data, empty if the task brings none.

        Raises:
            BadTask, BadData, BadOwnTask: with one sentence.
        """

    @abstractmethod
    def prepare(self) -> list[str]:
        """Try whatever can be tried before anything is trained, so that what is wrong is said.

        Returns:
            What the user should know of their own network, a sentence each.

        Raises:
            BadTask, BadData, BadOwnTask: with one sentence.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Make in this process what its first child needs.

        Raises:
            BadTask, BadData, BadOwnTask: with one sentence.
        """

    @property
    def replaced(self) -> tuple[str, ...]:
        """What the candidate takes the place of, as in ``task.own.replace``; of the engine's tasks rectifiers.

        Raises:
            BadOwnTask: the user's network cannot be built.
        """
        return self.settings.own.replace or ()

    @property
    def side_by_side(self) -> int:
        """How many children one process trains at a time."""
        return 1

    def trained(self, drawn: Sequence[Drawn]) -> list[Outcome]:
        """Train children together, and return their outcomes in the same order; within ``contained``, with one thread.

        Args:
            drawn: as many as ``side_by_side`` at most; what draws from a global generator stands alone.
        """
        return in_turns([self.training(request, activation) for request, activation in drawn])

    @abstractmethod
    def training(self, request: Request, activation: Activation) -> Training:
        """Train one child, and return what became of it; gone through within ``contained``, with one thread."""


def in_turns(trainings: Sequence[Training]) -> list[Outcome]:
    """Go through trainings a step at a time; each outcome has an equal share of the time.

    Args:
        trainings: none of which draws from a global generator, if there are several.
    """
    found: dict[int, Outcome] = {}
    waiting = dict(enumerate(trainings))
    while waiting:
        for index, training in list(waiting.items()):
            try:
                next(training)
            except StopIteration as end:
                outcome: Outcome = end.value
                found[index] = replace(outcome, seconds=outcome.seconds / len(trainings))
                del waiting[index]
    return [found[index] for index in range(len(trainings))]


def far_above_chance(metrics: Mapping[str, float], chance: float | None) -> str:
    """Return which loss is far above that of a network that knows nothing, in words; empty if none is.

    Args:
        metrics: of a child, ``validation_loss`` and ``test_loss`` among them.
        chance: the loss of a network that knows nothing; None or 0 where that is not known.
    """
    if chance is None or chance <= 0:
        return ""
    for name in ("validation_loss", "test_loss"):
        if name in metrics and metrics[name] > FAR * chance:
            return f"{name} {metrics[name]:.3g} is over {FAR:g} times the {chance:.3g} of a network that knows nothing"
    return ""
