"""Whole functions against mpmath: in single precision value and slope are finite wherever the true ones are."""

import itertools
import random
from typing import Any

import mpmath as mp
import pytest
import torch

from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.expression import Expression, X, apply
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_body import function_lines
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.function import function_of, values_and_slopes
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.reach import MOST, held_code, reach
from actsearch.grammar.rows.known import KNOWN, read
from actsearch.grammar.rows.sets import SETS, VOCABULARY
from tests.grammar.test_primitives import ORACLES

LARGEST = float(torch.finfo(torch.float32).max)
SIZES = (1e-45, 1e-38, 1e-20, 1e-6, 0.03, 0.7, 2.0, 6.0, 11.8, 30.0, 69.5, 84.0, 88.5, 89.5, 104.0, 1e3, 1e4)
POINTS = sorted({0.0, *SIZES, *(-size for size in SIZES)})
BEYOND = mp.mpf(10) ** 5000  # of which mpmath would need the exponential to thousands of digits


class TooLarge(Exception):
    """The truth is out of mpmath's reach, or undefined."""


def _truth(expression: Expression, x: mp.mpf) -> mp.mpf:
    if expression == X:
        return x
    if expression.primitive.name == "beta":
        return mp.mpf(1)
    arguments = [_truth(argument, x) for argument in expression.arguments]
    if any(abs(argument) > BEYOND for argument in arguments):
        raise TooLarge
    try:
        return _oracle(expression.primitive.name)(*arguments)
    except (ZeroDivisionError, ValueError, OverflowError) as fault:
        raise TooLarge from fault


def _oracle(name: str):  # type: ignore[no-untyped-def]  # of mpmath, which has no types
    at_beta_1 = {
        "scale": lambda a: a,
        "shift": lambda a: a + 1,
        "gaussgap": lambda a, b: mp.exp(-((a - b) ** 2)),
        "laplacegap": lambda a, b: mp.exp(-abs(a - b)),
        "mix": lambda a, b: a,
        "prelu": lambda a: a if a > 0 else a / 4,
    }
    return at_beta_1.get(name, ORACLES[name])


def _is_representable(expression: Expression, x: float) -> bool:
    """Whether value and slope are numbers of single precision."""
    with mp.workdps(60):
        point, step = mp.mpf(x), mp.mpf(10) ** -25
        try:
            value, right, left = (_truth(expression, point + shift) for shift in (0, step, -step))
        except TooLarge:
            return False
        return bool(abs(value) < LARGEST and abs(right - left) / (2 * step) < LARGEST)


def _assert_finite(expression: Expression) -> None:
    x = torch.tensor(POINTS)
    values, slopes = values_and_slopes(function_of(expression).at_start, x)
    for point, value, slope in zip(x.tolist(), values.tolist(), slopes.tolist(), strict=True):
        if not (mp.isfinite(value) and mp.isfinite(slope)):
            assert not _is_representable(expression, point), f"{expression} at {point}: {value}, slope {slope}"


LEADERS = (
    "gate(sinh(x),scale(x))", "gate(sinh(x),softplus(x))", "gate(sinh(x),neg(x))", "gate(exp(x),x)", "tanh(exp(x))",
    "gate(cube(x),x)", "gauss(square(x))", "sin(mul(exp(x),cosh(x)))", "min(x,exp(x))", "max(neg(exp(x)),x)",
    "div(exp(x),cosh(x))", "div(sinh(x),cosh(x))", "atan(square(cube(x)))", "gaussgap(x,exp(x))",
    "mul(x,gauss(cube(x)))",
    "logabs(exp(square(x)))", "asinh(sinh(cube(x)))", "laplacegap(cosh(x),exp(x))", "mix(x,exp(exp(x)))",
    "gate(mul(exp(x),exp(x)),x)", "tanh(pow(x,neg(cosh(x))))", "gate(div(x,gauss(x)),x)", "sigmoid(expm1(exp(x)))",
)  # fmt: skip


@pytest.mark.parametrize("text", [*LEADERS, *KNOWN])
def test_a_leader_and_every_known_activation_is_finite_wherever_it_truly_is(text: str) -> None:
    _assert_finite(read(text))


def _softplus(x: mp.mpf) -> mp.mpf:
    return mp.log1p(mp.exp(x))


STABLE: dict[str, Any] = {
    "x/(1+exp(-x))": lambda x: x / (1 + mp.exp(-x)),
    "1/(1+exp(-x))": lambda x: 1 / (1 + mp.exp(-x)),
    "log(1+exp(x))": _softplus,
    "log(1+exp(beta*x))": _softplus,
    "-log(1+exp(-x))": lambda x: -_softplus(-x),
    "x*tanh(log(1+exp(x)))": lambda x: x * mp.tanh(_softplus(x)),
    "x*sigmoid(beta*x)": lambda x: x / (1 + mp.exp(-x)),
    "elu(x)": lambda x: x if x > 0 else mp.expm1(x),
}


