"""Where the log groups of one shard lie: runs of closed segments, rows of the open one.

`embedded` keeps one `Places` per shard. Damage leaves gaps between runs; sequences must stay
consecutive for readers, so a gap is given out as entries of length 0, which read as damaged.
"""

import array
import bisect
import pathlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from loghub_ingest.storage import contract, indexes, records
from loghub_ingest.storage.runs import Run, Runs

Index = Callable[[int, bool], pathlib.Path]
"""Segment number, and whether its pack is meant -> the index file."""

_COLUMNS: Final = 6


class _Rows:
    """Log groups of the open segment, as columns; the sequence of row 0 is `first`."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.received = array.array("q")
        self.numbers = tuple(array.array("Q") for _ in range(_COLUMNS))

    def add(self, head: records.Head, offset: int, length: int) -> None:
        values = (head.raw_size, head.logs, head.min_time, head.max_time, offset, length)
        for column, value in zip(self.numbers, values, strict=True):
            column.append(value)
        self.received.append(head.received)  # last: its length is what readers go by

    def next(self) -> int:
        return self.first + len(self.received)


class Places:
    """One shard. Changes take turns; readers have a consistent picture at any time."""

    def __init__(self, first: int, index: Index) -> None:
        self._index = index
        self._turn = threading.Lock()
        self._picture = (Runs(), _Rows(first), 0)

    @property
    def begin(self) -> int:
        """The first sequence that is kept."""
        runs, rows, _ = self._picture
        return runs[0].first if runs else rows.first

    @property
    def next(self) -> int:
        """The sequence that the next log group gets."""
        return self._picture[1].next()

    def closed_segments(self) -> set[int]:
        """The closed segments that hold log groups."""
        return {run.segment for run in self._picture[0]}

    def within(self, segment: int) -> Sequence[Run]:
        """The runs of a closed segment."""
        runs = self._picture[0]
        return runs[slice(*_span(runs, segment))]

    def add(self, head: records.Head, segment: int, offset: int, length: int) -> None:
        """A log group of the open segment, which is `segment`.

        Sequences jump where damage swallowed what was in between, and never go back.
        """
        with self._turn:
            runs, rows, _ = self._picture
            if not len(rows.received):
                rows = _Rows(max(rows.first, head.sequence) if runs else head.sequence)
            if head.sequence < rows.next():
                return
            while rows.next() < head.sequence:
                rows.add(_nothing(head), 0, 0)
            rows.add(head, offset, length)
            self._picture = (runs, rows, segment)

    def close(self, runs: Sequence[Run]) -> None:
        """The runs of a segment that is closed, in order; its rows are forgotten."""
        with self._turn:
            known = self._picture[0]
            self._picture = (known.extended(runs), _Rows(runs[-1].next), 0)

    def replace(self, segment: int, runs: Sequence[Run]) -> None:
        """The runs of a segment that was packed, in place of those that it had."""
        with self._turn:
            known, rows, current = self._picture
            first, last = _span(known, segment)
            # Retention may have taken it in between.
            if first < last:
                self._picture = (known.replaced(first, last, runs), rows, current)

    def drop(self, segment: int) -> bool:
        """Forget everything up to a closed segment; whether anything of it was known."""
        with self._turn:
            runs, rows, current = self._picture
            first, last = _span(runs, segment)
            if first < last:
                self._picture = (runs.replaced(0, last), rows, current)
            return first < last

    def open_entries(self) -> list[contract.Entry]:
        """What the open segment holds, gaps left out."""
        _, rows, segment = self._picture
        return [each for each in _rows(rows, segment, rows.first, rows.next()) if each.length]

    def received_at(self, moment: int) -> int:
        """The first sequence received at or after a moment (nanoseconds), or the next one."""
        runs, rows, _ = self._picture
        at = bisect.bisect_left(runs, moment, key=lambda run: run.received_last)
        if at < len(runs):
            run = runs[at]
            if run.received_first >= moment:
                return run.first
            found = list(self._entries(run, run.first, run.count))
            inside = bisect.bisect_left(found, moment, key=lambda entry: entry.received)
            return run.first + inside
        return rows.first + bisect.bisect_left(rows.received, moment)

    def entries(self, first: int, count: int) -> Iterator[contract.Entry]:
        """Up to `count` entries from sequence `first` on, one for each sequence."""
        runs, rows, segment = self._picture
        at = first
        end = min(first + count, rows.next())
        start = bisect.bisect_right(runs, first, key=lambda run: run.next)
        for run in runs[start:]:
            if at >= end:
                return
            yield from _missing(at, min(run.first, end))
            at = max(at, run.first)
            for entry in self._entries(run, at, end - at):
                yield entry
                at = entry.sequence + 1
            # An index that went away in between: its sequences are given out all the same.
            stop = min(run.next, end)
            yield from _missing(at, stop)
            at = max(at, stop)
        yield from _missing(at, min(rows.first, end))
        yield from _rows(rows, segment, max(at, rows.first), end)

    def overlapping(self, first: int, begin: int, end: int) -> Iterator[contract.Entry]:
        """Entries from sequence `first` on with a log in [begin, end) (unix seconds)."""
        runs, rows, segment = self._picture
        for run in runs:
            if run.next > first and run.min_time < end and run.max_time >= begin:
                for entry in self._entries(run, first, run.count):
                    if entry.min_time < end and entry.max_time >= begin:
                        yield entry
        for entry in _rows(rows, segment, max(first, rows.first), rows.next()):
            if entry.length and entry.min_time < end and entry.max_time >= begin:
                yield entry

    def _entries(self, run: Run, first: int, count: int) -> Iterator[contract.Entry]:
        return indexes.entries(self._index(run.segment, run.packed), run, first, count)


def _span(runs: Sequence[Run], segment: int) -> tuple[int, int]:
    """Where the runs of a segment are: [first, last)."""
    first = bisect.bisect_left(runs, segment, key=lambda run: run.segment)
    return first, bisect.bisect_right(runs, segment, lo=first, key=lambda run: run.segment)


def _rows(rows: _Rows, segment: int, first: int, end: int) -> Iterator[contract.Entry]:
    for sequence in range(first, end):
        row = sequence - rows.first
        raw_size, logs, low, high, offset, length = (each[row] for each in rows.numbers)
        yield contract.Entry(
            sequence, rows.received[row], raw_size, logs, low, high, segment, offset, length
        )


def _missing(first: int, end: int) -> Iterator[contract.Entry]:
    for sequence in range(first, end):
        yield contract.Entry(sequence, 0, 0, 0, 1, 0, 0, 0, 0)


def _nothing(head: records.Head) -> records.Head:
    return records.Head(head.store, 0, head.received, head.shard, 0, 1, 0, 0)
