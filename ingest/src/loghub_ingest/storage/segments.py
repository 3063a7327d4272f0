"""The append-only log: numbered files of records, the newest one open for writing.

`records` is the format of one record, `committer` the only writer, `embedded` keeps the index in
memory. At start every segment is walked once: a torn tail of the newest file (a crash in
mid-write, never acknowledged) is cut off; damage elsewhere costs the records it covers and is
reported with its place and size.
"""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import Final

from loghub_ingest.storage import records

_log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 64 * 1024 * 1024
"""A segment is closed beyond that: retention drops whole segments."""

_WINDOW: Final = 1024 * 1024
"""Bytes looked at per step when a damaged stretch is searched for the next valid record."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """One valid record of a segment."""

    head: records.Head
    segment: int
    offset: int
    length: int


class Segments:
    """The segment files of one directory. Not thread-safe: one writer, and readers by `read`."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._open: dict[int, int] = {}
        self._current = 0
        self._size = 0

    def recover(self) -> Iterator[Found]:
        """Every valid record, oldest first; then the log is ready for writing."""
        numbers = self.numbers()
        for number in numbers:
            yield from self._walk(number, newest=number == numbers[-1])
        if numbers:
            self._current = numbers[-1]
            self._size = os.fstat(self._file(self._current)).st_size
        if not numbers or self._size < len(records.MAGIC):
            self._begin(max(numbers, default=0) + 1)

    def write(self, data: bytes) -> tuple[int, int]:
        """Append `data` and make it durable; returns segment and offset.

        Raises:
            OSError: nothing of `data` stays.
        """
        if self._size >= SEGMENT_BYTES:
            self._begin(self._current + 1)
        file, offset = self._file(self._current), self._size
        try:
            _write_all(file, data, offset)
            os.fdatasync(file)
        except OSError:
            self._abandon(file, offset)
            raise
        self._size = offset + len(data)
        return self._current, offset

    def read(self, segment: int, offset: int, length: int) -> bytes:
        """Bytes of a record as they are on disk; fewer where the file is short."""
        return os.pread(self._file(segment), length, offset)

    def drop(self, segment: int) -> None:
        """Delete a segment that is not the current one."""
        file = self._open.pop(segment, None)
        if file is not None:
            os.close(file)
        self._path(segment).unlink(missing_ok=True)

    def numbers(self) -> list[int]:
        """Every segment there is, oldest first."""
        return sorted(int(path.stem) for path in self._directory.glob("*.log"))

    @property
    def current(self) -> int:
        """The segment that is written to."""
        return self._current

    def close(self) -> None:
        """Close every file."""
        for file in self._open.values():
            os.close(file)
        self._open.clear()

    def _path(self, number: int) -> pathlib.Path:
        return self._directory / f"{number:012d}.log"

    def _file(self, number: int) -> int:
        if number not in self._open:
            self._open[number] = os.open(self._path(number), os.O_RDWR | os.O_CLOEXEC)
        return self._open[number]

    def _begin(self, number: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        file = os.open(self._path(number), flags, 0o640)
        _write_all(file, records.MAGIC, 0)
        os.fdatasync(file)
        _sync_directory(self._directory)
        self._open[number] = file
        self._current, self._size = number, len(records.MAGIC)

    def _abandon(self, file: int, offset: int) -> None:
        # After a failed fdatasync the kernel may have forgotten the dirty pages: what it says of
        # this file's end cannot be trusted, so the next write goes to a new one.
        try:
            os.ftruncate(file, offset)
        except OSError:
            _log.exception("a failed write could not be cut off; recovery will do it")
        self._size = SEGMENT_BYTES

    def _walk(self, number: int, *, newest: bool) -> Iterator[Found]:
        file = self._file(number)
        size = os.fstat(file).st_size
        if os.pread(file, len(records.MAGIC), 0) != records.MAGIC:
            _log.error("segment has no valid beginning", extra={"segment": number, "bytes": size})
        offset = len(records.MAGIC)
        while offset < size:
            found = _record(file, offset)
            if found is None:
                after = _next_valid(file, offset + 1, size)
                if after is None and newest:
                    self._cut(number, offset, size)
                    return
                end = size if after is None else after
                lost = {"segment": number, "offset": offset, "bytes": end - offset}
                _log.error("stored bytes are damaged and lost", extra=lost)
                offset = end
                continue
            head, length = found
            yield Found(head, number, offset, length)
            offset += length

    def _cut(self, number: int, offset: int, size: int) -> None:
        torn = {"segment": number, "offset": offset, "bytes": size - offset}
        _log.warning("an unfinished write is cut off; it was never acknowledged", extra=torn)
        file = self._file(number)
        os.ftruncate(file, offset)
        os.fsync(file)


def _record(file: int, offset: int) -> tuple[records.Head, int] | None:
    length = records.stated_length(os.pread(file, records.HEAD_BYTES, offset))
    if length is None:
        return None
    unpacked = records.unpack(os.pread(file, length, offset))
    return None if unpacked is None else (unpacked[0], length)


def _next_valid(file: int, offset: int, size: int) -> int | None:
    while offset < size:
        window = os.pread(file, _WINDOW + records.HEAD_BYTES, offset)
        for at in range(min(_WINDOW, len(window))):
            start = window[at : at + records.HEAD_BYTES]
            length = records.stated_length(start)
            possible = length is not None and offset + at + length <= size
            if possible and _record(file, offset + at) is not None:
                return offset + at
        offset += _WINDOW
    return None


def _write_all(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _sync_directory(directory: pathlib.Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
