"""The primitives of AQuaSurF (Bingham & Miikkulainen 2023, arXiv 2301.05785, table of operators): 27 unary, 7 binary.

Primitives that the set of 2017 also has are imported from there; this module defines the others. Reciprocal, division
and power stay finite in the same way as the primitives of 2017.
"""

from actsearch.grammar.primitive import built_in
from actsearch.grammar.rows.swish2017 import HELD_EXPONENT, HOLD, SWISH2017

_SHARED = {row.name: row for row in SWISH2017}

NEW = (
    built_in("zero", 1, "torch.zeros_like(a)", "0"),
    built_in("one", 1, "torch.ones_like(a)", "1"),
    built_in(
        "reciprocal",
        1,
        f"1 / torch.copysign({HOLD.format(name='a', least='1e-7')}, a)",
        "1/a",
        domain="Abs(a) > 1e-7",
        note="held at least 1e-7 away from the pole, on its own side",
    ),
    built_in("erfc", 1, "torch.erfc(a)", "erfc(a)"),
    built_in("expm1", 1, "torch.expm1(a)", "exp(a) - 1", held=f"torch.expm1({HELD_EXPONENT.format(name='a')})"),
    built_in("logsigmoid", 1, "torch.nn.functional.logsigmoid(a)", "-log(1 + exp(-a))"),
    built_in("i0e", 1, "torch.special.i0e(a)", "exp(-Abs(a))*besseli(0, a)"),
    built_in("i1e", 1, "torch.special.i1e(a)", "exp(-Abs(a))*besseli(1, a)"),
    built_in("elu", 1, "torch.nn.functional.elu(a)", "Max(a, 0) + exp(Min(a, 0)) - 1"),
    built_in(
        "selu",
        1,
        "torch.nn.functional.selu(a)",
        "1.0507009873554805*(Max(a, 0) + 1.6732632423543772*(exp(Min(a, 0)) - 1))",
        note="constants of Klambauer et al. 2017, section 2",
    ),
    built_in("silu", 1, "torch.nn.functional.silu(a)", "a/(1 + exp(-a))"),
    built_in("softsign", 1, "a / (1 + torch.abs(a))", "a/(1 + Abs(a))"),
    built_in(
        "hardsigmoid",
        1,
        "torch.nn.functional.hardtanh(a / 6 + 0.5, 0.0, 1.0)",
        "Max(0, Min(1, a/6 + 1/2))",
        note="the slope of torch's own hardsigmoid is 1/6 in single precision only",
    ),
    built_in(
        "pow",
        2,
        f"torch.pow({HOLD.format(name='a', least='1e-7')}, b)",
        "Abs(a)**b",
        domain="Abs(a) > 1e-7",
        note="the source is silent on negative bases; |a| keeps the result real, as the protected root does; the "
        "held form ends at exp(69) = 1e30, so that its slope is finite as well",
        held="torch.exp(torch.nn.functional.hardtanh("
        f"b * torch.log({HOLD.format(name='a', least='1e-7')}), -1e30, 69.0))",
    ),
)

_NEW = {row.name: row for row in NEW}
_ALL = _SHARED | _NEW

UNARY = tuple(
    _ALL[name]
    for name in (
        "zero", "one", "identity", "neg", "abs", "reciprocal", "square", "exp", "erf", "erfc", "sinh", "cosh", "tanh",
        "expm1", "sigmoid", "logsigmoid", "asinh", "atan", "i0e", "i1e", "relu", "elu", "selu", "silu", "softplus",
        "softsign", "hardsigmoid",
    )
)  # fmt: skip
BINARY = tuple(_ALL[name] for name in ("add", "sub", "mul", "div", "pow", "max", "min"))
