"""Of two replicas one works, and one that was paused finds itself fenced off."""

import signal

import pytest

from loghub_operator import cluster as clusters
from loghub_operator import kinds, leading
from stage import waiting, workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SYSTEM = "loghub-system"


@pytest.mark.slow
def test_paused_leader_is_replaced_and_ends_when_it_wakes(cluster, namespace, operator, second):
    cluster.apply(workloads.project("app", namespace, projectName=namespace))
    cluster.until("LogProject", "app", namespace, Ready="True")
    before = cluster.get("Lease", leading.NAME, SYSTEM)["spec"]
    operator.process.send_signal(signal.SIGSTOP)
    try:
        second.start()
        cluster.apply(
            workloads.store("lines", namespace, "app"),
            workloads.config("lines", namespace, "lines"),
        )
        cluster.until("LogConfig", "lines", namespace, Ready="True")
    finally:
        operator.process.send_signal(signal.SIGCONT)
    # It has seen nothing of all that, and must not write over it.
    assert operator.process.wait(timeout=60) == 1
    after = cluster.get("Lease", leading.NAME, SYSTEM)["spec"]
    assert after["holderIdentity"] != before["holderIdentity"]
    assert cluster.condition("LogConfig", "lines", namespace, "Ready")["status"] == "True"
    assert second.stop() == 0
    operator.start()
    waiting.until(
        "it leads again",
        lambda: (
            cluster.get("Lease", leading.NAME, SYSTEM)["spec"]["holderIdentity"]
            not in {"", after["holderIdentity"]}
        ),
        seconds=60,
    )


async def test_replica_whose_lease_is_old_writes_nothing_but_its_lease(
    cluster, control_plane, namespace
):
    api = await clusters.connect(str(control_plane.kubeconfig))
    metadata = {"name": "of-a-test", "namespace": namespace}
    lease = leading.Lease(api, metadata, "me")
    api.may_write = lease.fresh
    made = {"metadata": {"name": "x", "namespace": namespace}}
    try:
        with pytest.raises(clusters.ClusterError, match="too old"):
            await api.create(kinds.SERVICE_ACCOUNT, made)
        assert await api.get(kinds.SERVICE_ACCOUNT, "x", namespace) is None
        await lease.acquire()
        await api.create(kinds.SERVICE_ACCOUNT, made)
    finally:
        await api.close()
