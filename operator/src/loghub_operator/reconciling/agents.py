"""CollectionAgent: its DaemonSet, and how far its pods are."""

from loghub_operator import conditions, daemonsets, kinds, queueing
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
        spec = context.read(agents.CollectionAgentSpec, found)
        wanted = daemonsets.build(
            pool,
            spec,
            namespace=ctx.settings.namespace,
            image=ctx.settings.agent_image,
            owner=daemonsets.owner_of(dict(found), kinds.AGENT.name),
        )
        applied = await ctx.cluster.apply(kinds.DAEMON_SET, wanted)
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
    state = (
        conditions.true("Ready", "Available", sentence)
        if complete
        else conditions.false("Ready", "RollingOut", sentence)
    )
    await ctx.set_status(kinds.AGENT, found, [state], desired=desired, available=available)
    if not complete:
        raise queueing.AgainError(sentence)
