"""Tokens and expressions, and what the mask leaves."""

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from actsearch.grammar.behaviour import census as census_module
from actsearch.grammar.behaviour.census import take_census
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.constraint import (
    AtMostBetas,
    AtMostSize,
    Constraint,
    ContainsInput,
    NoInversePair,
    NoNestedPeriodic,
)
from actsearch.grammar.expression import Expression, X
from actsearch.grammar.parse import parse
from actsearch.grammar.rows.known import DISCOVERIES, read, read_rows
from actsearch.grammar.rows.swish2017 import BINARY, SWISH2017, UNARY
from actsearch.grammar.shape import BadShape, Kind, Shape, core_units, template
from actsearch.grammar.space import EmptySpace, NotInSpace, Space
from actsearch.search.proposers.chance import RandomProposer, uniform
from actsearch.search.settings.space import SpaceSettings, build_space

ONE, TWO, THREE = (Space(core_units(units), UNARY, BINARY) for units in (1, 2, 3))


def test_the_controller_is_asked_in_the_papers_order() -> None:
    assert [p.kind for p in ONE.shape.positions] == [Kind.INPUT, Kind.INPUT, Kind.UNARY, Kind.UNARY, Kind.BINARY]
    assert [len(TWO.choices(p)) for p in TWO.shape.positions] == [1, 1, 25, 25, 10, 2, 2, 25, 25, 10]


@given(seed=st.integers(0, 2**32), space=st.sampled_from([ONE, TWO, THREE]))
def test_expression_to_tokens_to_expression_is_the_same(seed: int, space: Space) -> None:
    for proposal in RandomProposer(space, seed).ask(4):
        if proposal.expression.arguments and proposal.expression != X:
            assert space.decode(space.encode(proposal.expression)) == proposal.expression
            assert parse(str(proposal.expression), SWISH2017) == proposal.expression


def test_every_string_of_a_small_space_is_legal_and_read_back() -> None:
    rows = {row.name: row for row in SWISH2017}
    space = Space(core_units(2), (rows["identity"], rows["sin"], rows["beta"]), (rows["add"], rows["max"]))
    choices = [range(len(space.choices(p))) for p in space.shape.positions]
    offsets = [space.offset(p.kind) for p in space.shape.positions]
    strings = (tuple(c + o for c, o in zip(chosen, offsets, strict=True)) for chosen in itertools.product(*choices))
    expressions = {str(space.decode(string)) for string in strings}
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
        with pytest.raises(NotInSpace, match="cannot be written as 1 core unit"):
            ONE.encode(expression)


def test_a_mask_without_constraints_leaves_exactly_the_choices_of_the_position() -> None:
    prefix = torch.empty(3, 0, dtype=torch.int64)
    for position in TWO.shape.positions:
        legal = TWO.mask(prefix)
        assert legal.sum(1).tolist() == [len(TWO.choices(position))] * 3
        prefix = torch.cat([prefix, legal.float().argmax(1, keepdim=True)], dim=1)


def test_a_token_outside_the_mask_is_refused() -> None:
    tokens = list(ONE.encode(read("mul(x,sigmoid(x))")))
    tokens[2] = ONE.vocabulary - 1
    with pytest.raises(ValueError, match="not a string of this space"):
        ONE.decode(tuple(tokens))


ROWS = {row.name: row for row in SWISH2017}
FEW_UNARY = tuple(ROWS[name] for name in ("identity", "exp", "logabs", "sin", "scale", "beta"))
FEW_BINARY = tuple(ROWS[name] for name in ("add", "mix"))
SHAPES = [core_units(1), core_units(2), template("b(u(x),u(u(x)))"), template("u(u(x))"), template("b(x,u(x))")]
CONSTRAINTS: list[Constraint] = [ContainsInput(), NoInversePair(), NoNestedPeriodic(), AtMostBetas(1), AtMostSize(5)]


