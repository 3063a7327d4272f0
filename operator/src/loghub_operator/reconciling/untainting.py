"""Start-up taints: a node takes workloads once its agent is ready, or after a while without one.

Whoever makes nodes registers them with the taint; the operator takes it away, where a
CollectionAgent asks for it and never otherwise. Woken by reports of agents that come, by itself
while a tainted node waits, and each minute for new nodes. `dispatching` calls it.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from loghub_operator import daemonsets, kinds, queueing
from loghub_operator.cluster import ClusterError
from loghub_operator.reconciling import context
from loghub_operator.resources import agents

KEY: Final[queueing.Key] = ("taints", "", "")

_SOON_SECONDS: Final = 3.0
"""Until a node that waits is looked at again: kubelet asks an agent each 5 s if it is ready."""
_SELDOM_SECONDS: Final = 60.0
_MOST_NODES: Final = 200
"""Read in full in one look; the others have their turn in the next."""
_FORBIDDEN: Final = 403


async def reconcile(ctx: context.Context) -> None:
    """Look at every node that has not been seen without the taint yet.

    Raises:
        ClusterError: the API server refused.
    """
    pools = [each for each in ctx.cache.all(kinds.AGENT) if _given(each).remove]
    if not pools:
        ctx.untainted.clear()
        return
    listed = {each["metadata"]["uid"]: each for each in await ctx.cluster.metadata(kinds.NODE)}
    ctx.untainted &= listed.keys()
    unknown = [uid for uid in listed if uid not in ctx.untainted][:_MOST_NODES]
    for uid in unknown:
        name = listed[uid]["metadata"]["name"]
        try:
            if await _look(ctx, name, pools):
                ctx.untainted.add(uid)
        except ClusterError as fault:
            if fault.status != _FORBIDDEN:
                raise
            await _say_forbidden(ctx, pools, fault)
            break
    waits = len(ctx.untainted) < len(listed)
    ctx.later(KEY, _SOON_SECONDS if waits else _SELDOM_SECONDS)


async def _look(ctx: context.Context, name: str, pools: list[context.Object]) -> bool:
    """Take the taint off a node if its time has come; whether it has none any more."""
    node = await ctx.cluster.get(kinds.NODE, name)
    taints = ((node or {}).get("spec") or {}).get("taints") or []
    kept = [each for each in taints if each.get("key") != agents.STARTUP_TAINT]
    if node is None or len(kept) == len(taints):
        return True
    ready = await _agent_is_ready(ctx, name)
    if not ready and not _is_late(node, pools, dt.datetime.now(dt.UTC)):
        return False
    # Not over what somebody else has done to the node meanwhile: a conflict, and another look.
    change = {
        "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
        "spec": {"taints": kept},
    }
    await ctx.cluster.merge(kinds.NODE, node, change)
    if ready:
        sentence = f"The agent is ready: taint {agents.STARTUP_TAINT} is taken away."
        await ctx.events.tell(kinds.NODE, node, "AgentReady", sentence)
    else:
        sentence = (
            f"No agent became ready in time: taint {agents.STARTUP_TAINT} is taken away "
            "(spec.startupTaint.timeoutSeconds of the CollectionAgent)."
        )
        await ctx.events.warn(kinds.NODE, node, "AgentLate", sentence)
    return True


async def _agent_is_ready(ctx: context.Context, node: str) -> bool:
    labels = ",".join(f"{key}={value}" for key, value in daemonsets.LABELS.items())
    pods = await ctx.cluster.list(
        kinds.POD, ctx.settings.namespace, labels=labels, fields=f"spec.nodeName={node}"
    )
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for pod in pods
        for each in (pod.get("status") or {}).get("conditions") or []
    )


def _is_late(node: Mapping[str, Any], pools: list[context.Object], now: dt.datetime) -> bool:
    """Whether it has waited as long as the pools that select it want, or all where none does."""
    labels = node["metadata"].get("labels") or {}
    own = [each for each in pools if _selects(each, labels)] or pools
    seconds = max(_given(each).timeout_seconds for each in own)
    made = dt.datetime.fromisoformat(node["metadata"]["creationTimestamp"])
    return now - made > dt.timedelta(seconds=seconds)


def _selects(pool: context.Object, labels: Mapping[str, str]) -> bool:
    wanted = (pool.get("spec") or {}).get("nodeSelector") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _given(pool: context.Object) -> agents.StartupTaint:
    spec = (pool.get("spec") or {}).get("startupTaint") or {}
    return agents.StartupTaint.model_validate(spec)


async def _say_forbidden(
    ctx: context.Context, pools: list[context.Object], fault: ClusterError
) -> None:
    sentence = (
        "spec.startupTaint.remove needs rights on nodes and pods, which the chart gives with "
        f"agent.startupTaint.remove: {fault}"
    )
    for pool in pools:
        await ctx.events.warn_once(kinds.AGENT, pool, "TaintForbidden", sentence)
