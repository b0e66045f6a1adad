"""Profile: a vector that describes a function as the layers around it see it; similar profiles train alike.

Linear layers and normalisation absorb scale, offset, sign and direction, so the profile removes them. Not here:
equality of functions (``fingerprint``), and properties for people (``properties``).
"""

import torch
from torch import Tensor

from actsearch.grammar.behaviour.fingerprint import probe_parameters
from actsearch.grammar.expression import Expression
from actsearch.grammar.function import function_of, values_and_slopes

REACH = 3.5  # pre-activations after a normalisation rarely leave [-3.5, 3.5]
POINTS = 16  # points for values and slopes; even, so that none lies on a kink at 0
FINE = 701  # points on +-FAR for integrals against the normal density
FAR = 7.0
MULTIPLES = (1.0, 0.5, 2.0)  # multiples of the start of a parameter
LENGTH = POINTS * (len(MULTIPLES) + 1)  # numbers in a profile


def profile(expression: Expression) -> Tensor:
    """Return the profile, ``(LENGTH,) float32``: values at every multiple of the parameters, and slopes at their start.

    The function is normalised first: mean 0 and variance 1 for standard normal input; on the whole it curves upward and
    rises (its second and first Hermite coefficients are not negative). asinh compresses the numbers. Numbers that are
    not finite become 0.
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
    numbers = torch.cat([values[:, probe].flatten(), slopes[probe]])
    return torch.nan_to_num(torch.asinh(numbers), 0.0, 0.0, 0.0).float()
