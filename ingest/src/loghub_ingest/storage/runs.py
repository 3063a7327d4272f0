"""Runs: consecutive log groups of one shard in one closed segment. `places` keeps those of a shard.

A busy directory has millions of them, so a shard's runs lie in one stretch of bytes, 45 each, and
become `Run` objects when somebody looks.
"""

import dataclasses
import struct
from collections.abc import Iterable, Sequence
from typing import Final, overload

_FORM: Final = struct.Struct("<QIIIqqII?")


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """Consecutive log groups. Times of logs are unix seconds, those of receiving nanoseconds."""

    first: int
    """Sequence of its first log group."""
    count: int
    min_time: int
    max_time: int
    received_first: int
    received_last: int
    segment: int
    at: int
    """Where its rows begin in the segment's index file."""
    packed: bool
    """Whether that is the index of the segment's pack."""

    @property
    def next(self) -> int:
        """The sequence after its last."""
        return self.first + self.count


class Runs(Sequence[Run]):
    """The runs of one shard in order. What was handed out never changes."""

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        """A sequence of its own with these runs."""
        self._bytes = bytearray().join(_packed(run) for run in runs)
        self._begin, self._end = 0, len(self._bytes) // _FORM.size

    def __len__(self) -> int:
        return self._end - self._begin

    @overload
    def __getitem__(self, at: int) -> Run: ...
    @overload
    def __getitem__(self, at: slice) -> "Runs": ...
    def __getitem__(self, at: int | slice) -> "Run | Runs":
        if isinstance(at, slice):
            begin, end, _ = at.indices(len(self))
            return self._view(self._begin + begin, self._begin + max(begin, end))
        place = at + (self._end if at < 0 else self._begin)
        if not self._begin <= place < self._end:
            raise IndexError(at)
        return Run(*_FORM.unpack_from(self._bytes, place * _FORM.size))

    def extended(self, more: Iterable[Run]) -> "Runs":
        """These and `more`; costs what is added. To be called on the newest sequence only."""
        for run in more:
            self._bytes += _packed(run)
        return self._view(self._begin, len(self._bytes) // _FORM.size)

    def replaced(self, begin: int, end: int, runs: Iterable[Run] = ()) -> "Runs":
        """A sequence of its own, with `runs` in place of those at [begin, end)."""
        made = Runs(runs)
        made._bytes = self._cut(0, begin) + made._bytes + self._cut(end, len(self))
        made._end = len(made._bytes) // _FORM.size
        return made

    def _cut(self, begin: int, end: int) -> bytearray:
        return self._bytes[(self._begin + begin) * _FORM.size : (self._begin + end) * _FORM.size]

    def _view(self, begin: int, end: int) -> "Runs":
        # The bytes are shared: they only ever grow, beyond the end of every older sequence.
        found = Runs.__new__(Runs)
        found._bytes, found._begin, found._end = self._bytes, begin, end
        return found


def _packed(run: Run) -> bytes:
    return _FORM.pack(
        run.first, run.count, run.min_time, run.max_time, run.received_first, run.received_last,
        run.segment, run.at, run.packed,
    )  # fmt: skip
