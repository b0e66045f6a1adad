"""The speed of this machine: seconds of children and proposals, from a few of each, and the number of workers.

Not here: the seconds of a whole search (``forecast``).
"""

import contextlib
import os
import resource
import sys
import time

import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.looks.readout import CannotLook, readout
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import Request, noise_seed
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.task import Task

TRIED = (2, 12)  # steps of two children; their difference gives the cost of a step
AS_STACK = (20, 100)  # steps of two stacks: a stack records its first steps
ON_GPU = (10, 60)  # steps of two children on a GPU, where the first steps are not recorded yet
MIXED = [
    BUILT_IN.read(text)
    for text in (
        "mix(relu(x),sin(x))", "gaussgap(sinh(x),logabs(x))", "add(atan(x),scale(x))", "gate(asinh(x),scale(x))",
        "min(x,sinc(x))", "max(tanh(x),erf(x))", "mul(softplus(x),gauss(x))", "sub(square(x),abs(x))",
    )
]  # fmt: skip
"""Typical candidates of a search, to measure the cost of a stack."""
FULL = 8  # average number of children of a stack in a run
SWISH = BUILT_IN.read("swish")
START = {"ray": 8.0, "serial": 0.5}
"""Kind of pool -> seconds before the first child trains; measured on two cores: 5.7 to 7.3, and 0.3."""


def busy(load: float, workers: int, cores: int) -> float:
    """Return the slowdown of the workers by other programs, as a factor.

    Args:
        load: load average: number of processes that run or wait for a core now; one of them is this process.
        workers: number of workers that will train.
        cores: number of cores of the machine.
    """
    return max(1.0, (max(0.0, load - 1) + workers) / cores)


def child_seconds(task: NetworkTask) -> tuple[float, float]:
    """Return the seconds of a child apart from its steps, and of a step, from two short children after a warm-up."""
    seconds, lengths = [], ON_GPU if task.device == "cuda" else TRIED if task.stack == 1 else AS_STACK
    for steps in (lengths[0], *lengths):  # the first is a warm-up
        with contained(noise_seed(0), task.settings.own.file):  # it restores the number of threads
            torch.set_num_threads(1)
            request = Request(SWISH.text, 0, steps, patient=True)
            children = [(request, MIXED[number % len(MIXED)]) for number in range(min(FULL, task.side_by_side))]
            seconds.append(task.trained(children)[0].seconds)
    step = max(0.0, (seconds[2] - seconds[1]) / (lengths[1] - lengths[0]))
    return max(0.0, seconds[1] - lengths[0] * step), step


def look_seconds(task: NetworkTask) -> float:
    """Return the seconds of a look at a proposal."""
    seconds = []
    for activation in MIXED[:3]:  # the first is a warm-up
        before = time.perf_counter()
        with contextlib.suppress(CannotLook):
            readout(activation, task, 0)
        seconds.append(time.perf_counter() - before)
    return min(seconds)


def workers_of(pool: PoolSettings, task: Task) -> int:
    """Return the number of children that train at once."""
    if pool.kind == "serial":
        return 1
    if pool.workers is None and task.device == "cuda" and task.side_by_side > 1:
        return max(1, torch.cuda.device_count())
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return pool.workers or cores


def memory() -> int:
    """Return the peak memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
