"""The rows of a page's table, with a picture and details each. Not here: the page around it (``page``)."""

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

LISTED = 1000  # rows of the table; the downloads have all
WRITTEN = 300  # rows whose formula is written as people write it
REACH, POINTS = 5.0, 25


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        entry: of the ranking.
        formula: as people write it.
        picture: f and its slope.
        cells: column -> text.
        told: what its details say: ``latex``, ``note``, ``reason``, and of finalists the text of the ``module``.
        interval: the loss with its interval, as a bar; empty without.
        details: figures and facts; empty below the final rung.
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
    )  # not that of the worst alone
    return [_row(board, entry, number, known) for number, entry in enumerate(board.entries[:LISTED])]


def _row(board: Leaderboard, entry: Entry, number: int, ends: tuple[float, float]) -> Row:
    values, mean, interval = columns.row(board, entry), entry.mean(), entry.interval()
    cells = {name: columns.text_of(name, values) for name in values if columns.column_of(name)}
    span = "" if interval is None or mean is None else bar(interval[0], mean, interval[1], ends)
    formula, picture, told, mathml = entry.expression, "", {"reason": _reason(entry)}, ""
    expression = built_in_expression(entry.expression)
    if expression is not None:
        shown = written(expression) if number < WRITTEN else None
        drawn = curve(entry, function_of(expression), shown.image if shown else "f(x)", REACH, POINTS)
        picture = spark(drawn.values.tolist(), drawn.slopes.tolist())
        told |= {"note": "; ".join(filter(None, (shown.note if shown else "", drawn.note)))}
        if shown is not None:
            formula = columns.formula(entry.expression)
            told |= {"latex": shown.latex}
            if FINAL in entry.records:
                told |= {"module": torch_source(Discovery(expression))}
                mathml = f'<p class="formula"><math display="block">{shown.mathml}</math></p>'
    figures = tuple(details(board, entry)) if FINAL in entry.records else ()
    return Row(entry, formula, picture, cells, told, span, (*([mathml] if mathml else []), *figures))


def _reason(entry: Entry) -> str:
    """Return how far it came, where that was not the final rung, and why a seed gave no score."""
    failed = next((r.outcome for r in entry.records[entry.furthest] if r.outcome.score is None), None)
    if failed is not None:
        return f"{failed.status.value} on {entry.furthest}: {failed.reason}"
    return "" if entry.furthest == FINAL else f"its furthest rung was {entry.furthest}"


def refused(board: Leaderboard) -> list[tuple[str, int]]:
    """Return why candidates were not trained, the commonest first."""
    reasons = Counter(
        record.outcome.reason.partition(":")[0]
        for entry in board.entries
        for record in entry.records.get(SEARCH, ())
        if record.outcome.status is Status.REJECTED
    )
    return reasons.most_common()
