"""Activations that are called as functions, and the models of well-known libraries: found, told apart, replaced."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.data.dataset import DataSet
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.own.user_code import BadOwnTask
from actsearch.evaluators.own.wrapped import Owned
from actsearch.evaluators.registry import resolve, resolve_network
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.training import train_population

Write = Callable[..., TaskSettings]
HEAD = """
import torch
from torch import nn
from torch.nn import functional as F

G = torch.Generator().manual_seed(0)
X = torch.randn(120, {shape}, generator=G)
K = (X.flatten(1).sum(1) > 0).long()

def data():
    return {{"train": (X[:80], K[:80]), "validation": (X[80:], K[80:])}}

"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(source: str, shape: str = "6", **own: Any) -> TaskSettings:
        path = tmp_path / f"calls{abs(hash((source, shape))) % 10**8}.py"
        path.write_text(HEAD.format(shape=shape) + source)
        return TaskSettings(name="own", batch=20, own=OwnSettings(build=f"{path}:build", **own))

    return written


def train(task: TaskSettings, text: str = "swish", steps: int = 6) -> Outcome:
    resolve(task).prepare()
    (outcome,) = train_population([Request(text, 1, steps)], resolve(task))
    assert outcome.status is Status.SCORED, outcome.reason
    return outcome


def made(task: TaskSettings, text: str = "swish") -> tuple[Owned, DataSet[Any]]:
    found = resolve_network(task)
    with torch.random.fork_rng(devices=[]):
        network = found.build(BUILT_IN.read(text), seed=0).network
    assert isinstance(network, Owned)
    return network, found.data


NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)
    def forward(self, x):
        {body}

