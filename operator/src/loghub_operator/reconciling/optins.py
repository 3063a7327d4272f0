"""Opt-ins: what pods ask for by annotation becomes a visible, owned LogConfig.

Agents report the annotations they see; here the project's policy decides. The LogConfig goes when
no agent reports the opt-in any more; a LogStore that was made for it stays, since it holds data.
"""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, Final

from loghub_operator import kinds
from loghub_operator.cluster import ClusterError
from loghub_operator.reconciling import context
from loghub_operator.resources import model, projects

LABEL: Final = "loghub.dev/opt-in"
_ANNOTATION: Final = "loghub.dev/logstore"
_LOGSTORE: Final = re.compile(model.LOGSTORE_PATTERN)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class OptIn:
    """A Logstore that pods of a namespace ask for; the project is empty when they name none."""

    namespace: str
    logstore: str
    project: str


def seen(ctx: context.Context) -> set[OptIn]:
    """Every opt-in that some agent reports."""
    reports = ctx.cache.all(kinds.REPORT, ctx.settings.namespace)
    return {
        OptIn(str(each["namespace"]), str(each["logstore"]), str(each.get("project", "")))
        for found in reports
        for each in found.get("report", {}).get("optIns", [])
    }


async def reconcile(ctx: context.Context) -> None:
    """Make the owned LogConfigs as the opt-ins say."""
    wanted: set[tuple[str, str]] = set()
    for each in sorted(seen(ctx)):
        if not _LOGSTORE.fullmatch(each.logstore) or "_" in each.logstore:
            continue  # not a name that a LogStore object can have
        project = _project(ctx, each)
        if project is None:
            continue
        wanted.add((each.namespace, config_name(each.logstore)))
        await _ensure(ctx, each, project)
    await _remove(ctx, wanted)


def config_name(logstore: str) -> str:
    """The LogConfig of an opt-in."""
    return f"optin-{logstore}"


async def _ensure(ctx: context.Context, each: OptIn, project: context.Object) -> None:
    policy = context.read(projects.LogProjectSpec, project).opt_in
    labels = {LABEL: "true"}
    if ctx.cache.get(kinds.STORE, each.logstore, each.namespace) is None:
        if not policy.auto_create_log_stores:
            return
        reference = {
            "name": project["metadata"]["name"],
            "namespace": project["metadata"]["namespace"],
        }
        metadata = {"name": each.logstore, "namespace": each.namespace, "labels": labels}
        store = {"metadata": metadata, "spec": {"projectRef": reference}}
        try:
            ctx.cache.put(kinds.STORE, await ctx.cluster.create(kinds.STORE, store))
        except ClusterError as fault:
            if not fault.conflict:
                raise
    name = config_name(each.logstore)
    spec: dict[str, Any] = {
        "logStoreRef": {"name": each.logstore},
        "input": {"stdout": {}},
        "selector": {"podAnnotations": {_ANNOTATION: each.logstore}},
    }
    known = ctx.cache.get(kinds.CONFIG, name, each.namespace)
    if known is not None and known.get("spec") == spec:
        return
    metadata = {"name": name, "namespace": each.namespace, "labels": labels}
    applied = await ctx.cluster.apply(kinds.CONFIG, {"metadata": metadata, "spec": spec})
    ctx.cache.put(kinds.CONFIG, applied)


async def _remove(ctx: context.Context, wanted: set[tuple[str, str]]) -> None:
    for found in list(_owned(ctx.cache.all(kinds.CONFIG))):
        metadata = found["metadata"]
        if (metadata["namespace"], metadata["name"]) not in wanted:
            await ctx.cluster.delete(kinds.CONFIG, metadata["name"], metadata["namespace"])


def _owned(found: Iterable[context.Object]) -> Iterable[context.Object]:
    return (each for each in found if (each["metadata"].get("labels") or {}).get(LABEL) == "true")


def _project(ctx: context.Context, each: OptIn) -> context.Object | None:
    """The project an opt-in means and may use, or None."""
    if each.project:
        namespace, _, name = each.project.rpartition("/")
        found = ctx.cache.get(kinds.PROJECT, name, namespace or each.namespace)
    else:
        own = list(ctx.cache.all(kinds.PROJECT, each.namespace))
        found = own[0] if len(own) == 1 else None
        if found is None and ctx.settings.default_project and not own:
            namespace, name = ctx.settings.default_project
            found = ctx.cache.get(kinds.PROJECT, name, namespace)
    if found is None or not context.allowed(found, each.namespace, ctx):
        return None
    spec = context.read(projects.LogProjectSpec, found)
    return found if spec.opt_in.annotations == "Enabled" else None
