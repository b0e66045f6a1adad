"""What value and gradient of each primitive cost in torch, in nanoseconds an element, on one core.

The kernel's tapes are measured within whole children by ``benchmark_throughput``; this is for who writes a row.
"""

import argparse
import statistics
import time

import torch

from actsearch.evaluators.allocator import keep_freed_memory
from actsearch.grammar.rows.swish2017 import SWISH2017


def primitive_nanoseconds(repeats: int) -> dict[str, float]:
    """Return the median nanoseconds an element that value and gradient of each row take, on one layer of a child."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(8, 40 * 128, generator=generator).requires_grad_() for _ in range(2)]
    upstream = torch.randn(8, 40 * 128, generator=generator)
    found = {}
    for row in SWISH2017:
        if not row.arity:
            continue
        arguments = inputs[: row.arity]
        times = []
        for _ in range(repeats * 10):
            started = time.perf_counter()
            torch.autograd.grad(
                row(*arguments, **{one.name: torch.ones(8, 1) for one in row.reads}), arguments, upstream
            )
            times.append((time.perf_counter() - started) / upstream.numel() * 1e9)
        found[row.name] = statistics.median(times)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def main() -> None:
    """Print the figures, the most expensive first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each measurement, times ten")
    words = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for name, nanoseconds in primitive_nanoseconds(words.repeats).items():
        print(f"{name:10s} {nanoseconds:6.1f} ns")


if __name__ == "__main__":
    main()
