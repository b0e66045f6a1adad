"""Decide once per run, by a trial, whether the children of a task are trained as stacks.

No timing enters the decision, so that one seed gives one result. The trial checks three things: children train in a
stack as they do one by one; their numbers are equal to the last bit whichever children share the stack; and the network
is small enough to gain. Not here: the training (``training``).
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
"""Most children of a stack, and of one with convolutions. A perceptron of 3 x 40 trains 5.7 times as many children in
stacks of 8 and 8.8 times in stacks of 16; convolutions gain nothing beyond 8 (``scripts/benchmarks/stacks.py``)."""
WORK, WEIGHTS = 12_000, 50_000
"""Limits beyond which a stack gains nothing: numbers per average operation of a child, and parameters of a child."""
STEPS = 4  # optimiser steps of the trial
CLOSE = 1e-4  # relative difference of losses after so few steps that rounding explains
BESIDE = (1, 2, 3, 7, 16)  # sizes of the stacks whose children must be equal to the last bit
NEAR = 0.05  # relative difference of scores, which may show the drift of rounding
TRIED = ("swish", "elu", "sin(x)")  # with a parameter, without one, and with last bits that depend on memory alignment
VALUES = (bool, int, float, complex, str, bytes, type(None))


def decided_size(task: "NetworkTask") -> tuple[int, str]:
    """Return the number of children trained as one, and the reason if the trial forbids a stack.

    Args:
        task: task of the children; only a user's own network is stacked.
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
        with contained(0, task.settings.own.file):  # it restores the number of threads
            torch.set_num_threads(1)
            size = _try(task)
    except NotStackable as fault:
        return 1, str(fault)
    except Exception as fault:  # the user's code may raise anything when it runs in an unexpected way
        return 1, f"tried as a stack it raises {type(fault).__name__}"
    return size, ""


def _try(task: "NetworkTask") -> int:
    """Train six children as a stack and one by one, and return the most children of a stack.

    Raises:
        NotStackable: the two trainings differ, or a part of the task cannot be stacked.
    """
    if reason := next(_reasons_against(task), ""):
        raise NotStackable(reason)
    activations = [BUILT_IN.read(text) for text in TRIED for _ in range(2)]
    drawn = [(Request(one.text, number % 2, STEPS), one) for number, one in enumerate(activations)]
    untrained = [seeded(task, *drawn[0])]
    first = untrained[0].network
    if sum(part.numel() for part in first.parameters()) > WEIGHTS:  # checked before more networks are built
        raise NotStackable(f"it has more than {WEIGHTS:,} parameters, and a stack would gain nothing")
    if course_of(first, task.settings, STEPS, untrained[0].layers, task.data.train) is not None:
        raise NotStackable("it has an optimiser of its own")
    untrained += [seeded(task, *one) for one in drawn[1:]]
    if _values(first) != _values(untrained[1].network):
        raise NotStackable("it holds numbers that are neither parameters nor buffers and differ from seed to seed")
    _turn_dropout_off(untrained)
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


def _turn_dropout_off(untrained: Sequence["Untrained"]) -> None:
    """Switch dropout off, since random draws cannot be compared."""
    for layer in (layer for one in untrained for layer in one.network.modules()):
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.register_forward_pre_hook(_turn_off)


def _compare(
    task: "NetworkTask", drawn: Sequence[Drawn], losses: Sequence[Sequence[float]],
    buffers: Sequence[Mapping[str, Tensor]], scores: Sequence[float],
) -> None:  # fmt: skip
    """Train the same children one by one, and compare.

    Args:
        task: task of the children.
        drawn: requests with their activations.
        losses: losses in the stack, by child and step.
        buffers: buffers in the stack after one step, by child; later they may drift, if a weight's gradient is only
            rounding.
        scores: validation losses in the stack after the last step, by child.

    Raises:
        NotStackable: a number differs, or a network keeps state between calls.
    """
    train = task.data.train
    assert isinstance(train, Split)
    alone = [seeded(task, *one) for one in drawn]
    _turn_dropout_off(alone)
    for place, one in enumerate(alone):
        (order,) = orders_of(task, [one], STEPS)
        values = _values(one.network)
        stream = map(train.take, order)
        child = TorchChild(one.network, task.objective, stream, STEPS, task.settings, one.generator, one.layers)
        child.advance(1)
        own_buffers = dict(one.network.named_buffers())
        same_buffers = all(
            torch.allclose(own_buffers[name], value, CLOSE, CLOSE**2) for name, value in buffers[place].items()
        )
        child.advance(STEPS)
        if _values(one.network) != values:
            raise NotStackable("it keeps something from call to call")
        score = task.objective.metrics(one.network, task.data.validation)["loss"]
        near = functools.partial(math.isclose, rel_tol=CLOSE, abs_tol=CLOSE**2)
        if not (
            same_buffers
            and all(map(near, child.losses, losses[place]))
            and math.isclose(score, scores[place], rel_tol=NEAR)
        ):
            raise NotStackable("as a stack its children do not train as they do one by one")


def _check_neighbours(
    task: "NetworkTask", drawn: Sequence[Drawn], untrained: Sequence["Untrained"], orders: Sequence[Tensor]
) -> None:
    """Train the same children in stacks of several sizes, and compare.

    Args:
        task: task of the children.
        drawn: requests with their activations.
        untrained: networks of the children.
        orders: order of the examples of each child, indices ``(steps, batch)``.

    Raises:
        NotStackable: weights or gradients of a child differ between sizes.
    """
    expected: dict[int, list[Tensor]] = {}
    for count in BESIDE:
        places = [number % len(drawn) for number in range(count)]
        stack = stack_of(
            task, [drawn[n] for n in places], [untrained[n] for n in places], [orders[n] for n in places], STEPS
        )
        stack.advance(2)
        rows, gradients = stack.weights.rows.detach(), stack.weights.rows.grad
        assert gradients is not None  # training has set it
        for number, place in enumerate(places):
            row = [rows[number], gradients[number]]
            if not all(map(torch.equal, row, expected.setdefault(place, row))):
                raise NotStackable("the last bits of its children depend on who stands beside them")


def _generators() -> str:
    """Return the state of Python's and NumPy's global generators."""
    return repr((random.getstate(), np.random.get_state(legacy=False)))  # noqa: NPY002  the user's code may draw from it


def _values(network: nn.Module) -> dict[str, Any]:
    """Return a network's comparable attributes besides parameters, buffers and layers, by name."""
    usual, values = {*vars(nn.Module()), "training"}, dict[str, Any]()
    for name, module in network.named_modules():
        if not type(module).__module__.startswith("actsearch."):  # layers of this engine hold their own functions
            values |= {f"{name}.{key}": _comparable(value) for key, value in vars(module).items() if key not in usual}
    return values


def _comparable(value: Any, depth: int = 3) -> Any:
    """Return a value as numbers and texts; what lies deeper than ``depth``, or cannot be inspected, becomes None."""
    if isinstance(value, VALUES):
        return value
    if isinstance(value, nn.Parameter):
        return None
    if isinstance(value, Tensor):
        return value.tolist()
    if not depth or isinstance(value, (nn.Module, type)) or callable(value):
        return None
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_comparable(one, depth - 1) for one in value]
    parts = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return {str(key): _comparable(one, depth - 1) for key, one in parts.items()}


def _turn_off(layer: nn.Module, _: object) -> None:
    layer.training = False


def _reasons_against(task: "NetworkTask") -> Iterator[str]:
    """Yield reasons for which a task is not even tried."""
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
