"""Files inside containers and of nodes, on a real cluster: found, followed, and in nobody's way."""

import time

import pytest

from stage import service, waiting, workloads

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PLACES = {
    "/data/app.log": 1000,
    "/fast/app.log": 2000,
    "/sub/app.log": 3000,
    "/srv/own/app.log": 4000,
}
"""Files and the numbers of their lines: on disk, in memory, in a part of a volume, in no volume."""

LINES = 50

WRITE = f"""
import os, time
files = []
for path, first in {PLACES!r}.items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    files.append((open(path, "w", buffering=1), first))
os.symlink("/data", "/srv/link")
os.symlink("/proc/self/root/etc/hostname", "/data/steal.log")
for number in range(1, {LINES} + 1):
    for file, first in files:
        print(f"line {{first + number:07d}}", file=file)
    time.sleep(0.05)
time.sleep(3600)
"""


def writer(namespace: str) -> dict:
    """A pod that writes to every place and then only keeps its files open."""
    pod = workloads.pod("writer", namespace, ["python3", "-c", WRITE], labels={"collect": "files"})
    pod["spec"]["volumes"] = [
        {"name": "data", "emptyDir": {}},
        {"name": "fast", "emptyDir": {"medium": "Memory"}},
    ]
    pod["spec"]["containers"][0]["volumeMounts"] = [
        {"name": "data", "mountPath": "/data"},
        {"name": "fast", "mountPath": "/fast"},
        {"name": "data", "mountPath": "/sub", "subPath": "deep/down"},
    ]
    return pod


def test_files_of_a_container_arrive_from_volumes_and_from_its_own_file_system(
    installed, namespace, service
):
    files = {"paths": ["/data/*.log", "/fast/**/*.log", "/sub/*", "/srv/**/*.log"]}
    installed.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
        workloads.config("lines", namespace, "lines", input={"containerFiles": files}),
        writer(namespace),
    )
    wanted = {first + number for first in PLACES.values() for number in range(1, LINES + 1)}
    found = waiting.until(
        "the lines of every file", lambda: whole(arrived(service, namespace), wanted), seconds=120
    )
    assert sorted(numbers_of(found)) == sorted(wanted)
    assert {record.tags["__path__"] for record in found} == PLACES.keys()
    assert {record.tags["_pod_name_"] for record in found} == {"writer"}
    assert {record.stream for record in found} == {""}
    # Everything it wrote is still open in the agent; its volumes must come free all the same.
    began = time.monotonic()
    installed.kubectl("-n", namespace, "delete", "pod/writer", "--timeout=60s")
    assert time.monotonic() - began < 45


def arrived(reader: service.Service, namespace: str) -> list[service.Record]:
    return reader.records("lines", project="app", namespace=namespace)


def numbers_of(records: list[service.Record]) -> list[int]:
    return service.numbers(records)


def whole(records: list[service.Record], wanted: set[int]) -> list[service.Record]:
    """The records, once every number is among them."""
    return records if wanted <= set(numbers_of(records)) else []


def test_files_of_the_nodes_arrive_with_the_node_they_are_of(installed, namespace, service):
    files = {"paths": [f"/var/log/{namespace}/*.log"]}
    pod = workloads.pod("daemon", namespace, ["python3", "-c", NODE_WRITE, f"/node/{namespace}"])
    pod["spec"]["volumes"] = [{"name": "node", "hostPath": {"path": "/var/log"}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "node", "mountPath": "/node"}]
    installed.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
        workloads.cluster_config(namespace, namespace, "lines", input={"nodeFiles": files}),
        pod,
    )
    try:
        found = waiting.until(
            "the node's lines",
            lambda: whole(arrived(service, namespace), set(range(1, 21))),
            seconds=120,
        )
        [path] = {record.tags["__path__"] for record in found}
        assert path == f"/var/log/{namespace}/daemon.log"
        node = installed.get("pod", "daemon", namespace)["spec"]["nodeName"]
        assert {record.tags["__hostname__"] for record in found} == {node}
    finally:
        installed.kubectl("delete", "clusterlogconfig", namespace, "--wait=false")


NODE_WRITE = """
import os, sys
os.makedirs(sys.argv[1], exist_ok=True)
with open(sys.argv[1] + "/daemon.log", "w") as file:
    for number in range(1, 21):
        print(f"line {number:07d}", file=file)
"""
