"""Reports of nodes that are gone go, on a real API server; those of young ones stay."""

import datetime as dt
import uuid

import pytest

from loghub_operator import cache, events, kinds, reporting
from loghub_operator import cluster as clusters
from loghub_operator.reconciling import context, leaving, permitting
from stepped import SETTINGS, SYSTEM

pytestmark = pytest.mark.apiserver


def report(name: str) -> dict:
    return {
        "apiVersion": "loghub.dev/v1alpha1",
        "kind": "AgentReport",
        "metadata": {"name": name, "namespace": SYSTEM},
        "report": {"node": name, "pipelines": []},
    }


async def test_report_goes_with_its_node_and_not_while_it_is_young(cluster, control_plane):
    there, gone = (f"node-{uuid.uuid4().hex[:8]}" for _ in range(2))
    api = await clusters.connect(str(control_plane.kubeconfig))
    assert await api.births(kinds.NODE) == {}  # where there are none, `items` is null
    cluster.call(
        "POST", "/api/v1/nodes", {"kind": "Node", "apiVersion": "v1", "metadata": {"name": there}}
    )
    ctx = context.Context(
        SETTINGS,
        api,
        cache.Cache(),
        events.Events(api),
        reporting.Reports(SYSTEM),
        permitting.Permits(api),
    )
    now = dt.datetime.now(dt.UTC)
    try:
        for name in (there, gone):
            cluster.apply(report(name))
            ctx.reports.put(await api.get(kinds.REPORT, name, SYSTEM))
        await leaving.forget_nodes(ctx, now)
        assert cluster.get("AgentReport", gone, SYSTEM) is not None
        await leaving.forget_nodes(ctx, now + leaving.YOUNG + dt.timedelta(minutes=1))
        assert cluster.get("AgentReport", gone, SYSTEM) is None
        assert cluster.get("AgentReport", there, SYSTEM) is not None
    finally:
        cluster.delete("AgentReport", there, SYSTEM)
        cluster.call("DELETE", f"/api/v1/nodes/{there}")
        await api.close()
