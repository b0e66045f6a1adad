"""Exported modules, forward and backward, in turns with torch's own: times as ratios, and the bytes they keep and take.

Five minutes on one core, nothing else running; with --device cuda on a GPU. A ratio is the median over rounds of the
exported module's time by the other's, of one round: under 1 the exported one is faster.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.rows.known import read
from actsearch.search.memory.provenance import processor

NATIVE: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU, "softplus": nn.Softplus, "mish": nn.Mish, "elu": nn.ELU,
    "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "hardswish": nn.Hardswish, "leaky_relu": nn.LeakyReLU,
}  # fmt: skip
ONE_UNIT = (
    "swish", "mul(x,tanh(x))", "max(x,sin(x))", "gate(atan(x),x)", "sub(x,sin(x))", "mul(x,gauss(x))", "max(x,tanh(x))",
    "mul(square(x),sigmoid(x))", "div(x,cosh(x))", "add(abs(x),x)",
)  # fmt: skip
CHANNELS = 64


def exported(text: str) -> Any:
    """Return the module of an exported file."""
    discovery = Discovery(read(text))
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
        file.write(torch_source(discovery))
    spec = spec_from_file_location("exported", file.name)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Activation(channels=CHANNELS) if discovery.parameters else module.Activation()


class Naive(nn.Module):
    """The lines that are trained, as they are, in whatever precision they are given."""

    def __init__(self, text: str) -> None:
        super().__init__()
        function = BUILT_IN.read(text).function
        assert function is not None
        self.function = function
        self.scalars = nn.ParameterList(torch.ones(CHANNELS) for _ in function.parameters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply them."""
        return self.function(x, *(scalar.view(1, -1, 1, 1) for scalar in self.scalars))


def seconds(function: Any, x: torch.Tensor, slope: torch.Tensor) -> float:
    """Return the time of one forward and one backward."""
    x.grad = None
    started = time.perf_counter()
    function(x).backward(slope)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def ratio(one: Any, other: Any, x: torch.Tensor, slope: torch.Tensor, rounds: int) -> float:
    """Return how long one takes by how long the other does, in turns."""
    for function in (one, other) * 2:
        seconds(function, x, slope)
    found = []
    for turn in range(rounds):
        times = {}
        for function in (one, other) if turn % 2 else (other, one):
            times[id(function)] = seconds(function, x, slope)
        found.append(times[id(one)] / times[id(other)])
    return statistics.median(found)


def kept(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> float:
    """Return the bytes that are kept for the backward pass, by those of the input."""
    found: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        function(x)
    return sum(found.values()) / (x.numel() * x.element_size())


def peak(function: Any, x: torch.Tensor, slope: torch.Tensor) -> float:
    """Return the most bytes that were taken at once for one forward and one backward, by those of the input."""
    x.grad = None
    size = x.numel() * x.element_size()
    if x.is_cuda:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        function(x).backward(slope)
        return (torch.cuda.max_memory_allocated() - before) / size
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        function(x).backward(slope)
    events: Any = profile.profiler.kineto_results.events()
    taken = sorted((event.start_ns(), int(event.nbytes())) for event in events if event.name() == "[memory]")
    return max(itertools.accumulate(change for _, change in taken)) / size


def measure(device: str, rounds: int) -> list[str]:
    """Return the lines of the two tables."""
    size = (16, CHANNELS, 32, 32) if device == "cpu" else (128, CHANNELS, 64, 64)
    lines = []
    for dtype in (torch.float32, torch.bfloat16):
        generator = torch.Generator(device).manual_seed(0)
        x, slope = (torch.randn(size, dtype=dtype, device=device, generator=generator) for _ in range(2))
        x.requires_grad_()
        name = str(dtype).removeprefix("torch.")
        for text, make in NATIVE.items():
            ours, theirs = exported(text).to(device, dtype), make().to(device, dtype)
            found = ratio(ours, theirs, x, slope, rounds)
            most = f"{peak(ours, x, slope):.1f}, nn.{type(theirs).__name__} {peak(theirs, x, slope):.1f}"
            lines.append(f"| `{text}` | {name} | {found:.2f} of nn.{type(theirs).__name__} | | | {most} |")
            print(lines[-1], flush=True)
        silu: Any = torch.compile(nn.SiLU())
        for text in ONE_UNIT:
            plain = exported(text).to(device, dtype)
            usual: Any = Naive(text).to(device, dtype)
            compiled: Any = torch.compile(plain)
            naively: Any = torch.compile(usual)
            row = [
                f"{ratio(plain, usual, x, slope, rounds):.2f} of the search's own",
                f"{ratio(compiled, silu, x, slope, rounds):.2f} of nn.SiLU, "
                f"{ratio(compiled, naively, x, slope, rounds):.2f} of the search's own",
                f"{kept(plain, x):.1f}",
                f"{peak(plain, x, slope):.1f} plain, "
                f"{peak(compiled, x, slope):.1f} compiled, {peak(usual, x, slope):.1f} the search's own",
            ]
            lines.append(f"| `{text}` | {name} | {' | '.join(row)} |")
            print(lines[-1], flush=True)
            torch.compiler.reset()
            silu = torch.compile(nn.SiLU())
    return lines


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--out", type=Path, help="where the table goes, such as scripts/benchmarks/results/exported.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = torch.cuda.get_device_name() if options.device == "cuda" else f"{processor()}, one core"
    head = (
        f"| {machine}, torch {torch.__version__} | precision | eager | compiled | kept, by the input's bytes "
        "| most at once |\n|---|---|---|---|---|---|\n"
    )
    print(head, end="")
    lines = measure(options.device, options.rounds)
    if options.out:
        options.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
