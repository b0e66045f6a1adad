"""The cost of a function in use: the time of its forward and backward pass in torch, compared with ReLU's.

Clock times differ between two machines, and a little between two runs: no score depends on them. Not here: the cost of
a child, most of which is spent outside of the function.
"""

import statistics
import time
from collections.abc import Sequence

import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN, Activation
from actsearch.evaluators.allocator import keep_freed_memory
from actsearch.evaluators.outcome import Cost

SHAPE = (128, 16, 40)  # examples, channels, positions: a layer of the default child, with a usual batch
ROUNDS = 15
REFERENCE = BUILT_IN.read("relu(x)")


def measure(activations: Sequence[Activation], rounds: int = ROUNDS) -> dict[str, Cost]:
    """Measure activations and ReLU in turns; return text -> cost.

    Args:
        activations: activations to measure.
        rounds: number of measurements of each, after one that warms up.
    """
    threads = torch.get_num_threads()
    keep_freed_memory()
    torch.set_num_threads(1)
    try:
        by_text = {one.text: one for one in (REFERENCE, *activations)}
        with torch.random.fork_rng(devices=[]):  # weights of layers and inputs are random
            torch.manual_seed(0)
            layers = {text: one.make(SHAPE[1]) for text, one in by_text.items()}
            times = [{text: _nanoseconds(layer) for text, layer in layers.items()} for _ in range(rounds + 1)][1:]
    finally:
        torch.set_num_threads(threads)
    return {one.text: _cost([(each[one.text], each[REFERENCE.text]) for each in times]) for one in activations}


def _nanoseconds(layer: nn.Module) -> tuple[float, float]:
    x = torch.randn(SHAPE, requires_grad=True)
    upstream = torch.randn(SHAPE)
    sources = [x, *layer.parameters()]
    started = time.perf_counter()
    value = layer(x)
    between = time.perf_counter()
    torch.autograd.grad(value, sources, upstream, allow_unused=True)
    ended = time.perf_counter()
    return (between - started) / x.numel() * 1e9, (ended - between) / x.numel() * 1e9


def _cost(pairs: list[tuple[tuple[float, float], tuple[float, float]]]) -> Cost:
    forward = statistics.median(mine[0] for mine, _ in pairs)
    backward = statistics.median(mine[1] for mine, _ in pairs)
    return Cost(forward, backward, statistics.median(sum(mine) / sum(relu) for mine, relu in pairs))
