"""How fast this machine is: what children and proposals take, measured on a few, and how many are trained at once.

Not here: what a whole search takes (``plan``).
"""

import contextlib
import os
import resource
import sys
import time

import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.looks.first_look import CannotLook, first_look
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import Request, noise_seed
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.task import Task

TRIED = (2, 12)  # steps of the two children whose difference tells what a step costs
AS_STACK = (20, 100)  # which is recorded first
ON_GPU = (10, 60)  # the first ones there are not recorded yet
MIXED = [
    BUILT_IN.read(text)
    for text in (
        "mix(relu(x),sin(x))", "gaussgap(sinh(x),logabs(x))", "add(atan(x),scale(x))", "gate(asinh(x),scale(x))",
        "min(x,sinc(x))", "max(tanh(x),erf(x))", "mul(softplus(x),gauss(x))", "sub(square(x),abs(x))",
    )
]  # fmt: skip
"""Functions as a search proposes them: what a stack of several costs."""
FULL = 8  # children of a stack on the average of a run
SWISH = BUILT_IN.read("swish")
START = {"ray": 8.0, "serial": 0.5}
"""Seconds before the first child is trained, by kind of pool: on two cores 5.7 to 7.3 and 0.3 were measured."""


def busy(load: float, workers: int, cores: int) -> float:
    """Return how many times as long workers take beside what else runs.

    Args:
        load: processes that run or wait for a core now, this one not among them.
        workers: that will train.
        cores: of the machine.
    """
    return max(1.0, (max(0.0, load - 1) + workers) / cores)


def child_seconds(task: NetworkTask) -> tuple[float, float]:
    """Return seconds of a child beside its steps, and of a step; measured on two short ones, after a first."""
    seconds, tried = [], ON_GPU if task.device == "cuda" else TRIED if task.stack == 1 else AS_STACK
    for steps in (tried[0], *tried):  # the first one warms up
        with contained(noise_seed(0), task.settings.own.file):  # which puts the threads back
            torch.set_num_threads(1)
            request = Request(SWISH.text, 0, steps, patient=True)
            several = [(request, MIXED[number % len(MIXED)]) for number in range(min(FULL, task.side_by_side))]
            seconds.append(task.trained(several)[0].seconds)
    step = max(0.0, (seconds[2] - seconds[1]) / (tried[1] - tried[0]))
    return max(0.0, seconds[1] - tried[0] * step), step


def look_seconds(task: NetworkTask) -> float:
    """Return the seconds that a look at a proposal takes."""
    seconds = []
    for activation in MIXED[:3]:  # the first one warms up
        before = time.perf_counter()
        with contextlib.suppress(CannotLook):
            first_look(activation, task, 0)
        seconds.append(time.perf_counter() - before)
    return min(seconds)


def workers_of(pool: PoolSettings, task: Task) -> int:
    """Return how many children are trained at once."""
    if pool.kind == "serial":
        return 1
    if pool.workers is None and task.device == "cuda" and task.side_by_side > 1:
        return max(1, torch.cuda.device_count())
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return pool.workers or cores


def memory() -> int:
    """Return the most memory that this process took so far, bytes."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else 1024 * found
