"""Shards: list, split, merge, delete.

A split or a merge makes its shards read-only and hands their ranges of the key space to new ones;
what was written stays readable until the Logstore's retention has passed.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors

MAX_WRITABLE: Final = 256
"""Per Logstore, the service's own bound (`maxSplitShard`)."""

HASH_KEY: Final = re.compile(r"[0-9a-fA-F]{32}")


async def list_all(call: Call) -> Response:
    """`GET /logstores/L/shards`."""
    return answers.document([_shown(each) for each in call.store("read").shards])


async def change(call: Call) -> Response:
    """`POST /logstores/L/shards/N?action=split|merge`: the old shards and the new ones."""
    store = call.store("admin")
    shard = _writable(call, store)
    match call.query.get("action", ""):
        case "split":
            sealed, ranges = [shard], _halves(call, shard)
        case "merge":
            sealed = [shard, _right_of(store, shard)]
            ranges = [(shard.begin, sealed[1].end)]
        case other:
            detail = f"Parameter action is {other[:40]!r}; it must be split or merge"
            raise errors.make("ParameterInvalid", detail=detail)
    _check_bounds(store, len(ranges) - len(sealed), len(ranges))
    numbers = [each.number for each in sealed]
    changed = await asyncio.to_thread(call.storage.replace_shards, store, numbers, ranges)
    if changed is None:
        raise _invalid_shard()
    old = [each for each in changed.shards if each.number in numbers]
    new = list(changed.shards[-len(ranges) :])
    shown = old + new if len(old) == 1 else new + old
    return answers.document([_shown(each) for each in shown])


async def delete(call: Call) -> Response:
    """`DELETE /logstores/L/shards/N`: a read-only one, with what it holds."""
    store = call.store("admin")
    shard = call.shard(store)
    if not shard.sealed:
        detail = f"Shard {shard.number} is written to: only a readonly shard can be deleted."
        raise errors.make("ParameterInvalid", detail=detail)
    await asyncio.to_thread(call.storage.delete_shards, store, [shard.number])
    return answers.nothing()


def hash_key(text: str, parameter: str) -> int:
    """A hash key as clients write it.

    Raises:
        SlsError: ParameterInvalid.
    """
    if not HASH_KEY.fullmatch(text):
        detail = f"Parameter {parameter} is {text[:40]!r}; it must be 32 hexadecimal digits"
        raise errors.make("ParameterInvalid", detail=detail)
    return int(text, 16)


def _writable(call: Call, store: contract.Logstore) -> contract.Shard:
    shard = call.shard(store)
    if shard.sealed:
        raise _invalid_shard()
    return shard


def _halves(call: Call, shard: contract.Shard) -> Sequence[tuple[int, int]]:
    if "shardCount" in call.query:
        count = call.number("shardCount", 2, least=2, most=MAX_WRITABLE)
        if shard.end - shard.begin < count:
            raise errors.make("ParameterInvalid", detail="invalid mid hash.")
        return contract.divide(shard.begin, shard.end, count)
    if "key" not in call.query:
        return contract.divide(shard.begin, shard.end, 2)
    middle = hash_key(call.query["key"], "key")
    if not shard.begin < middle < shard.end:
        raise errors.make("ParameterInvalid", detail="invalid mid hash.")
    return [(shard.begin, middle), (middle, shard.end)]


def _right_of(store: contract.Logstore, shard: contract.Shard) -> contract.Shard:
    for other in store.writable:
        if other.begin == shard.end:
            return other
    raise errors.make("ParameterInvalid", detail="can not merge the last shard.")


def _check_bounds(store: contract.Logstore, more_writable: int, more: int) -> None:
    if len(store.writable) + more_writable > MAX_WRITABLE:
        detail = f"A Logstore has at most {MAX_WRITABLE} shards that are written to."
        raise errors.make("ParameterInvalid", detail=detail)
    if len(store.shards) + more > contract.MAX_SHARDS:
        detail = f"A Logstore has at most {contract.MAX_SHARDS} shards; delete readonly ones first."
        raise errors.make("ParameterInvalid", detail=detail)


def _invalid_shard() -> errors.SlsError:
    return errors.make("ParameterInvalid", detail="invalid shard id.")


def _shown(shard: contract.Shard) -> dict[str, Any]:
    return {
        "shardID": shard.number,
        "status": "readonly" if shard.sealed else "readwrite",
        "inclusiveBeginKey": f"{shard.begin:032x}",
        # The end of the key space is written as all f and means no end.
        "exclusiveEndKey": f"{min(shard.end, contract.KEY_SPACE - 1):032x}",
        "createTime": shard.created,
    }
