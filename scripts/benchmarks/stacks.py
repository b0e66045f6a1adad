"""How many children a stack trains in the time of one bare loop on the same core.

``python -m scripts.benchmarks.stacks`` takes turns between a loop as a person writes it (AdamW, one-cycle, clipping;
one child after the other) and a stack, from the first weights to the scores, in CPU time, three times; the median ratio
is printed. The networks are those of ``scripts.panel.problems``. Not here: whole searches (``throughput``).
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Sequence

import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import Request
from actsearch.evaluators.registry import resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.training import train_population

SEEDS = ("swish",)
FUNCTIONS = ("swish", "relu", "tanh", "gelu", "sin(x)", "softplus", "elu", "x*x-abs(x)")
ROWS = (
    ("picture", SEEDS, 16), ("picture", SEEDS, 32), ("picture", FUNCTIONS, 16), ("digits_plain", SEEDS, 8),
    ("digits_normalised", SEEDS, 8), ("recurrent", SEEDS, 16), ("transformer", SEEDS, 16),
)  # fmt: skip
"""Problem, functions, and how many children a stack has."""


def bare(task: NetworkTask, steps: int) -> float:
    """Return the CPU seconds of one child in a bare loop, without its scores."""
    untrained = task.build(BUILT_IN.read("swish"), 0)
    network, train, settings = untrained.network.train(), task.data.train, task.settings
    assert isinstance(train, Split)
    parameters = [*network.parameters()]
    optimiser = torch.optim.AdamW(parameters, settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    started = time.process_time()
    for _ in range(steps):
        batch = train.take(torch.randint(0, len(train), (settings.batch,), generator=untrained.generator))
        optimiser.zero_grad()
        loss = task.objective.loss(task.objective.output(network, batch), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimiser.step()
        schedule.step()
    return time.process_time() - started


def stacked(task: NetworkTask, functions: Sequence[str], children: int, steps: int) -> float:
    """Return the CPU seconds of a stack of so many children, scores included."""
    texts = [BUILT_IN.read(text).text for text in functions]
    requests = [Request(texts[number % len(texts)], number, steps, patient=True) for number in range(children)]
    started = time.process_time()
    train_population(requests, task)
    return time.process_time() - started


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=400)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("network             children  functions  bare, s  stack, s  children in the time of one")
    for name, functions, children in ROWS:
        own = OwnSettings(build=f"scripts.panel.problems:{name}", replace=("act",) if name == "recurrent" else None)
        settings = TaskSettings(name="own", steps=chosen.steps, batch=32, diagnostics=False, stack=64, own=own)
        task = resolve_network(settings)
        single = dataclasses.replace(task, settings=dataclasses.replace(task.settings, stack=1))
        pairs = [(bare(single, chosen.steps), stacked(task, functions, children, chosen.steps)) for _ in range(3)]
        one, many = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(children * mine / whole for mine, whole in pairs)
        print(f"{name:18s}  {children:8d}  {len(functions):9d}  {one:7.2f}  {many:8.2f}  {ratio:.1f}", flush=True)


if __name__ == "__main__":
    main()
