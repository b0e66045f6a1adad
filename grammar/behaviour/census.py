"""Counts of a search space: strings, legal and finite strings, distinct behaviours, and reachable known activations.

Small spaces are enumerated. Large spaces are sampled uniformly from the legal strings, and the counts come with 95 %
intervals. Not here: the space itself (``space``).
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.stats import binomtest

from actsearch.grammar.behaviour.fingerprint import behaviour, digest, is_finite, twin_key
from actsearch.grammar.expression import Expression
from actsearch.grammar.rows.known import AS_CORE_UNITS, KNOWN, names_by_fingerprint, read
from actsearch.grammar.shape import core_units
from actsearch.grammar.space import NotInSpace, Space

LISTED = 20_000  # most legal strings of a space that is enumerated: about twenty seconds
Interval = tuple[float, float]


@dataclass(frozen=True)
class Census:
    """Counts of a space.

    Args:
        strings: number of strings of the shape, without constraints.
        legal: number of strings that meet the constraints.
        finite: number of legal strings whose values and slopes are finite on the probe.
        distinct: number of behaviours of the finite strings, as functions of x and the trainable scalars.
        distinct_up_to_symmetry: the same number, regardless of the signs of input and output and of added constants.
        reachable: known name -> shortest expression of the space with this behaviour, or None.
        shrink: constraint -> number of legal strings under this constraint alone.
        exact: whether the space was enumerated; else ``finite`` and the two distinct counts are estimates.
        intervals: name of an estimate -> its 95 % interval. Those of the distinct counts are wide, and their estimates
            are lower bounds: a sample says little about behaviours that it does not contain.
    """

    strings: int
    legal: int
    finite: int
    distinct: int
    distinct_up_to_symmetry: int
    reachable: dict[str, str | None]
    shrink: dict[str, int]
    exact: bool
    intervals: dict[str, Interval]


def take_census(space: Space, samples: int = 4000, seed: int = 0) -> Census:
    """Count the strings and behaviours of a space.

    Args:
        space: space to count.
        samples: number of strings to draw if the space is too large to enumerate.
        seed: seed of the draw.
    """
    legal = space.count(())
    strings = math.prod(len(space.choices(position)) for position in space.shape.positions)
    shrink = {c.name: Space(space.shape, space.unary, space.binary, (c,)).count(()) for c in space.constraints}
    exact = legal <= LISTED
    expressions = _enumerate(space) if exact else _sample(space, samples, seed)
    behaviours: Counter[str] = Counter()
    twins: Counter[str] = Counter()
    twin_of: dict[str, str] = {}
    shortest: dict[str, Expression] = {}
    seen = 0
    for expression in expressions:
        seen += 1
        numbers = behaviour(expression)
        if not is_finite(numbers):
            continue
        name = digest(numbers)
        behaviours[name] += 1
        if name not in shortest or _sort_key(expression) < _sort_key(shortest[name]):
            shortest[name] = expression
        if name not in twin_of:
            twin_of[name] = twin_key(numbers)
        twins[twin_of[name]] += 1
    finite, distinct, symmetric, intervals = sum(behaviours.values()), len(behaviours), len(twins), {}
    if not exact:
        ratio = binomtest(finite, seen).proportion_ci(method="wilson")
        intervals["finite"] = (ratio.low * legal, ratio.high * legal)
        finite = round(finite / seen * legal)
        distinct, intervals["distinct"] = _chao(behaviours, finite)
        symmetric, intervals["distinct_up_to_symmetry"] = _chao(twins, finite)
        shortest |= _known_in_large_space(space)
    reachable = {
        known: str(shortest[name]) if name in shortest else None
        for name, all_known in names_by_fingerprint().items()
        for known in all_known
    }
    return Census(strings, legal, finite, distinct, symmetric, reachable, shrink, exact, intervals)


def distinct_expressions(space: Space) -> dict[str, list[Expression]]:
    """Return fingerprint -> the finite expressions of a small space with this behaviour, shortest first."""
    groups: dict[str, list[Expression]] = {}
    for expression in sorted(_enumerate(space), key=_sort_key):
        numbers = behaviour(expression)
        if is_finite(numbers):
            groups.setdefault(digest(numbers), []).append(expression)
    return groups


def _sort_key(expression: Expression) -> tuple[int, int, int, str]:
    """Return a sort key: size, then length of the text, then the position of ``(x``, then the text."""
    text = str(expression)
    return expression.size, len(text), text.find("(x"), text


def _enumerate(space: Space) -> Iterator[Expression]:
    """Yield the expression of every legal string."""
    options = [range(len(space.choices(position))) for position in space.shape.positions]
    for choices in itertools.product(*options):
        if not space.constraints or space.count(choices):
            yield space.decode(space.tokens(choices))


def _sample(space: Space, samples: int, seed: int) -> Iterator[Expression]:
    """Yield the expressions of uniformly drawn legal strings."""
    generator = torch.Generator().manual_seed(seed)
    yield from (space.decode(space.draw(generator)) for _ in range(samples))


def _chao(counts: Counter[str], strings: float) -> tuple[int, Interval]:
    """Return Chao's lower-bound estimate of the number of classes, and its 95 % interval.

    The lower bound is that of Chao's log-normal interval. A sample alone gives no upper bound. But the unseen classes
    have about ``once / drawn`` of all strings (Good 1953), and each needs at least one string.

    Args:
        counts: class -> how often it was drawn.
        strings: number of strings in the population.

    Source: Chao 1987, Biometrics 43, equations 1 and 2.
    """
    seen, drawn = len(counts), sum(counts.values())
    once, twice = (sum(1 for count in counts.values() if count == n) for n in (1, 2))
    hidden = once * (once - 1) / (2 * (twice + 1))
    unseen = binomtest(once, drawn).proportion_ci().high * strings
    if hidden == 0:
        return seen, (float(seen), seen + unseen)
    ratio = once / max(twice, 1)
    variance = max(twice, 1) * (ratio**4 / 4 + ratio**3 + ratio**2 / 2)
    spread = math.exp(1.96 * math.sqrt(math.log(1 + variance / hidden**2)))
    return round(min(seen + hidden, strings)), (seen + hidden / spread, min(seen + unseen, strings))


def _known_in_large_space(space: Space) -> dict[str, Expression]:
    """Return fingerprint -> expression, for the known behaviours that a large space contains.

    The candidates are all expressions of one unit, and the known activations as named and as core units.
    """
    reachable: dict[str, Expression] = {}
    if not (space.unary and space.binary):
        return reachable
    small = Space(core_units(1), space.unary, space.binary)
    if small.count(()) > LISTED:
        return reachable
    known = names_by_fingerprint()
    named = [read(text) for text in (*KNOWN.values(), *AS_CORE_UNITS)]
    for expression in [*sorted(_enumerate(small), key=_sort_key), *named]:
        name = digest(behaviour(expression))
        if name in known and name not in reachable:
            try:
                space.encode(expression)
            except NotInSpace:
                continue
            reachable[name] = expression
    return reachable
