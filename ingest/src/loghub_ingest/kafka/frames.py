"""A log group as a Kafka record: the value is its LZ4 block, one header says what a reader needs.

Header `loghub`, little-endian: u8 version (1), u32 raw size, logs, earliest and latest time of a
log (unix seconds). Other consumers of the topic get a LogGroup by decompressing the value.
"""

import dataclasses
import struct
from typing import Any, Final

from loghub_ingest.storage import contract

HEADER: Final = "loghub"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BIIII")
_PARTITIONS: Final = 1 << 12
"""More than a Logstore ever has shards, deleted ones included."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fetched(contract.Entry):
    """An entry with its block, as it came; without it where too many came with it."""

    carried: bytes | None = dataclasses.field(default=None, compare=False, repr=False)


def headers(group: contract.NewGroup) -> dict[str, str | bytes | None]:
    """The headers of a group's record."""
    head = _HEAD.pack(_VERSION, group.raw_size, group.logs, group.min_time, group.max_time)
    return {HEADER: head}


def entry(message: Any, place: tuple[int, int], first_sequence: int, *, keep: bool) -> Fetched:
    """The entry of a record; of length 0 where it is none of the service's.

    Args:
        message: as the client library gives it.
        place: ident of its Logstore, number of its shard.
        first_sequence: that of offset 0.
        keep: whether with its block.
    """
    offset = message.offset()
    given = dict(message.headers() or ())
    head, block = given.get(HEADER, b""), message.value()
    if block is None or len(head) != _HEAD.size or head[0] != _VERSION:
        return missing(place, first_sequence, offset)
    _, raw_size, logs, low, high = _HEAD.unpack(head)
    return Fetched(
        sequence=first_sequence + offset,
        received=message.timestamp()[1] * 1_000_000,
        raw_size=raw_size,
        logs=logs,
        min_time=low,
        max_time=high,
        segment=segment(place),
        offset=offset,
        length=len(block),
        carried=block if keep else None,
    )


def missing(place: tuple[int, int], first_sequence: int, offset: int) -> Fetched:
    """The entry of an offset without a log group: a transaction's marker, a compacted record."""
    return Fetched(
        sequence=first_sequence + offset,
        received=0,
        raw_size=0,
        logs=0,
        min_time=1,
        max_time=0,
        segment=segment(place),
        offset=offset,
        length=0,
    )


def segment(place: tuple[int, int]) -> int:
    """Logstore and shard as the one number that an entry has for where it lies."""
    store, shard = place
    return store * _PARTITIONS + shard


def place(entry: contract.Entry) -> tuple[int, int]:
    """Logstore and shard of an entry."""
    return divmod(entry.segment, _PARTITIONS)
