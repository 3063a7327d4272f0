"""The SQLite file of one data directory: its schema, its versions, one writer at a time.

`metadata`, `documents`, `checkpoints` and `tickets` each keep their tables in it. Every change is
one transaction that is on disk when the call returns.
"""

import contextlib
import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Final

_STEPS: Final = (
    """
CREATE TABLE project (name TEXT PRIMARY KEY, description TEXT, created INT, modified INT);
CREATE TABLE logstore (ident INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT, name TEXT,
    document TEXT, search TEXT, created INT, modified INT, UNIQUE (project, name));
CREATE TABLE shard (store INT, number INT, begin_key TEXT, end_key TEXT, created INT,
    first_sequence INT, PRIMARY KEY (store, number));
CREATE TABLE access_key (ident TEXT PRIMARY KEY, secret TEXT, project TEXT, rights TEXT,
    created INT);
""",
    """
ALTER TABLE logstore ADD COLUMN shards_made INT NOT NULL DEFAULT 0;
UPDATE logstore SET shards_made =
    (SELECT coalesce(max(number) + 1, 0) FROM shard WHERE store = logstore.ident);
ALTER TABLE shard ADD COLUMN sealed INT NOT NULL DEFAULT 0;
ALTER TABLE shard ADD COLUMN parents TEXT NOT NULL DEFAULT '';
CREATE TABLE document (project TEXT, kind TEXT, name TEXT, body TEXT, created INT, modified INT,
    PRIMARY KEY (project, kind, name));
CREATE TABLE checkpoint (store INT, consumer_group TEXT, shard INT, checkpoint TEXT,
    updated INT, consumer TEXT, PRIMARY KEY (store, consumer_group, shard));
CREATE TABLE ticket (store INT, hash_key TEXT, number INT, shard INT, after INT, raw_size INT,
    digest TEXT, PRIMARY KEY (store, hash_key));
""",
)
"""From one format version to the next; a directory of any older version is brought up at start."""


class NewerFormatError(Exception):
    """The directory was written by a newer version."""


class Database:
    """One connection for all threads; a lock keeps changes one at a time."""

    def __init__(self, path: pathlib.Path) -> None:
        """Open, create or bring up to date.

        Raises:
            NewerFormatError: a newer version wrote it.
        """
        self._lock = threading.RLock()
        self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.execute("PRAGMA secure_delete = ON")  # a deleted key's secret leaves no copy
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version > len(_STEPS):
            known = len(_STEPS)
            raise NewerFormatError(f"{path} has format {version}; this version knows {known}")
        for number, step in enumerate(_STEPS[version:], start=version + 1):
            self._base.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    def _forget_erased(self) -> None:
        # What was overwritten or deleted is still in free pages and in the write-ahead log.
        with self._lock:
            self._base.execute("VACUUM")
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # All of it or nothing, and nobody else in between.
        with self._lock, self._base:
            self._base.execute("BEGIN IMMEDIATE")
            yield self._base
