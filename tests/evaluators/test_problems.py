"""The problems that people have, ten lines each: losses, data, outputs, steps; and what is said of wrong ones."""

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.own import sharing
from actsearch.evaluators.own.problem import SHARED, problem
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.pools.ray_pool import RayPool
from actsearch.evaluators.registry import resolve, resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.task import BadTask
from actsearch.evaluators.training import train_population

Write = Callable[..., TaskSettings]
HEAD = """
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

G = torch.Generator().manual_seed(0)
X = torch.randn(300, 6, generator=G)
Y = X[:, :3].sum(1) - X[:, 3:].prod(1)
K = (Y > 0).long()
COUNTS = torch.poisson(X[:, 0].exp(), generator=G)

def parts(x, y):
    return {name: (x[rows], y[rows]) for name, rows in
            {"train": slice(200), "validation": slice(200, 250), "test": slice(250, 300)}.items()}

def net(outputs):
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, outputs))

"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(source: str, batch: int = 20, **own: Any) -> TaskSettings:
        path = tmp_path / f"problem{abs(hash(source)) % 10**8}.py"
        path.write_text(HEAD + source)
        named = {key: f"{path}:{value[1:]}" if str(value).startswith(":") else value for key, value in own.items()}
        settings = OwnSettings(build=f"{path}:build", **named)  # type: ignore[arg-type]
        return TaskSettings(name="own", batch=batch, own=settings)

    return written


def train(task: TaskSettings, text: str = "swish", steps: int = 8) -> Outcome:
    resolve(task).prepare()
    (outcome,) = train_population([Request(text, 1, steps, test=True)], resolve(task))
    assert outcome.status is Status.SCORED, outcome.reason
    return outcome


def splits(task: TaskSettings) -> dict[str, torch.Tensor]:
    return {name: split.labels for name, split in resolve_network(task).data.splits.items()}


# ---- losses ----


def of_mean(train: torch.Tensor, judged: torch.Tensor) -> float:
    return float((judged - train.mean()).square().mean())


def of_median(train: torch.Tensor, judged: torch.Tensor) -> float:
    return float((judged - train.quantile(0.5)).abs().mean())


def of_share(train: torch.Tensor, judged: torch.Tensor) -> float:
    share = train.float().mean().expand(judged.shape)
    return float(functional.binary_cross_entropy(share, judged.float()))


def of_rate(train: torch.Tensor, judged: torch.Tensor) -> float:
    rate = train.float().mean()
    return float((rate - judged * rate.log()).mean())


@pytest.mark.parametrize(
    ("outputs", "labels", "loss", "chance", "unit"),
    [
        ("1", "Y", "mse", of_mean, "squared error"),
        ("1", "Y[:, None]", "mse", of_mean, "squared error"),
        ("1", "Y", "l1", of_median, "absolute error"),
        ("1", "K", "bce_with_logits", of_share, "nats"),
        ("1", "K.float()[:, None]", "bce_with_logits", of_share, "nats"),
        ("1", "COUNTS", "poisson_nll", of_rate, "nats"),
    ],
)
def test_a_loss_is_taken_of_one_number_and_its_chance_is_that_of_the_best_constant(
    write: Write, outputs: str, labels: str, loss: str, chance: Callable[[torch.Tensor, torch.Tensor], float], unit: str
) -> None:
    task = write(f"def build(settings): return net({outputs}), parts(X, {labels})", loss=loss)
    outcome, found = train(task, steps=100), splits(task)
    assert resolve(task).unit == unit
    assert resolve(task).chance == pytest.approx(chance(found["train"], found["validation"]), rel=2e-3)
    assert outcome.metrics["test_loss"] < 0.8 * (resolve(task).chance or 0)


def test_several_labels_an_example_have_a_chance_each(write: Write) -> None:
    task = write("def build(settings): return net(2), parts(X, (X[:, :2] > torch.tensor([0.0, 1.0])).float())",
                 loss="bce_with_logits")  # fmt: skip
    outcome, found = train(task, steps=60), splits(task)
    shares = found["train"].mean(0).expand(50, 2)
    expected = float(functional.binary_cross_entropy(shares, found["validation"]))
    assert resolve(task).chance == pytest.approx(expected, rel=1e-3)
    assert 0.5 < outcome.metrics["validation_accuracy"] <= 1


def test_huber_is_torchs(write: Write) -> None:
    outcome = train(write("def build(settings): return net(1), parts(X, Y)", loss="huber"))
    assert outcome.score is not None


def test_ctc_aligns_labels_with_longer_outputs(write: Write) -> None:
    task = write(
        """
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.act, self.last = nn.Conv1d(1, 8, 3, padding=1), nn.ReLU(), nn.Linear(8, 4)
    def forward(self, x):
        return self.last(self.act(self.first(x)).permute(2, 0, 1))

