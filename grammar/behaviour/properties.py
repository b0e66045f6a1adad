"""Properties of an activation function that people ask for, computed numerically in double precision.

The description of every number names its grid or its distribution. Not here: formulas and exact limits (``symbolic``),
and networks that use the function (``evaluators``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq, minimize_scalar

from actsearch.grammar.expression import Expression
from actsearch.grammar.function import function_of, values_and_slopes

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Interval = tuple[float, float]

CORE = 6.0  # shape is judged on [-6, 6], which pre-activations after a normalisation rarely leave
GRID = 4800  # points on [-6, 6], 0.0025 apart; 0 is not among them, since many functions have a kink there
FAR = (1e2, 1e3, 1e4)  # values of |x| that decide what happens at the ends
FLAT, STRAIGHT = 1e-2, 1e-2  # largest |slope| of a saturating, and |curvature| of an almost linear region
SWISH_BETAS = (0.5, 4.0)  # range of b in the distance to a*x*sigmoid(b*x)+c
SWISH_WIDTH = 2.0  # the distance to Swish weighs x as N(0, 1) times 2


@dataclass(frozen=True)
class Properties:
    """Numbers and answers about one function f, its parameters at their start values.

    Args:
        limit_left: limit of f for x to -infinity, judged up to -1e4; inf, -inf, or None if f does not settle.
        limit_right: limit of f for x to +infinity, in the same way.
        slope_left: slope of f at the left end; None if it does not settle.
        slope_right: slope of f at the right end; None if it does not settle.
        bounded_above: whether f has an upper bound on +-1e4; not if it grows from 1e3 to 1e4 or is infinite.
        bounded_below: whether f has a lower bound, in the same way.
        monotone: whether f never falls or never rises, on [-6, 6] and at the ends.
        convex: whether f is convex on [-6, 6].
        smooth: whether f and its slope are continuous on [-6, 6].
        odd: whether f(-x) = -f(x).
        even: whether f(-x) = f(x).
        zeros: x on [-6, 6] where f(x) = 0 and changes sign, at most ten.
        fixed_points: x where f(x) = x, in the same way.
        lipschitz: largest |slope| on [-6, 6].
        saturating: intervals of [-6, 6] where |slope| < 0.01.
        almost_linear: intervals of [-6, 6] where |curvature| < 0.01 and the slope is not flat.
        mean: E f(z) for z from N(0, 1); None if it is infinite.
        variance: variance of f(z).
        gain: 1/sqrt(E f(z)^2), the factor that keeps the second moment from layer to layer.
        swish_distance: least root-mean-square distance under 2*N(0, 1) to a*x*sigmoid(b*x)+c over a, c, the sign of x
            and b in [0.5, 4], relative to the standard deviation of f: 0 is Swish, 1 is unlike it.
        swish_beta: the b of that least distance.
        swish_like: whether f is unbounded above, bounded below, smooth and non-monotonic, up to the signs of input and
            output and an added constant (Ramachandran et al. 2017, section 3).
    """

    limit_left: float | None
    limit_right: float | None
    slope_left: float | None
    slope_right: float | None
    bounded_above: bool
    bounded_below: bool
    monotone: bool
    convex: bool
    smooth: bool
    odd: bool
    even: bool
    zeros: tuple[float, ...]
    fixed_points: tuple[float, ...]
    lipschitz: float
    saturating: tuple[Interval, ...]
    almost_linear: tuple[Interval, ...]
    mean: float | None
    variance: float | None
    gain: float | None
    swish_distance: float | None
    swish_beta: float | None
    swish_like: bool


class _Curve:
    """Values and slopes of a function, its parameters at their start values."""

    def __init__(self, expression: Expression) -> None:
        self.function = function_of(expression, held=False)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        value, slope = values_and_slopes(self.function.at_start, torch.from_numpy(np.ascontiguousarray(x)))
        return value.numpy(), slope.numpy()

    def value(self, x: float) -> float:
        return float(self(np.array([x]))[0][0])


def properties(expression: Expression) -> Properties:
    """Compute the properties of a function (about 20 ms)."""
    curve = _Curve(expression)
    x = np.linspace(-CORE, CORE, GRID)
    with np.errstate(all="ignore"):
        value, slope = curve(x)
        bounded_above, bounded_below = _bounded(curve)
        monotone = _monotone(curve, value, slope)
        smooth = _smooth(curve, x)
        step = x[1] - x[0]
        curvature = np.gradient(slope, step)
        scale = 1e-9 * (1 + np.abs(value).max())
        mean, variance, second = _moments(curve)
        distance, swish_beta = swish_distance(expression)
        flat = np.abs(slope) < FLAT
        return Properties(
            limit_left=_end(curve, -1, 0),
            limit_right=_end(curve, 1, 0),
            slope_left=_end(curve, -1, 1),
            slope_right=_end(curve, 1, 1),
            bounded_above=bounded_above,
            bounded_below=bounded_below,
            monotone=monotone,
            convex=_convex(value, slope, step),
            smooth=smooth,
            odd=bool((np.abs(value + value[::-1]) <= scale).all()),
            even=bool((np.abs(value - value[::-1]) <= scale).all()),
            zeros=_roots(curve.value, x, value),
            fixed_points=_roots(lambda p: curve.value(p) - p, x, value - x),
            lipschitz=float(np.abs(slope).max()),
            saturating=_intervals(x, flat),
            almost_linear=_intervals(x, (np.abs(curvature) < STRAIGHT) & ~flat),
            mean=mean,
            variance=variance,
            gain=1 / math.sqrt(second) if second else None,
            swish_distance=distance,
            swish_beta=swish_beta,
            swish_like=(bounded_above != bounded_below) and smooth and not monotone,
        )


def swish_distance(expression: Expression) -> tuple[float | None, float | None]:
    """Return the relative distance to the Swish family, and the nearest b; None if f is constant or not finite."""
    z = np.linspace(-8, 8, 3201)
    weight = np.exp(-z * z / 2)
    weight /= weight.sum()
    x = SWISH_WIDTH * z
    with np.errstate(all="ignore"):
        value, _ = _Curve(expression)(x)
    if not np.isfinite(value).all():
        return None, None
    centred = value - (weight * value).sum()
    deviation = math.sqrt((weight * centred**2).sum())
    if deviation < 1e-12 * (1 + np.abs(value).max()):
        return None, None

    def unexplained(b: float, sign: int) -> float:
        swish = sign * x / (1 + np.exp(-b * sign * x))
        swish = swish - (weight * swish).sum()
        covariance = (weight * swish * centred).sum()
        return float(max(0.0, 1 - covariance**2 / ((weight * swish**2).sum() * deviation**2)))

    grid = np.geomspace(*SWISH_BETAS, 12)
    best = min((unexplained(b, sign), float(b), sign) for b in grid for sign in (1, -1))
    low, high = max(SWISH_BETAS[0], best[1] / 1.3), min(SWISH_BETAS[1], best[1] * 1.3)
    refined = minimize_scalar(lambda b: unexplained(b, best[2]), bounds=(low, high), method="bounded")
    least, nearest = min((best[0], best[1]), (float(refined.fun), float(refined.x)))
    return math.sqrt(least), nearest


def _end(curve: _Curve, sign: int, kind: int) -> float | None:
    """Return the limit of f at one end; None if it does not settle.

    Args:
        curve: f.
        sign: -1 for the left end, 1 for the right end.
        kind: 0 for the limit of the value, 1 for the limit of the slope.
    """
    near, middle, far = (float(number) for number in curve(sign * np.array(FAR))[kind])
    if not math.isfinite(far):
        return far if math.isinf(far) else None
    if abs(far - middle) <= 1e-3 * (1 + abs(far)) and abs(middle - near) <= 1e-1 * (1 + abs(middle)):
        return 0.0 if abs(far) < 1e-3 else far
    if abs(far) > abs(middle) > abs(near) and far * middle > 0:
        return math.copysign(math.inf, far)
    return None


def _bounded(curve: _Curve) -> tuple[bool, bool]:
    """Return whether f is bounded above, and below, on +-1e4.

    The extremes over the last factor of ten in |x| must not exceed those before. Infinity is no bound. If a value is
    NaN (an overflow inside), the range ends there.
    """
    x = np.geomspace(1e-2, FAR[-1], 6000)
    inner, outer = [], []
    for sign in (-1, 1):
        value = curve(sign * x)[0]
        broken = np.flatnonzero(np.isnan(value))
        end = int(broken[0]) if len(broken) else len(x)
        last = x[:end] > x[end - 1] / 10
        inner.append(value[:end][~last])
        outer.append(value[:end][last])
    before, behind = np.concatenate(inner), np.concatenate(outer)
    above = max(before.max(), behind.max()) < np.inf and behind.max() <= before.max() + 1e-3 * (1 + abs(before.max()))
    below = min(before.min(), behind.min()) > -np.inf and behind.min() >= before.min() - 1e-3 * (1 + abs(before.min()))
    return bool(above), bool(below)


def _monotone(curve: _Curve, value: Array, slope: Array) -> bool:
    ends = curve(np.concatenate([-np.geomspace(CORE, 1e4, 400), np.geomspace(CORE, 1e4, 400)]))[1]
    # check slopes and steps: a function with a jump or a pole may fall although every slope is positive
    changes = np.concatenate([slope, np.diff(value), ends[np.isfinite(ends)]])
    small = 1e-9 * (1 + np.abs(slope).max())
    return bool((changes >= -small).all() or (changes <= small).all())


def _convex(value: Array, slope: Array, step: float) -> bool:
    """Return whether slopes rise, and no step exceeds what the slopes at its ends allow, as a jump would."""
    rising = np.diff(slope) >= -1e-9 * (1 + np.abs(slope[1:]))
    allowed = step * np.maximum(np.abs(slope[1:]), np.abs(slope[:-1])) + 1e-9 * (1 + np.abs(value[1:]))
    return bool(rising.all() and (np.abs(np.diff(value)) <= allowed).all())


def _smooth(curve: _Curve, x: Array) -> bool:
    """Return whether value and slope are continuous.

    Zoom in where they change most: at a jump the change stays as large however close the points are.
    """
    points = x + 0.37e-3  # a kink at a round number then lies between two points
    value, slope = curve(points)
    if not (np.isfinite(value).all() and np.isfinite(slope).all()):
        return False
    for kind, numbers in enumerate((value, slope)):
        change = np.abs(np.diff(numbers))
        usual = np.minimum(np.roll(change, 2), np.roll(change, -2)) + 1e-9 * (1 + change.max())
        for index in np.argsort(change / usual)[-8:]:  # relative to the neighbours: a steep region is no kink
            left, right = points[index], points[index + 1]
            for _ in range(4):  # each round zooms in on one of 32 parts; all four shrink the interval a million times
                parts = np.linspace(left, right, 33)
                inner = curve(parts)[kind]
                worst = int(np.argmax(np.abs(np.diff(inner))))
                left, right = parts[worst], parts[worst + 1]
            if abs(np.diff(curve(np.array([left, right]))[kind])[0]) > 1e-3 * min(1.0, float(np.abs(numbers).max())):
                return False
    return True


def _roots(function: Callable[[float], float], x: Array, value: Array) -> tuple[float, ...]:
    """Return isolated roots, at most ten; a function that is 0 over an interval has none there."""
    value = np.where(np.abs(value) < 1e-12 * (1 + np.abs(x)), 0.0, value)
    grid_roots = [] if (value == 0).sum() > 10 else [float(p) for p in x[value == 0]]
    changes = np.nonzero(value[:-1] * value[1:] < 0)[0][:10]
    crossings = [float(brentq(function, x[i], x[i + 1])) for i in changes]
    crossings = [root for root in crossings if abs(function(root)) < 1e-6]  # drop sign changes at a pole or a jump
    return tuple(sorted(round(root, 9) + 0.0 for root in [*grid_roots, *crossings]))[:10]


def _intervals(x: Array, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[Interval, ...]:
    """Return the runs of True that are at least 0.25 wide."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    runs = zip(edges[::2], edges[1::2] - 1, strict=True)
    return tuple((float(x[a]), float(x[b])) for a, b in runs if x[b] - x[a] >= 0.25)


def _moments(curve: _Curve) -> tuple[float | None, float | None, float | None]:
    """Return mean, variance and second moment under N(0, 1), by the trapezoidal rule on +-10; None if infinite."""
    z = np.linspace(-10, 10, 8001)
    weight = np.exp(-z * z / 2)
    weight /= weight.sum()
    value = curve(z)[0]
    parts = weight * value**2
    if not np.isfinite(parts).all() or max(parts[0], parts[-1]) > 1e-6 * parts.sum() > 0:
        return None, None, None  # the integrand still matters at ten standard deviations
    mean, second = float((weight * value).sum()), float(parts.sum())
    return mean, max(0.0, second - mean**2), second
