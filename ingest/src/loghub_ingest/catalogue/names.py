"""Projects, Logstores, shards and keys: SQL for durability, dictionaries for reading.

The hot path (each PutLogs looks its Logstore and key up) reads the dictionaries only. Every change
is one transaction under the lock of the one row of `revision`, so changes have one order whichever
replica makes them: whoever changes something has first seen all that was changed before, and
decides by that. `snapshots` reads rows into values; `following` keeps up with other replicas.
"""

import contextlib
import json
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from loghub_ingest.catalogue import checkpoints, documents, snapshots, tables, tickets
from loghub_ingest.storage import contract, sealing

KEPT_CHANGES: Final = 10_000
"""A replica that missed more reads everything anew."""

_SECOND: Final = 1_000_000_000

_K = TypeVar("_K")
_V = TypeVar("_V")


class Change:
    """A transaction in progress, and what it touches."""

    def __init__(self, base: sa.Connection, now: int) -> None:
        """`now` in nanoseconds: one clock for all replicas."""
        self.base, self.now = base, now
        self.touched: set[snapshots.Item] = set()

    @property
    def seconds(self) -> int:
        """The time in unix seconds."""
        return self.now // _SECOND


class Names(documents.Documents, checkpoints.Checkpoints, tickets.Tickets):
    """The names and keys of one catalogue."""

    def __init__(self, engine: sa.Engine, key_file: pathlib.Path) -> None:
        """Read everything; secrets are sealed under the key file.

        Raises:
            sealing.KeyFileError: it does not open the secrets.
        """
        super().__init__(engine)
        with self._transaction() as base:
            secrets = base.execute(sa.select(tables.ACCESS_KEY.c.secret)).scalars().all()
        sealed = any(map(sealing.is_sealed, secrets))
        self._sealing = sealing.Sealing(key_file, create=not sealed)
        self._projects: dict[str, contract.Project] = {}
        self._stores: dict[tuple[str, str], contract.Logstore] = {}
        self._keys: dict[str, contract.AccessKey] = {}
        self._revision = 0
        with self._transaction() as base:
            self._read_all(base)
        self._seal_plain_secrets()

    def project(self, name: str) -> contract.Project | None:
        """One project."""
        return self._projects.get(name)

    def projects(self) -> Sequence[contract.Project]:
        """All, by name."""
        return [self._projects[name] for name in sorted(self._projects)]

    def create_project(self, name: str, description: str) -> bool:
        """Add one; False where the name is taken."""
        with self._changing() as change:
            if name in self._projects:
                return False
            # What a project of that name left behind while it was deleted is nobody's.
            change.base.execute(_of_project(tables.DOCUMENT, name))
            row = (name, description, change.seconds, change.seconds)
            change.base.execute(sa.insert(tables.PROJECT).values(row))
            change.touched.add(("project", name))
        return True

    def update_project(self, name: str, description: str) -> bool:
        """Replace its description; False where there is none."""
        with self._changing() as change:
            if name not in self._projects:
                return False
            own = sa.update(tables.PROJECT).where(tables.PROJECT.c.name == name)
            change.base.execute(own.values(description=description, modified=change.seconds))
            change.touched.add(("project", name))
        return True

    def delete_project(self, name: str) -> None:
        """Remove it with its Logstores, its documents and its keys."""
        with self._changing() as change:
            for store in self.logstores(name):
                _delete_store(change, store)
            change.touched |= {("key", each.ident) for each in self.keys(name)}
            change.touched.add(("project", name))
            for table in (tables.ACCESS_KEY, tables.DOCUMENT):
                change.base.execute(_of_project(table, name))
            change.base.execute(sa.delete(tables.PROJECT).where(tables.PROJECT.c.name == name))

    def logstore(self, project: str, name: str) -> contract.Logstore | None:
        """One Logstore."""
        return self._stores.get((project, name))

    def logstores(self, project: str) -> Sequence[contract.Logstore]:
        """All of a project, by name."""
        return [each for at, each in sorted(self._stores.items()) if at[0] == project]

    def all_logstores(self) -> Sequence[contract.Logstore]:
        """All of every project."""
        return list(self._stores.values())

    def create_logstore(self, project: str, name: str, document: dict[str, Any]) -> bool:
        """Add one; False where the name is taken, or the project is gone."""
        return self._add_logstore(project, name, document, {})

    def _add_logstore(
        self, project: str, name: str, document: dict[str, Any], given: dict[str, int]
    ) -> bool:
        count = int(document["shardCount"])
        with self._changing() as change:
            if project not in self._projects or (project, name) in self._stores:
                return False
            row = {"project": project, "name": name, "document": json.dumps(document)}
            numbers = {"created": change.seconds, "modified": change.seconds, "shards_made": count}
            added = change.base.execute(sa.insert(tables.LOGSTORE).values(row | numbers | given))
            (ident,) = added.inserted_primary_key or (0,)
            ranges = contract.divide(0, contract.KEY_SPACE, count)
            _insert_shards(change, ident, ranges, number=0, parents=())
            change.touched.add(_item(project, name))
        return True

    def replace_shards(
        self,
        store: contract.Logstore,
        sealed: Sequence[int],
        ranges: Sequence[tuple[int, int]],
    ) -> contract.Logstore | None:
        """Make the shards `sealed` read-only and let new ones take `ranges`; the Logstore then.

        None where one of them is gone or read-only already.
        """
        with self._changing() as change:
            current = self._same(store)
            if current is None or not set(sealed) <= {each.number for each in current.writable}:
                return None
            own = tables.LOGSTORE.c.ident == current.ident
            made = int(
                change.base.execute(
                    sa.select(tables.LOGSTORE.c.shards_made).where(own)
                ).scalar_one()
            )
            _insert_shards(change, current.ident, ranges, number=made, parents=sealed)
            closed = sa.update(tables.SHARD).where(*_shards(current, sealed))
            change.base.execute(closed.values(sealed=change.now))
            count = len(current.writable) - len(sealed) + len(ranges)
            text = json.dumps(current.document | {"shardCount": count})
            changed = sa.update(tables.LOGSTORE).where(own)
            change.base.execute(changed.values(document=text, shards_made=made + len(ranges)))
            change.touched.add(_item(current.project, current.name))
        return self._same(current)

    def delete_shards(self, store: contract.Logstore, numbers: Sequence[int]) -> None:
        """Remove read-only shards with their data."""
        with self._changing() as change:
            current = self._same(store)
            if current is None:
                return
            gone = {each.number for each in current.shards if each.sealed} & set(numbers)
            change.base.execute(sa.delete(tables.SHARD).where(*_shards(current, sorted(gone))))
            change.touched.add(_item(current.project, current.name))

    def drop_expired_shards(self, now: int) -> None:
        """Remove read-only shards that retention has emptied by `now` (nanoseconds)."""
        for store in self.all_logstores():
            if store.ttl_days >= contract.FOR_EVER_DAYS:
                continue
            oldest = now - store.ttl_days * contract.DAY
            expired = [each.number for each in store.shards if 0 < each.sealed < oldest]
            if expired:
                self.delete_shards(store, expired)

    def update_logstore(self, store: contract.Logstore, document: dict[str, Any]) -> bool:
        """Replace its document; False where it is gone."""
        return self._change(store, document=json.dumps(document))

    def set_index(self, store: contract.Logstore, index: dict[str, Any] | None) -> bool:
        """Replace or remove its index document; False where it is gone."""
        return self._change(store, search=None if index is None else json.dumps(index))

    def delete_logstore(self, store: contract.Logstore) -> None:
        """Remove it with what belongs to it."""
        with self._changing() as change:
            current = self._same(store)
            if current is not None:
                _delete_store(change, current)

    def raise_first_sequences(self, begins: Mapping[tuple[int, int], int]) -> None:
        """Remember where shards begin now, so that their sequences are never given out again.

        Nothing that is shown changes: what is read holds the shard's first sequence ever.
        """
        if not begins:
            return
        table = tables.SHARD.c
        own = sa.update(tables.SHARD).where(
            table.store == sa.bindparam("of_store"), table.number == sa.bindparam("of_number")
        )
        rows = [
            {"of_store": store, "of_number": number, "first": sequence}
            for (store, number), sequence in begins.items()
        ]
        with self._transaction() as base:
            base.execute(own.values(first_sequence=sa.bindparam("first")), rows)

    def fix_end(self, store: contract.Logstore, shard: int, sequence: int) -> int | None:
        """Where a sealed shard ends, from now on for everybody: what was said first.

        None where the shard is gone.
        """
        with self._changing() as change:
            current = self._same(store)
            if current is None:
                return None
            still_open = tables.SHARD.c.end_sequence.is_(None)
            own = sa.update(tables.SHARD).where(*_shards(current, [shard]), still_open)
            change.base.execute(own.values(end_sequence=sequence))
            change.touched.add(_item(current.project, current.name))
        current = self._same(store)
        found = () if current is None else current.shards
        return next((each.end_sequence for each in found if each.number == shard), None)

    def key(self, ident: str) -> contract.AccessKey | None:
        """One key."""
        return self._keys.get(ident)

    def keys(self, project: str) -> Sequence[contract.AccessKey]:
        """The keys of a project, oldest first."""
        found = [each for each in self._keys.values() if each.project == project]
        return sorted(found, key=lambda each: (each.created, each.ident))

    def add_key(self, key: contract.AccessKey) -> bool:
        """Add or replace a key; False where its project is gone."""
        with self._changing() as change:
            if key.project and key.project not in self._projects:
                return False
            row = {
                "ident": key.ident,
                "secret": self._sealing.seal(key.ident, key.secret),
                "project": key.project,
                "rights": ",".join(sorted(key.rights)),
                "created": key.created,
            }
            change.base.execute(self._replacing(tables.ACCESS_KEY).values(row))
            change.touched.add(("key", key.ident))
        return True

    def delete_key(self, ident: str) -> None:
        """Remove a key."""
        with self._changing() as change:
            table = tables.ACCESS_KEY
            change.base.execute(sa.delete(table).where(table.c.ident == ident))
            change.touched.add(("key", ident))

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes for one use."""
        return self._sealing.derived_key(purpose)

    def _same(self, store: contract.Logstore) -> contract.Logstore | None:
        # By name, not by the caller's copy: another request may have changed it since.
        current = self._stores.get((store.project, store.name))
        return current if current is not None and current.ident == store.ident else None

    def _change(self, store: contract.Logstore, **values: str | None) -> bool:
        with self._changing() as change:
            current = self._same(store)
            if current is None:
                return False
            own = sa.update(tables.LOGSTORE).where(tables.LOGSTORE.c.ident == current.ident)
            change.base.execute(own.values(modified=change.seconds, **values))
            change.touched.add(_item(current.project, current.name))
        return True

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Change]:
        """A change that nobody's comes in between; it is on disk before anybody sees it.

        Raises:
            contract.UnavailableError: it may have happened or not.
        """
        with self._lock:
            with self._transaction() as base:
                table = tables.REVISION
                counted = sa.update(table).values(value=table.c.value + 1)
                value = int(base.execute(counted.returning(table.c.value)).scalar_one())
                self._follow(base, value - 1)
                change = Change(base, self._now(base))
                yield change
                found = self._record(change, value)
            self._install(found, value)

    def _now(self, base: sa.Connection) -> int:
        if not self._shared:
            return time.time_ns()
        return int(
            base.execute(sa.select(sa.func.clock_timestamp())).scalar_one().timestamp() * _SECOND
        )

    def _record(self, change: Change, value: int) -> snapshots.Snapshot:
        if self._shared and change.touched:
            rows = [{"revision": value, "kind": kind, "name": at} for kind, at in change.touched]
            change.base.execute(sa.insert(tables.CHANGE), rows)
            old = tables.CHANGE.c.revision <= value - KEPT_CHANGES
            change.base.execute(sa.delete(tables.CHANGE).where(old))
        return snapshots.read(change.base, self._sealing, change.touched)

    def _follow(self, base: sa.Connection, value: int) -> None:
        """See what others changed up to revision `value`."""
        if self._revision == value:
            return
        # It goes back where a standby took over that had not heard of everything.
        if not value - KEPT_CHANGES < self._revision < value:
            self._read_all(base)
            return
        table = tables.CHANGE
        newer = sa.select(table.c.kind, table.c.name).where(table.c.revision > self._revision)
        touched = {(kind, name) for kind, name in base.execute(newer)}
        self._install(snapshots.read(base, self._sealing, touched), value)

    def _read_all(self, base: sa.Connection) -> None:
        value = int(base.execute(sa.select(tables.REVISION.c.value)).scalar_one())
        known: set[snapshots.Item] = {("project", name) for name in self._projects}
        known |= {("key", ident) for ident in self._keys}
        known |= {_item(*at) for at in self._stores}
        self._install(snapshots.read_all(base, self._sealing, known), value)

    def _install(self, found: snapshots.Snapshot, value: int) -> None:
        for store in found.stores.values():
            self._prepare(store)
        for kind, name in found.touched:
            if kind == "logstore":
                project, _, store_name = name.partition("/")
                before, after = self._stores.get((project, store_name)), found.stores.get(name)
                _put(self._stores, (project, store_name), after)
                if before is not None and _keeps_less(before, after):
                    self._kept_shorter(before)
            elif kind == "project":
                _put(self._projects, name, found.projects.get(name))
            else:
                _put(self._keys, name, found.keys.get(name))
        self._revision = value

    def _prepare(self, store: contract.Logstore) -> None:
        """Called before a Logstore with new shards is seen by anybody."""

    def _kept_shorter(self, store: contract.Logstore) -> None:
        """Called when log groups of a Logstore, as it was, are to go earlier than was known."""

    def _seal_plain_secrets(self) -> None:
        with self._transaction() as base:
            rows = base.execute(
                sa.select(tables.ACCESS_KEY.c.ident, tables.ACCESS_KEY.c.secret)
            ).all()
        plain = [ident for ident, secret in rows if not sealing.is_sealed(secret)]
        for ident in plain:  # of the first format
            self.add_key(self._keys[ident])
        if plain:
            self._forget_erased()

    def _forget_erased(self) -> None:
        # What was overwritten or deleted is still in free pages and in the write-ahead log.
        connection = self._engine.raw_connection()
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()


def _put(kept: dict[_K, _V], at: _K, value: _V | None) -> None:
    if value is None:
        kept.pop(at, None)
    else:
        kept[at] = value


def _keeps_less(before: contract.Logstore, after: contract.Logstore | None) -> bool:
    if after is None or after.ident != before.ident or after.ttl_days < before.ttl_days:
        return True
    left = {each.number for each in after.shards}
    return any(each.number not in left for each in before.shards)


def _item(project: str, name: str) -> snapshots.Item:
    return "logstore", f"{project}/{name}"


def _of_project(table: sa.Table, name: str) -> sa.Delete:
    return sa.delete(table).where(table.c.project == name)


def _shards(store: contract.Logstore, numbers: Sequence[int]) -> tuple[Any, ...]:
    return tables.SHARD.c.store == store.ident, tables.SHARD.c.number.in_(numbers)


def _insert_shards(
    change: Change,
    store: int,
    ranges: Sequence[tuple[int, int]],
    *,
    number: int,
    parents: Sequence[int],
) -> None:
    rows = [
        {
            "store": store,
            "number": number + place,
            "begin_key": f"{begin:032x}",
            "end_key": f"{end:033x}",
            "created": change.seconds,
            "first_sequence": change.now,
            "parents": " ".join(map(str, parents)),
        }
        for place, (begin, end) in enumerate(ranges)
    ]
    change.base.execute(sa.insert(tables.SHARD), rows)


def _delete_store(change: Change, store: contract.Logstore) -> None:
    for table in (tables.SHARD, tables.CHECKPOINT, tables.TICKET, tables.MEMBERS):
        change.base.execute(sa.delete(table).where(table.c.store == store.ident))
    documents_of = tables.DOCUMENT.c
    groups = documents_of.kind == store.consumer_groups
    tags = (documents_of.kind == contract.TAGS) & (
        documents_of.name == f"{store.project}#{store.name}"
    )
    own = sa.delete(tables.DOCUMENT).where(documents_of.project == store.project, groups | tags)
    change.base.execute(own)
    change.base.execute(sa.delete(tables.LOGSTORE).where(tables.LOGSTORE.c.ident == store.ident))
    change.touched.add(_item(store.project, store.name))
