"""Sets of primitives by name, and the user's own rows."""

import pytest

from actsearch.grammar.primitive import BadPrimitive, Primitive
from actsearch.grammar.rows import aquasurf2023, swish2017
from actsearch.grammar.rows.sets import UnknownPrimitive, check, choose

BUMP = Primitive("bump", 1, "a / (1 + a * a)", "a/(1 + a**2)")


def test_a_set_a_subset_and_own_rows_are_chosen_by_name() -> None:
    assert choose("swish2017") == (*swish2017.UNARY, *swish2017.BINARY)
    assert choose("aquasurf2023") == (*aquasurf2023.UNARY, *aquasurf2023.BINARY)
    assert [row.name for row in choose(["identity", "tanh", "mul"])] == ["identity", "tanh", "mul"]
    assert choose(["swish2017", "softsign"], [BUMP])[-2:] == (aquasurf2023.UNARY[-2], BUMP)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("swish2018", "unknown set or primitive 'swish2018', did you mean 'swish2017'?"),
        (["identity", "sigmod"], "unknown set or primitive 'sigmod', did you mean 'sigmoid'?"),
        (["qqqq"], "unknown set or primitive 'qqqq'; sets: swish2017, aquasurf2023"),
    ],
)
def test_an_unknown_name_is_said_with_its_nearest(names: str | list[str], sentence: str) -> None:
    with pytest.raises(UnknownPrimitive) as found:
        choose(names)
    assert str(found.value) == sentence


@pytest.mark.parametrize("row", [*swish2017.SWISH2017, *aquasurf2023.NEW], ids=lambda row: row.name)
def test_every_built_in_row_stands_the_check_of_own_rows(row: Primitive) -> None:
    check(row)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (Primitive("twist", 1, "torch.tanh(a)", "sin(a)"), "its code gives 0.935409 at a=1.7, its formula 0.991665"),
        (Primitive("half", 1, "torch.sqrt(a.abs())", "sqrt(a)"), "its formula 'sqrt(a)' has no real value"),
        (Primitive("cut", 1, "a.detach() + a * 0", "a"), "its gradient is not that of its value"),
        (Primitive("stopped", 1, "a.detach()", "a"), "its gradient is not that of its value"),
        (Primitive("truth", 1, "a > 0", "Heaviside(a)"), "must give numbers of its input's type, gave torch.bool"),
        (Primitive("sorted", 1, "torch.sort(a.flatten()).values.view(a.shape)", "a"), "not elementwise"),
        (Primitive("odd", 1, "a", "a +"), "'a +' is no formula, such as"),
        (Primitive("tanh", 1, "torch.tanh(a)", "tanh(a)"), "the name is taken by a built-in one"),
    ],
)
def test_an_own_row_that_is_wrong_is_refused_with_the_reason(row: Primitive, sentence: str) -> None:
    with pytest.raises(BadPrimitive) as found:
        choose("swish2017", [row])
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)
