"""The SQLite file of a run: opening, checking, reading, writing in transactions, and periodic copies.

The file is checked when it is opened, every row has a digest, and every write checks that the file is still the one
that was opened. One sentence reports any fault. Not here: the tables (``schema``) and the meaning of their rows
(``store``).
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from actsearch.evaluators.printable import printable
from actsearch.grammar.fault import UserFault
from actsearch.search.memory.copies import is_no_less, said_of, write_copy
from actsearch.search.memory.schema import (
    COLUMNS,
    LARGE,
    OLDEST,
    REALS,
    SCHEMA,
    SCHEMA_OF_7,
    SCHEMA_VERSION,
    digest_of,
    migrate,
)

FILE_NAME, COPY_NAME, RESCUED_NAME = "run.sqlite", "run.copy.sqlite", "run.rescued.sqlite"
WAIT = 30.0  # seconds that SQLite waits for a lock before a message is shown
PATIENCE = 20  # number of such waits until the search ends
COPIED_EVERY = 60.0  # seconds between two copies of a store during a search
LARGEST_COPY = 200e6  # bytes; copying a larger store would take more time than it saves
_EVENT = "INSERT INTO events (kind) VALUES (?)"
Steps = Sequence[tuple[str, Sequence[Sequence[object]]]]


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, which tell it from a replacement; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class StoreError(UserFault):
    """The file is absent, damaged, no store, or of another version; the message says which, and what to do."""


class NotBegun(StoreError):
    """Another process is just creating the store."""


class StoreFile:
    """The open SQLite file of one run.

    Args:
        directory: directory of the run.
        create: whether to create the file if it is absent, and to write to it; otherwise the file is opened for
            reading, which also works in a directory without write permission.
        say: function that gets a message while the file is locked by another program.

    Raises:
        StoreError: there is no readable store of this version.
    """

    def __init__(self, directory: Path, *, create: bool, say: Callable[[str], None]) -> None:
        self.path, self.create, self.say = directory / FILE_NAME, create, say
        self._whole = True  # no damage noticed so far
        mode = "rwc" if create else "ro" if self._may_change() else "ro&immutable=1"
        source = f"{self.path.absolute().as_uri()}?mode={mode}"
        with self.guarded("opened"), ExitStack() as stack:
            connection = sqlite3.connect(
                source, uri=True, isolation_level=None, timeout=WAIT, check_same_thread=False
            )  # the core lets one thread in at a time
            self._connection = stack.enter_context(closing(connection))
            if create:
                self._create()
            version = self._version()
            self._check()
            if version < SCHEMA_VERSION and not create:  # migrate a copy in memory; the file stays as it is
                self._connection = stack.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
                connection.backup(self._connection)
                connection.close()
            migrate(self._connection)
            stack.pop_all()  # the connection stays open
        self._identity, self._copied = identity_of(self.path), time.monotonic()

    def _may_change(self) -> bool:
        """Return whether the file may change while it is read; SQLite's readers then write beside the file as well."""
        writable = os.access(self.path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
        return writable or self.path.with_name(f"{FILE_NAME}-wal").exists()

    def _create(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA foreign_keys = ON")
        if not execute("SELECT name FROM sqlite_master").fetchall():
            version = f"PRAGMA user_version = {SCHEMA_VERSION}"
            self._connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {SCHEMA_OF_7} {version}; COMMIT;")

    def _version(self) -> int:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            raise NotBegun(f"'{self.path.parent}' holds no run yet: {FILE_NAME} is still empty")
        fault = f"'{self.path}' has schema version {version}, this program reads {OLDEST} to {SCHEMA_VERSION}"
        if version > SCHEMA_VERSION:
            raise StoreError(f"{fault}: it was written by a newer actsearch, update this one")
        if version < OLDEST:
            row = self._connection.execute("SELECT value FROM run WHERE key = 'commit'").fetchone()
            commit = printable(str(row[0])) if row else "unknown"
            raise StoreError(f"{fault}: open it with the actsearch that wrote it (commit {commit}), or start a new run")
        return version

    def _check(self) -> None:
        """Check the pages of the file.

        Raises:
            sqlite3.DatabaseError: a page is damaged.
        """
        (answer,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(str(answer).splitlines()[-1])

    @contextmanager
    def guarded(self, doing: str = "read") -> Iterator[None]:
        """Turn any fault that makes the file unusable into a one-sentence error.

        Args:
            doing: past participle of the operation, for the message.

        Raises:
            StoreError: the file cannot be used.
        """
        try:
            yield
        except UserFault:
            raise
        except sqlite3.IntegrityError:  # a fault of this program: a row contradicts another row
            raise
        except sqlite3.OperationalError as fault:
            self._whole = False
            raise StoreError(f"'{self.path}' cannot be {doing} here: {fault}{self._copy_hint()}") from fault
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as fault:
            self._whole = False
            message = str(fault) if isinstance(fault, sqlite3.DatabaseError) else f"{type(fault).__name__}: {fault}"
            if "file is not a database" in message:
                raise StoreError(f"'{self.path}' is not a run's store: {message}") from fault
            raise StoreError(f"'{self.path}' is damaged: {message}{self._copy_hint()}") from fault

    def _copy_hint(self) -> str:
        return said_of(self.path.with_name(COPY_NAME), FILE_NAME)

    def rows(self, table: str, *, order: str = "rowid", large: bool = True) -> list[tuple[Any, ...]]:
        """Return every row of a table, its columns in the order of ``schema.COLUMNS``.

        Args:
            table: name of the table.
            order: name of the column that orders the rows.
            large: whether to read the diagnostics as well; otherwise they are empty.

        Raises:
            StoreError: a row does not match its digest.
        """
        names = COLUMNS[table]
        selected = ", ".join("'{}'" if name == LARGE and not large else name for name in names)
        with self.guarded():
            result = []
            for *values, digest in self._connection.execute(f"SELECT {selected}, digest FROM {table} ORDER BY {order}"):
                expected = digest_of(table, values)
                if digest != expected and (large or digest[: len(expected) // 2] != expected[: len(expected) // 2]):
                    raise sqlite3.DatabaseError(
                        f"a row of {table} is not as it was written ({printable(str(values[0]))})"
                    )
                result.append(tuple(values))
            return result

    @staticmethod
    def insertion(table: str, rows: Sequence[Sequence[Any]], how: str = "INSERT") -> tuple[str, list[list[Any]]]:
        """Return a statement that inserts rows with their digests, and its parameters.

        Args:
            table: name of the table.
            rows: rows with their values in the order of ``schema.COLUMNS``.
            how: ``INSERT``, ``INSERT OR IGNORE`` or ``INSERT OR REPLACE``.
        """
        names = COLUMNS[table]
        marks = ", ".join("?" * (len(names) + 1))
        typed = [
            [float(v) if name in REALS and v is not None else v for name, v in zip(names, row, strict=True)]
            for row in rows
        ]
        return (
            f"{how} INTO {table} ({', '.join(names)}, digest) VALUES ({marks})",
            [[*row, digest_of(table, row)] for row in typed],
        )

    def sequence(self) -> int:
        """Return the number of the last event; 0 before the first one."""
        with self.guarded():
            return int(self._connection.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()[0])

    def taken(self) -> list[tuple[Any, ...]]:
        """Return fingerprint, rung, repeat and owner of every training that a user's loop has taken."""
        with self.guarded():
            return self._connection.execute("SELECT fingerprint, rung, repeat, owner FROM taken").fetchall()

    def write(self, kind: str, steps: Steps) -> None:
        """Execute statements in one transaction, and record it as one event.

        Args:
            kind: one word for the kind of data written.
            steps: statements, each with the rows of its parameters.

        Raises:
            StoreError: the file was deleted or replaced, the file is damaged, the disk is full, or another program held
                the lock for too long.
        """
        self._check_identity()
        with self.guarded("written"):
            self._begin()
            try:
                for statement, rows in (*steps, (_EVENT, [(kind,)])):
                    self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):  # the original fault is raised below
                        self._connection.execute("ROLLBACK")
                raise
        self._copy()

    def _begin(self) -> None:
        """Begin a transaction as soon as no other program has locked the file."""
        for waited in range(PATIENCE):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as fault:
                if "locked" not in str(fault) and "busy" not in str(fault):
                    raise
                self.say(f"another program holds '{self.path}' locked; waiting since {WAIT * (waited + 1):g} s")
            else:
                return
        raise StoreError(
            f"'{self.path}' is held by another program for {WAIT * PATIENCE / 60:g} minutes; all that was kept is "
            "whole: end that program, and the same command goes on"
        )

    def _check_identity(self) -> None:
        """Check that the file is still the one that was opened; if not, write its contents to a file beside it.

        Raises:
            StoreError: the file was deleted or replaced.
        """
        if identity_of(self.path) == self._identity:
            return
        gone = "replaced" if self.path.exists() else "deleted"
        rescued = self.path.with_name(RESCUED_NAME)
        with self.guarded("rescued"):
            rescued.parent.mkdir(parents=True, exist_ok=True)
            write_copy(self._connection, rescued)
        raise StoreError(
            f"'{self.path}' was {gone} while the search wrote it; all that it held is in '{rescued}': move that in its "
            "place, and the same command goes on"
        )

    def _copy(self) -> None:
        """Write a copy of the store from time to time, in case the file is damaged."""
        if time.monotonic() - self._copied < COPIED_EVERY or self.path.stat().st_size > LARGEST_COPY:
            return
        with contextlib.suppress(sqlite3.Error, OSError):  # a failed copy must not stop the search
            write_copy(self._connection, self.path.with_name(COPY_NAME))
        self._copied = time.monotonic()

    def close(self) -> None:
        """Close the file; a writer removes the journal, and the copy too unless the file is damaged."""
        ours = self.create and identity_of(self.path) == self._identity  # otherwise the journal belongs to another file
        if ours:
            with contextlib.suppress(sqlite3.Error):  # a reader holds the file; the next writer will do it
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        if ours and self.path.with_name(COPY_NAME).exists():
            if self._whole and is_no_less(self.path, self.path.with_name(COPY_NAME)):
                self.path.with_name(COPY_NAME).unlink(missing_ok=True)
            elif self._whole:
                self.say(f"'{self.path}' was damaged by another program{self._copy_hint()}")
