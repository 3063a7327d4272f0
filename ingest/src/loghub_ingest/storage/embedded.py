"""The storage of one machine: metadata, the segment log, and where each log group lies in it.

The index in memory holds some 40 bytes per log group; it is rebuilt at start from the segments.
A directory belongs to one process: a lock file keeps a second one out.
"""

import array
import fcntl
import logging
import os
import pathlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

import lz4.block

from loghub_ingest.storage import committer, contract, metadata, records, segments

_log = logging.getLogger(__name__)

_DAY: Final = 86_400 * 1_000_000_000
_FOR_EVER_DAYS: Final = 3650


class InUseError(Exception):
    """Another process has the directory open."""


class _Rows:
    """The entries of one shard, as columns; the sequence of row 0 is `first`."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.received = array.array("q")
        self.numbers = tuple(array.array("Q") for _ in range(7))

    def add(self, found: segments.Found) -> None:
        head = found.head
        values = (
            head.raw_size,
            head.logs,
            head.min_time,
            head.max_time,
            found.segment,
            found.offset,
            found.length,
        )
        for column, value in zip(self.numbers, values, strict=True):
            column.append(value)
        self.received.append(head.received)  # last: its length is what readers go by

    def entry(self, row: int) -> contract.Entry:
        raw_size, logs, low, high, segment, offset, length = (each[row] for each in self.numbers)
        return contract.Entry(
            self.first + row, self.received[row], raw_size, logs, low, high, segment, offset, length
        )

    def next(self) -> int:
        return self.first + len(self.received)

    def without_first(self, count: int) -> "_Rows":
        kept = _Rows(self.first + count)
        kept.received = self.received[count:]
        kept.numbers = tuple(each[count:] for each in self.numbers)
        return kept


class Embedded(metadata.Metadata):
    """LogStorage on one directory."""

    def __init__(self, directory: pathlib.Path, key_file: pathlib.Path | None = None) -> None:
        """Open or create it; secrets are sealed under `key_file`, by default one inside.

        Raises:
            InUseError, metadata.NewerFormatError, OSError: it cannot be used; says why.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._lock_file = _lock(directory)
        super().__init__(directory / "metadata.sqlite", key_file or directory / "secrets.key")
        self._segments = segments.Segments(directory / "segments")
        self._rows: dict[tuple[int, int], _Rows] = {}
        self._index_lock = threading.Lock()
        self.damaged_reads = 0
        self._recover()
        self._committer = committer.Committer(self._segments, directory, self._number, self._stored)

    def close(self) -> None:
        """Write what waits, then close everything."""
        self._committer.close()
        self._segments.close()
        super().close()
        os.close(self._lock_file)

    @property
    def alive(self) -> bool:
        """Whether writes are taken to the disk."""
        return self._committer.alive

    @property
    def syncs(self) -> int:
        """How often the log was synced."""
        return self._committer.syncs

    def _prepare(self, store: contract.Logstore) -> None:
        # Without the lock: it is taken before metadata's in `trim`, after it here.
        for shard in store.shards:
            self._rows.setdefault((store.ident, shard.number), _Rows(shard.first_sequence))

    async def append(self, group: contract.NewGroup) -> int:
        """Append and make durable; returns the sequence.

        Raises:
            StorageFullError: nothing was written.
        """
        return await self._committer.append(group)

    def span(self, store: contract.Logstore, shard: contract.Shard) -> tuple[int, int]:
        """The sequences [first, next) that can be read."""
        rows = self._rows_of(store.ident, shard)
        return rows.first + self._expired(store, rows), rows.next()

    def sequence_at(self, store: contract.Logstore, shard: contract.Shard, received: int) -> int:
        """The first sequence received at or after a time (nanoseconds), or the end."""
        first, end = self.span(store, shard)
        rows = self._rows_of(store.ident, shard)
        for sequence in range(first, end):
            if rows.received[sequence - rows.first] >= received:
                return sequence
        return end

    def entries(
        self, store: contract.Logstore, shard: contract.Shard, first: int, count: int
    ) -> Sequence[contract.Entry]:
        """Up to `count` entries from sequence `first` on."""
        rows = self._rows_of(store.ident, shard)
        begin, end = self.span(store, shard)
        wanted = range(max(first, begin), min(first + count, end))
        return [rows.entry(sequence - rows.first) for sequence in wanted]

    def overlapping(
        self, store: contract.Logstore, begin: int, end: int
    ) -> Iterator[contract.Entry]:
        """Entries of all shards with a log in [begin, end) (unix seconds)."""
        for shard in store.shards:
            rows = self._rows_of(store.ident, shard)
            lows, highs = rows.numbers[2], rows.numbers[3]
            for row in range(self._expired(store, rows), len(rows.received)):
                if lows[row] < end and highs[row] >= begin:
                    yield rows.entry(row)

    def read(self, entry: contract.Entry) -> bytes | None:
        """The raw log group, or None where its bytes are damaged."""
        try:
            data = self._segments.read(entry.segment, entry.offset, entry.length)
        except FileNotFoundError:  # retention took it since the entry was found
            return None
        unpacked = records.unpack(data)
        if unpacked is None:
            self.damaged_reads += 1
            place = {"segment": entry.segment, "offset": entry.offset, "bytes": entry.length}
            _log.error("a stored log group is damaged and passed over", extra=place)
            return None
        return bytes(lz4.block.decompress(unpacked[1], uncompressed_size=entry.raw_size))

    def trim(self, now: int) -> int:
        """Drop whole segments in which nothing is kept any more; returns how many.

        `now` is in nanoseconds.
        """
        kept = {self._segments.current}
        stores = {store.ident: store for store in self.all_logstores()}
        with self._index_lock:
            for (ident, number), rows in list(self._rows.items()):
                store = stores.get(ident)
                if store is None:
                    del self._rows[ident, number]
                    continue
                expired = _count_expired(store, rows, now)
                kept.update(rows.numbers[4][expired:])
        dropped = {each for each in self._segments.numbers() if each not in kept}
        with self._index_lock:
            for (ident, number), rows in list(self._rows.items()):
                # Rows are in the order of segments: all up to the last dropped one have expired.
                last = max(
                    (row for row, at in enumerate(rows.numbers[4]) if at in dropped), default=-1
                )
                if last >= 0:
                    trimmed = rows.without_first(last + 1)
                    self.raise_first_sequence(ident, number, trimmed.first)
                    self._rows[ident, number] = trimmed
        for segment in dropped:
            self._segments.drop(segment)
        return len(dropped)

    def _expired(self, store: contract.Logstore, rows: _Rows) -> int:
        return _count_expired(store, rows, time.time_ns())

    def _rows_of(self, store: int, shard: contract.Shard) -> _Rows:
        rows = self._rows.get((store, shard.number))
        if rows is None:
            with self._index_lock:
                rows = self._rows.setdefault((store, shard.number), _Rows(shard.first_sequence))
        return rows

    def _number(self, store: int, shard: int) -> int:
        # Deleted while the write waited: what is written then goes with the Logstore.
        rows = self._rows.get((store, shard))
        return 0 if rows is None else rows.next()

    def _stored(self, found: segments.Found) -> None:
        with self._index_lock:
            rows = self._rows.get((found.head.store, found.head.shard))
            if rows is not None:
                rows.add(found)

    def _recover(self) -> None:
        started = time.monotonic()
        known = {store.ident: store for store in self.all_logstores()}
        for store in known.values():
            for shard in store.shards:
                self._rows_of(store.ident, shard)
        groups = 0
        for found in self._segments.recover():
            rows = self._rows.get((found.head.store, found.head.shard))
            if rows is None:
                continue  # its Logstore was deleted
            if not len(rows.received):
                rows.first = found.head.sequence
            if found.head.sequence == rows.next():
                rows.add(found)
                groups += 1
                continue
            self._fill_gap(rows, found)
            groups += 1
        took = round(time.monotonic() - started, 3)
        _log.info("the log is open", extra={"groups": groups, "seconds": took})

    @staticmethod
    def _fill_gap(rows: _Rows, found: segments.Found) -> None:
        # Damage swallowed records in between. Sequences must stay consecutive, so their places are
        # held by entries of length 0, which read as damaged.
        while rows.next() < found.head.sequence:
            head = records.Head(
                store=found.head.store,
                sequence=rows.next(),
                received=found.head.received,
                shard=found.head.shard,
                logs=0,
                min_time=1,
                max_time=0,
                raw_size=0,
            )
            rows.add(segments.Found(head, found.segment, found.offset, 0))
        rows.add(found)


def _count_expired(store: contract.Logstore, rows: _Rows, now: int) -> int:
    if store.ttl_days >= _FOR_EVER_DAYS:
        return 0
    oldest = now - store.ttl_days * _DAY
    low, high = 0, len(rows.received)
    while low < high:
        middle = (low + high) // 2
        if rows.received[middle] < oldest:
            low = middle + 1
        else:
            high = middle
    return low


def _lock(directory: pathlib.Path) -> int:
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(handle)
        raise InUseError(f"{directory} is in use by another process") from fault
    return handle
