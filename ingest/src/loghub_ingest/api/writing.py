"""PutLogs, in all its forms: load-balanced, by hash key, protobuf or JSON.

The answer is sent when the log group is durable, not before. Groups are checked whole (every key
and value is UTF-8) and kept as they came: a reader gets the same bytes.
"""

import asyncio
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import answers
from loghub_ingest.requests import MAX_BODY_BYTES, Call
from loghub_ingest.storage import contract
from slswire import compress, errors, headers, protobuf
from slswire.model import Log, LogGroup

_HASH_KEY: Final = re.compile(r"[0-9a-fA-F]{32}")
_INLINE_BYTES: Final = 64 * 1024
"""Bodies up to this are checked on the loop: a thread's hand-over would cost more."""

_turn = itertools.count()


async def put(call: Call) -> Response:
    """`POST /logstores/L/shards/lb`, `POST /logstores/L`: to the next shard in turn."""
    store = call.store("write")
    return await _append(call, store, store.shards[next(_turn) % len(store.shards)])


async def put_by_key(call: Call) -> Response:
    """`POST /logstores/L/shards/route?key=`: to the shard whose range holds the key."""
    store = call.store("write")
    text = call.query.get("key") or call.headers.get(headers.HASH_KEY, "")
    if not _HASH_KEY.fullmatch(text):
        detail = f"Parameter key is {text[:40]!r}; it must be 32 hexadecimal digits"
        raise errors.make("ParameterInvalid", detail=detail)
    key = int(text, 16)
    shard = next(each for each in store.shards if each.begin <= key < each.end)
    return await _append(call, store, shard)


async def _append(call: Call, store: contract.Logstore, shard: contract.Shard) -> Response:
    if len(call.body) <= _INLINE_BYTES and call.raw_size() <= _INLINE_BYTES:
        group = _group(call, store, shard)
    else:
        group = await asyncio.to_thread(_group, call, store, shard)
    if group.logs:
        try:
            await call.storage.append(group)
        except contract.StorageFullError as fault:
            # 503: every client keeps its data and comes back; anything in the 400s may drop it.
            raise errors.make("ServerBusy") from fault
    return answers.nothing()


def _group(call: Call, store: contract.Logstore, shard: contract.Shard) -> contract.NewGroup:
    kind = call.headers.get(headers.COMPRESS_TYPE, "")
    raw = compress.decompress(kind, call.body, raw_size=call.raw_size(), limit=MAX_BODY_BYTES)
    block = call.body
    if call.headers.get("content-type", "").startswith("application/json"):
        raw = protobuf.encode_log_group(_from_json(call.document()))
        kind = ""
    summary = protobuf.inspect(raw)
    if kind != "lz4":
        block = compress.compress("lz4", raw)
    return contract.NewGroup(
        store=store.ident,
        shard=shard.number,
        block=block,
        raw_size=len(raw),
        logs=summary.logs,
        min_time=summary.min_time,
        max_time=summary.max_time,
    )


def _from_json(found: Mapping[str, Any]) -> LogGroup:
    logs = found.get("__logs__")
    tags = found.get("__tags__") or {}
    if not isinstance(logs, Sequence) or isinstance(logs, str) or not isinstance(tags, dict):
        raise errors.make("PostBodyInvalid", detail="__logs__ must be a list, __tags__ an object.")
    return LogGroup(
        logs=tuple(_log(each) for each in logs),
        topic=str(found.get("__topic__") or ""),
        source=str(found.get("__source__") or ""),
        tags=tuple((str(key), str(value)) for key, value in tags.items()),
    )


def _log(found: Any) -> Log:
    if not isinstance(found, dict):
        raise errors.make("PostBodyInvalid", detail="Each of __logs__ must be an object.")
    time, nanoseconds = found.get("__time__"), found.get("__time_ns_part__")
    if not isinstance(time, int) or not 0 <= time < 2**32:
        raise errors.make("PostBodyInvalid", detail="__time__ must be unix seconds.")
    if nanoseconds is not None and not (isinstance(nanoseconds, int) and 0 <= nanoseconds < 10**9):
        raise errors.make("PostBodyInvalid", detail="__time_ns_part__ must be in [0, 999999999].")
    fields = tuple(
        (str(key), value if isinstance(value, str) else str(value))
        for key, value in found.items()
        if key not in {"__time__", "__time_ns_part__"}
    )
    return Log(time, fields, nanoseconds)
