"""How large a row's value can become, and from where on the values inside of a function are held.

A value that overflows inside of a function spoils what is computed from it: the sigmoid of sinh(90) is 1, but its slope
is 0 times infinity, not a number. So where a value inside could pass ``MOST``, the row is written in its held form
(``Primitive.held``), which stops there with slope 0. What a function returns itself is never held: it may overflow
where the truth does. Nor is a function that is only looked at, in double precision. Not here: the source lines
(``function``).
"""

import functools
import math
from typing import TYPE_CHECKING

from actsearch.grammar.primitive import Primitive

if TYPE_CHECKING:
    import torch

MOST = 1e30
"""Largest size of a value inside of a function: single precision ends at 3.4e38; the rest is room for
slopes and parameters."""
POINTS = 41  # sizes that are looked at between the smallest number and the largest, each with both signs
SMALLEST = 1e-45  # the smallest number of single precision


def reach(row: Primitive, arguments: tuple[float, ...]) -> float:
    """Return the largest size of a row's value in double precision, or infinity; at parameters of 1, 0 and -1.

    Args:
        row: of any arity.
        arguments: the largest size of each.
    """
    return _reach(row, tuple(min(argument, MOST) for argument in arguments))


@functools.lru_cache(maxsize=2**14)
def _reach(row: Primitive, arguments: tuple[float, ...]) -> float:
    import torch  # noqa: PLC0415  a second, which reading a run saves

    grids = [_grid(argument) for argument in arguments]
    points = torch.meshgrid(*grids, indexing="ij") if grids else []
    found = 0.0
    for value in (1.0, 0.0, -1.0) if row.reads else (1.0,):
        parameters = {one.name: torch.tensor(value, dtype=torch.float64) for one in row.parameters}
        result = row(*points, **parameters)
        found = max(found, float(result.abs().nan_to_num(nan=torch.inf, posinf=torch.inf).max()))
    return found


def _grid(largest: float) -> "torch.Tensor":
    import torch  # noqa: PLC0415  as above

    sizes = torch.logspace(math.log10(SMALLEST), math.log10(max(largest, SMALLEST)), POINTS, dtype=torch.float64)
    return torch.cat([-sizes.flip(0), torch.zeros(1, dtype=torch.float64), sizes])


def held_code(row: Primitive) -> str:
    """Return the row's held form: its own, or its value cut off at ``MOST``."""
    return row.held or f"torch.nn.functional.hardtanh({row.code}, -{MOST:g}, {MOST:g})"
