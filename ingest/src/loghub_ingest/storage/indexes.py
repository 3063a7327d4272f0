"""Where the log groups of a closed segment lie: `NUMBER.idx` beside `NUMBER.log`, runs in memory.

A closed segment is never written to again, so its index is written once, when it is closed; that
of its pack is `NUMBER.pdx` beside `NUMBER.pack` and has the same form. At
start the indexes are read instead of the log; memory holds one run per shard and segment,
whatever the number of log groups. An index that is missing, damaged or about another length of
its segment is made again from the segment.

An index begins with MAGIC (8 bytes, the last two are the format's version). Then:

    u32 checksum  CRC-32 of everything after it
    u64 covered   bytes of the segment
    u32 runs      how many runs follow
    runs          u64 store, u64 sequence of the first row, u32 shard, u32 rows,
                  u32 lowest and highest log time, i64 first and last time received
    rows          i64 received, u32 logs, min_time, max_time, raw_size, offset, length, i32 within
                  (-1 in a log); those of the first run, then those of the second, ...

All little-endian. Sequences within a run are consecutive.
"""

import contextlib
import itertools
import os
import pathlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from loghub_ingest.storage import contract
from loghub_ingest.storage.runs import Run

MAGIC: Final = b"LOGHUBX\x02"
_HEAD: Final = struct.Struct("<QI")
_CHECK: Final = struct.Struct("<I")
_RUN: Final = struct.Struct("<QQIIIIqq")
_ROW: Final = struct.Struct("<qIIIIIIi")

MAX_BYTES: Final = 256 * 1024 * 1024
"""Far above the index of a segment of the smallest log groups."""


Place = tuple[int, int]
"""Store and shard number."""


def write(
    path: pathlib.Path, covered: int, shards: Iterable[tuple[int, int, Sequence[contract.Entry]]]
) -> None:
    """Write the index of a segment of `covered` bytes: (store, shard, entries in order) each.

    Raises:
        OSError: it could not be written; the log is whole without it.
    """
    heads, rows = bytearray(), bytearray()
    runs = 0
    for store, shard, entries in shards:
        for part in _consecutive(entries):
            runs += 1
            heads += _RUN.pack(
                store, part[0].sequence, shard, len(part),
                min(each.min_time for each in part), max(each.max_time for each in part),
                part[0].received, part[-1].received,
            )  # fmt: skip
            for each in part:
                rows += _ROW.pack(
                    each.received, each.logs, each.min_time, each.max_time,
                    each.raw_size, each.offset, each.length, each.within,
                )  # fmt: skip
    body = _HEAD.pack(covered, runs) + heads + rows
    fresh = path.with_suffix(".tmp")
    with fresh.open("wb") as file:
        file.write(MAGIC + _CHECK.pack(zlib.crc32(body)) + body)
    # No sync: a torn index fails its checksum and is made again.
    fresh.replace(path)


def load(
    path: pathlib.Path, segment: int, covered: int, *, packed: bool = False
) -> dict[Place, list[Run]] | None:
    """The runs of an index by shard, or None where it cannot be trusted."""
    data = b""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        data = file.read(MAX_BYTES)
    start = len(MAGIC) + _CHECK.size
    if data[: len(MAGIC)] != MAGIC or len(data) < start + _HEAD.size:
        return None
    body = memoryview(data)[start:]
    if _CHECK.unpack_from(data, len(MAGIC)) != (zlib.crc32(body),):
        return None
    about, count = _HEAD.unpack_from(body)
    rows = start + _HEAD.size + count * _RUN.size
    if about != covered or rows > len(data):
        return None
    found: dict[Place, list[Run]] = {}
    for head in _RUN.iter_unpack(body[_HEAD.size : _HEAD.size + count * _RUN.size]):
        store, first, shard, many, low, high, received_first, received_last = head
        run = Run(first, many, low, high, received_first, received_last, segment, rows, packed)
        found.setdefault((store, shard), []).append(run)
        rows += many * _ROW.size
    return found if rows == len(data) else None


def entries(path: pathlib.Path, run: Run, first: int, count: int) -> Iterator[contract.Entry]:
    """Up to `count` log groups of a run from sequence `first` on; none where the file is gone."""
    skipped = max(0, first - run.first)
    wanted = max(0, min(count, run.count - skipped))
    data = b""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        data = os.pread(file.fileno(), wanted * _ROW.size, run.at + skipped * _ROW.size)
    whole = data[: len(data) - len(data) % _ROW.size]
    for sequence, row in enumerate(_ROW.iter_unpack(whole), start=run.first + skipped):
        received, logs, low, high, raw_size, offset, length, within = row
        yield contract.Entry(
            sequence, received, raw_size, logs, low, high, run.segment, offset, length, within
        )


def _consecutive(entries: Sequence[contract.Entry]) -> Iterator[list[contract.Entry]]:
    numbered = enumerate(entries)
    for _, part in itertools.groupby(numbered, key=lambda each: each[1].sequence - each[0]):
        yield [entry for _, entry in part]
