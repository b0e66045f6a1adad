"""Every row against mpmath, an independent oracle, in value and gradient, in both precisions."""

import dataclasses
from collections.abc import Callable

import mpmath as mp
import pytest
import torch

from actsearch.grammar.primitive import BadPrimitive, Primitive
from actsearch.grammar.rows import aquasurf2023
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.grammar.rows.swish2017 import BINARY, UNARY

POINTS = (0.0, 1e-6, -1e-6, 30.0, -30.0, 1e4, -1e4, 0.05, -0.3, 1.0, -1.0, 2.5, -4.0)
BETA = 0.75

Oracle = Callable[..., mp.mpf]


def _sigmoid(a: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-a))


ORACLES: dict[str, Oracle] = {
    "identity": lambda a: a,
    "neg": lambda a: -a,
    "abs": abs,
    "square": lambda a: a**2,
    "cube": lambda a: a**3,
    "sqrt": lambda a: mp.sqrt(abs(a)),
    "scale": lambda a: mp.mpf(BETA) * a,
    "shift": lambda a: a + mp.mpf(BETA),
    "logabs": lambda a: mp.log(abs(a) + mp.mpf(1e-6)),
    "exp": mp.exp,
    "sin": mp.sin,
    "cos": mp.cos,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "asinh": mp.asinh,
    "atan": mp.atan,
    "sinc": mp.sinc,
    "relu": lambda a: max(a, mp.mpf(0)),
    "minzero": lambda a: min(a, mp.mpf(0)),
    "sigmoid": _sigmoid,
    "softplus": lambda a: mp.log1p(mp.exp(a)),
    "gauss": lambda a: mp.exp(-(a**2)),
    "erf": mp.erf,
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "sub": lambda a, b: a - b,
    "div": lambda a, b: a / b,
    "max": max,
    "min": min,
    "gate": lambda a, b: _sigmoid(a) * b,
    "gaussgap": lambda a, b: mp.exp(-mp.mpf(BETA) * (a - b) ** 2),
    "laplacegap": lambda a, b: mp.exp(-mp.mpf(BETA) * abs(a - b)),
    "mix": lambda a, b: mp.mpf(BETA) * a + (1 - mp.mpf(BETA)) * b,
    "gelu": lambda a: a * mp.ncdf(a),
    "mish": lambda a: a * mp.tanh(mp.log1p(mp.exp(a))),
    "elu": lambda a: a if a > 0 else mp.expm1(a),
    "leaky_relu_02": lambda a: a if a > 0 else a * mp.mpf(0.2),
    "rrelu_mean": lambda a: a if a > 0 else a * mp.mpf(11) / 48,
    "hardswish": lambda a: a * max(mp.mpf(0), min(mp.mpf(6), a + 3)) / 6,
    "zero": lambda a: a * 0,
    "one": lambda a: a * 0 + 1,
    "reciprocal": lambda a: 1 / a,
    "erfc": mp.erfc,
    "expm1": mp.expm1,
    "logsigmoid": lambda a: -mp.log1p(mp.exp(-a)),
    "i0e": lambda a: mp.exp(-abs(a)) * mp.besseli(0, a),
    "i1e": lambda a: mp.exp(-abs(a)) * mp.besseli(1, a),
    "selu": lambda a: mp.mpf("1.0507009873554805") * (a if a > 0 else mp.mpf("1.6732632423543772") * mp.expm1(a)),
    "silu": lambda a: a * _sigmoid(a),
    "softsign": lambda a: a / (1 + abs(a)),
    "hardsigmoid": lambda a: max(mp.mpf(0), min(mp.mpf(1), a / 6 + mp.mpf(1) / 2)),
    "pow": lambda a, b: abs(a) ** b,
    "leaky_relu": lambda a: a if a > 0 else a * mp.mpf(0.01),
    "prelu": lambda a: a if a > 0 else a * mp.mpf(BETA) / 4,
    "leaky_backward_relu": lambda a: max(a, mp.mpf(0)),
}
SLOPES: dict[str, Oracle] = {  # rows whose gradient is not that of their value, on purpose
    "leaky_backward_relu": lambda a: mp.mpf(1) if a > 0 else mp.mpf(0.01)
}

