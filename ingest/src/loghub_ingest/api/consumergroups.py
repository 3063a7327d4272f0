"""Consumer groups: create, list, update, delete, heartbeats and checkpoints.

Groups and checkpoints are durable; who reads which shard is decided by `consumers`.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest import consumers, cursors
from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors, limits

MAX_GROUPS: Final = 20
"""Per Logstore, as the service has it."""

MAX_CHECKPOINT_CHARS: Final = 256

_DEFAULT_TIMEOUT: Final = 60
_MAX_TIMEOUT: Final = 86_400
_MAX_NAME: Final = 128


async def create(call: Call) -> Response:
    """`POST /logstores/L/consumergroups`."""
    store = call.store("read")
    given = call.document()
    name = given.get("consumerGroup")
    if not isinstance(name, str) or not limits.is_consumer_group_name(name):
        detail = "consumerGroup must be 2 to 128 letters, digits, '.', '-' and '_'"
        raise errors.make("JsonInfoInvalid", detail=f"{detail}; it is {str(name)[:80]!r}")
    body = {"timeout": _DEFAULT_TIMEOUT, "order": False} | _settings(given)
    kind = store.consumer_groups
    held = await asyncio.to_thread(call.storage.documents, call.project, kind)
    if name in {each.name for each in held}:
        raise errors.make("ConsumerGroupAlreadyExist")
    if len(held) >= MAX_GROUPS:
        detail = f"Logstore {store.name} has {MAX_GROUPS} consumer groups already; delete one."
        raise errors.make("ProjectQuotaExceed", detail=detail)
    if not await asyncio.to_thread(call.storage.add_document, call.project, kind, name, body):
        raise errors.make("ConsumerGroupAlreadyExist")
    return answers.nothing()


async def list_all(call: Call) -> Response:
    """`GET /logstores/L/consumergroups`: a bare array."""
    store = call.store("read")
    found = await asyncio.to_thread(call.storage.documents, call.project, store.consumer_groups)
    return answers.document([{"name": each.name} | each.body for each in found])


async def update(call: Call) -> Response:
    """`PUT /logstores/L/consumergroups/G`: what is given changes."""
    store = call.store("read")
    group = await _group(call, store)
    body = group.body | _settings(call.document())
    await asyncio.to_thread(
        call.storage.set_document, call.project, store.consumer_groups, group.name, body
    )
    return answers.nothing()


async def delete(call: Call) -> Response:
    """`DELETE /logstores/L/consumergroups/G`: with its checkpoints."""
    store = call.store("read")
    group = await _group(call, store)
    await asyncio.to_thread(
        call.storage.delete_document, call.project, store.consumer_groups, group.name
    )
    await asyncio.to_thread(call.storage.delete_checkpoints, store.ident, group.name)
    call.service.consumers.forget(store.ident, group.name)
    return answers.nothing()


async def post(call: Call) -> Response:
    """`POST /logstores/L/consumergroups/G?type=heartbeat|checkpoint`."""
    store = call.store("read")
    group = await _group(call, store)
    match call.query.get("type", ""):
        case "heartbeat":
            return await _heartbeat(call, store, group)
        case "checkpoint":
            return await _save(call, store, group)
        case other:
            detail = f"Parameter type {other[:40]!r} is unknown"
            raise errors.make("ParameterInvalid", detail=detail)


async def checkpoints(call: Call) -> Response:
    """`GET /logstores/L/consumergroups/G[?shard=N]`: an entry for each shard there is."""
    store = call.store("read")
    group = await _group(call, store)
    saved = await asyncio.to_thread(call.storage.checkpoints, store.ident, group.name)
    none = contract.Checkpoint("", 0, "")
    wanted = call.query.get("shard", "")
    found = [
        {
            "shard": shard.number,
            "checkpoint": saved.get(shard.number, none).cursor,
            "updateTime": saved.get(shard.number, none).updated,
            "consumer": saved.get(shard.number, none).consumer,
        }
        for shard in store.shards
        if wanted in {"", str(shard.number)}
    ]
    return answers.document(found)


async def _heartbeat(call: Call, store: contract.Logstore, group: contract.Document) -> Response:
    consumer = _consumer(call)
    held = _held(call)
    saved = await asyncio.to_thread(call.storage.checkpoints, store.ident, group.name)
    # The newest shards: a split may have come while the checkpoints were read.
    store = call.store("read")

    def finished(shard: contract.Shard) -> bool:
        return _finished(call, store, shard, saved)

    ordered = bool(group.body["order"])
    readable = await asyncio.to_thread(consumers.readable, store.shards, finished, ordered=ordered)
    try:
        members = call.service.consumers
        assigned = await members.beat(_place(call, store, group), consumer, held, readable)
    except consumers.UnknownConsumerError as fault:
        raise errors.make("NotExistConsumerWithBody", consumer=consumer) from fault
    except consumers.TooManyConsumersError as fault:
        detail = f"Consumer group {group.name} has {consumers.MAX_CONSUMERS} consumers already."
        raise errors.make("ParameterInvalid", detail=detail) from fault
    return answers.document(assigned)


async def _save(call: Call, store: contract.Logstore, group: contract.Document) -> Response:
    given = call.document()
    number, checkpoint = given.get("shard"), given.get("checkpoint")
    if isinstance(number, bool) or not isinstance(number, int):
        raise errors.make("JsonInfoInvalid", detail="shard must be the number of a shard")
    if number not in {each.number for each in store.shards}:
        raise errors.make("ShardNotExist", shard=number)
    if not isinstance(checkpoint, str) or not _is_base64(checkpoint):
        raise errors.make("InvalidShardCheckPoint", checkpoint=str(checkpoint)[:80])
    forced = call.query.get("forceSuccess", "").lower() == "true"
    consumer = call.query.get("consumer", "").replace("\0", "")[:_MAX_NAME]
    if not forced:
        consumer = _consumer(call)
        place = _place(call, store, group)
        if not await call.service.consumers.holds(place, consumer, number):
            raise errors.make("ConsumerNotExist", consumer=consumer, shard=number)
    await asyncio.to_thread(
        call.storage.set_checkpoint,
        store.ident,
        group.name,
        number,
        checkpoint,
        consumer=consumer,
    )
    return answers.nothing()


async def _group(call: Call, store: contract.Logstore) -> contract.Document:
    name = call.path["group"]
    found = await asyncio.to_thread(
        call.storage.document, call.project, store.consumer_groups, name
    )
    if found is None:
        raise errors.make("ConsumerGroupNotExist")
    return found


def _place(call: Call, store: contract.Logstore, group: contract.Document) -> consumers.Place:
    return consumers.Place(
        store.ident,
        group.name,
        timeout=float(group.body["timeout"]),
        old=group.created < call.service.started,
    )


def _finished(
    call: Call,
    store: contract.Logstore,
    shard: contract.Shard,
    saved: Mapping[int, contract.Checkpoint],
) -> bool:
    if not shard.sealed or call.service.writes.running(store.ident, shard.number):
        return False
    first, end = call.storage.span(store, shard)
    if first == end:
        return True
    try:
        return shard.number in saved and cursors.decode(saved[shard.number].cursor) >= end
    except ValueError:
        return False  # a client's own idea of a checkpoint says nothing about the end


def _held(call: Call) -> frozenset[int]:
    try:
        found = json.loads(call.raw_body() or b"[]")
    except (ValueError, RecursionError) as fault:
        raise errors.make("JsonInfoInvalid", detail=f"The body is no JSON: {fault}") from fault
    if not isinstance(found, list) or not all(type(each) is int for each in found):
        raise errors.make("JsonInfoInvalid", detail="The body must be an array of shard numbers.")
    return frozenset(found)


def _consumer(call: Call) -> str:
    name = call.query.get("consumer", "")
    if not 0 < len(name) <= _MAX_NAME:
        detail = f"Parameter consumer must be a name of 1 to {_MAX_NAME} characters"
        raise errors.make("ParameterInvalid", detail=detail)
    return name


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: given[key] for key in ("timeout", "order") if given.get(key) is not None}
    timeout = kept.get("timeout", _DEFAULT_TIMEOUT)
    if type(timeout) is not int or not 1 <= timeout <= _MAX_TIMEOUT:
        detail = f"timeout is {timeout!r}; it must be whole seconds in [1, {_MAX_TIMEOUT}]"
        raise errors.make("JsonInfoInvalid", detail=detail)
    if not isinstance(kept.get("order", False), bool):
        raise errors.make("JsonInfoInvalid", detail="order must be true or false")
    return kept


def _is_base64(text: str) -> bool:
    if len(text) > MAX_CHECKPOINT_CHARS:
        return False
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
