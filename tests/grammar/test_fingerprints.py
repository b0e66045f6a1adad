"""Equal behaviour shares a name, different behaviour does not."""

import subprocess
import sys

import pytest
import torch

from actsearch.grammar.behaviour.fingerprint import DIGITS, behaviour, digest, fingerprint, role_of, twin_key
from actsearch.grammar.behaviour.screening import Reason, refusal
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.function import function_of
from actsearch.grammar.rows.known import KNOWN, names_by_fingerprint, read

EQUAL = [
    ("mul(x,sigmoid(mul(beta,x)))", "gate(mul(beta,x),x)"),
    ("mul(x,sigmoid(scale(x)))", "gate(scale(x),x)"),
    ("max(x,neg(x))", "abs(x)"),
    ("sub(relu(x),relu(neg(x)))", "x"),
    ("sub(softplus(x),softplus(neg(x)))", "x"),
    ("add(sinh(x),cosh(x))", "exp(x)"),
    ("square(x)", "mul(x,x)"),
    ("mix(x,x)", "x"),
    ("exp(neg(mul(x,x)))", "gauss(x)"),
    ("sub(mul(sigmoid(scale(x)),beta),mul(sigmoid(scale(x)),beta))", "sub(x,x)"),
    ("shift(x)", "add(beta,x)"),
    ("logabs(x)", "logabs(neg(x))"),
]
DIFFERENT = [
    ("mul(x,sigmoid(x))", "mul(x,sigmoid(scale(x)))"),
    ("relu(x)", "leaky_relu(x)"),
    ("tanh(x)", "erf(x)"),
    ("gelu(x)", "mul(x,sigmoid(x))"),
    ("x", "neg(x)"),
    ("x", "shift(x)"),
    ("sin(x)", "sinc(x)"),
    ("gaussgap(x,beta)", "gauss(sub(x,beta))"),
    ("mul(x,beta)", "min(scale(x),exp(x))"),
    ("max(x,beta)", "max(relu(x),beta)"),
    ("min(x,shift(x))", "x"),
]


@pytest.mark.parametrize(("first", "second"), EQUAL)
def test_equal_behaviour_shares_a_fingerprint(first: str, second: str) -> None:
    assert fingerprint(read(first)) == fingerprint(read(second))


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_behaviour_does_not(first: str, second: str) -> None:
    assert fingerprint(read(first)) != fingerprint(read(second))


def test_all_known_activations_behave_differently() -> None:
    assert sum(len(names) for names in names_by_fingerprint().values()) == len(KNOWN)
    assert all(len(names) == 1 for names in names_by_fingerprint().values())


def test_the_last_bits_do_not_change_a_name() -> None:
    numbers = behaviour(read("gelu"))
    assert digest(numbers * (1 + 1e-14)) == digest(numbers)
    assert digest(numbers * (1 + 10.0 ** (1 - DIGITS))) != digest(numbers)


def test_another_process_gives_the_same_name() -> None:
    program = (
        "from actsearch.grammar.rows.known import read; "
        "from actsearch.grammar.behaviour.fingerprint import fingerprint; "
        "print(fingerprint(read('gelu')))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == fingerprint(read("gelu"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exp(exp(exp(exp(x))))", Reason.NOT_FINITE),
        ("sub(x,x)", Reason.CONSTANT),
        ("beta", Reason.CONSTANT),
        ("x", Reason.LINEAR),
        ("shift(scale(x))", Reason.LINEAR),
        ("cube(x)", Reason.EXPLODING),
        ("exp(x)", Reason.EXPLODING),
        ("div(relu(x),x)", Reason.DEAD),
        ("sin(mul(x,square(x)))", Reason.FAST_PERIOD),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(text: str, reason: Reason) -> None:
    found = refusal(read(text))
    assert found is not None
    assert found.reason is reason
    assert str(found).startswith(f"{reason}: ")


@pytest.mark.parametrize("name", sorted(set(KNOWN) - {"linear"}))
def test_no_known_activation_is_refused(name: str) -> None:
    assert refusal(read(name)) is None


@pytest.mark.parametrize("text", ["mix(neg(x),square(x))", "mix(beta,relu(x))", "sub(scale(x),relu(x))"])
def test_what_a_trained_beta_can_mend_is_not_refused(text: str) -> None:
    assert refusal(read(text)) is None


TWINS = ["gate(x,x)", "neg(gate(x,x))", "mul(neg(x),sigmoid(neg(x)))", "sub(x,gate(neg(x),x))", "shift(gate(x,x))"]


def test_symmetric_twins_share_a_key_and_others_do_not() -> None:
    keys = {twin_key(behaviour(read(text))) for text in TWINS}
    assert len(keys) == 1
    others = {twin_key(behaviour(read(text))) for text in ("gelu(x)", "relu(x)", "gate(scale(x),x)", "mul(x,x)")}
    assert len(others) == 4
    assert not keys & others


def test_signs_are_absorbed_exactly_and_a_constant_only_nearly() -> None:
    *signs, constant = (twin_key(behaviour(read(text)), constants=False) for text in TWINS)
    assert len(set(signs)) == 1
    assert constant not in signs


def test_the_role_of_beta_is_known_for_what_it_is() -> None:
    roles = {
        "relu(x)": "none",
        "sub(scale(x),scale(x))": "none",
        "mul(beta,tanh(x))": "scales the output",
        "sub(tanh(x),beta)": "shifts the output",
        "tanh(scale(x))": "scales the input",
        "tanh(shift(x))": "shifts the input",
        "mul(x,sigmoid(scale(x)))": "changes the shape",
        "mix(x,tanh(x))": "changes the shape",
    }
    assert {text: role_of(read(text)) for text in roles} == roles


@pytest.mark.parametrize("name", KNOWN)
def test_the_exported_text_needs_torch_alone_and_computes_the_same(name: str) -> None:
    scope: dict[str, type[torch.nn.Module]] = {}
    source = torch_source(Discovery(read(name)))
    assert [line for line in source.splitlines() if line.startswith(("import", "from"))] == [
        "from typing import Optional",
        "import torch",
    ]
    exec(source, scope)
    x = torch.linspace(-3, 3, 24).view(2, 3, 4)
    expected = function_of(read(name)).at_start(x)
    torch.testing.assert_close(scope["Activation"]()(x), expected)
    if read(name).parameters:
        module = scope["Activation"](channels=3)
        assert [tuple(p.shape) for p in module.parameters()] == [(3,)]
        torch.testing.assert_close(module(x), expected)
