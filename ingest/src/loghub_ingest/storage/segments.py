"""The append-only log: numbered files of records, the newest one open for writing.

`records` is the format of one record, `committer` the only writer, `embedded` knows where records
lie. At start the newest segment is walked: a torn tail (a crash in mid-write, never acknowledged)
is cut off; damage elsewhere costs the records it covers and is reported with its place and size.
Closed segments are walked only where their index is missing.
"""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Final

from loghub_ingest.storage import contract, packs, records

_log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 64 * 1024 * 1024
"""A segment is closed beyond that: retention drops whole segments."""

_SUFFIXES: Final = (".log", ".pack")

_WINDOW: Final = 1024 * 1024
"""Bytes looked at per step when a damaged stretch is searched for the next valid record."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """One valid record of a segment."""

    head: records.Head
    segment: int
    offset: int
    length: int
    within: int = -1

    def entry(self) -> contract.Entry:
        """What readers know of it."""
        head = self.head
        return contract.Entry(
            head.sequence, head.received, head.raw_size, head.logs, head.min_time, head.max_time,
            self.segment, self.offset, self.length, self.within,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """How a kind of file is told apart: its beginnings, and what stands at an offset of it.

    `heads` gives every log group of a whole record or frame and where it begins among its decoded
    bytes, or None where it is damaged.
    """

    magics: tuple[bytes, ...]
    stated_length: Callable[[bytes], int | None]
    heads: Callable[[bytes], list[tuple[records.Head, int]] | None]


def _alone(record: bytes) -> list[tuple[records.Head, int]] | None:
    unpacked = records.unpack(record)
    return None if unpacked is None else [(unpacked[0], -1)]


LOG: Final = Form((records.MAGIC,), records.stated_length, _alone)
PACK: Final = Form(packs.MAGICS, packs.stated_length, packs.heads)


@dataclasses.dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a segment that holds no valid record."""

    segment: int
    offset: int
    bytes: int


Closed = Callable[[int, int], None]
"""Told of a segment that is not written to any more, and how many of its bytes are the log's."""


