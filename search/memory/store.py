"""The store: everything a run asked and learned, in one SQLite file that others may read while it is written.

The door to sqlite, with ``schema`` beside it. Every method is one transaction, so the file is whole whenever the
driver is killed. Not here: what the numbers mean (``leaderboard``) and the order of the search (``run``).
"""

import dataclasses
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from actsearch.evaluators.looks.cost import Cost
from actsearch.evaluators.outcome import WORKER_DEATHS, Outcome, Request, Status
from actsearch.evaluators.printable import printable
from actsearch.evaluators.settings import CompleteSettings
from actsearch.grammar.fault import UserFault
from actsearch.search.memory.records import SEARCH, Behaviour, Key, Record, Rung, StoredProposal
from actsearch.search.memory.schema import OLDEST, SCHEMA, SCHEMA_VERSION, migrate

FILE_NAME = "run.sqlite"

# an outcome stays, but for one that may have been the machine's fault
_FORGET_PASSING = (
    "DELETE FROM outcomes WHERE fingerprint = ? AND rung = ? AND repeat = ? "
    f"AND json_extract(metrics, '$.{WORKER_DEATHS}') IS NOT NULL"
)
NONE = "'{}'"
_ADD_BEHAVIOUR = "INSERT OR IGNORE INTO behaviours VALUES (?, ?, ?, ?, ?)"


