"""What the untrained network tells: against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from torch.nn.functional import one_hot

from actsearch.evaluators.activation import BUILT_IN, Elementwise
from actsearch.evaluators.looks.readout import RIDGE, WORST, _predicted, readout
from actsearch.evaluators.registry import resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.task import BadTask
from actsearch.grammar.rows.known import read


def test_the_readout_is_scikit_learns_ridge_leaving_one_out() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (60,), generator=generator)
    features = torch.randn(60, 8, generator=generator) + labels[:, None] * torch.linspace(0, 1, 8)
    rows = ((features - features.mean(0)) / (features.std(0) + 1e-6) / math.sqrt(8)).double().numpy()
    target = np.eye(3)[labels.numpy()]
    target = target - target.mean(0)
    predicted = cross_val_predict(Ridge(RIDGE, fit_intercept=False), rows, target, cv=LeaveOneOut())
    expected = 1 - ((target - predicted) ** 2).sum() / (target**2).sum()
    assert expected > 0.1
    assert _predicted(features, one_hot(labels).double()) == pytest.approx(expected, abs=1e-6)


def test_features_that_know_nothing_read_out_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    found = _predicted(
        torch.randn(256, 8, generator=generator), one_hot(torch.randint(0, 10, (256,), generator=generator)).double()
    )
    assert found is not None
    assert -0.1 < found < 0.05


@pytest.mark.parametrize("task", ["mnist1d", "mnist1d_mlp", "mnist1d_transformer", "digits"])
def test_every_task_with_a_network_can_be_looked_at(task: str) -> None:
    settings = TaskSettings(name=task)
    look, again = (readout(BUILT_IN.read("relu(x)"), resolve_network(settings), seed=3) for _ in range(2))
    other = readout(BUILT_IN.read("relu(x)"), resolve_network(settings), seed=4)
    assert look == again != other
    assert look is not None
    assert WORST <= look <= 1


@pytest.mark.parametrize("text", ["exp(exp(square(x)))", "div(beta,add(x,neg(x)))", "mul(x,0)"])
def test_what_cannot_be_computed_still_gives_a_finite_number(text: str) -> None:
    expression = "sub(x,x)" if text == "mul(x,0)" else text
    look = readout(Elementwise(read(expression)), resolve_network(TaskSettings()), seed=0)
    assert look is not None
    assert math.isfinite(look)


def test_the_readout_tells_a_good_function_from_a_hopeless_one() -> None:
    relu, wild = (
        readout(BUILT_IN.read(text), resolve_network(TaskSettings()), seed=0) for text in ("relu(x)", "sin(cube(x))")
    )
    assert relu is not None
    assert wild is not None
    assert relu > wild + 0.05


def test_a_whole_training_of_the_users_has_no_network_to_look_at() -> None:
    settings = TaskSettings(name="own", own=OwnSettings(score="module:function"))
    with pytest.raises(BadTask, match="'module:function' is a whole training, which has no network to look at"):
        resolve_network(settings)
