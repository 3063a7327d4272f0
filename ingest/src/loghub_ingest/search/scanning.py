"""Runs a program over stored log groups: pages, counts, topics. Called by `api.querying`.

The newest groups answer most questions, so no index stands between a write and its being found:
groups whose times overlap are scanned by the compiled core, the likeliest first, until the answer
is certain or the time is up. `blooms` says which can be passed over. An answer cut by time says
so. Runs in threads; the core releases the interpreter's lock.
"""

import dataclasses
import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Self

from loghub_ingest import _core
from loghub_ingest.search import blooms
from loghub_ingest.storage import contract

BUDGET_SECONDS: Final = 10.0
"""Of one answer. Clients ask again when it says Incomplete."""

MAX_TIME: Final = 2**32 - 1
"""Unix seconds are 32-bit in the format."""

Moment = tuple[int, int]
"""Unix seconds, and nanoseconds within the second."""

Record = dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """Which records are asked for: a half-open span of time, and a topic (empty: every)."""

    begin: Moment
    end: Moment
    topic: str = ""

    @property
    def seconds(self) -> tuple[int, int]:
        """The half-open span of whole seconds that covers it."""
        last, part = self.end
        return self.begin[0], min(last + (part > 0), MAX_TIME)

    @property
    def has_parts(self) -> bool:
        """Whether it begins or ends within a second."""
        return self.begin[1] > 0 or self.end[1] > 0


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """One record, and where it is stored."""

    record: Record
    entry: contract.Entry
    position: int


Place = tuple[contract.Entry, int]
"""A stored log group, and the position of a record in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Where the records of an answer are, in the order asked for; not read yet.

    Incomplete when the time was up first.
    """

    kept: tuple[Place, ...]
    complete: bool
    scanned_rows: int
    scanned_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """Matching records by span of `step` seconds from the window's beginning on."""

    step: int
    counts: tuple[int, ...]
    complete: tuple[bool, ...]
    scanned_rows: int


Key = tuple[int, int, int, int]
"""Sort key of a record: seconds, nanoseconds, sequence of its group, position in it."""


def scanner(program: str, window: Window) -> _core.Scanner:
    """The compiled query for one window."""
    begin, end = window.seconds
    return _core.Scanner(program, begin, end, window.topic or None)


def places(
    storage: contract.LogStorage,
    entries: Iterable[contract.Entry],
    query: tuple[str, Window],
    *,
    line: int,
    offset: int,
    reverse: bool,
) -> Places:
    """Where records `offset` to `offset + line` of those that match are, by time.

    `rendered` reads them, all or in parts.
    """
    program, window = query
    compiled, wanted = scanner(program, window), offset + line
    best: list[tuple[Key, contract.Entry]] = []
    rows = size = 0
    complete = True
    deadline = time.monotonic() + BUDGET_SECONDS
    sign = 1 if reverse else -1
    # The groups that may hold the first records of the answer come first.
    filters = blooms.of(storage)
    for entry in filters.possible(compiled, _ordered(entries, reverse=reverse)):
        edge = entry.max_time if reverse else entry.min_time
        if len(best) >= wanted and (not wanted or sign * edge < best[0][0][0]):
            break  # no record of this group or of a later one can be among the first
        if time.monotonic() > deadline:
            complete = False
            break
        raw = storage.read(entry)
        if raw is None:
            continue
        rows, size = rows + entry.logs, size + entry.raw_size
        hits = compiled.hits(raw)
        if not hits and compiled.is_selective():
            filters.want(entry)
        for hit in hits:
            if not window.has_parts or window.begin <= hit[:2] < window.end:
                place = (hit[0], hit[1], entry.sequence, hit[2])
                key = place if reverse else (-place[0], -place[1], -place[2], -place[3])
                _keep(best, (key, entry), wanted)
    best.sort(key=lambda each: each[0], reverse=True)
    kept = tuple((entry, abs(key[3])) for key, entry in best[offset:])
    return Places(kept, complete, rows, size)


def _ordered(entries: Iterable[contract.Entry], *, reverse: bool) -> list[contract.Entry]:
    if reverse:
        return sorted(entries, key=lambda each: each.max_time, reverse=True)
    return sorted(entries, key=lambda each: each.min_time)


def _keep(
    best: list[tuple[Key, contract.Entry]], item: tuple[Key, contract.Entry], wanted: int
) -> None:
    if len(best) < wanted:
        heapq.heappush(best, _Item(item))
    elif wanted and item[0] > best[0][0]:
        heapq.heapreplace(best, _Item(item))


class _Item(tuple[Key, contract.Entry]):
    """Compared by its key alone: two shards may hold a record of the same key."""

    __slots__ = ()

    def __new__(cls, item: tuple[Key, contract.Entry]) -> Self:
        return super().__new__(cls, item)

    def __lt__(self, other: object) -> bool:
        return isinstance(other, tuple) and bool(self[0] < other[0])


def rendered(storage: contract.LogStorage, kept: Sequence[Place]) -> tuple[Found, ...]:
    """The records at these places; one whose bytes are damaged is left out."""
    positions: dict[contract.Entry, list[int]] = {}
    for entry, position in kept:
        positions.setdefault(entry, []).append(position)
    records: dict[tuple[contract.Entry, int], Record] = {}
    for entry, wanted in positions.items():
        raw = storage.read(entry)  # again: holding every group's bytes until now has no bound
        if raw is not None:
            rendered = _core.render(raw, wanted)
            records |= {(entry, at): each for at, each in zip(wanted, rendered, strict=True)}
    return tuple(
        Found(records[entry, at], entry, at) for entry, at in kept if (entry, at) in records
    )


def count(
    storage: contract.LogStorage,
    entries: Iterable[contract.Entry],
    query: tuple[str, Window],
    step: int,
) -> Counts:
    """How many records match in each span of `step` seconds."""
    program, window = query
    begin, end = window.seconds
    counts = [0] * -(-(end - begin) // step)
    complete = [True] * len(counts)
    compiled = scanner(program, window)
    deadline = time.monotonic() + BUDGET_SECONDS
    rows = 0
    filters = blooms.of(storage)
    for entry in filters.possible(compiled, entries):
        first = max(0, (entry.min_time - begin) // step)
        last = min(len(counts) - 1, (entry.max_time - begin) // step)
        if time.monotonic() > deadline:
            complete[first : last + 1] = [False] * (last + 1 - first)
            continue
        raw = storage.read(entry)
        if raw is None:
            continue
        rows += entry.logs
        found = compiled.counts(raw, step)
        if not any(found) and compiled.is_selective():
            filters.want(entry)
        counts = [sum(pair) for pair in zip(counts, found, strict=True)]
    return Counts(step, tuple(counts), tuple(complete), rows)


def topics(
    storage: contract.LogStorage,
    entries: Iterable[contract.Entry],
    *,
    token: str,
    line: int,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[str], str, bool]:
    """Topics from `token` on in order, up to `line`; where to go on; whether all were seen."""
    found: set[str] = set()
    deadline = clock() + BUDGET_SECONDS
    complete = True
    for entry in entries:
        if clock() > deadline:
            complete = False
            break
        raw = storage.read(entry)
        topic = "" if raw is None else _core.head(raw)[0]
        if topic and topic >= token:
            found.add(topic)
            if len(found) > 2 * line + 2:
                found = set(heapq.nsmallest(line + 1, found))
    ordered = sorted(found)
    return ordered[:line], "".join(ordered[line : line + 1]), complete
