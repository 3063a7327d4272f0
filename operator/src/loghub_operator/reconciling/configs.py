"""LogConfig and ClusterLogConfig: judged, compiled to a LogPipeline, told what came of it.

An invalid or not yet usable config leaves its pipeline as it is: the last good form runs on.
`observing` sums up what the agents report and writes the status.
"""

from typing import Any, Final

from loghub_operator import cache, compiling, conditions, kinds, namespaces, queueing
from loghub_operator.reconciling import context, granting, observing, permitting
from loghub_operator.reconciling.stores import project_of
from loghub_operator.resources import cluster_configs, configs, stores

Spec = configs.LogConfigSpec

_FORBIDDEN: Final = "CollectNotAllowed"
_MAX_NAMESPACES: Final = 10_000
"""What an agent takes in one list."""


async def reconcile(ctx: context.Context, kind: kinds.Kind, found: context.Object) -> None:
    """Judge and compile one config.

    Raises:
        AgainError: not yet; the condition says why.
    """
    if found["metadata"].get("deletionTimestamp"):
        return
    try:
        spec = context.read(_model(kind), found)
        compiling.check(spec)
    except (compiling.InvalidError, context.NotReadyError) as fault:
        await _invalid(ctx, kind, found, str(fault))
        return
    try:
        wanted = await _compile(ctx, found, spec)
    except context.NotReadyError as fault:
        if fault.reason == _FORBIDDEN:
            await _hold(ctx, found)
        waiting = conditions.false("Ready", fault.reason, str(fault))
        valid = conditions.true("Valid", "Valid")
        await ctx.set_status(kind, found, [valid, waiting])
        raise queueing.AgainError(str(fault)) from fault
    name = compiling.pipeline_name(*cache.place(found))
    known = ctx.cache.get(kinds.PIPELINE, name, ctx.settings.namespace)
    if known is None or known.get("spec") != wanted:
        metadata = await ctx.owned_metadata(name)
        known = await ctx.cluster.apply(kinds.PIPELINE, {"metadata": metadata, "spec": wanted})
        ctx.cache.put(kinds.PIPELINE, known)
    await _tell(ctx, kind, found, known)


async def look(ctx: context.Context, kind: kinds.Kind, found: context.Object) -> None:
    """Only take what the agents report: neither the config nor what it refers to has changed."""
    name = compiling.pipeline_name(*cache.place(found))
    known = ctx.cache.get(kinds.PIPELINE, name, ctx.settings.namespace)
    said = {each["type"]: each for each in (found.get("status") or {}).get("conditions", [])}
    running = said.get("Ready", {}).get("reason") in _FROM_AGENTS
    current = (found.get("status") or {}).get("observedGeneration") == found["metadata"].get(
        "generation"
    )
    if known is not None and running and current:
        await _tell(ctx, kind, found, known)


_FROM_AGENTS: Final = frozenset(("AgentsFailed", "Compiled", "Paused", "Preview", "SampleMismatch"))
"""Reasons of a config whose current form is with the agents."""


async def remove_orphans(ctx: context.Context) -> None:
    """Delete pipelines whose config is gone."""
    for pipeline in list(ctx.cache.all(kinds.PIPELINE, ctx.settings.namespace)):
        kind, *where = origin(pipeline)
        if kind is not None and ctx.cache.get(kind, *where) is not None:
            continue
        # The cache may be behind: ask before anything is stopped.
        if kind is None or await ctx.cluster.get(kind, *where) is None:
            name = pipeline["metadata"]["name"]
            await ctx.cluster.delete(kinds.PIPELINE, name, ctx.settings.namespace)


def origin(pipeline: context.Object) -> tuple[kinds.Kind | None, str, str]:
    """Kind, name and namespace of what a pipeline was made from."""
    said = (pipeline.get("spec") or {}).get("origin") or {}
    kind = next((each for each in kinds.CONFIGS if each.name == said.get("kind")), None)
    return kind, str(said.get("name", "")), str(said.get("namespace", ""))


def _model(kind: kinds.Kind) -> type[Spec]:
    if kind == kinds.CLUSTER_CONFIG:
        return cluster_configs.ClusterLogConfigSpec
    return configs.LogConfigSpec


async def _tell(
    ctx: context.Context, kind: kinds.Kind, found: context.Object, pipeline: context.Object
) -> None:
    running = observing.observe(ctx, found, pipeline)
    valid = _valid(found, running)
    fields = {"pipeline": pipeline["metadata"]["name"], **running.fields}
    news = valid["status"] == "False" and not _says(found, valid["message"])
    wanted = [valid, _ready(found, running)]
    await observing.write(ctx, kind, found, wanted=wanted, fields=fields)
    if news:
        await ctx.events.warn(kind, found, "SampleMismatch", valid["message"])


def _valid(found: context.Object, running: observing.Running) -> conditions.Condition:
    if running.mismatch:
        sentence = f"spec.{running.mismatch}"
        return conditions.false("Valid", "SampleMismatch", sentence)
    if (found.get("spec") or {}).get("samples") and not running.judged:
        sentence = "No agent has judged spec.samples of this generation yet."
        return conditions.unknown("Valid", "SamplesPending", sentence)
    return conditions.true("Valid", "Valid")


