"""Logstores and their indexes: create, get, list, update, delete."""

import asyncio
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import answers, shards
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors, limits

_DEFAULTS: Final[dict[str, Any]] = {
    "ttl": 30,
    "shardCount": 2,
    "enable_tracking": False,
    "autoSplit": False,
    "maxSplitShard": 64,
    "appendMeta": False,
    "telemetryType": "",
    "productType": "",
    "mode": "standard",
    "hot_ttl": -1,
}
"""What the service fills in where a client says nothing."""

_MAX_INDEX_BYTES: Final = 256 * 1024
_RANGES: Final = {"ttl": (1, 3650), "shardCount": (1, 100)}

_UNSET: Final = -1
"""What the Java SDK writes as maxSplitShard where its user said nothing."""

_EXTRA: Final = {"infrequentAccessTTL": int, "resourceQuota": dict, "enableModify": bool}
"""What clients may set besides, kept and shown: it changes nothing on one volume."""


async def create(call: Call) -> Response:
    """`POST /logstores`."""
    call.require("admin")
    given = call.document()
    name = str(given.get("logstoreName", ""))
    if not limits.is_logstore_name(name):
        raise errors.make("LogStoreInfoInvalid", logstore=name[:80])
    if call.storage.logstore(call.project, name) is not None:
        raise errors.make("LogStoreAlreadyExist", logstore=name)
    document = _DEFAULTS | _settings(given)
    made = call.storage.create_logstore
    if not await asyncio.to_thread(made, call.project, name, document):
        call.require("admin")  # the project may have been deleted meanwhile
        raise errors.make("LogStoreAlreadyExist", logstore=name)
    return answers.nothing()


async def get(call: Call) -> Response:
    """`GET /logstores/L`."""
    store = call.store("read")
    shown = store.document | {
        "logstoreName": store.name,
        "createTime": store.created,
        "lastModifyTime": store.modified,
    }
    return answers.document(shown)


async def list_names(call: Call) -> Response:
    """`GET /logstores`: names, filtered by a part of them."""
    call.require("read")
    offset = call.number("offset", 0, least=0, most=2**31)
    size = call.number("size", 500, least=0, most=500)
    wanted = call.query.get("logstoreName", "")
    found = [each.name for each in call.storage.logstores(call.project) if wanted in each.name]
    page = found[offset : offset + size]
    return answers.document({"count": len(page), "total": len(found), "logstores": page})


async def update(call: Call) -> Response:
    """`PUT /logstores/L`: all but the number of shards, which only split and merge change."""
    store = call.store("admin")
    given = _settings(call.document())
    if given.get("shardCount", store.document["shardCount"]) != store.document["shardCount"]:
        detail = "invalid shard count,you can only modify shardCount by split& merge shard."
        raise errors.make("ParameterInvalid", detail=detail)
    changed = call.storage.update_logstore
    if not await asyncio.to_thread(changed, store, store.document | given):
        raise errors.make("LogStoreNotExist", logstore=store.name)
    return answers.nothing()


async def delete(call: Call) -> Response:
    """`DELETE /logstores/L`."""
    await asyncio.to_thread(call.storage.delete_logstore, call.store("admin"))
    return answers.nothing()


async def create_index(call: Call) -> Response:
    """`POST /logstores/L/index`."""
    store = call.store("admin")
    if store.index is not None:
        raise errors.make("IndexAlreadyExist")
    return await _set_index(call, store)


async def update_index(call: Call) -> Response:
    """`PUT /logstores/L/index`."""
    store = call.store("admin")
    if store.index is None:
        raise errors.make("IndexConfigNotExist")
    return await _set_index(call, store)


async def get_index(call: Call) -> Response:
    """`GET /logstores/L/index`: the document as it was given."""
    store = call.store("read")
    if store.index is None:
        raise errors.make("IndexConfigNotExist")
    shown = {"ttl": store.ttl_days, **store.index, "lastModifyTime": store.modified}
    return answers.document(shown)


async def delete_index(call: Call) -> Response:
    """`DELETE /logstores/L/index`."""
    store = call.store("admin")
    if store.index is None:
        raise errors.make("IndexConfigNotExist")
    await asyncio.to_thread(call.storage.set_index, store, None)
    return answers.nothing()


async def _set_index(call: Call, store: contract.Logstore) -> Response:
    if len(call.body) > _MAX_INDEX_BYTES:
        raise errors.make("PostBodyTooLarge", size=len(call.body), limit=_MAX_INDEX_BYTES)
    if not await asyncio.to_thread(call.storage.set_index, store, call.document()):
        raise errors.make("LogStoreNotExist", logstore=store.name)
    return answers.nothing()


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    kinds = {key: type(value) for key, value in _DEFAULTS.items()} | _EXTRA
    # Some clients write null, and Python's SDK the text "None", for no telemetry type.
    kept = {key: given[key] for key in kinds if given.get(key) is not None and given[key] != "None"}
    if kept.get("maxSplitShard") == _UNSET:
        del kept["maxSplitShard"]
    for key, value in kept.items():
        if type(value) is not kinds[key]:
            detail = f"{key} is {str(value)[:40]!r}; it must be of type {kinds[key].__name__}"
            raise errors.make("ParameterInvalid", detail=detail)
    for key, (least, most) in _RANGES.items():
        if not least <= kept.get(key, least) <= most:
            detail = f"{key} is {kept[key]!r}; it must be a whole number in [{least}, {most}]"
            raise errors.make("ParameterInvalid", detail=detail)
    if not 1 <= kept.get("maxSplitShard", 1) <= shards.MAX_WRITABLE:
        detail = f"maxSplitShard must be within range [1, {shards.MAX_WRITABLE}]"
        raise errors.make("ParameterInvalid", detail=detail)
    encryption = given.get("encrypt_conf")
    if isinstance(encryption, dict) and encryption.get("enable"):
        detail = "encrypt_conf: Logstores are not encrypted here; encrypt the volume."
        raise errors.make("NotSupported", detail=detail)
    return kept