S = torch.randint(1, 4, (300, 2), generator=G)
Z = S.repeat_interleave(4, 1).float()[:, None]
LONG = torch.full((300,), 8), torch.full((300,), 2)

def build(settings):
    data = {n: (Z[r], (S[r], *(part[r] for part in LONG)))
            for n, r in {"train": slice(200), "validation": slice(200, 300)}.items()}
    return Reader(), data
""",
        loss="ctc",
    )
    first, later = train(task, steps=2), train(task, steps=80)
    assert later.score is not None
    assert first.score is not None
    assert later.score < 0.6 * first.score
    assert "test_loss" not in later.metrics


SEGMENTS = """
class Segments(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 3, 1))
    def forward(self, x):
        return self.layers(x[:, None]){}

L = (X > 0).long() + (X > 1)
L[:, 0] = {}

def build(settings): return Segments(), parts(X, L)
"""


def test_labels_that_are_ignored_count_for_nothing(write: Write) -> None:
    task = write(SEGMENTS.format("", "255"), ignore_index=255, label_smoothing=0.1)
    outcome = train(task, steps=100)
    counts = torch.bincount(splits(task)["train"][:, 1:].flatten(), minlength=3)
    assert outcome.metrics["validation_accuracy"] > 0.6  # of the five positions that count
    assert 0 < (resolve(task).chance or 0) < 1.05 * math.log(3)
    assert counts.sum() == 1000
    with pytest.raises(BadOwnTask, match=r"tells 3 classes apart, but there are labels 0 to 255; .*ignore_index"):
        resolve(write(SEGMENTS.format("", "255"))).prepare()


def test_classes_may_stand_in_the_last_dimension_and_are_asked_for_where_both_fit(write: Write) -> None:
    last = SEGMENTS.format(".transpose(1, 2)", "0")
    assert train(write(last)).score == pytest.approx(train(write(SEGMENTS.format("", "0"))).score or 0, rel=1e-5)
    both = last.replace("parts(X, L)", "parts(X[:, :3], L[:, :3])")
    with pytest.raises(BadOwnTask, match="may be in dimension 1 or in the last one; say which"):
        resolve(write(both)).prepare()
    assert train(write(both, classes=-1)).score != train(write(both, classes=1)).score


def test_nothing_is_broadcast(write: Write) -> None:
    source = "def build(settings): return net(2), parts(X, Y)"
    with pytest.raises(BadOwnTask, match=r"returns \(20, 2\); expected \(20,\), the shape of the targets"):
        resolve(write(source, loss="mse")).prepare()


@pytest.mark.parametrize(
    "source",
    [
        "def build(settings): return net(1), parts(X, Y), mine",
        "def build(settings): return net(1), parts(X, Y), nn.MSELoss()",
    ],
)
def test_a_loss_of_ones_own_may_be_returned_or_named(write: Write, source: str) -> None:
    mine = "def mine(output, target): return (output.squeeze(-1) - target).square().mean()\n"
    returned = train(write(mine + source.replace("parts(X, Y)", "parts(X, Y[:, None])").replace(
        "mine", "lambda output, target: (output - target).square().mean()")))  # fmt: skip
    named = train(write(mine + "def build(settings): return net(1), parts(X, Y)", loss=":mine"))
    usual = train(write("def build(settings): return net(1), parts(X, Y)", loss="mse"))
    assert named.score == pytest.approx(usual.score, rel=1e-6)
    assert returned.score == pytest.approx(usual.score, rel=1e-6)
    assert resolve(write(mine + "def build(settings): return net(1), parts(X, Y)", loss=":mine")).unit == "mine"


def test_the_chance_of_a_loss_of_ones_own_is_found_too(write: Write) -> None:
    mine = "def mine(output, target): return (output.squeeze(-1) - target).square().mean()\n"
    task = write(mine + "def build(settings): return net(1), parts(X, Y)", loss=":mine")
    found = splits(task)
    assert resolve(task).chance == pytest.approx(of_mean(found["train"], found["validation"]), rel=1e-4)


@pytest.mark.parametrize(
    ("source", "own", "complaint"),
    [
        ("def build(settings): return net(2), parts(X, K)", {"loss": "cross_entrpy"}, "did you mean 'cross_entropy'"),
        ("def build(settings): return net(2), parts(X, K), F.cross_entropy", {"loss": "mse"}, "leave one of them out"),
        ("def build(settings): return net(1), parts(X, Y)", {}, r"of torch.float32: classes must .* mse, l1"),
        ("def build(settings): return net(1), parts(X, 2 * K)", {"loss": "bce_with_logits"}, "found 0 to 2"),
        ("def build(settings): return net(2), parts(X, K), lambda o, t: o", {}, "must return a tensor of one number"),
        ("def build(settings): return net(2), parts(X, K)", {"loss": "model"}, r"returns no .loss"),
        ("def build(settings): return net(2), parts(X, K)", {"loss": "step"}, "no method training_step"),
        ("def build(settings): return net(2), parts(X, K)", {"metrics": ("acuracy",)}, "did you mean 'accuracy'"),
        ("def build(settings): return net(2), parts(X, K)", {"metrics": ("m.py:f",)}, "'m.py:f maximise'"),
        ("def build(settings): return net(2), {'train': (X, K), 'val': (X, K)}", {}, "mean it by 'val'"),
        ("def build(settings): return net(2), {'train': (X, K), 'validation': ((a, b) for a, b in zip(X, K))}", {},
         "can be read only once"),
        ("def build(settings): return net(2), lambda: 1 / 0", {}, "cannot be read, .*ZeroDivisionError"),
        ("def build(settings): return net(2), {n: {'inputt': x, 'labels': y} for n, (x, y) in parts(X, K).items()}", {},
         "not be run on them: TypeError"),
        ("class Bad(Dataset):\n    def __len__(self): return 9\n    def __getitem__(self, row): raise OSError('gone')\n"
         "def build(settings): return net(2), {'train': Bad(), 'validation': (X, K)}", {}, "OSError: gone"),
        ("def build(settings): return net(2), {'train': 3, 'validation': (X, K)}", {}, "is a int|holds no numbers"),
        ("def build(settings): return net(2), {'train': ['a'], 'validation': (X, K)}", {}, "holds no numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_problem_is_one_sentence(
    write: Write, source: str, own: dict[str, object], complaint: str
) -> None:
    with pytest.raises((BadOwnTask, BadTask), match=complaint):
        resolve(write(source, **own)).prepare()


def test_a_hopeless_child_cannot_be_told_where_chance_is_not_known(write: Write) -> None:
    task = write(STEP.format("step(self, batch)"))
    assert resolve(task).chance is None
    with pytest.raises(BadTask, match=r"key 'task.stop_after': .*say it with task.own.chance"):
        resolve(dataclasses.replace(task, stop_after=0.5)).prepare()


def test_a_recurrent_layers_own_rectifiers_are_said_to_stay(write: Write) -> None:
    source = """
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.act, self.last = nn.RNN(1, 8, nonlinearity="relu", batch_first=True), nn.ReLU(), nn.Linear(8, 2)
    def forward(self, x): return self.last(self.act(self.rnn(x[:, :, None])[0][:, -1]))