class Segments:
    """The segment files of one directory: one writer; `read` from any thread."""

    def __init__(self, directory: pathlib.Path, closed: Closed) -> None:
        self._directory, self._closed = directory, closed
        directory.mkdir(parents=True, exist_ok=True)
        self._file = -1
        self._current = 0
        self._size = 0
        self._ended = 0

    def resume(self) -> None:
        """Make the log ready for writing, after the newest segment was walked."""
        self._current = max(self.numbers(), default=0)
        if self._current and self.path(self._current).exists():
            self._file = os.open(self.path(self._current), os.O_RDWR | os.O_CLOEXEC)
            self._size = os.fstat(self._file).st_size
        if self._size < len(records.MAGIC):
            self._begin(self._current + 1)

    def write(self, data: bytes) -> tuple[int, int]:
        """Append `data` and make it durable; returns segment and offset.

        Raises:
            OSError: nothing of `data` stays.
        """
        if self._size >= SEGMENT_BYTES:
            self._end()
            self._begin(self._current + 1)
        file, offset = self._file, self._size
        try:
            _write_all(file, data, offset)
            os.fdatasync(file)
        except OSError:
            self._abandon(file, offset)
            raise
        self._size = offset + len(data)
        return self._current, offset

    def read(self, segment: int, offset: int, length: int) -> bytes:
        """Bytes of a record as they are on disk; fewer where the file is short.

        Opened for each read: the number of segments has no bound, that of descriptors has.

        Raises:
            FileNotFoundError: retention dropped the segment.
        """
        with self.path(segment).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), length, offset)

    def drop(self, segment: int) -> None:
        """Delete a segment that is not the current one, its indexes first."""
        self.pack_index(segment).unlink(missing_ok=True)
        self.drop_log(segment)
        self.pack(segment).unlink(missing_ok=True)

    def drop_log(self, segment: int) -> None:
        """Delete the log of a segment that is packed."""
        self.index(segment).unlink(missing_ok=True)
        self.path(segment).unlink(missing_ok=True)

    def numbers(self) -> list[int]:
        """Every segment there is, oldest first."""
        names = {path.stem for path in self._directory.iterdir() if path.suffix in _SUFFIXES}
        # Foreign files are left alone.
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    @property
    def current(self) -> int:
        """The segment that is written to."""
        return self._current

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def path(self, number: int) -> pathlib.Path:
        """The file of a segment."""
        return self._directory / f"{number:012d}.log"

    def index(self, number: int) -> pathlib.Path:
        """The index of a closed segment."""
        return self._directory / f"{number:012d}.idx"

    def index_of(self, number: int, packed: bool) -> pathlib.Path:
        """The index of a segment's log or pack."""
        return self.pack_index(number) if packed else self.index(number)

    def pack(self, number: int) -> pathlib.Path:
        """The pack of a segment, of the form that `packs` says."""
        return self._directory / f"{number:012d}.pack"

    def pack_index(self, number: int) -> pathlib.Path:
        """The index of its pack."""
        return self._directory / f"{number:012d}.pdx"

    def _end(self) -> None:
        # Once per segment: where the next file could not be begun, a second index would be written
        # of places that are in the first one already, and so would name none.
        if self._ended != self._current:
            self._closed(self._current, os.fstat(self._file).st_size)
            self._ended = self._current

    def _begin(self, number: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        file = os.open(self.path(number), flags, 0o640)
        _write_all(file, records.MAGIC, 0)
        os.fdatasync(file)
        sync_directory(self._directory)
        self.close()
        self._file = file
        self._current, self._size = number, len(records.MAGIC)

    def _abandon(self, file: int, offset: int) -> None:
        # After a failed fdatasync the kernel may have forgotten the dirty pages: what it says of
        # this file's end cannot be trusted, so the next write goes to a new one.
        try:
            os.ftruncate(file, offset)
        except OSError:
            _log.exception("a failed write could not be cut off; recovery will do it")
        self._size = SEGMENT_BYTES

    def walk(self, number: int, *, newest: bool) -> Iterator[Found]:
        """Every valid record of a segment; a torn end of the newest one is cut off."""
        path = self.path(number)
        for found in walk(path, number):
            if isinstance(found, Found):
                yield found
            elif newest and found.offset + found.bytes == path.stat().st_size:
                _cut(path, found)
            else:
                _log.error("stored bytes are damaged and lost", extra=dataclasses.asdict(found))


def walk(path: pathlib.Path, number: int, form: Form = LOG) -> Iterator[Found | Damage]:
    """Everything that a segment's file holds, in order."""
    with path.open("rb") as opened:
        file, size = opened.fileno(), os.fstat(opened.fileno()).st_size
        start = len(form.magics[0])
        if os.pread(file, start, 0) not in form.magics:
            yield Damage(number, 0, min(start, size))
        offset = start
        while offset < size:
            found = _read(file, offset, form)
            if found is None:
                end = _next_valid(file, offset + 1, size, form) or size
                yield Damage(number, offset, end - offset)
                offset = end
                continue
            heads, length = found
            for head, within in heads:
                yield Found(head, number, offset, length, within)
            offset += length


def _cut(path: pathlib.Path, torn: Damage) -> None:
    words = "an unfinished write is cut off; it was never acknowledged"
    _log.warning(words, extra=dataclasses.asdict(torn))
    with path.open("r+b") as file:
        file.truncate(torn.offset)
        os.fsync(file.fileno())


def _read(file: int, offset: int, form: Form) -> tuple[list[tuple[records.Head, int]], int] | None:
    length = form.stated_length(os.pread(file, records.HEAD_BYTES, offset))
    if length is None:
        return None
    heads = form.heads(os.pread(file, length, offset))
    return None if heads is None else (heads, length)


def _next_valid(file: int, offset: int, size: int, form: Form) -> int | None:
    while offset < size:
        window = os.pread(file, _WINDOW + records.HEAD_BYTES, offset)
        for at in range(min(_WINDOW, len(window))):
            start = window[at : at + records.HEAD_BYTES]
            length = form.stated_length(start)
            possible = length is not None and offset + at + length <= size
            if possible and _read(file, offset + at, form) is not None:
                return offset + at
        offset += _WINDOW
    return None


def _write_all(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def sync_directory(directory: pathlib.Path) -> None:
    """Make names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
