"""The child networks have the sizes of their sources, and take what their tasks give them."""

import pytest
import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.layers import ActivationLayer, MakeActivation
from actsearch.evaluators.networks.mlp import MLP
from actsearch.evaluators.networks.resnet1d import ResNet1d
from actsearch.evaluators.networks.resnet2d import ResNet2d
from actsearch.evaluators.networks.resnet9 import ResNet9
from actsearch.evaluators.networks.transformer import CharacterModel, SequenceClassifier
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.evaluators.task import BadTask

SILU = BUILT_IN.read("silu").make


def _relu(channels: int, dimension: int = 1) -> nn.Module:
    return nn.ReLU()


def _built(network: type[nn.Module], *arguments: object) -> nn.Module:
    with torch.random.fork_rng():
        return network(*arguments)


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_default_child_is_the_one_that_was_measured_without_its_idle_biases() -> None:
    biases_before_normalisation = 8 + 3 * 8 + 3 * 16 + 3 * 32 - 8
    assert _size(_built(ResNet1d, 10, _relu)) == 7546 - biases_before_normalisation


def test_resnet20_has_the_size_of_the_paper() -> None:
    network = _built(ResNet2d, (3, 32, 32), 10, _relu, 16, 3)  # He et al. 2015, table 6: 0.27 million
    assert round(_size(network) / 1e6, 2) == 0.27
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in network.modules()) == 20


def test_resnet9_has_the_size_of_its_source() -> None:
    network = _built(ResNet9, (3, 32, 32), 10, _relu, 64)  # Page 2018, part 4: 6.57 million
    assert _size(network) == 6_573_120
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 8


@pytest.mark.parametrize(
    ("network", "arguments", "inputs", "outputs"),
    [
        (ResNet1d, (10, SILU), (2, 40), (2, 10)),
        (ResNet1d, (3, SILU, 16), (2, 24), (2, 3)),
        (MLP, ((1, 8, 8), 10, SILU), (2, 1, 8, 8), (2, 10)),
        (SequenceClassifier, (40, 10, SILU), (2, 40), (2, 10)),
        (ResNet2d, ((1, 28, 28), 10, SILU, 8, 1), (2, 1, 28, 28), (2, 10)),
        (ResNet2d, ((3, 32, 32), 100, SILU, 16, 3), (2, 3, 32, 32), (2, 100)),
        (ResNet9, ((3, 32, 32), 10, SILU, 8), (2, 3, 32, 32), (2, 10)),
    ],
)
def test_every_network_maps_examples_to_logits_and_learns_in_every_part(
    network: type[nn.Module], arguments: tuple[object, ...], inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> None:
    child = _built(network, *arguments)
    logits = child(torch.randn(inputs, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == outputs
    logits.square().sum().backward()
    idle = [n for n, p in child.named_parameters() if (p.grad is None or not p.grad.any()) and not n.endswith("beta")]
    assert idle == []
    assert any(isinstance(module, ActivationLayer) for module in child.modules())


def test_the_character_model_does_not_see_the_future() -> None:
    child = _built(CharacterModel, 16, 5, SILU).eval()
    text = torch.randint(0, 5, (1, 16), generator=torch.Generator().manual_seed(0))
    changed = text.clone()
    changed[0, 9] = (changed[0, 9] + 1) % 5
    before, after = child(text)[0], child(changed)[0]
    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9], after[:, 9])


@pytest.mark.parametrize("make", [_relu, SILU])
def test_images_that_are_too_small_are_refused_in_one_sentence(make: MakeActivation) -> None:
    with pytest.raises(ValueError, match=r"at least 8 a side, found \(1, 7, 7\)"):
        ResNet2d((1, 7, 7), 10, make, 8, 1)
    with pytest.raises(ValueError, match=r"at least 16 a side, found \(1, 12, 16\)"):
        ResNet9((1, 12, 16), 10, make, 8)


def test_a_width_that_the_heads_cannot_share_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(BadTask, match="key 'width': must be a multiple of 4 for this child, found 50"):
        resolve(TaskSettings(name="mnist1d_transformer", width=50)).prepare()
