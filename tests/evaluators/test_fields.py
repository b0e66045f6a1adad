"""Problems that people of neighbouring fields bring: each trains, or one sentence names the way out."""

import dataclasses
import math
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from torch import nn

import actsearch
from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.contained import contained
from actsearch.evaluators.layout import Layouts
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.own.objectives import loss_in
from actsearch.evaluators.own.problem import problem
from actsearch.evaluators.own.score_task import told
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.registry import resolve, resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.task import FAR, BadTask, far_above_chance
from actsearch.evaluators.training import train_population
from actsearch.search.jobs import launch
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.progress import NothingScored
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.settings.reading import from_tree

Write = Callable[..., TaskSettings]
HEAD = """
import math
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

G = torch.Generator().manual_seed(0)
X = torch.randn(300, 6, generator=G)
Y = X[:, :3].sum(1) - X[:, 3:].prod(1)
K = (Y > 0).long()

def parts(x, y):
    return {name: (x[rows], y[rows]) for name, rows in
            {"train": slice(200), "validation": slice(200, 250), "test": slice(250, 300)}.items()}

def net(outputs, act=nn.ReLU):
    return nn.Sequential(nn.Linear(6, 8), act(), nn.Linear(8, outputs))

"""
PHYSICS = """
class Physics(nn.Module):  # u'' = -u on [0, 3], u(0) = 0, u'(0) = 1
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    def step(self, batch):
        t = batch[0].requires_grad_(True)
        u = self.net(t)
        du = torch.autograd.grad(u.sum(), t, create_graph=True)[0]
        ddu = torch.autograd.grad(du.sum(), t, create_graph=True)[0]
        return ((ddu + u) ** 2).mean()

def build(settings):
    t = torch.linspace(0, 3, 120)[:, None]
    return Physics(), {"train": (t[::2], t[::2]), "validation": (t[1::2], t[1::2])}
"""
FORCES = """
class Forces(nn.Module):  # a forward pass that differentiates: forces are the slope of an energy
    def __init__(self):
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 1))
    def forward(self, x):
        x = x.requires_grad_(True)
        return -torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)[0]

def build(settings):
    return Forces(), parts(X, -2 * X)
"""
GRAPH = """
class Graph(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.act, self.last = nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)
    def forward(self, x, edge_index):
        h = self.act(self.first(x))
        return self.last(torch.zeros_like(h).index_add(0, edge_index[1], h[edge_index[0]]))

def build(settings):
    edges = torch.randint(300, (2, 900), generator=torch.Generator().manual_seed(1))
    graph = {"x": X, "edge_index": edges, "labels": K}
    loader = DataLoader([graph], batch_size=None)
    return Graph(), {"train": loader, "validation": loader}
"""
EXPERTS = """
class Experts(nn.Module):  # routed to one of four, the last of which few examples take
    def __init__(self):
        super().__init__()
        self.route = nn.Linear(6, 4)
        with torch.no_grad():
            found = self.route(X)
            self.route.bias[3] += (found[:, :3].amax(1) - found[:, 3]).quantile(0.05)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)) for _ in range(4))
    def forward(self, x):
        chances = self.route(x).softmax(-1)
        best = chances.argmax(-1)
        out = x.new_zeros(len(x), 2)
        for number, expert in enumerate(self.experts):
            rows = (best == number).nonzero()[:, 0]
            if len(rows):
                out = out.index_add(0, rows, expert(x[rows]) * chances[rows, number, None])
        return out

def build(settings):
    return Experts(), parts(X, K)
"""
SIREN = """
class Sine(nn.Module):
    def __init__(self, w0=30.0):
        super().__init__()
        self.w0 = w0
    def forward(self, x):
        return torch.sin(self.w0 * x)

def build(settings):
    return nn.Sequential(nn.Linear(6, 16), Sine(), nn.Linear(16, 16), Sine(), nn.Linear(16, 2)), parts(X, K)
"""
GPT = """
class GPT(nn.Module):  # takes targets and returns (logits, loss), logits of the last place alone without them
    def __init__(self):
        super().__init__()
        self.embed, self.act, self.last = nn.Embedding(16, 8), nn.GELU(), nn.Linear(8, 16)
    def forward(self, idx, targets=None):
        h = self.act(self.embed(idx))
        if targets is None:
            return self.last(h[:, [-1]]), None
        logits = self.last(h)
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())

IDX = torch.randint(16, (300, 5), generator=G)
"""
DETECTOR = """
class Detector(nn.Module):  # a dictionary of losses in training, predictions in evaluation
    def __init__(self):
        super().__init__()
        self.net = net(2)
    def forward(self, x, targets):
        out = self.net(x)
        losses = {"loss_class": F.cross_entropy(out, targets), "loss_size": out.square().mean()}
        return RETURNED

def build(settings):
    return Detector(), {name: {"x": x, "targets": k} for name, (x, k) in parts(X, K).items()}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(source: str, batch: int = 20, steps: int = 8, **own: Any) -> TaskSettings:
        path = tmp_path / f"field{abs(hash(source)) % 10**8}.py"
        path.write_text(HEAD + textwrap.dedent(source))
        settings = OwnSettings(build=f"{path}:build", **own)
        return TaskSettings(name="own", batch=batch, steps=steps, own=settings)

    return written


def train(task: TaskSettings, text: str = "swish", steps: int = 8) -> tuple[Outcome, list[str]]:
    notes = resolve(task).prepare()
    (outcome,) = train_population([Request(text, 1, steps, test=True)], resolve(task))
    return outcome, notes


def places(task: TaskSettings) -> int:
    with contained(0):
        return len(resolve_network(task).build(BUILT_IN.read("swish"), 0).layers)


@pytest.mark.parametrize("text", ["swish", "gelu", "mul(x,sigmoid(scale(x)))", "sin(x)"])
def test_a_physics_informed_network_is_scored_with_gradients(write: Write, text: str) -> None:
    outcome, notes = train(write(PHYSICS), text)
    assert outcome.status is Status.SCORED, outcome.reason
    assert any("the candidate takes the place of torch.nn.Tanh and F.tanh" in note for note in notes)


def test_a_physics_informed_network_is_scored_by_its_own_residual(write: Write) -> None:
    task = write(PHYSICS)
    network = resolve_network(task)
    with contained(0):
        untrained = network.build(BUILT_IN.read("tanh"), 3)
    found = network.objective.metrics(untrained.network, network.data.validation)["loss"]
    t = torch.linspace(0, 3, 120)[1::2, None].requires_grad_(True)
    u = untrained.network.model.net(t)  # type: ignore[union-attr, operator]
    (du,) = torch.autograd.grad(u.sum(), t, create_graph=True)
    (ddu,) = torch.autograd.grad(du.sum(), t)
    assert found == pytest.approx(float(((ddu + u) ** 2).mean().detach()), rel=1e-5)


def test_a_network_whose_forward_pass_differentiates_learns_forces(write: Write) -> None:
    outcome, _ = train(write(FORCES, loss="mse"), steps=300)
    assert outcome.score is not None
    assert outcome.score < 0.9 * float(4 * torch.ones(()))  # the variance of the forces


def test_a_loader_may_yield_one_whole_graph(write: Write) -> None:
    task = write(GRAPH)
    outcome, _ = train(task, steps=30)
    assert outcome.status is Status.SCORED
    data = resolve_network(task).data
    (batch,) = data.validation.parts()
    assert (len(batch), batch.inputs["edge_index"].shape) == (300, (2, 900))
    assert outcome.score < math.log(2)  # type: ignore[operator]


def test_a_whole_graph_that_no_loader_yields_is_said_how(write: Write) -> None:
    graph = GRAPH.replace('{"train": loader, "validation": loader}', '{"train": graph, "validation": graph}')
    with pytest.raises(BadOwnTask, match=r"DataLoader\(\[graph\], batch_size=None\)"):
        resolve(write(graph)).prepare()


def test_experts_that_few_examples_take_are_replaced(write: Write) -> None:
    task = write(EXPERTS)
    outcome, _ = train(task)
    assert outcome.status is Status.SCORED
    assert places(task) == 4


def test_an_expert_that_nothing_reaches_is_refused(write: Write) -> None:
    with pytest.raises(BadOwnTask, match=r"layer 'experts.3.1' of the network is not used"):
        resolve(write(EXPERTS.replace("quantile(0.05)", "min() - 9"))).prepare()


@pytest.mark.parametrize("kind", ["frame and series", "frame and frame", "mixed", "array alone"])
def test_data_frames_and_series_are_read_as_their_numbers(write: Write, kind: str) -> None:
    source = {
        "frame and series": "frame, frame['y'] > 0",
        "frame and frame": "frame[list('abcdef')], frame[['y']]",
        "mixed": "frame.assign(a=(frame['a'] > 0)), frame['y']",
        "array alone": "frame.to_numpy(), frame['y'].to_numpy()",
    }[kind]
    x, y = source.split(", ", 1)
    task = write(f"""
