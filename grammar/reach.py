"""Bounds on the values of primitives, and the limit at which values inside a function are clamped ("held").

An overflow inside a function spoils the result: the sigmoid of sinh(90) is 1, but its slope is 0 times infinity, which
is NaN. So a primitive whose inner value could exceed ``MOST`` is used in its held form (``Primitive.held``), which is
constant from there on, with slope 0. The result of the function is never held: it may overflow where the exact value
does. Functions that are only examined, in double precision, are not held either. Not here: the source lines
(``function``).
"""

import functools
import math
from typing import TYPE_CHECKING

from actsearch.grammar.primitive import Primitive

if TYPE_CHECKING:
    import torch

MOST = 1e30
"""Largest absolute value inside a function. Single precision ends at 3.4e38; the rest is room for slopes and
parameters."""
POINTS = 41  # sample sizes between the smallest number and the largest, each with both signs
SMALLEST = 1e-45  # smallest positive number of single precision


def reach(row: Primitive, arguments: tuple[float, ...]) -> float:
    """Return the largest absolute value of a primitive in double precision, or infinity, at parameters of 1, 0 and -1.

    Args:
        row: primitive of any arity.
        arguments: largest absolute value of each argument.
    """
    return _reach(row, tuple(min(argument, MOST) for argument in arguments))


@functools.lru_cache(maxsize=2**14)
def _reach(row: Primitive, arguments: tuple[float, ...]) -> float:
    import torch  # noqa: PLC0415  the import takes a second, and reading a run does not need it

    grids = [_grid(argument) for argument in arguments]
    points = torch.meshgrid(*grids, indexing="ij") if grids else []
    largest = 0.0
    for value in (1.0, 0.0, -1.0) if row.reads else (1.0,):
        parameters = {parameter.name: torch.tensor(value, dtype=torch.float64) for parameter in row.parameters}
        result = row(*points, **parameters)
        largest = max(largest, float(result.abs().nan_to_num(nan=torch.inf, posinf=torch.inf).max()))
    return largest


def _grid(largest: float) -> "torch.Tensor":
    import torch  # noqa: PLC0415  as above

    sizes = torch.logspace(math.log10(SMALLEST), math.log10(max(largest, SMALLEST)), POINTS, dtype=torch.float64)
    return torch.cat([-sizes.flip(0), torch.zeros(1, dtype=torch.float64), sizes])


def held_code(row: Primitive) -> str:
    """Return the held code of a primitive: its own, or its code clamped to +-``MOST``."""
    return row.held or f"torch.nn.functional.hardtanh({row.code}, -{MOST:g}, {MOST:g})"
