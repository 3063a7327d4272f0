"""The storage of one machine: metadata, the segment log, and where each log group lies in it.

Memory holds the places of the open segment's log groups, and one run per shard and closed segment
(`places`); a start reads the closed segments' indexes and walks the newest segment only. A
directory belongs to one process: a lock file keeps a second one out.
"""

import contextlib
import fcntl
import logging
import os
import pathlib
import time
from collections.abc import Iterator, Sequence

import lz4.block

from loghub_ingest.storage import (
    committer,
    contract,
    indexes,
    metadata,
    places,
    records,
    segments,
)

_log = logging.getLogger(__name__)


class InUseError(Exception):
    """Another process has the directory open."""


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
        self._segments = segments.Segments(directory / "segments", self._closed)
        self._places: dict[tuple[int, int], places.Places] = {}
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
        for shard in store.shards:
            self._places_of(store.ident, shard)

    async def append(self, group: contract.NewGroup) -> int:
        """Append and make durable; returns the sequence.

        Raises:
            StorageFullError: nothing was written.
        """
        return await self._committer.append(group)

    def span(self, store: contract.Logstore, shard: contract.Shard) -> tuple[int, int]:
        """The sequences [first, next) that can be read."""
        found = self._places_of(store.ident, shard)
        return self._first_kept(store, found, time.time_ns()), found.next

    def sequence_at(self, store: contract.Logstore, shard: contract.Shard, received: int) -> int:
        """The first sequence received at or after a time (nanoseconds), or the end."""
        first, end = self.span(store, shard)
        found = self._places_of(store.ident, shard).received_at(received)
        return min(max(found, first), end)

    def entries(
        self, store: contract.Logstore, shard: contract.Shard, first: int, count: int
    ) -> Sequence[contract.Entry]:
        """Up to `count` entries from sequence `first` on."""
        begin, end = self.span(store, shard)
        at = max(first, begin)
        return list(self._places_of(store.ident, shard).entries(at, min(first + count, end) - at))

    def overlapping(
        self, store: contract.Logstore, begin: int, end: int
    ) -> Iterator[contract.Entry]:
        """Entries of all shards with a log in [begin, end) (unix seconds)."""
        for shard in store.shards:
            found = self._places_of(store.ident, shard)
            first = self._first_kept(store, found, time.time_ns())
            yield from found.overlapping(first, begin, end)

    def read(self, entry: contract.Entry) -> bytes | None:
        """The raw log group, or None where its bytes are damaged."""
        block = self.block(entry)
        if block is None:
            return None
        return bytes(lz4.block.decompress(block, uncompressed_size=entry.raw_size))

    def block(self, entry: contract.Entry) -> bytes | None:
        """The log group as it lies there, an LZ4 block, or None where its bytes are damaged."""
        try:
            data = self._segments.read(entry.segment, entry.offset, entry.length)
        except FileNotFoundError:  # retention took it since the entry was found
            return None
        unpacked = records.unpack(data)
        # The head is compared too: no damage of an index may lead to another shard's bytes.
        if unpacked is None or not _is(unpacked[0], entry):
            self.damaged_reads += 1
            place = {"segment": entry.segment, "offset": entry.offset, "bytes": entry.length}
            _log.error("a stored log group is damaged and passed over", extra=place)
            return None
        return unpacked[1]

    def trim(self, now: int) -> int:
        """Drop whole segments in which nothing is kept any more; returns how many.

        `now` is in nanoseconds.
        """
        kept = {self._segments.current}
        with self._lock:  # new shards get their places and are seen under it: both or neither
            stores = {
                (store.ident, shard.number): store
                for store in self.all_logstores()
                for shard in store.shards
            }
            present = list(self._places.items())
        for place, found in present:
            store = stores.get(place)
            if store is None:
                del self._places[place]
                continue
            kept |= found.segments(_oldest(store, now))
        dropped = {each for each in self._segments.numbers() if each not in kept}
        for (ident, number), found in list(self._places.items()):
            if found.drop(dropped):
                self.raise_first_sequence(ident, number, found.begin)
        for segment in dropped:
            self._segments.drop(segment)
        return len(dropped)

    def _first_kept(self, store: contract.Logstore, found: places.Places, now: int) -> int:
        oldest = _oldest(store, now)
        return max(found.begin, found.received_at(oldest)) if oldest else found.begin

    def _places_of(self, store: int, shard: contract.Shard) -> places.Places:
        found = self._places.get((store, shard.number))
        if found is None:
            made = places.Places(shard.first_sequence, self._segments.index)
            found = self._places.setdefault((store, shard.number), made)
        return found

    def _number(self, store: int, shard: int) -> int:
        # Deleted while the write waited: what is written then goes with the Logstore.
        found = self._places.get((store, shard))
        return 0 if found is None else found.next

    def _stored(self, found: segments.Found) -> None:
        known = self._places.get((found.head.store, found.head.shard))
        if known is not None:  # else its Logstore was deleted
            known.add(found.head, found.segment, found.offset, found.length)

    def _closed(self, segment: int, covered: int) -> None:
        """Index a segment that is not written to any more; on the thread that writes."""
        path = self._segments.index(segment)
        listed = [(*place, found.open_entries()) for place, found in list(self._places.items())]
        indexes.write(path, covered, (each for each in listed if each[2]))
        runs = indexes.load(path, segment, covered)
        if runs is None:
            raise OSError(f"{path} is not what was written to it")
        self._take_runs(runs)

    def _take_runs(self, runs: list[indexes.Run]) -> None:
        by_shard: dict[tuple[int, int], list[indexes.Run]] = {}
        for run in runs:
            by_shard.setdefault((run.store, run.shard), []).append(run)
        for place, own in by_shard.items():
            if place in self._places:
                self._places[place].close(own)

    def _recover(self) -> None:
        started = time.monotonic()
        for store in self.all_logstores():
            self._prepare(store)
        numbers, walked = self._segments.numbers(), 0
        indexed: list[indexes.Run] = []
        for number in numbers:
            newest = number == numbers[-1]
            covered = self._segments.path(number).stat().st_size
            runs = indexes.load(self._segments.index(number), number, covered)
            if runs is not None and not newest:
                indexed += runs
                continue
            # All at once: handed over segment by segment, each shard's runs would be copied anew.
            self._take_runs(indexed)
            indexed = []
            walked += 1
            for found in self._segments.walk(number, newest=newest):
                self._stored(found)
            if not newest:
                self._closed(number, covered)
        self._segments.resume()
        took = round(time.monotonic() - started, 3)
        known = {"segments": len(numbers), "walked": walked, "seconds": took}
        _log.info("the log is open", extra=known)


def _is(head: records.Head, entry: contract.Entry) -> bool:
    return (head.sequence, head.received) == (entry.sequence, entry.received)


def _oldest(store: contract.Logstore, now: int) -> int:
    """When the oldest log group that is kept was received; 0 keeps everything."""
    if store.ttl_days >= contract.FOR_EVER_DAYS:
        return 0
    return now - store.ttl_days * contract.DAY


@contextlib.contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
    """Keep every other process out of a data directory.

    Raises:
        InUseError: another one is in it.
    """
    handle = _lock(directory)
    try:
        yield
    finally:
        os.close(handle)


def _lock(directory: pathlib.Path) -> int:
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(handle)
        raise InUseError(f"{directory} is in use by another process") from fault
    return handle