import pandas
def build(settings):
    frame = pandas.DataFrame(X.numpy(), columns=list("abcdef"))
    frame["y"] = Y.numpy()
    x, y = {x}, {y}
    return nn.Sequential(nn.Linear(np.asarray(x).shape[1], 8), nn.ReLU(), nn.Linear(8, 1)), {{
        "train": (x[:200], y[:200]), "validation": (x[200:], y[200:])}}
""", loss="bce_with_logits" if kind == "frame and series" else "mse")  # fmt: skip
    outcome, _ = train(task)
    assert outcome.status is Status.SCORED
    assert resolve_network(task).data.train.first(1).inputs.dtype is torch.float32


def test_a_column_of_text_is_named(write: Write) -> None:
    task = write("""
import pandas
def build(settings):
    frame = pandas.DataFrame({"a": np.arange(300.0), "city": ["Rome"] * 300})
    return net(1), {"train": (frame[:200], Y[:200]), "validation": (frame[200:], Y[200:])}
""", loss="mse")  # fmt: skip
    with pytest.raises(BadOwnTask, match=r"column 'city' \((object|str|string)\) is text"):
        resolve(task).prepare()


def test_sines_of_a_coordinate_network_are_replaced_behind_their_scale(write: Write) -> None:
    called = write(SIREN, replace=("torch.sin",))
    outcome, _ = train(called, "swish")
    assert outcome.status is Status.SCORED
    assert places(called) == 2
    x = torch.linspace(-1, 1, 24).view(4, 6)
    with contained(0):
        network = resolve_network(called).build(BUILT_IN.read("sin(x)"), 0).network
    model = network.model
    expected = model[4](torch.sin(30 * model[2](torch.sin(30 * model[0](x)))))  # type: ignore[index, operator]
    torch.testing.assert_close(network(x), expected)


def test_a_layer_whose_own_numbers_vanish_with_it_is_said(write: Write) -> None:
    _, notes = train(write(SIREN, replace=("Sine",)))
    (note,) = [note for note in notes if "w0 = 30.0" in note]
    assert "name the function that it calls instead, such as task.own.replace: [torch.sin]" in note


def test_functions_that_cannot_be_replaced_are_told_from_those_that_can(write: Write) -> None:
    with pytest.raises(
        BadOwnTask, match=r"'torch\.matmul' is no function that can be replaced; expected one of .*torch\.sin"
    ):
        resolve(write(SIREN, replace=("torch.matmul",))).prepare()


@pytest.mark.parametrize(
    ("layer", "name"), [("nn.GELU", "gelu"), ("nn.SiLU", "silu"), ("nn.ELU", "elu"), ("nn.Tanh", "tanh")]
)
def test_the_one_known_activation_of_a_network_is_replaced_and_is_the_incumbent(
    write: Write, layer: str, name: str, tmp_path: Path
) -> None:
    task = write(f"def build(settings): return net(2, {layer}), parts(X, K)")
    outcome, notes = train(task)
    assert outcome.status is Status.SCORED
    assert any("the network has no rectifier" in note and name in note for note in notes)
    tree = {"task": {"name": "own", "steps": 2, "own": {"build": task.own.build}}, "pool": {"kind": "serial"},
            "budget": {"children": 2, "batch": 2}, "ladder": [], "final": {"top": 1, "seeds": 1, "steps": 2},
            "proposer": {"name": "random"}, "baselines": ["relu"]}  # fmt: skip
    launch(plan_of(from_tree(tree)), tmp_path / "run")
    with Store(tmp_path / "run") as store:
        board = leaderboard(store)
    assert next(entry for entry in board.entries if entry.fingerprint == board.incumbent).names[0] == name
    launch(plan_of(from_tree(tree)), tmp_path / "run")  # the same settings go on with it


def test_of_several_activations_none_is_taken_unasked(write: Write) -> None:
    source = (
        "def build(settings): return nn.Sequential(nn.Linear(6, 4), nn.GELU(), nn.SiLU(), nn.Linear(4, 2)), parts(X, K)"
    )
    with pytest.raises(BadOwnTask, match=r"has no layer torch\.nn\.ReLU or F\.relu to replace"):
        resolve(write(source)).prepare()


def test_a_network_that_returns_a_dictionary_of_losses_is_trained_by_their_sum(write: Write) -> None:
    task = write(DETECTOR.replace("RETURNED", "losses"))
    outcome, _ = train(task)
    with contained(0):
        network = resolve_network(task).build(BUILT_IN.read("relu"), 1).network.eval()
    batch = resolve_network(task).data.validation.first(50)
    with torch.no_grad():
        losses = network(**batch.inputs)
    assert float(problem(resolve(task).settings).objective.loss(losses, batch)) == pytest.approx(
        float(losses["loss_class"] + losses["loss_size"])
    )
    assert outcome.status is Status.SCORED


def test_a_detector_that_returns_predictions_in_evaluation_is_told_of_step(write: Write) -> None:
    source = DETECTOR.replace("RETURNED", 'losses if self.training else [{"boxes": out}]')
    with pytest.raises(BadOwnTask, match=r"a method step\(batch\) that returns its loss in evaluation too"):
        resolve(write(source, loss="model")).prepare()


def test_a_loader_without_a_batch_says_which_and_why(write: Write) -> None:
    source = """
