"""The population computes what ordinary torch modules compute, and no child sees its neighbours."""

import pytest
import torch

from evaluators import layers, mnist1d
from evaluators.outcome import Request, Status, child_seed
from evaluators.resnet1d import ResNet1dPopulation, slots
from evaluators.task import TASKS, TaskSettings
from evaluators.training import train_population
from grammar.known import read
from grammar.render import compile_expression
from tests.evaluators.plain_resnet1d import PlainResNet1d

NAMES = ("relu", "swish", "cos_minus_x", "x_asinh_square", "tanh")


def _population(names: tuple[str, ...]) -> ResNet1dPopulation:
    functions = [compile_expression(read(name)) for name in names]
    return ResNet1dPopulation(functions, [torch.Generator().manual_seed(i) for i in range(len(names))], 10)


def _plain(population: ResNet1dPopulation, name: str) -> PlainResNet1d:
    with torch.random.fork_rng():  # torch's layers start from the global generator
        plain = PlainResNet1d(compile_expression(read(name)))
    plain.take_weights(population.weights, 0)
    return plain


def test_the_child_has_the_size_that_was_measured() -> None:
    sizes = {slot.name: torch.Size(slot.shape).numel() for slot in slots(10)}
    assert sum(size for name, size in sizes.items() if not name.endswith("beta")) == 7546


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("positions", [10, 40, 7])
def test_the_convolution_equals_torchs_in_value_and_gradients(stride: int, positions: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = (3, 4, positions, 5), (3, 6, 12), (3, 6)
    x, weight, bias = (torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes)
    found = layers.convolution3(x, weight, bias, stride)
    upstream = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    gradients = torch.autograd.grad(found, [x, weight, bias], upstream)
    expected = torch.stack(
        [
            torch.nn.functional.conv1d(
                x[p].permute(2, 0, 1), weight[p].view(6, 3, 4).transpose(1, 2), bias[p], stride, 1
            ).permute(1, 2, 0)
            for p in range(3)
        ]
    )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, [x, weight, bias], upstream))


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_equals_torchs_in_value_gradients_and_running_statistics(training: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(2, 3, 4, 5, generator=generator) * 3 + 1).requires_grad_()
    gain, bias = (torch.randn(2, 3, generator=generator).requires_grad_() for _ in range(2))
    running = layers.RunningStatistics(2, 3)
    theirs = torch.zeros(6), torch.ones(6)
    for _ in range(2):
        found = layers.batch_norm(x, gain, bias, running, training)
        flat = x.permute(3, 0, 1, 2).reshape(5, 6, 4)
        expected = torch.nn.functional.batch_norm(flat, *theirs, gain.flatten(), bias.flatten(), training)
        expected = expected.view(5, 2, 3, 4).permute(1, 2, 3, 0)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close((running.mean.flatten(), running.variance.flatten()), theirs)
    upstream = torch.randn(found.shape, generator=generator)
    ours = torch.autograd.grad(found, [x, gain, bias], upstream)
    torch.testing.assert_close(ours, torch.autograd.grad(expected, [x, gain, bias], upstream), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_child_equals_the_plain_modules_in_loss_and_gradient(name: str) -> None:
    population = _population((name,))
    plain = _plain(population, name)
    x = torch.randn(32, 40, generator=torch.Generator().manual_seed(5))
    ours, theirs = population(x[None], training=True)[0].T, plain(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    ours.square().mean().backward()  # type: ignore[no-untyped-call]
    theirs.square().mean().backward()
    assert sum(p.numel() for p in plain.parameters()) == sum(w.numel() for w in population.weights.values())
    copy = _plain(population, name)
    copy.take_weights(
        {key: torch.zeros_like(w) if w.grad is None else w.grad for key, w in population.weights.items()}, 0
    )
    for (key, found), expected in zip(copy.named_parameters(), plain.parameters(), strict=True):
        reference = torch.zeros_like(expected) if expected.grad is None else expected.grad
        torch.testing.assert_close(
            found.detach(), reference, rtol=2e-3, atol=2e-4, msg=lambda text, key=key: f"{key}: {text}"
        )
    population(x[None], training=False)
    torch.testing.assert_close(population(x[None], training=False)[0].T, plain.eval()(x), rtol=1e-3, atol=1e-3)


def test_a_score_does_not_depend_on_the_neighbours(tiny_task: TaskSettings) -> None:
    requests = [Request(name, child_seed(1, name, 0), steps=4, test=True) for name in NAMES]
    together = train_population(requests, tiny_task)
    for division in ([1, 4], [2, 3], [1, 1, 1, 1, 1]):
        rest, apart = list(requests), []
        for size in division:
            apart += train_population(rest[:size], tiny_task)
            rest = rest[size:]
        assert [o.score for o in apart] == [o.score for o in together]
        assert [o.metrics for o in apart] == [o.metrics for o in together]


def test_the_same_seed_gives_the_same_score_and_another_seed_another(tiny_task: TaskSettings) -> None:
    first, again, other = (train_population([Request("silu", s, steps=3)], tiny_task)[0].score for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_diverging_child_is_a_result_and_harms_nobody(tiny_task: TaskSettings) -> None:
    requests = [Request(text, 3, steps=4) for text in ("relu", "exp(exp(exp(square(x))))", "silu")]
    outcomes = train_population(requests, tiny_task)
    assert [o.status for o in outcomes] == [Status.SCORED, Status.DIVERGED, Status.SCORED]
    assert "not finite after 4 steps" in outcomes[1].reason
    assert outcomes[2].metrics == train_population(requests[2:], tiny_task)[0].metrics


def test_the_test_split_is_touched_for_finalists_only(tiny_task: TaskSettings) -> None:
    candidate, finalist = train_population([Request("relu", 3, 2), Request("relu", 3, 2, test=True)], tiny_task)
    assert not any(name.startswith("test") for name in candidate.metrics)
    assert {"test_loss", "test_accuracy"} <= finalist.metrics.keys()
    assert candidate.score == finalist.score


def test_a_population_of_different_lengths_is_refused(tiny_task: TaskSettings) -> None:
    with pytest.raises(ValueError, match="one number of steps"):
        train_population([Request("relu", 0, 2), Request("relu", 0, 3)], tiny_task)


@pytest.mark.slow
def test_relu_learns_mnist1d_in_the_measured_time() -> None:
    (outcome,) = train_population([Request("relu", child_seed(0, "relu", 0), TaskSettings().steps)], TaskSettings())
    assert outcome.metrics["validation_accuracy"] > 0.9
    assert outcome.score is not None
    assert outcome.score < 0.3 < TASKS["mnist1d"].chance


def test_the_three_splits_are_apart() -> None:
    data = mnist1d.load()
    assert [len(s.labels) for s in (data.train, data.validation, data.test)] == [4000, 1000, 1000]
    rows = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
    assert len(torch.unique(rows, dim=0)) == 6000
    assert data.classes == 10
