"""The on-disk form of one log group, and of a segment's beginning. Used by `segments`.

A segment begins with MAGIC (8 bytes, the last two are the format's version). Then records follow:

    u32 length    bytes of everything after the checksum: the rest of the head, and the block
    u32 checksum  CRC-32 of those bytes
    u64 store     which Logstore
    u64 sequence  position within the shard, consecutive
    i64 received  nanoseconds since 1970
    u32 shard, logs, min_time, max_time, raw_size
    ...           the log group, an LZ4 block of raw_size bytes

All little-endian. A record is valid when its length is possible and its checksum matches.
"""

import dataclasses
import struct
import zlib
from typing import Final

from slswire import limits

MAGIC: Final = b"LOGHUB\x00\x01"
_FRAME: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<QQqIIIII")
HEAD_BYTES: Final = _FRAME.size + _HEAD.size

MAX_BLOCK_BYTES: Final = limits.MAX_BODY_BYTES + limits.MAX_BODY_BYTES // 255 + 16
"""LZ4's bound on the block of the largest body."""


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """A record without its block."""

    store: int
    sequence: int
    received: int
    shard: int
    logs: int
    min_time: int
    max_time: int
    raw_size: int


def pack(head: Head, block: bytes) -> bytes:
    """The record as bytes."""
    body = (
        _HEAD.pack(
            head.store,
            head.sequence,
            head.received,
            head.shard,
            head.logs,
            head.min_time,
            head.max_time,
            head.raw_size,
        )
        + block
    )
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def unpack(record: bytes) -> tuple[Head, bytes] | None:
    """Head and block of the whole record, or None when it is damaged."""
    if len(record) < HEAD_BYTES:
        return None
    length, checksum = _FRAME.unpack_from(record)
    body = record[_FRAME.size :]
    if length != len(body) or zlib.crc32(body) != checksum:
        return None
    return Head(*_HEAD.unpack_from(body)), body[_HEAD.size :]


def stated_length(start: bytes) -> int | None:
    """Bytes of the whole record that begins with `start`, or None when it cannot be one."""
    if len(start) < _FRAME.size:
        return None
    length, _ = _FRAME.unpack_from(start)
    if not _HEAD.size <= length <= _HEAD.size + MAX_BLOCK_BYTES:
        return None
    return int(length) + _FRAME.size
