"""A node's start-up taint goes when its agent is ready, or late, and where it is asked for only."""

import datetime as dt
import urllib.error
import uuid

import pytest

from loghub_operator import cache, daemonsets, events, kinds, reporting
from loghub_operator import cluster as clusters
from loghub_operator.reconciling import context, permitting, untainting
from loghub_operator.resources import agents
from stage import waiting

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SYSTEM = "loghub-system"
OTHER = {"key": "other", "effect": "NoSchedule"}
OURS = {"key": agents.STARTUP_TAINT, "value": "x", "effect": "NoExecute"}


@pytest.fixture
def make_node(cluster):
    """`make_node(LABEL)` is a node with the taint and one of somebody else's."""
    made = []

    def make(label: str) -> str:
        name = f"node-{uuid.uuid4().hex[:8]}"
        node = {"apiVersion": "v1", "kind": "Node", "spec": {"taints": [OTHER, OURS]}}
        node["metadata"] = {"name": name, "labels": {"pool": label}}
        cluster.call("POST", "/api/v1/nodes", node)
        made.append(name)
        return name

    yield make
    for name in made:
        cluster.call("DELETE", f"/api/v1/nodes/{name}")


@pytest.fixture
def make_pool(cluster):
    """`make_pool(LABEL, SECONDS)` is a CollectionAgent for nodes of that label."""
    made = []

    def make(label: str, seconds: int) -> None:
        spec = {
            "nodeSelector": {"pool": label},
            "startupTaint": {"remove": True, "timeoutSeconds": seconds},
        }
        pool = {"apiVersion": "loghub.dev/v1alpha1", "kind": "CollectionAgent", "spec": spec}
        cluster.apply({**pool, "metadata": {"name": label}})
        made.append(label)

    yield make
    for label in made:
        cluster.delete("CollectionAgent", label)


@pytest.fixture
def make_agent(cluster):
    """`make_agent(NODE)` is an agent's pod there, `make_agent(NODE, ready=True)` a ready one."""
    made = []

    def make(node: str, *, ready: bool = False) -> None:
        path = f"/api/v1/namespaces/{SYSTEM}/pods"
        if node not in made:
            container = {"name": "agent", "image": "agent:1"}
            pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": node}}
            pod["spec"] |= {"containers": [container], "automountServiceAccountToken": False}
            pod["metadata"] = {"name": node, "labels": daemonsets.LABELS}
            cluster.call("POST", path, pod)
            made.append(node)
        status = "True" if ready else "False"
        said = {"status": {"conditions": [{"type": "Ready", "status": status}]}}
        cluster.call("PATCH", f"{path}/{node}/status", said, "merge-patch+json")

    yield make
    for node in made:
        cluster.call(
            "DELETE", f"/api/v1/namespaces/{SYSTEM}/pods/{node}", {"gracePeriodSeconds": 0}
        )


@pytest.fixture(scope="module", autouse=True)
def account(cluster):
    """What pods run as; no controller makes it here."""
    place = {"name": "default", "namespace": SYSTEM}
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})


def taints(cluster, node: str) -> list[str]:
    found = cluster.call("GET", f"/api/v1/nodes/{node}")
    return [each["key"] for each in found["spec"].get("taints") or []]


def until_untainted(cluster, node: str) -> None:
    def look() -> bool:
        return agents.STARTUP_TAINT not in taints(cluster, node)

    waiting.until(f"{node} without the taint", look, every=0.2)


def said_of(cluster, node: str) -> list[str]:
    found = cluster.list("Event", "default")
    return [each["reason"] for each in found if each["involvedObject"].get("name") == node]


