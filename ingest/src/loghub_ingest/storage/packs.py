"""The on-disk form of a packed segment: `NUMBER.pack`, which replaces an old `NUMBER.log`.

`packing` writes it, `embedded` reads it through a `Reader`. A pack begins with one of MAGICS (8
bytes, the last two are the format's version). Then frames follow, each with log groups of one shard
in order:

    u32 length    bytes of everything after the checksum
    u32 checksum  CRC-32 of those bytes
    u64 store     which Logstore
    u32 shard
    u32 groups    their number in the lower 24 bits, the frame's form in the upper 8
    u32 bytes of the filter, CRC-32 of the filter, raw_size of all groups
    groups x      u64 sequence, i64 received, u32 logs, min_time, max_time, raw_size
    filter        of the frame's words
    ...           the groups, compressed

All little-endian. Form 1 is what `crates/core/src/frames.rs` and `filters.rs` say: groups by field
under zstd, a binary fuse filter. Form 0, the only one of version 1, has the groups one after the
other under zstd, and a Bloom filter without the byte that says so.

Many small log groups share a frame, so that zstd finds what they share; a large one has a frame of
its own, so that reading it decodes nothing else.
"""

import collections
import contextlib
import dataclasses
import os
import pathlib
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Final

from loghub_ingest import _core
from loghub_ingest.storage import contract, records
from slswire import limits

MAGICS: Final = (b"LOGHUBP\x02", b"LOGHUBP\x01")
"""The first is written."""

FRAME_BYTES: Final = 512 * 1024
"""Raw bytes after which a frame is full: beyond, zstd gains nothing more."""

FRAME_GROUPS: Final = 4096
"""The smallest log groups end a frame by number: one of them is found by walking the heads."""

_CACHED_BYTES: Final = 4 * 1024 * 1024
"""Decoded frames kept for the next reader: consumers and searches take groups one by one."""

_OPEN_FILES: Final = 16
"""A search takes thousands of filters from each pack."""

_FORM: Final = 1
_COUNT_BITS: Final = 24
_BLOOM: Final = b"\0"
"""Tells the compiled core what the filter of form 0 is."""

_START: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<QIIIII")
_GROUP: Final = struct.Struct("<QqIIII")
_MOST_RAW: Final = FRAME_BYTES + limits.MAX_BODY_BYTES
_MOST_BYTES: Final = 2 * _MOST_RAW
"""Of a frame on disk; zstd, the filter and the heads of the smallest log groups stay far below."""

_START_BYTES: Final = _START.size + _HEAD.size


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame; `raw` holds the log groups one after the other, as `heads` lists them."""

    heads: tuple[records.Head, ...]
    raw: bytes

    def group(self, entry: contract.Entry) -> bytes | None:
        """The bytes of one log group, or None where another one lies in its place."""
        wanted = (entry.within, entry.sequence, entry.received, entry.raw_size)
        at = 0
        for head in self.heads:
            if (at, head.sequence, head.received, head.raw_size) == wanted:
                return self.raw[at : at + head.raw_size]
            at += head.raw_size
        return None


def encode(heads: Sequence[records.Head], raws: list[bytes]) -> bytes:
    """A frame of log groups of one shard.

    Raises:
        OSError: they cannot be compressed.
    """
    first = heads[0]
    packed, words = _core.pack(raws)
    size = sum(each.raw_size for each in heads)
    count = _FORM << _COUNT_BITS | len(heads)
    parts = [
        _HEAD.pack(
            first.store, first.shard, count, len(words), zlib.crc32(words), size
        ),
        *(
            _GROUP.pack(
                each.sequence, each.received, each.logs, each.min_time, each.max_time, each.raw_size
            )
            for each in heads
        ),
        words,
        packed,
    ]  # fmt: skip
    body = b"".join(parts)
    return _START.pack(len(body), zlib.crc32(body)) + body


def stated_length(start: bytes) -> int | None:
    """Bytes of the whole frame that begins with `start`, or None when it cannot be one."""
    if len(start) < _START_BYTES:
        return None
    length, _ = _START.unpack_from(start)
    return int(length) + _START.size if _HEAD.size < length <= _MOST_BYTES else None


def heads(frame: bytes) -> list[tuple[records.Head, int]] | None:
    """Each log group's head and its place among the raw bytes; None where the frame is damaged."""
    parsed = _parsed(frame)
    if parsed is None:
        return None
    found, at = [], 0
    for head in parsed[0]:
        found.append((head, at))
        at += head.raw_size
    return found


