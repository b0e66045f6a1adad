"""How a candidate looks: the function that is named, at the beta that its layers learned.

Not here: how it is named (``grammar.notation``) and drawn (``search.show``, ``search.report``).
"""

import statistics
from dataclasses import dataclass

import torch
from torch import Tensor

from actsearch.grammar.expression import Expression
from actsearch.grammar.render import Function, values_and_slopes
from actsearch.search.ranking.entry import Entry

Layers = tuple[tuple[float, float, float], ...]


def learned(entry: Entry) -> Layers:
    """Return (least, mean, largest) beta of each layer at the end of training, the mean over the furthest rung's seeds.

    Empty where there is no beta, or where the seeds had networks of different depths.
    """
    found = [record.outcome.diagnostics.get("betas", []) for record in entry.records[entry.furthest]]
    rows = [list(map(float, row)) for row in found if row]
    if not rows or len({*map(len, rows)}) > 1:
        return ()
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    return tuple((means[n], means[n + 1], means[n + 2]) for n in range(0, len(means) - 2, 3))


def start_of(layers: Layers) -> float:
    """Return the mean learned beta over the layers."""
    return statistics.fmean(mean for _, mean, _ in layers)


@dataclass(frozen=True)
class Curve:
    """A function over some inputs, as its formula names it.

    Args:
        x: inputs ``(n,)``, rising.
        values, slopes: there, of the mirror image that the formula is of.
        beta: at which it is drawn: the mean of what its layers learned, 1 where nothing is known; None without beta.
        is_learned: whether that is known.
    """

    x: Tensor
    values: Tensor
    slopes: Tensor
    beta: float | None
    is_learned: bool = True

    @property
    def note(self) -> str:
        """What must be said of the picture; empty without a beta."""
        if self.beta is None:
            return ""
        why = "the mean over its layers" if self.is_learned else "at which it starts"
        return f"drawn at β = {self.beta:.3g}, {why}"


def curve(entry: Entry, expression: Expression, function: Function, image: str, reach: float, points: int) -> Curve:
    """Return the curve of a candidate.

    Args:
        entry: of the ranking, with what was learned.
        expression: that was trained.
        function: its values, of x and beta.
        image: which mirror image is named, as in ``notation.Written``.
        reach: half the width of the inputs around 0.
        points: how many.
    """
    layers = learned(entry) if expression.uses_beta else ()
    beta = start_of(layers) if layers else 1.0
    x = torch.linspace(-reach, reach, points, dtype=torch.float64)
    values, slopes = values_and_slopes(function, x, torch.full_like(x, beta))
    if image.endswith("f(-x)"):
        values, slopes = values.flip(0), -slopes.flip(0)
    if image.startswith("-"):
        values, slopes = -values, -slopes
    return Curve(x, values, slopes, beta if expression.uses_beta else None, is_learned=bool(layers))
