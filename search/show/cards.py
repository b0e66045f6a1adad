"""One candidate as a card: how it is written, how it looks, what it is near.

Not here: its trainings (``entry_tables``).
"""

import torch

from actsearch.evaluators.activation import Activation
from actsearch.grammar.behaviour.properties import properties
from actsearch.grammar.notation import written
from actsearch.grammar.render import values_and_slopes
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.verdict import title_of
from actsearch.search.show.frames import formulas
from actsearch.search.show.sketch import sketch

REACH, POINTS = 5.0, 161
NEAR = 0.1  # root-mean-square distance under which a function is told to be like Swish


def card(entry: Entry, activation: Activation, board: Leaderboard) -> list[str]:
    """Return the lines of a card.

    Args:
        entry: of a ranking.
        activation: that it is.
        board: the ranking.
    """
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    lines = [f"position {entry.position}  id {entry.fingerprint}", f"{entry.expression}{known}"]
    expression, function = activation.expression, activation.function
    if expression is None or function is None:
        return [*lines, f"f(x) = {activation.formula}"]
    shown = written(expression)
    lines.append(f"f(x) = {shown.plain}" + (f"   [{shown.note}]" if shown.note else ""))
    built_in = {row.name for row in VOCABULARY} | {"x"}
    own = {part.primitive.name: part.primitive.formula for part in expression.walk()}
    lines += [f"with {name}(a) = {formula}" for name, formula in own.items() if name not in built_in]
    x = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    values, slopes = (part.detach() for part in values_and_slopes(function, x, torch.ones_like(x)))
    mirrored, negated = shown.image.endswith("f(-x)"), shown.image.startswith("-")
    if mirrored:
        values, slopes = values.flip(0), -slopes.flip(0)
    if negated:
        values, slopes = -values, -slopes
    left, right = sketch([values.tolist()], 28, 7), sketch([slopes.tolist()], 28, 7)
    lines += [f"{'f(x), x from -5 to 5':>37}  {chr(39).join(['f', '(x)']):>30}"]
    lines += [f"{one}  {two}" for one, two in zip(left, right, strict=True)]
    found = properties(expression)
    told = [name.replace("_", " ") for name in ("monotone", "convex", "smooth", "odd", "even") if getattr(found, name)]
    bounded = [side for side, yes in (("above", found.bounded_above), ("below", found.bounded_below)) if yes]
    told += [f"bounded {' and '.join(bounded)}"] if bounded else []
    lines.append(f"{', '.join(told) or 'nothing special'}; largest slope {found.lipschitz:.3g}, gain {found.gain:.3g}")
    if not entry.names and found.swish_distance is not None and found.swish_distance < NEAR:
        lines.append(f"like Swish with slope {found.swish_beta:.3g}, at a distance of {found.swish_distance:.2g}")
    beside = board.entries[max(0, entry.position - 2) : entry.position + 1]
    near = [
        f"{one.position} {title_of(one.names[0]) if one.names else formulas([one.expression])[0]}" for one in beside
    ]
    lines.append(f"beside it in the list: {'; '.join(near)}")
    return lines
