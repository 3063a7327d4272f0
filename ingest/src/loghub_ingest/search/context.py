"""The records around one record, in the order in which their sender wrote them.

A record's place is its pack: `__pack_id__` says whose stream (`PREFIX-NUMBER`, given by the sender
as a tag, or derived here from source, topic and tags), `__pack_meta__` which log group and which
record of it (`shard|cursor|logs|index`). `api.querying` gives them out on `| with_pack_meta` and
takes them back.
"""

import base64
import binascii
import dataclasses
import hashlib
import heapq
import time
from collections.abc import Iterator, Sequence
from typing import Final

from loghub_ingest import _core
from loghub_ingest.search import scanning
from loghub_ingest.storage import contract
from slswire import errors

MAX_LINES: Final = 100
"""In each direction."""

MAX_CHARS: Final = 32 * 1024 * 1024
"""Of the values on one side; where a record beyond them is left out, the answer is incomplete."""

PACK_ID: Final = "__tag__:__pack_id__"
PACK_META: Final = "__pack_meta__"
_CHUNK: Final = 64
_MAX_META_CHARS: Final = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """Records around one, oldest first, each with its `__index_number__`."""

    records: list[scanning.Record]
    back: int
    forward: int
    complete: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    shard: contract.Shard
    entry: contract.Entry


def with_packs(
    storage: contract.LogStorage, store: contract.Logstore, found: Sequence[scanning.Found]
) -> list[scanning.Record]:
    """The records of `found`, each with the two fields that ask for its context."""
    places: dict[contract.Entry, tuple[_Place, str] | None] = {}  # a group is read once
    records = []
    for each in found:
        if each.entry not in places:
            places[each.entry] = _place_of(storage, store, each.entry)
        at = places[each.entry]
        records.append(
            each.record if at is None else _described(each.record, *at, position=each.position)
        )
    return records


def _place_of(
    storage: contract.LogStorage, store: contract.Logstore, entry: contract.Entry
) -> tuple[_Place, str] | None:
    for shard in store.shards:
        here = storage.entries(store, shard, entry.sequence, 1)
        raw = storage.read(entry) if here and here[0] == entry else None
        if raw is not None:
            place = _Place(shard, entry)
            return place, _pack_id(raw, place)
    return None


def around(
    storage: contract.LogStorage,
    store: contract.Logstore,
    pack: tuple[str, str],
    *,
    back: int,
    forward: int,
) -> Context:
    """Up to `back` and `forward` records around the one of pack id and pack meta.

    Raises:
        SlsError: ParameterInvalid when no such record is stored.
    """
    place, position = _locate(storage, store, pack[1])
    raw = storage.read(place.entry)
    records = [] if raw is None else _core.render(raw, [position])
    if raw is None or not records:
        raise _unknown(pack[1])
    prefix = pack[0].rpartition("-")[0]
    pack_id = _pack_id(raw, place)
    if pack_id.rpartition("-")[0] != prefix:
        raise errors.make("ParameterInvalid", detail="pack_id and pack_meta do not go together")
    deadline = time.monotonic() + scanning.BUDGET_SECONDS
    own = _described(records[0], place, pack_id, position=position)
    walk = _Walk(storage, store, prefix, deadline)
    before = walk.records(place, position, back, step=-1)
    after = walk.records(place, position, forward, step=1)
    numbered = [*reversed(before), own, *after]
    for number, record in enumerate(numbered, start=-len(before)):
        record["__index_number__"] = str(number)
    return Context(numbered, len(before), len(after), walk.complete)


