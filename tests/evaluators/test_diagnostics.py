"""What a child tells of its layers is what closed forms and torch say."""

import math

import pytest
import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.data.examples import Split
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.looks.diagnostics import BINS, gradient_norms, learning_curve, look_at
from actsearch.evaluators.objective import CrossEntropy
from actsearch.evaluators.outcome import Request
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.training import train_population

Z = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
CROSS_ENTROPY = CrossEntropy()
BATCH = Split(Z, torch.zeros(len(Z), dtype=torch.int64))


def _facts(text: str) -> dict[str, list[float]]:
    layer = BUILT_IN.read(text).make(4)
    return look_at(nn.Sequential(layer), [layer], BATCH, CROSS_ENTROPY)


def test_moments_sparsity_and_saturation_of_known_functions_on_a_normal_input() -> None:
    relu, tanh, zero = _facts("relu"), _facts("tanh"), _facts("mul(x,sub(x,x))")
    assert relu["sparsity"][0] == pytest.approx(0.5, abs=0.01)
    assert relu["output_mean"][0] == pytest.approx(1 / math.sqrt(2 * math.pi), abs=0.01)
    assert relu["output_variance"][0] == pytest.approx(0.5 - 1 / (2 * math.pi), abs=0.01)
    assert relu["saturated_share"][0] == pytest.approx(0.5, abs=0.01)
    edge = math.acosh(10)  # where 1 - tanh^2 = 0.01
    assert tanh["saturated_share"][0] == pytest.approx(math.erfc(edge / math.sqrt(2)), abs=0.002)
    assert (relu["dead_share"], tanh["dead_share"], zero["dead_share"]) == ([0.0], [0.0], [1.0])
    assert zero["sparsity"] == [1.0]


def test_a_unit_that_never_fires_is_dead_and_its_neighbours_are_not() -> None:
    layer = BUILT_IN.read("relu").make(4)
    shifted = Split(Z - torch.tensor([100.0, 0, 0, 0]), BATCH.labels)
    assert look_at(nn.Sequential(layer), [layer], shifted, CROSS_ENTROPY)["dead_share"] == [0.25]


def test_the_histogram_holds_everything_and_follows_the_normal_density() -> None:
    histogram = _facts("relu")["histogram"]
    assert len(histogram) == BINS
    assert sum(histogram) == pytest.approx(1, abs=1e-3)
    normal = torch.distributions.Normal(0.0, 1.0)
    expected = float(normal.cdf(torch.tensor(0.5)) - normal.cdf(torch.tensor(0.0)))  # type: ignore[no-untyped-call]
    assert histogram[BINS // 2] == pytest.approx(expected, abs=0.005)


def test_not_finite_outputs_and_learned_betas_are_told() -> None:
    assert _facts("exp(exp(square(x)))")["not_finite_share"][0] > 0
    layer = BUILT_IN.read("swish").make(4)
    assert isinstance(layer, ActivationLayer)
    (beta,) = layer.scalars.values()
    with torch.no_grad():
        beta.copy_(torch.tensor([0.0, 0.5, 1.0, 1.5]))
    assert look_at(nn.Sequential(layer), [layer], BATCH, CROSS_ENTROPY)["betas"] == [0.0, 0.75, 1.5]


def test_gradient_norms_are_those_of_autograd_and_looking_leaves_no_trace() -> None:
    with torch.random.fork_rng():
        network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3))
        before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
        found = gradient_norms(network, BATCH, CROSS_ENTROPY)
        assert torch.equal(state, torch.get_rng_state())
        loss = nn.functional.cross_entropy(network(Z), BATCH.labels)
        expected = [float(g.norm()) for g in torch.autograd.grad(loss, [p for p in network.parameters() if p.ndim > 1])]
    assert found == pytest.approx(expected, rel=1e-3)
    network.load_state_dict(before)
    gradient_norms(network, BATCH, CROSS_ENTROPY)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_the_learning_curve_is_the_mean_of_spans() -> None:
    assert learning_curve([1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]
    curve = learning_curve([float(i) for i in range(100)])
    assert curve[0] == 2.0
    assert curve[-1] == 97.0
    assert len(curve) == 20


@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_a_trained_child_tells_all_of_it_by_layer(kernel: str) -> None:
    task = TaskSettings(batch=32, kernel=kernel)  # type: ignore[arg-type]
    facts = train_population([Request("swish", 1, 30)], resolve(task))[0].diagnostics
    assert {name: len(values) for name, values in facts.items()} == {
        "learning_curve": 20, "gradient_norm_start": 10, "gradient_norm_end": 10, "dead_share": 7, "saturated_share": 7,
        "sparsity": 7, "output_mean": 7, "output_variance": 7, "largest_output": 7, "not_finite_share": 7,
        "histogram": 7 * BINS, "betas": 21,
    }  # fmt: skip
    assert facts["learning_curve"][-1] < facts["learning_curve"][0]
    assert any(beta != 1.0 for beta in facts["betas"])
