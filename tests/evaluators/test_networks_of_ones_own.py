"""Networks as users have them: what would give a wrong number is said before training, or cannot happen."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.looks.readout import readout
from actsearch.evaluators.outcome import NO_PART, Outcome, Request, Status
from actsearch.evaluators.own.graft import network
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.pools.pool import PoolSettings, SerialPool
from actsearch.evaluators.registry import resolve, resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.training import train_population

Write = Callable[..., TaskSettings]
HEAD = """
import random
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

X = torch.randn(300, 6, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum((1, 2)) > 0).long()

def data(x=X, y=Y):
    return {"train": (x[:200], y[:200]), "validation": (x[200:250], y[200:250]), "test": (x[250:], y[250:])}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.relu, self.relu2 = nn.ReLU(), nn.ReLU()
    def forward(self, x):
        h = self.relu(self.first(x))
        return self.last(self.relu2(self.second(h)).mean(1))

def build(settings):
    return Net(), data()
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def task(source: str, steps: int = 20, **own: object) -> TaskSettings:
        path = tmp_path / f"net{abs(hash(source)) % 10**9}.py"
        path.write_text(source)
        keys = own or {"build": "build"}
        named = {key: f"{path}:{value}" if key in {"build", "score"} else value for key, value in keys.items()}
        return TaskSettings(name="own", batch=20, steps=steps, own=OwnSettings(**named))  # type: ignore[arg-type]

    return task


def _train(task: TaskSettings, *texts: str, seed: int = 1) -> list[Outcome]:
    whole = resolve(task)
    return train_population([Request(text, seed, whole.settings.steps, test=True) for text in texts], whole)


def test_a_good_network_is_trained_and_nothing_is_said(write: Write) -> None:
    task = write(HEAD)
    assert resolve(task).prepare() == []
    assert all(outcome.status is Status.SCORED for outcome in _train(task, "relu", "swish", "tanh"))


def test_a_layer_may_be_called_by_keyword_and_weights_that_a_scheme_does_not_reach_are_said(write: Write) -> None:
    source = HEAD.replace("self.relu(self.first(x))", "self.relu(input=self.first(x))")
    source = source.replace("nn.ReLU()\n", "nn.ReLU()\n        self.first = nn.RNNCell(4, 8)\n").replace(
        "self.first(x))\n", "torch.stack([self.first(row) for row in x]))\n"
    )
    task = write(source)
    task = dataclasses.replace(task, init="he", own=dataclasses.replace(task.own, dimension=-1))
    assert resolve(task).prepare() == ["task.init he does not reach the weights of first: they start as the network's"]
    assert all(outcome.status is Status.SCORED for outcome in _train(task, "relu", "swish"))


# ---- fresh weights ----

SHARED = {
    "module": HEAD + "NET = Net()\ndef build(settings):\n    return NET, data()\n",
    "cached": HEAD.replace("def build", "import functools\n@functools.cache\ndef build"),
    "body": HEAD
    + "BODY = Net()\nclass Outer(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    + "        self.body, self.relu3 = BODY, nn.ReLU()\n    def forward(self, x):\n        return self.body(x)\n"
    + "def build(settings):\n    return Outer(), data()\n",
    "one weight": HEAD
    + "W = nn.Parameter(torch.ones(8))\ndef build(settings):\n    net = Net()\n    net.first.bias = W\n"
    + "    return net, data()\n",
    "a block without weights": HEAD
    + "BLOCK = nn.Sequential(nn.ReLU())\ndef build(settings):\n    net = Net()\n    net.relu = BLOCK\n"
    + "    return net, data()\n",
}


@pytest.mark.parametrize("source", SHARED.values(), ids=SHARED)
def test_a_network_that_comes_back_a_second_time_is_refused(write: Write, source: str) -> None:
    with pytest.raises(BadOwnTask, match="again when it is called a second time: the next child would go on from this"):
        resolve(write(source)).prepare()


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "import copy\nNET = Net()\ndef build(settings):\n    return copy.deepcopy(NET), data()\n",
        HEAD
        + "ACT = nn.ReLU()\ndef build(settings):\n    net = Net()\n    net.relu = net.relu2 = ACT\n    return net, data()\n",
    ],
    ids=["a copy", "a shared rectifier"],
)
def test_what_is_copied_or_has_no_weights_starts_afresh(write: Write, source: str) -> None:
    task = write(source)
    resolve(task).prepare()
    together, alone = _train(task, "relu", "swish")[1], _train(task, "swish")[0]
    assert together.metrics == alone.metrics
    assert together.diagnostics == alone.diagnostics


