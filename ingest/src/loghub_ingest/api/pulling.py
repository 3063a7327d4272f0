"""Cursors and PullLogs: reading a shard in the order it was written.

A cursor is the sequence of a log group as decimal digits in base64; clients do arithmetic on it.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from loghub_ingest import _core, cursors
from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import compress, errors, headers, limits, protobuf

MAX_ANSWER_BYTES: Final = 10 * 1024 * 1024
"""Raw bytes of one answer, as the cloud's; one larger log group is still given alone."""

_MAX_CURSOR_CHARS: Final = 64
_SECOND: Final = 1_000_000_000


async def shard(call: Call) -> Response:
    """`GET /logstores/L/shards/N?type=`: a cursor, a cursor's time, or log groups."""
    store = call.store("read")
    found = call.shard(store)
    match call.query.get("type", ""):
        case "cursor":
            start = await asyncio.to_thread(_start, call, store, found)
            return answers.document({"cursor": cursors.encode(start)})
        case "cursor_time":
            received = await asyncio.to_thread(_time, call, store, found)
            return answers.document({"cursor_time": received})
        case "log" | "logs":
            return await _pull(call, store, found)
        case other:
            raise errors.make(
                "ParameterInvalid", detail=f"Parameter type {other[:40]!r} is unknown"
            )


def _start(call: Call, store: contract.Logstore, shard: contract.Shard) -> int:
    first, end = call.storage.span(store, shard)
    match call.query.get("from", ""):
        case "begin":
            return first
        case "end":
            return end
        case text if text.isascii() and text.isdigit() and len(text) <= 12:
            return call.storage.sequence_at(store, shard, int(text) * _SECOND)
        case _:
            raise errors.make("ParameterInvalid", detail="Parameter From is not valid")


def _time(call: Call, store: contract.Logstore, shard: contract.Shard) -> int:
    span = call.storage.span(store, shard)
    cursor = call.query.get("cursor", "")
    sequence = _sequence(cursor, span)
    if cursors.decode(cursor) < span[0]:  # here, unlike in a pull, what is gone is out of range
        raise errors.make("InvalidCursor", cursor=cursor[:_MAX_CURSOR_CHARS])
    found = call.storage.entries(store, shard, sequence, 1)
    return found[0].received // _SECOND if found else int(time.time())


async def _pull(call: Call, store: contract.Logstore, shard: contract.Shard) -> Response:
    kind = _encoding(call.headers.get("accept-encoding", ""))
    after, (groups, raw, body) = await asyncio.to_thread(_pulled, call, store, shard, kind)
    call.service.usages.pulled(store.ident, len(body))
    sent = {
        headers.CURSOR: cursors.encode(after),
        headers.COUNT: str(groups),
        headers.BODY_RAW_SIZE: str(raw),
    }
    if raw:
        sent[headers.READ_LAST_CURSOR] = str(after - 1)
        if kind:
            sent[headers.COMPRESS_TYPE] = kind
    return Response(body, media_type="application/x-protobuf", headers=sent)


def _pulled(
    call: Call, store: contract.Logstore, shard: contract.Shard, kind: str
) -> tuple[int, tuple[int, int, bytes]]:
    """The sequence to go on from, and what `_read` makes of the groups before it."""
    count = call.number("count", 100, least=0, most=limits.MAX_PULL_GROUPS)
    span = call.storage.span(store, shard)
    sequence = _sequence(call.query.get("cursor", ""), span)
    if "end_cursor" in call.query:
        end = _sequence(call.query["end_cursor"], span)
        count = max(0, min(count, end - sequence))
    entries = _within(call.storage.entries(store, shard, sequence, count))
    after = entries[-1].sequence + 1 if entries else sequence
    return after, _read(call.storage, entries, kind)


def _read(
    storage: contract.LogStorage, entries: Sequence[contract.Entry], kind: str
) -> tuple[int, int, bytes]:
    if kind == "lz4":
        found = [
            (block, entry.raw_size)
            for entry in entries
            if (block := storage.block(entry)) is not None
        ]
        # As they lie there: decoding and compressing anew takes ten times the CPU.
        spliced = _core.splice(found) if found else None
        if spliced is not None:
            return len(found), spliced[1], spliced[0]
    groups = [group for entry in entries if (group := storage.read(entry)) is not None]
    raw = protobuf.join_log_groups(groups)
    return len(groups), len(raw), compress.compress(kind, raw) if raw else b""


def _within(entries: Sequence[contract.Entry]) -> Sequence[contract.Entry]:
    size = 0
    for number, entry in enumerate(entries):
        size += entry.raw_size
        if number and size > MAX_ANSWER_BYTES:
            return entries[:number]
    return entries


def _encoding(accepted: str) -> str:
    for kind in ("lz4", "zstd", "deflate"):
        if kind in accepted:
            return kind
    return ""


def _sequence(cursor: str, span: tuple[int, int]) -> int:
    # What retention took is passed over; a cursor beyond the end was never given out.
    first, end = span
    try:
        sequence = cursors.decode(cursor)
    except ValueError as fault:
        raise errors.make("InvalidCursor", cursor=cursor[:_MAX_CURSOR_CHARS]) from fault
    if sequence > end:
        raise errors.make("InvalidCursor", cursor=cursor[:_MAX_CURSOR_CHARS])
    return max(sequence, first)
