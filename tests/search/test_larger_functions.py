"""A function of two parameters, and one of two inputs, on the way that a function of x and beta takes."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.native.compiler import NotNativeError
from actsearch.evaluators.native.tape import tape_of
from actsearch.grammar.behaviour.fingerprint import behaviour, fingerprint, role_of
from actsearch.grammar.behaviour.screening import Reason, refusal
from actsearch.grammar.expression import GATE, UP, Expression, X, apply
from actsearch.grammar.fault import UserFault
from actsearch.grammar.formats.data_files import BadFile, json_source, read_json
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.function import Function, function_of
from actsearch.grammar.notation import written
from actsearch.grammar.parameter import BETA, Parameter
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.known import read
from actsearch.grammar.rows.sets import VOCABULARY, check_own
from actsearch.search.exporting.shipping import ship

ALPHA = Parameter("alpha", 0.25, "layer")
LEAKY = Primitive(
    "learned_leaky", 1, "torch.relu(a) - alpha * torch.relu(-beta * a)", "Max(a, 0) - alpha*Max(-beta*a, 0)",
    parameters=(ALPHA, BETA),
)  # fmt: skip
ROWS = {row.name: row for row in VOCABULARY}
TWO_PARAMETERS = apply(LEAKY, X)
TWO_INPUTS = apply(ROWS["mul"], apply(ROWS["silu"], Expression(GATE)), Expression(UP))
BOTH = (TWO_PARAMETERS, TWO_INPUTS)


def test_a_function_says_its_inputs_and_its_parameters_with_their_starts_and_places() -> None:
    check_own(LEAKY)
    function = function_of(TWO_PARAMETERS)
    assert (function.inputs, function.parameters) == (("x",), (ALPHA, BETA))
    assert (function_of(TWO_INPUTS).inputs, function_of(TWO_INPUTS).parameters) == (("gate", "up"), ())
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    leaky = torch.nn.functional.leaky_relu(x, 0.25)
    torch.testing.assert_close(function.at_start(x), leaky)
    up = x.flip(0)
    torch.testing.assert_close(function_of(TWO_INPUTS)(x, up), torch.nn.functional.silu(x) * up)


@pytest.mark.parametrize("expression", BOTH, ids=str)
def test_a_function_is_a_value_that_crosses_a_process_boundary(expression: Expression) -> None:
    function = function_of(expression)
    values = [torch.linspace(-2, 2, 5) + n for n in range(len(function.names))]
    again = pickle.loads(pickle.dumps(function))  # noqa: S301  of this line
    assert again == function
    assert hash(again) == hash(function)
    torch.testing.assert_close(again(*values), function(*values), rtol=0, atol=0)


def test_a_name_that_the_lines_use_is_refused() -> None:
    for name in ("torch", "t1", "x"):
        with pytest.raises(ValueError, match="expected names"):
            Function(("x",), (Parameter(name),), ())


def test_fingerprints_tell_such_functions_apart_by_every_input_and_parameter() -> None:
    swapped = apply(ROWS["mul"], apply(ROWS["silu"], Expression(UP)), Expression(GATE))
    tied = dataclasses.replace(LEAKY, code="torch.relu(a) - beta * torch.relu(-a) / 4", formula="a", parameters=(BETA,))
    names = [fingerprint(one) for one in (*BOTH, swapped, apply(tied, X), read("leaky_relu"))]
    assert len({*names}) == len(names)
    assert behaviour(TWO_PARAMETERS).shape == (2, 5, 64)
    assert behaviour(TWO_INPUTS).shape == (3, 5, 64)
    assert refusal(TWO_PARAMETERS) is None
    assert refusal(TWO_INPUTS) is None
    constant = refusal(apply(ROWS["sub"], Expression(GATE), Expression(GATE)))
    assert constant is not None
    assert constant.reason is Reason.CONSTANT
    assert [role_of(TWO_PARAMETERS, n) for n in range(2)] == ["changes the shape", "changes the shape"]


@pytest.mark.parametrize("expression", BOTH, ids=str)
def test_json_gives_back_inputs_parameters_and_what_was_learned(expression: Expression) -> None:
    count = len(expression.parameters)
    starts, layers = (0.3, 1.2)[:count], ((0.1, 0.2, 0.3, 1.0, 1.1, 1.2),) if count else ()
    discovery = Discovery(expression, starts=starts, layers=layers)
    text = json_source(discovery)
    again = read_json(text, (LEAKY,))
    assert (again.expression, again.function) == (expression, discovery.function)
    assert (again.starts, again.layers) == (starts, layers)
    data = json.loads(text)
    for change in ({"inputs": ["x", "y"]}, {"parameters": [{"name": "other", "start": 1.0, "layers": []}]}):
        with pytest.raises(BadFile):
            read_json(json.dumps(data | change), (LEAKY,))


def test_the_manual_names_every_key_of_the_json() -> None:
    manual = Path("search/exporting/README.md").read_text(encoding="utf-8").partition("## The JSON")[2]
    keys = {key for one in (*BOTH, read("swish")) for key in json.loads(json_source(Discovery(one)))}
    assert [key for key in sorted(keys) if f"`{key}`" not in manual and f'"{key}":' not in manual] == []


@pytest.mark.parametrize("expression", BOTH, ids=str)
def test_exported_files_compute_value_and_every_slope(expression: Expression, tmp_path: Path) -> None:
    formats = ["torch", "numpy", "sympy", "json", "latex", *(["c"] if shutil.which("cc") else [])]
    discovery = Discovery(expression)
    proofs = ship(discovery, {asked: tmp_path / f"f_{asked}" for asked in formats}, whole=expression is TWO_PARAMETERS)
    assert [asked for asked, proof in proofs.items() if proof.missing or proof.complaints] == []
    for asked in {"torch", "numpy", "c"} & {*formats}:
        assert max(proofs[asked].gaps.values()) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("expression", BOTH, ids=str)
def test_flax_keras_and_onnx_compute_them_too(expression: Expression, tmp_path: Path) -> None:
    formats = ["flax", "keras", "onnx", "export", "torchscript", "safetensors"]
    formats = formats if expression.parameters else formats[:-1]
    proofs = ship(Discovery(expression), {asked: tmp_path / f"f_{asked}" for asked in formats}, whole=False)
    assert [asked for asked, proof in proofs.items() if proof.complaints] == []


def test_an_exported_module_has_each_parameter_in_its_place() -> None:
    scope: dict[str, type[torch.nn.Module]] = {}
    exec(torch_source(Discovery(TWO_PARAMETERS, starts=(0.125, 2.0))), scope)
    module = scope["Activation"](channels=3)
    assert {name: value.tolist() for name, value in module.named_parameters()} == {
        "alpha": [0.125], "beta": [2.0, 2.0, 2.0],
    }  # fmt: skip


def test_a_layer_has_each_parameter_in_its_place_and_says_what_it_learned() -> None:
    layer = ActivationLayer(function_of(TWO_PARAMETERS), 3)
    assert {name: len(value) for name, value in layer.named_parameters()} == {"alpha": 1, "beta": 3}
    assert layer.summary() == [0.25, 0.25, 0.25, 1.0, 1.0, 1.0]
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), torch.nn.functional.leaky_relu(x, 0.25))
    gated = ActivationLayer(function_of(TWO_INPUTS), 3)
    torch.testing.assert_close(gated(x, x.flip(0)), torch.nn.functional.silu(x) * x.flip(0))
    of_network = dataclasses.replace(function_of(TWO_PARAMETERS), parameters=(Parameter("alpha", 1.0, "network"), BETA))
    with pytest.raises(UserFault, match="'alpha' is one of the whole network"):
        ActivationLayer(of_network, 3)


@pytest.mark.parametrize("expression", BOTH, ids=str)
def test_the_kernel_leaves_them_to_torch_with_the_reason(expression: Expression) -> None:
    with pytest.raises(NotNativeError, match=r"x and one parameter a channel, found one of (x, alpha|gate, up)"):
        tape_of(function_of(expression))


def test_people_read_them_with_their_letters() -> None:
    assert written(TWO_INPUTS, upright=False).plain == "up·silu(gate)"
    shown = dataclasses.replace(LEAKY, shown="alpha*({a}) + beta")
    assert written(apply(shown, X), upright=False).plain == "αx + β"
