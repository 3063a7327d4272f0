"""The storage of many replicas: log groups on Kafka, names in PostgreSQL, nothing in the process.

A sequence is the shard's first one plus the record's offset, so a cursor of a Logstore that was
deleted is before everything of the next one of its name.

A split is fenced by the catalogue, not by clocks. It is committed there first; then whoever needs
the end of a sealed shard reads the partition's end and commits it, the first one for everybody. A
write is acknowledged only when the catalogue was asked again after it was on all in-sync replicas:
if the shard was still open then, its record lies before any end that can be read later; if not, it
counts where it lies before the end, and goes to another shard where it does not. Readers see
nothing beyond the end, so nothing acknowledged is lost and nothing is there twice.
"""

import asyncio
import logging
import pathlib
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import lz4.block
import sqlalchemy as sa

from loghub_ingest.catalogue import database, replicas
from loghub_ingest.kafka import address, fetching, frames, producing, topics, transacting
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

MOST_READ_BYTES: Final = 12 * 1024 * 1024
"""Of one read of entries: a little more than an answer to PullLogs holds."""

MOST_SEARCHED_BYTES: Final = 1024 * 1024 * 1024
"""Of stored records that one search looks at; beyond, a narrower time is asked for."""

SEARCH_BEFORE_SECONDS: Final = 900
"""A search looks at records received from so long before its time on: clocks are that far off."""

SEARCH_AFTER_SECONDS: Final = 86_400
"""And to so long after it: agents that were cut off deliver what they have when they are back."""

_SETTLED_SECONDS: Final = 3.0
"""How long a reader waits for open transactions."""

_ABORTED_SECONDS: Final = 30.0
"""How long brokers take at most to abort one whose replica has died, and to look for it."""

_LOOK_SECONDS: Final = 0.005

_RETENTION_SECONDS: Final = 30
"""How long the offset is believed at which retention begins."""

_MILLION: Final = 1_000_000
_SECOND: Final = 1_000_000_000

_Place = tuple[int, int]


