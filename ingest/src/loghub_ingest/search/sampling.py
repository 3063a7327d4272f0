"""Which fields the newest matching records have, and their most frequent values.

The console's side bar. A sample, since exact counts over everything are a matter for SQL; it says
how many records it is of. Runs in threads, bounded in records, bytes and time.
"""

import collections
import dataclasses
import time
from collections.abc import Iterable
from typing import Final

from loghub_ingest import _core
from loghub_ingest.search import blooms, scanning
from loghub_ingest.storage import contract

MAX_RECORDS: Final = 2000
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of raw log groups that hold a match."""

MAX_FIELDS: Final = 200
MAX_VALUES: Final = 500
"""Different values counted of one field; beyond, they are told apart no more."""

TOP: Final = 10
MAX_VALUE_CHARS: Final = 200
"""A longer value is a message, not one of few; it is not counted as a value."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """How many records have the field, how many different values, and the most frequent ones.

    `many` where there are more different values than were counted.
    """

    name: str
    records: int
    distinct: int
    many: bool
    top: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """Fields by how many records have them, of `records` records."""

    fields: tuple[Field, ...]
    records: int


def sample(
    storage: contract.LogStorage,
    entries: Iterable[contract.Entry],
    query: tuple[str, scanning.Window],
) -> Sample:
    """The fields of the newest records that match."""
    compiled = scanning.scanner(*query)
    newest = sorted(entries, key=lambda each: each.max_time, reverse=True)
    deadline = time.monotonic() + scanning.BUDGET_SECONDS
    counted: dict[str, _Counted] = {}
    records = size = 0
    for entry in blooms.of(storage).possible(compiled, newest):
        if records >= MAX_RECORDS or size >= MAX_BYTES or time.monotonic() > deadline:
            break
        raw = storage.read(entry)
        if raw is None:
            continue
        places = [hit[2] for hit in compiled.hits(raw)][-(MAX_RECORDS - records) :]
        size += entry.raw_size if places else 0
        records += len(places)
        for record in _core.render(raw, places):
            _count(counted, record)
    ordered = sorted(counted.items(), key=lambda item: (-item[1].records, item[0]))
    return Sample(tuple(each.shown(name) for name, each in ordered), records)


class _Counted:
    def __init__(self) -> None:
        self.records = 0
        self.many = False
        self.values: collections.Counter[str] = collections.Counter()

    def add(self, value: str) -> None:
        self.records += 1
        if len(value) <= MAX_VALUE_CHARS and (
            value in self.values or len(self.values) < MAX_VALUES
        ):
            self.values[value] += 1
        else:
            self.many = True

    def shown(self, name: str) -> Field:
        top = tuple(self.values.most_common(TOP))
        return Field(name, self.records, len(self.values), self.many, top)


def _count(counted: dict[str, _Counted], record: scanning.Record) -> None:
    for name, value in record.items():
        if name not in counted:
            if len(counted) >= MAX_FIELDS:
                continue
            counted[name] = _Counted()
        counted[name].add(value)