def build(settings): return Net(), data()
"""
LAYERS = NET.replace("nn.Linear(8, 2)", "nn.Linear(8, 2)\n        self.act, self.act2 = nn.ReLU(), nn.ReLU()").format(
    body="return self.last(self.act2(self.second(self.act(self.first(x)))))"
)
SPELLINGS = {
    "F.relu": "return self.last(F.relu(self.second(F.relu(self.first(x)))))",
    "torch.relu": "return self.last(torch.relu(self.second(torch.relu(self.first(x)))))",
    "a method": "return self.last(self.second(self.first(x).relu()).relu())",
    "in place": "return self.last(F.relu(self.second(self.first(x).relu_()), inplace=True))",
    "in a function": "act = lambda h: F.relu(h)\n        return self.last(act(self.second(act(self.first(x)))))",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_call_is_replaced_however_it_is_spelt_and_comes_to_what_layers_come_to(write: Write, spelling: str) -> None:
    calls, layers = write(NET.format(body=SPELLINGS[spelling])), write(LAYERS)
    assert train(calls, "tanh").score == pytest.approx(train(layers, "tanh").score, rel=1e-6)
    assert train(calls, "relu").score == pytest.approx(train(layers, "relu").score, rel=1e-6)
    if spelling != "in a function":  # which is one place: its two uses share a beta
        assert train(calls, "swish").score == pytest.approx(train(layers, "swish").score, rel=1e-6)


def test_two_calls_on_one_line_are_two_places_and_one_call_in_a_loop_is_one(write: Write) -> None:
    two, _ = made(write(NET.format(body=SPELLINGS["F.relu"])))
    assert [len(list(part.parameters())) for part in two.calls.values()] == [1, 1]
    loop = "for layer in (self.first, self.second):\n            x = F.relu(layer(x))\n        return self.last(x)"
    one, _ = made(write(NET.format(body=loop)))
    assert len(one.calls) == 1


def test_a_call_with_several_widths_has_one_beta_or_one_set_for_each(write: Write) -> None:
    source = NET.replace("nn.Linear(8, 8), nn.Linear(8, 2)", "nn.Linear(8, 5), nn.Linear(5, 2)").format(
        body="for layer in (self.first, self.second):\n            x = F.relu(layer(x))\n        return self.last(x)"
    )
    shared, _ = made(write(source))
    assert [part.numel() for part in shared.calls.parameters()] == [1]
    apart, _ = made(write(source, shared="use"))
    assert sorted(part.numel() for part in apart.calls.parameters()) == [5, 8]
    assert train(write(source)).score != train(write(source, shared="use")).score


def test_a_layer_used_twice_has_one_set_of_betas_or_one_for_each_use(write: Write) -> None:
    source = LAYERS.replace("self.act2(", "self.act(").replace(
        "self.act, self.act2 = nn.ReLU(), nn.ReLU()", "self.act = nn.ReLU()"
    )
    assert sum(p.numel() for n, p in made(write(source))[0].named_parameters() if "beta" in n) == 8
    assert sum(p.numel() for n, p in made(write(source, shared="use"))[0].named_parameters() if "beta" in n) == 16
    assert train(write(source, shared="use")).score != train(write(source)).score


def test_only_what_is_named_is_replaced(write: Write) -> None:
    source = NET.format(body="return self.last(F.gelu(self.second(F.relu(self.first(x)))))")
    assert len(made(write(source))[0].calls) == 1
    assert len(made(write(source, replace=("F.gelu", "F.relu")))[0].calls) == 2
    with pytest.raises(BadOwnTask, match=r"has no layer F\.silu to replace"):
        resolve(write(source, replace=("F.silu",))).prepare()


def test_layers_that_stay_are_said(write: Write) -> None:
    notices = resolve(write(LAYERS.replace("nn.ReLU(), nn.ReLU()", "nn.ReLU(), nn.LeakyReLU()"))).prepare()
    assert "the network keeps a layer LeakyReLU, which task.own.replace does not name" in notices


def test_a_call_in_training_alone_is_refused(write: Write) -> None:
    source = NET.format(
        body="h = F.relu(self.first(x))\n        return self.last(F.relu(h + 1) if self.training else h)"
    )
    with pytest.raises(BadOwnTask, match=r"calls an activation at calls\d+.py:\d+.*, but not when it is scored"):
        resolve(write(source)).prepare()


def test_a_call_whose_value_is_dropped_is_noticed(write: Write) -> None:
    source = NET.format(body="h = self.first(x)\n        F.relu(h, inplace=True)\n        return self.last(h)")
    with pytest.raises(BadOwnTask, match=r"the call at calls\d+.py:\d+ of the network has no effect in training"):
        resolve(write(source)).prepare()


@pytest.mark.parametrize("activation", ["nn.ReLU()", "F.relu", "'relu'", "torch.relu"])
def test_the_activation_of_an_encoder_layer_is_replaced_as_module_function_and_name(
    write: Write, activation: str
) -> None:
    source = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, activation={activation}, batch_first=True)
        self.layers, self.last = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 2)
    def forward(self, x): return self.last(self.layers(x).mean(1))

def build(settings): return Net(), data()
"""
    task = write(source, "4, 8")
    resolve(task).prepare()
    network, _ = made(task)
    assert [p.numel() for n, p in network.named_parameters() if "beta" in n] == [16, 16]
    assert train(task, "gauss").score != train(task, "relu").score


# ---- the models that people have ----


def test_a_bottleneck_whose_rectifier_is_shared_by_two_widths_can_be_searched(write: Write) -> None:
    source = """
class Bottleneck(nn.Module):  # as torchvision's: one rectifier for three uses, of two widths
    def __init__(self, outside, inside):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(outside, inside, 1, bias=False), nn.BatchNorm2d(inside)
        self.conv2, self.bn2 = nn.Conv2d(inside, inside, 3, padding=1, bias=False), nn.BatchNorm2d(inside)
        self.conv3, self.bn3 = nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + x)

def build(settings):
    blocks = [Bottleneck(12, 4), Bottleneck(12, 4)]
    return nn.Sequential(nn.Conv2d(3, 12, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 2)), data()
"""
    task = write(source, "3, 9, 9")
    assert train(task, steps=2).score is not None
    shared, _ = made(task)
    apart, _ = made(write(source, "3, 9, 9", shared="use"))
    betas = [[p.numel() for n, p in net.named_parameters() if "beta" in n] for net in (shared, apart)]
    assert betas == [[1, 1], [4, 4, 12, 4, 4, 12]]


