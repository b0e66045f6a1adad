"""Tokens and expressions, and what the mask leaves."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grammar.expression import X
from grammar.fingerprint import fingerprint
from grammar.known import DISCOVERIES, read
from grammar.parse import parse
from grammar.shape import CoreUnits, Kind, NotInShape
from grammar.space import Space
from grammar.swish2017 import BINARY, SWISH2017, UNARY
from search.proposer import RandomProposer

ONE, TWO, THREE = (Space(CoreUnits(units, UNARY, BINARY)) for units in (1, 2, 3))


def test_the_controller_is_asked_in_the_papers_order() -> None:
    assert [p.kind for p in ONE.shape.positions] == [Kind.INPUT, Kind.INPUT, Kind.UNARY, Kind.UNARY, Kind.BINARY]
    assert [p.choices for p in TWO.shape.positions] == [1, 1, 25, 25, 10, 2, 2, 25, 25, 10]


@given(seed=st.integers(0, 2**32), space=st.sampled_from([ONE, TWO, THREE]))
def test_expression_to_tokens_to_expression_is_the_same(seed: int, space: Space) -> None:
    for proposal in RandomProposer(space, seed).ask(4):
        if proposal.expression.arguments and proposal.expression != X:
            assert space.decode(space.encode(proposal.expression)) == proposal.expression
            assert parse(str(proposal.expression), SWISH2017) == proposal.expression


def test_every_string_of_a_small_space_is_legal_and_read_back() -> None:
    rows = {row.name: row for row in SWISH2017}
    space = Space(CoreUnits(2, (rows["identity"], rows["sin"], rows["beta"]), (rows["add"], rows["max"])))
    choices = [range(p.choices) for p in space.shape.positions]
    expressions = {str(space.shape.decode(string)) for string in itertools.product(*choices)}
    for text in expressions:
        expression = parse(text, SWISH2017)
        assert space.decode(space.encode(expression)) == expression


WRITTEN = {  # the discoveries of 2017 as core units; six of them are one unit
    "swish": "gate(scale(x),x)",
    "max_sigmoid": "max(x,sigmoid(x))",
    "cos_minus_x": "sub(cos(x),x)",
    "min_sin": "min(x,sin(x))",
    "atan_square_minus_x": "sub(mul(atan(x),atan(x)),x)",
    "max_tanh": "max(x,tanh(x))",
    "sinc_plus_x": "add(sinc(x),x)",
    "x_asinh_square": "mul(x,mul(asinh(x),asinh(x)))",
}


@pytest.mark.parametrize("name", DISCOVERIES)
def test_the_discoveries_lie_where_the_paper_found_them(name: str) -> None:
    expression = parse(WRITTEN[name], SWISH2017)
    space = TWO if name in {"atan_square_minus_x", "x_asinh_square"} else ONE
    assert fingerprint(space.decode(space.encode(expression))) == fingerprint(read(name))
    if space is TWO:
        with pytest.raises(NotInShape, match="needs 2 core units, the space has 1"):
            ONE.encode(expression)


def test_a_mask_leaves_exactly_the_choices_of_the_position() -> None:
    prefix = torch.empty(3, 0, dtype=torch.int64)
    for position in TWO.shape.positions:
        legal = TWO.mask(prefix)
        assert legal.sum(1).tolist() == [position.choices] * 3
        prefix = torch.cat([prefix, legal.float().argmax(1, keepdim=True)], dim=1)


def test_a_token_outside_the_mask_is_refused() -> None:
    tokens = list(ONE.encode(read("mul(x,sigmoid(x))")))
    tokens[2] = ONE.vocabulary - 1
    with pytest.raises(ValueError, match="not a string of this space"):
        ONE.decode(tuple(tokens))


def test_a_space_without_binary_primitives_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="no binary one"):
        CoreUnits(1, UNARY, ())


def test_what_needs_more_units_or_other_rows_is_named() -> None:
    with pytest.raises(NotInShape, match="needs 2 core units, the space has 1"):
        ONE.encode(parse("mul(x,mul(x,x))", SWISH2017))
    with pytest.raises(NotInShape, match="is not among"):
        Space(CoreUnits(1, UNARY, BINARY[:1])).encode(read("mul(x,x)"))
