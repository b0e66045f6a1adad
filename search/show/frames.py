"""A ranking as a pandas DataFrame. The only door to pandas.

Not here: the ranking itself (``ranking.leaderboard``).
"""

from pandas import DataFrame

from actsearch.search.memory.records import SEARCH
from actsearch.search.ranking.leaderboard import Leaderboard

__all__ = ["DataFrame", "frame"]


def frame(board: Leaderboard) -> DataFrame:
    """Return a row a behaviour, best first, every number that the ranking has, scores as the user's numbers.

    A metric of the user's that is called as a column of these is called ``metric_...``.
    """
    rows, sign = [], board.measure().sign
    for entry in board.entries:
        low, high = entry.ranks or (None, None)
        interval = entry.interval() or (None, None)
        ends = [None if end is None else sign * end for end in interval][::sign]
        row: dict[str, object] = {
            "position": entry.position, "rank_low": low, "rank_high": high, "id": entry.fingerprint,
            "expression": entry.expression, "known_as": ", ".join(entry.names), "baseline": entry.baseline,
            "found": entry.found, "rung": entry.furthest, "seeds": len(entry.records[entry.furthest]),
            "failures": entry.failures(entry.furthest), "score": _signed(entry.mean(entry.furthest), sign),
            "interval_low": ends[0], "interval_high": ends[1], "search_score": _signed(entry.mean(SEARCH), sign),
            "size": entry.size, "cost": None if entry.cost is None else entry.cost.against_relu,
        }  # fmt: skip
        names = {name for record in entry.records[entry.furthest] for name in record.outcome.metrics}
        for name in sorted(names - {"validation_loss", "test_loss"}):
            row[f"metric_{name}" if name in row or name.startswith("against_") else name] = entry.mean(
                entry.furthest, name
            )
        for name, found in entry.against.items():
            row |= {f"against_{name}": sign * found.difference, f"against_{name}_p": found.corrected}
        rows.append(row)
    return DataFrame(rows)


def _signed(value: float | None, sign: int) -> float | None:
    return None if value is None else sign * value
