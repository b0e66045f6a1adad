"""A space in numbers: strings, legal ones, finite ones, distinct behaviours, and what is reachable.

Small spaces are listed whole; large ones are sampled evenly among the legal strings, and the numbers come with 95 %
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

LISTED = 20_000  # legal strings up to which a space is listed whole: about twenty seconds
Interval = tuple[float, float]


@dataclass(frozen=True)
class Census:
    """What a space holds.

    Args:
        strings: of the shape, whatever the constraints say.
        legal: strings that keep the constraints.
        finite: legal strings whose values and slopes are finite on the probe.
        distinct: behaviours among the finite, trainable scalars treated as such.
        distinct_up_to_symmetry: the same, signs of input and output and added constants disregarded.
        reachable: known name -> shortest expression of the space that behaves so, or None.
        shrink: constraint -> legal strings if it were the only one.
        exact: whether the space was listed whole; else the three numbers of behaviour are estimates.
        intervals: bounds that hold estimated numbers with 95 %, by name. The distinct ones are wide, and their estimate
            is a lower bound: a sample says little of what it did not meet.
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
    """Count a space.

    Args:
        space: what is counted.
        samples: strings drawn when it is too large to be listed.
        seed: of the draw.
    """
    legal = space.count(())
    strings = math.prod(len(space.choices(position)) for position in space.shape.positions)
    shrink = {c.name: Space(space.shape, space.unary, space.binary, (c,)).count(()) for c in space.constraints}
    exact = legal <= LISTED
    expressions = _listed(space) if exact else _drawn(space, samples, seed)
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
        if name not in shortest or _length(expression) < _length(shortest[name]):
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
        shortest |= _of_one_unit(space)
    reachable = {
        known: str(shortest[name]) if name in shortest else None
        for name, all_known in names_by_fingerprint().items()
        for known in all_known
    }
    return Census(strings, legal, finite, distinct, symmetric, reachable, shrink, exact, intervals)


def distinct_expressions(space: Space) -> dict[str, list[Expression]]:
    """Return fingerprint -> every finite expression of a small space that behaves so, shortest first."""
    groups: dict[str, list[Expression]] = {}
    for expression in sorted(_listed(space), key=_length):
        numbers = behaviour(expression)
        if is_finite(numbers):
            groups.setdefault(digest(numbers), []).append(expression)
    return groups


def _length(expression: Expression) -> tuple[int, int, int, str]:
    """Order by size, then by text, x before what is done to x."""
    text = str(expression)
    return expression.size, len(text), text.find("(x"), text


def _listed(space: Space) -> Iterator[Expression]:
    options = [range(len(space.choices(position))) for position in space.shape.positions]
    for chosen in itertools.product(*options):
        if not space.constraints or space.count(chosen):
            yield space.decode(space.tokens(chosen))


def _drawn(space: Space, samples: int, seed: int) -> Iterator[Expression]:
    """Draw evenly among the legal strings."""
    generator = torch.Generator().manual_seed(seed)
    yield from (space.decode(space.draw(generator)) for _ in range(samples))


def _chao(counts: Counter[str], strings: float) -> tuple[int, Interval]:
    """Return Chao's lower-bound estimate of the number of classes, and bounds that hold it with 95 %.

    The lower bound is that of Chao's log-normal interval. No upper bound follows from a sample alone; but what was not
    seen has about ``once / drawn`` of all strings (Good 1953), and every unseen class needs a string.

    Args:
        counts: how often each class was drawn.
        strings: how many strings there are.

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


def _of_one_unit(space: Space) -> dict[str, Expression]:
    """Return known behaviours that a large space can write: as one unit, as they are named, or as core units."""
    found: dict[str, Expression] = {}
    if not (space.unary and space.binary):
        return found
    small = Space(core_units(1), space.unary, space.binary)
    if small.count(()) > LISTED:
        return found
    wanted = names_by_fingerprint()
    written = [read(text) for text in (*KNOWN.values(), *AS_CORE_UNITS)]
    for expression in [*sorted(_listed(small), key=_length), *written]:
        name = digest(behaviour(expression))
        if name in wanted and name not in found:
            try:
                space.encode(expression)
            except NotInSpace:
                continue
            found[name] = expression
    return found
