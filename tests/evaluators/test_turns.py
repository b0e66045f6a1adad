"""Several children in turns come to what each comes to alone, and a recorded step to what is computed anew."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actsearch.evaluators.data.examples import Split, mapped
from actsearch.evaluators.graphs import WARM_UP, Recorded
from actsearch.evaluators.kind import SIDE_BY_SIDE
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.pools.pool import PoolSettings, SerialPool
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.task import Training, in_turns
from actsearch.evaluators.training import train_population

TEXTS = ("relu", "exp(exp(exp(square(x))))", "swish", "rrelu", "sin(x)")


@pytest.mark.parametrize("name", ["mnist1d", "mnist1d_mlp"])
def test_children_in_turns_come_to_what_each_comes_to_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = resolve(TaskSettings(name=name, kernel="torch", batch=16, examples=64))
    requests = [Request(text, 5, steps) for text, steps in zip(TEXTS, (4, 6, 3, 5, 4), strict=True)]
    alone = train_population(requests, task)
    monkeypatch.setattr(NetworkTask, "side_by_side", 3)
    turns = train_population(requests, task)
    assert [o.metrics for o in turns] == [o.metrics for o in alone]
    assert [o.diagnostics for o in turns] == [o.diagnostics for o in alone]
    assert [o.status for o in turns] == [o.status for o in alone]
    assert Status.DIVERGED in {o.status for o in turns}


def test_who_takes_turns_is_told_to_have_taken_a_share_of_the_time() -> None:
    turns: list[str] = []

    def training(name: str, steps: int) -> Training:
        for _ in range(steps):
            turns.append(name)
            yield
        return Outcome(Status.SCORED, 1.0, seconds=float(steps))

    outcomes = in_turns([training("a", 2), training("b", 4)])
    assert "".join(turns) == "ababbb"
    assert [outcome.seconds for outcome in outcomes] == [1.0, 2.0]


def test_the_serial_pool_tells_each_child_of_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkTask, "side_by_side", 2)
    requests = [Request(text, 5, 3) for text in TEXTS]
    with SerialPool(resolve(TaskSettings(kernel="torch", batch=16, examples=64)), PoolSettings(kind="serial")) as pool:
        assert sorted(index for index, _ in pool.evaluate(requests)) == [0, 1, 2, 3, 4]


def test_only_networks_of_this_engine_on_a_gpu_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(TaskSettings()).side_by_side == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve(TaskSettings(name="cifar10")).side_by_side == SIDE_BY_SIDE
    assert resolve(TaskSettings(name="cifar10_fast")).side_by_side == 1  # it fills a GPU
    assert resolve(TaskSettings(name="own", device="cuda", own=OwnSettings(build="f.py:build"))).side_by_side == 1


class _Graph:
    """A recording as CUDA makes it, but computed: replaying writes into what was there when it was recorded."""

    recorder: Recorded
    given: list[Split]
    """What was computed, the recording's own batch among it."""

    def replay(self) -> None:
        """Compute from what the kept tensors hold now."""
        for parameter in self.recorder.parameters:
            parameter.grad = None
        self.recorder.loss.copy_(self.recorder.compute(self.given[WARM_UP]))


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> list[_Graph]:
    made: list[_Graph] = []

    class Made(_Graph):
        def __init__(self) -> None:
            made.append(self)

    @contextlib.contextmanager
    def graph(_: Any, stream: Any) -> Iterator[None]:
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Made)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    return made


def _batches() -> list[Split]:
    generator = torch.Generator().manual_seed(0)
    return [
        Split(torch.randn(4, 3, generator=generator), torch.randn(4, 1, generator=generator))
        for _ in range(WARM_UP + 4)
    ]


def test_a_recorded_step_gives_the_loss_and_the_gradients_of_its_own_batch(
    recording: list[_Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng(devices=[]):
        layer = nn.Linear(3, 1)
    given: list[Split] = []

    def compute(batch: Split) -> Tensor:
        given.append(batch)
        loss = (layer(batch.inputs) - batch.labels).square().mean()
        loss.backward()
        return torch.as_tensor(loss.detach())

    recorded, losses = Recorded(compute, list(layer.parameters())), []
    monkeypatch.setattr(_Graph, "recorder", recorded, raising=False)
    monkeypatch.setattr(_Graph, "given", given, raising=False)
    for batch in _batches():
        copies = mapped(torch.clone, batch.inputs)
        loss = recorded(batch)
        losses.append(loss)
        assert torch.equal(batch.inputs, copies)
        if recorded.graph is not None:
            wanted = (layer(batch.inputs) - batch.labels).square().mean()
            assert torch.equal(loss, wanted.detach())
            assert torch.equal(layer.weight.grad, torch.autograd.grad(wanted, layer.weight)[0])  # type: ignore[arg-type]
    assert len(recording) == 1
    assert len({float(loss) for loss in losses[WARM_UP:]}) == 4  # what was returned is not written over


def test_a_step_that_cannot_be_recorded_is_computed_as_it_stands(recording: list[_Graph]) -> None:
    with torch.random.fork_rng(devices=[]):
        layer = nn.Linear(3, 1)
    calls = 0

    def compute(batch: Split) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == WARM_UP + 1:
            raise RuntimeError("operation not permitted when stream is capturing")
        loss = (layer(batch.inputs) - batch.labels).square().mean()
        loss.backward()
        return torch.as_tensor(loss.detach())

    recorded = Recorded(compute, list(layer.parameters()))
    for batch in _batches():
        loss = recorded(batch)
        wanted = (layer(batch.inputs) - batch.labels).square().mean()
        assert torch.equal(loss, wanted.detach())
        assert torch.equal(layer.weight.grad, torch.autograd.grad(wanted, layer.weight)[0])  # type: ignore[arg-type]
    assert recorded.graph is None
    assert len(recording) == 1  # tried once
