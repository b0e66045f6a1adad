"""Figures as plain SVG, in the colours of the page's style sheet.

Every figure has a title that describes it, for readers who cannot see it. A plotting library's figure would be larger
than the whole page may be. Not here: the contents of the figures (``overview``, ``finalist``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 38
TICKS = 5


@dataclass(frozen=True)
class Scale:
    """A map from numbers to coordinates.

    Args:
        low, high: numbers at the two ends.
        start, end: coordinates of the two ends, in SVG units.
        log: whether the scale is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the coordinate of a number."""
        low, high, here = (math.log10(one) if self.log else one for one in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (here - low) / ((high - low) or 1)

    @property
    def ticks(self) -> list[float]:
        """Round numbers between the ends, at most ten."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            candidates = [m * 10.0**power for power in range(first, last + 1) for m in (1, 2, 5)]
        else:
            raw = (self.high - self.low) / TICKS or 1
            unit = 10 ** math.floor(math.log10(raw))
            step = min((m * unit for m in (1, 2, 5, 10)), key=lambda one: abs(one - raw))
            first = math.ceil(self.low / step)
            candidates = [step * n for n in range(first, first + 2 * TICKS + 2)]
        return [tick for tick in candidates if self.low <= tick <= self.high][: 2 * TICKS]


def scale(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Scale:
    """Return a scale that holds all values with some margin; numbers without a place on it are ignored."""
    known = [one for one in values if math.isfinite(one) and (not log or one > 0)] or [1.0]
    low, high = min(known), max(known)
    if log:
        return Scale(low / 1.1, high * 1.1, start, end, log=True)
    room = 0.05 * ((high - low) or abs(high) or 1)
    return Scale(low - room, high + room, start, end)


def _path(points: Points) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def spark(values: Sequence[float], slopes: Sequence[float]) -> str:
    """Return a small picture of f and its slope; whole coordinates keep a page of a thousand pictures small."""
    paths = []
    for name, row in (("slope", slopes), ("value", values)):
        clipped = [min(max(one, -1e3), 1e3) if math.isfinite(one) else 0.0 for one in row]
        across, up = Scale(0, len(row) - 1, 3, 189), scale(clipped, 63, 3)
        points = "L".join(f"{across(n):.0f} {up(one):.0f}" for n, one in enumerate(clipped))
        paths.append(f'<path class="{name}" d="M{points}"/>')
    return f'<svg class="spark" viewBox="0 0 192 66" aria-hidden="true">{"".join(paths)}</svg>'


@dataclass(frozen=True)
class Series:
    """One line, set of dots or band of a chart.

    Args:
        name: name in the legend; empty leaves it out.
        points: pairs of x and y.
        kind: ``line``, ``dots`` or ``band`` (points of the upper edge, then of the lower edge backwards).
        role: CSS class of the colour: ``first``, ``second``, ``ring``, ``muted``.
        labels: text for each dot.
    """

    name: str
    points: Points
    kind: str = "line"
    role: str = "first"
    labels: Sequence[str] = field(default_factory=tuple)


def chart(title: str, series: Sequence[Series], x: str, y: str, *, log_y: bool = False) -> str:
    """Return a figure with axes, or "" if no point is finite.

    Args:
        title: description of the figure, in a sentence.
        series: series to draw, the last one on top.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        log_y: whether the vertical axis is logarithmic.
    """
    every = [point for one in series for point in one.points if all(map(math.isfinite, point))]
    if not every:
        return ""
    across = scale([point[0] for point in every], LEFT, WIDTH - RIGHT)
    up = scale([point[1] for point in every], HEIGHT - BOTTOM, TOP, log=log_y)
    parts = _axes(across, up, x, y)
    for one in series:
        visible = [
            (index, p) for index, p in enumerate(one.points) if all(map(math.isfinite, p)) and (not up.log or p[1] > 0)
        ]
        places = [(across(p[0]), up(p[1])) for _, p in visible]
        if one.kind == "dots":
            labels = {index: escape(text) for index, text in enumerate(one.labels)}
            for (index, _), (px, py) in zip(visible, places, strict=True):
                title_of_dot = f"<title>{labels[index]}</title>" if index in labels else ""
                parts.append(f'<circle class="{one.role}" cx="{px:.1f}" cy="{py:.1f}" r="4">{title_of_dot}</circle>')
        elif places:
            closed = "Z" if one.kind == "band" else ""
            parts.append(f'<path class="{one.kind} {one.role}" d="{_path(places)}{closed}"/>')
    legend_entries = [one for one in series if one.name]
    legend = "".join(f'<li class="{one.role}">{escape(one.name)}</li>' for one in legend_entries)
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
        f"<figcaption>{escape(title)}</figcaption>"
        + (f'<ul class="legend">{legend}</ul>' if legend else "")
        + "</figure>"
    )


def _axes(across: Scale, up: Scale, x: str, y: str) -> list[str]:
    parts = []
    for tick in across.ticks:
        place = across(tick)
        parts.append(f'<path class="grid" d="M{place:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{tick:.4g}</text>')
    for tick in up.ticks:
        place = up(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>')
    centre = HEIGHT / 2
    turned = f'text-anchor="middle" transform="rotate(-90 14 {centre:.0f})"'
    parts.append(f'<text x="14" y="{centre:.0f}" {turned}>{escape(y)}</text>')
    return parts


def bar(low: float, mean: float, high: float, ends: tuple[float, float]) -> str:
    """Return a mean with its interval as a small bar, on a scale between two ``ends`` that a whole list shares."""
    position = Scale(*ends, 2, 98)
    left, middle, right = (min(98.0, max(2.0, position(one))) for one in (low, mean, high))
    return (
        '<svg class="interval" viewBox="0 0 100 12" width="100" height="12" aria-hidden="true">'
        f'<path d="M{left:.1f} 6H{right:.1f}"/><circle cx="{middle:.1f}" cy="6" r="3"/></svg>'
    )


def heat(title: str, rows: Mapping[str, Sequence[float]], x: str) -> str:
    """Return shares (name -> numbers from 0 to 1 over time) as a heat map, darker where larger; "" without rows."""
    if not rows:
        return ""
    count, height = max(map(len, rows.values())), 16 * len(rows) + 30
    wide = (WIDTH - 110) / count
    parts = []
    for number, (name, values) in enumerate(rows.items()):
        parts.append(f'<text x="102" y="{16 * number + 15}" text-anchor="end">{escape(name)}</text>')
        parts += [
            f'<rect class="cell" x="{108 + wide * n:.1f}" y="{16 * number + 4}" width="{wide + 0.4:.1f}" height="14" '
            f'fill-opacity="{value:.2f}"/>'
            for n, value in enumerate(values)
            if value > 0.005
        ]
    parts.append(f'<text x="{108 + wide * count / 2:.0f}" y="{height - 4}" text-anchor="middle">{escape(x)}</text>')
    svg = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>"