class StoreError(UserFault):
    """The file is absent, of another version, or no store; the message says which and what to do."""


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Say in a sentence why a file cannot be used."""
    try:
        yield
    except sqlite3.OperationalError as fault:
        raise StoreError(f"'{path}' cannot be opened here: {fault}") from fault
    except sqlite3.DatabaseError as fault:
        raise StoreError(f"'{path}' is not a run's store: {fault}") from fault


class Store:
    """One run's memory.

    Args:
        directory: the run's directory.
        create: make the file when it is absent; without it, the store is opened for reading, also where nobody may
            write.

    Raises:
        StoreError: there is no readable store of this version.
    """

    def __init__(self, directory: Path, *, create: bool = False) -> None:
        if directory.name == FILE_NAME and directory.is_file():  # the file itself was named
            directory = directory.parent
        self.path = directory / FILE_NAME
        if create:
            directory.mkdir(parents=True, exist_ok=True)
        elif not self.path.is_file():
            near = sorted(str(file.parent) for file in directory.glob(f"*/{FILE_NAME}"))[:3]
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise StoreError(f"'{directory}' holds no run: expected a file {FILE_NAME} in it{hint}")
        mode = "rwc" if create else "ro" if self._may_change() else "ro&immutable=1"
        source = f"{self.path.absolute().as_uri()}?mode={mode}"
        with _said_of(self.path), ExitStack() as stack:
            connection = sqlite3.connect(source, uri=True, isolation_level=None, timeout=30.0)
            self._connection = stack.enter_context(closing(connection))
            if create:
                self._create()
            version = self._version()
            if version < SCHEMA_VERSION and not create:  # read as it would be; the file stays as it is
                self._connection = stack.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
                connection.backup(self._connection)
                connection.close()
            migrate(self._connection)
            stack.pop_all()  # it stays open

    def _may_change(self) -> bool:
        """Return whether somebody may write while we read: then SQLite's readers, too, write beside the file."""
        writable = os.access(self.path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
        return writable or self.path.with_name(f"{FILE_NAME}-wal").exists()

    def _create(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA foreign_keys = ON")
        if not execute("SELECT name FROM sqlite_master").fetchall():
            self._connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def _version(self) -> int:
        """Return the schema's version, which can be read.

        Raises:
            StoreError: it cannot.
        """
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            raise StoreError(f"'{self.path.parent}' holds no run yet: {FILE_NAME} is still empty")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"'{self.path}' has schema version {version}, this program reads {OLDEST} to {SCHEMA_VERSION}: "
                "it was written by a newer actsearch, update this one"
            )
        if version < OLDEST:
            commit = self.fact("commit") or "unknown"
            raise StoreError(
                f"'{self.path}' has schema version {version}, this program reads {OLDEST} to {SCHEMA_VERSION}: "
                f"open it with the actsearch that wrote it (commit {printable(commit)}), or start a new run"
            )
        return version

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> "Store":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def describe(self, facts: dict[str, str]) -> None:
        """Keep facts of the run (settings, versions, commit); a fact once kept is never changed."""
        self._transaction([("INSERT OR IGNORE INTO run VALUES (?, ?)", list(facts.items()))])

    def extend(self, settings: str, forget: Sequence[str]) -> None:
        """Replace the settings of the run, which stay under ``settings before N``, and forget that parts are done."""
        row = self._connection.execute("SELECT count(*) FROM run WHERE key LIKE 'settings before %'").fetchone()
        self._transaction(
            [
                (
                    "INSERT INTO run SELECT ?, value FROM run WHERE key = 'settings'",
                    [(f"settings before {row[0] + 1}",)],
                ),
                ("UPDATE run SET value = ? WHERE key = 'settings'", [(settings,)]),
                ("DELETE FROM run WHERE key = ?", [(key,) for key in forget]),
            ]
        )

    def fact(self, key: str) -> str | None:
        """Return one fact."""
        row = self._connection.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
        return row and str(row[0])

    def add_baselines(self, baselines: Iterable[Behaviour]) -> None:
        """Add what the run compares with."""
        self._transaction([(_ADD_BEHAVIOUR, [behaviour.row for behaviour in baselines])])

    def add_rungs(self, rungs: Iterable[Rung]) -> None:
        """Add ways of training; of one that is there already, the larger number of seeds is kept."""
        rows = [(r.name, json.dumps(dataclasses.asdict(r.task)), r.seeds, int(r.test), r.key or r.name) for r in rungs]
        kept = "ON CONFLICT (name) DO UPDATE SET seeds = max(seeds, excluded.seeds)"
        self._transaction([(f"INSERT INTO rungs (name, task, seeds, test, key) VALUES (?, ?, ?, ?, ?) {kept}", rows)])

    def rungs(self) -> list[Rung]:
        """Return every way of training in the order of the ladder, other tasks behind it."""
        query = "SELECT name, task, seeds, test, key FROM rungs ORDER BY place"
        task = TypeAdapter(CompleteSettings).validate_json
        rows = self._connection.execute(query)
        return [Rung(n, task(t), s, bool(test), key if key != n else "") for n, t, s, test, key in rows]

    def add_costs(self, costs: Mapping[str, Cost]) -> None:
        """Keep what functions cost, by fingerprint; what was measured once stays."""
        rows = [(fingerprint, *dataclasses.astuple(cost)) for fingerprint, cost in costs.items()]
        self._transaction([("INSERT OR IGNORE INTO costs VALUES (?, ?, ?, ?)", rows)])

    def costs(self) -> dict[str, Cost]:
        """Return what was measured, by fingerprint."""
        return {
            fingerprint: Cost(*numbers) for fingerprint, *numbers in self._connection.execute("SELECT * FROM costs")
        }

    def add_proposals(self, behaviours: Sequence[Behaviour], proposals: Sequence[StoredProposal], state: bytes) -> None:
        """Keep a batch, the behaviours it brought (known ones stay as they are), and the proposer's state after it."""
        rows = [(p.batch, json.dumps(p.tokens), p.expression, p.fingerprint) for p in proposals]
        self._transaction(
            [
                (_ADD_BEHAVIOUR, [behaviour.row for behaviour in behaviours]),
                ("INSERT INTO proposals (batch, tokens, expression, fingerprint) VALUES (?, ?, ?, ?)", rows),
                ("INSERT OR REPLACE INTO proposer VALUES (0, ?)", [(state,)]),
            ]
        )

    def add_outcome(self, record: Record) -> None:
        """Keep one outcome as soon as it is there; one that may be tried again gives way to what came of that."""
        key, request, outcome = record.key, record.request, record.outcome
        finished = datetime.now(UTC).isoformat(timespec="milliseconds")
        asked = (key.fingerprint, key.rung, key.repeat, request.seed, request.steps)
        found = (outcome.status.value, outcome.score, outcome.reason, outcome.seconds)
        details = (json.dumps(outcome.metrics), json.dumps(outcome.diagnostics))
        row = (*asked, *found, *details, finished, outcome.trained_by)
        self._transaction(
            [
                (_FORGET_PASSING, [asked[:3]]),
                ("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [row]),
            ]
        )

    def add_update(self, batch: int, metrics: dict[str, float], state: bytes) -> None:
        """Keep that the proposer has learned from a batch, together with its state after it."""
        self._transaction(
            [
                ("INSERT INTO updates VALUES (?, ?)", [(batch, json.dumps(metrics))]),
                ("INSERT OR REPLACE INTO proposer VALUES (0, ?)", [(state,)]),
            ]
        )

    def proposer_state(self) -> bytes | None:
        """Return the last kept state of the proposer."""
        row = self._connection.execute("SELECT state FROM proposer").fetchone()
        return row and bytes(row[0])

    def updates(self) -> dict[int, dict[str, float]]:
        """Return the log of every update by batch."""
        return {
            batch: json.loads(metrics)
            for batch, metrics in self._connection.execute("SELECT * FROM updates ORDER BY batch")
        }

    def proposals(self) -> list[StoredProposal]:
        """Return every proposal in the order of asking."""
        query = "SELECT batch, tokens, expression, fingerprint FROM proposals ORDER BY number"
        rows = self._connection.execute(query)
        return [StoredProposal(b, tuple(json.loads(t)), printable(e), printable(f)) for b, t, e, f in rows]

    def behaviours(self) -> list[Behaviour]:
        """Return everything that was or will be trained, in the order of its coming."""
        query = "SELECT fingerprint, expression, baseline, twin, trained_as FROM behaviours ORDER BY rowid"
        rows = self._connection.execute(query)
        return [Behaviour(printable(f), printable(e), bool(b), t, printable(a)) for f, e, b, t, a in rows]

    def proposed(self) -> list[str]:
        """Return the behaviours that proposals were trained as, in the order in which they were first asked for."""
        query = (
            "SELECT trained_as FROM proposals JOIN behaviours USING (fingerprint) "
            "GROUP BY trained_as ORDER BY min(number)"
        )
        return [printable(fingerprint) for (fingerprint,) in self._connection.execute(query)]

    def moments(self, rung: str) -> list[str]:
        """Return when each outcome of a rung was kept, UTC, ISO 8601."""
        return [row[0] for row in self._connection.execute("SELECT finished FROM outcomes WHERE rung = ?", (rung,))]

    def outcomes(self, *, diagnostics: bool = True) -> dict[Key, Record]:
        """Return every outcome, without its diagnostics where nobody looks at them."""
        query = (
            "SELECT o.fingerprint, rung, repeat, expression, seed, steps, status, score, reason, seconds, metrics, "
            f"{'diagnostics' if diagnostics else NONE}, trained_by, baseline, test "
            "FROM outcomes AS o JOIN behaviours USING (fingerprint) JOIN rungs ON rungs.name = rung"
        )
        records = (self._record(*row) for row in self._connection.execute(query))
        return {record.key: record for record in records}

    @staticmethod
    def _record(
        fingerprint: str, rung: str, repeat: int, text: str, seed: int, steps: int, status: str, score: float | None,
        reason: str, seconds: float, metrics: str, diagnostics: str, trained_by: str, baseline: int,
        test: int,
    ) -> Record:  # fmt: skip
        request = Request(printable(text), seed, steps, test=bool(test), patient=rung != SEARCH or bool(baseline))
        outcome = Outcome(
            Status(status),
            score,
            reason,
            seconds,
            json.loads(metrics),
            json.loads(diagnostics) if diagnostics != "{}" else {},
            trained_by,
        )
        return Record(Key(printable(fingerprint), printable(rung), repeat), request, outcome)

    def _transaction(self, steps: Sequence[tuple[str, Sequence[Sequence[object]]]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, rows in steps:
                self._connection.executemany(statement, rows)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
