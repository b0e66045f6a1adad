"""Whether the children of a task are trained as stacks, decided once a run by trying.

What decides is no clock, so that the same seed gives the same result: that children train in a stack as they do one by
one, to the last bit alike whoever stands beside them, and that their network is small enough to gain. Not here: the
training (``training``).
"""

import dataclasses
import functools
import math
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.data.examples import Split, tensors_of
from actsearch.evaluators.outcome import Request
from actsearch.evaluators.own.optimisers import course_of
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
NEAR = 0.05  # the same, of scores, in which such a drift may be seen
TRIED = ("swish", "elu", "sin(x)")  # with a parameter and without; with last bits that depend on a place in memory
VALUES = (bool, int, float, complex, str, bytes, type(None))


def decided_size(task: "NetworkTask") -> tuple[int, str]:
    """Return how many children of a task are trained as one, and why they are not where it is one.

    Args:
        task: of a network of the user's.
    """
    if not task.is_own:
        return 1, ""
    if task.settings.stack == 1:
        return 1, ""
    size, reason = _decided(dataclasses.replace(task, settings=dataclasses.replace(task.settings, stack=None)))
    return (task.settings.stack or size) if size > 1 else 1, reason


@functools.lru_cache(maxsize=8)
def _decided(task: "NetworkTask") -> tuple[int, str]:
    try:
        with contained(0, task.settings.own.file):  # which puts the threads back
            torch.set_num_threads(1)
            size = _try(task)
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
    untrained = [seeded(task, *drawn[0])]
    first = untrained[0].network
    if sum(part.numel() for part in first.parameters()) > WEIGHTS:  # asked before more of them are made
        raise NotStackable(f"it has more than {WEIGHTS:,} parameters, and a stack would gain nothing")
    if course_of(first, task.settings, STEPS, untrained[0].layers, task.data.train) is not None:
        raise NotStackable("it has an optimiser of its own")
    untrained += [seeded(task, *one) for one in drawn[1:]]
    if _values(first) != _values(untrained[1].network):
        raise NotStackable("it holds numbers that are neither parameters nor buffers and differ from seed to seed")
    _put_to_sleep(untrained)
    orders, drawing = orders_of(task, untrained, STEPS), _generators()
    stack = stack_of(task, drawn, untrained, orders, STEPS)
    if stack.step.work / (len(drawn) + 1) > WORK:
        raise NotStackable("its operations are so large that a stack would gain nothing")
    _check_neighbours(task, drawn, untrained, orders)
    stack.advance(1)
    buffers = [{name: values[place].clone() for name, values in stack.buffers.items()} for place in range(len(drawn))]
    stack.advance(STEPS)
    stack.write_back(len(drawn))
    scores = [task.objective.metrics(one.network, task.data.validation)["loss"] for one in untrained]
    _compare(task, drawn, torch.stack(stack.losses, 1).tolist(), buffers, scores)
    if _generators() != drawing:
        raise NotStackable("it draws random numbers besides torch's")
    return OF_CONVOLUTIONS if stack.step.convolves else SIZE


def _put_to_sleep(untrained: Sequence["Untrained"]) -> None:
    """Let dropout do nothing: what is drawn cannot be compared."""
    for layer in (layer for one in untrained for layer in one.network.modules()):
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.register_forward_pre_hook(_asleep)


def _compare(
    task: "NetworkTask", drawn: Sequence[Drawn], losses: Sequence[Sequence[float]],
    buffers: Sequence[Mapping[str, Tensor]], scores: Sequence[float],
) -> None:  # fmt: skip
    """Train the same children one by one.

    Args:
        task: on what.
        drawn: requests and what they are of.
        losses: by child and step, as they were in a stack.
        buffers: by child, after one step: later ones may drift, where a weight has no gradient but rounding.
        scores: by child, in the end.

    Raises:
        NotStackable: something is other now, or a network keeps something from call to call.
    """
    train = task.data.train
    assert isinstance(train, Split)
    alone = [seeded(task, *one) for one in drawn]
    _put_to_sleep(alone)
    for place, one in enumerate(alone):
        (order,) = orders_of(task, [one], STEPS)
        values = _values(one.network)
        stream = map(train.take, order)
        child = TorchChild(one.network, task.objective, stream, STEPS, task.settings, one.generator, one.layers)
        child.advance(1)
        kept = dict(one.network.named_buffers())
        alike = all(torch.allclose(kept[name], value, CLOSE, CLOSE**2) for name, value in buffers[place].items())
        child.advance(STEPS)
        if _values(one.network) != values:
            raise NotStackable("it keeps something from call to call")
        score = task.objective.metrics(one.network, task.data.validation)["loss"]
        near = functools.partial(math.isclose, rel_tol=CLOSE, abs_tol=CLOSE**2)
        if not (
            alike and all(map(near, child.losses, losses[place])) and math.isclose(score, scores[place], rel_tol=NEAR)
        ):
            raise NotStackable("as a stack its children do not train as they do one by one")


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


def _generators() -> str:
    """Return the state of Python's and NumPy's global generators."""
    return repr((random.getstate(), np.random.get_state(legacy=False)))  # noqa: NPY002  the user may draw from it


def _values(network: nn.Module) -> dict[str, Any]:
    """Return what a network holds besides parameters, buffers and layers, and can be compared."""
    usual, found = {*vars(nn.Module()), "training"}, dict[str, Any]()
    for name, module in network.named_modules():
        if not type(module).__module__.startswith("actsearch."):  # those of ours hold who they are
            found |= {f"{name}.{key}": _plain(value) for key, value in vars(module).items() if key not in usual}
    return found


def _plain(value: Any, depth: int = 3) -> Any:
    """Return a value as numbers and texts; of what is deeper, or cannot be looked into, nothing."""
    if isinstance(value, VALUES):
        return value
    if isinstance(value, nn.Parameter):
        return None
    if isinstance(value, Tensor):
        return value.tolist()
    if not depth or isinstance(value, (nn.Module, type)) or callable(value):
        return None
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_plain(one, depth - 1) for one in value]
    held = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return {str(key): _plain(one, depth - 1) for key, one in held.items()}


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
