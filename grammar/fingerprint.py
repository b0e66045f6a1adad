"""A name for behaviour: expressions that compute the same function of (x, beta) share a fingerprint.

Values and slopes are taken in double precision on fixed probe points for several betas and rounded; the rounded numbers
are hashed. Not here: what may be refused for its behaviour (``screening``).
"""

import hashlib

import torch

from grammar.expression import Expression
from grammar.render import compile_expression

DIGITS = 6
"""Significant digits that are kept: equal functions written differently agree to about 1e-11 on the probe, distinct
ones of the one-unit space differ by more than 1e-4 somewhere."""
FLOOR = 1e-9
"""Numbers smaller than this are zero."""

BETAS = (1.0, 0.37, 1.83)
"""Trainable scalars at which a function is compared; 1.0 is where training starts."""


def probe_points() -> torch.Tensor:
    """Return the probe, ``(64,) float64``, symmetric about 0, irrational, from 0.01 to about 7."""
    steps = torch.arange(32, dtype=torch.float64)
    positive = 0.0101 + 0.0731 * steps + 0.00471 * steps * steps + 0.0137 * torch.sin(17 * steps)
    return torch.cat([-positive.flip(0), positive])


def behaviour(expression: Expression) -> torch.Tensor:
    """Return values and slopes on the probe, ``(2, 3, 64) float64``: kind, beta, point."""
    x = probe_points().expand(len(BETAS), -1).clone().requires_grad_()
    beta = torch.tensor(BETAS, dtype=torch.float64)[:, None]
    value = compile_expression(expression)(x, beta)
    slope = torch.zeros_like(x)
    if value.requires_grad:
        (slope,) = torch.autograd.grad(value.sum(), x)
    return torch.stack([value.detach(), slope])


def fingerprint(expression: Expression) -> str:
    """Return 16 hexadecimal digits that name what the function does; equal functions have equal names."""
    return digest(behaviour(expression))


def digest(numbers: torch.Tensor) -> str:
    """Round to ``DIGITS`` significant digits and hash, so that the last bits of a machine do not matter."""
    magnitude = numbers.abs()
    exponent = torch.floor(torch.log10(magnitude.clamp(FLOOR, 1e300))) - (DIGITS - 1)
    unit = 10.0**exponent
    rounded = torch.where(magnitude < FLOOR, 0.0, torch.round(numbers / unit) * unit)
    text = ",".join(f"{number:.{DIGITS - 1}e}" for number in (rounded + 0.0).flatten().tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
