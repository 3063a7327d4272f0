"""PutLogs, in all its forms: load-balanced, by hash key, exactly once, many groups in one body.

The answer is sent when the log group is durable, not before. Groups are checked whole (every key
and value is UTF-8) and kept as they came: a reader gets the same bytes. `groups` reads the bodies.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from loghub_ingest import exactlyonce
from loghub_ingest.api import answers, groups, shards
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors, headers

_INLINE_BYTES: Final = 64 * 1024
"""Bodies up to this are checked on the loop: a thread's hand-over would cost more."""

_MAX_SEQUENCE_ID: Final = 2**63 - 1

_turn = itertools.count()


async def put(call: Call) -> Response:
    """`POST /logstores/L/shards/lb`, `POST /logstores/L`: to the next shard in turn."""
    if headers.HASH_KEY in call.headers:  # how the first versions of the API routed by key
        key = call.headers[headers.HASH_KEY]
        return await _put(call, shards.hash_key(key, headers.HASH_KEY))
    return await _put(call, None)


async def put_by_key(call: Call) -> Response:
    """`POST /logstores/L/shards/route?key=[&seqid=]`: to the shard whose range holds the key."""
    key = shards.hash_key(call.query.get("key", ""), "key")
    if "seqid" in call.query:
        return await _put_once(call, key)
    return await _put(call, key)


def choose(call: Call, store: contract.Logstore, key: int | None) -> contract.Shard:
    """The shard that holds the hash key, or the next one in turn.

    To be called after the last wait before the write begins: a split seals shards meanwhile.

    Raises:
        SlsError: LogStoreNotExist, when it was deleted meanwhile.
    """
    current = call.storage.logstore(store.project, store.name)
    if current is None or current.ident != store.ident:
        raise errors.make("LogStoreNotExist", logstore=store.name)
    if key is None:
        return current.writable[next(_turn) % len(current.writable)]
    return next(each for each in current.writable if each.begin <= key < each.end)


async def _put(call: Call, key: int | None) -> Response:
    store = call.store("write")
    found = await _read(call, store)
    if found:
        await call.service.writes.place(found, lambda: choose(call, store, key))
    return answers.nothing()


async def _put_once(call: Call, key: int) -> Response:
    store = call.store("write")
    number = call.number("seqid", 0, least=0, most=_MAX_SEQUENCE_ID)
    found = await _read(call, store)
    if len(found) > 1:
        detail = "seqid goes with one log group, not with a list of packages."
        raise errors.make("ParameterInvalid", detail=detail)
    for group in found:
        place = exactlyonce.Number(f"{key:032x}", number)
        await call.service.once.append(store, lambda: choose(call, store, key), group, place)
    return answers.nothing()


async def _read(call: Call, store: contract.Logstore) -> Sequence[contract.NewGroup]:
    if len(call.body) <= _INLINE_BYTES and groups.raw_size(call) <= _INLINE_BYTES:
        return groups.read(call, store)
    return await asyncio.to_thread(groups.read, call, store)
