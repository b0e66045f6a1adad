"""An activation is one thing, whether an expression or a layer, and a vocabulary is all that reads one."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actsearch.evaluators import activation as activation_module
from actsearch.evaluators.activation import BASELINES, BUILT_IN, Elementwise, Vocabulary
from actsearch.evaluators.layers import LAYERS
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.parse import BadExpression, parse
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.settings.space import SpaceSettings, build_space

SPACE = build_space(SpaceSettings())
BUMP = Primitive("bump", 1, "a / (1 + a * a)", "a/(1 + a**2)")
X = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_read_back_from_its_text_and_makes_a_layer(name: str) -> None:
    found = BUILT_IN.read(name)
    again = BUILT_IN.read(found.text)
    assert (again.identity, again.text, again.formula) == (found.identity, found.text, found.formula)
    with torch.random.fork_rng(devices=[]):
        assert found.make(3).eval()(X).shape == X.shape
    assert found.refusal is None
    assert (found.expression is None) == (found.function is None) == (found.size is None) == (name in LAYERS)


@given(st.integers(0, 2**31))
def test_a_proposals_expression_and_its_text_are_the_same_activation(seed: int) -> None:
    expression = SPACE.decode(SPACE.draw(torch.Generator().manual_seed(seed)))
    from_text, from_tree = BUILT_IN.read(str(expression)), Elementwise(expression)
    assert from_text == from_tree
    assert from_text.identity == from_tree.identity == fingerprint(parse(str(expression), VOCABULARY))
    assert all(from_text.twin(constants=both) == from_tree.twin(constants=both) for both in (False, True))
    assert from_text.refusal == from_tree.refusal
    assert from_tree.function is not None
    expected = from_tree.function.at_start(X)
    torch.testing.assert_close(from_tree.make(3)(X), expected, equal_nan=True)


def test_own_rows_are_known_to_their_vocabulary_alone_and_cross_to_a_worker() -> None:
    vocabulary = Vocabulary((BUMP,))
    vocabulary.read("bump(x)")
    there = pickle.loads(pickle.dumps(vocabulary))  # noqa: S301  made here, as Ray sends it
    torch.testing.assert_close(there.read("bump(x)").make(3)(X), X / (1 + X * X))
    assert there == vocabulary
    with pytest.raises(BadExpression, match="unknown name 'bump'"):
        BUILT_IN.read("bump(x)")


def test_a_text_is_parsed_once_and_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_module, "REMEMBERED", 2)
    vocabulary = Vocabulary()
    first = vocabulary.read("relu")
    assert vocabulary.read("relu") is first
    vocabulary.read("tanh(x)")
    vocabulary.read("sin(x)")
    assert vocabulary.read("relu") is not first


def test_a_layer_is_no_expression_and_has_no_twin() -> None:
    with pytest.raises(BadExpression, match="'maxout' is a layer, no function of one number: max"):
        BUILT_IN.read("Maxout ").as_expression()
    assert BUILT_IN.read("rrelu").twin(constants=True) == "layer-rrelu"
