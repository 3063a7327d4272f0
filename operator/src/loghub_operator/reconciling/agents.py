"""CollectionAgent: its DaemonSet, and how far its pods are."""

from loghub_operator import conditions, daemonsets, kinds, pools, queueing
from loghub_operator.cluster import ClusterError
from loghub_operator.reconciling import context, remote
from loghub_operator.resources import agents


async def reconcile(ctx: context.Context, found: context.Object) -> None:
    """Apply the DaemonSet and read its state.

    Raises:
        AgainError: its pods are not all there yet.
    """
    if found["metadata"].get("deletionTimestamp"):
        return
    pool = found["metadata"]["name"]
    try:
        given = context.read(agents.CollectionAgentSpec, found)
        affinity = pools.affinity(found, ctx.cache.all(kinds.AGENT))
        spec = given.model_copy(update={"affinity": affinity})
        there = await ctx.cluster.get(
            kinds.DAEMON_SET, daemonsets.name_of(pool), ctx.settings.namespace
        )
        wanted = daemonsets.build(
            pool,
            spec,
            namespace=ctx.settings.namespace,
            image=ctx.settings.agent_image,
            owner=daemonsets.owner_of(dict(found), kinds.AGENT.name),
            aliases=ctx.settings.aliases,
            there=there,
        )
        applied = await ctx.cluster.apply(kinds.DAEMON_SET, wanted)
    except pools.ConflictError as fault:
        await ctx.cluster.delete(kinds.DAEMON_SET, daemonsets.name_of(pool), ctx.settings.namespace)
        await remote.refuse(ctx, kinds.AGENT, found, reason="PoolConflict", sentence=str(fault))
        return
    except context.NotReadyError as fault:
        await remote.refuse(ctx, kinds.AGENT, found, reason=fault.reason, sentence=str(fault))
        return
    except ClusterError as fault:
        if fault.status in {400, 422}:
            await remote.refuse(
                ctx, kinds.AGENT, found, reason="DaemonSetRefused", sentence=str(fault)
            )
        raise
    status = applied.get("status") or {}
    desired = int(status.get("desiredNumberScheduled", 0))
    available = int(status.get("numberAvailable", 0))
    updated = int(status.get("updatedNumberScheduled", 0))
    current = status.get("observedGeneration") == applied["metadata"]["generation"]
    complete = current and available == desired == updated
    sentence = f"{available} of {desired} agents are available, {updated} up to date."
    if applied["spec"].get("minReadySeconds"):
        sentence += " Canaries are tried; the others follow when these have been ready for a while."
    state = (
        conditions.true("Ready", "Available", sentence)
        if complete
        else conditions.false("Ready", "RollingOut", sentence)
    )
    await ctx.set_status(kinds.AGENT, found, [state], desired=desired, available=available)
    if not complete:
        raise queueing.AgainError(sentence)