def decode(frame: bytes) -> Frame | None:
    """Everything in a frame; None where it is damaged."""
    parsed = _parsed(frame)
    if parsed is None:
        return None
    listed, form, packed = parsed
    raw = _core.unpack(packed, sum(each.raw_size for each in listed), form == 0)
    return None if raw is None else Frame(listed, raw)


def _parsed(frame: bytes) -> tuple[tuple[records.Head, ...], int, bytes] | None:
    if stated_length(frame) != len(frame):
        return None
    body = memoryview(frame)[_START.size :]
    if _START.unpack_from(frame)[1] != zlib.crc32(body):
        return None
    store, shard, count, filter_bytes, _, raw_size = _HEAD.unpack_from(body)
    form, count = _form(count)
    begin = _HEAD.size + count * _GROUP.size
    if form > _FORM or raw_size > _MOST_RAW or begin + filter_bytes > len(body):
        return None
    groups = _GROUP.iter_unpack(body[_HEAD.size : begin])
    listed = tuple(
        records.Head(store, sequence, received, shard, logs, low, high, size)
        for sequence, received, logs, low, high, size in groups
    )
    if sum(each.raw_size for each in listed) != raw_size:
        return None
    return listed, form, bytes(body[begin + filter_bytes :])


def _form(count: int) -> tuple[int, int]:
    """The form of a frame, and how many groups it has."""
    return count >> _COUNT_BITS, count & ((1 << _COUNT_BITS) - 1)


class _File:
    """An open file, closed when its last reader lets go of it: none ever reads from another."""

    def __init__(self, path: pathlib.Path) -> None:
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # it could not be opened
            os.close(self.number)


class Reader:
    """Reads packs; from any thread."""

    def __init__(self, path: Callable[[int], pathlib.Path]) -> None:
        """`path` gives the file of a packed segment."""
        self._path = path
        self._lock = threading.Lock()
        self._kept: collections.OrderedDict[tuple[int, int], Frame] = collections.OrderedDict()
        self._bytes = 0
        self._files: collections.OrderedDict[int, _File] = collections.OrderedDict()

    def forget(self, segment: int) -> None:
        """Let go of the file of a pack that is dropped."""
        with self._lock:
            self._files.pop(segment, None)

    def group(self, entry: contract.Entry) -> bytes | None:
        """The raw log group; None where its bytes are damaged.

        Raises:
            FileNotFoundError: retention dropped the segment.
        """
        frame = self._frame(entry)
        return None if frame is None else frame.group(entry)

    def bloom(self, entry: contract.Entry) -> bytes | None:
        """The filter of the frame that holds a log group; None where it is damaged.

        Raises:
            FileNotFoundError: retention dropped the segment.
        """
        file = self._opened(entry.segment)
        start = os.pread(file.number, _START_BYTES, entry.offset)
        if len(start) < _START_BYTES:
            return None
        _, _, count, size, checksum, _ = _HEAD.unpack_from(start, _START.size)
        form, count = _form(count)
        if not 0 < size <= entry.length:
            return None
        found = os.pread(file.number, size, entry.offset + _START_BYTES + count * _GROUP.size)
        if zlib.crc32(found) != checksum or len(found) != size:
            return None
        return found if form else _BLOOM + found

    def _frame(self, entry: contract.Entry) -> Frame | None:
        key = (entry.segment, entry.offset)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        file = self._opened(entry.segment)
        frame = decode(os.pread(file.number, entry.length, entry.offset))
        if frame is not None and len(frame.raw) <= _CACHED_BYTES:
            self._keep(key, frame)
        return frame

    def _opened(self, segment: int) -> _File:
        with self._lock:
            found = self._files.get(segment)
            if found is None:
                found = self._files[segment] = _File(self._path(segment))
            self._files.move_to_end(segment)
            while len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)
        return found

    def _keep(self, key: tuple[int, int], frame: Frame) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = frame
            self._bytes += len(frame.raw)
            while self._bytes > _CACHED_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1].raw)
