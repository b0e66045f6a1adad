"""Refuse before training what cannot work, and say why.

Not here: what happens to a child that was let through and fails (``evaluators``).
"""

import torch

from grammar.expression import Expression
from grammar.fingerprint import behaviour

CONSTANT = 1e-6  # a function whose values differ by less than this over the probe carries no information


def refusal(expression: Expression) -> str | None:
    """Return one sentence why the function is not worth training, or None."""
    values, slopes = behaviour(expression)[:, 0]  # at beta = 1, where training starts
    if not bool(torch.isfinite(values).all()):
        return "not finite somewhere between -7 and 7"
    if not bool(torch.isfinite(slopes).all()):
        return "its slope is not finite somewhere between -7 and 7"
    if float(values.max() - values.min()) < CONSTANT:
        return "constant: the input does not matter"
    return None
