"""The activations that every user knows, as expressions over the primitives of ``swish2017``, by name.

They are baselines beside the candidates and answers to "is it reachable?"; a name may stand wherever an expression may.
"""

import functools
from collections.abc import Sequence

from grammar.expression import Expression
from grammar.fingerprint import fingerprint
from grammar.parse import parse
from grammar.primitive import Primitive
from grammar.swish2017 import SWISH2017

_EXTRA = (
    Primitive("gelu", 1, "torch.nn.functional.gelu(a)", "a*(1 + erf(a/sqrt(2)))/2"),
    Primitive("mish", 1, "torch.nn.functional.mish(a)", "a*tanh(log(1 + exp(a)))"),
    Primitive("elu", 1, "torch.nn.functional.elu(a)", "Max(a, 0) + Min(exp(a) - 1, 0)"),
    Primitive("leaky_relu", 1, "torch.nn.functional.leaky_relu(a, 0.01)", "Max(a, 0) + Min(a, 0)/100"),
)

DISCOVERIES = {
    "swish": "mul(x,sigmoid(scale(x)))",
    "max_sigmoid": "max(x,sigmoid(x))",
    "cos_minus_x": "sub(cos(x),x)",
    "min_sin": "min(x,sin(x))",
    "atan_square_minus_x": "sub(square(atan(x)),x)",
    "max_tanh": "max(x,tanh(x))",
    "sinc_plus_x": "add(sinc(x),x)",
    "x_asinh_square": "mul(x,square(asinh(x)))",
}
"""The eight discoveries of Ramachandran, Zoph & Le 2017, section 4, table 2."""

KNOWN = {
    "relu": "relu(x)",
    "silu": "mul(x,sigmoid(x))",
    "gelu": "gelu(x)",
    "mish": "mish(x)",
    "tanh": "tanh(x)",
    "sigmoid": "sigmoid(x)",
    "softplus": "softplus(x)",
    "elu": "elu(x)",
    "leaky_relu": "leaky_relu(x)",
    "abs": "abs(x)",
    "gauss": "gauss(x)",
    "linear": "x",
    **DISCOVERIES,
}
"""Name -> expression text."""

VOCABULARY: tuple[Primitive, ...] = (*SWISH2017, *_EXTRA)
"""Every built-in row: what ``evaluate`` and the store read expressions with."""


def read(text: str, primitives: Sequence[Primitive] = ()) -> Expression:
    """Read the name of a known activation or an expression over the built-in and the given primitives.

    Raises:
        BadExpression: neither a known name nor an expression.
    """
    return parse(KNOWN.get(text.strip().lower(), text), (*VOCABULARY, *primitives))


@functools.cache
def names_by_fingerprint() -> dict[str, tuple[str, ...]]:
    """Return fingerprint -> the known names of that behaviour."""
    names: dict[str, tuple[str, ...]] = {}
    for name, text in KNOWN.items():
        key = fingerprint(parse(text, VOCABULARY))
        names[key] = (*names.get(key, ()), name)
    return names
