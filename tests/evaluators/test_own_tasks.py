"""The user's own network and data, or own training: few lines, and a clear word about whatever is wrong with them."""

import dataclasses
from pathlib import Path

import pytest
import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.pools.pool import PoolSettings, SerialPool
from actsearch.evaluators.registry import resolve, resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.task import BadTask
from actsearch.evaluators.training import train_population
from actsearch.search.command_line import main
from tests.test_tiny import TINY

GOOD = """
import functools
import torch
from torch import nn

@functools.cache
def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, 8, generator=generator)
    y = (x.sum((1, 2)) > 0).long()
    return {"train": (x[:200], y[:200]), "validation": (x[200:250], y[200:250]), "test": (x[250:], y[250:])}

def build(settings):
    model = nn.Sequential(nn.Conv1d(3, 6, 3), nn.ReLU(), nn.Conv1d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    return model, data()

def score(make_activation, seed, budget):
    layer = make_activation(4)
    x = torch.linspace(-1, 1, 12).view(3, 4)
    return float(layer(x).square().mean()) + seed + budget
"""


def _task(tmp_path: Path, source: str = GOOD, **own: object) -> TaskSettings:
    path = tmp_path / f"mine{abs(hash(source)) % 10**8}.py"
    path.write_text(source)
    keys = {key: f"{path}:{value}" if key in {"build", "score"} else value for key, value in own.items()}
    return TaskSettings(name="own", batch=20, own=OwnSettings(**keys))  # type: ignore[arg-type]


def _train(task: TaskSettings, text: str = "swish", steps: int = 40) -> Outcome:
    return train_population([Request(text, 1, steps, test=True)], resolve(task))[0]


def test_a_network_of_ones_own_is_trained_with_the_candidate_in_place_of_its_rectifiers(tmp_path: Path) -> None:
    task = _task(tmp_path, build="build")
    resolve(task).prepare()
    assert _train(task, steps=200).metrics["test_accuracy"] > 0.8  # with ten seeds of ten; after 40 steps with two
    outcome = _train(task)
    assert len(outcome.diagnostics["dead_share"]) == 2  # both places
    assert len(outcome.diagnostics["betas"]) == 6  # least, mean and most of each
    assert _train(task).metrics == outcome.metrics
    assert _train(task, "tanh").metrics != outcome.metrics
    labels = {name: split.labels for name, split in resolve_network(task).data.splits.items()}
    shares = (labels["train"].bincount() + 1) / (len(labels["train"]) + 2)  # how frequent each class is (Laplace)
    assert resolve(task).chance == pytest.approx(float(-shares.log()[labels["validation"]].mean()), abs=1e-5)


@pytest.mark.parametrize(
    ("replace", "places"), [(("1",), 1), (("ReLU",), 2), (("torch.nn.modules.activation.ReLU",), 2)]
)
def test_layers_are_named_by_place_or_by_type(tmp_path: Path, replace: tuple[str, ...], places: int) -> None:
    outcome = _train(_task(tmp_path, build="build", replace=replace), steps=2)
    assert len(outcome.diagnostics["sparsity"]) == places


def test_a_training_of_ones_own_gives_the_score(tmp_path: Path) -> None:
    task = _task(tmp_path, score="score", chance=3.0)
    resolve(task).prepare()
    outcome = _train(task, "relu", steps=7)
    x = torch.linspace(-1, 1, 12)
    assert outcome.score == pytest.approx(float(torch.relu(x).square().mean()) + 8, rel=1e-6)
    assert resolve(task).chance == 3.0


def test_settings_that_mean_nothing_to_a_training_of_ones_own_are_said(tmp_path: Path) -> None:
    task = _task(tmp_path, score="score", loss="mse")
    changed = dataclasses.replace(task, beta_decay=0.0, clip=2.0)
    assert resolve(changed).prepare() == [
        "task.beta_decay, task.clip, task.own.loss: does nothing where the training is your own"
    ]
    assert resolve(_task(tmp_path, score="score", chance=2.0)).prepare() == []