TOKENS = """
import transformers
transformers.logging.set_verbosity_error()

W = torch.randint(1, 20, (60, 7), generator=G)
V = (W[:, 0] > 10).long()

def batches(**more):
    return {n: {"input_ids": W[r], "attention_mask": torch.ones_like(W[r]), **{k: v[r] for k, v in more.items()}}
            for n, r in {"train": slice(40), "validation": slice(40, 60)}.items()}
"""
BERT = (
    TOKENS
    + """
def build(settings):
    config = transformers.BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
                                     intermediate_size=16, num_labels=2, max_position_embeddings=8)
    return transformers.BertForSequenceClassification(config), batches(labels=V)
"""
)
GPT = (
    TOKENS
    + """
def build(settings):
    config = transformers.GPT2Config(vocab_size=20, n_embd=8, n_layer=2, n_head=2, n_positions=8,
                                     activation_function="{}", bos_token_id=0, eos_token_id=0)
    return transformers.GPT2LMHeadModel(config), batches(labels=W)
"""
)


def test_a_bert_of_hugging_face_is_trained_by_its_own_loss(write: Write) -> None:
    pytest.importorskip("transformers")
    task = write(BERT, replace=("GELUActivation",))
    notices = resolve(task).prepare()
    assert any("rewards are measured by the baselines" in sentence for sentence in notices)
    assert resolve(task).chance is None
    assert [p.numel() for n, p in made(task)[0].named_parameters() if "beta" in n] == [16, 16]
    assert train(task, "swish").score != train(task, "relu").score
    named = write(BERT, replace=("GELUActivation",), loss="cross_entropy")
    assert train(named, "relu").score == pytest.approx(train(task, "relu").score, rel=1e-5)  # their loss is that
    assert "validation_accuracy" in train(named).metrics


@pytest.mark.parametrize(("function", "replace"), [("relu", None), ("gelu_new", ("NewGELUActivation",))])
def test_a_gpt_of_hugging_face_is_trained_by_its_own_loss(
    write: Write, function: str, replace: tuple[str, ...] | None
) -> None:
    pytest.importorskip("transformers")
    task = write(GPT.replace("{}", function), replace=replace)
    assert train(task, "swish").score != train(task, "relu").score
    assert [p.numel() for n, p in made(task)[0].named_parameters() if "beta" in n] == [32, 32]


STAND_IN = """
try:
    import torchvision
except ImportError:  # timm imports it for images alone, and none is made for every build of torch
    import importlib.machinery, sys, types

    class Anything(types.ModuleType):
        __path__ = []
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            modes = {mode: mode for mode in ("NEAREST", "BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS")}
            return type(name, (), modes)

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "torchvision":
                return importlib.machinery.ModuleSpec(name, self, is_package=True)
        def create_module(self, spec): return Anything(spec.name)
        def exec_module(self, module): pass

    sys.meta_path.append(Finder())
"""


@pytest.mark.parametrize("model", ["resnet10t", "vit_tiny_patch16_224"])
def test_a_model_of_timm_is_replaced_by_its_act_layer(write: Write, model: str) -> None:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    more = "img_size=32, depth=2, embed_dim=24, num_heads=2" if model.startswith("vit") else ""
    source = (
        STAND_IN
        + f"""
import timm

def build(settings):
    return timm.create_model("{model}", num_classes=2, act_layer=nn.ReLU, {more}), data()
"""
    )
    task = write(source, "3, 32, 32")
    outcome = train(task, steps=2)
    assert outcome.score != train(task, "relu", steps=2).score
    assert not any(isinstance(part, torch.nn.ReLU) for part in made(task)[0].modules())


