"""Packs an old segment: the same log groups by shard and field, under zstd, in half of the space.

`embedded` calls it for closed segments that consumers have mostly read: LZ4 blocks as they came
are cheaper to hand on, packed ones cheaper to keep and, with their filters, to search. The log
stays the truth until the pack is on disk and was read back; one with damage is left alone, so that
`loghub-ingest check` can still tell what was lost.
"""

import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import lz4.block

from loghub_ingest.storage import contract, indexes, packs, records, segments
from loghub_ingest.storage.runs import Run

Shard = tuple[int, int, Sequence[contract.Entry]]
"""Store, shard number, and its log groups of the segment in order."""


Wanted = Mapping[indexes.Place, Sequence[Run]]
"""By shard, the runs of one segment, at least one each."""


class DamagedError(Exception):
    """A log group of the segment cannot be read, or not all was written as it should be."""


class StoppedError(Exception):
    """The service ends; nothing was changed."""


def pack(
    log: segments.Segments, number: int, wanted: Wanted, stopped: Callable[[], bool]
) -> dict[indexes.Place, list[Run]]:
    """Write the pack of a closed segment and its index; the log's file stays.

    Args:
        log: where the segment lies.
        number: which one.
        wanted: its runs that are still kept.
        stopped: asked now and then whether to give up.

    Returns:
        The runs of the pack.

    Raises:
        DamagedError, StoppedError, OSError: the segment is as it was.
    """
    fresh = log.pack(number).with_suffix(".tmp")
    try:
        listed = _write(log, fresh, wanted, stopped)
        _verify(fresh, number, listed)
        fresh.replace(log.pack(number))
    finally:
        fresh.unlink(missing_ok=True)
    segments.sync_directory(fresh.parent)
    index, covered = log.pack_index(number), log.pack(number).stat().st_size
    indexes.write(index, covered, listed)
    made = indexes.load(index, number, covered, packed=True)
    if made is None:
        raise OSError(f"{index} is not what was written to it")
    return made


def _write(
    log: segments.Segments, fresh: pathlib.Path, wanted: Wanted, stopped: Callable[[], bool]
) -> list[Shard]:
    listed: list[Shard] = []
    with fresh.open("wb") as target:
        target.write(packs.MAGICS[0])
        for place, own in wanted.items():
            placed: list[contract.Entry] = []
            for heads, raws in _frames(_groups(log, place, own)):
                if stopped():
                    raise StoppedError
                frame = packs.encode(heads, raws)
                placed += _placed(heads, own[0].segment, target.tell(), len(frame))
                target.write(frame)
            listed.append((*place, placed))
        target.flush()
        os.fsync(target.fileno())
    return listed


def _groups(
    log: segments.Segments, place: indexes.Place, own: Sequence[Run]
) -> Iterator[tuple[records.Head, bytes]]:
    """The log groups of one shard in a segment, decoded."""
    number = own[0].segment
    with log.path(number).open("rb", buffering=0) as source:
        for run in own:
            for entry in indexes.entries(log.index(number), run, run.first, run.count):
                data = os.pread(source.fileno(), entry.length, entry.offset)
                unpacked = records.unpack(data)
                if unpacked is None or not _is(unpacked[0], entry, place):
                    raise DamagedError(f"segment {number}: damage at offset {entry.offset}")
                head, block = unpacked
                yield head, lz4.block.decompress(block, uncompressed_size=head.raw_size)


def _frames(
    groups: Iterator[tuple[records.Head, bytes]],
) -> Iterator[tuple[list[records.Head], list[bytes]]]:
    heads: list[records.Head] = []
    raws: list[bytes] = []
    size = 0
    for head, raw in groups:
        full = size + len(raw) > packs.FRAME_BYTES or len(raws) == packs.FRAME_GROUPS
        if raws and full:
            yield heads, raws
            heads, raws, size = [], [], 0
        heads.append(head)
        raws.append(raw)
        size += len(raw)
    if raws:
        yield heads, raws


def _is(head: records.Head, entry: contract.Entry, place: indexes.Place) -> bool:
    stated = (head.store, head.shard, head.sequence, head.received, head.raw_size)
    return stated == (*place, entry.sequence, entry.received, entry.raw_size)


def _placed(
    heads: Sequence[records.Head], number: int, offset: int, length: int
) -> Iterator[contract.Entry]:
    within = 0
    for head in heads:
        yield segments.Found(head, number, offset, length, within).entry()
        within += head.raw_size


def _verify(path: pathlib.Path, number: int, listed: Sequence[Shard]) -> None:
    # Read back before the log goes: what a disk did wrong is seen in time. That a frame can be
    # decompressed to what it was made of is seen when it is made.
    with path.open("rb", buffering=0) as file:
        for _, _, entries in listed:
            for entry in entries:
                if entry.within:
                    continue
                found = packs.heads(os.pread(file.fileno(), entry.length, entry.offset))
                if found is None or found[0][0].sequence != entry.sequence:
                    raise DamagedError(f"segment {number}: its pack does not read back")
