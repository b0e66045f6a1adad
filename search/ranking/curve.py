"""How a candidate looks: the function that is named, at the parameters that its layers learned.

Not here: how it is named (``grammar.notation``) and drawn (``search.show``, ``search.report``).
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
    """A function over some inputs, as its formula names it.

    Args:
        x: inputs ``(n,)``, rising.
        values, slopes: there, of the mirror image that the formula is of.
        parameters: values at which it is drawn, by name: the mean of what its layers learned, or where it starts.
        is_learned: whether they were learned.
    """

    x: Tensor
    values: Tensor
    slopes: Tensor
    parameters: Mapping[str, float]
    is_learned: bool = True

    @property
    def note(self) -> str:
        """What must be said of the picture; empty without a parameter."""
        if not self.parameters:
            return ""
        values = ", ".join(f"{GREEK.get(name, name)} = {value:.3g}" for name, value in self.parameters.items())
        return f"drawn at {values}, {'the mean over its layers' if self.is_learned else 'at which it starts'}"


def curve(entry: Entry, function: Function, image: str, reach: float, points: int) -> Curve:
    """Return the curve of a candidate.

    Args:
        entry: of the ranking, with what was learned.
        function: that was trained.
        image: which mirror image is named, as in ``notation.Written``.
        reach: half the width of the inputs around 0.
        points: how many.
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