def test_a_lightning_module_is_trained_by_its_training_step_and_its_optimiser(write: Write) -> None:
    pytest.importorskip("lightning")
    source = """
import lightning

class Mine(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    def training_step(self, batch, index):
        x, y = batch
        return F.cross_entropy(self.net(x), y)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr={})

def build(settings): return Mine(), data()
"""
    assert train(write(source.format(0.1))).score != train(write(source.format(0.01))).score
    assert train(write(source.format(0.1)), "tanh").score != train(write(source.format(0.1)), "relu").score


# ---- met by trying to break it ----


def test_layers_and_calls_together_leave_every_candidate_what_it_is(write: Write) -> None:
    both = NET.replace("nn.Linear(8, 2)", "nn.Linear(8, 2)\n        self.act = nn.ReLU()").format(
        body="return self.last(F.relu(self.second(self.act(self.first(x)))))"
    )
    for text in ("relu", "swish", "tanh"):  # relu calls relu itself, which is no place of the network
        assert train(write(both), text).score == pytest.approx(train(write(LAYERS), text).score, rel=1e-6)
    every = write(both, replace=("torch.nn.ReLU", "F.relu", "F.elu", "F.gelu", "F.softplus", "F.mish"))
    for text in ("elu", "gelu", "softplus", "mish"):
        assert train(every, text).score is not None


CHECKPOINT = NET.replace(
    "        {body}",
    """        from torch.utils.checkpoint import checkpoint
        return self.last(checkpoint(lambda h: F.relu(self.second(h)), self.first(x), use_reentrant={how}))""",
)
AUTOGRAD = """
class Rectifier(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.relu(x)
        ctx.save_for_backward(y)
        return y
    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)
""" + NET.format(body="return self.last(Rectifier.apply(self.first(x)))")


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("source", [CHECKPOINT.replace("{how}", "True"), AUTOGRAD], ids=["checkpoint", "autograd"])
def test_a_call_whose_way_back_is_another_activations_is_refused(write: Write, source: str) -> None:
    with pytest.raises(BadOwnTask, match="runs without gradients in training"):
        resolve(write(source)).prepare()


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_checkpoint_around_a_layer_is_trained_as_without(write: Write) -> None:
    body = "from torch.utils.checkpoint import checkpoint\n        "
    body += "return self.last(self.act2(self.second(checkpoint(self.act, self.first(x), use_reentrant=True))))"
    source = LAYERS.replace("return self.last(self.act2(self.second(self.act(self.first(x)))))", body)
    assert train(write(source)).score == pytest.approx(train(write(LAYERS)).score, rel=1e-6)


def test_layers_that_are_in_no_list_of_the_network_are_places_by_their_lines(write: Write) -> None:
    hidden = NET.replace("nn.Linear(8, 2)", "nn.Linear(8, 2)\n        self.acts = (nn.ReLU(), nn.ReLU())").format(
        body="h = self.acts[0](self.first(x))\n        return self.last(self.acts[1](self.second(h)))"
    )
    found, _ = made(write(hidden))
    assert [part.numel() for part in found.calls.parameters()] == [8, 8]
    assert train(write(hidden)).score == pytest.approx(train(write(LAYERS)).score, rel=1e-6)


def test_what_is_spelt_as_a_function_and_cannot_be_replaced_is_said(write: Write) -> None:
    source = NET.format(body="return self.last(torch.tanh(self.second(F.relu(self.first(x)))))")
    assert len(made(write(source, replace=("F.tanh", "F.relu")))[0].calls) == 2
    with pytest.raises(BadOwnTask, match=r"'F\.dropout' is no function that can be replaced; expected one of F\.relu"):
        resolve(write(source, replace=("F.dropout",))).prepare()


def test_a_compiled_network_with_calls_is_refused(write: Write) -> None:
    source = NET.format(body=SPELLINGS["F.relu"]).replace("return Net(), data()", "return torch.compile(Net()), data()")
    with pytest.raises(BadOwnTask, match="compiled"):
        resolve(write(source)).prepare()