@pytest.mark.parametrize(
    ("source", "keys", "complaint"),
    [
        (GOOD, {"build": "bild"}, "has no function 'bild'"),
        ("import nothing_there", {"build": "build"}, "cannot be imported: ModuleNotFoundError"),
        ("def build(settings): raise KeyError('boom')", {"build": "build"}, "build' raised KeyError: 'boom'"),
        ("def build(settings): return 3", {"build": "build"}, r"or \(model, data, loss\), found int"),
        (GOOD.replace("model, data()", "model, {'train': 3}"), {"build": "build"}, "lacks 'validation', found train"),
        (GOOD.replace("(x[:200], y[:200])", "x"), {"build": "build"}, "cannot be told from no labels"),
        (GOOD.replace("y[250:])}", "y[250:] - 1)}"), {"build": "build"}, "test split must be 0 to 1, found -1"),
        (GOOD, {"build": "build", "replace": ("torch.nn.GELU",)}, "has no layer torch.nn.GELU to replace .*ReLU"),
        (GOOD.replace("nn.Linear(16, 2)", "nn.Linear(17, 2)"), {"build": "build"}, "does not run on its own data"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_ones_own_task_is_said_before_anything_is_trained(
    tmp_path: Path, source: str, keys: dict[str, object], complaint: str
) -> None:
    with pytest.raises((BadOwnTask, BadTask), match=complaint):
        resolve(_task(tmp_path, source, **keys)).prepare()


def test_a_layer_that_stands_in_two_places_is_replaced_in_both_whatever_their_widths(tmp_path: Path) -> None:
    shared = GOOD.replace("nn.Conv1d(6, 4, 3), nn.ReLU()", "nn.Conv1d(6, 6, 3), act").replace(
        "nn.Linear(16", "nn.Linear(24"
    )
    shared = shared.replace("6, 3), nn.ReLU()", "6, 3), act").replace("    model =", "    act = nn.ReLU()\n    model =")
    task = _task(tmp_path, shared, build="build")
    resolve(task).prepare()
    assert len(_train(task, steps=2).diagnostics["sparsity"]) == 2
    uneven = shared.replace("nn.Conv1d(6, 6, 3)", "nn.Conv1d(6, 4, 3)").replace("nn.Linear(24", "nn.Linear(16")
    task = _task(tmp_path, uneven, build="build")
    resolve(task).prepare()
    with torch.random.fork_rng(devices=[]):
        layers = resolve_network(task).build(BUILT_IN.read("swish"), 0).layers
    betas = [sum(part.numel() for part in layer.parameters()) for layer in layers]
    assert betas == [6, 4]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            GOOD.replace(".long()", ".float()"),
            "cannot be told from labels of torch.float32: classes must be whole numbers",
        ),
        (GOOD.replace("> 0).long()", "> 1e9).long()"), "labels must be of at least 2 classes, found 1"),
        (GOOD.replace("(x[:200], y[:200])", "(x[:200], y[:199])"), "as many labels as inputs"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, source: str, complaint: str) -> None:
    with pytest.raises(BadOwnTask, match=complaint):
        resolve(_task(tmp_path, source, build="build")).prepare()


def test_a_network_with_frozen_weights_is_looked_at_without_them(tmp_path: Path) -> None:
    frozen = GOOD.replace(
        "    return model, data()", "    model[0].weight.requires_grad_(False)\n    return model, data()"
    )
    outcome = _train(_task(tmp_path, frozen, build="build"), steps=2)
    assert outcome.status is Status.SCORED
    assert len(outcome.diagnostics["gradient_norm_end"]) == 2


def test_a_file_may_use_dataclasses_and_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_mine.py").write_text("LOSS = 0.25\n")
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom beside_mine import LOSS\n"
        "@dataclass\nclass Kept:\n    loss: float\n"
        "def score(make, seed, budget):\n    return Kept(LOSS).loss\n"
    )
    assert _train(_task(tmp_path, source, score="score")).score == 0.25


def test_a_training_of_ones_own_goes_through_a_whole_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scored.py"
    path.write_text("def score(make, seed, budget):\n    return 0.5 + (seed % 100) / 1000\n")
    words = ["--set=task.name=own", f"--set=task.own.score={path}:score", *(w for w in TINY if "batch=32" not in w)]
    main(["search", "configs/quickstart.yaml", "--run", str(tmp_path / "run"), *words])
    main(["top", str(tmp_path / "run")])
    main(["show", str(tmp_path / "run"), "1"])
    main(["evaluate", "gelu", "--pool", "serial", *words[:2]])
    assert "gelu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"build": "no_colon"}, "expected module:function or file.py:function, found 'no_colon'"),
        ({"build": "a:b", "score": "a:b"}, "exclude each other"),
    ],
)
def test_settings_of_ones_own_task_are_checked(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        OwnSettings(**settings)  # type: ignore[arg-type]


def test_a_task_of_ones_own_without_a_function_and_one_without_its_file_are_refused() -> None:
    with pytest.raises(BadTask, match=r"name it, task.own.build"):
        resolve(TaskSettings(name="own")).prepare()
    with pytest.raises(BadOwnTask, match=r"there is no file 'none.py'"):
        resolve(TaskSettings(name="own", own=OwnSettings(build="none.py:build"))).prepare()


@pytest.mark.parametrize(
    ("returned", "status", "reason"),
    [
        ("float('nan')", Status.DIVERGED, "returned nan"),
        ("1 / 0", Status.CRASHED, "ZeroDivisionError: division by zero"),
        ("'good'", Status.CRASHED, "must return a number, found str"),
    ],
)
def test_a_training_of_ones_own_that_fails_is_an_outcome_and_the_others_go_on(
    tmp_path: Path, returned: str, status: Status, reason: str
) -> None:
    source = f"def score(make, seed, budget):\n    return {returned} if seed == 2 else 1.5\n"
    task = _task(tmp_path, source, score="score")
    requests = [Request("relu", seed, 1) for seed in (1, 2, 3)]
    with SerialPool(resolve(task), PoolSettings(kind="serial")) as pool:
        found = dict(pool.evaluate(requests))
    assert [found[i].status for i in range(3)] == [Status.SCORED, status, Status.SCORED]
    assert reason in found[1].reason
