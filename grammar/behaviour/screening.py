"""Screening: refuse functions that cannot learn before training, and give the reason.

The limits were set on a random third of the one-unit space, after training all of it (README, "Screening"): no refused
function reached the best quarter. A reason must hold at every probed value of the parameters, since training could
otherwise mend the function. Not here: candidates that pass and fail in training (``evaluators``).
"""

from dataclasses import dataclass
from enum import StrEnum

import torch

from actsearch.grammar.behaviour.fingerprint import MULTIPLES, probe_parameters
from actsearch.grammar.expression import Expression
from actsearch.grammar.function import function_of, values_and_slopes

EDGE = 6.0  # pre-activations behind a normalisation rarely leave [-6, 6]
EXPLODES = 100.0  # largest |f| on [-6, 6]: no function beyond it learned anything (x^3, exp, x/sinc x)
SAME = 1e-6  # relative to the values: smaller variations, or deviations from a line, are rounding
DEAD_SLOPE, DEAD_SHARE = (
    1e-3,
    0.75,
)  # share of [-3, 3]; a share of half would refuse ReLU and most of the best functions
MOST_TURNS = 8  # changes of direction on [-6, 6]; more mean a period under 3


class Reason(StrEnum):
    """Reason why a function is not trained."""

    NOT_FINITE = "not finite"
    CONSTANT = "constant"
    LINEAR = "linear"
    EXPLODING = "exploding"
    DEAD = "dead gradient"
    FAST_PERIOD = "fast period"


@dataclass(frozen=True)
class Refusal:
    """A reason, and one sentence with the numbers behind it."""

    reason: Reason
    sentence: str

    def __str__(self) -> str:
        """Return reason and sentence."""
        return f"{self.reason}: {self.sentence}"


def refusal(expression: Expression) -> Refusal | None:  # noqa: PLR0911  one return per reason
    """Return why the function is not worth training; None if it is."""
    x, values, slopes = _on_grid(expression)
    finite = torch.isfinite(values).all(1) & torch.isfinite(slopes).all(1)
    if not bool(finite[0]):  # where training starts
        return Refusal(Reason.NOT_FINITE, f"value or slope is not a number somewhere on +-{EDGE:g}")
    values, slopes = values[finite], slopes[finite]
    size = values.abs().amax(1)
    if bool(((values.amax(1) - values.amin(1)) <= SAME * (1 + size)).all()):
        return Refusal(Reason.CONSTANT, "the input does not matter, whatever its parameters are")
    if bool((_off_line(x, values) <= SAME * (1 + size)).all()):
        return Refusal(Reason.LINEAR, "a straight line, whatever its parameters are: the network would be linear")
    if bool((size > EXPLODES).all()):
        return Refusal(
            Reason.EXPLODING, f"reaches {float(size.min()):.3g} on +-{EDGE:g}, over the limit of {EXPLODES:g}"
        )
    core = x.abs() <= EDGE / 2
    dead = (slopes[:, core].abs() < DEAD_SLOPE).double().mean(1)
    if bool((dead > DEAD_SHARE).all()):
        return Refusal(
            Reason.DEAD, f"the slope is zero on {float(dead.min()):.0%} of +-{EDGE / 2:g}, over {DEAD_SHARE:.0%}"
        )
    turns = (slopes[:, 1:] * slopes[:, :-1] < 0).sum(1)
    if bool((turns > MOST_TURNS).all()):
        return Refusal(
            Reason.FAST_PERIOD, f"turns {int(turns.min())} times on +-{EDGE:g}, over the limit of {MOST_TURNS}"
        )
    return None


def _on_grid(expression: Expression) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return x ``(1200,)``, and values and slopes ``(5, 1200)``, one row per setting of parameters and further inputs.

    The points x do not include 0.
    """
    function = function_of(expression, held=False)
    x = torch.linspace(-EDGE, EDGE, 1200, dtype=torch.float64)
    others = [torch.tensor(MULTIPLES, dtype=torch.float64)[:, None]] * (len(function.inputs) - 1)
    return x, *values_and_slopes(function, x.expand(len(MULTIPLES), -1), *others, *probe_parameters(function))


def _off_line(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return each row's largest distance from the line through its ends."""
    share = (x - x[0]) / (x[-1] - x[0])
    line = values[:, :1] + share * (values[:, -1:] - values[:, :1])
    return (values - line).abs().amax(1)
