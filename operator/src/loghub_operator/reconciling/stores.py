"""LogStore: the remote Logstore, its index and its shards, held against drift."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from loghub_operator import cache, conditions, kinds, logstores, queueing
from loghub_operator.reconciling import context, remote
from loghub_operator.resources import stores
from slswire import errors
from slswire.client import Client

_MAX_STEPS: Final = 32
"""Splits and merges of one go; the rest follows, and others get their turn between."""
_MAX_SHOWN: Final = 32
"""Shards listed in status."""
_GONE: Final = frozenset({"LogStoreNotExist", "ProjectNotExist"})


async def reconcile(ctx: context.Context, found: context.Object) -> None:
    """Make the remote Logstore as the LogStore says.

    Raises:
        AgainError: not yet; the condition says why.
    """
    current = await remote.unpaused(ctx, kinds.STORE, found)
    if current is None:
        return
    async with remote.guarded(ctx, kinds.STORE, found := current):
        spec = context.read(stores.LogStoreSpec, found)
        if found["metadata"].get("deletionTimestamp"):
            await _finish(ctx, found, spec)
            return
        await remote.hold(ctx, kinds.STORE, found, spec.deletion_policy)
        await _provision(ctx, found, spec)


def project_of(ctx: context.Context, store: context.Object) -> context.Object:
    """The LogProject of a LogStore.

    Raises:
        NotReadyError: it is not there, not ready, or not open to the LogStore's namespace.
    """
    home, _ = cache.place(store)
    spec = context.read(stores.LogStoreSpec, store)
    namespace, name = context.refer(spec.project_ref, home)
    project = ctx.cache.get(kinds.PROJECT, name, namespace)
    if project is None:
        sentence = f"LogProject {namespace}/{name} (spec.projectRef) does not exist. Create it."
        raise context.NotReadyError("ProjectNotFound", sentence)
    if not context.allowed(project, home, ctx):
        sentence = (
            f"LogProject {namespace}/{name} is not open to namespace {home}: its owner can open "
            "it in spec.allowedNamespaces."
        )
        raise context.NotReadyError("NamespaceNotAllowed", sentence)
    if conditions.status_of(project, "Ready") != "True":
        ctx.wait_for(kinds.PROJECT, name, namespace)
        sentence = f"LogProject {namespace}/{name} is not ready yet; its own conditions say why."
        raise context.NotReadyError("ProjectNotReady", sentence)
    return project


async def _finish(ctx: context.Context, found: context.Object, spec: stores.LogStoreSpec) -> None:
    """Delete the remote where the policy says so, and let the object go."""
    if not remote.held(found):
        return
    namespace, name = context.refer(spec.project_ref, cache.place(found)[0])
    there = ctx.cache.get(kinds.PROJECT, name, namespace)
    if spec.deletion_policy == "Delete":
        if there is None and await ctx.cluster.get(kinds.PROJECT, name, namespace) is None:
            # Nobody can reach the remote any more, and an object must not stay for ever.
            sentence = (
                f"LogProject {namespace}/{name} is gone: the remote Logstore was not deleted."
            )
            await ctx.events.warn(kinds.STORE, found, "RemoteGone", sentence)
        else:
            project = project_of(ctx, found)
            if not any(_claims(ctx, found, project)):
                async with ctx.remote(project) as client:
                    await _delete(client, ctx.target(project).project, remote_name(found))
    await remote.release(ctx, kinds.STORE, found)


def _claims(
    ctx: context.Context, found: context.Object, project: context.Object
) -> Iterator[context.Object]:
    """Other LogStores that stand for the same Logstore and may: nobody's data go with this one."""
    place, name = cache.place(project), remote_name(found)
    for other in ctx.cache.all(kinds.STORE):
        home = cache.place(other)
        reference = (other.get("spec") or {}).get("projectRef") or {}
        asked = (reference.get("namespace") or home[0], reference.get("name"))
        if home == cache.place(found) or asked != place or remote_name(other) != name:
            continue
        if not other["metadata"].get("deletionTimestamp") and context.allowed(
            project, home[0], ctx
        ):
            yield other


def remote_name(found: context.Object) -> str:
    """The Logstore that a LogStore stands for."""
    return str((found.get("spec") or {}).get("logStoreName") or found["metadata"]["name"])


def _age(found: context.Object) -> tuple[str, str, str]:
    return (str(found["metadata"].get("creationTimestamp", "")), *cache.place(found))


async def _share(
    ctx: context.Context, found: context.Object, holder: context.Object, where: tuple[str, str]
) -> None:
    """Ready to write to what an older LogStore made; its settings stay as they are."""
    if conditions.status_of(holder, "Ready") != "True":
        ctx.wait_for(kinds.STORE, *reversed(cache.place(holder)))
        sentence = f"Logstore {where[1]} is held by an older LogStore, which is not ready yet."
        raise context.NotReadyError("StoreNotReady", sentence)
    sentence = f"Logstore {where[1]} is shared: an older LogStore holds its settings and its data."
    ready = conditions.true("Ready", "Shared", sentence)
    fields = {"projectName": where[0], "logStoreName": where[1], "created": False}
    await ctx.set_status(kinds.STORE, found, [ready], **fields)


