"""A ranking as a pandas DataFrame: a row a behaviour. Not here: what is in a row (``ranking.columns``)."""

from collections.abc import Sequence

from pandas import DataFrame

from actsearch.search.ranking.columns import row
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard

__all__ = ["DataFrame", "frame"]


def frame(board: Leaderboard, entries: Sequence[Entry] | None = None) -> DataFrame:
    """Return a row a behaviour, best first, scores as the user's numbers.

    Args:
        board: the ranking.
        entries: of it; None are all.
    """
    wanted = board.entries if entries is None else entries
    found = DataFrame([row(board, entry) for entry in wanted], index=[entry.position - 1 for entry in wanted])
    found.attrs["sign"] = board.measure().sign  # -1 where a higher score is better
    return found
