"""Measure what a child costs here, by population size, and what each primitive adds; ``--json`` for programs.

One core, the default task. Medians over repeats; nothing else should run meanwhile.
"""

import argparse
import json
import os
import platform
import statistics
import time

import torch

from evaluators.allocator import keep_freed_memory
from evaluators.outcome import Request, child_seed
from evaluators.settings import TaskSettings
from evaluators.training import train_population
from grammar.swish2017 import SWISH2017

NAMES = ("relu", "silu", "gelu", "swish", "tanh", "cos_minus_x", "max_sigmoid", "elu")
STEPS = 40


def child_milliseconds(population: int, repeats: int) -> float:
    """Return the median milliseconds a child and step take in populations of that size."""
    requests = [Request(NAMES[i % len(NAMES)], child_seed(0, str(i), 0), STEPS) for i in range(population)]
    train_population(requests, TaskSettings())
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        train_population(requests, TaskSettings())
        found.append((time.perf_counter() - started) / population / STEPS * 1e3)
    return statistics.median(found)


def primitive_nanoseconds(repeats: int) -> dict[str, float]:
    """Return the median nanoseconds an element that value and gradient of each row take, on one layer of a child."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(8, 40 * 128, generator=generator).requires_grad_() for _ in range(2)]
    upstream = torch.randn(8, 40 * 128, generator=generator)
    beta = torch.ones(8, 1)
    found = {}
    for row in SWISH2017:
        if not row.arity:
            continue
        arguments = inputs[: row.arity]
        times = []
        for _ in range(repeats * 10):
            started = time.perf_counter()
            torch.autograd.grad(row(*arguments, beta=beta), arguments, upstream)
            times.append((time.perf_counter() - started) / upstream.numel() * 1e9)
        found[row.name] = statistics.median(times)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each measurement")
    words = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    children = {size: child_milliseconds(size, words.repeats) for size in (1, 2, 4, 8)}
    primitives = primitive_nanoseconds(words.repeats)
    facts = {
        "machine": f"{platform.platform()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "milliseconds_per_child_and_step": children,
        "nanoseconds_per_element": primitives,
    }
    if words.json:
        print(json.dumps(facts, indent=2))
        return
    print(facts["machine"])
    for size, milliseconds in children.items():
        print(f"population of {size}: {milliseconds:.2f} ms a child and step")
    for name, nanoseconds in primitives.items():
        print(f"  {name:10s} {nanoseconds:6.1f} ns an element, value and gradient")


if __name__ == "__main__":
    main()