GOES_ON = """
import torch
from torch import nn
BODY = nn.Linear(4, 8)
def score(make, seed, budget):
    net = nn.Sequential(BODY, make(8), nn.Linear(8, 1)){reset}
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(budget):
        loss = net(torch.ones(5, 4)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item()
"""


def test_a_training_of_ones_own_that_goes_on_with_trained_weights_is_no_score(write: Write) -> None:
    task = write(GOES_ON.replace("{reset}", ""), score="score")
    first = _train(task, "relu")
    assert first[0].status is Status.SCORED
    with pytest.raises(RuntimeError, match="goes on from an earlier child"):
        _train(task, "swish")


def test_what_the_rehearsal_of_a_training_left_behind_is_warm_for_the_first_child_too(write: Write) -> None:
    task = write(GOES_ON.replace("{reset}", "") + "# rehearsed\n", score="score")
    with SerialPool(resolve(task), PoolSettings(kind="serial")) as pool:
        outcome = dict(pool.evaluate([Request("relu", 1, 3)]))[0]
    assert outcome.status is Status.CRASHED
    assert "goes on from an earlier child" in outcome.reason


def test_a_training_of_ones_own_may_keep_a_network_that_it_starts_anew(write: Write) -> None:
    task = write(GOES_ON.replace("{reset}", "\n    BODY.reset_parameters()"), score="score")
    together, alone = _train(task, "relu", "swish")[1], _train(task, "swish")[0]
    assert together.score == alone.score


def test_a_network_that_changes_its_input_changes_nobody_elses(write: Write) -> None:
    task = write(HEAD.replace("h = self.relu(", "x -= x.mean(0)\n        x *= 2\n        h = self.relu("))
    resolve(task).prepare()
    before = resolve_network(task).data.digest
    together, alone = _train(task, "relu", "swish")[1], _train(task, "swish")[0]
    assert together.metrics == alone.metrics
    assert resolve_network(task).data.digest == before


# ---- randomness ----

DRAWN = {
    "numpy": "np.random.randn(300, 6, 4)",
    "random": "[[[random.gauss(0, 1) for _ in range(4)] for _ in range(6)] for _ in range(300)]",
    "torch": "torch.randn(300, 6, 4).tolist()",
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_data_and_weights_from_every_global_generator_are_the_same_each_time(write: Write, draw: str) -> None:
    source = HEAD.replace("X = torch.randn(300, 6, 4, generator=torch.Generator().manual_seed(0))", "").replace(
        "Y = (X.sum((1, 2)) > 0).long()",
        f"X = torch.tensor({draw}, dtype=torch.float32)\nY = (X.sum((1, 2)) > 0).long()",
    )
    weights = (
        "\n        with torch.no_grad():\n            self.first.weight.copy_(torch.tensor(np.random.randn(8, 4)))"
    )
    weights += "\n            self.first.bias.fill_(random.random())"
    source = source.replace("self.relu2 = nn.ReLU(), nn.ReLU()", f"self.relu2 = nn.ReLU(), nn.ReLU(){weights}")
    found: list[Any] = []
    for comment in ("# one\n", "# two\n"):  # two files are imported each for itself, as by two workers
        np_state_matters = torch.rand(3, generator=torch.Generator().manual_seed(len(found)))
        assert np_state_matters.shape == (3,)
        task = write(comment + source)
        resolve(task).prepare()
        found.append(
            (resolve_network(task).data.digest, _train(task, "swish")[0].metrics, _train(task, "swish", seed=2))
        )
    assert found[0][:2] == found[1][:2]
    assert found[0][2][0].metrics != found[0][1]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (HEAD.replace("return Net(), data()", "return Net(), data(torch.tensor(np.random.default_rng().normal(size=X.shape)).float())"),
         "the data differ in a second call"),
        (HEAD.replace("return Net(), data()", "X.mul_(2)\n    return Net(), data()"), "the data differ in a second call"),
        (HEAD.replace("return Net(), data()", "net = Net()\n    nn.init.constant_(net.last.bias, np.random.default_rng().normal())"
                      "\n    return net, data()"), "'last.bias' starts differently in a second call"),
    ],
    ids=["data", "data in place", "weights"],
)  # fmt: skip
def test_what_no_seed_reaches_is_refused(write: Write, source: str, complaint: str) -> None:
    with pytest.raises(BadOwnTask, match=complaint):
        resolve(write(source)).prepare()