def _breaks(constraint: Constraint, tree: Expression) -> bool:
    """What each constraint forbids, said a second time over whole trees."""
    nodes = list(tree.walk())
    match constraint:
        case ContainsInput():
            return not tree.inputs
        case NoInversePair():
            pairs = {(node.primitive.name, part.primitive.name) for node in nodes for part in node.arguments}
            return bool(pairs & {("exp", "logabs"), ("logabs", "exp")})
        case NoNestedPeriodic():
            inner = [part for node in nodes if node.primitive.name == "sin" for part in node.arguments]
            return any(below.primitive.name == "sin" for part in inner for below in part.walk())
        case AtMostBetas():
            return sum(bool(node.primitive.reads) for node in nodes) > constraint.limit
        case AtMostSize():
            return tree.size > constraint.limit
    raise AssertionError(constraint)


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.text != "2 core units"], ids=lambda shape: shape.text)
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda c: c.name)
def test_a_constraint_leaves_exactly_the_strings_that_keep_it(shape: Shape, constraint: Constraint) -> None:
    free, held = (Space(shape, FEW_UNARY, FEW_BINARY, held) for held in ((), (constraint,)))
    choices = [range(len(free.choices(p))) for p in shape.positions]
    offsets = [free.offset(p.kind) for p in shape.positions]
    legal = 0
    for chosen in itertools.product(*choices):
        tokens = tuple(c + o for c, o in zip(chosen, offsets, strict=True))
        kept = not _breaks(constraint, free.decode(tokens))
        assert (held.count(chosen) == 1) == kept, str(free.decode(tokens))
        legal += kept
    assert held.count(()) == legal


@given(
    seed=st.integers(0, 2**32),
    shape=st.sampled_from(SHAPES),
    held=st.sets(st.sampled_from(CONSTRAINTS), min_size=1),
)
def test_every_masked_prefix_can_be_finished_and_keeps_all_constraints(
    seed: int, shape: Shape, held: set[Constraint]
) -> None:
    try:
        space = Space(shape, FEW_UNARY, FEW_BINARY, tuple(sorted(held, key=lambda c: c.name)))
    except EmptySpace:
        return
    for proposal in RandomProposer(space, seed).ask(3):
        assert not any(_breaks(constraint, proposal.expression) for constraint in held)
        encoded = space.encode(proposal.expression)
        assert space.decode(encoded) == proposal.expression


def test_strings_are_drawn_as_often_as_the_mask_says() -> None:
    space = Space(template("b(u(x),u(u(x)))"), FEW_UNARY, FEW_BINARY, (NoInversePair(), AtMostBetas(1)))
    expected: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(space.length):
        grown: dict[tuple[int, ...], float] = {}
        for prefix, probability in expected.items():
            legal = space.mask(torch.tensor([prefix], dtype=torch.int64).view(1, -1))[0].nonzero().flatten().tolist()
            grown |= {(*prefix, token): probability / len(legal) for token in legal}
        expected = grown
    draws = 40_000
    found = Counter(uniform(space, draws, torch.Generator().manual_seed(11)))
    assert set(found) <= set(expected)
    observed = [found[string] for string in expected]
    assert chisquare(observed, [probability * draws for probability in expected.values()]).pvalue > 1e-3


def test_strings_are_numbered_and_drawn_evenly() -> None:
    space = Space(template("b(u(x),u(u(x)))"), FEW_UNARY, FEW_BINARY, (NoInversePair(), AtMostBetas(1)))
    strings = [space.string(number) for number in range(space.count(()))]
    assert len(set(strings)) == len(strings)
    assert all(space.is_legal(tokens) for tokens in strings)
    generator = torch.Generator().manual_seed(5)
    found = Counter(space.draw(generator) for _ in range(10 * len(strings)))
    assert set(found) <= set(strings)
    assert chisquare([found[string] for string in strings]).pvalue > 1e-3
    with pytest.raises(ValueError, match="this space has the strings 0 to"):
        space.string(len(strings))


def test_a_token_too_many_or_out_of_place_is_not_legal() -> None:
    tokens = ONE.string(77)
    assert ONE.is_legal(tokens)
    assert not ONE.is_legal(tokens[:-1])
    assert not ONE.is_legal((*tokens, 0))
    assert not ONE.is_legal((*tokens[:-1], 0))


def test_a_space_beyond_machine_integers_can_still_be_drawn_from() -> None:
    huge = Space(core_units(6), UNARY, BINARY)
    assert huge.count(()) > 2**64
    assert huge.is_legal(huge.draw(torch.Generator().manual_seed(0)))


