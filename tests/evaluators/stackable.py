"""Small networks of many kinds, as users write them: some can be trained as a stack, some cannot."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Data = dict[str, tuple[Tensor, Tensor]]


def _data(shape: tuple[int, ...], label: Callable[[Tensor], Tensor]) -> Data:
    x = torch.randn(120, *shape, generator=torch.Generator().manual_seed(0))
    y = label(x)
    return {"train": (x[:72], y[:72]), "validation": (x[72:96], y[72:96]), "test": (x[96:], y[96:])}


def _classes(shape: tuple[int, ...]) -> Data:
    return _data(shape, lambda x: (x.flatten(1)[:, :3].sum(1) > 0).long())


def perceptron(_: object) -> Any:
    net = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 2))
    return net, _classes((5,))


def regression(_: object) -> Any:
    net = nn.Sequential(nn.Linear(5, 11), nn.ReLU(), nn.Linear(11, 1))
    return net, _data((5,), lambda x: x[:, :1].abs()), lambda output, labels: ((output - labels) ** 2).mean()


def binary(_: object) -> Any:
    net = nn.Sequential(nn.Linear(5, 13), nn.ReLU(), nn.Linear(13, 1), nn.Flatten(0))
    return net, _data((5,), lambda x: (x[:, 0] > 0).float()), functional.binary_cross_entropy_with_logits


def convolutions(_: object) -> Any:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 2),
    )
    return net, _classes((1, 7, 7))


def dropout(_: object) -> Any:
    net = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 2))
    return net, _classes((5,))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.norm = nn.Linear(4, 12), nn.Linear(4, 4), nn.LayerNorm(4)
        self.feed, self.head = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4)), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        x = x + self.out(functional.scaled_dot_product_attention(q, k, v))
        found: Tensor = self.head((x + self.feed(x)).mean(1))
        return found


def attention(_: object) -> Any:
    return Attention(), _classes((6, 4))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.again, self.act, self.head = nn.Linear(4, 8), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 8)
        for step in range(x.shape[1]):
            state = self.act(self.enter(x[:, step]) + self.again(state))
        found: Tensor = self.head(state)
        return found


def recurrent(_: object) -> Any:
    return Recurrent(), _classes((5, 4))


class Tied(nn.Module):
    """Calls activations as functions, uses a weight twice, and has one that nothing depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.idle, self.head = (
            nn.Linear(5, 9),
            nn.Linear(9, 9, bias=False),
            nn.Linear(3, 3),
            nn.Linear(9, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.b(functional.relu(self.a(x))))
        found: Tensor = self.head(functional.relu(functional.linear(x, self.b.weight.T)))
        return found


def tied(_: object) -> Any:
    return Tied(), _classes((5,))


class TwoNames(nn.Module):
    """A perceptron of which one layer and one weight have two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.act, self.head = nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 2)
        self.scale = nn.Parameter(torch.ones(9))
        self.b, self.again = self.head, self.scale

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.b(self.again * self.act(self.a(x) * self.scale))
        return found


def two_names(_: object) -> Any:
    return TwoNames(), _classes((5,))


class Physics(nn.Module):
    """Differentiates twice with respect to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        u = self.net(x)
        (slope,) = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)
        (bend,) = torch.autograd.grad(slope[:, :1].sum(), x, create_graph=True)
        return torch.cat([u, slope, bend[:, :1]], 1)


def physics(_: object) -> Any:
    return (
        Physics(),
        _data((2,), lambda x: x[:, :1].sin()),
        lambda output, labels: (output[:, 3:] + labels).square().mean() + output[:, :1].square().mean(),
    )


def summed(_: object) -> Any:
    net = nn.Sequential(nn.Linear(5, 11), nn.ReLU(), nn.Linear(11, 1))
    return net, _data((5,), lambda x: x[:, :1].abs()), nn.MSELoss(reduction="sum")


def twice(_: object) -> Any:
    middle = nn.Linear(9, 9)
    net = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), middle, nn.ReLU(), middle, nn.ReLU(), nn.Linear(9, 2))
    return net, _classes((5,))


STACKABLE = (
    perceptron, regression, binary, convolutions, dropout, attention, recurrent, tied, physics, summed, twice,
    two_names,
)  # fmt: skip


class Odd(nn.Module):
    """A perceptron that does something else in the middle."""

    def __init__(self, between: Callable[["Odd", Tensor], Tensor], **held: Any) -> None:
        super().__init__()
        self.a, self.act, self.head, self.between = nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2), between
        vars(self).update(held)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.between(self, self.act(self.a(x))))
        return found


def _branch(_: Odd, x: Tensor) -> Tensor:
    return 2 * x if float(x.detach().mean()) > 0.3 else x


def _count(net: Odd, x: Tensor) -> Tensor:
    vars(net)["count"] += 1
    return x


def branches(_: object) -> Any:
    return Odd(_branch), _classes((5,))


def counts(_: object) -> Any:
    return Odd(_count, count=0), _classes((5,))


def draws(_: object) -> Any:
    return Odd(lambda _, x: x * (1 + 1e-9 * float(np.random.rand()))), _classes((5,))


def noise(_: object) -> Any:
    return Odd(lambda _, x: x + torch.randn_like(x)), _classes((5,))


def holds(_: object) -> Any:
    return Odd(lambda net, x: x * vars(net)["held"], held=torch.randn(8)), _classes((5,))


def fused(_: object) -> Any:
    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.act, self.head = nn.GRU(4, 8, batch_first=True), nn.ReLU(), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.head(self.act(self.cell(x)[0][:, -1]))
            return found

    return Fused(), _classes((5, 4))


def large(_: object) -> Any:
    return nn.Sequential(nn.Linear(5, 300), nn.ReLU(), nn.Linear(300, 300), nn.ReLU(), nn.Linear(300, 2)), _classes(
        (5,)
    )


def loader(_: object) -> Any:
    net, data = perceptron(_)
    sets = {name: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*pair), 16) for name, pair in data.items()}
    return net, sets


class Means(nn.Module):
    """A normalisation of one's own, whose buffer is another tensor after each call."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x - self.mean
        self.mean = 0.5 * self.mean + 0.5 * x.detach().mean(0)
        return x - x.mean(0)


def reassigns(_: object) -> Any:
    return nn.Sequential(nn.Linear(5, 8), Means(), nn.ReLU(), nn.Linear(8, 2)), _classes((5,))


def pads(_: object) -> Any:
    words = torch.randint(1, 6, (120, 4), generator=torch.Generator().manual_seed(0))
    words[7, 0] = 0
    pair = (words, (words.sum(1) > 12).long())
    net = nn.Sequential(nn.Embedding(6, 8, padding_idx=0), nn.Flatten(), nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 2))
    return net, {"train": pair, "validation": pair}


def warms_up(_: object) -> Any:
    def between(net: Odd, x: Tensor) -> Tensor:
        vars(net)["held"][0] += 1
        return x * (0.2 if vars(net)["held"][0] < 40 else 1.0)

    return Odd(between, held=[0]), _classes((5,))


REFUSED: dict[Callable[[object], Any], str] = {
    branches: "several children at once", counts: "from call to call", draws: "besides torch",
    noise: "draws random numbers",
    holds: "differ from seed to seed",
    reassigns: "do not train",
    pads: "padding_idx", warms_up: "from call to call", fused: "several children at once", large: "parameters",
    loader: "loader",
}  # fmt: skip
"""By what is said of each."""
