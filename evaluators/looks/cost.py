"""What a function costs where it is used: time of its forward and backward pass in torch, against ReLU's.

Measured on the device's own clock, so two machines differ, and two runs a little: no score depends on it. Not here:
what a child costs, most of which is spent elsewhere.
"""

import statistics
import time
from collections.abc import Sequence

import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN, Activation
from actsearch.evaluators.allocator import keep_freed_memory
from actsearch.evaluators.outcome import Cost

SHAPE = (128, 16, 40)  # examples, channels, positions: a layer of the default child, at a usual batch
ROUNDS = 15
REFERENCE = BUILT_IN.read("relu(x)")


def measure(activations: Sequence[Activation], rounds: int = ROUNDS) -> dict[str, Cost]:
    """Return text -> cost; the activations and ReLU take turns.

    Args:
        activations: what is measured.
        rounds: of each measurement; the first one warms up and is not counted.
    """
    threads = torch.get_num_threads()
    keep_freed_memory()
    torch.set_num_threads(1)
    try:
        everything = {one.text: one for one in (REFERENCE, *activations)}
        with torch.random.fork_rng(devices=[]):  # layers draw their weights, and the inputs are drawn
            torch.manual_seed(0)
            layers = {text: one.make(SHAPE[1]) for text, one in everything.items()}
            taken = [{text: _nanoseconds(layer) for text, layer in layers.items()} for _ in range(rounds + 1)][1:]
    finally:
        torch.set_num_threads(threads)
    return {one.text: _cost([(each[one.text], each[REFERENCE.text]) for each in taken]) for one in activations}


def _nanoseconds(layer: nn.Module) -> tuple[float, float]:
    x = torch.randn(SHAPE, requires_grad=True)
    upstream = torch.randn(SHAPE)
    wanted = [x, *layer.parameters()]
    started = time.perf_counter()
    value = layer(x)
    between = time.perf_counter()
    torch.autograd.grad(value, wanted, upstream, allow_unused=True)
    ended = time.perf_counter()
    return (between - started) / x.numel() * 1e9, (ended - between) / x.numel() * 1e9


def _cost(pairs: list[tuple[tuple[float, float], tuple[float, float]]]) -> Cost:
    forward = statistics.median(mine[0] for mine, _ in pairs)
    backward = statistics.median(mine[1] for mine, _ in pairs)
    return Cost(forward, backward, statistics.median(sum(mine) / sum(relu) for mine, relu in pairs))
