"""Opens the SQLite file and sets durability, file mode and schema version."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FIRST = """
CREATE TABLE profile (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    http_url TEXT, websocket_url TEXT, audience TEXT,
    account TEXT, device INTEGER, registration_id INTEGER,
    identity_seed BLOB,
    clock_offset_ms INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0
);
INSERT INTO profile (one) VALUES (1);
CREATE TABLE seal_keys (
    number INTEGER PRIMARY KEY,
    secret BLOB NOT NULL,
    made_at_ms INTEGER NOT NULL,
    in_use_at_ms INTEGER,   -- when the server took it
    replaced_at_ms INTEGER  -- when the server took the next one
);
CREATE TABLE seen (
    sender TEXT NOT NULL, message TEXT NOT NULL, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (sender, message)
) WITHOUT ROWID;
CREATE INDEX seen_by_time ON seen (seen_at_ms);
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    sender TEXT NOT NULL, message TEXT NOT NULL,
    sender_device INTEGER NOT NULL, sender_class TEXT NOT NULL, recipient TEXT NOT NULL,
    at_ms INTEGER NOT NULL, body BLOB NOT NULL, shown INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sender, message)
);
CREATE INDEX messages_by_time ON messages (sender, at_ms);
CREATE TABLE acks (envelope TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE receipts (
    author TEXT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (author, kind, message)
) WITHOUT ROWID;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    body BLOB NOT NULL,
    copies TEXT,            -- JSON as it travels; NULL until made
    expires_in INTEGER,
    status TEXT NOT NULL DEFAULT 'queued',
    code TEXT,
    queued_at_ms INTEGER NOT NULL,
    at_ms INTEGER           -- the server's time of acceptance; NULL until accepted
);
CREATE INDEX outbox_waiting ON outbox (recipient, number) WHERE at_ms IS NULL AND status <> 'failed';
CREATE TABLE devices (account TEXT PRIMARY KEY, devices TEXT NOT NULL) WITHOUT ROWID;
"""

_APPS = """
CREATE TABLE app_messages (
    number INTEGER PRIMARY KEY,
    app TEXT NOT NULL, message TEXT NOT NULL,
    app_name TEXT NOT NULL, recipient TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL,
    category TEXT, confidential INTEGER, priority TEXT, language TEXT,  -- of a notice
    code TEXT, expires_at INTEGER, purpose TEXT,                        -- of a one-time password
    shown INTEGER NOT NULL DEFAULT 0,
    UNIQUE (app, message)
);
CREATE TABLE voids (
    app TEXT NOT NULL, message TEXT NOT NULL, reason TEXT NOT NULL, heard_at_ms INTEGER NOT NULL,
    PRIMARY KEY (app, message)
) WITHOUT ROWID;
"""

_GROUPS = """
CREATE TABLE groups (
    group_id TEXT PRIMARY KEY,
    heard_version INTEGER NOT NULL,        -- the highest that a message or event carried
    version INTEGER NOT NULL DEFAULT 0,    -- of the details
    details TEXT,                          -- JSON as the service gave it; NULL until read
    is_left INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE group_messages (
    number INTEGER PRIMARY KEY,
    group_id TEXT NOT NULL, version INTEGER NOT NULL,
    sender TEXT NOT NULL, message TEXT NOT NULL,
    sender_device INTEGER, sender_class TEXT,  -- NULL for an app
    app_name TEXT, notice TEXT,                -- of an app; the notice without its text, as JSON
    recipient TEXT NOT NULL, at_ms INTEGER NOT NULL,
    body BLOB,                                 -- NULL if it is gone
    shown INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sender, message)
);
CREATE INDEX group_messages_by_time ON group_messages (group_id, at_ms);
CREATE TABLE group_events (
    number INTEGER PRIMARY KEY,
    group_id TEXT NOT NULL, version INTEGER NOT NULL, message TEXT NOT NULL,
    change INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    actor TEXT, subject TEXT, role TEXT, name TEXT,
    shown INTEGER NOT NULL DEFAULT 0,
    UNIQUE (group_id, message)
);
CREATE INDEX group_events_by_time ON group_events (group_id, at_ms);
"""

_PEOPLE = """
CREATE TABLE people (
    account TEXT PRIMARY KEY, answer TEXT NOT NULL, read_at_ms INTEGER NOT NULL  -- JSON as the service gave it
) WITHOUT ROWID;
ALTER TABLE profile ADD COLUMN attestation_key BLOB;
"""

_OUTBOX_LEFT = """
ALTER TABLE outbox ADD COLUMN has_left INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET has_left = 1 WHERE copies IS NOT NULL;
CREATE TABLE probe (filling BLOB NOT NULL);
"""

_SERVICE_KEYS = """
CREATE TABLE service_keys (number INTEGER PRIMARY KEY, statement BLOB NOT NULL);
ALTER TABLE profile ADD COLUMN oldest_service_key INTEGER NOT NULL DEFAULT 0;
CREATE TABLE refused_envelopes (
    reason TEXT PRIMARY KEY, count INTEGER NOT NULL, last_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""

_INDEXES = """
CREATE INDEX outbox_by_recipient ON outbox (recipient);
CREATE INDEX messages_unshown ON messages (at_ms) WHERE shown = 0;
CREATE INDEX app_messages_unshown ON app_messages (at_ms) WHERE shown = 0;
CREATE INDEX group_messages_unshown ON group_messages (at_ms) WHERE shown = 0;
CREATE INDEX group_events_unshown ON group_events (at_ms) WHERE shown = 0;
CREATE INDEX group_messages_by_id ON group_messages (group_id, message);
CREATE INDEX groups_stale ON groups (group_id) WHERE version < heard_version;
CREATE INDEX receipts_by_message ON receipts (message);
ALTER TABLE app_messages ADD COLUMN void TEXT;
UPDATE app_messages SET void = (
    SELECT reason FROM voids WHERE voids.app = app_messages.app AND voids.message = app_messages.message
);
CREATE INDEX voids_by_time ON voids (heard_at_ms);
CREATE INDEX app_messages_codes ON app_messages (expires_at) WHERE code IS NOT NULL;
ALTER TABLE groups ADD COLUMN left_at_ms INTEGER;
UPDATE groups SET left_at_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000 WHERE is_left = 1;
CREATE INDEX groups_left ON groups (left_at_ms) WHERE is_left = 1;
"""

_NUMBERS = """
CREATE TABLE numbers (number TEXT PRIMARY KEY, account TEXT NOT NULL) WITHOUT ROWID;
"""

_ATTESTATION_KEYS = """
CREATE TABLE attestation_keys (number INTEGER PRIMARY KEY, statement BLOB NOT NULL);
UPDATE profile SET attestation_key = NULL;
ALTER TABLE profile ADD COLUMN oldest_attestation_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN attestation_keys_at_ms INTEGER NOT NULL DEFAULT 0;
"""

_UPGRADES = (_FIRST, _APPS, _GROUPS, _PEOPLE, _OUTBOX_LEFT, _SERVICE_KEYS, _INDEXES, _NUMBERS, _ATTESTATION_KEYS)
"""Each upgrades the schema version of its place to the next."""

SCHEMA_VERSION = len(_UPGRADES)


PROBE_BYTES = 128 * 1024
"""Size of the largest message."""


class StoreUnusable(Exception):
    """Reports a file that is not a profile, or one of a newer release."""


class Database:
    """Is a connection on which every statement outside `transaction()` is a transaction of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open the file. It and its write-ahead log are readable by their owner only. Raise StoreUnusable."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)
            connection = sqlite3.connect(path, isolation_level=None, timeout=10)
        except OSError as error:
            raise StoreUnusable(f"{path} cannot be opened: {error.strerror}") from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            database = cls(connection)
            database._prepare()
        except sqlite3.DatabaseError as error:
            connection.close()
            raise StoreUnusable(f"{path} is not a profile: {error}") from error
        except StoreUnusable:
            connection.close()
            raise
        return database

    def _prepare(self) -> None:
        with self.transaction():
            (version,) = self.row("PRAGMA user_version")
            if version > SCHEMA_VERSION:
                raise StoreUnusable("the profile was written by a newer release")
            if version == SCHEMA_VERSION:
                return
            for upgrade in _UPGRADES[version:]:
                for statement in upgrade.split(";\n"):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Generator[None]:
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite itself rolls back when the disk is full
                self._connection.execute("ROLLBACK")
            raise

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return the number of rows written."""
        return self._connection.execute(statement, values).rowcount

    def run_each(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self.transaction():
            self._connection.executemany(statement, rows)

    def insert(self, statement: str, values: Sequence[Any]) -> int:
        """Insert a row and return its number."""
        return self._connection.execute(statement, values).lastrowid or 0

    def row(self, query: str, values: Sequence[Any] = ()) -> Any:
        return self._connection.execute(query, values).fetchone()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def works(self) -> bool:
        """Return whether `PROBE_BYTES` can be written to the disk and deleted again."""
        try:
            self._connection.execute("INSERT INTO probe (filling) VALUES (zeroblob(?))", (PROBE_BYTES,))
            self._connection.execute("DELETE FROM probe")
        except sqlite3.OperationalError:
            return False
        return True

    def changes_of_others(self) -> int:
        """Return a number that changes when another connection, perhaps of another process, writes to the file."""
        (version,) = self.row("PRAGMA data_version")
        return int(version)

    def scrub(self) -> None:
        """Move the write-ahead log into the file and empty it, so that overwritten data is in neither."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()
