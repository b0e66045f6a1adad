"""An activation in the places of a network's own: the same object stays one, channels are found, calls are told."""

import copy
import importlib.util
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import actsearch
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.rows.known import read
from actsearch.search.command_line import main

X = torch.linspace(-2, 2, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)


@pytest.fixture(autouse=True)
def _networks_draw_their_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        yield


def _weights(model: nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)


def _convolutional() -> nn.Sequential:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 5, 3), nn.ReLU(), nn.Flatten())
    _weights(model)
    return model


def test_what_computes_the_same_changes_nothing_and_what_does_not_is_what_is_written() -> None:
    model = _convolutional()
    wanted = model(X)
    report = actsearch.replace_activations(model, nn.ReLU, "max(x, 0)", example=X)
    torch.testing.assert_close(model(X), wanted)
    assert report.changed is False
    assert "take care: the network's output for the example is what it was before" in str(report)
    other = _convolutional()
    report = actsearch.replace_activations(other, "ReLU", "swish", example=X)
    assert [place.channels for place in report.places] == [8, 5]
    assert str(report).startswith("2 activations replaced\n  1: was ReLU, parameters for 8 channels in dimension 1\n")
    by_hand = copy.deepcopy(model)
    by_hand[1] = by_hand[3] = nn.SiLU()
    torch.testing.assert_close(other(X), by_hand(X))
    assert report.changed


def test_without_an_example_there_is_one_parameter_a_layer_and_weights_are_kept() -> None:
    model = _convolutional()
    before = [parameter.clone() for parameter in model.parameters()]
    report = actsearch.replace_activations(model, nn.ReLU, "swish")
    assert [place.channels for place in report.places] == [1, 1]
    kept = [parameter for name, parameter in model.named_parameters() if "beta" not in name]
    assert all(torch.equal(a, b) for a, b in zip(before, kept, strict=True))
    model(X).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.act = nn.Linear(8, 6), nn.Linear(6, 6), nn.GELU()
        self.again = self.act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.again(self.second(self.act(self.first(x)))))


def test_an_object_in_two_places_stays_one_and_calls_that_stay_are_told() -> None:
    model = Shared()
    report = actsearch.replace_activations(model, nn.GELU, "swish", example=X)
    assert model.act is model.again
    (place,) = report.places
    assert place.names == ("act", "again")
    assert [line.split(",")[0].rpartition(":")[0].endswith("test_swap.py") for line in report.left] == [True]


@pytest.mark.parametrize("fast", [True, False])
def test_a_transformers_layer_computes_the_new_one_also_on_its_fast_path(fast: bool) -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, activation=nn.ReLU(), batch_first=True).eval()
    _weights(layer)
    x = torch.linspace(-1, 1, 2 * 5 * 16).reshape(2, 5, 16)
    wanted = copy.deepcopy(layer)
    wanted.activation = nn.Tanh()
    wanted.activation_relu_or_gelu = 0
    report = actsearch.replace_activations(layer, nn.ReLU, "tanh(x)")
    assert len(report.places) == 1
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fast)
    try:
        with torch.no_grad():
            torch.testing.assert_close(layer(x), wanted(x))
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def test_matched_weights_are_drawn_anew_by_the_seed() -> None:
    drawn = []
    for seed in (0, 0, 1):
        model = _convolutional()
        before = torch.get_rng_state()
        actsearch.replace_activations(model, nn.ReLU, "sin(x)", init="matched", seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        drawn.append(next(model.parameters()).detach().clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], next(_convolutional().parameters()))


def test_an_exported_class_or_a_layer_takes_places_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "swapped_in.py").write_text(torch_source(Discovery(read("swish"))))  # as export writes it
    monkeypatch.syspath_prepend(str(tmp_path))
    import swapped_in  # type: ignore[import-not-found]  # noqa: PLC0415  written a line above

    model = _convolutional()
    report = actsearch.replace_activations(model, nn.ReLU, swapped_in.Activation, example=X)
    assert [place.channels for place in report.places] == [8, 5]
    assert torch.isfinite(model(X)).all()
    model = _convolutional()
    actsearch.replace_activations(model, ["1"], nn.LeakyReLU(0.3))
    assert [type(layer).__name__ for layer in model] == ["Conv2d", "LeakyReLU", "Conv2d", "ReLU", "Flatten"]


