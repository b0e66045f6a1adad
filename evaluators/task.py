"""The interface of every task: data, child network, budget, and the meaning of the score.

Not here: a task of a network and data (``network_task``), a task that is the user's whole training
(``own.score_task``), and the list of tasks and their construction from settings (``registry``).
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.outcome import Outcome, Request
from actsearch.evaluators.settings import CompleteSettings
from actsearch.grammar.fault import UserFault

FAR = 100.0
"""A child has diverged if its loss is over this many times the loss of a network that knows nothing."""
Drawn = tuple[Request, Activation]
"""A request, with the activation that its text stands for."""
Training = Generator[None, None, Outcome]
"""A training in progress: it yields where other trainings may take their turn, and returns its child's outcome."""


class BadTask(UserFault):
    """Task settings that cannot be used; the message names the key."""


class Task(ABC):
    """A resolved task for training children: every setting has a value. Built by ``registry.resolve``."""

    settings: CompleteSettings
    """Settings without open values."""

    @property
    def usual(self) -> CompleteSettings:
        """The settings of a user who names the task and nothing else."""
        return self.settings

    @property
    def title(self) -> str:
        """The task's name for people: the user's function, or the name in the settings."""
        return self.settings.own.function or self.settings.name

    @property
    def is_own(self) -> bool:
        """Whether the network and data, or the whole training, are the user's."""
        return self.settings.is_own

    @property
    @abstractmethod
    def chance(self) -> float | None:
        """The score of a child that knows nothing, lower is better; None if only the user could know it."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """The unit of a score, for people: ``nats``; empty if it is unknown."""

    @property
    @abstractmethod
    def device(self) -> str:
        """The device that trains the children, ``cpu`` or ``cuda``.

        Raises:
            BadTask: the settings demand a GPU and there is none.
        """

    @property
    def slow_because(self) -> str:
        """The reason why children are trained many times slower here than elsewhere; empty if they are not."""
        return ""

    @property
    def takes_kernel(self) -> bool:
        """Whether the kernel may train the children, so that a run must choose kernel or torch once."""
        return False

    @abstractmethod
    def digest(self) -> str:
        """Return the digest of the data; empty if the task has no data.

        Raises:
            BadTask, BadData, BadOwnTask: the data cannot be used; the message is one sentence.
        """

    @abstractmethod
    def prepare(self) -> list[str]:
        """Check everything that can be checked before the first training, so that the user learns early of a fault.

        Returns:
            Notes for the user about their own network, one sentence each.

        Raises:
            BadTask, BadData, BadOwnTask: a check failed; the message is one sentence.
        """

    @abstractmethod
    def warm_up(self) -> None:
        """Load or build in this process everything that its first child needs.

        Raises:
            BadTask, BadData, BadOwnTask: this process cannot train; the message is one sentence.
        """

    @property
    def replaced(self) -> tuple[str, ...]:
        """The layers or calls that the candidate replaces, as in ``task.own.replace``; empty for this engine's tasks.

        Raises:
            BadOwnTask: the user's network cannot be built.
        """
        return self.settings.own.replace or ()

    @property
    def side_by_side(self) -> int:
        """The number of children that one process trains at a time."""
        return 1

    def trained(self, drawn: Sequence[Drawn]) -> list[Outcome]:
        """Train children together, and return their outcomes in order; call it in ``contained``, on one thread.

        Args:
            drawn: at most ``side_by_side`` requests with their activations; only one if its training draws from a
                global generator.
        """
        return in_turns([self.training(request, activation) for request, activation in drawn])

    @abstractmethod
    def training(self, request: Request, activation: Activation) -> Training:
        """Train one child, and return its outcome; run the generator in ``contained``, on one thread."""


def in_turns(trainings: Sequence[Training]) -> list[Outcome]:
    """Run trainings in turns, a step at a time; each outcome gets an equal share of the time.

    Args:
        trainings: trainings in progress; if there are several, none may draw from a global generator.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = dict(enumerate(trainings))
    while waiting:
        for index, training in list(waiting.items()):
            try:
                next(training)
            except StopIteration as end:
                outcome: Outcome = end.value
                outcomes[index] = replace(outcome, seconds=outcome.seconds / len(trainings))
                del waiting[index]
    return [outcomes[index] for index in range(len(trainings))]


def far_above_chance(metrics: Mapping[str, float], chance: float | None) -> str:
    """Describe the first loss that is far above that of a network that knows nothing; empty if there is none.

    Args:
        metrics: metrics of a child, with ``validation_loss`` and perhaps ``test_loss``.
        chance: loss of a network that knows nothing; None or 0 if it is unknown.
    """
    if chance is None or chance <= 0:
        return ""
    for name in ("validation_loss", "test_loss"):
        if name in metrics and metrics[name] > FAR * chance:
            return f"{name} {metrics[name]:.3g} is over {FAR:g} times the {chance:.3g} of a network that knows nothing"
    return ""
