"""What a function looks like to the layers around it, as a vector: two that look alike train alike.

Linear layers and normalisation absorb scale, offset, sign and direction, so these are taken out. Not here: equality
(``fingerprint``), and properties for people (``properties``).
"""

import torch
from torch import Tensor

from actsearch.grammar.expression import Expression
from actsearch.grammar.render import compile_expression, values_and_slopes

REACH = 3.5  # pre-activations behind a normalisation rarely leave it
POINTS = 16  # at which values and slopes are taken; even, so that none lies in a kink at 0
FINE = 701  # points of the rule that integrates against the normal density on +-FAR
FAR = 7.0
BETAS = (1.0, 0.5, 2.0)  # the first is where training starts
LENGTH = POINTS * (len(BETAS) + 1)  # of the vector


def profile(expression: Expression) -> Tensor:
    """Return values at every beta, and slopes at beta = 1, as ``(LENGTH,) float32``.

    The function has mean 0 and variance 1 for standard normal input, curves upward and rises on the whole (its second
    and first Hermite coefficients are not negative); numbers are compressed by asinh. What is not finite is 0.
    """
    z = torch.linspace(-FAR, FAR, FINE, dtype=torch.float64)
    weight = torch.exp(-z * z / 2)
    weight /= weight.sum()
    beta = torch.tensor(BETAS, dtype=torch.float64)[:, None]
    values, slopes = values_and_slopes(compile_expression(expression, held=False), z.expand(len(BETAS), -1), beta)
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
