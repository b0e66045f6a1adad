"""The tables of a store, and their migration from earlier versions.

Not here: reading and writing them (``store``).
"""

import hashlib
import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from actsearch.evaluators.settings import unusual

SCHEMA_VERSION = 7
OLDEST = 3  # oldest version that can be migrated

SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE behaviours (
    fingerprint TEXT PRIMARY KEY,
    expression TEXT NOT NULL,             -- the first text with this behaviour: this one is trained
    baseline INTEGER NOT NULL,            -- 1 where the run added it for comparison
    twin TEXT NOT NULL,                   -- key shared by functions that neighbouring layers make equal
    trained_as TEXT NOT NULL,             -- fingerprint whose outcomes it has: its own, or that of its first twin
    digest TEXT NOT NULL                  -- of the columns before it, here and in every table
) STRICT;
CREATE TABLE proposals (
    number INTEGER PRIMARY KEY,           -- in the order of asking, from 1
    batch INTEGER NOT NULL,
    tokens TEXT NOT NULL,                 -- JSON list
    expression TEXT NOT NULL,
    fingerprint TEXT NOT NULL REFERENCES behaviours (fingerprint),
    digest TEXT NOT NULL
) STRICT;
CREATE TABLE rungs (
    place INTEGER PRIMARY KEY,            -- 1 the search, then the ladder up to the final one, then other tasks
    name TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,                   -- JSON object: its settings, steps included
    seeds INTEGER NOT NULL,
    test INTEGER NOT NULL,                -- 1 where the test split is looked at
    key TEXT NOT NULL,                    -- text that its seeds derive from; stays when the name is reworded
    digest TEXT NOT NULL
) STRICT;
CREATE TABLE outcomes (
    fingerprint TEXT NOT NULL REFERENCES behaviours (fingerprint),
    rung TEXT NOT NULL REFERENCES rungs (name),
    repeat INTEGER NOT NULL,              -- number of the seed within the rung, from 0
    seed INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    status TEXT NOT NULL,
    score REAL,
    reason TEXT NOT NULL,
    seconds REAL NOT NULL,
    metrics TEXT NOT NULL,                -- JSON object: numbers by name
    diagnostics TEXT NOT NULL,            -- JSON object: lists of numbers by name, one number for each layer
    finished TEXT NOT NULL,               -- UTC, ISO 8601
    trained_by TEXT NOT NULL,             -- kernel, torch or own (the user's whole training); else empty
    digest TEXT NOT NULL,                 -- of all columns but the diagnostics, then of these
    PRIMARY KEY (fingerprint, rung, repeat)
) STRICT;
CREATE TABLE costs (
    fingerprint TEXT PRIMARY KEY REFERENCES behaviours (fingerprint),
    forward REAL NOT NULL,                -- nanoseconds per element
    backward REAL NOT NULL,
    against_relu REAL NOT NULL,           -- both together, as a multiple of ReLU's
    digest TEXT NOT NULL
) STRICT;
CREATE TABLE updates (batch INTEGER PRIMARY KEY, metrics TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE proposer (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    state BLOB NOT NULL,                  -- after the last proposal or update
    digest TEXT NOT NULL
) STRICT;
"""
SCHEMA_OF_7 = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY,           -- of the transaction, from 1
    kind TEXT NOT NULL                    -- kind of data that it wrote
) STRICT;
CREATE TABLE taken (                      -- trainings that a user's loop has taken and that have no outcome yet
    fingerprint TEXT NOT NULL,
    rung TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    owner TEXT NOT NULL,                  -- name of the process
    PRIMARY KEY (fingerprint, rung, repeat)
) STRICT;
"""

COLUMNS = {
    "run": ("key", "value"),
    "behaviours": ("fingerprint", "expression", "baseline", "twin", "trained_as"),
    "proposals": ("batch", "tokens", "expression", "fingerprint"),
    "rungs": ("name", "task", "seeds", "test", "key"),
    "outcomes": ("fingerprint", "rung", "repeat", "seed", "steps", "status", "score", "reason", "seconds", "metrics",
                 "diagnostics", "finished", "trained_by"),
    "costs": ("fingerprint", "forward", "backward", "against_relu"),
    "updates": ("batch", "metrics"),
    "proposer": ("only", "state"),
}  # fmt: skip
"""Table -> the columns that are written and read, without the numbers that SQLite assigns."""
REALS = {"score", "seconds", "forward", "backward", "against_relu"}
LARGE = "diagnostics"  # a column that is not always read; its own digest follows that of the others


def digest_of(table: str, values: Sequence[Any]) -> str:
    """Return the digest of a row, which detects a flipped bit.

    A number is hashed as SQLite returns it: zero without its sign, and NaN as NULL.

    Args:
        table: name of the row's table.
        values: values of the row in the order of ``COLUMNS``.
    """
    stored = [*values]
    for n in _REALS_AT[table]:
        value = stored[n]
        if isinstance(value, float):
            stored[n] = _as_stored(value)
    place = _LARGE_AT.get(table)
    if place is None:
        return _hashed(stored)
    return _hashed(stored[:place] + stored[place + 1 :]) + _hashed(stored[place : place + 1])


def _as_stored(value: float) -> float | None:
    return None if math.isnan(value) else value + 0.0


_REALS_AT = {table: [n for n, name in enumerate(names) if name in REALS] for table, names in COLUMNS.items()}
_LARGE_AT = {table: names.index(LARGE) for table, names in COLUMNS.items() if LARGE in names}


def _hashed(values: Sequence[Any]) -> str:
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def seal(connection: sqlite3.Connection) -> None:
    """Recompute and store the digest of every row."""
    for table, names in COLUMNS.items():
        rows = connection.execute(f"SELECT rowid, {', '.join(names)} FROM {table}").fetchall()
        digests = [(digest_of(table, row[1:]), row[0]) for row in rows]
        connection.executemany(f"UPDATE {table} SET digest = ? WHERE rowid = ?", digests)


_COLUMNS_OF_4 = """
ALTER TABLE behaviours ADD COLUMN trained_as TEXT NOT NULL DEFAULT '';
ALTER TABLE rungs ADD COLUMN key TEXT NOT NULL DEFAULT '';
UPDATE rungs SET key = name;
ALTER TABLE outcomes ADD COLUMN trained_by TEXT NOT NULL DEFAULT '';
"""
UNSEEN = {"steps", "device", "kernel", "stack", "diagnostics", "stop_after", "stop_above"}
"""Settings of a task that do not change its data."""


def data_fact(task: Mapping[str, Any]) -> str:
    """Return the name of the fact that keeps the digest of a task's data.

    Args:
        task: settings of the task, by name.
    """
    return _named(task, unusual(task))


def _named(task: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    # only the settings that shape the data
    identifying = json.dumps({key: value for key, value in settings.items() if key not in UNSEEN})
    name = task["own"]["build"] or task["own"]["score"] or task["name"]
    return f"data of {name} {hashlib.sha256(identifying.encode()).hexdigest()[:8]}"


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate a store of an earlier version to this one in one transaction, without losing data."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version >= SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in (_to_4, _to_5, _to_6, _to_7)[version - OLDEST :]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _to_4(connection: sqlite3.Connection) -> None:
    """Version 3 recomputed ``trained_as`` on every read; version 4 stores it."""
    for statement in filter(None, map(str.strip, _COLUMNS_OF_4.split(";"))):
        connection.execute(statement)
    shared = _settings(connection).get("space", {}).get("share_twins", "signs") != "none"
    first: dict[str, str] = {}
    rows = connection.execute("SELECT fingerprint, twin FROM behaviours ORDER BY rowid").fetchall()
    for fingerprint, twin in rows:
        trained_as = first.setdefault(twin, fingerprint) if shared else fingerprint
        connection.execute("UPDATE behaviours SET trained_as = ? WHERE fingerprint = ?", (trained_as, fingerprint))


def _to_5(connection: sqlite3.Connection) -> None:
    """Version 4 wrote an open setting as 0 or an empty text; version 5 writes null."""
    settings = _settings(connection)
    for section in (settings, *settings.get("transfer", ())):
        if "task" in section:
            section["task"] = _task_of_5(section["task"])
    for section in (*settings.get("ladder", ()), settings.get("final", {})):
        _null_if_empty(section, "steps")
    for section in settings.get("transfer", ()):
        _null_if_empty(section, "top")
    _null_if_empty(settings.get("space", {}), "shape")
    _null_if_empty(settings.get("pool", {}), "workers", "address")
    if settings:
        stored = json.dumps(settings, sort_keys=True)
        connection.execute("UPDATE run SET value = ? WHERE key = 'settings'", (stored,))
    for place, text in connection.execute("SELECT place, task FROM rungs").fetchall():
        before = json.loads(text)
        after = _task_of_5(before)
        connection.execute("UPDATE rungs SET task = ? WHERE place = ?", (json.dumps(after), place))
        renamed = (data_fact(after), _named(before, before))
        connection.execute("UPDATE OR IGNORE run SET key = ? WHERE key = ?", renamed)


def _to_6(connection: sqlite3.Connection) -> None:
    """Version 5 had no digests, so a flipped bit changed a number unnoticed; version 6 adds them."""
    for table in COLUMNS:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
    seal(connection)


def _to_7(connection: sqlite3.Connection) -> None:
    """Version 6 had no table of events, and kept the trainings of a user's loop in a separate file."""
    for statement in filter(None, map(str.strip, SCHEMA_OF_7.split(";"))):
        connection.execute(statement)


def _settings(connection: sqlite3.Connection) -> dict[str, Any]:
    row = connection.execute("SELECT value FROM run WHERE key = 'settings'").fetchone()
    return dict(json.loads(row[0])) if row else {}


def _task_of_5(task: Mapping[str, Any]) -> dict[str, Any]:
    task = {**task, "own": {**task.get("own", {})}}
    _null_if_empty(task, "steps", "batch", "learning_rate", "init", "width", "examples", "directory")
    _null_if_empty(task["own"], "build", "score")
    return task


def _null_if_empty(section: dict[str, Any], *keys: str) -> None:
    for key in keys:
        if not section.get(key, True):
            section[key] = None
