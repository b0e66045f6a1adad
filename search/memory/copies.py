"""Copies of a store, for whatever may happen to its file. Not here: when one is made (``file``)."""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from actsearch.search.memory.schema import COLUMNS


def write_copy(connection: sqlite3.Connection, path: Path) -> None:
    """Write all that a store holds to another file, whole or not at all.

    Raises:
        sqlite3.Error, OSError: it cannot be read or written.
    """
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as other:
        connection.backup(other)
        other.execute("PRAGMA journal_mode = DELETE")
    os.replace(part, path)


def is_no_less(path: Path, copy: Path) -> bool:
    """Return whether a closed store can be read, page by page, and holds no less than its copy."""
    counts = []
    for one in (path, copy):
        try:
            with closing(sqlite3.connect(f"{one.absolute().as_uri()}?mode=ro", uri=True)) as again:
                if again.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    return False
                counts.append([again.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in COLUMNS])
        except sqlite3.DatabaseError:  # a table is not there, too
            return False
    return all(mine >= copied for mine, copied in zip(*counts, strict=True))


def said_of(copy: Path, name: str) -> str:
    """Return what to do with a copy, to be put behind what is wrong; nothing where there is none.

    Args:
        copy: file of the copy.
        name: name of the store's file.
    """
    if not copy.is_file():
        return ""
    when = datetime.fromtimestamp(copy.stat().st_mtime).isoformat(" ", "seconds")
    return f"; '{copy}' is a copy of {when}: in its place (without {name}-wal) the same command goes on"
