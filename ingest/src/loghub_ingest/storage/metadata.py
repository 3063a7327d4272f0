"""Projects, Logstores, shards and keys: SQLite for durability, dictionaries for reading.

Every change is one transaction that is on disk before it is seen. The hot path (each PutLogs looks
its Logstore and key up) reads the dictionaries only. Calls that change something block for one
sync: the API runs them in a thread; a lock keeps them one at a time.
"""

import dataclasses
import json
import pathlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from loghub_ingest.storage import checkpoints, contract, database, documents, sealing, tickets

NewerFormatError = database.NewerFormatError


class Metadata(documents.Documents, checkpoints.Checkpoints, tickets.Tickets):
    """The names and keys of one data directory."""

    def __init__(self, path: pathlib.Path, key_file: pathlib.Path) -> None:
        """Open or create the file; secrets are sealed under the key file.

        Raises:
            database.NewerFormatError: a newer version wrote it.
            sealing.KeyFileError: it does not open the secrets.
        """
        super().__init__(path)
        self._sealing = sealing.Sealing(key_file, create=not self._any_sealed())
        self._projects: dict[str, contract.Project] = {}
        self._stores: dict[tuple[str, str], contract.Logstore] = {}
        self._keys: dict[str, contract.AccessKey] = {}
        self._load()

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
        """Remove it with its Logstores, its documents and its keys."""
        with self._lock:
            with self._transaction() as base:
                for store in self.logstores(name):
                    _delete_store(base, store.ident)
                base.execute("DELETE FROM access_key WHERE project = ?", (name,))
                base.execute("DELETE FROM document WHERE project = ?", (name,))
                base.execute("DELETE FROM project WHERE name = ?", (name,))
            self._projects.pop(name, None)
            for store in self.logstores(name):
                self._kept_shorter(store)
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
        """Add one whose name is free."""
        now = time.time_ns()
        seconds = now // 1_000_000_000
        count = int(document["shardCount"])
        ranges = contract.divide(0, contract.KEY_SPACE, count)
        shards = _shards(ranges, number=0, now=now, parents=())
        with self._lock:
            with self._transaction() as base:
                added = base.execute(
                    "INSERT INTO logstore (project, name, document, search, created, modified,"
                    " shards_made) VALUES (?, ?, ?, NULL, ?, ?, ?)",
                    (project, name, json.dumps(document), seconds, seconds, count),
                )
                ident = int(added.lastrowid or 0)
                _insert_shards(base, ident, shards)
            store = contract.Logstore(
                ident, project, name, document, None, shards, created=seconds, modified=seconds
            )
            self._prepare(store)
            self._stores[project, name] = store

    def replace_shards(
        self,
        store: contract.Logstore,
        sealed: Sequence[int],
        ranges: Sequence[tuple[int, int]],
    ) -> contract.Logstore | None:
        """Make the shards `sealed` read-only and let new ones take `ranges`; the Logstore then.

        None where one of them is gone or read-only already.
        """
        now = time.time_ns()
        with self._lock:
            current = self._stores.get((store.project, store.name))
            if current is None or not set(sealed) <= {each.number for each in current.writable}:
                return None
            with self._transaction() as base:
                (made,) = base.execute(
                    "SELECT shards_made FROM logstore WHERE ident = ?", (current.ident,)
                ).fetchone()
                added = _shards(ranges, number=made, now=now, parents=tuple(sealed))
                kept = tuple(
                    dataclasses.replace(each, sealed=now) if each.number in sealed else each
                    for each in current.shards
                )
                changed = _with_shards(current, kept + added)
                base.executemany(
                    "UPDATE shard SET sealed = ? WHERE store = ? AND number = ?",
                    [(now, current.ident, number) for number in sealed],
                )
                _insert_shards(base, current.ident, added)
                base.execute(
                    "UPDATE logstore SET document = ?, shards_made = ? WHERE ident = ?",
                    (json.dumps(changed.document), made + len(added), current.ident),
                )
            self._prepare(changed)
            self._stores[store.project, store.name] = changed
            return changed

    def delete_shards(self, store: contract.Logstore, numbers: Sequence[int]) -> None:
        """Remove read-only shards with their data."""
        with self._lock:
            current = self._stores.get((store.project, store.name))
            if current is None:
                return
            gone = {each.number for each in current.shards if each.sealed} & set(numbers)
            with self._transaction() as base:
                base.executemany(
                    "DELETE FROM shard WHERE store = ? AND number = ?",
                    [(current.ident, number) for number in gone],
                )
            kept = tuple(each for each in current.shards if each.number not in gone)
            self._stores[store.project, store.name] = dataclasses.replace(current, shards=kept)
            self._kept_shorter(current)

    def drop_expired_shards(self, now: int) -> None:
        """Remove read-only shards that retention has emptied by `now` (nanoseconds)."""
        for store in self.all_logstores():
            if store.ttl_days >= contract.FOR_EVER_DAYS:
                continue
            oldest = now - store.ttl_days * contract.DAY
            expired = [each.number for each in store.shards if 0 < each.sealed < oldest]
            if expired:
                self.delete_shards(store, expired)

    def _prepare(self, store: contract.Logstore) -> None:
        """Called before a Logstore with new shards is seen by anybody."""

    def _kept_shorter(self, store: contract.Logstore) -> None:
        """Called when log groups of a Logstore, as it was, are to go earlier than was known."""

    def update_logstore(self, store: contract.Logstore, document: dict[str, Any]) -> None:
        """Replace its document."""
        self._change(store, document=document)

    def set_index(self, store: contract.Logstore, index: dict[str, Any] | None) -> None:
        """Replace or remove its index document."""
        self._change(store, index=index)

    def delete_logstore(self, store: contract.Logstore) -> None:
        """Remove it with what belongs to it."""
        with self._lock:
            with self._transaction() as base:
                _delete_store(base, store.ident)
                base.execute(
                    "DELETE FROM document WHERE project = ? AND kind = ?",
                    (store.project, store.consumer_groups),
                )
                base.execute(
                    "DELETE FROM document WHERE project = ? AND kind = ? AND name = ?",
                    (store.project, contract.TAGS, f"{store.project}#{store.name}"),
                )
            gone = self._stores.pop((store.project, store.name), None)
            if gone is not None:
                self._kept_shorter(gone)

    def raise_first_sequences(self, begins: Mapping[tuple[int, int], int]) -> None:
        """Remember where shards begin now, so that their sequences are never given out again."""
        with self._transaction() as base:
            base.executemany(
                "UPDATE shard SET first_sequence = ? WHERE store = ? AND number = ?",
                [(sequence, *place) for place, sequence in begins.items()],
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
                (
                    key.ident,
                    self._sealing.seal(key.ident, key.secret),
                    key.project,
                    rights,
                    key.created,
                ),
            )
            self._keys[key.ident] = key

    def delete_key(self, ident: str) -> None:
        """Remove a key."""
        with self._lock:
            self._base.execute("DELETE FROM access_key WHERE ident = ?", (ident,))
            self._keys.pop(ident, None)

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes for one use."""
        return self._sealing.derived_key(purpose)

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
            if changed.ttl_days < current.ttl_days:
                self._kept_shorter(changed)

    def _load(self) -> None:
        for row in self._base.execute("SELECT name, description, created, modified FROM project"):
            self._projects[row[0]] = contract.Project(*row)
        shards: dict[int, list[contract.Shard]] = {}
        for store, number, begin, end, created, first, sealed, parents in self._base.execute(
            "SELECT store, number, begin_key, end_key, created, first_sequence, sealed, parents"
            " FROM shard ORDER BY store, number"
        ):
            shard = contract.Shard(
                number=number,
                begin=int(begin, 16),
                end=int(end, 16),
                created=created,
                first_sequence=first,
                sealed=sealed,
                parents=tuple(map(int, parents.split())),
            )
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
        self._load_keys()

    def _any_sealed(self) -> bool:
        return any(
            sealing.is_sealed(secret)
            for (secret,) in self._base.execute("SELECT secret FROM access_key")
        )

    def _load_keys(self) -> None:
        rows = self._base.execute(
            "SELECT ident, secret, project, rights, created FROM access_key"
        ).fetchall()
        plain = []
        for ident, kept, project, rights, created in rows:
            sealed = sealing.is_sealed(kept)
            secret = self._sealing.open(ident, kept) if sealed else kept
            key = contract.AccessKey(ident, secret, project, frozenset(rights.split(",")), created)
            self._keys[ident] = key
            if not sealed:
                plain.append(key)
        for key in plain:  # of the first format
            self.add_key(key)
        if plain:
            self._forget_erased()


def _shards(
    ranges: Sequence[tuple[int, int]], *, number: int, now: int, parents: tuple[int, ...]
) -> tuple[contract.Shard, ...]:
    return tuple(
        contract.Shard(
            number=number + place,
            begin=begin,
            end=end,
            created=now // 1_000_000_000,
            first_sequence=now,
            parents=parents,
        )
        for place, (begin, end) in enumerate(ranges)
    )


def _with_shards(store: contract.Logstore, shards: tuple[contract.Shard, ...]) -> contract.Logstore:
    changed = dataclasses.replace(store, shards=shards)
    document = store.document | {"shardCount": len(changed.writable)}
    return dataclasses.replace(changed, document=document)


def _insert_shards(base: sqlite3.Connection, store: int, shards: Sequence[contract.Shard]) -> None:
    base.executemany(
        "INSERT INTO shard (store, number, begin_key, end_key, created, first_sequence, parents)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                store,
                each.number,
                f"{each.begin:032x}",
                f"{each.end:033x}",
                each.created,
                each.first_sequence,
                " ".join(map(str, each.parents)),
            )
            for each in shards
        ],
    )


def _delete_store(base: sqlite3.Connection, ident: int) -> None:
    for table in ("shard", "checkpoint", "ticket"):
        base.execute(f"DELETE FROM {table} WHERE store = ?", (ident,))  # noqa: S608 - our names
    base.execute("DELETE FROM logstore WHERE ident = ?", (ident,))
