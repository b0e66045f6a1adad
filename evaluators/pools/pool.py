"""The pool of workers: requests in, outcomes out as they come; and the serial pool, for tests and debugging.

What every pool promises: each request gets exactly one outcome; a population of which one raises is halved until that
one stands alone, so that a bad child costs its neighbours nothing but time. Not here: Ray (``ray_pool``) and the
training itself (``training``).
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

ATTEMPTS = 2  # a single child that raised this often is given up
LONE_DEATHS = 4  # of workers under one child alone, with no other reason in sight, before it is given up
PAUSES = (0.0, 2.0, 4.0, 8.0)  # seconds before each new try: what kills from outside may pass


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class PoolSettings:
    """Where children are trained.

    Args:
        kind: ``ray`` trains on workers in processes of their own, ``serial`` in this process.
        workers: number of Ray workers, one core each; null takes every core, or a worker a GPU where this engine's
            networks are trained on GPUs.
        address: a Ray cluster's address; null starts Ray on this machine alone.
        population: children that a worker gets in one call; with one, each is told of as soon as it is trained. On a
            GPU it is 8 at least, trained in turns, where one child does not fill it. Ray only.
        seconds: wall-clock limit of one child; its population's limit is the sum. Ray only.
        memory: GB that a worker's data may take, so that a training that leaks ends itself, not the machine. Ray only.
        niceness: of the workers, from 0 to 19: how far they give way to whatever else the machine does; Ray's own
            default. Where Ray is started here only.
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
    """A population on its way: which requests (by index in the call) and how often it was tried."""

    indices: tuple[int, ...]
    attempts: int = 0
    deaths: int = 0  # of workers, while it was a single child and nothing else could have killed them
    excused: int = 0  # deaths that had another reason
    not_before: float = 0.0  # on the pool's clock

    def after_failure(self, reason: str, status: Status) -> "Verdict":
        """Return what to try next and which outcomes are final: halves of a population, a single child once more.

        Halves, so that one bad child costs many neighbours that are trained as one little more than a second training;
        of one that came to its time limit single children, each of which has its own limit.
        """
        if status is Status.TIMED_OUT and len(self.indices) > 1:
            return [Work((index,)) for index in self.indices], []
        if (half := len(self.indices) // 2) > 0:
            return [Work(self.indices[:half]), Work(self.indices[half:])], []
        if self.attempts + 1 < ATTEMPTS and status is Status.CRASHED:
            return [Work(self.indices, self.attempts + 1)], []
        return [], [(self.indices[0], Outcome(status, reason=reason))]

    def after_death(self, reason: str, now: float, *, other_reason: bool) -> "Verdict":
        """Return what to try next when the worker died: somebody may have killed it, so a child is not at fault soon.

        Args:
            reason: in a sentence.
            now: on the pool's clock.
            other_reason: whether something else died at the same time.
        """
        if len(self.indices) > 1:
            return self.after_failure(reason, Status.CRASHED)
        excused = other_reason and self.excused < LONE_DEATHS
        deaths, forgiven = self.deaths + (not excused), self.excused + excused
        if deaths < LONE_DEATHS:
            pause = PAUSES[min(deaths + forgiven - 1, len(PAUSES) - 1)]
            return [Work(self.indices, self.attempts, deaths, forgiven, now + pause)], []
        said = f"{reason}, {deaths} times while it trained alone; the same command tries it again"
        return [], [(self.indices[0], Outcome(Status.CRASHED, reason=said, metrics={WORKER_DEATHS: float(deaths)}))]


Verdict = tuple[list[Work], list[tuple[int, Outcome]]]
"""What has to be tried (again), and which outcomes are final, each with its index."""


def in_populations(requests: Sequence[Request], size: int, workers: int = 1) -> deque[Work]:
    """Divide requests into populations of at most ``size``, evenly filled, as many for each worker."""
    rounds = math.ceil(len(requests) / (size * workers))
    parts = min(len(requests), rounds * workers)
    return deque(Work(tuple(range(len(requests))[part::parts])) for part in range(parts))


class WorkersCannotStartError(Failed):
    """Worker after worker died before it was ready; the message has the last one's reason."""


class Pool(ABC):
    """Workers that train children. Use as a context manager; leaving it frees the workers."""

    @abstractmethod
    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Yield ``(index in requests, outcome)`` once per request, as they are finished."""

    def close(self) -> None:
        """Free the workers."""
        return

    def __enter__(self) -> "Pool":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class SerialPool(Pool):
    """Trains in this process, one child after the other, or on a GPU several in turns."""

    def __init__(self, task: Task, settings: PoolSettings, vocabulary: Vocabulary = BUILT_IN) -> None:
        self.task, self.settings, self.vocabulary = task, settings, vocabulary
        keep_freed_memory()
        self.task.warm_up()

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Train one by one; what a training raises becomes a crashed outcome of the child that raises."""
        waiting = in_populations(requests, self.task.side_by_side)  # each is told as soon as it is there
        while waiting:
            work = waiting.popleft()
            try:
                outcomes = train_population([requests[index] for index in work.indices], self.task, self.vocabulary)
            except Exception as fault:  # whatever a child raises is its result; Ctrl-C passes through
                more, final = work.after_failure(fault_text(fault), Status.CRASHED)
                waiting.extendleft(more)
                yield from final
            else:
                yield from zip(work.indices, outcomes, strict=True)
