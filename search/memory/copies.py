"""Copies of a store, in case its file is damaged. Not here: when a copy is made (``file``)."""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from actsearch.search.memory.schema import COLUMNS


def write_copy(connection: sqlite3.Connection, path: Path) -> None:
    """Write the contents of a store to another file, completely or not at all.

    Raises:
        sqlite3.Error, OSError: the store cannot be read, or the copy cannot be written.
    """
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as other:
        connection.backup(other)
        other.execute("PRAGMA journal_mode = DELETE")
    os.replace(part, path)


def is_no_less(path: Path, copy: Path) -> bool:
    """Return whether every page of a closed store can be read, and no table has fewer rows than in its copy."""
    counts = []
    for one in (path, copy):
        try:
            with closing(sqlite3.connect(f"{one.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    return False
                counts.append([connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in COLUMNS])
        except sqlite3.DatabaseError:  # this includes a missing table
            return False
    return all(mine >= copied for mine, copied in zip(*counts, strict=True))


def said_of(copy: Path, name: str) -> str:
    """Return advice on using a copy, to append to an error message; an empty text if there is no copy.

    Args:
        copy: path of the copy.
        name: name of the store's file.
    """
    if not copy.is_file():
        return ""
    when = datetime.fromtimestamp(copy.stat().st_mtime).isoformat(" ", "seconds")
    return f"; '{copy}' is a copy of {when}: in its place (without {name}-wal) the same command goes on"