def build(settings): return Recurrent(), parts(X, K)
"""
    assert any("rectifiers within its nn.RNN" in sentence for sentence in resolve(write(source)).prepare())


def test_metrics_are_told_beside_the_loss(write: Write) -> None:
    source = "def worst(outputs, labels): return np.float32((outputs.squeeze(-1) - labels).abs().max())\n"
    source += "def build(settings): return net(1), parts(X, Y)"
    task = write(source, loss="mse", metrics=("r2", "rmse", "mae"))
    file = task.own.file
    task = write(source, loss="mse", metrics=("r2", "rmse", "mae", f"{file}:worst minimise"))
    found = train(task, steps=60).metrics
    labels = splits(task)["validation"]
    assert found["validation_rmse"] == pytest.approx(math.sqrt(found["validation_loss"]), rel=1e-5)
    variance = float((labels - labels.mean()).square().mean())
    assert found["validation_r2"] == pytest.approx(1 - found["validation_loss"] / variance, rel=1e-5)
    assert found["validation_worst"] > found["validation_rmse"] > found["validation_mae"]


# ---- data ----

KINDS = {
    "arrays": "{n: (x.double().numpy(), y.numpy()) for n, (x, y) in D.items()}",
    "lists": "{n: (x.tolist(), y.tolist()) for n, (x, y) in D.items()}",
    "a list of examples": "{n: list(zip(x, y)) for n, (x, y) in D.items()}",
    "TensorDataset": "{n: TensorDataset(x, y) for n, (x, y) in D.items()}",
    "Dataset": "{n: Mine(x, y) for n, (x, y) in D.items()}",
    "dictionaries of examples": "{n: [dict(input=a, labels=b, text='no') for a, b in zip(x, y)] "
    "for n, (x, y) in D.items()}",
    "dictionaries": "{n: {'input': x, 'labels': y} for n, (x, y) in D.items()}",
    "a function": "lambda: D",
}  # fmt: skip
MINE = """
class Mine(Dataset):
    def __init__(self, x, y): self.x, self.y = x, y
    def __len__(self): return len(self.x)
    def __getitem__(self, row): return self.x[row].numpy(), int(self.y[row])

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(2)
    def forward(self, input): return self.net(input)

