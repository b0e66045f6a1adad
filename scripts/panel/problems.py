"""Small problems of different kinds, where the activation matters: what a search is judged on that nobody tuned it on.

Each function returns (model, data) or (model, data, loss), as ``task.own.build`` wants it; a whole training takes a
second or so. ``ASIDE`` names those that nobody looks at before the final figures. Not here: the searches (``run``).
"""

import math
from itertools import pairwise
from typing import Any

import torch
from sklearn.datasets import load_digits, make_friedman1
from torch import Tensor, nn
from torch.nn import functional

from actsearch.evaluators.data import mnist1d
from actsearch.evaluators.settings import TaskSettings

ASIDE = ("signal", "autoencoder", "mnist1d_plain")
MNIST1D = ("mnist1d", "mnist1d_mlp")
"""Tasks of the package whose tables hold the whole space."""
RELATIVES = {problem: {*MNIST1D, "mnist1d_plain"} for problem in (*MNIST1D, "mnist1d_plain")} | {
    problem: {"digits_plain", "digits_normalised"} for problem in ("digits_plain", "digits_normalised")
}
"""Problems on the same data: a prior without one of them is without all."""
Data = dict[str, tuple[Tensor, Tensor]]


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _split(x: Tensor, y: Tensor) -> Data:
    """Return half of the examples for training, a quarter for choosing, a quarter for judging, in one drawn order."""
    order = torch.randperm(len(x), generator=_generator())
    half, most = len(x) // 2, 3 * len(x) // 4
    parts = {"train": order[:half], "validation": order[half:most], "test": order[most:]}
    return {name: (x[part], y[part]) for name, part in parts.items()}


