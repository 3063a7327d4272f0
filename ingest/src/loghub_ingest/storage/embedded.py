"""The storage of one machine: the catalogue, the segment log, and where each log group lies in it.

Memory holds the places of the open segment's log groups, and one run per shard and closed segment
(`places`); a start reads the closed segments' indexes and walks the newest segment only. Closed
segments are packed when they are old (`packing`). A directory belongs to one process: a lock file
keeps a second one out.
"""

import contextlib
import dataclasses
import fcntl
import logging
import os
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import lz4.block

from loghub_ingest.catalogue import database, names
from loghub_ingest.storage import (
    checking,
    committer,
    contract,
    copying,
    indexes,
    packing,
    packs,
    places,
    records,
    retention,
    segments,
)
from loghub_ingest.storage.runs import Run

_log = logging.getLogger(__name__)


LOG_KEPT_SECONDS: Final = 600.0
"""How long a log stays beside its pack; no request takes nearly as long."""


class InUseError(Exception):
    """Another process has the directory open."""


class Embedded(names.Names):
    """LogStorage on one directory."""

    def __init__(self, directory: pathlib.Path, key_file: pathlib.Path | None = None) -> None:
        """Open or create it; secrets are sealed under `key_file`, by default one inside.

        Raises:
            InUseError, database.NewerFormatError, OSError: it cannot be used; says why.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._lock_file = _lock(directory)
        self._segments = segments.Segments(directory / copying.SEGMENTS, self._closed)
        self._packs = packs.Reader(self._segments.pack)
        self._places: dict[tuple[int, int], places.Places] = {}
        self._schedule = retention.Schedule()
        engine = database.sqlite_engine(directory / copying.METADATA)
        super().__init__(engine, key_file or directory / "secrets.key")
        self._closing = False
        self._unpackable: set[int] = set()
        self._packed: dict[int, float] = {}
        self.damaged_reads = 0
        self._recover()
        self._committer = committer.Committer(self._segments, directory, self._number, self._stored)

    def close(self) -> None:
        """Write what waits, then close everything."""
        self.stop_packing()
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

    async def catch_up(self) -> None:
        """Nothing: a directory has one process."""

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
        if entry.within >= 0:
            return self._unpacked(entry)
        block = self.block(entry)
        if block is None:
            return None
        return bytes(lz4.block.decompress(block, uncompressed_size=entry.raw_size))

    def block(self, entry: contract.Entry) -> bytes | None:
        """The log group as an LZ4 block, or None where its bytes are damaged."""
        if entry.within >= 0:
            raw = self._unpacked(entry)
            return None if raw is None else bytes(lz4.block.compress(raw, store_size=False))
        try:
            data = self._segments.read(entry.segment, entry.offset, entry.length)
        except FileNotFoundError:  # retention took it since the entry was found
            return None
        unpacked = records.unpack(data)
        # The head is compared too: no damage of an index may lead to another shard's bytes.
        if unpacked is None or not _is(unpacked[0], entry):
            self._report(entry)
            return None
        return unpacked[1]

    def bloom(self, entry: contract.Entry) -> bytes | None:
        """The filter of the words of a packed log group and its neighbours."""
        if entry.within < 0:
            return None
        with contextlib.suppress(FileNotFoundError):
            return self._packs.bloom(entry)
        return None

    def _unpacked(self, entry: contract.Entry) -> bytes | None:
        try:
            found = self._packs.group(entry)
        except FileNotFoundError:  # retention took it since the entry was found
            return None
        if found is None:
            self._report(entry)
        return found

    def _report(self, entry: contract.Entry) -> None:
        self.damaged_reads += 1
        place = {"segment": entry.segment, "offset": entry.offset, "bytes": entry.length}
        _log.error("a stored log group is damaged and passed over", extra=place)

    def stop_packing(self) -> None:
        """Have a running `pack` give up soon; nothing more is packed."""
        self._closing = True

    def segment_counts(self) -> tuple[int, int]:
        """How many segments there are, and how many of them are packed."""
        numbers = self._segments.numbers()
        return len(numbers), sum(self._segments.pack(each).exists() for each in numbers)

    def pack(self, before: float, *, most_bytes: int) -> int:
        """Pack closed segments, oldest first; returns how many.

        A log goes some minutes after its pack is there: whoever found a log group in it before
        still reads it.

        Args:
            before: those last written to before that time (unix seconds).
            most_bytes: and more, until the logs are no larger together.

        Raises:
            OSError: the disk refuses; what is not packed is as it was.
        """
        self._drop_packed_logs()
        waiting = [each for each in self._segments.numbers() if self._may_pack(each)]
        sizes = {each: self._segments.path(each).stat().st_size for each in waiting}
        left, count = sum(sizes.values()), 0
        for number in waiting:
            old = self._segments.path(number).stat().st_mtime < before
            if not (old or left > most_bytes) or self._closing:
                break
            left -= sizes[number]
            count += self._pack(number)
        return count

    def _may_pack(self, number: int) -> bool:
        if number == self._segments.current or number in self._unpackable:
            return False
        return not self._segments.pack(number).exists()

    def _pack(self, number: int) -> bool:
        path = self._segments.path(number)
        runs = indexes.load(self._segments.index(number), number, path.stat().st_size) or {}
        # Those of deleted Logstores go with the log.
        kept = {place: own for place, own in runs.items() if place in self._places}
        if not kept:
            return False
        try:
            made = packing.pack(self._segments, number, kept, lambda: self._closing)
        except packing.StoppedError:
            return False
        except packing.DamagedError as fault:
            self._unpackable.add(number)
            _log.error("a segment stays as it is: %s", fault)
            return False
        for place, own in made.items():
            known = self._places.get(place)
            if known is not None:
                known.replace(number, own)
        self._packed[number] = time.monotonic()
        sizes = (path.stat().st_size, self._segments.pack(number).stat().st_size)
        _log.info("a segment was packed", extra={"segment": number, "bytes": sizes})
        return True

    def _drop_packed_logs(self) -> None:
        for number, since in list(self._packed.items()):
            if time.monotonic() - since > LOG_KEPT_SECONDS:
                self._segments.drop_log(number)
                del self._packed[number]

    def trim(self, now: int) -> int:
        """Drop whole segments in which nothing is kept any more; returns how many.

        Looks at those segments only of which something may have expired (`retention`). `now` is in
        nanoseconds.
        """
        self._forget_deleted()
        waiting = [each for each in self._schedule.passed(now) if each != self._segments.current]
        if not waiting:
            return 0
        kept = self._kept().get  # after `passed`: whoever is in those segments is known by now
        dropped: list[int] = []
        last: dict[indexes.Place, int] = {}
        for segment in waiting:
            runs = self._runs_of(segment)
            moment = retention.due(runs, kept)
            if moment >= now:
                self._schedule.plan(segment, moment)
                continue
            dropped.append(segment)
            last |= dict.fromkeys(runs, segment)
        self._forget(last)
        for segment in dropped:
            self._packs.forget(segment)
            self._segments.drop(segment)
            self._schedule.forget(segment)
        return len(dropped)

    def _forget(self, last: Mapping[indexes.Place, int]) -> None:
        """Let go of what shards have up to a segment; where they begin then is durable first."""
        begins: dict[indexes.Place, int] = {}
        for place, segment in last.items():
            found = self._places.get(place)
            if found is not None and found.drop(segment):
                begins[place] = found.begin
        self.raise_first_sequences(begins)

    def _forget_deleted(self) -> None:
        """Have the segments of what was deleted, or is kept shorter now, looked at."""
        revised = self._schedule.take_revised()
        alive = self._kept() if revised else {}
        for place in revised:
            found = self._places.get(place)
            for segment in found.closed_segments() if found is not None else ():
                self._schedule.plan(segment, 0)
            if place not in alive:
                self._places.pop(place, None)

    def _kept(self) -> dict[indexes.Place, int]:
        """How long each shard's log groups are kept; of those that there are."""
        with self._lock:
            return {
                (store.ident, shard.number): retention.span(store)
                for store in self.all_logstores()
                for shard in store.shards
            }

    def _kept_shorter(self, store: contract.Logstore) -> None:
        self._schedule.revise((store.ident, shard.number) for shard in store.shards)

    def _runs_of(self, segment: int) -> Mapping[indexes.Place, Sequence[Run]]:
        """What a closed segment holds: from its index, or where that is damaged from memory."""
        packed = self._segments.pack(segment).exists()
        path = self._segments.pack(segment) if packed else self._segments.path(segment)
        with contextlib.suppress(FileNotFoundError):
            index = self._segments.index_of(segment, packed)
            runs = indexes.load(index, segment, path.stat().st_size, packed=packed)
            if runs is not None:
                return runs
        known = ((place, found.within(segment)) for place, found in list(self._places.items()))
        return {place: runs for place, runs in known if runs}

    def _first_kept(self, store: contract.Logstore, found: places.Places, now: int) -> int:
        oldest = _oldest(store, now)
        return max(found.begin, found.received_at(oldest)) if oldest else found.begin

    def _places_of(self, store: int, shard: contract.Shard) -> places.Places:
        found = self._places.get((store, shard.number))
        if found is None:
            made = places.Places(shard.first_sequence, self._segments.index_of)
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
        self._schedule.plan(segment, 0)  # what it holds is looked at in the next pass

    def _take_runs(self, runs: Mapping[indexes.Place, Sequence[Run]]) -> None:
        for place, own in runs.items():
            if place in self._places:
                self._places[place].close(own)

    def _recover(self) -> None:
        started = time.monotonic()
        for store in self.all_logstores():
            self._prepare(store)
        numbers, walked, kept = self._segments.numbers(), 0, self._kept().get
        for number in numbers:
            newest = number == numbers[-1]
            runs = self._indexed_runs(number, newest=newest)
            if runs is not None:
                self._take_runs(runs)
                self._schedule.plan(number, retention.due(runs, kept))
                continue
            walked += 1
            self._schedule.plan(number, 0)
            for found in self._segments.walk(number, newest=newest):
                self._stored(found)
            if not newest:
                self._closed(number, self._segments.path(number).stat().st_size)
        self._segments.resume()
        took = round(time.monotonic() - started, 3)
        known = {"segments": len(numbers), "walked": walked, "seconds": took}
        _log.info("the log is open", extra=known)

    def _indexed_runs(
        self, number: int, *, newest: bool
    ) -> Mapping[indexes.Place, Sequence[Run]] | None:
        """The runs of a closed segment; None where its log has to be walked."""
        log = self._segments.path(number)
        if self._segments.pack(number).exists():
            packed = self._packed_runs(number)
            if packed is not None:
                self._segments.drop_log(number)
                return packed
        if newest:
            return None
        return indexes.load(self._segments.index(number), number, log.stat().st_size)

    def _packed_runs(self, number: int) -> Mapping[indexes.Place, Sequence[Run]] | None:
        path, index = self._segments.pack(number), self._segments.pack_index(number)
        covered = path.stat().st_size
        runs = indexes.load(index, number, covered, packed=True)
        if runs is not None:
            return runs
        found, damages = checking.walk(path, number, segments.PACK)
        if damages and self._segments.path(number).exists():
            _log.error("a pack is damaged; its log is still there and is taken instead")
            path.unlink()
            return None
        for damage in damages:
            _log.error("stored bytes are damaged and lost", extra=dataclasses.asdict(damage))
        indexes.write(index, covered, checking.by_shard(found))
        return indexes.load(index, number, covered, packed=True) or {}


def _is(head: records.Head, entry: contract.Entry) -> bool:
    return (head.sequence, head.received) == (entry.sequence, entry.received)


def _oldest(store: contract.Logstore, now: int) -> int:
    """When the oldest log group that is kept was received; 0 keeps everything."""
    return max(0, now - retention.span(store))


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