def test_a_network_under_vmap_draws_nothing_of_ours(write: Write) -> None:
    source = (
        NET.format(body=SPELLINGS["F.relu"]).replace("return Net(), data()", "return Mapped(), data()")
        + """
class Mapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    def forward(self, x): return torch.vmap(self.net)(x)
"""
    )
    assert train(write(source)).score is not None


LIGHTNING = """
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 2)
    def training_step(self, batch, index):
        x, y = batch
        return F.cross_entropy(self.last(F.relu(self.first(x))), y)
    def configure_optimizers(self):
        o = torch.optim.SGD(self.parameters(), lr=1.0)
        {}

def build(settings): return Mine(), data()
"""
SCHEDULES = {
    "lambda": "return [o], [torch.optim.lr_scheduler.LambdaLR(o, lambda step: 0.5)]",
    "one cycle": "return [o], [{'scheduler': torch.optim.lr_scheduler.OneCycleLR(o, 0.1, 100), 'interval': 'step'}]",
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_betas_of_calls_are_known_to_an_optimiser_and_its_schedule(write: Write, schedule: str) -> None:
    assert train(write(LIGHTNING.format(SCHEDULES[schedule])), "swish").score is not None
    own = "def mine(net, steps):\n    some = [p for n, p in net.named_parameters() if 'beta' not in n]\n"
    own += "    o = torch.optim.SGD(some, 0.1)\n"
    own += "    return o, torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=steps)\n"
    task = write(own + LAYERS)
    assert train(write(own + LAYERS, optimiser=f"{task.own.file}:mine"), "swish").score is not None


def test_a_schedule_goes_by_its_interval_and_frequency(write: Write) -> None:
    plain = train(write(LIGHTNING.format("return o"))).score
    rare = "return {'optimizer': o, 'lr_scheduler': {'scheduler': torch.optim.lr_scheduler.StepLR(o, 1, 0.1), %s}}"
    seldom = rare % "'interval': 'step', 'frequency': 100"
    assert train(write(LIGHTNING.format(seldom))).score == plain
    assert train(write(LIGHTNING.format(rare % "'interval': 'step'"))).score != plain
    epoch = LIGHTNING.format("return [o], [torch.optim.lr_scheduler.StepLR(o, 1, 0.0)]")  # 4 batches an epoch
    one, two = (train(write(epoch, accumulate=4), steps=steps).score for steps in (1, 2))
    assert one == two


def test_channels_are_not_guessed_behind_an_index_or_a_sum_of_two_layouts(write: Write) -> None:
    picked = NET.format(body="return self.last(F.relu(self.first(x)[:, -1, :, None]).squeeze(-1))").replace(
        "8, 8)", "8, 8)"
    )
    network, _ = made(write(picked, "4, 6"))
    assert [part.numel() for part in network.calls.parameters()] == [8]
    summed = NET.format(body="h = self.first(x)\n        return self.last(F.relu(h.transpose(1, 2) + h).mean(1))")
    with pytest.raises(BadOwnTask, match="nothing in front of it tells where its channels are"):
        resolve(write(summed, "8, 6")).prepare()


def test_channels_are_not_guessed_for_pairs_of_examples(write: Write) -> None:
    pairs = NET.format(body="h = self.first(x)\n        return self.last(F.relu(h @ h.T) @ h)")
    with pytest.raises(BadOwnTask, match="nothing in front of it tells where its channels are"):
        resolve(write(pairs)).prepare()


def test_a_network_that_goes_through_its_own_layers_meets_no_further_one(write: Write) -> None:
    body = "layers = list(self.children())\n        for layer in layers[:-1]:\n            x = F.relu(layer(x))\n"
    body += "        return layers[-1](x)"
    found, _ = made(write(NET.format(body=body)))
    assert [part.numel() for part in found.calls.parameters()] == [8]
    assert train(write(NET.format(body=body)), "tanh").score == pytest.approx(
        train(write(LAYERS), "tanh").score, rel=1e-6
    )
