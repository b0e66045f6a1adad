"""The figures of one finalist: its seeds, learning curves and layers. Not here: figures of a run (``overview``)."""

import statistics
from collections.abc import Sequence

from actsearch.evaluators.outcome import CURVE, LEARNED
from actsearch.grammar.function import function_of
from actsearch.grammar.notation import written
from actsearch.grammar.parameter import GREEK
from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.curve import curve
from actsearch.search.ranking.entry import Entry, built_in_expression
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.learned import by_layer, parameters_of
from actsearch.search.ranking.significance import differences_by_seed
from actsearch.search.ranking.verdict import title_of
from actsearch.search.report.figures import Series, chart


def details(board: Leaderboard, entry: Entry) -> list[str]:
    """Return the figures of a finalist."""
    measure, figures = board.measure(), []
    incumbent = next((one for one in board.entries if one.fingerprint == board.incumbent), None)
    if incumbent is not None and incumbent is not entry:
        pairs = differences_by_seed(entry.losses(), incumbent.losses())
        points = [(float(n), measure.shown(one)) for n, one in enumerate(pairs, start=1)]
        zero = Series("", [(0.5, 0.0), (len(pairs) + 0.5, 0.0)], role="muted")
        side = "below" if measure.sign > 0 else "above"
        caption = f"Every seed against {title_of(board.reference)}: {side} the line it is better"
        figures.append(chart(caption, [zero, Series("", points, "dots")], "seed", "difference"))
    outcomes = [record.outcome for record in entry.records[FINAL]]
    curves = [o.diagnostics[CURVE] for o in outcomes if o.diagnostics.get(CURVE)]
    if curves and len({*map(len, curves)}) == 1:
        columns = list(zip(*curves, strict=True))
        steps = [entry.records[FINAL][0].request.steps * (n + 1) / len(columns) for n in range(len(columns))]
        upper = list(zip(steps, map(max, columns), strict=True))
        lower = list(zip(steps, map(min, columns), strict=True))
        middle = list(zip(steps, map(statistics.fmean, columns), strict=True))
        series = [Series("all seeds", [*upper, *lower[::-1]], "band"), Series("mean", middle)]
        figures.append(
            chart("Training loss over the steps", series, "step", measure.noun, log_y=min(map(min, columns)) > 0)
        )
    last = outcomes[-1].diagnostics
    if histogram := last.get("histogram"):
        figures.append(_inputs(entry, histogram))
    for name, title in (
        ("dead_share", "Dead and saturated shares by layer"),
        ("gradient_norm_start", "Gradient norms by weight"),
    ):
        other = "saturated_share" if name == "dead_share" else "gradient_norm_end"
        if last.get(name) and last.get(other):
            series = [
                Series(part.replace("_", " "), [(n + 1.0, value) for n, value in enumerate(last[part])], role=role)
                for part, role in ((name, "first"), (other, "second"))
            ]
            figures.append(
                chart(title, series, "layer" if name == "dead_share" else "weight", "", log_y=name != "dead_share")
            )
    parameters = parameters_of(entry)
    layers = by_layer(last.get(LEARNED) or [], parameters)
    for number, parameter in enumerate(parameters if layers else ()):
        letter = GREEK.get(parameter.name, parameter.name)
        series = [
            Series(name, [(n + 1.0, layer[3 * number + index]) for n, layer in enumerate(layers)], role=role)
            for index, (name, role) in enumerate((("least", "muted"), ("mean", "first"), ("most", "second")))
        ]
        figures.append(chart(f"Learned {letter} by layer", series, "layer", letter))
    return [figure for figure in figures if figure]


def _inputs(entry: Entry, histogram: Sequence[float]) -> str:
    """Return a figure of f over the histogram of its inputs from -4 to 4, averaged over the layers."""
    expression = built_in_expression(entry.expression)
    layers = len(histogram) // 16
    if expression is None or not layers:
        return ""
    shares = [statistics.fmean(histogram[n + 16 * layer] for layer in range(layers)) for n in range(16)]
    image = written(expression).image
    if image.endswith("f(-x)"):
        shares.reverse()  # the formula names the mirror image, so mirror its inputs too
    drawn = curve(entry, function_of(expression), image, 4.0, 81)
    x, values = drawn.x, drawn.values
    high = float(values.abs().max()) or 1.0
    edges: list[tuple[float, float]] = [(-4.0, 0.0)]
    for number, share in enumerate(shares):
        left = -4 + number / 2
        edges += [(left, share / max(shares) * high), (left + 0.5, share / max(shares) * high)]
    edges.append((4.0, 0.0))
    line = Series("f", list(zip(x.tolist(), values.tolist(), strict=True)))
    inputs = Series("its inputs, scaled", edges, "band", "muted")
    return chart("f over the inputs that it had, all layers", [inputs, line], "input", "f")
