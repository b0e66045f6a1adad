"""The curve of a candidate: the function that its formula names, at the parameters that its layers learned.

Not here: the formula (``grammar.notation``) and the drawing (``search.show``, ``search.report``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from actsearch.grammar.function import Function, values_and_slopes
from actsearch.grammar.parameter import GREEK
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.learned import learned, starts_of


@dataclass(frozen=True)
class Curve:
    """Values of a function over a range of inputs, in the mirror image that its formula shows.

    Args:
        x: inputs ``(n,)``, rising.
        values, slopes: values and slopes ``(n,)`` at these inputs.
        parameters: parameter values by name: the mean over the layers of the learned values, or the starting values.
        is_learned: whether the parameter values were learned.
    """

    x: Tensor
    values: Tensor
    slopes: Tensor
    parameters: Mapping[str, float]
    is_learned: bool = True

    @property
    def note(self) -> str:
        """Caption with the parameter values; empty without a parameter."""
        if not self.parameters:
            return ""
        values = ", ".join(f"{GREEK.get(name, name)} = {value:.3g}" for name, value in self.parameters.items())
        return f"drawn at {values}, {'the mean over its layers' if self.is_learned else 'at which it starts'}"


def curve(entry: Entry, function: Function, image: str, reach: float, points: int) -> Curve:
    """Return the curve of a candidate.

    Args:
        entry: entry of the ranking, with its diagnostics.
        function: function that was trained.
        image: mirror image that the formula shows, as in ``notation.Written``.
        reach: half the width of the range of inputs around 0.
        points: number of inputs.
    """
    layers = learned(entry, function)
    drawn = function.starting_at(starts_of(layers)) if layers else function
    x = torch.linspace(-reach, reach, points, dtype=torch.float64)
    values, slopes = values_and_slopes(drawn.at_start, x)
    if image.endswith("f(-x)"):
        values, slopes = values.flip(0), -slopes.flip(0)
    if image.startswith("-"):
        values, slopes = -values, -slopes
    starts = {parameter.name: parameter.start for parameter in drawn.parameters}
    return Curve(x, values, slopes, starts, is_learned=bool(layers))
