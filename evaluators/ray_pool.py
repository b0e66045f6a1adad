"""The door to Ray: long-lived actors that train populations, supervised by the driver.

A worker that dies costs a retry; a child that kills its worker every time becomes a crashed outcome; one that never
ends, a timed-out outcome. Not here: what is trained (``training``) and how failures are divided (``pool.Work``).
"""

import logging
import os
import resource
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import ray

from evaluators.allocator import keep_freed_memory
from evaluators.outcome import Outcome, Request, Status
from evaluators.pool import Pool, PoolSettings, Verdict, Work, in_populations
from evaluators.settings import TaskSettings
from evaluators.task import complete, device_of, prepare
from evaluators.training import train_population
from grammar.primitive import Primitive

OBJECT_STORE_BYTES = 150 * 2**20  # outcomes are small; Ray's default is a third of the machine's memory
POLL_SECONDS = 1.0
FAILED_STARTS = 6  # so many workers in a row that die before they are ready: something is wrong with all of them


class _Worker:
    """Lives in a process of its own and trains one population a call."""

    def __init__(self, task: TaskSettings, primitives: tuple[Primitive, ...], memory: float) -> None:
        keep_freed_memory()
        if device_of(complete(task)) == "cpu":  # a GPU's driver maps more than it uses
            limit = int(memory * 1e9)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        prepare(task)  # before it is ready, so that the first child's time limit does not pay for it
        self.task, self.primitives = task, primitives

    def ready(self) -> bool:
        return True

    def train(self, requests: list[Request]) -> list[Outcome]:
        return train_population(requests, self.task, self.primitives)


class WorkersCannotStartError(RuntimeError):
    """Worker after worker died before it was ready."""


class RayPool(Pool):
    """Trains on Ray workers, one core each.

    Raises:
        ConnectionError: no cluster answers at ``settings.address``.
        WorkersCannotStartError: later, from ``evaluate``.
    """

    def __init__(self, task: TaskSettings, settings: PoolSettings, primitives: tuple[Primitive, ...] = ()) -> None:
        self.task, self.settings, self.primitives = task, settings, primitives
        self._owns_ray = not ray.is_initialized()
        if self._owns_ray:
            _start(settings)
        self.workers = settings.workers or max(1, int(_resources().get("CPU", 1)))
        wants_gpu = device_of(complete(task)) == "cuda"
        self._gpu_share = min(1.0, _resources().get("GPU", 0.0) / self.workers) if wants_gpu else 0.0
        self._starting: dict[Any, Any] = {}
        self._idle: deque[Any] = deque()
        self._running: dict[Any, tuple[Any, Work, float]] = {}
        self._failed_starts = 0
        for _ in range(self.workers):
            self._spawn()

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Keep every worker busy; yield outcomes as populations come back."""
        waiting = in_populations(requests, self.settings.population, self.workers)
        try:
            self._hand_out(waiting, requests)
            while waiting or self._running:
                done, _ = ray.wait([*self._running, *self._starting], timeout=POLL_SECONDS)
                finished: list[tuple[int, Outcome]] = []
                for more, final in [*map(self._receive, done), *self._stop_late()]:
                    waiting.extendleft(more)
                    finished += final
                self._hand_out(waiting, requests)  # before the caller is busy with what is finished
                yield from finished
        finally:
            for actor, _, _ in self._running.values():  # left early: what still runs is of no use to anyone
                self._replace(actor)
            self._running.clear()

    def _hand_out(self, waiting: deque[Work], requests: Sequence[Request]) -> None:
        while waiting and self._idle:
            actor, work = self._idle.popleft(), waiting.popleft()
            deadline = time.monotonic() + self.settings.seconds * len(work.places)
            self._running[actor.train.remote([requests[place] for place in work.places])] = (actor, work, deadline)

    def _receive(self, reference: Any) -> Verdict:
        if reference in self._starting:
            self._welcome(reference)
            return [], []
        actor, work, _ = self._running.pop(reference)
        return self._collect(reference, actor, work)

    def _stop_late(self) -> Iterator[Verdict]:
        now = time.monotonic()
        for reference in [reference for reference, (_, _, deadline) in self._running.items() if now > deadline]:
            actor, work, _ = self._running.pop(reference)
            self._replace(actor)
            yield work.after_failure(
                f"not finished after {self.settings.seconds * len(work.places):g} s", Status.TIMED_OUT
            )

    def close(self) -> None:
        """End the workers, and Ray itself where this pool started it."""
        for actor in [*self._idle, *self._starting.values()]:
            ray.kill(actor)
        self._idle.clear()
        self._starting.clear()
        if self._owns_ray:
            ray.shutdown()

    def _spawn(self) -> None:
        # Ray hides the GPUs from workers that do not ask for a share of them
        remote: Any = ray.remote(num_cpus=1, num_gpus=self._gpu_share, max_restarts=0)(_Worker)
        actor = remote.remote(self.task, self.primitives, self.settings.memory)
        self._starting[actor.ready.remote()] = actor

    def _welcome(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        try:
            ray.get(reference)
        except ray.exceptions.RayError as fault:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise WorkersCannotStartError(f"{FAILED_STARTS} workers died at their start: {fault}") from fault
            self._spawn()
        else:
            self._failed_starts = 0
            self._idle.append(actor)

    def _replace(self, actor: Any) -> None:
        ray.kill(actor)
        self._spawn()

    def _collect(self, reference: Any, actor: Any, work: Work) -> Verdict:
        try:
            outcomes = ray.get(reference)
        except ray.exceptions.RayTaskError as fault:  # the training raised; the worker lives
            reason = f"{type(fault.cause).__name__}: {fault.cause}"
            if isinstance(fault.cause, MemoryError) or "allocate memory" in reason:
                self._replace(actor)  # what filled it may still be there
                reason = f"over the {self.settings.memory:g} GB of pool.memory ({type(fault.cause).__name__})"
            else:
                self._idle.append(actor)
            return work.after_failure(reason, Status.CRASHED)
        except ray.exceptions.RayError as fault:  # the worker died, was evicted for its memory, or lost its node
            self._replace(actor)
            reason = f"the worker died while it trained this child ({type(fault).__name__})"
            return work.after_failure(reason, Status.CRASHED)
        self._idle.append(actor)
        return [], list(zip(work.places, outcomes, strict=True))


def _resources() -> dict[str, float]:
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def _start(settings: PoolSettings) -> None:
    if settings.address:
        ray.init(address=settings.address, log_to_driver=False, logging_level=logging.ERROR)
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the coming default; silences its warning
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
        num_cpus=max(settings.workers, os.cpu_count() or 1),
    )
