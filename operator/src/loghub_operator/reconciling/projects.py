"""LogProject: the remote project, the key for applications, the key for agents, its Service."""

import datetime as dt
from typing import Any, Final

from loghub_operator import cache, compiling, conditions, kinds
from loghub_operator.reconciling import context, remote, services
from loghub_operator.resources import projects
from slswire import errors
from slswire.client import Client

ROTATE: Final = "loghub.dev/rotate-credentials"
"""Annotation: a new value asks for a new key."""

_RIGHTS: Final = ("read", "write", "admin")
_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


async def reconcile(ctx: context.Context, found: context.Object) -> None:
    """Make the remote project and its keys as the LogProject says.

    Raises:
        AgainError: not yet; the condition says why.
    """
    current = await remote.unpaused(ctx, kinds.PROJECT, found)
    if current is None:
        return
    async with remote.guarded(ctx, kinds.PROJECT, found := current):
        spec = context.read(projects.LogProjectSpec, found)
        if found["metadata"].get("deletionTimestamp"):
            await _finish(ctx, found)
            return
        _unclaimed(ctx, found, spec)
        await remote.hold(ctx, kinds.PROJECT, found, spec.deletion_policy)
        await _provision(ctx, found, spec)


def _unclaimed(ctx: context.Context, found: context.Object, spec: projects.LogProjectSpec) -> None:
    """A bundled project has one owner: a second LogProject would get a key to the first's logs.

    Raises:
        NotReadyError: an older LogProject has it.
    """
    if spec.service.bundled is None:
        return
    name = ctx.target(found).project
    for other in ctx.cache.all(kinds.PROJECT):
        given = other.get("spec") or {}
        bundled = "bundled" in (given.get("service") or {"bundled": {}})
        same = (given.get("projectName") or other["metadata"]["name"]) == name
        if bundled and same and _age(other) < _age(found):
            # Not whose: one tenant need not know of another.
            sentence = f"Project {name} is another LogProject's. Choose another spec.projectName."
            raise context.NotReadyError("NameTaken", sentence)


def _age(found: context.Object) -> tuple[bool, str, str, str]:
    """Who comes first: one that has the project already, then the older one."""
    has = bool((found.get("status") or {}).get("projectName"))
    return (not has, str(found["metadata"].get("creationTimestamp", "")), *cache.place(found))


async def _provision(
    ctx: context.Context, found: context.Object, spec: projects.LogProjectSpec
) -> None:
    where = ctx.target(found)
    status: dict[str, Any] = {"projectName": where.project, "endpoint": where.endpoint}
    async with ctx.remote(found) as client:
        status["created"] = await _ensure(client, where.project, spec, found)
        if spec.service.bundled is not None:
            outside = await services.ensure(ctx, where.project)
            status["hostEndpoint"] = outside
            status["credentials"] = await _bundled_key(ctx, client, found, (where, outside))
    if spec.service.bundled is None and spec.credentials_secret_ref is not None:
        namespace = found["metadata"]["namespace"]
        key = await ctx.key(spec.credentials_secret_ref.name, namespace)
        data = {"accessKeyId": key.access_key_id, "accessKeySecret": key.access_key_secret}
        await _agents_key(ctx, where, data | (await ctx.trust(spec, namespace)).texts())
    ready = conditions.true("Ready", "Provisioned", f"Project {where.project} is ready.")
    await ctx.set_status(kinds.PROJECT, found, [ready], **status)


async def _ensure(
    client: Client, name: str, spec: projects.LogProjectSpec, found: context.Object
) -> bool:
    """Create the remote project or take it as it is; True when it is ours."""
    status = found.get("status") or {}
    ours = bool(status.get("created"))
    try:
        there = await client.get_project(name)
    except errors.SlsError as fault:
        if fault.code != "ProjectNotExist":
            raise
        await _create(client, name, spec.description)
        return True
    if not ours and not status.get("projectName") and spec.adoption_policy == "Fail":
        sentence = f"Project {name} exists already, and spec.adoptionPolicy is Fail."
        raise context.NotReadyError("RemoteExists", sentence)
    if there.get("description", "") != spec.description:
        await client.update_project(name, spec.description)
    return ours