def test_a_mistake_is_one_sentence_and_the_network_is_as_it_was() -> None:
    model = _convolutional()
    kept = copy.deepcopy(model.state_dict())
    for how, said in (
        ({"replace": "GELU", "module": "swish"}, "the network has no layer GELU inside; it is made of"),
        ({"replace": nn.ReLU, "module": "swich"}, "unknown name 'swich'|did you mean"),
        ({"replace": nn.ReLU, "module": 3}, "expected a name, an expression, or what makes a layer, found 3"),
        ({"replace": nn.ReLU, "module": "swish", "init": "kept"}, "init must be 'keep' or 'matched', found 'kept'"),
        ({"replace": nn.ReLU, "module": "swish", "example": X[:, :2]}, "does not run on the example: RuntimeError"),
        ({"replace": nn.ReLU, "module": lambda channels: channels}, r"must be a torch.nn.Module, found int"),
        ({"replace": nn.ReLU, "module": "swish", "dimension": 1}, "give an example too"),
        ({"replace": nn.ReLU, "module": "swish", "example": X, "dimension": "1"}, "dimension must be a whole number"),
        ({"replace": nn.ReLU, "module": "swish", "seed": 2**70}, "seed must be a whole number from 0"),
        ({"replace": nn.ReLU, "module": "swish", "example": X, "dimension": 7}, "dimension 7 was named, and an activ"),
        ({"replace": nn.ReLU, "module": "maxout"}, "'maxout' has weights between channels, and nothing tells how"),
        ({"replace": nn.ReLU, "module": nn.Linear(2, 2), "example": X}, "does not run on the example"),
        (
            {"replace": nn.ReLU, "module": nn.Linear},
            "could not be made: TypeError: .* such as the class of an exported",
        ),
        ({"replace": nn.ReLU, "module": torch.relu}, "could not be made: TypeError"),
        ({"replace": nn.ReLU, "module": None}, "expected a name, an expression, or what makes a layer, found None"),
        ({"replace": None, "module": "swish"}, "expected which layers to replace, .* found None"),
        ({"replace": nn.ReLU, "module": nn.Softmax2d, "init": "matched"}, "no gain can be matched"),
        (
            {"replace": [], "module": "swish"},
            "expected which layers to replace, a class such as torch.nn.ReLU or names",
        ),
    ):
        with pytest.raises(actsearch.UserFault, match=said):
            actsearch.replace_activations(model, **how)
        assert [type(layer).__name__ for layer in model] == ["Conv2d", "ReLU", "Conv2d", "ReLU", "Flatten"]
        assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is being retired, and still used
        compiled = torch.jit.script(model)
    for network in (compiled, nn.Sequential(compiled, nn.ReLU())):
        with pytest.raises(actsearch.UserFault, match="is compiled"):
            actsearch.replace_activations(network, nn.ReLU, "swish")


def test_what_a_network_was_set_to_stays_and_hooks_that_go_are_told() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8).eval(), nn.ReLU())
    model[2].register_forward_hook(lambda *_: None)
    before = copy.deepcopy(model.state_dict())
    report = actsearch.replace_activations(model, nn.ReLU, "maxout", example=X)
    assert [layer.training for layer in model] == [True, False, True]
    assert all(torch.equal(before[name], model.state_dict()[name]) for name in before)
    assert [(place.channels, place.note) for place in report.places] == [(8, "it had hooks, which are gone")]
    on_paper = nn.Sequential(nn.Linear(4, 8), nn.ReLU()).to("meta")
    given = torch.zeros(2, 4, device="meta")
    assert actsearch.replace_activations(on_paper, nn.ReLU, "swish", example=given).changed is None
    with pytest.raises(actsearch.UserFault, match=r"expected a torch\.nn\.Module whose layers"):
        actsearch.replace_activations(torch.relu, nn.ReLU, "swish")  # type: ignore[arg-type]