D = parts(X, K)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_data_of_every_kind_comes_to_the_same_as_tensors(write: Write, kind: str) -> None:
    usual = train(write(MINE + "def build(settings): return Named(), D"))
    found = train(write(MINE + f"def build(settings): return Named(), {KINDS[kind]}"))
    assert found.metrics == pytest.approx(usual.metrics, rel=1e-6)


LOADERS = {
    "DataLoader": "DataLoader(TensorDataset(*D['train']), 20, shuffle=True)",
    "with a generator": "DataLoader(TensorDataset(*D['train']), 20, shuffle=True, generator=torch.Generator())",
    "an iterable data set": "Stream()",
    "anything that can be iterated again": "Again()",
}  # fmt: skip
STREAM = (
    MINE
    + """
class Stream(IterableDataset):
    def __iter__(self): return iter(zip(*D["train"]))

class Again:
    def __iter__(self): return ((a[None], b[None]) for a, b in zip(*D["train"]))
"""
)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_loader_trains_in_its_own_batches_and_alike_for_one_seed(write: Write, kind: str) -> None:
    source = STREAM + f"def build(settings): return Named(), D | {{'train': {LOADERS[kind]}}}"
    task = write(source)
    assert train(task, steps=30).metrics == train(task, steps=30).metrics
    assert train(task, steps=30).score != train(task, steps=10).score


