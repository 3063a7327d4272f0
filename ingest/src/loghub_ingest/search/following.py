"""What was stored since a position and matches a query: the live tail of the console.

A position is the next sequence of each shard, so that nothing is missed or shown twice however the
records' own times jump. Runs in threads, bounded per look; who is behind looks again at once.
"""

import dataclasses
import heapq
import time
from collections.abc import Iterator, Mapping
from typing import Final

from loghub_ingest import _core
from loghub_ingest.search import scanning
from loghub_ingest.storage import contract

MAX_RECORDS: Final = 500
"""Of one look: more than a screen shows, and a second of a busy store."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""Of raw log groups read in one look."""

LOOK_SECONDS: Final = 1.0
_CHUNK: Final = 64

_ALWAYS: Final = scanning.Window((0, 0), (scanning.MAX_TIME, 0))

Position = Mapping[int, int]
"""Shard number to the sequence that is looked at next."""


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """Records in order of receipt, where to look next, and whether the end was reached.

    `left_out` counts matches of one log group beyond what a look may hold.
    """

    found: tuple[scanning.Found, ...]
    position: dict[int, int]
    at_end: bool
    left_out: int


def end(storage: contract.LogStorage, store: contract.Logstore) -> dict[int, int]:
    """The position after everything that is stored now."""
    return {shard.number: storage.span(store, shard)[1] for shard in store.shards}


def since(
    storage: contract.LogStorage, store: contract.Logstore, program: str, position: Position
) -> Look:
    """What matches from `position` on; a shard that it does not name is read from its beginning."""
    compiled = scanning.scanner(program, _ALWAYS)
    reached = _within(storage, store, position)
    streams = [_stream(storage, store, shard, reached[shard.number]) for shard in store.shards]
    deadline = time.monotonic() + LOOK_SECONDS
    found: list[scanning.Found] = []
    size = left_out = 0
    for _, number, sequence, entry in heapq.merge(*streams):
        if len(found) >= MAX_RECORDS or size >= MAX_BYTES or time.monotonic() > deadline:
            return Look(tuple(found), reached, at_end=False, left_out=left_out)
        reached[number] = sequence + 1
        raw = storage.read(entry)
        if raw is None:
            continue
        size += entry.raw_size
        places = [hit[2] for hit in compiled.hits(raw)]
        left_out += max(0, len(places) - MAX_RECORDS)
        places = places[-MAX_RECORDS:]
        records = _core.render(raw, places)
        found += map(scanning.Found, records, [entry] * len(places), places)
    return Look(tuple(found), reached, at_end=True, left_out=left_out)


def _within(
    storage: contract.LogStorage, store: contract.Logstore, position: Position
) -> dict[int, int]:
    # Retention may have passed what was next, and a position from elsewhere may name anything.
    found = {}
    for shard in store.shards:
        first, after = storage.span(store, shard)
        found[shard.number] = min(max(position.get(shard.number, first), first), after)
    return found


def _stream(
    storage: contract.LogStorage, store: contract.Logstore, shard: contract.Shard, at: int
) -> Iterator[tuple[int, int, int, contract.Entry]]:
    while chunk := storage.entries(store, shard, at, _CHUNK):
        for entry in chunk:
            yield entry.received, shard.number, entry.sequence, entry
        at = chunk[-1].sequence + 1