class _Walk:
    def __init__(
        self,
        storage: contract.LogStorage,
        store: contract.Logstore,
        prefix: str,
        deadline: float,
    ) -> None:
        self._storage, self._store = storage, store
        self._prefix, self._deadline = prefix, deadline
        self.complete = True

    def records(
        self, place: _Place, position: int, wanted: int, *, step: int
    ) -> list[scanning.Record]:
        """Up to `wanted` records on one side, the nearest first."""
        found: list[scanning.Record] = []
        size = 0
        for each in self._neighbours(place, step):
            if len(found) >= wanted:
                break
            if time.monotonic() > self._deadline or size > MAX_CHARS:
                self.complete = False
                break
            raw = self._storage.read(each.entry)
            if raw is None:
                continue
            pack_id = _pack_id(raw, each)
            if pack_id.rpartition("-")[0] != self._prefix:
                continue
            logs = range(_core.head(raw)[3])
            if each == place:
                logs = logs[position + 1 :] if step > 0 else logs[:position]
            ordered = list(logs)[::step][: wanted - len(found)]
            rendered = _core.render(raw, ordered)
            size += sum(len(value) for record in rendered for value in record.values())
            found += [
                _described(record, each, pack_id, position=at)
                for at, record in zip(ordered, rendered, strict=True)
            ]
        return found

    def _neighbours(self, place: _Place, step: int) -> Iterator[_Place]:
        """Log groups of every shard from `place` on, in order of receipt, or against it."""
        streams = [self._stream(shard, place, step) for shard in self._store.shards]
        return heapq.merge(
            *streams,
            key=lambda each: (each.entry.received, each.shard.number, each.entry.sequence),
            reverse=step < 0,
        )

    def _stream(self, shard: contract.Shard, place: _Place, step: int) -> Iterator[_Place]:
        storage, store = self._storage, self._store
        first, end = storage.span(store, shard)
        at = place.entry.sequence
        if shard.number != place.shard.number:
            at = storage.sequence_at(store, shard, place.entry.received) - (step < 0)
        while first <= at < end:
            begin = at if step > 0 else max(first, at - _CHUNK + 1)
            count = _CHUNK if step > 0 else at - begin + 1
            chunk = _chunk(storage, store, shard, (begin, min(begin + count, end)))
            yield from (_Place(shard, entry) for entry in chunk[::step])
            at = begin + count if step > 0 else begin - 1


def _chunk(
    storage: contract.LogStorage,
    store: contract.Logstore,
    shard: contract.Shard,
    span: tuple[int, int],
) -> list[contract.Entry]:
    found: list[contract.Entry] = []
    begin, end = span
    while len(found) < end - begin:
        part = storage.entries(store, shard, begin + len(found), end - begin - len(found))
        if not part:
            break
        found += part
    return found


def _pack_id(raw: bytes, place: _Place) -> str:
    topic, source, tags, _ = _core.head(raw)
    for key, value in tags:
        if key == "__pack_id__":
            return value
    stream = "\0".join([source, topic, *(f"{key}\0{value}" for key, value in tags)])
    digest = hashlib.sha256(stream.encode()).hexdigest()[:16].upper()
    return f"{digest}-{place.entry.sequence:X}"


def _described(
    record: scanning.Record, place: _Place, pack_id: str, *, position: int
) -> scanning.Record:
    cursor = base64.b64encode(str(place.entry.sequence).encode()).decode()
    meta = f"{place.shard.number}|{cursor}|{place.entry.logs}|{position}"
    return {PACK_ID: pack_id, PACK_META: meta} | record


def _locate(
    storage: contract.LogStorage, store: contract.Logstore, meta: str
) -> tuple[_Place, int]:
    parts = meta[:_MAX_META_CHARS].split("|")
    try:
        number, cursor, _, position = parts
        sequence = int(base64.b64decode(cursor, validate=True))
        shard = next(each for each in store.shards if each.number == int(number))
        entry = storage.entries(store, shard, sequence, 1)[0]
        if entry.sequence != sequence or not 0 <= int(position) < entry.logs:
            raise _unknown(meta)
    except (ValueError, binascii.Error, StopIteration, IndexError) as fault:
        raise _unknown(meta) from fault
    return _Place(shard, entry), int(position)


def _unknown(meta: str) -> errors.SlsError:
    detail = f"pack_meta {meta[:_MAX_META_CHARS]!r} names no stored record"
    return errors.make("ParameterInvalid", detail=detail)
