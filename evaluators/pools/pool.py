"""The pool of workers: it takes requests and yields outcomes; and the serial pool, for tests and debugging.

Every pool promises this: each request gets exactly one outcome. If one child of a population raises, the pool halves
the population until that child is alone, so that a bad child costs its neighbours only time. Not here: Ray
(``ray_pool``) and the training itself (``training``).
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import pydantic.dataclasses
from pydantic import ConfigDict, Field

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.allocator import keep_freed_memory
from actsearch.evaluators.outcome import WORKER_DEATHS, Outcome, Request, Status
from actsearch.evaluators.task import Task
from actsearch.evaluators.training import train_population
from actsearch.grammar.fault import Failed, fault_text

ATTEMPTS = 2  # the pool gives up a single child that raised this often
LONE_DEATHS = 4  # the pool gives up a child that alone lost this many workers, with no other cause in sight
PAUSES = (0.0, 2.0, 4.0, 8.0)  # seconds before each new try: an outside cause may pass


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class PoolSettings:
    """Where children are trained.

    Args:
        kind: ``ray`` trains on workers in separate processes, ``serial`` trains in this process.
        workers: number of Ray workers, one core each; null means one per core, or one per GPU if this engine's networks
            are trained on GPUs.
        address: address of a Ray cluster; null starts Ray on this machine alone.
        population: number of children that a worker gets in one call; with 1, each outcome comes back as soon as its
            child is trained. On a GPU that one child does not fill, it is at least 8, trained in turns. Ray only.
        seconds: wall-clock limit of one child; a population's limit is the sum. Ray only.
        memory: GB that a worker's data may take, so that a training that leaks ends itself, not the machine. Ray only.
        niceness: priority of the workers, from 0 to 19 (the higher, the more they yield to other programs); the default
            is Ray's own. Only used if Ray is started here.
    """

    kind: Literal["ray", "serial"] = "ray"
    workers: Annotated[int, Field(ge=1)] | None = None
    address: str | None = None
    population: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(gt=0)] = 120.0
    memory: Annotated[float, Field(gt=0)] = 8.0
    niceness: Annotated[int, Field(ge=0, le=19)] = 15


@dataclass(frozen=True)
class Work:
    """A population in progress: the indices of its requests in the call, and the number of tries."""

    indices: tuple[int, ...]
    attempts: int = 0
    deaths: int = 0  # workers that died under this single child with no other cause in sight
    excused: int = 0  # workers that died from another cause
    not_before: float = 0.0  # earliest time of the next try, on the pool's clock

    def after_failure(self, reason: str, status: Status) -> "Verdict":
        """Return the next tries and the final outcomes: halve a population, and try a single child once more.

        With halves, one bad child costs its many neighbours, which are trained as one, little more than a second
        training. A population that reached its time limit is split into single children, each with its own limit.

        Args:
            reason: description of the failure.
            status: status of the outcome, if this failure is final.
        """
        if status is Status.TIMED_OUT and len(self.indices) > 1:
            return [Work((index,)) for index in self.indices], []
        if (half := len(self.indices) // 2) > 0:
            return [Work(self.indices[:half]), Work(self.indices[half:])], []
        if self.attempts + 1 < ATTEMPTS and status is Status.CRASHED:
            return [Work(self.indices, self.attempts + 1)], []
        return [], [(self.indices[0], Outcome(status, reason=reason))]

    def after_death(self, reason: str, now: float, *, other_reason: bool) -> "Verdict":
        """Return the next tries after the worker died.

        A worker may be killed from outside; blame the child only after several deaths.

        Args:
            reason: one sentence about the death.
            now: time on the pool's clock, in seconds.
            other_reason: whether another worker died at about the same time, which points to an outside cause.
        """
        if len(self.indices) > 1:
            return self.after_failure(reason, Status.CRASHED)
        excused = other_reason and self.excused < LONE_DEATHS
        deaths, forgiven = self.deaths + (not excused), self.excused + excused
        if deaths < LONE_DEATHS:
            pause = PAUSES[min(deaths + forgiven - 1, len(PAUSES) - 1)]
            return [Work(self.indices, self.attempts, deaths, forgiven, now + pause)], []
        full = f"{reason}, {deaths} times while it trained alone; the same command tries it again"
        return [], [(self.indices[0], Outcome(Status.CRASHED, reason=full, metrics={WORKER_DEATHS: float(deaths)}))]


Verdict = tuple[list[Work], list[tuple[int, Outcome]]]
"""The populations to try (again), and the final outcomes, each with the index of its request."""


def in_populations(requests: Sequence[Request], size: int, workers: int = 1) -> deque[Work]:
    """Divide requests into evenly filled populations of at most ``size``, the same number for each worker."""
    rounds = math.ceil(len(requests) / (size * workers))
    parts = min(len(requests), rounds * workers)
    return deque(Work(tuple(range(len(requests))[part::parts])) for part in range(parts))


class WorkersCannotStartError(Failed):
    """Several workers in a row died before they were ready; the message has the reason of the last death."""


class Pool(ABC):
    """Workers that train children. Use it as a context manager; leaving it frees the workers."""

    @abstractmethod
    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Yield ``(index in requests, outcome)`` once per request, as soon as its training is finished."""

    def close(self) -> None:
        """Free the workers."""
        return

    def __enter__(self) -> "Pool":
        """Return the pool itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pool."""
        self.close()


class SerialPool(Pool):
    """A pool that trains in this process, one child after the other, or several in turns on a GPU."""

    def __init__(self, task: Task, settings: PoolSettings, vocabulary: Vocabulary = BUILT_IN) -> None:
        self.task, self.settings, self.vocabulary = task, settings, vocabulary
        keep_freed_memory()
        self.task.warm_up()

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Train one population after the other; an exception becomes a crashed outcome of the child that raised it."""
        waiting = in_populations(requests, self.task.side_by_side)  # small, so that each outcome comes back soon
        while waiting:
            work = waiting.popleft()
            try:
                outcomes = train_population([requests[index] for index in work.indices], self.task, self.vocabulary)
            except Exception as fault:  # any exception is that child's result; Ctrl-C passes through
                more, final = work.after_failure(fault_text(fault), Status.CRASHED)
                waiting.extendleft(more)
                yield from final
            else:
                yield from zip(work.indices, outcomes, strict=True)
