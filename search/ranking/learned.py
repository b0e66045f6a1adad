"""Learned parameter values of a candidate, layer by layer. Not here: a picture at these values (``curve``)."""

import statistics
from collections.abc import Sequence

from actsearch.evaluators.outcome import LEARNED
from actsearch.grammar.function import Function
from actsearch.grammar.parameter import BETA, Parameter
from actsearch.search.ranking.entry import Entry, built_in_expression

Layers = tuple[tuple[float, ...], ...]
"""One row for each layer: the least, the mean and the largest learned value of every parameter."""


def by_layer(learned: Sequence[float], parameters: Sequence[Parameter]) -> Layers:
    """Return a child's learned values, one row for each layer; empty if they do not fit these parameters."""
    width = 3 * len(parameters)
    if not width or len(learned) % width:
        return ()
    return tuple(tuple(learned[n : n + width]) for n in range(0, len(learned), width))


def parameters_of(entry: Entry) -> tuple[Parameter, ...]:
    """Return the parameters of a candidate; the usual one for primitives of the user's, whose code is in no store."""
    expression = built_in_expression(entry.expression)
    return (BETA,) if expression is None else expression.parameters


def learned(entry: Entry, function: Function) -> Layers:
    """Return the learned values at the end of training, as means over the seeds of the furthest rung.

    The result is empty if there is no parameter, or if the seeds had networks of different depths.
    """
    records = entry.records[entry.furthest]
    rows = [[*map(float, record.outcome.diagnostics.get(LEARNED, []))] for record in records]
    rows = [row for row in rows if row]
    if not rows or len({*map(len, rows)}) > 1:
        return ()
    return by_layer([statistics.fmean(column) for column in zip(*rows, strict=True)], function.parameters)


def starts_of(layers: Layers) -> tuple[float, ...]:
    """Return the mean learned value of each parameter over the layers."""
    return tuple(statistics.fmean(column) for column in [*zip(*layers, strict=True)][1::3])