# ---- the candidate is what is scored ----

ENCODER = (
    HEAD
    + """
class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.ReLU(), batch_first=True, dropout=0.0)
        self.encoder, self.last = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), nn.Linear(4, 2)
    def forward(self, x):
        return self.last(self.encoder(x).mean(1))
def build(settings):
    return Transformer(), data()
"""
)


def test_an_encoder_layer_of_torch_is_scored_with_the_candidate_and_not_by_its_fast_path(write: Write) -> None:
    task = write(ENCODER)
    assert resolve(task).prepare() == []
    settings, data = resolve(task).settings, resolve_network(task).data
    with contained(0):
        model = network(settings, data, BUILT_IN.read("gauss").make).eval()
        as_in_training = model(data.validation.inputs)
        with torch.no_grad():
            as_scored = model(data.validation.inputs)
    torch.testing.assert_close(as_scored, as_in_training)
    relu, gauss = _train(task, "relu", "gauss")
    assert relu.score != gauss.score


def test_by_itself_torch_evaluates_an_encoder_layer_with_the_activation_it_was_made_with() -> None:
    """Why the fast path is off while children are trained and scored."""
    with contained(0):
        layer = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.ReLU(), batch_first=True).eval()
        layer.activation = BUILT_IN.read("gauss").make(8, -1)
        x = torch.randn(3, 5, 4)
        with torch.no_grad():
            right = layer(x)
            torch.backends.mha.set_fastpath_enabled(True)
            assert not torch.allclose(layer(x), right, atol=1e-3)


@pytest.mark.parametrize(
    ("forward", "complaint"),
    [
        ("h = self.first(x)\n        self.relu(h)", "layer 'relu' of the network has no effect in training"),
        ("h = self.first(x)\n        h = h + 0 * self.relu(h)", "layer 'relu' of the network has no effect in evaluation"),
        ("h = self.relu(self.first(x)) if self.training else F.relu(self.first(x))", "is not used when it runs on its data in eval"),
        ("h = F.relu(self.first(x)) if self.training else self.relu(self.first(x))", "is not used in training"),
        ("h = self.first(x)\n        h = (h + self.relu(h) - self.relu(h).detach()) if self.training else h",
         "used in training but not in evaluation|is not used when it runs"),
    ],
)  # fmt: skip
def test_a_layer_that_does_not_matter_where_it_should_is_refused(write: Write, forward: str, complaint: str) -> None:
    with pytest.raises(BadOwnTask, match=complaint):
        resolve(write(HEAD.replace("h = self.relu(self.first(x))", forward))).prepare()


def test_activations_that_are_called_as_functions_are_said(write: Write) -> None:
    source = HEAD.replace("self.second(h)", "self.second(F.relu(torch.relu(F.gelu(h))))")
    notices = resolve(write(source)).prepare()
    assert [notice.partition(" as a function")[0] for notice in notices] == ["the network also calls gelu once"]
    assert "task.own.replace: [..., F.gelu]" in notices[0]


def test_a_network_that_leaves_layers_out_at_random_in_training_is_no_fault(write: Write) -> None:
    drops = "h = self.first(x)\n        if not self.training or random.random() < 0.7:\n            h = self.relu(h)"
    resolve(write(HEAD.replace("h = self.relu(self.first(x))", drops))).prepare()


BUILD = "def build(settings):\n    net = Net()\n    {}\n    return net, data()\n"
REPEATS = {
    "a buffer that is not saved": HEAD + BUILD.format(
        "net.register_buffer('noise', torch.tensor(np.random.default_rng().normal(size=8)).float(), persistent=False)"
    ) + "Net.forward = lambda self, x: self.last(self.relu2(self.second(self.relu(self.first(x)) + self.noise)).mean(1))\n",
    "noise in forward": HEAD + BUILD.format("pass") + "OLD = Net.forward\nRNG = np.random.default_rng(0)\n"
    "Net.forward = lambda self, x: OLD(self, x + RNG.normal())\n",
    "a generator of its own": HEAD + BUILD.format("pass") + "OLD = Net.forward\nG = torch.Generator().manual_seed(0)\n"
    "Net.forward = lambda self, x: OLD(self, x + torch.randn(1, generator=G))\n",
    "a memory": HEAD + BUILD.format("pass") + "OLD = Net.forward\nBANK = [0.0]\n"
    "def forward(self, x):\n    BANK[0] += float(x.mean())\n    return OLD(self, x + BANK[0])\nNet.forward = forward\n",
}  # fmt: skip


