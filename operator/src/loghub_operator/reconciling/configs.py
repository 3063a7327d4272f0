"""LogConfig: judged, compiled to a LogPipeline, and told what the agents made of it.

An invalid or not yet usable LogConfig leaves its pipeline as it is: the last good form runs on.
"""

from typing import Any, Final

from loghub_operator import cache, compiling, conditions, kinds, queueing
from loghub_operator.reconciling import context, granting
from loghub_operator.reconciling.stores import project_of
from loghub_operator.resources import configs, stores

_SAMPLES: Final = 10
_NODE_ERRORS: Final = 10


async def reconcile(ctx: context.Context, found: context.Object) -> None:
    """Judge and compile one LogConfig.

    Raises:
        AgainError: not yet; the condition says why.
    """
    if found["metadata"].get("deletionTimestamp"):
        return
    try:
        spec = context.read(configs.LogConfigSpec, found)
        compiling.check(spec)
    except (compiling.InvalidError, context.NotReadyError) as fault:
        await _invalid(ctx, found, str(fault))
        return
    valid = conditions.true("Valid", "Valid")
    try:
        pipeline = await _compile(ctx, found, spec)
    except context.NotReadyError as fault:
        waiting = conditions.false("Ready", fault.reason, str(fault))
        await ctx.set_status(kinds.CONFIG, found, [valid, waiting])
        raise queueing.AgainError(str(fault)) from fault
    name = compiling.pipeline_name(*cache.place(found))
    known = ctx.cache.get(kinds.PIPELINE, name, ctx.settings.namespace)
    if known is None or known.get("spec") != pipeline:
        metadata = await ctx.owned_metadata(name)
        applied = await ctx.cluster.apply(kinds.PIPELINE, {"metadata": metadata, "spec": pipeline})
        ctx.cache.put(kinds.PIPELINE, applied)
        known = applied
    running = observe(ctx, name, int(known["metadata"]["generation"]))
    await ctx.set_status(kinds.CONFIG, found, [valid, _ready(running)], pipeline=name, **running)


async def remove_orphans(ctx: context.Context) -> None:
    """Delete pipelines whose LogConfig is gone."""
    for pipeline in list(ctx.cache.all(kinds.PIPELINE, ctx.settings.namespace)):
        origin = pipeline.get("spec", {}).get("origin", {})
        where = (str(origin.get("name", "")), str(origin.get("namespace", "")))
        if ctx.cache.get(kinds.CONFIG, *where) is not None:
            continue
        # The cache may be behind: ask before anything is stopped.
        if await ctx.cluster.get(kinds.CONFIG, *where) is None:
            name = pipeline["metadata"]["name"]
            await ctx.cluster.delete(kinds.PIPELINE, name, ctx.settings.namespace)


def observe(ctx: context.Context, pipeline: str, generation: int) -> dict[str, Any]:
    """What the agents report of a pipeline: the status fields `agents`, `matched`, `nodeErrors`."""
    reports = [
        each.get("report", {}) for each in ctx.cache.all(kinds.REPORT, ctx.settings.namespace)
    ]
    applied = failed = pods = containers = 0
    samples: list[str] = []
    faults: list[dict[str, str]] = []
    for report in reports:
        for each in report.get("pipelines", []):
            if each.get("name") != pipeline:
                continue
            if each.get("state") == "Failed":
                failed += 1
                words = str(each.get("message", ""))
                faults.append({"node": str(report.get("node", "")), "message": words})
            elif int(each.get("generation", 0)) >= generation:
                applied += 1
            pods += int(each.get("pods", 0))
            containers += int(each.get("containers", 0))
            samples += [str(name) for name in each.get("samplePods", [])]
    agents = {"desired": len(reports), "applied": applied, "failed": failed}
    return {
        "agents": agents | {"summary": f"{applied}/{len(reports)}"},
        "matched": {"pods": pods, "containers": containers, "samples": sorted(samples)[:_SAMPLES]},
        "nodeErrors": faults[:_NODE_ERRORS],
    }


def _ready(running: dict[str, Any]) -> conditions.Condition:
    agents = running["agents"]
    if agents["failed"]:
        first = running["nodeErrors"][0]
        sentence = f"{agents['failed']} agents refuse it, {first['node']}: {first['message']}"
        return conditions.false("Ready", "AgentsFailed", sentence)
    # Agents answer within a second or two; the pipeline is theirs as soon as it is written.
    return conditions.true("Ready", "Compiled", f"Runs on {agents['summary']} nodes.")


async def _compile(
    ctx: context.Context, found: context.Object, spec: configs.LogConfigSpec
) -> dict[str, Any]:
    home, _ = cache.place(found)
    namespace, name = context.refer(spec.log_store_ref, home)
    store = ctx.cache.get(kinds.STORE, name, namespace)
    if store is None:
        sentence = f"LogStore {namespace}/{name} (spec.logStoreRef) does not exist. Create it."
        raise context.NotReadyError("StoreNotFound", sentence)
    project = project_of(ctx, store)
    if namespace != home and not context.allowed(project, home, ctx):
        sentence = f"The project of LogStore {namespace}/{name} is not open to namespace {home}."
        raise context.NotReadyError("NamespaceNotAllowed", sentence)
    if conditions.status_of(store, "Ready") != "True":
        sentence = f"LogStore {namespace}/{name} is not ready yet; its own conditions say why."
        raise context.NotReadyError("StoreNotReady", sentence)
    typed = (name, context.read(stores.LogStoreSpec, store))
    metadata = dict(found["metadata"])
    excludes = granting.annotations(ctx, home).get(granting.EXCLUDE) == "true"
    return compiling.pipeline(
        metadata, spec, typed, ctx.target(project), excludes_by_default=excludes
    )


async def _invalid(ctx: context.Context, found: context.Object, sentence: str) -> None:
    before = (found.get("status") or {}).get("conditions", [])
    news = not any(each["type"] == "Valid" and each["message"] == sentence for each in before)
    name = compiling.pipeline_name(*cache.place(found))
    kept = ctx.cache.get(kinds.PIPELINE, name, ctx.settings.namespace) is not None
    rest = "Its last valid form keeps running." if kept else "Nothing is collected by it."
    await ctx.set_status(
        kinds.CONFIG,
        found,
        [
            conditions.false("Valid", "InvalidSpec", sentence),
            conditions.false("Ready", "InvalidSpec", f"{sentence} {rest}"),
        ],
    )
    if news:
        await ctx.events.warn(kinds.CONFIG, found, "InvalidSpec", sentence)
