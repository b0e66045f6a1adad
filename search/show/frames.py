"""A ranking as a pandas DataFrame, one row a behaviour. Not here: the columns of a row (``ranking.columns``)."""

from collections.abc import Sequence

from pandas import DataFrame

from actsearch.search.ranking.columns import row
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard

__all__ = ["DataFrame", "frame"]


def frame(board: Leaderboard, entries: Sequence[Entry] | None = None) -> DataFrame:
    """Return one row for each behaviour, best first, with scores in the direction of the user's numbers.

    Args:
        board: ranking of the run.
        entries: entries of the ranking to include; None includes all.
    """
    listed = board.entries if entries is None else entries
    rows = DataFrame([row(board, entry) for entry in listed], index=[entry.position - 1 for entry in listed])
    rows.attrs["sign"] = board.measure().sign  # -1 where a higher score is better
    return rows
