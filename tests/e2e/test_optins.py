"""Pods that ask for collection by their own keys, on a real cluster."""

import pytest

from stage import service, waiting, workloads
from stage.kubernetes import Cluster, condition
from stage.service import Service

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def with_variables(pod: dict, **variables: str) -> dict:
    """The pod, its container `app` with these variables."""
    env = [{"name": name, "value": value} for name, value in variables.items()]
    pod["spec"]["containers"][0]["env"] = env
    return pod


def with_container(pod: dict, name: str, command: list[str]) -> dict:
    """The pod with a second container that has no variables."""
    first = pod["spec"]["containers"][0]
    second = {key: value for key, value in first.items() if key != "env"}
    pod["spec"]["containers"].append(second | {"name": name, "command": command})
    return pod


def until_all(reader: Service, store: str, namespace: str, last: int) -> list[service.Record]:
    """The records of a Logstore once lines 1 to `last` are there."""
    wanted = set(range(1, last + 1))

    def look() -> list[service.Record]:
        found = reader.records(store, project="app", namespace=namespace)
        return found if wanted <= set(service.numbers(found)) else []

    return waiting.until(f"lines 1 to {last} in {store}", look, seconds=120, every=1)


def sorted_numbers(records: list[service.Record]) -> list[int]:
    return sorted(service.numbers(records))


def until_warned(cluster: Cluster, namespace: str, pod: str) -> list[dict]:
    """The Warning events of ours on a pod, once there is one."""

    def look() -> list[dict]:
        return [
            each
            for each in cluster.list("event", "-n", namespace)
            if each["involvedObject"]["name"] == pod and each["reason"] == "InvalidOptIn"
        ]

    return waiting.until(f"a warning on pod {pod}", look, every=1)


def test_variable_opts_one_container_in_and_a_bad_one_is_one_event(installed, namespace, service):
    pod = with_variables(
        workloads.pod("web", namespace, workloads.counting(1, 20, 0.1)),
        aliyun_logs_web="stdout",
        aliyun_logs_web_tags="team=shop",
        aliyun_logs_web_ttl="7",
        aliyun_logs_web_shard="many",
    )
    installed.apply(
        workloads.project("app", namespace, projectName=namespace),
        with_container(pod, "side", workloads.counting(1001, 1020)),
    )
    records = until_all(service, "web", namespace, 20)
    assert {record.tags["_container_name_"] for record in records} == {"app"}
    assert {record.tags["team"] for record in records} == {"shop"}
    assert installed.get("logconfig", "optin-web", namespace) is not None
    assert installed.get("logstore", "web", namespace)["spec"]["retentionDays"] == 7
    [event] = until_warned(installed, namespace, "web")
    assert event["type"] == "Warning"
    assert "aliyun_logs_web_shard" in event["message"]


def test_namespaces_default_pod_and_container_win_in_that_order(installed, namespace, service):
    annotated = workloads.namespace(namespace)
    annotated["metadata"]["annotations"] = {"loghub.dev/logstore": "of-space"}
    of_pod = workloads.pod(
        "layered",
        namespace,
        workloads.counting(1, 10, 0.1),
        annotations={
            "loghub.dev/logstore": "of-pod",
            "side.loghub.dev/logstore": "of-container",
        },
    )
    # An opt-in of a namespace that has no project yet makes the project `default`.
    installed.apply(workloads.project("app", namespace, projectName=namespace))
    waiting.until(
        "the project is ready",
        lambda: (
            condition(installed.get("logproject", "app", namespace), "Ready").get("status")
            == "True"
        ),
    )
    installed.apply(
        annotated,
        workloads.pod("silent", namespace, workloads.counting(1, 10, 0.1)),
        with_container(of_pod, "side", workloads.counting(1, 10, 0.1)),
    )
    found = {
        store: {
            (record.pod, record.tags["_container_name_"])
            for record in until_all(service, store, namespace, 10)
        }
        for store in ("of-space", "of-pod", "of-container")
    }
    assert found == {
        "of-space": {("silent", "app")},
        "of-pod": {("layered", "app")},
        "of-container": {("layered", "side")},
    }


WRITE = """
import os, time
for path in ("/srv/own/app.log", "/data/app.log"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", buffering=1) as file:
        for number in range(1, 21):
            print(f"line {number:07d}", file=file)
print("line 0000099", flush=True)
time.sleep(3600)
"""
"""Lines 1 to 20 in a volume and in the container's own file system, and another to its output."""


def test_files_are_asked_for_by_variable_and_annotation_until_the_pod_goes(
    installed, namespace, service
):
    pod = with_variables(
        workloads.pod(
            "writer",
            namespace,
            ["python3", "-c", WRITE],
            annotations={
                "loghub.dev/logstore": "data",
                "loghub.dev/stdout": "false",
                "loghub.dev/files": "/data/*.log, data/other.log",
            },
        ),
        aliyun_logs_own="/srv/**/*.log",
        aliyun_logs_own_tags="team=shop",
    )
    pod = with_container(pod, "side", workloads.counting(1001, 1020))
    pod["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    # Of the first container alone: what both see, both would be asked for.
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    installed.apply(workloads.project("app", namespace, projectName=namespace), pod)
    own = until_all(service, "own", namespace, 20)
    data = until_all(service, "data", namespace, 20)
    assert sorted_numbers(own) == sorted_numbers(data) == list(range(1, 21))
    assert {record.tags["__path__"] for record in own} == {"/srv/own/app.log"}
    assert {record.tags["__path__"] for record in data} == {"/data/app.log"}
    assert {record.tags["_container_name_"] for record in own} == {"app"}
    assert {record.tags["team"] for record in own} == {"shop"}
    [event] = until_warned(installed, namespace, "writer")
    assert "loghub.dev/files" in event["message"]
    assert "'data/other.log'" in event["message"]
    found = [each["metadata"]["name"] for each in installed.list("logconfig", "-n", namespace)]
    assert sorted(name.partition(".")[0] for name in found) == ["optin-data", "optin-own"]
    installed.kubectl("-n", namespace, "delete", "pod/writer", "--timeout=60s")
    waiting.until(
        "nobody asks any more",
        lambda: not installed.list("logconfig", "-n", namespace),
        seconds=120,
        every=1,
    )
    assert installed.get("logstore", "own", namespace) is not None