@pytest.mark.parametrize("source", REPEATS.values(), ids=REPEATS)
def test_a_training_that_would_not_come_out_the_same_twice_is_refused(write: Write, source: str) -> None:
    with pytest.raises(BadOwnTask, match="two trainings with the same seed come to other losses"):
        resolve(write(source)).prepare()


GOOD = {
    "a head of zeros": BUILD.format("nn.init.zeros_(net.last.weight)"),
    "a frozen body": BUILD.format("net.first.requires_grad_(False)"),
    "lazy layers": BUILD.format("net.second = nn.LazyLinear(8)"),
    "dropout in place": BUILD.format("net.relu = nn.Sequential(nn.ReLU(), nn.Dropout(0.1, inplace=True))"),
    "checkpoints": BUILD.format("pass") + "from torch.utils.checkpoint import checkpoint\nOLD = Net.forward\n"
    "Net.forward = lambda self, x: checkpoint(OLD, self, x.requires_grad_(), use_reentrant=True)\n",
    "a body without gradients": BUILD.format("pass") + "def forward(self, x):\n    with torch.no_grad():\n"
    "        h = self.relu(self.first(x))\n    return self.last(self.relu2(self.second(h)).mean(1))\nNet.forward = forward\n",
}  # fmt: skip


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD)
def test_what_is_right_if_unusual_is_trained_with_every_candidate(write: Write, source: str) -> None:
    task = write(HEAD + source)
    assert resolve(task).prepare() == []
    outcomes = _train(task, "relu", "tanh", "gelu", "exp(neg(square(x)))")
    assert [outcome.status for outcome in outcomes] == [Status.SCORED] * 4
    assert len({outcome.score for outcome in outcomes}) == 4


def test_a_layer_that_is_compiled_is_said_and_not_passed_over(write: Write) -> None:
    task = write(
        "import warnings\nwarnings.simplefilter('ignore')  # torch.jit is deprecated\n"
        + HEAD
        + BUILD.format("warnings.simplefilter('ignore'); net.relu = torch.jit.script(nn.Sequential(nn.ReLU()))")
    )
    with pytest.raises(BadOwnTask, match=r"layer 'relu.0' of the network is compiled \(torch.jit\)"):
        resolve(task).prepare()


def test_a_network_whose_last_linear_layer_is_not_the_classifier_has_no_readout(write: Write) -> None:
    source = HEAD.replace(
        "return self.last(self.relu2(self.second(h)).mean(1))", "return self.last(self.relu2(self.second(h))).mean(1)"
    )
    assert readout(BUILT_IN.read("swish"), resolve_network(write(source)), 0) is None


SCORES = {
    "never makes it": ("pass", True),
    "never calls it": ("make(8)", True),
    "drops its values": ("act = make(8); act(net(X).mean(1).unsqueeze(-1).expand(-1, 8))", True),
    "uses it": ("net.relu = make(8, -1)", False),
}


@pytest.mark.parametrize(("line", "without"), SCORES.values(), ids=SCORES)
def test_a_training_of_ones_own_in_which_the_candidate_had_no_part_is_marked(
    write: Write, line: str, without: bool
) -> None:
    source = (
        HEAD + f"def score(make, seed, budget):\n    net = Net()\n    {line}\n    loss = net(X).square().mean()\n"
        "    loss.backward()\n    return loss\n"
    )
    assert (NO_PART in _train(write(source, score="score"), "swish")[0].metrics) == without


WARM = {
    "a head behind": "BODY = nn.Linear(4, 8)\nHEAD = nn.Linear(8, 1)\nNEW = lambda make: nn.Sequential(nn.Linear(4, 8), make(8), HEAD)\n",
    "after a dry run": "HEAD = nn.Linear(4, 8)\ndef NEW(make):\n    net = nn.Sequential(HEAD, make(8), nn.Linear(8, 1))\n"
    "    with torch.no_grad():\n        net(torch.ones(5, 4))\n    return net\n",
}