def test_an_input_without_a_batch_and_an_output_without_numbers() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())
    (place,) = actsearch.replace_activations(model, nn.ReLU, "swish", example=X[0]).places
    assert (place.channels, place.dimension) == (16, -3)  # as with a batch in front
    assert torch.isfinite(model(X[0])).all()
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())
    assert actsearch.replace_activations(model, nn.ReLU, "swish", example=X[:0]).changed is None


class Odd(nn.Module):
    """Calls its layer by keyword, in half precision, behind a norm of several dimensions, and changes its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3), nn.LayerNorm([8, 6, 6])
        self.act, self.gate = nn.Tanh(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(self.first(x.mul_(2)))
        found: torch.Tensor = self.gate(self.act(input=h.half()).float()).tanh()
        return found


def test_a_place_is_as_the_network_uses_it(tmp_path: Path) -> None:
    model, x = Odd(), X.clone()
    _weights(model)
    report = actsearch.replace_activations(model, nn.Tanh, "sinh(scale(x))", example=x, init="keep")
    assert torch.equal(x, X)
    (place,) = report.places
    assert (place.channels, place.dimension) == (8, 1)
    assert [line.split(",")[0].rpartition(":")[0] for line in report.left] == ["test_swap.py"]  # the call of tanh
    beta = model.act.beta
    assert isinstance(beta, nn.Parameter)
    assert beta.dtype == torch.float32  # as the network's own parameters, though it gets half precision
    model.act.beta = nn.Parameter(torch.full((8,), 11.0, dtype=torch.float16))
    assert torch.isfinite(model.act(torch.ones(1, 8, 1, 1, dtype=torch.float16))).all()  # in half, e^11 overflows
    torch.save(model, tmp_path / "whole.pt")
    again = torch.load(tmp_path / "whole.pt", weights_only=False)
    assert torch.equal(again(X.clone()), model(X.clone()))


class Held(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.act = nn.Linear(8, 6), nn.ReLU()
        self.plain = [self.act]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.plain[0](self.first(x))
        return found


def test_a_layer_that_goes_on_being_called_from_elsewhere_is_not_replaced() -> None:
    model = Held()
    act = model.act
    with pytest.raises(actsearch.UserFault, match="layer 'act' is held elsewhere too, as in a plain list"):
        actsearch.replace_activations(model, nn.ReLU, "swish", example=X)
    assert model.act is act


def test_names_that_no_layer_has_and_weights_that_stay_are_told() -> None:
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.LSTM(6, 5))
    report = actsearch.replace_activations(model, ["ReLU", "Relu"], "sin(x)", init="matched")
    assert report.cares == (
        "no layer is 'Relu'", "weights that matched draws do not reach stay: 2",
        "'0' is taken for the last layer, which no activation follows: gain 1",
    )  # fmt: skip
    assert str(report).splitlines()[2] == "  take care: no layer is 'Relu'"


class Net(nn.Module):
    """Layers of some names, and what is computed with them."""

    def __init__(self, function: Callable[..., torch.Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def conv(channels: int = 16) -> nn.Module:
    return nn.Conv2d(3, channels, 3)


def linear(channels: int = 8) -> nn.Module:
    return nn.Linear(8, channels)


CHANNELS: dict[str, tuple[Callable[..., torch.Tensor], Callable[[], nn.Module], tuple[int, int | None]]] = {
    "a convolution": (lambda s, x: s.a(s.f(x)), conv, (16, 1)),
    "one without a batch": (lambda s, x: s.a(s.f(x[0])), conv, (16, -3)),
    "one channel squeezed away": (lambda s, x: s.a(s.f(x).squeeze(1)), lambda: conv(1), (1, None)),
    "a mean over space": (lambda s, x: s.a(s.f(x).mean((2, 3))), conv, (16, 1)),
    "a largest in space": (lambda s, x: s.a(s.f(x).max(-1)[0]), conv, (16, 1)),
    "flattened": (lambda s, x: s.a(s.f(x).flatten(1)), conv, (1, None)),
    "a linear layer": (lambda s, x: s.a(s.f(x[0, 0])), linear, (8, -1)),
    "its transpose": (lambda s, x: s.a(s.f(x[:, 0]).mT), linear, (8, 1)),
    "one score": (lambda s, x: s.a(s.f(x[:, 0]).squeeze(-1)), lambda: linear(1), (1, None)),
    "a sum over channels": (lambda s, x: s.a(s.f(x[:, 0]).sum(-1)), linear, (1, None)),
    "pairs of rows": (lambda s, x: s.a(s.f(x[0, 0]) @ s.f(x[0, 0]).T), linear, (1, None)),
    "sums of pairs": (lambda s, x: s.a(s.f(x[0, 0]) + s.f(x[0, 0]).T), lambda: linear(1), (1, None)),
    "distances": (lambda s, x: s.a(torch.cdist(s.f(x[0, 0]), s.f(x[0, 0]))), linear, (1, None)),
    "attention": (lambda s, x: s.a((s.f(x[:, 0]) @ s.f(x[:, 0]).mT).softmax(-1) @ s.f(x[:, 0])), linear, (8, -1)),
    "a weight in front": (lambda s, x: s.a(s.f.weight @ x[0, 0]), linear, (1, None)),
    "a sum by letters": (lambda s, x: s.a(torch.einsum("bti,oi->bot", x[:, 0], s.f.weight)), linear, (8, 1)),
    "one over channels": (lambda s, x: s.a(torch.einsum("btc,c->bt", s.f(x[:, 0]), x.new_ones(8))), linear, (1, None)),
    "a weight behind": (lambda s, x: s.a(x[:, 0] @ s.f.weight.T), linear, (8, -1)),
    "time, batch, channels": (
        lambda s, x: s.a(torch.conv_tbc(x[0], x.new_ones(3, 8, 5), x.new_ones(5))), linear, (5, -1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANNELS)
def test_channels_are_those_of_the_network_or_nothing_tells(kind: str) -> None:
    function, make, wanted = CHANNELS[kind]
    model = Net(function, f=make(), a=nn.ReLU())
    report = actsearch.replace_activations(model, nn.ReLU, "swish", example=X)
    assert [(place.channels, place.dimension) for place in report.places] == [wanted]
    assert model(X).shape == Net(function, f=make(), a=nn.ReLU())(X).shape


def test_a_named_dimension_is_for_places_of_which_nothing_tells() -> None:
    model = Net(lambda s, x: s.b(s.a(s.f(x)).flatten(1)), f=conv(), a=nn.ReLU(), b=nn.ReLU())
    report = actsearch.replace_activations(model, nn.ReLU, "swish", example=X, dimension=1)
    assert [(place.channels, place.dimension) for place in report.places] == [(16, 1), (576, 1)]


def gelu(s: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.gelu(x)


class Strict(nn.Sequential):
    """Its ``train`` returns nothing and freezes weights, as some libraries' do."""

    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)
        self.requires_grad_(mode)