def test_a_loader_in_another_order_for_another_seed(write: Write) -> None:
    source = MINE + f"def build(settings): return Named(), D | {{'train': {LOADERS['with a generator']}}}"
    task = resolve(write(source))
    first, second = train_population([Request("swish", seed, 4) for seed in (1, 2)], task)
    assert first.metrics["train_loss"] != second.metrics["train_loss"]


def test_a_validation_split_that_differs_at_each_reading_is_refused(write: Write) -> None:
    source = MINE.replace("return self.x[row].numpy()", "return self.x[row].numpy() + np.random.default_rng().normal()")
    source += "def build(settings): return Named(), D | {'validation': Mine(*D['validation'])}"
    with pytest.raises(BadOwnTask, match="differ"):
        resolve(write(source)).prepare()


def test_without_a_test_split_it_is_said_that_nothing_is_held_out(write: Write) -> None:
    task = write("def build(settings): return net(2), {n: p for n, p in parts(X, K).items() if n != 'test'}")
    assert any("no test split: nothing is held out" in sentence for sentence in resolve(task).prepare())
    assert "test_loss" not in train(task).metrics


def test_what_the_warm_up_cannot_read_is_said(write: Write) -> None:
    numbers = resolve(write("def build(settings): return net(1), parts(X, Y)", loss="mse")).prepare()
    assert not any("warm-up" in sentence for sentence in numbers)
    pairs = "def mine(output, target): return (output[:, 0] - target['a']).square().mean()\n"
    pairs += "def build(settings): return net(1), {n: (x, {'a': y}) for n, (x, y) in parts(X, Y).items()}"
    assert any("starts without its warm-up" in sentence for sentence in resolve(write(pairs, loss=":mine")).prepare())


# ---- outputs, steps, optimisers, precision ----


@pytest.mark.parametrize(
    "returned", ["(h, x)", "[h]", "{'logits': h, 'more': x}", "{'only': h}", "type('Output', (), {'logits': h})()"]
)
def test_an_output_of_any_kind_is_read(write: Write, returned: str) -> None:
    source = MINE.replace("return self.net(input)", "\n        h, x = self.net(input), input\n        return {}")
    usual = train(write(source.format("h") + "def build(settings): return Named(), D"))
    found = train(write(source.format(returned) + "def build(settings): return Named(), D"))
    assert found.metrics == usual.metrics


def test_several_inputs_are_the_arguments_of_the_network(write: Write) -> None:
    task = write("""
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.act, self.last = nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)
    def forward(self, a, b): return self.last(self.act(self.left(a + b)))

def build(settings): return Two(), {n: (x, -x / 2, y) for n, (x, y) in parts(X, K).items()}
""")
    assert train(task).score is not None


STEP = """
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(2)
    def {}:
        x, y = batch
        return F.cross_entropy(self.net(x), y)

def build(settings): return Mine(), parts(X, K)
"""


@pytest.mark.parametrize("method", ["step(self, batch)", "training_step(self, batch, index)"])
def test_a_network_may_compute_its_own_loss(write: Write, method: str) -> None:
    usual = train(write("def build(settings): return net(2), parts(X, K)", loss="cross_entropy"))
    found = train(write(STEP.format(method)))
    assert found.score == pytest.approx(usual.score, rel=1e-5)
    assert found.metrics.keys() == {"train_loss", "validation_loss", "test_loss"}


