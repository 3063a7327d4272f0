"""LogStore: the remote Logstore and its index, held against drift."""

from typing import Any

import aiohttp

from loghub_operator import cache, conditions, kinds
from loghub_operator.reconciling import context
from loghub_operator.reconciling.projects import FINALIZER, hold, refuse, release
from loghub_operator.resources import stores
from slswire import errors
from slswire.client import Client


async def reconcile(ctx: context.Context, found: context.Object) -> None:
    """Make the remote Logstore as the LogStore says.

    Raises:
        AgainError: not yet; the condition says why.
    """
    try:
        spec = context.read(stores.LogStoreSpec, found)
        project = project_of(ctx, found)
        name = spec.log_store_name or found["metadata"]["name"]
        remote_project = ctx.target(project).project
        if found["metadata"].get("deletionTimestamp"):
            if FINALIZER in (found["metadata"].get("finalizers") or []):
                async with ctx.remote(project) as client:
                    await _delete(client, remote_project, name)
                await release(ctx, kinds.STORE, found)
            return
        await hold(ctx, kinds.STORE, found, spec.deletion_policy)
        async with ctx.remote(project) as client:
            created = await _ensure(client, (remote_project, name), spec, found)
            await _ensure_index(client, (remote_project, name), spec)
    except context.NotReadyError as fault:
        await refuse(ctx, kinds.STORE, found, reason=fault.reason, sentence=str(fault))
    except errors.SlsError as fault:
        sentence = (
            f"The service answered {fault.code}: {fault.message} (request {fault.request_id})"
        )
        await refuse(ctx, kinds.STORE, found, reason=fault.code, sentence=sentence)
    except (aiohttp.ClientError, TimeoutError) as fault:
        await refuse(
            ctx, kinds.STORE, found, reason="Unreachable", sentence=f"The service is away: {fault}"
        )
    else:
        ready = conditions.true("Ready", "Provisioned", f"Logstore {name} is ready.")
        await ctx.set_status(
            kinds.STORE, found, [ready],
            projectName=remote_project, logStoreName=name, created=created,
        )  # fmt: skip


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
        sentence = f"LogProject {namespace}/{name} is not ready yet; its own conditions say why."
        raise context.NotReadyError("ProjectNotReady", sentence)
    return project


async def _ensure(
    client: Client, where: tuple[str, str], spec: stores.LogStoreSpec, found: context.Object
) -> bool:
    ours = bool((found.get("status") or {}).get("created"))
    try:
        there = await client.get_logstore(*where)
    except errors.SlsError as fault:
        if fault.code != "LogStoreNotExist":
            raise
        document = {
            "logstoreName": where[1],
            "ttl": spec.retention_days,
            "shardCount": spec.shard_count,
        }
        await client.create_logstore(where[0], document)
        return True
    if not ours and spec.adoption_policy == "Fail":
        sentence = f"Logstore {where[1]} exists already, and spec.adoptionPolicy is Fail."
        raise context.NotReadyError("RemoteExists", sentence)
    if there.get("ttl") != spec.retention_days:
        known = ("logstoreName", "shardCount", "enable_tracking", "autoSplit", "maxSplitShard")
        kept: dict[str, Any] = {key: there[key] for key in known if key in there}
        await client.update_logstore(*where, kept | {"ttl": spec.retention_days})
    return ours


async def _ensure_index(client: Client, where: tuple[str, str], spec: stores.LogStoreSpec) -> None:
    text = spec.index.full_text
    line = {"token": list(text.delimiters), "caseSensitive": text.case_sensitive, "chn": False}
    try:
        there = await client.get_index(*where)
    except errors.SlsError as fault:
        if fault.code != "IndexConfigNotExist":
            raise
        await client.create_index(*where, {"line": line, "keys": {}})
        return
    now = there.get("line") or {}
    if any(now.get(key) != value for key, value in line.items()):
        own = {key: value for key, value in there.items() if key not in {"ttl", "lastModifyTime"}}
        await client.update_index(*where, own | {"line": line})


async def _delete(client: Client, project: str, name: str) -> None:
    try:
        await client.delete_logstore(project, name)
    except errors.SlsError as fault:
        if fault.code not in {"LogStoreNotExist", "ProjectNotExist"}:
            raise
