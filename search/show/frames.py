"""A ranking as a pandas DataFrame: every number that it has, a row a behaviour.

Not here: the ranking itself (``ranking.leaderboard``) and which of it is listed (``listing``).
"""

from collections.abc import Sequence

from pandas import DataFrame

from actsearch.grammar.notation import Written, written
from actsearch.search.memory.records import SEARCH
from actsearch.search.ranking.entry import Entry, built_in_expression
from actsearch.search.ranking.leaderboard import Leaderboard

__all__ = ["DataFrame", "formulas", "frame", "latex_formulas"]

MARK = " *"  # behind the formula of a mirror image of what was trained
KEPT = {"validation_loss", "test_loss"}  # metrics that have a column already


def frame(board: Leaderboard, entries: Sequence[Entry] | None = None) -> DataFrame:
    """Return a row a behaviour, best first, scores as the user's numbers.

    A metric of the user's that is called as a column of these is called ``metric_...``.

    Args:
        board: the ranking.
        entries: of it; None are all.
    """
    wanted = board.entries if entries is None else entries
    found = DataFrame([_row(board, entry) for entry in wanted], index=[entry.position - 1 for entry in wanted])
    found.attrs["sign"] = board.measure().sign  # -1 where a higher score is better
    return found


def _row(board: Leaderboard, entry: Entry) -> dict[str, object]:
    sign, furthest = board.measure().sign, entry.furthest
    low, high = entry.ranks or (None, None)
    interval = entry.interval(furthest) or (None, None)
    mean = entry.listed
    moved = (mean or 0.0) - (entry.mean(furthest) or 0.0)  # of whom the race gave fewer seeds than the incumbent
    ends = [None if end is None else sign * (end + moved) for end in interval][::sign]
    own = entry.against.get(board.reference)
    failed = next((r.outcome for r in entry.records[furthest] if r.outcome.score is None), None)
    row: dict[str, object] = {
        "position": entry.position, "rank_low": low, "rank_high": high, "id": entry.fingerprint,
        "expression": entry.expression, "known_as": ", ".join(entry.names), "baseline": entry.baseline,
        "found": entry.found, "rung": furthest, "seeds": len(entry.records[furthest]),
        "failures": entry.failures(furthest), "score": _signed(mean, sign),
        "interval_low": ends[0], "interval_high": ends[1],
        "difference": None if own is None else sign * own.difference, "p": None if own is None else own.corrected,
        "search_score": _signed(entry.mean(SEARCH), sign), "size": entry.size,
        "cost": None if entry.cost is None else entry.cost.against_relu,
        "reason": "" if failed is None else f"{failed.status.value}: {failed.reason}",
    }  # fmt: skip
    names = {name for record in entry.records[furthest] for name in record.outcome.metrics} - KEPT
    accuracy = next((name for name in ("test_accuracy", "validation_accuracy") if name in names), None)
    row["accuracy"] = None if accuracy is None else entry.mean(furthest, accuracy)
    for name in sorted(names):
        row[f"metric_{name}" if name in row or name.startswith("against_") else name] = entry.mean(furthest, name)
    for name, found in entry.against.items():
        row |= {f"against_{name}": sign * found.difference, f"against_{name}_p": found.corrected}
    return row


def formulas(expressions: Sequence[str]) -> list[str]:
    """Return how people write these; of one that cannot be read here, its text."""
    return [
        text if (found := _written(text)) is None else found.plain + MARK * bool(found.note) for text in expressions
    ]


def latex_formulas(expressions: Sequence[str]) -> list[str]:
    """Return the same in LaTeX, without dollars."""
    plain = (r"\mathtt{" + text.replace("_", r"\_") + "}" for text in expressions)
    found = [(_written(text), other) for text, other in zip(expressions, plain, strict=True)]
    return [other if one is None else one.latex + "^{*}" * bool(one.note) for one, other in found]


def _written(text: str) -> Written | None:
    expression = built_in_expression(text)
    return None if expression is None else written(expression)


def _signed(value: float | None, sign: int) -> float | None:
    return None if value is None else sign * value
