"""Which keys a change concerns, and which reconciler a key belongs to.

A change of a project concerns its LogStores, of a LogStore its configs and those that share its
Logstore, of a namespace what is in it and the ClusterLogConfigs, of a report the configs that it
says something new of and the opt-ins.
"""

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from loghub_operator import cache, kinds, queueing, reporting
from loghub_operator.reconciling import (
    agents,
    configs,
    context,
    observing,
    optins,
    projects,
    services,
    stores,
    untainting,
)

OPT_INS: Final = optins.KEY
ORPHANS: Final = ("orphans", "", "")
TAINTS: Final = untainting.KEY
REPORTS: Final = ("reports", "", "")

REPORT_SECONDS: Final = 1.0
"""Reports of many nodes come together: their effects are gathered that long."""
_NODES_SECONDS: Final = 60.0
"""A node that came or went changes a number in every config's status: over that time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """An object that came, changed or went, and how it was before; None if that is not known."""

    kind: kinds.Kind
    found: cache.Object
    before: cache.Object | None
    gone: bool

    @property
    def key(self) -> queueing.Key:
        """The object's own."""
        return (self.kind.plural, *cache.place(self.found))


def keys(change: Change, known: cache.Cache) -> Iterator[queueing.Key]:
    """What to look at because of a change; `known` holds the state after it."""
    yield from _CONCERNED[change.kind](change, known)
    if change.gone and change.kind in {kinds.PROJECT, *kinds.CONFIGS}:
        yield ORPHANS


def _by_project(change: Change, known: cache.Cache) -> Iterator[queueing.Key]:
    namespace, name = cache.place(change.found)
    if change.gone or not _only_status(change):
        yield change.key
    for store in known.referrers(change.kind, name, namespace):
        yield store
        yield from known.referrers(kinds.STORE, store[2], store[1])
    yield OPT_INS


def _by_store(change: Change, known: cache.Cache) -> Iterator[queueing.Key]:
    namespace, name = cache.place(change.found)
    if change.gone or not _only_status(change):
        yield change.key
        yield OPT_INS
    yield from known.referrers(change.kind, name, namespace)
    now = _logstore(change.found)
    yield from _sharing(change.key, now, known)
    if change.before is not None and _logstore(change.before) != now:
        yield from _sharing(change.key, _logstore(change.before), known)


def _logstore(store: cache.Object) -> tuple[str, str, str]:
    """Name and namespace of a LogStore's project, and the remote Logstore that it stands for."""
    reference = (store.get("spec") or {}).get("projectRef") or {}
    namespace = reference.get("namespace") or cache.place(store)[0]
    return str(reference.get("name", "")), str(namespace), stores.remote_name(store)


def _sharing(
    own: queueing.Key, logstore: tuple[str, str, str], known: cache.Cache
) -> Iterator[queueing.Key]:
    # The oldest of them holds it, and the others are as ready as that one is.
    name, namespace, _ = logstore
    for key in known.referrers(kinds.PROJECT, name, namespace):
        other = known.get(kinds.STORE, key[2], key[1])
        if key != own and other is not None and _logstore(other) == logstore:
            yield key


def _by_config(change: Change, _known: cache.Cache) -> Iterator[queueing.Key]:
    if change.gone or not _only_status(change):
        yield change.key
        if optins.owned(change.found):
            yield OPT_INS


def _by_agent(change: Change, known: cache.Cache) -> Iterator[queueing.Key]:
    if change.gone or not _only_status(change):
        yield from _all(known, kinds.AGENT)  # what one pool selects another leaves out
        yield TAINTS


def _by_namespace(change: Change, known: cache.Cache) -> Iterator[queueing.Key]:
    if (
        change.before is not None
        and not change.gone
        and _said(change.before) == _said(change.found)
    ):
        return
    for kind in (kinds.STORE, kinds.CONFIG):
        yield from _all(known, kind, cache.place(change.found)[1])
    yield from _all(known, kinds.CLUSTER_CONFIG)
    yield OPT_INS


def _by_pipeline(change: Change, known: cache.Cache) -> Iterator[queueing.Key]:
    origin, *where = configs.origin(change.found)
    if origin is not None:
        yield (origin.plural, where[1], where[0])
    if origin is None or known.get(origin, *where) is None:
        yield ORPHANS


