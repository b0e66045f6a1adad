"""The card of one candidate: its formula, its picture, its properties and its neighbours in the ranking.

Not here: its trainings (``entry_tables``).
"""

from actsearch.evaluators.activation import Activation
from actsearch.grammar.behaviour.properties import properties
from actsearch.grammar.notation import written
from actsearch.grammar.rows.sets import VOCABULARY
from actsearch.search.ranking.columns import formula, row, text_of
from actsearch.search.ranking.curve import curve
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.verdict import title_of
from actsearch.search.show.sketch import sketch

REACH, POINTS = 5.0, 161
NEAR = 0.1  # root-mean-square distance below which a function is called like Swish


def card(entry: Entry, activation: Activation, board: Leaderboard) -> list[str]:
    """Return the lines of a card.

    Args:
        entry: entry of the ranking.
        activation: activation of the entry.
        board: ranking of the run.
    """
    known = f"  (known as {', '.join(entry.names)})" if entry.names else ""
    standing = text_of("standing", row(board, entry))
    head = f"position {entry.position}  id {entry.fingerprint}" + (f"  {standing}" if standing else "")
    kind = ", a baseline" if entry.baseline else ", a find of this search" if entry.found else ""
    lines = [head, f"{entry.expression}{known}{kind}"]
    expression, function = activation.expression, activation.function
    if expression is None or function is None:
        return [*lines, f"f(x) = {activation.formula}"]
    shown = written(expression)
    lines.append(f"f(x) = {shown.plain}" + (f"   [{shown.note}]" if shown.note else ""))
    built_in = {row.name for row in VOCABULARY} | {"x"}
    own = {part.primitive.name: part.primitive.formula for part in expression.walk()}
    lines += [f"with {name}(a) = {text}" for name, text in own.items() if name not in built_in]
    drawn = curve(entry, function, shown.image, REACH, POINTS)
    left, right = (sketch([part.tolist()], 28, 7) for part in (drawn.values, drawn.slopes))
    lines += [f"{'f(x), x from -5 to 5':>37}  {chr(39).join(['f', '(x)']):>30}"]
    lines += [f"{one}  {two}" for one, two in zip(left, right, strict=True)]
    lines += [drawn.note] if drawn.note else []
    traits = properties(expression)
    words = [
        name.replace("_", " ") for name in ("monotone", "convex", "smooth", "odd", "even") if getattr(traits, name)
    ]
    bounded = [side for side, yes in (("above", traits.bounded_above), ("below", traits.bounded_below)) if yes]
    words += [f"bounded {' and '.join(bounded)}"] if bounded else []
    lines.append(
        f"{', '.join(words) or 'nothing special'}; largest slope {traits.lipschitz:.3g}, gain {traits.gain:.3g}"
    )
    if not entry.names and traits.swish_distance is not None and traits.swish_distance < NEAR:
        lines.append(f"like Swish with slope {traits.swish_beta:.3g}, at a distance of {traits.swish_distance:.2g}")
    beside = board.entries[max(0, entry.position - 2) : entry.position + 1]
    near = [f"{one.position} {title_of(one.names[0]) if one.names else formula(one.expression)}" for one in beside]
    lines.append(f"beside it in the list: {'; '.join(near)}")
    return lines
