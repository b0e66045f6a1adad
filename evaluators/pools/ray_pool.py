"""Ray's workers: long-lived actors that train populations, supervised by the driver.

A worker that dies costs a retry; a child that kills its worker every time becomes a crashed outcome; one that never
ends, a timed-out outcome. Not here: what is trained (``training``) and how failures are divided (``pool.Work``).
"""

import contextlib
import itertools
import os
import resource
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.allocator import keep_freed_memory
from actsearch.evaluators.contained import spoilt
from actsearch.evaluators.data.examples import BadData
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.own.sharing import Packed, packed, share
from actsearch.evaluators.own.user_code import SENT, BadOwnTask, find
from actsearch.evaluators.pools import ray_door
from actsearch.evaluators.pools.pool import Pool, PoolSettings, Verdict, Work, WorkersCannotStartError, in_populations
from actsearch.evaluators.task import BadTask, Task
from actsearch.evaluators.training import train_population
from actsearch.grammar.fault import fault_text

POLL_SECONDS = 1.0
NEAR = 10.0  # seconds: workers of different children that die so close together were killed by something else
now = time.monotonic  # the pool's clock
FAILED_STARTS = 6  # so many workers in a row that die before they are ready: something is wrong with all of them
LAST_PRESS = 3  # of Ctrl-C, that is not waited for


@dataclass(frozen=True)
class Answer:
    """What a worker says of a population.

    Args:
        outcomes: in the order of the requests; empty where the training raised.
        fault: what it raised, in words.
        spoilt: what it changed in the worker's process for good, so that no other child may be trained there.
    """

    outcomes: tuple[Outcome, ...] = ()
    fault: str = ""
    spoilt: str = ""


class _Worker:
    """Lives in a process of its own and trains one population a call."""

    def __init__(
        self, task: Task, vocabulary: Vocabulary, memory: float, directory: str, data: Packed | None,
        sent: bytes,
    ) -> None:  # fmt: skip
        keep_freed_memory()
        self.memory, self.complaint = memory, _received(sent)
        with contextlib.suppress(OSError):  # on another machine it may not be there
            os.chdir(directory)  # the driver's: paths of the user's are relative to it
        self.task, self.vocabulary = task, vocabulary
        if data is not None:
            share(self.task.settings, data)
        if self.task.device == "cpu":  # a GPU's driver maps more than it uses
            limit = int(memory * 1e9)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def ready(self, digest: str) -> str:
        """Make ready, so that the first child's time limit does not pay for it; return why it cannot be, or nothing."""
        if self.complaint:
            return self.complaint
        try:
            self.task.warm_up()
            found = self.task.digest()
        except (BadTask, BadData, BadOwnTask) as fault:
            return str(fault)
        if found != digest:
            return (
                f"the data of the task '{self.task.title}' differ between two processes: draw "
                "them with a seed of your own, or from the generators of torch, numpy.random or random"
            )
        return ""

    def train(self, requests: list[Request]) -> Answer:
        """Train; whatever a training raises is said in words, since not every exception crosses to another process."""
        try:
            return Answer(tuple(train_population(requests, self.task, self.vocabulary)), spoilt=spoilt())
        except (Exception, KeyboardInterrupt) as fault:
            reason = fault_text(fault)
            if isinstance(fault, MemoryError) or "allocate memory" in reason:  # what filled it may still be there
                return Answer(
                    fault=f"over the {self.memory:g} GB of pool.memory ({type(fault).__name__})", spoilt="memory"
                )
            return Answer(fault=reason, spoilt=spoilt())


def _sent(functions: Sequence[str]) -> bytes:
    """Return the functions of a program or notebook that workers cannot import, as they are sent."""
    found = {path: find(path) for path in functions if path.startswith("__main__:")}
    try:
        return bytes(ray.cloudpickle.dumps(found)) if found else b""  # type: ignore[no-untyped-call]
    except Exception as fault:  # whatever their globals hold
        raise BadOwnTask(_NOT_SENT.format(next(iter(found)), fault_text(fault))) from fault


def _received(sent: bytes) -> str:
    """Keep functions that were sent; return why they cannot be used here, or nothing."""
    try:
        SENT.update(ray.cloudpickle.loads(sent) if sent else {})
    except Exception as fault:  # what they refer to is not here
        return _NOT_SENT.format("__main__", fault_text(fault))
    return ""


