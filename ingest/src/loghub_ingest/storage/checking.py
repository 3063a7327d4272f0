"""Verifies a data directory byte by byte, and makes what can be made again.

`upkeep` calls it for `loghub-ingest check`. The log itself is the only truth: what is damaged in
it is lost and is named; an index is derived and can be written anew.
"""

import contextlib
import dataclasses
import pathlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping

from loghub_ingest.storage import contract, indexes, records, segments

Progress = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Lost:
    """Log groups of one shard that are not there any more."""

    logstore: str
    shard: int
    first: int
    count: int


@dataclasses.dataclass(slots=True)
class Result:
    """What a check found."""

    files: int = 0
    groups: int = 0
    bytes: int = 0
    damages: list[segments.Damage] = dataclasses.field(default_factory=list)
    lost: list[Lost] = dataclasses.field(default_factory=list)
    bad_indexes: list[int] = dataclasses.field(default_factory=list)
    torn: segments.Damage | None = None
    """An unfinished write at the end of the newest segment: no loss, the next start cuts it off."""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damages or self.bad_indexes)


def store_names(metadata: pathlib.Path) -> dict[int, str]:
    """Project and name of every Logstore; needs no key file.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with contextlib.closing(sqlite3.connect(f"file:{metadata}?mode=ro", uri=True)) as base:
        found = base.execute("SELECT ident, project, name FROM logstore")
        return {ident: f"{project}/{name}" for ident, project, name in found}


def check(
    stores: Mapping[int, str], log: segments.Segments, *, repair: bool, progress: Progress
) -> Result:
    """Read everything; with `repair`, write indexes anew where they are not as they should be."""
    result = Result()
    last: dict[tuple[int, int], int] = {}
    numbers = log.numbers()
    for number in numbers:
        progress(f"segment {number}, {result.files} of {len(numbers)} done")
        packed = log.pack(number).exists()
        path, form = (
            (log.pack(number), segments.PACK) if packed else (log.path(number), segments.LOG)
        )
        found, damages = walk(path, number, form)
        _take_damages(result, damages, path, newest=number == numbers[-1] and not packed)
        if packed:  # by shard
            found.sort(key=lambda each: each.head.sequence)
        for each in found:
            place = (each.head.store, each.head.shard)
            expected = last.get(place, each.head.sequence - 1) + 1
            # Without damage a gap is the work of retention.
            if each.head.sequence > expected and result.damages and place[0] in stores:
                count = each.head.sequence - expected
                result.lost.append(Lost(stores[place[0]], place[1], expected, count))
            last[place] = each.head.sequence
        if packed:
            _check_index(log.pack_index(number), path, found, result, repair=repair)
        elif number != numbers[-1]:
            _check_index(log.index(number), path, found, result, repair=repair)
        result.files += 1
        result.groups += len(found)
        result.bytes += path.stat().st_size
    return result


def walk(
    path: pathlib.Path, number: int, form: segments.Form
) -> tuple[list[segments.Found], list[segments.Damage]]:
    """What a segment's file holds, and what is damaged in it."""
    found, damages = [], []
    for each in segments.walk(path, number, form):
        if isinstance(each, segments.Found):
            found.append(each)
        else:
            damages.append(each)
    return found, damages


def _take_damages(
    result: Result, damages: list[segments.Damage], path: pathlib.Path, *, newest: bool
) -> None:
    size = path.stat().st_size
    for each in damages:
        if newest and each.offset + each.bytes == size and each.offset >= len(records.MAGIC):
            result.torn = each
        else:
            result.damages.append(each)


def _check_index(
    index: pathlib.Path,
    path: pathlib.Path,
    found: list[segments.Found],
    result: Result,
    *,
    repair: bool,
) -> None:
    number, covered = int(path.stem), path.stat().st_size
    shards = by_shard(found)
    wanted = {(store, shard): entries for store, shard, entries in shards}
    runs = indexes.load(index, number, covered)
    stated: dict[tuple[int, int], list[contract.Entry]] = {}
    for place, own in (runs or {}).items():
        for run in own:
            rows = indexes.entries(index, run, run.first, run.count)
            stated.setdefault(place, []).extend(rows)
    if runs is not None and stated == wanted:
        return
    result.bad_indexes.append(number)
    if repair:
        indexes.write(index, covered, shards)


def by_shard(
    found: Iterable[segments.Found],
) -> list[tuple[int, int, list[contract.Entry]]]:
    """What a segment holds, as `indexes.write` takes it."""
    places: dict[tuple[int, int], list[contract.Entry]] = {}
    for each in found:
        places.setdefault((each.head.store, each.head.shard), []).append(each.entry())
    return [(*place, entries) for place, entries in places.items()]
