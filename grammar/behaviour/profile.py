"""What a function looks like to the layers around it, as a vector: two that look alike train alike.

Linear layers and normalisation absorb scale, offset, sign and direction, so these are taken out. Not here: equality
(``fingerprint``), and properties for people (``properties``).
"""

import torch
from torch import Tensor

from actsearch.grammar.behaviour.fingerprint import probe_parameters
from actsearch.grammar.expression import Expression
from actsearch.grammar.function import function_of, values_and_slopes

REACH = 3.5  # pre-activations behind a normalisation rarely leave it
POINTS = 16  # at which values and slopes are taken; even, so that none lies in a kink at 0
FINE = 701  # points of the rule that integrates against the normal density on +-FAR
FAR = 7.0
MULTIPLES = (1.0, 0.5, 2.0)  # of the start of a parameter
LENGTH = POINTS * (len(MULTIPLES) + 1)  # of the vector


def profile(expression: Expression) -> Tensor:
    """Return values at every multiple of its parameters, and slopes at their start, as ``(LENGTH,) float32``.

    The function has mean 0 and variance 1 for standard normal input, curves upward and rises on the whole (its second
    and first Hermite coefficients are not negative); numbers are compressed by asinh. What is not finite is 0.
    """
    z = torch.linspace(-FAR, FAR, FINE, dtype=torch.float64)
    weight = torch.exp(-z * z / 2)
    weight /= weight.sum()
    function = function_of(expression, held=False)
    parameters = probe_parameters(function, MULTIPLES)
    values, slopes = values_and_slopes(function, z.expand(len(MULTIPLES), -1), *parameters)
    values = values - (weight * values).sum(1, keepdim=True)
    scale = (weight * values[0] ** 2).sum().sqrt() + 1e-9
    values, slopes = values / scale, slopes[0] / scale
    if float((weight * values[0] * (z * z - 1)).sum()) < 0:
        values, slopes = -values, -slopes
    if float((weight * values[0] * z).sum()) < 0:
        values, slopes = values.flip(1), -slopes.flip(0)
    step = (FINE - 1) / (2 * FAR)
    probe = [round((FAR + REACH * (2 * i / (POINTS - 1) - 1)) * step) for i in range(POINTS)]
    found = torch.cat([values[:, probe].flatten(), slopes[probe]])
    return torch.nan_to_num(torch.asinh(found), 0.0, 0.0, 0.0).float()
