"""One Service per bundled project, so that `http://<project>.<namespace>.svc` is its endpoint.

Official SDKs put the project's name in front of the endpoint's host. With a Service of that name
the cluster's DNS answers for it, and no SDK needs to be changed. Used by `projects`.
"""

import re
from typing import Any, Final

from loghub_operator import kinds
from loghub_operator.reconciling import context

LABEL: Final = "loghub.dev/project-service"
_SELECTOR: Final = {"app.kubernetes.io/name": "loghub", "app.kubernetes.io/component": "ingest"}
_NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""A Service's name begins with a letter; a project's may begin with a digit."""


async def ensure(ctx: context.Context, project: str) -> str:
    """Make the Service of a project; the endpoint for SDKs, or empty where there is none.

    A Service that somebody else made keeps its name: a project called like it must not take over
    what the release or another program listens on.
    """
    if not ctx.settings.project_services or not _NAME.fullmatch(project):
        return ""
    namespace = ctx.settings.namespace
    there = await ctx.cluster.get(kinds.SERVICE, project, namespace)
    if there is not None and not _ours(there):
        return ""
    ports = [_port("http", 80)]
    if ctx.settings.project_services_tls:
        ports.append(_port("https", 443))
    wanted = {"selector": _SELECTOR, "ports": ports}
    if there is None or not _same(there.get("spec") or {}, wanted):
        metadata = await ctx.owned_metadata(project)
        metadata["labels"] = {LABEL: "true"}
        await ctx.cluster.apply(kinds.SERVICE, {"metadata": metadata, "spec": wanted})
    return f"http://{namespace}.svc"


async def remove_orphans(ctx: context.Context) -> None:
    """Delete the Services of projects that are gone."""
    if not ctx.settings.project_services:
        return
    namespace = ctx.settings.namespace
    known = {ctx.target(each).project for each in ctx.cache.all(kinds.PROJECT)}
    for found in await ctx.cluster.list(kinds.SERVICE, namespace, labels=f"{LABEL}=true"):
        name = found["metadata"]["name"]
        if name not in known:
            await ctx.cluster.delete(kinds.SERVICE, name, namespace)


def _ours(found: context.Object) -> bool:
    return (found["metadata"].get("labels") or {}).get(LABEL) == "true"


def _port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "protocol": "TCP", "targetPort": name}


def _same(there: dict[str, Any], wanted: dict[str, Any]) -> bool:
    ports = [
        {key: each.get(key) for key in ("name", "port", "protocol", "targetPort")}
        for each in there.get("ports") or []
    ]
    return bool(there.get("selector") == wanted["selector"] and ports == wanted["ports"])
