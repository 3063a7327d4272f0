"""Whichever goes first, the operator or the objects: what may go goes, and nothing is lost."""

import pytest

from stage import waiting, workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]


async def test_objects_go_without_an_operator_and_what_waits_goes_with_the_next_one(
    cluster, namespace, operator, service
):
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("kept", namespace, "app"),
        workloads.store("deleted", namespace, "app", deletionPolicy="Delete"),
        workloads.config("lines", namespace, "kept"),
    )
    for name in ("kept", "deleted"):
        cluster.until("LogStore", name, namespace, Ready="True")
    cluster.until("LogConfig", "lines", namespace, Ready="True")
    assert operator.stop() == 0
    try:
        for kind, name in (("LogConfig", "lines"), ("LogStore", "kept"), ("LogStore", "deleted")):
            cluster.delete(kind, name, namespace)
        assert cluster.get("LogConfig", "lines", namespace) is None
        assert cluster.get("LogStore", "kept", namespace) is None
        waits = cluster.get("LogStore", "deleted", namespace)
        assert waits["metadata"]["finalizers"] == ["loghub.dev/remote"]
    finally:
        operator.start()
    waiting.until(
        "what waited is gone", lambda: not cluster.get("LogStore", "deleted", namespace), every=0.2
    )
    cluster.delete("LogProject", "app", namespace)
    assert cluster.get("LogProject", "app", namespace) is None
    async with service.client() as client:
        # The data of what is retained stay; what was to be deleted is deleted.
        assert await client.list_logstores(namespace) == ["kept"]
