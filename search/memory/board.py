"""Trainings of a run that wait for whoever takes them: one SQLite file beside the store, for any number of processes.

One is offered once, taken by one process, and finished once; what a process had taken that is gone is offered again.
Not here: the store, which keeps outcomes for good, and who offers (``search.trials``).
"""

import dataclasses
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.grammar.fault import UserFault
from actsearch.search.memory.file import identity_of
from actsearch.search.memory.locks import held, is_held

FILE_NAME = "trials.sqlite"
OWNERS = "trials"  # the folder of one lock a process
WAIT = 60.0  # seconds that a process waits while another writes
_TABLE = """
CREATE TABLE IF NOT EXISTS trials (
    request TEXT PRIMARY KEY,             -- JSON object
    owner TEXT NOT NULL,                  -- who takes it, empty while nobody does
    outcome TEXT NOT NULL                 -- JSON object, empty until it is finished
) STRICT;
"""


class BoardError(UserFault):
    """The file in which trials wait cannot be used; the message says why and what to do."""


class Board:
    """What is offered, taken and finished. Each thread has one of its own.

    Args:
        directory: of the run.
    """

    def __init__(self, directory: Path) -> None:
        self.directory, self.path = directory, directory / FILE_NAME
        self._lock = threading.RLock()  # the loop may tell from another thread than it asked in
        with self._guarded():
            self._connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, check_same_thread=False)
        self._opened = identity_of(self.path)
        with self._transaction():  # whoever else makes it now is waited for
            self._connection.execute(_TABLE)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Say in a sentence whatever makes the file unusable.

        Raises:
            BoardError: it cannot be used.
        """
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, KeyError) as fault:
            raise BoardError(
                f"'{self.path}', in which trials wait, cannot be used: {fault}; delete it and start the loop again: "
                f"whatever was told is kept"
            ) from fault

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def offer(self, requests: Iterable[Request]) -> None:
        """Offer trainings; one that was offered before stays as it is, finished or not."""
        rows = [(_text(request),) for request in requests]
        with self._transaction():
            self._connection.executemany("INSERT OR IGNORE INTO trials VALUES (?, '', '')", rows)

    def take(self, owner: str) -> Request | None:
        """Take one that nobody has; None if there is none."""
        with self._guarded(), self._transaction():
            row = self._connection.execute(
                "SELECT request FROM trials WHERE owner = '' AND outcome = '' ORDER BY rowid LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            self._connection.execute("UPDATE trials SET owner = ? WHERE request = ?", (owner, row[0]))
            return Request(**json.loads(row[0]))

    def finish(self, request: Request, outcome: Outcome) -> None:
        """Say what came of one that was taken."""
        text = json.dumps(dataclasses.asdict(outcome))
        with self._transaction():
            self._connection.execute("UPDATE trials SET outcome = ? WHERE request = ?", (text, _text(request)))

    def give_back(self, owner: str) -> None:
        """Offer again what a process took and did not finish."""
        with self._transaction():
            self._connection.execute("UPDATE trials SET owner = '' WHERE owner = ? AND outcome = ''", (owner,))

    def finished(self, requests: Sequence[Request]) -> dict[int, Outcome]:
        """Return what came of those that are finished, by their position."""
        found = {}
        query = "SELECT outcome FROM trials WHERE request = ? AND outcome != ''"
        for index, request in enumerate(requests):
            with self._guarded(), self._lock:
                row = self._connection.execute(query, (_text(request),)).fetchone()
                if row is not None:
                    values = json.loads(row[0])
                    found[index] = Outcome(**values | {"status": Status(values["status"])})
        return found

    def forget(self, requests: Iterable[Request]) -> None:
        """Remove what the store has by now."""
        with self._transaction():
            rows = [(_text(request),) for request in requests]
            self._connection.executemany("DELETE FROM trials WHERE request = ?", rows)

    def recall_the_dead(self, mine: str) -> None:
        """Offer again what was taken by processes that are gone.

        Args:
            mine: whose lock this process holds itself.
        """
        query = "SELECT DISTINCT owner FROM trials WHERE owner != '' AND outcome = ''"
        with self._guarded(), self._lock:
            rows = self._connection.execute(query).fetchall()
        for (owner,) in rows:
            if owner != mine and _is_gone(self.directory / OWNERS / f"{owner}.lock"):
                self.give_back(owner)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._guarded():
            if identity_of(self.path) != self._opened:
                raise ValueError("it was deleted or replaced while the study ran")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@contextmanager
def presence(directory: Path) -> Iterator[str]:
    """Hold a lock that says that this process is there, and yield its name; the lock goes when the process does."""
    name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    (directory / OWNERS).mkdir(parents=True, exist_ok=True)
    path = directory / OWNERS / f"{name}.lock"
    try:
        with held(path):
            yield name
    finally:
        path.unlink(missing_ok=True)


def _is_gone(path: Path) -> bool:
    if is_held(path):
        return False
    path.unlink(missing_ok=True)
    return True


def _text(request: Request) -> str:
    return json.dumps(dataclasses.asdict(request), sort_keys=True)
