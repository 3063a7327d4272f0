"""Opt-ins: what pods and namespaces ask for by their own keys becomes a visible, owned LogConfig.

Agents report the keys they see; `granting` decides. The LogConfig goes when no agent reports the
opt-in any more; a LogStore that was made for it stays, since it holds data. A key that does not
work is one Warning event on the pod, and takes nothing away from the others.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from loghub_operator import cache, kinds
from loghub_operator.cluster import ClusterError
from loghub_operator.reconciling import context, forming, granting, inheriting

KEY: Final = ("optins", "", "")
"""In the queue: all opt-ins are decided on together."""
LABEL: Final = "loghub.dev/opt-in"
_CREATE: Final = frozenset(("retentionDays", "shardCount", "mode"))
"""Fields of a LogStore that a pod may set when it is made."""
_MAX_PODS: Final = 5
"""Pods of one opt-in that are told why it is refused; of many alike some are enough."""


_Place = tuple[str, str, forming.Form]
"""Namespace, LogStore and form: what makes one LogConfig."""


@dataclasses.dataclass(slots=True)
class _Wanted:
    """One LogConfig to be, and the opt-ins that it fulfils."""

    grant: granting.Grant
    opt_ins: list[granting.OptIn]
    alike: list[granting.OptIn]
    """Those into the same LogStore in every form: together they say how it is made."""


def seen(ctx: context.Context) -> list[granting.OptIn]:
    """Every opt-in that some agent reports, those of several nodes as one."""
    found: dict[tuple[object, ...], granting.OptIn] = {}
    for report in ctx.reports.all():
        for entry in report.opt_ins:
            each = _read(entry)
            key = each.namespace, each.logstore, each.project, each.via, each.form
            before = found.get(key, each)
            found[key] = dataclasses.replace(
                each,
                key=min(each.key, before.key),
                pods=tuple(sorted({*before.pods, *each.pods})[:_MAX_PODS]),
                create=_creation((before, each)),
            )
    return sorted(found.values())


def _read(entry: Mapping[str, Any]) -> granting.OptIn:
    """An entry of a report; agents of the version before name neither the way nor the uids."""
    named = zip(entry.get("pods") or (), entry.get("podUids") or (), strict=False)
    create = {key: value for key, value in (entry.get("create") or {}).items() if key in _CREATE}
    return granting.OptIn(
        namespace=str(entry.get("namespace", "")),
        logstore=str(entry.get("logstore", "")),
        project=str(entry.get("project", "")),
        via=str(entry.get("via", granting.ANNOTATION)),
        key=str(entry.get("key", granting.LOGSTORE)),
        pods=tuple((str(name), str(uid)) for name, uid in named),
        create=tuple(sorted(create.items())),
        form=forming.read(entry),
    )


async def reconcile(ctx: context.Context) -> None:
    """Make the owned LogConfigs as the opt-ins say.

    Raises:
        ClusterError: the API server refused something; all else is done.
    """
    await _tell_problems(ctx)
    inherited = await _inherit(ctx)
    wanted = await _decide(ctx)
    faults: list[ClusterError] = []
    for place, each in wanted.items():
        try:
            await _ensure(ctx, place, each, inherited.get(place[0], inheriting.NOTHING))
        except ClusterError as fault:
            faults.append(fault)  # one namespace that is going away stops no other
    await _remove(ctx, {(place[0], config_name(*place[1:])) for place in wanted})
    if faults:
        raise faults[0]


def config_name(store: str, form: forming.Form) -> str:
    """The LogConfig of opt-ins into a LogStore in one form."""
    return f"optin-{store}{forming.suffix(form)}"


async def _decide(ctx: context.Context) -> dict[_Place, _Wanted]:
    """What is granted; who is refused hears it."""
    world = granting.World(ctx)
    wanted: dict[_Place, _Wanted] = {}
    alike: dict[tuple[str, str], list[granting.OptIn]] = collections.defaultdict(list)
    for each in [*seen(ctx), *granting.defaults(ctx)]:
        try:
            grant = world.grant(each)
        except (granting.RefusedError, context.NotReadyError) as fault:
            what = f"Logstore {each.logstore[:80]!r}" if each.logstore else "collection"
            sentence = f"{each.key} asks for {what}: {fault}"
            await _refuse(ctx, each, sentence)
            continue
        for wrong in forming.judged(each.form)[1]:
            words = f"{each.key} does not work in full: {wrong} It is left out, the rest works."
            await _warn(ctx, each, "InvalidOptIn", words)
        place = each.namespace, grant.store, each.form
        alike[place[:2]].append(each)
        wanted.setdefault(place, _Wanted(grant, [], alike[place[:2]])).opt_ins.append(each)
    return wanted


async def _refuse(ctx: context.Context, each: granting.OptIn, sentence: str) -> None:
    if each.unnamed:
        found = ctx.cache.get(kinds.NAMESPACE, each.namespace)
        if found is not None:
            await ctx.events.warn_once(kinds.NAMESPACE, found, "OptInRefused", sentence)
    await _warn(ctx, each, "OptInRefused", sentence)


async def _warn(ctx: context.Context, each: granting.OptIn, reason: str, sentence: str) -> None:
    for name, uid in each.pods:
        about = {"metadata": {"name": name, "namespace": each.namespace, "uid": uid}}
        await ctx.events.warn_once(kinds.POD, about, reason, sentence)


async def _tell_problems(ctx: context.Context) -> None:
    for report in ctx.reports.all():
        for each in report.problems:
            metadata = {key: str(each.get(of, "")) for key, of in _ABOUT.items()}
            of = f"container {each['container']}: " if each.get("container") else ""
            sentence = f"{of}{each.get('key', '')} {each.get('message', '')}"
            if all(metadata.values()):
                about = {"metadata": metadata}
                await ctx.events.warn_once(kinds.POD, about, "InvalidOptIn", sentence)


_ABOUT: Final = {"name": "pod", "namespace": "namespace", "uid": "uid"}
"""Metadata of a pod by the report's fields."""