OPTIMISERS = {
    "an optimizer": "torch.optim.SGD(model.parameters(), 0.1)",
    "and a schedule": "(lambda o: (o, torch.optim.lr_scheduler.LinearLR(o)))(torch.optim.SGD(model.parameters(), 0.1))",
    "as Lightning": "(lambda o: ([o], [torch.optim.lr_scheduler.StepLR(o, 1)]))(torch.optim.SGD(model.parameters()))",
}


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_an_optimiser_of_ones_own_is_taken_as_it_is(write: Write, kind: str) -> None:
    source = f"def mine(model, steps): return {OPTIMISERS[kind]}\ndef build(settings): return net(2), parts(X, K)"
    found = train(write(source, optimiser=":mine"), steps=1)
    assert found.score != train(write(source), steps=1).score
    assert found.score == train(write(source, optimiser=":mine"), steps=1).score


def test_one_step_of_an_optimiser_of_ones_own_is_torchs(write: Write) -> None:
    source = "def mine(model, steps): return torch.optim.SGD(model.parameters(), 0.25)\n"
    source += "def build(settings): return net(2), parts(X, K)"
    task = resolve_network(write(source, optimiser=":mine"))
    with torch.random.fork_rng(devices=[]):
        untrained = task.build(BUILT_IN.read("tanh"), seed=3)
        before = {name: part.detach().clone() for name, part in untrained.network.named_parameters()}
        child = task.child(untrained, BUILT_IN.read("tanh"), steps=1)
        child.advance(1)
    moved = [(part.detach() - before[name]).norm() for name, part in untrained.network.named_parameters()]
    assert float(torch.stack(moved).norm()) <= 0.25 * 1.0 + 1e-6  # the gradient's norm is clipped at 1


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("3", "must return one optimizer"),
        ("torch.optim.LBFGS(model.parameters())", "calls the loss again and again"),
        ("(torch.optim.SGD(model.parameters(), 0.1), 3)", "found SGD and int"),
        ("(lambda o: (o, torch.optim.lr_scheduler.ReduceLROnPlateau(o)))(torch.optim.SGD(model.parameters(), 0.1))",
         "waits for scores"),
    ],
)  # fmt: skip
def test_an_optimiser_that_cannot_be_used_is_one_sentence(write: Write, returned: str, complaint: str) -> None:
    source = f"def mine(model, steps): return {returned}\ndef build(settings): return net(2), parts(X, K)"
    with pytest.raises(BadOwnTask, match=complaint):
        resolve(write(source, optimiser=":mine")).prepare()


def test_gradients_of_several_batches_make_one_step(write: Write) -> None:
    source = "def mine(model, steps): return torch.optim.SGD(model.parameters(), 0.1)\n"
    source += "def build(settings): return net(2), parts(X, K)"
    small = train(write(source, batch=10, optimiser=":mine", accumulate=2), steps=5)
    large = train(write(source, batch=20, optimiser=":mine"), steps=5)
    assert small.score == pytest.approx(large.score, rel=1e-5)  # the same examples, in the same order


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_precision_is_a_setting_and_changes_last_digits_alone(write: Write, precision: str) -> None:
    task = write("def build(settings): return net(2), parts(X, K)")
    usual = train(task)
    found = train(TaskSettings(name="own", batch=20, own=task.own, precision=precision))  # type: ignore[arg-type]
    assert found.score != usual.score
    assert found.score == pytest.approx(usual.score, rel=1e-4 if precision == "float64" else 0.05)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_a_network_of_another_type_stays_of_it_with_any_candidate(write: Write, dtype: str) -> None:
    data = f"{{n: (x.to(torch.{dtype}), y) for n, (x, y) in parts(X, K).items()}}"
    task = write(f"def build(settings): return net(2).to(torch.{dtype}), {data}")
    assert train(task, "prelu").score is not None
    assert train(task, "relu").score is not None


def test_a_sparse_embedding_works_or_is_one_sentence(write: Write) -> None:
    source = """
class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.act, self.last = nn.EmbeddingBag(9, 6, sparse=True), nn.ReLU(), nn.Linear(6, 2)
    def forward(self, x): return self.last(self.act(self.words(x)))

W = torch.randint(0, 9, (300, 5), generator=G)
def build(settings): return Words(), parts(W, K)
"""
    with pytest.raises(BadOwnTask, match=r"the gradient of 'words.weight' is sparse"):
        resolve(write(source)).prepare()