def build(settings):
    few = DataLoader(TensorDataset(X[:10], K[:10]), batch_size=64, drop_last=True)
    return net(2), {"train": (X, K), "validation": few}
"""
    complaint = r"data\['validation'\] yields no batch: it has 10 examples, a batch has 64, and drop_last"
    with pytest.raises(BadOwnTask, match=complaint):
        resolve(write(source)).prepare()


def test_a_head_that_is_used_in_training_alone_is_told_with_the_others(write: Write) -> None:
    source = """
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.act, self.last = nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    def forward(self, x):
        h = self.act(self.body(x))
        return self.last(h) + (0.1 * self.head(h) if self.training else 0)
def build(settings): return Two(), parts(X, K)
"""
    with pytest.raises(BadOwnTask) as complaint:
        resolve(write(source)).prepare()
    assert re.search(r"layer 'head.1' .*not used when it runs on its data in evaluation.*choose", str(complaint.value))


def test_a_pair_where_the_network_takes_the_targets_itself_is_told_of_dictionaries(write: Write) -> None:
    pair = write(GPT + "def build(settings): return GPT(), parts(IDX[:, :4], IDX[:, 1:])\n")
    with pytest.raises(BadOwnTask, match=r"takes 'targets' itself: give dictionaries, {'idx': x, 'targets': y}"):
        resolve(pair).prepare()
    both = "{'idx': x, 'targets': y}"
    source = (
        f"def build(settings): return GPT(), {{n: {both} for n, (x, y) in parts(IDX[:, :4], IDX[:, 1:]).items()}}\n"
    )
    outcome, _ = train(write(GPT + source))
    assert outcome.status is Status.SCORED


@pytest.mark.parametrize(
    ("source", "own", "said"),
    [
        ("def build(settings): return nn.Sequential(net(2), nn.Softmax(-1)), parts(X, K)", {}, "ends in a softmax"),
        ("def build(settings): return nn.Sequential(net(1), nn.Sigmoid()), parts(X, K)",
         {"loss": "bce_with_logits"}, "ends in a sigmoid"),
        ("class Last(nn.Module):\n    def forward(self, x): return torch.sigmoid(x)\n"
         "def build(settings): return nn.Sequential(net(1), Last()), parts(X, K)",
         {"loss": "bce_with_logits"}, "ends in a sigmoid"),
    ],
)  # fmt: skip
def test_a_network_that_ends_in_what_its_loss_does_is_told_before_training(
    write: Write, source: str, own: dict[str, str], said: str
) -> None:
    _, notes = train(write(source, **own))
    assert any(said in note for note in notes)
    plain = source.replace(", nn.Softmax(-1)", "").replace(", nn.Sigmoid()", "").replace(", Last()", "")
    _, notes = train(write(plain, **own))
    assert not any("ends in a" in note for note in notes)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_loss_that_adds_up_over_a_batch_is_scored_an_example_and_told(write: Write, reduction: str) -> None:
    source = f"""