def test_taint_goes_when_the_agent_is_ready_and_others_stay(
    cluster, operator, make_node, make_pool, make_agent
):
    label = f"pool-{uuid.uuid4().hex[:8]}"
    make_pool(label, 3600)
    ready, waits = make_node(label), make_node(label)
    make_agent(ready)
    make_agent(waits)
    make_agent(ready, ready=True)
    until_untainted(cluster, ready)
    assert [key for key in taints(cluster, ready) if key == "other"] == ["other"]
    assert agents.STARTUP_TAINT in taints(cluster, waits)
    waiting.until("an event", lambda: said_of(cluster, ready) == ["AgentReady"], every=0.2)
    made = cluster.get("DaemonSet", daemonsets.name_of(label), SYSTEM)
    tolerated = made["spec"]["template"]["spec"]["tolerations"]
    assert {"key": agents.STARTUP_TAINT, "operator": "Exists"} in tolerated
    make_agent(waits, ready=True)
    until_untainted(cluster, waits)


def test_taint_goes_late_where_no_agent_comes_and_the_event_says_so(
    cluster, operator, make_node, make_pool
):
    label = f"pool-{uuid.uuid4().hex[:8]}"
    made = dt.datetime.now(dt.UTC)
    node = make_node(label)
    make_pool(label, 10)
    until_untainted(cluster, node)
    assert dt.datetime.now(dt.UTC) - made >= dt.timedelta(seconds=9)  # stamps are whole seconds
    waiting.until("an event", lambda: said_of(cluster, node) == ["AgentLate"], every=0.2)


async def look(api: clusters.Cluster, **startup: object) -> context.Context:
    """One look of an operator with one pool of that setting."""
    ctx = context.Context(
        context.Settings(SYSTEM, "agent:1", "", "root", None), api, cache.Cache(),
        events.Events(api), reporting.Reports(SYSTEM), permitting.Permits(api),
    )  # fmt: skip
    metadata = {"name": f"pool-{uuid.uuid4().hex[:8]}", "uid": "u", "generation": 1}
    ctx.cache.put(kinds.AGENT, {"metadata": metadata, "spec": {"startupTaint": startup}})
    await untainting.reconcile(ctx)
    return ctx


async def test_nothing_is_taken_away_where_nobody_asks_for_it(cluster, control_plane, make_node):
    node = make_node("nobody")
    api = await clusters.connect(str(control_plane.kubeconfig))
    try:
        await look(api, remove=False, timeoutSeconds=10)
        assert agents.STARTUP_TAINT in taints(cluster, node)
    finally:
        await api.close()


async def test_operator_without_the_rights_says_which_it_needs(cluster, control_plane, make_node):
    node = make_node("nobody")
    user = f"system:serviceaccount:{SYSTEM}:of-a-test"
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]
    root = "/apis/rbac.authorization.k8s.io/v1"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "of-a-test"}}
    cluster.call("POST", f"{root}/clusterroles", {**role, "kind": "ClusterRole", "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    bound = {"roleRef": {**reference, "name": "of-a-test"}, "subjects": [subject]}
    cluster.call(
        "POST", f"{root}/clusterrolebindings", {**role, "kind": "ClusterRoleBinding", **bound}
    )
    api = await clusters.connect(str(control_plane.kubeconfig_for(user)))
    try:
        ctx = await look(api, remove=True)
        [pool] = ctx.cache.all(kinds.AGENT)
        reasons = said_of(cluster, pool["metadata"]["name"])
        assert reasons == ["TaintForbidden"]
        assert agents.STARTUP_TAINT in taints(cluster, node)
    finally:
        await api.close()
        for plural in ("clusterrolebindings", "clusterroles"):
            cluster.call("DELETE", f"{root}/{plural}/of-a-test")


def test_somebody_elses_change_of_the_node_is_not_undone(cluster, control_plane, make_node):
    node = make_node("nobody")
    path = f"/api/v1/nodes/{node}"
    before = cluster.call("GET", path)
    cluster.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, "merge-patch+json")
    stale = {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}}
    with pytest.raises(urllib.error.HTTPError, match="409"):  # what `untainting` relies on
        cluster.call("PATCH", path, stale | {"spec": {"taints": []}}, "merge-patch+json")
