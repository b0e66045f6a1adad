"""An activation in the places of a network's own: the same object stays one, channels are found, calls are told."""

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import actsearch
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
    actsearch.export("swish", tmp_path / "swapped_in.py")
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
    with pytest.raises(actsearch.UserFault, match="is compiled"):
        actsearch.replace_activations(compiled, nn.ReLU, "swish")


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
    assert beta.dtype == torch.float16
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
    assert report.missing == ("Relu",)
    assert report.undrawn == ("2",)
    assert str(report).splitlines()[2:] == [
        "  take care: no layer is 'Relu'", "  take care: weights that matched draws do not reach stay: 2",
    ]  # fmt: skip


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
    assert str(in_python) == "\n".join(said.splitlines()[: len(in_python.places) + 1])
    state = torch.load("swapped.pt", weights_only=True)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    main(["swap", "swapnet.py:build", "swish", "-o", "again.pt"])
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
    assert (
        "(model, 'ReLU', actsearch.read_function('found.json'), example=torch.zeros((2, 3), dtype=torch.long))" in said
    )