def test_what_a_network_does_around_its_layers_is_seen() -> None:
    own = nn.Sequential(nn.Linear(8, 8), Net(gelu, inner=nn.ReLU()), nn.ReLU())
    report = actsearch.replace_activations(own, ["Net", "ReLU"], "swish", example=X)
    assert [place.names for place in report.places] == [("1",), ("2",)]  # what is inside goes with the outer one
    assert report.left == ()  # the call of gelu went with it
    strict = Strict(nn.Linear(8, 8), nn.ReLU())
    actsearch.replace_activations(strict, nn.ReLU, "swish", example=X)
    assert strict.training
    assert all(parameter.requires_grad for parameter in strict.parameters())
    shortcut = Net(lambda s, x: s.a(h := s.f(x)) + h, f=linear(), a=nn.ReLU(inplace=True))
    report = actsearch.replace_activations(shortcut, nn.ReLU, "relu", example=X)
    assert report.cares[0].startswith("the network reads again what a layer changed in place")
    shared = Shared()
    actsearch.replace_activations(shared, "again", "swish", example=X)  # the other name goes on as it is
    assert isinstance(shared.act, nn.GELU)
    sparse = Net(lambda s, x: s.a(s.f(x)).to_sparse(), f=linear(), a=nn.ReLU())
    assert actsearch.replace_activations(sparse, nn.ReLU, "swish", example=X).changed is None
    named = Net(lambda s, x: s.a(s.f(x)), f=linear(), a=nn.ReLU())
    assert actsearch.replace_activations(named, nn.ReLU, "swish", example={"x": X}).places[0].channels == 8
    layer = nn.TransformerEncoderLayer(16, 2, 32, activation=nn.ReLU(), batch_first=True)
    assert "use_nested_tensor" in actsearch.replace_activations(layer, nn.ReLU, "swish").cares[0]