KINK_AT_ZERO = {"abs", "sqrt", "logabs", "relu", "minzero", "elu", "selu", "leaky_relu", "leaky_relu_02", "rrelu_mean"}
KINK_AT_ZERO |= {"prelu", "leaky_backward_relu"}
KINK_WHERE_EQUAL = {"max", "min", "laplacegap"}
CONTINUED: dict[str, Callable[..., bool]] = {  # outside the row's domain a safe continuation takes over
    "sqrt": lambda a: abs(a) <= 1e-7,
    "div": lambda a, b: abs(b) <= 1e-7,
    "sinc": lambda a: abs(a) <= 3e-4,
    "reciprocal": lambda a: abs(a) <= 1e-7,
    "pow": lambda a, b: abs(a) <= 1e-7,
}

ROWS = [row for row in VOCABULARY if row.arity]


def test_every_row_has_an_oracle() -> None:
    assert {row.name for row in ROWS} == set(ORACLES)
    assert (len(UNARY), len(BINARY)) == (25, 10)
    assert (len(aquasurf2023.UNARY), len(aquasurf2023.BINARY)) == (27, 7)


def _slope(oracle: Oracle, point: tuple[mp.mpf, ...], place: int) -> mp.mpf:
    """A central difference with 60 digits: exact to far more than double precision away from kinks."""
    step = mp.mpf(10) ** -25
    shifted = [tuple(v + s * step * (i == place) for i, v in enumerate(point)) for s in (1, -1)]
    return (oracle(*shifted[0]) - oracle(*shifted[1])) / (2 * step)