async def _create(client: Client, name: str, description: str) -> None:
    try:
        await client.create_project(name, description)
    except errors.SlsError as fault:
        # An earlier attempt may have arrived though its answer did not.
        if fault.code != "ProjectAlreadyExist":
            raise


async def _bundled_key(
    ctx: context.Context,
    client: Client,
    found: context.Object,
    to: tuple[compiling.Target, str],
) -> dict[str, Any]:
    """Keep one key in the Secrets, and the one before it alive for a while; for status."""
    where, outside = to
    namespace, name = cache.place(found)
    secret_name = f"{name}-loghub-credentials"
    before = dict((found.get("status") or {}).get("credentials") or {})
    asked = str((found["metadata"].get("annotations") or {}).get(ROTATE, ""))
    texts = await ctx.secret(secret_name, namespace) or {}
    known = {str(each["accessKeyId"]) for each in await client.list_keys(where.project)}
    ident, secret = texts.get("accessKeyId", ""), texts.get("accessKeySecret", "")
    if ident not in known or not secret or asked != before.get("rotation", ""):
        key = await client.create_key(where.project, _RIGHTS)
        ident, secret = key.access_key_id, key.access_key_secret
    data = {
        "endpoint": where.endpoint,
        "project": where.project,
        "accessKeyId": ident,
        "accessKeySecret": secret,
    }
    if outside:
        data["hostEndpoint"] = outside  # for SDKs, which put the project before the host
    if texts != data:
        metadata = {
            "name": secret_name,
            "namespace": namespace,
            "ownerReferences": [_owner(found)],
        }
        await ctx.cluster.apply(kinds.SECRET, {"metadata": metadata, "stringData": data})
    await _agents_key(ctx, where, {"accessKeyId": ident, "accessKeySecret": secret})
    retired = await _retire(ctx, client, known - {ident}, before)
    if retired.keys() - (before.get("retired") or {}).keys():
        sentence = f"Key {ident} is in Secret {secret_name}; the one before works on for a while."
        await ctx.events.tell(kinds.PROJECT, found, "CredentialsRotated", sentence)
    return {
        "secretName": secret_name,
        "accessKeyId": ident,
        "rotation": asked,
        "retired": retired,
    }


async def _retire(
    ctx: context.Context, client: Client, stale: set[str], before: dict[str, Any]
) -> dict[str, str]:
    """Revoke keys whose time is over; the others with the moment when it will be."""
    now = dt.datetime.now(dt.UTC)
    until = (now + dt.timedelta(seconds=ctx.settings.key_grace_seconds)).strftime(_FORMAT)
    retired = {}
    for ident in sorted(stale):
        ends = str((before.get("retired") or {}).get(ident) or until)
        if ends <= now.strftime(_FORMAT):
            await client.delete_key(ident)
        else:
            retired[ident] = ends
    return retired


async def _agents_key(ctx: context.Context, where: compiling.Target, data: dict[str, str]) -> None:
    if await ctx.secret(where.credentials, ctx.settings.namespace) != data:
        metadata = await ctx.owned_metadata(where.credentials)
        metadata["labels"] = {"loghub.dev/credentials": "true"}  # what agents watch
        await ctx.cluster.apply(kinds.SECRET, {"metadata": metadata, "stringData": data})


async def _finish(ctx: context.Context, found: context.Object) -> None:
    if not remote.held(found):
        return
    if context.read(projects.LogProjectSpec, found).deletion_policy == "Delete":
        try:
            async with ctx.remote(found) as client:
                await client.delete_project(ctx.target(found).project)
        except errors.SlsError as fault:
            if fault.code != "ProjectNotExist":
                raise
    await remote.release(ctx, kinds.PROJECT, found)


def _owner(found: context.Object) -> dict[str, Any]:
    return {
        "apiVersion": kinds.PROJECT.api_version,
        "kind": kinds.PROJECT.name,
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
    }
