"""Several children on one GPU against a bare loop that trains one after the other: ResNets on images of CIFAR's size.

Two minutes on a GPU, which it needs. Every row trains the same functions, on images made here, a mean a class and
noise; seconds a child are those of the whole row, scoring included, divided by its children.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import Outcome, Request
from actsearch.evaluators.registry import resolve_network
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.task import in_turns

Precision = Literal["float32", "bfloat16"]
TEXTS = ("relu", "swish", "gelu", "tanh", "elu", "mul(x,sigmoid(x))", "max(x,sin(x))", "gate(atan(x),x)")
EXAMPLES, HELD_OUT = 20_000, 5_000
TASKS = {"cifar10": 300, "cifar10_fast": 60}  # steps of a child


def images() -> DataSet[Split]:
    """Return images ``(n, 3, 32, 32)`` of ten classes."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(10, 3, 32, 32, generator=generator)
    labels = torch.randint(0, 10, (EXAMPLES + HELD_OUT,), generator=generator)
    inputs = means[labels] / 8 + torch.randn(len(labels), 3, 32, 32, generator=generator)
    parts = [Split(inputs[part], labels[part]) for part in (slice(EXAMPLES), slice(EXAMPLES, None))]
    return DataSet(parts[0], parts[1], None, 10)


def task_of(name: str, precision: Precision) -> NetworkTask:
    """Return the task of that name, with images that are made here."""
    task = resolve_network(TaskSettings(name=name, device="cuda", precision=precision, diagnostics=False))
    settings = dataclasses.replace(task.settings, steps=TASKS[name])
    return NetworkTask(settings, dataclasses.replace(task.kind, load=lambda _: images(), files=False))


def bare(task: NetworkTask, text: str) -> float:
    """Train one child as the tutorials of torch do; return its loss on the validation split."""
    settings, train = task.settings, task.data.train
    network = task.kind.network(settings, task.data, BUILT_IN.read(text).make).to("cuda")
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=settings.steps)
    order = torch.randperm(EXAMPLES, device="cuda").repeat(1 + settings.steps * settings.batch // EXAMPLES)
    half = settings.precision == "bfloat16"
    for step in range(settings.steps):
        rows = order[step * settings.batch : (step + 1) * settings.batch]
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            loss = nn.functional.cross_entropy(network(train.inputs[rows]), train.labels[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimiser.step()
        schedule.step()
    network.eval()
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16, enabled=half):
        return float(nn.functional.cross_entropy(network(task.data.validation.inputs), task.data.validation.labels))


def together(task: NetworkTask, texts: Sequence[str]) -> list[Outcome]:
    """Train so many children side by side."""
    requests = [(Request(text, 1, task.settings.steps), BUILT_IN.read(text)) for text in texts]
    with contained(0):
        return in_turns([task.training(request, activation) for request, activation in requests])


def rows_of(name: str, precision: Precision, sizes: Sequence[int]) -> dict[str, float]:
    """Return seconds a child: of the bare loop, and of so many side by side."""
    task = task_of(name, precision)
    bare(task, TEXTS[0])  # the first one waits for what is loaded late
    alone = together(task, TEXTS[:1])[0]
    seconds = {}
    started = time.perf_counter()
    for text in TEXTS[:2]:
        bare(task, text)
    seconds["bare loop"] = (time.perf_counter() - started) / 2
    for size in sizes:
        texts = (TEXTS * size)[:size]
        torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        found = together(task, texts)
        seconds[f"{size} side by side"] = (time.perf_counter() - started) / size
        same = found[0].metrics == alone.metrics
        memory, scores = torch.cuda.max_memory_allocated() / 1e9, [outcome.metrics for outcome in found]
        print(f"{name} {precision} {size}: {memory:.1f} GB; the first scores as it does alone: {same}; {scores[:2]}")
    return seconds


def main() -> None:
    """Measure, and print a table; also as JSON where a file is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="where the numbers go, as JSON")
    path = parser.parse_args().output
    torch.set_num_threads(1)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print("task, precision, how: seconds a child, ms a step, bare loop / this, float32 bare loop / this")
    table: dict[str, dict[str, float]] = {}
    for name, steps in TASKS.items():
        for precision in get_args(Precision):
            sizes = (1, 4, 8, 16) if name == "cifar10" else (1, 4)
            found = table[f"{name} {precision}"] = rows_of(name, precision, sizes)
            first = table[f"{name} float32"]["bare loop"]
            for row, value in found.items():
                print(
                    f"{name:<14}{precision:<10}{row:<18}{value:>10.3f}{1e3 * value / steps:>10.2f}"
                    f"{found['bare loop'] / value:>12.2f}{first / value:>21.2f}",
                    flush=True,
                )
    if path:
        path.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