def squared(output, labels): return F.mse_loss(output[:, 0], labels, reduction="{reduction}")
def build(settings): return net(1), parts(X, Y), squared
"""
    task = write(source)
    outcome, notes = train(task)
    network = resolve_network(task)
    with contained(0):
        untrained = network.build(BUILT_IN.read("relu"), 1).network
    every = network.data.validation.first(50)
    expected = float((untrained.eval()(every.inputs)[:, 0] - every.labels).square().mean().detach())
    assert network.objective.metrics(untrained, network.data.validation)["loss"] == pytest.approx(expected, rel=1e-5)
    assert any("is the sum over a batch" in note for note in notes) == (reduction == "sum")
    assert outcome.score is not None


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')"])
@pytest.mark.parametrize(("split", "part"), [("train", "inputs"), ("validation", "inputs"), ("test", "labels")])
def test_a_number_that_is_none_is_told_with_its_split_row_and_column(
    write: Write, split: str, part: str, value: str
) -> None:
    start = {"train": 0, "validation": 200, "test": 250}[split]
    broken = f"x[{start + 7}, 3] = {value}" if part == "inputs" else f"y[{start + 7}] = {value}"
    source = f"def build(settings):\n    x, y = X.clone(), Y.clone()\n    {broken}\n    return net(1), parts(x, y)\n"
    column = ", column 3" if part == "inputs" else ""
    number = "nan" if "nan" in value else "inf"
    with pytest.raises(
        BadOwnTask, match=rf"data\['{split}'\] holds {number} in its {part}, row 7{column}, and the loss"
    ):
        resolve(write(source, loss="mse")).prepare()


def test_a_network_that_takes_missing_numbers_may_have_them(write: Write) -> None:
    source = """
