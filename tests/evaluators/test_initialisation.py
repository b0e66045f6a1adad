"""Weights start with the variance that each scheme's paper asks for; matched keeps a function's second moment."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from actsearch.evaluators.initialisation import Scheme, deviation, initialise, matched_gain
from actsearch.grammar.function import Compute, function_of
from actsearch.grammar.rows.known import read


def _function(name: str) -> Compute:
    return function_of(read(name)).at_start


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", math.sqrt(2)),  # He et al. 2015: E[relu(z)^2] = 1/2
        ("linear", 1.0),
        ("abs", 1.0),
        ("square(x)", 1 / math.sqrt(3)),  # the fourth moment
        ("cube(x)", 1 / math.sqrt(15)),  # the sixth
        ("leaky_relu_02", math.sqrt(2 / (1 + 0.2**2))),  # He et al. 2015, equation 15
        ("selu", 1.0),  # Klambauer et al. 2017: the fixed point has variance 1
    ],
)
def test_the_matched_gain_equals_the_closed_form(name: str, expected: float) -> None:
    assert matched_gain(_function(name)) == pytest.approx(expected, rel=1e-6 if name != "selu" else 1e-3)


def test_a_function_without_a_second_moment_has_a_bounded_gain() -> None:
    assert matched_gain(_function("mul(x,sub(x,x))")) == 10.0
    assert matched_gain(_function("exp(exp(exp(square(x))))")) == 0.1


@given(outputs=st.integers(1, 64), inputs=st.integers(1, 64), kernel=st.integers(1, 5))
def test_deviations_equal_torchs_own_initialisers(outputs: int, inputs: int, kernel: int) -> None:
    weight = torch.empty(outputs, inputs, kernel)
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(weight)
    assert deviation(weight, "he", 1.0) == pytest.approx(torch.nn.init.calculate_gain("relu") / math.sqrt(fan_in))
    assert deviation(weight, "glorot", 1.0) == pytest.approx(math.sqrt(2 / (fan_in + fan_out)))
    assert deviation(weight, "lecun", 1.0) == pytest.approx(1 / math.sqrt(fan_in))
    assert deviation(weight, "matched", 1.7) == pytest.approx(1.7 / math.sqrt(fan_in))


@pytest.mark.parametrize("scheme", ["he", "glorot", "lecun", "matched"])
def test_a_network_starts_with_those_deviations_and_its_last_layer_with_gain_one(scheme: Scheme) -> None:
    with torch.random.fork_rng():
        network = nn.Sequential(nn.Linear(400, 300), nn.Conv1d(200, 250, 3), nn.Linear(500, 200))
    initialise(network, scheme, _function("relu"), torch.Generator().manual_seed(0))
    for layer, used in zip(network, (scheme, scheme, "lecun"), strict=True):
        assert isinstance(layer, nn.Linear | nn.Conv1d)
        assert layer.bias is not None
        expected = deviation(layer.weight, used, math.sqrt(2))
        assert float(layer.weight.detach().std()) == pytest.approx(expected, rel=0.02)
        assert not bool(layer.bias.any())


def test_draws_come_from_the_generator_alone_and_network_leaves_all_as_it_was() -> None:
    with torch.random.fork_rng():
        network = nn.Linear(5, 5)
    before = network.weight.detach().clone()
    initialise(network, "network", None, torch.Generator().manual_seed(0))
    assert torch.equal(before, network.weight)
    for _ in range(2):
        initialise(network, "he", None, torch.Generator().manual_seed(3))
        found = network.weight.detach().clone()
    assert torch.equal(found, network.weight)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.Conv3d(24, 60, 3, padding=1, device="meta"), torch.Size((2, 24, 9, 9, 9))),
        (nn.ConvTranspose2d(60, 40, 3, device="meta"), torch.Size((2, 60, 24, 24))),
        (nn.ConvTranspose2d(60, 40, 4, stride=2, groups=2, device="meta"), torch.Size((2, 60, 24, 24))),
        (nn.ConvTranspose1d(90, 50, 6, stride=3, device="meta"), torch.Size((4, 90, 200))),
    ],
)
def test_matched_weights_of_any_convolution_keep_the_second_moment(layer: nn.Module, x: torch.Size) -> None:
    layer = layer.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    assert initialise(layer, "matched", _function("tanh"), generator) == ()
    with torch.no_grad():
        y = layer(torch.tanh(torch.randn(x, generator=generator)))
    inside = y[(..., *[slice(6, -6)] * (y.ndim - 2))] if not isinstance(layer, nn.Conv3d) else y[..., 1:-1, 1:-1, 1:-1]
    assert float(inside.square().mean()) == pytest.approx(1, rel=0.05)


def test_normed_weights_are_drawn_and_last_and_what_no_scheme_speaks_of_is_named() -> None:
    with torch.random.fork_rng():
        normed = torch.nn.utils.parametrizations.weight_norm(nn.Linear(300, 400))
        orthogonal = torch.nn.utils.parametrizations.orthogonal(nn.Linear(8, 8), use_trivialization=False)
        network = nn.Sequential(normed, nn.LSTM(4, 4), orthogonal, nn.BatchNorm1d(3), nn.LazyLinear(3), nn.Linear(4, 2))
        network[3] = nn.Embedding(9, 4, padding_idx=2)
        network.append(torch.nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6)))
        network.append(nn.Linear(3, 3).requires_grad_(False))
        network[-1].weight.data = network[-1].weight.data.to(torch.float8_e4m3fn)
        extra = network[5]
        extra.scale = nn.Parameter(torch.ones(2, 2))
    before = copy.deepcopy(network[6].state_dict())
    left = initialise(network, "matched", _function("relu"), torch.Generator().manual_seed(0), last=extra)
    assert left == ("1", "2", "4", "5.scale", "6", "7")
    assert all(torch.equal(before[key], value) for key, value in network[6].state_dict().items())
    assert network[3].state_dict()["weight"][2].tolist() == [0] * 4
    assert float(normed(torch.eye(300)).detach().std()) == pytest.approx(math.sqrt(2 / 300), rel=0.02)