LARGE = """
import os
from pathlib import Path

def make():
    with Path({file!r}).open("a") as file:
        file.write(f"{{os.getpid()}}\\n")
    return parts(X.repeat(1, 3)[:, :6], K)

def build(settings): return net(2), make
"""


def test_large_data_are_made_once_and_looked_at_by_every_worker(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = write(LARGE.format(file=str(tmp_path / "calls")))
    requests = [Request(text, 1, 4, test=True) for text in ("swish", "relu", "tanh")]
    alone = [outcome.metrics for outcome in train_population(requests, resolve(task))]
    (tmp_path / "calls").unlink()
    problem.cache_clear()
    monkeypatch.setattr(sharing.packed, "__defaults__", (0.0,))
    with RayPool(resolve(task), PoolSettings(workers=2)) as pool:
        found = dict(pool.evaluate(requests))
    assert [found[index].metrics for index in range(3)] == alone
    assert set((tmp_path / "calls").read_text().split()) == {str(os.getpid())}


def test_what_arrays_cannot_hold_is_made_by_each_worker(write: Write) -> None:
    assert sharing.packed(write("def build(settings): return net(2), parts(X, K)")) is None  # small
    loader = "def build(settings): return Named(), D | {'train': DataLoader(TensorDataset(*D['train']), 20)}"
    assert sharing.packed(write(MINE + loader), large=0) is None
    half = "def build(settings): return net(2).bfloat16(), {n: (x.bfloat16(), y) for n, (x, y) in parts(X, K).items()}"
    assert sharing.packed(write(half), large=0) is None


def test_shared_data_are_the_same_whatever_their_structure(write: Write) -> None:
    task = write(MINE + f"def build(settings): return Named(), {KINDS['dictionaries']}")
    found = sharing.packed(task, large=0)
    assert found is not None
    usual = problem(task).data
    sharing.share(task, found)
    problem.cache_clear()
    try:
        assert problem(task).data is not usual
        assert problem(task).data.digest == usual.digest
        assert problem(task).data.train.first(1).inputs.keys() == {"input"}
    finally:
        SHARED.clear()
        problem.cache_clear()


# ---- met by trying to break it ----


def test_chance_is_of_all_labels_however_they_are_sorted(write: Write) -> None:
    source = """
def build(settings):
    x, y = torch.randn(6000, 6, generator=G), torch.arange(6000) // 1500
    return net(4), {"train": (x, y), "validation": (x[:1000], torch.arange(1000) % 4)}
"""
    assert resolve(write(source)).chance == pytest.approx(math.log(4), rel=1e-3)


def test_chance_of_labels_at_every_position_is_one_for_all_positions(write: Write) -> None:
    source = """
class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(30)
    def forward(self, x): return self.net(x)

def build(settings):
    x, y = torch.randn(60, 10, 6, generator=G), torch.randint(0, 30, (60, 10), generator=G)
    return Tokens(), {"train": (x[:40], y[:40]), "validation": (x[40:], y[40:])}
"""
    assert resolve(write(source)).chance == pytest.approx(math.log(30), abs=0.1)


def test_half_precision_leaves_targets_their_digits(write: Write) -> None:
    source = """
def build(settings):
    model = net(1)
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.fill_(1000.0)
    return model, parts(X, 1000 + Y)
"""
    task = write(source, loss="mse")
    half = dataclasses.replace(task, precision="bfloat16", learning_rate=1e-9)
    targets = splits(task)["validation"]
    assert train(half, steps=1).score == pytest.approx(float((1000 - targets).square().mean()), rel=1e-3)


@pytest.mark.filterwarnings("ignore:Using a target size")  # torch says it too, once, among much else
@pytest.mark.parametrize("loss", ["nn.MSELoss()", "lambda o, t: ((o - t) ** 2).mean()"])
def test_a_loss_that_repeats_outputs_and_labels_is_refused(write: Write, loss: str) -> None:
    with pytest.raises(BadOwnTask, match=r"makes outputs \(20, 1\) fit labels \(20,\) by repeating both"):
        resolve(write(f"def build(settings): return net(1), parts(X, Y), {loss}")).prepare()


def test_a_loss_with_weights_of_its_own_is_refused_and_one_with_constants_is_taken(write: Write) -> None:
    with pytest.raises(BadOwnTask, match="has weights of its own, which nothing would train"):
        resolve(write("def build(settings): return net(2), parts(X, K), nn.Sequential(nn.Linear(2, 1))")).prepare()
    task = write("def build(settings): return net(2), parts(X, K), nn.CrossEntropyLoss(torch.tensor([1.0, 2.0]))")
    assert train(task).score is not None
    assert train(dataclasses.replace(task, precision="float64")).score is not None


def test_a_metric_is_of_what_the_network_returned(write: Write) -> None:
    source = "def spoil(output, target):\n    output -= target[:, None]\n    return (output ** 2).mean()\n"
    source += "def mine(outputs, labels): return float(((outputs[:, 0] - labels) ** 2).mean())\n"
    source += "def build(settings): return net(1), parts(X, Y)"
    file = write(source, loss=":spoil").own.file
    found = train(write(source, loss=":spoil", metrics=(f"{file}:mine minimise",))).metrics
    assert found["validation_mine"] == pytest.approx(found["validation_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("source", "own", "complaint"),
    [
        ("def build(settings): return net(1), parts(X, Y)", {"loss": "mse", "metrics": ("accuracy",)},
         "of classes alone"),
        (STEP.format("training_step(self, batch, index)") + "Mine.configure_optimizers = lambda self: 1 / 0", {},
         "ZeroDivisionError"),
        ("class Endless(IterableDataset):\n    def __iter__(self):\n        while True: yield X[0], K[0]\n"
         "def build(settings): return net(2), {'train': (X, K), 'validation': Endless()}", {}, "ever end"),
    ],
)  # fmt: skip
def test_further_mistakes_are_one_sentence(write: Write, source: str, own: dict[str, object], complaint: str) -> None:
    with pytest.raises((BadOwnTask, BadTask), match=complaint):
        resolve(write(source, **own)).prepare()


def test_labels_of_unsigned_numbers_and_complex_weights_are_taken(write: Write) -> None:
    assert train(write("def build(settings): return net(2), {n: (x.numpy(), y.numpy().astype(np.uint16)) "
                       "for n, (x, y) in parts(X, K).items()}")).score is not None  # fmt: skip
    source = """
class Waves(nn.Module):
    def __init__(self):
        super().__init__()
        self.phase, self.act, self.last = nn.Parameter(torch.ones(6, dtype=torch.cfloat)), nn.ReLU(), nn.Linear(6, 2)
    def forward(self, x): return self.last(self.act((x * self.phase).real))

def build(settings): return Waves(), parts(X, K)
"""
    task = write(source)
    resolve(TaskSettings(name="own", batch=20, own=dataclasses.replace(task.own, dimension=1))).prepare()


def test_a_batch_as_long_as_there_are_classes_is_read_as_all_others(write: Write) -> None:
    source = """
class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 3))
    def forward(self, x): return self.net(x[..., None])

def batches():
    return [(X[8 * i : 8 * i + 8, : 2 + i % 4], (X[8 * i : 8 * i + 8, : 2 + i % 4] > 0).long()) for i in range(12)]

class Again:
    def __iter__(self): return iter(batches())

def build(settings): return Tagger(), {"train": Again(), "validation": Again()}
"""
    assert train(write(source), steps=8).metrics["validation_accuracy"] > 0.3