async def _inherit(ctx: context.Context) -> dict[str, inheriting.Inherited]:
    """What namespaces add to their pods' opt-ins; one with a key that does not work hears it."""
    found = {}
    for each in ctx.cache.all(kinds.NAMESPACE):
        name = each["metadata"]["name"]
        found[name], faults = inheriting.read(granting.annotations(ctx, name))
        for sentence in faults:
            await ctx.events.warn_once(kinds.NAMESPACE, each, "InvalidOptIn", sentence)
    return found


async def _ensure(
    ctx: context.Context, place: _Place, wanted: _Wanted, inherited: inheriting.Inherited
) -> None:
    namespace, store, form = place
    labels = {LABEL: "true"}
    if not wanted.grant.exists:
        await _create_store(ctx, namespace, store, wanted)
    name = config_name(store, form)
    if granting.ANNOTATION not in wanted.grant.via:
        inherited = inheriting.NOTHING
    spec: dict[str, Any] = {"logStoreRef": {"name": store}, "selector": _selector(wanted)}
    spec |= forming.fields(inherited.over(forming.judged(form)[0]))
    if inherited.tags:
        spec["tags"] = {"static": dict(inherited.tags)}
    known = ctx.cache.get(kinds.CONFIG, name, namespace)
    if known is not None and known.get("spec") == spec:
        return
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    applied = await ctx.cluster.apply(kinds.CONFIG, {"metadata": metadata, "spec": spec})
    ctx.take(kinds.CONFIG, applied)


async def _create_store(ctx: context.Context, namespace: str, store: str, wanted: _Wanted) -> None:
    home, project = cache.place(wanted.grant.project)
    logstore = wanted.grant.logstore
    spec: dict[str, Any] = {"projectRef": {"name": project, "namespace": home}}
    spec |= dict(_creation(wanted.alike))
    if logstore != store:
        spec["logStoreName"] = logstore
    metadata = {"name": store, "namespace": namespace, "labels": {LABEL: "true"}}
    try:
        made = await ctx.cluster.create(kinds.STORE, {"metadata": metadata, "spec": spec})
    except ClusterError as fault:
        if not fault.conflict:
            raise
    else:
        ctx.take(kinds.STORE, made)  # an opt-in of that name for another project is decided anew


def _creation(opt_ins: Iterable[granting.OptIn]) -> tuple[tuple[str, Any], ...]:
    """How the LogStore is made: as one of those says that say something, always the same one."""
    return min((each.create for each in opt_ins if each.create), key=repr, default=())


def _selector(wanted: _Wanted) -> dict[str, Any]:
    asking = [each for each in wanted.opt_ins if not each.unnamed]
    opt_in: dict[str, Any] = {"logstore": wanted.grant.logstore, "via": list(wanted.grant.via)}
    if named := sorted({each.project for each in asking}):
        opt_in["projects"] = named
    if len(asking) < len(wanted.opt_ins):
        opt_in["unnamed"] = True
    if any(not each.logstore for each in asking):
        opt_in["withoutStore"] = True
    # A LogStore's own name and its Logstore's mean the same.
    if others := sorted({each.logstore for each in asking} - {"", wanted.grant.logstore}):
        opt_in["otherNames"] = others
    return {"optIn": opt_in | wanted.opt_ins[0].form.document()}


async def _remove(ctx: context.Context, wanted: set[tuple[str, str]]) -> None:
    for found in list(_owned(ctx.cache.all(kinds.CONFIG))):
        metadata = found["metadata"]
        if (metadata["namespace"], metadata["name"]) not in wanted:
            await ctx.cluster.delete(kinds.CONFIG, metadata["name"], metadata["namespace"])


def _owned(found: Iterable[context.Object]) -> Iterable[context.Object]:
    return (each for each in found if owned(each))


def owned(found: context.Object) -> bool:
    """Whether a LogConfig was made for an opt-in."""
    return (found["metadata"].get("labels") or {}).get(LABEL) == "true"
