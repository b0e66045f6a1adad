"""An activation as a layer: candidates with their betas, and the few that are layers only."""

import pytest
import torch

from actsearch.evaluators.activation import BASELINES, BUILT_IN
from actsearch.evaluators.layers import LAYERS, ActivationLayer, Maxout, WrongChannels
from actsearch.evaluators.outcome import Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.training import train_population
from actsearch.grammar.parse import BadExpression
from actsearch.grammar.rows.known import KNOWN

X = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))


def test_each_channel_has_its_own_beta_in_whichever_dimension() -> None:
    for dimension, channels in ((1, 3), (-1, 5)):
        layer = BUILT_IN.read("scale(x)").make(channels, dimension)
        assert isinstance(layer, ActivationLayer)
        (beta,) = layer.scalars.values()
        with torch.no_grad():
            beta.copy_(torch.arange(channels) + 1.0)
        ratio = (layer(X) / X).movedim(dimension, 0).flatten(1)
        torch.testing.assert_close(ratio, (torch.arange(channels) + 1.0)[:, None].expand_as(ratio))


@pytest.mark.parametrize("text", ["relu", "tanh", "gate(x,x)", "swish", "prelu"])
def test_a_layer_has_a_parameter_only_where_the_function_has_one_and_every_parameter_gets_a_gradient(text: str) -> None:
    layer = BUILT_IN.read(text).make(3)
    assert len(list(layer.parameters())) == (text in {"swish", "prelu"})
    layer(X.clone().requires_grad_()).square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in layer.parameters())


@pytest.mark.parametrize("text", ["swish", "relu"])
@pytest.mark.parametrize(
    ("shape", "channels", "dimension", "hint"),
    [
        ((8, 10, 32), 32, None, r"make\(channels=32, dimension=-1\)"),
        ((8, 32, 10), 32, -1, r"make\(channels=32, dimension=1\)"),
        ((8, 10), 32, None, r"make\(channels, dimension\)"),
        ((10,), 10, None, r"make\(channels, dimension\)"),
    ],
)
def test_a_layer_made_for_other_channels_than_it_meets_says_what_to_write(
    text: str, shape: tuple[int, ...], channels: int, dimension: int | None, hint: str
) -> None:
    with pytest.raises(WrongChannels, match=f"made for {channels} channels in dimension .* the input is .*{hint}"):
        BUILT_IN.read(text).make(channels, dimension)(torch.zeros(shape))


def test_where_the_channels_may_be_in_two_dimensions_the_layer_in_front_tells_or_the_user_must() -> None:
    with torch.random.fork_rng():
        linear, convolution = torch.nn.Linear(6, 5), torch.nn.Conv1d(6, 5, 1)
    square = torch.zeros(2, 5, 6)
    with pytest.raises(WrongChannels, match="may be in dimension 1 or in the last one, say which"):
        BUILT_IN.read("swish").make(5)(linear(square))
    assert BUILT_IN.read("swish").make(5, -1)(linear(square)).shape == (2, 5, 5)
    assert BUILT_IN.read("swish").make(5)(convolution(torch.zeros(2, 6, 5))).shape == (2, 5, 5)


def test_one_channel_is_one_beta_for_the_whole_layer_of_any_shape() -> None:
    for shape in ((), (4,), (2, 3, 5)):
        assert BUILT_IN.read("swish").make(1)(torch.ones(shape)).shape == shape


def test_swish_starts_as_silu() -> None:
    torch.testing.assert_close(BUILT_IN.read("swish").make(3)(X), torch.nn.functional.silu(X))


def test_every_activation_that_users_know_is_a_baseline_by_name_and_can_be_trained(tiny_task: TaskSettings) -> None:
    assert set(BASELINES) <= {*KNOWN, *LAYERS}
    assert len({BUILT_IN.read(name).identity for name in BASELINES}) == len(BASELINES) == 20
    outcomes = train_population([Request(name, 1, 60) for name in BASELINES], resolve(tiny_task))
    assert [o.status for o in outcomes] == [Status.SCORED] * 20
    assert len({o.score for o in outcomes}) == 20


def test_prelu_starts_as_torchs_and_learns_its_slope() -> None:
    layer = BUILT_IN.read("prelu").make(3)
    torch.testing.assert_close(layer(X), torch.nn.functional.prelu(X, torch.tensor([0.25])))
    layer(X).sum().backward()
    assert bool(next(layer.parameters()).grad.any())  # type: ignore[union-attr]  # there after backward


def test_rrelu_is_random_in_training_within_its_bounds_and_its_mean_in_evaluation() -> None:
    layer = BUILT_IN.read("rrelu").make(3)
    with torch.random.fork_rng():
        slopes = (layer(X) / X)[X < 0]
    assert float(slopes.detach().min()) >= 1 / 8
    assert float(slopes.detach().max()) <= 1 / 3
    assert len(slopes.unique()) > 10
    torch.testing.assert_close(layer.eval()(X), torch.nn.functional.leaky_relu(X, 11 / 48))


def test_maxout_is_the_larger_of_two_linear_pieces() -> None:
    with torch.random.fork_rng():
        layer = Maxout(3)
    weight, bias = layer.pieces.weight, layer.pieces.bias
    first, second = (
        torch.einsum("oc,bct->bot", weight[part], X) + bias[part, None] for part in (slice(3), slice(3, 6))
    )
    torch.testing.assert_close(layer(X), torch.maximum(first, second))
    assert weight.shape == (6, 3)  # twice the width


def test_the_leaky_backward_rectifier_is_a_rectifier_that_cannot_die() -> None:
    x = torch.tensor([-2.0, -0.5, 0.5, 3.0], requires_grad=True)
    function = BUILT_IN.read("leaky_backward_relu").function
    assert function is not None
    value = function(x)
    torch.testing.assert_close(value, torch.relu(x), rtol=0, atol=0)
    torch.testing.assert_close(torch.autograd.grad(value.sum(), x)[0], torch.tensor([0.01, 0.01, 1.0, 1.0]))


def test_what_is_neither_name_nor_expression_is_refused() -> None:
    with pytest.raises(BadExpression):
        BUILT_IN.read("maxoud")