_NOT_SENT = (
    "'{}' cannot be sent to a worker ({}): write it into a file and name that (file.py:function), or train in this "
    "process (pool.kind: serial)"
)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait, which crashes Ray while it ends; the third one ends the process at once."""
    presses = itertools.count(1)

    def note(_: int, __: object) -> None:
        if next(presses) >= LAST_PRESS:
            os._exit(128 + signal.SIGINT)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class RayPool(Pool):
    """Trains on Ray workers, one core each.

    Raises:
        BadCluster: no cluster answers at ``settings.address``.
        WorkersCannotStartError: later, from ``evaluate``.
    """

    def __init__(self, task: Task, settings: PoolSettings, vocabulary: Vocabulary = BUILT_IN) -> None:
        self.task, self.settings, self.vocabulary = task, settings, vocabulary
        self._digest = task.digest()
        self._sent = _sent(task.settings.own.functions)
        found = packed(task.settings)
        self._owns_ray = not ray.is_initialized()
        if self._owns_ray:
            self._nowhere = ray_door.new_directory()
            with contextlib.chdir(self._nowhere.name):  # Ray lets workers import from where it is started: from nothing
                ray_door.start(settings, self._nowhere.name + "/ray")
        self._data = None if found is None else ray.put(found)  # once a machine; workers look at it
        wants_gpu, self._side_by_side = task.device == "cuda", task.side_by_side
        fitting = _resources().get(
            "GPU" if wants_gpu and self._side_by_side > 1 else "CPU", 1
        )  # a GPU has one worker, with several
        self.workers = settings.workers or max(1, int(fitting))
        self._gpu_share = min(1.0, _resources().get("GPU", 0.0) / self.workers) if wants_gpu else 0.0
        self._starting: dict[Any, Any] = {}
        self._idle: deque[Any] = deque()
        self._running: dict[Any, tuple[Any, Work, float]] = {}
        self._failed_starts = 0
        self._deaths: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=64)  # when, and which requests were trained
        for _ in range(self.workers):
            self._spawn()

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Keep every worker busy; yield outcomes as populations come back."""
        waiting = in_populations(requests, max(self.settings.population, self._side_by_side), self.workers)
        self._deaths.clear()  # their indices were of other requests
        try:
            self._hand_out(waiting, requests)
            while waiting or self._running:
                done = self._wait()
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

    def _wait(self) -> list[Any]:
        references = [*self._running, *self._starting]
        if not references:  # all that is left pauses
            time.sleep(POLL_SECONDS / 10)
            return []
        return list(ray.wait(references, timeout=POLL_SECONDS)[0])

    def _hand_out(self, waiting: deque[Work], requests: Sequence[Request]) -> None:
        ready = [work for work in waiting if work.not_before <= now()][: len(self._idle)]
        for work in ready:
            waiting.remove(work)
            actor = self._idle.popleft()
            deadline = now() + self.settings.seconds * len(work.indices)
            self._running[actor.train.remote([requests[index] for index in work.indices])] = (actor, work, deadline)

    def _receive(self, reference: Any) -> Verdict:
        if reference in self._starting:
            self._welcome(reference)
            return [], []
        actor, work, _ = self._running.pop(reference)
        return self._collect(reference, actor, work)

    def _stop_late(self) -> Iterator[Verdict]:
        moment = now()
        for reference in [reference for reference, (_, _, deadline) in self._running.items() if moment > deadline]:
            actor, work, _ = self._running.pop(reference)
            self._replace(actor)
            yield work.after_failure(
                f"not finished after {self.settings.seconds * len(work.indices):g} s", Status.TIMED_OUT
            )

    def close(self) -> None:
        """End the workers, and Ray itself where this pool started it."""
        with _undisturbed():
            for actor in [*self._idle, *self._starting.values()]:
                ray.kill(actor)
            self._idle.clear()
            self._starting.clear()
            if self._owns_ray:
                ray.shutdown()
                ray_door.left()
                self._nowhere.cleanup()

    def _spawn(self) -> None:
        # Ray hides the GPUs from workers that do not ask for a share of them
        remote: Any = ray.remote(num_cpus=1, num_gpus=self._gpu_share, max_restarts=0)(_Worker)
        actor = remote.remote(self.task, self.vocabulary, self.settings.memory, os.getcwd(), self._data, self._sent)
        self._starting[actor.ready.remote(self._digest)] = actor

    def _welcome(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        try:
            complaint = ray.get(reference)
        except ray.exceptions.RayError as fault:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise WorkersCannotStartError(f"{FAILED_STARTS} workers died at their start: {fault}") from fault
            self._spawn()
        else:
            if complaint:
                raise BadOwnTask(complaint)
            self._failed_starts = 0
            self._idle.append(actor)

    def _replace(self, actor: Any) -> None:
        ray.kill(actor)
        self._spawn()

    def _collect(self, reference: Any, actor: Any, work: Work) -> Verdict:
        try:
            answer: Answer = ray.get(reference)
        except ray.exceptions.RayError as fault:  # the worker died, was evicted for its memory, or lost its node
            self._replace(actor)
            others = any(now() - when < NEAR and not set(indices) & set(work.indices) for when, indices in self._deaths)
            self._deaths.append((now(), work.indices))
            reason = f"the worker died while it trained this child ({type(fault).__name__})"
            return work.after_death(reason, now(), other_reason=others)
        if answer.spoilt:
            self._replace(actor)
        else:
            self._idle.append(actor)
        if answer.fault:
            return work.after_failure(answer.fault, Status.CRASHED)
        return [], list(zip(work.indices, answer.outcomes, strict=True))


def _resources() -> dict[str, float]:
    return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]