async def _provision(
    ctx: context.Context, found: context.Object, spec: stores.LogStoreSpec
) -> None:
    project = project_of(ctx, found)
    name = remote_name(found)
    where = (ctx.target(project).project, name)
    holder = min([found, *_claims(ctx, found, project)], key=_age)
    if holder is not found:
        await _share(ctx, found, holder, where)
        return
    async with ctx.remote(project) as client:
        created, changed = await _ensure(client, where, spec, found)
        changed |= await _ensure_index(client, where, spec)
        if spec.metering_mode is not None:
            changed |= await _ensure_metering(client, where, spec.metering_mode)
        more, shards = await _ensure_shards(client, where, spec, changed)
    fields: dict[str, Any] = {"projectName": where[0], "logStoreName": name, "created": created}
    fields |= shards
    was_ready = conditions.status_of(found, "Ready") == "True"
    if changed and was_ready:
        # The spec was fulfilled and is the same: somebody else changed the remote.
        listed = [f"{field}: {what}" for field, what in sorted(changed.items())]
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fields["drift"] = {"corrected": listed[:_MAX_SHOWN], "lastCorrected": now}
        sentence = "Changed outside and set back: " + "; ".join(listed)
        await ctx.events.tell(kinds.STORE, found, "DriftCorrected", sentence)
    ready = conditions.true("Ready", "Provisioned", f"Logstore {name} is ready.")
    await ctx.set_status(kinds.STORE, found, [ready], **fields)
    if more:
        raise queueing.AgainError(f"Logstore {name} gets more splits or merges")


async def _ensure(
    client: Client, where: tuple[str, str], spec: stores.LogStoreSpec, found: context.Object
) -> tuple[bool, dict[str, str]]:
    """Create or update the Logstore: whether it is ours, and what was changed."""
    ours = bool((found.get("status") or {}).get("created"))
    document = logstores.wanted(where[1], spec)
    try:
        there = await client.get_logstore(*where)
    except errors.SlsError as fault:
        if fault.code != "LogStoreNotExist":
            raise
        await _create(client, where[0], document)
        return True, {"logStore": "created"}
    known = bool((found.get("status") or {}).get("logStoreName"))
    if not ours and not known and spec.adoption_policy == "Fail":
        sentence = f"Logstore {where[1]} exists already, and spec.adoptionPolicy is Fail."
        raise context.NotReadyError("RemoteExists", sentence)
    if never := logstores.immutable(there, spec):
        raise context.NotReadyError("ImmutableRemote", never)
    differing = logstores.differing(there, document)
    if differing:
        await client.update_logstore(*where, logstores.update(there, document))
    return ours, differing


async def _create(client: Client, project: str, document: dict[str, Any]) -> None:
    try:
        await client.create_logstore(project, document)
    except errors.SlsError as fault:
        # An earlier attempt may have arrived though its answer did not.
        if fault.code != "LogStoreAlreadyExist":
            raise


async def _ensure_index(
    client: Client, where: tuple[str, str], spec: stores.LogStoreSpec
) -> dict[str, str]:
    document = logstores.index(spec.index)
    try:
        there = await client.get_index(*where)
    except errors.SlsError as fault:
        if fault.code != "IndexConfigNotExist":
            raise
        await client.create_index(*where, document)
        return {"index": "created"}
    differing = logstores.differing_index(there, document)
    if differing:
        own = {key: value for key, value in there.items() if key not in {"ttl", "lastModifyTime"}}
        await client.update_index(*where, own | document)
    return differing


async def _ensure_metering(client: Client, where: tuple[str, str], mode: str) -> dict[str, str]:
    there = await client.get_metering_mode(*where)
    if there == mode:
        return {}
    await client.update_metering_mode(*where, mode)
    return {"meteringMode": f"{there} -> {mode}"}


async def _ensure_shards(
    client: Client, where: tuple[str, str], spec: stores.LogStoreSpec, changed: dict[str, str]
) -> tuple[bool, dict[str, Any]]:
    """Split and merge: whether more is to do, and the shards for status."""
    found = await client.list_shards(*where)
    before = len(logstores.writable(found))
    step = logstores.next_step(logstores.writable(found), spec)
    for _ in range(_MAX_STEPS):
        if step is None:
            break
        if step.key:
            await client.split_shard(*where, step.shard, step.key)
        else:
            await client.merge_shard(*where, step.shard)
        found = await client.list_shards(*where)
        step = logstores.next_step(logstores.writable(found), spec)
    after = len(logstores.writable(found))
    if after != before:
        changed["shardCount"] = f"{before} -> {after}"
    shown = [{"id": int(each["shardID"]), "status": str(each["status"])} for each in found]
    # The writable ones first: a Logstore that was split often has many old ones.
    shown.sort(key=lambda each: (each["status"] != "readwrite", each["id"]))
    counts = {"readWrite": after, "readOnly": len(found) - after}
    return step is not None, {"shards": counts | {"list": shown[:_MAX_SHOWN]}}


async def _delete(client: Client, project: str, name: str) -> None:
    try:
        await client.delete_logstore(project, name)
    except errors.SlsError as fault:
        if fault.code not in _GONE:
            raise
