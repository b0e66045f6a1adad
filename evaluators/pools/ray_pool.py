"""Ray's workers: long-lived actors that train populations, supervised by the driver.

A worker that dies costs a retry. A child that kills its worker every time becomes a crashed outcome. A child that never
ends becomes a timed-out outcome. Not here: the training (``training``) and the retries after a failure (``pool.Work``).
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
NEAR = 10.0  # seconds: when workers of different children die this close together, something else killed them
now = time.monotonic  # the pool's clock
FAILED_STARTS = 6  # after this many deaths in a row before a worker was ready, every worker has the same problem
LAST_PRESS = 3  # this press of Ctrl-C ends the process at once


@dataclass(frozen=True)
class Answer:
    """A worker's answer about one population.

    Args:
        outcomes: outcomes in the order of the requests; empty if the training raised an exception.
        fault: description of that exception; empty if there was none.
        spoilt: name of a process setting that the training changed and that cannot be restored, so that no other child
            may be trained in that process; empty if there is none.
    """

    outcomes: tuple[Outcome, ...] = ()
    fault: str = ""
    spoilt: str = ""


class _Worker:
    """A Ray actor: it has its own process and trains one population per call."""

    def __init__(
        self, task: Task, vocabulary: Vocabulary, memory: float, directory: str, data: Packed | None,
        sent: bytes,
    ) -> None:  # fmt: skip
        keep_freed_memory()
        self.memory, self.complaint = memory, _unpack_functions(sent)
        with contextlib.suppress(OSError):  # another machine may not have this directory
            os.chdir(directory)  # the driver's directory: the user's paths are relative to it
        self.task, self.vocabulary = task, vocabulary
        if data is not None:
            share(self.task.settings, data)
        if self.task.device == "cpu":  # a GPU's driver maps more than it uses
            limit = int(memory * 1e9)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def ready(self, digest: str) -> str:
        """Warm up before the first child, so that its time limit does not include this.

        Args:
            digest: digest of the data in the driver, which must match the worker's.

        Returns:
            The reason why this worker cannot train; empty if it can.
        """
        if self.complaint:
            return self.complaint
        try:
            self.task.warm_up()
            own_digest = self.task.digest()
        except (BadTask, BadData, BadOwnTask) as fault:
            return str(fault)
        if own_digest != digest:
            return (
                f"the data of the task '{self.task.title}' differ between two processes: draw "
                "them with a seed of your own, or from the generators of torch, numpy.random or random"
            )
        return ""

    def train(self, requests: list[Request]) -> Answer:
        """Train a population; return an exception as text, because not every exception can cross to another process."""
        try:
            return Answer(tuple(train_population(requests, self.task, self.vocabulary)), spoilt=spoilt())
        except (Exception, KeyboardInterrupt) as fault:
            reason = fault_text(fault)
            if isinstance(fault, MemoryError) or "allocate memory" in reason:  # the memory may still be full
                return Answer(
                    fault=f"over the {self.memory:g} GB of pool.memory ({type(fault).__name__})", spoilt="memory"
                )
            return Answer(fault=reason, spoilt=spoilt())


def _pack_functions(names: Sequence[str]) -> bytes:
    """Pickle the functions of a program or notebook, which workers cannot import."""
    functions = {name: find(name) for name in names if name.startswith("__main__:")}
    try:
        return bytes(ray.cloudpickle.dumps(functions)) if functions else b""  # type: ignore[no-untyped-call]
    except Exception as fault:  # the functions' globals may hold anything
        raise BadOwnTask(_NOT_SENT.format(next(iter(functions)), fault_text(fault))) from fault


def _unpack_functions(sent: bytes) -> str:
    """Unpickle and keep the functions that the driver sent; return the reason if they cannot be used here."""
    try:
        SENT.update(ray.cloudpickle.loads(sent) if sent else {})
    except Exception as fault:  # the functions refer to something that this process lacks
        return _NOT_SENT.format("__main__", fault_text(fault))
    return ""


_NOT_SENT = (
    "'{}' cannot be sent to a worker ({}): write it into a file and name that (file.py:function), or train in this "
    "process (pool.kind: serial)"
)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C, which would crash Ray during its shutdown; the third press ends the process at once."""
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
    """A pool that trains on Ray workers, one core each.

    Raises:
        BadCluster: no cluster answers at ``settings.address``.
        WorkersCannotStartError: the workers die before they are ready; ``evaluate`` raises it.
    """

    def __init__(self, task: Task, settings: PoolSettings, vocabulary: Vocabulary = BUILT_IN) -> None:
        self.task, self.settings, self.vocabulary = task, settings, vocabulary
        self._digest = task.digest()
        self._sent = _pack_functions(task.settings.own.functions)
        data = packed(task.settings)
        self._owns_ray = not ray.is_initialized()
        if self._owns_ray:
            self._nowhere = ray_door.new_directory()
            with contextlib.chdir(self._nowhere.name):  # workers can import from Ray's start directory: keep it empty
                ray_door.start(settings, self._nowhere.name + "/ray")
        self._data = None if data is None else ray.put(data)  # one copy per machine, which its workers share
        wants_gpu, self._side_by_side = task.device == "cuda", task.side_by_side
        # one worker per GPU if a worker trains several children in turns
        slots = _resources().get("GPU" if wants_gpu and self._side_by_side > 1 else "CPU", 1)
        self.workers = settings.workers or max(1, int(slots))
        self._gpu_share = min(1.0, _resources().get("GPU", 0.0) / self.workers) if wants_gpu else 0.0
        self._starting: dict[Any, Any] = {}
        self._idle: deque[Any] = deque()
        self._running: dict[Any, tuple[Any, Work, float]] = {}
        self._failed_starts = 0
        self._deaths: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=64)  # time, and indices of the requests
        for _ in range(self.workers):
            self._spawn()

    def evaluate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Outcome]]:
        """Keep every worker busy, and yield outcomes as populations come back."""
        waiting = in_populations(requests, max(self.settings.population, self._side_by_side), self.workers)
        self._deaths.clear()  # the indices belong to the previous call's requests
        try:
            self._hand_out(waiting, requests)
            while waiting or self._running:
                done = self._wait()
                finished: list[tuple[int, Outcome]] = []
                for more, final in [*map(self._receive, done), *self._stop_late()]:
                    waiting.extendleft(more)
                    finished += final
                self._hand_out(waiting, requests)  # before the caller spends time on the finished outcomes
                yield from finished
        finally:
            for actor, _, _ in self._running.values():  # the caller left early: nobody needs the running children
                self._replace(actor)
            self._running.clear()

    def _wait(self) -> list[Any]:
        references = [*self._running, *self._starting]
        if not references:  # every remaining population pauses before its next try
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
        """End the workers, and Ray itself if this pool started it."""
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
        # Ray hides the GPUs from workers that do not request a share of one
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
        except ray.exceptions.RayError as fault:  # the worker died, used too much memory, or lost its node
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
