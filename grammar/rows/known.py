"""Well-known activations by name, as expressions over the built-in primitives.

They serve as baselines, and to tell whether a space reaches them. A name may be used wherever an expression may.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence

from actsearch.grammar.expression import Expression
from actsearch.grammar.infix import is_infix, rewritten
from actsearch.grammar.parse import BadExpression, parse
from actsearch.grammar.primitive import Primitive
from actsearch.grammar.rows.fingerprints import FINGERPRINTS
from actsearch.grammar.rows.sets import VOCABULARY

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
    "leaky_relu_02": "leaky_relu_02(x)",
    "rrelu_mean": "rrelu_mean(x)",
    "prelu": "prelu(x)",
    "leaky_backward_relu": "leaky_backward_relu(x)",
    "selu": "selu(x)",
    "hardswish": "hardswish(x)",
    "squared_relu": "square(relu(x))",
    "softsign": "softsign(x)",
    "abs": "abs(x)",
    "gauss": "gauss(x)",
    "linear": "x",
    **DISCOVERIES,
}
"""Name -> text of the expression."""

USUAL = (
    "relu", "leaky_relu", "leaky_relu_02", "prelu", "elu", "selu", "softplus", "gelu", "silu", "swish", "mish",
    "hardswish", "tanh", "sigmoid", "softsign", "squared_relu", "abs", "gauss", "sin(x)", "atan(x)",
)  # fmt: skip
"""The twenty activations that are tried first on an unknown network: those of torch, of 2017, and those that coordinate
networks and regressions use."""


def read_rows(text: str, primitives: Sequence[Primitive] = ()) -> Expression:
    """Parse an expression of calls of primitives, the form in which stores keep it.

    Args:
        text: the expression.
        primitives: primitives beside the built-in ones.

    Raises:
        BadExpression: the text is not such an expression.
    """
    return parse(text, (*VOCABULARY, *primitives))


def read(text: str, primitives: Sequence[Primitive] = ()) -> Expression:
    """Parse the name of a known activation, an expression, or a formula as people type it, ``x*sigmoid(beta*x)``.

    An expression may call known activations: ``add(relu(x),swish(x))``.

    Args:
        text: name, expression or formula.
        primitives: primitives beside the built-in ones.

    Raises:
        BadExpression: the text is none of these.
    """
    rows = rewritten(text) if is_infix(text) else text
    expression = parse(KNOWN.get(rows.strip().lower(), rows), (*VOCABULARY, *primitives), KNOWN)
    if expression.primitive.is_number:
        raise BadExpression(f"'{text}' is a number: expected a function of x, such as 2*x")
    return expression


AS_CORE_UNITS = (
    "sub(mul(atan(x),atan(x)),x)",
    "mul(x,mul(asinh(x),asinh(x)))",
    "add(relu(x),scale(min(minzero(x),minzero(x))))",
)
"""Known activations that need two core units, written in that form."""


@functools.cache
def names_by_fingerprint() -> dict[str, tuple[str, ...]]:
    """Return fingerprint -> names of the known activations with this behaviour."""
    names: dict[str, tuple[str, ...]] = {}
    for name, key in FINGERPRINTS.items():
        names[key] = (*names.get(key, ()), name)
    return names


def known_layers(kinds: Iterable[str]) -> Iterator[str]:
    """Yield the known activations that layers or functions are named after: ``gelu`` for ``torch.nn.GELU``.

    Args:
        kinds: paths of layers or functions, as in the setting ``task.own.replace``.
    """
    names = {name.replace("_", ""): name for name in KNOWN}
    for kind in kinds:
        name = names.get(kind.rpartition(".")[2].lower().replace("_", ""))
        if name is not None:
            yield name
