"""LogProject: the remote project, the key for applications, the key for agents."""

from typing import Any

import aiohttp

from loghub_operator import cache, compiling, conditions, kinds, queueing
from loghub_operator.reconciling import context
from loghub_operator.resources import projects
from slswire import errors
from slswire.client import Client

FINALIZER = "loghub.dev/remote"
"""Only on objects with deletionPolicy Delete: their remote must go before they do."""

_RIGHTS = ("read", "write", "admin")


async def reconcile(ctx: context.Context, found: context.Object) -> None:
    """Make the remote project and its keys as the LogProject says.

    Raises:
        AgainError: not yet; the condition says why.
    """
    if found["metadata"].get("deletionTimestamp"):
        await _delete(ctx, found)
        return
    try:
        spec = context.read(projects.LogProjectSpec, found)
        await hold(ctx, kinds.PROJECT, found, spec.deletion_policy)
        await _provision(ctx, found, spec)
    except context.NotReadyError as fault:
        await refuse(ctx, kinds.PROJECT, found, reason=fault.reason, sentence=str(fault))
    except errors.SlsError as fault:
        await refuse(ctx, kinds.PROJECT, found, reason=fault.code, sentence=_sentence(fault))
    except (aiohttp.ClientError, TimeoutError) as fault:
        sentence = f"The service {ctx.target(found).endpoint} cannot be reached: {fault}"
        await refuse(ctx, kinds.PROJECT, found, reason="Unreachable", sentence=sentence)


async def refuse(
    ctx: context.Context, kind: kinds.Kind, found: context.Object, *, reason: str, sentence: str
) -> None:
    """Say in a condition, and once in an event, why an object is not ready.

    Raises:
        AgainError: always.
    """
    news = not _says(found, reason, sentence)
    await ctx.set_status(kind, found, [conditions.false("Ready", reason, sentence)])
    if news:
        await ctx.cluster.warn(kind, found, reason, sentence)
    raise queueing.AgainError(sentence)


async def hold(ctx: context.Context, kind: kinds.Kind, found: context.Object, policy: str) -> None:
    """Put the finalizer on an object whose remote is to be deleted with it, or take it off."""
    held = list(found["metadata"].get("finalizers") or [])
    if (FINALIZER in held) == (policy == "Delete"):
        return
    wanted = [*held, FINALIZER] if policy == "Delete" else [x for x in held if x != FINALIZER]
    await ctx.cluster.merge(kind, found, {"metadata": {"finalizers": wanted}})


async def release(ctx: context.Context, kind: kinds.Kind, found: context.Object) -> None:
    """Take the finalizer off: the object may go."""
    held = [x for x in found["metadata"].get("finalizers") or [] if x != FINALIZER]
    await ctx.cluster.merge(kind, found, {"metadata": {"finalizers": held}})


def _says(found: context.Object, reason: str, sentence: str) -> bool:
    known = (found.get("status") or {}).get("conditions", [])
    return any(
        each["type"] == "Ready" and each["reason"] == reason and each["message"] == sentence
        for each in known
    )


async def _provision(
    ctx: context.Context, found: context.Object, spec: projects.LogProjectSpec
) -> None:
    where = ctx.target(found)
    async with ctx.remote(found) as client:
        created = await _ensure(client, where.project, spec, found)
        if spec.service.url is None:
            await _bundled_key(ctx, client, found, where)
    if spec.service.url is not None and spec.credentials_secret_ref is not None:
        namespace = found["metadata"]["namespace"]
        key = await ctx.key(spec.credentials_secret_ref.name, namespace)
        await _agents_key(ctx, where, key.access_key_id, key.access_key_secret)
    ready = conditions.true("Ready", "Provisioned", f"Project {where.project} is ready.")
    await ctx.set_status(
        kinds.PROJECT, found, [ready],
        projectName=where.project, endpoint=where.endpoint, created=created,
    )  # fmt: skip


async def _ensure(
    client: Client, name: str, spec: projects.LogProjectSpec, found: context.Object
) -> bool:
    """Create the remote project or take it as it is; True when it is ours."""
    ours = bool((found.get("status") or {}).get("created"))
    try:
        there = await client.get_project(name)
    except errors.SlsError as fault:
        if fault.code != "ProjectNotExist":
            raise
        await client.create_project(name, spec.description)
        return True
    if not ours and spec.adoption_policy == "Fail":
        sentence = f"Project {name} exists already, and spec.adoptionPolicy is Fail."
        raise context.NotReadyError("RemoteExists", sentence)
    if there.get("description", "") != spec.description:
        await client.update_project(name, spec.description)
    return ours


async def _bundled_key(
    ctx: context.Context, client: Client, found: context.Object, where: compiling.Target
) -> None:
    namespace, name = cache.place(found)
    secret_name = f"{name}-loghub-credentials"
    texts = await ctx.secret(secret_name, namespace) or {}
    known = {str(each["accessKeyId"]) for each in await client.list_keys(where.project)}
    ident, secret = texts.get("accessKeyId", ""), texts.get("accessKeySecret", "")
    if ident not in known or not secret:
        key = await client.create_key(where.project, _RIGHTS)
        ident, secret = key.access_key_id, key.access_key_secret
    metadata: dict[str, Any] = {
        "name": secret_name,
        "namespace": namespace,
        "ownerReferences": [_owner(found)],
    }
    data = {
        "endpoint": where.endpoint,
        "project": where.project,
        "accessKeyId": ident,
        "accessKeySecret": secret,
    }
    if texts != data:
        await ctx.cluster.apply(kinds.SECRET, {"metadata": metadata, "stringData": data})
    await _agents_key(ctx, where, ident, secret)
    for stale in known - {ident}:
        await client.delete_key(stale)


async def _agents_key(
    ctx: context.Context, where: compiling.Target, ident: str, secret: str
) -> None:
    data = {"accessKeyId": ident, "accessKeySecret": secret}
    if await ctx.secret(where.credentials, ctx.settings.namespace) != data:
        metadata = await ctx.owned_metadata(where.credentials)
        metadata["labels"] = {"loghub.dev/credentials": "true"}  # what agents watch
        await ctx.cluster.apply(kinds.SECRET, {"metadata": metadata, "stringData": data})


async def _delete(ctx: context.Context, found: context.Object) -> None:
    if FINALIZER not in (found["metadata"].get("finalizers") or []):
        return
    try:
        async with ctx.remote(found) as client:
            await client.delete_project(ctx.target(found).project)
    except errors.SlsError as fault:
        if fault.code != "ProjectNotExist":
            await refuse(ctx, kinds.PROJECT, found, reason=fault.code, sentence=_sentence(fault))
    except (context.NotReadyError, aiohttp.ClientError, TimeoutError) as fault:
        sentence = f"The remote project cannot be deleted yet: {fault}"
        await refuse(ctx, kinds.PROJECT, found, reason="DeletionPending", sentence=sentence)
    await release(ctx, kinds.PROJECT, found)


def _owner(found: context.Object) -> dict[str, Any]:
    return {
        "apiVersion": kinds.PROJECT.api_version,
        "kind": kinds.PROJECT.name,
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
    }


def _sentence(fault: errors.SlsError) -> str:
    return f"The service answered {fault.code}: {fault.message} (request {fault.request_id})"