@pytest.mark.parametrize("source", WARM.values(), ids=WARM)
def test_warm_weights_are_noticed_wherever_they_are(write: Write, source: str) -> None:
    score = GOES_ON[GOES_ON.index("def score") :].replace(
        "nn.Sequential(BODY, make(8), nn.Linear(8, 1)){reset}", "NEW(make)"
    )
    task = write("import torch\nfrom torch import nn\n" + source + score, score="score")
    assert _train(task, "relu")[0].status is Status.SCORED
    with pytest.raises(RuntimeError, match="goes on from an earlier child"):
        _train(task, "swish")


def test_what_a_training_of_ones_own_keeps_does_not_depend_on_the_first_child(write: Write) -> None:
    source = (
        "import functools, torch\n@functools.cache\ndef data():\n    return torch.randn(20, 4)\n"
        "def score(make, seed, budget):\n    return make(4)(data().requires_grad_()).square().mean()\n"
    )
    found = []
    for order in ((1, 2), (2, 1)):
        task = write(f"# {order}\n" + source, score="score")
        with SerialPool(resolve(task), PoolSettings(kind="serial")) as pool:
            outcomes = dict(pool.evaluate([Request("relu", seed, 1) for seed in order]))
        found.append({seed: outcomes[place].score for place, seed in enumerate(order)})
    assert found[0] == found[1]


# ---- channels ----

IN_FRONT = {
    "lstm": ("self.lstm = nn.LSTM(4, 9, batch_first=True)", "self.lstm(x)[0]", (9, -1)),
    "attention": ("self.att = nn.MultiheadAttention(4, 1, batch_first=True)", "self.att(x, x, x)[0]", (4, -1)),
    "matmul": ("self.w = nn.Parameter(torch.randn(4, 9))", "x @ self.w", (9, -1)),
    "joined": ("self.l = nn.Linear(4, 5)", "torch.cat([self.l(x), self.l(x)], -1)", (10, -1)),
    "a part": ("self.l = nn.Linear(4, 10)", "self.l(x)[..., :9]", (9, -1)),
    "glu": ("self.l = nn.Linear(4, 18)", "F.glu(self.l(x))", (9, -1)),
    "squeezed": ("self.l = nn.Linear(4, 9)", "self.l(x[:, None]).squeeze(1)", (9, -1)),
    "pooled": ("self.c = nn.Conv1d(6, 9, 1)", "F.max_pool1d(self.c(x), 2)", (9, 1)),
}


@pytest.mark.parametrize(("layer", "call", "expected"), IN_FRONT.values(), ids=IN_FRONT)
def test_channels_are_found_behind_all_that_stands_in_front_of_activations(
    write: Write, layer: str, call: str, expected: tuple[int, int]
) -> None:
    source = (
        HEAD + f"class Mine(nn.Module):\n    def __init__(self):\n        super().__init__()\n        {layer}\n"
        f"        self.relu = nn.ReLU()\n    def forward(self, x):\n        return self.relu({call}).flatten(1)[:, :2]\n"
        "def build(settings):\n    return Mine(), data()\n"
    )
    made = []

    def make(channels: int, dimension: int | None = None) -> nn.Module:
        made.append((channels, dimension))
        return nn.ReLU()

    task = resolve_network(write(source))
    with torch.random.fork_rng():
        network(task.settings, task.data, make)
    assert made == [expected]


def test_where_nothing_tells_the_channels_the_user_must(write: Write) -> None:
    source = HEAD.replace(
        "h = self.relu(self.first(x))",
        "h = self.relu(self.first(x).view(-1, 6, 2, 4).transpose(1, 2)).flatten(2)[..., :8]",
    )
    with pytest.raises(
        BadOwnTask, match=r"nothing in front of it tells where its channels are: say it with task.own.dim"
    ):
        resolve(write(source)).prepare()


LAYERED = (
    HEAD
    + """
class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv1d(6, 7, 1), nn.BatchNorm1d(7), nn.Linear(4, 9)
        self.a, self.b, self.c, self.last = nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.Linear(9, 2)
    def forward(self, x):                        # (B, 6, 4)
        h = self.a(self.norm(self.conv(x)))      # (B, 7, 4), channels second
        h = self.b(self.linear(h) + 1)           # (B, 7, 9), channels last
        h = self.c(h.transpose(1, 2) * 0.5)      # (B, 9, 7), channels second
        return self.last(h.mean(2))
def build(settings):
    return Mixed(), data()
"""
)


