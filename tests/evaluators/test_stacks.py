"""Children trained as a stack: as they are one by one, and to the last bit alike whoever stands beside them."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.network_task import NetworkTask
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.registry import resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.stacks.segments import Segments
from actsearch.evaluators.stacks.trial import decided_size
from actsearch.evaluators.training import train_population
from actsearch.search.command_line import main
from actsearch.search.memory.store import Store
from tests.evaluators.stackable import REFUSED, STACKABLE
from tests.grammar.computing import at

STEPS = 12
Build = Callable[[object], Any]


@functools.cache
def _task(build: Build, stack: int | None = None, batch: int = 16) -> NetworkTask:
    own = OwnSettings(
        build=f"tests.evaluators.stackable:{build.__name__}",
        replace=("torch.nn.Tanh",) if build.__name__ in {"recurrent", "physics"} else None,
    )
    return resolve_network(TaskSettings(name="own", steps=STEPS, batch=batch, stack=stack, own=own))


def _trained(build: Build, children: Sequence[tuple[str, int]], stack: int | None, batch: int = 16) -> list[Outcome]:
    requests = [Request(BUILT_IN.read(text).text, seed, STEPS, test=True) for text, seed in children]
    return train_population(requests, _task(build, stack, batch))


def _numbers(outcome: Outcome) -> tuple[object, ...]:
    return outcome.status, outcome.score, outcome.reason, tuple(outcome.metrics.items()), repr(outcome.diagnostics)


@pytest.mark.parametrize("build", STACKABLE, ids=lambda build: build.__name__)
def test_a_stack_of_a_users_network_trains_as_its_children_do_one_by_one(build: Build) -> None:
    size, reason = decided_size(_task(build))
    assert (size > 1, reason) == (True, "")
    children = [("swish", 1), ("sin(x)", 2), ("swish", 3), ("mix(relu(x),tanh(x))", 4)]
    alone, together = _trained(build, children, 1), _trained(build, children, 8)
    assert {one.trained_by for one in alone} == {"torch"}
    assert {one.trained_by for one in together} == {"stack"}
    if "dropout" not in build.__name__:  # which draws otherwise
        for one, other in zip(alone, together, strict=True):
            assert other.metrics == pytest.approx(one.metrics, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("build", STACKABLE, ids=lambda build: build.__name__)
@pytest.mark.parametrize("batch", [16, 9])
def test_a_childs_numbers_do_not_depend_on_who_stands_beside_it(build: Build, batch: int) -> None:
    if decided_size(_task(build, None, batch))[0] == 1:
        pytest.skip("of so few examples the last bits depend on the place, and the task is not stacked")
    mine, diverging = ("swish", 7), ("exp(x*x*x*x)", 3)
    others = [("swish", 1), ("tanh", 2), ("sin(x)", 3), ("gelu", 4), ("tanh", 5)]
    (alone,) = _trained(build, [mine], 16, batch)
    for children in ([*others[:2], mine], [mine, *others], [*others, diverging, mine], [mine] * 15, [diverging, mine]):
        found = _trained(build, children, 16, batch)[children.index(mine)]
        assert _numbers(found) == _numbers(alone)


@pytest.mark.parametrize("text", ["elu", "gelu", "mish"])
def test_convolutions_are_alike_however_many_children_share_a_function(text: str) -> None:
    build = next(build for build in STACKABLE if build.__name__ == "convolutions")
    (alone,) = _trained(build, [(text, 33)], 8)
    beside = _trained(build, [(text, 33), (text, 5), ("tanh", 3)], 8)
    assert _numbers(beside[0]) == _numbers(alone)


def test_what_cannot_be_stacked_is_not_stacked_though_the_settings_ask_for_it() -> None:
    own = OwnSettings(build="tests.evaluators.stackable:perceptron", accumulate=4)
    task = resolve_network(TaskSettings(name="own", steps=STEPS, batch=16, stack=8, own=own))
    size, reason = decided_size(task)
    assert size == 1
    assert "accumulates" in reason


def test_a_child_that_leaves_the_finite_numbers_is_told_and_its_neighbours_are_not_touched() -> None:
    first, *rest = _trained(STACKABLE[0], [("exp(exp(exp(x*x)))", 0), ("relu", 1), ("relu", 2)], 8)
    assert first.status is Status.DIVERGED
    assert {one.status for one in rest} == {Status.SCORED}


def test_each_child_has_its_own_dropout() -> None:
    build = next(build for build in STACKABLE if build.__name__ == "dropout")
    one, same, other = _trained(build, [("relu", 1), ("relu", 1), ("relu", 2)], 8)
    assert one.metrics == same.metrics != other.metrics
    assert len({_trained(build, [("relu", seed)], 8)[0].metrics["train_loss"] for seed in range(3)}) == 3


@pytest.mark.parametrize("build", REFUSED, ids=lambda build: build.__name__)
def test_what_cannot_be_trained_as_one_is_trained_one_by_one_and_why_is_said(build: Build) -> None:
    size, reason = decided_size(_task(build))
    assert size == 1
    assert REFUSED[build] in reason


@pytest.mark.parametrize("shape", [(5, 3), (16, 12), (7, 4, 3)])
def test_the_functions_of_a_layer_are_each_applied_to_their_own_children(shape: tuple[int, ...]) -> None:
    read = [BUILT_IN.read(text).function for text in ("swish", "sin(x)", "mix(relu(x),tanh(x))")]
    functions = [one for one in read if one is not None]
    draw = torch.Generator().manual_seed(0)
    x, beta = torch.randn(6, *shape, generator=draw), torch.rand(6, shape[-1], generator=draw)
    segments = Segments(list(zip(functions, (1, 3, 2), strict=True)))
    found = torch.func.vmap(segments)(x, beta)
    wanted = [functions[child] for child in (0, 1, 1, 1, 2, 2)]
    for child, function in enumerate(wanted):
        assert torch.allclose(found[child], at(function, x[child], beta[child]), atol=1e-6)


def test_a_run_decides_once_and_its_trainings_say_how_they_were_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["recommend", "tests.evaluators.stackable:perceptron", "--steps", "16", "--set", "task.batch=16", "--set",
               "budget.trainings=24", "--set", "pool.kind=serial", "--run", str(tmp_path / "run")]  # fmt: skip
    main(command)
    assert "16 children at a time are trained as one" in capsys.readouterr().out
    with Store(tmp_path / "run") as store:
        first = {key: record.outcome.score for key, record in store.outcomes().items()}
        assert {r.outcome.trained_by for r in store.outcomes().values() if r.outcome.score is not None} == {"stack"}
        assert [value for key, value in store.facts().items() if key.startswith("stack of")] == ["16"]
    main([*command[:-1], str(tmp_path / "again"), "--set", "pool.kind=serial"])
    with Store(tmp_path / "again") as store:
        assert {key: record.outcome.score for key, record in store.outcomes().items()} == first


def test_the_plan_says_why_children_are_trained_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["--set", "task.batch=16", "--set", "budget.trainings=24", "--set", "pool.kind=serial", "--steps", "16"]
    monkeypatch.setattr("actsearch.search.speed.TRIED", (1, 2))
    main(["recommend", "tests.evaluators.stackable:fused", "--dry-run", "--run", str(tmp_path / "run"), *changes])
    out = capsys.readouterr().out
    assert "children are trained one by one: it does not run for several children at once" in out
    assert "nothing was trained" in out
    assert not (tmp_path / "run").exists()
