"""The figure of the answer: each finalist's difference from the incumbent, with its interval.

Not here: other figures of a run (``overview``), and the drawing of lines and dots (``figures``).
"""

from html import escape

from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.verdict import name_of, title_of
from actsearch.search.report.figures import BOTTOM, RIGHT, TOP, WIDTH, scale

NAMES, LINE, LETTERS = 190, 22, 24  # x where names end, height of a row, longest name in letters


def _short(name: str) -> str:
    """Return a name cut to the space in front of its line."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def answer_figure(board: Leaderboard) -> str:
    """Return the finalists' mean differences from the incumbent as SVG, or "" if no finalist was compared."""
    measure = board.measure(FINAL)
    rows = [
        (name_of(entry), entry.standing, measure.shown(result.difference), measure.ends(result.interval))
        for entry in board.entries
        if (result := entry.against.get(board.reference)) is not None
    ]
    if not rows:
        return ""
    known = [end for *_, ends in rows for end in ends] + [0.0, *(middle for *_, middle, _ in rows)]
    across, bottom = scale(known, NAMES, WIDTH - RIGHT), TOP + LINE * len(rows)
    parts = []
    for tick in across.ticks:
        parts.append(f'<path class="grid" d="M{across(tick):.1f} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{across(tick):.1f}" y="{bottom + 14}" text-anchor="middle">{tick:.4g}</text>')
    parts.append(f'<path class="line muted" d="M{across(0):.1f} {TOP}V{bottom}"/>')
    for number, (name, standing, middle, ends) in enumerate(rows):
        height, role = TOP + LINE * number + LINE / 2, "first" if standing == "better" else "second"
        left, right = (
            min(max(across(end), NAMES), WIDTH - RIGHT) for end in (max(ends[0], across.low), min(ends[1], across.high))
        )
        parts.append(f'<text x="{NAMES - 8}" y="{height + 4:.0f}" text-anchor="end">{escape(_short(name))}</text>')
        parts.append(f'<path class="line {role}" d="M{left:.1f} {height:.0f}H{right:.1f}"/>')
        parts.append(f'<circle class="{role}" cx="{across(middle):.1f}" cy="{height:.0f}" r="4"/>')
    title = f"{measure.noun} less that of {title_of(board.reference)}, mean over shared seeds, 95 %"
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{bottom + BOTTOM - 6}" text-anchor="middle">{escape(title)}</text>')
    svg = f'<svg viewBox="0 0 {WIDTH} {bottom + BOTTOM}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>"