def test_the_channels_of_each_place_are_found_by_the_layer_in_front(write: Write) -> None:
    made: list[tuple[int, int | None]] = []

    def make(channels: int, dimension: int | None = None) -> nn.Module:
        made.append((channels, dimension))
        return BUILT_IN.read("swish").make(channels, dimension)

    task = resolve_network(write(LAYERED))
    with torch.random.fork_rng():
        network(task.settings, task.data, make)
    assert made == [(7, 1), (9, -1), (9, 1)]
    resolve(write(LAYERED)).prepare()
    assert len(_train(write(LAYERED), "swish")[0].diagnostics["betas"]) == 9


@pytest.mark.parametrize(("dimension", "place"), [(1, "b"), (-1, "a")])
def test_a_dimension_that_contradicts_the_layer_in_front_is_said(write: Write, dimension: int, place: str) -> None:
    task = write(LAYERED, build="build", dimension=dimension)
    with pytest.raises(BadOwnTask, match=f"key 'task.own.dimension': says {dimension}, but layer '{place}' gets"):
        resolve(task).prepare()
    fitting = write(LAYERED, build="build", dimension=dimension, replace=("c",) if dimension == 1 else ("b",))
    assert resolve(fitting).prepare() == ["the network keeps 2 layers ReLU, which task.own.replace does not name"]


def test_a_dimension_that_is_not_there_is_said(write: Write) -> None:
    with pytest.raises(BadOwnTask, match="without dimension 5"):
        resolve(write(HEAD, build="build", dimension=5)).prepare()


def test_a_training_of_ones_own_says_where_its_channels_are(write: Write) -> None:
    source = (
        HEAD
        + "def score(make, seed, budget):\n    net = nn.Sequential(nn.Linear(4, 8), MAKE)\n    return net(X).mean()\n"
    )
    assert (
        _train(write(source.replace("MAKE", "make(8, dimension=-1)"), score="score"), "swish")[0].status
        is Status.SCORED
    )
    for text in ("swish", "relu"):
        with pytest.raises(ValueError, match=r"say where they are, make\(channels=8, dimension=-1\)"):
            _train(write(source.replace("MAKE", "make(8)"), score="score"), text)


# ---- tried with the real loss before anything is trained ----


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (HEAD.replace("self.last(self.relu2(", "{'a': self.last(self.relu2(").replace(".mean(1))", ".mean(1)), 'b': x}"),
         "returns a dict; expected a tensor"),
        (HEAD.replace("nn.Linear(8, 2)", "nn.Linear(8, 1)"), "tells 1 classes apart, but there are labels 0 to 1"),
        (HEAD.replace("(y[:200])", "y").replace("data(x=X, y=Y):", "data(x=X, y=Y):\n    y = y.clone()\n    y[250] = 255"),
         "tells 2 classes apart, but there are labels 0 to 255"),
        (HEAD.replace(".mean(1))", ")"), r"returns \(20, 6, 2\); expected logits \(examples, classes\) for labels \(20,\) \(in training\)"),
        (HEAD.replace("h = self.relu(self.first(x))", "h = torch.sigmoid(self.relu(self.first(x)))\n        h += 1"), "has no gradient"),
        (HEAD.replace("return self.last(", "raise SystemExit(3)\n        return self.last("), r"sys.exit\(3\)"),
        (HEAD.replace("def build(settings):", "def build(settings):\n    import sys\n    sys.exit(0)"), r"sys.exit\(0\)"),
        ("raise SystemExit(4)", r"cannot be imported: .*sys.exit\(4\)"),
        (HEAD.replace("return Net(), data()", "return Net().requires_grad_(False), data()"), "has no weights to train"),
        (HEAD.replace("h = self.relu(self.first(x))",
                      "h = self.relu(self.first(x))\n        assert not self.training, 'no training here'"), "no training here"),
        (HEAD.replace("return Net(), data()", "return Net(), data(X.double())"), "does not run"),
    ],
)  # fmt: skip
def test_what_the_loss_or_the_gradient_will_not_take_is_said_before_training(
    write: Write, source: str, complaint: str
) -> None:
    with pytest.raises(BadOwnTask, match=complaint):
        resolve(write(source)).prepare()


def test_a_network_of_another_type_is_trained_when_its_file_says_so(write: Write) -> None:
    source = HEAD.replace("X = torch.randn", "torch.set_default_dtype(torch.float64)\nX = torch.randn")
    task = write(source)
    resolve(task).prepare()
    assert _train(task, "swish")[0].status is Status.SCORED
    assert torch.get_default_dtype() is torch.float32
