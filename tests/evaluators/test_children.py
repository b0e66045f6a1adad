"""A child's score depends on its seed and its expression alone; and what becomes of one that cannot be scored."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.data import mnist1d
from actsearch.evaluators.outcome import Request, Status, child_seed
from actsearch.evaluators.registry import TASKS, resolve, resolve_network
from actsearch.evaluators.schedule import SGD_MOMENTUM, optimiser_of
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.torch_child import TorchChild
from actsearch.evaluators.training import train_population

NAMES = ("relu", "swish", "cos_minus_x", "x_asinh_square", "tanh", "i0e(x)", "rrelu", "maxout")
HERE = [name for name in TASKS if name not in {"own", "fashion_mnist", "cifar10", "cifar10_fast", "cifar100"}]


def test_a_score_does_not_depend_on_the_neighbours(tiny_task: TaskSettings) -> None:
    requests = [Request(name, child_seed(1, name, 0), steps=4, test=True) for name in NAMES]
    together = train_population(requests, resolve(tiny_task))
    for division in ([1, 7], [2, 3, 3], [1] * 8):
        rest, apart = list(requests), []
        for size in division:
            apart += train_population(rest[:size], resolve(tiny_task))
            rest = rest[size:]
        assert [o.score for o in apart] == [o.score for o in together]
        assert [o.metrics for o in apart] == [o.metrics for o in together]
        assert [o.diagnostics for o in apart] == [o.diagnostics for o in together]


@pytest.mark.parametrize("name", HERE)
def test_the_same_seed_gives_the_same_score_and_another_seed_another(name: str) -> None:
    task = TaskSettings(name=name, batch=8, examples=64)
    first, again, other = (train_population([Request("silu", s, steps=3)], resolve(task))[0].score for s in (1, 1, 2))
    assert first is not None
    assert first == again
    assert first != other


@pytest.mark.parametrize("kernel", ["auto", "torch"])
@pytest.mark.parametrize("text", ["swish", "rrelu"])
def test_looking_at_the_layers_does_not_change_the_score(kernel: str, text: str) -> None:
    tasks = [TaskSettings(batch=32, kernel=kernel, diagnostics=looked) for looked in (True, False)]  # type: ignore[arg-type]
    found = [train_population([Request(text, 4, 6)], resolve(task))[0].score for task in tasks]
    assert found[0] == found[1]


@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_a_diverging_child_is_a_result_and_harms_nobody(kernel: str) -> None:
    task = TaskSettings(batch=32, kernel=kernel)  # type: ignore[arg-type]
    requests = [Request(text, 3, steps=4) for text in ("relu", "exp(exp(exp(square(x))))", "silu")]
    outcomes = train_population(requests, resolve(task))
    assert [o.status for o in outcomes] == [Status.SCORED, Status.DIVERGED, Status.SCORED]
    assert "the training loss is not finite at step 1" in outcomes[1].reason
    assert outcomes[2].metrics == train_population(requests[2:], resolve(task))[0].metrics


@given(st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.sampled_from(["adamw", "sgd"]))
def test_betas_are_pulled_by_their_own_decay_and_all_else_by_the_other(decay: float, of_beta: float, name: str) -> None:
    task = TaskSettings(weight_decay=decay, beta_decay=of_beta, optimiser=name)  # type: ignore[arg-type]
    weight, beta = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    for parameter in (weight, beta):
        parameter.grad = torch.zeros(3)
    optimiser = optimiser_of([weight, beta], settings := resolve(task).settings, [beta])
    optimiser.step()
    gain = 1.0 + SGD_MOMENTUM * (name == "sgd")  # Nesterov's first step
    for parameter, share in ((weight, decay), (beta, of_beta)):
        expected = torch.full((3,), 1.0 - settings.learning_rate * share * gain)
        torch.testing.assert_close(parameter.detach(), expected)


def test_the_decay_of_betas_is_felt_by_candidates_that_have_some(tiny_task: TaskSettings) -> None:
    requests = [Request(text, 3, 20) for text in ("swish", "relu")]
    usual = dataclasses.replace(tiny_task, kernel="torch")
    tasks = resolve(dataclasses.replace(usual, beta_decay=30.0)), resolve(usual)
    (swish, relu), (plain, same) = (train_population(requests, task) for task in tasks)
    assert swish.score != plain.score
    assert relu.metrics == same.metrics


@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_a_hopeless_child_is_stopped_with_its_reason_and_a_hopeful_one_ends_as_if_never_looked_at(kernel: str) -> None:
    plain = TaskSettings(batch=32, kernel=kernel)  # type: ignore[arg-type]
    strict = TaskSettings(batch=32, kernel=kernel, stop_after=0.5, stop_above=0.01)  # type: ignore[arg-type]
    mild = TaskSettings(batch=32, kernel=kernel, stop_after=0.5, stop_above=50.0)  # type: ignore[arg-type]
    (reference,), (stopped,), (spared,) = (
        train_population([Request("relu", 3, 40)], resolve(t)) for t in (plain, strict, mild)
    )
    assert stopped.status is Status.STOPPED
    assert stopped.reason.startswith("stopped after 20 steps: training loss ")
    assert spared.metrics == reference.metrics
    (patient,) = train_population([Request("relu", 3, 40, patient=True)], resolve(strict))
    assert patient.metrics == reference.metrics


def test_the_test_split_is_touched_for_finalists_only(tiny_task: TaskSettings) -> None:
    candidate, finalist = train_population(
        [Request("relu", 3, 2), Request("relu", 3, 2, test=True)], resolve(tiny_task)
    )
    assert not any(name.startswith("test") for name in candidate.metrics)
    assert {"test_loss", "test_accuracy"} <= finalist.metrics.keys()
    assert candidate.score == finalist.score


@pytest.mark.slow
def test_relu_learns_mnist1d_in_the_steps_of_the_task() -> None:
    steps = TASKS["mnist1d"].steps
    (outcome,) = train_population([Request("relu", child_seed(0, "relu", 0), steps)], resolve(TaskSettings()))
    assert outcome.metrics["validation_accuracy"] > 0.9
    assert outcome.score is not None
    assert outcome.score < 0.3 < (resolve_network(TaskSettings()).chance or 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "accuracy"),
    [("digits", 60, 0.9), ("mnist1d_mlp", 300, 0.5), ("mnist1d_transformer", 300, 0.4), ("text", 60, 0.2)],
)
def test_every_task_on_this_machine_learns(name: str, steps: int, accuracy: float) -> None:
    (outcome,) = train_population([Request("gelu", 1, steps)], resolve(TaskSettings(name=name)))
    assert outcome.metrics["validation_accuracy"] > accuracy


def test_the_three_splits_are_apart() -> None:
    data = mnist1d.load()
    assert [len(s.labels) for s in data.splits.values()] == [4000, 1000, 1000]
    rows = torch.cat([split.inputs for split in data.splits.values()])
    assert len(torch.unique(rows, dim=0)) == 6000
    assert data.classes == 10


class _Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts how often a number is fetched from a tensor: on a GPU, each waits for all that was computed before."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_a_step_on_a_gpu_waits_for_nothing() -> None:
    task = resolve_network(TaskSettings(kernel="torch", steps=60))
    losses = []
    for look_every in (1, 20):  # as on a CPU, and as on a GPU
        with torch.random.fork_rng(devices=[]):
            child = task.child(task.build(BUILT_IN.read("swish"), 0), BUILT_IN.read("swish"), 60)
        assert isinstance(child, TorchChild)
        child.look_every = look_every
        child.advance(1)
        with _Waits() as waits:
            child.advance(60)
        assert waits.count == (59 if look_every == 1 else 0)  # several numbers are fetched at once, by tolist
        losses.append(child.losses)
    assert losses[0] == losses[1]


def test_a_child_that_is_looked_at_seldom_diverges_at_the_same_step() -> None:
    task = resolve_network(TaskSettings(kernel="torch", steps=30, learning_rate=1e6, clip=1e9))
    lengths = []
    for look_every in (1, 7):
        with torch.random.fork_rng(devices=[]):
            child = task.child(task.build(BUILT_IN.read("square(x)"), 0), BUILT_IN.read("square(x)"), 30)
        assert isinstance(child, TorchChild)
        child.look_every = look_every
        child.advance(30)
        lengths.append(len(child.losses))
        assert not math.isfinite(child.losses[-1])
    assert lengths[0] == lengths[1] < 30