@pytest.mark.parametrize("text", STABLE)
def test_what_overflows_as_it_is_written_is_exported_in_a_form_that_does_not(text: str) -> None:
    scope: dict[str, Any] = {}
    exec(torch_source(Discovery(BUILT_IN.read(text).as_expression())), scope)
    module: Any = scope["Activation"]()
    for dtype, units in ((torch.float32, 4), (torch.float16, 1), (torch.bfloat16, 1)):
        info = torch.finfo(dtype)
        x = torch.tensor(POINTS, dtype=dtype)
        x = x[x.abs() < info.max].requires_grad_()
        value = module(x)
        (slope,) = torch.autograd.grad(value, x, torch.ones_like(value))
        assert bool(slope.isfinite().all())
        for point, found in zip(x.tolist(), value.tolist(), strict=True):
            with mp.workdps(60):
                truth = STABLE[text](mp.mpf(point))
                small = 16 * info.tiny  # torch's sigmoid takes for 0 what is hardly a normal number
                assert abs(found - truth) <= units * info.eps * abs(truth) + small, f"{text} at {point} in {dtype}"


def _two_units(draw: random.Random) -> Expression:
    rows = SETS["swish2017"]
    unary, binary = ([row for row in rows if (row.arity == 2) == two] for two in (False, True))

    def one(row: Primitive, inner: Expression) -> Expression:
        return apply(row, inner) if row.arity else Expression(row)

    first = Expression(draw.choice(binary), (one(draw.choice(unary), X), one(draw.choice(unary), X)))
    return Expression(draw.choice(binary), (one(draw.choice(unary), first), one(draw.choice(unary), X)))


@pytest.mark.parametrize("seed", range(6))
def test_functions_drawn_from_two_units_are_finite_wherever_they_truly_are(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(150):
        _assert_finite(_two_units(draw))


@pytest.mark.slow
def test_every_function_of_one_unit_is_finite_wherever_it_truly_is() -> None:
    rows = SETS["swish2017"]
    unary, binary = ([row for row in rows if (row.arity == 2) == two] for two in (False, True))
    inner = [apply(row, X) if row.arity else Expression(row) for row in unary]
    for root, a, b in itertools.product(binary, inner, inner):
        _assert_finite(Expression(root, (a, b)))


@pytest.mark.parametrize("row", [row for row in VOCABULARY if row.arity], ids=lambda row: row.name)
def test_a_held_row_equals_the_row_under_the_limit_and_is_finite_with_its_slopes_everywhere(row: Primitive) -> None:
    held = Primitive("held", row.arity, held_code(row), row.formula)
    for dtype in (torch.float32, torch.float64):
        grid = torch.tensor([*POINTS, 1e10, -1e10, 1e20, -1e20, MOST, -MOST], dtype=dtype)
        points = [grid] if row.arity == 1 else list(torch.meshgrid(grid, grid, indexing="ij"))
        points = [point.clone().requires_grad_() for point in points]
        value = held(*points, beta=torch.ones((), dtype=dtype)).expand(points[0].shape)
        assert bool(torch.isfinite(value).all())
        assert float(value.detach().abs().max()) <= MOST * (1 + 1e-6)
        if value.requires_grad:
            slopes = torch.autograd.grad(value.sum(), points, allow_unused=True, materialize_grads=True)
            upstream_of_nothing = torch.zeros_like(value)
            stopped = torch.autograd.grad(
                held(*points, beta=torch.ones((), dtype=dtype)).expand(points[0].shape), points, upstream_of_nothing,
                allow_unused=True, materialize_grads=True,
            )  # fmt: skip
            assert not any(bool(slope.isnan().any()) for slope in (*slopes, *stopped))
        plain = row(*(point.detach() for point in points), beta=torch.ones((), dtype=dtype)).expand(points[0].shape)
        small = plain.abs() < MOST / 10
        rounding = 2e-5 if row.name == "pow" else 2e-6  # exp(b log a) rounds b log a, which is up to 69
        torch.testing.assert_close(value.detach()[small], plain[small], rtol=rounding, atol=0)


def test_nothing_is_held_that_cannot_overflow_nor_what_a_function_returns() -> None:
    for text in ("swish", "gelu", "mish", "exp(x)", "square(relu(x))", "sub(square(atan(x)),x)", "exp(sigmoid(x))"):
        assert "hardtanh" not in function_of(read(text)).source, text
    assert reach(read("exp(x)").primitive, (1.0,)) == pytest.approx(2.718281828)
    assert reach(read("exp(x)").primitive, (MOST,)) == float("inf")


@pytest.mark.parametrize("text", ["logabs(exp(exp(x)))", "atan(sinh(exp(neg(x))))", "logabs(cosh(cosh(x)))"])
def test_what_is_only_looked_at_is_not_held(text: str) -> None:
    x = torch.tensor([4.6, -4.6], dtype=torch.float64)
    exact = function_of(read(text), held=False).at_start(x)
    with mp.workdps(60):
        for point, value in zip(x.tolist(), exact.tolist(), strict=True):
            assert value == pytest.approx(float(_truth(read(text), mp.mpf(point))), rel=1e-12)


def test_what_is_held_stands_in_the_source_that_is_exported() -> None:
    assert function_lines(read("gate(sinh(x),scale(x))")) == [
        "return torch.sigmoid(torch.sinh(torch.nn.functional.hardtanh(x, -69.0, 69.0))) * (beta * x)"
    ]


def test_a_row_of_ones_own_that_overflows_inside_is_cut_off() -> None:
    own = Primitive("steep", 1, "torch.exp(a) * a", "a*exp(a)")
    function = function_of(read("sigmoid(steep(x))", (own,)))
    values, slopes = values_and_slopes(function, torch.tensor([95.0, -95.0]))
    assert values.tolist() == [1.0, 0.5]
    assert bool(torch.isfinite(values).all())
    assert slopes.shape == (2,)
