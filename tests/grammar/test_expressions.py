"""Text, trees and source: what is written is read back, and every fault of a text is one clear sentence."""

import copy
import json
import pickle
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actsearch.grammar.expression import Expression, X, apply, constant
from actsearch.grammar.function import function_of
from actsearch.grammar.parse import BadExpression, from_json, parse
from actsearch.grammar.rows.known import DISCOVERIES, KNOWN, read
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.grammar.rows.swish2017 import BINARY, SWISH2017, UNARY
from tests.grammar.computing import value_of

ROWS = {row.name: row for row in VOCABULARY}


def trees(numbers: Sequence[float] = ()) -> st.SearchStrategy[Expression]:
    """Random trees over every row, of moderate size."""
    leaves = st.one_of(
        st.sampled_from([X, Expression(ROWS["beta"])]),
        st.builds(lambda value: Expression(constant(value)), st.sampled_from(numbers)) if numbers else st.nothing(),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(apply, st.sampled_from([row for row in UNARY if row.arity]), inner),
            st.builds(apply, st.sampled_from(BINARY), inner, inner),
        ),
        max_leaves=8,
    )


NUMBERS = (0.0, 1.0, -1.0, 0.5, -0.044715, 1.702, 30.0, 1e-7, -2.5e11)


@given(trees(NUMBERS), st.floats(allow_nan=False, allow_infinity=False))
def test_text_and_json_of_numbers_are_read_back_as_the_same_tree(tree: Expression, number: float) -> None:
    whole = apply(ROWS["mul"], tree, Expression(constant(number)))
    assert parse(str(whole), SWISH2017) == whole
    assert from_json(json.loads(json.dumps(whole.to_json())), SWISH2017) == whole
    assert float(whole.arguments[1].primitive.name) == number


@given(trees())
def test_text_is_read_back_as_the_same_tree(tree: Expression) -> None:
    assert parse(str(tree), SWISH2017) == tree


@given(trees())
def test_json_is_read_back_as_the_same_tree(tree: Expression) -> None:
    assert from_json(json.loads(json.dumps(tree.to_json())), SWISH2017) == tree


@pytest.mark.parametrize("value", [3, None, [], ["mul"], [["mul"], "x"], {"mul": "x"}, ["mul", "x"], ["nul", "x", "x"]])
def test_json_that_is_no_tree_is_refused(value: object) -> None:
    with pytest.raises(BadExpression):
        from_json(value, SWISH2017)


@given(trees())
def test_a_copy_or_one_that_crossed_to_another_process_computes_the_same(tree: Expression) -> None:
    for again in (copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):  # noqa: S301  of a line above
        assert again == tree
        assert function_of(again).source == function_of(tree).source


@given(trees())
def test_blanks_change_nothing(tree: Expression) -> None:
    assert parse(str(tree).replace(",", " , ").replace("(", " ( "), SWISH2017) == tree