_CONCERNED: Final[Mapping[kinds.Kind, Callable[[Change, cache.Cache], Iterator[queueing.Key]]]] = {
    kinds.PROJECT: _by_project,
    kinds.STORE: _by_store,
    kinds.CONFIG: _by_config,
    kinds.CLUSTER_CONFIG: _by_config,
    kinds.AGENT: _by_agent,
    kinds.NAMESPACE: _by_namespace,
    kinds.PIPELINE: _by_pipeline,
}


def _said(namespace: cache.Object) -> tuple[Any, ...]:
    metadata = namespace["metadata"]
    return tuple(
        metadata.get(key) or None for key in ("labels", "annotations", "deletionTimestamp")
    )


def _only_status(change: Change) -> bool:
    """Whether nothing changed but what the operator writes itself."""
    return change.before is not None and all(
        change.before["metadata"].get(key) == change.found["metadata"].get(key)
        for key in ("uid", "generation", "labels", "annotations", "deletionTimestamp")
    )


def everything(known: cache.Cache) -> Iterator[queueing.Key]:
    """Every key there is."""
    for kind in (kinds.PROJECT, kinds.STORE, *kinds.CONFIGS, kinds.AGENT):
        yield from _all(known, kind)
    yield from (OPT_INS, ORPHANS, TAINTS)


def drifting(known: cache.Cache, *, permits: bool) -> Iterator[queueing.Key]:
    """Keys of what somebody else can change without a watch telling of it; `permits` can be too."""
    for kind in (kinds.PROJECT, kinds.STORE, kinds.AGENT, *([kinds.CONFIG] if permits else ())):
        yield from _all(known, kind)


async def work(ctx: context.Context, key: queueing.Key) -> None:
    """Reconcile what a key names; one that is gone needs nothing."""
    if key == OPT_INS:
        await optins.reconcile(ctx)
        return
    if key == ORPHANS:
        await configs.remove_orphans(ctx)
        await services.remove_orphans(ctx)
        return
    if key == TAINTS:
        await untainting.reconcile(ctx)
        return
    if key == REPORTS:
        _take_reports(ctx)
        return
    plural, namespace, name = key
    for kind in kinds.CONFIGS:
        found = ctx.cache.get(kind, name, namespace)
        if found is not None and plural == kind.plural:
            await configs.reconcile(ctx, kind, found)
        elif found is not None and plural == observing.OBSERVE + kind.plural:
            await configs.look(ctx, kind, found)
    reconcilers = {
        kinds.PROJECT: projects.reconcile,
        kinds.STORE: stores.reconcile,
        kinds.AGENT: agents.reconcile,
    }
    for kind, reconcile in reconcilers.items():
        found = ctx.cache.get(kind, name, namespace) if kind.plural == plural else None
        if found is not None:
            await reconcile(ctx, found)


def _take_reports(ctx: context.Context) -> None:
    """Have looked at what the reports since the last time are about."""
    changes = ctx.reports.changes()
    if changes.opt_ins:
        ctx.later(OPT_INS, 0.0)
    for name in _concerned(changes, ctx):
        pipeline = ctx.cache.get(kinds.PIPELINE, name, ctx.settings.namespace)
        if pipeline is not None:
            ctx.later(_observed(pipeline), 0.0)
    if changes.nodes:
        ctx.later(TAINTS, 0.0)
        for pipeline in ctx.cache.all(kinds.PIPELINE, ctx.settings.namespace):
            ctx.later(_observed(pipeline), random.uniform(0.0, _NODES_SECONDS))  # noqa: S311


def _concerned(changes: reporting.Changes, ctx: context.Context) -> set[str]:
    """The pipelines that agents say something new of."""
    found = set(changes.pipelines)
    if changes.versions is not None:
        low, high = changes.versions
        for each in ctx.cache.all(kinds.PIPELINE, ctx.settings.namespace):
            if low < int(each["metadata"].get("resourceVersion", 0)) <= high:
                found.add(each["metadata"]["name"])
    return found


def _observed(pipeline: cache.Object) -> queueing.Key:
    kind, name, namespace = configs.origin(pipeline)
    return (observing.OBSERVE + (kind.plural if kind else ""), namespace, name)


def _all(
    known: cache.Cache, kind: kinds.Kind, namespace: str | None = None
) -> Iterator[queueing.Key]:
    for found in known.all(kind, namespace):
        yield (kind.plural, *cache.place(found))
