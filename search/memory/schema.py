"""The tables of a store, and how those of earlier versions become these.

Not here: what is written and read (``store``).
"""

import hashlib
import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from actsearch.evaluators.settings import unusual

SCHEMA_VERSION = 7
OLDEST = 3  # versions from here on are migrated

SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE behaviours (
    fingerprint TEXT PRIMARY KEY,
    expression TEXT NOT NULL,             -- the first text that behaved so: this one is trained
    baseline INTEGER NOT NULL,            -- 1 where the run added it for comparison
    twin TEXT NOT NULL,                   -- shared by what the layers around an activation make equal
    trained_as TEXT NOT NULL,             -- whose outcomes it has: its own, or those of the twin that came first
    digest TEXT NOT NULL                  -- of what stands before it, here and in every table
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
    key TEXT NOT NULL,                    -- what its seeds are made of; stays when the name is reworded
    digest TEXT NOT NULL
) STRICT;
CREATE TABLE outcomes (
    fingerprint TEXT NOT NULL REFERENCES behaviours (fingerprint),
    rung TEXT NOT NULL REFERENCES rungs (name),
    repeat INTEGER NOT NULL,              -- which of the rung's seeds, from 0
    seed INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    status TEXT NOT NULL,
    score REAL,
    reason TEXT NOT NULL,
    seconds REAL NOT NULL,
    metrics TEXT NOT NULL,                -- JSON object: numbers by name
    diagnostics TEXT NOT NULL,            -- JSON object: lists of numbers by name, a number a layer
    finished TEXT NOT NULL,               -- UTC, ISO 8601
    trained_by TEXT NOT NULL,             -- kernel, torch or own (the user's whole training); else empty
    digest TEXT NOT NULL,                 -- of all but the diagnostics, and of these
    PRIMARY KEY (fingerprint, rung, repeat)
) STRICT;
CREATE TABLE costs (
    fingerprint TEXT PRIMARY KEY REFERENCES behaviours (fingerprint),
    forward REAL NOT NULL,                -- nanoseconds an element
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
    number INTEGER PRIMARY KEY,           -- of each transaction, in their order, from 1
    kind TEXT NOT NULL                    -- what it wrote
) STRICT;
CREATE TABLE taken (                      -- trainings that a loop of the user's has and that have no outcome yet
    fingerprint TEXT NOT NULL,
    rung TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    owner TEXT NOT NULL,                  -- the process
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
"""Table -> the columns that are written and read; numbers that SQLite gives are not among them."""
REALS = {"score", "seconds", "forward", "backward", "against_relu"}
LARGE = "diagnostics"  # which is not always read, and has a digest of its own behind that of the others


def digest_of(table: str, values: Sequence[Any]) -> str:
    """Return the digest of a row, by which a bit that flipped is told.

    A number is hashed as SQLite gives it back: without the sign of a zero, and NULL for what is no number.

    Args:
        table: of the row.
        values: in the order of ``COLUMNS``.
    """
    kept = [*values]
    for n in _REALS_AT[table]:
        value = kept[n]
        if isinstance(value, float):
            kept[n] = _as_kept(value)
    place = _LARGE_AT.get(table)
    if place is None:
        return _hashed(kept)
    return _hashed(kept[:place] + kept[place + 1 :]) + _hashed(kept[place : place + 1])


def _as_kept(value: float) -> float | None:
    return None if math.isnan(value) else value + 0.0


_REALS_AT = {table: [n for n, name in enumerate(names) if name in REALS] for table, names in COLUMNS.items()}
_LARGE_AT = {table: names.index(LARGE) for table, names in COLUMNS.items() if LARGE in names}


def _hashed(values: Sequence[Any]) -> str:
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def seal(connection: sqlite3.Connection) -> None:
    """Write the digest of every row anew."""
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
UNSEEN = {
    "steps",
    "device",
    "kernel",
    "stack",
    "diagnostics",
    "stop_after",
    "stop_above",
}  # of a task: they make no other data


def data_fact(task: Mapping[str, Any]) -> str:
    """Return the name of the fact that keeps the digest of a task's data.

    Args:
        task: its settings, by name.
    """
    return _named(task, unusual(task))


def _named(task: Mapping[str, Any], telling: Mapping[str, Any]) -> str:
    seen = json.dumps({key: value for key, value in telling.items() if key not in UNSEEN})  # by what builds the data
    name = task["own"]["build"] or task["own"]["score"] or task["name"]
    return f"data of {name} {hashlib.sha256(seen.encode()).hexdigest()[:8]}"


def migrate(connection: sqlite3.Connection) -> None:
    """Give a store of an earlier version the tables of this one, in one transaction; nothing is lost."""
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
    """What a setting left open was 0 or an empty text; now it is null."""
    settings = _settings(connection)
    for section in (settings, *settings.get("transfer", ())):
        if "task" in section:
            section["task"] = _task_of_5(section["task"])
    for section in (*settings.get("ladder", ()), settings.get("final", {})):
        _open(section, "steps")
    for section in settings.get("transfer", ()):
        _open(section, "top")
    _open(settings.get("space", {}), "shape")
    _open(settings.get("pool", {}), "workers", "address")
    if settings:
        kept = json.dumps(settings, sort_keys=True)
        connection.execute("UPDATE run SET value = ? WHERE key = 'settings'", (kept,))
    for place, text in connection.execute("SELECT place, task FROM rungs").fetchall():
        before = json.loads(text)
        after = _task_of_5(before)
        connection.execute("UPDATE rungs SET task = ? WHERE place = ?", (json.dumps(after), place))
        renamed = (data_fact(after), _named(before, before))
        connection.execute("UPDATE OR IGNORE run SET key = ? WHERE key = ?", renamed)


def _to_6(connection: sqlite3.Connection) -> None:
    """Version 5 had no digests: a bit that flipped was another number without a word."""
    for table in COLUMNS:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
    seal(connection)


def _to_7(connection: sqlite3.Connection) -> None:
    """Version 6 had no numbers of events, and kept trainings of a user's loop in a file of their own."""
    for statement in filter(None, map(str.strip, SCHEMA_OF_7.split(";"))):
        connection.execute(statement)


def _settings(connection: sqlite3.Connection) -> dict[str, Any]:
    found = connection.execute("SELECT value FROM run WHERE key = 'settings'").fetchone()
    return dict(json.loads(found[0])) if found else {}


def _task_of_5(task: Mapping[str, Any]) -> dict[str, Any]:
    task = {**task, "own": {**task.get("own", {})}}
    _open(task, "steps", "batch", "learning_rate", "init", "width", "examples", "directory")
    _open(task["own"], "build", "score")
    return task


def _open(section: dict[str, Any], *keys: str) -> None:
    for key in keys:
        if not section.get(key, True):
            section[key] = None
