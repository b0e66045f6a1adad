"""The rows of a page's table, each with a picture and details. Not here: the page around the table (``page``)."""

from collections import Counter
from dataclasses import dataclass

from actsearch.evaluators.outcome import Status
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.function import function_of
from actsearch.grammar.notation import written
from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.ranking import columns
from actsearch.search.ranking.curve import curve
from actsearch.search.ranking.entry import Entry, built_in_expression
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.report.figures import bar, spark
from actsearch.search.report.finalist import details

LISTED = 1000  # rows of the table; the downloads have all rows
WRITTEN = 300  # rows whose expression is rewritten as a formula
REACH, POINTS = 5.0, 25


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        entry: entry of the ranking.
        formula: formula in ordinary notation.
        picture: picture of f and its slope, as SVG.
        cells: column -> text.
        told: texts of the details: ``latex``, ``note``, ``reason``, and the text of the ``module`` for finalists.
        interval: bar of the loss with its interval, as SVG; empty without an interval.
        details: formula and figures as HTML; empty below the final rung.
    """

    entry: Entry
    formula: str
    picture: str
    cells: dict[str, str]
    told: dict[str, str]
    interval: str
    details: tuple[str, ...]


def rows(board: Leaderboard) -> list[Row]:
    """Return the rows of the table, best first."""
    ends = [end for e in board.entries if FINAL in e.records and (pair := e.interval()) for end in pair]
    known = (
        (min(ends), sorted(ends)[int(0.85 * (len(ends) - 1))]) if ends else (0.0, 1.0)
    )  # the 85th percentile, so that the worst alone does not set the scale
    return [_row(board, entry, number, known) for number, entry in enumerate(board.entries[:LISTED])]


def _row(board: Leaderboard, entry: Entry, number: int, ends: tuple[float, float]) -> Row:
    values, mean, interval = columns.row(board, entry), entry.mean(), entry.interval()
    cells = {name: columns.text_of(name, values) for name in values if columns.column_of(name)}
    span = "" if interval is None or mean is None else bar(interval[0], mean, interval[1], ends)
    formula, picture, texts, mathml = entry.expression, "", {"reason": _reason(entry)}, ""
    expression = built_in_expression(entry.expression)
    if expression is not None:
        shown = written(expression) if number < WRITTEN else None
        drawn = curve(entry, function_of(expression), shown.image if shown else "f(x)", REACH, POINTS)
        picture = spark(drawn.values.tolist(), drawn.slopes.tolist())
        texts |= {"note": "; ".join(filter(None, (shown.note if shown else "", drawn.note)))}
        if shown is not None:
            formula = columns.formula(entry.expression)
            texts |= {"latex": shown.latex}
            if FINAL in entry.records:
                texts |= {"module": torch_source(Discovery(expression))}
                mathml = f'<p class="formula"><math display="block">{shown.mathml}</math></p>'
    figures = tuple(details(board, entry)) if FINAL in entry.records else ()
    return Row(entry, formula, picture, cells, texts, span, (*([mathml] if mathml else []), *figures))


def _reason(entry: Entry) -> str:
    """Return why a seed gave no score, or else the furthest rung if that is not the final one."""
    failed = next((r.outcome for r in entry.records[entry.furthest] if r.outcome.score is None), None)
    if failed is not None:
        return f"{failed.status.value} on {entry.furthest}: {failed.reason}"
    return "" if entry.furthest == FINAL else f"its furthest rung was {entry.furthest}"


def refused(board: Leaderboard) -> list[tuple[str, int]]:
    """Return the reasons why candidates were not trained, with their counts, the commonest first."""
    reasons = Counter(
        record.outcome.reason.partition(":")[0]
        for entry in board.entries
        for record in entry.records.get(SEARCH, ())
        if record.outcome.status is Status.REJECTED
    )
    return reasons.most_common()