class KafkaStorage(replicas.Replica):
    """LogStorage on brokers and a PostgreSQL."""

    def __init__(self, where: address.Address, key_file: pathlib.Path) -> None:
        """Connect; secrets are sealed under `key_file`, the same for all replicas.

        Raises:
            database.NewerFormatError, contract.UnavailableError, OSError: it cannot be used.
        """
        self._names: dict[int, tuple[str, str]] = {}
        self._kept: dict[_Place, tuple[int, int, int]] = {}
        super().__init__(database.postgresql_engine(where.catalogue), key_file)
        self._topics = topics.Topics(where)
        self._fetcher = fetching.Fetcher(where)
        self._ends = fetching.Fetcher(where, isolation="read_uncommitted")
        self._appender = producing.Appender(where)
        self.transactor = transacting.Transactor(where)

    def close(self) -> None:
        """Send what waits, then close everything."""
        self._appender.close()
        self._fetcher.close()
        self._ends.close()
        super().close()

    @property
    def alive(self) -> bool:
        """Whether writes are taken to the brokers."""
        return self._appender.alive

    @property
    def waiting(self) -> int:
        """Records that wait for brokers."""
        return self._appender.waiting

    def _prepare(self, store: contract.Logstore) -> None:
        self._names[store.ident] = (store.project, store.name)

    def _by_ident(self, ident: int) -> contract.Logstore | None:
        found = self._stores.get(self._names.get(ident, ("", "")))
        return found if found is not None and found.ident == ident else None

    def create_logstore(self, project: str, name: str, document: dict[str, Any]) -> bool:
        """Add one; False where the name is taken, or the project is gone."""
        self.catch_up_now()
        if project not in self._projects or (project, name) in self._stores:
            return False
        with self._transaction() as base:
            counter = sa.func.pg_get_serial_sequence("logstore", "ident")
            ident = int(base.execute(sa.select(sa.func.nextval(counter))).scalar_one())
        # The topic first: a Logstore that is seen can be written to.
        self._topics.make(ident, int(document["shardCount"]), int(document["ttl"]))
        if self._add_logstore(project, name, document, {"ident": ident}):
            return True
        self._topics.delete(ident)
        return False

    def update_logstore(self, store: contract.Logstore, document: dict[str, Any]) -> bool:
        """Replace its document; False where it is gone."""
        if not super().update_logstore(store, document):
            return False
        if document["ttl"] != store.document["ttl"]:
            self._kept.clear()
            self._topics.retain(store.ident, int(document["ttl"]))
        return True

    def delete_logstore(self, store: contract.Logstore) -> None:
        """Remove it with what belongs to it."""
        super().delete_logstore(store)
        self._topics.delete(store.ident)

    def delete_project(self, name: str) -> None:
        """Remove it with its Logstores, its documents and its keys."""
        self.catch_up_now()
        stores = self.logstores(name)
        super().delete_project(name)
        for store in stores:
            self._topics.delete(store.ident)

    def replace_shards(
        self,
        store: contract.Logstore,
        sealed: Sequence[int],
        ranges: Sequence[tuple[int, int]],
    ) -> contract.Logstore | None:
        """Make the shards `sealed` read-only and let new ones take `ranges`; the Logstore then."""
        self.catch_up_now()
        current = self._same(store)
        if current is None:
            return None
        # Partitions first: a shard that is seen can be written to. The shard of the highest number
        # is always there, since only sealed ones are deleted and what seals it has a higher one.
        self._topics.grow(store.ident, current.shards[-1].number + 1 + len(ranges))
        changed = super().replace_shards(store, sealed, ranges)
        if changed is not None and changed.shards[-1].number > current.shards[-1].number:
            self._topics.grow(store.ident, changed.shards[-1].number + 1)
        return changed

    def delete_shards(self, store: contract.Logstore, numbers: Sequence[int]) -> None:
        """Remove read-only shards with their data."""
        sealed = {each.number for each in store.shards if each.sealed}
        super().delete_shards(store, numbers)
        gone = sorted(sealed & set(numbers))
        if gone:
            self._topics.empty(store.ident, gone)

    async def append(self, group: contract.NewGroup) -> int:
        """Append to all in-sync replicas; returns the sequence.

        Raises:
            StorageFullError: it was not acknowledged.
            ShardSealedError: the shard takes nothing any more.
            UnavailableError: the catalogue cannot be asked whether it does.
        """
        topic = self._topics.name(group.store)
        offset = await self._appender.send(topic, group.shard, group)
        await self.catch_up()
        return await self.sequence_of(group, offset)

    async def sequence_of(self, group: contract.NewGroup, offset: int) -> int:
        """The sequence of a durable record; to be asked after `catch_up`, for it to count.

        Raises:
            ShardSealedError: it lies where nobody sees it.
        """
        store = self._by_ident(group.store)
        shard = None if store is None else _shard(store, group.shard)
        if store is None or shard is None:
            raise contract.ShardSealedError
        if shard.sealed:
            end = await asyncio.to_thread(self._end_of, store, shard)
            if shard.first_sequence + offset >= end:
                raise contract.ShardSealedError
        return shard.first_sequence + offset

    def record(self, group: contract.NewGroup) -> tuple[str, int, contract.NewGroup]:
        """Topic and partition of a group that is placed, and itself."""
        return self._topics.name(group.store), group.shard, group

    def end_now(self, store: int, shard: int) -> int:
        """The sequence before which everything lies that was sent until now."""
        current = self._by_ident(store)
        place = None if current is None else _shard(current, shard)
        if place is None:
            raise contract.StorageFullError("the Logstore or its shard is gone")
        _, high = self._ends.span(self._topics.name(store), shard)
        return place.first_sequence + high

    def ends(self, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The next offsets of shards, by Logstore and number; of those that the brokers have."""
        return self._topics.ends(places)

    def settle_shard(self, store: contract.Logstore, shard: contract.Shard) -> None:
        """Wait until all that a shard holds now can be read.

        Raises:
            UnavailableError: a transaction stays open; it is aborted before long.
        """
        _, high, whole = self._settled(store, shard, _ABORTED_SECONDS)
        if high < whole:
            raise contract.UnavailableError("a transaction before it is still open")

    def span(self, store: contract.Logstore, shard: contract.Shard) -> tuple[int, int]:
        """The sequences [first, next) that can be read."""
        first, end = self._offsets(store, shard)
        return shard.first_sequence + first, shard.first_sequence + end

    def sequence_at(self, store: contract.Logstore, shard: contract.Shard, received: int) -> int:
        """The first sequence received at or after a time (nanoseconds), or the end."""
        first, end = self._offsets(store, shard)
        # Brokers keep milliseconds: the first that is not before the time.
        moment = min(max(0, -(-received // _MILLION)), 2**53)
        found = self._fetcher.at(self._topics.name(store.ident), shard.number, moment)
        return shard.first_sequence + (end if found is None else min(max(found, first), end))

    def entries(
        self, store: contract.Logstore, shard: contract.Shard, first: int, count: int
    ) -> Sequence[contract.Entry]:
        """Up to `count` entries from sequence `first` on, with their blocks."""
        low, high = self._offsets(store, shard)
        at = first - shard.first_sequence
        begin, end = max(at, low), min(at + count, high)
        return self._read(store, shard, (begin, end), keep=True) if begin < end else []

    def overlapping(
        self, store: contract.Logstore, begin: int, end: int
    ) -> Iterator[contract.Entry]:
        """Entries of all shards with a log in [begin, end) (unix seconds).

        Those received in a wider span of time are looked at: SEARCH_BEFORE_SECONDS before it and
        SEARCH_AFTER_SECONDS after.

        Raises:
            TooMuchError: that are more than MOST_SEARCHED_BYTES.
        """
        left = MOST_SEARCHED_BYTES
        for shard in store.shards:
            at = self.sequence_at(store, shard, (begin - SEARCH_BEFORE_SECONDS) * _SECOND)
            until = self.sequence_at(store, shard, (end + SEARCH_AFTER_SECONDS) * _SECOND)
            base = shard.first_sequence
            while at < until:
                found = self._read(store, shard, (at - base, until - base), keep=False)
                for entry in found:
                    left -= entry.length
                    if entry.length and entry.min_time < end and entry.max_time >= begin:
                        yield entry
                if left < 0:
                    raise contract.TooMuchError(
                        f"Logstore {store.name} has more than {MOST_SEARCHED_BYTES >> 20} MiB of "
                        "stored logs around that time; ask for a shorter one."
                    )
                at = found[-1].sequence + 1

    def read(self, entry: contract.Entry) -> bytes | None:
        """The raw log group, or None where there is none."""
        block = self.block(entry)
        if block is None:
            return None
        return bytes(lz4.block.decompress(block, uncompressed_size=entry.raw_size))

    def block(self, entry: contract.Entry) -> bytes | None:
        """The log group as an LZ4 block, or None where there is none."""
        if isinstance(entry, frames.Fetched) and entry.carried is not None:
            return entry.carried
        if not entry.length:
            return None
        ident, number = frames.place(entry)
        span = (entry.offset, entry.offset + 1)
        found = self._fetcher.read(self._topics.name(ident), number, span, most_bytes=1)
        return bytes(found[0].value() or b"") or None if found else None  # retention took it

    def bloom(self, entry: contract.Entry) -> bytes | None:  # noqa: ARG002 - of the contract
        """None: there are no filters beside the records."""
        return None

    def trim(self) -> None:
        """Delete topics of Logstores that are gone, and give a topic the partitions it lacks.

        What a replica that died left undone. A topic is younger than its Logstore for a moment, so
        only idents are judged that the catalogue has gone past.
        """
        there = self._topics.idents()
        self.catch_up_now()
        stores = {store.ident: store for store in self.all_logstores()}
        newest = max(stores, default=0)
        for ident, partitions in there.items():
            store = stores.get(ident)
            if store is not None and partitions <= store.shards[-1].number:
                self._topics.grow(ident, store.shards[-1].number + 1)
            elif store is None and ident < newest - _IDENTS_UNDER_WAY:
                self._topics.delete(ident)
                _log.info("a topic without a Logstore was deleted", extra={"ident": ident})

    def _read(
        self,
        store: contract.Logstore,
        shard: contract.Shard,
        span: tuple[int, int],
        *,
        keep: bool,
    ) -> list[frames.Fetched]:
        topic, place = self._topics.name(store.ident), (store.ident, shard.number)
        base, after = shard.first_sequence, span[0]
        records = self._fetcher.read(topic, shard.number, span, most_bytes=MOST_READ_BYTES)
        found: list[frames.Fetched] = []
        size = 0
        for record in records:
            entry = frames.entry(record, place, base, keep=keep)
            found += [frames.missing(place, base, gap) for gap in range(after, entry.offset)]
            found.append(entry)
            after, size = entry.offset + 1, size + entry.length
        if size < MOST_READ_BYTES:  # all of the span was read: what is left of it is a gap
            found += [frames.missing(place, base, gap) for gap in range(after, span[1])]
        return found

    def _offsets(self, store: contract.Logstore, shard: contract.Shard) -> tuple[int, int]:
        first, end, _ = self._settled(store, shard, _SETTLED_SECONDS)
        if shard.sealed:
            end = min(end, max(0, self._end_of(store, shard) - shard.first_sequence))
        if store.ttl_days < contract.FOR_EVER_DAYS:
            first = max(first, self._first_kept(store, shard, end))
        return min(first, end), end

    def _settled(
        self, store: contract.Logstore, shard: contract.Shard, seconds: float
    ) -> tuple[int, int, int]:
        """The offsets [first, next) that can be read, and the next one of all.

        A transaction that is open hides what comes after it, acknowledged or not, so it is waited
        for: it takes milliseconds, unless its replica has died.
        """
        topic, deadline = self._topics.name(store.ident), time.monotonic() + seconds
        _, whole = self._ends.span(topic, shard.number)
        while True:
            first, end = self._fetcher.span(topic, shard.number)
            if end >= whole or time.monotonic() > deadline:
                return first, end, whole
            time.sleep(_LOOK_SECONDS)

    def _first_kept(self, store: contract.Logstore, shard: contract.Shard, end: int) -> int:
        now = time.time_ns()
        asked, days, first = self._kept.get((store.ident, shard.number), (0, 0, 0))
        if days == store.ttl_days and abs(now - asked) < _RETENTION_SECONDS * _SECOND:
            return first
        oldest = (now - store.ttl_days * contract.DAY) // _MILLION
        found = self._fetcher.at(self._topics.name(store.ident), shard.number, oldest)
        first = end if found is None else found
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[store.ident, shard.number] = (now, store.ttl_days, first)
        return first

    def _end_of(self, store: contract.Logstore, shard: contract.Shard) -> int:
        if shard.end_sequence is not None:
            return shard.end_sequence
        # Read after the seal was committed: whatever was acknowledged before lies before it.
        # Transactions that are still open make no difference: the end is that of all records.
        _, high = self._ends.span(self._topics.name(store.ident), shard.number)
        end = self.fix_end(store, shard.number, shard.first_sequence + high)
        if end is None:
            raise contract.ShardSealedError
        return end


_MOST_KEPT: Final = 100_000
"""Partitions whose retention is remembered."""

_IDENTS_UNDER_WAY: Final = 1000
"""More Logstores than are ever being created at once."""


def _shard(store: contract.Logstore, number: int) -> contract.Shard | None:
    return next((each for each in store.shards if each.number == number), None)