class Filled(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(2)
    def forward(self, x): return self.net(x.nan_to_num())
def build(settings):
    x = X.clone()
    x[3, 2] = float("nan")
    return Filled(), parts(x, K)
"""
    outcome, notes = train(write(source))
    assert outcome.status is Status.SCORED
    assert any("holds nan in its inputs, row 3, column 2, which the network takes" in note for note in notes)


def test_a_search_whose_baselines_all_fail_ends(tmp_path: Path) -> None:
    path = tmp_path / "fails.py"
    path.write_text("def score(make, seed, budget): return float('nan')\n")
    tree = {"task": {"name": "own", "own": {"score": f"{path}:score"}}, "pool": {"kind": "serial"},
            "budget": {"children": 50}, "proposer": {"name": "random"}, "baselines": ["relu", "gelu"]}  # fmt: skip
    with pytest.raises(NothingScored, match=r"the search ends here: not one of 2 trainings .*diverged: .*returned nan"):
        launch(plan_of(from_tree(tree)), tmp_path / "run")
    with Store(tmp_path / "run") as store:
        assert len(store.outcomes()) == 2


@pytest.mark.parametrize(("loss", "chance", "is_far"), [(1.2, 1.1, False), (111.0, 1.1, True), (1e26, None, False)])
def test_a_loss_far_above_that_of_a_network_that_knows_nothing_is_no_score(
    loss: float, chance: float | None, is_far: bool
) -> None:
    assert bool(far_above_chance({"validation_loss": loss}, chance)) == is_far
    assert bool(far_above_chance({"validation_loss": 1.0, "test_loss": loss}, chance)) == is_far
    found = told({"validation": loss}, 1, 0.0, test=False, had_no_part=False, by="it", chance=chance)
    assert (found.status is Status.DIVERGED) == is_far
    assert not is_far or f"over {FAR:g} times" in found.reason


def test_a_child_whose_loss_explodes_in_evaluation_has_diverged() -> None:
    (outcome,) = train_population([Request("squared_relu", 1, 12)], resolve(TaskSettings(steps=12, batch=32)))
    assert (outcome.status, outcome.score) == (Status.DIVERGED, None)
    assert "over 100 times" in outcome.reason


def test_a_trials_activation_is_a_class_that_libraries_can_call_as_they_like(tmp_path: Path) -> None:
    study = actsearch.Study(tmp_path, proposer="random", children=1, changes=["ladder=[]", "baselines=[relu]"])
    with torch.random.fork_rng():  # a trial seeds the global generators
        trial = next(trials := study.trials())
    kind = trial.activation
    assert isinstance(kind, type)
    assert issubclass(kind, nn.Module)
    assert repr(kind) == trial.activation.text == "relu(x)"
    for layer in (kind(), kind(inplace=True), kind(8), kind(8, -1), kind(channels=8, dimension=1)):
        assert isinstance(layer, nn.Module)
        torch.testing.assert_close(layer(torch.tensor([[-1.0] * 8, [2.0] * 8])), torch.tensor([[0.0] * 8, [2.0] * 8]))
        layer(input=torch.ones(2, 8))
    trial.failed("enough")
    trials.close()


def test_the_maker_of_a_score_is_such_a_class_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\n"
        "def score(make, seed, budget):\n"
        "    assert isinstance(make, type)\n"
        "    net = torch.nn.Sequential(torch.nn.Linear(2, 3), make(), torch.nn.Linear(3, 1))\n"
        "    loss = net(torch.ones(4, 2)).square().mean()\n"
        "    loss.backward()\n"
        "    return loss\n"
    )
    task = TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))
    (outcome,) = train_population([Request("swish", 1, 2)], resolve(task))
    assert (outcome.status, outcome.metrics.get("candidate_had_no_part")) == (Status.SCORED, None)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"name": "own", "own": {"bild": "a.py:b"}}, "unknown key 'task.own.bild'; did you mean 'build'?"),
        ({"steps": "many"}, 'key \'task.steps\': expected a valid integer, found "many"'),
        ({"own": 3}, "key 'task.own': expected a section of keys, found 3"),
        ({"precison": "float32"}, "unknown key 'task.precison'; did you mean 'precision'?"),
    ],
)  # fmt: skip
def test_settings_made_in_python_take_dictionaries_and_say_faults_in_a_sentence(
    given: dict[str, Any], complaint: str
) -> None:
    made = actsearch.TaskSettings(name="own", own={"build": "a.py:b", "replace": ["torch.nn.GELU"]})  # type: ignore[arg-type]
    assert made.own == actsearch.OwnSettings(build="a.py:b", replace=("torch.nn.GELU",))
    with pytest.raises(actsearch.UserFault, match=re.escape(complaint)):
        actsearch.TaskSettings(**given)


def test_a_task_of_ones_own_is_evaluated_from_python(write: Write) -> None:
    made = write("def build(settings): return net(2), parts(X, K)")
    settings = actsearch.load(None, "pool.kind=serial")
    task = actsearch.TaskSettings(name="own", steps=3, batch=20, own={"build": made.own.build})  # type: ignore[arg-type]
    (found,) = actsearch.evaluate(["gelu"], settings, task=task, seeds=2)
    assert all(outcome.score is not None for outcome in found.outcomes)
    assert (np.__name__, pandas.__name__, BadTask.__name__) == ("numpy", "pandas", "BadTask")


def test_losses_of_training_are_told_an_example_where_they_add_up(write: Write) -> None:
    source = """
def squared(output, labels): return F.mse_loss(output[:, 0], labels, reduction="REDUCTION")
def build(settings): return net(1), parts(X, Y), squared
"""
    added, mean = (write(source.replace("REDUCTION", reduction)) for reduction in ("sum", "mean"))
    sums, means = (train(task, steps=1)[0] for task in (added, mean))
    assert sums.metrics["train_loss"] == pytest.approx(means.metrics["train_loss"], rel=1e-5)
    stopping = dataclasses.replace(added, stop_after=0.5, steps=60)
    (outcome,) = train_population([Request("gelu", 1, 60)], resolve(stopping))
    assert outcome.status is Status.SCORED, outcome.reason


def test_a_penalty_beside_the_output_is_not_taken_for_the_loss(write: Write) -> None:
    source = """
class Routed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(2)
    def forward(self, x):
        found = self.net(x)
        return found, found.softmax(-1).mean(0).square().sum()
def build(settings):
    return Routed(), {name: {"x": x, "labels": y} for name, (x, y) in parts(X, K).items()}
"""
    task = write(source)
    assert resolve(task).unit == "nats"
    outcome, _ = train(task)
    assert outcome.metrics["validation_accuracy"] > 0


def test_a_total_among_losses_counts_once(write: Write) -> None:
    total = torch.tensor(3.0)
    parts = {"loss_class": torch.tensor(1.0), "loss_size": torch.tensor(2.0)}
    assert loss_in(parts) == total
    assert loss_in({**parts, "total_loss": total}) == total


def test_labels_that_are_missing_and_masked_are_taken(write: Write) -> None:
    source = """
def masked(output, labels):
    known = ~labels.isnan()
    return (output[:, 0][known] - labels[known]).square().mean()
def build(settings):
    y = Y.clone()
    y[5] = y[210] = float("nan")
    return net(1), parts(X, y), masked
"""
    outcome, notes = train(write(source))
    assert outcome.status is Status.SCORED
    assert any("holds nan in its labels, row 5" in note and "its loss is finite" in note for note in notes)


@pytest.mark.parametrize("layer", ["nn.CELU", "nn.RReLU", "nn.Hardtanh"])
def test_what_no_known_activation_computes_is_not_called_the_networks_own(
    write: Write, layer: str, tmp_path: Path
) -> None:
    task = write(f"def build(settings): return net(2, {layer}), parts(X, K)")
    assert any("none of the known activations is what the network has" in note for note in resolve(task).prepare())
    tree = {"task": {"name": "own", "steps": 2, "own": {"build": task.own.build}}, "pool": {"kind": "serial"},
            "budget": {"children": 2, "batch": 2}, "ladder": [], "final": {"top": 1, "seeds": 2, "steps": 2},
            "proposer": {"name": "random"}, "baselines": ["relu"]}  # fmt: skip
    launch(plan_of(from_tree(tree)), tmp_path / "run")
    with Store(tmp_path / "run") as store:
        assert not verdict_of(leaderboard(store)).is_own


def test_texts_of_digits_are_no_numbers(write: Write) -> None:
    source = """
import pandas
def build(settings):
    frame = pandas.DataFrame({"a": X[:, 0].numpy(), "b": [str(n % 3) for n in range(300)]})
    return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), parts_of(frame)
def parts_of(frame):
    return {"train": (frame[:200], K[:200]), "validation": (frame[200:], K[200:])}
"""
    with pytest.raises(BadOwnTask, match=r"column 'b' .* is text"):
        resolve(write(source)).prepare()


def test_a_look_at_thousands_of_examples_keeps_none_of_them(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
class Headed(nn.Module):  # whose second head is met in training alone, so that ever more examples are run
    def __init__(self):
        super().__init__()
        self.body, self.head = net(2), net(2)
    def forward(self, x): return self.body(x) + (self.head(x) if self.training else 0)
def build(settings):
    x = X.repeat(4, 1)
    return Headed(), {"train": (x, K.repeat(4)), "validation": (X, K)}
"""
    sizes: list[int] = []
    forget = Layouts.forget

    def counting(layouts: Layouts) -> None:
        sizes.append(len(layouts._known))
        forget(layouts)

    monkeypatch.setattr(Layouts, "forget", counting)
    with pytest.raises(BadOwnTask, match="is not used when it runs on its data in evaluation"):
        resolve(write(source)).prepare()
    assert len(sizes) > 3, "in parts"
    assert max(sizes) == min(sizes), "and what was met of one part is let go before the next"