def _ready(found: context.Object, running: observing.Running) -> conditions.Condition:
    if running.mismatch:
        sentence = f"spec.{running.mismatch} The last form that was valid keeps running."
        return conditions.false("Ready", "SampleMismatch", sentence)
    if running.failed:
        first = running.fields["nodeErrors"][0]
        sentence = f"{running.failed} agents refuse it, {first['node']}: {first['message']}"
        return conditions.false("Ready", "AgentsFailed", sentence)
    mode = (found.get("spec") or {}).get("mode", "Collect")
    taken = running.fields["matched"]
    if mode == "Preview":
        sentence = f"Would take {taken['containers']} containers of {taken['pods']} pods."
        return conditions.true("Ready", "Preview", sentence)
    if mode == "Paused":
        return conditions.true("Ready", "Paused", "Nothing is read; places in files are kept.")
    # Agents answer within a second or two; the pipeline is theirs as soon as it is written.
    summary = running.fields["agents"]["summary"]
    return conditions.true("Ready", "Compiled", f"Runs on {summary} nodes.")


async def _compile(ctx: context.Context, found: context.Object, spec: Spec) -> dict[str, Any]:
    home, _ = cache.place(found)
    namespace, name = context.refer(spec.log_store_ref, home)
    store = ctx.cache.get(kinds.STORE, name, namespace)
    if store is None:
        sentence = f"LogStore {namespace}/{name} (spec.logStoreRef) does not exist. Create it."
        raise context.NotReadyError("StoreNotFound", sentence)
    project = project_of(ctx, store)
    # Whoever may create a ClusterLogConfig is the platform's owner.
    if home and namespace != home and not context.allowed(project, home, ctx):
        sentence = f"The project of LogStore {namespace}/{name} is not open to namespace {home}."
        raise context.NotReadyError("NamespaceNotAllowed", sentence)
    if conditions.status_of(store, "Ready") != "True":
        ctx.wait_for(kinds.STORE, name, namespace)
        sentence = f"LogStore {namespace}/{name} is not ready yet; its own conditions say why."
        raise context.NotReadyError("StoreNotReady", sentence)
    await _check_right(ctx, (home, spec.service_account_name), (namespace, name))
    typed = (name, context.read(stores.LogStoreSpec, store))
    metadata = dict(found["metadata"])
    excludes = granting.annotations(ctx, home).get(granting.EXCLUDE) == "true"
    return compiling.pipeline(
        metadata,
        spec,
        typed,
        ctx.target(project),
        excludes_by_default=excludes,
        scope=_scope(ctx, spec),
    )


async def _check_right(
    ctx: context.Context, account: tuple[str, str], store: tuple[str, str]
) -> None:
    """Raise NotReadyError where the release asks for a right that a LogConfig's account lacks."""
    asked = ctx.settings.require_collect and account[0]
    if asked and not await ctx.permits.may(account, store):
        raise context.NotReadyError(_FORBIDDEN, permitting.sentence(account, store))


async def _hold(ctx: context.Context, found: context.Object) -> None:
    """Nothing more is read by what may not collect any more; its places are kept."""
    name = compiling.pipeline_name(*cache.place(found))
    known = ctx.cache.get(kinds.PIPELINE, name, ctx.settings.namespace)
    if known is not None and known["spec"].get("mode") != "Paused":
        metadata = await ctx.owned_metadata(name)
        held = {"metadata": metadata, "spec": {**known["spec"], "mode": "Paused"}}
        ctx.cache.put(kinds.PIPELINE, await ctx.cluster.apply(kinds.PIPELINE, held))


def _scope(ctx: context.Context, spec: Spec) -> namespaces.Scope | None:
    if not isinstance(spec, cluster_configs.ClusterLogConfigSpec):
        return None
    found = namespaces.scope(
        spec.selector.namespaces, ctx.cache.all(kinds.NAMESPACE), own=ctx.settings.namespace
    )
    count = max(len(found.taken), len(found.left_out))
    if count > _MAX_NAMESPACES:
        sentence = (
            f"spec.selector.namespaces comes to {count} names, {_MAX_NAMESPACES} are possible: "
            "take all, or make several ClusterLogConfigs."
        )
        raise context.NotReadyError("InvalidSpec", sentence)
    return found


def _says(found: context.Object, sentence: str) -> bool:
    before = (found.get("status") or {}).get("conditions", [])
    return any(each["type"] == "Valid" and each["message"] == sentence for each in before)


async def _invalid(
    ctx: context.Context, kind: kinds.Kind, found: context.Object, sentence: str
) -> None:
    news = not _says(found, sentence)
    name = compiling.pipeline_name(*cache.place(found))
    kept = ctx.cache.get(kinds.PIPELINE, name, ctx.settings.namespace) is not None
    rest = "Its last valid form keeps running." if kept else "Nothing is collected by it."
    await ctx.set_status(
        kind,
        found,
        [
            conditions.false("Valid", "InvalidSpec", sentence),
            conditions.false("Ready", "InvalidSpec", f"{sentence} {rest}"),
        ],
    )
    if news:
        await ctx.events.warn(kind, found, "InvalidSpec", sentence)
