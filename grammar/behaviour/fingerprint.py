"""A name for behaviour: expressions that compute the same function of (x, beta) share a fingerprint.

Values and slopes are taken in double precision on fixed probe points for several betas and rounded; the rounded numbers
are hashed. Not here: what may be refused for its behaviour (``screening``).
"""

import functools
import hashlib

import torch

from actsearch.grammar.expression import Expression
from actsearch.grammar.render import compile_expression, values_and_slopes

DIGITS = 6
"""Significant digits that are kept: equal functions written differently agree to about 1e-11 on the probe, distinct
ones of the one-unit space differ by more than 1e-4 somewhere."""
FLOOR = 1e-9
"""Numbers smaller than this are zero."""

BETAS = (1.0, 0.37, 1.83, -0.71, 4.2)
"""Trainable scalars at which a function is compared; 1.0 is where training starts."""


def probe_points() -> torch.Tensor:
    """Return the probe, ``(64,) float64``, symmetric about 0, irrational, from 0.01 to about 7."""
    steps = torch.arange(32, dtype=torch.float64)
    positive = 0.0101 + 0.0731 * steps + 0.00471 * steps * steps + 0.0137 * torch.sin(17 * steps)
    return torch.cat([-positive.flip(0), positive])


def behaviour(expression: Expression) -> torch.Tensor:
    """Return values and slopes on the probe, ``(2, 5, 64) float64``: kind, beta, point."""
    x = probe_points().expand(len(BETAS), -1)
    beta = torch.tensor(BETAS, dtype=torch.float64)[:, None]
    return torch.stack(values_and_slopes(compile_expression(expression, held=False), x, beta))


def is_finite(numbers: torch.Tensor) -> bool:
    """Return whether values and slopes of a ``behaviour`` are finite at beta = 1, where training starts."""
    return bool(torch.isfinite(numbers[:, 0]).all())


@functools.lru_cache(maxsize=2**15)
def fingerprint(expression: Expression) -> str:
    """Return 16 hexadecimal digits that name what the function does; equal functions have equal names."""
    return digest(behaviour(expression))


def twin_key(numbers: torch.Tensor, *, constants: bool = True) -> str:
    """Return a name that symmetric twins share: f(x), f(-x), -f(x), -f(-x), each plus any constant.

    A linear layer before absorbs the sign of the input, one behind the sign of the output, and a bias or normalisation
    behind the constant; a convolution that pads with zeros feels the constant all the same.

    Args:
        numbers: of ``behaviour``, ``(2, 5, 64)``.
        constants: whether functions that differ by a constant are twins as well.
    """
    values, slopes = numbers
    if constants:
        values = values - values.mean(1, keepdim=True)
    mirrored = torch.stack([values.flip(1), -slopes.flip(1)])
    plain = torch.stack([values, slopes])
    return min(digest(variant) for variant in (plain, -plain, mirrored, -mirrored))


def beta_role(expression: Expression) -> str:
    """Return what the trainable scalar does: ``none``, scales or shifts output or input, or ``changes the shape``."""
    values = behaviour(expression)[0]
    if bool(torch.isclose(values, values[:1], rtol=1e-9, atol=1e-9).all()):
        return "none"
    betas = torch.tensor(BETAS, dtype=torch.float64)[:, None]
    function, x = compile_expression(expression, held=False), probe_points()
    one = torch.ones((), dtype=torch.float64)
    # beta itself for "scales", or any power of it: what counts is one factor for all points
    factor = (values * values[:1]).sum(1, keepdim=True) / (values[:1] ** 2).sum()
    candidates = {
        "shifts the output": values[:1] + (values - values[:1]).mean(1, keepdim=True),
        "scales the output": factor * values[:1],
        "scales the input": function(betas * x, one),
        "shifts the input": function(x + betas - 1, one),
    }
    usable = torch.isfinite(values).all(1)  # a large or negative beta may overflow
    for role, guess in candidates.items():
        if bool(torch.isclose(values[usable], guess[usable], rtol=1e-9, atol=1e-9).all()):
            return role
    return "changes the shape"


def digest(numbers: torch.Tensor) -> str:
    """Round to ``DIGITS`` significant digits and hash, so that the last bits of a machine do not matter."""
    magnitude = numbers.abs()
    exponent = torch.floor(torch.log10(magnitude.clamp(FLOOR, 1e300))) - (DIGITS - 1)
    unit = 10.0**exponent
    rounded = torch.where(magnitude < FLOOR, 0.0, torch.round(numbers / unit) * unit)
    text = ",".join(f"{number:.{DIGITS - 1}e}" for number in (rounded + 0.0).flatten().tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