def _perceptron(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def mse(output: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared error."""
    return functional.mse_loss(output, labels)


def picture(_: TaskSettings) -> Any:
    """A coordinate network: the brightness of a picture with edges and waves at its points."""
    points = 2 * torch.rand(2000, 2, generator=_generator()) - 1
    x, y = points[:, :1], points[:, 1:]
    bright = torch.sin(6 * x) * torch.cos(5 * y) + 0.5 * torch.sign(x * y - 0.1) + (x**2 + y**2 < 0.4)
    return _perceptron(2, 40, 40, 40, 1), _split(points, bright), mse


class Poisson(nn.Module):
    """A physics-informed network: u with u'' = f on [0, 1], and what it is at the ends."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return u'' and u at x, and u at both ends for every row, ``(n, 4)``."""
        x = x.detach().requires_grad_()
        u = self.net(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        ends = self.net(x.new_tensor([[0.0], [1.0]])).T.expand(len(x), 2)
        return torch.cat([bend, u, ends], 1)


def poisson(_: TaskSettings) -> Any:
    """The equation u'' = -pi^2 sin(pi x) - 9 pi^2 sin(3 pi x) / 3, whose solution is known."""
    x = torch.rand(256, 1, generator=_generator())
    force = -(math.pi**2) * (torch.sin(math.pi * x) + 3 * torch.sin(3 * math.pi * x))

    def loss(output: Tensor, labels: Tensor) -> Tensor:
        residual = ((output[:, :1] - labels) / math.pi**2).square().mean()
        return residual + output[:, 2:].square().mean()

    return Poisson(), _split(x, force), loss


def friedman(_: TaskSettings) -> Any:
    """Tabular regression: Friedman's first function of ten numbers, with noise."""
    x, y = make_friedman1(1200, noise=0.5, random_state=0)
    inputs, labels = torch.tensor(x).float() * 2 - 1, torch.tensor(y).float()[:, None]
    return _perceptron(10, 48, 48, 1), _split(inputs, (labels - labels.mean()) / labels.std()), mse


def shells(_: TaskSettings) -> Any:
    """Tabular classification: which of four shells around two centres a point of eight numbers lies in."""
    x = torch.randn(1600, 8, generator=_generator())
    far = torch.minimum(x.norm(dim=1), (x - 1).norm(dim=1))
    labels = torch.bucketize(far, torch.quantile(far, torch.tensor([0.25, 0.5, 0.75])))
    return _perceptron(8, 40, 40, 4), _split(x, labels)


def spirals(_: TaskSettings) -> Any:
    """A deep, narrow network without normalisation: three spirals."""
    turn = torch.rand(1500, generator=_generator()).sqrt()
    arm = torch.arange(1500) % 3
    angle = 5 * turn + 2 * math.pi / 3 * arm
    noise = 0.03 * torch.randn(1500, 2, generator=_generator())
    points = torch.stack([turn * torch.cos(angle), turn * torch.sin(angle)], 1) + noise
    return _perceptron(2, *[24] * 8, 3), _split(points, arm)


def _digits() -> Data:
    x, y = load_digits(return_X_y=True)
    return _split(torch.tensor(x).float().view(-1, 1, 8, 8) / 8 - 1, torch.tensor(y))


def _convolutions(*, normalised: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after, stride in ((1, 8, 1), (8, 16, 2), (16, 16, 2)):
        layers += [nn.Conv2d(before, after, 3, stride, 1), *([nn.BatchNorm2d(after)] if normalised else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10))


def digits_plain(_: TaskSettings) -> Any:
    """Digits of 8 x 8, three convolutions without normalisation."""
    return _convolutions(normalised=False), _digits()


def digits_normalised(_: TaskSettings) -> Any:
    """The same with batch normalisation."""
    return _convolutions(normalised=True), _digits()


class Recurrent(nn.Module):
    """A recurrent network of one layer: h <- f(W x + U h)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.again, self.act, self.leave = nn.Linear(1, 24), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return what comes next, ``(n, 1)``, after a series ``(n, steps, 1)``."""
        state = x.new_zeros(len(x), 24)
        for step in range(x.shape[1]):
            state = self.act(self.enter(x[:, step]) + self.again(state))
        out: Tensor = self.leave(state)
        return out


def recurrent(_: TaskSettings) -> Any:
    """The next number of a sum of two waves of drawn lengths."""
    draw = _generator()
    rate, phase = 0.3 + torch.rand(1000, 2, 1, generator=draw), 6 * torch.rand(1000, 2, 1, generator=draw)
    waves = torch.sin(rate * torch.arange(13) + phase).sum(1)
    return Recurrent(), _split(waves[:, :12, None], waves[:, 12:]), mse


class Transformer(nn.Module):
    """One block: attention and a feed-forward part behind layer normalisation."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.enter, self.place = nn.Embedding(8, width), nn.Parameter(0.02 * torch.randn(12, width))
        self.before, self.behind = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.leave = nn.Linear(width, 8)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the answer, ``(n, 8)``, of words ``(n, 12)``."""
        state = self.enter(x) + self.place
        q, k, v = self.qkv(self.before(state)).chunk(3, -1)
        state = state + self.out(functional.scaled_dot_product_attention(q, k, v))
        out: Tensor = self.leave((state + self.feed(self.behind(state)))[:, -1])
        return out


def transformer(_: TaskSettings) -> Any:
    """Which word followed the last one when it came before, somewhere: twelve words of eight."""
    draw = _generator()
    words, rows = torch.randint(0, 8, (1600, 12), generator=draw), torch.arange(1600)
    place = torch.randint(0, 10, (1600,), generator=draw)
    words[rows, place] = words[:, 11]
    return Transformer(), _split(words, words[rows, place + 1])


def signal(_: TaskSettings) -> Any:
    """A coordinate network of one dimension: a chirp with steps."""
    x = torch.linspace(-1, 1, 1200)[:, None]
    return (
        _perceptron(1, 40, 40, 40, 1),
        _split(x, torch.sin(12 * x**3 + 4 * x) + 0.4 * torch.sign(torch.sin(9 * x))),
        mse,
    )


def autoencoder(_: TaskSettings) -> Any:
    """Digits through six numbers and back."""
    flat = {name: (x.flatten(1), x.flatten(1)) for name, (x, _) in _digits().items()}
    return _perceptron(64, 32, 6, 32, 64), flat, mse


def mnist1d_plain(_: TaskSettings) -> Any:
    """Signals of MNIST-1D, two convolutions without normalisation."""
    loaded = mnist1d.load()
    parts = {name: part.first(1000) for name, part in loaded.splits.items()}
    net = nn.Sequential(
        nn.Conv1d(1, 12, 5, 2, 2), nn.ReLU(), nn.Conv1d(12, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(160, 10)
    )
    return net, {name: (part.inputs[:, None], part.labels) for name, part in parts.items()}


PROBLEMS = (
    picture, poisson, friedman, shells, spirals, digits_plain, digits_normalised, recurrent, transformer, signal,
    autoencoder, mnist1d_plain,
)  # fmt: skip
"""All of them; those that are not aside may be tried by anybody."""
REPLACED = {"recurrent": ["act"]}
"""What the candidate takes the place of, where the network does not say it: ``task.own.replace``."""


def names(*, aside: bool = False) -> list[str]:
    """Return the names of those that are aside, or of the others."""
    return [problem.__name__ for problem in PROBLEMS if (problem.__name__ in ASIDE) == aside]


def relatives(problem: str) -> set[str]:
    """Return what a prior must not know when a problem shall be new to it: the problem, and others on its data."""
    return RELATIVES.get(problem, {problem})