def test_a_census_counts_what_enumeration_counts() -> None:
    space = Space(core_units(1), FEW_UNARY, FEW_BINARY, (ContainsInput(),))
    census = take_census(space)
    assert (census.strings, census.exact) == (6 * 6 * 2, True)
    assert census.legal == 6 * 6 * 2 - 2 == census.shrink["contains_input"]
    trees = [space.decode(space.encode(parse(str(t), SWISH2017))) for t in _all(space)]
    names = {fingerprint(tree) for tree in trees}
    assert census.distinct == len(names)
    assert census.distinct_up_to_symmetry <= census.distinct <= census.finite <= census.legal
    assert census.reachable["linear"] == "mix(x,x)"
    assert census.reachable["relu"] is None


def _all(space: Space) -> list[Expression]:
    strings = itertools.product(*(range(len(space.choices(p))) for p in space.shape.positions))
    offsets = [space.offset(p.kind) for p in space.shape.positions]
    kept = (chosen for chosen in strings if space.count(chosen))
    return [space.decode(tuple(c + o for c, o in zip(chosen, offsets, strict=True))) for chosen in kept]


def test_a_census_by_sampling_holds_the_truth_in_its_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space(core_units(1), UNARY[:12], BINARY)
    truth = take_census(space)
    monkeypatch.setattr(census_module, "LISTED", 0)
    guess = take_census(space, samples=700, seed=3)
    assert not guess.exact
    assert guess.intervals["finite"][0] <= truth.finite <= guess.intervals["finite"][1]
    for name in ("distinct", "distinct_up_to_symmetry"):
        low, high = guess.intervals[name]
        assert low <= getattr(truth, name) <= high


@pytest.mark.slow
def test_the_one_unit_space_of_2017_in_numbers() -> None:
    census = take_census(ONE)
    assert (census.strings, census.legal, census.exact) == (6250, 6250, True)
    assert census.reachable["swish"] == "gate(scale(x),x)"
    assert census.reachable["silu"] == "gate(x,x)"
    assert census.reachable["gelu"] is None
    missing = {name for name in DISCOVERIES if census.reachable[name] is None}
    assert missing == {"atan_square_minus_x", "x_asinh_square"}


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Space(core_units(1), UNARY, ()), "has a binary position, and the set has no binary primitive"),
        (lambda: Space(template("u(x)"), (), BINARY), "has a unary position, and the set has no unary primitive"),
        (lambda: Space(core_units(1), UNARY, BINARY, (AtMostSize(1),)), "keeps the constraints: largest_size"),
        (lambda: core_units(0), "units must be at least 1, found 0"),
        (lambda: template("b(u(x))"), "expected ',', found ')'"),
        (lambda: template("u(u(x)"), "expected ')', found 'the end'"),
        (lambda: template("u(y)"), "expected x, u(.) or b(.,.), found 'y'"),
        (lambda: template("u(x)u"), "expected its end, found 'u'"),
        (lambda: template("x"), "leaves nothing to choose"),
    ],
)
def test_what_cannot_be_a_space_gets_one_clear_sentence(build: Callable[[], object], sentence: str) -> None:
    with pytest.raises((EmptySpace, BadShape)) as found:
        build()
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)


def test_what_needs_more_units_or_other_rows_is_named() -> None:
    with pytest.raises(NotInSpace, match="cannot be written as 1 core unit over: x identity"):
        ONE.encode(parse("mul(x,mul(x,x))", SWISH2017))
    with pytest.raises(NotInSpace, match="cannot be written"):
        Space(core_units(1), UNARY, BINARY[:1]).encode(read("mul(x,x)"))


def test_numbers_of_a_space_stand_in_the_place_of_a_unary_primitive() -> None:
    space = build_space(SpaceSettings(primitives=("swish2017", 0.5, -2.0)))
    assert space.count(()) == 27 * 27 * 10
    for text in ("max(x,0.5)", "mul(-2,sin(x))", "div(0.5,-2)"):
        assert space.decode(space.encode(read_rows(text))) == read_rows(text)
    with pytest.raises(NotInSpace):
        space.encode(read_rows("max(x,0.25)"))