def test_a_transformer_takes_a_mask_in_evaluation_too() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, activation=nn.ReLU(), batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    actsearch.replace_activations(encoder, nn.ReLU, "swish")
    mask = torch.tensor([[False, False, True], [False, False, False]])
    with torch.no_grad():
        assert encoder(torch.ones(2, 3, 16), src_key_padding_mask=mask).shape == (2, 3, 16)


NET = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
"""


def test_the_command_changes_a_network_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("swapnet.py").write_text(NET)
    main(
        [
            "swap",
            "swapnet.py:build",
            "swish",
            "--example",
            "1,3,8,8",
            "-o",
            "swapped.pt",
            "--init",
            "matched",
            "--seed",
            "3",
        ]
    )
    said = capsys.readouterr().out
    assert "1: was ReLU, parameters for 4 channels in dimension 1" in said
    (line,) = [line for line in said.splitlines() if line.startswith("the same in Python: ")]
    assert "init='matched', example=torch.randn((1, 3, 8, 8)), seed=3)" in line
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    in_python = eval(line.partition(": ")[2], {"actsearch": actsearch, "torch": torch, "model": model})
    assert str(in_python) == said.partition("\nswapped.pt")[0]
    state = torch.load("swapped.pt", weights_only=True)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    main(["swap", "swapnet.py:build", "swish", "-o", "again.pt"])
    if importlib.util.find_spec("safetensors"):
        main(["swap", "swapnet.py:build", "swish", "-o", "again.safetensors"])
        as_safetensors = importlib.import_module("safetensors.torch").load_file("again.safetensors")
        assert all(torch.equal(as_safetensors[k], v) for k, v in torch.load("again.pt", weights_only=True).items())
    main(["swap", "swapnet.py:build", "gelu", "-o", "once_more.pt"])
    first, second = (torch.load(name, weights_only=True) for name in ("again.pt", "once_more.pt"))
    assert torch.equal(first["0.weight"], second["0.weight"])  # the same seed, the same network
    capsys.readouterr()
    Path("other.txt").write_text("no weights")
    Path("empty.pt").touch()
    for words, fault in (
        (["swapnet.py:build", "swish", "-o", "swapped.pt"], "is there already"),
        (["swapnet.py:nothing", "swish"], "has no function 'nothing'"),
        (["swapnet.py", "swish"], "expected FILE.py:FUNCTION"),
        (["swapnet.py:build", "swish", "--weights", "swapped.pt"], "is no state dict of the network"),
        (["swapnet.py:build", "swish", "--weights", "other.txt"], "it holds more than tensors"),
        (["swapnet.py:build", "swish", "--weights", "empty.pt"], "is no state dict of the network"),
        (["swapnet.py:build", "swish", "--example", "9999,9999,9999"], "999700029999 numbers; expected 268435456"),
        (["swapnet.py:build", "swish", "--example", "a"], "must be a shape such as 1,3,32,32"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["swap", *words])
        assert stopped.value.code == 2
        assert fault in capsys.readouterr().err


def test_the_command_takes_whole_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wordnet.py").write_text(NET.replace("Conv2d(3, 4, 3)", "Embedding(9, 4)").replace("144", "12"))
    with pytest.raises(SystemExit):
        main(["swap", "wordnet.py:build", "swish", "--example", "2,3"])
    assert "whole numbers, as an embedding takes them: --example 2,3:int" in capsys.readouterr().err
    actsearch.export("swish", "found.json", to="json")
    main(["swap", "wordnet.py:build", "found.json", "--example", "2,3:int"])
    said = capsys.readouterr().out
    assert "parameters for 4 channels in dimension -1" in said
    assert "(model, 'ReLU', \"found.json\", example=torch.zeros((2, 3), dtype=torch.long))" in said
