"""A profile disregards what the layers around an activation absorb, and nothing else."""

import pytest
import torch

from actsearch.grammar.behaviour.profile import LENGTH, profile
from actsearch.grammar.rows.known import read


@pytest.mark.parametrize("text", ["relu(x)", "gate(x,x)", "sub(cos(x),x)", "min(x,sin(x))", "softplus(x)"])
def test_scale_offset_sign_and_direction_do_not_matter(text: str) -> None:
    expected = profile(read(text))
    assert expected.shape == (LENGTH,)
    for other in (f"neg({text})", f"add({text},{text})", f"add({text},cos(sub(x,x)))", text.replace("x", "neg(x)")):
        torch.testing.assert_close(profile(read(other)), expected, atol=2e-5, rtol=1e-4)


def test_different_functions_differ_and_like_ones_are_near() -> None:
    relu, swish, sine = (profile(read(text)) for text in ("relu(x)", "gate(x,x)", "sin(x)"))
    assert (relu - swish).norm() < (relu - sine).norm() / 2
    assert (relu - swish).norm() > 0.1


@pytest.mark.parametrize("text", ["exp(exp(square(x)))", "sub(x,x)", "div(x,sub(x,x))"])
def test_every_function_has_a_finite_one(text: str) -> None:
    assert bool(torch.isfinite(profile(read(text))).all())
