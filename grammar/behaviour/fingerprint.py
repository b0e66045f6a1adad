"""Fingerprints: expressions that compute the same function of inputs and parameters have the same fingerprint.

A fingerprint hashes rounded values and slopes, computed in double precision at fixed probe points for several parameter
values. Not here: refusal of functions for their behaviour (``screening``).
"""

import functools
import hashlib
import math
from collections.abc import Sequence

import torch

from actsearch.grammar.expression import Expression
from actsearch.grammar.function import Function, function_of, values_and_slopes

DIGITS = 6
"""Significant digits after rounding. On the probe, equal functions written differently agree to about 1e-11; distinct
functions of the one-unit space differ by more than 1e-4 somewhere."""
FLOOR = 1e-9
"""Numbers smaller than this count as zero."""

MULTIPLES = (1.0, 0.37, 1.83, -0.71, 4.2)
"""Probed values of each trainable scalar, as multiples of its start; training starts at the first."""


def probe_points() -> torch.Tensor:
    """Return the probe points, ``(64,) float64``: symmetric about 0, irrational, |x| from 0.01 to about 7."""
    steps = torch.arange(32, dtype=torch.float64)
    positive = 0.0101 + 0.0731 * steps + 0.00471 * steps * steps + 0.0137 * torch.sin(17 * steps)
    return torch.cat([-positive.flip(0), positive])


def probe_parameters(function: Function, multiples: Sequence[float] = MULTIPLES) -> list[torch.Tensor]:
    """Return the probed values of each parameter, ``(n, 1) float64``: first its start, then multiples of it.

    Each further parameter uses the multiples in another order. A parameter that starts at 0 uses offsets instead.

    Args:
        function: function with the parameters.
        multiples: multiples of the start value, n of them.
    """
    columns = []
    for n, parameter in enumerate(function.parameters):
        turn = n % max(1, len(multiples) - 1)
        order = [multiples[0], *multiples[1 + turn :], *multiples[1 : 1 + turn]]
        start = parameter.start
        columns.append([start * multiple if start else multiple - multiples[0] for multiple in order])
    return [torch.tensor(column, dtype=torch.float64)[:, None] for column in columns]


def probe_inputs(function: Function, x: torch.Tensor) -> list[torch.Tensor]:
    """Return x for the first input, and the same points in another order for every further input."""
    step = next(step for step in (37, 41, 43, 1) if math.gcd(step, len(x)) == 1)
    order = torch.arange(len(x))
    return [x[order * step**n % len(x)] if n else x for n in range(len(function.inputs))]


def behaviour(expression: Expression) -> torch.Tensor:
    """Return values, and slopes by each input, on the probe: ``(1 + inputs, 5, 64) float64``.

    The axes are value or slope, parameter setting, and point.
    """
    function = function_of(expression, held=False)
    parameters = probe_parameters(function)
    inputs = [points.expand(len(MULTIPLES), -1) for points in probe_inputs(function, probe_points())]
    rows = []
    for n in range(len(inputs)):

        def of_input(x: torch.Tensor, *rest: torch.Tensor, n: int = n) -> torch.Tensor:
            return function(*inputs[:n], x, *inputs[n + 1 :], *rest)

        values, slopes = values_and_slopes(of_input, inputs[n], *parameters)
        rows += [slopes] if n else [values, slopes]
    return torch.stack(rows)


def is_finite(numbers: torch.Tensor) -> bool:
    """Return whether values and slopes are finite where training starts.

    Args:
        numbers: result of ``behaviour``.
    """
    return bool(torch.isfinite(numbers[:, 0]).all())


@functools.lru_cache(maxsize=2**15)
def fingerprint(expression: Expression) -> str:
    """Return the fingerprint of a function: 16 hexadecimal digits, equal for equal functions."""
    return digest(behaviour(expression))


def twin_key(numbers: torch.Tensor, *, constants: bool = True) -> str:
    """Return the key shared by symmetric twins: f(x), f(-x), -f(x), -f(-x), each plus any constant.

    Neighbouring layers absorb the difference: the linear layer before, the sign of the input; the linear layer after,
    the sign of the output; a bias or normalisation after, the constant. But a convolution with zero padding does feel
    the constant.

    Args:
        numbers: result of ``behaviour`` for a function of one input, ``(2, 5, 64)``.
        constants: whether functions that differ by a constant are twins too.
    """
    values, slopes = numbers
    if constants:
        values = values - values.mean(1, keepdim=True)
    mirrored = torch.stack([values.flip(1), -slopes.flip(1)])
    plain = torch.stack([values, slopes])
    return min(digest(variant) for variant in (plain, -plain, mirrored, -mirrored))


def role_of(expression: Expression, number: int = 0) -> str:
    """Return the role of a trainable scalar: ``none``, scales or shifts output or input, or ``changes the shape``.

    Args:
        expression: function of x.
        number: index of the parameter; the others stay at their start.
    """
    function, x = function_of(expression, held=False), probe_points()
    if not function.parameters:
        return "none"
    start = function.parameters[number].start

    def at(value: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        others = [points.new_full((), parameter.start) for parameter in function.parameters]
        return function(points, *others[:number], value, *others[number + 1 :])

    scalars = start * torch.tensor(MULTIPLES, dtype=torch.float64)[:, None]
    with torch.no_grad():
        values = at(scalars, x.expand(len(MULTIPLES), -1))
    if bool(torch.isclose(values, values[:1], rtol=1e-9, atol=1e-9).all()):
        return "none"
    one = torch.full((), start, dtype=torch.float64)
    # "scales" allows any power of the scalar: all points must have one common factor
    factor = (values * values[:1]).sum(1, keepdim=True) / (values[:1] ** 2).sum()
    candidates = {
        "shifts the output": values[:1] + (values - values[:1]).mean(1, keepdim=True),
        "scales the output": factor * values[:1],
        "scales the input": at(one, scalars / start * x),
        "shifts the input": at(one, x + scalars - start),
    }
    usable = torch.isfinite(values).all(1)  # a large or negative scalar may overflow
    for role, guess in candidates.items():
        if bool(torch.isclose(values[usable], guess[usable], rtol=1e-9, atol=1e-9).all()):
            return role
    return "changes the shape"


def digest(numbers: torch.Tensor) -> str:
    """Round to ``DIGITS`` significant digits and hash; the last bits, which differ between machines, do not matter."""
    magnitude = numbers.abs()
    exponent = torch.floor(torch.log10(magnitude.clamp(FLOOR, 1e300))) - (DIGITS - 1)
    unit = 10.0**exponent
    rounded = torch.where(magnitude < FLOOR, 0.0, torch.round(numbers / unit) * unit)
    text = ",".join(f"{number:.{DIGITS - 1}e}" for number in (rounded + 0.0).flatten().tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
