"""The tables of a store, and how those of the version before become these.

Not here: what is written and read (``store``).
"""

import json
import sqlite3

SCHEMA_VERSION = 4
BEFORE = 3  # the one version that is migrated

SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE behaviours (
    fingerprint TEXT PRIMARY KEY,
    expression TEXT NOT NULL,             -- the first text that behaved so: this one is trained
    baseline INTEGER NOT NULL,            -- 1 where the run added it for comparison
    twin TEXT NOT NULL,                   -- shared by what the layers around an activation make equal
    trained_as TEXT NOT NULL              -- whose outcomes it has: its own, or those of the twin that came first
) STRICT;
CREATE TABLE proposals (
    number INTEGER PRIMARY KEY,           -- in the order of asking, from 1
    batch INTEGER NOT NULL,
    tokens TEXT NOT NULL,                 -- JSON list
    expression TEXT NOT NULL,
    fingerprint TEXT NOT NULL REFERENCES behaviours (fingerprint)
) STRICT;
CREATE TABLE rungs (
    place INTEGER PRIMARY KEY,            -- 1 the search, then the ladder up to the final one, then other tasks
    name TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,                   -- JSON object: its settings, steps included
    seeds INTEGER NOT NULL,
    test INTEGER NOT NULL,                -- 1 where the test split is looked at
    key TEXT NOT NULL                     -- what its seeds are made of; stays when the name is reworded
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
    PRIMARY KEY (fingerprint, rung, repeat)
) STRICT;
CREATE TABLE costs (
    fingerprint TEXT PRIMARY KEY REFERENCES behaviours (fingerprint),
    forward REAL NOT NULL,                -- nanoseconds an element
    backward REAL NOT NULL,
    against_relu REAL NOT NULL            -- both together, as a multiple of ReLU's
) STRICT;
CREATE TABLE updates (batch INTEGER PRIMARY KEY, metrics TEXT NOT NULL) STRICT;
CREATE TABLE proposer (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    state BLOB NOT NULL                   -- after the last proposal or update
) STRICT;
"""

_MIGRATION = """
ALTER TABLE behaviours ADD COLUMN trained_as TEXT NOT NULL DEFAULT '';
ALTER TABLE rungs ADD COLUMN key TEXT NOT NULL DEFAULT '';
UPDATE rungs SET key = name;
ALTER TABLE outcomes ADD COLUMN trained_by TEXT NOT NULL DEFAULT '';
"""


def migrate(connection: sqlite3.Connection) -> None:
    """Give a store of the version before the tables of this one, in one transaction; nothing is lost.

    As which twin a behaviour was trained was decided anew by whoever read the store; now it is decided once.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in filter(None, map(str.strip, _MIGRATION.split(";"))):
            connection.execute(statement)
        settings = connection.execute("SELECT value FROM run WHERE key = 'settings'").fetchone()
        shared = json.loads(settings[0] if settings else "{}").get("space", {}).get("share_twins", "signs") != "none"
        first: dict[str, str] = {}
        rows = connection.execute("SELECT fingerprint, twin FROM behaviours ORDER BY rowid").fetchall()
        for fingerprint, twin in rows:
            trained_as = first.setdefault(twin, fingerprint) if shared else fingerprint
            connection.execute("UPDATE behaviours SET trained_as = ? WHERE fingerprint = ?", (trained_as, fingerprint))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