def _agrees(found: float, expected: mp.mpf, dtype: torch.dtype, scale: mp.mpf) -> bool:
    """Equal within some units in the last place; overflow is the infinity that the dtype has for it."""
    info = torch.finfo(dtype)
    if abs(expected) > info.max:
        return found == float(mp.sign(expected)) * float("inf")
    tolerance = 24 * mp.mpf(info.eps) * max(abs(expected), scale) + mp.mpf(info.tiny) + mp.mpf(10) ** -40
    return bool(abs(mp.mpf(found) - expected) <= tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_value_and_gradient_equal_the_oracle(row: Primitive, dtype: torch.dtype) -> None:
    oracle = ORACLES[row.name]
    grid = torch.tensor(POINTS, dtype=dtype)
    points = torch.cartesian_prod(grid, grid) if row.arity == 2 else grid[:, None]
    with mp.workdps(60):
        for point in points:
            arguments = [value.clone().requires_grad_() for value in point]
            value = row(*arguments, beta=torch.tensor(BETA, dtype=dtype))
            slopes = torch.autograd.grad(value, arguments) if value.requires_grad else [torch.zeros(())]
            exact = tuple(mp.mpf(argument.item()) for argument in arguments)
            if torch.isfinite(value):
                assert all(bool(torch.isfinite(slope)) for slope in slopes), f"slope of {row.name}{exact}"
            if row.name in CONTINUED and CONTINUED[row.name](*exact):
                continue
            expected = oracle(*exact)
            assert _agrees(value.item(), expected, dtype, _value_scale(row.name, exact, expected)), (
                f"{row.name}{exact} = {value.item()}"
            )
            if (row.name in KINK_AT_ZERO and exact[0] == 0) or (row.name in KINK_WHERE_EQUAL and exact[0] == exact[1]):
                continue
            for place, slope in enumerate(slopes):
                expected = SLOPES[row.name](*exact) if row.name in SLOPES else _slope(oracle, exact, place)
                assert _agrees(slope.item(), expected, dtype, _slope_scale(row.name, exact)), (
                    f"d{row.name}{exact}: {slope.item()}"
                )


def _value_scale(name: str, point: tuple[mp.mpf, ...], value: mp.mpf) -> mp.mpf:
    """The size of the numbers that the row's own code rounds on the way; 0 where none is larger than the result."""
    if name in {"add", "sub", "mix", "shift", "gelu"}:
        return max(map(abs, point))  # gelu: 1 + erf cancels on the left
    if name in {"gaussgap", "laplacegap"} and value > 0:
        return abs(value * mp.log(value))  # exp multiplies the relative error of its argument by its size
    return mp.mpf(1) if name == "logabs" else mp.mpf(0)


def _slope_scale(name: str, point: tuple[mp.mpf, ...]) -> mp.mpf:
    """The same for slopes; torch's derivative of a sigmoid is a difference from 1."""
    if name in {"identity", "neg", "abs", "square", "cube", "scale", "exp", "sinh", "cosh"}:
        return mp.mpf(0)
    return max(mp.mpf(1), *map(abs, point))


@pytest.mark.parametrize("row", [row for row in ROWS if row.reads], ids=lambda row: row.name)
def test_the_gradient_of_beta_is_right(row: Primitive) -> None:
    beta = torch.tensor([0.3, 0.8, 1.6], dtype=torch.float64, requires_grad=True)
    a = torch.tensor([-1.3, 0.4, 2.0], dtype=torch.float64)
    b = torch.tensor([0.5, -0.7, 1.1], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda beta: row(*(a, b)[: row.arity], beta=beta), (beta,))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("twice", 1, "2 * b", "2*a"), "must use exactly ['a']"),
        (("max3", 1, "torch.maximum(a, b)", "Max(a, b)"), "must use exactly ['a']"),
        (("total", 1, "a.sum()", "a"), "must keep the shape"),
        (("log", 1, "torch.log(a)", "log(a)"), "not finite on ordinary inputs"),
        (("broken", 1, "a +", "a"), "must be one Python expression"),
        (("thing", 1, "torch.nothing(a)", "a"), "raised AttributeError"),
        (("shadow", 1, "(x := torch.tanh(a)) * x", "tanh(a)**2"), "must not be named 'x'"),
        (("clash", 1, "(t1 := torch.tanh(a)) * t1", "tanh(a)**2"), "must not be named 't1'"),
        (("a b", 1, "a", "a"), "must be a Python identifier"),
        (("three", 3, "a", "a"), "arity must be 0, 1 or 2"),
    ],
)
def test_a_row_that_breaks_its_promise_is_refused(arguments: tuple[str, int, str, str], complaint: str) -> None:
    with pytest.raises(BadPrimitive, match=f"primitive '{arguments[0]}'") as found:
        Primitive(*arguments)
    assert complaint in str(found.value)


@pytest.mark.parametrize("row", VOCABULARY, ids=lambda row: row.name)
def test_a_built_in_row_keeps_every_promise_that_one_of_the_users_must(row: Primitive) -> None:
    assert Primitive(**{field.name: getattr(row, field.name) for field in dataclasses.fields(row)}) == row


def test_sinc_is_continued_within_two_parts_in_a_hundred_million() -> None:
    a = torch.linspace(-4e-4, 4e-4, 401, dtype=torch.float64)
    sinc = next(row for row in UNARY if row.name == "sinc")
    torch.testing.assert_close(sinc(a, beta=torch.ones(())), torch.sinc(a / torch.pi), rtol=0, atol=2e-8)


def test_where_both_are_equal_max_and_min_have_one_slope_that_adds_up() -> None:
    for name in ("max", "min"):
        row = next(row for row in BINARY if row.name == name)
        a, b = (torch.tensor([2.0, -1.0], requires_grad=True) for _ in range(2))
        slopes = torch.autograd.grad(row(a, b, beta=torch.ones(())).sum(), [a, b])
        assert torch.equal(slopes[0] + slopes[1], torch.ones(2))


def test_asinh_stays_a_number_where_its_square_overflows() -> None:
    asinh = next(row for row in UNARY if row.name == "asinh")
    a = torch.tensor([1e25, -1e30], requires_grad=True)
    value = asinh(a, beta=torch.ones(()))
    (slope,) = torch.autograd.grad(value.sum(), a)
    assert bool(torch.isfinite(value).all() and torch.isfinite(slope).all())
    torch.testing.assert_close(value, torch.asinh(a), rtol=0.02, atol=0)