def _by_rows(node: Expression, x: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Evaluate a tree, each primitive alone."""
    arguments = [_by_rows(argument, x, beta) for argument in node.arguments]
    return x if node == X else node.primitive(*arguments, beta=beta)


@given(trees())
def test_the_rendered_source_computes_what_the_rows_compute(tree: Expression) -> None:
    x, beta = torch.linspace(-2, 2, 9, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)
    truth = _by_rows(tree, x, beta).expand(9)
    torch.testing.assert_close(value_of(tree, x, beta, held=False), truth, rtol=0, atol=0, equal_nan=True)


@given(trees(NUMBERS))
def test_the_rendered_source_computes_what_the_rows_compute_of_numbers(tree: Expression) -> None:
    x, beta = torch.linspace(-2, 2, 9, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)
    truth = _by_rows(tree, x, beta).double().expand(9)
    torch.testing.assert_close(value_of(tree, x, beta, held=False), truth, rtol=1e-9, atol=1e-300, equal_nan=True)


@given(trees())
def test_every_distinct_part_is_computed_once(tree: Expression) -> None:
    rows = [part.primitive for part in {*tree.walk()} if part.primitive.arity]
    steps = sum(len(function_of(apply(row, X, X), held=False).graph) for row in rows)
    constant = 0 if tree.inputs else 2  # which gives it the shape of x
    assert len(function_of(tree, held=False).graph) == steps + constant


def test_identity_is_written_as_its_argument() -> None:
    assert str(parse("mul(identity(x),sigmoid(x))", SWISH2017)) == "mul(x,sigmoid(x))"


def test_the_formula_puts_each_row_into_the_next() -> None:
    assert read("mul(x,sigmoid(scale(x)))").formula == "x*(1/(1 + exp(-(beta*x))))"


def test_a_number_of_arguments_that_is_not_the_rows_cannot_be_built() -> None:
    with pytest.raises(ValueError, match=r"'sigmoid' takes 1 argument\(s\), found 2"):
        Expression(ROWS["sigmoid"], (X, X))


TORCH_OWN = {
    "relu": torch.nn.ReLU(),
    "silu": torch.nn.SiLU(),
    "gelu": torch.nn.GELU(),
    "mish": torch.nn.Mish(),
    "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(),
    "softplus": torch.nn.Softplus(),
    "elu": torch.nn.ELU(),
    "leaky_relu": torch.nn.LeakyReLU(),
    "linear": torch.nn.Identity(),
    "leaky_relu_02": torch.nn.LeakyReLU(0.2),
    "rrelu_mean": torch.nn.RReLU().eval(),
    "selu": torch.nn.SELU(),
    "hardswish": torch.nn.Hardswish(),
    "softsign": torch.nn.Softsign(),
}


@pytest.mark.parametrize("name", TORCH_OWN)
def test_a_known_activation_equals_torchs_own(name: str) -> None:
    x = torch.linspace(-30, 30, 601, dtype=torch.float64)
    found = value_of(read(name), x, torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(found, TORCH_OWN[name](x), rtol=1e-8, atol=1e-12)


DISCOVERED = {
    "swish": lambda x: x * torch.sigmoid(0.7 * x),
    "max_sigmoid": lambda x: torch.maximum(x, torch.sigmoid(x)),
    "cos_minus_x": lambda x: torch.cos(x) - x,
    "min_sin": lambda x: torch.minimum(x, torch.sin(x)),
    "atan_square_minus_x": lambda x: torch.atan(x) ** 2 - x,
    "max_tanh": lambda x: torch.maximum(x, torch.tanh(x)),
    "sinc_plus_x": lambda x: torch.sinc(x / torch.pi) + x,
    "x_asinh_square": lambda x: x * torch.asinh(x) ** 2,
}


def test_the_eight_discoveries_of_2017_are_what_the_paper_says() -> None:
    assert set(DISCOVERED) == set(DISCOVERIES)
    x = torch.linspace(-8, 8, 401, dtype=torch.float64)
    for name, function in DISCOVERED.items():
        found = value_of(read(name), x, torch.tensor(0.7, dtype=torch.float64))
        torch.testing.assert_close(found, function(x), rtol=1e-12, atol=2e-8)  # type: ignore[no-untyped-call]  # sinc is continued near 0


def test_names_are_read_in_any_case() -> None:
    assert all(read(name.upper()) == read(name) for name in KNOWN)


def test_known_activations_stand_within_an_expression_as_well() -> None:
    assert str(read("add(relu(x),swish(x))")) == "add(relu(x),mul(x,sigmoid(scale(x))))"
    assert str(read("SiLU(tanh(x))")) == "mul(tanh(x),sigmoid(tanh(x)))"
    with pytest.raises(BadExpression, match=r"'swish' takes 1 argument, found 0: write swish\(x\)"):
        read("add(x,swish)")
    assert read("max_sigmoid(swish(x))") == read("max_sigmoid").of(read("swish"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("mul(x,sigmod(x))", "at character 7: unknown name 'sigmod', did you mean 'sigmoid'?"),
        ("zzzzzz", "unknown name 'zzzzzz'; known names: x identity neg"),
        ("mul(x", "at character 6: expected ',' or ')', found the end of the text"),
        ("mul(x,x))", "at character 9: expected the end of the text, found ')'"),
        ("mul(x)", "at character 1: 'mul' takes 2 arguments, found 1: write mul(x,x)"),
        ("sin", "at character 1: 'sin' takes 1 argument, found 0: write sin(x)"),
        ("beta(x)", "at character 1: 'beta' takes 0 arguments, found 1: write beta"),
        ("x*sigmoid(x)", "found '*'; write it as a function, mul(x,sigmoid(x))"),
        ("sqrt(" * 480 + "x" + ")" * 480, "is nested too deeply: expected at most 100 brackets"),
        ("x(x)", "at character 2: expected the end of the text, found '('"),
        ("mul(,x)", "at character 5: expected a name, found ','"),
        ("mul(x;x)", "at character 6: expected a name, '(', ',' or ')', found ';'"),
        ("2*x", "at character 2: expected a name, '(', ',' or ')', found '*'; write it as a function"),
        ("mul(2(x),x)", "at character 6: expected ',' or ')', found '('"),
        ("mul(1e999,x)", "at character 5: expected a number of double precision, found '1e999'"),
        ("mul(1.2.3,x)", "at character 8: expected ',' or ')', found '.3'"),
        ("  ", "found empty text"),
    ],
)
def test_a_wrong_text_gets_one_clear_sentence(text: str, complaint: str) -> None:
    with pytest.raises(BadExpression) as found:
        parse(text, SWISH2017)
    assert complaint in str(found.value)
    assert "\n" not in str(found.value)


def test_prelu_with_its_learned_slope_equals_torchs_own() -> None:
    x = torch.linspace(-5, 5, 101)
    found = value_of(read("prelu"), x, torch.tensor(1.6))
    torch.testing.assert_close(found, torch.nn.functional.prelu(x, torch.tensor([0.4])))
