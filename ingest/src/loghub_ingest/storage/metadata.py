"""Projects, Logstores, shards and keys: SQLite for durability, dictionaries for reading.

Every change is one transaction that is on disk before it is seen. The hot path (each PutLogs looks
its Logstore and key up) reads the dictionaries only. Calls that change something block for one
sync: the API runs them in a thread; a lock keeps them one at a time.
"""

import dataclasses
import json
import pathlib
import sqlite3
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from loghub_ingest.storage import contract

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE project (name TEXT PRIMARY KEY, description TEXT, created INT, modified INT);
CREATE TABLE logstore (ident INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT, name TEXT,
    document TEXT, search TEXT, created INT, modified INT, UNIQUE (project, name));
CREATE TABLE shard (store INT, number INT, begin_key TEXT, end_key TEXT, created INT,
    first_sequence INT, PRIMARY KEY (store, number));
CREATE TABLE access_key (ident TEXT PRIMARY KEY, secret TEXT, project TEXT, rights TEXT,
    created INT);
"""


class NewerFormatError(Exception):
    """The directory was written by a newer version."""


class Metadata:
    """The names and keys of one data directory."""

    def __init__(self, path: pathlib.Path) -> None:
        self._lock = threading.RLock()
        self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise NewerFormatError(f"{path} has format {version}; this version knows {_VERSION}")
        if version == 0:
            self._base.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        self._projects: dict[str, contract.Project] = {}
        self._stores: dict[tuple[str, str], contract.Logstore] = {}
        self._keys: dict[str, contract.AccessKey] = {}
        self._load()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._base.close()

    def project(self, name: str) -> contract.Project | None:
        """One project."""
        return self._projects.get(name)

    def projects(self) -> Sequence[contract.Project]:
        """All, by name."""
        return [self._projects[name] for name in sorted(self._projects)]

    def create_project(self, name: str, description: str) -> None:
        """Add one whose name is free."""
        now = int(time.time())
        with self._lock:
            self._base.execute(
                "INSERT INTO project VALUES (?, ?, ?, ?)", (name, description, now, now)
            )
            self._projects[name] = contract.Project(name, description, now, now)

    def update_project(self, name: str, description: str) -> None:
        """Replace its description."""
        now = int(time.time())
        with self._lock:
            self._base.execute(
                "UPDATE project SET description = ?, modified = ? WHERE name = ?",
                (description, now, name),
            )
            self._projects[name] = dataclasses.replace(
                self._projects[name], description=description, modified=now
            )

    def delete_project(self, name: str) -> None:
        """Remove it with its Logstores and keys."""
        with self._lock, self._base:
            self._base.execute("BEGIN")
            self._base.execute(
                "DELETE FROM shard WHERE store IN (SELECT ident FROM logstore WHERE project = ?)",
                (name,),
            )
            self._base.execute("DELETE FROM logstore WHERE project = ?", (name,))
            self._base.execute("DELETE FROM access_key WHERE project = ?", (name,))
            self._base.execute("DELETE FROM project WHERE name = ?", (name,))
        with self._lock:
            self._projects.pop(name, None)
            self._stores = {at: each for at, each in self._stores.items() if at[0] != name}
            self._keys = {at: each for at, each in self._keys.items() if each.project != name}

    def logstore(self, project: str, name: str) -> contract.Logstore | None:
        """One Logstore."""
        return self._stores.get((project, name))

    def logstores(self, project: str) -> Sequence[contract.Logstore]:
        """All of a project, by name."""
        return [self._stores[at] for at in sorted(self._stores) if at[0] == project]

    def all_logstores(self) -> Sequence[contract.Logstore]:
        """All of every project."""
        return list(self._stores.values())

    def create_logstore(self, project: str, name: str, document: dict[str, Any]) -> None:
        """Add one whose name is free, its shards dividing the key space evenly."""
        now = time.time_ns()
        seconds = now // 1_000_000_000
        with self._lock, self._base:
            self._base.execute("BEGIN")
            added = self._base.execute(
                "INSERT INTO logstore (project, name, document, created, modified)"
                " VALUES (?, ?, ?, ?, ?)",
                (project, name, json.dumps(document), seconds, seconds),
            )
            ident = int(added.lastrowid or 0)
            shards = _divide(int(document["shardCount"]), now)
            self._base.executemany(
                "INSERT INTO shard VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        ident,
                        each.number,
                        f"{each.begin:032x}",
                        f"{each.end:033x}",
                        each.created,
                        each.first_sequence,
                    )
                    for each in shards
                ],
            )
        store = contract.Logstore(
            ident, project, name, document, None, shards, created=seconds, modified=seconds
        )
        with self._lock:
            self._stores[project, name] = store

    def update_logstore(self, store: contract.Logstore, document: dict[str, Any]) -> None:
        """Replace its document."""
        self._change(store, document=document)

    def set_index(self, store: contract.Logstore, index: dict[str, Any] | None) -> None:
        """Replace or remove its index document."""
        self._change(store, index=index)

    def delete_logstore(self, store: contract.Logstore) -> None:
        """Remove it."""
        with self._lock, self._base:
            self._base.execute("BEGIN")
            self._base.execute("DELETE FROM shard WHERE store = ?", (store.ident,))
            self._base.execute("DELETE FROM logstore WHERE ident = ?", (store.ident,))
        with self._lock:
            self._stores.pop((store.project, store.name), None)

    def raise_first_sequence(self, store: int, shard: int, sequence: int) -> None:
        """Remember where a shard begins now, so that its sequences are never given out again."""
        with self._lock:
            self._base.execute(
                "UPDATE shard SET first_sequence = ? WHERE store = ? AND number = ?",
                (sequence, store, shard),
            )

    def key(self, ident: str) -> contract.AccessKey | None:
        """One key."""
        return self._keys.get(ident)

    def keys(self, project: str) -> Sequence[contract.AccessKey]:
        """The keys of a project, oldest first."""
        found = [each for each in self._keys.values() if each.project == project]
        return sorted(found, key=lambda each: (each.created, each.ident))

    def add_key(self, key: contract.AccessKey) -> None:
        """Add or replace a key."""
        rights = ",".join(sorted(key.rights))
        with self._lock:
            self._base.execute(
                "INSERT OR REPLACE INTO access_key VALUES (?, ?, ?, ?, ?)",
                (key.ident, key.secret, key.project, rights, key.created),
            )
            self._keys[key.ident] = key

    def delete_key(self, ident: str) -> None:
        """Remove a key."""
        with self._lock:
            self._base.execute("DELETE FROM access_key WHERE ident = ?", (ident,))
            self._keys.pop(ident, None)

    def _change(self, store: contract.Logstore, **changes: Any) -> None:
        with self._lock:
            # By name, not by the caller's copy: another request may have changed the other half.
            current = self._stores.get((store.project, store.name), store)
            now = int(time.time())
            changed = dataclasses.replace(current, modified=now, **changes)
            search = None if changed.index is None else json.dumps(changed.index)
            self._base.execute(
                "UPDATE logstore SET document = ?, search = ?, modified = ? WHERE ident = ?",
                (json.dumps(changed.document), search, now, changed.ident),
            )
            self._stores[store.project, store.name] = changed

    def _load(self) -> None:
        for row in self._base.execute("SELECT name, description, created, modified FROM project"):
            self._projects[row[0]] = contract.Project(*row)
        shards: dict[int, list[contract.Shard]] = {}
        for store, number, begin, end, created, first in self._base.execute(
            "SELECT store, number, begin_key, end_key, created, first_sequence FROM shard"
            " ORDER BY store, number"
        ):
            shard = contract.Shard(number, int(begin, 16), int(end, 16), created, first)
            shards.setdefault(store, []).append(shard)
        for ident, project, name, document, search, created, modified in self._base.execute(
            "SELECT ident, project, name, document, search, created, modified FROM logstore"
        ):
            self._stores[project, name] = contract.Logstore(
                ident,
                project,
                name,
                json.loads(document),
                None if search is None else json.loads(search),
                tuple(shards.get(ident, ())),
                created=created,
                modified=modified,
            )
        for ident, secret, project, rights, created in self._base.execute(
            "SELECT ident, secret, project, rights, created FROM access_key"
        ):
            key = contract.AccessKey(ident, secret, project, frozenset(rights.split(",")), created)
            self._keys[ident] = key


def _divide(count: int, now: int) -> tuple[contract.Shard, ...]:
    edges = [contract.KEY_SPACE * n // count for n in range(count + 1)]
    return tuple(
        contract.Shard(n, edges[n], edges[n + 1], created=now // 1_000_000_000, first_sequence=now)
        for n in range(count)
    )
