"""Whether the children of a task are trained as stacks, decided once a run by trying.

What decides is no clock, so that the same seed gives the same result: that children train in a stack as they do one by
one, to the last bit alike whoever stands beside them, and that their network is small enough to gain. Not here: the
training (``training``).
"""

import functools
import math
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.data.examples import Split, tensors_of
from actsearch.evaluators.outcome import Request
from actsearch.evaluators.own.course import course_of
from actsearch.evaluators.stacks.recording import NotStackable
from actsearch.evaluators.stacks.training import orders_of, seeded, stack_of
from actsearch.evaluators.task import Drawn
from actsearch.evaluators.torch_child import TorchChild

if TYPE_CHECKING:
    from actsearch.evaluators.network_task import NetworkTask, Untrained

SIZE, OF_CONVOLUTIONS = 16, 8
"""Most children of a stack. A perceptron of 3 x 40 trains 5.7 times as many with 8 and 8.8 times with 16; convolutions
gain nothing more beyond 8 (``scripts/benchmarks/stacks.py``)."""
WORK, WEIGHTS = 12_000, 50_000
"""Numbers that the average operation of one child computes, and its parameters, beyond which a stack gains nothing."""
STEPS = 4  # that are tried
CLOSE = 1e-4  # relative, of losses after so few steps: what rounding explains
BESIDE = (1, 2, 3, 7, 16)  # sizes of the stacks whose children must be alike
TRIED = ("swish", "sin(x)")  # one with a beta, and one without
VALUES = (bool, int, float, complex, str, bytes, type(None))


def decided_size(task: "NetworkTask") -> tuple[int, str]:
    """Return how many children of a task are trained as one, and why they are not where it is one.

    Args:
        task: of a network of the user's.
    """
    if not task.settings.own.build:
        return 1, ""
    if task.settings.stack is not None:
        return task.settings.stack, ""
    return _decided(task.settings, task)


@functools.lru_cache(maxsize=8)
def _decided(_: object, task: "NetworkTask") -> tuple[int, str]:
    try:
        with contained(0, task.settings.own.file):
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            size = _try(task)
            torch.set_num_threads(threads)
    except NotStackable as fault:
        return 1, str(fault)
    except Exception as fault:  # whatever the user's code raises where it is run in another way than it was written for
        return 1, f"tried as a stack it raises {type(fault).__name__}"
    return size, ""


def _try(task: "NetworkTask") -> int:
    """Train four children as a stack and one by one, and return how many a stack may have.

    Raises:
        NotStackable: they do not agree, or something of the task cannot be stacked.
    """
    if reason := next(_other_ways(task), ""):
        raise NotStackable(reason)
    read = [BUILT_IN.read(text) for text in TRIED for _ in range(2)]
    drawn = [(Request(one.text, number % 2, STEPS), one) for number, one in enumerate(read)]
    untrained = [seeded(task, *one) for one in drawn]
    first, second, *_ = (one.network for one in untrained)
    if course_of(first, task.settings, STEPS, untrained[0].layers, task.data.train) is not None:
        raise NotStackable("it has an optimiser of its own")
    if sum(part.numel() for part in first.parameters()) > WEIGHTS:
        raise NotStackable(f"it has more than {WEIGHTS:,} parameters, and a stack would gain nothing")
    values = _values(first)
    if values != _values(second):
        raise NotStackable("it holds numbers that are neither parameters nor buffers and differ from seed to seed")
    for layer in (layer for one in untrained for layer in one.network.modules()):
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.register_forward_pre_hook(_asleep)  # what is drawn cannot be compared
    orders, drawing = orders_of(task, untrained, STEPS), _generators()
    stack = stack_of(task, drawn, untrained, orders, STEPS)
    if stack.step.work / (len(drawn) + 1) > WORK:
        raise NotStackable("its operations are so large that a stack would gain nothing")
    stack.advance(STEPS)
    _check_neighbours(task, drawn, untrained, orders)
    _compare(task, untrained, orders, torch.stack(stack.losses, 1).tolist())
    if _generators() != drawing:
        raise NotStackable("it draws random numbers besides torch's")
    if _values(first) != values:
        raise NotStackable("it keeps something from call to call")
    return OF_CONVOLUTIONS if stack.step.convolves else SIZE


def _check_neighbours(
    task: "NetworkTask", drawn: Sequence[Drawn], untrained: Sequence["Untrained"], orders: Sequence[Tensor]
) -> None:
    """Train the same children in stacks of several sizes.

    Raises:
        NotStackable: their weights or gradients differ.
    """
    found: dict[int, list[Tensor]] = {}
    for count in BESIDE:
        places = [number % len(drawn) for number in range(count)]
        stack = stack_of(
            task, [drawn[n] for n in places], [untrained[n] for n in places], [orders[n] for n in places], STEPS
        )
        stack.advance(2)
        rows, gradients = stack.weights.rows.detach(), stack.weights.rows.grad
        assert gradients is not None  # it was trained
        for number, place in enumerate(places):
            mine = [rows[number], gradients[number]]
            if not all(map(torch.equal, mine, found.setdefault(place, mine))):
                raise NotStackable("the last bits of its children depend on who stands beside them")


def _compare(
    task: "NetworkTask", untrained: Sequence["Untrained"], orders: Sequence[Tensor], found: Sequence[Sequence[float]]
) -> None:
    """Train children one by one.

    Args:
        task: on what.
        untrained: their networks.
        orders: of their examples.
        found: losses by child and step, as they were in a stack.

    Raises:
        NotStackable: they have other losses now.
    """
    train = task.data.train
    assert isinstance(train, Split)
    for one, order, losses in zip(untrained, orders, found, strict=False):  # a stack has one more
        child = TorchChild(
            one.network, task.objective, map(train.take, order), STEPS, task.settings, one.generator, one.layers
        )
        child.advance(STEPS)
        if not all(map(functools.partial(math.isclose, rel_tol=CLOSE, abs_tol=CLOSE**2), child.losses, losses)):
            raise NotStackable("as a stack its children do not train as they do one by one")


def _generators() -> str:
    """Return the state of Python's and NumPy's global generators."""
    return repr((random.getstate(), np.random.get_state(legacy=False)))  # noqa: NPY002  the user may draw from it


def _values(network: nn.Module) -> dict[str, Any]:
    """Return what a network holds besides parameters, buffers and layers, and can be compared."""
    found: dict[str, Any] = {}
    for name, module in network.named_modules():
        for key, value in vars(module).items():
            if isinstance(value, Tensor):
                found[f"{name}.{key}"] = value.tolist()
            elif isinstance(value, VALUES) and key != "training":
                found[f"{name}.{key}"] = value
    return found


def _asleep(layer: nn.Module, _: object) -> None:
    layer.training = False


def _other_ways(task: "NetworkTask") -> Iterator[str]:
    """Yield why a task is not even tried."""
    settings = task.settings
    if task.device != "cpu":
        yield "it is trained on a GPU"
    if not isinstance(task.data.train, Split) or task.data.train.whole:
        yield "its data come from a loader"
    if settings.own.optimiser is not None:
        yield "it has an optimiser of its own"
    if settings.own.accumulate > 1 or settings.precision != "float32" or settings.augment:
        yield "it accumulates gradients, is augmented, or has another precision than float32"
    if any(tensor.is_complex() or tensor.is_sparse for tensor in tensors_of((task.data.train.first(1).inputs,))):
        yield "its data are complex or sparse"
