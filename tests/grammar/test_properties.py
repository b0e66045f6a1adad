"""Properties against closed forms and textbook facts; formulas against SymPy's answers, in bounded time."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actsearch.grammar import symbolic
from actsearch.grammar.behaviour.properties import properties, swish_distance
from actsearch.grammar.description import NUMERIC, SYMBOLIC, describe
from actsearch.grammar.expression import Expression, X
from actsearch.grammar.parse import parse
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.known import KNOWN, read
from actsearch.grammar.rows.sets import VOCABULARY

OF = {name: properties(read(name)) for name in KNOWN}
INF = math.inf


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("relu", (0, INF, 0, 1)),
        ("silu", (0, INF, 0, 1)),
        ("tanh", (-1, 1, 0, 0)),
        ("elu", (-1, INF, 0, 1)),
        ("leaky_relu", (-INF, INF, 0.01, 1)),
        ("gauss", (0, 0, 0, 0)),
        ("abs", (INF, INF, -1, 1)),
        ("squared_relu", (0, INF, 0, INF)),
        ("selu", (-1.0507009873554805 * 1.6732632423543772, INF, 0, 1.0507009873554805)),
    ],
)
def test_limits_and_slopes_at_the_ends(name: str, ends: tuple[float, ...]) -> None:
    found = OF[name]
    assert (found.limit_left, found.limit_right, found.slope_left, found.slope_right) == pytest.approx(ends)


def test_an_end_that_does_not_settle_is_none() -> None:
    sine = properties(read("sin(x)"))
    assert (sine.limit_left, sine.limit_right, sine.slope_right) == (None, None, None)
    assert OF["min_sin"].limit_right is None


UNBOUNDED_BELOW = {
    "leaky_relu",
    "leaky_relu_02",
    "rrelu_mean",
    "prelu",
    "linear",
    "cos_minus_x",
    "min_sin",
    "atan_square_minus_x",
}
FACTS = {
    "bounded_above": {"tanh", "sigmoid", "gauss", "softsign", "min_sin"},
    "bounded_below": set(KNOWN) - UNBOUNDED_BELOW - {"sinc_plus_x", "x_asinh_square"},
    "monotone": set(KNOWN) - {"silu", "swish", "gelu", "mish", "hardswish", "abs", "gauss", "min_sin"},
    "convex": {
        "relu",
        "softplus",
        "elu",
        "leaky_relu",
        "leaky_relu_02",
        "rrelu_mean",
        "abs",
        "linear",
        "prelu",
        "leaky_backward_relu",
        "squared_relu",
    }
    | {"max_tanh"},
    "odd": {"tanh", "softsign", "linear", "x_asinh_square"},
    "even": {"abs", "gauss"},
    "smooth": set(KNOWN)
    - {"relu", "leaky_relu", "leaky_relu_02", "leaky_backward_relu", "rrelu_mean", "prelu", "selu", "hardswish", "abs"}
    - {"max_sigmoid"},
    "swish_like": {"silu", "swish", "gelu", "mish", "min_sin"},
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_yes_or_no_is_what_the_textbook_says(fact: str) -> None:
    assert {name for name in KNOWN if getattr(OF[name], fact)} == FACTS[fact]


@pytest.mark.parametrize(
    ("text", "above", "below", "like"),
    [
        ("exp(x)", False, True, False),
        ("cosh(x)", False, True, True),
        ("sinh(x)", False, False, False),
        ("mul(x,exp(x))", False, True, True),
        ("min(x,exp(x))", False, False, False),
        ("square(atan(x))", True, True, False),
        ("gate(asinh(x),atan(x))", True, True, False),
        ("logabs(x)", False, True, False),
    ],
)
def test_bounds_where_values_overflow_or_saturate(text: str, above: bool, below: bool, like: bool) -> None:
    found = properties(read(text))
    assert (found.bounded_above, found.bounded_below, found.swish_like) == (above, below, like)


def test_poles_and_jumps_are_no_zeros_no_monotony_and_no_convexity() -> None:
    pole, jump = properties(read("reciprocal(x)")), properties(read("sub(x,div(abs(x),x))"))
    assert (pole.zeros, pole.monotone, pole.smooth) == ((), False, False)
    assert (jump.monotone, jump.convex, jump.smooth) == (False, False, False)
    assert not properties(read("mul(exp(x),relu(x))")).smooth


def test_moments_that_are_infinite_are_none() -> None:
    for text in ("exp(exp(x))", "exp(square(x))"):
        found = properties(read(text))
        assert (found.mean, found.variance, found.gain) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "mean", "second"),
    [
        ("relu", 1 / math.sqrt(2 * math.pi), 0.5),
        ("linear", 0.0, 1.0),
        ("abs", math.sqrt(2 / math.pi), 1.0),
        ("gauss", 1 / math.sqrt(3), 1 / math.sqrt(5)),
        ("squared_relu", 0.5, 1.5),
        ("gelu", 1 / (2 * math.sqrt(math.pi)), 1 / 3 + 1 / (2 * math.sqrt(3) * math.pi)),
    ],
)
def test_moments_under_the_normal_distribution_equal_their_closed_forms(name: str, mean: float, second: float) -> None:
    found = OF[name]
    assert found.mean == pytest.approx(mean, abs=1e-5)
    if name != "gelu":
        assert found.variance == pytest.approx(second - mean**2, abs=1e-5)
        assert found.gain == pytest.approx(1 / math.sqrt(second), rel=1e-5)


def test_selu_keeps_mean_and_variance_as_its_authors_promise() -> None:
    assert (OF["selu"].mean, OF["selu"].variance) == pytest.approx((0, 1), abs=1e-4)


def test_zeros_fixed_points_and_lipschitz_constants_are_the_known_ones() -> None:
    dottie = 0.7390851332151607  # cos x = x
    assert OF["cos_minus_x"].zeros == pytest.approx((dottie,))
    assert properties(read("cos(x)")).fixed_points == pytest.approx((dottie,))
    assert properties(read("sin(x)")).zeros == pytest.approx((-math.pi, 0, math.pi), abs=1e-8)
    assert OF["relu"].zeros == ()  # a whole half line, no point to name
    assert OF["sigmoid"].lipschitz == pytest.approx(0.25)
    assert OF["silu"].lipschitz == pytest.approx(1.0998, abs=1e-4)  # at x = 2.3994


def test_regions_of_saturation_and_straightness() -> None:
    ((left, a), (b, right)) = OF["tanh"].saturating
    assert (left, right) == (-6, 6)
    assert b == pytest.approx(math.acosh(10), abs=0.01)  # 1/cosh^2 = 0.01
    assert a == pytest.approx(-b)
    assert OF["relu"].saturating[0] == pytest.approx((-6, 0), abs=0.01)
    assert OF["relu"].almost_linear[0] == pytest.approx((0, 6), abs=0.01)
    assert OF["linear"].almost_linear == ((-6, 6),)


@pytest.mark.parametrize("b", [0.5, 1.0, 1.7, 4.0])
def test_a_swish_is_at_distance_zero_from_swish(b: float) -> None:

    swish = Expression(Primitive("any", 1, f"3 - 2 * a * torch.sigmoid({b} * a)", "a"), (X,))
    distance, found = swish_distance(swish)
    assert distance == pytest.approx(0, abs=1e-4)
    assert found == pytest.approx(b, rel=1e-3)


def test_the_line_is_as_far_from_swish_as_least_squares_says() -> None:
    distance, _ = swish_distance(read("x"))
    assert distance == pytest.approx(0.449, abs=2e-3)
    assert swish_distance(read("sub(x,x)")) == (None, None)


@given(st.sampled_from(sorted(KNOWN)), st.sampled_from(["neg({})", "shift({})", "neg(shift({}))"]))
def test_distance_and_likeness_do_not_feel_the_symmetries(name: str, form: str) -> None:
    twin = properties(read(form.format(read(name))))
    assert twin.swish_distance == pytest.approx(OF[name].swish_distance, abs=1e-4)
    assert twin.swish_like == OF[name].swish_like


def test_formulas_become_latex_derivatives_and_simpler_forms() -> None:
    forms = symbolic.forms("x*(1/(1 + exp(-(x))))")
    assert forms["latex"] is not None
    assert "e^{- x}" in forms["latex"]
    assert forms["derivative"] is not None
    gate = 1 / (1 + math.exp(-0.7))
    slope = symbolic.evaluate_formula(forms["derivative"], {"x": 0.7})
    assert slope == pytest.approx(gate + 0.7 * gate * (1 - gate))
    assert symbolic.forms("sin(x)**2 + cos(x)**2")["simplified"] == "1"


def test_sympy_is_stopped_when_it_is_late_and_works_again_afterwards() -> None:
    assert symbolic.forms("gamma(10**9)", seconds=0.2) == {
        "latex": None,
        "derivative": None,
        "simplified": None,
    }
    assert symbolic.evaluate_formula("a**2", {"a": 3.0}) == 9.0
    assert symbolic.evaluate_formula("log(a)", {"a": -3.0}) is None


def test_a_description_says_how_each_fact_was_found() -> None:
    facts = describe(read("mul(x,sigmoid(scale(x)))"))
    assert facts["names"] == ["swish"]
    assert facts["beta"] == "changes the shape"
    assert facts["refused"] is None
    assert facts["properties"]["limit_left"] == {"value": 0.0, "how": SYMBOLIC}
    assert facts["properties"]["limit_right"] == {"value": INF, "how": SYMBOLIC}
    assert facts["properties"]["gain"]["how"] == NUMERIC
    assert facts["properties"]["odd"] == {"value": False, "how": NUMERIC}
    assert describe(read("tanh"))["properties"]["odd"] == {"value": True, "how": SYMBOLIC}
    assert describe(read("mul(x,sin(x))"))["properties"]["even"] == {"value": True, "how": SYMBOLIC}


def test_a_sympy_that_was_killed_is_started_again_and_one_that_dies_again_is_no_slow_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert symbolic.evaluate_formula("a**2", {"a": 3.0}) == 9.0
    running = symbolic._PROCESS.running
    assert running is not None
    running.kill()
    running.wait()
    assert symbolic.evaluate_formula("a**2", {"a": 4.0}) == 16.0
    symbolic._PROCESS.end()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(symbolic.SymPyDied, match="ended with code 1"):
        symbolic.evaluate_formula("a**2", {"a": 5.0})


def test_a_formula_that_doubles_with_every_level_stays_as_it_is_written() -> None:
    deep = parse("mish(" * 60 + "x" + ")" * 60, VOCABULARY)
    assert len(deep.formula) < 40_000
    assert "(mish(mish(mish(" in deep.formula


def test_a_formula_that_nobody_could_read_is_not_given_to_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolic._PROCESS, "_ask", lambda *_: pytest.fail("SymPy was asked"))
    expression = parse("mish(" * 7 + "x" + ")" * 7, VOCABULARY)
    assert len(expression.formula) > symbolic.MOST_LETTERS
    facts = describe(expression)
    assert all(facts[name] is None for name in ("latex", "derivative", "simplified"))
