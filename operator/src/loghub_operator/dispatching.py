"""Which keys a change concerns, and which reconciler a key belongs to.

A change of a project concerns its LogStores, of a LogStore its LogConfigs, of a report the
LogConfigs that it speaks of and the opt-ins.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from loghub_operator import cache, kinds, queueing
from loghub_operator.reconciling import agents, configs, context, optins, projects, services, stores

OPT_INS: Final = ("optins", "", "")
ORPHANS: Final = ("orphans", "", "")

_REPORT_SECONDS: Final = 1.0
"""Reports of many nodes come together: their effects are gathered that long."""


def keys(kind: kinds.Kind, found: cache.Object, known: cache.Cache) -> Iterator[queueing.Key]:
    """What to look at because `found` came, changed or went."""
    namespace, name = cache.place(found)
    if kind in {kinds.PROJECT, kinds.STORE, kinds.CONFIG, kinds.AGENT}:
        yield (kind.plural, namespace, name)
    if kind in {kinds.PROJECT, kinds.NAMESPACE}:
        yield from _all(known, kinds.STORE)
        yield OPT_INS
    if kind == kinds.PROJECT:
        yield ORPHANS
    if kind in {kinds.PROJECT, kinds.STORE, kinds.NAMESPACE}:
        yield from _all(known, kinds.CONFIG)
    if kind == kinds.STORE:
        yield OPT_INS
    if kind == kinds.CONFIG:
        yield from (ORPHANS, OPT_INS)
    if kind == kinds.PIPELINE:
        origin = found.get("spec", {}).get("origin", {})
        yield (kinds.CONFIG.plural, str(origin.get("namespace")), str(origin.get("name")))
        yield ORPHANS


def everything(known: cache.Cache) -> Iterator[queueing.Key]:
    """Every key there is, for a resync."""
    for kind in (kinds.PROJECT, kinds.STORE, kinds.CONFIG, kinds.AGENT):
        yield from _all(known, kind)
    yield from (OPT_INS, ORPHANS)


def reported(known: cache.Cache) -> Iterable[tuple[queueing.Key, float]]:
    """What to look at soon because an agent reported."""
    yield OPT_INS, _REPORT_SECONDS
    for key in _all(known, kinds.CONFIG):
        yield key, _REPORT_SECONDS


async def work(ctx: context.Context, key: queueing.Key) -> None:
    """Reconcile what a key names; one that is gone needs nothing."""
    if key == OPT_INS:
        await optins.reconcile(ctx)
        return
    if key == ORPHANS:
        await configs.remove_orphans(ctx)
        await services.remove_orphans(ctx)
        return
    plural, namespace, name = key
    reconcilers = {
        kinds.PROJECT: projects.reconcile,
        kinds.STORE: stores.reconcile,
        kinds.CONFIG: configs.reconcile,
        kinds.AGENT: agents.reconcile,
    }
    for kind, reconcile in reconcilers.items():
        found = ctx.cache.get(kind, name, namespace) if kind.plural == plural else None
        if found is not None:
            await reconcile(ctx, found)


def _all(known: cache.Cache, kind: kinds.Kind) -> Iterator[queueing.Key]:
    for found in known.all(kind):
        yield (kind.plural, *cache.place(found))
