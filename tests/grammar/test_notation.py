"""A function as people write it is what was trained, or a mirror image that is told; and it is read back."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actsearch.grammar.behaviour.fingerprint import behaviour, fingerprint, twin_key
from actsearch.grammar.expression import Expression
from actsearch.grammar.infix import is_infix, rewritten
from actsearch.grammar.notation import image_of, numbers_of, written
from actsearch.grammar.parse import BadExpression
from actsearch.grammar.rows.fingerprints import FINGERPRINTS
from actsearch.grammar.rows.known import KNOWN, read
from actsearch.search.proposers.chance import uniform
from actsearch.search.settings.space import SpaceSettings, build_space

SPACES = [build_space(SpaceSettings(units=units)) for units in (1, 2)]


def _drawn(number: int, units: int) -> Expression:
    space = SPACES[units - 1]
    (tokens,) = uniform(space, 1, torch.Generator().manual_seed(number))
    return space.decode(tokens)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("relu", "max(x, 0)"), ("swish", "x·σ(βx)"), ("silu", "x·σ(x)"), ("gelu", "x·Φ(x)"), ("abs", "|x|"),
        ("gate(sinh(x),neg(x))", "x·σ(sinh(x))"), ("minzero(x)", "max(x, 0)"), ("square(relu(x))", "max(x, 0)²"),
        ("mix(minzero(x),neg(x))", "β·max(x, 0) − x·(1 − β)"), ("sub(cos(x),x)", "x + cos(x)"),
        ("mul(x,mul(x,x))", "x³"), ("add(x,x)", "2·x"), ("neg(abs(x))", "|x|"), ("max(x,sin(x))", "max(x, sin(x))"),
        ("laplacegap(erf(x),neg(x))", "exp(-β·|x + erf(x)|)"), ("mish", "x·tanh(softplus(x))"),
    ],
)  # fmt: skip
def test_functions_are_written_as_people_write_them(text: str, wanted: str) -> None:
    assert written(read(text)).plain == wanted


def test_latex_and_mathml_say_the_same() -> None:
    found = written(read("square(relu(x))"))
    assert found.latex == r"\max\left(x, 0\right)^{2}"
    assert "<msup>" in found.mathml
    assert "<mi>σ</mi>" in written(read("swish")).mathml
    assert written(read("swish")).latex == r"x \sigma{\left(\beta x \right)}"
    assert written(read("logabs(x)")).latex == r"\operatorname{logabs}\left(x\right)"


def _values(expression: Expression) -> torch.Tensor:
    """Return values for positive betas: with a negative one, an exponential within is soon held at its largest."""
    return behaviour(expression)[0, :3].detach()


def _is_guarded(expression: Expression) -> bool:
    """Whether a root or a denominator within is so small on the probe that its code holds it away from 0."""
    guarded = [part.arguments[-1] for part in expression.walk() if part.primitive.name in {"sqrt", "div"}]
    return any(bool((_values(part).abs() < 1e-6).any()) for part in guarded)


@given(st.integers(0, 10**6), st.integers(1, 2))
def test_what_is_written_is_read_back_as_the_same_function(number: int, units: int) -> None:
    expression = _drawn(number, units)
    try:
        plain, upright = (read(written(expression, upright=up).plain) for up in (False, True))
    except BadExpression as fault:
        if "is a number" in str(fault):  # a function without x
            return
        raise
    wanted = _values(expression)
    if not torch.isfinite(wanted).all() or wanted.abs().max() > 1e4 or _is_guarded(expression):
        return  # what keeps a root, a quotient or an exponential finite is not written
    torch.testing.assert_close(_values(plain), wanted, rtol=1e-7, atol=1e-7)
    image = written(expression).image
    turned = wanted.flip(1) if image.endswith("f(-x)") else wanted
    turned = -turned if image.startswith("-") else turned
    torch.testing.assert_close(_values(upright), turned, rtol=1e-7, atol=1e-7)


def test_of_the_space_hardly_anything_cannot_be_read_back() -> None:
    failed = 0
    for number in range(150):
        try:
            read(written(_drawn(number, 1)).plain)
        except BadExpression:
            failed += 1
    assert failed <= 8


def test_the_numbers_that_choose_the_image_are_those_of_the_function() -> None:
    same = []
    for number in range(300):
        expression = _drawn(number, 1 + number % 2)
        expected = behaviour(expression)[0, 0].nan_to_num(0.0, 1e12, -1e12)
        found = torch.from_numpy(numbers_of(expression).copy()).nan_to_num(0.0, 1e12, -1e12)
        same.append(torch.allclose(found, expected, rtol=1e-6, atol=1e-9))
    assert sum(same) >= 297  # of what is divided by a guarded 0 the sign of that 0 decides


@pytest.mark.parametrize(
    "text", ["relu(x)", "gate(sinh(x),neg(x))", "sub(cos(x),x)", "minzero(x)", "neg(exp(x))", "tanh(x)"]
)
def test_the_image_that_is_written_rises_to_the_right(text: str) -> None:
    image = image_of(read(text))
    values = behaviour(read(text))[0, 0]
    values = values.flip(0) if image.endswith("f(-x)") else values
    values = -values if image.startswith("-") else values
    assert values[-1] >= values[0]
    assert abs(values[-1]) >= abs(values[0]) - 1e-9
    assert written(read(text)).image == image
    assert bool(written(read(text)).note) == (image != "f(x)")


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("x*sigmoid(beta*x)", "mul(x,sigmoid(scale(x)))"), ("x·σ(βx)", "mul(x,sigmoid(scale(x)))"),
        ("x/(1 + exp(-x))", "gate(x,x)"), ("1/(1+exp(-beta*x))", "sigmoid(scale(x))"), ("max(x, 0)", "relu(x)"),
        ("Min(0,x)", "minzero(x)"), ("log(1+exp(x))", "softplus(x)"), ("x**2", "square(x)"), ("x^3", "cube(x)"),
        ("-|x|", "neg(abs(x))"), ("|x| + |sin(x)|", "add(abs(x),abs(sin(x)))"), ("x + beta", "shift(x)"),
        ("beta*sin(x) + (1 - beta)*x", "mix(sin(x),x)"), ("x − cos(x)", "sub(x,cos(x))"), ("3*x", "add(add(x,x),x)"),
        ("-x + sin(x)", "sub(sin(x),x)"), ("x·Φ(x)", "gelu(x)"), ("max(x, sin(x), 0)", "max(x,relu(sin(x)))"),
        ("x/βx", "div(x,scale(x))"), ("√(|x|)", "sqrt(x)"), ("max(0, x, x**2)", "max(x,relu(square(x)))"),
        ("x*sigmoid(1.702*x)", "mul(x,sigmoid(mul(1.702,x)))"), ("x/2", "div(x,2)"), ("1 − x", "sub(1,x)"),
        ("max(x, 0.01*x)", "max(x,mul(0.01,x))"), ("-0.5*x^2", "mul(-0.5,square(x))"), ("12*x", "mul(12,x)"),
        ("sin(30*x)", "sin(mul(30,x))"), ("pi*x", "mul(3.141592653589793,x)"), ("max(0, 0)", "relu(0)"),
        ("relu(x)*relu(-x)", "mul(relu(x),relu(neg(x)))"), ("swish(x) + x", "add(swish(x),x)"),
    ],
)  # fmt: skip
def test_formulas_are_read_as_people_type_them(typed: str, rows: str) -> None:
    assert is_infix(typed)
    assert rewritten(typed) == rows
    assert fingerprint(read(typed)) == fingerprint(read(rows))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("1e999*x", "finite in double precision"), ("True*x", "found 'True'"), ("'a'*x", "found ''a''"),
        ("1j*x", "found '1j'"),
        ("-1", "'-1' is a number: expected a function of x"), (" 1.5 ", "is a number"), ("pi", "unknown name 'pi'"),
        ("x#+x", "found '#'"), ("x**0.5", "whole powers"), ("2**x", "whole powers"),
        ("x +", "is no formula: expected one such as"), ("x*(", "is no formula"), ("x // 2", "another operator"),
        ("x*[1]", r"found '\[1\]'"), ("x**99", "another operator|constant|whole powers"), ("x*sygmoid(x)", "sygmoid"),
        ("x*max(key=x)", "found 'max"), ("__import__('os').system('true')*x", "expected x, beta"), ("|x", "no formula"),
        ("x*" * 5000 + "x", "no formula|nested"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_a_sentence(typed: str, said: str) -> None:
    with pytest.raises(BadExpression, match=said):
        read(typed)


def test_every_known_activation_is_written_and_read_back() -> None:
    for name, expression in itertools.chain((name, read(name)) for name in KNOWN):
        assert twin_key(behaviour(read(written(expression).plain)), constants=False) == twin_key(
            behaviour(expression), constants=False
        ), name


def test_the_fingerprints_that_name_known_activations_are_theirs() -> None:
    assert {name: fingerprint(read(text)) for name, text in KNOWN.items()} == FINGERPRINTS
